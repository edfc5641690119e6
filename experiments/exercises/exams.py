"""What judges a function in its place: the registered cases of a layer or of a function, or both sides of a concept.

An exam says whether everything is right, and shows one step of it, gradient by gradient, for the sentences.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch

import experiments
import experiments.cases
from experiments.exercises.catalogue import Task
from experiments.exercises.placing import original
from experiments.judge.case import Case, Pair, cases_of, draw_sizes, failures, flat, judge, like, to_torch
from experiments.judge.compare import ONE_STEP, error, norm
from experiments.judge.differences import BY_DIFFERENCES, asked_once, central_differences, slopes
from experiments.judge.look import Row, look, loss_of, objectives, sizes_of
from experiments.lockstep.checks import AtRandom, at_random, one_step, rows_at_random
from experiments.pair import Twin
from experiments.source.handwriting import import_all

DTYPE = "float64"

LARGER = 5
"""By so much the sizes of a look are larger than a case draws them, from 2 on."""


@dataclass(frozen=True)
class Look:
    """One step, gradient by gradient.

    Attributes:
        rows: the gradients, in the order of the way back.
        values: of the forward, by name.
        sizes: names of sizes and of constants that may have become a factor.
        own: of a name of an input, what each entry contributes through the output's entry of the same place; None if there is none.
    """

    rows: list[Row]
    values: dict[str, np.ndarray]
    sizes: Mapping[str, float] = field(default_factory=dict)
    own: Callable[[str], np.ndarray | None] = lambda name: None


class Exam(Protocol):
    """Something that judges."""

    @property
    def where(self) -> str:
        """When it is not the usual: "with bias=False"; else empty."""

    @property
    def smooth(self) -> bool:
        """Whether small changes are asked too: at a kink they say nothing."""

    def failed(self, seed: int) -> list[str]:
        """What is wrong, in the judge's own words; nothing if all is right. Exceptions of the learner's are left to the caller."""

    def look(self, seed: int) -> Look:
        """One step."""


def exams_of(task: Task) -> list[Exam]:
    """What judges this exercise."""
    import_all(experiments.cases)
    if task.concept is None:
        names = [name.removeprefix("nn.") for name in (task.name, *task.also)]
        return [ByCase(case) for name in names for case in cases_of([name])]
    cases = cases_of([f"{task.concept}.{task.function.removesuffix('_backward').removesuffix('.backward')}"])
    if cases and task.function.endswith(("_backward", ".backward")):
        return [ByCase(case) for case in cases]
    twin = twin_of(task.concept)
    if is_of_one_sample(task):
        return [OfOneSample(twin, task.function)]
    return [ByConcept(twin, variant) for variant in (None, *twin.variants)]


@cache
def twin_of(concept: str) -> Twin:
    """The pair."""
    return experiments.twin(concept)


def is_of_one_sample(task: Task) -> bool:
    """Whether it is what `backward` of a straight-line concept is, for one sample: called alike, and not called by it."""
    parameters = list(inspect.signature(original(task)).parameters)
    backward = original(task).__globals__.get("backward")
    return (
        "." not in task.function
        and task.function != "backward"
        and backward is not None
        and parameters == list(inspect.signature(backward).parameters)
    )


# ---- cases ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ByCase:
    """A registered case, at random sizes, weights and upstreams; two calls, in another order back."""

    case: Case

    @property
    def where(self) -> str:
        built = self.case.build(np.random.default_rng(0), **self.sizes(0))
        said = {key: value for key, value in built.arguments.items() if tells(value)}
        said |= {key: value for key, value in built.call.items() if isinstance(value, bool | int | float)}
        told = ", ".join(f"{key}={value!r}" for key, value in said.items())
        return f"with {told}" if told else ""

    @property
    def smooth(self) -> bool:
        return self.case.smooth

    def pair(self, seed: int) -> Pair:
        """Both sides, at sizes that are none of the factors by which gradients are usually wrong, such as 2 and 4."""
        return Pair(self.case, self.sizes(seed, more=LARGER), seed)

    def sizes(self, seed: int, more: int = 0) -> dict[str, int]:
        """All different, and each so much larger than it is drawn."""
        return {name: size + more for name, size in draw_sizes(self.case, np.random.default_rng(seed)).items()}

    def failed(self, seed: int) -> list[str]:
        """By autograd; central differences once more where they make sense."""
        wrong = failures(judge(self.case, self.sizes(seed), seed), ONE_STEP[DTYPE])
        if not wrong and seed == 0 and self.smooth:
            wrong = failures(central_differences(self.case, self.sizes(seed), seed), BY_DIFFERENCES)
        return wrong

    def look(self, seed: int) -> Look:
        """One call of both sides."""
        pair = self.pair(seed)
        inputs, call = pair.inputs()
        a, b, leaves = pair.forward(inputs, call)
        upstreams = [np.asarray(pair.rng.normal(size=np.shape(y)), dtype=DTYPE) for y in flat(b)]
        upstreams = [
            u if u.ndim else np.abs(u, out=u) for u in upstreams
        ]  # with the sign of a loss a forgotten term looks like one too many
        found = flat(pair.hand.backward(like(a, [u if u.ndim else u[()] for u in upstreams])))
        torch.autograd.backward(flat(b), [to_torch(u) for u in upstreams])
        names = input_names(pair, inputs)
        tensors = [(n, x) for n, x in zip(names, flat(leaves), strict=True) if isinstance(x, torch.Tensor)]
        asked = [id(x) for x in flat(pair.built.answered(leaves))]
        tensors = [(n, x) for n, x in tensors if id(x) in asked]
        whole = norm(upstreams[:1])
        rows = [
            row(name, da, zeros_unless(leaf.grad, leaf), whole)
            for (name, leaf), da in zip(tensors, found, strict=False)
            if leaf.requires_grad
        ]
        rows += self.of_parameters(pair)
        values = {n: np.asarray(x) for n, x in zip(names, flat(inputs), strict=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f"}
        values |= {name: p.data for name, p in pair.hand.named_parameters()}
        values |= {f"output {i}" if i else "y": np.asarray(y) for i, y in enumerate(flat(a)) if np.size(y)}
        sizes = {**rows_and_columns(values), **constants({**pair.built.arguments, **call})}
        return Look(rows, values, sizes, cache(lambda name: self.own(pair, inputs, call, upstreams, name)))

    def own(self, pair: Pair, inputs: list[Any], call: Mapping[str, Any], upstreams: list[Any], name: str) -> np.ndarray | None:
        """What each entry of an input contributes through the output's entry of the same place, where there is one."""
        leaves = [to_torch(x, learn=True) for x in inputs]
        x = dict(zip(input_names(pair, inputs), flat(leaves), strict=True)).get(name)
        y = flat(pair.torch(*leaves, **{key: to_torch(value) for key, value in call.items()}))[0]
        if not isinstance(x, torch.Tensor) or not x.requires_grad or x.shape != y.shape:
            return None
        entries = zip(y.flatten(), range(y.numel()), upstreams[0].ravel(), strict=True)
        slopes = [float(torch.autograd.grad(entry, x, retain_graph=True)[0].flatten()[i]) * u for entry, i, u in entries]
        return np.reshape(slopes, x.shape)

    def of_parameters(self, pair: Pair) -> list[Row]:
        """The gradients of the parameters."""
        learned = {name: zeros_unless(p.grad, p) for name, p in pair.torch.named_parameters()}
        whole = norm(learned.values())
        by_hand = dict(pair.hand.named_parameters())
        return [row(name, by_hand[name].grad, g, whole) for name, g in self.case.naming.by_hand(learned).items()]


