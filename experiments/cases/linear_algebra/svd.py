"""Cases for manual/linear_algebra/svd.py. Singular values are at least 1.5 apart, so that vectors are not lost in rounding."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import experiments
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.function_case import function_case
from experiments.mutation.mutate import CHECKS, judge_concept

PATH = "linear_algebra.svd"


def with_singular_values(rng: np.random.Generator, m: int, n: int, S: np.ndarray) -> np.ndarray:
    """A random matrix (m, n) with these singular values."""
    U, _ = np.linalg.qr(rng.normal(size=(m, len(S))))
    V, _ = np.linalg.qr(rng.normal(size=(n, len(S))))
    return U * S @ V.T


def apart(rng: np.random.Generator, m: int, n: int) -> np.ndarray:
    """A random matrix (m, n) whose singular values are 2 or more, and 1.5 or more apart."""
    k = min(m, n)
    return with_singular_values(rng, m, n, 2 * np.arange(1, k + 1) + rng.uniform(0, 0.5, k))


def of_any_shape(name: str, **call: Any) -> None:
    """Cases of a function of one matrix: tall or wide, square, a single row, a single column."""

    def tall(rng: np.random.Generator, M: int) -> Built:
        return Built({}, [apart(rng, M + 2, 3)], call)

    def wide(rng: np.random.Generator, K: int) -> Built:
        return Built({}, [apart(rng, 3, K + 2)], call)

    def square(rng: np.random.Generator) -> Built:
        return Built({}, [apart(rng, 3, 3)], call)

    def row(rng: np.random.Generator, K: int) -> Built:
        return Built({}, [apart(rng, 1, K)], call)

    def column(rng: np.random.Generator, M: int) -> Built:
        return Built({}, [apart(rng, M, 1)], call)

    for build in (tall, wide, square, row, column):
        function_case(PATH, name, repeat=False)(build)


for _name in ("svd", "svdvals", "pinv", "cond"):
    of_any_shape(_name)
for _name in ("rank_k", "frobenius_error", "spectral_error"):
    of_any_shape(_name, k=1)


@function_case(PATH, "rank_k", repeat=False)
def two_of_four(rng: np.random.Generator, M: int) -> Built:
    return Built({}, [apart(rng, M + 3, 4)], {"k": 2})


@function_case(PATH, "rank_k", repeat=False)
def two_of_three(rng: np.random.Generator, K: int) -> Built:
    return Built({}, [apart(rng, 3, K + 2)], {"k": 2})


@function_case(PATH, "rank_k", repeat=False)
def all_and_more(rng: np.random.Generator, M: int, K: int) -> Built:
    """A itself."""
    return Built({}, [apart(rng, M, K)], {"k": 9})


@function_case(PATH, "rank_k", repeat=False)
def none(rng: np.random.Generator, M: int, K: int) -> Built:
    """The zero matrix."""
    return Built({}, [apart(rng, M, K)], {"k": 0})


@function_case(PATH, "frobenius_error", repeat=False)
def of_the_zero_matrix(rng: np.random.Generator, M: int, K: int) -> Built:
    """Nothing is kept: it is the length of A."""
    return Built({}, [apart(rng, M, K)], {"k": 0})


@function_case(PATH, "frobenius_error", repeat=False)
def without_two(rng: np.random.Generator, M: int) -> Built:
    return Built({}, [apart(rng, M + 3, 4)], {"k": 2})


@function_case(PATH, "frobenius_error", repeat=False, smooth=False)
def nothing_left_out(rng: np.random.Generator, M: int, K: int) -> Built:
    """The error is 0, which has a kink; only its subgradient 0 is judged."""
    return Built({}, [apart(rng, M, K)], {"k": 9})


@function_case(PATH, "spectral_error", repeat=False)
def no_more(rng: np.random.Generator, M: int, K: int) -> Built:
    """0, whatever A is."""
    return Built({}, [apart(rng, M, K)], {"k": 9})


@function_case(PATH, "pinv", repeat=False, smooth=False)
def of_less_than_full_rank(rng: np.random.Generator, M: int, K: int) -> list[Any]:
    """A column comes twice and a row is 0. Nearly every change raises the rank, so that no small change shows this gradient."""
    A = apart(rng, M + 1, K)
    A[rng.integers(M + 1)] = 0
    return [np.hstack([A, A[:, :1]])]


@function_case(PATH, "pinv", repeat=False, smooth=False)
def without_small_ones(rng: np.random.Generator, M: int, K: int) -> Built:
    """All but the largest singular value are left out, and what torch returns is not the slope: see the docstring."""
    k = min(M, K)
    return Built({}, [with_singular_values(rng, M, K, np.append(6.0, 0.5 * np.arange(1, k) / k))], {"rtol": 0.3}, differentiated=(0,))


@function_case(PATH, "svdvals", repeat=False, smooth=False)
def of_the_identity_over_zeros(rng: np.random.Generator, K: int) -> list[Any]:
    """Equal singular values, where the subgradient belongs to the vectors that are found: here the axes."""
    return [np.vstack([np.eye(K), np.zeros((2, K))])]


def judge_repeated_rows(seed: int) -> dict[str, float]:
    """The gradients of a batch in which rows of the image come more than once."""
    ours, theirs = experiments.twin("svd").build(seed)
    rng = np.random.default_rng(seed)
    batch = rng.integers(0, 5, 9), rng.normal(size=(9, len(ours.V)))
    ours.training_step(batch, 0)
    ours.backward(0.7)
    (0.7 * theirs.training_step(to_torch(batch), 0)).backward()
    return {name: error(getattr(ours, name).grad, p.grad) for name, p in theirs.named_parameters()}


CHECKS["svd.LowRank"] = [partial(judge_concept, "svd"), judge_repeated_rows]
