"""What is measured of the project as a whole: mistakes that must be noticed, how fast it is, and the shapes within its layers."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from experiments.book.cache import Kept
from experiments.curriculum import ROOT

MISTAKES = 40
"""So many are drawn of all that can be made: these take a quarter of a minute, all of them many hours."""


def mistakes(folder: Path) -> None:
    """Make a sample of mistakes in the hand-written backwards and steps, see which are noticed, and keep it.

    Args:
        folder: that it is kept in.
    """
    from experiments.mutation.mutate import mutate

    report = mutate(sample=MISTAKES)
    rows = [
        {"function": m.id.partition(":")[0], "before": m.before, "after": m.after, "verdict": r.verdict, "why": r.why}
        for r in report.results
        for m in [r.mutant]
    ]
    Kept(folder).tell({"rows": rows, "sample": MISTAKES})


def speed(folder: Path) -> None:
    """Measure one size of everything that `bench` knows, and keep it.

    Args:
        folder: that it is kept in.
    """
    import torch

    from experiments.bench.command import measure
    from experiments.bench.works import WORKS

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = [next(measure(name)) for name in WORKS]
    torch.set_num_threads(threads)
    Kept(folder).tell({"rows": rows, "machine": machine()})


def machine() -> str:
    """What this runs on."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line] if info.is_file() else []
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def layers(folder: Path) -> None:
    """Run every layer forward and back, and keep the shapes of what its lines make.

    Args:
        folder: that it is kept in.
    """
    from experiments.book.of_layers import told_of_layers

    Kept(folder).tell(dict(told_of_layers()))


def modules_in(package: str) -> tuple[str, ...]:
    """The modules of a package, by their files."""
    return tuple(f"{package}.{file.stem}" for file in sorted(ROOT.joinpath(*package.split(".")).glob("[!_]*.py")))


PARTS: dict[str, Any] = {"mistakes": mistakes, "speed": speed, "layers": layers}
"""Each with its name, as it is kept."""

MODULES: dict[str, tuple[str, ...]] = {
    "mistakes": ("experiments.mutation.mutate",),
    "speed": ("experiments.bench.command",),
    "layers": ("experiments.book.of_layers", *modules_in("manual.nn"), *modules_in("experiments.cases.nn")),
}
"""Where the work of each is done: what these import decides whether it is to be measured again."""
