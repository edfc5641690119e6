"""What all losses share, and the losses of numbers: the twins of torch.nn.MSELoss, L1Loss, HuberLoss and their kin.

A loss's `backward` returns the gradient with respect to its prediction, never to the target; a tuple where there are several
predictions. Classes are in cross_entropy.py, similarities in margin.py, alignments in ctc.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.validate import expect_array, expect_choice, expect_same_shape

EPSILON = float(np.float32(1e-12))
"""torch's 1e-12 is a float32 in its losses, also where it meets float64."""


class Reduction(Module):
    """How many losses become one number. Every loss ends with it.

        mean: L = 1/n Σᵢ lᵢ, ∂L/∂lᵢ = 1/n        sum: L = Σᵢ lᵢ, ∂L/∂lᵢ = 1        none: every lᵢ is an output of its own

    Args:
        reduction: "sum", "none", or another name for a mean.

    Shapes: the losses any; L a number, or the losses' shape for "none". backward returns one number for all losses, or for
    "none" one for each, in the losses' dtype.
    """

    def __init__(self, reduction: str) -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, losses: np.ndarray, count: Any = None) -> Any:
        """The losses, their sum, or their sum divided by `count` (by how many they are, unless given)."""
        if self.reduction in ("none", "sum"):
            count = 1
        elif count is None:
            count = losses.size
        n = losses.dtype.type(count or math.nan)  # the mean of no loss is NaN, as in torch
        self.save(n)
        return losses if self.reduction == "none" else losses.sum() / n

    def backward(self, dL_dy: Any) -> Any:
        n = self.restore()
        return np.asarray(dL_dy, n.dtype)[()] / n


class Loss(Module):
    """What all losses share: their reduction.

    Args:
        size_average, reduce: torch's deprecated spellings of `reduction`; refused.
        reduction: "mean", "sum" or "none", see Reduction.

    Raises:
        NotImplementedError: if size_average or reduce is given.
        ValueError: if reduction is none of the three.
    """

    _not_shown = ("reduce",)
    reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        name = type(self).__name__
        for argument, value in {"size_average": size_average, "reduce": reduce}.items():
            if value is not None:
                raise NotImplementedError(f"{name}: {argument} (deprecated in torch) is not supported, use reduction")
        expect_choice(name, "reduction", reduction, self.reductions)
        self.reduction = reduction
        self.reduce = Reduction(reduction)

    def expect_pair(self, x: np.ndarray, t: np.ndarray) -> None:
        """Raise unless input and target are floating point arrays of one dtype and one shape."""
        name = type(self).__name__
        expect_array(name, "input", x)
        expect_array(name, "target", t, x.dtype)
        expect_same_shape(name, "input", x, "target", t)


def numbers(loss: str, target: Any, x: np.ndarray) -> np.ndarray:
    """A target of integers or of x's dtype, as numbers of x's dtype; raise TypeError if it is anything else."""
    target = np.asarray(target)
    if not np.issubdtype(target.dtype, np.integer):
        expect_array(loss, "target, unless it holds integers,", target, x.dtype)
    return target.astype(x.dtype, copy=False)


# ---- distances -----------------------------------------------------------------------------------


class MSELoss(Loss):
    """Squared error of the input x and the target t: l = d², with d = x − t (torch.nn.MSELoss).

        ∂l/∂x = 2 d

    Args:
        size_average, reduce, reduction: see Loss.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes differ (torch broadcasts them, with a warning).
        TypeError: if x and t are not floating point arrays of one dtype.
    """

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        self.expect_pair(input, target)
        d = input - target
        self.save(d)
        return self.reduce(d * d)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        d = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return dL_dl * 2 * d


class L1Loss(Loss):
    """Absolute error of the input x and the target t: l = |d|, with d = x − t (torch.nn.L1Loss).

        ∂l/∂x = sign d

    At the kink, d = 0, it is 0. Where d is NaN it is NaN (in torch 0).

    Args:
        size_average, reduce, reduction: see Loss.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes differ (torch broadcasts them, with a warning).
        TypeError: if x and t are not floating point arrays of one dtype.
    """

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        self.expect_pair(input, target)
        d = input - target
        self.save(d)
        return self.reduce(np.abs(d))

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        d = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return dL_dl * np.sign(d)


