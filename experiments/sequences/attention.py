"""Attention that looks something up.

In a sequence of keys and values, when a key comes again, the value that followed it before is asked for, and attention learns to look
it up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.drawing.colours import CATEGORIES, MARKERS
from experiments.drawing.figure import figure
from experiments.drawing.interactive import Interactive, Words
from experiments.drawing.words import held_out, percent
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.nn.functional import softmax
from manual.sequences.attention import Attention as Manual
from torch_impl.sequences.attention import Attention as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = "abcdefgh01234567^"
"""Tokens by number: eight keys, eight values, and the start of a sequence (what stands before the first token)."""

KEYS, VALUES, START = 8, 8, 16
IGNORED = -100


class Recall(ArrayData):
    """Sequences of key-value pairs, keys drawn with replacement; what follows a key is fixed within its sequence.

    Args:
        batch_size: sequences in a batch; 0 puts all of them into one.
        seed: of the sequences and of the order of the batches.
        pairs: in a sequence; it is twice as many tokens long.
        sequences: to train on; a quarter as many are held out.
    """

    def __init__(self, batch_size: int = 64, seed: int = 0, pairs: int = 8, sequences: int = 2048) -> None:
        super().__init__(batch_size, seed)
        self.pairs, self.sequences = pairs, sequences

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        return Split(self.draw(rng, self.sequences), self.draw(rng, max(self.sequences // 4, 1)))

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, T, 2), the token at each place and the one before it; targets (n, T)."""
        keys = rng.integers(0, KEYS, (n, self.pairs))
        meaning = KEYS + rng.integers(0, VALUES, (n, KEYS))  # of each key, in each sequence
        values = np.take_along_axis(meaning, keys, axis=1)
        tokens = np.stack([keys, values], axis=2).reshape(n, -1)
        before = np.concatenate([np.full((n, 1), START), tokens[:, :-1]], axis=1)
        seen = np.stack([(keys[:, :i] == keys[:, i : i + 1]).any(axis=1) for i in range(self.pairs)], axis=1)
        target = np.full(tokens.shape, IGNORED)
        target[:, ::2] = np.where(seen, values, IGNORED)
        return np.stack([tokens, before], axis=2), target


def attention_map(manual: Manual, data: ArrayData, when: str) -> Figure:
    """Who looks where, for one held-out sequence."""
    x, target = (part[:1] for part in data.split.val)
    with no_grad():
        manual(x)
    assert manual.attend.weights is not None
    weights, names = manual.attend.weights[0], [NAMES[t] for t in x[0, :, 0]]
    rows = [f"{name} → {NAMES[t]}?" if t != IGNORED else name for name, t in zip(names, target[0], strict=True)]
    fig, axes = figure(
        f"{when}. Each row is a place in one sequence, each column a place that it may look at; the darker, the more weight. Look at the "
        "rows with a question mark: they are asked for the value that followed the same key before, and a trained network looks just "
        "behind that key (ringed).",
        size=(6.2, 5.2),
    )
    image = axes[0, 0].imshow(weights, cmap="Greys", vmin=0, vmax=1)
    axes[0, 0].set_xticks(range(len(names)), names)
    axes[0, 0].set_yticks(range(len(names)), rows)
    axes[0, 0].set(title="Who looks where", xlabel="looks at", ylabel="place")
    for row, t in enumerate(target[0]):
        if t != IGNORED:
            answers = [c for c in range(1, row) if x[0, c, 1] == x[0, row, 0]]
            axes[0, 0].scatter(answers, [row] * len(answers), s=110, facecolors="none", edgecolors=CATEGORIES[1], linewidths=1.8)
    fig.colorbar(image, ax=axes[0, 0], label="attention weight")
    return fig


def sharpness() -> Figure:
    """How the softmax of random products sharpens with d_k, with and without the scale; and what is left of its gradient."""
    rng = np.random.default_rng(0)
    sizes, places = [2**i for i in range(10)], 16
    largest: dict[str, list[float]] = {"with 1/√d_k": [], "without": []}
    slope: dict[str, list[float]] = {label: [] for label in largest}
    for d_k in sizes:
        q, k = rng.normal(size=(400, 1, d_k)), rng.normal(size=(400, places, d_k))
        z = (q * k).sum(axis=-1)
        for label, scale in (("with 1/√d_k", 1 / math.sqrt(d_k)), ("without", 1.0)):
            a = softmax(z * scale, axis=-1)
            largest[label].append(float(a.max(axis=-1).mean()))
            slope[label].append(float((a * (1 - a)).max(axis=-1).mean()))
    fig, axes = figure(
        f"Random queries and keys, {places} places. Left: the largest attention weight, on average (1: all the weight on one place). "
        "Right: the largest slope a(1 − a) of the softmax, through which every gradient must pass. "
        "Without the scale the weight moves to one place and the slope vanishes as d_k grows.",
        columns=2,
        size=(4.2, 3.4),
    )
    panels = (largest, "The weight", "largest weight"), (slope, "What is left of the gradient", "largest slope a(1 − a)")
    for axis, (lines, title, ylabel) in zip(axes[0], panels, strict=True):
        for (label, line), colour, marker in zip(lines.items(), CATEGORIES, MARKERS, strict=False):
            axis.plot(sizes, line, marker=marker, color=colour, label=label)
        axis.set(title=title, xlabel="d_k, numbers in a query or key", ylabel=ylabel, ylim=(0, None))
        axis.set_xscale("log", base=2)
        axis.legend()
    return fig


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The untrained attention, and why it is scaled."""
    return {"attention map": attention_map(manual, data, "Before training"), "why the scale": sharpness()}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The trained attention."""
    return {"attention map": attention_map(manual, data, "After training")}


