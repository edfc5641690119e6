"""Diffusion: points made of noise by taking the noise away

Both sides learn to say which noise is in the points of a ring of eight heaps. Their loss is held against the lowest there is, which is
known in closed form here, and the points that they make of pure noise against those of the best denoiser.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import Split
from experiments.data.digits import DigitsAlone
from experiments.data.ring import Ring
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, draw_both, figure
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.generative.diffusion import Diffusion as Manual
from manual.generative.diffusion import backwards, best_noise, schedule
from manual.module import no_grad
from manual.trainer import Trainer
from torch_impl.generative import diffusion as in_torch
from torch_impl.generative.diffusion import Diffusion as Torch

# ---- what is measured ----------------------------------------------------------------------------------


def says(side: Any, x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """ε̂ of a side, in its dtype, as float64; in the place of a side that of the best denoiser for these data."""
    if isinstance(side, Ring):
        return best_noise(x, schedule(50)[t], side.centres, side.std)
    with no_grad(), torch.no_grad():
        if isinstance(side, Manual):
            return np.asarray(side.denoiser(x.astype(side.denoiser.kept.dtype), t), float)
        like = next(side.parameters())
        return side.denoiser(torch.from_numpy(x).to(like), torch.from_numpy(t).to(like.device)).double().cpu().numpy()


def start(T: int, n: int, seed: int, numbers: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """x[T] (n, D) and the fresh noise of all steps, (T, n, D)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, numbers)), rng.normal(size=(T, n, numbers))


def made(side: Any, n: int = 2000, fresh: float = 1.0, seed: int = 0) -> np.ndarray:
    """The way of points from always the same noise back to a ring, (T + 1, n, D); `fresh` times the fresh noise of each step."""
    if isinstance(side, Torch):
        like = next(side.parameters())
        noise, each_step = (torch.from_numpy(a).to(like) for a in start(side.T, n, seed, side.numbers))
        return in_torch.backwards(side.denoiser, noise, fresh * each_step).double().cpu().numpy()
    kept = side.denoiser.kept if isinstance(side, Manual) else schedule(50)
    x, z = start(len(kept) - 1, n, seed, side.numbers)
    return backwards(lambda x, t: says(side, x, t), kept.astype(float), x, fresh * z)


def in_heaps(x: np.ndarray, data: Ring) -> float:
    """The part of these points that lies within 3 standard deviations of a centre."""
    return float((data.heap_of(x) >= 0).mean())


