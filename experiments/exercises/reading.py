"""What can be read off an attempt's text: the line that computes a gradient, and what it never asks for or never uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from experiments.exercises.catalogue import Task, definition
from experiments.exercises.contract import forwards
from experiments.exercises.exams import ByCase, Exam
from experiments.exercises.returning import expected


def returned_names(task: Task, exam: Exam, names: Sequence[str]) -> Sequence[str]:
    """The values whose gradients are returned by their places, in this order; none of a dict, or if that cannot be told.

    Args:
        task: the exercise.
        exam: that judges it.
        names: of the values whose gradients it looks at: first those that went in.
    """
    result = expected(task)
    elements = [ast.unparse(e) for e in result.elts] if isinstance(result, ast.Tuple) else []
    if elements and all(e.startswith("dL_d") and e.isidentifier() for e in elements):
        return [e.removeprefix("dL_d") for e in elements]
    if not isinstance(exam, ByCase) or result is None or isinstance(result, ast.Dict):
        return ()
    return names[: max(len(elements), 1)]


def line_of(function: ast.FunctionDef, gradient: str, returned: Sequence[str] = ()) -> ast.stmt | None:
    """The statement that computes the gradient of a value, if that can be told by the names, or by the place where it is returned.

    Args:
        function: the learner's.
        gradient: the name of the value.
        returned: see `returned_names`.
    """
    statements = [n for n in ast.walk(function) if isinstance(n, ast.stmt) and n is not function]
    only = sum(isinstance(s, ast.Return) for s in statements) == 1
    for statement in statements:
        match statement:
            case ast.Assign([ast.Attribute(target, "grad")]) | ast.AugAssign(ast.Attribute(target, "grad")):
                if ast.unparse(target) == f"self.{gradient}":
                    return statement
            case ast.Return(ast.Dict(keys, values)):
                of = {k.value: v for k, v in zip(keys, values, strict=True) if isinstance(k, ast.Constant)}
                if gradient in of:
                    return assigned(statements, of[gradient]) or statement
            case ast.Return(ast.Tuple(elements)):
                for element in elements:
                    if isinstance(element, ast.Name) and element.id == f"dL_d{gradient}":
                        return assigned(statements, element)
                if only and gradient in returned and len(elements) == len(returned):
                    return assigned(statements, elements[returned.index(gradient)]) or statement
            case ast.Return(ast.expr() as value) if only and list(returned) == [gradient]:
                return assigned(statements, value) or statement
    return None


def assigned(statements: list[ast.stmt], value: ast.expr) -> ast.stmt | None:
    """The last statement that assigns a name; None if the value is no name, or is nowhere assigned."""
    if not isinstance(value, ast.Name):
        return None
    found = [s for s in statements if isinstance(s, ast.Assign) and any(isinstance(t, ast.Name) and t.id == value.id for t in s.targets)]
    return max(found, key=lambda s: s.lineno, default=None)


def forgotten(task: Task, function: ast.FunctionDef) -> list[str]:
    """The layers that forward calls, and whose backward the attempt does not name."""
    owner = getattr(import_module(task.module), task.function.partition(".")[0])
    called = dict.fromkeys(name for f in forwards(task) for name in layers_called(f, owner))
    named, ours = (
        {ast.unparse(n) for n in ast.walk(of) if isinstance(n, ast.Attribute)} for of in (function, definition(task.module, task.function))
    )
    return [name for name in called if f"{name}.backward" in ours - named]


def layers_called(function: ast.FunctionDef, owner: Any) -> Iterator[str]:
    """self.fc1, where it says self.fc1(x); what is a method of the class is no layer."""
    for node in ast.walk(function):
        match node:
            case ast.Call(ast.Attribute(ast.Name("self"), name)) if not hasattr(owner, name):
                yield f"self.{name}"


def unused_upstream(tree: ast.FunctionDef) -> str | None:
    """A sentence about a gradient that comes in and is not used."""
    upstream = next((n.arg for n in tree.args.args if n.arg.startswith("dL_d")), None)
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    if upstream is None or upstream in used:
        return None
    return f"{upstream} is not used: what comes back from the loss is a factor of every gradient."


def idle(tree: ast.FunctionDef) -> list[str]:
    """A sentence about each value that is computed and never used."""
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    made = {s.targets[0].id: s.lineno for s in ast.walk(tree) if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)}
    return [f"Line {line}: {name} is computed, and not used." for name, line in made.items() if name not in used]


def line_that_changes(tree: ast.FunctionDef, name: str) -> str:
    """ "Line 7: " if that is the first that writes into this array; nothing if none is seen to."""
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AugAssign)):
        targets = [node.target] if isinstance(node, ast.AugAssign) else [t for t in node.targets if isinstance(t, ast.Subscript)]
        if any(isinstance(n := t.value if isinstance(t, ast.Subscript) else t, ast.Name) and n.id == name for t in targets):
            return f"Line {node.lineno}: "
    return ""
