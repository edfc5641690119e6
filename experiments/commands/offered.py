"""Which classes the command line offers: nothing else is imported, whoever names it and wherever it is named.

A configuration, and the run directory that a checkpoint stands in, may come from anybody; a `class_path` in it would otherwise import, and
so run, whatever it likes. The callbacks that are offered are those that are known to leave alone how torch trains.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytorch_lightning.callbacks
import pytorch_lightning.cli
import torch
from jsonargparse import _common, set_parsing_settings
from torch.optim import lr_scheduler

from experiments.data.arrays import InputError

HARMLESS = (
    "EarlyStopping",
    "ModelCheckpoint",
    "LearningRateMonitor",
    "DeviceStatsMonitor",
    "ModelSummary",
    "RichModelSummary",
    "TQDMProgressBar",
    "RichProgressBar",
)
"""Callbacks that change nothing about how torch trains, but for when it ends."""

CHANGING = ("GradientAccumulationScheduler", "StochasticWeightAveraging", "EMAWeightAveraging")
"""Callbacks under which torch trains otherwise than the hand-written side: offered where nothing is compared."""


def paths(module: ModuleType, names: Any) -> list[str]:
    """The import paths of classes: where they are offered, and where they are defined."""
    found = [getattr(module, name) for name in names]
    return [f"{place}.{of.__name__}" for of in found for place in (module.__name__, of.__module__)]


def classes_of(module: ModuleType, base: type) -> list[str]:
    """The names of a module's public classes of this kind."""
    found = ((name, of) for name, of in vars(module).items() if not name.startswith("_"))
    return [name for name, of in found if inspect.isclass(of) and issubclass(of, base)]


OFFERED = [
    "pytorch_lightning.Callback",  # the base, which jsonargparse looks up itself
    *paths(pytorch_lightning.callbacks, (*HARMLESS, *CHANGING, "Callback")),
    *paths(torch.optim, classes_of(torch.optim, torch.optim.Optimizer)),
    *paths(lr_scheduler, [*classes_of(lr_scheduler, lr_scheduler.LRScheduler), "ReduceLROnPlateau"]),
    *paths(pytorch_lightning.cli, ["ReduceLROnPlateau"]),
]
"""All that is imported by name."""


@contextmanager
def only_what_is_offered() -> Iterator[None]:
    """For the time of the `with`, jsonargparse imports nothing that a value names but OFFERED."""
    before = dict(_common.parsing_settings)
    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=OFFERED)
    try:
        yield
    finally:
        _common.parsing_settings.update(before)


def denied(text: str) -> str | None:
    """What jsonargparse says of a name that is not offered, in words that say what is; None if it says something else."""
    key = re.search(r"[Kk]ey \"(.+?)\"|argument -+([\w.]+)", text)
    option = f"--{key[1] or key[2]}" if key else "the configuration"
    found = re.search(r"Importing '([\w.]+)' is not allowed", text)
    if found is None and option != "--trainer.callbacks":
        return None
    if option.startswith("--trainer.callbacks"):
        named = found or re.search(r"Given value: (?:\[?\{?'class_path': )?'?([\w.]+)", text)
        if named and named[1] in (*HARMLESS, *CHANGING):
            return f"{option}: write --trainer.callbacks+={named[1]}, and its arguments as --trainer.callbacks.ARGUMENT VALUE"
        what = f" {named[1].rpartition('.')[2]}" if named and (found or "." not in named[1]) else ""
        if found is None and not (what and "class path" in text + " class path" and "Expected a dot import path" in text):
            return None
        return f"{option}{what} is not offered, for it might change how torch trains: choose among {', '.join(HARMLESS)}"
    assert found is not None
    return f"{option}: {found[1]} is not offered here, and nothing else is imported by name"


def refuse_what_changes_training(config: Any) -> None:
    """Raise InputError for a callback under which torch would not train as the hand-written side does."""
    if config.compare.mode == "off":
        return
    for callback in given_callbacks(config):
        name = callback.class_path.rpartition(".")[2]
        if name not in HARMLESS:
            raise InputError(
                f"--trainer.callbacks {name} changes how torch trains, and the hand-written side would not follow: leave it out, "
                "or leave the comparison out with --compare.mode off"
            )


def given_callbacks(config: Any) -> list[Any]:
    """What the configuration holds of callbacks, each with its class_path."""
    given = config.trainer.callbacks or []
    return given if isinstance(given, list) else [given]
