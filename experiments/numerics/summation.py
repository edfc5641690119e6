"""Summation: the order of a sum, and differences that cancel

The prices of six kinds of things are learned from receipts with 256 lines each, added up in bfloat16. Added line by line the sum stops
growing half way, and the prices come out wrong; added in pairs, or by Kahan's method, they come out right.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure, unbroken
from experiments.drawing.walk import walk
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.numerics.rounding import COLOURS
from experiments.pair import Twin
from manual.concept import Batch
from manual.numerics.rounding import epsilon, round_to
from manual.numerics.summation import Summation as Manual
from manual.numerics.summation import (
    smaller_root,
    smaller_root_cancelling,
    sum_kahan,
    sum_naive,
    sum_pairwise,
    variance,
    variance_cancelling,
)
from torch_impl.numerics import summation as in_torch
from torch_impl.numerics.rounding import DTYPES
from torch_impl.numerics.summation import Summation as Torch

PRICES = np.array([0.5, 0.8, 1.2, 1.7, 2.3, 3.0])
"""What the six kinds of things cost."""


class Receipts(ArrayData):
    """256 receipts with 256 lines each, a quarter of them held out: which of six kinds of things each line is, and the exact total.

    Each receipt has its own taste: how often a kind is on it is drawn from a Dirichlet distribution, all mixtures being equally likely.

    Args:
        batch_size: receipts in a batch; 0 puts all of them into one.
        seed: of the receipts and of the order of the batches.
    """

    def __init__(self, batch_size: int = 64, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        rng = np.random.default_rng([self.seed, 0])
        shares = rng.dirichlet(np.ones(len(PRICES)), size=256)
        x = np.array([rng.choice(len(PRICES), size=256, p=share) for share in shares])
        y = PRICES[x].sum(axis=1)
        return Split((x[64:], y[64:]), (x[:64], y[:64]))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Receipts) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "sums that stop growing": lambda: sums(),
            "prices learned from three sums": lambda: prices(manual, torch_module, data),
            "cancellation": lambda: cancellation(),
        }
    )


SUMS = {"naive": (sum_naive, CATEGORIES[3]), "in pairs": (sum_pairwise, CATEGORIES[0]), "Kahan": (sum_kahan, CATEGORIES[1])}
"""The three methods, and their colours."""


def sum_errors(sizes: np.ndarray, trials: int = 20, format: str = "bfloat16") -> dict[str, np.ndarray]:
    """Of each method, for each number of terms, the largest relative error of so many sums of numbers between 0 and 1."""
    found: dict[str, list[float]] = {name: [] for name in SUMS}
    for N in sizes:
        x = round_to(np.random.default_rng(N).uniform(0, 1, size=(N, trials)), format)
        exact = x.sum(axis=0)  # exact in float64: 8 digits and a carry of 12
        for name, (method, _) in SUMS.items():
            found[name].append(float((np.abs(method(x, format) - exact) / exact).max()))
    return {name: np.array(errors) for name, errors in found.items()}


def bounds(sizes: np.ndarray, format: str = "bfloat16") -> dict[str, np.ndarray]:
    """Of each method the largest relative error that there can be, to first order in u; all terms are positive."""
    u = epsilon(format) / 2
    return {"naive": (sizes - 1) * u, "in pairs": np.ceil(np.log2(sizes)) * u, "Kahan": np.full(len(sizes), 2 * u)}


def sums() -> Figure:
    """1 + 1 + 1 …, and the errors of three orders of a sum."""
    fig, axes = figure(
        "Left: ones added up one by one (bands: torch, dashes: by hand, thin: the truth). The sum stops at 2,048 in float16 and at 256 in "
        "bfloat16: the next number is 2 further on, and half way is rounded to the even one. Right: numbers from 0 to 1 in "
        "bfloat16, the largest error of 20 sums (dots) and its bound (dotted). Term by term it grows with N, in pairs with log N; "
        "Kahan's sum takes down what each addition lost: it is as good as one rounding.",
        columns=2,
        size=(4.4, 3.6),
    )
    ax = axes[0, 0]
    for name, most in (("float16", 3000), ("bfloat16", 3000)):
        ours, theirs = np.zeros(1), torch.zeros(1, dtype=DTYPES[name])
        lines: tuple[list[float], list[float]] = ([], [])
        for _ in range(0, most, 50):
            ours = sum_naive(np.concatenate([ours, np.ones(50)]), name)[None]
            theirs = in_torch.sum_naive(torch.cat([theirs, torch.ones(50, dtype=theirs.dtype)]), name)[None]
            lines[0].append(ours.item())
            lines[1].append(theirs.item())
        n = np.arange(50, most + 1, 50)
        draw_both(ax, np.stack([n, lines[0]]), np.stack([n, lines[1]]), name, COLOURS[name])
    ax.plot([0, 3000], [0, 3000], color="black", linewidth=0.6)
    ax.set(title="1 + 1 + 1 + …", xlabel="how many ones", ylabel="their sum")
    ax.legend(fontsize=8)
    ax, sizes = axes[0, 1], 2 ** np.arange(2, 12)
    for name, errors in sum_errors(sizes).items():
        ax.plot(sizes, np.maximum(errors, 1e-5), "o-", markersize=4, linewidth=0.8, color=SUMS[name][1], label=name)
        ax.plot(sizes, bounds(sizes)[name], color=SUMS[name][1], linewidth=0.8, linestyle=":")
    ax.set(title="Three orders of a sum", xscale="log", yscale="log", xlabel="N, the numbers added up")
    ax.set(ylabel="relative error", ylim=(1e-4, 10))
    ax.legend(fontsize=8, loc="upper left")
    return fig


def walked(batch: Batch, method: str, steps: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """The prices at every step, by hand and in torch, when sums are taken in this way."""
    ours, theirs = walk(Manual(method=method), Torch(method=method), batch, steps)
    return ours["price"], theirs["price"]


def prices(manual: Manual, torch_module: Torch, data: Receipts) -> Figure:
    """How far off the learned prices are at every step, and where they end."""
    batch, trained = tuple(a[:64] for a in data.split.train), (manual.price.data, to_numpy(torch_module.price))
    fig, axes = figure(
        "Six prices, learned from the totals of receipts, added up in bfloat16 (bands: torch, dashes: by hand; crosses: the run itself). "
        "From 256 on its numbers are 2 apart: added line by line, a thing for less than 1 then adds nothing, and one for more adds 2. The "
        "model makes up for it with prices that are wrong for other receipts, and never comes to rest. In pairs, or by Kahan's sum, the "
        "prices are right.",
        columns=2,
        size=(4.4, 3.8),
    )
    left, right = axes[0]
    looks = ("naive", "o", 5, "full"), ("pairwise", "s", 11, "none"), ("kahan", "D", 6, "none")  # of which two end at the same places
    for (label, (_, colour)), (method, marker, size, fill) in zip(SUMS.items(), looks, strict=True):
        ours, theirs = walked(batch, method)
        draw_both(left, np.abs(ours - PRICES).max(axis=1), np.abs(theirs - PRICES).max(axis=1), label, colour)
        right.plot(PRICES, ours[-1], marker, color=colour, markersize=size, fillstyle=fill, label=label)
    right.plot([0, 3.2], [0, 3.2], color="black", linewidth=0.6)
    for price, mark in zip(trained, "x+", strict=True):  # a cross for each side
        right.plot(PRICES, price, mark, color="black", markersize=5)
    left.set(title="The largest error of a price", xlabel="step", ylabel="largest error of a price", yscale="log")
    left.legend(fontsize=8)
    right.set(title="Learned against true prices", xlabel="true price", ylabel="learned price")
    right.legend(fontsize=8)
    return fig


TEXT = """
Things to try:

