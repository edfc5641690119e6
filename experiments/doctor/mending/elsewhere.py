"""Other lines of which a change makes everything right as well: which of them is to blame nobody can tell from the numbers."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from itertools import islice

from experiments.doctor.mending.changing import Changing, slice_of
from experiments.doctor.mending.cost import Cure, cost
from experiments.doctor.mending.cure import Ward, scope, well
from experiments.doctor.mending.edits import edits
from experiments.doctor.mending.moved import at_definition, at_reading
from experiments.doctor.mending.pieces import fitting, pieces
from experiments.doctor.mending.places import statement_at, text_of, with_piece
from experiments.doctor.mending.solved import Open
from experiments.doctor.patience import Patience

NEARLY = 1.5
"""A cure that has so many times as much against it is no worse than the other, and"""

MORE = 0.25
"""so much more."""

MOST = 400
"""So many changes are tried of one line."""

MANY = 2
"""So many others are told."""

SECONDS = 1.0
"""For all of them."""


def others(
    wards: Sequence[Ward], cure: Cure, lines: list[int], sound: Collection[int], places: Sequence[Open], patience: Patience
) -> list[Cure]:
    """The cures of other lines that are about as plain as this one, the plainest of each, the plainest first.

    Args:
        wards: one for each input.
        cure: which makes everything right.
        lines: that are wrong by themselves; those that they read from are tried too.
        sound: lines that are known to be right.
        places: where something else would make everything right.
        patience: how long.
    """
    subject = wards[0].e.subject
    tree = subject.pair.backward
    most = NEARLY * cost(tree, cure, lines)[0] + MORE
    changing, names = Changing(tree, subject.namespace), scope(wards[0].e)
    patience = patience.for_one(SECONDS)
    found = [
        c for c in (*at_definition(tree, cure), *at_reading(tree, cure)) if c.line not in sound and well(wards, changing, c.line, c.after)
    ]
    for line in slice_of(tree, lines):
        statement = statement_at(tree, line)
        if patience.is_over or statement is None or line in {cure.line, *sound, *(c.line for c in found)}:
            continue
        here = [Cure(line, text_of(statement), after, said) for said, after in islice(edits(tree, line, names), MOST)]
        here += from_places(wards, [p for p in places if p.statement.lineno == line], patience)
        plain = sorted((c for c in here if cost(tree, c, lines)[0] <= most), key=lambda c: cost(tree, c, lines))
        found += next(([c] for c in plain if not patience.is_over and well(wards, changing, line, c.after)), [])
    return sorted(found, key=lambda c: cost(tree, c, lines))[:MANY]


def from_places(wards: Sequence[Ward], places: Sequence[Open], patience: Patience) -> list[Cure]:
    """What fits there."""
    found: list[Cure] = []
    here = pieces([ward.e for ward in wards], places[0].statement.lineno, places[0].needed) if places else []
    for of in places:
        if not patience.is_over:
            for piece in islice(fitting(here, of.needed), MANY):
                after = with_piece(of.statement, of.place, ast.parse(piece, mode="eval").body)
                found.append(Cure(of.statement.lineno, text_of(of.statement), after))
    return found
