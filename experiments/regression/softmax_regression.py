"""Which of many: softmax regression, and the gradient p − y

To tell ten digits by 64 pixels, and three kinds of iris by four measurements, both sides arrive at scikit-learn's weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, split_at_random, standardise
from experiments.data.changes import first_columns
from experiments.data.digits import Digits
from experiments.data.iris import iris
from experiments.drawing.colours import CATEGORIES, MARKERS, NEGATIVE, POSITIVE, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, figure, unbroken
from experiments.drawing.walk import walk
from experiments.drawing.weights import weights_of_both
from experiments.drawing.words import classes_right, in_words
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Second, Twin
from manual.concept import Batch
from manual.module import Parameter, no_grad
from manual.nn.functional import softmax
from manual.regression.softmax_regression import SoftmaxRegression as Manual
from manual.regression.softmax_regression import loss_backward, one_hot
from torch_impl.module import mean_of
from torch_impl.regression.softmax_regression import SoftmaxRegression as Torch

NAMES = {"W": "linear.weight.T", "b": "linear.bias"}
"""What the parameters are called in torch."""


class ManyClasses(ArrayData):
    """Digits (1,797, each pixel from 0 to 1, less its mean) or irises (150, standardised). A fifth is held out, all of the rest is one
    batch.

    Args:
        dataset: "digits", or "iris" (with --model.features 4 --model.classes 3 --model.lr 1).
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the rows.
    """

    def __init__(self, dataset: str = "digits", batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if dataset not in ("digits", "iris"):
            raise InputError(f"--data.dataset must be digits or iris, got {dataset}")
        self.dataset = dataset

    def load(self) -> Split:
        if self.dataset == "iris":
            x, c = iris()
            return standardise(split_at_random((x, c), 0.2, self.seed))
        split = Digits(seed=self.seed).split
        mean = split.train[0].mean(axis=0)
        return Split((split.train[0] - mean, split.train[1]), (split.val[0] - mean, split.val[1]))


def descend(x: np.ndarray, c: np.ndarray, start: np.ndarray, steps: int, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where q = [W; b] is after 0, 1, ..., `steps` steps on this one batch, by hand and in torch: two arrays (steps+1, D+1, K)."""
    sizes = {"features": x.shape[1], "classes": start.shape[1]}
    ours, theirs = Manual(**sizes, **settings), Torch(**sizes, **settings)
    ours.W, ours.b = Parameter(start[:-1]), Parameter(start[-1])
    theirs.linear = nn.Linear(*ours.W.shape)
    by_hand, in_torch = (np.concatenate([path["W"], path["b"][:, None]], axis=1) for path in walk(ours, theirs, (x, c), steps, NAMES))
    return by_hand, in_torch


