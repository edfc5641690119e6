"""Calibration: the gradient of the temperature, reliability as scikit-learn counts it, and the best temperature, found by training."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import multiclass_calibration_error

from experiments.cases.networks.calibration import judge_reliability
from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.differences import asked_once, check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.networks import calibration as script
from experiments.networks.calibration import PART, TWIN, NoisyDigits
from manual.networks import calibration as by_hand
from manual.nn.functional import softmax
from manual.trainer import Trainer
from torch_impl.networks import calibration as in_torch

SHORT = replace(TWIN.having({"epochs": 60, "lr": 0.2, "lr_temperature": 1.0}), trainer={"max_epochs": 90})
"""Too sure already, and quickly trained."""


@cache
def run() -> Trained:
    """A short one."""
    return trained(SHORT)


def test_gradient_of_the_temperature_is_that_of_autograd_and_of_central_differences() -> None:
    z, other = np.random.default_rng(0).normal(0, 2, (2, 5, 3))
    ours, theirs = by_hand.Temperature(), in_torch.Temperature().double()
    ours.T[...] = 1.7
    theirs.load_state_dict({"T": torch.tensor(1.7)})
    check_grads(ours, [z], again=[other], torch=theirs)


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build()
    with torch.no_grad():
        theirs.temperature.T.fill_(0.6)
    ours.temperature.T[...] = 0.6
    ours.constant_scores = asked_once(ours.constant_scores)
    batch = tuple(a[:9] for a in TWIN.make_data().split.train)
    check_grads(ours, batch, torch=theirs)


def test_the_temperature_does_not_bend_the_network() -> None:
    """Its gradient is that of the first loss alone, whatever the calibration part is."""
    ours, _ = TWIN.build()
    x, y, *calibration = TWIN.make_data().split.train
    gradients = []
    for rows in (slice(0, 7), slice(20, 60)):
        ours.zero_grad()
        ours.training_step((x, y, *(a[rows] for a in calibration)), 0)
        ours.backward()
        gradients.append({name: p.grad.copy() for name, p in ours.named_parameters()})
    assert gradients[0]["temperature.T"] != gradients[1]["temperature.T"]
    assert all(np.array_equal(a, gradients[1][name]) for name, a in gradients[0].items() if name != "temperature.T")


# ---- how sure, how right -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_reliability_is_what_is_counted_one_by_one(seed: int) -> None:
    assert max(judge_reliability(seed).values()) < 1e-14


@pytest.mark.parametrize("bins", [3, 10, 15])
def test_reliability_is_scikit_learns_and_the_error_torchmetrics(bins: int) -> None:
    rng = np.random.default_rng(bins)
    p = softmax(rng.normal(0, 2, (200, 4)), axis=1)
    y = rng.integers(0, 4, 200)
    sure, right = p.max(axis=1), p.argmax(axis=1) == y
    share, confidence, correct = by_hand.reliability(sure, right, bins)
    assert share.sum() == pytest.approx(1)
    seen = share > 0
    wanted_right, wanted_sure = calibration_curve(right, sure, n_bins=bins)
    np.testing.assert_allclose(confidence[seen], wanted_sure, rtol=1e-13)
    np.testing.assert_allclose(correct[seen], wanted_right, rtol=1e-13)
    theirs = multiclass_calibration_error(torch.from_numpy(p), torch.from_numpy(y), num_classes=4, n_bins=bins)
    assert by_hand.calibration_error(sure, right, bins) == pytest.approx(float(theirs), rel=1e-6)  # which it holds in float32


def test_who_is_as_sure_as_right_has_no_error() -> None:
    sure = np.repeat([0.25, 0.5, 0.75], 4)
    right = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0], bool)
    assert by_hand.calibration_error(sure, right) == 0
    assert by_hand.calibration_error(sure, ~right) == pytest.approx((0.5 + 0 + 0.5) / 3)


def test_a_temperature_changes_how_sure_and_never_what_is_read() -> None:
    run_ = run()
    z = script.scores(run_.manual, run_.data.split.val[0], scaled=False)
    s = script.scores(run_.manual, run_.data.split.val[0], scaled=True)
    assert np.array_equal(z.argmax(axis=1), s.argmax(axis=1))
    assert error(s * float(run_.manual.temperature.T), z) < 1e-15


# ---- the data ------------------------------------------------------------------------------------


def test_the_three_parts_share_no_digit_and_only_the_noise_differs() -> None:
    data = NoisyDigits()
    (x, y, x_cal, y_cal), (x_val, _) = data.split.train, data.split.val
    assert (len(x), len(y), len(x_cal), len(y_cal)) == (PART,) * 4
    rows = [row.tobytes() for part in (x, x_cal, x_val) for row in part]
    assert len(set(rows)) == len(rows) == 1797
    same = NoisyDigits(separate=False).split.train
    assert all(np.array_equal(a, b) for a, b in zip(same, (x, y, x, y), strict=True))
    clean = NoisyDigits(noise=0.0).split.val[0]
    assert (clean.min(), clean.max()) == (0, 1)
    assert (x_val - clean).std() == pytest.approx(0.3, rel=0.02)
    with pytest.raises(InputError, match=r"noise must not be negative, got -0\.1"):
        NoisyDigits(noise=-0.1)


# ---- a run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["by hand", "torch"])
def test_training_finds_the_best_temperature_and_mends_the_confidence(side: str) -> None:
    run_ = run()
    assert run_.agree
    model = run_.manual if side == "by hand" else run_.torch
    _, _, x, y = run_.data.split.train
    z, T = script.scores(model, x, scaled=False), float(np.asarray(model.temperature.T.data))
    assert abs(T - script.best_temperature(z, y)) < 1e-3
    # where the loss is lowest the score that is to be expected is on average that of the right digit (Guo et al. 2017, section 4.2)
    assert (softmax(z / T, axis=1) * z).sum(axis=1).mean() == pytest.approx(z[np.arange(len(y)), y].mean(), abs=5e-3)
    before, after = (by_hand.calibration_error(*script.answers(model, run_.data, scaled)) for scaled in (False, True))
    assert T > 1.2
    assert after < 0.7 * before
    assert run_.metrics["loss_scaled/val"] < run_.metrics["loss/val"]
    assert run_.metrics["confidence/val"] == pytest.approx(script.answers(model, run_.data, scaled=False)[0].mean(), rel=1e-9)


def test_first_the_network_learns_and_then_the_temperature() -> None:
    ours, _ = TWIN.having({"epochs": 2}).build()
    seen: list[tuple[bytes, float]] = []

    class Watched(Trainer):
        def validate(self, *args: Any, **kwargs: Any) -> Any:
            seen.append((ours.net[0].weight.data.tobytes(), float(ours.temperature.T)))
            return super().validate(*args, **kwargs)

    data = TWIN.make_data()
    Watched(max_epochs=4).fit(ours, [data.split.train], [data.split.val])
    weights, temperatures = zip(*seen[-4:], strict=True)
    assert temperatures[:2] == (1.0, 1.0)
    assert len(set(temperatures)) == 3
    assert weights[0] != weights[1] == weights[2] == weights[3]


@pytest.mark.long
def test_the_declared_run_is_too_sure_by_several_percent_and_then_is_not() -> None:
    declared = trained(TWIN)
    assert declared.agree
    assert script.too_sure(declared) > 0.07
    for model in (declared.manual, declared.torch):
        before, after = (by_hand.calibration_error(*script.answers(model, declared.data, scaled)) for scaled in (False, True))
        assert before > 0.08
        assert after < 0.035
        _, _, x, y = declared.data.split.train
        assert abs(float(np.asarray(model.temperature.T.data)) - script.best_temperature(script.scores(model, x, scaled=False), y)) < 1e-3


# ---- what figures say ----------------------------------------------------------------------------


def test_figures_show_both_sides() -> None:
    run_ = run()
    drawn = script.figures(run_.manual, run_.torch, run_.data)
    assert list(drawn) == ["how sure and how right", "the best temperature", "sure and wrong"]
    for ax in drawn["how sure and how right"].axes[:2]:
        _, theirs, ours = ax.lines
        assert error(np.array(ours.get_data()), np.array(theirs.get_data())) < 1e-12
    learned, calibration = (line.get_ydata() for line in drawn["the best temperature"].axes[0].lines[:2])
    assert 0 < int(np.argmin(calibration)) < len(calibration) - 1
    assert np.argmin(learned) < np.argmin(calibration)


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"epochs": -1}])
@pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Calibration: .*{name}.*, got .*{value}"):
        side.Calibration(**wrong)
