"""Cases of manual/regression/linear_regression.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.central import jacobian
from experiments.judge.derivative_case import derivative_case
from manual.regression.linear_regression import backward, forward

PATH = "regression.linear_regression"


def hessian_by_differences(x: np.ndarray) -> np.ndarray:
    """How the gradient changes with p = [W; b]: the same everywhere, and for all y."""
    y = np.zeros((len(x), 1))

    def gradient(p: np.ndarray) -> np.ndarray:
        W, b = p[:-1, None], p[-1:]
        found = backward(x, y, **forward(x, W, b), W=W, b=b)
        return np.concatenate([found["W"].ravel(), found["b"]])

    return jacobian(gradient, np.zeros(x.shape[1] + 1))


@derivative_case(PATH, "hessian", by_differences=hessian_by_differences)
def rows(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0.5, 1.3, (7, 3))]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "A comes twice in the product": ("linear_regression.hessian:sign:with_ones(x) => -with_ones(x):0",),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
