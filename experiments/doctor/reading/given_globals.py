"""Arrays that functions find outside: what they read becomes an argument, and what forward leaves there for backward too."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.doctor.reading.claims import is_array
from experiments.doctor.reading.patient import Pair
from experiments.doctor.reading.script import loads, outside, stores


def with_globals(pair: Pair, namespace: Mapping[str, Any], tree: ast.Module) -> tuple[Pair, dict[str, tuple[int, ...]]]:
    """The pair with an argument for every array, or dict of arrays, of the file that its forward reads; and the shapes of those.

    What could not be made here, of data that is not there for instance, is an argument too, of which no shape is known.

    Args:
        pair: two functions.
        namespace: of the file.
        tree: of the file.
    """
    inside = {*pair.parameters(pair.forward), *stores(pair.forward)}
    unmade = {n for s in outside(tree.body) for n in stores(s)} - {*namespace}
    read = [n for n in loads(pair.forward.body) if n not in inside and (n in unmade or any(arrays_of(n, namespace.get(n))))]
    left = {n for g in ast.walk(pair.forward) if isinstance(g, ast.Global) for n in g.names}
    shapes = {name: np.shape(a) for n in read for name, a in arrays_of(n, namespace.get(n))}
    if not read and not left:
        return pair, {}
    back = [n for n in loads(pair.backward.body) if n in {*read, *left} and n not in pair.parameters(pair.backward)]
    return replace(pair, forward=asking(pair.forward, read), backward=asking(pair.backward, back)), shapes


def arrays_of(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The arrays of numbers that a value of the file is, or holds by name: W, model['W1']."""
    if is_array(value) and np.ndim(value):
        yield name, value
    elif isinstance(value, dict) and value and all(isinstance(k, str) and is_array(v) for k, v in value.items()):
        yield from ((f"{name}[{k!r}]", v) for k, v in value.items())


def asking(function: ast.FunctionDef, names: list[str]) -> ast.FunctionDef:
    """The function with these arguments more, all of whose names are its own."""
    found = copy.deepcopy(function)
    found.args.kwonlyargs += [ast.copy_location(ast.arg(n), function) for n in names]
    found.args.kw_defaults += [None for _ in names]
    found.body = [ast.copy_location(ast.Pass(), s) if isinstance(s, ast.Global) else s for s in found.body]
    return found
