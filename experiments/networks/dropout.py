"""Dropout: numbers left out by chance, which on inputs is ridge

A straight line learns from people about each of whom half is left out, anew at each step; the mean of its weights over the steps is held
against the closed form. Then a network that reads digits, with dropout and without.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.data.changes import first_columns
from experiments.data.diabetes import FEATURES, Diabetes
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.labels import label_ends
from experiments.drawing.walk import walk
from experiments.drawing.written import label_lines
from experiments.judge.convert import load_in_torch
from experiments.judge.naming import Naming
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual import nn, optim
from manual.module import no_grad
from manual.networks.dropout import Dropout, Line, expected_loss, solution
from manual.networks.dropout import DroppedInputs as Manual
from torch_impl.networks.dropout import DroppedInputs as Torch

NAMES = {"line.W": "line.linear.weight.T"}
"""What the parameter is called in torch."""


class ManyMasks(Diabetes):
    """The diabetes data with y standardised too. Each batch is all people several times, so that a step sees many masks.

    Args:
        copies: of each person in a batch.
        steps: in an epoch.
        seed: of the split.
    """

    def __init__(self, copies: int = 20, steps: int = 50, seed: int = 0) -> None:
        super().__init__(seed=seed)
        if min(copies, steps) < 1:
            raise InputError(f"--data.copies and --data.steps must be at least 1, got {copies} and {steps}")
        self.copies, self.steps = copies, steps

    def load(self) -> Split:
        split = super().load()
        (x, y), (x_val, y_val) = split.train, split.val
        mean, std = y.mean(), y.std()
        return Split((x, (y - mean) / std), (x_val, (y_val - mean) / std))

    def batches(self, epoch: int) -> list[tuple[np.ndarray, ...]]:
        """The same one, so many times."""
        return [tuple(np.tile(a, (self.copies, 1)) for a in self.split.train)] * self.steps


# ---- what is measured, on both sides -----------------------------------------------------------------


@cache
def means(p: float, copies: int = 2, steps: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """The mean of W after each step, by hand and in torch, (steps + 1, 10)."""
    ours, theirs = TWIN.having({"p": p, "lr": 0.2 * (1 - p)}).build()
    share_hand(ours, SharedNoise(0))
    share_torch(theirs, SharedNoise(0))
    by_hand, in_torch = walk(ours, theirs, ManyMasks(copies).batches(0)[0], steps, NAMES)
    return by_hand["mean_W"][..., 0], in_torch["mean_W"][..., 0]


def closed_form(data: ArrayData, p: float) -> np.ndarray:
    """The best weights for these data, (10, 1)."""
    x, y = data.split.train
    return solution(x, y, p)


def farthest(W: np.ndarray, p: float, data: ArrayData) -> float:
    """How far the weight that is farthest from the closed form is from it."""
    return float(np.abs(W - closed_form(data, p)).max())


# ---- a network that reads digits ---------------------------------------------------------------------

PLAIN, DROPPED = "without dropout", "with dropout"
PARTS = {PLAIN: (0.0, 0.0), DROPPED: (0.2, 0.5)}
"""What part of the pixels, and of the hidden units, is left out: as in Srivastava et al., section 6."""

EVERY = 5
"""Epochs from one look at the losses to the next."""


def network_by_hand(of_pixels: float, of_hidden: float) -> nn.Sequential:
    """64 → 128 → 10."""
    rng = np.random.default_rng(0)
    layers = Dropout(of_pixels), nn.Linear(64, 128, rng=rng), nn.ReLU(), Dropout(of_hidden), nn.Linear(128, 10, rng=rng)
    return nn.Sequential(*layers)


def network_in_torch(of_pixels: float, of_hidden: float) -> torch.nn.Sequential:
    """The same in torch."""
    a, b = torch.nn.Linear(64, 128), torch.nn.Linear(128, 10)
    return torch.nn.Sequential(torch.nn.Dropout(of_pixels), a, torch.nn.ReLU(), torch.nn.Dropout(of_hidden), b).double()


@cache
def a_hundred() -> Split:
    """The first hundred digits to learn from, and all that are held out."""
    split = Digits().split
    x, y = split.train
    return Split((x[:100], y[:100]), split.val)


@cache
def read(which: str, epochs: int = 150) -> tuple[nn.Sequential, torch.nn.Sequential, np.ndarray]:
    """Both networks, trained from the same weights with the same masks, and their losses in eval mode.

    Returns:
        By hand, in torch, and of every fifth epoch (side, of the hundred and of those held out): (epochs / 5, 2, 2).
    """
    with torch.random.fork_rng(devices=[]):
        ours, theirs = network_by_hand(*PARTS[which]), network_in_torch(*PARTS[which])
    load_in_torch(Naming({}), theirs, ours.state_dict())
    share_hand(ours, SharedNoise(0))
    share_torch(theirs, SharedNoise(0))
    loss, loss_in_torch = nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()
    adam, adam_in_torch = optim.Adam(ours.parameters(), lr=0.01), torch.optim.Adam(theirs.parameters(), lr=0.01)
    order, split, losses = np.random.default_rng(0), a_hundred(), []
    for epoch in range(1, epochs + 1):
        for rows in np.split(order.permutation(100), 2):
            x, y = (a[rows] for a in split.train)
            adam.zero_grad()
            loss(ours(x), y)
            ours.backward(loss.backward())
            adam.step()
            with torch.enable_grad():
                adam_in_torch.zero_grad()
                loss_in_torch(theirs(torch.from_numpy(x)), torch.from_numpy(y)).backward()
                adam_in_torch.step()
        if epoch % EVERY == 0:
            losses.append(losses_in_eval_mode(ours, theirs, split))
    return ours, theirs, np.array(losses)


def losses_in_eval_mode(ours: nn.Sequential, theirs: torch.nn.Sequential, split: Split) -> list[list[float]]:
    """The cross-entropy of both parts of the data, by hand and in torch; both are in training mode afterwards."""
    ours.eval(), theirs.eval()
    with no_grad(), torch.no_grad():
        found = [
            [float(nn.CrossEntropyLoss()(ours(x), y)) for x, y in (split.train, split.val)],
            [torch.nn.CrossEntropyLoss()(theirs(torch.from_numpy(x)), torch.from_numpy(y)).item() for x, y in (split.train, split.val)],
        ]
    ours.train(), theirs.train()
    return found


@cache
def read_right(which: str, eval_mode: bool) -> tuple[float, float]:
    """What part of the held-out digits is read right, by hand and in torch; in training mode one draw of masks."""
    (ours, theirs, _), (x, y) = read(which), a_hundred().val
    ours.train(not eval_mode), theirs.train(not eval_mode)
    with no_grad(), torch.no_grad():
        return float(np.mean(ours(x).argmax(axis=1) == y)), float(np.mean(theirs(torch.from_numpy(x)).argmax(dim=1).numpy() == y))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The trained pair beside ridge; and, whatever was trained, other p, the mask on both ways, and digits."""
    return OnDemand(
        {
            "it is ridge": lambda: it_is_ridge(manual, torch_module, data),
            "the same mask": lambda: the_same_mask(),
            "digits": lambda: digits(),
            "the price": lambda: the_price(),
        }
    )


