"""Residual blocks: the way back by hand, what thirty of either kind let through, held by its closed form, and who learns to read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained, twin_of
from experiments.networks import residual as script
from experiments.networks.residual import LARGER, NETWORKS, PLAIN, RESIDUAL, TWIN
from manual.module import no_grad
from manual.networks import residual as by_hand
from tests.helpers import whole_run
from torch_impl.networks import residual as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


@pytest.fixture(scope="module")
def run() -> Trained:
    """The concept's own run."""
    return trained(TWIN)


@pytest.mark.parametrize(("skip", "block"), [(True, by_hand.ResidualBlock), (False, by_hand.PlainBlock)])
def test_gradients_are_those_of_autograd_and_of_central_differences(skip: bool, block: type) -> None:
    rng = np.random.default_rng(0)
    one = block(3, rng=rng)
    check_grads(one, [rng.normal(size=(4, 3))], again=[rng.normal(size=(6, 3))], torch=getattr(in_torch, block.__name__)(3).double())
    ours, theirs = TWIN.having({"skip": skip, "depth": 3, "width": 5, "gain": 2.0}).build(1)
    batch = tuple(a[:6] for a in TWIN.make_data().split.train)
    check_grads(ours, batch, again=tuple(a[6:10] for a in TWIN.make_data().split.train), torch=theirs)


def jacobian(W: np.ndarray, h: np.ndarray, depth: int | None) -> np.ndarray:
    """∂y/∂h of one block at h, written down: W D, or I + W D / √depth, where D has ones where h > 0."""
    through = W * (h > 0)
    return through if depth is None else np.eye(len(h)) + through / math.sqrt(depth)


@pytest.mark.parametrize("skip", [True, False])
def test_the_way_back_is_the_product_of_the_blocks_jacobians(skip: bool) -> None:
    ours, _ = TWIN.having({"skip": skip, "width": 6, "depth": 5, "gain": 2.0}).build(0)
    rng = np.random.default_rng(1)
    h, dL_dy = rng.normal(size=(1, 6)), rng.normal(size=(1, 6))
    whole, y = np.eye(6), h
    for block in ours.blocks:
        whole = jacobian(block.fc.weight.data, y[0], 5 if skip else None) @ whole
        y = block(y)
    dL_dh = dL_dy
    for block in reversed(list(ours.blocks)):
        dL_dh = block.backward(dL_dh)
    assert error(dL_dh, dL_dy @ whole) < 1e-14


def assert_bounded(ours: Any, data: Any) -> None:
    """No residual block makes a gradient longer or shorter by more than 1 ± ‖W‖/√depth, ‖W‖ being W's largest singular value."""
    lengths, stretch = [], []
    for block in ours.blocks:
        right = block.backward
        block.backward = lambda dL_dy, right=right: right(lengths.append(np.linalg.norm(dL_dy, axis=1)) or dL_dy)
    ours.training_step(tuple(a[:64] for a in data.split.train), 0)
    ours.backward()
    for block in ours.blocks:
        del block.backward
        stretch.insert(0, np.linalg.norm(block.fc.weight, 2) / math.sqrt(len(ours.blocks)))  # in the order of the way back
    grown = np.array(lengths[1:]) / np.array(lengths[:-1])  # (depth − 1, N)
    bound = np.array(stretch[:-1])[:, None]
    assert bound.max() < 0.6
    assert (np.abs(grown - 1) <= bound + 1e-12).all()
    assert (np.abs(grown - 1) > bound / 100).mean() > 0.5


def test_no_residual_block_changes_the_length_of_a_gradient_by_more_than_its_weights_stretch() -> None:
    assert_bounded(TWIN.build(0)[0], TWIN.make_data())


@pytest.mark.long
def test_nor_does_one_after_training(run: Trained) -> None:
    assert_bounded(run.manual, run.data)


@pytest.mark.parametrize(("name", "depth"), [(PLAIN, 8), (LARGER, 8), (RESIDUAL, 8), (RESIDUAL, 30)])
def test_on_average_a_block_lets_through_what_the_lesson_reckons(name: str, depth: int) -> None:
    """Of wide blocks, whose sums have many terms."""
    ours, _ = TWIN.having({**NETWORKS[name], "depth": depth, "width": 256}).build(0)
    rng = np.random.default_rng(0)
    y = rng.normal(size=(40, 256))
    for block in ours.blocks:
        y = block(y)
    last = rng.normal(size=y.shape)
    dL_dh = last
    for block in reversed(list(ours.blocks)):
        dL_dh = block.backward(dL_dh)
    factor = (np.linalg.norm(dL_dh) / np.linalg.norm(last)) ** (2 / depth)  # of the squared length, per block
    wanted = script.expected(name, depth) ** (2 / depth)
    assert factor == pytest.approx(wanted, rel=0.04 if name != RESIDUAL else 0.1 / depth)
    assert script.expected(PLAIN, 30) == pytest.approx(2e-12, rel=0.1)
    assert 1.08 < script.expected(RESIDUAL, 30) < script.expected(RESIDUAL, 10_000) < math.sqrt(1.19)


