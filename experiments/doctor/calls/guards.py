"""Small constants that keep a logarithm from 0, within functions that a forward calls: log(p + 1e-7) in a loss that stands elsewhere."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from experiments.source.replacing import in_place_of

TINY = 1e-6
"""A constant that is no larger keeps something from 0."""

LESS = 1e-100
"""So much of it is left to see what it does: less than any probability of numbers that are not too large."""

LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))


def guarded(namespace: Mapping[str, Any]) -> tuple[FunctionType, ...]:
    """The functions of a stranger, known in his file or in one that it imports, that have such a constant."""
    found: dict[int, FunctionType] = {}
    todo: list[Any] = list(namespace.values())
    seen: set[int] = set()
    while todo:
        it = todo.pop()
        if id(it) in seen:
            continue
        seen.add(id(it))
        if (
            isinstance(it, FunctionType)
            and not it.__code__.co_filename.startswith(LIBRARIES)
            and "experiments" not in (it.__module__ or "")
        ):
            found[id(it)] = it
            todo += [it.__globals__[n] for n in it.__code__.co_names if n in it.__globals__]
        elif isinstance(it, type) and it.__module__ not in ("builtins", "numpy"):
            todo += list(vars(it).values())
    return tuple(f for f in found.values() if any(map(is_tiny, f.__code__.co_consts)))


def is_tiny(constant: Any) -> bool:
    """Whether it is one of them."""
    return isinstance(constant, float) and 0 < constant <= TINY


def size_of(function: FunctionType) -> float:
    """The first of them in a function that has one."""
    return next(c for c in function.__code__.co_consts if is_tiny(c))


@cache
def smaller(code: CodeType) -> CodeType:
    """The same code with its small constants still smaller."""
    return code.replace(co_consts=tuple(c * LESS if is_tiny(c) else c for c in code.co_consts))


@contextmanager
def lowered(functions: Sequence[FunctionType]) -> Iterator[None]:
    """The small constants of these functions are still smaller within; they may be somebody's own, and are as they were after it."""
    with ExitStack() as until_then:
        for f in functions:
            until_then.enter_context(in_place_of(f, smaller(f.__code__)))
        yield
