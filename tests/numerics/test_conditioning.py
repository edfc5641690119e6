"""Conditioning: κ and the steps it foretells, scaling, the deep chain, clipping, degenerate input, and both sides' training."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from experiments.data.arrays import InputError, Split, standardise
from experiments.data.diabetes import diabetes
from experiments.drawing.weights import as_row
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch, weights_by_hand
from experiments.judge.nonfinite import NotFinite
from experiments.lockstep import LockStep
from experiments.numerics import conditioning as script
from experiments.numerics.conditioning import FEATURES, TWIN, Scaled
from experiments.regression.linear_regression import by_sklearn
from manual.linear_algebra.svd import cond
from manual.module import Parameter
from manual.nn.utils import clip_grad_norm_, clip_grad_value_
from manual.numerics import conditioning as by_hand
from manual.regression.linear_regression import hessian, normal_equation
from tests.helpers import fit, whole_run
from torch_impl.numerics import conditioning as in_torch


def matrix(seed: int, *shape: int) -> np.ndarray:
    """A random matrix whose columns have different means and sizes."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-2, 2, shape[-1]) + rng.normal(size=shape) * rng.uniform(0.3, 3, shape[-1])


# ---- the condition number ------------------------------------------------------------------------


def test_condition_numbers_are_numpys() -> None:
    A = matrix(0, 6, 4)
    assert cond(A) == pytest.approx(np.linalg.cond(A), rel=1e-12)
    S = A.T @ A - 3 * np.eye(4)
    λ = np.abs(np.linalg.eigvalsh(S))
    assert cond(S) == pytest.approx(λ.max() / λ.min(), rel=1e-12)  # of a symmetric matrix, by its eigenvalues
    assert by_hand.bowl_condition(A) == pytest.approx(np.linalg.cond(hessian(A)), rel=1e-12)
    assert cond(hessian(A)) == pytest.approx(by_hand.bowl_condition(A), rel=1e-12)  # κ(AᵀA) = κ(A)²


def test_a_singular_matrix_has_an_infinite_condition_number() -> None:
    for A in (np.diag([2.0, 0.0]), np.array([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]]).T @ np.array([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]])):
        assert cond(A) == np.inf == np.linalg.cond(A)
        assert torch.linalg.cond(torch.from_numpy(A)).isinf()
    x = matrix(1, 7, 3)
    x[:, 1] = 0
    assert by_hand.bowl_condition(x) == np.inf
    assert by_hand.steps_needed(np.inf, 10) == np.inf
    x[:, 1] = 2 * x[:, 0] - 1  # a mixture of others: ∞ but for rounding
    assert by_hand.bowl_condition(x) > 1e28


# ---- steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_excess_loss_is_what_gradient_descent_comes_to(seed: int) -> None:
    rng = np.random.default_rng(seed)
    A = matrix(seed, 7, 4)
    H, away = A.T @ A, rng.normal(size=4)
    lr = 1.7 / np.linalg.eigvalsh(H)[-1]
    a, losses = away.copy(), []
    for _ in range(40):
        losses.append(a @ H @ a / 2)
        a = a - lr * H @ a
    assert error(by_hand.excess_loss(np.arange(40.0), lr, H, away), np.array(losses)) < 1e-12
    assert by_hand.excess_loss(np.array(39.0), lr, H, away) == pytest.approx(losses[-1], rel=1e-10)


