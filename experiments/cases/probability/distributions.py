"""Cases for the functions of manual/probability/distributions.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "probability.distributions"
ENDS = np.array([0.0, 1.0, 0.15, 0.3, 0.7, 0.8])


def some_probs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Probabilities that are not near 0 or 1."""
    return rng.uniform(0.15, 0.85, size=shape)


def bits(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Zeros and ones."""
    return rng.integers(0, 2, size=shape).astype(float)


# ---- Bernoulli and Binomial ------------------------------------------------------------------------


@function_case(PATH, "bernoulli_log_prob", empty=True)
def throws(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [bits(rng, N, D), some_probs(rng, N, D)], differentiated=(1,))


@function_case(PATH, "bernoulli_log_prob", empty=True, repeat=False)
def one_coin_for_each_column(rng: np.random.Generator, N: int, D: int) -> Built:
    """p is broadcast over the rows."""
    return Built({}, [bits(rng, N, D), some_probs(rng, D)], differentiated=(1,))


@function_case(PATH, "bernoulli_log_prob")
def one_throw_of_many_coins(rng: np.random.Generator, N: int, D: int) -> Built:
    """value is broadcast."""
    return Built({}, [bits(rng, D), some_probs(rng, N, D)], differentiated=(1,))


@function_case(PATH, "bernoulli_log_prob", smooth=False, repeat=False, nonfinite="match")
def coins_at_the_ends(rng: np.random.Generator, N: int) -> Built:
    """p = 0 and 1, which torch holds inside; and values that no coin has."""
    value = np.array([0.0, 1.0, 2.0, -1.0, 0.5])
    return Built({}, [value[rng.permutation(5), None], ENDS], differentiated=(1,))


@function_case(PATH, "bernoulli_entropy", empty=True)
def coins(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [some_probs(rng, N, D)]


@function_case(PATH, "bernoulli_entropy", smooth=False, repeat=False)
def sure_coins(rng: np.random.Generator) -> list[Any]:
    return [rng.permutation(ENDS)]


def many(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers of throws, from 1 on."""
    return rng.integers(1, 9, size=shape).astype(float)


@function_case(PATH, "binomial_log_prob", empty=True)
def hits(rng: np.random.Generator, N: int, D: int) -> Built:
    n = many(rng, N, D)
    return Built({}, [np.floor(rng.random((N, D)) * (n + 1)), n, some_probs(rng, N, D)], differentiated=(2,))


@function_case(PATH, "binomial_log_prob", least={"D": 4}, repeat=False)
def broadcast_hits(rng: np.random.Generator, N: int, D: int) -> Built:
    """Everything is broadcast: a value for each row, one count, a p for each column."""
    return Built({}, [rng.integers(0, 4, size=(N, 1)).astype(float), np.array(5.0), some_probs(rng, 1, D)], differentiated=(2,))


@function_case(PATH, "binomial_log_prob", smooth=False, repeat=False, nonfinite="match")
def hits_at_the_ends(rng: np.random.Generator) -> Built:
    """p = 0 and 1; no throws at all; and counts that cannot be."""
    value = np.array([0.0, 3.0, 5.0, 6.0, -1.0, 2.5])
    return Built({}, [value[rng.permutation(6), None, None], np.array([[5.0], [0.0]]), ENDS], differentiated=(2,))


@function_case(PATH, "binomial_entropy")
def shooters(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [np.full(D, float(rng.integers(1, 7))), some_probs(rng, N, D)], differentiated=(1,))


@function_case(PATH, "binomial_entropy", repeat=False)
def one_p_for_each_column(rng: np.random.Generator, N: int, D: int) -> Built:
    """p is broadcast. It stays away from ½, where the slope is 0 and float32 has nothing left of it."""
    return Built({}, [np.full((N, D), float(rng.integers(1, 7))), rng.uniform(0.1, 0.3, size=D)], differentiated=(1,))


@function_case(PATH, "binomial_entropy", smooth=False, repeat=False)
def sure_shooters(rng: np.random.Generator) -> Built:
    return Built({}, [np.array(4.0), rng.permutation(ENDS)], differentiated=(1,))


# ---- Poisson ---------------------------------------------------------------------------------------


@function_case(PATH, "poisson_log_prob", empty=True)
def calls(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.poisson(3.0, size=(N, D)).astype(float), rng.uniform(0.5, 6, size=(N, D))], differentiated=(1,))


