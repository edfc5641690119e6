"""Distributions: SciPy's densities, samples that follow them, what torch does at the edges, and where training ends on both sides."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributions as torchs

from experiments.data.arrays import InputError
from experiments.drawing.walk import walk_by_hand
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.judge.differences import check_grads
from experiments.lockstep import LockStep
from experiments.probability import distributions as script
from experiments.probability.distributions import MEANING, TRUE, TWIN, Columns, arguments, sample
from manual.probability import distributions as by_hand
from tests.helpers import whole_run
from torch_impl.probability import distributions as in_torch

SCIPY: dict[str, Any] = {
    "bernoulli": stats.bernoulli(0.7),
    "binomial": stats.binom(10, 0.4),
    "poisson": stats.poisson(3.5),
    "uniform": stats.uniform(-0.5, 1.0),
    "normal": stats.norm(3.0, 1.5),
}
COUNTS = ("bernoulli", "binomial", "poisson")
every_kind = pytest.mark.parametrize("name", TRUE)

HELD = math.log(np.finfo(np.float64).eps)
"""The log of the least p that torch works with: −36.04."""


def values(name: str) -> np.ndarray:
    """Some values that the distribution has."""
    return {
        "bernoulli": np.array([0.0, 1.0, 1.0]),
        "binomial": np.arange(11.0),
        "poisson": np.arange(20.0),
        "uniform": np.array([-0.5, -0.2, 0.4]),
        "normal": np.array([-3.0, 0.1, 3.0, 7.0]),
    }[name]


def entropy_arguments(name: str) -> tuple[np.ndarray, ...]:
    """Those of the entropy: the Normal's is the same wherever it stands."""
    return arguments(name)[1:] if name == "normal" else arguments(name)


# ---- what they are -------------------------------------------------------------------------------


@every_kind
def test_densities_entropies_and_moments_are_scipys_and_torchs(name: str) -> None:
    x, args = values(name), arguments(name)
    theirs: Any = getattr(torchs, name.capitalize())(*to_torch(args))
    log_prob = getattr(by_hand, f"{name}_log_prob")(x, *args)
    known: Any = SCIPY[name]
    assert error(log_prob, known.logpmf(x) if name in COUNTS else known.logpdf(x)) < 1e-14
    assert error(log_prob, theirs.log_prob(torch.from_numpy(x))) < 1e-14
    entropy = getattr(by_hand, f"{name}_entropy")(*entropy_arguments(name))
    assert entropy == pytest.approx(float(known.entropy()), rel=1e-12)
    if name != "poisson":  # torch has none
        assert entropy == pytest.approx(theirs.entropy().item(), rel=1e-14)
    moments = getattr(by_hand, f"{name}_moments")(*args)
    assert moments == pytest.approx(known.stats("mv"), rel=1e-14)
    assert moments == pytest.approx((theirs.mean.item(), theirs.variance.item()), rel=1e-14)
    assert moments == pytest.approx([m.item() for m in getattr(in_torch, f"{name}_moments")(*to_torch(args))], rel=1e-15)


def test_a_normal_density_is_that_of_the_likelihood() -> None:
    from manual.probability.likelihood import normal_log_likelihood

    x, loc, scale = values("normal"), np.array(0.3), np.array(1.2)
    assert by_hand.normal_log_prob(x, loc, scale).sum() == pytest.approx(normal_log_likelihood(loc, scale, x), rel=1e-14)


@pytest.mark.parametrize("name", COUNTS)
def test_probabilities_add_up_to_1_and_the_score_is_0_on_average(name: str) -> None:
    args = arguments(name)
    k = {"bernoulli": np.arange(2.0), "binomial": np.arange(11.0), "poisson": np.arange(100.0)}[name]
    log_p = getattr(by_hand, f"{name}_log_prob")(k, *args)
    p = np.exp(log_p)
    assert p.sum() == pytest.approx(1, rel=1e-14)
    assert (k * p).sum() == pytest.approx(SCIPY[name].mean(), rel=1e-14)
    theta = args[-1]
    score = np.array([getattr(by_hand, f"{name}_log_prob_backward")(np.array(1.0), each, *args[:-1], theta) for each in k])
    assert abs((p * score).sum()) < 1e-14
    slope = getattr(by_hand, f"{name}_entropy_backward")(np.array(1.7), *args)
    assert slope == pytest.approx(-1.7 * (p * score * log_p).sum(), rel=1e-12)


