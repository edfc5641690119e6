"""Ways down: the optimizers of torch.optim, their schedules, momentum as a heavy ball, and convexity

A point rolls down a bowl, along a bent valley and off a saddle by each optimizer in turn; at every step it is where torch's is, and
so is the optimizer's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

import manual.optim
from experiments import run
from experiments.calculus.gradients import STEPS, WINDOWS, Steps
from experiments.data.arrays import ArrayData
from experiments.drawing.colours import CATEGORIES, NEGATIVE, of_sign, shades
from experiments.drawing.figure import BY_HAND, TORCH, draw_both, figure, unbroken
from experiments.drawing.surfaces import Make, draw_surface, roll_freely
from experiments.drawing.walk import walk
from experiments.drawing.written import label_lines, write
from experiments.lesson import Exercise, Mistake, Trained, by_size, what_will_the_loss_do
from experiments.pair import Second, Twin
from manual.calculus.gradients import HESSIANS, SURFACES
from manual.calculus.optimizers import OPTIMIZERS, SCHEDULES, heavy_ball_rate, jensen_gap
from manual.calculus.optimizers import Optimizers as Manual
from manual.module import Parameter
from manual.nn.functional import sigmoid
from torch_impl.calculus import optimizers as in_torch
from torch_impl.calculus.gradients import SURFACES as SURFACES_IN_TORCH
from torch_impl.calculus.optimizers import Optimizers as Torch

# ---- walks on both sides, for the figures --------------------------------------------------------------


def roll(surface: str, optimizer: str, lr: float | None = None, steps: int = STEPS, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """The points, (steps+1, 2), by hand and in torch; settings are further hyperparameters."""
    sides = Manual(surface, optimizer, lr, **settings), Torch(surface, optimizer, lr, **settings)
    ours, theirs = walk(*sides, (np.arange(1),), steps)
    return ours["point"], theirs["point"]


def freely(surface: str, make: Make, steps: int, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """The same with an optimizer that the Concept does not have, or noisy gradients: see `roll_freely`."""
    return roll_freely((SURFACES[surface], SURFACES_IN_TORCH[surface]), make, steps, **settings)


FREE: dict[str, tuple[Make, tuple[int, ...]]] = {
    "lbfgs": (lambda library, p: library.LBFGS(p, max_iter=1, max_eval=25, line_search_fn="strong_wolfe"), (2,)),
    "muon": (lambda library, p: library.Muon(p, lr=0.02, weight_decay=0.0), (1, 2)),
    "adafactor": (lambda library, p: library.Adafactor(p, lr=0.05), (1, 2)),
}
"""Those that the Concept does not have, and the shape of the parameter: L-BFGS asks for several gradients a step, the others are made for
matrices."""


# ---- figures -------------------------------------------------------------------------------------------

NAMES = {
    "gradient_descent": "gradient descent",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "asgd": "ASGD",
    "rprop": "Rprop",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adadelta": "Adadelta",
    "adam": "Adam",
    "adamw": "AdamW",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "radam": "RAdam",
    "lbfgs": "L-BFGS",
    "muon": "Muon",
    "adafactor": "Adafactor",
}
"""What each optimizer is called in figures."""

Rolled = Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]
"""Surface → optimizer → the points by hand and in torch."""


CLASSICS = dict(zip(("momentum", "nesterov", "rmsprop", "adam", "adamw", "gradient_descent"), CATEGORIES, strict=True))
"""Those that are drawn over one another, each in a colour of its own."""


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """All of them on all three surfaces, whichever was trained; schedules, the step size, momentum and convexity."""
    rolled = roll_all()
    return {
        "paths": paths(rolled),
        "learning rate": learning_rate(),
        "how far Adam can go": how_far(),
        "height at every step": heights(rolled),
        **{f"path of {NAMES[name]}": path(name, rolled) for name in PATHS},
        "a heavy ball": heavy_ball(),
        "schedules": schedules(),
        "convex or not": convexity(),
    }


@cache
def roll_all() -> Rolled:
    """Every optimizer on every surface; once, for no figure sees the trained pair."""
    rolled = {surface: {name: roll(surface, name) for name in OPTIMIZERS} for surface in SURFACES}
    for surface, of in rolled.items():
        of.update({name: freely(surface, make, 60 if name == "lbfgs" else STEPS, shape=shape) for name, (make, shape) in FREE.items()})
    return rolled


def paths(rolled: Rolled) -> Figure:
    """The six classics' paths over the contours of each surface."""
    fig, axes = figure(
        f"Where six optimizers go in {STEPS} steps, from the black dot to the square of their colour; stars are minima. Bowl: gradient "
        "descent crosses the grey lines at right angles, momentum swings past, RMSprop and Adam set out along the diagonal. Valley: down "
        "the wall is easy, along the floor is not. Saddle: RMSprop and Adam leave it at once, for their steps have about one length. "
        "Bands: torch, dashes: by hand.",
        columns=3,
        size=(4.9, 4.2),
    )
    for ax, (surface, of) in zip(axes[0], rolled.items(), strict=True):
        draw_surface(ax, surface, SURFACES[surface], WINDOWS[surface])
        ax.set_aspect("equal")
        for name, colour in CLASSICS.items():
            draw_roll(ax, surface, of[name], NAMES[name], colour)
    axes[0, 0].legend(fontsize=9, loc="lower left")
    return fig


