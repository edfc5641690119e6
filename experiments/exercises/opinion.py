"""A second opinion on an attempt that is wrong in no way with a name: the doctor's, who looks at it line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from experiments.doctor import doctor
from experiments.doctor.reading.patient import Unreadable
from experiments.exercises.catalogue import Task
from experiments.exercises.exams import ByCase, ByConcept, Exam, input_names
from experiments.exercises.placing import learned


def opinion(exam: Exam, task: Task, text: str, file: str) -> list[str]:
    """A sentence for each line that is wrong by itself; none if the doctor cannot read it, or finds no such line.

    Args:
        exam: that the attempt fails.
        task: what was to be written.
        text: of the learner's file.
        file: its name.
    """
    asked = patient(exam)
    if asked is None:
        return []
    forward, loss, inputs = asked
    try:
        finding = doctor(forward, learned(task, text, file), loss=loss, inputs=inputs)
    except (Unreadable, ValueError):  # a forward that refuses other numbers than these
        return []
    return [said(fault.line, fault.label, fault.what) for fault in finding.faults]


def said(line: int, label: str, what: str | None) -> str:
    """Where, and what if it is known. How it would be right is not said."""
    wrong = f"{label} is {what}" if what else "what it computes is not"
    return f"Line {line}: what comes into it is right, and {wrong}."


def patient(exam: Exam) -> tuple[Callable[..., Any], Any, Mapping[str, Any]] | None:
    """The forward, the loss if it has one of its own, and numbers for them; None of a layer, whose forward is no plain function."""
    if isinstance(exam, ByCase):
        pair = exam.pair(0)
        functions = getattr(pair.hand, "functions", None)
        inputs, call = pair.inputs()
        return (functions[0], None, {**dict(zip(input_names(pair, inputs), inputs, strict=False)), **call}) if functions else None
    if isinstance(exam, ByConcept):
        both = exam.pair(0)
        functions = getattr(both.ours, "functions", None)
        if functions is None:
            return None
        x, y = both.batches[0]
        return functions[0], functions[1], {"x": x, "y": y, **both.ours.arrays()}
    return None
