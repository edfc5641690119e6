"""Which place is where: sinusoidal, learned and rotary positions.

Each place is to say the token three places before it. Attention without positions cannot; with learned ones it can, as far as it was
trained; with rotary ones it can in longer sequences too, for its scores know nothing but distances.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES, MARKERS, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.drawing.words import in_words, percent
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.sequences.positions import Copying as Manual
from manual.sequences.positions import Kind, angles, rotate, sinusoidal
from manual.trainer import Trainer
from torch_impl.sequences.positions import Copying as Torch
from torch_impl.sequences.positions import rotate as rotate_in_torch

TOKENS = 10
IGNORED = -100
KINDS: tuple[Kind, ...] = typing.get_args(Kind)


class Copies(ArrayData):
    """Sequences of random tokens; what is right at a place stands some places before it.

    Args:
        batch_size: sequences in a batch; 0 puts all of them into one.
        seed: of the sequences and of the order of the batches.
        length: of each.
        back: how many places before.
        sequences: to train on; a quarter as many are held out.

    Attributes:
        longest: of the sequences that a trained model is asked about: twice as long.

    Raises:
        InputError: if `back` is not from 1 to length − 1, or there are no sequences.
    """

    def __init__(self, batch_size: int = 64, seed: int = 0, length: int = 16, back: int = 3, sequences: int = 1024) -> None:
        super().__init__(batch_size, seed)
        if not 1 <= back < length or sequences < 1:
            raise InputError(
                f"--data.back must be from 1 to --data.length − 1, --data.sequences at least 1, got {back}, {length} and {sequences}"
            )
        self.length, self.back, self.sequences, self.longest = length, back, sequences, 2 * length

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        return Split(self.draw(rng, self.sequences, self.length), self.draw(rng, max(self.sequences // 4, 1), self.length))

    def draw(self, rng: np.random.Generator, n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and targets, (n, length) each."""
        x = rng.integers(0, TOKENS, (n, length))
        target = np.full(x.shape, IGNORED)
        target[:, self.back :] = x[:, : -self.back]
        return x, target

    def longer(self) -> tuple[np.ndarray, np.ndarray]:
        """200 sequences, twice as long as those of the training."""
        return self.draw(np.random.default_rng(self.seed + 1), 200, self.longest)


def by_place(manual: Manual, data: Copies) -> np.ndarray:
    """In sequences twice as long: at each place that is asked, the part that is right, (2 · length − back,)."""
    x, target = data.longer()
    with no_grad():
        right = manual(x).argmax(axis=-1) == target
    return right[:, data.back :].mean(axis=0)


# ---- figures -------------------------------------------------------------------------------------------


def who_looks_where(manual: Manual, data: Copies, when: str) -> Figure:
    """The attention in one sequence of the length of the training, and what turning and adding are made of."""
    x = data.split.val[0][:1]
    with no_grad():
        manual(x)
    assert manual.attend.weights is not None
    fig, axes = figure(
        f"{when}, positions: {manual.positions}. Left: each row is a place, each column a place that it may look at; the darker, the more "
        f"weight. On the line stands the token {data.back} places before. Right: sinusoidal positions of as many places, a row for each "
        "(orange above 0, violet below). Pairs on the left of it turn fast, those on the right hardly at all.",
        columns=2,
        size=(4.6, 3.9),
    )
    left, right = axes[0]
    T = x.shape[1]
    left.imshow(manual.attend.weights[0], cmap="Greys", vmin=0, vmax=1)
    left.plot([0, T - 1 - data.back], [data.back, T - 1], color=CATEGORIES[1], linewidth=1)
    left.set(title="who looks where", xlabel="looks at place", ylabel="place", xticks=range(0, T, 3), yticks=range(0, T, 3))
    image = right.imshow(sinusoidal(T, 32), cmap=SIGNED, vmin=-1, vmax=1, aspect="auto")
    right.set(title="sines and cosines", xlabel="number", ylabel="place")
    fig.colorbar(image, ax=right)
    return fig


def distance() -> Figure:
    """Scores of one query and one key, wherever they stand, by the distance of the two: turned, and with rows of places added."""
    rng, T, d = np.random.default_rng(0), 24, 16
    q, k, rows = rng.normal(size=(1, d)), rng.normal(size=(1, d)), rng.normal(size=(T, d))
    angle, apart = angles(T, d), np.subtract.outer(np.arange(T), np.arange(T)).ravel()
    turned = rotate(np.repeat(q, T, axis=0), angle) @ rotate(np.repeat(k, T, axis=0), angle).T
    queries, keys = (rotate_in_torch(to_torch(np.repeat(a, T, axis=0)), to_torch(angle)) for a in (q, k))
    in_torch = (queries @ keys.T).numpy()
    added = (q + rows) @ (k + rows).T
    spread = max(np.ptp(turned.ravel()[apart == n]) for n in range(1 - T, T))
    fig, axes = figure(
        f"One query and one key, put at each two of {T} places: a dot for the score of every two, over how far apart they stand. Rotary: "
        f"at one distance there is one score, wherever both stand (they differ by {spread:.0e}; torch and by hand are "
        f"{in_words(error(turned, in_torch))}). With a row for each place, as learned ones are at first, there is one for every two.",
        columns=2,
        size=(4.6, 3.6),
    )
    left, right = axes[0]
    left.plot(apart, in_torch.ravel(), "o", color=TORCH["color"], markersize=7, label="torch")
    left.plot(apart, turned.ravel(), "o", color=BY_HAND["color"], markersize=2.5, label="by hand")
    left.legend(fontsize=9)
    right.plot(apart, added.ravel(), "o", color=CATEGORIES[0], markersize=2.5)
    left.set(title="rotary", xlabel="places apart", ylabel="score")
    right.set(title="a row added for each place", xlabel="places apart", ylabel="score")
    return fig


