"""Cases of reinforcement.value_iteration: what actions and policies are worth, counted out one by one, and the concept."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.compare import error
from experiments.judge.registry import judged_by
from manual.reinforcement import value_iteration as by_hand


def world(rng: np.random.Generator, S: int = 5, A: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Tables of a world in which an episode may end in every state: R (S, A) and P (S, A, S)."""
    return rng.normal(size=(S, A)), rng.dirichlet(np.ones(S + 1), size=(S, A))[:, :, :S]


def judge_twice(seed: int) -> dict[str, float]:
    """A batch in which states come more than once: each of its rows pulls."""
    rng = np.random.default_rng(seed)
    R, P = world(rng)
    V, state = rng.normal(size=5), np.array([3, 1, 3, 3, 0])
    walker = by_hand.ValueIteration(5, 0.7)
    walker.V[...] = V
    walker.training_step((state, R[state], P[state]), 0)
    walker.backward(1.3)
    off = V - by_hand.action_values(V, R, P, 0.7).max(axis=1)
    return {"∂L/∂V": error(walker.V.grad, 1.3 * off * np.bincount(state, minlength=5))}


judged_by("value_iteration.ValueIteration", partial(judge_concept, "value_iteration"), judge_twice)


def judge_action_values(seed: int) -> dict[str, float]:
    """Of some of the states, outcome by outcome."""
    rng = np.random.default_rng(seed)
    (R, P), V = world(rng), rng.normal(size=5)
    R, P = R[:2], P[:2]
    wanted = [[R[n, a] + 0.7 * sum(P[n, a, s] * V[s] for s in range(5)) for a in range(3)] for n in range(2)]
    return {"Q": error(by_hand.action_values(V, R, P, 0.7), np.array(wanted))}


def judge_solve(seed: int) -> dict[str, float]:
    """What a policy is worth: the rewards of one step after the other, until nobody is left."""
    rng = np.random.default_rng(seed)
    R, P = world(rng)
    action = rng.integers(3, size=5)
    r, p = (np.array([table[s, a] for s, a in enumerate(action)]) for table in (R, P))
    wanted, on = np.zeros(5), np.eye(5)
    for _ in range(300):
        wanted += on @ r
        on = 0.7 * on @ p
    return {"V": error(by_hand.solve(R, P, 0.7, action), wanted)}


def judge_policy_iteration(seed: int) -> dict[str, float]:
    """The first round is worth what action 0 is; each is worth no less than the one before; the last is the best of all policies."""
    R, P = world(np.random.default_rng(seed), S=4)
    found = by_hand.policy_iteration(R, P, 0.9)
    every = [by_hand.solve(R, P, 0.9, np.array(np.unravel_index(i, (3,) * 4))) for i in range(3**4)]
    falls = max(float(np.max(a - b)) for a, b in pairwise(found))
    return {
        "the first": error(found[0], every[0]),
        "the last": error(found[-1], np.max(every, axis=0)),
        "twice": error(found[-2], found[-1]),
        "falls": max(falls, 0.0),
        "rounds": float(len(found) > 8),
    }


judged_by("value_iteration.action_values", judge_action_values)
judged_by("value_iteration.solve", judge_solve)
judged_by("value_iteration.policy_iteration", judge_policy_iteration)
