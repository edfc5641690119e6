"""The Normal in D dimensions: Cholesky against NumPy and torch, SciPy's densities, covariances that are none, and where training ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributions as torchs

from experiments.cases.probability.multivariate_normal import a_covariance, a_root
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.probability import multivariate_normal as script
from experiments.probability.multivariate_normal import TWIN
from manual.linear_algebra.matrices import log_determinant, substitute
from manual.probability import multivariate_normal as by_hand
from manual.probability.distributions import normal_log_prob
from tests.helpers import whole_run
from torch_impl.probability import multivariate_normal as in_torch

Problem = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def problem() -> Problem:
    """Seven rows, loc and covariance in four dimensions."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 4)), rng.normal(size=4), a_covariance(rng, 4)


# ---- the root of a covariance --------------------------------------------------------------------


def test_cholesky_is_a_root_and_that_of_numpy() -> None:
    for n in (0, 1, 2, 5, 9):
        A = a_covariance(np.random.default_rng(n), n)
        L = by_hand.cholesky(A)
        assert L.shape == (n, n)
        assert error(L @ L.T, A) < 1e-14
        assert error(L, np.linalg.cholesky(A)) < 1e-14
        assert (np.triu(L, 1) == 0).all()
    assert by_hand.cholesky(np.array([[2.25, 1.2], [1.2, 1.0]])) == pytest.approx(np.array([[1.5, 0.0], [0.8, 0.6]]), rel=1e-14)
    assert by_hand.cholesky(np.eye(3, dtype=np.float32)).dtype == np.float32


def test_of_a_matrix_that_is_not_symmetric_the_symmetric_part_counts_and_torch_reads_the_lower_triangle() -> None:
    A = np.array([[2.0, 0.9], [0.1, 1.0]])
    assert error(by_hand.cholesky(A), np.linalg.cholesky((A + A.T) / 2)) < 1e-15
    assert error(torch.linalg.cholesky(torch.from_numpy(A)), np.linalg.cholesky([[2.0, 0.1], [0.1, 1.0]])) < 1e-15
    assert error(in_torch.cholesky(torch.from_numpy(A)), by_hand.cholesky(A)) < 1e-15


@pytest.mark.parametrize(
    ("A", "column", "left"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], 1, "-3"),
        ([[1.0, 1.0], [1.0, 1.0]], 1, "0"),
        ([[0.0, 0.0], [0.0, 0.0]], 0, "0"),
        ([[-1.0, 0.0], [0.0, 1.0]], 0, "-1"),
        ([[1.0, math.nan], [math.nan, 1.0]], 1, "nan"),
    ],
)
def test_a_matrix_that_is_not_positive_definite_has_no_root(A: Any, column: int, left: str) -> None:
    message = f"cholesky: A must be positive definite, but {left} is left of its diagonal at column {column}"
    with pytest.raises(ValueError, match=message):
        by_hand.cholesky(np.array(A))
    with pytest.raises(torch.linalg.LinAlgError, match="not positive-definite"):
        torch.linalg.cholesky(torch.tensor(A))


def test_cholesky_finds_out_what_the_eigenvalues_say() -> None:
    rng = np.random.default_rng(1)
    found = set()
    for _ in range(60):
        A = a_covariance(rng, 3) - rng.uniform(0, 1.6) * np.eye(3)
        definite = bool(np.linalg.eigvalsh(A).min() > 0)
        found.add(definite)
        if definite:
            assert error(by_hand.cholesky(A), np.linalg.cholesky(A)) < 1e-10
        else:
            with pytest.raises(ValueError, match="positive definite"):
                by_hand.cholesky(A)
    assert found == {True, False}


def test_the_logarithm_of_the_determinant_is_on_the_diagonal(problem: Problem) -> None:
    _, _, A = problem
    assert 2 * np.log(by_hand.cholesky(A).diagonal()).sum() == pytest.approx(log_determinant(A), rel=1e-13)


