"""Out of the valley: simulated annealing beside gradient descent on a bumpy function

A hundred balls roll down by gradient descent, a hundred walkers anneal from the same starts with the same draws on both sides; and it is
measured how many of either find the lowest of many valleys, in one number and in more.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.calculus.gradients import STEPS, Steps
from experiments.data.arrays import ArrayData
from experiments.drawing.colours import CATEGORIES, shades
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import Path, walk
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_torch
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.calculus.annealing import Annealing as Manual
from manual.calculus.annealing import Walkers, acceptance, height, in_lowest_valley
from torch_impl.calculus.annealing import Annealing as Torch
from torch_impl.calculus.annealing import acceptance as acceptance_in_torch

BALLS, WALKERS = CATEGORIES[1], CATEGORIES[0]
"""The colours of the two methods."""


# ---- what is measured, on both sides -------------------------------------------------------------------


@cache
def paths(steps: int = STEPS, **settings: Any) -> tuple[Path, Path]:
    """Where balls and walkers are before and after each step, by hand and in torch, from the same starts and with the same draws."""
    ours, theirs = Manual(**settings, rng=np.random.default_rng(0)), Torch(**settings)
    share_hand(ours, SharedNoise(0))
    share_torch(theirs, SharedNoise(0))
    return walk(ours, theirs, (np.arange(1),), steps)


def shares(side: Path) -> tuple[float, float]:
    """The parts of the balls and of the walkers that end in the lowest valley."""
    return tuple(float(in_lowest_valley(side[name][-1]).mean()) for name in ("ball", "walkers.place"))  # type: ignore[return-value]


HEIGHTS_A_GRADIENT = 3
"""What a gradient costs, in heights: a forward, and a backward of about two more, however many numbers there are."""

LOW = 0.1
"""A height below which the bottom of the bowl counts as found."""


def asked_by_balls(dimensions: int, lr: float = 0.1) -> int:
    """How many heights' worth it takes until half of the balls are low in the smooth bowl."""
    ball = starts(dimensions)
    steps = 0
    while np.median(height(ball, 0.0)) > LOW:
        ball, steps = ball - lr * 2 * ball, steps + 1  # the slope of x² is 2 x
    return steps * HEIGHTS_A_GRADIENT


def asked_by_walkers(dimensions: int) -> int:
    """The same for walkers that only go down, for one height a step; the best of several lengths of a jump."""
    best = 20_000
    for jump in (0.18, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5):  # with short ones all arrive
        walkers = Walkers(starts(dimensions), 0.0, 1e-9, 1.0, jump, rng=np.random.default_rng(1))
        for step in range(best):
            if np.median(height(walkers.place, 0.0)) <= LOW:
                best = step
                break
            walkers.step()
    return best


