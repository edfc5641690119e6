"""Where a NaN or an infinity came from: the first tensor, in the order of computation, that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from experiments.judge.compare import as_array
from experiments.judge.naming import Naming


class NotFinite(Exception):
    """A loss or a gradient turned NaN or infinite; the message says at which step, on which side, in which tensor."""


def is_finite(tensor: Any) -> bool:
    """Whether every number in it is finite; integers always are."""
    array = as_array(tensor)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def kind_of(tensor: Any) -> str:
    """ "NaN" or "Inf": what a tensor that is not finite holds."""
    return "NaN" if np.isnan(as_array(tensor)).any() else "Inf"


def first_in(tensors: Mapping[str, Any]) -> str | None:
    """The first that is not finite, with what it holds."""
    return next((f"{name} ({kind_of(t)})" for name, t in tensors.items() if not is_finite(t)), None)


def first_in_forward(model: Any, batch: tuple[Any, ...], naming: Naming | None = None) -> str:
    """Run training_step again, and name the first tensor in it that is not finite.

    The order is that of the computation: the batch, the parameters, every value on the way, the loss.

    Args:
        model: a Concept of either side, with the weights and the noise that it had.
        batch: what it was given.
        naming: of the pair, if the model is torch's: tensors are called as they are by hand.
    """
    parameters = dict(model.named_parameters())
    found = first_in({f"entry {i} of the batch": t for i, t in enumerate(batch)})
    found = found or first_in({f"parameter {name}": p for name, p in (naming.by_hand(parameters) if naming else parameters).items()})
    if found is None and hasattr(model, "values"):
        found = first_in(model.values(batch[0]))
    if found is None:
        seen: list[tuple[str, Any]] = []

        def see(name: str, y: Any) -> None:
            if not is_finite(y):
                called = naming.called(name) if naming else name
                seen.append((called if called != name else f"the output of {name}", y))

        with watched(model, see):
            loss = model.training_step(batch, 0)
        if naming is None:
            model.forget()
        what, y = next((pair for pair in seen if pair[1] is not loss), ("the loss", loss))  # a loss may be a module, too
        found = f"{what} ({kind_of(y)})"
    return found


@contextmanager
def watched(model: Any, look: Callable[[str, Any], Any]) -> Iterator[None]:
    """Call look(name, output) after every forward of every submodule, in the order of computation."""
    modules = [(name, m) for name, m in model.named_modules() if name]
    originals = [(m, m.__dict__.get("forward")) for _, m in modules]
    for name, m in modules:
        m.forward = _watch(m.forward, name, look)
    try:
        yield
    finally:
        for m, original in originals:
            if original is None:
                del m.forward
            else:
                m.forward = original


def _watch(forward: Callable[..., Any], name: str, look: Callable[[str, Any], Any]) -> Callable[..., Any]:
    def watching(*inputs: Any, **kwargs: Any) -> Any:
        output = forward(*inputs, **kwargs)
        for y in output if isinstance(output, tuple) else (output,):
            if y is not None:
                look(name, y)
        return output

    return watching
