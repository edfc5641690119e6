"""Weights that stand outside of all functions: they are given to a forward and its backward as arguments, and what is changed is a copy."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.doctor.claims import is_array
from experiments.doctor.patient import Pair
from experiments.doctor.script import loads
from experiments.doctor.taps import parameters


def with_shared(pair: Pair, namespace: Mapping[str, Any]) -> tuple[Pair, tuple[str, ...]]:
    """The pair, with the arrays of the file that its forward reads as arguments of both; and their names."""
    if pair.cls:
        return pair, ()
    known = parameters(pair.forward)
    names = [n for n in loads(pair.forward.body) if n not in known and is_array(namespace.get(n)) and np.ndim(namespace[n])]
    if not names:
        return pair, ()
    used = {n.id for n in ast.walk(pair.backward) if isinstance(n, ast.Name)} - set(parameters(pair.backward))
    backward = given(pair.backward, [n for n in names if n in used])
    return replace(pair, forward=given(pair.forward, names), backward=backward), tuple(names)


def given(function: ast.FunctionDef, names: Sequence[str]) -> ast.FunctionDef:
    """The function with these arguments more, and none of them outside of it."""
    found = copy.deepcopy(function)
    found.args.kwonlyargs += [ast.copy_location(ast.arg(n), function) for n in names]
    found.args.kw_defaults += [None for _ in names]
    found.body = [s for s in found.body if not isinstance(s, ast.Global)] or found.body
    return found
