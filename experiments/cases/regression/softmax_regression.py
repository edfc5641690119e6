"""Cases of manual/regression/softmax_regression.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.central import jacobian
from experiments.judge.derivative_case import derivative_case
from experiments.judge.function_case import function_case
from manual.nn.functional import softmax
from manual.regression.softmax_regression import loss_backward

PATH = "regression.softmax_regression"


@function_case(PATH, "cross_entropy")
def scores(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(0, 1.5, (N, K)), rng.integers(0, K, N)], differentiated=(0,))


@function_case(PATH, "cross_entropy", smooth=False, repeat=False, nonfinite="match")
def an_infinite_score(rng: np.random.Generator, N: int, K: int) -> Built:
    """+∞ for the first class of the first row, which is a wrong one."""
    z, c = rng.normal(0, 1.5, (N, K)), rng.integers(1, K, N)
    z[0, 0] = np.inf
    return Built({}, [z, c], differentiated=(0,))


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


@derivative_case(PATH, "softmax_jacobian", by_differences=lambda z: np.stack([jacobian(softmax, row) for row in z]))
def rows_of_scores(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0, 1.5, (5, 3))]


def hessian_by_differences(x: np.ndarray, W: np.ndarray, b: np.ndarray, alpha: float) -> np.ndarray:
    """How the gradient changes with q = [W; b]. No class is in it: the second derivatives do not depend on them."""
    c, n = np.arange(len(x)) % W.shape[1], len(b)

    def gradient(q: np.ndarray) -> np.ndarray:
        return np.concatenate([g.ravel() for g in loss_backward(1.0, x, c, q[:-n].reshape(W.shape), q[-n:], alpha)])

    return jacobian(gradient, np.concatenate([W.ravel(), b]))


@derivative_case(PATH, "hessian", by_differences=hessian_by_differences)
def penalised_rows(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(0.5, 1.3, (7, 2)), rng.normal(size=(2, 4)), rng.normal(size=4), 0.3]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "A comes twice in the product": ("softmax_regression.hessian:sign:with_ones(x) => -with_ones(x):0",),
    "the Jacobian of a row's softmax is square and symmetric": (
        "softmax_regression.hessian:constant:A.shape[1] * J.shape[1] => A.shape[1] * J.shape[2]:0",
        "softmax_regression.hessian:transpose:np.einsum('ni,nj,nkl->ikjl', A, A, J, optimize=True)"
        " => np.einsum('ni,nj,nlk->ikjl', A, A, J, optimize=True):0",
    ),
    "it only says in which order the sums are worked out": ("softmax_regression.hessian:constant:optimize=True => optimize=False:0",),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
