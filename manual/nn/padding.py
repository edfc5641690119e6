"""Zeros around an image, or a rim cut off it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manual.module import Module
from manual.nn.validate import expect_array


class ZeroPad2d(Module):
    """x with zeros around its last two axes (torch.nn.ZeroPad2d).

        y[..., u, v]     = x[..., u − top, v − left], or 0 outside of x
        ∂L/∂x[..., u, v] = ∂L/∂y[..., u + top, v + left], or 0 where that was cut off

    Args:
        padding: one integer for all four sides, or (left, right, top, bottom); a negative one cuts off.

    Shapes: x (..., H, W), y (..., top + H + bottom, left + W + right).

    Raises:
        ValueError: if x has fewer than two axes, or more is cut off than there is; at construction if padding is not one integer or four.
        TypeError: if x is not a floating point array.
    """

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * 4
        if len(sides) != 4 or any(isinstance(p, bool) or not isinstance(p, int | np.integer) for p in sides):
            raise ValueError(f"ZeroPad2d: padding must be one integer or (left, right, top, bottom), got {padding!r}")
        self.padding = sides

    def _frame(self, H: int, W: int) -> tuple[tuple[int, int], tuple[slice, slice], tuple[slice, slice]]:
        """The size of y, the part of x that is kept, and its place in y."""
        left, right, top, bottom = self.padding
        size = (top + H + bottom, left + W + right)
        kept = (slice(max(-top, 0), H - max(-bottom, 0)), slice(max(-left, 0), W - max(-right, 0)))
        place = (slice(max(top, 0), size[0] - max(bottom, 0)), slice(max(left, 0), size[1] - max(right, 0)))
        return size, kept, place

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("ZeroPad2d", "x", x)
        if x.ndim < 2:
            raise ValueError(f"ZeroPad2d: x must have at least 2 axes, got shape {x.shape}")
        size, kept, place = self._frame(*x.shape[-2:])
        if any(part.stop < part.start for part in kept):
            raise ValueError(f"ZeroPad2d: padding {self.padding} cuts off more than there is of x, got shape {x.shape}")
        self.save(x.shape)
        y = np.zeros((*x.shape[:-2], *size), dtype=x.dtype)
        y[..., *place] = x[..., *kept]
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        shape = self.restore()
        _, kept, place = self._frame(*shape[-2:])
        dL_dx = np.zeros(shape, dtype=dL_dy.dtype)
        dL_dx[..., *kept] = dL_dy[..., *place]
        return dL_dx
