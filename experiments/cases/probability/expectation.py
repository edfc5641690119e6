"""Cases for the functions of manual/probability/expectation.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "probability.expectation"


# ---- tables of probabilities ---------------------------------------------------------------------


def table(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Probabilities that add up to 1 over all entries."""
    return rng.dirichlet(np.full(int(np.prod(shape)), 2.0)).reshape(shape)


def events(rng: np.random.Generator, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Two events that overlap, neither of which is in the other."""
    a, b = rng.random((2, *shape)) < 0.5
    a.flat[:3], b.flat[:3] = (True, True, False), (False, True, True)
    return a, b


@function_case(PATH, "probability", repeat=False)
def event_of_a_table(rng: np.random.Generator, I: int, J: int) -> Built:
    return Built({}, [table(rng, I, J), events(rng, I, J)[0]], differentiated=(0,))


@function_case(PATH, "probability", repeat=False)
def impossible_event(rng: np.random.Generator, I: int, J: int) -> Built:
    return Built({}, [table(rng, I, J), np.zeros((I, J), bool)], differentiated=(0,))


@function_case(PATH, "conditional_probability", repeat=False)
def events_of_a_table(rng: np.random.Generator, I: int, J: int) -> Built:
    return Built({}, [table(rng, I, J), *events(rng, I, J)], differentiated=(0,))


@function_case(PATH, "expectation", repeat=False)
def values_of_a_table(rng: np.random.Generator, I: int, J: int) -> list[Any]:
    return [table(rng, I, J), rng.normal(size=(I, J))]


# ---- samples -------------------------------------------------------------------------------------


@function_case(PATH, "mean")
def vectors(rng: np.random.Generator, N: int, T: int, D: int) -> list[Any]:
    return [rng.normal(size=(N, T, D))]


@function_case(PATH, "mean")
def plain_numbers(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(size=N)]


@function_case(PATH, "mean", nonfinite="match", smooth=False)
def no_samples(rng: np.random.Generator, D: int) -> list[Any]:
    return [np.zeros((0, D))]


def of_samples(name: str) -> None:
    """Cases of a function of samples and of the correction."""

    def biased(rng: np.random.Generator, N: int, D: int) -> Built:
        return Built({}, [rng.normal(1.0, 2.0, size=(N, D))], {"correction": 0})

    def unbiased(rng: np.random.Generator, T: int, D: int) -> list[Any]:
        return [rng.normal(1.0, 2.0, size=(T, D))]

    for build in (biased, unbiased):
        function_case(PATH, name, repeat=False)(build)


for _name in ("variance", "covariance"):
    of_samples(_name)


@function_case(PATH, "variance", repeat=False)
def of_plain_numbers(rng: np.random.Generator, T: int) -> list[Any]:
    return [rng.normal(size=T)]


@function_case(PATH, "correlation", least={"T": 4}, repeat=False)
def columns(rng: np.random.Generator, T: int, D: int) -> list[Any]:
    return [rng.normal(1.0, 2.0, size=(T, D))]


@function_case(PATH, "correlation", smooth=False, repeat=False, nonfinite="match")
def a_constant_column(rng: np.random.Generator, T: int, D: int) -> list[Any]:
    x = rng.normal(size=(T, D + 1))
    x[:, 1] = 2
    return [x]


# ---- two gradients of an expectation -------------------------------------------------------------


@function_case(PATH, "reparameterise", empty=True)
def one_for_all(rng: np.random.Generator, N: int) -> list[Any]:
    return [rng.normal(size=1), rng.uniform(0.7, 1.6, size=1), rng.normal(size=N)]


@function_case(PATH, "reparameterise", empty=True)
def one_for_each_column(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=D), rng.uniform(0.7, 1.6, size=()), rng.normal(size=(N, D))]


@function_case(PATH, "reparameterise", empty=True)
def one_for_each(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=(N, D)), rng.uniform(0.7, 1.6, size=(N, 1)), rng.normal(size=(N, D))]


@function_case(PATH, "surrogate")
def drawn_elsewhere(rng: np.random.Generator, N: int) -> list[Any]:
    """q is not p, so that no weight is 1."""
    return [rng.normal(-1.0, 0.5, size=N), rng.normal(-1.0, 0.5, size=N), rng.uniform(1, 3, size=N), rng.normal(size=N)]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "a matrix plus its transpose is its own transpose": (
        "expectation.covariance_backward:transpose:x_centred @ (dL_dC + dL_dC.T) => x_centred @ (dL_dC + dL_dC.T).T:0",
        "expectation.correlation_backward:transpose:(dL_dR + dL_dR.T) @ x_hat => (dL_dR + dL_dR.T).T @ x_hat:0",
    ),
    "x_hat comes twice: (−x_hat) · mean(dL_dx_hat · (−x_hat)) = x_hat · mean(dL_dx_hat · x_hat)": (
        "expectation.correlation_backward:sign:standardize_backward(dL_dx_hat, x_hat, std)"
        " => standardize_backward(dL_dx_hat, -x_hat, std):0",
    ),
    "the score of the mean, (x − mean)/std², has std squared": (
        "expectation.Expectation.by_score_backward:sign:normal_log_prob_backward(dL_dlog_p, x, self.mean.data, self.std)"
        " => normal_log_prob_backward(dL_dlog_p, x, self.mean.data, -self.std):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
