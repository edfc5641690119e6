"""Expectation: the axioms, moments against NumPy and SciPy, both gradients with their variances, and a run that ends where it must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.lockstep import LockStep
from experiments.probability import expectation as script
from experiments.probability.expectation import DICE, FIRST, SECOND, TWIN, Targets
from manual.probability import expectation as by_hand
from manual.probability.distributions import normal_log_prob, normal_log_prob_backward
from tests.helpers import whole_run
from torch_impl.probability import expectation as in_torch


def numbers(seed: int, *shape: int) -> np.ndarray:
    """Random numbers of this shape."""
    return np.random.default_rng(seed).normal(1.0, 2.0, size=shape)


# ---- tables of probabilities ---------------------------------------------------------------------


def test_probability_follows_kolmogorovs_axioms() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(3, 4)
    outcome = np.arange(12).reshape(3, 4)
    a, b = outcome % 2 == 0, outcome % 3 == 0
    P = by_hand.probability
    assert P(p, a) > 0
    assert P(p, np.ones((3, 4), bool)) == pytest.approx(1, rel=1e-15)
    assert P(p, (a & ~b) | (b & ~a)) == pytest.approx(P(p, a & ~b) + P(p, b & ~a), rel=1e-14)  # they exclude each other
    assert P(p, np.zeros((3, 4), bool)) == 0
    assert P(p, ~a) == pytest.approx(1 - P(p, a), rel=1e-14)
    assert P(p, a | b) == pytest.approx(P(p, a) + P(p, b) - P(p, a & b), rel=1e-14)
    assert P(p, a) == pytest.approx(by_hand.expectation(p, a.astype(float)), rel=1e-15)


def test_conditional_probability_is_what_is_left_of_the_table() -> None:
    nine, five = FIRST + SECOND >= 9, FIRST == 5
    P, given = by_hand.probability, by_hand.conditional_probability
    assert P(DICE, nine) == pytest.approx(10 / 36, rel=1e-14)
    assert given(DICE, nine, five) == pytest.approx(0.5, rel=1e-14)
    assert given(DICE, nine, five) * P(DICE, five) == pytest.approx(given(DICE, five, nine) * P(DICE, nine), rel=1e-14)  # Bayes
    assert given(DICE, SECOND == 2, five) == pytest.approx(P(DICE, SECOND == 2), rel=1e-14)  # independent
    assert given(DICE, five, five) == 1
    sure = by_hand.conditional_probability_backward(1.7, DICE, np.ones((6, 6), bool), five)
    assert abs(sure).max() == 0  # what is sure stays sure, whatever p


def test_expectation_is_linear_and_the_variance_is_not() -> None:
    p = np.random.default_rng(2).dirichlet(np.ones(12)).reshape(3, 4)
    f, g = numbers(3, 2, 3, 4)

    def E(f: np.ndarray) -> float:
        return by_hand.expectation(p, f)

    def variance(f: np.ndarray) -> float:
        return E((f - E(f)) ** 2)

    assert E(1.5 * f - 2 * g + 4) == pytest.approx(1.5 * E(f) - 2 * E(g) + 4, rel=1e-13)
    assert variance(f) == pytest.approx(E(f * f) - E(f) ** 2, rel=1e-12)
    assert variance(1.5 * f + 4) == pytest.approx(1.5**2 * variance(f), rel=1e-13)
    assert variance(f + g) == pytest.approx(variance(f) + variance(g) + 2 * E((f - E(f)) * (g - E(g))), rel=1e-12)
    assert by_hand.expectation(DICE, FIRST.astype(float)) == pytest.approx(3.5, rel=1e-14)


# ---- samples -------------------------------------------------------------------------------------


def test_moments_of_samples_are_numpys_and_scipys() -> None:
    x = numbers(4, 9, 3)
    assert error(by_hand.mean(x), x.mean(axis=0)) < 1e-15
    for correction in (0, 1):
        assert error(by_hand.variance(x, correction), x.var(axis=0, ddof=correction)) < 1e-15
        assert error(by_hand.covariance(x, correction), np.cov(x.T, ddof=correction)) < 1e-15
    assert error(by_hand.correlation(x), np.corrcoef(x.T)) < 1e-15
    assert by_hand.correlation(x)[0, 2] == pytest.approx(stats.pearsonr(x[:, 0], x[:, 2]).statistic, rel=1e-13)
    assert error(by_hand.standard_error(x), stats.sem(x)) < 1e-15
    assert error(by_hand.standard_error(x), in_torch.standard_error(torch.from_numpy(x))) < 1e-15
    assert error(by_hand.correlation(x[:, :1]), np.ones((1, 1))) < 1e-15


def test_covariance_of_an_affine_map() -> None:
    x, A, b = numbers(5, 9, 3), numbers(6, 2, 3), numbers(7, 2)
    C = by_hand.covariance(x)
    assert error(by_hand.covariance(x @ A.T + b), A @ C @ A.T) < 1e-13
    total = by_hand.variance(x[:, 0] + x[:, 1])
    assert total == pytest.approx(C[0, 0] + C[1, 1] + 2 * C[0, 1], rel=1e-13)
    a = np.array([2.0, 0.5, 3.0])
    assert error(by_hand.correlation(x * a - 7), by_hand.correlation(x)) < 1e-13
    assert error(by_hand.correlation(x * -a)[0, 1], by_hand.correlation(x)[0, 1]) < 1e-13
    line = by_hand.correlation(np.stack([x[:, 0], 3 - 2 * x[:, 0]], axis=1))
    assert line[0, 1] == pytest.approx(-1, rel=1e-14)
    assert abs(line).max() <= 1


@pytest.mark.parametrize("name", ["variance", "covariance"])
@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("n", [0, 1])
def test_one_number_and_none_have_torchs_variance(name: str, n: int, correction: int) -> None:
    """NaN, but for the biased variance of one number, which is 0. torch warns as well."""
    x = numbers(8, n, 3)
    leaf = torch.from_numpy(x.copy()).requires_grad_()
    if n - correction > 0:
        theirs = getattr(in_torch, name)(leaf, correction)
    else:
        with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
            theirs = getattr(in_torch, name)(leaf, correction)
    ours = getattr(by_hand, name)(x, correction)
    np.testing.assert_array_equal(ours, to_numpy(theirs))
    np.testing.assert_array_equal(ours, np.full(ours.shape, 0.0 if n - correction > 0 else np.nan))
    upstream = numbers(9, *ours.shape)
    theirs.backward(torch.from_numpy(upstream))
    np.testing.assert_array_equal(getattr(by_hand, f"{name}_backward")(upstream, x, correction), to_numpy(leaf.grad))


def test_a_constant_has_no_correlation() -> None:
    x = numbers(10, 5, 3)
    x[:, 1] = 0.1  # of which the mean of five is not 0.1
    R = by_hand.correlation(x)
    rest = np.ix_([0, 2], [0, 2])
    assert np.isnan(R[1]).all()
    assert np.isnan(R[:, 1]).all()
    assert error(R[rest], np.corrcoef(x[:, [0, 2]].T)) < 1e-14
    assert np.isnan(by_hand.correlation_backward(numbers(11, 3, 3), x)).all()


def test_a_bell_curve_has_68_95_and_99_7_percent_within_1_2_and_3() -> None:
    k = np.array([1.0, 2.0, 3.0])
    assert error(by_hand.share_within(k), stats.norm.cdf(k) - stats.norm.cdf(-k)) < 1e-14
    assert by_hand.share_within(k).round(3).tolist() == [0.683, 0.954, 0.997]
    assert error(by_hand.share_within(k), in_torch.share_within(torch.from_numpy(k))) < 1e-15


def test_averages_scatter_by_the_standard_error() -> None:
    """Of 4,000 averages of 50 numbers the std is known to 1/√8000 = 1.1 %, and so is its estimate from a single sample, on average."""
    samples = np.random.default_rng(12).exponential(size=(50, 4000))
    assert by_hand.mean(samples).std() == pytest.approx(1 / np.sqrt(50), rel=5 * 0.0112)
    assert (by_hand.standard_error(samples) ** 2).mean() == pytest.approx(1 / 50, rel=0.03)


# ---- two gradients of an expectation -------------------------------------------------------------


def test_reparameterisation_makes_numbers_of_the_normal() -> None:
    mean, std = np.array([0.4, -1.0]), np.array(0.7)
    epsilon = np.random.default_rng(14).normal(size=(40_000, 2))
    drawn = by_hand.reparameterise(mean, std, epsilon)
    assert stats.kstest(drawn[:, 1], stats.norm(-1.0, 0.7).cdf).pvalue > 1e-3


def over_the_noise(f: Callable[[np.ndarray], np.ndarray]) -> float:
    """E[f(ε)] for a polynomial f of degree up to 39, exactly: Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    return float((weights * f(nodes)).sum() / np.sqrt(2 * np.pi))


