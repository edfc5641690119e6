"""Few weights: the lasso, which sets to zero what is not needed

On the diabetes data with a price on the absolute values of the weights both sides arrive at scikit-learn's Lasso, at its zeros too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.changes import first_columns
from experiments.data.diabetes import FEATURES, Diabetes
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.weights import draw_weights, three_times
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from experiments.regression.linear_regression import explains
from experiments.regression.ridge import draw_paths
from manual import optim
from manual.regression import lasso as by_hand
from manual.regression.lasso import Lasso as Manual
from torch_impl.regression import lasso as in_torch
from torch_impl.regression.lasso import Lasso as Torch

NAMES = {"W": "linear.weight.T", "b": "linear.bias"}
"""What the parameters are called in torch."""

ALPHAS = np.logspace(-2, 2, 49)
"""The prices of a path."""


def by_sklearn(x: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """scikit-learn's p = [W; b], (D+1,)."""
    from sklearn.linear_model import Lasso

    fitted = Lasso(alpha=alpha, tol=1e-14, max_iter=1_000_000).fit(x, y[:, 0])
    return np.append(fitted.coef_, fitted.intercept_)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    x, y = data.split.train
    return OnDemand(
        {
            "path over alpha": lambda: path(x, y, manual.alpha),
            "soft threshold": lambda: thresholds(),
            "three ways down": lambda: three_ways(x, y, 0.5),
            "weights against scikit-learn": lambda: weights(manual, torch_module, x, y),
        }
    )


def path(x: np.ndarray, y: np.ndarray, trained: float) -> Figure:
    """Every weight against alpha, on both sides, and scikit-learn's."""
    highest = by_hand.alpha_max(x, y)
    tx, ty = to_torch((x, y))
    ours = np.stack([by_hand.coordinate_descent(x, y, float(alpha), 300)[-1] for alpha in ALPHAS])
    theirs = np.stack([in_torch.fista(tx, ty, float(alpha), 800)[-1].numpy() for alpha in ALPHAS])
    every = slice(3, None, 7)
    fig, axes = figure(
        "The ten weights against the price alpha (dashes: by hand, bands: torch, crosses: scikit-learn). Read from right to left: while it "
        "is dear all weights are 0; one after the other becomes worth its price and leaves 0, bmi and s5 first. Unlike ridge's they are "
        f"exactly 0 there, not nearly. Dotted: {unbroken(f'alpha = {trained:g}')}, that of this run, and {highest:.1f}, from which on all "
        "are 0.",
        size=(8.0, 4.4),
    )
    ax = axes[0, 0]
    ax.plot(ALPHAS[every], np.stack([by_sklearn(x, y, float(alpha))[:-1] for alpha in ALPHAS[every]]), "x", color="black", markersize=4)
    for alpha in (trained, highest):
        if alpha > 0:
            ax.axvline(alpha, color="black", linestyle=":", linewidth=1)
    draw_paths(ax, ALPHAS, ours, theirs)
    ax.set_title("Lasso: the ten weights against their price")
    return fig


def thresholds() -> Figure:
    """The soft threshold, and the compromise that it solves."""
    z = np.linspace(-3, 3, 241)
    fig, axes = figure(
        f"Left: whatever is within {unbroken('t = 1')} of 0 becomes exactly 0, everything else moves towards 0 by t (band: torch, "
        f"dashes: by hand, grey: no threshold). Right: why. Each curve is {unbroken('½ (w − z)² + |w|')} for one z: stay near z, but |w| "
        f"has its price. There is a kink at {unbroken('w = 0')}, and for {unbroken('|z| ≤ 1')} the kink is the lowest point (dots).",
        columns=2,
        size=(4.2, 3.6),
    )
    left, right = axes[0]
    left.plot(z, z, color="#bbbbbb", linewidth=1)
    left.plot(z, in_torch.soft_threshold(to_torch(z), 1.0).numpy(), label="torch", **TORCH)
    left.plot(z, by_hand.soft_threshold(z, 1.0), label="by hand", **BY_HAND)
    left.set(title="The soft threshold", xlabel="z", ylabel="soft threshold of z", aspect="equal")
    left.legend(fontsize=8)
    for at, colour in zip((0.6, 1.0, 2.2), CATEGORIES, strict=False):
        best = by_hand.soft_threshold(np.array(at), 1.0)
        right.plot(z, (z - at) ** 2 / 2 + abs(z), color=colour, label=f"z = {at}")
        right.plot(best, (best - at) ** 2 / 2 + abs(best), "o", color=colour)
    right.set(title="What it is the lowest point of", xlabel="w", ylabel="½ (w − z)² + |w|", ylim=(0, 4), xlim=(-2, 3))
    right.legend(fontsize=8)
    return fig


