"""Thirty layers, and a way around each of them: residual blocks

A network of thirty residual blocks learns to read digits, and one of thirty plain blocks does not; and it is measured what is left of the
image at each block, and of the gradient on its way back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.words import classes_right, percent
from experiments.drawing.written import label_lines
from experiments.judge.convert import in_dtype_of, to_numpy
from experiments.judge.look import look
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.networks.residual import Residual as Manual
from torch_impl.networks.residual import Residual as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray
ROOT_6 = math.sqrt(6)
"""The gain with which a plain block lets as much through as it gets (He et al. 2015, equation 14, for weights drawn uniformly)."""

PLAIN, LARGER, RESIDUAL = "plain", "plain, larger weights", "residual"
NETWORKS: dict[str, dict[str, Any]] = {PLAIN: {"skip": False}, LARGER: {"skip": False, "gain": ROOT_6}, RESIDUAL: {}}
COLOURS = dict(zip(NETWORKS, CATEGORIES, strict=False))


# ---- what is measured, on both sides -------------------------------------------------------------------


class Passing(NamedTuple):
    """What passes at h of each block, by hand and in torch: before the first block, and behind each. Shapes: (2, depth + 1)."""

    differ: Array  # how far the images of a batch lie from their mean, root mean square
    gradient: Array  # the length of ∂L/∂h


def passing(ours: Any, theirs: Any, data: ArrayData, n: int = 64) -> Passing:
    """In this pair, for the first images that are trained on."""
    x, y = (a[:n] for a in data.split.train)
    rows = {(r.name, r.back): (r.hand, r.torch) for r in look(TWIN, ours, theirs, (in_dtype_of(ours, x), y))}
    names = ["first", *(f"blocks.{k}" for k in range(len(ours.blocks)))]
    differ = [[np.std(h, axis=0, dtype=float).mean() for h in rows[name, False]] for name in names]
    gradient = [[np.linalg.norm(g) for g in rows[f"dL_d {name}", True]] for name in names]
    return Passing(np.transpose(differ), np.transpose(gradient))


@cache
def at_the_start(name: str, depth: int = 30, seed: int = 0) -> Passing:
    """What passes in an untrained network."""
    return passing(*TWIN.having({**NETWORKS[name], "depth": depth}).build(seed), TWIN.make_data())


def arrives(found: Passing) -> Array:
    """The length of the gradient before the first block, as a part of that behind the last one: by hand, and in torch."""
    return np.asarray(found.gradient[:, 0] / found.gradient[:, -1])


def expected(name: str, depth: int) -> float:
    """The same on average over all first weights, as the lesson reckons: the root of the mean of the squares."""
    return float({PLAIN: 1 / 6, LARGER: 1.0, RESIDUAL: 1 + 1 / (6 * depth)}[name] ** (depth / 2))


def reads_without(manual: Manual, torch_module: Torch, data: ArrayData) -> Array:
    """What part of the held-out digits is read when one block is left out, each in turn, by hand and in torch: (2, depth)."""
    x, y = in_dtype_of(manual, data.split.val[0]), data.split.val[1]
    found = []
    for model, given in ((manual, x), (torch_module, torch.from_numpy(x).to(torch_module.device))):
        with no_grad(), torch.no_grad():
            scores = [to_numpy(score_without(model, given, left_out)) for left_out in range(len(model.blocks))]
        found.append([np.mean(z.argmax(axis=1) == y) for z in scores])
    return np.array(found)


def score_without(model: Any, x: Any, left_out: int) -> Any:
    """The ten scores of either side, if this block does nothing."""
    h = model.first(x)
    for k, block in enumerate(model.blocks):
        h = h if k == left_out else block(h)
    return model.last(h)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Whatever was trained: what passes at the start; and of the trained pair, what each block is good for."""
    return OnDemand(
        {
            "there and back": lambda: there_and_back(),
            "deeper": lambda: deeper(),
            "one block left out": lambda: one_block_left_out(manual, torch_module, data),
        }
    )


