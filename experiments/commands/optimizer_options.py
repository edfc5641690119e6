"""`--optimizer` and `--lr_scheduler`, which LightningCLI gives to the torch side: the same for the hand-written side, or a refusal.

LightningCLI makes an optimizer of the class that was named, and a schedule that moves once an epoch, and lets the module's
`configure_optimizers` return them. Here the hand-written twin is given one that returns those of `manual.optim` of the same names,
with the same arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import manual.optim
from experiments.data.arrays import InputError
from experiments.pair import Twin
from manual.optim import lr_scheduler

LATER = "or leave the comparison out with --compare.mode off"


class Chosen(NamedTuple):
    """A class of torch that was asked for, and its arguments."""

    option: str
    name: str
    arguments: Mapping[str, Any]


def chosen(config: Any, option: str) -> Chosen | None:
    """What LightningCLI's parsed configuration holds of --optimizer or --lr_scheduler; None if it was not given."""
    given = config.get(option)
    if given is None:
        return None
    return Chosen(option, given.class_path.rpartition(".")[2], dict(given.get("init_args") or {}))


def following(twin: Twin, config: Any) -> Twin:
    """The twin whose hand-written side takes the optimizer and the schedule that the command line asks for.

    Args:
        twin: the pair.
        config: what LightningCLI has parsed, before anything is made of it.

    Raises:
        InputError: if the hand-written side has no such class, or a schedule was named without an optimizer.
    """
    optimizer, schedule = chosen(config, "optimizer"), chosen(config, "lr_scheduler")
    if schedule and not optimizer:
        raise InputError(f"--lr_scheduler {schedule.name} needs --optimizer beside it: LightningCLI leaves it out of account otherwise")
    if optimizer and twin.objectives:
        raise InputError(f"--optimizer: {twin.name} takes its steps itself, with optimizers of its own; leave the option out")
    if optimizer is None or config.compare.mode == "off":
        return twin
    for asked, library in ((optimizer, manual.optim), (schedule, lr_scheduler)):
        if asked is not None:
            refuse_what_is_not_written_by_hand(asked, library)
    return replace(twin, manual=taking(twin.manual, optimizer, schedule))


def refuse_what_is_not_written_by_hand(asked: Chosen, library: Any) -> None:
    """Raise InputError for a class that the hand-written side lacks, or for an argument that is itself an object or a function."""
    names = [name for name in written(library) if name not in ("Optimizer", "LRScheduler")]
    if asked.name not in names:
        raise InputError(f"--{asked.option} {asked.name} is not written by hand: choose one of {', '.join(names)}, {LATER}")
    for name, value in asked.arguments.items():
        if not is_plain(value):
            raise InputError(f"--{asked.option}.{name}: the hand-written side takes numbers and words here, no objects, {LATER}")


def written(library: Any) -> list[str]:
    """The names of the classes of manual.optim or of its lr_scheduler."""
    return sorted(name for name, found in vars(library).items() if isinstance(found, type))


def is_plain(value: Any) -> bool:
    """Whether this is a number, a word, a truth, nothing, or a list of such."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def taking(concept: type[Any], optimizer: Chosen, schedule: Chosen | None) -> type[Any]:
    """The hand-written concept with the optimizer and the schedule that were asked for.

    A schedule moves once an epoch, as LightningCLI's does; ReduceLROnPlateau looks at what it monitors.
    """

    class Taking(concept):
        def configure_optimizers(self) -> Any:
            ours = getattr(manual.optim, optimizer.name)(self.parameters(), **optimizer.arguments)
            if schedule is None:
                return ours
            arguments = dict(schedule.arguments)
            monitor = {"monitor": arguments.pop("monitor")} if schedule.name == "ReduceLROnPlateau" else {}
            moves = getattr(lr_scheduler, schedule.name)(ours, **arguments)
            return {"optimizer": ours, "lr_scheduler": {"scheduler": moves, "interval": "epoch", "frequency": 1, **monitor}}

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):  # it is the same concept to those who look at it
        setattr(Taking, name, getattr(concept, name))
    return Taking
