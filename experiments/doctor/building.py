"""Objects of a stranger's class: made by its constructor, with numbers of our own in the place of its parameters."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from types import CodeType
from typing import Any

import numpy as np

from experiments.doctor.claims import value_of
from experiments.doctor.taps import parameters

ARGUMENT = "__init__."
"""An input of this name is an argument of the constructor."""


def constructor(tree: ast.Module, cls: str) -> ast.FunctionDef | None:
    """The tree of a class's __init__."""
    body = next((n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls), [])
    return next((n for n in body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)


def required(function: ast.FunctionDef) -> list[str]:
    """The arguments without a default, without self."""
    positional = parameters(
        ast.FunctionDef("", ast.arguments(function.args.posonlyargs, function.args.args, None, [], [], None, []), [], [])
    )
    names = positional[: len(positional) - len(function.args.defaults)]
    return names[1:] + [a.arg for a, d in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if d is None]


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
    elif depth and isinstance(it, dict):
        for key, value in it.items():
            yield from arrays(value, own, f"{path}[{key!r}]", depth - 1)
    elif depth and isinstance(it, list | tuple):
        for i, value in enumerate(it):
            yield from arrays(value, own, f"{path}[{i}]", depth - 1)
    elif depth and own.get(type(it).__name__) is type(it) and hasattr(it, "__dict__"):
        for name, value in vars(it).items():
            yield from arrays(value, own, f"{path}.{name}", depth - 1)


def put(it: Any, path: str, value: Any) -> None:
    """Give an object this value, in the place of what the path leads to."""
    exec(setter(path), {"self": it, "value": value})


@cache
def setter(path: str) -> CodeType:
    """The statement that does so, compiled once."""
    return compile(f"{path} = value", "<path>", "exec")


def numbers(it: Any, own: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Numbers for every array of an object but for its gradients: a bias that is 0 shows nothing, nor do equal weights."""
    found = {path: v for path, v in arrays(it, own) if v.dtype.kind == "f"}
    drawn = {}
    for path, was in found.items():
        if value_of(path, [n for n in found if n != path]) is None:
            positive = was.size > 0 and (was > 0).all()
            drawn[path] = rng.uniform(0.5, 1.5, was.shape) if positive else rng.normal(size=was.shape)
    return drawn
