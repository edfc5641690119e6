"""Yes or no: logistic regression, which is one neuron

From thirty measurements of its cell nuclei, is a lump in the breast malignant: both sides arrive at the weights of scikit-learn's
LogisticRegression, and of Newton's method. (569 lumps: Street, Wolberg and Mangasarian 1993, in scikit-learn.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split, split_at_random, standardise
from experiments.data.changes import first_columns
from experiments.drawing.colours import BETWEEN, CATEGORIES, MARKERS
from experiments.drawing.figure import BY_HAND, TORCH, TWO_CLASSES, draw_both, figure, unbroken
from experiments.drawing.labels import label_ends
from experiments.drawing.walk import walk_of_rows
from experiments.drawing.weights import as_row, draw_weights, three_times
from experiments.drawing.words import percent
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Second, Twin
from manual.regression.logistic_regression import LogisticRegression as Manual
from manual.regression.logistic_regression import newton, sigmoid
from torch_impl.regression.logistic_regression import LogisticRegression as Torch
from torch_impl.regression.logistic_regression import newton as newton_in_torch

MEAN_TEXTURE, WORST_RADIUS, WORST_CONCAVE_POINTS = 1, 20, 27
"""Columns of x. Ten measurements, each as the mean over the lump's nuclei (0 to 9), its error (10 to 19), and the worst three (20 to
29).
"""

NAMES = {"W": "linear.weight.T", "b": "linear.bias"}
"""What the parameters are called in torch."""


class BreastCancer(ArrayData):
    """scikit-learn's breast cancer data, standardised; y is 1 for malignant (37 %). A fifth is held out, all of the rest is one batch.

    Args:
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the rows.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        from sklearn.datasets import load_breast_cancer

        x, benign = load_breast_cancer(return_X_y=True)
        return standardise(split_at_random((x, 1.0 - benign[:, None]), 0.2, self.seed))