- `--model.method kahan`: line by line too, with what was lost taken down.
- `--model.format float64`: nothing is rounded, and the prices are exact.
"""


def learned(run: Trained) -> str:
    """How far off the prices are."""
    off = np.abs(run.manual.price.data - PRICES).max()
    return (
        f"The six prices, from 0.5 to 3, are off by {off:.2g} at most, with sums taken in {run.manual.format} by the method "
        f'"{run.manual.method}".'
    )


# ---- further reading: differences of nearly equal numbers ----------------------------------------------


def exact_root(b: float, c: float) -> Decimal:
    """The smaller root of r² − b r + c = 0 to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        B, C = Decimal(b), Decimal(c)
        return (B - (B * B - 4 * C).sqrt()) / 2


def root_errors(c: np.ndarray) -> dict[str, np.ndarray]:
    """The relative errors of the smaller root of r² − r + c = 0, by both formulas."""
    exact = [exact_root(1.0, float(value)) for value in c]
    return {
        name: np.array([abs(float((Decimal(float(r)) - e) / e)) for r, e in zip(root(np.ones_like(c), c), exact, strict=True)])
        for name, root in (("(b − d)/2", smaller_root_cancelling), ("2c/(b + d)", smaller_root))
    }


def variances(offsets: np.ndarray) -> dict[str, np.ndarray]:
    """The variance of 1,000 numbers of variance near 1, after these offsets were added, by both formulas."""
    rng = np.random.default_rng(0)
    z = rng.integers(-(2**20), 2**20, size=1000) * 2.0**-20  # few digits, so that adding an offset loses none of them
    return {
        "exact": np.full(len(offsets), variance(z)),
        "mean of x² − mean²": np.array([variance_cancelling(z + offset) for offset in offsets]),
        "mean of (x − mean)²": np.array([variance(z + offset) for offset in offsets]),
    }


