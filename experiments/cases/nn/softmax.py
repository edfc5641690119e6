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


@case("Softmax2d", least={"C": 4}, empty=True)
def channels_of_images(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({}, [rng.normal(size=(N, C, H, W))])


@case("Softmax2d", least={"C": 4})
def channels_of_one_image(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({}, [rng.normal(size=(C, H, W))])
