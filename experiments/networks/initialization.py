"""Where weights begin: ten layers that learn, and ten that never do

Ten layers with ReLU learn to read digits, from a start that is chosen. What each start does to the numbers that pass through, and to the
gradients on their way back, is measured layer by layer beside the rule; and a linear network shows why learning waits, mode by mode.
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
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.walk import losses, some_rows, walk
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.networks.initialization import DeepLinear, DeepMLP, factor, mean_squares, mode, saxe, variance
from torch_impl.networks.initialization import DeepLinear as DeepLinearInTorch
from torch_impl.networks.initialization import DeepMLP as DeepMLPInTorch
from torch_impl.networks.initialization import mean_squares as mean_squares_in_torch

COLOURS = dict(zip(("he", "orthogonal", "xavier", "default", "small", "large"), CATEGORIES, strict=True))
"""Of the starts that are drawn: with zeros there is nothing to see."""

# ---- what is measured, on both sides -------------------------------------------------------------------


@cache
def measured(start: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The mean squares of h and of ∂L/∂h in an untrained network, by hand and in torch: two arrays (2, depth + 1)."""
    theirs: Any
    ours: Any
    ours, theirs = TWIN.having({"start": start}).build(seed)
    batch = tuple(a[:256] for a in TWIN.make_data().split.train)
    return np.array(mean_squares(ours, *batch)), torch.stack(mean_squares_in_torch(theirs, *to_torch(batch))).numpy()


