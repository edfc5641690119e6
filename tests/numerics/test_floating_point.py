"""Floating point: every rounding bit for bit torch's, the errors of sums and differences, loss scaling, and a network in 16 bits."""

from __future__ import annotations

import math
from argparse import Namespace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from experiments.cases.numerics.floating_point import judge_overflow, judge_scaled_step, judge_scaler
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy, to_torch
from experiments.lockstep import LockStep
from experiments.lockstep.checks import trajectory
from experiments.numerics import floating_point as script
from experiments.numerics.floating_point import TWIN
from manual import optim
from manual.amp import GradScaler
from manual.module import Parameter
from manual.numerics import floating_point as by_hand
from manual.numerics.floating_point import FORMATS
from tests.helpers import whole_run
from torch_impl.numerics import floating_point as in_torch

DTYPES = in_torch.DTYPES
NARROW = ("float32", "float16", "bfloat16", "float8_e5m2")
LISTED = ("float16", "bfloat16", "float8_e5m2")
of_each = pytest.mark.parametrize("format", NARROW)
of_each_listed = pytest.mark.parametrize("format", LISTED)


def patterns(format: str) -> torch.Tensor:
    """Every number of a format with at most 16 bits, in the order of its bits, NaNs included."""
    bits = 1 + sum(FORMATS[format])
    return torch.arange(2**bits, dtype=torch.int32).to(torch.uint8 if bits == 8 else torch.int16).view(DTYPES[format])


def values(format: str) -> np.ndarray:
    """All finite numbers from 0 up, and ∞, in order."""
    v = patterns(format).double().numpy()[: 2 ** (sum(FORMATS[format]))]
    return v[~np.isnan(v)]


def around(v: np.ndarray) -> np.ndarray:
    """These numbers, the middles between neighbours, what is next to both in float64, and the same below 0."""
    finite = v[np.isfinite(v)]
    past = 2 * finite[-1] - finite[-2]  # where the next number would be
    middles = (finite + np.append(finite[1:], past)) / 2
    x = np.concatenate([v, middles])
    x = np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])
    return np.concatenate([x, -x])


def random_bits(dtype: Any, n: int = 200_000) -> np.ndarray:
    """Numbers of the whole range, NaN, ∞ and subnormal ones included."""
    x = np.random.default_rng(0).integers(0, 256, size=n * np.dtype(dtype).itemsize, dtype=np.uint8).view(dtype)
    return np.concatenate([x, np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)])


