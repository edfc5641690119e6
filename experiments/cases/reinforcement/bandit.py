"""Cases of reinforcement.bandit: both losses, how an arm is chosen, and the concept."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.reinforcement import bandit as by_hand

PATH = "reinforcement.bandit"


@function_case(PATH, "value_loss", empty=True)
def values(rng: np.random.Generator, N: int, K: int) -> Built:
    a, r, w = rng.integers(K, size=N), rng.normal(size=N), rng.uniform(0.1, 1, N)
    return Built({}, [rng.normal(size=(N, K)), a, r, w], differentiated=(0,))


@function_case(PATH, "preference_loss", empty=True)
def preferences(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(size=(N, K)), rng.integers(K, size=N), rng.normal(size=N)], differentiated=(0,))


def judge_choices(seed: int) -> dict[str, float]:
    """Machine by machine, arm by arm."""
    rng = np.random.default_rng(seed)
    Q, n = rng.integers(0, 3, (4, 5)) / 2, rng.integers(1, 9, (4, 5)).astype(float)
    n[0, 2] = 0
    wanted = [[0.3 / 5 + 0.7 * (q == max(row)) / list(row).count(max(row)) for q in row] for row in Q]
    bound = [[Q[i, k] + 2 * math.sqrt(math.log(sum(n[i]) + 1) / n[i, k]) if n[i, k] else math.inf for k in range(5)] for i in range(1, 4)]
    found = by_hand.upper_bound(Q, n, 2.0)
    return {
        "greedy": error(by_hand.greedy(Q, 0.3), np.array(wanted)),
        "upper bound": error(found[1:], np.array(bound)),
        "never pulled": float((found[0] == math.inf).tolist() != [False, False, True, False, False]),
    }


judged_by("bandit.Bandit", partial(judge_concept, "bandit"))
judged_by("bandit.greedy", judge_choices)
judged_by("bandit.upper_bound", judge_choices)