@cache
def trained_from(start: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The loss of each step of both sides, from this start, on the same batches of 64."""
    with np.errstate(over="ignore", invalid="ignore"):  # a start that is too large ends in infinity
        return losses(*TWIN.having({"start": start}).build(), some_rows(TWIN.make_data().split.train, 64, steps))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: DeepMLP, torch_module: DeepMLPInTorch, data: ArrayData) -> Mapping[str, Figure]:
    """All starts beside each other, whatever was trained."""
    return OnDemand(
        {
            "layer by layer": lambda: layer_by_layer(),
            "which starts stall": lambda: which_starts_stall(),
            "mode by mode": lambda: mode_by_mode(),
        }
    )


def layer_by_layer() -> Figure:
    """The mean squares of what passes, and of the gradient on its way back, beside the rule."""
    h, back = measured("he")[0]
    small = measured("small")[0]
    fig, axes = figure(
        "Untrained networks, a batch of 256 digits; bands: torch, dashes: by hand, dots: the rule, factor = fan_in · v / 2 to the power of "
        f"the layer. Left: from He's start the mean of h² is {h[-1] / h[0]:.2g} times as large after ten layers, from small "
        f"{small[0, -1] / small[0, 0]:.0e} times. Right, read from the right: the gradient on its way back. He {back[0] / back[-1]:.2g} "
        f"times, small {small[1, 0] / small[1, -1]:.0e}. Lines that are level learn.",
        columns=2,
        size=(5.2, 3.9),
    )
    layers = np.arange(len(h))
    for ax, part, reference, steps in ((axes[0, 0], 0, 0, layers), (axes[0, 1], 1, -1, layers[::-1])):
        for start, colour in COLOURS.items():
            ours, theirs = (side[part] / side[part, reference] for side in measured(start))
            draw_both(ax, np.stack([layers, ours]), np.stack([layers, theirs]), start, colour)
            ax.plot(layers, factor(variance(start, 64, 64), 64) ** steps, ".", color=colour, markersize=4)
        ax.set(yscale="log", xlabel="layer", xticks=layers[::2], ylim=(1e-33, 1e6))
    axes[0, 0].set(title="forward: mean of h², over that of the pixels")
    axes[0, 1].set(title="backward: mean of (∂L/∂h)², over that of layer 10")
    label_lines(axes[0, 0])
    label_lines(axes[0, 1], left=True)
    return fig


def which_starts_stall() -> Figure:
    """The loss, from each start."""
    found = {start: trained_from(start, 10 if start == "large" else 120) for start in COLOURS}
    fig, axes = figure(
        "The loss of ten layers in their first 120 steps, on the same batches (bands: torch, dashes: by hand). small, and what nn.Linear "
        "draws by default, stay at log 10 = 2.3, as if they guessed; zeros would lie on top of them. xavier has hardly left by the end. he "
        "and orthogonal learn. large grows beyond all numbers: step "
        f"{np.flatnonzero(~np.isfinite(found['large'][0]))[0]} has none.",
        size=(7.2, 4.2),
    )
    ax = axes[0, 0]
    for start, colour in COLOURS.items():
        draw_both(ax, *found[start], start, colour)
    ax.set(title="From which starts the loss falls", xlabel="step", ylabel="loss", yscale="log", ylim=(0.1, 1e3))
    label_lines(ax)
    return fig


def learned(run: Trained) -> str:
    """What part of the held-out digits is read."""
    said = f"It reads {classes_right(run)} digits that it has not seen; guessing would read 10 %."
    return said if accuracy(run) > 0.2 else f"{said} This start stalls: through ten layers too little arrives, forward and back."


# ---- further reading: two layers without ReLU, mode by mode -------------------------------------------

SIZES = np.array([5.0, 3.5, 2.5, 1.5, 0.5])
"""s, of the five modes of the linear network."""


def axes_of_target() -> tuple[np.ndarray, np.ndarray]:
    """U and V, (5, 5) each, at random: A = U diag(SIZES) Vᵀ."""
    U, V = (np.linalg.qr(a)[0] for a in np.random.default_rng(0).normal(size=(2, 5, 5)))
    return U, V


@cache
def modes(lr: float = 0.005, steps: int = 1200, u: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """How large each mode is before and after each step, by hand and in torch: two arrays (steps + 1, 5)."""
    U, V = axes_of_target()
    A = U * SIZES @ V.T
    sides = walk(DeepLinear(A, u, lr), DeepLinearInTorch(torch.from_numpy(A), u, lr), (np.eye(5), A.T.copy()), steps)
    return tuple(np.einsum("ij,tik,tkl,lj->tj", U, side["W2"], side["W1"], V, optimize=True) for side in sides)


def mode_by_mode() -> Figure:
    """Five modes of the linear network, and how long the smallness of a start makes them wait."""
    ours, theirs = modes()
    t = 0.005 * np.arange(len(ours))
    fig, axes = figure(
        "Two layers without ReLU learn a 5 x 5 matrix. Left: the size of each of its five modes (bands: torch, dashes: by hand; dotted: "
        "Saxe's sigmoid). Each waits, then comes all at once, the largest first. Right: one mode, s = 2, from smaller and smaller u "
        "(its recursion). Each time u is ten times smaller, it waits as much longer again. At u = 0 it would wait for ever.",
        columns=2,
        size=(5.2, 3.8),
    )
    left, right = axes[0]
    for j, (s, colour) in enumerate(zip(SIZES, CATEGORIES, strict=False)):
        draw_both(left, np.stack([t, ours[:, j]]), np.stack([t, theirs[:, j]]), f"s = {s:g}", colour)
        left.plot(t, saxe(t, s, 0.01), ":", color="black", linewidth=1)
    left.set(title="the five modes, u = 0.1", xlabel="t = lr · step", ylabel="size a")
    label_lines(left)
    for u, colour in zip((0.1, 0.01, 0.001, 0.0001), shades(4), strict=True):
        right.plot(t, mode(u, 2.0, 0.005, len(t) - 1) ** 2, color=colour, label=f"u = {u:g}")
    right.set(title="one mode, from ever smaller starts", xlabel="t = lr · step", ylabel="size a")
    right.legend(fontsize=8)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

PART = ("about 10 %, as by guessing", 0.2, "something in between", 0.85, "over 85 %")
READ = "{:.1%} of the held-out digits"

QUESTIONS = (
    by_size(
        "start = zeros. How many of the 22 arrays, 11 weights and 11 biases, are not 0 any more after an epoch?",
        lambda run: sum(bool(p.any()) for p in run.manual.parameters()),
        *("none", 0.5, "one", 1.5, "all, or nearly all"),
        seen="{}",
        why="Every hidden number is 0, so weights get no gradient; and nothing comes back through weights of 0. Only the last bias moves.",
        model={"start": "zeros"},
        trainer={"max_epochs": 1},
        look_at=("which starts stall", "small, on which zeros would lie."),
    ),
    by_size(
        "start = default: what nn.Linear draws by itself. What part of the held-out digits do ten layers read after four epochs?",
        accuracy,
        *PART,
        seen=READ,
        why="Its factor is 1/6: after ten layers a forty-millionth of the mean square is left. For two or three layers it does.",
        model={"start": "default"},
        trainer={"max_epochs": 4},
        look_at=("layer by layer", "how far the line of default has fallen at the last layer."),
    ),
    by_size(
        "start = small, 0.005 times a standard normal number, but one hidden layer in place of ten. And now, after twenty epochs?",
        accuracy,
        *PART,
        seen=READ,
        why="One factor of 0.0008 only delays: the loss stays on its plateau for a while and then falls. The article's one layer learned.",
        model={"start": "small", "depth": 1},
        trainer={"max_epochs": 20},
        look_at=("mode by mode", "on the right how small starts wait, and learn in the end."),
    ),
)

MISTAKE = Mistake(
    "Small random numbers are a safe start: near 0 nothing can go wrong, and training makes them as large as they need be.",
    lambda run: (
        f"From 0.005 times a normal number, ten layers are after {len(run.losses)} steps at a loss of {run.losses[-1]:.4f}, that of "
        f"guessing, and read {accuracy(run):.0%} of the held-out digits."
    ),
    lambda run: run.agree and accuracy(run) < 0.2,
    "Each layer leaves a thousandth of the mean square: after ten there is nothing to learn from, and of the gradient nothing comes back. "
    "He's start has for each layer the size at which it passes on what it gets.",
    {"start": "small"},
    trainer={"max_epochs": 4},
)

TWIN = Twin(
    name="initialization",
    manual=DeepMLP,
    torch=DeepMLPInTorch,
    data=Digits,
    needs=("digits_mlp",),
    trainer={"max_epochs": 8},
    variants={
        "zeros": {"start": "zeros"},
        "small": {"start": "small", "depth": 3},
        "xavier": {"start": "xavier", "depth": 4, "width": 20},
        "orthogonal": {"start": "orthogonal", "width": 30},
        "large, in short steps": {"start": "large", "lr": 1e-4},
    },
    figures=figures,
    further=("mode by mode",),
    learned=learned,
    look_at=("layer by layer", "which starts keep their size through ten layers, forward and back."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("DeepMLP.backward", ("Every line of forward has one line here, in the opposite order; so has the loop.",)),
        Exercise("two_layers_backward", ("ŷ = h W2ᵀ and h = x W1ᵀ: each weight gets the error behind it, times what came in.",)),
    ),
)

if __name__ == "__main__":
    run("initialization")
