"""What every optimizer is made of: parameter groups, the state of each parameter, and the loop over both."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from manual.module import Parameter
from manual.nn.arguments import expect_kinds, expect_number, kinds_of

Hook = Callable[["Optimizer", tuple[Any, ...], dict[str, Any]], Any]
"""hook(optimizer, args, kwargs), with the arguments that `step` was called with, the optimizer itself first."""

State = dict[str, Any]
"""What an optimizer remembers of one parameter, under torch's keys."""

FLAGS = ("foreach", "fused", "capturable", "differentiable")
"""Arguments of torch that choose how an update is computed, never which: None or False here."""

LATE = (*FLAGS, "maximize", "decoupled_weight_decay")
"""Options that state_dicts of older versions of torch do not have; the optimizer's own default then stands."""

SET_BY_SCHEDULES = dict.fromkeys(("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"), "float")
"""Options of a group that a schedule has put there, and their kind."""

BLOCK = 2**16
"""How many entries of a parameter are updated at a time: few enough for all arrays of an update to stay in the cache."""


class Optimizer:
    """The loop that all optimizers share: for each parameter that has a gradient, `update` it (torch.optim.Optimizer).

    A subclass says what it remembers of a parameter (`new_state`), how the parameter moves (`update`), which numbers that
    takes beside the options (`advance`), and which options make sense (`check`).

    Args:
        params: the parameters, or (name, parameter) pairs as `named_parameters()` gives them, or one dict per
            group: {"params": [...], "lr": 0.01, ...}, whose options come before the constructor's.
        defaults: the options of a group that does not set its own.

    Attributes:
        param_groups: one dict per group: "params", and every option under its own name.
        state: what is remembered of each parameter; the key is its number, counted through all groups.
        elementwise: whether `update` treats each entry alone, so that it may be given a block of them.

    Raises:
        ValueError: if there is no parameter, one comes twice, or an option is out of its range.
        TypeError: if something is no Parameter.
        NotImplementedError: if `foreach`, `fused`, `capturable` or `differentiable` is set.
    """

    elementwise = True

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        name = type(self).__name__
        if isinstance(params, Parameter):
            raise TypeError(f"{name}: params must be an iterable of Parameters or of dicts, got one Parameter")
        self.defaults = defaults
        self._check_options(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[int, State] = {}
        self.has_stepped = False
        self._pre_hooks: dict[int, Hook] = {}
        self._post_hooks: dict[int, Hook] = {}
        groups = list(params)
        if not groups:
            raise ValueError(f"{name}: params must hold at least one Parameter, got none")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    # ---- what a subclass writes ------------------------------------------------------------------
    # each names its own options; `*_: Any, **options: Any` is how a type says that it may

    def check(self, *_: Any, **options: Any) -> None:
        """Raise ValueError for options that make no sense; called with each group's."""

    def check_parameter(self, p: np.ndarray) -> None:
        """Raise ValueError for a parameter that this optimizer cannot update."""

    def new_state(self, p: np.ndarray, *_: Any, **options: Any) -> State:
        """What is remembered of a parameter before its first update."""
        return {}

    def advance(self, p: np.ndarray, state: State, *_: Any, **options: Any) -> dict[str, Any]:
        """Count the step of a parameter, and return the numbers that `update` needs beside the options: t, how many steps so far."""
        if "step" not in state:
            return {}
        state["step"] += 1
        return {"t": float(state["step"])}

    def update(self, p: np.ndarray, g: np.ndarray, state: State, *_: Any, **options: Any) -> None:
        """Move p, or a block of it, in place, given its gradient g (negated where `maximize`), which must not be changed."""
        raise NotImplementedError(f"{type(self).__name__} has no update")

    # ---- the loop --------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; hooks are called before and after.

        Args:
            closure: computes the loss and the gradients anew; called before the updates (by L-BFGS, several times).

        Returns:
            What closure returned, the first time.
        """
        args: tuple[Any, ...] = (self,) if closure is None else (self, closure)
        kwargs: dict[str, Any] = {}
        for hook in list(self._pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        loss = self.take_step(*args[1:], **kwargs)
        for hook in list(self._post_hooks.values()):
            hook(self, args, kwargs)
        return loss

    def take_step(self, closure: Callable[[], Any] | None = None) -> Any:
        """What `step` does between its hooks. An optimizer that steps otherwise overrides this."""
        loss = None if closure is None else closure()
        self.has_stepped = True
        index = 0
        for group in self.param_groups:
            options = plain(group)
            for p in group["params"]:
                if p.has_grad:
                    state = self.state.get(index) or self.new_state(p.data, **options)
                    self._move(p.data, -p.grad if options.get("maximize") else p.grad, state, options)
                    if state:  # where there is nothing to remember torch has no entry either
                        self.state[index] = state
                index += 1
        return loss

    def _move(self, p: np.ndarray, g: np.ndarray, state: State, options: dict[str, Any]) -> None:
        options = options | self.advance(p, state, **options)
        if self.elementwise and p.size > BLOCK and p.flags.c_contiguous:
            for block in blocks(p, g, state):
                self.update(*block, **options)
        else:
            self.update(p, g, state, **options)

    def register_step_pre_hook(self, hook: Hook) -> RemovableHook:
        """Call hook(optimizer, args, kwargs) before every step; where it returns (args, kwargs), they stand in for those of the call.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return RemovableHook(self._pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHook:
        """Call hook(optimizer, args, kwargs) after every step, when the parameters have moved.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        return RemovableHook(self._post_hooks, hook)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (with set_to_none=False: set those that are there to 0)."""
        for p in self.parameters():
            if p.has_grad:
                p.grad = None if set_to_none else np.zeros_like(p.data)

    def parameters(self) -> list[Parameter]:
        """The parameters of all groups, in the order of their numbers."""
        return list(chain.from_iterable(group["params"] for group in self.param_groups))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Let more parameters learn, with options of their own; what is not set is as in the constructor."""
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(f"{name}: a parameter group must be a dict, got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(f"{name}: params must have an order, got a set")
        params = [params] if isinstance(params, Parameter) else list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        if names and len(names) != len(params):
            raise ValueError(f"{name}: all parameters of a group must have names or none, got {len(names)} names for {len(params)}")
        if self.param_groups and bool(names) != ("param_names" in self.param_groups[0]):
            raise ValueError(f"{name}: all groups must have named parameters or none")
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        known = {id(p) for p in self.parameters()}
        for p in params:
            if not isinstance(p, Parameter):
                raise TypeError(f"{name}: params must be Parameters, got {type(p).__name__}")
            if id(p) in known:
                raise ValueError(f"{name}: each parameter may come only once, got one of shape {p.shape} twice")
            self.check_parameter(p.data)
            known.add(id(p))
        group = {**param_group, "params": params} | ({"param_names": names} if names else {})
        group |= {key: value for key, value in self.defaults.items() if key not in group}
        self._check_options(without_params(group))
        self.param_groups.append(group)

    def _check_options(self, options: dict[str, Any]) -> None:
        cls: Any = type(self)
        expect_kinds(cls.__name__, kinds_of(cls) | SET_BY_SCHEDULES, plain(options))
        for flag in FLAGS:
            if options.get(flag):
                raise NotImplementedError(f"{type(self).__name__}: {flag} must be None or False, got {options[flag]!r}")
        self.check(**plain(options))

    def __repr__(self) -> str:
        """The options of every group, a line for each, as torch shows them."""
        lines = []
        for i, group in enumerate(self.param_groups):
            lines += ["", f"Parameter Group {i}", *(f"    {key}: {group[key]}" for key in sorted(without_params(group)))]
        return "\n".join([f"{type(self).__name__} (", *lines[1:], ")"])

    # ---- state in and out ------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copies of state and options, in torch's layout with arrays in place of tensors.

        Returns:
            {"state": {0: {"exp_avg": ..., ...}, 1: ...}, "param_groups": [{"lr": ..., ..., "params": [0, 1]}]}
        """
        return {"state": copy.deepcopy(self.state), "param_groups": self.pack_groups()}

    def pack_groups(self) -> list[dict[str, Any]]:
        """The "param_groups" of `state_dict`: copies of all options, and numbers in the place of the parameters."""
        numbers = iter(range(len(self.parameters())))
        return [{**copy.deepcopy(without_params(g)), "params": [next(numbers) for _ in g["params"]]} for g in self.param_groups]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy state and options in: from `state_dict()`, or from torch's with its tensors made arrays.

        Floating arrays take their parameter's dtype, but for the step counter.

        Raises:
            ValueError, TypeError: naming what does not fit this optimizer's parameters, or makes no sense; nothing is loaded then.
        """
        for key in ("param_groups", "state"):
            if not isinstance(state_dict, Mapping) or key not in state_dict:
                raise ValueError(f"{type(self).__name__}: a state_dict must hold 'param_groups' and 'state', got none of {key!r}")
        groups = [dict(copy.deepcopy(group)) for group in state_dict["param_groups"]]
        self._check_groups(groups)
        numbers = list(chain.from_iterable(group["params"] for group in groups))  # torch's ids, in our order
        options = list(chain.from_iterable([without_params(group)] * len(group["params"]) for group in groups))
        state: dict[int, State] = {}
        for index, (number, p, option) in enumerate(zip(numbers, self.parameters(), options, strict=True)):
            if number in state_dict["state"]:
                state[index] = {key: cast(key, value, p) for key, value in state_dict["state"][number].items()}
                self._check_state(index, p, state[index], option)
        surplus = [number for number in state_dict["state"] if number not in numbers]
        if surplus:
            raise ValueError(f"{type(self).__name__}: state_dict holds state of {surplus}, which are in none of its groups")
        self.state = state
        for group, loaded in zip(self.param_groups, groups, strict=True):
            names = {"param_names": group["param_names"]} if "param_names" in group else {}
            late = {key: value for key, value in self.defaults.items() if key in LATE}
            params = group["params"]
            group.clear()
            group.update({**late, **names, **loaded, "params": params})

    def _check_groups(self, groups: list[dict[str, Any]]) -> None:
        """Raise ValueError unless the groups have this optimizer's sizes and options."""
        name = type(self).__name__
        sizes, loaded = [len(g["params"]) for g in self.param_groups], [len(g["params"]) for g in groups]
        if sizes != loaded:
            raise ValueError(f"{name}: state_dict must have groups of {sizes} parameters, got {loaded}")
        for i, group in enumerate(groups):
            missing = [key for key in self.defaults if key not in group and key not in LATE]
            if missing:
                raise ValueError(f"{name}: param_groups[{i}] of the state_dict lacks {', '.join(missing)}: saved by another optimizer?")
            self._check_options(self.defaults | without_params(group))

    def _check_state(self, index: int, p: Parameter, state: State, options: dict[str, Any]) -> None:
        """Raise ValueError unless a parameter's state has all its entries, in their shapes."""
        name = type(self).__name__
        fresh = self.new_state(p.data, **plain(options)) if state else {}
        missing = [key for key in fresh if key not in state]
        if missing:
            raise ValueError(f"{name}: state of parameter {index} lacks {', '.join(missing)}")
        for key, value in state.items():
            shape = np.shape(fresh.get(key, p))
            if value is not None and np.shape(value) != shape:
                raise ValueError(f"{name}: {key} of parameter {index} must have shape {shape}, got {np.shape(value)}")

    # ---- words for bad options -------------------------------------------------------------------

    def expect_at_least_zero(self, **options: Any) -> None:
        """Raise ValueError, naming the option, unless all are ≥ 0 (NaN is not)."""
        for key, value in options.items():
            if not value >= 0:
                raise ValueError(f"{type(self).__name__}: {key} must be at least 0, got {value}")

    def expect_betas(self, betas: tuple[float, float]) -> None:
        """Raise ValueError unless both are in [0, 1)."""
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"{type(self).__name__}: betas[{i}] must be in [0, 1), got {beta}")


class RemovableHook:
    """A hook's place among the hooks of an optimizer: they are called in the order in which they came."""

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        self.hooks, self.key = hooks, max(hooks, default=-1) + 1
        hooks[self.key] = hook

    def remove(self) -> None:
        """Take the hook away; doing so twice does no harm."""
        self.hooks.pop(self.key, None)


def blocks(p: np.ndarray, g: np.ndarray, state: State) -> Iterator[tuple[np.ndarray, np.ndarray, State]]:
    """A parameter, its gradient and its state in blocks: flat views of so many entries at a time.

    An update passes over its arrays ten times or so, and a large parameter leaves the cache in between: in blocks the
    update of a million entries takes two thirds of the time.
    """
    flat = {key: value.reshape(-1) for key, value in state.items() if np.shape(value) == p.shape}
    for start in range(0, p.size, BLOCK):
        part = slice(start, start + BLOCK)
        yield p.reshape(-1)[part], g.reshape(-1)[part], {key: value[part] for key, value in flat.items()}


def plain(options: dict[str, Any]) -> dict[str, Any]:
    """The same options with Python's numbers in place of NumPy's, which would turn float32 state into float64."""
    return {key: number(value) if isinstance(value, np.generic | np.ndarray | tuple) else value for key, value in options.items()}


def number(value: Any) -> Any:
    """Python's number for a NumPy one, alone or in a tuple; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(number(v) for v in value)
    return value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value


def without_params(group: dict[str, Any]) -> dict[str, Any]:
    """The options of a group."""
    return {key: value for key, value in group.items() if key != "params"}


def cast(key: str, value: Any, p: Parameter) -> Any:
    """A copy of an entry of the state; floating arrays take the parameter's dtype, the step counter keeps its own."""
    if isinstance(value, list):
        return [cast(key, v, p) for v in value]
    if not isinstance(value, np.ndarray | np.generic | int | float | None):
        raise TypeError(f"{key} in a state_dict must be an array or a number, got {type(value).__name__}")
    if value is not None and np.asarray(value).dtype.kind not in "biuf":
        raise TypeError(f"{key} in a state_dict must hold real numbers, got dtype {np.asarray(value).dtype}")
    if key == "step":
        if np.ndim(np.asarray(value)) == 0:
            expect_number("a state_dict", "step", number(value))
        if np.any(np.asarray(value) < 0):
            raise ValueError(f"step in a state_dict must be at least 0, got {value}")
        return np.array(value, dtype=getattr(value, "dtype", np.float32))  # a plain number in old versions of torch
    if isinstance(value, np.ndarray | np.generic) and np.issubdtype(value.dtype, np.floating):
        return np.array(value, dtype=p.dtype, order="C")
    return copy.deepcopy(value)


def new_counter() -> np.ndarray:
    """How many updates a parameter has had: 0, in the form in which torch keeps it (float32, no axes)."""
    return np.zeros((), dtype=np.float32)