def learned(run: Trained) -> str:
    """What part of the questions is answered rightly."""
    scores, target = held_out(run)
    asked = target != IGNORED
    right = (scores.argmax(axis=-1) == target)[asked].mean()
    return (
        f"Asked for the value that followed a key before, it answers {percent(right)} of {asked.sum():,} questions in {len(target)} "
        f"sequences that it has not seen rightly; guessing would answer {100 / VALUES:.1f} %."
    )


# ---- to move -------------------------------------------------------------------------------------------


def interactive(run: Trained) -> tuple[Interactive, ...]:
    """Who looks where in a held-out sequence, place by place."""
    x, target = (part[[telling(run.data.split.val[1])]] for part in run.data.split.val)
    with no_grad():
        p = softmax(run.manual(x)[0])
    weights, asked = run.manual.attend.weights[0], [int(i) for i in np.flatnonzero(target[0] != IGNORED)]
    names, answers = [NAMES[t] for t in x[0, :, 0]], {i: NAMES[target[0, i]] for i in asked}

    def looks(place: int) -> str:
        order = [int(j) for j in np.argsort(-weights[place], kind="stable")[:3] if weights[place, j] >= 0.005]
        most = ", ".join(f"{percent(weights[place, j])} to {names[j]} at place {j}" for j in order)
        return f"Place {place}, {names[place]}, gives {most}."

    def says(place: int) -> str:
        if place not in answers:
            return "Nothing is asked here." if place % 2 else f"{names[place]} comes for the first time: nothing can be looked up."
        said = int(p[place].argmax())
        return (
            f"It is asked for the value of {names[place]}, {answers[place]}; the network says {NAMES[said]} "
            f"with a probability of {percent(p[place, said])}."
        )

    where = ", ".join(f"{names[i]} at place {i}" for i in asked)
    return (
        Interactive(
            "Where does a place look?",
            "A sequence that the trained network has not seen: keys (letters), each with its value (a digit) behind it. Point at one, or "
            "go along with the arrow keys: the places that it looks at light up, with their weights in percent. What followed the same key "
            f"before is asked for here: {where}. Where do these look? And the others, whom nobody asks: were they taught to look anywhere?",
            (Words("place", range(len(names)), asked[-1], "places", "place {}", names, lambda place: weights[place]),),
            (looks, says),
        ),
    )


def telling(target: np.ndarray) -> int:
    """Which of the first sequences is asked for most different values."""
    return int(np.argmax([len({*of[of != IGNORED]}) for of in target[:100]]))


# ---- to do ---------------------------------------------------------------------------------------------


def recall(run: Trained) -> float:
    """The part of the questions in held-out sequences that is answered rightly."""
    return run.metrics["recall/val"]


def looks_ahead(run: Trained) -> float:
    """The part of their attention that places with a question give to places after them, in held-out sequences."""
    x, target = run.data.split.val
    with no_grad():
        run.manual(x)
    asked, places = np.nonzero(target != IGNORED)
    ahead = np.arange(target.shape[1]) > places[:, None]
    return float((run.manual.attend.weights[asked, places] * ahead).sum(axis=1).mean())


RIGHT = ("about an eighth, as by guessing", 0.25, "something in between", 0.95, "nearly all")
SEEN, FEW = "{:.0%} of them", {"sequences": 512}

QUESTIONS = (
    by_size(
        "What follows a key is drawn anew for each sequence. What part of the questions in sequences that it has not seen is answered "
        "rightly?",
        recall,
        *RIGHT,
        seen=SEEN,
        why="It does not learn which value belongs to which key, but to look where this key came before, and to say what stands there.",
        data=FEW,
        trainer={"max_epochs": 8},
        look_at=("attention map", "the rows with a question mark: do they look where the ring is?"),
    ),
    by_size(
        "d_k = 1: queries and keys are single numbers. What part is answered rightly?",
        recall,
        *RIGHT,
        seen=SEEN,
        why="A score is a product of two numbers. Of eight keys on one line only those at its ends can be asked for alone.",
        model={"d_k": 1},
        data=FEW,
        trainer={"max_epochs": 8},
        look_at=("attention map", "how many places a row looks at, where it should look at one."),
    ),
)

MISTAKE = Mistake(
    "Without the causal mask each place sees more, so the network becomes better.",
    lambda run: (
        f"Without it {recall(run):.0%} of the questions are answered rightly after {len(run.losses)} steps. But {looks_ahead(run):.0%} "
        "of its "
        "attention goes to places ahead of the question, where the answer itself stands: that is copied, and nothing is looked up."
    ),
    lambda run: looks_ahead(run) > 0.3,
    "To foretell is to do without what comes next. A task in which the answer can be seen teaches to see it, and is of no use afterwards.",
    {"causal": False},
    FEW,
    {"max_epochs": 4},
)

TWIN = Twin(
    name="attention",
    manual=Manual,
    torch=Torch,
    data=Recall,
    needs=("digits_mlp",),
    trainer={"max_epochs": 15},
    variants={"without mask": {"causal": False}},
    sgd_lr=0.1,
    before=before,
    figures=figures,
    interactive=interactive,
    learned=learned,
    look_at=("attention map", "the rows with a question mark: do they look where the ring is?"),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Attention.backward", ("Every line of forward has one line here, in the opposite order. One value was used twice.",)),
    ),
)

if __name__ == "__main__":
    run("attention")
