"""What every hand-written layer is made of: `Parameter`, `Module` and the memory between forward and backward.

The vocabulary is that of torch.nn. What torch hides, the record that `loss.backward()` walks back over,
is in the open here: `forward` calls `save`, `backward` calls `restore`, last saved first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import indent
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

_saving = [True]  # one switch for the whole process, as torch's grad mode; no_grad() turns it off


@contextmanager
def no_grad() -> Iterator[None]:
    """Run forwards that save nothing, because no backward will follow (torch.no_grad)."""
    before, _saving[0] = _saving[0], False
    try:
        yield
    finally:
        _saving[0] = before


def is_saving() -> bool:
    """Whether forwards save what a backward needs (torch.is_grad_enabled)."""
    return _saving[0]


class NoGradient(np.ndarray):
    """What stands for the gradient of a parameter that no backward has reached: zeros, to be read and added to, but not written into.

    Written into they would be lost: the parameter does not hold them. torch has None in their place, which refuses the same.
    """

    @classmethod
    def of(cls, data: np.ndarray) -> NoGradient:
        """Zeros of this shape and dtype: one 0, which takes no memory, read at every place."""
        return cls(data.shape, data.dtype, bytes(data.itemsize), strides=(0,) * data.ndim)

    def __iadd__(self, dL_dp: Any) -> np.ndarray:  # type: ignore[misc, override]  # a plain array: this one stays 0
        return np.add(self, dL_dp, out=np.empty(self.shape, self.dtype))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("no backward has reached this parameter: there is no gradient to write into, assign one: p.grad = dL_dp")

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain


class FrozenGradient(np.ndarray):
    """The gradient of a parameter that is kept fixed, as it stood when it was frozen: a backward's `p.grad += dL_dp` adds nothing to it."""

    def __iadd__(self, dL_dp: Any) -> FrozenGradient:  # type: ignore[misc]
        return self

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain


