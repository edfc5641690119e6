"""Conditioning: raw and standardised features, deep chains and a cliff

Least squares on the diabetes data with four kinds of features: in their own units it takes 56,828 steps to come within a tenth of the
lowest loss, standardised 8, and both sides take as many as the curvatures of the loss foretell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, split_at_random, standardise
from experiments.data.diabetes import diabetes
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.labels import label_ends
from experiments.drawing.walk import walk
from experiments.drawing.weights import as_row
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size, growth
from experiments.pair import Twin
from manual.linear_algebra.eigen import covariance, eigh
from manual.linear_algebra.svd import cond
from manual.module import Parameter
from manual.nn.init import orthogonal, xavier_normal
from manual.nn.utils import clip_grad_norm_
from manual.numerics.conditioning import LeastSquares as Manual
from manual.numerics.conditioning import bowl_condition, chain_gradients, chain_jacobians, cliff, cliff_backward, excess_loss
from manual.regression.linear_regression import backward, forward, hessian, loss, normal_equation, step_size_limit
from torch_impl.numerics import conditioning as in_torch
from torch_impl.numerics.conditioning import LeastSquares as Torch

FEATURES = ("raw", "centred", "standardised", "whitened")
COLOURS = dict(zip(FEATURES, CATEGORIES, strict=False))

NAMES = {"W": "linear.weight.T", "b": "linear.bias", "y_hat": "linear"}
"""What the parameters, and the prediction, are called in torch."""


class Scaled(ArrayData):
    """The diabetes data; a fifth is held out. All of the rest is one batch, so that every step sees the same bowl.

    Args:
        features: "raw", in their own units; "centred", less the mean; "standardised", also over the standard deviation; "whitened", turned
            and stretched until they are uncorrelated as well. Means and all else are measured on the training rows.
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the rows.
    """

    def __init__(self, features: str = "standardised", batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if features not in FEATURES:
            raise InputError(f"--data.features must be one of {', '.join(FEATURES)}, got {features}")
        self.features = features

    def load(self) -> Split:
        split = split_at_random(diabetes(), 0.2, self.seed)
        if self.features == "centred":
            mean = split.train[0].mean(axis=0)
            return Split((split.train[0] - mean, split.train[1]), (split.val[0] - mean, split.val[1]))
        return split if self.features == "raw" else standardise(split) if self.features == "standardised" else whiten(standardise(split))


def whiten(split: Split) -> Split:
    """Turn features of mean 0 onto the eigenvectors of their covariance, and divide each by its standard deviation there."""
    λ, V = eigh(covariance(split.train[0]))
    train, val = (part[0] @ V / np.sqrt(λ) for part in (split.train, split.val))
    return Split((train, split.train[1]), (val, split.val[1]))


# ---- steps ---------------------------------------------------------------------------------------------


def half_the_limit(x: np.ndarray) -> float:
    """1/λmax, half of the longest step size with which gradient descent arrives, to three digits."""
    return float(f"{0.5 * step_size_limit(x):.2e}")


def foretold(x: np.ndarray, y: np.ndarray, k: np.ndarray) -> np.ndarray:
    """How far above the lowest loss L* gradient descent from 0 is after k steps, as a fraction of L*. Shapes: k and the result (...)."""
    best = normal_equation(x, y)
    return excess_loss(k, half_the_limit(x), hessian(x), -as_row(*best)) / loss(**forward(x, *best), y=y)


def steps_foretold(x: np.ndarray, y: np.ndarray, above: float) -> int:
    """After how many steps the loss is within this fraction of the lowest, by `excess_loss`."""
    few, many = -1, 1
    while foretold(x, y, np.array(float(many))) > above:
        many *= 2
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if foretold(x, y, np.array(float(middle))) > above else (few, middle)
    return many


def steps_taken(x: np.ndarray, y: np.ndarray, above: float) -> int:
    """The same, counted on the way."""
    W, b, lr = np.zeros((x.shape[1], 1)), np.zeros(1), half_the_limit(x)
    goal = (1 + above) * loss(**forward(x, *normal_equation(x, y)), y=y)
    k = 0
    while loss(**(values := forward(x, W, b)), y=y) > goal:
        gradient = backward(x, y, **values, W=W, b=b)
        W, b, k = W - lr * gradient["W"], b - lr * gradient["b"], k + 1
    return k


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Scaled) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    bowls = {name: Scaled(name, seed=data.seed).split.train for name in FEATURES}
    return OnDemand(
        {
            "steps to the same loss": lambda: steps_to_the_loss(bowls),
            "curvatures": lambda: curvatures(bowls),
            "a deep chain": lambda: chains(),
            "a cliff": lambda: over_the_cliff(),
        }
    )


def steps_to_the_loss(bowls: Mapping[str, tuple[np.ndarray, ...]], steps: int = 600) -> Figure:
    """The loss above the lowest against the step, as trained and as foretold."""
    needed = {name: steps_foretold(x, y, 0.1) for name, (x, y) in bowls.items()}
    fig, axes = figure(
        f"Least squares on four kinds of features: torch (bands) and by hand (dashes) for {steps:,} steps, then what the curvatures "
        "foretell (thin). Look where each curve crosses the dotted line, a tenth above the lowest loss: "
        + ", ".join(f"{name} after {count:,} step{'s' if count > 1 else ''}" for name, count in needed.items())
        + ". Only the features' units, origin and axes were changed; the line that is found is the same.",
        size=(8.2, 4.2),
    )
    ax = axes[0, 0]
    k = np.unique(np.geomspace(1, 3e8, 400).round())
    for name, (x, y) in bowls.items():
        lr, lowest = half_the_limit(x), loss(**forward(x, *normal_equation(x, y)), y=y)
        ax.plot(k, foretold(x, y, k), color=COLOURS[name], linewidth=1)
        curves = []
        for path in walk(Manual(lr), Torch(lr), (x, y), steps, NAMES):
            above = [loss(**forward(x, W, b), y=y) / lowest - 1 for W, b in zip(path["W"][1:], path["b"][1:], strict=True)]
            curves.append(np.stack([np.arange(1, steps + 1), np.maximum(above, FLOOR)]))
        ours, theirs = curves
        if name == "whitened":  # the lowest loss is there after one step: what is left is rounding, a line along the floor
            ours, theirs = ours[:, :1], theirs[:, :1]
            ax.annotate(
                "whitened: there after 1 step",
                (1, FLOOR), xytext=(10, 0), textcoords="offset points", va="center", color=COLOURS[name], fontsize=9,
            )  # fmt: skip
            ax.plot(1, FLOOR, "v", color=COLOURS[name], markersize=9, zorder=5)
        draw_both(ax, ours, theirs, f"{name}, κ = {bowl_condition(x):,.0f}", COLOURS[name])
    ax.axhline(0.1, color="black", linestyle=":", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="step", ylabel="loss above the lowest, as a fraction", ylim=(FLOOR / 20, 20), xlim=(0.8, 3e8))
    ax.set_title("How many steps each kind of features needs")
    ax.legend(loc="lower right", fontsize=8)
    return fig


FLOOR = 1e-9
"""What is nearer to the lowest loss is drawn here, as a fraction of it."""


def spread(bowls: Mapping[str, tuple[np.ndarray, ...]]) -> str:
    """Over how many powers of ten the curvatures of each bowl are spread, in words."""
    return ", ".join(f"{np.log10(bowl_condition(x)):.1f}" for x, _ in bowls.values()) + " powers of ten"


def curvatures(bowls: Mapping[str, tuple[np.ndarray, ...]]) -> Figure:
    """The eigenvalues of the Hessian of each bowl, over the largest."""
    fig, axes = figure(
        "A stroke for each of the eleven principal directions of the loss: how much it curves there, as a part of the most. A step may "
        "only be as long as the steepest direction allows; where the loss curves a millionth of that, each step makes a millionth of the "
        f"way. Look how the spread, the condition number κ, shrinks from left to right: {spread(bowls)}.",
        size=(6.4, 3.6),
    )
    ax = axes[0, 0]
    for at, (name, (x, _)) in enumerate(bowls.items()):
        λ, _ = eigh(hessian(x))
        ax.plot(np.full(len(λ), at), λ / λ[-1], "_", color=COLOURS[name], markersize=34, markeredgewidth=2)
        ax.annotate(
            f"κ = {bowl_condition(x):,.0f}", (at, λ[0] / λ[-1]), xytext=(0, -14), textcoords="offset points", ha="center", fontsize=9
        )
    ax.set_xticks(range(len(bowls)), list(bowls))
    ax.set(yscale="log", ylabel="curvature over the largest", ylim=(2e-9, 3), xlim=(-0.6, len(bowls) - 0.4))
    ax.set_title("Curvatures of the loss in its eleven directions")
    return fig


TEXT = """
Gradient descent from 0 with half of the longest possible step, on the 354 training rows. The steps are those until the loss is within a
tenth, a hundredth and a thousandth of the lowest; up to 150,000 they were counted, beyond computed from the curvatures (`excess_loss`).

