"""Contrastive learning: which two pictures belong together?

Digits that are moved by a pixel at most lie among others, if one goes by the pixels: half of them are told by their nearest. Codes are
learned on both sides from nothing but the question which two pictures are of one digit; by them nine of ten are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.digits import told_by_nearest
from experiments.data.pairs import DigitPairs, moved, moved_by_chance
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.words import percent
from experiments.drawing.written import label_lines
from experiments.judge.convert import made_of
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.unsupervised.contrastive import Contrastive as Manual
from manual.unsupervised.contrastive import least_loss
from torch_impl.unsupervised.contrastive import Contrastive as Torch

# ---- what is measured, on both sides ---------------------------------------------------------------------

MOST = 1
"""Pixels by which held-out digits are moved at most, whatever the views of training were."""


def asked(data: DigitPairs) -> np.ndarray:
    """The held-out digits, each moved by chance; always the same. (M, 64)."""
    (x,) = data.split.val
    return moved_by_chance(x, MOST, np.random.default_rng(9))


def pixels(x: np.ndarray) -> np.ndarray:
    """Pictures as they are, for where codes might stand."""
    return x


def called(data: DigitPairs, code: Any, pictures: np.ndarray) -> np.ndarray:
    """What pictures are called if each is called what its nearest is: of the digits that are learned from, unmoved. (M,)."""
    (known,), (y, _) = data.split.train, data.labels()
    return told_by_nearest(code(known), y, code(pictures))


def told(data: DigitPairs, code: Any, pictures: np.ndarray | None = None) -> float:
    """What part of the held-out digits, moved (or these pictures of them), is called right."""
    _, y = data.labels()
    return float(np.mean(called(data, code, asked(data) if pictures is None else pictures) == y))


def cosines(codes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of the angles between each row of the one and each of the other. (N, M)."""
    return (codes / np.linalg.norm(codes, axis=1, keepdims=True)) @ (others / np.linalg.norm(others, axis=1, keepdims=True)).T


def matched(run: Trained) -> float:
    """What part of the held-out first views have the largest cosine with their own second view."""
    pairs = [cosines(*(made_of(run.manual, views) for views in batch)) for batch in run.data.val_batches()]
    return float(np.mean([c.argmax(axis=1) == np.arange(len(c)) for c in pairs]))


def mean_cosine(run: Trained) -> float:
    """Of the codes of any two different held-out digits."""
    codes = made_of(run.manual, run.data.split.val[0])
    return float(cosines(codes, codes)[~np.eye(len(codes), dtype=bool)].mean())


# ---- figures -----------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: DigitPairs) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "the question": lambda: the_question(manual, torch_module, data),
            "who is nearest": lambda: who_is_nearest(manual, torch_module, data),
            "how far": lambda: how_far(manual, torch_module, data),
        }
    )


def draw_ink(ax: Any, picture: np.ndarray) -> None:
    """One picture."""
    ax.imshow(picture.reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])


def one_of_each(data: DigitPairs) -> np.ndarray:
    """Rows of the held-out digits: the first 0, the first 1, and so on; any, where there is none."""
    _, y = data.labels()
    return np.array([int(np.argmax(y == digit)) for digit in range(10)])


def the_question(manual: Manual, torch_module: Torch, data: DigitPairs) -> Figure:
    """Two views of ten digits, and the cosines of each with each."""
    x = data.split.val[0][one_of_each(data)]
    rng = np.random.default_rng(1)
    first, second = moved_by_chance(x, max(data.shift, 1), rng), moved_by_chance(x, max(data.shift, 1), rng)
    of_codes = [cosines(made_of(side, first), made_of(side, second)) for side in (manual, torch_module)]
    of_pixels = cosines(first, second)
    right = [int((c.argmax(axis=1) == np.arange(10)).sum()) for c in (of_pixels, of_codes[0])]
    fig, axes = figure(
        "Ten held-out digits, one of each kind. Every row is a question: which of the second views belongs to this first one? Orange: the "
        "cosine of the two is above 0, violet: below. By their pixels all pictures are alike, and the largest cosine of the row "
        f"is the right one (on the diagonal) {right[0]} times of ten. By the codes it is {right[1]} times, and most others are pushed "
        "away, on both sides alike.",
        columns=3,
        size=(3.4, 3.6),
    )
    for ax, values, title in zip(axes[0], (of_pixels, *of_codes), ("by pixels", "by codes, by hand", "by codes, in torch"), strict=True):
        image = ax.imshow(values, cmap=SIGNED, vmin=-1, vmax=1)
        ax.plot(values.argmax(axis=1), np.arange(10), "o", color="black", markersize=4)
        ax.set(title=title, xlabel="second view of a", ylabel="first view of a", xticks=range(10), yticks=range(10))
    fig.colorbar(image, ax=axes[0, 2], shrink=0.7, label="cosine (dot: the largest)")
    return fig