# ---- the pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_short_run_agrees(name: str) -> None:
    small = TWIN.having({**NETWORKS[name], "depth": 6, "width": 9}, {"batch_size": 100})
    lockstep, _ = whole_run(replace(small, trainer={"max_epochs": 1}))
    assert lockstep.judge.passed, lockstep.judge.failure


@pytest.mark.long
def test_thirty_residual_blocks_read_96_percent_on_both_sides(run: Trained) -> None:
    assert run.agree
    assert len(run.losses) == 630
    x, y = run.data.split.val
    with no_grad():
        read = [run.manual(x).argmax(axis=1), to_numpy(run.torch(torch.from_numpy(x))).argmax(axis=1)]
    assert all(np.mean(r == y) > 0.955 for r in read)
    assert run.metrics["accuracy/val"] == pytest.approx(np.mean(read[0] == y))


@pytest.mark.long
@pytest.mark.parametrize("name", [PLAIN, LARGER])
def test_thirty_plain_blocks_do_not_learn_to_read(name: str) -> None:
    run = trained(twin_of(TWIN, script.MISTAKE).having(NETWORKS[name]))
    assert run.agree
    for losses in (run.losses, run.torch_losses):
        assert np.mean(losses[-45:]) > 2.2
    assert run.metrics["accuracy/val"] < 0.2


@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_first_weights_are_gain_times_torchs(gain: float) -> None:
    for block in (by_hand.PlainBlock(9, gain, rng=np.random.default_rng(0)), in_torch.ResidualBlock(9, gain)):
        W = np.abs(to_numpy(block.fc.weight) if isinstance(block, torch.nn.Module) else block.fc.weight.data)
        assert 0.9 * gain / 3 < W.max() <= gain / 3
    ours, theirs = (side.Residual(depth=3, width=9, gain=gain) for side in (by_hand, in_torch))
    for weights in ([b.fc.weight.data for b in ours.blocks], [b.fc.weight.detach().numpy() for b in theirs.blocks]):
        assert 0.9 * gain / 3 < np.abs(weights).max() <= gain / 3 * (1 + 1e-6)
        assert not np.array_equal(weights[0], weights[1])


@SIDES
@pytest.mark.parametrize("wrong", [{"depth": 0}, {"width": 0}, {"gain": 0.0}, {"gain": math.nan}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Residual: .*{name}.*, got .*{value}"):
        side.Residual(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_of_thirty_plain_blocks_nothing_arrives_on_either_way_and_of_residual_ones_all_of_it() -> None:
    plain, residual = (script.at_the_start(name) for name in (PLAIN, RESIDUAL))
    for found in (plain, residual):
        assert error(found.gradient[0], found.gradient[1]) < 1e-12
        assert error(found.differ[0], found.differ[1]) < 1e-12
    assert (script.arrives(plain) < 1e-11).all()
    assert (np.abs(script.arrives(residual) - 1) < 0.2).all()
    assert (plain.differ[:, -1] < 1e-11 * plain.differ[:, 0]).all()
    assert (np.abs(residual.differ[:, -1] / residual.differ[:, 0] - 1) < 0.2).all()


def test_what_arrives_by_depth() -> None:
    plain, larger, residual = (script.by_depth(name) for name in NETWORKS)
    assert (np.diff(np.log(plain)) < 0).all()
    assert plain[0, -1] < 1e-20
    assert (np.abs(residual - 1) < 0.2).all()
    assert (larger > 0.05).all()
    assert (larger < 20).all()


def test_a_block_left_out_is_left_out() -> None:
    ours, theirs = TWIN.having({"depth": 3, "width": 8}).build(0)
    data = TWIN.make_data()
    x, _ = data.split.val
    found = script.reads_without(ours, theirs, data)
    assert np.array_equal(found[0], found[1])
    ours.blocks[1].fc.weight[...] = 0  # a residual block with weights 0 does nothing
    with no_grad():
        assert np.array_equal(script.score_without(ours, x, 1), ours(x))


@pytest.mark.long
def test_the_figures_show_both_sides_and_what_they_say(run: Trained) -> None:
    drawn = script.figures(run.manual, run.torch, run.data)
    for figure in drawn.values():
        for ax in figure.axes:
            curves = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) > 2 and line.get_linewidth() > 1]
            assert curves
            assert all(error(ours, theirs) < 1e-6 for theirs, ours in zip(curves[::2], curves[1::2], strict=True))
    assert "none is a link that the chain hangs by" in drawn["one block left out"].caption
    untrained = script.figures(*TWIN.build(), run.data)["one block left out"]
    assert "link" not in untrained.caption
