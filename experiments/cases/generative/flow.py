"""Cases of generative.flow: one coupling with its log det, either number kept, and the pair."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.registry import judged_by
from manual.generative import flow as by_hand
from torch_impl.generative import flow as in_torch


def coupling(keep: int, hidden: int, *, rng: np.random.Generator, dtype: str) -> by_hand.Coupling:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.Coupling(keep, hidden, rng=rng, dtype=dtype)


@case("flow.Coupling", empty=True, hand=coupling, reference=in_torch.Coupling, spread=0.5)
def the_first_is_kept(rng: np.random.Generator, N: int, H: int) -> Built:
    return Built({"keep": 0, "hidden": H}, [rng.normal(size=(N, 2))])


@case("flow.Coupling", empty=True, hand=coupling, reference=in_torch.Coupling, spread=0.5)
def the_second_is_kept(rng: np.random.Generator, N: int, H: int) -> Built:
    return Built({"keep": 1, "hidden": H}, [rng.normal(size=(N, 2))])


judged_by("flow.Flow", partial(judge_concept, "flow"))
