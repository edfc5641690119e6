"""Logistic regression: the gradient, the Hessian, Newton's method, scikit-learn's solution, and data that have none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytorch_lightning as pl

from experiments.drawing.weights import as_row
from experiments.judge.central import jacobian
from experiments.judge.compare import error
from experiments.judge.convert import to_torch, weights_by_hand
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.regression import logistic_regression as script
from experiments.regression.logistic_regression import TWIN, by_sklearn, descend
from manual.regression import logistic_regression as by_hand
from manual.regression.linear_regression import with_ones
from tests.helpers import whole_run
from torch_impl.regression import logistic_regression as in_torch


def problem(seed: int, rows: int = 41, columns: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random x and y (two classes that overlap), and q = [W; b]."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0.5, 1.3, (rows, columns))
    y = (x[:, :1] + rng.logistic(0, 1.5, (rows, 1)) > 0.4).astype(float)
    return x, y, rng.normal(size=columns + 1)


def gradient(x: np.ndarray, y: np.ndarray, q: np.ndarray, alpha: float) -> np.ndarray:
    """∂L/∂q by hand."""
    return as_row(*by_hand.loss_backward(1.0, x, y, q[:-1, None], q[-1:], alpha))


@pytest.mark.parametrize("seed", range(3))
def test_hessian_is_torchs_and_how_the_gradient_changes(seed: int) -> None:
    x, y, q = problem(seed)
    H = by_hand.hessian(x, q[:-1, None], q[-1:], 0.3)
    assert H.shape == (4, 4)
    assert error(H, in_torch.hessian(*to_torch((x, q[:-1, None], q[-1:])), 0.3)) < 1e-13
    assert error(H, jacobian(lambda q: gradient(x, y, q, 0.3), q)) < 1e-8
    assert np.all(np.linalg.eigvalsh(H) > 0)


@pytest.mark.parametrize("alpha", [0.0, 0.07])
def test_newton_arrives_where_the_gradient_is_zero_on_both_sides(alpha: float) -> None:
    x, y, q = problem(1)
    ours, theirs = by_hand.newton(x, y, alpha), in_torch.newton(*to_torch((x, y)), alpha)
    assert error(ours, theirs) < 1e-11
    assert np.linalg.norm(gradient(x, y, ours[-1], alpha)) < 1e-14 * np.linalg.norm(gradient(x, y, q, alpha)) * 100
    away = np.linalg.norm(ours[:-1] - ours[-1], axis=1)
    assert away[-1] < away[-2] ** 2 * 2  # the number of right digits doubles


def test_newton_without_alpha_is_scikit_learns_without_penalty() -> None:
    from sklearn.linear_model import LogisticRegression

    x, y, _ = problem(2)
    fitted = LogisticRegression(C=math.inf, solver="newton-cholesky", tol=1e-12).fit(x, y[:, 0])
    assert error(by_hand.newton(x, y)[-1], as_row(fitted.coef_, fitted.intercept_)) < 1e-8


def test_a_jump_is_a_weighted_least_squares_problem() -> None:
    x, y, _ = problem(3)
    path = by_hand.newton(x, y)
    q = path[1]
    p = by_hand.sigmoid(with_ones(x) @ q[:, None])
    s = p * (1 - p)
    response = with_ones(x) @ q[:, None] + (y - p) / s  # what a straight line would have to say
    solution = np.linalg.lstsq(np.sqrt(s) * with_ones(x), np.sqrt(s) * response)[0]
    assert error(path[2], solution[:, 0]) < 1e-11


def test_newton_halves_a_jump_that_leads_uphill() -> None:
    x = np.array([-40.0, -1.0, 0.5, 1.0, 2.0, 45.0, 60.0])[:, None]
    y = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0])[:, None]
    path = by_hand.newton(x, y, 0.0)
    losses = [by_hand.loss(x, y, q[:-1, None], q[-1:]) for q in path]
    assert np.all(np.diff(losses) < 1e-15)
    assert np.linalg.norm(gradient(x, y, path[-1], 0.0)) < 1e-12


def test_newton_refuses_what_has_no_lowest_point() -> None:
    x, y, _ = problem(4)
    with pytest.raises(ValueError, match="y must hold both classes"):
        by_hand.newton(x, np.ones_like(y), 0.1)
    apart = (x[:, :1] > 0.5).astype(float)
    with pytest.raises(ValueError, match="a plane separates these"):
        by_hand.newton(x, apart)
    assert np.isfinite(by_hand.newton(x, apart, 0.1)).all()  # a price on length, and there is one
    with pytest.raises(ValueError, match="must be 5 independent columns where alpha = 0, got 4"):
        by_hand.newton(np.hstack([x, 2 * x[:, :1] - 3]), y)
    assert np.isfinite(by_hand.newton(np.hstack([x, 2 * x[:, :1] - 3]), y, 0.1)).all()
    with pytest.raises(ValueError, match="not at rest after 2 steps"):
        by_hand.newton(x, y, 0.0, max_steps=2)


def test_collinear_features_share_their_weight_under_alpha() -> None:
    x, y, _ = problem(5)
    q = by_hand.newton(np.hstack([x[:, :1], x]), y, 0.2)[-1]
    assert q[0] == pytest.approx(q[1], abs=1e-12)


def test_loss_of_very_sure_scores_is_torchs() -> None:
    z = np.array([-1e4, -800.0, -40.0, 40.0, 800.0, 1e4])
    for y in (np.zeros(6), np.ones(6)):
        assert error(by_hand.binary_cross_entropy(z, y), in_torch.binary_cross_entropy(*to_torch((z, y)))) == 0
        assert np.isfinite(by_hand.binary_cross_entropy_backward(1.0, z, y)).all()
    assert list(by_hand.sigmoid(np.array([-np.inf, -1e4, 1e4, np.inf]))) == [0, 0, 1, 1]
    assert by_hand.sigmoid_backward(np.array([3.0]), np.array([40.0]))[0] == pytest.approx(3 * math.exp(-40), rel=1e-14)


def test_bad_input_is_named() -> None:
    x, y, q = problem(6)
    with pytest.raises(ValueError, match=r"z and y must have one shape, got \(41, 1\) and \(41,\)"):
        by_hand.loss(x, y[:, 0], q[:-1, None], q[-1:])
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match="alpha must be at least 0, got -1"):
            side.LogisticRegression(alpha=-1)


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, y, _ = problem(0, rows=17, columns=30)
    formula = in_torch.loss(*to_torch((x, y)), **to_torch(ours.state_dict()), alpha=ours.alpha)
    assert error(theirs.training_step(to_torch((x, y)), 0), formula) < 1e-14
    check_grads(ours, (x, y), again=(x[:8], y[:8]), torch=theirs, names=TWIN.names)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule, pl.Trainer]:
    """The whole run, in lock-step."""
    lockstep, theirs = whole_run(TWIN)
    return lockstep, theirs, theirs.trainer


def test_run_agrees_and_reaches_newtons_and_scikit_learns_solution(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, trainer = trained
    x, y = TWIN.make_data().split.train
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 500
    for best in (by_hand.newton(x, y, 0.01)[-1], by_sklearn(x, y, 0.01)):
        for weights in (lockstep.hand.model.state_dict(), weights_by_hand(TWIN.naming, theirs)):
            assert error(as_row(**weights), best) < 1e-9


def test_held_out_accuracy_is_scikit_learns_on_both_sides(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, _, trainer = trained
    split = TWIN.make_data().split
    q = by_sklearn(*split.train, 0.01)
    accuracy = np.mean((split.val[0] @ q[:-1, None] + q[-1] > 0) == split.val[1])
    assert accuracy > 0.97
    assert lockstep.metrics["accuracy/val"] == accuracy == float(trainer.callback_metrics["accuracy/val"])


def test_a_score_of_0_is_a_no_on_both_sides() -> None:
    ours, theirs = TWIN.build(seed=0)
    x, y = np.zeros((3, 30)), np.array([[0.0], [0.0], [1.0]])  # b begins at 0, so z is 0 for a row of zeros
    logged: dict[str, float] = {}
    theirs.log = lambda name, value, **_: logged.__setitem__(name, value.item())
    ours.validation_step((x, y), 0)
    theirs.validation_step(to_torch((x, y)), 0)
    assert ours.logged["accuracy/val"][0] == pytest.approx(2 / 3)
    assert logged["accuracy/val"] == pytest.approx(2 / 3)


def test_what_the_text_says_of_no_price_and_of_long_steps() -> None:
    x, y = TWIN.make_data().split.train
    with pytest.raises(ValueError, match=r"not at rest|a plane separates these"):
        by_hand.newton(x, y)
    best = by_sklearn(x, y, 0.01)
    for q, low, high in ((np.zeros(31), 1.05, 1.15), (best, 18.5, 19.5)):
        assert low < 2 * 1.9 / np.linalg.eigvalsh(by_hand.hessian(x, q[:-1, None], q[-1:], 0.01))[-1] < high
    for lr, arrives in ((4.0, True), (25.0, False)):
        for q in descend(x, y, np.zeros(31), 300, alpha=0.01, lr=lr):
            assert (np.linalg.norm(q[-1] - best) < 1e-4) == arrives
            assert np.linalg.norm(q, axis=1).max() < 500


def test_figures_are_drawn(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, _ = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == [
        "the curve",
        "where the answer turns",
        "what is paid",
        "no lowest point",
        "newton against gradient descent",
        "weights against scikit-learn",
    ]
    lines = drawn["no lowest point"].axes[0].lines  # torch's and the hand-written one, for each alpha
    lengths = {line.get_label(): line.get_ydata() for line in lines[1::2]}
    assert lengths["alpha = 0"][-1] > 1.5 * lengths["alpha = 0"][300]
    assert all(abs(v[-1] / v[300] - 1) < 0.05 for label, v in lengths.items() if label != "alpha = 0")