class Parameter(NDArrayOperatorsMixin):
    """An array that is learned, with the gradient of the loss with respect to it beside it.

    It stands for its array in any expression (`x @ p.T + q`), and every result is a plain array;
    only `p -= step` changes the parameter itself and keeps its identity.

    Args:
        data: the values, copied; any shape, a floating dtype.
        requires_grad: False keeps it fixed: no backward adds to its gradient, and without one optimizers skip it. A gradient that it had
            before stays until `zero_grad`, and is used, as in torch.

    Raises:
        TypeError: if `data` is not floating point.
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self.data = np.array(data)
        if not np.issubdtype(self.data.dtype, np.floating):
            raise TypeError(f"a Parameter holds floating point numbers, got dtype {self.data.dtype}")
        self.requires_grad = requires_grad
        self._grad: np.ndarray | None = None

    @property
    def grad(self) -> np.ndarray:
        """∂L/∂p, summed over every backward since `zero_grad`; before the first zeros of p's shape, into which nothing can be written."""
        grad = NoGradient.of(self.data) if self._grad is None else self._grad
        return grad if self.requires_grad else grad.view(FrozenGradient)

    @grad.setter
    def grad(self, dL_dp: np.ndarray | None) -> None:
        if dL_dp is not None and np.shape(dL_dp) != self.data.shape:
            raise ValueError(f"a gradient has its parameter's shape: expected {self.data.shape}, got {np.shape(dL_dp)}")
        if not isinstance(dL_dp, FrozenGradient):  # else it is here already: `p.grad += dL_dp` assigns what it has read
            self._grad = dL_dp

    @property
    def has_grad(self) -> bool:
        """Whether a backward has reached this parameter (in torch: `p.grad is not None`)."""
        return self._grad is not None

    def give_grad(self, dL_dp: np.ndarray) -> None:
        """`p.grad += dL_dp`, of an array that nobody else holds: the first one is the gradient from then on, and no copy of it is made."""
        if self.has_grad or not self.requires_grad or dL_dp.dtype != self.data.dtype:
            self.grad += dL_dp
        else:
            self.grad = dL_dp

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        arrays = [x.data if isinstance(x, Parameter) else x for x in inputs]
        if out is None:
            return getattr(ufunc, method)(*arrays, **kwargs)
        targets = tuple(x.data if isinstance(x, Parameter) else x for x in out)
        getattr(ufunc, method)(*arrays, out=targets, **kwargs)
        return out[0] if len(out) == 1 else out

    def __getattr__(self, name: str) -> Any:  # shape, T, sum, reshape, ...: the array's own
        if name == "data" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.data, name)

    def __getitem__(self, index: Any) -> Any:
        return self.data[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.data[index] = value

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __repr__(self) -> str:
        """As torch's, but that the numbers print as NumPy's."""
        numbers = repr(self.data)
        return f"Parameter containing:\n{numbers[:-1]}, requires_grad=True)" if self.requires_grad else f"Parameter containing:\n{numbers}"


Array = np.ndarray | Parameter
"""What stands in a formula: an array, or a Parameter in the place of its array."""


class IncompatibleKeys(NamedTuple):
    """Which keys of a module and of a state_dict have no counterpart; what `load_state_dict` returns, as in torch."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def real_numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The value as an array of this shape; ValueError, saying what it is in words that go on after its name, if it is none of real numbers.

    Complex numbers would lose their imaginary part, None would become NaN.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of unequal length; torch's, of a tensor on a GPU, or with a gradient
        raise ValueError(f"is no array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"must hold real numbers, got dtype {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"has shape {array.shape}, expected {shape}")
    return array


class Module:
    """A differentiable function with parameters: `forward`, and right under it `backward`.

    `backward(dL_dy)` takes the gradient of the loss with respect to the output, adds each parameter's
    gradient into `Parameter.grad`, and returns the gradient with respect to the input: one array, or a
    tuple for several inputs with None for those that have no gradient (integers, masks).

    A module that forward calls T times is walked back T times, last call first.
    """

    training: bool = True
    late_buffers: tuple[str, ...] = ()
    """Buffers that state_dicts of older versions of torch do not have; the module's own then stay."""
    _shows: str = ""
    """What `extra_repr` says of a class: its attributes in braces; `{has_bias}` is whether `bias` is not None."""
    _shows_unless: Mapping[str, Any] = {}
    """What it says only where it is not as usual: an attribute (or `has_bias`), and its usual value (or that of each entry of a tuple)."""
    _not_shown: tuple[str, ...] = ()
    """Modules that the repr leaves out, because torch has a function in their place."""

    def __init__(self) -> None:
        self._saved: list[Any] = []
        self._buffers: list[str] = []

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.forward(*inputs, **kwargs)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Compute the output and `save` what backward needs."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dL_dy: Any) -> Any:
        """Turn ∂L/∂output into ∂L/∂input, adding every ∂L/∂parameter on the way."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    # ---- the memory between forward and backward -------------------------------------------------

    def save(self, *values: Any) -> None:
        """Keep what backward will need; `restore` returns it. Inside `no_grad()` nothing is kept."""
        if is_saving():
            self._saved.append(values[0] if len(values) == 1 else values)

    def restore(self) -> Any:
        """Return, and forget, what the latest forward saved.

        Raises:
            RuntimeError: if no forward is waiting for its backward.
        """
        if not self._saved:
            raise RuntimeError(
                f"{type(self).__name__}.backward was called without a forward: each backward undoes one "
                f"forward, and a forward inside no_grad() saves nothing"
            )
        return self._saved.pop()

    def forget(self) -> None:
        """Drop everything saved by forwards whose backward will not be called."""
        for _, module in self.named_modules():
            module._saved.clear()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, before the next backward (with set_to_none=False: set those that are there to 0).

        What forwards have saved stays: their backwards may still come.
        """
        for p in self.parameters():
            if p.has_grad:
                p.grad = None if set_to_none else np.zeros_like(p.data)

    def check_nothing_saved(self) -> None:
        """Raise RuntimeError, naming the module, if a forward still waits for its backward."""
        for name, module in self.named_modules():
            if module._saved:
                raise RuntimeError(
                    f"{len(module._saved)} forward(s) of {name or type(self).__name__} still wait for their backward: "
                    f"call backward, or wrap the forward in no_grad(), or drop them with forget()"
                )

    # ---- how it prints ---------------------------------------------------------------------------

    def __repr__(self) -> str:
        """The class, what `extra_repr` says, and every module inside on lines of its own: torch's layout."""
        extra = self.extra_repr()
        inside = [f"({name}): {text}" for name, text in self._texts_inside()]
        if not inside and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        lines = "\n".join(filter(None, [extra, *inside]))
        return f"{type(self).__name__}(\n{indent(lines, '  ')}\n)"

    def extra_repr(self) -> str:
        """What the repr says of this module beside its class and what is inside; a subclass may say something else."""
        values = vars(self) | {f"has_{name}": value is not None for name, value in vars(self).items()}
        said = [self._shows.format_map(values)]
        for name, usual in self._shows_unless.items():
            value = values.get(name, usual)
            if value != usual and not (isinstance(value, tuple) and set(value) == {usual}):
                said.append(f"{name.removeprefix('has_')}={value}")
        return ", ".join(filter(None, said))

    def _texts_inside(self) -> Iterable[tuple[str, str]]:
        """The name and the repr of every module inside."""
        return [(name, repr(child)) for name, child in self.named_children() if name not in self._not_shown]

    # ---- what is inside --------------------------------------------------------------------------

    def register_buffer(self, name: str, value: np.ndarray | None) -> None:
        """Make `self.<name>` an array that is saved in the state_dict but not learned (None: not saved)."""
        setattr(self, name, value)
        self._buffers.append(name)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one, in the order in which they were set."""
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; a shared module comes once."""
        return self._named_modules(prefix, set())

    def _named_modules(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) not in seen:
            seen.add(id(self))
            yield prefix, self
            for name, child in self.named_children():
                yield from child._named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names, in torch's order; a shared parameter comes once."""
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{prefix}.{name}" if prefix else name, value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        """All registered buffers that are not None, with dotted names."""
        for prefix, module in self.named_modules():
            for name in module._buffers:
                if getattr(module, name) is not None:
                    yield f"{prefix}.{name}" if prefix else name, getattr(module, name)

    def train(self, mode: bool = True) -> Module:
        """Set training behaviour (dropout draws, batch norm measures) here and below; ValueError unless mode is a boolean."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be True or False, got {mode!r}")
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Set evaluation behaviour. It changes behaviour only: forwards still save (see `no_grad`)."""
        return self.train(False)

    # ---- weights in and out ----------------------------------------------------------------------

    def _state(self, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
        """Every (key, live array) of the state_dict; a shared module appears under each of its names."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield prefix + name, value.data
        for name in self._buffers:
            if getattr(self, name) is not None:
                yield prefix + name, getattr(self, name)
        for name, child in self.named_children():
            yield from child._state(f"{prefix}{name}.")

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers, under torch's keys and with torch's shapes."""
        return {key: array.copy() for key, array in self._state()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> IncompatibleKeys:
        """Copy values in, from arrays with the keys and shapes of `state_dict()`.

        Args:
            state_dict: the arrays, of any real numbers; each is rounded to the dtype that is here.
            strict: whether there must be all keys and no others. With False what is missing stays as it is, and what is surplus is passed
                over.
            assign: False only: here values are always copied.

        Returns:
            The keys that are missing, and those that are surplus.

        Raises:
            ValueError: naming every entry that is missing, surplus, of another shape, or no array of real numbers; nothing is loaded then.
            TypeError: if state_dict is no mapping.
            NotImplementedError: for assign.
        """
        name = type(self).__name__
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"{name}: state_dict must be a mapping of names to arrays, got {type(state_dict).__name__}")
        if assign:
            raise NotImplementedError(f"{name}: assign=True is not supported, values are copied into the arrays that are here")
        live = dict(self._state())
        late = {f"{prefix}.{late}" if prefix else late for prefix, module in self.named_modules() for late in module.late_buffers}
        missing = [key for key in live if key not in state_dict and key not in late]
        surplus = [key for key in state_dict if key not in live]
        wrong = [f"missing {key}" for key in missing] + [f"surplus {key}" for key in surplus] if strict else []
        new: dict[str, np.ndarray] = {}
        for key in [key for key in live if key in state_dict]:
            try:
                new[key] = real_numbers(state_dict[key], live[key].shape).astype(live[key].dtype)
            except ValueError as error:
                wrong.append(f"{key} {error}")
        if wrong:
            raise ValueError(f"state_dict does not fit {name}: {'; '.join(wrong)}")
        for key, array in new.items():
            live[key][...] = array
        return IncompatibleKeys(missing, surplus)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Let all parameters below learn, or keep them fixed."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self
