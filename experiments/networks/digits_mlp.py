"""Reading handwritten digits with one hidden layer.

A network with one hidden layer learns to read digits, and both sides reach over 96 % on 359 that they were not trained on. It is the
README's first command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import Digits
from experiments.drawing.colours import NEGATIVE, POSITIVE
from experiments.drawing.figure import OnDemand, figure
from experiments.drawing.words import classes_right
from experiments.judge.convert import in_dtype_of
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual import nn
from manual.module import no_grad
from manual.networks.digits_mlp import DigitsMLP as Manual
from manual.nn.functional import softmax
from torch_impl.networks.digits_mlp import DigitsMLP as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def what_minus_what(manual: Manual, data: ArrayData) -> Figure:
    """p − y for the held-out digit that is read worst: what each score is told to do."""
    x, y = data.split.val
    with no_grad():
        p = softmax(manual(in_dtype_of(manual, x)), axis=1)
    worst = int(np.argmin(p[np.arange(len(y)), y]))
    truth = np.eye(10)[y[worst]]
    fig, axes = figure(
        f"A {y[worst]}, the held-out digit that is read worst, and what the network says of it. p − y is the gradient of the loss with "
        "respect to the ten scores. Look at its longest bars: gradient descent moves each score the other way, up where p is too small "
        "(violet), down where it is too large (orange).",
        rows=2,
        columns=2,
        size=(3.1, 2.5),
    )
    axes[0, 0].imshow(x[worst].reshape(8, 8), cmap="Greys")
    axes[0, 0].set(title=f"a {y[worst]}", xticks=[], yticks=[])
    panels = (p[worst], "p: what it says"), (truth, "y: what is so"), (p[worst] - truth, "p − y: the gradient")
    for axis, (values, title) in zip(axes.flat[1:], panels, strict=True):
        signed = (values < 0).any()
        axis.bar(range(10), values, color=[POSITIVE if v >= 0 else NEGATIVE for v in values] if signed else "#666666")
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set(title=title, xticks=range(10), xlabel="digit", ylim=(-1.05, 1.05) if signed else (0, 1.05))
    return fig


def how_hard(part: float) -> str:
    """What those that are misread say, given what part of all they are."""
    if part < 0.1:
        return "Many would puzzle a person too."
    return "These are not hard ones: the network does not read yet, it guesses." if part > 0.8 else "Many of these a person would read."


def misread(manual: Manual, data: ArrayData) -> Figure:
    """The held-out digits that are read wrongly, each with what it was taken for."""
    x, y = data.split.val
    with no_grad():
        read = manual(in_dtype_of(manual, x)).argmax(axis=1)
    wrong = np.flatnonzero(read != y)
    shown = wrong[:24]
    rows = max(1, -(-len(shown) // 8))
    fig, axes = figure(
        f"{len(wrong)} of {len(y)} held-out digits are misread"
        + (f", the first {len(shown)} of them" if len(wrong) > len(shown) else "")
        + f". Above each: what it is → what it was taken for. {how_hard(len(wrong) / len(y))}",
        size=(8.0, 1.15 * rows),
    )
    axes[0, 0].axis("off")
    picture = np.zeros((11 * rows, 10 * 8))  # all in one: a panel for each would take longer to draw than ten epochs to train
    for place, i in enumerate(shown):
        top, left = 11 * (place // 8) + 3, 10 * (place % 8) + 1
        picture[top : top + 8, left : left + 8] = x[i].reshape(8, 8)
        axes[0, 0].text(left + 3.5, top - 1, f"{y[i]} → {read[i]}", fontsize=9, ha="center")
    axes[0, 0].imshow(picture, cmap="Greys", vmin=0, vmax=1)
    return fig


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The gradient of the loss as bars, and the misread digits."""
    return OnDemand({"p minus y": lambda: what_minus_what(manual, data), "misread digits": lambda: misread(manual, data)})


# ---- to do -----------------------------------------------------------------------------------------


