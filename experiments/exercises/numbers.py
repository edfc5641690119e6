"""Fill in the numbers of one example: every value from left to right, and every gradient from right to left, with pencil and paper."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import numpy as np

from experiments.exercises.answers import answers_in, told
from experiments.exercises.catalogue import Task
from experiments.exercises.exams import twin_of
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG, Gradient, Verdict

NEAR = 0.001, 0.03
"""An answer may be off by one in the third decimal, and by 3 %: what was rounded on the way adds up."""

Numbers = dict[str, np.ndarray]


def facts(task: Task) -> tuple[Numbers, Numbers]:
    """What is given, and what is asked: of the example that the untrained network gets most wrong, with all numbers rounded to tenths."""
    twin = twin_of(task.concept or "")
    model: Any = twin.build(seed=0)[0]
    data = twin.make_data()
    x, y = data.split.train
    worst = int(np.argmax(np.abs(model(x) - y)))
    p = {name: np.round(value, 1) for name, value in model.arrays().items()}
    x, y = np.round(x[worst], 1), y[worst]
    module = import_module(task.module)
    values = module.forward(x, **p)
    gradients = getattr(module, task.function)(x, y, **values, **p)
    return {"x": x, "y": y, **p}, {**values, **{f"dL_d{name}": np.asarray(g) for name, g in gradients.items()}}


def sheet(task: Task) -> str:
    """The learner's file."""
    given, asked = facts(task)
    function = import_module(task.module).forward
    steps = [f"    {line.strip()}" for line in inspect.getsource(function).splitlines() if " = " in line]
    blanks = [f"{name} = {blank(value.shape)}" for name, value in asked.items()]
    return (
        f'"""Exercise {task.name} · about {task.minutes} minutes\n\n'
        "One example goes through the network, and its error comes back. Compute every number, to three decimals, and write it in the\n"
        "place of None. The figure `the graph of one flower` shows such numbers of another network.\n\n"
        + "\n".join(line.partition("  #")[0] for line in steps)
        + "\n    L = half the square of the last minus y\n\n"
        f'Is it right? python -m experiments exercise check {task.name}\n"""\n\n'
        + "".join(f"{name} = {value.tolist()}\n" for name, value in given.items())
        + "\n# the values, from left to right; the gradients, from right to left\n"
        + "\n".join(blanks)
        + "\n"
    )


def blank(shape: tuple[int, ...]) -> str:
    """None in nested lists of this shape."""
    return f"[{', '.join([blank(shape[1:])] * shape[0])}]" if shape else "None"


def verdict(task: Task, text: str, file: str) -> Verdict:
    """Judge the answers."""
    _, right = facts(task)
    found = answers_in(text, file, *right)
    if isinstance(found, Verdict):
        return found
    numbers = {name: as_numbers(found[name], value.shape) for name, value in right.items()}
    if all(n is not None and np.isnan(n).all() for n in numbers.values()):
        return Verdict(NOT_BEGUN, ("No number is filled in yet.",))
    judged = [of_one(name, numbers[name], value, right) for name, value in right.items()]
    bad = [g for g in judged if not g.right]
    if not bad:
        return Verdict(RIGHT, (f"All {sum(v.size for v in right.values())} numbers are right.",))
    return Verdict(WRONG, tuple(told(judged, "names")), (), f"{bad[0].name}: {bad[0].what}")


def as_numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """The answers as an array, NaN for None; None in place of what has another shape, or is no number."""
    try:
        found = np.array(value, float)
    except (TypeError, ValueError):
        return None
    return found if found.shape == shape else None


def of_one(name: str, given: np.ndarray | None, right: np.ndarray, others: Numbers) -> Gradient:
    """The answers of one name."""
    if given is None:
        return Gradient(name, right.shape, 0.0, False, f"not {right.size} numbers in the lists that were there")
    if np.isnan(given).all():
        return Gradient(name, right.shape, 0.0, False, "not answered")
    fine = near(given, right)
    what = "" if fine.all() else common(name, given, right, others) or places(name, fine, given)
    return Gradient(name, right.shape, 0.0, bool(fine.all()), what)


def near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Entry by entry, whether they are the same but for rounding."""
    return np.abs(a - b) <= NEAR[0] + NEAR[1] * np.abs(b)


def common(name: str, given: np.ndarray, right: np.ndarray, others: Numbers) -> str | None:
    """A mistake that explains all of them."""
    a = others.get(f"a{name.removeprefix('dL_dz')}") if name.startswith("dL_dz") else None
    tried = {"minus the right numbers": -right, "twice the right numbers": 2 * right}
    if a is not None:
        tried["without the factor σ′ = a (1 − a)"] = right / (a * (1 - a))
    return next((words for words, numbers in tried.items() if near(given, numbers).all()), None)


def places(name: str, fine: np.ndarray, given: np.ndarray) -> str:
    """Which of them are wrong."""
    wrong = [f"{name}{list(at) if fine.ndim else ''}" for at in np.ndindex(fine.shape) if not fine[at] and not np.isnan(given[at])]
    return f"wrong in {', '.join(wrong[:4])}{', ...' if len(wrong) > 4 else ''}" if wrong else "not complete"


def solution(task: Task) -> list[str]:
    """All numbers."""
    return [f"{name} = {np.round(value, 3).tolist()}" for name, value in facts(task)[1].items()]
