"""The lasso: soft threshold, three solvers, optimality by subgradients, and scikit-learn's Lasso with its zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from experiments.drawing.weights import as_row
from experiments.judge.compare import error
from experiments.judge.convert import to_torch, weights_by_hand
from experiments.lockstep import LockStep
from experiments.regression import lasso as script
from experiments.regression.lasso import TWIN, at, by_sklearn
from manual.regression import lasso as by_hand
from tests.helpers import gradients_in_torch, whole_run
from torch_impl.regression import lasso as in_torch

SOLVERS = ("ista", "fista", "coordinate_descent")


def problem(seed: int, rows: int = 23, columns: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Random x, and y that depends on two of its columns."""
    rng = np.random.default_rng(seed)
    x = rng.normal(2, 1.5, (rows, columns))
    return x, 2 * x[:, [0]] - 1.5 * x[:, [2]] + rng.normal(5, 1, (rows, 1))


def test_soft_threshold_is_torchs_and_solves_its_compromise() -> None:
    z = np.array([-3.0, -1.0, -0.4, 0.0, 0.7, 1.0, 2.5])
    s = by_hand.soft_threshold(z, 1.0)
    assert np.array_equal(s, torch.nn.functional.softshrink(to_torch(z), 1.0).numpy())
    w = np.linspace(-4, 4, 8001)
    lowest = [w[np.argmin((w - v) ** 2 / 2 + np.abs(w))] for v in z]
    assert np.abs(s - lowest).max() < 1e-3
    assert np.array_equal(by_hand.soft_threshold(z, 0.0), z)
    assert np.isnan(by_hand.soft_threshold(np.array([np.nan]), 1.0)).all()


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("alpha", [0.05, 0.6])
def test_solvers_are_scikit_learns_with_its_zeros(name: str, alpha: float) -> None:
    x, y = problem(0)
    best = by_sklearn(x, y, alpha)
    assert (best[:-1] == 0).any() == (alpha == 0.6)
    for p in (getattr(by_hand, name)(x, y, alpha, 2000)[-1], getattr(in_torch, name)(*to_torch((x, y)), alpha, 2000)[-1].numpy()):
        assert error(p, best) < 1e-9
        assert np.array_equal(p == 0, best == 0)
        W, b = p[:-1, None], p[-1:]
        assert by_hand.violation(x, y, W, b, alpha).max() < 1e-9
        assert error(by_hand.violation(x, y, W + 0.1, b, alpha), in_torch.violation(*to_torch((x, y, W + 0.1, b)), alpha)) < 1e-12
        assert abs(by_hand.loss_backward(1.0, x, y, W, b, alpha)[1][0]) < 1e-12


@pytest.mark.parametrize("name", SOLVERS)
def test_steps_are_torchs_and_ista_and_coordinate_descent_never_climb(name: str) -> None:
    x, y = problem(1)
    path = getattr(by_hand, name)(x, y, 0.3, 40)
    assert path.shape == (41, 6)
    assert error(path, getattr(in_torch, name)(*to_torch((x, y)), 0.3, 40)) < 1e-12
    if name != "fista":
        assert np.all(np.diff([at(p, x, y, 0.3) for p in path]) < 1e-12)


def test_violation_tells_a_zero_that_is_worth_its_price() -> None:
    x, y = problem(2)
    highest = by_hand.alpha_max(x, y)
    nothing = np.zeros((5, 1)), y.mean(axis=0)
    assert error(highest, in_torch.alpha_max(*to_torch((x, y)))) < 1e-13
    assert by_hand.violation(x, y, *nothing, highest * 1.0001).max() == 0
    assert by_hand.violation(x, y, *nothing, highest * 0.99).max() == pytest.approx(highest * 0.01)
    for name in SOLVERS:
        assert not getattr(by_hand, name)(x, y, highest * 1.0001, 30)[-1, :-1].any()
        assert getattr(by_hand, name)(x, y, highest * 0.99, 30)[-1, :-1].any()


def test_twins_have_many_best_weights_and_one_lowest_loss() -> None:
    x, y = problem(3)
    twice = np.hstack([x, x[:, :1]])
    ends = [getattr(by_hand, name)(twice, y, 0.3, 3000)[-1] for name in SOLVERS]
    best = by_sklearn(twice, y, 0.3)
    for p in ends:
        assert at(p, twice, y, 0.3) == pytest.approx(at(best, twice, y, 0.3), rel=1e-10)
        assert p[0] + p[5] == pytest.approx(best[0] + best[5], rel=1e-7)
    assert ends[0][0] == pytest.approx(ends[0][5])  # ISTA treats both alike,
    assert ends[2][0] > 10 * ends[2][5]  # coordinate descent gives nearly all to the first


