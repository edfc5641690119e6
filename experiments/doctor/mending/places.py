"""A statement that is to be changed: which it is, and every piece of it that could be another."""

from __future__ import annotations

import ast

Statement = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr | ast.If | ast.For
Headed = ast.If | ast.For
"""Of these only the line that they begin with is changed: the condition, or what is gone through."""
SUMS = ("sum", "mean", "max", "min", "prod")
Edit = tuple[str, str]
"""What is said of a change, and the statement after it."""

Place = tuple[ast.expr, ast.AST, str, int | None]
"""A piece of a statement, and where it hangs."""


def statement_at(tree: ast.AST, line: int) -> ast.stmt | None:
    """The statement that begins on that line and computes something."""
    return statements_of(tree).get(line)


def statements_of(tree: ast.AST) -> dict[int, ast.stmt]:
    """By line, the statement that begins there and computes something: what stands behind the head of a loop comes before the loop."""
    found: dict[int, ast.stmt] = {}
    for node in ast.walk(tree):
        if isinstance(node, Statement) and (node.lineno not in found or isinstance(found[node.lineno], ast.For)):
            found[node.lineno] = node
    return found


def name_of(statement: ast.stmt) -> str:
    """The one name that is written there."""
    match statement:
        case ast.Assign([ast.Name(name)]) | ast.AugAssign(ast.Name(name)):
            return name
    return ""


def text_of(statement: ast.stmt) -> str:
    """It, or the line that it begins with."""
    return ast.unparse(statement).split("\n")[0] if isinstance(statement, Headed) else ast.unparse(statement)


def counters(tree: ast.AST, statement: ast.stmt) -> list[str]:
    """What counts the rounds of the loops that a statement stands in."""
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For) and any(s is statement for s in ast.walk(n) if s is not n)]
    return [n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name)]


def places_in(statement: ast.stmt, indices: bool = False) -> list[Place]:
    """Everything in it that is computed or read: the node, and where it hangs; with `indices` also where it writes into an array."""
    found: list[Place] = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.JoinedStr):  # of f"W{i}" no piece can be written as another
            return
        for field, value in ast.iter_fields(node):
            if field == "keywords":
                found.extend((keyword.value, keyword, "value", None) for keyword in value)
                continue
            if field in ("targets", "target", "func", "body", "orelse") and not isinstance(node, ast.IfExp):
                if field == "func" and isinstance(value, ast.Attribute):
                    walk(value)
                for target in value if field == "targets" else [value] if field == "target" else []:
                    if indices and isinstance(target, ast.Subscript):
                        found.append((target.slice, target, "slice", None))
                        walk(target.slice)
                continue
            for i, child in list(enumerate(value)) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.expr):
                    found.append((child, node, field, i))
                    walk(child)

    walk(statement)
    return found


def with_piece(statement: ast.stmt, place: Place, piece: ast.expr) -> str:
    """The statement with another piece in that place."""
    node, parent, field, i = place

    def put(child: ast.expr) -> None:
        if i is None:
            setattr(parent, field, child)
        else:
            getattr(parent, field)[i] = child

    put(piece)
    try:
        return text_of(statement)
    finally:
        put(node)


def is_axis(place: Place) -> bool:
    """Whether it says over which axis something is summed: axis=None, .sum(None)."""
    _, parent, field, i = place
    if isinstance(parent, ast.keyword):
        return parent.arg == "axis"
    return field == "args" and i == 0 and isinstance(parent, ast.Call) and getattr(parent.func, "attr", "") in SUMS


def is_index(place: Place) -> bool:
    """Whether it says which part of an array is meant: dx[i], dx[a:b]."""
    _, parent, field, _ = place
    return field == "slice" or isinstance(parent, ast.Slice)


def parsed(text: str) -> ast.stmt:
    """The statement; of the line that an if or a loop begins with, one that does nothing.

    Raises:
        SyntaxError: if it cannot be read.
    """
    return ast.parse(text + (" pass" if text.startswith(("if ", "for ")) and text.endswith(":") else "")).body[0]


def is_code(text: str) -> bool:
    """Whether it can be read: 0 with .sum() behind it cannot."""
    try:
        parsed(text)
    except SyntaxError:
        return False
    return True
