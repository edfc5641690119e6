"""Batch, layer and RMS norm: why a layer that is normalised does not mind how large its weights are

Six layers that do not learn without a norm learn with each of three. The weights' gradients are at right angles to the weights, so that
steps can only make these longer; and batch norm gives one digit other scores in training than in evaluation, on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import losses, some_rows
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.networks.normalization import NORMS, NormalizedMLP, batch_norm, layer_norm, rms_norm
from torch_impl.networks.normalization import NormalizedMLP as NormalizedMLPInTorch

COLOURS = dict(zip(NORMS, CATEGORIES, strict=False))

# ---- what is measured, on both sides -------------------------------------------------------------------


@cache
def trained_with(norm: str) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """A pair after 120 steps on the same batches of 32, by hand and in torch, and the loss of each step of both."""
    pair = TWIN.having({"norm": norm}).build()
    return *pair, *losses(*pair, some_rows(TWIN.make_data().split.train, 32, 120))


@cache
def lengths(norm: str = "batch", lr: float = 0.5, steps: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Of the first layer's weights before and after each step: how long they are; and how long Pythagoras says. Both sides in each row."""
    ours: Any
    theirs: Any
    ours, theirs = TWIN.having({"norm": norm, "lr": lr}).build()
    W = ours.layers[0].weight.data, theirs.layers[0].weight
    long = [[norm_of(w) for w in W]]
    squares = [np.array(long[0]) ** 2]
    for batch in some_rows(TWIN.make_data().split.train, 32, steps):
        losses(ours, theirs, [batch])
        g = ours.layers[0].weight.grad, theirs.layers[0].weight.grad
        long.append([norm_of(w) for w in W])
        squares.append(squares[-1] + (lr * np.array([norm_of(of) for of in g])) ** 2)
    return np.array(long).T, np.sqrt(squares).T


def norm_of(W: Any) -> float:
    """The root of the sum of squares of all entries."""
    return float(np.linalg.norm(W if isinstance(W, np.ndarray) else W.detach().numpy()))


def scores(model: Any, x: np.ndarray, train: bool, at_a_time: int | None = None) -> np.ndarray:
    """Of a copy of a model of either side, in training or in eval mode, so many digits at a time or all: (N, 10)."""
    model, size = deepcopy(model).train(train), at_a_time or len(x)
    parts = [x[i : i + size] for i in range(0, len(x), size)]
    with no_grad(), torch.no_grad():
        return np.concatenate([np.asarray(model(part if isinstance(model, NormalizedMLP) else to_torch(part))) for part in parts])


def in_company(model: Any, batches: int = 30, size: int = 16) -> np.ndarray:
    """The score of the right digit for the first held-out digit, in training mode, beside so many times other digits: (batches,)."""
    x, y = TWIN.make_data().split.val
    rows = np.vstack([np.vstack([x[:1], others]) for (others,) in some_rows((x[1:],), size - 1, batches)])
    return scores(model, rows, train=True, at_a_time=size)[::size, y[0]]


