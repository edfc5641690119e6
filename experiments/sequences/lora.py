"""LoRA: a frozen layer is adapted by two thin matrices

A layer that smooths a sound is adapted to a room with drift and hum by a change of rank 3, and arrives at the least loss that a change of
that rank can have; and a small GPT that has read documentation is adapted to source code with one weight in a hundred.
"""

from __future__ import annotations

import argparse
import inspect
import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData, Split, split_at_random, two_parts
from experiments.data.text import Text, encode, windows
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.judge.convert import to_torch
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Trained, by_size
from experiments.pair import Twin
from experiments.sequences import gpt
from manual import optim
from manual.concept import Batch
from manual.module import no_grad
from manual.sequences import lora as by_hand
from manual.sequences.gpt import GPT
from manual.sequences.lora import IN, OUT, smoothing
from manual.sequences.lora import LoRA as Manual
from torch_impl.sequences import lora as in_torch
from torch_impl.sequences.lora import LoRA as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray


def drift_and_hum() -> Array:
    """Three directions at right angles, of length 1: all readings alike, and a wave's cosine and sine. (3, 20)."""
    t = 2 * np.pi * np.arange(IN) / IN
    directions = np.stack([np.ones(IN), np.cos(t), np.sin(t)])
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


class NoisyRoom(ArrayData):
    """500 pieces of a sound, of 20 readings: noise, a drift and a hum. The target: the noise, smoothed to 12, and measured a bit wrongly.

    Args:
        batch_size: pieces in a batch, drawn anew for each; 0 takes all of them.
        seed: of the sounds, of what is held out, and of the batches.
    """

    per_epoch = 100

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        disturbing = drift_and_hum()
        noise = rng.normal(size=(500, IN))
        noise -= noise @ disturbing.T @ disturbing  # what is to be kept has neither of them
        x = noise + rng.normal(0, 1.5, (500, 3)) @ disturbing
        y = noise @ smoothing().T + rng.normal(0, 0.1, (500, OUT))
        return split_at_random((x, y), 0.2, self.seed)

    def batches(self, epoch: int) -> list[Batch]:
        """Those of this epoch."""
        x, y = self.split.train
        if not self.batch_size:
            return [(x, y)] * self.per_epoch
        rng = np.random.default_rng((self.seed, epoch))
        drawn = [rng.permutation(len(x))[: self.batch_size] for _ in range(self.per_epoch)]
        return [(x[rows], y[rows]) for rows in drawn]

    def two_batches(self, module: Any) -> list[Batch]:
        """The first 33 rows, and fewer."""
        return two_parts(self.split.train, 32)


# ---- what is measured ----------------------------------------------------------------------------------


class Best(NamedTuple):
    """What the closed form says for a rank."""

    change: Array  # (12, 20)
    loss: float


def best(data: ArrayData, rank: int) -> Best:
    """Of all changes of this rank to W0 the one with the least loss: the first pieces of what least squares predicts."""
    x, y = data.split.train
    left = y - x @ smoothing().T  # what W0 does not explain
    D = np.linalg.lstsq(x, left, rcond=None)[0]  # (20, 12)
    keep = np.linalg.svd(x @ D, full_matrices=False)[2][:rank]  # (rank, 12)
    found = D @ keep.T @ keep
    return Best(found.T, float(((x @ found - left) ** 2).mean()))


RANKS = (1, 2, 3)
"""Those that are drawn."""


@cache
def curves(steps: int = 600) -> dict[int, Array]:
    """By how much of itself the loss lies above the closed form's, by hand and in torch, before each step: (2, steps) for each rank."""
    data = NoisyRoom()
    x, y = data.split.train
    there = torch.from_numpy(x), torch.from_numpy(y)
    found = {}
    for rank in RANKS:
        pair: tuple[Any, Any] = TWIN.having({"rank": rank, "alpha": float(rank)}).build(0)
        ours, theirs = pair
        optimizer, torchs = ours.configure_optimizers(), theirs.configure_optimizers()
        losses = []
        with torch.enable_grad():
            for _ in range(steps):
                ours.zero_grad()
                torchs.zero_grad()
                loss = theirs.training_step(there, 0)
                losses.append((ours.training_step((x, y), 0), loss.item()))
                ours.backward()
                loss.backward()
                optimizer.step()
                torchs.step()
        found[rank] = np.array(losses).T / best(data, rank).loss - 1
    return found


def learned_change(side: Any) -> Array:
    """s B A of either side: (12, 20)."""
    A, B = (np.asarray(p.data.cpu() if isinstance(p, torch.Tensor) else p.data, np.float64) for p in (side.layer.A, side.layer.B))
    return np.asarray(side.layer.scale * (B @ A))