# ---- further reading: three ways down, and the weights beside scikit-learn's -------------------------


def three_ways(x: np.ndarray, y: np.ndarray, alpha: float) -> Figure:
    """How far ISTA, FISTA and coordinate descent are from the lowest L, step by step."""
    steps = 500
    lowest = by_hand.coordinate_descent(x, y, alpha, 3000)[-1]
    fig, axes = figure(
        f"How far L is above its lowest value at {unbroken(f'alpha = {alpha:g}')}, against the number of steps (bands: torch, dashes: by "
        "hand). A step of ISTA or FISTA looks at all rows once, and so does a round of coordinate descent, which goes through the ten "
        "weights one by one. FISTA's momentum overshoots now and then (bumps) and is ahead of ISTA all the same. Below 1e-11 there is "
        "nothing but rounding.",
        size=(6.8, 3.8),
    )
    for name, colour in zip(("ista", "fista", "coordinate_descent"), CATEGORIES, strict=False):
        paths = getattr(by_hand, name)(x, y, alpha, steps), getattr(in_torch, name)(*to_torch((x, y)), alpha, steps).numpy()
        above = [[at(p, x, y, alpha) - at(lowest, x, y, alpha) for p in walked] for walked in paths]
        ours, theirs = (np.stack([np.arange(steps + 1), np.maximum(a, 1e-12)]) for a in above)
        draw_both(axes[0, 0], ours, theirs, name.replace("_", " "), colour)
    axes[0, 0].set(title="Three ways down", xlabel="step", ylabel="L above its lowest", yscale="log")
    axes[0, 0].legend(fontsize=8)
    return fig


def at(p: np.ndarray, x: np.ndarray, y: np.ndarray, alpha: float) -> float:
    """L at p = [W; b]."""
    return float(by_hand.loss(x, y, p[:-1, None], p[-1:], alpha))


def weights(manual: Manual, torch_module: Torch, x: np.ndarray, y: np.ndarray) -> Figure:
    """The weights of both sides beside scikit-learn's."""
    sklearn = by_sklearn(x, y, manual.alpha)
    zeros = [name for name, w in zip(FEATURES, manual.W[:, 0], strict=True) if w == 0]
    fig, axes = figure(
        f"The trained weights, three times the same: {three_times(manual, torch_module, sklearn, NAMES)} "
        f"Exactly 0 on all three: {', '.join(zeros) or 'none'}. Each of these would earn less than its price.",
        size=(8.2, 3.8),
    )
    draw_weights(axes[0, 0], manual, torch_module, sklearn, FEATURES, NAMES)
    axes[0, 0].set(title="The ten weights", ylabel="weight (progression per standard deviation)")
    return fig


# ---- text ----------------------------------------------------------------------------------------------

TEXT = """
Things to try:

- `--model.alpha 30`: which weight is the last?
- `--model.alpha 0`: no threshold: least squares by plain gradient descent.
- `--model.lr 0.6`: over the limit 2/λmax = 0.506; it flies apart.
"""


