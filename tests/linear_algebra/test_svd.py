"""Singular values: what they are, the nearest matrix of rank k, degenerate matrices, and that training ends at the truncated SVD."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import scipy.linalg
import torch

from experiments.drawing.walk import walk_by_hand
from experiments.judge.central import along
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.linear_algebra import svd as script
from experiments.linear_algebra.svd import TWIN
from experiments.lockstep import LockStep
from manual.linear_algebra import svd as by_hand
from manual.linear_algebra.matrices import rank, solve
from tests.helpers import whole_run
from torch_impl.linear_algebra import svd as in_torch

SHAPES = [(5, 3), (3, 5), (4, 4), (1, 4), (4, 1), (17, 20)]


def random(seed: int, *shape: int) -> np.ndarray:
    """Random numbers of this shape."""
    return np.random.default_rng(seed).normal(size=shape)


def with_singular_values(seed: int, m: int, n: int, *S: float) -> np.ndarray:
    """A random matrix (m, n) with these singular values."""
    U, _ = np.linalg.qr(random(seed, m, len(S)))
    V, _ = np.linalg.qr(random(seed + 1, n, len(S)))
    return U * np.array(S) @ V.T


def expect_decomposition(A: np.ndarray) -> None:
    """U, S and Vh are what they should be, and S is SciPy's."""
    U, S, Vh = by_hand.svd(A)
    k, size = min(A.shape), np.abs(A).max(initial=0) or 1
    assert (U.shape, S.shape, Vh.shape) == ((A.shape[0], k), (k,), (k, A.shape[1]))
    assert np.allclose(U * (S / size) @ Vh, A / size, atol=1e-13)
    assert np.allclose(U.T @ U, np.eye(k), atol=1e-13)
    assert np.allclose(Vh @ Vh.T, np.eye(k), atol=1e-13)
    assert (S[:-1] >= S[1:]).all()
    assert (S >= 0).all()
    if A.size:
        assert np.allclose(S / size, scipy.linalg.svdvals(A / size), atol=1e-13)


# ---- the decomposition ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_svd_is_scipys(shape: tuple[int, int], scale: float) -> None:
    expect_decomposition(scale * random(0, *shape))