def test_jacobian_of_cholesky_is_that_of_torch_func() -> None:
    A = a_covariance(np.random.default_rng(2), 3)
    J = torch.func.jacrev(in_torch.cholesky)(torch.from_numpy(A))  # (3, 3, 3, 3)
    for i in range(3):
        for j in range(3):
            unit = np.zeros((3, 3))
            unit[i, j] = 1
            assert np.abs(by_hand.cholesky_backward(unit, A) - J[i, j].numpy()).max() < 1e-13


# ---- the density ---------------------------------------------------------------------------------


def test_density_entropy_and_moments_are_scipys_and_torchs(problem: Problem) -> None:
    x, loc, covariance = problem
    L = by_hand.cholesky(covariance)
    known = stats.multivariate_normal(loc, covariance)
    theirs = torchs.MultivariateNormal(*to_torch((loc, covariance)))
    assert error(by_hand.log_prob(x, loc, L), known.logpdf(x)) < 1e-13
    assert error(by_hand.log_prob(x, loc, L), theirs.log_prob(torch.from_numpy(x))) < 1e-13
    assert by_hand.entropy(L) == pytest.approx(known.entropy(), rel=1e-14)
    assert by_hand.entropy(L) == pytest.approx(theirs.entropy().item(), rel=1e-14)
    mean, seen = by_hand.moments(loc, L)
    assert error(mean, theirs.mean) == 0
    assert error(seen, theirs.covariance_matrix) < 1e-14
    assert error(seen.diagonal(), theirs.variance) < 1e-14
    assert max(error(a, b) for a, b in zip((mean, seen), in_torch.moments(*to_torch((loc, L))), strict=True)) < 1e-14


def test_without_covariance_it_is_a_product_of_bell_curves() -> None:
    rng = np.random.default_rng(4)
    x, loc, scale = rng.normal(size=(5, 3)), rng.normal(size=3), rng.uniform(0.5, 2, size=3)
    assert error(by_hand.log_prob(x, loc, np.diag(scale)), normal_log_prob(x, loc, scale).sum(axis=1)) < 1e-14


def test_the_gradient_in_the_covariance_goes_through_its_root(problem: Problem) -> None:
    """And has a closed form: ∂y/∂Σ = (Σ⁻¹ b bᵀ Σ⁻¹ − Σ⁻¹)/2 for each row b = x − loc."""
    x, loc, covariance = problem
    up = np.random.default_rng(5).normal(size=len(x))
    L = by_hand.cholesky(covariance)
    _, _, dL_dscale_tril = by_hand.log_prob_backward(up, x, loc, L)
    found = by_hand.cholesky_backward(dL_dscale_tril, covariance)
    leaf = torch.from_numpy(covariance).requires_grad_()
    (torchs.MultivariateNormal(torch.from_numpy(loc), leaf).log_prob(torch.from_numpy(x)) * torch.from_numpy(up)).sum().backward()
    assert error(found, leaf.grad) < 1e-12
    u = np.linalg.solve(covariance, (x - loc).T)
    assert error(found, ((u * up) @ u.T - up.sum() * np.linalg.inv(covariance)) / 2) < 1e-12


def test_gradients_are_what_a_small_change_does() -> None:
    rng = np.random.default_rng(6)
    inputs = [rng.normal(size=(5, 3)), rng.normal(size=3), a_root(rng, 3)]
    check_grads(
        lambda x, loc, raw: by_hand.log_prob(x, loc, np.tril(raw)),
        inputs,
        backward=lambda up, x, loc, raw: by_hand.log_prob_backward(up, x, loc, np.tril(raw)),  # which is 0 above the diagonal
        torch=lambda x, loc, raw: in_torch.log_prob(x, loc, raw.tril()),
    )
    check_grads(
        lambda raw: by_hand.entropy(np.tril(raw)),
        inputs[2:],
        backward=lambda up, raw: by_hand.entropy_backward(up, np.tril(raw)),
        torch=lambda raw: in_torch.entropy(raw.tril()),
    )


