"""Plain functions under several layers and losses, each in the form that neither overflows nor loses digits."""

from __future__ import annotations

from typing import Any

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    """σ(x) = 1 / (1 + e⁻ˣ), entry by entry (torch.sigmoid).

    Where e⁻ˣ overflows to ∞, 1 / (1 + ∞) = 0 is what σ(x) rounds to.
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + eˣ), entry by entry, as max(x, 0) + log(1 + e⁻ᴵˣᴵ): nothing overflows, and log1p keeps the tail's digits."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def logsumexp(x: np.ndarray, axis: int, keepdims: bool = False) -> np.ndarray:
    """log Σᵢ exp(xᵢ) along an axis (torch.logsumexp), as m + log Σᵢ exp(xᵢ − m) with m = maxᵢ xᵢ: the largest power is e⁰ = 1.

    Only −∞ along the axis, or nothing at all, gives −∞ (the logarithm of nothing), a +∞ gives +∞.
    """
    m = x.max(axis=axis, keepdims=True, initial=-np.inf)
    m = np.where(np.isinf(m), 0, m)  # ∞ − ∞ would be NaN
    with np.errstate(divide="ignore", over="ignore"):  # log 0 = −∞ is what is meant, and ∞ beside a +∞
        y = m + np.log(np.exp(x - m).sum(axis=axis, keepdims=True))
    return y if keepdims else y.squeeze(axis)


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """pᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) along an axis (torch.softmax).

    The maximum is subtracted first: it cancels in the fraction, and no power overflows. A row of −∞ alone, or with a +∞, gives NaN, as in
    torch.
    """
    with np.errstate(invalid="ignore"):  # ∞ − ∞ = NaN is what is meant
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """log pᵢ = xᵢ − log Σⱼ exp(xⱼ) along an axis (torch.log_softmax), exact also where pᵢ itself would round to 0."""
    with np.errstate(invalid="ignore", divide="ignore"):  # ∞ − ∞ = NaN is what is meant, as in softmax; and log 0 of no entries
        shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
        return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def binary_scale(x: np.ndarray, axis: int | None = None) -> Any:
    """The largest power of two not above the largest |x|: x over it is exact, and has squares that neither overflow nor vanish.

    1 where all of x is 0, or one of it is not finite.

    Args:
        x: numbers of any size.
        axis: along which the largest is looked for; it stays, with size 1. None: one scale for all of x, ().
    """
    largest = np.abs(x).max(axis=axis, keepdims=axis is not None, initial=0)
    exponent = np.where(np.isfinite(largest) & (largest > 0), np.frexp(largest)[1] - 1, 0)
    return np.ldexp(np.ones_like(largest), exponent)


def length(x: np.ndarray, axis: int | None = None) -> Any:
    """√Σᵢ xᵢ² along an axis, which stays, with size 1; of all of x, (), without one. Nothing in it under- or overflows but the result."""
    s = binary_scale(x, axis)
    return s * np.sqrt(((x / s) ** 2).sum(axis=axis, keepdims=axis is not None))


def sum_to(dL_dy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of broadcasting: the sum over every axis along which one number was used again and again.

    The bias of a layer is the example: b (out,) is added to N rows, and its gradient is the sum of the gradients of the rows.

    Args:
        dL_dy: of the shape that was broadcast to.
        shape: that was broadcast from.
    """
    missing = dL_dy.ndim - len(shape)  # axes that are missing in front
    repeated = [missing + i for i, size in enumerate(shape) if size == 1]
    return dL_dy.sum(axis=(*range(missing), *repeated)).reshape(shape)


def column_sum(rows: np.ndarray) -> np.ndarray:
    """Σ along each column, (R, D) to (D,), as a product with ones: BLAS sums up to four times as fast as `sum`."""
    return (rows.T @ np.ones((len(rows), 1), rows.dtype)).ravel()  # (D, R) @ (R, 1)


def centred(x: np.ndarray) -> np.ndarray:
    """X[n, i] = x[n, i] − x̄[i], every column less its mean. Shapes: both (N, D).

    It is its own backward: x[n, i] acts as it stands, and through x̄[i], of which it is 1/N, on every row. So ∂L/∂x is ∂L/∂X, every column
    less its mean.
    """
    return x - x.mean(axis=0)
