"""What is wrong with an attempt whose gradients are not all right: in which line, and what it is, in sentences."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.doctor.finding import Fault
from experiments.exercises.catalogue import Task
from experiments.exercises.exams import DTYPE, Exam, Look
from experiments.exercises.nearly import nearly
from experiments.exercises.opinion import half, opinion, sentence_of
from experiments.exercises.reading import forgotten, idle, line_of, returned_names, unused_upstream
from experiments.exercises.verdict import WRONG, Gradient, Verdict
from experiments.judge import operands
from experiments.judge.compare import ONE_STEP, as_array, digits, error
from experiments.judge.diagnose import like
from experiments.judge.sentences import agreed, sentences

LARGEST = 500
"""Entries of a gradient up to which each is differentiated by itself."""

SEEDS = (0, 1)
"""Of sizes, weights and upstreams: a sentence must hold for both."""

VAGUE = re.compile(r"right in \d|of shape|0 everywhere|0 in places|the same multiple|right on one|not finite \(inf or nan\)$|$")
"""How that begins which is true of a wrong gradient, and does not say what to do: more is looked for."""


def explained(
    exam: Exam, failed: list[str], task: Task, tree: ast.FunctionDef, text: str, file: str, seen: Mapping[str, Any] | None = None
) -> Verdict:
    """The gradients of one step, and what the wrong ones are.

    Args:
        exam: that the attempt fails.
        failed: what it says.
        task: what was to be written.
        tree: of the learner's function.
        text: of his file.
        file: its name.
        seen: is filled with what the function's names held, whenever it is called.
    """
    looks = [with_locals(exam.look(seed), seen or {}) for seed in SEEDS]
    returned = returned_names(task, exam, [named(row) for row in looks[0].rows])
    found = gradients_of(looks, tree, returned)
    bad = [g for g in found if not g.right]
    where = f" ({exam.where})" if exam.where else ""
    if not bad:
        return Verdict(WRONG, (over_two_calls(failed, tree, where),), found, "wrong in two calls")
    count = f"{len(found) - len(bad)} of {len(found)} gradients are right{where}."
    count = count if len(found) > 1 else f"There is one gradient, and it is wrong{where}."
    said, fault = at_once(task, tree, looks, bad) or at_length(exam, task, tree, text, file, bad, returned)
    return Verdict(WRONG, (count, *said), found, fault)


def at_once(task: Task, tree: ast.FunctionDef, looks: list[Look], bad: list[Gradient]) -> tuple[list[str], str] | None:
    """What is seen without a look at the single gradient: a layer is left out, the upstream is not used, the order is another."""
    if layers := forgotten(task, tree):
        verb = "is" if len(layers) == 1 else "are"
        said = f"{' and '.join(layers)} {verb} called on the way there, and not on the way back."
        return [said], f"no backward of {', '.join(layers)}"
    if VAGUE.match(bad[0].what) and (unused := unused_upstream(tree)):
        return [unused], "the upstream is not used"
    if VAGUE.match(bad[0].what) and (line := set_with_equals(tree)):  # in a loop it is seen in one step
        return [f"Line {line}: {SET}."], "set, not added"
    if changed := changed_places(looks):
        return [f"What is returned is right, and in the wrong order: {changed}."], "returned in another order"
    return None


def at_length(
    exam: Exam, task: Task, tree: ast.FunctionDef, text: str, file: str, bad: list[Gradient], returned: Sequence[str]
) -> tuple[list[str], str]:
    """The first wrong gradient on the way back, its line, what it is; and the line that is wrong by itself, where that is another."""
    first = bad[0]
    vague = VAGUE.match(first.what) is not None
    said = f"it is {first.what}" if first.what else "it is no plain multiple, sum or transpose of the right one"
    which = "The first wrong one on the way back" if len(bad) > 1 else "The wrong one"
    line = line_of(tree, first.name.removeprefix("gradient of "), returned)
    sentence = f"{which} is the {first.name}{f' (line {line.lineno})' if line else ''}: {said}."
    close = nearly(task, text, exam, tried=vague)
    if close and (vague or not line or not line.lineno <= close.line <= (line.end_lineno or 0)):
        mended = f"Line {close.line}: {close.what}. With that mended, all of it is right."
        return [sentence, mended], f"{first.name}: {close.what if vague else first.what}"
    faults = [f for f in (opinion(exam, task, text, file) if vague else ()) if tells(f, line)]
    more = [*map(sentence_of, faults), *([] if close else idle(tree))]
    what = next((half(f) for f in faults if f.what), first.what or "not explained")
    return [sentence, *more], f"{first.name}: {what if vague else first.what}"


def tells(fault: Fault, line: ast.stmt | None) -> bool:
    """Whether a line found by the doctor says more than that a gradient is wrong in the line that is named already."""
    return not VAGUE.match(fault.what or "") or line is None or fault.line != line.lineno


def with_locals(look: Look, seen: Mapping[str, Any]) -> Look:
    """The look, and among its values what the names of the learner's function held: a factor too many may be one of these.

    The gradients themselves, which are made with it, are none.
    """
    own = {name: value for name, value in seen.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size}
    made = [r.hand for r in look.rows if isinstance(r.hand, np.ndarray)]
    own = {name: value for name, value in own.items() if not any(like(value, hand) for hand in made)}
    return replace(look, values={**own, **look.values})


# ---- gradient by gradient ------------------------------------------------------------------------


def named(row: Any) -> str:
    """Of what it is the gradient."""
    return str(row.name).removeprefix("gradient of ").removeprefix("dL_d").strip()


def gradients_of(looks: list[Look], tree: ast.FunctionDef, returned: Sequence[str] = (), right: bool = False) -> tuple[Gradient, ...]:
    """Each with its digits at the worst of the looks, and what it is if it is wrong on all of them."""
    found = []
    for rows in zip(*(look.rows for look in looks), strict=True):
        e = max(r.error for r in rows)
        fine = right or e <= ONE_STEP[DTYPE]
        what = "" if fine else agreed(said(r, look, tree, returned) for r, look in zip(rows, looks, strict=True)) or ""
        shape = tuple(np.shape(as_array(rows[0].torch))) if rows[0].torch is not None else None
        found.append(Gradient(f"gradient of {named(rows[0])}", shape, digits(e, DTYPE), fine, what))
    return tuple(found)


def said(row: Any, look: Look, tree: ast.FunctionDef, returned: Sequence[str]) -> Iterable[str]:
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
    if short := short_of_digits(row.hand, a, b):
        return [short]
    others = {r.name: np.asarray(as_array(r.torch), float) for r in look.rows if r is not row and r.torch is not None}
    line = line_of(tree, named(row), returned)
    return sentences(a, b, look.values, others, look.sizes, ast.unparse(line) if line else "", diagonal(a, b, look, named(row)))


def short_of_digits(hand: Any, a: np.ndarray, b: np.ndarray) -> str | None:
    """That a gradient is right and has fewer digits than are asked for."""
    kind = getattr(hand, "dtype", None)
    if kind in (np.float32, np.float16) and a.shape == b.shape and error(a, b) < 1e-2:
        return f"right, but of {kind}: it must be of {DTYPE}, as all that comes in is"
    return None


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


# ---- several gradients ---------------------------------------------------------------------------


def changed_places(looks: list[Look]) -> str | None:
    """Which gradients stand in the places of which, if all that are wrong are right ones in other places."""
    places = [places_of(look) for look in looks]
    if not places[0] or any(other != places[0] for other in places):
        return None
    if len(places[0]) == 2:
        return f"the gradients of {' and '.join(places[0])} stand in each other's places"
    return ", ".join(f"in the place of the gradient of {there} stands that of {it}" for there, it in places[0].items())


def places_of(look: Look) -> dict[str, str]:
    """By the name of a wrong gradient that of the right one in its place; nothing if one of them is no such one."""
    bad = [r for r in look.rows if r.error > ONE_STEP[DTYPE]]
    if len(bad) < 2 or any(r.hand is None or r.torch is None for r in bad):
        return {}
    found = {named(r): next((named(o) for o in bad if o is not r and like(r.hand, o.torch)), "") for r in bad}
    return found if sorted(found.values()) == sorted(found) else {}


SET = "a gradient is set with =, and must be added with +=: what was there before is lost"


def set_with_equals(tree: ast.FunctionDef) -> int | None:
    """The first line that sets a gradient of a parameter."""
    found = (n.lineno for n in ast.walk(tree) if isinstance(n, ast.Assign) and any(getattr(t, "attr", "") == "grad" for t in n.targets))
    return next(found, None)


def over_two_calls(failed: list[str], tree: ast.FunctionDef, where: str) -> str:
    """What is wrong if one step is right, and two are not."""
    if unused := unused_upstream(tree):
        return unused
    if line := set_with_equals(tree):
        return f"Line {line}: {SET}{where}."
    return f"One step is right; two forwards and then two backwards are not{where}: {failed[0]}."