def training_over_held_out(run: Trained) -> float:
    """The mean loss of the steps of the last epoch over that of the last validation."""
    last_epoch = -(-len(run.data.split.train[0]) // run.data.batch_size)
    return float(np.mean(run.losses[-last_epoch:])) / run.metrics["loss/val"]


PART = ("about 10 %, as by guessing", 0.2, "something in between", 0.9, "over 90 %")
SEEN = "{:.1%} of them"

QUESTIONS = (
    by_size(
        "hidden = 2: each image has to pass through two numbers. What part of the held-out digits is read right after 5 epochs?",
        accuracy,
        *PART,
        seen=SEEN,
        why="Ten kinds of digits have to lie apart in a plane, seen from ten directions: some do, others lie on top of each other.",
        model={"hidden": 2, "lr": 0.01},
        trainer={"max_epochs": 5},
        look_at=("misread digits", "which digits it takes for which others."),
    ),
    by_size(
        "lr = 3e-5, a thirtieth of what it was. What part is read right after 4 epochs, which were enough for nine of ten?",
        accuracy,
        *PART,
        seen=SEEN,
        why="Adam's step is about lr long, whatever the gradient: 180 of them move a weight by about 0.005 at most, beside first weights "
        "of up "
        "to 0.125. That is enough for a beginning.",
        model={"lr": 3e-5},
        trainer={"max_epochs": 4},
    ),
    by_size(
        "Without dropout and with lr = 0.005, after ten epochs: which loss is lower, that of the digits it was trained on or that of the "
        "held-out ones?",
        training_over_held_out,
        *("the training loss", 0.8, "they are much the same", 1.25, "the held-out loss"),
        seen="the training loss is {:.2f} times the other",
        why="The network has seen the first ones ten times, and has begun to know them by heart.",
        model={"dropout": 0.0, "lr": 0.005},
        trainer={"max_epochs": 10},
    ),
)


class SoftmaxTwice(Manual):
    """The network with a softmax before the loss, which takes one itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.softmax(super().forward(x))

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dp = self.loss.backward(dL_dloss)
        dL_dz2 = self.softmax.backward(dL_dp)
        dL_dd = self.fc2.backward(dL_dz2)
        dL_dh = self.dropout.backward(dL_dd)
        dL_dz1 = self.relu.backward(dL_dh)
        self.fc1.backward(dL_dz1)


class SoftmaxTwiceInTorch(Torch):
    """The same in torch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).softmax(dim=1)


LOWEST = float(np.log(np.e + 9) - 1)
"""What the loss cannot go below after two softmaxes: where the first gives 1 to the right digit, and 0 to the nine others."""

MISTAKE = Mistake(
    "The network should return probabilities, so it ends in a softmax. (And its loss is CrossEntropyLoss.)",
    lambda run: (
        f"The loss ends at {run.losses[-1]:.2f}, and can never go below {LOWEST:.2f}; {run.metrics['accuracy/val']:.0%} of the held-out "
        "digits are read right, so that nobody notices."
    ),
    lambda run: run.agree and min(run.losses) > LOWEST and run.metrics["accuracy/val"] > 0.8,
    "CrossEntropyLoss takes scores and makes probabilities of them itself. After a softmax it gets numbers between 0 and 1 for scores, "
    "whose softmax is nearly even, and its gradients are small.",
    trainer={"max_epochs": 4},
    manual=SoftmaxTwice,
    torch=SoftmaxTwiceInTorch,
)


def learned(run: Trained) -> str:
    """What part of the held-out digits is read."""
    return f"It reads {classes_right(run)} digits that it has not seen; guessing would read 10 %."


TWIN = Twin(
    name="digits_mlp",
    manual=Manual,
    torch=Torch,
    data=Digits,
    needs=("hidden_layer", "chain_rule"),
    trainer={"max_epochs": 20},
    before=figures,
    figures=figures,
    learned=learned,
    look_at=("misread digits", "which digits it still takes for others, and whether you would read them."),
    questions=QUESTIONS,
    exercises=(Exercise("DigitsMLP.backward", ("Every line of forward has one line here, in the opposite order.",)),),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("digits_mlp")
