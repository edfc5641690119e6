"""Operations that carry their own backward, as in an engine of automatic differentiation: out._backward = a function within.

Each is read as a pair of functions: what makes out.data of self.data and other.data, and what adds to self.grad and other.grad.
"""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass

from experiments.doctor.reading.patient import Pair
from experiments.doctor.reading.script import loads, stores

DATA = ("data", "value", "val")
"""What the number of a node is called."""

INNER = re.compile(r"_?(backward|grad_?fn|_backward|vjp|back)\w*$", re.IGNORECASE)
"""What the function within is called."""


@dataclass(frozen=True)
class Closure:
    """An operation and the function within it.

    Attributes:
        pair: of functions with numbers for arguments.
        operands: what it adds the gradients of.
        plain: its other arguments, which have no gradient: an exponent.
        overwritten: the statements that replace a gradient where they must add to it.
    """

    pair: Pair
    operands: tuple[str, ...]
    plain: tuple[str, ...]
    overwritten: tuple[ast.Assign, ...]


class Plain(ast.NodeTransformer):
    """x.data becomes x, and x.grad x_grad; a new node is the number that it is made of.

    Args:
        cls: the class of the nodes.
    """

    def __init__(self, cls: str) -> None:
        self.cls = cls

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """x.data and x.grad."""
        if isinstance(node.value, ast.Name) and node.attr in (*DATA, "grad"):
            name = node.value.id if node.attr in DATA else f"{node.value.id}_grad"
            return ast.copy_location(ast.Name(name, node.ctx), node)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Value(a + b, (self, other), '+')."""
        self.generic_visit(node)
        makes = ast.unparse(node.func) in (self.cls, "self.__class__", "type(self)")
        return node.args[0] if makes and node.args else node


def closures(tree: ast.Module) -> list[Closure]:
    """Every operation of a file that has its backward within."""
    found = []
    for cls in (n for n in tree.body if isinstance(n, ast.ClassDef)):
        for method in (n for n in cls.body if isinstance(n, ast.FunctionDef)):
            inner = [n for n in method.body if isinstance(n, ast.FunctionDef) and INNER.match(n.name) and not n.args.args]
            closure = of_method(cls.name, method, inner[0]) if len(inner) == 1 else None
            found += [closure] if closure else []
    return found


def of_method(cls: str, method: ast.FunctionDef, inner: ast.FunctionDef) -> Closure | None:
    """One of them; None where it returns no node that it has made, or has no operand."""
    last = method.body[-1]
    if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Name)):
        return None
    out = last.value.id
    written = [n for n in ast.walk(inner) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) and n.attr == "grad"]
    arguments = [a.arg for a in method.args.args]
    operands = [n for n in arguments if n in {ast.unparse(w.value) for w in written}]
    body = [Plain(cls).visit(copy.deepcopy(s)) for s in method.body if s is not inner and not is_care(s, inner.name, out)]
    if not operands or not any(out in stores(s) for s in body):
        return None
    plain = [n for n in arguments if n not in operands and n in loads(body)]
    forward = like(f"def forward({', '.join([*operands, *plain])}): pass", method, body)
    steps = [Plain(cls).visit(copy.deepcopy(s)) for s in inner.body if not isinstance(s, ast.Expr | ast.Pass)]
    start = [at(f"{n}_grad = 0.0", inner) for n in operands]
    known = {*operands, *plain, *(n for s in body for n in stores(s))}
    read = list(dict.fromkeys([*operands, *plain, *(n for n in loads(steps) if n in known)]))
    end = at(f"return {', '.join(f'{n}_grad' for n in operands)}", inner.body[-1])
    backward = like(f"def backward({', '.join([f'{out}_grad', *read])}): pass", inner, [*start, *steps, end])
    over = [n for n in ast.walk(inner) if isinstance(n, ast.Assign) and [t for t in n.targets if t in written]]
    return Closure(Pair(f"{cls}.{method.name}", forward, backward), tuple(operands), tuple(plain), tuple(over))


def is_care(statement: ast.stmt, inner: str, out: str) -> bool:
    """Whether it only asks what it was given, turns it into a node, or hands the function on."""
    text = ast.unparse(statement)
    return "isinstance(" in text or (isinstance(statement, ast.Assign) and text.endswith(f" = {inner}")) or text.startswith(f"{out}._")


def like(head: str, function: ast.FunctionDef, body: list[ast.stmt]) -> ast.FunctionDef:
    """A function of these statements, where another stands."""
    found = ast.parse(head).body[0]
    assert isinstance(found, ast.FunctionDef)
    found.body = body
    for argument in found.args.args:
        ast.copy_location(argument, function)
    return ast.fix_missing_locations(ast.copy_location(found, function))


def at(text: str, place: ast.AST) -> ast.stmt:
    """A statement where another stands."""
    found = ast.parse(text).body[0]
    for node in ast.walk(found):
        ast.copy_location(node, place)
    return found
