"""How two computations are compared: one error measure, its digits, and what is tolerated.

a is the tensor found by hand, b is torch's. Everything here works on NumPy arrays, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

ONE_STEP = {"float64": 1e-12, "float32": 1e-5}
"""Tolerated error of one step from equal weights (right twins measure under 1e-14 in float64; bugs start near 1e-7)."""

CEILING = {"float64": 1e-8, "float32": 1e-3}
"""Tolerated error of any step of any trajectory, however much rounding has been amplified."""

SMALL = {"float64": 1e-3, "float32": 5e-2}
"""A tensor smaller than this fraction of the whole that it is part of is measured against the whole.

Near convergence a gradient is the small difference of large numbers (p − y with p almost y), and keeps their rounding.
SMALL · ONE_STEP is 4.5 eps of the whole in either dtype: with 1e-3 in float32, a twelfth of eps would be asked for.
"""

NonFinite = Literal["refuse", "match"]


class Usual(NamedTuple):
    """How large things have been in a run: what is smaller now keeps the rounding of what it is the difference of."""

    loss: float  # the mean so far
    gradient: float  # the norm of all gradients together, at its largest


NOTHING = Usual(0.0, 0.0)
"""Of a run that has not begun."""


def as_array(tensor: Any) -> np.ndarray:
    """The NumPy array of an array, a Parameter, a number or a torch tensor on any device; no copy where none is needed."""
    if isinstance(tensor, np.ndarray):
        return tensor
    return tensor.numpy(force=True) if hasattr(tensor, "detach") else np.asarray(tensor)


def ignoring() -> np.errstate:
    """For the time of a `with`, NumPy does not warn: what is not finite, or has squares that are not, is looked at by itself."""
    return np.errstate(invalid="ignore", over="ignore")


def length(x: np.ndarray) -> float:
    """‖x‖ of an array in float64, where NumPy's warnings are ignored."""
    if x.ndim == 0:
        return abs(float(x))
    entries = x.ravel()
    return math.sqrt(entries.dot(entries))


def lengths(tensors: Mapping[str, Any]) -> dict[str, float]:
    """The Euclidean norm of each tensor, in float64, where NumPy's warnings are ignored."""
    return {name: length(as_array(t).astype(np.float64, copy=False)) for name, t in tensors.items()}


def norm(tensors: Iterable[Any]) -> float:
    """‖B‖, the Euclidean norm of all entries of all tensors together, in float64."""
    with ignoring():
        return whole_of([length(as_array(t).astype(np.float64, copy=False)) for t in tensors])


def whole_of(lengths: Iterable[float]) -> float:
    """‖B‖ of the norms of its parts."""
    return math.sqrt(sum([length * length for length in lengths]))


def error(a: Any, b: Any, whole: float | None = None, nonfinite: NonFinite = "refuse") -> float:
    """‖a − b‖ / max(‖b‖, SMALL · ‖B‖), where 0/0 = 0.

    Args:
        a: by hand.
        b: torch's.
        whole: ‖B‖, the norm of what b is part of; b itself unless given.
        nonfinite: "match" lets NaN equal NaN and ±∞ equal the same ±∞ in the same place; else they equal nothing.

    Returns:
        The relative error; ∞ where shape or dtype differ, where integers or booleans differ at all, or where a
        number is not finite.
    """
    with ignoring():
        return error_of(as_array(a), as_array(b), whole, nonfinite)


