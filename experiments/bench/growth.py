"""`bench --grow`: by which power of its sizes the time of a step grows, beside the power that the formulas foretell.

At small sizes a step's time is that of calling NumPy, whatever the size, and at middle ones BLAS is not yet at its best. Hence sizes at
which the arithmetic is most of it, each made up to 8 times as large; the slope of the straight line through log time over log size is then
the power.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from experiments.bench.works import WORKS, timed

if TYPE_CHECKING:
    from experiments.drawing.figure import Captioned

WITHIN = 0.15
"""How far a slope may be from its theory."""

FACTORS = {1: (1, 2, 4, 8), 2: (1, 2, 3, 4)}
"""By how much a size grows, for a power of 1 and of 2."""


class Growth(NamedTuple):
    """How a step grows with one of its sizes.

    Attributes:
        size: its letter.
        power: of it, in the number of operations, where that size is large.
        sizes: all of them, before it grows.
    """

    size: str
    power: int
    sizes: Mapping[str, int]


def growths(powers: Mapping[str, int], **sizes: int) -> list[Growth]:
    """Each of these sizes, growing alone."""
    return [Growth(size, power, sizes) for size, power in powers.items()]


GROWTH: dict[str, list[Growth]] = {
    "mlp": [
        *growths({"N": 1}, N=1024, I=64, H=128, O=10, L=2),
        *growths({"H": 2}, N=256, I=64, H=768, O=10, L=2),
        *growths({"L": 1}, N=256, I=64, H=256, O=10, L=4),
    ],
    "cross_entropy": [*growths({"N": 1}, N=128, C=1000), *growths({"C": 1}, N=32, C=8000)],
    "conv2d": [
        *growths({"N": 1}, N=8, I=16, O=16, H=28),
        *growths({"I": 1}, N=16, I=16, O=32, H=14),
        *growths({"O": 1}, N=16, I=16, O=128, H=14),
        *growths({"H": 2}, N=8, I=16, O=16, H=32),
    ],
    "max_pool2d": [*growths({"N": 1}, N=16, C=16, H=28), *growths({"H": 2}, N=8, C=8, H=40)],
    "batch_norm2d": [*growths({"N": 1}, N=16, C=16, H=28), *growths({"H": 2}, N=16, C=16, H=28)],
    "layer_norm": growths({"N": 1, "D": 1}, N=512, D=256),
    "lstm": [*growths({"T": 1, "N": 1, "L": 1}, T=16, N=32, H=128, L=1), *growths({"H": 2}, T=8, N=64, H=192, L=1)],
    "attention": [
        *growths({"N": 1}, N=16, T=64, D=64),
        *growths({"T": 2}, N=2, T=256, D=64),
        *growths({"D": 1}, N=8, T=64, D=256),
    ],
    "embedding": growths({"N": 1, "D": 1}, N=4096, V=1000, D=64),
    "adam": growths({"P": 1}, P=250_000),
    "digits_cnn": [*growths({"N": 1}, N=256, C=16), *growths({"C": 2}, N=32, C=128)],
    "transformer": [
        *growths({"N": 1}, N=16, T=32, D=64, L=2),
        *growths({"T": 1}, N=16, T=16, D=128, L=2),
        *growths({"D": 2}, N=8, T=32, D=256, L=1),
        *growths({"L": 1}, N=4, T=32, D=128, L=2),
    ],
    "gpt": [
        *growths({"N": 1}, N=16, T=32, D=64, L=2),
        *growths({"T": 1}, N=16, T=16, D=128, L=2),
        *growths({"D": 2}, N=8, T=32, D=384, L=1),
        *growths({"L": 1}, N=4, T=32, D=128, L=4),
    ],
}
"""For every work the sizes that may grow: batch, width, length, depth. In `transformer` and `gpt` T is small beside D, so that the maps of
every place are most of it and not attention, whose T² is a row of its own."""


def slope(sizes: list[int], seconds: list[float]) -> float:
    """The power p of seconds = c · sizeᵖ that fits best, in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measure_growth(name: str, rounds: int = 5) -> Iterator[dict[str, Any]]:
    """A row for each size that grows; of every point the median of interleaved rounds, by hand and in torch."""
    for growth in GROWTH[name]:
        grown = [growth.sizes[growth.size] * factor for factor in FACTORS[growth.power]]
        sides = zip(*(WORKS[name].build(**{**growth.sizes, growth.size: size}) for size in grown), strict=True)
        hand, theirs = ([statistics.median(t) for t in timed(*steps, rounds=rounds)] for steps in sides)
        power = slope(grown, hand)
        yield {
            "name": name,
            "size": growth.size,
            "grown": grown,
            "sizes": {key: value for key, value in growth.sizes.items() if key != growth.size},
            "power": power,
            "theory": growth.power,
            "within": abs(power - growth.power) <= WITHIN,
            "power_torch": slope(grown, theirs),
            "seconds": hand,
            "seconds_torch": theirs,
        }