| features | κ | lr | a tenth | a hundredth | a thousandth |
| --- | --- | --- | --- | --- | --- |
| raw | 49,773,305 | 0.00000678 | 56,828 | 46,078,410 | 103,343,518 |
| centred | 72,390 | 0.00024 | 5,438 | 58,536 | 141,928 |
| standardised | 437 | 0.127 | 8 | 18 | 506 |
| whitened | 1 | 0.5 | 1 | 1 | 1 |

In the end, when only the flattest direction is left, each further factor of ten takes κ/2 · log 10 ≈ 1.15 κ steps: the last two columns
are apart by 1.15, 1.15 and 1.12 κ. Before that the steep directions, which are done quickly, decide, and how much of the loss lies in
which.

Things to try:

- `--data.features raw`: with the step size of the standardised features each step leads up the other wall. At step 36 the loss is too large
  for a number, and the run stops with exit status 1.
- `--data.features raw --trainer.gradient_clip_val 1`: clipped, it cannot explode. It bounces about the gorge, since its steps are too long
  to come down.
"""


def learned(run: Trained) -> str:
    """How near to the lowest loss it came."""
    x, y = run.data.split.train
    above = run.losses[-1] / loss(**forward(x, *normal_equation(x, y)), y=y) - 1
    return (
        f"After {len(run.losses):,} steps the loss is {100 * above:.2g} % above the lowest that a straight line can have. The "
        f"{run.data.features} features make the loss {bowl_condition(x):,.0f} times as steep in one direction as in another."
    )


# ---- further reading: a deep chain and a cliff ---------------------------------------------------------

SCALES = (0.5, 1.0, 1.5)
"""Of random weights: 1 is Xavier's."""


