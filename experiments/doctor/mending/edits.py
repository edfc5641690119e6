"""Small changes of one statement: the mistakes that people make, made backwards, and what a line may have lost."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from itertools import chain, combinations

from experiments.doctor.mending.places import (
    Edit,
    Headed,
    Statement,
    counters,
    is_axis,
    is_code,
    is_index,
    places_in,
    statement_at,
    text_of,
    with_piece,
)
from experiments.doctor.mending.slips import (
    from_the_other_end,
    is_called,
    is_number,
    leaking,
    moved_windows,
    of_another,
    other_functions,
    siblings,
    turned_indices,
    where_an_index_comes_twice,
)
from experiments.doctor.reading.claims import is_gradient, tells_of_gradient
from experiments.judge.operands import DIAGONAL
from experiments.source.operators import OPERATORS, Function, mutants_of

WRAPPED = ("np.sqrt", "np.exp", "np.abs", "np.sign", "np.tanh", "np.log", "math.sqrt")
SMALL = 60
"""A longer piece of a statement is not made longer still."""

TELLING = ("overwritten", "added only once")
"""What begins so says more of a line than its numbers do."""


def edits(tree: ast.FunctionDef, line: int, names: Sequence[str], grown: bool = False) -> Iterator[Edit]:
    """Small changes of the statement on that line, each once, the plainest first.

    Args:
        tree: of the function.
        line: where.
        names: what may stand in it beside what stands there now.
        grown: the changes by which it gets a factor or a term more, of which there are many, in the place of the others.
    """
    statement = statement_at(tree, line)
    if statement is None:
        return
    seen = {text_of(statement)}
    more = chain(whole_jacobian(statement), longer(statement, names), from_elsewhere(tree, statement))
    small = chain(
        rewritten(tree, statement),
        turned_indices(statement),
        other_numbers(statement, names, counters(tree, statement)),
        other_names(statement, names),
        other_functions(statement, names),
        wrapped(statement),
        from_the_other_end(statement),
        moved_windows(statement, names),
        leaking(statement, names),
        siblings(tree, statement, names),
        of_another(statement, names),
    )
    for said, text in more if grown else small:
        if text not in seen and is_code(text):
            seen.add(text)
            yield said, text


def rewritten(tree: ast.FunctionDef, statement: ast.stmt) -> Iterator[Edit]:
    """With one of the mistakes that people make, made backwards."""
    function = Function(copy.deepcopy(tree))
    function.nodes = [n for n in function.nodes if function.statement(n).lineno == statement.lineno]
    for mutant in mutants_of("", function, OPERATORS):
        yield SAID.get(mutant.operator, ""), mutant.after
    for node in function.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            with function.replaced(node, ast.BinOp(node.right, ast.Sub(), node.left)):
                yield SAID["sign"], text_of(function.statement(node))
        if isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Load):
            for i, j in combinations([i for i, e in enumerate(node.elts) if not isinstance(e, ast.Constant | ast.Slice | ast.Starred)], 2):
                turned = [node.elts[{i: j, j: i}.get(k, k)] for k in range(len(node.elts))]
                with function.replaced(node, type(node)(turned, ast.Load())):
                    of = f"{ast.unparse(node.elts[i])} and {ast.unparse(node.elts[j])}"
                    yield f"with {of} the wrong way round", text_of(function.statement(node))
    for node in function.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            with function.replaced(node, ast.BinOp(node.left, ast.Div(), node.right)):
                yield f"multiplied by {ast.unparse(node.right)}, where it must be divided", text_of(function.statement(node))
    match statement:
        case ast.For(iter=ast.Call(ast.Name("list" | "reversed"), [within])) | ast.For(iter=within):
            head = copy.copy(statement)
            for forms in (f"reversed({ast.unparse(within)})", ast.unparse(within)):
                head.iter = ast.parse(forms, mode="eval").body
                yield "gone through in the wrong order", text_of(head)
        case ast.Assign([target], value) if not isinstance(target, ast.Tuple):
            yield "overwritten, where it must be added to what was there", f"{ast.unparse(target)} += {ast.unparse(value)}"
    yield from where_an_index_comes_twice(statement)


def whole_jacobian(statement: ast.stmt) -> Iterator[Edit]:
    """Of a softmax p, whose Jacobian is diag(p) − p pᵀ, with the second part too: p * (dL_dp - (p * dL_dp).sum()) of p * dL_dp."""
    for place in places_in(statement):
        match place[0]:
            case ast.BinOp(ast.Name() | ast.Attribute() as a, ast.Mult(), ast.Name() | ast.Attribute() as b):
                for p, g in ((ast.unparse(a), ast.unparse(b)), (ast.unparse(b), ast.unparse(a))):
                    piece = f"{p} * ({g} - ({p} * {g}).sum(axis=-1, keepdims=True))"
                    yield DIAGONAL, with_piece(statement, place, ast.parse(piece, mode="eval").body)


SAID = {
    "sign": "with a wrong sign in it",
    "scale": "with a wrong constant factor",
    "term": "with a term too many",
    "mask": "with a mask that does not belong there",
    "factor": "with a factor too many, or multiplied where it must be divided",
    "transpose": "with a matrix the wrong way round, or two of them in the wrong order",
    "axis": "summed over the wrong axis, or where nothing must be summed",
    "saved": "computed with another value than the one that belongs there",
    "stale": "computed with another gradient than the one that belongs there",
    "direction": "with a comparison the wrong way round",
    "extremum": "with the largest where the smallest belongs, or the other way round",
    "power": "with a wrong power",
    "constant": "with a wrong number in it",
    "accumulate": "added to what was there, where it must stand alone",
}
"""What a line is, by the operator that makes it right."""


def other_numbers(statement: ast.stmt, names: Sequence[str], rounds: Sequence[str] = ()) -> Iterator[Edit]:
    """Another number in the place of one that is written there; of an index that of a round, cache[t] of cache[-1]."""
    for place in places_in(statement, indices=True):
        node = place[0]
        if isinstance(node, ast.Constant) and node.value is None and is_axis(place):
            for axis in ("0", "1", "-1", "-2", *(n for n in names if n.isidentifier() and not is_gradient(n))):
                yield f"summed over everything, where axis {axis} is meant", with_piece(statement, place, ast.parse(axis, mode="eval").body)
        if isinstance(node, ast.Name) and is_index(place):
            for piece in (f"{node.id} - 1", f"{node.id} + 1"):
                yield f"with {node.id} where {piece} belongs", with_piece(statement, place, ast.parse(piece, mode="eval").body)
        if is_index(place) and isinstance(place[1], ast.Subscript) and is_number(node):
            for name in rounds:
                yield f"with {ast.unparse(node)} where {name} belongs", with_piece(statement, place, ast.Name(name, ast.Load()))
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            n = node.value
            ends = (0, -1) if place[2] == "slice" else ()  # of an array
            for other in (n - 1, n + 1, n / 2 if isinstance(n, float) or n % 2 else n // 2, 2 * n, -n, *ends):
                yield "with a wrong number in it", with_piece(statement, place, ast.parse(repr(other), mode="eval").body)


def other_names(statement: ast.stmt, names: Sequence[str]) -> Iterator[Edit]:
    """Another value in the place of one that is read."""
    for place in places_in(statement, indices=True):
        node = place[0]
        if isinstance(node, ast.Subscript) and tells_of_gradient(ast.unparse(node.value)):  # of dh[t] all of another one
            for other in filter(tells_of_gradient, names):
                piece = ast.parse(other, mode="eval").body
                yield f"computed with {ast.unparse(node)} where {other} belongs", with_piece(statement, place, piece)
        elif isinstance(node, ast.Subscript) and not is_index(place):  # of x[n, c] the part of it that has a name
            for other in names:
                if is_called(other) and not is_gradient(other) and not tells_of_gradient(other):
                    piece = ast.parse(other, mode="eval").body
                    yield f"computed with {ast.unparse(node)} where {other} belongs", with_piece(statement, place, piece)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and ast.unparse(node) in names:
            was = ast.unparse(node)
            for other in filter(is_called, names):
                if other != was and (is_gradient(was) or not is_gradient(other)):
                    piece = ast.parse(other, mode="eval").body
                    yield f"computed with {was} where {other} belongs", with_piece(statement, place, piece)


def wrapped(statement: ast.stmt) -> Iterator[Edit]:
    """A piece of it transposed, summed, put through a function."""
    for place in places_in(statement):
        node = place[0]
        text = ast.unparse(node)
        if isinstance(node, ast.Constant | ast.Slice | ast.Tuple | ast.Starred | ast.Lambda) or len(text) > SMALL or text in ("np", "math"):
            continue
        of = f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.IfExp | ast.Compare) else text
        pieces = [(f"{of}.T", "a transpose"), (f"{of}.swapaxes(-1, -2)", "a transpose")]
        for axis in (0, 1, -1):
            for keepdims in ("", ", keepdims=True"):
                pieces.append((f"{of}.sum(axis={axis}{keepdims})", f"the sum over axis {axis}"))
                pieces.append((f"{of}.mean(axis={axis}{keepdims})", f"the mean over axis {axis}"))
        pieces += [(f"{of}.sum()", "the sum"), (f"{of} ** 2", "a square"), (f"{of} ** 3", "a cube")]
        pieces += [(f"{f}({text})", f.partition(".")[2]) for f in WRAPPED]
        pieces += [(f"1 / (1 + np.exp(-{of}))", "the sigmoid")]
        if isinstance(node, ast.Name | ast.Subscript):
            pieces += [(f"{text} - 1", "one less"), (f"{text} + 1", "one more")]
        if isinstance(node, ast.Subscript):
            pieces += [(f"({ast.unparse(node.value)}).sum(axis={axis})", f"the sum over axis {axis}") for axis in (0, 1)]
        pieces += [(f"2 * {of}", "a factor 2"), (f"0.5 * {of}", "a factor 1/2"), (f"-{of}", "the minus sign")]
        for piece, what in pieces:
            yield (
                f"with {text} where {piece} belongs" if what.startswith("one ") else f"without {what} of {text}",
                with_piece(statement, place, ast.parse(piece, mode="eval").body),
            )


def longer(statement: ast.stmt, names: Sequence[str]) -> Iterator[Edit]:
    """A piece of it with a factor, or a term, that it may have lost."""
    atoms = [*names, *(f"{n}[..., None]" for n in names[:3]), *(f"len({n})" for n in names[:6])]
    for place in places_in(statement):
        node = place[0]
        text = ast.unparse(node)
        if isinstance(node, ast.Slice | ast.Tuple | ast.Starred) or len(text) > SMALL or text in ("np", "math"):
            continue
        left = f"({text})"
        for atom in atoms:
            if atom == text:
                continue
            yield from (
                (said, with_piece(statement, place, ast.parse(piece, mode="eval").body))
                for said, piece in (
                    (f"without the factor {atom}", f"{left} * {atom}"),
                    (f"not divided by {atom}", f"{left} / {atom}"),
                    (f"without the term {atom}", f"{left} + {atom}"),
                    (f"without the term {atom}", f"{left} - {atom}"),
                    (f"without the term {atom}", f"{atom} - {left}"),
                    (f"without the factor {atom}", f"{atom} / {left}"),
                    (f"without the factor {atom}", f"{left} @ {atom}"),
                    (f"without the factor {atom}", f"{atom} @ {left}"),
                    (f"without the mask {atom} > 0", f"{left} * ({atom} > 0)"),
                    (f"without the factor 1 - {atom}", f"{left} * (1 - {atom})"),
                    (f"without the factor {atom} * (1 - {atom})", f"{left} * {atom} * (1 - {atom})"),
                    (f"without the factor 1 - {atom} ** 2", f"{left} * (1 - {atom} ** 2)"),
                )
            )
        yield "without a 1", with_piece(statement, place, ast.parse(f"1 - {left}", mode="eval").body)
        yield "without a 1", with_piece(statement, place, ast.parse(f"1 + {left}", mode="eval").body)


def from_elsewhere(tree: ast.FunctionDef, statement: ast.stmt) -> Iterator[Edit]:
    """With a factor, or a term, that stands in another line; of x1 and n1 there for x2 and n2 too."""
    pieces: list[str] = []
    for other in ast.walk(tree):
        if isinstance(other, Statement) and not isinstance(other, Headed) and other is not statement:
            for node, *_ in places_in(other):
                if isinstance(node, ast.BinOp | ast.Call | ast.Compare | ast.UnaryOp) and len(text := ast.unparse(node)) <= SMALL:
                    pieces += [text, text.translate(str.maketrans("12", "21"))]
    for place in places_in(statement)[:7]:
        left = f"({ast.unparse(place[0])})"
        for piece in dict.fromkeys(pieces[:120]):
            if len(left) <= 2 * SMALL and not isinstance(place[0], ast.Tuple | ast.Slice | ast.Starred):
                for form in (f"{left} - ({piece})", f"{left} + ({piece})", f"{left} * ({piece})", f"{left} / ({piece})"):
                    yield f"without {piece}", with_piece(statement, place, ast.parse(form, mode="eval").body)
