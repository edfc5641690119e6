"""What a small change does: central differences, which know no backward, and `check_grads`, which holds every gradient against them.

    check_grads(softplus, [x], backward=softplus_backward, torch=F.softplus)     # a function and its way back
    check_grads(Linear(3, 5), [x], again=[longer], torch=torch.nn.Linear(3, 5))  # a Module; the second call gets other inputs
    check_grads(concept, batch, again=another, torch=its_twin)                   # a Concept: the loss of a batch

The name is that of HIPS/autograd's autograd.test_util.check_grads, which does the same for functions that autograd differentiates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from experiments.judge.case import Built, Call, Case, Pair, against_autograd, failures, flat, two_calls
from experiments.judge.central import EPS, STEP, along
from experiments.judge.compare import ONE_STEP, SMALL, error, norm
from experiments.judge.function_case import ByFunctions, TorchFunction
from experiments.judge.naming import Naming
from manual.concept import Concept
from manual.module import Module

BY_DIFFERENCES = 10 * EPS / STEP / SMALL["float64"]
"""Tolerated error of a slope, 4e-7: ten roundings of a loss that is a thousand times the slope, which is the smallest that
`compare.error` measures a slope against. Right gradients measure under two; a third derivative of 6e4 times the first is cut off by ten."""


# ---- central differences ---------------------------------------------------------------------------

Places = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""By name an array that a loss depends on, to be moved where it stands; and the gradient that is claimed for it."""


def slopes(loss: Callable[[], float], places: Places, whole: float, rng: np.random.Generator) -> dict[str, float]:
    """The error of every gradient: ⟨gradient, d⟩ against (L(p + h d) − L(p − h d)) / 2h, for a direction d with ‖d‖ = 1.

    d is half along the gradient, so that its length matters, and half at random, so that all of it does.

    Args:
        loss: L, at what the arrays hold when it is called. The arrays are afterwards as they were.
        places: the arrays and their gradients.
        whole: the size of what L is the sum of: rounding is a part of that.
        rng: draws the directions.
    """
    found = {}
    for name, (array, gradient) in places.items():
        start, random = array.copy(), rng.normal(size=array.shape)
        d = gradient / (norm([gradient]) or 1.0) + 0.9 * random / (norm([random]) or 1.0)
        d = np.asarray(d / (norm([d]) or 1.0))

        def moved(value: np.ndarray, array: np.ndarray = array) -> float:
            array[...] = value
            return loss()

        found[name] = error(np.sum(gradient * d), np.asarray(along(moved, (start,), (d,))), whole)
        array[...] = start
    return found


def against_differences(pair: Pair, calls: list[Call]) -> dict[str, float]:
    """The error of every gradient that these calls made by hand, of L = Σ upstream · output over both of them. torch is not asked."""
    places = {
        f"gradient of input {i} of call {call_no}": (x, g)
        for call_no, call in enumerate(calls, 1)
        for i, (x, g) in enumerate(zip(call.answered, call.gradients, strict=True))
        if g is not None
    }
    parameters = {name: p.data for name, p in pair.hand.named_parameters()}
    places |= {f"gradient of {name}": (p.data, p.grad) for name, p in pair.hand.named_parameters() if p.requires_grad}

    def terms() -> list[np.ndarray]:
        pair.hand.load_state_dict({**pair.state, **parameters})
        pair.rewind()
        outputs = [flat(pair.hand(*call.inputs, **call.call)) for call in calls]
        pair.hand.forget()
        return [u * y for call, of in zip(calls, outputs, strict=True) for u, y in zip(call.upstreams, of, strict=True)]

    size = max(norm(terms()), norm(u for call in calls for u in call.upstreams))
    found = slopes(lambda: float(sum(np.sum(t) for t in terms())), places, size, pair.rng)
    pair.hand.load_state_dict(pair.state)
    return found


def central_differences(case: Case, sizes: Mapping[str, int], seed: int) -> dict[str, float]:
    """The error of every gradient of a case's two calls against central differences, in float64."""
    pair = Pair(case, sizes, seed)
    return against_differences(pair, two_calls(pair))


def asked_once(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same method, whose first answer stands: what a gradient takes for a constant does not move with a weight.

    functools.cache does so too, but takes no arrays.
    """
    answers: dict[Any, Any] = {}

    def answered(*arguments: Any) -> Any:
        key = tuple((a.shape, a.dtype.str, a.tobytes()) if isinstance(a, np.ndarray) else a for a in arguments)
        if key not in answers:
            answers[key] = method(*arguments)
        return answers[key]

    return answered


# ---- the short verb --------------------------------------------------------------------------------


class LossOf:
    """A concept, called as a Module is: a batch goes in, and its loss comes out. Everything else of it is the concept's own."""

    def __init__(self, concept: Any) -> None:
        self.concept = concept

    def __call__(self, *batch: Any) -> Any:
        return self.concept.training_step(batch, 0)

    def backward(self, dL_dloss: float) -> tuple[()]:
        """A batch has no gradient."""
        self.concept.backward(dL_dloss)
        return ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.concept, name)


