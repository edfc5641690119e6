"""Summation: the errors of sums and differences against their bounds and exact numbers, and prices learned from sums."""

from __future__ import annotations

import math
from argparse import Namespace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.lockstep import LockStep
from experiments.lockstep.checks import trajectory
from experiments.numerics import summation as script
from experiments.numerics.summation import PRICES, TWIN
from manual.numerics import summation as by_hand
from manual.numerics.rounding import FORMATS, epsilon, round_to
from tests.helpers import whole_run
from torch_impl.numerics import summation as in_torch

# ---- sums ----------------------------------------------------------------------------------------


def test_naive_and_kahan_sums_are_those_of_numpys_own_float16() -> None:
    x = np.random.default_rng(0).normal(size=300).astype(np.float16)
    s = np.float16(0)
    t = c = np.float16(0)
    for value in x:
        s = s + value
        y = value - c
        t, c = t + y, ((t + y) - t) - y
    assert by_hand.sum_naive(x.astype(np.float64), "float16") == s
    assert by_hand.sum_kahan(x.astype(np.float64), "float16") == t


@pytest.mark.parametrize(("format", "end"), [("float16", 2048), ("bfloat16", 256), ("float8_e5m2", 8)])
def test_ones_stop_adding_up(format: str, end: int) -> None:
    ones = np.ones(3000)
    assert end == 2 ** FORMATS[format].precision
    assert by_hand.sum_naive(ones[: end + 1], format) == end
    assert by_hand.sum_naive(ones, format) == end
    assert by_hand.sum_naive(ones[: end - 1], format) == end - 1
    for method in (by_hand.sum_pairwise, by_hand.sum_kahan):
        few = ones[: 3 * end]
        assert method(few, format) == pytest.approx(len(few), rel=epsilon(format))


@pytest.mark.parametrize("format", ["float16", "bfloat16", "float32"])
def test_errors_of_sums_stay_below_their_bounds(format: str) -> None:
    u = epsilon(format) / 2
    for N in (2, 7, 64, 500):
        x = round_to(np.random.default_rng(N).normal(size=(N, 30)), format)
        exact = np.array([math.fsum(column) for column in x.T])
        size = np.array([math.fsum(column) for column in np.abs(x).T])
        for method, bound in (
            (by_hand.sum_naive, (1 + u) ** (N - 1) - 1),
            (by_hand.sum_pairwise, (1 + u) ** math.ceil(math.log2(N)) - 1),
            (by_hand.sum_kahan, 2 * u + 3 * N * u**2),
        ):
            errors = np.abs(method(x, format) - exact)
            assert (errors <= bound * size).all()
            assert N == 2 or errors.any()


def test_one_wrong_order_loses_what_another_keeps() -> None:
    x = np.array([1.0, *[2.0**-9] * 512])  # in bfloat16 half a unit of 1 is 2⁻⁸
    assert by_hand.sum_naive(x, "bfloat16") == 1
    assert by_hand.sum_naive(x[::-1], "bfloat16") < 2
    assert by_hand.sum_kahan(x, "bfloat16") == 2
    assert by_hand.sum_pairwise(x, "bfloat16") == pytest.approx(2, rel=2.0**-7)


@pytest.mark.parametrize("method", [by_hand.sum_naive, by_hand.sum_pairwise, by_hand.sum_kahan])
def test_a_sum_of_nothing_is_0_and_of_one_number_that_number(method: Any) -> None:
    assert method(np.zeros(0), "float16") == 0
    assert method(np.zeros((0, 3)), "float16").tolist() == [0, 0, 0]
    assert method(np.array([0.1]), "float16") == np.float16(0.1)
    assert method(np.array([6e4, 6e4]), "float16") == np.inf
    assert np.isnan(method(np.array([np.inf, -np.inf]), "float16"))


# ---- cancellation --------------------------------------------------------------------------------


def test_variance_against_exact_fractions() -> None:
    z = np.random.default_rng(0).integers(-(2**20), 2**20, size=200) * 2.0**-20
    for offset in (0.0, 2.0**10, 2.0**26):
        x = z + offset
        exact = [Fraction(float(value)) for value in x]
        mean = sum(exact) / len(exact)
        wanted = float(sum((value - mean) ** 2 for value in exact) / len(exact))
        assert by_hand.variance(x) == pytest.approx(wanted, rel=1e-14)
        lost = abs(by_hand.variance_cancelling(x) / wanted - 1)
        assert lost <= 4 * 2.0**-52 * max(offset, 1) ** 2 / wanted
        if offset == 2.0**26:
            assert lost > 1e-3
    assert by_hand.variance_cancelling(np.full(3, 0.1)) != 0 == by_hand.variance(np.full(4, 0.5))


