"""Where a gradient is no number: which piece of which line made it so, and of what."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from experiments.doctor.reading.claims import is_array
from experiments.doctor.verdict.examine import Examination

NOT_FINITE = "not finite"
"""What is said of such a gradient where no more is known."""

LONG = 60
"""A longer piece of code is not shown."""


def why_no_number(e: Examination, line: int) -> str | None:
    """Half a sentence about the statement on that line: "no number: np.log(p) where p is 0"; None if it does nothing of the kind."""
    world: dict[str, Any] = {**e.subject.namespace, **e.ran.final, **e.locals, "self": e.ran.self}
    for statement in (n for n in ast.walk(e.subject.pair.backward) if isinstance(n, ast.stmt) and n.lineno == line):
        value = getattr(statement, "value", None)
        for node in inner_first(value) if isinstance(value, ast.expr) else ():
            if isinstance(node, ast.BinOp | ast.Call) and is_finite(numbers(node, world)) is False:
                operands = [node.left, node.right] if isinstance(node, ast.BinOp) else node.args
                if all(is_finite(numbers(o, world)) is not False for o in operands):
                    return f"no number in some places: {cause(node, world)}"
    return None


def cause(node: ast.BinOp | ast.Call, world: Mapping[str, Any]) -> str:
    """The piece, and what is wrong with what it is made of."""
    text = ast.unparse(node)
    text = text if len(text) <= LONG else f"{text[:LONG]} ..."
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return f"{text}, where {ast.unparse(node.right)} is 0"
    of = node.left if isinstance(node, ast.BinOp) else node.args[0] if node.args else None
    value = numbers(of, world) if of is not None else None
    if value is None or of is None:
        return text
    small = (
        "0 or less" if (value < 0).any() and (value == 0).any() else "negative" if (value < 0).any() else "0" if (value == 0).any() else ""
    )
    return f"{text}, where {ast.unparse(of)} is {small or 'too large'}"


def inner_first(node: ast.AST) -> Iterator[ast.AST]:
    """The pieces of a piece of code, each after what it is made of."""
    for child in ast.iter_child_nodes(node):
        yield from inner_first(child)
    yield node


def numbers(node: ast.expr, world: Mapping[str, Any]) -> np.ndarray | None:
    """What a piece computes; None if it is no number, or cannot be computed by itself."""
    try:
        with np.errstate(all="ignore"):
            found = eval(compile(ast.fix_missing_locations(ast.Expression(node)), "<a piece>", "eval"), dict(world))
        return np.asarray(found, float) if is_array(found) or isinstance(found, int | float) else None
    except Exception:  # a stranger's code, torn out of its line
        return None


def is_finite(value: np.ndarray | None) -> bool | None:
    """Whether all of these are numbers; None if they are not known."""
    return None if value is None else bool(np.isfinite(value).all())