def test_steps_needed_is_a_bound_that_is_met() -> None:
    """By the worst start: equal parts of the loss in the steepest and the flattest direction."""
    for κ in (1.5, 10.0, 400.0):
        λ = np.array([1.0, (1 + κ) / 2, κ])
        lr = 2 / (1 + κ)
        for shrink in (10.0, 1e6):
            k = by_hand.steps_needed(κ, shrink)
            worst, others = np.array([1.0, 0.0, 1 / math.sqrt(κ)]), np.random.default_rng(0).normal(size=(20, 3))
            start = by_hand.excess_loss(np.array(0.0), lr, np.diag(λ), worst)
            assert by_hand.excess_loss(np.array(k), lr, np.diag(λ), worst) == pytest.approx(start / shrink, rel=1e-9)
            for away in others:
                start = by_hand.excess_loss(np.array(0.0), lr, np.diag(λ), away)
                assert by_hand.excess_loss(np.array(k), lr, np.diag(λ), away) <= start / shrink * (1 + 1e-9)
    assert by_hand.steps_needed(1e8, 50) == pytest.approx(1e8 / 4 * math.log(50), rel=1e-6)  # the rule of thumb
    assert by_hand.steps_needed(1.0, 1e9) == 1
    assert by_hand.steps_needed(1.0, 1.0) == by_hand.steps_needed(5.0, 1.0) == 0
    H = np.diag([3.0, 3.0])
    assert by_hand.excess_loss(np.array(1.0), 1 / 3, H, np.ones(2)) == 0  # κ = 1: one step


