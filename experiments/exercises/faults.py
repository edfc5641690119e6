"""Find the fault: one line of a backward is changed. First the loss (does it learn?), then the digits of each gradient, then where.

That a loss falls proves nothing: most wrong backwards lower it.
"""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from experiments.exercises import writing
from experiments.exercises.answers import answers_in
from experiments.exercises.catalogue import Task, body_of, definition
from experiments.exercises.cutting import lines_with
from experiments.exercises.exams import exams_of, twin_of
from experiments.exercises.nearly import KINDS as WHAT
from experiments.exercises.placing import NotRead, in_place, written
from experiments.exercises.verdict import NOT_BEGUN, RIGHT, WRONG, Verdict, wrong
from experiments.source.operators import Mutant, mutants

KINDS = ("sign", "scale", "term", "mask", "factor", "axis", "saved", "stale", "power", "constant")
"""The operators whose mistakes are those of people, and stand on one line."""

STEPS = 40
HEIGHTS = "▁▂▃▄▅▆▇█"


# ---- the fault -----------------------------------------------------------------------------------


@cache
def chosen(task: Task) -> Mutant:
    """The fault: the first in an order drawn by the exercise's name that runs, is noticed, and changes no more than one line."""
    every = mutants(task.function, definition(task.module, task.function))
    found = [m for m in every if m.operator in KINDS and not isinstance(m.function.statement(m.node), ast.Return)]
    random.Random(task.name).shuffle(found)
    return next(m for m in found if is_silent(task, m))


def is_silent(task: Task, mutant: Mutant) -> bool:
    """Whether it computes something in the right shapes, and something else."""
    exam = exams_of(task)[0]
    function = run(task, mutant)
    with in_place(task, function), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            rows = exam.look(0).rows
            noticed = bool(exam.failed(0))
        except Exception:  # whatever a mistake may raise
            return False
    alike = all(np.shape(r.hand) == np.shape(r.torch) and np.isfinite(r.hand).all() for r in rows if r.torch is not None)
    return noticed and alike


def run(task: Task, mutant: Mutant) -> Any:
    """The function with the fault in it."""
    with mutant.applied() as tree:
        code = compile(ast.fix_missing_locations(ast.Module([tree], [])), "<fault>", "exec")
    namespace = dict(vars(import_module(task.module)))
    exec(code, namespace)
    return namespace[task.function]


@cache
def losses(task: Task, faulty: bool) -> tuple[float, ...]:
    """Of a run by hand, on the concept's own data and with its own optimizer: with the fault, or without."""
    twin = twin_of(task.concept or "")
    model, data = twin.build(seed=0)[0], twin.make_data()
    if not data.at_hand():
        data.use(data.stand_in())
    optimizer = model.configure_optimizers()
    optimizer = optimizer["optimizer"] if isinstance(optimizer, dict) else optimizer
    batch, found = data.split.train, []
    with in_place(task, run(task, chosen(task))) if faulty else np.errstate(), np.errstate(all="ignore"):
        for _ in range(STEPS):
            optimizer.zero_grad()
            found.append(float(model.training_step(batch, 0)))
            model.backward()
            optimizer.step()
    return tuple(found)


def learns(task: Task) -> bool:
    """Whether the loss falls in spite of the fault: by a hundredth at least."""
    first, *_, last = losses(task, True)
    return last < 0.99 * first


def curve(values: Sequence[float], top: float) -> str:
    """As a line of bars, as high as the loss; what is beyond the top is as high as that."""
    heights = np.nan_to_num(np.clip(np.array(values) / top, 0, 1), nan=1.0)
    return "".join(HEIGHTS[round(h * (len(HEIGHTS) - 1))] for h in heights)


# ---- the file ------------------------------------------------------------------------------------