def weights(scale: float | None, n: int = 32, depth: int = 50) -> np.ndarray:
    """The weights of a chain: Normal(0, scale²/n), or orthogonal where there is no scale. Shape: (depth, n, n)."""
    rng = np.random.default_rng(0)
    draw = (lambda: orthogonal((n, n), rng=rng)) if scale is None else (lambda: xavier_normal((n, n), scale, rng=rng))
    return np.stack([draw() for _ in range(depth)])


def chains(n: int = 32, depth: int = 50) -> Figure:
    """The length of the gradient at every depth, and the condition number of the Jacobian."""
    rng = np.random.default_rng(1)
    h, g = rng.normal(size=(16, n)), rng.normal(size=(16, n))
    fig, axes = figure(
        f"A chain of {depth} layers of {n} units; the gradient is made from right to left (bands: torch, dashes: by hand). Linear layers "
        "multiply its length by the scale of their weights each time (thin lines): half vanishes, one and a half explodes, and what only "
        "turns keeps it. tanh dampens the explosion. Right: random weights squash more and more directions, until no digit is left "
        "(10¹⁶); turning squashes none.",
        columns=3,
        size=(4.4, 3.6),
    )
    layers = np.arange(depth + 1)
    ends: list[dict[str, tuple[float, float, str]]] = [{}, {}, {}]
    for scale, colour in zip((*SCALES, None), CATEGORIES, strict=False):
        W, label = weights(scale, n, depth), "orthogonal" if scale is None else f"scale {scale:g}"
        for ax, end, activation in zip(axes[0, :2], ends, ("linear", "tanh"), strict=False):
            ours = chain_gradients(g, h, W, activation)
            theirs = to_numpy(in_torch.chain_gradients(to_torch(g), to_torch(h), to_torch(W), activation))
            a, b = (np.stack([layers, np.linalg.norm(G, axis=(1, 2)) / np.linalg.norm(g)]) for G in (ours, theirs))
            draw_both(ax, a, b, label, colour)
            end[label] = (0, a[1, 0], colour)
            if activation == "linear" and scale is not None:
                ax.plot(layers, scale ** (depth - layers).astype(float), color="black", linewidth=0.6)
        if scale in (1.0, None):
            κ = [cond(J) for J in chain_jacobians(h[0], W, "linear")[::10]]
            axes[0, 2].plot(layers[::10], κ, "o-", color=colour, markersize=3, label=label)
            ends[2][label] = (depth, κ[-1], colour)
    for ax, end, name in zip(axes[0, :2], ends, ("linear", "tanh"), strict=False):
        ax.set(title=f"Gradients, {name} layers", xlabel="layer", yscale="log", ylim=(1e-17, 1e11))
        label_ends(ax, end, left=True)
        ax.set_ylabel("length of the gradient")
    axes[0, 2].set(title="Conditioning, linear layers", xlabel="layer", ylabel="condition number of ∂h[l]/∂h[0]", yscale="log")
    label_ends(axes[0, 2], ends[2])
    return fig


