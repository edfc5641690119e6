"""A second legal value for every option of a concept, so that no option can be ignored unnoticed."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from experiments.data.arrays import ArrayData, Split

if TYPE_CHECKING:
    from experiments.pair import Twin


class NoSecondValue(LookupError):
    """No type tells a second value of this option, and its Twin declares none."""


@dataclass(frozen=True)
class Second:
    """A second value, where it needs company: it stands in a Twin's `options` in place of a plain value.

    Args:
        value: of the option.
        given: other hyperparameters, with which the option is looked at: a horizon does nothing to a constant step size.
        data_args: arguments of the data module, likewise.
        data: what becomes of the arrays with the second value: a layer for one feature less needs data of one feature less.
    """

    value: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    data_args: Mapping[str, Any] = field(default_factory=dict)
    data: Callable[[Split], Split] | None = None


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


def changed(data: type[ArrayData], change: Callable[[Split], Split]) -> type[ArrayData]:
    """The same data module, whose arrays are changed."""

    class Changed(data):  # type: ignore[misc, valid-type]
        def load(self) -> Split:
            return change(super().load())

        def stand_in(self) -> Split:
            return change(super().stand_in())

    return Changed


def first_columns(n: int, array: int = 0) -> Callable[[Split], Split]:
    """A change of data: only the first n columns of one of the arrays are kept."""

    def narrow(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(a[:, :n] if i == array else a for i, a in enumerate(arrays))

    return lambda split: Split(narrow(split.train), narrow(split.val))


def defaults(constructor: Any) -> dict[str, Any]:
    """The default of every argument of a concept's constructor, but for those that only the hand-written side has."""
    return {n: p.default for n, p in inspect.signature(constructor).parameters.items() if p.kind is not p.KEYWORD_ONLY}
