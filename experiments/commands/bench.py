"""`bench`: how long forward + backward (+ update) take by hand, against torch eager, in one process, turn by turn.

A ratio of 1 is torch's own speed. Both sides run on one thread in float32, from equal weights, on the same input.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.commands.bench_forms import FORMS, measure_forms, show_forms
from experiments.commands.bench_works import WORKS, Step, Work, timed


def peak_by_hand(step: Step) -> int:
    """The most bytes that one step holds beyond what was there before."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    step()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak


@contextmanager
def silent() -> Iterator[None]:
    """Keep the profiler's own announcements, written by C++ code, off standard error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def peak_by_torch(step: Step) -> int:
    """The same of torch, from its profiler's record of allocations."""
    with silent(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    held = most = 0
    for event in sorted(profile.profiler.kineto_results.events(), key=lambda e: e.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


def measure(name: str) -> Iterator[dict[str, Any]]:
    """One row for each of the two sizes of a work."""
    work = WORKS[name]
    for label, sizes in (("own", work.own), ("larger", work.larger)):
        hand, theirs = timed(*work.build(**sizes))
        ratios = sorted(a / b for a, b in zip(hand, theirs, strict=True))
        steps = work.build(**sizes)
        for step in steps:
            step()
        yield {
            "name": name,
            "size": label,
            "sizes": dict(sizes),
            "ratio": statistics.median(ratios),
            "low": ratios[len(ratios) // 10],
            "high": ratios[-1 - len(ratios) // 10],
            "ms": 1000 * statistics.median(hand),
            "peak_bytes": peak_by_hand(steps[0]),
            "peak_bytes_torch": peak_by_torch(steps[1]),
            "growth": growth(work, sizes) if label == "own" else {},
        }


def growth(work: Work, sizes: Mapping[str, int]) -> dict[str, float]:
    """How many times as long a step by hand takes when one size doubles."""
    found = {}
    for name in work.grows:
        one, two = (work.build(**{**sizes, name: sizes[name] * factor})[0] for factor in (1, 2))
        found[name] = statistics.median(b / a for a, b in zip(*timed(one, two, rounds=7), strict=True))
    return found


def lockstep(name: str, rounds: int = 5, steps: int = 150) -> dict[str, Any]:
    """Milliseconds for one training step of a concept, turn by turn: by hand alone, Lightning alone, in lock-step, spot checks."""
    import pytorch_lightning as pl

    import experiments
    from experiments.lockstep import LockStep
    from experiments.lockstep.quiet import quiet
    from manual.trainer import Trainer

    quiet()
    twin = experiments.twin(name)
    data = twin.make_data()
    x, y = data.split.train
    batches = [(x[i : i + data.batch_size], y[i : i + data.batch_size]) for i in range(0, len(x), data.batch_size)]
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    times: dict[str, list[float]] = {"by hand": [], "lightning": [], "lockstep": [], "spot": []}
    for _ in range(rounds):
        for kind, found in times.items():
            ours, theirs = twin.build()
            trainer, hand = None, Trainer()
            if kind != "by hand":
                callbacks = {"lockstep": [LockStep(twin)], "spot": [LockStep(twin, "spot", 50)]}.get(kind, [])
                trainer = pl.Trainer(
                    max_steps=steps, precision="64-true", accelerator="cpu", limit_val_batches=0, callbacks=list(callbacks), **off
                )
            began = time.perf_counter()
            if trainer:
                trainer.fit(theirs, data)
            else:
                hand.fit(ours, (batches * -(-steps // len(batches)))[:steps])
            found.append((time.perf_counter() - began) / steps * 1000)
    return {"name": name, **{kind: statistics.median(found) for kind, found in times.items()}}


def show_lockstep(rows: list[dict[str, Any]]) -> None:
    """Times of a step, and as multiples of Lightning alone."""
    for row in rows:
        parts = (f"{kind} {row[kind]:.2f} ms ({row[kind] / row['lightning']:.2f})" for kind in ("by hand", "lightning", "lockstep", "spot"))
        print(f"a training step of {row['name']}, float64 (Lightning alone = 1): {', '.join(parts)}")


LOCKSTEP = ("digits_mlp", "digits_cnn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all if none is named: {', '.join([*WORKS, 'lockstep'])}")
    parser.add_argument("--plain", action="store_true", help="in place of torch: how much faster than the plain forms the faster ones are")
    parser.add_argument("--json", action="store_true", help="one JSON object per row and line")


def main(options: argparse.Namespace) -> int:
    """Measure and print. Returns 0, or 2 for an unknown name."""
    works = list(FORMS) if options.plain else list(WORKS)
    known = works if options.plain else [*works, "lockstep"]
    for name in options.names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or known
            print(f"error: unknown work {name!r}: did you mean {' or '.join(near)}?", file=sys.stderr)
            return 2
    torch.set_num_threads(1)
    console, rows = Console(), []
    with console.status("") as status:
        for name in options.names or works:
            if name == "lockstep":
                continue
            status.update(name)
            for row in measure_forms(name) if options.plain else measure(name):
                rows.append(row)
                if options.json:
                    print(json.dumps(row), flush=True)
        steps = [lockstep(name) for name in LOCKSTEP] if "lockstep" in (options.names or known) else []
    if options.json:
        print("".join(json.dumps(row) + "\n" for row in steps), end="")
    elif rows:
        (show_forms if options.plain else show)(console, rows)
    if not options.json:
        show_lockstep(steps)
    return 0


def show(console: Console, rows: list[dict[str, Any]]) -> None:
    """The table."""
    console.print(
        "Time by hand / time of torch (1 = as fast as torch), float32, one thread; the spread leaves out the outer tenths", soft_wrap=True
    )
    table = Table(box=SIMPLE_HEAD)
    for heading in ("work", "ratio", "spread", "ms", "peak kB", "torch's", "sizes", "× when doubled"):
        table.add_column(heading, justify="left" if heading in ("work", "sizes", "× when doubled") else "right", no_wrap=True)
    for row in rows:
        sizes = " ".join(f"{key}{value}" for key, value in row["sizes"].items())
        grown = " ".join(f"{key} {value:.1f}" for key, value in row["growth"].items())
        spread = f"{row['low']:.2f}-{row['high']:.2f}"
        memory = [f"{row[key] / 1000:.0f}" for key in ("peak_bytes", "peak_bytes_torch")]
        table.add_row(row["name"], f"{row['ratio']:.2f}", spread, f"{row['ms']:.3f}", *memory, sizes, grown)
    Console(width=max(console.width, 110)).print(table)
