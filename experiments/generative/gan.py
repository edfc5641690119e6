"""GAN: two networks that learn by playing against each other

A generator learns to make the eight heaps of a ring from what a discriminator thinks of its points, on both sides; beside it the smallest
GAN, two numbers whose walk is known in closed form, what a discriminator can know at best, and mode collapse.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import norm

from experiments import run
from experiments.data.ring import Ring
from experiments.drawing.colours import BETWEEN, CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.written import label_lines
from experiments.judge.convert import load_in_torch
from experiments.judge.naming import Naming
from experiments.judge.noise import SharedNoise, share_hand
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual import optim
from manual.generative import gan as by_hand
from manual.generative.gan import GAN as Manual
from manual.generative.gan import best_probability, smallest
from manual.module import no_grad
from manual.nn.functional import sigmoid
from manual.trainer import Trainer
from torch_impl.generative import gan as in_torch
from torch_impl.generative.gan import GAN as Torch

# ---- what is measured ----------------------------------------------------------------------------------


def made(side: Any, n: int = 2000) -> np.ndarray:
    """Points that a side makes of always the same noise, (n, 2)."""
    z = np.random.default_rng(0).normal(size=(n, side.noise))
    with no_grad(), torch.no_grad():
        if isinstance(side, Manual):
            return np.asarray(side.g(z.astype(side.z.dtype)), float)
        like = next(side.parameters())
        return side.g(torch.from_numpy(z).to(like)).double().cpu().numpy()


def in_heaps(side: Any, data: Ring) -> np.ndarray:
    """How many of 2,000 made points lie in each heap, (heaps,)."""
    heap = data.heap_of(made(side))
    return np.bincount(heap[heap >= 0], minlength=data.heaps)


def reached(side: Any, data: Ring) -> int:
    """How many heaps have at least a quarter of the points that are due to them."""
    return int((in_heaps(side, data) >= 2000 / data.heaps / 4).sum())


def largest_share(side: Any, data: Ring) -> float:
    """Of the points that lie in heaps, the part in the fullest."""
    counts = in_heaps(side, data)
    return float(counts.max() / max(counts.sum(), 1))


P, Q = norm(-1, 0.6), norm(1, 1.2)
"""Where real points and made ones come from, for a discriminator that has nothing to do but to learn: on a line."""


@cache
def learned_alone(steps: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A discriminator on a line, trained on both sides on 400 points of P and 400 of Q, evenly spread over what is probable.

    Returns:
        Places, and the probability of "real" that it gives them, by hand and in torch.
    """
    parts = (np.arange(400) + 0.5) / 400
    real, fake = P.ppf(parts)[:, None], Q.ppf(parts)[:, None]
    ours = by_hand.network(1, 32, 1, np.random.default_rng(0), np.float64)
    theirs = in_torch.network(1, 32, 1).double()
    load_in_torch(Naming({}), theirs, ours.state_dict())
    optimizers = optim.Adam(ours.parameters(), lr=0.01), torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
        dL_dreal, dL_dmade = by_hand.discriminator_loss_backward(1.0, ours(real), ours(fake))
        ours.backward(dL_dmade)
        ours.backward(dL_dreal)
        with torch.enable_grad():
            in_torch.discriminator_loss(theirs(torch.from_numpy(real)), theirs(torch.from_numpy(fake))).backward()
        for optimizer in optimizers:
            optimizer.step()
    places = np.linspace(-3, 4, 141)
    with no_grad(), torch.no_grad():
        return places, sigmoid(ours(places[:, None]))[:, 0], theirs(torch.from_numpy(places[:, None])).sigmoid().numpy()[:, 0]


@cache
def snapshots(g_steps: int, when: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """What g has made after so many batches, by hand."""
    data = Ring()
    model, _ = TWIN.having({"g_steps": g_steps}).build(seed)
    noise, rng, trainer, found = SharedNoise(seed), np.random.default_rng(seed), Trainer(), list[np.ndarray]()
    share_hand(model, noise)
    trainer.attach(model)
    for number in range(1, when[-1] + 1):
        noise.begin(number)
        trainer.train_batch((data.draw(rng, 128),), 0)
        if number in when:
            found.append(made(model, 500))
    return found


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Ring) -> Mapping[str, Figure]:
    """The trained pair; and, whatever was trained, mode collapse, the smallest GAN, and the best discriminator."""
    return OnDemand(
        {
            "the ring": lambda: the_ring(manual, torch_module, data),
            "mode collapse": lambda: mode_collapse(),
            "the best discriminator": lambda: the_best_discriminator(),
            "round and round": lambda: round_and_round(),
        }
    )


def draw_points(ax: Any, x: np.ndarray, title: str, colour: str) -> None:
    """Points, in a window that holds the ring."""
    ax.plot(*x.T, ".", color=colour, markersize=2.5)
    ax.set(title=title, xlim=(-3.2, 3.2), ylim=(-3.2, 3.2), xticks=[], yticks=[], aspect="equal")