def adapters(run: Trained) -> float:
    """How many numbers learn, for each that W0 has."""
    learn = sum(p.data.size for p in run.manual.parameters() if p.requires_grad)
    return learn / run.manual.layer.base.weight.data.size


def explained(run: Trained) -> float:
    """What part of what rank 12 would take off the loss of W0 alone has been taken off."""
    x, y = run.data.split.train
    loss = [float(((x @ (smoothing() + d).T - y) ** 2).mean()) for d in (np.zeros((OUT, IN)), learned_change(run.manual))]
    return (loss[0] - loss[1]) / (loss[0] - best(run.data, OUT).loss)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What the pair has learned; how ranks arrive; and a GPT, whatever was trained."""
    return OnDemand(
        {
            "frozen and learned": lambda: frozen_and_learned(manual, torch_module, data),
            "the closed form": lambda: the_closed_form(),
            "another text": lambda: another_text(),
        }
    )


def frozen_and_learned(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """W0, what was added to it by either side, and the best that could be."""
    rank = manual.layer.A.shape[0]
    target = best(data, rank)
    parts = {
        "W0, frozen": smoothing(),
        "s B A, by hand": learned_change(manual),
        "s B A, in torch": learned_change(torch_module),
        "the closed form": target.change,
    }
    fig, axes = figure(
        "Each matrix takes 20 readings (columns) to 12 (rows); violet is below 0, orange above. Left: W0, means of 9 neighbours. Then "
        f"what was added to it by {manual.layer.A.size + manual.layer.B.size} numbers, by hand and in torch, and the best change of rank "
        f"{rank}. Their largest difference is {np.abs(learned_change(manual) - target.change).max():.0e}. Look for a wave in every "
        "row: drift and hum, taken out.",
        columns=4,
        size=(3.3, 2.6),
    )
    for ax, (title, matrix) in zip(axes[0], parts.items(), strict=True):
        ax.imshow(matrix, cmap=SIGNED, vmin=-0.25, vmax=0.25)
        ax.set(
            title=title, xlabel="reading", ylabel="result", xticks=[0, 9, 19], xticklabels=[1, 10, 20], yticks=[0, 11], yticklabels=[1, 12]
        )
    return fig


def the_closed_form() -> Figure:
    """How far above the closed form the loss is, step by step; and what the closed form is for each rank."""
    found, data = curves(), NoisyRoom()
    losses = [best(data, rank).loss for rank in range(OUT + 1)]
    fig, axes = figure(
        "Left: by how much of itself the loss is above the least that a change of its rank can have. Each line falls to the last digits "
        f"that a number has. Bands: torch, dashes: by hand. Right: that least loss, rank by rank: {losses[0]:.3f} with W0 alone, "
        f"{losses[3]:.4f} with rank 3, {losses[OUT]:.4f} with all {OUT}. What is left then is what was measured wrongly, 0.01.",
        columns=2,
        size=(5.0, 3.7),
    )
    left, right = axes[0]
    for (rank, (ours, theirs)), colour in zip(found.items(), CATEGORIES, strict=False):
        draw_both(left, np.abs(ours) + 1e-16, np.abs(theirs) + 1e-16, f"rank {rank}", colour)
    left.set(title="above the closed form", xlabel="step", ylabel="part of the loss", yscale="log", ylim=(5e-17, 30))
    left.legend(fontsize=9)
    right.plot(losses, "o-", color=CATEGORIES[0])
    right.set(title="the least loss by rank", xlabel="rank", ylabel="loss", ylim=(0, None))
    return fig


# ---- further reading: a GPT, adapted to another text ----------------------------------------------------

SIZES: dict[str, Any] = {"n_embd": 64, "n_layer": 1, "warmup": 20, "steps": 400, "sample": 8}
READ: dict[str, Any] = {"window": 32, "characters": 100_000}
STEPS, EVERY = 120, 20


@cache
def source() -> tuple[Array, Array]:
    """Another text: the source of Python's own argparse, as far as it has the same characters; windows and targets (N, 32)."""
    data = Text(**READ)
    text = "".join(c for c in inspect.getsource(argparse) if c in data.vocabulary)[:60_000]
    return windows(encode(text, data.vocabulary), data.window)


@cache
def read_documentation() -> tuple[Any, Any]:
    """A small GPT on both sides, after 400 steps on documentation, which torch has taken."""
    twin, data = gpt.TWIN.having(SIZES, READ), Text(**READ)
    theirs: Any = twin.build(0, "float32", data=data)[1]
    steps: Any = theirs.configure_optimizers()
    optimizer, scheduler = steps["optimizer"], steps["lr_scheduler"]["scheduler"]
    rng = np.random.default_rng(0)
    with torch.enable_grad():
        for _ in range(SIZES["steps"]):
            theirs.zero_grad()
            theirs.training_step(to_torch(some(data.split.train, rng)), 0).backward()
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
    theirs = theirs.double()
    return twin.by_hand(theirs), theirs


