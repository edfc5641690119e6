"""A mixture: responsibilities are Bayes' theorem, EM's steps weighted means, and a run ends where scikit-learn's does, on both sides."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.unsupervised import mixture as script
from experiments.unsupervised.mixture import TWIN, Flowers
from manual.unsupervised import k_means
from manual.unsupervised import mixture as by_hand
from torch_impl.unsupervised import mixture as in_torch

SIDES = pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
MODULES = pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


def problem(seed: int = 0, N: int = 30, K: int = 4, D: int = 3) -> tuple[np.ndarray, Parts]:
    """Random points, and a, mu and s."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)), (rng.normal(size=K), rng.normal(size=(K, D)), rng.normal(0, 0.5, (K, D)))


@pytest.mark.parametrize("function", ["log_joint", "surprise"])
def test_slopes_are_those_of_autograd_and_of_central_differences(function: str) -> None:
    (x, parts), (_, others) = problem(), problem(1)
    forward, backward, theirs = (
        getattr(m, name) for m, name in ((by_hand, function), (by_hand, f"{function}_backward"), (in_torch, function))
    )
    check_grads(
        lambda a, mu, s: forward(x, a, mu, s),
        list(parts),
        again=list(others),
        backward=lambda dL_dy, a, mu, s: backward(dL_dy, x, a, mu, s),
        torch=lambda a, mu, s: theirs(torch.from_numpy(x), a, mu, s),
    )


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(variant=variant)
    (x,) = TWIN.make_data().split.train
    check_grads(ours, (x[:50],), again=(x[50:70],), torch=theirs)


def test_the_density_is_scipys_and_responsibilities_are_bayes_theorem() -> None:
    x, (a, mu, s) = problem()
    pi = np.exp(a) / np.exp(a).sum()
    heights = np.stack([w * multivariate_normal(m, np.diag(np.exp(v))).pdf(x) for w, m, v in zip(pi, mu, s, strict=True)], axis=1)
    assert by_hand.surprise(x, a, mu, s) == pytest.approx(-np.log(heights.sum(axis=1)).mean(), rel=1e-12)
    assert error(by_hand.responsibilities(x, a, mu, s), heights / heights.sum(axis=1, keepdims=True)) < 1e-12


def test_with_variances_that_go_to_0_responsibilities_are_those_of_k_means() -> None:
    x, (_, mu, _) = problem()
    r = by_hand.responsibilities(x, np.zeros(len(mu)), mu, np.full(mu.shape, np.log(1e-4)))
    assert error(r, np.eye(len(mu))[k_means.nearest(x, mu)]) < 1e-9


# ---- EM ------------------------------------------------------------------------------------------


def em_step(module: Any, x: np.ndarray, parts: Parts, least: float) -> Parts:
    """Of one side, from these parts."""
    model = module.Mixture(parts[1].tolist(), least=least)
    model = model if module is by_hand else model.double()
    for name, value in zip(("a", "mu", "s"), parts, strict=True):
        getattr(model, name).data[...] = value if module is by_hand else torch.from_numpy(value)
    optimizer = model.configure_optimizers()
    if module is by_hand:
        model.training_step((x,), 0)
        model.backward()
    else:
        model.training_step((torch.from_numpy(x),), 0).backward()
    optimizer.step()
    a, mu, s = (np.array(getattr(model, name).tolist()) for name in ("a", "mu", "s"))
    return a, mu, s


@MODULES
@pytest.mark.parametrize("least", [0.0, 0.5])
def test_a_step_of_em_gives_each_component_the_weight_mean_and_variance_of_its_points(module: Any, least: float) -> None:
    x, parts = problem()
    r = by_hand.responsibilities(x, *parts)
    a, mu, s = em_step(module, x, parts, least)
    n = r.sum(axis=0)[:, None]
    mean = r.T @ x / n
    assert error(np.exp(a) / np.exp(a).sum(), n[:, 0] / len(x)) < 1e-14
    assert error(mu, mean) < 1e-14
    assert error(np.exp(s), r.T @ x**2 / n - mean**2 + least) < 1e-13


@MODULES
def test_a_component_that_nobody_belongs_to_stays_and_the_others_go_on(module: Any) -> None:
    x, (a, mu, s) = problem()
    mu[2] = 500.0
    after = em_step(module, x, (a, mu, s), 1e-6)
    assert all(np.isfinite(part).all() for part in after)
    assert np.array_equal(after[1][2], mu[2])
    assert np.exp(after[0])[2] / np.exp(after[0]).sum() < 1e-15