def away(surface: str, points: np.ndarray) -> float:
    """How far the last of the points is from the nearest minimum."""
    return min(float(np.linalg.norm(points[-1] - minimum)) for minimum in np.array(SURFACES[surface].minima))


def draw_roll(ax: Any, surface: str, sides: tuple[np.ndarray, np.ndarray], name: str = "", colour: str = "") -> None:
    """One optimizer's path, from the dot to the square: in a colour of its own, or, where it is alone, in those of the two sides."""
    ours, theirs = sides
    if colour:
        draw_both(ax, ours.T, theirs.T, name, colour)
    else:
        ax.plot(*theirs.T, **TORCH, label="torch")
        ax.plot(*ours.T, **BY_HAND, label="by hand")
    ax.plot(*ours[-1], "s", color=colour or "black", markersize=6, zorder=5)
    ax.plot(*SURFACES[surface].start, "o", color="black", markersize=6)


def learning_rate(steps: int = 100) -> Figure:
    """How far from the minimum of the bowl gradient descent is after 100 steps, against lr."""
    limit = 2 / 8
    fig, axes = figure(
        f"Gradient descent on the bowl {unbroken('x² + 4 y²')}, whose largest curvature is 8. Left: longer steps are better up to 0.2, "
        f"where x and y shrink equally fast; at {unbroken(f'lr = 2/8 = {limit}')} it is over. Right: why. A step makes "
        f"{unbroken('y ← (1 − 8 lr) y')}. At 0.1 it shrinks, at 0.24 it changes sign and still shrinks, at 0.25 it jumps to and fro for "
        "ever, at 0.26 it grows. Bands: torch, dashes: by hand.",
        columns=2,
        size=(5.0, 4.0),
    )
    left, right = axes[0]
    lrs = np.linspace(0.01, 0.29, 29)
    away = np.array([[np.linalg.norm(points[-1]) for points in roll("bowl", "gradient_descent", float(lr), steps)] for lr in lrs])
    left.plot(lrs, away[:, 1], label="torch", **TORCH)
    left.plot(lrs, away[:, 0], label="by hand", **BY_HAND)
    left.axvline(limit, color="black", linewidth=1, label=f"2/largest curvature = {limit}")
    left.axhline(np.linalg.norm(SURFACES["bowl"].start), color="#999999", linewidth=0.8, linestyle=":", label="distance at the start")
    left.set(title=f"distance to the minimum after {steps} steps", xlabel="lr", yscale="log")
    left.legend(fontsize=9)
    for lr, colour in zip((0.01, 0.1, 0.24, 0.25, 0.26), shades(5), strict=True):
        ours, theirs = roll("bowl", "gradient_descent", lr, 20)
        draw_both(right, ours[:, 1], theirs[:, 1], f"lr = {lr}", colour)
    right.set(title="y over the first 20 steps", xlabel="step", xlim=(0, 20), xticks=range(0, 21, 5))
    label_lines(right)
    return fig


