"""What every hand-written layer is made of: `Parameter`, `Module` and the memory between forward and backward.

The vocabulary is that of torch.nn. What torch hides, the record that `loss.backward()` walks back over,
is in the open here: `forward` calls `save`, `backward` calls `restore`, last saved first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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


class NoGradient(np.ndarray):
    """What stands for the gradient of a parameter that no backward has reached: zeros, to be read and added to, but not written into.

    Written into they would be lost: the parameter does not hold them. torch has None in their place, which refuses the same.
    """

    @classmethod
    def of(cls, data: np.ndarray) -> NoGradient:
        """Zeros of this shape and dtype."""
        zeros = np.zeros_like(data).view(cls)
        zeros.flags.writeable = False
        return zeros

    def __iadd__(self, dL_dp: Any) -> np.ndarray:  # type: ignore[misc, override]  # a plain array: this one stays 0
        total = np.array(self)
        total += dL_dp
        return total

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("no backward has reached this parameter: there is no gradient to write into, assign one: p.grad = dL_dp")

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        plain = np.asarray(array)
        return plain[()] if return_scalar else plain


class Parameter(NDArrayOperatorsMixin):
    """An array that is learned, with the gradient of the loss with respect to it beside it.

    It stands for its array in any expression (`x @ p.T + q`), and every result is a plain array;
    only `p -= step` changes the parameter itself and keeps its identity.

    Args:
        data: the values, copied; any shape, a floating dtype.
        requires_grad: False keeps it fixed: gradients are dropped, optimizers skip it.

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
        return NoGradient.of(self.data) if self._grad is None else self._grad

    @grad.setter
    def grad(self, dL_dp: np.ndarray | None) -> None:
        if dL_dp is not None and np.shape(dL_dp) != self.data.shape:
            raise ValueError(f"a gradient has its parameter's shape: expected {self.data.shape}, got {np.shape(dL_dp)}")
        self._grad = dL_dp if self.requires_grad else None

    @property
    def has_grad(self) -> bool:
        """Whether a backward has reached this parameter (in torch: `p.grad is not None`)."""
        return self._grad is not None

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
        return f"Parameter({self.data!r})"


Array = np.ndarray | Parameter
"""What stands in a formula: an array, or a Parameter in the place of its array."""


class Module:
    """A differentiable function with parameters: `forward`, and right under it `backward`.

    `backward(dL_dy)` takes the gradient of the loss with respect to the output, adds each parameter's
    gradient into `Parameter.grad`, and returns the gradient with respect to the input: one array, or a
    tuple for several inputs with None for those that have no gradient (integers, masks).

    A module that forward calls T times is walked back T times, last call first.
    """

    training: bool = True

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
        if _saving[0]:
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

    def zero_grad(self) -> None:
        """Forget all gradients, before the next backward. What forwards have saved stays: their backwards may still come."""
        for p in self.parameters():
            p.grad = None

    def check_nothing_saved(self) -> None:
        """Raise RuntimeError, naming the module, if a forward still waits for its backward."""
        for name, module in self.named_modules():
            if module._saved:
                raise RuntimeError(
                    f"{len(module._saved)} forward(s) of {name or type(self).__name__} still wait for their backward: "
                    f"call backward, or wrap the forward in no_grad(), or drop them with forget()"
                )

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
        """Set training behaviour (dropout draws, batch norm measures) here and below."""
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

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy values in, from arrays with exactly the keys and shapes of `state_dict()`.

        Raises:
            ValueError: naming every entry that is missing, surplus or of another shape; nothing is loaded then.
        """
        live = dict(self._state())
        wrong = [f"missing {key}" for key in live if key not in state_dict]
        wrong += [f"surplus {key}" for key in state_dict if key not in live]
        wrong += [
            f"{key} has shape {np.shape(state_dict[key])}, expected {array.shape}"
            for key, array in live.items()
            if key in state_dict and np.shape(state_dict[key]) != array.shape
        ]
        if wrong:
            raise ValueError(f"state_dict does not fit {type(self).__name__}: {'; '.join(wrong)}")
        for key, array in live.items():
            array[...] = state_dict[key]

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Let all parameters below learn, or keep them fixed."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self
