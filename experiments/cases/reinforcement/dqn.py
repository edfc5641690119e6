"""Cases of reinforcement.dqn: the Q of what was taken, steps between two copies, and the concept."""

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
from manual.reinforcement import dqn as by_hand

PATH = "reinforcement.dqn"


@function_case(PATH, "taken")
def actions(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, K)), rng.integers(0, K, N)], differentiated=(0,))


def steps(rng: np.random.Generator, N: int, D: int, K: int) -> tuple[np.ndarray, ...]:
    """A batch, with rewards so large that some errors are held and others are not; some episodes are over."""
    over = (rng.random(N) < 0.4).astype(float)
    return rng.normal(size=(N, D)), rng.integers(0, K, N), rng.normal(0, 2, N), rng.normal(size=(N, D)), over


def judge_between_copies(seed: int) -> dict[str, float]:
    """Batches 0 to 4, a copy before every second: the target network has other weights than the network in batches 1 and 3."""
    rng, found = np.random.default_rng(seed), dict[str, float]()
    twin = experiments.twin("dqn")
    shape: dict[str, Any] = {"numbers": 3, "actions": 4, "hidden": 5, "gamma": 0.7, "copy_every": 2}
    make: Any = twin.torch
    ours, theirs = by_hand.DQN(**shape, rng=rng), make(**shape)
    for batch_idx in range(5):
        for p in ours.q.parameters():
            p += rng.normal(0, 0.3, p.shape)
        step = judge_step(ours, theirs, steps(rng, 7, 3, 4), batch_idx)
        found |= {f"{name} {batch_idx}": e for name, e in step.items()}
    return found


def judge_network(seed: int) -> dict[str, float]:
    """Of how many of what it is made."""
    made = by_hand.network(5, 7, 3, rng=np.random.default_rng(seed), dtype=np.float64)
    x = np.random.default_rng(seed).normal(size=(4, 5))
    (W1, b1), (W2, b2) = ((made[i].weight.data, made[i].bias.data) for i in (0, 2))
    return {"Q": error(made(x), np.maximum(x @ W1.T + b1, 0) @ W2.T + b2), "shape": float(W1.shape != (7, 5) or W2.shape != (3, 7))}


judged_by("dqn.network", judge_network)
judged_by("dqn.DQN", partial(judge_concept, "dqn"), judge_between_copies)

EQUIVALENT = {
    "of Q it takes the shape and the dtype alone": (
        "dqn.DQN.backward:sign:taken_backward(dL_dtaken, Q, action) => taken_backward(dL_dtaken, -Q, action):0",
        "dqn.DQN.backward:scale:taken_backward(dL_dtaken, Q, action) => taken_backward(dL_dtaken, 2 * Q, action):0",
        "dqn.DQN.backward:scale:taken_backward(dL_dtaken, Q, action) => taken_backward(dL_dtaken, 0.5 * Q, action):0",
    ),
}
