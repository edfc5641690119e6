"""The list of exercises along the path, with minutes and what has been done."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console

from experiments.commands.status import AGREE
from experiments.curriculum import Entry, entries, entry
from experiments.exercises.catalogue import Task, UnknownExercise, of_concept, tasks
from experiments.exercises.progress import Done, Progress
from experiments.exercises.verdict import NOT_BEGUN, RIGHT

LAYERS = "nn"
"""What the layers are called in the place of a concept."""


def show_list(console: Console, name: str | None, progress: Progress) -> int:
    """Print all exercises, those of a chapter or of a concept, or those of the layers.

    Raises:
        UnknownExercise: if there is no such concept or chapter.
    """
    listed = selected(name)
    width = max(len(task.name) for task in listed)
    for heading, of in groupby(listed, key=heading_of):
        console.print(f"\n{heading}", style="bold", highlight=False, markup=False, soft_wrap=True)
        for task in of:
            console.print(row(task, progress.of(task.name), width), highlight=False, markup=False, soft_wrap=True)
    right = sum(progress.of(task.name).state == RIGHT for task in listed)
    minutes = sum(task.minutes for task in listed if progress.of(task.name).state != RIGHT)
    left = f"; the others take about {minutes // 60} h {minutes % 60} min" if right < len(listed) else ""
    console.print(f"\nRight: {right} of {len(listed)}{left}.", highlight=False, markup=False, soft_wrap=True)
    return AGREE


def solved(concept: Entry, progress: Progress) -> str:
    """How many of a concept's exercises are right: "1 of 3"."""
    of = of_concept(concept)
    return f"{sum(progress.of(task.name).state == RIGHT for task in of)} of {len(of)}"


def heading_of(task: Task) -> str:
    """Of the group that it stands in."""
    return f"{entry(task.concept).chapter}: {task.concept}" if task.concept else "layers of manual.nn"


def row(task: Task, done: Done, width: int) -> str:
    """One exercise."""
    mark = {RIGHT: "✓", NOT_BEGUN: " "}.get(done.state, "·")
    told = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((done.attempts, "attempt"), (done.hints, "hint")) if n]
    return f"  {mark} {task.name:{width}}  {task.minutes:3} min  {', '.join(told + ['solution shown'] * done.shown)}".rstrip()


def selected(name: str | None) -> Sequence[Task]:
    """The exercises of a chapter, of a concept, or of the layers; all if none is named."""
    if name is None:
        return tasks()
    of = [task for task in tasks() if name in groups_of(task)]
    if not of:
        names = [*dict.fromkeys([e.chapter for e in entries()]), *(e.name for e in entries()), LAYERS]
        near: Iterable[str] = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        raise UnknownExercise(f"no exercises of {name!r}: " + (f"did you mean {' or '.join(near)}?" if near else "see `exercise list`"))
    return of


def groups_of(task: Task) -> tuple[str, ...]:
    """The names by which it is selected."""
    return (task.concept, entry(task.concept).chapter, task.name) if task.concept else (LAYERS, task.name, *task.also)
