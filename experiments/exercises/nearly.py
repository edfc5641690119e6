"""An attempt that is one change away from being right: in which line the change is, and of what kind. What it is, is not said."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import NamedTuple

from experiments.exercises.catalogue import Task, body_of, defined_in, definition
from experiments.exercises.exams import Exam, exams_of
from experiments.exercises.placing import in_place, learned
from experiments.source.operators import Mutant, mutants

LOOKED_AT = 4
"""In so many exams a change must be right."""

MOST, SECONDS = 150, 6.0
"""So many changes are tried, and so long: a check has no more than `room.SECONDS` for all."""

KINDS = {
    "sign": ("one sign is wrong", "one sign is wrong"),
    "scale": ("a number is missing as a factor, or is one too many", "a number is missing as a factor, or is one too many"),
    "term": ("a term is missing", "a term is too many"),
    "factor": ("a factor is missing, or divides where it must multiply", "a factor is too many, or divides where it must multiply"),
    "mask": ("a mask is missing", "a mask is too many"),
    "transpose": ("a transpose is missing or too many, or two factors changed places",) * 2,
    "axis": ("an axis is wrong, or a sum is missing", "an axis is wrong, or a sum is one too many"),
    "saved": ("one name stands in the place of another", "one name stands in the place of another"),
    "stale": ("one name stands in the place of another", "one name stands in the place of another"),
    "power": ("an exponent is wrong", "an exponent is wrong"),
    "constant": ("a number is wrong", "a number is wrong"),
    "call": ("a function is not called", "a function is called that must not be"),
    "direction": ("a comparison is the other way round", "a comparison is the other way round"),
    "condition": ("a condition is wrong", "a condition is wrong"),
    "extremum": (
        "a largest or a smallest is the other one, or a bound is missing",
        "a largest or a smallest is the other one, or too many",
    ),
}
"""What is wrong, by the operator: if it was made of the right line by it, and if the right line is made of it."""


class Nearly(NamedTuple):
    """Where an attempt is wrong by one change, and how."""

    line: int
    what: str


def nearly(task: Task, text: str, exam: Exam, tried: bool = True) -> Nearly | None:
    """The line and the kind of the one change that is between an attempt and a right one; None if there is none so small.

    Args:
        task: what was to be written.
        text: of the learner's file.
        exam: that the attempt fails.
        tried: whether changes are tried on what is no changed original.
    """
    return next(made_of_the_original(task, text), None) or (next(makes_it_right(task, text, exam), None) if tried else None)


def made_of_the_original(task: Task, text: str) -> Iterator[Nearly]:
    """If the attempt is the original with one mistake of the operators in it."""
    attempt = defined_in(ast.parse(text), task.function)
    wanted = as_text(attempt)
    for mutant in mutants(task.function, definition(task.module, task.function)):
        if mutant.operator in KINDS:
            with mutant.applied() as tree:
                same = as_text(tree) == wanted
            if same:
                yield Nearly(line_like(attempt, mutant.after), KINDS[mutant.operator][0])


def makes_it_right(task: Task, text: str, exam: Exam) -> Iterator[Nearly]:
    """If one change by the operators makes the attempt right."""
    attempt = defined_in(ast.parse(text), task.function)
    candidates = (m for m in mutants(task.function, attempt) if m.operator in KINDS)
    until = time.monotonic() + SECONDS
    for mutant in takewhile(lambda _: time.monotonic() < until, islice(candidates, MOST)):
        other = changed(task, text, mutant)
        if passes(task, other, exam) and all(passes(task, other, each) for each in exams_of(task)[1:LOOKED_AT]):
            yield Nearly(mutant.line, KINDS["axis" if is_axis_with_sign(mutant) else mutant.operator][1])


def is_axis_with_sign(mutant: Mutant) -> bool:
    """Whether it makes 1 of an axis −1, or the other way round: that is another axis, and no sign."""
    return isinstance(mutant.node, ast.UnaryOp) and isinstance(mutant.function.parent(mutant.node), ast.keyword)


def as_text(function: ast.FunctionDef) -> str:
    """Its body, without what is said beside it."""
    return "\n".join(ast.unparse(statement) for statement in body_of(function))


def line_like(function: ast.FunctionDef, statement: str) -> int:
    """The line on which a statement stands."""
    found = (n.lineno for n in ast.walk(function) if isinstance(n, ast.stmt) and ast.unparse(n).split("\n")[0] == statement.split("\n")[0])
    return next(found, function.lineno)


def changed(task: Task, text: str, mutant: Mutant) -> str:
    """The learner's file with one change in his function."""
    tree = ast.parse(text)
    with mutant.applied() as function:
        defined_in(tree, task.function).body = function.body
        return ast.unparse(tree)


def passes(task: Task, text: str, exam: Exam) -> bool:
    """Whether this file passes the exam, twice."""
    try:
        with in_place(task, learned(task, text, f"{task.name} changed")):
            return not exam.failed(1) and not exam.failed(0)
    except Exception:  # whatever a change may raise
        return False
