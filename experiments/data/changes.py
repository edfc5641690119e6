"""Data modules whose arrays are changed: for the options of a model that need other data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from experiments.data.arrays import ArrayData, Split


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