def who_is_nearest(manual: Manual, torch_module: Torch, data: DigitPairs) -> Figure:
    """Held-out digits that were moved, and who is nearest by pixels and by codes."""
    x, (known,), (y, y_val), rows = asked(data), data.split.train, data.labels(), one_of_each(data)
    numbers = np.arange(len(known))
    nearest = [
        told_by_nearest(code(known), numbers, code(x[rows]))
        for code in (pixels, lambda a: made_of(manual, a), lambda a: made_of(torch_module, a))
    ]
    fig, axes = figure(
        "First row: held-out digits, moved by a pixel at most. Below each who is nearest to it among those that were learned from: "
        "by the pixels, by the codes by hand, and by those of torch; above each, which digit it is. Of all that were held out "
        f"{percent(told(data, pixels))} are told by the pixels, and {percent(told(data, lambda a: made_of(manual, a)))} by the codes. "
        "Nobody has said which digits they are.",
        rows=4,
        columns=10,
        size=(0.85, 1.05),
    )
    for column, row in enumerate(rows):
        draw_ink(axes[0, column], x[row])
        axes[0, column].set_title(f"a {y_val[row]}", fontsize=9)
        for below, of in zip(axes[1:, column], nearest, strict=True):
            draw_ink(below, known[of[column]])
            below.set_title(str(y[of[column]]), fontsize=9)
    for ax, name in zip(axes[:, 0], ("moved", "pixels", "by hand", "torch"), strict=True):
        ax.set_ylabel(name, fontsize=9)
    return fig


def how_far(manual: Manual, torch_module: Torch, data: DigitPairs, most: int = 2) -> Figure:
    """What part is told, against how far the digits are moved to the right."""
    (x,), steps = data.split.val, np.arange(-most, most + 1)
    pictures = [moved(x, np.zeros(len(x), int), np.full(len(x), right)) for right in steps]
    by = {
        "codes": [[told(data, lambda a, side=side: made_of(side, a), p) for p in pictures] for side in (manual, torch_module)],
        "pixels": [[told(data, pixels, p) for p in pictures]] * 2,
    }
    fig, axes = figure(
        "What part of the held-out digits is told by their nearest, if all are moved to the right (below 0: left) by so many pixels. "
        f"The views of training were moved by {data.shift} at most. Pixels tell more only where nothing is moved: a code that forgets "
        "where a digit stands has forgotten a little else too. Beyond what was shown in training it helps, but less. Bands: torch, dashes: "
        "by hand. Black line: guessing.",
        size=(6.0, 3.8),
    )
    ax = axes[0, 0]
    for (name, (ours, theirs)), colour in zip(by.items(), CATEGORIES, strict=False):
        draw_both(ax, [steps, ours], [steps, theirs], name, colour)
    ax.axhline(0.1, color="black", linewidth=0.8)
    ax.set(title="told by the nearest", xlabel="pixels to the right", ylabel="part told right", ylim=(0, 1.02), xticks=steps)
    label_lines(ax)
    return fig


# ---- to do -------------------------------------------------------------------------------------------------


def code_of(run: Trained) -> Any:
    """The hand-written side's code, as a function."""
    return lambda x: made_of(run.manual, x)


SHORT = {"max_epochs": 25}

