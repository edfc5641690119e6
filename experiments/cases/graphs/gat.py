"""Cases of graphs.gat: both forms of attention with other sizes at each call, how the layer begins, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.registry import judged_by
from manual.graphs import gat as by_hand
from torch_impl.graphs import gat as in_torch


def layer(in_features: int, hidden: int, dynamic: bool, *, rng: Any, dtype: Any) -> by_hand.GraphAttention:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.GraphAttention(in_features, hidden, dynamic, rng=rng, dtype=dtype)


def askers_and_tellers(rng: np.random.Generator, N: int, T: int, S: int, C: int, H: int, dynamic: bool) -> Built:
    """Random numbers for both."""
    return Built({"in_features": C, "hidden": H, "dynamic": dynamic}, [rng.normal(size=(N, T, C)), rng.normal(size=(N, S, C))])


@case("gat.GraphAttention", hand=layer, reference=in_torch.GraphAttention)
def dynamic(rng: np.random.Generator, N: int, T: int, S: int, C: int, H: int) -> Built:
    return askers_and_tellers(rng, N, T, S, C, H, True)


@case("gat.GraphAttention", hand=layer, reference=in_torch.GraphAttention)
def static(rng: np.random.Generator, N: int, T: int, S: int, C: int, H: int) -> Built:
    return askers_and_tellers(rng, N, T, S, C, H, False)


def judge_start(seed: int) -> dict[str, float]:
    """a begins with mean 0 and variance 1/H, in the dtype that is asked for."""
    a = by_hand.GraphAttention(3, 4000, True, rng=np.random.default_rng(seed), dtype=np.float32).a
    return {
        "variance": 0.0 if abs(4000 * a.data.var() - 1) < 0.1 else 1.0,
        "mean": 0.0 if abs(a.data.mean()) < 0.002 else 1.0,
        "dtype": float(a.dtype != np.float32),
    }


judged_by("gat.GraphAttention", judge_start)
judged_by("gat.GAT", partial(judge_concept, "gat"))
