"""Accumulation: a large batch, piece by piece, and the same step

Batches of a hundred digits go in by parts of 32: the gradient is held against that of the whole batch, and so are 30 steps. Then with all
parts weighed alike, and with batch norm, where it is another one; and how much memory the parts save.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.memory import most_held_by_hand, most_held_in_torch
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines
from experiments.judge.compare import error
from experiments.judge.convert import in_dtype_of, to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.scale.accumulation import Accumulation as Manual
from manual.scale.accumulation import parts
from manual.trainer import Trainer
from torch_impl.scale.accumulation import Accumulation as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray
WHOLE = 10**6
"""A micro-batch that no batch is larger than: nothing is divided."""

BY_ROWS, ALIKE, BATCH, LAYER = "by rows", "all alike", "batch norm", "layer norm"
WAYS: dict[str, dict[str, Any]] = {BY_ROWS: {}, ALIKE: {"weigh": "alike"}, BATCH: {"norm": "batch"}, LAYER: {"norm": "layer"}}
COLOURS = dict(zip(WAYS, CATEGORIES, strict=False))


# ---- what is measured, on both sides -------------------------------------------------------------------


def gradient(model: Manual, batch: tuple[Array, ...], micro_batch: int) -> Array:
    """All gradients of this batch by hand, as one long vector; of a copy."""
    model = deepcopy(model)
    model.train()
    model.micro_batch = micro_batch
    model.zero_grad()
    model.accumulate(batch)
    return np.concatenate([np.ravel(p.grad) for p in model.parameters()])


def backward_at_once(module: Any) -> Any:
    """A copy of a torch module that goes back from a loss without a Trainer."""
    module = deepcopy(module).train()
    module.manual_backward = lambda loss, gradient: loss.backward(gradient)
    return module


@torch.enable_grad()
def gradient_in_torch(module: Torch, batch: tuple[Array, ...], micro_batch: int) -> Array:
    """The same in torch."""
    module = backward_at_once(module)
    module.micro_batch = micro_batch
    module.zero_grad()
    module.accumulate(to_torch(batch, module.device))
    return np.concatenate([to_numpy(p.grad).ravel() for p in module.parameters()])


def gradients(manual: Manual, torch_module: Torch, data: ArrayData) -> tuple[Array, Array]:
    """Of the first batch that `data` has, by parts and as a whole, by hand and in torch: each (2, entries)."""
    x, y = data.split.train
    size = data.batch_size or len(x)
    batch = in_dtype_of(manual, x[:size]), y[:size]
    ours = [gradient(manual, batch, micro_batch) for micro_batch in (manual.micro_batch, WHOLE)]
    theirs = [gradient_in_torch(torch_module, batch, micro_batch) for micro_batch in (manual.micro_batch, WHOLE)]
    return np.stack(ours), np.stack(theirs)


def off(run: Trained) -> float:
    """How far the gradient by parts is from that of the whole batch, as a part of it, in the trained network."""
    ours, _ = gradients(run.manual, run.torch, run.data)
    return error(ours[0], ours[1])


@cache
@torch.enable_grad()
def path(which: str, micro_batch: int, steps: int = 30) -> tuple[Array, Array]:
    """All weights after each step, by hand and in torch: (steps, weights)."""
    ours, theirs = TWIN.having({**WAYS[which], "micro_batch": micro_batch}).build()
    batches = [batch for epoch in range(-(-steps // 15)) for batch in in_order(epoch)][:steps]
    trainer, module = Trainer(), backward_at_once(theirs)
    trainer.attach(ours)
    optimizer = module.configure_optimizers()
    module.optimizers = lambda: optimizer
    by_hand, in_torch = [], []
    for batch in batches:
        trainer.train_batch(batch, 0)
        module.training_step(to_torch(batch), 0)
        by_hand.append(np.concatenate([p.data.ravel() for p in ours.parameters()]))
        in_torch.append(np.concatenate([to_numpy(p).ravel() for p in module.parameters()]))
    return np.stack(by_hand), np.stack(in_torch)


def in_order(epoch: int) -> list[tuple[Array, Array]]:
    """The batches of an epoch, 14 of a hundred digits and one of 38."""
    x, y = Digits().split.train
    order = np.random.default_rng(epoch).permutation(len(x))
    return [(x[rows], y[rows]) for rows in parts(order, 100)]


@cache
def apart(which: str) -> Array:
    """How far the weights are from those of a run on whole batches, after each step: (side, steps)."""
    return np.array(
        [np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1) for a, b in zip(path(which, 32), path(which, WHOLE), strict=True)]
    )


SIZES = (5, 10, 20, 50, 100)


@cache
def held() -> Array:
    """The most memory that the gradient of a hundred digits takes, in bytes, by the size of the parts: (side, sizes)."""
    return np.array([held_with(micro_batch) for micro_batch in SIZES]).T


@torch.enable_grad()
def held_with(micro_batch: int) -> tuple[int, int]:
    """The same with parts of one size, by hand and in torch, once the room for the gradients is there."""
    pair: Any = TWIN.having({"micro_batch": micro_batch, "hidden": 512}).build()
    ours, module, batch = pair[0], backward_at_once(pair[1]), in_order(0)[0]
    tensors = to_torch(batch)
    ours.accumulate(batch)
    module.accumulate(tensors)
    return most_held_by_hand(lambda: ours.accumulate(batch)), most_held_in_torch(lambda: module.accumulate(tensors))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The gradient of the trained pair; and, whatever was trained, thirty steps, and what is held."""
    return OnDemand({"the same gradient": lambda: the_same_gradient(manual, torch_module, data), "step by step": lambda: step_by_step()})


