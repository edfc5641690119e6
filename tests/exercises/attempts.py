"""Attempts at exercises: the file that a learner begins with, and something in the place of the gap."""

from __future__ import annotations

import ast
from textwrap import indent

from experiments.exercises.catalogue import Task, body_of, definition, find
from experiments.exercises.cutting import TO_DO, sheet
from experiments.exercises.hints import solution
from experiments.exercises.verdict import Verdict
from experiments.exercises.writing import verdict


def filled(task: Task, body: str) -> str:
    """The sheet with these lines as the function's body."""
    gap = f'raise NotImplementedError("{TO_DO}: {task.function}")'
    text = sheet(task)
    assert text.count(gap) == 1
    column = body_of(definition(task.module, task.function))[0].col_offset
    return text.replace(gap, indent(body, " " * column).lstrip())


def solved(task: Task) -> str:
    """The sheet with the solution in it."""
    return filled(task, "\n".join(solution(task)))


def of_zeros(task: Task) -> str:
    """The sheet with a body that restores what was saved, and returns zeros."""
    function = definition(task.module, task.function)
    returned = next((n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None), None)
    match returned:
        case None:
            result = "None"
        case ast.Dict(keys):
            result = repr(dict.fromkeys([ast.literal_eval(key) for key in keys if key], 0.0))
        case ast.Tuple(elts):
            result = repr((0.0,) * len(elts))
        case _:
            result = "0.0"
    restored = any(isinstance(n, ast.Attribute) and n.attr == "restore" for n in ast.walk(function))
    return filled(task, ("self.restore()\n" if restored else "") + f"return {result}")


def judged(name: str, body: str) -> Verdict:
    """What is said of a body."""
    task = find(name)
    return verdict(task, filled(task, body), f"{task.name}.py")
