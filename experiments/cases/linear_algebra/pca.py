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


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "any scale does for ordinary numbers, and nobody else has the array; that of others is in tests/nn/test_binary_scale.py": (
        "pca.pca_by_covariance_backward:sign:binary_scale(X) => -binary_scale(X):0",
        "pca.pca_by_covariance_backward:scale:binary_scale(X) => 2 * binary_scale(X):0",
        "pca.pca_by_covariance_backward:scale:binary_scale(X) => 0.5 * binary_scale(X):0",
        "pca.pca_by_covariance_backward:inplace:X = X / s => X /= s:0",
        "pca.explained_variance_ratio_backward:sign:binary_scale(X) => -binary_scale(X):0",
        "pca.explained_variance_ratio_backward:scale:binary_scale(X) => 2 * binary_scale(X):0",
        "pca.explained_variance_ratio_backward:scale:binary_scale(X) => 0.5 * binary_scale(X):0",
        "pca.explained_variance_ratio_backward:scale:svdvals_backward(2 * S * dL_dsquares, X / s)"
        " => svdvals_backward(2 * S * dL_dsquares, 2 * (X / s)):0",
        "pca.explained_variance_ratio_backward:scale:svdvals_backward(2 * S * dL_dsquares, X / s)"
        " => svdvals_backward(2 * S * dL_dsquares, 0.5 * (X / s)):0",
        "pca.explained_variance_ratio_backward:factor:svdvals_backward(2 * S * dL_dsquares, X / s)"
        " => svdvals_backward(2 * S * dL_dsquares, X):0",
        "pca.explained_variance_ratio_backward:factor:svdvals_backward(2 * S * dL_dsquares, X / s)"
        " => svdvals_backward(2 * S * dL_dsquares, X * s):0",
    ),
    "rank_k of c A is c times that of A, so that its derivative is the same": (
        "pca.reconstruction_backward:sign:rank_k_backward(dL_dy, centred(x), k) => rank_k_backward(dL_dy, -centred(x), k):0",
        "pca.reconstruction_backward:scale:rank_k_backward(dL_dy, centred(x), k) => rank_k_backward(dL_dy, 2 * centred(x), k):0",
        "pca.reconstruction_backward:scale:rank_k_backward(dL_dy, centred(x), k) => rank_k_backward(dL_dy, 0.5 * centred(x), k):0",
    ),
    "the gradient of eigh is symmetric": ("pca.pca_by_covariance_backward:transpose:X @ dL_dC * 2 => X @ dL_dC.T * 2:0",),
    "(1, D) is added to every row, as (D,) is": (
        "pca.reconstruction_backward:axis:dL_dy.mean(axis=0) => dL_dy.mean(axis=0, keepdims=True):0",
    ),
    "the two have one length, one shape and one dtype": (
        "pca.LinearAutoencoder.backward:saved:dL_dloss * 2 * (x_hat - x) / len(x) => dL_dloss * 2 * (x_hat - x) / len(z):0",
        "pca.LinearAutoencoder.backward:saved:dL_dloss * 2 * (x_hat - x) / len(x) => dL_dloss * 2 * (x_hat - x) / len(x_hat):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