BAD_AND_GOOD = CATEGORIES[1], CATEGORIES[0]
"""Colours of the formula whose digits cancel, and of the one that avoids it."""


def cancellation() -> Figure:
    """Two differences of nearly equal numbers, and the formulas that avoid them."""
    fig, axes = figure(
        "Two formulas for the same number, in float64, which has 16 digits. Left: the variance of 1,000 numbers to which an offset was "
        "added, which changes no variance. The mean of the squares less the square of the mean loses two digits for each factor of 10; "
        f"crosses: it came out negative or 0. Right: the smaller root of {unbroken('r² − b r + c = 0')} with {unbroken('b = 1')} and "
        f"{unbroken('d = √(b² − 4c)')}. For small c the difference b − d is all rounding errors; the other formula adds.",
        columns=2,
        size=(4.4, 3.8),
    )
    ax, offsets = axes[0, 0], 2.0 ** np.arange(0, 33)
    found = variances(offsets)
    exact = found.pop("exact")
    for (label, values), colour in zip(found.items(), BAD_AND_GOOD, strict=True):
        errors = np.maximum(np.abs(values - exact) / exact, 1e-17)
        ax.plot(offsets, errors, "o-", markersize=3, linewidth=0.8, color=colour, label=label)
        ax.plot(offsets[values <= 0], errors[values <= 0], "x", markersize=9, color=colour)
    ax.set(title="The variance", xscale="log", yscale="log", xlabel="offset", ylabel="relative error (below 10⁻¹⁷: drawn there)")
    ax.legend(fontsize=8, loc="upper left")
    ax, c = axes[0, 1], np.logspace(-18, -1, 69)
    for (label, errors), colour in zip(root_errors(c).items(), BAD_AND_GOOD, strict=True):
        ax.plot(c, np.maximum(errors, 1e-17), "o-", markersize=3, linewidth=0.8, color=colour, label=label)
    ax.set(title="The smaller root", xscale="log", yscale="log", xlabel="c", ylabel="relative error (below 10⁻¹⁷: drawn there)")
    ax.legend(fontsize=8)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def off(run: Trained) -> float:
    """How far the price that is farthest off is off."""
    return float(np.abs(run.manual.price.data - PRICES).max())


SHORT, WORST = {"max_epochs": 10}, "the worst is off by {:.2g}"

QUESTIONS = (
    by_size(
        "Receipts of 256 lines are added in bfloat16, 8 binary digits, in pairs, then pairs of pairs. By how much is the worst of the "
        "prices off?",
        off,
        *("by less than 0.05", 0.05, "by about 0.3", 1.0, "by more than 1"),
        seen=WORST,
        why="In pairs each number goes through 8 additions, not 255, and what is added is of one size: little is rounded away.",
        trainer=SHORT,
        look_at=("prices learned from three sums", "the one curve that never comes to rest: the sum that is added up line by line."),
    ),
    by_size(
        "Line by line, but in float32, which has 24 binary digits: by how much is the worst price off?",
        off,
        *("by less than 0.05", 0.05, "by about 0.3", 1.0, "by more than 1"),
        seen=WORST,
        why="The same order of the sum; but the last of 24 digits of a total of 500 is far smaller than any price.",
        model={"method": "naive", "format": "float32"},
        trainer=SHORT,
    ),
)

MISTAKE = Mistake(
    "(a + b) + c is a + (b + c), so the order of a sum does not matter.",
    lambda run: f"Added line by line in bfloat16, the receipts teach prices of which the worst is off by {off(run):.2f}.",
    lambda run: off(run) > 0.1,
    "Every addition is rounded. Once the sum is so large that a price is less than half of the distance to the next number, it stops "
    "growing.",
    {"method": "naive"},
    trainer=SHORT,
)

TWIN = Twin(
    name="summation",
    manual=Manual,
    torch=Torch,
    data=Receipts,
    needs=("rounding",),
    trainer={"max_epochs": 40},
    variants={
        "line by line": {"method": "naive"},
        "Kahan": {"method": "kahan"},
        "not rounded": {"format": "float64"},
        "line by line in float32": {"method": "naive", "format": "float32"},
    },
    smooth=("not rounded",),  # elsewhere the loss is a staircase, on which a small change does nothing or too much
    options={"method": "kahan", "format": "float16"},
    sgd_lr=1.0,
    figures=figures,
    learned=learned,
    look_at=("prices learned from three sums", "the one curve that never comes to rest: the sum that is added up line by line."),
    text={"things to try": TEXT},
    further=("cancellation",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("sum_pairwise_backward", ("A sum grows by as much as one of its terms does.",)), Exercise("Summation.backward")),
)

if __name__ == "__main__":
    run("summation")
