"""Cases for the functions of manual/linear_algebra/vectors.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "linear_algebra.vectors"


def of_two(name: str) -> None:
    """Cases of a function of two vectors: with leading axes, and of single vectors (repeated numbers would make these parallel)."""

    def rows(rng: np.random.Generator, N: int, T: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, T, D)), rng.normal(size=(N, T, D))]

    def single(rng: np.random.Generator, D: int) -> list[Any]:
        return [rng.normal(size=D), rng.normal(size=D)]

    function_case(PATH, name, empty=True)(rows)
    function_case(PATH, name, repeat=False)(single)


for _name in ("add", "dot", "hadamard", "cosine_similarity", "projection"):
    of_two(_name)


@function_case(PATH, "scale", empty=True)
def scale(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=()), rng.normal(size=(N, D))]


def of_one(name: str) -> None:
    """Cases of a norm: of vectors, of one, and at its kinks."""

    def rows(rng: np.random.Generator, N: int, T: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, T, D))]

    def single(rng: np.random.Generator, D: int) -> list[Any]:
        return [rng.normal(size=D)]

    def kinks(rng: np.random.Generator, N: int, D: int) -> list[Any]:
        """Entries of −2 to 2: many are 0, and many tie for the largest; the first row is the zero vector."""
        a = rng.integers(-2, 3, size=(N, D)).astype(float)
        a[:1] = 0
        return [a]

    function_case(PATH, name, empty=True)(rows)
    function_case(PATH, name)(single)
    function_case(PATH, name, smooth=False, repeat=False, least={"D": 4})(kinks)


for _name in ("l1_norm", "l2_norm", "linf_norm"):
    of_one(_name)


@function_case(PATH, "cosine_similarity")
def large_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    """Vectors of lengths well above an eps that is not the default."""
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(N, D))], {"eps": 1e-3})


@function_case(PATH, "cosine_similarity", smooth=False, repeat=False)
def below_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    """Some vectors are shorter than eps, and one is zero: torch clamps the value and not the slope, so no finite difference."""
    a, b = rng.normal(size=(N, D)), rng.normal(size=(N, D))
    a[0] = 0
    a[-1] *= 0.1 / np.linalg.norm(a[-1]) if N > 1 else 1
    b[-1] *= 0.2 / np.linalg.norm(b[-1])
    return Built({}, [a, b], {"eps": 0.5})
