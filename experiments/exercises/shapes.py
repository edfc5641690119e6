"""What is the shape of each line? The lines of a straight-line concept without their comments, to be answered name by name."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

import numpy as np

from experiments.exercises.answers import answers_in, told
from experiments.exercises.catalogue import Task, body_of, definition, source
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG, Gradient, Verdict
from manual.concept import StraightLine

ROWS = 7
"""Examples in the batch: a number that is the size of no layer."""


def sheet(task: Task) -> str:
    """The learner's file."""
    given, asked = facts(task)
    lines = [f"    {line}" for name in ("forward", "loss", "backward") for line in [name, *code(task, name)]]
    return (
        f'"""Exercise {task.name} · about {task.minutes} minutes\n\n'
        f"What is the shape of each value and of each gradient? A shape is a tuple: (7, 2), (3,), and () of one number. Here go in\n\n"
        + "".join(f"    {name:4} {shape}\n" for name, shape in given.items())
        + "\n"
        + "\n".join(lines)
        + f'\n\nIs it right? python -m experiments exercise check {task.name}\n"""\n\nSHAPES = {{\n'
        + "".join(f'    "{name}": None,\n' for name in asked)
        + "}\n"
    )


def code(task: Task, name: str) -> list[str]:
    """The lines of a function, without what is said beside them."""
    return [f"    {line}" for s in body_of(definition(task.module, name)) for line in ast.unparse(s).splitlines()]


def facts(task: Task) -> tuple[dict[str, Any], dict[str, Any]]:
    """The shapes of what goes in, and of every name that forward, loss and backward give a value, by name."""
    module = import_module(task.module)
    concept = next(c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, StraightLine) and c.__module__ == task.module)
    make: Callable[..., StraightLine] = concept
    p = make(rng=np.random.default_rng(0)).arrays()
    first = next(value for value in p.values() if value.ndim == 2)
    x = np.random.default_rng(0).normal(size=(ROWS, len(first)))
    seen: dict[str, Any] = {}
    values = watching(seen, module.forward, x, **p)
    prediction = list(values.values())[-1]
    y = np.zeros_like(prediction)
    seen["L"] = np.asarray(module.loss(prediction, y))
    watching(seen, module.backward, x, y, **values, **p)
    given = {name: np.shape(value) for name, value in {"x": x, "y": y, **p}.items()}
    return given, {name: np.shape(value) for name, value in seen.items() if name not in given and isinstance(value, np.ndarray)}


def watching(seen: dict[str, Any], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function, and keep what its names hold when it returns."""

    def keep(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            seen.update(frame.f_locals)

    sys.setprofile(keep)
    try:
        return function(*args, **kwargs)
    finally:
        sys.setprofile(None)


def verdict(task: Task, text: str, file: str) -> Verdict:
    """Judge the answers."""
    _, right = facts(task)
    found = answers_in(text, file, "SHAPES")
    if isinstance(found, Verdict):
        return found
    given: dict[str, Any] = dict.fromkeys(right) | (found["SHAPES"] if isinstance(found["SHAPES"], dict) else {})
    if all(given[name] is None for name in right):
        return Verdict(NOT_BEGUN, ("SHAPES holds no answer yet.",))
    judged = tuple(Gradient(name, None, 0.0, same(given[name], right[name]), wrong_how(given[name], right[name])) for name in right)
    bad = [g for g in judged if not g.right]
    if not bad:
        return Verdict(RIGHT, (f"All {len(judged)} shapes are right.",))
    return Verdict(WRONG, tuple(told(judged, "shapes")), (), f"{bad[0].name}: {bad[0].what}")


def same(given: Any, shape: tuple[int, ...]) -> bool:
    """Whether an answer is this shape; a list will do."""
    return isinstance(given, tuple | list) and tuple(given) == shape


def wrong_how(given: Any, shape: tuple[int, ...]) -> str:
    """What is to be said of a wrong answer."""
    if given is None:
        return "not answered"
    if isinstance(given, int):
        return f"no tuple: with one axis it is ({given},)"
    if not isinstance(given, tuple | list):
        return "no tuple"
    if same(tuple(given)[::-1], shape):
        return "the axes the other way round"
    if len(given) != len(shape):
        return f"of {len(given)} axes, and there are {len(shape)}"
    return "another size than it has"


def solution(task: Task) -> list[str]:
    """Every shape."""
    return [f"{name}: {shape}" for name, shape in facts(task)[1].items()]


def hint(task: Task, step: int) -> list[str]:
    """All but the fourth."""
    if step == 1:
        return ["For each name give the shape of what it holds: how many entries along each axis, as a tuple."]
    if step == 2:
        return [
            "A product (a, b) @ (b, c) has the shape (a, c). Sums and products entry by entry keep the shape; a row is added to every row."
        ]
    if step == 3:
        return ["A gradient dL_dz has the shape of z, for it says for each entry of z how the loss grows with it."]
    lines = source(task.module).splitlines()
    functions = [definition(task.module, name) for name in ("forward", "backward")]
    return [f"    {line.strip()}" for f in functions for line in lines[body_of(f)[0].lineno - 1 : f.end_lineno]]