@function_case(PATH, "poisson_log_prob", empty=True, repeat=False)
def calls_at_one_rate(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.poisson(3.0, size=(N, D)).astype(float), rng.uniform(0.5, 6, size=(D,))], differentiated=(1,))


@function_case(PATH, "poisson_log_prob", smooth=False, repeat=False, nonfinite="match")
def calls_that_cannot_be(rng: np.random.Generator) -> Built:
    value = np.array([0.0, 2.0, -1.0, 2.5])
    return Built({}, [value[rng.permutation(4), None], np.array([0.4, 3.0])], differentiated=(1,))


@function_case(PATH, "poisson_log_prob", smooth=False, repeat=False, nonfinite="match")
def no_calls_ever(rng: np.random.Generator) -> Built:
    """Rate 0."""
    return Built({}, [rng.permutation([0.0, 1.0, 3.0]), np.zeros(3)], differentiated=(1,))


@function_case(PATH, "poisson_entropy", empty=True)
def rates(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.uniform(0.3, 60, size=(N, D))]


# ---- Uniform and Normal ----------------------------------------------------------------------------


@function_case(PATH, "uniform_log_prob", empty=True)
def between(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    value = rng.normal(size=(N, D))
    return [value, value - rng.uniform(0.2, 2, size=(N, D)), value + rng.uniform(0.2, 2, size=(N, D))]


@function_case(PATH, "uniform_log_prob", repeat=False)
def between_bounds_of_columns(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.uniform(-0.5, 0.5, size=(N, D)), rng.uniform(-2, -0.7, size=(D,)), rng.uniform(0.7, 2, size=())]


@function_case(PATH, "uniform_log_prob", smooth=False, repeat=False, nonfinite="match")
def at_the_bounds_and_outside(rng: np.random.Generator, N: int) -> list[Any]:
    return [np.array([0.5, 2.0, 1.0, 3.0, -1.0])[rng.permutation(5), None], np.full(3, 0.5), np.array([2.0, 2.0, 4.0])]


@function_case(PATH, "uniform_entropy", empty=True)
def bounds(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.uniform(-2, -0.1, size=(N, D)), rng.uniform(0.1, 2, size=(N, 1))]


@function_case(PATH, "normal_log_prob", empty=True)
def bells(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=(N, D)), rng.normal(size=(N, D)), rng.uniform(0.6, 1.7, size=(N, D))]


@function_case(PATH, "normal_log_prob", repeat=False)
def bells_of_columns(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=(N, D)), rng.normal(size=(D,)), rng.uniform(0.6, 1.7, size=(1, D))]


@function_case(PATH, "normal_log_prob")
def one_number_under_many_bells(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=(D,)), rng.normal(size=(N, 1)), rng.uniform(0.6, 1.7, size=(N, D))]


@function_case(PATH, "normal_entropy", empty=True)
def widths(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.uniform(0.6, 1.7, size=(N, D))]


@function_case(PATH, "mean_surprise")
def probabilities(rng: np.random.Generator, K: int, N: int, D: int) -> list[Any]:
    return [np.log(rng.dirichlet(np.full(K, 3.0), size=(N, D)).transpose(2, 0, 1))]


@function_case(PATH, "mean_surprise", smooth=False, repeat=False)
def some_of_them_0(rng: np.random.Generator, K: int, N: int) -> list[Any]:
    log_p = np.log(rng.dirichlet(np.full(K, 3.0), size=N).T)
    log_p[0] = -np.inf
    return [rng.permutation(log_p)]