def test_any_matrix_makes_a_scale_tril(problem: Problem) -> None:
    raw = problem[2] - 2
    L = by_hand.lower_cholesky(raw)
    assert error(L, torchs.transforms.LowerCholeskyTransform()(torch.from_numpy(raw))) < 1e-15
    assert error(by_hand.cholesky(L @ L.T), L) < 1e-13


def test_samples_have_the_mean_the_covariance_and_the_distances() -> None:
    loc, covariance = np.array([1.0, -0.5, 2.0]), a_covariance(np.random.default_rng(7), 3)
    L = by_hand.cholesky(covariance)
    x = by_hand.sample(loc, L, (20_000,), rng=np.random.default_rng(8))
    assert x.mean(axis=0) == pytest.approx(loc, abs=4 * math.sqrt(2 / 20_000))
    assert np.cov(x.T) == pytest.approx(covariance, abs=0.08)
    z = substitute(L, (x - loc).T)
    assert stats.kstest((z**2).sum(axis=0), stats.chi2(3).cdf).pvalue > 0.01
    for each in z:
        assert stats.kstest(each, stats.norm.cdf).pvalue > 0.01
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        theirs = in_torch.sample(*to_torch((loc, L)), (20_000,)).numpy()
    assert all(stats.ks_2samp(a, b).pvalue > 0.01 for a, b in zip(x.T, theirs.T, strict=True))
    single = by_hand.sample(loc.astype(np.float32), L.astype(np.float32), (2, 4), rng=np.random.default_rng(0))
    assert (single.shape, single.dtype) == ((2, 4, 3), np.float32)
    assert by_hand.sample(loc, L, rng=np.random.default_rng(0)).shape == (3,)


def test_closed_form_is_scipys_fit_and_torchs(problem: Problem) -> None:
    x = problem[0]
    loc, L = by_hand.closed_form(x)
    mean, covariance = stats.multivariate_normal.fit(x)
    assert error(loc, mean) < 1e-14
    assert error(L @ L.T, covariance) < 1e-14
    assert max(error(a, b) for a, b in zip((loc, L), in_torch.closed_form(torch.from_numpy(x)), strict=True)) < 1e-13
    _, dL_dloc, dL_dL = by_hand.log_prob_backward(np.ones(len(x)), x, loc, L)
    assert np.abs(dL_dloc).max() < 1e-13
    assert np.abs(dL_dL).max() < 1e-12


def test_degenerate_data_have_no_closed_form() -> None:
    x = np.random.default_rng(10).normal(size=(6, 2))
    with pytest.raises(ValueError, match=r"closed_form: x must have at least one row, got shape \(0, 2\)"):
        by_hand.closed_form(x[:0])
    for degenerate in (x[:1], np.column_stack([x[:, 0], np.full(6, 2.0)])):  # one row, and a column that does not vary
        with pytest.raises(ValueError, match="cholesky: A must be positive definite, but 0 is left"):
            by_hand.closed_form(degenerate)


def test_bad_input_is_named(problem: Problem) -> None:
    x, loc, covariance = problem
    L = by_hand.cholesky(covariance)
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, r"cholesky: A must be square, got shape \(7, 4\)", "cholesky", (x,)),
        (ValueError, r"lower_cholesky: raw must be square, got shape \(7, 4\)", "lower_cholesky", (x,)),
        (ValueError, r"log_prob: scale_tril must be 0 above its diagonal and above 0 on it", "log_prob", (x, loc, covariance)),
        (ValueError, r"log_prob: scale_tril must be 0 above its diagonal and above 0 on it", "log_prob", (x, loc, 0 * L)),
        (ValueError, r"entropy: scale_tril must be 0 above its diagonal and above 0 on it", "entropy", (-L,)),
        (ValueError, r"loc must have shape \(D,\) and scale_tril \(D, D\), got \(3,\) and \(4, 4\)", "moments", (loc[:3], L)),
        (ValueError, r"axis 1 of value must be entries of loc = 4, got shape \(7, 3\)", "log_prob", (x[:, :3], loc, L)),
        (ValueError, r"value must have 2 axes, got shape \(4,\)", "log_prob", (x[0], loc, L)),
        (TypeError, "scale_tril must have the layer's dtype float64, got float32", "log_prob", (x, loc, L.astype(np.float32))),
        (ValueError, r"x must have 2 axes, got shape \(4,\)", "closed_form", (loc,)),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=message):
            getattr(by_hand, name)(*inputs)
    with pytest.raises(ValueError, match="constraint"):
        torchs.MultivariateNormal(*to_torch((loc, -covariance)))
    with pytest.raises(ValueError, match="constraint"):
        torchs.MultivariateNormal(torch.from_numpy(loc), scale_tril=torch.from_numpy(covariance))
    assert by_hand.log_prob(x[:0], loc, L).shape == (0,)