@pytest.mark.parametrize(("d", "std"), [(0.0, 1.0), (1.5, 0.5), (-0.7, 2.0)])
def test_both_gradients_are_right_on_average_and_their_variances_are_the_closed_forms(d: float, std: float) -> None:
    def moments(gradient: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
        first = over_the_noise(gradient)
        return first, over_the_noise(lambda e: (gradient(e) - first) ** 2)

    assert over_the_noise(lambda e: (d + std * e) ** 2) == pytest.approx(by_hand.expected_cost(d, std, 0.0), rel=1e-13)
    wanted = (pytest.approx(2 * d, abs=1e-12), pytest.approx(by_hand.reparameterisation_variance(std), rel=1e-12))
    assert moments(lambda e: 2 * (d + std * e)) == wanted
    variances = {}
    for b in (0.0, d * d + std * std, d * d + 3 * std * std, 4.2):
        wanted = (pytest.approx(2 * d, abs=1e-12), pytest.approx(by_hand.score_variance(d, std, b), rel=1e-12))
        assert moments(lambda e, b=b: ((d + std * e) ** 2 - b) * e / std) == wanted  # type: ignore[misc]
        variances[b] = by_hand.score_variance(d, std, b)
    none, average, best, other = variances.values()
    assert none == pytest.approx(d**4 / std**2 + 14 * d**2 + 15 * std**2, rel=1e-12)
    assert average == pytest.approx(8 * d**2 + 10 * std**2, rel=1e-12)
    assert best == pytest.approx(8 * d**2 + 6 * std**2, rel=1e-12)
    assert best < min(none, average, other)
    assert by_hand.reparameterisation_variance(std) < best


@pytest.mark.parametrize("estimator", ["reparameterisation", "score"])
def test_the_gradient_of_a_batch_scatters_as_foretold(estimator: str) -> None:
    """Over 20,000 batches of 5: the mean within five standard errors, the variance within 10 %."""
    model = by_hand.Expectation(0.5, estimator, rng=np.random.default_rng(15))
    model.mean.data[...] = 3.8
    found = []
    for _ in range(20_000):
        model.zero_grad()
        model.training_step((np.full(5, 3.0),), 0)
        model.backward()
        found.append(model.mean.grad[0])
    variance = by_hand.batch_variance(0.8, 0.5, 5, estimator)
    assert abs(np.mean(found) - 1.6) < 5 * np.sqrt(variance / 20_000)
    assert np.var(found) == pytest.approx(variance, rel=0.1)


def test_without_a_baseline_the_score_function_scatters_more() -> None:
    start = TWIN.build()[0].mean.data[0] - 3.0
    for d, ratio in ((start, 2.5), (0.0, 1.5)):
        without = by_hand.score_variance(d, 0.5) / 16
        assert without / by_hand.batch_variance(d, 0.5, 16, "score") == pytest.approx(ratio, abs=0.05)


def test_a_baseline_that_knows_its_own_draw_would_be_biased_and_the_others_mean_does_not() -> None:
    cost = numbers(16, 6)
    others = by_hand.mean_of_others(cost)
    assert error(others, np.array([np.delete(cost, i).mean() for i in range(6)])) < 1e-14
    assert by_hand.mean_of_others(cost[:1]).tolist() == [0.0]
    assert error(cost - others, 6 / 5 * (cost - cost.mean())) < 1e-13  # less the mean of all it would be 5/6 of that


def test_surrogate_is_the_mean_cost_and_its_slope_is_the_score_functions() -> None:
    mean, std, x = np.array([0.3]), np.array([0.8]), numbers(17, 6)
    cost, baseline = numbers(18, 6), numbers(19, 6)
    log_p = normal_log_prob(x, mean, std)
    assert by_hand.surrogate(log_p, log_p, cost, baseline) == pytest.approx(cost.mean(), rel=1e-14)
    dL_dlog_p, _, dL_dcost, dL_dbaseline = by_hand.surrogate_backward(1.7, log_p, log_p, cost, baseline)
    _, slope, _ = normal_log_prob_backward(dL_dlog_p, x, mean, std)
    assert slope[0] == pytest.approx(1.7 * ((cost - baseline) * (x - 0.3) / 0.64).mean(), rel=1e-13)
    assert dL_dcost == pytest.approx(1.7 / 6, rel=1e-14)
    assert abs(dL_dbaseline).max() == 0


def test_bad_input_is_named() -> None:
    p, event, x = np.array([0.2, 0.8]), np.array([True, False]), numbers(20, 4, 2)
    never = np.array([False, False])
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, r"p must not be below 0, got -0\.1", "probability", (np.array([-0.1, 1.1]), event)),
        (ValueError, r"the probabilities in p must add up to 1, got 5\.0; divide counts", "probability", (np.array([2.0, 3.0]), event)),
        (ValueError, r"must add up to 1, got nan", "expectation", (np.array([np.nan, 1.0]), p)),
        (ValueError, r"must add up to 1, got 0\.0", "probability", (np.zeros(0), np.zeros(0, bool))),
        (ValueError, r"p and f must have one shape, got \(2,\) and \(4, 2\)", "expectation", (p, x)),
        (TypeError, r"event must be an array of True and False, got int64", "probability", (p, np.array([1, 0]))),
        (ValueError, r"event and p must have one shape", "probability", (p, np.array([True]))),
        (ValueError, r"given must be possible, but its probability is 0", "conditional_probability", (p, event, never)),
        (ValueError, r"given and p must have one shape", "conditional_probability", (p, event, np.array([True]))),
        (TypeError, r"x must be floating point, got int64", "mean", (np.arange(3),)),
        (ValueError, r"x must have an axis of samples, got a single number", "mean", (np.array(1.0),)),
        (ValueError, r"correction must be one of 0, 1, got 2", "variance", (x, 2)),
        (ValueError, r"correction must be one of 0, 1, got 2", "covariance", (x, 2)),
        (ValueError, r"x must have 2 axes, got shape \(4,\)", "covariance", (x[:, 0],)),
        (ValueError, r"x must have 2 axes, got shape \(4,\)", "correlation", (x[:, 0],)),
        (ValueError, r"std must be above 0, got 0\.0", "reparameterise", (np.ones(1), np.zeros(1), x)),
        (ValueError, r"mean must broadcast to the shape \(4, 2\) of epsilon, got \(3,\)", "reparameterise", (np.ones(3), np.ones(1), x)),
        (ValueError, r"std must broadcast to the shape \(2,\) of epsilon, got \(4, 2\)", "reparameterise", (np.ones(1), x, p)),
        (ValueError, r"log_p and cost must have one shape", "surrogate", (p, p, np.ones(3), p)),
        (ValueError, r"log_p must have at least one entry, got shape \(0,\)", "surrogate", (np.zeros(0),) * 4),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: .*{message}"):
            getattr(by_hand, name)(*inputs)
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match="Expectation: estimator must be one of 'reparameterisation', 'score', got 'guess'"):
            side.Expectation(estimator="guess")  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match=r"Expectation: std must be above 0, got 0\.0"):
            side.Expectation(std=0.0)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"--data\.draws must be at least 1, got 0"):
        Targets(draws=0)


