"""A second legal value for every option of a concept, so that no option can be ignored unnoticed."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from experiments.pair import Second, Twin


class NoSecondValue(LookupError):
    """No type tells a second value of this option, and its Twin declares none."""


class Alternative(NamedTuple):
    """One option changed, and what it is to be compared with."""

    option: str
    first: Any
    second: Any
    base: Twin  # with what is given, but the first value
    twin: Twin  # with the second


def alternatives(twin: Twin) -> Iterator[Alternative]:
    """Every hyperparameter of the torch class that the data do not decide, one after the other, at its second value.

    Raises:
        NoSecondValue: with the concept and the option.
    """
    kinds = typing.get_type_hints(twin.torch.__init__)
    for option, first in twin.hyperparameters().items():
        if f"model.{option}" in twin.links.values():
            continue
        declared = twin.options.get(option)
        second = declared if isinstance(declared, Second) else Second(declared)
        if option not in twin.options:
            second = Second(generic(twin.name, option, kinds.get(option), first))
        base = twin.having(second.given, second.data_args)
        if second.value == base.hyperparameters()[option]:
            raise NoSecondValue(f"{twin.name}: the second value of {option} is its first, {second.value!r}")
        changed = base.having({option: second.value})
        yield Alternative(option, first, second.value, base, changed if second.data is None else changed.on(second.data))


def data_alternatives(twin: Twin) -> Iterator[tuple[str, Any]]:
    """(argument, second value) for everything that the data module takes and that does something. In the Twin it is called data.argument.

    Raises:
        NoSecondValue: with the concept and the argument.
    """
    for name, default in defaults(twin.data).items():
        option, first = f"data.{name}", twin.data_args.get(name, default)
        if option not in twin.idle:
            yield name, twin.options[option] if option in twin.options else generic(twin.name, option, None, first)


def generic(concept: str, option: str, kind: Any, first: Any) -> Any:
    """Another value of the same type: the other truth, another choice, one more, half as much."""
    if typing.get_origin(kind) is Literal:
        return next(choice for choice in typing.get_args(kind) if choice != first)
    if isinstance(first, bool):
        return not first
    if isinstance(first, int):
        return first + 1
    if isinstance(first, float) and first != 0:
        return first / 2
    raise NoSecondValue(f"{concept}: no second value is known of {option}={first!r}: declare one in its Twin, options={{{option!r}: ...}}")


def defaults(constructor: Any) -> dict[str, Any]:
    """The default of every argument of a concept's constructor, but for those that only the hand-written side has."""
    return {n: p.default for n, p in inspect.signature(constructor).parameters.items() if p.kind is not p.KEYWORD_ONLY}
