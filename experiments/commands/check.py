"""`check`: are the two sides of a concept equal? Gradients at random parameters, and short trajectories. Writes no files."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from rich.console import Console

import experiments
from experiments import curriculum
from experiments.commands import report
from experiments.commands.status import AGREE, BAD_INPUT, DISAGREE
from experiments.commands.vary import varied
from experiments.judge.compare import Judge
from experiments.judge.explain import Line, explain
from experiments.judge.look import Row
from experiments.judge.raised import HandRaised, raising
from experiments.lockstep.checks import one_step, rows_at_random, trajectory
from experiments.lockstep.quiet import quiet
from experiments.pair import Twin


def check(names: Sequence[str], options: argparse.Namespace) -> int:
    """Check these concepts, or all; print a table or JSON. Returns 0 only if all pass."""
    quiet()
    if trouble := unusable(options.device) or unusable_seed(options.seed):
        print(f"error: {trouble}", file=sys.stderr)
        return BAD_INPUT
    console, passed = Console(), True
    names = list(names) or [e.name for e in curriculum.entries()]
    table = None if options.json else report.CheckTable(console, names)
    with console.status("", spinner="dots") as status:
        for i, name in enumerate(names):
            status.update(f"{name} ({i + 1} of {len(names)})")
            row, remark, failures = check_one(experiments.twin(name), options)
            passed &= row["passed"]
            if table is None:
                print(json.dumps(row), flush=True)
            else:
                table.add(row, remark)
            for failure in failures:
                print(f"{name}: {failure.sentence}", file=sys.stderr)
                report.show_lines(Console(stderr=True), failure.lines)
    if table is not None:
        table.end()
    return AGREE if passed else DISAGREE


def unusable(device: str) -> str | None:
    """Why this device cannot be used; None if it can."""
    try:
        kind = torch.device(device)
    except RuntimeError:
        return f"--device {device}: expected cpu, cuda or cuda:N"
    if kind.type not in ("cpu", "cuda"):
        return f"--device {device}: expected cpu, cuda or cuda:N"
    if kind.type == "cpu" and kind.index:
        return f"--device {device}: there is one cpu; leave the number out"
    if kind.type == "cuda" and (kind.index or 0) >= torch.cuda.device_count():
        return f"--device {device}: this machine has {torch.cuda.device_count()} CUDA device(s)"
    return None


def unusable_seed(seed: int) -> str | None:
    """Why this seed cannot be used; None if it can."""
    if seed < 0:
        return f"--seed must not be negative, got {seed}"
    return f"--seed must have no more than 63 bits, got {str(seed)[:40]}" if seed >= 2**63 else None


def check_one(twin: Twin, options: argparse.Namespace) -> tuple[dict[str, Any], str, list[Failure]]:
    """The summary of one concept, a remark for the table, and what went wrong."""
    began = time.perf_counter()
    judges: list[Judge] = []
    failures: list[Failure] = []
    remarks = set()
    for label, variant, judge, stand_in in judged(twin, options):
        judges.append(judge)
        if stand_in:
            remarks.add("checked on random data of the same shape: the real ones are not at hand")
        if not judge.passed:
            rows = [] if failures else rows_of_failure(twin, variant, options)
            failures.append(Failure(f"{label}: {judge.failure}", explain(rows, options.dtype)))
    for label, judge, _ in varied(twin, options) if not failures else ():  # a fault is told once, not once for each option
        judges.append(judge)
        if not judge.passed:
            failures.append(Failure(f"{label}: {judge.failure}", []))
    row = report.summary(twin, judges, options.device, time.perf_counter() - began)
    return row, " ".join(remarks), failures


class Failure(NamedTuple):
    """What disagreed, in a sentence; and tensor by tensor, where that can be shown."""

    sentence: str
    lines: list[Line]


def rows_of_failure(twin: Twin, variant: str | None, options: argparse.Namespace) -> list[Row]:
    """A look at what failed; nothing where the look itself ends in the exception that was the failure."""
    try:
        with raising("at random weights", twin.name):
            return rows_at_random(twin, variant, options)
    except HandRaised:
        return []


def judged(twin: Twin, options: argparse.Namespace) -> Iterator[tuple[str, str | None, Judge, bool]]:
    """Everything that is checked of a twin: (what, the variant, its judge, whether on random data), for each variant."""
    for variant in (None, *twin.variants):
        label = variant or "as declared"
        yield f"{label}, one step", variant, *one_step(twin, variant, options)
        yield f"{label}, own optimizer", variant, *trajectory(twin, variant, options)
    if not twin.objectives:
        yield "plain gradient descent", None, *trajectory(twin, None, options, sgd=twin.sgd_lr)