def some(text: tuple[Array, ...], rng: np.random.Generator) -> Batch:
    """Sixteen of its windows."""
    rows = rng.integers(0, len(text[0]), 16)
    return tuple(a[rows] for a in text)


def another_pair() -> tuple[Any, Any]:
    """Copies of both."""
    twin, (_, read) = gpt.TWIN.having(SIZES, READ), read_documentation()
    theirs = twin.in_torch(read).double()
    theirs.load_state_dict(read.state_dict())
    return twin.by_hand(theirs), theirs


def adapted_pair(rank: int = 1) -> tuple[Any, Any]:
    """Copies of both with the same adapters."""
    ours, theirs = another_pair()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        in_torch.adapt(theirs, rank, float(rank))
    by_hand.adapt(ours, rank, float(rank))
    ours.load_state_dict({name: p.numpy() for name, p in theirs.state_dict().items()})
    return ours, theirs


def bits(model: Any, text: tuple[Array, ...]) -> float:
    """Bits per character, of a model of either side."""
    with no_grad(), torch.no_grad():
        loss = model.training_step(text if isinstance(model, GPT) else to_torch(text), 0)
    return float(loss) / math.log(2)


class Adapted(NamedTuple):
    """What became of a GPT that was trained on the other text."""

    curves: Array  # (2, …) bits of held-out source before and after every EVERY steps, by hand and in torch
    before: float  # bits of held-out documentation
    after: float
    share: float  # what part of the weights has learned
    models: tuple[Any, Any]


