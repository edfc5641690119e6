"""What a piece of a line ought to be, though no name says whose gradient it is: that with which everything that comes out is right.

What a backward returns is linear in nearly everything that it computes on the way. So the piece is moved entry by entry, which shows how
far each result moves with it. Where no move makes all results right the mistake is not there, or not there alone.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.doctor.calls.resumed import Start
from experiments.doctor.mending.changing import Changing
from experiments.doctor.mending.cure import Ward, fresh
from experiments.doctor.patience import seconds_of
from experiments.doctor.reading.claims import is_array

MOVED = "__moved__"
"""The function through which the piece passes."""

SECONDS = 0.5
"""That it may take to ask for one piece."""

LIKE = 1e-6
"""So near the results come to what they must be."""

MOST = 60
"""A piece that runs more often is not asked for."""

RANK = 1e-7
"""A direction in which the results move by less, relatively, is one that they do not move in."""


@dataclass(frozen=True)
class Needed:
    """What a piece of a line is, and how what comes out hangs on it.

    Attributes:
        value: it; of a piece within a loop what it is in every round, one after the other. Shape: its own; (entries,).
        slopes: by how much each result moves with each entry of it. Shape: (results, entries).
        missing: what each result lacks of being right.
        size: of the results.
        rounds: the shapes of what it is in every round; None where it runs once.
        worlds: all that has a name there, in every round, where everything has been made right: what was wrong is handed on to the next,
            and what is changed in place further down is as it was.
    """

    value: np.ndarray
    slopes: np.ndarray
    missing: np.ndarray
    size: float
    rounds: tuple[tuple[int, ...], ...] | None = None
    worlds: tuple[Mapping[str, Any], ...] = ()

    def is_right(self, other: np.ndarray) -> bool:
        """Whether all is right with this in its place."""
        change = (np.broadcast_to(other, self.value.shape) - self.value).reshape(-1)
        return bool(np.abs(self.slopes @ change - self.missing).max(initial=0) <= LIKE * self.size)

    @property
    def right(self) -> np.ndarray | None:
        """What it must be; None if more than one thing does. NaN where any number does."""
        scale = np.abs(self.slopes).max(axis=0, initial=0)
        moves = scale > RANK * max(float(scale.max(initial=0)), 1e-12)
        slopes = self.slopes[:, moves]
        if not moves.any() or np.linalg.matrix_rank(slopes / scale[moves], RANK) < moves.sum():
            return None
        change = np.full(self.value.size, np.nan)
        change[moves] = np.linalg.lstsq(slopes, self.missing, rcond=None)[0]
        return self.value + change.reshape(self.value.shape)


def fits(numbers: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether it may stand where something of that shape stands."""
    try:
        return np.broadcast_shapes(numbers.shape, shape) == shape
    except ValueError:
        return False


