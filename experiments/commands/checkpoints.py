"""Checkpoints on disk: signed, whole or not there at all, and read without running any code that they might hold."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from experiments.commands.complaints import one_line
from experiments.data.arrays import InputError

CHECKPOINT = "last.ckpt"

CHECKSUM = "checksum"
"""The key of a checkpoint's own checksum."""


class Checkpoints(TorchCheckpointIO):
    """Writes checkpoints for a Lightning Trainer: with the concept's name and a checksum, and so that no file is ever half-written.

    Args:
        concept: the name.
    """

    def __init__(self, concept: str) -> None:
        self.concept = concept

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write it beside the old one, and then put it in its place."""
        signed = {**checkpoint, "concept": self.concept}
        signed[CHECKSUM] = checksum(signed)
        path = Path(path)
        part = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                torch.save(signed, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def read(path: Path) -> Any:
    """What a checkpoint holds; tensors and plain values only.

    Raises:
        InputError: if it is no file, or damaged.
    """
    try:
        if not path.is_file():
            raise InputError(f"no checkpoint at {path}: expected runs/CONCEPT/version_N/checkpoints/{CHECKPOINT}")
        if not zipfile.is_zipfile(path):
            raise ValueError("not a whole zip archive")
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # every kind of damage has its own exception
        raise InputError(f"{path} is not a readable checkpoint (truncated, or not saved by a run): {one_line(error)[:120]}") from error


def checksum(checkpoint: Mapping[str, Any]) -> str:
    """Of all that a checkpoint holds, but for its checksum: it tells damage and changes by hand. (Against one who computes it anew
    it is no protection: what is in a checkpoint is looked at as well.)"""
    found = hashlib.sha256()
    take({key: value for key, value in checkpoint.items() if key != CHECKSUM}, found)
    return found.hexdigest()


def take(value: Any, into: Any) -> None:
    """Add a value, with its type and what it is made of, to a hash."""
    if isinstance(value, Mapping):
        into.update(b"{%d" % len(value))
        for key, of in value.items():
            take(key, into)
            take(of, into)
    elif isinstance(value, list | tuple):
        into.update(b"[%d" % len(value))
        for of in value:
            take(of, into)
    elif isinstance(value, torch.Tensor):
        bytes_of = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        into.update(f"{value.dtype} {tuple(value.shape)}".encode())
        into.update(bytes_of.numpy().tobytes())
    elif value is None or isinstance(value, bool | int | float | str):
        into.update(f"{type(value).__name__} {value!r}".encode())
    else:
        into.update(type(value).__name__.encode())
