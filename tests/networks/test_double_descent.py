"""Double descent: gradient descent finds what the pseudo-inverse says, on both sides; the peak, and the fall behind it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from experiments.data.arrays import InputError
from experiments.drawing.walk import walk
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.networks import double_descent as script
from experiments.networks.double_descent import TWIN, FewPatients, network, of
from manual.networks import double_descent as by_hand
from tests.helpers import fit
from torch_impl.networks import double_descent as in_torch


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.having({"features": 13} if variant is None else {}).build(variant=variant)
    ours.theta[...] = np.random.default_rng(0).normal(size=ours.theta.shape)
    x, y = TWIN.make_data().split.train
    check_grads(ours, (x[:7], y[:7]), again=(x[7:12], y[7:12]), torch=theirs)


def test_features_are_torchs_and_no_row_is_longer_than_1() -> None:
    rng = np.random.default_rng(1)
    x, W, b = 3 * rng.normal(size=(9, 4)), rng.normal(size=(4, 6)), rng.normal(size=6)
    phi = by_hand.features(x, W, b)
    assert error(phi, in_torch.features(*map(torch.from_numpy, (x, W, b))).numpy()) < 1e-15
    assert np.linalg.norm(phi, axis=1).max() <= 1
    assert np.linalg.norm(by_hand.features(100 * x, W, b), axis=1).min() > 0.8


# ---- the shortest of all best answers ------------------------------------------------------------


@pytest.mark.parametrize(("N", "P"), [(9, 4), (5, 5), (4, 11)])
def test_the_exact_solution_is_torchs_least_squares(N: int, P: int) -> None:
    rng = np.random.default_rng(N)
    phi, y = rng.normal(size=(N, P)), rng.normal(size=(N, 1))
    wanted = torch.linalg.lstsq(torch.from_numpy(phi), torch.from_numpy(y), driver="gelsd").solution.numpy()
    assert error(by_hand.shortest(phi, y), wanted) < 1e-11


def test_of_all_that_hit_the_examples_it_is_the_shortest() -> None:
    rng = np.random.default_rng(0)
    phi, y = rng.normal(size=(4, 9)), rng.normal(size=(4, 1))
    theta = by_hand.shortest(phi, y)
    np.testing.assert_allclose(phi @ theta, y, atol=1e-12)
    found = minimize(lambda t: t @ t, rng.normal(size=9), constraints={"type": "eq", "fun": lambda t: phi @ t - y[:, 0]}, tol=1e-14)
    np.testing.assert_allclose(theta[:, 0], found.x, atol=1e-6)  # scipy's search, which knows no pseudo-inverse


@pytest.mark.parametrize("P", [3, 18, 200, 1000])
def test_training_from_0_arrives_at_the_pseudo_inverse_on_both_sides(P: int) -> None:
    data = TWIN.make_data()
    x, y = data.split.train
    model = network(P)
    wanted = by_hand.shortest(of(model, x), y)
    for path in walk(model, in_torch.DoubleDescent(features=P), data.split.train, 900 if P == 200 else 400):
        assert np.linalg.norm(path["theta"][-1] - wanted) < 1e-5 * np.linalg.norm(wanted)


def test_training_from_elsewhere_keeps_what_no_example_speaks_of() -> None:
    data = TWIN.make_data()
    x, y = data.split.train
    model = by_hand.DoubleDescent(features=200, start=1.0, rng=np.random.default_rng(0))
    phi, start = of(model, x), model.theta.data.copy()
    wanted = by_hand.shortest(phi, y) + start - np.linalg.pinv(phi) @ phi @ start  # what lies at a right angle to all rows stays
    ours, _ = walk(model, in_torch.DoubleDescent(features=200), data.split.train, 700)
    assert error(ours["theta"][-1], wanted) < 1e-6
    assert np.linalg.norm(ours["theta"][-1]) > np.linalg.norm(by_hand.shortest(phi, y))


def test_steps_do_not_grow_below_the_bound_and_grow_far_above_it() -> None:
    data = TWIN.make_data()
    x, y = data.split.train
    for P in (1, 2, 5, 40, 300):
        phi = of(network(P), x)
        assert 2 * np.linalg.norm(phi, 2) ** 2 / len(x) <= 2  # the largest curvature
    worst = by_hand.DoubleDescent(inputs=10, features=1, lr=1.8)
    worst.W[...], worst.b[...] = 0, 50  # tanh is 1 everywhere: the curvature is 2
    for lr, grows in ((1.8, False), (2.0, True)):
        worst.lr, worst.theta[...] = lr, 1.0
        ours, _ = walk(worst, in_torch.DoubleDescent(features=1, lr=lr), (x, y), 400)
        assert (np.abs(ours["theta"][-1]).max() > 1) == grows


# ---- the two descents ----------------------------------------------------------------------------


@cache
def data() -> FewPatients:
    """Of the twin."""
    return TWIN.make_data()


def test_the_error_falls_rises_to_a_peak_at_as_many_features_as_examples_and_falls_again() -> None:
    own, other, length = script.curves(data()).T
    at = {P: i for i, P in enumerate(script.WIDTHS)}
    peak = script.WIDTHS[int(other.argmax())]
    assert abs(peak - data().examples) <= 1
    assert other[: at[18] + 1].min() < 0.8
    assert other.max() > 10 * max(other[at[18]], other[at[120]])
    assert other[at[1000]] < 1 < other[at[54]]
    assert abs(script.WIDTHS[int(length.argmax())] - data().examples) <= 1
    assert own[at[41] :].max() < 1e-12
    assert (np.diff(own[: at[39] + 1]) < 1e-12).all()  # each network has the features of those before it


@pytest.mark.parametrize("seed", range(3))
def test_so_it_does_for_other_patients(seed: int) -> None:
    others = FewPatients(seed=seed, examples=30)
    few, peak, many = (script.exact(network(P), others)[1] for P in (6, 30, 1000))
    assert peak > 5 * max(few, many)


def test_training_that_is_stopped_has_not_arrived_at_the_peak_and_has_elsewhere() -> None:
    found = script.trained_errors(data())
    assert error(found[:, 0], found[:, 1]) < 1e-9
    exact = dict(zip(script.WIDTHS, script.curves(data())[:, 1], strict=True))
    for P, (ours, _) in zip(script.TRAINED, found, strict=True):
        if P == 40:
            assert ours < 0.3 * exact[P]
        if P in (3, 18, 1000):
            assert ours == pytest.approx(exact[P], rel=1e-4)


def test_data_are_told_apart_and_scaled_by_the_examples() -> None:
    (x, y), (x_val, y_val) = data().split.train, data().split.val
    assert (x.shape, y.shape, x_val.shape, y_val.shape) == ((40, 10), (40, 1), (402, 10), (402, 1))
    np.testing.assert_allclose([y.mean(), y.std(), *x.mean(axis=0), *x.std(axis=0)], [0, 1, *[0] * 10, *[1] * 10], atol=1e-12)
    assert len(np.unique(np.concatenate([x, x_val]).round(9), axis=0)) == 442
    for examples in (1, 401):
        with pytest.raises(InputError, match=f"examples must be from 2 to 400, got {examples}"):
            FewPatients(examples=examples)


# ---- a run ---------------------------------------------------------------------------------------


def test_run_agrees_and_logs_the_length() -> None:
    lockstep, theirs = fit(TWIN, 60, model={"features": 300}, data=TWIN.make_data())
    assert lockstep.judge.passed, lockstep.judge.failure
    assert error(lockstep.hand.model.theta.data, theirs.theta.detach().numpy()) < 1e-10


@pytest.mark.long
def test_the_declared_run_is_the_pseudo_inverse_and_better_than_the_mean() -> None:
    run: Trained = trained(TWIN)
    assert run.agree
    assert script.off(run) < 1e-5
    for side in (run.manual, run.torch):
        x, y = run.data.split.val
        assert np.mean((of(side, x) @ script.theta_of(side) - y) ** 2) < 0.8
    assert run.metrics["length/val"] == pytest.approx(script.exact(run.manual, run.data)[2], rel=1e-4)


def test_figures_show_both_sides() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, data())
    assert list(drawn) == ["two descents", "through every point", "the trained pair"]
    in_theirs, by_us = drawn["the trained pair"].axes[0].lines
    assert error(np.array(by_us.get_data()), np.array(in_theirs.get_data())) < 1e-12
    few, as_many, many = (ax.lines[1].get_ydata() for ax in drawn["through every point"].axes)
    sine = np.sin(3 * drawn["through every point"].axes[0].lines[1].get_xdata())
    rough = [np.sqrt(np.mean((curve.ravel() - sine.ravel()) ** 2)) for curve in (few, as_many, many)]
    assert rough[1] > 3 * max(rough[0], rough[2])
    assert np.abs(as_many).max() > 2.4  # out of the picture


@pytest.mark.parametrize("wrong", [{"inputs": 0}, {"features": 0}, {"start": -1.0}])
@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"DoubleDescent: .*{name}.*, got .*{value}"):
        module.DoubleDescent(**wrong)