def test_the_cancelling_variance_can_be_negative() -> None:
    assert min(script.variances(2.0 ** np.arange(20, 33))["mean of x² − mean²"]) < 0
    assert min(script.variances(2.0 ** np.arange(20, 33))["mean of (x − mean)²"]) > 0.3


def test_smaller_root_against_60_digits() -> None:
    c = np.logspace(-18, -1, 40)
    found = script.root_errors(c)
    assert found["2c/(b + d)"].max() < 3e-16
    assert found["(b − d)/2"][0] == 1  # 0 in place of 1e-18
    assert found["(b − d)/2"].max() >= 1
    b = np.full(40, 3.7)
    r = by_hand.smaller_root(b, -c)
    assert np.abs(r * r - b * r - c).max() < 1e-15
    assert (r < b / 2).all()


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    x, two = np.ones(3), np.ones((2, 3))
    unknown = r"format must be one of 'float64', 'float32', 'float16', 'bfloat16', 'float8_e5m2', got 'float24'"
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        *((ValueError, unknown, name, (x, "float24")) for name in ("sum_naive", "sum_pairwise", "sum_kahan")),
        (ValueError, r"x must have at least 1 axis, got shape \(\)", "sum_pairwise", (np.array(1.0), "float16")),
        (ValueError, r"x must have at least 1 entry, got shape \(0,\)", "variance", (np.zeros(0),)),
        (ValueError, r"x must have 1 axes, got shape \(2, 3\)", "variance_cancelling", (two,)),
        (TypeError, "x must be floating point", "variance", (np.arange(3),)),
        (ValueError, r"b must be above 0 and b² above 4c, got b from 1.0 and b² − 4c from -3.0", "smaller_root", (x, x)),
        (ValueError, r"b must be above 0", "smaller_root_cancelling", (-x, -x)),
        (ValueError, r"b and c must have one shape, got \(3,\) and \(2, 3\)", "smaller_root", (3 * x, two)),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match=f"Summation: {unknown}"):
            side.Summation(format="float24")
        with pytest.raises(ValueError, match=r"Summation: method must be one of 'naive', 'pairwise', 'kahan', got 'sorted'"):
            side.Summation(method="sorted")
        with pytest.raises(ValueError, match=r"Summation: kinds must be at least 1, got 0"):
            side.Summation(kinds=0)


# ---- the prices ----------------------------------------------------------------------------------


def test_totals_are_those_of_the_terms_in_their_order() -> None:
    (x, y), _ = TWIN.make_data().split.train, None
    np.testing.assert_array_equal(y, PRICES[x].sum(axis=1))
    for method, total in (("naive", by_hand.sum_naive), ("kahan", by_hand.sum_kahan)):
        ours, theirs = by_hand.Summation(method=method), in_torch.Summation(method=method).double()
        ours.price.data[...] = PRICES
        theirs.price.data[...] = to_torch(PRICES)
        found = ours(x[:5])
        np.testing.assert_array_equal(found, theirs(to_torch(x[:5])).detach())
        np.testing.assert_array_equal(found, [total(PRICES[row], "bfloat16") for row in x[:5]])
    naive = by_hand.Summation(method="naive")(x)  # all prices are 1
    np.testing.assert_array_equal(naive, 256)


def test_the_order_of_the_lines_makes_a_difference_to_a_naive_sum() -> None:
    x = np.repeat(np.arange(6), 50)[None]
    model = by_hand.Summation(method="naive")
    model.price.data[...] = PRICES
    dear_first, cheap_first = float(model(x[:, ::-1])[0]), float(model(x)[0])
    assert dear_first < cheap_first
    exact = PRICES[x].sum()
    assert abs(dear_first / exact - 1) > 0.05 > 10 * epsilon("bfloat16") / 2
    model.method = "kahan"
    assert float(model(x)[0]) == pytest.approx(exact, rel=2.0**-8)


