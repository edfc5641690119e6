"""Cases of manual/regression/softmax_regression.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.library.case import Built
from experiments.library.function_case import function_case

PATH = "regression.softmax_regression"


@function_case(PATH, "cross_entropy")
def scores(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(0, 1.5, (N, K)), rng.integers(0, K, N)], differentiated=(0,))


@function_case(PATH, "loss")
def unpenalised(rng: np.random.Generator, N: int, D: int, K: int) -> Built:
    return problem(rng, N, D, K)


@function_case(PATH, "loss")
def penalised(rng: np.random.Generator, N: int, D: int, K: int) -> Built:
    return problem(rng, N, D, K, alpha=0.37)


def problem(rng: np.random.Generator, N: int, D: int, K: int, **call: Any) -> Built:
    """Random data and parameters."""
    x, c = rng.normal(0.4, 1, (N, D)), rng.integers(0, K, N)
    return Built({}, [x, c, rng.normal(0, 0.7, (D, K)), rng.normal(size=K)], call=call, differentiated=(2, 3))
