"""Cases for the losses that ask for a margin."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.cases.nn.cross_entropy import indices
from experiments.cases.nn.loss import loss
from experiments.judge.case import Built, case


def lattice(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Small whole numbers: differences that are equal, or equal to a margin of 1, are frequent among them."""
    return rng.integers(-1, 3, shape).astype(float)


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random 1 and −1."""
    return rng.choice([-1, 1], shape)


@case("SoftMarginLoss")
def soft_margin_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.normal(0, 3, size=(N, D)), signs(rng, N, D))


@case("SoftMarginLoss", empty=True)
def soft_margin_none(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "none"}, rng.normal(0, 3, size=(N, D)), rng.normal(size=(N, D)))


@case("SoftMarginLoss", empty=True)
def soft_margin_sum(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return loss({"reduction": "sum"}, rng.normal(0, 3, size=(N, D, E)), signs(rng, N, D, E).astype(float))


@case("HingeEmbeddingLoss")
def hinge_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.uniform(0, 2, size=(N, D)), signs(rng, N, D))


@case("HingeEmbeddingLoss", empty=True)
def hinge_margin_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"margin": 1.6, "reduction": "sum"}, rng.uniform(0, 3, size=(N, D)), signs(rng, N, D).astype(float))


@case("HingeEmbeddingLoss", empty=True)
def hinge_neither_none(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "none"}, rng.uniform(0, 2, size=(N, D)), rng.integers(-1, 2, (N, D)))


@case("HingeEmbeddingLoss", empty=True, smooth=False)
def hinge_kink_none(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "none"}, lattice(rng, N, D), rng.integers(-1, 2, (N, D)))


@case("MultiMarginLoss", least={"C": 3}, smooth=False)
def multi_margin_kink_none(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"reduction": "none"}, lattice(rng, N, C), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_squared_weight_mean(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"p": 2, "margin": 0.7, "weight": rng.uniform(0.5, 2, size=C)}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_weight_sum(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"weight": rng.uniform(0.5, 2, size=C), "reduction": "sum"}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_squared_none(rng: np.random.Generator, N: int, C: int) -> Built:
    return loss({"p": 2, "margin": 1.5, "reduction": "none"}, rng.normal(size=(N, C)), indices(rng, C, N))


@case("MultiMarginLoss", least={"C": 3})
def multi_margin_unbatched(rng: np.random.Generator, C: int) -> Built:
    return loss({"weight": rng.uniform(0.5, 2, size=C)}, rng.normal(size=C), np.array(rng.integers(0, C)))


@case("MarginRankingLoss")
def ranking_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.normal(size=(N, D)), rng.normal(size=(N, D)), signs(rng, N, D), predictions=(0, 1))


@case("MarginRankingLoss", empty=True)
def ranking_margin_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": 0.6, "reduction": "sum"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), signs(rng, N, D).astype(float), predictions=(0, 1))


@case("MarginRankingLoss", empty=True)
def ranking_margin_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": -0.4, "reduction": "none"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), rng.normal(size=(N, D)), predictions=(0, 1))


@case("MarginRankingLoss", empty=True, smooth=False)
def ranking_kink_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": 1.0, "reduction": "none"}
    return loss(arguments, lattice(rng, N, D), lattice(rng, N, D), signs(rng, N, D), predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3}, empty=True, smooth=False)
def cosine_kink_none(rng: np.random.Generator, N: int, D: int) -> Built:
    x1, x2 = np.zeros((2, N, D))  # at right angles, hence at the margin of 0
    x1[:, 0], x2[:, 1] = rng.normal(size=(2, N))
    return loss({"reduction": "none"}, x1, x2, signs(rng, N), predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3})
def cosine_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    x1, x2 = rng.normal(size=(N, D)), rng.normal(size=(N, D))
    t = np.where((x1 * x2).sum(1) > 0.4 * np.linalg.norm(x1, axis=1) * np.linalg.norm(x2, axis=1), -1, 1)  # no loss near 0
    return loss({}, x1, x2, t, predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3}, empty=True)
def cosine_margin_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": -1.3, "reduction": "sum"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), signs(rng, N).astype(float), predictions=(0, 1))


@case("CosineEmbeddingLoss", least={"D": 3}, empty=True)
def cosine_neither_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"margin": 0.2, "reduction": "none"}
    return loss(arguments, rng.normal(size=(N, D)), rng.normal(size=(N, D)), rng.integers(-1, 2, N), predictions=(0, 1))


def triplet(rng: np.random.Generator, arguments: dict[str, Any], *shape: int) -> Built:
    """Anchor, positive and negative, all of them predictions; where the loss is one number, mostly within the margin."""
    scale = 1 if arguments.get("reduction") == "none" else 0.3
    return loss(arguments, *(rng.normal(0, scale, shape) for _ in range(3)), predictions=(0, 1, 2))


@case("TripletMarginLoss")
def triplet_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {}, N, D)


@case("TripletMarginLoss", empty=True)
def triplet_p1_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {"p": 1.0, "margin": 2.3, "reduction": "sum"}, N, D)


@case("TripletMarginLoss", empty=True)
def triplet_p3_eps_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return triplet(rng, {"p": 3.0, "eps": 0.2, "reduction": "none"}, N, D, E)


@case("TripletMarginLoss", empty=True)
def triplet_p_fraction_swap_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return triplet(rng, {"p": 2.5, "margin": 3.0, "swap": True, "reduction": "none"}, N, D, E)


@case("TripletMarginLoss")
def triplet_swap_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {"margin": 1.8, "swap": True}, N, D)


def triplet_at_ties(p: float, swap: bool) -> Callable[..., Built]:
    """Distances that are 0, or equal, or differ by the margin, and largest differences that are equal."""

    def triplet_ties_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
        arguments = {"p": p, "eps": 0.0, "swap": swap, "reduction": "none"}
        return loss(arguments, *(lattice(rng, N, D, E) for _ in range(3)), predictions=(0, 1, 2))

    triplet_ties_none.__name__ = f"triplet_ties_p{p:g}{'_swap' * swap}_none"
    return triplet_ties_none


for p in (1.0, 2.0, math.inf):
    for swap in (False, True):
        case("TripletMarginLoss", empty=True, smooth=False)(triplet_at_ties(p, swap))


@case("TripletMarginLoss", empty=True)
def triplet_p_infinite_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    return triplet(rng, {"p": math.inf, "reduction": "sum"}, N, D)
