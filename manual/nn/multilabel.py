"""Losses of examples that may belong to several classes at once: MultiLabelSoftMarginLoss, MultiLabelMarginLoss."""

from __future__ import annotations

from typing import Any

import numpy as np

from manual.nn.functional import sigmoid, softplus
from manual.nn.loss import Loss, numbers
from manual.nn.validate import expect_array, expect_ndim, expect_same_shape


class MultiLabelSoftMarginLoss(Loss):
    """A yes or no for every class: the mean of C logistic losses (torch.nn.MultiLabelSoftMarginLoss).

        l = −1/C Σ_c w[c] (t[c] log σ(x[c]) + (1 − t[c]) log σ(−x[c]))
        ∂l/∂x[c] = −w[c] / C (t[c] (1 − σ(x[c])) − (1 − t[c]) σ(x[c])) = w[c] / C (σ(x[c]) − t[c])

    Args:
        weight: w, one for each class, or of a shape that broadcasts to x's.
        size_average, reduce, reduction: see Loss. The mean divides by the number of examples, whatever the weights.

    Shapes: x and t alike, (N, C) or (C,), or with more leading axes; the loss is a number, or of their shape without its last axis for
    reduction "none".

    Raises:
        ValueError: if shapes do not fit.
        TypeError: if x and weight are not of one floating dtype, or t neither of it nor of integers.
    """

    weight: np.ndarray | None

    def __init__(self, weight: np.ndarray | None = None, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", None if weight is None else np.array(weight))

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        expect_array("MultiLabelSoftMarginLoss", "input", input)
        x, t = input, numbers("MultiLabelSoftMarginLoss", target, input)
        expect_same_shape("MultiLabelSoftMarginLoss", "input", x, "target", t)
        if x.ndim == 0:
            raise ValueError("MultiLabelSoftMarginLoss: input must have at least 1 axis, got a single number")
        w_C = self._weights(x) / x.dtype.type(x.shape[-1])  # (C,): w/C
        self.save(x, t, w_C)
        return self.reduce((w_C * (t * softplus(-x) + (1 - t) * softplus(x))).sum(axis=-1))  # −log σ(x) = softplus(−x)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        x, t, w_C = self.restore()
        dL_dl = np.expand_dims(self.reduce.backward(dL_dy), -1)  # (N, 1): one for each example
        return dL_dl * w_C * (sigmoid(x) - t)

    def _weights(self, x: np.ndarray) -> np.ndarray | int:
        """w, once it has been found to fit; 1 if there is none."""
        if self.weight is None:
            return 1
        expect_array("MultiLabelSoftMarginLoss", "weight", self.weight, x.dtype)
        if not broadcasts_to(self.weight.shape, x.shape):
            raise ValueError(f"MultiLabelSoftMarginLoss: weight must broadcast to input {x.shape}, got {self.weight.shape}")
        return self.weight


class MultiLabelMarginLoss(Loss):
    """Every true class must beat every other by 1 (torch.nn.MultiLabelMarginLoss).

    For one example x, with m[j] = how often the target names class j (usually 0 or 1),

        l = 1/C Σᵢⱼ m[j] [m[i] = 0] max(0, z[j, i]),   z[j, i] = 1 − x[j] + x[i]

        ∂l/∂z[j, i] = 1/C m[j] [m[i] = 0] [z[j, i] > 0],   ∂l/∂x[c] = Σⱼ ∂l/∂z[j, c] − Σᵢ ∂l/∂z[c, i]

    At the kink, z = 0, it is 0. NaN passes (torch drops it).

    Args:
        size_average, reduce, reduction: see Loss.

    Shapes: x (N, C) or (C,), or () for one class; the target of the same shape holds the numbers of the true classes, and −1 behind the
    last of them, behind which nothing counts; the loss is a number, or (N,) or () for reduction "none".

    Raises:
        ValueError: if the shapes differ, or x has another number of axes or no class.
        IndexError: if a class is not in −1 … C − 1.
        TypeError: if x is not a floating point array, or classes are not integers.
    """

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        expect_array("MultiLabelMarginLoss", "input", input)
        expect_ndim("MultiLabelMarginLoss", "input", input, 0, 1, 2)
        expect_same_shape("MultiLabelMarginLoss", "input", input, "target", target)
        x, target = np.atleast_1d(input), np.atleast_1d(target)  # a single number is one class
        if x.shape[-1] == 0:
            raise ValueError(f"MultiLabelMarginLoss: input must have at least one class, got shape {x.shape}")
        m = times_named("MultiLabelMarginLoss", target).astype(x.dtype)
        pairs = m[..., :, np.newaxis] * (m[..., np.newaxis, :] == 0) / m.shape[-1]  # (N, C, 1) with (N, 1, C): j down, i across
        z = 1 - x[..., :, np.newaxis] + x[..., np.newaxis, :]  # (N, C, C)
        self.save(pairs * (z > 0), input.shape)
        return self.reduce((pairs * np.maximum(z, 0)).sum(axis=(-2, -1)))

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        dl_dz, shape = self.restore()  # (N, C, C)
        dL_dl = np.expand_dims(self.reduce.backward(dL_dy), -1)  # (N, 1): one for each example
        return (dL_dl * (dl_dz.sum(axis=-2) - dl_dz.sum(axis=-1))).reshape(shape)


def broadcasts_to(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Whether an array of this shape can stand for one of the whole shape."""
    return len(shape) <= len(whole) and all(n in (1, m) for n, m in zip(shape[::-1], whole[::-1], strict=False))


def times_named(loss: str, target: np.ndarray) -> np.ndarray:
    """How often each class is named before the first −1 of its example; raise unless the target (N, C) holds classes and −1."""
    if not np.issubdtype(target.dtype, np.integer):
        raise TypeError(f"{loss}: target must be an array of integers, got {target.dtype}")
    C = target.shape[-1]
    if ((target < -1) | (target >= C)).any():
        raise IndexError(f"{loss}: target must lie in −1 … {C - 1}, got {target.tolist()}")
    named = np.logical_and.accumulate(target != -1, axis=-1)
    return (named[..., np.newaxis] & (target[..., np.newaxis] == np.arange(C))).sum(axis=-2)  # (N, C, C) to (N, C)
