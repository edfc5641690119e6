"""Matrices: the rules, degenerate matrices, bad input, and that training ends at the inverse on both sides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from experiments.data.arrays import InputError
from experiments.judge.central import jacobian
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.linear_algebra import matrices as script
from experiments.linear_algebra.matrices import TWIN, RowsOfAMatrix
from experiments.lockstep import LockStep
from manual.linear_algebra import matrices as by_hand
from tests.helpers import whole_run
from torch_impl.linear_algebra import matrices as in_torch

SINGULAR = {
    "exactly": [[1.0, 2.0], [2.0, 4.0]],
    "up to rounding": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],
    "zeros": [[0.0, 0.0], [0.0, 0.0]],
    "first column": [[0.0, 1.0], [0.0, 2.0]],
}


def two(seed: int, m: int = 3, k: int = 4, n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Random A (m, k) and B (k, n)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, k)), rng.normal(size=(k, n))


# ---- the rules of the text -----------------------------------------------------------------------


def test_rules_of_the_product() -> None:
    A, B = two(0)
    assert error(by_hand.transpose(by_hand.product(A, B)), by_hand.product(B.T, A.T)) < 1e-15
    P, Q = two(1, 4, 4, 4)
    assert error(by_hand.product(P, Q), by_hand.product(Q, P)) > 0.5  # A B is not B A
    assert error(by_hand.inverse(P @ Q), by_hand.inverse(Q) @ by_hand.inverse(P)) < 1e-12
    assert error(by_hand.determinant(P @ Q), by_hand.determinant(P) * by_hand.determinant(Q)) < 1e-13
    assert error(by_hand.determinant(by_hand.inverse(P)), 1 / by_hand.determinant(P)) < 1e-12
    A, B = two(2, 3, 4, 3)
    assert error(by_hand.trace(A @ B), by_hand.trace(B @ A)) < 1e-13


@pytest.mark.parametrize("n", [1, 2, 3, 8, 30])
def test_inverse_solve_and_determinants_are_numpys(n: int) -> None:
    rng = np.random.default_rng(n)
    A, B = rng.normal(size=(n, n)), rng.normal(size=(n, n + 1))
    assert error(by_hand.inverse(A), np.linalg.inv(A)) < 1e-12
    assert error(by_hand.solve(A, B), np.linalg.solve(A, B)) < 1e-12
    assert error(by_hand.solve(A, B[:, 0]), np.linalg.solve(A, B[:, 0])) < 1e-12
    assert error(by_hand.determinant(A), np.linalg.det(A)) < 1e-12
    assert error(by_hand.log_determinant(A), np.linalg.slogdet(A)[1]) < 1e-12


def test_cofactors_are_the_fast_form() -> None:
    A, _ = two(3, 5, 5)
    assert error(by_hand.cofactors(A), np.linalg.det(A) * np.linalg.inv(A).T) < 1e-13


@pytest.mark.parametrize("shape", [(4, 4), (7, 5), (3, 8)])
def test_rank_is_numpys(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for r in range(min(shape) + 1):
        for scale in (1e-200, 1.0, 1e100):
            A = scale * rng.normal(size=(shape[0], r)) @ rng.normal(size=(r, shape[1]))
            assert by_hand.rank(A) == np.linalg.matrix_rank(A) == in_torch.rank(torch.from_numpy(A)) == r


def test_log_determinant_does_not_overflow() -> None:
    for scale in (1e-30, 1e30):
        A = scale * two(4, 20, 20)[0]
        assert error(by_hand.log_determinant(A), np.linalg.slogdet(A)[1]) < 1e-14
        assert error(by_hand.log_determinant_backward(2.0, A), 2 * np.linalg.inv(A).T) < 1e-12


def test_substitution_solves_triangular_systems() -> None:
    rng = np.random.default_rng(3)
    L, B = np.tril(rng.normal(size=(5, 5)), -1) + np.diag(rng.uniform(1, 2, 5)), rng.normal(size=(5, 2))
    assert error(L @ by_hand.substitute(L, B), B) < 1e-14
    assert error(L.T @ by_hand.substitute(L.T, B, upper=True), B) < 1e-14
    assert error(by_hand.substitute(L, B), torch.linalg.solve_triangular(*to_torch((L, B)), upper=False)) < 1e-14


# ---- degenerate matrices -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SINGULAR)
def test_singular_matrices(kind: str) -> None:
    A = np.array(SINGULAR[kind])
    tensor = torch.from_numpy(A)
    for refused in (
        lambda: by_hand.inverse(A),
        lambda: by_hand.solve(A, np.ones(len(A))),
        lambda: by_hand.log_determinant_backward(1.0, A),
    ):
        with pytest.raises(ValueError, match=r"A must be invertible, but up to rounding its column \d is a mix of the columns before it"):
            refused()
    assert by_hand.determinant(A) == pytest.approx(torch.linalg.det(tensor).item(), abs=1e-14)
    assert by_hand.log_determinant(A) == in_torch.log_determinant(tensor).item() or kind == "up to rounding"
    assert by_hand.rank(A) == in_torch.rank(tensor) < len(A)


@pytest.mark.parametrize("kind", SINGULAR)
def test_gradient_of_the_determinant_exists_where_there_is_no_inverse(kind: str) -> None:
    A = np.array(SINGULAR[kind])
    slopes = jacobian(np.linalg.det, A, h=1e-4)  # straight in each entry: nothing is cut off
    assert abs(by_hand.determinant_backward(1.0, A) - slopes).max() < 1e-9
    assert abs(slopes).max() > 0.5 or kind == "zeros"


@pytest.mark.skipif(not torch.__version__.startswith("2.13"), reason="the text says so of torch 2.13")
def test_torch_has_no_gradient_of_the_determinant_of_a_singular_matrix() -> None:
    A = torch.tensor(SINGULAR["exactly"], dtype=torch.float64, requires_grad=True)
    torch.linalg.det(A).backward()
    assert not A.grad.any()
    assert np.allclose(by_hand.determinant_backward(1.0, A.detach().numpy()), [[4, -2], [-2, 1]])


def test_units_do_not_make_a_matrix_singular() -> None:
    A = np.diag([1e-30, 1.0, 1e30])
    assert error(by_hand.inverse(A), np.diag([1e30, 1.0, 1e-30])) < 1e-15


def test_nearly_singular_is_solved_as_far_as_rounding_allows() -> None:
    hilbert = 1 / (np.arange(6)[:, None] + np.arange(6) + 1.0)  # its condition number is 1.5e7
    assert error(by_hand.inverse(hilbert), np.linalg.inv(hilbert)) < 1e-8


def test_nan_passes_through() -> None:
    A = np.array([[1.0, 2.0], [math.nan, 3.0]])
    assert np.isnan(by_hand.inverse(A)).any()
    assert np.isnan(by_hand.determinant(A))


def test_empty_matrices() -> None:
    nothing = np.zeros((0, 0))
    assert by_hand.determinant(nothing) == 1  # as torch
    assert by_hand.log_determinant(nothing) == by_hand.trace(nothing) == by_hand.rank(nothing) == 0
    assert by_hand.inverse(nothing).shape == (0, 0)


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    A, B = two(5)
    with pytest.raises(ValueError, match=r"product: A must have as many columns as B has rows, got \(3, 4\) and \(5, 4\)"):
        by_hand.product(A, B.T)
    with pytest.raises(ValueError, match=r"product: B must have 2 axes, got shape \(4,\)"):
        by_hand.product(A, B[:, 0])
    for name in ("inverse", "determinant", "log_determinant"):
        with pytest.raises(ValueError, match=rf"{name}: A must be square, got shape \(3, 4\)"):
            getattr(by_hand, name)(A)
    with pytest.raises(ValueError, match=r"solve: A must be square, got shape \(3, 4\)"):
        by_hand.solve(A, B)
    with pytest.raises(ValueError, match=r"solve: b must have as many rows as A, got \(3, 4\) and \(4, 4\)"):
        by_hand.solve(B[:, :4], A)
    with pytest.raises(TypeError, match="transpose: A must be floating point, got int64"):
        by_hand.transpose(np.eye(3, dtype=np.int64))
    with pytest.raises(
        ValueError, match=r"broadcast_add: a and b must have sizes that are equal or 1, from the last axis on, got \(3, 4\) and \(3,\)"
    ):
        by_hand.broadcast_add(A, A[:, 0])
    with pytest.raises(TypeError, match="broadcast_multiply: b must have the layer's dtype float64, got float32"):
        by_hand.broadcast_multiply(A, A.astype(np.float32))
    A[1, 2] = math.inf
    with pytest.raises(ValueError, match="rank: A must be finite"):
        by_hand.rank(A)
    with pytest.raises(InputError, match=r"--data\.condition must be at least 1, got nan"):
        RowsOfAMatrix(condition=math.nan)


# ---- training ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=1)
    rng = np.random.default_rng(0)
    seven, four = ((rng.normal(size=(n, 5)), rng.normal(size=(n, 5))) for n in (7, 4))
    check_grads(ours, seven, again=four, torch=theirs)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_ends_at_the_inverse_on_both_sides(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    A, _ = TWIN.make_data().split.val
    assert lockstep.judge.passed, lockstep.judge.failure
    assert np.linalg.svd(A, compute_uv=False) == pytest.approx(np.linspace(2, 0.5, 5))  # what the docstrings say
    for X in (lockstep.hand.model.X.data, to_numpy(theirs.X)):
        for best in (by_hand.inverse(A), np.linalg.inv(A), torch.linalg.inv(torch.from_numpy(A))):
            assert error(X, best) < 1e-12


def test_limit_of_the_step_size_is_a_quarter() -> None:
    batch = TWIN.make_data().split.train
    for lr, arrives in ((0.24, True), (0.26, False)):
        ours, _ = TWIN.build()
        losses = []
        for _ in range(200):
            losses.append(ours.training_step(batch, 0))
            ours.backward()
            ours.X -= lr * ours.X.grad
            ours.zero_grad()
        assert losses[-1] < 1e-6 * losses[0] if arrives else losses[-1] > 1e3 * losses[0]


def test_figures_show_areas_and_convergence(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["area is the determinant", "A B is not B A", "the inverse that was found", "reaching the inverse"]
    for ax in drawn["area is the determinant"].axes:
        x, y = ax.patches[1].get_xy()[:4].T
        area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2  # the shoelace formula
        assert area == pytest.approx(abs(float(ax.get_title().split("det ")[1].split(",")[0].replace("−", "-"))), abs=0.006)
