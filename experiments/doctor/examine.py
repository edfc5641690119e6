"""Is every gradient right, and where is the first that is not? The reference is the derivative of the learner's own forward.

Forward is run again with one named value moved a little along a direction d, while every other named value that has a gradient is held at
what it was, so that only direct effects show. The gradients that the backward computed must account for them:

    ⟨∂L/∂v, d⟩  =  direct change of L  +  Σ ⟨∂L/∂u, direct change of u⟩        over all other values u that have a gradient

A line that only inherited a wrong gradient passes: it is a right sum of wrong numbers. A line that is itself wrong fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from experiments.doctor.calling import Claim, Ran, Subject, copied, is_array
from experiments.doctor.patient import Unreadable
from experiments.judge.central import STEP, along

LIKE = 1e-6
"""Two gradients this near are the same."""


@dataclass
class Examination:
    """One forward and backward on some numbers, and what is right and wrong about it.

    Attributes:
        subject: the pair.
        inputs: the numbers.
        seed: of the upstream gradient and of the directions.
    """

    subject: Subject
    inputs: Mapping[str, Any]
    seed: int = 0
    claims: dict[str, Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(1000 + self.seed)
        self.ran = self.subject.forward(self.inputs)
        self.upstream = self._upstream(self.ran)
        self.claims = {c.value: c for c in self.subject.backward(self.subject.forward(self.inputs), self.upstream)}
        self.locals = dict(self.subject.locals)
        self.held = {n: copied(self.ran.values[n]) for n in self.claims if n in self.ran.values}

    def _upstream(self, ran: Ran) -> Any:
        out = ran.out
        if self.subject.takes_upstream(ran) and is_array(out):
            return self.rng.normal(size=np.shape(out)) if np.ndim(out) else float(self.rng.uniform(0.5, 2))
        if np.ndim(number := self.subject.number(ran)) == 0 and is_array(number):
            return 1.0
        pair = self.subject.pair
        raise Unreadable(
            f"{pair.forward.name} returns no single number, and {pair.backward.name} takes no gradient of what it returns: "
            "which function makes a loss of it? Name it with --loss"
        )

    def loss(self, ran: Ran) -> float:
        """One number: what forward returned, weighted with the upstream gradient."""
        return float(np.sum(self.subject.number(ran) * self.upstream))

    def direct(self, name: str, d: Any, held: Mapping[str, Any], h: float = STEP) -> tuple[float, dict[str, Any]]:
        """What moving one value along d does at once: to the loss, and to each of the values that are held."""
        known = [u for u in held if is_array(self.ran.values.get(u))]

        def seen(by: Any) -> tuple[Any, ...]:
            ran = self.subject.forward(self.inputs, name, by, held)
            return (self.loss(ran), *(np.asarray(ran.values[u], float) for u in known))

        loss, *changes = along(seen, (np.zeros(np.shape(d)),), (d,), h)
        return float(loss), dict(zip(known, changes, strict=True))

    def expected(self, name: str, d: Any) -> float | None:
        """What ⟨∂L/∂v, d⟩ must be by the gradients that come into v's line; None at a kink, where two step sizes disagree."""
        held = {u: v for u, v in self.held.items() if u != name}
        found = []
        for h in (STEP, STEP / 4):
            total, changes = self.direct(name, d, held, h)
            for u, change in changes.items():
                g = self.claims[u].gradient
                if np.shape(g) == np.shape(change):
                    total += float(np.sum(g * change))
            found.append(total)
        near = abs(found[0] - found[1]) <= 1e-4 * max(map(abs, found)) + 1e-9
        return found[0] if near else None

    def is_right(self, name: str) -> bool:
        """Whether the line that computes this gradient is right, whatever came into it."""
        g, shape = self.claims[name].gradient, np.shape(self.ran.values[name])
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
            misses += abs(float(np.sum(g * d)) - expected) > LIKE * size
            tries += 1
            if tries == 3:
                break
        return misses < max(tries, 1) / 2

    @cached_property
    def wrong(self) -> list[str]:
        """The values whose gradient is wrong in its own line, in the order of the backward."""
        names = [n for n in self.claims if n in self.held]
        return sorted((n for n in names if not self.is_right(n)), key=lambda n: self.claims[n].line)

    def truth(self, name: str) -> np.ndarray:
        """The right gradient of a value by what came into its line, entry by entry."""
        value = np.asarray(self.ran.values[name])
        found = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            d = np.zeros(value.shape)
            d[index] = 1.0
            expected = self.expected(name, d if value.shape else 1.0)
            found[index] = np.nan if expected is None else expected
        return found

    def whole(self, name: str) -> np.ndarray:
        """The true gradient of the loss by an input, entry by entry, nothing held."""
        value = np.asarray(self.ran.values[name])
        found = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            d = np.zeros(value.shape)
            d[index] = 1.0
            found[index] = self.direct(name, d if value.shape else 1.0, {})[0]
        return found


def misshapen(subject: Subject, inputs: Mapping[str, Any]) -> int:
    """How many gradients have another shape than their value; raises whatever forward or backward raises."""
    found = Examination(subject, inputs)
    if not all(np.all(np.isfinite(v)) for v in (found.ran.out,) if is_array(v)):
        raise FloatingPointError("not finite")
    return sum(np.shape(c.gradient) != np.shape(found.ran.values[n]) for n, c in found.claims.items())
