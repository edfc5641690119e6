"""What an optimizer remembers, of either side, brought into one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.judge.compare import as_array


def lrs(optimizer: Any) -> dict[str, Any]:
    """The lr of each group that has one, of either side's optimizer."""
    return {f"group {i}": np.float64(group["lr"]) for i, group in enumerate(optimizer.param_groups) if "lr" in group}


def state_by_key(state: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """{"W": {"exp_avg": ...}} as {"exp_avg": {"W": ...}}, as arrays and without entries that are None."""
    keys = {key for s in state.values() for key in s}
    return {key: {name: entry(key, s[key]) for name, s in state.items() if s.get(key) is not None} for key in sorted(keys)}


def entry(key: str, value: Any) -> Any:
    """An entry of the state as an array: counters are integers, lists (of L-BFGS) one array, other single numbers float64.

    How a counter is held says nothing: under 64-true a step that a LightningModule takes itself has float64 as default dtype, and
    torch's Adam then counts in float64.
    """
    if isinstance(value, list):
        kept = [as_array(v) for v in value if v is not None]
        return np.stack(kept) if kept else np.zeros(0)
    if key == "step":
        return np.int64(int(value))
    array = as_array(value)
    return np.float64(array) if array.ndim == 0 else array


def mean(losses: Sequence[Any]) -> float:
    """Of the losses that a step was taken for; 0 if it was taken for none."""
    return sum(map(float, losses)) / len(losses) if losses else 0.0
