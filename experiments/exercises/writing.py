"""Write a backward: an attempt is judged by everything that judges the original, and what is wrong with it is said in sentences."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from experiments.exercises.catalogue import Task, definition
from experiments.exercises.exams import Exam, exams_of
from experiments.exercises.explaining import SEEDS, explained, gradients_of
from experiments.exercises.failing import NEW_ARRAY, noticed_in, raised
from experiments.exercises.placing import NotRead, in_place, is_begun, learned, original, written
from experiments.exercises.reading import line_that_changes
from experiments.exercises.returning import in_our_order, misreturned
from experiments.exercises.shapes import watching
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, Verdict, wrong
from manual.nn.faster import FASTER, plain_forms


class Misreturned(Exception):
    """What the function takes, changes or returns is not what is asked for; the message is a sentence.

    Args:
        sentence: it.
        fault: its name for a table.
    """

    def __init__(self, sentence: str, fault: str = "returns something else") -> None:
        super().__init__(sentence)
        self.fault = fault


def verdict(task: Task, text: str, file: str) -> Verdict:
    """Judge an attempt.

    Args:
        task: what was to be written.
        text: of the learner's file.
        file: its name.
    """
    try:
        if not is_begun(task, text):
            return Verdict(NOT_BEGUN, (f"{task.function} is not begun: its body still says that it is to be written.",))
        function = learned(task, text, file)
        tree = written(task, text)
    except NotRead as trouble:
        return wrong(str(trouble), trouble.fault)
    exams = exams_of(task)  # before the learner's function stands there: they look at the original
    forms = plain_forms() if original(task) in FASTER else nullcontext()  # of two forms the plain one is asked for
    seen: dict[str, Any] = {}
    with in_place(task, checked(task, function, tree, seen)), forms, np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = judged(exams, task, tree, file, text, seen)
    if found.state == RIGHT and not seen:
        raise RuntimeError(f"{task.name}: nothing that judges it calls {task.function}")
    return found


def judged(exams: list[Exam], task: Task, tree: ast.FunctionDef, file: str, text: str, seen: dict[str, Any]) -> Verdict:
    """The first exam that fails decides; the function is in its place."""
    for seed in SEEDS:
        for exam in exams:
            try:
                if failed := exam.failed(seed):
                    return explained(exam, failed, task, tree, text, file, seen)
            except Misreturned as error:
                return wrong(str(error), error.fault)
            except AssertionError as noticed:  # by the judge: an argument was changed, a gradient is missing
                return wrong(noticed_in(str(noticed), exam), "a rule is broken")
            except Exception as error:  # whatever a learner's function may raise
                return raised(error, file, exam, task)
    looked = exams[0].look(0)
    return Verdict(RIGHT, (praise(exams),), gradients_of([looked], tree, right=True))


def praise(exams: list[Exam]) -> str:
    """What has been tried."""
    times = len(SEEDS) * len(exams)
    also = ", and against small changes," if any(exam.smooth for exam in exams) else ""
    return f"All of it is right: against torch{also} on {times} sets of inputs, weights and upstreams."


# ---- what is taken and returned -----------------------------------------------------------------


def checked(task: Task, function: Callable[..., Any], tree: ast.FunctionDef, seen: dict[str, Any]) -> Callable[..., Any]:
    """The function; what its names held in its last call is kept in `seen`.

    It raises Misreturned if it does not take, leave alone and return what the original does.
    A dict is returned in the original's order, which is that of the way back: a learner may write it down in any.
    """
    signature = inspect.signature(function)

    def checking(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            raise Misreturned(f"It must take what it took when it came: `{head(task)}`.", "takes something else") from None
        before = {name: value.copy() for name, value in given.items() if isinstance(value, np.ndarray)}
        seen.clear()
        seen["called"] = True
        found = watching(seen, function, *args, **kwargs)
        if changed := [name for name, value in before.items() if not np.array_equal(given[name], value, equal_nan=True)]:
            raise Misreturned(f"{line_that_changes(tree, changed[0])}{changed[0]} is changed: {NEW_ARRAY}.", "a rule is broken")
        if trouble := misreturned(task, found):
            raise Misreturned(trouble)
        return in_our_order(task, found)

    return checking


def head(task: Task) -> str:
    """The line that its function begins with, without types."""
    function = definition(task.module, task.function)
    return f"def {function.name}({', '.join(a.arg for a in function.args.args)})"
