"""Noise as a module of its own: whatever a model draws in a step comes from here, and can be replaced from outside."""

from __future__ import annotations

from typing import Any

import numpy as np

from manual.module import Module


class Noise(Module):
    """Numbers from the standard Normal.

        epsilon = self.noise((N, D))
        x = mean + std * epsilon

    Noise depends on nothing, so it has no backward: the gradient of x goes to mean and to std, with epsilon as a constant factor.

    Args:
        rng: draws the numbers, one `rng.standard_normal(shape)` a forward.
        dtype: of the numbers.

    Shapes: any, given to forward.
    """

    def __init__(self, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.rng = rng or np.random.default_rng()
        self.dtype = dtype

    def forward(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(self.rng.standard_normal(shape), self.dtype)


class Uniform(Module):
    """Numbers in [0, 1), everywhere equally likely.

        u = self.uniform((N,))
        action = draw(probability, u)

    With them whatever else is random can be drawn: `manual.sampling.draw` makes actions and tokens of them. Like Noise it has no backward.

    Args:
        rng: draws the numbers, one `rng.random(shape)` a forward.
        dtype: of the numbers.

    Shapes: any, given to forward.
    """

    def __init__(self, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.rng = rng or np.random.default_rng()
        self.dtype = np.dtype(dtype)

    def forward(self, shape: tuple[int, ...]) -> np.ndarray:
        u = np.asarray(self.rng.random(shape), self.dtype)
        return np.minimum(u, np.nextafter(self.dtype.type(1), self.dtype.type(0)))  # a narrower dtype rounds .99999999 up to 1
