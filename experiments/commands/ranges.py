"""Values of options that make no sense, refused by the option's name before a library stumbles over them."""

from __future__ import annotations

import math
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.data.arrays import InputError

LEAST: dict[str, float] = {
    "max_epochs": -1,
    "min_epochs": 0,
    "max_steps": -1,
    "min_steps": 0,
    "num_sanity_val_steps": -1,
    "limit_train_batches": 0,
    "limit_val_batches": 0,
    "limit_test_batches": 0,
    "limit_predict_batches": 0,
    "check_val_every_n_epoch": 1,
    "log_every_n_steps": 1,
    "accumulate_grad_batches": 1,
    "gradient_clip_val": 0,
    "num_nodes": 1,
}
"""Numbers of the Trainer that may not be less than this."""

NOT_ZERO = ("max_epochs", "max_steps", "limit_train_batches")
"""Those of which 0 would leave nothing to compare."""

WITHOUT = {
    "logger": (None, True, "a run writes its own logs, for TensorBoard, and curves.csv"),
    "enable_checkpointing": (None, True, "a run saves what it needs to go on after it was ended"),
    "barebones": (False, "a run watches every step, saves checkpoints and writes logs"),
    "fast_dev_run": (False, 0, "it writes no logs: use --trainer.max_steps, or the command `check`"),
    "overfit_batches": (0, 0.0, "it takes the order of the batches away: use --trainer.limit_train_batches"),
    "reload_dataloaders_every_n_epochs": (0, "the loader knows its place, and would lose it"),
    "plugins": (None, "a run brings its own"),
    "model_registry": (None, "nothing is uploaded from here"),
    "profiler": (None, "what it prints is not shown: use --trainer.callbacks+=DeviceStatsMonitor, or the command `bench`"),
}
"""Options of the Trainer that a run has no use for: the values at which they do nothing, and then the reason."""


def refuse_pipes(arguments: Sequence[str]) -> None:
    """Raise InputError for an argument that names a pipe: who reads it may wait for ever, and it can be read but once."""
    for argument in arguments:
        for name in {argument, argument.partition("=")[2]}:
            try:
                if name and stat.S_ISFIFO(Path(name).stat().st_mode):
                    raise InputError(f"{name} is a pipe, not a file: write what comes out of it into a file, and give that")
            except (OSError, ValueError):  # no file at all
                continue


def refuse_senseless_values(config: Any, defaults: Any) -> None:
    """Raise InputError for an option whose value is out of range or not finite, or that a run has no use for."""
    trainer = config.trainer
    for name, (*idle, why) in WITHOUT.items():
        value = trainer.get(name)
        if not any(value is v or (type(value) is type(v) and value == v) for v in idle):
            shown = str(value).lower() if isinstance(value, bool) else getattr(value, "class_path", value)
            raise InputError(f"--trainer.{name} {shown}: {why}; leave it out")
    if any(trainer[name] == 0 for name in NOT_ZERO):
        raise InputError("--trainer.max_epochs, max_steps and limit_train_batches must not be 0: there would be nothing to compare")
    for name, least in LEAST.items():
        value = trainer.get(name)
        if isinstance(value, int | float) and not value >= least:
            raise InputError(f"--trainer.{name} must be at least {least:g}, got {value}")
    if isinstance(trainer.val_check_interval, int | float) and trainer.val_check_interval <= 0:
        raise InputError(f"--trainer.val_check_interval must be more than 0, got {trainer.val_check_interval}")
    usual = vars(defaults.as_flat())
    for key, value in vars(config.as_flat()).items():
        if isinstance(value, float) and not math.isfinite(value) and usual.get(key) != value:
            raise InputError(f"--{key} must be a finite number, got {value}")
        if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
            raise InputError(f"--{key} must have no more than 63 bits, got {str(value)[:40]}")
