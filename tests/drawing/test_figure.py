"""One figure: its caption is text beside it, and stands below its panels only where a picture stands alone."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments.drawing.figure import OnDemand, above_its_caption, balanced, figure, pixels, unbroken

CAPTION = "Left: what goes in, one dot for each example. Right: what comes out; look at the one that is far from the others. " * 3


@pytest.mark.parametrize(("rows", "columns", "size"), [(1, 1, (4.0, 3.0)), (2, 3, (2.5, 2.0))])
def test_the_caption_is_not_drawn_unless_it_is_asked_for_and_then_below_everything(
    rows: int, columns: int, size: tuple[float, float]
) -> None:
    fig, axes = figure(CAPTION, rows, columns, size)
    assert axes.shape == (rows, columns)
    assert fig.caption == CAPTION
    assert fig.texts == []
    width, height = max(size[0] * columns, 5.0), size[1] * rows
    assert tuple(fig.get_size_inches()) == (width, height)
    for ax in axes.flat:
        ax.set(xlabel="x", ylabel="y", title="a panel")
    picture = pixels(fig)
    assert (picture.dtype, picture.shape) == (np.uint8, (round(height * 110), round(width * 110), 3))
    whole = above_its_caption(picture, CAPTION)
    assert whole.shape[1:] == picture.shape[1:]
    assert np.array_equal(whole[: len(picture)], picture)
    below = whole[len(picture) :]
    assert len(below) == round(110 * (0.19 * len(balanced(CAPTION, int(width * 14))) + 0.25))
    assert (below[[0, -1]] == 255).all(), "no line is cut off above or below"
    assert (below[:, [0, -1]] == 255).all(), "nor to the left or the right"
    assert below.min() < 100, "something is written there"


def test_lines_are_as_few_as_can_be_and_of_like_length_and_no_formula_is_broken() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve too."
    assert balanced(words, 60) == ["one two three four five six seven", "eight nine ten eleven twelve too."]
    assert balanced(words, 100) == [words]
    assert balanced("", 10) == []
    assert balanced("unbreakable", 20) == ["unbreakable"]
    formula = unbroken("s² / (s² + N)")
    assert balanced(f"what shrinks is {formula} of it", 20) == ["what shrinks is", f"{formula} of it"]
    assert formula.split(" ") == [formula]


def test_a_figure_is_drawn_when_it_is_asked_for_and_only_once() -> None:
    made: list[str] = []
    figures = OnDemand({name: lambda name=name: made.append(name) or figure(name)[0] for name in ("one", "two", "three")})
    assert (list(figures), len(figures), "two" in list(figures)) == (["one", "two", "three"], 3, True)
    assert made == []
    two = figures["two"]
    assert figures["two"] is two
    assert made == ["two"]
    assert [name for name, _ in figures.items()] == ["one", "two", "three"]
    assert sorted(made) == ["one", "three", "two"]


def test_what_has_not_changed_since_it_was_drawn_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fig, axes = figure("A line.")
    axes[0, 0].plot([0, 1])
    first, drawn = pixels(fig), []
    real = FigureCanvasAgg.draw
    monkeypatch.setattr(FigureCanvasAgg, "draw", lambda canvas: (drawn.append(canvas), real(canvas)))
    assert np.array_equal(pixels(fig), first)
    assert drawn == []
    axes[0, 0].plot([1, 0])
    assert not np.array_equal(pixels(fig), first)
    assert len(drawn) == 1
