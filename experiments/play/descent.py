"""Does the loss fall with this fault? A few steps down what a backward says is the gradient."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from types import CodeType

import numpy as np

import experiments
from experiments.judge.case import Pair, cases_of, draw_sizes, flat, like
from experiments.lockstep.checks import data_for
from experiments.play.rounds import Round, Shown
from experiments.source.replacing import in_place_of
from manual.trainer import Trainer

STEPS, ROWS = 30, 16
"""How many steps are made, and on how many rows of a concept's first batch."""

RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)


def losses(of: Round) -> tuple[Sequence[float], Sequence[float]] | None:
    """The loss at every step, with the fault and without; None where even the right gradient leads nowhere in so few steps.

    A concept is trained as it is. Of a layer the weights and the input are moved until its output is nearer to numbers drawn at random.
    """
    shown, code = of.shown, of.code
    assert code is not None
    if shown.is_a_concepts:
        right = walk(shown, None, 0.0)
        return (walk(shown, code, 0.0), right) if fell(right) else None
    for lr in RATES:
        right = walk(shown, None, lr)
        if fell(right):
            return walk(shown, code, lr), right
    return None


def fell(path: Sequence[float]) -> bool:
    """Whether the last loss is below the first, by a hundredth of it or more."""
    return len(path) == STEPS + 1 and path[-1] < path[0] - 0.01 * abs(path[0])


def walk(shown: Shown, code: CodeType | None, lr: float) -> list[float]:
    """The losses; fewer than there are steps where one is not finite."""
    function = shown.written.function
    with np.errstate(all="ignore"), warnings.catch_warnings(), shown.as_run(), in_place_of(function, code or function.__code__):
        warnings.simplefilter("ignore")
        path: list[float] = []
        try:
            for loss in concept_steps(shown) if shown.is_a_concepts else layer_steps(shown, lr):
                if not math.isfinite(loss):
                    break
                path.append(loss)
        except Exception:  # what is fed has left where the function is defined; or the fault raises after the first step
            return path
    return path


def concept_steps(shown: Shown) -> Iterator[float]:
    """The losses of a concept on its first batch, by its own optimizer."""
    twin = experiments.twin(shown.judge.partition(".")[0])
    data, _ = data_for(twin, 0)
    ours, theirs = twin.build(0, "float64", data=data)
    trainer, batch = Trainer(), tuple(a[:ROWS] for a in data.two_batches(theirs)[0])
    trainer.attach(ours)
    for step in range(STEPS + 1):
        yield trainer.train_batch(batch, step, is_last=True)


def layer_steps(shown: Shown, lr: float) -> Iterator[float]:
    """The losses of a layer: half the mean squared distance of its output to random numbers, or its output where that is one number."""
    case = cases_of([shown.judge])[0]
    pair = Pair(case, draw_sizes(case, np.random.default_rng(0)), 0)
    inputs, call = pair.inputs()
    moved = [i for i in pair.built.answered(list(range(len(inputs)))) if isinstance(inputs[i], np.ndarray) and inputs[i].dtype.kind == "f"]
    targets: list[np.ndarray] = []
    for _ in range(STEPS + 1):
        pair.rewind()
        pair.hand.zero_grad()
        out = pair.hand(*inputs, **call)
        ys = [np.asarray(y) for y in flat(out)]
        targets = targets or [pair.rng.normal(size=y.shape) for y in ys]
        is_loss = len(ys) == 1 and ys[0].ndim == 0
        n = sum(y.size for y in ys)
        yield float(ys[0]) if is_loss else 0.5 * sum(float(((y - t) ** 2).sum()) for y, t in zip(ys, targets, strict=True)) / n
        ups = [np.ones(())] if is_loss else [(y - t) / n for y, t in zip(ys, targets, strict=True)]
        back = pair.hand.backward(like(out, [u if u.ndim else u[()] for u in ups]))
        back = back if isinstance(back, tuple) else (back,)
        for i, g in zip(pair.built.answered(list(range(len(inputs)))), back, strict=False):
            if i in moved and g is not None:
                inputs[i] = inputs[i] - lr * np.asarray(g)
        for p in pair.hand.parameters():
            if p.has_grad:
                p.data = p.data - lr * p.grad
