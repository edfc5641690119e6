"""Six ways down: gradient descent, momentum, Nesterov, RMSprop, Adam, AdamW

A point rolls down a bowl, along a bent valley and off a saddle; at every step it is where torch's is, and so is the optimizer's memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data import ArrayData, InputError, Split
from experiments.figure import BY_HAND, TORCH, draw_both, figure
from experiments.pair import Twin
from experiments.walk import walk
from manual.calculus.optimizers import OPTIMIZERS, SURFACES
from manual.calculus.optimizers import Optimizers as Manual
from torch_impl.calculus.optimizers import Optimizers as Torch

STEPS = 300


class Steps(ArrayData):
    """No data: a batch is the number of a step, and nobody reads it.

    Args:
        steps: in an epoch.
        seed: what every data module takes.
    """

    def __init__(self, steps: int = STEPS, seed: int = 0) -> None:
        super().__init__(batch_size=1, seed=seed)
        if steps < 1:
            raise InputError(f"--data.steps must be at least 1, got {steps}")
        self.steps = steps

    def load(self) -> Split:
        return Split((np.arange(self.steps),), (np.arange(1),))


# ---- walks on both sides, for the figures --------------------------------------------------------------


def roll(surface: str, optimizer: str, lr: float | None = None, steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """The points, (steps+1, 2), by hand and in torch."""
    ours, theirs = walk(Manual(surface, optimizer, lr), Torch(surface, optimizer, lr), (np.arange(1),), steps)
    return ours["point"], theirs["point"]


# ---- figures -------------------------------------------------------------------------------------------

LOOKS = {
    "gradient_descent": ("gradient descent", "#222222"),
    "momentum": ("momentum", "#d1495b"),
    "nesterov": ("Nesterov", "#edae49"),
    "rmsprop": ("RMSprop", "#00798c"),
    "adam": ("Adam", "#3d348b"),
    "adamw": ("AdamW", "#5a9e3d"),
}
"""The name and the colour of each optimizer in figures."""

WINDOWS = {"bowl": ((-2.3, 1.1), (-1.3, 1.5)), "valley": ((-1.8, 1.6), (-0.8, 2.0)), "saddle": ((-1.9, 1.5), (-1.3, 1.5))}
"""What is shown of each surface: the limits of x and of y, all of one shape."""

Rolled = Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]
"""Surface → optimizer → the points by hand and in torch."""


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """All six on all three surfaces, whichever was trained; and how the step size decides."""
    rolled = {surface: {name: roll(surface, name) for name in OPTIMIZERS} for surface in SURFACES}
    return {"paths": paths(rolled), "height at every step": heights(rolled), "learning rate": learning_rate()}


def paths(rolled: Rolled) -> Figure:
    """The six paths over the contours of each surface."""
    fig, axes = figure(
        f"Where six optimizers go in {STEPS} steps, from the black dot to the square of their colour; stars are minima, grey lines join "
        "points of equal height. In each colour the broad band is torch's path and the dashes on it are by hand. Bowl: gradient "
        "descent goes straight across the lines; momentum and Nesterov swing past; RMSprop and Adam do not heed how steep it is and "
        "set out along the diagonal. Valley: down the wall is easy, along the nearly level floor is not; from here, at these step "
        "sizes, momentum gets farthest and gradient descent creeps. Saddle: the gradient is almost 0 near (0, 0), where the first "
        "three arrive before they turn off; RMSprop and Adam, whose steps have about one length however small the gradient is, leave "
        "at once. AdamW is held back in the valley: its decay pulls to (0, 0).",
        columns=3,
        size=(4.9, 4.2),
    )
    for ax, (surface, of) in zip(axes[0], rolled.items(), strict=True):
        draw_surface(ax, surface)
        for name, (ours, theirs) in of.items():
            draw_both(ax, ours.T, theirs.T, *LOOKS[name])
            ax.plot(*ours[-1], "s", color=LOOKS[name][1], markersize=6, zorder=5)
        ax.plot(*SURFACES[surface].start, "o", color="black", markersize=6)
    axes[0, 0].legend(fontsize=8, loc="lower left")
    return fig


def draw_surface(ax: Any, surface: str) -> None:
    """Contours, closer together where it is low, and the minima."""
    xs, ys = WINDOWS[surface]
    grid = np.stack(np.meshgrid(np.linspace(*xs, 200), np.linspace(*ys, 200)))
    height = SURFACES[surface].height(grid)
    ax.contour(*grid, height, levels=np.linspace(0.02, 1, 16) ** 3 * height.max(), colors="#c8c8c8", linewidths=0.7)
    for minimum in SURFACES[surface].minima:
        ax.plot(*minimum, "*", color="black", markersize=13, zorder=6)
    ax.set(title=surface, xlabel="x", ylabel="y", xlim=xs, ylim=ys, aspect="equal")


def heights(rolled: Rolled) -> Figure:
    """The loss of the six on each surface."""
    fig, axes = figure(
        "The loss, which is the height above the lowest point, at every step (bands: torch, dashes: by hand). This is no race: starts "
        "and step sizes (the table LR) were chosen so that much can be seen, and with others the order changes. Where the curves of "
        "momentum and Adam dip, the point passes the minimum and rolls on. On the saddle AdamW stops short of 0: its decay pulls from "
        "the minimum to (0, 0).",
        columns=3,
        size=(4.9, 3.6),
    )
    for ax, (surface, of) in zip(axes[0], rolled.items(), strict=True):
        for name, sides in of.items():
            ours, theirs = (SURFACES[surface].height(points.T) for points in sides)
            draw_both(ax, ours, theirs, *LOOKS[name])
        ax.set(title=surface, xlabel="step", yscale="log", ylim=(1e-3 if surface == "valley" else 1e-12, None))
    axes[0, 0].set_ylabel("height")
    axes[0, 2].legend(fontsize=8)
    return fig


def learning_rate(steps: int = 100) -> Figure:
    """How far from the minimum of the bowl gradient descent is after 100 steps, against lr."""
    limit = 2 / 8
    fig, axes = figure(
        f"Gradient descent on the bowl x² + 4 y², whose largest curvature is 8. Left: the distance to the minimum after {steps} steps, "
        f"against the step size lr. Longer steps are better up to 0.2, where x and y shrink equally fast; at lr = 2/8 = {limit} it is "
        "over: 0.24 converges, 0.26 does not. Right: why. A step makes y ← (1 − 8 lr) y. At 0.1 it shrinks, at 0.24 it changes sign "
        "and still shrinks, at 0.25 it jumps to and fro for ever, at 0.26 it grows. Bands are torch, dashes by hand.",
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
    left.set(title="the learning-rate sweep", xlabel="lr", ylabel=f"distance to the minimum after {steps} steps", yscale="log")
    left.legend(fontsize=8)
    for lr, colour in ((0.1, "#00798c"), (0.24, "#5a9e3d"), (0.25, "#222222"), (0.26, "#d1495b")):
        ours, theirs = roll("bowl", "gradient_descent", lr, 20)
        draw_both(right, ours[:, 1], theirs[:, 1], f"lr = {lr}", colour)
    right.set(title="y over the first 20 steps", xlabel="step", ylabel="y", xticks=range(0, 21, 5))
    right.legend(fontsize=8, loc="lower left")
    return fig


TEXT = """
| optimizer | what it remembers | a step |
| --- | --- | --- |
| gradient descent | nothing | against the gradient, the longer the steeper |
| momentum | v, a running sum of gradients | along v: where gradients agree it grows tenfold (β = 0.9), where they alternate it cancels |
| Nesterov | v | along v and the newest gradient: it turns earlier, and swings less |
| RMSprop | the running mean of g² | g divided by its usual size: x and y move equally fast, however steep |
| Adam | the running means of g and of g² | the usual g divided by its usual size |
| AdamW | the same | Adam's, after the point was pulled to (0, 0) by a fraction lr · decay of itself |

