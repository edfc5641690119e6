"""A variational autoencoder: the bound lies below log p(x), added up over the plane; and the linear one reaches PCA's likelihood."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.distributions import Normal, kl_divergence

from experiments.generative import vae as script
from experiments.generative.vae import TWIN, InkOrNone
from experiments.judge.central import jacobian
from experiments.judge.compare import error
from experiments.judge.convert import load_in_torch
from experiments.judge.differences import check_grads
from experiments.judge.naming import Naming
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from manual.generative import vae as by_hand
from torch_impl.generative import vae as in_torch

SIDES = pytest.mark.parametrize("side", ["manual", "torch"])


def of_q(seed: int = 0, N: int = 5, D: int = 3) -> tuple[np.ndarray, ...]:
    """μ, log var and noise."""
    return tuple(np.random.default_rng(seed).normal(size=(3, N, D)))


# ---- the pieces ----------------------------------------------------------------------------------


def test_k_is_the_divergence_that_torch_knows_and_its_slope_that_of_autograd_and_of_central_differences() -> None:
    mean, log_var, _ = of_q()
    m, v = torch.from_numpy(mean), torch.from_numpy(log_var)
    known = kl_divergence(Normal(m, (v / 2).exp()), Normal(torch.zeros_like(m), torch.ones_like(m)))
    assert by_hand.kl(mean, log_var) == pytest.approx(known.sum().item() / len(mean), rel=1e-13)
    check_grads(by_hand.kl, [mean, log_var], again=of_q(1)[:2], backward=by_hand.kl_backward, torch=in_torch.kl)


def test_slope_of_a_draw_is_that_of_autograd_and_of_central_differences() -> None:
    mean, log_var, epsilon = of_q()
    check_grads(
        lambda mean, log_var: by_hand.drawn(mean, log_var, epsilon),
        [mean, log_var],
        again=of_q(1)[:2],
        backward=lambda dL_dz, mean, log_var: by_hand.drawn_backward(dL_dz, mean, log_var, epsilon),
        torch=lambda mean, log_var: in_torch.drawn(mean, log_var, torch.from_numpy(epsilon)),
    )


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=3, variant=variant)
    epsilon = np.random.default_rng(0).normal(size=(9, ours.latent))
    ours.noise.forward = lambda shape: epsilon[: shape[0]]
    theirs.noise.forward = lambda shape: torch.from_numpy(epsilon[: shape[0]])
    batch = tuple(a[:9] for a in InkOrNone().split.train)
    check_grads(ours, batch, again=tuple(a[:4] for a in batch), torch=theirs)


def test_the_logarithm_of_the_evidence_of_a_normal_is_found_on_a_grid() -> None:
    """p(x|z) = Normal(z, 1): p(x) is Normal(0, variance 2)."""
    z = np.arange(-8, 8.05, 0.1)[:, None]
    x = np.array([2.0, -0.5, 0.0])
    log_p = -((x[:, None] - z[:, 0]) ** 2) / 2 - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(by_hand.log_evidence(log_p, z, 0.1), -np.log(4 * np.pi) / 2 - x**2 / 4, rtol=1e-12)


# ---- digits --------------------------------------------------------------------------------------


@cache
def a_run(epochs: int = 8) -> Trained:
    """Shorter than the twin's."""
    found = trained(replace(TWIN.having({"epochs": epochs}), trainer={"max_epochs": epochs}))
    assert found.agree
    return found


def bound_below_evidence(run: Trained, side: str, above: float) -> None:
    """The bounds of a side in their order, and that a digit is more probable than by its pixels alone."""
    x, _ = run.data.split.val
    model = getattr(run, side)
    exact = script.evidence(model, x)
    elbo, weighted = script.bounds(model, x)
    assert (exact - elbo).min() > -0.5  # the ELBO of each is a mean of forty draws
    assert elbo.mean() < weighted.mean() < exact.mean()
    assert exact.mean() - weighted.mean() < 0.3 * (exact.mean() - elbo.mean())
    assert exact.mean() - elbo.mean() < 0.6
    assert exact.mean() > above
    assert abs(elbo.mean() + run.metrics["loss/val"]) < 0.15  # that is one draw


@SIDES
def test_the_bound_lies_below_the_evidence(side: str) -> None:
    bound_below_evidence(a_run(), side, script.of_pixels_alone(a_run().data) + 2)


@pytest.mark.long
@SIDES
def test_the_declared_run_lies_a_third_of_a_nat_below_the_evidence(side: str) -> None:
    bound_below_evidence(declared(), side, -20.8)


