"""Modules made of modules: the twins of torch.nn.Sequential and torch.nn.ModuleList."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
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
