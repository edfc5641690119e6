"""A network with a memory: backpropagation through time

A recurrent network adds two marked numbers of a sequence of thirty. How far a gradient reaches back is measured against the powers of
its weight; and the same training is done with long gradients cut short, and with none cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.adding import ALWAYS_THE_MEAN, Adding
from experiments.data.arrays import ArrayData
from experiments.drawing.colours import AMOUNT, CATEGORIES, POSITIVE, shades
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.written import label_lines
from experiments.judge.convert import in_dtype_of, load_in_torch, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual import optim
from manual.concept import Batch
from manual.module import no_grad
from manual.sequences.rnn import AddingRNN as Manual
from manual.sequences.rnn import Recurrence
from manual.trainer import Trainer
from torch_impl.sequences.rnn import AddingRNN as Torch

Array = np.ndarray

# ---- how far a gradient reaches ------------------------------------------------------------------------


def reach_by_hand(model: Any, batch: Batch) -> Array:
    """‖∂L/∂x[t]‖ for each step t, (T,)."""
    found: list[Array] = []
    right = model.rnn.backward
    model.rnn.backward = lambda dL_dhs: found.append(right(dL_dhs)) or found[0]  # type: ignore[func-returns-value]
    model.training_step(batch, 0)
    model.backward()
    model.zero_grad()
    del model.rnn.backward
    return np.sqrt((found[0] ** 2).sum(axis=(0, 2)))


@torch.enable_grad()
def reach_in_torch(model: Any, batch: Batch) -> Array:
    """The same, by autograd."""
    x, y = to_torch(batch)
    (dL_dx,) = torch.autograd.grad(model.loss(model(x.requires_grad_()), y), x)
    return (dL_dx**2).sum(dim=(0, 2)).sqrt().numpy()


def linear(start: float, steps: int = 30) -> tuple[Array, Array]:
    """The same on both sides where ReLU cuts nothing off: W_hh = start · I, and weights and inputs above 0. Divided by that of the last."""
    ours: Any
    ours, theirs = TWIN.having({"hidden": 5}).build()
    for p in (ours.rnn.weight_ih_l0, ours.rnn.bias_ih_l0, ours.rnn.bias_hh_l0):
        p[...] = np.abs(p)
    ours.rnn.weight_hh_l0[...] = start * np.eye(5)
    load_in_torch(TWIN.naming, theirs, ours.state_dict())
    batch = np.random.default_rng(0).uniform(size=(4, steps, 2)), np.zeros((4, 1))
    by_hand, in_torch = reach_by_hand(ours, batch), reach_in_torch(theirs, batch)
    return by_hand / by_hand[-1], in_torch / in_torch[-1]


# ---- clipped, and not ----------------------------------------------------------------------------------


@cache
def descent(clip: float | None, steps: int = 60, lr: float = 0.01) -> tuple[Array, Array]:
    """Of each step of plain gradient descent: the loss, and the length of the gradient before it is clipped, (2, steps), on both sides."""
    ours: Any
    (ours, theirs), (x, y) = TWIN.build(), TWIN.make_data().split.train
    load_in_torch(TWIN.naming, theirs, ours.state_dict())
    ours.configure_optimizers = lambda: optim.SGD(ours.parameters(), lr=lr)
    trainer, by_hand, in_torch = Trainer(gradient_clip_val=clip), [], []
    trainer.attach(ours)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=lr)
    lengths: list[float] = []
    ours.on_before_optimizer_step = lambda _: lengths.append(float(np.sqrt(sum((p.grad**2).sum() for p in ours.parameters()))))
    for i in range(steps):
        batch = x[32 * i : 32 * (i + 1)], y[32 * i : 32 * (i + 1)]
        by_hand.append((trainer.train_batch(batch, i, is_last=True), lengths[-1]))
        optimizer.zero_grad()
        with torch.enable_grad():
            loss: Any = theirs.training_step(to_torch(batch), i)
            loss.backward()
        length = torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip or float("inf"))
        optimizer.step()
        in_torch.append((loss.item(), length.item()))
    return np.array(by_hand).T, np.array(in_torch).T


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What the pair makes of the sequences, how far its gradients reach, and why they are clipped."""
    return OnDemand(
        {
            "the adding problem": lambda: the_adding_problem(manual, torch_module, data),
            "powers of the weight": lambda: powers_of_the_weight(manual, torch_module, data),
            "why clipping": lambda: why_clipping(),
        }
    )


