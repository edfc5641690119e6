"""How far a run is: lines where there is no terminal, one bar where there is one, nothing from further processes."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from experiments.commands import progress
from experiments.commands.progress import Progress
from experiments.judge.compare import Judge
from experiments.lockstep import Record


def begun(terminal: bool, total: float = 40, first: int = 0, **of: Any) -> tuple[Progress, Any, io.StringIO]:
    out = io.StringIO()
    records = [Record(0, 2.0, 2.0, 1e-9, 1e-12, 0.0, 0)]
    lockstep: Any = SimpleNamespace(judge=Judge("float64"), records=records, comparing=True)
    it = Progress(lockstep, Console(file=out, force_terminal=terminal, width=100))
    trainer: Any = SimpleNamespace(
        estimated_stepping_batches=total, global_step=first, callback_metrics={}, optimizers=[None], max_steps=-1
    )
    vars(trainer).update(of)
    it.on_train_start(trainer, None)  # type: ignore[arg-type]
    return it, trainer, out


def test_without_a_terminal_a_line_is_printed_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    it, trainer, out = begun(terminal=False)
    for seconds in (1, 4.9, 5.1, 7, 10.5):
        now[0], trainer.global_step = 100 + seconds, int(seconds)
        it.on_train_batch_end(trainer)
    now[0] = 120
    it.tell("drawing figures", 3, "down the curve", 22)
    it.teardown(trainer, None, "fit")  # type: ignore[arg-type]
    assert out.getvalue().splitlines() == [
        "training: 5 of 40 loss 2, 9 digits agree",
        "training: 10 of 40 loss 2, 9 digits agree",
        "drawing figures: 3 of 22 down the curve",
    ]


def test_a_terminal_sees_one_bar_over_all_steps_that_is_taken_away() -> None:
    it, trainer, out = begun(terminal=True, first=7)
    assert it.bar.tasks[0].completed == 7
    trainer.global_step = 30
    it.on_train_batch_end(trainer)
    it.bar.refresh()
    (task,) = it.bar.tasks
    assert (task.completed, task.total, task.fields["found"]) == (30, 40, "loss 2, 9 digits agree")
    assert "30/40" in out.getvalue()
    it.on_exception(trainer, None, KeyboardInterrupt())  # type: ignore[arg-type]
    assert not it.bar.live.is_started


def test_the_bar_is_told_of_as_many_steps_as_it_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    it, trainer, _ = begun(terminal=True)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    shown = []
    for trainer.global_step, now[0] in ((1, 100.0), (2, 100.05), (3, 100.11), (4, 100.12), (40, 100.3)):
        it.on_train_batch_end(trainer)
        shown.append(it.bar.tasks[0].completed)
    it.tell("drawing figures", 0, "", 1)  # at once
    assert (shown, it.bar.tasks[0].completed) == ([1, 1, 3, 3, 40], 0)
    it.teardown(trainer, None, "fit")  # type: ignore[arg-type]


def test_where_nothing_is_compared_the_loss_is_lightnings_and_where_no_end_is_known_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", -1.0)
    it, trainer, out = begun(terminal=False, total=float("inf"))
    it.lockstep.comparing = False
    it.on_train_batch_end(trainer)
    trainer.callback_metrics, trainer.global_step = {"loss/train": 0.125}, 3
    it.on_train_batch_end(trainer)
    assert out.getvalue().splitlines() == ["training: 0 of ?", "training: 3 of ? loss 0.125"]


@pytest.mark.parametrize(("max_steps", "said"), [(-1, "training: 11 of 40"), (40, "training: 22 of 40"), (90, "training: 11 of 40")])
def test_of_several_optimizers_batches_are_counted_as_lightning_foretells_them(max_steps: int, said: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(progress, "EVERY", -1.0)
    loop = SimpleNamespace(total_batch_idx=10)
    it, trainer, out = begun(terminal=False, first=22, optimizers=[None, None], max_steps=max_steps, fit_loop=loop)
    it.lockstep.comparing = False
    it.on_train_batch_end(trainer)
    assert out.getvalue().splitlines() == [said]


def test_a_further_process_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", -1.0)
    it, trainer, out = begun(terminal=False)
    it.disable()
    it.on_train_batch_end(trainer)
    assert out.getvalue() == ""
    it.enable()
    it.on_train_batch_end(trainer)
    assert out.getvalue() != ""
