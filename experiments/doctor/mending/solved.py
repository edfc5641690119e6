"""The cure, where no small change is one: what a piece of a line ought to be is known, and something that is it is looked for."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from experiments.doctor.mending.changing import slice_of
from experiments.doctor.mending.cost import Cure, cost
from experiments.doctor.mending.cure import Ward, cures
from experiments.doctor.mending.needed import MOVED, Asking, Needed
from experiments.doctor.mending.pieces import Piece, fitting, pieces
from experiments.doctor.mending.places import Headed, Place, Statement, places_in, statement_at, text_of, with_piece
from experiments.doctor.patience import Patience

ENOUGH = 4
"""So many are tried for one place."""


FEW = 80
"""So many are tried where nothing tells which."""


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

    @property
    def is_narrow(self) -> bool:
        """Whether not everything that could be wrong could be made right there: the mistake is hardly further down."""
        return all(n.slopes.shape[1] < n.slopes.shape[0] or np.linalg.matrix_rank(n.slopes) < n.slopes.shape[0] for n in self.needed)


def openings(wards: Sequence[Ward], accused: list[int], sound: Collection[int], patience: Patience) -> tuple[list[Open], set[int]]:
    """Every place of the accused lines, and of those that they read from, where something else would make everything right.

    And the lines of which it is known that nothing in the place of what they compute does.

    Args:
        wards: one for each input.
        accused: the lines that are wrong by themselves.
        sound: lines that are known to be right.
        patience: how long.
    """
    tree = wards[0].e.subject.pair.backward
    asking = [Asking(ward) for ward in wards]
    lines = [line for line in slice_of(tree, accused) if line not in sound] if all(a.knows for a in asking) else []
    statements = [s for line in lines if (s := statement_at(tree, line)) is not None and not isinstance(s, Headed)]
    found: list[Open] = []
    closed: set[int] = set()
    patience, compared = patience.for_one(), deciding(tree)
    for whole in (True, False):  # first which statements, then which pieces of them
        for statement in statements:
            if whole or any(of.statement is statement for of in found):
                found += (Open(statement, place, needed) for place, needed in askable(asking, statement, whole, patience))
                told = whole and is_plain(statement) and statement.lineno not in compared
                closed |= {statement.lineno} if told and any(a.is_closed for a in asking) else set()
    return found, closed


def deciding(tree: ast.FunctionDef) -> set[int]:
    """The lines that feed a comparison: what is made of that jumps, and that a small move changes nothing says nothing of it."""
    comparing = ast.Compare | ast.IfExp
    lines = {s.lineno for s in ast.walk(tree) if isinstance(s, Statement) and any(isinstance(n, comparing) for n in ast.walk(s))}
    return {line for at in lines for line in slice_of(tree, [at]) if line != at}


def is_plain(statement: ast.stmt) -> bool:
    """Whether all that it does is to give names to what it computes; of dx[i] = ... the place may be wrong too."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return bool(targets) and all(isinstance(t, ast.Name) for t in targets)


def solved(wards: Sequence[Ward], places: Sequence[Open], accused: list[int], patience: Patience, known: Cure | None = None) -> Cure | None:
    """What makes everything right in one of these places; of several the plainest; None if there is none.

    Args:
        wards: one for each input.
        places: where.
        accused: the lines that are wrong by themselves.
        patience: how long.
        known: a cure that is known already: nothing is looked for that is less plain.
    """
    examinations = [ward.e for ward in wards]
    tree = examinations[0].subject.pair.backward
    found: list[Cure] = []
    here: dict[int, list[Piece]] = {}
    patience = patience.for_one()
    for three in (False, True):
        for of in places:
            if patience.is_over or (three and (found or known)):
                break
            before, line = text_of(of.statement), of.statement.lineno
            here[line] = here.get(line) or pieces(examinations, line, of.needed)
            for piece in islice(fitting(here[line], of.needed, three), ENOUGH):
                after = with_piece(of.statement, of.place, ast.parse(piece, mode="eval").body)
                new = Cure(line, before, after)
                best = min((cost(tree, c, accused) for c in [*found, *([known] if known else [])]), default=None)
                if after != before and (best is None or cost(tree, new, accused) < best) and cures(wards, line, after):
                    found.append(new)
    return min(found, key=lambda c: cost(tree, c, accused), default=None)


def tried(wards: Sequence[Ward], lines: Sequence[int], accused: list[int], patience: Patience) -> Cure | None:
    """What makes everything right in the place of a piece on which the results hang in no straight line: one after the other is tried.

    Args:
        wards: one for each input.
        lines: where.
        accused: those that are wrong by themselves.
        patience: how long.
    """
    examinations = [ward.e for ward in wards]
    tree = examinations[0].subject.pair.backward
    found: list[Cure] = []
    patience = patience.for_one()
    for statement in (s for line in lines if (s := statement_at(tree, line)) is not None and not isinstance(s, Headed)):
        before, line = text_of(statement), statement.lineno
        known = [text for text, _ in pieces(examinations, line) if not re.fullmatch(r"[\w.]+", text)][:FEW]
        for place in places_in(statement):
            if isinstance(place[0], ast.BinOp | ast.Call | ast.UnaryOp | ast.Compare):
                for piece in known:
                    if patience.is_over:
                        return min(found, key=lambda c: cost(tree, c, accused), default=None)
                    after = with_piece(statement, place, ast.parse(piece, mode="eval").body)
                    new = Cure(line, before, after)
                    plainer = not found or cost(tree, new, accused) < min(cost(tree, c, accused) for c in found)
                    if after != before and plainer and cures(wards, line, after):
                        found.append(new)
    return min(found, key=lambda c: cost(tree, c, accused), default=None)


def askable(asking: Sequence[Asking], statement: ast.stmt, whole: bool, patience: Patience) -> Iterator[tuple[Place, list[Needed]]]:
    """The pieces of a statement of which it is known what they ought to be, the largest first; none within one that is of no help.

    Args:
        asking: one for each input.
        statement: in which they are.
        whole: whether only all that it computes is asked for, or only what is within that.
        patience: how long.
    """
    helpless: list[ast.AST] = []
    for place in places_in(statement):
        node = place[0]
        if isinstance(node, ast.Slice | ast.Starred | ast.Tuple) or any(node is inner for other in helpless for inner in ast.walk(other)):
            continue
        if whole != is_whole(place, statement):
            continue
        for a in asking:
            a.is_closed = False
        if patience.is_over:
            break
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