# ---- training ------------------------------------------------------------------------------------


def test_backward_of_the_concept_scales_and_accumulates() -> None:
    ours, theirs = TWIN.build(seed=1)
    ours.raw.data[...] = [[0.3, 0.9], [-0.7, -0.2]]
    seven, three = np.split(np.random.default_rng(11).normal(size=(10, 2)), [7])
    check_grads(ours, (seven,), again=(three,), torch=theirs)
    assert ours.raw.grad[0, 1] == 0


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_ends_at_scipys_fit_on_both_sides(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    (x,) = TWIN.make_data().split.train
    assert x.shape == (40, 2)
    mean, covariance = stats.multivariate_normal.fit(x)
    ours = lockstep.hand.model
    for loc, raw in ((ours.loc.data, ours.raw.data), (to_numpy(theirs.loc), to_numpy(theirs.raw))):
        L = by_hand.lower_cholesky(raw)
        assert np.abs(loc - mean).max() < 1e-13
        assert error(L @ L.T, covariance) < 1e-13
    best = by_hand.entropy(np.linalg.cholesky(covariance))  # at the top the mean of zᵀz is D
    assert lockstep.records[-1].loss_manual == pytest.approx(best, rel=1e-13)
    assert lockstep.records[-1].loss_torch == pytest.approx(best, rel=1e-13)


def test_figures_show_what_their_captions_say(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    data = TWIN.make_data()
    (x,) = data.split.train
    drawn = script.figures(lockstep.hand.model, theirs, data)
    assert list(drawn) == ["the ellipses that were found", "a circle, stretched and slanted", "no longer positive definite", "on the way"]
    loc, L = by_hand.closed_form(x)
    for line, radius in zip(drawn["the ellipses that were found"].axes[0].lines, (1, 1, 2, 2), strict=False):
        z = substitute(L, (np.transpose(line.get_data()) - loc).T)
        assert (z**2).sum(axis=0) == pytest.approx(radius**2, rel=1e-6)
    assert (script.inside(x, loc, L, 1), script.inside(x, loc, L, 2)) == (0.375, 0.85)
    assert [stats.chi2(2).cdf(r * r) for r in (1, 2)] == pytest.approx([1 - math.exp(-0.5), 1 - math.exp(-2)], rel=1e-14)
    rho, entropy = drawn["no longer positive definite"].axes[1].lines[0].get_data()
    assert (np.diff(entropy) < 0).all()
    assert entropy == pytest.approx(math.log(2 * math.pi) + 1 + np.log(1 - rho**2) / 2, rel=1e-9)
    with pytest.raises(ValueError, match="0 is left"):
        by_hand.cholesky(script.correlated(1.0))
    with pytest.raises(ValueError, match=r"-0\.21 is left"):
        by_hand.cholesky(script.correlated(1.1))
    far, swollen, _, arrived = (np.transpose(line.get_data()) for line in drawn["on the way"].axes[0].lines[2::2])
    assert np.ptp(far, axis=0) == pytest.approx([2, 2], rel=1e-3)
    assert (np.ptp(swollen, axis=0) > 3).all()
    assert arrived == pytest.approx(script.ellipse(loc, L, 1).T, abs=1e-2)
