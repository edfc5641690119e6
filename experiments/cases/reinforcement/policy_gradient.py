"""Cases of reinforcement.policy_gradient: the log-probability of what was drawn, what a policy is worth, and the concept."""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import torch

import experiments
from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.reinforcement import policy_gradient as by_hand
from torch_impl.reinforcement import policy_gradient as in_torch

PATH = "reinforcement.policy_gradient"


@function_case(PATH, "log_prob")
def drawn(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, K)), rng.integers(0, K, N)], differentiated=(0,))


def judge_worth(seed: int) -> dict[str, float]:
    """Against torch's solve, of a random world that is left with probability 0.1 at each step."""
    rng = np.random.default_rng(seed)
    p, P = rng.dirichlet(np.ones(3), 5), 0.9 * rng.dirichlet(np.ones(5), (5, 3))
    R = rng.normal(size=(5, 3))
    return {"worth": error(by_hand.worth(p, P, R), in_torch.worth(*map(torch.from_numpy, (p, P, R))).numpy())}


def judge_return(seed: int) -> dict[str, float]:
    """The formula of J against the equations that it solves."""
    p = np.random.default_rng(seed).uniform(0.1, 0.9)
    V = np.linalg.solve([[p, -p, 0], [-p, 1, p - 1], [0, p - 1, 1]], -np.ones(3))
    return {"J": error(np.array(by_hand.corridor_return(p)), V[0])}


def judge_in_a_grid(seed: int) -> dict[str, float]:
    """A step of the concept where there are several states and more than two actions."""
    from experiments.lockstep.checks import one_step  # brings Lightning with it

    twin = experiments.twin("policy_gradient").having({}, {"world": "S11/11G"})
    judge, _ = one_step(twin, None, argparse.Namespace(seed=seed, dtype="float64", device="cpu"))
    return {f"{kind} {name}": e for kind, found in judge.worst.items() for name, e in found.items()}


judged_by("policy_gradient.worth", judge_worth)
judged_by("policy_gradient.corridor_return", judge_return)
judged_by("policy_gradient.PolicyGradient", partial(judge_concept, "policy_gradient"), judge_in_a_grid)

EQUIVALENT = {
    "all of them have a row for each step": (
        "policy_gradient.PolicyGradient.backward:saved:N = len(action) => N = len(z):0",
        "policy_gradient.PolicyGradient.backward:saved:N = len(action) => N = len(advantage):0",
    ),
}
