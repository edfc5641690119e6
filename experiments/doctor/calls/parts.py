"""The parts of what a forward returned, and which gradient belongs to which."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from experiments.doctor.calls.ran import Ran
from experiments.doctor.reading.claims import is_array
from experiments.doctor.reading.patient import Pair

TIMES = frozenset(("next", "new", "prev", "last", "final", "end", "current", "cur", "t", "out"))
"""Words that say when a value is had, and not which it is."""


def in_tuple(pair: Pair, name: str, ran: Ran) -> list[str]:
    """The gradients that an argument holds: itself; or those that it is unpacked into, of as many arrays that forward returned."""
    for statement in pair.backward.body:
        match statement:
            case ast.Assign([ast.Tuple(elts)], ast.Name(whole)) if whole == name and 1 < len(elts) <= len(ran.parts):
                if all(isinstance(e, ast.Name) and is_array(part_of(pair, ran, i)) for i, e in enumerate(elts)):
                    return [ast.unparse(e) for e in elts]
    return [name]


def of_words(label: str, names: Sequence[str]) -> str | None:
    """The one value whose name shares a word with that of its gradient: next_c of dc, c of dc_next, dnext_c and grad_c_last."""
    words = words_of(re.sub(r"^(d_?l_?d|grad(ient)?s?_|d)_?", "", label, flags=re.IGNORECASE))
    found = [n for n in names if words & words_of(n.removeprefix("self."))]
    return found[0] if len(found) == 1 else None


def words_of(name: str) -> frozenset[str]:
    """The words of a name that say which value it is."""
    return frozenset(name.lower().split("_")) - TIMES


def part_of(pair: Pair, ran: Ran, number: int) -> Any:
    """One thing that forward returns; of a list over time all steps, or the last if the backward is given the gradient of one."""
    found = ran.parts[number]
    if not isinstance(found, list) or not found or not all(is_array(v) and np.shape(v) == np.shape(found[0]) for v in found):
        return found
    return np.array(found) if is_stepped(pair.backward) else found[-1]


@cache
def is_stepped(backward: ast.FunctionDef) -> bool:
    """Whether a backward goes through one of its arguments step by step."""
    given = {a.arg for a in backward.args.args}
    return any(isinstance(n, ast.Subscript) and ast.unparse(n.value) in given for n in ast.walk(backward))
