"""Slips: an index that comes twice, a mask that leaves nothing, a term that a sibling has, a gradient kept for another parameter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from experiments.doctor.mending.places import Edit, Headed, places_in, text_of, with_piece
from experiments.doctor.mending.sibling import like_siblings
from experiments.doctor.reading.claims import HOLDER, tells_of_gradient


def where_an_index_comes_twice(statement: ast.stmt) -> Iterator[Edit]:
    """Of dE[words] += de, which adds once to a word that comes twice; and of mask[rows, y] = -1, where each of the row counts."""
    match statement:
        case ast.AugAssign(ast.Subscript(array, index), ast.Add(), value) | ast.Assign([ast.Subscript(array, index)], value):
            whole, number = ast.unparse(array), ast.unparse(value)
            if not isinstance(index, ast.Slice | ast.Constant):
                yield "added only once where an index comes more than once", f"np.add.at({whole}, {ast.unparse(index)}, {number})"
            if isinstance(statement, ast.Assign) and isinstance(index, ast.Tuple) and is_number(value):
                counted = f"{ast.unparse(statement.targets[0])} = {number} * {whole}.sum(axis=1)"
                yield "with one number, where the sum of its row belongs", counted.replace("-1 * ", "-")


def from_the_other_end(statement: ast.stmt) -> Iterator[Edit]:
    """With dz[:H], the first H, in the place of dz[-H:], the last; and of dz[H:] too, what is left."""
    for place in places_in(statement, indices=True):
        node = place[0]
        if isinstance(node, ast.Slice) and node.step is None and (node.lower is None) != (node.upper is None):
            end = node.lower or node.upper
            assert end is not None
            of = ast.unparse(end.operand if isinstance(end, ast.UnaryOp) and isinstance(end.op, ast.USub) else end)
            for text in (f":{of}", f"{of}:", f"-({of}):", f":-({of})"):
                piece = ast.parse(f"x[{text}]", mode="eval").body
                assert isinstance(piece, ast.Subscript)
                yield f"cut at {ast.unparse(node)}, where {ast.unparse(piece.slice)} belongs", with_piece(statement, place, piece.slice)


def moved_windows(statement: ast.stmt, names: Sequence[str]) -> Iterator[Edit]:
    """With x[i:i + k], the window of a stride, in the place of x[i * s:i * s + k]; with x[:H] in that of x[p:p + H], padding cut off."""
    for node in ast.walk(statement) if not isinstance(statement, Headed) else ():
        if not (isinstance(node, ast.Subscript) and any(isinstance(n, ast.Slice) for n in ast.walk(node.slice))):
            continue
        was = node.slice
        parts = [ast.unparse(p) for p in (was.elts if isinstance(was, ast.Tuple) else [was])]
        for name in (n for n in names if n.isidentifier() and not tells_of_gradient(n)):
            moved = [moved_window(p, name) for p in parts]
            if moved != parts:
                made = ast.parse(f"x[{', '.join(moved)}]", mode="eval").body
                assert isinstance(made, ast.Subscript)
                node.slice = made.slice
                yield f"with {', '.join(parts)} where {', '.join(moved)} belongs", text_of(statement)
                node.slice = was


def moved_window(part: str, by: str) -> str:
    """One axis of it: i * s:i * s + k of i:i + k, and p:p + H of :H; else as it is."""
    if found := re.fullmatch(r"(?P<i>\w+):(?P=i) \+ (?P<k>\w+)", part):
        return f"{found['i']} * {by}:{found['i']} * {by} + {found['k']}"
    return f"{by}:{by} + {part[1:]}" if re.fullmatch(r":[A-Za-z_]\w*", part) else part


def turned_indices(statement: ast.stmt) -> Iterator[Edit]:
    """With two indices the wrong way round wherever they stand: dh[t] += dy[s] of dh[s] += dy[t]."""
    inner = [n.slice for n in ast.walk(statement) if isinstance(n, ast.Subscript)] if not isinstance(statement, Headed) else []
    nodes = [n for of in inner for n in ast.walk(of) if isinstance(n, ast.Name)]
    for one, other in combinations(sorted({n.id for n in nodes}), 2):
        turned = {one: other, other: one}
        for node in nodes:
            node.id = turned.get(node.id, node.id)
        yield f"with {one} and {other} the wrong way round", text_of(statement)
        for node in nodes:
            node.id = turned.get(node.id, node.id)


def is_number(node: ast.expr) -> bool:
    """Whether it is written as one, with a minus or without."""
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def leaking(statement: ast.stmt, names: Sequence[str]) -> Iterator[Edit]:
    """With a mask that leaves a little: of a > 0 where the forward multiplies what is below 0 by 0.01."""
    for place in places_in(statement):
        if isinstance(place[0], ast.Compare):
            for n in (n for n in names if not is_called(n) and float(n) < 1):
                piece = f"np.where({ast.unparse(place[0])}, 1, {n})"
                yield f"without the slope {n} of the other side", with_piece(statement, place, ast.parse(piece, mode="eval").body)


def siblings(tree: ast.FunctionDef, statement: ast.stmt, names: Sequence[str]) -> Iterator[Edit]:
    """Made as another gradient is that is made alike."""
    yield from (("without what the line of its sibling has", text) for text in like_siblings(tree, statement, names))


def of_another(statement: ast.stmt, names: Sequence[str]) -> Iterator[Edit]:
    """Kept as the gradient of another parameter: self.b.grad += ... of self.W.grad += ..."""
    target = getattr(statement, "target", None) or next(iter(getattr(statement, "targets", [])), None)
    if isinstance(target, ast.Attribute) and HOLDER.match(ast.unparse(target)):
        whole, before = ast.unparse(statement), ast.unparse(target.value)
        for name in (n for n in names if n.startswith("self.") and n != before):
            yield f"kept for {before}, where it belongs to {name}", whole.replace(before, name, 1)


def other_functions(statement: ast.stmt, names: Sequence[str]) -> Iterator[Edit]:
    """Another function that the object holds in the place of the one that is called: self.activation_prime for self.activation."""
    for call in [n for n in ast.walk(statement) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]:
        was = ast.unparse(call.func)
        for other in [n for n in names if n.startswith("self.") and "[" not in n and n != was] if was in names else ():
            piece = ast.parse(other, mode="eval").body
            yield f"computed with {was} where {other} belongs", with_piece(statement, (call.func, call, "func", None), piece)


def is_called(name: str) -> bool:
    """Whether this is a name, and no number."""
    return not name[0].isdigit()
