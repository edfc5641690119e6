"""A run that goes on: what must be as it was, and the checkpoint that it goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.commands.checkpoints import CHECKPOINT, read
from experiments.data.arrays import InputError
from experiments.pair import Twin

IN_CHECKPOINT = ("state_dict", "optimizer_states", "lr_schedulers", "loops", "callbacks", "global_step", "epoch")
"""What Lightning needs to go on."""

STAYS = {
    "model": "the model and the data that it began with",
    "data": "the model and the data that it began with",
    "seed_everything": "the seed that it began with",
    "optimizer": "the optimizer that it began with",
    "lr_scheduler": "the schedule that it began with",
    "trainer.precision": "the precision that it began with",
    "compare.every_n_steps": "the steps at which it is compared",
}
"""Options, and groups of options, that a resumed run keeps; and what to say."""


def open_checkpoint(path: Path, twin: Twin) -> dict[str, Any]:
    """Read a checkpoint of this concept, in its run directory.

    Raises:
        InputError: if it is missing, truncated, of another concept, or not of a run.
    """
    checkpoint = read(path)
    if not isinstance(checkpoint, dict) or checkpoint.get("concept") != twin.name:
        of = checkpoint.get("concept") if isinstance(checkpoint, dict) else None
        raise InputError(f"{path} is not a checkpoint of {twin.name}" + (f", but of {of}" if of else ": no run of this project saved it"))
    missing = [key for key in IN_CHECKPOINT if key not in checkpoint]
    if missing:
        raise InputError(f"{path} is not a whole checkpoint: it lacks {', '.join(missing)}")
    if not config_of(path).is_file():
        raise InputError(f"{path} is not in its run directory: expected config.yaml in {config_of(path).parent}")
    return checkpoint


def config_of(checkpoint: Path) -> Path:
    """The config.yaml of the run that a checkpoint belongs to."""
    return checkpoint.resolve().parent.parent / "config.yaml"


def refuse_what_must_stay(began: Any, config: Any) -> None:
    """Raise InputError if a run would go on otherwise than it began.

    Args:
        began: its own configuration.
        config: the same, changed by what was given now.
    """
    if config.compare.mode != began.compare.mode:
        raise InputError(f"this run was compared in mode {began.compare.mode}: resume it with --compare.mode {began.compare.mode}")
    for option, words in STAYS.items():
        was, now = flat(began.get(option), option), flat(config.get(option), option)
        for key in {**was, **now}:
            if was.get(key) != now.get(key) and key != "data.csv":
                raise InputError(f"--{key} {now.get(key)}: a resumed run keeps {words} ({was.get(key)}); leave the option out")


def flat(value: Any, key: str) -> dict[str, Any]:
    """The options of a group by their names, or the one option."""
    if hasattr(value, "as_flat"):
        return {f"{key}.{name}": of for name, of in vars(value.as_flat()).items()}
    return {key: value}


__all__ = ["CHECKPOINT", "config_of", "open_checkpoint", "refuse_what_must_stay"]
