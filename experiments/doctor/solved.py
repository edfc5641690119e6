"""The cure, where no small change is one: what a piece of a line ought to be is known, and something that is it is looked for."""

from __future__ import annotations

import ast
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from experiments.doctor.changing import slice_of
from experiments.doctor.cost import Cure, cost
from experiments.doctor.cure import cures
from experiments.doctor.edits import Place, places_in, statement_at, text_of, with_piece
from experiments.doctor.examine import Examination
from experiments.doctor.needed import MOVED, Asking, Needed
from experiments.doctor.pieces import Piece, fitting, pieces

SECONDS = 2.0
"""Of computing, after which the search ends."""

ENOUGH = 4
"""So many are tried for one place."""


@dataclass(frozen=True)
class Open:
    """A place where something else would make everything right.

    Attributes:
        statement: that it is in.
        place: it.
        needed: what must stand there, on each input.
    """

    statement: ast.stmt
    place: Place
    needed: list[Needed]

    @property
    def is_whole(self) -> bool:
        """Whether it is all that the statement computes."""
        return is_whole(self.place, self.statement)


def openings(examinations: list[Examination], accused: list[int], sound: Collection[int] = ()) -> list[Open]:
    """Every place of the accused lines, and of those that they read from, where something else would make everything right.

    Args:
        examinations: one for each input.
        accused: the lines that are wrong by themselves.
        sound: lines that are known to be right.
    """
    tree = examinations[0].subject.pair.backward
    asking = [Asking(e) for e in examinations]
    lines = [line for line in slice_of(tree, accused) if line not in sound] if all(a.knows for a in asking) else []
    statements = [s for line in lines if (s := statement_at(tree, line)) is not None and not isinstance(s, ast.If)]
    found: list[Open] = []
    start = time.process_time()
    for whole in (True, False):  # first which statements, then which pieces of them
        for statement in statements:
            if whole or any(of.statement is statement for of in found):
                for place, needed in askable(asking, statement, whole):
                    found.append(Open(statement, place, needed))
                    if time.process_time() - start > SECONDS:
                        return found
    return found


def solved(examinations: list[Examination], places: Sequence[Open], accused: list[int], known: Cure | None = None) -> Cure | None:
    """What makes everything right in one of these places; of several the plainest; None if there is none.

    Args:
        examinations: one for each input.
        places: where.
        accused: the lines that are wrong by themselves.
        known: a cure that is known already: nothing is looked for that is less plain.
    """
    tree = examinations[0].subject.pair.backward
    found: list[Cure] = []
    here: dict[int, list[Piece]] = {}
    start = time.process_time()
    for three in (False, True):
        for of in places:
            if three and (found or known):
                break
            before, line = text_of(of.statement), of.statement.lineno
            here[line] = here.get(line) or pieces(examinations, line)
            for piece in islice(fitting(here[line], of.needed, three), ENOUGH) if time.process_time() - start < SECONDS else ():
                after = with_piece(of.statement, of.place, ast.parse(piece, mode="eval").body)
                new = Cure(line, before, after)
                best = min((cost(tree, c, accused) for c in [*found, *([known] if known else [])]), default=None)
                if after != before and (best is None or cost(tree, new, accused) < best) and cures(examinations, line, after):
                    found.append(new)
    return min(found, key=lambda c: cost(tree, c, accused), default=None)


def askable(asking: Sequence[Asking], statement: ast.stmt, whole: bool) -> Iterator[tuple[Place, list[Needed]]]:
    """The pieces of a statement of which it is known what they ought to be, the largest first; none within one that is of no help.

    Args:
        asking: one for each input.
        statement: in which they are.
        whole: whether only all that it computes is asked for, or only what is within that.
    """
    helpless: list[ast.AST] = []
    for place in places_in(statement):
        node = place[0]
        if isinstance(node, ast.Slice | ast.Starred | ast.Tuple) or any(node is inner for other in helpless for inner in ast.walk(other)):
            continue
        if whole != is_whole(place, statement):
            continue
        text = with_piece(statement, place, ast.Call(ast.Name(MOVED), [node], []))
        needed = [n for a in asking if (n := a.needed(statement.lineno, text)) is not None]
        if len(needed) == len(asking):
            yield place, needed
        else:
            helpless.append(node)


def is_whole(place: Place, statement: ast.stmt) -> bool:
    """Whether it is all that a statement computes, or one of several things."""
    value = getattr(statement, "value", None)
    return place[0] is value or (isinstance(value, ast.Tuple) and place[0] in value.elts)
