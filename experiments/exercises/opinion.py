"""A second opinion on an attempt that is wrong in no way with a name: the doctor's, who looks at it line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.doctor import doctor
from experiments.doctor.finding import Fault
from experiments.exercises.catalogue import Task
from experiments.exercises.exams import ByCase, ByConcept, Exam, input_names
from experiments.exercises.placing import executed, learned
from experiments.source.limit import Hangs, time_limit

SECONDS = 10.0
"""After which it is asked no more: a check has no more than `room.SECONDS` for all."""


def opinion(exam: Exam, task: Task, text: str, file: str) -> Sequence[Fault]:
    """Each line that is wrong by itself; none if the doctor cannot read it, finds no such line, or takes too long.

    Args:
        exam: that the attempt fails.
        task: what was to be written.
        text: of the learner's file.
        file: its name.
    """
    try:
        with time_limit(SECONDS):
            asked = patient(exam, task, text, file)
            return doctor(*asked[:2], loss=asked[2], inputs=asked[3]).faults if asked else ()
    except (Exception, Hangs):  # a forward that refuses other numbers than these, or whatever a stranger's code may raise
        return ()


def half(fault: Fault) -> str:
    """What it is, in half a sentence."""
    return f"{fault.label} is {fault.what}" if fault.what else "what it computes is not"


def sentence_of(fault: Fault) -> str:
    """Where, and what if it is known. How it would be right is not said."""
    return f"Line {fault.line}: what comes into it is right, and {half(fault)}."


Asked = tuple[Callable[..., Any], Callable[..., Any], Any, Mapping[str, Any]]


def patient(exam: Exam, task: Task, text: str, file: str) -> Asked | None:
    """The forward, the learner's backward, the loss if it has one of its own, and numbers for them; None if there is no such forward."""
    if isinstance(exam, ByCase):
        pair = exam.pair(0)
        inputs, call = pair.inputs()
        numbers = {**dict(zip(input_names(pair, inputs), inputs, strict=False)), **call}
        if functions := getattr(pair.hand, "functions", None):
            return functions[0], learned(task, text, file), None, numbers
        owner, _, last = task.function.partition(".")
        layer = executed(text, file)[owner](**pair.built.arguments)
        return layer.forward, getattr(layer, last), None, numbers
    if isinstance(exam, ByConcept):
        both = exam.pair(0)
        functions = getattr(both.ours, "functions", None)
        if functions is None:
            return None
        x, y = both.batches[0]
        return functions[0], learned(task, text, file), functions[1], {"x": x, "y": y, **both.ours.arrays()}
    return None