def the_ring(manual: Manual, torch_module: Torch, data: Ring) -> Figure:
    """Real points, and those that both sides make; behind these what d thinks."""
    ours, theirs = in_heaps(manual, data), in_heaps(torch_module, data)
    fig, axes = figure(
        f"Left: real points. Middle and right: what both sides make of the same noise. {ours.sum() / 2000:.0%} (torch: "
        f"{theirs.sum() / 2000:.0%}) of it lies within 3 standard deviations of a centre (of real points 99%); {reached(manual, data)} and "
        f"{reached(torch_module, data)} of {data.heaps} heaps get a quarter of their due or more. Bridges stay: noise is one cloud, and g "
        'cannot tear it. Behind, what d says: blue is "real", orange "made", white a guess.',
        columns=3,
        size=(3.6, 3.9),
    )
    draw_points(axes[0, 0], data.split.train[0][:1000], "real", "black")
    grid = np.stack(np.meshgrid(np.linspace(-3.2, 3.2, 80), np.linspace(-3.2, 3.2, 80)), axis=-1).reshape(-1, 2)
    with no_grad(), torch.no_grad():
        says = (
            sigmoid(manual(grid.astype(manual.z.dtype))),
            torch_module(torch.from_numpy(grid).to(next(torch_module.parameters()))).sigmoid().cpu().numpy(),
        )
    for ax, side, d, name in zip(axes[0, 1:], (manual, torch_module), says, ("by hand", "torch"), strict=True):
        ax.imshow(d.reshape(80, 80), cmap=BETWEEN, vmin=0, vmax=1, extent=(-3.2, 3.2, -3.2, 3.2), origin="lower", alpha=0.6)
        draw_points(ax, made(side, 1000), f"made, {name}", "black")
    return fig


IN_TURN, AHEAD = (50, 100, 200, 300), (60, 100, 130, 140)
"""After how many batches one looks: with one step of g for one of d, and with ten."""


def mode_collapse() -> Figure:
    """What g makes on its way, with one step for one of d's, and with ten."""
    fig, axes = figure(
        "What g has made after some batches, trained by hand; grey: real points. Above, one step of g for each of d: the points find all "
        "heaps. Below, ten steps of g for each of d: all points run to where d's score is highest just now, nearly to one point. When d "
        "has learned that this place is made, they run on, together. That is mode collapse.",
        rows=2,
        columns=4,
        size=(2.5, 2.7),
    )
    real = TWIN.make_data().split.train[0][:600]
    for row, g_steps, when in zip(axes, (1, 10), (IN_TURN, AHEAD), strict=True):
        for ax, number, y in zip(row, when, snapshots(g_steps, when), strict=True):
            ax.plot(*real.T, ".", color="#c8c8c8", markersize=2)
            draw_points(ax, y, f"{g_steps} : 1, {number} batches", CATEGORIES[0])
    return fig


def the_best_discriminator() -> Figure:
    """What a discriminator learns beside p/(p + q)."""
    places, ours, theirs = learned_alone()
    p, q = P.pdf(places), Q.pdf(places)
    far = np.abs(ours - best_probability(p, q))[p + q > 0.05].max()
    fig, axes = figure(
        "Points on a line, for a discriminator that learns alone. Left: the density p of real points and q of made ones. Right: the "
        f'probability of "real" that it has learned (band: torch, dashes: by hand), and p/(p + q), dotted. Where p + q is above 0.05 it '
        f"is off by {far:.2f} at most. Where p and q cross it says ½.",
        columns=2,
        size=(4.4, 3.4),
    )
    left, right = axes[0]
    for density, name, colour in ((p, "p: real", CATEGORIES[4]), (q, "q: made", CATEGORIES[1])):
        left.plot(places, density, color=colour, label=name)
    left.legend(fontsize=8)
    left.set(title="where points come from", xlabel="x", ylabel="density")
    right.plot(places, theirs, **TORCH, label="torch")
    right.plot(places, ours, **BY_HAND, label="by hand")
    right.plot(places, best_probability(p, q), ":", color="black", label="p/(p + q)")
    right.axhline(0.5, color="black", linewidth=0.6)
    right.set(title='probability of "real"', xlabel="x", ylim=(-0.05, 1.05))
    right.legend(fontsize=8)
    return fig


# ---- further reading: the smallest GAN -----------------------------------------------------------------

WALKS: dict[str, dict[str, Any]] = {"at once": {"in_turn": False}, "in turn": {}, "in turn, at a price": {"price": 0.1}}
"""Ways to walk of the smallest GAN."""

LR = 0.2
"""Their step size."""


