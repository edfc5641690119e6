"""Initial weights: the distributions of torch.nn.init, as functions that return a new array."""

from __future__ import annotations

from typing import Any

import numpy as np


def uniform(
    shape: tuple[int, ...], a: float = 0.0, b: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
) -> np.ndarray:
    """Numbers drawn uniformly from [a, b) (torch.nn.init.uniform_)."""
    return (rng or np.random.default_rng()).uniform(a, b, shape).astype(dtype)