def read_in_batches(model: Any, size: int) -> float:
    """What part of the held-out digits is read in training mode, so many at a time; those that are left over are not asked."""
    x, y = (a[: len(a) // size * size] for a in TWIN.make_data().split.val)
    return float(np.mean(scores(model, x, train=True, at_a_time=size).argmax(axis=1) == y))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: NormalizedMLP, torch_module: NormalizedMLPInTorch, data: ArrayData) -> Mapping[str, Figure]:
    """All norms beside each other, whatever was trained."""
    return OnDemand(
        {
            "with and without": lambda: with_and_without(),
            "rows and columns": lambda: rows_and_columns(),
            "train and eval": lambda: train_and_eval(),
        }
    )


def with_and_without() -> Figure:
    """The losses with each norm and with none; and how the weights grow."""
    (ours, theirs), (expected, _) = lengths()
    fig, axes = figure(
        "Bands: torch, dashes: by hand. Left: six layers from the start of nn.Linear, in their first 120 steps. Without a norm the loss "
        "stays at log 10 = 2.3, as if they guessed; with each of the three it falls. Right: the length of the first layer's weights with "
        f"batch norm and lr = 0.5, from {ours[0]:.1f} to {ours[-1]:.1f}. Every step goes at right angles to them, so that they only grow: "
        "Pythagoras (dots) foretells by how much.",
        columns=2,
        size=(5.2, 3.9),
    )
    left, right = axes[0]
    for norm, colour in COLOURS.items():
        draw_both(left, *trained_with(norm)[2:], norm, colour)
    left.set(title="the loss", xlabel="step", ylim=(0, 2.8))
    label_lines(left)
    draw_both(right, ours, theirs, "length", COLOURS["batch"])
    right.plot(expected, ".", color="black", markersize=4, label="Pythagoras")
    right.set(title="‖W‖ of the first layer", xlabel="step")
    right.legend(fontsize=9)
    return fig


def rows_and_columns() -> Figure:
    """One table, and what the three norms make of it."""
    rng = np.random.default_rng(0)
    z = rng.normal(0.5, 1, (8, 12)) * rng.uniform(0.4, 2.5, (8, 1)) + rng.normal(0, 1.5, 12)
    fig, axes = figure(
        "A batch of 8 examples (rows) and 12 units (columns); orange above 0, violet below, white 0. In z some columns are mostly orange "
        "or mostly violet, and some rows are stronger than others. Batch norm evens out the columns, layer norm the rows. RMS norm gives "
        "the rows one strength, but leaves them their mean. All colours have the same limits but those of z.",
        rows=2,
        columns=2,
        size=(4.2, 3.0),
    )
    panels = {
        "z": z,
        "batch norm: by columns": batch_norm(z),
        "layer norm: by rows": layer_norm(z),
        "RMS norm: by rows": rms_norm(z),
    }
    for ax, (title, values) in zip(axes.flat, panels.items(), strict=True):
        most = np.abs(z).max() if title == "z" else 2.5
        ax.imshow(values, cmap=SIGNED, vmin=-most, vmax=most, aspect="auto")
        ax.set(title=title, xlabel="unit", ylabel="example", xticks=[], yticks=[])
    return fig


SIZES = (2, 4, 8, 16, 64, 359)


def train_and_eval() -> Figure:
    """One digit beside others, and what part is read in training mode."""
    pairs = {norm: trained_with(norm)[:2] for norm in ("batch", "layer")}
    x, y = TWIN.make_data().split.val
    right_read = np.mean(scores(pairs["batch"][0], x, train=False).argmax(axis=1) == y)
    by_size = np.array([[read_in_batches(model, size) for size in SIZES] for model in pairs["batch"]])
    fig, axes = figure(
        "Left: the score of the right digit for one and the same held-out digit, beside 30 times 15 others in training mode (red: by hand, "
        "blue: torch), and in eval mode (line). With batch norm the others have a say, with layer norm they have none. Right: who forgets "
        f"model.eval() reads {by_size[0, 0]:.0%} of the held-out digits where they come two at a time, and {by_size[0, -1]:.0%} where all "
        f"come at once. In eval mode it is {right_read:.0%}, however they come.",
        columns=2,
        size=(5.2, 3.8),
    )
    left, right = axes[0]
    for (norm, (ours, theirs)), marker in zip(pairs.items(), ("o", "^"), strict=True):
        for model, label, colour, size in ((theirs, "torch", TORCH["color"], 8), (ours, "by hand", BY_HAND["color"], 3.5)):
            left.plot(in_company(model), marker, color=colour, markersize=size, label=f"{norm} norm, {label}")
        left.axhline(scores(ours, x[:1], train=False)[0, y[0]], color=COLOURS[norm], linewidth=1)
    left.set(title="one digit in 30 batches", xlabel="batch", ylabel="score of the right digit")
    left.legend(fontsize=8)
    draw_both(right, np.stack([SIZES, by_size[0]]), np.stack([SIZES, by_size[1]]), "training mode", COLOURS["batch"])
    right.axhline(right_read, color="black", linewidth=1, label="eval mode")
    right.set(title="batch norm: part that is read", xlabel="digits at a time", xscale="log", xticks=SIZES, xticklabels=SIZES, ylim=(0, 1))
    right.minorticks_off()
    right.legend(fontsize=9, loc="lower right")
    return fig


def learned(run: Trained) -> str:
    """What part of the held-out digits is read."""
    said = f"It reads {classes_right(run)} digits that it has not seen; guessing would read 10 %."
    return said if accuracy(run) > 0.2 else f"{said} It has not learned: through its layers too little arrives, forward and back."


# ---- to do ---------------------------------------------------------------------------------------------


def growth_of_weights(run: Trained) -> float:
    """How many times as long as at the start the first layer's weights are."""
    start: Any = TWIN.having({"lr": run.manual.lr}).build()[0]
    return norm_of(run.manual.layers[0].weight.data) / norm_of(start.layers[0].weight.data)


PART = ("about 10 %, as by guessing", 0.2, "something in between", 0.85, "over 85 %")

QUESTIONS = (
    by_size(
        "norm = none: six layers as nn.Linear begins them. What part of the held-out digits is read after four epochs?",
        accuracy,
        *PART,
        seen="{:.1%} of them",
        why="Each layer makes numbers and gradients smaller, and nothing brings them back to one size.",
        model={"norm": "none"},
        trainer={"max_epochs": 4},
        look_at=("with and without", "the loss with none, beside the others."),
    ),
    by_size(
        "norm = batch, lr = 0.5. After two epochs, are the weights of the first layer longer or shorter than they began?",
        growth_of_weights,
        *("shorter", 0.95, "about as long", 1.05, "longer"),
        seen="{:.2f} times as long",
        why="Their gradient is at right angles to them: a step along the tangent of a circle leads out of it, wherever it goes.",
        model={"lr": 0.5},
        trainer={"max_epochs": 2},
        look_at=("with and without", "on the right how the length grows, and never falls."),
    ),
    by_size(
        "norm = layer, scale = 10: all weights of the hidden layers begin ten times as large. What part is read after four epochs?",
        accuracy,
        *PART,
        seen="{:.1%} of the held-out digits",
        why="At first the scores are those of small weights. Gradients are a tenth, beside weights ten times as long: it learns, slowly.",
        model={"norm": "layer", "scale": 10.0},
        trainer={"max_epochs": 4},
    ),
)

AT_A_TIME = 4
"""How many digits are read at once where eval mode is forgotten."""


class ForgotEval(NormalizedMLP):
    """The network, validated in training mode, four digits at a time."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        if self.training:
            return super().forward(x)
        self.train()
        found = [super(ForgotEval, self).forward(x[i : i + AT_A_TIME]) for i in range(0, len(x), AT_A_TIME)]
        self.eval()
        return np.concatenate(found)


class ForgotEvalInTorch(NormalizedMLPInTorch):
    """The same in torch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            return super().forward(x)
        self.train()
        found = [super(ForgotEvalInTorch, self).forward(part) for part in x.split(AT_A_TIME)]
        self.eval()
        return torch.cat(found)


MISTAKE = Mistake(
    "Training is over, so the network can be used as it is. (And nobody calls model.eval().)",
    lambda run: (
        f"Four digits at a time in training mode, {accuracy(run):.0%} of the held-out ones are read right after four epochs. In eval mode "
        "it is over 85 %."
    ),
    lambda run: run.agree and accuracy(run) < 0.8,
    "Batch norm in training mode measures by the four digits that it was just given: what the network says of one depends on the other "
    "three. In eval mode it uses what it has seen in all of training.",
    trainer={"max_epochs": 4},
    manual=ForgotEval,
    torch=ForgotEvalInTorch,
)

TWIN = Twin(
    name="normalization",
    manual=NormalizedMLP,
    torch=NormalizedMLPInTorch,
    data=Digits,
    needs=("initialization",),
    trainer={"max_epochs": 8},
    variants={
        "layer": {"norm": "layer", "depth": 3, "width": 20},
        "rms": {"norm": "rms", "depth": 2},
        "none": {"norm": "none", "depth": 1, "scale": 3.0},
    },
    figures=figures,
    learned=learned,
    look_at=("with and without", "which losses fall, and on the right that the weights only ever grow."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("batch_norm_backward", ("What of g would only add a number to z, or stretch z, changes nothing: take it away.",)),
        Exercise("NormalizedMLP.backward", ("Every line of forward has one line here, in the opposite order; so has the loop.",)),
    ),
)

if __name__ == "__main__":
    run("normalization")
