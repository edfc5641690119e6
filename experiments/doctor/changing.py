"""A function of which one statement is changed, and which statements feed which."""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from experiments.doctor.edits import Statement, statement_at
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

    @contextmanager
    def changed(self, line: int, text: str) -> Iterator[ast.FunctionDef]:
        """The tree with another statement on this line; of an if, with another condition."""
        condition = text.startswith("if ") and text.endswith(":")
        new: ast.AST = ast.parse(text + " pass" if condition else text).body[0]
        old: ast.AST | None = statement_at(self.tree, line)
        assert old is not None
        if isinstance(old, ast.If) and isinstance(new, ast.If):
            old, new = old.test, new.test
        for inner in ast.walk(new):
            if isinstance(inner, ast.stmt | ast.expr):
                inner.lineno = inner.end_lineno = line
        with self.function.replaced(old, new):
            yield self.tree

    def made(self, line: int, text: str) -> Callable[..., Any]:
        """The function with that statement.

        Raises:
            SyntaxError: if it makes no sense there.
        """
        with self.changed(line, text), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of nonsense, before it is run
            exec(compile(self.module, "<your file>", "exec"), self.box)
        function: Callable[..., Any] = self.box[self.tree.name]
        return function


def slice_of(tree: ast.FunctionDef, lines: Iterable[int]) -> list[int]:
    """These lines, and those that compute what they read, the nearest first."""
    statements = [n for n in ast.walk(tree) if isinstance(n, Statement)]
    views = {
        s.targets[0].id: s.value.value.id
        for s in statements
        if isinstance(s, ast.Assign)
        and isinstance(s.targets[0], ast.Name)
        and isinstance(s.value, ast.Subscript)
        and isinstance(s.value.value, ast.Name)
    }
    todo, found = list(dict.fromkeys(lines)), list(dict.fromkeys(lines))
    while todo:
        at = todo.pop(0)
        reads = {n.id for s in statements if s.lineno == at for n in ast.walk(s) if isinstance(n, ast.Name)}
        for s in sorted(statements, key=lambda s: -s.lineno):
            writes = {n.id for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            writes |= {
                n.value.id
                for n in ast.walk(s)
                if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store) and isinstance(n.value, ast.Name)
            }
            writes |= {views[n] for n in writes if n in views}  # window = x[0]; window += ... writes x
            if s.lineno not in found and writes & reads:
                found.append(s.lineno)
                todo.append(s.lineno)
    return found
