"""A normalising flow: a cloud of noise, bent until it has the shape of the data

Eight couplings learn how probable each point of the plane is where two moons are; the density adds up to 1, and new moons are drawn by
going the other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, split_at_random, standardise
from experiments.drawing.colours import AMOUNT
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.generative.flow import Flow as Manual
from manual.module import no_grad
from torch_impl.generative.flow import Flow as Torch

REACH, STEP = 4.0, 0.04
"""Of the squares on which a density is added up."""


class TwoMoons(ArrayData):
    """Points on two half circles that reach into each other, with noise of 0.05 (scikit-learn's make_moons), standardised.

    A third is held out.

    Args:
        batch_size: points in a batch.
        seed: of the points, of the split and of the order of the batches.
        points: how many, those held out included.
    """

    def __init__(self, batch_size: int = 200, seed: int = 0, points: int = 1500) -> None:
        super().__init__(batch_size, seed)
        if points < 3:
            raise InputError(f"--data.points must be at least 3, got {points}")
        self.points = points

    def load(self) -> Split:
        from sklearn.datasets import make_moons

        x, _ = make_moons(self.points, noise=0.05, random_state=self.seed)
        return standardise(split_at_random((x,), 1 / 3, self.seed))


# ---- what is measured, on both sides -----------------------------------------------------------------


def of_side(side: Any, name: str, x: np.ndarray) -> Any:
    """What this method of a side makes of these points, in its dtype; the answer in float64."""
    if isinstance(side, Manual):
        with no_grad():
            found = getattr(side, name)(x.astype(next(side.parameters()).dtype))
        return found.astype(np.float64)
    with torch.no_grad():
        return getattr(side, name)(torch.from_numpy(x).to(next(side.parameters()))).cpu().double().numpy()


def squares(reach: float = REACH, step: float = STEP) -> np.ndarray:
    """The middles of squares that cover the plane around 0, (n², 2), row by row from below."""
    line = np.arange(-reach + step / 2, reach, step)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def density(side: Any, reach: float = REACH, step: float = STEP) -> np.ndarray:
    """p in each square, (n²,)."""
    return np.exp(of_side(side, "log_prob", squares(reach, step)))


def whole(side: Any, reach: float = REACH, step: float = STEP) -> float:
    """∫p over these squares."""
    return float(density(side, reach, step).sum() * step**2)


def samples(side: Any, n: int = 600) -> np.ndarray:
    """Points drawn from the flow, (n, 2)."""
    return of_side(side, "inverse", np.random.default_rng(0).standard_normal((n, 2)))


def there_and_back(side: Any, x: np.ndarray) -> float:
    """By how much the point that is farthest off misses itself after f and its inverse."""
    return float(np.abs(of_side(side, "inverse", forward(side, x)) - x).max())


def forward(side: Any, x: np.ndarray) -> np.ndarray:
    """z of these points, in float64."""
    if isinstance(side, Manual):
        with no_grad():
            return side(x.astype(next(side.parameters()).dtype))[0].astype(np.float64)
    with torch.no_grad():
        return side(torch.from_numpy(x).to(next(side.parameters())))[0].cpu().double().numpy()


@cache
def others(points: int, seed: int) -> dict[str, float]:
    """−log p of the held-out moons by one Gaussian, and by a Gaussian on each point (KDE), as wide as serves those held out best."""
    from scipy.stats import multivariate_normal
    from sklearn.neighbors import KernelDensity

    split = TwoMoons(seed=seed, points=points).split
    (x,), (x_val,) = split.train, split.val
    one = -multivariate_normal(x.mean(axis=0), np.cov(x.T)).logpdf(x_val).mean()
    many = min(-KernelDensity(bandwidth=width).fit(x).score(x_val) / len(x_val) for width in (0.03, 0.04, 0.05, 0.06, 0.07, 0.1))
    return {"one Gaussian": float(one), "KDE": float(many)}


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The density, the way of noise to moons, and what one coupling does."""
    return OnDemand(
        {
            "the density": lambda: the_density(manual, torch_module, data),
            "step by step": lambda: step_by_step(manual, torch_module),
            "one coupling": lambda: one_coupling(manual),
        }
    )


def the_density(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """The held-out points, and the density by hand."""
    (x,) = data.split.val
    p, by_torch = density(manual), density(torch_module)
    n = round(len(p) ** 0.5)
    apart = np.abs(p - by_torch).max() / by_torch.max()
    fig, axes = figure(
        "Left: points that were held out. Right: p(x) by hand, the brighter the more (the root of it, so that faint parts are seen). Added "
        f"up over the square it is {p.sum() * STEP**2:.5f}. torch's density differs by {apart:.0e} of its largest value. Look for bridges "
        "between the moons: a flow cannot tear the sheet.",
        columns=2,
        size=(4.4, 4.3),
        sharex=True,
        sharey=True,
    )
    left, right = axes[0]
    left.plot(*x.T, "o", color="black", markersize=2)
    left.set(title="held-out points", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
    right.imshow(np.sqrt(p).reshape(n, n), cmap=AMOUNT, origin="lower", extent=(-REACH, REACH, -REACH, REACH))
    right.set(title="√p(x), by hand", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
    return fig


def step_by_step(manual: Manual, torch_module: Torch) -> Figure:
    """The same noise after each second coupling that is undone, on both sides."""
    z = np.random.default_rng(0).standard_normal((500, 2))
    stages = [(z, z)]
    count = len(manual.couplings)
    undone = list(range(count, 0, -2))
    for last in undone:
        ours, theirs = stages[-1]
        for k in reversed(range(max(last - 2, 0), last)):
            ours = of_side_of_coupling(manual, k, ours)
            theirs = of_side_of_coupling(torch_module, k, theirs)
        stages.append((ours, theirs))
    fig, axes = figure(
        "Five hundred points of noise on their way to the moons (large: torch, small: by hand; bright: on the right at the start). Each "
        "panel undoes two couplings more, the last first. Each only stretches and shifts along one axis, and yet the cloud is bent in two.",
        columns=len(stages),
        size=(2.5, 2.8),
    )
    for i, (ax, (ours, theirs)) in enumerate(zip(axes[0], stages, strict=True)):
        ax.scatter(*theirs.T, s=22, color=TORCH["color"], linewidths=0)
        ax.scatter(*ours.T, s=5, c=z[:, 0], cmap=AMOUNT, linewidths=0)
        ax.set(title="noise" if i == 0 else f"{min(2 * i, count)} undone", xticks=[], yticks=[])
    return fig


def of_side_of_coupling(side: Any, k: int, y: np.ndarray) -> np.ndarray:
    """What this coupling of a side undoes, in float64."""
    if isinstance(side, Manual):
        return side.couplings[k].inverse(y.astype(next(side.parameters()).dtype)).astype(np.float64)
    with torch.no_grad():
        return side.couplings[k].inverse(torch.from_numpy(y).to(next(side.parameters()))).cpu().double().numpy()


def one_coupling(manual: Manual) -> Figure:
    """A lattice before and after the first coupling, and how much it stretches where."""
    lines = np.linspace(-2, 2, 17)
    fine = np.linspace(-2, 2, 200)
    coupling = manual.couplings[0]
    dtype = next(manual.parameters()).dtype
    fig, axes = figure(
        "The first coupling keeps a. Left: a lattice. Middle: where it goes. Each vertical line stays where it is, and is stretched by e^s "
        "and shifted by t. Right: s, which is log det: above 0 there is more room than before, and the density at x counts for more.",
        columns=3,
        size=(3.6, 3.5),
    )
    for ax, moved in zip(axes[0, :2], (False, True), strict=True):
        for at in lines:
            for upright in (True, False):
                x = np.stack([np.full_like(fine, at), fine] if upright else [fine, np.full_like(fine, at)], axis=1).astype(dtype)
                with no_grad():
                    y = coupling(x)[0] if moved else x
                ax.plot(*y.T, color=BY_HAND["color"] if upright else "black", linewidth=0.7)
        ax.set(title="after the coupling" if moved else "before", xlabel="a")
    axes[0, 0].set_ylabel("b")
    with no_grad():
        s = coupling(np.stack([fine, 0 * fine], axis=1).astype(dtype))[1]
    axes[0, 2].plot(fine, s, color=BY_HAND["color"])
    axes[0, 2].axhline(0, color="black", linewidth=0.8)
    axes[0, 2].set(title="s = log det", xlabel="a")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


QUESTIONS = (
    by_size(
        "Nothing made the density of an untrained flow add up to 1. After one epoch, what is it over a large square?",
        lambda run: whole(run.manual, 12.0, 0.06),
        *("nearly 0", 0.5, "less than 1, but not by far", 0.9, "1", 1.1, "more"),
        seen="{:.4f}",
        why="Bending a sheet takes nothing off it and adds nothing: log det sees to that, whatever the weights are.",
        trainer={"max_epochs": 1},
        look_at=("one coupling", "how the squares of the lattice become larger here and smaller there."),
    ),
    by_size(
        "Points go forward through all couplings, and back. How far from where they were do they come out, at most?",
        lambda run: there_and_back(run.manual, run.data.split.val[0]),
        *("nowhere else: off by rounding alone", 1e-9, "by about a thousandth", 0.03, "somewhere else"),
        seen="{:.0e}",
        why="What is kept tells s and t again, so that each coupling is undone exactly, whatever its network computes.",
        trainer={"max_epochs": 1},
        look_at=("step by step", "that both sides undo the same steps."),
    ),
    by_size(
        "Two couplings in place of eight. One Gaussian has −log p = 2.72 on the moons, eight couplings 1.3. And two?",
        lambda run: run.metrics["loss/val"],
        *("about 1.3, too", 1.5, "in between", 2.65, "2.72, as one Gaussian"),
        seen="{:.2f}",
        why="Two bend each axis once. A sheet that is bent once each way is no two moons yet.",
        model={"couplings": 2, "epochs": 40},
        trainer={"max_epochs": 40},
        look_at=("step by step", "how much of the bending is done by two couplings."),
    ),
)


class Squeezed(Manual):
    """The gradient of log det is forgotten."""

    def walk_back(self, dL_dz: np.ndarray, dL_dlog_det: np.ndarray) -> None:
        super().walk_back(dL_dz, 0 * dL_dlog_det)


class SqueezedInTorch(Torch):
    """The same in torch."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z, log_det = super().forward(x)
        return z, log_det.detach()


MISTAKE = Mistake(
    "The data are to become noise from Normal(0, 1). So make log N(z) large; log det is only bookkeeping.",
    lambda run: (
        f"After {len(run.losses)} steps −log N(z) is {-log_n(run):.2f}, the least there can be is {np.log(2 * np.pi):.2f}: all points "
        f"lie in the middle. But −log p(x) of held-out points is {run.metrics['loss/val']:.1f}, and it began at {run.losses[0]:.1f}."
    ),
    lambda run: run.agree and -log_n(run) < 1.95 and run.metrics["loss/val"] > run.losses[0],
    "To squeeze everything into one point makes N(z) as large as can be. log det is the price: where the sheet is squeezed, the data lie "
    "less densely than it seems.",
    model={"epochs": 15},
    trainer={"max_epochs": 15},
    manual=Squeezed,
    torch=SqueezedInTorch,
)


def log_n(run: Trained) -> float:
    """The mean of log N(z) of the held-out points, without log det."""
    z = forward(run.manual, run.data.split.val[0])
    return float(-(z**2).sum(axis=1).mean() / 2 - np.log(2 * np.pi))


def learned(run: Trained) -> str:
    """How probable held-out points are, beside what others say; and what the density adds up to."""
    by = others(run.data.points, run.data.seed)
    return (
        f"Held-out points have −log p = {run.metrics['loss/val']:.3f} on average. One Gaussian has {by['one Gaussian']:.3f}, a Gaussian "
        f"on each point (KDE) {by['KDE']:.3f}. The density adds up to {whole(run.manual):.5f}, and f is undone to "
        f"{there_and_back(run.manual, run.data.split.val[0]):.0e}."
    )


TWIN = Twin(
    name="flow",
    manual=Manual,
    torch=Torch,
    data=TwoMoons,
    needs=("digits_mlp", "multivariate_normal"),
    trainer={"max_epochs": 150, "check_val_every_n_epoch": 5},
    variants={"three couplings": {"couplings": 3, "hidden": 7}},
    options={"epochs": 3},
    figures=figures,
    learned=learned,
    look_at=("the density", "whether the moons on the right have the width of those on the left."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Coupling.backward", ("b has one way to L, through b′. s has two.",)),
        Exercise("Flow.backward", ("L is minus the mean of −½ z² and of log det.",)),
    ),
)

if __name__ == "__main__":
    run("flow")
