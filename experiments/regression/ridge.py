"""Short weights: ridge regression, weight decay, and what shrinks

On the diabetes data again, but with a price on the size of the weights, both sides arrive at the closed form and at scikit-learn's Ridge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.changes import first_columns
from experiments.data.diabetes import FEATURES, SPELLED_OUT, Diabetes
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure, unbroken
from experiments.drawing.labels import label_ends
from experiments.drawing.weights import as_row, draw_weights, three_times
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from experiments.regression.linear_regression import explains
from manual.concept import Batch
from manual.regression.linear_regression import normal_equation
from manual.regression.ridge import Ridge as Manual
from manual.regression.ridge import effective_degrees_of_freedom, loss, shrinkage, solution
from torch_impl.regression.ridge import Ridge as Torch
from torch_impl.regression.ridge import solution as solution_in_torch

NAMES = {"W": "linear.weight.T", "b": "linear.bias"}
"""What the parameters are called in torch."""

ALPHAS = np.logspace(-4, 2, 61)
"""The prices of a path."""


def by_sklearn(x: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """scikit-learn's p = [W; b], (D+1,); its alpha is for the sum over rows, ours for the mean."""
    from sklearn.linear_model import Ridge

    fitted = Ridge(alpha=alpha * len(x)).fit(x, y[:, 0])
    return np.append(fitted.coef_, fitted.intercept_)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    x, y = data.split.train
    return OnDemand(
        {
            "path over alpha": lambda: path(x, y, manual.alpha),
            "circle and diamond": lambda: circle_and_diamond(x[:, [2, 7]], y),
            "too free and too stiff": lambda: held_out(data),
            "what shrinks": lambda: what_shrinks(x),
            "weights against scikit-learn": lambda: weights(manual, torch_module, x, y),
        }
    )