def test_the_score_of_a_normal_is_0_on_average() -> None:
    at = np.linspace(-12, 12, 4001)
    p = np.exp(by_hand.normal_log_prob(at, np.array(0.0), np.array(1.3))) * (at[1] - at[0])
    _, dL_dloc, dL_dscale = by_hand.normal_log_prob_backward(p, at, np.array(0.0), np.array(1.3))
    assert abs(dL_dloc) < 1e-14
    assert abs(dL_dscale) < 1e-14


def test_a_binomial_is_a_sum_of_coins_and_becomes_a_poisson() -> None:
    p = np.array(0.3)
    once = np.exp(by_hand.bernoulli_log_prob(np.arange(2.0), p))
    assert error(np.exp(by_hand.binomial_log_prob(np.arange(4.0), np.array(3.0), p)), np.convolve(np.convolve(once, once), once)) < 1e-14
    assert by_hand.binomial_entropy(np.array(1.0), p) == pytest.approx(by_hand.bernoulli_entropy(p), rel=1e-14)
    k, rate = np.arange(8.0), 2.0
    rare = by_hand.binomial_log_prob(k, np.array(1e6), np.array(rate / 1e6))
    assert np.abs(rare - by_hand.poisson_log_prob(k, np.array(rate))).max() < 2e-5


def test_what_the_poissons_entropy_leaves_out_is_nothing() -> None:
    for rate in (0.01, 1.0, 40.0, 3000.0):
        k = by_hand.poisson_values(np.array([rate]))
        assert k.shape == (len(k), 1)
        assert stats.poisson(rate).logsf(k[-1, 0]) < -70
        known = float(stats.poisson(rate).entropy())
        assert by_hand.poisson_entropy(np.array(rate)) == pytest.approx(known, rel=1e-9)  # SciPy's sum ends sooner
    assert by_hand.poisson_entropy(np.array(0.0)) == 0 == float(stats.poisson(0).entropy())
    with pytest.raises(NotImplementedError):
        torchs.Poisson(torch.tensor(3.5)).entropy()


# ---- samples -------------------------------------------------------------------------------------


@every_kind
def test_samples_follow_the_density(name: str) -> None:
    """By Kolmogorov and Smirnov's test along a line, by Pearson's for counts; and they are mixed, not sorted."""
    x = sample(name, 20_000, np.random.default_rng(1))
    assert x.dtype == np.float64
    known = SCIPY[name]
    if name in COUNTS:
        k = np.arange({"bernoulli": 2, "binomial": 9, "poisson": 11}[name])
        seen = np.array([(x == each).sum() for each in k[:-1]] + [(x >= k[-1]).sum()])
        assert seen.sum() == len(x)
        chances = np.append(known.pmf(k[:-1]), known.sf(k[-1] - 1))
        assert stats.chisquare(seen, len(x) * chances).pvalue > 0.01
    else:
        assert stats.kstest(x, known.cdf).pvalue > 0.01
    assert x.mean() == pytest.approx(known.mean(), abs=4 * known.std() / math.sqrt(len(x)))
    assert x.var() == pytest.approx(known.var(), rel=0.05)
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 4 / math.sqrt(len(x))


