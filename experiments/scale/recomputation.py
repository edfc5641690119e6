"""Recomputation: few activations kept, and the same gradient

Sixteen residual blocks learn to read digits; of each four only the input is kept, and the others are computed again on the way back.
The gradient is held against that of a network that keeps everything, bit by bit, and the memory is measured on both sides.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.memory import Living, most_held_by_hand, most_held_in_torch
from experiments.drawing.words import classes_right
from experiments.drawing.written import label_lines
from experiments.judge.convert import in_dtype_of, to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.scale.recomputation import Recomputation as Manual
from manual.scale.recomputation import best_segment, held
from torch_impl.scale.recomputation import Recomputation as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray
ROWS = 512
"""Of the batch with which memory is measured: so many that activations are large beside everything else."""

KEPT, AGAIN = "everything kept", "recomputed"
COLOURS = {KEPT: CATEGORIES[1], AGAIN: CATEGORIES[0]}


# ---- what is measured, on both sides -------------------------------------------------------------------


def segments(manual: Manual) -> list[list[Any]]:
    """The blocks of each segment."""
    found: Any = manual.segments
    return [list(segment) for segment in found]


def step_of(model: Any, batch: tuple[Array, ...]) -> Callable[[], None]:
    """There and back of either side; once was before, so that room for the gradients is no longer new."""
    arrays: Any = batch if isinstance(model, Manual) else to_torch(batch, model.device)

    @torch.enable_grad()
    def step() -> None:
        loss: Any = model.training_step(arrays, 0)
        model.backward() if isinstance(model, Manual) else loss.backward()

    step()
    return step


@cache
def pair(depth: int, every: int, recompute: bool) -> tuple[Any, Any]:
    """A pair that is not trained."""
    return TWIN.having({"depth": depth, "every": every, "recompute": recompute}).build()


@cache
def most_held(depth: int, every: int, recompute: bool = True, rows: int = ROWS) -> tuple[float, float]:
    """The most that is held in a step, by hand and in torch, in activations: numbers of a batch behind one block."""
    (ours, theirs), batch = pair(depth, every, recompute), tuple(a[:rows] for a in Digits().split.train)
    of_one = rows * ours.last.weight.shape[1] * 8
    return most_held_by_hand(step_of(ours, batch)) / of_one, most_held_in_torch(step_of(theirs, batch)) / of_one


@cache
def course(recompute: bool) -> tuple[Array, Array]:
    """What is held in a step of 64 blocks, in activations: by hand at each call of a block, and in torch after each operation."""
    (ours, theirs), batch = pair(64, 8, recompute), tuple(a[:ROWS] for a in Digits().split.train)
    of_one, (step, step_in_torch) = ROWS * 32 * 8, (step_of(model, batch) for model in (ours, theirs))
    with called(ours) as found:
        step()
    with Living() as living:
        step_in_torch()
    return np.array(found) / of_one, np.array(living.course) / of_one


class called:
    """For the time of the `with`, what is held is taken down behind each forward and each backward of a block."""

    def __init__(self, model: Manual) -> None:
        self.blocks = [block for segment in segments(model) for block in segment]
        self.found: list[int] = []

    def __enter__(self) -> list[int]:
        tracemalloc.start()
        self.before = tracemalloc.get_traced_memory()[0]
        for block in self.blocks:
            block.forward, block.backward = self.told(block.forward), self.told(block.backward)
        return self.found

    def told(self, method: Callable[[Array], Array]) -> Callable[[Array], Array]:
        """The same method."""

        def telling(a: Array) -> Array:
            result = method(a)
            self.found.append(tracemalloc.get_traced_memory()[0] - self.before)
            return result

        return telling

    def __exit__(self, *_: Any) -> None:
        tracemalloc.stop()
        for block in self.blocks:
            del block.forward, block.backward


def gradients(depth: int, every: int, recompute: bool, batch: tuple[Array, ...], like: Manual | None = None) -> list[Array]:
    """All gradients of a batch as one long vector, by hand and in torch.

    Args:
        depth, every, recompute: of the pair.
        batch: of arrays.
        like: whose weights it has; first ones unless given.
    """
    ours, theirs = TWIN.having({"depth": depth, "every": every, "recompute": recompute}).build()
    if like is not None:
        for p, q, given in zip(ours.parameters(), theirs.parameters(), like.parameters(), strict=True):
            p[...] = given.data
            q.data = to_torch(given.data.astype(float))
    step_of(ours, batch), step_of(theirs, batch)
    return [np.concatenate([to_numpy(p.grad).ravel() for p in model.parameters()]) for model in (ours, theirs)]


def sizes(manual: Manual) -> tuple[int, int]:
    """How many blocks there are, and how many of them are a segment."""
    lengths = [len(segment) for segment in segments(manual)]
    return sum(lengths), lengths[0]


def differs(run: Trained) -> float:
    """By how much the gradient of the trained network is another when everything is kept: the largest difference of an entry."""
    batch = tuple(a[:50] for a in run.data.split.train)
    pairs = [gradients(*sizes(run.manual), recompute, batch, run.manual) for recompute in (True, False)]
    return float(max(np.abs(a - b).max() for a, b in zip(*pairs, strict=True)))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is held, whatever was trained."""
    return OnDemand({"there and back": lambda: there_and_back(), "how many to keep": lambda: how_many_to_keep()})