def draw_paths(ax: Any, alphas: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Each weight against alpha, on both sides, with its name spelt out beside its left end.

    Args:
        ax: where to draw.
        alphas: (A,).
        ours, theirs: the weights by hand and in torch, (A, 10 or more).
    """
    colours = [CATEGORIES[i] for i in (0, 1, 2, 3, 4, 5, 0, 1, 4, 3)]  # neighbours have different ones
    for i, colour in enumerate(colours):
        draw_both(ax, np.stack([alphas, ours[:, i]]), np.stack([alphas, theirs[:, i]]), f"_{FEATURES[i]}", colour)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xscale="log", xlabel="alpha", xlim=(alphas[0], alphas[-1]))
    label_ends(ax, {name: (alphas[0], ours[0, i], colours[i]) for i, name in enumerate(SPELLED_OUT)}, left=True)
    ax.set_ylabel("weight")


def path(x: np.ndarray, y: np.ndarray, trained: float) -> Figure:
    """Every weight against alpha, on both sides, and scikit-learn's."""
    fig, axes = figure(
        "The ten weights against the price alpha (bands: torch, dashes: by hand, crosses: scikit-learn). At the left, almost free of "
        "charge, s1 and s2 are large and opposite: they nearly say the same, and what one adds the other takes away. A small price "
        f"ends that. Further right all shrink towards 0, but none ever is 0. Dotted: {unbroken(f'alpha = {trained:g}')}, that of this "
        "run.",
        size=(8.0, 4.4),
    )
    ax = axes[0, 0]
    tx, ty = to_torch((x, y))
    ours = np.stack([as_row(*solution(x, y, float(alpha))) for alpha in ALPHAS])
    theirs = np.stack([as_row(*(v.numpy() for v in solution_in_torch(tx, ty, float(alpha)))) for alpha in ALPHAS])
    every = slice(3, None, 9)
    ax.plot(ALPHAS[every], np.stack([by_sklearn(x, y, float(alpha))[:-1] for alpha in ALPHAS[every]]), "x", color="black", markersize=4)
    if trained > 0:
        ax.axvline(trained, color="black", linestyle=":", linewidth=1)
    draw_paths(ax, ALPHAS, ours, theirs)
    ax.set_title("Ridge: the ten weights against their price")
    return fig


def circle_and_diamond(x: np.ndarray, y: np.ndarray) -> Figure:
    """The contours of the squared error, and the first one that touches a circle, or a diamond."""
    from sklearn.linear_model import Lasso

    best = as_row(*normal_equation(x, y))
    fig, axes = figure(
        "Two weights, of body mass (bmi) and cholesterol/HDL (s4). The grey rings join weights of equal squared error around least squares "
        f"(cross). Ridge keeps the weights inside a circle, {unbroken('W₁² + W₂² ≤ r²')}, lasso inside a diamond, "
        f"{unbroken('|W₁| + |W₂| ≤ r')}. The best that is allowed (dot) is where the smallest ring (thick) touches: anywhere on the "
        "circle, but often at a corner of the diamond, where one weight is exactly 0.",
        columns=2,
        size=(4.4, 3.9),
        sharex=True,
        sharey=True,
    )
    ws = np.linspace(-28, 48, 161), np.linspace(-28, 36, 141)
    centred = x - x.mean(axis=0)
    grid = np.stack(np.meshgrid(*ws), axis=-1)
    error = ((grid @ centred.T - (y - y.mean())[:, 0]) ** 2).mean(axis=-1)
    ridge = solution(x, y, 1.0)[0][:, 0]
    lasso = Lasso(alpha=26.0).fit(x, y[:, 0]).coef_
    corners = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    shapes = (
        ("ridge: a circle", ridge, Circle((0, 0), float(np.linalg.norm(ridge)), alpha=0.3, color=CATEGORIES[1])),
        (
            "lasso: a diamond",
            lasso,
            Polygon(np.abs(lasso).sum() * corners, alpha=0.3, color=CATEGORIES[1]),
        ),
    )
    for ax, (name, W, shape) in zip(axes[0], shapes, strict=True):
        touched = loss(centred, y - y.mean(), W[:, None], np.zeros(1))
        ax.contour(*ws, error, levels=error.min() + (np.arange(1, 9) * 7.0) ** 2 * 2, colors="#bbbbbb", linewidths=0.8)
        ax.contour(*ws, error, levels=[touched], colors=CATEGORIES[0], linewidths=2)
        ax.add_patch(shape)
        ax.plot(*best[:2], "x", color="black", markersize=9)
        ax.plot(*W, "o", color="black", markersize=8, zorder=5)
        ax.axhline(0, color="black", linewidth=0.6)
        ax.axvline(0, color="black", linewidth=0.6)
        ax.set(title=f"{name}, W = ({W[0]:.1f}, {W[1]:.1f})", xlabel="weight of bmi", aspect="equal")
    axes[0, 0].set_ylabel("weight of s4")
    return fig


def held_out(data: ArrayData, rows: int = 20) -> Figure:
    """The squared error on both parts of the data, against alpha, where only a few rows are fitted."""
    (x, y), (x_val, y_val) = data.split.train, data.split.val
    x, y = x[:rows], y[:rows]
    solved = [solution(x, y, float(alpha)) for alpha in ALPHAS]
    mse = np.array([[loss(x, y, *p), loss(x_val, y_val, *p)] for p in solved])
    best = int(mse[:, 1].argmin())
    fig, axes = figure(
        f"What the price is for: only {rows} of the people are fitted here, with ten weights each, so that much of what least squares "
        "finds is chance. On the fitted rows every price makes the error larger. "
        f"On the {len(x_val)} people who were held out it helps, up to {unbroken(f'alpha = {ALPHAS[best]:.1g}')} (dot). Too high a price "
        "harms both: in the end all weights are 0, and everybody is guessed to be the mean.",
        size=(6.8, 3.6),
    )
    ax = axes[0, 0]
    ax.plot(ALPHAS, mse[:, 0], color=CATEGORIES[1])
    ax.plot(ALPHAS, mse[:, 1], color=CATEGORIES[0])
    ax.plot(ALPHAS[best], mse[best, 1], "o", color=CATEGORIES[0])
    ax.set(title="Too free and too stiff", xscale="log", xlabel="alpha", ylabel="mean squared error", ylim=(0, None))
    label_ends(ax, {name: (ALPHAS[-1], mse[-1, k], CATEGORIES[1 - k]) for k, name in enumerate(("fitted rows", "held-out rows"))})
    return fig


# ---- further reading: what shrinks, and the weights beside scikit-learn's ----------------------------


def what_shrinks(x: np.ndarray) -> Figure:
    """The factor of each singular direction, for three prices."""
    s = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    fig, axes = figure(
        f"The data form a cloud of {len(x)} points in ten dimensions. A dot is one of its ten directions, by how far the cloud reaches "
        f"(its singular value s). Ridge multiplies the weight of least squares along it by {unbroken('f = s² / (s² + N alpha)')}: nearly "
        "1 where the cloud is long, near 0 where it is flat and least squares has little to go by. The ten factors' sum is the number of "
        "weights that are in effect free.",
        size=(7.6, 3.8),
    )
    ax, line = axes[0, 0], np.linspace(0.01, s.max() * 1.05, 300)
    ends: dict[str, tuple[float, float, str]] = {}
    for alpha, colour in zip((0.005, 0.05, 0.5, 5.0), CATEGORIES, strict=False):
        c = alpha * len(x)
        free = effective_degrees_of_freedom(x, alpha)
        ax.plot(line, shrinkage(line, c), color=colour)
        ends[f"alpha = {alpha:g}:\n{free:.1f} of {len(s)} free"] = (line[-1], float(shrinkage(line[-1:], c)[0]), colour)
        ax.plot(s, shrinkage(s, c), "o", color=colour, markersize=5)
    ax.set(title="What shrinks", xlabel="singular value s", ylabel="factor f(s)", ylim=(-0.03, 1.05), xlim=(0, line[-1]))
    label_ends(ax, ends, lines=2)
    return fig


def weights(manual: Manual, torch_module: Torch, x: np.ndarray, y: np.ndarray) -> Figure:
    """The weights of both sides beside scikit-learn's, and least squares'."""
    sklearn = by_sklearn(x, y, manual.alpha)
    fig, axes = figure(
        f"The trained weights, three times the same: {three_times(manual, torch_module, sklearn, NAMES)} The circles are least squares: "
        "ridge has shortened s1 and s2 most, which nearly say the same.",
        size=(8.2, 3.8),
    )
    ax = axes[0, 0]
    ax.plot(
        range(x.shape[1]),
        normal_equation(x, y)[0],
        "o",
        markerfacecolor="none",
        markeredgecolor="black",
        markersize=9,
        label="least squares",
    )
    draw_weights(ax, manual, torch_module, sklearn, FEATURES, NAMES)
    ax.set(title="The ten weights", ylabel="weight (progression per standard deviation)")
    return fig


# ---- text ----------------------------------------------------------------------------------------------

TEXT = """
alpha here is the price per unit of the mean squared error, so that it means the same for a batch of any size. scikit-learn's `Ridge`
adds up over the rows instead: its alpha is N times this one. `torch.optim.SGD(weight_decay=...)` adds `weight_decay · W` to the
gradient: it is 2 alpha. Given `self.parameters()` it makes b pay too; to keep b free, give it two groups:

    SGD([{"params": [linear.weight], "weight_decay": 2 * alpha}, {"params": [linear.bias]}], lr)

Things to try:

- `--model.alpha 0`: least squares; the same weights as in `linear_regression`.
- `--model.momentum 0`: the price also makes the valley less flat. After 600 plain steps the weights are within 0.01 % of where they belong;
  those of least squares were still 4 % off.
"""


def learned(run: Trained) -> str:
    """How long the weights are, and what they explain."""
    length, free = (float(np.linalg.norm(W)) for W in (run.manual.W.data, normal_equation(*run.data.split.train)[0]))
    return (
        f"At a price of {run.manual.alpha:g} the weights are {length:.1f} long; those of least squares are {free:.1f}. The line "
        f"{explains(run)}."
    )


# ---- to do ---------------------------------------------------------------------------------------------


def shrunk(run: Trained) -> float:
    """The length of the weights, as a part of that of least squares."""
    return float(np.linalg.norm(run.manual.W.data) / np.linalg.norm(normal_equation(*run.data.split.train)[0]))


DEAR = {"model": {"alpha": 1.0}, "trainer": {"max_epochs": 100}}

QUESTIONS = (
    by_size(
        "alpha = 1, twenty times the price. How long are the weights, beside those of least squares?",
        shrunk,
        *("next to nothing", 0.1, "about a third as long", 0.7, "nearly as long"),
        seen="{:.2f} times as long",
        why="Where the data vary much a shorter weight costs much error, so little is given up; where they vary little it is given up at "
        "once.",
        **DEAR,
        look_at=("path over alpha", "how long each weight is at the dotted line, and what it was at the left."),
    ),
    by_size(
        "R² is 0.52 for people who were held out. To what does this price bring it?",
        lambda run: run.metrics["r2/val"],
        *("to below 0.3", 0.3, "to something above 0.3", 0.51, "it stays"),
        seen="to {:.2f}",
        why="What shrank most was the large weights of s1 and s2 that cancelled each other: they were of little use.",
        **DEAR,
    ),
    by_size(
        "How many of the ten weights does this price make exactly 0?",
        lambda run: int((run.manual.W.data == 0).sum()),
        *("none", 0.5, "some", 9.5, "all"),
        seen="{}",
        why="The price is α w², whose slope 2 α w fades as w comes near 0: the last bit is never worth giving up.",
        **DEAR,
        look_at=("circle and diamond", "that the contours meet the circle beside an axis, not on it."),
    ),
)


class PricedBias(Manual):
    """The line whose b pays for its size too."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        L = loss(x, y, self.W, self.b, self.alpha) + self.alpha * (self.b**2).sum()
        self.save(x, y)
        self.log("loss/train", L)
        return float(L)

    def backward(self, dL_dloss: float = 1.0) -> None:
        super().backward(dL_dloss)
        self.b.grad += dL_dloss * 2 * self.alpha * self.b


class PricedBiasInTorch(Torch):
    """The same in torch, as weight_decay of all parameters does it."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        x, y = batch
        L = self.mse(self(x), y) + self.alpha * sum((p**2).sum() for p in self.parameters())
        self.log("loss/train", L)
        return L


def too_low(run: Trained) -> float:
    """How far below the mean of y the guesses are, on average, on the people they were learned from."""
    x, y = run.data.split.train
    return float((y - run.manual(x)).mean())


MISTAKE = Mistake(
    "Weights are to be small, and b is a weight like any other.",
    lambda run: (
        f"With b paying its price too, the guesses are {too_low(run):.0f} too low on average, where the mean is "
        f"{run.data.split.train[1].mean():.0f}: b is {run.manual.b[0]:.0f}. On people who were held out R² is {run.metrics['r2/val']:.2f}."
    ),
    lambda run: run.agree and too_low(run) > 30,
    "A large weight may be chance that cancels; a large b only says how high y is on average. Every guess needs it, so it is left free.",
    model={"alpha": 0.5},
    trainer={"max_epochs": 100},
    manual=PricedBias,
    torch=PricedBiasInTorch,
)

TWIN = Twin(
    name="ridge",
    manual=Manual,
    torch=Torch,
    data=Diabetes,
    names=NAMES,
    needs=("linear_regression",),
    trainer={"max_epochs": 600, "check_val_every_n_epoch": 50},
    variants={"least squares": {"alpha": 0.0}},
    options={"features": Second(9, data=first_columns(9))},
    sgd_lr=0.2,
    figures=figures,
    learned=learned,
    look_at=("path over alpha", "s1 and s2: large and opposite at the left, and what a small price does to them."),
    text={"alpha": TEXT},
    further=("what shrinks", "weights against scikit-learn"),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("loss_backward"), Exercise("effective_degrees_of_freedom_backward")),
)

if __name__ == "__main__":
    run("ridge")
