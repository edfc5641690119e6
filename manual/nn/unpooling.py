"""Max pooling undone, as far as that goes: every number back to the place that it was taken from, zeros elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from manual.module import Module
from manual.nn.fold import expect_image, per_axis
from manual.nn.validate import expect_indices, expect_same_shape


class _MaxUnpool(Module):
    """MaxUnpool1d and MaxUnpool2d."""

    _shows = "kernel_size={kernel_size}, stride={stride}, padding={padding}"

    axes: int

    def __init__(
        self, kernel_size: int | Sequence[int], stride: int | Sequence[int] | None = None, padding: int | Sequence[int] = 0
    ) -> None:
        super().__init__()
        layer, axes = type(self).__name__, self.axes
        self.kernel_size = per_axis(layer, "kernel_size", kernel_size, axes, 1)
        self.stride = self.kernel_size if stride is None else per_axis(layer, "stride", stride, axes, 1)
        self.padding = per_axis(layer, "padding", padding, axes, 0)

    def _size(self, x: np.ndarray, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The size of y: that of the x that a pool makes this one of, or one that is asked for and less than a stride away."""
        layer, axes = type(self).__name__, self.axes
        geometry = zip(x.shape[-axes:], self.stride, self.padding, self.kernel_size, strict=True)
        usual = tuple((n - 1) * s - 2 * p + k for n, s, p, k in geometry)
        size = usual if output_size is None else tuple(output_size)[2 if len(output_size) == axes + 2 else 0 :]
        if len(size) != axes or any(abs(n - m) >= s for n, m, s in zip(size, usual, self.stride, strict=False)):
            raise ValueError(f"{layer}: output_size must be less than stride {self.stride} away from {usual}, got {output_size}")
        if min(size) < 1:
            raise ValueError(f"{layer}: y would have size {size}, nothing is left of it for x of shape {x.shape}")
        return size

    def forward(self, x: np.ndarray, indices: np.ndarray, output_size: Sequence[int] | None = None) -> np.ndarray:
        """y, of the size that output_size asks for, if it does."""
        layer = type(self).__name__
        expect_image(layer, x, self.axes)
        size = self._size(x, output_size)
        expect_indices(layer, "indices", indices, math.prod(size), "entries of y")
        expect_same_shape(layer, "indices", indices, "x", x)
        lead, places = x.shape[: -self.axes], self._flat(indices)
        y = np.zeros((*lead, math.prod(size)), dtype=x.dtype)
        np.put_along_axis(y, places, self._flat(x), axis=-1)
        self.save(places, x.shape)
        return y.reshape(*lead, *size)

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, None]:
        places, shape = self.restore()
        dL_dx = np.take_along_axis(self._flat(dL_dy), places, axis=-1)
        return dL_dx.reshape(shape), None

    def _flat(self, a: np.ndarray) -> np.ndarray:
        """(N, C, H, W) as (N, C, H·W)."""
        return a.reshape(*a.shape[: -self.axes], math.prod(a.shape[-self.axes :]))


class MaxUnpool1d(_MaxUnpool):
    """Every number back to the place that MaxPool1d took it from (torch.nn.MaxUnpool1d): MaxUnpool2d with one axis less.

    Shapes: x and indices (N, C, I) or (C, I), y (N, C, T) or (C, T) with T = (I − 1) s − 2 p + K. Arguments, gradient and errors as for
    MaxUnpool2d.
    """

    axes = 1


class MaxUnpool2d(_MaxUnpool):
    """Every number back to the place that MaxPool2d took it from, zeros elsewhere (torch.nn.MaxUnpool2d).

        y[n, c, indices[n, c, i, j]] = x[n, c, i, j]           places counted row by row
        ∂L/∂x[n, c, i, j] = ∂L/∂y[n, c, indices[n, c, i, j]]

    Where two windows overlap they may have one winner; then x holds its number twice, y once, and (as in torch) each of the two gets the
    whole gradient.

    Args:
        kernel_size, stride, padding: the pool's; from them follows the size of y. Several sizes of an image are pooled to one: which it
            was, forward's output_size says, with or without batch and channels.

    Shapes: x and indices (N, C, I, J) or (C, I, J), y (N, C, H, W) or (C, H, W) with H = (I − 1) s − 2 p + K and W likewise. backward
    returns (∂L/∂x, None).

    Raises:
        ValueError: if x has another number of axes or is empty but for the batch, indices has another shape, or output_size is a stride
            or more away from the usual size.
        IndexError: if an index is not a place of y.
        TypeError: if x is not a floating point array, or indices not of integers.

    Source: Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks", section 2.1.
    """

    axes = 2
