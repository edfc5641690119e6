"""Transfer: the way back by hand, frozen layers that do not move and forget nothing, and who learns new digits from few examples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from experiments.judge.compare import error
from experiments.judge.convert import weights_by_hand
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained, twin_of
from experiments.networks import transfer as script
from experiments.networks.transfer import AT_RANDOM, FROZEN, SCRATCH, TUNED, TWIN
from manual.module import no_grad
from manual.networks import transfer as by_hand
from manual.trainer import Trainer
from tests.helpers import whole_run
from torch_impl.networks import transfer as in_torch


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    z, group = rng.normal(size=(5, 6)), np.array([1, 0, 0, 1, 1])
    check_grads(
        lambda z: by_hand.own_scores(z, group), [z],
        backward=lambda dL_dy, z: by_hand.own_scores_backward(dL_dy, z, group),
        torch=lambda z: in_torch.own_scores(z, torch.from_numpy(group)),
    )  # fmt: skip
    ours, theirs = TWIN.build(1, variant="fine-tuned")
    mixed, new = TWIN.make_data().two_batches(theirs)
    check_grads(ours, tuple(a[15:25] for a in mixed), again=tuple(a[:7] for a in new), torch=theirs)


def test_a_frozen_body_gets_the_gradient_of_the_old_digits_alone() -> None:
    """Of a mixed batch; the gradient of the head, and of a body that is not frozen, is that of all."""
    data = TWIN.make_data()
    x, y = data.two_batches(None)[0]
    gradients: dict[Any, dict[str, np.ndarray]] = {}
    for frozen in (True, False):
        ours, theirs = TWIN.having({"frozen": frozen}).build(1)
        for name, batch in (("all", (x, y)), ("old", (x[y < 5], y[y < 5]))):
            ours.zero_grad(), theirs.zero_grad()
            ours.training_step(batch, 0), ours.backward()
            theirs.training_step(tuple(map(torch.from_numpy, batch)), 0).backward()
            found = {n: p.grad.copy() for n, p in ours.named_parameters()}
            assert all(error(found[n], p.grad.numpy()) < 1e-12 for n, p in theirs.named_parameters())
            gradients[frozen, name] = found
    share = (y < 5).mean()  # the loss is a mean over all
    for n, g in gradients[True, "all"].items():
        if n.startswith("body"):
            assert error(g, share * gradients[True, "old"][n]) < 1e-13
            assert error(g, gradients[False, "all"][n]) > 0.01
        else:
            assert error(g, gradients[False, "all"][n]) < 1e-14


def test_frozen_weights_do_not_move_and_nothing_of_the_old_digits_is_forgotten() -> None:
    """To the last bit, on both sides, and neither do the old digits' rows of the head."""
    data = TWIN.make_data()
    for frozen in (True, False):
        ours, theirs = TWIN.having({"frozen": frozen}).build(0)
        before = ours.state_dict()
        Trainer().fit(ours, data.batches(data.before)[:5])
        script.steps_in_torch(theirs, data.batches(data.before)[:5])
        for after in (ours.state_dict(), weights_by_hand(TWIN.naming, theirs)):
            assert np.array_equal(after["head.weight"][:5], before["head.weight"][:5])
            assert not np.array_equal(after["head.weight"][5:], before["head.weight"][5:])
            assert {np.array_equal(after[n], before[n]) for n in before if n.startswith("body")} == {frozen}


def test_a_frozen_network_is_softmax_regression_on_its_features() -> None:
    """Which needs the features once, and no network."""
    data = TWIN.make_data()
    ours, _ = TWIN.build(0)
    batches = data.batches(data.before)
    W, b = ours.head.weight.data.copy(), ours.head.bias.data.copy()
    with no_grad():
        seen = [(ours.body(x), y - 5) for x, y in batches]
    for h, y in seen:
        dL_dz = (softmax(h @ W[5:].T + b[5:], axis=1) - np.eye(5)[y]) / len(y)
        W[5:] -= 0.1 * dL_dz.T @ h
        b[5:] -= 0.1 * dL_dz.sum(axis=0)
    Trainer().fit(ours, batches)
    assert error(ours.head.weight.data, W) < 1e-13
    assert error(ours.head.bias.data, b) < 1e-13


def test_first_old_digits_then_few_new_ones() -> None:
    data = TWIN.make_data(before=2, few=3)
    x, y = data.split.train
    for epoch in range(4):
        batches = data.batches(epoch)
        assert len(batches) == 20
        digits = np.concatenate([b[1] for b in batches])
        assert (set(digits) == set(range(5))) if epoch < 2 else (set(digits) == set(range(5, 10)))
        for images, of in batches[:3]:
            rows = [int(np.flatnonzero((x == image).all(axis=(1, 2, 3)))[0]) for image in images]
            assert y[rows].tolist() == of.tolist()
            assert len(set(rows)) == len(rows)
    assert len(data.batches(3)[0][0]) == 15  # all that there are
    assert len({b[0].tobytes() for b in (*data.batches(2), *data.batches(3))}) == 40
    assert not np.array_equal(TWIN.make_data(seed=1).batches(0)[0][1], TWIN.make_data(seed=0).batches(0)[0][1])


