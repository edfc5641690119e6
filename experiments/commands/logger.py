"""Lightning's logger for TensorBoard, but that a training does not wait for the disk after every step."""

from __future__ import annotations

import math
import time
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger

SECONDS = 1
"""How old at most what is seen in TensorBoard may be while a training goes on."""

WRITING: dict[str, Any] = {"flush_secs": SECONDS, "max_queue": 1000}
"""Arguments of every SummaryWriter: with its own 10 events that may wait, training waits for the thread that writes them."""


class Logger(TensorBoardLogger):
    """Writes to the disk at most once in SECONDS, and all at the end; Lightning asks for it whenever something is logged."""

    saved = -math.inf

    def save(self) -> None:
        """See TensorBoardLogger."""
        if time.monotonic() - self.saved >= SECONDS:
            super().save()
            self.saved = time.monotonic()
