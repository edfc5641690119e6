"""The line that is missing: where nothing that stands there can be mended, what would have to stand between two lines."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from experiments.doctor.mending.cure import Ward, cures
from experiments.doctor.mending.mend import Mend, with_line_before
from experiments.doctor.mending.needed import MOVED, Asking, Needed, fits
from experiments.doctor.mending.pieces import Piece, fitting, pieces
from experiments.doctor.patience import Patience
from experiments.doctor.reading.claims import is_array, tells_of_gradient

Plain = ast.Assign | ast.AugAssign | ast.Expr | ast.Return

FORMS = (("+", "0.0 * {0}"), ("*", "1.0 + 0.0 * {0}"))
"""What is done to a value by the missing line, and what does nothing to it that way."""

ENOUGH = 3
"""So many are tried for one place."""

SECONDS = 2.0
"""That the search may take."""


def inserted(wards: Sequence[Ward]) -> tuple[str, Mend] | None:
    """What a missing line would change, and the line, with which everything is right; None if there is none."""
    tree = wards[0].e.subject.pair.backward
    asking, patience, here = [Asking(ward) for ward in wards], Patience(SECONDS), dict[int, list[Piece]]()
    for name, statement in gaps(wards[0], tree) if all(a.knows for a in asking) else ():
        line, lines = statement.lineno, list[str]()
        for sign, nothing in FORMS:
            if patience.is_over:
                return None
            asked = with_line_before(statement, f"{name} = {name} {sign} {MOVED}({nothing.format(name)})")
            needed = [n for a in asking if (n := a.needed(line, asked)) is not None]
            if len(needed) == len(asking):
                here[line] = here.get(line) or pieces([ward.e for ward in wards], line, needed)
                lines += (f"{name} = {name} {piece}" for piece in islice(found(sign, here[line], needed), ENOUGH))
        best = next((new for new in sorted(lines, key=len) if cures(wards, line, with_line_before(statement, new))), None)
        if best is not None:
            return name, Mend(line, "", best)
    return None


def found(sign: str, known: Sequence[Piece], needed: Sequence[Needed]) -> Iterator[str]:
    """What stands after the name: + dL_dy * h, * mask, / n."""
    if sign == "*":
        for text, numbers in known:
            if all(v.ndim == 0 and v and fits(v, n.value.shape) and n.is_right(1 / v) for v, n in zip(numbers, needed, strict=True)):
                yield f"/ {text}"
    for three in (False, True):
        for piece in fitting(known, needed, three):
            single = isinstance(ast.parse(piece, mode="eval").body, ast.BinOp | ast.UnaryOp | ast.Compare | ast.IfExp)
            yield f"{sign} ({piece})" if single else f"{sign} {piece}"


def gaps(ward: Ward, tree: ast.FunctionDef) -> Iterator[tuple[str, Plain]]:
    """Where a value on its way may have been forgotten: its name, and the statement before which the line would stand, the last first.

    Of the places between the line that writes a value and the next one that reads it, which are all alike, it is the last. What nothing
    reads, as the gradient that an object holds, may have been forgotten anywhere.
    """
    for at in range(len(tree.body) - 1, 0, -1):
        statement = tree.body[at]
        if not isinstance(statement, Plain) or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            continue
        read = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        e = ward.e
        known = [n for n in read if n not in e.ran.values or tells_of_gradient(n)]
        yield from ((n, statement) for n in sorted(known) if is_array(e.locals.get(n)) and np.ndim(e.locals[n]))
        if at == len(tree.body) - 1:
            held = [c.label for c in e.claims.values() if c.returned and c.label.startswith("self.") and not np.any(c.gradient)]
            yield from ((label, statement) for label in held)