def assert_same_bits(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal to the last bit, the sign of 0 included; a NaN may be any NaN."""
    assert ours.dtype == theirs.dtype
    nan = np.isnan(theirs)
    np.testing.assert_array_equal(np.isnan(ours), nan)
    integers = f"u{ours.itemsize}"
    np.testing.assert_array_equal(ours[~nan].view(integers), theirs[~nan].view(integers))


# ---- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_is_what_torch_says_of_it(format: str) -> None:
    f, info = FORMATS[format], torch.finfo(DTYPES[format])
    assert 1 + f.exponent_bits + f.fraction_bits == info.bits
    assert (f.max, f.tiny, by_hand.epsilon(format)) == (info.max, info.smallest_normal, info.eps)
    assert in_torch.epsilon(format) == info.eps
    assert f.smallest_subnormal == info.smallest_normal * info.eps
    assert f.precision == round(1 - math.log2(info.eps))


def test_the_table_of_formats_is_right() -> None:
    rows = [line.split(" | ") for line in script.TEXT.splitlines() if line.startswith("| ") and "1 + " in line]
    assert [row[0].strip("| ") for row in rows] == list(FORMATS)
    digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    power = lambda cell: 2.0 ** int(cell.split(" = ")[0].removeprefix("2").translate(digits))  # noqa: E731
    for row, (name, f) in zip(rows, FORMATS.items(), strict=True):
        assert row[1] == f"1 + {f.exponent_bits} + {f.fraction_bits}"
        assert int(row[2]) == f.precision
        assert power(row[3]) == by_hand.epsilon(name)
        assert float(row[3].split(" = ")[1]) == pytest.approx(by_hand.epsilon(name), rel=0.05)
        assert power(row[4]) == f.smallest_subnormal
        assert power(row[5]) == f.tiny
        assert float(row[6].strip(" |").replace(",", "")) == pytest.approx(f.max, rel=0.01)


@of_each
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_is_torchs_to_the_last_bit_over_the_whole_range(format: str, dtype: Any) -> None:
    x = random_bits(dtype)
    with np.errstate(invalid="ignore"):
        assert_same_bits(by_hand.round_to(x, format), torch.from_numpy(x).to(DTYPES[format]).to(getattr(torch, x.dtype.name)).numpy())


@of_each_listed
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rounding_is_torchs_at_every_number_and_every_middle_and_right_beside_them(format: str, dtype: Any) -> None:
    with np.errstate(over="ignore"):
        x = around(values(format)).astype(dtype)
    if dtype is np.float32:
        x = np.concatenate([x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, np.float32(-np.inf))])
    assert len(x) > 2 ** sum(FORMATS[format]) * 6 - 2000
    theirs = torch.from_numpy(x).to(DTYPES[format]).to(getattr(torch, x.dtype.name)).numpy()
    assert_same_bits(by_hand.round_to(x, format), theirs)


@of_each_listed
def test_rounding_keeps_every_number_of_the_format(format: str) -> None:
    x = patterns(format).double().numpy()
    assert_same_bits(by_hand.round_to(x, format), x)
    assert_same_bits(by_hand.round_once(x, format), x)


@of_each_listed
def test_rounding_once_finds_the_nearest_number_and_the_even_one_of_two(format: str) -> None:
    """Judged by a search through all numbers of the format; the one after the largest stands for ∞."""
    v = values(format)
    at = np.arange(len(v))
    v = np.append(v[:-1], 2 * v[-2] - v[-3])
    x = np.abs(around(values(format)))
    x = x[x < v[-1]]
    up = np.clip(np.searchsorted(v, x), 1, len(v) - 1)
    to_lower, to_upper = x - v[up - 1], v[up] - x  # both exact: of numbers at most a factor of 2 apart, or with few digits
    chosen = np.where(to_lower < to_upper, up - 1, np.where(to_lower > to_upper, up, up - at[up] % 2))
    np.testing.assert_array_equal(by_hand.round_once(x, format), np.where(chosen == len(v) - 1, np.inf, v[chosen]))
    assert (to_lower == to_upper).sum() >= len(v) - 2  # the middles were there


def test_rounding_once_is_numpys_which_does_not_go_by_way_of_float32() -> None:
    x = np.concatenate([random_bits(np.float64), around(values("float16"))])
    with np.errstate(over="ignore", invalid="ignore"):
        assert_same_bits(by_hand.round_once(x, "float16"), x.astype(np.float16).astype(np.float64))
        assert_same_bits(by_hand.round_once(x, "float32"), x.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize("format", ["float16", "bfloat16"])
def test_torch_rounds_twice(format: str) -> None:
    eps = by_hand.epsilon(format)
    x = np.array([1 + eps / 2 + 2.0**-40, 1 + eps / 2 + 2.0**-23])
    np.testing.assert_array_equal(by_hand.round_once(x, format), [1 + eps, 1 + eps])
    np.testing.assert_array_equal(by_hand.round_to(x, format), [1, 1 + eps])
    np.testing.assert_array_equal(torch.from_numpy(x).to(DTYPES[format]).double(), [1, 1 + eps])
    at = around(values(format))
    at = at[np.abs(at) < FORMATS[format].max]
    twice, once = by_hand.round_to(at, format), by_hand.round_once(at, format)
    assert np.mean(twice != once) == pytest.approx(1 / 6, abs=1e-3)  # of each number, middle and four that are next to them: one
    random = np.random.default_rng(0).normal(size=100_000)
    assert 0 < np.mean(by_hand.round_to(random, format) != by_hand.round_once(random, format)) < 1e-4  # of any other numbers: rare


@of_each
def test_a_rounded_number_is_off_by_half_an_epsilon_at_most(format: str) -> None:
    f, u = FORMATS[format], by_hand.epsilon(format) / 2
    x = np.random.default_rng(1).uniform(f.tiny, 1, size=50_000) * 2.0 ** np.random.default_rng(2).integers(0, f.bias, size=50_000)
    delta = by_hand.round_to(x, format) / x - 1
    assert 0.95 * u / (1 + u) < np.abs(delta).max() <= u * (1 + 1e-6)  # rounding twice adds a little
    assert np.abs(by_hand.round_once(x, format) / x - 1).max() <= u


@of_each_listed
def test_parts_are_the_groups_of_bits_and_from_parts_undoes_them(format: str) -> None:
    f, t = FORMATS[format], patterns(format)
    x, code = t.double().numpy(), np.arange(len(t))
    split = code >> (f.exponent_bits + f.fraction_bits), (code >> f.fraction_bits) % 2**f.exponent_bits, code % 2**f.fraction_bits
    number = ~np.isnan(x)
    for ours, theirs, wanted in zip(by_hand.parts(x, format), in_torch.parts(t.double(), format), split, strict=True):
        np.testing.assert_array_equal(ours[number], wanted[number])
        np.testing.assert_array_equal(theirs[torch.from_numpy(number)], wanted[number])
    assert_same_bits(by_hand.from_parts(*split, format), x)
    sign, exponent, fraction = by_hand.parts(np.array([np.nan, -np.inf]), format)
    assert exponent.tolist() == [2**f.exponent_bits - 1] * 2
    assert fraction.tolist() == [2 ** (f.fraction_bits - 1), 0]
    assert sign[1] == 1


@pytest.mark.parametrize(("format", "dtype"), [("float32", np.float32), ("float64", np.float64)])
def test_parts_of_the_wide_formats_too(format: str, dtype: Any) -> None:
    x = random_bits(dtype, 20_000)
    x = x[~np.isnan(x)]
    ours = by_hand.parts(x, format)
    for a, b in zip(ours, in_torch.parts(torch.from_numpy(x), format), strict=True):
        np.testing.assert_array_equal(a, b)
    assert_same_bits(by_hand.from_parts(*ours, format).astype(dtype), x)


@of_each
def test_spacing_leads_to_the_next_number(format: str) -> None:
    x = np.concatenate([np.logspace(-50, 38, 5000), values("float16")[:-1], [0.0, FORMATS[format].max]])
    x = x[x <= FORMATS[format].max]
    rounded, step = by_hand.round_to(x, format), by_hand.spacing(x, format)
    np.testing.assert_array_equal(by_hand.spacing(-x, format), step)
    np.testing.assert_array_equal(in_torch.spacing(torch.from_numpy(x), format), step)
    if format == "float8_e5m2":
        v = values(format)
        wanted = np.append(v[1:-1], v[-2] + (v[-2] - v[-3]))[np.searchsorted(v, rounded)] - rounded
    else:
        t = torch.from_numpy(rounded).to(DTYPES[format])
        wanted = (torch.nextafter(t, torch.full_like(t, torch.inf)).double() - t.double()).numpy()
    inside = np.isfinite(wanted)  # beyond the largest number is ∞
    np.testing.assert_array_equal(step[inside], wanted[inside])
    assert inside.sum() > len(x) - 20
    assert by_hand.spacing(np.array([1.0]), format) == by_hand.epsilon(format)
    assert np.isnan(by_hand.spacing(np.array([np.inf, np.nan]), format)).all()
    assert torch.isnan(in_torch.spacing(torch.tensor([torch.inf, torch.nan], dtype=torch.float64), format)).all()


def test_a_difference_of_nearly_equal_numbers_is_exact() -> None:
    """Sterbenz's theorem, for every pair of positive numbers of an 8-bit format."""
    v = values("float8_e5m2")[1:-1]
    x, y = (a.ravel() for a in np.meshgrid(v, v))
    near = (y / 2 <= x) & (x <= 2 * y)
    assert near.sum() > 1000
    np.testing.assert_array_equal(by_hand.round_once(x - y, "float8_e5m2")[near], (x - y)[near])
    assert np.any(by_hand.round_once(x - y, "float8_e5m2") != x - y)


@pytest.mark.parametrize("format", ["float16", "bfloat16"])
def test_a_sum_rounded_by_way_of_float32_is_rounded_once(format: str) -> None:
    v = values(format)[:-1]
    x, y = np.random.default_rng(0).choice(v, size=(2, 300_000))
    near = np.minimum(np.searchsorted(v, x) + np.random.default_rng(1).integers(-5000, 5000, size=len(x)), len(v) - 1)
    with np.errstate(over="ignore"):
        for other in (y, -y, -np.abs(v[near]), v[near]):
            assert_same_bits(by_hand.round_to(x + other, format), by_hand.round_once(x + other, format))


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
        assert method(few, format) == pytest.approx(len(few), rel=by_hand.epsilon(format))


@pytest.mark.parametrize("format", ["float16", "bfloat16", "float32"])
def test_errors_of_sums_stay_below_their_bounds(format: str) -> None:
    u = by_hand.epsilon(format) / 2
    for N in (2, 7, 64, 500):
        x = by_hand.round_to(np.random.default_rng(N).normal(size=(N, 30)), format)
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


# ---- layers in few bits --------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["float16", "bfloat16"])
def test_rounded_linear_is_torchs_linear_in_that_format_but_for_its_rounding(format: str) -> None:
    """torch's own layer, run in 16 bits, adds up with other digits and in another order; both are within u of the exact result."""
    rng, u = np.random.default_rng(0), by_hand.epsilon(format) / 2
    layer = torch.nn.Linear(64, 17).to(DTYPES[format])
    x = torch.from_numpy(rng.normal(size=(50, 64))).to(DTYPES[format]).requires_grad_()
    up = torch.from_numpy(rng.normal(size=(50, 17))).to(DTYPES[format])
    y = layer(x)
    y.backward(up)
    x64, W64, b64, up64 = (t.detach().double().numpy() for t in (x, layer.weight, layer.bias, up))
    ours = by_hand.rounded_linear(x64, W64, b64, format), *by_hand.rounded_linear_backward(up64, x64, W64, b64, format)
    exact = x64 @ W64.T + b64, up64 @ W64, up64.T @ x64, up64.sum(axis=0)
    sizes = np.abs(x64) @ np.abs(W64).T + np.abs(b64), np.abs(up64) @ np.abs(W64), np.abs(up64).T @ np.abs(x64), np.abs(up64).sum(axis=0)
    for mine, theirs, true, size in zip(ours, (y, x.grad, layer.weight.grad, layer.bias.grad), exact, sizes, strict=True):
        assert (np.abs(mine - true) <= u * np.abs(true) * (1 + 1e-6)).all()
        assert (np.abs(to_numpy(theirs.double()) - true) <= 2 * u * np.abs(true) + 2.0**-18 * size).all()
        assert np.any(mine != true)
    assert_same_bits(by_hand.round_to(ours[0], format), ours[0])


def test_the_real_format_and_float64_with_rounding_give_the_same_layer() -> None:
    """Sums that are short enough to be exact in float32: every entry of torch's own float16 layer equals ours."""
    x = np.random.default_rng(0).integers(-8, 9, size=(20, 16)) / 8
    W = np.random.default_rng(1).integers(-8, 9, size=(5, 16)) / 64
    b = np.random.default_rng(2).integers(-8, 9, size=5) / 64
    theirs = torch.nn.functional.linear(*(torch.from_numpy(a).half() for a in (x, W, b))).double()
    np.testing.assert_array_equal(by_hand.rounded_linear(x, W, b, "float16"), theirs)


# ---- loss scaling --------------------------------------------------------------------------------


def test_scaler_is_torch_amps_at_every_step() -> None:
    for seed in range(3):
        assert max(judge_scaler(seed).values()) == 0
        assert max(judge_scaled_step(seed).values()) < 1e-15
        assert max(judge_overflow(seed).values()) == 0


def test_scaler_has_torchs_defaults() -> None:
    ours, theirs = GradScaler(), torch.amp.GradScaler("cpu")
    state = theirs.state_dict()
    assert ours.get_scale() == theirs.get_scale() == 65536
    assert (ours.growth_factor, ours.backoff_factor, ours.growth_interval) == (
        state["growth_factor"],
        state["backoff_factor"],
        state["growth_interval"],
    )


def both_scalers(slopes: list[float], **settings: Any) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """(scale, parameter) by hand and of torch.amp after each step along these slopes."""
    ours, theirs = GradScaler(**settings), torch.amp.GradScaler("cpu", **settings)
    p, q = Parameter(np.ones(1, np.float32)), torch.nn.Parameter(torch.ones(1))
    optimizers = optim.SGD([p], lr=0.5), torch.optim.SGD([q], lr=0.5)
    rows = []
    for slope in slopes:
        p.grad = np.array([slope], np.float32) * ours.scale(np.float32(1))
        optimizers[1].zero_grad()
        theirs.scale((q * slope).sum()).backward()
        for scaler, optimizer in ((ours, optimizers[0]), (theirs, optimizers[1])):
            scaler.step(optimizer)
            scaler.update()
        rows.append(((ours.get_scale(), float(p.data[0])), (theirs.get_scale(), q.item())))
    return rows


def test_a_scale_that_has_reached_0_spoils_the_weights_as_in_torch() -> None:
    rows = both_scalers([math.inf] * 166 + [1.0])
    assert rows[164][0] == rows[164][1] == (2.0**-149, 1.0)
    assert rows[165][0] == rows[165][1] == (0.0, 1.0)
    assert rows[166][0][0] == rows[166][1][0] == 0
    assert math.isnan(rows[166][0][1])
    assert math.isnan(rows[166][1][1])


def test_a_scale_never_grows_to_infinity() -> None:
    for ours, theirs in both_scalers([1e-38] * 4, init_scale=2.0**126, growth_interval=1):
        assert ours == theirs
        assert ours[0] == 2.0**127


def test_a_step_with_nan_is_skipped() -> None:
    ours, theirs = both_scalers([math.nan])[0]
    assert ours == theirs == (32768.0, 1.0)


def test_a_scaler_that_is_not_enabled_does_nothing() -> None:
    scaler, p = GradScaler(enabled=False), Parameter(np.ones(1))
    p.grad = np.array([np.inf])
    assert scaler.scale(0.3) == 0.3
    scaler.step(optim.SGD([p], lr=1.0))
    scaler.update()
    assert p.data[0] == -np.inf
    assert (scaler.get_scale(), int(scaler._growth_tracker), bool(scaler.found_inf)) == (1, 0, False)


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    x, two = np.ones(3), np.ones((2, 3))
    unknown = r"format must be one of 'float64', 'float32', 'float16', 'bfloat16', 'float8_e5m2', got 'float24'"
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        *((ValueError, unknown, name, (x, "float24")) for name in ("round_to", "round_once", "parts", "spacing", "sum_naive", "sum_kahan")),
        (ValueError, unknown, "epsilon", ("float24",)),
        (ValueError, unknown, "from_parts", (x, x, x, "float24")),
        (ValueError, unknown, "rounded_linear", (two, two, np.ones(2), "float24")),
        (TypeError, "x must be floating point, got int64", "round_to", (np.arange(3), "float16")),
        (TypeError, "x must be floating point, got int64", "round_once", (np.arange(3), "float16")),
        (TypeError, "x must be a NumPy array, got float", "round_to", (0.1, "float16")),
        (
            ValueError,
            r"exponent must lie in 0 to 31 for float16, got 3 to 32",
            "from_parts",
            (*np.array([[0, 1], [3, 32], [0, 0]]), "float16"),
        ),
        (ValueError, r"sign must lie in 0 to 1 for float16, got -1 to 1", "from_parts", (*np.array([[-1, 1], [3, 2], [0, 0]]), "float16")),
        (ValueError, r"fraction must lie in 0 to 1023 .* 1024", "from_parts", (*np.array([[0, 1], [3, 2], [0, 1024]]), "float16")),
        (ValueError, r"x must have at least 1 axis, got shape \(\)", "sum_pairwise", (np.array(1.0), "float16")),
        (ValueError, r"x must have at least 1 entry, got shape \(0,\)", "variance", (np.zeros(0),)),
        (ValueError, r"x must have 1 axes, got shape \(2, 3\)", "variance_cancelling", (two,)),
        (TypeError, "x must be floating point", "variance", (np.arange(3),)),
        (ValueError, r"b must be above 0 and b² above 4c, got b from 1.0 and b² − 4c from -3.0", "smaller_root", (x, x)),
        (ValueError, r"b must be above 0", "smaller_root_cancelling", (-x, -x)),
        (ValueError, r"b and c must have one shape, got \(3,\) and \(2, 3\)", "smaller_root", (3 * x, two)),
        (
            ValueError,
            r"axis 1 of W must be the columns of x = 3, got shape \(2, 2\)",
            "rounded_linear",
            (two, np.ones((2, 2)), x, "float16"),
        ),
        (ValueError, r"axis 0 of b must be the rows of W = 2, got shape \(3,\)", "rounded_linear", (two, two, x, "float16")),
        (ValueError, r"x must have 2 axes, got shape \(3,\)", "rounded_linear", (x, two, x, "float16")),
        (TypeError, "W must have the layer's dtype float64, got float32", "rounded_linear", (two, two.astype(np.float32), x, "float16")),
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match=f"FloatingPoint: {unknown}"):
            side.FloatingPoint(format="float24")
    for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
        with pytest.raises(ValueError, match=r"GradScaler: growth_factor must be above 1 and backoff_factor below 1, got"):
            GradScaler(**wrong)


