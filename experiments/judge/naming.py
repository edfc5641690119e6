"""Who is called what: the one place where a tensor that has two names, or two orientations, is given the other one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

import manual.optim
from manual.concept import StraightLine

Named = Mapping[str, Any]
"""Arrays or tensors by name."""

State = Mapping[str, Mapping[str, Any]]
"""What an optimizer remembers of each parameter, by the parameter's name: {"W1": {"exp_avg": ..., "step": ...}}."""

Layout = Mapping[str, tuple[int, ...]]
"""The parameters of an optimizer, in its order: their names and shapes."""

Table = Mapping[str, tuple[str, bool]]
"""From a name on one side to that on the other, and whether the tensor is transposed on the way."""


class Naming:
    """A Twin's `names`, applied both ways: what is called W1 by hand and is the transpose of hidden.weight in torch.

    Args:
        names: from the hand's name to torch's, {"W1": "hidden.weight.T", "z1": "hidden"}. A parameter's (or a buffer's) may end in ".T":
            then torch holds its transpose. A value on the way is the output of the module of that name. What is not in here has the same
            name on both sides.

    Raises:
        ValueError: if one tensor of torch is given two names.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.to_torch: Table = {hand: (name.removesuffix(".T"), name.endswith(".T")) for hand, name in names.items()}
        self.to_hand: Table = {name: (hand, turned) for hand, (name, turned) in self.to_torch.items()}
        for hand, (name, _) in self.to_torch.items():
            if self.to_hand[name][0] != hand:
                raise ValueError(f"names: {hand} and {self.to_hand[name][0]} are both said to be {name} in torch")

    # ---- weights, gradients and values -------------------------------------------------------------

    def by_hand(self, tensors: Named) -> dict[str, Any]:
        """Torch's tensors under the names and with the axes that they have by hand; views of them, if they are transposed.

        Raises:
            ValueError: if one is called as it would be by hand, and not as the module calls it.
        """
        return renamed(tensors, self.to_hand)

    def in_torch(self, tensors: Named) -> dict[str, Any]:
        """The other way round."""
        return renamed(tensors, self.to_torch)

    def place(self, name: str) -> tuple[str, bool]:
        """The name by hand of one of torch's tensors, and whether it is transposed there."""
        return self.to_hand.get(name, (name, False))

    def called(self, name: str) -> str:
        """The name by hand of one of torch's tensors, or of what one of its modules puts out."""
        return self.place(name)[0]

    # ---- what an optimizer remembers ---------------------------------------------------------------

    def state_by_hand(self, state: State, theirs: Layout, ours: Layout | None = None) -> dict[str, dict[str, Any]]:
        """An optimizer's state in torch as it is by hand.

        Args:
            state: by the names of torch.
            theirs: the parameters of the optimizer in torch.
            ours: those of the optimizer by hand, which may have another order; torch's unless given.
        """
        return self.to_hand_of(theirs, ours).state(state)

    def to_hand_of(self, theirs: Layout, ours: Layout | None = None) -> Move:
        """What brings the state of one optimizer over, again and again; arguments as of `state_by_hand`."""
        return Move(theirs, list(ours or map(self.called, theirs)), self.to_hand)

    def state_in_torch(self, state: State, ours: Layout, theirs: Layout) -> dict[str, dict[str, Any]]:
        """The other way round."""
        return Move(ours, list(theirs), self.to_torch).state(state)

    # ---- what cannot be ----------------------------------------------------------------------------

    def check(self, ours: Any, theirs: Any) -> None:
        """Raise ValueError for a name that one of the sides does not have, and for shapes that do not fit.

        Args:
            ours: a model by hand.
            theirs: its module in torch.
        """
        by_hand = {name: tuple(a.shape) for name, a in [*ours.named_parameters(), *ours.named_buffers()]}
        in_torch = {name: tuple(t.shape) for name, t in [*theirs.named_parameters(), *theirs.named_buffers()]}
        modules, values = {name for name, _ in theirs.named_modules()}, names_of_values(ours)
        for hand, (name, turned) in self.to_torch.items():
            if hand in by_hand:
                check_shape(hand, by_hand[hand], name, in_torch, turned)
            elif values is not None and hand not in values:
                raise ValueError(f"names: {type(ours).__name__} by hand has neither a parameter nor a value {hand}")
            elif turned or name not in modules:
                raise ValueError(f"names: {hand} is a value by hand, so {name}{'.T' * turned} must be a module of torch, which it is not")

    def differing_step(self, model: Any, optimizer: Any) -> str | None:
        """Why an optimizer takes other steps by hand than in torch: Muon's length looks at which side of a matrix is the longer.

        Args:
            model: by hand.
            optimizer: of it.

        Returns:
            A sentence for the user; None if all its steps are the same.
        """
        for group in optimizer.param_groups if isinstance(optimizer, manual.optim.Muon) else ():
            for name, (rows, columns) in layout(model, optimizer, group).items():
                if name in self.to_torch and self.to_torch[name][1] and rows != columns and group["adjust_lr_fn"] != "match_rms_adamw":
                    return (
                        f"Muon takes a step of another length for a transposed matrix, and {name} is ({rows}, {columns}) by hand and "
                        f"({columns}, {rows}) in torch: set its adjust_lr_fn to match_rms_adamw, or choose another optimizer"
                    )
        return None


