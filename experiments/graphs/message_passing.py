"""Message passing: everybody tells the neighbours, and hears what they tell

From the totals alone a network learns how many know a rumour after two days, in groups that it has not seen; it turns out to know who, and
to be right in much larger groups. And two graphs are shown that it cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from experiments import run
from experiments.data.rumours import Group, Rumours, draw, side_by_side
from experiments.drawing.colours import BETWEEN
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.drawing.words import percent
from experiments.judge.convert import made_of
from experiments.lesson import Exercise, Mistake, Trained, accuracy, by_size
from experiments.pair import Twin
from manual.graphs.message_passing import MessagePassing as Manual
from manual.graphs.message_passing import add_up
from torch_impl.graphs.message_passing import MessagePassing as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray

# ---- what is measured, on both sides -------------------------------------------------------------------


def each(model: Any, x: Array, edges: Array) -> Array:
    """p of either side: a number for each person, (N,)."""
    return made_of(model, (x, edges))[:, 0]


def totals(model: Any, groups: list[Group], days: int) -> tuple[Array, Array]:
    """How many know in each group: the model's answer and the truth, (G,)."""
    x, edges, graph, y = side_by_side(groups, days)
    return add_up(each(model, x, edges), graph, len(y)), y[:, 0]


@cache
def large(people: int = 40, n: int = 100) -> list[Group]:
    """Groups that are larger than any that is trained on."""
    rng = np.random.default_rng(1)
    return [draw(rng, people) for _ in range(n)]


def counted_right(model: Any, groups: list[Group], days: int) -> float:
    """In what part of the groups the answer, rounded, is right."""
    y_hat, y = totals(model, groups, days)
    return float(np.mean(np.abs(y_hat - y) < 0.5))


def days_of(groups: list[Group]) -> Array:
    """On which day each person hears of it; -1 for never."""
    return np.concatenate([group.days for group in groups])


def knows_who(model: Any, data: Rumours) -> float:
    """What part of the held-out people is told right: p above ½ for those who know, and for no others."""
    days = days_of(data.held_out)
    return float(np.mean((each(model, *data.split.val[:2]) > 0.5) == ((days >= 0) & (days <= data.days))))


def moved_by_other_numbers(model: Any, data: Rumours) -> float:
    """How far the totals of the held-out groups move, at most, if people get other numbers and friendships another order."""
    x, edges, graph, y = data.split.val
    rng = np.random.default_rng(0)
    number = rng.permutation(len(x))  # the new number of each person
    order, shuffled = np.argsort(number), rng.permutation(edges.shape[1])
    again = each(model, x[order], number[edges[:, shuffled]])
    return float(np.abs(add_up(again, graph[order], len(y)) - add_up(each(model, x, edges), graph, len(y))).max())


