"""What a wrong gradient is, where the values behind it are known: a local derivative missing, another operand, a path dropped.

Each function here yields halves of sentences about a, which ought to be b: "the right one without the factor 1 − h²".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from experiments.judge.diagnose import like

Values = Mapping[str, np.ndarray]


def local_derivatives(values: Values, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Factors that stand in backwards, of every value that fits the shape: (how it is written, its numbers)."""
    for name, v in values.items():
        if not fits(v, shape):
            continue
        with np.errstate(all="ignore"):
            forms = {
                f"{name}": v,
                f"{name} * (1 - {name})": v * (1 - v),
                f"(1 - {name}**2)": 1 - v**2,
                f"({name} > 0)": (v > 0) * 1.0,
                f"(1 - {name})": 1 - v,
                f"2 * {name}": 2 * v,
                f"1 / {name}": 1 / v,
                f"{name}**2": v**2,
                f"np.exp({name})": np.exp(v),
                f"(1 - np.tanh({name})**2)": 1 - np.tanh(v) ** 2,
                f"np.cos({name})": np.cos(v),
                f"1 / (2 * np.sqrt({name}))": 0.5 * v**-0.5 if (v > 0).all() else np.full_like(v, np.nan),
            }
        for text, found in forms.items():
            if np.isfinite(found).all() and found.any() and not (found == 1).all():  # what is 0 everywhere makes anything alike
                yield text, np.broadcast_to(found, shape)


def fits(v: Any, shape: tuple[int, ...]) -> bool:
    """Whether an array can be multiplied with one of that shape, and has something to say."""
    if not isinstance(v, np.ndarray) or v.dtype.kind != "f" or (v.ndim == 0 and shape):
        return False
    try:
        return np.broadcast_shapes(v.shape, shape) == shape
    except ValueError:
        return False


def factors(a: np.ndarray, b: np.ndarray, values: Values, written: str = "") -> Iterator[str]:
    """A local derivative that is missing, stands there once too often, or is another's; what is written in the line comes first.

    Args:
        a, b: the wrong one and the right one.
        values: what may be in the factor.
        written: the text of the line.
    """
    if a.shape != b.shape or like(a, b):
        return
    known = list(local_derivatives(values, a.shape))
    found = [(text, f"multiplied by {text}, which does not belong there", 0) for text, φ in known if same(a, b * φ)]
    for there, ψ in known:
        for right, φ in known:
            if there != right and same(a * φ, b * ψ) and not same(φ, ψ):
                found.append((there, f"multiplied by {there} in place of {right}", 1))

    def rank(of: tuple[str, str, int]) -> tuple[int, int, int]:
        """The longest that is written in the line; where none is, the simpler sentence; the shorter of two."""
        length = len(bare(of[0])) if bare(of[0]) in bare(written) else 0
        return -length, -of[2] if length else of[2], len(of[1])

    found.sort(key=rank)
    written_there = [of for of in found if rank(of)[0]]
    missing = [text for text, φ in known if same(a * φ, b)]
    yield from (f"without the factor {text}" for text in missing if not text.startswith("1 / "))
    yield from (sentence for _, sentence, _ in written_there)  # then 1 over it is not what was left out
    yield from (f"without the factor {text}" for text in missing if text.startswith("1 / "))
    yield from (sentence for _, sentence, _ in found)


def masks(a: np.ndarray, b: np.ndarray, values: Values, gradients: Values) -> Iterator[str]:
    """A mask by the sign of one array in the place of another's: dy * (dy > 0) for dy * (x > 0), where both let through the same is.

    Args:
        a, b: the wrong one and the right one.
        values: what is known of the forward, of which one makes the right mask.
        gradients: what else may have made the wrong one.
    """
    both = (a != 0) & (b != 0) if a.shape == b.shape else np.zeros(1, bool)
    if not both.any() or not like(a[both], b[both]) or (a != 0).all() or (b != 0).all():
        return
    right = [n for n, v in values.items() if v.shape == b.shape and np.array_equal(v > 0, b != 0)]
    wrong = [n for n, v in {**values, **gradients}.items() if v.shape == a.shape and np.array_equal(v > 0, a != 0)]
    yield from (f"masked where {m} is not above 0, and must be where {v} is not" for v in right for m in wrong if m != v)


def numbers(c: float, values: Values) -> Iterator[str]:
    """What the number c is, that was made of a value: its sum, its mean, its length, or 1 over that."""
    for name, v in values.items():
        whole = (
            {f"the sum of {name}": v.sum(), f"the mean of {name}": v.mean(), f"the length of {name}": np.linalg.norm(v)}
            if v.size > 1
            else {}
        )
        for words, n in (whole or {name: v.sum()}).items():
            for form, m in ((f"({words})", n), (f"1/({words})", 1 / n)) if n else ():
                yield from (sign + form for sign, s in (("", 1), ("−", -1)) if math.isclose(c, s * m, rel_tol=1e-6))


