"""Cases for the functions of manual/linear_algebra/eigen.py. Eigenvalues are at least 1 apart: eigenvectors are else lost in rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.cases.linear_algebra.matrices import invertible
from experiments.judge.function_case import function_case

PATH = "linear_algebra.eigen"


def apart(rng: np.random.Generator, n: int) -> np.ndarray:
    """n eigenvalues, negative and positive, in no order."""
    return rng.permutation(1.5 * np.arange(n) - n + rng.uniform(0, 0.5, n))


@function_case(PATH, "rayleigh")
def rayleigh(rng: np.random.Generator, K: int) -> list[Any]:
    return [rng.normal(size=(K, K)), rng.normal(size=K)]


@function_case(PATH, "eigh", repeat=False)
def symmetric(rng: np.random.Generator, K: int) -> list[Any]:
    Q, _ = np.linalg.qr(rng.normal(size=(K, K)))
    return [Q * apart(rng, K) @ Q.T]


@function_case(PATH, "eigh", repeat=False)
def symmetric_part(rng: np.random.Generator, K: int) -> list[Any]:
    """Not symmetric: only the symmetric part counts."""
    tilt = rng.normal(size=(K, K))
    return [symmetric(rng, K)[0] + tilt - tilt.T]


@function_case(PATH, "eig", repeat=False)
def real(rng: np.random.Generator, K: int) -> list[Any]:
    V = invertible(rng, K)
    return [V * apart(rng, K) @ np.linalg.inv(V)]


@function_case(PATH, "eig", repeat=False)
def triangular(rng: np.random.Generator, K: int) -> list[Any]:
    return [np.triu(rng.normal(size=(K, K)), 1) + np.diag(apart(rng, K))]
