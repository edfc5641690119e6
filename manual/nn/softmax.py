"""Activations along an axis, where every entry of a row depends on every other: the twins of torch.nn.Softmax and its kin.

x and y have the same shape, any; x that is not a floating point array raises TypeError.
"""

from __future__ import annotations

import numpy as np

from manual.module import Module
from manual.nn.functional import log_softmax, softmax
from manual.nn.validate import expect_array, expect_ndim


class Softmax(Module):
    """pᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) along the axis `dim` (torch.nn.Softmax).

    Every pᵢ depends on every xⱼ of its row: ∂pᵢ/∂xⱼ = pᵢ (δᵢⱼ − pⱼ). So

        ∂L/∂xⱼ = Σᵢ ∂L/∂pᵢ pᵢ (δᵢⱼ − pⱼ) = pⱼ (∂L/∂pⱼ − Σᵢ ∂L/∂pᵢ pᵢ)

    the upstream less its average under p. It sums to 0 along the row, since a constant added to x changes nothing.

    Args:
        dim: the axis along which p sums to 1. torch's deprecated guess, None, is refused.

    Raises:
        NotImplementedError: if dim is None.
        IndexError: if x has no axis dim.
    """

    _shows = "dim={dim}"

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = chosen_axis("Softmax", dim)

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Softmax", "x", x)
        expect_axis("Softmax", x, self.dim)
        p = softmax(x, self.dim)
        self.save(p)
        return p

    def backward(self, dL_dp: np.ndarray) -> np.ndarray:
        p = self.restore()
        average = (dL_dp * p).sum(axis=self.dim, keepdims=True)  # (..., 1, ...): one for each row along dim
        return p * (dL_dp - average)


class Softmax2d(Softmax):
    """At every place of an image the softmax of its channels (torch.nn.Softmax2d): Softmax along the axis of channels.

    Shapes: x and p (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: if x has another number of axes.
    """

    _shows = ""

    def __init__(self) -> None:
        super().__init__(dim=-3)

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Softmax2d", "x", x)
        expect_ndim("Softmax2d", "x", x, 3, 4)
        return super().forward(x)


class Softmin(Module):
    """pᵢ = exp(−xᵢ) / Σⱼ exp(−xⱼ) along the axis `dim`, the softmax of −x (torch.nn.Softmin).

        ∂L/∂xⱼ = −pⱼ (∂L/∂pⱼ − Σᵢ ∂L/∂pᵢ pᵢ), as for Softmax but for the sign

    Args:
        dim: the axis along which p sums to 1. torch's deprecated guess, None, is refused.

    Raises:
        NotImplementedError: if dim is None.
        IndexError: if x has no axis dim.
    """

    _shows = "dim={dim}"

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = chosen_axis("Softmin", dim)

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Softmin", "x", x)
        expect_axis("Softmin", x, self.dim)
        p = softmax(-x, self.dim)
        self.save(p)
        return p

    def backward(self, dL_dp: np.ndarray) -> np.ndarray:
        p = self.restore()
        average = (dL_dp * p).sum(axis=self.dim, keepdims=True)  # (..., 1, ...): one for each row along dim
        return -p * (dL_dp - average)


class LogSoftmax(Module):
    """yᵢ = xᵢ − log Σⱼ exp(xⱼ), the logarithm of the softmax pᵢ, along the axis `dim` (torch.nn.LogSoftmax).

    ∂yᵢ/∂xⱼ = δᵢⱼ − pⱼ, so

        ∂L/∂xⱼ = ∂L/∂yⱼ − pⱼ Σᵢ ∂L/∂yᵢ,   p = exp(y)

    Args:
        dim: the axis along which exp(y) sums to 1. torch's deprecated guess, None, is refused.

    Raises:
        NotImplementedError: if dim is None.
        IndexError: if x has no axis dim.
    """

    _shows = "dim={dim}"

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = chosen_axis("LogSoftmax", dim)

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("LogSoftmax", "x", x)
        expect_axis("LogSoftmax", x, self.dim)
        y = log_softmax(x, self.dim)
        self.save(y)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        y = self.restore()
        total = dL_dy.sum(axis=self.dim, keepdims=True)  # (..., 1, ...): one for each row along dim
        return dL_dy - np.exp(y) * total


def chosen_axis(layer: str, dim: int | None) -> int:
    """dim, unless it was left to torch's deprecated guess."""
    if dim is None:
        raise NotImplementedError(f"{layer}: dim=None (torch's deprecated guess) is not supported, name the axis")
    return dim


def expect_axis(layer: str, x: np.ndarray, dim: int) -> None:
    """Raise IndexError unless x has the axis `dim`; one number is taken for a list of one, as in torch."""
    ndim = max(x.ndim, 1)
    if not -ndim <= dim < ndim:
        raise IndexError(f"{layer}: dim must lie in {-ndim} … {ndim - 1} for x of shape {x.shape}, got {dim}")
