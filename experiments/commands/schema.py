"""What a value read from a file may look like: small checks, put together to a description of the whole.

A check is a function of a value and of where it stands; it raises ValueError with both if the value is not what it should be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

Check = Callable[[Any, str], None]


def refuse(where: str, expected: str, value: Any) -> None:
    """Raise ValueError."""
    found = f"a tensor of shape {tuple(value.shape)} in {value.dtype}" if isinstance(value, torch.Tensor) else repr(value)
    raise ValueError(f"{where}: expected {expected}, found {found if len(found) <= 60 else found[:60] + ' …'}")


def whole(least: int = 0, most: float = 2**62) -> Check:
    """A whole number between these."""

    def check(value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            refuse(where, f"a whole number of at least {least}" + (f", at most {most}" if most < 2**62 else ""), value)

    return check


def number(least: float = -math.inf, most: float = math.inf) -> Check:
    """A number between these; NaN is none."""

    def check(value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            refuse(where, f"a number from {least:g} to {most:g}", value)

    return check


def of_type(kind: Any, words: str) -> Check:
    """An instance of it."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, kind):
            refuse(where, words, value)

    return check


truth, text = of_type(bool, "true or false"), of_type(str, "a word")


def equal_to(expected: Any) -> Check:
    """This very value."""

    def check(value: Any, where: str) -> None:
        if type(value) is not type(expected) or value != expected:
            refuse(where, repr(expected), value)

    return check


def or_nothing(check: Check) -> Check:
    """None, or what the check accepts."""
    return lambda value, where: None if value is None else check(value, where)


def each(check: Check, length: int | None = None) -> Check:
    """A list, of that many where it is said."""

    def of_list(value: Any, where: str) -> None:
        if not isinstance(value, list) or length not in (None, len(value)):
            refuse(where, "a list" + (f" of {length}" if length is not None else ""), value)
        for i, of in enumerate(value):
            check(of, f"{where}[{i}]")

    return of_list


def table(check: Check, names: Any = None) -> Check:
    """A dict whose keys are words (these, if any are given; not all need be there) and whose values are alike."""

    def of_table(value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            refuse(where, "a dict", value)
        for key, of in value.items():
            if not isinstance(key, str) or (names is not None and key not in names):
                refuse(where, "other keys", key)
            check(of, f"{where}.{key}")

    return of_table


def fields(checks: Mapping[Any, Check], optional: Any = (), more: Check | None = None) -> Check:
    """A dict with these keys; those that are optional may be left out, and there may be more where a check for them is given."""

    def of_fields(value: Any, where: str) -> None:
        if not isinstance(value, Mapping):
            refuse(where, "a dict", value)
        if missing := [key for key in checks if key not in value and key not in optional]:
            raise ValueError(f"{where}: it lacks {', '.join(map(str, missing))}")
        for key, of in value.items():
            if key not in checks and more is None:
                raise ValueError(f"{where}: nothing is known of {str(key)[:60]!r}")
            checks.get(key, more)(of, f"{where}.{key}")  # type: ignore[misc]

    return of_fields


def tensor(shape: Any = None, dtype: torch.dtype | None = None) -> Check:
    """A tensor of this shape and dtype; None in a shape is any size, and no shape any shape."""

    def check(value: Any, where: str) -> None:
        fits = isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized
        if fits and shape is not None:
            fits = len(value.shape) == len(shape) and all(b is None or a == b for a, b in zip(value.shape, shape, strict=True))
        if not fits or dtype not in (None, value.dtype):
            refuse(where, f"a tensor of shape {shape}" + (f" in {dtype}" if dtype else ""), value)

    return check


def single(value: Any, where: str) -> None:
    """A number, or a tensor that holds one: how a counter is held says nothing."""
    if not (isinstance(value, torch.Tensor) and value.numel() == 1 and value.ndim == 0):
        number()(value, where)


def plain(value: Any, where: str) -> None:
    """Tensors, numbers, words, truths, nothing, and lists and dicts of such."""
    if isinstance(value, Mapping):
        for key, of in value.items():
            plain(of, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for i, of in enumerate(value):
            plain(of, f"{where}[{i}]")
    elif value is not None and not isinstance(value, torch.Tensor | bool | int | float | str):
        refuse(where, "something plain", value)


def like(example: Any, more: bool = False) -> Check:
    """What has the form of an example: the same keys, shapes and types; whatever is None in it may be anything plain.

    Args:
        example: of tensors and plain values.
        more: whether a dict may have keys that the example's has not.
    """
    if isinstance(example, torch.Tensor):
        return tensor(tuple(example.shape), example.dtype) if example.ndim else single
    if isinstance(example, Mapping):
        return fields({key: like(of, more) for key, of in example.items()}, more=plain if more else None)
    if isinstance(example, list | tuple):
        return like_list(example)
    if isinstance(example, bool):
        return truth
    if isinstance(example, int | float):
        return single
    return text if isinstance(example, str) else plain


def like_list(example: Any) -> Check:
    """A list of things like the example's, or of any number of plain ones where that is empty; a tuple of as many as it has."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, type(example)) or (isinstance(example, tuple) and len(value) != len(example)):
            refuse(where, f"a {type(example).__name__} like {example!r}"[:80], value)
        if len(value) == len(example):
            for i, (of, of_example) in enumerate(zip(value, example, strict=True)):
                like(of_example)(of, f"{where}[{i}]")
        else:
            plain(value, where)

    return check
