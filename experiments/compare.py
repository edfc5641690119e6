"""How two computations are compared: one error measure, its digits, and what is tolerated.

a is the tensor found by hand, b is torch's. Everything here works on NumPy arrays, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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


def as_array(tensor: Any) -> np.ndarray:
    """The NumPy array of an array, a Parameter, a number or a torch tensor on any device; no copy where none is needed."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return np.asarray(tensor)


def norm(tensors: Iterable[Any]) -> float:
    """‖B‖, the Euclidean norm of all entries of all tensors together, in float64."""
    return math.sqrt(sum(float(np.vdot(t, t)) for t in (as_array(t).astype(np.float64, copy=False) for t in tensors)))


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
    a, b = as_array(a), as_array(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return math.inf
    if not np.issubdtype(b.dtype, np.floating):
        return 0.0 if np.array_equal(a, b) else math.inf
    least = SMALL.get(b.dtype.name, SMALL["float32"]) * (whole if whole and math.isfinite(whole) else 0.0)
    a, b = a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is looked at below
        difference, size = norm([a - b]), norm([b])
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
    return most if error == 0 else min(max(-math.log10(error), 0.0), most)


def errors(a: Mapping[str, Any], b: Mapping[str, Any], whole: float | None = None) -> dict[str, float]:
    """The error of every tensor of two dicts; a key that only one side has is an infinite error.

    Args:
        a: by hand.
        b: torch's.
        whole: ‖B‖ for all of them; the norm of everything in b unless given.
    """
    if whole is None:
        whole = norm(as_array(t) for t in b.values())
    return {key: error(a[key], b[key], whole) if key in a and key in b else math.inf for key in [*b, *(k for k in a if k not in b)]}


KINDS = ("loss", "gradient", "parameter", "buffer", "state")
"""What is compared at every step."""

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """What one side held at one step: its loss, its raw gradients, and what the update made of everything."""

    loss: float
    gradient: Tensors
    parameter: Tensors
    buffer: Tensors = field(default_factory=dict)
    state: Mapping[str, Tensors] = field(default_factory=dict)  # "exp_avg" → parameter's name → its tensor


@dataclass(frozen=True)
class Judgement:
    """One step's worst error of each kind, what was tolerated, and the tensor that was furthest beyond it, if any."""

    errors: Mapping[str, float]
    tolerances: Mapping[str, float]
    beyond: str | None


class Judge:
    """Judges a trajectory step by step, by what rounding alone can do to it.

    The shadow is a second hand-written copy whose every gradient entry is multiplied by 1 ± eps at every step. Hand
    and torch may differ by no more than 10 times what hand and shadow have differed by so far, between ONE_STEP and
    CEILING. When the shadow itself has come within a tenth of the ceiling nothing can be told any more: `exhausted`.

    Args:
        dtype: "float64" or "float32".
        zero_gradient: parameters whose gradient is exactly zero by mathematics; judged by their gradient alone.
    """

    def __init__(self, dtype: str = "float64", zero_gradient: Iterable[str] = ()) -> None:
        self.dtype, self.zero_gradient = dtype, frozenset(zero_gradient)
        self.largest: dict[str, float] = {}  # ‖B‖ of the gradient, the parameters and each key of the state: the largest it has been
        self.loss_sum, self.steps, self.windows = 0.0, 0, 1
        self.spread = dict.fromkeys(KINDS, 0.0)  # how far the shadow has strayed in this window
        self.worst: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
        self.tolerance = ONE_STEP[dtype]  # the widest that was granted
        self.failure: str | None = None

    def step(self, number: int, hand: Step, torch: Step, shadow: Step | None = None) -> Judgement:
        """Judge one step; a step beyond what is tolerated is remembered in `failure` once `convict` is called."""
        self._measure_sizes(torch)
        found = self._errors(hand, torch)
        if shadow is not None:
            for kind, errors_of in self._errors(shadow, hand).items():
                self.spread[kind] = max([self.spread[kind], *errors_of.values()])
        tolerances = {kind: self.tolerated(kind) for kind in KINDS}
        beyond = self._furthest(number, found, tolerances)
        if beyond is None:
            self._accept(found, tolerances)
        return Judgement({kind: max(e.values(), default=0.0) for kind, e in found.items()}, tolerances, beyond)

    def convict(self, number: int, hand: Step, torch: Step) -> None:
        """Record that this step cannot be explained by rounding."""
        found = self._errors(hand, torch)
        tolerances = {kind: self.tolerated(kind) for kind in KINDS}
        self.failure = self.failure or self._furthest(number, found, tolerances)
        self._accept(found, tolerances)

    def tolerated(self, kind: str) -> float:
        """What this kind may differ by, now."""
        return min(max(10 * self.spread[kind], ONE_STEP[self.dtype]), CEILING[self.dtype])

    @property
    def exhausted(self) -> bool:
        """Whether the shadow has strayed so far that nothing can be told any more."""
        return max(self.spread.values()) > CEILING[self.dtype] / 10

    def new_window(self) -> None:
        """Begin again, after the weights were copied over."""
        self.spread = dict.fromkeys(KINDS, 0.0)
        self.windows += 1

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

    def _measure_sizes(self, torch: Step) -> None:
        wholes = {"gradient": torch.gradient, "parameter": torch.parameter, **{f"state {key}": of for key, of in torch.state.items()}}
        for whole, tensors in wholes.items():
            size = norm(tensors.values())
            if math.isfinite(size):
                self.largest[whole] = max(self.largest.get(whole, 0.0), size)
        self.steps += 1
        if math.isfinite(torch.loss):
            self.loss_sum += abs(torch.loss)

    def _errors(self, a: Step, b: Step) -> dict[str, dict[str, float]]:
        """The error of every tensor, by kind."""
        state: dict[str, float] = {}
        for key in {**b.state, **a.state}:  # a momentum is a mean of past gradients, with their rounding: hence its largest size too
            found = errors(a.state.get(key, {}), b.state.get(key, {}), self.largest.get(f"state {key}"))
            state |= {f"{name}.{key}": e for name, e in found.items()}
        buffers: dict[str, float] = {}
        for key in {name.rpartition(".")[2] for name in [*a.buffer, *b.buffer]}:
            of_a, of_b = ({n: t for n, t in side.buffer.items() if n.rpartition(".")[2] == key} for side in (a, b))
            buffers |= errors(of_a, of_b)
        return {
            "loss": {"loss": self._loss_error(a.loss, b.loss)},
            "gradient": errors(a.gradient, b.gradient, self.largest.get("gradient")),
            "parameter": self._without_zero_gradient(errors(a.parameter, b.parameter, self.largest.get("parameter"))),
            "buffer": buffers,
            "state": self._without_zero_gradient(state),
        }

    def _without_zero_gradient(self, found: dict[str, float]) -> dict[str, float]:
        return {name: e for name, e in found.items() if not any(name == z or name.startswith(z + ".") for z in self.zero_gradient)}

    def _loss_error(self, a: float, b: float) -> float:
        """|a − b| / max(|loss|, the mean of |loss| so far)."""
        if not (math.isfinite(a) and math.isfinite(b)):
            return math.inf
        return ratio(abs(a - b), max(abs(b), self.loss_sum / max(self.steps, 1)))

    def _furthest(self, number: int, found: Mapping[str, Mapping[str, float]], tolerances: Mapping[str, float]) -> str | None:
        for kind, of in found.items():  # in the order of computation: a wrong gradient makes wrong what is made of it
            beyond = [(e, name) for name, e in of.items() if not e <= tolerances[kind]]
            if beyond:
                e, name = max(beyond)
                what = "the loss" if kind == "loss" else f"{'optimizer state' if kind == 'state' else kind} {name}"
                return f"step {number}: {what} differs by {e:.1e}, tolerated {tolerances[kind]:.1e}"
        return None

    def _accept(self, found: Mapping[str, Mapping[str, float]], tolerances: Mapping[str, float]) -> None:
        for kind, of in found.items():
            for name, e in of.items():
                self.worst[kind][name] = max(self.worst[kind].get(name, 0.0), e)
        self.tolerance = max([self.tolerance, *tolerances.values()])

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain numbers and strings, for a checkpoint."""
        return {**vars(self), "zero_gradient": sorted(self.zero_gradient)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint left off."""
        vars(self).update({**state, "zero_gradient": frozenset(state["zero_gradient"])})
