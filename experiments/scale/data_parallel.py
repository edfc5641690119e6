"""Data parallel: many workers, a part of the batch each, and one gradient

Four workers learn to read digits together: their gradient is held against that of the whole batch, also where shards are uneven and with
batch norm, where it is another one. And a ring of workers adds up, step by step.
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
from experiments.drawing.colours import AMOUNT, CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines, write_numbers
from experiments.judge.compare import error
from experiments.judge.convert import in_dtype_of, to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.scale.data_parallel import DataParallel as Manual
from manual.scale.data_parallel import ring_all_reduce, ring_step
from torch_impl.scale.data_parallel import DataParallel as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray

# ---- what is measured, on both sides -------------------------------------------------------------------


def gradients(model: Any, batch: tuple[Array, ...], workers: int) -> Array:
    """All gradients of a batch as one long vector, with so many workers; of a copy of either side."""
    model = deepcopy(model)
    model.train()
    model.zero_grad()
    model.workers = workers
    model.log = lambda *args, **kwargs: None
    if isinstance(model, Manual):
        model.training_step(batch, 0)
        model.backward()
    else:
        with torch.enable_grad():
            model.training_step(to_torch(batch, model.device), 0).backward()
    return np.concatenate([to_numpy(p.grad).ravel() for p in model.parameters()])


def off(run: Trained) -> float:
    """How far the workers' gradient is from that of the whole batch, as a part of it, in the trained network; the batch is the first."""
    x, y = run.data.split.train
    batch = in_dtype_of(run.manual, x[: run.data.batch_size]), y[: run.data.batch_size]
    return error(gradients(run.manual, batch, run.manual.workers), gradients(run.manual, batch, 1))


EVEN, UNEVEN, BATCH, LAYER = "96 digits", "97 digits", "96, batch norm", "96, layer norm"
WAYS: dict[str, tuple[int, str]] = {EVEN: (96, "none"), UNEVEN: (97, "none"), BATCH: (96, "batch"), LAYER: (96, "layer")}
COLOURS = dict(zip(WAYS, CATEGORIES, strict=False))
WORKERS = (2, 3, 4, 6, 8)


@cache
def apart(which: str) -> Array:
    """How far the gradient of some workers is from that of one, by how many there are: (side, workers)."""
    rows, norm = WAYS[which]
    batch = tuple(a[:rows] for a in Digits().split.train)
    return np.array(
        [
            [error(gradients(model, batch, workers), gradients(model, batch, 1)) for workers in WORKERS]
            for model in TWIN.having({"norm": norm}).build()
        ]
    )


def around(workers: int) -> list[Array]:
    """How many workers' parts are in each piece, before and after every step of the ring: each (worker, piece)."""
    pieces = [np.array_split(np.ones(workers), workers) for _ in range(workers)]
    boards = [np.array(pieces)[..., 0]]
    for step in range(2 * (workers - 1)):
        ring_step(pieces, step)
        boards.append(np.array(pieces)[..., 0])
    return boards