def sheet(task: Task) -> str:
    """The learner's file."""
    right, faulty = losses(task, False), losses(task, True)
    top = max(right[0], faulty[0])
    shown = "".join(
        f"    {name:15} {curve(values, top)}  from {values[0]:.4g} to {values[-1]:.4g}\n"
        for name, values in (("the right one", right), ("this one", faulty))
    )
    mutant = chosen(task)
    with mutant.applied() as tree:
        body = [f"    {line}" for s in body_of(tree) for line in ast.unparse(s).splitlines()]
    return (
        f'"""Exercise {task.name} · about {task.minutes} minutes\n\n'
        f"One line of `{task.function}`, below, is wrong. The loss of {STEPS} steps, with the right one and with this one:\n\n"
        f"{shown}\n"
        "1. Does it learn, that is, does its loss fall? Say so in LEARNS, and check.\n"
        "2. You are shown in how many digits each gradient agrees. Which line is it? Give its number in LINE, and check.\n"
        "3. Mend that line, and check.\n\n"
        f'    python -m experiments exercise check {task.name}\n"""\n\n'
        + "\n".join(lines_with(task, body, "LEARNS = None  # True or False\nLINE = None  # the number of the wrong line"))
        + "\n"
    )


# ---- the answers ---------------------------------------------------------------------------------


def verdict(task: Task, text: str, file: str) -> Verdict:
    """Judge what has been answered, one question after the other."""
    found = answers_in(text, file, "LEARNS", "LINE", task.function)
    if isinstance(found, Verdict):
        return found
    mended = writing.verdict(task, text, file)
    if found["LEARNS"] is None:
        asked = "First: does it learn? Look at the two curves at the top of the file, and write True or False in LEARNS."
        return Verdict(NOT_BEGUN, (asked,))
    if bool(found["LEARNS"]) != learns(task):
        first, *_, last = losses(task, True)
        return wrong(f"LEARNS: its loss goes from {first:.4g} to {last:.4g}. Does it fall?", "LEARNS")
    surprise = "It does not learn: that one would notice."
    if learns(task):
        surprise = "It learns, although it is wrong: a loss that falls proves nothing."
    if found["LINE"] is None:
        where = "A gradient can also be wrong because it is made of a wrong one. Which line is wrong by itself? Write its number in LINE."
        return Verdict(WRONG, (surprise, where), mended.gradients, "LINE is not answered")
    try:
        at = statement_at(written(task, text), found["LINE"])
    except NotRead as trouble:
        return wrong(str(trouble), "cannot be read")
    fault = chosen(task)
    if at is None or ast.unparse(at) in right_lines(task):
        return Verdict(WRONG, (f"Line {found['LINE']} is not the wrong one.",), mended.gradients, "LINE")
    if mended.state != RIGHT:
        return Verdict(WRONG, (f"Line {found['LINE']} is the one. Now mend it.", *mended.sentences[1:]), mended.gradients, "not mended")
    return Verdict(RIGHT, (f"Found and mended: it was `{fault.after}`, and must be `{fault.before}`.",), mended.gradients)


def right_lines(task: Task) -> set[str]:
    """The lines of the function that are not changed."""
    lines = {ast.unparse(n) for s in body_of(definition(task.module, task.function)) for n in ast.walk(s) if isinstance(n, ast.stmt)}
    return lines - {chosen(task).before}


def statement_at(function: ast.FunctionDef, line: Any) -> ast.stmt | None:
    """The statement that stands on a line."""
    statements = [n for s in body_of(function) for n in ast.walk(s) if isinstance(n, ast.stmt)]
    return next((s for s in statements if isinstance(line, int) and s.lineno <= line <= (s.end_lineno or 0)), None)


def solution(task: Task) -> list[str]:
    """The line that was changed."""
    fault = chosen(task)
    return [f"- {fault.after}", f"+ {fault.before}", "", f"LEARNS = {learns(task)}"]


def hint(task: Task, step: int) -> Iterator[str]:
    """All but the third and the fourth."""
    if step == 1:
        yield "LEARNS: compare the first bar of the lower curve with its last."
        yield "LINE: one line is wrong by itself; lines after it may only use what it made."
    elif step == 2:
        yield "Begin at the first wrong gradient on the way back: what is above its line is right. Compare the line with that of forward."
    else:
        fault = chosen(task)
        yield f"In the line that computes `{fault.after.partition(' = ')[0]}`, {WHAT[fault.operator][0]}."
