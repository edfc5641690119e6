"""Autograd: who calls which backward, and when

A machine that remembers what each number was made of goes back by itself: the network of `chain_rule`, with no backward typed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import run
from experiments.calculus.chain_rule import Petals
from experiments.data.arrays import ArrayData
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, figure
from experiments.drawing.labels import label_ends
from experiments.judge.convert import in_dtype_of
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.calculus.autograd import Autograd as Manual
from manual.calculus.autograd import Tensor, in_order, walk_as_met, walk_back, walk_every_path
from torch_impl.calculus.autograd import Autograd as Torch

# ---- the graph of one batch ------------------------------------------------------------------------


def graph_of(manual: Manual, data: ArrayData, flowers: int = 10) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of some flowers, and the tensors of the parameters that it leads back to."""
    x, y = (in_dtype_of(manual, a[:flowers]) for a in data.split.train)
    leaves = manual.leaves()
    return manual.loss(manual.predict(x, **leaves), y), leaves


def places(order: list[Any]) -> dict[Any, tuple[float, float]]:
    """Where each step stands: the loss on the right, each to the left of all that tell it; leaves in a row of their own."""
    distance = {order[-1]: 0}
    for node in reversed(order):
        for other in node.next_functions:
            if other is not None:
                distance[other] = max(distance.get(other, 0), distance[node] + 1)
    steps = [node for node in order if node.next_functions]
    below = {node: sum(distance[node] == distance[other] for other in steps[:i]) for i, node in enumerate(steps)}
    return {node: (-d, -float(below.get(node, -1))) for node, d in distance.items()}


def draw_graph(ax: Axes, order: list[Any], names: Mapping[Any, str]) -> None:
    """Every step with its number in the walk back, and an arrow to each that it tells."""
    at = places(order)
    for node in order:
        told = [other for other in node.next_functions if other is not None]
        for sign, other in zip((1, -1), told, strict=False):
            passes_by = at[node][0] - at[other][0] > 1 and at[node][1] == at[other][1]
            bend = 0.4 * sign * (passes_by or len(set(told)) < len(told))
            arrow = {"arrowstyle": "-|>", "color": "0.55", "shrinkA": 21, "shrinkB": 21, "connectionstyle": f"arc3,rad={bend}"}
            ax.annotate("", at[other], at[node], arrowprops=arrow)
    for number, node in enumerate(reversed(order), 1):
        is_leaf = not node.next_functions
        edge = {"edgecolor": CATEGORIES[3], "linewidth": 1.8} if is_leaf else {"edgecolor": "0.5"}
        box = {"boxstyle": "round,pad=0.35", "facecolor": "white" if is_leaf else "#f0f0f0", **edge}
        what = names.get(node, node.name.removesuffix("Backward0"))
        ax.text(*at[node], f"{number}\n{what}", ha="center", va="center", fontsize=9, bbox=box, zorder=3)
    xs, ys = np.array(list(at.values())).T
    ax.set(xlim=(xs.min() - 0.7, xs.max() + 0.7), ylim=(ys.min() - 0.5, ys.max() + 0.5))
    ax.axis("off")


def the_graph(manual: Manual, data: ArrayData) -> Figure:
    """What the machine remembers of the loss of ten flowers."""
    loss, leaves = graph_of(manual, data)
    order = in_order(loss.grad_fn)
    fig, axes = figure(
        f"What is remembered of the loss of ten flowers: {len(order)} steps, however many flowers there are. Each box is a step (Mm is a "
        "product of matrices); its number says when its backward is called. Arrows lead where gradients go, from the loss on the right to "
        "the four parameters (framed). Where two arrows lead into one step, what they bring is added up.",
        size=(11.0, 2.4),
    )
    draw_graph(axes[0, 0], order, {tensor.node(): name for name, tensor in leaves.items()})
    axes[0, 0].set_title("the graph of the loss, and the order of the walk back")
    return fig


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """The graph of a loss, and the three walks."""
    return OnDemand({"the graph": lambda: the_graph(manual, data), "three walks": lambda: three_walks()})


# ---- to do -----------------------------------------------------------------------------------------


def steps_of(run: Trained, flowers: int) -> int:
    """Of the graph of a loss of so many flowers."""
    return len(in_order(graph_of(run.manual, run.data, flowers)[0].grad_fn))


SHORT = {"max_epochs": 5}

QUESTIONS = (
    by_size(
        "a is doubled ten times: b = a + a, c = b + b, and so on. How many backwards does `backward()` call?",
        lambda run: calls("each step once, when it was told everything", 10),
        *("11", 15, "20", 500, "1,024"),
        seen="counted, {:,}",
        why="One for each of the ten sums, and AccumulateGrad at a. There are 2¹⁰ = 1,024 paths; what comes along them is added up on "
        "the way.",
        trainer=SHORT,
        look_at=("three walks", "how many calls each walk makes as the doublings become more."),
    ),
    by_size(
        "A batch has 70 flowers in place of 10. How does the number of steps in the graph of its loss grow?",
        lambda run: steps_of(run, 70) / steps_of(run, 10),
        *("it does not", 1.05, "by a few", 6.0, "to seven times as many"),
        seen="their number is {:.2g} times what it was",
        why="A step is a whole matrix product or a whole sum, whatever its size: the arrays are longer, the graph is the same.",
        trainer=SHORT,
        look_at=("the graph", "that its boxes are products, sums and functions of whole arrays."),
    ),
)


class AsMet(Manual):
    """The network whose walk does not wait."""

    def walk(self, loss: Tensor, dL_dloss: float) -> None:
        """Each step once, in the order in which it is met."""
        walk_as_met(loss.node(), np.asarray(dL_dloss, loss.data.dtype))


