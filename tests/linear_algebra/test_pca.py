"""Principal components: by two ways, scikit-learn's and iris' own numbers, angles, degenerate data, and the plane of the autoencoder."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from experiments.drawing.walk import walk_by_hand
from experiments.judge.central import along
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.linear_algebra import pca as script
from experiments.linear_algebra.pca import TWIN, Iris
from experiments.lockstep import LockStep
from manual.linear_algebra import pca as by_hand
from tests.helpers import whole_run
from torch_impl.linear_algebra import pca as in_torch

WAYS = ["pca_by_covariance", "pca_by_svd"]
IRIS = [0.9246, 0.0531, 0.0171, 0.0052]


def random(seed: int, *shape: int) -> np.ndarray:
    """Random numbers of this shape."""
    return np.random.default_rng(seed).normal(1.0, 1.0, size=shape)


def spread(seed: int, N: int, *std: float) -> np.ndarray:
    """N rows around a random mean, whose standard deviations along the components are exactly these."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(N, len(std)))
    U, _ = np.linalg.qr(noise - noise.mean(axis=0))
    V, _ = np.linalg.qr(rng.normal(size=(len(std), len(std))))
    return math.sqrt(N) * U * std @ V.T + rng.normal(size=len(std))


# ---- what they are -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("shape", [(20, 5), (5, 8), (6, 6), (150, 4)])
def test_components_and_variances_are_scikit_learns(name: str, shape: tuple[int, int]) -> None:
    x = script.iris()[0] if shape == (150, 4) else random(0, *shape)
    k = min(shape[0] - 1, shape[1])
    components, variances = getattr(by_hand, name)(x, k)
    fitted = PCA(k).fit(x)
    assert error(variances, fitted.explained_variance_ * (len(x) - 1) / len(x)) < 1e-12
    assert error(components * np.sign((components * fitted.components_).sum(axis=1, keepdims=True)), fitted.components_) < 1e-11
    if shape[0] > shape[1]:
        theirs = getattr(in_torch, name)(torch.from_numpy(x), k)
        assert error(components, theirs[0]) < 1e-11
        assert error(variances, theirs[1]) < 1e-12


def test_iris_has_the_shares_that_everybody_knows() -> None:
    x, _ = script.iris()
    ratio = by_hand.explained_variance_ratio(x)
    assert ratio.round(4).tolist() == IRIS
    assert error(ratio, PCA().fit(x).explained_variance_ratio_) < 1e-13
    assert error(ratio, in_torch.explained_variance_ratio(torch.from_numpy(x))) < 1e-13
    assert "| share of the variance, lengths in cm | " + " | ".join(map(str, IRIS)) in script.TEXT
    (standardised,) = Iris(standardised=True).split.train
    told = by_hand.explained_variance_ratio(standardised).round(4)
    assert "| share of the variance, standardised | " + " | ".join(map(str, told)) in script.TEXT


def test_both_ways_are_one_and_components_are_at_right_angles() -> None:
    x = random(1, 12, 5)
    (a, λ), (b, μ) = by_hand.pca_by_covariance(x, 5), by_hand.pca_by_svd(x, 5)
    assert error(a, b) < 1e-12
    assert error(λ, μ) < 1e-12
    assert error(b @ b.T, np.eye(5)) < 1e-13
    scores = (x - x.mean(axis=0)) @ b.T  # along the components nothing varies together
    assert error(scores.T @ scores / 12, np.diag(μ)) < 1e-13


def test_singular_values_keep_the_digits_of_small_variances_and_the_covariance_does_not() -> None:
    std = 10.0 ** -np.arange(0, 8, 2)
    x = spread(2, 12, *std) - 0
    x -= x.mean(axis=0)
    off = {name: np.abs(getattr(by_hand, name)(x, 4)[1] / std**2 - 1) for name in WAYS}
    assert off["pca_by_svd"][-1] < 1e-8  # 6 of 16 digits lost, and 10 left
    assert off["pca_by_covariance"][-1] > 1e-6  # 12 lost
    assert off["pca_by_covariance"][1] > 3 * off["pca_by_svd"][1]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_reconstruction_is_scikit_learns_and_what_is_left_is_the_lowest_loss(k: int) -> None:
    x = random(3, 15, 4)
    fitted = PCA(k).fit(x)
    found = by_hand.reconstruction(x, k)
    assert error(found, fitted.inverse_transform(fitted.transform(x))) < 1e-13
    left = ((x - found) ** 2).sum() / len(x)
    lowest = by_hand.lowest_loss(x, k)
    assert lowest == pytest.approx(left, abs=1e-14)
    assert lowest == pytest.approx(np.var(x, axis=0).sum() - by_hand.pca_by_svd(x, k)[1].sum(), abs=1e-13)
    assert lowest == pytest.approx(in_torch.lowest_loss(torch.from_numpy(x), k).item(), abs=1e-13)
    rng = np.random.default_rng(4)
    X = x - x.mean(axis=0)
    for _ in range(20):  # no other autoencoder does better, though its code be read by the best decoder
        z = X @ rng.normal(size=(4, k))
        assert ((X - z @ np.linalg.lstsq(z, X, rcond=None)[0]) ** 2).sum() / len(x) >= lowest - 1e-13


