"""What a comparison found, for people (a table) and for programs (JSON, CSV)."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.judge.compare import KINDS, Judge, digits
from experiments.judge.explain import Line, first_wrong
from experiments.lesson import NotValidated, Trained
from experiments.lockstep import LockStep, Record
from experiments.pair import Twin

PACKAGES = ("torch", "numpy", "pandas", "pytorch-lightning", "tensorboard", "scikit-learn", "scipy", "matplotlib")

WHAT_DIGITS_MEAN = (
    "Digits of agreement: 15 digits means that the two numbers are the same in their first 15 decimal digits, "
    "which is about all that a 64-bit number holds (a 32-bit number holds 7)."
)


def summary(twin: Twin, judges: Iterable[Judge], device: str, seconds: float) -> dict[str, Any]:
    """What `check --json` prints of a concept, and report.json begins with.

    `error` is the worst of each kind over all tensors and steps; `tolerance` the widest that was granted at any
    step; `digits` belongs to the worst of all that was compared, buffers and optimizer state included.
    """
    judges = list(judges)
    return {
        "name": twin.name,
        "chapter": twin.chapter,
        "dtype": judges[0].dtype,
        "device": device,
        "steps": sum(j.steps for j in judges),
        "error": {kind: max(j.error(kind) for j in judges) for kind in KINDS},
        "digits": min(j.digits for j in judges),
        "tolerance": max(j.tolerance for j in judges),
        "passed": all(j.passed for j in judges),
        "seconds": round(seconds, 3),
    }


def versions() -> dict[str, str]:
    """The version of everything that the numbers depend on; torch's own says for which CUDA it was built."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, "torch": torch.__version__}


def write_report(folder: Path, found: Mapping[str, Any], judge: Judge) -> None:
    """report.json: the summary, what else is known of the judgement, and all versions."""
    more: dict[str, Any] = {"windows": judge.windows, "failure": judge.failure, "worst": judge.worst, "versions": versions()}
    if judge.actions:
        more["actions"] = {"judged": judge.actions, "undecidable": judge.undecidable}
    text = json.dumps({**found, **more}, indent=2, default=str)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")


def write_curves(folder: Path, records: list[Record]) -> None:
    """curves.csv: one row for each judged step."""
    pd.DataFrame(records, columns=list(Record._fields)).to_csv(folder / "curves.csv", index=False)