# ---- the network ---------------------------------------------------------------------------------


def batches(n: int) -> list[tuple[np.ndarray, ...]]:
    """n batches of 128 digits."""
    return script.in_batches(TWIN.make_data().split.train, 128, -(-n // 8))[:n]


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_backward_of_the_concept_accumulates_and_is_autograds(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=1, variant=variant)
    first, second = batches(2)
    for batch, factor in ((first, 0.7), (second, -1.3)):
        ours.training_step(batch, 0)
        ours.backward(factor)
        (factor * theirs.training_step(to_torch(batch), 0)).backward()
    for name, p in theirs.named_parameters():
        assert error(getattr(ours, name).grad, p.grad) < 1e-14
    for name, buffer in theirs.named_buffers():
        assert error(dict(ours.named_buffers())[name], buffer) == 0
    ours.check_nothing_saved()


def test_what_is_stored_has_few_digits() -> None:
    ours, _ = TWIN.build(seed=1)
    x, y = batches(1)[0]
    z2 = ours(x)
    (x_saved, W1, *_), z1, (h, *_) = ours.restore()
    for stored in (x_saved, z1, h, z2):
        assert_same_bits(by_hand.round_to(stored, "float16"), stored)
    assert np.any(by_hand.round_to(W1, "float16") != W1)  # the master weights are not rounded
    ours.training_step((x, y), 0)
    ours.backward()
    g = ours.W1.grad * ours.scaler.get_scale() / ours.micro_batches
    assert_same_bits(by_hand.round_to(g, "float16"), g)
    assert np.abs(g).max() > 2.0**-14


def test_gradients_in_16_bits_are_those_of_full_precision_but_for_a_part_in_100() -> None:
    batch = batches(1)[0]
    found = {}
    for variant in (None, "bfloat16", "float32", "not rounded"):
        ours, _ = TWIN.build(seed=1, variant=variant)
        ours.training_step(batch, 0)
        ours.backward()
        found[variant] = np.concatenate([p.grad.ravel() for p in ours.parameters()])
    for variant, most in ((None, 1e-3), ("bfloat16", 1e-2), ("float32", 1e-7)):
        assert 1e-3 * most < error(found[variant], found["not rounded"]) < most


def test_no_gradient_of_a_mean_over_2_to_the_25_examples_is_left_in_float16() -> None:
    ours, theirs = TWIN.build(seed=1, variant="float16 without loss scaling")
    assert ours.micro_batches * 128 == 2**25
    ours.W2.data *= 100  # sure, and wrong: errors p − y of nearly 1
    theirs.W2.data *= 100
    batch = batches(1)[0]
    assert ours.training_step(batch, 0) > 5
    ours.backward()
    theirs.training_step(to_torch(batch), 0).backward()
    assert all(p.has_grad and not p.grad.any() for p in ours.parameters())
    assert not any(p.grad.any() for p in theirs.parameters())
    assert by_hand.round_to(np.array([2.0**-25, 2.0**-25 * 1.001]), "float16").tolist() == [0, 2.0**-24]


def test_a_step_that_overflows_changes_nothing_but_the_scale() -> None:
    ours, theirs = TWIN.build(variant="float16 with a scale that is too large")
    before = ours.state_dict()
    by_numpy, by_autograd = script.train_by_hand(ours, batches(1)), script.train_in_torch(theirs, batches(1))
    assert by_numpy.skipped.tolist() == by_autograd.skipped.tolist() == [True]
    for after in (ours.state_dict(), to_numpy(dict(theirs.state_dict()))):
        assert after["scaler._scale"] == before["scaler._scale"] / 2 == 2.0**40
        assert all(np.array_equal(after[name], before[name]) for name in ("W1", "b1", "W2", "b2"))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("variant", [None, "float32", "bfloat16", "float16 with a scale that is too large"])
def test_both_sides_are_equal_to_the_last_bit_although_they_round(variant: str | None, dtype: str) -> None:
    judge, _ = trajectory(TWIN, variant, Namespace(seed=0, dtype=dtype, device="cpu", steps=24))
    assert judge.passed
    assert (judge.error("gradient"), judge.error("parameter"), judge.error("buffer")) == (0, 0, 0)
    assert judge.error("loss") < {"float32": 1e-6, "float64": 1e-15}[dtype]


@pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
def test_impossible_sizes_of_the_network_are_named(side: Any) -> None:
    for wrong, message in (
        ({"hidden": 0}, "hidden must be at least 1, got 0"),
        ({"micro_batches": 0}, "micro_batches must be at least 1, got 0"),
        ({"init_scale": 0.0}, "init_scale must be above 0, got 0.0"),
    ):
        with pytest.raises(ValueError, match=f"FloatingPoint: {message}"):
            side.FloatingPoint(**wrong)


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_reads_the_digits_on_both_sides(trained: tuple[LockStep, Any]) -> None:
    """scikit-learn's network, given the trained weights, and one that scikit-learn trains by itself, are the outside opinions."""
    from sklearn.neural_network import MLPClassifier

    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    assert lockstep.judge.error("parameter") == 0
    (x, y), (x_val, y_val) = TWIN.make_data().split.train, TWIN.make_data().split.val
    assert (x.shape, x_val.shape) == ((1024, 64), (773, 64))
    settings: dict[str, Any] = {
        "hidden_layer_sizes": (32,),
        "activation": "tanh",
        "solver": "sgd",
        "learning_rate_init": 0.25,
        "batch_size": 128,
    }
    with pytest.warns(match="Maximum iterations"):
        sklearn = MLPClassifier(**settings, alpha=0, max_iter=20, random_state=0).fit(x, y)
    accuracy = sklearn.score(x_val, y_val)
    assert accuracy > 0.95
    for weights in (lockstep.hand.model.state_dict(), to_numpy(dict(theirs.state_dict()))):
        W1, b1, W2, b2 = (weights[name] for name in ("W1", "b1", "W2", "b2"))
        sklearn.coefs_, sklearn.intercepts_ = [W1.T, W2.T], [b1, b2]
        assert sklearn.score(x_val, y_val) == pytest.approx(
            lockstep.metrics["accuracy/val"], abs=2.5 / 773
        )  # rounding may turn a close one
    assert lockstep.metrics["accuracy/val"] > accuracy - 0.015


def test_the_scale_of_the_run_climbs_until_gradients_overflow(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    scale = lockstep.hand.model.scaler.get_scale()
    assert scale == theirs.scaler._scale.item()
    assert 2.0**37 <= scale <= 2.0**40  # 16 + 160 / 5 = 48 without an overflow
    assert lockstep.judge.error("buffer") == 0


def real_mixed_precision(dtype: torch.dtype, scaled: bool, steps: int) -> tuple[list[float], torch.nn.Sequential]:
    """The same network in torch's own mixed precision, autocast and torch.amp.GradScaler, from the same weights on the same batches."""
    ours, _ = TWIN.build()
    net = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10))
    net.load_state_dict(to_torch({"0.weight": ours.W1.data, "0.bias": ours.b1.data, "2.weight": ours.W2.data, "2.bias": ours.b2.data}))
    optimizer = torch.optim.SGD(net.parameters(), lr=ours.lr * ours.micro_batches, momentum=0.9)
    scaler, losses = torch.amp.GradScaler("cpu", growth_interval=5, enabled=scaled), []
    for x, y in batches(steps):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=dtype):
            loss = torch.nn.functional.cross_entropy(net(torch.from_numpy(x).float()).float(), torch.from_numpy(y))
        scaler.scale(loss / ours.micro_batches).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses, net