def there_and_back() -> Figure:
    """How far images differ at each block, and how long the gradient is, in two untrained networks."""
    of = {name: at_the_start(name) for name in (PLAIN, RESIDUAL)}
    parts = {name: arrives(found)[0] for name, found in of.items()}
    fig, axes = figure(
        "Before training. Left: how far the numbers h of 64 images lie from their mean; thirty plain blocks make all alike. Right, from "
        f"right to left: how long ∂L/∂h is. Of the plain network's {parts[PLAIN]:.0e} arrives at the first block, of the residual "
        f"network's {parts[RESIDUAL]:.2f}. Thin: what the lesson reckons. Bands: torch, dashes: by hand.",
        columns=2,
        size=(4.9, 3.6),
    )
    left, right = axes[0]
    for name, found in of.items():
        for ax, both in ((left, found.differ), (right, found.gradient)):
            draw_both(ax, both[0], both[1], name, COLOURS[name])
        depth = len(found.gradient[0]) - 1
        reckoned = [found.gradient[0, -1] * expected(name, depth) ** (1 - k / depth) for k in range(depth + 1)]
        right.plot(reckoned, color="#777777", linewidth=0.8)
    left.set(title="there: how far images differ at h", xlabel="blocks passed", yscale="log")
    right.set(title="back: the length of ∂L/∂h", xlabel="blocks passed", yscale="log")
    for ax in (left, right):
        ax.legend(fontsize=9, loc="center left" if ax is left else "center right")
    return fig


