"""A value that forward reads in several places acts on the loss by each: which of them a backward has left out.

A path has no gradient of its own where what it leads through has no name in the backward, or none at all: the length of x in x / length(x).
So forward is run with x held still in some of the places where it is read, and moved in the others.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.doctor.verdict.examine import LIKE, Examination

STILL = "__still__"
"""What a value is called where it does not move."""

MOST = 12
"""So many groups of places are tried."""

TRIES = 3
"""Along so many directions."""


@dataclass(frozen=True)
class Path:
    """Some of the places in which a value is read.

    Attributes:
        words: what it leads through: the name that is written there, or the code.
        numbers: of the places, in the order in which the tree is walked.
    """

    words: str
    numbers: frozenset[int]


def left_out(e: Examination, name: str) -> Iterator[str]:
    """Half a sentence for each path without which the right gradient of this value would be the one that stands there."""
    g = np.asarray(e.claims[name].gradient, float)
    if g.shape != np.shape(e.ran.values[name]) or not np.isfinite(g).all():
        return
    for path in paths(e.subject.pair.forward, name)[:MOST]:
        if is_slope(held_still(e, name, path), name, g):
            yield f"the right one without the path through {path.words}, on which {name} acts too"


def is_slope(e: Examination, name: str, g: np.ndarray) -> bool:
    """Whether these numbers are the gradient of the value, in some directions, by what comes into its line."""
    rng, found = np.random.default_rng(e.seed), 0
    for _ in range(2 * TRIES):
        d = rng.normal(size=g.shape)
        expected = e.expected(name, d if g.shape else float(d))
        if expected is None:
            continue
        if abs(float(np.sum(g * d)) - expected) > LIKE * max(abs(expected), float(np.linalg.norm(g)), 1e-9) + e.noise:
            return False
        found += 1
    return found >= TRIES


def held_still(e: Examination, name: str, path: Path) -> Examination:
    """The same with a forward in which the value does not move where that path begins."""
    tree = copy.deepcopy(e.subject.pair.forward)
    here = readings(tree, name)

    class Still(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if any(node is here[i] for i in path.numbers):
                return ast.copy_location(ast.Name(STILL, ast.Load()), node)
            return self.generic_visit(node)

    changed: ast.FunctionDef = ast.fix_missing_locations(Still().visit(tree))
    namespace = {**e.subject.namespace, STILL: e.ran.values[name]}
    other = copy.copy(e)
    other.subject = replace(e.subject, pair=replace(e.subject.pair, forward=changed), namespace=namespace, compiled={}, locals={})
    return other


def readings(tree: ast.FunctionDef, name: str) -> list[ast.expr]:
    """The places in which a function reads a value."""
    nodes = [n for s in tree.body for n in ast.walk(s)]
    return [n for n in nodes if isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Load) and ast.unparse(n) == name]


def paths(tree: ast.FunctionDef, name: str) -> list[Path]:
    """The groups of places that are not all of them, those of one piece of code together, the smallest groups first."""
    every = readings(tree, name)
    number = {id(n): i for i, n in enumerate(every)}
    found: dict[frozenset[int], str] = {}
    for statement in (n for s in tree.body for n in ast.walk(s) if isinstance(n, ast.Assign | ast.Return | ast.AugAssign | ast.Expr)):
        for node in (n for n in ast.walk(statement) if isinstance(n, ast.Call | ast.BinOp | ast.Subscript | ast.UnaryOp)):
            numbers = frozenset(number[id(n)] for n in ast.walk(node) if id(n) in number)
            target = ast.unparse(statement.targets[0]) if isinstance(statement, ast.Assign) and node is statement.value else ""
            if numbers and len(numbers) < len(every) and (target or isinstance(node, ast.Call) or numbers not in found):
                found[numbers] = found[numbers] if is_name(found.get(numbers, "")) else target or ast.unparse(node)
    return [Path(words, numbers) for numbers, words in sorted(found.items(), key=lambda item: len(item[0]))]


def is_name(text: str) -> bool:
    """Whether these are no more than a name."""
    return text.isidentifier()
