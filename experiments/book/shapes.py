"""The shape of what each line of hand-written code makes, from a run forward and its way back."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from experiments.curriculum import ROOT, entry

if TYPE_CHECKING:
    from experiments.pair import Twin

Shapes = dict[int, dict[str, list[int]]]
"""By the line at which a statement begins: what it makes, and the shape of that; [] is a single number. A function has its arguments."""

RETURNED = "returned"
"""What a function gives back has no name; several of them are `returned[0]` and so on."""


def shapes_of(twin: Twin, options: argparse.Namespace) -> Shapes:
    """Of the first training step. Where a line is run more than once, the first time counts.

    Args:
        twin: the pair.
        options: have a seed, a dtype and a device.
    """
    from experiments.lockstep.checks import trajectory

    file = str(ROOT / "manual" / entry(twin.name).path)
    with watching([file]) as found:
        trajectory(twin, None, argparse.Namespace(**{**vars(options), "steps": 1}))
    return found[file]


@contextmanager
def watching(files: Iterable[str], only: Iterable[CodeType] = ()) -> Iterator[Mapping[str, Shapes]]:
    """For the time of the `with`, every statement of these files is looked at; gives what is found, by file.

    Args:
        files: their paths.
        only: the functions that are looked at; all unless given.
    """
    watches, wanted, before = {file: Watch(file) for file in files}, {*only}, sys.gettrace()

    def called(frame: FrameType, event: str, arg: Any) -> Any:
        watch = watches.get(frame.f_code.co_filename)
        return watch.called(frame, event, arg) if watch and (not wanted or frame.f_code in wanted) else None

    sys.settrace(called)
    try:
        yield {file: watch.found for file, watch in watches.items()}
    finally:
        sys.settrace(before)


class Watch:
    """Looks at every statement of a file once it has been run.

    Args:
        file: the path of it.

    Attributes:
        found: the shapes.
    """

    def __init__(self, file: str) -> None:
        self.file, self.found = file, Shapes()
        self.statement, self.head = dict(by_line(file)), dict(heads(file))
        self.at: dict[FrameType, ast.stmt | None] = {}  # the statement that each call is at

    def called(self, frame: FrameType, event: str, arg: Any) -> Any:
        """What Python calls for every call."""
        if frame.f_code.co_filename != self.file:
            return None
        if (line := self.head.get(frame.f_code.co_firstlineno)) is not None:
            self._note(line, {name: value for name, value in frame.f_locals.items() if name != "self"})
        return self.moved

    def moved(self, frame: FrameType, event: str, arg: Any) -> Any:
        """What Python calls within a call, before every line and at its end."""
        done, now = self.at.get(frame), self.statement.get(frame.f_lineno)
        if done is not None and (event == "return" or (event == "line" and now is not done)):
            self._note(done.lineno, {name: value for name in made_by(done) if (value := valued(name, frame.f_locals)) is not None})
        if event == "return":
            self.at.pop(frame, None)
            if isinstance(done, ast.Return):
                self._note(done.lineno, {f"{RETURNED}[{i}]": a for i, a in enumerate(arg)} if isinstance(arg, tuple) else {RETURNED: arg})
        elif event == "line":
            self.at[frame] = now
        return self.moved

    def _note(self, line: int, made: dict[str, Any]) -> None:
        for name, value in made.items():
            if (shape := shape_of(value)) is not None:
                self.found.setdefault(line, {}).setdefault(name, shape)


def by_line(file: str) -> Iterator[tuple[int, ast.stmt]]:
    """Each line of a file, and the statement that it is part of; of those that hold others the first lines."""
    with open(file, encoding="utf-8") as opened:
        tree = ast.parse(opened.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not hasattr(node, "body"):
            yield from ((line, node) for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))


def heads(file: str) -> Iterator[tuple[int, int]]:
    """Of each function of a file the line at which Python says that it begins, which may be a decorator's, and that of its `def`."""
    with open(file, encoding="utf-8") as opened:
        tree = ast.parse(opened.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), node.lineno


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
