"""A GPT that writes: GPT-2's architecture on the characters of Python's documentation

The default run is a small model for some minutes: it writes words, and beats who counts three characters in a row. It takes longer to
beat 5-grams: `JUDGES` says how long.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.text import Text, decode, encode
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.drawing.interactive import Interactive, Slider, Words
from experiments.drawing.words import percent
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Shorter, Trained, by_size
from experiments.pair import Second, Twin
from manual.concept import Batch
from manual.module import no_grad
from manual.nn.functional import log_softmax, softmax
from manual.sequences.gpt import GPT as Manual
from manual.sequences.gpt import scores_backward
from torch_impl.sequences.gpt import GPT as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 6
"""The longest n-gram that is asked."""


# ---- further reading: how the judges count ----------------------------------------------------------


def contexts(tokens: np.ndarray, length: int, symbols: int) -> np.ndarray:
    """For each token but the first LONGEST − 1 the `length` tokens before it, as one whole number."""
    end = len(tokens)
    found = np.zeros(end - LONGEST + 1, np.int64)
    for back in range(length, 0, -1):
        found = found * symbols + tokens[LONGEST - 1 - back : end - back]
    return found


def witten_bell(seen: np.ndarray, asked: np.ndarray, symbols: int) -> list[np.ndarray]:
    """The probability that counting gives to each token of `asked` but its first LONGEST − 1: by 1-grams, 2-grams, … up to LONGEST.

    A context that was seen c times, with k different tokens after it, gives k of c + k parts to the next shorter context:
    p(w | h) = (c(h w) + k(h) p(w | shorter h)) / (c(h) + k(h)); the shortest is uniform.

    Source: Witten and Bell 1991, "The zero-frequency problem", method C.
    """
    p, found = np.full(len(asked) - LONGEST + 1, 1 / symbols), []
    for length in range(LONGEST):
        pairs, count = np.unique(contexts(seen, length, symbols) * symbols + seen[LONGEST - 1 :], return_counts=True)
        known, first = np.unique(pairs // symbols, return_index=True)
        c, k = np.add.reduceat(count, first), np.diff([*first, len(pairs)])
        h = contexts(asked, length, symbols)
        c_hw = looked_up(pairs, count, h * symbols + asked[LONGEST - 1 :])
        c_h, k_h = looked_up(known, c, h), looked_up(known, k, h)
        p = np.where(c_h > 0, (c_hw + k_h * p) / np.maximum(c_h + k_h, 1), p)
        found.append(p)
    return found


def looked_up(keys: np.ndarray, values: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The value of each key that is asked for, 0 for one that is not there; keys ascending."""
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)


@cache
def judges(trained_on: str, held_out: str, vocabulary: str) -> dict[str, float]:
    """Bits per character of the held-out text, by n-grams and by zlib, which was shown the text that they have counted."""
    seen, asked = encode(trained_on, vocabulary), encode(trained_on[-LONGEST + 1 :] + held_out, vocabulary)
    found = {f"{n}-gram": float(-np.log2(p).mean()) for n, p in enumerate(witten_bell(seen, asked, len(vocabulary)), 1)}
    packed = [len(zlib.compress(text.encode(), 9)) for text in (trained_on + held_out, trained_on)]
    return {**found, "zlib": 8 * (packed[0] - packed[1]) / len(held_out)}


def judged(data: Text) -> dict[str, float]:
    """The same of these data."""
    return judges(data.trained_on, data.held_out, data.vocabulary)


JUDGES = """
**n-grams** count. A 3-gram has counted, for every two characters, which one followed. A longer n knows more about what it has seen,
and has seen less of it: "zyg" may never have come. So an n-gram that has seen its context c times, followed by k different characters,
trusts its counts for c of c + k parts, and leaves k parts to the (n − 1)-gram (Witten and Bell 1991, method C):

    p(w | h) = (c(h w) + k(h) p(w | shorter h)) / (c(h) + k(h))

**zlib** packs files: it writes "the 12 characters from 300 places back again". How much longer does its file become with the held-out
text at the end?

All of them read the same text and are asked about the same held-out tenth. Some of that has been copied from what is read, as in all
documentation: it helps everybody.

**Longer.** The default is for some minutes on one core, and loses to 4-grams, which took a quarter of a second. This beats 5-grams:

    python -m experiments run gpt --trainer.max_epochs 10 --model.steps 4090
"""