def the_adding_problem(manual: Any, torch_module: Any, data: ArrayData) -> Figure:
    """One sequence, and what is said of all that were held out."""
    x, y = (in_dtype_of(manual, part) for part in data.split.val)
    with no_grad(), torch.no_grad():
        ours, theirs = manual(x), torch_module(to_torch(x)).numpy()
    fig, axes = figure(
        f"Left: one sequence. Two of its numbers are marked; their sum is asked for at the end, here {y[0, 0]:.2f}. Right: the sum that is "
        "said and the true one, of 200 sequences that were not trained on. On the line every answer is right; who always says 1 is on the "
        "level line. Blue: torch, red: by hand.",
        columns=2,
        size=(4.8, 3.6),
    )
    left, right = axes[0]
    marked = x[0, :, 1] == 1
    left.bar(np.flatnonzero(~marked), x[0, ~marked, 0], color="#bbbbbb", label="not marked")
    left.bar(np.flatnonzero(marked), x[0, marked, 0], color=CATEGORIES[1], label="marked")
    left.set(title="a sequence", xlabel="step t", ylabel="number", ylim=(0, 1.25), xticks=range(0, x.shape[1], 5))
    left.legend(fontsize=8, ncols=2, loc="upper center")
    right.plot([0, 2], [0, 2], color="#999999", linewidth=1)
    right.axhline(1, color="#999999", linewidth=1, linestyle=":")
    for said, whose, colour, size in ((theirs, "torch", TORCH["color"], 5), (ours, "by hand", BY_HAND["color"], 2)):
        right.plot(y[:200, 0], said[:200, 0], "o", color=colour, markersize=size, label=whose)
    right.set(title="what is said of 200 others", xlabel="true sum", ylabel="said")
    right.legend(fontsize=8, loc="upper left")
    return fig


