"""Normalisation of each example by itself: the twins of torch.nn.LayerNorm, GroupNorm and RMSNorm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.batchnorm import all_but_channels, along_channels
from manual.nn.faster import faster_than, fastest, few_at_a_time
from manual.nn.fold import per_axis
from manual.nn.functional import column_sum
from manual.nn.validate import expect_array, expect_size

# ---- rows of mean 0 and variance 1 ---------------------------------------------------------------


def standardize(x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """x_hat: each row of x (R, D) with mean 0 and variance 1; and the standard deviation it was divided by, (R, 1)."""
    mean = x.mean(axis=1, keepdims=True)  # (R, D) to (R, 1), as every mean and sum here
    x_centred = x - mean
    var = (x_centred**2).mean(axis=1, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = x_centred / std  # (R, D) / (R, 1)
    return x_hat, std


def standardize_backward(dL_dx_hat: np.ndarray, x_hat: np.ndarray, std: np.ndarray) -> np.ndarray:
    """∂L/∂x (R, D): the lines of `standardize` from the bottom up."""
    D = x_hat.shape[1]
    x_centred = x_hat * std  # made again: to have kept it would take as much memory as x
    dL_dstd = -(dL_dx_hat * x_centred).sum(axis=1, keepdims=True) / std**2  # std divided all D entries of its row
    dL_dvar = dL_dstd / (2 * std)
    dL_dx_centred = dL_dx_hat / std + dL_dvar * 2 * x_centred / D  # x_centred is used twice: in x_hat, and in var
    dL_dmean = -dL_dx_centred.sum(axis=1, keepdims=True)  # the mean was taken from all D entries
    return dL_dx_centred + dL_dmean / D  # and each x went into x_centred, and 1/D of it into the mean


# ---- the same, faster ----------------------------------------------------------------------------


@faster_than(standardize)
def standardize_fast(x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """In place, since a new array costs as much as what is done with it; and without the array of squares."""
    x_hat = x - row_mean(x)
    std = np.sqrt(row_dot(x_hat, x_hat) / x.shape[1] + eps)
    x_hat /= std
    return x_hat, std


@faster_than(standardize_backward)
def standardize_backward_fast(dL_dx_hat: np.ndarray, x_hat: np.ndarray, std: np.ndarray) -> np.ndarray:
    """The lines of `standardize_backward`, put into one another, and Σ x_centred = 0, are

        dL_dx = (dL_dx_hat − mean(dL_dx_hat) − x_hat mean(dL_dx_hat x_hat)) / std

    which has no part along a constant or along x_hat: to shift or to stretch a row of x does not change x_hat (but for eps).
    """
    dL_dx = x_hat * (row_dot(dL_dx_hat, x_hat) / -x_hat.shape[1])  # − x_hat mean(dL_dx_hat x_hat), of x's shape
    dL_dx -= row_mean(dL_dx_hat)
    dL_dx += dL_dx_hat
    dL_dx /= std
    return dL_dx


def row_mean(rows: np.ndarray) -> np.ndarray:
    """(R, D) to (R, 1), as a product with D times 1/D: BLAS sums up to three times as fast as `mean`."""
    return rows @ np.full((rows.shape[1], 1), 1 / rows.shape[1], rows.dtype)


def row_dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a b along each row, (R, D) and (R, D) to (R, 1), without the array of products in between."""
    return np.vecdot(a, b)[:, None]


# ---- the same with a scale and a shift for each entry --------------------------------------------


