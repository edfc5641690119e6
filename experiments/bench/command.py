"""`bench`: how long forward + backward (+ update) take by hand, against torch eager, in one process, turn by turn.

A ratio of 1 is torch's own speed. Both sides run on one thread in float32, from equal weights, on the same input.
"""

from __future__ import annotations

import argparse
import difflib
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_info

from experiments.bench.forms import FORMS, in_short, measure_forms, show_forms
from experiments.bench.growth import draw_growth, measure_growth, show_growth
from experiments.bench.lockstep import ROWS, measure_lockstep, show_lockstep
from experiments.bench.loops import by_loops
from experiments.bench.memory import peak_by_hand, peak_by_torch
from experiments.bench.products import alone
from experiments.bench.works import WORKS, Step, timed


def measure(name: str) -> Iterator[dict[str, Any]]:
    """One row for each of the two sizes of a work."""
    work = WORKS[name]
    for label, sizes in (("own", work.own), ("larger", work.larger)):
        steps = work.build(**sizes)
        products = [alone(work.products(**sizes))] if work.products else []
        hand, theirs, *bare = timed(*steps, *products)
        ratios = sorted(a / b for a, b in zip(hand, theirs, strict=True))
        loops = by_loops(name, sizes, steps[0]) if label == "own" else None
        row = {
            "name": name,
            "size": label,
            "sizes": dict(sizes),
            "ratio": statistics.median(ratios),
            "low": ratios[len(ratios) // 10],
            "high": ratios[-1 - len(ratios) // 10],
            "ms": 1000 * statistics.median(hand),
            "ratio_products": statistics.median(a / b for a, b in zip(bare[0], theirs, strict=True)) if bare else None,
            "times_loops": once(loops) / statistics.median(hand) if loops else None,
        }
        yield row | {"peak_bytes": peak_by_hand(steps[0]), "peak_bytes_torch": peak_by_torch(steps[1])}


def once(step: Step) -> float:
    """Seconds that a slow step takes."""
    began = time.thread_time()
    step()
    return time.thread_time() - began


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all if none is named: {', '.join([*WORKS, 'lockstep'])}")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--plain", action="store_true", help="in place of torch: how much faster than the plain forms the faster ones are")
    other.add_argument("--grow", action="store_true", help="the power of each size by which time grows, beside theory, and a figure of it")
    parser.add_argument("--json", action="store_true", help="one JSON object per row and line")


def main(options: argparse.Namespace) -> int:
    """Measure and print. Returns 0, or 2 for an unknown name."""
    works = list(FORMS) if options.plain else list(WORKS)
    known = works if options.plain or options.grow else [*works, "lockstep"]
    for name in options.names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "see `bench --help`"
            print(f"error: unknown work {name!r}: {hint}", file=sys.stderr)
            return 2
    torch.set_num_threads(1)
    measured, shown = (measure_forms, show_forms) if options.plain else (measure_growth, show_growth) if options.grow else (measure, show)
    console, rows = Console(), []
    with console.status("") as status:
        for name in options.names or works:
            if name == "lockstep":
                continue
            status.update(name)
            for row in measured(name):
                rows.append(row)
                if options.json:
                    print(json.dumps(row), flush=True)
        steps = []
        for name in ROWS if "lockstep" in (options.names or known) else ():
            status.update(name)
            steps.append(measure_lockstep(name))
            if options.json:
                print(json.dumps(steps[-1]), flush=True)
    if rows and not options.json:
        shown(console, rows)
    if options.grow:
        save_growth(rows, quiet=options.json)
    if not options.json:
        show_lockstep(console, steps)
    return 0


FIGURE = Path("runs/bench/growth.png")


def save_growth(rows: list[dict[str, Any]], quiet: bool) -> None:
    """Write the figure of --grow, with its caption beside it, and say where unless quiet."""
    from experiments.commands.album import write_picture
    from experiments.drawing.figure import pixels

    fig = draw_growth(rows)
    write_picture(FIGURE, pixels(fig), fig.caption)
    if not quiet:
        print(f"figure: {FIGURE}, its caption in {FIGURE.with_suffix('.txt')}")


def blas() -> str:
    """Which BLAS makes NumPy's matrix products, and for which processor the kernels are that it has chosen, if it says so."""
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    for library in sorted(found, key=lambda library: "numpy" not in library["filepath"]):  # SciPy brings one too, for itself
        return f"{library['internal_api']} {library['version']} for {library.get('architecture', 'any processor')}"
    return "an unknown BLAS"


HEADINGS = {
    "work": "left",
    "ratio": "right",
    "spread": "right",
    "ms": "right",
    "products": "right",
    "loops": "right",
    "memory": "right",
    "kB": "right",
    "sizes": "left",
}

LEGEND = """Time by hand / time of torch (1 = as fast as torch), float32, one thread; the spread leaves out the outer tenths
products: the same of the matrix products alone; loops: how many times as long plain Python takes; memory: peak by hand / of torch"""


def show(console: Console, rows: list[dict[str, Any]]) -> None:
    """The table."""
    console.print(f"{LEGEND}; the products of NumPy are by {blas()}", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD)
    for heading, side in HEADINGS.items():
        table.add_column(heading, justify="left" if side == "left" else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['ratio']:.2f}",
            f"{row['low']:.2f}-{row['high']:.2f}",
            f"{row['ms']:.3f}",
            "" if row["ratio_products"] is None else f"{row['ratio_products']:.2f}",
            "" if row["times_loops"] is None else in_short(row["times_loops"]),
            f"{row['peak_bytes'] / row['peak_bytes_torch']:.2f}",
            f"{row['peak_bytes'] / 1000:.0f}",
            " ".join(f"{key}{value}" for key, value in row["sizes"].items()),
        )
    Console(width=max(console.width, 110)).print(table)