# ---- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_backward_of_the_concept_scales_and_accumulates(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=1, variant=variant)
    noises = SharedNoise(2), SharedNoise(2)
    share_hand(ours, noises[0]), share_torch(theirs, noises[1])
    for micro_batch, factor in enumerate((0.7, -1.3)):
        for noise in noises:
            noise.begin(micro_batch)
        batch = (numbers(21 + micro_batch, 5 - 4 * micro_batch),)  # of five draws, and of one
        loss = ours.training_step(batch, 0)
        ours.backward(factor)
        loss_torch: Any = theirs.training_step(to_torch(batch), 0)
        (factor * loss_torch).backward()
        assert loss == pytest.approx(float(loss_torch.detach()), rel=1e-14)
    assert error(ours.mean.grad, theirs.mean.grad) < 1e-14
    ours.check_nothing_saved()


@pytest.fixture(scope="module", params=[None, "score function"])
def trained(request: pytest.FixtureRequest) -> tuple[str | None, LockStep, Any]:
    """The whole run of either estimator, in lock-step."""
    return request.param, *whole_run(TWIN, request.param)


def test_run_agrees_and_ends_as_near_to_the_target_as_foretold(trained: tuple[str | None, LockStep, Any]) -> None:
    """Within four times the distance that is to be expected, which 15 of 16 runs must keep (Chebyshev); it is under 1/50 of the way."""
    variant, lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 1000
    start = TWIN.build(variant=variant)[0].mean.data[0] - 3.0
    expected = script.distances(start, 0.5, 16, 1000, "score" if variant else "reparameterisation")[-1]
    assert expected == pytest.approx(0.0063 if variant else 0.0040, abs=5e-5)
    for mean in (lockstep.hand.model.mean.data, to_numpy(theirs.mean)):
        assert abs(mean[0] - 3.0) < 4 * expected < abs(start) / 50
        assert lockstep.metrics["loss/val"] == pytest.approx(0.25 + (mean[0] - 3) ** 2, rel=1e-12)


