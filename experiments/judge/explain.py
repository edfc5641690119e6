"""A verdict that teaches: every tensor of a step in the order of computation and of the way back; which are right, what the wrong are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.judge.compare import ONE_STEP, Judgement, Tensors, Words, as_array, digits
from experiments.judge.diagnose import diagnose
from experiments.judge.look import Row, sizes_of


class Line(NamedTuple):
    """A line of the table."""

    name: str
    shape: tuple[int, ...]
    digits: float
    right: bool
    what: str  # of a wrong one, what it is, if that can be said
    first: bool  # whether it is the first wrong one


def explain(rows: Sequence[Row], dtype: str, tolerance: float | None = None) -> list[Line]:
    """What is to be said of a look at a step. What comes after the first wrong tensor may only have inherited.

    Args:
        rows: of `experiments.judge.look.look`.
        dtype: of the comparison.
        tolerance: what a right tensor may differ by; ONE_STEP unless given.
    """
    tolerance = ONE_STEP[dtype] if tolerance is None else tolerance
    gradients = {r.name.removeprefix("gradient of "): r.torch for r in rows if r.name.startswith("gradient of ") and r.torch is not None}
    sizes, lines, seen = sizes_of(rows), [], False
    for r in rows:
        right = r.error <= tolerance
        others = {name: g for name, g in gradients.items() if r.back and name != r.name.removeprefix("gradient of ")}
        what = "" if right else numbers(r) or diagnose(r.hand, r.torch, others, sizes) or ""
        shape = tuple(np.shape(as_array(r.torch if r.torch is not None else r.hand)))
        lines.append(Line(r.name, shape, digits(r.error, dtype), right, what, not right and not seen))
        seen = seen or not right
    return lines


def numbers(row: Row) -> str | None:
    """Of what was logged, the two numbers (of several the last); a factor would say less."""
    if not row.name.startswith("metric ") or row.hand is None or row.torch is None or not (np.size(row.hand) and np.size(row.torch)):
        return None
    hand, torch = (float(np.ravel(as_array(side))[-1]) for side in (row.hand, row.torch))
    return f"{hand:.6g} by hand, {torch:.6g} in torch"


def first_wrong(lines: Sequence[Line]) -> str | None:
    """A sentence about the first wrong one; None if all are right."""
    found = next((line for line in lines if line.first), None)
    if found is None:
        return None
    right = sum(line.right for line in lines)
    what = f": it is {found.what}" if found.what else ""
    counted = "numbers" if found.name.startswith("metric ") else "tensors"
    return f"{right} of {len(lines)} {counted} are right. The first wrong one is {found.name}{what}."


def rows_of(judgement: Judgement, hand: Mapping[str, Tensors], torch: Mapping[str, Tensors]) -> list[Row]:
    """What was judged as rows: for a fault that is in no gradient, but in what an optimizer made of it or in what was logged.

    Args:
        judgement: of the step, or of what was logged.
        hand: by kind and name, what was compared.
        torch: likewise.
    """
    return [
        Row(Words.name(kind, name), True, hand[kind].get(name), torch[kind].get(name), e)
        for kind, of in judgement.found.items()
        for name, e in of.items()
    ]
