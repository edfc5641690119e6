"""Arrays to tensors and back, and checkpoints: the one conversion between the two sides. See naming.py for who is called what."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.judge.naming import Layout, Naming, layout
from manual.module import no_grad


def to_numpy(value: Any) -> Any:
    """Copies of all tensors, in nested dicts, lists and tuples, as arrays on the CPU; everything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.numpy(force=True).copy()
    return _inside(value, to_numpy)


def to_torch(value: Any, device: Any = "cpu") -> Any:
    """Copies of all arrays, in nested dicts, lists and tuples, as tensors on a device; everything else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return torch.tensor(np.asarray(value, order="C"), device=device)  # torch would keep the order of a transposed one
    return _inside(value, lambda v: to_torch(v, device))


def in_dtype_of(model: Any, x: np.ndarray) -> np.ndarray:
    """Data, which are float64, in the dtype that a hand-written model computes in (float32 in a run with 32-true)."""
    return x.astype(next(model.parameters()).dtype)


def made_of(side: Any, x: np.ndarray | tuple[np.ndarray, ...], of: str = "forward") -> np.ndarray:
    """What either side makes of x, in its own dtype and without keeping what a backward needs; float64.

    Args:
        side: a module by hand or in torch.
        x: an array, whose first axis counts examples; or all that the module takes. Integers stay integers.
        of: which of the side's modules is asked; `forward` is the side itself.
    """
    parameter, given = next(side.parameters()), x if isinstance(x, tuple) else (x,)
    with no_grad(), torch.no_grad():
        if isinstance(side, torch.nn.Module):
            tensors = (torch.from_numpy(a).to(parameter.device) for a in given)
            made = getattr(side, of)(*(t.to(parameter.dtype) if t.is_floating_point() else t for t in tensors))
            return to_numpy(made).astype(np.float64)
        return np.asarray(getattr(side, of)(*(in_dtype_of(side, a) if a.dtype.kind == "f" else a for a in given)), np.float64)


def _inside(value: Any, convert: Any) -> Any:
    if isinstance(value, dict):
        return {key: convert(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(convert(v) for v in value)
    return value


# ---- weights of a module ---------------------------------------------------------------------------


def weights_by_hand(naming: Naming, module: Any) -> dict[str, np.ndarray]:
    """Copies of a torch module's parameters and buffers, as `load_state_dict` takes them by hand."""
    return {name: to_numpy(tensor) for name, tensor in naming.by_hand(module.state_dict()).items()}


def load_in_torch(naming: Naming, module: Any, weights: Mapping[str, Any]) -> None:
    """Give a torch module the weights that a hand-written `state_dict` holds."""
    module.load_state_dict(to_torch(naming.in_torch(weights)))


# ---- checkpoints -----------------------------------------------------------------------------------


def read_checkpoint(path: str | Path, twin: Any = None) -> dict[str, Any]:
    """Weights and optimizer state of a Lightning checkpoint as arrays, for the hand-written twin.

    Args:
        path: of a checkpoint that Lightning has saved.
        twin: the pair that it is of; needed where a tensor has another name by hand. Its own optimizer is taken for the one that was saved.

    Returns:
        {"model": ..., "optimizer": ...}, for `load_state_dict` of either; the optimizer is None if none was saved.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model, optimizer = dict(checkpoint["state_dict"]), (checkpoint.get("optimizer_states") or [None])[0]
    if twin is not None:
        model = twin.naming.by_hand(model)
        if optimizer is not None:
            ours, theirs = layouts(twin, checkpoint)
            state = twin.naming.state_by_hand(by_name(optimizer["state"], theirs), theirs, ours)
            optimizer = {**optimizer, "state": by_number(state, ours)}
    return {"model": to_numpy(model), "optimizer": to_numpy(optimizer)}


def write_checkpoint(
    path: str | Path, like: str | Path, model: dict[str, Any], optimizer: dict[str, Any] | None = None, twin: Any = None
) -> None:
    """A Lightning checkpoint with the weights (and the optimizer state) of a hand-written model.

    Args:
        path: to write.
        like: a checkpoint of the torch twin, from which everything else is taken.
        model: `state_dict()` by hand.
        optimizer: the optimizer's `state_dict()` by hand; that of `like` unless given.
        twin: the pair, as for `read_checkpoint`.
    """
    checkpoint = torch.load(like, map_location="cpu", weights_only=True)
    if twin is not None:
        model = twin.naming.in_torch(model)
        if optimizer is not None:
            ours, theirs = layouts(twin, checkpoint)
            state = twin.naming.state_in_torch(by_name(optimizer["state"], ours), ours, theirs)
            optimizer = {**optimizer, "state": by_number(state, theirs)}
    checkpoint["state_dict"] = to_torch(model)
    if optimizer is not None:
        checkpoint["optimizer_states"] = [to_torch(optimizer)]
    torch.save(checkpoint, path)


def layouts(twin: Any, checkpoint: Mapping[str, Any]) -> tuple[Layout, Layout]:
    """The parameters of the first optimizer by hand and in torch, of a model with a checkpoint's hyperparameters."""
    saved = checkpoint["hyper_parameters"]  # LightningCLI notes there, too, by whom the module was made
    theirs = twin.torch(**{name: saved[name] for name in inspect.signature(twin.torch).parameters})
    ours = twin.by_hand(theirs)
    return layout(ours, first_of(ours.configure_optimizers())), layout(theirs, first_of(theirs.configure_optimizers()))


def first_of(configured: Any) -> Any:
    """The first optimizer of whatever `configure_optimizers` may return."""
    while isinstance(configured, list | tuple):
        configured = configured[0]
    return configured["optimizer"] if isinstance(configured, Mapping) else configured


def by_name(state: Mapping[int, Any], of: Layout) -> dict[str, Any]:
    """{0: {"exp_avg": ...}} as {"W1": {"exp_avg": ...}}."""
    names = list(of)
    if surplus := [number for number in state if number >= len(names)]:
        raise ValueError(f"state of the parameters {surplus}: the twin's own optimizer has {len(names)}")
    return {names[number]: entries for number, entries in state.items()}


def by_number(state: Mapping[str, Any], of: Layout) -> dict[int, Any]:
    """The other way round."""
    numbers = {name: number for number, name in enumerate(of)}
    return {numbers[name]: entries for name, entries in state.items()}
