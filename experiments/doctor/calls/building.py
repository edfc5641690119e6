"""Objects of a stranger's class: made by its constructor, with numbers of our own in the place of its parameters."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from experiments.doctor.calls.called import LISTED
from experiments.doctor.reading.claims import is_gradient, short, value_of
from experiments.doctor.reading.taps import parameters
from experiments.source.arguments import defaults_of

ARGUMENT = "__init__."
"""An input of this name is an argument of the constructor."""


SIZE = re.compile(r"size|dim|units|neurons|hidden|features|channels|filters|nodes|n_(in|out|h|x|y)|num_", re.IGNORECASE)
SMALL = 8
"""A size that is larger by default is given as a small one: nothing more is to be seen of a large one."""


def constructor(tree: ast.Module, cls: str, namespace: Mapping[str, Any] | None = None) -> ast.FunctionDef | None:
    """The tree of a class's __init__, which may be that of a base of it, in this file or in another."""
    known = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    todo = [cls]
    while todo:
        node = known.get(todo.pop(0))
        found = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None) if node else None
        if found is not None:
            return found
        todo += [b.id for b in node.bases if isinstance(b, ast.Name)] if node else []
    made = getattr((namespace or {}).get(cls), "__init__", None)
    if not inspect.isfunction(made):
        return None
    try:
        function = ast.parse(textwrap.dedent(inspect.getsource(made))).body[0]
    except (OSError, SyntaxError):
        return None
    return function if isinstance(function, ast.FunctionDef) else None


def required(function: ast.FunctionDef) -> list[str]:
    """The arguments without a default, without self."""
    optional = defaults_of(function)
    return [n for n in parameters(function)[1:] if n not in optional]


def defaulted(function: ast.FunctionDef) -> list[str]:
    """The arguments with a number for a default that is given another one: a size that may be large, as hidden_size=64, and after how many
    steps a sum over time is cut off, which makes another gradient of it."""
    numbers = ((n, d.value) for n, d in defaults_of(function).items() if isinstance(d, ast.Constant))
    return [n for n, value in numbers if type(value) is int and ((value > SMALL and SIZE.search(n)) or "trunc" in n)]


BIAS = re.compile(r"\.(d_?|grad_)?(b|bias|intercept)_?$")
"""Called like the bias of one neuron, which may be a plain number; others are rates and sizes."""


def made(cls: Any, inputs: Mapping[str, Any]) -> Any:
    """A new object with these arguments, or with none of them and no constructor."""
    arguments = {n.removeprefix(ARGUMENT): v for n, v in inputs.items() if n.startswith(ARGUMENT)}
    return cls(**arguments)


def arrays(it: Any, own: Mapping[str, Any], path: str = "self", depth: int = 4) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of numbers that an object holds, by the path to it: self.W, self.params['W1'], self.layers[0].W.

    Args:
        it: the object.
        own: what the file defines: objects of other classes are not looked into.
        path: of the object.
        depth: how far to go.
    """
    if isinstance(it, np.ndarray):
        yield path, it
    elif isinstance(it, float) and BIAS.search(path):  # of one neuron
        yield path, np.asarray(it)
    elif depth and isinstance(it, dict):
        for key, value in it.items():
            yield from arrays(value, own, f"{path}[{key!r}]", depth - 1)
    elif depth and isinstance(it, list | tuple):
        for i, value in enumerate(it):
            yield from arrays(value, own, f"{path}[{i}]", depth - 1)
    elif depth and is_own(it, own):
        for name, value in vars(it).items():
            yield from arrays(value, own, f"{path}.{name}", depth - 1)


def is_own(it: Any, own: Mapping[str, Any]) -> bool:
    """Whether this is an object of a class that the file defines, or has from a file beside it."""
    return own.get(type(it).__name__) is type(it) and hasattr(it, "__dict__")


def put(it: Any, path: str, value: Any) -> None:
    """Give an object this value, in the place of what the path leads to; into the same array, which other parts may know too."""
    names = {"self": it, "value": value}
    try:
        there = eval(getter(path), names)
    except Exception:  # nothing is there yet
        there = None
    if isinstance(there, np.ndarray) and there.dtype.kind == "f" and there.shape == np.shape(value) and there.flags.writeable:
        there[...] = value
    else:
        exec(setter(path), names)


@cache
def getter(path: str) -> CodeType:
    """What stands there, compiled once."""
    return compile(path, "<path>", "eval")


@cache
def setter(path: str) -> CodeType:
    """The statement that does so, compiled once."""
    return compile(f"{path} = value", "<path>", "exec")


def numbers(it: Any, own: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Numbers for every array of an object but for its gradients: a bias that is 0 shows nothing, nor do equal weights."""
    found: dict[str, np.ndarray] = {}
    for path, v in arrays(it, own):
        if v.dtype.kind == "f" and all(v is not other for other in found.values()):  # one array may have several names
            found[path] = v
    drawn = {}
    for path, was in found.items():
        if value_of(path, [n for n in found if n != path]) is None and not LISTED.match(path) and not is_gradient(short(path)):
            positive = was.size > 0 and (was > 0).all()
            drawn[path] = rng.uniform(0.5, 1.5, was.shape) if positive else rng.normal(size=was.shape)
    return drawn