def starts(dimensions: int) -> np.ndarray:
    """Thirty starts, (30, D)."""
    return np.random.default_rng(0).uniform(-4, 4, (30, dimensions))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Where the pair came to rest; and, whatever was trained, one number, temperatures, and more numbers."""
    return OnDemand(
        {
            "out of the valley": lambda: out_of_the_valley(),
            "hot and cold": lambda: hot_and_cold(),
            "more numbers": lambda: more_numbers(),
        }
    )


def out_of_the_valley() -> Figure:
    """The ground, where balls and walkers end on it, and how they came there."""
    ours, theirs = paths()
    found = shares(ours)
    fig, axes = figure(
        f"One number, 100 balls and 100 walkers from the same starts, {STEPS} steps. Left: where they end (walkers are drawn 1.5 higher). "
        f"In the lowest valley, near 0, end {found[0]:.0%} of the balls and {found[1]:.0%} of the walkers. Middle and right: twelve of "
        "each on their way. Balls come to rest at once; walkers cross bumps while they are warm, and gather near 0 as they cool. Bands: "
        "torch, dashes: by hand.",
        columns=3,
        size=(4.4, 3.7),
    )
    left, middle, right = axes[0]
    x = np.linspace(-4.2, 4.2, 600)
    left.plot(x, height(x[:, None], 1.0), color="#999999", linewidth=1.2)
    for name, label, up in (("ball", "balls", 0.0), ("walkers.place", "walkers", 1.5)):
        marker = "o" if name == "ball" else "^"
        for side, whose, colour, size in ((theirs, "torch", TORCH["color"], 9), (ours, "by hand", BY_HAND["color"], 3.5)):
            end = side[name][-1]
            left.plot(end[:, 0], height(end, 1.0) + up, marker, color=colour, markersize=size, label=f"{label}, {whose}")
    left.set(title="where they end", xlabel="x", ylabel="height f(x)", ylim=(-0.8, 19))
    left.legend(fontsize=8, loc="upper center")
    for ax, name, title, colour in ((middle, "ball", "balls", BALLS), (right, "walkers.place", "walkers", WALKERS)):
        for i in range(12):
            draw_both(ax, ours[name][:, i, 0], theirs[name][:, i, 0], "_", colour)
        ax.set(title=title, xlabel="step", ylabel="x", ylim=(-4.2, 4.2), xlim=(0, STEPS))
    return fig


TEMPERATURES = np.array([0.001, 0.1, 0.3, 1.0, 2.0, 5.0, 15.0, 50.0])


def hot_and_cold() -> Figure:
    """The acceptance at some temperatures, and how many walkers find the lowest valley, by the temperature at first."""
    fig, axes = figure(
        "Left: with what probability a walker climbs. At T = 0.1 a climb of 1 is out of the question, at T = 5 no obstacle. Right: "
        f"the share of walkers in the lowest valley after {STEPS} steps, by the T that they begin with. Too cold, and a walker is caught "
        "where it began, as a ball is (line); too hot, and it has not cooled in time.",
        columns=2,
        size=(5.0, 3.7),
    )
    left, right = axes[0]
    climb = np.linspace(0, 4, 100)
    for temperature, colour in zip((0.1, 0.5, 1.0, 2.0, 5.0), shades(5), strict=True):
        both = acceptance(climb, temperature), acceptance_in_torch(to_torch(climb), temperature).numpy()
        draw_both(left, np.stack([climb, both[0]]), np.stack([climb, both[1]]), f"T = {temperature:g}", colour)
    left.set(title="acceptance, exp(−Δ/T)", xlabel="climb Δ", ylabel="probability", xlim=(0, 4), ylim=(-0.03, 1.03))
    label_lines(left)
    found = np.array([[shares(side) for side in paths(temperature=float(t))] for t in TEMPERATURES])  # (T, side, method)
    for side, label, colour, size in ((1, "torch", TORCH["color"], 9), (0, "by hand", BY_HAND["color"], 4)):
        right.plot(TEMPERATURES, found[:, side, 1], "o", color=colour, markersize=size, label=f"walkers, {label}")
    right.axhline(found[0, 0, 0], color=BALLS, label="balls")
    right.set(title="share in the lowest valley", xlabel="T at first", xscale="log", ylim=(-0.03, 1.03))
    right.legend(fontsize=8)
    return fig


FEW, MANY = (1, 2, 3, 4, 6), (1, 2, 4, 8, 16)
"""Numbers of numbers, on the bumpy ground and in the smooth bowl."""


@cache
def costs() -> np.ndarray:
    """The heights that balls and walkers ask for in the smooth bowl, (2, len(MANY))."""
    return np.array([[asked(dimensions) for dimensions in MANY] for asked in (asked_by_balls, asked_by_walkers)])


def more_numbers() -> Figure:
    """Who finds the lowest valley, and what the way down a smooth bowl costs, as there are more numbers to be found."""
    found = np.array([[shares(side) for side in paths(dimensions=d)] for d in FEW])  # (D, side, method)
    balls, walkers = costs()
    fig, axes = figure(
        f"More numbers. Left, with bumps: who is in the lowest valley after {STEPS} steps; balls and walkers {found[0, 0, 0]:.0%} and "
        f"{found[0, 0, 1]:.0%} for one number, {found[1, 0, 0]:.0%} and {found[1, 0, 1]:.0%} for two, {found[-1, 0, 0]:.0%} and "
        f"{found[-1, 0, 1]:.0%} for {FEW[-1]}. Right, without bumps: the heights asked until half are lower than {LOW}, a gradient "
        f"counted as {HEIGHTS_A_GRADIENT}. Balls need {balls[0]} for one number and {balls[-1]} for {MANY[-1]}; walkers that only go "
        f"down, with the best jumps of seven, {walkers[0]} and {walkers[-1]}.",
        columns=2,
        size=(5.0, 3.7),
    )
    left, right = axes[0]
    for method, (name, colour) in enumerate((("balls", BALLS), ("walkers", WALKERS))):
        draw_both(left, np.stack([FEW, found[:, 0, method]]), np.stack([FEW, found[:, 1, method]]), name, colour)
        right.plot(MANY, costs()[method], "o-", color=colour, label=name)
    left.set(title="bumpy: share that finds the lowest valley", xlabel="numbers, D", ylabel="share", xticks=FEW, ylim=(-0.03, 1.03))
    left.legend(fontsize=9)
    right.set(
        title="smooth: heights asked", xlabel="numbers, D", ylabel="heights", xscale="log", yscale="log", xticks=MANY, xticklabels=MANY
    )
    right.minorticks_off()
    right.legend(fontsize=9)
    return fig


# ---- text ----------------------------------------------------------------------------------------------

TEXT = """
| | gradient descent | simulated annealing |
| --- | --- | --- |
| asks for | the slope | the height alone |
| goes | down, always | down, and up by chance: exp(−Δ/T) |
| ends | at the bottom of its own valley | in the lowest one, if it cools slowly enough |
| serves for | networks | timetables, circuits, tours |

