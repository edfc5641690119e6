"""Conditioning: raw and standardised features, deep chains and a cliff

Least squares on the diabetes data with four kinds of features: in their own units it takes 56,828 steps to come within a tenth of the
lowest loss, standardised 8, and both sides take as many as the curvatures of the loss foretell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, split_at_random, standardise
from experiments.data.diabetes import diabetes
from experiments.drawing.figure import BY_HAND, TORCH, draw_both, figure
from experiments.drawing.walk import walk
from experiments.drawing.weights import as_row
from experiments.judge.convert import to_numpy, to_torch
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
COLOURS = dict(zip(FEATURES, ("#d1495b", "#edae49", "#00798c", "#3d5a80"), strict=True))

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
    return {
        "steps to the same loss": steps_to_the_loss(bowls),
        "curvatures": curvatures(bowls),
        "a deep chain": chains(),
        "a cliff": over_the_cliff(),
    }


def steps_to_the_loss(bowls: Mapping[str, tuple[np.ndarray, ...]], steps: int = 600) -> Figure:
    """The loss above the lowest against the step, as trained and as foretold."""
    needed = {name: steps_foretold(x, y, 0.1) for name, (x, y) in bowls.items()}
    fig, axes = figure(
        "Least squares on the diabetes data for four kinds of features, each with half of the longest possible step. How far the loss is "
        f"above the lowest, as a fraction of it: torch (bands) and by hand (dashes) for {steps:,} steps, and as foretold from the "
        "curvatures alone (thin lines), as far as one likes. To come within a tenth (dotted) takes "
        + ", ".join(f"{name} {count:,} step{'s' if count > 1 else ''}" for name, count in needed.items())
        + ". Only the features' units, origin and axes were changed: the line that is found is the same. Whitened features curve the loss "
        "alike in all directions, so that a single step leads to the lowest point (below the picture).",
        size=(7.4, 4.2),
    )
    ax = axes[0, 0]
    k = np.unique(np.geomspace(1, 3e8, 400).round())
    for name, (x, y) in bowls.items():
        lr, lowest = half_the_limit(x), loss(**forward(x, *normal_equation(x, y)), y=y)
        ax.plot(k, foretold(x, y, k), color="black", linewidth=0.6)
        curves = []
        for path in walk(Manual(lr), Torch(lr), (x, y), steps, NAMES):
            above = [loss(**forward(x, W, b), y=y) / lowest - 1 for W, b in zip(path["W"][1:], path["b"][1:], strict=True)]
            curves.append(np.stack([np.arange(1, steps + 1), np.where(np.array(above) > 1e-13, above, np.nan)]))
        ours, theirs = curves
        draw_both(ax, ours, theirs, f"{name}, κ = {bowl_condition(x):,.0f}", COLOURS[name])
    ax.axhline(0.1, color="black", linestyle=":", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="step", ylabel="loss above the lowest, as a fraction", ylim=(1e-9, 20), xlim=(1, 3e8))
    ax.legend(loc="lower right", fontsize=8)
    return fig


def curvatures(bowls: Mapping[str, tuple[np.ndarray, ...]]) -> Figure:
    """The eigenvalues of the Hessian of each bowl, over the largest."""
    fig, axes = figure(
        "How much the loss curves along each of its eleven principal directions, the most along each set to 1. The largest curvature "
        "decides how long a step may be; in a direction that curves a millionth of that, each step makes a millionth of the way. From left "
        "to right: raw, the eleven are spread over nearly eight powers of ten (that is the condition number κ); without the means over "
        "nearly five; divided by the standard deviations over less than three, and ten of them within two; uncorrelated, all are alike.",
        size=(6.4, 3.4),
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
    return fig


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
        f"A chain of {depth} layers of {n} units. Left and middle: the length of the gradient at each depth, as a multiple of what it is "
        "behind the last layer, for random weights of three sizes and for orthogonal ones (bands are torch, dashes by hand). It is made "
        "from right to left. Linear layers multiply it by the size of the weights each time: half vanishes, one and a half explodes "
        "(thin lines: scale to the power of the layers), and what only turns keeps it. tanh cannot explode as fast, since its slope "
        "falls where it is large, and even orthogonal weights lose some. Right: the condition number of ∂h[l]/∂h[0] of linear chains. "
        "Random weights, of whatever scale, squash more and more directions, until no digit is left (10^16); turning squashes none.",
        columns=3,
        size=(4.1, 3.5),
    )
    layers = np.arange(depth + 1)
    for scale, colour in zip((*SCALES, None), ("#3d5a80", "#00798c", "#d1495b", "#edae49"), strict=True):
        W, label = weights(scale, n, depth), "orthogonal" if scale is None else f"scale {scale:g}"
        for ax, activation in zip(axes[0, :2], ("linear", "tanh"), strict=True):
            ours = chain_gradients(g, h, W, activation)
            theirs = to_numpy(in_torch.chain_gradients(to_torch(g), to_torch(h), to_torch(W), activation))
            a, b = (np.stack([layers, np.linalg.norm(G, axis=(1, 2)) / np.linalg.norm(g)]) for G in (ours, theirs))
            draw_both(ax, a, b, label, colour)
            if activation == "linear" and scale is not None:
                ax.plot(layers, scale ** (depth - layers).astype(float), color="black", linewidth=0.6)
        if scale in (1.0, None):
            J = chain_jacobians(h[0], W, "linear")[::10]
            axes[0, 2].plot(layers[::10], [cond(each) for each in J], "o-", color=colour, markersize=3)
    for ax, name in zip(axes[0, :2], ("linear", "tanh"), strict=True):
        ax.set(title=name, xlabel="layer", ylabel="length of the gradient", yscale="log", ylim=(1e-17, 1e11))
    axes[0, 0].legend(loc="lower right", fontsize=8)
    axes[0, 2].set(title="linear", xlabel="layer", ylabel="condition number of ∂h[l]/∂h[0]", yscale="log")
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
        "Left: the loss (w⁵⁰ − 1)² of fifty linear layers of one unit, all with the weight w. Below 1 it is a plain, above 1 a wall. "
        "Right: two walks from w = 1.08 (dot). The gradient there is so long that the first step of plain gradient descent leads from "
        f"the wall to w = {plain[0][1]:.3g}, far below the picture, and with the second step the loss is too large for any number. With "
        f"the gradient clipped to length {max_norm:g} (band: torch, dashes: by hand) no step is longer than {lr * max_norm:g}. Its "
        f"direction was right all the time, and the walk ends at w = {clipped[0][-1]:.4f}.",
        columns=2,
        size=(4.2, 3.2),
    )
    w = np.linspace(0.85, 1.082, 501)
    axes[0, 0].plot(w, cliff(w), color="black")
    axes[0, 0].plot(1.08, cliff(np.array(1.08)), "o", color="#d1495b")
    axes[0, 0].set(xlabel="w", ylabel="loss")
    ax = axes[0, 1]
    ours, theirs = (np.stack([np.arange(steps + 1), walked]) for walked in clipped)
    ax.plot(*theirs, **TORCH, label="clipped, torch")
    ax.plot(*ours, **BY_HAND, label="clipped, by hand")
    ax.plot([0, 1], plain[0][:2], color="black", label="not clipped")
    ax.plot(0, 1.08, "o", color="#d1495b")
    ax.axhline(1, color="black", linestyle=":", linewidth=1)
    ax.set(xlabel="step", ylabel="w", ylim=(0.97, 1.1))
    ax.legend(loc="upper right", fontsize=8)
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

- `--data.features raw --model.lr 0.00000678`: the gorge. After 1,200 steps the loss is still a fifth above the lowest.
- `--data.features whitened --model.lr 0.5`: one step.
- `--data.features raw`: with the step size of the standardised features each step leads up the other wall. At step 36 the loss is too large
  for a number, and the run stops with exit status 1.
- `--data.features raw --trainer.gradient_clip_val 1`: clipped, it cannot explode. It bounces about the gorge, since its steps are too long
  to come down.
"""

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
    text={"steps and the condition number": TEXT},
)

if __name__ == "__main__":
    run("conditioning")
