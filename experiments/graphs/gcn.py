"""A graph network: each node asks its neighbours

From two labels and 78 ties it is told whom each of the 34 members of a karate club followed when it split; all but one come out right, and
it is shown why that one does not, and what becomes of networks that are too deep.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import torch

from experiments import run
from experiments.data.changes import first_columns
from experiments.data.karate import PRESIDENT, TEACHER, KarateClub, club, sides
from experiments.drawing.colours import AMOUNT, BETWEEN, CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import losses
from experiments.judge.convert import made_of, to_numpy
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Second, Twin
from manual.graphs.gcn import GCN as Manual
from manual.graphs.gcn import normalized
from manual.module import no_grad
from manual.nn.functional import softmax
from torch_impl.graphs import gcn as in_torch
from torch_impl.graphs.gcn import GCN as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THE_MISSED = 8
"""The member whom everybody misses: networkx counts from 0, Zachary from 1."""

# ---- what is measured, on both sides -------------------------------------------------------------------


def probabilities(model: Any, data: KarateClub) -> np.ndarray:
    """Of either side: how probable it is that each member follows the president, (34,)."""
    return np.asarray(softmax(made_of(model, data.split.train[:2]), axis=1)[:, 1])


def wrong(model: Any, data: KarateClub) -> list[int]:
    """The members that are told wrong."""
    return [int(i) for i in np.flatnonzero((probabilities(model, data) > 0.5) != sides())]


def ties_to(member: int, weighted: bool) -> tuple[float, float]:
    """How much a member is tied to those who followed the teacher, and to those who followed the president."""
    row = nx.to_numpy_array(club(), weight="weight" if weighted else None)[member]
    return float(row[sides() == 0].sum()), float(row[sides() == 1].sum())


def unevenness(A_hat: np.ndarray, most: int) -> np.ndarray:
    """How far Âᵏ is from what it nears, the matrix that takes all to multiples of √d: its length, for k = 0 to most."""
    _, vectors = np.linalg.eigh(A_hat)
    limit = np.outer(vectors[:, -1], vectors[:, -1])
    power, found = np.eye(len(A_hat)), []
    for _ in range(most + 1):
        found.append(np.linalg.norm(power - limit))
        power = A_hat @ power
    return np.array(found)


def second_eigenvalue(A_hat: np.ndarray) -> float:
    """λ: the second largest of the |eigenvalues|."""
    return float(np.sort(np.abs(np.linalg.eigvalsh(A_hat)))[-2])


DEPTHS = (1, 2, 4, 8, 16)


@cache
def alike(layers: int, ties: bool) -> tuple[float, float]:
    """The mean cosine between the rows of two members before the last layer of an untrained network, by hand and in torch."""
    ours: Any
    theirs: Any
    ours, theirs = TWIN.having({"layers": layers}).build()
    x, A, _ = KarateClub(ties=ties).split.train
    h, h_torch = x, torch.from_numpy(x)
    A_hat, A_hat_torch = normalized(A), in_torch.normalized(torch.from_numpy(A))
    with no_grad(), torch.no_grad():
        for layer, layer_in_torch in zip(ours.inner, theirs.inner, strict=True):
            h, h_torch = ours.relu(layer(h, A_hat)), theirs.relu(layer_in_torch(h_torch, A_hat_torch))
    return mean_cosine(h), mean_cosine(to_numpy(h_torch))


def mean_cosine(h: np.ndarray) -> float:
    """Over all pairs of different rows."""
    rows = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), np.finfo(float).tiny)
    return float((rows @ rows.T)[np.triu_indices(len(h), 1)].mean())


@cache
def right_by_depth(layers: int) -> tuple[int, int]:
    """How many of the 34 a network of so many layers tells right after 100 steps, by hand and in torch."""
    (ours, theirs), data = TWIN.having({"layers": layers}).build(), KarateClub()
    losses(ours, theirs, data.batches(0) * 100)
    return 34 - len(wrong(ours, data)), 34 - len(wrong(theirs, data))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: KarateClub) -> Mapping[str, Figure]:
    """The club as it was learned, how a number spreads along the ties, and networks that are too deep."""
    return OnDemand(
        {"the club": lambda: the_club(manual, torch_module, data), "as it spreads": lambda: as_it_spreads(), "too deep": lambda: too_deep()}
    )


@cache
def places() -> np.ndarray:
    """Where the members are drawn: those who are tied are near each other, (34, 2)."""
    return np.array(list(nx.spring_layout(club(), seed=4, iterations=200).values()))


def draw_ties(ax: Any) -> None:
    """The ties as lines."""
    ends = places()[np.array(club().edges)]  # (78, 2, 2)
    ax.plot(*np.moveaxis(np.insert(ends, 2, np.nan, axis=1), 2, 0).reshape(2, -1), color="#bbbbbb", linewidth=0.7, zorder=1)
    ax.set(xticks=[], yticks=[])


def the_club(manual: Manual, torch_module: Torch, data: KarateClub) -> Figure:
    """Whom each member follows, as learned and as it was."""
    p, p_torch = probabilities(manual, data), probabilities(torch_module, data)
    missed = wrong(manual, data)
    named = f"Told wrong: {', '.join(map(str, missed))}. " if 0 < len(missed) < 5 else f"Told wrong: {len(missed)} of 34. "
    to_teacher, to_president = ties_to(THE_MISSED, False)
    fig, axes = figure(
        "Left: the club. Squares: the two whose answers were known, T the teacher and P the president. Filled: what was learned by hand; "
        f"edge: whom they did follow. {named}Member {THE_MISSED} has {to_president:.0f} ties to the president's side and {to_teacher:.0f} "
        "to the teacher's, but three weeks to his black belt with the teacher. Right: each member's probability of following the "
        "president, in order.",
        columns=2,
        size=(5.2, 4.4),
    )
    left, right = axes[0]
    draw_ties(left)
    for i, (x, y) in enumerate(places()):
        shape, size = ("s", 17) if i in (TEACHER, PRESIDENT) else ("o", 13)
        did = BETWEEN(float(sides()[i]))
        left.plot(x, y, shape, markersize=size, color=BETWEEN(p[i]), markeredgecolor=did, markeredgewidth=2)
        label = {TEACHER: "T", PRESIDENT: "P"}.get(i, str(i))
        left.text(x, y, label, ha="center", va="center", fontsize=8, color="black" if 0.2 < p[i] < 0.8 else "white")
    left.set_title("filled: learned; edge: what they did")
    order = np.argsort(p, kind="stable")
    right.plot(p_torch[order], "o", color=TORCH["color"], markersize=9, label="torch")
    right.plot(p[order], "o", color=BY_HAND["color"], markersize=3.5, label="by hand")
    right.axhline(0.5, color="#777777", linewidth=0.8)
    for place, i in enumerate(order):
        if i in missed:
            right.annotate(str(i), (place, p[i]), (6, -10), textcoords="offset points", fontsize=9)
    right.set(title="how probable: follows the president", xlabel="members, from the least to the most", ylim=(-0.03, 1.03), xticks=[])
    right.legend(fontsize=9, loc="upper left")
    return fig


TIMES = (1, 2, 30)


def as_it_spreads() -> Figure:
    """Â, and what becomes of a single 1 that is multiplied by it again and again."""
    A_hat = normalized(KarateClub().split.train[1])
    fig, axes = figure(
        "Left: Â (bright: much). Then: member 16 has a 1, all others 0, and it is multiplied by Â once, twice and thirty times; the larger "
        "and brighter a dot, the more has come there. After one step his neighbours have heard of it, after two theirs. After thirty all "
        "have about √d[i] times the same: where it began cannot be told. Gradients spread in the same way, by the same Â.",
        columns=4,
        size=(3.1, 3.4),
    )
    matrix, *panels = axes[0]
    matrix.imshow(A_hat, cmap=AMOUNT)
    matrix.set(title="Â", xticks=(0, 16, 33), yticks=(0, 16, 33))
    for ax, times in zip(panels, TIMES, strict=True):
        there = np.linalg.matrix_power(A_hat, times)[:, 16]
        draw_ties(ax)
        ax.scatter(*places().T, s=15 + 500 * there, c=there, cmap=AMOUNT, vmin=0, vmax=0.35, edgecolors="#555555", linewidths=0.5, zorder=2)
        ax.set_title("multiplied once" if times == 1 else f"{times} times")
    return fig


def too_deep() -> Figure:
    """What tells nodes apart shrinks with each layer; and how many are told right by networks of many layers."""
    A_hat = normalized(KarateClub().split.train[1])
    lam, most = second_eigenvalue(A_hat), 40
    right_of = np.array([right_by_depth(layers) for layers in DEPTHS]).T
    cosines = {ties: np.array([alike(layers, ties) for layers in DEPTHS[1:]]).T for ties in (True, False)}
    fig, axes = figure(
        f"Left: how far Âᵏ is from making all nodes alike; each multiplication leaves at most λ = {lam:.3f} of it (thin line). Middle: the "
        f"mean cosine between two members' rows in an untrained network; with 16 layers {cosines[True][0, -1]:.2f}, without ties "
        f"{cosines[False][0, -1]:.2f}. Right: how many of 34 are told right after 100 steps; by 16 layers {right_of[0, -1]}. Bands: torch, "
        "dashes: by hand.",
        columns=3,
        size=(4.0, 3.6),
    )
    spread, cosine, right = axes[0]
    far = unevenness(A_hat, most)
    spread.plot(far, color=CATEGORIES[0], linewidth=2)
    spread.plot(far[0] * lam ** np.arange(most + 1), color="#777777", linewidth=0.8)
    spread.set(title="the differences that are left", xlabel="times multiplied by Â, k", yscale="log")
    for ties, colour in ((True, CATEGORIES[0]), (False, CATEGORIES[3])):
        a, b = (np.stack([DEPTHS[1:], side]) for side in cosines[ties])
        draw_both(cosine, a, b, "with ties" if ties else "without", colour)
    cosine.set(title="untrained: how alike rows are", xlabel="layers", ylabel="mean cosine", ylim=(0, 1.05), xticks=DEPTHS[1:])
    cosine.legend(fontsize=9, loc="lower right")
    draw_both(right, np.stack([DEPTHS, right_of[0]]), np.stack([DEPTHS, right_of[1]]), "right", CATEGORIES[0])
    right.axhline(17, color="#777777", linewidth=0.8)
    right.text(1, 17.4, "all get the same answer", fontsize=8.5, color="#555555")
    right.set(title="told right, of 34", xlabel="layers", ylim=(0, 35), xticks=DEPTHS)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

SEEN = "{:.0%} of the 32"

QUESTIONS = (
    by_size(
        "Take all ties away: each member is alone. What part of the 32 without a label is told right?",
        accuracy,
        *("less than a quarter", 0.25, "about half", 0.75, "more than three quarters"),
        seen=SEEN,
        why="Nothing connects them with the two that have labels. What is said of them is what the first weights happened to say.",
        data={"ties": False},
        look_at=("as it spreads", "by which way a label could reach anybody."),
    ),
    by_size(
        "One layer in place of two: each hears of its own neighbours only. What part of the 32 is told right?",
        accuracy,
        *("less than a quarter", 0.25, "about half", 0.75, "more than three quarters"),
        seen=SEEN,
        why="On the way back W learns what the neighbours of the two say, and whoever has such a neighbour hears it: two ties in all. In "
        "so small a club that reaches everybody.",
        model={"layers": 1},
        look_at=("too deep", "the first point of the right panel."),
    ),
    by_size(
        "Member 8 stayed with the teacher. Let each tie count as often as there were places where the two met, 1 to 7. How probable is it "
        "then that he follows the president?",
        lambda run: float(probabilities(run.manual, run.data)[THE_MISSED]),
        *("below a third", 1 / 3, "undecided, a third to two thirds", 2 / 3, "above two thirds: still wrong"),
        seen="{:.2f}",
        why="His ties to the president's side weigh 3 + 3 + 4 = 10, those to the teacher's 2 + 5 = 7. Zachary's own model, the cheapest "
        "cut through the ties, misses him too. What made him stay, his exam, is in no tie.",
        data={"weighted": True},
        look_at=("the club", "member 8, and to whom his ties lead."),
    ),
)

MISTAKE = Mistake(
    "The more layers, the farther each node sees. With sixteen it knows the whole club, and that cannot hurt.",
    lambda run: (
        f"Of the 32 it tells {accuracy(run):.0%} right, and it cannot tell even the two with labels apart: its loss is "
        f"{run.losses[-1]:.3f}, and tossing a coin has log 2 = {np.log(2):.3f}. Before training the rows of two members had a mean cosine "
        f"of {alike(16, True)[0]:.3f}."
    ),
    lambda run: run.agree and run.losses[-1] > 0.6 and accuracy(run) < 0.75,
    "Each layer makes neighbours more alike, and after sixteen all rows point the same way. Beside that it has the trouble of every deep "
    "network without ways around: layer by layer the numbers get smaller, and the gradient too.",
    model={"layers": 16},
    trainer={"max_epochs": 100},
)


def learned(run: Trained) -> str:
    """How many are told right, and who is not."""
    ours, theirs = wrong(run.manual, run.data), wrong(run.torch, run.data)
    who = f"; wrong is member {ours[0]}" if len(ours) == 1 else ""
    both = "both sides tell" if ours == theirs else f"in torch {34 - len(theirs)}, and by hand it tells"
    return f"From two labels and the ties alone: {both} {34 - len(ours)} of 34 members right{who}."


TWIN = Twin(
    name="gcn",
    manual=Manual,
    torch=Torch,
    data=KarateClub,
    needs=("digits_mlp",),
    trainer={"max_epochs": 200, "check_val_every_n_epoch": 20},
    variants={"one layer": {"layers": 1}, "four layers": {"layers": 4, "hidden": 7}},
    options={"features": Second(33, data=first_columns(33)), "layers": 3},
    idle={"data.seed": "there is one graph, and nothing is drawn"},
    figures=figures,
    learned=learned,
    look_at=("the club", "where a filling and an edge differ, and to whom that member is tied."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("GraphConvolution.backward", ("m[j] was part of z[i] with the weight Â[i, j]: add up over all i.",)),
        Exercise("GCN.backward", ("The last layer comes first, then ReLU and layer in turn.",)),
    ),
)

if __name__ == "__main__":
    run("gcn")