@pytest.mark.parametrize(("variant", "dtype"), [(None, torch.float16), ("bfloat16", torch.bfloat16)])
def test_real_mixed_precision_learns_the_same(variant: str | None, dtype: torch.dtype) -> None:
    ours, theirs = TWIN.build(variant=variant)
    real, _ = real_mixed_precision(dtype, scaled=variant is None, steps=40)
    emulated, in_lightning = script.train_by_hand(ours, batches(40)).loss, script.train_in_torch(theirs, batches(40)).loss
    np.testing.assert_allclose(emulated, in_lightning, rtol=1e-12)
    np.testing.assert_allclose(emulated, real, rtol=0.02 if variant is None else 0.1)
    assert emulated[-1] < 0.3


def test_without_scaling_neither_ours_nor_real_float16_moves_at_all() -> None:
    ours, theirs = TWIN.build(variant="float16 without loss scaling")
    before = ours.state_dict()
    script.train_by_hand(ours, batches(10))
    script.train_in_torch(theirs, batches(10))
    _, real = real_mixed_precision(torch.float16, scaled=False, steps=10)
    after = [ours.state_dict(), to_numpy(dict(theirs.state_dict()))]
    assert all(np.array_equal(weights[name], before[name]) for weights in after for name in before)
    for name, p in zip(("W1", "b1", "W2", "b2"), real.parameters(), strict=True):
        np.testing.assert_array_equal(to_numpy(p), before[name].astype(np.float32))


