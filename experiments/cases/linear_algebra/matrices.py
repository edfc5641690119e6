"""Cases for the functions of manual/linear_algebra/matrices.py.

Matrices to be inverted are random ones that stay well away from singular ones: each has singular values from 1 to 3. (Repeated rows would
make them singular.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.function_case import function_case

PATH = "linear_algebra.matrices"


def invertible(rng: np.random.Generator, n: int) -> np.ndarray:
    """A random n x n matrix that neither stretches nor shrinks anything by more than 3."""
    U, V = (np.linalg.qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return U * rng.uniform(1, 3, n) @ V


@function_case(PATH, "product", empty=True)
def product(rng: np.random.Generator, N: int, K: int, M: int) -> list[Any]:
    return [rng.normal(size=(N, K)), rng.normal(size=(K, M))]


@function_case(PATH, "transpose", empty=True)
def transpose(rng: np.random.Generator, N: int, K: int) -> list[Any]:
    return [rng.normal(size=(N, K))]


@function_case(PATH, "trace", least={"N": 3})
def wide(rng: np.random.Generator, N: int, K: int) -> list[Any]:
    return [rng.normal(size=(N, N + K))]


@function_case(PATH, "trace")
def tall(rng: np.random.Generator, N: int, K: int) -> list[Any]:
    return [rng.normal(size=(N + K, N))]


def broadcast_cases(name: str) -> None:
    """A bias on rows, a column on rows, both spread out, one number, leading axes."""

    def row(rng: np.random.Generator, N: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, D)), rng.normal(size=D)]

    def column(rng: np.random.Generator, N: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, 1)), rng.normal(size=(N, D))]

    def both(rng: np.random.Generator, N: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, 1)), rng.normal(size=D)]

    def number(rng: np.random.Generator, N: int, D: int) -> list[Any]:
        return [rng.normal(size=()), rng.normal(size=(N, D))]

    def leading(rng: np.random.Generator, N: int, T: int, D: int) -> list[Any]:
        return [rng.normal(size=(T, 1, D)), rng.normal(size=(N, 1))]

    def equal(rng: np.random.Generator, N: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, D)), rng.normal(size=(N, D))]

    for build in (row, column, both, number, leading, equal):
        function_case(PATH, name, empty=True)(build)


for _name in ("broadcast_add", "broadcast_multiply"):
    broadcast_cases(_name)


def square_cases(name: str) -> None:
    """A matrix that can be inverted, of some size and of size 1."""

    def some(rng: np.random.Generator, K: int) -> list[Any]:
        return [invertible(rng, K)]

    def one(rng: np.random.Generator) -> list[Any]:
        return [invertible(rng, 1)]

    for build in (some, one):
        function_case(PATH, name, repeat=False)(build)


for _name in ("inverse", "determinant", "log_determinant"):
    square_cases(_name)


@function_case(PATH, "inverse", repeat=False)
def zeros_on_the_diagonal(rng: np.random.Generator, K: int) -> list[Any]:
    """Nothing works without swapping rows."""
    return [np.roll(np.diag(rng.uniform(1, 2, K + 1)), 1, axis=0)]


@function_case(PATH, "determinant", repeat=False, least={"K": 3})
def zeros_below(rng: np.random.Generator, K: int) -> list[Any]:
    return [np.triu(rng.uniform(1, 2, (K, K)))[::-1].copy()]


@function_case(PATH, "solve", repeat=False)
def one_question(rng: np.random.Generator, K: int) -> list[Any]:
    return [invertible(rng, K), rng.normal(size=K)]


@function_case(PATH, "solve", repeat=False)
def several_questions(rng: np.random.Generator, N: int, K: int) -> list[Any]:
    return [invertible(rng, K), rng.normal(size=(K, N))]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "Y comes twice in the product": ("matrices.inverse_backward:sign:Y = inverse(A) => Y = -inverse(A):0",),
    "i + j and i − j are both odd, or both even": ("matrices.cofactors:sign:(-1) ** (i + j) => (-1) ** (i - j):0",),
    "only the gradient with respect to the second factor is used, and it does not depend on that factor": (
        "matrices.Matrices.backward:sign:product_backward(dL_dP, A, self.X.data) => product_backward(dL_dP, A, -self.X.data):0",
        "matrices.Matrices.backward:scale:product_backward(dL_dP, A, self.X.data) => product_backward(dL_dP, A, 2 * self.X.data):0",
        "matrices.Matrices.backward:scale:product_backward(dL_dP, A, self.X.data) => product_backward(dL_dP, A, 0.5 * self.X.data):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