def bare(text: str) -> str:
    """A piece of code without blanks and outer brackets."""
    short = text.replace(" ", "")
    return short[1:-1] if short.startswith("(") and short.endswith(")") else short


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """`like`, asked of one entry first, since most pairs differ there already."""
    x, y = a.flat[a.size // 2], b.flat[b.size // 2]
    return bool(abs(x - y) <= 1e-4 * max(abs(x), abs(y), 1e-12)) and like(a, b)


def sums(a: np.ndarray, b: np.ndarray, gradients: Values) -> Iterator[str]:
    """What it is of another gradient: its first row, its mean, the sum of all of it."""
    for name, g in gradients.items():
        if g.ndim == 0 or g.size == 0 or g.shape == b.shape:
            continue
        for axis in range(g.ndim):
            if g.sum(axis=axis).shape != b.shape or not like(g.sum(axis=axis), b):
                continue
            for words, found in (
                (f"only {name}[0]: the first row", g.take(0, axis)),
                (f"only {name}[-1]: the last row", g.take(-1, axis)),
                (f"the mean of {name} over axis {axis}", g.mean(axis=axis)),
                (f"the sum of all of {name}", np.broadcast_to(g.sum(), b.shape)),
            ):
                if a.shape == b.shape and like(a, np.broadcast_to(found, b.shape)):
                    yield f"{words}; it must be the sum over axis {axis}"


def products(a: np.ndarray, b: np.ndarray, values: Values, gradients: Values) -> Iterator[str]:
    """A product with another value, or another gradient, in the place of the right one."""
    if a.ndim != 2 or a.shape != b.shape:
        return
    found = [(v, g, p) for v, x in values.items() for g, y in gradients.items() for p in two_products(x, y) if p.shape == a.shape]
    wrong, right = ([(v, g) for v, g, p in found if same(p, of)] for of in (a, b))
    for v, g in wrong:
        yield from (f"the product of {g} with {v} in place of {w}" for w, h in right if h == g)
        yield from (f"the product of {v} with {g} in place of {h}" for w, h in right if w == v)


def two_products(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """xᵀ y and y xᵀ, of those that there are."""
    if x.ndim != 2 or y.ndim != 2:
        return []
    along_rows = [x.T @ y] if len(x) == len(y) else []
    return [*along_rows, y @ x.T] if x.shape[1] == y.shape[1] else along_rows


def added(a: np.ndarray, b: np.ndarray, values: Values) -> Iterator[str]:
    """The right one, and something that was added to it or forgotten: a number, or a multiple of a value (a penalty)."""
    if a.shape != b.shape or like(a, b):
        return
    rest = a - b
    if rest.size > 1 and np.ptp(rest) < 1e-9 * max(1.0, float(np.abs(rest).max())):
        yield f"the right one plus {rest.flat[0]:.4g} everywhere"
    off = np.abs(rest) > 1e-9 * max(1.0, float(np.abs(b).max(initial=0)))
    if rest.ndim == 2 and rest.shape[1] > 2 and (off.sum(axis=1) == 1).all() and np.ptp(rest[off]) < 1e-9:
        yield "right but for one entry of each row, all off by the same number, as if the 1 of a one-hot row were left out"
    for name, v in values.items():
        if v.shape == rest.shape and v.size > 1 and np.any(v):
            c = float(np.vdot(v, rest) / np.vdot(v, v))
            if abs(c) > 1e-9 and like(rest, c * v):
                which = ("plus", "too many") if c > 0 else ("minus", "missing")
                yield f"the right one {which[0]} {abs(c):.4g} * {name}: a term with {name} is {which[1]}, or has another factor or sign"


def paths(a: np.ndarray, by_path: Mapping[str, np.ndarray]) -> Iterator[str]:
    """The sum over the ways by which a value acts on the loss, with some of them forgotten, counted twice, or with the other sign."""
    parts = {name: part for name, part in by_path.items() if part.shape == a.shape and np.abs(part).max(initial=0) > 1e-9}
    if not 1 < len(parts) <= 5:
        return
    told = {0: "without the path through {}", 2: "with the path through {} counted twice", -1: "with the path through {} subtracted"}
    for counts in sorted(product((1, 0, 2, -1), repeat=len(parts)), key=lambda c: sum(n != 1 for n in c)):
        found = sum((n * part for n, part in zip(counts, parts.values(), strict=True)), np.zeros(a.shape))
        if any(n != 1 for n in counts) and same(found, a):
            yield "the right one " + " and ".join(told[n].format(name) for n, name in zip(counts, parts, strict=True) if n != 1)


DIAGONAL = "the Jacobian's diagonal alone: each entry acts on the other entries of the next value too"
"""What a softmax's backward often is."""


def diagonal(a: np.ndarray, b: np.ndarray, own: np.ndarray) -> Iterator[str]:
    """As if each entry of the next value came from the same entry alone.

    Args:
        a, b: the wrong one and the right one.
        own: what each entry contributes through the entry of the same place.
    """
    if a.shape == own.shape and like(a, own) and not like(b, own):
        yield DIAGONAL


def diagonal_of_softmax(a: np.ndarray, b: np.ndarray, values: Mapping[str, np.ndarray]) -> Iterator[str]:
    """As if the Jacobian of a softmax p, which is diag(p) − p pᵀ, were its first part alone.

    Args:
        a, b: the wrong one and the right one.
        values: p may be one of them.
    """
    for p in values.values():
        for axis in range(p.ndim) if p.shape == a.shape == b.shape else ():
            if p.shape[axis] > 1 and like(a - p * a.sum(axis=axis, keepdims=True), b):
                yield DIAGONAL
