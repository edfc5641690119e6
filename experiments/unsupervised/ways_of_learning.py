"""Three ways of learning: told the answer, told nothing, told only whether it was right

Three small pupils of one make learn from the same flowers. The first is told the kind of each, the second nothing, the third whether its
own answer was right.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split, split_at_random
from experiments.data.changes import first_columns
from experiments.data.iris import iris
from experiments.drawing.colours import CATEGORIES, MARKERS, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import Path, walk
from experiments.drawing.written import label_lines, write_numbers
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lesson import ByLargest, Exercise, Mistake, Trained, by_size
from experiments.lesson import Question as Asked
from experiments.pair import Second, Twin
from manual.unsupervised.ways_of_learning import ThreePupils as Manual
from manual.unsupervised.ways_of_learning import named, reinforcement_backward, scores, supervised_backward, unsupervised_backward
from torch_impl.unsupervised.ways_of_learning import ThreePupils as Torch

WAYS = ("supervised", "unsupervised", "reinforcement")
PULLS = ("y − p", "h", "(reward − baseline) · (a − p)")
KINDS = ("setosa", "versicolor", "virginica")


class Flowers(ArrayData):
    """The 150 irises: four lengths in cm, less the mean of each; a fifth is held out, all others are one batch.

    Args:
        batch_size: flowers in a batch; 0 puts all of them into one.
        seed: of the split.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        (x, c), (x_val, c_val) = (lambda split: (split.train, split.val))(split_at_random(iris(), 0.2, self.seed))
        return Split((x - x.mean(axis=0), c), (x_val - x.mean(axis=0), c_val))


# ---- what is measured, on both sides -----------------------------------------------------------------


@cache
def paths(steps: int = 200) -> tuple[Path, Path]:
    """Where the centres of all three were after each step, by hand and in torch."""
    ours, theirs = TWIN.build()
    share_hand(ours, SharedNoise(0))
    share_torch(theirs, SharedNoise(0))
    return walk(ours, theirs, Flowers().split.train, steps)


def told_right(way: str, w: np.ndarray, x: np.ndarray, c: np.ndarray) -> float:
    """The part of these flowers that a pupil with these centres tells right, the groups of the second called by their commonest kind."""
    z = scores(x, w)
    return float(named(z, c) if way == "unsupervised" else np.mean(z.argmax(axis=1) == c))