@cache
def on_source(all_of_it: bool) -> Adapted:
    """Adam's steps on source, with adapters or on all the weights."""
    ours, theirs = another_pair() if all_of_it else adapted_pair()
    text, lr = source(), 3e-3 if all_of_it else 3e-2
    learn, held_out = (tuple(a[part] for a in text) for part in (slice(0, len(text[0]) * 9 // 10), slice(len(text[0]) * 9 // 10, None)))
    documentation = tuple(a[::2] for a in Text(**READ).split.val)
    before, found = bits(theirs, documentation), [(bits(ours, held_out), bits(theirs, held_out))]
    optimizer, torchs, rng = optim.Adam(ours.parameters(), lr=lr), torch.optim.Adam(theirs.parameters(), lr=lr), np.random.default_rng(1)
    with torch.enable_grad():
        for step in range(1, STEPS + 1):
            batch = some(learn, rng)
            ours.zero_grad()
            theirs.zero_grad()
            ours.training_step(batch, 0)
            ours.backward()
            theirs.training_step(to_torch(batch), 0).backward()
            optimizer.step()
            torchs.step()
            if step % EVERY == 0:
                found.append((bits(ours, held_out), bits(theirs, held_out)))
    sizes = [(p.data.size, p.requires_grad) for p in ours.parameters()]
    share = sum(size for size, learns in sizes if learns) / sum(size for size, _ in sizes)
    return Adapted(np.array(found).T, before, bits(theirs, documentation), share, (ours, theirs))


def another_text() -> Figure:
    """A GPT that has read documentation, trained on source code."""
    few, everything = on_source(False), on_source(True)
    start, few_end, all_end = few.curves[0, 0], few.curves[0, -1], everything.curves[0, -1]
    fig, axes = figure(
        f"A GPT that has read documentation for a short time goes on with source code. Left: with {few.share:.1%} of the weights, in "
        f"adapters of rank 1, it goes from {start:.2f} to {few_end:.2f} bits per held-out character; with all to {all_end:.2f}. Right: "
        f"documentation, {few.before:.2f} bits before. Training all weights has spoilt that model for good ({everything.after:.2f}); the "
        f"adapters can be taken off again. Bands: torch, dashes: by hand.",
        columns=2,
        size=(5.0, 3.7),
    )
    left, right = axes[0]
    steps = np.arange(0, STEPS + 1, EVERY)
    for found, name, colour in ((few, f"adapters, {few.share:.1%}", CATEGORIES[0]), (everything, "all weights", CATEGORIES[1])):
        draw_both(left, np.stack([steps, found.curves[0]]), np.stack([steps, found.curves[1]]), name, colour)
    left.set(title="source code, held out", xlabel="steps on source code", ylabel="bits per character")
    left.legend(fontsize=9)
    bars = {"before": few.before, "adapters on": few.after, "adapters off": few.before, "all weights": everything.after}
    right.bar([*bars], [*bars.values()], color=["#bbbbbb", CATEGORIES[0], "#bbbbbb", CATEGORIES[1]])
    right.set(title="documentation, held out", ylabel="bits per character", ylim=(0, 1.15 * max(bars.values())))
    for i, value in enumerate(bars.values()):
        right.text(i, value + 0.05, f"{value:.2f}", ha="center", fontsize=9)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def at_first(run: Trained) -> dict[str, float]:
    """How long the gradients of A and of B are before the first step."""
    model: Any = TWIN.having({"rank": 3}).build(0)[0]
    model.training_step(run.data.split.train, 0)
    model.backward()
    return {name: float(np.linalg.norm(getattr(model.layer, name).grad)) for name in ("A", "B")}


QUESTIONS = (
    Question(
        "B begins at 0, and A by chance. Which of the two has the longer gradient before the first step?",
        ("A", "B"),
        ByLargest(at_first, "{:.2g}"),
        "∂L/∂A = s Bᵀ G has the factor B, and that is 0. So at the first step B moves alone; from then on both do.",
        trainer={"max_epochs": 1, "max_steps": 20},
        look_at=("the closed form", "how short the way of the first steps is."),
    ),
    by_size(
        "rank = 1, alpha = 1: one piece, 32 numbers. What part of what any change could take off the loss does it take off?",
        explained,
        *("less than a fifth", 0.2, "between a fifth and 80 %", 0.8, "more than 80 %"),
        seen="{:.0%} of it",
        why="Drift and hum are three directions. One piece takes the one that shows most in the twelve results, and leaves the two others.",
        model={"rank": 1, "alpha": 1.0},
        trainer={"max_epochs": 2},
        look_at=("the closed form", "the right panel: from rank 0 to rank 1, and on to rank 3."),
    ),
    by_size(
        "rank = 10, alpha = 10: for each of the 240 numbers of W0, how many does the adapter train?",
        adapters,
        *("about a tenth of one", 0.3, "fewer than one, but not by much", 1.0, "more than one"),
        seen="{:.2f} of them",
        why="r (20 + 12) numbers for 20 · 12: a low rank saves something only where r is small beside both sizes. In a large model it is: "
        "4 (1000 + 1000) for a million.",
        model={"rank": 10, "alpha": 10.0},
        trainer={"max_epochs": 1, "max_steps": 20},
    ),
)


class BothAtZero(Manual):
    """The same, but A begins at 0 as B does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.layer.A[...] = 0


class BothAtZeroInTorch(Torch):
    """The same in torch."""

    def __init__(self, rank: int = 3, alpha: float = 3.0, lr: float = 0.5, momentum: float = 0.9) -> None:
        super().__init__(rank, alpha, lr, momentum)
        torch.nn.init.zeros_(self.layer.A)


MISTAKE = Mistake(
    "It is to begin as W0, so A and B begin at 0.",
    lambda run: f"After {len(run.losses)} steps the loss is {run.losses[-1]:.4f}, as it was at first, and A and B are still 0.",
    lambda run: run.agree and run.losses[-1] == run.losses[0] and not learned_change(run.manual).any(),
    "Each of the two hears of the loss through the other. Where both are 0, both gradients are, and no step moves anything. One of them is "
    "enough to make B A 0.",
    trainer={"max_epochs": 1, "max_steps": 20},
    manual=BothAtZero,
    torch=BothAtZeroInTorch,
)


def learned(run: Trained) -> str:
    """How near to the closed form it came, with how many numbers."""
    rank = run.manual.layer.A.shape[0]
    x, y = run.data.split.train
    target, W = best(run.data, rank), smoothing() + learned_change(run.manual)
    loss = float(((x @ W.T - y) ** 2).mean())
    return (
        f"With {run.manual.layer.A.size + run.manual.layer.B.size} numbers beside the {IN * OUT} frozen ones the loss fell from "
        f"{run.losses[0]:.4f} to {loss:.6f}; the least that a change of rank {rank} can have is {target.loss:.6f}."
    )


TWIN = Twin(
    name="lora",
    manual=Manual,
    torch=Torch,
    data=NoisyRoom,
    needs=("svd", "hidden_layer", "gpt"),
    trainer={"max_epochs": 6},
    variants={"rank 1": {"rank": 1, "alpha": 1.0}, "no momentum": {"momentum": 0.0, "alpha": 4.5}},
    figures=figures,
    learned=learned,
    look_at=("frozen and learned", "what was added to W0, beside the best change of its rank."),
    further=("another text",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("change_backward", ("A is on the right of B A, so what comes back to it has B on the left: Bᵀ G.",)),
        Exercise("LoRALinear.backward", ("Which W did the forward use?",)),
    ),
)

if __name__ == "__main__":
    run("lora")
