"""A rim around the last axis or the last two, or a rim cut off: of constants, or of copies of what is inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.fold import Index, expect_image
from manual.nn.validate import expect_array


class _Pad(Module):
    """What all paddings share: how many entries come before and behind the inside, along each of the last `axes` axes."""

    _shows = "{padding}"
    axes: int

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides: tuple[Any, ...] = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * (2 * self.axes)
        if len(sides) != 2 * self.axes or any(isinstance(p, bool) or not isinstance(p, int | np.integer) for p in sides):
            names = "(left, right)" if self.axes == 1 else "(left, right, top, bottom)"
            raise ValueError(f"{type(self).__name__}: padding must be one integer or {names}, got {padding!r}")
        self.padding = sides

    def _rims(self, x_shape: Sequence[int]) -> list[tuple[int, int, int]]:
        """(size of x, entries before, entries behind) of each padded axis; padding names the last axis first."""
        sides = list(zip(self.padding[::2], self.padding[1::2], strict=True))[::-1]
        return [(n, before, behind) for n, (before, behind) in zip(x_shape[-self.axes :], sides, strict=True)]


# ---- constants -----------------------------------------------------------------------------------


class _ConstantPad(_Pad):
    """ConstantPad and ZeroPad."""

    value: float

    def _frame(self, x_shape: Sequence[int]) -> tuple[list[int], Index, Index]:
        """The size of y, the part of x that is kept, and its place in y."""
        size, kept, place = [], [], []
        for n, before, behind in self._rims(x_shape):
            size.append(before + n + behind)
            kept.append(slice(max(-before, 0), n - max(-behind, 0)))
            place.append(slice(max(before, 0), size[-1] - max(behind, 0)))
        return size, tuple(kept), tuple(place)

    def forward(self, x: np.ndarray) -> np.ndarray:
        layer = type(self).__name__
        expect_array(layer, "x", x)
        if x.ndim < self.axes:
            raise ValueError(f"{layer}: x must have at least {self.axes} axes, got shape {x.shape}")
        size, kept, place = self._frame(x.shape)
        if any(part.stop < part.start for part in kept):
            raise ValueError(f"{layer}: padding {self.padding} cuts off more than there is of x, got shape {x.shape}")
        self.save(x.shape)
        y = np.full((*x.shape[: -self.axes], *size), self.value, dtype=x.dtype)
        y[..., *place] = x[..., *kept]
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        shape = self.restore()
        _, kept, place = self._frame(shape)
        dL_dx = np.zeros(shape, dtype=dL_dy.dtype)
        dL_dx[..., *kept] = dL_dy[..., *place]
        return dL_dx


class ConstantPad1d(_ConstantPad):
    """x with copies of one number before and behind its last axis (torch.nn.ConstantPad1d): ConstantPad2d with one axis less.

    Args:
        padding: one integer for both sides, or (left, right); a negative one cuts off.
        value: the number.

    Shapes: x (..., T), y (..., left + T + right). Gradient and errors as for ConstantPad2d.
    """

    _shows = "padding={padding}, value={value}"
    axes = 1

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value


class ConstantPad2d(_ConstantPad):
    """x with copies of one number around its last two axes (torch.nn.ConstantPad2d).

        y[..., u, v]     = x[..., u − top, v − left], or the number outside of x
        ∂L/∂x[..., u, v] = ∂L/∂y[..., u + top, v + left], or 0 where that was cut off

    Args:
        padding: one integer for all four sides, or (left, right, top, bottom); a negative one cuts off.
        value: the number.

    Shapes: x (..., H, W), y (..., top + H + bottom, left + W + right).

    Raises:
        ValueError: if x has fewer than two axes, or more is cut off than there is; at construction if padding is not one integer or four.
        TypeError: if x is not a floating point array.
    """

    _shows = "padding={padding}, value={value}"
    axes = 2

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value


class ZeroPad1d(_ConstantPad):
    """x with zeros before and behind its last axis (torch.nn.ZeroPad1d): ConstantPad1d of 0.

    Args:
        padding: one integer for both sides, or (left, right); a negative one cuts off.

    Shapes: x (..., T), y (..., left + T + right). Gradient and errors as for ConstantPad2d.
    """

    axes, value = 1, 0.0


class ZeroPad2d(_ConstantPad):
    """x with zeros around its last two axes (torch.nn.ZeroPad2d): ConstantPad2d of 0.

    Args:
        padding: one integer for all four sides, or (left, right, top, bottom); a negative one cuts off.

    Shapes: x (..., H, W), y (..., top + H + bottom, left + W + right). Gradient and errors as for ConstantPad2d.
    """

    axes, value = 2, 0.0


# ---- copies --------------------------------------------------------------------------------------


class _CopyPad(_Pad):
    """Every entry of y is a copy of one of x, found for each axis by itself.

        y[..., u, v]     = x[..., source(u), source(v)]
        ∂L/∂x[..., a, b] = Σ ∂L/∂y[..., u, v] over all u with source(u) = a and v with source(v) = b

    A subclass writes `source`.
    """

    def source(self, n: int, before: int, behind: int) -> np.ndarray:
        """For each entry of y along an axis the entry of x, of 0 … n − 1, that it is a copy of."""
        raise NotImplementedError(f"{type(self).__name__} has no source")

    def expect_room(self, n: int, before: int, behind: int, x: np.ndarray) -> None:
        """Raise ValueError unless an axis of n entries can be padded like this."""
        if before + n + behind < 1:
            raise ValueError(f"{type(self).__name__}: padding {self.padding} leaves nothing of x, got shape {x.shape}")

    def _sources(self, x_shape: Sequence[int]) -> Index:
        """The sources of all padded axes, shaped so that they index x together: (H,) alone, or (H, 1) with (1, W)."""
        return np.ix_(*(self.source(*rim) for rim in self._rims(x_shape)))

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_image(type(self).__name__, x, self.axes)
        for rim in self._rims(x.shape):
            self.expect_room(*rim, x)
        self.save(x.shape)
        return x[..., *self._sources(x.shape)]

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        shape = self.restore()
        dL_dx = np.zeros(shape, dtype=dL_dy.dtype)
        np.add.at(dL_dx, (..., *self._sources(shape)), dL_dy)  # what was copied to several places gets the sum of their gradients
        return dL_dx


class _ReflectionPad(_CopyPad):
    """ReflectionPad1d and ReflectionPad2d."""

    def source(self, n: int, before: int, behind: int) -> np.ndarray:
        u = np.abs(np.arange(-before, n + behind))  # mirrored at the first entry, 0,
        return n - 1 - np.abs(n - 1 - u)  # and at the last, n − 1

    def expect_room(self, n: int, before: int, behind: int, x: np.ndarray) -> None:
        if max(before, behind) >= n:
            raise ValueError(f"{type(self).__name__}: padding {self.padding} must be less than the size of its axis, got shape {x.shape}")
        super().expect_room(n, before, behind, x)


class ReflectionPad1d(_ReflectionPad):
    """x mirrored at its first and at its last entry (torch.nn.ReflectionPad1d): ReflectionPad2d with one axis less.

    Args:
        padding: one integer for both sides, or (left, right), each less than T; a negative one cuts off.

    Shapes: x (N, C, T) or (C, T), y (N, C, left + T + right) or (C, left + T + right). Gradient and errors as for ReflectionPad2d.
    """

    axes = 1


class ReflectionPad2d(_ReflectionPad):
    """x mirrored at its first and last row and column, which come once: 2 1 | 0 1 2 3 | 2 1 (torch.nn.ReflectionPad2d).

    With y[..., u, v] = x[..., source(u), source(v)], source(u) = n − 1 − |n − 1 − |u − before|| along an axis of n entries, each entry
    of x receives the sum of the gradients of its copies.

    Args:
        padding: one integer for all four sides, or (left, right, top, bottom), each less than the size of its axis; a negative one
            cuts off.

    Shapes: x (N, C, H, W) or (C, H, W), y (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: if x has another number of axes or is empty but for the batch, or there is more padding than can be mirrored, or
            nothing is left; at construction if padding is not one integer or four.
        TypeError: if x is not a floating point array.
    """

    axes = 2


class _ReplicationPad(_CopyPad):
    """ReplicationPad1d and ReplicationPad2d."""

    def source(self, n: int, before: int, behind: int) -> np.ndarray:
        return np.clip(np.arange(-before, n + behind), 0, n - 1)


class ReplicationPad1d(_ReplicationPad):
    """x with copies of its first and last entry (torch.nn.ReplicationPad1d): ReplicationPad2d with one axis less.

    Args:
        padding: one integer for both sides, or (left, right); a negative one cuts off.

    Shapes: x (N, C, T) or (C, T), y (N, C, left + T + right) or (C, left + T + right). Gradient and errors as for ReplicationPad2d.
    """

    axes = 1


class ReplicationPad2d(_ReplicationPad):
    """x with copies of its first and last row and column: 0 0 | 0 1 2 3 | 3 3 (torch.nn.ReplicationPad2d).

    With y[..., u, v] = x[..., source(u), source(v)], source(u) = u − before, but no less than 0 and no more than n − 1, each entry of x
    receives the sum of the gradients of its copies.

    Args:
        padding: one integer for all four sides, or (left, right, top, bottom); a negative one cuts off.

    Shapes: x (N, C, H, W) or (C, H, W), y (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: if x has another number of axes or is empty but for the batch, or nothing is left; at construction if padding is not
            one integer or four.
        TypeError: if x is not a floating point array.
    """

    axes = 2


class _CircularPad(_CopyPad):
    """CircularPad1d and CircularPad2d."""

    def source(self, n: int, before: int, behind: int) -> np.ndarray:
        first, left = max(-before, 0), self._left(n, before, behind)  # what is cut off is cut off first
        return first + np.arange(-max(before, 0), left + max(behind, 0)) % left

    def expect_room(self, n: int, before: int, behind: int, x: np.ndarray) -> None:
        super().expect_room(n, before, behind, x)
        if max(before, behind) > self._left(n, before, behind):
            raise ValueError(f"{type(self).__name__}: padding {self.padding} wraps around more than once, got shape {x.shape}")

    def _left(self, n: int, before: int, behind: int) -> int:
        return n + min(before, 0) + min(behind, 0)


class CircularPad1d(_CircularPad):
    """x gone on with from its other end (torch.nn.CircularPad1d): CircularPad2d with one axis less.

    Args:
        padding: one integer for both sides, or (left, right), each at most T; a negative one cuts off, before anything is copied.

    Shapes: x (N, C, T) or (C, T), y (N, C, left + T + right) or (C, left + T + right). Gradient and errors as for CircularPad2d.
    """

    axes = 1


class CircularPad2d(_CircularPad):
    """x gone on with from its other side, as on a torus: 2 3 | 0 1 2 3 | 0 1 (torch.nn.CircularPad2d).

    With y[..., u, v] = x[..., source(u), source(v)], source(u) = (u − before) modulo n, each entry of x receives the sum of the
    gradients of its copies.

    Args:
        padding: one integer for all four sides, or (left, right, top, bottom), each at most the size of its axis; a negative one cuts
            off, before anything is copied.

    Shapes: x (N, C, H, W) or (C, H, W), y (N, C, top + H + bottom, left + W + right) or without N.

    Raises:
        ValueError: if x has another number of axes or is empty but for the batch, there is more padding than one time around, or nothing
            is left; at construction if padding is not one integer or four.
        TypeError: if x is not a floating point array.
    """

    axes = 2
