"""What a line, or a term of it, may be: gradients that came before, times what the backward knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from experiments.doctor.reading.claims import is_array
from experiments.doctor.verdict.examine import Examination
from experiments.judge.operands import local_derivatives, same

Named = Mapping[str, np.ndarray]


def anew(e: Examination, scope: list[str], shape: tuple[int, ...], written: str) -> Iterator[tuple[str, np.ndarray]]:
    """What such a line, or a term of it, may be: a gradient that came before, times local derivatives, its product with a value, its sum.

    Args:
        e: knows the numbers.
        scope: the names that may be used; what is written in the line is tried first.
        shape: of the result.
        written: the line.
    """
    values = known(e, scope)
    values |= {f"{n}[:, {t}]": v[:, t] for n, v in values.items() if v.ndim == 3 for t in range(min(v.shape[1], 5))}
    came = {n: np.asarray(g, float) for n, g in e.locals.items() if n in scope and is_array(g) and n not in e.ran.values}
    came |= {n: g for n, g in e.upstreams.items() if n in scope and isinstance(g, np.ndarray)}
    came = dict(sorted(came.items(), key=lambda item: item[0] not in written))
    derivatives = list(local_derivatives(values, shape))
    for label, g in {**came, **values}.items():
        if g.shape == shape:
            yield label, g
            yield from ((f"{label} * {text}", g * φ) for text, φ in derivatives)
        for axis in range(g.ndim):
            if g.ndim > 1 and g.sum(axis=axis).shape == shape:
                yield f"{label}.sum(axis={axis})", g.sum(axis=axis)
        yield from ((f"{label}[{i}]", g[i]) for i in range(min(len(g), 4) if g.ndim > 1 else 0) if g[i].shape == shape)
    yield from matrix_products(came, values, shape)
    yield from softmaxes(came, values, shape)
    for label, g in came.items():
        if g.shape == shape:
            for i, (one, φ) in enumerate(derivatives):
                yield from ((f"{label} * {one} * {two}", g * φ * ψ) for two, ψ in derivatives[i:])


def matrix_products(came: Named, values: Named, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """A gradient times a value, summed over what they share."""
    for label, g in came.items():
        for n, v in values.items():
            if v.ndim == g.ndim == 2 == len(shape):
                if (v.shape[1], g.shape[1]) == shape and len(v) == len(g):
                    yield f"{n}.T @ {label}", v.T @ g
                if (len(g), len(v)) == shape and g.shape[1] == v.shape[1]:
                    yield f"{label} @ {n}.T", g @ v.T
            if v.shape == g.shape and v.ndim and (v * g).sum(axis=0).shape == shape:
                yield f"({label} * {n}).sum(axis=0)", (v * g).sum(axis=0)


def softmaxes(came: Named, values: Named, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Through a softmax along the last axis, and through its logarithm."""
    for label, g in came.items():
        for n, v in values.items():
            if g.shape == v.shape == shape and shape:
                rows = "axis=-1, keepdims=True"
                yield f"{n} * ({label} - ({label} * {n}).sum({rows}))", v * (g - (g * v).sum(axis=-1, keepdims=True))
                with np.errstate(over="ignore"):
                    yield f"{label} - np.exp({n}) * {label}.sum({rows})", g - np.exp(v) * g.sum(axis=-1, keepdims=True)


def two_terms(terms: list[tuple[str, np.ndarray]], wanted: np.ndarray) -> Iterator[str]:
    """Two of these whose sum is what is wanted."""
    entry = wanted.size // 2
    at = np.array([term.flat[entry] for _, term in terms])
    for i, (one, x) in enumerate(terms):
        for j in np.flatnonzero(np.abs(at[i + 1 :] - (wanted.flat[entry] - at[i])) < 1e-6) + i + 1:
            two, y = terms[j]
            if same(x + y, wanted):
                yield f"{one} + {two}"


def known(e: Examination, scope: list[str]) -> dict[str, np.ndarray]:
    """Values of the forward that the backward knows by these names."""
    of = {**e.locals, **e.ran.values}
    return {n: np.asarray(of[n], float) for n in scope if n in e.ran.values and is_array(of.get(n))}
