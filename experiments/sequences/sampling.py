"""From probabilities to text: temperature, top-k, nucleus, greedy and beam.

A small network learns Python's documentation, a character at a time, and both sides write with the same random numbers: the same text, in
whichever way it is drawn.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import Split
from experiments.data.text import Text, decode, documentation, encode
from experiments.drawing.colours import CATEGORIES, MARKERS
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.drawing.words import percent
from experiments.drawing.written import write
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Shorter, Trained, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.sequences import sampling as by_hand
from manual.sequences.sampling import Writer as Manual
from torch_impl.sequences import sampling as in_torch
from torch_impl.sequences.sampling import Writer as Torch


class Contexts(Text):
    """Some characters of Python's documentation, and the one that comes next, at every place. Of the last tenth every tenth is held out.

    Args:
        batch_size: contexts in a batch; 0 puts all of them into one.
        seed: of the order of the batches.
        context: characters that are seen.
        characters: how many of the text are used, from its beginning; 0 is all of it.
    """

    def __init__(self, batch_size: int = 512, seed: int = 0, context: int = 8, characters: int = 0) -> None:
        super().__init__(batch_size, seed, window=context, characters=characters)
        self.context = context

    def load(self) -> Split:
        train, held_out = (
            np.lib.stride_tricks.sliding_window_view(encode(part, self.vocabulary), self.context + 1)
            for part in (self.trained_on, self.held_out)
        )
        return Split(*((of[:, :-1].copy(), of[:, -1].copy()) for of in (train, held_out[::10])))


# ---- what is measured ----------------------------------------------------------------------------------

WAYS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "T = 0.3": {"temperature": 0.3},
    "T = 0.6": {"temperature": 0.6},
    "T = 2": {"temperature": 2.0},
    "top-k, k = 5": {"top_k": 5},
    "nucleus, 0.7": {"top_p": 0.7},
    "greedy": {"top_k": 1},
}
"""Ways to draw, by name."""

TEXTS, LENGTH = 12, 200
"""How many texts are written, and how long they are."""

BEAM_LENGTH = 80
"""Of the texts that greedy and beam are compared by."""


def prompt(data: Contexts) -> np.ndarray:
    """What the text that is shown begins with, (context,)."""
    return encode(" of the "[-data.context :].rjust(data.context), data.vocabulary)


def starts(data: Contexts) -> np.ndarray:
    """What the texts begin with, the prompt and held-out contexts that lie far apart: (TEXTS, context)."""
    x = data.split.val[0]
    return np.concatenate([prompt(data)[None], x[np.linspace(0, len(x) - 1, TEXTS - 1).astype(int)]])


def draws() -> np.ndarray:
    """The random numbers of both sides, (TEXTS, LENGTH)."""
    return np.random.default_rng(0).random((TEXTS, LENGTH))


def written(manual: Manual, data: Contexts, **how: Any) -> list[str]:
    """Texts that the hand-written side writes."""
    with no_grad():
        return [decode(text, data.vocabulary) for text in by_hand.generate(manual, starts(data), draws(), **how)]


def written_in_torch(torch_module: Torch, data: Contexts, **how: Any) -> list[str]:
    """Texts that torch writes, with the same random numbers."""
    u = to_torch(draws())
    return [decode(text.numpy(), data.vocabulary) for text in in_torch.generate(torch_module, to_torch(starts(data)), u, **how)]


def words_of(text: str) -> list[str]:
    """The words of a text, without the first and the last, which may be parts of words."""
    return re.findall(r"[A-Za-z]+", text)[1:-1]


def known(texts: list[str]) -> float:
    """What part of the words of three letters or more is a word of the documentation; shorter ones come about by chance."""
    dictionary = set(re.findall(r"[A-Za-z]+", documentation()))
    said = [word for text in texts for word in words_of(text) if len(word) > 2]
    return float(np.mean([word in dictionary for word in said])) if said else 0.0


def repeated(texts: list[str]) -> float:
    """What part of all two words in a row was said before in the same text."""
    twos = [list(pairwise(words_of(text))) for text in texts]
    again = [two in of[:i] for of in twos for i, two in enumerate(of)]
    return float(np.mean(again)) if again else 0.0


def real(data: Contexts) -> list[str]:
    """As many pieces of the held-out text, as long."""
    at = np.linspace(0, len(data.held_out) - LENGTH - 1, TEXTS).astype(int) if len(data.held_out) > LENGTH else [0]
    return [data.held_out[i : i + LENGTH] for i in at]


# ---- figures -------------------------------------------------------------------------------------------


def what_is_drawn_from(manual: Manual, torch_module: Torch, data: Contexts) -> Figure:
    """The probabilities of the next character after one context, in five ways."""
    x = prompt(data)[None]
    with no_grad():
        ours = manual(x)[0]
    theirs = torch_module(to_torch(x)).detach()[0]
    shown = np.argsort(-ours, kind="stable")[:14]
    names = [repr(data.vocabulary[c])[1:-1].replace(" ", "blank") for c in shown]
    ways = [name for name in WAYS if name not in ("T = 0.6", "greedy")]
    fig, axes = figure(
        f"What may come after {decode(x[0], data.vocabulary)!r}: the {len(shown)} most probable of {data.symbols} characters. A small T "
        "makes the first still more probable, a large T all alike. Top-k and nucleus cut off the rest, and what is left grows. Broad "
        "bars: torch, narrow bars: by hand.",
        columns=len(ways),
        size=(2.6, 3.9),
        sharex=True,
    )
    at = -np.arange(len(shown))
    for ax, name in zip(axes[0], ways, strict=True):
        how = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, **WAYS[name]}
        ax.barh(at, in_torch.distribution(theirs, **how).numpy()[shown], height=0.85, color=TORCH["color"])
        ax.barh(at, by_hand.distribution(ours, **how)[shown], height=0.35, color=BY_HAND["color"])
        ax.set(title=name, xlabel="probability", yticks=at, yticklabels=names)
    return fig


def what_it_writes(manual: Manual, torch_module: Torch, data: Contexts) -> Figure:
    """The beginning of one text in every way, and the most probable one that a beam of four finds."""
    ours = {name: written(manual, data, **how) for name, how in WAYS.items()}
    alike = float(np.mean([written_in_torch(torch_module, data, **how) == ours[name] for name, how in WAYS.items()]))
    x = starts(data)
    with no_grad():
        likely = by_hand.generate(manual, x, np.zeros((TEXTS, BEAM_LENGTH)), top_k=1)
        greedy = np.mean([log_probability(manual, *of) for of in zip(x, likely, strict=True)])
        beams = [by_hand.beam_search(manual, start, BEAM_LENGTH, width=4) for start in x]
    beam = np.mean([log_p for _, log_p in beams])
    texts = {**{name: of[0] for name, of in ours.items()}, "beam of 4": decode(beams[0][0], data.vocabulary)}
    fig, axes = figure(
        f"Every text goes on from {decode(x[0], data.vocabulary)!r}, with the same random numbers; ¶ is a new line. Look at what is "
        f"misspelt, and what comes again and again. Both sides write the same in {percent(alike)} of the ways. The log of the probability "
        f"of {BEAM_LENGTH} characters, in the mean of {TEXTS} beginnings: greedy {greedy:.1f}, beam {beam:.1f}.",
        size=(9.0, 5.2),
    )
    ax = axes[0, 0]
    ax.set_axis_off()
    ax.set_title("what it writes")
    for row, (name, text) in enumerate(texts.items()):
        said = textwrap.wrap(text[:170].replace("\n", "¶").replace("$", "S"), 84, drop_whitespace=False)[:2]
        ax.text(0.0, 1 - row / len(texts), name, va="top", fontsize=10, transform=ax.transAxes)
        ax.text(0.17, 1 - row / len(texts), "\n".join(said), va="top", fontsize=8.5, family="monospace", transform=ax.transAxes)
    return fig


def log_probability(manual: Manual, x: np.ndarray, text: np.ndarray) -> float:
    """The log of the probability of a text that begins with x."""
    whole = np.concatenate([x, text])
    contexts = np.lib.stride_tricks.sliding_window_view(whole[:-1], len(x))
    return float(-manual.loss(manual(contexts), text) * len(text))


def spelling_and_repeating(manual: Manual, data: Contexts) -> Figure:
    """How each way fares in two measures, and the documentation itself."""
    temperatures = (0.15, 0.3, 0.6, 1.0, 2.0)
    lines: dict[str, list[list[str]]] = {
        "temperature": [written(manual, data, temperature=t) for t in temperatures],
        "nucleus": [written(manual, data, top_p=p) for p in (0.2, 0.5, 0.8, 0.95)],
        "top-k": [written(manual, data, top_k=k) for k in (1, 2, 4, 10)],
    }
    points = {name: np.array([(repeated(texts), known(texts)) for texts in of]) for name, of in lines.items()}
    itself = repeated(real(data)), known(real(data))
    fig, axes = figure(
        f"{TEXTS} texts of {LENGTH} characters for each dot. Upwards: the part of the words of three letters or more that the "
        "documentation has. To the right: the part of all two words in a row that were said before in the text. Left: chance, and words "
        "are misspelt; right: it says again what it has said. The star is the text "
        f"itself: {percent(itself[1])} and {percent(itself[0])}.",
        size=(6.4, 4.2),
    )
    ax = axes[0, 0]
    for (name, at), colour, marker in zip(points.items(), CATEGORIES, MARKERS, strict=False):
        ax.plot(*at.T, color=colour, marker=marker, label=name, markersize=5)
    for t, at in zip(temperatures, points["temperature"], strict=True):
        if t in (0.3, 0.6, 1.0, 2.0):
            write(ax, f"T = {t:g}", at, (6, -6), CATEGORIES[0], fontsize=8)
    ax.plot(*itself, marker="*", color="black", markersize=15, linestyle="none", label="the text itself")
    ax.set(title="spelling and repeating", xlabel="said before", ylabel="words that there are", xlim=(-0.03, 1.03), ylim=(0, 1.05))
    ax.legend(fontsize=9, loc="lower right")
    return fig


def figures(manual: Manual, torch_module: Torch, data: Contexts) -> Mapping[str, Figure]:
    """Probabilities, texts, and what they are like."""
    return OnDemand(
        {
            "what is drawn from": lambda: what_is_drawn_from(manual, torch_module, data),
            "what it writes": lambda: what_it_writes(manual, torch_module, data),
            "spelling and repeating": lambda: spelling_and_repeating(manual, data),
        }
    )


def learned(run: Trained) -> str:
    """How well it foretells, and what it writes."""
    texts = written(run.manual, run.data, **run.manual.how)
    return (
        f"The network pays {run.metrics['bits/val']:.2f} bits for a character of text that it has not seen. Of its words of three "
        "letters or more "
        f"{percent(known(texts))} are words of the documentation."
    )


# ---- to do ---------------------------------------------------------------------------------------------


def words(run: Trained) -> float:
    """What part of the words that it writes in its own way is a word of the documentation."""
    return known(written(run.manual, run.data, **run.manual.how))


def again(run: Trained) -> float:
    """What part of all two words in a row it has said before in the same text."""
    return repeated(written(run.manual, run.data, **run.manual.how))


FEW, LOW = {"characters": 160_000}, {"precision": "32-true"}
PARTS = ("at most half of them", 0.5, "more, but at most 7 in 10", 0.7, "more than 7 in 10")

QUESTIONS = (
    by_size(
        "It draws each character with the probability that it has learned. What part of its words (of three letters or more) is in the "
        "documentation?",
        words,
        *PARTS,
        seen="{:.0%} of them",
        why="Each character may be one of the many improbable ones. Few of them are drawn, but one is enough to spoil a word.",
        data=FEW,
        trainer=LOW,
        look_at=("what it writes", "the row as it is: where words go wrong."),
    ),
    by_size(
        "Temperature 0.2. What part of its words (of three letters or more) is in the documentation?",
        words,
        *PARTS,
        seen="{:.0%} of them",
        why="All that is improbable has become nearly impossible. What is left are the commonest words, rightly spelt.",
        model={"temperature": 0.2},
        data=FEW,
        trainer=LOW,
        look_at=("spelling and repeating", "where the curve of temperature is at 0.3."),
    ),
    by_size(
        "Greedy: always the most probable character. What part of all two words in a row was said before in the same text?",
        again,
        *("hardly any", 0.1, "some", 0.6, "most of them"),
        seen="{:.0%} of them",
        why="After the same eight characters it goes on in the same way. Once it is back where it was, it goes round for ever.",
        model={"top_k": 1},
        data=FEW,
        trainer=LOW,
        look_at=("what it writes", "the row of greedy: what comes again."),
    ),
)

MISTAKE = Mistake(
    "The best text is the most probable one.",
    lambda run: (
        f"With the most probable character each time, {again(run):.0%} of all two words in a row were said before in the same text; "
        f"in the documentation {repeated(real(run.data)):.0%}."
    ),
    lambda run: again(run) > 0.5 + repeated(real(run.data)),
    "People do not say what is most probable, for it tells nothing. A text has surprises, about as many as the model expects; so draw it.",
    {"top_k": 1},
    FEW,
    LOW,
)

TWIN = Twin(
    name="sampling",
    manual=Manual,
    torch=Torch,
    data=Contexts,
    learned=learned,
    look_at=("what it writes", "what is misspelt in one row, and what comes again and again in another."),
    needs=("bigrams", "digits_mlp"),
    links={"data.symbols": "model.symbols", "data.context": "model.context"},
    options={"top_k": 3, "top_p": 0.7, "data.characters": 20_000},
    trainer={"max_epochs": 1},
    shorter=Shorter(trainer=LOW),
    variants={"cold": {"temperature": 0.5}, "top-k": {"top_k": 4}, "nucleus": {"top_p": 0.8}},
    sgd_lr=0.1,
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("tempered_backward", ("It is the softmax of z / T: what is the slope of z / T in z?",)),
        Exercise("kept_backward"),
        Exercise("Writer.backward"),
    ),
)

if __name__ == "__main__":
    run("sampling")
