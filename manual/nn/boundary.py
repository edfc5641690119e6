"""What every layer and loss does where it is entered: float16 is computed in float32, and a gradient that does not fit is refused.

**float16.** It ends at 65504, and has 11 significant bits: the mean of squares of 300 is ∞ in it, and the sum of 4096 ones is 2048. So
a layer that is given float16 computes in float32, and what it returns is rounded to float16: outputs, gradients of inputs, and (as they
are added) gradients of parameters and running statistics. torch's kernels do the same, one by one. A layer's parameters must be float16
too, as in torch. Inside of it no layer rounds: a Transformer is rounded once, a Sequential after each of its layers.

**Gradients.** `backward` takes ∂L/∂y, an array like y: of its shape and its dtype. Another one would be broadcast, or turn a float64
network into float32, without a word.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.arguments import checks_arguments
from manual.nn.validate import expect_array, expect_shape, is_floating, widened


def guard(cls: type[Module]) -> None:
    """Give a class, and those it inherits from here, this boundary around its constructor, `forward` and `backward`."""
    for base in cls.__mro__:
        if base.__module__.startswith("manual.nn."):
            checks_arguments(base)
            for name, around in (("forward", entered), ("backward", walked_back)):
                method = vars(base).get(name)
                if method and not hasattr(method, "__wrapped__") and base.__module__ != "manual.nn.container":  # these only pass on
                    setattr(base, name, around(method))


def entered(forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward`, in float32 if it is given float16; what it returned is remembered for `backward`."""

    @functools.wraps(forward)
    def guarded(self: Any, *inputs: Any, **kwargs: Any) -> Any:
        if widened[0]:  # inside of another layer, which rounds in the end
            return forward(self, *inputs, **kwargs)
        half = all_half([*inputs, *kwargs.values()]) and all_half(held(self), empty=True)
        before = len(self._saved)
        y = in_float32(forward, self, *inputs, **kwargs) if half else forward(self, *inputs, **kwargs)
        after = len(self._saved)
        if after > before:
            outputs = vars(self).setdefault("_outputs", [])
            forget_from(outputs, after)
            outputs.append((after, half, (y.shape, y.dtype) if isinstance(y, np.ndarray) and y.ndim else None))
        return y

    return guarded


def walked_back(backward: Callable[..., Any]) -> Callable[..., Any]:
    """`backward`, in float32 if its `forward` was, or if it is given float16; and only for a gradient like the output."""

    @functools.wraps(backward)
    def guarded(self: Any, *gradients: Any) -> Any:
        if widened[0]:
            return backward(self, *gradients)
        outputs, now = vars(self).get("_outputs", []), len(self._saved)
        forget_from(outputs, now + 1)
        half, like = outputs.pop()[1:] if outputs and outputs[-1][0] == now else (all_half(gradients), None)
        if like is not None and len(gradients) == 1:
            expect_gradient(type(self).__name__, gradients[0], *like)
        return in_float32(backward, self, *gradients) if half or all_half(gradients) else backward(self, *gradients)

    return guarded


def expect_gradient(layer: str, dL_dy: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise TypeError or ValueError unless it is an array like the output."""
    expect_array(f"{layer}.backward", "dL_dy", dL_dy, dtype)
    expect_shape(f"{layer}.backward", "dL_dy", dL_dy, "y", shape)


def forget_from(outputs: list[Any], place: int) -> None:
    """Drop what was remembered of forwards whose backward will not come: their saved values are gone."""
    while outputs and outputs[-1][0] >= place:
        outputs.pop()


# ---- float16 -------------------------------------------------------------------------------------


def in_float32(method: Callable[..., Any], module: Module, *values: Any, **kwargs: Any) -> Any:
    """method(module, *values), all float16 in it made float32, and what it returns made float16."""
    widened[0] = True
    try:
        with np.errstate(over="ignore"):  # what ends beyond 65504 is ∞, as in torch: loss scaling looks for it
            wide = [with_dtype(v, np.float16, np.float32) for v in values]
            y = method(module, *wide, **{key: with_dtype(v, np.float16, np.float32) for key, v in kwargs.items()})
            return with_dtype(y, np.floating, np.float16)
    finally:
        widened[0] = False


def with_dtype(value: Any, old: Any, new: Any) -> Any:
    """An array or number, or a tuple or list of such, with the new dtype in the place of the old."""
    if isinstance(value, tuple | list):
        return type(value)(with_dtype(v, old, new) for v in value)
    return value.astype(new) if isinstance(value, np.ndarray | np.generic) and np.issubdtype(value.dtype, old) else value


def all_half(values: Any, empty: bool = False) -> bool:
    """Whether the floating point arrays among the values are float16; `empty` where there are none."""
    found = empty
    for dtype in dtypes_of(values):
        if dtype.char != "e":  # float16; most often the first array is another, and nothing else is looked at
            return False
        found = True
    return found


def dtypes_of(values: Any) -> Iterator[np.dtype]:
    """The floating dtypes of all arrays in a list, and in tuples and lists in it."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from dtypes_of(value)
        elif isinstance(value, np.ndarray) and is_floating(value.dtype):
            yield value.dtype


def held(module: Module) -> Iterator[np.ndarray]:
    """All arrays that a module and those below it have: parameters, buffers, weights of classes."""
    for _, m in module.named_modules():
        for value in vars(m).values():
            array = getattr(value, "data", None) if not isinstance(value, np.ndarray) else value
            if isinstance(array, np.ndarray):
                yield array