def rows_of_the_text() -> dict[str, list[float]]:
    """κ, lr and three numbers of steps, by the features' name."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in script.TEXT.splitlines() if line.startswith("|")]
    return {row[0]: [float(cell.replace(",", "")) for cell in row[1:]] for row in cells if row[0] in FEATURES}


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.long
def test_steps_are_those_of_the_text_counted_and_foretold(name: str) -> None:
    κ, lr, *steps = rows_of_the_text()[name]
    x, y = Scaled(name).split.train
    assert by_hand.bowl_condition(x) == pytest.approx(κ, abs=0.5)
    assert script.half_the_limit(x) == pytest.approx(lr, rel=1e-12)
    assert [script.steps_foretold(x, y, above) for above in (0.1, 0.01, 0.001)] == steps
    for above, told in zip((0.1, 0.01, 0.001), steps, strict=True):
        if told < 150_000:
            assert script.steps_taken(x, y, above) == told
    if name != "whitened":  # the rule: the last factor of ten takes κ/2 · log 10 steps
        assert steps[2] - steps[1] == pytest.approx(κ / 2 * math.log(10), rel=0.035)
        assert (steps[2] - steps[1]) / κ == pytest.approx(1.12 if name == "standardised" else 1.15, abs=0.005)


def test_standardised_features_need_thousands_of_times_fewer_steps() -> None:
    table = rows_of_the_text()
    assert table["raw"][2] / table["standardised"][2] > 7000
    assert table["raw"][4] / table["standardised"][4] > 0.5 * table["raw"][0] / table["standardised"][0]  # κ's ratio, within a factor of 2
    assert table["raw"][4] / table["standardised"][4] < 2 * table["raw"][0] / table["standardised"][0]
    for number in ("56,828", "8"):
        assert number in (script.__doc__ or "")
        assert number in (by_hand.__doc__ or "")


# ---- scaling -------------------------------------------------------------------------------------


def test_standardise_is_scikit_learns_also_of_constant_features() -> None:
    x = matrix(2, 442, 5)
    x[:, 1], x[:, 3] = 0.1, 0
    assert 0 < x.std(axis=0)[1] < 1e-14  # the trap: the rounding of the mean
    ours = by_hand.standardise(x)
    assert error(ours, StandardScaler().fit_transform(x)) < 1e-13
    assert np.abs(ours[:, [1, 3]]).max() < 1e-14
    others = [0, 2, 4]
    assert ours[:, others].mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-14)
    assert ours[:, others].std(axis=0) == pytest.approx(np.ones(3), rel=1e-14)
    assert error(ours, in_torch.standardise(torch.from_numpy(x))) < 1e-13
    assert error(by_hand.standardise(x[:1]), np.zeros((1, 5)), whole=1.0) == 0  # one row is constant
    small = x * 1e-150
    assert error(by_hand.standardise(small)[:, others], ours[:, others]) < 1e-12


def test_gradient_of_standardise_has_no_part_along_a_shift_or_a_stretch() -> None:
    x, g = matrix(3, 9, 4), np.random.default_rng(3).normal(size=(9, 4))
    dL_dx = by_hand.standardise_backward(g, x)
    assert np.abs(dL_dx.sum(axis=0)).max() < 1e-14
    assert np.abs((dL_dx * x).sum(axis=0)).max() < 1e-13
    x_hat = by_hand.standardise(x)
    assert error(dL_dx, (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0)) / x.std(axis=0)) < 1e-14  # as the text has it


def test_data_of_every_concept_are_standardised_by_the_same_rule() -> None:
    x = matrix(10, 442, 3)
    x[:, 1] = 0.1
    train, val = (part[0] for part in standardise(Split((x,), (x + 1,))).__dict__.values())
    assert error(train, by_hand.standardise(x)) == 0
    assert val[:, 1] == pytest.approx(np.ones(442))  # a column that was constant in training is shifted only


def test_nan_stays_in_its_column() -> None:
    x = matrix(4, 5, 3)
    x[2, 1] = np.nan
    for y in (by_hand.standardise(x), to_numpy(in_torch.standardise(torch.from_numpy(x)))):
        assert np.isnan(y).tolist() == [[False, True, False]] * 5


def test_scaled_features_are_what_they_are_called() -> None:
    raw = Scaled("raw").split
    centred, standardised, whitened = (Scaled(name).split for name in FEATURES[1:])
    assert {s.train[0].shape for s in (raw, centred, standardised, whitened)} == {(354, 10)}
    assert raw.train[0].min(axis=0).tolist() >= diabetes()[0].min(axis=0).tolist()
    assert error(centred.val[0], raw.val[0] - raw.train[0].mean(axis=0)) < 1e-15
    scaler = StandardScaler().fit(raw.train[0])
    assert error(standardised.val[0], scaler.transform(raw.val[0])) < 1e-14
    assert error(by_hand.standardise(raw.train[0]), standardised.train[0]) == 0
    assert error(whitened.train[0].T @ whitened.train[0] / 354, np.eye(10)) < 1e-12
    white = PCA(whiten=True).fit(standardised.train[0])
    theirs = white.transform(standardised.val[0]) * math.sqrt(354 / 353)  # scikit-learn divides by N − 1
    assert error(np.abs(whitened.val[0][:, ::-1]), np.abs(theirs)) < 1e-11  # from small to large there, either sign
    predictions = [s.val[0] @ W + b for s in (raw, centred, standardised, whitened) for W, b in [normal_equation(*s.train)]]
    for prediction in predictions[1:]:
        assert error(prediction, predictions[0]) < 1e-9  # the same line, whatever the units


# ---- the chain -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "linear"])
def test_gradients_at_every_depth_are_torchs_and_the_jacobian_times_the_upstream(activation: str) -> None:
    rng = np.random.default_rng(5)
    h, W, g = rng.normal(size=(2, 4)), rng.normal(size=(6, 4, 4)) / 2, rng.normal(size=(2, 4))
    G = by_hand.chain_gradients(g, h, W, activation)
    assert error(G, in_torch.chain_gradients(*to_torch((g, h, W)), activation)) < 1e-14
    for n in range(2):
        J = by_hand.chain_jacobians(h[n], W, activation)
        assert error(G[0, n], J[-1].T @ g[n]) < 1e-14
        assert error(J[0], np.eye(4)) == 0


def test_length_of_a_gradient_goes_as_the_scale_to_the_power_of_the_layers() -> None:
    """In the mean of squares over many linear chains."""
    rng = np.random.default_rng(6)
    g = rng.normal(size=(1, 8))
    for scale in (0.5, 1.0, 1.5):
        squares = []
        for _ in range(3000):
            W = scale * rng.normal(size=(5, 8, 8)) / math.sqrt(8)
            squares.append((by_hand.chain_gradients(g, g, W, "linear") ** 2).sum(axis=(1, 2)) / (g**2).sum())
        assert np.mean(squares, axis=0) == pytest.approx(scale ** (2 * np.arange(5, -1, -1)), rel=0.1)


def test_orthogonal_layers_keep_every_length_and_direction() -> None:
    W = script.weights(None, 8, 50)
    h = np.random.default_rng(7).normal(size=8)
    J = by_hand.chain_jacobians(h, W, "linear")[-1]
    assert error(J.T @ J, np.eye(8)) < 1e-13
    assert cond(J) == pytest.approx(1, rel=1e-12)


def test_a_dead_chain_has_no_gradient() -> None:
    h, g = np.ones((1, 3)), np.ones((1, 3))
    for activation in ("tanh", "linear"):
        dL_dh, dL_dW = by_hand.deep_chain_backward(g, h, np.zeros((4, 3, 3)), activation)
        assert not dL_dh.any()
        assert not dL_dW[:-1].any()
    saturated = by_hand.deep_chain_backward(g, h, np.full((2, 3, 3), 50.0))
    assert not saturated[0].any()  # tanh is 1 to all digits, and its slope 0


# ---- clipping ------------------------------------------------------------------------------------


def clipped(clip: Any, gradient: list[float], *limit: float, **how: Any) -> np.ndarray:
    """A gradient after clipping, which is also that of torch."""
    p, q = Parameter(np.zeros(len(gradient))), torch.nn.Parameter(torch.zeros(len(gradient), dtype=torch.float64))
    p.grad, q.grad = np.array(gradient), torch.tensor(gradient, dtype=torch.float64)
    clip(p, *limit, **how)
    getattr(torch.nn.utils, clip.__name__)(q, *limit, **how)
    np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-14)
    return p.grad


def test_clipping_by_norm_keeps_the_direction_and_by_value_does_not() -> None:
    assert clipped(clip_grad_norm_, [3.0, -4.0], 1.0) == pytest.approx(np.array([0.6, -0.8]) * 5 / (5 + 1e-6), rel=1e-14)
    assert clipped(clip_grad_norm_, [3.0, -4.0], 6.0).tolist() == [3, -4]
    assert clipped(clip_grad_value_, [3.0, -0.4], 1.0).tolist() == [1, -0.4]


def test_clipping_of_0_of_nan_and_of_infinity() -> None:
    assert clipped(clip_grad_norm_, [0.0, 0.0], 1.0).tolist() == [0, 0]
    assert clipped(clip_grad_norm_, [0.0, 0.0], 0.0).tolist() == [0, 0]
    assert np.isnan(clipped(clip_grad_norm_, [np.nan, 2.0], 1.0)).all()
    with np.errstate(invalid="ignore"):
        assert np.isnan(clipped(clip_grad_norm_, [np.inf, 2.0], 1.0)).tolist() == [True, False]  # ∞ · 0, and 2 · 0
    np.testing.assert_array_equal(clipped(clip_grad_value_, [np.nan, 2.0, -np.inf], 1.0), [np.nan, 1, -1])
    p = Parameter(np.zeros(2))
    p.grad = np.array([np.nan, 2.0])
    with pytest.raises(RuntimeError, match=r"norm of order 2\.0 must be finite, got nan"):
        clip_grad_norm_(p, 1.0, error_if_nonfinite=True)


def test_cliff_is_a_chain_of_single_units() -> None:
    for w in (0.9, 1.0, 1.08):
        W, one = np.full((50, 1, 1), w), np.ones((1, 1))
        y = by_hand.deep_chain(one, W, "linear")
        assert by_hand.cliff(np.array(w)) == pytest.approx((y.item() - 1) ** 2, rel=1e-12)
        _, dL_dW = by_hand.deep_chain_backward(2 * (y - 1), one, W, "linear")
        assert by_hand.cliff_backward(np.array(1.0), np.array(w)) == pytest.approx(dL_dW.sum(), rel=1e-12)  # one weight, used 50 times


def test_without_clipping_one_step_is_enough_to_be_lost() -> None:
    for path in script.along_the_cliff(1e-4, 2, None):
        assert path[1] < -18
        assert np.isfinite(by_hand.cliff(path[1]))
        assert by_hand.cliff(path[2]) == np.inf
    for path in script.along_the_cliff(1e-4, 150, 10.0):
        assert np.abs(np.diff(path)).max() <= 1e-3
        assert path[-1] == pytest.approx(1, abs=5e-5)


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    x, h, W = matrix(8, 6, 3), matrix(9, 2, 3), np.ones((4, 3, 3))
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, r"x must have 2 axes, got shape \(6,\)", "bowl_condition", (x[:, 0],)),
        (ValueError, r"x must have at least 4 rows, got shape \(3, 3\)", "bowl_condition", (x[:3],)),
        (ValueError, r"x must have at least 1 rows, got shape \(0, 3\)", "standardise", (x[:0],)),
        (TypeError, "x must be floating point, got int64", "standardise", (x.astype(int),)),
        (ValueError, "κ and shrink must be at least 1, got 0.5 and 10", "steps_needed", (0.5, 10)),
        (ValueError, "κ and shrink must be at least 1, got 2 and nan", "steps_needed", (2, math.nan)),
        (ValueError, r"h must have 2 axes, got shape \(3,\)", "deep_chain", (h[0], W)),
        (ValueError, r"W must have 3 axes, got shape \(3, 3\)", "deep_chain", (h, W[0])),
        (ValueError, r"axis 1 of W must be columns of h = 3, got shape \(4, 2, 3\)", "deep_chain", (h, W[:, :2])),
        (ValueError, r"axis 2 of W must be columns of h = 3, got shape \(4, 3, 2\)", "deep_chain", (h, W[:, :, :2])),
        (TypeError, "W must have the layer's dtype float64, got float32", "deep_chain", (h, W.astype(np.float32))),
        (ValueError, "activation must be one of 'tanh', 'linear', got 'relu'", "deep_chain", (h, W, "relu")),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"^{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    with pytest.raises(InputError, match=r"--data\.features must be one of raw, centred, standardised, whitened, got scaled"):
        Scaled("scaled")


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def after(x: np.ndarray, y: np.ndarray, lr: float, steps: int) -> np.ndarray:
    """p = [W; b] after so many steps from 0, by the closed form p* − (I − lr H)^k p*."""
    best = as_row(*normal_equation(x, y))
    λ, V = np.linalg.eigh(hessian(x))
    return best - V @ ((1 - lr * λ) ** steps * (V.T @ best))


def parameters(side: Any) -> np.ndarray:
    """p = [W; b] of one side."""
    return as_row(**(weights_by_hand(TWIN.naming, side) if isinstance(side, pl.LightningModule) else side.state_dict()))


def test_run_agrees_and_ends_where_the_closed_form_says_on_both_sides(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 1200
    x, y = TWIN.make_data().split.train
    best, lowest = by_sklearn(x, y), ((LinearRegression().fit(x, y).predict(x) - y) ** 2).mean()
    for side in (lockstep.hand.model, theirs):
        assert error(parameters(side), after(x, y, 0.127, 1200)) < 1e-11
        assert error(parameters(side), best) < 0.025  # the flattest direction is not yet done
    above = [np.array([r.loss_manual for r in lockstep.records]), np.array([r.loss_torch for r in lockstep.records])]
    for losses in above:
        excess = losses / lowest - 1
        assert [int((excess <= part).argmax()) for part in (0.1, 0.01, 0.001)] == [8, 18, 506]  # as the text says
        assert 1e-6 < excess[-1] < 1e-4


def variant(features: str, steps: int, **how: Any) -> tuple[LockStep, Any]:
    """A short fit with other features."""
    twin = replace(TWIN, data_args={"features": features})
    return fit(twin, steps, data=twin.make_data(), **how)


@pytest.mark.long
def test_raw_features_agree_as_well_and_are_still_far_off() -> None:
    lockstep, theirs = variant("raw", 1200, model={"lr": 0.00000678})
    assert lockstep.judge.passed, lockstep.judge.failure
    x, y = Scaled("raw").split.train
    lowest = ((x @ (best := normal_equation(x, y))[0] + best[1] - y) ** 2).mean()
    for side in (lockstep.hand.model, theirs):
        assert error(parameters(side), after(x, y, 0.00000678, 1200)) < 1e-9
    for loss in lockstep.records[-1].loss_manual, lockstep.records[-1].loss_torch:
        assert 0.2 < loss / lowest - 1 < 0.25  # a fifth above, as the text says


def test_whitened_features_need_one_step() -> None:
    lockstep, theirs = variant("whitened", 1, model={"lr": 0.5})
    best = by_sklearn(*Scaled("whitened").split.train)
    for side in (lockstep.hand.model, theirs):
        assert error(parameters(side), best) < 1e-12


@pytest.mark.long
def test_too_long_steps_explode_at_the_step_of_the_text_and_clipped_ones_do_not() -> None:
    with pytest.raises(NotFinite, match="step 36: the loss is inf; first not finite: torch: the loss"):
        variant("raw", 40)
    lockstep, _ = variant("raw", 1200, gradient_clip_val=1.0)
    assert lockstep.judge.passed, lockstep.judge.failure
    late = [r.loss_manual for r in lockstep.records[-100:]]
    assert 3300 < min(late) < max(late) < 30_000  # neither lost, nor near the lowest, 2,868
    assert sum(a < b for a, b in pairwise(late)) > 30  # up again and again


# ---- figures -------------------------------------------------------------------------------------


def test_figures_show_what_their_captions_say(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["steps to the same loss", "curvatures", "a deep chain", "a cliff"]

    caption = drawn["steps to the same loss"].caption
    assert "raw after 56,828 steps, centred after 5,438 steps, standardised after 8 steps, whitened after 1 step." in caption
    lines = drawn["steps to the same loss"].axes[0].lines
    for i in range(3):  # whitened is done at once
        foretold, in_torch_, ours = (line.get_data() for line in lines[3 * i : 3 * i + 3])
        seen = foretold[0] <= 600
        for k, above in (in_torch_, ours):
            assert above[foretold[0][seen].astype(int) - 1] == pytest.approx(foretold[1][seen], rel=1e-6, abs=1e-12)
            assert len(k) == 600
    assert [line.get_ydata() for line in lines[-4:-1]] == [[script.FLOOR]] * 3  # a mark at step 1, torch's band and the dashes

    assert "7.7, 4.9, 2.6, 0.0 powers of ten" in drawn["curvatures"].caption
    curvatures = [line.get_ydata() for line in drawn["curvatures"].axes[0].lines]
    powers = [np.log10(λ[-1] / λ[0]) for λ in curvatures]
    assert powers == pytest.approx([7.7, 4.86, 2.64, 0], abs=0.05)
    assert curvatures[2][1] > 1e-2  # ten of eleven within two

    linear, tanh, conditions = drawn["a deep chain"].axes
    starts = {line.get_label(): line.get_ydata()[0] for line in linear.lines if not line.get_label().startswith("_")}
    assert starts["scale 0.5"] < 1e-14
    assert starts["scale 1.5"] > 1e7
    assert 0.1 < starts["scale 1"] < 10
    assert starts["orthogonal"] == pytest.approx(1, rel=1e-12)
    starts = {line.get_label(): line.get_ydata()[0] for line in tanh.lines if not line.get_label().startswith("_")}
    assert starts["scale 0.5"] < 1e-14
    assert starts["scale 1.5"] < 100
    assert 0.01 < starts["orthogonal"] < 0.5
    random, turned = (line.get_ydata() for line in conditions.lines)
    assert random[-1] > 1e16
    assert turned == pytest.approx(np.ones(6), rel=1e-10)

    caption = drawn["a cliff"].caption
    assert "leads from the wall to w\u00a0=\u00a0-18.9" in caption
    assert "no step is longer than 0.001:" in caption
    assert "ends at w\u00a0=\u00a01.0000." in caption
