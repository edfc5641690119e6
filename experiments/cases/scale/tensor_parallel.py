"""Cases of scale.tensor_parallel: one worker's part of a block, a block of three workers, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.registry import judged_by
from manual.scale import tensor_parallel as by_hand
from torch_impl.scale import tensor_parallel as in_torch


def shard(width: int, hidden: int, workers: int, *, dtype: Any) -> by_hand.Shard:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.Shard(width, hidden, workers, dtype=dtype)


def block(width: int, hidden: int, workers: int, *, dtype: Any) -> by_hand.ParallelMLP:
    """Likewise."""
    return by_hand.ParallelMLP(width, hidden, workers, dtype=dtype)


@case("tensor_parallel.Shard", empty=True, hand=shard, reference=in_torch.Shard)
def of_two_workers(rng: np.random.Generator, N: int, W: int, H: int) -> Built:
    return Built({"width": W, "hidden": 2 * H, "workers": 2}, [rng.normal(size=(N, W))])


@case("tensor_parallel.ParallelMLP", empty=True, hand=block, reference=in_torch.ParallelMLP)
def three_workers(rng: np.random.Generator, N: int, W: int) -> Built:
    return Built({"width": W, "hidden": 12, "workers": 3}, [rng.normal(size=(N, W))])


judged_by("tensor_parallel.TensorParallel", partial(judge_concept, "tensor_parallel"))


# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT = {
    "∂L/∂h is an array that nobody else has, and may be added to": (
        "tensor_parallel.TensorParallel.backward:inplace:dL_dh = dL_dh + block.backward(dL_dh) => dL_dh += block.backward(dL_dh):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
