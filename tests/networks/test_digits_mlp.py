"""Digits by one hidden layer: the most pleasant formula, what both sides learn, and what the figures show."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.judge.convert import to_numpy
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.networks.digits_mlp import TWIN, figures
from manual.module import no_grad
from manual.nn.softmax import softmax


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


def test_both_sides_read_over_96_percent_of_what_they_were_not_trained_on(run: Trained) -> None:
    """As the script's first sentence says."""
    x, y = run.data.split.val
    assert len(y) == 359
    with no_grad():
        by_hand = run.manual(x).argmax(axis=1)
    in_torch = to_numpy(run.torch(torch.from_numpy(x))).argmax(axis=1)
    for read in (by_hand, in_torch):
        assert np.mean(read == y) > 0.96
    assert run.metrics["accuracy/val"] == pytest.approx(np.mean(by_hand == y))
    assert run.agree


def test_the_gradient_at_the_scores_is_what_was_predicted_minus_what_is() -> None:
    ours, _ = TWIN.build(3)
    x, y = (a[:7] for a in TWIN.make_data().split.train)
    ours.eval()
    p = softmax(ours(x), axis=1)
    ours.forget()
    seen, right = [], ours.fc2.backward
    ours.fc2.backward = lambda dL_dz2: right(seen.append(dL_dz2) or dL_dz2)
    ours.training_step((x, y), 0)
    ours.backward()
    assert seen[0] == pytest.approx((p - np.eye(10)[y]) / 7, abs=1e-15)


def test_dropout_is_on_in_training_and_off_in_validation() -> None:
    ours, _ = TWIN.build(0)
    x, y = (a[:50] for a in TWIN.make_data().split.train)
    with no_grad():
        ours.train()
        first, second = (ours.training_step((x, y), 0) for _ in range(2))
        ours.eval()
        third, fourth = (ours.training_step((x, y), 0) for _ in range(2))
    assert first != second
    assert third == fourth


def test_the_figures_show_the_digit_that_is_read_worst_and_all_that_are_misread(run: Trained) -> None:
    drawn = figures(run.manual, run.torch, run.data)
    x, y = run.data.split.val
    with no_grad():
        p = softmax(run.manual(x), axis=1)
    worst = int(np.argmin(p[np.arange(len(y)), y]))
    bars = [bar.get_height() for bar in drawn["p minus y"].axes[3].patches]
    assert bars == pytest.approx(p[worst] - np.eye(10)[y[worst]])
    assert f"A {y[worst]}, the held-out digit that is read worst" in drawn["p minus y"].caption
    read = p.argmax(axis=1)
    wrong = np.flatnonzero(read != y)
    assert drawn["misread digits"].caption.startswith(f"{len(wrong)} of 359 held-out digits are misread")
    (ax,) = drawn["misread digits"].axes
    assert [text.get_text() for text in ax.texts] == [f"{y[i]} → {read[i]}" for i in wrong[:24]]
    for i, text in zip(wrong[:24], ax.texts, strict=True):  # each above its digit
        left, top = round(text.get_position()[0] - 3.5), round(text.get_position()[1]) + 1
        assert np.array_equal(ax.images[0].get_array()[top : top + 8, left : left + 8].ravel(), x[i])
    assert ax.images[0].get_array().sum() == pytest.approx(x[wrong[:24]].sum()), "and nothing besides"
    assert "would puzzle a person" in drawn["misread digits"].caption
    untrained = figures(*TWIN.build(), run.data)["misread digits"].caption
    assert "puzzle" not in untrained, "the network's fault, not the digits'"
    assert "the first 24 of them" in untrained
