"""The first neuron that learned: Rosenblatt's perceptron, and XOR

On two kinds of iris that a line parts, two that none parts, and XOR, both sides make the same mistakes, and settle on the same line, or
never.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, split_at_random, standardise
from experiments.data.changes import first_columns
from experiments.data.iris import iris
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, TWO_CLASSES, OnDemand, draw_both, figure
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.regression.perceptron import Perceptron as Manual
from manual.regression.perceptron import mistake_bound, rosenblatt
from torch_impl.regression.perceptron import Perceptron as Torch
from torch_impl.regression.perceptron import rosenblatt as rosenblatt_in_torch

NAMES = {"W": "linear.weight.T", "b": "linear.bias"}
"""What the parameters are called in torch."""

XOR = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]), np.array([[-1.0], [1.0], [1.0], [-1.0]])
"""Exclusive or: yes if exactly one of the two is."""

KINDS = {"separable": (0, 1), "inseparable": (1, 2)}
"""Which irises: setosa and versicolor; versicolor and virginica."""


class TwoKinds(ArrayData):
    """Length and width of the sepals of two kinds of iris, 50 each, standardised, a fifth held out; or the four points of XOR.

    Args:
        points: "separable", "inseparable" or "xor".
        batch_size: 1 is Rosenblatt's rule.
        seed: of the split and of the order of the rows.
    """

    def __init__(self, points: str = "separable", batch_size: int = 1, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if points not in (*KINDS, "xor"):
            raise InputError(f"--data.points must be separable, inseparable or xor, got {points}")
        self.points = points

    def load(self) -> Split:
        if self.points == "xor":
            return Split(XOR, XOR)
        x, c = iris()
        chosen = np.isin(c, KINDS[self.points])
        y = np.where(c[chosen] == KINDS[self.points][1], 1.0, -1.0)[:, None]
        return standardise(split_at_random((x[chosen][:, :2], y), 0.2, self.seed))


def widest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The q = [W; b] of the widest margin, (D+1,): scikit-learn's support vector machine on [x 1], without a constant of its own."""
    from sklearn.svm import SVC

    a = np.hstack([x, np.ones((len(x), 1))])
    a, signs = np.vstack([a, -a]), np.concatenate([y[:, 0], -y[:, 0]])  # with each row's mirror image the constant is 0
    return SVC(kernel="linear", C=1e4, tol=1e-6).fit(a, signs).coef_[0]


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn, whichever points were learned."""
    return OnDemand({"the line turns": lambda: turning(), "settled or never": lambda: mistakes(), "XOR": lambda: xor()})


def draw_points(ax: Any, x: np.ndarray, y: np.ndarray) -> None:
    """The two kinds as dots and triangles."""
    for sign, colour, marker in ((-1, TWO_CLASSES[0], "o"), (1, TWO_CLASSES[1], "^")):
        ax.plot(
            *x[y[:, 0] == sign].T, marker, color=colour, markeredgecolor="white", markeredgewidth=0.4, markersize=6, zorder=4
        )  # above the lines


def draw_line(ax: Any, q: np.ndarray, **look: Any) -> None:
    """The line W₁ x₁ + W₂ x₂ + b = 0 of q = [W; b], cut off by the panel."""
    w, b = q[:-1], q[-1]
    if w.any():
        foot, along = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.linalg.norm(w)
        ax.plot(*np.stack([foot - 20 * along, foot + 20 * along]).T, **look)


def draw_ring(ax: Any, x: np.ndarray, step: np.ndarray) -> None:
    """A ring around the row whose mistake moved q by `step`, which is [x 1] or its opposite."""
    wrong = x[np.abs(x - step[:-1] * np.sign(step[-1])).sum(axis=1).argmin()]
    ax.plot(*wrong, "o", markerfacecolor="none", markeredgecolor="black", markersize=13, zorder=5)


def turning() -> Figure:
    """The line after the first mistakes, and where it settles."""
    x, y = TwoKinds().split.train
    (path, counts), (theirs, _) = rosenblatt(x, y), rosenblatt_in_torch(*to_torch((x, y)))
    shown = (1, 2, len(path) - 1)
    bound = mistake_bound(x, y, widest(x, y))
    fig, axes = figure(
        "80 irises, setosa (dots) and versicolor (triangles). The line (band: torch, dashes: by hand) turns at each mistake: the row "
        f"that was wrong (ringed) is added to the weights, or subtracted. After {len(path) - 1} mistakes in {len(counts)} passes none is "
        f"left; there could not have been more than {bound:.0f}, the length of the longest row over the widest margin, squared. It stops "
        "at the first line without a mistake, not at the best.",
        columns=len(shown),
        size=(3.8, 3.6),
        sharex=True,
        sharey=True,
    )
    for ax, k in zip(axes[0], shown, strict=True):
        draw_points(ax, x, y)
        draw_line(ax, theirs[k].numpy(), label="torch", **TORCH)
        draw_line(ax, path[k], label="by hand", **BY_HAND)
        draw_ring(ax, x, path[k] - path[k - 1])
        ax.set(title=f"After mistake {k}", xlabel="sepal length", xlim=(-2.4, 2.9), ylim=(-2.6, 3.0))
    axes[0, 0].set_ylabel("sepal width")
    axes[0, 0].legend(fontsize=8)
    return fig


def mistakes(passes: int = 40) -> Figure:
    """How many mistakes each pass makes on the three sets of points."""
    fig, axes = figure(
        "Mistakes in each pass over the points (bands: torch, dashes: by hand). Setosa and versicolor can be parted by a line: the "
        "mistakes end, for good. Versicolor and virginica overlap, and XOR's four points cannot be parted: there is a mistake in every "
        "pass, for ever, and the line never comes to rest.",
        size=(6.8, 3.6),
    )
    each = np.arange(1, passes + 1)
    for name, colour, (x, y) in (
        ("setosa, versicolor: separable", CATEGORIES[0], TwoKinds().split.train),
        ("versicolor, virginica: inseparable", CATEGORIES[1], TwoKinds("inseparable").split.train),
        ("XOR", CATEGORIES[2], XOR),
    ):
        sides = rosenblatt(x, y, passes), rosenblatt_in_torch(to_torch(x), to_torch(y), passes)
        ours, theirs = ([*counts, *[0] * (passes - len(counts))] for _, counts in sides)
        draw_both(axes[0, 0], np.stack([each, ours]), np.stack([each, theirs]), name, colour)
    axes[0, 0].set(title="Settled or never", xlabel="pass over the points", ylabel="mistakes", ylim=(-0.5, None))
    axes[0, 0].legend(fontsize=8)
    return fig


def xor() -> Figure:
    """The lines that come and go on XOR."""
    x, y = XOR
    path, theirs = rosenblatt(x, y, 6)[0], rosenblatt_in_torch(to_torch(x), to_torch(y), 6)[0].numpy()
    fig, axes = figure(
        "XOR: yes (triangles) if exactly one of the two is 1. Whatever line is drawn (band: torch, dashes: by hand), a point is on its "
        "wrong side. The panels show the lines after each mistake of the second pass, with the point that was wrong (ringed): they come "
        "round again and again, and at the end of the pass W and b are back at 0. A network with one hidden layer draws two lines.",
        columns=4,
        size=(2.6, 2.8),
        sharex=True,
        sharey=True,
    )
    for k, ax in enumerate(axes[0], start=5):
        draw_points(ax, x, y)
        draw_line(ax, theirs[k], **TORCH)
        draw_line(ax, path[k], **BY_HAND)
        draw_ring(ax, x, path[k] - path[k - 1])
        if not path[k][:-1].any():
            ax.text(0, 0, "W = 0:\nno line", ha="center", va="center")
        ax.set(title=f"After mistake {k}", xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
    return fig


TEXT = """
Things to try:

