"""How far apart two colours are, to everybody and to a deuteranope; and what a panel tells apart by colour alone."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.container import BarContainer, Container
from matplotlib.lines import Line2D

DEUTERANOPIA = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
"""On linear RGB (Machado, Oliveira & Fernandes 2009, table 1, severity 1)."""

TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
WHITE = TO_XYZ.sum(axis=1)


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour, as it is seen through this matrix."""
    srgb = np.array(to_rgb(colour))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    t = TO_XYZ @ np.clip(seen @ linear, 0, 1) / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a: str, b: str) -> float:
    """The smaller of two distances in L*a*b* (CIE 1976): to everybody, and to a deuteranope. 2 is just seen; 20 is told at a glance."""
    return min(float(np.linalg.norm(lab(a, seen) - lab(b, seen))) for seen in (np.eye(3), DEUTERANOPIA))


NEAR = 20
"""Nearer than this, two colours are not told apart at a glance."""


def alike(ax: Axes) -> list[tuple[str, str]]:
    """The labels of what is drawn in one panel with the same line and the same marker, in colours that are near one another."""
    handles, labels = ax.get_legend_handles_labels()
    looks = [(label, *look_of(handle)) for handle, label in zip(handles, labels, strict=True)]
    return [
        (a, b)
        for (a, form, colour), (b, other_form, other) in combinations(looks, 2)
        if a != b and form == other_form and colour and other and distance(colour, other) < NEAR
    ]


def look_of(handle: Any) -> tuple[tuple[Any, ...], str]:
    """Everything but the colour of a labelled line, cloud of points or bar, and its colour on white; none where a map gives it."""
    if isinstance(handle, Container):
        handle = handle.patches[0] if isinstance(handle, BarContainer) else handle.lines[0] or handle.lines[2][0]
    if isinstance(handle, Line2D):
        hollow = to_hex(handle.get_markerfacecolor()) != to_hex(handle.get_color()) if handle.get_marker() not in NO_MARKER else False
        form = "line", handle._dash_pattern, handle.get_linewidth(), handle.get_marker(), handle.get_markersize(), hollow  # type: ignore[attr-defined]
        return form, on_white(handle.get_color(), handle.get_alpha())
    if isinstance(handle, Collection):
        faces = handle.get_facecolor()
        colour = "" if handle.get_array() is not None or not len(faces) else on_white(faces[0], None)
        return ("points", *(path.vertices.shape for path in handle.get_paths())), colour
    filled = handle.get_fill()
    colour = on_white(handle.get_facecolor() if filled else handle.get_edgecolor(), None)
    return ("bar", filled, handle.get_hatch(), handle.get_linestyle()), colour


NO_MARKER = ("", " ", "None", "none", None)


def on_white(colour: Any, alpha: float | None) -> str:
    """How a colour that may let something through looks on white."""
    red, green, blue, seen = to_rgba(colour, alpha)
    return to_hex([seen * part + 1 - seen for part in (red, green, blue)])