class HuberLoss(Loss):
    """Squared error near 0, absolute error far from it (torch.nn.HuberLoss). With d = x − t,

        l = ½ d² where |d| ≤ δ,   δ (|d| − ½ δ) elsewhere
        ∂l/∂x = d where |d| ≤ δ,   δ sign d elsewhere

    The derivative is d held between −δ and δ; call it c. Then l = c (d − ½ c), in both pieces. They join smoothly: no kink.

    Args:
        reduction: see Loss.
        delta: δ.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if delta is not positive, or the shapes differ (torch broadcasts them, with a warning).
        TypeError: if x and t are not floating point arrays of one dtype.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not delta > 0:
            raise ValueError(f"HuberLoss: delta must be positive, got {delta}")
        self.delta = delta

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        self.expect_pair(input, target)
        d = input - target
        c = np.clip(d, -self.delta, self.delta)
        self.save(c)
        return self.reduce(c * (d - 0.5 * c))

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        c = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return dL_dl * c


class SmoothL1Loss(Loss):
    """Absolute error with its kink rounded off, HuberLoss divided by β (torch.nn.SmoothL1Loss). With d = x − t,

        l = ½ d² / β where |d| < β,   |d| − ½ β elsewhere
        ∂l/∂x = d / β where |d| < β,   sign d elsewhere

    The derivative is d / β held between −1 and 1; call it c. Then l = c (d − ½ β c), in both pieces. For β = 0 it is L1Loss,
    c = sign d, with 0 at the kink.

    Args:
        size_average, reduce, reduction: see Loss.
        beta: β.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if beta is negative, or the shapes differ (torch broadcasts them, with a warning).
        TypeError: if x and t are not floating point arrays of one dtype.
    """

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(size_average, reduce, reduction)
        if not beta >= 0:
            raise ValueError(f"SmoothL1Loss: beta must be at least 0, got {beta}")
        self.beta = beta

    def forward(self, input: np.ndarray, target: np.ndarray) -> Any:
        self.expect_pair(input, target)
        d = input - target
        c = np.clip(d / self.beta, -1, 1) if self.beta > 0 else np.sign(d)
        self.save(c)
        return self.reduce(c * (d - 0.5 * self.beta * c))

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        c = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return dL_dl * c


# ---- negative log-likelihoods of numbers ---------------------------------------------------------


class PoissonNLLLoss(Loss):
    """−log of the Poisson probability of the count t, log λᵗe⁻ᵞ/t! with the rate λ predicted (torch.nn.PoissonNLLLoss).

        log_input:      λ = eˣ       l = eˣ − t x              ∂l/∂x = eˣ − t
        not log_input:  λ = x        l = x − t log(x + ε)      ∂l/∂x = 1 − t / (x + ε)

    log t! depends on no prediction; with `full` Stirling's approximation of it, t log t − t + ½ log(2 π t), is added where t > 1.

    Args:
        log_input: whether x is log λ.
        full: whether log t! is added.
        size_average, reduce, reduction: see Loss.
        eps: ε, keeps the logarithm of x = 0 finite.

    Shapes: x and t alike, any; the loss is a number, or of their shape for reduction "none".

    Raises:
        ValueError: if the shapes differ.
        TypeError: if x is not a floating point array, or t neither of its dtype nor of integers.
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: None = None,
        eps: float = 1e-8,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input: np.ndarray, target: np.ndarray) -> Any:
        expect_array("PoissonNLLLoss", "log_input", log_input)
        x, t = log_input, numbers("PoissonNLLLoss", target, log_input)
        expect_same_shape("PoissonNLLLoss", "log_input", x, "target", t)
        rate = np.exp(x) if self.log_input else x
        losses = rate - t * (x if self.log_input else np.log(x + self.eps))
        if self.full:
            n = np.where(t > 1, t, 1)
            losses += (t > 1) * (n * np.log(n) - n + 0.5 * np.log(2 * math.pi * n))
        self.save(rate, t)
        return self.reduce(losses)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        rate, t = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        return dL_dl * (rate - t) if self.log_input else dL_dl * (1 - t / (rate + self.eps))


class GaussianNLLLoss(Loss):
    """−log of the Gaussian density at the target t, its mean x and its variance v predicted (torch.nn.GaussianNLLLoss).

        l = ½ (log v + (x − t)² / v)         and ½ log 2 π more with `full`

        ∂l/∂x = (x − t) / v,   ∂l/∂v = ½ (1 − (x − t)² / v) / v

    A v below ε counts as ε; that bound is not differentiated, as in torch: the gradient is the one at ε, not 0. A v with one
    entry for several entries of x collects the gradient of all of them.

    Args:
        full: whether the constant is added.
        eps: ε.
        reduction: see Loss.

    Shapes: x and t alike, any; v like x, or like x without its last axis, or like x with one axis of size 1, or a number;
    the loss is a number, or of x's shape for reduction "none". backward returns (∂L/∂x, ∂L/∂v).

    Raises:
        ValueError: if shapes do not fit, or v has a negative entry.
        TypeError: if x, t and v are not floating point arrays of one dtype.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full, self.eps = full, eps

    def forward(self, input: np.ndarray, target: np.ndarray, var: np.ndarray | float) -> Any:
        self.expect_pair(input, target)
        v = self.expect_variance(input, var)
        d = input - target
        losses = 0.5 * (np.log(v) + d * d / v)
        if self.full:
            losses += 0.5 * math.log(2 * math.pi)
        self.save(d, v, np.shape(var))
        return self.reduce(losses)

    def backward(self, dL_dy: Any = 1.0) -> tuple[np.ndarray, np.ndarray]:
        d, v, var_shape = self.restore()
        dL_dl = self.reduce.backward(dL_dy)
        dL_dx = dL_dl * d / v
        dL_dv = dL_dl * 0.5 * (1 - d * d / v) / v  # d's shape: one for each use of v
        shared = tuple(axis for axis, (size, uses) in enumerate(zip(v.shape, d.shape, strict=True)) if size != uses)
        return dL_dx, dL_dv.sum(axis=shared).reshape(var_shape)  # summed over the entries that share one v

    def expect_variance(self, x: np.ndarray, var: np.ndarray | float) -> np.ndarray:
        """The variance, no less than eps, in a shape that broadcasts to x; raise if it has none or is negative."""
        if isinstance(var, float):
            v = np.full((1,) * x.ndim, var, dtype=x.dtype)
        else:
            expect_array("GaussianNLLLoss", "var", var, x.dtype)
            v = var[..., np.newaxis] if var.shape != x.shape and var.shape == x.shape[:-1] else var
            if v.ndim != x.ndim or [a for a, b in zip(v.shape, x.shape, strict=True) if a != b] not in ([], [1]):
                raise ValueError(f"GaussianNLLLoss: var must have the shape {x.shape} of input, but for one axis at most, got {var.shape}")
        if (v < 0).any():
            raise ValueError(f"GaussianNLLLoss: var must not be negative, got {v.min()}")
        return np.maximum(v, self.eps)
