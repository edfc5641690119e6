"""What a layer, a loss, an optimizer or a schedule says of arguments that make no sense: which one, what it must be, and what came.

The kind of an argument is its annotation. torch takes `bias=1` for True and `batch_first='False'` too, and fails on `in_features=2.0` in
the words of its own inside.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

ANY_INTEGER = ("dim", "start_dim", "end_dim", "ignore_index", "padding_idx", "divisor_override", "last_epoch")
"""Integers that may be negative: axes and places, counted from the end, and marks. All others say how many there are."""

AT_LEAST_0 = ("eps", "layer_norm_eps")
"""Numbers that keep a division, or a logarithm, finite."""


def checks_arguments(cls: type) -> None:
    """Let the constructor of a class check the kinds of its arguments before it does anything."""
    init = vars(cls).get("__init__")
    if init is None or hasattr(init, "__wrapped__"):
        return
    signature, kinds = inspect.signature(init), kinds_of(cls)

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}") from None
        expect_kinds(type(self).__name__, kinds, given)
        init(self, *args, **kwargs)

    cls.__init__ = checked  # type: ignore[misc]


@functools.cache
def kinds_of(cls: type) -> dict[str, str]:
    """The annotation of each argument of a class's constructor."""
    return {name: str(p.annotation) for name, p in inspect.signature(cls).parameters.items()}


def expect_kinds(owner: str, kinds: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """Raise TypeError or ValueError, naming the first argument that is not of its kind."""
    for name, value in given.items():
        kind = kinds.get(name, "")
        if value is None and "None" in kind:
            continue
        check = CHECKS.get(kind.removesuffix(" | None"))
        if check:
            check(owner, name, value)
        elif numbers := re.fullmatch(r"tuple\[((?:float, )*float)\]", kind.removesuffix(" | None")):
            expect_numbers(owner, name, value, numbers[1].count("float"))


def expect_flag(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless value is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {name} must be True or False, got {value!r}")


def expect_integer(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless value is an integer, ValueError if it is negative and says how many there are."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{owner}: {name} must be an integer, got {value!r}")
    if value < 0 and name not in ANY_INTEGER:
        raise ValueError(f"{owner}: {name} must be at least 0, got {value}")


def expect_number(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless value is a real number, ValueError if it is NaN, or negative where it must not be."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}")
    if math.isnan(value):
        raise ValueError(f"{owner}: {name} must be a number, got nan")
    if value < 0 and name in AT_LEAST_0:
        raise ValueError(f"{owner}: {name} must be at least 0, got {value}")


def expect_numbers(owner: str, name: str, value: Any, count: int) -> None:
    """Raise TypeError unless value is a tuple or a list of numbers, ValueError unless there are so many."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{owner}: {name} must be {count} numbers, got {value!r}")
    if len(value) != count:
        raise ValueError(f"{owner}: {name} must be {count} numbers, got {value!r}")
    for i, number in enumerate(value):
        expect_number(owner, f"{name}[{i}]", number)


def expect_string(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless value is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{owner}: {name} must be a string, got {value!r}")


CHECKS: dict[str, Callable[[str, str, Any], None]] = {
    "bool": expect_flag,
    "int": expect_integer,
    "float": expect_number,
    "str": expect_string,
}
