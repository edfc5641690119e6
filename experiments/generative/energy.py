"""Energy: a score for every picture, and the sum over all pictures that one cannot have

A small restricted Boltzmann machine learns bars and stripes, once with the exact gradient of its partition function, by adding up all 512
pictures, and once with an estimate from its own dreams.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.words import percent
from experiments.drawing.written import label_lines
from experiments.judge.convert import load_in_torch
from experiments.judge.naming import Naming
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.concept import Batch
from manual.generative.energy import Boltzmann as Manual
from manual.generative.energy import every_picture, free_energy, free_energy_backward, gibbs, log_partition_backward
from torch_impl.generative.energy import Boltzmann as Torch
from torch_impl.generative.energy import free_energy as free_energy_in_torch

STEPS = 50
"""In an epoch."""


def bars_and_stripes() -> np.ndarray:
    """All pictures of 3 x 3 pixels whose rows, or whose columns, are each of one colour: (14, 9)."""
    bars = [np.tile(bits, (3, 1)) for bits in product((0.0, 1.0), repeat=3)]
    return np.unique([np.ravel(picture) for bar in bars for picture in (bar, bar.T)], axis=0)


class BarsAndStripes(ArrayData):
    """The 14 pictures of 3 x 3 pixels that are bars or stripes: in every batch all of them, and uniform numbers to dream with.

    Args:
        seed: of the uniform numbers.
        hidden: units of the machine; it decides how many numbers a round of dreaming takes.
        rounds: of Gibbs sampling: k of CD-k.
    """

    def __init__(self, seed: int = 0, hidden: int = 8, rounds: int = 1) -> None:
        super().__init__(0, seed)
        if min(hidden, rounds) < 1:
            raise InputError(f"--data.hidden and --data.rounds must be at least 1, got {hidden} and {rounds}")
        self.hidden, self.rounds = hidden, rounds

    def load(self) -> Split:
        pictures = bars_and_stripes()
        return Split((pictures,), (pictures,))

    def batches(self, epoch: int) -> list[Batch]:
        (v,) = self.split.train
        rng = np.random.default_rng((self.seed, epoch))
        return [(v, rng.random((len(v), self.rounds, self.hidden + v.shape[1]))) for _ in range(STEPS)]

    def two_batches(self, module: Any) -> list[Batch]:
        """All pictures, and some of them with other numbers."""
        (v, u), (_, others) = self.batches(0)[:2]
        return [(v, u), (v[2:11], others[2:11])]

    def val_batches(self) -> list[Batch]:
        """The pictures alone."""
        return [self.split.val]


# ---- what is measured ----------------------------------------------------------------------------------


def probabilities(side: Any) -> np.ndarray:
    """p of all 512 pictures, of a side."""
    if isinstance(side, Manual):
        return np.asarray(np.exp(side(every_picture(9, side.W.dtype))), float)
    with torch.no_grad():
        return side(torch.from_numpy(every_picture(9)).to(side.W)).exp().cpu().double().numpy()


WAYS = {"exact": (True, 1), "CD-1": (False, 1), "CD-10": (False, 10)}
"""The gradient, exact or not, and the rounds of Gibbs sampling."""


@cache
def walked(way: str, epochs: int = 8) -> tuple[Manual, np.ndarray]:
    """The machine by hand after so many epochs, and the exact loss by epoch of both sides, (epochs + 1, 2)."""
    exact, rounds = WAYS[way]
    data = BarsAndStripes(rounds=rounds)
    (v,) = data.split.train
    pair: Any = TWIN.having({"exact": exact}).build()
    ours, theirs = pair
    load_in_torch(Naming({}), theirs, ours.state_dict())
    optimizer, optimizer_in_torch = ours.configure_optimizers(), theirs.configure_optimizers()
    losses = []
    for epoch in range(epochs + 1):
        with torch.no_grad():
            losses.append([-ours(v).mean(), -float(theirs(torch.from_numpy(v)).mean())])
        for batch in data.batches(epoch) if epoch < epochs else []:
            ours.zero_grad()
            ours.training_step(batch, 0)
            ours.backward()
            optimizer.step()
            with torch.enable_grad():
                optimizer_in_torch.zero_grad()
                theirs.training_step(tuple(map(torch.from_numpy, batch)), 0).backward()
                optimizer_in_torch.step()
    return ours, np.array(losses)


ROUNDS = (1, 3, 10, 30, 100)


@cache
def estimates(rounds: int, chains: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """The part of ∂L/∂W that dreams make, of a machine that CD-1 has trained: exact, and a mean over chains from the data, (9, 8)."""
    machine, _ = walked("CD-1")
    v = np.tile(bars_and_stripes(), (chains, 1))
    dreams = gibbs(v, np.random.default_rng(rounds).random((len(v), rounds, 17)), *machine.parts())
    estimated = free_energy_backward(np.full(len(v), -1 / len(v)), dreams, *machine.parts())[0]
    return log_partition_backward(1.0, *machine.parts())[0], estimated


def bias(rounds: int) -> float:
    """How far the estimate is off, as a part of the exact one."""
    exact, estimated = estimates(rounds)
    return float(np.linalg.norm(estimated - exact) / np.linalg.norm(exact))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: BarsAndStripes) -> Mapping[str, Figure]:
    """What the trained pair finds probable; and, whatever was trained, three ways to learn, and how good an estimate is."""
    return OnDemand(
        {
            "what is probable": lambda: what_is_probable(manual, torch_module, data),
            "three ways": lambda: three_ways(),
            "the estimate": lambda: the_estimate(),
        }
    )


def what_is_probable(manual: Manual, torch_module: Torch, data: BarsAndStripes) -> Figure:
    """The sixteen most probable pictures, and how probable they are on both sides."""
    p, in_torch = probabilities(manual), probabilities(torch_module)
    order = np.argsort(-p, kind="stable")[:16]
    pictures = every_picture(9)
    (v,) = data.split.train
    seen = {tuple(picture) for picture in v}
    right = [tuple(pictures[i]) in seen for i in order]
    fig, axes = figure(
        f"Of 512 pictures the sixteen that are most probable, by hand and in torch. {sum(right)} of them are among the {len(v)} that were "
        f"shown; the {len(v)} together have {percent(sum(p[i] for i in range(512) if tuple(pictures[i]) in seen))} of all probability, "
        f"1/{len(v)} = {1 / len(v):.3f} each if all is learned (dotted). What was not shown stands in a dotted frame.",
        size=(9.0, 3.6),
    )
    ax = axes[0, 0]
    at = np.arange(16)
    ax.bar(at, in_torch[order], width=0.8, color=TORCH["color"], label="torch")
    ax.bar(at, p[order], width=0.35, color=BY_HAND["color"], label="by hand")
    ax.axhline(1 / len(v), color="black", linestyle=":", linewidth=0.8)
    ax.set(title="the most probable pictures", ylabel="p", xticks=[], xlim=(-0.6, 15.6))
    ax.legend(fontsize=8, loc="upper right")
    for place, i in enumerate(order):
        inside = ax.inset_axes([(place + 0.25) / 16.2, -0.28, 0.05, 0.22])
        inside.imshow(pictures[i].reshape(3, 3), cmap="Greys", vmin=0, vmax=1)
        inside.set(xticks=[], yticks=[])
        for spine in inside.spines.values():
            spine.set_linestyle("-" if right[place] else ":")
    return fig


def three_ways() -> Figure:
    """The exact loss by epoch, for an exact gradient and for two estimates."""
    least = np.log(len(bars_and_stripes()))
    ends = {way: walked(way)[1][-1, 0] for way in WAYS}
    fig, axes = figure(
        f"The exact loss, whatever the gradient (bands: torch, dashes: by hand). Exact, it ends at {ends['exact']:.3f}; the least "
        f"there is is log 14 = {least:.3f} (dotted). With dreams of one round at {ends['CD-1']:.2f}, of ten at {ends['CD-10']:.2f}: "
        "that the energy is low far from the data too, these do not see.",
        size=(5.6, 3.6),
    )
    ax = axes[0, 0]
    for (way, _), colour in zip(WAYS.items(), CATEGORIES, strict=False):
        losses = walked(way)[1]
        draw_both(ax, losses[:, 0], losses[:, 1], way, colour)
    ax.axhline(least, color="black", linestyle=":", linewidth=0.8)
    ax.set(title="the exact loss", xlabel=f"epoch ({STEPS} steps)", ylabel="L")
    label_lines(ax)
    return fig


def the_estimate() -> Figure:
    """Entry by entry the estimate against the exact gradient, and how far it is off by the number of rounds."""
    exact, one = estimates(1)
    _, many = estimates(ROUNDS[-1])
    fig, axes = figure(
        f"The part of ∂L/∂W that dreams make, of a machine that CD-1 has trained, by hand. Left: 72 entries, means over 2,800 dreams, "
        f"against the exact ones. Right: how far off they are, {bias(1):.0%} after one round and {bias(100):.0%} after 100. What is "
        "wrong with the machine lies far from the data, and one round does not lead there.",
        columns=2,
        size=(4.2, 3.7),
    )
    left, right = axes[0]
    for estimated, label, colour in ((one, "CD-1", CATEGORIES[1]), (many, f"CD-{ROUNDS[-1]}", CATEGORIES[2])):
        left.plot(exact.ravel(), estimated.ravel(), "o", markersize=4, color=colour, label=label)
    ends = [exact.min(), exact.max()]
    left.plot(ends, ends, color="black", linewidth=0.8, linestyle=":")
    left.set(title="estimate against exact", xlabel="exact", ylabel="estimate")
    left.legend(fontsize=8)
    right.plot(ROUNDS, [bias(rounds) for rounds in ROUNDS], "o-", color=CATEGORIES[0])
    right.set(
        title="how far it is off", xlabel="rounds of Gibbs sampling", xscale="log", ylabel="as a part of the exact one", ylim=(0, None)
    )
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def above_least(run: Trained) -> float:
    """How far the exact loss is above the least there is."""
    return run.metrics["loss/val"] - float(np.log(len(run.data.split.val[0])))


QUESTIONS = (
    by_size(
        "Of 512 pictures 14 were shown. How probable is it in the end that a picture from the machine is one of these?",
        lambda run: run.metrics["seen/val"],
        *("14/512, about 3 %", 0.1, "about a half", 0.8, "over 90 %"),
        seen="{:.1%}",
        why="The slope is 0 only where dreams are like the data. Nobody told it what a bar is; eight units found out.",
        look_at=("what is probable", "the last two pictures, which were not shown."),
    ),
    by_size(
        "One hidden unit in place of eight. How probable is it now?",
        lambda run: run.metrics["seen/val"],
        *("not much more than 3 %", 0.1, "about a half", 0.8, "over 90 %"),
        seen="{:.1%}",
        why="A unit that is on or off makes a mixture of two machines without units, in which every pixel is drawn for itself.",
        data={"hidden": 1},
        trainer={"max_epochs": 4},
    ),
    by_size(
        "exact = False, with dreams of one round. How far above the least loss does the exact loss end?",
        above_least,
        *("as near as with the exact gradient", 0.1, "above it, but far below the start", 3.0, "where it began"),
        seen="by {:.2f}",
        why="The dreams begin at the data and stay near them: low energy far from them is never met, and never raised.",
        model={"exact": False},
        look_at=("three ways", "the gap between the curve of CD-1 and the dotted line."),
    ),
)


class EnergyAlone(Manual):
    """A machine that only lowers the energy of the data."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (v, _) = batch
        self.save(v)
        loss = free_energy(v, *self.parts()).mean()
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        v = self.restore()
        found = free_energy_backward(np.full(len(v), dL_dloss / len(v), v.dtype), v, *self.parts())
        for p, dL_dp in zip((self.W, self.a, self.b), found, strict=True):
            p.grad += dL_dp


class EnergyAloneInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = free_energy_in_torch(batch[0], self.W, self.a, self.b).mean()
        self.log("loss/train", loss)
        return loss


MISTAKE = Mistake(
    "What was seen shall have low energy: so make the energy of the data small, and leave the sum over all pictures out.",
    lambda run: (
        f"The energy of the data fell from {run.losses[0]:.1f} to {run.losses[-1]:.0f}. But minus log p of the data is "
        f"{run.metrics['loss/val']:.1f}, where log 512 = {np.log(512):.1f} is that of a machine that knows nothing."
    ),
    lambda run: run.agree and run.losses[-1] < -20 and run.metrics["loss/val"] > np.log(512),
    "Everything got lower, and one picture lowest of all: all pixels on. A height tells nothing without the rest of the land.",
    trainer={"max_epochs": 4},
    manual=EnergyAlone,
    torch=EnergyAloneInTorch,
)


def learned(run: Trained) -> str:
    """How near the least loss it came."""
    return (
        f"Minus log p of the {len(run.data.split.val[0])} pictures is {run.metrics['loss/val']:.3f}; the least there is is "
        f"{np.log(len(run.data.split.val[0])):.3f}. A picture from the machine is one of them with a probability of "
        f"{percent(run.metrics['seen/val'])}."
    )


TWIN = Twin(
    name="energy",
    manual=Manual,
    torch=Torch,
    data=BarsAndStripes,
    needs=("softmax", "hidden_layer"),
    links={"data.hidden": "model.hidden"},
    trainer={"max_epochs": 12},
    variants={"estimated": {"exact": False}},
    options={"visible": Second(8, data=lambda split: Split((split.train[0][:, :8],), (split.val[0][:, :8],)))},
    constant_draw="dreams",
    figures=figures,
    learned=learned,
    look_at=("what is probable", "which pictures come last, and whether they were shown."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("free_energy_backward", ("The slope of log(1 + eᶻ) is σ(z). And all of F has a minus in front.",)),
        Exercise("log_partition_backward", ("The slope of log-sum-exp is softmax: how probable each picture is.",)),
    ),
)

if __name__ == "__main__":
    run("energy")
