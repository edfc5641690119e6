"""K-means: groups that nobody named, found by going to the middle

Ten centres go to the middle of the digits that are nearest to them: gradient descent, whose step size is one over the number of those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.data.digits import images
from experiments.data.iris import iris
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.interactive import Axis, Dots, Interactive, Line, Panel, Slider, after
from experiments.drawing.walk import walk
from experiments.drawing.words import percent
from experiments.drawing.written import label_lines
from experiments.lesson import Exercise, Mistake, Trained, by_size, in_figures
from experiments.pair import Twin
from manual.unsupervised.k_means import KMeans as Manual
from manual.unsupervised.k_means import kmeans_plus_plus, nearest, quantisation
from torch_impl.unsupervised.k_means import KMeans as Torch

PLUS_PLUS, ROWS, NOISE = STARTS = "k-means++", "rows", "noise"
"""From where centres may begin: points that are chosen with care, points that are drawn at random, and numbers that are no points."""


class Heaps(ArrayData):
    """All 1,797 handwritten digits, without their names: 64 pixels, 0 to 16, scaled to 0 to 1. Nothing is held out.

    Args:
        batch_size: digits in a batch; 0 puts all of them into one, as Lloyd does.
        seed: of the start, and of the order of the batches.
        k: how many centres.
        start: "k-means++", "rows" (digits drawn at random) or "noise" (numbers from a bell curve).

    Attributes:
        centres: where they begin, k rows.
    """

    val_batch_size = 2000

    def __init__(self, batch_size: int = 0, seed: int = 0, k: int = 10, start: str = PLUS_PLUS) -> None:
        super().__init__(batch_size, seed)
        if not 1 <= k <= 1000:
            raise InputError(f"--data.k must be at least 1 and at most 1000, got {k}")
        if start not in STARTS:
            raise InputError(f"--data.start must be one of {', '.join(map(repr, STARTS))}, got {start!r}")
        self.k, self.start = k, start

    def load(self) -> Split:
        points = (images()[0] / 16,)
        return Split(points, points)

    @property
    def centres(self) -> list[list[float]]:
        return start_at(self.split.train[0], self.k, self.start, self.seed).tolist()


def start_at(x: np.ndarray, k: int, start: str, seed: int) -> np.ndarray:
    """The first centres, (k, D)."""
    rng = np.random.default_rng(seed)
    if start == PLUS_PLUS:
        return kmeans_plus_plus(x, k, rng.random(k))
    return x[rng.permutation(len(x))[:k]] if start == ROWS else rng.normal(size=(k, x.shape[1]))


# ---- what is measured ----------------------------------------------------------------------------------


def clusters(c: np.ndarray, x: np.ndarray) -> list[tuple[int, float, int]]:
    """Of each centre: the digit that is commonest in its cluster (−1 if it is empty), that digit's part of it, and how many it has."""
    a, digits = nearest(x, c), images()[1][: len(x)]
    counted = [np.bincount(digits[a == k], minlength=10) for k in range(len(c))]
    return [(int(n.argmax()), float(n.max() / n.sum()), int(n.sum())) if n.any() else (-1, 0.0, 0) for n in counted]


def named_right(c: np.ndarray, x: np.ndarray) -> float:
    """If each cluster is named after its commonest digit: the part of all digits that this names right."""
    return sum(part * n for _, part, n in clusters(c, x)) / len(x)


def of_one_centre(x: np.ndarray) -> float:
    """The loss if there were one centre alone, in the middle of all."""
    return float(quantisation(x, x.mean(axis=0, keepdims=True)))


