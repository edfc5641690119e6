"""Which gradients are wrong, and which lines, on every input."""

from __future__ import annotations

import ast

import numpy as np

from experiments.doctor.mending.changing import slice_of, writes
from experiments.doctor.numbers.readings import RIGHT
from experiments.doctor.reading.claims import is_array, is_gradient, value_of
from experiments.doctor.verdict.examine import Examination
from experiments.judge.compare import digits, error

PLAINLY = 1.0
"""With fewer digits right than this a gradient is wrong, whatever rounding does."""


def returned(e: Examination) -> list[str]:
    """The values whose gradient is a result of the backward; all that have one if nothing is returned by a name that is known."""
    return [n for n, c in e.claims.items() if c.returned] or list(e.claims)


def agreement(examinations: list[Examination], name: str) -> tuple[float, bool]:
    """Digits, and whether it is right: of a returned gradient against the derivative of forward as a whole."""
    worst = max(e.miss(name) for e in examinations)
    return digits(worst, "float64"), worst < RIGHT


def wrong_lines(examinations: list[Examination]) -> list[str]:
    """The values whose gradient is wrong in its own line, on every input."""
    first, *others = (e.wrong for e in examinations)
    wrong = [name for name in first if all(name in other for other in others)]
    claims = examinations[0].claims
    wrong = [name for name in wrong if claims[name].line]
    wrong = [name for name in wrong if not has_no_number_from(examinations[0], name, wrong)] or wrong
    return list({claims[name].line: name for name in reversed(wrong)}.values())[::-1]  # the first of those that one line computes


def has_no_number_from(e: Examination, name: str, wrong: list[str]) -> bool:
    """Whether a gradient is no number in some places since another one that its line hangs on is none: nothing is known of that line."""
    none = {n for n in wrong if not np.isfinite(np.asarray(e.claims[n].gradient, float)).all()}
    if name not in none:
        return False
    line = e.claims[name].line
    above = set(slice_of(e.subject.pair.backward, [line])) - {line}
    return bool(above & {e.claims[n].line for n in none})


def suspects(examinations: list[Examination], wrong: list[str]) -> dict[int, list[str]]:
    """By line, the wrong gradients that it explains: their own, or a line that feeds several and computes what has no telling name."""
    claims, left, found = examinations[0].claims, list(wrong), {}
    while left:
        fed = {line: [n for n in left if line in claims[n].lines] for n in left for line in claims[n].lines}
        line, names = max(fed.items(), key=lambda item: (len(item[1]), -item[0]))
        if len(names) < 2:
            line, names = claims[left[0]].line, left[:1]
        found[line] = names
        left = [n for n in left if n not in names]
    return found


def right_lines(e: Examination) -> set[int]:
    """The lines of the gradients that are right; not one that names something else too, which may be wrong."""
    wrong = {e.claims[n].line for n in e.wrong}  # of what a loop names again and again some may be right
    right = {c.label: c.line for n, c in e.claims.items() if n not in e.wrong and c.line not in wrong}
    statements = [s for s in ast.walk(e.subject.pair.backward) if isinstance(s, ast.Assign)]
    more = {s.lineno for s in statements if isinstance(s.targets[0], ast.Tuple) and not {n for n in writes(s) if n != "_"} <= set(right)}
    return set(right.values()) - more


def unharmed(e: Examination) -> set[int]:
    """The lines that are right by what they leave: a value as forward has it, or the right gradient, whatever is then returned of it."""
    stores: dict[str, list[ast.stmt]] = {}
    for statement in ast.walk(e.subject.pair.backward):
        if isinstance(statement, ast.Assign | ast.AugAssign):
            for name in writes(statement):
                stores.setdefault(name, []).append(statement)
    returned = [n for n, c in e.claims.items() if c.returned and not e.is_slow(np.size(c.gradient))]
    gradients = {n: e.whole(value) for n in stores if is_gradient(n) and (value := value_of(n, returned))}
    known = {**{n: v for n, v in e.ran.values.items() if is_array(v)}, **gradients}
    sound = {n for n in stores if n in known and n in e.locals and same_numbers(e.locals[n], known[n])}
    of = {id(s): s for n in sound for s in stores[n]}.values()
    return {s.lineno for s in of if writes(s) <= sound}


def same_numbers(a: object, b: np.ndarray) -> bool:
    """Whether they are the same, where that can be told: not where all of it is 0."""
    found = np.asarray(a, float) if is_array(a) else None
    return found is not None and found.shape == np.shape(b) and bool(np.any(b)) and error(found, b) < RIGHT
