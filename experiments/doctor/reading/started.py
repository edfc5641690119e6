"""The gradient that a script starts with: loss = np.mean((out - y) ** 2), then grad = 2 * (out - y) / out.size, which layers are given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.doctor.calls.roles import TARGETS
from experiments.doctor.reading.claims import value_of
from experiments.doctor.reading.patient import Pair
from experiments.doctor.reading.script import LOSS, calls_forward, function, loads

BACK = re.compile(r"back|bprop", re.IGNORECASE)
OTHER = re.compile(r"log|entropy|bce|nll|softmax|abs|sqrt", re.IGNORECASE)
"""Of a loss whose gradient may be meant for what stands before the last activation, or that is only watched: nothing is said of it."""

UPHILL = re.compile(r"\+=? *(self\.)?(learning_?rate|lr|eta|alpha|step_?size)\b", re.IGNORECASE)
"""A step that adds: what goes back is then the negative of a gradient."""

ONE, MANY = ("N", 1), ("N", "O")


def started(tree: ast.Module, namespace: Mapping[str, Any]) -> Iterator[tuple[Pair, list[dict[str, Any]]]]:
    """(a loss and the gradient that starts from it, as a pair of functions; what their arguments may be), of each place with both."""
    for body in bodies(tree) if not UPHILL.search(ast.unparse(tree)) else ():
        for i, statement in enumerate(body):
            loss = value_of_loss(statement, namespace)
            if loss is None:
                continue
            for after in body[i + 1 :]:
                if isinstance(after, ast.Assign) and isinstance(after.targets[0], ast.Name) and goes_back(after.targets[0].id, body):
                    found = pair(statement, loss, after, namespace)
                    if found is not None:
                        yield found
                    break


def bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every block of statements that is no method: of the file, of a function, of a loop."""
    for inner in ("body", "orelse"):
        body = getattr(node, inner, None)
        if isinstance(body, list) and body:
            yield body
            for statement in body:
                if not isinstance(statement, ast.ClassDef):
                    yield from bodies(statement)


def value_of_loss(statement: ast.stmt, namespace: dict[str, Any] | Mapping[str, Any]) -> ast.expr | None:
    """What a loss is made of, in loss = ... and in error += ...; None of one that is no single number, or runs forward itself."""
    match statement:
        case ast.Assign([ast.Name(name)], value) | ast.AugAssign(ast.Name(name), ast.Add(), value) if LOSS.match(name):
            text = ast.unparse(value)
            makes_one = isinstance(value, ast.Call) or re.search(r"\b(mean|sum)\(", text)
            return value if makes_one and not calls_forward(value, dict(namespace)) and not OTHER.search(text) else None
    return None


def goes_back(name: str, body: Sequence[ast.stmt]) -> bool:
    """Whether it is given to a backward: grad = layer.backward(grad)."""
    calls = [n for s in body for n in ast.walk(s) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    return any(BACK.search(ast.unparse(c.func).rpartition(".")[2]) and name in map(ast.unparse, c.args) for c in calls)


def pair(made: ast.stmt, loss: ast.expr, after: ast.Assign, namespace: Mapping[str, Any]) -> tuple[Pair, list[dict[str, Any]]] | None:
    """Both as functions; None where it cannot be told by what the gradient is, or a number counts that stands elsewhere."""
    read = {n for n in loads([ast.Expr(loss)]) if not is_known(n, namespace)}
    theirs = {n for n in loads([ast.Expr(after.value)]) if not is_known(n, namespace)}
    sizes = {n for n in read | theirs if only_measured(n, (loss, after.value))}
    targets = {n for n in read if n.lower() in TARGETS or n.lower().startswith(("y_true", "target"))}
    outs = read - targets - sizes
    if len(outs) != 1 or len(targets) != 1 or not theirs <= read | sizes or not outs <= theirs:
        return None
    out, target = outs.pop(), targets.pop()
    names = [out, target, *sorted(sizes - {out, target})]
    forward = function("loss", [ast.copy_location(ast.Return(loss), made)], names)
    called = ast.unparse(after.targets[0])
    named = called if value_of(called, names) in (None, out) else f"d_{out}"  # dy is no gradient of y here
    body = (ast.Assign([ast.Name(named, ast.Store())], after.value), ast.Return(ast.Name(named, ast.Load())))
    backward = function("its gradient", [ast.copy_location(s, after) for s in body], names)
    rest = dict.fromkeys(names[2:], ("normal", ("N", "D")))
    kinds = [{out: ("normal", shape), target: ("normal", shape), **rest} for shape in (ONE, MANY)]
    return Pair("the loss", ast.fix_missing_locations(forward), ast.fix_missing_locations(backward), sure=False), kinds


def is_known(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether it is a function or a module of the file."""
    return callable(namespace.get(name)) or hasattr(namespace.get(name), "__file__")


def only_measured(name: str, of: Sequence[ast.expr]) -> bool:
    """Whether only its size is asked for: len(X), X.shape[0]."""
    measured = {id(n.args[0]) for e in of for n in ast.walk(e) if isinstance(n, ast.Call) and ast.unparse(n.func) == "len" and n.args}
    measured |= {id(n.value) for e in of for n in ast.walk(e) if isinstance(n, ast.Attribute) and n.attr in ("shape", "size")}
    uses = [n for e in of for n in ast.walk(e) if isinstance(n, ast.Name) and n.id == name]
    return all(id(n) in measured for n in uses)