def how_far(steps: int = 1000) -> Figure:
    """How far Adam has gone from (3, 3), beside what it can go at most."""
    ours, theirs = roll("bowl", "adam", 0.01, steps, start=(3.0, 3.0))
    went = [np.abs(points[:, 0] - 3) for points in (ours, theirs)]
    fig, axes = figure(
        "Adam on the bowl from (3, 3) with lr = 0.01. Left: how far x has gone. Each step is at most about 0.01 long, so after k steps "
        f"it is at most {unbroken('0.01 · k')} (thin line). At the dotted line, after 100 steps, somebody stopped, at "
        f"{unbroken(f'x = {ours[100, 0]:.2f}')}, and called it converged. Right: the slope ∂f/∂x, which shows that it was not. Bands: "
        "torch, dashes: by hand.",
        columns=2,
        size=(5.0, 3.6),
    )
    left, right = axes[0]
    draw_both(left, went[0], went[1], "x", CATEGORIES[0])
    left.plot([0, 330], [0, 3.3], color="black", linewidth=0.8)
    left.axhline(3, color="#999999", linewidth=0.8)
    draw_both(right, 2 * ours[:, 0], 2 * theirs[:, 0], "slope", CATEGORIES[0])
    right.axhline(0, color="#999999", linewidth=0.8)
    for ax, title in ((left, "how far it has gone; the minimum is 3 away"), (right, "how steep it is there, ∂f/∂x")):
        ax.axvline(100, color="black", linewidth=1, linestyle=":")
        ax.set(title=title, xlabel="step", xlim=(0, steps))
    return fig


def learned(run: Trained) -> str:
    """How near the point has come to a minimum."""
    settings, points = run.torch.hparams, run.manual.point.data.reshape(1, 2)
    name, surface, steps = NAMES[settings["optimizer"]], settings["surface"], len(run.losses)
    return (
        f"By {name} the point has come down the {surface} from a height of {run.losses[0]:.3g} to {run.losses[-1]:.3g} in {steps} steps, "
        f"and is {away(surface, points):.1g} from the nearest minimum."
    )


# ---- further reading: every optimizer, schedules, momentum as a heavy ball, and convexity -------------


LOWEST = 1e-30
"""The lowest height that is drawn: below it there is only rounding."""


def heights(rolled: Rolled) -> Figure:
    """The loss of the six on each surface."""
    fig, axes = figure(
        "The loss, the height above the lowest point, at every step (bands: torch, dashes: by hand). This is no race: starts and step "
        "sizes were chosen so that much can be seen, and with others the order changes. Where the curves of momentum and Adam dip, the "
        "point passes the minimum and rolls on. On the saddle AdamW stops short of 0: its decay pulls from the minimum to (0, 0).",
        columns=3,
        size=(4.9, 3.6),
    )
    for ax, (surface, of) in zip(axes[0], rolled.items(), strict=True):
        for name, colour in CLASSICS.items():
            ours, theirs = (np.maximum(SURFACES[surface].height(points.T), LOWEST) for points in of[name])
            draw_both(ax, ours, theirs, NAMES[name], colour)
        ax.set(title=surface, xlabel="step", yscale="log", ylim=(1e-3 if surface == "valley" else LOWEST, None), xlim=(0, STEPS))
        label_lines(ax, size=8)
    axes[0, 0].set_ylabel("height")
    return fig


