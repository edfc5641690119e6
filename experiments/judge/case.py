"""One case: how a hand-written module and its torch twin are built and fed alike, and how they are judged.

A case is a function of random sizes, registered by `case`:

    @case("Linear")
    def linear(rng, N, I, O):
        return Built({"in_features": I, "out_features": O}, [rng.normal(size=(N, I))])

Its parameters after rng are sizes, drawn all different from one another. One call fixes the constructor's
arguments (the same for both sides) and the inputs; weights and upstream gradients are drawn at random too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import manual.nn
from experiments.judge.compare import NonFinite, error, norm
from experiments.judge.naming import Naming
from experiments.judge.noise import Stream


@dataclass(frozen=True)
class Built:
    """Constructor arguments, and inputs for one forward: float arrays (cast to the dtype judged), others kept as they are."""

    arguments: Mapping[str, Any]
    inputs: list[Any]
    call: Mapping[str, Any] = field(default_factory=dict)  # keyword arguments of forward, the same for both sides
    seeded: Mapping[str, Any] = field(default_factory=dict)  # state_dict entries to use in place of random ones
    differentiated: tuple[int, ...] | None = None  # the inputs that backward answers for (a loss: predictions, not targets); None: all
    again: list[Any] | None = None  # the inputs of the second call; None: they are drawn as the first call's were

    def answered(self, inputs: list[Any]) -> list[Any]:
        """Those of the inputs for which backward returns a gradient, or None."""
        return inputs if self.differentiated is None else [inputs[i] for i in self.differentiated]


@dataclass(frozen=True)
class Case:
    """A registered case. `name` is the class, in manual.nn and in torch.nn."""

    name: str
    label: str
    build: Callable[..., Built]
    sizes: Mapping[str, int]  # each size's smallest value
    empty: bool  # whether torch allows N = 0
    smooth: bool  # whether central differences make sense (no kink hit at random input)
    training: bool
    reference: Callable[..., Any] | None  # a torch.nn.Module factory in place of torch.nn.<name>; if it makes None there is no twin
    prepare: Callable[..., None] | None  # called with (manual, torch) after weights are equal
    hand: Callable[..., Any] | None = None  # a factory in place of manual.nn.<name> (a container, a composition)
    spread: float = 0.7  # standard deviation of the random weights (less where large ones saturate what they feed)
    repeat: bool = True  # False: equal rows make a gradient exactly zero, so "repeated" input is fed as "strided"
    nonfinite: NonFinite = "refuse"  # "match": NaN and ±∞ belong in the results, in the same places
    naming: Naming = field(default_factory=lambda: Naming({}))  # which tensor of torch each one by hand is

    def __str__(self) -> str:
        return f"{self.name}-{self.label}"


CASES: list[Case] = []


def case(
    name: str,
    *,
    least: Mapping[str, int] | None = None,
    empty: bool = False,
    smooth: bool = True,
    training: bool = True,
    reference: Callable[..., Any] | None = None,
    prepare: Callable[..., None] | None = None,
    hand: Callable[..., Any] | None = None,
    spread: float = 0.7,
    repeat: bool = True,
    nonfinite: NonFinite = "refuse",
) -> Callable[[Callable[..., Built]], Callable[..., Built]]:
    """Register a case for the class `name`; see the fields of `Case`. `least` raises a size's smallest value from 2."""

    def register(build: Callable[..., Built]) -> Callable[..., Built]:
        names = list(inspect.signature(build).parameters)[1:]
        sizes = {size: (least or {}).get(size, 2) for size in names}
        CASES.append(Case(name, build.__name__, build, sizes, empty, smooth, training, reference, prepare, hand, spread, repeat, nonfinite))
        return build

    return register


def draw_sizes(case: Case, rng: np.random.Generator, batch: int | None = None) -> dict[str, int]:
    """Sizes that are all different, each at least its smallest value; N is `batch` if one is given."""
    taken: set[int] = set() if batch is None else {batch}
    sizes: dict[str, int] = {}
    for name, least in case.sizes.items():
        free = [n for n in range(least, least + len(case.sizes) + 3) if n not in taken]
        sizes[name] = batch if name == "N" and batch is not None else int(rng.choice(free))
        taken.add(sizes[name])
    return sizes


def larger(case: Case, sizes: Mapping[str, int]) -> dict[str, int]:
    """Another value for each size above 1 that the constructor's arguments do not depend on, such as N or an image's height."""

    def fixed(sizes: Mapping[str, int]) -> str:
        built = case.build(np.random.default_rng(0), **sizes)
        return repr((built.arguments, built.seeded))

    others = {name: max(sizes.values()) + 1 + i for i, name in enumerate(sizes) if sizes[name] > 1}
    return {name: n for name, n in others.items() if fixed({**sizes, name: n}) == fixed(sizes)}


def cast(value: Any, dtype: str) -> Any:
    """Floats to the dtype, everything else (indices, masks) as it is."""
    if isinstance(value, np.ndarray) and np.issubdtype(value.dtype, np.floating):
        return value.astype(dtype)
    return value


