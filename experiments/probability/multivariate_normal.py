"""The Normal distribution in D dimensions: ellipses, and the root of a covariance

Both sides lay a two-dimensional bell around the sepals of 40 iris flowers, by climbing to the largest likelihood, and arrive at the mean
and the covariance of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split, split_at_random, standardise
from experiments.data.changes import first_columns
from experiments.drawing.colours import AMOUNT, shades
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.walk import Path, walk
from experiments.drawing.words import in_words
from experiments.drawing.written import write
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.linear_algebra.matrices import substitute
from manual.probability import multivariate_normal as by_hand
from manual.probability.distributions import standard_normal
from manual.probability.multivariate_normal import MultivariateNormal as Manual
from torch_impl.probability.multivariate_normal import MultivariateNormal as Torch
from torch_impl.probability.multivariate_normal import log_prob as log_prob_in_torch


class Sepals(ArrayData):
    """Length and width of the sepals of 50 flowers of one kind, Iris setosa, standardised; ten of them are held out.

    Args:
        batch_size: flowers in a batch; 0 puts all of them into one.
        seed: of the split and of the order.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        from sklearn.datasets import load_iris

        setosa = load_iris().data[:50, :2]
        return standardise(split_at_random((setosa,), 0.2, self.seed))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Sepals) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "the ellipses that were found": lambda: found_ellipses(manual, torch_module, data),
            "a circle, stretched and slanted": lambda: stretched_and_slanted(),
            "no longer positive definite": lambda: less_and_less_definite(),  # further reading
            "on the way": lambda: on_the_way(data),
        }
    )


def ellipse(loc: np.ndarray, scale_tril: np.ndarray, radius: float) -> np.ndarray:
    """The points loc + L z with ‖z‖ = radius, (2, 181)."""
    angle = np.linspace(0, 2 * np.pi, 181)
    return loc[:, None] + scale_tril @ (radius * np.stack([np.cos(angle), np.sin(angle)]))  # (2, 2) @ (2, 181)


def inside(x: np.ndarray, loc: np.ndarray, scale_tril: np.ndarray, radius: float) -> float:
    """The fraction of rows for which ‖z‖ is below this."""
    z = substitute(scale_tril, (x - loc).T)  # (2, N)
    return float(((z**2).sum(axis=0) < radius**2).mean())


def found_ellipses(manual: Manual, torch_module: Torch, data: Sepals) -> Figure:
    """The flowers, and the ellipses of both sides around them."""
    (x,), (x_val,) = data.split.train, data.split.val
    ours = manual.loc.data, by_hand.lower_cholesky(manual.raw.data)
    theirs = to_numpy(torch_module.loc), by_hand.lower_cholesky(to_numpy(torch_module.raw))
    L = ours[1]
    correlation = L[1, 0] / np.hypot(*L[1])
    fig, axes = figure(
        f"{len(x)} flowers (dots; crosses: held out), by the length and width of a sepal in standard deviations, and the bell that "
        f"makes them most probable. Long sepals are wide ones (correlation {correlation:.2f}), so the ellipses slant. Within the inner "
        f"one {unbroken('‖z‖ < 1')}, within the outer {unbroken('‖z‖ < 2')}: that holds for {1 - np.exp(-0.5):.0%} and "
        f"{1 - np.exp(-2):.0%} if flowers follow the bell, and for {inside(x, *ours, 1):.0%} and {inside(x, *ours, 2):.0%} of these.",
        size=(5.2, 4.2),
    )
    ax = axes[0, 0]
    for radius in (1, 2):
        label = {"label": "torch"} if radius == 1 else {}
        ax.plot(*ellipse(*theirs, radius), **TORCH, **label)
        ax.plot(*ellipse(*ours, radius), **BY_HAND, **({"label": "by hand"} if radius == 1 else {}))
    ax.plot(*x.T, "o", color="black", markersize=4)
    ax.plot(*x_val.T, "x", color="black", markersize=6)
    ax.set(title="two contours of the bell", xlabel="length of the sepal", ylabel="width of the sepal", aspect="equal")
    ax.legend(loc="upper left", fontsize=9)
    return fig


