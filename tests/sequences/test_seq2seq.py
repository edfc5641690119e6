"""Encoder and decoder: what is read and written, gradients, the map that is the other diagonal, and teacher forcing, on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import seq2seq as script
from experiments.sequences.seq2seq import TWIN
from manual.module import no_grad
from torch_impl.sequences.seq2seq import Seq2Seq as Torch

SMALL = TWIN.having({"embedding": 5, "hidden": 6}, {"symbols": 4, "length": 5, "sequences": 40})


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """A small pair, and sequences."""
    data = SMALL.make_data()
    return (*SMALL.build(seed=3, data=data), *data.split.train)


@pytest.mark.parametrize("teacher_forcing", [True, False])
def test_gradient_of_the_concept_is_that_of_autograd_and_of_central_differences(teacher_forcing: bool) -> None:
    twin = SMALL.having({"teacher_forcing": teacher_forcing})
    data = twin.make_data()
    ours, theirs = twin.build(data=data)
    x, y = data.split.train
    check_grads(ours, (x[:7], y[:7]), again=(x[7:11], y[7:11]), torch=theirs)


def test_before_each_symbol_stands_the_one_before_it_and_the_start(pair: Any) -> None:
    ours, theirs, _, _ = pair
    y = np.array([[3, 1, 2], [0, 0, 1]])
    assert ours.shifted(y).tolist() == theirs.shifted(torch.from_numpy(y)).tolist() == [[4, 3, 1], [4, 0, 0]]


def test_what_is_written_is_the_largest_score_after_what_was_written_before(pair: Any) -> None:
    """All steps at once, given what was written: the same scores, so the same symbols."""
    ours, theirs, x, _ = pair
    written = ours.written(x)
    assert np.array_equal(written, theirs.written(torch.from_numpy(x)).numpy())
    with no_grad():
        assert np.array_equal(ours(x, ours.shifted(written)).argmax(axis=2), written)
    assert len(np.unique(written)) > 1


def test_the_last_state_is_not_enough_for_the_map_to_be_ignored(pair: Any) -> None:
    """What is written depends on every place that was read, through the states that are looked at."""
    ours, _, x, y = pair
    with no_grad():
        z = ours(x, ours.shifted(y))
        weights = ours.attend.weights
        h, _ = ours.encoder(ours.embedding(x))
        assert ours.out(weights @ h) == pytest.approx(z, abs=1e-14)
    assert weights.sum(axis=2) == pytest.approx(np.ones(weights.shape[:2]))
    assert error(script.map_by_hand(ours, x, y), script.map_in_torch(pair[1], x, y)) < 1e-13


def test_without_teacher_forcing_it_is_trained_on_what_it_writes(pair: Any) -> None:
    _, _, x, y = pair
    twin = SMALL.having({"teacher_forcing": False})
    ours, theirs = twin.build(seed=3, data=twin.make_data())
    loss = ours.training_step((x, y), 0)
    with no_grad():
        z = ours(x, ours.shifted(ours.written(x)))
    p = np.exp(z) / np.exp(z).sum(axis=2, keepdims=True)
    assert loss == pytest.approx(-np.log(np.take_along_axis(p, y[:, :, None], axis=2)).mean(), rel=1e-13)
    assert isinstance(theirs, Torch)
    assert loss == pytest.approx(theirs.training_step((torch.from_numpy(x), torch.from_numpy(y)), 0).item(), rel=1e-13)


def test_a_short_run_agrees() -> None:
    lesson = TWIN.having({"hidden": 16, "lr": 0.02}, {"length": 3, "sequences": 1600})
    run = trained(replace(lesson, trainer={**TWIN.trainer, "max_epochs": 2}))
    assert run.agree
    assert run.metrics["accuracy/val"] > 0.3


# ---- the concept's own run -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


@pytest.mark.long
def test_sequences_are_reversed_and_the_map_is_the_other_diagonal_on_both_sides(run: Trained) -> None:
    assert run.agree
    x, y = run.data.split.val
    for written in (run.manual.written(x), run.torch.written(torch.from_numpy(x)).numpy()):
        assert np.mean((written == y).all(axis=1)) > 0.95
    for a in (script.map_by_hand(run.manual, x, y), script.map_in_torch(run.torch, x, y)):
        assert script.on_the_other_diagonal(a) > 0.9
        assert np.array_equal(a.mean(axis=0).argmax(axis=1), np.arange(8)[::-1])


@pytest.mark.long
def test_longer_sequences_than_it_was_trained_on_it_cannot_reverse(run: Trained) -> None:
    ours, theirs = script.right_by_length(run.manual, run.torch)
    assert np.array_equal(ours, theirs)
    at = script.LENGTHS.index(8)
    assert ours[:, at].min() > 0.98
    assert ours[:, -1].max() < 0.8
    assert (ours[0] >= ours[1] - 0.01).all()  # the right symbols before are no hindrance


# ---- what figures say ----------------------------------------------------------------------------


def test_the_other_diagonal_is_counted_by_rows() -> None:
    a = np.zeros((2, 3, 3))
    a[0] = np.eye(3)[::-1]
    a[1] = np.eye(3)
    assert script.on_the_other_diagonal(a) == (3 + 1) / 6


def test_figures_show_both_sides() -> None:
    data = TWIN.make_data(sequences=60)
    drawn = script.figures(*TWIN.build(data=data), data)
    assert list(drawn) == ["the attention map", "on its own"]
    middle, right = (np.asarray(ax.images[0].get_array()) for ax in drawn["the attention map"].axes[1:3])
    assert error(middle, right) < 1e-12
    curves = [np.asarray(line.get_ydata()) for line in drawn["on its own"].axes[0].lines[:4]]
    assert np.array_equal(curves[0], curves[1])
    assert np.array_equal(curves[2], curves[3])
