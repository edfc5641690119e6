"""Arrays to tensors and back: the one conversion between the two sides. No key is renamed, no shape changed."""

from __future__ import annotations

from pathlib import Path
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


def in_dtype_of(model: Any, x: np.ndarray) -> np.ndarray:
    """Data, which are float64, in the dtype that a hand-written model computes in (float32 in a run with 32-true)."""
    return x.astype(next(model.parameters()).dtype)


def _inside(value: Any, convert: Any) -> Any:
    if isinstance(value, dict):
        return {key: convert(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(convert(v) for v in value)
    return value


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Weights and optimizer state of a Lightning checkpoint as arrays, for the hand-written twin.

    Returns:
        {"model": ..., "optimizer": ...}, for `load_state_dict` of either; the optimizer is None if none was saved.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    optimizers = checkpoint.get("optimizer_states") or [None]
    return to_numpy({"model": dict(checkpoint["state_dict"]), "optimizer": optimizers[0]})


def write_checkpoint(path: str | Path, like: str | Path, model: dict[str, Any], optimizer: dict[str, Any] | None = None) -> None:
    """A Lightning checkpoint with the weights (and the optimizer state) of a hand-written model.

    Args:
        path: to write.
        like: a checkpoint of the torch twin, from which everything else is taken.
        model: `state_dict()` by hand.
        optimizer: the optimizer's `state_dict()` by hand; that of `like` unless given.
    """
    checkpoint = torch.load(like, map_location="cpu", weights_only=True)
    checkpoint["state_dict"] = to_torch(model)
    if optimizer is not None:
        checkpoint["optimizer_states"] = [to_torch(optimizer)]
    torch.save(checkpoint, path)
