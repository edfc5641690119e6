"""Central differences: how much f moves when its input moves a little, (f(x + h d) − f(x − h d)) / 2h. They know no backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

EPS = float(np.finfo(np.float64).eps)

STEP = EPS ** (1 / 3)
"""Where what a central difference cuts off, h² f‴/6, and what it rounds, eps f/h, are about equal: 4e-11 of numbers near 1."""


def along(f: Callable[..., Any], inputs: tuple[Any, ...], directions: tuple[Any, ...], h: float = STEP) -> Any:
    """How f's outputs change when its inputs move along these directions, by a central difference.

    Args:
        f: returns an array, a number, or a tuple of them.
        inputs: of f; arrays or numbers, in float64.
        directions: one for each, of its shape.
        h: how far to go. Nothing is cut off of a parabola: there a longer step is better, of which less is lost to rounding.
    """
    after, before = (f(*(x + side * h * d for x, d in zip(inputs, directions, strict=True))) for side in (1, -1))
    if isinstance(after, tuple):
        return tuple((a - b) / (2 * h) for a, b in zip(after, before, strict=True))
    return (after - before) / (2 * h)


def jacobian(f: Callable[[np.ndarray], Any], p: np.ndarray, h: float = STEP) -> np.ndarray:
    """∂f/∂p by central differences: the axes of f(p), then those of p. Of a number f(p) it is the gradient."""
    columns = [along(f, (p,), (e.reshape(p.shape),), h) for e in np.eye(p.size)]
    return np.stack(columns, axis=-1).reshape(*np.shape(columns[0]), *p.shape)
