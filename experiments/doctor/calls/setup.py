"""Layers that are made in two steps: what a constructor leaves open, another method is told before forward runs.

set_input_shape(shape) and initialize(optimizer), build(input_shape), OutShape(shape): found by what they give to the object.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.doctor.calls.roles import optional_arguments
from experiments.source.arguments import defaults_of

SETUP = "__setup__"
"""An input of this name says whether a layer is told of all axes of what its forward is given, or of those of one example."""

NOT_SETUP = re.compile(
    r"^__|forward|backward|back_?prop|train|fit|update|step|zero|reset|load|save|predict|loss|grad|set_weights|set_params"
)
"""Called like what is done later."""

SHAPE = re.compile(r"shape", re.IGNORECASE)
OPTIMIZER = re.compile(r"optim", re.IGNORECASE)
WIDTH = re.compile(r"(n_?in|fan_?in|in_?(put)?_?(size|dim|features|channels|len|units)|input_?length|prev_?\w+)$", re.IGNORECASE)


class Still:
    """An optimizer that changes nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda first=None, *rest, **named: first


def setups(own: Mapping[str, ast.FunctionDef], forward: ast.FunctionDef, backward: ast.FunctionDef) -> list[ast.FunctionDef]:
    """The methods that give an object what it reads and its constructor leaves open, in the order in which they are called.

    Args:
        own: the methods of the class.
        forward, backward: two of them.
    """
    init = own.get("__init__")
    open_now = read_with(own, forward) | read_with(own, backward)
    known = (written(init) if init else set()) | written(forward) | {*own}
    open_now -= known
    found: list[ast.FunctionDef] = []
    for _ in own:
        new = [m for n, m in own.items() if not NOT_SETUP.search(n.lower()) and written(m) & open_now and m not in found and answerable(m)]
        if not new:
            break
        found = [*new, *found]  # what one of them reads another must have given before
        known |= {n for m in new for n in written(m)}
        open_now = {n for m in new for n in read(m)} - known
    return found


def answerable(method: ast.FunctionDef) -> bool:
    """Whether all that it asks for is known: the shape of the input, a width of it, an optimizer."""
    optional = optional_arguments(method)
    names = [a.arg for a in method.args.args[1:] if a.arg not in optional]
    return all(SHAPE.search(n) or OPTIMIZER.search(n) or WIDTH.match(n) for n in names)


def written(method: ast.FunctionDef) -> set[str]:
    """The attributes that a method gives to its object, those that are None not counted."""
    found: set[str] = set()
    for node in ast.walk(method):
        match node:
            case ast.Assign(targets, value) if not (isinstance(value, ast.Constant) and value.value is None):
                left = [t for target in targets for t in (target.elts if isinstance(target, ast.Tuple | ast.List) else [target])]
                if not (isinstance(value, ast.Name) and is_none(method, value.id)):
                    found |= {t.attr for t in left if isinstance(t, ast.Attribute) and ast.unparse(t.value) == "self"}
            case ast.AnnAssign(ast.Attribute(ast.Name("self"), name), _, value) if value is not None:
                if not (isinstance(value, ast.Constant) and value.value is None):
                    found.add(name)
    return found


def is_none(method: ast.FunctionDef, name: str) -> bool:
    """Whether an argument is None by default: input_shape=None is asked for later."""
    default = defaults_of(method).get(name)
    return isinstance(default, ast.Constant) and default.value is None


def read(method: ast.FunctionDef) -> set[str]:
    """The attributes that a method reads."""
    nodes = [n for n in ast.walk(method) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)]
    return {n.attr for n in nodes if ast.unparse(n.value) == "self"}


def read_with(own: Mapping[str, ast.FunctionDef], method: ast.FunctionDef) -> set[str]:
    """The attributes that a method reads, and the other methods that it calls."""
    found: set[str] = set()
    todo, seen = [method], set()
    while todo:
        of = todo.pop()
        names = read(of)
        found |= names
        todo += [own[n] for n in names if n in own and n not in seen]
        seen |= names
    return found


def set_up(it: Any, methods: Sequence[ast.FunctionDef], x: Any, whole: int) -> None:
    """Tell an object what these methods ask for.

    Args:
        it: the object.
        methods: as `setups` finds them.
        x: what its forward is given.
        whole: whether the shape is that of all examples, or of one.
    """
    for method in methods:
        optional = optional_arguments(method)
        arguments: dict[str, Any] = {}
        for name in [a.arg for a in method.args.args[1:] if a.arg not in optional]:
            shape = np.asarray(x).shape if isinstance(x, float | list) else x.shape
            arguments[name] = Still() if OPTIMIZER.search(name) else (shape if whole else shape[1:]) if SHAPE.search(name) else shape[-1]
        getattr(it, method.name)(**arguments)
