"""Minibatches: the noise of a step, and what larger batches buy

Two thousand walks on one parabola, each on batches of its own: how far they scatter is held against the closed form. Then a classifier of
digits: how noisy its gradient is by the size of the batch, and how fast it learns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, split_at_random
from experiments.data.diabetes import diabetes
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES, shades
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import Path, walk
from experiments.drawing.written import label_lines
from experiments.judge.convert import load_in_torch
from experiments.judge.naming import Naming
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual import nn, optim
from manual.networks.minibatches import Minibatches as Manual
from manual.networks.minibatches import spread, stationary
from torch_impl.networks.minibatches import Minibatches as Torch

Array = np.ndarray


class Progressions(ArrayData):
    """How far diabetes had gone in each of 442 people, a number each, standardised. Each batch is all of them: a walk draws its own.

    Args:
        steps: in an epoch.
        seed: of who is held out.
    """

    def __init__(self, steps: int = 50, seed: int = 0) -> None:
        super().__init__(seed=seed)
        if steps < 1:
            raise InputError(f"--data.steps must be at least 1, got {steps}")
        self.steps = steps

    def load(self) -> Split:
        split = split_at_random((diabetes()[1][:, 0],), 0.2, self.seed)
        (z,), (z_val,) = split.train, split.val
        return Split(((z - z.mean()) / z.std(),), ((z_val - z.mean()) / z.std(),))

    def batches(self, epoch: int) -> list[tuple[Array, ...]]:
        """The same one, so many times."""
        return [self.split.train] * self.steps


# ---- what is measured, on both sides -------------------------------------------------------------------


@cache
def paths(steps: int = 250, walks: int = 300, **settings: Any) -> tuple[Path, Path]:
    """Where the walks are before and after each step, by hand and in torch, with the same draws."""
    settings = {"walks": walks, "start": 0.0, **settings}
    ours, theirs = Manual(**settings), Torch(**settings)
    share_hand(ours, SharedNoise(0))
    share_torch(theirs, SharedNoise(0))
    return walk(ours, theirs, Progressions().split.train, steps)


def spreads(path: Path) -> Array:
    """V after each step: z has mean 0."""
    return (path["theta"] ** 2).mean(axis=1)


SETTINGS = ((1, 0.1, 1.0), (8, 0.2, 1.0), (32, 0.2, 1.0), (8, 0.8, 1.0), (8, 0.5, 3.0), (4, 1.5, 1.0))
"""(B, lr, h)."""


def in_the_long_run(batch_size: int, lr: float, curvature: float) -> tuple[float, float]:
    """V by hand and in torch: the mean over the steps from the fiftieth on."""
    ours, theirs = (spreads(path) for path in paths(batch_size=batch_size, lr=lr, curvature=curvature))
    return float(ours[50:].mean()), float(theirs[50:].mean())


# ---- a classifier of digits ----------------------------------------------------------------------------


def layers() -> tuple[nn.Linear, torch.nn.Linear]:
    """64 pixels to 10 scores, from the same weights on both sides."""
    ours = nn.Linear(64, 10, rng=np.random.default_rng(1))
    with torch.random.fork_rng(devices=[]):
        theirs = torch.nn.Linear(64, 10).double()
    load_in_torch(Naming({}), theirs, ours.state_dict())
    return ours, theirs


def gradient(layer: nn.Linear, x: Array, y: Array) -> Array:
    """∂L/∂W of a batch, by hand."""
    loss = nn.CrossEntropyLoss()
    layer.zero_grad()
    loss(layer(x), y)
    layer.backward(loss.backward())
    return np.asarray(layer.weight.grad)


@torch.enable_grad()
def gradient_in_torch(layer: torch.nn.Linear, x: Array, y: Array) -> Array:
    """The same in torch."""
    layer.zero_grad()
    torch.nn.CrossEntropyLoss()(layer(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    return layer.weight.grad.numpy().copy()  # type: ignore[union-attr]


SIZES = (1, 4, 16, 64, 256)


@cache
def noise(batches: int = 100) -> tuple[float, Array]:
    """The variance of an example's gradient, and that of batches: (side, size of the batch).

    A gradient has 640 entries; the variance is the sum of theirs, the mean squared distance from the gradient of all examples.
    """
    (ours, theirs), (x, y), rng = layers(), Digits().split.train, np.random.default_rng(0)
    whole = gradient(ours, x, y)
    of_one = np.mean([((gradient(ours, x[n : n + 1], y[n : n + 1]) - whole) ** 2).sum() for n in range(len(x))])
    found = np.zeros((2, len(SIZES)))
    for i, size in enumerate(SIZES):
        for rows in rng.integers(len(x), size=(batches, size)):
            both = gradient(ours, x[rows], y[rows]), gradient_in_torch(theirs, x[rows], y[rows])
            found[:, i] += [((g - whole) ** 2).sum() / batches for g in both]
    return float(of_one), found


@cache
def learned_by(size: int, lr: float, epochs: int = 2) -> tuple[Array, Array]:
    """The loss over all digits that are learned from, ten times or more an epoch: what part of the epochs, and (side, times)."""
    (ours, theirs), (x, y), rng = layers(), Digits().split.train, np.random.default_rng(0)
    sgd, sgd_in_torch = optim.SGD(ours.parameters(), lr=lr), torch.optim.SGD(theirs.parameters(), lr=lr)
    at, losses = [], []
    for epoch in range(epochs):
        order = rng.permutation(len(x))[: len(x) // size * size].reshape(-1, size)
        for i, rows in enumerate(order):
            if i % max(len(order) // 10, 1) == 0:
                at.append(epoch + i / len(order))
                losses.append(over_all(ours, theirs, x, y))
            gradient(ours, x[rows], y[rows])
            sgd.step()
            gradient_in_torch(theirs, x[rows], y[rows])
            sgd_in_torch.step()
    return np.array([*at, epochs]), np.array([*losses, over_all(ours, theirs, x, y)]).T


def over_all(ours: nn.Linear, theirs: torch.nn.Linear, x: Array, y: Array) -> tuple[float, float]:
    """The loss over all of these, by hand and in torch."""
    with torch.no_grad():
        in_torch = torch.nn.CrossEntropyLoss()(theirs(torch.from_numpy(x)), torch.from_numpy(y)).item()
    by_hand = float(nn.CrossEntropyLoss()(ours(x), y))
    ours.forget()
    return by_hand, in_torch


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Where the trained pair is; and, whatever was trained, the noise, other settings, and digits."""
    return OnDemand(
        {
            "never at rest": lambda: never_at_rest(manual, torch_module, data),
            "the noise of a batch": lambda: the_noise(),
            "the same for as many": lambda: the_same_for_as_many(),
            "larger batches": lambda: larger_batches(),
        }
    )


