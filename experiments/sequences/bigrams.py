"""Bigrams: the next character of real text, foretold from the one before it

One table of scores learns from Python's own documentation which character follows which, and both sides arrive at what was counted; then
they write, with the same random numbers, the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import Split
from experiments.data.text import Text, decode, documentation, encode, vocabulary_of
from experiments.drawing.colours import AMOUNT, CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.drawing.words import percent
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.nn.functional import softmax
from manual.sampling import draw
from manual.sequences.bigrams import Bigrams as Manual
from manual.sequences.bigrams import count
from torch_impl.sequences.bigrams import Bigrams as Torch


class Neighbours(Text):
    """Which character follows which in Python's documentation, and how often; the last tenth of the text is held out.

    Args:
        batch_size: characters before, in a batch; 0 puts all of them into one.
        seed: of the order of the batches.
        characters: how many of the text are used, from its beginning; 0 is all of it.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0, characters: int = 0) -> None:
        super().__init__(batch_size, seed, window=1, characters=characters)

    def load(self) -> Split:
        before = np.arange(self.symbols)
        return Split(*((before, count(encode(part, self.vocabulary), self.symbols)) for part in (self.trained_on, self.held_out)))


# ---- what is measured ----------------------------------------------------------------------------------


def counted(c: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """The parts that were counted, (rows, V): the best table there is. A row of which nothing was seen expects all alike."""
    n = c.sum(axis=-1, keepdims=True) + alpha * c.shape[-1]
    return np.where(n > 0, (c + alpha) / np.maximum(n, 1e-300), 1 / c.shape[-1])


def learned_table(side: Any) -> np.ndarray:
    """p of a side, (V, V)."""
    return softmax(np.asarray(side.table.weight.data if isinstance(side, Manual) else side.table.weight.detach().cpu().double()), axis=1)


def bits_per_character(p: np.ndarray, c: np.ndarray) -> float:
    """What text with the counts c costs who expects p; infinite if something comes that p holds for impossible."""
    with np.errstate(divide="ignore"):
        return float(-(c * np.log2(np.where(c > 0, p, 1))).sum() / c.sum())


@cache
def grams(text: str, order: int) -> np.ndarray:
    """How often each character followed on each order − 1 characters, (V ** (order − 1), V). Not to be changed."""
    vocabulary = vocabulary_of(documentation())
    tokens, V = encode(text, vocabulary), len(vocabulary)
    places = sum(tokens[i : len(tokens) - order + 1 + i] * V ** (order - 1 - i) for i in range(order))
    return np.bincount(places, minlength=V**order).reshape(-1, V).astype(float)


ORDERS = {"knows nothing": 0, "how common\neach is": 1, "looks at the\none before": 2, "looks at the\ntwo before": 3}
"""How many characters a count is about, by what is known."""

ALPHA = 0.01
"""What is added to the counts in figures, so that nothing is impossible."""


@cache
def compared(data: Neighbours) -> dict[str, tuple[float, float]]:
    """By what is known: bits per character of the text that was counted, and of the held-out one."""
    V = data.symbols
    found = {}
    for name, order in ORDERS.items():
        own, other = (grams(text, max(order, 1)) for text in (data.trained_on, data.held_out))
        p = counted(own, ALPHA) if order else np.full((1, V), 1 / V)
        found[name] = bits_per_character(p, own), bits_per_character(p, other)
    return found


def written_by_counts(data: Neighbours, order: int, u: np.ndarray) -> str:
    """A text that is drawn from counts of this order; of order 0 all characters are alike."""
    V, own = data.symbols, grams(data.trained_on, max(order, 1))
    p = counted(own) if order else np.full((1, V), 1 / V)
    tokens = list(encode("\n\n", data.vocabulary))
    for x in u:
        before = sum(tokens[-1 - i] * V**i for i in range(max(order, 1) - 1))
        tokens.append(int(draw(p[int(before)], x)))
    return decode(np.array(tokens[2:]), data.vocabulary)


def written(side: Any, data: Neighbours, u: np.ndarray) -> str:
    """What a side writes with these numbers."""
    start = data.vocabulary.index("\n")
    tokens = side.write(start, u) if isinstance(side, Manual) else side.write(start, to_torch(u).to(side.device)).cpu().numpy()
    return decode(tokens, data.vocabulary)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Neighbours) -> Mapping[str, Figure]:
    """The table, what a character costs, and what is written."""
    return OnDemand(
        {
            "which follows which": lambda: which_follows_which(manual, torch_module, data),
            "bits per character": lambda: what_it_costs(manual, torch_module, data),
            "what it writes": lambda: what_it_writes(manual, torch_module, data),
        }
    )