@cache
@torch.enable_grad()
def walks(start: float, steps: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The walks from θ = start, ψ = 0: by hand and in torch, (steps + 1, 2) each."""
    return {
        name: (smallest(start, 0.0, LR, steps, **of), in_torch.smallest(start, 0.0, LR, steps, **of).numpy()) for name, of in WALKS.items()
    }


def round_and_round() -> Figure:
    """The walks of the smallest GAN, and how far they are from the equilibrium beside the closed form."""
    fig, axes = figure(
        f"The smallest GAN, lr = {LR} (bands: torch, dashes: by hand). Left: the walks of θ and ψ from θ = 1, ψ = 0. Right: how far they "
        "are from the equilibrium when they begin near it, as a multiple of where they began; black: the closed forms. Stepping at once "
        "they leave it, by √(1 + lr²/4) a step; stepping in turn they circle; at a price, γ = 0.1, they arrive.",
        columns=2,
        size=(4.6, 4.2),
    )
    left, right = axes[0]
    colours = dict(zip(WALKS, (CATEGORIES[3], CATEGORIES[1], CATEGORIES[2]), strict=True))
    steps = np.arange(301)
    closed = {"at once": (1 + LR**2 / 4) ** (steps / 2), "in turn": None, "in turn, at a price": (1 - LR * 0.1) ** (steps / 2)}
    for name, colour in colours.items():
        ours, theirs = (path.T for path in walks(1.0, 150)[name])
        draw_both(left, ours, theirs, name, colour)
        ours, theirs = (np.stack([steps, np.linalg.norm(path, axis=1) / 1e-6]) for path in walks(1e-6, 300)[name])
        draw_both(right, ours, theirs, name, colour)
        if closed[name] is not None:
            right.plot(steps, closed[name], color="black", linewidth=0.8, linestyle=":")
    left.plot(0, 0, "*", color="black", markersize=12)
    left.set(title="the walks", xlabel="θ, what g makes", ylabel="ψ, the slope of d", aspect="equal")
    right.set(title="distance from the equilibrium", xlabel="step", yscale="log")
    label_lines(right)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def g_from_first_to_last(run: Trained) -> float:
    """The mean of the last fifty losses of g, over its first."""
    of_g = [loss for loss, optimizer in zip(run.losses, run.optimizers, strict=True) if optimizer == 1]
    return float(np.mean(of_g[-50:]) / of_g[0])


SHORT = {"trainer": {"max_epochs": 8}}

QUESTIONS = (
    by_size(
        "The game is over. How probable does d think it, on average, that a real point which it never saw is real?",
        lambda run: run.metrics["real_is_real/val"],
        *("about a half", 0.62, "about three quarters", 0.87, "nearly certain"),
        seen="{:.2f}",
        why="Where as many points are made as there are real ones, nobody can do better than to guess: p/(p + q) is a half.",
        **SHORT,
        look_at=("the ring", "how near to white the plane is where the heaps are."),
    ),
    by_size(
        "g's points get better and better. What has its loss done, from its first step to the last fifty?",
        g_from_first_to_last,
        *("it is below half of the first", 0.5, "it ends about where it began", 2.0, "it has more than doubled"),
        seen="it is {:.2f} times the first",
        why="At first d knows nothing, and in the end it can know nothing: both times it guesses, and g pays log 2 = 0.69.",
        **SHORT,
    ),
)

MISTAKE = Mistake(
    "The better g is against the d of this moment, the better are its points: ten steps of g for each of d.",
    lambda run: (
        f"With ten steps of g for each of d {reached(run.manual, run.data)} of {run.data.heaps} heaps are reached, and of the made points "
        f"that lie in a heap {largest_share(run.manual, run.data):.0%} lie in one."
    ),
    lambda run: run.agree and largest_share(run.manual, run.data) > 0.6,
    "Against a d that stands still the best is to put all points where its score is highest. It is the next step of d that says no.",
    model={"g_steps": 10},
    trainer={"max_epochs": 3},
)


def learned(run: Trained) -> str:
    """How many heaps both sides reach, and what d still knows."""
    ours, theirs = (reached(side, run.data) for side in (run.manual, run.torch))
    return (
        f"By hand {ours} and in torch {theirs} of {run.data.heaps} heaps are reached; {in_heaps(run.manual, run.data).sum() / 2000:.0%} "
        f"of the made points lie in one. d's loss is {run.metrics['loss/val']:.3f}; who can only guess pays 2 log 2 = {2 * np.log(2):.3f}."
    )


TWIN = Twin(
    name="gan",
    manual=Manual,
    torch=Torch,
    data=Ring,
    needs=("digits_mlp", "optimizers", "distributions"),
    trainer={"max_epochs": 20, "check_val_every_n_epoch": 4},
    variants={"several steps": {"d_steps": 2, "g_steps": 3, "hidden": 11, "noise": 3}},
    objectives=("d_loss", "g_loss"),
    figures=figures,
    further=("round and round",),
    learned=learned,
    look_at=("the ring", "whether every heap has its points, and how near d is to ½ there."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("generator_loss_backward", ("The slope of softplus(s) is σ(s); here it is softplus(−s), and a mean.",)),
        Exercise("discriminator_loss_backward", ("Real points are as in the other loss. Made ones have softplus(s).",)),
        Exercise("GAN.d_loss_backward", ("d was asked twice: its last answer goes back first.",)),
        Exercise("GAN.g_loss_backward", ("From the score through d to the points, from the points through g.",)),
    ),
)

if __name__ == "__main__":
    run("gan")