# ---- figures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(trained: tuple[LockStep, Any]) -> dict[str, Any]:
    """All figures of the trained pair."""
    lockstep, theirs = trained
    return dict(script.figures(lockstep.hand.model, theirs, TWIN.make_data()))


def caption(fig: Any) -> str:
    return fig.caption


def test_figure_of_the_spacing(drawn: dict[str, Any]) -> None:
    left, right = drawn["the spacing of floats"].axes
    top, bottom = (np.array([segment[0][0] for segment in c.get_segments()]) for c in left.collections)
    np.testing.assert_array_equal(top[top >= 0.25] * 4, [1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4])
    np.testing.assert_array_equal(bottom * 16, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16])
    theirs, ours = right.lines[4:6]  # float16
    np.testing.assert_array_equal(theirs.get_ydata(), ours.get_ydata())
    x, y = ours.get_data()
    assert set(y[x < 2.0**-14]) == {2.0**-24}
    assert x.max() <= 65504
    assert {4, 2 * 2.0**-10} >= {y[x >= 2][0]}
    wide, coarse = right.lines[1].get_ydata(), right.lines[3].get_ydata()
    assert set(coarse / wide) == {65536.0, 131072.0}  # twice as much where x is rounded up to a power of two in bfloat16
    assert np.mean(coarse / wide == 65536) > 0.98


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
    assert max(kahan) < by_hand.epsilon("bfloat16")


