"""Derivatives: the slope of a curve, by rules and by small steps

A cubic is fitted to noisy points, by a few rules on the one side and by autograd on the other. NumPy's polyfit
finds the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.drawing.colours import CATEGORIES, shades
from experiments.drawing.figure import BY_HAND, TORCH, draw_both, figure, unbroken
from experiments.drawing.words import in_words
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size, what_will_the_loss_do
from experiments.pair import Twin
from manual.calculus import derivatives as by_hand
from manual.calculus.derivatives import Cubic as Manual
from torch_impl.calculus import derivatives as in_torch
from torch_impl.calculus.derivatives import Cubic as Torch

TRUE = {"w0": 0.4, "w1": -1.2, "w2": -0.8, "w3": 2.6}
"""The cubic that the points scatter about."""

DOWN = tuple(reversed(TRUE))
"""The weights in polyfit's order: that of x³ first."""


class NoisyCubic(ArrayData):
    """Forty points about a cubic, x between −1 and 1, with noise of standard deviation 0.15; ten more are held out.

    Args:
        batch_size: points in a batch; 0 puts all of them into one, so that every step sees the same loss.
        seed: of the points and of their order.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        x = rng.uniform(-1, 1, 50)
        y = by_hand.forward(x, **TRUE)["y_hat"] + rng.normal(0, 0.15, 50)
        return Split((x[:40], y[:40]), (x[40:], y[40:]))


# ---- figures -------------------------------------------------------------------------------------------


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """What is drawn of the functions; nothing is trained for it."""
    return {"the secant becomes the tangent": secants(), "how small a step": steps(), "functions and their derivatives": gallery()}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """What is drawn of the trained pair."""
    return {"the fitted cubic": fitted(manual, torch_module, data)}


def square(x: Any) -> Any:
    """y = x², for either side."""
    return x**2


def secants(x: float = 3.0) -> Figure:
    """Secants of x² through a point, and their slopes against ε."""
    exact = float(by_hand.power_backward(np.array(1.0), np.array(x), 2))
    some = (2.0, 1.0, 0.5, 0.1)
    fig, axes = figure(
        f"Left: straight lines through the black point at {unbroken(f'x = {x:g}')} and a second point, ε further "
        "on. As ε shrinks the line turns less and less, and comes to rest in the tangent (dashes). Right: the slopes of such lines. They "
        f"go to {exact:g}, which the power rule, {unbroken('2 x')}, gives at once.",
        columns=2,
        size=(4.3, 3.8),
    )
    left, right = axes[0]
    xs = np.linspace(1.5, 5.5, 200)
    left.plot(xs, square(xs), color="#999999", linewidth=1.5)
    for eps, colour in zip(some, shades(len(some)), strict=True):
        slope = by_hand.forward_difference(square, x, eps)
        left.plot(xs, square(x) + slope * (xs - x), color=colour, linewidth=1.2, label=f"ε = {eps:g}: slope {slope:g}")
        left.plot(x + eps, square(x + eps), "o", color=colour, markersize=6)
        right.plot(eps, slope, "o", color=colour, markersize=7, zorder=5)
    left.plot(xs, square(x) + exact * (xs - x), "--", color="black", linewidth=1.5, label=f"tangent: {exact:g}")
    left.plot(x, square(x), "o", color="black", markersize=7, zorder=5)
    left.set(title="secants of y = x²", xlabel="x", ylabel="y", ylim=(-3, 30))
    left.legend(fontsize=9, loc="upper left")
    widths = np.linspace(0.01, 2.2, 40)
    ours = np.array([by_hand.forward_difference(square, x, float(eps)) for eps in widths])
    theirs = np.array([in_torch.forward_difference(square, torch.tensor(x, dtype=torch.float64), float(eps)).item() for eps in widths])
    right.plot(widths, theirs, label="torch", **TORCH)
    right.plot(widths, ours, label="by hand", **BY_HAND)
    right.axhline(exact, color="black", linewidth=0.8, label=f"2 x = {exact:g}")
    right.set(title="the slope, as ε shrinks", xlabel="ε, shrinking", ylabel="slope of the secant")
    right.invert_xaxis()
    right.legend(fontsize=9, loc="upper right")
    return fig


def fitted(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """The points with the fitted cubic, and its slope."""
    x_train, y_train = data.split.train
    polyfit = np.polyfit(x_train, y_train, 3)
    ours, theirs = manual.state_dict(), dict(torch_module.state_dict())
    apart = max(abs(ours[name] - best) for name, best in zip(DOWN, polyfit, strict=True))
    fig, axes = figure(
        f"The trained cubic. Left: {len(x_train)} noisy points, and the curve by hand, in torch and by NumPy's polyfit; by hand and by "
        f"polyfit its weights are at most {in_words(float(apart))}. Right: its slope, by the power rule and by autograd. Where it is 0 "
        "(stars) the curve has a hilltop or a hollow.",
        columns=2,
        size=(4.3, 3.8),
    )
    left, right = axes[0]
    x = np.linspace(-1, 1, 101)
    at = to_torch(x).to(theirs["w0"].dtype)
    left.plot(x_train, y_train, "o", color="black", markersize=3)
    left.plot(x, to_numpy(in_torch.forward(at, **theirs)["y_hat"]), label="torch", **TORCH)
    left.plot(x, np.polyval(polyfit, x), color="black", linewidth=0.8, label="polyfit")
    left.plot(x, by_hand.forward(x, **ours)["y_hat"], label="by hand", **BY_HAND)
    w1, w2, w3 = (ours[name] for name in ("w1", "w2", "w3"))
    right.plot(x, to_numpy(in_torch.slope(at, theirs["w1"], theirs["w2"], theirs["w3"])), label="torch", **TORCH)
    right.plot(x, by_hand.slope(x, w1, w2, w3), label="by hand", **BY_HAND)
    right.axhline(0, color="black", linewidth=0.8)
    for flat in np.roots(np.array([3 * w3, 2 * w2, w1])):
        if np.isreal(flat) and abs(flat) <= 1:
            left.plot(flat, by_hand.forward(flat.real, **ours)["y_hat"], "*", color="black", markersize=13, zorder=5)
            right.plot(flat.real, 0, "*", color="black", markersize=13, zorder=5)
    left.set(title="the fitted cubic", xlabel="x", ylabel="y", xticks=(-1, -0.5, 0, 0.5, 1))
    right.set(title="its slope ∂ŷ/∂x", xlabel="x", xticks=(-1, -0.5, 0, 0.5, 1))
    left.legend(fontsize=9)
    return fig


def learned(run: Trained) -> str:
    """The cubic that was found, and the one that the points scatter about."""
    found = run.manual.state_dict()
    told = ", ".join(f"{name} = {found[name].item():.2f} ({true:g})" for name, true in TRUE.items()).replace("-", "−")
    return f"After {len(run.losses)} steps the cubic has {told}; in brackets are the weights that the noisy points were made with."


# ---- further reading: how small a step, and more functions -----------------------------------------------


Difference = Callable[[Any, Any, float], Any]

FORMULAS: dict[str, tuple[Difference, Difference]] = {
    "forward": (by_hand.forward_difference, in_torch.forward_difference),
    "central": (by_hand.central_difference, in_torch.central_difference),
    "complex step": (by_hand.complex_step, in_torch.complex_step),
}
"""Each formula by hand and in torch."""


def step_errors(widths: np.ndarray, x: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each formula the relative error of bell's derivative for each ε, the worst over x, by hand and in torch."""
    exact = by_hand.bell_backward(np.ones_like(x), x)

    def error(slopes: np.ndarray) -> float:
        return max(float(np.max(abs(slopes / exact - 1))), 1e-17)  # 1e-17: right to the last bit, where a logarithm has no 0

    return {
        name: (
            np.array([error(ours(by_hand.bell, x, float(eps))) for eps in widths]),
            np.array([error(theirs(in_torch.bell, to_torch(x), float(eps)).numpy()) for eps in widths]),
        )
        for name, (ours, theirs) in FORMULAS.items()
    }


