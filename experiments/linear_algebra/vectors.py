"""Vectors: length, angle, and the direction of a digit

All images of one handwritten digit, as arrows in a space of 64 pixels; both sides turn a random arrow until it has the smallest angle to
them on average, which is where the closed form says it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import InputError, Split
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import figure, unbroken
from experiments.drawing.words import in_words
from experiments.drawing.written import write
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Trained, by_size
from experiments.pair import Twin
from manual.linear_algebra.vectors import Vectors as Manual
from manual.linear_algebra.vectors import closed_form, cosine_similarity, direction, l2_norm, linf_norm_backward, projection
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
    return {
        "three unit balls": unit_balls(),
        "angle and shadow": shadow(),
        "near by distance and by angle": neighbours(data.split.val[0][0], x, y),
        "the direction of a digit": found(manual, torch_module, data),
    }


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


def shadow() -> Figure:
    """The projection of a vector on another, at three angles."""
    b = np.array([2.0, 0.5])
    fig, axes = figure(
        f"The dot product {unbroken('a · b')} tells how much a goes along b. Grey: the projection of a, its shadow on the line along b; "
        "what is missing (dotted) is at right angles to b. Look at its sign: with less than a right angle between them it is positive, "
        "at a right angle it is 0 and there is no shadow, with more it is negative and the shadow falls on the other side.",
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


def neighbours(image: np.ndarray, x: np.ndarray, digit: np.ndarray, shown: int = 5) -> Figure:
    """The images that are nearest to a pale copy of an image, by distance and by angle."""
    pale = 0.25 * image
    rows = np.broadcast_to(pale, x.shape)
    far, cosine = l2_norm(x - rows), cosine_similarity(x, rows)
    fig, axes = figure(
        f"Near, in two senses. Left: a held-out image, printed with a quarter of its ink; then the five nearest of {len(x)} training "
        "images. By distance, ‖a − b‖, they are those with little ink, whatever they show. By the cosine of the angle they have the "
        "same strokes, however dark: an angle does not know how much ink there is. Above each: which digit it is, and its distance or "
        "cosine.",
        rows=2,
        columns=shown + 1,
        size=(1.25, 1.5),
    )
    for row, (name, values, order) in enumerate((("distance", far, np.argsort(far)), ("cosine", cosine, np.argsort(-cosine)))):
        titles = [f"by {name}:"] + [f"{digit[i]}: {values[i]:.2f}" for i in order[:shown]]
        for ax, pixels, title in zip(axes[row], [pale, *x[order[:shown]]], titles, strict=True):
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
        f"The direction that is nearest, by angle, to {len(x)} images of the digit {data.digit}: by gradient descent from a random "
        "start, by hand and in torch, and in closed form, the direction of the mean of all images, each first made to length 1. The "
        f"three are at most {in_words(float(apart))}. Lower right: how similar each image is to it; the mean is {similar.mean():.4f}.",
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


TEXT = """
A step of gradient descent is at right angles to w, because turning w changes the angles and stretching it does not. So by Pythagoras
‖w‖² ← ‖w‖² + ‖step‖²: w grows with every step, and turns less for the same step. `length of w/val` shows it. The same happens to every
weight that a norm follows (batch norm, layer norm), and is why such networks seem to lower their own learning rate.

Things to try:

- `--data.digit 8`: another digit.
- `--data.batch_size 16`: each batch has a direction of its own, and w does not come to rest.
"""

# ---- to do ---------------------------------------------------------------------------------------------


def from_closed_form(run: Trained) -> float:
    """The length of the difference between the direction that was found and that of the formula."""
    (x,) = run.data.split.train
    return float(l2_norm(direction(run.manual.w.data) - closed_form(x)))


QUESTIONS = (
    by_size(
        "How large is the cosine between an image of a 3 and the direction that all threes have in common, on average?",
        lambda run: 1 - run.losses[-1],
        *("about 0.3", 0.5, "about 0.7", 0.85, "about 0.9"),
        seen="the mean cosine is {:.3f}",
        why="Ink is never below 0, so all images lie in one corner of the space; and threes have most of theirs in the same places.",
        look_at=("the direction of a digit", "lower right, how near each image is to the direction."),
    ),
    by_size(
        "lr = 50, a hundred times what it was. To the loss only the direction of w matters. How long does w become, which begins about 1 "
        "long?",
        lambda run: float(l2_norm(run.manual.w.data)),
        *("much shorter", 0.7, "it stays about as long", 1.4, "more than ten times as long"),
        seen="its length is {:.1f}",
        why="A step is at right angles to w, for stretching w would not change the loss. So by Pythagoras it makes w longer, never "
        "shorter.",
        model={"lr": 50.0},
    ),
    by_size(
        "With lr = 0.5 the direction of w has the first 15 digits of the closed form after 150 steps. How far off is it with lr = 50?",
        from_closed_form,
        *("as near", 1e-12, "visibly off", 0.1, "it points anywhere"),
        seen="the two directions are {:.2g} apart",
        why="The first steps have made w so long that each later one, of the same length, turns it by very little.",
        model={"lr": 50.0},
    ),
)

TWIN = Twin(
    name="vectors",
    manual=Manual,
    torch=Torch,
    data=OneDigit,
    learned=learned,
    look_at=("the direction of a digit", "the three pictures, found in three ways, are one; lower right, how near each image is to it."),
    needs=("derivatives",),
    trainer={"max_epochs": 150, "check_val_every_n_epoch": 10},
    sgd_lr=0.3,
    figures=figures,
    text={"why w only grows": TEXT},
    questions=QUESTIONS,
    exercises=(Exercise("dot_backward"), Exercise("l2_norm_backward"), Exercise("projection_backward")),
)

if __name__ == "__main__":
    run("vectors")