def test_svd_of_many_small_integer_matrices() -> None:
    """Full of equal singular values, zeros and symmetries."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        expect_decomposition(rng.integers(-1, 2, rng.integers(1, 8, 2)).astype(float))


@pytest.mark.parametrize(
    "A",
    [
        np.zeros((4, 3)),
        np.zeros((2, 5)),
        np.eye(4),
        np.ones((3, 5)),
        np.diag([1.0, 1e-200, 0.0]),
        np.outer([1.0, 2.0, 0.0], [3.0, 0.0, -1.0, 1.0]),
        np.zeros((0, 3)),
        np.zeros((3, 0)),
    ],
    ids=["zero", "zero, wide", "identity", "ones", "vanishing", "rank 1", "no rows", "no columns"],
)
def test_svd_of_degenerate_matrices(A: np.ndarray) -> None:
    expect_decomposition(A)


def test_the_text_is_right() -> None:
    A = random(1, 4, 4)
    U, S, Vh = by_hand.svd(A)
    assert (S**2).sum() == pytest.approx((A**2).sum(), rel=1e-13)
    assert S.prod() == pytest.approx(abs(np.linalg.det(A)), rel=1e-12)
    v = random(2, 4, 500)
    stretch = np.linalg.norm(A @ v, axis=0) / np.linalg.norm(v, axis=0)
    assert 0.95 * S[0] < stretch.max() <= S[0]
    assert error(A @ Vh.T, U * S) < 1e-14
    assert pytest.approx(np.linalg.eigvalsh(A.T @ A)[::-1], rel=1e-11) == S**2


def test_by_gram_half_of_the_digits_are_lost_and_by_turning_columns_they_are_not() -> None:
    A, S = script.exactly_known()
    assert np.array_equal(A, A.T)
    assert pytest.approx(S, abs=2e-15) == by_hand.svdvals(A)  # what is lost is the rounding of the largest
    gram = by_hand.svdvals_by_gram(A)
    assert (np.abs(gram - S) / S)[S < 1e-8].min() > 0.1  # not one digit is right
    assert np.abs(gram - S).max() > 1e-9
    assert np.abs(to_numpy(in_torch.svdvals_by_gram(torch.from_numpy(A))) - S).max() > 1e-9
    well = random(3, 6, 4)
    assert error(by_hand.svdvals_by_gram(well), np.linalg.svd(well, compute_uv=False)) < 1e-13


def test_columns_that_differ_in_length_alone_cost_no_digits() -> None:
    """Demmel & Veselić: multiplying columns by powers of 10 does not spoil the small singular values. mpmath knows them to 60 digits."""
    mpmath = pytest.importorskip("mpmath")
    A = random(4, 9, 6) * 10.0 ** -np.arange(0, 18, 3)
    with mpmath.workdps(60):
        exact = np.array([float(σ) for σ in mpmath.svd_r(mpmath.matrix(A.tolist()), compute_uv=False)])
    assert exact[-1] < 1e-14 * exact[0]
    assert np.abs(by_hand.svdvals(A) / exact - 1).max() < 1e-14


# ---- gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3)])
def test_jacobian_of_the_svd_is_torchs_and_that_of_central_differences(shape: tuple[int, int]) -> None:
    A, dA = with_singular_values(5, *shape, 4.0, 2.5, 1.2), random(6, *shape)
    theirs = torch.func.jacrev(in_torch.svd)(torch.from_numpy(A))
    zeros = [np.zeros_like(out) for out in by_hand.svd(A)]
    for of, J in enumerate(theirs):
        moved = along(lambda A, of=of: by_hand.svd(A)[of], (A,), (dA,))
        for at in np.ndindex(J.shape[:-2]):
            upstream = [zero.copy() for zero in zeros]
            upstream[of][at] = 1
            row = by_hand.svd_backward(*upstream, A)
            assert error(row, J[at]) < 1e-12
            assert (row * dA).sum() == pytest.approx(moved[at], rel=1e-6, abs=1e-8)


def test_gradient_of_a_singular_value_is_u_v() -> None:
    A = random(7, 4, 3)
    U, _, Vh = by_hand.svd(A)
    for j in range(3):
        assert error(by_hand.svdvals_backward(np.eye(3)[j], A), np.outer(U[:, j], Vh[j])) < 1e-14


def test_gradient_of_the_error_points_away_from_the_nearest_matrix() -> None:
    A = random(8, 5, 4)
    away = A - by_hand.rank_k(A, 2)
    assert error(by_hand.frobenius_error_backward(1.7, A, 2), 1.7 * away / np.linalg.norm(away)) < 1e-13


def test_hessian_of_the_squared_error_is_torchs() -> None:
    """Half the squared error has the gradient A − rank_k(A, k), and so the Hessian I − the Jacobian of rank_k."""
    A = with_singular_values(9, 3, 4, 5.0, 3.0, 1.5)
    H = torch.func.jacrev(torch.func.jacrev(lambda A: in_torch.frobenius_error(A, 2) ** 2 / 2))(torch.from_numpy(A))
    for at in np.ndindex(A.shape):
        upstream = np.zeros(A.shape)
        upstream[at] = 1
        assert error(upstream - by_hand.rank_k_backward(upstream, A, 2), H[at]) < 1e-12


# ---- the nearest matrix of rank k ----------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_rank_k_is_the_nearest_as_eckart_and_young_say(shape: tuple[int, int]) -> None:
    A = random(10, *shape)
    U, S, Vt = np.linalg.svd(A, full_matrices=False)
    rng = np.random.default_rng(11)
    for k in range(6):
        best = by_hand.rank_k(A, k)
        assert np.linalg.matrix_rank(best) == min(k, 4)
        assert np.allclose(best, U[:, :k] * S[:k] @ Vt[:k], atol=1e-14)
        assert by_hand.frobenius_error(A, k) == pytest.approx(np.linalg.norm(A - best), abs=1e-14)
        assert by_hand.spectral_error(A, k) == pytest.approx(np.linalg.norm(A - best, 2), abs=1e-14)
        for _ in range(20):  # no other of that rank is nearer, be it far away or next to the best
            for size in (1.0, 0.01):
                left, right = (M + size * rng.normal(size=M.shape) for M in (U[:, :k], S[:k, None] * Vt[:k]))
                assert np.linalg.norm(A - left @ right) >= by_hand.frobenius_error(A, k) - 1e-14


def test_gradient_of_rank_k_where_kept_singular_values_are_equal_exists() -> None:
    check_grads(by_hand.rank_k, [with_singular_values(12, 5, 4, 3.0, 3.0, 1.0, 1.0), 2], backward=by_hand.rank_k_backward)
    leaf = torch.diag(torch.tensor([3.0, 3.0, 1.0], dtype=torch.float64)).requires_grad_()
    in_torch.rank_k(leaf, 2).sum().backward()
    assert leaf.grad.isnan().all()  # autograd divides by the gap of two that are both kept


def test_gradient_of_rank_k_does_not_exist_where_the_next_singular_value_is_equal() -> None:
    A = np.diag([3.0, 2.0, 2.0])
    with pytest.raises(ValueError, match="rank_k_backward: the gradient does not exist: singular values 1 and 2 are both 2"):
        by_hand.rank_k_backward(np.ones((3, 3)), A, 2)
    h = 1e-9  # the least change picks another matrix
    assert np.abs(by_hand.rank_k(A + np.diag([0, h, 0]), 2) - by_hand.rank_k(A + np.diag([0, 0, h]), 2)).max() > 1
    leaf = torch.from_numpy(A).requires_grad_()
    in_torch.rank_k(leaf, 2).sum().backward()
    assert leaf.grad.isnan().all()


# ---- rank, pseudo-inverse, condition number ------------------------------------------------------


@pytest.mark.parametrize(
    "A", [random(15, 5, 3), random(16, 3, 5), with_singular_values(17, 6, 4, 2.0, 1.0), np.zeros((3, 2)), np.ones((2, 3))]
)
def test_pinv_is_numpys_torchs_and_what_penrose_asks_for(A: np.ndarray) -> None:
    Y = by_hand.pinv(A)
    for product, same in ((A @ Y @ A, A), (Y @ A @ Y, Y), (A @ Y, (A @ Y).T), (Y @ A, (Y @ A).T)):
        assert np.allclose(product, same, atol=1e-13)
    assert np.allclose(Y, np.linalg.pinv(A), atol=1e-13)
    assert np.allclose(Y, in_torch.pinv(torch.from_numpy(A)), atol=1e-13)
    found = by_hand.matrix_rank(A)
    assert found == np.linalg.matrix_rank(A) == in_torch.matrix_rank(torch.from_numpy(A)) == rank(A)


def test_pinv_gives_the_shortest_of_the_best_solutions() -> None:
    A, b = with_singular_values(18, 6, 5, 3.0, 2.0, 1.0), random(19, 6)
    x, _, found, _ = np.linalg.lstsq(A, b, rcond=None)
    assert found == 3
    assert error(by_hand.pinv(A) @ b, x) < 1e-13
    square = random(20, 4, 4)
    assert error(by_hand.pinv(square) @ b[:4], solve(square, b[:4])) < 1e-12


def test_where_the_cut_of_pinv_is_and_that_numpys_is_elsewhere() -> None:
    A = np.diag([1.0, 5e-15, *np.zeros(28)])  # 30 rows: torch cuts at 30 eps = 6.7e-15, numpy at 1e-15
    assert by_hand.pinv(A).max() == to_numpy(in_torch.pinv(torch.from_numpy(A))).max() == 1
    assert np.linalg.pinv(A).max() == pytest.approx(2e14)
    assert by_hand.pinv(A, rtol=1e-15).max() == pytest.approx(2e14)
    assert by_hand.matrix_rank(A) == np.linalg.matrix_rank(A) == 1
    assert by_hand.matrix_rank(A, rtol=1e-15) == in_torch.matrix_rank(torch.from_numpy(A), rtol=1e-15) == 2
    assert by_hand.matrix_rank(np.diag([1.0, 0.5]), rtol=0.5) == 1  # above, not at


def test_the_gradient_of_pinv_is_that_of_changes_that_keep_the_rank() -> None:
    left, right, upstream = random(21, 5, 2), random(22, 2, 4), random(23, 4, 5)
    d_left, d_right = random(24, 5, 2), random(25, 2, 4)
    gradient = by_hand.pinv_backward(upstream, left @ right)
    moved = along(lambda left, right: (upstream * by_hand.pinv(left @ right)).sum(), (left, right), (d_left, d_right))
    assert (gradient * (d_left @ right + left @ d_right)).sum() == pytest.approx(moved, rel=1e-7)
    raised = left @ right + 1e-6 * random(26, 5, 4)
    assert np.abs(by_hand.pinv(raised)).max() > 1e4  # any other change: a jump


def test_where_pinv_leaves_out_what_is_not_0_the_slope_is_had_by_the_chain_rule_and_torch_has_not_got_it() -> None:
    A, upstream, dA = with_singular_values(27, 4, 3, 5.0, 4.0, 0.5), random(28, 3, 4), random(29, 4, 3)
    moved = along(lambda A: (upstream * by_hand.pinv(A, rtol=0.3)).sum(), (A,), (dA,))
    nearest = by_hand.rank_k(A, 2)
    gradient = by_hand.rank_k_backward(by_hand.pinv_backward(upstream, nearest), A, 2)
    assert (gradient * dA).sum() == pytest.approx(moved, rel=1e-7)
    leaf = torch.from_numpy(A).requires_grad_()
    (in_torch.pinv(leaf, rtol=0.3) * torch.from_numpy(upstream)).sum().backward()
    assert error(by_hand.pinv_backward(upstream, A, rtol=0.3), leaf.grad) < 1e-13
    assert abs((leaf.grad.numpy() * dA).sum() / moved - 1) > 0.01


def test_cond_is_numpys_and_how_much_an_error_can_grow() -> None:
    A = with_singular_values(30, 4, 4, 6.0, 3.0, 2.0, 0.01)
    κ = by_hand.cond(A)
    assert pytest.approx(np.linalg.cond(A), rel=1e-11) == κ
    assert κ == pytest.approx(600, rel=1e-11)
    U, _, _ = by_hand.svd(A)
    b, db = U[:, 0], 1e-6 * U[:, -1]
    x, moved = solve(A, b), solve(A, b + db)
    assert np.linalg.norm(moved - x) / np.linalg.norm(x) == pytest.approx(κ * 1e-6, rel=1e-6)
    assert by_hand.cond(random(31, 4, 2)) == pytest.approx(np.linalg.cond(random(31, 4, 2)), rel=1e-13)


def test_cond_of_singular_matrices() -> None:
    with np.errstate(all="raise"):
        assert by_hand.cond(np.diag([2.0, 0.0])) == math.inf == in_torch.cond(torch.diag(torch.tensor([2.0, 0.0]))).item()
        assert math.isnan(by_hand.cond(np.zeros((3, 2))))
    assert in_torch.cond(torch.zeros(3, 2)).isnan()
    assert np.linalg.cond(np.zeros((3, 2))) == math.inf
    for A in (np.arange(9.0).reshape(3, 3), np.ones((2, 2))):
        assert by_hand.cond(A) > 1e15
        assert np.linalg.cond(A) > 1e15
    leaf = torch.zeros(2, 2, requires_grad=True)
    in_torch.cond(leaf).backward()
    assert leaf.grad.isnan().all()
    for A, least in ((np.diag([2.0, 0.0]), "0"), (np.arange(9.0).reshape(3, 3), ".*e-")):
        with pytest.raises(ValueError, match=f"cond_backward: A must have full rank, but its smallest singular value is {least}"):
            by_hand.cond_backward(1.7, A)


# ---- gradients that do not exist -----------------------------------------------------------------


@pytest.mark.parametrize("of", ["U", "Vh"])
def test_gradient_of_the_vectors_of_a_repeated_singular_value_does_not_exist(of: str) -> None:
    A = np.diag([2.0, 2.0, 1.0])
    upstream = {"U": np.zeros((3, 3)), "S": np.zeros(3), "Vh": np.zeros((3, 3))}
    at = (slice(None), 1) if of == "U" else 1
    upstream[of][at] = [0.3, -1.0, 0.7]
    with pytest.raises(ValueError, match=r"singular vectors 1 does not exist: their singular value 2 comes more than once"):
        by_hand.svd_backward(*upstream.values(), A)
    leaf = torch.from_numpy(A).requires_grad_()
    outputs = dict(zip(upstream, in_torch.svd(leaf), strict=True))
    (outputs[of] * torch.from_numpy(upstream[of])).sum().backward()
    assert leaf.grad.isnan().all()  # what torch has to say


def test_gradient_of_the_vectors_of_a_singular_value_of_0_does_not_exist() -> None:
    upstream = np.zeros((4, 3)), np.zeros(3), np.zeros((3, 3))
    upstream[0][:, 2] = 1
    A = np.vstack([np.diag([2.0, 1.0, 0.0]), np.zeros((1, 3))])
    message = "singular vectors 2 does not exist: their singular value is 0 up to rounding"
    with pytest.raises(ValueError, match=message):
        by_hand.svd_backward(*upstream, A)
    leaf = torch.from_numpy(A).requires_grad_()
    in_torch.svd(leaf)[0][:, 2].sum().backward()
    assert leaf.grad.isnan().all()
    square = np.diag([2.0, 1.0, 0.0])
    with pytest.raises(ValueError, match=message):
        by_hand.svd_backward(np.ones((3, 3)) * [0, 0, 1], np.zeros(3), np.zeros((3, 3)), square)
    leaf = torch.from_numpy(square).requires_grad_()
    in_torch.svd(leaf)[0][:, 2].sum().backward()
    assert leaf.grad.isfinite().all()  # but the least change may turn u round:
    h = np.diag([0, 0, 1e-9])
    assert np.abs(by_hand.svd(square + h)[0][:, 2] - by_hand.svd(square - h)[0][:, 2]).max() == pytest.approx(2)


def test_gradients_that_exist_beside_a_repeated_singular_value() -> None:
    A, dA = with_singular_values(32, 5, 4, 5.0, 2.0, 2.0, 2.0), random(33, 5, 4)
    zeros = np.zeros((5, 4)), np.zeros(4), np.zeros((4, 4))
    for of, at in ((0, (slice(None), 0)), (2, 0)):
        upstream = [zero.copy() for zero in zeros]
        upstream[of][at] = random(34, *upstream[of][at].shape)
        moved = along(lambda A, of=of, upstream=upstream: (upstream[of] * by_hand.svd(A)[of]).sum(), (A,), (dA,))
        assert (by_hand.svd_backward(*upstream, A) * dA).sum() == pytest.approx(moved, rel=1e-7)
    squares = by_hand.svdvals_backward(2 * by_hand.svdvals(A), A)
    assert error(squares, 2 * A) < 1e-13  # Σσ² is the sum of the squares of all entries


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (0, 3)])
def test_gradients_at_the_zero_matrix(shape: tuple[int, int]) -> None:
    A, k = np.zeros(shape), min(shape)
    U, S, Vh = by_hand.svd(A)
    upstream = random(35, k)
    leaf = torch.from_numpy(A).requires_grad_()
    (in_torch.svdvals(leaf) * torch.from_numpy(upstream)).sum().backward()
    for gradient in (by_hand.svdvals_backward(upstream, A), by_hand.svd_backward(0 * U, upstream, 0 * Vh, A)):
        assert np.allclose(gradient, leaf.grad, atol=1e-14)
    assert not S.any()
    assert not by_hand.frobenius_error_backward(1.7, A, 0).any()
    assert not by_hand.pinv_backward(np.ones(shape[::-1]), A).any()
    if k:
        with pytest.raises(ValueError, match="does not exist"):
            by_hand.svd_backward(np.ones_like(U), S, 0 * Vh, A)


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    A = random(36, 3, 2)
    for name in ("svd", "svdvals", "matrix_rank", "pinv", "cond"):
        function = getattr(by_hand, name)
        with pytest.raises(ValueError, match="svd: A must be finite"):
            function(np.where(A[1, 1] == A, math.nan, A))
        with pytest.raises(ValueError, match=r"svd: A must have 2 axes, got shape \(3,\)"):
            function(A[:, 0])
        with pytest.raises(TypeError, match="svd: A must be floating point, got int64"):
            function(np.eye(3, dtype=np.int64))
    for name in ("rank_k", "frobenius_error", "spectral_error"):
        with pytest.raises(ValueError, match=f"{name}: k must be at least 0, got -1"):
            getattr(by_hand, name)(A, -1)
    for name in ("pinv", "matrix_rank"):
        with pytest.raises(ValueError, match=r"rtol must be at least 0, got -0\.1"):
            getattr(by_hand, name)(A, rtol=-0.1)
    with pytest.raises(ValueError, match=r"cond: A must have at least one entry, got shape \(0, 3\)"):
        by_hand.cond(np.zeros((0, 3)))
    with pytest.raises(torch.linalg.LinAlgError):
        in_torch.svd(torch.full((2, 2), math.nan))


# ---- training ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    batches = [(np.array([5, 0, 52, 5]), random(37, 4, 80)), (np.array([1, 5]), random(38, 2, 80))]  # a row may come twice
    ours, theirs = TWIN.build(seed=1)
    check_grads(ours, batches[0], again=batches[1], torch=theirs)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_ends_at_the_truncated_svd_on_both_sides(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    image = script.photograph()
    assert image.shape == (53, 80)
    assert lockstep.judge.passed, lockstep.judge.failure
    U, S, Vt = np.linalg.svd(image, full_matrices=False)
    best = U[:, :4] * S[:4] @ Vt[:4]
    lowest = (S[4:] ** 2).sum() / image.size
    assert by_hand.frobenius_error(image, 4) ** 2 / image.size == pytest.approx(lowest, rel=1e-13)
    for loss in (lockstep.records[-1].loss_manual, lockstep.records[-1].loss_torch, lockstep.metrics["loss/val"]):
        assert loss == pytest.approx(lowest, rel=1e-13)
    for P in (lockstep.hand.model.U.data @ lockstep.hand.model.V.data.T, to_numpy(theirs.U) @ to_numpy(theirs.V).T):
        assert error(P, best) < 1e-11
        assert error(P, by_hand.rank_k(image, 4)) < 1e-11


def test_figures_are_drawn(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == [
        "turn, stretch, turn",
        "a photograph in few numbers",
        "the best of rank k",
        "one piece after the other",
        "half of the digits",
    ]
    _, S, Vt = np.linalg.svd(script.MATRIX)
    assert np.linalg.det(Vt) < 0  # "and here mirrors it"
    long, short = (np.linalg.norm(line.get_xydata()[0]) for line in drawn["turn, stretch, turn"].axes[3].lines[3::2])
    assert [long, short] == pytest.approx(S)
    image = script.photograph()
    pieces = drawn["a photograph in few numbers"].axes
    assert error(pieces[3].images[0].get_array().data, by_hand.rank_k(image, 4)) < 1e-12
    assert pieces[3].get_title() == f"k = 4: 536 numbers, {by_hand.frobenius_error(image, 4) / np.linalg.norm(image):.1%}"
    assert pieces[7].lines[0].get_ydata() == pytest.approx(np.linalg.svd(image, compute_uv=False))
    best, rest = (drawn["the best of rank k"].axes[i].images[0].get_array().data for i in (2, 3))
    for i in (0, 1):
        assert error(drawn["the best of rank k"].axes[i].images[0].get_array().data, best) < 1e-10
    assert error(best + rest, image) < 1e-13
    values, losses = drawn["one piece after the other"].axes
    learned = [line for line in values.lines if len(line.get_xdata()) > 2]
    for j, pair in enumerate(zip(learned[::2], learned[1::2], strict=True)):
        for line in pair:
            assert line.get_ydata()[-1] == pytest.approx(np.linalg.svd(image, compute_uv=False)[j], rel=0.01)
    arrived = [np.argmax(line.get_ydata() > 0.5 * line.get_ydata()[-1]) for line in learned[::2]]
    assert arrived == sorted(arrived)  # one after the other
    assert losses.lines[0].get_ydata()[-1] == pytest.approx(losses.lines[2].get_ydata()[0], rel=0.01)
    numpys, turned, gram = (line.get_xydata() for line in drawn["half of the digits"].axes[0].lines[2:])
    assert (np.abs(turned[:, 1] - numpys[:, 1]) < 3).all()
    assert (turned[:, 1] > 15 + np.log10(turned[:, 0])).all()
    assert (gram[gram[:, 0] < 1e-8, 1] < 0.4).all()


@pytest.mark.parametrize(("settings", "above"), [({"rank": 8}, 1e-8), ({"momentum": 0.0}, 5e-4)])
def test_things_to_try_end_where_the_text_says(settings: dict[str, Any], above: float) -> None:
    image = script.photograph()
    model = by_hand.LowRank(**settings, rng=np.random.default_rng(0))
    walked = walk_by_hand(model, (np.arange(53), image), 500)
    loss = ((walked["U"][-1] @ walked["V"][-1].T - image) ** 2).mean()
    best = by_hand.frobenius_error(image, settings.get("rank", 4)) ** 2 / image.size
    assert 0 < loss / best - 1 < above


def test_a_column_whose_square_vanishes_beside_the_others_is_0_and_no_longer_one_is() -> None:
    for small, found in ((1e-130, 1e-130), (1e-145, 0.0), (1e-200, 0.0)):
        for scale in (1.0, 1e60):  # what counts is how short it is beside the longest
            U, S, Vh = by_hand.svd(scale * np.diag([1.0, small]))
            assert S.tolist() == pytest.approx([scale, scale * found], rel=1e-14, abs=0)
            assert pytest.approx(np.eye(2)) == U.T @ U
            assert Vh @ Vh.T == pytest.approx(np.eye(2))
