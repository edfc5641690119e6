"""One weight, one slope, one step: the smallest complete training loop

From ten purchases of apples both sides find the price of a kilogram, by walking down the loss to where a formula says it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.drawing.colours import of_sign
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure, unbroken
from experiments.drawing.interactive import Axis, Dots, Interactive, Line, Panel, Slider, minus
from experiments.drawing.written import write
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size, in_figures, what_will_the_loss_do
from experiments.pair import Twin
from manual.calculus import one_weight as by_hand
from manual.calculus.one_weight import OneWeight as Manual
from manual.calculus.one_weight import best_weight, curvature
from torch_impl.calculus import one_weight as in_torch
from torch_impl.calculus.one_weight import OneWeight as Torch

KILOGRAMS = np.array([0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0])
EUROS = np.array([0.55, 0.77, 1.62, 1.41, 2.43, 2.31, 3.40, 3.05, 4.21, 4.48])
"""Ten purchases, made up: about 2.2 euros a kilogram, on some days more and on some less."""

LATER = np.array([0.5, 1.1, 1.5, 1.7]), np.array([1.05, 2.62, 3.15, 3.90])
"""Four more, held out."""


class Apples(ArrayData):
    """Kilograms and euros. All ten purchases are one batch, so that every step sees the same curve.

    Args:
        batch_size: purchases in a batch; 0 puts all of them into one.
        seed: of their order.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        return Split((KILOGRAMS, EUROS), LATER)


def loss_of(w: Any) -> Any:
    """The loss on the ten purchases, for one w or an array of them."""
    return np.array([by_hand.loss(by_hand.forward(KILOGRAMS, v)["y_hat"], EUROS) for v in np.ravel(w)]).reshape(np.shape(w))


def slope_of(w: Any) -> Any:
    """Its slope, likewise."""
    slopes = [by_hand.backward(KILOGRAMS, EUROS, **by_hand.forward(KILOGRAMS, v), w=v)["w"] for v in np.ravel(w)]
    return np.array(slopes).reshape(np.shape(w))


def descend(start: float, lr: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """w after 0, 1, ..., `steps` steps, by hand and in torch."""
    ours = by_hand.train(KILOGRAMS, EUROS, start, lr, steps)
    x, y, w = to_torch((KILOGRAMS, EUROS, np.array(start)))
    return ours, in_torch.train(x, y, w, lr, steps).numpy()


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "down the curve": lambda: down_the_curve(),
            "why minus the slope": lambda: why_minus(),
            "learning rate": lambda: learning_rates(),
            "the price found": lambda: price_found(float(manual.w), torch_module.w.item()),
        }
    )


def draw_loss(ax: Any, low: float, high: float) -> None:
    """The loss over w, and its lowest point."""
    w = np.linspace(low, high, 200)
    ax.plot(w, loss_of(w), color="#999999", linewidth=1.2, zorder=1)
    best = best_weight(KILOGRAMS, EUROS)
    ax.plot(best, loss_of(best), "*", color="black", markersize=13, zorder=6, label="lowest point w*")
    ax.set(xlabel="w, euros per kilogram", ylabel="loss L", xlim=(low, high))


def draw_tangent(ax: Any, w: float, low: float, high: float, **look: Any) -> None:
    """The straight line that has the height and the slope of the loss at w, between two places, in the colour of the slope's sign."""
    ends = np.array([low, high])
    ax.plot(ends, loss_of(w) + slope_of(w) * (ends - w), **{"linewidth": 2.2, "color": of_sign(slope_of(w)), "zorder": 3, **look})


def draw_walk(ax: Any, ours: np.ndarray, theirs: np.ndarray, **look: Any) -> None:
    """Where each step was: torch's places as broad dots, the hand-written ones small inside of them."""
    ax.plot(theirs, loss_of(theirs), "o", color=TORCH["color"], markersize=10, zorder=4, label="torch")
    ax.plot(ours, loss_of(ours), "o", markersize=3.5, zorder=5, label="by hand", **{**BY_HAND, "linewidth": 0.9, **look})


