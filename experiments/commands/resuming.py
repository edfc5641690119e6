"""Checkpoints of a run: how they are signed, found on the command line, and read without trusting what is in them."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from experiments.commands.complaints import one_line
from experiments.data.arrays import InputError
from experiments.pair import Twin

CHECKPOINT = "last.ckpt"


IN_CHECKPOINT = ("state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks", "global_step", "epoch")
"""What Lightning needs to go on."""


class Signature(pl.Callback):
    """Writes the concept's name into every checkpoint, so that a foreign one is recognised."""

    def __init__(self, concept: str) -> None:
        self.concept = concept

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Sign."""
        checkpoint["concept"] = self.concept


def checkpoint_in(arguments: list[str]) -> Path | None:
    """The value of --ckpt_path, which must be known before the rest is parsed."""
    for i, argument in enumerate(arguments):
        if argument == "--ckpt_path" and i + 1 < len(arguments):
            return Path(arguments[i + 1])
        if argument.startswith("--ckpt_path="):
            return Path(argument.partition("=")[2])
    return None


def open_checkpoint(path: Path, twin: Twin, arguments: list[str]) -> dict[str, Any]:
    """Read a checkpoint without running any code that it might hold.

    Raises:
        InputError: if it is missing, truncated, of another concept, or not of a run; or if the model is changed with it.
    """
    changed = [a for a in arguments if re.match(r"--(model|data)\b", a) and not a.startswith("--data.csv")]
    if changed:
        raise InputError(f"{changed[0]}: a resumed run keeps the model and the data that it began with; leave the option out")
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}: expected runs/{twin.name}/version_N/checkpoints/{CHECKPOINT}")
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("not a whole zip archive")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # every kind of damage has its own exception
        raise InputError(f"{path} is not a readable checkpoint (truncated, or not saved by a run): {one_line(error)[:120]}") from error
    if not isinstance(checkpoint, dict) or checkpoint.get("concept") != twin.name:
        of = checkpoint.get("concept") if isinstance(checkpoint, dict) else None
        raise InputError(f"{path} is not a checkpoint of {twin.name}" + (f", but of {of}" if of else ": no run of this project saved it"))
    missing = [key for key in IN_CHECKPOINT if key not in checkpoint]
    if missing:
        raise InputError(f"{path} is not a whole checkpoint: it lacks {', '.join(missing)}")
    if not (path.resolve().parent.parent / "config.yaml").is_file():
        raise InputError(f"{path} is not in its run directory: expected config.yaml in {path.resolve().parent.parent}")
    return checkpoint
