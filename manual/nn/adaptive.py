"""Adaptive pooling: as many windows as are asked for, whatever the size of x; of each its mean, or its largest number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.fold import Index, expect_image, per_axis


class _AdaptivePool(Module):
    """What the adaptive poolings share: as many windows as y has entries, as equal as possible."""

    axes: int

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        sizes: tuple[Any, ...] = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * self.axes
        per_axis(type(self).__name__, "output_size", tuple(0 if n is None else n for n in sizes), self.axes, 0)
        self.output_size, self._shows = sizes, f"output_size={output_size}"

    def _count(self, x_shape: Sequence[int]) -> tuple[int, ...]:
        """The size of y: an axis for which None was asked keeps its size."""
        return tuple(n if o is None else int(o) for n, o in zip(x_shape[-self.axes :], self.output_size, strict=True))

    def _bins(self, x_shape: Sequence[int]) -> Iterator[tuple[Index, Index]]:
        """For each entry of y its place, and its window: from ⌊i n / o⌋ up to ⌈(i + 1) n / o⌉ − 1 on an axis of n entries, o in y."""
        axes = []
        for n, o in zip(x_shape[-self.axes :], self._count(x_shape), strict=True):
            axes.append([(i, slice(i * n // o, -(-(i + 1) * n // o))) for i in range(o)])
        for place in product(*axes):
            yield tuple(zip(*place, strict=True))

    def _each(self, a: np.ndarray) -> np.ndarray:
        """One number for each channel, (N, C), shaped so that it broadcasts over a window: (N, C, 1, 1)."""
        return a.reshape(*a.shape, *[1] * self.axes)


class _AdaptiveAvgPool(_AdaptivePool):
    """AdaptiveAvgPool1d and AdaptiveAvgPool2d."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_image(type(self).__name__, x, self.axes)
        self.save(x.shape)
        y = np.empty((*x.shape[: -self.axes], *self._count(x.shape)), dtype=x.dtype)
        for place, window in self._bins(x.shape):
            y[..., *place] = x[..., *window].mean(axis=tuple(range(-self.axes, 0)))
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        shape = self.restore()
        dL_dx = np.zeros(shape, dtype=dL_dy.dtype)
        for place, window in self._bins(shape):
            dL_dwindow = dL_dx[..., *window]
            entries = math.prod(dL_dwindow.shape[-self.axes :])
            dL_dwindow += self._each(dL_dy[..., *place]) / entries  # the same for all
        return dL_dx


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean of each of output_size windows (torch.nn.AdaptiveAvgPool1d): AdaptiveAvgPool2d with one axis less.

    Args:
        output_size: one integer; None keeps the length as it is.

    Shapes: x (N, C, T) or (C, T), y (N, C, output_size) or (C, output_size). Gradient and errors as for AdaptiveAvgPool2d.
    """

    axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean of each of output_size windows that cover x, whatever its size (torch.nn.AdaptiveAvgPool2d).

    Window i of o on an axis of n entries goes from ⌊i n / o⌋ up to ⌈(i + 1) n / o⌉ − 1; windows overlap where o does not divide n.

        y[n, c, i, j] = mean of x[n, c] over window (i, j)
        ∂L/∂x[n, c, u, v] = Σ ∂L/∂y[n, c, i, j] / (entries of the window) over the windows (i, j) that cover (u, v)

    Args:
        output_size: one integer for both axes, or one for each; None keeps the axis as it is.

    Shapes: x (N, C, H, W) or (C, H, W), y (N, C, *output_size) or (C, *output_size).

    Raises:
        ValueError: if x has another number of axes or is empty but for the batch.
        TypeError: if x is not a floating point array.
    """

    axes = 2


class _AdaptiveMaxPool(_AdaptivePool):
    """AdaptiveMaxPool1d and AdaptiveMaxPool2d."""

    def __init__(self, output_size: int | Sequence[int | None] | None, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, x: np.ndarray) -> Any:
        expect_image(type(self).__name__, x, self.axes)
        *lead, count, size = *x.shape[: -self.axes], self._count(x.shape), x.shape[-self.axes :]
        y = np.empty((*lead, *count), dtype=x.dtype)
        winner = np.empty(y.shape, dtype=np.int64)  # its place in x, counted through the last axes, row by row
        for place, window in self._bins(x.shape):
            entries, places = x[..., *window], np.arange(math.prod(size)).reshape(size)[window].ravel()
            entries = entries.reshape(*lead, places.size)
            won = place_of_largest(entries)
            winner[..., *place] = places[won]
            y[..., *place] = np.take_along_axis(entries, won[..., np.newaxis], axis=-1)[..., 0]
        self.save(winner, x.shape)
        return (y, winner.copy()) if self.return_indices else y

    def backward(self, dL_dy: Any) -> np.ndarray:
        winner, shape = self.restore()
        dL_dy = dL_dy[0] if self.return_indices else dL_dy  # places have no gradient
        dL_dx = np.zeros(shape, dtype=dL_dy.dtype)
        places = np.arange(math.prod(shape[-self.axes :])).reshape(shape[-self.axes :])
        for place, window in self._bins(shape):
            won = self._each(winner[..., *place]) == places[window]  # (N, C, 1, 1) with (H, W) of the window
            dL_dx[..., *window] += self._each(dL_dy[..., *place]) * won
        return dL_dx


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest number of each of output_size windows (torch.nn.AdaptiveMaxPool1d): AdaptiveMaxPool2d with one axis less.

    Args:
        output_size: one integer; None keeps the length as it is.
        return_indices: see AdaptiveMaxPool2d.

    Shapes: x (N, C, T) or (C, T), y (N, C, output_size) or (C, output_size). Gradient and errors as for AdaptiveMaxPool2d.
    """

    axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest number of each of output_size windows that cover x, whatever its size (torch.nn.AdaptiveMaxPool2d).

    The windows are those of AdaptiveAvgPool2d. The gradient of each goes to its winner, as in MaxPool2d: the first, row by row, where
    several are largest. A NaN wins over every number (the last of several).

        y[n, c, i, j]     = max of x[n, c] over window (i, j)
        ∂L/∂x[n, c, u, v] = Σ ∂L/∂y[n, c, i, j] over the windows (i, j) whose winner is (u, v)

    Args:
        output_size: one integer for both axes, or one for each; None keeps the axis as it is.
        return_indices: whether the winners' places come too, integers that count through x[n, c] row by row. backward then takes a
            pair, of which only ∂L/∂y counts.

    Shapes: x (N, C, H, W) or (C, H, W), y (N, C, *output_size) or (C, *output_size).

    Raises:
        ValueError: if x has another number of axes or is empty but for the batch.
        TypeError: if x is not a floating point array.
    """

    axes = 2


def place_of_largest(entries: np.ndarray) -> np.ndarray:
    """Where along the last axis the largest stands, the first of several; or NaN, which wins over every number, the last of several."""
    is_nan = np.isnan(entries)
    last_nan = entries.shape[-1] - 1 - is_nan[..., ::-1].argmax(axis=-1)
    return np.where(is_nan.any(axis=-1), last_nan, entries.argmax(axis=-1))