Both sides' optimizers are compared at every step with what they remember, not only with where the point is.

**The limit of the step size.** Where a bowl has curvature λ along some direction, gradient descent multiplies the distance along it by
1 − lr · λ, so lr must be under 2/λ for the largest λ. With momentum β the limit is 2 (1 + β)/λ, on this bowl 0.475 for β = 0.9.

**No race.** The starts and the default step sizes were picked by eye from a few trials, not tuned alike for all six, so who is ahead proves
little. In the valley from (−1.5, 2) gradient descent happens to be thrown across the wall, and ends nearest of all.

Things to try:

- `--model.lr 0.24` and `--model.lr 0.26`: to both sides of the limit.
- `--model.optimizer momentum --model.lr 0.47`, then `0.48`: the same with momentum.
- `--model.surface valley --model.optimizer adam --data.steps 1000`: the whole way to the end of the valley.
- `--model.surface valley --model.start "[-1.5, 2.0]"`: the lucky throw.
- `--model.surface saddle --model.start "[-1.5, 0.0]"`: exactly on the ridge the slope to either side is 0; the point rests at the saddle.
"""

TWIN = Twin(
    name="optimizers",
    manual=Manual,
    torch=Torch,
    data=Steps,
    trainer={"max_epochs": 1},
    variants={
        f"{LOOKS[optimizer][0]}, {surface}": {"surface": surface, "optimizer": optimizer}
        for surface in SURFACES
        for optimizer in OPTIMIZERS
        if (surface, optimizer) != ("bowl", "gradient_descent")
    },
    sgd_lr=0.1,
    figures=figures,
    text={"six ways down": TEXT},
)

if __name__ == "__main__":
    run("optimizers")