def it_is_ridge(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """The means of both sides beside the closed forms, and how a mean comes there."""
    (x, y), p = data.split.train, manual.line.dropout.p
    best, free = solution(x, y, p)[:, 0], solution(x, y, 0.0)[:, 0]
    off = farthest(manual.mean_W, p, data)
    fig, axes = figure(
        f"Left: of ten weights the mean over {int(manual.steps):,} steps with {p:.0%} of the inputs left out (broad bars: torch, "
        f"narrow: by hand). They are those of ridge (crosses): none is farther off than {off:.1g}. Least squares (circles) has two large "
        "weights, s1 and s2, that only serve together. Right: with p = ½, how far the mean is from either, step by step.",
        columns=2,
        size=(6.0, 3.8),
    )
    left, right = axes[0]
    at = np.arange(len(best))
    left.bar(at, torch_module.mean_W[:, 0].cpu().numpy(), width=0.8, color=TORCH["color"], label="torch")
    left.bar(at, manual.mean_W[:, 0], width=0.35, color=BY_HAND["color"], label="by hand")
    left.plot(at, best, "x", color="black", label="ridge")
    left.plot(at, free, "o", markerfacecolor="none", markeredgecolor="black", label="least squares")
    left.axhline(0, color="black", linewidth=0.8)
    left.set(title="the mean of each weight", xticks=at)
    left.set_xticklabels(FEATURES[: len(best)], fontsize=8)
    left.legend(fontsize=8)
    ours, theirs = means(0.5)
    x, y = ManyMasks().split.train
    for price_of, name, colour in ((0.5, "to ridge", CATEGORIES[0]), (0.0, "to least squares", CATEGORIES[3])):
        target = solution(x, y, price_of)[:, 0]
        a, b = (np.stack([np.arange(1, len(m)), np.abs(m - target).max(axis=1)[1:]]) for m in (ours, theirs))
        draw_both(right, a, b, name, colour)
    right.set(title="from the mean (of the farthest weight)", xlabel="step", ylabel="distance", xscale="log", yscale="log")
    label_lines(right)
    return fig


def the_same_mask() -> Figure:
    """One digit on its way through a mask, and the gradient on its way back."""
    x, y = (a[:1] for a in a_hundred().val)
    network = read(DROPPED)[0]
    layer, loss = Dropout(0.5, rng=np.random.default_rng(0)), nn.CrossEntropyLoss()
    x_tilde = layer(x)
    network.eval()
    loss(network(x_tilde), y)
    dL_dx_tilde = network.backward(loss.backward())
    dL_dx = layer.backward(dL_dx_tilde)
    fig, axes = figure(
        "A digit whose pixels are left out with p = ½. Above, forward: the digit, the mask (black: kept), and what is let through, twice "
        "as dark. Below, backward (orange above 0, violet below): the gradient that comes back, the same mask, and what is passed on, "
        "twice as large. Where the mask is white nothing passes, either way.",
        rows=2,
        columns=3,
        size=(2.6, 2.7),
    )
    keep = x_tilde != 0
    keep = np.where(x == 0, dL_dx != 0, keep)  # where the ink is 0 the mask shows in the gradient
    for ax, values, title in (
        (axes[0, 0], x, "x"),
        (axes[0, 1], keep, "keep"),
        (axes[0, 2], x_tilde, "x̃ = x · keep / (1 − p)"),
        (axes[1, 0], dL_dx_tilde, "∂L/∂x̃"),
        (axes[1, 1], keep, "keep"),
        (axes[1, 2], dL_dx, "∂L/∂x = ∂L/∂x̃ · keep / (1 − p)"),
    ):
        signed = title.startswith("∂")
        most = np.abs(dL_dx).max() if signed else 1 if title == "keep" else x_tilde.max()
        ax.imshow(values.reshape(8, 8), cmap=SIGNED if signed else "Greys", vmin=-most if signed else 0, vmax=most)
        ax.set_title(title, fontsize=9)
        ax.set(xticks=[], yticks=[])
    return fig


def digits() -> Figure:
    """The losses of a network with and without dropout; and what becomes of it when eval mode is forgotten."""
    without, dropped = (read(which)[2][-1, 0] for which in PARTS)
    by_heart, right, masked = (read_right(*of)[0] for of in ((PLAIN, True), (DROPPED, True), (DROPPED, False)))
    fig, axes = figure(
        f"A network learns from a hundred digits. Left, without dropout: it knows them by heart ({without[0]:.2g}); the loss on others "
        f"ends at {without[1]:.2f}. Middle, with a fifth of the pixels and half of the hidden units left out: {dropped[0]:.2g} and "
        f"{dropped[1]:.2f}. Right: of the held-out digits it reads {right:.1%} right in eval mode ({by_heart:.1%} without dropout), and "
        f"{masked:.1%} if that is forgotten.",
        columns=3,
        size=(4.0, 3.6),
    )
    *losses, last = axes[0]
    for ax, which in zip(losses, PARTS, strict=True):
        by_epoch = read(which)[2]
        at = EVERY * np.arange(1, len(by_epoch) + 1)
        for part, (name, colour) in enumerate((("the 100", CATEGORIES[0]), ("held out", CATEGORIES[3]))):
            a, b = (np.stack([at, by_epoch[:, side, part]]) for side in (0, 1))
            draw_both(ax, a, b, name, colour)
        ax.set(title=f"loss, {which}", xlabel="epoch", yscale="log", ylim=(1e-3, 3))
        label_lines(ax)
    for side, (name, look, width) in enumerate((("by hand", BY_HAND, 0.3), ("torch", TORCH, 0.7))):
        heights = [read_right(DROPPED, mode)[side] for mode in (True, False)]
        last.bar((0, 1), heights, width=width, color=look["color"], label=name, zorder=2 - side)
    last.set(title="read right, with dropout", ylim=(0, 1), xticks=(0, 1))
    last.set_xticklabels(("eval mode", "training mode"))
    last.legend(fontsize=8, loc="lower right")
    return fig


# ---- further reading: other p --------------------------------------------------------------------------


PS = (0.1, 0.3, 0.5, 0.9)


def the_price() -> Figure:
    """The ten weights against p: the closed form as curves, the means of walks as dots."""
    x, y = ManyMasks().split.train
    grid = np.linspace(0, 0.95, 60)
    paths = np.array([solution(x, y, float(p))[:, 0] for p in grid])
    fig, axes = figure(
        "The ten weights against p. Curves: ridge with alpha = p/(1 − p). Dots: the mean over 400 steps of a walk with dropout (large: "
        "torch, small: by hand). The more is left out, the less is relied on any one: s1 and s2, which balance each other, give way "
        "first. With p near 1 all weights are near 0.",
        size=(7.6, 3.9),
    )
    ax = axes[0, 0]
    colours = [CATEGORIES[i] for i in (0, 1, 2, 3, 4, 5, 0, 1, 4, 3)]  # neighbours have different ones
    found = [means(p) for p in PS]
    for i, colour in enumerate(colours):
        ax.plot(grid, paths[:, i], color=colour, linewidth=1.2)
        for side, size, look in ((1, 8, TORCH["color"]), (0, 3.5, BY_HAND["color"])):
            ax.plot(PS, [m[side][-1, i] for m in found], "o", color=look, markersize=size, zorder=3)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(title="ridge, and the means of walks with dropout", xlabel="p", ylabel="weight", xlim=(0, 0.95))
    label_ends(ax, {name: (0.0, paths[0, i], colours[i]) for i, name in enumerate(FEATURES)}, left=True)
    ax.set_ylabel("weight")
    return fig


# ---- text ----------------------------------------------------------------------------------------------

TEXT = """
Behind a hidden layer there is no closed form, but what scatters is punished there too. On the hundred digits the held-out loss gets lower,
and the number of digits read right does not get larger: the network is less often sure of what is wrong.

A model is told its mode by `train()` and `eval()`. Lightning does that; a loop of your own must do it.
"""

# ---- to do ---------------------------------------------------------------------------------------------


def shrunk(run: Trained, W: np.ndarray | None = None) -> float:
    """The length of these weights (of the mean ones, unless given) as a part of that of least squares."""
    return float(np.linalg.norm(run.manual.mean_W if W is None else W) / np.linalg.norm(closed_form(run.data, 0.0)))


def forgotten(run: Trained) -> float:
    """The squared error on held-out people if eval mode is forgotten, over that in eval mode: the mean over all masks."""
    x, y = run.data.split.val
    mean_W, p = run.manual.mean_W, run.manual.line.dropout.p
    return expected_loss(x, y, mean_W, p) / expected_loss(x, y, mean_W, 0.0)


def while_training(run: Trained) -> float:
    """The mean loss of the last 20 steps over the last held-out loss."""
    return float(np.mean(run.losses[-20:])) / run.metrics["loss/val"]


SHORT = {"data": {"copies": 5}, "trainer": {"max_epochs": 8}}

QUESTIONS = (
    by_size(
        "p = 0.9: of ten numbers nine are missing, at every step. How long are the weights, beside those of least squares?",
        shrunk,
        *("about a tenth as long", 0.25, "about half as long", 0.75, "about as long"),
        seen="{:.2f} times as long",
        why="On average x̃ is x, but its square is not x²: it scatters, and with p = 0.9 each squared weight costs 0.9/0.1 = 9.",
        **{**SHORT, "model": {"p": 0.9, "lr": 0.02}},
        look_at=("the price", "where the ten curves are at p = 0.9, and where they began."),
    ),
    by_size(
        "p = ½. Which loss is lower in the end: that of the training steps, or that of people who were held out?",
        while_training,
        *("that of the training steps", 0.95, "they are much the same", 1.05, "that of the held-out people"),
        seen="that of the steps is {:.2f} times the other",
        why="In training half of what is known of each person is missing, and in eval mode nothing is. The two are not to be compared.",
        **SHORT,
    ),
    by_size(
        "After training somebody forgets eval mode, so that masks are drawn for held-out people too. What becomes of the squared error?",
        forgotten,
        *("it stays, on average over the masks", 1.03, "it grows by about a fifth", 1.5, "it is twice as large"),
        seen="it is {:.2f} times as large",
        why="The mean of the predictions stays as it was, and the square of their scatter is added: p/(1 − p) times the sum of xⱼ² Wⱼ².",
        **SHORT,
        look_at=("digits", "the two bars on the right: it is so in networks too."),
    ),
)


class LineWithoutMask(Line):
    """A line that goes back as if nothing had been left out."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        y_hat = self.dropout(x) @ self.W
        self.save(x)  # the fault: backward finds x where x̃ should be
        return y_hat


class ForgottenMask(Manual):
    """The concept with that line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.line.__class__ = LineWithoutMask


class ForgottenMaskInTorch(Torch):
    """The same in torch: what comes out is of x̃, what goes back is of x."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        of_x = self.line.linear(x)
        return of_x + (self.line(x) - of_x).detach()


MISTAKE = Mistake(
    "The mask has done its work on the way there. On the way back x may be taken as it came.",
    lambda run: (
        f"The mean weights are {shrunk(run):.2f} times as long as those of least squares; those of ridge are "
        f"{shrunk(run, closed_form(run.data, run.manual.line.dropout.p)):.2f} times as long. And the loss fell all the same, "
        f"from {run.losses[0]:.2f} to {run.losses[-1]:.2f}."
    ),
    lambda run: run.agree and shrunk(run) > 0.5,
    "On average over the masks that gradient is least squares' own: the scatter, which is what costs, is not in it.",
    data={"copies": 2},
    trainer={"max_epochs": 6},
    manual=ForgottenMask,
    torch=ForgottenMaskInTorch,
)


def learned(run: Trained) -> str:
    """How near the mean came to ridge, on both sides."""
    p, off = run.manual.line.dropout.p, farthest(run.manual.mean_W, run.manual.line.dropout.p, run.data)
    return (
        f"With {p:.0%} of the inputs left out at every step, the mean of the weights is ridge's with alpha = {p / (1 - p):.3g}: none of "
        f"them is farther off than {off:.1g}. They are {shrunk(run):.2f} times as long as those of least squares."
    )


TWIN = Twin(
    name="dropout",
    manual=Manual,
    torch=Torch,
    data=ManyMasks,
    names=NAMES,
    needs=("digits_mlp", "ridge"),
    trainer={"max_epochs": 40},
    variants={"nothing left out": {"p": 0.0}, "most left out": {"p": 0.9, "lr": 0.02}},
    options={"features": Second(9, data=first_columns(9)), "settle": Second(1)},
    sgd_lr=0.02,
    figures=figures,
    learned=learned,
    look_at=("it is ridge", "whether the bars end at the crosses or at the circles."),
    text={"in networks": TEXT},
    further=("the price",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Dropout.backward", ("What was left out gets 0. What was divided by 1 − p is divided by it again.",)),
        Exercise("Line.backward", ("Which x had a part in this prediction: the one that came, or the one that was let through?",)),
    ),
)

if __name__ == "__main__":
    run("dropout")