def test_by_reparameterisation_the_mean_is_the_target_less_the_average_noise(trained: tuple[str | None, LockStep, Any]) -> None:
    """To the letter: it forgets where it began. By the score function it is not."""
    variant, lockstep, theirs = trained
    noise = SharedNoise(0)
    stream, drawn = noise.stream("noise"), []
    for step in range(1000):
        noise.begin(step)
        drawn.append(stream.standard_normal((16,)))
    for mean in (lockstep.hand.model.mean.data, to_numpy(theirs.mean)):
        off = abs(mean[0] - (3.0 - 0.5 * np.mean(drawn)))
        assert off < 1e-13 if variant is None else off > 1e-4


def test_steps_that_are_too_small_leave_a_part_of_the_way() -> None:
    """Without noise d shrinks by 1 − 0.2/(t + 1) at each step, with lr = 0.1; after 1,000 steps a fifth is left."""
    assert 0.21 < np.prod(1 - 0.2 / np.arange(1, 1001)) < 0.22


def test_figures_show_what_their_captions_say(trained: tuple[str | None, LockStep, Any]) -> None:
    _, lockstep, theirs = trained
    drawn = script.figures(lockstep.hand.model, theirs, TWIN.make_data())
    assert list(drawn) == ["the mean finds the target"]
    *curves, torch_end, hand_end = drawn["the mean finds the target"].axes[0].lines
    assert len(curves) == 4
    for measured, theory in (curves[:2], curves[2:]):
        far, foretold = (np.asarray(line.get_ydata()) for line in (measured, theory))
        ratio = far[10:] / foretold[10 : len(far)]
        assert 0.5 < ratio.min() < ratio.max() < 1.6  # the root mean square of twenty runs
    assert torch_end.get_ydata()[0] == pytest.approx(hand_end.get_ydata()[0], rel=1e-9)
    assert hand_end.get_xdata()[0] == torch_end.get_xdata()[0] == len(lockstep.records) == 1000, "where the run ended"
    assert hand_end.get_ydata()[0] == abs(lockstep.hand.model.mean.data[0] - 3)
    assert f"{script.ratio(0.5, 16):.2f}" == "1.59"


