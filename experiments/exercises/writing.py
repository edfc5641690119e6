"""Write a backward: an attempt is judged by everything that judges the original, and what is wrong with it is said in sentences."""

from __future__ import annotations

import ast
import linecache
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np

from experiments.exercises.catalogue import Task
from experiments.exercises.exams import DTYPE, Exam, Look, exams_of
from experiments.exercises.nearly import nearly
from experiments.exercises.opinion import opinion
from experiments.exercises.placing import NotRead, in_place, is_begun, learned, original, steps, written
from experiments.exercises.reading import forgotten, line_of
from experiments.exercises.returning import in_our_order, misreturned
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG, Gradient, Verdict, wrong
from experiments.judge import operands
from experiments.judge.compare import ONE_STEP, as_array, digits
from experiments.judge.raised import failing_expression, first_line, shapes_in
from experiments.judge.sentences import agreed, sentences
from manual.nn.faster import FASTER, plain_forms

LARGEST = 500
"""Entries of a gradient up to which each is differentiated by itself."""

SEEDS = (0, 1)
"""Of sizes, weights and upstreams: a sentence must hold for both."""


class Misreturned(Exception):
    """What the function returns is not what is asked for; the message is a sentence."""


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
        return wrong(str(trouble), "cannot be read")
    exams = exams_of(task)  # before the learner's function stands there: they look at the original
    forms = plain_forms() if original(task) in FASTER else nullcontext()  # of two forms the plain one is asked for
    calls: list[None] = []
    with in_place(task, checked(task, function, calls)), forms, np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = judged(exams, task, tree, file, text)
    if found.state == RIGHT and not calls:
        raise RuntimeError(f"{task.name}: nothing that judges it calls {task.function}")
    return found


def judged(exams: list[Exam], task: Task, tree: ast.FunctionDef, file: str, text: str) -> Verdict:
    """The first exam that fails decides; the function is in its place."""
    for seed in SEEDS:
        for exam in exams:
            try:
                if failed := exam.failed(seed):
                    return explained(exam, failed, task, tree, text, file)
            except Misreturned as error:
                return wrong(str(error), "returns something else")
            except AssertionError as noticed:  # by the judge: an argument was changed, a gradient is missing
                return wrong(noticed_in(str(noticed), exam), "a rule is broken")
            except Exception as error:  # whatever a learner's function may raise
                return raised(error, file, exam)
    looked = exams[0].look(0)
    return Verdict(RIGHT, (praise(exams),), gradients_of([looked], tree, right=True))


def praise(exams: list[Exam]) -> str:
    """What has been tried."""
    times = len(SEEDS) * len(exams)
    also = ", and against small changes," if any(exam.smooth for exam in exams) else ""
    return f"All of it is right: against torch{also} on {times} sets of inputs, weights and upstreams."


# ---- what is returned ----------------------------------------------------------------------------


