"""A normalising flow: log det is that of autograd's Jacobian, the density adds up to 1, and the inverse is one, on both sides."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from experiments.generative import flow as script
from experiments.generative.flow import TWIN, TwoMoons, whole
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from manual.generative import flow as by_hand
from torch_impl.generative import flow as in_torch

SIDES = pytest.mark.parametrize("side", ["manual", "torch"])


def bent(couplings: int = 4, hidden: int = 6, seed: int = 0) -> tuple[Any, Any]:
    """A pair whose weights are large enough to bend the plane."""
    ours, theirs = TWIN.having({"couplings": couplings, "hidden": hidden}).build(seed)
    with torch.no_grad():
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            p[...] = 1.5 * p.data
            q.copy_(torch.from_numpy(p.data))
    return ours, theirs


# ---- what a flow must be -------------------------------------------------------------------------


def test_log_det_is_that_of_the_jacobian_by_autograd() -> None:
    ours, theirs = bent()
    x = np.random.default_rng(0).normal(size=(20, 2))
    jacobians = torch.func.vmap(torch.func.jacrev(lambda row: theirs(row[None])[0][0]))(torch.from_numpy(x))
    by_slogdet = torch.linalg.slogdet(jacobians)
    assert (by_slogdet.sign == 1).all()
    z, log_det = ours(x)
    assert error(log_det, by_slogdet.logabsdet) < 1e-13
    assert log_det.std() > 0.1
    assert error(z, theirs(torch.from_numpy(x))[0]) < 1e-14


@SIDES
def test_the_inverse_undoes_what_forward_does(side: str) -> None:
    model = bent()[side == "torch"]
    x = np.random.default_rng(0).normal(size=(50, 2))
    assert script.there_and_back(model, x) < 1e-13
    assert np.abs(script.forward(model, x) - x).max() > 0.5


@SIDES
def test_the_density_adds_up_to_1_whatever_the_weights_are(side: str) -> None:
    assert whole(bent()[side == "torch"], 20.0, 0.1) == pytest.approx(1, abs=1e-9)


def test_one_coupling_keeps_one_number() -> None:
    x = np.random.default_rng(0).normal(size=(9, 2))
    for keep in (0, 1):
        coupling = by_hand.Coupling(keep, 5, rng=np.random.default_rng(1))
        y, _ = coupling(x)
        assert np.array_equal(y[:, keep], x[:, keep])
        assert not np.isclose(y[:, 1 - keep], x[:, 1 - keep]).any()


# ---- gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=3, variant=variant)
    (x,) = TwoMoons().split.train
    check_grads(ours, (x[:9],), again=(x[9:13],), torch=theirs)


def test_each_output_has_a_way_back_of_its_own() -> None:
    ours, theirs = bent()
    rng = np.random.default_rng(0)
    x, dL_dz, dL_dlog_det = rng.normal(size=(7, 2)), rng.normal(size=(7, 2)), rng.normal(size=7)
    torch.autograd.backward(theirs(torch.from_numpy(x)), (torch.from_numpy(dL_dz), torch.from_numpy(dL_dlog_det)))
    ours(x)
    ours.walk_back(dL_dz, dL_dlog_det)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert error(p.grad, q.grad) < 1e-12


# ---- what is learned -----------------------------------------------------------------------------


@cache
def declared() -> Trained:
    """The run as the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


@pytest.mark.long
@SIDES
def test_the_declared_run_lies_between_one_gaussian_and_one_on_each_point(side: str) -> None:
    model, data = getattr(declared(), side), declared().data
    (x,) = data.split.val
    found, by = -script.of_side(model, "log_prob", x).mean(), script.others(data.points, data.seed)
    assert found == pytest.approx(declared().metrics["loss/val"], rel=1e-9)
    assert by["KDE"] < found < 1.31
    assert by["one Gaussian"] > 2.7
    assert whole(model, 5.0, 0.02) == pytest.approx(1, abs=2e-5)
    assert script.there_and_back(model, x) < 1e-12


def test_a_short_run_agrees_and_is_better_than_one_gaussian() -> None:
    run = trained(replace(TWIN.having({"couplings": 4, "epochs": 20}), trainer={"max_epochs": 20, "check_val_every_n_epoch": 20}))
    assert run.agree
    assert run.metrics["loss/val"] < script.others(run.data.points, run.data.seed)["one Gaussian"] - 0.2


def test_forgotten_the_log_det_everything_is_squeezed() -> None:
    ours, theirs = TWIN.build()
    ours.__class__, theirs.__class__ = script.Squeezed, script.SqueezedInTorch
    x = np.random.default_rng(0).normal(size=(9, 2))
    ours.zero_grad()
    loss = ours.training_step((x,), 0)
    ours.backward()
    in_theirs = theirs.training_step((torch.from_numpy(x),), 0)
    in_theirs.backward()
    assert loss == pytest.approx(in_theirs.item(), rel=1e-13)  # forward is right
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert error(p.grad, q.grad) < 1e-12


@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"couplings": 0}, {"hidden": 0}, {"epochs": 0}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Flow: .*{name}.*, got .*{value}"):
        module.Flow(**wrong)


def test_bad_arguments_of_the_data_are_named() -> None:
    with pytest.raises(script.InputError, match=r"--data\.points must be at least 3, got 2"):
        TwoMoons(points=2)


# ---- what figures say ----------------------------------------------------------------------------


def test_figures_show_both_sides() -> None:
    ours, theirs = bent(3)
    drawn = script.figures(ours, theirs, TwoMoons())
    assert list(drawn) == ["the density", "step by step", "one coupling"]
    (x,) = TwoMoons().split.val
    assert np.array_equal(np.array(drawn["the density"].axes[0].lines[0].get_data()), x.T)
    in_theirs, by_us = (dots.get_offsets() for dots in drawn["step by step"].axes[-1].collections)
    assert error(by_us, in_theirs) < 1e-13
    assert error(by_us, script.of_side(ours, "inverse", np.random.default_rng(0).standard_normal((500, 2)))) < 1e-14
    before, after, _ = drawn["one coupling"].axes
    upright = [ax.lines[0].get_xdata() for ax in (before, after)]
    assert np.array_equal(*upright)  # what is kept stays
