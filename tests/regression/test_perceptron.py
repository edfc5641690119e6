"""The perceptron: Rosenblatt's rule, its bound, scikit-learn's Perceptron, and what cannot be parted."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl

from experiments.data.arrays import InputError
from experiments.drawing.weights import as_row
from experiments.judge.compare import error
from experiments.judge.convert import to_torch, weights_by_hand
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.regression import perceptron as script
from experiments.regression.perceptron import TWIN, XOR, TwoKinds, widest
from manual.regression import perceptron as by_hand
from tests.helpers import SILENT
from torch_impl.regression import perceptron as in_torch


def problem(seed: int, rows: int = 37, columns: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Random x, and the y that a random plane tells, with a little room on either side."""
    rng = np.random.default_rng(seed)
    q = rng.normal(size=columns + 1)
    x = rng.normal(0.3, 1, (4 * rows, columns))
    z = x @ q[:-1] + q[-1]
    apart = np.abs(z) > 0.4
    return x[apart][:rows], np.sign(z[apart][:rows, None])


@pytest.mark.parametrize("seed", range(4))
def test_rule_is_torchs_settles_and_keeps_within_its_bound(seed: int) -> None:
    x, y = problem(seed)
    (path, counts), (theirs, their_counts) = by_hand.rosenblatt(x, y, 2000), in_torch.rosenblatt(*to_torch((x, y)), 2000)
    assert error(path, theirs) < 1e-14
    assert counts == their_counts
    assert counts[-1] == 0
    assert sum(counts) == len(path) - 1
    q = widest(x, y)
    assert by_hand.margin(x, y, path[-1]) > 0
    assert by_hand.margin(x, y, q) >= by_hand.margin(x, y, path[-1])
    for proof in (q, path[-1]):
        assert 1 <= sum(counts) <= by_hand.mistake_bound(x, y, proof)
        assert error(by_hand.mistake_bound(x, y, proof), in_torch.mistake_bound(*to_torch((x, y, proof)))) < 1e-12
        assert error(by_hand.margin(x, y, proof), in_torch.margin(*to_torch((x, y, proof)))) < 1e-12


def test_rule_is_scikit_learns_perceptron() -> None:
    from sklearn.linear_model import Perceptron

    x, y = problem(5)
    path, counts = by_hand.rosenblatt(x, y, 2000)
    fitted = Perceptron(shuffle=False, tol=None, max_iter=len(counts)).fit(x, y[:, 0])
    assert error(path[-1], np.append(fitted.coef_, fitted.intercept_)) < 1e-12


def test_each_mistake_lengthens_q_by_no_more_than_the_proof_says() -> None:
    x, y = problem(6)
    path, _ = by_hand.rosenblatt(x, y, 2000)
    R, q = np.linalg.norm(np.hstack([x, np.ones((len(x), 1))]), axis=1).max(), widest(x, y)
    gamma = by_hand.margin(x, y, q)
    assert np.diff((path**2).sum(axis=1)).max() <= R**2
    assert np.diff(path @ q / np.linalg.norm(q)).min() >= gamma * (1 - 1e-6)


def test_xor_and_contradictions_never_settle() -> None:
    x, y = XOR
    path, counts = by_hand.rosenblatt(x, y, 25)
    assert counts == [4] * 25
    assert np.array_equal(path[:5], path[96:])  # round and round
    same = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([[1.0], [-1.0]])
    assert min(by_hand.rosenblatt(*same, 25)[1]) > 0
    assert min(by_hand.rosenblatt(*TwoKinds("inseparable").split.train, 200)[1]) > 0
    with pytest.raises(ValueError, match="q must have every row right, but its margin is -"):
        by_hand.mistake_bound(x, y, np.array([1.0, 1.0, 0.5]))


