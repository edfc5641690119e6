"""Where the gradient that comes in is lost: what a backward returns is then the same whatever comes in, since a line has left it out."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from experiments.doctor.mending.changing import changes, slice_of, writes
from experiments.doctor.mending.places import Edit, Headed, Statement, counters, statement_at
from experiments.doctor.reading.claims import is_gradient, tells_of_gradient

SIZES = ("shape", "dtype", "ndim", "size")
LIKE = ("len", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like")
"""What says of an array how large it is, and nothing of its numbers."""


def led(tree: ast.FunctionDef, given: Collection[str]) -> set[str]:
    """The names to which the numbers of what is given are led.

    Args:
        tree: of the backward.
        given: the gradients that come in.
    """
    found, before = set(given), -1
    while len(found) != before:
        before = len(found)
        for node in ast.walk(tree):
            match node:
                case ast.For(target, iter=value) if numbers_of(value) & found:
                    found |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
                case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.NamedExpr(value=value) if numbers_of(value) & found:
                    found |= writes(node) if isinstance(node, ast.stmt) else {ast.unparse(node.target)}
                case ast.Expr(ast.Call() as call) if numbers_of(call) & found:  # np.add.at(dx, i, dy)
                    found |= {n.id for arg in call.args for n in ast.walk(arg) if isinstance(n, ast.Name)}
    return found


def numbers_of(node: ast.AST) -> set[str]:
    """The names whose numbers an expression reads: not that of which it only reads the shape."""
    match node:
        case ast.Attribute(attr=attr) if attr in SIZES:
            return set()
        case ast.Call(func=func) if ast.unparse(func).rpartition(".")[2] in LIKE:
            return set()
        case ast.Name(name):
            return {name}
    return set().union(*(numbers_of(child) for child in ast.iter_child_nodes(node)))


def losing(tree: ast.FunctionDef, of: Collection[int], known: Collection[str]) -> list[int]:
    """The lines that compute a gradient, or what is returned, of numbers that are led to none: the last first.

    Args:
        tree: of the backward.
        of: lines of results that are the same whatever comes in.
        known: the names that the gradients that come in are led to.
    """
    found = []
    for line in sorted(slice_of(tree, of), reverse=True):
        statement = statement_at(tree, line)
        value = getattr(statement, "value", None)
        if statement is None or value is None or isinstance(statement, Headed):
            continue
        target = getattr(statement, "target", None) or next(iter(getattr(statement, "targets", [])), None)
        called = isinstance(statement, ast.Return) or (target is not None and is_called_gradient(target))
        reads = numbers_of(value)
        inherits = any(map(says_gradient, reads))  # of a line above that has lost it
        if called and reads and not reads & set(known) and not inherits and not is_empty(value):
            found.append(line)
    return found


def is_called_gradient(target: ast.expr) -> bool:
    """Whether what is written there is called like a gradient: dL_dx, dx[i], dx[::-1][:k]."""
    return is_called_gradient(target.value) if isinstance(target, ast.Subscript) else says_gradient(ast.unparse(target))


def says_gradient(name: str) -> bool:
    """Whether a name says that it is one, or that it has to do with one."""
    return is_gradient(name) or tells_of_gradient(name)


def is_empty(value: ast.expr) -> bool:
    """Whether this is an array that is still to be filled, or what was saved."""
    match value:
        case ast.Call(func=func, args=args):
            return ast.unparse(func).rpartition(".")[2] in LIKE or not args
    return False


def led_again(tree: ast.FunctionDef, statement: ast.stmt, known: Collection[str], given: Collection[str] = ()) -> Iterator[Edit]:
    """With the gradient that it has lost as a factor: all of it, or the part of it that a loop has come to, or spread out.

    Args:
        tree: of the backward.
        statement: which has lost it.
        known: the names that it is led to.
        given: those of the gradients that come in, whatever they are called.
    """
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr) or not isinstance(statement, Statement):
        return
    rounds = counters(tree, statement)
    written = {n.value.id: ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)}
    for name in sorted(n for n in known if n in given or says_gradient(n)):
        if name in changes(statement) | writes(statement):
            continue
        parts = [f"{name}[{i}]" for i in rounds] + [f"{name}[..., {i}]" for i in rounds]
        for piece in dict.fromkeys((name, *parts, f"{name}[:, None]", f"{name}[..., None]", *filter(None, [written.get(name)]))):
            for text in (f"{piece} * ({ast.unparse(value)})", f"-{piece} * ({ast.unparse(value)})"):
                yield f"without {piece}, the gradient that comes in", with_value(statement, text)


def with_value(statement: ast.stmt, text: str) -> str:
    """The statement with another value."""
    was = statement.value  # type: ignore[attr-defined]
    statement.value = ast.parse(text, mode="eval").body  # type: ignore[attr-defined]
    try:
        return ast.unparse(statement)
    finally:
        statement.value = was  # type: ignore[attr-defined]
