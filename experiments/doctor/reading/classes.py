"""The methods of a stranger's class, inherited ones too; and what a forward returns that only leaves it in its object."""

from __future__ import annotations

import ast
import copy


def methods(tree: ast.Module, cls: str) -> dict[str, ast.FunctionDef]:
    """By name, the methods of a class of the file and of what it inherits from there, without those that only refuse."""
    node = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), None)
    found: dict[str, ast.FunctionDef] = {}
    for base in node.bases if node else ():
        if isinstance(base, ast.Name) and base.id != cls:
            found |= methods(tree, base.id)
    own = [n for n in node.body if isinstance(n, ast.FunctionDef)] if node else []
    return {**found, **{n.name: n for n in own}}


def parents(tree: ast.Module) -> set[str]:
    """The classes of the file that others of it inherit from."""
    return {base.id for n in tree.body if isinstance(n, ast.ClassDef) for base in n.bases if isinstance(base, ast.Name)}


def returning(forward: ast.FunctionDef) -> ast.FunctionDef:
    """The forward; one that returns nothing and leaves its result in its object, as self.output, returns what it leaves there last."""
    if any(isinstance(n, ast.Return) and n.value is not None for n in ast.walk(forward)) or not forward.body:
        return forward
    last = forward.body[-1]
    match last:
        case ast.Assign([ast.Attribute(ast.Name("self")) as left]) | ast.AugAssign(ast.Attribute(ast.Name("self")) as left):
            found = copy.copy(forward)
            value = ast.parse(ast.unparse(left), mode="eval").body
            end = ast.Return(value)
            for node in ast.walk(end):
                ast.copy_location(node, last)
            found.body = [*forward.body, end]
            return found
    return forward