def steps() -> Figure:
    """The error of each difference formula against ε: the V."""
    widths = np.geomspace(1e-16, 1, 129)
    fig, axes = figure(
        "How wrong three formulas are, at the worst of eleven places. Coming from the right, smaller is better: forward "
        "gains a digit for each factor of ten, central two. Then rounding takes over: a difference of nearly equal values has lost "
        "their first digits. The bottom of the V (dotted) is at √δ for forward and at ∛δ for central, with δ = 2e-16 for the rounding. The "
        "complex step takes no "
        "difference and has no V. Bands: torch, dashes: by hand.",
        size=(6.8, 4.4),
    )
    ax = axes[0, 0]
    for (name, (ours, theirs)), colour in zip(step_errors(widths, np.linspace(0.3, 1.3, 11)).items(), CATEGORIES, strict=False):
        draw_both(ax, np.stack([widths, ours]), np.stack([widths, theirs]), name, colour)
    delta = np.finfo(np.float64).eps
    for best, colour in ((delta ** (1 / 2), CATEGORIES[0]), (delta ** (1 / 3), CATEGORIES[1])):
        ax.axvline(best, color=colour, linestyle=":", linewidth=1.2)
    ax.set(
        title="the slope of y = exp(−x²), by differences", xscale="log", yscale="log", xlabel="ε", ylabel="relative error", ylim=(3e-18, 30)
    )
    ax.legend(fontsize=9, loc="upper center")
    return fig


