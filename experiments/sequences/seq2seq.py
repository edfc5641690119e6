"""From one sequence to another: an encoder, a decoder, attention between them

Sequences are written backwards. Where the decoder looks is drawn as a map; and it is trained on the right symbols before each, and on its
own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.reversed import Reversed
from experiments.drawing.colours import AMOUNT, CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.words import percent
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Shorter, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.sequences.seq2seq import Seq2Seq as Manual
from torch_impl.sequences.seq2seq import Seq2Seq as Torch

Array = np.ndarray

# ---- where it looks ------------------------------------------------------------------------------------


def map_by_hand(model: Any, x: Array, y: Array) -> Array:
    """The parts a[t] of each step of each sequence, (N, T, T)."""
    with no_grad():
        model(x, model.shifted(y))
    return model.attend.weights


@torch.no_grad()
def map_in_torch(model: Any, x: Array, y: Array) -> Array:
    """The same in torch, whose attention keeps no weights: they are worked out anew."""
    read, right = to_torch((x, y))
    h, last = model.encoder(model.embedding(read))
    s, _ = model.decoder(model.embedding(model.shifted(right)), last)
    return torch.softmax(s @ h.transpose(1, 2) / h.shape[2] ** 0.5, dim=2).numpy()


def on_the_other_diagonal(a: Array) -> float:
    """The part of all steps whose largest weight is at the place that is to be written. Shapes: a (N, T, T)."""
    return float(np.mean(a.argmax(axis=2) == np.arange(a.shape[1])[::-1]))


LENGTHS = (2, 4, 6, 8, 10, 12)


def right_by_length(manual: Any, torch_module: Any) -> Array:
    """The part of the symbols that is right, (side, given the right ones or its own, length), of 200 sequences of each length."""
    found = np.empty((2, 2, len(LENGTHS)))
    for k, length in enumerate(LENGTHS):
        x = np.random.default_rng(length).integers(0, manual.start, (200, length))
        y = x[:, ::-1].copy()
        read, right = to_torch((x, y))
        with no_grad(), torch.no_grad():
            forced = manual(x, manual.shifted(y)).argmax(axis=2), torch_module(read, torch_module.shifted(right)).argmax(dim=2).numpy()
            alone = manual.written(x), torch_module.written(read).numpy()
        found[:, :, k] = [[np.mean(said == y) for said in side] for side in zip(forced, alone, strict=True)]
    return found


# ---- figures -------------------------------------------------------------------------------------------


def before(manual: Manual, torch_module: Torch, data: ArrayData) -> dict[str, Figure]:
    """Where the untrained decoder looks."""
    return {"the attention map": attention_map(manual, torch_module, data, "Before training")}


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Where the trained decoder looks, and how well it writes."""
    return OnDemand(
        {
            "the attention map": lambda: attention_map(manual, torch_module, data, "After training"),
            "on its own": lambda: on_its_own(manual, torch_module, data),
        }
    )


def attention_map(manual: Any, torch_module: Any, data: ArrayData, when: str) -> Figure:
    """Of one sequence, and of all that are held out, on both sides."""
    x, y = data.split.val
    ours, theirs = map_by_hand(manual, x, y), map_in_torch(torch_module, x, y)
    fig, axes = figure(
        f"{when}. Each row is a step of writing, each column a place that was read; the brighter, the more weight. Left: one sequence. "
        f"Middle and right: the mean over {len(x)} that were not trained on. A trained decoder looks along the other diagonal: at the "
        f"last place first. The largest weight of a row is on it in {on_the_other_diagonal(ours):.0%} of all rows.",
        columns=3,
        size=(4.0, 3.7),
    )
    panels = ((ours[0], "one sequence"), (ours.mean(axis=0), "all, by hand"), (theirs.mean(axis=0), "all, torch"))
    for ax, (a, title) in zip(axes[0], panels, strict=True):
        image = ax.imshow(a, cmap=AMOUNT, vmin=0, vmax=1)
        ax.set(title=title, xlabel="place read", ylabel="step of writing")
    axes[0, 0].set_xticks(range(len(x[0])), x[0])
    axes[0, 0].set_yticks(range(len(y[0])), y[0])
    fig.colorbar(image, ax=axes[0, 2], label="attention weight")
    return fig


