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

    _shows = "in_features={weight.shape[1]}, out_features={weight.shape[0]}, bias={has_bias}"

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
        y = as_rows(x) @ self.weight.T  # (N, in) @ (in, out)
        if self.bias is not None:
            y += self.bias  # (N, out) + (out,)
        return y.reshape(*x.shape[:-1], y.shape[1])

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        rows, d_rows = as_rows(x), as_rows(dL_dy)  # (N, in), (N, out)
        self.weight.grad += d_rows.T @ rows  # (out, N) @ (N, in): each row of x, weighted by the error it led to
        if self.bias is not None:
            self.bias.grad += d_rows.sum(axis=0)  # b was used by every row, so its gradient is the sum over rows
        return (d_rows @ self.weight).reshape(x.shape)  # (N, out) @ (out, in)


def as_rows(x: np.ndarray) -> np.ndarray:
    """(..., D) as (N, D): all leading axes are examples. One product of many rows takes BLAS a fraction of the time of many of a few."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


class Bilinear(Module):
    """A map that is linear in each of two inputs, y = x1 W x2 + b (torch.nn.Bilinear).

        y[n, o] = Σᵢⱼ x1[n, i] W[o, i, j] x2[n, j] + b[o]
        ∂L/∂W[o, i, j] = Σₙ ∂L/∂y[n, o] x1[n, i] x2[n, j]
        ∂L/∂b[o]       = Σₙ ∂L/∂y[n, o]
        ∂L/∂x1[n, i]   = Σₒⱼ ∂L/∂y[n, o] W[o, i, j] x2[n, j]
        ∂L/∂x2[n, j]   = Σₒᵢ ∂L/∂y[n, o] W[o, i, j] x1[n, i]

    With all products pairs[n, (i, j)] = x1[n, i] x2[n, j] as its input it is Linear: y = pairs Wᵀ + b.

    Args:
        in1_features: I, size of the last axis of x1.
        in2_features: J, size of the last axis of x2.
        out_features: O, size of the last axis of y.
        bias: whether b is there.
        rng: draws the initial weights, uniform in ±1/√in1_features (torch's default).
        dtype: of the parameters.

    Shapes: x1 (..., I), x2 (..., J) with the same leading axes, y (..., O), weight (O, I, J), bias (O,).

    Raises:
        ValueError: if a last axis or the leading axes do not fit; at construction if in1_features is not positive.
        TypeError: if an input is not an array of the weight's dtype.
    """

    _shows = "in1_features={weight.shape[1]}, in2_features={weight.shape[2]}, out_features={weight.shape[0]}, bias={has_bias}"

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"Bilinear: in1_features must be positive, got {in1_features}")
        bound = 1 / math.sqrt(in1_features)
        self.weight = Parameter(uniform((out_features, in1_features, in2_features), -bound, bound, rng=rng, dtype=dtype))
        self.bias = Parameter(uniform((out_features,), -bound, bound, rng=rng, dtype=dtype)) if bias else None

    def forward(self, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
        O, I, J = self.weight.shape
        for name, x, size, what in (("x1", x1, I, "in1_features"), ("x2", x2, J, "in2_features")):
            expect_array("Bilinear", name, x, self.weight.dtype)
            expect_size("Bilinear", name, x, -1, size, what)
        if x1.shape[:-1] != x2.shape[:-1]:
            raise ValueError(f"Bilinear: x1 and x2 must agree in all axes but the last, got {x1.shape} and {x2.shape}")
        self.save(x1, x2)
        y = self._pairs(x1, x2) @ self.weight.reshape(O, I * J).T  # (N, I·J) @ (I·J, O)
        y = y.reshape(*x1.shape[:-1], O)
        return y if self.bias is None else y + self.bias

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x1, x2 = self.restore()
        O, I, J = self.weight.shape
        d_rows = dL_dy.reshape(math.prod(dL_dy.shape[:-1]), O)  # all leading axes are examples
        dL_dW = d_rows.T @ self._pairs(x1, x2)  # (O, N) @ (N, I·J)
        self.weight.grad += dL_dW.reshape(O, I, J)
        if self.bias is not None:
            self.bias.grad += d_rows.sum(axis=0)  # (N, O) to (O,)
        dL_dpairs = (d_rows @ self.weight.reshape(O, I * J)).reshape(*x1.shape, J)  # (N, O) @ (O, I·J), as (..., I, J)
        dL_dx1 = (dL_dpairs * x2[..., None, :]).sum(axis=-1)  # x1[i] met every x2[j]: (..., I, J) to (..., I)
        dL_dx2 = (dL_dpairs * x1[..., :, None]).sum(axis=-2)  # and the other way round: (..., I, J) to (..., J)
        return dL_dx1, dL_dx2

    def _pairs(self, x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
        """Every x1[i] times every x2[j], one row per example; made anew in backward, for they are many: (N, I·J)."""
        pairs = x1[..., :, None] * x2[..., None, :]  # (..., I, 1) times (..., 1, J)
        return pairs.reshape(math.prod(x1.shape[:-1]), math.prod(self.weight.shape[1:]))


class Identity(Module):
    """y = x (torch.nn.Identity), for a place where a layer may stand or not. ∂L/∂x = ∂L/∂y.

    Args:
        args, kwargs: anything, not used, so that it can be put in any layer's place.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        return x

    def backward(self, dL_dy: Any) -> Any:
        return dL_dy