To try: `--model.cooling 0.9`. Cooled in a hurry, the walkers freeze where they are.
"""

# ---- to do ---------------------------------------------------------------------------------------------


QUESTIONS = (
    by_size(
        "A hundred balls start between −4 and 4 and roll down. How many of them end in the lowest of the seven valleys?",
        lambda run: run.metrics["balls/val"],
        *("about one in seven", 0.3, "about half", 0.8, "nearly all"),
        seen="{:.0%} of them",
        why="A ball goes down and never up: it ends in the valley that it began in, and the lowest is one of seven.",
        look_at=("out of the valley", "the balls in the middle: none crosses a bump."),
    ),
    by_size(
        "Two numbers in place of one: 49 valleys. How many of the walkers are in the lowest after the same 300 steps?",
        lambda run: run.metrics["walkers/val"],
        *("about one in 49", 0.2, "more than half, but not all", 0.97, "all"),
        seen="{:.0%} of them",
        why="While it is warm a walker gets over every bump; but a jump must now be good in both numbers at once, so it takes longer.",
        model={"dimensions": 2},
        look_at=("more numbers", "how both curves fall on the left as there are more numbers."),
    ),
    by_size(
        "No bumps: a smooth bowl. Whose mean height is lower after 300 steps?",
        lambda run: run.metrics["loss/val"] / run.metrics["annealed/val"],
        *("the balls'", 0.5, "both are about as low", 2, "the walkers'"),
        seen="that of the balls is {:.2g} times that of the walkers",
        why="A slope says where down is, at every step. A walker must guess, and jitters as long as it is not quite cold.",
        model={"bumps": 0.0},
    ),
)

MISTAKE = Mistake(
    "A step up is a step back: who only ever accepts what is lower arrives sooner.",
    lambda run: (
        f"At T = 0.001 no climb is accepted: {run.metrics['walkers/val']:.0%} of the walkers end in the lowest valley, and "
        f"{run.metrics['balls/val']:.0%} of the balls."
    ),
    lambda run: run.metrics["walkers/val"] < 0.4,
    "Out of a valley every way leads up first. The climbs that are accepted while it is warm are what finds a lower one.",
    {"temperature": 0.001},
)


def learned(run: Trained) -> str:
    """How many of either are where."""
    n = len(run.manual.ball)
    balls, walkers = (round(n * run.metrics[f"{name}/val"]) for name in ("balls", "walkers"))
    return (
        f"Of {n} balls {balls} ended in the lowest valley, of {n} walkers {walkers}. Their mean heights are "
        f"{run.metrics['loss/val']:.3g} and {run.metrics['annealed/val']:.3g}; the lowest there is is 0."
    )


TWIN = Twin(
    name="annealing",
    manual=Manual,
    torch=Torch,
    data=Steps,
    learned=learned,
    look_at=("out of the valley", "which of the two crosses a bump, and when it no longer does."),
    needs=("gradients",),
    trainer={"max_epochs": 1},
    variants={
        "two numbers": {"dimensions": 2},
        "a smooth bowl": {"bumps": 0.0, "dimensions": 3},
        "cold from the start": {"temperature": 0.001},
    },
    sgd_lr=0.005,
    figures=figures,
    text={"which is better": TEXT},
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("height_backward", ("Each number has a slope of its own: that of x² is 2 x; cos 2πx has −2π sin 2πx.",)),),
)

if __name__ == "__main__":
    run("annealing")