def visible(character: str) -> str:
    """A character as it is written in a figure."""
    return {" ": "␣", "\n": "↵"}.get(character, character)


def which_follows_which(manual: Manual, theirs: Torch, data: Neighbours) -> Figure:
    """The learned table at the commonest characters, and all of it against what was counted."""
    _, c = data.split.train
    common = np.argsort(-c.sum(axis=1), kind="stable")[:26]
    p, wanted = learned_table(manual), counted(c)
    best = np.unravel_index(np.where(np.isin(np.arange(len(p)), common)[:, None], p, 0).argmax(), p.shape)
    fig, axes = figure(
        f"Left: what is expected (column) after what (row), for the {len(common)} commonest characters; ␣ is a blank, ↵ a new line. The "
        f"surest of all: after {visible(data.vocabulary[best[0]])} comes {visible(data.vocabulary[best[1]])}, {percent(p[best])}. Right: "
        "each pair that came, as it was counted and as it was learned. What lies on the diagonal is learned exactly; farthest off it is "
        f"{np.abs(p - wanted)[c.sum(axis=1) > 0].max():.1g}.",
        columns=2,
        size=(5.4, 4.8),
    )
    left, right = axes[0]
    image = left.imshow(p[np.ix_(common, common)], cmap=AMOUNT, norm=PowerNorm(0.5, vmin=0))
    names = [visible(data.vocabulary[i]) for i in common]
    left.set(xticks=range(len(common)), yticks=range(len(common)), xlabel="what follows", ylabel="the character before")
    left.set_xticklabels(names, fontsize=8, family="DejaVu Sans Mono")
    left.set_yticklabels(names, fontsize=8, family="DejaVu Sans Mono")
    left.set_title("learned by hand: p")
    fig.colorbar(image, ax=left, shrink=0.8)
    seen = c > 0
    for side, look, size, name in ((theirs, TORCH, 7, "torch"), (manual, BY_HAND, 2.5, "by hand")):
        right.plot(wanted[seen], learned_table(side)[seen], "o", color=look["color"], markersize=size, markeredgewidth=0, label=name)
    right.set(title="counted and learned", xlabel="c / n: counted", ylabel="p: learned", xscale="log", yscale="log")
    right.legend(fontsize=9)
    return fig


def what_it_costs(manual: Manual, theirs: Torch, data: Neighbours) -> Figure:
    """Bits per character by how far is looked back."""
    found = compared(data)
    own, other = data.split.train[1], data.split.val[1]
    tables = {"torch": learned_table(theirs), "by hand": learned_table(manual)}
    sides = {name: tuple(bits_per_character(p, c) for c in (own, other)) for name, p in tables.items()}
    fig, axes = figure(
        f"Yes-or-no questions per character, by what is known of it before it comes; counted, with {ALPHA} added to each count. The "
        f"learned table (lines) pays {sides['by hand'][0]:.3f} on the text that it learned from, {sides['by hand'][1]:.3f} on the held-out "
        "tenth. Who looks back farther pays less: what comes next in this chapter looks back much farther.",
        size=(6.4, 3.8),
    )
    (ax,) = axes[0]
    at = np.arange(len(found))
    for part, (name, shift, colour) in enumerate((("learned from", -0.2, CATEGORIES[0]), ("held out", 0.2, CATEGORIES[1]))):
        ax.bar(at + shift, [bits[part] for bits in found.values()], 0.36, color=colour, label=name)
        for side, look in (("torch", TORCH), ("by hand", BY_HAND)):
            x = 2 + shift + np.array([-0.18, 0.18])
            ax.plot(x, [sides[side][part]] * 2, color=look["color"], linewidth=5 if side == "torch" else 2, label=side if part else "_")
    ax.set(title="what a character costs", ylabel="bits per character", xticks=at, ylim=(0, 7.6))
    ax.set_xticklabels(list(found), fontsize=8.5)
    ax.legend(fontsize=8, ncols=2)
    return fig


WIDTH, LINES = 64, 10