# ---- gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WAYS)
def test_jacobians_are_torchs_and_those_of_central_differences(name: str) -> None:
    x, dx = spread(5, 7, 2.0, 1.3, 0.6), random(6, 7, 3)
    forward, backward = getattr(by_hand, name), getattr(by_hand, name + "_backward")
    theirs = torch.func.jacrev(lambda x: getattr(in_torch, name)(x, 2))(torch.from_numpy(x))
    for of, J in enumerate(theirs):
        moved = along(lambda x, of=of: forward(x, 2)[of], (x,), (dx,))
        for at in np.ndindex(J.shape[:-2]):
            upstream = [np.zeros((2, 3)), np.zeros(2)]
            upstream[of][at] = 1
            row = backward(*upstream, x, 2)
            assert error(row, J[at]) < 1e-12
            assert (row * dx).sum() == pytest.approx(moved[at], rel=1e-6, abs=1e-8)


def test_jacobian_of_the_shares_is_torchs() -> None:
    x = spread(7, 8, 2.0, 1.3, 0.6)
    theirs = torch.func.jacrev(in_torch.explained_variance_ratio)(torch.from_numpy(x))
    for j in range(3):
        assert error(by_hand.explained_variance_ratio_backward(np.eye(3)[j], x), theirs[j]) < 1e-12
    assert np.abs(by_hand.explained_variance_ratio_backward(np.ones(3), x)).max() < 1e-15  # all shares together are 1, always


@pytest.mark.parametrize("name", WAYS)
def test_gradient_with_fewer_rows_than_columns(name: str) -> None:
    """Three variances are 0; torch then has NaN, for it divides by their differences."""
    x = random(8, 4, 6)
    check_grads(getattr(by_hand, name), [x, 2], backward=getattr(by_hand, name + "_backward"))
    check_grads(by_hand.explained_variance_ratio, [x], backward=by_hand.explained_variance_ratio_backward)


# ---- angles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("p", "q"), [(2, 2), (3, 2), (1, 4), (3, 3)])
def test_angles_are_scipys(p: int, q: int) -> None:
    A, B = random(13, 6, p), random(14, 6, q)
    angles = by_hand.principal_angles(A, B)
    assert len(angles) == min(p, q)
    assert error(angles, subspace_angles(A, B)) < 1e-13
    assert error(by_hand.principal_angles(B, A), angles) < 1e-13
    assert error(in_torch.principal_angles(*to_torch((A, B))), angles) < 1e-13
    R = random(15, p, p)
    assert error(by_hand.principal_angles(A @ R, B), angles) < 1e-12  # it is the plane that counts, not its axes


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 0.3, math.pi / 4, 1.2, math.pi / 2 - 1e-9, math.pi / 2])
def test_small_and_right_angles_are_right(angle: float) -> None:
    Q, _ = np.linalg.qr(random(16, 5, 4))
    A, B = Q[:, :2], np.stack([Q[:, 0], math.cos(angle) * Q[:, 1] + math.sin(angle) * Q[:, 2]], axis=1)
    assert by_hand.principal_angles(A, B) == pytest.approx([angle, 0], abs=2e-15)
    assert to_numpy(in_torch.principal_angles(*to_torch((A, B)))) == pytest.approx([angle, 0], abs=2e-15)


def test_angles_of_planes_that_are_less_than_they_look() -> None:
    A, B = random(17, 5, 2), random(18, 5, 3)
    twice = np.hstack([A, A @ [[1.0], [2.0]]])
    assert error(by_hand.principal_angles(twice, B), subspace_angles(A, B)) < 1e-12
    assert by_hand.principal_angles(np.zeros((5, 2)), B).shape == (0,)  # a point has no direction


# ---- degenerate data -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WAYS)
def test_constant_and_repeated_features_do_no_harm(name: str) -> None:
    x = np.hstack([random(19, 9, 2), np.full((9, 1), 3.5)])
    x = np.hstack([x, x[:, :1]])
    components, variances = getattr(by_hand, name)(x, 4)
    assert variances == pytest.approx(np.append(PCA(2).fit(x).explained_variance_ * 8 / 9, [0, 0]), abs=1e-15)
    assert np.allclose(components @ components.T, np.eye(4), atol=1e-13)