RING = np.array([(i, (i + step) % 6) for i in range(6) for step in (1, -1)]).T
TRIANGLES = np.array([(i, i // 3 * 3 + (i + step) % 3) for i in range(6) for step in (1, 2)]).T
"""A ring of six, and two triangles: in both each of six has two neighbours. Edges, (2, 12)."""


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Rumours) -> Mapping[str, Figure]:
    """Some groups, what was learned of each person, and two graphs that look alike from inside."""
    return OnDemand(
        {
            "some groups": lambda: some_groups(manual, torch_module, data),
            "who knows": lambda: who_knows(manual, torch_module, data),
            "not to be told apart": lambda: not_to_be_told_apart(manual, torch_module),
        }
    )


def draw_graph(ax: Any, edges: Array, places: Array, p: Array, rim: Array) -> None:
    """A graph with p in its nodes, as colour and as number; `rim` colours their edges."""
    for i, j in edges.T:
        ax.plot(*places[[i, j]].T, color="#bbbbbb", linewidth=1, zorder=1)
    for place, value, did in zip(places, p, rim, strict=True):
        ax.plot(*place, "o", markersize=19, color=BETWEEN(float(np.clip(value, 0, 1))), markeredgecolor=BETWEEN(did), markeredgewidth=2)
        ax.text(*place, f"{value:.2f}", ha="center", va="center", fontsize=7, color="black" if 0.2 < value < 0.8 else "white")
    ax.set(xticks=[], yticks=[])
    ax.margins(0.15)


def some_groups(manual: Manual, torch_module: Torch, data: Rumours) -> Figure:
    """Four held-out groups, the largest first, with the number that each person was given."""
    groups = sorted(data.held_out, key=lambda group: -len(group.x))[:4]
    y_hat, y = totals(manual, groups, data.days)
    off = np.abs(y_hat - totals(torch_module, groups, data.days)[0]).max()
    fig, axes = figure(
        f"Four groups that were not trained on, after {data.days} days. In each person p, learned by hand; the edge is blue for who does "
        "know by then, and orange for who does not. A thick ring: knew from the beginning. Above: the sum of p, and how many do know. "
        f"Nobody ever said who. In torch the sums differ by {off:.0e}.",
        columns=4,
        size=(3.2, 3.4),
    )
    for ax, group, sum_of_p, truth in zip(axes[0], groups, y_hat, y, strict=True):
        graph = nx.Graph(group.edges.T.tolist())
        graph.add_nodes_from(range(len(group.x)))
        places = np.array([spot for _, spot in sorted(nx.circular_layout(graph).items())])
        know = (group.days >= 0) & (group.days <= data.days)
        first = group.x[:, 0] == 1
        ax.plot(*places[first].T, "o", markersize=26, markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.5)
        draw_graph(ax, group.edges, places, each(manual, group.x, group.edges), know.astype(float))
        ax.set_title(f"sum {sum_of_p:.2f}, true {truth:.0f}")
    return fig


def who_knows(manual: Manual, torch_module: Torch, data: Rumours) -> Figure:
    """p against the day on which each hears of it; and totals in larger groups."""
    days, most = days_of(data.held_out), 5
    column = np.where((days < 0) | (days > most), most + 1, days)
    jitter = column + np.random.default_rng(0).uniform(-0.25, 0.25, len(days))
    right_of = knows_who(manual, data)
    fig, axes = figure(
        f"Left: p of each of {len(days):,} held-out people, by the day on which they hear of it. Trained on totals after {data.days} days, "
        f"the network tells {percent(right_of)} of them right: p above ½ or below. Right: the totals of 100 groups of 40, larger than any "
        f"that it was trained on; {counted_right(manual, large(), data.days):.0%} are right if they are rounded. Large: torch, small: by "
        "hand.",
        columns=2,
        size=(4.8, 3.8),
    )
    left, right = axes[0]
    for model, look, size, name in ((torch_module, TORCH, 6, "torch"), (manual, BY_HAND, 2, "by hand")):
        left.plot(jitter, each(model, *data.split.val[:2]), "o", color=look["color"], markersize=size, markeredgewidth=0, label=name)
        y_hat, y = totals(model, large(), data.days)
        right.plot(y, y_hat, "o", color=look["color"], markersize=size, markeredgewidth=0, label=name)
    left.axhline(0.5, color="#777777", linewidth=0.8)
    left.axvline(data.days + 0.5, color="#777777", linewidth=0.8, linestyle=":")
    left.set(title="p of each person", xlabel="the day on which they hear of it", xticks=range(most + 2))
    left.set_xticklabels([*map(str, range(most + 1)), "later, never"])
    ends = [0, totals(manual, large(), data.days)[1].max()]
    right.plot(ends, ends, color="#444444", linewidth=0.8, zorder=1)
    right.set(title="groups of 40: how many know", xlabel="true", ylabel="the sum of p")
    for ax in (left, right):
        ax.legend(fontsize=9, loc="upper right" if ax is left else "upper left")
    return fig


def not_to_be_told_apart(manual: Manual, torch_module: Torch) -> Figure:
    """A ring of six and two triangles, where all begin alike, and where one knows."""
    fig, axes = figure(
        "A ring of six and two triangles. Left, all six begin alike: each has two neighbours who have two neighbours, in both, and each "
        "gets the same p, whatever the weights are. No sum of them can say which graph it is, or how many triangles there are. Right, one "
        "knows the rumour (thick ring): now they differ, for in a triangle nobody is two edges away.",
        columns=4,
        size=(3.0, 3.2),
    )
    angle = np.pi / 3 * np.arange(6)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    corner = 2 * np.pi / 3 * np.arange(6) + np.pi / 2
    triangles = np.stack([0.8 * np.cos(corner) + 2.6 * (np.arange(6) // 3), 0.8 * np.sin(corner)], axis=1)
    for column, (edges, places, name) in enumerate(2 * [(RING, ring, "a ring"), (TRIANGLES, triangles, "two triangles")]):
        x = np.zeros((6, 1))
        x[0] = column > 1
        ax, p = axes[0, column], each(manual, x, edges)
        if x[0]:
            ax.plot(*places[0], "o", markersize=26, markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.5)
        draw_graph(ax, edges, places, p, np.clip(each(torch_module, x, edges), 0, 1))
        ax.set_aspect("equal", adjustable="datalim")
        ax.set_title(f"{name}: sum {p.sum():.2f}")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

QUESTIONS = (
    by_size(
        "It was trained on groups of four to ten. Show it a hundred groups of 40. In what part of them is the answer, rounded, right?",
        lambda run: counted_right(run.manual, large(), run.data.days),
        *("less than a tenth", 0.1, "between a tenth and 80 %", 0.8, "more than 80 %"),
        seen="{:.0%}",
        why="The weights are the same at every node, and nobody hears of those more than two edges away. How many others there are "
        "does not matter.",
        look_at=("who knows", "how far the dots of the right panel are from the line."),
    ),
    by_size(
        "Only totals were trained on. What part of the people is told right, with p above ½ for those who know and below for the others?",
        lambda run: knows_who(run.manual, run.data),
        *("about half: there is no telling", 0.7, "between 70 and 95 %", 0.95, "nearly all"),
        seen="{:.1%}",
        why="Many groups share the same weights. A way to share a total out that fits all of them is to give 1 to each who knows.",
        model={"epochs": 10},
        trainer={"max_epochs": 10},
        look_at=("some groups", "whether fillings and edges have the same colour."),
    ),
    by_size(
        "Give all people other numbers, and list their friendships in another order. How far does a total move, at most?",
        lambda run: moved_by_other_numbers(run.manual, run.data),
        *("not at all, but for rounding", 1e-9, "by less than 1", 1.0, "by more than 1"),
        seen="{:.0e}",
        why="A number is only where a row stands. The sums are over the same friends, and a sum does not ask for an order.",
        trainer={"max_epochs": 2},
    ),
)

MISTAKE = Mistake(
    "One round of messages will do, if there are enough numbers in it: 64 in place of 8.",
    lambda run: (
        f"After one round {accuracy(run):.0%} of the totals are right, and the mean squared error is {run.metrics['loss/val']:.2f}. Of the "
        f"people {knows_who(run.manual, run.data):.0%} are told right."
    ),
    lambda run: run.agree and accuracy(run) < 0.6,
    "What is two edges away takes two rounds to arrive. Numbers that never reach a node cannot be made up for by more weights there.",
    model={"layers": 1, "hidden": 64, "epochs": 8},
    trainer={"max_epochs": 8},
)


def learned(run: Trained) -> str:
    """How many totals are right, in groups as they were trained on and in larger ones; and who knows."""
    days = run.data.days
    in_large = counted_right(run.manual, large(), days)
    return (
        f"After {days} days: {accuracy(run):.1%} of the totals of held-out groups are right, and {in_large:.0%} "
        f"of those of groups of 40. Of the people {knows_who(run.manual, run.data):.1%} are told right, though only totals were trained on."
    )


TWIN = Twin(
    name="message_passing",
    manual=Manual,
    torch=Torch,
    data=Rumours,
    needs=("gcn",),
    trainer={"max_epochs": 20, "check_val_every_n_epoch": 5},
    variants={"three rounds": {"layers": 3, "hidden": 5}},
    options={"layers": 3, "epochs": 3, "data.groups": 70},
    sgd_lr=1e-3,
    figures=figures,
    learned=learned,
    look_at=("some groups", "which p are near 1, and how many edges these people are from one who knew."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("AddUp.backward", ("Everything that went into a sum gets the gradient of the sum.",)),
        Exercise("Pick.backward", ("A row that was picked three times gets three gradients.",)),
        Exercise("NeighbourSum.backward", ("First from m to the messages, then from the messages to h; and h went another way too.",)),
        Exercise("MessagePassing.backward", ("What a total gets, each of its nodes gets.",)),
    ),
)

if __name__ == "__main__":
    run("message_passing")