def as_matrix(W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """q = [W; b], (D+1, K)."""
    return np.vstack([W, b])


def by_sklearn(x: np.ndarray, c: np.ndarray, alpha: float) -> np.ndarray:
    """scikit-learn's q = [W; b], (D+1, K)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1 / (alpha * len(x)), solver="newton-cholesky", tol=1e-12).fit(x, c)
    return as_matrix(fitted.coef_.T, fitted.intercept_)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair: of the digits if those were learned, and always of the irises."""
    x, c = data.split.train
    drawn = {"three kinds of iris": regions()}
    if x.shape[1] == 64:
        drawn["weights as pictures"] = pictures(manual, x, c)
        drawn["what minus what"] = what_minus_what(manual, data)
    if manual.alpha > 0:  # else there is nothing to arrive at
        drawn["arriving at scikit-learn"] = arriving(manual, torch_module, x, c)
    return drawn


def pictures(manual: Manual, x: np.ndarray, c: np.ndarray) -> Figure:
    """The first step from W = 0, and the trained weights, as images."""
    K = manual.W.shape[1]
    first = -loss_backward(1.0, x, c, np.zeros(manual.W.shape), np.zeros(K))[0]
    fig, axes = figure(
        "The 64 weights of each digit, where their pixels are: orange speaks for this digit, violet against it. Above: the first step from "
        f"{unbroken('W = 0')}, {unbroken('xᵀ(y − p)/N')}: all p are 0.1 then, so it is a blurred mean of the digit's images, less the "
        "mean of all. Below: after training the weights stress what tells the digit from those that it is confused with: ink in the hole "
        "of a 0 speaks loudly against it.",
        rows=2,
        columns=K,
        size=(1.1, 1.3),
    )
    for row, (W, name) in enumerate(((first, "first step"), (manual.W.data, "trained"))):
        for k in range(K):
            ax = axes[row, k]
            ax.imshow(W[:, k].reshape(8, 8), cmap=SIGNED, vmin=-abs(W).max() * 0.8, vmax=abs(W).max() * 0.8)
            ax.set(xticks=[], yticks=[], title=str(k))
        axes[row, 0].set_ylabel(name)
    return fig


def what_minus_what(manual: Manual, data: ArrayData) -> Figure:
    """Scores, probabilities and p − y of a held-out digit that is misread (or the least sure one)."""
    x, c = data.split.val
    with no_grad():
        z = manual(x)
    p = softmax(z)
    worst = int(np.argmin(p[np.arange(len(c)), c]))
    y = one_hot(c, p.shape[1])
    fig, axes = figure(
        f"From scores to the gradient, for the held-out {c[worst]} that is read worst. Scores z can be any numbers; softmax makes "
        f"probabilities p of them. p minus the truth y (1 at {c[worst]}, 0 elsewhere) is the gradient for the ten scores: gradient descent "
        "raises those whose bar points down (violet) and lowers those whose bar points up (orange). The ten bars add up to 0.",
        rows=2,
        columns=2,
        size=(3.2, 2.4),
    )
    axes[0, 0].imshow(x[worst].reshape(8, 8), cmap="Greys")
    axes[0, 0].set(title=f"A {c[worst]}, less the mean image", xticks=[], yticks=[])
    for ax, (values, title) in zip(
        axes.flat[1:], ((z[worst], "scores z"), (p[worst], "p = softmax(z)"), ((p - y)[worst], "p − y")), strict=True
    ):
        ax.bar(
            range(10),
            values,
            color="#666666" if title[0] == "p" and title != "p − y" else [POSITIVE if v >= 0 else NEGATIVE for v in values],
        )
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set(title=title, xticks=range(10), xlabel="digit")
    return fig


def regions() -> Figure:
    """Two measurements of the irises, the regions of the three classes and the lines between them."""
    x, c = iris()
    x = x[:, 2:]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    ours, theirs = (path[-1] for path in descend(x, c, np.zeros((3, 3)), 300, alpha=0.003, lr=1.0))
    fig, axes = figure(
        "150 irises by the length and the width of a petal. The colour is the likeliest kind, the paler the less sure. Where two kinds are "
        f"equally likely their scores are equal, and {unbroken('z[j] = z[k]')} is a straight line (bands: torch, dashes: by hand). "
        "Between setosa and virginica there is none: versicolor is likelier than both where those two are alike. "
        f"{np.mean((x @ ours[:-1] + ours[-1]).argmax(axis=1) == c):.0%} are named rightly.",
        size=(6.4, 4.6),
    )
    ax = axes[0, 0]
    xs, ys = (np.linspace(x[:, i].min() - 0.4, x[:, i].max() + 0.4, 240) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    colours = np.array([[int(h[i : i + 2], 16) / 255 for i in (1, 3, 5)] for h in CATEGORIES[:3]])
    p = softmax(grid @ ours[:-1] + ours[-1])
    sure = np.clip(p.max(axis=-1, keepdims=True) * 1.5 - 0.5, 0, 1) * 0.5  # a third of certainty is none
    ax.imshow(1 - sure * (1 - colours[p.argmax(axis=-1)]), extent=(xs[0], xs[-1], ys[0], ys[-1]), origin="lower", aspect="auto")
    for side, look, name in ((theirs, TORCH, "torch"), (ours, BY_HAND, "by hand")):
        z = grid @ side[:-1] + side[-1]
        ax.plot([], [], label=name, **look)
        for j, k in ((0, 1), (1, 2), (0, 2)):
            other = 3 - j - k
            third = z[..., other] > np.maximum(z[..., j], z[..., k])
            gap = np.where(third, np.nan, z[..., j] - z[..., k])  # no line where neither of the two is the likeliest
            style = [look.get("linestyle", "solid")]
            ax.contour(xs, ys, gap, levels=[0], colors=look["color"], linewidths=look["linewidth"], linestyles=style)
    for k, name in enumerate(("setosa", "versicolor", "virginica")):
        ax.plot(*x[c == k].T, MARKERS[k], color=CATEGORIES[k], markeredgecolor="white", markeredgewidth=0.6, markersize=6, label=name)
    ax.set(title="Three kinds of iris", xlabel="petal length (standard deviations)", ylabel="petal width (standard deviations)")
    ax.legend(fontsize=8)
    return fig


# ---- further reading: arriving at scikit-learn -------------------------------------------------------


def arriving(manual: Manual, torch_module: Torch, x: np.ndarray, c: np.ndarray) -> Figure:
    """The distance to scikit-learn's weights, step by step."""
    best = by_sklearn(x, c, manual.alpha)
    settings = {"alpha": manual.alpha, "lr": manual.lr, "momentum": manual.momentum}
    steps = 400
    paths = descend(x, c, np.zeros(best.shape), steps, **settings)
    away = [np.linalg.norm(path - best, axis=(1, 2)) / np.linalg.norm(best) for path in paths]
    trained = weights_of_both(manual, torch_module, NAMES)
    ends = [np.linalg.norm(as_matrix(**weights) - best) / np.linalg.norm(best) for weights in trained]
    fig, axes = figure(
        f"How far the {best.size} parameters are from scikit-learn's LogisticRegression on the same rows, {unbroken('‖q − q*‖ / ‖q*‖')}, "
        f"on the way from {unbroken('W = 0')} (band: torch, dashes: by hand). It falls by about the same factor at each step. At the end "
        "of the run itself, which began at random weights, scikit-learn and the weights by hand were "
        f"{in_words(float(ends[0]))}, and torch's {in_words(float(ends[1]))}.",
        size=(6.8, 3.6),
    )
    for far, look, side in ((away[1], TORCH, "torch"), (away[0], BY_HAND, "by hand")):
        axes[0, 0].plot(far, **look, label=side)
    axes[0, 0].set(title="Arriving at scikit-learn", xlabel="step", ylabel="distance to scikit-learn", yscale="log")
    axes[0, 0].legend(fontsize=8)
    return fig


# ---- text ----------------------------------------------------------------------------------------------

TEXT = """
Things to try:

- `--model.alpha 0`: no price on length. The digits can be separated, so the loss goes to 0 without arriving, and the weights grow for ever.

All that softmax regression can do is weigh pixels; a hidden layer before it can first find strokes, and so networks go further with the
same last layer.
"""


def learned(run: Trained) -> str:
    """How many held-out examples it names rightly."""
    kind, classes = {"digits": "digits", "iris": "irises"}[run.data.dataset], run.manual.b.data.size
    return f"It names {classes_right(run)} {kind} that it has not seen rightly; guessing would name {100 / classes:.0f} %."


# ---- to do ---------------------------------------------------------------------------------------------


SHORT, RIGHT = {"max_epochs": 100}, "{:.1%} of those that were held out"

QUESTIONS = (
    by_size(
        "It may only weigh pixels: a score for each digit, and no hidden layer. How many digits that it has not seen does it name rightly?",
        accuracy,
        *("about half", 0.7, "about 85 %", 0.93, "over 95 %"),
        seen=RIGHT,
        why="In 64 dimensions ten kinds lie so far apart that planes part nearly all of them.",
        trainer=SHORT,
        look_at=("weights as pictures", "which ink speaks for a digit (orange) and which against it (violet)."),
    ),
    by_size(
        "alpha = 0.1, more than thirty times the price on length. And now?",
        accuracy,
        *("about half or less", 0.7, "about 90 %", 0.95, "as many as before"),
        seen=RIGHT,
        why="Short weights make all scores small and all probabilities nearly even; but which of the ten is the largest, mostly stays.",
        model={"alpha": 0.1},
        trainer=SHORT,
    ),
    by_size(
        "dataset = iris: three kinds of flowers by four measurements. How many of thirty held-out ones are named rightly?",
        accuracy,
        *("about ten, as by guessing", 0.5, "about 27", 0.98, "all"),
        seen=RIGHT,
        why="Setosa stands apart. Versicolor and virginica lie side by side and overlap a little: no line has all of them right.",
        model={"features": 4, "classes": 3, "lr": 1.0},
        data={"dataset": "iris"},
        trainer=SHORT,
        look_at=("three kinds of iris", "the two kinds that reach into each other."),
    ),
)


class AsNumber(Manual):
    """The line of the first class alone, fitted to the class as if it were a number."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, c = batch
        r = self(x)[:, 0] - c  # (N,)
        loss = float((r**2).mean())
        self.save(x, r)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, r = self.restore()
        dL_dz = np.zeros((len(x), len(self.b)), x.dtype)
        dL_dz[:, 0] = dL_dloss * 2 * r / len(x)
        self.W.grad += x.T @ dL_dz  # (D, N) @ (N, K)
        self.b.grad += dL_dz.sum(axis=0)  # (N, K) to (K,)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, c = batch
        self.log("accuracy/val", np.mean(self(x)[:, 0].round() == c), batch_size=len(x))


class AsNumberInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        x, c = batch
        loss = ((self(x)[:, 0] - c) ** 2).mean()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:
        x, c = batch
        self.log("accuracy/val", mean_of(self(x)[:, 0].round() == c), batch_size=len(x))


MISTAKE = Mistake(
    "The digits are the numbers 0 to 9. So one output is enough: let it predict the number, and round.",
    lambda run: (
        f"With one output for the number, by least squares, {accuracy(run):.0%} of the held-out digits are named rightly after "
        f"{len(run.losses)} steps; of guesses it would be 10 %."
    ),
    lambda run: run.agree and accuracy(run) < 0.5,
    "As a number a 4 lies between a 3 and a 5, and a picture that could be a 1 or a 9 would be called a 5. Classes are names, not amounts: "
    "each needs a score of its own.",
    model={"lr": 0.1},
    trainer=SHORT,
    manual=AsNumber,
    torch=AsNumberInTorch,
)

TWIN = Twin(
    name="softmax_regression",
    manual=Manual,
    torch=Torch,
    data=ManyClasses,
    names=NAMES,
    needs=("logistic_regression",),
    trainer={"max_epochs": 400, "check_val_every_n_epoch": 50},
    variants={"no price on length": {"alpha": 0.0}},
    options={"data.dataset": "iris", "features": Second(63, data=first_columns(63))},
    sgd_lr=1.0,
    figures=figures,
    learned=learned,
    look_at=("weights as pictures", "which ink speaks for a digit (orange) and which against it (violet)."),
    text={"things to try": TEXT},
    further=("arriving at scikit-learn",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("cross_entropy_backward"), Exercise("loss_backward")),
)

if __name__ == "__main__":
    run("softmax_regression")
