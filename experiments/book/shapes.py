"""The shape of what each line of a hand-written file makes, from a training step and its way back."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from experiments.curriculum import ROOT, entry

if TYPE_CHECKING:
    from experiments.pair import Twin

Shapes = dict[int, dict[str, list[int]]]
"""By the line at which a statement begins: what it makes, and the shape of that; [] is a single number."""

RETURNED = "returned"
"""What a function gives back has no name."""


def shapes_of(twin: Twin, options: argparse.Namespace) -> Shapes:
    """Of the first training step. Where a line is run more than once, the first time counts.

    Args:
        twin: the pair.
        options: have a seed, a dtype and a device.
    """
    from experiments.lockstep.checks import trajectory

    watch, before = Watch(str(ROOT / "manual" / entry(twin.name).path)), sys.gettrace()
    sys.settrace(watch.called)
    try:
        trajectory(twin, None, argparse.Namespace(**{**vars(options), "steps": 1}))
    finally:
        sys.settrace(before)
    return watch.found


class Watch:
    """Looks at every statement of a file once it has been run.

    Args:
        file: the path of it.

    Attributes:
        found: the shapes.
    """

    def __init__(self, file: str) -> None:
        self.file, self.found = file, Shapes()
        self.statement = dict(by_line(file))
        self.at: dict[FrameType, ast.stmt | None] = {}  # the statement that each call is at

    def called(self, frame: FrameType, event: str, arg: Any) -> Any:
        """What Python calls for every call."""
        return self.moved if frame.f_code.co_filename == self.file else None

    def moved(self, frame: FrameType, event: str, arg: Any) -> Any:
        """What Python calls within a call, before every line and at its end."""
        done, now = self.at.get(frame), self.statement.get(frame.f_lineno)
        if done is not None and (event == "return" or (event == "line" and now is not done)):
            self._note(done, {name: value for name in made_by(done) if (value := valued(name, frame.f_locals)) is not None})
        if event == "return":
            self.at.pop(frame, None)
            if isinstance(done, ast.Return):
                self._note(done, {RETURNED: arg})
        elif event == "line":
            self.at[frame] = now
        return self.moved

    def _note(self, statement: ast.stmt, made: dict[str, Any]) -> None:
        for name, value in made.items():
            if (shape := shape_of(value)) is not None:
                self.found.setdefault(statement.lineno, {}).setdefault(name, shape)


def by_line(file: str) -> Iterator[tuple[int, ast.stmt]]:
    """Each line of a file, and the statement that it is part of; of those that hold others the first lines."""
    with open(file, encoding="utf-8") as opened:
        tree = ast.parse(opened.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            yield from ((line, node) for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))


def made_by(statement: ast.stmt) -> list[str]:
    """The names and attributes that it gives a value, as they are written."""
    kinds = ast.Name | ast.Attribute
    return [ast.unparse(n) for n in ast.walk(statement) if isinstance(n, kinds) and isinstance(n.ctx, ast.Store)]


def valued(dotted: str, known: dict[str, Any]) -> Any:
    """What `a.b.c` is; None where it is nothing yet."""
    first, *rest = dotted.split(".")
    value = known.get(first)
    for name in rest:
        value = getattr(value, name, None)
    return value


def shape_of(value: Any) -> list[int] | None:
    """Of an array, a parameter or a number; None of all else."""
    if isinstance(value, float):
        return []
    shape = getattr(value, "shape", None)
    return [int(n) for n in shape] if isinstance(shape, tuple) else None