def error_of(a: np.ndarray, b: np.ndarray, whole: float | None, nonfinite: NonFinite = "refuse", size: float | None = None) -> float:
    """`error` of two arrays, where NumPy's warnings are ignored; `size` is ‖b‖, if it is known."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return math.inf
    if b.dtype.kind != "f":
        return 0.0 if (a == b).all() else math.inf
    least = SMALL["float64" if b.itemsize == 8 else "float32"] * (whole if whole and math.isfinite(whole) else 0.0)
    a, b = a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)
    difference, size = length(a - b), length(b) if size is None else size
    if math.isfinite(difference) and math.isfinite(size):
        if max(difference, size, least) < 1e-150:  # the squares of such numbers are rounded to 0: look at them magnified
            difference, size, least = norm([2.0**700 * (a - b)]), norm([2.0**700 * b]), 2.0**700 * least
        return ratio(difference, max(size, least))
    odd = ~(np.isfinite(a) & np.isfinite(b))
    if odd.any():
        if nonfinite == "refuse" or not np.array_equal(a[odd], b[odd], equal_nan=True):
            return math.inf
        a, b = a[~odd], b[~odd]
    unit = 1.0 if math.isfinite(norm([a, b])) else 2.0**-700  # the squares of large numbers are rounded to ∞
    return ratio(norm([unit * a - unit * b]), max(norm([unit * b]), unit * least))


def ratio(difference: float, size: float) -> float:
    """difference / size, with 0/0 = 0."""
    return 0.0 if difference == 0 else difference / size if size > 0 else math.inf


def digits(error: float, dtype: str = "float64") -> float:
    """Digits of agreement: −log10(error), between 0 and what the dtype holds (15.7 in float64, 6.9 in float32)."""
    most = -math.log10(np.finfo(dtype).eps)
    if math.isnan(error):
        return 0.0
    return most if error == 0 else min(max(0.0, -math.log10(error)), most)


def errors(
    a: Mapping[str, Any], b: Mapping[str, Any], whole: float | Mapping[str, float] | None = None, sizes: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The error of every tensor of two dicts; a key that only one side has is an infinite error.

    Args:
        a: by hand.
        b: torch's.
        whole: ‖B‖ for all of them, or for each; the norm of everything in b unless given.
        sizes: the norms of b's tensors, if they are known.
    """
    if whole is None:
        whole = norm(b.values())
    wholes = whole if isinstance(whole, Mapping) else dict.fromkeys(b, whole)
    known = sizes or dict.fromkeys(b)
    found = dict.fromkeys({**b, **a}, math.inf)
    with ignoring():
        for key in (key for key in b if key in a):
            found[key] = error_of(as_array(a[key]), as_array(b[key]), wholes[key], size=known[key])
    return found


def each_by_itself(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, float]:
    """The error of every tensor of two dicts, each measured against itself: they are no parts of one whole."""
    return errors(a, b, 0.0)


KINDS = ("loss", "gradient", "parameter", "buffer", "state", "metric", "intermediate", "rollout")
"""What is compared: the first five at every step of an optimizer; metrics, which are whatever is logged, at every batch; intermediates,
which are the named values and gradients between the batch and the parameters, at a step that is looked at; and what an agent made of
the states of a rollout, at every rollout."""

Sizes = Mapping[str, Mapping[str, float]]
"""The norms of tensors, by name, of each kind."""

NO_SIZES: Sizes = {}

Tensors = Mapping[str, Any]
Metrics = Mapping[str, Sequence[float]]
"""What was logged under each name, in order."""


@dataclass(frozen=True)
class Step:
    """What one side held at one step of one of its optimizers: the loss, the raw gradients, and what the step made of everything."""

    loss: float
    gradient: Tensors
    parameter: Tensors
    buffer: Tensors = field(default_factory=dict)
    state: Mapping[str, Tensors] = field(default_factory=dict)  # "exp_avg" → parameter's name → its tensor
    optimizer: int = 0  # which of them took the step


@dataclass(frozen=True)
class Round:
    """What one side did from one judgement to the next: the steps that its optimizers took, and all that it logged."""

    steps: list[Step]
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """The error of every tensor, by kind; what was tolerated; and in words what was furthest beyond it, if anything was."""

    found: Mapping[str, Mapping[str, float]]
    tolerances: Mapping[str, float]
    beyond: str | None
    words: Words

    def worst(self, kind: str) -> float:
        """The largest error of this kind."""
        return max(self.found.get(kind, {}).values(), default=0.0)


