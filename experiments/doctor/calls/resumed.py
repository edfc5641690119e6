"""A function that is gone on with where one of its statements begins: what stands before it has run once, and need not run again.

Of one line hundreds of changes are tried, and what comes before it is the same for all of them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

REACHED = "__reached__"
"""What is returned, with all that has a name there, where the statement begins."""

APART = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef | ast.Global | ast.Nonlocal | ast.Yield | ast.YieldFrom
"""What keeps hold of the names of the function that it stands in: they would be those of before."""

PLAIN = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr
"""A statement after which the next one follows."""

Known = Mapping[str, Any]


@dataclass(frozen=True)
class Start:
    """Where a function is gone on with.

    Attributes:
        at: the number of the statement in its body.
        names: what is known there.
    """

    at: int
    names: tuple[str, ...]

    def rest(self, tree: ast.FunctionDef, box: dict[str, Any], after: int = 0, more: Collection[str] = ()) -> Callable[..., Any]:
        """What is left to be done from there on, or so many statements later, as a function of what is known then.

        Args:
            tree: of the function.
            box: what it finds by name.
            after: how many statements later.
            more: the names that these give to something.
        """
        names = dict.fromkeys((*self.names, *more))
        arguments = ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, [])
        rest = ast.FunctionDef(tree.name, arguments, tree.body[self.at + after :] or [ast.Pass()], [], None, None)
        exec(compile(ast.fix_missing_locations(ast.Module([rest], [])), "<your file>", "exec"), box)
        made: Callable[..., Any] = box[tree.name]
        return made


class Resuming:
    """A function of which one statement is changed and the rest is gone on with.

    Args:
        tree: of the function.
        box: what it finds by name.
    """

    def __init__(self, tree: ast.FunctionDef, box: dict[str, Any]) -> None:
        self.tree, self.box = tree, box
        self.tails: dict[Start, Callable[..., Any]] = {}

    def made(self, start: Start) -> Callable[..., Any]:
        """What is left of the function, whose statement at the start is another now.

        A plain statement is compiled alone, and what comes after it once.

        Raises:
            SyntaxError: if it makes no sense there.
        """
        changed = self.tree.body[start.at]
        if not isinstance(changed, PLAIN):
            return start.rest(self.tree, self.box)
        targets = changed.targets if isinstance(changed, ast.Assign) else [] if isinstance(changed, ast.Expr) else [changed.target]
        named = (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        stored = [n.id for n in named]  # without the n of [x[n] for n in ...], which ends with it
        if start not in self.tails:
            self.tails[start] = start.rest(self.tree, self.box, 1, stored)
        tail, one = self.tails[start], compile(ast.Module([changed], []), "<your file>", "exec")

        def gone_on_with(**known: Any) -> Any:
            names = {**self.box, **known}
            exec(one, names)
            return tail(**{n: names[n] for n in dict.fromkeys((*known, *stored))})

        return gone_on_with


def number_of(tree: ast.FunctionDef, line: int) -> int:
    """Which statement of the body it is that this line belongs to; 0 where none is, or where a function must be run as a whole."""
    if "random" in ast.unparse(tree) or any(isinstance(n, APART) for s in tree.body for n in ast.walk(s)):
        return 0
    return next((i for i, s in enumerate(tree.body) if s.lineno <= line <= (s.end_lineno or line)), 0)


def known_before(tree: ast.FunctionDef, namespace: Mapping[str, Any], at: int, call: Callable[[Callable[..., Any]], Any]) -> Known | None:
    """All that has a name before a statement of the body; None if the function does not come so far, or a copy would not be the same.

    Args:
        tree: of the function.
        namespace: what it finds by name.
        at: the number of the statement.
        call: with what the function is called.
    """
    first = copy.copy(tree)
    end = ast.parse(f"return {REACHED!r}, {{**locals()}}").body
    first.body, first.decorator_list = [*tree.body[:at], *end], []
    box = dict(namespace)
    try:
        exec(compile(ast.fix_missing_locations(ast.Module([first], [])), "<your file>", "exec"), box)
        found = call(box[tree.name])
        if not (isinstance(found, tuple) and len(found) == 2 and found[0] == REACHED):
            return None
        known: Known = found[1]
        return None if any(isinstance(v, ModuleType) for v in known.values()) or has_views(known) else copy.deepcopy(known)
    except Exception:  # it may raise anything, and hold what cannot be copied
        return None


def has_views(known: Known) -> bool:
    """Whether two arrays have their numbers in one place: copies have them in two."""
    arrays = {id(a): a for a in arrays_in(known, set())}
    return any(a.base is not None and any(a is not b and np.may_share_memory(a, b) for b in arrays.values()) for a in arrays.values())


def arrays_in(value: Any, seen: set[int]) -> Iterator[np.ndarray]:
    """Every array that is reached from here."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        yield value
        return
    inside = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, tuple | list)
        else vars(value).values()
        if hasattr(value, "__dict__")
        else ()
    )
    for inner in inside:
        yield from arrays_in(inner, seen)
