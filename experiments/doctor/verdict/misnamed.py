"""Gradients on the way whose names say of something else than they are the gradients of."""

from __future__ import annotations

import copy

import numpy as np

from experiments.doctor.calls.results import line_of_return
from experiments.doctor.mending.changing import slice_of
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.suspects import wrong_lines

MUCH = 3
"""Where so many lines are wrong, a name on the way may mean something else than it says."""


def misnamed(examinations: list[Examination], right: list[str]) -> list[str]:
    """Gradients on the way that a right result is made of: they are not wrong, but the gradients of something else than their names say."""
    first = examinations[0]
    tree, claims = first.subject.pair.backward, first.claims
    wrong = [n for n in wrong_lines(examinations) if not claims[n].returned]
    last = line_of_return(tree)
    fed = {line for n in right if np.any(claims[n].gradient) for line in slice_of(tree, [claims[n].line or last])} if wrong else set()
    return [n for n in wrong if claims[n].line in fed and claims[n].line not in {claims[r].line for r in right}]


def mistaken(e: Examination) -> list[str]:
    """Gradients on the way without which other lines are right that are wrong with them: they are those of something else, as dz of a."""
    found: list[str] = []
    for label in dict.fromkeys(e.claims[n].label for n in e.wrong if not e.claims[n].returned) if len(e.wrong_lines) >= MUCH else ():
        names = [n for n, c in e.claims.items() if c.label == label and not c.returned]
        without = copy.copy(e)
        forget([without], names)
        if len(without.wrong_lines) < len({e.claims[n].line for n in e.wrong if n not in names}):
            e, found = without, [*found, *names]
    return found


def forget(examinations: list[Examination], names: list[str]) -> None:
    """Take these for no gradients."""
    for e in examinations if names else ():
        e.claims = {n: c for n, c in e.claims.items() if n not in names}
        e.held = {n: v for n, v in e.held.items() if n not in names}
        e.truths = {}
        e.__dict__.pop("wrong", None)