PATHS = {
    "gradient_descent": "Against the gradient, so across the grey lines at right angles, by steps as long as it is steep: long on the "
    "wall of the valley, tiny on its floor and at the saddle.",
    "momentum": "A running sum of gradients: a ball that rolls on. It swings past the minimum of the bowl and comes back; on the floor "
    "of the valley, where gradients agree, it gets up to ten times as fast.",
    "nesterov": "Momentum that looks at the ground where the ball will be. It brakes earlier, and swings less.",
    "asgd": "Gradient descent whose step size shrinks, very slowly: the same trail. Beside it, it keeps the mean of where it was, "
    "which is of use where gradients are noisy (torch begins with that after a million steps).",
    "rprop": "Only the sign of each derivative counts. x and y have steps of their own, which grow by 1.2 while the sign stays and are "
    "halved when it turns: it feels its way to the turning point.",
    "adagrad": "Each derivative is divided by the root of the sum of all its squares so far. The first step has the length lr along x "
    "and y alike, all others are shorter: it slows down for good, which on the floor of the valley is too soon.",
    "rmsprop": "Each derivative is divided by its usual size of late: steps of about lr along x and y, steep or flat.",
    "adadelta": "As RMSprop, but the step is as long as steps have been of late, so that it begins with almost nothing and lr is a "
    "mere factor (5, 8 and 2 here). Near the minimum it does not come to rest: what it divides by shrinks as well.",
    "adam": "The usual gradient of late, divided by its usual size: RMSprop with momentum. It sets out along the diagonal, for x and y "
    "are alike to it, and swings.",
    "adamw": "Adam, with a pull to (0, 0) that has nothing to do with the surface: in the valley and at the saddle it stops short of "
    "the minimum.",
    "adamax": "As Adam, but divided by the largest gradient of late in place of the usual one: after the steep wall its steps stay "
    "short for long.",
    "nadam": "Adam that looks ahead, as Nesterov does: it swings less than Adam.",
    "radam": "Adam that waits. In its first five steps the usual size of the gradient means nothing yet, and it makes steps of "
    "momentum, as long as it is steep; then it is Adam. In the valley lr must be small for the first kind, and is too small for the "
    "second.",
    "lbfgs": "From the last few steps and gradients it guesses how the surface bends, aims for the lowest point of that bowl, and "
    "looks along the line there for a good place to stop. It is within 0.001 of a minimum after 5 steps on the bowl, 34 in the valley and "
    "6 at the saddle.",
    "muon": "The running sum of gradients, taken as a matrix (here one row of two), with all its singular values brought to about 1: "
    "for a single row, its direction without its length. So every step has about one length, and it never quite settles. It is meant "
    "for the weight matrices of networks.",
    "adafactor": "RMSprop whose steps are at most lr times the size of what is learned, here how far the point is from (0, 0). So it slows "
    "down near (0, 0): where that is the minimum, and half-way through the valley. Of a large matrix it keeps the row and column means of "
    "squared gradients alone.",
}
"""What is to be seen of each path."""


def path(name: str, rolled: Rolled) -> Figure:
    """One optimizer's path over the contours of each surface."""
    steps = {surface: of[name][0] for surface, of in rolled.items()}
    left = ", ".join(f"{away(surface, points):.1g} on the {surface}" for surface, points in steps.items())
    fig, axes = figure(
        f"{NAMES[name][0].upper()}{NAMES[name][1:]}, from the dot to the square; stars are minima. {PATHS[name]} Distance to the "
        f"nearest minimum in the end: {left}.",
        columns=3,
        size=(3.1, 2.8),
    )
    for ax, (surface, of) in zip(axes[0], rolled.items(), strict=True):
        draw_surface(ax, surface, SURFACES[surface], WINDOWS[surface])
        ax.set_aspect("equal")
        draw_roll(ax, surface, of[name])
    axes[0, 0].legend(fontsize=8, loc="lower left")
    return fig


