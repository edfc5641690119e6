"""What goes wrong in a run, in one line that says what to do."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import sys
from contextlib import suppress

import pytorch_lightning as pl
from jsonargparse import ArgumentError
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # type: ignore[attr-defined]  # in no __all__

from experiments.commands.offered import denied
from experiments.data.arrays import InputError

FOLDER = "GRADTWIN_RUN_FOLDER"
"""The variable in which the first of several processes tells the others where the run is."""


OF_A_CLASS = r"^Parser key \"(.+?)\": Does not .*?Problem with given class_path '[\w.]*?(\w+)': (.+?) - (?:Problem|Expected|Not)"
"""What jsonargparse says of an argument of a class that an option names: the option, the class, and what is wrong."""

TRAINERS = frozenset(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
"""The arguments of Lightning's Trainer, which are options here."""

SPEAKING = (ArgumentError, MisconfigurationException, ValueError, TypeError, RuntimeError, NotImplementedError, InputError, ImportError)
"""Exceptions whose message says what is wrong; of others it needs the name beside it."""


def is_further_process() -> bool:
    """Whether Lightning has started this process beside the first one of a run: it trains, and says nothing."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def complain(error: Exception | str, status: int) -> int:
    """One line on standard error."""
    if not is_further_process():
        with suppress(OSError):  # standard error may be full, or closed
            print(f"error: {one_line(error)}", file=sys.stderr, flush=True)
    return status


def one_line(error: Exception | str) -> str:
    """The message without line breaks and runs of blanks."""
    return re.sub(r"\s+", " ", str(error)).strip()


def command(*words: object) -> str:
    """A command that a person may copy into a shell."""
    return shlex.join(map(str, words))


def explain(error: Exception) -> str:
    """What jsonargparse or a constructor says, shortened to what a person needs."""
    text = one_line(error)
    if said := denied(text):
        return said
    if isinstance(error, ModuleNotFoundError):
        return f"a package is missing: {text}"
    if not isinstance(error, SPEAKING):
        text = f"{type(error).__name__}: {text}"
    if inside := re.search(OF_A_CLASS, text):
        return f"--{inside[1]} {inside[2]}: {inside[3]}"[:300]
    text = re.sub(r"^Parser key \"(.+?)\": ", r"--\1: ", text)
    text = re.sub(r"Expected a <class '(\w+)'>\. Got value: (.*)", r"expected \1, got \2", text)
    text = re.sub(r"Expected a typing\.Literal\[(.*?)\]\. Got value: (.*)", r"expected one of \1, got \2", text)
    text = re.sub(r'Linked "(.+?)" must be given via "data\.(\w+)"\.', r"--\1 is no option, for the data say it: their \2", text)
    text = re.sub(r"Does not validate against any of the Union subtypes .* Given value: (.*)", r"\1 is not of the right type", text)
    text = re.sub(
        r"No supported gpu backend found!", "--trainer.accelerator gpu: this machine has no GPU that torch can use; leave it out", text
    )
    options = [name for name in re.findall(r"`(?:Trainer\()?(\w+)[`=(]", text) if name in TRAINERS]
    if options and "--trainer." not in text:
        text = f"--trainer.{options[0]}: {text}"
    text = re.sub(r"^Problem with given class_path .*?: ", "", text)
    return text if len(text) <= 300 else text[:300] + " …"
