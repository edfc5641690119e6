"""One language of colour for all figures. What a deuteranope cannot tell apart (one man in seventeen) is not told apart by colour.

Two looks are taken: `figure.TORCH`, a broad pale band, and `figure.BY_HAND`, red dashes on top of it. Nothing else is drawn in them.
"""

from __future__ import annotations

from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap, to_hex

from experiments.drawing.figure import TWO_CLASSES

POSITIVE, NEGATIVE = "#b35806", "#542788"
"""Numbers above and below 0, wherever signs are shown: orange and violet."""

SIGNED = "PuOr_r"
"""The map of colours from NEGATIVE over white, which is 0, to POSITIVE. Its limits must be ± the same number."""

BETWEEN = LinearSegmentedColormap.from_list("classes", [TWO_CLASSES[0], "white", TWO_CLASSES[1]])
"""The map of colours of a probability, from the first of TWO_CLASSES over white, which is one half, to the second."""

AMOUNT = "cividis"
"""The map of colours of what has no sign, from little (dark) to much (bright)."""

CATEGORIES = ("#332288", "#e69f00", "#009e73", "#661100", "#005f73", "#000000")
"""For what differs in kind: classes, optimizers, features. Of those that were tried, these lie farthest apart."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""Beside CATEGORIES: each class has a shape of its own too."""


def of_sign(value: float) -> str:
    """POSITIVE, NEGATIVE, or black for 0."""
    return POSITIVE if value > 0 else NEGATIVE if value < 0 else "black"


def shades(n: int) -> list[str]:
    """Colours of n curves in their order, from the first (dark) to the last (bright): some of AMOUNT."""
    return [to_hex(colormaps[AMOUNT](0.92 * k / max(n - 1, 1))) for k in range(n)]