def normalize_rows(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> tuple[np.ndarray, ...]:
    """y (R, D), and the mean and the standard deviation of each row, (R, 1). weight and bias are (D,)."""
    x_hat, std = standardize(x, eps)
    y = x_hat * weight + bias  # (R, D) * (D,) + (D,)
    return y, x.mean(axis=1, keepdims=True), std


def normalize_rows_backward(
    dL_dy: np.ndarray, x: np.ndarray, mean: np.ndarray, std: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dL_dx (R, D), dL_dweight and dL_dbias (D,): the lines of `normalize_rows` from the bottom up."""
    x_hat = (x - mean) / std  # made again: to have kept it would take as much memory as x
    dL_dbias = dL_dy.sum(axis=0)  # (R, D) to (D,): all R examples used it
    dL_dweight = (dL_dy * x_hat).sum(axis=0)
    dL_dx_hat = dL_dy * weight
    return standardize_backward(dL_dx_hat, x_hat, std), dL_dweight, dL_dbias


# ---- the same, faster ----------------------------------------------------------------------------


@faster_than(normalize_rows)
def normalize_rows_fast(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, eps: float) -> tuple[np.ndarray, ...]:
    """A few rows at a time, which are still in the processor's cache when the next line needs them; and in place, in y."""
    y, mean = np.empty_like(x), row_mean(x)
    std = np.empty_like(mean)
    for few in few_at_a_time(x):
        x_hat = np.subtract(x[few], mean[few], out=y[few])
        std[few] = np.sqrt(row_dot(x_hat, x_hat) / x.shape[1] + eps)
        x_hat /= std[few]
        x_hat *= weight
        x_hat += bias  # by now it is y
    return y, mean, std


@faster_than(normalize_rows_backward)
def normalize_rows_backward_fast(
    dL_dy: np.ndarray, x: np.ndarray, mean: np.ndarray, std: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A few rows at a time, and dL_dx as in `standardize_backward_fast`. Of x_hat only x_centred is made again, in the place of dL_dx; the
    division by std is left to what is one number for each row.
    """
    dL_dx, dL_dweight, rstd = np.empty_like(x), np.zeros(x.shape[1], x.dtype), 1 / std
    for few in few_at_a_time(x):
        d, r = dL_dx[few], rstd[few]
        x_centred = np.subtract(x[few], mean[few], out=d)
        products = dL_dy[few] * x_centred
        dL_dweight += (products.T @ r)[:, 0]  # (D, R) @ (R, 1)
        d *= products @ weight[:, None] * r**2 / -x.shape[1]  # − x_hat mean(dL_dx_hat x_hat); (R, D) @ (D, 1)
        dL_dx_hat = np.multiply(dL_dy[few], weight, out=products)
        dL_dx_hat -= row_mean(dL_dx_hat)
        d += dL_dx_hat
        d *= r
    return dL_dx, dL_dweight, column_sum(dL_dy)


# ---- rows whose squares have the mean 1 ----------------------------------------------------------


def divide_by_rms(x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """x_hat: each row of x (R, D) divided by the root of the mean of its squares; and that root, (R, 1)."""
    rms = np.sqrt((x**2).mean(axis=1, keepdims=True) + eps)  # (R, D) to (R, 1)
    return x / rms, rms


def divide_by_rms_backward(dL_dx_hat: np.ndarray, x_hat: np.ndarray, rms: np.ndarray) -> np.ndarray:
    """∂L/∂x (R, D)."""
    x, D = x_hat * rms, x_hat.shape[1]
    dL_drms = -(dL_dx_hat * x).sum(axis=1, keepdims=True) / rms**2  # rms divided all D entries of its row
    drms_dx = x / (D * rms)  # half of 1/rms, times the 2 x / D of the mean of squares
    return dL_dx_hat / rms + dL_drms * drms_dx  # x is used twice: in x_hat, and in rms


# ---- the same, faster ----------------------------------------------------------------------------


@faster_than(divide_by_rms)
def divide_by_rms_fast(x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Without the array of squares."""
    rms = np.sqrt(row_dot(x, x) / x.shape[1] + eps)
    return x / rms, rms


@faster_than(divide_by_rms_backward)
def divide_by_rms_backward_fast(dL_dx_hat: np.ndarray, x_hat: np.ndarray, rms: np.ndarray) -> np.ndarray:
    """The lines put into one another: dL_dx = (dL_dx_hat − x_hat mean(dL_dx_hat x_hat)) / rms."""
    dL_dx = x_hat * (row_dot(dL_dx_hat, x_hat) / -x_hat.shape[1])  # − x_hat mean(dL_dx_hat x_hat), of x's shape
    dL_dx += dL_dx_hat
    dL_dx /= rms
    return dL_dx


# ---- the layers ----------------------------------------------------------------------------------


class LayerNorm(Module):
    """Give each example mean 0 and variance 1 over its last axes, then a mean and a scale for each entry (torch.nn.LayerNorm).

    With all examples as the rows of x (R, D), and the lines of `standardize` and `normalize_rows`, which have the derivation,

        y[r, d] = weight[d] x_hat[r, d] + bias[d]
        ∂L/∂weight[d] = Σᵣ ∂L/∂y[r, d] x_hat[r, d]
        ∂L/∂bias[d] = Σᵣ ∂L/∂y[r, d]
        ∂L/∂x_hat[r, d] = ∂L/∂y[r, d] weight[d]

    It does the same in training and evaluation: an example is never mixed with others.

    Args:
        normalized_shape: the last axes of x, an integer or several; D is their product.
        eps: added to the variance, so that a constant example does not divide by 0 (torch's default).
        elementwise_affine: whether weight (initially 1) and bias (initially 0) are there.
        bias: whether bias is there, if elementwise_affine.
        dtype: of the parameters.

    Shapes: x and y (..., *normalized_shape), weight and bias normalized_shape.

    Raises:
        ValueError: if the last axes of x are not normalized_shape, or there are none.
        TypeError: if x is not an array of the layer's dtype.
        NotImplementedError: if normalized_shape has a 0.

    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016), equation 4.
    """

    _shows = "{normalized_shape}, eps={eps}, elementwise_affine={has_weight}, bias={has_bias}"

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = as_shape("LayerNorm", normalized_shape), eps
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_last_axes("LayerNorm", x, self.normalized_shape, self.weight)
        rows = as_rows(x, self.normalized_shape)
        y, mean, std = fastest(normalize_rows)(rows, *self.scale_and_shift(rows), self.eps)
        self.save(rows, mean, std)
        return y.reshape(x.shape)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x, mean, std = self.restore()
        weight, _ = self.scale_and_shift(x)
        dL_dx, dL_dweight, dL_dbias = fastest(normalize_rows_backward)(as_rows(dL_dy, self.normalized_shape), x, mean, std, weight)
        if self.bias is not None:
            self.bias.grad += dL_dbias.reshape(self.normalized_shape)
        if self.weight is not None:
            self.weight.grad += dL_dweight.reshape(self.normalized_shape)
        return dL_dx.reshape(dL_dy.shape)

    def scale_and_shift(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """weight and bias as (D,); ones and zeros where there are none."""
        D = rows.shape[1]
        weight = np.ones(D, rows.dtype) if self.weight is None else self.weight.ravel()
        return weight, np.zeros(D, rows.dtype) if self.bias is None else self.bias.ravel()


class GroupNorm(Module):
    """Give each group of channels of each example mean 0 and variance 1, then a mean and a scale for each channel (torch.nn.GroupNorm).

    The (C/groups)·H·W values of one group of one example are a row of `standardize`, which has the derivation. weight and bias are
    those of BatchNorm:

        y[n, c, l] = weight[c] x_hat[n, c, l] + bias[c]
        ∂L/∂weight[c] = Σₙ Σₗ ∂L/∂y[n, c, l] x_hat[n, c, l]
        ∂L/∂bias[c] = Σₙ Σₗ ∂L/∂y[n, c, l]
        ∂L/∂x_hat[n, c, l] = ∂L/∂y[n, c, l] weight[c]

    Args:
        num_groups: into how many groups of neighbours the channels are split. 1: over all channels, C: each by itself (InstanceNorm).
        num_channels: C.
        eps: added to the variance (torch's default 1e-5).
        affine: whether weight (initially 1) and bias (initially 0) are there.
        bias: whether bias is there, if affine.
        dtype: of the parameters.

    Shapes: x and y (N, C, ...), weight and bias (C,).

    Raises:
        ValueError: if the groups are not of equal size, x has other channels, or is one example with one value per group (as torch).
        TypeError: if x is not an array of the layer's dtype.

    Source: Wu and He, "Group Normalization" (2018), section 3.1.
    """

    _shows = "{num_groups}, {num_channels}, eps={eps}, affine={has_weight}, bias={has_bias}"

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups must divide num_channels = {num_channels}, got {num_groups}")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine and bias else None

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.check(x)
        groups = x.reshape(len(x) * self.num_groups, math.prod(x.shape[1:]) // self.num_groups)  # one group to a row
        x_hat, std = fastest(standardize)(groups, self.eps)
        self.save(x_hat, std)
        y = x_hat.reshape(x.shape)
        y = y if self.weight is None else y * along_channels(self.weight, x)  # (N, C, ...) * (1, C, 1, ...)
        return y if self.bias is None else y + along_channels(self.bias, x)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x_hat, std = self.restore()
        over, _ = all_but_channels(dL_dy)
        if self.bias is not None:
            self.bias.grad += dL_dy.sum(axis=over)  # (N, C, ...) to (C,): used by all examples, at all positions
        if self.weight is not None:
            self.weight.grad += (dL_dy * x_hat.reshape(dL_dy.shape)).sum(axis=over)
        dL_dx_hat = dL_dy if self.weight is None else dL_dy * along_channels(self.weight, dL_dy)  # (N, C, ...) * (1, C, 1, ...)
        return fastest(standardize_backward)(dL_dx_hat.reshape(x_hat.shape), x_hat, std).reshape(dL_dy.shape)

    def check(self, x: np.ndarray) -> None:
        """Raise unless x fits."""
        expect_array("GroupNorm", "x", x, None if self.weight is None else self.weight.dtype)
        if x.ndim < 2:
            raise ValueError(f"GroupNorm: x must have at least 2 axes, got shape {x.shape}")
        expect_size("GroupNorm", "x", x, 1, self.num_channels, "num_channels")
        if x.size == self.num_groups:
            raise ValueError(
                f"GroupNorm: x of one example needs more than 1 value per group, got shape {x.shape}, {self.num_groups} groups"
            )


class RMSNorm(Module):
    """Divide each example by the root of the mean of its squares, then scale each entry (torch.nn.RMSNorm).

    With all examples as the rows of x (R, D), and the lines of `divide_by_rms`, which has the derivation,

        y[r, d] = weight[d] x_hat[r, d]
        ∂L/∂weight[d] = Σᵣ ∂L/∂y[r, d] x_hat[r, d]
        ∂L/∂x_hat[r, d] = ∂L/∂y[r, d] weight[d]

    LayerNorm without the mean: to stretch a row of x does not change y (but for eps), to shift it does.

    Args:
        normalized_shape: the last axes of x, an integer or several; D is their product.
        eps: added to the mean square; None: the spacing of x's dtype at 1 (torch's default).
        elementwise_affine: whether weight (initially 1) is there.
        dtype: of weight.

    Shapes: x and y (..., *normalized_shape), weight normalized_shape.

    Raises:
        ValueError: if the last axes of x are not normalized_shape, or there are none.
        TypeError: if x is not an array of the layer's dtype.
        NotImplementedError: if normalized_shape has a 0.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019), equation 4.
    """

    _shows = "{normalized_shape}, eps={eps}, elementwise_affine={has_weight}"

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True, *, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = as_shape("RMSNorm", normalized_shape), eps
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_last_axes("RMSNorm", x, self.normalized_shape, self.weight)
        rows = as_rows(x, self.normalized_shape)
        eps = float(np.finfo(x.dtype).eps) if self.eps is None else self.eps
        x_hat, rms = fastest(divide_by_rms)(rows, eps)
        self.save(x_hat, rms)
        y = x_hat if self.weight is None else x_hat * self.weight.ravel()  # (R, D) * (D,)
        return y.reshape(x.shape)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x_hat, rms = self.restore()
        dL_drows = as_rows(dL_dy, self.normalized_shape)
        if self.weight is not None:
            self.weight.grad += (dL_drows * x_hat).sum(axis=0).reshape(self.normalized_shape)  # (R, D) to (D,): all R examples used it
        dL_dx_hat = dL_drows if self.weight is None else dL_drows * self.weight.ravel()  # (R, D) * (D,)
        return fastest(divide_by_rms_backward)(dL_dx_hat, x_hat, rms).reshape(dL_dy.shape)


def as_shape(layer: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """A tuple, from an integer or several."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
    if not shape:
        raise ValueError(f"{layer}: normalized_shape must name at least one axis, got {normalized_shape!r}")
    sizes = per_axis(layer, "normalized_shape", shape, len(shape), 0)
    if 0 in sizes:
        raise NotImplementedError(f"{layer}: normalized_shape must not be 0: the mean of no entry is not written by hand")
    return sizes


def as_rows(x: np.ndarray, normalized_shape: tuple[int, ...]) -> np.ndarray:
    """(..., *normalized_shape) as (R, D)."""
    axes = x.ndim - len(normalized_shape)
    return x.reshape(math.prod(x.shape[:axes]), math.prod(normalized_shape))


def expect_last_axes(layer: str, x: np.ndarray, normalized_shape: tuple[int, ...], weight: Parameter | None) -> None:
    """Raise unless x is an array of the weight's dtype that ends in these axes."""
    expect_array(layer, "x", x, None if weight is None else weight.dtype)
    if x.shape[-len(normalized_shape) :] != normalized_shape:
        raise ValueError(f"{layer}: the last axes of x must be normalized_shape = {normalized_shape}, got shape {x.shape}")
