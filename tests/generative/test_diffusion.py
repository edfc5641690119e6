"""Diffusion: the best denoiser by integrals, one heap solved on paper, and what both sides learn beside the lowest loss there is."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from experiments.data.ring import Ring
from experiments.generative import diffusion as script
from experiments.generative.diffusion import TWIN
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from manual.generative import diffusion as by_hand
from tests.helpers import fit
from torch_impl.generative import diffusion as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


# ---- forwards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 7, 50, 1000])
def test_what_is_kept_falls_from_all_to_nearly_nothing_on_both_sides(T: int) -> None:
    kept = by_hand.schedule(T)
    assert (len(kept), kept[0]) == (T + 1, 1)
    assert (np.diff(kept) < 0).all()
    assert 0 < kept[-1] < 2e-3
    assert error(kept, in_torch.schedule(T)) < 1e-13
    middle = np.cos((0.5 + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    assert T % 2 or kept[T // 2] == pytest.approx(middle, rel=1e-10)  # Nichol and Dhariwal's formula, not as a product


def test_noise_is_added_at_times_that_are_spread_evenly() -> None:
    ours, _ = TWIN.build()
    x0 = np.random.default_rng(0).normal(0, 1.5, (5000, 2))
    x, t, epsilon = ours.forwards(x0)
    counts = np.bincount(t, minlength=51)
    assert counts[0] == 0
    assert len(counts) == 51
    assert np.abs(counts[1:] - 100).max() <= 2
    a_bar = ours.denoiser.kept[t][:, None]
    assert error(x, np.sqrt(a_bar) * x0 + np.sqrt(1 - a_bar) * epsilon) < 1e-14
    assert abs(epsilon.var() - 1) < 4 * np.sqrt(2 / 10_000)


def test_no_time_is_beyond_the_last_where_a_draw_rounds_up() -> None:
    for dtype in (np.float32, np.float64):
        model = by_hand.Diffusion(dtype=dtype)
        model.u.forward = lambda shape: np.full(shape, np.nextafter(dtype(1), dtype(0)), dtype)  # type: ignore[method-assign]  # noqa: B023
        _, t, _ = model.forwards(np.zeros((16, 2), dtype))
        assert t.max() == 50


# ---- the best denoiser ---------------------------------------------------------------------------------


@pytest.mark.parametrize("a_bar", [0.05, 0.5, 0.97])
def test_the_best_is_the_mean_of_the_noise_by_integrals(a_bar: float) -> None:
    centres, std = np.array([-1.5, 0.4, 2.0]), 0.3

    def density(epsilon: float, x: float) -> float:
        x0 = (x - np.sqrt(1 - a_bar) * epsilon) / np.sqrt(a_bar)
        return float(norm.pdf(epsilon) * norm.pdf(x0, centres, std).sum())

    for x in (-1.0, 0.3, 1.1):
        peaks = [(x - np.sqrt(a_bar) * m) * np.sqrt(1 - a_bar) / (a_bar * std**2 + 1 - a_bar) for m in centres]
        top, bottom = (quad(lambda e: e**k * density(e, x), -12, 12, points=peaks, limit=400)[0] for k in (1, 0))  # noqa: B023
        found = by_hand.best_noise(np.array([[x]]), np.array([a_bar]), centres[:, None], std)
        assert found[0, 0] == pytest.approx(top / bottom, rel=1e-7)


def test_of_one_heap_the_best_is_a_line_and_its_loss_is_as_on_paper() -> None:
    rng = np.random.default_rng(0)
    s, a_bar = 1.7, by_hand.schedule(50)[np.repeat([5, 25, 45], 40_000)]
    epsilon = rng.normal(size=(len(a_bar), 1))
    x = np.sqrt(a_bar)[:, None] * rng.normal(0, s, epsilon.shape) + np.sqrt(1 - a_bar)[:, None] * epsilon
    found = by_hand.best_noise(x, a_bar, np.zeros((1, 1)), s)
    v = a_bar * s**2 + 1 - a_bar
    assert error(found[:, 0], np.sqrt(1 - a_bar) / v * x[:, 0]) < 1e-14
    squares = ((found - epsilon) ** 2).reshape(3, -1)
    wanted = (a_bar * s**2 / v).reshape(3, -1)[:, 0]
    assert (np.abs(squares.mean(axis=1) - wanted) < 4 * squares.std(axis=1) / 200).all()


def test_nothing_that_is_said_is_better() -> None:
    data = TWIN.make_data()
    x, t, epsilon = script.by_time(data, 50)
    best = script.says(data, x, t)
    lowest = ((best - epsilon) ** 2).mean()
    for other in (1.02 * best, best + 0.02, best + 0.02 * np.sin(x), 0 * best, script.says(Ring(std=0.33), x, t)):
        assert ((other - epsilon) ** 2).mean() > lowest


# ---- the denoiser, the concept -------------------------------------------------------------------------


def test_a_denoiser_without_a_network_is_the_line_of_one_heap() -> None:
    ours, theirs = TWIN.build()
    x, t, _ = script.by_time(TWIN.make_data(), 50, 3)
    line = by_hand.best_noise(x, ours.denoiser.kept[t], np.zeros((1, 2)), TWIN.make_data().spread)
    for p in ours.denoiser.parameters():
        p[...] = 0
    for p in theirs.denoiser.parameters():
        p.data.zero_()
    assert error(script.says(ours, x, t), line) < 1e-14
    assert error(script.says(theirs, x, t), line) < 1e-12


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    ours, theirs = TWIN.build(seed=1, variant=variant)
    T, rng = ours.T, np.random.default_rng(0)
    x, other = rng.normal(0, 1.5, (7, 2)), rng.normal(0, 1.5, (4, 2))
    t, again = rng.integers(1, T + 1, 7), rng.integers(1, T + 1, 4)
    check_grads(ours.denoiser, (x, t), again=(other, again), torch=theirs.denoiser)


@SIDES
@pytest.mark.parametrize("wrong", [{"T": 0}, {"hidden": 0}, {"epochs": 0}, {"numbers": 0}, {"spread": 0.0}, {"spread": float("nan")}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Diffusion: .*{name}.*, got .*{value}"):
        side.Diffusion(**wrong)


def test_a_short_run_agrees() -> None:
    lockstep, _ = fit(TWIN, 60, data=TWIN.make_data(points=2560), limit_val_batches=None)
    assert lockstep.judge.failure is None
    assert lockstep.judge.steps == 60


def test_the_spread_is_that_of_the_points() -> None:
    for data in (TWIN.make_data(), Ring(heaps=1), Ring(heaps=3, std=0.7)):
        (x,) = data.split.train
        assert (x**2).mean() == pytest.approx(data.spread**2, rel=0.05)


# ---- backwards -----------------------------------------------------------------------------------------


def test_both_sides_go_the_same_way_back() -> None:
    ours, theirs = TWIN.build(seed=2)
    a, b = (script.made(side, 50) for side in (ours, theirs))
    assert a.shape == (51, 50, 2)
    assert error(a, b) < 1e-11


@pytest.mark.parametrize(("T", "near"), [(50, 0.1), (1000, 0.01)])
def test_with_the_best_denoiser_of_one_heap_its_own_scatter_comes_back(T: int, near: float) -> None:
    """Each step back is a line and a scatter: the variance follows a recursion, and with small steps it ends at s²."""
    s, kept = 1.5, by_hand.schedule(T)
    variance = 1.0
    for t in range(T, 0, -1):
        alpha, v = kept[t] / kept[t - 1], kept[t] * s**2 + 1 - kept[t]
        slope = (1 - (1 - alpha) / v) / np.sqrt(alpha)
        variance = slope**2 * variance + (1 - kept[t - 1]) / (1 - kept[t]) * (1 - alpha)
    assert abs(variance / s**2 - 1) < near
    rng = np.random.default_rng(0)
    n = 200_000 // T
    path = by_hand.backwards(
        lambda x, t: by_hand.best_noise(x, kept[t], np.zeros((1, 2)), s), kept, rng.normal(size=(n, 2)), rng.normal(size=(T, n, 2))
    )
    assert abs(path[-1].var() / variance - 1) < 4 * np.sqrt(2 / (2 * n))


def test_the_best_denoiser_brings_all_heaps_back_alike() -> None:
    data = TWIN.make_data()
    heap = data.heap_of(script.made(data, 4000)[-1])
    assert (heap >= 0).mean() > 0.985
    assert np.abs(np.bincount(heap[heap >= 0], minlength=8) / 4000 - 1 / 8).max() < 4 * np.sqrt(0.125 / 4000)


# ---- what is learned -----------------------------------------------------------------------------------


@cache
def declared() -> Trained:
    """The run as the twin says."""
    return trained(TWIN)


@pytest.mark.long
@pytest.mark.parametrize("side", ["manual", "torch"])
def test_the_declared_run_comes_near_to_the_lowest_loss_and_makes_the_ring(side: str) -> None:
    model, data = getattr(declared(), side), declared().data
    assert declared().agree
    lowest, loss = (script.losses(of, data).mean() for of in (data, model))
    assert lowest < loss < lowest + 0.007
    x = script.made(model, 4000)[-1]
    assert script.in_heaps(x, data) > 0.985
    heap = data.heap_of(x)
    assert np.bincount(heap[heap >= 0], minlength=8).min() > 0.8 * 500
    assert declared().metrics["loss/val"] == pytest.approx(loss, abs=0.03)


# ---- what figures and texts say ------------------------------------------------------------------------


def test_figures_show_both_sides() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    assert list(drawn) == ["there and back", "the lowest loss", "which way", "digits"]
    panels = drawn["there and back"].axes
    for a, b in zip(panels[4:8], panels[8:], strict=True):
        assert error(np.array(a.lines[0].get_data()), np.array(b.lines[0].get_data())) < 1e-10
    in_theirs, by_us, lowest, line = (np.array(of.get_ydata()) for of in drawn["the lowest loss"].axes[0].lines)
    assert error(by_us, in_theirs) < 1e-12
    assert (lowest < line + 0.1).all()
    few, more = TWIN.having({"T": 3}).build()
    assert list(script.figures(few, more, TWIN.make_data())) == ["there and back", "digits"]


def test_a_torch_side_on_float32_is_asked_in_its_format() -> None:
    _, theirs = TWIN.build(dtype="float32")
    assert next(theirs.parameters()).dtype == torch.float32
    assert script.says(theirs, np.zeros((2, 2)), np.array([1, 50])).dtype == np.float64


# ---- digits --------------------------------------------------------------------------------------


def test_both_sides_learn_pictures_together() -> None:
    run = trained(script.of_digits(2))
    assert run.agree
    assert (run.manual.numbers, run.torch.numbers) == (64, 64)
    assert error(script.made(run.manual, 10)[-1], script.made(run.torch, 10)[-1]) < 1e-9


@pytest.mark.long
def test_pictures_made_of_noise_are_like_digits_and_no_copies() -> None:
    split, rng = script.Pictures().split, np.random.default_rng(0)
    (real,), (unseen,) = split.train, split.val
    away, of_unseen, of_pixels = (
        script.nearest(x, real)[1].mean()
        for x in (script.made(script.learned_by_hand(), 200)[-1], unseen, rng.permuted(real, axis=0)[:200])  # each pixel of another digit
    )
    assert of_unseen < away < (of_unseen + of_pixels) / 2
    assert script.nearest(real[:10], real)[1].max() < 1e-6
