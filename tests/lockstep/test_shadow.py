"""The shadow waits until somebody asks, and is then where it would be if it had gone along."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import experiments
from experiments.judge.compare import ONE_STEP, Judge
from experiments.lockstep import LockStep, shadow
from experiments.lockstep.shadow import Shadow, size_of
from tests.helpers import configured, fit, same, scheduled, small_data
from tests.pairs import PLAYERS

MLP = experiments.twin("digits_mlp")


def nesterov(optim: Any, parameters: Any) -> Any:
    optimizer = optim.SGD(parameters, lr=0.05, momentum=0.8, nesterov=True)
    return scheduled(optimizer, optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5), "step")


def run(name: str, steps: int = 7) -> LockStep:
    """Dropout with a schedule, accumulation and validations in mid-epoch; two optimizers in steps of their own; a policy's rollouts."""
    if name != "digits_mlp":
        twin = PLAYERS if name == "players" else replace(experiments.twin(name), foretold=True)
        return fit(twin, steps, data=twin.make_data(), limit_val_batches=1)[0]
    settings = {"accumulate_grad_batches": 2, "val_check_interval": 3, "check_val_every_n_epoch": None, "limit_val_batches": 1}
    return fit(configured(MLP, nesterov), steps, data=small_data(MLP, 84), **settings)[0]


@pytest.mark.parametrize("name", ["digits_mlp", "players", "policy_gradient"])
def test_it_catches_up_to_where_it_would_be_if_it_had_gone_along(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = run(name).shadow
    monkeypatch.setattr(Shadow, "begin", lambda self: vars(self).update(goes_along=True, waiting=[], size=0))
    went_along = run(name).shadow
    assert waited is not None
    assert went_along is not None
    assert waited.run.perturbed == 0 < went_along.run.perturbed  # nobody has asked
    assert same(waited.catch_up().state_dict(), went_along.state_dict())
    assert waited.waiting == []


def test_a_run_that_no_shadow_foretells_has_none() -> None:
    found = fit(replace(MLP, foretold=False), 7, data=small_data(MLP, 84))[0]
    assert found.shadow is None
    assert found.judge.passed
    assert fit(MLP, 7, data=small_data(MLP, 84))[0].shadow is not None


def test_a_validation_between_two_batches_of_a_step_leaves_what_they_logged() -> None:
    judge = run("digits_mlp").judge
    assert judge.windows == 1
    assert judge.passed


def test_a_checkpoint_does_not_move_one_that_waits_and_a_resumed_one_begins_where_the_hand_is() -> None:
    callback = run("digits_mlp")
    hand, of = callback.hand.state_dict(), callback.shadow
    assert of is not None
    assert of.rounding
    saved = of.state_dict()
    assert saved == {"rounding": of.rounding}
    assert of.run.perturbed == 0 < len(of.waiting)
    resumed = run("digits_mlp", 2).shadow
    assert resumed is not None
    resumed.load_state_dict({**hand, **saved})
    assert resumed.waiting == []
    assert same(resumed.state_dict(), {**hand, **saved})
    resumed.take()
    assert resumed.state_dict() == saved
    assert same(of.asked().state_dict(), of.state_dict())
    assert not same(of.state_dict()["model"], hand["model"])  # it has been moved once it was asked, by other gradients


def test_it_goes_along_once_it_was_asked_until_a_new_window() -> None:
    of = run("digits_mlp").shadow
    assert of is not None
    assert not of.goes_along
    assert of.asked() is of.run
    assert of.goes_along
    before = of.run.perturbed
    of.move_schedules("step", 0)
    assert of.waiting == []
    of.load(of.run.model.state_dict(), [{}] * len(of.run.trainer.optimizers), {})
    of.take()
    assert not of.goes_along
    assert len(of.waiting) == 1
    assert of.run.perturbed == before


def test_where_the_two_part_it_is_asked_and_more_is_granted() -> None:
    callback = run("mixture", 50)
    assert callback.shadow is not None
    assert callback.shadow.run.perturbed > 0
    assert callback.judge.passed
    assert callback.judge.tolerance > ONE_STEP["float64"]


def test_batches_that_wait_are_no_more_than_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run("digits_mlp").shadow
    monkeypatch.setattr(shadow, "MOST", 50_000)  # two batches have 24 rows of 64 numbers each, and as many classes
    of = run("digits_mlp").shadow
    assert of is not None
    assert alone is not None
    assert 0 < of.run.perturbed < 7
    assert of.size <= 50_000
    assert not of.goes_along
    assert same(of.catch_up().state_dict(), alone.catch_up().state_dict())


def test_the_size_of_a_batch_is_that_of_all_its_arrays() -> None:
    batch = np.zeros((3, 4)), np.zeros(3, np.int64)
    assert size_of(batch) == 3 * 4 * 8 + 3 * 8
    assert size_of([batch, batch]) == 2 * size_of(batch)


def test_what_it_strays_by_is_granted_afterwards() -> None:
    judge = Judge()
    found = judge.metrics("step 0", {"loss": [1.0]}, {"loss": [1.0 + 5e-12]})
    assert found.beyond is not None
    judge.stray_in_metrics({"loss": [1.0 + 1e-12]}, {"loss": [1.0]})
    assert judge.spread["metric"] == pytest.approx(1e-12, rel=1e-3)
    assert judge.review(found).beyond is None
