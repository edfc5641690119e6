"""Eigenvectors: what they are, degenerate matrices, bad input, and that training ends at the leading one on both sides."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.decomposition import PCA

from experiments.judge.central import along
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.linear_algebra import eigen as script
from experiments.linear_algebra.eigen import TWIN
from experiments.lockstep import LockStep
from manual.linear_algebra import eigen as by_hand
from tests.helpers import whole_run
from torch_impl.linear_algebra import eigen as in_torch


def symmetric(seed: int, n: int) -> np.ndarray:
    """A random symmetric matrix."""
    A = np.random.default_rng(seed).normal(size=(n, n))
    return A + A.T


# ---- what they are -------------------------------------------------------------------------------


def test_the_text_is_right() -> None:
    λ, V = by_hand.eig(np.array([[4.0, 2.0], [1.0, 3.0]]))
    assert pytest.approx([2, 5]) == λ
    assert error(V, np.array([[1, 2], [-1, 1]]) / np.sqrt([2, 5])) < 1e-15
    for A in (symmetric(0, 5), symmetric(1, 6)):
        λ, V = by_hand.eigh(A)
        assert λ.sum() == pytest.approx(A.trace())
        assert λ.prod() == pytest.approx(np.linalg.det(A))
        assert error(V * λ @ V.T, A) < 1e-13


@pytest.mark.parametrize("shape", [(5, 5), (6, 4), (3, 5), (4, 1), (1, 3)])
def test_qr_is_an_orthogonal_and_a_triangular_matrix(shape: tuple[int, int]) -> None:
    A = np.random.default_rng(0).normal(size=shape)
    Q, R = by_hand.qr(A)
    assert error(Q @ R, A) < 1e-14
    assert error(Q.T @ Q, np.eye(min(shape))) < 1e-14
    assert not np.tril(R, -1).any()
    assert error(abs(R), abs(np.linalg.qr(A)[1])) < 1e-13


def test_qr_of_a_matrix_without_full_rank() -> None:
    A = np.outer([0.0, 1.0, 2.0, 0.0], [0.0, 3.0, -1.0])
    Q, R = by_hand.qr(A)
    assert error(Q @ R, A) < 1e-14
    assert error(Q.T @ Q, np.eye(3)) < 1e-14


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_eigh_is_numpys(n: int) -> None:
    for scale in (1e-100, 1.0, 1e100):
        A = scale * symmetric(n, n)
        λ, V = by_hand.eigh(A)
        assert error(λ, np.linalg.eigvalsh(A)) < 1e-13
        assert error(A @ V, V * λ) < 1e-12
        assert error(V.T @ V, np.eye(n)) < 1e-12


def test_eigh_of_many_small_integer_matrices() -> None:
    """Full of equal eigenvalues, zeros and symmetries, on which an iteration could go in circles."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(2, 8))
        A = np.tril(rng.integers(-1, 2, (n, n))).astype(float)
        A += A.T
        λ, V = by_hand.eigh(A)
        assert np.allclose(λ, np.linalg.eigvalsh(A), atol=1e-12)
        assert np.allclose(A @ V, V * λ, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20])
def test_eig_is_numpys(n: int) -> None:
    rng = np.random.default_rng(n)
    V = rng.normal(size=(n, n)) + 3 * np.eye(n)
    A = V * rng.permutation(np.arange(n) - 1.5) @ np.linalg.inv(V)
    λ, vectors = by_hand.eig(A)
    assert error(λ, np.sort(np.linalg.eigvals(A).real)) < 1e-11
    assert error(A @ vectors, vectors * λ) < 1e-11
    assert np.linalg.norm(vectors, axis=0) == pytest.approx(np.ones(n))


