"""Softmax regression: p − y, the Jacobian, the Hessian, the level direction, and scikit-learn's solution on digits and irises."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl

from experiments.data.arrays import InputError
from experiments.judge.central import jacobian
from experiments.judge.compare import error
from experiments.judge.convert import to_torch, weights_by_hand
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.regression import softmax_regression as script
from experiments.regression.softmax_regression import TWIN, as_matrix, by_sklearn, descend
from manual.nn.functional import softmax
from manual.regression import logistic_regression
from manual.regression import softmax_regression as by_hand
from tests.helpers import whole_run
from torch_impl.regression import softmax_regression as in_torch


def problem(seed: int, rows: int = 7, columns: int = 3, classes: int = 4) -> tuple[np.ndarray, ...]:
    """Random x, c, W and b."""
    rng = np.random.default_rng(seed)
    x, c = rng.normal(0.5, 1.3, (rows, columns)), rng.integers(0, classes, rows)
    return x, c, rng.normal(size=(columns, classes)), rng.normal(size=classes)


@pytest.mark.parametrize("seed", range(3))
def test_jacobian_is_torchs_and_that_of_central_differences(seed: int) -> None:
    z = np.random.default_rng(seed).normal(0, 2, (5, 3))
    J = by_hand.softmax_jacobian(z)
    assert error(J, in_torch.softmax_jacobian(to_torch(z))) < 1e-14
    assert error(J, np.stack([jacobian(softmax, row) for row in z])) < 1e-9
    assert abs(J.sum(axis=2)).max() < 1e-15
    c = np.array([0, 2, 1, 1, 0])
    H = jacobian(lambda z: by_hand.cross_entropy_backward(5.0, z, c), z)
    assert error(J, H[range(5), :, range(5)]) < 1e-9  # it is the second derivative of each row's cross-entropy


@pytest.mark.parametrize("seed", range(3))
def test_hessian_is_torchs_and_how_the_gradient_changes(seed: int) -> None:
    x, c, W, b = problem(seed)
    H = by_hand.hessian(x, W, b, 0.3)
    assert H.shape == (16, 16)
    assert error(H, in_torch.hessian(*to_torch((x, W, b)), 0.3)) < 1e-13

    def gradient(q: np.ndarray) -> np.ndarray:
        return as_matrix(*by_hand.loss_backward(1.0, x, c, q[:-4].reshape(3, 4), q[-4:], 0.3)).ravel()

    assert error(H, jacobian(gradient, as_matrix(W, b).ravel())) < 1e-8


def test_moving_all_scores_alike_changes_nothing() -> None:
    x, c, W, b = problem(4)
    level = as_matrix(np.zeros_like(W), np.ones_like(b)).ravel()
    assert np.linalg.norm(by_hand.hessian(x, W, b, 0.3) @ level) < 1e-15
    assert by_hand.loss(x, c, W, b + 3.0) == pytest.approx(by_hand.loss(x, c, W, b), rel=1e-14)
    assert abs(by_hand.cross_entropy_backward(1.0, x @ W + b, c).sum(axis=1)).max() < 1e-15


def test_two_classes_are_logistic_regression() -> None:
    x, c, W, b = problem(5, classes=2)
    z, y = x @ W + b, c[:, None].astype(float)
    difference = z[:, 1:] - z[:, :1]
    assert softmax(z)[:, 1:] == pytest.approx(logistic_regression.sigmoid(difference), rel=1e-13)
    assert by_hand.cross_entropy(z, c) == pytest.approx(logistic_regression.binary_cross_entropy(difference, y), rel=1e-13)
    by_two = by_hand.cross_entropy_backward(1.3, z, c)[:, 1:]
    assert error(by_two, logistic_regression.binary_cross_entropy_backward(1.3, difference, y)) < 1e-13


def test_a_class_that_no_row_has_is_pushed_away_and_never_arrives() -> None:
    x, c, W, b = problem(6, classes=3)
    c[c == 2] = 0
    _, dL_db = by_hand.loss_backward(1.0, x, c, W, b, 0.1)
    assert dL_db[2] > 0
    ours, _ = descend(x, c, as_matrix(W, b), 3000, alpha=0.1, lr=0.5)
    assert ours[3000][-1, 2] < ours[1000][-1, 2] - 0.5
    assert by_sklearn(x, c, 0.1).shape == (4, 1)  # scikit-learn counts the classes that it sees


def test_scores_far_apart_are_torchs() -> None:
    z = np.array([[1e4, -1e4, 0.0], [-800.0, 800.0, 799.0], [-1e300, 1.0, 2.0]])
    c = np.array([1, 2, 1])
    assert error(by_hand.cross_entropy(z, c), in_torch.cross_entropy(*to_torch((z, c)))) < 1e-15
    assert list(by_hand.cross_entropy_backward(3.0, z, c)[0]) == [1, -1, 0]
    assert np.isnan(by_hand.cross_entropy(z * np.nan, c))


def test_bad_input_is_named() -> None:
    x, c, W, b = problem(7)
    with pytest.raises(IndexError, match=r"c must lie in 0 … 3 \(classes = 4\), got 4"):
        by_hand.loss(x, np.where(c == c[0], 4, c), W, b)
    with pytest.raises(TypeError, match="c must be an array of integers, got float64"):
        by_hand.loss(x, c.astype(float), W, b)
    with pytest.raises(ValueError, match=r"one class for each row of z, \(7,\), got \(6,\)"):
        by_hand.loss(x, c[1:], W, b)
    with pytest.raises(ValueError, match=r"z must have 2 axes, got shape \(4,\)"):
        by_hand.cross_entropy(b, c[:1])
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match="alpha must be at least 0, got -1"):
            side.SoftmaxRegression(alpha=-1)
    with pytest.raises(InputError, match=r"--data\.dataset must be digits or iris, got mnist"):
        TWIN.make_data(dataset="mnist")


def test_one_hot_is_torchs() -> None:
    c = np.array([2, 0, 3, 2, 1])
    assert np.array_equal(by_hand.one_hot(c, 4), in_torch.one_hot(to_torch(c), 4).numpy())


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, c, _, _ = problem(0, rows=17, columns=64, classes=10)
    formula = in_torch.loss(*to_torch((x, c)), **to_torch(ours.state_dict()), alpha=ours.alpha)
    assert error(theirs.training_step(to_torch((x, c)), 0), formula) < 1e-14
    check_grads(ours, (x, c), again=(x[:8], c[:8]), torch=theirs, names=TWIN.names)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule, pl.Trainer]:
    """The whole run, in lock-step."""
    lockstep, theirs = whole_run(TWIN)
    return lockstep, theirs, theirs.trainer


def test_run_agrees_and_reaches_scikit_learns_solution(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, trainer = trained
    data = TWIN.make_data()
    best = by_sklearn(*data.split.train, 0.003)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 400
    for weights in (lockstep.hand.model.state_dict(), weights_by_hand(TWIN.naming, theirs)):
        q = as_matrix(**weights)
        assert error(q, best) < 1e-8
        assert abs(q[:-1].sum(axis=1)).max() < 1e-7  # what the docstring says of W
    x, c = data.split.val
    accuracy = np.mean((x @ best[:-1] + best[-1]).argmax(axis=1) == c)
    assert 0.96 < accuracy < 0.97
    assert lockstep.metrics["accuracy/val"] == accuracy == float(trainer.callback_metrics["accuracy/val"])


def test_iris_on_both_sides_is_scikit_learns() -> None:
    split = TWIN.make_data(dataset="iris").split
    best = by_sklearn(*split.train, 0.003)
    for path in descend(*split.train, np.zeros((5, 3)), 1500, alpha=0.003, lr=1.0):
        assert error(path[-1], best) < 1e-9
    x, c = split.val
    assert np.sum((x @ best[:-1] + best[-1]).argmax(axis=1) == c) == 27  # what the text says


def test_figures_are_drawn_for_both_datasets(trained: tuple[LockStep, pl.LightningModule, pl.Trainer]) -> None:
    lockstep, theirs, _ = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["three kinds of iris", "weights as pictures", "what minus what", "arriving at scikit-learn"]
    bars = [patch.get_height() for patch in drawn["what minus what"].axes[3].patches]
    assert len(bars) == 10
    assert sum(bars) == pytest.approx(0, abs=1e-12)
    assert min(bars) < -0.5  # it is misread
    of_iris = {"features": 4, "classes": 3}
    few = script.figures(by_hand.SoftmaxRegression(**of_iris), in_torch.SoftmaxRegression(**of_iris), TWIN.make_data(dataset="iris"))
    assert list(few) == ["three kinds of iris", "arriving at scikit-learn"]
