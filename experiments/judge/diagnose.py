"""What a wrong gradient is, if it can be said: minus torch's, a factor of it, its transpose, a sum or a mask missing, another's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from experiments.judge.compare import as_array, error

LIKE = {"float64": 1e-8, "float32": 1e-4}
"""Two tensors this near are taken for the same thing: far above rounding, far below any mistake."""


def diagnose(a: Any, b: Any, others: Mapping[str, Any] | None = None, sizes: Mapping[str, float] | None = None) -> str | None:
    """Half a sentence about a: "−1 times torch's". None if nothing fits.

    Args:
        a: by hand.
        b: torch's.
        others: torch's other gradients by name: one of them may stand in b's place.
        sizes: names of sizes that may have become a factor: {"N": 32}.
    """
    if a is None or b is None:
        return "missing by hand" if a is None else "unknown to torch"
    a, b = as_array(a), as_array(b)
    if not np.isfinite(a).all():
        return "not finite"
    if a.shape != b.shape:
        return other_shape(a, b)
    for kind in (zero, rounded, factor, transposed, masked, partly):
        if found := kind(a, b, sizes or {}):
            return found
    return next((f"{name}'s gradient" for name, other in (others or {}).items() if like(a, other)), None)


def like(a: Any, b: Any) -> bool:
    """Whether they are the same but for rounding."""
    a, b = as_array(a), as_array(b)
    return a.shape == b.shape and error(a, b) < LIKE.get(b.dtype.name, 1e-4)


def other_shape(a: np.ndarray, b: np.ndarray) -> str:
    """What a is, whose shape is not b's."""
    if a.shape == b.shape[::-1] and like(a.T, b):
        return "transposed"
    if b.ndim == 0 and like(a.sum(), b):
        return "not summed up to one number"
    for axis in range(a.ndim):
        if like(a.sum(axis=axis), b) or like(a.sum(axis=axis, keepdims=True), b):
            return f"not summed over axis {axis}"
        if like(a.mean(axis=axis), b):
            return f"not averaged over axis {axis}"
    for axis in range(b.ndim):
        if like(a, b.sum(axis=axis)):
            return f"summed over axis {axis}, which torch's still has"
    if a.size == b.size and like(a.reshape(b.shape), b):
        return f"right but for its shape, {a.shape} in place of {b.shape}"
    return f"of shape {a.shape} in place of {b.shape}"


def zero(a: np.ndarray, b: np.ndarray, sizes: Mapping[str, float]) -> str | None:
    """Nothing at all."""
    return "0 everywhere" if not a.any() and b.any() else None


NEARLY = 1e-5
"""Two tensors of float64 that are nearer than this are the same computation, but for digits that were lost on the way."""


def rounded(a: np.ndarray, b: np.ndarray, sizes: Mapping[str, float]) -> str | None:
    """Right, as far as its digits go: as of float32, or of a difference of two values."""
    e = error(a, b) if b.dtype == np.float64 else np.inf
    return f"right only in its first {-math.log10(e):.0f} digits: rounded on the way, or by a small difference" if 0 < e < NEARLY else None


def factor(a: np.ndarray, b: np.ndarray, sizes: Mapping[str, float]) -> str | None:
    """A number times torch's, named if it has a name."""
    c = multiple(a, b)
    if c is None:
        return None
    known = next((name for name, value in names_of_factors(b.shape, sizes) if math.isclose(c, value, rel_tol=1e-6)), f"{c:.6g}")
    return f"{known} times torch's"


def multiple(a: np.ndarray, b: np.ndarray) -> float | None:
    """The number that a is times b, which has its shape; None if there is none."""
    square = float(np.vdot(b, b))
    c = float(np.vdot(b, a)) / square if square > 0 and math.isfinite(square) else 0.0
    return c if c != 0 and like(a, c * b) else None


def names_of_factors(shape: tuple[int, ...], sizes: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Factors that a mistake brings, with their names; the plain ones first."""
    plain = [("−1", -1.0), ("2", 2.0), ("1/2", 0.5), ("−2", -2.0), ("−1/2", -0.5), ("4", 4.0), ("1/4", 0.25)]
    yield from plain
    named = {**sizes, **{f"{n}, the length of its axis {axis},": n for axis, n in enumerate(shape)}}
    for name, n in named.items():
        label = f"{name} = {n}" if name in sizes else str(name)
        forms = ((f"({label})", n), (f"1/({label})", 1 / n), (f"√({label})", n**0.5), (f"1/√({label})", n**-0.5))
        squares = ((f"({label})²", n**2), (f"1/({label})²", n**-2.0))
        halves = ((f"2·({label})", 2 * n), (f"2/({label})", 2 / n), (f"({label})/2", n / 2), (f"1/2·1/({label})", 0.5 / n))
        for form, value in (*forms, *squares, *halves):
            yield form, value
            yield f"−{form}", -value


def transposed(a: np.ndarray, b: np.ndarray, sizes: Mapping[str, float]) -> str | None:
    """Square, and its transpose."""
    return "transposed" if a.ndim > 1 and a.shape == a.T.shape and like(a.T, b) else None


def masked(a: np.ndarray, b: np.ndarray, sizes: Mapping[str, float]) -> str | None:
    """Right, but for entries that are 0 on one side alone."""
    for nonzero, words in ((b != 0, "not masked: right wherever torch's is not 0"), (a != 0, "0 in places where torch's is not")):
        if nonzero.any() and not nonzero.all() and like(a[nonzero], b[nonzero]):
            return words
    kept = b != 0
    c = multiple(a[kept], b[kept]) if 1 < kept.sum() < b.size else None
    return f"not masked: {c:.6g} times torch's wherever that is not 0" if c else None


def partly(a: np.ndarray, b: np.ndarray, sizes: Mapping[str, float]) -> str | None:
    """Right in some rows or columns, wrong in the others."""
    for axis, word in ((0, "row"), (1, "column")):
        if a.ndim <= axis or a.shape[axis] < 2:
            continue
        right = [like(x, y) for x, y in zip(np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0), strict=True)]
        if any(right) and not all(right):
            return f"right in {sum(right)} of {len(right)} {word}s{which(right)}"
    return None


MENTIONED = 4
"""So many rows are named one by one."""


def which(right: Sequence[bool]) -> str:
    """Which of the rows are right, or which are wrong where those are fewer, counted from 0; nothing where both are many."""
    for wanted, verb in ((True, ""), (False, " wrong")):
        *first, last = (str(i) for i, r in enumerate(right) if r == wanted)
        if len(first) < MENTIONED:
            return f" ({', '.join(first)} and {last}{verb})" if first else f" ({last}{verb})"
    return ""
