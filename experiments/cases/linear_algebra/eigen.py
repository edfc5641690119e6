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


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "any scale does for ordinary numbers, and nobody else has the array; that of others is in tests/nn/test_binary_scale.py": (
        "eigen.rayleigh_backward:sign:binary_scale(v) => -binary_scale(v):0",
        "eigen.rayleigh_backward:scale:binary_scale(v) => 2 * binary_scale(v):0",
        "eigen.rayleigh_backward:scale:binary_scale(v) => 0.5 * binary_scale(v):0",
    ),
    "a vector is its own transpose": (
        "eigen.rayleigh_backward:transpose:A @ v + v @ A => A @ v.T + v @ A:0",
        "eigen.rayleigh_backward:transpose:A @ v + v @ A => A @ v + v.T @ A:0",
    ),
    "only the symmetric part of dL_dS is returned, and it is that of its transpose too": (
        "eigen.eigh_backward:transpose:V @ dL_dM @ V.T => V @ dL_dM.T @ V.T:0",
    ),
    "that a gap is exactly as wide as the rounding does not happen": (
        "eigen.along_eigenvectors:edge:np.abs(gap) > rounding_of(λ) => np.abs(gap) >= rounding_of(λ):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