@cache
def declared() -> Trained:
    """The run as the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


@SIDES
def test_the_declared_run_ends_where_scikit_learn_does(side: int) -> None:
    run = declared()
    (x,), (x_val,) = run.data.split.train, run.data.split.val
    start = np.array(run.data.centres)
    reference = GaussianMixture(
        3, covariance_type="diag", tol=0, max_iter=30, reg_covar=1e-6, means_init=start, weights_init=np.full(3, 1 / 3),
        precisions_init=np.ones((3, 4)),
    )  # fmt: skip
    with pytest.warns(UserWarning, match="did not converge"):  # with tol=0 nothing counts as converged
        reference.fit(x)
    model = (run.manual, run.torch)[side]
    a, mu, s = (p.data if side == 0 else to_numpy(p) for p in (model.a, model.mu, model.s))
    assert error(mu, reference.means_) < 1e-10
    assert error(np.exp(s), reference.covariances_) < 1e-10
    assert error(np.exp(a) / np.exp(a).sum(), reference.weights_) < 1e-10
    assert error(by_hand.responsibilities(x, a, mu, s), reference.predict_proba(x)) < 1e-9
    assert by_hand.surprise(x_val, a, mu, s) == pytest.approx(-reference.score(x_val), rel=1e-10)
    assert run.metrics["loss/val"] == pytest.approx(-reference.score(x_val), rel=1e-10)


def test_by_em_the_loss_never_rises_and_by_adam_it_falls_to_the_same_place_more_slowly() -> None:
    run = declared()
    (x,) = run.data.split.train
    for losses in (run.losses, run.torch_losses):
        assert (np.diff(losses) < 1e-9).all()
    for em, adam in zip(script.walked("em"), script.walked("adam"), strict=True):
        assert script.losses(adam, x)[-1] > script.losses(em, x)[6]
        assert (np.diff(script.losses(adam, x)) < 0).all()
    long = by_hand.Mixture(run.data.centres, optimizer="adam")
    optimizer = long.configure_optimizers()
    for _ in range(600):
        long.zero_grad()
        long.training_step((x,), 0)
        long.backward()
        optimizer.step()
    assert by_hand.surprise(x, *long.parts()) == pytest.approx(run.losses[-1], abs=2e-4)


def test_the_bells_find_the_kinds() -> None:
    run = declared()
    assert script.named_right(run.manual, run.data) == pytest.approx(0.917, abs=0.001)
    assert "91.7 % of the flowers right" in script.learned(run)


# ---- what figures and texts say ------------------------------------------------------------------


def test_figures_show_both_sides_and_say_what_is_so() -> None:
    run = declared()
    drawn = script.figures(run.manual, run.torch, run.data)
    assert list(drawn) == ["the bells", "two ways down", "the end of doubt", "how many"]
    for ax in drawn["the bells"].axes:
        theirs, ours = ax.patches[:3], ax.patches[3:]
        for a, b in zip(ours, theirs, strict=True):
            assert error(np.array([*a.center, a.width, a.height]), np.array([*b.center, b.width, b.height])) < 1e-12  # type: ignore[attr-defined]
    curves = [line.get_ydata() for line in drawn["two ways down"].axes[0].lines]
    assert all(error(np.asarray(b), np.asarray(a)) < 1e-10 for a, b in zip(curves[::2], curves[1::2], strict=True))
    learned_from, held_out = np.array([script.with_so_many(k) for k in script.NUMBERS]).T
    assert (np.diff(learned_from) < 0).all()
    assert script.NUMBERS[held_out.argmin()] not in (script.NUMBERS[0], script.NUMBERS[-1])
    assert held_out[-1] > held_out[2] + 1


@pytest.mark.parametrize("k", [0, 61])
def test_bad_arguments_of_the_data_are_named(k: int) -> None:
    with pytest.raises(InputError, match=f"--data.k.*{k}"):
        Flowers(k=k)


@MODULES
@pytest.mark.parametrize("wrong", [{"start": ()}, {"start": ((0.0, 1.0), (1.0,))}, {"lr": 0.0}, {"least": -1.0}, {"optimizer": "sgd"}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    got = str([len(row) for row in value]) if name == "start" else str(value)
    with pytest.raises(ValueError, match=rf"Mixture: .*{name}.*, got .*") as refused:
        module.Mixture(**wrong)
    assert got in str(refused.value)
    with pytest.raises(ValueError, match="Mixture: ") as by_the_other:
        by_hand.Mixture(**wrong)
    assert str(refused.value) == str(by_the_other.value)
