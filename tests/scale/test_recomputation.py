"""Recomputation: the gradient is that of a network that keeps everything, to the last bit; and what is held, on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.digits import Digits
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.scale import recomputation as script
from experiments.scale.recomputation import TWIN
from manual import nn
from manual.module import no_grad
from manual.networks.residual import PlainBlock
from manual.scale import recomputation as by_hand
from tests.helpers import whole_run
from torch_impl.scale import recomputation as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def batch(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """The first digits."""
    x, y = Digits().split.train
    return x[:n], y[:n]


# ---- the gradient ----------------------------------------------------------------------------------


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.having({"depth": 5, "every": 2, "width": 7}).build(1)
    check_grads(ours, batch(6), again=batch(4), torch=theirs)


@pytest.mark.parametrize(("depth", "every"), [(7, 1), (7, 3), (6, 3), (4, 9)])
def test_to_the_last_bit_it_is_that_of_a_network_that_keeps_everything(depth: int, every: int) -> None:
    again, kept = (script.gradients(depth, every, recompute, batch()) for recompute in (True, False))
    for side in (0, 1):
        assert np.array_equal(again[side], kept[side])
        assert np.abs(again[side]).max() > 0.01


def test_a_segment_keeps_its_input_and_nothing_else_and_goes_forward_twice() -> None:
    calls: list[str] = []

    class Told(PlainBlock):
        def forward(self, h: np.ndarray) -> np.ndarray:
            calls.append("forward")
            return super().forward(h)

        def backward(self, dL_dy: np.ndarray) -> np.ndarray:
            calls.append("backward")
            return super().backward(dL_dy)

    segment, x = by_hand.Recomputed(Told(3), Told(3)), np.ones((2, 3))
    y = segment(x)
    assert [len(module._saved) for _, module in segment.named_modules()].count(1) == 1
    assert segment._saved[0] is x
    segment.backward(y)
    assert calls == ["forward"] * 4 + ["backward"] * 2
    segment.check_nothing_saved()
    with no_grad():
        segment(x)
    assert segment._saved == []


def test_what_moves_running_means_would_move_them_twice_on_both_sides() -> None:
    """What the lesson warns of."""
    x = np.random.default_rng(0).normal(size=(5, 3))
    ours, theirs = by_hand.Recomputed(nn.BatchNorm1d(3)), in_torch.Recomputed(torch.nn.BatchNorm1d(3)).double()
    ours.backward(ours(x))
    with torch.enable_grad():
        theirs(torch.from_numpy(x).requires_grad_()).sum().backward()
    for norm in (ours[0], theirs[0]):
        assert norm.num_batches_tracked == 2
        assert np.allclose(to_numpy(norm.running_mean), 0.19 * x.mean(axis=0), rtol=1e-12)


@torch.enable_grad()
def test_torchs_dropout_draws_the_same_mask_the_second_time() -> None:
    x, dropout = torch.ones(50, requires_grad=True), in_torch.Recomputed(torch.nn.Dropout(0.5))
    with torch.random.fork_rng(devices=[]):
        y = dropout(x)
        torch.rand(3)
        y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert 0 < (y == 0).sum() < 50


# ---- what is held --------------------------------------------------------------------------------------


def test_a_step_of_64_blocks_holds_68_activations_and_20_in_segments_of_eight() -> None:
    for recompute, wanted in ((False, 68), (True, 20)):
        for found in script.most_held(64, 8, recompute):
            assert found == pytest.approx(wanted, abs=0.7)


@pytest.mark.parametrize(("depth", "every"), [(16, 1), (16, 3), (16, 4), (16, 16)])
def test_it_is_what_the_lesson_reckons_and_a_few_in_passing(depth: int, every: int) -> None:
    for found in script.most_held(depth, every):
        assert 2 < found - by_hand.held(depth, every) < 5.5


def test_least_is_held_with_segments_of_the_root_of_the_depth() -> None:
    assert by_hand.best_segment(64) == 8
    assert by_hand.held(1024, by_hand.best_segment(1024)) == 64
    for depth in (2, 10, 30, 100, 1000):
        best = by_hand.best_segment(depth)
        assert np.sqrt(depth) / 1.6 < best < 1.6 * np.sqrt(depth)
        assert by_hand.held(depth, best) <= 2 * np.sqrt(depth) + 1
    assert by_hand.held(10, 4) == 3 + 4
    assert by_hand.held(3, 100) == 1 + 3


# ---- the pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [{"depth": 6, "every": 4}, {"depth": 3, "recompute": False}], ids=["recomputed", "kept"])
def test_a_short_run_agrees(model: dict[str, Any]) -> None:
    small = replace(TWIN.having({**model, "width": 9}), trainer={"max_epochs": 1})
    lockstep, _ = whole_run(small)
    assert lockstep.judge.passed, lockstep.judge.failure


def test_both_ways_train_the_same_network_to_the_last_bit() -> None:
    found = []
    for recompute in (True, False):
        lockstep, theirs = whole_run(
            replace(TWIN.having({"depth": 4, "every": 2, "width": 9, "recompute": recompute}), trainer={"max_epochs": 1})
        )
        found.append([np.concatenate([to_numpy(p).ravel() for p in model.parameters()]) for model in (lockstep.hand.model, theirs)])
    for again, kept in zip(*found, strict=True):
        assert np.array_equal(again, kept)


@SIDES
@pytest.mark.parametrize("wrong", [{"depth": 0}, {"every": 0}, {"width": 0}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Recomputation: .*{name}.*, got .*{value}"):
        side.Recomputation(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_the_course_of_a_step_rises_and_falls_once_or_has_eight_teeth() -> None:
    for kept, again in zip(script.course(False), script.course(True), strict=True):
        assert kept.argmax() == pytest.approx(len(kept) * 0.42, abs=len(kept) * 0.1)
        assert kept.max() > 3 * again.max()
        assert len(again) > 1.4 * len(kept)
    again = script.course(True)[0]
    assert len(again) == 3 * 64
    teeth = (again[1:-1] > again[:-2] + 0.5) & (again[1:-1] > again[2:] + 0.5)
    assert teeth[62:].sum() == 8


def test_every_call_of_a_block_is_counted() -> None:
    data = TWIN.make_data()
    for every, recompute, more in ((2, True, 6), (3, True, 6), (3, False, 0)):
        ours, theirs = TWIN.having({"depth": 6, "every": every, "width": 9, "recompute": recompute}).build()
        assert script.extra_calls(script.Trained(ours, theirs, data, (), {}, True)) == more
        assert "forward" not in vars(ours.segments[0][0])


def test_gradients_are_compared_at_the_weights_of_the_run() -> None:
    data = TWIN.make_data()
    ours, theirs = TWIN.having({"depth": 4, "every": 2, "lr": 0.5}).build(5)
    run = script.Trained(ours, theirs, data, (), {}, True)
    assert script.differs(run) == 0
    at_run, at_start = (script.gradients(4, 2, True, batch(), like)[0] for like in (ours, None))
    assert np.abs(at_run - at_start).max() > 0.001
    ours.training_step(batch(), 0), ours.backward()
    assert np.array_equal(at_run, np.concatenate([np.ravel(p.grad) for p in ours.parameters()]))
