"""Losses that ask for a margin, or compare examples with each other: the twins of torch.nn.TripletMarginLoss and its kin.

Most are max(0, z): nothing is to be gained beyond the margin. As torch.clamp has it, ∂max(0, z)/∂z = [z ≥ 0], with 1 at the
kink, z = 0; MultiMarginLoss alone has 0 there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual.nn.cross_entropy import class_axis, classes
from manual.nn.distance import distance_gradient
from manual.nn.functional import sigmoid, softplus
from manual.nn.loss import EPSILON, Loss, numbers
from manual.nn.validate import expect_array, expect_ndim, expect_same_shape

# ---- one prediction ------------------------------------------------------------------------------


class SoftMarginLoss(Loss):
    """Logistic loss of the score x and its true sign t, 1 or −1: l = log(1 + exp(−t x)) (torch.nn.SoftMarginLoss).

        ∂l/∂x = −t σ(−t x)

    Stable for any x; where exp(−t x) overflows torch gives ∞ and a gradient of NaN.

    Args:
        size_average, reduce, reduction: see Loss.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes differ.
        TypeError: if x is not a floating point array, or t neither of its dtype nor of integers.
    """

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        expect_array("SoftMarginLoss", "input", input)
        x, t = input, numbers("SoftMarginLoss", target, input)
        expect_same_shape("SoftMarginLoss", "input", x, "target", t)
        self.save(x, t)
        return self.reduce(softplus(-t * x))

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        x, t = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return dL_dl * -t * sigmoid(-t * x)


class HingeEmbeddingLoss(Loss):
    """Of a distance x: small where t = 1, beyond the margin m where t = −1 (torch.nn.HingeEmbeddingLoss).

        l = [t ≠ −1] x + [t ≠ 1] max(0, m − x)
        ∂l/∂x = [t ≠ −1] − [t ≠ 1] [x ≤ m]

    At the kink, x = m, the second term counts.

    Args:
        margin: m.
        size_average, reduce, reduction: see Loss.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes differ.
        TypeError: if x is not a floating point array, or t neither of its dtype nor of integers.
    """

    def __init__(self, margin: float = 1.0, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        expect_array("HingeEmbeddingLoss", "input", input)
        x, t = input, numbers("HingeEmbeddingLoss", target, input)
        expect_same_shape("HingeEmbeddingLoss", "input", x, "target", t)
        self.save(x, t)
        return self.reduce((t != -1) * x + (t != 1) * np.maximum(self.margin - x, 0))

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        x, t = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return dL_dl * (t != -1) - dL_dl * ((t != 1) & (x <= self.margin))


class MultiMarginLoss(Loss):
    """The true class must beat every other by the margin m (torch.nn.MultiMarginLoss). For one example x of class t,

        l = w[t] / C Σ_{c ≠ t} max(0, z[c])ᵖ,   z[c] = m − x[t] + x[c]

        ∂l/∂x[c] = w[t] / C p max(0, z[c])ᵖ⁻¹ [z[c] > 0] for c ≠ t,   ∂l/∂x[t] = −Σ_{c ≠ t} ∂l/∂x[c]

    since x[t] is in every z, with the opposite sign. At the kink, z = 0, it is 0. NaN passes (torch drops it).

    Args:
        p: 1 or 2.
        margin: m.
        weight: w, one for each class.
        size_average, reduce, reduction: see Loss. The mean divides by the number of examples, whatever the weights.

    Shapes: x (N, C) or (C,), the target (N,) or (); the loss is a number, or like the target for reduction "none".

    Raises:
        ValueError: if shapes do not fit, or p is neither 1 nor 2.
        IndexError: if a class is not in 0 … C − 1.
        TypeError: if x and weight are not of one floating dtype, or classes are not integers.
    """

    weight: np.ndarray | None

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: np.ndarray | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        self.register_buffer("weight", None if weight is None else np.array(weight))
        self.p, self.margin = p, margin

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        x, target = input, np.asarray(target)
        axis = class_axis("MultiMarginLoss", x, self.weight)
        expect_ndim("MultiMarginLoss", "input", x, 1, 2)
        at_t, _, w_t = classes("MultiMarginLoss", x, target, axis, None, self.weight)
        z = self.margin - np.expand_dims(x[at_t], axis) + x
        z[at_t] = 0  # the true class has no z
        h = np.maximum(z, 0)
        self.save(h, at_t, w_t, axis)
        return self.reduce(w_t * (h if self.p == 1 else h * h).sum(axis) / x.shape[axis])

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        h, at_t, w_t, axis = self.restore()
        w_dL_dl = np.expand_dims(w_t * self.reduce.backward(dL_dy), axis)  # (N, 1): one for each example
        dL_dx = w_dL_dl / h.shape[axis] * ((h > 0) if self.p == 1 else 2 * h)  # (N, C), 0 for the true class
        dL_dx[at_t] = -dL_dx.sum(axis)  # (N,): all that the others gained
        return dL_dx


# ---- two predictions -----------------------------------------------------------------------------


class MarginRankingLoss(Loss):
    """x₁ must be above x₂ by the margin m where t = 1, below it where t = −1 (torch.nn.MarginRankingLoss).

        l = max(0, z),   z = −t (x₁ − x₂) + m
        ∂l/∂x₁ = −t [z ≥ 0],   ∂l/∂x₂ = t [z ≥ 0]

    Args:
        margin: m.
        size_average, reduce, reduction: see Loss.

    Shapes: x₁, x₂ and t alike, any; the loss is a number, or of their shape for reduction "none".
    backward returns (∂L/∂x₁, ∂L/∂x₂).

    Raises:
        ValueError: if the shapes differ.
        TypeError: if x₁ and x₂ are not floating point arrays of one dtype, or t neither of it nor of integers.
    """

    def __init__(self, margin: float = 0.0, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: np.ndarray, input2: np.ndarray, target: np.ndarray) -> Any:
        expect_inputs("MarginRankingLoss", input1=input1, input2=input2)
        t = numbers("MarginRankingLoss", target, input1)
        expect_same_shape("MarginRankingLoss", "input1", input1, "target", t)
        z = -t * (input1 - input2) + self.margin
        self.save(z, t)
        return self.reduce(np.maximum(z, 0))

    def backward(self, dL_dy: Any = 1.0) -> tuple[np.ndarray, np.ndarray]:
        z, t = self.restore()
        dL_dz = self.reduce.backward(dL_dy) * (z >= 0)
        return dL_dz * -t, dL_dz * t


class CosineEmbeddingLoss(Loss):
    """x₁ and x₂ must point the same way where t = 1, away from each other where t = −1 (torch.nn.CosineEmbeddingLoss).

    With s = x₁ᵀx₂, the squared lengths n₁ = x₁ᵀx₁ + ε and n₂ = x₂ᵀx₂ + ε, ε = 1e-12 as in torch, and cos = s / √(n₁ n₂),

        l = [t = 1] (1 − cos) + [t = −1] max(0, cos − m)
        ∂l/∂cos = −[t = 1] + [t = −1] [cos ≥ m]

        ∂cos/∂x₁ = x₂ / √(n₁ n₂) − cos x₁ / n₁,   ∂cos/∂x₂ = x₁ / √(n₁ n₂) − cos x₂ / n₂

    the second term of which takes away what only changes the length.

    Args:
        margin: m, in −1 … 1 to be of use.
        size_average, reduce, reduction: see Loss.

    Shapes: x₁ and x₂ (N, D) or (D,), t (N,) or (); the loss is a number, or like t for reduction "none".
    backward returns (∂L/∂x₁, ∂L/∂x₂).

    Raises:
        ValueError: if shapes do not fit.
        TypeError: if x₁ and x₂ are not floating point arrays of one dtype, or t neither of it nor of integers.
    """

    def __init__(self, margin: float = 0.0, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: np.ndarray, input2: np.ndarray, target: np.ndarray) -> Any:
        x1, x2 = input1, input2
        expect_inputs("CosineEmbeddingLoss", input1=x1, input2=x2)
        expect_ndim("CosineEmbeddingLoss", "input1", x1, 1, 2)
        t = numbers("CosineEmbeddingLoss", target, x1)
        if t.shape != x1.shape[:-1]:
            raise ValueError(
                f"CosineEmbeddingLoss: target must have the shape {x1.shape[:-1]} of input1 {x1.shape} without its last axis, got {t.shape}"
            )
        n1, n2 = (x1 * x1).sum(-1) + EPSILON, (x2 * x2).sum(-1) + EPSILON
        cos = (x1 * x2).sum(-1) / np.sqrt(n1 * n2)
        self.save(x1, x2, n1, n2, cos, t)
        return self.reduce((t == 1) * (1 - cos) + (t == -1) * np.maximum(cos - self.margin, 0))

    def backward(self, dL_dy: Any = 1.0) -> tuple[np.ndarray, np.ndarray]:
        x1, x2, n1, n2, cos, t = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        dL_dcos = dL_dl * ((t == -1) & (cos >= self.margin)) - dL_dl * (t == 1)
        dL_dcos, cos, n1, n2 = (a[..., np.newaxis] for a in (dL_dcos, cos, n1, n2))  # (N, 1), to go with (N, D)
        dL_dx1 = dL_dcos * (x2 / np.sqrt(n1 * n2) - cos * x1 / n1)
        dL_dx2 = dL_dcos * (x1 / np.sqrt(n1 * n2) - cos * x2 / n2)
        return dL_dx1, dL_dx2


# ---- three predictions ---------------------------------------------------------------------------


class TripletMarginLoss(Loss):
    """The anchor a must be nearer to the positive p than to the negative n, by the margin m (torch.nn.TripletMarginLoss).

    With the distance r(u, v) = ‖u − v + ε‖ₚ over the last axis,

        l = max(0, z),   z = r(a, p) − r(a, n) + m,   ∂l/∂z = [z ≥ 0]

    With `swap`, the smaller of r(a, n) and r(p, n) counts (Balntas et al. 2016, "Learning local feature descriptors with triplets
    and shallow convolutional neural networks"); where they are equal each gets half of the gradient, as in torch.
    For ∂r/∂u = −∂r/∂v see `distance_gradient`.

    Args:
        margin: m.
        p: of the norm, 1 or more, ∞ included. torch's p < 1, not a norm, is refused.
        eps: ε, keeps r away from 0.
        swap: see above.
        size_average, reduce, reduction: see Loss.

    Shapes: a, p and n alike, (N, D) or (D,) or with more leading axes; the loss is a number, or of their shape without its last
    axis for reduction "none". backward returns (∂L/∂a, ∂L/∂p, ∂L/∂n).

    Raises:
        ValueError: if the shapes differ, or margin is not positive.
        NotImplementedError: if p is below 1.
        TypeError: if a, p and n are not floating point arrays of one dtype.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: margin must be positive, got {margin}")
        if not p >= 1:
            raise NotImplementedError(f"TripletMarginLoss: p = {p} is not supported, a norm has p of 1 or more")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> Any:
        expect_inputs("TripletMarginLoss", anchor=anchor, positive=positive, negative=negative)
        if anchor.ndim == 0:
            raise ValueError("TripletMarginLoss: anchor must have at least 1 axis, got a single number")
        pairs = [(anchor, positive), (anchor, negative)] + [(positive, negative)] * self.swap
        d = [u - v + self.eps for u, v in pairs]
        r = [np.linalg.norm(d_uv, self.p, axis=-1) for d_uv in d]
        z = r[0] - (np.minimum(r[1], r[2]) if self.swap else r[1]) + self.margin
        self.save(d, r, z)
        return self.reduce(np.maximum(z, 0))

    def backward(self, dL_dy: Any = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        d, r, z = self.restore()
        dL_dz = self.reduce.backward(dL_dy) * (z >= 0)
        dL_dr = [dL_dz, -dL_dz]
        if self.swap:
            an = np.heaviside(r[2] - r[1], 0.5)  # the part that r(a, n) has in the smaller of the two: 0, 1/2 or 1
            dL_dr = [dL_dz, -dL_dz * an, -dL_dz * (1 - an)]
        dL_dd = [g[..., np.newaxis] * distance_gradient(d_uv, r_uv, self.p) for g, d_uv, r_uv in zip(dL_dr, d, r, strict=True)]  # (N, D)
        dL_da, dL_dp, dL_dn = dL_dd[0] + dL_dd[1], -dL_dd[0], -dL_dd[1]  # d = a − p + ε, a − n + ε,
        return (dL_da, dL_dp + dL_dd[2], dL_dn - dL_dd[2]) if self.swap else (dL_da, dL_dp, dL_dn)  # p − n + ε


def expect_inputs(loss: str, **inputs: np.ndarray) -> None:
    """Raise unless all are floating point arrays of one dtype and one shape."""
    (first, x), *others = inputs.items()
    expect_array(loss, first, x)
    for name, other in others:
        expect_array(loss, name, other, x.dtype)
        expect_same_shape(loss, first, x, name, other)
