"""Normalisation over the batch: the twins of torch.nn.BatchNorm1d and BatchNorm2d."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.faster import faster_than, fastest
from manual.nn.validate import expect_array, expect_ndim, expect_size

# ---- channels of mean 0 and variance 1, scaled and shifted ---------------------------------------


def batch_norm(x: np.ndarray, weight: Any, bias: Any, eps: float) -> tuple[np.ndarray, ...]:
    """y of a batch x (N, C, ...), and x_centred, std, mean and var; all but y and x_centred are (1, C, 1, ...), as weight and bias."""
    over, n = all_but_channels(x)
    mean = x.sum(axis=over, keepdims=True) / n  # (N, C, ...) to (1, C, 1, ...), as every sum here
    x_centred = x - mean
    var = (x_centred**2).sum(axis=over, keepdims=True) / n
    std = np.sqrt(var + eps)
    x_hat = x_centred / std
    y = weight * x_hat + bias
    return y, x_centred, std, mean, var


def batch_norm_backward(dL_dy: np.ndarray, x_centred: np.ndarray, std: np.ndarray, weight: Any) -> tuple[np.ndarray, ...]:
    """dL_dx (N, C, ...), dL_dweight and dL_dbias (C,): the lines of `batch_norm` from the bottom up."""
    over, n = all_but_channels(dL_dy)
    x_hat = x_centred / std  # made again: to have kept it would take as much memory as x
    dL_dbias = dL_dy.sum(axis=over)  # (N, C, ...) to (C,): used by all examples, at all positions
    dL_dweight = (dL_dy * x_hat).sum(axis=over)
    dL_dx_hat = dL_dy * weight
    dL_dstd = -(dL_dx_hat * x_centred).sum(axis=over, keepdims=True) / std**2  # std divided all n values of its channel
    dL_dvar = dL_dstd / (2 * std)
    dL_dx_centred = dL_dx_hat / std + dL_dvar * 2 * x_centred / n  # x_centred is used twice: in x_hat, and in var
    dL_dmean = -dL_dx_centred.sum(axis=over, keepdims=True)  # the mean was taken from all n values
    dL_dx = dL_dx_centred + dL_dmean / n  # and each x went into x_centred, and 1/n of it into the mean
    return dL_dx, dL_dweight, dL_dbias


def all_but_channels(x: np.ndarray) -> tuple[tuple[int, ...], int]:
    """The axes of x (N, C, ...) but the second; and n, how many values each channel has (1 for an empty batch, whose sums are 0)."""
    return (0, *range(2, x.ndim)), max(x.shape[0] * math.prod(x.shape[2:]), 1)


# ---- the same, faster ----------------------------------------------------------------------------


@faster_than(batch_norm)
def batch_norm_fast(x: np.ndarray, weight: Any, bias: Any, eps: float) -> tuple[np.ndarray, ...]:
    """Sums by BLAS, no array of squares, and 1/std and weight as one factor."""
    _, n = all_but_channels(x)
    mean = channel_sum(x) / n
    x_centred = x - mean
    var = channel_dot(x_centred, x_centred) / n
    std = np.sqrt(var + eps)
    y = x_centred * (weight / std)
    y += bias
    return y, x_centred, std, mean, var


@faster_than(batch_norm_backward)
def batch_norm_backward_fast(dL_dy: np.ndarray, x_centred: np.ndarray, std: np.ndarray, weight: Any) -> tuple[np.ndarray, ...]:
    """The lines of `batch_norm_backward`, put into one another, and Σ x_centred = 0, are

        dL_dx = weight/std · (dL_dy − mean(dL_dy) − x_hat mean(dL_dy x_hat))

    whose two means are those of dL_dbias and dL_dweight. It has no part along a constant or along x_hat: to shift or to stretch a
    channel of x does not change y (but for eps).
    """
    _, n = all_but_channels(dL_dy)
    dL_dbias = channel_sum(dL_dy)
    dL_dweight = channel_dot(dL_dy, x_centred) / std
    dL_dx = x_centred * (dL_dweight / (-n * std))  # − x_hat mean(dL_dy x_hat), of x's shape
    dL_dx += dL_dy  # in place: a new array for each term would cost as much again
    dL_dx -= dL_dbias / n  # mean(dL_dy)
    dL_dx *= weight / std
    return dL_dx, dL_dweight.ravel(), dL_dbias.ravel()


def channel_sum(x: np.ndarray) -> np.ndarray:
    """Σ over all but axis 1, (N, C, ...) to (1, C, 1, ...). Positions are summed by a product with ones: BLAS is faster than sum."""
    flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))  # (N, C, L)
    return along_channels((flat @ np.ones(flat.shape[2], x.dtype)).sum(axis=0), x)


def channel_dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a b over all but axis 1, (N, C, ...) to (1, C, 1, ...), without the array of products in between."""
    shape = (*a.shape[:2], math.prod(a.shape[2:]))  # (N, C, L)
    return along_channels(np.vecdot(a.reshape(shape), b.reshape(shape)).sum(axis=0), a)


def along_channels(values: Any, x: np.ndarray) -> np.ndarray:
    """(C,) in the shape that broadcasts along axis 1 of x: (1, C, 1, ...)."""
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


# ---- the layers ----------------------------------------------------------------------------------


class _BatchNorm(Module):
    """Give each channel mean 0 and variance 1 over the batch, then a mean and a scale that are learned.

    All sums run over everything but the channels: n values for each of the C channels. `batch_norm` above is the derivation, line by line.

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

    _shows = "{num_features}, eps={eps}, momentum={momentum}, affine={has_weight}, bias={has_bias}, track_running_stats={has_running_mean}"

    ndims: tuple[int, ...] = ()
    late_buffers = ("num_batches_tracked",)
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
        weight, bias = self.scale_and_shift(x)
        batch_statistics = self.training or self.running_mean is None
        if batch_statistics:
            y, x_centred, std, mean, var = fastest(batch_norm)(x, weight, bias, self.eps)
            self.track(mean.ravel(), var.ravel(), x.shape[0] * math.prod(x.shape[2:]))
        else:  # mean and var are constants
            std = along_channels(np.sqrt(self.running_var.astype(x.dtype) + self.eps), x)
            x_centred = x - along_channels(self.running_mean, x)
            y = weight * (x_centred / std) + bias  # (1, C, 1, ...) * (N, C, ...) + (1, C, 1, ...)
        self.save(x_centred, std, batch_statistics)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x_centred, std, batch_statistics = self.restore()
        weight, _ = self.scale_and_shift(dL_dy)
        if batch_statistics:
            dL_dx, dL_dweight, dL_dbias = fastest(batch_norm_backward)(dL_dy, x_centred, std, weight)
        else:
            over, _ = all_but_channels(dL_dy)
            dL_dbias = dL_dy.sum(axis=over)  # (N, C, ...) to (C,)
            dL_dweight = (dL_dy * (x_centred / std)).sum(axis=over)
            dL_dx = dL_dy * weight / std
        if self.bias is not None:
            self.bias.grad += dL_dbias
        if self.weight is not None:
            self.weight.grad += dL_dweight
        return dL_dx

    def scale_and_shift(self, x: np.ndarray) -> tuple[Any, Any]:
        """weight and bias in the shape that broadcasts along the channels of x; 1 and 0 where there are none."""
        weight = 1.0 if self.weight is None else along_channels(self.weight.data, x)
        return weight, 0.0 if self.bias is None else along_channels(self.bias.data, x)

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
