"""A look at one step: every value on the way from the batch to the loss, and the gradient of the loss on the way back, of both sides.

Whatever has a name is compared: in a straight-line concept what its forward and its backward return; elsewhere the output of every
module and the gradient there; and the gradient of every parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from experiments.judge.compare import as_array, error, norm
from experiments.judge.convert import to_numpy
from experiments.judge.naming import Naming
from experiments.judge.nonfinite import watched
from manual.concept import StraightLine

Named = dict[str, Any]


class Row(NamedTuple):
    """One tensor of both sides."""

    name: str  # "z1", or "dL_dz1" on the way back
    back: bool  # whether it is a gradient
    hand: Any  # an array, or None where this side does not have it
    torch: Any
    error: float


class Side(NamedTuple):
    """What one side computed: every value by name in the order of computation, and every gradient in the order of the way back."""

    values: Named
    gradients: Named


def look(twin: Any, ours: Any, theirs: Any, batch: tuple[Any, ...], objective: str = "training_step") -> list[Row]:
    """Forward and backward of both sides on one batch, tensor by tensor, under the names that they have by hand.

    Args:
        twin: the pair, whose `names` say which is which.
        ours: a hand-written concept, at the weights that are looked at; its gradients are forgotten.
        theirs: its torch twin, at the same weights, on any device; left as it was.
        batch: of arrays.
        objective: the method of a batch that returns the loss.
    """
    tensors = tuple(torch.from_numpy(np.ascontiguousarray(a)).to(theirs.device) for a in batch)
    way_back = "dL_d" if isinstance(ours, StraightLine) else "dL_d "
    hand, in_torch = by_hand(ours, batch, objective), by_autograd(theirs, tensors, objective, twin.naming, way_back)
    rows = [row(name, False, hand.values, in_torch.values, 0.0) for name in in_order(hand.values, in_torch.values)]
    hand.gradients.pop("dL_d loss", None)  # which is 1
    largest = 0.0
    for name in in_order(hand.gradients, in_torch.gradients):
        largest = max(largest, norm([in_torch.gradients[name]]) if name in in_torch.gradients else 0.0)
        rows.append(row(name, True, hand.gradients, in_torch.gradients, largest))
    return rows


def row(name: str, back: bool, hand: Named, in_torch: Named, whole: float) -> Row:
    """Both sides' tensor of this name. A gradient is measured among the largest that came before it on the way back."""
    a, b = hand.get(name), in_torch.get(name)
    if a is not None and b is not None and np.ndim(a) == 0:
        a = np.asarray(a, as_array(b).dtype)  # a plain number of Python has no dtype to be wrong
    return Row(name, back, a, b, error(a, b, whole) if a is not None and b is not None else np.inf)


def in_order(hand: Named, in_torch: Named) -> list[str]:
    """The names that both sides have, as by hand; and parameters (whose gradient must be there) that only torch has."""
    only_torch = [name for name in in_torch if name not in hand and name.startswith("gradient of ")]
    return [name for name in hand if name in in_torch or name.startswith("gradient of ")] + only_torch


# ---- by hand ---------------------------------------------------------------------------------------


def objectives(twin: Any, module: Any) -> tuple[str, ...]:
    """The methods of a batch that return a loss to go back from; none are known of a module that takes its steps itself and names none."""
    return twin.objectives or (("training_step",) if module.automatic_optimization else ())


def by_hand(model: Any, batch: tuple[Any, ...], objective: str) -> Side:
    """Values and gradients of a hand-written concept."""
    model.forget()
    model.zero_grad()
    if isinstance(model, StraightLine):
        return straight_line(model, batch)
    buffers = {name: b.copy() for name, b in model.named_buffers()}
    values, gradients = Calls(), Calls()
    with watched(model, values.add), watched_backward(model, gradients.add):
        loss = loss_of(model, batch, objective)
        (model.backward if objective == "training_step" else getattr(model, f"{objective}_backward"))()
    model.forget()
    for name, b in model.named_buffers():
        b[...] = buffers[name]
    learned = {name: p.grad.copy() for name, p in model.named_parameters() if p.has_grad}
    model.zero_grad()
    return Side({**values.named(), "loss": np.asarray(loss)}, with_parameters(gradients.of_the_way_back(), learned))


def loss_of(model: Any, batch: tuple[Any, ...], objective: str) -> Any:
    """Of either side."""
    return getattr(model, objective)(*([batch, 0] if objective == "training_step" else [batch]))


def straight_line(model: Any, batch: tuple[Any, ...]) -> Side:
    """Everything that forward and backward of a straight-line concept return."""
    x, y = batch
    values = model.values(x)
    _, loss, backward = model.functions
    found = backward(x, y, **values, **model.arrays())
    parameters = model.arrays()
    named = {f"gradient of {name}" if name in parameters else f"dL_d{name}": g for name, g in found.items()}
    return Side({**values, "loss": np.asarray(loss(list(values.values())[-1], y))}, named)


class Calls:
    """What each module was called with, in order; a module that is called again gets a number."""

    def __init__(self) -> None:
        self.found: list[tuple[str, Any]] = []

    def add(self, name: str, tensor: Any) -> None:
        """One call."""
        self.found.append((name, tensor.copy() if isinstance(tensor, np.ndarray) else tensor))

    def named(self) -> Named:
        """By name: "fc1", or "cell", "cell (2)", ... where it was called more than once."""
        named: Named = {}
        for name, tensor in self.found:
            key, i = name, 1
            while key in named:
                i += 1
                key = f"{name} ({i})"
            named[key] = tensor
        return named

    def of_the_way_back(self) -> Named:
        """The same of backwards, whose first call belongs to the last forward."""
        calls = Calls()
        calls.found = self.found[::-1]
        named = {f"dL_d {key}": tensor for key, tensor in calls.named().items()}
        return dict(reversed(list(named.items())))