- `--data.points inseparable`: versicolor and virginica. The line goes on turning; how many it has right at the end is an accident.
- `--data.batch_size 0`: all mistakes of a pass at once, divided by the number of rows: gradient descent on the same loss.
"""


def learned(run: Trained) -> str:
    """How many of the points the line has right."""
    x, y = run.data.split.train
    these = int((y * (x @ run.manual.W.data + run.manual.b.data) > 0).sum())
    settled = "it has come to rest" if these == len(x) else "it would go on turning"
    return f"After {len(run.losses):,} steps the line has {these} of {len(x)} points on their right side: {settled}."


# ---- to do ---------------------------------------------------------------------------------------------


def right(run: Trained) -> float:
    """The part of the training points that lie on their right side."""
    x, y = run.data.split.train
    return float((y * (x @ run.manual.W.data + run.manual.b.data) > 0).mean())


QUESTIONS = (
    by_size(
        "points = xor, twenty passes over the four points. How many mistakes does it make in the last pass?",
        lambda run: sum(loss > 0 for loss in run.losses[-len(run.data.split.train[0]) :]),
        *("none: it has learned them", 0.5, "one or more"),
        seen="{}",
        why="No straight line has all four right: whatever the line is, one of the points is a mistake, which turns it, and so on for "
        "ever.",
        data={"points": "xor"},
        trainer={"max_epochs": 20},
        look_at=("XOR", "the lines that come and go."),
    ),
    by_size(
        "lr = 0.1, a tenth of what it was; W and b begin at 0. With lr = 1 W becomes 1.64 long. And now?",
        lambda run: float(np.linalg.norm(run.manual.W.data)),
        *(
            "a tenth as long, and the line is the same",
            0.4,
            "half as long, and the line is another",
            1.2,
            "as long, after ten times the mistakes",
        ),
        seen="it becomes {:.3f} long",
        why="Only whether a point is on the right side counts, not how far: W and b are lr times what they were, so every mistake is the "
        "same.",
        model={"lr": 0.1},
    ),
)

MISTAKE = Mistake(
    "It has most of them right already. One more pass can only make it better.",
    lambda run: (
        f"Versicolor and virginica, which no line parts: after {len(run.losses) // len(run.data.split.train[0])} passes the line has "
        f"{right(run):.0%} of the points on their right side; guessing would have 50 %."
    ),
    lambda run: right(run) < 0.6,
    "A mistake turns the line to suit one point, whatever that costs the others. Where no line suits all, it never comes to rest.",
    data={"points": "inseparable"},
    trainer={"max_epochs": 6},
)

TWIN = Twin(
    name="perceptron",
    manual=Manual,
    torch=Torch,
    data=TwoKinds,
    names=NAMES,
    needs=("linear_regression",),
    trainer={"max_epochs": 5},
    options={"data.points": "xor", "features": Second(1, data=first_columns(1))},
    sgd_lr=1.0,
    figures=figures,
    learned=learned,
    look_at=("the line turns", "the ringed point, whose mistake turned the line."),
    text={"things to try": TEXT},
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("perceptron_loss_backward"),),
)

if __name__ == "__main__":
    run("perceptron")
