"""A function of which one statement is changed, and which statements feed which."""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from experiments.doctor.calls.resumed import Resuming, Start
from experiments.doctor.mending.places import Statement, parsed, statements_of
from experiments.source.operators import Function


class Changing:
    """A function of which one statement after the other is changed, for the time of a call.

    Args:
        tree: of the function, which stays as it is.
        namespace: what it finds by name.
    """

    def __init__(self, tree: ast.FunctionDef, namespace: dict[str, Any]) -> None:
        self.tree = copy.deepcopy(tree)
        self.tree.decorator_list = []
        self.module = ast.fix_missing_locations(ast.Module([self.tree], []))
        self.function, self.box = Function(self.tree, lambda node: False), dict(namespace)
        self.resuming = Resuming(self.tree, self.box)
        self.at = statements_of(self.tree)

    @contextmanager
    def changed(self, line: int, text: str) -> Iterator[ast.FunctionDef]:
        """The tree with another statement on this line; of an if, with another condition; of a loop, with other rounds."""
        new: ast.AST = parsed(text)
        old: ast.AST | None = self.at.get(line)
        assert old is not None
        if isinstance(old, ast.If) and isinstance(new, ast.If):
            old, new = old.test, new.test
        elif isinstance(old, ast.For) and isinstance(new, ast.For):
            old, new = old.iter, new.iter
        for inner in ast.walk(new):
            if isinstance(inner, ast.stmt | ast.expr):
                inner.lineno = inner.end_lineno = line
        with self.function.replaced(old, new):
            yield self.tree

    def made(self, line: int, text: str, start: Start | None = None) -> Callable[..., Any]:
        """The function with that statement; or what is left of it from some place on.

        Raises:
            SyntaxError: if it makes no sense there.
        """
        with self.changed(line, text), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of nonsense, before it is run
            if start is not None:
                return self.resuming.made(start)
            exec(compile(self.module, "<your file>", "exec"), self.box)
        function: Callable[..., Any] = self.box[self.tree.name]
        return function


def slice_of(tree: ast.FunctionDef, lines: Iterable[int]) -> list[int]:
    """These lines, and those that compute what they read, the nearest first; of what is in a loop, the line that it begins with."""
    statements = sorted((n for n in ast.walk(tree) if isinstance(n, Statement)), key=lambda s: -s.lineno)
    views = {
        s.targets[0].id: s.value.value.id
        for s in statements
        if isinstance(s, ast.Assign)
        and isinstance(s.targets[0], ast.Name)
        and isinstance(s.value, ast.Subscript)
        and isinstance(s.value.value, ast.Name)
    }
    written = [(s, writes(s) | {views[n] for n in changes(s) if n in views}) for s in statements]  # window = x[0]; window += ... writes x
    todo, found = list(dict.fromkeys(lines)), list(dict.fromkeys(lines))
    while todo:
        at = todo.pop(0)
        here = [s for s in statements if s.lineno == at]
        reads = {n.id for s in here for n in ast.walk(s.iter if isinstance(s, ast.For) else s) if isinstance(n, ast.Name)}
        for s, of in written:
            around = isinstance(s, ast.For) and any(inner in s.body for inner in here)
            if s.lineno not in found and (of & reads or around):
                found.append(s.lineno)
                todo.append(s.lineno)
    return found


def changes(statement: ast.stmt) -> set[str]:
    """The names of whose arrays it changes numbers where they stand."""
    nodes = list(ast.walk(statement))
    changed = [base(n.value) for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    changed += [n.target for n in nodes if isinstance(n, ast.AugAssign)]
    return {n.id for n in changed if isinstance(n, ast.Name)}


def base(node: ast.expr) -> ast.expr:
    """x of x[::-1][0] and of x.T[0], which show numbers of x where they stand."""
    if isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr == "T"):
        return base(node.value)
    return node


def writes(statement: ast.stmt) -> set[str]:
    """The names that it gives a value, or of whose arrays it writes a part; of a loop those that count its rounds."""
    written = statement.target if isinstance(statement, ast.For) else statement
    stored = {n.id for n in ast.walk(written) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored if isinstance(statement, ast.For) else stored | changes(statement)
