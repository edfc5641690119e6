"""A line written anew as another one is, with the names of the two exchanged: da as db is, with a for b and na for nb."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterator
from difflib import SequenceMatcher

from experiments.doctor.mending.places import name_of


def like_siblings(tree: ast.FunctionDef, statement: ast.stmt, names: Collection[str]) -> Iterator[str]:
    """The statement as it would be if it were made as another gradient of the backward is.

    Args:
        tree: of the backward.
        statement: that may have lost a term which the other one has.
        names: that may be read.
    """
    mine = name_of(statement) if isinstance(statement, ast.Assign) else ""
    for other in ast.walk(tree):
        if not (mine and isinstance(other, ast.Assign) and (theirs := name_of(other))) or theirs == mine:
            continue
        one, two = differing(mine, theirs)
        if one and two:
            yield f"{mine} = {ast.unparse(exchanged(other.value, one, two, names))}"


def differing(one: str, two: str) -> tuple[str, str]:
    """Where two names differ: a and b of d_a and d_b, 1 and 2 of dW1 and dW2."""
    found = [change for change in SequenceMatcher(None, one, two).get_opcodes() if change[0] != "equal"]
    if len(found) != 1:
        return "", ""
    _, i, j, k, m = found[0]
    return one[i:j], two[k:m]


def exchanged(value: ast.expr, one: str, two: str, names: Collection[str]) -> ast.expr:
    """An expression with every name that has a sibling exchanged for it."""

    class Exchanging(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            found = (node.id[:i] + new + node.id[i + len(old) :] for old, new in ((one, two), (two, one)) for i in places(node.id, old))
            return ast.Name(next((n for n in found if n in names), node.id), node.ctx)

    changed: ast.expr = Exchanging().visit(copy.deepcopy(value))
    return changed


def places(text: str, part: str) -> list[int]:
    """Where a part stands in a text, the last first."""
    return [i for i in range(len(text) - len(part), -1, -1) if text.startswith(part, i)]