def test_power_iteration_finds_the_largest_in_size() -> None:
    A = symmetric(3, 6) - 5 * np.eye(6)
    λ, V = by_hand.eigh(A)
    found, v = by_hand.power_iteration(A, np.ones(6), 400)
    assert abs(λ[0]) > abs(λ[-1])  # it is a negative one
    assert found == pytest.approx(λ[0], rel=1e-12)
    assert abs(v @ V[:, 0]) == pytest.approx(1, rel=1e-12)
    before = [abs(by_hand.power_iteration(A, np.ones(6), k)[0] - λ[0]) for k in (40, 41)]
    assert before[1] / before[0] == pytest.approx((λ[1] / λ[0]) ** 2, rel=0.1)  # the eigenvalue settles as the square of the angle


# ---- gradients -----------------------------------------------------------------------------------


def test_gradient_of_an_eigenvalue_is_v_v() -> None:
    A = symmetric(4, 5)
    _, V = by_hand.eigh(A)
    for j in range(5):
        gradient = by_hand.eigh_backward(np.eye(5)[j], np.zeros((5, 5)), A)
        assert error(gradient, np.outer(V[:, j], V[:, j])) < 1e-13


def test_jacobians_are_torchs() -> None:
    A = symmetric(5, 4)
    J = torch.func.jacrev(in_torch.eigh)(torch.from_numpy(A))
    for of, theirs in enumerate(J):
        for at in np.ndindex(theirs.shape[:-2]):
            upstream = [np.zeros(4), np.zeros((4, 4))]
            upstream[of][at] = 1
            assert error(by_hand.eigh_backward(*upstream, A), theirs[at]) < 1e-12


# ---- degenerate matrices -------------------------------------------------------------------------


def test_gradient_of_an_eigenvector_of_a_repeated_eigenvalue_does_not_exist() -> None:
    A = np.diag([2.0, 2.0, 1.0])
    dL_dV = np.zeros((3, 3))
    dL_dV[:, 1] = [0.3, -1.0, 0.7]
    for backward in (by_hand.eigh_backward, by_hand.eig_backward):
        with pytest.raises(ValueError, match="the gradient of eigenvector 1 does not exist: its eigenvalue 2 comes more than once"):
            backward(np.zeros(3), dL_dV, A)
    leaf = torch.from_numpy(A).requires_grad_()
    (torch.linalg.eigh(leaf).eigenvectors * torch.from_numpy(dL_dV)).sum().backward()
    assert leaf.grad.isnan().all()  # what torch has to say


def test_gradients_that_exist_beside_a_repeated_eigenvalue() -> None:
    Q, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(4, 4)))
    A = Q * np.array([2.0, 2.0, 2.0, 5.0]) @ Q.T
    rng = np.random.default_rng(7)
    upstream, tilt = rng.normal(size=4), rng.normal(size=(4, 4))
    dL_dV = np.zeros((4, 4))
    dL_dV[:, 3] = upstream
    gradient = by_hand.eigh_backward(np.zeros(4), dL_dV, A)
    moved = along(lambda A: upstream @ by_hand.eigh(A)[1][:, 3], (A,), (tilt,))
    assert (gradient * tilt).sum() == pytest.approx(moved, rel=1e-7)
    assert error(by_hand.eigh_backward(np.ones(4), np.zeros((4, 4)), A), np.eye(4)) < 1e-13  # the trace


@pytest.mark.parametrize("A", [[[0, -1], [1, 0]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[3, 0, 0], [0, 1, -2], [0, 2, 1]]])
def test_complex_eigenvalues_are_refused(A: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"the eigenvalues of A must be real, but some are complex \(A turns a plane\)"):
        by_hand.eig(np.array(A, dtype=float))
    assert np.iscomplex(np.linalg.eigvals(np.array(A))).any()


def test_missing_eigenvectors_are_refused_and_repeated_ones_are_not() -> None:
    with pytest.raises(ValueError, match="eig: A must have 3 eigenvectors, but its eigenvalue 2 comes twice, with one eigenvector"):
        by_hand.eig(np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 3.0]]))
    A = np.array([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 0.0, 3.0]])
    λ, V = by_hand.eig(A)
    assert λ.tolist() == [2, 2, 3]
    assert error(A @ V, V * λ) < 1e-15
    assert np.linalg.matrix_rank(V) == 3


