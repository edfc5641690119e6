"""What an optimizer remembers in one form, and what a checkpoint keeps: everything that a resumed run goes on from."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import experiments
from experiments.data.arrays import InputError
from experiments.lockstep import LockStep
from experiments.lockstep.state import lrs, mean, state_by_key
from tests.helpers import fit, hand_runs, same
from tests.pairs import PLAYERS


def test_without_comparison_the_batches_are_counted_all_the_same() -> None:
    twin = experiments.twin("digits_mlp")
    assert LockStep(twin, mode="off").state_dict() == {"micro_batches": 0, "mode": "off"}
    callback, _ = fit(twin, 3, model={"hidden": 5}, lockstep={"mode": "off"}, accumulate_grad_batches=2)
    assert not callback.comparing
    assert callback.state_dict() == {"micro_batches": 6, "mode": "off"}


# ---- what an optimizer remembers -------------------------------------------------------------------------


def test_a_state_is_told_by_key_and_its_entries_are_comparable() -> None:
    state = {
        "W": {"step": torch.tensor(3.0), "v": np.array([1.0, 2.0]), "n": 2, "old": [np.ones(2), None, np.zeros(2)], "none": None},
        "b": {"step": np.array(4.0, np.float32), "v": torch.tensor([5.0]), "mu": torch.tensor(0.5, dtype=torch.float32), "old": []},
    }
    found = state_by_key(state)
    assert list(found) == ["mu", "n", "none", "old", "step", "v"]
    expected = {
        "mu": {"b": np.float64(0.5)},
        "n": {"W": np.float64(2)},
        "none": {},
        "old": {"W": np.array([[1.0, 1.0], [0.0, 0.0]]), "b": np.zeros(0)},
        "step": {"W": np.int64(3), "b": np.int64(4)},
        "v": {"W": np.array([1.0, 2.0]), "b": np.array([5.0], np.float32)},
    }
    assert same(found, expected)
    assert state_by_key({}) == {}


def test_step_sizes_by_group_and_the_mean_of_losses() -> None:
    optimizer = torch.optim.SGD([{"params": [torch.ones(1)], "lr": 0.25}, {"params": [torch.ones(2)]}], lr=0.1)
    found = lrs(optimizer)
    assert found == {"group 0": 0.25, "group 1": 0.1}
    assert {type(lr) for lr in found.values()} == {np.float64}
    del optimizer.param_groups[0]["lr"]  # an optimizer of somebody's own need not have one
    assert lrs(optimizer) == {"group 1": 0.1}
    assert (mean([]), mean([torch.tensor(1.0), 2.0, np.float32(6.0)])) == (0.0, 3.0)


# ---- what a checkpoint keeps --------------------------------------------------------------------------------


def remembered(callback: LockStep) -> dict[str, Any]:
    """Everything that a resumed run goes on from."""
    runs = [
        {
            "weights": run.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in run.trainer.optimizers],
            "schedules": [schedule.scheduler.state_dict() for schedule in run.trainer.schedules],
            "metrics": run.trainer.callback_metrics,
            "perturbed": run.perturbed,
            "rounding": run.rounding,
        }
        for run in hand_runs(callback)
    ]
    own = {name: getattr(callback, name) for name in ("records", "micro_batches", "rounds", "partings", "window_begins")}
    return {"runs": runs, "judge": vars(callback.judge), **own}


@pytest.mark.parametrize("name", ["players", "digits_cnn"])
def test_a_resumed_run_remembers_everything(name: str) -> None:
    """Of two optimizers, and of one with a schedule, a shadow, running statistics and what was logged."""
    twin = PLAYERS if name == "players" else replace(experiments.twin("digits_cnn"), model={"channels": 2})
    data = {"data": PLAYERS.make_data()} if name == "players" else {}
    first, _ = fit(twin, 6, **data)
    other, _ = fit(twin, 2, seed=1, **data)
    first.partings, first.window_begins = 2, True
    assert len({record.optimizer for record in first.records}) == (2 if name == "players" else 1)
    hand, shadow = hand_runs(first)
    assert shadow.rounding
    assert not hand.rounding
    assert shadow.perturbed == 6
    assert not same(remembered(other), remembered(first))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other._resumed is not None
    other._go_on(other._resumed)
    assert same(remembered(other), remembered(first))
    assert [type(value) for value in other.records[-1]] == [type(value) for value in first.records[-1]]


@pytest.mark.parametrize(("mode", "other"), [("free", "spot"), ("spot", "free")])
def test_a_run_is_resumed_in_the_mode_that_it_began_in(mode: Any, other: Any) -> None:
    twin = experiments.twin("hidden_layer")
    state = fit(twin, 1, lockstep={"mode": mode})[0].state_dict()
    callback, _ = fit(twin, 1, lockstep={"mode": other})
    callback.load_state_dict(state)
    with pytest.raises(InputError, match=f"^this run was compared in mode {mode}: resume it with --compare.mode {mode}$"):
        callback._go_on(callback._resumed or {})