@every_kind
def test_torchs_samples_are_of_the_same_kind(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        theirs = getattr(in_torch, f"{name}_sample")(*to_torch(arguments(name)), (20_000,)).numpy()
    ours = sample(name, 20_000, np.random.default_rng(2))
    assert theirs.shape == ours.shape
    if name in COUNTS:
        k = np.arange(8)
        table = np.array([[(x == each).sum() for each in k] for x in (ours, theirs)])
        assert stats.chi2_contingency(table[:, table.any(axis=0)]).pvalue > 0.01
    else:
        assert stats.ks_2samp(ours, theirs).pvalue > 0.01


def test_samples_are_broadcast_and_have_the_dtype_of_the_parameters() -> None:
    rng = np.random.default_rng(4)
    probs = np.array([0.0, 0.25, 1.0], np.float32)
    flips = by_hand.bernoulli_sample(probs, (500, 2), rng=rng)
    assert (flips.shape, flips.dtype) == ((500, 2, 3), np.float32)
    assert (flips[..., 0] == 0).all()
    assert (flips[..., 2] == 1).all()
    total = np.array([[4.0], [0.0]], np.float32)
    hits = by_hand.binomial_sample(total, probs, (500,), rng=rng)
    assert (hits.shape, hits.dtype) == ((500, 2, 3), np.float32)
    assert (hits[:, 1] == 0).all()
    assert (hits[:, 0, 2] == 4).all()
    assert hits[:, 0, 1].mean() == pytest.approx(1, abs=0.2)
    calls = by_hand.poisson_sample(np.array([0.0, 900.0], np.float32), (400,), rng=rng)  # e⁻⁹⁰⁰ is 0 in any float
    assert (calls.shape, calls.dtype) == ((400, 2), np.float32)
    assert (calls[:, 0] == 0).all()
    assert calls[:, 1].mean() == pytest.approx(900, abs=6)
    low, scale = np.array([0.0, 5.0], np.float32), np.array([[1.0], [0.1], [2.0]], np.float32)
    between = by_hand.uniform_sample(low, np.float32(9.0) * np.ones((3, 1), np.float32), (7,), rng=rng)
    assert (between.shape, between.dtype) == ((7, 3, 2), np.float32)
    bell = by_hand.normal_sample(low, scale, (4000,), rng=rng)
    assert (bell.shape, bell.dtype) == ((4000, 3, 2), np.float32)
    assert bell.std(axis=0) == pytest.approx(np.broadcast_to(scale, (3, 2)), rel=0.06)
    assert by_hand.normal_sample(low, np.ones(2, np.float32), (0,), rng=rng).shape == (0, 2)


def test_box_and_mullers_pairs_are_two_independent_normal_numbers() -> None:
    rng = np.random.default_rng(5)
    z1, z2 = by_hand.box_muller(1 - rng.random(20_000), rng.random(20_000))
    for z in (z1, z2, (z1 + z2) / math.sqrt(2)):  # a sum of independent ones is Normal again
        assert stats.kstest(z, stats.norm.cdf).pvalue > 0.01
    assert by_hand.box_muller(np.array(1.0), np.array(0.3)) == (0, 0)
    assert by_hand.standard_normal((3, 5), rng).shape == (3, 5)


# ---- the edges -----------------------------------------------------------------------------------


def test_an_impossible_1_costs_36_as_in_torch_and_not_infinity_as_in_scipy() -> None:
    ends, one = np.array([0.0, 1.0]), np.array([1.0])
    assert by_hand.bernoulli_log_prob(one, ends) == pytest.approx([HELD, 0], rel=1e-14, abs=1e-15)
    assert round(HELD, 2) == -36.04
    assert (
        error(
            by_hand.bernoulli_log_prob(one, ends), torchs.Bernoulli(*to_torch((ends,))).log_prob(torch.tensor([1.0], dtype=torch.float64))
        )
        < 1e-14
    )
    assert stats.bernoulli.logpmf(1, ends)[0] == -math.inf
    assert (by_hand.bernoulli_log_prob_backward(np.ones(2), one, ends) == 0).all()
    slope = by_hand.bernoulli_entropy_backward(np.ones(2), ends)
    assert slope == pytest.approx([-HELD, HELD], rel=1e-14)
    single = by_hand.bernoulli_log_prob(one.astype(np.float32), ends.astype(np.float32))
    assert single[0] == pytest.approx(math.log(np.finfo(np.float32).eps), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "args", "outside"),
    [
        ("bernoulli", (0.3,), (-1.0, 2.0, 0.5)),
        ("binomial", (5.0, 0.3), (-1.0, 7.0, 2.5)),
        ("poisson", (2.0,), (-1.0, 0.5)),
        ("uniform", (0.5, 2.0), (0.4, 2.1)),
    ],
)
def test_outside_the_support_the_log_density_is_minus_infinity(name: str, args: tuple[float, ...], outside: tuple[float, ...]) -> None:
    inputs = tuple(np.array(a) for a in args)
    x = np.array(outside)
    assert (getattr(by_hand, f"{name}_log_prob")(x, *inputs) == -math.inf).all()
    assert (getattr(in_torch, f"{name}_log_prob")(*to_torch((x, *inputs))) == -math.inf).all()
    known = {"bernoulli": stats.bernoulli.logpmf, "binomial": stats.binom.logpmf, "poisson": stats.poisson.logpmf}
    if name == "uniform":
        assert (stats.uniform.logpdf(x, 0.5, 1.5) == -math.inf).all()
        assert by_hand.uniform_log_prob_backward(np.ones(2), x, *inputs)[1:] == pytest.approx((2 / 1.5, -2 / 1.5))
    else:
        assert (known[name](x, *args) == -math.inf).all()
        assert getattr(by_hand, f"{name}_log_prob_backward")(np.ones(len(x)), x, *inputs) == 0
    for each in outside:
        with pytest.raises(ValueError, match="support"):
            getattr(torchs, name.capitalize())(*to_torch(inputs)).log_prob(torch.tensor(each))


