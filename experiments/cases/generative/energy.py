"""Cases of generative.energy: the free energy and log Z with their slopes, dreams, and the machine."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import torch

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.generative import energy as by_hand
from torch_impl.generative import energy as in_torch

PATH = "generative.energy"


def parts(rng: np.random.Generator, V: int, H: int) -> list[np.ndarray]:
    """W, a and b."""
    return [rng.normal(size=(V, H)), rng.normal(size=V), rng.normal(size=H)]


@function_case(PATH, "free_energy")
def some_pictures(rng: np.random.Generator, N: int, V: int, H: int) -> Built:
    return Built({}, [rng.integers(0, 2, (N, V)).astype(float), *parts(rng, V, H)], differentiated=(1, 2, 3))


@function_case(PATH, "log_partition")
def a_machine(rng: np.random.Generator, V: int, H: int) -> Built:
    return Built({}, parts(rng, V, H))


def judge_pictures(seed: int) -> dict[str, float]:
    """All pictures, one by one; and dreams of both sides with the same numbers."""
    rng = np.random.default_rng(seed)
    found = {f"{V} pixels": error(by_hand.every_picture(V), np.array(list(product((0.0, 1.0), repeat=V)))) for V in (1, 3, 5)}
    machine, u = parts(rng, 4, 3), rng.random((6, 2, 7))
    v = rng.integers(0, 2, (6, 4)).astype(float)
    found["dreams"] = error(by_hand.gibbs(v, u, *machine), in_torch.gibbs(*map(torch.from_numpy, (v, u, *machine))))
    return found


judged_by("energy.every_picture", judge_pictures)
judged_by("energy.gibbs", judge_pictures)
judged_by("energy.Boltzmann", partial(judge_concept, "energy"))

# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT = {
    "a vector has no transpose": ("energy.free_energy_backward:transpose:-v.T @ dL_dF => -v.T @ dL_dF.T:0",),
    "a stands in F alone, times v: no slope depends on it": tuple(
        f"energy.log_partition_backward:{kind}:free_energy_backward(-dL_dy * p, pictures, W, a, b) => "
        f"free_energy_backward(-dL_dy * p, pictures, W, {wrong}, b):0"
        for kind, wrong in (("sign", "-a"), ("scale", "2 * a"), ("scale", "0.5 * a"))
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