def pulls(w: np.ndarray, x: np.ndarray, c: np.ndarray, a: np.ndarray, baseline: float) -> dict[str, np.ndarray]:
    """What each way does to the centres for each flower, all with the same centres, (N, K)."""
    z, N = scores(x, w), len(x)
    found = supervised_backward(-N, z, c), unsupervised_backward(-N, z), reinforcement_backward(-N, z, a, (a == c) - baseline)
    return dict(zip(WAYS, found, strict=True))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What the trained pupils say of the flowers, the first pulls, and how fast each of them learns."""
    return OnDemand(
        {
            "three pupils": lambda: three_pupils(manual, torch_module, data),
            "three gradients": lambda: three_gradients(),
            "how fast": lambda: how_fast(),
        }
    )


def three_pupils(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """The flowers as each pupil tells them, and its centres."""
    x, c = data.split.train
    right = [told_right(way, getattr(manual, way).data, *data.split.val) for way in WAYS]
    fig, axes = figure(
        "Flowers by two of their lengths, less the mean. Shapes: kinds. Colours: what the pupil takes them for. Crosses: its centres "
        "(large: torch, small: by hand), of which only the second pupil's lie amid the flowers. "
        f"Told right of those held out: {', '.join(f'{part:.0%}' for part in right)}.",
        columns=3,
        size=(3.9, 3.7),
        sharex=True,
        sharey=True,
    )
    columns = [min(2, x.shape[1] - 2), x.shape[1] - 1] if x.shape[1] > 1 else [0, 0]
    for ax, way in zip(axes[0], WAYS, strict=True):
        w = getattr(manual, way).data
        group = scores(x, w).argmax(axis=1)
        for kind in range(len(w)):
            for told in range(len(w)):
                at = x[(c == kind) & (group == told)][:, columns]
                ax.scatter(*at.T, s=16, marker=MARKERS[kind], color=CATEGORIES[told], alpha=0.7, linewidths=0)
        ax.plot(
            *getattr(torch_module, way).detach().cpu().numpy()[:, columns].T, "x", color=TORCH["color"], markersize=13, markeredgewidth=5
        )
        ax.plot(*w[:, columns].T, "x", color=BY_HAND["color"], markersize=9, markeredgewidth=1.8)
        ax.set(title=way, xlabel="petal length, cm")
    axes[0, 0].set_ylabel("petal width, cm")
    return fig


def three_gradients() -> Figure:
    """What each way does to three centres, for three flowers of each kind."""
    (x, c), w = Flowers().split.train, paths()[0]["supervised"][0]
    rows = np.concatenate([np.flatnonzero(c == kind)[:3] for kind in range(3)])
    a = np.array([0, 1, 2] * 3)  # each answer is tried once for each kind
    found = pulls(w, x[rows], c[rows], a, 1 / 3)
    fig, axes = figure(
        "How each way pulls (orange) or pushes (violet) the three centres (columns) for nine flowers (rows) at the start. The first knows "
        "the right column. The second takes the nearest. The third, where its answer was right, does two thirds of what the first does; "
        "where it was wrong, a third of the opposite of what the first would do if it were right.",
        columns=3,
        size=(3.6, 4.0),
    )
    for ax, way, formula in zip(axes[0], WAYS, PULLS, strict=True):
        ax.imshow(found[way], cmap=SIGNED, vmin=-1, vmax=1, aspect="auto")
        write_numbers(ax, found[way], 2, 8)
        ax.set(title=f"{way}\n{formula}", xticks=range(3), xlabel="centre", yticks=[])
        ax.hlines((2.5, 5.5), -0.5, 2.5, color="black", linewidth=1)
    axes[0, 0].set_yticks(range(9), [KINDS[kind] for kind in c[rows]], fontsize=8)
    axes[0, 2].set_yticks(range(9), [f"says {k}" for k in a], fontsize=8)
    axes[0, 2].yaxis.tick_right()
    return fig


# ---- further reading: how fast they learn ----------------------------------------------------------------


def how_fast() -> Figure:
    """What part of the flowers is told right after each step."""
    data = Flowers().split.train
    steps = np.unique(np.geomspace(1, 200, 40).astype(int))
    fig, axes = figure(
        "The part of the 120 flowers that each pupil tells right, by step (bands: torch, dashes: by hand); of the second, once its groups "
        "have names. The third comes where the first comes, and later: it must find by chance what the first is told.",
        size=(6.4, 3.6),
    )
    ax = axes[0, 0]
    for way, colour in zip(WAYS, (CATEGORIES[0], CATEGORIES[1], CATEGORIES[2]), strict=True):
        ours, theirs = (np.stack([steps, [told_right(way, side[way][step], *data) for step in steps]]) for side in paths())
        draw_both(ax, ours, theirs, way, colour)
    ax.set(title="told right", xlabel="step", xscale="log", ylim=(0.5, 1.02))
    label_lines(ax)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def from_the_middle(run: Trained) -> dict[str, float]:
    """How far the centres lie from the middle of all flowers, on average, in cm."""
    return {way: float(np.linalg.norm(getattr(run.manual, way), axis=1).mean()) for way in WAYS}


QUESTIONS: tuple[Asked, ...] = (
    by_size(
        "Nobody tells the second pupil of kinds. Of the held-out flowers, what part is right once its groups are named?",
        lambda run: run.metrics["unsupervised/val"],
        *("a third, as by guessing", 0.5, "more than half", 0.75, "more than three quarters"),
        seen="{:.0%}",
        why="Flowers of one kind are alike, so they lie together; and a group is what lies together.",
        look_at=("three pupils", "which colours of the second panel are not their kind's."),
    ),
    Asked(
        "Whose centres end farthest from the middle of the flowers?",
        WAYS,
        ByLargest(from_the_middle, "{:.1f} cm"),
        "Far apart, centres make it surer of the right kind. Only the borders between them count, not where they lie.",
        look_at=("three pupils", "which crosses lie outside of the flowers."),
    ),
)


class Praised(Manual):
    """Every answer is called right."""

    def reward(self, a: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.ones(a.shape, self.reinforcement.dtype)


class PraisedInTorch(Torch):
    """The same in torch."""

    def reward(self, a: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(a, dtype=self.reinforcement.dtype)


def moved(run: Trained) -> float:
    """How far the third pupil's centres have come, all together, from where all pupils begin."""
    start: Any = TWIN.build()[0]
    return float(np.linalg.norm(run.manual.reinforcement - start.reinforcement))


MISTAKE = Mistake(
    "Praise never harms: who is rewarded for every answer learns too.",
    lambda run: (
        f"The third pupil's centres have moved by {moved(run):g}. It tells {run.metrics['reinforcement/val']:.0%} of the held-out flowers "
        f"right, the first {run.metrics['supervised/val']:.0%}."
    ),
    lambda run: run.agree and moved(run) < 1e-6 and run.metrics["reinforcement/val"] < 0.7,
    "If all answers bring the same, reward − baseline is 0 for each, and so is the pull.",
    manual=Praised,
    torch=PraisedInTorch,
)


def learned(run: Trained) -> str:
    """What part of the held-out flowers each tells right."""
    told, alone, rewarded = (run.metrics[f"{way}/val"] for way in WAYS)
    return (
        f"Of {len(run.data.split.val[1])} held-out flowers the pupil that was told the kinds tells {told:.0%} right, and the one that "
        f"heard only right or wrong {rewarded:.0%}. Who was told nothing has groups that are {alone:.0%} right, once they are named."
    )


TWIN = Twin(
    name="ways_of_learning",
    manual=Manual,
    torch=Torch,
    data=Flowers,
    needs=("softmax_regression",),
    trainer={"max_epochs": 200},
    options={"features": Second(3, data=first_columns(3))},
    constant_draw="answer",
    figures=figures,
    learned=learned,
    look_at=("three gradients", "that all three say which centres are to come nearer."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    further=("how fast",),
    exercises=(
        Exercise("unsupervised_backward", ("Which one score of a row has a part in L?",)),
        Exercise("supervised_backward", ("What was predicted, minus what is.",)),
        Exercise("reinforcement_backward", ("As supervised_backward, its own answer in place of the right kind; and times what?",)),
        Exercise("scores_backward", ("Of −½ (x − w)² the slope in w is x − w.",)),
    ),
)

if __name__ == "__main__":
    run("ways_of_learning")