def test_fewer_rows_than_columns() -> None:
    x = random(20, 3, 5)
    for name in WAYS:
        assert getattr(by_hand, name)(x, 3)[1][2] == pytest.approx(0, abs=1e-15)
    ratio = by_hand.explained_variance_ratio(x)
    assert ratio == pytest.approx(PCA().fit(x).explained_variance_ratio_, abs=1e-15)
    assert ratio.shape == (3,)


def test_equal_rows_vary_not_and_scikit_learn_returns_nan() -> None:
    for x in (np.full((4, 3), 0.1), np.zeros((4, 3))):
        with pytest.raises(ValueError, match="explained_variance_ratio: x must vary, but all rows are equal up to rounding"):
            by_hand.explained_variance_ratio(x)
        assert pytest.approx(0, abs=1e-30) == by_hand.pca_by_svd(x, 2)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(PCA().fit(np.zeros((4, 3))).explained_variance_ratio_).all()


@pytest.mark.parametrize("name", WAYS)
def test_gradient_of_the_components_of_equal_variances_does_not_exist(name: str) -> None:
    x, backward = np.vstack([np.diag([2.0, 2.0, 1.0]), -np.diag([2.0, 2.0, 1.0])]), getattr(by_hand, name + "_backward")
    with pytest.raises(ValueError, match="does not exist"):
        backward(random(22, 2, 3), np.zeros(2), x, 2)
    both = backward(np.zeros((2, 3)), np.ones(2), x, 2)  # but that of their sum does
    dx = random(23, 6, 3)
    assert (both * dx).sum() == pytest.approx(along(lambda x: getattr(by_hand, name)(x, 2)[1].sum(), (x,), (dx,)), rel=1e-7)
    with pytest.raises(ValueError, match="rank_k_backward: the gradient does not exist"):
        by_hand.reconstruction_backward(np.ones((6, 3)), x, 1)


def test_bad_input_is_named() -> None:
    x = random(24, 5, 3)
    for name in (*WAYS, "reconstruction", "lowest_loss"):
        function = getattr(by_hand, name)
        for k in (0, 4):
            with pytest.raises(ValueError, match=f"{name}: k must be in 1 to 3, the smaller of rows and columns, got {k}"):
                function(x, k)
        with pytest.raises(ValueError, match=rf"{name}: x must have at least 2 rows, got shape \(1, 3\)"):
            function(x[:1], 1)
        with pytest.raises(ValueError, match=rf"{name}: x must have 2 axes, got shape \(5,\)"):
            function(x[:, 0], 1)
        with pytest.raises(ValueError, match=f"{name}: x must be finite"):
            function(np.where(x == x[2, 1], math.nan, x), 1)
        with pytest.raises(TypeError, match=f"{name}: x must be floating point, got int64"):
            function(np.eye(3, dtype=np.int64), 1)
    with pytest.raises(
        ValueError, match=r"principal_angles: A and B must be matrices with the same number of rows, got \(5, 3\) and \(4, 3\)"
    ):
        by_hand.principal_angles(x, x[:4])
    with pytest.raises(TypeError, match="principal_angles: B must have the layer's dtype float64, got float32"):
        by_hand.principal_angles(x, x.astype(np.float32))


