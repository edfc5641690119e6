"""The kinds of exercise, and for each what makes its file, judges it, helps with it, and solves it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from experiments.exercises import cutting, hints
from experiments.exercises.catalogue import Task
from experiments.exercises.verdict import RIGHT, Verdict, wrong

if TYPE_CHECKING:
    from experiments.exercises.room import Room

MODULES = {"write": "writing", "shapes": "shapes", "numbers": "numbers", "fault": "faults"}
"""Where each kind is judged. All of them bring torch with them but the shapes."""


STEPS = {
    "write": hints.STEPS,
    "numbers": hints.STEPS,
    "shapes": ("what is asked", "products", "gradients", "your attempt", "the lines, with their sizes"),
    "fault": ("what is asked", "where to begin", "the rules", "your attempt", "what kind of mistake it is"),
}
"""What the five hints are about."""


def module_of(task: Task) -> ModuleType:
    """The module of its kind."""
    return import_module(f"experiments.exercises.{MODULES[task.kind]}")


def sheet(task: Task) -> str:
    """The file that a learner begins with."""
    made: str = cutting.sheet(task) if task.kind == "write" else module_of(task).sheet(task)
    return made


def opening(task: Task, text: str) -> list[str]:
    """What is said when it is begun."""
    if task.kind == "write":
        return [f"In it, write the body of `{task.function}`; nothing else is judged."]
    lesson = (ast.get_docstring(ast.parse(text)) or "").partition("\n\n")[2]
    parts = [[" ".join(part.split())] if part[:1].isalpha() else part.splitlines() for part in lesson.split("\n\n")[:-1]]
    return [line for part in parts for line in (*part, "")][:-1]


def solution(task: Task) -> list[str]:
    """The lines that were cut, or the right answers."""
    found: list[str] = hints.solution(task) if task.kind == "write" else module_of(task).solution(task)
    return found


def verdict(task: Task, text: str, file: str) -> Verdict:
    """Judge an attempt."""
    if (of := begun_as(text)) and of != task.name:
        return wrong(f"This is the file of another exercise, {of}.", "the file of another exercise")
    found: Verdict = module_of(task).verdict(task, text, file)
    return found


def begun_as(text: str) -> str | None:
    """The exercise that a file says, in its first line, it is of; None if it says no such thing."""
    said = re.match(r'"""Exercise (\S+) · ', text)
    return said[1] if said else None


def facts(task: Task) -> dict[str, str]:
    """The shapes of what goes into the original, and of what comes out of it."""
    from experiments.exercises.recording import recorded

    return recorded(task)


def hint(task: Task, step: int, room: Callable[[], Room], text: str | None, file: str) -> list[str]:
    """One of the five.

    Args:
        task: the exercise.
        step: which, from 1.
        room: makes what judges; asked only where it is needed.
        text: of the learner's file, if there is one.
        file: its name.
    """
    if step == 2 and task.kind in ("write", "numbers"):
        with room() as inside:
            return hints.shapes(inside.facts(task.name))
    if step == 4:
        if text is None:
            return [f"There is no {file} yet."]
        with room() as inside:
            found = inside.verdict(task.name, text, file)
        return ["It is right."] if found.state == RIGHT else hints.attempt(found)
    if task.kind == "shapes" or (task.kind == "fault" and step != 3):
        with room() as inside:
            return inside.lines("hint", task.name, step)
    if task.kind == "numbers" and step == 1:
        return ["First the values, in the order of the lines of forward; then the gradients, each made of those above it.", *task.hints]
    return {1: hints.asked, 3: hints.rules, 5: hints.with_blanks}[step](task)
