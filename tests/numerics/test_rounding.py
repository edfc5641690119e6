"""Rounding: every rounding bit for bit torch's, and weights that stop moving where it is foretold."""

from __future__ import annotations

import math
from argparse import Namespace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.cases.numerics.rounding import judge_rounded_step
from experiments.judge.convert import to_numpy, to_torch
from experiments.lockstep import LockStep
from experiments.lockstep.checks import trajectory
from experiments.numerics import rounding as script
from experiments.numerics.rounding import TWIN
from manual.numerics import rounding as by_hand
from manual.numerics.rounding import FORMATS
from tests.helpers import whole_run
from tests.numerics.formats import DTYPES, assert_same_bits, patterns, values
from torch_impl.numerics import rounding as in_torch

NARROW = ("float32", "float16", "bfloat16", "float8_e5m2")
LISTED = ("float16", "bfloat16", "float8_e5m2")
of_each = pytest.mark.parametrize("format", NARROW)
of_each_listed = pytest.mark.parametrize("format", LISTED)


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


# ---- weights that stop ---------------------------------------------------------------------------


def test_steps_and_their_roundings_are_torchs() -> None:
    for seed in range(3):
        assert max(judge_rounded_step(seed).values()) == 0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("variant", [None, "float16", "float8_e5m2"])
def test_both_sides_are_equal_to_the_last_bit_although_their_weights_are_rounded(variant: str | None, dtype: str) -> None:
    judge, _ = trajectory(TWIN, variant, Namespace(seed=0, dtype=dtype, device="cpu", steps=40))
    assert judge.passed
    assert judge.error("parameter") == 0


@pytest.mark.parametrize("format", ["float8_e5m2", "bfloat16", "float16"])
@pytest.mark.parametrize("lr", [2.0**-3, 2.0**-6])
def test_b_stops_within_the_distance_that_is_foretold_and_its_next_step_is_lost(format: str, lr: float) -> None:
    batch = TWIN.make_data().split.train
    ours, theirs = (path["b"][:, 0] for path in script.both_walks(batch, format, lr, 400))
    np.testing.assert_array_equal(ours, theirs)
    b, goal = ours[-1], batch[1].mean()
    assert ours[-2] == b
    assert lr * 2 * abs(b - goal) <= by_hand.spacing(np.array([b]), format)[0] / 2
    assert abs(b - goal) == script.distances(goal, format, np.array([lr]))[0]
    before = ours[ours != b][-1]  # where it was still moving: a step that is longer than half the spacing
    assert lr * 2 * abs(before - goal) >= by_hand.spacing(np.array([before]), format)[0] / 2


def test_half_the_step_size_leaves_b_twice_as_far_from_its_goal() -> None:
    goal, rates = TWIN.make_data().split.train[1].mean(), 2.0 ** np.arange(-9, -4)
    found = script.distances(goal, "float16", rates)
    np.testing.assert_allclose(found[:-1] / found[1:], 2, rtol=0.1)


def test_what_is_not_rounded_arrives() -> None:
    batch = TWIN.make_data().split.train
    (x, y), (ours, theirs) = batch, script.both_walks(batch, "float64", 2.0**-3, 1500)
    least = np.linalg.lstsq(np.hstack([x, np.ones((len(x), 1))]), y, rcond=None)[1].item() / len(x)
    assert script.least_squares(batch) == pytest.approx(least, rel=1e-12)
    for path in (ours, theirs):
        assert path["b"][-1, 0] == pytest.approx(y.mean(), rel=1e-12)
        assert np.mean((x @ path["W"][-1] + path["b"][-1] - y) ** 2) == pytest.approx(least, rel=1e-4)


# ---- bad input -----------------------------------------------------------------------------------


def test_bad_input_is_named() -> None:
    x = np.ones(3)
    unknown = r"format must be one of 'float64', 'float32', 'float16', 'bfloat16', 'float8_e5m2', got 'float24'"
    refused: list[tuple[type[Exception], str, str, tuple[Any, ...]]] = [
        *((ValueError, unknown, name, (x, "float24")) for name in ("round_to", "round_once", "parts", "spacing")),
        (ValueError, unknown, "epsilon", ("float24",)),
        (ValueError, unknown, "from_parts", (x, x, x, "float24")),
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
    ]
    for kind, message, name, inputs in refused:
        with pytest.raises(kind, match=f"{name}: {message}"):
            getattr(by_hand, name)(*inputs)
    for side in (by_hand, in_torch):
        with pytest.raises(ValueError, match=f"Rounding: {unknown}"):
            side.Rounding(format="float24")


