"""Cases of calculus.annealing: the slope of the ground, and steps of walkers on both sides, in the same noise."""

from __future__ import annotations

import numpy as np
import torch

from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.judge.registry import judged_by
from manual.calculus import annealing as by_hand
from torch_impl.calculus import annealing as in_torch

PATH = "calculus.annealing"


@function_case(PATH, "height", empty=True)
def places(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, D))], call={"bumps": 1.3}, differentiated=(0,))


@function_case(PATH, "height", empty=True)
def in_a_smooth_bowl(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, D))], call={"bumps": 0.0}, differentiated=(0,))


def judge_walkers(seed: int) -> dict[str, float]:
    """Where 40 walkers in two numbers are after each of eight steps, and how warm it is."""
    place = np.random.default_rng(seed).uniform(-3, 3, (40, 2))
    settings: dict[str, float] = {"bumps": 0.8, "temperature": 1.7, "cooling": 0.7, "jump": 0.9}
    ours, theirs = by_hand.Walkers(place, **settings), in_torch.Walkers(torch.from_numpy(place), **settings).double()
    share_hand(ours, SharedNoise(seed))
    share_torch(theirs, SharedNoise(seed))
    errors: dict[str, float] = {}
    for step in range(8):
        ours.step()
        theirs.step()
        errors |= {f"place {step}": error(ours.place, theirs.place), f"temperature {step}": error(ours.temperature, theirs.temperature)}
    return errors


def judge_acceptance(seed: int) -> dict[str, float]:
    """The probabilities of going down and up."""
    climb = np.random.default_rng(seed).normal(0, 2, 30)
    return {"acceptance": error(by_hand.acceptance(climb, 0.7), in_torch.acceptance(torch.from_numpy(climb), 0.7))}


class Zeros:
    """A stream of the smallest numbers that can be drawn."""

    def random(self, size: tuple[int, ...]) -> np.ndarray:
        """So many of them."""
        return np.zeros(size)


def judge_impossible(seed: int) -> dict[str, float]:
    """At the bottom, so cold that exp(−Δ/T) is 0: no walker goes, not even one that draws 0."""
    settings: dict[str, float] = {"bumps": 0.0, "temperature": 1e-9, "cooling": 1.0, "jump": 0.5}
    walkers = by_hand.Walkers(np.zeros((3, 1)), **settings, rng=Zeros())
    walkers.step()
    return {"place": float(np.abs(walkers.place).max())}


judged_by("annealing.Walkers", judge_walkers, judge_acceptance, judge_impossible)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the batch is not read: two forwards before one backward save the same balls": (
        "annealing.Annealing.backward:stale:self.restore() => self._saved.pop(0):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
