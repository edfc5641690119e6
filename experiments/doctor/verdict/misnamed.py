"""Gradients on the way that are those of something else than their names say: they are taken for none, so that no right line is accused."""

from __future__ import annotations

import copy

import numpy as np

from experiments.doctor.calls.results import line_of_return
from experiments.doctor.mending.changing import slice_of
from experiments.doctor.mending.cost import is_room
from experiments.doctor.mending.places import statement_at, text_of
from experiments.doctor.verdict.examine import Examination
from experiments.doctor.verdict.suspects import returned, wrong_lines

MUCH = 3
"""Where so many lines are wrong, a name on the way may mean something else than it says."""


def without_misnamed(examinations: list[Examination], right: list[str]) -> None:
    """Take them out of what is known of a backward.

    Args:
        examinations: which are changed.
        right: the values whose gradients are right as a whole.
    """
    forget(examinations, misnamed(examinations, right))
    for e in examinations:
        forget([e], borrowed(e, right))
    forget(examinations, mistaken(examinations[0]))


def misnamed(examinations: list[Examination], right: list[str]) -> list[str]:
    """Gradients on the way that a right result is made of: they are not wrong, but the gradients of something else than their names say."""
    first = examinations[0]
    tree, claims = first.subject.pair.backward, first.claims
    wrong, last = [n for n in wrong_lines(examinations) if not claims[n].returned], line_of_return(tree)
    room = [n for n in wrong if (s := statement_at(tree, claims[n].line)) is not None and is_room(text_of(s))]  # before its first term
    both = {claims[n].line for n in returned(first) if n not in right}  # a line that makes wrong results too tells nothing of what it reads
    alone = [n for n in right if np.any(claims[n].gradient) and claims[n].line not in both]
    fed = {line for n in alone for line in slice_of(tree, [claims[n].line or last])} if wrong else set()
    return [n for n in wrong if n in room or (claims[n].line in fed and claims[n].line not in {claims[r].line for r in right})]


def borrowed(e: Examination, right: list[str]) -> list[str]:
    """Gradients on the way without which the lines of right results are right as well: their names say something else than they are."""
    tree, seeming = e.subject.pair.backward, [n for n in right if n in e.wrong]
    fed = {line for n in seeming for line in slice_of(tree, [e.claims[n].line])}
    found = [n for n, c in e.claims.items() if not c.returned and c.line in fed]
    without = copy.copy(e)
    forget([without], found)
    return found if found and not set(seeming) & set(without.wrong) else []


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
