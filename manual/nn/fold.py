"""Windows that slide over the last axes of an array: the geometry below every convolution and pooling, and Unfold and Fold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.validate import expect_array, expect_ndim

Index = tuple[Any, ...]
Tap = tuple[Index, Index, Index]


def per_axis(layer: str, name: str, value: int | Sequence[int], axes: int, least: int) -> tuple[int, ...]:
    """One integer for each of `axes` axes; a single integer stands for all of them.

    Raises:
        TypeError: if value is not an integer or a sequence of integers.
        ValueError: if it is a sequence of another length, or one of them is below `least`.
    """
    values: tuple[Any, ...] = tuple(value) if isinstance(value, tuple | list) else (value,) * axes
    if any(isinstance(v, bool) or not isinstance(v, int | np.integer) for v in values):
        raise TypeError(f"{layer}: {name} must be {whole(axes)}, got {value!r}")
    if len(values) != axes:
        raise ValueError(f"{layer}: {name} must be {whole(axes)}, got {value!r}")
    if min(values) < least:
        raise ValueError(f"{layer}: {name} must be at least {least}, got {value!r}")
    return tuple(int(v) for v in values)


def whole(axes: int) -> str:
    """How many integers are asked for, in words."""
    return "one integer" if axes == 1 else f"one integer or {axes}"


def expect_image(layer: str, x: np.ndarray, axes: int) -> None:
    """Raise unless x is (N, C, *size) or a single (C, *size), with `axes` sizes; only N may be 0."""
    expect_array(layer, "x", x)
    expect_ndim(layer, "x", x, axes + 1, axes + 2)
    if 0 in x.shape[-1 - axes :]:
        raise ValueError(f"{layer}: no axis of x but the batch may be empty, got shape {x.shape}")


@dataclass(frozen=True)
class Windows:
    """Where windows stand on x, along each of its last axes.

    Tap k of window o covers x[o · stride + k · dilation − before]; where that is outside of x it covers padding.

    Args:
        kernel_size: taps of a window.
        stride: steps from one window to the next.
        before: padding before the first entry of x.
        after: padding behind the last.
        dilation: steps from one tap to the next.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def span(self) -> tuple[int, ...]:
        """From a window's first tap to its last, both and the gaps between them counted."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))

    def count(self, layer: str, size: Sequence[int], ceil_mode: bool = False) -> tuple[int, ...]:
        """How many windows stand on each axis of an x of this size.

        With ceil_mode a last window may hang over the end, if it begins inside of x or in the padding before it.

        Raises:
            ValueError: if not even one fits; `layer` says so.
        """
        counts = []
        for n, span, stride, before, after in zip(size, self.span, self.stride, self.before, self.after, strict=True):
            room = n + before + after - span  # how far the first window can move
            count = 1 + (-(-room // stride) if ceil_mode else room // stride)
            if ceil_mode and (count - 1) * stride >= n + before:
                count -= 1  # the last one would see nothing but the padding behind x
            counts.append(count)
        if min(counts) < 1:
            padded = tuple(n + b + a for n, b, a in zip(size, self.before, self.after, strict=True))
            raise ValueError(f"{layer}: a window spans {self.span}, more than x with its padding, {padded}")
        return tuple(counts)

    def taps(self, size: Sequence[int], count: Sequence[int]) -> tuple[Tap, ...]:
        """Each tap k that lies inside of x in some windows: k itself, those windows, and the entries of x that it covers there.

        All three are indices for the last axes. The windows are a range with step 1, the entries one with step `stride`:
        both are views, so that no number is moved but by what is done with them.
        """
        return _taps(self, tuple(size), tuple(count))

    def gather(self, x: np.ndarray, windows: np.ndarray) -> None:
        """Copy to each window what it covers of x, (..., *size), into `windows`, (..., *kernel_size, *count).

        Where a window covers padding nothing is written: there `windows` must hold zeros already.
        """
        axes = len(self.kernel_size)
        for k, in_windows, in_x in self.taps(x.shape[-axes:], windows.shape[-axes:]):
            windows[..., *k, *in_windows] = x[..., *in_x]

    def scatter(self, windows: np.ndarray, x: np.ndarray) -> None:
        """Add to each entry of x, (..., *size), what all `windows`, (..., *kernel_size, *count), hold for it.

        It is gather's transpose, so each is the other's backward: an entry that was copied to several windows
        receives the sum of their gradients.
        """
        axes = len(self.kernel_size)
        for k, in_windows, in_x in self.taps(x.shape[-axes:], windows.shape[-axes:]):
            x[..., *in_x] += windows[..., *k, *in_windows]


@lru_cache(maxsize=1024)
def _taps(windows: Windows, size: tuple[int, ...], count: tuple[int, ...]) -> tuple[Tap, ...]:
    """See `Windows.taps`; remembered, since a layer asks for the same ones at every step."""
    geometry = zip(windows.kernel_size, windows.stride, windows.before, windows.dilation, size, count, strict=True)
    by_axis = [list(_taps_of_axis(*axis)) for axis in geometry]
    return tuple(tuple(zip(*tap, strict=True)) for tap in product(*by_axis))


def _taps_of_axis(kernel_size: int, stride: int, before: int, dilation: int, size: int, count: int) -> Iterator[tuple[int, slice, slice]]:
    """(k, windows, entries of x) along one axis, for each tap k that lies inside of x in some window."""
    for k in range(kernel_size):
        shift = k * dilation - before  # in window o this tap stands at o · stride + shift
        first = max(0, -(shift // stride))  # the least o with o · stride + shift ≥ 0
        last = min(count - 1, (size - 1 - shift) // stride)  # the largest o with o · stride + shift ≤ size − 1
        if first <= last:
            start, stop = first * stride + shift, last * stride + shift + 1
            yield k, slice(first, last + 1), slice(start, stop, stride)


class _Sliding(Module):
    """What Unfold and Fold share: the arguments, and the two directions between an image and its windows."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__()
        layer = type(self).__name__
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, 2, 1)
        self.dilation = per_axis(layer, "dilation", dilation, 2, 1)
        self.padding = per_axis(layer, "padding", padding, 2, 0)
        self.stride = per_axis(layer, "stride", stride, 2, 1)
        self.windows = Windows(self.kernel_size, self.stride, self.padding, self.padding, self.dilation)
        self._shows = f"kernel_size={kernel_size}, dilation={dilation}, padding={padding}, stride={stride}"  # as they were given

    def _unfold(self, image: np.ndarray) -> np.ndarray:
        """(..., C, H, W) to (..., C·K, L)."""
        *leading, C, H, W = image.shape
        count = self.windows.count(type(self).__name__, (H, W))
        windows = np.zeros((*leading, C, *self.kernel_size, *count), dtype=image.dtype)
        self.windows.gather(image, windows)
        return windows.reshape(*leading, C * math.prod(self.kernel_size), math.prod(count))

    def _fold(self, columns: np.ndarray, size: Sequence[int]) -> np.ndarray:
        """(..., C·K, L) to (..., C, *size)."""
        *leading, CK, _ = columns.shape
        C, count = CK // math.prod(self.kernel_size), self.windows.count(type(self).__name__, size)
        image = np.zeros((*leading, C, *size), dtype=columns.dtype)
        self.windows.scatter(columns.reshape(*leading, C, *self.kernel_size, *count), image)
        return image


