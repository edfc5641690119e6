"""Tensor parallel: one layer over several workers, and a single sum

A network whose blocks are spread over four workers learns to read digits. It is held against the same network in one piece, forward and
backward, for one to eight workers; and so is one that forgets a sum.
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
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines
from experiments.judge.compare import error
from experiments.judge.convert import in_dtype_of, to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.scale import tensor_parallel
from manual.scale.tensor_parallel import ParallelMLP
from manual.scale.tensor_parallel import TensorParallel as Manual
from torch_impl.scale.tensor_parallel import ParallelMLP as ParallelMLPInTorch
from torch_impl.scale.tensor_parallel import TensorParallel as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray

# ---- what is measured, on both sides -------------------------------------------------------------------


def shards(block: Any) -> list[Any]:
    """Of a block of either side."""
    return list(block.shards)


def blocks(model: Any) -> list[Any]:
    """Of a network of either side."""
    return list(model.blocks)


def in_one_piece(model: Any) -> Any:
    """The same network, of the same side, whose blocks one worker has."""
    of, part = shards(blocks(model)[0]), shards(blocks(model)[0])[0].down.weight
    width, hidden = data(part).shape[0], data(part).shape[1] * len(of)
    dtype = {"dtype": model.first.weight.dtype} if isinstance(model, Manual) else {}
    whole: Any = type(model)(workers=1, width=width, hidden=hidden, depth=len(blocks(model)), **dtype)
    whole = whole if isinstance(model, Manual) else whole.to(model.device, model.last.weight.dtype)
    pairs = [(getattr(layer, p), data(getattr(given, p))) for p in ("weight", "bias")
             for layer, given in ((whole.first, model.first), (whole.last, model.last))]  # fmt: skip
    for block, given in zip(blocks(whole), blocks(model), strict=True):
        one, of = shards(block)[0], shards(given)
        pairs += [(one.up.weight, joined([s.up.weight for s in of], 0)), (one.up.bias, joined([s.up.bias for s in of], 0))]
        pairs += [(one.down.weight, joined([s.down.weight for s in of], 1)), (block.bias, data(given.bias))]
    for p, values in pairs:
        put(p, values)
    return whole


def data(p: Any) -> Array:
    """The numbers of a parameter of either side."""
    return to_numpy(p) if isinstance(p, torch.Tensor) else p.data


def put(p: Any, values: Array) -> None:
    """Into a parameter of either side."""
    with torch.no_grad():
        p[...] = to_torch(values, p.device) if isinstance(p, torch.Tensor) else values


def joined(parts: list[Any], axis: int) -> Array:
    """The pieces of a matrix side by side."""
    return np.concatenate([data(p) for p in parts], axis=axis)


def found(model: Any, batch: tuple[Array, ...]) -> tuple[Array, Array]:
    """The scores of a batch, and the gradient of its loss with respect to the first layer, which lies before all blocks; of a copy."""
    model = deepcopy(model)
    model.log = lambda *args, **kwargs: None
    model.zero_grad()
    if isinstance(model, Manual):
        scores = model(batch[0])
        model.forget()
        model.training_step(batch, 0)
        model.backward()
        return scores, model.first.weight.grad
    tensors = to_torch(batch, model.device)
    with torch.enable_grad():
        model.training_step(tensors, 0).backward()
    return to_numpy(model(tensors[0])), to_numpy(model.first.weight.grad)


def apart(model: Any, batch: tuple[Array, ...]) -> tuple[float, float]:
    """How far scores and gradient are from those of the network in one piece."""
    (scores, dL_dW), (scores_of_one, dL_dW_of_one) = found(model, batch), found(in_one_piece(model), batch)
    return error(scores, scores_of_one), error(dL_dW, dL_dW_of_one)


def some(model: Any, split: Any) -> tuple[Array, Array]:
    """The first digits, in the dtype of a hand-written model."""
    x, y = split.train
    return in_dtype_of(model, x[:40]), y[:40]


WORKERS = (1, 2, 4, 8, 16)


@cache
def by_workers(forgetful: bool) -> Array:
    """How far scores and gradient are from those of one piece, of untrained networks: (side, scores or gradient, workers)."""
    classes = (Forgetful, ForgetfulInTorch) if forgetful else (Manual, Torch)
    measured = []
    for workers in WORKERS:
        pair = TWIN.having({"workers": workers}).build()
        for model, of_class in zip(pair, classes, strict=True):
            model.__class__ = of_class
        measured.append([apart(model, some(pair[0], Digits().split)) for model in pair])
    return np.array(measured).transpose(1, 2, 0)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data_module: ArrayData) -> Mapping[str, Figure]:
    """Who has what in the trained pair; and, whatever was trained, how far it is from one piece."""
    return OnDemand({"who has what": lambda: who_has_what(manual, torch_module), "in one piece": lambda: the_same()})


def who_has_what(manual: Manual, torch_module: Torch) -> Figure:
    """W1 and W2 of the first block, cut between the hidden units."""
    sides = [blocks(model)[0] for model in (manual, torch_module)]
    workers, part = len(shards(sides[0])), shards(sides[0])[0].up.weight.shape[0]
    fig, axes = figure(
        "The first block of the trained network, above by hand, below in torch (orange above 0, violet below). Left W1, a row for each "
        f"hidden unit; right W2, a column for each. Lines: where they are cut between {workers} workers. Each has {part} hidden units: "
        "their rows of W1 and their columns of W2, and needs nothing of the others until their outputs are added.",
        rows=2,
        columns=2,
        size=(4.6, 3.3),
    )
    for row, block, name in zip(axes, sides, ("by hand", "torch"), strict=True):
        W1, W2 = (joined([getattr(s, layer).weight for s in shards(block)], axis) for layer, axis in (("up", 0), ("down", 1)))
        for ax, W, title in ((row[0], W1, "W1"), (row[1], W2, "W2")):
            most = np.abs(W).max()
            ax.imshow(W, cmap=SIGNED, vmin=-most, vmax=most, aspect="auto")
            for k in range(1, workers):
                (ax.axhline if W is W1 else ax.axvline)(k * part - 0.5, color="black", linewidth=1.2)
            hidden, width = "hidden units", "width"
            ax.set(title=f"{title}, {name}", xlabel=width if W is W1 else hidden, ylabel=hidden if W is W1 else width, xticks=[], yticks=[])
    return fig


def the_same() -> Figure:
    """Scores and gradients against those of one piece, by the number of workers; and if the sum on the way back is forgotten."""
    right, wrong = by_workers(False), by_workers(True)
    fig, axes = figure(
        "How far the scores, and the gradient of the first layer, are from those of the same network in one piece. With both sums it is "
        f"rounding: at most {right.max():.0e}. Whoever forgets the sum on the way back, and goes on with worker 0's part of ∂L/∂h, has "
        f"right scores, and a gradient that is off by {wrong[0, 1, 2]:.0%} with four workers. Bands: torch, dashes: by hand.",
        size=(6.6, 3.8),
    )
    ax = axes[0, 0]
    curves = {"scores": right[:, 0], "gradient": right[:, 1], "a sum forgotten: gradient": wrong[:, 1]}
    for (name, both), colour in zip(curves.items(), CATEGORIES, strict=False):
        ours, theirs = (np.stack([WORKERS, np.maximum(side, 1e-17)]) for side in both)
        draw_both(ax, ours, theirs, name, colour)
    ax.set(title="how far from one piece", xlabel="workers", xscale="log", yscale="log", ylim=(1e-17, 10))
    ax.set_xticks(WORKERS, [str(k) for k in WORKERS])
    ax.minorticks_off()
    label_lines(ax)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


class ForgetfulMLP(ParallelMLP):
    """It goes on with what worker 0 has found of ∂L/∂h."""

    def backward(self, dL_dy: Array) -> Array:
        self.bias.grad += dL_dy.sum(axis=0)
        parts = [shard.backward(dL_dy) for shard in shards(self)]
        return parts[0]


class ForgetfulMLPInTorch(ParallelMLPInTorch):
    """The same in torch: the others are not asked where h came from."""

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        first, *others = shards(self)
        return torch.stack([first(h), *(shard(h.detach()) for shard in others)]).sum(dim=0) + self.bias


class Forgetful(Manual):
    """Its blocks forget the sum on the way back."""

    def backward(self, dL_dloss: float = 1.0) -> None:
        for block in self.blocks:
            block.__class__ = ForgetfulMLP
        super().backward(dL_dloss)


class ForgetfulInTorch(Torch):
    """The same in torch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            block.__class__ = ForgetfulMLPInTorch
        return super().forward(x)