def stretched_and_slanted(n: int = 800) -> Figure:
    """A round cloud, and the same points seen through L."""
    loc, covariance = np.array([1.0, 0.5]), np.array([[2.25, 1.2], [1.2, 1.0]])
    L = by_hand.cholesky(covariance)
    z = standard_normal((n, 2), np.random.default_rng(0))
    x = loc + z @ L.T  # (n, 2) @ (2, 2)
    seen = np.cov(x.T, bias=True)
    fig, axes = figure(
        f"{n} points of a round cloud, z, and the same points, in the same colours, as {unbroken('loc + L z')}. The arrows are the "
        "columns of L: where one step to the right and one step up have gone. The second points straight up, because L is 0 above its "
        f"diagonal. {unbroken(f'L = [[{L[0, 0]:g}, 0], [{L[1, 0]:g}, {L[1, 1]:g}]]')} is the root of the covariance "
        f"{unbroken('[[2.25, 1.2], [1.2, 1]]')}; that of the points is "
        + unbroken(f"[[{seen[0, 0]:.2f}, {seen[0, 1]:.2f}], [{seen[1, 0]:.2f}, {seen[1, 1]:.2f}]]."),
        columns=2,
        size=(4.2, 3.4),
        sharex=True,
        sharey=True,
    )
    for ax, points, centre, M in ((axes[0, 0], z, np.zeros(2), np.eye(2)), (axes[0, 1], x, loc, L)):
        ax.scatter(*points.T, c=z[:, 0], cmap=AMOUNT, s=8)
        for radius in (1, 2):
            ax.plot(*ellipse(centre, M, radius), color="black", linewidth=0.8)
        for j, column in enumerate(M.T):
            ax.quiver(*centre, *column, color="black", angles="xy", scale_units="xy", scale=1, width=0.01, headlength=6, zorder=4)
            write(ax, f"column {j + 1}", centre + column, ((8, 0), (0, 6))[j], "black", fontsize=10)
        ax.set(xlabel="first number", aspect="equal")
    axes[0, 0].set(title="z, a round cloud", ylabel="second number")
    axes[0, 1].set(title="x = loc + L z")
    return fig


def on_the_way(data: Sepals, steps: int = 60) -> Figure:
    """The ellipses after some steps of both sides."""
    (x,) = data.split.train
    model = Manual()
    model.loc.data[...] = 2.0, -2.0
    ours, theirs = walk(model, Torch(), (x,), steps)
    fig, axes = figure(
        f"The ellipse of the bell ({unbroken('‖z‖ = 1')}; broad: torch, dashes: by hand) after 0, 2, 8 and 60 steps. It begins as a "
        "circle, many of its widths away from the flowers, and first swells towards them; then it moves there, turns, and takes their "
        "shape.",
        size=(5.2, 4.0),
    )
    ax = axes[0, 0]
    ax.plot(*x.T, "o", color="#bbbbbb", markersize=4)
    for step, colour in zip((0, 2, 8, 60), shades(4), strict=True):
        draw_both(ax, at(ours, step), at(theirs, step), f"after {step} steps", colour)
    ax.set(title="the climb", xlabel="length of the sepal", ylabel="width of the sepal", aspect="equal")
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return fig


def at(path: Path, step: int) -> Any:
    """The ellipse after a step."""
    return ellipse(path["loc"][step], by_hand.lower_cholesky(path["raw"][step]), 1)


def learned(run: Trained) -> str:
    """The mean and the covariance that were found, and how far they are from those of the data."""
    (x,) = run.data.split.train
    loc, L = run.manual.loc.data.astype(np.float64), by_hand.lower_cholesky(run.manual.raw.data.astype(np.float64))
    mean, root = by_hand.closed_form(x)
    off = max(np.abs(loc - mean).max(), np.abs(L @ L.T - root @ root.T).max())
    slant = "" if len(loc) < 2 else f" Length and width of a sepal are correlated by {L[1, 0] / np.hypot(*L[1]):.2f}."
    return (
        f"After {len(run.losses)} steps the bell has the mean and the covariance of {len(x)} flowers: they are "
        f"{in_words(float(off))}.{slant}"
    )


# ---- further reading: which matrices have a root -----------------------------------------------------


def less_and_less_definite() -> Figure:
    """Ellipses of two numbers of variance 1 with a growing correlation, and their entropy, until there is no root."""
    fig, axes = figure(
        "Two numbers of variance 1 each. Left: the more they say the same, the thinner the ellipse; at correlation 1 it is a line, and "
        "one number says all. Right: the entropy, which falls to −∞ there. From 1 on the matrix is no covariance: some mixture of the "
        f"two would vary by 0 or less. `cholesky` then says so, with what is left of the diagonal: {unbroken('1 − correlation²')}.",
        columns=2,
        size=(3.7, 3.2),
    )
    correlation = np.concatenate([np.linspace(0, 0.99, 100), 1 - np.logspace(-2.2, -6, 40)])
    ax = axes[0, 0]
    for rho, colour in zip((0.0, 0.6, 0.9, 0.99), shades(4), strict=True):
        ax.plot(*ellipse(np.zeros(2), by_hand.cholesky(correlated(rho)), 1), color=colour, label=f"{rho:g}")
    ax.set(title="thinner and thinner", xlabel="first number", ylabel="second number", aspect="equal")
    ax.legend(title="correlation", fontsize=8, title_fontsize=9, loc="lower right")
    ax = axes[0, 1]
    ax.plot(correlation, [by_hand.entropy(by_hand.cholesky(correlated(rho))) for rho in correlation], color="black", linewidth=1.5)
    ax.axvline(1, color="black", linestyle=":")
    ax.axvspan(1, 1.15, color="#dddddd")
    ax.text(1.075, -0.5, "not positive definite", rotation=90, ha="center", va="center", fontsize=9)
    ax.set(title="the entropy", xlabel="correlation", xlim=(0, 1.15))
    return fig


