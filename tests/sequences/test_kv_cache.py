"""The cache of keys and values: the scores are those without it, each place is computed once, and both sides write the same."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from experiments.cases.sequences.kv_cache import TINY, judge_attend_last, judge_places, tiny
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import kv_cache as script
from experiments.sequences.kv_cache import TWIN
from manual.module import no_grad
from manual.sequences import kv_cache as by_hand
from manual.sequences.gpt import continued
from torch_impl.sequences import kv_cache as in_torch


@cache
def run() -> Trained:
    """A short one."""
    return trained(TWIN.having({"n_embd": 16, "n_head": 2}, {"characters": 9000}))


def test_gradient_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = tiny(0)
    check_grads(ours, tuple(np.random.default_rng(1).integers(0, 7, (2, 3, 5))), torch=theirs)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_without_the_cache(seed: int) -> None:
    errors = {**judge_places(seed), **judge_attend_last(seed)}
    assert len(errors) == 17
    assert max(errors.values()) < 1e-13


def test_gradient_reaches_what_is_kept() -> None:
    rng = np.random.default_rng(0)
    q, K, V = rng.normal(size=(2, 3, 1, 4)), rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 3, 5, 4))
    check_grads(by_hand.look, [q, K, V], backward=by_hand.look_backward, torch=in_torch.look)


@pytest.mark.parametrize("model", ["manual", "torch"])
def test_after_a_training_too(model: str) -> None:
    assert script.apart(getattr(run(), model), run().data).max() < 1e-12


def test_text_is_the_one_that_is_written_without_the_cache() -> None:
    ours, theirs = tiny(3)
    u = np.random.default_rng(0).random(5)
    with no_grad(), torch.no_grad():
        tokens, cached = ours.write([2], u)
        whole, p = continued(ours, [2], u)
        tokens_torch, cached_torch = theirs.write([2], torch.from_numpy(u))
    assert tokens == whole == tokens_torch
    assert error(cached, p) < 1e-13
    assert error(cached, cached_torch) < 1e-13


def test_a_longer_beginning_is_read_before_it_is_gone_on_with() -> None:
    ours, theirs = tiny(4)
    u = np.random.default_rng(1).random(4)
    with no_grad(), torch.no_grad():
        assert ours.write([2, 5, 1], u)[0] == continued(ours, [2, 5, 1], u)[0] == theirs.write([2, 5, 1], torch.from_numpy(u))[0]


def test_only_a_key_and_a_value_of_each_block_are_kept() -> None:
    ours, _ = tiny(0)
    kept = ours.empty()
    assert [len(of) for of in kept] == [0, 0]
    with no_grad():
        for t in range(3):
            assert ours.place(kept) == t
            ours.next_scores(t, kept)
    assert [(len(of), of.k.shape, of.v.shape) for of in kept] == [(3, (1, 2, 3, 4), (1, 2, 3, 4))] * 2
    assert script.kept(run()) == 2 * 2  # of the two blocks of this run


def test_each_place_is_computed_once() -> None:
    counted = [script.rows_computed(run().manual, run().data, cached) for cached in (True, False)]
    assert counted == [32, 32 * 33 // 2]
    assert "forward" not in vars(run().manual.h[0].attn.c_attn)
    assert script.saved(run()) == 16.5


def test_run_agrees_and_both_write_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run().agree
    assert run().losses[-1] < run().losses[0] - 0.5
    ours, theirs = run().manual, run().torch
    texts: dict[str, str] = {}
    share_hand(ours, SharedNoise(5)), share_torch(theirs, SharedNoise(5))
    monkeypatch.setattr(theirs, "log", lambda name, value, **_: None)
    monkeypatch.setattr(theirs, "log_text", texts.__setitem__)
    batch = tuple(part[:2] for part in run().data.split.val)
    with no_grad(), torch.no_grad():
        ours.validation_step(batch, 0)
        theirs.validation_step(tuple(map(torch.from_numpy, batch)), 0)
    assert ours.texts["sample"] == texts["sample"]
    assert len(texts["sample"]) == 33
    assert "528 without" in script.learned(run())


def test_a_wrong_place_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand.CachedGPT, "place", lambda self, kept: 0)
    lockstep = trained(TWIN.having({"n_embd": 16, "n_head": 2}, {"characters": 4000}))
    assert not lockstep.agree


def test_no_more_is_written_than_there_are_places() -> None:
    ours, theirs = (type(model)(**{**TINY, "sample": 31, "prompt": "ab"}) for model in tiny(0))
    texts: list[str] = []
    theirs.log_text = lambda name, text: texts.append(text)
    x = np.zeros((1, 4), np.int64)
    with no_grad(), torch.no_grad():
        ours.validation_step((x, x), 0)
        theirs.validation_step((torch.from_numpy(x), torch.from_numpy(x)), 0)
    assert len(ours.texts["sample"]) == len(texts[0]) == 6 + 1  # the last is written, and not read


def test_figures_show_both_sides() -> None:
    drawn = script.figures(run().manual, run().torch, run().data)
    measured, counted = drawn["what it saves"].axes
    assert len(measured.lines) == 4
    without, with_it = (np.asarray(line.get_ydata()) for line in counted.lines)
    assert without[-1] / with_it[-1] == script.PLACES[-1]
    assert all((np.asarray(line.get_ydata()) > 0).all() for line in measured.lines)
    for ax, model in zip(drawn["the same scores"].axes, (run().manual, run().torch), strict=True):
        assert error(np.array([bar.get_height() for bar in ax.patches]), script.apart(model, run().data)) == 0
