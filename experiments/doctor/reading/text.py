"""What the text of a backward says about its statements."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiments.doctor.reading.taps import is_key


@dataclass(frozen=True)
class Written:
    """What the text of a backward says about its statements.

    Attributes:
        onward: lines that go on from what the name was: x += ..., x = x * ..., x[mask] = 0.
        reads: by line, the names that it reads.
        upwards: lines in a loop that goes the way of forward.
        unpacked: lines that only unpack a cache.
    """

    onward: frozenset[int]
    reads: Mapping[int, frozenset[str]]
    upwards: frozenset[int]
    unpacked: frozenset[int]


def written(tree: ast.FunctionDef) -> Written:
    """Read it."""
    onward, reads, upwards, unpacked = set(), {}, set(), set()
    of_entries: dict[int, frozenset[str]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.For(iter=way):
                text = ast.unparse(way)
                if not re.search(r"reversed\(|::-1|, ?-1\)", text):
                    upwards |= {n.lineno for n in ast.walk(node) if isinstance(n, ast.stmt)}
            case ast.Assign([ast.Tuple()], ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call(args=[], keywords=[])):
                unpacked.add(node.lineno)
            case ast.AugAssign():
                onward.add(node.lineno)
            case ast.Assign(targets=[target]):
                of = {ast.unparse(n) for n in ast.walk(node.value) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript)}
                if ast.unparse(target) in of or (isinstance(target, ast.Subscript) and not is_key(target)):
                    onward.add(node.lineno)
            case ast.Expr():
                onward.add(node.lineno)
            case ast.Dict(values=values) if len({v.lineno for v in values}) > 1:  # a gradient on each of its lines
                of_entries |= {v.lineno: names_in(v) for v in values}
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return) and node.value is not None:
            reads[node.lineno] = names_in(node.value)
    for node in ast.walk(tree):  # a loop backwards within one forwards (over layers, then over time) goes backwards
        if isinstance(node, ast.For) and re.search(r"reversed\(|::-1|, ?-1\)", ast.unparse(node.iter)):
            upwards -= {n.lineno for n in ast.walk(node) if isinstance(n, ast.stmt)}
    return Written(frozenset(onward), {**of_entries, **reads}, frozenset(upwards), frozenset(unpacked))


def names_in(value: ast.expr) -> frozenset[str]:
    """The names that an expression reads, attributes and entries among them."""
    return frozenset(ast.unparse(n) for n in ast.walk(value) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript))


def assignments(function: ast.FunctionDef) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, value) of everything that is assigned in a function."""
    for node in ast.walk(function):
        yield from assigned(node)


def assigned(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(target, value) of what a statement assigns; one by one where two tuples stand beside each other: a, b = x, y."""
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple) and len(target.elts) == len(node.value.elts):
            yield from zip(target.elts, node.value.elts, strict=True)
        else:
            yield target, node.value