def learned(run: Trained) -> str:
    """Which weights are 0, and what the others explain."""
    W = run.manual.W.data
    return f"At a price of {run.manual.alpha:g}, {np.sum(W == 0)} of {W.size} weights are exactly 0, and the line {explains(run)}."


# ---- to do ---------------------------------------------------------------------------------------------


SHORT = {"max_epochs": 100}


def zeros(run: Trained) -> int:
    """How many weights are exactly 0."""
    return int((run.manual.W.data == 0).sum())


QUESTIONS = (
    by_size(
        "alpha = 10, five times the price. How many of the ten weights are exactly 0?",
        zeros,
        *("none: they only become small", 0.5, "about half", 8.5, "all"),
        seen="{} of them",
        why="The price is α abs(w), whose slope is α however small w is. A feature that is worth less than that is not bought at all.",
        model={"alpha": 10.0},
        trainer=SHORT,
        look_at=("path over alpha", "which weights have left 0 at the dotted line."),
    ),
    by_size(
        "With all ten, least squares explains 52 % of the variance for people who were held out. How much do the weights that are left "
        "explain?",
        lambda run: run.metrics["r2/val"],
        *("less than 20 %", 0.2, "about 35 %", 0.42, "nearly as much"),
        seen="{:.0%}",
        why="Features repeat each other: the few that are left say most of what all ten had said.",
        model={"alpha": 10.0},
        trainer=SHORT,
    ),
    by_size(
        "alpha = 50: what does it then say of a person?",
        zeros,
        *("something that depends on all ten features", 0.5, "something that depends on a few", 9.5, "the same of everybody"),
        seen="{} of the ten weights are exactly 0",
        why="No feature is worth that much. b has no price, so everybody is guessed to be the mean.",
        model={"alpha": 50.0},
        trainer=SHORT,
    ),
)


class PlainDescent(Manual):
    """Gradient descent on all of L, the kink included."""

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, y = self.restore()
        dL_dW, dL_db = by_hand.loss_backward(dL_dloss, x, y, self.W, self.b, self.alpha)
        self.W.grad += dL_dW
        self.b.grad += dL_db

    def configure_optimizers(self) -> Any:
        return optim.SGD(self.parameters(), lr=self.lr)


class PlainDescentInTorch(Torch):
    """The same in torch, where autograd goes through abs()."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        x, y = batch
        L = self.mse(self(x), y) / 2 + self.alpha * self.linear.weight.abs().sum()
        self.log("loss/train", L)
        return L

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


MISTAKE = Mistake(
    "The price goes into the loss, alpha · abs(W).sum(), and gradient descent does the rest.",
    lambda run: (
        f"By plain gradient descent on all of L {zeros(run)} of the ten weights are exactly 0; the smallest is "
        f"{np.abs(run.manual.W.data).min():.2f} in size, and jumps over 0 to and fro."
    ),
    lambda run: run.agree and zeros(run) == 0,
    "The price is as steep close to 0 as anywhere, so every step passes it. The threshold stops there: that is where zeros come from.",
    trainer=SHORT,
    manual=PlainDescent,
    torch=PlainDescentInTorch,
)

TWIN = Twin(
    name="lasso",
    manual=Manual,
    torch=Torch,
    data=Diabetes,
    names=NAMES,
    needs=("ridge",),
    trainer={"max_epochs": 400, "check_val_every_n_epoch": 50},
    variants={"least squares": {"alpha": 0.0}, "few weights": {"alpha": 10.0}},
    options={"features": Second(9, data=first_columns(9))},
    of_the_optimizer=lambda ours: ours.alpha * float(np.abs(ours.W).sum()),
    sgd_lr=0.4,
    figures=figures,
    learned=learned,
    look_at=("path over alpha", "from right to left: one weight after the other leaves 0."),
    text={"things to try": TEXT},
    further=("three ways down", "weights against scikit-learn"),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("soft_threshold_backward"), Exercise("loss_backward")),
)

if __name__ == "__main__":
    run("lasso")
