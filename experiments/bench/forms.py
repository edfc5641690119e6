"""`bench --plain`: how many times as long a layer's forward + backward take with plain forms as with the faster ones, turn by turn."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.bench.works import WORKS, Step, normal, timed, twins
from manual.nn.faster import plain_forms


def recurrent(name: str) -> Any:
    """A recurrent layer, T steps of N examples."""
    return lambda T, N, H: twins(name, normal(T, N, H), H, H)


FORMS: dict[str, tuple[Any, tuple[Mapping[str, int], ...]]] = {
    "layer_norm": (WORKS["layer_norm"].build, ({"N": 128, "D": 32}, {"N": 4096, "D": 256})),
    "group_norm": (lambda N, C, H: twins("GroupNorm", normal(N, C, H, H), 4, C), ({"N": 32, "C": 8, "H": 8}, {"N": 32, "C": 16, "H": 28})),
    "rms_norm": (lambda N, D: twins("RMSNorm", normal(N, D), D), ({"N": 128, "D": 32}, {"N": 4096, "D": 256})),
    "batch_norm2d": (WORKS["batch_norm2d"].build, (WORKS["batch_norm2d"].own, WORKS["batch_norm2d"].larger)),
    "cross_entropy": (WORKS["cross_entropy"].build, ({"N": 32, "C": 10}, {"N": 256, "C": 1000})),
    **{name.lower(): (recurrent(name), ({"T": 16, "N": 16, "H": 32}, {"T": 64, "N": 32, "H": 128})) for name in ("RNN", "LSTM", "GRU")},
    "conv2d": (WORKS["conv2d"].build, (WORKS["conv2d"].own,)),
    "max_pool2d": (WORKS["max_pool2d"].build, (WORKS["max_pool2d"].own, WORKS["max_pool2d"].larger)),
    "embedding": (WORKS["embedding"].build, (WORKS["embedding"].own, WORKS["embedding"].larger)),
}
"""For every pair of forms a layer that runs it, and usual sizes."""


def both(name: str, sizes: Mapping[str, int]) -> tuple[Step, Step]:
    """A step with plain forms, and one with the faster ones."""
    fast, _ = FORMS[name][0](**sizes)

    def plain() -> None:
        with plain_forms():
            fast()

    return plain, fast


def measure_forms(name: str) -> Iterator[dict[str, Any]]:
    """One row for each of the sizes."""
    for sizes in FORMS[name][1]:
        plain, fast = timed(*both(name, sizes))
        factors = sorted(a / b for a, b in zip(plain, fast, strict=True))
        yield {
            "name": name,
            "sizes": dict(sizes),
            "factor": statistics.median(factors),
            "low": factors[len(factors) // 10],
            "high": factors[-1 - len(factors) // 10],
            "ms_plain": 1000 * statistics.median(plain),
            "ms_fast": 1000 * statistics.median(fast),
        }


def in_short(number: float) -> str:
    """Three digits, or all that stand before the point."""
    return f"{number:#.3g}".rstrip(".") if number < 1000 else f"{number:.0f}"


def show_forms(console: Console, rows: list[dict[str, Any]]) -> None:
    """The table."""
    console.print("Time of the plain form / of the faster one, float32, one thread; the spread leaves out the outer tenths", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD)
    for heading in ("layer", "factor", "spread", "ms plain", "faster", "sizes"):
        table.add_column(heading, justify="left" if heading in ("layer", "sizes") else "right", no_wrap=True)
    for row in rows:
        factor, *spread, plain, fast = (in_short(row[key]) for key in ("factor", "low", "high", "ms_plain", "ms_fast"))
        sizes = " ".join(f"{key}{value}" for key, value in row["sizes"].items())
        table.add_row(row["name"], factor, "-".join(spread), plain, fast, sizes)
    console.print(table)