def draw_gates(caption: str, x: Array, gates: dict[str, Array], held: str, ours: Array, theirs: Array) -> Figure:
    """Of one sequence x (1, T, 2): two gates of all units (T, H), by title, and what the units hold that change most at the marks."""
    marks = np.flatnonzero(x[0, :, 1])
    fig, axes = figure(caption, columns=3, size=(4.2, 3.7))
    for ax, (title, gate) in zip(axes[0], gates.items(), strict=False):
        image = ax.imshow(gate.T, cmap=AMOUNT, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        ax.set(title=title, xlabel="step t", ylabel="unit")
    fig.colorbar(image, ax=axes[0, 1], label="0: shut, 1: open")
    right = axes[0, 2]
    change = np.abs(np.diff(ours, axis=0, prepend=0)[marks]).sum(axis=0)
    for unit, colour in zip(change.argsort()[::-1][:3], CATEGORIES[:3], strict=True):
        draw_both(right, ours[:, unit], theirs[:, unit], f"unit {unit}", colour)
    for ax in axes[0]:
        for mark in marks:
            ax.axvline(mark, color=POSITIVE, linewidth=1.2, linestyle=":")
    right.set(title=held, xlabel="step t")
    right.legend(fontsize=8)
    return fig


def draw_reach(caption: str, twin: Twin, manual: Any, torch_module: Any, data: ArrayData) -> Figure:
    """How long the gradient is at each step, of a new pair and of this one."""
    batch = tuple(in_dtype_of(manual, part[:100]) for part in data.split.val)
    fig, axes = figure(caption, size=(6.4, 3.7))
    ax = axes[0, 0]
    new = twin.build(dtype=batch[0].dtype.name)
    for (ours, theirs), name, colour in ((new, "new", CATEGORIES[1]), ((manual, torch_module), "this one", CATEGORIES[0])):
        draw_both(ax, reach_by_hand(ours, batch), reach_in_torch(theirs, batch), name, colour)
    ax.set(title="how long the gradient is", xlabel="step t", ylabel="‖∂L/∂x[t]‖", yscale="log")
    ax.legend(fontsize=8)
    return fig


STARTS = (0.7, 0.9, 1.0, 1.1, 1.3)


def powers_of_the_weight(manual: Manual, torch_module: Torch, data: ArrayData) -> Figure:
    """The gradient at each step back, where ReLU cuts nothing off, and in this pair."""
    fig, axes = figure(
        "How long the gradient at step t is. Left: W_hh = w · I, and no unit is cut off; divided by that of the last step. Dots: the "
        "powers of w. Thirty steps back 0.7 has left nothing, and 1.3 has made thousands of it. Right: of this network on 100 sequences "
        "that were not trained on; it should not vanish towards the left, for what is marked early counts as much. Bands: torch, dashes: "
        "by hand.",
        columns=2,
        size=(5.0, 3.7),
    )
    left, right = axes[0]
    for start, colour in zip(STARTS, shades(len(STARTS)), strict=True):
        draw_both(left, *linear(start), f"w = {start:g}", colour)
        left.plot(start ** np.arange(29, -1, -1.0), ".", color=colour, markersize=4)
    left.set(title="a power of the weight", xlabel="step t", ylabel="‖∂L/∂x[t]‖, of that at the end", yscale="log")
    label_lines(left, left=True)
    batch = tuple(in_dtype_of(manual, part[:100]) for part in data.split.val)
    draw_both(right, reach_by_hand(manual, batch), reach_in_torch(torch_module, batch), "this network", CATEGORIES[0])
    right.set(title="in this network", xlabel="step t", ylabel="‖∂L/∂x[t]‖", yscale="log")
    return fig


def why_clipping() -> Figure:
    """Plain gradient descent from the same start, with long gradients cut short and without."""
    free, clipped = descent(None), descent(1.0)
    fig, axes = figure(
        f"Plain gradient descent from the same weights on the same batches. The first gradient is {free[0][1, 0]:.0f} long. Unclipped, the "
        f"first steps throw the weights away: the loss reaches {free[0][0].max():.0e}. Clipped to 1, it is never above "
        f"{clipped[0][0].max():.1f}. Bands: torch, dashes: by hand.",
        columns=2,
        size=(5.0, 3.6),
    )
    for ax, row, title in zip(axes[0], (1, 0), ("length of the gradient", "loss"), strict=True):
        for (ours, theirs), name, colour in ((free, "not clipped", CATEGORIES[3]), (clipped, "clipped to 1", CATEGORIES[2])):
            draw_both(ax, ours[row], theirs[row], name, colour)
        ax.set(title=title, xlabel="step", yscale="log")
        ax.legend(fontsize=8)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def error(run: Trained) -> float:
    """The mean squared error on sequences that were not trained on."""
    return run.metrics["loss/val"]


SEEN, SHORT = "a squared error of {:.3g}", {"max_epochs": 2}
LEARNED = ("less than half of that", ALWAYS_THE_MEAN / 2, "more than half of that, but less", 0.14, "about 0.167, too")

QUESTIONS = (
    by_size(
        "Who always says 1 has a squared error of 0.167. W_hh starts as the identity. What is the error of the network after 400 steps?",
        error,
        *LEARNED,
        seen=SEEN,
        why="A state that is handed on as it is keeps what it holds, and its gradient reaches the first step as it left the last.",
        trainer=SHORT,
        look_at=("the adding problem", "how near the points are to the line."),
    ),
    by_size(
        "W_hh starts as half the identity, and 0.5²⁹ is two billionths. What is the error now?",
        error,
        *LEARNED,
        seen=SEEN,
        why="Of what was marked early hardly anything is left in the last state, and hardly any gradient comes back to say what to keep.",
        model={"start": 0.5},
        trainer=SHORT,
        look_at=("powers of the weight", "the right panel: how much of the gradient is left at the first step."),
    ),
    by_size(
        "W_hh starts as 1.2 · I, 1.2²⁹ = 198, and nothing is clipped. What is the error after 200 steps?",
        error,
        *("less than 0.167", 0.16, "about 0.167", 0.25, "more than 0.167"),
        seen=SEEN,
        why="The first gradients are so long that they throw all weights away. What is left of 200 steps is the way back to saying 1.",
        model={"start": 1.2},
        trainer={"max_epochs": 1, "gradient_clip_val": None},
        look_at=("why clipping", "what the first steps do to the loss where nothing is clipped."),
    ),
)


class LastStepOnly(Recurrence):
    """A recurrence that goes back through its last step alone."""

    def backward(self, dL_dhs: np.ndarray) -> np.ndarray:
        x, h = self.restore()
        self.save(x[:, -1:], h[:, -2:])  # as if the sequence had begun there
        dL_dx = np.zeros_like(x)
        dL_dx[:, -1:] = super().backward(dL_dhs[:, -1:])
        return dL_dx


class Detached(Manual):
    """The network, which takes the state before the last step for a given number."""

    def __init__(self, hidden: int = 32, *arguments: Any, **settings: Any) -> None:
        super().__init__(hidden, *arguments, **settings)
        self.rnn = LastStepOnly(2, hidden, 1.0, dtype=settings["dtype"])


class DetachedInTorch(Torch):
    """The same in torch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, state = self.rnn(x[:, :-1])
        h, _ = self.rnn(x[:, -1:], state.detach())
        return self.fc(h[:, -1])


MISTAKE = Mistake(
    "h.detach() at every step spares the way back: the state holds the past already, so the last step has all that is to be learned.",
    lambda run: (
        f"Gone back through the last step alone, the squared error is {error(run):.3g} after {len(run.losses)} steps; who always says 1 "
        f"has {ALWAYS_THE_MEAN:.3g}."
    ),
    lambda run: error(run) > 0.14,
    "What the state holds is what earlier steps chose to keep, and they are told what to keep by the gradient that comes back to them.",
    trainer=SHORT,
    manual=Detached,
    torch=DetachedInTorch,
)


def learned(run: Trained) -> str:
    """The squared error, and that of who always says the mean."""
    return (
        f"On {len(run.data.split.val[0]):,} sequences of {run.data.steps} steps that it was not trained on its squared error is "
        f"{error(run):.2g}; who always says 1 has {ALWAYS_THE_MEAN:.2g}."
    )


TWIN = Twin(
    name="rnn",
    manual=Manual,
    torch=Torch,
    data=Adding,
    learned=learned,
    look_at=("powers of the weight", "how much of the gradient is left at the first step, by the weight."),
    needs=("digits_mlp",),
    trainer={"max_epochs": 4, "gradient_clip_val": 1.0},
    variants={"half the identity": {"start": 0.5}, "more than the identity": {"start": 1.2}},
    options={"steps": 4},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("three_steps_backward", ("Begin with h3, and go up the three lines. W_ih was used three times, W_hh twice.",)),
        Exercise("Recurrence.backward", ("It is three_steps_backward as a loop; each step adds to the gradients of the weights.",)),
        Exercise("AddingRNN.backward", ("Only the last state was read: the gradient of all others begins as 0.",)),
    ),
)

if __name__ == "__main__":
    run("rnn")
