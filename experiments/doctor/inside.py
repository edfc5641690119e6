"""The doctor for functions and classes that are in memory already."""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.doctor.calls.building import arrays as arrays_of
from experiments.doctor.calls.building import constructor, setter
from experiments.doctor.calls.calling import Subject
from experiments.doctor.finding import Finding
from experiments.doctor.reading.classes import methods
from experiments.doctor.reading.patient import Pair, Unreadable, alone, pairs
from experiments.doctor.reading.taps import LATER
from experiments.doctor.verdict.formats import NOTE, in_float64
from experiments.doctor.visit import examined


def examined_here(
    forward: Callable[..., Any] | type, backward: Callable[..., Any] | None, loss: Any, inputs: Mapping[str, Any], seed: int
) -> Finding:
    """See `experiments.doctor.doctor`."""
    if backward is None and not inspect.isclass(forward):
        raise Unreadable("give a forward and a backward, or a class that has both")
    subject, notes = subject_here(forward, backward)
    if loss is not None:
        subject.loss, subject.asked = getattr(loss, "__name__", "loss"), True
        subject.namespace[subject.loss] = loss
        subject.loss_text = text_of(loss)
    shapes = {n: tuple(v) for n, v in inputs.items() if isinstance(v, tuple | list) and all(isinstance(i, int) for i in v)}
    arrays = {n: np.asarray(v) for n, v in inputs.items() if n not in shapes}
    if notes:
        arrays = {n: widened(v) for n, v in arrays.items()}
    found = examined(subject, {**shapes, **{n: a.shape for n, a in arrays.items()}}, seed, arrays)
    return replace(found, notes=(*found.notes, *notes))


def subject_here(forward: Any, backward: Any) -> tuple[Subject, tuple[str, ...]]:
    """What is to be examined: two functions, the methods of an object, or those of a class; and what is to be said of its numbers."""
    if inspect.isclass(forward):
        return of_class(forward)
    if inspect.ismethod(forward) and inspect.ismethod(backward):
        return of_object(forward, backward)
    (tree, note), (other, also) = in_float64(source_of(forward)), in_float64(source_of(backward))
    first, second = tree.body[0], other.body[0]
    if not (isinstance(first, ast.FunctionDef) and isinstance(second, ast.FunctionDef)):
        raise Unreadable("forward and backward must be functions that begin with def")
    return Subject(Pair(first.name, first, second), {**names_of(forward), **names_of(backward)}), note or also


def of_class(cls: type) -> tuple[Subject, tuple[str, ...]]:
    """A class whose objects its constructor makes."""
    tree, note = in_float64(source_of_class(cls))
    namespace = {**names_of(cls), cls.__name__: cls}
    for node in tree.body if note else ():
        exec(compile(ast.Module([node], []), "<your class>", "exec", flags=LATER, dont_inherit=True), namespace)
    found = pairs(tree)
    pair = next((p for p in found if p.cls == cls.__name__), found[0])
    return Subject(pair, namespace, init=constructor(tree, cls.__name__)), note


def of_object(forward: Any, backward: Any) -> tuple[Subject, tuple[str, ...]]:
    """An object that is there already, and two of its methods."""
    it = copy.deepcopy(forward.__self__)
    cls = type(it)
    tree, note = in_float64(source_of_class(cls))
    functions = methods(tree, cls.__name__)
    first, second = (alone(functions[of.__func__.__name__], cls.__name__) for of in (forward, backward))
    narrow = in_wide_numbers(it, {**names_of(cls), cls.__name__: cls})
    return Subject(Pair(cls.__name__, first, second, cls.__name__), {**names_of(cls), cls.__name__: cls}, made=it), note or narrow


def in_wide_numbers(it: Any, own: Mapping[str, Any]) -> tuple[str, ...]:
    """Give an object float64 for every array of float32 that it holds; one array with several names stays one. What is said of that."""
    wide: dict[int, np.ndarray] = {}
    narrow = [(path, array) for path, array in arrays_of(it, own) if array.dtype.kind == "f" and array.dtype != np.float64]
    for path, array in narrow:
        exec(setter(path), {"self": it, "value": wide.setdefault(id(array), widened(array))})
    return (NOTE,) if narrow else ()


def widened(array: np.ndarray) -> np.ndarray:
    """The same numbers in float64, where they are floats."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def source_of_class(cls: type) -> ast.Module:
    """The trees of a class and of those that it inherits from, those first; without those of which no text is known."""
    found = ast.Module([], [])
    for base in reversed(cls.__mro__[:-1]):
        with contextlib.suppress(Unreadable):
            found.body += source_of(base).body
    if not found.body:
        raise Unreadable(f"the text of {cls.__name__} is not known: it must come from a file or a notebook")
    return found


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
        own = (f for cls in thing.__mro__ for f in vars(cls).values() if inspect.isfunction(f))
        return next((dict(f.__globals__) for f in own), {})
    closed = inspect.getclosurevars(thing)
    return {**thing.__globals__, **closed.nonlocals}


def text_of(loss: Any) -> str:
    """The text of the loss, if it is known."""
    try:
        return inspect.getsource(loss) if loss is not None else ""
    except (OSError, TypeError):
        return ""