def there_and_back() -> Figure:
    """What is held in the course of a step, with and without recomputation."""
    (kept, _), (again, _) = most_held(64, 8, False), most_held(64, 8)
    fig, axes = figure(
        f"What is held in the course of one step of 64 blocks, in activations. Everything kept: it grows on the way there to {kept:.0f} "
        f"and shrinks on the way back. Recomputed: a step up at each of eight segments; then each is computed again, used, and forgotten. "
        f"The most is {again:.0f}, and the step is longer by 64 forwards. Left by hand, at each call of a block; right in torch, at each "
        "operation.",
        columns=2,
        size=(4.9, 3.7),
    )
    for recompute, name in ((False, KEPT), (True, AGAIN)):
        for ax, found in zip(axes[0], course(recompute), strict=True):
            ax.plot(found, color=COLOURS[name], linewidth=1.2, label=name)
    for ax, title, xlabel in zip(axes[0], ("by hand", "torch"), ("forwards and backwards of blocks", "operations"), strict=True):
        ax.set(title=f"{title}: what is held", xlabel=xlabel, ylabel="activations", ylim=(0, 1.1 * kept))
        ax.legend(fontsize=9)
    return fig


SIZES = (1, 2, 4, 8, 16, 32, 64)


def how_many_to_keep() -> Figure:
    """The most that is held, by the size of the segments."""
    found = np.array([most_held(64, every) for every in SIZES]).T
    (kept, _), best = most_held(64, 8, False), best_segment(64)
    fig, axes = figure(
        f"The most that is held in a step of 64 blocks, by how many are a segment. With {best}, the root of 64, it is least: "
        f"{found[0, SIZES.index(best)]:.0f} activations; everything kept is {kept:.0f} (line). Single blocks keep 64 inputs; one segment "
        f"of all 64 keeps one, and has everything inside: neither saves anything. Thin: 64/every + every, without what is held in "
        "passing. Band: torch, dashes: by hand.",
        size=(6.4, 3.8),
    )
    ax = axes[0, 0]
    draw_both(ax, np.stack([SIZES, found[0]]), np.stack([SIZES, found[1]]), "measured", COLOURS[AGAIN])
    ax.plot(SIZES, [held(64, every) for every in SIZES], color="#777777", linewidth=0.8)
    ax.axhline(kept, color=COLOURS[KEPT], linewidth=1)
    ax.set(title="the most that is held", xlabel="blocks of a segment", ylabel="activations", xscale="log", ylim=(0, 1.1 * kept))
    ax.set_xticks(SIZES, [str(size) for size in SIZES])
    ax.minorticks_off()
    label_lines(ax)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def beside_all(run: Trained) -> float:
    """The most that is held in a step with these segments, as a part of what is held when everything is kept."""
    depth, every = sizes(run.manual)
    return most_held(depth, every)[0] / most_held(depth, every, False)[0]


