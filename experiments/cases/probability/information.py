"""Cases for the functions of manual/probability/information.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "probability.information"


def distributions(rng: np.random.Generator, N: int, K: int) -> np.ndarray:
    """N distributions over K outcomes, none of which is improbable."""
    return 0.9 * rng.dirichlet(np.full(K, 1.5), size=N) + 0.1 / K


@function_case(PATH, "entropy", empty=True)
def rows(rng: np.random.Generator, N: int, K: int) -> list[Any]:
    return [distributions(rng, N, K)]


@function_case(PATH, "entropy", repeat=False)
def one_distribution(rng: np.random.Generator, K: int) -> list[Any]:
    return [distributions(rng, 1, K)[0]]


@function_case(PATH, "entropy", smooth=False, repeat=False, nonfinite="match")
def with_zeros(rng: np.random.Generator, K: int) -> list[Any]:
    p = distributions(rng, 2, K)
    return [np.concatenate([p / 2, np.zeros((2, 2)), p / 2], axis=1)]


def of_two(name: str) -> None:
    """Cases of a function of two distributions."""

    def two_stacks(rng: np.random.Generator, N: int, T: int, K: int) -> list[Any]:
        return [distributions(rng, N * T, K).reshape(N, T, K) for _ in range(2)]

    def one_pair(rng: np.random.Generator, K: int) -> list[Any]:
        return list(distributions(rng, 2, K))

    def zeros_here_there_and_in_both(rng: np.random.Generator, N: int) -> list[Any]:
        p, q = np.zeros((2, N, 5))
        p[:, [2, 3, 4]], q[:, [0, 3, 4]] = distributions(rng, N, 3), distributions(rng, N, 3)  # both are 0 at 1
        return [p, q]

    def zeros_of_p_alone(rng: np.random.Generator, N: int) -> list[Any]:
        p, q = distributions(rng, N, 3), distributions(rng, N, 4)
        return [np.concatenate([np.zeros((N, 1)), p], axis=1), q]

    function_case(PATH, name, empty=True)(two_stacks)
    function_case(PATH, name, repeat=False)(one_pair)
    for build in (zeros_here_there_and_in_both, zeros_of_p_alone):
        function_case(PATH, name, smooth=False, repeat=False, nonfinite="match")(build)


for _name in ("cross_entropy", "kl_divergence", "js_divergence"):
    of_two(_name)


@function_case(PATH, "mutual_information", empty=True, least={"I": 3, "J": 3})
def tables(rng: np.random.Generator, N: int, I: int, J: int) -> list[Any]:
    return [distributions(rng, N, I * J).reshape(N, I, J)]


@function_case(PATH, "mutual_information", repeat=False)
def one_table(rng: np.random.Generator, I: int, J: int) -> list[Any]:
    return [distributions(rng, 1, I * J).reshape(I, J)]


@function_case(PATH, "mutual_information", smooth=False, repeat=False, nonfinite="match")
def a_zero_and_a_column_of_zeros(rng: np.random.Generator, I: int) -> list[Any]:
    table = distributions(rng, 1, I * 3).reshape(I, 3)
    table[:, 1] = table[0, 0] = 0
    return [table / table.sum()]


@function_case(PATH, "kl_integral", empty=True)
def densities(rng: np.random.Generator, N: int) -> Built:
    return Built({}, [rng.normal(-2, 1, size=N), rng.normal(-2, 1, size=N), rng.uniform(0.1, 0.3, size=N)])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "(x − mean)/std² and (z² − 1)/std · std are the same for −std": (
        "information.Information.backward:sign:np.exp(self.log_std.data) => -np.exp(self.log_std.data):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
