"""Modules made of modules: the twins of torch.nn.Sequential, ModuleList and ModuleDict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from manual.module import Module


def expect_module(container: str, module: Any) -> None:
    """Raise TypeError unless it is a Module."""
    if not isinstance(module, Module):
        raise TypeError(f"{container}: every entry must be a Module, got {type(module).__name__}")


class _Numbered(Module):
    """Modules in a row, each an attribute whose name is its number: the state_dict keys are 0.weight, 1.weight, ..."""

    def __len__(self) -> int:
        return len(list(self.named_children()))

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def __getitem__(self, index: int) -> Any:
        return getattr(self, self.name_at(index))

    def __setitem__(self, index: int, module: Module) -> None:
        expect_module(type(self).__name__, module)
        setattr(self, self.name_at(index), module)

    def append(self, module: Module) -> Any:
        """Add one module at the end, under the next number."""
        expect_module(type(self).__name__, module)
        setattr(self, str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add these modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def name_at(self, index: int) -> str:
        """The name of the module at this place, counted from the end if negative."""
        names = [name for name, _ in self.named_children()]
        if not -len(names) <= index < len(names):
            raise IndexError(f"{type(self).__name__}: index must lie in {-len(names)} … {len(names) - 1}, got {index}")
        return names[index]


class Sequential(_Numbered):
    """Modules one after the other, each fed with what the one before it returned (torch.nn.Sequential).

    y = f_n(... f_2(f_1(x))), so by the chain rule ∂L/∂x = f_1.backward(f_2.backward(... f_n.backward(∂L/∂y))):
    the same modules, last first.

    Args:
        args: the modules, named 0, 1, ...; or one OrderedDict of them, with names of their own.

    Raises:
        TypeError: if one of them is not a Module.
    """

    def __init__(self, *args: Module | OrderedDict[str, Module]) -> None:
        super().__init__()
        named = args[0] if len(args) == 1 and isinstance(args[0], OrderedDict) else {str(i): module for i, module in enumerate(args)}
        for name, module in named.items():
            expect_module("Sequential", module)
            setattr(self, name, module)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):  # the same modules, under the names they have here (as torch)
            return Sequential(OrderedDict(list(self.named_children())[index]))
        return super().__getitem__(index)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def backward(self, dL_dy: Any) -> Any:
        for module in reversed(list(self)):
            dL_dy = module.backward(dL_dy)
        return dL_dy


class ModuleList(_Numbered):
    """A list of modules whose parameters are found, and that has no forward of its own (torch.nn.ModuleList).

    Args:
        modules: what it holds at first.

    Raises:
        TypeError: if one of them is not a Module.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or [])

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):  # the same modules, numbered anew (as torch)
            return ModuleList(list(self)[index])
        return super().__getitem__(index)

    def _texts_inside(self) -> Iterator[tuple[str, str]]:
        """As torch shows a list: (0-3) for neighbours that look alike, and how many they are."""
        for text, alike in groupby(super()._texts_inside(), key=lambda inside: inside[1]):
            names = [name for name, _ in alike]
            yield (names[0], text) if len(names) == 1 else (f"{names[0]}-{names[-1]}", f"{len(names)} x {text}")


class _Named(Module):
    """ModuleDict and ParameterDict: a dict whose entries are attributes, under their keys."""

    def __init__(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        self.update(entries or {})

    def _as_entry(self, value: Any) -> Any:
        """What is kept of a value; TypeError if nothing can be."""
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        name, entry = type(self).__name__, self._as_entry(value)
        if not isinstance(key, str):
            raise TypeError(f"{name}: a key must be a string, got {type(key).__name__}")
        if key == "" or "." in key or (hasattr(self, key) and key not in self._keys):
            raise KeyError(f"{name}: a key must not be empty, nor hold a dot, nor be the name of an attribute, got {key!r}")
        self._keys[key] = None
        setattr(self, key, entry)

    def __delitem__(self, key: str) -> None:
        if key not in self._keys:
            raise KeyError(key)
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._keys))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def keys(self) -> list[str]:
        """The names, in the order in which they came."""
        return list(self._keys)

    def values(self) -> list[Any]:
        """What stands under them."""
        return [self[key] for key in self._keys]

    def items(self) -> list[tuple[str, Any]]:
        """Both."""
        return [(key, self[key]) for key in self._keys]

    def pop(self, key: str) -> Any:
        """Take an entry out."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Take all entries out."""
        for key in self:
            del self[key]

    def update(self, entries: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Set these entries, in their order; one that was there keeps its place."""
        pairs = entries.items() if isinstance(entries, Mapping | _Named) else entries
        for key, value in pairs:
            self[key] = value


class ModuleDict(_Named):
    """A dict of modules whose parameters are found, and that has no forward of its own (torch.nn.ModuleDict).

    Args:
        modules: what it holds at first: a dict, or (key, module) pairs.

    Raises:
        TypeError: if one of them is not a Module, or a key not a string.
        KeyError: if a key is empty, holds a dot, or is the name of an attribute that a Module has.
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__(modules)

    def _as_entry(self, value: Any) -> Module:
        expect_module("ModuleDict", value)
        return value
