"""Vectors: length, angle, and the direction of a digit

All images of one handwritten digit, as arrows in a space of 64 pixels; both sides turn a random arrow until it has the smallest angle to
them on average, which is where the closed form says it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from experiments import run
from experiments.data.arrays import InputError, Split
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, figure, unbroken
from experiments.drawing.words import in_words
from experiments.drawing.written import write
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.linear_algebra.vectors import Vectors as Manual
from manual.linear_algebra.vectors import (
    closed_form,
    cosine_similarity,
    direction,
    dot,
    dot_backward,
    l2_norm,
    linf_norm_backward,
    projection,
)
from torch_impl.linear_algebra.vectors import Vectors as Torch


class OneDigit(Digits):
    """All images of one digit, a fifth of them held out; a batch is (x,).

    Args:
        digit: which, 0 to 9.
        batch_size: images in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the images.
    """

    def __init__(self, digit: int = 3, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if not 0 <= digit <= 9:
            raise InputError(f"--data.digit must be 0 to 9, got {digit}")
        self.digit = digit

    def load(self) -> Split:
        split = super().load()
        return Split(*((x[y == self.digit],) for x, y in (split.train, split.val)))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: OneDigit) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    x, y = Digits(seed=data.seed).split.train
    return OnDemand(
        {
            "angle and shadow": lambda: shadow(),
            "near by distance and by angle": lambda: neighbours(data.split.val[0][0], x, y),
            "the direction of a digit": lambda: found(manual, torch_module, data),
            "three unit balls": lambda: unit_balls(),
        }
    )


def shadow() -> Figure:
    """The projection of a vector on another, at three angles."""
    b = np.array([2.0, 0.5])
    fig, axes = figure(
        f"The dot product {unbroken('a · b')} tells how much a goes along b. Grey: the shadow of a on the line along b. With less than a "
        "right angle between them the dot product is above 0; at a right angle it is 0 and there is no shadow; with more it is below 0, "
        "and the shadow falls on the other side.",
        columns=3,
        size=(3.4, 2.6),
        sharex=True,
        sharey=True,
    )
    for ax, a in zip(axes[0], (np.array([1.0, 1.4]), np.array([-0.375, 1.5]), np.array([-1.4, 1.0])), strict=True):
        p = projection(a, b)
        ax.plot(*np.outer(np.array([-2.0, 2.0]), b).T, color="#dddddd", linewidth=1, zorder=0)
        ax.plot(*np.stack([a, p]).T, ":", color="black", linewidth=1)
        for arrow, colour, name in ((b, CATEGORIES[0], "b"), (a, CATEGORIES[1], "a"), (p, "#888888", "")):
            ax.quiver(
                0, 0, *arrow, color=colour, angles="xy", scale_units="xy", scale=1, width=0.018 if name else 0.03, zorder=3 if name else 2
            )
            write(ax, name, arrow, (4, 4), colour, fontsize=12)
        ax.set(
            title=f"a · b = {a @ b:.2f}, cos = {cosine_similarity(a, b):.2f}".replace("-", "−"),
            aspect="equal",
            xlim=(-2.1, 2.5),
            ylim=(-1.0, 1.9),
        )
        ax.title.set_fontsize(10)
    return fig


PALE = 0.25
"""How much of its ink an image keeps when it is compared."""


def nearest(image: np.ndarray, x: np.ndarray, shown: int = 5) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Which rows of x are nearest to a pale copy of an image, by distance and by cosine; and how near, each (shown,)."""
    rows = np.broadcast_to(PALE * image, x.shape)
    far, cosine = l2_norm(x - rows), cosine_similarity(x, rows)
    order = {"distance": (np.argsort(far)[:shown], far), "cosine": (np.argsort(-cosine)[:shown], cosine)}
    return {name: (rank, values[rank]) for name, (rank, values) in order.items()}