def test_figure_of_cancellation(drawn: dict[str, Any]) -> None:
    left, right = drawn["cancellation"].axes
    offsets, lost = left.lines[0].get_data()
    slope = np.polyfit(np.log10(offsets[4:26]), np.log10(lost[4:26]), 1)[0]
    assert slope == pytest.approx(2, abs=0.2)
    assert (lost[offsets > 1.5e8] >= 1).all()
    assert max(left.lines[2].get_ydata()) < 1e-14
    assert max(right.lines[0].get_ydata()) >= 1
    assert max(right.lines[1].get_ydata()) < 3e-16


def test_figure_of_the_gradients(drawn: dict[str, Any]) -> None:
    data = TWIN.make_data()
    g = script.travelling_gradients(data, 1.0)
    assert np.abs(g).max() <= 2.0**-25
    assert not by_hand.round_to(g, "float16").any()
    scaled = script.travelling_gradients(data, 2.0**16)
    np.testing.assert_array_equal(scaled, g * 2.0**16)
    assert "are 100% round to 0. Times 2¹⁶ it is 0.0%." in caption(drawn["gradients too small for float16"])
    assert np.mean(by_hand.round_to(scaled, "float16") == 0) < 5e-4
    bars = [p for p in drawn["gradients too small for float16"].axes[0].patches if p.get_width() == 1]
    heights = [np.sum([p.get_height() for p in bars if low <= p.get_x() < high]) for low, high in ((-60, -25), (-25, 20))]
    assert heights == pytest.approx([1, 1], abs=2e-3)
    assert np.log2(FORMATS["bfloat16"].smallest_subnormal) == -133


