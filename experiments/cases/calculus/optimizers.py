"""Cases: the surfaces of calculus.optimizers."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.function_case import function_case
from manual.calculus.optimizers import SURFACES

PATH = "calculus.optimizers"


def points(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(size=(2, N))]


def one_point(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=2)]


for _surface in SURFACES:
    function_case(PATH, _surface, empty=True, repeat=False)(points)
    function_case(PATH, _surface, repeat=False)(one_point)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the batch is not read: two forwards before one backward save the same point": (
        "optimizers.Optimizers.backward:stale:self.restore() => self._saved.pop(0):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
