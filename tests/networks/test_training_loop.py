"""The training loop: both sides follow it, each of its lines is needed, and what is held out tells when to stop."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from experiments.judge.convert import weights_by_hand
from experiments.lesson import Trained
from experiments.networks import training_loop as script
from experiments.networks.training_loop import LOOPS, TWIN, curve, features, long_training, looped
from manual.networks.training_loop import TrainingLoop
from manual.trainer import Trainer
from tests.helpers import whole_run
from torch_impl.networks import training_loop as theirs


@pytest.mark.parametrize("variant", [None, "zero_grad forgotten"])
def test_run_agrees(variant: str | None) -> None:
    lockstep, module = whole_run(TWIN, variant)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 180
    losses = np.array([record.loss_manual for record in lockstep.records])
    assert bool(losses[-30:].max() < 0.2) is (variant is None)
    found = error(lockstep.hand.model.W.data, weights_by_hand(TWIN.naming, module)["W"])
    assert found < 1e-9


def test_features_are_cosines_of_multiples_of_an_angle() -> None:
    angle = np.linspace(0, np.pi, 7)[:, None]
    np.testing.assert_allclose(features(np.cos(angle)), np.cos(angle * np.arange(1, 12)), atol=1e-14)
    np.testing.assert_allclose(features(np.array([[0.3]]))[0, 1], 2 * 0.3**2 - 1)  # T₂(x) = 2 x² − 1


def test_data_are_a_sine_and_its_noise() -> None:
    (x, y), (x_val, y_val) = TWIN.make_data().split.train, TWIN.make_data().split.val
    assert (x.shape, y.shape, x_val.shape, y_val.shape) == ((12, 11), (12, 1), (40, 11), (40, 1))
    noise = np.vstack([y - curve(x[:, :1]), y_val - curve(x_val[:, :1])])  # cos(1 · arccos x) = x
    assert 0.2 < noise.std() < 0.4


@pytest.mark.parametrize("validates", [True, False])
def test_a_validation_within_a_training_forgets_gradients_and_nothing_else_does(validates: bool) -> None:
    """As Lightning's: test_steps.py compares the two."""
    model, data = TWIN.having({"zero_grad": False}).build()[0], TWIN.make_data()
    Trainer().fit(model, script.batches(data, 1), [data.split.val] if validates else ())
    assert [p.has_grad for p in model.parameters()] == [not validates] * 2


# ---- a line left out -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOOPS)
def test_both_sides_do_the_same_whichever_line_is_left_out(name: str) -> None:
    ours, in_torch = looped(name)
    assert len(ours) == 1 + 36  # before the first step, and after each
    assert error(ours, in_torch) < 1e-12


def test_each_line_is_needed() -> None:
    losses = {name: looped(name)[0] for name in LOOPS}
    assert losses["all four lines"][-1] < 0.3 * losses["all four lines"][0]
    for name in ("without backward", "without step", "zero_grad between backward and step"):
        assert np.ptp(losses[name]) == 0
    swings = losses["without zero_grad"]
    assert np.diff(np.sign(np.diff(swings))).astype(bool).sum() > 5  # up and down again and again
    assert swings[18:].max() > 3 * losses["all four lines"][18:].max()


def test_the_loop_of_the_figure_is_that_of_training_step() -> None:
    ours, in_torch = script.begin()
    data = TWIN.make_data()
    script.loop_by_hand(ours, data, LOOPS["all four lines"], 2)
    script.loop_in_torch(in_torch, data, LOOPS["all four lines"], 2)
    stepped, _ = script.begin()
    Trainer().fit(stepped, script.batches(data, 2))
    assert np.array_equal(stepped.W.data, ours.W.data)
    assert error(ours.W.data, weights_by_hand(TWIN.naming, in_torch)["W"]) < 1e-13


# ---- held out ------------------------------------------------------------------------------------


def test_the_loss_that_is_learned_from_falls_on_while_the_other_grows_again() -> None:
    train, held_out, places = long_training()
    assert len(train) == len(held_out) == 400
    best = int(held_out.argmin())
    assert 2 <= best < 60
    assert train[-1] < 0.5 * train[best]
    assert held_out[-1] > 3 * held_out[best]
    data = TWIN.make_data()
    for (W, b), k in zip(places.values(), (best, -1), strict=True):
        assert np.mean((data.split.val[0] @ W + b - data.split.val[1]) ** 2) == pytest.approx(held_out[k])


def test_a_swing_is_the_largest_of_the_second_half() -> None:
    assert script.swing(Trained(None, None, None, (2.0, 9.0, 1.0, 3.0, 0.5), {}, True)) == 1.5


@pytest.mark.parametrize(("batch_size", "steps"), [(4, 3), (5, 3), (12, 1), (0, 1), (1, 12)])
def test_an_epoch_shows_every_point_once(batch_size: int, steps: int) -> None:
    data = TWIN.make_data(batch_size=batch_size)
    one, other = list(script.batches(data, 1)), list(script.batches(data, 2))[steps:]
    assert len(one) == len(other) == steps
    for epoch in (one, other):
        assert sorted(np.vstack([y for _, y in epoch])) == sorted(data.split.train[1])
    assert steps == 1 or not np.array_equal(np.vstack([y for _, y in one]), np.vstack([y for _, y in other]))


def test_both_sides_begin_with_the_same_distribution_and_refuse_the_same() -> None:
    ours = TrainingLoop(features=3000, rng=np.random.default_rng(0))
    drawn = weights_by_hand(TWIN.naming, theirs.TrainingLoop(features=3000))
    for values in (ours.W.data, drawn["W"]):
        assert np.abs(values).max() <= 3000**-0.5
        assert values.std() == pytest.approx(3000**-0.5 / 3**0.5, rel=0.05)
    for side in (TrainingLoop, theirs.TrainingLoop):
        with pytest.raises(ValueError, match="features must be at least 1, got 0"):
            side(features=0)
    assert isinstance(theirs.TrainingLoop().linear, torch.nn.Linear)


def test_the_text_tells_the_slope_of_each_batch_and_their_mean() -> None:
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"[+−][\d.]+", script.noise_of_batches())]
    (x, y), model = TWIN.make_data().split.train, TrainingLoop(rng=np.random.default_rng(0))
    everything = 2 * np.mean(x @ model.W.data + model.b.data - y)
    assert len(numbers) == 4
    assert numbers[:3] == pytest.approx(list(map(script.slope_of_b, script.batches(TWIN.make_data(), 1))), abs=0.006)
    assert numbers[3] == pytest.approx(everything, abs=0.006)
    assert np.mean(numbers[:3]) == pytest.approx(everything, abs=0.01)
    assert np.ptp(numbers[:3]) > 0.2
    assert script.noise_of_batches() in script.TEXT


# ---- one by one ----------------------------------------------------------------------------------


def test_rows_one_by_one_take_many_times_as_long_as_all_at_once() -> None:
    assert min(script.times_as_long(300)) > 10
    assert [script.rounded(ratio) for ratio in (1.26, 118.4, 2449.0)] == ["1", "120", "2,400"]


def test_the_figure_says_that_it_was_measured_here_and_what_was() -> None:
    figure = script.one_by_one((5, 20))
    (ax,) = figure.axes
    in_torch, by_hand = ([bar.get_width() for bar in bars] for bars in ax.containers)
    assert f"20 rows about {script.rounded(by_hand[1])} times by hand and {script.rounded(in_torch[1])} times in torch" in figure.caption
    assert "this machine" in figure.caption
    assert "this machine" in ax.get_xlabel()
