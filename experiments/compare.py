"""How two computations are compared: one error measure, its digits, and what is tolerated.

a is the tensor found by hand, b is torch's. Everything here works on NumPy arrays, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

ONE_STEP = {"float64": 1e-12, "float32": 1e-5}
"""Tolerated error of one step from equal weights (right twins measure under 1e-14 in float64; bugs start near 1e-7)."""

CEILING = {"float64": 1e-8, "float32": 1e-3}
"""Tolerated error of any step of any trajectory, however much rounding has been amplified."""

SMALL = 1e-3
"""A tensor smaller than this fraction of the whole that it is part of is measured against the whole."""

NonFinite = Literal["refuse", "match"]


def as_array(tensor: Any) -> np.ndarray:
    """The NumPy array of an array, a Parameter, a number or a torch tensor on any device; no copy where none is needed."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return np.asarray(tensor)


def norm(tensors: Iterable[np.ndarray]) -> float:
    """‖B‖, the Euclidean norm of all entries of all tensors together, in float64."""
    return math.sqrt(sum(float(np.vdot(t, t)) for t in (np.asarray(t, dtype=np.float64) for t in tensors)))


def error(a: Any, b: Any, whole: float | None = None, nonfinite: NonFinite = "refuse") -> float:
    """‖a − b‖ / max(‖b‖, 1e-3 · ‖B‖), where 0/0 = 0.

    Args:
        a: by hand.
        b: torch's.
        whole: ‖B‖, the norm of what b is part of; b itself unless given.
        nonfinite: "match" lets NaN equal NaN and ±∞ equal the same ±∞ in the same place; else they equal nothing.

    Returns:
        The relative error; ∞ where shape or dtype differ, where integers or booleans differ at all, or where a
        number is not finite.
    """
    a, b = as_array(a), as_array(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return math.inf
    if not np.issubdtype(b.dtype, np.floating):
        return 0.0 if np.array_equal(a, b) else math.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    odd = ~(np.isfinite(a) & np.isfinite(b))
    if odd.any():
        if nonfinite == "refuse" or not np.array_equal(a[odd], b[odd], equal_nan=True):
            return math.inf
        a, b = a[~odd], b[~odd]
    return ratio(norm([a - b]), max(norm([b]), SMALL * (whole or 0.0)))


def ratio(difference: float, size: float) -> float:
    """difference / size, with 0/0 = 0."""
    return 0.0 if difference == 0 else difference / size if size > 0 else math.inf


def digits(error: float, dtype: str = "float64") -> float:
    """Digits of agreement: −log10(error), between 0 and what the dtype holds (15.7 in float64, 6.9 in float32)."""
    most = -math.log10(np.finfo(dtype).eps)
    if math.isnan(error):
        return 0.0
    return most if error == 0 else min(max(-math.log10(error), 0.0), most)


def errors(a: Mapping[str, Any], b: Mapping[str, Any], whole: float | None = None) -> dict[str, float]:
    """The error of every tensor of two dicts; a key that only one side has is an infinite error.

    Args:
        a: by hand.
        b: torch's.
        whole: ‖B‖ for all of them; the norm of everything in b unless given.
    """
    if whole is None:
        whole = norm(as_array(t) for t in b.values())
    return {key: error(a[key], b[key], whole) if key in a and key in b else math.inf for key in [*b, *(k for k in a if k not in b)]}