def gradient_off(run: Trained) -> float:
    """How far the gradient of the first layer is from that of one piece, in the trained network."""
    return apart(run.manual, some(run.manual, run.data.split))[1]


def share(run: Trained) -> float:
    """What part of a block's weights one worker has, but for the bias that all have."""
    of = shards(blocks(run.manual)[0])
    sizes = [sum(p.size for p in s.parameters()) for s in of]
    return sizes[0] / sum(sizes)


def sums(run: Trained) -> float:
    """How many all-reduces one training step has."""
    calls: list[int] = []

    def counted(parts: list[Array]) -> Array:
        calls.append(len(parts))
        return original(parts)

    model, original = deepcopy(run.manual), tensor_parallel.all_reduce
    tensor_parallel.all_reduce = counted
    try:
        model.training_step(some(model, run.data.split), 0)
        model.backward()
    finally:
        tensor_parallel.all_reduce = original
    return float(len(calls))


SHORT: dict[str, Any] = {"trainer": {"max_epochs": 2}}

QUESTIONS = (
    by_size(
        "8 workers share 64 hidden units. What part of a block's weights does each of them keep?",
        share,
        *("an eighth", 0.2, "half: one layer of the two", 0.7, "all of them, as in data parallel"),
        seen="{:.3g} of them",
        why="Its 8 hidden units, with a row of W1 and a column of W2 for each. That is the point of it: no GPU need hold the whole layer.",
        model={"workers": 8},
        **SHORT,
        look_at=("who has what", "what lies between two lines in W1, and in W2."),
    ),
    by_size(
        "How far is the gradient of the first layer, which lies before all blocks, from that of the same network in one piece?",
        gradient_off,
        *("to the last digits the same", 1e-9, "off by less than a tenth", 0.1, "off by more"),
        seen="it is off by {:.1g} of its length",
        why="Both sums, there and back, only add in another order what one piece adds too.",
        **SHORT,
        look_at=("in one piece", "which curves are at the bottom."),
    ),
    by_size(
        "The network has 3 blocks. How often must the workers talk in one training step, forward and backward?",
        sums,
        *("once, when all is done", 2, "3 times", 4.5, "6 times", 9, "12 times: at each product"),
        seen="{:.0f} times",
        why="Each block has one sum on the way there and one on the way back; between them each worker goes through two products alone.",
        model={"depth": 3},
        **SHORT,
    ),
)

