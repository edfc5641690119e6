"""Rounding: numbers with few digits, and steps that are too small

A straight line is fitted with weights that are stored in bfloat16, which has 8 binary digits: they stop moving before they are where they
should be, and the earlier the smaller the step size is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.diabetes import FEATURES, Diabetes
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.labels import label_ends
from experiments.drawing.walk import Path, walk
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.numerics.rounding import FORMATS, from_parts, round_to, spacing
from manual.numerics.rounding import Rounding as Manual
from manual.regression.linear_regression import normal_equation
from torch_impl.numerics import rounding as in_torch
from torch_impl.numerics.rounding import Rounding as Torch

COLOURS = dict(zip(("float32", "bfloat16", "float16", "float8_e5m2"), CATEGORIES, strict=False))
"""Of each format, in all figures of numbers with few digits."""


def both_walks(batch: Batch, format: str, lr: float, steps: int) -> tuple[Path, Path]:
    """The paths of the weights, by hand and in torch, from 0."""
    return walk(Manual(format=format, lr=lr), Torch(format=format, lr=lr), batch, steps)


def distances(goal: float, format: str, rates: np.ndarray) -> np.ndarray:
    """How far b is from its goal, the mean of y, when it has stopped, for each of these step sizes.

    Its gradient is 2 (b − goal), whatever the weights are, since the features have mean 0; so b can be walked down alone.
    """
    b, before = np.zeros_like(rates), np.full_like(rates, np.nan)
    while (b != before).any():
        before, b = b, round_to(b - rates * 2 * (b - goal), format)
    return np.abs(b - goal)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Diabetes) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    batch = data.split.train
    return OnDemand(
        {
            "a weight that stops short": lambda: stops_short(batch),
            "a smaller step stops earlier": lambda: stops_earlier(batch),
            "why no weight moves any more": lambda: stands_still(manual, torch_module, batch),
            "the spacing of floats": lambda: the_spacing(),
        }
    )


def stops_short(batch: Batch, steps: int = 60) -> Figure:
    """The constant b at every step, in three formats."""
    goal = batch[1].mean()
    fig, axes = figure(
        "The constant of the line, b, on its way to the mean of all y (black), with weights stored in three formats (bands: torch, dashes: "
        "by hand). In float32 it arrives. In float16 and bfloat16 it stops, though its gradient is not 0: the next step is less than "
        "half of the distance to the next number, and is rounded away. The dots on the right are the numbers that bfloat16 has; b stops "
        "three below the nearest.",
        columns=2,
        size=(4.4, 3.6),
    )
    whole, close = axes[0]
    for name in ("float32", "float16", "bfloat16"):
        ours, theirs = (path["b"][:, 0] for path in both_walks(batch, name, 2.0**-4, steps))
        for ax in (whole, close):
            draw_both(ax, ours, theirs, name, COLOURS[name])
    numbers = np.arange(143.0, 154.0)
    close.plot(np.full(len(numbers), steps + 2.0), numbers, ".", color=COLOURS["bfloat16"], markersize=4)
    for ax, title in ((whole, "b, on its way to the mean of y"), (close, "Closer up: where it stops")):
        ax.axhline(goal, color="black", linewidth=0.8)
        ax.set(title=title, xlabel="step", ylabel="b")
    close.set(ylim=(142.5, 153.5))
    whole.legend(fontsize=8, loc="lower right")
    return fig


def stops_earlier(batch: Batch) -> Figure:
    """How far from its goal b stops, for many step sizes."""
    rates, goal = 2.0 ** np.arange(-10, -1), batch[1].mean()
    fig, axes = figure(
        "How far b is from its goal, the mean of all y, when it has stopped (dots); it is to be expected where lr times its gradient is "
        f"half the spacing of the numbers, {unbroken('spacing / (4 lr)')} away (lines). Look to the left: a smaller step size, the usual "
        "cure for a training that does not settle, makes it worse. In float32 the same happens, 65,536 times closer to the goal. Some "
        "dots lie lower, where the last steps were long.",
        size=(6.8, 3.8),
    )
    ax = axes[0, 0]
    ends: dict[str, tuple[float, float, str]] = {}
    for name in ("bfloat16", "float16", "float32"):
        ax.plot(rates, spacing(np.array([goal]), name) / (4 * rates), color=COLOURS[name], linewidth=0.8)
        ax.plot(rates, distances(goal, name, rates), "o", color=COLOURS[name], markersize=5, label=name)
        ends[name] = (rates[-1], float(spacing(np.array([goal]), name)[0] / (4 * rates[-1])), COLOURS[name])
    ax.set_title("Where b stops, for each step size")
    ax.set(xscale="log", yscale="log", xlabel="step size lr", ylabel="distance of b from the mean of y")
    ax.set_xticks(rates, [f"2⁻{'⁰¹²³⁴⁵⁶⁷⁸⁹'[-e % 10] if e > -10 else '¹⁰'}" for e in range(-10, -1)])
    ax.minorticks_off()
    label_ends(ax, ends)
    return fig


def next_step(model: Manual, batch: Batch) -> np.ndarray:
    """lr · gradient of the ten weights and of b, in units of half the distance to the next number: below 1 it is rounded away."""
    model.zero_grad()
    model.training_step(batch, 0)
    model.backward()
    step, here = (np.append(a.ravel(), b) for a, b in ((model.W.grad, model.b.grad), (model.W.data, model.b.data)))
    model.zero_grad()
    return model.lr * step / (spacing(here, model.format) / 2)


def stands_still(manual: Manual, torch_module: Torch, batch: Batch) -> Figure:
    """The next step of each weight of the trained pair, in units of half a spacing."""
    again = Manual(format=manual.format, lr=manual.lr)
    again.load_state_dict(to_numpy(dict(torch_module.state_dict())))
    ours, theirs = next_step(manual, batch), next_step(again, batch)
    fig, axes = figure(
        "The next step of each weight at the end of the training, as a part of half the distance to the next number (broad: torch's "
        "weights, narrow: by hand). Between the black lines it is rounded away: "
        f"{np.sum(np.abs(ours) < 1)} of the {len(ours)} stand still, and no gradient is 0. The loss is "
        f"{np.mean((manual(batch[0]) - batch[1]) ** 2):,.0f}; least squares has {least_squares(batch):,.0f}.",
        size=(6.4, 3.8),
    )
    ax = axes[0, 0]
    ax.barh([*FEATURES, "b"], theirs, height=0.8, color=TORCH["color"])
    ax.barh([*FEATURES, "b"], ours, height=0.35, color=BY_HAND["color"])
    for end in (-1, 1):
        ax.axvline(end, color="black", linewidth=1)
    ax.axvline(0, color="black", linewidth=0.5)
    ax.set(title="The next step of each weight", xlabel="next step / (spacing / 2)")
    ax.invert_yaxis()
    return fig


def least_squares(batch: Batch) -> float:
    """The least loss that a straight line can have."""
    x, y = batch
    W, b = normal_equation(x, y)
    return float(np.mean((x @ W + b - y) ** 2))


def learned(run: Trained) -> str:
    """Where the loss ended, and how many weights stand still."""
    batch = run.data.split.train
    still = np.abs(next_step(run.manual, batch)) < 1
    return (
        f"In {run.manual.format} the loss ended at {run.losses[-1]:,.1f}; least squares has {least_squares(batch):,.1f}. The next step of "
        f"{still.sum()} of the {still.size} weights is less than half the distance to the next number, and is rounded away."
    )


# ---- further reading: the numbers of five formats --------------------------------------------------------


def the_spacing() -> Figure:
    """All numbers of an 8-bit format on a line; and the spacing of four formats."""
    fig, axes = figure(
        "Left: every number of the 8-bit format e5m2 from 0 to 4, and from 0 to 2⁻¹²: four to each power of two, twice as far apart from "
        "one power to the next. Only below 2⁻¹⁴ (grey) the spacing shrinks no further. Right (bands: torch, dashes: by hand): bfloat16 "
        "reaches as far as float32, in steps 65,536 times as wide. float16's steps are 8 times narrower than bfloat16's, but it ends at "
        "65,504, and below 2⁻¹⁴ (6e-5) it runs out of digits.",
        columns=2,
        size=(4.8, 3.8),
    )
    ax, f = axes[0, 0], FORMATS["float8_e5m2"]
    codes = np.arange(2**7)
    values = from_parts(codes >> 7, codes >> f.fraction_bits, codes & (2**f.fraction_bits - 1), "float8_e5m2")
    for height, top in ((1, 4.0), (0, 2.0**-12)):
        shown = values[values <= top]  # NaN is not
        colours = ["#888888" if 0 < v < f.tiny else COLOURS["float8_e5m2"] for v in shown]
        ax.vlines(shown / top, height - 0.25, height + 0.25, colors=colours, linewidth=1)
        for tick in (0, 0.25, 0.5, 1):
            label = "0" if tick == 0 else f"{tick * top:g}" if top > 1 else f"2⁻¹{'⁴³²'[round(np.log2(tick)) + 2]}"
            ax.text(tick, height - 0.3, label, ha="center", va="top", fontsize=8)
    ax.set(yticks=[], xticks=[], ylim=(-0.6, 1.5), title="All numbers of e5m2")
    ax.spines[:].set_visible(False)
    ax = axes[0, 1]
    x = np.logspace(-12, 9, 800)
    for name, colour in COLOURS.items():
        inside = x <= FORMATS[name].max
        theirs = in_torch.spacing(torch.from_numpy(x[inside]), name).numpy()
        draw_both(ax, np.stack([x[inside], spacing(x[inside], name)]), np.stack([x[inside], theirs]), name, colour)
    ax.set(title="The spacing of four formats", xscale="log", yscale="log", xlabel="x", ylabel="from x to the next number")
    last = {name: np.array([min(x[-1], FORMATS[name].max)]) for name in COLOURS}
    label_ends(ax, {name: (float(at[0]), float(spacing(at, name)[0]), COLOURS[name]) for name, at in last.items()})
    return fig


TEXT = """
| format | bits: sign, exponent, fraction | digits p | epsilon | smallest > 0 | smallest normal | largest |
| --- | --- | --- | --- | --- | --- | --- |
| float64 | 1 + 11 + 52 | 53 | 2⁻⁵² = 2.2e-16 | 2⁻¹⁰⁷⁴ | 2⁻¹⁰²² | 1.79e308 |
| float32 | 1 + 8 + 23 | 24 | 2⁻²³ = 1.2e-7 | 2⁻¹⁴⁹ | 2⁻¹²⁶ | 3.4e38 |
| float16 | 1 + 5 + 10 | 11 | 2⁻¹⁰ = 0.00098 | 2⁻²⁴ = 6.0e-8 | 2⁻¹⁴ | 65,504 |
| bfloat16 | 1 + 8 + 7 | 8 | 2⁻⁷ = 0.0078 | 2⁻¹³³ | 2⁻¹²⁶ | 3.4e38 |
| float8_e5m2 | 1 + 5 + 2 | 3 | 2⁻² = 0.25 | 2⁻¹⁶ | 2⁻¹⁴ | 57,344 |

