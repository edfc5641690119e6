"""What can be read off an attempt's text: the line that computes a gradient, and the layers whose backward it never asks for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from experiments.exercises.catalogue import Task
from experiments.exercises.contract import forwards


def line_of(function: ast.FunctionDef, gradient: str) -> ast.stmt | None:
    """The statement that computes the gradient of a value, if that can be told by the names.

    Args:
        function: the learner's.
        gradient: the name of the value.
    """
    statements = [n for n in ast.walk(function) if isinstance(n, ast.stmt) and n is not function]
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
    named = {ast.unparse(n) for n in ast.walk(function) if isinstance(n, ast.Attribute)}
    return [name for name in called if f"{name}.backward" not in named]


def layers_called(function: ast.FunctionDef, owner: Any) -> Iterator[str]:
    """self.fc1, where it says self.fc1(x); what is a method of the class is no layer."""
    for node in ast.walk(function):
        match node:
            case ast.Call(ast.Attribute(ast.Name("self"), name)) if not hasattr(owner, name):
                yield f"self.{name}"
