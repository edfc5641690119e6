"""Overfitting: polynomials by numpy.polyfit, losses that part and what helps on both sides, and the three sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data.arrays import InputError
from experiments.data.digits import Digits
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.networks import overfitting as script
from experiments.networks.overfitting import TWIN, FewDigits
from manual.networks import overfitting as by_hand
from tests.helpers import whole_run
from torch_impl.networks import overfitting as in_torch

# ---- a curve -------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", script.DEGREES)
def test_both_sides_fit_as_numpy_does(degree: int) -> None:
    x, y = script.points(10)
    wanted = np.polyfit(x, y, degree)[::-1]
    ours, theirs = by_hand.fit(x, y, degree), in_torch.fit(torch.from_numpy(x), torch.from_numpy(y), degree)
    assert error(ours, wanted) < 1e-10
    assert error(theirs, wanted) < 1e-10
    at = np.linspace(-1.2, 1.2, 7)
    assert error(by_hand.polynomial(at, ours), np.polyval(wanted[::-1], at)) < 1e-10
    assert error(in_torch.polynomial(torch.from_numpy(at), theirs), np.polyval(wanted[::-1], at)) < 1e-10


def test_gradient_in_the_weights_is_that_of_autograd_and_of_central_differences_and_zero_at_the_fit() -> None:
    x, c, other = np.random.default_rng(0).normal(size=(3, 6))
    check_grads(
        lambda c: by_hand.polynomial(x, c),
        [c[:4]],
        again=[other[:4]],
        backward=lambda dL_dy, c: by_hand.polynomial_backward(dL_dy, x, c),
        torch=lambda c: in_torch.polynomial(torch.from_numpy(x), c),
    )
    y = np.random.default_rng(1).normal(size=6)
    best = by_hand.fit(x, y, 3)
    assert np.abs(by_hand.polynomial_backward(by_hand.polynomial(x, best) - y, x, best)).max() < 1e-12


def test_with_as_many_weights_as_points_it_goes_through_all_and_with_more_there_is_no_one_answer() -> None:
    x, y = script.points(10)
    assert np.abs(by_hand.polynomial(x, by_hand.fit(x, y, 9)) - y).max() < 1e-12
    with pytest.raises(ValueError, match="degree must be below the number of different x, 10, got 10"):
        by_hand.fit(x, y, 10)
    with pytest.raises(ValueError, match="different x, 2, got 2"):
        by_hand.fit(np.array([1.0, 1.0, 2.0]), np.zeros(3), 2)


def test_on_its_points_every_degree_is_nearer_and_on_others_the_error_rises() -> None:
    (fitted, *_), (others, *_) = script.errors(10)
    assert (np.diff(fitted) < 1e-12).all()
    assert fitted[9] < 1e-12
    assert others.argmin() == 3
    assert others[9] > others[1] > others[3]
    assert others[9] > 2 * others[3]
    of_hundred, of_others = script.errors(100)[:, 0]
    assert np.abs(of_hundred - of_others).max() < 0.05
    for n in (10, 100):
        assert error(script.errors(n)[:, 0], script.errors(n)[:, 1]) < 1e-10


# ---- the three sets ------------------------------------------------------------------------------


def rows(*parts: np.ndarray) -> list[set[bytes]]:
    """The digits of each part."""
    return [{row.tobytes() for row in part} for part in parts]


def test_no_digit_is_in_two_sets_unless_it_leaked() -> None:
    data = FewDigits(1238)
    (x, _), (x_val, _), (x_test, _) = data.split.train, *data.val_batches()
    assert [len(part) for part in (x, x_val, x_test)] == [1238, 200, 359]
    train, val, test = rows(x, x_val, x_test)
    assert not train & val
    assert not train & test
    assert not val & test
    leaked = FewDigits(100, leaked=50)
    (x, _), (_, (x_test, y_test)) = leaked.split.train, leaked.val_batches()
    assert len(x) == 150
    assert len(rows(x)[0] & rows(x_test)[0]) == 50
    assert error(x_test, Digits().split.val[0]) == 0
    assert len(y_test) == 359


@pytest.mark.parametrize("wrong", [{"examples": 1}, {"examples": 1239}, {"leaked": 360}, {"steps": 0}])
def test_data_that_there_are_not_are_refused(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=rf"--data\.{name}.*got .*{value}"):
        FewDigits(**wrong)


@pytest.mark.parametrize("side", ["by hand", "torch"])
def test_the_watch_keeps_the_test_loss_of_the_lowest_validation_loss(side: str) -> None:
    watch = by_hand.Watch() if side == "by hand" else in_torch.Watch().double()
    number: Any = float if side == "by hand" else lambda v: torch.tensor(v, dtype=torch.float64)
    seen = []
    for val, test in ((2.0, 2.5), (1.0, 1.5), (1.5, 0.5), (1.0, 0.25), (0.5, 4.0)):
        watch.validated(number(val))
        watch.tested(number(test))
        seen.append((int(watch.checks), int(watch.at), float(watch.lowest), float(watch.test_loss)))
    assert seen == [(1, 1, 2.0, 2.5), (2, 2, 1.0, 1.5), (3, 2, 1.0, 1.5), (4, 2, 1.0, 1.5), (5, 5, 0.5, 4.0)]


# ---- the pair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.having({"hidden": 6}).build(variant=variant)
    x, y = TWIN.make_data().split.train
    check_grads(ours, (x[:9], y[:9]), again=(x[9:14], y[9:14]), torch=theirs)


def test_a_step_with_weight_decay_adds_it_times_the_weight_to_the_gradient() -> None:
    ours, _ = TWIN.having({"weight_decay": 0.3, "momentum": 0.0}).build()
    before, batch = ours.state_dict(), TWIN.make_data().split.train
    optimizer = ours.configure_optimizers()
    ours.training_step(batch, 0)
    ours.backward()
    optimizer.step()
    for name, p in ours.named_parameters():
        assert error(p.data, before[name] - 0.1 * (p.grad + 0.3 * before[name])) < 1e-14


def test_run_agrees_and_the_losses_part_on_both_sides() -> None:
    lockstep, theirs = whole_run(replace(TWIN, trainer={"max_epochs": 30}))
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 300
    watch, metrics, logged = lockstep.hand.model.watch, lockstep.metrics, theirs.trainer.callback_metrics
    assert (int(watch.checks), int(watch.at)) == (30, int(theirs.watch.at))
    assert 3 <= int(watch.at) <= 8  # after 30 to 80 steps
    for found in (metrics, {name: float(value) for name, value in logged.items()}):
        assert found["loss/val"] > 1.05 * float(watch.lowest)
        assert found["loss/test"] > 1.05 * found["stopped/test"]
        assert 0.85 < found["accuracy/test"] < 0.92
    train = script.loss_on(lockstep.hand.model, *TWIN.make_data().split.train)
    assert train < 0.006 < 0.4 < metrics["loss/test"]


@pytest.mark.long
def test_after_all_its_steps_it_knows_a_hundred_digits_by_heart() -> None:
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 600
    data = TWIN.make_data()
    for loss in (script.loss_on(lockstep.hand.model, *data.split.train), script.loss_in_torch(theirs, *data.split.train)):
        assert 0.0015 < loss < 0.0025  # "0.002", as a question says
    for loss in (script.loss_on(lockstep.hand.model, *data.test), script.loss_in_torch(theirs, *data.test)):
        assert loss > 200 * 0.002
        assert loss > 1.1 * lockstep.metrics["stopped/test"]
    assert lockstep.metrics["accuracy/test"] > 0.86  # as many are read right as at the best moment: the loss grows by how sure it is


# ---- what figures and texts say ------------------------------------------------------------------


def test_each_of_the_three_remedies_helps_on_both_sides() -> None:
    plain, decayed, more = (script.losses(**settings) for _, settings, _ in script.REMEDIES)
    for curves in (plain, decayed, more):
        assert error(curves[:, 0], curves[:, 1]) < 1e-9
    for side in (0, 1):
        train, val, test = plain[:, side]
        best = int(val.argmin())
        assert (np.diff(train[3:]) < 0).all()
        assert val[-1] > 1.1 * val[best]
        assert test[-1] > 1.08 * test[best]  # early stopping
        assert decayed[2, side, -1] < 0.9 * test[best]  # weight decay
        assert decayed[2, side, -1] < 1.01 * decayed[2, side].min()
        assert more[2, side, -1] < 0.5 * test[best]  # more data


def test_the_best_of_many_by_a_small_set_is_too_good_there() -> None:
    found = script.many_choices()
    best = int(found[:, 0].argmax())
    above = found[best] - found.mean(axis=0)
    assert above[0] > 0.08
    assert above[1] < 0.5 * above[0]


def test_the_network_has_as_many_weights_as_the_lesson_says() -> None:
    ours, _ = TWIN.build()
    assert round(sum(p.data.size for p in ours.parameters()), -2) == 4800


def test_figures_show_both_sides() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    assert list(drawn) == ["the losses part", "through ten points", "by degree", "why three"]
    for ax in drawn["through ten points"].axes:
        _, band, dashes, dots = (line.get_ydata() for line in ax.lines)
        assert error(dashes, band) < 1e-10
        assert len(dots) == 10
    for ax in drawn["by degree"].axes:
        band, dashes, crosses = (line.get_ydata() for line in ax.lines[:3])
        assert error(dashes, band) < 1e-10
        assert np.abs(dashes - crosses).max() < 1e-10
