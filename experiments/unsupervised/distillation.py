"""Distillation: a student that never saw a 3 learns to read 3s from what a teacher says

The teacher has seen all digits; the student, on both sides, gets no 3 to see, and no labels either, only what the teacher says of other
digits. At a temperature of 4 it soon reads nine of ten held-out 3s; at a temperature of 1, in as many steps, few; from labels none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.taught import TaughtDigits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.walk import losses
from experiments.drawing.words import percent
from experiments.drawing.written import label_lines
from experiments.judge.convert import made_of, to_numpy, to_torch
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Trained, by_size
from experiments.pair import Twin
from manual.nn.functional import softmax
from manual.unsupervised.distillation import Distillation as Manual
from manual.unsupervised.distillation import distill_backward, limit
from torch_impl.unsupervised.distillation import Distillation as Torch
from torch_impl.unsupervised.distillation import distill

# ---- what is measured, on both sides ---------------------------------------------------------------------


def unseen(data: TaughtDigits) -> int:
    """The kind of digit that this is about: the missing one, or 3 if none is missing."""
    return data.missing if data.missing >= 0 else 3


def read(side: Any, data: TaughtDigits) -> tuple[float, float]:
    """What part of the held-out digits of the missing kind is read right, and what part of the others."""
    x, _, y = data.split.val
    right, of = made_of(side, x).argmax(axis=1) == y, y == unseen(data)
    return float(right[of].mean()), float(right[~of].mean())


TS = (1.0, 2.0, 4.0, 16.0)
"""Temperatures at which students are trained for the figure."""


@cache
def students(T: float, share: float = 1.0, epochs: int = 16) -> tuple[Any, Any]:
    """A student of each side, from the same weights on the same batches."""
    data, (ours, theirs) = TaughtDigits(), TWIN.having({"T": T, "share": share}).build()
    arrays, rng = data.split.train, np.random.default_rng(0)
    batches = []
    for _ in range(epochs):
        order = rng.permutation(len(arrays[0]))
        batches += [tuple(a[rows] for a in arrays) for rows in np.array_split(order, -(-len(order) // data.batch_size))]
    losses(ours, theirs, batches)
    return ours, theirs


def soft(v: np.ndarray, T: float) -> np.ndarray:
    """Scores as probabilities at a temperature. (N, C)."""
    return softmax(v / T, axis=1)


def gradient_in_torch(z: np.ndarray, v: np.ndarray, T: float) -> np.ndarray:
    """∂L/∂z as autograd has it."""
    import torch

    with torch.enable_grad():
        scores = to_torch(z).requires_grad_()
        distill(scores, to_torch(v), T).backward()
    return np.asarray(to_numpy(scores.grad))


# ---- figures -----------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: TaughtDigits) -> Mapping[str, Figure]:
    """What the teacher says; what students of several temperatures read; the limit."""
    return OnDemand(
        {
            "what the teacher says": lambda: what_the_teacher_says(manual, torch_module, data),
            "temperatures": lambda: temperatures(),
            "the limit": lambda: the_limit(),
        }
    )


def what_the_teacher_says(manual: Manual, torch_module: Torch, data: TaughtDigits) -> Figure:
    """Four usual digits of kinds that have something of the missing one: the teacher cold and warm, and the student."""
    (x, v, y), kind, T = data.split.train, unseen(data), manual.T
    share = soft(v, T)[:, kind]
    usual = {k: rows[share[rows].argsort()[len(rows) // 2]] for k in range(10) if k != kind and len(rows := np.flatnonzero(y == k))}
    shown = sorted(usual.values(), key=lambda row: -share[row])[:4]
    fig, axes = figure(
        f"Of the four kinds in which the teacher sees most of a {kind} a usual one each; the student sees no {kind}. Second row: what "
        f"the teacher says at T = 1; of the {kind} (dark) next to nothing can be seen. Third: at T = {T:g} it can. Last: the student "
        "at that temperature (broad: torch, narrow: by hand).",
        rows=4,
        columns=4,
        size=(2.1, 1.6),
    )
    p, p_torch = (soft(made_of(side, x[shown]), T) for side in (manual, torch_module))
    for column, row in enumerate(shown):
        top, cold, warm, student = axes[:, column]
        top.imshow(x[row].reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
        top.set(title=f"a {y[row]}", xticks=[], yticks=[])
        for ax, q, title in ((cold, soft(v[[row]], 1.0)[0], "teacher, T = 1"), (warm, soft(v[[row]], T)[0], f"teacher, T = {T:g}")):
            ax.bar(range(10), q, color=[CATEGORIES[0] if k == kind else "#bbbbbb" for k in range(10)])
            ax.set_title(title, fontsize=9)
        student.bar(range(10), p_torch[column], width=0.9, color=TORCH["color"])
        student.bar(range(10), p[column], width=0.4, color=BY_HAND["color"])
        student.set_title(f"student, T = {T:g}", fontsize=9)
        for ax in (cold, warm, student):
            ax.set(xticks=range(10), ylim=(0, 1))
            ax.tick_params(labelsize=7)
    return fig


def temperatures() -> Figure:
    """What students read that were trained at several temperatures, and one that learned from labels."""
    data = TaughtDigits()
    found = {side: np.array([read(students(T)[side], data) for T in TS]) for side in (0, 1)}
    with_labels = read(students(1.0, 0.0)[0], data)
    fig, axes = figure(
        "Students that never saw a 3, trained for 16 epochs at several temperatures: what part of the held-out 3s they read, and of the "
        f"other digits. In as many steps it is {percent(found[0][0, 0])} of the 3s at T = {TS[0]:g}, and {percent(found[0][2, 0])} at "
        f"T = {TS[2]:g}. One that learned from labels reads {percent(with_labels[0])} of them, and {percent(with_labels[1])} of the rest. "
        "Bands: torch, dashes: by hand.",
        size=(6.0, 3.6),
    )
    ax = axes[0, 0]
    for part, (name, colour) in enumerate((("3s, never seen", CATEGORIES[0]), ("other digits", CATEGORIES[1]))):
        draw_both(ax, [TS, found[0][:, part]], [TS, found[1][:, part]], name, colour)
    ax.set(title="read right, by the temperature of training", xlabel="T", xscale="log", ylim=(-0.03, 1.03), xticks=TS)
    ax.set_xticklabels([f"{T:g}" for T in TS])
    ax.minorticks_off()
    label_lines(ax)
    return fig


def the_limit() -> Figure:
    """How far ∂L/∂z is from its limit, against T."""
    z, v = np.random.default_rng(0).normal(0, 5, (2, 40, 10))
    Ts, at_last = np.logspace(0, 4, 25), limit(z, v)
    ours, theirs = (
        [float(np.linalg.norm(of(T) - at_last) / np.linalg.norm(at_last)) for T in Ts]
        for of in (lambda T: distill_backward(1.0, z, v, T), lambda T: gradient_in_torch(z, v, T))
    )
    fig, axes = figure(
        "How far the gradient is from its limit, the difference of the scores over C N, for scores of about 5. From T = 30 or so on it is "
        "ten times nearer where T is ten times higher: at high temperatures the student learns the teacher's scores. Band: torch, dashes: "
        "by hand.",
        size=(6.0, 3.4),
    )
    ax = axes[0, 0]
    ax.plot(Ts, theirs, label="torch", **TORCH)
    ax.plot(Ts, ours, label="by hand", **BY_HAND)
    ax.set(title="from the limit of high temperature", xlabel="T", ylabel="relative distance", xscale="log", yscale="log")
    ax.legend(fontsize=9)
    return fig


# ---- to do -------------------------------------------------------------------------------------------------


def of_unseen(run: Trained) -> float:
    """What part of the held-out digits of the missing kind is read."""
    return read(run.manual, run.data)[0]


def like_a_3(run: Trained) -> dict[str, float]:
    """What the teacher says of 3 where it sees a digit of these kinds, on average."""
    _, v, y = run.data.split.train
    return {f"the {kind}s": float(soft(v[y == kind], run.manual.T)[:, 3].mean()) for kind in (0, 4, 6, 9)}


PART, SEEN = ("none, or nearly", 0.1, "fewer than half", 0.5, "more than half"), "{:.0%} of them"

QUESTIONS = (
    by_size(
        "The student sees no 3, and is told by the teacher what other digits are like. What part of the held-out 3s does it read?",
        of_unseen,
        *PART,
        seen=SEEN,
        why="Of every picture it is told how much of a 3 it has, and learns which strokes speak for one, without a 3 ever shown.",
        look_at=("what the teacher says", "the dark bar at T = 4: it is not the same for all."),
    ),
    by_size(
        "share = 0: the student learns from the labels of the same pictures. What part of the held-out 3s does it read now?",
        of_unseen,
        *PART,
        seen=SEEN,
        why="That a picture is an 8 is all that the label says, and none was ever a 3: the score of 3 is pushed down, whatever it sees.",
        model={"share": 0.0},
        trainer={"max_epochs": 10},
    ),
    Question(
        "Which digits told the student most of what a 3 looks like: in which does the teacher see most of a 3?",
        ("the 0s", "the 4s", "the 6s", "the 9s"),
        ByLargest(like_a_3, "{:.3f}"),
        "It is what shares strokes with a 3: its two bows open to the left.",
        trainer={"max_epochs": 1},
        look_at=("what the teacher says", "which digits are shown: of these kinds some are most like a 3."),
    ),
)

MISTAKE = Mistake(
    "The teacher's probabilities say all that it knows. Dividing scores by a temperature adds nothing.",
    lambda run: (
        f"At T = 1 the student reads {of_unseen(run):.0%} of the 3s, which it never saw, and {read(run.manual, run.data)[1]:.0%} of the "
        f"other digits, after {len(run.losses)} steps."
    ),
    lambda run: run.agree and of_unseen(run) < 0.3 and read(run.manual, run.data)[1] > 0.9,
    "It adds nothing, and makes it count. What the teacher knows of 3s stands far behind the point at T = 1, where the loss hardly sees "
    "it: it is learned, but several times as slowly.",
    model={"T": 1.0},
    trainer={"max_epochs": 12},
)


def learned(run: Trained) -> str:
    """What is read of what was never seen, and of the rest."""
    (of, rest), kind = read(run.manual, run.data), unseen(run.data)
    _, v, y = run.data.split.val
    teacher = float(np.mean(v.argmax(axis=1) == y))
    return (
        f"Of the held-out {kind}s, of which it never saw one, the student reads {percent(of)}, and {percent(rest)} of the other digits. "
        f"The teacher, which saw all kinds, reads {percent(teacher)} of all."
    )


TWIN = Twin(
    name="distillation",
    manual=Manual,
    torch=Torch,
    data=TaughtDigits,
    learned=learned,
    look_at=("what the teacher says", "how much of a 3 the teacher sees in other digits, once it is warm."),
    needs=("digits_mlp", "information", "calibration"),
    trainer={"max_epochs": 20},
    variants={"from labels too": {"share": 0.3, "hidden": 7, "T": 2.0}},
    options={"share": 0.6, "data.missing": 5},
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("distill_backward", ("With respect to z / T it is p − q over N. Which powers of T come to it?",)),
        Exercise("Distillation.backward", ("z was used by two losses: what comes back from them is added.",)),
    ),
)

if __name__ == "__main__":
    run("distillation")
