"""The same change in another line: what is put on a value where it is read may as well be put on it where it is computed."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any

from experiments.doctor.mending.cost import Cure
from experiments.doctor.mending.places import parsed


def at_definition(tree: ast.FunctionDef, cure: Cure) -> Iterator[Cure]:
    """Of f(a + b) in the place of f(a), where a = g: a = g + b. Nothing where the cure is of another kind.

    Args:
        tree: of the backward.
        cure: of a line that reads a value; or a new line before that one, a = a + b, whose `before` is empty.
    """
    new = parsed(cure.after)
    pair: tuple[ast.AST, ast.AST] | None = None
    if cure.before:
        pair = first_difference(parsed(cure.before), new)
    elif isinstance(new, ast.Assign):
        pair = new.targets[0], new.value
    match pair:
        case (ast.Name(name), ast.expr() as put) if name in {n.id for n in ast.walk(put) if isinstance(n, ast.Name)}:
            made = [s for s in ast.walk(tree) if isinstance(s, ast.Assign) and is_named(s, name) and s.lineno < cure.line]
            if made:
                last = max(made, key=lambda s: s.lineno)
                value = ast.unparse(with_value(put, name, last.value))
                yield Cure(last.lineno, ast.unparse(last), f"{name} = {value}", cure.said)


def at_reading(tree: ast.FunctionDef, cure: Cure) -> Iterator[Cure]:
    """Of a = g + b in the place of a = g, where f(a) is all that reads it: f(a + b).

    Args:
        tree: of the backward.
        cure: of a line that gives a value a name.
    """
    old, new = (parsed(text) if text else None for text in (cure.before, cure.after))
    if not (isinstance(old, ast.Assign) and isinstance(new, ast.Assign) and isinstance(old.targets[0], ast.Name)):
        return
    name, value = old.targets[0].id, ast.dump(old.value)
    if not (is_named(old, name) and is_named(new, name)) or value == ast.dump(new.value):
        return

    class Naming(ast.NodeTransformer):
        found = False

        def visit(self, node: ast.AST) -> Any:
            if ast.dump(node) == value:
                self.found = True
                return ast.Name(name, ast.Load())
            return self.generic_visit(node)

    naming = Naming()
    put = naming.visit(new.value)
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AugAssign | ast.Return | ast.Expr)]
    readers = [s for s in statements for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
    if naming.found and len(readers) == 1 and readers[0].lineno > cure.line:
        after = ast.unparse(with_value(readers[0], name, put))
        yield Cure(readers[0].lineno, ast.unparse(readers[0]), after, cure.said)


def is_named(statement: ast.Assign, name: str) -> bool:
    """Whether it gives this name a value, and no other."""
    return len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name) and statement.targets[0].id == name


def with_value(code: ast.AST, name: str, value: ast.expr) -> ast.AST:
    """The code with a value in the place of its name, where that is read first."""

    class Putting(ast.NodeTransformer):
        done = False

        def visit_Name(self, node: ast.Name) -> ast.expr:
            if node.id == name and isinstance(node.ctx, ast.Load) and not self.done:
                self.done = True
                return copy.deepcopy(value)
            return node

    found: ast.AST = Putting().visit(copy.deepcopy(code))
    return found


def first_difference(a: ast.AST, b: ast.AST) -> tuple[ast.AST, ast.AST] | None:
    """The smallest pieces in which two statements differ, if all of their difference is in one; None if they are alike."""
    if ast.dump(a) == ast.dump(b):
        return None
    children, others = list(ast.iter_child_nodes(a)), list(ast.iter_child_nodes(b))
    different = [(x, y) for x, y in zip(children, others, strict=False) if ast.dump(x) != ast.dump(y)]
    if type(a) is not type(b) or len(children) != len(others) or len(different) != 1:
        return a, b
    return first_difference(*different[0])
