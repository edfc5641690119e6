"""A mixture of bell curves: groups with a width, a weight, and doubt

Three bells find the three kinds of iris, whose names they are not told: by expectation and maximisation, and by gradient descent on the
same loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, split_at_random, standardise
from experiments.data.iris import iris
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import Path, walk
from experiments.drawing.words import percent
from experiments.drawing.written import label_lines
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.unsupervised.k_means import kmeans_plus_plus
from manual.unsupervised.mixture import Mixture as Manual
from manual.unsupervised.mixture import responsibilities, surprise
from torch_impl.unsupervised.mixture import Mixture as Torch


class Flowers(ArrayData):
    """Four lengths of 150 irises, standardised, without the names of their three kinds; a fifth is held out.

    Args:
        batch_size: flowers in a batch; 0 puts all of them into one, as EM needs.
        seed: of the split and of the start.
        k: how many components.

    Attributes:
        kinds: of the flowers that are learned from: 0 setosa, 1 versicolor, 2 virginica.
        centres: some of the flowers, as k-means++ chooses them: where the middles begin, k rows.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0, k: int = 3) -> None:
        super().__init__(batch_size, seed)
        if not 1 <= k <= 60:
            raise InputError(f"--data.k must be at least 1 and at most 60, got {k}")
        self.k = k

    def load(self) -> Split:
        split = standardise(split_at_random(iris(), 0.2, self.seed))
        return Split(split.train[:1], split.val[:1])

    @property
    def kinds(self) -> np.ndarray:
        return split_at_random(iris(), 0.2, self.seed).train[1]

    @property
    def centres(self) -> list[list[float]]:
        return start_at(self.split.train[0], self.k, self.seed).tolist()


