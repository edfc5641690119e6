"""Names beside the curves that they belong to, in place of a legend far away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Ends = Mapping[str, tuple[float, float, str]]
"""Of each curve, by name: where its end is, (x, y), and its colour."""


def label_ends(ax: Any, ends: Ends, left: bool = False, size: float = 8.5, lines: int = 1) -> None:
    """Write the name of each curve beside the panel, at the height of the curve's end; names that would overlap are moved apart.

    Args:
        ax: with its scales and limits already set.
        ends: of the curves.
        left: of the panel, in place of right of it; the ticks of y then stand on the right.
        size: of the letters, in points.
        lines: of each name.
    """
    ax.autoscale_view()
    ax.get_ylim()  # limits that are still to be found are found now
    heights = [(ax.transScale + ax.transLimits).transform((x, y))[1] for x, y, _ in ends.values()]
    panel = ax.get_subplotspec().get_gridspec().nrows / ax.figure.get_size_inches()[1] / 0.8  # a panel's height, less its labels
    edge = -0.04 if left else 1.03
    for (name, (x, y, colour)), at in zip(ends.items(), apart(np.array(heights), 1.25 * size * lines / 72 * panel), strict=True):
        ax.annotate(
            name,
            (x, y),
            xytext=(edge, at),
            textcoords="axes fraction",
            ha="right" if left else "left",
            va="center",
            color=colour,
            fontsize=size,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 1, "shrinkB": 1, "relpos": (float(left), 0.5)},
        )
    if left:
        ax.yaxis.tick_right()
        ax.yaxis.set_label_position("right")


def apart(wanted: np.ndarray, gap: float) -> np.ndarray:
    """Places at least `gap` apart, in the order of those that are wanted, and as near to these as can be (least squares).

    Args:
        wanted: (N,).
        gap: between neighbours.
    """
    order = np.argsort(wanted, kind="stable")
    groups: list[tuple[float, int]] = []  # of neighbours that touch: where the lowest should be, and how many they are
    for place in wanted[order] - gap * np.arange(len(wanted)):
        groups.append((float(place), 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:  # they would overlap: they move together from now on
            (a, n), (b, m) = groups[-2:]
            groups[-2:] = [((n * a + m * b) / (n + m), n + m)]
    found = np.empty(len(wanted))
    found[order] = [place for place, n in groups for _ in range(n)]
    return found + gap * np.argsort(order)