def test_the_uniform_contains_low_but_not_high_as_in_torch() -> None:
    low, high, ends = np.array(0.5), np.array(2.0), np.array([0.5, 2.0])
    ours = by_hand.uniform_log_prob(ends, low, high)
    np.testing.assert_array_equal(ours, [-math.log(1.5), -math.inf])
    np.testing.assert_array_equal(ours, torchs.Uniform(*to_torch((low, high))).log_prob(torch.from_numpy(ends)))
    assert stats.uniform.logpdf(ends, 0.5, 1.5) == pytest.approx([-math.log(1.5)] * 2)


def test_nothing_ever_happens_at_rate_0() -> None:
    zero = np.array(0.0)
    np.testing.assert_array_equal(by_hand.poisson_log_prob(np.array([0.0, 2.0]), zero), [0, -math.inf])
    np.testing.assert_array_equal(stats.poisson.logpmf([0, 2], 0), [0, -math.inf])
    assert math.isnan(by_hand.poisson_log_prob_backward(np.array(1.0), zero, zero))
    assert by_hand.poisson_log_prob_backward(np.array(1.0), np.array(2.0), zero) == math.inf


def test_a_value_that_is_nan_stays_nan() -> None:
    nan, one = np.array([math.nan]), np.array([0.5])
    for y in (
        by_hand.bernoulli_log_prob(nan, one),
        by_hand.poisson_log_prob(nan, one),
        by_hand.binomial_log_prob(nan, np.array([3.0]), one),
        by_hand.normal_log_prob(nan, one, one),
    ):
        assert math.isnan(y[0])


def test_bad_input_is_named() -> None:
    one, half = np.array(1.0), np.array(0.5)
    bad, nan, rng = np.array([0.2, 1.5]), np.array(math.nan), np.random.default_rng(0)
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        (ValueError, r"probs must lie in 0 to 1, got 1\.5", "bernoulli_log_prob", (one, bad)),
        (ValueError, r"probs must lie in 0 to 1, got nan", "bernoulli_entropy", (nan,)),
        (ValueError, r"probs must lie in 0 to 1, got -0\.5", "bernoulli_moments", (-half,)),
        (ValueError, r"probs must lie in 0 to 1, got 1\.5", "binomial_log_prob", (one, one, bad)),
        (ValueError, r"total_count must be 0, 1, 2, \.\.\., got -1\.0", "binomial_log_prob", (one, -one, half)),
        (ValueError, r"total_count must be 0, 1, 2, \.\.\., got 0\.5", "binomial_moments", (half, half)),
        (ValueError, r"total_count must be the same throughout, got 1\.0 to 2\.0", "binomial_entropy", (np.array([1.0, 2.0]), half)),
        (ValueError, r"rate must be at least 0, got -1\.0", "poisson_log_prob", (one, -one)),
        (ValueError, r"rate must be at least 0, got nan", "poisson_entropy", (nan,)),
        (ValueError, r"rate must be at least 0, got -1\.0", "poisson_moments", (-one,)),
        (ValueError, r"low must be below high, got 1\.0", "uniform_log_prob", (one, one, half)),
        (ValueError, r"low must be below high, got 1\.0", "uniform_entropy", (one, one)),
        (ValueError, r"low must be below high, got nan", "uniform_moments", (nan, one)),
        (ValueError, r"scale must be above 0, got 0\.0", "normal_log_prob", (one, one, one - 1 + np.zeros(()))),
        (ValueError, r"scale must be above 0, got -1\.0", "normal_entropy", (-one + np.zeros(()),)),
        (ValueError, r"scale must be above 0, got nan", "normal_moments", (one, nan)),
        (TypeError, "probs must be a NumPy array, got float", "bernoulli_entropy", (0.5,)),
        (TypeError, "rate must be floating point, got int64", "poisson_entropy", (np.array(3),)),
        (TypeError, "value must have the layer's dtype float64, got float32", "normal_log_prob", (bad.astype(np.float32), one, one)),
    ]
    for kind, message, name, inputs in refused:
        inputs = tuple(np.asarray(x) if isinstance(x, np.generic) else x for x in inputs)
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    for message, name, inputs in (
        ("probs must lie", "bernoulli_sample", (np.array(1.5),)),
        ("total_count must be 0", "binomial_sample", (half, half)),
        ("rate must be", "poisson_sample", (np.array(-1.0),)),
        ("low must be below", "uniform_sample", (one, half)),
        ("scale must be", "normal_sample", (one, np.array(0.0))),
    ):
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs, rng=rng)
    with pytest.raises(InputError, match=r"--data\.rows must be at least 1, got 0"):
        Columns(rows=0)