def one_block_left_out(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """What is still read without this block; and how long the gradient is now."""
    found = reads_without(manual, torch_module, data)
    now = passing(manual, torch_module, data)
    whole = np.mean(scores(manual, data).argmax(axis=1) == data.split.val[1])
    fig, axes = figure(
        f"After training. Left: what part of the held-out digits is read when one block is left out, each in turn; with all of them it is "
        f"{percent(whole)} (line), without one between {percent(found[0].min())} and {percent(found[0].max())}."
        + " Each block adds a little to what is there; none is a link that the chain hangs by." * bool(0.2 < whole < found[0].min() + 0.05)
        + " Right: how long the gradient is now, for 64 images. Bands: torch, dashes: by hand.",
        columns=2,
        size=(4.9, 3.5),
    )
    left, right = axes[0]
    left.axhline(whole, color="#777777", linewidth=0.8)
    draw_both(left, found[0], found[1], "one left out", COLOURS[RESIDUAL])
    left.set(title="read without one block", xlabel="the block left out", ylabel="part of the held-out digits", ylim=(-0.03, 1.03))
    draw_both(right, now.gradient[0], now.gradient[1], "now", COLOURS[RESIDUAL])
    right.set(title="the length of ∂L/∂h, trained", xlabel="blocks passed", yscale="log")
    low, high = now.gradient.min(), now.gradient.max()
    right.set_ylim(min(low, high / 100), max(high, low * 100))
    return fig


def scores(manual: Manual, data: ArrayData) -> Array:
    """Of the held-out digits, (359, 10)."""
    with no_grad():
        return manual(in_dtype_of(manual, data.split.val[0]))


# ---- further reading: deeper ------------------------------------------------------------------------


DEPTHS = (1, 2, 4, 8, 16, 32, 64)
SEEDS = 2


@cache
def by_depth(name: str) -> Array:
    """What part of the gradient arrives, by hand and in torch, root mean square over some first weights: (2, len(DEPTHS))."""
    squares = [[arrives(at_the_start(name, depth, seed)) ** 2 for seed in range(SEEDS)] for depth in DEPTHS]
    return np.asarray(np.sqrt(np.mean(squares, axis=1)).T)


def deeper() -> Figure:
    """What part of the gradient arrives at the first of so many blocks."""
    found = {name: by_depth(name) for name in NETWORKS}
    fig, axes = figure(
        f"Before training: how long the gradient at the first block is, as a part of that at the last, by depth ({SEEDS} starts each). "
        f"With {DEPTHS[-1]} plain blocks it is {found[PLAIN][0, -1]:.0e}, with residual blocks {found[RESIDUAL][0, -1]:.2f}. First weights "
        f"√6 times as large help plain blocks: {found[LARGER][0, -1]:.2g}, and another each time. Thin: what the lesson reckons. Bands: "
        "torch, dashes: by hand.",
        size=(6.4, 3.8),
    )
    ax = axes[0, 0]
    for name, both in found.items():
        draw_both(ax, np.stack([DEPTHS, both[0]]), np.stack([DEPTHS, both[1]]), name, COLOURS[name])
        ax.plot(DEPTHS, [expected(name, depth) for depth in DEPTHS], color="#777777", linewidth=0.8)
    ax.set(title="what part of the gradient arrives", xlabel="blocks", xscale="log", yscale="log", xticks=DEPTHS, xticklabels=DEPTHS)
    ax.minorticks_off()
    label_lines(ax)
    return fig


# ---- to do -----------------------------------------------------------------------------------------


def arrived(run: Trained) -> float:
    """What part of the gradient arrives at the first block of the trained network."""
    return float(arrives(passing(run.manual, run.torch, run.data))[0])


SEEN = "{:.1%} of them"

QUESTIONS = (
    by_size(
        "skip = False: thirty plain blocks, three epochs. How long is the gradient at the first block then, beside that at the last?",
        arrived,
        *("less than a millionth of it", 1e-6, "between a millionth and a tenth", 0.1, "about as long, or longer"),
        seen="{:.0e} times as long",
        why="Each block leaves about 0.4 of the length, the root of a sixth: thirty leave 10⁻¹². What no gradient reaches stays as it is.",
        model={"skip": False},
        trainer={"max_epochs": 3},
        look_at=("there and back", "the plain network's line on the right."),
    ),
    by_size(
        "skip = False and depth = 4: only four plain blocks, four epochs. What part of the held-out digits is read right?",
        accuracy,
        *("less than a third", 1 / 3, "between a third and 85 %", 0.85, "over 85 %"),
        seen=SEEN,
        why="Four blocks leave 0.4⁴ = 0.03 of the gradient, and of what tells images apart: with this lr it all but stands still.",
        model={"skip": False, "depth": 4},
        trainer={"max_epochs": 4},
        look_at=("deeper", "where the plain network is at 4 blocks."),
    ),
    by_size(
        "depth = 100 residual blocks, two epochs. What part of the held-out digits is read right?",
        accuracy,
        *("less than a third", 1 / 3, "between a third and 75 %", 0.75, "over 75 %"),
        seen=SEEN,
        why="The gradient goes around a hundred blocks as easily as around thirty, and through them it gets less from each: 1/√100.",
        model={"depth": 100},
        trainer={"max_epochs": 2},
        look_at=("deeper", "the residual network's line: it is level."),
    ),
)

MISTAKE = Mistake(
    "What a network has learned a deeper one can learn too, so more layers are never worse.",
    lambda run: (
        f"Thirty plain blocks read {accuracy(run):.0%} of the held-out digits after three epochs, as by guessing, and the loss of those "
        f"that they are trained on is {np.mean(run.losses[-45:]):.3f}; guessing has log 10 = {math.log(10):.3f}."
    ),
    lambda run: run.agree and accuracy(run) < 0.2 and float(np.mean(run.losses[-45:])) > 2.25,
    "It could, if gradient descent found how to leave things as they are. A residual block does so where its weights are 0, near to "
    "which it begins. (Nor is it overfitting: the training loss does not fall.)",
    {"skip": False},
    trainer={"max_epochs": 3},
)


def learned(run: Trained) -> str:
    """What part of the held-out digits is read, and what arrives at the first block."""
    return (
        f"It reads {classes_right(run)} digits that it has not seen; guessing would read 10 %. The gradient at the first of its "
        f"{len(run.manual.blocks)} blocks is {arrived(run):.2g} times as long as that at the last."
    )


TWIN = Twin(
    name="residual",
    manual=Manual,
    torch=Torch,
    data=Digits,
    needs=("digits_mlp",),
    trainer={"max_epochs": 14},
    variants={"plain": {"skip": False, "depth": 3, "width": 7}, "larger weights": {"depth": 2, "width": 5, "gain": ROOT_6}},
    figures=figures,
    further=("deeper",),
    learned=learned,
    look_at=("there and back", "which network's line is level, on either way."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("ResidualBlock.backward", ("In y = h + f two things are added: each of them gets the whole of dL_dy.",)),
        Exercise("Residual.backward", ("The last block comes first.",)),
    ),
)

if __name__ == "__main__":
    run("residual")
