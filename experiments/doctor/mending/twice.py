"""Two lines that must both be changed: the first change makes some of the results right and none wrong, the second one the rest."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Sequence
from itertools import islice

import numpy as np

from experiments.doctor.mending.changing import Changing, slice_of
from experiments.doctor.mending.cost import Cure, cost
from experiments.doctor.mending.cure import Ward, common_start, cured, scope
from experiments.doctor.mending.edits import edits
from experiments.doctor.mending.places import statement_at, text_of
from experiments.doctor.patience import Patience

MOST = 400
"""So many changes are tried of one line."""

FEW = 4
"""So many first changes are gone on from."""

SECONDS = 3.0
"""For all of it."""


def cured_twice(wards: Sequence[Ward], lines: Sequence[int], sound: Collection[int]) -> tuple[Cure, Cure] | None:
    """Two changes of two lines that make everything right together; None if none were found.

    Args:
        wards: one for each input.
        lines: that are wrong by themselves; those that they read from are tried too.
        sound: lines that are known to be right.
    """
    if any(len(ward.truths) < 2 for ward in wards):
        return None  # of one result alone nothing tells whether half of the way is gone
    subject, patience = wards[0].e.subject, Patience(SECONDS)
    tree = subject.pair.backward
    changing, names = Changing(tree, subject.namespace), scope(wards[0].e)
    now = right(wards, changing, next(iter(lines)), None)
    steps: list[tuple[int, Cure]] = []
    for line in slice_of(tree, lines):
        statement = statement_at(tree, line)
        for said, after in islice(edits(tree, line, names), MOST) if statement is not None and line not in sound else ():
            if patience.is_over:
                break
            then = right(wards, changing, line, after)
            if then > now:
                assert statement is not None
                steps.append((len(then), Cure(line, text_of(statement), after, said)))
    for _, step in sorted(steps, key=lambda s: (-s[0], cost(tree, s[1], lines)))[:FEW]:
        others = [with_step(ward, step) for ward in wards]
        rest = cured(others, [n for n in lines if n != step.line], [*sound, step.line], Patience(SECONDS / 2))
        if rest is not None:
            return step, rest
    return None


def right(wards: Sequence[Ward], changing: Changing, line: int, after: str | None) -> set[str]:
    """The results that are right with this statement on that line, or as they are, on every input."""
    after = after if after is not None else text_of(statement_at(changing.tree, line) or ast.Pass())
    start = common_start(wards, line)
    try:
        function = changing.made(line, after, start)
        with changing.changed(line, after) as tree, np.errstate(all="ignore"):
            of = [(ward, ward.returned(function, tree, start)) for ward in wards]
            return set.intersection(*({n for n in ward.truths if n in found and ward.fits(n, found[n])} for ward, found in of))
    except Exception:  # a change may make nonsense
        return set()


def with_step(ward: Ward, step: Cure) -> Ward:
    """The same input, with the first change made."""
    subject = ward.e.subject
    with Changing(subject.pair.backward, subject.namespace).changed(step.line, step.after) as tree:
        e = copy.copy(ward.e)
        e.subject = subject.with_backward(copy.deepcopy(tree))
    other = copy.copy(ward)
    other.e, other.known, other.starts = e, {}, {}
    return other