def test_torch_refuses_the_same_parameters() -> None:
    for make in (
        lambda: torchs.Bernoulli(torch.tensor(1.5)),
        lambda: torchs.Binomial(torch.tensor(0.5), torch.tensor(0.5)),
        lambda: torchs.Poisson(torch.tensor(-1.0)),
        lambda: torchs.Uniform(1.0, 1.0),
        lambda: torchs.Normal(1.0, 0.0),
    ):
        with pytest.raises(ValueError, match="constraint"):
            make()
    with pytest.raises(NotImplementedError, match="Inhomogeneous"):
        torchs.Binomial(torch.tensor([1.0, 2.0]), torch.tensor(0.5)).entropy()


def test_the_text_says_rightly_what_scipy_and_torch_do() -> None:
    """The rows of its table that no other test has."""
    with np.errstate(all="ignore"):
        for y in (stats.norm.logpdf(1, 0, 0), stats.norm.logpdf(1, 0, -1), stats.uniform.logpdf(1, 1, 0), stats.poisson.logpmf(1, -1)):
            assert math.isnan(y)
    unchecked = torchs.Binomial(torch.tensor(5.0), torch.tensor(0.3), validate_args=False)
    assert unchecked.log_prob(torch.tensor(7.0)) == -math.inf
    assert -2 < unchecked.log_prob(torch.tensor(2.5)).item() < -1


def test_no_data() -> None:
    none, one = np.zeros(0), np.ones(1)
    assert by_hand.bernoulli_log_prob(none, one / 2).shape == (0,)
    assert by_hand.poisson_log_prob_backward(none, none, one) == 0
    with pytest.raises(ValueError, match="x must have at least 1 entry"):
        by_hand.closed_forms(none, none, none, none, none, total_count=10)


# ---- training ------------------------------------------------------------------------------------