@cache
def after_training(positions: Kind, steps: int = 128) -> np.ndarray:
    """`by_place` of a model that was trained by hand for so many steps."""
    data = Copies()
    model, trainer = Manual(positions=positions, rng=np.random.default_rng(1)), Trainer()
    trainer.attach(model)
    for step in range(steps):
        first = 64 * step % 1024
        trainer.train_batch(tuple(part[first : first + 64] for part in data.split.train), step, is_last=True)
    return by_place(model, data)


def longer_sequences() -> Figure:
    """What each of the four says in sequences twice as long as those of the training."""
    found = {kind: after_training(kind) for kind in KINDS}
    fig, axes = figure(
        "Four models, trained by hand on sequences of 16, are asked about sequences of 32. Right of the line no place was ever seen. "
        "Right are there, of "
        + ", ".join(f"{kind} {percent(of[13:].mean())}" for kind, of in found.items())
        + ". Learned rows that were never used are as they began; sines go on, but what they mean there was not learned; rotary scores "
        "know only distances, and 3 is 3 everywhere.",
        size=(6.4, 3.7),
    )
    ax = axes[0, 0]
    for (kind, of), colour, marker in zip(found.items(), CATEGORIES, MARKERS, strict=False):
        ax.plot(np.arange(3, 32), of, color=colour, marker=marker, markersize=4, label=kind)
    ax.axvline(15.5, color="#777777", linewidth=1)
    ax.set(title="right, by place", xlabel="place", ylabel="part of the sequences", ylim=(-0.03, 1.05))
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return fig


def before(manual: Manual, torch_module: Torch, data: Copies) -> Mapping[str, Figure]:
    """Where an untrained place looks."""
    return {"who looks where": who_looks_where(manual, data, "Before training")}


def figures(manual: Manual, torch_module: Torch, data: Copies) -> Mapping[str, Figure]:
    """Where a trained place looks; and, whatever was trained, distances and longer sequences."""
    return OnDemand(
        {
            "who looks where": lambda: who_looks_where(manual, data, "After training"),
            "only the distance counts": lambda: distance(),
            "longer sequences": lambda: longer_sequences(),
        }
    )


def learned(run: Trained) -> str:
    """What part is copied, here and in longer sequences."""
    data = run.data
    return (
        f"With positions {run.manual.positions} it says {percent(run.metrics['copied/val'])} of the tokens rightly in sequences of "
        f"{data.length} that it has not seen, and {percent(beyond(run))} at the places beyond {data.length} in sequences of {data.longest}."
    )


# ---- to do ---------------------------------------------------------------------------------------------


def beyond(run: Trained) -> float:
    """The part that is right at places that were in no training sequence."""
    return float(by_place(run.manual, run.data)[-run.data.length :].mean())


def copied(run: Trained) -> float:
    """The part that is right in held-out sequences."""
    return run.metrics["copied/val"]


PARTS = ("at most 3 in 10", 0.3, "more than that, but not 9 in 10", 0.9, "at least 9 in 10")
SEEN = "{:.1%} of them"

QUESTIONS = (
    by_size(
        "No positions. What part of the tokens three places before is said rightly?",
        copied,
        *PARTS,
        seen=SEEN,
        why="All places see the same bag of tokens. It can guess one that is frequent in the sequence, and that is more than 1 in 10.",
        model={"positions": "none"},
        look_at=("who looks where", "whether any row knows where it is."),
    ),
    by_size(
        "Learned positions, trained on sequences of 16. What part is right at the places from 16 on, in sequences of 32?",
        beyond,
        *PARTS,
        seen=SEEN,
        why="The rows of these places were never used, so no gradient has reached them: they are as random as at first.",
        model={"positions": "learned"},
        look_at=("longer sequences", "the curve of learned positions right of the line."),
    ),
    by_size(
        "Rotary positions, trained on sequences of 16. What part is right at the places from 16 on, in sequences of 32?",
        beyond,
        *PARTS,
        seen=SEEN,
        why="A score depends on the distance alone, and three places before is the same distance everywhere.",
        look_at=("longer sequences", "the curve of rotary positions right of the line."),
    ),
)


def shuffled(run: Trained) -> float:
    """How far what comes out of shuffled sequences is from what came out, shuffled likewise."""
    x = run.data.split.val[0][:64]
    order = np.random.default_rng(0).permutation(x.shape[1])
    with no_grad():
        z = run.manual(x)
        return error(run.manual(x[:, order]), z[:, order])


MISTAKE = Mistake(
    "A sequence goes in, so attention knows what comes before what.",
    lambda run: (
        f"Without positions {copied(run):.0%} of the tokens are said rightly. If the sequences are shuffled, what comes out is what came "
        f"out before, shuffled: {in_words(shuffled(run))}."
    ),
    lambda run: copied(run) < 0.35 and shuffled(run) < 1e-10,
    "A softmax of dot products and a sum of values are the same in any order. Where a token stands must be told.",
    {"positions": "none"},
)

TWIN = Twin(
    name="positions",
    manual=Manual,
    torch=Torch,
    data=Copies,
    links={"data.longest": "model.length"},
    needs=("attention",),
    trainer={"max_epochs": 8},
    variants={kind: {"positions": kind} for kind in KINDS if kind != "rotary"},
    options={"d_model": 16, "positions": "learned"},
    sgd_lr=0.1,
    before=before,
    figures=figures,
    learned=learned,
    look_at=("only the distance counts", "how many scores there are at one distance, on the left and on the right."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("rotate_backward", ("By which angle does one turn back?",)),
        Exercise("Copying.backward", ("Every line of forward has one line here, in the opposite order. e was used three times.",)),
    ),
)

if __name__ == "__main__":
    run("positions")