def along_the_cliff(lr: float, steps: int, max_norm: float | None) -> tuple[np.ndarray, np.ndarray]:
    """w after 0, 1, ..., `steps` steps from 1.08, by hand and in torch."""
    w = Parameter(np.array([1.08]))
    v: Any = torch.nn.Parameter(torch.tensor([1.08], dtype=torch.float64))
    ours, theirs = [w.data[0]], [v.item()]
    for _ in range(steps):
        w.grad, v.grad = cliff_backward(np.ones(1), w.data), None
        in_torch.cliff(v).sum().backward()
        if max_norm is not None:
            clip_grad_norm_(w, max_norm)
            torch.nn.utils.clip_grad_norm_(v, max_norm)
        w -= lr * w.grad
        with torch.no_grad():
            v -= lr * v.grad
        ours.append(w.data[0])
        theirs.append(v.item())
    return np.array(ours), np.array(theirs)


def over_the_cliff(lr: float = 1e-4, steps: int = 150, max_norm: float = 10.0) -> Figure:
    """The loss of a chain of one unit, and two walks from the wall."""
    clipped, plain = along_the_cliff(lr, steps, max_norm), along_the_cliff(lr, 2, None)
    fig, axes = figure(
        f"Fifty linear layers of one unit, all with the weight w. Below {unbroken('w = 1')} the loss is a plain, above it a wall. The "
        f"gradient at {unbroken('w = 1.08')} (dots) is so long that the first step of plain gradient descent leads from the wall to "
        f"{unbroken(f'w = {plain[0][1]:.3g}')}, far below the picture, and the second to a loss that is too large for any number. With the "
        f"gradient clipped to length {max_norm:g} no step is longer than {lr * max_norm:g}: the walk goes the same way, and ends at "
        f"{unbroken(f'w = {clipped[0][-1]:.4f}')}.",
        columns=2,
        size=(4.4, 3.4),
    )
    w = np.linspace(0.85, 1.082, 501)
    axes[0, 0].plot(w, cliff(w), color="black")
    axes[0, 0].plot(1.08, cliff(np.array(1.08)), "o", color="black", markersize=8)
    axes[0, 0].set(title=f"The loss, {unbroken('(w⁵⁰ − 1)²')}", xlabel="w", ylabel="loss")
    ax = axes[0, 1]
    ours, theirs = (np.stack([np.arange(steps + 1), walked]) for walked in clipped)
    ax.plot(*theirs, **TORCH, label="clipped, torch")
    ax.plot(*ours, **BY_HAND, label="clipped, by hand")
    ax.plot([0, 1], plain[0][:2], color="black", label="not clipped: straight down")
    ax.plot(0, 1.08, "o", color="black", markersize=8)
    ax.axhline(1, color="black", linestyle=":", linewidth=1)
    ax.set(title="Two walks from the wall", xlabel="step", ylabel="w", ylim=(0.97, 1.1))
    ax.legend(loc="upper right", fontsize=8)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def above_the_lowest(losses: Sequence[float], run: Trained) -> np.ndarray:
    """How far each loss is above the lowest that a straight line can have, as a part of it."""
    x, y = run.data.split.train
    return np.array(losses) / loss(**forward(x, *normal_equation(x, y)), y=y) - 1


