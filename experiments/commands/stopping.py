"""Ctrl-C and SIGTERM during a run: the step in progress is finished, a checkpoint is saved, and nothing is lost.

So that little is lost even where nobody can say so (SIGKILL, a power cut), checkpoints are saved between whiles, too.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl

from experiments.commands.status import INTERRUPTED, TERMINATED
from experiments.lockstep import LockStep

FIRST = 1.0
"""Seconds of training after which the first checkpoint is saved."""

EVERY = 10.0
"""Seconds between two checkpoints, at least."""

SHARE = 0.02
"""The part of the time that saving may take."""


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM. No Exception: nothing on the way, a figure that is being drawn say, may take it for a mistake of its own."""


class Signals:
    """Listens to Ctrl-C and SIGTERM for the time of a `with`.

    While steps are taken the first of them only asks, and the step is finished; otherwise, and the second time, it raises Interrupted.

    Attributes:
        number: of the signal that came; None before.
        phase: "before" the first step, in "training", or "after" the last.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.phase: Literal["before", "training", "after"] = "before"
        self.found: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # no other can listen
            self.found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            self.listen()
        return self

    def listen(self) -> None:
        """Once more, too, after Lightning has put its own handlers in the place of ours."""
        for number in self.found:
            signal.signal(number, self.hear)

    def hear(self, number: int, frame: Any) -> None:
        """A signal has come."""
        asks = self.number is None and self.phase == "training"
        self.number = number
        if not asks:
            raise Interrupted

    def __exit__(self, *_: object) -> None:
        for number, handler in self.found.items():
            signal.signal(number, handler)

    @property
    def status(self) -> int:
        """The exit status of who stops because of it."""
        return TERMINATED if self.number == signal.SIGTERM else INTERRUPTED

    @property
    def word(self) -> str:
        """What has become of the run."""
        return "terminated" if self.number == signal.SIGTERM else "interrupted"


class StopCleanly(pl.Callback):
    """Saves checkpoints; when asked to stop, finishes the step, saves one, and stops.

    It stands after everything else that a checkpoint holds in the list of callbacks.

    Args:
        signals: who is asked.
        lockstep: knows whether gradients are waiting for a step.
        board: writes what has been logged to disk.

    Attributes:
        checkpoint: where to save.
        saved_at: the step of the latest checkpoint; None if none was saved.
    """

    checkpoint: Path

    def __init__(self, signals: Signals, lockstep: LockStep, board: Any = None) -> None:
        self.signals, self.lockstep, self.board = signals, lockstep, board
        self.saved_at: int | None = None
        self.next, self.to_flush = 0.0, False

    @property
    def asked(self) -> bool:
        """Whether this process was asked to stop."""
        return self.signals.number is not None

    def _all_asked(self, trainer: pl.Trainer) -> bool:
        """Whether any process was asked: all must stop after the same step."""
        return trainer.strategy.reduce_boolean_decision(self.asked, all=False) if trainer.world_size > 1 else self.asked

    def _due(self, trainer: pl.Trainer) -> bool:
        """Whether it is time for another checkpoint, by the first process's clock."""
        due = time.monotonic() >= self.next
        return bool(trainer.strategy.broadcast(due)) if trainer.world_size > 1 else due

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """From here on steps are finished."""
        self.next = time.monotonic() + FIRST
        self.signals.phase = "training"
        self.signals.listen()

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """What was logged until the checkpoint that was saved after the last batch goes to disk with it."""
        if self.to_flush and trainer.is_global_zero:
            for writer in getattr(self.board, "writers", {}).values():
                writer.flush()
            for logger in trainer.loggers:
                flush = getattr(getattr(logger, "experiment", None), "flush", None)
                if callable(flush):
                    flush()
        self.to_flush = False

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save or stop here if it is time: between two steps, never within one whose gradients are still accumulating.

        After an epoch's last batch, validation comes first: a resumed run would begin with the next epoch.
        """
        if not self.lockstep.between_steps or trainer.is_last_batch:
            return
        if self._all_asked(trainer):
            self.save(trainer)
            trainer._logger_connector.on_batch_end()  # what Lightning would do next: write the metrics of this step
            trainer._logger_connector.update_train_step_metrics()
            raise Interrupted
        if self._due(trainer) or has_all_steps(trainer):
            self.save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save or stop here if it is time; the end of a run is always saved."""
        ends = has_all_steps(trainer) or has_all_epochs(trainer) or trainer.should_stop
        if self._all_asked(trainer):
            self.save(trainer)
            raise Interrupted
        if (self._due(trainer) or ends) and self.saved_at != trainer.global_step:
            self.save(trainer)
        if ends:
            self.signals.phase = "after"

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Whatever the reason for which it ended."""
        if self.saved_at != trainer.global_step:
            self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Save a checkpoint, and see when it is time for the next."""
        began = time.monotonic()
        trainer.save_checkpoint(self.checkpoint)
        now = time.monotonic()
        self.saved_at, self.to_flush = trainer.global_step, True
        self.next = now + max(EVERY, (now - began) / SHARE)


def has_all_steps(trainer: pl.Trainer) -> bool:
    """Whether --trainer.max_steps is reached."""
    return 0 < trainer.max_steps <= trainer.global_step


def has_all_epochs(trainer: pl.Trainer) -> bool:
    """Whether the epoch that ends is the last of --trainer.max_epochs."""
    done: Any = trainer.fit_loop.epoch_progress.current
    return trainer.max_epochs is not None and 0 < trainer.max_epochs <= done.processed