def the_same_gradient(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """Every entry of the gradient by parts, against the same of the whole batch: weighed by rows, and all alike."""
    sizes = [len(part) for part in parts(np.arange(data.batch_size or len(data.split.train[0])), manual.micro_batch)]
    fig, axes = figure(
        f"The trained network's gradient of a batch that goes in as {in_words(sizes)}: each dot is a weight (large: torch, small: by "
        "hand); across, the gradient of the whole batch, upwards, that by parts. Left, each part with its share of the rows. Right, all "
        "parts alike, so that the rows of a small one count more. On the line both are the same.",
        columns=2,
        size=(4.6, 4.1),
    )
    for ax, weigh in zip(axes[0], ("rows", "alike"), strict=True):
        pair = deepcopy(manual), deepcopy(torch_module)
        for side in pair:
            side.weigh = weigh
        both = gradients(*pair, data)
        most = 1.05 * max(np.abs(g).max() for g in both)
        ax.plot([-most, most], [-most, most], color="#777777", linewidth=0.8)
        for (by_parts, whole), look, size in ((both[1], TORCH, 7), (both[0], BY_HAND, 2.5)):
            ax.plot(whole, by_parts, ".", color=look["color"], markersize=size)
        title = "by rows" if weigh == "rows" else "all alike"
        ax.set(title=f"{title}: {in_figures(error(*both[0]))}", xlabel="∂L/∂W of the whole batch", ylabel="∂L/∂W by parts")
    return fig


def in_words(sizes: list[int]) -> str:
    """32 + 32 + 32 + 4; of many the first and the last."""
    written = [str(size) for size in sizes]
    return " + ".join(written if len(sizes) < 6 else [*written[:2], "…", written[-1]])


def in_figures(off_by: float) -> str:
    """How far a gradient is off, as a part of its length."""
    return "the same" if off_by == 0 else f"off by {off_by:.0%}" if off_by > 0.005 else f"off by {off_by:.0e}"


def step_by_step() -> Figure:
    """How far thirty steps lead from those on whole batches; and what is held."""
    ends = {which: apart(which)[0, -1] for which in WAYS}
    ours = held()[0]
    fig, axes = figure(
        "Left: how far the weights are from those of a run on whole batches of a hundred (parts of 32), as a part of their length. By rows "
        f"and with layer norm it is rounding ({ends[BY_ROWS]:.0e}); all alike, or with batch norm, it is another run. Right: the most that "
        f"is held at once for a hundred digits and 512 hidden units: with parts of {SIZES[0]} it is {ours[-1] / ours[0]:.1f} times less "
        "than with all at once. Bands: torch, dashes: by hand.",
        columns=2,
        size=(5.2, 3.9),
    )
    left, right = axes[0]
    for which in WAYS:
        a, b = (np.stack([np.arange(1, side.size + 1), np.maximum(side, 1e-18)]) for side in apart(which))
        draw_both(left, a, b, which, COLOURS[which])
    left.set(title="how far from the run on whole batches", xlabel="step", yscale="log", ylim=(1e-18, 1))
    label_lines(left)
    kilobytes = held() / 1024
    draw_both(right, np.stack([SIZES, kilobytes[0]]), np.stack([SIZES, kilobytes[1]]), "held", CATEGORIES[0])
    right.set(title="the most memory at once", xlabel="rows of a part", ylabel="kilobytes", ylim=(0, 1.1 * kilobytes.max()), xticks=SIZES)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


class ForgetsEachTime(Manual):
    """zero_grad before each part."""

    def part_loss(self, batch: Any) -> float:
        self.zero_grad()
        return super().part_loss(batch)


class ForgetsEachTimeInTorch(Torch):
    """The same in torch."""

    def part_loss(self, batch: Any) -> torch.Tensor:
        self.zero_grad()
        return super().part_loss(batch)


SEEN = "it is off by {:.2g} of its length"
SHORT = {"trainer": {"max_epochs": 2}}
LOOK = ("step by step", "whose curve on the left stays at the bottom.")

QUESTIONS = (
    by_size(
        "micro_batch = 8 in place of 32: smaller parts. How many steps does the optimizer take in an epoch of 15 batches?",
        lambda run: len(run.losses) / 2,
        *("fewer than 15", 14.5, "15, as before", 20, "four times as many"),
        seen="it is {:.0f}",
        why="However many parts a batch has, the step comes once, when all have been.",
        model={"micro_batch": 8},
        **SHORT,
    ),
    by_size(
        "A batch of 100 goes in as 32 + 32 + 32 + 4, and weigh = 'alike' divides each part's loss by 4. How far is the gradient from that "
        "of the whole batch?",
        off,
        *("to the last digits the same", 1e-9, "off by less than a hundredth", 0.01, "off by more"),
        seen=SEEN,
        why="The last four rows get a quarter of the say in place of a 25th: eight times as much as any other.",
        model={"weigh": "alike"},
        **SHORT,
        look_at=("the same gradient", "how far the dots on the right lie from the line."),
    ),
    by_size(
        "norm = 'layer', and parts of 8, each with its share of the rows. How far is the gradient from that of the whole batch?",
        off,
        *("to the last digits the same", 1e-9, "off by less than a hundredth", 0.01, "off by more"),
        seen=SEEN,
        why="Layer norm takes the mean of one example over its units; who else is in the part is all one. With batch norm it is not.",
        model={"norm": "layer", "micro_batch": 8},
        **SHORT,
        look_at=LOOK,
    ),
)

MISTAKE = Mistake(
    "zero_grad belongs before every backward.",
    lambda run: (
        f"Here it does, and of {in_words([32, 32, 32, 4])} rows only the last four are left: the gradient is off by {off(run):.0%} of its "
        f"length. After {len(run.losses)} steps the network reads {run.metrics['accuracy/val']:.0%} of the held-out digits: it has "
        "learned from four in a hundred."
    ),
    lambda run: run.agree and off(run) > 0.3,
    "Gradients are added up on purpose. Forget them once for each step, not once for each backward.",
    manual=ForgetsEachTime,
    torch=ForgetsEachTimeInTorch,
    trainer={"max_epochs": 4},
)


def learned(run: Trained) -> str:
    """How far the gradient by parts is off, and how well it reads."""
    return (
        f"By parts of {run.manual.micro_batch} rows the gradient of a batch is that of the whole one, but for {off(run):.0e} of its "
        f"length, and the step is taken once for all parts. The network reads {classes_right(run)} digits that it has not seen."
    )


TWIN = Twin(
    name="accumulation",
    manual=Manual,
    torch=Torch,
    data=Digits,
    data_args={"batch_size": 100},
    needs=("minibatches", "normalization"),
    trainer={"max_epochs": 10},
    variants={
        "all alike": {"weigh": "alike", "micro_batch": 7, "hidden": 13},
        "batch norm": {"norm": "batch", "hidden": 13},
        "layer norm": {"norm": "layer", "micro_batch": 9, "hidden": 13},
    },
    objectives=("part_loss",),
    sgd_lr=0.1,
    figures=figures,
    learned=learned,
    look_at=("the same gradient", "whether the dots lie on the line: on the left, and on the right."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("joined_backward", ("Each loss is multiplied by its share, and then all are added up.",)),
        Exercise("Accumulation.part_loss_backward"),
    ),
)

if __name__ == "__main__":
    run("accumulation")
