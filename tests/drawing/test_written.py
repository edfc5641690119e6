"""Names in a panel: at the ends of curves, in their colours, and beside places."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from experiments.drawing.figure import figure
from experiments.drawing.written import end_of, label_lines, write, write_numbers


def test_each_labelled_curve_is_named_at_its_end_within_the_panel_in_its_colour() -> None:
    _, axes = figure("two curves")
    ax, x = axes[0, 0], np.linspace(0, 10, 11)
    ax.plot(x, x, color="#332288", label="rises")
    ax.plot(x, np.where(x < 8, 2, np.nan), color="#e69f00", label="ends")
    ax.plot(x, -x, color="black")
    ax.set(xlim=(0, 12), ylim=(0, 5))
    assert [end_of(ax, line) for line in ax.lines[:2]] == [(5, 5), (7, 2)], "the last point that is seen"
    assert end_of(ax, ax.lines[1], left=True) == (0, 2)
    label_lines(ax)
    assert [(text.get_text(), to_hex(text.get_color())) for text in ax.texts] == [("rises", "#332288"), ("ends", "#e69f00")]
    assert [text.xy for text in ax.texts] == [(5, 5), (7, 2)]


@pytest.mark.parametrize(("offset", "sides"), [((5, 0), ("left", "center")), ((-5, 4), ("right", "bottom")), ((0, -4), ("center", "top"))])
def test_text_grows_away_from_its_place(offset: tuple[float, float], sides: tuple[str, str]) -> None:
    _, axes = figure("a place")
    write(axes[0, 0], "here", (0.5, 0.5), offset, "black")
    (text,) = axes[0, 0].texts
    assert (text.get_ha(), text.get_va()) == sides
    assert text.get_path_effects()


def test_numbers_stand_in_their_cells_light_on_dark_and_dark_on_light() -> None:
    _, axes = figure("a matrix")
    ax = axes[0, 0]
    ax.imshow([[0.0, 1.0, 0.5]], cmap="Greys", vmin=0, vmax=1)
    write_numbers(ax, np.array([[-0.001, 1.0, 0.25]]), digits=2)
    assert [(t.get_text(), t.get_position(), t.get_color()) for t in ax.texts] == [
        ("0.00", (0, 0), "black"),
        ("1.00", (1, 0), "white"),
        ("0.25", (2, 0), "black"),
    ]