def test_figures_before_training_show_what_their_captions_say() -> None:
    ours, theirs = TWIN.build()
    assert list(script.before(ours, theirs, TWIN.make_data())) == [
        "two dice",
        "averages settle",
        "averages become a bell",
        "correlation",
        "two gradients",
    ]
    averages = script.running_averages(200)
    std = np.sqrt(35 / 12)  # of a die
    for n in (100, 1000, 10_000):
        inside = np.mean(abs(averages[:, n - 1] - 3.5) <= 2 * std / np.sqrt(n))
        assert inside == pytest.approx(0.954, abs=4 * np.sqrt(0.954 * 0.046 / 200))
    assert script.shares(script.standardised_averages(1)) == pytest.approx((0.865, 0.950, 0.982), abs=0.006)  # 1 − e⁻², 1 − e⁻³, 1 − e⁻⁴
    assert script.shares(script.standardised_averages(100)) == pytest.approx(tuple(by_hand.share_within(np.arange(1, 4))), abs=0.006)
    r = {name: by_hand.correlation(xy)[0, 1] for name, xy in script.clouds().items()}
    assert r["rises"] > 0.85
    assert abs(r["unrelated"]) < 0.15
    assert r["falls"] < -0.5
    assert abs(r["bent"]) < 1e-12
    for g, exact in script.gradients(1.5, 1.0).values():
        assert g.mean() == pytest.approx(3.0, abs=5 * np.sqrt(exact / len(g)))
        assert g.var() == pytest.approx(exact, rel=0.06)


def test_a_typical_distance_follows_from_the_one_before() -> None:
    d, std, n = 2.0, 0.5, 16
    for estimator in ("score", "reparameterisation"):
        found = script.distances(d, std, n, 3, estimator)
        expected = [d * d]
        for t in range(3):
            variance = script.batch_variance(np.sqrt(expected[t]), std, n, estimator)
            expected.append((t * t * expected[t] + variance / 4) / (t + 1) ** 2)
        assert found**2 == pytest.approx(np.array(expected), rel=1e-12)
