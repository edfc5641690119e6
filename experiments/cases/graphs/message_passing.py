"""Cases of graphs.message_passing: adding up and picking by index, a round on random edges, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.function_case import TorchFunction
from experiments.judge.registry import judged_by
from manual.graphs import message_passing as by_hand
from torch_impl.graphs import message_passing as in_torch


def adding_up() -> by_hand.AddUp:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.AddUp()


def picking() -> by_hand.Pick:
    """By hand."""
    return by_hand.Pick()


@case("message_passing.AddUp", hand=adding_up, reference=lambda: TorchFunction(in_torch.add_up))
def some_twice_and_some_never(rng: np.random.Generator, E: int, D: int) -> Built:
    index = rng.integers(0, E + 2, E + 1)
    index[-1] = index[0]
    return Built({}, [rng.normal(size=(E + 1, D)), index, E + 3], differentiated=(0,))


@case("message_passing.Pick", hand=picking, reference=lambda: TorchFunction(in_torch.pick))
def some_several_times(rng: np.random.Generator, N: int, E: int, D: int) -> Built:
    index = rng.integers(0, N, E + 2)
    index[-1] = index[0]
    return Built({}, [rng.normal(size=(N, D)), index], differentiated=(0,))


def a_round(in_features: int, out_features: int, *, rng: Any, dtype: Any) -> by_hand.NeighbourSum:
    """By hand."""
    return by_hand.NeighbourSum(in_features, out_features, rng=rng, dtype=dtype)


@case("message_passing.NeighbourSum", hand=a_round, reference=in_torch.NeighbourSum)
def random_edges(rng: np.random.Generator, N: int, E: int, C: int, D: int) -> Built:
    edges = rng.integers(0, N, (2, E + 4))  # one way: a source that is taken for a target is noticed
    return Built({"in_features": C, "out_features": D}, [rng.normal(size=(N, C)), edges], differentiated=(0,))


judged_by("message_passing.MessagePassing", partial(judge_concept, "message_passing"))