def checked(task: Task, function: Callable[..., Any], calls: list[None]) -> Callable[..., Any]:
    """The function; it counts its calls, and raises Misreturned if its result is not made as the original's is.

    A dict is returned in the original's order, which is that of the way back: a learner may write it down in any.
    """

    def checking(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        found = function(*args, **kwargs)
        if trouble := misreturned(task, found):
            raise Misreturned(trouble)
        return in_our_order(task, found)

    return checking


# ---- what is wrong -------------------------------------------------------------------------------


def explained(exam: Exam, failed: list[str], task: Task, tree: ast.FunctionDef, text: str, file: str) -> Verdict:
    """The gradients of one step, and what the wrong ones are."""
    looks = [exam.look(seed) for seed in SEEDS]
    found = gradients_of(looks, tree)
    bad = [g for g in found if not g.right]
    where = f" ({exam.where})" if exam.where else ""
    if not bad:
        return Verdict(WRONG, (over_two_calls(failed, tree) + where,), found, "wrong in two calls")
    first = bad[0]
    count = f"{len(found) - len(bad)} of {len(found)} gradients are right{where}."
    alone = f"There is one gradient, and it is wrong{where}."
    if not first.what and (unused := unused_upstream(tree)):
        return Verdict(WRONG, (count if len(found) > 1 else alone, unused), found, "the upstream is not used")
    close = None if first.what else nearly(task, text, exam)
    said = f"it is {first.what}" if first.what else "it is no plain multiple, sum or transpose of the right one"
    which = "The first wrong one on the way back" if len(bad) > 1 else "The wrong one"
    line = line_of(tree, first.name.removeprefix("gradient of "))
    at = f" (line {line.lineno})" if line else ""
    sentence = f"{which} is the {first.name}{at}: {said}."
    if layers := forgotten(task, tree):
        sentence = f"{' and '.join(layers)} {'is' if len(layers) == 1 else 'are'} called on the way there, and not on the way back."
        return Verdict(WRONG, (count if len(found) > 1 else alone, sentence), found, f"no backward of {', '.join(layers)}")
    more = [f"One change makes all of it right: in line {close.line} {close.what}."] if close else []
    if not (first.what or close):
        more = opinion(exam, task, text, file)
    fault = f"{first.name}: {first.what or (close.what if close else 'not explained')}"
    return Verdict(WRONG, (count if len(found) > 1 else alone, sentence, *more), found, fault)


def gradients_of(looks: list[Look], tree: ast.FunctionDef, right: bool = False) -> tuple[Gradient, ...]:
    """Each with its digits at the worst of the looks, and what it is if it is wrong on all of them."""
    found = []
    for rows in zip(*(look.rows for look in looks), strict=True):
        e = max(r.error for r in rows)
        fine = right or e <= ONE_STEP[DTYPE]
        what = "" if fine else agreed(said(r, look, tree) for r, look in zip(rows, looks, strict=True)) or ""
        name = rows[0].name if rows[0].name.startswith("gradient of ") else f"gradient of {rows[0].name.removeprefix('dL_d').strip()}"
        shape = tuple(np.shape(as_array(rows[0].torch))) if rows[0].torch is not None else None
        found.append(Gradient(name, shape, digits(e, DTYPE), fine, what))
    return tuple(found)


def said(row: Any, look: Look, tree: ast.FunctionDef) -> Iterable[str]:
    """Everything that can be said of a wrong gradient."""
    if row.error <= ONE_STEP[DTYPE]:
        return ["right on one input, and wrong on another"]
    if row.hand is None or row.torch is None:
        return [f"missing: nothing was added into {row.name.removeprefix('gradient of ')}.grad" if row.hand is None else "missing"]
    try:
        a, b = np.asarray(row.hand, float), np.asarray(as_array(row.torch), float)
    except (TypeError, ValueError):
        return ["no array of numbers"]
    if not np.isfinite(a).all() and np.isfinite(b).all():
        return [not_finite(a, look.values)]
    others = {r.name: np.asarray(as_array(r.torch), float) for r in look.rows if r is not row and r.torch is not None}
    name = row.name.removeprefix("gradient of ").removeprefix("dL_d").strip()
    line = line_of(tree, name)
    return sentences(a, b, look.values, others, look.sizes, ast.unparse(line) if line else "", diagonal(a, b, look, name))


def not_finite(a: np.ndarray, values: Mapping[str, np.ndarray]) -> str:
    """That a gradient is not finite, and which value is 0 wherever it is not: what was divided by, or brought to a negative power."""
    bad = ~np.isfinite(a)
    zero = (name for name, x in values.items() if x.shape == a.shape and bad.any() and not x[bad].any())
    at = next(zero, None)
    return f"not finite (inf or nan){f' where {at} is 0' if at else ''}"


def diagonal(a: np.ndarray, b: np.ndarray, look: Look, name: str) -> Iterator[str]:
    """Whether it is as if each entry of the output came from the same entry of the input alone; asked only if nothing plainer holds."""
    own = look.own(name) if a.shape == b.shape and a.size <= LARGEST else None
    if own is not None:
        yield from operands.diagonal(a, b, own)


def unused_upstream(tree: ast.FunctionDef) -> str | None:
    """A sentence about a gradient that comes in and is not used."""
    upstream = next((n.arg for n in tree.args.args if n.arg.startswith("dL_d")), None)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    if upstream is None or upstream in used:
        return None
    return f"{upstream} is not used: what comes back from the loss is a factor of every gradient."


def over_two_calls(failed: list[str], tree: ast.FunctionDef) -> str:
    """What is wrong if one step is right, and two are not."""
    if unused := unused_upstream(tree):
        return unused
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Attribute) and t.attr == "grad" for t in node.targets):
            return f"Line {node.lineno}: a gradient is set with =, and must be added with +=: what an earlier backward left there is lost."
    return f"One step is right; two forwards and then two backwards are not: {failed[0]}."


NEW_ARRAY = "others may still need it. Make a new array, with * and not with *="

NOTICED = {
    "backward changed its argument": f"The gradient that comes in is changed: {NEW_ARRAY}",
    "backward changed an output": f"What forward returned and saved is changed: {NEW_ARRAY}",
    "an input was changed": f"What went into forward is changed: {NEW_ARRAY}",
}
"""What a judge says, and what a learner can do about it."""


def noticed_in(message: str, exam: Exam) -> str:
    """What the judge noticed, without the name of its case."""
    text = message.partition(": ")[2] or message
    return f"{NOTICED.get(text, text[0].upper() + text[1:])}{f' ({exam.where})' if exam.where else ''}."


def raised(error: Exception, file: str, exam: Exam) -> Verdict:
    """A sentence about an exception: the line of the learner's file, and the shapes in it."""
    where = f" ({exam.where})" if exam.where else ""
    inside = [step for step in steps(error) if step.tb_frame.f_code.co_filename == file]
    kind, message = type(error).__name__, first_line(error)
    if isinstance(error, RecursionError):
        return wrong("It calls itself without end: the function that you write is the one that is called.", "calls itself")
    if left := re.match(r"\d+ forward\(s\) of (\S+) still wait", message):
        return wrong(
            f"{left[1]} was called by forward, and is left without its backward{where}: every call on the way there needs one on the "
            "way back, and what save() has put away must be taken out with restore().",
            "a backward is not called",
        )
    if not inside:
        return wrong(f"What it returns or leaves behind cannot be used{where}: {kind}: {message}.", f"exception: {kind}")
    step = inside[-1]
    expression = failing_expression(step)
    shapes = shapes_in(expression, step.tb_frame) if expression else {}
    if message.startswith("matmul: "):
        stack = any(shape.count(",") > 1 for shape in map(str, shapes.values()))
        size = "last but one" if stack else "first"
        message = f"the last size of the left factor must be the {size} of the right factor"
    told = ", ".join(f"{name} has shape {shape}" for name, shape in shapes.items())
    line = re.sub(r"\s+#.*", "", linecache.getline(file, step.tb_lineno).strip())
    sentence = f"Line {step.tb_lineno} cannot be computed{where}: `{line}`: {kind}: {message}."
    return Verdict(WRONG, (sentence, *([f"Here {told}."] if told else [])), (), f"exception: {kind}")
