"""Cases of reinforcement.ppo: the clipped objective on all sides of its kinks, the network's first weights, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import experiments
from experiments.cases.concept import judge_concept, judge_step
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.reinforcement import ppo as by_hand

PATH = "reinforcement.ppo"


def steps(rng: np.random.Generator, N: int) -> list[np.ndarray]:
    """log π, log π_old and A: ratios from ½ to 2, none of which is nearly a kink, and advantages of both signs."""
    r = np.concatenate([[0.7, 0.9, 1.1, 1.3, 0.7, 0.9, 1.1, 1.3], rng.choice([0.5, 0.75, 1.0, 1.15, 1.4, 2.0], N)])
    A = np.concatenate([[1, 1, 1, 1, -1, -1, -1, -1], rng.choice([-1, 1], N)]) * rng.uniform(0.2, 2, N + 8)
    old = np.log(rng.uniform(0.1, 0.4, N + 8))
    return [old + np.log(r), old, A]


@function_case(PATH, "surrogate")
def ratios(rng: np.random.Generator, N: int) -> Built:
    return Built({}, steps(rng, N), differentiated=(0,), call={"clip": 0.2})


@function_case(PATH, "surrogate")
def a_narrow_clip(rng: np.random.Generator, N: int) -> Built:
    return Built({}, steps(rng, N), differentiated=(0,), call={"clip": 0.05})


@function_case(PATH, "surrogate", smooth=False)
def on_both_kinks(rng: np.random.Generator, N: int) -> Built:
    """r = 1 = 1 + ε = 1 − ε: where both are equal torch's min and clamp let the whole slope through."""
    old = np.log(rng.uniform(0.1, 0.4, N))
    return Built({}, [old, old, rng.normal(size=N)], differentiated=(0,), call={"clip": 0.0}, again=[old, old, rng.normal(size=N)])


def judge_network(seed: int) -> dict[str, float]:
    """Of each layer W Wᵀ (or Wᵀ W where it is taller) is 2, 2 and the gain squared times the identity; biases are 0."""
    made = by_hand.network(5, 7, 3, 0.5, rng=np.random.default_rng(seed), dtype=np.float64)
    found = {}
    for i, square in zip((0, 2, 4), (2.0, 2.0, 0.25), strict=True):
        W = made[i].weight.data
        gram = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
        found[f"weight {i}"] = error(gram, square * np.eye(len(gram)))
        found[f"bias {i}"] = float(np.abs(made[i].bias.data).max())
    return {**found, "layers": float([type(layer).__name__ for layer in made] != ["Linear", "Tanh", "Linear", "Tanh", "Linear"])}


def judge_on_the_way(seed: int) -> dict[str, float]:
    """A step whose policy is no longer the one that has played: ratios on all sides of the kinks, and three actions."""
    rng = np.random.default_rng(seed)
    shape: dict[str, Any] = {"numbers": 5, "actions": 3, "hidden": 7}
    make: Any = experiments.twin("ppo").torch
    ours, theirs = by_hand.PPO(**shape, rng=rng), make(**shape)
    for p in ours.parameters():
        p += rng.normal(0, 0.3, p.shape)
    state, action, r = rng.normal(size=(11, 5)), np.arange(11) % 3, np.resize([0.6, 0.85, 0.95, 1.05, 1.15, 1.5], 11)
    old = np.log(ours(state)[np.arange(11), action] / r)
    ours.forget()
    return judge_step(ours, theirs, (state, action, old, *rng.normal(size=(3, 11))))


judged_by("ppo.network", judge_network)
judged_by("ppo.PPO", partial(judge_concept, "ppo", environments=2, steps=16), judge_on_the_way)

EQUIVALENT = {
    "all of them have a row for each step": tuple(
        f"ppo.PPO.backward:saved:dL_dloss * off / len(off) => dL_dloss * off / len({name}):0"
        for name in ("z", "action", "log_p", "old", "advantage")
    ),
    "where A is 0 so is the slope, whatever counts": (
        "ppo.surrogate_backward:edge:np.where(A > 0, r <= 1 + clip, r >= 1 - clip) => np.where(A >= 0, r <= 1 + clip, r >= 1 - clip):0",
    ),
}