def renamed(tensors: Named, table: Table) -> dict[str, Any]:
    """The same tensors under the other side's names."""
    if not table:
        return dict(tensors)
    here = {there: name for name, (there, _) in table.items()}
    if foreign := [f"{name} is called {here[name]} on this side" for name in tensors if name in here and name not in table]:
        raise ValueError(f"names: {', '.join(foreign)}")
    found = {}
    for name, tensor in tensors.items():
        there, turned = table.get(name, (name, False))
        found[there] = tensor.T if turned else tensor
    return found


class Move:
    """What an optimizer remembers, from one side to the other: what has a parameter's shape goes with it, counters stay as they are.

    L-BFGS remembers vectors of all parameters, one after the other, under the name of the first. They are taken apart, and put together
    in the order of the other side.

    Args:
        source: the optimizer's parameters on this side.
        target: their names on the other side, in its order.
        table: from this side's names to the other's.
    """

    def __init__(self, source: Layout, target: Sequence[str], table: Table) -> None:
        self.source, self.target = source, list(target)
        self.there = {name: table.get(name, (name, False)) for name in source}
        self.flat = (sum(map(math.prod, source.values())),)
        self.alike = list(source) == self.target and not any(turned for _, turned in self.there.values())

    def state(self, state: State) -> dict[str, dict[str, Any]]:
        """All of it."""
        if self.alike:
            return {name: dict(of) for name, of in state.items()}
        found = {}
        for name, of in state.items():
            whole = any(self.is_flat(value, name) for value in of.values())
            found[self.target[0] if whole else self.there[name][0]] = {key: self.entry(value, name) for key, value in of.items()}
        return found

    def is_flat(self, value: Any, name: str) -> bool:
        """Whether this entry of a parameter's state is a vector of all parameters, or a list of such."""
        if isinstance(value, list):
            return any(self.is_flat(v, name) for v in value)
        return np.shape(value) == self.flat != self.source[name]

    def entry(self, value: Any, name: str) -> Any:
        """One entry of a parameter's state."""
        if isinstance(value, list):
            return [self.entry(v, name) for v in value]
        if self.is_flat(value, name):
            return self.in_order(value)
        return value.T if self.there[name][1] and np.shape(value) == self.source[name] else value

    def in_order(self, flat: Any) -> Any:
        """A vector of all parameters in the order, and with each in the orientation, of the other side."""
        parts, begin = {}, 0
        for name, shape in self.source.items():
            part = flat[begin : begin + math.prod(shape)].reshape(shape)
            there, turned = self.there[name]
            parts[there] = (part.T if turned else part).reshape(-1)
            begin += math.prod(shape)
        pieces = [parts[name] for name in self.target]
        return torch.cat(pieces) if isinstance(flat, torch.Tensor) else np.concatenate(pieces)


def layout(model: Any, optimizer: Any, group: Mapping[str, Any] | None = None) -> Layout:
    """The parameters of an optimizer of either side.

    Args:
        model: which calls them by their names.
        optimizer: of it.
        group: one of its `param_groups`; all of them unless given.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)]: tuple(p.shape) for g in ([group] if group else optimizer.param_groups) for p in g["params"]}


def check_shape(hand: str, shape: tuple[int, ...], name: str, in_torch: Layout, turned: bool) -> None:
    """Raise ValueError unless torch has this tensor, and with this shape, transposed if so."""
    if name not in in_torch:
        raise ValueError(f"names: {hand} is said to be {name}, but torch's tensors are {', '.join(in_torch)}")
    theirs = in_torch[name]
    if turned and len(theirs) != 2:
        raise ValueError(f"names: {name} has shape {theirs}: only what has two axes is transposed, leave the .T out")
    if shape != (theirs[::-1] if turned else theirs):
        raise ValueError(f"names: {hand} has shape {shape} by hand, but {name} has {theirs} in torch{' and is transposed' * turned}")


def names_of_values(model: Any) -> set[str] | None:
    """What a hand-written model names on the way: what a straight line's backward is given, else its modules; None if it does not say."""
    if not isinstance(model, StraightLine):
        return {name for name, _ in model.named_modules()}
    given = inspect.signature(model.functions[2]).parameters.values()  # x, y and then what has a name
    return None if any(p.kind is p.VAR_KEYWORD for p in given) else {p.name for p in given}