QUESTIONS = (
    by_size(
        "Before it has learned anything: how large is the loss of the first step, with 128 pictures in a batch?",
        lambda run: run.losses[0],
        *("about log 2 = 0.7", 1.5, "about log 10 = 2.3", 3.5, "about log 128 = 4.85", 6.5, "about 128"),
        seen="{:.2f}",
        why="Each question has 128 answers, one of them right, and to a code that knows nothing all look alike: p = 1/128.",
        trainer=SHORT,
    ),
    by_size(
        "Pixels tell 57 % of the moved digits by their nearest. What part do the codes tell after 25 epochs, without a label ever seen?",
        lambda run: told(run.data, code_of(run)),
        *("about 10 %, as by guessing", 0.3, "about 57 %, as pixels do", 0.75, "over 75 %"),
        seen="{:.1%} of them",
        why="To know a digit again after it was moved one must go by its strokes, and digits of one kind have the same strokes.",
        trainer=SHORT,
        look_at=("who is nearest", "which digits the pixels are wrong about, and the codes right."),
    ),
    by_size(
        "shift = 0: both views of a digit are one and the same picture. What part of the moved digits is told now?",
        lambda run: told(run.data, code_of(run)),
        *("about half or less", 0.6, "about two thirds", 0.8, "over 80 %"),
        seen="{:.1%} of them",
        why="What the two views have in common is what the code keeps. Nothing was to be forgotten, so where a digit stands was kept too.",
        data={"shift": 0},
        trainer=SHORT,
    ),
)


class PullOnly(Manual):
    """The two views are pulled together, and nothing is pushed apart: L = the mean of 1 − a[i] · b[i]."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        first, second = batch
        a, b = self(first), self(second)
        self.save(a, b)
        loss = float((1 - (a * b).sum(axis=1)).mean())
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        a, b = self.restore()
        self.encoder.backward(-dL_dloss * a / len(a))
        self.encoder.backward(-dL_dloss * b / len(b))


class PullOnlyInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        first, second = batch
        loss = (1 - (self(first) * self(second)).sum(dim=1)).mean()
        self.log("loss/train", loss)
        return loss


MISTAKE = Mistake(
    "Two views of one digit are to have the same code. So they are pulled together, and the others are not needed.",
    lambda run: (
        f"The loss falls to {run.losses[-1]:.1g}, nearly the best there is. And the codes of two different digits have a cosine of "
        f"{mean_cosine(run):.3f}: they all point the same way. {told(run.data, code_of(run)):.0%} of the digits are told by them, and "
        f"{told(run.data, pixels):.0%} by the pixels."
    ),
    lambda run: run.agree and mean_cosine(run) > 0.95,
    "One code for everything is always the same for two views. It is the wrong answers that make the question one: without them the code "
    "*collapses*.",
    trainer={"max_epochs": 8},
    manual=PullOnly,
    torch=PullOnlyInTorch,
)


def learned(run: Trained) -> str:
    """Where the loss came from and to, what is matched, and what is told."""
    N = len(run.data.batches(0)[0][0])
    return (
        f"The loss fell from {run.losses[0]:.2f} (log {N} = {np.log(N):.2f}) to {run.losses[-1]:.2f}; it cannot fall below "
        f"{least_loss(N, run.manual.temperature):.2f}. Of {N} held-out pictures {percent(matched(run))} find their second "
        f"view. Moved by a pixel at most, {percent(told(run.data, code_of(run)))} of the digits are told by the nearest code, and "
        f"{percent(told(run.data, pixels))} by the nearest pixels."
    )


TWIN = Twin(
    name="contrastive",
    manual=Manual,
    torch=Torch,
    data=DigitPairs,
    learned=learned,
    look_at=("who is nearest", "which digits the pixels are wrong about, and the codes right."),
    needs=("digits_mlp",),
    trainer={"max_epochs": 50},
    variants={"few numbers, surer": {"dimensions": 3, "hidden": 7, "temperature": 0.05}},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("normalize_backward", ("Write a for h / ‖h‖. Which part of ∂L/∂a does not turn h?",)),
        Exercise("info_nce_backward", ("For the scores it is p − y over N, as for classes: what is y here?",)),
        Exercise("Encoder.backward", ("Every line of forward has one line here, in the opposite order.",)),
        Exercise("Contrastive.backward", ("The encoder was called twice. Which call is walked back first?",)),
    ),
)

if __name__ == "__main__":
    run("contrastive")