class Unfold(_Sliding):
    """All windows of an image, each as a column (torch.nn.Unfold; "im2col").

    y[n, (c, k, l), (i, j)] = x[n, c, i·s + k·d − p, j·s + l·d − p], or 0 outside of x (s stride, d dilation, p padding). An entry of
    x is copied to every window that covers it, so its gradient is the sum of theirs, which is what Fold computes.

    Args:
        kernel_size: taps of a window; this and the next three are an integer, or one for H and one for W.
        dilation: steps from one tap to the next.
        padding: zeros around x.
        stride: steps from one window to the next.

    Shapes: x (N, C, H, W) or (C, H, W); y (N, C·K, L) or (C·K, L), with K taps in a window and L windows, rows of windows first.

    Raises:
        ValueError: if x has another number of axes or a window does not fit into x with its padding.
        TypeError: if x is not a floating point array.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_image("Unfold", x, 2)
        y = self._unfold(x)
        self.save(x.shape)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        *_, H, W = self.restore()
        return self._fold(dL_dy, (H, W))


class Fold(_Sliding):
    """The sum of overlapping windows, each laid where it stands in an image (torch.nn.Fold; "col2im").

    y[n, c, u, v] = Σ x[n, (c, k, l), (i, j)] over all taps (k, l) and windows (i, j) with i·s + k·d − p = u and j·s + l·d − p = v.
    It is Unfold's transpose, not its inverse. Every entry of x went to one entry of y, so ∂L/∂x is a copy of the gradient there,
    which is what Unfold computes.

    Args:
        output_size: (H, W) of y.
        kernel_size, dilation, padding, stride: as for Unfold.

    Shapes: x (N, C·K, L) or (C·K, L); y (N, C, H, W) or (C, H, W).

    Raises:
        ValueError: if x has another number of axes, C·K is no multiple of the taps of a window, or L is not the number of windows
            that fit.
        TypeError: if x is not a floating point array.
    """

    def __init__(
        self,
        output_size: int | Sequence[int],
        kernel_size: int | Sequence[int],
        dilation: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        stride: int | Sequence[int] = 1,
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = per_axis("Fold", "output_size", output_size, 2, 1)
        self._shows = f"output_size={output_size}, {self._shows}"

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_image("Fold", x, 1)
        taps, count = math.prod(self.kernel_size), self.windows.count("Fold", self.output_size)
        if x.shape[-2] % taps:
            raise ValueError(f"Fold: axis -2 of x must be a multiple of the {taps} taps of a window, got shape {x.shape}")
        if x.shape[-1] != math.prod(count):
            raise ValueError(f"Fold: axis -1 of x must be the number of windows, {count[0]} · {count[1]}, got shape {x.shape}")
        return self._fold(x, self.output_size)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return self._unfold(dL_dy)
