"""Bayes: a table, conjugate priors against SciPy's integrals, ridge as a belief, naive Bayes against scikit-learn, and impossible data."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.naive_bayes import BernoulliNB

from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.probability import bayes as script
from experiments.probability.bayes import ILL, TEST, TWIN, LitPixels, Progression
from manual.probability import bayes as by_hand
from manual.probability.likelihood import bernoulli_closed_form, bernoulli_likelihood, normal_log_likelihood
from manual.regression import ridge
from tests.helpers import whole_run
from torch_impl.probability import bayes as in_torch

SEVEN_IN_TEN = np.repeat([1.0, 0.0], [7, 3])
MEASURED = np.array([2.1, 3.4, 2.7, 3.9])
SCALES = np.array(0.8), np.array(1.0), np.array(1.7)  # of a measurement; where the mean was expected, and how surely


# ---- a table of hypotheses -----------------------------------------------------------------------


def test_nine_of_the_98_who_are_told_yes_are_ill() -> None:
    """The numbers of the docstring and of the figure."""
    assert by_hand.evidence(ILL, TEST) == pytest.approx([0.0981, 0.9019], rel=1e-14)
    after = by_hand.posterior(ILL, TEST)
    assert after[0] == pytest.approx([0.009 / 0.0981, 0.0891 / 0.0981], rel=1e-14)
    assert after[0, 0] == pytest.approx(0.0917, abs=5e-5)
    assert after.sum(axis=1) == pytest.approx([1, 1], rel=1e-15)
    assert error(after, in_torch.posterior(*to_torch((ILL, TEST)))) < 1e-15
    told_yes = [round(1000 * p) for p in ILL * TEST[0]]
    assert told_yes == [9, 89]


def test_todays_posterior_is_tomorrows_prior() -> None:
    one, two = np.array([0.3, 0.8, 0.5]), np.array([0.9, 0.2, 0.4])
    prior = np.array([0.2, 0.5, 0.3])
    assert error(by_hand.posterior(by_hand.posterior(prior, one), two), by_hand.posterior(prior, one * two)) < 1e-15
    assert error(by_hand.posterior(prior, 7.3 * one), by_hand.posterior(prior, one)) < 1e-15  # only ratios of likelihoods count


def test_jacobian_of_the_posterior_is_that_of_torch_func() -> None:
    prior, likelihood = np.array([0.2, 0.5, 0.3]), np.array([0.3, 0.8, 0.5])
    J = torch.func.jacrev(in_torch.posterior, argnums=(0, 1))(*to_torch((prior, likelihood)))
    for i, unit in enumerate(np.eye(3)):
        for found, wanted in zip(by_hand.posterior_backward(unit, prior, likelihood), J, strict=True):
            assert error(found, wanted[i]) < 1e-14


def test_what_nothing_can_explain_is_refused_and_is_nan_in_torch() -> None:
    prior, likelihood = np.array([0.0, 1.0]), np.array([[0.5, 0.5], [0.7, 0.0]])
    assert by_hand.posterior(prior, likelihood[0]).tolist() == [0, 1]  # what is ruled out stays so
    with pytest.raises(ValueError, match="posterior: likelihood must be above 0 for some h"):
        by_hand.posterior(prior, likelihood)
    assert in_torch.posterior(*to_torch((prior, likelihood)))[1].isnan().all()
    assert by_hand.evidence(prior, likelihood).tolist() == [0.5, 0]
    assert by_hand.posterior(prior, likelihood[:0]).shape == (0, 2)


# ---- conjugate priors ----------------------------------------------------------------------------


def test_the_posterior_of_a_coin_is_bayes_theorem_at_every_p() -> None:
    """And its evidence is the integral that the theorem divides by."""
    a, b = np.array(2.5), np.array(1.5)
    evidence, _ = integrate.quad(lambda p: stats.beta(a, b).pdf(p) * bernoulli_likelihood(np.array(p), SEVEN_IN_TEN), 0, 1, epsabs=1e-14)
    assert np.exp(by_hand.beta_bernoulli_log_evidence(SEVEN_IN_TEN, a, b)) == pytest.approx(evidence, rel=1e-10)
    after = by_hand.beta_bernoulli_posterior(SEVEN_IN_TEN, a, b)
    assert after == (9.5, 4.5)
    p = np.linspace(0.01, 0.99, 99)
    wanted = stats.beta(a, b).pdf(p) * bernoulli_likelihood(p, SEVEN_IN_TEN) / evidence
    assert error(stats.beta(*after).pdf(p), wanted) < 1e-10
    theirs = in_torch.beta_bernoulli_posterior(*to_torch((SEVEN_IN_TEN, a, b)))
    assert [t.item() for t in theirs] == [9.5, 4.5]


def test_evidence_of_a_coin_is_the_product_of_predictions() -> None:
    """p(x) = p(x₁) p(x₂ | x₁) ...: each throw foretold by what was believed after those before it, the mean a/(a + b)."""
    a, b, log_p = 2.5, 1.5, 0.0
    x = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    for each in x:
        log_p += math.log((a if each else b) / (a + b))
        a, b = a + each, b + 1 - each
    assert by_hand.beta_bernoulli_log_evidence(x, np.array(2.5), np.array(1.5)) == pytest.approx(log_p, rel=1e-13)


def test_no_throws_leave_the_prior() -> None:
    none, a, b = np.zeros(0), np.array([2.0, 3.0]), np.array([1.0, 0.5])
    assert max(map(error, by_hand.beta_bernoulli_posterior(none, a, b), (a, b))) == 0
    assert by_hand.beta_bernoulli_log_evidence(none, a, b).tolist() == [0, 0]
    assert by_hand.normal_normal_posterior(none, *SCALES) == pytest.approx((1.0, 1.7), rel=1e-15)
    assert by_hand.normal_normal_log_evidence(none, *SCALES) == pytest.approx(0, abs=1e-15)
    assert by_hand.normal_normal_log_evidence_backward(1.7, none, *SCALES) == pytest.approx((0, 0, 0), abs=1e-15)


def test_map_of_a_coin() -> None:
    flat = np.array(1.0)
    assert by_hand.beta_bernoulli_map(SEVEN_IN_TEN, flat, flat) == pytest.approx(bernoulli_closed_form(SEVEN_IN_TEN), rel=1e-15)
    a, b = np.array(2.5), np.array(1.5)
    best = by_hand.beta_bernoulli_map(SEVEN_IN_TEN, a, b)
    p = np.linspace(0.001, 0.999, 9999)
    assert best == pytest.approx(p[stats.beta(9.5, 4.5).pdf(p).argmax()], abs=1e-4)
    assert best == pytest.approx(in_torch.beta_bernoulli_map(*to_torch((SEVEN_IN_TEN, a, b))).item(), rel=1e-15)
    with pytest.raises(ValueError, match="beta_bernoulli_map: the posterior must have a top inside 0 to 1, got Beta"):
        by_hand.beta_bernoulli_map(np.ones(4), flat, flat)


def test_the_posterior_of_a_length_is_bayes_theorem_at_every_mean() -> None:
    scale, prior_loc, prior_scale = SCALES

    def joint(mean: Any) -> Any:
        mean = np.asarray(mean, float)
        return stats.norm(prior_loc, prior_scale).pdf(mean) * np.exp(normal_log_likelihood(mean, np.full_like(mean, scale), MEASURED))

    evidence, _ = integrate.quad(joint, -15, 20, epsabs=1e-16, points=[3.0])
    assert by_hand.normal_normal_log_evidence(MEASURED, *SCALES) == pytest.approx(math.log(evidence), rel=1e-9)
    covariance = scale**2 * np.eye(4) + prior_scale**2
    known = stats.multivariate_normal(np.full(4, prior_loc), covariance).logpdf(MEASURED)
    assert by_hand.normal_normal_log_evidence(MEASURED, *SCALES) == pytest.approx(known, rel=1e-13)
    loc, s = by_hand.normal_normal_posterior(MEASURED, *SCALES)
    means = np.linspace(1, 5, 41)
    assert error(stats.norm(loc, s).pdf(means), joint(means) / evidence) < 1e-9


def test_precisions_add_up_whether_at_once_or_one_by_one() -> None:
    scale, loc, s = SCALES
    for x in MEASURED:
        loc, s = map(np.asarray, by_hand.normal_normal_posterior(np.array([x]), scale, loc, s))
    assert (loc, s) == pytest.approx(by_hand.normal_normal_posterior(MEASURED, *SCALES), rel=1e-14)
    assert 1 / s**2 == pytest.approx(1 / 1.7**2 + 4 / 0.8**2, rel=1e-14)
    sure = by_hand.normal_normal_posterior(MEASURED, scale, np.array(1.0), np.array(1e6))  # a flat prior: maximum likelihood
    assert sure == pytest.approx((MEASURED.mean(), 0.8 / 2), rel=1e-10)


def test_the_best_prior_is_as_wide_as_the_mean_was_off() -> None:
    """∂y/∂τ is 0 where S²/v = n: (mean of x − μ)² = τ² + σ²/n."""
    scale, prior_loc, _ = SCALES
    tau = np.sqrt((MEASURED.mean() - prior_loc) ** 2 - scale**2 / 4)
    slope = by_hand.normal_normal_log_evidence_backward(1.0, MEASURED, scale, prior_loc, np.array(tau))[2]
    assert abs(slope) < 1e-14
    around = [by_hand.normal_normal_log_evidence(MEASURED, scale, prior_loc, np.array(tau * f)) for f in (0.9, 1.0, 1.1)]
    assert around[1] == max(around)


# ---- a line --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def line() -> tuple[np.ndarray, np.ndarray]:
    """The training data."""
    return TWIN.make_data().split.train  # type: ignore[return-value]


def test_minus_log_posterior_is_ridges_loss_but_for_a_factor_and_constants(line: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = line
    rng = np.random.default_rng(0)
    scale, prior_scale = np.array(0.7), np.array(0.2)
    alpha = by_hand.ridge_alpha(scale, prior_scale, len(x))
    assert alpha == pytest.approx(0.49 / (354 * 0.04), rel=1e-14)
    constant = math.log(0.7 * math.sqrt(2 * math.pi)) + 10 * math.log(0.2 * math.sqrt(2 * math.pi)) / 354
    for _ in range(3):
        W, b = rng.normal(size=(10, 1)), rng.normal(size=1)
        L = by_hand.negative_log_posterior(x, y, W, b, scale, prior_scale, 354)
        assert pytest.approx(ridge.loss(x, y, W, b, alpha) / (2 * 0.49) + constant, rel=1e-13) == L
        log_prior = stats.norm(0, 0.2).logpdf(W).sum()
        assert pytest.approx(-(stats.norm(x @ W + b, 0.7).logpdf(y).sum() + log_prior) / 354, rel=1e-13) == L


def test_posterior_of_the_weights_is_a_bell_around_ridge(line: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = line
    mean, covariance = by_hand.weight_posterior(x, y, 0.7, 0.2)
    fitted = SklearnRidge(alpha=0.49 / 0.04).fit(x, y[:, 0])
    assert error(mean, np.append(fitted.coef_, fitted.intercept_)) < 1e-12
    A = np.column_stack([x, np.ones(len(x))])
    precision = A.T @ A / 0.49 + np.diag([1 / 0.04] * 10 + [0.0])
    assert error(covariance, np.linalg.inv(precision)) < 1e-12
    theirs = in_torch.weight_posterior(*to_torch((x, y)), 0.7, 0.2)
    assert max(error(a, b) for a, b in zip((mean, covariance), theirs, strict=True)) < 1e-11


def test_more_rows_make_the_prior_weigh_less(line: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = line
    widths = [np.sqrt(by_hand.weight_posterior(x[:n], y[:n], 0.7, 0.2)[1].diagonal()[:-1]) for n in (2, 30, 354)]
    assert (np.diff(widths, axis=0) < 0).all()
    assert (widths[0] < 0.2).all()  # and the data never make it wider than the prior
    alphas = [by_hand.ridge_alpha(0.7, 0.2, n) for n in (2, 30, 354)]
    assert sorted(alphas, reverse=True) == alphas


# ---- naive Bayes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, ...]:
    """Lit pixels and classes to learn from, and others."""
    split = LitPixels().split
    return (*split.train, *split.val)


@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_naive_bayes_is_scikit_learns(digits: tuple[np.ndarray, ...], alpha: float) -> None:
    x, y, x_val, y_val = digits
    fitted = BernoulliNB(alpha=alpha).fit(x, y)
    log_prior, probs = by_hand.naive_bayes_fit(x, y, 10, alpha)
    assert error(log_prior, fitted.class_log_prior_) < 1e-14
    assert error(probs, np.exp(fitted.feature_log_prob_)) < 1e-14
    assert error(by_hand.naive_bayes_log_joint(x_val, log_prior, probs), fitted.predict_joint_log_proba(x_val)) < 1e-13
    log_p = by_hand.naive_bayes_log_posterior(x_val, log_prior, probs)
    assert error(log_p, fitted.predict_log_proba(x_val)) < 1e-12
    assert (log_p.argmax(axis=1) == fitted.predict(x_val)).all()
    assert np.mean(log_p.argmax(axis=1) == y_val) > 0.88
    theirs = in_torch.naive_bayes_fit(*to_torch((x, y)), 10, alpha)
    assert max(error(a, b) for a, b in zip((log_prior, probs), theirs, strict=True)) < 1e-14
    assert error(log_p, in_torch.naive_bayes_log_posterior(torch.from_numpy(x_val), *theirs)) < 1e-12


def test_smoothing_is_a_beta_prior_for_each_pixel(digits: tuple[np.ndarray, ...]) -> None:
    x, y, *_ = digits
    _, probs = by_hand.naive_bayes_fit(x, y, 10, 0.7)
    for c, d in ((3, 20), (8, 0), (0, 35)):
        a, b = by_hand.beta_bernoulli_posterior(x[y == c, d], np.array(0.7), np.array(0.7))
        assert probs[c, d] == pytest.approx(stats.beta(a, b).mean(), rel=1e-14)


def test_without_smoothing_counting_is_maximum_likelihood_and_the_scores_are_0(digits: tuple[np.ndarray, ...]) -> None:
    x, y, *_ = digits
    log_prior, probs = by_hand.naive_bayes_fit(x, y, 10, 0)
    dL_dy = np.eye(10)[y]  # the joint of every row with its own class
    _, dL_dprobs = by_hand.naive_bayes_log_joint_backward(dL_dy, x, log_prior, probs)
    inside = (probs > 0) & (probs < 1)
    assert inside.sum() > 400
    assert np.abs(dL_dprobs[inside]).max() < 1e-9


def test_a_pixel_that_was_never_lit_makes_a_class_impossible(digits: tuple[np.ndarray, ...]) -> None:
    x, y, x_val, _ = digits
    log_prior, probs = by_hand.naive_bayes_fit(x, y, 10, 0)
    joint = by_hand.naive_bayes_log_joint(x_val, log_prior, probs)
    row, c = np.argwhere(joint == -np.inf)[0]
    assert ((x_val[row] == 1) & (probs[c] == 0)).any() or ((x_val[row] == 0) & (probs[c] == 1)).any()
    assert (np.isneginf(joint) | (joint < 0)).all()  # no NaN: 0 log 0 is 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = BernoulliNB(alpha=0).fit(x, y).predict_joint_log_proba(x_val)
    assert np.isnan(theirs).any()  # scikit-learn multiplies 0 by −∞
    smoothed = by_hand.naive_bayes_log_joint(x_val, *by_hand.naive_bayes_fit(x, y, 10, 1e-3))
    assert np.isfinite(smoothed).all()


def test_what_no_class_can_explain_is_nan_as_in_torch() -> None:
    x, log_prior, probs = np.array([[1.0, 1.0]]), np.log([0.5, 0.5]), np.array([[0.0, 0.5], [0.5, 0.0]])
    assert by_hand.naive_bayes_log_joint(x, log_prior, probs).tolist() == [[-math.inf, -math.inf]]
    with np.errstate(invalid="ignore"):
        assert np.isnan(by_hand.naive_bayes_log_posterior(x, log_prior, probs)).all()
    assert in_torch.naive_bayes_log_posterior(*to_torch((x, log_prior, probs))).isnan().all()


def test_a_class_without_rows_is_never_guessed() -> None:
    x, y = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]), np.array([0, 0, 2])
    log_prior, probs = by_hand.naive_bayes_fit(x, y, 4)
    assert log_prior == pytest.approx([math.log(2 / 3), -math.inf, math.log(1 / 3), -math.inf])
    assert probs[1].tolist() == [0.5, 0.5]
    guess = by_hand.naive_bayes_log_joint(x, log_prior, probs)
    assert (guess[:, [1, 3]] == -math.inf).all()
    fitted = BernoulliNB()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted.partial_fit(x, y, classes=np.arange(4))
    np.testing.assert_allclose(guess, fitted.predict_joint_log_proba(x), rtol=1e-13)
    with pytest.raises(ValueError, match=r"alpha must be above 0, or 0 if every class has rows, got 0 and \[2\.0, 0\.0, 1\.0, 0\.0\]"):
        by_hand.naive_bayes_fit(x, y, 4, 0)


def test_bad_input_is_named() -> None:
    x, y, one, half = np.ones((3, 2)), np.array([0, 1, 0]), np.array(1.0), np.array([0.5, 0.5])
    none = np.array(0.0)
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, r"prior must be at least 0, got -0\.5", "posterior", (-half, half)),
        (ValueError, r"likelihood must be at least 0, got nan", "evidence", (half, half * math.nan)),
        (ValueError, r"axis -1 of likelihood must be hypotheses = 2, got shape \(4, 3\)", "posterior", (half, np.ones((4, 3)))),
        (ValueError, r"prior must have 1 axes, got shape \(1, 2\)", "evidence", (half[None], half)),
        (ValueError, r"concentration1 must be above 0, got 0\.0", "beta_bernoulli_posterior", (SEVEN_IN_TEN, none, one)),
        (ValueError, r"concentration0 must be above 0, got nan", "beta_bernoulli_log_evidence", (SEVEN_IN_TEN, one, np.array(math.nan))),
        (ValueError, r"x must hold 0 and 1 only, got 2\.1", "beta_bernoulli_posterior", (MEASURED, one, one)),
        (ValueError, r"scale must be above 0, got 0\.0", "normal_normal_posterior", (MEASURED, none, one, one)),
        (ValueError, r"prior_scale must be above 0, got 0\.0", "normal_normal_log_evidence", (MEASURED, one, one, none)),
        (TypeError, r"x must be floating point, got int64", "normal_normal_posterior", (y, one, one, one)),
        (
            ValueError,
            r"scale and prior_loc must have one shape, got \(2,\) and \(\)",
            "normal_normal_posterior",
            (MEASURED, half, one, half),
        ),
        (ValueError, r"x must hold 0 and 1 only, got 2\.0", "naive_bayes_fit", (2 * x, y, 2)),
        (ValueError, r"x must have at least one row, got shape \(0, 2\)", "naive_bayes_fit", (x[:0], y[:0], 2)),
        (ValueError, r"x must have 2 axes, got shape \(3,\)", "naive_bayes_fit", (x[:, 0], y, 2)),
        (ValueError, r"axis 0 of y must be rows of x = 3, got shape \(2,\)", "naive_bayes_fit", (x, y[:2], 2)),
        (IndexError, r"y must lie in 0 … 0 \(classes = 1\), got 1", "naive_bayes_fit", (x, y, 1)),
        (ValueError, r"alpha must be above 0, or 0 if every class has rows, got -1", "naive_bayes_fit", (x, y, 2, -1)),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    for bad in ({"scale": 0.0}, {"prior_scale": -1.0}, {"rows": 0}):
        for cls in (by_hand.Bayes, in_torch.Bayes):
            with pytest.raises(ValueError, match="Bayes: scale and prior_scale must be above 0 and rows at least 1"):
                cls(**bad)  # type: ignore[arg-type]


# ---- training ------------------------------------------------------------------------------------


def test_backward_of_the_concept_scales_and_accumulates(line: tuple[np.ndarray, np.ndarray]) -> None:
    ours, theirs = TWIN.build(seed=1)
    check_grads(ours, tuple(a[:7] for a in line), again=tuple(a[7:11] for a in line), torch=theirs)


def test_the_parts_of_the_prior_add_up_over_the_batches(line: tuple[np.ndarray, np.ndarray]) -> None:
    """The mean over equal batches of their losses is the loss of all rows."""
    ours, _ = TWIN.build(seed=2)
    losses = [ours.training_step(tuple(a[i : i + 59] for a in line), 0) for i in range(0, 354, 59)]
    assert np.mean(losses) == pytest.approx(ours.training_step(line, 0), rel=1e-13)


@pytest.fixture(scope="module", params=[None, "a nearly flat prior"], ids=["as declared", "flat"])
def trained(request: pytest.FixtureRequest) -> tuple[LockStep, Any, float]:
    """The whole run, in lock-step, and its prior_scale."""
    return (*whole_run(TWIN, request.param), 100.0 if request.param else 0.2)


def test_run_agrees_and_ends_at_ridge_on_both_sides(trained: tuple[LockStep, Any, float], line: tuple[np.ndarray, np.ndarray]) -> None:
    lockstep, theirs, prior_scale = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    x, y = line
    assert x.shape == (354, 10)
    W, b = ridge.solution(x, y, by_hand.ridge_alpha(0.7, prior_scale, 354))
    fitted = SklearnRidge(alpha=(0.7 / prior_scale) ** 2).fit(x, y[:, 0])
    ours = lockstep.hand.model
    for found in (ours.W.data, to_numpy(theirs.W)):
        assert error(found, W) < 1e-10
        assert error(found[:, 0], fitted.coef_) < 1e-10
    for found in (ours.b.data, to_numpy(theirs.b)):
        assert np.abs(found - b).max() < 1e-12
    assert abs(fitted.intercept_) < 1e-12


def test_figures_show_what_their_captions_say(line: tuple[np.ndarray, np.ndarray], digits: tuple[np.ndarray, ...]) -> None:
    data: Progression = TWIN.make_data()  # type: ignore[assignment]
    drawn = script.figures(*TWIN.build(), data)
    assert list(drawn) == ["the surprise of a test", "beliefs narrow", "weights and doubt", "digits by counting", "which prior foretold it"]
    people, curve = drawn["the surprise of a test"].axes
    colours = [p.get_facecolor() for p in people.patches]
    assert sorted(colours.count(c) for c in set(colours)) == [1, 9, 89, 901]
    assert (curve.lines[1].get_ydata()[1:-1] > curve.lines[1].get_xdata()[1:-1]).all()
    for ax in drawn["beliefs narrow"].axes:
        tops = [line.get_ydata().max() for line in ax.lines[:5]]
        assert sorted(tops) == tops
        assert tops[4] == pytest.approx(2 * tops[3], rel=0.05)  # four times the data, half the width
    s1, s2 = line[0][:, 4], line[0][:, 5]
    assert np.corrcoef(s1, s2)[0, 1] > 0.85
    confusion = drawn["digits by counting"].axes[1]
    right = sum(int(t.get_text()) for t in confusion.texts if t.get_position()[0] == t.get_position()[1])
    assert sum(int(t.get_text()) for t in confusion.texts) == len(digits[2]) == 359
    assert right / 359 == pytest.approx(0.891, abs=5e-4)
    few, many = (ax.lines[0].get_data() for ax in drawn["which prior foretold it"].axes)
    assert few[1].max() - few[1][-1] < 0.1  # a large a is nearly as good as any
    assert many[1][-1] < -13
    assert 2 < many[0][many[1].argmax()] < 5