def test_columns_that_say_nothing_and_bad_input() -> None:
    x, y = problem(4)
    x[:, 3] = 2.0
    for name in SOLVERS:
        assert getattr(by_hand, name)(x, y, 0.1, 50)[-1, 3] == 0
        flat = getattr(by_hand, name)(np.full_like(x, 2.0), y, 0.1, 3)[-1]
        assert list(flat[:-1]) == [0] * 5
        assert flat[-1] == pytest.approx(y.mean())
        with pytest.raises(ValueError, match=f"{name}: alpha must be at least 0, got -1"):
            getattr(by_hand, name)(x, y, -1.0, 3)
    with pytest.raises(ValueError, match=r"x W \+ b and y must have one shape, got \(23, 1\) and \(23,\)"):
        by_hand.loss(x, y[:, 0], np.zeros((5, 1)), np.zeros(1))
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match="alpha must be at least 0, got -1"):
            side.Lasso(alpha=-1)


def test_backward_of_the_concept_is_that_of_the_smooth_term_and_accumulates() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, y = problem(0, rows=7, columns=10)
    formula = in_torch.loss(*to_torch((x, y)), **to_torch(ours.state_dict()), alpha=ours.alpha)
    assert error(theirs.training_step(to_torch((x, y)), 0), formula) < 1e-14
    for factor in (0.7, -1.3):
        ours.training_step((x, y), 0)
        ours.backward(factor)
        (factor * theirs.training_step(to_torch((x, y)), 0)).backward()
    for name, dL_dp in gradients_in_torch(TWIN, theirs).items():
        assert error(getattr(ours, name).grad, dL_dp) < 1e-13


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule, pl.Trainer]:
    """The whole run, in lock-step."""
    lockstep, theirs = whole_run(TWIN)
    return lockstep, theirs, theirs.trainer


def test_run_agrees_and_reaches_scikit_learns_lasso_and_its_zeros(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, trainer = trained
    x, y = TWIN.make_data().split.train
    best = by_sklearn(x, y, 2.0)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 400
    for weights in (lockstep.hand.model.state_dict(), weights_by_hand(TWIN.naming, theirs)):
        p = as_row(**weights)
        assert error(p, best) < 1e-11
        assert np.array_equal(p == 0, best == 0)
    assert lockstep.metrics["zeros/val"] == float(trainer.callback_metrics["zeros/val"]) == 3
    assert lockstep.records[-1].loss_manual == pytest.approx(at(best, x, y, 2.0), rel=1e-12)  # the price is in the loss


def test_what_the_text_says() -> None:
    from sklearn.metrics import r2_score

    (x, y), (x_val, y_val) = (split := TWIN.make_data().split).train, split.val
    for alpha, left, r2 in ((2.0, 7, 0.52), (10.0, 4, 0.48), (50.0, 0, None)):
        p = by_sklearn(x, y, alpha)
        assert np.count_nonzero(p[:-1]) == left
        assert r2 is None or round(r2_score(y_val[:, 0], x_val @ p[:-1] + p[-1]), 2) == r2
    assert 2 * len(x) / np.linalg.norm(x - x.mean(axis=0), 2) ** 2 == pytest.approx(0.506, abs=5e-4)


def test_figures_are_drawn(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, _ = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["path over alpha", "soft threshold", "three ways down", "weights against scikit-learn"]
    lines = drawn["three ways down"].axes[0].lines
    assert [line.get_label() for line in lines[1::2]] == ["ista", "fista", "coordinate descent"]
    ends = [line.get_ydata()[200] for line in lines[1::2]]
    assert ends[1] < ends[0]  # FISTA is ahead of ISTA


def test_where_x_says_nothing_there_is_no_step() -> None:
    def both(x: np.ndarray) -> tuple[tuple[Any, Any, float], ...]:
        return by_hand.prepared("lasso", x, y, 1.0), in_torch.prepared(*to_torch((x, y)))

    rng = np.random.default_rng(0)
    y = rng.normal(size=(5, 1))
    for X, Y, lr in both(np.full((5, 3), 2.0)):
        assert (float(abs(X).max()), lr) == (0.0, 0.0)
        assert float(abs(Y.mean())) < 1e-15
    x = rng.normal(size=(5, 3))
    for _, _, lr in both(x):
        assert lr == pytest.approx(1 / np.linalg.eigvalsh(np.cov(x.T, bias=True)).max())


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_highest_alpha_is_that_of_the_strongest_correlation_of_either_sign(sign: float) -> None:
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    y = sign * np.array([[3.0], [-3.0], [-1.0], [1.0]])  # XᵀY/N = ±(6/4, −4/4)
    assert by_hand.alpha_max(x, y) == 1.5
    assert float(in_torch.alpha_max(*to_torch((x, y)))) == 1.5
