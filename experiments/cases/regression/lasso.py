"""Cases of manual/regression/lasso.py."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from experiments.cases.concept import judge_trajectory
from experiments.judge.case import Built
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by

PATH = "regression.lasso"


@function_case(PATH, "soft_threshold", empty=True)
def any_shape(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(0, 2, (N, D)), np.array(rng.uniform(0.5, 1))]


@function_case(PATH, "soft_threshold", smooth=False)
def on_the_kinks(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.choice([-1.5, -0.75, 0, 0.75, 1.5], (N, D)), np.array(0.75)]


@function_case(PATH, "loss")
def unpenalised(rng: np.random.Generator, N: int, D: int) -> Built:
    return problem(rng, N, D)


@function_case(PATH, "loss")
def penalised(rng: np.random.Generator, N: int, D: int) -> Built:
    return problem(rng, N, D, alpha=0.37)


@function_case(PATH, "loss", smooth=False)
def with_zeros(rng: np.random.Generator, N: int, D: int) -> Built:
    built = problem(rng, N, D, alpha=0.37)
    built.inputs[2][0] = 0
    return built


def problem(rng: np.random.Generator, N: int, D: int, **call: Any) -> Built:
    """Random data and parameters."""
    x, y = rng.normal(0.4, 1, (N, D)), rng.normal(2, 1, (N, 1))
    return Built({}, [x, y, rng.normal(size=(D, 1)), rng.normal(size=1)], call=call, differentiated=(2, 3))


judged_by("lasso.ProximalSGD", partial(judge_trajectory, "lasso"))
