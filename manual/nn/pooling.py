"""Pooling: one number for each window of each channel, its largest or its mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.faster import faster_than, fastest, few_at_a_time
from manual.nn.fold import Tap, Windows, expect_image, per_axis


class _Pool(Module):
    """What all poolings with a sliding window share: the arguments."""

    axes: int

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None,
        padding: int | Sequence[int],
        dilation: int | Sequence[int],
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        layer, axes = type(self).__name__, self.axes
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, axes, 1)
        self.stride = self.kernel_size if stride is None else per_axis(layer, "stride", stride, axes, 1)
        self.padding = per_axis(layer, "padding", padding, axes, 0)
        self.dilation = per_axis(layer, "dilation", dilation, axes, 1)
        self.ceil_mode = ceil_mode
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"{layer}: padding must be at most half of kernel_size = {kernel_size}, got {padding}")
        self.windows = Windows(self.kernel_size, self.stride, self.padding, self.padding, self.dilation)
        self._shows = f"kernel_size={kernel_size}, stride={kernel_size if stride is None else stride}, padding={padding}"  # as given

    def _count(self, x: np.ndarray) -> tuple[int, ...]:
        """The size of y, once x has been found to fit."""
        layer = type(self).__name__
        expect_image(layer, x, self.axes)
        return self.windows.count(layer, x.shape[-self.axes :], self.ceil_mode)


# ---- the largest number of each window -----------------------------------------------------------


def largest(x: np.ndarray, taps: tuple[Tap, ...], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The largest number of each window of x; and the tap that it stands at, the first of them being 1: y and winner, both of this shape.

    Tap by tap: each is a candidate in all windows at once, and is taken where it is better than the best so far.
    """
    y, winner = np.full(shape, -np.inf, x.dtype), np.zeros(shape, np.intp)  # winner 0: none so far
    for number, (_, in_windows, in_x) in enumerate(taps, start=1):
        candidate, best, best_number = x[..., *in_x], y[..., *in_windows], winner[..., *in_windows]
        better = (candidate > best) | np.isnan(candidate) | (best_number == 0)
        y[..., *in_windows] = np.where(better, candidate, best)
        winner[..., *in_windows] = np.where(better, number, best_number)
    return y, winner


def largest_backward(dL_dy: np.ndarray, winner: np.ndarray, windows: Windows, shape: tuple[int, ...]) -> np.ndarray:
    """dL_dx, of this shape: each tap receives the gradients of the windows that it has won; what stands in several windows their sum."""
    dL_dx = np.zeros(shape, dL_dy.dtype)
    for number, (_, in_windows, in_x) in enumerate(taps_between(windows, shape, dL_dy.shape), start=1):
        dL_dx[..., *in_x] += dL_dy[..., *in_windows] * (winner[..., *in_windows] == number)
    return dL_dx


def taps_between(windows: Windows, x_shape: Sequence[int], y_shape: Sequence[int]) -> tuple[Tap, ...]:
    """The taps of windows on an x of this shape, that made a y of this."""
    axes = len(windows.stride)
    return windows.taps(x_shape[-axes:], y_shape[-axes:])


def places_of(winner: np.ndarray, taps: tuple[Tap, ...], size: Sequence[int]) -> np.ndarray:
    """Where the winners stand in x, counted through its last axes, row by row; 0 for windows of nothing but padding."""
    place_in_x = np.arange(math.prod(size)).reshape(size)
    places = np.zeros(winner.shape, dtype=np.int64)
    for number, (_, in_windows, in_x) in enumerate(taps, start=1):
        places[..., *in_windows] += place_in_x[*in_x] * (winner[..., *in_windows] == number)
    return places


# ---- the same, faster ----------------------------------------------------------------------------


IMAGES = 2**20
"""Bytes of images that are pooled at a time: more than BLOCK, for a tap sees a part of them, and a call costs as much for a few rows."""