def batch(seed: int) -> tuple[np.ndarray, ...]:
    """Seven rows."""
    rng = np.random.default_rng(seed)
    return tuple(sample(name, 7, rng) for name in TRUE)


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=1)
    rng = np.random.default_rng(2)
    ours.load_state_dict({name: p + rng.normal(0, 0.3, p.shape) for name, p in ours.named_parameters()})
    check_grads(ours, batch(3), again=tuple(x[:4] for x in batch(4)), torch=theirs)


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_four_of_five_end_at_the_closed_form_on_both_sides(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    heads, hits, calls, errors, rolled = TWIN.make_data().split.train
    assert len(heads) == 200
    width = np.ptp(errors)
    for found in (lockstep.hand.model.found(errors), map(to_numpy, theirs.found(torch.from_numpy(errors)))):
        p, q, rate, low, high, loc, scale = found
        assert p == pytest.approx(heads.mean(), rel=1e-13)
        assert q == pytest.approx(hits.mean() / 10, rel=1e-13)
        assert rate == pytest.approx(calls.mean(), rel=1e-13)
        assert (loc.item(), scale.item()) == pytest.approx(stats.norm.fit(rolled), rel=1e-13)
        start, length = stats.uniform.fit(errors)
        for gap in (start - low, high - start - length):
            assert gap == pytest.approx(width / (0.3 * 500), rel=0.08)  # on the way, by the law of the docstring


def test_closed_forms_are_those_of_scipy_and_the_scores_are_0_there() -> None:
    columns = TWIN.make_data().split.train
    best = by_hand.closed_forms(*columns, total_count=10)
    assert best["uniform"] == pytest.approx((stats.uniform.fit(columns[3])[0], sum(stats.uniform.fit(columns[3]))), rel=1e-14)
    assert best["normal"] == pytest.approx(stats.norm.fit(columns[4]), rel=1e-14)
    up = np.ones(200)
    assert abs(by_hand.bernoulli_log_prob_backward(up, columns[0], np.array(best["bernoulli"]))) < 1e-11
    assert abs(by_hand.binomial_log_prob_backward(up, columns[1], np.array(10.0), np.array(best["binomial"]))) < 1e-10
    assert abs(by_hand.poisson_log_prob_backward(up, columns[2], np.array(best["poisson"]))) < 1e-11


def test_the_uniform_comes_closer_for_ever(trained: tuple[LockStep, Any]) -> None:
    columns = TWIN.make_data().split.train
    path = walk_by_hand(by_hand.Distributions(rng=np.random.default_rng(0)), columns, 2000)
    gap = np.exp(path["uniform_log_gap"])
    assert (np.diff(gap, axis=0) < 0).all()
    assert gap[200] / gap[2000] == pytest.approx(10, rel=0.15)


def test_figures_show_what_their_captions_say(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    data = TWIN.make_data()
    drawn = script.figures(lockstep.hand.model, theirs, data)
    assert list(drawn) == ["samples pile up", "what was found", "the score", "who arrives", "box and muller"]
    columns = data.split.train
    ours = script.by_name(lockstep.hand.model.found(columns[3]), 10)
    for name, x in zip(MEANING, columns, strict=True):
        density = getattr(by_hand, f"{name}_log_prob")
        better = density(x, *ours[name]).sum() > density(x, *arguments(name)).sum()
        assert better == (name != "uniform")
    entropy = drawn["samples pile up"].axes[5].lines[0]
    assert entropy.get_xdata()[entropy.get_ydata().argmax()] == 0.5
    for ax in drawn["samples pile up"].axes[:3]:
        bars = [bar.get_height() for bar in ax.patches]
        assert bars == pytest.approx(ax.lines[0].get_ydata(), abs=0.02)
    rate, bound = drawn["the score"].axes
    top = rate.lines[0].get_xdata()[rate.lines[0].get_ydata().argmax()]
    assert top == pytest.approx(columns[2].mean(), abs=0.02)
    assert (np.diff(bound.lines[0].get_ydata()) < 0).all()
    arrives = {line.get_label(): line.get_ydata() for line in drawn["who arrives"].axes[0].lines}
    assert arrives["high of the Uniform"][-1] == pytest.approx(arrives["width / (lr · steps)"][-1], rel=0.08)
    for name in ("p of the Bernoulli", "p of the Binomial", "rate of the Poisson", "scale of the Normal"):
        assert arrives[name][-1] < 1e-14


def test_fewer_rows_tell_less() -> None:
    """What the mistake shows of ten rows, of the mean over seeds; one seed may be lucky."""

    def off(rows: int) -> np.ndarray:
        found = [by_hand.closed_forms(*Columns(rows, seed=seed).split.train, total_count=10) for seed in range(20)]
        names = "bernoulli", "binomial", "poisson"
        return np.mean([[abs(best[name] - TRUE[name][-1]) for name in names] for best in found], axis=0)

    assert (off(10) > 2 * off(200)).all()


@pytest.mark.parametrize("name", list(TRUE))
def test_bars_have_an_area_of_1_and_stand_where_the_numbers_are(name: str) -> None:
    x = np.concatenate([np.full(30, script.places(name)[0]), np.full(10, script.places(name)[-1])])
    at, height, width = script.heights(x, name)
    assert np.sum(height) * width == pytest.approx(1)
    assert at[1:] - at[:-1] == pytest.approx(np.full(len(at) - 1, width))
    full = np.flatnonzero(height)
    assert height[full] * width == pytest.approx([0.75, 0.25])
    for place, bar in zip((script.places(name)[0], script.places(name)[-1]), at[full], strict=True):
        assert abs(place - bar) <= width / 2 + 1e-12
    if name in ("bernoulli", "binomial", "poisson"):
        assert at.tolist() == script.places(name).tolist()


def test_where_a_density_is_drawn() -> None:
    """Of counts every one that matters; of others a fine line."""
    assert [script.places(name).tolist() for name in ("bernoulli", "binomial", "poisson")] == [[0, 1], list(range(11)), list(range(13))]
    normal, uniform = script.places("normal"), script.places("uniform")
    assert (normal[0], normal[-1], len(normal)) == (-2.5, 8.5, 641)
    assert (uniform[0], uniform[-1], len(uniform)) == (-0.8, 0.8, 641)