# ---- training ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=1)
    check_grads(ours, (random(25, 7, 4),), again=(random(26, 5, 4),), torch=theirs)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_ends_in_the_plane_of_the_components_on_both_sides(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    x, _ = script.iris()
    assert lockstep.judge.passed, lockstep.judge.failure
    best = PCA(2).fit(x)
    assert pytest.approx(best.components_.T @ best.components_) == by_hand.pca_by_svd(x, 2)[0].T @ by_hand.pca_by_svd(x, 2)[0]
    for W_e, W_d in (
        (lockstep.hand.model.W_e.data, lockstep.hand.model.W_d.data),
        (to_numpy(theirs.W_e), to_numpy(theirs.W_d)),
    ):
        assert by_hand.principal_angles(W_d.T, best.components_.T) == pytest.approx([0, 0], abs=1e-6)  # "0 to six digits"
        assert subspace_angles(W_d.T, best.components_.T) == pytest.approx([0, 0], abs=1e-6)
        assert by_hand.principal_angles(W_e, best.components_.T) == pytest.approx([0, 0], abs=1e-6)
        assert error(W_e @ W_d, best.components_.T @ best.components_) < 1e-6
    lowest = by_hand.lowest_loss(x, 2)
    assert lowest == pytest.approx(np.var(x, axis=0).sum() * (1 - best.explained_variance_ratio_.sum()), rel=1e-12)
    for loss in (lockstep.records[-1].loss_manual, lockstep.records[-1].loss_torch, lockstep.metrics["loss/val"]):
        assert loss == pytest.approx(lowest, rel=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_step_size_holds_for_every_seed(dtype: str) -> None:
    """With lr 0.04 the swings of the momentum threw the weights of seeds 10 and 35 out to where the slope is too steep for it."""
    (x,) = (a.astype(dtype) for a in TWIN.make_data().split.train)
    for seed in range(61):
        walked = walk_by_hand(TWIN.build(seed, dtype)[0], (x,), 120)
        losses = [((x @ W_e @ W_d - x) ** 2).sum() / len(x) for W_e, W_d in zip(walked["W_e"], walked["W_d"], strict=True)]
        assert max(losses[1:]) < losses[0], seed
        assert losses[-1] < 0.4


def test_figures_are_drawn(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == [
        "two lengths, two directions",
        "what each component explains",
        "four lengths on paper",
        "reaching the plane",
    ]
    left, right = drawn["two lengths, two directions"].axes
    arms = [line.get_xydata()[1] - line.get_xydata()[0] for line in left.lines[3:]]
    assert arms[0] @ arms[1] == pytest.approx(0, abs=1e-12)
    seen = np.concatenate([line.get_xydata() for line in right.lines])
    assert [np.linalg.norm(arm) / 4 for arm in arms] == pytest.approx(seen.std(axis=0), rel=1e-12)
    assert np.corrcoef(seen.T)[0, 1] == pytest.approx(0, abs=1e-12)
    bars = [bar.get_height() for bar in drawn["what each component explains"].axes[0].patches]
    assert np.round(bars, 4).tolist() == IRIS
    sepals_and_petals = [bar.get_width() for bar in drawn["what each component explains"].axes[1].patches]
    first, second = sepals_and_petals[:4], sepals_and_petals[4:]
    assert min(first[0], first[2], first[3]) > 0.3  # "petals and sepals get longer and the petals wider"
    assert min(second[:2]) > 0.6  # "the sepals get longer and wider, and the petals hardly change"
    assert max(map(abs, second[2:])) < 0.2
    rebuilt = drawn["four lengths on paper"].axes[2].lines
    dots = np.concatenate([line.get_xydata() for line in rebuilt if line.get_marker() != "x"])
    assert rebuilt[-1].get_xydata() == pytest.approx(dots, abs=1e-6)
    rings, points = (np.concatenate([line.get_xydata() for line in drawn["four lengths on paper"].axes[1].lines[i::2]]) for i in (0, 1))
    assert error(points, rings) < 1e-10
    angles, above = drawn["reaching the plane"].axes
    for line in angles.lines:
        assert line.get_ydata()[0] > 0.01
        assert line.get_ydata()[-1] < 1e-9
    for line in above.lines:
        assert abs(line.get_ydata()[-1]) < 1e-13
    k = 60  # "When one digit of the plane is right, two of the loss are"
    rates = [np.log10(line.get_ydata()[0] / line.get_ydata()[k]) for line in (angles.lines[0], above.lines[0])]
    assert rates[1] / rates[0] == pytest.approx(2, rel=0.3)


@pytest.mark.parametrize(
    ("settings", "standardised", "lowest", "above"),
    [
        ({"components": 1}, False, 0.3424, 1e-10),
        ({"components": 3}, False, 0.0237, 1e-10),
        ({"momentum": 0.0}, False, 0.1014, 0.01),
        ({}, True, 0.1675, 1e-10),
    ],
)
def test_things_to_try_end_where_the_text_says(settings: dict[str, Any], standardised: bool, lowest: float, above: float) -> None:
    (x,) = Iris(standardised=standardised).split.train
    best = by_hand.lowest_loss(x, settings.get("components", 2))
    assert best == pytest.approx(lowest, abs=5e-5)
    walked = walk_by_hand(by_hand.LinearAutoencoder(**settings, rng=np.random.default_rng(0)), (x,), 2500)
    loss = ((x @ walked["W_e"][-1] @ walked["W_d"][-1] - x) ** 2).sum() / len(x)
    assert -1e-12 < loss / best - 1 < above


@pytest.mark.parametrize("B", [np.ones(4), np.ones((3, 2)), np.ones((4, 1, 1))], ids=lambda B: str(B.shape))
def test_planes_are_given_by_matrices_of_as_many_rows(B: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"^principal_angles: A and B must be matrices with the same number of rows, got \(4, 2\) and "):
        by_hand.principal_angles(np.eye(4)[:, :2], B)
