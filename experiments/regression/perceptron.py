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
from experiments.drawing.figure import BY_HAND, TORCH, TWO_CLASSES, figure
from experiments.judge.convert import to_torch
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
    return {"the line turns": turning(), "settled or never": mistakes(), "XOR": xor()}


def draw_points(ax: Any, x: np.ndarray, y: np.ndarray) -> None:
    """The two kinds as dots and triangles."""
    for sign, colour, marker in ((-1, TWO_CLASSES[0], "o"), (1, TWO_CLASSES[1], "^")):
        ax.plot(*x[y[:, 0] == sign].T, marker, color=colour, markersize=5, alpha=0.8)


def draw_line(ax: Any, q: np.ndarray, **look: Any) -> None:
    """The line W₁ x₁ + W₂ x₂ + b = 0 of q = [W; b], cut off by the panel."""
    w, b = q[:-1], q[-1]
    if w.any():
        foot, along = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.linalg.norm(w)
        ax.plot(*np.stack([foot - 20 * along, foot + 20 * along]).T, **look)


def turning() -> Figure:
    """The line after the first mistakes, and where it settles."""
    x, y = TwoKinds().split.train
    (path, counts), (theirs, _) = rosenblatt(x, y), rosenblatt_in_torch(*to_torch((x, y)))
    shown = (1, 2, len(path) - 1)
    bound = mistake_bound(x, y, widest(x, y))
    fig, axes = figure(
        "80 irises, setosa (dots) and versicolor (triangles), by the length and the width of a sepal. The line (torch: band, by hand: "
        f"dashes) turns at each mistake: the row that was wrong (ringed) is added to the weights, or subtracted. After {len(path) - 1} "
        f"mistakes and {len(counts)} passes none is left. It could not have been more than {bound:.0f}: (R/γ)², the length of the "
        "longest row over the widest margin, squared. It stops at the first line without a mistake, not at the best one.",
        columns=len(shown),
        size=(3.4, 3.4),
        sharex=True,
        sharey=True,
    )
    for ax, k in zip(axes[0], shown, strict=True):
        draw_points(ax, x, y)
        draw_line(ax, theirs[k].numpy(), label="torch", **TORCH)
        draw_line(ax, path[k], label="by hand", **BY_HAND)
        taught = np.abs(path[k] - path[k - 1])[:-1]
        ringed = x[np.argmin(np.abs(np.abs(x) - taught).sum(axis=1))]
        ax.plot(*ringed, "o", markerfacecolor="none", markeredgecolor="black", markersize=12)
        ax.set(title=f"after mistake {k}", xlabel="sepal length", xlim=(-2.4, 2.9), ylim=(-2.6, 3.0))
    axes[0, 0].set_ylabel("sepal width")
    axes[0, 0].legend(fontsize=8)
    return fig


def mistakes(passes: int = 40) -> Figure:
    """How many mistakes each pass makes on the three sets of points."""
    fig, axes = figure(
        "Mistakes in each pass over the points. Setosa and versicolor can be parted by a line: the mistakes end, for good. Versicolor "
        "and virginica overlap, and XOR's four points cannot be parted: there is a mistake in every pass, for ever, and the line never "
        "comes to rest. (Broad: torch, dashes: by hand.)",
        size=(6.4, 3.3),
    )
    for name, colour, (x, y) in (
        ("setosa, versicolor: separable", "#3d5a80", TwoKinds().split.train),
        ("versicolor, virginica: inseparable", "#d1495b", TwoKinds("inseparable").split.train),
        ("XOR", "#222222", XOR),
    ):
        for side, look in ((rosenblatt_in_torch(to_torch(x), to_torch(y), passes), TORCH), (rosenblatt(x, y, passes), BY_HAND)):
            counts = [*side[1], *[0] * (passes - len(side[1]))]
            label = name if look is BY_HAND else None
            axes[0, 0].plot(range(1, passes + 1), counts, label=label, **{**look, "color": colour, "alpha": 1 if look is BY_HAND else 0.3})
    axes[0, 0].set(xlabel="pass over the points", ylabel="mistakes", ylim=(-0.5, None))
    axes[0, 0].legend(fontsize=8)
    return fig


def xor() -> Figure:
    """The lines that come and go on XOR."""
    x, y = XOR
    path, _ = rosenblatt(x, y, 6)
    fig, axes = figure(
        "XOR: yes (triangles) if exactly one of the two is 1. Whatever line is drawn, a point is on its wrong side. The panels show "
        "the lines after each mistake of the second pass: they come round again and again, and at the end of a pass W and b are back "
        "at 0. A network with one hidden layer learns it: it draws two lines.",
        columns=4,
        size=(2.2, 2.4),
        sharex=True,
        sharey=True,
    )
    for k, ax in enumerate(axes[0]):
        draw_points(ax, x, y)
        draw_line(ax, path[5 + k], **BY_HAND)
        none = "" if path[5 + k][:-1].any() else ": W = 0, no line"
        ax.set(title=f"mistake {5 + k}{none}", xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
    return fig


TEXT = """
Things to try:

- `--data.points inseparable`: versicolor and virginica. The line goes on turning; how many it has right at the end is an accident.
- `--data.points xor`: at least one of the four is wrong whenever you stop.
- `--model.lr 0.1`: the same mistakes, the same line; W is ten times shorter.
- `--data.batch_size 0`: all mistakes of a pass at once, divided by the number of rows: gradient descent on the same loss.
"""

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
    text={"things to try": TEXT},
)

if __name__ == "__main__":
    run("perceptron")
