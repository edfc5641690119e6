"""Parameters in a list or a dict, so that they are found: the twins of torch.nn.ParameterList and torch.nn.ParameterDict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.container import _Named


class ParameterDict(_Named):
    """A dict of parameters that are found, and that has no forward of its own (torch.nn.ParameterDict).

    Args:
        parameters: what it holds at first: a dict, or (key, parameter) pairs. An array becomes a Parameter; anything else is kept as it is.

    Raises:
        TypeError: if a key is not a string, or an array not of floating point.
        KeyError: if a key is empty, holds a dot, or is the name of an attribute that a Module has.
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__(parameters)

    def _as_entry(self, value: Any) -> Any:
        return as_parameter(value)

    def extra_repr(self) -> str:
        """A line for each entry."""
        return lines_of(self.items())

    def update(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Set these entries; those of a plain dict in the order of the alphabet, as torch: optimizers count through it."""
        if isinstance(entries, Mapping) and not isinstance(entries, OrderedDict):
            entries = sorted(entries.items())
        super().update(entries)


class ParameterList(Module):
    """A list of parameters that are found, and that has no forward of its own (torch.nn.ParameterList).

    Each is an attribute whose name is its number: the state_dict keys are 0, 1, ...

    Args:
        values: what it holds at first. An array becomes a Parameter; anything else is kept as it is.

    Raises:
        TypeError: if an array is not of floating point.
        IndexError: if there is no place of a number.
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend(values if values is not None else [])

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):  # the same parameters, numbered anew (as torch)
            return ParameterList(list(self)[index])
        return getattr(self, self._name_at(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._name_at(index), as_parameter(value))

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """Add one at the end, under the next number."""
        entry = as_parameter(value)
        self._size += 1
        self[-1] = entry
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add these at the end."""
        if isinstance(values, np.ndarray | Parameter) or not isinstance(values, Iterable):
            raise TypeError(f"ParameterList: values must be an iterable of parameters, got {type(values).__name__}")
        for value in values:
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """A line for each entry."""
        return lines_of(enumerate(self))

    def _name_at(self, index: int) -> str:
        """The name of the entry at this place, counted from the end if negative."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"ParameterList: index must lie in {-len(self)} … {len(self) - 1}, got {index}")
        return str(index % len(self))


def lines_of(entries: Iterable[tuple[Any, Any]]) -> str:
    """What torch shows of each entry, in its layout: dtype and shape of a Parameter, of anything else its type."""
    return "\n".join(
        f"  ({key}): Parameter containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
        if isinstance(value, Parameter)
        else f"  ({key}): Object of type: {type(value).__name__}"
        for key, value in entries
    )


def as_parameter(value: Any) -> Any:
    """An array as a Parameter; anything else as it is."""
    return Parameter(value) if isinstance(value, np.ndarray) else value
