"""A forward that is run on some numbers: how its loss, and what it computes on the way, move with one of its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from experiments.doctor.calls import results, roles
from experiments.doctor.calls.calling import Subject
from experiments.doctor.calls.parts import part_of
from experiments.doctor.calls.ran import Ran, copied
from experiments.doctor.patience import seconds_of
from experiments.doctor.reading.claims import Claim, is_array
from experiments.doctor.reading.patient import NoLoss
from experiments.judge.central import STEP, along

NOISY = 8.0
"""So many times what rounding makes of a slope is no mistake."""

STEADY = 2e-6
"""Two steps, one a quarter of the other, find the same slope to within this."""

PATIENCE = 1.0
"""Seconds that the slopes of all entries of one gradient may take."""


@dataclass
class Running:
    """One forward and backward on some numbers: the gradients that backward names, and the slopes of forward.

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
        self.wholes: dict[str, np.ndarray] = {}
        self.entries: dict[tuple[str, int], float] = {}
        self.spread_out: dict[str, tuple[int, ...]] = {}
        self.rng = np.random.default_rng(1000 + self.seed)
        self.inputs = self.subject.completed(self.inputs)
        self.ran = self.subject.forward(self.inputs)
        self.upstreams = self._upstreams(self.ran)
        self.claims = {c.value: c for c in self.subject.backward(self.subject.forward(self.inputs), self.upstreams)}
        self.claims = {n: c for n, k in self.claims.items() if (c := self.fitted(k)) is not None}
        self.locals = dict(self.subject.locals)
        self.held = {n: copied(self.ran.values[n]) for n in self.claims if n in self.ran.values}

    def fitted(self, claim: Claim) -> Claim | None:
        """The claim; of a gradient on the way that has another form than its value the same in the value's form, or nothing."""
        shape = np.shape(self.ran.values[claim.value]) if claim.value in self.ran.values else ()
        if claim.value.startswith("self.") and shape[:1] == (1,) and np.shape(claim.gradient) == shape[1:]:
            self.spread_out[claim.value] = shape  # of a bias of shape (1, n) one of (n,): an update does so too
            return replace(claim, gradient=np.reshape(claim.gradient, shape))
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
        pair = self.subject.pair
        parts = {name: part_of(pair, ran, i) for name, i in outputs.items()}
        if outputs and all(map(is_array, parts.values())):
            shapes = {name: np.shape(part) for name, part in parts.items()}
            unread = {n for n, s in shapes.items() if not (s or self.subject.kinds) and not roles.is_read(pair.backward, n)}
            # the gradient of a loss by itself, which many a backward takes and leaves alone; an operation of an engine may not
            return {name: self.drawn(s) if s else 1.0 if name in unread else float(self.rng.uniform(0.5, 2)) for name, s in shapes.items()}
        late = set(pair.parameters(pair.backward)) - {*pair.parameters(pair.forward), *ran.final}  # targets that forward has not seen
        seen = self.subject.loss is not None or not late & set(roles.TARGETS)
        if not outputs and seen and is_one_number(self.subject.number(ran)):
            return {}
        if self.subject.numbers is not None:
            raise NoLoss(
                "the script computes no loss, so nothing can be said of its gradients: add it as a line before them, "
                "as loss = 0.5 * np.sum((y - out) ** 2)"
            )
        raise NoLoss(
            f"{pair.forward.name} returns no single number, and {pair.backward.name} takes no gradient of what it returns: "
            "which function makes a loss of it? Name it with --loss. Or, if it is one number for arrays of other shapes, give those, "
            "as --input x=5,3"
        )

    def drawn(self, shape: tuple[int, ...]) -> np.ndarray:
        """A gradient that comes in; of one entry alone where that is asked for."""
        found = self.rng.normal(size=shape)
        if self.subject.single:
            one = np.zeros(shape)
            one.flat[self.rng.integers(one.size)] = 1.0
            found = found * one
        return found

    @cached_property
    def seconds(self) -> float:
        """What one run of forward takes."""
        return seconds_of(lambda: self.subject.forward(self.inputs))

    def is_slow(self, entries: int) -> bool:
        """Whether the slopes of so many entries take too long to be found."""
        return 4 * entries * self.seconds > PATIENCE

    @property
    def is_finite(self) -> bool:
        """Whether the loss is a number."""
        return bool(np.isfinite(self.loss(self.ran)))

    @cached_property
    def noise(self) -> float:
        """What rounding alone makes of a slope: how far the loss is from a parabola over a distance where it is one.

        What is computed in float32 shows it over 1e-7. Where p is near 1 the loss may not move at all over so short a way: 1 − p has steps
        of 1e-16, and its logarithm steps of 1e-4. Over the distance that slopes are taken over it jumps from one to another; of three
        directions the middle one is taken then, for a kink may lie on one. And no loss is nearer than its own last digit: one that does not
        move at all may have a slope of 1e-72.
        """
        rng = np.random.default_rng(0)
        short = max(self._off_parabola(size, rng) for size in (1e-9, 1e-9, 1e-7, 1e-7))
        long = float(np.median([self._off_parabola(STEP, rng) for _ in range(3)]))
        digit = float(np.spacing(abs(self.loss(self.ran))))
        return NOISY * max(short, long, digit) / STEP

    def _off_parabola(self, size: float, rng: np.random.Generator) -> float:
        """How far four values of the loss, with all inputs moved by so much of themselves, are from a parabola; 0 if it refuses."""
        by = {n: size * v * rng.uniform(-1, 1, np.shape(v)) for n, v in self.inputs.items() if is_array(v) and np.any(v != np.round(v))}
        try:
            before, after, twice = (
                self.loss(self.subject.forward({**self.inputs, **{n: self.inputs[n] + k * d for n, d in by.items()}})) for k in (-1, 1, 2)
            )
        except Exception:  # likewise
            return 0.0
        off = abs(twice - 3 * after + 3 * self.loss(self.ran) - before) / 2  # as much as rounding makes of a second difference
        return off if np.isfinite(off) else 0.0

    def loss(self, ran: Ran) -> float:
        """One number: what forward returned, weighted with the upstream gradient."""
        if not self.upstreams:
            return float(np.sum(self.subject.number(ran)))
        return float(sum(np.sum(part_of(self.subject.pair, ran, self.outputs[name]) * g) for name, g in self.upstreams.items()))

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

    def whole(self, name: str) -> np.ndarray:
        """The true gradient of the loss by a value, entry by entry, nothing held; NaN at a kink."""
        if name not in self.wholes:
            shape = np.shape(self.ran.values[name])
            self.wholes[name] = np.array([self.entry(name, i) for i in range(int(np.prod(shape)))], float).reshape(shape)
        return self.wholes[name]

    def entry(self, name: str, at: int) -> float:
        """One entry of it, which is looked at once."""
        if (name, at) not in self.entries:
            shape = np.shape(self.ran.values[name])
            d = np.zeros(shape)
            d.reshape(-1)[at] = 1.0
            slope = self.slope(name, d if shape else 1.0, {}, {})
            self.entries[name, at] = np.nan if slope is None else slope
        return self.entries[name, at]

    def entry_by_entry(self, name: str, slope: Callable[[Any], float | None]) -> np.ndarray:
        """The slope along each entry of a value by itself; NaN where it is None."""
        shape = np.shape(self.ran.values[name])
        found = np.zeros(shape)
        for index in np.ndindex(shape):
            d = np.zeros(shape)
            d[index] = 1.0
            along_it = slope(d if shape else 1.0)
            found[index] = np.nan if along_it is None else along_it
        return found


def is_one_number(value: Any) -> bool:
    """Whether this is a loss: a number, or an array of one, as Python's sum makes of a column."""
    return is_array(value) and np.size(value) == 1 and np.ndim(value) < 2
