"""Is every gradient right, and where is the first that is not? The reference is the derivative of the learner's own forward.

Forward is run again with one named value moved a little along a direction d, while every other named value that has a gradient is held at
what it was, so that only direct effects show. The gradients that the backward computed must account for them:

    ⟨∂L/∂v, d⟩  =  direct change of L  +  Σ ⟨∂L/∂u, direct change of u⟩        over all other values u that have a gradient

A line that only inherited a wrong gradient passes: it is a right sum of wrong numbers. A line that is itself wrong fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from experiments.doctor import results, roles
from experiments.doctor.calling import Subject
from experiments.doctor.claims import Claim, is_array
from experiments.doctor.patience import seconds_of
from experiments.doctor.patient import Unreadable
from experiments.doctor.ran import Ran, copied
from experiments.judge.central import STEP, along
from experiments.judge.compare import error

LIKE = 1e-6
"""Two gradients this near are the same."""


NOISY = 8.0
"""So many times what rounding makes of a slope is no mistake."""

STEADY = 2e-6
"""Two steps, one a quarter of the other, find the same slope to within this."""

PATIENCE = 1.0
"""Seconds that the slopes of all entries of one gradient may take."""

MANY = 60
"""A gradient with more entries is not looked at entry by entry."""


@dataclass
class Examination:
    """One forward and backward on some numbers, and what is right and wrong about it.

    Attributes:
        subject: the pair.
        inputs: the numbers.
        seed: of the upstream gradient and of the directions.
        claims: the gradients, by the value that each belongs to.
        scale: what the gradients on the way were divided by: some leave a mean's 1/m to the last lines, and that is right as well.
    """

    subject: Subject
    inputs: Mapping[str, Any]
    seed: int = 0
    claims: dict[str, Claim] = field(default_factory=dict)
    scale: float = 1.0

    def __post_init__(self) -> None:
        self.truths: dict[str, np.ndarray] = {}
        self.wholes: dict[str, np.ndarray] = {}
        self.unseen: set[str] = set()  # the gradients of which no entry could be looked at
        self.rng = np.random.default_rng(1000 + self.seed)
        self.inputs = self.subject.completed(self.inputs)
        self.seconds = seconds_of(lambda: self.subject.forward(self.inputs))
        self.ran = self.subject.forward(self.inputs)
        self.upstreams = self._upstreams(self.ran)
        self.claims = {c.value: c for c in self.subject.backward(self.subject.forward(self.inputs), self.upstreams)}
        self.claims = {n: c for n, k in self.claims.items() if (c := self.fitted(k)) is not None}
        self.locals = dict(self.subject.locals)
        self.held = {n: copied(self.ran.values[n]) for n in self.claims if n in self.ran.values}

    def fitted(self, claim: Claim) -> Claim | None:
        """The claim; of a gradient on the way that has another form than its value the same in the value's form, or nothing."""
        shape = np.shape(self.ran.values[claim.value]) if claim.value in self.ran.values else ()
        if claim.returned or np.shape(claim.gradient) == shape or claim.value in results.first(self.subject.pair, self.ran):
            return claim
        if np.size(claim.gradient) == np.prod(shape):
            return replace(claim, gradient=np.reshape(claim.gradient, shape))
        try:  # U[2], of which every row is the same, is spread out where it is added or multiplied
            return replace(claim, gradient=np.broadcast_to(claim.gradient, shape).copy())
        except ValueError:
            return None

    def _upstreams(self, ran: Ran) -> dict[str, Any]:
        """By the argument that it is given as, a random gradient of what forward returned; nothing where the loss is the file's own."""
        self.outputs = outputs = roles.outputs(self.subject.pair, ran)
        if outputs and all(is_array(ran.parts[i]) for i in outputs.values()):
            shapes = {name: np.shape(ran.parts[i]) for name, i in outputs.items()}
            unread = {n for n, s in shapes.items() if not s and not roles.is_read(self.subject.pair.backward, n)}
            # the gradient of a loss by itself, which many a backward takes and leaves alone
            return {
                name: self.rng.normal(size=s) if s else 1.0 if name in unread else float(self.rng.uniform(0.5, 2))
                for name, s in shapes.items()
            }
        if not outputs and np.ndim(number := self.subject.number(ran)) == 0 and is_array(number):
            return {}
        pair = self.subject.pair
        raise Unreadable(
            f"{pair.forward.name} returns no single number, and {pair.backward.name} takes no gradient of what it returns: "
            "which function makes a loss of it? Name it with --loss"
        )

    def is_slow(self, entries: int) -> bool:
        """Whether the slopes of so many entries take too long to be found."""
        return 4 * entries * self.seconds > PATIENCE

    @property
    def is_finite(self) -> bool:
        """Whether the loss is a number."""
        return bool(np.isfinite(self.loss(self.ran)))

    @cached_property
    def noise(self) -> float:
        """What rounding alone makes of a slope: how far the loss is from a straight line over a distance where it is one."""
        rng = np.random.default_rng(0)
        base, found = self.loss(self.ran), 0.0
        for size in (1e-9, 1e-9, 1e-7, 1e-7):  # the longer one is seen by what is computed in float32
            by = {n: size * v * rng.uniform(-1, 1, np.shape(v)) for n, v in self.inputs.items() if is_array(v) and np.any(v != np.round(v))}
            try:
                there, back = (
                    self.loss(self.subject.forward({**self.inputs, **{n: self.inputs[n] + side * d for n, d in by.items()}}))
                    for side in (1, -1)
                )
            except Exception:  # likewise
                continue
            found = max(found, abs(there - 2 * base + back)) if np.isfinite(there + back) else found
        return NOISY * found / STEP

    def rescaled(self) -> Examination:
        """This one; or as it is if the gradients on the way are those of m times the loss, where then fewer lines are wrong."""
        if len(self.wrong) < 2:
            return self
        factors: list[float] = []
        for name in self.wrong:
            g = np.asarray(self.claims[name].gradient, float)
            if self.claims[name].returned or self.is_slow(g.size):
                continue
            truth = self.truth(name)
            if g.shape != truth.shape or not np.isfinite(truth).all():
                continue
            c = float(np.vdot(truth, g) / max(float(np.vdot(truth, truth)), 1e-300))
            if abs(c - 1) > 1e-3 and c > 1e-6 and error(g, c * truth) < LIKE:
                factors.append(c)
        if len(self.wrong) > 2:
            factors += [float(n) for v in self.inputs.values() if is_array(v) for n in np.shape(v) if n > 1]
        others = [self.divided(c) for c in dict.fromkeys(factors)]
        best = min(others, key=lambda e: len(e.wrong_lines), default=self)
        return best if len(best.wrong_lines) < len(self.wrong_lines) - 1 else self

    @property
    def wrong_lines(self) -> set[int]:
        """The lines of the gradients that are wrong."""
        return {self.claims[n].line for n in self.wrong}

    def divided(self, c: float) -> Examination:
        """This one, with the gradients on the way taken for those of c times the loss."""
        other = replace(self, scale=c)
        other.claims = {n: k if k.returned else replace(k, gradient=k.gradient / c) for n, k in self.claims.items()}
        other.held = dict(self.held)
        return other

    def loss(self, ran: Ran) -> float:
        """One number: what forward returned, weighted with the upstream gradient."""
        if not self.upstreams:
            return float(np.sum(self.subject.number(ran)))
        return float(sum(np.sum(ran.parts[self.outputs[name]] * g) for name, g in self.upstreams.items()))

    def moves(self, name: str, d: Any, held: Mapping[str, Any], weights: Mapping[str, Any], h: float) -> tuple[float, float]:
        """How the loss, and the weighted sum of held values, change by a step of h forwards along d, and by one backwards; divided by h."""

        def change(by: Any) -> float:
            try:
                ran = self.subject.forward(self.inputs, name, by, held)
                total = self.loss(ran) - self.loss(self.ran)
            except Exception:  # a forward may refuse what is a little outside: 5.00001 throws, a probability of 1.00001
                return np.nan
            for u, g in weights.items():
                if u in ran.values and np.shape(ran.values[u]) == np.shape(g):
                    total += float(np.sum(g * (ran.values[u] - self.ran.values[u])))
            return total / h

        return change(h * d), -change(-h * d)

    def slope(self, name: str, d: Any, held: Mapping[str, Any], weights: Mapping[str, Any]) -> float | None:
        """The derivative along d; None at a kink, where the slopes on both sides differ however small the step.

        Where there is no kink the difference of the two slopes is h f″, and falls with h. Where f″ jumps their mean is off by h times a
        quarter of the jump, which two step sizes tell: (4 near − far) / 3.
        """
        (right, left), (near_right, near_left) = (self.moves(name, d, held, weights, h) for h in (STEP, STEP / 4))
        noise = 1e-7 * (1 + abs(self.loss(self.ran)))
        gap, near = abs(right - left), abs(near_right - near_left)
        if not np.isfinite(gap + near) or (near > 0.6 * gap and near > noise):
            return None
        if abs((right + left) - (near_right + near_left)) > STEADY * max(abs(right), abs(left)) + noise:
            return None  # a kink within the longer step alone; or a forward that loses so many digits that no slope of it can be told
        far, closer = 0.5 * (right + left), 0.5 * (near_right + near_left)
        return far if abs(far - closer) < 1e-8 * (1 + abs(far)) else (4 * closer - far) / 3

    def direct(self, name: str, d: Any, held: Mapping[str, Any], h: float = STEP) -> tuple[float, dict[str, Any]]:
        """What moving one value along d does at once: to the loss, and to each value that is held; nothing where forward refuses it."""
        known = [u for u in held if is_array(self.ran.values.get(u))]

        def seen(by: Any) -> tuple[Any, ...]:
            ran = self.subject.forward(self.inputs, name, by, held)
            return (self.loss(ran), *(np.asarray(ran.values.get(u, self.ran.values[u]), float) for u in known))

        try:
            loss, *changes = along(seen, (np.zeros(np.shape(d)),), (d,), h)
        except Exception:  # a forward may refuse what is a little outside: a triangle that is not 0 above its diagonal
            return 0.0, {}
        return float(loss), dict(zip(known, changes, strict=True))

    def expected(self, name: str, d: Any) -> float | None:
        """What ⟨∂L/∂v, d⟩ must be by the gradients that come into v's line; None at a kink, where two step sizes disagree."""
        held = {u: v for u, v in self.held.items() if u != name}
        weights = {u: self.claims[u].gradient for u in held if np.shape(self.claims[u].gradient) == np.shape(self.held[u])}
        return self.slope(name, d, held, weights)

    def is_right(self, name: str) -> bool:
        """Whether the line that computes this gradient is right, whatever came into it; or was right before a change in place."""
        claim = self.claims[name]
        if self._is_right(name, claim.gradient):
            return True
        for gradient, line in () if claim.returned else claim.earlier:
            if self._is_right(name, gradient / self.scale):
                claim.gradient, claim.line, claim.lines = gradient / self.scale, line, (line,)
                return True
        return False

    def _is_right(self, name: str, g: Any) -> bool:
        shape = np.shape(self.ran.values[name])
        if np.shape(g) != shape or not np.all(np.isfinite(g)):
            return False
        rng = np.random.default_rng(self.seed)
        misses = tries = 0
        for _ in range(12):
            d = rng.normal(size=shape)
            expected = self.expected(name, d)
            if expected is None:
                continue
            size = max(np.linalg.norm(g) * np.linalg.norm(d) / max(np.size(g), 1) ** 0.5, abs(expected), 1e-9)
            misses += abs(float(np.sum(g * d)) - expected) > LIKE * size + 1e-9 * (1 + abs(self.loss(self.ran))) + self.noise
            tries += 1
            if tries == 3:
                break
        if not tries and not self.is_slow(np.size(g)):  # forward refuses whatever is moved as a whole: a triangle of numbers
            truth = self.truth(name)
            smooth = np.isfinite(truth)
            return not smooth.any() or error(np.asarray(g, float)[smooth], truth[smooth]) < LIKE
        return misses < max(tries, 1) / 2

    @cached_property
    def wrong(self) -> list[str]:
        """The values whose gradient is wrong in its own line, in the order of the backward."""
        names = [n for n in self.claims if n in self.held]
        return sorted((n for n in names if not self.is_right(n)), key=lambda n: self.claims[n].line)

    def truth(self, name: str) -> np.ndarray:
        """The right gradient of a value by what came into its line, entry by entry."""
        if name not in self.truths:
            self.truths[name] = self._truth(name)
        return self.truths[name]

    def _truth(self, name: str) -> np.ndarray:
        value = np.asarray(self.ran.values[name])
        found = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            d = np.zeros(value.shape)
            d[index] = 1.0
            expected = self.expected(name, d if value.shape else 1.0)
            found[index] = np.nan if expected is None else expected
        return found

    def miss(self, name: str, times: float = 1.0) -> float:
        """How far the gradient of a value, or so many times it, is from the derivative of forward as a whole, relatively.

        It is looked at entry by entry; where there are many entries, along some directions.
        """
        g, shape = times * np.asarray(self.claims[name].gradient, float), np.shape(self.ran.values[name])
        if g.shape != shape:
            return np.inf
        if g.size <= MANY and not self.is_slow(g.size):
            truth = self.whole(name)
            smooth = np.isfinite(truth)  # elsewhere there is a kink, or an end: p log p is infinitely steep at 0
            if not np.isfinite(g[smooth]).all():
                return np.inf
            if g.size and not smooth.any():
                self.unseen.add(name)
            far = np.abs(g[smooth] - truth[smooth]).max(initial=0) > self.noise
            return error(g[smooth], truth[smooth]) if far else min(error(g[smooth], truth[smooth]), 0.9 * LIKE)
        if not np.isfinite(g).all():
            return np.inf
        rng = np.random.default_rng(self.seed)
        directions = [d for _ in range(8) for d in [rng.normal(size=shape)]]
        slopes = [self.slope(name, d, {}, {}) for d in directions]
        pairs = [(float(np.sum(g * d)), s) for d, s in zip(directions, slopes, strict=True) if s is not None]
        scale = max([float(np.linalg.norm(g)), 1e-300, *(abs(s) for _, s in pairs)])
        return max((max(abs(a - s) - self.noise, 0.0) / scale for a, s in pairs), default=0.0)

    def whole(self, name: str) -> np.ndarray:
        """The true gradient of the loss by an input, entry by entry, nothing held; NaN at a kink."""
        if name not in self.wholes:
            self.wholes[name] = self._whole(name)
        return self.wholes[name]

    def _whole(self, name: str) -> np.ndarray:
        value = np.asarray(self.ran.values[name])
        found = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            d = np.zeros(value.shape)
            d[index] = 1.0
            slope = self.slope(name, d if value.shape else 1.0, {}, {})
            found[index] = np.nan if slope is None else slope
        return found


SMALLER = (0.3, 0.05, 0.005)
"""An exp that overflows says nothing: then so much smaller numbers are tried."""


def is_real(value: Any) -> bool:
    """Whether these are numbers that may as well be smaller: not counts, labels or masks."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool(np.any(value != np.round(value)))


def misshapen(subject: Subject, inputs: Mapping[str, Any]) -> int:
    """How many gradients have another shape than their value; raises whatever forward or backward raises."""
    for spread in (1.0, *SMALLER):
        found = Examination(subject, {n: v * spread if is_real(v) else v for n, v in inputs.items()})
        if all(np.all(np.isfinite(v)) for v in (found.ran.out,) if is_array(v)) and found.is_finite:
            break
    else:
        raise FloatingPointError("not finite")
    return sum(np.shape(c.gradient) != np.shape(found.ran.values[n]) for n, c in found.claims.items())