Digits are binary here: 3.3 of them are worth one decimal digit.

Things to try:

- `--model.format float64`: nothing is rounded, and the line is that of least squares.
- `--model.lr 0.25`: longer steps than the concept's own. Where does b stop?
"""


# ---- to do ---------------------------------------------------------------------------------------------


def short_of(run: Trained) -> float:
    """How far b stops from where it should be, the mean of the progression."""
    return float(abs(run.manual.b.data.item() - run.data.split.train[1].mean()))


SHORT, STOPS = {"max_epochs": 100}, "it stops {:.2g} away"

QUESTIONS = (
    by_size(
        "b should become 151.4. In bfloat16 (8 binary digits) it stops 3.4 short. In float16, which has 11?",
        short_of,
        *("less than 1 away", 1.0, "about as far away", 10.0, "farther away: its range is shorter"),
        seen=STOPS,
        why="Three digits more make the numbers lie 8 times as close, and a step is rounded away when it is less than half of what lies "
        "between two.",
        model={"format": "float16"},
        trainer=SHORT,
    ),
    by_size(
        "And in float8_e5m2, which has 3?",
        short_of,
        *("1 to 4 away", 4.0, "about 10 away", 25.0, "more than 50 away"),
        seen=STOPS,
        why="After 96 the next number is 112. A step must be longer than 8, half of that distance, or it leads back to 96: and it no "
        "longer is.",
        model={"format": "float8_e5m2"},
        trainer=SHORT,
    ),
)

MISTAKE = Mistake(
    "A smaller learning rate is slower, but it gets nearer.",
    lambda run: (
        f"With a quarter of the step size b stops {short_of(run):.0f} away from where it should be, and the loss at {run.losses[-1]:,.0f}; "
        f"least squares has {least_squares(run.data.split.train):,.0f}."
    ),
    lambda run: short_of(run) > 10,
    "A step of less than half of the distance to the next number is rounded away; with a smaller lr that happens farther away.",
    {"lr": 2.0**-6},
    trainer={"max_epochs": 100},
)

TWIN = Twin(
    name="rounding",
    manual=Manual,
    torch=Torch,
    data=Diabetes,
    needs=("linear_regression",),
    trainer={"max_epochs": 500},
    variants={name: {"format": name} for name in ("float64", "float32", "float16", "float8_e5m2")},
    options={"format": "float16"},
    sgd_lr=2.0**-4,
    figures=figures,
    learned=learned,
    look_at=("a weight that stops short", "the curves that end below the black line, although their gradient is not 0."),
    text={"formats": TEXT},
    further=("the spacing of floats", "formats"),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("Rounding.backward"), Exercise("round_to_backward")),
)

if __name__ == "__main__":
    run("rounding")