def test_bad_input_is_named() -> None:
    x, y = problem(7)
    with pytest.raises(ValueError, match=r"y must be \+1 or -1, got 0"):
        by_hand.rosenblatt(x, (y + 1) / 2)
    with pytest.raises(ValueError, match=r"y must be \+1 or -1, got 0"):
        by_hand.perceptron_loss(y, (y + 1) / 2)
    with pytest.raises(ValueError, match=r"z and y must have one shape, got \(37, 1\) and \(37,\)"):
        by_hand.perceptron_loss(y, y[:, 0])
    with pytest.raises(ValueError, match="q must not be 0"):
        by_hand.margin(x, y, np.zeros(4))
    with pytest.raises(InputError, match="must be separable, inseparable or xor, got and"):
        TwoKinds("and")


def test_a_score_of_zero_is_a_mistake_and_nan_passes_through() -> None:
    z, y = np.zeros((3, 1)), np.array([[1.0], [-1.0], [1.0]])
    assert list(by_hand.perceptron_loss_backward(6.0, z, y)[:, 0]) == [-2, 2, -2]
    assert by_hand.perceptron_loss(z, y) == 0
    z[1] = np.nan
    for side, of in ((by_hand, (z, y)), (in_torch, to_torch((z, y)))):
        assert np.isnan(float(side.perceptron_loss(*of)))


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, y = problem(0, rows=7, columns=2)
    ours.load_state_dict({"W": np.array([[0.4], [-0.9]]), "b": np.array([0.2])})
    check_grads(ours, (x, y), again=(x[:4], y[:4]), torch=theirs, names=TWIN.names)
    assert all(abs(p.grad).sum() > 0 for p in ours.parameters())


@pytest.mark.parametrize("lr", [1.0, 0.125])
def test_training_is_the_rule_itself_on_both_sides_whatever_the_step_size(lr: float) -> None:
    theirs = in_torch.Perceptron(lr=lr)
    lockstep = LockStep(TWIN)
    trainer = pl.Trainer(**TWIN.trainer, **SILENT, precision="64-true", callbacks=[lockstep])
    data = TWIN.make_data()
    trainer.fit(theirs, data)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == trainer.global_step == 400
    x, y = data.split.train
    order = np.concatenate([list(epoch) for epoch in passes(len(x), 5)])
    path, _ = by_hand.rosenblatt(x[order], y[order], 1)  # the same rows in the order of the run
    assert by_hand.margin(x, y, path[-1]) > 0
    for weights in (lockstep.hand.model.state_dict(), weights_by_hand(TWIN.naming, theirs)):
        assert error(as_row(**weights), lr * path[-1]) < 1e-12
    assert lockstep.metrics["accuracy/val"] == float(trainer.callback_metrics["accuracy/val"]) == 1
    assert sum(record.loss_manual > 0 for record in lockstep.records) <= len(path) - 1 <= by_hand.mistake_bound(x, y, widest(x, y))


def passes(n: int, epochs: int) -> list[list[int]]:
    """The orders in which the loader gives out n rows."""
    from experiments.data.loaders import ShuffledOrder

    order, found = ShuffledOrder(n, 0), []
    for order.epoch in range(epochs):
        found.append(list(order))
    return found


def test_figures_are_drawn() -> None:
    drawn = script.figures(*TWIN.build(), TWIN.make_data())
    assert list(drawn) == ["the line turns", "settled or never", "XOR"]
    counts = {line.get_label(): line.get_ydata() for line in drawn["settled or never"].axes[0].lines[1::2]}
    assert counts["setosa, versicolor: separable"][-1] == 0
    assert counts["versicolor, virginica: inseparable"].min() > 0
    assert set(counts["XOR"]) == {4}
    (x, y), (path, _) = script.XOR, by_hand.rosenblatt(*script.XOR, 6)
    for k, ax in enumerate(drawn["XOR"].axes, start=5):
        *lines, ring = ax.lines[2:]
        wrong = np.flatnonzero((x == np.ravel(ring.get_data())).all(axis=1)).item()
        assert y[wrong, 0] * (x[wrong] @ path[k - 1][:2] + path[k - 1][2]) <= 0, "the line before had it wrong"
        assert [line.get_label() for line in lines] == (["_child2", "_child3"] if path[k][:2].any() else []), "torch's and the one by hand"
    for ax in drawn["the line turns"].axes:
        assert len(ax.lines) == 5