def down_the_curve(start: float = 0.0, lr: float = 0.15, steps: int = 4) -> Figure:
    """The lines after each step, and the walk down the loss with the tangent at each step."""
    ours, theirs = descend(start, lr, steps)
    fig, axes = figure(
        f"Left: ten purchases of apples and the guess {unbroken('ŷ = w x')} after 0 to {steps} steps, the darker the later. Right: every w "
        "has its loss, the grey curve. A straight line touches it at each step, and its slope times "
        f"{unbroken(f'lr = {lr}')} is how far the step goes: long where the curve is steep, short where it is flat.",
        columns=2,
        size=(4.3, 3.9),
    )
    left, right = axes[0]
    ends = np.array([0.0, 2.1])
    for step, (w, w_torch) in enumerate(zip(ours, theirs, strict=True)):
        seen = 0.25 + 0.75 * step / steps
        left.plot(ends, w_torch * ends, **{**TORCH, "linewidth": 4, "alpha": seen})
        left.plot(ends, w * ends, **{**BY_HAND, "alpha": seen})
        write(left, f"{step}", (ends[1], w * ends[1]), (5, 0), "black", fontsize=9)
    left.plot(KILOGRAMS, EUROS, "o", color="black", markersize=5, zorder=5)
    left.set(title="the guess ŷ = w x", xlabel="x, kilograms", ylabel="y, euros", xlim=(0, 2.25), ylim=(-0.3, 5))
    draw_loss(right, -0.45, 3.2)
    for step, (w, after) in enumerate(pairwise(ours)):
        draw_tangent(right, w, w - 0.25, after, label=None if step else "slope at each step")
        right.plot([after, after], [loss_of(w) + slope_of(w) * (after - w), loss_of(after)], ":", color="black", linewidth=1)
    draw_walk(right, ours, theirs, linestyle="none")
    right.set_title("the loss, and its slope at each step")
    right.legend(fontsize=9, loc="upper right")
    return fig


def why_minus(lr: float = 0.15) -> Figure:
    """One step from either side of the lowest point; and the slope over w, by hand and in torch."""
    fig, axes = figure(
        "Why minus the slope. Left: where the curve falls the slope is below 0 (violet), and the step goes right; where it rises the "
        "slope is above 0 (orange), and the step goes left. So both arrows point to the star. Right: the slope at every w; it rises by "
        f"c = {curvature(KILOGRAMS):.2f} for each unit of w, and is 0 at the lowest point.",
        columns=2,
        size=(4.3, 3.9),
    )
    left, right = axes[0]
    draw_loss(left, 0.0, 4.4)
    for w in (0.9, 3.5):
        height, slope = loss_of(w), slope_of(w)
        draw_tangent(left, w, w - 0.5, w + 0.5)
        arrow = {"arrowstyle": "-|>", "linewidth": 2.2, "color": "black"}
        left.annotate("", (w - lr * slope, height), xytext=(w, height), arrowprops=arrow, zorder=5)
        left.plot(w, height, "o", color="black", markersize=5, zorder=6)
        write(left, f"slope {slope:+.1f}".replace("-", "−"), (w, height), (-8 if slope > 0 else 8, 10), of_sign(slope), fontsize=10)
    ws = np.linspace(0.0, 4.4, 23)
    right.plot(ws, slopes_in_torch(ws), label="torch", **TORCH)
    right.plot(ws, slope_of(ws), label="by hand", **BY_HAND)
    right.axhline(0, color="black", linewidth=0.8)
    right.plot(best_weight(KILOGRAMS, EUROS), 0, "*", color="black", markersize=13, zorder=5)
    left.set_title("one step, from either side")
    right.set(title="the slope at every w", xlabel="w, euros per kilogram", ylabel="slope ∂L/∂w", xlim=(0, 4.4))
    right.legend(fontsize=9)
    return fig


def slopes_in_torch(ws: np.ndarray) -> np.ndarray:
    """The slope at every w, by autograd."""
    x, y = to_torch((KILOGRAMS, EUROS))
    one = torch.func.grad(lambda w: in_torch.loss(in_torch.forward(x, w)["y_hat"], y))
    return np.array([one(w).item() for w in to_torch(ws)])


def learning_rates(start: float = 0.3, steps: int = 5) -> Figure:
    """Six steps with four learning rates."""
    c, best = curvature(KILOGRAMS), best_weight(KILOGRAMS, EUROS)
    fig, axes = figure(
        f"What the learning rate does. Here c = {c:.2f}, and each step leaves {unbroken('1 − lr · c')} of "
        f"the distance to the star: nearly nothing near {unbroken(f'lr = 1/c = {1 / c:.3f}')}. Where that is below 0 the step jumps over "
        f"the star, and below −1, with lr above {unbroken(f'2/c = {2 / c:.3f}')}, it lands farther away.",
        rows=2,
        columns=2,
        size=(4.3, 3.5),
        sharex=True,
        sharey=True,
    )
    names = {0.02: "too small", 0.25: "right", 0.58: "nearly too large", 0.69: "too large"}
    for ax, (lr, name) in zip(axes.flat, names.items(), strict=True):
        ours, theirs = descend(start, lr, steps)
        draw_loss(ax, -1.4, 6.0)
        for w in ours[:-1]:
            draw_tangent(ax, w, w - 0.3, w + 0.3)
        draw_walk(ax, ours, theirs, linestyle="--")
        left_over = f"{1 - lr * c:+.2f}".replace("-", "−")
        ax.set_title(f"{name}: lr = {lr}\na step leaves {left_over} of the distance", fontsize=10)
        ax.label_outer()
    axes[0, 0].set_ylim(-0.8, 1.1 * float(loss_of(best + 3.6)))
    axes[0, 0].legend(fontsize=8, loc="upper center")
    return fig


