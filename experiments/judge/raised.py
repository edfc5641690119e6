"""An exception inside hand-written code is a verdict: where it was raised, and between which shapes."""

from __future__ import annotations

import ast
import linecache
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from experiments.judge.nonfinite import NotFinite

LIBRARIES = ("site-packages", "dist-packages", "lib/python")
"""Parts of the paths of what nobody here has written."""


class HandRaised(Exception):
    """A hand-written forward or backward ended in an exception; the message says where, in which line, and between which shapes."""


@contextmanager
def raising(when: str, concept: str) -> Iterator[None]:
    """Turn any exception into HandRaised.

    Args:
        when: "step 3", the beginning of the message.
        concept: its name.
    """
    try:
        yield
    except (NotFinite, HandRaised, MemoryError):
        raise
    except Exception as error:
        raise HandRaised(f"{when}: by hand, {concept}: {where_and_what(error)}") from error


def where_and_what(error: BaseException) -> str:
    """The function and line of the innermost hand-written frame, the line itself, the shapes in it, and the exception."""
    step = innermost(error.__traceback__)
    if step is None:
        return f"{type(error).__name__}: {first_line(error)}"
    entry = traceback.extract_tb(step)[0]
    expression = failing_expression(step)
    named = shapes_in(expression, step.tb_frame) if expression else {}
    shapes = f" [{', '.join(f'{name} {shape}' for name, shape in named.items())}]" if named else ""
    place = f"{step.tb_frame.f_code.co_qualname}, {Path(entry.filename).name}:{entry.lineno}"
    line = re.sub(r"\s+#.*", "", (entry.line or "").strip())
    if line.startswith("raise "):  # then the message says it all
        return f"{place}: {type(error).__name__}: {first_line(error)}"
    return f"{place}: {line}{shapes}: {type(error).__name__}: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """Of its message."""
    return (str(error).splitlines() or [""])[0]


def steps(error: BaseException) -> Iterator[TracebackType]:
    """Of its traceback, the outermost first."""
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


def innermost(step: TracebackType | None) -> TracebackType | None:
    """The last step of a traceback that is not in a library."""
    found = None
    while step is not None:
        if not any(part in step.tb_frame.f_code.co_filename for part in LIBRARIES):
            found = step
        step = step.tb_next
    return found


def failing_expression(step: TracebackType) -> ast.expr | None:
    """The expression that was being computed, if it stands on one line: Python knows its columns."""
    first, last, start, end = list(step.tb_frame.f_code.co_positions())[step.tb_lasti // 2]
    source = linecache.getline(step.tb_frame.f_code.co_filename, first or 0)
    if first != last or start is None or end is None or not source:
        return None
    try:
        statement = ast.parse(source.encode()[start:end].decode().strip()).body[0]
    except SyntaxError:
        return None
    if isinstance(statement, ast.AugAssign):  # what it adds to, and what it adds
        return ast.Tuple([statement.target, statement.value], ast.Load())
    return statement.value if isinstance(statement, ast.Expr) else None


def shapes_in(expression: ast.expr, frame: FrameType) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays that the expression names, in order: names, attributes and .T, which can be looked at without harm."""
    found: dict[str, tuple[int, ...]] = {}
    for node in outermost_names(expression):
        try:
            value = look(node, frame)
        except (AttributeError, KeyError, TypeError):
            continue
        if hasattr(value, "shape"):
            found[ast.unparse(node)] = tuple(np.shape(value))
    return found


def between_shapes(expression: ast.expr | None, frame: FrameType, message: str) -> tuple[str, str]:
    """The message, in plain words if it is about a product of matrices; and what has which shape in the expression."""
    shapes: dict[str, Any] = dict(shapes_in(expression, frame)) if expression else {}
    if message.startswith("matmul: "):
        numbers = [name for name in names_of_numbers(expression, frame) if not shapes.get(name)]
        stack = any(shape.count(",") > 1 for shape in map(str, shapes.values()))
        size = "last but one" if stack else "first"
        message = f"the last size of the left factor must be the {size} of the right factor"
        if numbers:
            message = "@ is a product of arrays, and one factor is a number"
            shapes |= dict.fromkeys(numbers)
    told = [f"{name} has shape {shape}" if shape else f"{name} is one number" for name, shape in shapes.items()]
    return message, ", ".join(told)


def names_of_numbers(expression: ast.expr | None, frame: FrameType) -> list[str]:
    """The names in an expression that hold a single number."""
    found = []
    for node in outermost_names(expression) if expression else ():
        try:
            value = look(node, frame)
        except (AttributeError, KeyError, TypeError):
            continue
        if isinstance(value, int | float) or getattr(value, "shape", None) == ():
            found.append(ast.unparse(node))
    return found


def outermost_names(node: ast.AST) -> Iterator[ast.expr]:
    """Names and attributes, each as far out as it goes: of `self.weight.T` that alone."""
    if isinstance(node, ast.Name | ast.Attribute):
        yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from outermost_names(child)


def look(node: ast.expr, frame: FrameType) -> Any:
    """The value of a name or of an attribute of one."""
    if isinstance(node, ast.Attribute):
        return getattr(look(node.value, frame), node.attr)
    if isinstance(node, ast.Name):
        return frame.f_locals[node.id] if node.id in frame.f_locals else frame.f_globals[node.id]
    raise TypeError(f"{ast.unparse(node)} is no name")
