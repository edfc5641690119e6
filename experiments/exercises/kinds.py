"""The kinds of exercise, and for each what makes its file, judges it, helps with it, and solves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from experiments.exercises import cutting, hints
from experiments.exercises.catalogue import Task
from experiments.exercises.verdict import RIGHT, Verdict

if TYPE_CHECKING:
    from experiments.exercises.room import Room


def sheet(task: Task) -> str:
    """The file that a learner begins with."""
    return cutting.sheet(task)


def opening(task: Task) -> list[str]:
    """What is said when it is begun."""
    return [f"In it, write the body of `{task.function}`; nothing else is judged."]


def solution(task: Task) -> list[str]:
    """The lines that were cut."""
    return hints.solution(task)


def verdict(task: Task, text: str, file: str) -> Verdict:
    """Judge an attempt."""
    from experiments.exercises import writing  # brings torch with it

    return writing.verdict(task, text, file)


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
    if step == 2:
        with room() as inside:
            return hints.shapes(inside.facts(task.name))
    if step == 4:
        if text is None:
            return [f"There is no {file} yet."]
        with room() as inside:
            found = inside.verdict(task.name, text, file)
        return ["It is right."] if found.state == RIGHT else hints.attempt(found)
    return {1: hints.asked, 3: hints.rules, 5: hints.with_blanks}[step](task)
