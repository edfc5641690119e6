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
