"""Cases for the functions of manual/probability/multivariate_normal.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.function_case import function_case

PATH = "probability.multivariate_normal"


def a_covariance(rng: np.random.Generator, n: int) -> np.ndarray:
    """Positive definite: variances from 0.5 to 2 along random directions."""
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return Q * rng.uniform(0.5, 2, size=n) @ Q.T


def a_root(rng: np.random.Generator, n: int) -> np.ndarray:
    """A scale_tril."""
    return np.tril(rng.normal(0, 0.5, size=(n, n)), -1) + np.diag(rng.uniform(0.6, 1.6, size=n))


@function_case(PATH, "cholesky", repeat=False)
def covariance(rng: np.random.Generator, D: int) -> list[Any]:
    return [a_covariance(rng, D)]


@function_case(PATH, "cholesky", repeat=False)
def symmetric_part(rng: np.random.Generator, D: int) -> list[Any]:
    """Not symmetric: only the symmetric part counts."""
    tilt = rng.normal(size=(D, D))
    return [a_covariance(rng, D) + tilt - tilt.T]


@function_case(PATH, "lower_cholesky")
def any_matrix(rng: np.random.Generator, D: int) -> list[Any]:
    return [rng.normal(size=(D, D))]


@function_case(PATH, "log_prob", smooth=False, repeat=False)
def rows(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    """A scale_tril that moves above its diagonal is refused, so the test of this concept takes the central differences."""
    return [rng.normal(size=(N, D)), rng.normal(size=D), a_root(rng, D)]


@function_case(PATH, "entropy", smooth=False, repeat=False)
def root(rng: np.random.Generator, D: int) -> list[Any]:
    return [a_root(rng, D)]
