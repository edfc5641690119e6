"""One figure: its caption is text beside it, and stands below its panels only where that is asked for."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments.drawing.figure import figure, with_caption

CAPTION = "Left: what goes in, one dot for each example. Right: what comes out; look at the one that is far from the others. " * 3


@pytest.mark.parametrize(("rows", "columns", "size"), [(1, 1, (4.0, 3.0)), (2, 3, (2.5, 2.0))])
def test_the_caption_is_not_drawn_unless_it_is_asked_for_and_then_below_everything(
    rows: int, columns: int, size: tuple[float, float]
) -> None:
    fig, axes = figure(CAPTION, rows, columns, size)
    assert axes.shape == (rows, columns)
    assert fig.caption == CAPTION
    assert fig.texts == []
    width, height = fig.get_size_inches()
    assert (width, height) == (max(size[0] * columns, 5.0), size[1] * rows)
    for ax in axes.flat:
        ax.set(xlabel="x", ylabel="y", title="a panel")

    assert with_caption(fig) is fig
    assert fig.get_size_inches()[0] == width
    assert fig.get_size_inches()[1] > height
    (text,) = fig.texts
    assert text.get_text().split() == CAPTION.split()
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    drawn = text.get_window_extent(canvas.get_renderer())
    assert drawn.x0 >= 0
    assert drawn.x1 <= fig.bbox.width
    assert drawn.y0 >= 0
    assert all(ax.get_tightbbox(canvas.get_renderer()).y0 >= drawn.y1 for ax in axes.flat)