def never_at_rest(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """Some walks, and where all are in the end."""
    (z,) = data.split.train
    V = stationary(manual.lr, manual.curvature, z.var(), manual.batch_size)
    fig, axes = figure(
        "Left: three walks with lr = 0.2, above on batches of 2, below (moved down by 2) of 32. None comes to rest; on larger batches "
        f"they jitter less. Right: where the {len(manual.theta):,} walks of this run stood in the end ({unbroken_setting(manual)}). The "
        f"curve has the variance of the closed form, {V:.4g}; measured over all steps it was {float(manual.measured):.4g}.",
        columns=2,
        size=(5.2, 3.7),
    )
    left, right = axes[0]
    for i, colour in enumerate(CATEGORIES[:3]):
        for size, down in ((2, 0.0), (32, 2.0)):
            ours, theirs = (path["theta"][:80, i] - down for path in paths(batch_size=size, lr=0.2))
            draw_both(left, ours, theirs, "_", colour)
    left.set(title="three walks: B = 2, and B = 32 below", xlabel="step", ylabel="θ", yticks=(0, -2), yticklabels=("0", "0"))
    at = np.linspace(-4, 4, 33) * np.sqrt(V)
    for values, look, width in (
        (torch_module.theta.detach().cpu().numpy(), TORCH, 1.0),
        (manual.theta.data, BY_HAND, 0.45),
    ):
        height = np.histogram(values, at)[0] / (len(values) * (at[1] - at[0]))
        middle = (at[1:] + at[:-1]) / 2
        right.bar(middle, height, width=width * (at[1] - at[0]), color=look["color"], label="torch" if look is TORCH else "by hand")
    line = np.linspace(at[0], at[-1], 200)
    right.plot(line, np.exp(-(line**2) / (2 * V)) / np.sqrt(2 * np.pi * V), color="black", linewidth=1.2, label="closed form")
    right.set(title="where they stand in the end", xlabel="θ", ylabel="share of the walks, per unit")
    right.legend(fontsize=8)
    return fig


def unbroken_setting(manual: Manual) -> str:
    """B, lr and h in a caption."""
    return f"B = {manual.batch_size}, lr = {manual.lr:g}, h = {manual.curvature:g}".replace(" = ", "\u00a0=\u00a0")


def the_noise() -> Figure:
    """The variance of a gradient by the size of the batch; and of the walks by the closed form."""
    of_one, found = noise()
    fig, axes = figure(
        "Left: the gradient of a classifier of digits, 640 numbers. Its variance on 100 batches of each size (dots), and σ²/B (line), "
        f"where σ² = {of_one:.2f} is that of single digits: it falls as 1/B. Right: the spread of walks on the parabola in the long run, "
        "measured, against the closed form, for six settings of B, lr, h: what lies on the line is as foretold. Large dots: torch, small: "
        "by hand.",
        columns=2,
        size=(4.8, 3.8),
    )
    left, right = axes[0]
    left.plot(SIZES, of_one / np.array(SIZES), color="black", linewidth=1, label="σ²/B")
    for side, name, look, dot in ((1, "torch", TORCH, 9), (0, "by hand", BY_HAND, 4)):
        left.plot(SIZES, found[side], "o", color=look["color"], markersize=dot, label=name)
        for B, lr, h in SETTINGS:
            right.plot(stationary(lr, h, 1.0, B), in_the_long_run(B, lr, h)[side], "o", color=look["color"], markersize=dot)
    left.set(title="digits: the noise of a gradient", xlabel="B", ylabel="variance", xscale="log", yscale="log")
    left.set_xticks(SIZES, [str(size) for size in SIZES])
    left.minorticks_off()
    left.legend(fontsize=8)
    ends = np.array([min(stationary(lr, h, 1.0, B) for B, lr, h in SETTINGS), max(stationary(lr, h, 1.0, B) for B, lr, h in SETTINGS)])
    right.plot(ends, ends, color="black", linewidth=1, zorder=0)
    right.set(title="parabola: the stationary spread", xlabel="closed form", ylabel="measured", xscale="log", yscale="log")
    return fig


WAYS = ((8, 0.1), (32, 0.1), (8, 0.025), (32, 0.4))
"""(B, lr): as it was; a larger batch; a smaller step; both larger."""


def the_same_for_as_many() -> Figure:
    """The spread against the examples that were looked at, from a start far off."""
    fig, axes = figure(
        "The mean squared distance from the best θ, from a start at 3, against the examples that each walk has looked at. Four times the "
        "batch (B = 32) or a quarter of the step (lr = 0.025): both end four times as low, both need about as many examples, and neither "
        "is better. Both four times as large (B = 32, lr = 0.4): nearly as the first, but it ends a fifth higher. Thin: the closed "
        "form.",
        size=(7.4, 3.8),
    )
    ax = axes[0, 0]
    for (size, lr), colour in zip(WAYS, CATEGORIES, strict=False):
        ours, theirs = (spreads(path) for path in paths(batch_size=size, lr=lr, start=3.0))
        steps = np.arange(len(ours))
        ax.plot(size * steps, spread(steps, lr, 1.0, 1.0, size, 3.0), color="black", linewidth=0.6)
        draw_both(ax, np.stack([size * steps, ours]), np.stack([size * steps, theirs]), f"B = {size}, lr = {lr:g}", colour)
    ax.set(title="on the parabola, with h = 1", xlabel="examples per walk", ylabel="V", yscale="log", xlim=(0, 2000))
    label_lines(ax)
    return fig


def larger_batches() -> Figure:
    """How fast a classifier of digits learns, by the size of the batch, with one lr and with one in proportion."""
    scaled = {size: learned_by(size, 0.0125 * size)[1][0, -1] for size in (4, 32, 128)}
    fig, axes = figure(
        "A classifier of digits. Left: one lr for all. In an epoch the larger batch takes fewer steps, each as long as the others', and is "
        "left behind. Right: lr in proportion to B. After two epochs the losses are "
        f"{scaled[4]:.2f}, {scaled[32]:.2f} and {scaled[128]:.2f}, nearly the same; B = 256 with its lr of 3.2 goes wrong at first: the "
        "step is too long for the steepest direction, and no batch helps against that.",
        columns=2,
        size=(5.0, 3.8),
    )
    for ax, sizes, rate, title in (
        (axes[0, 0], (4, 32, 256), lambda size: 0.05, "lr = 0.05 for all"),
        (axes[0, 1], (4, 32, 128, 256), lambda size: 0.0125 * size, "lr = 0.0125 · B"),
    ):
        for size, colour in zip(sizes, shades(len(sizes)), strict=True):
            at, (ours, theirs) = learned_by(size, rate(size))
            draw_both(ax, np.stack([at, ours]), np.stack([at, theirs]), f"B = {size}", colour)
        ax.set(title=title, xlabel="epochs", ylabel="loss", yscale="log", ylim=(0.3, 4))
        ax.set_yticks((0.3, 0.5, 1, 2, 4), ("0.3", "0.5", "1", "2", "4"))
        ax.minorticks_off()
        ax.legend(fontsize=8, loc="lower left")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def beside_the_default(run: Trained) -> float:
    """The spread of a run, over the stationary spread of B = 8 and lr = 0.2."""
    return run.metrics["spread/val"] / stationary(0.2, 1.0, 1.0, 8)


def distance_left(run: Trained) -> float:
    """Where the walks are on average, as a part of where they began."""
    return run.metrics["theta/val"] / 3.0


TIMES = "it is {:.2f} times as large"
SHORT = {"trainer": {"max_epochs": 6}}

QUESTIONS = (
    by_size(
        "B = 32 in place of 8, and lr as it was. What becomes of the spread V, the mean squared distance from the best θ?",
        beside_the_default,
        *("it is about a quarter", 0.35, "it is about half as large", 0.7, "it stays, for the steps are as long"),
        seen=TIMES,
        why="The variance of a mean of four times as many numbers is a quarter; the distance itself is then about half.",
        **{**SHORT, "model": {"batch_size": 32}},
        look_at=("never at rest", "how the walks on the left jitter with B = 2, and with B = 32."),
    ),
    by_size(
        "B = 2 and lr = 0.05: both a quarter of what they were. What becomes of the spread?",
        beside_the_default,
        *("it is about a quarter", 0.5, "it is about the same", 2, "it is about four times as large"),
        seen=TIMES,
        why="V is nearly in proportion to lr/B: a batch a quarter as large is noisier, and a step a quarter as long makes up for it.",
        **{**SHORT, "model": {"batch_size": 2, "lr": 0.05, "settle": 150}},
        look_at=("the same for as many", "where the curves of B = 8, lr = 0.1 and B = 32, lr = 0.4 end."),
    ),
    by_size(
        "lr = 1.9, just below 2/h, where gradient descent on all examples still converges. What becomes of the spread, with B = 8?",
        beside_the_default,
        *("it is about the same", 3, "it is about ten times as large", 30, "it is more than a hundred times as large"),
        seen=TIMES,
        why="At each step 1 − lr h = −0.9 throws θ across the parabola and leaves most of what has gathered, and long steps add much.",
        **{**SHORT, "model": {"lr": 1.9}},
    ),
)

MISTAKE = Mistake(
    "A batch of 512 in place of 8 looks at 64 times as much: a 64th of the steps will do.",
    lambda run: (
        f"After {len(run.losses)} steps with lr = {run.manual.lr:g} θ is on average at {run.metrics['theta/val']:.2f}; it began at 3. It "
        f"has looked at {len(run.losses) * run.manual.batch_size:,} examples, as 64 times as many steps on batches of 8 would have."
    ),
    lambda run: run.agree and distance_left(run) > 0.4,
    "How far a step goes is lr's affair. A larger batch makes it surer, and not longer; so it may be made longer, by a larger lr.",
    model={"batch_size": 512, "lr": 0.02, "walks": 50},
    data={"steps": 30},
    trainer={"max_epochs": 1},
)


def learned(run: Trained) -> str:
    """The spread, beside the closed form."""
    model, (z,) = run.manual, run.data.split.train
    V = stationary(model.lr, model.curvature, z.var(), model.batch_size)
    return (
        f"On batches of {model.batch_size} with lr = {model.lr:g} the walks never come to rest: their mean squared distance from the best "
        f"θ is {run.metrics['spread/val']:.4g}. The closed form says {V:.4g}."
    )


TWIN = Twin(
    name="minibatches",
    manual=Manual,
    torch=Torch,
    data=Progressions,
    needs=("training_loop",),
    trainer={"max_epochs": 30},
    variants={"one example": {"batch_size": 1, "lr": 0.1, "walks": 300}, "long steps": {"lr": 1.5, "curvature": 1.2, "walks": 300}},
    options={"settle": Second(1)},
    sgd_lr=0.1,
    figures=figures,
    learned=learned,
    look_at=("never at rest", "how far the walks on the left stray, and how the bars on the right fill the curve."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("loss_backward", ("Each example pulls with h (θ − z). What becomes of the pulls in a mean?",)),
        Exercise("Minibatches.backward"),
    ),
)

if __name__ == "__main__":
    run("minibatches")
