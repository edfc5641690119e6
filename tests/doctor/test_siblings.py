"""A term that is missing in one of two gradients that are made alike is taken from the other."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.doctor import doctor
from experiments.doctor.mending.sibling import differing


def overlap(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    nu = np.sqrt((u**2).sum(axis=1, keepdims=True))
    nv = np.sqrt((v**2).sum(axis=1, keepdims=True))
    inner = (u * v).sum(axis=1, keepdims=True)
    return inner / (nu * nv), (u, v, nu, nv, inner)


def overlap_backward(dout: np.ndarray, cache: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    u, v, nu, nv, inner = cache
    du = dout * v / (nu * nv)
    dv = dout * u / (nv * nu) - dout * inner * v / (nv**3 * nu)
    return du, dv


def test_what_the_other_one_has() -> None:
    (fault,) = doctor(overlap, overlap_backward).faults
    assert fault.mend is not None
    assert fault.mend.after == "du = dout * v / (nu * nv) - dout * inner * u / (nu ** 3 * nv)"


@pytest.mark.parametrize(
    ("one", "two", "parts"), [("d_a", "d_b", ("a", "b")), ("dW1", "dW2", ("1", "2")), ("da", "da", ("", "")), ("dxy", "dab", ("xy", "ab"))]
)
def test_where_two_names_differ(one: str, two: str, parts: tuple[str, str]) -> None:
    assert differing(one, two) == parts
