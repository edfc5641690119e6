"""Affine maps: the twins of torch.nn.Linear and its kin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.init import uniform
from manual.nn.validate import expect_array, expect_size


class Linear(Module):
    """Affine map y = x Wᵀ + b (torch.nn.Linear).

    With dL_dy = ∂L/∂y, and one row of x per example,

        y[n, o] = Σᵢ x[n, i] W[o, i] + b[o]
        ∂L/∂W[o, i] = Σₙ ∂L/∂y[n, o] x[n, i]       dL_dW = dL_dyᵀ x
        ∂L/∂b[o]    = Σₙ ∂L/∂y[n, o]               dL_db = sum of dL_dy over rows
        ∂L/∂x[n, i] = Σₒ ∂L/∂y[n, o] W[o, i]       dL_dx = dL_dy W

    Args:
        in_features: size of the last axis of x.
        out_features: size of the last axis of y.
        bias: whether b is there.
        rng: draws the initial weights, uniform in ±1/√in_features (torch's default: Kaiming-uniform with a = √5).
        dtype: of the parameters.

    Shapes: x (..., in_features), y (..., out_features), weight (out_features, in_features), bias (out_features,).

    Raises:
        ValueError: if the last axis of x is not in_features.
        TypeError: if x is not an array of the weight's dtype.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        bound = 1 / math.sqrt(in_features) if in_features > 0 else 0.0
        self.weight = Parameter(uniform((out_features, in_features), -bound, bound, rng=rng, dtype=dtype))
        self.bias = Parameter(uniform((out_features,), -bound, bound, rng=rng, dtype=dtype)) if bias else None

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Linear", "x", x, self.weight.dtype)
        expect_size("Linear", "x", x, -1, self.weight.shape[1], "in_features")
        self.save(x)
        y = x @ self.weight.T  # (..., in) @ (in, out)
        return y if self.bias is None else y + self.bias

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        rows, d_rows = x.reshape(-1, x.shape[-1]), dL_dy.reshape(-1, dL_dy.shape[-1])  # all leading axes are examples
        self.weight.grad += d_rows.T @ rows  # (out, N) @ (N, in): each row of x, weighted by the error it led to
        if self.bias is not None:
            self.bias.grad += d_rows.sum(axis=0)  # b was used by every row, so its gradient is the sum over rows
        return dL_dy @ self.weight  # (..., out) @ (out, in)
