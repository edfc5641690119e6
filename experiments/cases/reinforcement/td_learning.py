"""Cases of reinforcement.td_learning: some steps of each method beside plain loops, what walkers choose, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.compare import error
from experiments.judge.registry import judged_by
from manual.reinforcement import td_learning as by_hand
from manual.sampling import draw
from manual.trainer import Trainer


def world(rng: np.random.Generator, S: int = 5, K: int = 3) -> tuple[np.ndarray, ...]:
    """leads_to, reward, goes_on of a random world, in which a third of all actions ends the episode."""
    return rng.integers(S, size=(S, K)), rng.normal(size=(S, K)), (rng.random((S, K)) > 1 / 3).astype(float)


def plain(Q: Any, at: list[int], doing: list[int], u: np.ndarray, tables: Any, method: str, epsilon: float) -> None:
    """One step of all walkers, one after the other, with α = 0.3 and γ = 0.7: Sutton and Barto's boxes, line by line."""
    leads_to, reward, goes_on = tables
    for p in range(len(at)):
        s, a = at[p], doing[p]
        after, r = int(leads_to[s, a]), reward[s, a]
        if method == "td":
            probability = [1 / 3] * 3
        else:
            best = [k for k in range(3) if Q[p][after][k] == max(Q[p][after])]
            probability = [epsilon / 3 + (1 - epsilon) * (k in best) / len(best) for k in range(3)]
        then = int(draw(np.array(probability), u[p]))
        worth = max(Q[p][after]) if method == "q_learning" else Q[p][after][0 if method == "td" else then]
        of = 0 if method == "td" else a
        Q[p][s][of] += 0.3 * ((r + 0.7 * worth if goes_on[s, a] else r) - Q[p][s][of])
        at[p], doing[p] = after, then


def judge_steps(seed: int) -> dict[str, float]:
    """Twelve steps of four walkers; then how far their values are off."""
    rng, found = np.random.default_rng(seed), dict[str, float]()
    tables = world(rng)
    methods: Any = by_hand.METHODS
    for method in methods:
        ours = by_hand.TDLearning(4, 5, 3, 2, method, 0.4, 0.3, 0.7, -0.2, rng=rng)
        Q, at, doing = ours.table.data.copy(), ours.state.tolist(), ours.action.tolist()
        found |= {f"{method} begins": float(at != [2] * 4 or not set(doing) <= {0, 1, 2} or (Q != -0.2).any())}
        trainer = Trainer()
        trainer.attach(ours)
        for _ in range(12):
            u = rng.random(4)
            rewards = np.mean([tables[1][s, a] for s, a in zip(at, doing, strict=True)])
            trainer.train_batch((np.arange(4), u, *(np.stack([of] * 4) for of in tables)), 0)
            found[f"{method} reward"] = error(np.array(ours.logged["reward/train"][0]), rewards)
            plain(Q, at, doing, u, tables, method, 0.4)
        found |= {f"{method} table": error(ours.table.data, Q), f"{method} walkers": float(ours.state.tolist() != at)}
        state, by_chance, best = np.array([3, 0, 4]), *rng.normal(size=(2, 3))
        ours.validation_step((state, by_chance, best), 0)
        right = by_chance if method == "td" else best
        off = [[max(Q[p][s]) - of for s, of in zip(state, right, strict=True)] for p in range(4)]
        wanted = [np.sqrt(np.mean(np.square(row))) for row in off]
        found[f"{method} error"] = error(np.array(ours.logged["error/val"][0]), np.mean(wanted))
        found[f"{method} weight"] = float(ours.logged["error/val"][1] != 3)
    return found


judged_by("td_learning.TDLearning", partial(judge_concept, "td_learning"), judge_steps)

EQUIVALENT = {
    "each walker stands in one state and does one thing": ("td_learning.TDLearning.step:saved:np.arange(len(s)) => np.arange(len(a)):0",),
}