def heavy_ball(lr: float = 0.02, steps: int = 120) -> Figure:
    """Momentum along the flat direction of the bowl, and how fast it comes to rest."""
    curvature = 2.0
    best = (1 - np.sqrt(lr * curvature)) ** 2
    fig, axes = figure(
        f"Momentum on the bowl, along x, where the curvature is {curvature:g}, with {unbroken(f'lr = {lr}')}. Left: without momentum "
        f"the ball creeps; with {best:.2f} it comes to rest soonest; with more it swings to and fro, the longer the less friction there "
        "is. Right: by how much a step shortens the distance in the long run; the formula is the larger root of "
        f"{unbroken('r² − (1 + β − lr λ) r + β')}, the dots are measured on the walks. Below is better; 1 would be never.",
        columns=2,
        size=(5.0, 3.8),
    )
    left, right = axes[0]
    for momentum, colour in zip((0.0, 0.4, round(float(best), 2), 0.9, 0.98), shades(5), strict=True):
        ours, theirs = swing(lr, momentum, steps)
        draw_both(left, ours, theirs, f"β = {momentum:g}", colour)
    left.axhline(0, color="#999999", linewidth=0.8)
    left.set(xlabel="step", ylabel="x", title="the ball", xlim=(0, steps))
    left.legend(fontsize=9)
    betas = np.linspace(0, 0.98, 197)
    right.plot(betas, [heavy_ball_rate(lr, b, curvature) for b in betas], color="black", linewidth=1.2, label="the formula")
    some = np.array([0.0, 0.2, 0.4, 0.55, 0.75, 0.85, 0.95])
    rates = np.array([[shrinking(x) for x in swing(lr, float(b), 400)] for b in some])
    right.plot(some, rates[:, 1], "o", color=TORCH["color"], markersize=9, label="torch")
    right.plot(some, rates[:, 0], "o", color=BY_HAND["color"], markersize=4, label="by hand")
    right.set(xlabel="momentum β", ylabel="distance after a step / before it", title="how fast it comes to rest", ylim=(0.75, 1.01))
    right.legend(fontsize=9)
    return fig