def price_found(ours: float, theirs: float) -> Figure:
    """The ten purchases, the four held out, and the lines of both sides after the run."""
    best = best_weight(KILOGRAMS, EUROS)
    fig, axes = figure(
        f"After the run: w = {ours:.6f} euros per kilogram by hand, {theirs:.6f} in torch, {best:.6f} by the formula of `best_weight`: the "
        "three lines are one. The crosses are purchases that w has not seen.",
        size=(5.4, 3.8),
    )
    ax, ends = axes[0, 0], np.array([0.0, 2.1])
    ax.plot(ends, theirs * ends, label="torch", **TORCH)
    ax.plot(ends, best * ends, color="black", linewidth=0.8, label="formula")
    ax.plot(ends, ours * ends, label="by hand", **BY_HAND)
    ax.plot(KILOGRAMS, EUROS, "o", color="black", markersize=5, label="the ten purchases")
    ax.plot(*LATER, "x", color="black", markersize=7, markeredgewidth=2, label="four later ones")
    ax.set(title="what apples cost", xlabel="x, kilograms", ylabel="y, euros")
    ax.legend(fontsize=8)
    return fig


# ---- to move -------------------------------------------------------------------------------------------

MOST = 12
"""Steps that can be taken in the picture that is moved."""


def interactive(run: Trained) -> tuple[Interactive, ...]:
    """The walk down the curve, at a learning rate that a reader chooses."""
    c = curvature(KILOGRAMS)
    return (
        Interactive(
            "How long may a step be?",
            f"From w = 0 each step goes as far as lr times the slope (the thick line is the slope where w is now). Move lr towards 1/c = "
            f"{1 / c:.3f}: fewer steps are needed, until one is enough. Move it on: each step jumps across the star. Beyond 2/c = "
            f"{2 / c:.3f} it lands farther away each time. The second picture says what part of the distance to the star a step leaves.",
            (Slider("lr", [n / 100 for n in range(1, 76)], 0.05, "learning rate lr"), Slider("steps", range(MOST + 1), 4, "steps taken")),
            (arrived, does, f"At the star w is {best_weight(KILOGRAMS, EUROS):.3g} and the loss {LOWEST:.3g}."),
            (the_walk(), what_is_left(1 / c, 2 / c)),
        ),
    )


def the_walk() -> Panel:
    """The loss, the steps down, and the slope where they have come to."""
    w, best = np.linspace(-1.4, 6.0, 75), best_weight(KILOGRAMS, EUROS)

    def around(lr: float, steps: int) -> np.ndarray:
        return walk(lr)[steps] + np.array([-0.8, 0.8])

    def tangent(lr: float, steps: int) -> np.ndarray:
        at = walk(lr)[steps]
        return loss_of(at) + slope_of(at) * (around(lr, steps) - at)

    def sign(lr: float, steps: int) -> str:
        return "above" if slope_of(walk(lr)[steps]) > 0 else "below"

    steps_of: dict[str, Any] = {"x": walk, "y": lambda lr: loss_of(walk(lr)), "look": "by-hand", "first": lambda steps: steps + 1}
    marks = Line(w, loss_of(w), "curve"), Line(**steps_of), Line(around, tangent, sign), Dots(best, loss_of(best), "best", "*")
    return Panel(
        "the loss, and the steps down it", Axis("w, euros per kilogram", -1.4, 6.0), Axis("loss L", -1.0, 24.0), (*marks, Dots(**steps_of))
    )


def what_is_left(right: float, too_large: float) -> Panel:
    """What part of the distance a step leaves, at each learning rate."""
    lrs, ends = np.linspace(0.0, 0.76, 39), (-1.5, 1.1)
    guides = *(Line([0, 0.76], level, "guide") for level in (-1.0, 0.0)), *(Line(lr, ends, "guide") for lr in (right, too_large))
    return Panel(
        "what a step leaves of the distance",
        Axis("learning rate lr", 0.0, 0.76, {0.0: "0", right: f"1/c = {right:.3f}", too_large: f"2/c = {too_large:.3f}"}),
        Axis("part that is left", *ends, {-1.0: "−1", 0.0: "0", 1.0: "1"}),
        (*guides, Line(lrs, [left_by_a_step(lr) for lr in lrs], "curve"), Dots(lambda lr: lr, left_by_a_step, "by-hand")),
    )


def walk(lr: float) -> np.ndarray:
    """w from 0 on, by hand."""
    return by_hand.train(KILOGRAMS, EUROS, 0.0, lr, MOST)