def test_figure_of_four_ways(drawn: dict[str, Any]) -> None:
    lines = drawn["the same network in four ways"].axes[0].lines
    pairs = [(lines[i].get_ydata(), lines[i + 1].get_ydata()) for i in range(0, 8, 2)]
    for theirs, ours in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    in_float32, in_bfloat16, not_scaled, scaled = (ours for _, ours in pairs)
    np.testing.assert_allclose(in_bfloat16, in_float32, rtol=0.1)
    assert max(in_float32[-8:]) < 0.3
    np.testing.assert_array_equal(not_scaled[8:], not_scaled[:-8])
    assert max(scaled[-8:]) < 0.5
    assert "12 of the 48 steps overflow and are skipped, the first 6 among them" in caption(drawn["the same network in four ways"])


def test_figure_of_the_scale(drawn: dict[str, Any]) -> None:
    theirs, ours, crosses = drawn["a scale that finds itself"].axes[0].lines
    np.testing.assert_array_equal(theirs.get_ydata(), ours.get_ydata())
    scale, skipped = ours.get_ydata(), crosses.get_xdata()
    assert scale[0] == 44
    step = np.diff(scale)
    np.testing.assert_array_equal(np.flatnonzero(step == -1), skipped[skipped < len(step)])
    assert set(step) == {-1, 0, 1}
    for grown in np.flatnonzero(step == 1):
        assert (step[grown - 4 : grown] == 0).all()


