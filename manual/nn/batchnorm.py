"""Normalisation over the batch: the twins of torch.nn.BatchNorm1d and BatchNorm2d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.validate import expect_array, expect_ndim, expect_size


class _BatchNorm(Module):
    """Give each channel mean 0 and variance 1 over the batch, then a mean and a scale that are learned.

    All sums and means below run over everything but the channels: n values for each of the C channels. Step by step, for
    x (n, C) (a test runs these lines):

        mean = x.mean(axis=0)
        x_centred = x - mean
        var = (x_centred**2).mean(axis=0)
        std = np.sqrt(var + eps)
        x_hat = x_centred / std
        y = weight * x_hat + bias

        dL_dbias = dL_dy.sum(axis=0)
        dL_dweight = (dL_dy * x_hat).sum(axis=0)
        dL_dx_hat = dL_dy * weight
        dL_dstd = -(dL_dx_hat * x_centred).sum(axis=0) / std**2
        dL_dvar = dL_dstd / (2 * std)
        dL_dx_centred = dL_dx_hat / std + dL_dvar * 2 * x_centred / n
        dL_dmean = -dL_dx_centred.sum(axis=0)
        dL_dx = dL_dx_centred + dL_dmean / n

    Put into one another (and Σ x_centred = 0), the last five lines become the one that `backward` computes:

        dL_dx = weight/std · (dL_dy − mean(dL_dy) − x_hat mean(dL_dy x_hat))

    dL_dx therefore has no part along a constant or along x_hat: to shift or to stretch a channel of x does not change y (but for eps).

    With batch statistics (in training, and always where no running statistics are tracked) mean and var are those of the batch.
    In evaluation they are the running ones, which are constants: dL_dx = weight/std · dL_dy.
    In training the running statistics follow those of the batch, running += momentum · (batch − running), the variance in its
    unbiased form, var · n/(n − 1): it stands for all data, whereas the biased one is exactly the variance of this batch.

    Args:
        num_features: C.
        eps: added to the variance, so that a constant channel does not divide by 0 (1e-5, the paper gives no number).
        momentum: how far the running statistics move towards each batch's; None: so that they are the mean of all batches.
        affine: whether weight (initially 1) and bias (initially 0) are there.
        track_running_stats: whether running statistics are kept.
        bias: whether bias is there, if affine.
        dtype: of parameters and running statistics.

    Raises:
        ValueError: if x has another number of axes or of channels, or batch statistics would be those of one value per channel.
        TypeError: if x is not an array of the layer's dtype.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015), algorithm 1 and section 3.
    """

    ndims: tuple[int, ...] = ()
    running_mean: Any  # these three are arrays, or None where not tracked
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if track_running_stats else None)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check(x)
        x_flat = flat_positions(x)
        if self.training or self.running_mean is None:
            n = max(per_channel(x_flat), 1)  # an empty batch has sums of 0, and no influence
            mean = channel_sum(x_flat) / n
            x_centred = x_flat - along_channels(mean, x_flat)
            var = channel_dot(x_centred, x_centred) / n
            self.track(mean, var, per_channel(x_flat))
        else:
            n = None  # mean and var are constants
            mean, var = self.running_mean, self.running_var
            x_centred = x_flat - along_channels(mean, x_flat)
        inv_std = 1 / np.sqrt(var + self.eps)
        self.save(x_centred, inv_std, n)
        scale = inv_std if self.weight is None else self.weight * inv_std
        y = x_centred * along_channels(scale, x_flat)
        if self.bias is not None:
            y += along_channels(self.bias, x_flat)
        return y.reshape(x.shape)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x_centred, inv_std, n = self.restore()
        d = flat_positions(dL_dy)
        dL_dbias = channel_sum(d)  # (C,): Σ dL_dy, which dL_dx needs too, with or without a bias
        dL_dweight = channel_dot(d, x_centred) * inv_std  # (C,): Σ dL_dy x_hat
        if self.bias is not None:
            self.bias.grad += dL_dbias
        if self.weight is not None:
            self.weight.grad += dL_dweight
        scale = inv_std if self.weight is None else self.weight * inv_std  # (C,): weight/std
        if n is None:
            return (d * along_channels(scale, d)).reshape(dL_dy.shape)
        dL_dx = x_centred * along_channels(inv_std * dL_dweight / -n, d)  # − x_hat mean(dL_dy x_hat), of d's shape
        dL_dx += d  # in place: a new array for each term would cost as much again
        dL_dx -= along_channels(dL_dbias / n, d)  # mean(dL_dy)
        dL_dx *= along_channels(scale, d)
        return dL_dx.reshape(dL_dy.shape)

    def track(self, mean: np.ndarray, var: np.ndarray, n: int) -> None:
        """Move the running statistics towards those of a batch of n values per channel, in training."""
        if not self.training or self.running_mean is None:
            return
        self.num_batches_tracked += 1
        if n == 0:
            return
        step = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean += step * (mean - self.running_mean)
        self.running_var += step * (var * (n / (n - 1)) - self.running_var)

    def check(self, x: np.ndarray) -> None:
        """Raise unless x fits."""
        name, held = type(self).__name__, self.running_mean if self.weight is None else self.weight
        expect_array(name, "x", x, None if held is None else held.dtype)
        expect_ndim(name, "x", x, *self.ndims)
        expect_size(name, "x", x, 1, self.num_features, "num_features")
        if (self.training or self.running_mean is None) and x.shape[0] * math.prod(x.shape[2:]) == 1:
            raise ValueError(f"{name}: x must have more than 1 value per channel for batch statistics, got shape {x.shape}")


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of x (N, C), n = N, or x (N, C, L), n = N·L: see _BatchNorm (torch.nn.BatchNorm1d)."""

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of x (N, C, H, W), n = N·H·W: see _BatchNorm (torch.nn.BatchNorm2d)."""

    ndims = (4,)


def flat_positions(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) as (N, C, H·W); (N, C) and (N, C, L) as they are."""
    return x if x.ndim < 4 else x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def per_channel(x: np.ndarray) -> int:
    """n: how many values each channel of x has."""
    return x.shape[0] * math.prod(x.shape[2:])


def along_channels(values: Any, x: np.ndarray) -> np.ndarray:
    """(C,) in the shape that broadcasts along axis 1 of x (N, C) or (N, C, L)."""
    return values[:] if x.ndim == 2 else values[:, None]


def channel_sum(x: np.ndarray) -> np.ndarray:
    """Σ over all but axis 1: (N, C) or (N, C, L) to (C,). Positions are summed by a product with ones: BLAS is faster than sum."""
    return x.sum(axis=0) if x.ndim == 2 else (x @ np.ones(x.shape[2], x.dtype)).sum(axis=0)


def channel_dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a b over all but axis 1, without the array of products in between."""
    return np.einsum("nc,nc->c", a, b) if a.ndim == 2 else np.vecdot(a, b).sum(axis=0)