def left_by_a_step(lr: float) -> float:
    """What part of the distance to the lowest point a step leaves, below 0 where it lands on the other side."""
    before, after = walk(lr)[:2] - best_weight(KILOGRAMS, EUROS)
    return float(after / before)


def arrived(lr: float, steps: int) -> str:
    """Where the walk has come to."""
    w = walk(lr)[steps]
    return minus(f"After {steps} step{'s' * (steps != 1)} w is {in_figures(w)} and the loss {in_figures(float(loss_of(w)))}.")


def does(lr: float) -> str:
    """What each of its steps does."""
    part = left_by_a_step(lr)
    where = "nearer, on the same side" if part > 0 else "nearer, on the other side" if part > -1 else "farther away, on the other side"
    lands = "lands nearly on it" if abs(part) < 0.05 else f"lands {where}"
    return minus(f"With lr = {lr:g} each step leaves {part:+.2f} of the distance to the star: it {lands}.")


# ---- text ----------------------------------------------------------------------------------------------


def first_steps(start: float = 0.0, lr: float = 0.15, steps: int = 4) -> str:
    """A table of the first steps, number by number."""
    path, _ = descend(start, lr, steps)
    rows = [
        f"| {step} | {w:.4f} | {loss_of(w):.4f} | {slope_of(w):+.4f} | {w:.4f} − {lr} · ({slope_of(w):+.4f}) = {after:.4f} |"
        for step, (w, after) in enumerate(pairwise(path))
    ]
    return "\n".join(["| step | w | loss | slope | the next w |", "| --- | --- | --- | --- | --- |", *rows])


LOWEST = float(loss_of(best_weight(KILOGRAMS, EUROS)))

TEXT = f"""
The steps of the figure `down the curve`, in numbers. Every row begins with the w that the row above it ended with:

{first_steps()}

The slope goes to 0. The loss goes to {LOWEST:.4f}: no single price explains all ten purchases.
"""

# ---- to do ---------------------------------------------------------------------------------------------


def steps_to_the_bottom(run: Trained) -> int:
    """How many were taken until the loss was within a hundredth of the lowest there is."""
    return next((step for step, loss in enumerate(run.losses) if loss < 1.01 * LOWEST), len(run.losses))


QUESTIONS = (
    what_will_the_loss_do(
        "lr = 0.66 is a little above 2/c = 0.649. What will the loss do in 40 steps?",
        "Each step leaves 1 − lr · c = −1.03 of the distance: w lands on the other side, and a little farther away.",
        model={"lr": 0.66},
    ),
    by_size(
        "lr = 0.325 is nearly 1/c. After how many steps is the loss within a hundredth of the lowest there is?",
        steps_to_the_bottom,
        *("1 or 2", 2.5, "about 10", 25, "all 40"),
        seen="after {}",
        why="A step leaves 1 − lr · c of the distance, which is nearly nothing.",
        model={"lr": 0.325},
    ),
    by_size(
        "With a good lr, and as many steps as you like: will the loss reach 0?",
        lambda run: run.losses[-1],
        *("yes", 1e-6, "no"),
        seen="after 40 steps it is {:.4f}, and falls no further",
        why="No one price explains ten purchases that were not all made at one price.",
        look_at=("the price found", "how far the dots are from the best line."),
    ),
)


def learned(run: Trained) -> str:
    """The price that was found, and the formula's."""
    w, best = run.manual.w.data.item(), best_weight(KILOGRAMS, EUROS)
    return f"One kilogram costs {w:.2f} euros: after {len(run.losses)} steps w is {w:.4f}, and the formula says {best:.4f}."


MISTAKE = Mistake(
    "A larger learning rate arrives sooner.",
    lambda run: (
        f"With lr = 0.7 the loss is {run.losses[0]:.3g} at the first of {len(run.losses)} steps and {run.losses[-1]:.3g} at the last."
    ),
    lambda run: run.losses[-1] > 10 * run.losses[0],
    "Only up to lr = 1/c. From there on each step overshoots, and above 2/c it lands farther away.",
    {"lr": 0.7},
)

TWIN = Twin(
    name="one_weight",
    manual=Manual,
    torch=Torch,
    data=Apples,
    learned=learned,
    look_at=(
        "down the curve",
        "each straight line touches the curve and points to the next step; where it is flatter, the step is shorter.",
    ),
    trainer={"max_epochs": 40, "log_every_n_steps": 1},
    variants={"too small": {"lr": 0.02}, "nearly too large": {"lr": 0.6}},
    sgd_lr=0.1,
    figures=figures,
    interactive=interactive,
    text={"the first steps": TEXT},
    questions=QUESTIONS,
    exercises=(Exercise("backward", ("Begin with the guess: how fast does (ŷ − y)² grow with ŷ? The mean divides it by N.",)),),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("one_weight")
