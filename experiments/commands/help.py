"""`run --help`: what a concept can be asked to do differently. LightningCLI's own five hundred lines: `--help-all`."""

from __future__ import annotations

import difflib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import docstring_parser
import pytorch_lightning as pl

import experiments
from experiments.pair import Twin

WIDTH = 78

COMMON = {
    "--trainer.precision P": "64-true (default) or 32-true",
    "--trainer.accelerator A": "cpu (default) or gpu",
    "--trainer.accumulate_grad_batches N": "batches whose gradients are added for one step",
    "--trainer.gradient_clip_val X": "gradients longer than this are shortened to it",
    "--trainer.default_root_dir DIR": "where runs are kept (default runs)",
    "--optimizer NAME": "another one, as --optimizer SGD --optimizer.lr 0.1",
    "--lr_scheduler NAME": "its lr changes, as --lr_scheduler ExponentialLR --lr_scheduler.gamma 0.9",
    "--compare.mode MODE": "free (default): every step is compared; spot: one now and then; off: none",
    "--seed_everything N": "of weights, order and noise (default 0)",
    "--ckpt_path FILE": "go on from this checkpoint, in its own folder",
    "--config FILE": "all options, as a run leaves them in config.yaml",
}
"""The options of Lightning's, and of the comparison, that people use."""


def show_help(name: str) -> None:
    """Print what `run` takes for a concept: its own options first, then those that people use."""
    twin = experiments.twin(name)
    print(f"usage: python -m experiments run {name} [OPTION VALUE ...]\n\n{fill(twin.title)}")
    for heading, options in (("the model", of_the_model(twin)), ("the data", of_the_data(twin))):
        if lines := list(options):
            print(f"\n{heading}:")
            print("\n".join(entry(*line) for line in lines))
    print("\ntraining and comparing:")
    epochs = twin.trainer.get("max_epochs")
    print(entry("--trainer.max_epochs N", "how often all examples are seen" + (f" (default {epochs})" if epochs else "")))
    print("\n".join(entry(option, what) for option, what in COMMON.items()))
    print("\n" + fill(f"All options of Lightning's Trainer: python -m experiments run {name} --help-all"))


def of_the_model(twin: Twin) -> Iterator[tuple[str, str]]:
    """The hyperparameters, with what the hand-written class says of them."""
    linked = {target.removeprefix("model.") for target in twin.links.values()}
    defaults = {k: v for k, v in twin.hyperparameters().items() if k not in linked}
    return described("model", defaults, said_of(twin.manual))


def of_the_data(twin: Twin) -> Iterator[tuple[str, str]]:
    """The arguments of the data module."""
    parameters = inspect.signature(twin.data).parameters
    defaults = {k: p.default for k, p in parameters.items() if p.kind is not p.VAR_KEYWORD} | dict(twin.data_args)
    return described("data", defaults, said_of(twin.data))


def did_you_mean(twin: Twin, refused: str) -> str:
    """The option that is nearest to the first that was not known: "; did you mean --model.lr?"; nothing if none is near."""
    asked = next(iter(re.findall(r"--[\w.]+", refused)), None)
    if asked is None:
        return ""
    known = [option for option, _ in (*of_the_model(twin), *of_the_data(twin))]
    known += [f"--trainer.{name}" for name in inspect.signature(pl.Trainer).parameters] + [option.split()[0] for option in COMMON]
    same_end = [option for option in known if option.rpartition(".")[2] == asked.rpartition(".")[2].lstrip("-")]
    near = same_end or difflib.get_close_matches(asked, known, 1, 0.7)
    return f"; did you mean {near[0]}?" if near else ""


def described(group: str, defaults: Mapping[str, Any], said: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Option and text, of each of these arguments."""
    for name, default in defaults.items():
        value = "" if default in (None, inspect.Parameter.empty) else f" (default {default})"
        yield f"--{group}.{name}", f"{said.get(name, '').rstrip('.')}{value}".strip()


def said_of(cls: type) -> dict[str, str]:
    """What the docstrings of a class, and of those that it is derived from, say of its arguments."""
    found: dict[str, str] = {}
    for base in cls.__mro__:
        for p in docstring_parser.parse(inspect.getdoc(base) or "").params if base is not object else ():
            for name in p.arg_name.split(", "):  # two may share a line
                found.setdefault(name, " ".join((p.description or "").split()))
    return found


def entry(option: str, what: str) -> str:
    """An option, and what it does, in lines of at most 80 characters."""
    indent = " " * 30
    lines = textwrap.wrap(what, WIDTH - len(indent)) or [""]
    head = f"  {option:27} " if len(option) <= 27 else f"  {option}\n{indent}"
    return (head + ("\n" + indent).join(lines)).rstrip()


def fill(text: str) -> str:
    """Text in lines of at most 80 characters."""
    return textwrap.fill(text, WIDTH)
