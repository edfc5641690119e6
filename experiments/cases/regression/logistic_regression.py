"""Cases of manual/regression/logistic_regression.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.central import jacobian
from experiments.judge.derivative_case import derivative_case
from experiments.judge.function_case import function_case
from manual.regression.logistic_regression import loss_backward

PATH = "regression.logistic_regression"


@function_case(PATH, "sigmoid", empty=True)
def any_shape(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(0, 3, (N, D))]


@function_case(PATH, "binary_cross_entropy")
def yes_or_no(rng: np.random.Generator, N: int) -> Built:
    return Built({}, [rng.normal(0, 1.5, (N, 1)), rng.integers(0, 2, (N, 1)).astype(float)], differentiated=(0,))


@function_case(PATH, "binary_cross_entropy")
def probabilities(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(0, 1.5, (N, D)), rng.uniform(0, 1, (N, D))], differentiated=(0,))


@function_case(PATH, "loss")
def unpenalised(rng: np.random.Generator, N: int, D: int) -> Built:
    return problem(rng, N, D)


@function_case(PATH, "loss")
def penalised(rng: np.random.Generator, N: int, D: int) -> Built:
    return problem(rng, N, D, alpha=0.37)


def problem(rng: np.random.Generator, N: int, D: int, **call: Any) -> Built:
    """Random data and parameters."""
    x, y = rng.normal(0.4, 1, (N, D)), rng.integers(0, 2, (N, 1)).astype(float)
    return Built({}, [x, y, rng.normal(size=(D, 1)), rng.normal(size=1)], call=call, differentiated=(2, 3))


def hessian_by_differences(x: np.ndarray, W: np.ndarray, b: np.ndarray, alpha: float) -> np.ndarray:
    """How the gradient changes with q = [W; b]. The answers y are not in the second derivatives: any will do."""
    y = np.zeros((len(x), 1))
    return jacobian(lambda q: np.vstack(loss_backward(1.0, x, y, q[:-1, None], q[-1:], alpha))[:, 0], np.append(W, b))


@derivative_case(PATH, "hessian", by_differences=hessian_by_differences)
def penalised_rows(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0.5, 1.3, (7, 3)), rng.normal(size=(3, 1)), rng.normal(size=1), 0.3]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "A comes twice in the product": ("logistic_regression.hessian:sign:with_ones(x) => -with_ones(x):0",),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
