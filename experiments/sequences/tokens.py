"""Tokens: what stands side by side most often becomes one, and a character costs less

Byte-pair encoding joins the commonest pair of Python's own documentation, a hundred times. A table over the tokens learns what follows
what, and is compared with the one over single characters: per character, since per token says the opposite.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import InputError, Split
from experiments.data.text import Text, documentation
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from experiments.sequences.bigrams import bits_per_character, counted, visible
from manual.byte_pairs import BytePairs
from manual.nn.functional import softmax
from manual.sampling import draw
from manual.sequences.tokens import Tokens as Manual
from manual.sequences.tokens import follows, tokenizer
from torch_impl.sequences.tokens import Tokens as Torch

MERGES = (0, 12, 25, 50, 100, 200)
"""How many merges are compared; the declared number is one of them."""


@cache
def learned_tokenizer(text: str, merges: int) -> BytePairs:
    """Of a text; every byte of the documentation has a token. Not to be changed."""
    if merges >= MERGES[-1]:
        return tokenizer(text, merges, alphabet=documentation())
    most = learned_tokenizer(text, MERGES[-1])  # learned once: the first of many merges are all of few
    first = list(most.rank)[:merges]
    alone = [sign for sign in most.token if len(sign) == 1]
    return BytePairs({token: number for number, token in enumerate(dict.fromkeys([*alone, *map("".join, first)]))}, first)


@cache
def counts(text: str, merges: int, other: str) -> tuple[np.ndarray, np.ndarray]:
    """`follows` of another text, by the tokens that were learned from the first. Not to be changed."""
    return follows(learned_tokenizer(text, merges), other)


class Pieces(Text):
    """Which token follows which in Python's documentation, and how often; the last tenth of the text is held out.

    Args:
        batch_size: tokens before, in a batch; 0 puts all of them into one.
        seed: of the order of the batches.
        characters: how many of the text are used, from its beginning; 0 is all of it.
        merges: how many pairs are joined, learned from the text without its last tenth; 0 leaves single bytes.

    Attributes:
        pairs: the tokenizer.

    Raises:
        InputError: if merges is negative.
    """

    val_batch_size = 100_000  # all of them: a mean over batches would not be one over characters

    def __init__(self, batch_size: int = 0, seed: int = 0, characters: int = 20_000, merges: int = 100) -> None:
        super().__init__(batch_size, seed, window=1, characters=characters)
        if merges < 0:
            raise InputError(f"--data.merges must not be negative, got {merges}")
        self.merges = merges
        self.pairs = learned_tokenizer(self.trained_on, merges)

    @property
    def symbols(self) -> int:
        """How many different tokens there are."""
        return len(self.pairs.token)

    def load(self) -> Split:
        parts = (counts(self.trained_on, self.merges, part) for part in (self.trained_on, self.held_out))
        return Split(*((np.arange(self.symbols), *(array.copy() for array in part)) for part in parts))


# ---- what is measured ----------------------------------------------------------------------------------


def learned_table(side: Any) -> np.ndarray:
    """p of a side, (V, V)."""
    return softmax(np.asarray(side.table.weight.data if isinstance(side, Manual) else side.table.weight.detach().cpu().double()), axis=1)


def bits(p: np.ndarray, c: np.ndarray, characters: np.ndarray) -> tuple[float, float]:
    """What text with the counts c costs who expects p: bits per character, and per token."""
    per_token = bits_per_character(p, c)
    return per_token * c.sum() / characters.sum(), per_token


def counted_bits(data: Pieces, merges: int, alpha: float) -> dict[str, tuple[float, float]]:
    """`bits` of the table that is counted, with so many merges: of the text that was learned from, and of the held-out one."""
    parts = {"learned from": data.trained_on, "held out": data.held_out}
    p = counted(counts(data.trained_on, merges, data.trained_on)[0], alpha)
    return {name: bits(p, *counts(data.trained_on, merges, part)) for name, part in parts.items()}


def single(run: Trained) -> float:
    """What a character of the held-out text costs the table over single characters, which knows no merge."""
    return counted_bits(run.data, 0, run.manual.alpha)["held out"][0]


def own_bits(run: Trained) -> float:
    """Bits per character of the text that was learned from."""
    return bits(learned_table(run.manual), *run.data.split.train[1:])[0]


def length(run: Trained) -> float:
    """Characters in a token of the text that was learned from, on average."""
    _, c, characters = run.data.split.train
    return float(characters.sum() / c.sum())


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Pieces) -> Mapping[str, Figure]:
    """What is joined, what a character costs, and what is written."""
    return OnDemand(
        {
            "what is joined": lambda: what_is_joined(data),
            "per character, per token": lambda: what_it_costs(manual, torch_module, data),
            "what it writes": lambda: what_it_writes(manual, torch_module, data),
        }
    )


def shown(token: str) -> str:
    """A token as it is written in a figure, in quotes: its signs for a blank and a new line become ␣ and ↵."""
    return token.replace("Ġ", visible(" ")).replace("Ċ", visible("\n")).replace("č", "")


WIDTH, LINES = 46, 11


def draw_pieces(ax: Axes, pairs: BytePairs, text: str) -> None:
    """A text, as much of it as there is room for, each token on a ground of its own."""
    at = 0
    for i, number in enumerate(pairs.encode(text)):
        for sign in shown(pairs.written[number]):
            row, column = divmod(at, WIDTH)
            if row >= LINES:
                return
            ax.add_patch(ax_cell(column, row, CATEGORIES[i % 3]))
            ax.text(column + 0.5, row + 0.5, sign, family="DejaVu Sans Mono", fontsize=8, ha="center", va="center", parse_math=False)
            at += 1


def ax_cell(column: int, row: int, colour: str) -> Any:
    """The ground of one sign."""
    from matplotlib.patches import Rectangle

    return Rectangle((column, row), 1, 1, facecolor=colour, alpha=0.3, linewidth=0)


def what_is_joined(data: Pieces) -> Figure:
    """The first merges, and a held-out text cut into tokens."""
    pairs = data.pairs
    first = list(pairs.rank)[:20]
    _, c, characters = data.split.val
    fig, axes = figure(
        f"Left: the first of {len(pairs.rank)} merges; ␣ is a blank, ↵ a new line. Right: text that no merge was "
        f"counted on, cut into tokens, each on a ground of its own. There a token has {characters.sum() / c.sum():.2f} characters on "
        "average.",
        columns=2,
        size=(5.0, 4.2),
        gridspec_kw={"width_ratios": [1, 2]},
    )
    left, right = axes[0]
    for row, (a, b) in enumerate(first):
        for x, part in ((0.25, shown(a)), (0.45, "+"), (0.55, shown(b)), (0.8, "→"), (0.9, shown(a + b))):
            left.text(x, row, part, family="DejaVu Sans Mono", fontsize=8.5, va="center", ha="left", parse_math=False)
        left.text(0.12, row, f"{row + 1}", fontsize=8, va="center", ha="right", color="#666666")
    left.set(title="pairs that are joined", xlim=(0, 1.2), ylim=(len(first) - 0.4, -0.6), xticks=[], yticks=[])
    draw_pieces(right, pairs, data.held_out)
    right.set(title="held-out text, in tokens", xlim=(0, WIDTH), ylim=(LINES, 0), xticks=[], yticks=[])
    return fig


def what_it_costs(manual: Manual, theirs: Torch, data: Pieces) -> Figure:
    """Bits per character fall with the merges, bits per token do not."""
    found = {m: counted_bits(data, m, manual.alpha) for m in MERGES}
    sides = {"torch": (theirs, TORCH, 9), "by hand": (manual, BY_HAND, 4)}
    own = found[0]["held out"][0]
    now = bits(learned_table(manual), *data.split.val[1:])
    fig, axes = figure(
        f"What the best table costs, by how many pairs were joined before; counted, with {manual.alpha:g} added to each count. Dots are "
        f"what was learned, with {data.merges} merges. A held-out character costs {now[0]:.2f} bits where single characters cost {own:.2f}."
        f" Per token it is {now[1]:.2f}, which looks worse and is not: there are fewer tokens.",
        columns=2,
        size=(4.4, 3.6),
    )
    for which, (ax, unit) in enumerate(zip(axes[0], ("character", "token"), strict=True)):
        for part, colour in (("learned from", CATEGORIES[0]), ("held out", CATEGORIES[1])):
            ax.plot(MERGES, [found[m][part][which] for m in MERGES], ".-", color=colour, label=part)
            arrays = (data.split.train if part == "learned from" else data.split.val)[1:]
            for name, (side, look, size) in sides.items():
                y = bits(learned_table(side), *arrays)[which]
                ax.plot([data.merges], [y], "o", color=look["color"], markersize=size, label=name if part == "held out" else "_")
        ax.set(title=f"per {unit}", xlabel="merges", ylabel=f"bits per {unit}", ylim=(0, None))
    axes[0][0].legend(fontsize=8)
    return fig


# ---- further reading: what it writes ------------------------------------------------------------------


def written(side: Any, pairs: BytePairs, u: np.ndarray) -> str:
    """What a side writes after a new line, a token for each of these numbers."""
    p, tokens = learned_table(side), [pairs.token["Ċ"]]
    for x in u:
        tokens.append(int(draw(p[tokens[-1]], x)))
    return pairs.decode(tokens[1:])


ACROSS, DOWN = 92, 8


def what_it_writes(manual: Manual, theirs: Torch, data: Pieces) -> Figure:
    """Texts drawn with the same numbers from both sides."""
    u = np.random.default_rng(4).random(ACROSS * DOWN)
    texts = {"by hand": written(manual, data.pairs, u), "torch": written(theirs, data.pairs, u)}
    same = "the same" if texts["by hand"] == texts["torch"] else "not the same"
    fig, axes = figure(
        f"Texts of tokens, drawn from the learned tables with one list of random numbers: what the two sides write is {same}. It looks "
        "back at one token only, as the table of bigrams looks back at one character, but a token may be half a word: more of it can be "
        "read. What follows on the next token it still does not know.",
        rows=2,
        size=(6.8, 1.75),
    )
    for ax, (name, text) in zip(axes.flat, texts.items(), strict=True):
        line = "".join(visible(character) for character in text.replace("\r", "").replace("\ufffd", "?"))
        lines = "\n".join(line[i : i + ACROSS] for i in range(0, ACROSS * DOWN, ACROSS))
        ax.text(0.01, 0.95, lines, family="DejaVu Sans Mono", fontsize=8, va="top", transform=ax.transAxes, parse_math=False)
        ax.set(title=f"written {name}" if name == "by hand" else f"written in {name}", xticks=[], yticks=[])
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

FEW: Mapping[str, int] = {"characters": 8000, "merges": 200}
"""Many merges, and little text."""

SHORT: Mapping[str, int] = {"max_epochs": 40, "check_val_every_n_epoch": 40}

QUESTIONS = (
    by_size(
        "A hundred times the commonest pair is joined. How many characters has a token of the text then, on average?",
        length,
        *("not much more than 1", 1.3, "nearly 2", 2.4, "3 or more"),
        seen="{:.2f} characters",
        why="The commonest pairs are really common: few merges shorten the text much.",
        trainer=SHORT,
        look_at=("what is joined", "which words have become one token, and which are in pieces."),
    ),
    by_size(
        "Next to the table over single characters: what does a held-out character cost the table over tokens?",
        lambda run: run.metrics["bits/val"] - single(run),
        *("less, by a tenth of a bit or more", -0.1, "as much, to a tenth of a bit", 0.1, "more, by a tenth of a bit or more"),
        seen="{:+.2f} bits per character",
        why="Both look back at one token, but a token is longer: it says more of what comes.",
        trainer=SHORT,
        look_at=("per character, per token", "the line of the held-out text on the left."),
    ),
    by_size(
        f"Now {FEW['merges']} merges, and {FEW['characters']:,} characters of text. "
        "How much more does a held-out character cost than one of these?",
        lambda run: run.metrics["bits/val"] - own_bits(run),
        *("next to nothing", 0.2, "up to one bit more", 1.0, "more than one bit"),
        seen="{:.2f} bits more",
        why="With V tokens the table has V² places, more than the text has tokens. Most pairs that come later have never come before.",
        data=FEW,
        trainer=SHORT,
        look_at=("per character, per token", "how the two lines part as merges become more."),
    ),
)

MISTAKE = Mistake(
    "The table over single characters has the smaller loss per prediction, so it is the better one. Merging does harm.",
    lambda run: (
        f"Divided by the tokens, the held-out loss is {run.metrics['loss/val'] / np.log(2):.2f} bits, and that of single characters is "
        f"{single(run):.2f}. Divided by the characters, which both have in common, it is {run.metrics['bits/val']:.2f}."
    ),
    lambda run: run.metrics["loss/val"] / np.log(2) > single(run) > run.metrics["bits/val"],
    "A token stands for several characters: to foretell one is harder, and is done less often. Compare what the same text costs.",
    model={"per_token": True},
    trainer=SHORT,
)


def learned(run: Trained) -> str:
    """What a character costs, and how near the table came to the counts."""
    _, c, characters = run.data.split.train
    best = bits(counted(c, run.manual.alpha), c, characters)[0]
    return (
        f"{len(run.data.pairs.rank)} merges make tokens of {length(run):.2f} characters. A character of the text costs {own_bits(run):.4f} "
        f"bits; the counts themselves cost {best:.4f}. On the held-out tenth it costs {run.metrics['bits/val']:.3f}, and "
        f"{single(run):.3f} where no pair is joined."
    )


TWIN = Twin(
    name="tokens",
    manual=Manual,
    torch=Torch,
    data=Pieces,
    learned=learned,
    look_at=("per character, per token", "that one picture says the opposite of the other, and which of them can be believed."),
    needs=("bigrams",),
    links={"data.symbols": "model.symbols"},
    options={"alpha": 0.5, "data.characters": 5000, "data.merges": 20},
    trainer={"max_epochs": 150, "check_val_every_n_epoch": 10},
    variants={"per token": {"per_token": True}},
    figures=figures,
    further=("what it writes",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("per_character_backward", ("It is that of the surprise per token; only what it is divided by is another number.",)),
        Exercise("Tokens.backward", ("Every line of training_step has one line here, in the opposite order.",)),
    ),
)

if __name__ == "__main__":
    run("tokens")