def sent(workers: int, numbers: int = 840) -> float:
    """How often the whole gradient goes out of one worker in a ring."""
    return max(ring_all_reduce([np.zeros(numbers)] * workers)[1]) / numbers


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The gradient of the trained pair; and, whatever was trained, where it is another one, and the ring."""
    return OnDemand(
        {
            "the same gradient": lambda: the_same_gradient(manual, torch_module, data),
            "around the ring": lambda: around_the_ring(),
        }
    )


def the_same_gradient(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """The gradients of the workers against that of the whole batch; and how far it is off, by how many there are."""
    x, y = data.split.train
    batch = in_dtype_of(manual, x[:96]), y[:96]
    found = [[gradients(model, batch, workers) for workers in (1, manual.workers)] for model in (manual, torch_module)]
    fig, axes = figure(
        "Left: the trained network's gradient of 96 digits, each dot a weight (large: torch, small: by hand); across, of the whole batch, "
        f"upwards, of {manual.workers} workers together: {apart_in_words(error(found[0][1], found[0][0]))}. Right, untrained: how far "
        "the gradient is from that of the whole batch. With even shards it is rounding, with layer norm too. 97 digits make uneven shards; "
        "and with batch norm each worker has a mean of its own. Bands: torch, dashes: by hand.",
        columns=2,
        size=(4.9, 4.0),
    )
    left, right = axes[0]
    most = 1.05 * max(np.abs(g).max() for side in found for g in side)
    left.plot([-most, most], [-most, most], color="#777777", linewidth=0.8)
    for (whole, together), look, size in ((found[1], TORCH, 7), (found[0], BY_HAND, 2.5)):
        left.plot(whole, together, ".", color=look["color"], markersize=size)
    left.set(title="∂L/∂W of 96 digits", xlabel="the whole batch", ylabel=f"{manual.workers} workers")
    for which in WAYS:
        ours, theirs = (np.stack([WORKERS, np.maximum(side, 1e-17)]) for side in apart(which))
        draw_both(right, ours, theirs, which, COLOURS[which])
    right.set(title="how far from the whole batch", xlabel="workers", yscale="log", ylim=(1e-17, 1), xticks=WORKERS)
    label_lines(right)
    return fig


def apart_in_words(off_by: float) -> str:
    """How far a gradient is off."""
    return "the same" if off_by == 0 else f"{off_by:.0e} apart" if off_by < 1e-3 else f"{off_by:.1%} apart"


def around_the_ring() -> Figure:
    """Four workers, each with four pieces, and whose parts are in them."""
    boards = around(4)
    fig, axes = figure(
        "Four workers (rows) in a ring, each with four pieces of a gradient (columns); the number in a cell says how many workers' parts "
        "are in it. At each step every worker sends one piece to the next, the last to the first. First three steps: what comes is added, "
        "and then each has one piece with all four. Last three: what comes is written over. Each has sent "
        f"{sent(4):.2g} gradients; of 100 workers each would send {sent(100, 8400):.3g}.",
        columns=len(boards),
        size=(1.75, 2.2),
    )
    for step, (ax, board) in enumerate(zip(axes[0], boards, strict=True)):
        ax.imshow(board, cmap=AMOUNT, vmin=0, vmax=4)
        write_numbers(ax, board, 0, 9)
        title = "at first" if step == 0 else f"step {step}: {'add' if step < 4 else 'copy'}"
        ax.set_title(title, fontsize=10)
        ax.set(xticks=[], yticks=range(4) if step == 0 else [])
    axes[0, 0].set_ylabel("worker")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


class AllTheSame(Manual):
    """Every worker has the first shard."""

    def training_step(self, batch: Any, batch_idx: int) -> float:
        return super().training_step(first_shard(batch, self.workers), batch_idx)


class AllTheSameInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return super().training_step(first_shard(batch, self.workers), batch_idx)


def first_shard(batch: Any, workers: int) -> tuple[Any, ...]:
    """A batch whose shards are all its first, of either side's arrays."""
    size = -(-len(batch[0]) // workers)
    join = np.concatenate if isinstance(batch[0], np.ndarray) else torch.cat
    return tuple(join([a[:size]] * workers) for a in batch)


SEEN = "it is off by {:.2g} of its length"
SHORT: dict[str, Any] = {"trainer": {"max_epochs": 2}}
LOOK = ("the same gradient", "which curves on the right are at the bottom.")
HOW_FAR = ("to the last digits the same", 1e-9, "off by less than a twentieth", 0.05, "off by more")

QUESTIONS = (
    by_size(
        "3 workers, a batch of 96, and no norm. How far is their gradient from that of the whole batch?",
        off,
        *HOW_FAR,
        seen=SEEN,
        why="Three shards of 32: the mean of their three means is the mean of all 96.",
        model={"workers": 3},
        **SHORT,
        look_at=LOOK,
    ),
    by_size(
        "The same 3 workers, and norm = 'batch'. How far is it now?",
        off,
        *HOW_FAR,
        seen=SEEN,
        why="Each worker normalises by the mean and variance of its 32 digits, which are others than those of the 96.",
        model={"workers": 3, "norm": "batch"},
        **SHORT,
        look_at=LOOK,
    ),
    by_size(
        "8 workers in a ring. How often does the whole gradient, in pieces, go out of each of them in one all-reduce?",
        lambda run: sent(run.manual.workers),
        *("less than once", 0.98, "less than twice", 2.05, "about seven times: to each of the others"),
        seen="{:.3g} times",
        why="Each sends 2 · 7 pieces of an eighth. In the first round a piece collects what all have, in the second it is handed out.",
        model={"workers": 8},
        **SHORT,
        look_at=("around the ring", "how many pieces each worker sends, and how large one is."),
    ),
)

MISTAKE = Mistake(
    "Each worker loads the data itself, shuffled by the same seed, so that all are in step.",
    lambda run: (
        f"All {run.manual.workers} workers then bring the gradient of the same {-(-run.data.batch_size // run.manual.workers)} rows, and "
        f"their mean is that: off by {off(run):.0%} of its length from that of the {run.data.batch_size} that were meant. Four did the "
        "work of one."
    ),
    lambda run: run.agree and off(run) > 0.2,
    "All need the same weights, and other rows. Lightning sees to it by a DistributedSampler; who has a sampler of his own must do so too.",
    manual=AllTheSame,
    torch=AllTheSameInTorch,
    trainer={"max_epochs": 3},
)


def learned(run: Trained) -> str:
    """How far the gradient of the workers is off, and how well it reads."""
    return (
        f"The gradient of {run.manual.workers} workers is that of the whole batch, but for {off(run):.0e} of its length; around a ring "
        f"each of them sends {sent(run.manual.workers):.2g} times its length. The network reads {classes_right(run)} digits that it has "
        "not seen."
    )


TEXT = """
Here one process plays all workers. With two real ones, which Lightning starts, and whose gradients torch averages:

    python -m experiments run data_parallel --model.workers 1 --trainer.devices 2 --trainer.strategy ddp

The hand-written side then plays both, and is compared with them at every step.
"""

TWIN = Twin(
    name="data_parallel",
    manual=Manual,
    torch=Torch,
    data=Digits,
    data_args={"batch_size": 96},
    needs=("accumulation",),
    trainer={"max_epochs": 10},
    variants={
        "batch norm": {"norm": "batch", "workers": 2, "hidden": 13},
        "layer norm": {"norm": "layer", "workers": 3, "hidden": 13},
    },
    sgd_lr=0.1,
    figures=figures,
    learned=learned,
    look_at=("around the ring", "how the 4s appear, one for each worker, and then spread."),
    text={"two processes": TEXT},
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("DataParallel.replica_loss_backward"),
        Exercise("DataParallel.backward", ("The sum of W gradients is to be their mean. Where can the W go?",)),
    ),
)

if __name__ == "__main__":
    run("data_parallel")
