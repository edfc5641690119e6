"""The Trainer of what only compares: the twin's own settings, as long as it is told to, and nothing said or left behind."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.trainer.connectors import callback_connector

from experiments.lockstep import LockStep
from experiments.lockstep.silent import VALIDATED, for_steps, silent_trainer
from experiments.pair import Twin
from tests.helpers import broken, configured, same, small_data
from tests.lockstep.test_lockstep import MLP
from tests.lockstep.test_steps import plateau

OWN = replace(MLP, trainer={"max_epochs": 9, "check_val_every_n_epoch": 2, "gradient_clip_val": 0.3, "accumulate_grad_batches": 2})


def options(dtype: str = "float64") -> Namespace:
    return Namespace(dtype=dtype, device="cpu")


@pytest.mark.parametrize(("dtype", "precision"), [("float64", "64-true"), ("float32", "32-true")])
def test_it_is_the_twins_own_but_for_its_length(dtype: str, precision: str) -> None:
    trainer = silent_trainer(OWN, LockStep(OWN), options(dtype), max_epochs=3)
    assert (trainer.gradient_clip_val, trainer.accumulate_grad_batches, trainer.precision) == (0.3, 2, precision)
    assert (trainer.max_epochs, trainer.check_val_every_n_epoch) == (3, 1)


@pytest.mark.parametrize(("steps", "at"), [(1, 1), (2, 2), (7, 4), (50, 26)])
def test_so_many_steps_have_one_validation_of_a_few_batches_before_they_are_over(steps: int, at: int) -> None:
    trainer = for_steps(OWN, LockStep(OWN), options(), steps)
    assert (trainer.max_steps, trainer.val_check_batch or trainer.val_check_interval) == (steps, at)
    assert trainer.check_val_every_n_epoch is None
    assert trainer.limit_val_batches == VALIDATED
    assert at == steps or at < steps < 2 * at


def test_it_says_nothing_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    lockstep = LockStep(OWN)
    _, theirs = OWN.build(0)
    for_steps(OWN, lockstep, options(), 3).fit(theirs, small_data(OWN))
    assert lockstep.judge.steps == 3
    assert lockstep.judge.worst["metric"].keys() >= {"loss/train", "loss/val"}
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


# ---- what Lightning need not know ------------------------------------------------------------------


def trained(twin: Twin, unheard: bool, steps: int = 9) -> tuple[LockStep, dict[str, Any], dict[str, Any]]:
    """A short trajectory: the callback, what Lightning has kept of what was logged, and torch's weights."""
    lockstep, (_, theirs) = LockStep(twin, unheard=unheard), twin.build(0)
    trainer = for_steps(twin, lockstep, options(), steps)
    trainer.fit(theirs, small_data(twin))
    return lockstep, trainer.callback_metrics, theirs.state_dict()


def test_what_is_logged_in_training_is_compared_and_not_handed_on() -> None:
    (heard, all_kept, weights), (unheard, kept, same_weights) = trained(OWN, False), trained(OWN, True)
    assert set(all_kept) - set(kept) == {"loss/train"}
    assert {"loss/val", "accuracy/val"} <= set(kept)
    assert same(unheard.judge.worst, heard.judge.worst)
    assert same(same_weights, weights)


def test_a_wrong_metric_of_training_is_seen_all_the_same() -> None:
    def logs_twice_as_much(model: Any) -> None:
        step = model.training_step

        def wrong(batch: Any, batch_idx: int) -> Any:
            loss = step(batch, batch_idx)
            model.log("loss/train", 2 * loss)
            return loss

        model.training_step = wrong

    lockstep, _, _ = trained(broken(OWN, logs_twice_as_much), True)
    assert "metric loss/train was logged 4 times by hand and 2 times in torch" in (lockstep.judge.failure or "")


def test_a_schedule_that_follows_a_metric_is_told_of_it() -> None:
    lockstep, kept, _ = trained(configured(OWN, plateau("step", "loss/train")), True)
    assert "loss/train" in kept
    assert lockstep.judge.passed


def test_no_callback_of_another_package_takes_part_and_other_trainers_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = pl.Callback()
    monkeypatch.setattr(callback_connector, "_load_external_callbacks", lambda group: [offered])
    assert offered not in silent_trainer(OWN, LockStep(OWN), options(), max_epochs=1).callbacks
    with pytest.raises(TypeError):
        silent_trainer(OWN, LockStep(OWN), options(), no_such_option=1)
    assert offered in pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu").callbacks
