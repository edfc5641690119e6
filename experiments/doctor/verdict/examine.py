"""Is every gradient right, and where is the first that is not? The reference is the derivative of the learner's own forward.

Forward is run again with one named value moved a little along a direction d, while every other named value that has a gradient is held at
what it was, so that only direct effects show. The gradients that the backward computed must account for them:

    ⟨∂L/∂v, d⟩  =  direct change of L  +  Σ ⟨∂L/∂u, direct change of u⟩        over all other values u that have a gradient

A line that only inherited a wrong gradient passes: it is a right sum of wrong numbers. A line that is itself wrong fails.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from experiments.doctor.calls.parts import part_of
from experiments.doctor.calls.running import Running
from experiments.doctor.reading.claims import is_array
from experiments.judge.central import STEP
from experiments.judge.compare import error

LIKE = 1e-6
"""Two gradients this near are the same."""

MANY = 60
"""A gradient with more entries is not looked at entry by entry."""


@dataclass
class Examination(Running):
    """One forward and backward on some numbers, and what is right and wrong about it; see `Running`."""

    def __post_init__(self) -> None:
        self.truths: dict[str, np.ndarray] = {}
        self.unseen: set[str] = set()  # the gradients of which no entry could be looked at
        super().__post_init__()

    def rescaled(self) -> Examination:
        """This one; or as it is if the gradients on the way are those of m times the loss, where then fewer lines are wrong."""
        if len(self.wrong_lines) < 2:
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
        best, most = self, len(self.wrong_lines) - 2
        for c in dict.fromkeys(factors):
            if (other := self.divided(c)).has_at_most(most):
                best, most = other, len(other.wrong_lines) - 1
        return best

    def has_at_most(self, most: int) -> bool:
        """Whether no more lines than that are wrong."""
        lines: set[int] = set()
        for name in (n for n in self.claims if n in self.held):
            if self.claims[name].line not in lines and not self.is_right(name):
                lines.add(self.claims[name].line)
            if len(lines) > most:
                return False
        return True

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
        before = {line: gradient for gradient, line in claim.earlier}  # of each line as it was last: a loop has written hundreds
        for line, gradient in () if claim.returned else before.items():
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

    @cached_property
    def unmoved(self) -> set[str]:
        """The values whose gradients are the same whatever gradient comes in, and not 0."""
        return self.unmoved_by(set(self.upstreams))

    def unmoved_by(self, names: Collection[str]) -> set[str]:
        """Those that are the same whatever these of the gradients that come in are, and not 0."""
        rng = np.random.default_rng(self.seed)
        others = {n: g * rng.uniform(-2, -1, np.shape(g)) if n in names else g for n, g in self.upstreams.items()}
        try:
            found = {c.value: c.gradient for c in self.subject.backward(self.subject.forward(self.inputs), others)} if others else {}
        except Exception:  # a stranger's code may refuse another one
            return set()
        return {n for n, c in self.claims.items() if n in found and np.any(c.gradient) and np.array_equal(found[n], c.gradient)}

    def deaf_to(self, upstream: str) -> set[str]:
        """The values whose gradients are the same whatever that one of several is, though the output that it is of hangs on them."""
        if len(self.upstreams) < 2:
            return set()
        same = {n for n in self.unmoved_by({upstream}) if self.claims[n].returned}
        return {n for n in same if self.reaches(n, self.outputs[upstream])}

    def reaches(self, name: str, output: int) -> bool:
        """Whether an output moves with a value."""
        d = np.random.default_rng(self.seed).normal(size=np.shape(self.ran.values[name]))
        try:
            moved = part_of(self.subject.pair, self.subject.forward(self.inputs, name, STEP * d, {}), output)
        except Exception:  # likewise
            return False
        return error(moved, part_of(self.subject.pair, self.ran, output)) > LIKE * STEP

    def truth(self, name: str) -> np.ndarray:
        """The right gradient of a value by what came into its line, entry by entry."""
        if name not in self.truths:
            self.truths[name] = self.entry_by_entry(name, lambda d: self.expected(name, d))
        return self.truths[name]

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