def descend(x: np.ndarray, y: np.ndarray, start: np.ndarray, steps: int, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where q = [W; b] is after 0, 1, ..., `steps` steps on this one batch, with these settings: see `walk_of_rows`."""
    settings = {"features": x.shape[1], **settings}
    return walk_of_rows(Manual(**settings), Torch(**settings), (x, y), start, steps, NAMES)


def by_sklearn(x: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    """scikit-learn's q = [W; b], (D+1,)."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1 / (alpha * len(x)), solver="newton-cholesky", tol=1e-12).fit(x, y[:, 0])
    return as_row(fitted.coef_, fitted.intercept_)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    x, y = data.split.train
    drawn = {
        "the curve": curve(x[:, [WORST_CONCAVE_POINTS]], y),
        "where the answer turns": boundary(x[:, [WORST_RADIUS, MEAN_TEXTURE]], y),
        "what is paid": price(),
        "no lowest point": without_a_price(x, y),
    }
    if manual.alpha > 0:  # else there is nothing to arrive at
        drawn["newton against gradient descent"] = race(x, y, manual.alpha)
        drawn["weights against scikit-learn"] = weights(manual, torch_module, x, y)
    return drawn


def curve(x: np.ndarray, y: np.ndarray) -> Figure:
    """The sigmoid through the data of one feature, after 0, 10 and 200 steps."""
    at = (0, 10, 200)
    ours, theirs = descend(x, y, np.array([-1.0, 0.0]), at[-1], alpha=0.0, momentum=0.0, lr=1.0)
    p = sigmoid(ours[-1, 0] * x + ours[-1, 1])
    fig, axes = figure(
        f"{len(x)} lumps, malignant (above) or benign (below; each moved a little, to be seen), by how dented the worst nuclei are. The "
        "curve is the probability of malignant; gradient descent turns and moves it (bands: torch, dashes: by hand). "
        f"Where it crosses one half (dotted) the answer turns: {np.mean((p > 0.5) == (y > 0.5)):.0%} of the answers are right.",
        size=(7.4, 4.0),
    )
    ax, line = axes[0, 0], np.linspace(x.min(), x.max(), 200)
    jitter = np.random.default_rng(0).uniform(-0.04, 0.04, y.shape)
    for k, (colour, marker) in enumerate(zip(TWO_CLASSES, MARKERS, strict=False)):
        ax.plot(x[y == k], (y + jitter)[y == k], marker, color=colour, markersize=3, alpha=0.5)
    for step, shade in zip(at, ("#c2c2c2", "#8a8a8a", "#111111"), strict=True):
        hand, torchs = (sigmoid(q[step, 0] * line + q[step, 1]) for q in (ours, theirs))
        draw_both(ax, np.stack([line, hand]), np.stack([line, torchs]), f"{step} steps", shade)
    ax.axvline(-ours[-1, 1] / ours[-1, 0], color="black", linestyle=":", linewidth=1)
    ax.set(title="One measurement, and the curve", xlabel="worst concave points (standard deviations)", ylabel="probability of malignant")
    ax.legend(fontsize=8, loc="center right")
    return fig


def boundary(x: np.ndarray, y: np.ndarray) -> Figure:
    """Two features: the lines of equal probability."""
    ours, theirs = descend(x, y, np.zeros(3), 400, alpha=0.01)
    fig, axes = figure(
        "Two measurements of each lump. The colour is the probability of malignant. The line where it is one half (band: torch, dashes: "
        f"by hand) is straight: {unbroken('z = x W + b')} is 0 there. W (arrow) is at right angles to it and points to yes; the longer it "
        "is, the more suddenly the answer turns.",
        size=(6.4, 4.6),
    )
    ax = axes[0, 0]
    xs, ys = (np.linspace(x[:, i].min() - 0.3, x[:, i].max() + 0.3, 120) for i in (0, 1))
    grid = np.stack(np.meshgrid(xs, ys), axis=-1)
    shades = ax.contourf(xs, ys, sigmoid(grid @ ours[-1, :2] + ours[-1, 2]), levels=np.linspace(0, 1, 11), cmap=BETWEEN, alpha=0.6)
    fig.colorbar(shades, ax=ax, label="probability of malignant")
    for k, (colour, marker, name) in enumerate(zip(TWO_CLASSES, MARKERS, ("benign", "malignant"), strict=False)):
        ax.plot(*x[y[:, 0] == k].T, marker, color=colour, markeredgecolor="black", markeredgewidth=0.3, markersize=4, label=name)
    for q, look, name in ((theirs[-1], TORCH, "torch"), (ours[-1], BY_HAND, "by hand")):
        ax.plot(xs, -(q[0] * xs + q[2]) / q[1], label=name, **look)
    w1, w2, b = ours[-1]
    foot = -b * np.array([w1, w2]) / (w1**2 + w2**2)  # the point of the line next to the origin
    ax.annotate("", foot + 0.5 * np.array([w1, w2]), foot, arrowprops={"arrowstyle": "->", "linewidth": 1.8})
    ax.text(*(foot + 0.52 * np.array([w1, w2])), "W", zorder=6, bbox={"color": "white", "pad": 1})
    ax.set(
        title="Where the answer turns",
        xlabel="worst radius",
        ylabel="mean texture",
        ylim=(ys[0], ys[-1]),
        xlim=(xs[0], xs[-1]),
        aspect="equal",
    )
    ax.legend(fontsize=8, loc="upper right")
    return fig


def price() -> Figure:
    """The loss of one row against its score, and its slope."""
    z = np.linspace(-5, 5, 201)
    p = sigmoid(z)
    fig, axes = figure(
        f"What one answer costs. Left: the loss if the truth is yes, {unbroken('−log p')}, and if it is no, "
        f"{unbroken('−log(1 − p)')}: the surer a wrong answer, the more it costs. Right: their slopes, p − y. Far on the wrong side a "
        "row pulls with all its strength, 1; far on the right side it no longer pulls.",
        columns=2,
        size=(4.2, 3.4),
    )
    for k, (colour, name) in enumerate(zip(TWO_CLASSES, ("truth: no", "truth: yes"), strict=True)):
        axes[0, 0].plot(z, -np.log(p if k else 1 - p), color=colour, linewidth=2, label=name)
        axes[0, 1].plot(z, p - k, color=colour, linewidth=2, label=name)
    axes[0, 1].axhline(0, color="black", linewidth=0.8)
    axes[0, 0].set(title="What is paid", xlabel="score z", ylabel="loss")
    axes[0, 1].set(title="How hard it pulls", xlabel="score z", ylabel="slope: p − y")
    axes[0, 0].legend(fontsize=8)
    return fig


def learned(run: Trained) -> str:
    """How many held-out lumps it tells rightly."""
    (_, y), (x, y_val) = run.data.split.train, run.data.split.val
    right = ((x @ run.manual.W.data + run.manual.b.data > 0) == (y_val > 0.5)).mean()
    return (
        f'It tells {percent(right)} of {len(x)} lumps that it has not seen rightly; always saying "benign", '
        f"{percent((y_val < 0.5).mean())}. It learned from {len(y)} others."
    )


# ---- to do ---------------------------------------------------------------------------------------------


QUESTIONS = (
    by_size(
        'Always saying "benign" would tell about two of three lumps rightly. How many of those that it has not seen does it tell rightly?',
        accuracy,
        *("about 7 of 10", 0.8, "about 9 of 10", 0.93, "more"),
        seen="{:.1%}",
        why="The thirty measurements nearly part the two kinds by one straight cut, and a neuron is such a cut.",
        trainer={"max_epochs": 100},
        look_at=("where the answer turns", "how few points lie on the wrong side, with two measurements alone."),
    ),
    by_size(
        "alpha = 0, no price on length. What does the loss do from the 100th step to the 200th?",
        lambda run: run.losses[-1] / run.losses[len(run.losses) // 2],
        *("it still falls, and would for ever", 0.98, "nothing: it has come to its lowest point"),
        seen="it falls to {:.2f} of what it was",
        why="All training rows can be told without a mistake. A longer W makes every p surer and the loss lower: there is no lowest point.",
        model={"alpha": 0.0},
        trainer={"max_epochs": 200},
    ),
    by_size(
        "lr = 25, with which least squares would fly apart. Where is the loss after 200 steps?",
        lambda run: run.losses[-1],
        *("below 0.2: it arrives", 0.2, "it swings to and fro, between 0.2 and 1,000", 1000.0, "it has flown apart"),
        seen="it is {:.3g}",
        why="The slope of a row's loss is p − y, never more than 1, however wrong the score is: no step is longer than lr times that.",
        model={"lr": 25.0},
        trainer={"max_epochs": 200},
    ),
)

MISTAKE = Mistake(
    "The lower the loss of training, the better.",
    lambda run: (
        f"Without a price on length the loss of training goes down to {run.losses[-1]:.3f}, and that of the lumps that were held out is "
        f"{run.metrics['loss/val']:.3f}."
    ),
    lambda run: run.metrics["loss/val"] > 2 * run.losses[-1],
    "W grows for ever, and with it the certainty: the few that are wrong are surely wrong, which costs most.",
    {"alpha": 0.0},
)

# ---- further reading: how long the weights grow, and Newton's method -----------------------------------


def without_a_price(x: np.ndarray, y: np.ndarray, steps: int = 1500) -> Figure:
    """How long W becomes with and without alpha."""
    prices = dict(zip((0.1, 0.01, 0.001, 0.0), CATEGORIES, strict=False))
    fig, axes = figure(
        f"How long W is, ‖W‖, while gradient descent goes on (bands: torch, dashes: by hand). All {len(x)} lumps can be told without a "
        f"mistake: so at {unbroken('alpha = 0')} longer is always a little better, and the curve rises for ever. With a price on length W "
        "comes to rest.",
        size=(7.2, 3.8),
    )
    ends: dict[str, tuple[float, float, str]] = {}
    for alpha, colour in prices.items():
        paths = descend(x, y, np.zeros(x.shape[1] + 1), steps, alpha=alpha)
        ours, theirs = (np.stack([np.arange(1, steps + 1), np.linalg.norm(q[1:, :-1], axis=1)]) for q in paths)
        draw_both(axes[0, 0], ours, theirs, f"alpha = {alpha:g}", colour)
        ends[f"alpha = {alpha:g}"] = (steps, ours[1, -1], colour)
    axes[0, 0].set(title="How long the weights grow", xlabel="step", ylabel="‖W‖", xscale="log", xlim=(1, steps))
    label_ends(axes[0, 0], ends)
    return fig


def race(x: np.ndarray, y: np.ndarray, alpha: float) -> Figure:
    """The distance to the lowest point, step by step."""
    jumps = newton(x, y, alpha), newton_in_torch(to_torch(x), to_torch(y), alpha).numpy()
    best = jumps[0][-1]
    fig, axes = figure(
        f"How far the 31 parameters are from the lowest point, {unbroken('‖q − q*‖ / ‖q*‖')} (bands: torch, dashes: by hand). Newton's "
        f"method, which knows the curvature, is there after {len(jumps[0]) - 1} jumps: in the end each doubles the number of right "
        "digits. Gradient descent wins a fixed number of digits per step, with momentum about ten times more. A jump solves 31 "
        "equations; that is why networks with millions of weights take steps.",
        size=(7.4, 4.0),
    )
    start = np.zeros(len(best))
    for name, colour, sides in (
        ("Newton", CATEGORIES[5], jumps),
        ("gradient descent, momentum 0.9", CATEGORIES[0], descend(x, y, start, 500, alpha=alpha)),
        ("gradient descent", CATEGORIES[1], descend(x, y, start, 500, alpha=alpha, momentum=0.0, lr=0.5)),
    ):
        away = [np.linalg.norm(q - best, axis=1) / np.linalg.norm(best) for q in sides]
        ours, theirs = (np.stack([np.arange(len(a)), np.maximum(a, 1e-16)]) for a in away)
        draw_both(axes[0, 0], ours, theirs, name, colour)
    axes[0, 0].set(
        title="Newton against gradient descent", xlabel="step", ylabel="distance to the lowest point", yscale="log", ylim=(3e-17, 10)
    )
    axes[0, 0].legend(fontsize=8)
    return fig


def weights(manual: Manual, torch_module: Torch, x: np.ndarray, y: np.ndarray) -> Figure:
    """The weights of both sides beside scikit-learn's."""
    from sklearn.datasets import load_breast_cancer

    sklearn = by_sklearn(x, y, manual.alpha)
    fig, axes = figure(
        f"The thirty trained weights, three times the same: {three_times(manual, torch_module, sklearn, NAMES)} Above 0: speaks for "
        "malignant, below 0: against it. Many of the measurements say nearly the same; the price on length shares the weight among those.",
        size=(10.0, 4.4),
    )
    draw_weights(axes[0, 0], manual, torch_module, sklearn, load_breast_cancer().feature_names, NAMES)
    axes[0, 0].set(title="The thirty weights", ylabel="weight")
    return fig


FURTHER = """
Things to try: `--model.alpha 0.1`, shorter weights, and a probability that turns more slowly.

With `--model.momentum 0`, plain gradient descent, about ten times fewer digits are won in a step.

`--model.lr 4` is more than 2 (1 + momentum)/λmax, which is 1.1 where all p are one half (λmax: the largest eigenvalue of the Hessian), and
it arrives all the same: at the lowest point most p are near 0 or 1, the curvature p (1 − p) is small there, and the limit is 19.
"""

# ---- the pair ------------------------------------------------------------------------------------------

TWIN = Twin(
    name="logistic_regression",
    manual=Manual,
    torch=Torch,
    data=BreastCancer,
    names=NAMES,
    needs=("linear_regression",),
    trainer={"max_epochs": 500, "check_val_every_n_epoch": 50},
    variants={"no price on length": {"alpha": 0.0}},
    options={"features": Second(29, data=first_columns(29))},
    sgd_lr=0.5,
    figures=figures,
    learned=learned,
    look_at=("the curve", "how the curve turns round within ten steps, on both sides alike."),
    text={"things to try": FURTHER},
    further=("no lowest point", "newton against gradient descent", "weights against scikit-learn", "things to try"),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("binary_cross_entropy_backward", ("Of one row it is p − y; L is a mean.",)), Exercise("loss_backward")),
)

if __name__ == "__main__":
    run("logistic_regression")
