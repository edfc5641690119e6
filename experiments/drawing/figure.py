"""How figures are drawn: one look for all of them, and a caption with each."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib import get_data_path
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image, ImageDraw, ImageFont

BY_HAND: dict[str, Any] = {"color": "#d1495b", "linestyle": (0, (4, 3)), "linewidth": 1.6}
"""A line by hand: thin dashes, drawn over torch's."""

TORCH: dict[str, Any] = {"color": "#8ecae6", "linewidth": 6, "solid_capstyle": "round"}
"""A line of torch: a broad band, so that the dashes of the same curve can be seen on it."""

TWO_CLASSES = ("#e07a5f", "#3d5a80")
"""Colours of two classes, distinguishable also by those who do not tell red from green."""


class Captioned(Figure):
    """A figure and, apart from its pixels, what is to be seen in it.

    Attributes:
        caption: in words for somebody who reads nothing else; not drawn.
    """

    caption: str


class OnDemand(Mapping[str, Figure]):
    """Figures by name, each of which is drawn when it is asked for, and then kept: what shows one of four need not wait for the others.

    Args:
        ways: what draws each.
    """

    def __init__(self, ways: Mapping[str, Callable[[], Figure]]) -> None:
        self.ways, self.drawn = ways, dict[str, Figure]()

    def __getitem__(self, name: str) -> Figure:
        if name not in self.drawn:
            self.drawn[name] = self.ways[name]()
        return self.drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.ways)

    def __len__(self) -> int:
        return len(self.ways)


def figure(
    caption: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.0, 3.6), **subplots: Any
) -> tuple[Captioned, np.ndarray]:
    """A figure of rows x columns panels, which come as an array of that shape.

    Args:
        caption: what is to be seen. It stands beside the figure as text, or below it (`above_its_caption`).
        rows: of panels.
        columns: of panels.
        size: of one panel, in inches.
        subplots: for matplotlib's Figure.subplots.
    """
    fig = Captioned(figsize=(max(size[0] * columns, 5.0), size[1] * rows), dpi=110, layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.98)))
    fig.caption = caption
    return fig, fig.subplots(rows, columns, squeeze=False, **subplots)


def pixels(fig: Figure) -> np.ndarray:
    """What is drawn: (height, width, 3), bytes. A figure that has not changed since then is not drawn again."""
    canvas = fig.canvas
    if fig.stale or not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def above_its_caption(picture: np.ndarray, caption: str, dpi: int = 110) -> np.ndarray:
    """A picture with its caption below it, for where a picture stands alone, as in TensorBoard.

    Args:
        picture: (height, width, 3), bytes.
        caption: in words.
        dpi: pixels per inch of the picture.

    Returns: a picture as wide, and taller.
    """
    width = picture.shape[1]
    lines = balanced(caption, int(width / dpi * 14))
    strip = Image.new("L", (width, round((0.19 * len(lines) + 0.25) * dpi)), "white")
    middle = strip.width / 2, strip.height / 2
    ImageDraw.Draw(strip).multiline_text(  # Matplotlib takes ten times as long to write it
        middle, "\n".join(lines), 0, caption_font(9 * dpi / 72), anchor="mm", spacing=0.05 * dpi, align="center"
    )
    return np.vstack([picture, np.repeat(np.asarray(strip)[..., None], 3, axis=2)])


@functools.cache
def caption_font(size: float) -> ImageFont.FreeTypeFont:
    """The font of all figures, which Matplotlib brings, in this size in pixels."""
    return ImageFont.truetype(get_data_path() + "/fonts/ttf/DejaVuSans.ttf", size)


def balanced(text: str, most: int) -> list[str]:
    """Text in as few lines of at most so many characters as it takes, which are then as short as they can be: no word is left alone."""
    lines = textwrap.wrap(text, most)
    while lines and len(shorter := textwrap.wrap(text, most - 1)) == len(lines):
        most, lines = most - 1, shorter
    return lines


def unbroken(formula: str) -> str:
    """A formula within a caption, which is not to be broken over two lines: its blanks do not break."""
    return formula.replace(" ", "\u00a0")


def draw_both(ax: Any, ours: Any, theirs: Any, label: str, colour: str) -> None:
    """One curve of both sides in one colour: torch's broad and pale, the hand-written one dashed on top of it.

    Args:
        ax: where to draw.
        ours, theirs: what `plot` takes: values, or xs and ys as the rows of one array.
        label: for the legend.
        colour: of both.
    """
    for curve, look in (
        (theirs, {**TORCH, "linewidth": 5, "alpha": 0.3}),
        (ours, {**BY_HAND, "linestyle": (0, (4, 2)), "label": label}),
    ):
        ax.plot(*np.atleast_2d(curve), **{**look, "color": colour})
