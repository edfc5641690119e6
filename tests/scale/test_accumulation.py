"""Accumulation: by parts the gradient is that of the whole batch, and so is a whole run; and where it is not, by how much."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from experiments.data.digits import Digits
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.scale import accumulation as script
from experiments.scale.accumulation import ALIKE, BATCH, BY_ROWS, LAYER, TWIN, WAYS, WHOLE
from manual.scale import accumulation as by_hand
from tests.helpers import SILENT, whole_run
from torch_impl.scale import accumulation as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def batch(n: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """The first digits."""
    x, y = Digits().split.train
    return x[:n], y[:n]


# ---- parts and shares ----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "size"), [(10, 3), (12, 4), (3, 7), (5, 1)])
def test_parts_are_the_rows_in_order_and_shares_add_up_to_one(n: int, size: int) -> None:
    rows = np.arange(2 * n).reshape(n, 2)
    found = by_hand.parts(rows, size)
    assert np.array_equal(np.concatenate(found), rows)
    assert all(len(part) == size for part in found[:-1])
    assert 1 <= len(found[-1]) <= size
    sizes = [len(part) for part in found]
    for weigh in ("rows", "alike"):
        assert sum(by_hand.shares(sizes, weigh)) == pytest.approx(1, rel=1e-15)
    assert by_hand.shares(sizes, "rows") == pytest.approx([s / n for s in sizes], rel=1e-15)
    assert by_hand.shares(sizes, "alike") == pytest.approx([1 / len(sizes)] * len(sizes), rel=1e-15)


# ---- the gradient ----------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "rms"])
def test_gradients_are_those_of_autograd_and_of_central_differences(norm: str) -> None:
    ours, theirs = TWIN.having({"norm": norm, "hidden": 5}).build(1)

    for side in (ours, theirs):  # the loss of a part stands for the step, which goes back from it itself
        side.training_step = lambda batch, batch_idx, side=side: side.part_loss(batch)
    ours.backward = ours.part_loss_backward
    check_grads(ours, batch(7), again=batch(5), torch=theirs)


@pytest.mark.parametrize("which", [BY_ROWS, LAYER])
@pytest.mark.parametrize("micro_batch", [1, 7, 32])
def test_by_rows_the_gradient_is_that_of_the_whole_batch_on_both_sides(which: str, micro_batch: int) -> None:
    ours, theirs = TWIN.having({**WAYS[which], "hidden": 13}).build(2)
    whole = script.gradient(ours, batch(), WHOLE)
    for found in (script.gradient(ours, batch(), micro_batch), script.gradient_in_torch(theirs, batch(), micro_batch)):
        assert error(found, whole) < 1e-14


def test_alike_it_is_a_gradient_in_which_each_row_of_a_small_part_counts_more() -> None:
    ours, theirs = TWIN.having({"weigh": "alike", "hidden": 13}).build(2)
    x, y = batch(38)  # 32 and 6
    whole = [script.gradient(ours, (x[rows], y[rows]), WHOLE) for rows in (slice(0, 32), slice(32, 38))]
    for found in (script.gradient(ours, (x, y), 32), script.gradient_in_torch(theirs, (x, y), 32)):
        assert error(found, (whole[0] + whole[1]) / 2) < 1e-14
        assert error(found, script.gradient(ours, (x, y), WHOLE)) > 0.05
    even = batch(36)
    assert error(script.gradient(ours, even, 12), script.gradient(ours, even, WHOLE)) < 1e-14


def test_batch_norm_takes_each_part_for_itself_and_moves_its_running_means_once_for_each() -> None:
    ours, theirs = TWIN.having({"norm": "batch", "hidden": 13}).build(2)
    whole = script.gradient(ours, batch(), WHOLE)
    for found in (script.gradient(ours, batch(), 10), script.gradient_in_torch(theirs, batch(), 10)):
        assert error(found, whole) > 0.01
    ours.micro_batch = 10
    ours.accumulate(batch())
    assert ours.norm.num_batches_tracked == 5


def test_lightnings_own_accumulation_is_the_same_where_parts_are_alike_in_size() -> None:
    """A loader of small batches and accumulate_grad_batches, beside the loop that is written out."""

    class Plain(in_torch.Accumulation):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.automatic_optimization = True

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.part_loss(batch)

    ours, theirs = TWIN.having({"hidden": 7, "micro_batch": 12}).build(0)
    plain = Plain(hidden=7).double()
    plain.load_state_dict(theirs.state_dict())
    x, y = batch(48)
    loader = torch.utils.data.DataLoader(list(zip(*to_torch((x, y)), strict=True)), batch_size=12)
    pl.Trainer(max_epochs=1, accumulate_grad_batches=4, limit_val_batches=0, **SILENT).fit(plain, loader, loader)
    trainer = script.Trainer()
    trainer.attach(ours)
    trainer.train_batch((x, y), 0)
    for name, p in plain.named_parameters():
        assert error(dict(ours.named_parameters())[name].data, to_numpy(p)) < 1e-14


# ---- the pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", WAYS)
def test_a_short_run_agrees(which: str) -> None:
    small = replace(TWIN.having({**WAYS[which], "hidden": 9}), trainer={"max_epochs": 1})
    lockstep, _ = whole_run(small)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 15  # a step for each batch, not for each part


def test_thirty_steps_by_parts_are_those_on_whole_batches_and_other_ways_are_not() -> None:
    for which in (BY_ROWS, LAYER):
        assert script.apart(which).max() < 1e-14
    for which in (ALIKE, BATCH):
        found = script.apart(which)
        assert error(found[0], found[1]) < 1e-10
        assert (found[:, -1] > 0.01).all()


@SIDES
@pytest.mark.parametrize("wrong", [{"micro_batch": 0}, {"hidden": 0}])
def test_bad_numbers_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Accumulation: .*{name}.*, got .*{value}"):
        side.Accumulation(**wrong)


@SIDES
@pytest.mark.parametrize("name", ["weigh", "norm"])
def test_bad_choices_are_named(side: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"Accumulation: {name} must be one of .*'none'.*|.*'alike'.*, got 'colour'"):
        side.Accumulation(**{name: "colour"})


# ---- what figures and texts say ------------------------------------------------------------------


def test_smaller_parts_hold_less_on_both_sides() -> None:
    held = script.held()
    assert (np.diff(held) > 0).all()
    assert (held[:, 0] < held[:, -1] / 3).all()
    assert (np.abs(held[0] / held[1] - 1) < 0.3).all()


def test_the_figure_shows_the_gradient_of_the_pair_that_was_trained_and_leaves_it_as_it_was() -> None:
    ours, theirs = TWIN.having({"hidden": 9, "weigh": "alike"}).build()
    before = deepcopy(ours.state_dict())
    drawn = script.the_same_gradient(ours, theirs, TWIN.make_data())
    left, right = (np.array([[line.get_xdata(), line.get_ydata()] for line in ax.lines[1:]]) for ax in drawn.axes)
    assert error(left[0], left[1]) < 1e-12
    assert error(left[1, 0], left[1, 1]) < 1e-14
    assert error(right[1, 0], right[1, 1]) > 0.1
    assert "32 + 32 + 32 + 4" in drawn.caption
    assert ours.weigh == theirs.weigh == "alike"
    assert all(np.array_equal(before[name], value) for name, value in ours.state_dict().items())


@pytest.mark.parametrize(("sizes", "words"), [([3], "3"), ([4, 4, 2], "4 + 4 + 2"), ([8] * 12 + [4], "8 + 8 + … + 4")])
def test_parts_in_words(sizes: list[int], words: str) -> None:
    assert script.in_words(sizes) == words
