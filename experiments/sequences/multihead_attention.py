"""Several heads: two things looked up at once.

A question asks for two of a list's digits in their order. Two heads or four learn to answer; one head of the same width cannot, and why is
a line of arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES, MARKERS
from experiments.drawing.figure import OnDemand, figure
from experiments.drawing.words import in_words, percent
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.sequences.multihead_attention import TwoLookUps as Manual
from manual.trainer import Trainer
from torch_impl.sequences.multihead_attention import TwoLookUps as Torch

LETTERS, DIGITS = 8, 8

ONE_HEAD = 1 / DIGITS + (1 - 1 / DIGITS) / 2
"""The most of the questions that one head can answer: those with equal digits, and half of the others."""


class Lists(ArrayData):
    """Lists of different letters, each with a digit; and questions, each for the digits of two of the letters.

    Args:
        batch_size: lists in a batch; 0 puts all of them into one.
        seed: of the lists and of the order of the batches.
        places: letters in a list, from 2 to 8.
        questions: about each list.
        lists: to train on; a quarter as many are held out.

    Raises:
        InputError: if there are no questions or lists, or places that no list can have.
    """

    def __init__(self, batch_size: int = 64, seed: int = 0, places: int = 6, questions: int = 4, lists: int = 2048) -> None:
        super().__init__(batch_size, seed)
        if not 2 <= places <= LETTERS or min(questions, lists) < 1:
            raise InputError(
                f"--data.places must be from 2 to {LETTERS}, --data.questions and --data.lists at least 1, got {places}, {questions} "
                f"and {lists}"
            )
        self.places, self.questions, self.lists = places, questions, lists

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        return Split(self.draw(rng, self.lists), self.draw(rng, max(self.lists // 4, 1)))

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
        """Letters and digits (n, places), letters asked (n, questions, 2) and what is right (n, questions, 2)."""
        letters = rng.random((n, LETTERS)).argsort(axis=1)[:, : self.places]
        digits = rng.integers(0, DIGITS, letters.shape)
        at = rng.random((n, self.questions, self.places)).argsort(axis=2)[..., :2]  # two different places
        asked, target = (np.take_along_axis(of[:, None], at, axis=2) for of in (letters, digits))
        return letters, digits, asked, target


# ---- figures -------------------------------------------------------------------------------------------


def maps(manual: Manual, torch_module: Torch, batch: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where each head looks, by hand and in torch: (N, H, L, T)."""
    letters, digits, asked, _ = batch
    with no_grad(), torch.no_grad():
        manual(letters, digits, asked)
        x = [to_torch(a) for a in (letters, digits, asked)]
        query = torch_module.first(x[2][..., 0]) + torch_module.second(x[2][..., 1])
        inputs = query, torch_module.letter(x[0]), torch_module.digit(x[1])
        _, theirs = torch_module.attention(*inputs, average_attn_weights=False)
    assert manual.attention.attend.weights is not None
    return manual.attention.attend.weights, theirs.numpy()


def who_looks_where(manual: Manual, torch_module: Torch, data: ArrayData, when: str) -> Figure:
    """The maps of all heads, for one held-out list."""
    batch = tuple(part[:1] for part in data.split.val)
    ours, theirs = maps(manual, torch_module, batch)
    letters, digits, asked, _ = (part[0] for part in batch)
    names = "abcdefgh"
    shown = min(ours.shape[1], 4)
    fig, axes = figure(
        f"{when}. A list (columns) and the questions about it (rows), one panel for each head: the darker, the more weight. A ring is "
        "round the letter that is asked for first, a square round the second. After training each head looks for one of the two. The maps "
        f"of torch and by hand are {in_words(error(ours, theirs))}.",
        columns=shown,
        size=(3.6, 3.2),
    )
    for h, ax in enumerate(axes[0]):
        ax.imshow(ours[0, h], cmap="Greys", vmin=0, vmax=1)
        ax.set_xticks(range(len(letters)), [f"{names[c]}\n{d}" for c, d in zip(letters, digits, strict=True)])
        ax.set_yticks(range(len(asked)), [f"{names[a]}, {names[b]}?" for a, b in asked])
        ax.set(title=f"head {h}", xlabel="letter and digit")
        for which, marker in enumerate("os"):
            at = [int(np.flatnonzero(letters == letter)[0]) for letter in asked[:, which]]
            ax.scatter(
                at, range(len(at)), s=230, marker=marker, facecolors="none", edgecolors=CATEGORIES[1 + which], linewidths=2,
                label=("asked first", "asked second")[which],
            )  # fmt: skip
    axes[0, 0].set_ylabel("question")
    axes[0, -1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=0.5, frameon=False)
    return fig


HEADS = (1, 2, 4, 16)