@faster_than(largest)
def largest_fast(x: np.ndarray, taps: tuple[Tap, ...], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """With maxima in place of np.where, which has to guess a branch for each entry, with small integers, and a few images at a time, which
    are still in the processor's cache for the next tap. Windows of nothing but −∞, or with a NaN, are seldom: where there is one, the plain
    form decides.
    """
    y, winner = np.empty(shape, x.dtype), np.empty(shape, np.min_scalar_type(len(taps)))
    for few in few_at_a_time(x, IMAGES):
        largest_of_few(x[few], taps, y[few], winner[few])
    return (y, winner) if winner.all() and not np.isnan(y).any() else largest(x, taps, shape)


def largest_of_few(x: np.ndarray, taps: tuple[Tap, ...], y: np.ndarray, winner: np.ndarray) -> None:
    """The same, written into y and winner."""
    first, begun = x[..., *taps[0][-1]], 0
    if first.shape == y.shape:  # all windows have the first tap inside of x: it is the best so far, and needs no comparing
        y[...], winner[...], begun = first, 1, 1
    else:
        y[...], winner[...] = -np.inf, 0
    for number, (_, in_windows, in_x) in enumerate(taps[begun:], start=begun + 1):
        candidate = x[..., *in_x].copy()  # used twice, so it pays to lay it side by side
        best, best_number = y[..., *in_windows], winner[..., *in_windows]
        better = candidate > best
        np.maximum(best, candidate, out=best)
        np.maximum(best_number, np.multiply(better, number, dtype=winner.dtype), out=best_number)  # later taps have larger numbers


@faster_than(largest_backward)
def largest_backward_fast(dL_dy: np.ndarray, winner: np.ndarray, windows: Windows, shape: tuple[int, ...]) -> np.ndarray:
    """Where no two windows overlap, a tap's gradients are written where they belong, and nothing needs to be added."""
    if any(span > stride for span, stride in zip(windows.span, windows.stride, strict=True)):
        return largest_backward(dL_dy, winner, windows, shape)
    dL_dx, taps = np.zeros(shape, dL_dy.dtype), taps_between(windows, shape, dL_dy.shape)
    for few in few_at_a_time(dL_dx, IMAGES):
        some_dL_dy, some_winner, some_dL_dx = dL_dy[few], winner[few], dL_dx[few]
        for number, (_, in_windows, in_x) in enumerate(taps, start=1):
            np.multiply(some_dL_dy[..., *in_windows], some_winner[..., *in_windows] == number, out=some_dL_dx[..., *in_x])
    return dL_dx


# ---- the layers ----------------------------------------------------------------------------------


class _MaxPool(_Pool):
    """MaxPool1d and MaxPool2d."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)
        self.return_indices = return_indices
        self._shows += f", dilation={dilation}, ceil_mode={ceil_mode}"

    def forward(self, x: np.ndarray) -> Any:
        count = self._count(x)
        taps = self.windows.taps(x.shape[-self.axes :], count)
        y, winner = fastest(largest)(x, taps, (*x.shape[: -self.axes], *count))
        self.save(winner, x.shape)
        return (y, places_of(winner, taps, x.shape[-self.axes :])) if self.return_indices else y

    def backward(self, dL_dy: Any) -> np.ndarray:
        dL_dy = dL_dy[0] if self.return_indices else dL_dy  # places have no gradient
        winner, shape = self.restore()
        return fastest(largest_backward)(dL_dy, winner, self.windows, shape)


class MaxPool1d(_MaxPool):
    """The largest number of each window (torch.nn.MaxPool1d): MaxPool2d with one axis less.

    Shapes: x (N, C, T) or (C, T), y (N, C, I) or (C, I). Arguments, gradient and errors as for MaxPool2d.
    """

    axes = 1


class MaxPool2d(_MaxPool):
    """The largest number of each window (torch.nn.MaxPool2d).

    With stride s, padding p and dilation d,

        y[n, c, i, j]     = max x[n, c, i·s + k·d − p, j·s + l·d − p] over the taps (k, l) that lie inside of x
        ∂L/∂x[n, c, u, v] = Σ ∂L/∂y[n, c, i, j] over the windows (i, j) whose winner is (u, v)

    The others of a window could change a little and y would not, so their gradient is 0. Where several are largest the subgradient is
    torch's: the first, row by row, takes all. A NaN wins over every number (the last of several), so it passes on.

    Args:
        kernel_size: taps of a window; this and the next three are an integer, or one for each axis.
        stride: steps from one window to the next; kernel_size unless given.
        padding: of −∞ around x, at most half of kernel_size.
        dilation: steps from one tap to the next.
        return_indices: whether the winners' places come too, integers that count through x[n, c] row by row: what MaxUnpool2d takes.
            backward then takes a pair, of which only ∂L/∂y counts.
        ceil_mode: whether a last window may hang over the end of x.

    Shapes: x (N, C, H, W) or (C, H, W), y and the places (N, C, I, J) or (C, I, J) with I = ⌊(H + 2 p − d (K − 1) − 1) / s⌋ + 1 and J
    likewise (⌈ ⌉ with ceil_mode, less a last window that would begin behind x).

    Raises:
        ValueError: if x has another number of axes or is empty but for the batch, or a window spans more than x with its padding; at
            construction if there is too much padding or a number is too small.
        TypeError: if x is not a floating point array.
    """

    axes = 2


class _AvgPool(_Pool):
    """AvgPool1d and AvgPool2d."""

    count_include_pad: bool
    divisor_override: int | None = None

    def _divisor(self, size: Sequence[int], count: Sequence[int], dtype: Any) -> np.ndarray | int:
        """What the sum of each window is divided by: one number, or an array of y's last axes."""
        if self.divisor_override is not None:
            return self.divisor_override
        lengths = []  # of the windows along each axis, in entries that count
        for n, o, k, s, p in zip(size, count, self.kernel_size, self.stride, self.padding, strict=True):
            first = np.arange(o) * s - p
            last = np.minimum(first + k, n + p)  # an overhang behind the padding never counts
            lengths.append(last - first if self.count_include_pad else np.minimum(last, n) - np.maximum(first, 0))
        return np.asarray(math.prod(np.ix_(*lengths)), dtype=dtype)  # (I, 1) times (1, J)

    def forward(self, x: np.ndarray) -> np.ndarray:
        count, size = self._count(x), x.shape[-self.axes :]
        y = np.zeros((*x.shape[: -self.axes], *count), dtype=x.dtype)
        for _, in_windows, in_x in self.windows.taps(size, count):
            y[..., *in_windows] += x[..., *in_x]
        self.save(x.shape)
        return y / self._divisor(size, count, x.dtype)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        shape = self.restore()
        size, count = shape[-self.axes :], dL_dy.shape[-self.axes :]
        dL_dsum = dL_dy / self._divisor(size, count, dL_dy.dtype)
        dL_dx = np.zeros(shape, dtype=dL_dy.dtype)
        for _, in_windows, in_x in self.windows.taps(size, count):
            dL_dx[..., *in_x] += dL_dsum[..., *in_windows]  # every entry of a window went into its sum
        return dL_dx


class AvgPool1d(_AvgPool):
    """The mean of each window (torch.nn.AvgPool1d): AvgPool2d with one axis less, and no divisor_override.

    Shapes: x (N, C, T) or (C, T), y (N, C, I) or (C, I). Arguments, gradient and errors as for AvgPool2d.
    """

    axes = 1

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = count_include_pad
        self._shows = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window (torch.nn.AvgPool2d).

    With stride s, padding p, x = 0 in the padding, and m[i, j] the number that window (i, j) is divided by,

        y[n, c, i, j]     = Σₖₗ x[n, c, i·s + k − p, j·s + l − p] / m[i, j]
        ∂L/∂x[n, c, u, v] = Σ ∂L/∂y[n, c, i, j] / m[i, j] over the windows (i, j) that cover (u, v)

    Args:
        kernel_size: taps of a window; this and the next two are an integer, or one for each axis.
        stride: steps from one window to the next; kernel_size unless given.
        padding: zeros around x, at most half of kernel_size.
        ceil_mode: whether a last window may hang over the end of x.
        count_include_pad: whether m counts the padding too (what hangs over its end never counts).
        divisor_override: m for all windows, if given.

    Shapes: as for MaxPool2d.

    Raises:
        ValueError: as MaxPool2d, and if divisor_override is 0.
        TypeError: if x is not a floating point array.
    """

    axes = 2

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        if divisor_override == 0:
            raise ValueError("AvgPool2d: divisor_override must not be 0")
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override