def neighbours(image: np.ndarray, x: np.ndarray, digit: np.ndarray, shown: int = 5) -> Figure:
    """The images that are nearest to a pale copy of an image, by distance and by angle."""
    fig, axes = figure(
        f"Near, in two senses. Left: a held-out image, printed with a quarter of its ink; then the five nearest of {len(x)} others. By "
        "distance, ‖a − b‖, they are those with little ink, whatever they show. By the cosine they have the same strokes, however dark. "
        "Above each: which digit it is, and its distance or cosine.",
        rows=2,
        columns=shown + 1,
        size=(1.25, 1.5),
    )
    for row, (name, (rank, values)) in enumerate(nearest(image, x, shown).items()):
        titles = [f"by {name}:"] + [f"{digit[i]}: {value:.2f}" for i, value in zip(rank, values, strict=True)]
        for ax, pixels, title in zip(axes[row], [PALE * image, *x[rank]], titles, strict=True):
            ax.imshow(pixels.reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.set_title(title, fontsize=10)
    return fig


def found(manual: Manual, torch_module: Torch, data: OneDigit) -> Figure:
    """The trained direction of both sides, the closed form, and how near the images are to it."""
    (x,) = data.split.train
    w, theirs = (direction(p.astype(np.float64)) for p in (manual.w.data, to_numpy(torch_module.w)))
    best = closed_form(x)
    similar = cosine_similarity(x, np.broadcast_to(w, x.shape))
    apart = max(l2_norm(p - q) for p in (w, theirs, best) for q in (w, theirs, best))
    fig, axes = figure(
        f"The direction that is nearest, by angle, to {len(x)} images of the digit {data.digit}: trained by hand and in torch, and by "
        "a formula (closed form): the direction of the mean of all images, each first made 1 long. The three are at most "
        f"{in_words(float(apart))}. Lower right: how similar each image is to it; the mean is {similar.mean():.4f}.",
        rows=2,
        columns=2,
        size=(3.0, 2.4),
    )
    for ax, (image, title) in zip(axes.flat, ((w, "by hand"), (theirs, "torch"), (best, "closed form")), strict=False):
        ax.imshow(image.reshape(8, 8), cmap="Greys", vmin=0)
        ax.set(title=title, xticks=[], yticks=[])
    ax = axes[1, 1]
    ax.hist(similar, bins=24, color="#bbbbbb")
    ax.axvline(similar.mean(), color="black", linestyle=":")
    ax.annotate("mean", (similar.mean(), 0.93), xycoords=("data", "axes fraction"), xytext=(-4, 0), textcoords="offset points", ha="right")
    ax.set(title="how near each image is", xlabel="cosine with the direction", ylabel="images", xlim=(None, 1))
    return fig


def learned(run: Trained) -> str:
    """How near the images are to the direction that was found, and how near it is to the closed form."""
    (x,) = run.data.split.train
    w = direction(run.manual.w.data.astype(np.float64))
    similar, off = cosine_similarity(x, np.broadcast_to(w, x.shape)).mean(), l2_norm(w - closed_form(x))
    return (
        f"The {len(x)} images of the digit {run.data.digit} have a cosine of {similar:.4f} with one direction, on average: after "
        f"{len(run.losses)} steps it and the one that the formula gives are {in_words(float(off))}."
    )


# ---- further reading: three lengths, and why w only grows -------------------------------------------------


Length = Callable[[np.ndarray], np.ndarray]

LENGTHS: tuple[tuple[str, Length, Length, str], ...] = (
    ("L1", lambda a: np.abs(a).sum(axis=-1), np.sign, "the entries' sizes, added"),
    ("L2", l2_norm, direction, "by Pythagoras"),
    ("L∞", lambda a: np.abs(a).max(axis=-1), lambda a: linf_norm_backward(np.ones(len(a)), a), "the largest entry"),
)
"""Three lengths of the rows of a: name, length, gradient, and in words."""


def unit_balls() -> Figure:
    """The vectors of length 1, by three lengths, and their gradients."""
    fig, axes = figure(
        "All vectors of length 1, by three ways to measure length. The arrows are gradients: which way a vector must change for its length "
        "to grow fastest. On the circle that is straight outwards; on a side of the diamond or the square it is the same everywhere. At a "
        "corner it jumps (a kink), and one in between is taken.",
        columns=3,
        size=(3.2, 3.3),
        sharex=True,
        sharey=True,
    )
    angle = np.linspace(0, 2 * np.pi, 721)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    for ax, (name, length, slope, title) in zip(axes[0], LENGTHS, strict=True):
        ball, some = circle / length(circle)[:, None], circle[:720:45]
        base = np.round(some / length(some)[:, None], 12)  # else rounding would put a corner on one of its two sides
        ax.plot(*ball.T, color="black", linewidth=2, label=name)
        ax.quiver(*base.T, *slope(base).T, color=CATEGORIES[0], angles="xy", scale_units="xy", scale=2.5, width=0.011, zorder=3)
        ax.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        ax.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
        ax.set(aspect="equal", title=f"{name}: {title}", xlabel="first entry", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
    axes[0, 0].set_ylabel("second entry")
    return fig


TEXT = """
A step of gradient descent is at right angles to w, because turning w changes the angles and stretching it does not. So by Pythagoras
‖w‖² ← ‖w‖² + ‖step‖²: w grows with every step, and turns less for the same step. `length of w/val` shows it. The same happens to every
weight that a norm follows (batch norm, layer norm), and is why such networks seem to lower their own learning rate.

Things to try:

- `--data.digit 8`: another digit.
- `--data.batch_size 16`: each batch has a direction of its own, and w does not come to rest.
"""

# ---- to do ---------------------------------------------------------------------------------------------


def threes_by_distance(run: Trained) -> float:
    """How many of the five training images that are nearest, by distance, to the pale copy of a held-out image show its digit."""
    x, y = Digits(seed=run.data.seed).split.train
    rank, _ = nearest(run.data.split.val[0][0], x)["distance"]
    return float((y[rank] == run.data.digit).sum())


QUESTIONS = (
    by_size(
        "An image of a 3 is printed with a quarter of its ink. Of the five images nearest to it, by distance, how many show a 3?",
        threes_by_distance,
        *("none", 0.5, "1 or 2", 2.5, "3 or more"),
        seen="it is {:.0f} of 5",
        why="A pale image is a short vector, and near to all other short ones. Who wants the same strokes compares angles.",
        trainer={"max_epochs": 1},
        look_at=("near by distance and by angle", "the upper row beside the lower one."),
    ),
    by_size(
        "How large is the cosine between an image of a 3 and the direction that all threes have in common, on average?",
        lambda run: 1 - run.losses[-1],
        *("about 0.3", 0.5, "about 0.7", 0.85, "about 0.9"),
        seen="the mean cosine is {:.3f}",
        why="Ink is never below 0, so no two images are at more than a right angle; and threes have most of theirs in the same places.",
        look_at=("the direction of a digit", "lower right, how near each image is to the direction."),
    ),
    by_size(
        "lr = 50, a hundred times what it was. How long does w become, which begins about 1 long?",
        lambda run: float(l2_norm(run.manual.w.data)),
        *("much shorter", 0.7, "it stays about as long", 1.4, "more than ten times as long"),
        seen="its length is {:.1f}",
        why="Stretching w changes no angle, so a step only turns it, at right angles to w: by Pythagoras that makes it longer.",
        model={"lr": 50.0},
    ),
)


class ByDot(Manual):
    """The direction with the dot product in the place of the cosine."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The dot product of each row of x with w."""
        w = np.broadcast_to(self.w.data, x.shape)
        self.save(x, w)
        return dot(x, w)

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, w = self.restore()
        _, dL_dw = dot_backward(np.full(len(x), -dL_dloss / len(x), x.dtype), x, w)
        self.w.grad += dL_dw.sum(axis=0)


class ByDotInTorch(Torch):
    """Its twin."""

    def forward(self, x: Tensor) -> Tensor:
        """The dot product of each row of x with w."""
        return x @ self.w


MISTAKE = Mistake(
    "The larger the dot product, the more alike two vectors are.",
    lambda run: (
        f"Trained for a large dot product, w is {l2_norm(run.manual.w.data):.0f} long after {len(run.losses)} steps, and still grows: the "
        f"mean dot product went from {1 - run.losses[0]:.1f} to {1 - run.losses[-1]:.1f}."
    ),
    lambda run: bool(l2_norm(run.manual.w.data) > 10),
    "A dot product also grows with the lengths: twice as long is twice as much, and no more alike. The cosine divides them out.",
    trainer={"max_epochs": 20},
    manual=ByDot,
    torch=ByDotInTorch,
)

TWIN = Twin(
    name="vectors",
    manual=Manual,
    torch=Torch,
    data=OneDigit,
    learned=learned,
    look_at=("the direction of a digit", "the three pictures, found in three ways, are one."),
    needs=("derivatives",),
    trainer={"max_epochs": 150, "check_val_every_n_epoch": 10},
    sgd_lr=0.3,
    figures=figures,
    text={"why w only grows": TEXT},
    further=("three unit balls", "why w only grows"),
    questions=QUESTIONS,
    exercises=(
        Exercise(
            "dot_backward",
            ("Write a · b out for two entries: how fast does it grow with a[0]?", "`along` brings one number to every entry."),
        ),
        Exercise("l2_norm_backward", ("For a = (3, 4): how fast does y grow with a[0]?",)),
        Exercise("cosine_similarity_backward", ("Only what turns a counts.",)),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("vectors")