def what_it_writes(manual: Manual, theirs: Torch, data: Neighbours) -> Figure:
    """Texts drawn with the same numbers from nothing, from the learned table, and from pairs before."""
    u = np.random.default_rng(4).random(WIDTH * LINES)
    ours, in_torch = written(manual, data, u), written(theirs, data, u)
    same = "letter by letter the same" if ours == in_torch else "not the same"
    fig, axes = figure(
        "Texts drawn with one and the same list of random numbers. Each character looks back at none, at one (the learned table), or at "
        f"two (counted). What the two sides write is {same}. One character back gives pairs that can be spoken; two give beginnings of "
        "words. None of them knows what it says.",
        rows=2,
        columns=2,
        size=(4.9, 2.1),
    )
    shown = {
        "looks at no character": written_by_counts(data, 1, u),
        "looks at two (counted)": written_by_counts(data, 3, u),
        "looks at one: by hand": ours,
        "looks at one: torch": in_torch,
    }
    for ax, (title, text) in zip(axes.flat, shown.items(), strict=True):
        lines = [text.replace("\n", "↵").replace("\r", "↵")[i : i + WIDTH] for i in range(0, len(text), WIDTH)]
        ax.text(0.01, 0.95, "\n".join(lines), family="DejaVu Sans Mono", fontsize=7.5, va="top", transform=ax.transAxes, parse_math=False)
        ax.set(title=title, xticks=[], yticks=[])
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def own_bits(run: Trained) -> float:
    """Bits per character of the text that was learned from."""
    return bits_per_character(learned_table(run.manual), run.data.split.train[1])


FEW = 8000
"""Characters of a short text."""

QUESTIONS = (
    by_size(
        "Who knows nothing of the characters pays nearly 7 bits for each. How many does the table pay on the text that it has learned?",
        own_bits,
        *("about 1", 2, "about 3 or 4", 5, "about 6"),
        seen="{:.2f} bits",
        why="One character back says much about the next: what comes after a q or a comma. Of a word or a sentence it knows nothing.",
        look_at=("bits per character", "the bars of one character, beside those of none and two."),
    ),
    by_size(
        f"It learns from {FEW} characters alone, and is asked for others. How much more does a character cost there than on its own text?",
        lambda run: run.metrics["bits/val"] - own_bits(run),
        *("less than 0.1 bits more", 0.1, "up to half a bit more", 0.5, "more than half a bit"),
        seen="{:.2f} bits more",
        why="Many pairs did not come in the short text, and have got next to no probability. Each that comes now is a great surprise.",
        data={"characters": FEW},
        look_at=("bits per character", "how far the lines of the held-out text lie above the bars."),
    ),
    by_size(
        f"The same {FEW} characters, but alpha = 0.1 is added to each count. And now?",
        lambda run: run.metrics["bits/val"] - own_bits(run),
        *("less than 0.1 bits more", 0.1, "up to half a bit more", 0.5, "more than half a bit"),
        seen="{:.2f} bits more",
        why="A tenth of a pair for each that never came: what comes nevertheless is a surprise still, but no longer a huge one.",
        model={"alpha": 0.1},
        data={"characters": FEW},
        look_at=("bits per character", "how far the lines of the held-out text lie above the bars now."),
    ),
)

MISTAKE = Mistake(
    "The better a table fits the text that it was counted on, the better it foretells another. So no count is touched.",
    lambda run: (
        f"On its own {FEW} characters the table pays {own_bits(run):.2f} bits, and nothing fits them better; on the held-out text it pays "
        f"{run.metrics['bits/val']:.2f}. Counts with 0.1 added to each pay {smoothed_bits(run):.2f} there."
    ),
    lambda run: run.metrics["bits/val"] > smoothed_bits(run) + 0.3,
    "A count of 0 says that a pair has not come yet, not that it never will. Trained for longer, the table would hold it for impossible.",
    data={"characters": FEW},
)


def smoothed_bits(run: Trained) -> float:
    """What the held-out text costs with 0.1 added to each count."""
    return bits_per_character(counted(run.data.split.train[1], 0.1), run.data.split.val[1])


def learned(run: Trained) -> str:
    """What a character costs, and how near the table came to the counts."""
    _, c = run.data.split.train
    best = bits_per_character(counted(c), c)
    return (
        f"A character of the text costs {own_bits(run):.4f} bits where log₂ V is {np.log2(len(c)):.2f}; the counts themselves, the best "
        f"there is, cost {best:.4f}. On the held-out tenth it costs {run.metrics['bits/val']:.3f}."
    )


TWIN = Twin(
    name="bigrams",
    manual=Manual,
    torch=Torch,
    data=Neighbours,
    learned=learned,
    look_at=("what it writes", "which of it one could take for words, and that both sides write the same."),
    needs=("softmax_regression", "information"),
    links={"data.symbols": "model.symbols"},
    options={"alpha": 0.5, "data.characters": 5000},
    trainer={"max_epochs": 200, "check_val_every_n_epoch": 10},
    variants={"a little is added": {"alpha": 0.3}},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("surprise_backward", ("What was foretold, minus what came: p is softmax(z), and row a was asked n[a] times.",)),
        Exercise("Bigrams.backward"),
    ),
)

if __name__ == "__main__":
    run("bigrams")