@cache
def declared() -> Trained:
    """The run as the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


def test_the_grid_is_fine_and_wide_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    x, model = a_run().data.split.val[0][:40], a_run().manual
    found = script.evidence(model, x)
    monkeypatch.setattr(script, "STEP", 0.05)
    monkeypatch.setattr(script, "REACH", 6.0)
    np.testing.assert_allclose(found, script.evidence(model, x), atol=2e-4)


def test_the_pulls_are_the_slopes_of_the_two_terms() -> None:
    manual, x = a_run().manual, a_run().data.split.train[0][:3]
    mean, by_R, by_K = script.pulls(manual, x, draws=3)
    log_var, epsilon = script.encode(manual, x)[1], np.random.default_rng(0).standard_normal((3, *mean.shape))

    def R(mean: np.ndarray) -> float:
        z = by_hand.drawn(mean, log_var, epsilon)
        logits = script.decode(manual, z.reshape(-1, 2)).reshape(3, *x.shape)
        return float((np.logaddexp(0, logits) - x * logits).sum() / 3)

    np.testing.assert_allclose(by_R, -jacobian(R, mean), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(by_K, -mean)


# ---- the linear one ------------------------------------------------------------------------------


def test_gradient_of_the_linear_one_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = by_hand.LinearVAE(5, 3, rng=np.random.default_rng(0)), in_torch.LinearVAE(5, 3).double()
    ours.log_var[...], ours.log_noise[...] = (0.3, -0.4, 0.1), -0.6
    load_in_torch(Naming({}), theirs, ours.state_dict())
    x = np.random.default_rng(1).normal(size=(8, 5))
    check_grads(ours, (x,), again=(x[:3],), torch=theirs)


def test_r_needs_no_draws_where_all_is_linear() -> None:
    rng = np.random.default_rng(0)
    model = by_hand.LinearVAE(4, 2, rng=rng)
    model.log_var[...], model.log_noise[...] = (-0.7, 0.2), 0.3
    x = rng.normal(size=(6, 4))
    loss = model.training_step((x,), 0)
    mean = model.encoder(x)
    z = mean + np.exp(model.log_var.data / 2) * rng.normal(size=(100_000, 6, 2))
    off = z @ model.decoder.weight.data.T - x
    paid = (4 * np.log(2 * np.pi * np.exp(0.3)) + (off**2).sum(axis=2) * np.exp(-0.3)).mean(axis=1) / 2
    K = by_hand.kl(mean, np.broadcast_to(model.log_var, mean.shape))
    assert abs(loss - paid.mean() - K) < 4 * paid.std() / np.sqrt(len(paid))


@pytest.mark.parametrize("side", [0, 1], ids=["by hand", "torch"])
def test_the_linear_bound_is_the_likelihood_of_probabilistic_pca(side: int) -> None:
    x, weights = script.centred_iris(), script.linear()[side]
    best = by_hand.log_likelihood_of_pca(x, 2)
    assert abs(script.elbo_at(weights, -1) - best) < 3e-14
    V, noise = weights["decoder.weight"][-1], np.exp(weights["log_noise"][-1])
    by_scipy = multivariate_normal(np.zeros(4), V @ V.T + noise * np.eye(4)).logpdf(x).mean()
    assert by_scipy == pytest.approx(best, rel=1e-12)
    axes = script.axes_of_pca(x)
    assert np.abs(V.T @ V - np.diag(np.diag(V.T @ V))).max() < 1e-6  # at right angles
    np.testing.assert_allclose(np.abs(axes.T @ V) / (axes**2).sum(axis=0)[:, None], np.abs(np.round(axes.T @ V, 3) != 0), atol=1e-5)


@pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"latent": 0}, {"epochs": 0}, {"beta": -0.1}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"VAE: .*{name}.*, got .*{value}"):
        module.VAE(**wrong)


# ---- what figures say ----------------------------------------------------------------------------


def test_figures_show_both_sides_and_without_a_plane_only_the_linear_one() -> None:
    run = a_run()
    drawn = script.figures(run.manual, run.torch, run.data)
    assert list(drawn) == ["the latent plane", "the bound", "two pulls", "it is PCA"]
    in_theirs, by_us, diagonal = drawn["the bound"].axes[0].lines
    assert error(np.array(by_us.get_data()), np.array(in_theirs.get_data())) < 1e-9
    assert np.array_equal(*diagonal.get_data())
    picture = drawn["the latent plane"].axes[1].images[0].get_array()
    top_left = 1 / (1 + np.exp(-script.decode(run.manual, np.array([[-3.0, 3.0]]))))
    np.testing.assert_allclose(picture[:8, :8], top_left.reshape(8, 8), rtol=1e-12)
    below, line = drawn["it is PCA"].axes[0].lines
    assert np.allclose(below.get_ydata(), line.get_ydata(), atol=1e-12)
    deep = TWIN.having({"latent": 3}).build()
    assert list(script.figures(*deep, run.data)) == ["it is PCA"]
