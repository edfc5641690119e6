"""Operations of an engine of automatic differentiation, each with the function within it that is its backward."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from experiments.doctor.calls.calling import Subject
from experiments.doctor.finding import Fault, Finding, Gradient
from experiments.doctor.mending.mend import Mend
from experiments.doctor.reading.closures import Closure
from experiments.doctor.reading.patient import Unreadable


def of_closure(closure: Closure, namespace: dict[str, Any], examined: Callable[[Subject], Finding]) -> Finding:
    """One operation of an engine, on numbers and, where it takes those, on matrices.

    Args:
        closure: it.
        namespace: of the file.
        examined: what is to be said of a pair of functions.
    """
    rest = dict.fromkeys(closure.plain, ("whole 3", ()))
    kinds: list[dict[str, Any]] = [{**dict.fromkeys(closure.operands, (kind, ())), **rest} for kind in ("normal", "unit")]
    if len(closure.operands) == 2:
        kinds += [{**dict(zip(closure.operands, (("normal", ("N", "D")), ("normal", ("D", "H"))), strict=True)), **rest}]
    try:
        found = examined(Subject(closure.pair, namespace, kinds=kinds))
    except Unreadable as trouble:
        found = Finding(closure.pair.name, closure.pair.backward.name, trouble=str(trouble))
    return as_it_stands(found, closure)


def as_it_stands(found: Finding, closure: Closure) -> Finding:
    """What was found, in the words of the file: self.data for self, self.grad for self_grad; and what is not added to but overwritten."""
    names = [*closure.operands, ast.unparse(closure.pair.forward.body[-1]).removeprefix("return ")]

    def back(text: str) -> str:
        for name in names:
            text = re.sub(rf"\b{name}_grad\b", f"{name}.grad", text)
            text = re.sub(rf"\b{name}\b(?!\.|_)", f"{name}.data", text)
        return text

    def mended(mend: Mend) -> Mend:
        return replace(mend, before=back(mend.before), after=back(mend.after))

    def of(fault: Fault) -> Fault:
        others, also = (tuple(map(mended, mends)) for mends in (fault.others, fault.also))
        what, mend = fault.what and back(fault.what), fault.mend and mended(fault.mend)
        return Fault(fault.line, back(fault.text), back(fault.label), what, mend, others, also)

    gradients = tuple(Gradient(back(g.value), g.shape, g.digits, g.right) for g in found.gradients)
    faults = tuple(map(of, found.faults)) or (() if found.trouble else tuple(overwriting(closure)))
    return replace(found, backward=found.backward and "its _backward", gradients=gradients, faults=faults)


def overwriting(closure: Closure) -> Iterator[Fault]:
    """A gradient that is replaced: of a value that is used twice the first one is lost."""
    for statement in closure.overwritten:
        text, target = ast.unparse(statement), ast.unparse(statement.targets[0])
        what = "overwritten, where it must be added to what was there: a value that is used twice has two gradients"
        yield Fault(statement.lineno, text, target, what, Mend(statement.lineno, text, text.replace(" = ", " += ", 1)))
