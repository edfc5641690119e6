"""`trace`: one step of a concept, tensor by tensor, in the order of computation and of the way back. Writes no files."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import experiments
from experiments.commands.check import unusable, unusable_seed
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.judge.compare import norm
from experiments.judge.explain import Line, explain, first_wrong
from experiments.judge.look import Row
from experiments.judge.nonfinite import NotFinite
from experiments.judge.raised import HandRaised
from experiments.lockstep import LockStep
from experiments.lockstep.checks import data_for
from experiments.lockstep.quiet import quiet
from experiments.lockstep.silent import for_steps


def trace(name: str, options: argparse.Namespace) -> int:
    """Train both sides up to the step, look at it, and print a table or JSON. Returns 0 only if every tensor agrees."""
    quiet()
    negative = f"--step must not be negative, got {options.step}" if options.step < 0 else None
    if trouble := unusable(options.device) or unusable_seed(options.seed) or negative:
        print(f"error: {trouble}", file=sys.stderr)
        return BAD_INPUT
    twin = experiments.twin(name)
    lockstep = LockStep(twin, seed=options.seed, look_at=options.step)
    try:
        rows, tolerance = rows_at(twin, lockstep, options)
    except (NotFinite, HandRaised) as error:
        print(f"error: {error}", file=sys.stderr)
        return DISAGREE
    if not rows:
        print(f"error: --step {options.step}: {name} takes its steps itself, and none begins a batch there", file=sys.stderr)
        return BAD_INPUT
    lines = explain(rows, options.dtype, tolerance)
    if options.json:
        print(json.dumps([as_json(row, line) for row, line in zip(rows, lines, strict=True)]))
    else:
        show(Console(), name, options.step, rows, lines)
    return AGREE if all(line.right for line in lines) else DISAGREE


def rows_at(twin: Any, lockstep: LockStep, options: argparse.Namespace) -> tuple[list[Row], float]:
    """What the look finds, and what a right tensor may differ by: after many steps, what rounding has been amplified to."""
    data, _ = data_for(twin, options.seed)
    _, theirs = twin.build(options.seed, options.dtype, data=data)
    for_steps(twin, lockstep, options, options.step + 1).fit(theirs, data)
    judge = lockstep.judge
    return lockstep.rows, max(judge.tolerated(kind) for kind in ("loss", "gradient", "parameter"))


def as_json(row: Row, line: Line) -> dict[str, Any]:
    """A row for programs."""
    return {
        "name": row.name,
        "way": "back" if row.back else "forward",
        "shape": list(line.shape),
        "by_hand": size(row.hand),
        "torch": size(row.torch),
        "error": row.error if np.isfinite(row.error) else None,
        "digits": round(line.digits, 2),
        "right": line.right,
        "what": line.what,
    }


def size(tensor: Any) -> float | None:
    """‖tensor‖, or the number itself; None where this side has none."""
    if tensor is None:
        return None
    return float(tensor) if np.ndim(tensor) == 0 else norm([tensor])


def show(console: Console, name: str, step: int, rows: list[Row], lines: list[Line]) -> None:
    """The table."""
    heading = f"{name}, step {step}: forward, and from the loss back. The size of a tensor is the root of the sum of its squares."
    console.print(heading, highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("tensor", "shape", "by hand", "torch", "digits", ""):
        table.add_column(heading, justify="left" if heading in ("tensor", "") else "right")
    way_back = False
    for row, line in zip(rows, lines, strict=True):
        if row.back and not way_back:
            table.add_section()
            way_back = True
        sizes = ["-" if (s := size(tensor)) is None else f"{s:.4g}" for tensor in (row.hand, row.torch)]
        mark = "" if line.right else f"[bold red]{'← first wrong' if line.first else 'wrong'}[/bold red]"
        what = f": {escape(line.what)}" if line.what else ""
        table.add_row(escape(line.name), "×".join(map(str, line.shape)) or "number", *sizes, f"{line.digits:.1f}", mark + what)
    console.print(table)
    console.print(first_wrong(lines) or f"All {len(lines)} agree.", highlight=False, soft_wrap=True, markup=False)