class Judge:
    """Judges a trajectory step by step, by what rounding alone can do to it.

    The shadow is a second hand-written copy whose every gradient entry is multiplied at every step by 1 ± eps, or by as much as
    the two sides' gradients differed at the window's first step, from equal weights: so much rounding does to them. Hand and
    torch may differ by no more than 10 times what hand and shadow have differed by so far, between `floor` and CEILING. Where
    the shadow was not measured at a step, less is tolerated, and whoever judges may ask it (`stray`) and judge again (`review`). When
    the shadow itself has come within a tenth of the ceiling nothing can be told any more: `exhausted`.

    Args:
        dtype: "float64" or "float32".
        zero_gradient: parameters whose gradient is exactly zero by mathematics; judged by their gradient alone.
        foretold: False where two right runs part faster than their shadow does (a policy that learns from its own luck):
            the first step of a window is judged as ever, those after it by the ceiling, and the window closes at a tenth of that.
    """

    def __init__(self, dtype: str = "float64", zero_gradient: Iterable[str] = (), foretold: bool = True) -> None:
        self.dtype, self.zero_gradient, self.foretold = dtype, frozenset(zero_gradient), foretold
        self.largest: dict[str, float] = {}  # ‖B‖ of each optimizer's gradient, of the parameters and each key of the state, at its largest
        self.sums: dict[str, list[float]] = {}  # of each loss and metric: Σ|it|, and how many
        self.steps, self.windows = 0, 1
        self.floor = ONE_STEP[dtype]
        self.spread = dict.fromkeys(KINDS, 0.0)  # how far the shadow has strayed in this window
        self.furthest = 0.0  # how far the two sides have parted in this window
        self.first = True  # whether no step of this window was accepted yet
        self.worst: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
        self.tolerance = ONE_STEP[dtype]  # the widest that was granted
        self.failure: str | None = None
        self.actions, self.undecidable = 0, 0  # in rollouts; and those of them that rounding alone decided

    # ---- judging -----------------------------------------------------------------------------------

    def step(self, number: int, hand: Step, torch: Step, shadow: Step | None = None) -> Judgement:
        """Judge one step; what is beyond what is tolerated counts once `convict` is called."""
        sizes = self._measure_sizes(torch)
        self.steps += 1
        found = self._errors(hand, torch, sizes)
        words = Words(f"step {number}", hand, torch)
        return self._judgement(words, found, self._errors(shadow, hand) if shadow is not None else {})

    def metrics(self, when: str, hand: Metrics, torch: Metrics, shadow: Metrics | None = None) -> Judgement:
        """Judge what was logged.

        Args:
            when: "step 3" or "validation after step 3", for the sentence.
            hand, torch, shadow: what each logged, by name.
        """
        for name, values in torch.items():
            for value in values:
                self._count(f"metric {name}", value)
        found = {"metric": self.metric_errors(hand, torch)}
        spread = {"metric": self.metric_errors(shadow, hand)} if shadow is not None else {}
        return self._judgement(Words(when, {"metric": hand}, {"metric": torch}), found, spread)

    def rollout(self, when: str, hand: Tensors, torch: Tensors, shadow: Tensors | None = None) -> Judgement:
        """Judge what an agent made of the states of a rollout: its probabilities, its values."""
        found = {"rollout": each_by_itself(hand, torch)}
        spread = {"rollout": each_by_itself(shadow, hand)} if shadow is not None else {}
        return self._judgement(Words(when, {"rollout": hand}, {"rollout": torch}), found, spread)

    def intermediates(self, when: str, hand: Tensors, torch: Tensors, found: Mapping[str, float]) -> Judgement:
        """Judge what was found on a look at a step: `experiments.judge.look` has measured it."""
        words = Words(when, {"intermediate": hand}, {"intermediate": torch})
        return self._judgement(words, {"intermediate": dict(found)}, {})

    def stray(self, shadow: Step, hand: Step) -> None:
        """Take in how far the shadow is from the hand at a step that was measured."""
        self._stray(self._errors(shadow, hand))

    def stray_in_metrics(self, shadow: Metrics, hand: Metrics) -> None:
        """The same of what was logged."""
        self._stray({"metric": self.metric_errors(shadow, hand)})

    def _stray(self, spread: Mapping[str, Mapping[str, float]]) -> None:
        for kind, errors_of in spread.items():
            self.spread[kind] = max([self.spread[kind], *errors_of.values()])

    def _judgement(self, words: Words, found: dict[str, dict[str, float]], spread: Mapping[str, Mapping[str, float]]) -> Judgement:
        self._stray(spread)
        return self._decide(words, found)

    def _decide(self, words: Words, found: Mapping[str, Mapping[str, float]]) -> Judgement:
        tolerances = {kind: self.tolerated(kind) for kind in found}
        judgement = Judgement(found, tolerances, words.beyond(found, tolerances), words)
        if judgement.beyond is None:
            self.accept(judgement)
        return judgement

    def review(self, judgement: Judgement) -> Judgement:
        """Decide again about what was found, after more is known of what rounding can do."""
        return self._decide(judgement.words, judgement.found)

    def accept(self, judgement: Judgement) -> None:
        """Take it into what is remembered."""
        self.first = self.first and "gradient" not in judgement.found
        for kind, of in judgement.found.items():
            worst = self.worst[kind]
            for name, e in of.items():
                worst[name] = max(worst.get(name, 0.0), e)
            self.furthest = max([self.furthest, *of.values()])
        self.tolerance = max([self.tolerance, *judgement.tolerances.values()])

    def convict(self, judgement: Judgement | str) -> None:
        """Record that rounding cannot explain this judgement, or this sentence; the first failure stays."""
        if isinstance(judgement, str):
            self.failure = self.failure or judgement
        else:
            self.failure = self.failure or judgement.beyond
            self.accept(judgement)

    def tolerated(self, kind: str) -> float:
        """What this kind may differ by, now."""
        if not self.foretold:
            return self.floor if self.first else max(CEILING[self.dtype], self.floor)
        return min(max(10 * self.spread[kind], self.floor), max(CEILING[self.dtype], self.floor))

    @property
    def exhausted(self) -> bool:
        """Whether so much has parted that soon nothing could be told any more: a new window must begin."""
        parted = max(self.spread.values()) if self.foretold else self.furthest
        return parted > CEILING[self.dtype] / 10

    def new_window(self) -> None:
        """Begin again, after the weights were copied over."""
        self.spread, self.furthest, self.first = dict.fromkeys(KINDS, 0.0), 0.0, True
        self.floor = ONE_STEP[self.dtype]
        self.windows += 1

    def raise_floor(self, rounding: float) -> bool:
        """Tolerate ten times what rounding was measured to do to one step; returns whether that is more than before."""
        before, self.floor = self.floor, max(self.floor, 10 * rounding)
        return self.floor > before

    def same_measure(self) -> Judge:
        """A judge of one more look at the same step: it has seen the same sizes, and nothing else."""
        judge = Judge(self.dtype, self.zero_gradient, self.foretold)
        judge.largest, judge.sums, judge.floor = dict(self.largest), {key: list(of) for key, of in self.sums.items()}, self.floor
        return judge

    # ---- what was found ----------------------------------------------------------------------------

    @property
    def passed(self) -> bool:
        """Whether every step was within its tolerance, and there was one."""
        return self.failure is None and self.steps > 0

    def error(self, kind: str) -> float:
        """The worst error of this kind, over all tensors and all steps."""
        return max(self.worst[kind].values(), default=0.0)

    @property
    def digits(self) -> float:
        """The digits of agreement of the worst tensor at the worst step."""
        return digits(max(map(self.error, KINDS)), self.dtype)

    # ---- measuring ---------------------------------------------------------------------------------

    def _measure_sizes(self, torch: Step) -> Sizes:
        """Remember how large things are; gives the norm of every tensor, by kind or, of the state, by its key."""
        with ignoring():
            sizes = {"gradient": lengths(torch.gradient), "parameter": lengths(torch.parameter)}
            sizes |= {f"state {key}": lengths(of) for key, of in torch.state.items()}
        for kind, of in sizes.items():
            key = kind if kind == "parameter" else f"{kind} {torch.optimizer}"
            self._note_size(key, whole_of(of.values()))
            if kind not in ("gradient", "parameter"):
                for name, size in of.items():
                    self._note_size(f"{key} {name}", size)
        self._count(f"loss {torch.optimizer}", torch.loss)
        return sizes

    def _note_size(self, key: str, size: float) -> None:
        if size > self.largest.get(key, -1.0) and math.isfinite(size):
            self.largest[key] = size

    def usual(self) -> Usual:
        """What small ones are measured against; of several optimizers' the smallest."""
        means = [total / count for key, (total, count) in self.sums.items() if key.startswith("loss ")]
        largest = [size for key, size in self.largest.items() if key.startswith("gradient ")]
        return Usual(min(means, default=0.0), min(largest, default=0.0))

    def _count(self, key: str, value: float) -> None:
        total, count = self.sums.get(key, (0.0, 0.0))
        self.sums[key] = [total + (abs(value) if math.isfinite(value) else 0.0), count + 1]

    def _errors(self, a: Step, b: Step, sizes: Sizes = NO_SIZES) -> dict[str, dict[str, float]]:
        """The error of every tensor, by kind; `sizes` are those of b, if they are known."""
        state: dict[str, float] = {}
        for key in {**b.state, **a.state}:
            state |= self._state_errors(key, a.state.get(key, {}), b.state.get(key, {}), b.optimizer, sizes.get(f"state {key}"))
        buffers: dict[str, float] = {}
        for key in {name.rpartition(".")[2] for name in [*a.buffer, *b.buffer]}:
            of_a, of_b = ({n: t for n, t in side.buffer.items() if n.rpartition(".")[2] == key} for side in (a, b))
            buffers |= errors(of_a, of_b)
        return {
            "loss": {"loss": self._number_error(f"loss {b.optimizer}", a.loss, b.loss)},
            "gradient": errors(a.gradient, b.gradient, self.largest.get(f"gradient {b.optimizer}"), sizes.get("gradient")),
            "parameter": self._without_zero_gradient(
                errors(a.parameter, b.parameter, self.largest.get("parameter"), sizes.get("parameter"))
            ),
            "buffer": buffers,
            "state": self._without_zero_gradient(state),
        }

    def _state_errors(self, key: str, a: Tensors, b: Tensors, optimizer: int, sizes: Mapping[str, float] | None = None) -> dict[str, float]:
        """Of what an optimizer remembers under a key. A momentum is a sum of past gradients and has their rounding, also where they cancel:
        so each is measured against itself at its largest, and a small one against all of that key."""
        whole, small = f"state {key} {optimizer}", SMALL[self.dtype]
        of_key = self.largest.get(whole, 0.0)
        found = errors(a, b, {name: max(of_key, self.largest.get(f"{whole} {name}", 0.0) / small) for name in b}, sizes)
        return {f"{name}.{key}": e for name, e in found.items()}

    def metric_errors(self, a: Metrics, b: Metrics) -> dict[str, float]:
        """The worst error of what was logged under each name; ∞ where one side logged it more often, or not at all."""
        found = {}
        for name in [*b, *(name for name in a if name not in b)]:
            of_a, of_b = a.get(name, ()), b.get(name, ())
            pairs = zip(of_a, of_b, strict=False)
            worst = max((self._number_error(f"metric {name}", x, y) for x, y in pairs), default=math.inf)
            found[name] = worst if len(of_a) == len(of_b) else math.inf
        return found

    def _without_zero_gradient(self, found: dict[str, float]) -> dict[str, float]:
        if not self.zero_gradient:
            return found
        return {name: e for name, e in found.items() if not any(name == z or name.startswith(z + ".") for z in self.zero_gradient)}

    def _number_error(self, key: str, a: float, b: float) -> float:
        """|a − b| / max(|b|, the mean of |b| so far)."""
        if not (math.isfinite(a) and math.isfinite(b)):
            return math.inf
        total, count = self.sums.get(key, (0.0, 0.0))
        return ratio(abs(a - b), max(abs(b), total / max(count, 1.0)))

    # ---- state in and out --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers and strings, for a checkpoint."""
        return {**vars(self), "zero_gradient": sorted(self.zero_gradient)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        vars(self).update({**state, "zero_gradient": frozenset(state["zero_gradient"])})


def tensors_of(step: Step | Mapping[str, Tensors]) -> Mapping[str, Tensors]:
    """Everything in a step by kind and name; what is told apart so already, as it is."""
    if not isinstance(step, Step):
        return step
    state = {f"{name}.{key}": t for key, of in step.state.items() for name, t in of.items()}
    return {"loss": {"loss": step.loss}, "gradient": step.gradient, "parameter": step.parameter, "buffer": step.buffer, "state": state}


@dataclass(frozen=True)
class Words:
    """Says what differs.

    Args:
        when: the beginning of the sentence.
        hand: what was compared: a step, or tensors by kind and name.
        torch: likewise.
    """

    when: str
    hand: Step | Mapping[str, Tensors]
    torch: Step | Mapping[str, Tensors]

    def beyond(self, found: Mapping[str, Mapping[str, float]], tolerances: Mapping[str, float]) -> str | None:
        """The sentence about what is furthest beyond its tolerance; None if nothing is."""
        for kind, of in found.items():  # in the order of computation: a wrong gradient makes wrong what is made of it
            beyond = [(e, name) for name, e in of.items() if not e <= tolerances[kind]]
            if beyond:
                e, name = beyond[0] if kind == "intermediate" else max(beyond)  # these stand in the order of computation
                return f"{self.when}: {self.name(kind, name)} {self.differs(kind, name, e, tolerances[kind])}"
        return None

    @staticmethod
    def name(kind: str, name: str) -> str:
        """What people call it."""
        return "the loss" if kind == "loss" else f"{'optimizer state' if kind == 'state' else kind} {name}"

    def differs(self, kind: str, name: str, e: float, tolerance: float) -> str:
        """In what it differs: whether it is there at all, shape, dtype, or by how much."""
        a, b = (tensors_of(side).get(kind, {}).get(name) for side in (self.hand, self.torch))
        if a is None or b is None:
            return f"is missing {'by hand' if a is None else 'in torch'}"
        if kind == "metric" and len(a) != len(b):
            return f"was logged {len(a)} times by hand and {len(b)} times in torch"
        a, b = (np.asarray(x, np.float64) if kind in ("loss", "metric") else as_array(x) for x in (a, b))
        if a.shape != b.shape:
            return f"has shape {a.shape} by hand and {b.shape} in torch"
        if a.dtype != b.dtype:
            return f"is {a.dtype} by hand and {b.dtype} in torch"
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return f"is not finite {'by hand' if np.isfinite(b).all() else 'in torch' if np.isfinite(a).all() else 'on either side'}"
        if math.isinf(e) and a.ndim == 0:
            return f"is {a} by hand and {b} in torch"
        return f"differs by {e:.1e}, tolerated {tolerance:.1e}"


def order_of(hand: Sequence[Step], torch: Sequence[Step]) -> str | None:
    """In what the optimizers' steps differ between two judgements, if in their number or order."""
    a, b = [s.optimizer for s in hand], [s.optimizer for s in torch]
    if a == b:
        return None
    if len(a) != len(b):
        return f"{counted(len(a))} taken by hand, {counted(len(b))} in torch{of_optimizers(a, b)}"
    return f"the optimizers step in the order {in_words(a)} by hand, {in_words(b)} in torch"


def counted(steps: int) -> str:
    """ "1 step was", "2 steps were"."""
    return f"{steps} step{' was' if steps == 1 else 's were'}"


def of_optimizers(a: list[int], b: list[int]) -> str:
    """Which optimizers stepped, where there are several."""
    return f" (optimizers {in_words(a)} by hand, {in_words(b)} in torch)" if {*a, *b} - {0} else ""


def in_words(numbers: list[int]) -> str:
    """The numbers with commas; "none" if there are none."""
    return ", ".join(map(str, numbers)) or "none"