def extra_calls(run: Trained) -> float:
    """How many calls of blocks a step has beyond one forward and one backward of each."""
    x, y = run.data.split.train
    step = step_of(run.manual, (in_dtype_of(run.manual, x[:4]), y[:4]))
    with called(run.manual) as found:
        step()
    return float(len(found) - 2 * sizes(run.manual)[0])


PART = "it is {:.2g} of it"
SHORT: dict[str, Any] = {"trainer": {"max_epochs": 1}, "data": {"batch_size": 400}}
LOOK = ("how many to keep", "where the curve is lowest, and how high its ends are.")

QUESTIONS = (
    by_size(
        "64 blocks, of each eight only the input is kept. What is the most that is held, beside what is held when everything is kept?",
        beside_all,
        *("about an eighth of it", 0.2, "about a quarter", 0.4, "about half"),
        seen=PART,
        why="An eighth are the inputs of eight segments, and another eighth is the inside of the one that is computed again: 16 of 64.",
        model={"depth": 64, "every": 8},
        **SHORT,
        look_at=("there and back", "how high the teeth are at the beginning of the way back."),
    ),
    by_size(
        "recompute = True in place of False, the same weights and the same batch. By how much does the gradient differ?",
        differs,
        *("not at all, to the last bit", 1e-21, "in the last digits", 1e-9, "by more"),
        seen="the largest difference of an entry is {:.1g}",
        why="The second forward does the same operations on the same numbers in the same order, and rounds them alike.",
        model={"depth": 12, "every": 4},
        **SHORT,
    ),
    by_size(
        "16 blocks in segments of 4. A step without recomputation has 16 forwards and 16 backwards of a block. How many more has this one?",
        extra_calls,
        *("4, one for each segment", 10, "16, one for each block", 40, "64, four for each segment and block"),
        seen="it has {:.0f} more",
        why="Each segment goes forward once more, and in it each of its blocks. A third of the work, in place of most of the memory.",
        **SHORT,
    ),
)


MISTAKE = Mistake(
    "The fewer activations are kept, the less memory it takes: best is one segment of everything.",
    lambda run: (
        f"One segment of {sizes(run.manual)[0]} blocks keeps a single input, and holds {beside_all(run):.0%} of what it takes to keep "
        f"everything; segments of {best_segment(36)} hold {most_held(36, best_segment(36))[0] / most_held(36, 36, False)[0]:.0%}."
    ),
    lambda run: run.agree and beside_all(run) > 0.9,
    "What is computed again has to be held too, until the way back has used it: all of them at once. Nothing was saved, and each block "
    "went forward twice.",
    model={"depth": 36, "every": 36},
    data={"batch_size": 700},
    trainer={"max_epochs": 1},
)


def learned(run: Trained) -> str:
    """What is held, and how well it reads."""
    depth, every = sizes(run.manual)
    ours, theirs = most_held(depth, every)
    kept, kept_in_torch = most_held(depth, every, False)
    return (
        f"{depth} blocks in segments of {every} hold {ours:.0f} activations at most by hand and {theirs:.0f} in torch, where keeping "
        f"everything takes {kept:.0f} and {kept_in_torch:.0f}. The network reads {classes_right(run)} digits that it has not seen."
    )


TWIN = Twin(
    name="recomputation",
    manual=Manual,
    torch=Torch,
    data=Digits,
    data_args={"batch_size": 100},
    needs=("residual", "accumulation"),
    trainer={"max_epochs": 6},
    model={"lr": 0.2},
    idle={"recompute": "it changes what is held, and not one bit of what is computed"},
    variants={
        "segments of unequal size": {"depth": 5, "every": 2, "width": 9},
        "everything kept": {"depth": 4, "every": 3, "width": 9, "recompute": False},
    },
    figures=figures,
    learned=learned,
    look_at=("there and back", "how high each curve rises, and the eight teeth on the way back."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Recomputation.backward", ("The last segment comes first, as any layer would.",)),
        Exercise("Recomputed.backward", ("The layers inside have kept nothing. What do they need before they can go back?",)),
    ),
)

if __name__ == "__main__":
    run("recomputation")