def correlated(rho: float) -> np.ndarray:
    """The covariance of two numbers of variance 1 with this correlation."""
    return np.array([[1.0, rho], [rho, 1.0]])


TEXT = """
| | what it is | when it does not exist |
| --- | --- | --- |
| Σ | what varies, and what goes together | it always does, of data; but not every symmetric table is one |
| L, `scale_tril` | its root: Σ = L Lᵀ | if some direction varies by 0: two columns alike, or no more rows than columns |
| Σ⁻¹ | the precision | likewise; it is never formed here, `substitute` solves with L |

`cholesky` raises ValueError where `torch.linalg.cholesky` raises LinAlgError. Of a matrix that is not symmetric torch reads the lower
triangle alone, `cholesky` takes the symmetric part.
"""


# ---- to do ---------------------------------------------------------------------------------------------


def root(run: Trained) -> np.ndarray:
    """L, the lower triangular root of the covariance that was found."""
    return by_hand.lower_cholesky(run.manual.raw.data)


def within_one(run: Trained) -> float:
    """The part of the flowers that lie inside of the ellipse whose half axes are one standard deviation long."""
    return float(inside(run.data.split.train[0], run.manual.loc.data, root(run), 1.0))


SHORT = {"max_epochs": 100}
ELLIPSES = ("the ellipses that were found", "which way they slant, and how many dots lie inside of the innermost.")

QUESTIONS = (
    by_size(
        "Do long sepals go with wide ones, among flowers of one kind? How large is their correlation in the bell that is found?",
        lambda run: root(run)[1, 0] / np.hypot(*root(run)[1]),
        *("about −0.5", -0.2, "about 0", 0.2, "about 0.4", 0.6, "about 0.8"),
        seen="it is {:.2f}",
        why="A large flower has sepals that are both long and wide.",
        trainer=SHORT,
        look_at=ELLIPSES,
    ),
    by_size(
        "In one dimension 68 % of a Normal lie within one standard deviation. What part of the flowers lies inside of the ellipse of "
        "radius 1?",
        within_one,
        *("about 40 %", 0.55, "about 68 %", 0.85, "about 95 %"),
        seen="{:.0%} of them",
        why="In the plane a point must be near in two directions at once: 1 − e^(−1/2) = 39 %. In 64 dimensions nearly none is that near.",
        trainer=SHORT,
        look_at=ELLIPSES,
    ),
)


class EachOnItsOwn(Manual):
    """A bell curve for each number: what is below the diagonal of L stays 0."""

    def backward(self, dL_dloss: float = 1.0) -> None:
        super().backward(dL_dloss)
        self.raw.grad = self.raw.grad * np.eye(len(self.raw.data))


class EachOnItsOwnInTorch(Torch):
    """The same in torch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return log_prob_in_torch(x, self.loc, self.raw.diagonal().exp().diag())


def lowest(run: Trained) -> float:
    """The loss of the bell over the plane that suits these flowers best."""
    (x,) = run.data.split.train
    return float(-by_hand.log_prob(x, *by_hand.closed_form(x)).mean())


MISTAKE = Mistake(
    "Two bell curves, one for the length and one for the width, say all that there is to say.",
    lambda run: (
        f"With a bell curve for each number the loss ends at {run.losses[-1]:.3f}, and one bell over the plane has {lowest(run):.3f}: on "
        f"average it finds a flower {np.exp(run.losses[-1] - lowest(run)):.2f} times as probable."
    ),
    lambda run: run.agree and run.losses[-1] > lowest(run) + 0.2,
    "Each curve is right about its own number, and together they know nothing of what goes with what: long and narrow sepals are as "
    "probable to them as long and wide ones.",
    trainer={"max_epochs": 100},
    manual=EachOnItsOwn,
    torch=EachOnItsOwnInTorch,
)

TWIN = Twin(
    name="multivariate_normal",
    manual=Manual,
    torch=Torch,
    data=Sepals,
    learned=learned,
    look_at=("the ellipses that were found", "the ellipses slant as the cloud of flowers does: long sepals are wide ones."),
    needs=("distributions", "eigen"),
    trainer={"max_epochs": 400, "check_val_every_n_epoch": 10},
    options={"features": Second(1, data=first_columns(1))},
    sgd_lr=0.1,
    figures=figures,
    text={"the root of a covariance": TEXT},
    further=("no longer positive definite", "the root of a covariance"),
    questions=QUESTIONS,
    exercises=(
        Exercise("entropy_backward", ("Of all entries of L only those on the diagonal are in H, each as a log.",)),
        Exercise("log_prob_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("multivariate_normal")