@pytest.mark.parametrize("A", [np.zeros((3, 3)), np.eye(3), np.array([[0.0, 1.0], [1.0, 0.0]]), np.ones((4, 4)) - np.eye(4)])
def test_zero_identity_and_swap(A: np.ndarray) -> None:
    for function in (by_hand.eigh, by_hand.eig):
        λ, V = function(A)
        assert pytest.approx(np.linalg.eigvalsh(A), abs=1e-14) == λ
        assert np.allclose(A @ V, V * λ, atol=1e-14)
        assert np.linalg.matrix_rank(V) == len(A)


def test_empty_matrix() -> None:
    λ, V = by_hand.eigh(np.zeros((0, 0)))
    assert (λ.shape, V.shape) == ((0,), (0, 0))
    assert by_hand.eigh_backward(λ, V, np.zeros((0, 0))).shape == (0, 0)


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    A = symmetric(8, 3)
    for name in ("eigh", "eig"):
        with pytest.raises(ValueError, match=rf"{name}: A must be square, got shape \(3, 2\)"):
            getattr(by_hand, name)(A[:, :2])
        with pytest.raises(ValueError, match=f"{name}: A must be finite"):
            getattr(by_hand, name)(np.where(np.eye(3), math.nan, A))
        with pytest.raises(TypeError, match=f"{name}: A must be floating point, got int64"):
            getattr(by_hand, name)(np.eye(3, dtype=np.int64))
    with pytest.raises(ValueError, match=r"rayleigh: v must be as long as A has rows, got \(2,\) and \(3, 3\)"):
        by_hand.rayleigh(A, np.ones(2))
    with pytest.raises(ValueError, match="rayleigh: v must not be the zero vector, which has no direction"):
        by_hand.rayleigh(A, np.zeros(3))
    with pytest.raises(ValueError, match="rayleigh: v must not be the zero vector, which has no direction"):
        by_hand.power_iteration(np.diag([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), 2)  # A has squashed it


# ---- training ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=1)
    rng = np.random.default_rng(0)
    check_grads(ours, (rng.normal(size=(7, 64)),), again=(rng.normal(size=(4, 64)),), torch=theirs)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_ends_at_the_leading_eigenvector_on_both_sides(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    (x,) = TWIN.make_data().split.train
    assert x.shape == (1438, 64)
    assert lockstep.judge.passed, lockstep.judge.failure
    λ, V = by_hand.eigh(by_hand.covariance(x))
    first = PCA(1).fit(x).components_[0]
    for v in (lockstep.hand.model.v.data, to_numpy(theirs.v)):
        v = v / np.linalg.norm(v)
        for best in (V[:, -1], np.linalg.eigh(by_hand.covariance(x))[1][:, -1], first):
            assert error(v * np.sign(v @ best), best) < 1e-10
    for loss in (lockstep.records[-1].loss_manual, lockstep.records[-1].loss_torch):
        assert -loss == pytest.approx(λ[-1], rel=1e-13)


def test_figures_are_drawn(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == [
        "directions that only stretch",
        "stretch in every direction",
        "where digits differ most",
        "reaching the eigenvector",
    ]
    curve, *dots = (
        line.get_xydata()
        for line in drawn["stretch in every direction"].axes[0].lines
        if len(line.get_xydata()) != 2 or line.get_marker() == "o"
    )
    assert curve[:, 1].max() == pytest.approx(4)
    assert [dot[0, 1] for dot in dots] == pytest.approx([1, 4])
    for dot in dots:
        assert np.interp(dot[:, 0], *curve.T) == pytest.approx(dot[:, 1], rel=1e-4)