QUESTIONS = (
    by_size(
        "Standardised, it takes 506 steps to come within a thousandth of the lowest loss. How many with features = whitened and lr = 0.5?",
        lambda run: int(np.argmax(above_the_lowest(run.losses, run) < 1e-3)),
        *("1", 1.5, "about 20", 100, "about 500"),
        seen="it takes {}",
        why="Whitened features make the bowl round: minus the slope points straight at its lowest place, and with this lr a step ends "
        "there.",
        model={"lr": 0.5},
        data={"features": "whitened"},
        trainer={"max_epochs": 20},
    ),
    by_size(
        "features = raw, in their own units, with half of the longest possible step. How far above the lowest is the loss after 300 steps?",
        lambda run: float(above_the_lowest(run.losses[-1:], run)[0]),
        *("less than 1 %", 0.01, "about 40 %", 1.0, "several times as high"),
        seen="{:.0%} above it",
        why="After one step the steep direction is done, and with it most of the loss. The flat ones get the same short steps, and take "
        "millions.",
        model={"lr": 6.78e-6},
        data={"features": "raw"},
        trainer={"max_epochs": 300},
        look_at=("steps to the same loss", "how the curve of the raw features falls at once, and then hardly at all."),
    ),
)

MISTAKE = Mistake(
    "The line is the same in whatever units, so units do not matter to the training.",
    lambda run: (
        f"In their own units, with the step size that suits standardised features, the loss is {run.losses[0]:.3g} at the first step, "
        f"{run.losses[1]:.2g} at the second and {run.losses[-1]:.1g} at step {len(run.losses)}."
    ),
    lambda run: growth(run) > 1e6,
    "The lowest place is the same line; the way there is not. A feature in large numbers makes the loss steep along its weight.",
    data={"features": "raw"},
    trainer={"max_epochs": 30},
)

TWIN = Twin(
    name="conditioning",
    manual=Manual,
    torch=Torch,
    data=Scaled,
    names=NAMES,
    needs=("linear_regression", "svd"),
    trainer={"max_epochs": 1200, "check_val_every_n_epoch": 100},
    options={"data.features": "raw"},
    sgd_lr=0.2,
    figures=figures,
    learned=learned,
    look_at=("steps to the same loss", "where each curve crosses the dotted line: only the features' units and axes differ."),
    text={"steps and the condition number": TEXT},
    further=("a deep chain", "a cliff"),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("bowl_condition_backward", ("κ is a square.",)), Exercise("standardise_backward")),
)

if __name__ == "__main__":
    run("conditioning")