def gallery() -> Figure:
    """Five functions of neural networks, and the derivative of each."""
    fig, axes = figure(
        "Five functions that stand in neural networks, and their derivatives: the height on the right is the slope on the left. Where "
        "sigmoid and tanh level off the slope is nearly 0, and a network can hardly learn there. ReLU's slope jumps from 0 to 1; "
        "softplus is a ReLU with a round corner, and its slope is the sigmoid; GELU falls a little before it rises. Bands: torch, "
        "dashes: by hand.",
        columns=2,
        size=(4.3, 3.8),
    )
    x = np.linspace(-4, 4, 161)
    for name, colour in zip(("sigmoid", "tanh", "relu", "softplus", "gelu"), CATEGORIES, strict=False):
        theirs = getattr(in_torch, name)
        draw_both(axes[0, 0], np.stack([x, getattr(by_hand, name)(x)]), np.stack([x, theirs(to_torch(x)).numpy()]), name, colour)
        ours = getattr(by_hand, f"{name}_backward")(np.ones_like(x), x)
        draw_both(axes[0, 1], np.stack([x, ours]), np.stack([x, in_torch.derivative(theirs, to_torch(x)).numpy()]), name, colour)
    axes[0, 0].set(title="y", xlabel="x", xlim=(-4, 2.6), ylim=(-1.1, 2.6))
    axes[0, 1].set(title="its slope, ∂y/∂x", xlabel="x", xlim=(-4, 4))
    label_lines(axes[0, 0])
    label_lines(axes[0, 1])
    return fig


TEXT = """
| y | ∂y/∂x | where it is met |
| --- | --- | --- |
| xⁿ | n xⁿ⁻¹ | the square in every squared error |
| a + b | 1 and 1 | a bias; a skip connection, through which gradients pass unchanged |
| a b | b and a | a weight times an input; gates; attention |
| a / b | 1/b and −a/b² | softmax, normalisation |
| f(g(x)) | ∂f/∂g · ∂g/∂x | every layer that stands on another one: backpropagation is this line, many times |
| eˣ | eˣ | softmax |
| log x | 1/x | cross-entropy: a probability near 0 has a huge slope |
| σ(x) | y (1 − y), 1/4 at most | gates, the probability of one of two classes |
| tanh x | 1 − y², 1 at most | recurrent networks |
| max(x, 0) | 0 or 1 | nearly everywhere |
| log(1 + eˣ) | σ(x) | a scale that must stay above 0 |
| x Φ(x) | Φ(x) + x φ(x) | transformers |

**Checking a derivative.** A rule that was typed in wrong still gives a number. The test for all of them is the same: compare with a
central difference, (f(x + ε) − f(x − ε)) / 2ε with ε = 1e-5. The figure `how small a step` says why ε is neither larger nor smaller, and
that no more than ten or eleven digits can be asked of it. Every derivative in this project is tested so, and against autograd, where
the two must agree in 12 digits and most agree in 15.

Things to try:

- `--model.lr 0.03`: a tenth of the step size. How many steps more does it take?
- `--data.batch_size 8`: each step sees eight of the forty points, and a loss of its own; the four weights do not come to rest.
"""