# ---- training ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained() -> tuple[LockStep, Any]:
    """The whole run, in lock-step."""
    return whole_run(TWIN)


def test_run_agrees_and_no_weight_moves_any_more(trained: tuple[LockStep, Any]) -> None:
    lockstep, theirs = trained
    assert lockstep.judge.passed, lockstep.judge.failure
    assert lockstep.judge.error("parameter") == 0
    model, batch = lockstep.hand.model, TWIN.make_data().split.train
    assert model.b.data.tolist() == theirs.b.tolist() == [148.0]
    before = model.state_dict()
    model.zero_grad()
    model.training_step(batch, 0)
    model.backward()
    assert all(p.grad.all() for p in model.parameters())
    model.configure_optimizers().step()
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())
    x, y = to_torch(batch)
    ((theirs(x) - y) ** 2).mean().backward()
    theirs.configure_optimizers().step()
    assert all(np.array_equal(before[name], value) for name, value in to_numpy(dict(theirs.state_dict())).items())


def test_things_to_try_do_what_is_said() -> None:
    batch, goal = TWIN.make_data().split.train, TWIN.make_data().split.train[1].mean()
    ends = {
        label: script.both_walks(batch, format, lr, 400)[0]["b"][-1, 0]
        for label, format, lr in (("as it is", "bfloat16", 2.0**-4), ("float16", "float16", 2.0**-4), ("lr", "bfloat16", 2.0**-6))
    }
    assert (goal - ends["as it is"]) / (goal - ends["float16"]) == pytest.approx(8, rel=0.1)
    assert (goal - ends["lr"]) / (goal - ends["as it is"]) == pytest.approx(4, rel=0.15)
    assert script.both_walks(batch, "float8_e5m2", 2.0**-4, 40)[0]["b"][-1, 0] == 96
    assert by_hand.spacing(np.array([96.0]), "float8_e5m2") == 112 - 96


# ---- figures -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(trained: tuple[LockStep, Any]) -> dict[str, Any]:
    """All figures of the trained pair."""
    lockstep, theirs = trained
    return dict(script.figures(lockstep.hand.model, theirs, TWIN.make_data()))


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


def test_figure_of_the_weight_that_stops(drawn: dict[str, Any]) -> None:
    left, right = drawn["a weight that stops short"].axes
    goal = TWIN.make_data().split.train[1].mean()
    ends = []
    for ax in (left, right):
        for theirs, ours in (ax.lines[0:2], ax.lines[2:4], ax.lines[4:6]):
            np.testing.assert_array_equal(theirs.get_ydata(), ours.get_ydata())
            ends.append(ours.get_ydata()[-1])
    assert ends[:3] == ends[3:]
    assert (ends[0] == pytest.approx(goal, rel=1e-3), ends[1:3]) == (True, [151.0, 148.0])
    numbers = right.lines[6].get_ydata()
    np.testing.assert_array_equal(by_hand.round_to(numbers, "bfloat16"), numbers)
    assert set(np.diff(numbers)) == {by_hand.spacing(np.array([148.0]), "bfloat16")[0]}
    assert numbers[np.argmin(np.abs(numbers - goal))] - 148 == 3


def test_figure_of_the_step_sizes(drawn: dict[str, Any]) -> None:
    lines = drawn["a smaller step stops earlier"].axes[0].lines
    for foretold, dots in (lines[0:2], lines[2:4], lines[4:6]):
        assert (dots.get_ydata() <= foretold.get_ydata()).all()
        assert (np.diff(dots.get_ydata()) < 0).all()  # the larger the step size, the closer
    assert (lines[1].get_ydata() / lines[5].get_ydata()).min() > 1000


def test_figure_of_what_stands_still(drawn: dict[str, Any]) -> None:
    fig = drawn["why no weight moves any more"]
    widths = np.array([bar.get_width() for bar in fig.axes[0].patches])
    np.testing.assert_array_equal(widths[:11], widths[11:])
    assert (np.abs(widths) < 1).all()
    assert "11 of the 11 stand still" in fig.caption
    assert "The loss is 2,895; least squares has 2,868." in fig.caption
