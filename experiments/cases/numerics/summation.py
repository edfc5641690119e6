"""Cases for manual/numerics/summation.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "numerics.summation"


def in_order(name: str, format: str) -> None:
    """Cases of a sum in this format."""

    def of_rows(rng: np.random.Generator, N: int, D: int) -> Built:
        return Built({}, [rng.normal(size=(N, D)) * 2.0 ** rng.integers(-6, 7, size=(N, D))], call={"format": format})

    def of_numbers(rng: np.random.Generator, N: int) -> Built:
        return Built({}, [rng.uniform(0, 1, size=N)], call={"format": format})

    for build in (of_rows, of_numbers):
        build.__name__ = f"{build.__name__}_{format}"
        function_case(PATH, name, smooth=False, least={"N": 7})(build)


for _name in ("sum_naive", "sum_pairwise", "sum_kahan"):
    for _format in ("float16", "bfloat16"):
        in_order(_name, _format)


@function_case(PATH, "variance", repeat=False)
def numbers(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(0.4, 1, size=N)]


@function_case(PATH, "variance_cancelling", repeat=False)
def numbers_near_0(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(0.4, 1, size=N)]


def coefficients(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.uniform(3, 4, size=N), rng.uniform(-1, 1, size=N)]


for _name in ("smaller_root", "smaller_root_cancelling"):
    function_case(PATH, _name, empty=True)(coefficients)
