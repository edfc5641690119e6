"""How far a run is: one bar over all its steps in a terminal, and elsewhere a line every few seconds."""

from __future__ import annotations

import math
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from experiments.judge.compare import digits
from experiments.lockstep import LockStep

EVERY = 5.0
"""Seconds between two lines, where there is no terminal."""

REFRESH = 0.1
"""Seconds between two looks of the bar, where there is one: as often as rich draws it. To tell it of every small step costs more than
to write all of the step's numbers."""


class Progress(ProgressBar):
    """Says how far a run is, its loss, and how far both sides agree. It stands after LockStep in the list of callbacks.

    Args:
        lockstep: what it reports on.
        console: where to.
    """

    def __init__(self, lockstep: LockStep, console: Console) -> None:
        super().__init__()
        self.lockstep, self.console, self.silent = lockstep, console, False
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[found]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )

    def disable(self) -> None:
        """Be silent: another process says it."""
        self.silent = True

    def enable(self) -> None:
        """Speak."""
        self.silent = False

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Beside the bar."""
        self.console.print(*args, **kwargs)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin at the step that a resumed run goes on from."""
        total = trainer.estimated_stepping_batches
        self.total = None if math.isinf(total) else int(total)
        # several optimizers take several steps a batch; Lightning foretells batches then, unless max_steps ends the run
        self.by_batches = len(trainer.optimizers) > 1 and total != trainer.max_steps
        self.began, self.first, self.said, self.seen = time.monotonic(), self._done(trainer), time.monotonic(), -math.inf
        self.task = self.bar.add_task("training", total=self.total, completed=self.first, found="")
        if not self.silent and self.console.is_terminal:
            self.bar.start()

    def on_train_batch_end(self, trainer: Any, *args: Any, **kwargs: Any) -> None:
        """One step further, or one batch: it is told if it is time to."""
        if not self.silent and (self._bar_is_due() if self.console.is_terminal else self._line_is_due()):
            self.tell("training", self._done(trainer), self._found(trainer))

    def _line_is_due(self) -> bool:
        return time.monotonic() - self.said > EVERY

    def _bar_is_due(self) -> bool:
        return time.monotonic() - self.seen >= REFRESH

    def _done(self, trainer: Any) -> int:
        return int(trainer.fit_loop.total_batch_idx + 1 if self.by_batches else trainer.global_step)

    def _found(self, trainer: Any) -> str:
        if self.lockstep.comparing and self.lockstep.records:
            record = self.lockstep.records[-1]
            agree = digits(max(record.error, record.gradient_error), self.lockstep.judge.dtype)
            return f"loss {record.loss_torch:.4g}, {agree:.0f} digits agree"
        loss = trainer.callback_metrics.get("loss/train")
        return "" if loss is None else f"loss {float(loss):.4g}"

    def tell(self, doing: str, done: int, found: str = "", total: int | None = None) -> None:
        """How far it is.

        Args:
            doing: what, in a word.
            done: how many steps of it.
            found: what has come of it.
            total: how many steps there are; those of the training unless given.
        """
        if self.silent:
            return
        total = total or self.total
        if self.console.is_terminal:
            self.seen = time.monotonic()
            self.bar.update(self.task, description=doing, completed=done, total=total, found=found)
        elif self._line_is_due():
            self.said = time.monotonic()
            self.console.print(f"{doing}: {done} of {total or '?'} {found}".rstrip(), highlight=False, markup=False, soft_wrap=True)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Take the bar away."""
        if self.bar.live.is_started:
            self.bar.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """The same where training ends early: Lightning calls no teardown then."""
        self.teardown(trainer, pl_module, "fit")