def show_verdict(console: Console, lockstep: LockStep) -> None:
    """The table that ends a run: the worst digits of agreement of the loss, each gradient and each parameter."""
    judge = lockstep.judge
    console.print(f"Digits of agreement, at the worst of {steps_of(judge.steps)}", soft_wrap=True, highlight=False)
    table = Table()
    for heading in ("", "gradient", "value"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in digit_rows(judge):
        table.add_row(*row)
    console.print(table)
    console.print(WHAT_DIGITS_MEAN, style="dim", highlight=False, soft_wrap=True)
    if judge.failure:
        show_lines(console, lockstep.lines)
    if lockstep.twin.falls and (failed := training_failed(lockstep.records)):
        console.print(failed, style="bold yellow", highlight=False, soft_wrap=True)
    console.print(verdict(judge), style="bold green" if judge.passed else "bold red", highlight=False, soft_wrap=True, markup=False)


def digit_rows(judge: Judge) -> list[tuple[str, str, str]]:
    """Name, digits of the gradient, digits of the value: of the loss, of each parameter, and of every other kind that was compared."""

    def of(e: float) -> str:
        return f"{digits(e, judge.dtype):.1f}"

    rows = [("loss", "", of(judge.error("loss")))]
    for name, e in judge.worst["gradient"].items():
        after = judge.worst["parameter"].get(name)
        rows.append((name, of(e), "gradient is 0" if after is None else of(after)))
    return rows + [(label, "", of(judge.error(kind))) for kind, label in OTHER_KINDS.items() if judge.worst[kind]]


def steps_of(n: int) -> str:
    """1 step, 2 steps."""
    return f"{n} step" if n == 1 else f"{n} steps"


def show_lines(console: Console, lines: Sequence[Line]) -> None:
    """Tensor by tensor, in the order of computation and then of the way back: which are right, and what the wrong ones are."""
    if not lines:
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("tensor", "shape", "digits", ""):
        table.add_column(heading, justify="right" if heading == "digits" else "left")
    for line in lines:
        mark = "[green]right[/green]" if line.right else f"[bold red]wrong[/bold red]{': ' + escape(line.what) if line.what else ''}"
        name = f"[bold]{escape(line.name)}[/bold]" if line.first else escape(line.name)
        table.add_row(name, " × ".join(map(str, line.shape)) or "a number", f"{line.digits:.1f}", mark)
    console.print(table)
    if sentence := first_wrong(lines):
        console.print(sentence, highlight=False, soft_wrap=True, markup=False)


OTHER_KINDS = {
    "buffer": "buffers",
    "state": "optimizer state",
    "metric": "what was logged",
    "intermediate": "values and gradients between, at the first step",
}
"""What stands below the parameters in the table that ends a run, each kind in one line."""


def training_failed(records: Sequence[Record]) -> str | None:
    """A sentence if the loss exploded or ended above its start, which says nothing about whether the two sides agree; else None.

    Of several optimizers each has a loss of its own, and one's gain may be another's loss: nothing is said of them.
    """
    losses = [r.loss_torch for r in records]
    if len(losses) < 2 or len({r.optimizer for r in records}) > 1:
        return None
    part = max(1, len(losses) // 10)  # a mean over some batches: each is easier or harder than others
    began, ended = losses[0], sum(losses[-part:]) / part
    exploded = abs(ended) > 10 * max(abs(began), 1e-300) and ended > began
    if exploded or (len(losses) >= 20 and ended > began + 1e-9 * abs(began)):
        return f"Training failed: the loss began at {began:.4g} and ended at {ended:.4g}. Smaller steps may help (--model.lr)."
    return None


def verdict(judge: Judge) -> str:
    """One line: whether the two sides are the same computation."""
    if not judge.steps:
        return "Nothing was compared: no step was taken."
    if judge.failure:
        return f"They disagree. First at {judge.failure}."
    copied = "weights copied over when rounding had been amplified too far"
    windows = "" if judge.windows == 1 else f", in {judge.windows} windows ({copied})"
    worst = max(map(judge.error, KINDS))
    same = (
        "all numbers are the same to the last bit"
        if worst == 0
        else f"the largest relative difference is {worst:.0e}, and rounding explains it"
    )
    return f"They agree: {steps_of(judge.steps)} judged{windows}; {same}."


def learned(twin: Twin, lockstep: LockStep, run: Trained) -> list[str]:
    """What came of the training, in words: the concept's own, or else how far the loss fell.

    A run that is too short for a validation has none of the numbers that most concepts speak of.
    """
    losses, several, lines = run.losses, len({r.optimizer for r in lockstep.records}) > 1, list[str]()
    if twin.learned is not None:
        try:
            return [twin.learned(run)]
        except NotValidated:
            lines = ["What was learned is not told: the run ended before its first validation."]
    if several or not losses:
        return lines
    return [f"In {steps_of(len(losses))} the loss went from {losses[0]:.4g} to {losses[-1]:.4g}.", *lines]


def metric_rows(by_hand: Mapping[str, float], torch: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Name, by hand, in torch: the numbers of the last validation."""
    names = [name for name in torch if name.endswith("/val")]
    return [(n.removesuffix("/val"), f"{by_hand[n]:.6g}" if n in by_hand else "-", f"{torch[n]:.6g}") for n in names]


def show_metrics(console: Console, by_hand: Mapping[str, float], torch: Mapping[str, float]) -> None:
    """The numbers of the last validation, of both sides."""
    if rows := metric_rows(by_hand, torch):
        table = Table()
        for heading in ("validation", "by hand", "torch"):
            table.add_column(heading, justify="left" if heading == "validation" else "right")
        for row in rows:
            table.add_row(*row)
        console.print(table)


class CheckTable:
    """The table of `check`: a line for each concept, as soon as it is known; remarks stand below it.

    Args:
        console: where to.
        names: of the concepts.
    """

    HEADINGS = ("steps", "loss", "gradient", "parameter", "required", "s")

    def __init__(self, console: Console, names: Iterable[str]) -> None:
        self.console, self.width, self.remarks = console, max(map(len, (*names, "concept"))) + 2, set[str]()
        self._print("Digits of agreement: the worst of all steps and tensors, and what is required\n")
        self._print(self._line("concept", self.HEADINGS))
        self._print("─" * (len(self._line("", self.HEADINGS)) + len("  DISAGREE")))

    def _print(self, text: str, **settings: Any) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True, **settings)

    def _line(self, name: str, cells: Iterable[str]) -> str:
        return f"{name:{self.width}}" + " ".join(f"{c:>{max(len(h), 4) + 1}}" for c, h in zip(cells, self.HEADINGS, strict=True))

    def add(self, row: Mapping[str, Any], remark: str) -> None:
        """What was found of a concept: its summary, and what the reader must know beside it."""
        kinds = [f"{digits(row['error'][kind], row['dtype']):.1f}" for kind in ("loss", "gradient", "parameter")]
        required = f"{digits(row['tolerance'], row['dtype']):.1f}"
        cells = (str(row["steps"]), *kinds, required, f"{row['seconds']:.1f}")
        self.console.print(
            self._line(row["name"] + (" *" if remark else ""), cells), end="  ", highlight=False, markup=False, soft_wrap=True
        )
        self._print("agree" if row["passed"] else "DISAGREE", style="green" if row["passed"] else "bold red")
        self.remarks |= {remark} - {""}

    def end(self) -> None:
        """The remarks, and what digits mean."""
        self._print("")
        for remark in sorted(self.remarks):
            self._print(f"* {remark}")
        self._print(WHAT_DIGITS_MEAN, style="dim")