def to_torch(value: Any, device: str = "cpu", learn: bool = False) -> Any:
    """The tensor of an array, on the device; a float array is a leaf that collects its gradient if `learn`."""
    if isinstance(value, tuple):
        return tuple(to_torch(v, device, learn) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    tensor = torch.from_numpy(value.copy()).to(device)
    return tensor.requires_grad_() if learn and tensor.is_floating_point() else tensor


def flat(values: Any) -> list[Any]:
    """Nested tuples of outputs or gradients as one list, None left in place."""
    return [leaf for v in values for leaf in flat(v)] if isinstance(values, tuple | list) else [values]


class Pair:
    """A module by hand and its torch twin, if it has one, holding the same random weights."""

    def __init__(self, case: Case, sizes: Mapping[str, int], seed: int, dtype: str = "float64", device: str = "cpu") -> None:
        self.case, self.sizes, self.dtype, self.device = case, sizes, dtype, device
        self.rng = np.random.default_rng(seed)
        self.built = built = case.build(self.rng, **sizes)
        arguments = {key: cast(value, dtype) for key, value in built.arguments.items()}
        cls = case.hand or getattr(manual.nn, case.name)
        extra = {
            key: v for key, v in {"dtype": dtype, "rng": np.random.default_rng(seed)}.items() if key in inspect.signature(cls).parameters
        }
        self.hand = cls(**arguments, **extra)
        reference = case.reference or getattr(torch.nn, case.name)
        self.torch = reference(**{key: to_torch(value) for key, value in arguments.items()})
        self.state = {key: self.random_like(array) for key, array in self.hand.state_dict().items()} | dict(built.seeded)
        self.hand.load_state_dict(self.state)
        self.hand.train(case.training)
        if self.torch is not None:
            self.torch.to(device, getattr(torch, dtype))
            self.torch.load_state_dict({key: to_torch(np.asarray(array)) for key, array in case.naming.in_torch(self.state).items()})
            self.torch.train(case.training)
        if case.prepare:
            case.prepare(self.hand, self.torch)

    def random_like(self, array: np.ndarray) -> np.ndarray:
        """Random values in place of an initial 0 or 1, which would hide a forgotten factor; variances stay positive."""
        if not np.issubdtype(array.dtype, np.floating):
            return array
        positive = array.size > 0 and array.min() > 0
        values = self.rng.uniform(0.5, 1.5, array.shape) if positive else self.rng.normal(0, self.case.spread, array.shape)
        return values.astype(array.dtype)

    def inputs(self, layout: str = "plain", other_sizes: bool = False) -> tuple[list[Any], Mapping[str, Any]]:
        """Fresh random inputs, in this memory layout: plain, strided (not contiguous), or repeated (broadcast, stride 0).

        `other_sizes` changes every size for which the module is not built, so that a shape saved by one call does not fit the next.
        """
        changed = larger(self.case, self.sizes) if other_sizes else {}
        built = self.case.build(self.rng, **{**self.sizes, **changed})
        given = built.again if other_sizes and built.again is not None else built.inputs
        arrays = [tuple(cast(v, self.dtype) for v in x) if isinstance(x, tuple) else cast(x, self.dtype) for x in given]
        layout = layout if layout != "repeated" or self.case.repeat else "strided"
        return [lay_out(x, layout) for x in arrays], {key: cast(v, self.dtype) for key, v in built.call.items()}

    def rewind(self) -> None:
        """Let shared noise begin anew: the next forward by hand draws what the first one drew."""
        for _, module in self.hand.named_modules():
            if isinstance(getattr(module, "rng", None), Stream):
                module.rng.begin(0)

    def forward(self, inputs: list[Any], call: Mapping[str, Any]) -> tuple[Any, Any, list[Any]]:
        """Outputs by hand, outputs of torch (None without a twin), and torch's input leaves."""
        answered = self.built.answered(list(range(len(inputs))))
        leaves = [to_torch(x, self.device, learn=i in answered) for i, x in enumerate(inputs)]
        b = None if self.torch is None else self.torch(*leaves, **{key: to_torch(v, self.device) for key, v in call.items()})
        a = self.hand(*inputs, **call)
        return a, b, leaves


def lay_out(x: Any, layout: str) -> Any:
    """The same values (or, for "repeated", the first example's in every row) in another memory layout."""
    if not isinstance(x, np.ndarray) or x.ndim == 0 or layout == "plain":
        return x
    if layout == "strided":
        return np.repeat(x, 2, axis=-1)[..., ::2]
    return np.broadcast_to(x[:1], x.shape)


@dataclass
class Call:
    """One forward of both sides, a random upstream for each output, and what the hand-written backward made of it."""

    inputs: list[Any]
    call: Mapping[str, Any]
    a: Any  # outputs by hand
    b: Any  # torch's
    leaves: list[Any]  # torch's inputs
    upstreams: list[np.ndarray]
    answered: list[np.ndarray]  # the inputs that backward answers for
    gradients: list[Any] = field(default_factory=list)  # its answers


def two_calls(pair: Pair, layout: str = "plain") -> list[Call]:
    """Two forwards of both sides, and then both hand-written backwards, the last call's first.

    What the first forward saved must survive the second, and gradients must accumulate. An upstream is random: with all ones
    the input gradient of a softmax or a norm is exactly zero. It has the size of torch's output: a wrong shape by hand must not decide it.

    Raises:
        AssertionError: if an input, an upstream or an output was changed, or backward answers for too many inputs, or too few.
        RuntimeError: if something saved is left.
    """
    calls, kept = [], []
    for call_no in (1, 2):
        inputs, call = pair.inputs(layout, other_sizes=call_no == 2)
        arrays = [x for x in flat(inputs) if isinstance(x, np.ndarray)]
        kept += [("an input was changed", x, x.copy()) for x in arrays]
        a, b, leaves = pair.forward(inputs, call)
        outputs = flat(a if b is None else b)
        assert len(flat(a)) == len(outputs), f"{pair.case}: {len(flat(a))} outputs, but torch has {len(outputs)}"
        ups = [np.asarray(pair.rng.normal(size=np.shape(y)), dtype=pair.dtype) for y in outputs]
        kept += [("backward changed its argument", u, u.copy()) for u in ups]
        kept += [("backward changed an output", y, y.copy()) for y in flat(a) if isinstance(y, np.ndarray)]
        answered = [x for x in flat(pair.built.answered(inputs)) if isinstance(x, np.ndarray)]
        calls.append(Call(inputs, call, a, b, leaves, ups, answered))
    for each in reversed(calls):
        each.gradients = flat(pair.hand.backward(like(each.a, [u if u.ndim else u[()] for u in each.upstreams])))
        returned, asked = len(each.gradients), len(each.answered)
        assert returned == asked, f"{pair.case}: backward returned {returned} gradients, and is asked for {asked}"
    pair.hand.check_nothing_saved()
    for what, now, before in kept:
        assert np.array_equal(now, before, equal_nan=True), f"{pair.case}: {what}"
    return calls


def judge(
    case: Case, sizes: Mapping[str, int], seed: int, dtype: str = "float64", device: str = "cpu", layout: str = "plain"
) -> dict[str, float]:
    """Errors of every output, input gradient, parameter gradient and buffer of `two_calls`, which raises what it says there."""
    pair = Pair(case, sizes, seed, dtype, device)
    return against_autograd(pair, two_calls(pair, layout))


def against_autograd(pair: Pair, calls: list[Call]) -> dict[str, float]:
    """Errors of everything that these calls made by hand."""
    found, nonfinite = {}, pair.case.nonfinite
    for call_no, call in enumerate(calls, 1):
        for i, (ya, yb) in enumerate(zip(flat(call.a), flat(call.b), strict=True)):
            found[f"output {i} of call {call_no}"] = error(ya, yb, nonfinite=nonfinite)
    for call_no, call in reversed(list(enumerate(calls, 1))):
        torch.autograd.backward(flat(call.b), [to_torch(u, pair.device) for u in call.upstreams])
        whole = norm(call.upstreams[:1])
        tensors = [x for x in flat(pair.built.answered(call.leaves)) if isinstance(x, torch.Tensor)]
        for i, (da, leaf) in enumerate(zip(call.gradients, tensors, strict=True)):
            key = f"gradient of input {i} of call {call_no}"
            if not leaf.requires_grad:
                found[key] = 0.0 if da is None else np.inf
            else:
                db = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
                found[key] = np.inf if da is None else error(da, db, whole, nonfinite)
    whole = norm(p.grad.cpu().numpy() for p in pair.torch.parameters() if p.grad is not None)
    learned = {name: p.grad if p.grad is not None else torch.zeros_like(p) for name, p in pair.torch.named_parameters()}
    hand_parameters = dict(pair.hand.named_parameters())
    for name, dp in pair.case.naming.by_hand(learned).items():
        found[f"gradient of {name}"] = error(hand_parameters[name].grad, dp, whole)
    saved = pair.torch.state_dict()
    hand_buffers = dict(pair.hand.named_buffers())
    for name, buffer in pair.case.naming.by_hand({n: b for n, b in pair.torch.named_buffers() if n in saved}).items():
        found[f"buffer {name}"] = error(hand_buffers[name], buffer)
    return found


def like(structure: Any, leaves: list[Any]) -> Any:
    """The leaves, nested as `structure` is."""
    pool = iter(leaves)

    def fill(node: Any) -> Any:
        return tuple(fill(n) for n in node) if isinstance(node, tuple | list) else next(pool)

    return fill(structure)


def failures(found: Mapping[str, float], tolerance: float) -> list[str]:
    """A line for everything above the tolerance, worst first."""
    bad = sorted(((e, what) for what, e in found.items() if not e <= tolerance), reverse=True)
    return [f"{what}: error {e:.1e}, tolerated {tolerance:.0e}" for e, what in bad]


def cases_of(names: Iterable[str] = ()) -> list[Case]:
    """The cases of these classes, or all."""
    chosen = set(names)
    return [c for c in CASES if not chosen or c.name in chosen]
