"""Cases for the softmax and its kin."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


def last_axis(rng: np.random.Generator, N: int, C: int) -> Built:
    """The axis counted from the end."""
    return Built({"dim": -1}, [rng.normal(size=(N, C))])


def inner_axis(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    """The channels of a sequence."""
    return Built({"dim": 1}, [rng.normal(size=(N, C, D))])


for name in ("Softmax", "Softmin", "LogSoftmax"):
    case(name, least={"C": 4}, empty=True)(last_axis)
    case(name, least={"C": 4}, empty=True)(inner_axis)
