"""Files without a pair of functions: a script is a forward up to its gradients; and a loss may be one of its lines."""

from __future__ import annotations

import ast
import builtins
import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor.claims import is_array, value_of
from experiments.doctor.patient import FORWARD, LOSSES, Pair

LOSS = re.compile(r"(\w*_)?(loss|cost|mse|error|objective|l|j)$", re.IGNORECASE)
LINE = "__loss__"
"""What the loss is called that was one line of the file."""
Simple = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.For


def outside(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a file that stand in no function and in no class, those within loops and conditions too."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node
            for inner in ("body", "orelse"):
                yield from outside(getattr(node, inner, []))


def loss_line(tree: ast.Module, namespace: dict[str, Any]) -> str | None:
    """The name of a function made of the line that computes the loss: loss = np.mean((y_hat - y) ** 2); None if there is none."""
    for node in outside(tree.body):
        match node:
            case ast.Assign([ast.Name(name)], value) if LOSS.match(name) and not calls_forward(value):
                names = [n for n in loads([node]) if n not in namespace or is_array(namespace[n])]
                if names:
                    text = f"def {LINE}({', '.join(names)}):\n    return {ast.unparse(value)}"
                    exec(text, namespace)
                    return LINE
    return None


def loss_method(tree: ast.Module, cls: str, namespace: dict[str, Any]) -> str | None:
    """The name of a function made of a class's method that is called like a loss, if it asks nothing of the object; None without one."""
    body = next((n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), [])
    for method in body:
        if isinstance(method, ast.FunctionDef) and method.name.lower() in LOSSES and method.args.args:
            plain = copy.deepcopy(method)
            this = plain.args.args.pop(0).arg
            if plain.args.args and not any(isinstance(n, ast.Name) and n.id == this for n in ast.walk(plain)):
                plain.name, plain.decorator_list = f"{LINE}{cls}", []
                exec(compile(ast.fix_missing_locations(ast.Module([plain], [])), "<your file>", "exec"), namespace)
                return plain.name
    return None


def calls_forward(value: ast.expr) -> bool:
    """Whether the loss is what a forward returns."""
    return any(isinstance(n, ast.Call) and FORWARD.search(ast.unparse(n.func)) for n in ast.walk(value))


def loads(statements: Iterable[ast.stmt]) -> list[str]:
    """The names that are read before they are written, in their order."""
    known: set[str] = set()
    found: list[str] = []
    for statement in statements:
        nodes = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
        written_in_loop = stores(statement.target) if isinstance(statement, ast.For) else set()
        inner = {n.arg for n in ast.walk(statement) if isinstance(n, ast.arg)}
        inner |= {
            m.id for n in ast.walk(statement) if isinstance(n, ast.comprehension) for m in ast.walk(n.target) if isinstance(m, ast.Name)
        }
        read = [n.id for n in nodes if isinstance(n.ctx, ast.Load)]
        read += [n.target.id for n in ast.walk(statement) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)]
        found += [n for n in read if n not in known | written_in_loop | inner and not hasattr(builtins, n)]
        known |= stores(statement)
    return list(dict.fromkeys(found))


def stores(node: ast.AST) -> set[str]:
    """The names that are written."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def script_pair(tree: ast.Module, namespace: dict[str, Any]) -> tuple[Pair, dict[str, Any]] | None:
    """A script as a pair of functions, and the numbers that its forward begins with; None if it computes no gradient by name.

    Args:
        tree: of the file.
        namespace: what the file defines, which the numbers are added to.
    """
    for before, block in blocks(tree.body):
        setup, statements = (before, block) if before else split(block, namespace)
        if before:
            run(setup, namespace)
        names = [n for s in (*setup, *statements) for n in stores(s)]
        first = next(
            (i for i, s in enumerate(statements) if isinstance(s, ast.Assign) and value_of(ast.unparse(s.targets[0]), names)), None
        )
        if not first:
            continue
        given = {n: namespace[n] for n in loads(statements[:first]) if n in namespace and is_data(namespace[n])}
        forward = function("forward", statements[:first], list(given))
        known = {*given, *stores(forward)}
        backward = [s for s in statements[first:] if not (stores(s) & set(given))]
        read = [n for n in loads(backward) if n in known]
        return Pair("the script", forward, function("its gradients", backward, read)), given
    return None


def blocks(body: Sequence[ast.stmt]) -> Iterator[tuple[list[ast.stmt], list[ast.stmt]]]:
    """Where a script may compute: the body of a loop after what stands before it, or all of it."""
    for i, node in enumerate(body):
        if isinstance(node, ast.For | ast.While):
            for before, inner in blocks(node.body):
                yield [*body[:i], *before], inner
    yield [], [s for s in body if isinstance(s, Simple)]


def split(block: Sequence[ast.stmt], namespace: dict[str, Any]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """A script without a loop: what makes numbers of nothing, and what computes with them."""
    setup: list[ast.stmt] = []
    statements: list[ast.stmt] = []
    for s in block:
        if statements or any(is_array(namespace.get(n)) for n in loads([s])):
            (setup if not any(is_array(namespace.get(n)) for n in loads([s])) else statements).append(s)
        else:
            setup.append(s)
        if s in setup:
            run([s], namespace)
    return setup, statements


def run(statements: Sequence[ast.stmt], namespace: dict[str, Any]) -> None:
    """Do what stands there; what fails (data that is not here) is left out."""
    for s in statements:
        if isinstance(s, ast.Assign | ast.AugAssign | ast.AnnAssign):
            try:
                exec(compile(ast.Module([s], []), "<your file>", "exec"), namespace)
            except Exception:  # whatever a stranger's line may raise
                continue


def is_data(value: Any) -> bool:
    """Whether this is a number or an array."""
    return isinstance(value, np.ndarray | float | int | np.number) and not isinstance(value, bool)


def function(name: str, body: list[ast.stmt], arguments: list[str]) -> ast.FunctionDef:
    """A function of these statements, which returns the loss if it computes one."""
    losses = [n for s in body for n in stores(s) if LOSS.match(n)] if name == "forward" else []
    result = [ast.parse(f"return {losses[-1]}").body[0]] if losses else []
    found = ast.parse(f"def {name.replace(' ', '_')}({', '.join(arguments)}): pass").body[0]
    assert isinstance(found, ast.FunctionDef)
    for statement in result:
        for node in ast.walk(statement):
            ast.copy_location(node, body[-1])
    found.body = [*body, *result]
    ast.copy_location(found, body[0])
    return found


def again(given: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Other numbers for those of a script, where they are not whole (targets, labels, counts)."""
    found = {}
    for name, value in given.items():
        array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        whole = array and value.any() and (value == np.round(value)).all()
        found[name] = rng.normal(size=value.shape) if array and not whole else value
    return found
