"""What a backward computes anew as its forward did, and rightly."""

from __future__ import annotations

import ast

from experiments.doctor.reading.claims import is_array
from experiments.doctor.reading.text import assigned
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.suspects import same_numbers


def recalled(e: Examination) -> dict[int, set[str]]:
    """By line of the backward, calls of the forward itself that give what it gave: y = softmax(x) is no mistake."""
    parts = [p for p in e.ran.parts if is_array(p)]
    found: dict[int, set[str]] = {}
    for statement in ast.walk(e.subject.pair.backward):
        for target, value in assigned(statement):
            if isinstance(value, ast.Call) and ast.unparse(value.func) == e.subject.pair.forward.name:
                names = [ast.unparse(t) for t in (target.elts if isinstance(target, ast.Tuple) else [target])]
                if len(names) <= len(parts) and all(same_numbers(e.locals.get(n), p) for n, p in zip(names, parts, strict=False)):
                    found.setdefault(value.lineno, set()).add(ast.unparse(value))
    return found


def values_of(statement: ast.AST) -> set[str]:
    """What is given a name there."""
    return {ast.unparse(value) for _, value in assigned(statement)}