def test_figure_of_the_master_weights(drawn: dict[str, Any], trained: tuple[LockStep, Any]) -> None:
    left, right = drawn["why master weights"].axes
    theirs, ours = (p.get_data().values for p in left.patches)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.sum() == 32 * 64
    assert 60 < ours.min() <= ours.max() < 150
    model = trained[0].hand.model
    step, W1 = script.updates(model, TWIN.make_data()), model.W1.data
    for name, words in (("float16", "{:.0%} of the steps in float16"), ("bfloat16", "{:.0%} in bfloat16")):
        kept = by_hand.round_to(W1, name)
        lost = np.mean(by_hand.round_to(kept + step, name) == kept)
        assert words.format(lost) in caption(drawn["why master weights"])
        below = np.abs(step) < by_hand.spacing(W1, name) / 2
        assert lost <= below.mean() < lost + 0.01  # next to a power of two the spacing to one side is half of that to the other
    assert right.lines[0].get_xdata()[0] == -1


def test_things_to_try_do_what_is_said() -> None:
    data = TWIN.make_data()
    accuracy = {}
    for label, chosen in {
        "2²¹ examples": {"scaling": False, "micro_batches": 16384},
        "2²³ examples": {"scaling": False, "micro_batches": 65536},
        "e5m2": {"format": "float8_e5m2", "growth_interval": 5},
        "torch.amp's interval": {"growth_interval": 2000},
    }.items():
        model = by_hand.FloatingPoint(**chosen, rng=np.random.default_rng(0))
        history = script.train_by_hand(model, script.in_batches(data.split.train, 128, 12))
        x, y = data.split.val
        accuracy[label] = np.mean(model(x).argmax(axis=1) == y)
        assert label != "torch.amp's interval" or set(history.scale) == {65536.0}
    assert accuracy["2²¹ examples"] > 0.94
    assert accuracy["2²³ examples"] < 0.8
    assert accuracy["e5m2"] > 0.94
    assert accuracy["torch.amp's interval"] > 0.94
