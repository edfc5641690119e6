"""How far apart two colours are, to everybody and to a deuteranope."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

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
