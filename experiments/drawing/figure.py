"""How figures are drawn: one look for all of them, and a caption with each."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

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


def figure(
    caption: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.0, 3.6), **subplots: Any
) -> tuple[Captioned, np.ndarray]:
    """A figure of rows x columns panels, which come as an array of that shape.

    Args:
        caption: what is to be seen. It stands beside the figure as text, or below it (`with_caption`).
        rows: of panels.
        columns: of panels.
        size: of one panel, in inches.
        subplots: for matplotlib's Figure.subplots.
    """
    fig = Captioned(figsize=(max(size[0] * columns, 5.0), size[1] * rows), dpi=110, layout=ConstrainedLayoutEngine(rect=(0, 0, 1, 0.98)))
    fig.caption = caption
    return fig, fig.subplots(rows, columns, squeeze=False, **subplots)


def with_caption(fig: Captioned) -> Captioned:
    """The same figure, grown by its caption, which is drawn below it: for where a picture stands alone, as in TensorBoard."""
    width, height = fig.get_size_inches()
    lines = textwrap.wrap(fig.caption, int(width * 14))
    taller = height + 0.19 * len(lines) + 0.2
    below = (0.19 * len(lines) + 0.15) / taller
    fig.set_size_inches(width, taller)
    fig.set_layout_engine(ConstrainedLayoutEngine(rect=(0, below, 1, 0.98 - below)))
    fig.text(0.5, 0.02, "\n".join(lines), ha="center", va="bottom", fontsize=9)
    return fig


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
