"""Convolutions: every output is a weighted sum over a window of the input, and all windows share the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.faster import faster_than, fastest
from manual.nn.fold import Windows, expect_image, per_axis
from manual.nn.init import uniform
from manual.nn.validate import expect_array, expect_choice, expect_size

# ---- the definition: one output at a time, slow, and nothing left to the imagination -------------
#
# A filter is multiplied by a window and summed. Each of the two factors gets as its gradient that of the output, times the other factor.


def correlate(x: np.ndarray, W: np.ndarray, windows: Windows, count: Sequence[int], groups: int) -> np.ndarray:
    """y = W ★ x, every filter times every window.

    Args:
        x: (N, C, *size).
        W: (O, C / groups, *kernel_size).
        windows: where they stand on x.
        count: how many there are along each axis.
        groups: filters are cut into so many groups, each of which sees the channels of its own.

    Returns:
        y (N, O, *count).
    """
    x = padded(x, windows)
    y = np.zeros((len(x), len(W), *count), x.dtype)
    for n, o, *place in np.ndindex(y.shape):
        y[n, o, *place] = np.sum(W[o] * x[window_of(n, o, place, W.shape, windows, groups)])
    return y


def correlate_weight(x: np.ndarray, dL_dy: np.ndarray, windows: Windows, groups: int) -> np.ndarray:
    """∂L/∂W of `correlate`, (O, C / groups, *kernel_size): all windows of x, each times the gradient of the output that it led to."""
    dL_dW = np.zeros((dL_dy.shape[1], x.shape[1] // groups, *windows.kernel_size), x.dtype)
    x = padded(x, windows)
    for n, o, *place in np.ndindex(dL_dy.shape):
        dL_dW[o] += dL_dy[n, o, *place] * x[window_of(n, o, place, dL_dW.shape, windows, groups)]
    return dL_dW


def correlate_transposed(dL_dy: np.ndarray, W: np.ndarray, windows: Windows, size: Sequence[int], groups: int) -> np.ndarray:
    """∂L/∂x of `correlate`, (N, C, *size): in every window the filter times the gradient of its output; where they overlap these add up."""
    dL_dx = padded(np.zeros((len(dL_dy), W.shape[1] * groups, *size), dL_dy.dtype), windows)
    for n, o, *place in np.ndindex(dL_dy.shape):
        dL_dx[window_of(n, o, place, W.shape, windows, groups)] += dL_dy[n, o, *place] * W[o]
    return dL_dx[:, :, *(slice(before, before + n) for before, n in zip(windows.before, size, strict=True))]


def padded(x: np.ndarray, windows: Windows) -> np.ndarray:
    """x (N, C, *size) with its padding of zeros around."""
    return np.pad(x, [(0, 0), (0, 0), *zip(windows.before, windows.after, strict=True)])


def window_of(n: int, o: int, place: Sequence[int], W_shape: Sequence[int], windows: Windows, groups: int) -> tuple[Any, ...]:
    """What filter o sees of the padded image n from this place: the channels of its group, and along each axis every dilation-th entry."""
    O, channels = W_shape[:2]
    first = o * groups // O * channels
    axes = zip(place, windows.stride, windows.kernel_size, windows.dilation, strict=True)
    return n, slice(first, first + channels), *(slice(i * s, i * s + k * d, d) for i, s, k, d in axes)


# ---- the same, faster ----------------------------------------------------------------------------


BLOCK = 2**19
"""Bytes of windows that are made at a time: few enough to be still in the processor's cache when they are used."""