# ---- what is reached -------------------------------------------------------------------------------


def test_a_short_run_agrees() -> None:
    for frozen in (True, False):
        small = TWIN.having({"frozen": frozen, "channels": 3}, {"before": 1, "batch_size": 12})
        lockstep, _ = whole_run(replace(small, trainer={"max_epochs": 2}))
        assert lockstep.judge.passed, lockstep.judge.failure
        assert len(lockstep.records) == 40


@pytest.mark.long
def test_a_run_tells_new_digits_by_what_it_knew_of_old_ones(run: Trained) -> None:
    assert run.agree
    assert np.mean(run.losses[-48:]) < run.losses[0] / 3
    (hand_old, hand_new), (torch_old, torch_new) = script.told(run.manual, run.torch, run.data)
    assert min(hand_old, torch_old) > 0.95
    assert min(hand_new, torch_new) > 0.85
    assert run.metrics["new/val"] == pytest.approx(hand_new)
    assert run.metrics["old/val"] == pytest.approx(hand_old)
    before = script.learned_before(20)
    after = weights_by_hand(TWIN.naming, run.torch)
    for side in (after, run.manual.state_dict()):
        assert max(error(side[n], before[n]) for n in before if n.startswith("body")) < 1e-10  # as it was after the old digits
    assert script.moved(run) < 1e-10
    few = data_of_new(run.data)
    x, y = (a[run.data.split.val[1] >= 5] for a in run.data.split.val)
    with no_grad():
        best = LogisticRegression(C=10.0, max_iter=2000).fit(run.manual.body(few[0]), few[1])
        by_sklearn = best.score(run.manual.body(x), y)
    assert abs(by_sklearn - hand_new) < 0.08


def data_of_new(data: Any) -> tuple[np.ndarray, ...]:
    """The few examples of new digits."""
    return tuple(a[data.pools()[1]] for a in data.split.train)


def test_weight_decay_moves_what_gets_no_gradient() -> None:
    """By (1 − lr · weight_decay) at each of 40 steps."""
    decayed = trained(twin_of(TWIN, script.MISTAKE))
    assert script.moved(decayed) == pytest.approx(1 - (1 - 0.1 * 0.05) ** 40, rel=1e-9)
    assert decayed.agree


@pytest.mark.long
def test_what_transfers() -> None:
    found = {kind: script.new_digits(kind) for kind in script.KINDS}
    for ours, theirs in found.values():
        assert np.abs(ours - theirs).max() < 0.006  # one digit of 172 may lie on an edge
    at = script.EARLY // script.EVERY
    early = {kind: ours[1][at] for kind, (ours, _) in found.items()}
    assert min(early[FROZEN], early[TUNED]) > 0.85
    assert early[AT_RANDOM] < early[SCRATCH] < 0.8
    assert found[SCRATCH][0][1][-1] > 0.8  # it catches up
    old = {kind: ours[0] for kind, (ours, _) in found.items()}
    assert np.ptp(old[FROZEN]) == 0
    assert 0.6 < old[TUNED].min() < old[TUNED][0] - 0.02


# ---- what figures and texts say ------------------------------------------------------------------


def test_components_are_sklearns() -> None:
    h = np.random.default_rng(0).normal(size=(40, 7)) * np.arange(1, 8)
    theirs = PCA(2, svd_solver="full").fit_transform(h)
    ours = script.on_paper(h)
    assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-10)


def test_the_nearest_point_is_another_one() -> None:
    at = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.0, 0.2], [0.3, 0.0]])
    assert script.neighbours(at, np.array([0, 0, 1, 1, 1])) == pytest.approx(4 / 5)


@pytest.mark.long
def test_the_figures_show_both_sides(run: Trained) -> None:
    drawn = script.figures(run.manual, run.torch, run.data)
    left, right = drawn["what transfers"].axes
    assert (len(left.lines), len(right.lines)) == (8, 4)
    for ax in (left, right):
        curves = [line.get_ydata() for line in ax.lines]
        assert all(np.abs(a - b).max() < 0.006 for a, b in zip(curves[::2], curves[1::2], strict=True))
    assert [len(ax.lines) for ax in drawn["features"].axes] == [5, 5, 5]
    assert sum(len(line.get_xdata()) for line in drawn["features"].axes[2].lines) == (run.data.split.val[1] >= 5).sum()
