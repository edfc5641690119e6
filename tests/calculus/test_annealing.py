"""Annealing: the slope of the bumpy ground, Metropolis' rule by its theorem, and who finds the lowest valley on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.calculus import annealing as script
from experiments.calculus.annealing import TWIN
from experiments.cases.calculus.annealing import judge_acceptance, judge_impossible, judge_walkers
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from manual.calculus import annealing as by_hand
from manual.trainer import Trainer
from tests.helpers import whole_run
from torch_impl.calculus import annealing as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


@pytest.mark.parametrize("bumps", [0.0, 1.0, 2.3])
def test_slope_is_that_of_autograd_and_of_central_differences(bumps: float) -> None:
    x, other = np.random.default_rng(0).normal(0, 2, (2, 5, 3))
    check_grads(
        lambda x: by_hand.height(x, bumps),
        [x],
        again=[other],
        backward=lambda dL_dy, x: by_hand.height_backward(dL_dy, x, bumps),
        torch=lambda x: in_torch.height(x, bumps),
    )


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(variant="two numbers")
    share_hand(ours, SharedNoise(0)), share_torch(theirs, SharedNoise(0))
    check_grads(ours, (np.arange(1),), torch=theirs)


def test_there_are_seven_valleys_and_the_lowest_is_at_0() -> None:
    x = np.linspace(-5, 5, 20_001)[:, None]
    slope = by_hand.height_backward(np.ones(len(x)), x, 1.0)[:, 0]
    bottoms = x[1:, 0][(slope[:-1] < 0) & (slope[1:] >= 0)]
    assert bottoms.round().tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert abs(x[by_hand.height(x, 1.0).argmin(), 0]) < 1e-12
    assert by_hand.height(np.zeros((1, 4)), 1.0).tolist() == [0.0]
    smooth = by_hand.height_backward(np.ones(len(x)), x, 0.0)[:, 0]
    assert (np.diff(np.sign(smooth)) != 0).sum() <= 2  # one place where it turns


# ---- walkers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_walkers_are_torchs_after_each_step(seed: int) -> None:
    assert max({**judge_walkers(seed), **judge_acceptance(seed), **judge_impossible(seed)}.values()) < 1e-14


def test_at_a_constant_temperature_walkers_are_spread_as_metropolis_says() -> None:
    """However they began, in the long run a place has the probability exp(−f/T), divided by the integral of that over all places."""
    temperature, x = 0.9, np.linspace(-6, 6, 4001)
    density = np.exp(-by_hand.height(x[:, None], 0.5) / temperature)
    walkers = by_hand.Walkers(np.full((8000, 1), 1.5), 0.5, temperature, 1.0, 1.2, rng=np.random.default_rng(0))
    for _ in range(150):
        walkers.step()
    place = walkers.place[:, 0]
    for f in (np.abs(x), x, (np.abs(x) < 0.5).astype(float), (x > 1).astype(float)):
        wanted, square = ((density * g).sum() / density.sum() for g in (f, f * f))
        found = np.interp(place, x, f).mean()
        assert abs(found - wanted) < 4 * np.sqrt((square - wanted**2) / len(place))
    assert walkers.temperature == temperature


@SIDES
def test_acceptance_is_1_downhill_and_exp_of_minus_the_climb_over_t(side: Any) -> None:
    climb = np.array([-3.0, 0.0, 0.5, 2.0])
    found = side.acceptance(climb if side is by_hand else torch.from_numpy(climb), 0.5)
    np.testing.assert_allclose(np.asarray(found), [1, 1, np.exp(-1), np.exp(-4)], rtol=1e-15)


def test_a_cold_walker_never_climbs_and_a_hot_one_goes_wherever_it_looks() -> None:
    start = np.random.default_rng(1).uniform(-4, 4, (60, 2))
    cold = by_hand.Walkers(start, 1.0, 1e-12, 1.0, 0.6, rng=np.random.default_rng(2))
    heights = [by_hand.height(start, 1.0)]
    for _ in range(40):
        cold.step()
        heights.append(by_hand.height(cold.place, 1.0))
    assert (np.diff(heights, axis=0) <= 0).all()
    assert (heights[-1] < heights[0]).mean() > 0.9
    hot = by_hand.Walkers(start, 1.0, 1e12, 0.5, 0.6, rng=np.random.default_rng(2))
    hot.step()
    jumps = hot.place - start
    assert 0.5 < np.abs(jumps).max() <= 0.6
    assert jumps.all()  # all of them moved, in both numbers
    assert abs(jumps.mean()) < 4 * 0.6 / np.sqrt(3 * jumps.size)  # to either side alike
    assert hot.temperature == 5e11


# ---- the pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_both_begin_at_the_same_places_and_only_the_balls_follow_the_slope(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    start = ours.ball.data.copy()
    assert np.array_equal(ours.walkers.place, start)
    assert np.array_equal(theirs.walkers.place, theirs.ball.detach())
    assert np.abs(start).max() <= 4
    share_hand(ours, SharedNoise(0))
    Trainer(max_epochs=1).fit(ours, [(np.arange(1),)])
    slope = by_hand.height_backward(np.ones(len(start)), start, ours.bumps)
    assert error(ours.ball.data, start - ours.lr * slope) < 1e-15
    moved = (ours.walkers.place != start).any(axis=1)
    assert 0.1 < moved.mean() < 0.95
    assert float(ours.walkers.temperature) == pytest.approx(0.99 * TWIN.hyperparameters(variant)["temperature"])


def test_run_agrees_and_walkers_find_what_balls_do_not() -> None:
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 300
    model = lockstep.hand.model
    assert np.array_equal(model.walkers.place, theirs.walkers.place.numpy())
    balls, walkers = (np.abs(place[:, 0]) < 0.5 for place in (model.ball.data, model.walkers.place))
    assert balls.mean() < 0.25
    assert walkers.mean() > 0.85
    assert (lockstep.metrics["balls/val"], lockstep.metrics["walkers/val"]) == (balls.mean(), walkers.mean())
    assert np.abs(by_hand.height_backward(np.ones(100), model.ball.data, 1.0)).max() < 1e-6  # every ball is at the bottom of a valley
    assert lockstep.metrics["annealed/val"] == pytest.approx(by_hand.height(model.walkers.place, 1.0).mean())


def test_a_walker_that_draws_otherwise_is_not_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "acceptance", lambda climb, temperature: np.exp(-np.maximum(climb, 0) / (2 * temperature)))
    lockstep, _ = whole_run(TWIN.having({"starts": 20}, {"steps": 20}))
    assert not lockstep.judge.passed
    assert "walkers.place" in str(lockstep.judge.failure)


@SIDES
@pytest.mark.parametrize(
    "wrong",
    [{"dimensions": 0}, {"starts": 0}, {"bumps": -0.1}, {"temperature": 0.0}, {"jump": 0.0}, {"cooling": 0.0}, {"cooling": 1.01}],
)
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Annealing: .*{name}.*, got .*{value}"):
        side.Annealing(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_few_numbers_and_bumps_are_for_walkers_many_and_a_smooth_bowl_for_the_gradient() -> None:
    one, two = (script.shares(script.paths(dimensions=d)[0]) for d in (1, 2))
    assert one == script.shares(script.paths(dimensions=1)[1])
    assert one[0] < 0.2 < 0.85 < one[1]
    assert two[0] < 0.05 < 0.5 < two[1] < one[1]
    balls, walkers = script.costs()
    assert balls[-1] < 2 * balls[0]
    assert walkers[0] < balls[0]
    assert walkers[-1] > 10 * balls[-1]
    assert (np.diff(walkers) > 0).all()


def test_costs_are_counted_until_half_are_low() -> None:
    start = script.starts(3)
    steps = script.asked_by_balls(3) // script.HEIGHTS_A_GRADIENT
    low = [np.median((start**2).sum(axis=1)) * 0.8 ** (2 * k) <= script.LOW for k in (steps - 1, steps)]
    assert low == [False, True]


def test_figures_show_both_sides() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    assert list(drawn) == ["out of the valley", "hot and cold", "more numbers"]
    _, middle, right = drawn["out of the valley"].axes
    for ax in (middle, right):
        curves = [line.get_ydata() for line in ax.lines]
        assert len(curves) == 24
        assert all(error(b, a) < 1e-12 for a, b in zip(curves[::2], curves[1::2], strict=True))
    assert max(abs(np.diff(line.get_ydata())).max() for line in middle.lines) < 0.6 + 1e-9
    in_theirs, by_us, _ = drawn["hot and cold"].axes[1].lines
    assert np.array_equal(in_theirs.get_ydata(), by_us.get_ydata())
    assert max(by_us.get_ydata()) > 3 * by_us.get_ydata()[0]
    assert max(by_us.get_ydata()) > 1.5 * by_us.get_ydata()[-1]
