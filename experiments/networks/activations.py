"""Five activations in ten layers: which let the gradient through, and units that die

Ten layers learn to read digits with sigmoid, tanh, ReLU, GELU or SiLU between them. How much of the gradient arrives at each layer is
measured beside the bound that the steepest slope sets; and how many ReLUs are born dead, or die of steps that are too long.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES, shades
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import losses, some_rows
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.module import no_grad
from manual.networks import activations as by_hand
from manual.networks.activations import ACTIVATIONS, STEEPEST_AT, DeepMLP, blocked, bound, slope
from torch_impl.networks import activations as in_torch
from torch_impl.networks.activations import DeepMLP as DeepMLPInTorch

COLOURS = dict(zip(ACTIVATIONS, CATEGORIES, strict=False))

# ---- what is measured, on both sides -------------------------------------------------------------------


def digits(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n to learn from."""
    x, y = TWIN.make_data().split.train
    return x[:n], y[:n]


def both(**model: Any) -> tuple[Any, Any]:
    """The untrained pair with these hyperparameters."""
    return TWIN.having(model).build()


@cache
def untrained(activation: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """‖∂L/∂h‖ of 64 digits at each layer, by hand and in torch, (11, 64) each; and the bound, as a part of the last, (11,)."""
    ours, theirs = both(activation=activation)
    x, y = digits(64)
    return by_hand.lengths(ours, x, y), in_torch.lengths(theirs, *to_torch((x, y))).numpy(), bounds(ours)


def bounds(model: DeepMLP) -> np.ndarray:
    """The most that ‖∂L/∂h‖ can be at each layer, as a part of what it is at the last hidden one: (depth + 1,)."""
    layers: Any = model.layers
    weights = [layer.weight for layer in layers]
    return np.array([bound(model.name, weights[k:]) for k in range(len(weights) + 1)])


@cache
def trained_with(activation: str, steps: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each step of both sides, on the same batches of 32."""
    return losses(*both(activation=activation), some_rows(TWIN.make_data().split.train, 32, steps))


RATES = (0.2, 1.0, 2.0, 4.0)
"""Step sizes with which units are looked at as they die."""


@cache
def dying(lr: float, every: int = 5, steps: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Which of 64 ReLUs in one hidden layer are 0 for all digits, as it is trained; both sides, (steps / every + 1, 64) each."""
    ours, theirs = both(activation="relu", depth=1, lr=lr)
    split = TWIN.make_data().split.train
    batches, found = some_rows(split, 32, steps), [silent(ours, theirs, split[0])]
    for i in range(0, steps, every):
        losses(ours, theirs, batches[i : i + every])
        found.append(silent(ours, theirs, split[0]))
    by_us, by_torch = zip(*found, strict=True)
    return np.array(by_us), np.array(by_torch)


def silent(ours: Any, theirs: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which units of the last hidden layer are 0 for all of x, by hand and in torch."""
    with no_grad(), torch.no_grad():
        ends = ours.hidden(x)[-1], theirs.hidden(to_torch(x))[-1].numpy()
    return (ends[0] == 0).all(axis=0), (ends[1] == 0).all(axis=0)


WIDTHS, DEPTH = (1, 2, 3, 4, 6), 5
"""Of networks that are looked at as they are born."""


@cache
def born_blocked(width: int, networks: int = 40) -> tuple[float, float]:
    """The share of 32 digits of which nothing gets through, over so many new networks, by hand and in torch."""
    x, found = digits(32)[0], []
    for seed in range(networks):
        ours: Any
        theirs: Any
        ours, theirs = TWIN.having({"activation": "relu", "width": width, "depth": DEPTH}).build(seed)
        with no_grad(), torch.no_grad():
            ends = ours.hidden(x)[-1], theirs.hidden(to_torch(x))[-1].numpy()
        found.append([(end == 0).all(axis=1).mean() for end in ends])
    return tuple(np.mean(found, axis=0).tolist())


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: DeepMLP, torch_module: DeepMLPInTorch, data: ArrayData) -> Mapping[str, Figure]:
    """All five beside each other, whatever was trained."""
    return OnDemand(
        {"what comes back": lambda: what_comes_back(), "curves and slopes": lambda: curves_and_slopes(), "dead units": lambda: dead_units()}
    )


def what_comes_back() -> Figure:
    """The gradient on its way back through ten layers, and which losses fall."""
    ours, _, limit = untrained("sigmoid")
    fig, axes = figure(
        "Ten layers; bands: torch, dashes: by hand. Left, read from the right: the mean of ‖∂L/∂h‖ in the untrained network, over that of "
        f"layer 10. Through sigmoids {np.mean(ours[0] / ours[-1]):.0e} of it arrives at the pixels; the bound (dots) allows "
        f"{limit[0]:.0e}. Through the others a part arrives that one can learn from. Right: the loss of the first 120 steps. The sigmoid "
        "stays at log 10 = 2.3, as if it guessed.",
        columns=2,
        size=(5.2, 3.9),
    )
    left, right = axes[0]
    layers = np.arange(len(ours))
    for name, colour in COLOURS.items():
        by_us, by_torch = (np.stack([layers, (a / a[-1]).mean(axis=1)]) for a in untrained(name)[:2])
        draw_both(left, by_us, by_torch, name, colour)
        draw_both(right, *trained_with(name), name, colour)
    left.plot(layers, limit, ".", color="black", label="bound of sigmoid")
    left.set(title="what arrives of the gradient", xlabel="layer", xticks=layers[::2], yscale="log")
    right.set(title="the loss", xlabel="step", ylim=(0, 3))
    label_lines(left, left=True)
    label_lines(right)
    return fig


def curves_and_slopes() -> Figure:
    """The five and their slopes."""
    z = np.linspace(-5, 5, 401)
    top = {name: slope(name, np.array([at]))[0] for name, at in STEEPEST_AT.items()}
    fig, axes = figure(
        "Left: what becomes of a number z; bands: torch, dashes: by hand. gelu and silu are a ReLU with a round corner. Right: the slopes, "
        f"by which the gradient is multiplied on its way back; a point where each is steepest. The sigmoid's is never above "
        f"{top['sigmoid']:g}, those of gelu and silu reach {top['gelu']:.2f} and {top['silu']:.2f}. Look at the sides: far from 0 sigmoid "
        "and tanh are level, and let nothing through.",
        columns=2,
        size=(5.2, 3.8),
    )
    left, right = axes[0]
    for name, colour in COLOURS.items():
        leaf = to_torch(z).requires_grad_()
        with torch.enable_grad():
            there = in_torch.ACTIVATIONS[name]()(leaf)
            there.sum().backward()
        draw_both(left, np.stack([z, ACTIVATIONS[name]()(z)]), np.stack([z, there.detach().numpy()]), name, colour)
        draw_both(right, np.stack([z, slope(name, z)]), np.stack([z, leaf.grad.numpy()]), name, colour)
        right.plot(STEEPEST_AT[name], top[name], "o", color=colour, markersize=6)
    left.set(title="the activation", xlabel="z", ylim=(-1.2, 3), xlim=(-5, 5))
    right.set(title="its slope", xlabel="z", ylim=(-0.2, 1.25), xlim=(-5, 5))
    left.legend(fontsize=8)
    label_lines(right)
    return fig


def dead_units() -> Figure:
    """Of how many digits nothing gets through at birth, by width; and how many units die, by the step size."""
    ends = {lr: dying(lr)[0][-1].mean() for lr in RATES}
    fig, axes = figure(
        f"ReLU; red: by hand, blue: torch. Left: the share of digits of which nothing gets through {DEPTH} new layers with biases of 0 (40 "
        "networks for each width), beside the formula 1 − (1 − 2⁻ʷ)ᴸ. Right: one layer of 64 units in training, and the share of them that "
        f"is 0 for every digit: after 60 steps {ends[0.2]:.0%} with lr = 0.2, {ends[4.0]:.0%} with lr = 4 (bands: torch, dashes: by hand). "
        "No line ever falls: none comes back.",
        columns=2,
        size=(5.2, 3.8),
    )
    left, right = axes[0]
    found = np.array([born_blocked(width) for width in WIDTHS])
    for side, label, colour, size in ((1, "torch", TORCH["color"], 9), (0, "by hand", BY_HAND["color"], 4)):
        left.plot(WIDTHS, found[:, side], "o", color=colour, markersize=size, label=label)
    fine = np.linspace(0.9, 6.2, 60)
    left.plot(fine, [blocked(w, DEPTH) for w in fine], color="black", linewidth=1, label="formula")
    left.set(title=f"nothing gets through {DEPTH} layers", xlabel="width w", ylabel="share of digits", ylim=(0, 1.05), xticks=WIDTHS)
    left.legend(fontsize=8)
    for lr, colour in zip(RATES, shades(len(RATES)), strict=True):
        by_us, by_torch = (np.stack([np.linspace(0, 60, len(a)), a.mean(axis=1)]) for a in dying(lr))
        draw_both(right, by_us, by_torch, f"lr = {lr:g}", colour)
    right.set(title="units that are dead", xlabel="step", ylabel="share of units", ylim=(0, 1.05))
    label_lines(right)
    return fig


def learned(run: Trained) -> str:
    """What part of the held-out digits is read, and how many units are dead."""
    said = f"It reads {classes_right(run)} digits that it has not seen; guessing would read 10 %."
    if run.metrics["dead/val"] > 0:
        said += f" {run.metrics['dead/val']:.0%} of its units are 0 for all of them."
    return said if accuracy(run) > 0.2 else f"{said} It has not learned: too little of the gradient arrives."


# ---- to do ---------------------------------------------------------------------------------------------


def arrives(run: Trained) -> float:
    """What part of the gradient at the last hidden layer arrives at the pixels, in the mean over 64 digits."""
    found = by_hand.lengths(run.manual, *digits(64))
    return float(np.mean(found[0] / found[-1]))


QUESTIONS = (
    by_size(
        "activation = sigmoid. What part of the gradient at layer 10 arrives at the pixels after an epoch?",
        arrives,
        *("less than a hundred-thousandth", 1e-5, "about a thousandth", 0.03, "a good part of it"),
        seen="{:.1e} of it",
        why="Ten slopes of at most ¼, most of them less: the bound is about a thousandth, and little comes near it.",
        model={"activation": "sigmoid"},
        trainer={"max_epochs": 1},
        look_at=("what comes back", "on the left, how the line of sigmoid falls, and its bound."),
    ),
    by_size(
        "activation = sigmoid, two hidden layers, not ten, and lr = 0.5. What part of the held-out digits is read after 6 epochs?",
        accuracy,
        *("about 10 %, as by guessing", 0.2, "something in between", 0.85, "over 85 %"),
        seen="{:.1%} of them",
        why="Two slopes leave a sixteenth at most, and a longer step makes up for that. Ten leave a millionth at most.",
        model={"activation": "sigmoid", "depth": 2, "lr": 0.5},
        trainer={"max_epochs": 6},
    ),
    by_size(
        "activation = relu, one hidden layer, lr = 2, forty times as long as usual. What part of the units is dead after two epochs?",
        lambda run: run.metrics["dead/val"],
        *("hardly any", 0.1, "some", 0.5, "more than half"),
        seen="{:.0%} of them",
        why="A long step throws units below 0 for every digit. From there they pass nothing, so that no gradient brings them back.",
        model={"activation": "relu", "depth": 1, "lr": 2.0},
        trainer={"max_epochs": 2},
        look_at=("dead units", "on the right, when they die, and that they do not come back."),
    ),
)

MISTAKE = Mistake(
    "A sigmoid squeezes every number between 0 and 1, so that nothing can explode: the safest choice for a deep network.",
    lambda run: (
        f"Ten layers with sigmoids are after {len(run.losses)} steps at a loss of {run.losses[-1]:.2f}, and read {accuracy(run):.0%} of "
        "the held-out digits."
    ),
    lambda run: run.agree and accuracy(run) < 0.2,
    "Nothing explodes, and nothing comes back either: each sigmoid multiplies the gradient by at most ¼. In the hidden layers of deep "
    "networks it has given way to ReLU and its kin; it is kept for a yes or no at the end.",
    {"activation": "sigmoid"},
    trainer={"max_epochs": 3},
)

TWIN = Twin(
    name="activations",
    manual=DeepMLP,
    torch=DeepMLPInTorch,
    data=Digits,
    needs=("digits_mlp",),
    trainer={"max_epochs": 10},
    variants={
        "sigmoid": {"activation": "sigmoid", "depth": 3, "width": 20},
        "tanh": {"activation": "tanh", "depth": 4, "width": 30},
        "gelu": {"activation": "gelu", "depth": 2},
        "silu": {"activation": "silu", "depth": 1, "width": 9},
    },
    figures=figures,
    learned=learned,
    look_at=("what comes back", "through which activations a gradient comes back that one can learn from."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("DeepMLP.backward", ("Every line of forward, and of hidden, has one line here, in the opposite order.",)),),
)

if __name__ == "__main__":
    run("activations")
