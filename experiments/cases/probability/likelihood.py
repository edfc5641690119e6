"""Cases for the functions of manual/probability/likelihood.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "probability.likelihood"


def throws(rng: np.random.Generator, n: int) -> np.ndarray:
    """n zeros and ones, at least one of each."""
    x = rng.integers(0, 2, size=n).astype(float)
    x[:2] = 0, 1
    return rng.permutation(x)


def of_a_coin(name: str) -> None:
    """Cases of a function of probabilities and throws; only the probabilities have a gradient."""

    def mixed(rng: np.random.Generator, N: int, T: int, D: int) -> Built:
        return Built({}, [rng.uniform(0.2, 0.8, size=(N, T)), throws(rng, D)], differentiated=(0,))

    def alike(rng: np.random.Generator, N: int, D: int) -> Built:
        """All heads or all tails: one factor is missing."""
        return Built({}, [rng.uniform(0.2, 0.8, size=N), np.full(D, float(rng.integers(2)))], differentiated=(0,))

    def no_throws(rng: np.random.Generator, N: int) -> Built:
        return Built({}, [rng.uniform(0.2, 0.8, size=N), np.zeros(0)], differentiated=(0,))

    ends = np.array([0.0, 1.0, 0.37])

    def mixed_at_the_ends(rng: np.random.Generator, D: int) -> Built:
        """p of 0 and 1: both are impossible."""
        return Built({}, [ends, throws(rng, D)], differentiated=(0,))

    def heads_at_the_ends(rng: np.random.Generator, D: int) -> Built:
        """p = 1 is possible."""
        return Built({}, [ends, np.ones(D)], differentiated=(0,))

    def tails_at_the_ends(rng: np.random.Generator, D: int) -> Built:
        """p = 0 is possible."""
        return Built({}, [ends, np.zeros(D)], differentiated=(0,))

    function_case(PATH, name, empty=True)(mixed)
    function_case(PATH, name, empty=True)(alike)
    function_case(PATH, name, empty=True)(no_throws)
    for build in (mixed_at_the_ends, heads_at_the_ends, tails_at_the_ends):
        function_case(PATH, name, smooth=False, repeat=False, nonfinite="match")(build)


for _name in ("bernoulli_likelihood", "bernoulli_log_likelihood"):
    of_a_coin(_name)


@function_case(PATH, "normal_log_likelihood", empty=True)
def grid(rng: np.random.Generator, N: int, T: int, D: int) -> list[Any]:
    return [rng.normal(size=(N, T)), rng.uniform(0.7, 1.6, size=(N, T)), rng.normal(size=D)]


@function_case(PATH, "normal_log_likelihood", repeat=False)  # of equal numbers a z by chance near 1 leaves of σ's gradient, z² − 1, nothing
def one_pair(rng: np.random.Generator, D: int) -> list[Any]:
    return [rng.normal(size=()), rng.uniform(0.7, 1.6, size=()), rng.normal(size=D)]


@function_case(PATH, "normal_log_likelihood", repeat=False)
def no_numbers(rng: np.random.Generator, T: int) -> list[Any]:
    return [rng.normal(size=T), rng.uniform(0.7, 1.6, size=T), np.zeros(0)]


@function_case(PATH, "cross_entropy")
def classes(rng: np.random.Generator, N: int, C: int) -> Built:
    p = rng.dirichlet(np.full(C, 3.0), size=N)
    return Built({}, [np.log(p), rng.integers(0, C, size=N)], differentiated=(0,))


@function_case(PATH, "normal_nll", repeat=False)
def predictions(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=(N, D)), rng.uniform(0.5, 0.8, size=()), rng.normal(size=(N, D))]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the two have one length, one shape and one dtype": (
        "likelihood.Likelihood.backward:saved:np.full_like(p, -dL_dloss / len(heads)) => np.full_like(mean, -dL_dloss / len(heads)):0",
        "likelihood.Likelihood.backward:saved:np.full_like(p, -dL_dloss / len(heads)) => np.full_like(std, -dL_dloss / len(heads)):0",
        "likelihood.Likelihood.backward:saved:-dL_dloss / len(heads) => -dL_dloss / len(rolled):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
