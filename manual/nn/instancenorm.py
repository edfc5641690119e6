"""Normalisation of each channel of each example: the twins of torch.nn.InstanceNorm1d and InstanceNorm2d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.faster import fastest
from manual.nn.normalization import standardize, standardize_backward
from manual.nn.validate import expect_array, expect_ndim, expect_size


class _InstanceNorm(Module):
    """Give each channel of each example mean 0 and variance 1 over its L positions, then a mean and a scale for each channel.

    One channel of one example is a row of `standardize`, which has the derivation of ∂L/∂x; weight and bias are those of BatchNorm:

        y[n, c, l] = weight[c] x_hat[n, c, l] + bias[c]
        ∂L/∂weight[c] = Σₙ Σₗ ∂L/∂y[n, c, l] x_hat[n, c, l]
        ∂L/∂bias[c] = Σₙ Σₗ ∂L/∂y[n, c, l]
        ∂L/∂x_hat[n, c, l] = ∂L/∂y[n, c, l] weight[c]

    If running statistics are tracked, each training forward moves them towards the mean over n of the instances' means and unbiased
    variances, and in evaluation x_hat = (x − running_mean) / √(running_var + eps): then ∂L/∂x = ∂L/∂x_hat / √(running_var + eps).
    As in torch, num_batches_tracked stays 0.

    Args:
        num_features: C. A mismatch is an error (torch only warns where affine is False).
        eps: added to the variance (torch's default 1e-5).
        momentum: how far the running statistics move towards each batch's; with None they do not move at all (as torch).
        affine: whether weight (initially 1) and bias (initially 0) are there.
        track_running_stats: whether running statistics are kept.
        bias: whether bias is there, if affine.
        dtype: of parameters and running statistics.

    Raises:
        ValueError: if x has another number of axes or of channels, or instances of one position (as torch).
        TypeError: if x is not an array of the layer's dtype.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization" (2016), equation 2.
    """

    _shows = "{num_features}, eps={eps}, momentum={momentum}, affine={has_weight}, bias={has_bias}, track_running_stats={has_running_mean}"

    ndims: tuple[int, int] = (0, 0)  # without and with the axis of examples
    late_buffers = ("num_batches_tracked",)
    running_mean: Any  # these three are arrays, or None where not tracked
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if not eps > 0:
            raise ValueError(f"{type(self).__name__}: eps must be positive, got {eps}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if track_running_stats else None)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check(x)
        x_flat = self.by_instance(x)
        by_instance = self.training or self.running_mean is None
        if by_instance:
            self.track(x_flat)
            rows = x_flat.reshape(len(x_flat) * self.num_features, x_flat.shape[2])  # (N·C, L)
            x_hat, std = fastest(standardize)(rows, self.eps)
            x_hat = x_hat.reshape(x_flat.shape)
        else:
            std = np.sqrt(self.running_var.astype(x.dtype) + self.eps)[:, None]
            x_hat = (x_flat - self.running_mean[:, None]) / std  # (N, C, L) / (C, 1)
        self.save(x_hat, std, by_instance)
        y = x_hat if self.weight is None else x_hat * self.weight[:, None]  # (N, C, L) * (C, 1)
        y = y if self.bias is None else y + self.bias[:, None]
        return y.reshape(x.shape)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x_hat, std, by_instance = self.restore()
        dL_dchannels = dL_dy.reshape(x_hat.shape)  # (N, C, L)
        if self.bias is not None:
            self.bias.grad += dL_dchannels.sum(axis=(0, 2))  # (N, C, L) to (C,): used by all examples, at all positions
        if self.weight is not None:
            self.weight.grad += (dL_dchannels * x_hat).sum(axis=(0, 2))
        dL_dx_hat = dL_dchannels if self.weight is None else dL_dchannels * self.weight[:, None]  # (N, C, L) * (C, 1)
        if by_instance:
            rows = len(std), x_hat.shape[2]  # (N·C, L)
            dL_dx = fastest(standardize_backward)(dL_dx_hat.reshape(rows), x_hat.reshape(rows), std)
        else:
            dL_dx = dL_dx_hat / std  # (N, C, L) / (C, 1): the running statistics are constants
        return dL_dx.reshape(dL_dy.shape)

    def track(self, x: np.ndarray) -> None:
        """Move the running statistics towards those of these instances, (N, C, L)."""
        if self.running_mean is None or x.size == 0:
            return
        step = 0.0 if self.momentum is None else self.momentum
        self.running_mean += step * (x.mean(axis=2).mean(axis=0) - self.running_mean)
        self.running_var += step * (x.var(axis=2, ddof=1).mean(axis=0) - self.running_var)

    def by_instance(self, x: np.ndarray) -> np.ndarray:
        """(N, C, ...), or (C, ...) for one example, as (N, C, L)."""
        n = 1 if x.ndim == self.ndims[0] else len(x)
        return x.reshape(n, self.num_features, math.prod(x.shape[1 - self.ndims[0] :]))

    def check(self, x: np.ndarray) -> None:
        """Raise unless x fits."""
        name, held = type(self).__name__, self.running_mean if self.weight is None else self.weight
        expect_array(name, "x", x, None if held is None else held.dtype)
        expect_ndim(name, "x", x, *self.ndims)
        expect_size(name, "x", x, -self.ndims[0], self.num_features, "num_features")
        if (self.training or self.running_mean is None) and math.prod(x.shape[1 - self.ndims[0] :]) == 1:
            raise ValueError(f"{name}: x must have more than 1 position per channel for its own statistics, got shape {x.shape}")


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of x (N, C, L) or (C, L): see _InstanceNorm (torch.nn.InstanceNorm1d)."""

    ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of x (N, C, H, W) or (C, H, W), L = H·W: see _InstanceNorm (torch.nn.InstanceNorm2d)."""

    ndims = (3, 4)