# ---- to do ---------------------------------------------------------------------------------------------


def at_the_hilltop(run: Trained) -> float:
    """The slope of the fitted curve at its highest place between −0.9 and 0.5."""
    weights = run.manual.state_dict()
    x = np.linspace(-0.9, 0.5, 14001)
    top = x[np.argmax(by_hand.forward(x, **weights)["y_hat"])]
    return float(by_hand.slope(top, weights["w1"], weights["w2"], weights["w3"]))


QUESTIONS = (
    by_size(
        "The fitted curve has a hilltop. What is its slope just there?",
        at_the_hilltop,
        *("below 0", -0.05, "0", 0.05, "above 0"),
        seen="at the highest place it is {:.4f}",
        why="Before the top the curve rises, after it falls: the slope goes from above 0 to below 0, and there it passes 0.",
        trainer={"max_epochs": 150},
        look_at=("the fitted cubic", "the stars, left and right."),
    ),
    by_size(
        "The points were put about 0.15 above or below a cubic. Where does the loss, the mean of (ŷ − y)², end?",
        lambda run: run.losses[-1],
        *("at 0", 0.005, "at about 0.02", 0.08, "at about 0.15"),
        seen="it ends at {:.4f}",
        why="No cubic goes up and down with the noise. What stays is the mean of its squares, about 0.15 · 0.15.",
        trainer={"max_epochs": 150},
    ),
    what_will_the_loss_do(
        "lr = 1.7 in place of 0.3. What will the loss do in 20 steps?",
        "Each step leaps over the lowest place and lands higher on the other side, where it is steeper: the next leap is longer.",
        model={"lr": 1.7},
        trainer={"max_epochs": 20},
    ),
)


def by_tiny_steps(x: np.ndarray, y: np.ndarray, y_hat: np.ndarray, **weights: Any) -> dict[str, Any]:
    """The derivatives of the loss from two looks that are too near to each other."""

    def loss(name: str, w: Any) -> Any:
        return by_hand.loss(by_hand.forward(x, **{**weights, name: w})["y_hat"], y)

    return {name: by_hand.forward_difference(partial(loss, name), w, 1e-20) for name, w in weights.items()}


class TinySteps(Manual):
    """The cubic with that backward."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.functions = by_hand.forward, by_hand.loss, by_tiny_steps


MISTAKE = Mistake(
    "The smaller ε is, the better the slope.",
    lambda run: (
        f"With derivatives from two looks, ε = 1e-20, the loss is {run.losses[0]:.4f} at the first of {len(run.losses)} steps and "
        f"{run.losses[-1]:.4f} at the last: no weight has moved."
    ),
    lambda run: not run.agree and run.losses[-1] == run.losses[0],
    "A computer keeps 16 digits: 1 + 1e-20 is 1 to it, so both looks are the same, and every slope comes out as 0.",
    trainer={"max_epochs": 20},
    manual=TinySteps,
)

TWIN = Twin(
    name="derivatives",
    manual=Manual,
    torch=Torch,
    data=NoisyCubic,
    needs=("one_weight",),
    learned=learned,
    look_at=("the fitted cubic", "the stars: where the slope on the right is 0, the curve on the left has a hilltop or a hollow."),
    trainer={"max_epochs": 600, "check_val_every_n_epoch": 50, "log_every_n_steps": 10},
    sgd_lr=0.3,
    before=before,
    figures=figures,
    text={"where the rules are met": TEXT},
    further=("how small a step", "functions and their derivatives", "where the rules are met"),
    questions=QUESTIONS,
    exercises=(
        Exercise("multiply_backward", ("If b is 3, how much does a b grow when a grows by 1?",)),
        Exercise("power_backward", ("x⁰ is 1 for every x, and does not grow: n = 0 is a case of its own.",)),
        Exercise("backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("derivatives")
