"""Where a fault comes from that shows further down: the line that makes a 0, no number, or what everything after it would be right with."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

import numpy as np

from experiments.doctor.finding import Fault
from experiments.doctor.mending.changing import slice_of
from experiments.doctor.mending.led import is_empty
from experiments.doctor.mending.places import name_of, statement_at, text_of
from experiments.doctor.mending.solved import Open
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.explain import explained_at
from experiments.doctor.verdict.numberless import why_no_number


def numberless(examinations: list[Examination], fault: Fault) -> Fault:
    """The fault, with the piece of code that makes what is no number; there, if that is in a line above and nothing mends this one."""
    tree = examinations[0].subject.pair.backward
    for line in [fault.line] if fault.mend else slice_of(tree, [fault.line]):
        what = next((w for e in examinations if (w := why_no_number(e, line))), None)
        made = statement_at(tree, line)
        if what and made is not None:
            return replace(fault, what=what) if line == fault.line else Fault(line, text_of(made), label_of(made), what, None)
    return replace(fault, what="no number in some places")


def elsewhere(examinations: list[Examination], faults: tuple[Fault, ...], places: list[Open]) -> tuple[Fault, ...]:
    """The faults; or one line in the place of all, if with other numbers in what it computes everything would be right.

    Where something can be said of the faults, or a line is wrong by itself and nothing can be said of another, they are left as they are.
    """
    if not any(f.mend or (f.what and f.what != "0 everywhere") for f in faults):
        own = [c for c in examinations[0].claims.values() if len(faults) == 1 and c.line == faults[0].line]
        by_itself = len(own) == 1  # what is wrong in several results of one line was wrong before
        for of in places:
            line = of.statement.lineno
            if of.is_whole and line not in {f.line for f in faults} and not is_empty(of.place[0]):
                what = readable(explained_at(examinations, of))
                if what is not None or not by_itself:
                    faults = (Fault(line, text_of(of.statement), label_of(of.statement), what, None),)
                    break
    return tuple(nothing_before(examinations, f) for f in faults)


def label_of(statement: ast.stmt) -> str:
    """What a statement writes, in words."""
    return name_of(statement) or "this line"


def nothing_before(examinations: list[Examination], fault: Fault) -> Fault:
    """The fault; of a line that gives 0 everywhere since something that it reads is 0 everywhere, the line that makes that."""
    first = examinations[0]
    known = {*first.ran.values, *first.upstreams}
    while fault.what == "0 everywhere" and fault.mend is None:
        statement = statement_at(first.subject.pair.backward, fault.line)
        names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} if statement else set()
        empty = [n for n in names - known if is_zero(first.locals.get(n))]
        stores = [
            s
            for s in ast.walk(first.subject.pair.backward)
            if isinstance(s, ast.Assign) and s.lineno < fault.line and set(map(ast.unparse, s.targets)) & set(empty)
        ]
        if not stores:
            break
        made = max(stores, key=lambda s: s.lineno)
        fault = Fault(made.lineno, text_of(made), label_of(made), fault.what, None)
    return fault


def is_zero(value: object) -> bool:
    """Whether these are numbers, all of them 0."""
    return isinstance(value, np.ndarray | int | float | np.number) and not isinstance(value, bool) and not np.any(value)


def readable(what: str | None, label: str = "") -> str | None:
    """The half sentence with h#2 in words, and with a verb; `label` is what the gradient is called that it is said of."""
    if what and what.startswith("with "):
        what = f"computed {what}"
    if what and what == f"a copy of {label}":
        what = "handed on as it came in"
    return re.sub(r"\b(\S+)#(\d+)", r"value number \2 of \1", what) if what else None