# ---- figures ---------------------------------------------------------------------------------------


def surprise(model: Any, data: Text, windows: int = 128) -> np.ndarray:
    """−log₂ p of each character of at least so many of the held-out windows, evenly spread: (windows, T), by either side."""
    x, target = (part[:: max(1, len(part) // windows)] for part in data.split.val)
    if isinstance(model, Manual):
        with no_grad():
            log_p = log_softmax(model(x))
    else:
        with torch.no_grad():
            log_p = model(torch.from_numpy(x).to(model.device)).log_softmax(dim=-1).cpu().numpy()
    return -np.take_along_axis(log_p, target[..., None], axis=-1)[..., 0] / math.log(2)


def bits(manual: Manual, torch_module: Torch, data: Text) -> Figure:
    """Bits per character beside those of the judges; and by how much of the text a place could see."""
    found = judged(data)
    ours, theirs = (surprise(model, data).mean(axis=0) for model in (manual, torch_module))
    fig, axes = figure(
        "The surprise of held-out text, in bits per character: less is better. Left: beside n-grams, and zlib, which packs files. "
        "Right: at each place of the window. Look how the line falls as more is seen, and where it crosses the n-grams'.",
        columns=2,
        size=(4.6, 3.8),
    )
    left, right = axes[0]
    names = [*found, "GPT"]
    left.barh(names, [*found.values(), ours.mean()], color=["#bbbbbb"] * len(found) + [CATEGORIES[0]])
    for i, value in enumerate([*found.values(), ours.mean()]):
        left.text(value + 0.05, i, f"{value:.2f}", va="center", fontsize=9)
    left.set(title="Bits per character", xlim=(0, 1.18 * max(found.values())))
    places = np.arange(1, len(ours) + 1)
    right.plot(places, theirs, label="GPT in torch", **TORCH)
    right.plot(places, ours, label="GPT by hand", **BY_HAND)
    for n in (2, 3, 5):
        right.axhline(found[f"{n}-gram"], color="#777777", linewidth=1)
        right.text(places[-1], found[f"{n}-gram"], f"{n}-gram", va="bottom", ha="right", fontsize=8)
    right.set(title="By the place in the window", xlabel="characters seen", ylabel="bits", ylim=(0, None))
    right.legend()
    return fig


def looked(manual: Manual, data: Text, places: int) -> tuple[list[str], list[np.ndarray]]:
    """A piece of held-out text, and where each head of each block looks in it: for each block (heads, places, places)."""
    x = data.split.val[0][:, :places]
    quoted = np.array([decode(tokens, data.vocabulary)[3:16].count('"') for tokens in x]) == 1
    x = x[[np.argmax(quoted)]]  # the first in which one is opened there, if any
    with no_grad():
        manual(x)
    blocks: list[Any] = list(manual.h)
    return [c.replace("\n", "↵") for c in decode(x[0], data.vocabulary)], [block.attn.attend.weights[0] for block in blocks]


def heads(manual: Manual, data: Text, places: int = 28) -> Figure:
    """Where each head of each block looks, in a piece of held-out text."""
    names, weights = looked(manual, data, places)
    fig, axes = figure(
        "Where each head looks in a piece of held-out text. Each row is a place, each column one that it may look at; the darker, the "
        "more weight. Look for a head that looks a place or two back, and for one that, in block 2, keeps an eye on the quotation mark "
        "that was opened: nobody told them to.",
        rows=len(weights),
        columns=weights[0].shape[0],
        size=(2.6, 2.7),
    )
    for i, of_block in enumerate(weights):
        for j, a in enumerate(of_block):
            axes[i, j].imshow(a, cmap="Greys", vmin=0, vmax=1)
            axes[i, j].set_title(f"block {i + 1}, head {j + 1}", fontsize=9)
            axes[i, j].set_xticks(range(len(names)), names, fontsize=5, family="monospace")
            axes[i, j].set_yticks(range(len(names)), names, fontsize=5, family="monospace")
            axes[i, j].tick_params(length=0)
    return fig


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """How good it is, and where it looks."""
    assert isinstance(data, Text)
    return OnDemand({"bits per character": lambda: bits(manual, torch_module, data), "heads": lambda: heads(manual, data)})


# ---- to move ---------------------------------------------------------------------------------------


def interactive(run: Trained) -> tuple[Interactive, ...]:
    """Where a head looks in a piece of text, character by character."""
    names, weights = looked(run.manual, run.data, 48)

    def of(block: int, head: int, place: int) -> np.ndarray:
        return weights[block - 1][head - 1, place]

    def says(block: int, head: int, place: int) -> str:
        a = of(block, head, place)
        most = [int(j) for j in np.argsort(-a, kind="stable")[:3] if a[j] >= 0.005]
        where = "; ".join(f"{percent(a[j])} to {in_quotes(names[j])}, {how_far(place - j)}" for j in most)
        return f"Block {block}, head {head}: {in_quotes(names[place])} gives {where}."

    counts = range(1, len(weights) + 1), range(1, len(weights[0]) + 1)
    return (
        Interactive(
            "Where does a head look?",
            "A piece of text that it has not seen. Point at a character, or go along with the arrow keys: those that this head looks at "
            "light up, with their weights in percent. Choose another head, and another block. Look for a head that looks one place "
            "back, whatever stands there; and whether one of the last block still looks at a quotation mark from far behind it. Nobody "
            "told them to.",
            (
                Slider("block", counts[0], counts[0][-1]),
                Slider("head", counts[1], 1),
                Words("place", range(len(names)), len(names) - 1, "characters", "place {}", names, of),
            ),
            (says,),
        ),
    )


def in_quotes(character: str) -> str:
    """A character, so that a blank is seen."""
    return "the blank" if character == " " else "the end of a line" if character == "↵" else f"‘{character}’"


def how_far(back: int) -> str:
    """In words."""
    return "itself" if back == 0 else f"{back} back"


# ---- to do -----------------------------------------------------------------------------------------


def beaten(run: Trained) -> list[str]:
    """The n-grams that need more bits than it does."""
    return [name for name, needed in judged(run.data).items() if name != "zlib" and needed > run.metrics["bits/val"]]


def learned(run: Trained) -> str:
    """How good it is, beside those that count; and how it writes."""
    found = judged(run.data)
    text = run.manual.texts["sample"].strip().splitlines()
    return (
        f"After {len(run.losses)} steps it needs {run.metrics['bits/val']:.2f} bits for a held-out character; "
        + ", ".join(f"{name}s {found[name]:.2f}" for name in ("2-gram", "3-gram", "5-gram"))
        + f", guessing {math.log2(run.data.symbols):.2f}. "
        + f'It writes, for example: "{max(text, key=len).strip() if text else ""}".'
    )


def of_the_table(run: Trained) -> dict[str, float]:
    """How long each of the two parts of the gradient of wte is, for one batch: from the way in, and from the way out."""
    model, (x, target) = run.manual, tuple(part[:16] for part in run.data.split.train)
    model.zero_grad()
    model.training_step((x, target), 0)
    model.backward()
    z = model(x)
    h = model.restore()
    model.forget()
    dL_dz = softmax(z)
    np.put_along_axis(dL_dz, target[..., None], np.take_along_axis(dL_dz, target[..., None], -1) - 1, -1)
    out = scores_backward(dL_dz / target.size, h, model.wte.weight)[1]
    return {"on the way in": float(np.linalg.norm(model.wte.weight.grad - out)), "on the way out": float(np.linalg.norm(out))}


SHORT: dict[str, Any] = {"n_embd": 32, "n_head": 2, "n_layer": 1, "warmup": 20, "steps": 212, "sample": 40}
FEW: dict[str, Any] = {"window": 32, "characters": 60_000}
"""A model and a text for a run of seconds."""

QUESTIONS = (
    by_size(
        "There are about a hundred different characters. How many bits does it need for one before it has learned anything?",
        lambda run: run.losses[0] / math.log(2),
        *("about 1, a coin's worth", 2.5, "about 4.5, for it knows that e is frequent", 6, "nearly 7, for all are alike to it"),
        seen="{:.2f} bits",
        why="Weights begin near 0, so all scores do, and all characters are about as likely: log₂ of their number.",
        model=SHORT,
        data=FEW,
        trainer={"max_epochs": 2},
    ),
    by_size(
        "A small model takes 200 steps on 54,000 characters. Whom does it beat that has counted in the same text?",
        lambda run: len(beaten(run)),
        *("nobody yet", 0.5, "who counts single characters", 1.5, "who counts pairs as well", 2.5, "who counts three in a row too"),
        seen="it beats {:.0f} of the n-grams",
        why="Who counts looks at the text once. A network moves its weights a little at a time, and must learn even the frequencies.",
        model=SHORT,
        data=FEW,
        trainer={"max_epochs": 2},
        look_at=("bits per character", "which bars are longer than the last."),
    ),
    Question(
        "The table wte is read on the way in and again on the way out. Which of the two uses gives its gradient the larger part?",
        ("on the way in", "on the way out"),
        ByLargest(of_the_table, "{:.2g}"),
        "On the way out every row is told at every place whether its character was thought too likely. On the way in only the row of the "
        "character that stood there hears anything, through all that lies between.",
        model=SHORT,
        data=FEW,
        trainer={"max_epochs": 2},
    ),
)


class NotShifted(Manual):
    """The GPT, whose target is the text that it is shown, not the one that is one character further."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, _ = batch
        return super().training_step((x, x), batch_idx)


class NotShiftedInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, _ = batch
        return super().training_step((x, x), batch_idx)


MISTAKE = Mistake(
    "The loss has fallen to nearly nothing, so it has learned to write.",
    lambda run: (
        f"Its loss fell from {run.losses[0]:.2f} to {run.losses[-1]:.3f}. But for what really comes next it needs "
        f"{surprise(run.manual, run.data, 40).mean():.1f} bits, and guessing {math.log2(run.data.symbols):.1f}: its target was the text "
        "itself, not shifted by one."
    ),
    lambda run: run.agree and run.losses[-1] < 0.3,
    "Where the target is what stands there already, the table needs only to know its own rows again. A language model whose loss is "
    "nearly 0 sees its answers.",
    SHORT,
    FEW,
    {"max_epochs": 1, "max_steps": 100},
    NotShifted,
    NotShiftedInTorch,
)

LITTLE: dict[str, Any] = {"n_embd": 16, "n_head": 2, "n_layer": 1, "sample": 8}
OTHERS: dict[str, Any] = {"n_embd": 24, "n_head": 4, "n_layer": 2, "sample": 12, "lr": 3e-3, "warmup": 7, "prompt": "If "}
"""A model that is tried in no time, and second values of what it takes."""

DRAWS = "each character that is drawn goes back in, and all are written as text"

TWIN = Twin(
    name="gpt",
    manual=Manual,
    torch=Torch,
    data=Text,
    needs=("transformer", "bigrams"),
    trainer={"max_epochs": 3, "gradient_clip_val": 1.0},
    shorter=Shorter(trainer={"max_epochs": 2, "precision": "32-true"}, model={"steps": 800}),
    links={"data.vocabulary": "model.vocabulary", "data.window": "model.n_positions"},
    options={
        **{name: Second(value, LITTLE, {"characters": 9000}) for name, value in OTHERS.items()},
        "steps": Second(3, {**LITTLE, "warmup": 1}, {"characters": 9000}),
        "data.characters": 20_000,
    },
    variants={"one block of one head": {"n_layer": 1, "n_head": 1, "n_embd": 24}},
    zero_gradient=("h.0.attn.c_attn.bias", "h.1.attn.c_attn.bias"),  # a third of them, that of the keys: softmax does not see it
    needs_values={"as declared": DRAWS, "one block of one head": DRAWS},
    sgd_lr=0.1,
    figures=figures,
    interactive=interactive,
    learned=learned,
    look_at=("bits per character", "which bars are longer than the GPT's, and how its line falls as it sees more."),
    text={"what the judges count": JUDGES},
    further=("what the judges count",),
    questions=QUESTIONS,
    exercises=(
        Exercise("scores_backward", ("Every place of every text has used the table.",)),
        Exercise("Block.backward", ("The gradient goes around and through.",)),
        Exercise("GPT.backward", ("wte has been used twice.",)),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("gpt")
