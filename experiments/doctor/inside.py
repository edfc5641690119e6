"""The doctor for functions and classes that are in memory already."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.doctor.calls.building import constructor
from experiments.doctor.calls.calling import Subject
from experiments.doctor.finding import Finding
from experiments.doctor.reading.patient import Pair, Unreadable, pairs
from experiments.doctor.verdict.formats import in_float64
from experiments.doctor.visit import examined


def examined_here(
    forward: Callable[..., Any] | type, backward: Callable[..., Any] | None, loss: Any, inputs: Mapping[str, Any], seed: int
) -> Finding:
    """See `experiments.doctor.doctor`."""
    if backward is None and not inspect.isclass(forward):
        raise Unreadable("give a forward and a backward, or a class that has both")
    tree = source_of(forward)
    namespace: dict[str, Any] = dict(names_of(forward))
    init = None
    notes: tuple[str, ...] = ()
    if inspect.isclass(forward):
        pair = pairs(tree)[0]
        init = constructor(tree, forward.__name__)
        namespace[forward.__name__] = forward
    else:
        other = source_of(backward)
        namespace |= names_of(backward)
        (tree, note), (other, also) = in_float64(tree), in_float64(other)
        notes = note or also
        first, second = tree.body[0], other.body[0]
        if not (isinstance(first, ast.FunctionDef) and isinstance(second, ast.FunctionDef)):
            raise Unreadable("forward and backward must be functions that begin with def")
        pair = Pair(first.name, first, second)
    name = None
    if loss is not None:
        name = getattr(loss, "__name__", "loss")
        namespace[name] = loss
    shapes = {n: tuple(v) for n, v in inputs.items() if isinstance(v, tuple | list) and all(isinstance(i, int) for i in v)}
    arrays = {n: np.asarray(v) for n, v in inputs.items() if n not in shapes}
    subject = Subject(pair, namespace, name, False, init, loss_text=text_of(loss))
    found = examined(subject, {**shapes, **{n: a.shape for n, a in arrays.items()}}, seed, arrays)
    return replace(found, notes=(*found.notes, *notes))


def source_of(thing: Any) -> ast.Module:
    """Its tree, with the line numbers of its file.

    Raises:
        Unreadable: if Python does not know its text.
    """
    try:
        lines, first = inspect.getsourcelines(thing)
    except (OSError, TypeError) as error:
        raise Unreadable(f"the text of {getattr(thing, '__name__', thing)} is not known: it must come from a file or a notebook") from error
    return ast.increment_lineno(ast.parse(textwrap.dedent("".join(lines))), first - 1)


def names_of(thing: Any) -> dict[str, Any]:
    """What it finds by name."""
    if inspect.isclass(thing):
        return next((dict(f.__globals__) for f in vars(thing).values() if inspect.isfunction(f)), {})
    closed = inspect.getclosurevars(thing)
    return {**thing.__globals__, **closed.nonlocals}


def text_of(loss: Any) -> str:
    """The text of the loss, if it is known."""
    try:
        return inspect.getsource(loss) if loss is not None else ""
    except (OSError, TypeError):
        return ""
