"""Attention that looks something up: the task, the mask, where a trained place looks, and the scores' size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from experiments.drawing.interactive import picked
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import attention as script
from experiments.sequences.attention import IGNORED, KEYS, NAMES, START, TWIN, Recall
from manual.module import no_grad
from manual.sequences.attention import Attention


@pytest.fixture(scope="module")
def run() -> Trained:
    """Half of the concept's own run."""
    return trained(TWIN.having({}, {"sequences": 1024}))


def test_what_is_asked_is_what_followed_the_key_before() -> None:
    x, target = Recall(seed=3, pairs=6, sequences=40).split.train
    assert x.shape == (40, 12, 2)
    assert target.shape == (40, 12)
    asked = 0
    for sequence, answers in zip(x, target, strict=True):
        tokens = sequence[:, 0]
        assert sequence[:, 1].tolist() == [START, *tokens[:-1]]
        for t, answer in enumerate(answers):
            earlier = [u for u in range(0, t, 2) if tokens[u] == tokens[t]]
            if t % 2 == 1 or not earlier:
                assert answer == IGNORED
            else:
                assert answer == tokens[earlier[0] + 1]
                asked += 1
    assert asked > 40
    assert len(NAMES) == START + 1 == KEYS + 8 + 1


def test_it_learns_to_look_up_and_guessing_does_not(run: Trained) -> None:
    assert run.agree
    assert run.metrics["recall/val"] > 0.95
    with no_grad():
        x, target = run.data.split.val
        untrained = TWIN.build(1)[0](x).argmax(axis=-1)
    asked = target != IGNORED
    assert np.mean(untrained[asked] == target[asked]) < 0.3


def test_a_place_sees_itself_and_what_is_before_it(run: Trained) -> None:
    x, _ = run.data.split.val
    changed = x[:8].copy()
    changed[:, 9:] = 3
    with no_grad():
        assert run.manual(changed)[:, :9] == pytest.approx(run.manual(x[:8])[:, :9], abs=1e-12)
        assert np.abs(run.manual(changed)[:, 9:] - run.manual(x[:8])[:, 9:]).max() > 0.1
        ahead = Attention(causal=False, rng=np.random.default_rng(0))
        assert np.abs(ahead(changed)[:, :9] - ahead(x[:8])[:, :9]).max() > 1e-3


def test_a_trained_place_looks_at_what_came_after_its_key(run: Trained) -> None:
    x, target = run.data.split.val
    model = run.manual
    with no_grad():
        both = model.embedding(x)
        scores = model.query(both[:, :, 0]) @ model.key(both[:, :, 1]).swapaxes(1, 2) / np.sqrt(16)
    scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
    n, t = np.nonzero(target != IGNORED)
    looked_at = x[n, scores[n, t].argmax(axis=1), 0]
    assert np.mean(looked_at == target[n, t]) > 0.95


def test_a_bias_of_the_keys_would_change_no_softmax_and_its_gradient_would_be_0() -> None:
    rng = np.random.default_rng(4)
    q, k, v, dL_dy = (torch.from_numpy(rng.normal(size=(2, 5, 3))) for _ in range(4))
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    y = torch.nn.functional.scaled_dot_product_attention(q, k + bias, v)
    (y * dL_dy).sum().backward()
    assert bias.grad is not None
    assert bias.grad.abs().max() < 1e-14


# ---- what is moved -------------------------------------------------------------------------------


def test_the_words_that_are_pointed_at_light_up_as_the_trained_attention_looks(run: Trained) -> None:
    (picture,) = script.interactive(run)
    x, target = run.data.split.val
    row = script.telling(target)
    with no_grad():
        z = run.manual(x[[row]])[0]
    (words,) = picture.data()["sliders"]
    assert "".join(words["words"]) == "".join(NAMES[t] for t in x[row, :, 0])
    for place, weights in enumerate(run.manual.attend.weights[0]):
        np.testing.assert_allclose(picked(words["weights"], [place]), weights, rtol=1e-4)
        looks, says = (part(place) for part in picture.says)
        best = int(weights.argmax())
        assert f"{100 * weights[best]:.1f} % to {NAMES[x[row, best, 0]]} at place {best}" in looks
        if target[row, place] == IGNORED:
            assert "network" not in says
        else:
            assert f"{NAMES[target[row, place]]}; the network says {NAMES[z[place].argmax()]} with" in says
    assert target[row, words["at"]] != IGNORED


def test_a_telling_sequence_asks_for_different_values() -> None:
    target = np.array([[IGNORED, 3, 3, IGNORED], [IGNORED, 1, 2, 2], [1, 1, 1, 2]])
    assert script.telling(target) == 1
