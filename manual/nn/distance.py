"""How near two vectors are: the twins of torch.nn.CosineSimilarity and torch.nn.PairwiseDistance."""

from __future__ import annotations

import math

import numpy as np

from manual.module import Module
from manual.nn.functional import sum_to
from manual.nn.softmax import expect_axis
from manual.nn.validate import expect_array


class CosineSimilarity(Module):
    """The cosine of the angle between x₁ and x₂ (torch.nn.CosineSimilarity).

    With the lengths n₁ = ‖x₁‖ and n₂ = ‖x₂‖, m₁ = max(n₁, ε) and m₂ = max(n₂, ε),

        y = Σᵢ x₁ᵢ x₂ᵢ / (m₁ m₂)
        ∂y/∂x₁ = x₂ / (m₁ m₂) − y / m₁ · ∂n₁/∂x₁,   ∂n₁/∂x₁ = x₁ / n₁ (0 where n₁ is)

    and the same for x₂: the second term takes away what only changes the length. As in torch the bound ε is not differentiated,
    ∂m₁/∂x₁ is ∂n₁/∂x₁ also below it.

    Args:
        dim: the axis along which the vectors lie.
        eps: ε, keeps y finite.

    Shapes: x₁ and x₂ alike, or such that they broadcast; y is of that shape without the axis dim. backward returns (∂L/∂x₁, ∂L/∂x₂).

    Raises:
        IndexError: if there is no axis dim.
        ValueError: if the shapes do not broadcast.
        TypeError: if x₁ and x₂ are not floating point arrays of one dtype.
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
        shapes = x1.shape, x2.shape
        x1, x2 = broadcast("CosineSimilarity", x1, x2)
        x1, x2 = np.atleast_1d(x1), np.atleast_1d(x2)  # a single number is a vector of one, as in torch
        expect_axis("CosineSimilarity", x1, self.dim)
        n1, n2 = (np.linalg.norm(x, axis=self.dim, keepdims=True) for x in (x1, x2))
        m1, m2 = np.maximum(n1, self.eps), np.maximum(n2, self.eps)
        y = (x1 / m1 * (x2 / m2)).sum(axis=self.dim)
        self.save(x1, x2, n1, n2, m1, m2, y, shapes)
        return y

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x1, x2, n1, n2, m1, m2, y, (shape1, shape2) = self.restore()
        dL_dy, y = np.expand_dims(dL_dy, self.dim), np.expand_dims(y, self.dim)  # (..., 1, ...)
        dL_dx1 = dL_dy / m1 * (x2 / m2 - y * unit(x1, n1))
        dL_dx2 = dL_dy / m2 * (x1 / m1 - y * unit(x2, n2))
        return sum_to(dL_dx1, shape1), sum_to(dL_dx2, shape2)


class PairwiseDistance(Module):
    """The p-norm of x₁ − x₂ + ε (torch.nn.PairwiseDistance).

        y = ‖d‖ₚ = (Σᵢ |dᵢ|ᵖ)^(1/p) over the last axis,   d = x₁ − x₂ + ε
        ∂L/∂x₁ = ∂L/∂y ∂y/∂d,   ∂L/∂x₂ = −∂L/∂x₁          for ∂y/∂d see `distance_gradient`

    Args:
        p: of the norm, 1 or more, ∞ included. torch's p < 1, not a norm, is refused.
        eps: ε, keeps y away from 0.
        keepdim: whether the last axis stays, with size 1.

    Shapes: x₁ and x₂ (..., D) alike, or such that they broadcast; y (...), or (..., 1) with keepdim. backward returns (∂L/∂x₁, ∂L/∂x₂).

    Raises:
        ValueError: if the shapes do not broadcast, or both are single numbers.
        NotImplementedError: if p is below 1.
        TypeError: if x₁ and x₂ are not floating point arrays of one dtype.
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        if not p >= 1:
            raise NotImplementedError(f"PairwiseDistance: p = {p} is not supported, a norm has p of 1 or more")
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
        shapes = x1.shape, x2.shape
        x1, x2 = broadcast("PairwiseDistance", x1, x2)
        if x1.ndim == 0:
            raise ValueError("PairwiseDistance: x1 or x2 must have at least 1 axis, got two single numbers")
        d = x1 - x2 + self.eps
        y = np.linalg.norm(d, self.norm, axis=-1)
        self.save(d, y, shapes)
        return y[..., np.newaxis] if self.keepdim else y

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d, y, (shape1, shape2) = self.restore()
        dL_dy = dL_dy if self.keepdim else np.expand_dims(dL_dy, -1)  # (..., 1)
        dL_dd = dL_dy * distance_gradient(d, y, self.norm)
        return sum_to(dL_dd, shape1), sum_to(-dL_dd, shape2)


def distance_gradient(d: np.ndarray, r: np.ndarray, p: float) -> np.ndarray:
    """∂r/∂d of r = ‖d‖ₚ = (Σᵢ |dᵢ|ᵖ)^(1/p) over the last axis.

        ∂r/∂dᵢ = 1/p (Σⱼ |dⱼ|ᵖ)^(1/p − 1) p |dᵢ|ᵖ⁻¹ sign dᵢ = sign dᵢ (|dᵢ| / r)ᵖ⁻¹

    and for p = ∞, r = maxᵢ |dᵢ|, sign dᵢ at the largest entry; equal ones share it evenly. At the kinks, dᵢ = 0 for p = 1 and
    d = 0 for every p, it is 0.

    Shapes: d (..., D), r (...), the gradient (..., D).
    """
    r = r[..., np.newaxis]
    if p == math.inf:
        largest = np.abs(d) == r
        return np.sign(d) * largest / largest.sum(-1, keepdims=True, dtype=d.dtype)
    part = np.divide(np.abs(d), r, out=np.zeros_like(d), where=r > 0)
    return np.sign(d) * part ** (p - 1)


def unit(x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """x / n, ∂‖x‖/∂x of the length n = ‖x‖, and 0 where n is."""
    return np.divide(x, n, out=np.zeros_like(x), where=n > 0)


def broadcast(layer: str, x1: np.ndarray, x2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in one shape; raise unless they are floating point arrays of one dtype whose shapes broadcast."""
    expect_array(layer, "x1", x1)
    expect_array(layer, "x2", x2, x1.dtype)
    try:
        both = np.broadcast_arrays(x1, x2)
    except ValueError:
        raise ValueError(f"{layer}: x1 and x2 must have shapes that broadcast, got {x1.shape} and {x2.shape}") from None
    return both[0], both[1]
