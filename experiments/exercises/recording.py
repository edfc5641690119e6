"""What goes into a function and comes out of it while it is judged: for the hint about shapes."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

import numpy as np

from experiments.exercises.catalogue import Task
from experiments.exercises.exams import exams_of
from experiments.exercises.placing import in_place, original
from experiments.exercises.returning import names_of_results
from manual.module import Module


def recorded(task: Task) -> dict[str, str]:
    """By name the shape of every argument of the original, of every parameter of its layer, and of every result, in one of its calls."""
    place = original(task)
    same = FunctionType(place.__code__, place.__globals__, place.__name__, place.__defaults__, place.__closure__)
    same.__kwdefaults__ = place.__kwdefaults__
    calls: list[dict[str, str]] = []

    def recording(*args: Any, **kwargs: Any) -> Any:
        given = inspect.signature(same).bind(*args, **kwargs).arguments
        told = {name: shape_of(value) for name, value in given.items() if name != "self"}
        if isinstance(given.get("self"), Module):
            told |= {f"self.{name}": shape_of(p.data) for name, p in given["self"].named_parameters()}
        found = same(*args, **kwargs)
        calls.append({**told, **{f"→ {name}": shape_of(value) for name, value in names_of_results(task, found)}})
        return found

    exam = exams_of(task)[0]
    with in_place(task, recording):
        exam.look(0)
    return {name: shape for name, shape in calls[0].items() if shape}


def shape_of(value: Any) -> str:
    """In words; nothing of what has none."""
    if isinstance(value, np.ndarray) and value.ndim:
        return str(value.shape)
    return "one number" if isinstance(value, int | float | np.number | np.ndarray) and not isinstance(value, bool) else ""