@contextmanager
def watched_backward(model: Any, look: Callable[[str, Any], Any]) -> Iterator[None]:
    """Call look(name, dL_dy) before every backward of every submodule."""
    modules = [(name, m) for name, m in model.named_modules() if name]
    for name, m in modules:
        m.backward = _watch(m.backward, name, look)
    try:
        yield
    finally:
        for _, m in modules:
            del m.backward


def _watch(backward: Callable[..., Any], name: str, look: Callable[[str, Any], Any]) -> Callable[..., Any]:
    def watching(*upstream: Any) -> Any:
        several = upstream[0] if upstream and isinstance(upstream[0], tuple) else upstream[:1]
        for dL_dy in several[::-1]:  # the way back is read backwards, which puts the outputs of one call in their order again
            look(name, None if dL_dy is None else np.asarray(dL_dy))  # an output that nothing used has no gradient
        return backward(*upstream)

    return watching


# ---- in torch --------------------------------------------------------------------------------------


def by_autograd(model: Any, batch: tuple[torch.Tensor, ...], objective: str, naming: Naming, way_back: str = "dL_d ") -> Side:
    """Values and gradients of a torch concept, as they are called by hand; its own gradients and its buffers stay as they were.

    Args:
        model: the concept.
        batch: of tensors.
        objective: the method of a batch that returns the loss.
        naming: of the pair.
        way_back: what stands before the name of a value in the name of its gradient.
    """
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    log, model.log = vars(model).get("log"), lambda *args, **kwargs: None
    try:
        with torch.enable_grad(), default_dtype(model):
            values, loss = straight_values(model, batch) if is_straight(model) else module_values(model, batch, objective, naming)
            return side_of(model, values, loss, naming, way_back)
    finally:
        del model.log
        if log is not None:
            model.log = log
        for name, b in model.named_buffers():
            b.copy_(buffers[name])


def is_straight(model: Any) -> bool:
    """Whether a torch concept is a straight line of named values: it says them itself (torch_impl.module.StraightLine)."""
    return hasattr(model, "values") and hasattr(model, "functions")


def straight_values(model: Any, batch: tuple[torch.Tensor, ...]) -> tuple[Named, torch.Tensor]:
    """Every value of a straight-line concept, and the loss."""
    x, y = batch
    values = model.values(x)
    return values, model.functions[1](list(values.values())[-1], y)


def module_values(model: Any, batch: tuple[torch.Tensor, ...], objective: str, naming: Naming) -> tuple[Named, torch.Tensor]:
    """The output of every module, and the loss."""
    calls = Calls()
    with watched(model, lambda name, output: calls.add(naming.called(name), output)):
        loss = loss_of(model, batch, objective)
    return calls.named(), loss


def side_of(model: Any, values: Named, loss: torch.Tensor, naming: Naming, way_back: str) -> Side:
    """The gradients of what was computed."""
    learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
    on_the_way = {name: v for name, v in values.items() if isinstance(v, torch.Tensor) and v.requires_grad}
    found = torch.autograd.grad(loss, [*on_the_way.values(), *learned.values()], allow_unused=True)
    of_values, of_parameters = found[: len(on_the_way)], dict(zip(learned, found[len(on_the_way) :], strict=True))
    gradients = {f"{way_back}{name}": to_numpy(g) for name, g in zip(on_the_way, of_values, strict=True) if g is not None}
    there = naming.by_hand({name: g for name, g in of_parameters.items() if g is not None})
    gradients |= {f"gradient of {name}": to_numpy(g) for name, g in there.items()}
    return Side({**{name: to_numpy(v) for name, v in values.items()}, "loss": to_numpy(loss)}, gradients)


@contextmanager
def default_dtype(model: Any) -> Iterator[None]:
    """The model's dtype as torch's default, as Lightning has it in a step under 64-true."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(next((p.dtype for p in model.parameters()), before))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


# ---- the order of the way back ---------------------------------------------------------------------


def with_parameters(back: Named, learned: Mapping[str, Any]) -> Named:
    """The gradients at the modules' outputs, and after each module's those of its own parameters; the concept's own come last."""
    named: Named = {}
    for key, tensor in back.items():
        named[key] = tensor
        module = key.removeprefix("dL_d ").partition(" (")[0]
        for parameter, g in learned.items():
            if parameter.rpartition(".")[0] == module:
                named[f"gradient of {parameter}"] = g
    rest = {f"gradient of {parameter}": g for parameter, g in reversed(list(learned.items()))}
    return {**named, **{key: g for key, g in rest.items() if key not in named}}


def intermediates(rows: Sequence[Row]) -> tuple[Named, Named, dict[str, float]]:
    """Those rows that are neither the loss nor a parameter's gradient, which are compared anyway: by hand, in torch, and their errors."""
    between = [r for r in rows if r.name != "loss" and not r.name.startswith("gradient of ")]
    return {r.name: r.hand for r in between}, {r.name: r.torch for r in between}, {r.name: r.error for r in between}


def sizes_of(rows: Sequence[Row]) -> dict[str, int]:
    """N, the examples of the batch, if the values say so: the length of the first."""
    first = next((as_array(r.torch) for r in rows if not r.back and r.torch is not None and np.ndim(r.torch)), None)
    return {"N": len(first)} if first is not None else {}
