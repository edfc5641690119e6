"""Likelihood: the closed forms, the losses of networks, impossible and degenerate data, and where training ends on both sides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy import stats

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.probability import likelihood as script
from experiments.probability.likelihood import TWIN, Throws
from manual import nn
from manual.probability import likelihood as by_hand
from tests.helpers import whole_run
from torch_impl.probability import likelihood as in_torch

SEVEN_IN_TEN = np.repeat([1.0, 0.0], [7, 3])


def numbers(seed: int, *shape: int) -> np.ndarray:
    """Random numbers of this shape."""
    return np.random.default_rng(seed).normal(1.0, 2.0, size=shape)


# ---- what they are -------------------------------------------------------------------------------


def test_likelihoods_are_scipys() -> None:
    p, x = np.array([0.2, 0.5, 0.9]), numbers(0, 7)
    wanted = [stats.bernoulli.pmf(SEVEN_IN_TEN, each).prod() for each in p]
    assert error(by_hand.bernoulli_likelihood(p, SEVEN_IN_TEN), np.array(wanted)) < 1e-14
    assert error(by_hand.bernoulli_log_likelihood(p, SEVEN_IN_TEN), np.log(wanted)) < 1e-14
    mean, std = np.array([0.3, -2.0]), np.array([0.4, 3.0])
    wanted = [stats.norm.logpdf(x, m, s).sum() for m, s in zip(mean, std, strict=True)]
    assert error(by_hand.normal_log_likelihood(mean, std, x), np.array(wanted)) < 1e-14


def test_closed_forms_are_the_top() -> None:
    best = np.array([by_hand.bernoulli_closed_form(SEVEN_IN_TEN)])
    assert best == 0.7
    assert abs(by_hand.bernoulli_log_likelihood_backward(np.array([1.7]), best, SEVEN_IN_TEN)) < 1e-13
    assert abs(by_hand.bernoulli_likelihood_backward(np.array([1.7]), best, SEVEN_IN_TEN)) < 1e-16
    others = np.linspace(0, 1, 102)
    assert (by_hand.bernoulli_log_likelihood(others, SEVEN_IN_TEN) < by_hand.bernoulli_log_likelihood(best, SEVEN_IN_TEN)).all()

    x = numbers(1, 9)
    mean, std = by_hand.normal_closed_form(x)
    assert (mean, std) == pytest.approx(stats.norm.fit(x), rel=1e-14)
    assert (mean, std) == pytest.approx([t.item() for t in in_torch.normal_closed_form(torch.from_numpy(x))], rel=1e-14)
    assert in_torch.bernoulli_closed_form(torch.from_numpy(SEVEN_IN_TEN)).item() == pytest.approx(0.7, rel=1e-15)
    dL_dmean, dL_dstd, _ = by_hand.normal_log_likelihood_backward(np.array(1.7), np.array(mean), np.array(std), x)
    assert abs(dL_dmean) < 1e-13
    assert abs(dL_dstd) < 1e-13


def test_cross_entropy_is_minus_the_log_likelihood() -> None:
    p = np.array([0.35])
    log_p = np.log([[0.65, 0.35]]).repeat(10, axis=0)
    loss = by_hand.cross_entropy(log_p, SEVEN_IN_TEN.astype(int))
    assert -10 * loss == pytest.approx(by_hand.bernoulli_log_likelihood(p, SEVEN_IN_TEN)[0], rel=1e-14)
    logits, classes = numbers(2, 5, 3), np.array([0, 2, 2, 1, 0])
    assert by_hand.cross_entropy(nn.LogSoftmax(dim=1)(logits), classes) == pytest.approx(nn.CrossEntropyLoss()(logits, classes), rel=1e-14)


def test_mean_squared_error_is_the_likelihood_of_a_bell_curve() -> None:
    y_hat, y, std = numbers(3, 5, 3), numbers(4, 5, 3), np.array(0.8)
    mse = nn.MSELoss()
    constant = math.log(0.8 * math.sqrt(2 * math.pi))
    assert by_hand.normal_nll(y_hat, std, y) == pytest.approx(mse(y_hat, y) / (2 * 0.8**2) + constant, rel=1e-14)
    assert -15 * by_hand.normal_nll(y_hat, std, y) == pytest.approx(stats.norm.logpdf(y, y_hat, 0.8).sum(), rel=1e-14)
    assert error(by_hand.normal_nll_backward(1.7, y_hat, std, y)[0], mse.backward(1.7) / (2 * 0.8**2)) < 1e-14


def test_the_product_underflows_and_the_sum_of_logs_does_not() -> None:
    x, p = np.tile(SEVEN_IN_TEN, 200), np.array([0.6])
    assert by_hand.bernoulli_likelihood(p, x) == 0
    assert by_hand.bernoulli_likelihood_backward(np.array([1.7]), p, x) == 0
    assert by_hand.bernoulli_log_likelihood(p, x)[0] == pytest.approx(1400 * math.log(0.6) + 600 * math.log(0.4), rel=1e-14)
    assert by_hand.bernoulli_log_likelihood_backward(np.array([1.7]), p, x)[0] == pytest.approx(1.7 * (1400 / 0.6 - 600 / 0.4), rel=1e-14)


def test_the_variance_of_maximum_likelihood_is_biased() -> None:
    for n in (2, 5):
        biased, unbiased = script.mean_variances(n, 40_000, 1.5)
        assert biased == pytest.approx((n - 1) / n * 1.5**2, rel=0.03)
        assert unbiased == pytest.approx(1.5**2, rel=0.03)
    x = numbers(5, 6)
    assert by_hand.normal_closed_form(x)[1] ** 2 == pytest.approx(5 / 6 * np.var(x, ddof=1), rel=1e-14)


# ---- impossible and degenerate data --------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "x", "y", "slope"),
    [
        (0.0, [0.0, 0.0, 0.0], 0.0, math.nan),
        (0.0, [1.0, 0.0, 0.0], -math.inf, math.inf),
        (1.0, [1.0, 1.0, 1.0], 0.0, math.nan),
        (1.0, [1.0, 0.0, 1.0], -math.inf, -math.inf),
        (math.nan, [1.0, 0.0, 1.0], math.nan, math.nan),
        (0.3, [], 0.0, 0.0),
    ],
)
def test_ends_of_the_log_likelihood_are_torchs(p: float, x: list[float], y: float, slope: float) -> None:
    hand = np.array([p]), np.array(x)
    leaf = torch.tensor([p], dtype=torch.float64, requires_grad=True)
    theirs = in_torch.bernoulli_log_likelihood(leaf, torch.tensor(x, dtype=torch.float64))
    (1.7 * theirs).sum().backward()
    ours = by_hand.bernoulli_log_likelihood(*hand), by_hand.bernoulli_log_likelihood_backward(np.array([1.7]), *hand)
    np.testing.assert_array_equal(ours, [[y], [slope]])
    np.testing.assert_array_equal(ours, [to_numpy(theirs), to_numpy(leaf.grad)])


def test_equal_numbers_have_std_0_as_in_scipy() -> None:
    x = np.full(4, 2.5)
    assert by_hand.normal_closed_form(x) == (2.5, 0.0) == stats.norm.fit(x)
    with pytest.raises(ValueError, match=r"normal_log_likelihood: std must be above 0, got 0\.0"):
        by_hand.normal_log_likelihood(np.array(2.5), np.array(0.0), x)


def test_bad_input_is_named() -> None:
    p, x = np.array([0.2, 0.9]), numbers(6, 4)
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, r"p must lie in 0 to 1, got -0\.1 to 0\.5", "bernoulli_likelihood", (np.array([-0.1, 0.5]), SEVEN_IN_TEN)),
        (ValueError, r"p must lie in 0 to 1, got 0\.5 to 1\.1", "bernoulli_log_likelihood", (np.array([1.1, 0.5]), SEVEN_IN_TEN)),
        (ValueError, r"x must hold 0 and 1 only, got 0\.5", "bernoulli_likelihood", (p, np.array([1.0, 0.5]))),
        (ValueError, r"x must hold 0 and 1 only, got 2\.0", "bernoulli_closed_form", (np.array([1.0, 2.0]),)),
        (ValueError, r"x must have 1 axes, got shape \(2, 5\)", "bernoulli_likelihood", (p, SEVEN_IN_TEN.reshape(2, 5))),
        (TypeError, "x must be floating point, got int64", "bernoulli_likelihood", (p, SEVEN_IN_TEN.astype(int))),
        (TypeError, "p must have the layer's dtype float64, got float32", "bernoulli_likelihood", (p.astype(np.float32), SEVEN_IN_TEN)),
        (ValueError, r"x must have at least 1 entry, got shape \(0,\)", "bernoulli_closed_form", (np.zeros(0),)),
        (ValueError, r"x must have at least 1 entry, got shape \(0,\)", "normal_closed_form", (np.zeros(0),)),
        (ValueError, r"mean and std must have one shape, got \(2,\) and \(3,\)", "normal_log_likelihood", (p, np.ones(3), x)),
        (ValueError, r"std must be above 0, got -1\.0", "normal_log_likelihood", (p, np.array([0.5, -1.0]), x)),
        (IndexError, r"y must lie in 0 … 2", "cross_entropy", (numbers(7, 2, 3), np.array([0, 3]))),
        (ValueError, r"axis 0 of y must be rows of log_p = 2", "cross_entropy", (numbers(7, 2, 3), np.array([0, 1, 2]))),
        (ValueError, r"log_p must have 2 axes, got shape \(4,\)", "cross_entropy", (x, np.array([0]))),
        (ValueError, r"y must have 1 axes, got shape \(2, 1\)", "cross_entropy", (numbers(7, 2, 3), np.array([[0], [1]]))),
        (ValueError, r"log_p must have at least one row", "cross_entropy", (np.zeros((0, 3)), np.zeros(0, int))),
        (ValueError, r"std must be one number above 0, got 0\.0", "normal_nll", (x, np.array(0.0), x)),
        (ValueError, r"std must be one number above 0, got \[", "normal_nll", (x, np.ones(4), x)),
        (ValueError, r"y_hat and y must have one shape, got \(4,\) and \(3,\)", "normal_nll", (x, np.array(1.0), x[:3])),
        (ValueError, r"y must have at least one entry", "normal_nll", (x[:0], np.array(1.0), x[:0])),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    with pytest.raises(InputError, match=r"--data\.throws must be at least 1, got 0"):
        Throws(throws=0)


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_std", [-0.4, 0.3])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(log_std: float) -> None:
    ours, theirs = TWIN.build(seed=1)
    ours.log_std.data[...] = log_std
    check_grads(ours, (SEVEN_IN_TEN, numbers(8, 10)), again=(SEVEN_IN_TEN[5:], numbers(9, 5)), torch=theirs)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, pl.LightningModule]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_ends_at_the_closed_form_on_both_sides(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    heads, rolled = TWIN.make_data().split.train
    assert (len(heads), heads.sum()) == (10, 7)
    assert lockstep.judge.passed, lockstep.judge.failure
    mean, std = stats.norm.fit(rolled)
    ours = lockstep.hand.model
    for logit, m, log_std in (
        (ours.logit.data, ours.mean.data, ours.log_std.data),
        (to_numpy(theirs.logit), to_numpy(theirs.mean), to_numpy(theirs.log_std)),
    ):
        assert 1 / (1 + np.exp(-logit)) == pytest.approx(0.7, rel=1e-12)
        assert m == pytest.approx(mean, rel=1e-12)
        assert np.exp(log_std) == pytest.approx(std, rel=1e-12)
    entropy = -0.7 * math.log(0.7) - 0.3 * math.log(0.3)
    best = entropy + math.log(std) + math.log(2 * math.pi) / 2 + 0.5  # at the top the mean of z² is 1
    assert lockstep.records[-1].loss_manual == pytest.approx(best, rel=1e-12)
    assert lockstep.records[-1].loss_torch == pytest.approx(best, rel=1e-12)


def test_figures_are_drawn(trained: tuple[LockStep, pl.LightningModule]) -> None:
    lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["7 heads in 10", "the coin that was found", "the bell that was found", "the biased variance"]
    for line in drawn["7 heads in 10"].axes[0].lines[:2]:
        assert line.get_xdata()[line.get_ydata().argmax()] == pytest.approx(0.7, abs=1e-3)
    for line in drawn["the coin that was found"].axes[0].lines[2:]:
        assert np.ravel(line.get_xdata())[0] == pytest.approx(0.7, rel=1e-6)


# ---- the throws ------------------------------------------------------------------------------------


def test_the_throws_are_those_of_one_coin_to_learn_from_and_held_out() -> None:
    split = Throws(throws=10_000).split
    (heads, rolled), (others, rolled_too) = split.train, split.val
    assert (heads.shape, rolled.shape, others.shape, rolled_too.shape) == ((10_000,), (10_000,), (400,), (400,))
    assert heads.mean() == 0.7
    assert set(heads) == set(others) == {0.0, 1.0}
    assert others.mean() == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 400))
    for distances in (rolled, rolled_too):
        assert stats.kstest(distances, stats.norm(3.0, 1.5).cdf).pvalue > 0.01
    assert not np.array_equal(heads[:400], np.sort(heads)[::-1][:400])  # heads and tails are mixed
    first, again, other = (Throws(seed=seed).split.train for seed in (0, 0, 1))
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])
    assert (len(first[0]), first[0].sum()) == (10, 7)