def test_the_gradient_is_that_of_the_true_sum() -> None:
    x, y = (a[:7] for a in TWIN.make_data().split.train)
    counts = np.array([np.bincount(row, minlength=6) for row in x])
    for method in by_hand.METHODS:
        model = by_hand.Summation(method=method, format="float32")
        off = (model(x) - y) / 256
        model.forget()
        model.training_step((x, y), 0)
        model.backward()
        assert error(model.price.grad, 2 * off @ counts / 256 / 7) < 1e-7


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("variant", [None, "line by line", "Kahan"])
def test_both_sides_are_equal_to_the_last_bit_although_they_round(variant: str | None, dtype: str) -> None:
    judge, _ = trajectory(TWIN, variant, Namespace(seed=0, dtype=dtype, device="cpu", steps=12))
    assert judge.passed
    assert judge.error("parameter") <= {"float64": 1e-15, "float32": 1e-7}[dtype]


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_finds_the_prices_but_for_the_digits_of_bfloat16(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    np.testing.assert_allclose(lockstep.hand.model.price.data, PRICES, rtol=epsilon("bfloat16"))
    np.testing.assert_allclose(theirs.price.detach().numpy(), lockstep.hand.model.price.data, rtol=1e-12)


def test_things_to_try_do_what_is_said() -> None:
    batch = tuple(a[:64] for a in TWIN.make_data().split.train)
    off: dict[str, float] = {}
    for label, options in (
        ("naive", {"method": "naive"}),
        ("naive in float32", {"method": "naive", "format": "float32"}),
        ("not rounded", {"format": "float64"}),
    ):
        ours, theirs = script.walk(by_hand.Summation(**options), in_torch.Summation(**options), batch, 160)
        assert error(ours["price"], theirs["price"]) < 1e-12
        off[label] = np.abs(ours["price"][-1] - PRICES).max()
    assert off["naive"] > 0.1
    assert off["naive in float32"] < 1e-4
    assert off["not rounded"] < 1e-4


# ---- figures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(trained: tuple[LockStep, Any]) -> dict[str, Any]:
    """All figures of the trained pair."""
    lockstep, theirs = trained
    return dict(script.figures(lockstep.hand.model, theirs, TWIN.make_data()))


def test_figure_of_sums(drawn: dict[str, Any]) -> None:
    left, right = drawn["sums that stop growing"].axes
    for (theirs, ours), end in zip((left.lines[:2], left.lines[2:4]), (2048, 256), strict=True):
        np.testing.assert_array_equal(theirs.get_ydata(), ours.get_ydata())
        assert ours.get_ydata()[-1] == end
    for dots, bound in (right.lines[0:2], right.lines[2:4], right.lines[4:6]):
        assert (dots.get_ydata() <= bound.get_ydata()).all()
    naive, pairs, kahan = (right.lines[i].get_ydata() for i in (0, 2, 4))
    assert naive[-1] > 0.5
    assert max(pairs) < 0.01
    assert max(kahan) < epsilon("bfloat16")


def test_figure_of_the_prices(drawn: dict[str, Any]) -> None:
    left, right = drawn["prices learned from three sums"].axes
    ends = []
    for theirs, ours in (left.lines[0:2], left.lines[2:4], left.lines[4:6]):
        np.testing.assert_allclose(theirs.get_ydata(), ours.get_ydata(), rtol=1e-12)
        ends.append(ours.get_ydata()[-20:])
    naive, pairs, kahan = ends
    assert naive.min() > 0.1
    assert max(pairs.max(), kahan.max()) < 0.02
    assert np.ptp(naive) > 0.05  # it never comes to rest
    np.testing.assert_array_equal(right.lines[0].get_xdata(), PRICES)
    assert np.abs(right.lines[0].get_ydata() - PRICES).max() == naive[-1]
    np.testing.assert_array_equal(by_hand.sum_naive(np.array([256.0, 0.99]), "bfloat16"), 256)
    np.testing.assert_array_equal(by_hand.sum_naive(np.array([256.0, 1.01]), "bfloat16"), 258)


def test_figure_of_cancellation(drawn: dict[str, Any]) -> None:
    left, right = drawn["cancellation"].axes
    offsets, lost = left.lines[0].get_data()
    slope = np.polyfit(np.log10(offsets[4:26]), np.log10(lost[4:26]), 1)[0]
    assert slope == pytest.approx(2, abs=0.2)
    assert (lost[offsets > 1.5e8] >= 1).all()
    assert max(left.lines[2].get_ydata()) < 1e-14
    assert max(right.lines[0].get_ydata()) >= 1
    assert max(right.lines[1].get_ydata()) < 3e-16