def by_time(data: Ring, T: int, n: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each t from 1 to T so many fresh points x[t], with t and ε: (T n, 2), (T n,), (T n, 2)."""
    rng = np.random.default_rng(1)
    t = np.repeat(np.arange(1, T + 1), n)
    a_bar, epsilon = schedule(T)[t][:, None], rng.normal(size=(T * n, 2))
    return np.sqrt(a_bar) * data.draw(rng, T * n) + np.sqrt(1 - a_bar) * epsilon, t, epsilon


def losses(side: Any, data: Ring, T: int = 50) -> np.ndarray:
    """The loss at each time from 1 to T, on always the same points."""
    x, t, epsilon = by_time(data, T)
    return ((says(side, x, t) - epsilon) ** 2).reshape(T, -1).mean(axis=1)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Ring) -> dict[str, Figure]:
    """The trained pair: the way there and back, its loss at each time, and the directions that it gives; and digits."""
    drawn = {"there and back": there_and_back(manual, torch_module, data)}
    if manual.T == 50:
        drawn |= {"the lowest loss": the_lowest_loss(manual, torch_module, data), "which way": which_way(manual, data)}
    return {**drawn, "digits": digits()}


def there_and_back(manual: Manual, torch_module: Torch, data: Ring) -> Figure:
    """Points on the way to noise, and noise on the way to points, on both sides."""
    ours, theirs, (real, *_) = made(manual, 1000), made(torch_module, 1000), data.split.train
    T = manual.T
    when = np.linspace(0, T, 5).round().astype(int)[[0, 1, 2, 4]]
    fig, axes = figure(
        "Above, from left to right: points become noise. Below, from right to left: noise becomes points, by hand and in torch, from the "
        f"same noise. At the end {in_heaps(ours[-1], data):.1%} (torch: {in_heaps(theirs[-1], data):.1%}) lie within 3 standard "
        "deviations of a centre; of real points 98.9%. Half way back hardly anything is to be seen of the heaps.",
        rows=3,
        columns=4,
        size=(2.4, 2.5),
    )
    rng, kept = np.random.default_rng(0), schedule(T)
    epsilon = rng.normal(size=(1000, 2))
    for column, t in enumerate(when):
        there = np.sqrt(kept[t]) * real[:1000] + np.sqrt(1 - kept[t]) * epsilon
        rows = (there, "real", "black"), (ours[T - t], "by hand", BY_HAND["color"]), (theirs[T - t], "torch", CATEGORIES[4])
        for row, (points, name, colour) in enumerate(rows):
            ax = axes[row, column]
            ax.plot(*points.T, ".", color=colour, markersize=2)
            ax.set(title=f"{name}, t = {t}", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), xticks=[], yticks=[], aspect="equal")
    return fig


def the_lowest_loss(manual: Manual, torch_module: Torch, data: Ring) -> Figure:
    """The loss at each time beside the lowest there is."""
    ours, theirs, best = (losses(side, data) for side in (manual, torch_module, data))
    t, a_bar = np.arange(1, 51), schedule(50)[1:]
    line = a_bar * data.spread**2 / (a_bar * data.spread**2 + 1 - a_bar)
    fig, axes = figure(
        f"Left: the loss at each time (band: torch, dashes: by hand), the lowest there is (black), and that of one line for all heaps "
        f"(dots). Over all times the loss is {ours.mean():.4f} by hand, {theirs.mean():.4f} in torch, {best.mean():.4f} at the lowest. "
        "Little noise can hardly be told from the scatter of a heap; much of it is nearly all that is seen. Right: loss above the lowest.",
        columns=2,
        size=(4.5, 3.5),
    )
    left, right = axes[0]
    draw_both(left, np.stack([t, ours]), np.stack([t, theirs]), "learned", CATEGORIES[1])
    left.plot(t, best, color="black", linewidth=1, label="the lowest")
    left.plot(t, line, ":", color=CATEGORIES[4], label="a line")
    left.set(title="loss at time t", xlabel="t", ylim=(0, 1.02))
    left.legend(fontsize=8)
    draw_both(right, np.stack([t, ours - best]), np.stack([t, theirs - best]), "learned", CATEGORIES[1])
    right.axhline(0, color="black", linewidth=0.8)
    right.set(title="loss above the lowest", xlabel="t")
    return fig


# ---- further reading: which way --------------------------------------------------------------------------


def which_way(manual: Manual, data: Ring) -> Figure:
    """Arrows along −ε̂ at three times."""
    fig, axes = figure(
        "Arrows from a place x[t] against the noise that is said to be in it, −ε̂: broad and pale by the best denoiser, thin and dark by "
        "the one trained by hand. At t = 40 all point to the middle: it is too early to know to which heap. At t = 10 each points to the "
        "heap that is next. Orange: the centres, times √ā.",
        columns=3,
        size=(3.5, 3.7),
    )
    xs = np.linspace(-2.8, 2.8, 13)
    grid = np.stack(np.meshgrid(xs, xs), axis=-1).reshape(-1, 2)
    for ax, t in zip(axes[0], (40, 25, 10), strict=True):
        at = np.full(len(grid), t)
        for side, look in ((data, {"color": TORCH["color"], "width": 0.013}), (manual, {"color": CATEGORIES[0], "width": 0.004})):
            arrows = -says(side, grid, at)
            ax.quiver(*grid.T, *arrows.T, angles="xy", scale_units="xy", scale=5, **look)
        ax.plot(*(np.sqrt(schedule(50)[t]) * data.centres).T, "o", color=CATEGORIES[1], markersize=5)
        ax.set(title=f"t = {t}", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), xticks=[], yticks=[], aspect="equal")
    return fig


# ---- further reading: digits -----------------------------------------------------------------------------


class Pictures(DigitsAlone):
    """Digits of 8 x 8 pixels, from −1 (paper) to 1 (ink)."""

    numbers = 64

    def load(self) -> Split:
        split = super().load()
        return Split((2 * split.train[0] - 1,), (2 * split.val[0] - 1,))

    @property
    def spread(self) -> float:
        """The root of the mean square of a pixel."""
        return float(np.sqrt((self.split.train[0] ** 2).mean()))


def of_digits(epochs: int = 150) -> Twin:
    """The same pair for pictures: 64 numbers in place of 2, and a larger network."""
    model = {"hidden": 256, "lr": 0.003, "epochs": epochs}
    return replace(TWIN, data=Pictures, data_args={"batch_size": 128}, model=model, trainer={"max_epochs": epochs}, variants={})


@cache
def learned_by_hand(epochs: int = 150) -> Manual:
    """The hand-written side, trained for itself."""
    twin, trainer, rng = of_digits(epochs), Trainer(), np.random.default_rng(0)
    (x,), model = twin.make_data().split.train, twin.build()[0]
    trainer.attach(model)
    for epoch in range(epochs):
        for batch_idx, rows in enumerate(np.array_split(rng.permutation(len(x)), len(x) // 128)):
            trainer.train_batch((x[rows],), batch_idx)
        trainer.move_schedules("epoch", epoch)
    assert isinstance(model, Manual)
    return model


def nearest(x: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the real ones is the nearest to each, (n,), and how far away it is, (n,)."""
    away = np.sqrt(np.maximum((x**2).sum(axis=1)[:, None] - 2 * x @ real.T + (real**2).sum(axis=1), 0))  # (n, N)
    return away.argmin(axis=1), away.min(axis=1)


def side_by_side(x: np.ndarray, columns: int = 10) -> np.ndarray:
    """Pictures in rows, with a line of paper between them."""
    framed = np.pad(x.reshape(-1, columns, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-1)
    return np.concatenate([np.concatenate(list(row), axis=1) for row in framed])


def digits() -> Figure:
    """Pictures of digits that were made of noise, and the real ones that are most like them."""
    split = Pictures().split
    (real,), (held_out,) = split.train, split.val
    x = made(learned_by_hand(), 40)[-1]
    which, away = nearest(x, real)
    fig, axes = figure(
        f"Left: 40 pictures of 8 x 8 pixels, made of noise by hand after 150 epochs with 1,437 digits. Right: to each the digit that it "
        f"learned from and that is the nearest. It is {away.mean():.1f} away on average; of digits that it never saw the nearest is "
        f"{nearest(held_out, real)[1].mean():.1f} away. So they are no copies, and some are no digits.",
        columns=2,
        size=(5.0, 2.4),
    )
    for ax, pictures, title in zip(axes[0], (x, real[which]), ("made of noise", "the nearest real one"), strict=True):
        ax.imshow(side_by_side(pictures), cmap="Greys", vmin=-1, vmax=1)
        ax.set(title=title, xticks=[], yticks=[])
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


SHORT: dict[str, Any] = {"model": {"epochs": 8}, "trainer": {"max_epochs": 8}}

QUESTIONS = (
    by_size(
        "ε has variance 1: who always says 0 has a loss of 1. How low does the loss of the trained network get?",
        lambda run: run.metrics["loss/val"],
        *("nearly 0", 0.15, "about a half", 0.85, "nearly 1"),
        seen="{:.3f}",
        why="Little noise on a point that scatters itself cannot be told from that scatter; much noise anybody can tell.",
        **SHORT,
        look_at=("the lowest loss", "at which times the loss is high, and how near the curves are to the black one."),
    ),
    by_size(
        "Somebody leaves out the fresh noise z on the way back. How widely are the made points spread, beside real ones?",
        lambda run: float(made(run.manual, fresh=0.0)[-1].std() / run.data.spread),
        *("clearly less", 0.8, "as widely", 1.2, "clearly more"),
        seen="{:.2f} times as widely",
        why="ε̂ is a mean over all that might be so. Who follows means alone comes together in the middle; z keeps the points as far apart "
        "as they should be.",
        **SHORT,
        look_at=("which way", "that early all arrows point to the middle, and that late there is hardly any from there."),
    ),
)

MISTAKE = Mistake(
    "A network that can tell the noise can take all of it away at once: T = 1.",
    lambda run: (
        f"With T = {run.manual.T} the made points have a standard deviation of {made(run.manual)[-1].std():.2f} (real ones "
        f"{run.data.spread:.2f}), and {in_heaps(made(run.manual)[-1], run.data):.0%} of them lie in a heap."
    ),
    lambda run: run.agree and in_heaps(made(run.manual)[-1], run.data) < 0.1,
    "Of pure noise nothing can be told but the mean of all that might be: the middle of the ring. Only after a small step is a little more "
    "to be seen.",
    model={"T": 1, "epochs": 8},
    trainer={"max_epochs": 8},
)


def learned(run: Trained) -> str:
    """The loss beside the lowest, and how many points end in a heap."""
    ours, theirs = (in_heaps(made(side)[-1], run.data) for side in (run.manual, run.torch))
    lowest = f"; the lowest there is: {losses(run.data, run.data).mean():.4f}" if run.manual.T == 50 else ""
    return (
        f"The loss is {losses(run.manual, run.data, run.manual.T).mean():.4f} by hand and "
        f"{losses(run.torch, run.data, run.manual.T).mean():.4f} in torch{lowest}. Of 2,000 points made of noise {ours:.1%} (torch: "
        f"{theirs:.1%}) lie in a heap."
    )


TWIN = Twin(
    name="diffusion",
    manual=Manual,
    torch=Torch,
    data=Ring,
    needs=("digits_mlp", "annealing", "distributions"),
    data_args={"batch_size": 256, "points": 12800, "std": 0.3},
    trainer={"max_epochs": 30, "check_val_every_n_epoch": 5},
    variants={"few steps": {"T": 7, "hidden": 11}},
    links={"data.spread": "model.spread", "data.numbers": "model.numbers"},
    options={"epochs": 3},
    figures=figures,
    further=("which way", "digits"),
    learned=learned,
    look_at=("there and back", "at which t the heaps begin to be seen on the way back."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Diffusion.backward", ("The loss is the mean of 2 N squares.",)),
        Exercise("Denoiser.backward", ("What came out of f was multiplied by gain. And x was used twice.",)),
    ),
)

if __name__ == "__main__":
    run("diffusion")