MISTAKE = Mistake(
    "Each worker goes back through its own part, so on the way back nobody needs to talk.",
    lambda run: (
        f"The loss falls, from {run.losses[0]:.2f} to {run.losses[-1]:.2f}, and the scores are right. But ∂L/∂h is worker 0's part "
        f"alone, and the gradient of the first layer is off by {gradient_off(run):.0%} of its length."
    ),
    lambda run: run.agree and gradient_off(run) > 0.1 and run.losses[-1] < 0.9 * run.losses[0],
    "h went into every worker's part, so its gradient is the sum over all of them. (Real workers would each have another ∂L/∂h, and from "
    "the next step on other weights in the layers that they should have alike.)",
    manual=Forgetful,
    torch=ForgetfulInTorch,
    trainer={"max_epochs": 3},
)


def learned(run: Trained) -> str:
    """How far it is from one piece, and how well it reads."""
    scores, gradient = apart(run.manual, some(run.manual, run.data.split))
    return (
        f"Spread over {len(shards(blocks(run.manual)[0]))} workers, each of whom has {share(run):.3g} of every block, the network "
        f"gives the scores of one piece but for {scores:.0e} and its gradient but for {gradient:.0e}. It reads {classes_right(run)} digits "
        "that it has not seen."
    )


TWIN = Twin(
    name="tensor_parallel",
    manual=Manual,
    torch=Torch,
    data=Digits,
    data_args={"batch_size": 100},
    needs=("data_parallel", "residual"),
    trainer={"max_epochs": 10},
    model={"lr": 0.2},
    variants={"one worker": {"workers": 1, "width": 7, "hidden": 9}, "three workers": {"workers": 3, "width": 7, "hidden": 9, "depth": 1}},
    options={"workers": 2, "hidden": 60},
    figures=figures,
    learned=learned,
    look_at=("who has what", "what of W1 and of W2 lies between two lines: that is one worker's."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Shard.backward"),
        Exercise("ParallelMLP.backward", ("y is a sum over the workers. And what of h?",)),
        Exercise("TensorParallel.backward", ("h goes through the block, and around it.",)),
    ),
)

if __name__ == "__main__":
    run("tensor_parallel")
