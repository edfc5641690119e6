"""Cases of manual/regression/ridge.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.central import jacobian
from experiments.judge.derivative_case import derivative_case
from experiments.judge.function_case import function_case
from manual.regression.ridge import loss_backward

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


def hessian_by_differences(x: np.ndarray, alpha: float) -> np.ndarray:
    """How the gradient changes with p = [W; b]: the same everywhere, and for all y."""
    y, p = np.zeros((len(x), 1)), np.zeros(x.shape[1] + 1)
    return jacobian(lambda p: np.concatenate([g.ravel() for g in loss_backward(1.0, x, y, p[:-1, None], p[-1:], alpha)]), p)


@derivative_case(PATH, "hessian", by_differences=hessian_by_differences)
def penalised_rows(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0.5, 1.3, (7, 3)), 0.3]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the matrix is symmetric, and the trace of a product the same both ways": (
        "ridge.solution_backward:transpose:X @ (dL_dM + dL_dM.T) => X @ (dL_dM + dL_dM.T).T:0",
        "ridge.effective_degrees_of_freedom_backward:transpose:dL_df * 2 * N * alpha * X @ M_2 => dL_df * 2 * N * alpha * X @ M_2.T:0",
        "ridge.effective_degrees_of_freedom_backward:transpose:X.T @ X @ M_2 => M_2 @ (X.T @ X):0",
        "ridge.effective_degrees_of_freedom_backward:transpose:X.T @ X @ M_2 => (X.T @ X).T @ M_2:0",
        "ridge.effective_degrees_of_freedom_backward:transpose:X.T @ X @ M_2 => X.T @ X @ M_2.T:0",
    ),
    "h stands an even number of times in every product: its sign does not matter": (
        "ridge.shrinkage_backward:sign:np.hypot(s, np.sqrt(c)) => -np.hypot(s, np.sqrt(c)):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