@faster_than(correlate)
def correlate_fast(x: np.ndarray, W: np.ndarray, windows: Windows, count: Sequence[int], groups: int) -> np.ndarray:
    """With the P windows of an image as the columns of a matrix this is one matrix product, y = W columns."""
    N, O, P = len(x), len(W), math.prod(count)
    if are_small(N, count):
        return of_small_images(x, W, windows, count, groups)
    y = np.empty((N, O, *count), dtype=x.dtype)
    W_rows, y_rows = _rows(W, groups), y.reshape(N, groups, O // groups, P)
    for some, columns in _columns(x, windows, count, groups):
        np.matmul(W_rows, columns, out=y_rows[some])  # (O, C·K) @ (C·K, P), for each image and group
    return y


@faster_than(correlate_weight)
def correlate_weight_fast(x: np.ndarray, dL_dy: np.ndarray, windows: Windows, groups: int) -> np.ndarray:
    """y = W columns for every image, so dL_dW = dL_dy columnsᵀ, summed over images; its transpose is found, which BLAS does faster."""
    N, O, *count = dL_dy.shape
    C, P = x.shape[1] // groups, math.prod(count)
    if are_small(N, count):
        return weight_tap_by_tap(x, dL_dy, windows, groups)
    dL_drows = dL_dy.reshape(N, groups, O // groups, P)
    dL_dWT = np.zeros((groups, C * math.prod(windows.kernel_size), O // groups), dtype=x.dtype)
    for some, columns in _columns(x, windows, count, groups):
        dL_dWT += (columns @ dL_drows[some].swapaxes(2, 3)).sum(axis=0)  # (C·K, P) @ (P, O), summed over images
    return dL_dWT.swapaxes(1, 2).reshape(O, C, *windows.kernel_size)


@faster_than(correlate_transposed)
def correlate_transposed_fast(dL_dy: np.ndarray, W: np.ndarray, windows: Windows, size: Sequence[int], groups: int) -> np.ndarray:
    """The columns receive Wᵀ dL_dy, and where windows overlap these add up."""
    N, O, *count = dL_dy.shape
    if are_small(N, count):
        return transposed_tap_by_tap(dL_dy, W, windows, size, groups)
    C, K, P = W.shape[1] * groups, math.prod(windows.kernel_size), math.prod(count)
    dL_dx = np.zeros((N, C, *size), dtype=dL_dy.dtype)
    dL_drows = dL_dy.reshape(N, groups, O // groups, P)
    W_columns = _rows(W, groups).swapaxes(1, 2)
    product = _product(groups, O)
    buffer = np.empty((_step(dL_dx, windows, count), groups, C * K // groups, P), dtype=dL_dy.dtype)
    for some in _few(dL_dx, windows, count):
        dL_dcolumns = product(W_columns, dL_drows[some], out=buffer[: N - some.start])  # (C·K, O) @ (O, P), for each image and group
        windows.scatter(dL_dcolumns.reshape(-1, C, *windows.kernel_size, *count), dL_dx[some])
    return dL_dx


def _columns(x: np.ndarray, windows: Windows, count: Sequence[int], groups: int) -> Iterator[tuple[slice, np.ndarray]]:
    """The windows of a few images at a time, as columns: the images, and an array of shape (images, groups, C / groups · K, P).

    Nobody may keep them, the next ones take their place: they are K times as many numbers as x, and cheap to gather again.
    """
    N, C = x.shape[:2]
    K, P = math.prod(windows.kernel_size), math.prod(count)
    buffer = np.zeros((_step(x, windows, count), C, *windows.kernel_size, *count), dtype=x.dtype)  # where windows cover padding it stays 0
    for some in _few(x, windows, count):
        gathered = buffer[: N - some.start]
        windows.gather(x[some], gathered)
        yield some, gathered.reshape(len(gathered), groups, C // groups * K, P)


def _step(x: np.ndarray, windows: Windows, count: Sequence[int]) -> int:
    """How many images of x (N, C, *size) have windows that take BLOCK bytes; at least one, at most all."""
    bytes_of_one = math.prod((x.shape[1], *windows.kernel_size, *count)) * x.itemsize
    return max(1, min(len(x), BLOCK // bytes_of_one))


def _few(x: np.ndarray, windows: Windows, count: Sequence[int]) -> Iterator[slice]:
    """So many images of x at a time."""
    step = _step(x, windows, count)
    for n in range(0, len(x), step):
        yield slice(n, n + step)


def _product(groups: int, O: int) -> np.ufunc:
    """What multiplies filters (C, O / groups) by rows (O / groups, P): where that is one there is nothing to sum, which is faster."""
    return np.multiply if groups == O else np.matmul


def _rows(W: np.ndarray, groups: int) -> np.ndarray:
    """The filters of each group (or its channels of one image) as the rows of a matrix: (groups, O / groups, C / groups · K)."""
    return W.reshape(groups, len(W) // groups, math.prod(W.shape[1:]))


# ---- small images --------------------------------------------------------------------------------
#
# NumPy works row by row. On images with rows of a few numbers it takes longer to go from row to row than to work on them, and so all three
# functions take such images for one that has one more axis: along it lie the images, in memory too. The way back goes tap by tap, since the
# columns of all taps would take K times as much memory as x, in the step's greatest need.


def are_small(N: int, count: Sequence[int]) -> bool:
    """Whether these are several images, with fewer than 8 windows in a row."""
    return N > 1 and count[-1] < 8


def as_one_image(x: np.ndarray) -> np.ndarray:
    """(N, C, *size) as (1, C, *size, N)."""
    return np.ascontiguousarray(np.moveaxis(x, 0, -1))[None]


def as_images(x: np.ndarray) -> np.ndarray:
    """(1, C, *size, N) as (N, C, *size): a view."""
    return np.moveaxis(x[0], -1, 0)


def of_small_images(x: np.ndarray, W: np.ndarray, windows: Windows, count: Sequence[int], groups: int) -> np.ndarray:
    """`correlate`; y, with its images one after the other, is made when there are no columns any more."""
    parts, through = [], through_all(windows)
    for some in _few(x, windows, count):
        parts.append((some, correlate_fast(as_one_image(x[some]), W[..., None], through, (*count, len(x[some])), groups)))
    y = np.empty((len(x), len(W), *count), dtype=x.dtype)
    for some, part in parts:
        y[some] = as_images(part)
    return y


def weight_tap_by_tap(x: np.ndarray, dL_dy: np.ndarray, windows: Windows, groups: int) -> np.ndarray:
    """`correlate_weight`: each tap of the filters has seen x in some windows, and gets what it saw times the gradients of these."""
    O, count, C = dL_dy.shape[1], dL_dy.shape[2:], x.shape[1] // groups
    dL_dW = np.zeros((groups, O // groups, C, *windows.kernel_size), dtype=x.dtype)
    (one,), (dL_done,) = as_one_image(x), as_one_image(dL_dy)
    for k, in_windows, in_x in windows.taps(x.shape[2:], count):
        dL_dW[..., *k] = _rows(dL_done[:, *in_windows], groups) @ _rows(one[:, *in_x], groups).swapaxes(1, 2)  # (O, P) @ (P, C)
    return dL_dW.reshape(O, C, *windows.kernel_size)


def transposed_tap_by_tap(dL_dy: np.ndarray, W: np.ndarray, windows: Windows, size: Sequence[int], groups: int) -> np.ndarray:
    """`correlate_transposed`: what each tap has seen of x gets the gradients of those windows, times the filters there."""
    N, O, *count = dL_dy.shape
    dL_dx, (dL_done,) = np.zeros((1, W.shape[1] * groups, *size, N), dtype=dL_dy.dtype), as_one_image(dL_dy)
    product = _product(groups, O)
    for k, in_windows, in_x in windows.taps(size, count):
        W_columns, dL_dseen = _rows(W[:, :, *k], groups).swapaxes(1, 2), dL_dx[0][:, *in_x]
        dL_dseen += product(W_columns, _rows(dL_done[:, *in_windows], groups)).reshape(dL_dseen.shape)  # (C, O) @ (O, P)
    return np.ascontiguousarray(as_images(dL_dx))


def through_all(windows: Windows) -> Windows:
    """These windows, with their one tap along the images."""
    kernel_size, stride, before, after, dilation = (getattr(windows, field.name) for field in fields(windows))
    return Windows((*kernel_size, 1), (*stride, 1), (*before, 0), (*after, 0), (*dilation, 1))


# ---- the layers --------------------------------------------------------------------------------------------------


class _Convolution(Module):
    """What all convolutions share: the arguments, weight and bias."""

    _shows = "{in_channels}, {out_channels}, kernel_size={kernel_size}, stride={stride}"
    _shows_unless: Mapping[str, Any] = {"padding": 0, "dilation": 1, "output_padding": 0, "groups": 1, "has_bias": True}
    axes: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        dilation: int | Sequence[int],
        groups: int,
        bias: bool,
        padding_mode: str,
        rng: np.random.Generator | None,
        dtype: Any,
    ) -> None:
        super().__init__()
        layer, axes = type(self).__name__, self.axes
        self.in_channels, self.out_channels = per_axis(layer, "in_channels and out_channels", (in_channels, out_channels), 2, 1)
        (self.groups,) = per_axis(layer, "groups", groups, 1, 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{layer}: groups must divide in_channels = {in_channels} and out_channels = {out_channels}, got {groups}")
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, axes, 1)
        self.stride = per_axis(layer, "stride", stride, axes, 1)
        self.dilation = per_axis(layer, "dilation", dilation, axes, 1)
        expect_choice(layer, "padding_mode", padding_mode, ("zeros", "reflect", "replicate", "circular"))
        if padding_mode != "zeros":
            raise NotImplementedError(f"{layer}: padding_mode {padding_mode!r} is not written by hand, only 'zeros' is")
        self.padding_mode = padding_mode
        rows, columns = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (rows, columns // groups, *self.kernel_size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = Parameter(uniform(shape, -bound, bound, rng=rng, dtype=dtype))
        self.bias = Parameter(uniform((out_channels,), -bound, bound, rng=rng, dtype=dtype)) if bias else None

    def _expect(self, x: np.ndarray) -> None:
        """Raise unless x fits."""
        layer = type(self).__name__
        expect_array(layer, "x", x, self.weight.dtype)
        expect_image(layer, x, self.axes)
        expect_size(layer, "x", x, -1 - self.axes, self.in_channels, "in_channels")

    def _batch(self, x: np.ndarray) -> np.ndarray:
        """x with its batch axis, also when it is a single image."""
        return x if x.ndim == self.axes + 2 else x[None]

    def _add_bias(self, y: np.ndarray) -> np.ndarray:
        """y + b, one entry of b for each channel of y, in place."""
        if self.bias is not None:
            y += self.bias.reshape(-1, *[1] * self.axes)  # (N, O, *count) + (O, 1, ...)
        return y

    def _add_bias_backward(self, dL_dy: np.ndarray) -> None:
        """∂L/∂b: b[o] was used at every position of every image."""
        if self.bias is not None:
            self.bias.grad += dL_dy.sum(axis=(0, *range(2, dL_dy.ndim)))  # (N, O, *count) to (O,)


class _Conv(_Convolution):
    """Conv1d and Conv2d."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, padding_mode, rng, dtype)
        self.padding = padding if isinstance(padding, str) else per_axis(type(self).__name__, "padding", padding, self.axes, 0)
        self.windows = Windows(self.kernel_size, self.stride, *self._before_and_after(), self.dilation)

    def _before_and_after(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """How many zeros come before x and behind it, along each axis."""
        if not isinstance(self.padding, str):
            return self.padding, self.padding
        layer = type(self).__name__
        expect_choice(layer, "padding", self.padding, ("same", "valid"))
        if self.padding == "valid":
            return (0,) * self.axes, (0,) * self.axes
        if max(self.stride) > 1:
            raise ValueError(f"{layer}: padding 'same' needs stride 1, got stride {self.stride}")
        both = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        return tuple(p // 2 for p in both), tuple(p - p // 2 for p in both)  # of an odd number one more goes behind x

    def forward(self, x: np.ndarray) -> np.ndarray:
        self._expect(x)
        count = self.windows.count(type(self).__name__, x.shape[-self.axes :])
        self.save(x)
        y = fastest(correlate)(self._batch(x), self.weight.data, self.windows, count, self.groups)
        y = self._add_bias(y)
        return y.reshape(*x.shape[: -1 - self.axes], *y.shape[1:])

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        size, dL_dy = x.shape[-self.axes :], self._batch(dL_dy)
        self._add_bias_backward(dL_dy)
        self.weight.grad += fastest(correlate_weight)(self._batch(x), dL_dy, self.windows, self.groups)
        dL_dx = fastest(correlate_transposed)(dL_dy, self.weight.data, self.windows, size, self.groups)
        return dL_dx.reshape(x.shape)


class Conv1d(_Conv):
    """Cross-correlation of sequences with learned filters (torch.nn.Conv1d): Conv2d with one axis less.

        y[n, o, i] = b[o] + Σ W[o, c, k] x[n, c, i·s + k·d − p], summed over c and k

    The gradients, arguments and errors are those of Conv2d; what is given for each axis is one integer here.

    Shapes: x (N, C, T) or (C, T), y (N, O, I) or (O, I) with I = ⌊(T + 2 p − d (K − 1) − 1) / s⌋ + 1, weight (O, C / groups, K), bias (O,).
    """

    axes = 1


class Conv2d(_Conv):
    """Cross-correlation of images with learned filters (torch.nn.Conv2d).

    With stride s, padding p and dilation d (here the same for both axes), x[n, c, u, v] = 0 outside of the image, and all sums over
    the indices that the left side lacks,

        y[n, o, i, j]     = b[o] + Σ W[o, c, k, l] x[n, c, i·s + k·d − p, j·s + l·d − p]
        ∂L/∂W[o, c, k, l] = Σ ∂L/∂y[n, o, i, j] x[n, c, i·s + k·d − p, j·s + l·d − p]
        ∂L/∂b[o]          = Σ ∂L/∂y[n, o, i, j]
        ∂L/∂x[n, c, u, v] = Σ ∂L/∂y[n, o, i, j] W[o, c, k, l], over all o, and all k, l, i, j with i·s + k·d − p = u, j·s + l·d − p = v

    `correlate`, `correlate_weight` and `correlate_transposed` are just that. Their faster forms lay the windows of an image side by side as
    the columns of a matrix (C·K, P), so that with W as (O, C·K) it is a linear map:

        y = W columns,   dL_dW = dL_dy columnsᵀ,   dL_dcolumns = Wᵀ dL_dy,

    and ∂L/∂x is the sum of dL_dcolumns over all windows that an entry of x was copied to.

    Args:
        in_channels: C.
        out_channels: O, the number of filters.
        kernel_size: taps of a filter; this, stride and dilation are an integer, or one for each axis.
        stride: steps from one window to the next.
        padding: zeros on both sides of each axis, an integer or one for each axis; 'valid' is none; 'same' gives y the size of x (with
            stride 1), one more zero behind x than before it where their number is odd.
        dilation: steps from one tap to the next.
        groups: channels and filters are cut into so many groups, and each filter sees the channels of its group only.
        bias: whether b is there.
        padding_mode: only 'zeros'.
        rng: draws the initial weights, uniform in ±1/√(C / groups · taps) (torch's default: Kaiming-uniform with a = √5).
        dtype: of the parameters.

    Shapes: x (N, C, H, W) or (C, H, W), y (N, O, I, J) or (O, I, J) with I = ⌊(H + 2 p − d (K − 1) − 1) / s⌋ + 1 and J likewise,
    weight (O, C / groups, K, L), bias (O,).

    Raises:
        ValueError: if x has another number of axes or of channels, or a filter spans more than x with its padding; at construction
            if groups does not divide both numbers of channels, 'same' meets a stride above 1, or a number is too small.
        TypeError: if x is not an array of the weight's dtype.
        NotImplementedError: for another padding_mode.

    Source: V. Dumoulin and F. Visin, A guide to convolution arithmetic for deep learning (2016), for the sizes and the transpose.
    """

    axes = 2
