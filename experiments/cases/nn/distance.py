"""Cases for how near two vectors are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from experiments.cases.nn.margin import lattice
from experiments.judge.case import Built, case


@case("CosineSimilarity", empty=True)
def along_axis_1(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return Built({}, [rng.normal(size=(N, D, E)), rng.normal(size=(N, D, E))])


@case("CosineSimilarity", least={"D": 3})
def each_with_one(rng: np.random.Generator, N: int, M: int, D: int) -> Built:
    """Two shapes that broadcast, and an axis counted from the end."""
    return Built({"dim": -1}, [rng.normal(size=(N, 1, D)), rng.normal(size=(M, D))])


@case("CosineSimilarity", empty=True, smooth=False)
def shorter_than_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    """Some vectors are shorter than eps, and some are nothing."""
    x1, x2 = rng.normal(size=(N, D)), rng.normal(size=(N, D))
    x1[::2] *= 0.1
    x2[1::3] *= 0.0
    return Built({"eps": 0.9}, [x1, x2])


@case("PairwiseDistance", empty=True)
def euclidean(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(N, D))])


@case("PairwiseDistance")
def of_two_vectors(rng: np.random.Generator, D: int) -> Built:
    return Built({"p": 1.0}, [rng.normal(size=D), rng.normal(size=D)])


@case("PairwiseDistance")
def cubic_of_each_with_one(rng: np.random.Generator, N: int, M: int, D: int) -> Built:
    return Built({"p": 3.0, "eps": 0.2, "keepdim": True}, [rng.normal(size=(N, M, D)), rng.normal(size=(1, D))])


@case("PairwiseDistance")
def largest_difference(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return Built({"p": math.inf}, [rng.normal(size=(N, D, E)), rng.normal(size=(N, D, E))])


def at_ties(p: float) -> Callable[..., Built]:
    """Distances of 0, and differences that are equal."""

    def ties(rng: np.random.Generator, N: int, D: int) -> Built:
        return Built({"p": p, "eps": 0.0}, [lattice(rng, N, D), lattice(rng, N, D)])

    ties.__name__ += f"_p{p:g}"
    return ties


for p in (1.0, 2.0, math.inf):
    case("PairwiseDistance", empty=True, smooth=False)(at_ties(p))
