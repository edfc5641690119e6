"""Lightning's logger for TensorBoard, but that a training does not wait for the disk, nor for a thread, after every step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment  # type: ignore[attr-defined]  # in no __all__

from experiments.commands.events import Writer

SECONDS = 1
"""How often at most Lightning's own housekeeping for what was logged is done; what was logged is in its file at once."""


class Logger(TensorBoardLogger):
    """Writes what was logged together into one event, and looks after its folder at most once in SECONDS, and at the end."""

    saved = -math.inf

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The event file, as a SummaryWriter; on other processes than the first one that does nothing."""
        if self._experiment is None:
            self._experiment = Writer(log_dir=self.log_dir, **self._kwargs)
        return self._experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """See TensorBoardLogger."""
        self.experiment.add_numbers(metrics, step)

    def save(self) -> None:
        """See TensorBoardLogger."""
        if time.monotonic() - self.saved >= SECONDS:
            super().save()
            self.saved = time.monotonic()
