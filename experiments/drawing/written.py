"""Names and numbers written into a panel: at the ends of its curves, beside a place in it, and into the cells of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from experiments.drawing.labels import label_ends

HALO = [withStroke(linewidth=3, foreground="white")]
"""Around letters that stand on lines."""


def label_lines(ax: Axes, left: bool = False, size: float = 8.5) -> None:
    """Write the label of each curve that has one beside its end, in its colour, in place of a legend.

    Args:
        ax: with its scales and limits already set.
        left: of the panel, in place of right of it.
        size: of the letters, in points.
    """
    named = {str(line.get_label()): line for line in ax.lines if not str(line.get_label()).startswith("_")}
    label_ends(ax, {name: (*end_of(ax, line, left), str(line.get_color())) for name, line in named.items()}, left, size)


def end_of(ax: Axes, line: Line2D, left: bool = False) -> tuple[float, float]:
    """The last (the first) point of a curve that is within the panel: x and y."""
    points = np.stack([np.asarray(a, float) for a in line.get_data()], axis=1)
    (x0, x1), (y0, y1) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    within = [x0 <= x <= x1 and y0 <= y <= y1 for x, y in points]
    seen = points[within]
    x, y = seen[seen[:, 0].argmin() if left else seen[:, 0].argmax()]
    return float(x), float(y)


def write(ax: Axes, text: str, at: Any, offset: tuple[float, float], colour: Any, **settings: Any) -> None:
    """Text some points away from a place, on the side where it is moved to, with a white halo.

    Args:
        ax: the panel.
        text: to write.
        at: the place.
        offset: points to the right and up.
        colour: of the letters.
        settings: for matplotlib's annotate.
    """
    sides = {"ha": {1: "left", 0: "center", -1: "right"}, "va": {1: "bottom", 0: "center", -1: "top"}}
    aligned = {key: side[int(np.sign(o))] for (key, side), o in zip(sides.items(), offset, strict=True)}
    look = {"textcoords": "offset points", "color": colour, "path_effects": HALO, "zorder": 10, **aligned, **settings}
    ax.annotate(text, at, offset, **look)


def write_numbers(ax: Axes, values: np.ndarray, digits: int = 1, size: float = 7) -> None:
    """Write every entry of a matrix into its cell, light on dark and dark on light."""
    image: Any = ax.images[-1]
    for (row, column), value in np.ndenumerate(np.round(values, digits) + 0.0):  # + 0.0: no "-0.0"
        red, green, blue, _ = image.cmap(image.norm(np.array(value)))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        ax.text(column, row, f"{value:.{digits}f}", ha="center", va="center", fontsize=size, color="white" if dark else "black")
