"""A Lightning Trainer that leaves nothing behind and says nothing, for what only compares."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.connectors import callback_connector

from experiments.lockstep import LockStep
from experiments.pair import Twin

PRECISION = {"float64": "64-true", "float32": "32-true"}

LENGTH = ("max_epochs", "max_steps", "check_val_every_n_epoch", "val_check_interval")
"""How long a twin trains and how often it validates, which a comparison decides itself."""


def silent_trainer(twin: Twin, lockstep: LockStep, options: argparse.Namespace, **length: Any) -> pl.Trainer:
    """The twin's own Trainer, but for how long it trains and when it validates.

    Args:
        twin: whose arguments of the Trainer are taken.
        lockstep: the callback.
        options: have a dtype and a device.
        length: what stands in the place of the twin's own.
    """
    device = torch.device(options.device)
    settings: dict[str, Any] = {key: value for key, value in twin.trainer.items() if key not in LENGTH}
    with own_callbacks_only():
        return pl.Trainer(
            **{**settings, "precision": PRECISION[options.dtype], **length},
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=[device.index or 0] if device.type == "cuda" else 1,
            callbacks=[lockstep],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )


@contextmanager
def own_callbacks_only() -> Iterator[None]:
    """For the time of the `with`, a Trainer has no callbacks that other packages offer for every Trainer.

    They have no part in a comparison; and Lightning reads the entry points of all that is installed for each Trainer anew, in the time of
    several steps.
    """
    load = callback_connector._load_external_callbacks  # type: ignore[attr-defined]
    callback_connector._load_external_callbacks = lambda group: []  # type: ignore[attr-defined]
    try:
        yield
    finally:
        callback_connector._load_external_callbacks = load  # type: ignore[attr-defined]


VALIDATED = 20
"""On how many batches at most a short trajectory is validated; a GPT has a hundred held out, which would take most of the time."""


def for_steps(twin: Twin, lockstep: LockStep, options: argparse.Namespace, steps: int) -> pl.Trainer:
    """One for so many steps, with one validation past their middle: what it leaves behind shows in the steps after it."""
    length = {"max_steps": steps, "check_val_every_n_epoch": None, "val_check_interval": steps // 2 + 1}
    return silent_trainer(twin, lockstep, options, **length, limit_val_batches=VALIDATED)
