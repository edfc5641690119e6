"""Cases for the functions of manual/linear_algebra/vectors.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "linear_algebra.vectors"


def of_two(name: str) -> None:
    """Cases of a function of two vectors: with leading axes, and of single vectors (repeated numbers would make these parallel)."""

    def rows(rng: np.random.Generator, N: int, T: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, T, D)), rng.normal(size=(N, T, D))]

    def single(rng: np.random.Generator, D: int) -> list[Any]:
        return [rng.normal(size=D), rng.normal(size=D)]

    function_case(PATH, name, empty=True)(rows)
    function_case(PATH, name, repeat=False)(single)


for _name in ("add", "dot", "hadamard", "cosine_similarity", "projection"):
    of_two(_name)


@function_case(PATH, "scale", empty=True)
def scale(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.normal(size=()), rng.normal(size=(N, D))]


def of_one(name: str) -> None:
    """Cases of a norm: of vectors, of one, and at its kinks."""

    def rows(rng: np.random.Generator, N: int, T: int, D: int) -> list[Any]:
        return [rng.normal(size=(N, T, D))]

    def single(rng: np.random.Generator, D: int) -> list[Any]:
        return [rng.normal(size=D)]

    def kinks(rng: np.random.Generator, N: int, D: int) -> list[Any]:
        """Entries of −2 to 2: many are 0, and many tie for the largest; the first row is the zero vector."""
        a = rng.integers(-2, 3, size=(N, D)).astype(float)
        a[:1] = 0
        return [a]

    function_case(PATH, name, empty=True)(rows)
    function_case(PATH, name)(single)
    function_case(PATH, name, smooth=False, repeat=False, least={"D": 4})(kinks)


for _name in ("l1_norm", "l2_norm", "linf_norm"):
    of_one(_name)


@function_case(PATH, "cosine_similarity")
def large_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    """Vectors of lengths well above an eps that is not the default."""
    return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(N, D))], {"eps": 1e-3})


@function_case(PATH, "cosine_similarity", smooth=False, repeat=False)
def below_eps(rng: np.random.Generator, N: int, D: int) -> Built:
    """Some vectors are shorter than eps, and one is zero: torch clamps the value and not the slope, so no finite difference."""
    a, b = rng.normal(size=(N, D)), rng.normal(size=(N, D))
    a[0] = 0
    a[-1] *= 0.1 / np.linalg.norm(a[-1]) if N > 1 else 1
    b[-1] *= 0.2 / np.linalg.norm(b[-1])
    return Built({}, [a, b], {"eps": 0.5})


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "any scale does for ordinary numbers, and nobody else has the array; that of others is in tests/nn/test_binary_scale.py": (
        "vectors.projection_backward:sign:binary_scale(b, axis=-1) => -binary_scale(b, axis=-1):0",
        "vectors.projection_backward:scale:binary_scale(b, axis=-1) => 2 * binary_scale(b, axis=-1):0",
        "vectors.projection_backward:scale:binary_scale(b, axis=-1) => 0.5 * binary_scale(b, axis=-1):0",
        "vectors.projection_backward:axis:binary_scale(b, axis=-1) => binary_scale(b, axis=None):0",
    ),
    "a vector has no transpose, and a dot product is the same both ways": (
        "vectors.projection_backward:transpose:dot(a, b) / dot(b, b) => dot(b, a) / dot(b, b):0",
        "vectors.projection_backward:transpose:dot(dL_dy, b) => dot(b, dL_dy):0",
    ),
    "it is 0 for a NaN only, and then 0/0 is NaN as 0 · NaN is": (
        "vectors.linf_norm_backward:delete:ties = np.maximum(ties, 1) => pass:0",
        "vectors.linf_norm_backward:extremum:np.maximum(ties, 1) => ties:0",
    ),
    "only the gradient with respect to w is used; a cosine does not know how long x is, and is odd in w": (
        "vectors.Vectors.backward:scale:cosine_similarity_backward(dL_dy, x, w) => cosine_similarity_backward(dL_dy, 2 * x, w):0",
        "vectors.Vectors.backward:scale:cosine_similarity_backward(dL_dy, x, w) => cosine_similarity_backward(dL_dy, 0.5 * x, w):0",
        "vectors.Vectors.backward:sign:cosine_similarity_backward(dL_dy, x, w) => cosine_similarity_backward(dL_dy, x, -w):0",
    ),
    "the two have one length, one shape and one dtype": (
        "vectors.Vectors.backward:saved:np.full(len(x), -dL_dloss / len(x), x.dtype) => np.full(len(w), -dL_dloss / len(x), x.dtype):0",
        "vectors.Vectors.backward:saved:-dL_dloss / len(x) => -dL_dloss / len(w):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
