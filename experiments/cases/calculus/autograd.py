"""The engine of calculus.autograd, its steps and the walk back, against torch's own graph of the same expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from experiments.judge.compare import error, norm
from experiments.judge.registry import judged_by
from manual.calculus.autograd import Tensor

Build = Callable[..., Any]
"""From a function that makes a leaf of an array, and leaves, to what is computed from them."""


def of_both(build: Build, arrays: list[np.ndarray], seed: int) -> dict[str, float]:
    """The errors of what is computed, and of the gradient of each leaf, which are asked for twice: they add up."""
    ours = [Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    found: dict[str, float] = {}
    for call in (1, 2):
        y, y_in_torch = build(Tensor, *ours), build(torch.tensor, *theirs)
        dL_dy = np.random.default_rng(seed + call).normal(size=y.data.shape)
        y.backward(dL_dy)
        y_in_torch.backward(torch.tensor(dL_dy))
        found[f"output of call {call}"] = error(y.data, y_in_torch)
    whole = norm(t.grad for t in theirs)
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        found[f"gradient of leaf {i}"] = np.inf if a.grad is None else error(a.grad, b.grad, whole)
    return found


def judge_steps(seed: int) -> dict[str, float]:
    """Every step, with rows that are stretched, numbers that nobody asks about, and values that are used again and again."""
    rng = np.random.default_rng(seed)
    N, I, O = rng.permutation([2, 3, 4])
    arrays = [rng.normal(size=(N, I)), rng.normal(size=(I, O)), rng.normal(size=O), rng.normal(size=(N, O)), rng.normal(size=())]

    def build(constant: Any, x: Any, W: Any, b: Any, t: Any, s: Any) -> Any:
        z = x @ W + b
        a = z * z.sigmoid()  # z is used twice, by steps that do not come together
        r = (a - t) * s - z.sigmoid() * 0.3
        return r * (r * r + constant(arrays[3])).sum() + a.sum()

    return of_both(build, arrays, seed)


def judge_paths(seed: int) -> dict[str, float]:
    """Numbers that meet again after ways of different length, in either order of the operands."""
    rng = np.random.default_rng(seed)

    def build(constant: Any, a: Any, b: Any) -> Any:
        c = a * b
        d = c + a
        e = d * c - c * d.sigmoid()
        return (e - d) * (c - e) + e * a

    return of_both(build, [rng.normal(size=(3, 2)), rng.normal(size=2)], seed)


def judge_past(seed: int) -> dict[str, float]:
    """What was cut off from its past, and what was changed in place."""
    rng = np.random.default_rng(seed)

    def build(constant: Any, a: Any, b: Any) -> Any:
        c = a * b
        c.add_(a.sigmoid())
        c.add_(1.5)
        d = constant(np.zeros((2, 4)))
        d.add_(b)
        return c * (b - c.detach()) + d

    return of_both(build, [rng.normal(size=(2, 4)), rng.normal(size=4)], seed)


def judge_one_number(seed: int) -> dict[str, float]:
    """A loss is one number, and is gone back from without a word."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 3, 4))
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    (ours * (ours - Tensor(y))).sum().backward()
    (theirs * (theirs - torch.tensor(y))).sum().backward()
    return {"gradient": np.inf if ours.grad is None else error(ours.grad, theirs.grad)}


EQUIVALENT = {
    "what nobody asked for is told to nobody: no step is None": ("autograd.walk_back:saved:other is not None => dL_dx is not None:0",),
}

for _step in ("add", "sub", "mul", "mm", "sigmoid", "sum", "Tensor"):
    judged_by(f"autograd.{_step}", judge_steps, judge_paths, judge_past, judge_one_number)
