"""Cases of manual/sequences/positions.py: turning pairs, against complex numbers in torch; and the tables of both sides."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from experiments.judge.case import Built, case
from experiments.judge.compare import error
from experiments.judge.function_case import ByFunctions, TorchFunction
from experiments.judge.registry import judged_by
from manual.sequences import positions as by_hand
from torch_impl.sequences import positions as in_torch


def turning() -> ByFunctions:
    """rotate, whose way back asks for the angle alone; looked up at each use, so that a mutant in its place is found."""
    module: Any = import_module("manual.sequences.positions")
    return ByFunctions(module.rotate, lambda dL_dy, x, angle: module.rotate_backward(dL_dy, angle))


@case("positions.rotate", hand=turning, reference=lambda: TorchFunction(in_torch.rotate), empty=True)
def places(rng: np.random.Generator, N: int, T: int, P: int) -> Built:
    """P pairs."""
    return Built({}, [rng.normal(size=(N, T, 2 * P))], call={"angle": rng.normal(0, 2, (T, P))})


@case("positions.rotate", hand=turning, reference=lambda: TorchFunction(in_torch.rotate))
def heads(rng: np.random.Generator, N: int, H: int, T: int, P: int) -> Built:
    """The same turns for every head."""
    return Built({}, [rng.normal(size=(N, H, T, 2 * P))], call={"angle": rng.normal(0, 2, (T, P))})


def judge_tables(seed: int) -> dict[str, float]:
    """Angles, sines and cosines of some places and pairs."""
    length, d = 7 + seed, 6 + 2 * seed
    return {
        "angles": error(by_hand.angles(length, d), in_torch.angles(length, d)),
        "sinusoidal": error(by_hand.sinusoidal(length, d), in_torch.sinusoidal(length, d)),
    }


judged_by("positions.rotate", judge_tables)

# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT = {
    "what value.backward returns, and the first sum, are new arrays that nobody else holds": (
        "positions.Copying.backward:inplace:dL_de = dL_de + self.key.backward(dL_dk) => dL_de += self.key.backward(dL_dk):0",
        "positions.Copying.backward:inplace:dL_de = dL_de + self.query.backward(dL_dq) => dL_de += self.query.backward(dL_dq):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