def start_at(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The first middles, (k, D)."""
    return kmeans_plus_plus(x, k, np.random.default_rng(seed).random(k))


# ---- what is measured ----------------------------------------------------------------------------------


def named_right(manual: Manual, data: Flowers) -> float:
    """If each component is named after the kind that is commonest where it is the likeliest: what part of the flowers is named right."""
    (x,) = data.split.train
    k, kinds = manual(x).argmax(axis=1), data.kinds[: len(x)]
    return sum(np.bincount(kinds[k == j]).max() for j in np.unique(k)) / len(x)


@cache
def walked(optimizer: str, steps: int = 60) -> tuple[Path, Path]:
    """Where both sides are before and after each step on all flowers that are learned from."""
    data = Flowers()
    arguments: dict[str, Any] = {"start": data.centres, "optimizer": optimizer}
    return walk(Manual(**arguments), Torch(**arguments), data.split.train, steps)


def losses(path: Path, x: np.ndarray) -> np.ndarray:
    """L at each place of a path."""
    return np.array([surprise(x, *parts) for parts in zip(path["a"], path["mu"], path["s"], strict=True)])


NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16, 24)


@cache
def with_so_many(k: int, seeds: int = 4) -> tuple[float, float]:
    """The loss of those that were learned from and of those held out, after 60 rounds of EM by hand: means over splits."""
    found = []
    for seed in range(seeds):
        data = Flowers(seed=seed, k=k)
        model = Manual(data.centres)
        optimizer = model.configure_optimizers()
        for _ in range(60):
            model.zero_grad()
            model.training_step(data.split.train, 0)
            model.backward()
            optimizer.step()
        found.append([surprise(part[0], *model.parts()) for part in (data.split.train, data.split.val)])
    learned_from, held_out = np.mean(found, axis=0)
    return float(learned_from), float(held_out)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Flowers) -> Mapping[str, Figure]:
    """The bells of the trained pair; and, whatever was trained, two ways down, the end of all doubt, and how many bells."""
    return OnDemand(
        {
            "the bells": lambda: the_bells(manual, torch_module, data),
            "two ways down": lambda: two_ways_down(),
            "the end of doubt": lambda: the_end_of_doubt(),
            "how many": lambda: how_many(),
        }
    )


def the_bells(manual: Manual, torch_module: Torch, data: Flowers) -> Figure:
    """The petals, and of each bell the ellipse of two standard deviations: at the start and at the end."""
    (x,) = data.split.train
    trained = [to.detach().cpu().double().numpy() for to in (torch_module.mu, torch_module.s)]
    start = np.array(data.centres)
    doubt = (manual(x).max(axis=1) < 0.9).sum()
    fig, axes = figure(
        f"{len(x)} flowers by two of their four lengths; the bells as ellipses of two standard deviations (bands: torch, dashes: by hand), "
        f"at the start and at the end. A flower has the colour of its likeliest bell; ringed are those of which no bell has 90 %, {doubt} "
        "at the end. Look where they lie.",
        columns=2,
        size=(4.6, 4.0),
    )
    ends = ((start, np.zeros_like(start)),) * 2, (trained, (manual.mu.data, manual.s.data))
    r = responsibilities(x, np.zeros(len(start)), start, np.zeros_like(start)), manual(x)
    colours = np.array([CATEGORIES[i % 3] for i in range(len(start))])
    for ax, (theirs, ours), r_at, title in zip(axes[0], ends, r, ("the start", "the end"), strict=True):
        for (mu, s), look in ((theirs, TORCH), (ours, BY_HAND)):
            for k in range(len(mu)):
                size = 4 * np.exp(s[k, 2:] / 2)  # two standard deviations to either side
                ellipse = Ellipse(tuple(mu[k, 2:]), *size, fill=False, edgecolor=look["color"])
                ellipse.set(linewidth=look["linewidth"], linestyle=look.get("linestyle", "-"))
                ax.add_patch(ellipse)
        ax.scatter(*x[:, 2:].T, s=10, color=colours[r_at.argmax(axis=1)], zorder=3)
        unsure = r_at.max(axis=1) < 0.9
        ax.scatter(*x[unsure, 2:].T, s=50, facecolors="none", edgecolors="black", linewidth=0.8, zorder=4)
        ax.set(title=title, xlabel="length of petal, standardised", xlim=(-3, 3), ylim=(-3, 3))
    axes[0, 0].set_ylabel("width of petal, standardised")
    return fig


def two_ways_down() -> Figure:
    """The loss step by step, by EM and by Adam."""
    (x,) = Flowers().split.train
    ends = {name: losses(walked(name)[0], x)[-1] for name in ("em", "adam")}
    fig, axes = figure(
        f"The same loss from the same start, by EM and by Adam (bands: torch, dashes: by hand). EM has no step size and never rises; after "
        f"60 steps it is at {ends['em']:.3f}, Adam at {ends['adam']:.3f}. Both follow the same gradient: only how far each number goes is "
        "another.",
        size=(5.6, 3.6),
    )
    ax = axes[0, 0]
    for name, label, colour in (("em", "EM", CATEGORIES[0]), ("adam", "Adam", CATEGORIES[1])):
        ours, theirs = (losses(path, x) for path in walked(name))
        draw_both(ax, ours, theirs, label, colour)
    ax.set(title="two ways down", xlabel="step", ylabel="loss")
    label_lines(ax)
    return fig


VARIANCES = (1.0, 0.25, 0.05, 0.001)


def the_end_of_doubt() -> Figure:
    """The responsibility of one of two bells for points on a line, with smaller and smaller variances."""
    at = np.linspace(-2, 2, 201)[:, None]
    fig, axes = figure(
        "Two equally heavy bells at −1 and 1 with one variance v, and how far the right one is responsible for a point in between. With "
        "v = 1 there is much doubt; as v goes to 0 the curve becomes a stair: all to the nearest. That is k-means.",
        size=(5.6, 3.4),
    )
    ax = axes[0, 0]
    for v, colour in zip(VARIANCES, CATEGORIES, strict=False):
        r = responsibilities(at, np.zeros(2), np.array([[-1.0], [1.0]]), np.full((2, 1), np.log(v)))
        ax.plot(at[:, 0], r[:, 1], color=colour, label=f"v = {v:g}")
    ax.set(title="responsibility of the right bell", xlabel="point", ylim=(-0.03, 1.03))
    ax.legend(fontsize=8, loc="upper left")
    return fig


def how_many() -> Figure:
    """The loss against the number of bells."""
    found = np.array([with_so_many(k) for k in NUMBERS])
    best = NUMBERS[int(found[:, 1].argmin())]
    fig, axes = figure(
        f"The loss after 60 rounds of EM against the number of bells, by hand, a mean over four splits. Of those that were learned from it "
        f"falls and falls. Of those held out it is {found[2, 1]:.2f} for three, lowest for {best} ({found[:, 1].min():.2f}), and for "
        f"{NUMBERS[-1]} {found[-1, 1]:.2f}: bells over a handful of flowers are high there, and low everywhere else.",
        size=(5.6, 3.6),
    )
    ax = axes[0, 0]
    for part, (label, colour) in enumerate((("learned from", CATEGORIES[0]), ("held out", CATEGORIES[1]))):
        ax.plot(NUMBERS, found[:, part], "o-", color=colour, label=label)
    ax.set(title="how many bells?", xlabel="components, K", ylabel="loss")
    label_lines(ax)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def doubtful(run: Trained) -> float:
    """The part of the flowers for which no component has a responsibility of 99 %."""
    return float((run.manual(run.data.split.train[0]).max(axis=1) < 0.99).mean())


QUESTIONS = (
    by_size(
        "Each component is named after its commonest kind of iris. How many of the flowers are named right?",
        lambda run: named_right(run.manual, run.data),
        *("about a third, as by chance", 0.5, "about two thirds", 0.8, "about nine in ten"),
        seen="{:.1%} of them",
        why="The kinds are three heaps, of which two touch: there flowers are named wrongly.",
        look_at=("the bells", "which flowers are ringed, and where they lie."),
    ),
    by_size(
        "Of how many flowers is the mixture not sure: no component has a responsibility of 99 %?",
        doubtful,
        *("of none", 0.005, "of some, fewer than a half", 0.5, "of most"),
        seen="of {:.0%}",
        why="Doubt there is only where two bells are about equally high; most flowers lie deep in one.",
        look_at=("the bells", "the ringed flowers: they lie between two bells."),
    ),
    by_size(
        "In how many of the 30 steps of EM does the loss rise?",
        lambda run: float((np.diff(run.losses) > 1e-9).sum()),
        *("in none", 0.5, "in a few", 10, "in about every second"),
        seen="in {:.0f}",
        why="With r taken for given, M finds the best answer, and the loss lies nowhere above what M lowers.",
        look_at=("two ways down", "the curve of EM: it has no bump."),
    ),
)

MISTAKE = Mistake(
    "The smaller the loss the better the mixture: 20 bells are better than three.",
    lambda run: (
        f"With {run.data.k} bells the loss of the {len(run.data.split.train[0])} flowers that were learned from is "
        f"{run.losses[-1]:.2f}, and that of the held-out ones {run.metrics['loss/val']:.2f}: three bells have "
        f"{with_so_many(3, 1)[0]:.2f} and {with_so_many(3, 1)[1]:.2f}."
    ),
    lambda run: run.losses[-1] < with_so_many(3, 1)[0] and run.metrics["loss/val"] > with_so_many(3, 1)[1] + 1,
    "A bell over few points is narrow and high there: the loss has no lowest value. What was held out tells how many are enough.",
    data={"k": 20},
    trainer={"max_epochs": 40},
)


def learned(run: Trained) -> str:
    """What the loss is, and how many flowers are named right."""
    return (
        f"The loss fell from {run.losses[0]:.3f} to {run.losses[-1]:.3f}; of held-out flowers it is {run.metrics['loss/val']:.3f}. Named "
        f"after its commonest kind, each bell names {percent(named_right(run.manual, run.data))} of the flowers right."
    )


TWIN = Twin(
    name="mixture",
    manual=Manual,
    torch=Torch,
    data=Flowers,
    needs=("k_means", "softmax"),
    links={"data.centres": "model.start"},
    trainer={"max_epochs": 30},
    variants={"by Adam": {"optimizer": "adam"}},
    options={"lr": Second(0.02, given={"optimizer": "adam"}), "least": 0.1},
    figures=figures,
    learned=learned,
    look_at=("the bells", "which flowers no bell is sure of."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("responsibilities", ("The height of each bell over the sum of all, from their logs.",)),
        Exercise("surprise_backward", ("The slope of log-sum-exp is softmax. And L is minus a mean.",)),
        Exercise("log_joint_backward", ("A bell's log height is −½ (away²/v + s), with v = exp(s): s stands there twice.",)),
    ),
)

if __name__ == "__main__":
    run("mixture")
