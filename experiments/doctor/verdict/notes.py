"""Right code that looks wrong: why it is right all the same, said only where it applies."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.doctor.calls.roles import is_read, optional_arguments
from experiments.doctor.reading.claims import is_array
from experiments.doctor.verdict.examine import Examination

NAME = r"[\w.]+(?:\[[^\]]*\])?"
SIGMOID = re.compile(rf"({NAME}) \* \(1(?:\.0)? - \1\)")
TANH = re.compile(rf"\(?1(?:\.0)? - (?:({NAME}) \*\* 2|np\.(?:square|power)\(({NAME})(?:, 2)?\)|({NAME}) \* \3)\)?")
NEGATIVES = re.compile(r"-\s*np\.max(?:imum)?\(-[^,()]+(?:, -[^,()]+)?\)")
MINUSES = re.compile(rf"\(({NAME}) - ({NAME})\)")
DIFFERENCE = re.compile(rf"\(?({NAME}) - ({NAME})\)?")


def notes(e: Examination) -> tuple[str, ...]:
    """Sentences about the lines of a backward that is right."""
    found = [said for claim in e.claims.values() for said in of_line(e, line_at(e, claim.line))]
    found += [said for claim in e.claims.values() if claim.returned for said in of_zero(claim.value, claim.gradient)]
    found += of_unread(e)
    found += [f"The gradient of {n} has the shape {s[1:]}, and {n} {s}: the update spreads it out." for n, s in e.spread_out.items()]
    forward = ast.unparse(e.subject.pair.forward)
    found += [f"-max(-a, -b) is min(a, b): {m[0]} takes the smaller one." for m in NEGATIVES.finditer(forward)]
    return tuple(dict.fromkeys(found))


def of_zero(name: str, gradient: Any) -> Iterator[str]:
    """A gradient that is nothing but rounding."""
    if np.size(gradient) and np.abs(gradient).max() < 1e-12:
        yield f"The gradient of {name} is 0, and that is right: forward takes away again whatever {name} adds: no change of it shows."


def of_unread(e: Examination) -> Iterator[str]:
    """The gradient of a loss that a backward takes and leaves alone, though nothing says that it is 1."""
    backward = e.subject.pair.backward
    for name in e.upstreams:
        if not is_read(backward, name) and name not in optional_arguments(backward):
            yield f"{name} is read nowhere: it is right only where {name} is 1, and what is made of the loss afterwards is left out."


def line_at(e: Examination, line: int) -> str:
    """The text of a line of the backward."""
    return next((ast.unparse(n) for n in ast.walk(e.subject.pair.backward) if isinstance(n, ast.Assign) and n.lineno == line), "")


def of_line(e: Examination, text: str) -> Iterator[str]:
    """What may be asked about a line."""
    for pattern, ends, words in ((SIGMOID, (0, 1), "a sigmoid is a(1 − a)"), (TANH, (-1, 1), "tanh is 1 − a²")):
        for found in pattern.finditer(text):
            name = next(g for g in found.groups() if g)
            a = known(e, name)
            if a is not None and ends[0] <= a.min() and a.max() <= ends[1]:
                yield f"{found[0]} is right: {name} is the output a of the activation, and the derivative of {words}."
    for found in MINUSES.finditer(text):
        if re.search(rf"-\s*(?:[\w.]+ [*/] )*{re.escape(found[0])}(?! \*\*)", text):
            yield f"Two minus signs make a plus: {text} is right, and the same as with ({found[2]} - {found[1]}) and a plus."
    forward = ast.unparse(e.subject.pair.forward) + e.subject.loss_text
    if (minus := DIFFERENCE.search(text)) and "np.log" in forward:
        p, y = known(e, minus[1]), known(e, minus[2])
        if p is not None and y is not None and p.shape == y.shape and p.min() >= 0 and p.max() <= 1 and set(np.unique(y)) <= {0, 1}:
            yield f"{minus[0]} has no derivative of the activation, and is right: under cross-entropy it cancels."


def known(e: Examination, name: str) -> np.ndarray | None:
    """The numbers of what is called so in the backward."""
    value: Any = e.locals.get(name, e.ran.final.get(name))
    return np.asarray(value, float) if is_array(value) and np.size(value) else None