def check_grads(
    f: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    backward: Callable[..., Any] | None = None,
    torch: Callable[..., Any] | None = None,
    again: Sequence[Any] | None = None,
    differentiated: tuple[int, ...] | None = None,
    names: Mapping[str, str] | None = None,
    seed: int = 0,
) -> None:
    """Hold every gradient of f against central differences, and against autograd where there is a twin.

    f is called twice before it is walked back twice (so what it saved must survive, and gradients must accumulate), with a random upstream
    for every output of either call. Judged are the gradients of all float arrays of both calls and of all parameters that learn.

    Args:
        f: a hand-written Module; or a Concept, whose inputs are a batch; or a function of arrays, with its `backward`. Parameters are
            those that it has and keeps; its gradients are then those of both calls together.
        inputs: of the first call. Arrays of floats get gradients; for arrays of integers the answer is to be None; anything else, such as
            a number, is handed on. At a kink there is no slope: keep away from it.
        backward: `backward(*dL_dys, *inputs)`, one upstream for each output, if f is a function.
        torch: the same in torch: a function, a module or a concept. It is given f's parameters.
        again: the inputs of the second call; those of the first unless given. Other sizes find what a Module keeps in the wrong place.
        differentiated: which of the inputs backward answers for; all unless given.
        names: which tensor of torch each one by hand is, as a Twin's `names`; those of equal names unless given.
        seed: of upstreams and directions.

    Raises:
        AssertionError: naming every tensor that is wrong, and its error; or what was changed that must not be.
        TypeError: if a parameter is not float64, in which alone a difference has digits enough.
    """
    hand, twin = sides(f, backward, torch)
    if odd := {name: p.dtype.name for name, p in hand.named_parameters() if p.dtype != np.float64}:
        raise TypeError(f"check_grads: parameters must be float64, got {odd}")
    built = Built(
        {}, copies(inputs), seeded=hand.state_dict(), again=copies(inputs if again is None else again),
        differentiated=() if isinstance(f, Concept) else differentiated,
    )  # fmt: skip
    case = Case(
        getattr(f, "__name__", type(f).__name__), "given", lambda rng: built, sizes={}, empty=False, smooth=True, training=hand.training,
        reference=lambda: twin, prepare=None, hand=lambda: hand, naming=Naming(names or {}),
    )  # fmt: skip
    for side in (hand, twin):
        if side is not None:
            side.zero_grad()
    pair = Pair(case, {}, seed)
    calls = two_calls(pair)
    wrong = misshapen(calls)
    if not wrong:
        if twin is not None:  # first, for it looks at the buffers, which differences put back
            wrong = [f"{line}, by autograd" for line in failures(against_autograd(pair, calls), ONE_STEP["float64"])]
        wrong += [f"{line}, by differences" for line in failures(against_differences(pair, calls), BY_DIFFERENCES)]
    if wrong:
        raise AssertionError("\n".join([f"{case.name}: {len(wrong)} wrong", *wrong]))


def sides(f: Callable[..., Any], backward: Callable[..., Any] | None, torch: Callable[..., Any] | None) -> tuple[Any, Any]:
    """f and its twin as Modules; None for a twin that is not there."""
    if isinstance(f, Concept):
        return LossOf(f), None if torch is None else LossOf(torch)
    if not isinstance(f, Module):
        if backward is None:
            raise TypeError("check_grads: a function needs its backward")
        f = ByFunctions(f, backward)
    return f, torch if torch is None or isinstance(torch, nn.Module) else TorchFunction(torch)


def copies(inputs: Sequence[Any]) -> list[Any]:
    """Of all arrays, in nested tuples: they are moved by differences, and those of two calls each for themselves."""
    return [tuple(copies(x)) if isinstance(x, tuple) else x.copy() if isinstance(x, np.ndarray) else x for x in inputs]


def misshapen(calls: list[Call]) -> list[str]:
    """A line for every output of another shape than its twin's, and every input's gradient of another than its own, missing or too many."""
    lines = []
    for call_no, call in enumerate(calls, 1):
        outputs = [(f"output {i}", u.shape, np.shape(y)) for i, (u, y) in enumerate(zip(call.upstreams, flat(call.a), strict=True))]
        gradients = [
            (f"gradient of input {i}", x.shape if x.dtype.kind == "f" else None, None if g is None else np.shape(g))
            for i, (x, g) in enumerate(zip(call.answered, call.gradients, strict=True))
        ]
        for what, wanted, got in outputs + gradients:
            if got != wanted:
                lines.append(f"{what} of call {call_no}: expected {of_shape(wanted)}, got {of_shape(got)}")
    return lines


def of_shape(shape: tuple[int, ...] | None) -> str:
    """In words."""
    return "None" if shape is None else f"shape {shape}"
