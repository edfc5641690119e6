"""Arrays to tensors and back: the one conversion between the two sides. No key is renamed, no shape changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def to_numpy(value: Any) -> Any:
    """Copies of all tensors, in nested dicts, lists and tuples, as arrays on the CPU; everything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    return _inside(value, to_numpy)


def to_torch(value: Any, device: Any = "cpu") -> Any:
    """Copies of all arrays, in nested dicts, lists and tuples, as tensors on a device; everything else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return torch.tensor(np.asarray(value), device=device)
    return _inside(value, lambda v: to_torch(v, device))


def _inside(value: Any, convert: Any) -> Any:
    if isinstance(value, dict):
        return {key: convert(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(convert(v) for v in value)
    return value
