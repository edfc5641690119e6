"""Activations that make small numbers 0, or all numbers up to a threshold one value: Hardshrink, Softshrink, Threshold.

x and y have the same shape, any; ∂L/∂xᵢ = ∂L/∂yᵢ ∂yᵢ/∂xᵢ; and x that is not a floating point array raises TypeError. [x > 0] is 1 where
x > 0 and 0 elsewhere. At a kink the subgradient is torch's. NaN stays NaN, and its gradient passes.
"""

from __future__ import annotations

import numpy as np

from manual.module import Module
from manual.nn.validate import expect_array


class Hardshrink(Module):
    """y = x, but 0 where |x| ≤ λ (torch.nn.Hardshrink).

        ∂y/∂x = [|x| > λ]

    At both jumps, x = ±λ, it is 0.

    Args:
        lambd: λ; below 0 nothing is changed.
    """

    _shows = "{lambd}"

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Hardshrink", "x", x)
        kept = ~(np.abs(x) <= self.lambd)
        self.save(kept)
        return np.where(kept, x, 0)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        kept = self.restore()
        return dL_dy * kept


class Softshrink(Module):
    """x brought nearer to 0 by λ, and 0 where |x| ≤ λ: Hardshrink without the jump (torch.nn.Softshrink).

        y = (x − λ) [x > λ] + (x + λ) [x < −λ]
        ∂y/∂x = [|x| > λ]

    At both kinks, x = ±λ, it is 0. It is the y that makes λ |y| + ½ (y − x)² smallest: small numbers are not worth their price.

    Args:
        lambd: λ.

    Raises:
        ValueError: if lambd is negative.
    """

    _shows = "{lambd}"

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        if not lambd >= 0:
            raise ValueError(f"Softshrink: lambd must be at least 0, got {lambd}")
        self.lambd = lambd

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Softshrink", "x", x)
        self.save(~(np.abs(x) <= self.lambd))
        return x - np.clip(x, -self.lambd, self.lambd)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        kept = self.restore()
        return dL_dy * kept


class Threshold(Module):
    """y = x above the threshold, one value at it and below (torch.nn.Threshold).

        ∂y/∂x = [x > threshold]

    At the jump, x = threshold, it is 0.

    Args:
        threshold: see above.
        value: what takes the place of smaller numbers.
    """

    _shows = "threshold={threshold}, value={value}"

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__()
        self.threshold, self.value = threshold, value

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Threshold", "x", x)
        kept = ~(x <= self.threshold)
        self.save(kept)
        return np.where(kept, x, np.asarray(self.value, x.dtype))

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        kept = self.restore()
        return dL_dy * kept