def tells(value: Any) -> bool:
    """Whether a constructor's argument says something beside a size."""
    return isinstance(value, bool) or not isinstance(value, np.ndarray | int)


def zeros_unless(gradient: Any, like: Any) -> np.ndarray:
    """The gradient as an array."""
    return (torch.zeros_like(like) if gradient is None else gradient).detach().numpy()


def row(name: str, hand: Any, in_torch: np.ndarray, whole: float) -> Row:
    """Of a gradient that must be there."""
    e = np.inf if hand is None else error(hand, in_torch, whole)
    return Row(f"gradient of {name}", True, hand, in_torch, e)


def input_names(pair: Pair, inputs: list[Any]) -> list[str]:
    """What forward calls its inputs; those inside of a tuple with their number."""
    forward = getattr(pair.hand, "functions", [pair.hand.forward])[0]
    parameters = list(inspect.signature(forward).parameters)
    parameters += [f"input {i}" for i in range(len(parameters), len(inputs))]
    return [f"{n}[{i}]" if isinstance(x, tuple) else n for n, x in zip(parameters, inputs, strict=False) for i in range(len(flat([x])))]


def rows_and_columns(values: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Sizes that a mistake may bring in as a factor, with their names."""
    first = [(n, v) for n, v in values.items() if v.ndim][:3]
    return {f"the number of {word} of {n}": v.shape[i] for n, v in first for i, word in enumerate(("rows", "columns")[: v.ndim])}


def constants(arguments: Mapping[str, Any]) -> dict[str, float]:
    """Numbers that a layer or a function is made with, and what they lack to 1: these too may come in as a factor."""
    given = {name: value for name, value in arguments.items() if isinstance(value, float) and value not in (0.0, 1.0)}
    return {**given, **{f"1 − {name}": round(1 - value, 12) for name, value in given.items()}}


# ---- concepts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ByConcept:
    """One step of both sides of a concept at random parameters, in one variant."""

    twin: Twin
    variant: str | None

    @property
    def where(self) -> str:
        return f"in the variant {self.variant!r}" if self.variant else ""

    @property
    def smooth(self) -> bool:
        return self.twin.smooth is None or self.variant in self.twin.smooth

    def options(self, seed: int) -> argparse.Namespace:
        """Of `check`."""
        return argparse.Namespace(seed=seed, dtype=DTYPE, device="cpu")

    def failed(self, seed: int) -> list[str]:
        """By autograd, two batches at once; central differences once more where they make sense."""
        found = one_step(self.twin, self.variant, self.options(seed))[0]
        if not found.passed:
            return [found.failure or "it differs"]
        return failures(self.by_differences(seed), BY_DIFFERENCES) if seed == 0 and self.smooth else []

    def pair(self, seed: int) -> AtRandom:
        """Both sides."""
        return at_random(self.twin, self.variant, self.options(seed))

    def by_differences(self, seed: int) -> dict[str, float]:
        """The error of every gradient of every objective against what a small change does to the loss."""
        pair, wrong = self.pair(seed), dict[str, float]()
        ours, batch, left_out = pair.ours, pair.batches[0], self.twin.of_the_optimizer or (lambda ours: 0.0)
        if draw := self.twin.constant_draw:  # asked once
            setattr(ours, draw, asked_once(getattr(ours, draw)))
        for objective in objectives(self.twin, ours):
            pair.begin()
            size = abs(float(loss_of(ours, batch, objective)))
            (ours.backward if objective == "training_step" else getattr(ours, f"{objective}_backward"))()
            learned = {n: (p.data, p.grad.copy()) for n, p in ours.named_parameters() if p.has_grad}

            def loss(objective: str = objective) -> float:
                pair.begin()
                value = float(loss_of(ours, batch, objective))
                ours.forget()
                return value - left_out(ours)

            wrong |= slopes(loss, learned, max(size, 1.0), np.random.default_rng(seed))
        return wrong

    def look(self, seed: int) -> Look:
        """The first batch alone."""
        return look_of(rows_at_random(self.twin, self.variant, self.options(seed)))


def look_of(rows: list[Row], more: Mapping[str, Any] | None = None) -> Look:
    """Values and gradients apart."""
    values = {r.name: np.asarray(r.hand) for r in rows if not r.back and r.hand is not None and np.asarray(r.hand).dtype.kind == "f"}
    return Look([r for r in rows if r.back], {**values, **(more or {})}, sizes_of(rows))


@dataclass(frozen=True)
class OfOneSample:
    """A function that is `backward` for one sample, of a concept that is a straight line."""

    twin: Twin
    function: str

    @property
    def where(self) -> str:
        return ""

    @property
    def smooth(self) -> bool:
        return True

    def pair(self, seed: int) -> AtRandom:
        """Both sides, the function in the place of `backward`."""
        pair = at_random(self.twin, None, argparse.Namespace(seed=seed, dtype=DTYPE, device="cpu"))
        forward, loss, backward = pair.ours.functions
        pair.ours.functions = forward, loss, backward.__globals__[self.function]
        return pair

    def rows(self, seed: int) -> list[Row]:
        """Of one sample; x among the values, whose gradient is asked for too."""
        pair = self.pair(seed)
        x, y = (a[seed] for a in pair.batches[0])
        rows = [r for r in look(self.twin, pair.ours, pair.theirs, (x, y)) if not r.name.startswith("dL_dx")]
        given = torch.from_numpy(x.copy()).requires_grad_()
        values = pair.theirs.values(given)
        pair.theirs.functions[1](list(values.values())[-1], torch.from_numpy(y)).backward()
        found = pair.ours.functions[2](x, y, **pair.ours.values(x), **pair.ours.arrays())
        return [*rows, row("x", found.get("x"), zeros_unless(given.grad, given), 0.0)] if "x" in found else rows

    def failed(self, seed: int) -> list[str]:
        """By autograd, and by central differences."""
        wrong = failures({r.name: r.error for r in self.rows(seed)}, ONE_STEP[DTYPE])
        return wrong or failures(self.by_differences(seed), BY_DIFFERENCES)

    def by_differences(self, seed: int) -> dict[str, float]:
        """The error of every parameter's gradient, and of that of x, against what a small change does to the loss."""
        pair = self.pair(seed)
        x, y = (a[seed].copy() for a in pair.batches[0])
        ours = pair.ours
        found = ours.functions[2](x, y, **ours.values(x), **ours.arrays())
        places = {name: (value, np.asarray(found[name])) for name, value in {**ours.arrays(), "x": x}.items() if name in found}
        return slopes(lambda: float(ours.functions[1](list(ours.values(x).values())[-1], y)), places, 1.0, np.random.default_rng(seed))

    def look(self, seed: int) -> Look:
        """The sample."""
        return replace(look_of(self.rows(seed)), sizes={})