class Asking:
    """One input, of which it is asked what the pieces of its lines ought to be.

    Args:
        ward: its.
    """

    def __init__(self, ward: Ward) -> None:
        e = ward.e
        self.e, self.ward = e, ward
        names = [n for n in self.ward.truths if not e.is_slow(np.size(e.ran.values[n]))]
        self.truths: Mapping[str, np.ndarray] = {n: e.whole(n) for n in names}
        self.knows = bool(names) and len(names) == len(self.ward.truths)
        self.seen: list[Any] = []
        self.by: Sequence[Any] = ()
        self.base: Sequence[np.ndarray] = ()
        self.rounds = 0
        self.worlds: list[Mapping[str, Any]] = []
        self.looks = False
        self.is_closed = False  # whether it is known of the piece that was asked for last that nothing in its place makes all right
        self.start: Start | None = None
        self.changing = Changing(e.subject.pair.backward, {**e.subject.namespace, MOVED: self.moved})

    def moved(self, value: Any) -> Any:
        """The piece, or plain numbers in its place, as the line goes on with it in this round."""
        at = len(self.seen)
        if self.looks:
            self.worlds.append(fresh(dict(sys._getframe(1).f_locals)))
        self.seen.append(fresh(value))
        value = self.base[at] if at < len(self.base) else value
        return value + self.by[at] if at < len(self.by) else value

    def needed(self, line: int, text: str) -> Needed | None:
        """What the piece ought to be, in every round; None if nothing in its place makes all right.

        Args:
            line: of the statement.
            text: of the statement, the piece in it as an argument of `MOVED`.
        """
        self.start = self.ward.start(line)
        try:
            function = self.changing.made(line, text, self.start)
        except SyntaxError:
            return None
        with np.errstate(all="ignore"), self.changing.changed(line, text) as tree:
            return self._needed(function, tree) if self.knows else None

    def results(self, function: Any, tree: ast.FunctionDef, by: Sequence[Any] = ()) -> np.ndarray:
        """All that is returned, where the piece is moved by so much in every round.

        Raises:
            ValueError: if the piece does not run, or in other rounds than before, or what is returned has another shape than it must have.
        """
        self.seen, self.by = [], by
        found = self.ward.returned(function, tree, self.start)
        if len(self.seen) != (self.rounds or len(self.seen) or 1) or len(self.seen) > MOST:
            raise ValueError("it does not run so often")
        parts = [np.asarray(found[n], float) if n in found else np.zeros(t.shape) for n, t in self.truths.items()]
        if any(p.shape != t.shape for p, t in zip(parts, self.truths.values(), strict=True)):
            raise ValueError("of another shape")
        return np.concatenate([p.reshape(-1) for p in parts])

    def _needed(self, function: Any, tree: ast.FunctionDef) -> Needed | None:
        """What it ought to be; where one number for all cannot be right, a number for each entry of a gradient may be."""
        found = self.solved(function, tree, ())
        if found is not None or len(self.seen) != 1 or not isinstance(self.seen[0], np.ndarray | float | int | np.number):
            return found
        value = self.seen[0]
        of = [np.shape(v) for v in self.e.ran.values.values() if is_array(v)]
        wide = [s for s in dict.fromkeys(of) if np.prod(s) > np.size(value) and fits(np.asarray(value), s)]
        return next((n for s in wide if (n := self.solved(function, tree, s)) is not None), None)

    def solved(self, function: Any, tree: ast.FunctionDef, shape: tuple[int, ...]) -> Needed | None:
        """What it ought to be, spread out to that shape."""
        try:
            return self._solved(function, tree, shape)
        except Exception:  # what is no number cannot be moved; and a change may make nonsense
            return None

    def _solved(self, function: Any, tree: ast.FunctionDef, shape: tuple[int, ...]) -> Needed | None:
        self.base, self.rounds = (), 0
        now = self.results(function, tree, [np.zeros(shape)])
        values = [np.asarray(v, float) for v in self.seen]
        values = [np.broadcast_to(v, np.broadcast_shapes(v.shape, shape)) for v in values]
        self.rounds, shapes = len(values), [v.shape for v in values]
        if not np.isfinite(now).all():  # what is no number does not move: plain numbers in its place do
            self.base = values = [np.random.default_rng(1 + i).uniform(1, 2, s) for i, s in enumerate(shapes)]
            now = self.results(function, tree)
        value, still = np.concatenate([v.reshape(-1) for v in values]), [np.zeros(s) for s in shapes]
        seconds = seconds_of(lambda: self.results(function, tree, still))
        target = np.concatenate([t.reshape(-1) for t in self.truths.values()])
        smooth = np.isfinite(target)
        if value.size * seconds > SECONDS or not np.isfinite(now).all() or not np.isfinite(value).all():
            return None
        size = max(float(np.abs(target[smooth]).max(initial=0)), 1e-9)
        step = max(float(np.abs(value).max(initial=0)), 1.0)
        moved = step * np.random.default_rng(0).uniform(1, 2, value.size)
        at_once = self.results(function, tree, in_rounds(moved, shapes))
        if np.abs((target - now)[smooth & (at_once == now)]).max(initial=0) > LIKE * size:
            self.is_closed = True
            return None  # something is wrong that does not hang on it at all
        slopes = np.empty((int(smooth.sum()), value.size))
        for i in range(value.size):
            by = np.zeros(value.size)
            by[i] = step
            slopes[:, i] = (self.results(function, tree, in_rounds(by, shapes)) - now)[smooth] / step
        if not np.isfinite(slopes).all():
            return None
        missing = (target - now)[smooth]
        change = np.linalg.lstsq(slopes, missing, rcond=None)[0]
        self.worlds, self.looks = [], True
        try:
            far = np.abs((self.results(function, tree, in_rounds(change, shapes)) - target)[smooth]).max(initial=0)
        finally:
            self.looks = False
        if len(shapes) == 1:
            found = Needed(value.reshape(shapes[0]), slopes, missing, size, worlds=tuple(self.worlds))
        else:  # what the piece is in a round hangs on what it was in the round before
            values = [np.broadcast_to(v, s) for v, s in zip(self.base or self.seen, shapes, strict=True)]
            value = np.concatenate([v.reshape(-1) for v in values])
            found = Needed(value, slopes, missing, size, tuple(shapes), tuple(self.worlds))
        off = np.abs((at_once - now)[smooth] - slopes @ moved).max(initial=0)  # 0 where all hangs on it in a straight line
        self.is_closed = bool(off <= LIKE * np.abs(at_once[smooth]).max(initial=0) and far > LIKE * size)
        return found if far <= LIKE * size and found.is_right(found.value + change.reshape(found.value.shape)) else None


def in_rounds(numbers: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """These numbers, in arrays of these shapes."""
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    return [part.reshape(s) for part, s in zip(np.split(numbers, ends), shapes, strict=True)]
