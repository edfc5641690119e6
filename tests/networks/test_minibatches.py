"""Minibatches: the variance of a batch by counting, the stationary spread by its closed form on both sides, and digits."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.networks import minibatches as script
from experiments.networks.minibatches import TWIN
from manual.networks import minibatches as by_hand
from manual.trainer import Trainer
from tests.helpers import whole_run
from torch_impl.networks import minibatches as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


def uncertainty(lr: float, curvature: float, walks: int, steps: int) -> float:
    """The relative standard error of a spread that is measured so: θ² is as correlated from step to step as (1 − lr h)² says."""
    a = (1 - lr * curvature) ** 2
    return float(np.sqrt(2 * (1 + a) / (1 - a) / (walks * steps)))


# ---- the loss ------------------------------------------------------------------------------------


def test_slope_is_that_of_autograd_and_of_central_differences() -> None:
    rng = np.random.default_rng(0)
    theta, z, other = rng.normal(size=5), rng.normal(size=(5, 3)), rng.normal(size=5)
    check_grads(
        lambda theta: by_hand.loss(theta, z, 1.3),
        [theta],
        again=[other],
        backward=lambda dL_dy, theta: by_hand.loss_backward(dL_dy, theta, z, 1.3),
        torch=lambda theta: in_torch.loss(theta, in_torch.torch.from_numpy(z), 1.3),
    )


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.having({"walks": 7}).build()
    everything = TWIN.make_data().split.train
    ours.draw = theirs.draw = lambda z: z[: 7 * 8].reshape(7, 8)  # else each forward draws other batches
    check_grads(ours, everything, again=(everything[0][60:],), torch=theirs)


@SIDES
def test_every_walk_draws_with_replacement_from_all(side: Any) -> None:
    model = side.Minibatches(batch_size=50, walks=40)
    share_hand(model, SharedNoise(0)) if side is by_hand else share_torch(model, SharedNoise(0))
    z = np.arange(6)
    drawn = to_numpy(model.draw(z if side is by_hand else in_torch.torch.from_numpy(z)))
    assert drawn.shape == (40, 50)
    share = np.bincount(drawn.ravel(), minlength=6) / drawn.size
    assert np.abs(share - 1 / 6).max() < 4 * np.sqrt(5 / 36 / drawn.size)
    assert not np.array_equal(drawn[0], drawn[1])


# ---- variance, counted and foretold --------------------------------------------------------------


@pytest.mark.parametrize("B", [1, 2, 3])
def test_counted_over_all_batches_the_variance_of_a_mean_is_one_bth(B: int) -> None:
    z = np.array([-1.5, 0.5, 2.0, -1.0])
    means = [np.mean(batch) for batch in product(z, repeat=B)]
    assert np.var(means) == pytest.approx(np.var(z) / B, rel=1e-14)


def test_the_closed_forms_are_the_recursion_counted_out() -> None:
    """Every sequence of four batches of one, from two numbers: the mean of θ² over all of them."""
    lr, curvature, z = 0.4, 1.5, np.array([-0.7, 0.7])
    theta = np.array([2.0])
    for steps in range(5):
        wanted = by_hand.spread(steps, lr, curvature, float(z.var()), 1, start=2.0)
        assert (theta**2).mean() == pytest.approx(wanted, rel=1e-13)
        theta = np.concatenate([theta - lr * curvature * (theta - number) for number in z])
    assert by_hand.spread(10_000, lr, curvature, 0.49, 1, 2.0) == pytest.approx(by_hand.stationary(lr, curvature, 0.49, 1), rel=1e-14)


@pytest.mark.parametrize("setting", script.SETTINGS, ids=str)
def test_the_stationary_spread_of_six_settings_is_the_closed_form_on_both_sides(setting: tuple[int, float, float]) -> None:
    B, lr, curvature = setting
    wanted = by_hand.stationary(lr, curvature, 1.0, B)
    for found in script.in_the_long_run(B, lr, curvature):
        assert abs(found / wanted - 1) < 4 * uncertainty(lr, curvature, 300, 200)


@pytest.mark.long
@pytest.mark.parametrize("setting", script.SETTINGS, ids=str)
def test_it_is_so_to_within_four_in_a_thousand(setting: tuple[int, float, float]) -> None:
    B, lr, curvature = setting
    model = by_hand.Minibatches(B, lr, curvature, walks=4000, start=0.0, rng=np.random.default_rng(0))
    trainer, everything = Trainer(), TWIN.make_data().split.train
    trainer.attach(model)
    for _ in range(800):
        trainer.train_batch(everything, 0, is_last=True)
    assert float(model.measured) == pytest.approx(by_hand.stationary(lr, curvature, 1.0, B), rel=4e-3)


# ---- the pair ------------------------------------------------------------------------------------


def test_the_spread_is_measured_from_the_step_after_those_that_settle() -> None:
    settings = {"walks": 20, "settle": 3, "start": 1.0}
    for path in script.paths(steps=8, **settings):
        spreads = ((path["theta"] - script.Progressions().split.train[0].mean()) ** 2).mean(axis=1)
        for step in range(1, 9):
            wanted = spreads[3:step].mean() if step > 3 else spreads[step - 1]
            assert path["measured"][step] == pytest.approx(wanted, rel=1e-13)


def test_a_short_run_agrees_and_begins_to_scatter_as_the_closed_form_says() -> None:
    lockstep, theirs = whole_run(replace(TWIN.having({"walks": 1000}), trainer={"max_epochs": 3}))
    assert lockstep.judge.passed, lockstep.judge.failure
    wanted = by_hand.stationary(0.2, 1.0, 1.0, 8)
    for measured in (lockstep.metrics["spread/val"], float(theirs.measured)):
        assert abs(measured / wanted - 1) < 4 * uncertainty(0.2, 1.0, 1000, 100)


@pytest.mark.long
def test_the_run_has_the_stationary_spread_to_within_four_in_a_thousand_on_both_sides() -> None:
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 1500
    for measured in (lockstep.metrics["spread/val"], float(theirs.measured)):
        assert measured == pytest.approx(by_hand.stationary(0.2, 1.0, 1.0, 8), rel=4e-3)


@SIDES
@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"walks": 0}, {"settle": -1}, {"lr": 2.0}, {"lr": 0.0}, {"curvature": 11.0}, {"curvature": 0.0}]
)
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Minibatches: .*{name}.*, got .*{value}"):
        side.Minibatches(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_the_noise_of_a_gradient_of_digits_falls_as_one_over_b() -> None:
    of_one, found = script.noise()
    assert error(found[0], found[1]) < 1e-12
    for variance, B in zip(found[0], script.SIZES, strict=True):
        assert variance == pytest.approx(of_one / B, rel=0.15)


def test_a_larger_batch_and_a_smaller_step_need_as_many_examples_and_linear_scaling_holds_until_the_step_is_too_long() -> None:
    def foretold(size: int, lr: float, examples: int) -> float:
        return float(by_hand.spread(examples // size, lr, 1.0, 1.0, size, 3.0))

    first, batch, step, both = (lambda examples, way=way: foretold(*way, examples) for way in script.WAYS)
    for examples in (320, 640, 960):
        assert batch(examples) == pytest.approx(step(examples), rel=0.35)
    ends = [way(10**6) for way in (first, batch, step, both)]
    assert ends[1] / ends[0] == pytest.approx(1 / 4)
    assert ends[2] / ends[0] == pytest.approx(1 / 4, rel=0.05)
    assert 1.15 < ends[3] / ends[0] < 1.25
    losses = {size: script.learned_by(size, 0.0125 * size)[1] for size in (4, 32, 128, 256)}
    for ours, theirs in losses.values():
        assert error(ours, theirs) < 1e-12
    assert max(losses[size][0, -1] for size in (4, 32, 128)) < 1.05 * losses[4][0, -1]
    assert losses[256][0].max() > 1.05 * losses[256][0, 0]
    assert script.learned_by(256, 0.05)[1][0, -1] > 3.5 * losses[4][0, -1]


def test_figures_show_both_sides() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    assert list(drawn) == ["never at rest", "the noise of a batch", "the same for as many", "larger batches"]
    walks = [line.get_ydata() for line in drawn["never at rest"].axes[0].lines]
    assert all(error(b, a) < 1e-12 for a, b in zip(walks[::2], walks[1::2], strict=True))
    of_two, of_32 = (np.std(np.stack(walks[i::4])) for i in (0, 2))
    assert of_two > 2.5 * of_32
    measured = [line for line in drawn["the noise of a batch"].axes[1].lines if len(line.get_xdata()) == 1]
    assert len(measured) == 2 * len(script.SETTINGS)
    assert all(line.get_ydata()[0] == pytest.approx(line.get_xdata()[0], rel=0.1) for line in measured)
