"""The same numbers in another shape: Flatten and Unflatten."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from manual.module import Module
from manual.nn.validate import expect_array


def axis_of(layer: str, name: str, axis: int, x: np.ndarray) -> int:
    """The axis of x that is meant, counted from the front; IndexError if x has none such."""
    axes = max(x.ndim, 1)  # a single number counts as one axis, as in torch
    if not -axes <= axis < axes:
        raise IndexError(f"{layer}: {name} must be an axis of x, {-axes} … {axes - 1}, got {axis} for shape {x.shape}")
    return axis % axes


class Flatten(Module):
    """x with the axes start_dim … end_dim made one (torch.nn.Flatten).

    No number changes, so ∂L/∂x is ∂L/∂y in x's shape.

    Args:
        start_dim: first axis; 1 keeps the batch.
        end_dim: last axis, included.

    Shapes: x (*before, *merged, *after), y (*before, product of merged, *after).

    Raises:
        IndexError: if x has no such axis.
        ValueError: if start_dim comes after end_dim.
        TypeError: if x is not a floating point array.
    """

    _shows = "start_dim={start_dim}, end_dim={end_dim}"

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Flatten", "x", x)
        start, end = axis_of("Flatten", "start_dim", self.start_dim, x), axis_of("Flatten", "end_dim", self.end_dim, x)
        if start > end:
            raise ValueError(f"Flatten: start_dim must not come after end_dim, got {self.start_dim}, {self.end_dim} for shape {x.shape}")
        self.save(x.shape)
        return x.reshape(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return dL_dy.reshape(self.restore())


class Unflatten(Module):
    """x with one axis made several (torch.nn.Unflatten), as Flatten's backward does.

    Args:
        dim: the axis.
        unflattened_size: its new sizes; one of them may be −1, for what the others leave.

    Shapes: x (*before, size, *after), y (*before, *unflattened_size, *after).

    Raises:
        IndexError: if x has no such axis.
        ValueError: if the sizes do not multiply up to the axis's; at construction if there are none, or more than one −1.
        TypeError: if x is not a floating point array; at construction if the sizes, or dim (torch's named axes), are not integers.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, tuple | list) or any(not isinstance(n, int | np.integer) for n in unflattened_size):
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of integers, got {unflattened_size!r}")
        if not unflattened_size or min(unflattened_size) < -1 or list(unflattened_size).count(-1) > 1:
            raise ValueError(f"Unflatten: unflattened_size must hold sizes, at most one of them -1, got {unflattened_size}")
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)
        self._shows = f"dim={dim}, unflattened_size={unflattened_size}"

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Unflatten", "x", x)
        axis = axis_of("Unflatten", "dim", self.dim, x)
        size = x.shape[axis]
        others = math.prod(n for n in self.unflattened_size if n != -1)
        sizes = tuple(size // max(others, 1) if n == -1 else n for n in self.unflattened_size)
        if math.prod(sizes) != size:
            raise ValueError(f"Unflatten: the sizes {self.unflattened_size} must multiply up to axis {self.dim} of x, got shape {x.shape}")
        self.save(x.shape)
        return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return dL_dy.reshape(self.restore())