def show_growth(console: Console, rows: list[dict[str, Any]]) -> None:
    """The table."""
    console.print("Time grows as which power of a size? Slope of log time over log size; float32, one thread", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD)
    for heading in ("work", "size", "theory", "by hand", "torch", "beside"):
        table.add_column(heading, justify="right" if heading in ("theory", "by hand", "torch") else "left", no_wrap=True)
    for row in rows:
        beside = " ".join(f"{key}{value}" for key, value in row["sizes"].items())
        grown = f"{row['size']} {row['grown'][0]}…{row['grown'][-1]}"
        power = f"{row['power']:.2f}" + ("" if row["within"] else " !")
        table.add_row(row["name"], grown, str(row["theory"]), power, f"{row['power_torch']:.2f}", beside)
    Console(width=max(console.width, 110)).print(table)
    outside = [f"{row['name']} {row['size']}" for row in rows if not row["within"]]
    if outside:
        console.print(f"! further than {WITHIN} from the theory: {', '.join(outside)}", soft_wrap=True)


def draw_growth(rows: list[dict[str, Any]]) -> Captioned:
    """Time over size, a panel for each work, both sides."""
    from matplotlib.ticker import NullLocator

    from experiments.drawing.colours import CATEGORIES
    from experiments.drawing.figure import draw_both, figure

    names = list(dict.fromkeys(row["name"] for row in rows))
    columns = min(len(names), 4)
    fig, axes = figure(
        "How much longer a step takes when one of its sizes is so many times as large (1: by hand, before it grows). Both axes are "
        "logarithmic, so a power is a straight line, and its slope the power (in the legend, of the line by hand). Dashed: by hand; the "
        "pale band of the same colour: torch. Look whether a band and its dashes are parallel: then neither side wins by size alone.",
        rows=-(-len(names) // columns),
        columns=columns,
        size=(3.4, 3.0),
    )
    for name, ax in zip(names, axes.flat, strict=False):
        for row, colour in zip((r for r in rows if r["name"] == name), CATEGORIES, strict=False):
            times = np.array(row["grown"]) / row["grown"][0]
            ours, theirs = (np.array([times, np.array(row[key]) / row["seconds"][0]]) for key in ("seconds", "seconds_torch"))
            draw_both(ax, ours, theirs, f"{row['size']} {row['power']:.2f}", colour)
        ax.set(title=name, xscale="log", yscale="log", xlabel="times as large", ylabel="times as long")
        for axis, ticks in ((ax.xaxis, (1, 2, 4, 8)), (ax.yaxis, (1, 2, 4, 8, 16))):
            axis.set_ticks(ticks, [str(tick) for tick in ticks])
            axis.set_minor_locator(NullLocator())
        ax.legend()
    for ax in list(axes.flat)[len(names) :]:
        ax.set_visible(False)
    return fig
