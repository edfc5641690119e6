"""The shapes on the pages of layers, from a run forward and back of a case that the tests have."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import reduce
from importlib import import_module
from typing import Any

import numpy as np

import experiments.cases.nn
from experiments.book.of_classes import LIBRARIES, Told, functions_shown
from experiments.book.shapes import shape_of, watching
from experiments.book.sides import Shapes
from experiments.judge.case import Case, Pair, cases_of, draw_sizes, flat, like
from experiments.source.handwriting import import_all
from manual.nn.faster import plain_forms


def told_of_layers() -> dict[str, Told]:
    """Of every class of manual.nn that is judged by a case, by its name."""
    import_all(experiments.cases.nn)
    layers = {cls.__name__: cls for cls in LIBRARIES[0].classes()}
    return {name: told for name, cls in layers.items() if (told := told_of(cls))}


def told_of(cls: type) -> Told | None:
    """What its first case shows that runs through all that its page shows, or else through the most of it; None if none does through any.

    The first cases are the plainest.
    """
    functions = {name: function_of(name) for name in functions_shown(cls, LIBRARIES[0])}
    most: Told | None = None
    for case in cases_of([cls.__name__]):
        told = run(case, functions)
        if len(told["shapes"]) > (len(most["shapes"]) if most else 0):
            most = told
        if len(told["shapes"]) == len(functions):
            break
    return most


def function_of(dotted: str) -> Any:
    """The function of this name, or the method, without what is around it."""
    *modules, last = dotted.split(".")
    owner = reduce(getattr, modules[3:], import_module(".".join(modules[:3])))
    return inspect.unwrap(getattr(owner, last))


def run(case: Case, functions: Mapping[str, Any]) -> Told:
    """Forward and back, in the plain forms, which are those that pages show."""
    pair = Pair(case, draw_sizes(case, np.random.default_rng(0)), 0)
    inputs, call = pair.inputs()
    files = {name: inspect.getfile(function) for name, function in functions.items()}
    with plain_forms(), watching(set(files.values()), [function.__code__ for function in functions.values()]) as found:
        y = pair.hand(*inputs, **call)
        upstreams = (np.asarray(pair.rng.normal(size=np.shape(of)), pair.dtype)[()] for of in flat(y))
        pair.hand.backward(like(y, list(upstreams)))
    shapes: dict[str, Shapes] = {}
    for name, function in functions.items():
        lines, first = inspect.getsourcelines(function)
        within = {str(n): made for n, made in found[files[name]].items() if first <= n < first + len(lines)}
        shapes |= {name: within} if within else {}
    return {"call": written(case, pair.built.arguments), "given": dict(given(pair.hand, inputs, call)), "shapes": shapes}


def written(case: Case, arguments: Mapping[str, Any]) -> str:
    """The call that makes it: what is no plain value is left out; where layers are put together, all."""
    if case.hand is not None:
        return f"{case.name}(…)"
    said = (f"{name}={value!r}" if plain(value) else f"{name}=…" for name, value in arguments.items())
    return f"{case.name}({', '.join(said)})"


def plain(value: Any) -> bool:
    """Whether it is written as one writes it: a number, a word, or some of them."""
    return all(map(plain, value)) if isinstance(value, tuple | list) else isinstance(value, bool | int | float | str | None)


def given(layer: Any, inputs: list[Any], call: Mapping[str, Any]) -> Iterator[tuple[str, list[int]]]:
    """The name and the shape of each array that its forward is given."""
    bound = inspect.signature(inspect.unwrap(type(layer).forward)).bind(layer, *inputs, **call)
    for name, value in bound.arguments.items():
        for i, array in enumerate(value) if isinstance(value, tuple) else [(-1, value)]:
            if name != "self" and (shape := shape_of(array)) is not None:
                yield f"{name}[{i}]" if i >= 0 else name, shape