def walked(x: np.ndarray, start: np.ndarray, rounds: int, lr: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The centres before and after each round, by hand and in torch, (rounds + 1, K, D)."""
    arguments: dict[str, Any] = {"start": start.tolist(), "lr": lr}
    by_hand, in_torch = walk(Manual(**arguments), Torch(**arguments), (x,), rounds)
    return by_hand["c"], in_torch["c"]


@cache
def losses_from(start: str, rounds: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """The loss before and after each round on the digits, from this start, by hand and in torch."""
    data = Heaps(start=start)
    (x,) = data.split.train
    paths = walked(x, np.array(data.centres), rounds)
    by_hand, in_torch = (np.array([quantisation(x, c) for c in path]) for path in paths)
    return by_hand, in_torch


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Heaps) -> Mapping[str, Figure]:
    """The centres of the trained pair; and, whatever was trained, borders that move, how long a step is, and starts."""
    return OnDemand(
        {
            "the centres": lambda: the_centres(manual, torch_module, data),
            "the borders move": lambda: the_borders_move(),
            "how long a step": lambda: how_long_a_step(data),
            "where to start": lambda: where_to_start(),
        }
    )


def the_centres(manual: Manual, torch_module: Torch, data: Heaps) -> Figure:
    """As pictures: where they began, and where both sides left them."""
    (x,) = data.split.train
    shown = range(min(len(manual.c), 10))
    named = clusters(manual.c.data, x)
    in_torch = torch_module.c.detach().cpu().double().numpy()
    rows = ("start", np.array(data.centres)), ("by hand", manual.c.data), ("torch", in_torch)
    some = f"The first ten of {len(manual.c)} centres" if len(manual.c) > 10 else f"{len(manual.c)} centres"
    fig, axes = figure(
        f"{some} as pictures. Above: where they began. Below: the middle of each cluster, by hand and in torch. Over it the digit "
        f"that is commonest in the cluster, and its part of it. Nobody had said what a digit is; named so, "
        f"{percent(named_right(manual.c.data, x))} of {len(x):,} are named right. Look which digit has no cluster of its own, and "
        "which has two.",
        rows=3,
        columns=len(shown),
        size=(0.95, 1.2),
    )
    for row, (side, c) in enumerate(rows):
        for k in shown:
            ax = axes[row, k]
            ax.imshow(c[k].reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            digit, part, n = named[k]
            of = f"centre {k + 1}" if row == 0 else f"{digit}: {part:.0%}" if n else "empty"
            ax.set_title(of, fontsize=8)
        axes[row, 0].set_ylabel(side)
    return fig


BORDERS = (0, 1, 9, 18)
"""Rounds at which the borders are looked at."""


@cache
def petals() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Iris petals, (150, 2), and the centres of both sides from a bad start, before and after each round."""
    x = iris()[0][:, 2:]
    return x, *walked(x, np.array([[1.2, 0.3], [1.5, 0.1], [1.8, 0.4]]), 18)


def the_borders_move() -> Figure:
    """Points in the plane, whose clusters they are in, and the borders between these."""
    x, ours, theirs = petals()
    loss = [quantisation(x, c) for c in ours]
    fig, axes = figure(
        "150 flowers by their petals, and three centres that begin in one heap. A colour is all that is nearest to one centre. Pale dots: "
        f"torch; red ones: by hand. The loss falls from {loss[0]:.0f} to {loss[1]:.0f}, {loss[9]:.0f} and {loss[18]:.1f}. In the first "
        "panel one centre has all the large flowers; look how the next one gets there.",
        columns=4,
        size=(3.0, 3.2),
    )
    xs, ys = (0.5, 7.5), (-0.2, 2.8)
    grid = np.stack(np.meshgrid(np.linspace(*xs, 150), np.linspace(*ys, 150)), axis=-1)
    colours = ListedColormap([CATEGORIES[i] for i in (0, 1, 2)])
    for ax, rounds in zip(axes[0], BORDERS, strict=True):
        a = nearest(grid.reshape(-1, 2), ours[rounds]).reshape(150, 150)
        ax.imshow(a, extent=(*xs, *ys), origin="lower", cmap=colours, vmin=0, vmax=2, alpha=0.2, aspect="auto")
        ax.scatter(*x.T, s=7, c=nearest(x, ours[rounds]), cmap=colours, vmin=0, vmax=2)
        ax.plot(*theirs[rounds].T, "o", color=TORCH["color"], markersize=15, markeredgecolor="black", label="torch")
        ax.plot(*ours[rounds].T, "o", color=BY_HAND["color"], markersize=7, label="by hand")
        title = "the start" if rounds == 0 else f"after {rounds} round{'s' if rounds > 1 else ''}"
        ax.set(title=title, xlabel="length of petal (cm)", xlim=xs, ylim=ys)
    axes[0, 0].set_ylabel("width of petal (cm)")
    return fig


LENGTHS = np.linspace(0, 2.4, 13)


def how_long_a_step(data: Heaps) -> Figure:
    """The loss after one step against its length, with the clusters as they were, and after every point has chosen anew."""
    (x,) = data.split.train
    start = np.array(data.centres)
    a, before = nearest(x, start), quantisation(x, start)
    step = walked(x, start, 1)[0][1] - start
    fixed, anew = [], []
    for lr in LENGTHS:
        c = start + lr * step
        fixed.append(((x - c[a]) ** 2).sum() / 2)
        anew.append(quantisation(x, c))
    fig, axes = figure(
        f"The loss after one step from the start, against lr. With the clusters as they were (dark) it is a parabola: lowest at lr = 1, "
        f"at lr = 2 as high as it was ({before:,.0f}). Then each point chooses the nearest centre, and that makes it lower (bright).",
        size=(5.6, 3.6),
    )
    ax = axes[0, 0]
    ax.plot(LENGTHS, fixed, color=CATEGORIES[0], label="clusters as they were")
    ax.plot(LENGTHS, anew, color=CATEGORIES[1], label="chosen anew")
    ax.axhline(before, color="black", linewidth=0.8, linestyle=":")
    ax.axvline(1, color="black", linewidth=0.8, linestyle=":")
    ax.set(title="one step of the digits' centres", xlabel="lr: the step, as a multiple of 1/n[k]", ylabel="loss")
    label_lines(ax)
    return fig


TRIES = 60


@cache
def heaps_in_the_plane() -> np.ndarray:
    """Nine round heaps of 30 points each, (270, 2), three by three."""
    middles = np.stack(np.meshgrid((-5, 0, 5), (-5, 0, 5)), axis=-1).reshape(9, 1, 2)
    return (middles + np.random.default_rng(0).normal(size=(9, 30, 2))).reshape(-1, 2)


@cache
def ends(start: str) -> np.ndarray:
    """By hand, the last loss on nine heaps from so many starts of this kind, as a multiple of that from the right middles."""
    x = heaps_in_the_plane()
    found = []
    for seed in range(TRIES):
        model = Manual(start_at(x, 9, start, seed).tolist())
        optimizer = model.configure_optimizers()
        for _ in range(15):
            model.zero_grad()
            model.training_step((x,), 0)
            model.backward()
            optimizer.step()
        found.append(quantisation(x, model.c))
    right = x.reshape(9, 30, 2).mean(axis=1)
    return np.array(found) / quantisation(x, right)


def where_to_start() -> Figure:
    """The loss round by round from each kind of start, and where many starts end."""
    worse = {start: float(np.mean(ends(start) > 1.2)) for start in (PLUS_PLUS, ROWS)}
    last = {start: losses_from(start)[0][-1] for start in STARTS}
    fig, axes = figure(
        f"Left: the digits' loss (bands: torch, dashes: by hand). It never rises. From k-means++ it ends at {last[PLUS_PLUS]:,.0f}, from "
        f"digits drawn at random at {last[ROWS]:,.0f}, from noise at {last[NOISE]:,.0f}. Right: nine heaps, {TRIES} starts of two kinds, "
        f"the last loss as a multiple of the best. {worse[ROWS]:.0%} of the random starts end badly, of k-means++ {worse[PLUS_PLUS]:.0%}: "
        "it promises nothing, but is likelier to end well.",
        columns=2,
        size=(4.6, 3.6),
    )
    left, right = axes[0]
    colours = dict(zip(STARTS, (CATEGORIES[2], CATEGORIES[1], CATEGORIES[3]), strict=True))
    for start in STARTS:
        draw_both(left, *losses_from(start), start, colours[start])
    left.set(title="the loss of the digits", xlabel="round", yscale="log")
    label_lines(left)
    places = np.linspace(0.9, max(ends(ROWS).max(), ends(PLUS_PLUS).max()) + 0.1, 22)
    right.hist([ends(PLUS_PLUS), ends(ROWS)], bins=places, color=[colours[PLUS_PLUS], colours[ROWS]], label=[PLUS_PLUS, ROWS])
    right.set(title="where starts end, nine heaps", xlabel="last loss / best loss", ylabel="starts")
    right.legend(fontsize=8)
    return fig


# ---- to move -------------------------------------------------------------------------------------------

BEGINNINGS = ("in one heap", "three flowers, drawn at random", "k-means++")

ROUNDS = 18
"""That can be gone through."""


@cache
def rounds_from(beginning: str) -> np.ndarray:
    """Three centres among the petals, before and after each round, by hand: (ROUNDS + 1, 3, 2)."""
    x, in_one_heap, _ = petals()
    start = in_one_heap[0] if beginning == BEGINNINGS[0] else start_at(x, 3, ROWS if beginning == BEGINNINGS[1] else PLUS_PLUS, 0)
    return walked(x, start, ROUNDS)[0]


def interactive(run: Trained) -> tuple[Interactive, ...]:
    """Flowers and three centres, round by round."""
    marks = [mark for k in range(3) for mark in (the_cluster(k), the_way(k))]
    centres = Dots(**at(lambda beginning, rounds: rounds_from(beginning)[rounds]), look="centre", shape="*")
    flowers = Panel(
        "flowers and centres", Axis("length of petal (cm)", 0.5, 7.5), Axis("width of petal (cm)", -0.2, 2.8), (*marks, centres)
    )
    losses = Panel(
        "the loss after each round",
        Axis("round", 0, ROUNDS),
        Axis("loss", 0, 1.05 * max(quantisation(petals()[0], rounds_from(beginning)[0]) for beginning in BEGINNINGS)),
        (
            Line(np.arange(ROUNDS + 1), losses_of, "by-hand"),
            Dots(lambda rounds: rounds, lambda beginning, rounds: losses_of(beginning)[rounds], "by-hand"),
        ),
    )
    return (
        Interactive(
            "Round by round",
            "Each flower has the colour of the centre (star) that is nearest to it. Move the rounds by one: every centre goes to the "
            "middle of its flowers, and then some flowers are nearer to another one. From the heap one centre has all the large flowers "
            "for a long time; watch how the next one gets there, and the loss with it. Then let them begin elsewhere: do they end at "
            "the same place?",
            (Slider("beginning", BEGINNINGS, BEGINNINGS[0], "the centres begin", "{}"), Slider("rounds", range(ROUNDS + 1), 0)),
            (settled,),
            (flowers, losses),
        ),
    )


def at(places: Callable[..., np.ndarray]) -> dict[str, Any]:
    """Where a mark is drawn: a function of sliders gives places (n, 2)."""
    return {"x": after(places, lambda p: p[:, 0]), "y": after(places, lambda p: p[:, 1])}


def the_cluster(k: int) -> Dots:
    """The flowers that are nearest to one centre."""
    x = petals()[0]

    def flowers(beginning: str, rounds: int) -> np.ndarray:
        return x[nearest(x, rounds_from(beginning)[rounds]) == k]

    return Dots(**at(flowers), look=f"kind-{k}")


def the_way(k: int) -> Line:
    """Where one centre has gone."""
    return Line(**at(lambda beginning: rounds_from(beginning)[:, k]), look="by-hand", first=lambda rounds: rounds + 1)


def losses_of(beginning: str) -> np.ndarray:
    """Before and after each round."""
    return np.array([quantisation(petals()[0], c) for c in rounds_from(beginning)])


def settled(beginning: str, rounds: int) -> str:
    """The clusters and the loss, and how many flowers will choose anew."""
    x, c = petals()[0], rounds_from(beginning)
    a = nearest(x, c[rounds])
    sizes = " + ".join(str(n) for n in np.bincount(a, minlength=3))
    moved = int((nearest(x, c[min(rounds + 1, ROUNDS)]) != a).sum())
    next_round = f"after the next round {moved} will be nearer to another centre" if rounds < ROUNDS else "here the picture ends"
    return f"After {rounds} round{'s' * (rounds != 1)}: clusters of {sizes} flowers, loss {quantisation(x, c[rounds]):.1f}; {next_round}."


# ---- to do ---------------------------------------------------------------------------------------------


def rises(run: Trained) -> float:
    """In how many steps the loss has risen, by more than rounding."""
    losses = np.array(run.losses)
    return float((np.diff(losses) > 1e-9 * losses[:-1]).sum())


def left_over(run: Trained) -> float:
    """The last loss over that of one single centre."""
    return run.metrics["loss/val"] / of_one_centre(run.data.split.train[0])


QUESTIONS = (
    by_size(
        "Afterwards you name each of the ten clusters after its commonest digit. How many of all digits are named right?",
        lambda run: named_right(run.manual.c.data, run.data.split.train[0]),
        *("about one in ten, as by chance", 0.4, "about four in five", 0.95, "nearly all"),
        seen="{:.1%} of them",
        why="What is near in pixels is often the same digit. But an 8 may be nearer to the 1s, and there are two ways to write a 5.",
        trainer={"max_epochs": 15},
        look_at=("the centres", "which digits share a cluster."),
    ),
    by_size(
        "lr = 2.5: each step goes two and a half times as far as the middle of the cluster. What becomes of the loss in ten steps?",
        lambda run: run.losses[-1] / run.losses[0],
        *("it falls, as with lr = 1", 0.9, "it swings, and stays about as large", 1.1, "it grows and grows"),
        seen=lambda ratio: f"the last loss is {in_figures(ratio)} times the first",
        why="On a parabola of curvature n[k], 1/n[k] leads to the bottom, 2/n[k] as high up the other side, and what is longer higher.",
        model={"lr": 2.5},
        trainer={"max_epochs": 11},
        look_at=("how long a step", "the height of the parabola at lr = 2.4."),
    ),
    by_size(
        "40 centres in place of ten. How much of the loss of one single centre is left?",
        left_over,
        *("less than a tenth", 0.1, "about a third", 0.45, "more than a half, as with ten"),
        seen="{:.0%} of it",
        why="The loss falls with every centre, down to 0 where each digit has its own. It does not tell how many heaps there are.",
        data={"k": 40},
        trainer={"max_epochs": 6},
    ),
)

MISTAKE = Mistake(
    "Gradient descent finds its way: the centres may begin anywhere, at random numbers too.",
    lambda run: (
        f"{run.metrics['empty/val']:.0f} of {len(run.manual.c)} centres have no digit at the end. The loss is "
        f"{run.metrics['loss/val']:,.0f}; from k-means++ it is {losses_from(PLUS_PLUS)[0][-1]:,.0f}."
    ),
    lambda run: run.agree and run.metrics["empty/val"] >= 2,
    "A centre that is nearest to no point has the gradient 0, and stands still, unless the others move out of its way.",
    data={"start": NOISE},
    trainer={"max_epochs": 20},
)


def learned(run: Trained) -> str:
    """What the loss did, and what the clusters are."""
    (x,) = run.data.split.train
    empty = run.metrics["empty/val"]
    return (
        f"The loss fell from {run.losses[0]:,.0f} to {run.losses[-1]:,.0f}, {left_over(run):.0%} of that of one single centre, and "
        f"{'never rose' if rises(run) == 0 else f'rose in {rises(run):.0f} steps'}. Named after its commonest digit, each cluster names "
        f"{percent(named_right(run.manual.c.data, x))} of the digits right"
        + (f"; {empty:.0f} of {len(run.manual.c)} centres have none." if empty else ".")
    )


TWIN = Twin(
    name="k_means",
    manual=Manual,
    torch=Torch,
    data=Heaps,
    needs=("gradients",),
    links={"data.centres": "model.start"},
    trainer={"max_epochs": 30},
    variants={"half steps": {"lr": 0.5}, "running": {"running": True}},
    options={"data.start": ROWS},
    sgd_lr=1e-3,
    figures=figures,
    interactive=interactive,
    learned=learned,
    look_at=("the centres", "what each of them is a picture of, and which two are of the same digit."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("nearest", ("Of each point there are K squared distances. Which *number* has the smallest?",)),
        Exercise(
            "quantisation_backward", ("What is the derivative of ½ (x − c)² with respect to c? Only its own points act on a centre.",)
        ),
    ),
)

if __name__ == "__main__":
    run("k_means")
