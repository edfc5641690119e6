"""Ctrl-C during a run: the step in progress is finished, a checkpoint is saved, and nothing is lost."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from experiments.lockstep import LockStep


class Interrupted(Exception):
    """Ctrl-C: the step in progress was finished and a checkpoint was saved."""


class StopCleanly(pl.Callback):
    """On Ctrl-C, finish the step, save a checkpoint and stop; a second Ctrl-C stops at once.

    Args:
        checkpoint: where to save.
        lockstep: knows whether gradients are waiting for a step; it stands before this one in the list of callbacks.
    """

    def __init__(self, checkpoint: Path, lockstep: LockStep) -> None:
        self.checkpoint, self.lockstep, self.asked = checkpoint, lockstep, False

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for Ctrl-C."""
        self.before = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def _all_asked(self, trainer: pl.Trainer) -> bool:
        """Whether any process was asked: all must stop after the same step."""
        return trainer.strategy.reduce_boolean_decision(self.asked, all=False) if trainer.world_size > 1 else self.asked

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """Stop here if asked to: between two steps, never within one whose gradients are still accumulating.

        After an epoch's last batch, validation comes first: a resumed run would begin with the next epoch.
        """
        if self._all_asked(trainer) and self.lockstep.between_steps and not trainer.is_last_batch:
            trainer.save_checkpoint(self.checkpoint)
            trainer._logger_connector.on_batch_end()  # what Lightning would do next: write the metrics of this step
            trainer._logger_connector.update_train_step_metrics()
            raise Interrupted

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop here if asked to."""
        if self._all_asked(trainer):
            trainer.save_checkpoint(self.checkpoint)
            raise Interrupted

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave Ctrl-C as it was."""
        signal.signal(signal.SIGINT, getattr(self, "before", signal.default_int_handler))
