"""Cases for manual/linear_algebra/pca.py. Singular values are at least 1.5 apart, as in the cases of svd."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "linear_algebra.pca"


def data(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Rows around a random mean, whose centred table has singular values that are 2 or more, and 1.5 or more apart."""
    k = min(rows - 1, columns)
    noise = rng.normal(size=(rows, k))
    U, _ = np.linalg.qr(noise - noise.mean(axis=0))
    V, _ = np.linalg.qr(rng.normal(size=(columns, k)))
    return U * (2 * np.arange(1, k + 1) + rng.uniform(0, 0.5, k)) @ V.T + rng.normal(size=columns)


def of_k(name: str) -> None:
    """Cases of a function of data and a number of components: two of some, and all of them."""

    def two_of_four(rng: np.random.Generator, M: int) -> Built:
        return Built({}, [data(rng, M + 4, 4)], {"k": 2})

    def all_three(rng: np.random.Generator, M: int) -> Built:
        return Built({}, [data(rng, M + 3, 3)], {"k": 3})

    function_case(PATH, name, repeat=False)(two_of_four)
    function_case(PATH, name, repeat=False)(all_three)


for _name in ("pca_by_covariance", "pca_by_svd", "reconstruction"):
    of_k(_name)


@function_case(PATH, "reconstruction", repeat=False)
def of_few_rows(rng: np.random.Generator, M: int, K: int) -> Built:
    return Built({}, [data(rng, 4, M + K)], {"k": 1})


@function_case(PATH, "explained_variance_ratio", repeat=False)
def tall(rng: np.random.Generator, M: int, K: int) -> list[Any]:
    return [data(rng, M + K, K)]


@function_case(PATH, "explained_variance_ratio", repeat=False)
def wide(rng: np.random.Generator, M: int, K: int) -> list[Any]:
    return [data(rng, 4, M + K)]