def on_its_own(manual: Any, torch_module: Any, data: Any) -> Figure:
    """How many symbols are right, given the right ones before and given its own, by the length of the sequences."""
    ours, theirs = right_by_length(manual, torch_module)
    fig, axes = figure(
        f"The part of the symbols that is right, by the length of the sequence; it was trained on sequences of {data.length} (dotted "
        "line) alone. On its own it reads what it has written, and one wrong symbol may make the next wrong. Longer sequences than it was "
        "trained on it cannot reverse: where to look next was learned for that length. Bands: torch, dashes: by hand.",
        size=(6.4, 3.7),
    )
    ax = axes[0, 0]
    for k, (name, colour) in enumerate((("given the right symbols before", CATEGORIES[0]), ("on its own", CATEGORIES[1]))):
        draw_both(ax, np.stack([LENGTHS, ours[k]]), np.stack([LENGTHS, theirs[k]]), name, colour)
    ax.axvline(data.length, color="#999999", linewidth=1, linestyle=":")
    ax.set(title="symbols that are right", xlabel="length of the sequence", ylabel="part", ylim=(0, 1.03), xticks=LENGTHS)
    ax.legend(fontsize=8, loc="lower left")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def learned(run: Trained) -> str:
    """How many sequences are written backwards, and where it looks."""
    x, y = run.data.split.val
    return (
        f"On its own it writes {percent(accuracy(run))} of {len(x)} sequences that it has not seen backwards without a mistake. Its "
        f"largest weight is at the place to be written in {percent(on_the_other_diagonal(map_by_hand(run.manual, x, y)))} of the steps."
    )


WHOLE = "{:.0%} of them"
SHORT = {"max_epochs": 5}

QUESTIONS = (
    by_size(
        "Of 8 symbols out of 10 there are 100 million sequences. Of those that it has not seen, how many does it write without a mistake?",
        accuracy,
        *("nearly none", 0.1, "some", 0.6, "most of them"),
        seen=WHOLE,
        why="It does not learn sequences by heart, but where to look at each step: the last place first, then back place by place.",
        trainer=SHORT,
        look_at=("the attention map", "the bright line: which place does each step look at?"),
    ),
    by_size(
        "With teacher forcing a third are right after 192 steps. How many, if it is trained on what it writes, at first nonsense?",
        accuracy,
        *("nearly none", 0.1, "about a third, too", 0.5, "more than half"),
        seen=WHOLE,
        why="It never learns to lean on a right symbol before it, which says nothing of the next here, and may be wrong on its own. The "
        "price is time: each step must wait for the one before.",
        model={"teacher_forcing": False},
        trainer={"max_epochs": 3},
        look_at=("on its own", "how far the two curves are apart."),
    ),
    by_size(
        "At how many of the steps is the largest weight at the place that is to be written?",
        lambda run: on_the_other_diagonal(map_by_hand(run.manual, *run.data.split.val)),
        *("about an eighth, as by chance", 0.2, "about half", 0.75, "nearly all"),
        seen=WHOLE,
        why="What is written is read off what is seen, so the state that is seen must hold the symbol: that of its own place does.",
        trainer=SHORT,
        look_at=("the attention map", "whether the line is as bright in the middle as at its ends."),
    ),
)


class NotShifted(Manual):
    """The network, which is given at each step the symbol that it is to write."""

    def shifted(self, y: Array) -> Array:
        return y


class NotShiftedInTorch(Torch):
    """The same in torch."""

    def shifted(self, y: torch.Tensor) -> torch.Tensor:
        return y


MISTAKE = Mistake(
    "The decoder is given the right sequence, so it is given y.",
    lambda run: (
        f"Given at each step the symbol that it is to write, its loss on new sequences is {run.metrics['loss/val']:.2g}, as if it had "
        f"learned all; but on its own it writes {accuracy(run):.0%} of them without a mistake."
    ),
    lambda run: run.metrics["loss/val"] < 1.5 and accuracy(run) < 0.05,
    "It must be given what stands before: y moved on by one step, with a start in front. Else it learns to copy what it is given.",
    trainer={"max_epochs": 3},
    manual=NotShifted,
    torch=NotShiftedInTorch,
)

TWIN = Twin(
    name="seq2seq",
    manual=Manual,
    torch=Torch,
    data=Reversed,
    learned=learned,
    look_at=("the attention map", "the bright line: which place does each step look at?"),
    needs=("gru", "attention"),
    data_args={"length": 8, "sequences": 4096},
    trainer={"max_epochs": 8, "gradient_clip_val": 1.0},
    shorter=Shorter(trainer=SHORT),
    links={"data.symbols": "model.symbols"},
    variants={"without teacher forcing": {"teacher_forcing": False}},
    sgd_lr=0.1,
    before=before,
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Seq2Seq.backward", ("Every line of forward has one line here, in the opposite order. h was used twice, last once.",)),
    ),
)

if __name__ == "__main__":
    run("seq2seq")
