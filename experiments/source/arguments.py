"""The arguments of a function, by its text."""

from __future__ import annotations

import ast


def defaults_of(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What is taken for each argument that need not be given, by its name."""
    named = [*function.args.posonlyargs, *function.args.args]
    first = len(named) - len(function.args.defaults)
    found = {a.arg: d for a, d in zip(named[first:], function.args.defaults, strict=True)}
    return found | {a.arg: d for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if d is not None}
