"""Cases of reinforcement.actor_critic: both losses, the critic's target, the networks' first weights, and the concept."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.reinforcement import actor_critic as by_hand

PATH = "reinforcement.actor_critic"


@function_case(PATH, "actor_loss")
def praised(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, K)), rng.integers(0, K, N), rng.normal(size=N)], differentiated=(0,))


@function_case(PATH, "critic_loss")
def thought(rng: np.random.Generator, N: int) -> Built:
    return Built({}, [rng.normal(size=N), rng.normal(size=N)], differentiated=(0,))


def judge_target(seed: int) -> dict[str, float]:
    """Step by step."""
    rng = np.random.default_rng(seed)
    r, V = rng.normal(size=(2, 6))
    goes_on = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    wanted = [r[n] + 0.7 * V[n] if goes_on[n] else r[n] for n in range(6)]
    return {"y": error(by_hand.target(r, V, goes_on, 0.7), np.array(wanted))}


def judge_network(seed: int) -> dict[str, float]:
    """A row of hidden numbers for each state, from Normal(0, 1), and nothing yet made of them."""
    made = by_hand.network(50, 7, 3, rng=np.random.default_rng(seed), dtype=np.float64)
    again = by_hand.network(50, 7, 3, rng=np.random.default_rng(seed), dtype=np.float64)
    rows = made[0].weight.data
    return {
        "layers": float([type(layer).__name__ for layer in made] != ["Embedding", "Tanh", "Linear"]),
        "rows": float(rows.shape != (50, 7) or abs(rows.std() - 1) > 0.2 or (rows != again[0].weight.data).any()),
        "last": float(made[2].weight.shape != (3, 7) or made[2].weight.data.any() or made[2].bias.data.any()),
    }


judged_by("actor_critic.target", judge_target)
judged_by("actor_critic.network", judge_network)
judged_by("actor_critic.ActorCritic", partial(judge_concept, "actor_critic"))