MISTAKE = Mistake(
    "If every backward is called once, the order does not matter.",
    lambda run: (
        f"With gated = True z1 is used twice. Called as they are met, the backwards take the loss from {run.losses[0]:.3f} to "
        f"{run.losses[-1]:.3f}, and the gradients of W1 and b1 are not torch's."
    ),
    lambda run: not run.agree and run.losses[-1] < run.losses[0],
    "z1's own backward was called when only the product had told it, and before σ did: a part of the gradient never went on.",
    {"gated": True},
    manual=AsMet,
)


def learned(run: Trained) -> str:
    """What was remembered, and what came of it."""
    return (
        f"{len(run.losses)} steps were taken without a backward that somebody typed: each walked a graph of {steps_of(run, 10)} steps. "
        f"The loss went from {run.losses[0]:.3f} to {run.losses[-1]:.3f}, as torch's did."
    )


# ---- further reading: walks that do not know the order, and what stumbles ----------------------------


def doubled(times: int) -> tuple[Tensor, Tensor]:
    """a = 1, and what it becomes when it is doubled again and again: y ← y + y."""
    a = y = Tensor(1.0, requires_grad=True)
    for _ in range(times):
        y = y + y
    return a, y


def on_paper() -> tuple[Tensor, Tensor]:
    """a = 3 and the y of the worked example: b = a · a, c = b + a, y = b · c."""
    a = Tensor(3.0, requires_grad=True)
    b = a * a
    return a, b * (b + a)


def waiting(last: Any, dL_dy: np.ndarray) -> int:
    """The walk back of the engine."""
    walk_back(last, dL_dy)
    return len(in_order(last))


WALKS = {
    "each step once, when it was told everything": waiting,
    "each step once, as it is met": walk_as_met,
    "every path by itself": walk_every_path,
}
"""From the last step: goes back, and says how many backwards were called."""

COLOURS = dict(zip(WALKS, (CATEGORIES[0], CATEGORIES[3], CATEGORIES[1]), strict=True))


def calls(walk: str, times: int) -> int:
    """How many backwards a walk calls from a number that was doubled so many times."""
    return int(WALKS[walk](doubled(times)[1].node(), np.ones(())))


def slope_on_paper(walk: str) -> float:
    """∂y/∂a of the worked example, as this walk finds it."""
    a, y = on_paper()
    WALKS[walk](y.node(), np.ones(()))
    assert a.grad is not None
    return float(a.grad)


def three_walks() -> Figure:
    """Which is right, and which is quick."""
    fig, axes = figure(
        "Three ways to walk back. Left: ∂y/∂a of the worked example, b = a · a, c = b + a, y = b · c. Whoever goes on before a step was "
        "told everything finds 81 in place of 135. Right: a number is doubled again and again. Whoever follows every path by itself is "
        "right, and calls twice as many backwards for each doubling. One walk is right and quick: it waits.",
        columns=2,
        size=(5.2, 3.4),
    )
    left, right = axes[0]
    found = {walk: slope_on_paper(walk) for walk in WALKS}
    left.barh([walk.replace(", ", ",\n") for walk in found], list(found.values()), color=[COLOURS[walk] for walk in found])
    for row, value in enumerate(found.values()):
        left.text(value - 4, row, f"{value:.0f}", va="center", ha="right", color="white", fontsize=11)
    left.axvline(135, color="black", linewidth=0.8)
    left.invert_yaxis()
    left.set(title="∂y/∂a: 135 is right", xlabel="∂y/∂a")
    times = list(range(1, 13))
    ends = {}
    for walk in (w for w in WALKS if "met" not in w):
        counted = [calls(walk, n) for n in times]
        right.semilogy(times, counted, "o-", color=COLOURS[walk], markersize=4)
        ends["every path" if "path" in walk else "each step once"] = times[-1], counted[-1], COLOURS[walk]
    right.set(title="backwards that are called", xlabel="how often the number was doubled", ylabel="calls")
    label_ends(right, ends)
    return fig


FURTHER = """
What a learner of torch stumbles over, and what it is here:

| in torch | by hand | why |
| --- | --- | --- |
| `.grad` grows if `zero_grad()` is forgotten | AccumulateGrad adds | a weight that is used twice is told twice, and adds that up |
| `detach()` | a tensor without `grad_fn` | the walk ends there: what lies before is taken for a constant |
| `no_grad()` | no node is made | nothing is remembered, so memory is free at once |
| "modified by an inplace operation" | another version | a product needs both numbers to go back; a sum needs none, and does not mind |
| "grad can be implicitly created only for scalar outputs" | say what ∂L/∂self is | of several numbers none is L |
| `grad_fn.next_functions` | the same | the graph has edges between steps, not between tensors |

Here a graph may be walked twice. torch frees what was saved at the first walk, unless it is told `retain_graph=True`.
"""

# ---- the pair --------------------------------------------------------------------------------------

TWIN = Twin(
    name="autograd",
    manual=Manual,
    torch=Torch,
    data=Petals,
    needs=("chain_rule",),
    trainer={"max_epochs": 30, "check_val_every_n_epoch": 5},
    variants={"z1 is used twice": {"gated": True}},
    sgd_lr=3.0,
    figures=figures,
    learned=learned,
    look_at=("the graph", "follow the numbers from the loss to W1; no step goes back before all that used its result."),
    text={"what stumbles": FURTHER},
    further=("three walks", "what stumbles"),
    questions=QUESTIONS,
    exercises=(
        Exercise("mul_backward", ("y = a b: how fast does y grow with a, when b stands still?",)),
        Exercise("walk_back", ("What a step was told is not whole before everybody who used its result has spoken.",)),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("autograd")
