"""An attempt that ends in an exception, or breaks a rule: what happened in which line, and what can be done about it."""

from __future__ import annotations

import ast
import bdb
import linecache
import re
from types import TracebackType

from experiments.exercises.catalogue import Task, tree_of
from experiments.exercises.exams import Exam
from experiments.exercises.verdict import WRONG, Verdict, wrong
from experiments.judge.raised import between_shapes, failing_expression, first_line, steps

NEW_ARRAY = "others may still need it. Make a new array, with * and not with *="

NOTICED = {
    "backward changed its argument": f"The gradient that comes in is changed: {NEW_ARRAY}",
    "backward changed an output": f"What forward returned and saved is changed: {NEW_ARRAY}",
    "an input was changed": f"What went into forward is changed: {NEW_ARRAY}",
}
"""What a judge says, and what a learner can do about it."""

NO_KEYBOARD = "waits for a keyboard, and there is none while it is judged. What you print is shown below the verdict."


def noticed_in(message: str, exam: Exam) -> str:
    """What the judge noticed, without the name of its case."""
    text = message.partition(": ")[2] or message
    return f"{NOTICED.get(text, text[0].upper() + text[1:])}{f' ({exam.where})' if exam.where else ''}."


def raised(error: Exception, file: str, exam: Exam, task: Task) -> Verdict:
    """A sentence about an exception: the line of the learner's file, and the shapes in it."""
    where = f" ({exam.where})" if exam.where else ""
    kind, message = type(error).__name__, first_line(error)
    if isinstance(error, RecursionError):
        return wrong("It calls itself without end: the function that you write is the one that is called.", "calls itself")
    if left := re.match(r"\d+ forward\(s\) of (\S+) still wait", message):
        return wrong(
            f"{left[1]} was called by forward, and is left without its backward{where}: every call on the way there needs one on the "
            "way back, and what save() has put away must be taken out with restore().",
            "a backward is not called",
        )
    step, within = own_step(error, file, task)
    if step is None:
        return wrong(f"What it returns or leaves behind cannot be used{where}: {kind}: {message}.", f"exception: {kind}")
    line = re.sub(r"\s+#.*", "", linecache.getline(file, step.tb_lineno).strip())
    if isinstance(error, bdb.BdbQuit | EOFError):
        return wrong(f"Line {step.tb_lineno} {NO_KEYBOARD}", "waits for a keyboard")
    if line.startswith("raise NotImplementedError"):
        return wrong(f"It is not finished: line {step.tb_lineno} says so itself, `{line}`.", "not finished")
    if message == "output array is read-only" and ".grad" in line:
        return wrong(f"Line {step.tb_lineno}: into a gradient one adds, with += and nothing else: `{line}`.", "not added with +=")
    about, told = between_shapes(failing_expression(step), step.tb_frame, message)
    sentence = f"Line {step.tb_lineno} cannot be computed{where}: `{line}`: {within}{kind}: {about or 'without a word'}."
    return Verdict(WRONG, (sentence, *([f"Here {told}."] if told else [])), (), f"exception: {kind}")


def own_step(error: Exception, file: str, task: Task) -> tuple[TracebackType | None, str]:
    """Where the learner's own lines end on the way to the exception, and in which function that was given to him it goes on from there."""
    inside = [step for step in steps(error) if step.tb_frame.f_code.co_filename == file]
    given = {n.name for n in ast.walk(tree_of(task.module)) if isinstance(n, ast.FunctionDef)} - {task.function.rpartition(".")[2]}
    own = [step for step in inside if step.tb_frame.f_code.co_name not in given]
    if not inside:
        return None, ""
    step = (own or inside)[-1]
    further = inside[inside.index(step) + 1 :]
    return step, f"in {further[0].tb_frame.f_code.co_name}: " if further else ""