def swing(lr: float, momentum: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """x at every step, by hand and in torch, of momentum on the bowl."""
    ours, theirs = freely("bowl", lambda library, p: library.SGD(p, lr=lr, momentum=momentum), steps)
    return ours[:, 0], theirs[:, 0]


def shrinking(x: np.ndarray) -> float:
    """By how much the distance shrinks in a step in the long run, measured on this walk.

    It is the larger root of r² − a r − b, for the a and b with which xₖ₊₁ comes nearest to a xₖ + b xₖ₋₁.
    """
    a, b = np.linalg.lstsq(np.stack([x[1:-1], x[:-2]], axis=1), x[2:])[0]
    return float(abs(np.roots([1, -a, -b])).max())


FALLING = ("constant", "inverse_root", "step", "multi_step", "exponential", "polynomial")
"""The schedules that only ever shorten the steps."""

OTHERS = ("cosine", "warm_restarts", "one_cycle", "warm_up", "warm_up_and_cosine")

SCHEDULE_COLOURS = dict(zip(FALLING, (CATEGORIES[k] for k in (5, 0, 1, 2, 3, 4)), strict=True)) | dict(
    zip(OTHERS, (CATEGORIES[k] for k in (0, 1, 4, 3, 2)), strict=True)
)
"""Those of one panel are told apart, and so are the five of the right one."""


def rates(schedule: str) -> tuple[np.ndarray, np.ndarray]:
    """lr over the steps of a schedule that begins with 1, by hand and in torch."""
    found = []
    for library, table, p in ((manual.optim, SCHEDULES, Parameter(np.zeros(2))), (torch.optim, in_torch.SCHEDULES, torch.zeros(2))):
        optimizer = library.SGD([p], lr=1.0)
        lr = table[schedule](optimizer, STEPS)
        taken = []
        for _ in range(STEPS):
            taken.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            lr.step()
        found.append(np.array(taken))
    return found[0], found[1]


WALKS = 5
"""With noisy gradients, of which the mean is drawn."""


@cache
def noisy(schedule: str, walks: int = WALKS, lr: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """The height at every step of gradient descent on the bowl with noisy gradients, by hand and in torch: the mean of some walks."""
    heights = []
    for seed in range(walks):
        noise = np.random.default_rng(seed).normal(0, 1, (STEPS, 2))
        schedules = SCHEDULES[schedule], in_torch.SCHEDULES[schedule]
        both = freely("bowl", lambda library, p: library.SGD(p, lr=lr), STEPS, noise=noise, schedules=schedules)
        heights.append([SURFACES["bowl"].height(points.T) for points in both])
    ours, theirs = np.mean(heights, axis=0)
    return ours, theirs


def schedules() -> Figure:
    """lr over the steps, and what it is good for."""
    fig, axes = figure(
        f"Learning rates that change. Left and middle: lr at each of {STEPS} steps, as a fraction of the largest. Right: what they are "
        "good for. Gradient descent on the bowl with gradients that are off by Normal(0, 1), as those of small batches are; the mean "
        f"of {WALKS} walks. With a constant lr it gets down fast and then jitters at one height for ever; as steps are shortened the "
        "jitter gets smaller, and all end lower. Bands: torch, dashes: by hand.",
        columns=3,
        size=(4.4, 3.8),
    )
    left, middle, right = axes[0]
    for name, colour in SCHEDULE_COLOURS.items():
        draw_both(left if name in FALLING else middle, *rates(name), name.replace("_", " "), colour)
    for name in ("constant", "step", "exponential", "cosine", "one_cycle"):
        draw_both(right, *noisy(name), name.replace("_", " "), SCHEDULE_COLOURS[name])
    for ax, title in ((left, "ever shorter steps"), (middle, "up and down"), (right, "height, with noisy gradients")):
        ax.set(title=title, xlabel="step", xlim=(0, STEPS), yscale="log" if ax is right else "linear")
        if ax is not right:
            ax.set_ylim(-0.12, 1.08)
        label_lines(ax, size=8)
    left.set_ylabel("lr / largest lr")
    return fig


def smallest_curvature(surface: str, grid: np.ndarray) -> np.ndarray:
    """The smallest eigenvalue of the Hessian at each point: below 0 the surface bends down in some direction. Shapes: (2, ...) to (...)."""
    points = grid.reshape(2, -1).T
    return np.array([np.linalg.eigvalsh(HESSIANS[surface](p))[0] for p in points]).reshape(grid.shape[1:])


def line_loss(w: np.ndarray) -> Any:
    """The mean squared error of ŷ = w x on five points, (1,) to ()."""
    return ((w * np.array([-1.0, -0.5, 0.2, 0.8, 1.5]) - np.array([-0.8, -0.7, 0.4, 0.5, 1.2])) ** 2).mean()


def logistic_loss(w: np.ndarray) -> Any:
    """The cross-entropy of sigmoid(w x) on five points, (1,) to ()."""
    return -np.log(sigmoid(w * np.array([-1.0, 0.5, 0.2, 0.8, 1.5]))).mean()


def two_units_loss(w: np.ndarray) -> Any:
    """The mean squared error of ŷ = tanh(w[0] x) + tanh(w[1] x) on y = tanh(4 x) + tanh(x/4), (2,) to ()."""
    x = np.linspace(-2, 2, 9)
    return (((np.tanh(w[0] * x) + np.tanh(w[1] * x)) - (np.tanh(4 * x) + np.tanh(x / 4))) ** 2).mean()


CHORDS: dict[str, tuple[Callable[[np.ndarray], Any], np.ndarray, np.ndarray]] = {
    "a line's squared error": (line_loss, np.array([-1.0]), np.array([2.6])),
    "a logistic cross-entropy": (logistic_loss, np.array([-3.0]), np.array([6.0])),
    "two hidden units, swapped": (two_units_loss, np.array([4.0, 0.25]), np.array([0.25, 4.0])),
}
"""A loss, and the two ends of a chord."""


def convexity() -> Figure:
    """Where the surfaces bend down, and chords of losses."""
    fig, axes = figure(
        "Convex means: bent upwards everywhere. Top: violet where the ground bends down in some direction; at the saddle that is where "
        f"{unbroken('3 y² < 1')} (dotted). The bowl is convex. Bottom: three losses along a straight way through their weights, and the "
        "chord between its ends. Left and middle the loss lies below its chord: convex. Right: swapping two hidden units changes "
        "nothing, but half-way the loss is above the chord. The arrow is Jensen's gap.",
        rows=2,
        columns=3,
        size=(3.7, 3.1),
    )
    for ax, surface in zip(axes[0], SURFACES, strict=True):
        draw_surface(ax, surface, SURFACES[surface], WINDOWS[surface])
        ax.set(aspect="equal", xlabel="")
        grid = np.stack(np.meshgrid(*(np.linspace(*limits, 80) for limits in WINDOWS[surface])))
        bend = smallest_curvature(surface, grid)
        if (bend < 0).any():
            ax.contourf(*grid, bend, levels=[bend.min(), 0], colors=[NEGATIVE], alpha=0.25)
        if surface == "saddle":
            for y in (-1, 1):
                ax.axhline(y / np.sqrt(3), color="black", linestyle=":", linewidth=1)
    for ax, (name, (f, start, end)) in zip(axes[1], CHORDS.items(), strict=True):
        draw_chord(ax, f, start, end)
        ax.set(title=name, xlabel="share of the way", ylabel="loss")
    axes[1, 0].legend(fontsize=8, loc="lower left")
    return fig


def draw_chord(ax: Any, f: Callable[[np.ndarray], Any], start: np.ndarray, end: np.ndarray) -> None:
    """A loss along the way from start to end, its chord, and Jensen's gap half-way."""
    share = np.linspace(0, 1, 101)
    ax.plot(share, [f((1 - t) * start + t * end) for t in share], color="black", linewidth=2, label="the loss")
    ax.plot([0, 1], [f(start), f(end)], "o-", color=CATEGORIES[4], linewidth=1.5, label="the chord")
    gap = jensen_gap(f, np.stack([start, end]), np.array([0.5, 0.5]))
    middle = f((start + end) / 2)
    ax.annotate("", (0.5, middle + gap), (0.5, middle), arrowprops={"arrowstyle": "->", "linewidth": 1.5, "color": of_sign(gap)})
    write(ax, f"{gap:+.2g}".replace("-", "−"), (0.5, middle + gap / 2), (6, 0), of_sign(gap), fontsize=10)


EVERY_ONE = """
| optimizer | what it remembers | a step |
| --- | --- | --- |
| gradient descent | nothing | against the gradient, the longer the steeper |
| momentum | v, a running sum of gradients | along v: where gradients agree it grows tenfold (β = 0.9), where they alternate it cancels |
| Nesterov | v | along v and the newest gradient: it turns earlier, and swings less |
| ASGD | the mean of where it was | gradient descent's, lr shrinking slowly |
| Rprop | g's sign and a step size, for x and y | against the sign, by a step that grows and is halved |
| Adagrad | the sum of g² | g divided by the root of it: ever shorter |
| RMSprop | the running mean of g² | g divided by its usual size: x and y move equally fast, however steep |
| Adadelta | the running means of g² and of squared steps | g divided by its usual size, times the usual step |
| Adam | the running means of g and of g² | the usual g divided by its usual size |
| AdamW | the same | Adam's, after the point was pulled to (0, 0) by a fraction lr · decay of itself |
| Adamax | the running mean of g, the largest abs(g) of late | the usual g divided by the largest of late |
| NAdam | as Adam | Adam's with a look ahead |
| RAdam | as Adam | momentum's until the sixth, then Adam's |

Both sides' optimizers are compared at every step with what they remember, not only with where the point is. Schedules are compared
by the lr of every step.

Things to try:

- `--model.optimizer momentum --model.lr 0.47`, then `0.48`: the limit with momentum.
- `--model.optimizer nesterov --model.lr 0.3`: what momentum takes in its stride explodes. The newest gradient counts once more.
- `--model.optimizer momentum --model.schedule cosine`: lr falls to 0 along half a cosine. All schedules: constant, inverse_root, step,
  multi_step, exponential, polynomial, cosine, warm_restarts, one_cycle, warm_up, warm_up_and_cosine.
- `--model.surface valley --model.optimizer adam --data.steps 1000`: the whole way to the end of the valley.
- `--model.surface valley --model.start "[-1.5, 2.0]"`: the lucky throw.
"""

# ---- text ----------------------------------------------------------------------------------------------

TEXT = """
**The limit of the step size.** Where a bowl has curvature λ along some direction, gradient descent multiplies the distance along it by
1 − lr · λ, so lr must be under 2/λ for the largest λ. With momentum β the limit is 2 (1 + β)/λ, on this bowl 0.475 for β = 0.9.

**No race.** The starts and the default step sizes were picked by eye, not tuned alike for all, so who is ahead proves little. In the
valley from (−1.5, 2) gradient descent happens to be thrown across the wall, and ends nearest of the six drawn together.

Things to try:

- `--model.lr 0.001`: too small; after 300 steps half of the way is left.
- `--model.optimizer adam --model.lr 0.01 --model.start "[3, 3]" --data.steps 1000`: the whole way, which 100 steps are not.
"""

# ---- to do ---------------------------------------------------------------------------------------------


QUESTIONS = (
    what_will_the_loss_do(
        "Across the bowl the curvature is λ = 8, and 2/λ is 0.25. What will the loss do in 100 steps of gradient descent with lr = 0.26?",
        "Each step leaves 1 − lr · λ = −1.08 of the distance across the bowl: the point swings from wall to wall, and higher each time.",
        model={"lr": 0.26},
        data={"steps": 100},
    ),
    what_will_the_loss_do(
        "With momentum 0.9 on the same bowl and lr = 0.3, longer still: what will the loss do in 100 steps?",
        "What it remembers of the last steps points the other way at each swing, and brakes. The limit is 2 (1 + β)/λ = 0.475, not 2/λ.",
        model={"optimizer": "momentum", "lr": 0.3},
        data={"steps": 100},
    ),
    by_size(
        "Gradient descent begins exactly on the ridge above the saddle, at (−1.5, 0). Where is it after 100 steps?",
        lambda run: run.metrics["distance/val"],
        *("in one of the two minima", 0.1, "on its way down to one", 0.9, "at the saddle"),
        seen="{:.2f} away from the nearest minimum",
        why="On the ridge the slope to either side is exactly 0, and nothing pushes the point off it. In practice noise does.",
        model={"surface": "saddle", "start": (-1.5, 0.0)},
        data={"steps": 100},
    ),
)

MISTAKE = Mistake(
    "A hundred steps are enough for any optimizer: then it has converged.",
    lambda run: (
        f"Adam with lr = 0.01 went in {len(run.losses)} steps from (3, 3) to ({', '.join(f'{x:.2f}' for x in run.manual.point.data)}). "
        f"It is {run.metrics['distance/val']:.2f} away from the minimum, and the height there is still {run.metrics['loss/val']:.1f}."
    ),
    lambda run: run.metrics["distance/val"] > 1,
    "A step of Adam is at most about lr long, so in 100 steps of 0.01 it can go about 1. What has converged has a gradient near 0.",
    {"optimizer": "adam", "lr": 0.01, "start": (3.0, 3.0)},
    {"steps": 100},
)

TWIN = Twin(
    name="optimizers",
    manual=Manual,
    torch=Torch,
    data=Steps,
    learned=learned,
    look_at=("paths", "the valley: six optimizers at one start, and how far along the bent floor each has come."),
    needs=("gradients",),
    trainer={"max_epochs": 1},
    needs_values=dict.fromkeys([f"ASGD, {surface}" for surface in SURFACES], "torch's ASGD asks its own counter at every step"),
    variants={
        **{
            f"{NAMES[optimizer]}, {surface}": {"surface": surface, "optimizer": optimizer}
            for surface in SURFACES
            for optimizer in OPTIMIZERS
            if (surface, optimizer) != ("bowl", "gradient_descent")
        },
        **{f"momentum, {schedule}": {"optimizer": "momentum", "schedule": schedule} for schedule in SCHEDULES if schedule != "constant"},
    },
    options={
        "surface": "saddle",
        "optimizer": "momentum",
        "lr": 0.04,
        "start": (-1.0, 1.0),
        "schedule": "inverse_root",
        "horizon": Second(5, given={"schedule": "cosine"}),
    },
    sgd_lr=0.1,
    figures=figures,
    text={"the ways down": TEXT, "every optimizer": EVERY_ONE},
    further=(
        "height at every step",
        *(f"path of {NAMES[name]}" for name in PATHS),
        "a heavy ball",
        "schedules",
        "convex or not",
        "every optimizer",
    ),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("Optimizers.backward"),),
)

if __name__ == "__main__":
    run("optimizers")
