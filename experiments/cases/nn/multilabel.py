"""Cases for the losses of examples that belong to several classes."""

from __future__ import annotations

import numpy as np

from experiments.cases.nn.loss import loss
from experiments.cases.nn.margin import lattice
from experiments.judge.case import Built, case


@case("MultiLabelSoftMarginLoss")
def yes_or_no_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, rng.normal(0, 3, size=(N, C)), rng.integers(0, 2, (N, C)).astype(float))


@case("MultiLabelSoftMarginLoss", empty=True)
def yes_or_no_weight_sum(rng: np.random.Generator, N: int, D: int, C: int) -> Built:
    arguments = {"weight": rng.uniform(0.5, 2, size=C), "reduction": "sum"}
    return loss(arguments, rng.normal(0, 3, size=(N, D, C)), rng.uniform(size=(N, D, C)))


@case("MultiLabelSoftMarginLoss", empty=True)
def yes_or_no_huge_none(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"reduction": "none"}, rng.choice([-800.0, 800.0, 1.0], (N, C)), rng.choice([0.0, 1.0, 0.4], (N, C)))


@case("MultiLabelSoftMarginLoss")
def yes_or_no_unbatched(rng: np.random.Generator, C: int) -> Built:
    return loss({"reduction": "none"}, rng.normal(0, 3, size=C), rng.uniform(size=C))


def true_classes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Some classes, one of them sometimes twice, then −1, and behind it anything."""
    t = rng.integers(-1, shape[-1], shape)
    t[..., 0] = rng.integers(0, shape[-1], shape[:-1])
    t[..., -1] = -1  # some class is not named, and has to be beaten
    return t


@case("MultiLabelMarginLoss", least={"C": 4})
def several_classes_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, rng.normal(size=(N, C)), true_classes(rng, N, C))


@case("MultiLabelMarginLoss", least={"C": 4})  # of no example torch's sum is whatever stood in its memory
def several_classes_sum(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"reduction": "sum"}, rng.normal(size=(N, C)), true_classes(rng, N, C))


@case("MultiLabelMarginLoss", least={"C": 4}, empty=True, smooth=False)
def several_classes_kink_none(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"reduction": "none"}, lattice(rng, N, C), true_classes(rng, N, C))


@case("MultiLabelMarginLoss", least={"C": 4})
def several_classes_unbatched(rng: np.random.Generator, C: int) -> Built:
    return loss({"reduction": "none"}, rng.normal(size=C), true_classes(rng, C))
