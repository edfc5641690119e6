"""Cases for manual/linear_algebra/svd.py. Singular values are at least 1.5 apart, so that vectors are not lost in rounding."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import experiments
from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by

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
    sides: tuple[Any, Any] = experiments.twin("svd").build(seed)
    ours, theirs = sides
    rng = np.random.default_rng(seed)
    batch = rng.integers(0, 5, 9), rng.normal(size=(9, len(ours.V)))
    ours.training_step(batch, 0)
    ours.backward(0.7)
    (0.7 * theirs.training_step(to_torch(batch), 0)).backward()
    return {name: error(getattr(ours, name).grad, p.grad) for name, p in theirs.named_parameters()}


judged_by("svd.LowRank", partial(judge_concept, "svd"), judge_repeated_rows)


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "any scale does for ordinary numbers, and nobody else has the array; that of others is in tests/nn/test_binary_scale.py": (
        "svd.svd_backward:sign:binary_scale(S) => -binary_scale(S):0",
        "svd.svd_backward:scale:binary_scale(S) => 2 * binary_scale(S):0",
        "svd.svd_backward:scale:binary_scale(S) => 0.5 * binary_scale(S):0",
        "svd.svd_backward:saved:binary_scale(S) => binary_scale(U):0",
        "svd.svd_backward:saved:binary_scale(S) => binary_scale(Vh):0",
        "svd.rank_k_backward:inplace:S = S / binary_scale(S) => S /= binary_scale(S):0",
        "svd.rank_k_backward:delete:S = S / binary_scale(S) => pass:0",
        "svd.rank_k_backward:scale:S / binary_scale(S) => 2 * (S / binary_scale(S)):0",
        "svd.rank_k_backward:scale:S / binary_scale(S) => 0.5 * (S / binary_scale(S)):0",
        "svd.rank_k_backward:factor:S / binary_scale(S) => S:0",
        "svd.rank_k_backward:factor:S / binary_scale(S) => S * binary_scale(S):0",
        "svd.rank_k_backward:saved:binary_scale(S) => binary_scale(U):0",
        "svd.rank_k_backward:saved:binary_scale(S) => binary_scale(Vh):0",
    ),
    "singular vectors do not know how long A is": (
        "svd.cond_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 2 * A):0",
        "svd.cond_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 0.5 * A):0",
        "svd.frobenius_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 2 * A):0",
        "svd.frobenius_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 0.5 * A):0",
        "svd.spectral_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 2 * A):0",
        "svd.spectral_error_backward:scale:svdvals_backward(dL_dS, A) => svdvals_backward(dL_dS, 0.5 * A):0",
    ),
    "the gradient of a length is a direction, which does not know how long it was": (
        "svd.frobenius_error_backward:scale:S = svdvals(A) => S = 2 * svdvals(A):0",
        "svd.frobenius_error_backward:scale:S = svdvals(A) => S = 0.5 * svdvals(A):0",
        "svd.frobenius_error_backward:scale:l2_norm_backward(dL_de, S[k:]) => l2_norm_backward(dL_de, 2 * S[k:]):0",
        "svd.frobenius_error_backward:scale:l2_norm_backward(dL_de, S[k:]) => l2_norm_backward(dL_de, 0.5 * S[k:]):0",
    ),
    "U Uᵀ, YᵀY and the projection A Y are symmetric": (
        "svd.rank_k_backward:transpose:U[:, :k] @ U[:, :k].T @ (dL_dY - dL_dY @ Vh.T @ Vh)"
        " => (U[:, :k] @ U[:, :k].T).T @ (dL_dY - dL_dY @ Vh.T @ Vh):0",
        "svd.pinv_backward:transpose:D - A @ Y @ D => D - (A @ Y).T @ D:0",
        "svd.pinv_backward:transpose:Y.T @ Y @ (D - D @ Y @ A) => (Y.T @ Y).T @ (D - D @ Y @ A):0",
    ),
    "what is not between is multiplied by 0": (
        "svd.rank_k_backward:constant:np.where(between, (larger - smaller) * (larger + smaller), 1)"
        " => np.where(between, (larger - smaller) * (larger + smaller), 2):0",
    ),
    "every row of U has the same, as S has": ("svd.svd_backward:saved:np.zeros_like(S) => np.zeros_like(U):0",),
    "S is as long as Vh": ("svd.rank_k_backward:saved:np.arange(len(S)) => np.arange(len(Vh)):0",),
    "nothing is exactly as large as the rounding, but in the zero matrix, at which tests/linear_algebra/test_svd.py looks": (
        "svd.svd_backward:edge:np.abs(S - S[:, None]) > rounding_of(A) => np.abs(S - S[:, None]) >= rounding_of(A):0",
        "svd.svd_backward:edge:rounding_of(A) < S => rounding_of(A) <= S:0",
    ),
    "the two have one length, one shape and one dtype": (
        "svd.LowRank.backward:saved:dL_dloss * 2 * (P - row) / row.size => dL_dloss * 2 * (P - row) / P.size:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
