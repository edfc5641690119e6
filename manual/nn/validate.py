"""What a layer says when its input does not fit: what was expected, and what came."""

from __future__ import annotations

from typing import Any

import numpy as np

widened = [False]
"""Whether a layer that was given float16 is at work, in float32: see boundary.py. Its parameters are float16 all the same."""

HALF_AND_WIDE = {np.dtype(np.float16), np.dtype(np.float32)}


def expect_array(layer: str, name: str, x: Any, dtype: Any = None) -> None:
    """Raise TypeError unless x is an array (of this dtype, if one is given; else of any floating dtype)."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{layer}: {name} must be a NumPy array, got {type(x).__name__}")
    if dtype is None and not is_floating(x.dtype):
        raise TypeError(f"{layer}: {name} must be floating point, got {x.dtype}")
    if dtype is not None and not fits(x.dtype, dtype):
        raise TypeError(f"{layer}: {name} must have the layer's dtype {np.dtype(dtype)}, got {x.dtype}")


def is_floating(dtype: np.dtype) -> bool:
    """Whether it is float16, float32 or float64: asked of every array at every step, so by its kind, in a tenth of np.issubdtype's time."""
    return dtype.kind == "f"


def fits(dtype: Any, expected: Any) -> bool:
    """Whether it is this dtype; or float32, or float16, in the place of the other, where a layer computes float16 in float32."""
    return dtype == expected or (widened[0] and {np.dtype(dtype), np.dtype(expected)} == HALF_AND_WIDE)


def expect_ndim(layer: str, name: str, x: np.ndarray, *ndims: int) -> None:
    """Raise ValueError unless x has one of these numbers of axes."""
    if x.ndim not in ndims:
        expected = " or ".join(map(str, ndims))
        raise ValueError(f"{layer}: {name} must have {expected} axes, got shape {x.shape}")


def expect_size(layer: str, name: str, x: np.ndarray, axis: int, size: int, what: str) -> None:
    """Raise ValueError unless that axis of x has this size, called `what`."""
    if x.ndim == 0 or x.shape[axis] != size:
        raise ValueError(f"{layer}: axis {axis} of {name} must be {what} = {size}, got shape {x.shape}")


def expect_same_shape(layer: str, name: str, x: np.ndarray, other: str, y: np.ndarray) -> None:
    """Raise ValueError unless both arrays have one shape (no silent broadcasting)."""
    expect_shape(layer, name, x, other, y.shape)


def expect_shape(layer: str, name: str, x: np.ndarray, other: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless x has this shape, that of an array called `other`."""
    if x.shape != shape:
        raise ValueError(f"{layer}: {name} and {other} must have one shape, got {x.shape} and {shape}")


def expect_indices(layer: str, name: str, index: np.ndarray, size: int, what: str) -> None:
    """Raise TypeError unless integers, IndexError unless all in 0 ... size − 1."""
    if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu":
        raise TypeError(f"{layer}: {name} must be an array of integers, got {getattr(index, 'dtype', type(index).__name__)}")
    if index.size and (index.min() < 0 or index.max() >= size):
        bad = int(index.min() if index.min() < 0 else index.max())
        raise IndexError(f"{layer}: {name} must lie in 0 … {size - 1} ({what} = {size}), got {bad}")


def expect_choice(layer: str, name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise ValueError unless value is one of the choices."""
    if value not in choices:
        raise ValueError(f"{layer}: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def expect_matrix(function: str, name: str, A: np.ndarray) -> None:
    """Raise TypeError or ValueError unless A is an array of floats with two axes."""
    expect_array(function, name, A)
    expect_ndim(function, name, A, 2)
