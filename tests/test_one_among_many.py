"""An array of which one entry alone is bad is refused as one in which all are, wherever the bad one stands; and one without is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from manual import nn
from manual.calculus.gradients import kind_of_critical_point
from manual.calculus.optimizers import jensen_gap
from manual.linear_algebra.eigen import eigh
from manual.linear_algebra.matrices import rank
from manual.linear_algebra.pca import pca_by_svd
from manual.linear_algebra.vectors import projection
from manual.numerics.summation import smaller_root
from manual.probability import bayes, distributions, expectation, likelihood, multivariate_normal
from manual.regression.perceptron import rosenblatt

NAN, INF = float("nan"), float("inf")
HALF, HEADS = np.full(3, 0.5), np.array([1.0, 0.0, 1.0])
PLANE = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.5]])


class Asked(NamedTuple):
    """A function of one array, what it may be, a bad entry, and the beginning of the refusal."""

    call: Callable[[np.ndarray], Any]
    good: np.ndarray
    bad: float
    words: str


ASKED = [
    Asked(lambda y: rosenblatt(PLANE, y[:, None], 3), np.array([1.0, -1.0, 1.0]), 0.5, r"rosenblatt: y must be \+1 or -1, got 0\.5"),
    Asked(lambda x: likelihood.bernoulli_likelihood(HALF, x), HEADS, 0.5, "bernoulli_likelihood: x must"),
    Asked(lambda p: likelihood.bernoulli_likelihood(p, HEADS), HALF, -0.1, r"bernoulli_likelihood: p must lie in 0 to 1, got -0\.1"),
    Asked(lambda p: likelihood.bernoulli_likelihood(p, HEADS), HALF, 1.1, r"bernoulli_likelihood: p must lie in 0 to 1, got 0\.5 to 1\.1"),
    Asked(lambda s: likelihood.normal_log_likelihood(HALF, s, HEADS), np.ones(3), 0.0, "normal_log_likelihood: std must be above 0"),
    Asked(lambda s: expectation.reparameterise(HALF, s, HEADS), np.ones(3), 0.0, "reparameterise: std must be above 0, got 0"),
    Asked(lambda p: expectation.expectation(p, HALF), np.array([0.5, 0.25, 0.25]), -0.25, "expectation: p must not be below 0"),
    Asked(lambda a: bayes.beta_bernoulli_map(HEADS, a, np.ones(3)), np.ones(3), -0.5, "beta_bernoulli_"),
    Asked(lambda b: bayes.beta_bernoulli_map(HEADS * 0, np.full(3, 2.0), b), np.ones(3), -0.5, "beta_bernoulli_"),
    Asked(lambda a: bayes.beta_bernoulli_map(HEADS * 0, a, np.ones(3)), np.full(3, 2.0), 1.0, "beta_bernoulli_map: the posterior"),
    Asked(lambda b: bayes.beta_bernoulli_map(HEADS * 0 + 1, np.ones(3), b), np.full(3, 2.0), 1.0, "beta_bernoulli_map: the posterior"),
    Asked(lambda c: smaller_root(np.full(3, 3.0), c), np.ones(3), 3.0, "smaller_root: b must be above 0 and b² above 4c"),
    Asked(lambda b: smaller_root(b, np.full(3, -1.0)), np.full(3, 3.0), -3.0, "smaller_root: b must be above 0 and b² above 4c"),
    Asked(lambda w: jensen_gap(np.sum, PLANE, w), np.array([0.5, 0.25, 0.25]), -0.5, "jensen_gap: weights must not be below 0"),
    Asked(lambda w: jensen_gap(np.sum, PLANE, w), np.array([0.5, 0.25, 0.25]), 0.6, "jensen_gap: weights must not"),
    Asked(lambda x: pca_by_svd(x.reshape(3, 2), 1), PLANE.ravel(), NAN, "pca_by_svd: x must be finite"),
    Asked(lambda A: rank(A.reshape(3, 2)), PLANE.ravel(), INF, "rank: A must be finite"),
    Asked(lambda a: eigh(np.diag(a)), np.ones(3), INF, "eigh: A must be finite"),
    Asked(lambda a: kind_of_critical_point(np.diag(a)), np.ones(3), NAN, ""),
    Asked(lambda p: distributions.bernoulli_log_prob(HEADS, p), HALF, 1.5, r"bernoulli_log_prob: probs must .*, got 1\.5"),
    Asked(lambda p: nn.BCELoss()(p, HEADS), HALF, 1.5, r"BCELoss: input must lie in 0 … 1, got 1\.5"),
    Asked(lambda v: nn.GaussianNLLLoss()(HEADS, HALF, v), np.ones(3), -1.0, "GaussianNLLLoss: var must not be negative, got -1"),
    Asked(lambda n: nn.Unflatten(1, tuple(map(int, n))), np.array([2.0, 3.0, -1.0]), -2.0, "Unflatten: unflattened_size must hold sizes"),
    Asked(lambda d: multivariate_normal.log_prob(np.eye(3), HALF, np.diag(d)), np.ones(3), -1.0, "log_prob: scale_tril must be 0 above"),
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=[f"{i} {a.words.partition(':')[0]} {a.bad:g}" for i, a in enumerate(ASKED)])
def test_one_bad_entry_is_refused_wherever_it_stands(asked: Asked) -> None:
    asked.call(asked.good.copy())
    for place in range(asked.good.size):
        one_bad = asked.good.copy()
        one_bad[place] = asked.bad
        with pytest.raises(ValueError, match=f"^{asked.words}"):
            asked.call(one_bad)


def test_one_row_of_zeros_has_no_direction_and_one_entry_above_the_diagonal_is_refused() -> None:
    for place in range(3):
        b = PLANE.copy()
        b[place] = 0
        with pytest.raises(ValueError, match=r"^projection: b must not be a zero vector"):
            projection(PLANE, b)
        L = np.eye(3)
        L[[(0, 1), (0, 2), (1, 2)][place]] = 0.1
        with pytest.raises(ValueError, match=r"^log_prob: scale_tril must be 0 above its diagonal"):
            multivariate_normal.log_prob(np.eye(3), HALF, L)


def test_what_lies_just_within_is_taken() -> None:
    few, none = np.array([1.0]), np.zeros(0)
    assert bayes.beta_bernoulli_map(few, np.array(0.5), np.array(1.25)) == pytest.approx(0.5 / 0.75)  # Beta(1.5, 1.25)
    assert bayes.beta_bernoulli_map(none, np.array(1.25), np.array(1.75)) == pytest.approx(0.25 / 1.0)
    assert likelihood.bernoulli_likelihood(np.array([0.0, 1.0]), HEADS).tolist() == [0, 0]
    assert likelihood.normal_log_likelihood(np.zeros(1), np.full(1, 1e-3), np.zeros(1)) == pytest.approx(
        -np.log(1e-3) - np.log(2 * np.pi) / 2
    )
    assert expectation.expectation(np.array([1.0, 0.0]), np.array([2.0, 9.0])) == 2
    assert expectation.expectation(np.array([1.0005, 0.0]), np.array([2.0, 9.0])) == pytest.approx(2.001)
    assert expectation.reparameterise(np.zeros(1), np.full(1, 1e-3), np.ones(1)) == 1e-3
    assert smaller_root(np.array([1e-3]), np.array([2e-7])) == pytest.approx((1e-3 - np.sqrt(1e-6 - 8e-7)) / 2)
    assert jensen_gap(np.sum, PLANE, np.array([1.0, 0.0, 0.0])) == 0
    assert nn.GaussianNLLLoss()(few, few, np.zeros(1)) == pytest.approx(np.log(1e-6) / 2)
    assert nn.BCELoss()(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0
    assert nn.Unflatten(1, (0, 3))(np.ones((2, 0))).shape == (2, 0, 3)
    assert len(rosenblatt(PLANE[:1], np.ones((1, 1)), 1)[0]) == 2
    assert multivariate_normal.log_prob(np.zeros((1, 1)), np.zeros(1), np.full((1, 1), 1e-3)) == pytest.approx(
        -np.log(1e-3) - np.log(2 * np.pi) / 2
    )
