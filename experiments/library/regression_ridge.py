"""Cases of manual/regression/ridge.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.library.case import Built
from experiments.library.function_case import function_case

PATH = "regression.ridge"


@function_case(PATH, "loss")
def unpenalised(rng: np.random.Generator, N: int, D: int) -> Built:
    return problem(rng, N, D)


@function_case(PATH, "loss")
def penalised(rng: np.random.Generator, N: int, D: int) -> Built:
    return problem(rng, N, D, alpha=0.37)


@function_case(PATH, "solution", least={"N": 9}, repeat=False)
def of_data_and_alpha(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(0.4, 1, (N, D)), rng.normal(2, 1, (N, 1)), np.array(rng.uniform(0.3, 0.9))]


@function_case(PATH, "shrinkage", empty=True)
def of_spreads(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.uniform(0.3, 2, N), np.array(rng.uniform(0.3, 0.9))]


@function_case(PATH, "effective_degrees_of_freedom", least={"N": 9}, repeat=False)
def of_rows_and_alpha(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(0.4, 1, (N, D)), np.array(rng.uniform(0.3, 0.9))]


def problem(rng: np.random.Generator, N: int, D: int, **call: Any) -> Built:
    """Random data and parameters."""
    x, y = rng.normal(0.4, 1, (N, D)), rng.normal(2, 1, (N, 1))
    return Built({}, [x, y, rng.normal(size=(D, 1)), rng.normal(size=1)], call=call, differentiated=(2, 3))