@cache
def answered(heads: int, epochs: int = 4) -> list[float]:
    """The part of the questions that is answered, before training by hand and after every 8 of its steps."""
    data = Lists(lists=1024)
    model, trainer = Manual(heads=heads, rng=np.random.default_rng(1)), Trainer()
    trainer.attach(model)
    found = []
    for step in range(epochs * 16):
        if step % 8 == 0:
            found.append(trainer.validate([data.split.val])["both/val"])
        first = 64 * step % 1024
        trainer.train_batch(tuple(part[first : first + 64] for part in data.split.train), step, is_last=True)
    return [*found, trainer.validate([data.split.val])["both/val"]]


def how_many_heads() -> Figure:
    """The part of the questions that is answered, along the training, for several numbers of heads."""
    fig, axes = figure(
        f"The same 16 numbers cut into 1, 2, 4 or 16 heads, trained by hand. One head stays below the dashed line at {percent(ONE_HEAD)}, "
        f"its arithmetic limit; it ends at {percent(answered(1)[-1])}. Two find both letters soonest. Sixteen heads have one number each "
        f"to tell eight letters apart with, which is little: {percent(answered(16)[-1])}.",
        size=(5.6, 3.8),
    )
    ax = axes[0, 0]
    for heads, colour, marker in zip(HEADS, CATEGORIES, MARKERS, strict=False):
        found = answered(heads)
        ax.plot(8 * np.arange(len(found)), found, color=colour, marker=marker, label=f"{heads} head{'s' * (heads > 1)}")
    ax.axhline(ONE_HEAD, color="#777777", linestyle="--", linewidth=1)
    ax.set(title="both digits right", xlabel="step", ylabel="part of the questions", ylim=(-0.03, 1.03))
    ax.legend(fontsize=9)
    return fig


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The untrained heads."""
    return {"who looks where": who_looks_where(manual, torch_module, data, "Before training")}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The trained heads, and what more and fewer of them do."""
    return OnDemand(
        {
            "who looks where": lambda: who_looks_where(manual, torch_module, data, "After training"),
            "how many heads": lambda: how_many_heads(),
        }
    )


def learned(run: Trained) -> str:
    """What part of the questions is answered."""
    n = run.data.split.val[3].shape[0] * run.data.split.val[3].shape[1]
    return (
        f"Of {n:,} questions about lists that it has not seen, {percent(run.metrics['both/val'])} are answered with both digits right. One "
        f"head could answer at most {percent(ONE_HEAD)}."
    )


# ---- to do ---------------------------------------------------------------------------------------------


def both(run: Trained) -> float:
    """The part of the held-out questions with both digits right."""
    return run.metrics["both/val"]


PARTS = (
    "about one in 64, as by guessing",
    0.04,
    "more, but not over 9/16 of them",
    9 / 16,
    "more than 9/16, but not all",
    0.95,
    "nearly all",
)

QUESTIONS = (
    by_size(
        "Two heads, each with half of the 16 numbers. What part of the questions has both digits right, in lists that it has not seen?",
        both,
        *PARTS,
        seen="{:.1%} of them",
        why="Each head has a distribution over the places of its own: one looks for the first letter, the other for the second.",
        look_at=("who looks where", "which of the two heads looks at the rings, and which at the squares."),
    ),
    by_size(
        "One head, with all of the 16 numbers. What part of the questions has both digits right?",
        both,
        *PARTS,
        seen="{:.1%} of them",
        why="One head gives one mixture. The digit with more weight can be told, and not also the other one, in its order.",
        model={"heads": 1},
        look_at=("who looks where", "rows whose weight is spread over the ring and the square."),
    ),
    by_size(
        "Sixteen heads, with one number each. What part of the questions has both digits right?",
        both,
        *PARTS,
        seen="{:.1%} of them",
        why="A score is then a product of two numbers. Of eight letters on one line only those at its ends can be looked for alone.",
        model={"heads": 16},
        look_at=("how many heads", "the curves of two heads and of sixteen."),
    ),
)

MISTAKE = Mistake(
    "If one head is not enough, a wider head will do.",
    lambda run: f"One head of 64 numbers in place of 16 answers {both(run):.0%} of the questions.",
    lambda run: both(run) < ONE_HEAD,
    "However wide a head is, its weights are one distribution over the places. What two look-ups need is a second distribution.",
    {"heads": 1, "d_model": 64},
    {"lists": 1024},
)

TWIN = Twin(
    name="multihead_attention",
    manual=Manual,
    torch=Torch,
    data=Lists,
    needs=("attention",),
    trainer={"max_epochs": 5},
    variants={"one head": {"heads": 1}, "four heads": {"heads": 4}},
    options={"d_model": 8, "heads": 4},
    sgd_lr=0.1,
    before=before,
    figures=figures,
    learned=learned,
    look_at=("who looks where", "which head looks at the rings, and which at the squares."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("TwoLookUps.backward", ("Every line of forward has one line here, in the opposite order. A sum has two terms.",)),
        Exercise("MultiheadAttention.backward", ("Where forward splits, backward joins; where it joins, backward splits.",)),
    ),
)

if __name__ == "__main__":
    run("multihead_attention")
