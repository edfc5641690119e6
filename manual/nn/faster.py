"""Two forms of one function: the plain one, its derivation line by line, and below it, in the same file, one that is faster.

Both take the same arguments and return the same numbers but for rounding, so that either can stand in for the other. A layer says
`fastest(f)(x)` and means f: to read f is to know what is computed. A faster form is kept where the layer takes at least 1.3 times as long
without it, at some usual size; `python -m experiments bench --plain` measures that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

Form = TypeVar("Form", bound=Callable[..., Any])

BLOCK = 2**18
"""Bytes of an array that are worked on at a time: few enough to be still in the processor's cache for the next line."""

FASTER: dict[Callable[..., Any], Callable[..., Any]] = {}
"""Every pair of forms: from the plain one to the faster."""

_faster_is_run = [True]  # one switch for the whole process; plain_forms() turns it off


def faster_than(plain: Callable[..., Any]) -> Callable[[Form], Form]:
    """Say that the function below computes what `plain` does, in less time."""

    def register(fast: Form) -> Form:
        FASTER[plain] = fast
        return fast

    return register


def fastest(plain: Form) -> Form:
    """The function to run where `plain` is meant: its faster form, or `plain` itself inside of plain_forms() or if it has none."""
    return FASTER.get(plain, plain) if _faster_is_run[0] else plain  # type: ignore[return-value]  # the two have one signature


@contextmanager
def plain_forms() -> Iterator[None]:
    """Run the plain form of everything."""
    before, _faster_is_run[0] = _faster_is_run[0], False
    try:
        yield
    finally:
        _faster_is_run[0] = before


def few_at_a_time(x: np.ndarray, block: int = BLOCK) -> Iterator[slice]:
    """Slices of the first axis of x, one after the other, each of as many rows as take `block` bytes, or of one."""
    step = max(1, block * len(x) // max(x.nbytes, 1))
    for start in range(0, len(x), step):
        yield slice(start, start + step)
