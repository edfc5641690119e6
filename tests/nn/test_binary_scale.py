"""A matrix 2ᵏ times as large has eigenvalues, lengths and factors 2ᵏ times as large, though the squares on the way be no numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual.calculus.gradients import directional_derivative
from manual.linear_algebra import eigen, pca, svd, vectors
from manual.nn.functional import binary_scale, length
from manual.nn.utils import p_norm
from manual.numerics.conditioning import spread
from manual.probability.likelihood import normal_closed_form
from manual.probability.multivariate_normal import closed_form
from manual.regression import linear_regression, perceptron, ridge

Array = np.ndarray

SCALES = [(np.float64, -600), (np.float64, -1000), (np.float64, 600), (np.float64, 1000)]
SCALES += [(np.float32, -80), (np.float32, -110), (np.float32, 80), (np.float32, 120)]

A = np.array([[2.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 1.5]])
B = np.array([[1.0, 0.5], [-2.0, 1.0], [0.25, 3.0], [1.5, -1.0]])
C = np.array([[0.5], [-1.0], [2.0], [1.25]])
v, w = np.array([3.0, -4.0, 1.0]), np.array([1.0, 2.0, 0.5])
along_V, along_S = np.array([[1.0, 2.0, -1.0], [0.5, 1.0, 1.0], [2.0, 0.0, 1.0]]), np.array([1.0, -2.0, 0.5])

GROWS: dict[str, Callable[[Any, Any], Any]] = {  # with s
    "eigh": lambda s, t: eigen.eigh(s(A))[0],
    "eig": lambda s, t: eigen.eig(s(A))[0],
    "qr": lambda s, t: eigen.qr(s(B))[1],
    "qr_iteration": lambda s, t: eigen.qr_iteration(s(A))[0],
    "power_iteration": lambda s, t: eigen.power_iteration(s(A), t(v), 50)[0],
    "rayleigh": lambda s, t: eigen.rayleigh(s(A), t(v)),
    "svdvals": lambda s, t: svd.svdvals(s(B)),
    "svdvals_by_gram": lambda s, t: svd.svdvals_by_gram(s(B)),
    "frobenius_error": lambda s, t: svd.frobenius_error(s(B), 1),
    "l2_norm": lambda s, t: vectors.l2_norm(s(B)),
    "projection": lambda s, t: vectors.projection(s(v), t(w)),
    "length": lambda s, t: length(s(B)),
    "p_norm": lambda s, t: p_norm(s(B), 2.0),
    "p_norm of order 3": lambda s, t: p_norm(s(B), 3.0),
    "spread": lambda s, t: spread(s(B)),
    "normal_closed_form": lambda s, t: np.array(normal_closed_form(s(v))),
    "multivariate_normal.closed_form": lambda s, t: closed_form(s(B))[1],
    "standard_errors": lambda s, t: linear_regression.standard_errors(t(B[:, :1]), s(C))[0],
    "ridge.solution": lambda s, t: ridge.solution(t(B), s(C), 0.1)[0],
}

STAYS: dict[str, Callable[[Any, Any], Any]] = {
    "eigh": lambda s, t: eigen.eigh(s(A))[1],
    "eig": lambda s, t: eigen.eig(s(A))[1],
    "qr": lambda s, t: eigen.qr(s(B))[0],
    "power_iteration": lambda s, t: eigen.power_iteration(s(A), s(v), 50)[1],
    "rayleigh": lambda s, t: eigen.rayleigh(t(A), s(v)),
    "rayleigh_backward": lambda s, t: eigen.rayleigh_backward(1.0, t(A), s(v))[0],
    "svd": lambda s, t: svd.svd(s(B))[0],
    "rank_k_backward": lambda s, t: svd.rank_k_backward(t(B[:, ::-1]), s(B), 1),
    "direction": lambda s, t: vectors.direction(s(B)),
    "projection": lambda s, t: vectors.projection(t(v), s(w)),
    "projection_backward": lambda s, t: vectors.projection_backward(t(w), t(v), s(w))[0],
    "pca_by_covariance": lambda s, t: pca.pca_by_covariance(s(B), 2)[0],
    "pca_by_svd": lambda s, t: pca.pca_by_svd(s(B), 2)[0],
    "explained_variance_ratio": lambda s, t: pca.explained_variance_ratio(s(B)),
    "directional_derivative": lambda s, t: directional_derivative(t(v), s(w)),
    "margin": lambda s, t: perceptron.margin(t(B), np.ones((4, 1)), s(v)),
    "r_squared": lambda s, t: linear_regression.r_squared(s(C * 0.9), s(C)),
    "shrinkage": lambda s, t: ridge.shrinkage(s(v), s(s(t(0.5)))) if s(s(t(0.5))) not in (0, np.inf) else ridge.shrinkage(t(v), t(0.5)),
}

SHRINKS: dict[str, Callable[[Any, Any], Any]] = {
    "svd_backward": lambda s, t: svd.svd_backward(np.zeros((4, 2), t(0.0).dtype), t(along_S[:2]) * 0, t(along_V[:2, :2]), s(B)),
    "pca_by_covariance_backward": lambda s, t: pca.pca_by_covariance_backward(t(B[:2]), t(along_S[:2]) * 0, s(B), 2),
    "explained_variance_ratio_backward": lambda s, t: pca.explained_variance_ratio_backward(t(along_S[:2]), s(B)),
    "rayleigh_backward": lambda s, t: eigen.rayleigh_backward(1.0, t(A), s(v))[1],
    "projection_backward": lambda s, t: vectors.projection_backward(t(w), t(v), s(w))[1],
}

KINDS = [(f, +1) for f in GROWS.values()] + [(f, 0) for f in STAYS.values()] + [(f, -1) for f in SHRINKS.values()]
NAMES = [f"{name} {how}" for how, kind in (("grows", GROWS), ("stays", STAYS), ("shrinks", SHRINKS)) for name in kind]


@pytest.mark.parametrize(("dtype", "k"), SCALES)
@pytest.mark.parametrize(("f", "power"), KINDS, ids=NAMES)
def test_it_scales_as_its_mathematics_does(f: Callable[[Any, Any], Any], power: int, dtype: Any, k: int) -> None:
    """Times a power of two, which rounds nothing: the same digits, to the last but where a loop takes another turn."""

    def plain(x: Any) -> Any:
        return np.asarray(x, dtype)[()]

    def scaled(x: Any) -> Any:
        return np.ldexp(plain(x), k)

    with np.errstate(over="ignore", under="ignore"):
        found, expected = f(scaled, plain), f(plain, plain)
    np.testing.assert_allclose(np.ldexp(found, -power * k), expected, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


def test_binary_scale_is_a_power_of_two_and_1_where_there_is_none() -> None:
    assert binary_scale(np.array([-5.0, 3.0])) == 4
    assert binary_scale(np.array([4.0])) == 4
    assert binary_scale(np.array([5e-324])) == 5e-324
    assert binary_scale(np.array([1.7e308])) == 2.0**1023
    assert [binary_scale(np.array(x)) for x in ([0.0], [], [np.inf, 1.0], [np.nan])] == [1, 1, 1, 1]
    np.testing.assert_array_equal(binary_scale(np.array([[3.0, 1.0], [0.0, 0.25]]), axis=1), [[2.0], [0.25]])
    assert binary_scale(np.ones(2, np.float32)).dtype == np.float32
