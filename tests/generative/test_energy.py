"""Energy: log Z and its slope counted out over all states, scikit-learn's free energy, dreams, and a run that comes near the optimum."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neural_network import BernoulliRBM

from experiments.data.arrays import InputError
from experiments.generative import energy as script
from experiments.generative.energy import TWIN, BarsAndStripes
from experiments.judge.compare import error
from experiments.judge.differences import asked_once, check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from manual.generative import energy as by_hand
from torch_impl.generative import energy as in_torch

MODULES = pytest.mark.parametrize("module", [by_hand, in_torch], ids=["by hand", "torch"])
SIDES = pytest.mark.parametrize("side", ["manual", "torch"])


def machine(seed: int = 0, V: int = 5, H: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random W, a and b."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(V, H)), rng.normal(size=V), rng.normal(size=H)


def counted_out(W: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All v, all h, and the weight exp(−E(v, h)) of every pair of them, (2ⱽ, 2ᴴ)."""
    v, h = by_hand.every_picture(len(a)), by_hand.every_picture(len(b))
    return v, h, np.exp((v @ a)[:, None] + (h @ b)[None] + v @ W @ h.T)


def test_slopes_are_those_of_autograd_and_of_central_differences() -> None:
    pictures = by_hand.every_picture(5)[[3, 9, 30, 17]]
    check_grads(
        lambda *parts: by_hand.free_energy(pictures, *parts),
        list(machine()),
        again=list(machine(1)),
        backward=lambda dL_dF, *parts: by_hand.free_energy_backward(dL_dF, pictures, *parts),
        torch=lambda *parts: in_torch.free_energy(torch.from_numpy(pictures), *parts),
    )
    check_grads(
        by_hand.log_partition,
        list(machine()),
        again=list(machine(1)),
        backward=by_hand.log_partition_backward,
        torch=in_torch.log_partition,
    )


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(variant: str | None) -> None:
    data = TWIN.make_data()
    ours, theirs = TWIN.build(variant=variant, data=data)
    (v, u), (_, others) = data.batches(0)[:2]
    ours.dreams = asked_once(ours.dreams)  # type: ignore[method-assign]
    check_grads(ours, (v, u), again=(v[:9], others[:9]), torch=theirs)


# ---- the sum over all pictures -------------------------------------------------------------------


@MODULES
def test_log_z_is_that_of_all_states_of_pixels_and_units(module: Any) -> None:
    parts = machine()
    found = module.log_partition(*(parts if module is by_hand else map(torch.from_numpy, parts)))
    assert float(found) == pytest.approx(np.log(counted_out(*parts)[2].sum()), rel=1e-13)


def test_its_slope_is_what_the_machine_does_left_to_itself() -> None:
    parts = machine()
    v, h, weight = counted_out(*parts)
    p = weight / weight.sum()
    expected = v.T @ p @ h, v.T @ p.sum(axis=1), h.T @ p.sum(axis=0)  # the means of v h, of v, and of h
    assert all(error(a, b) < 1e-13 for a, b in zip(by_hand.log_partition_backward(1.0, *parts), expected, strict=True))


def test_where_the_data_are_the_machine_itself_the_gradient_is_zero() -> None:
    parts = machine()
    pictures = by_hand.every_picture(5)
    p = np.exp(-by_hand.free_energy(pictures, *parts) - by_hand.log_partition(*parts))
    seen = by_hand.free_energy_backward(p, pictures, *parts)
    assert all(np.abs(s + d).max() < 1e-15 for s, d in zip(seen, by_hand.log_partition_backward(1.0, *parts), strict=True))


def test_the_free_energy_is_scikit_learns() -> None:
    W, a, b = machine(V=9, H=8)
    reference = BernoulliRBM(8)
    reference.components_, reference.intercept_visible_, reference.intercept_hidden_ = W.T, a, b
    assert error(by_hand.free_energy(by_hand.every_picture(9), W, a, b), reference._free_energy(by_hand.every_picture(9))) < 1e-13


# ---- dreams --------------------------------------------------------------------------------------


def test_after_many_rounds_dreams_are_as_probable_as_the_machine_says() -> None:
    W, a, b = machine(V=3, H=2)
    pictures, N = by_hand.every_picture(3), 40_000
    p = np.exp(-by_hand.free_energy(pictures, W, a, b) - by_hand.log_partition(W, a, b))
    dreams = by_hand.gibbs(np.zeros((N, 3)), np.random.default_rng(0).random((N, 30, 5)), W, a, b)
    part = np.array([(dreams == picture).all(axis=1).mean() for picture in pictures])
    assert (np.abs(part - p) < 5 * np.sqrt(p * (1 - p) / N)).all()


def test_one_round_from_the_machine_itself_changes_nothing_on_average() -> None:
    W, a, b = machine(V=3, H=2)
    _, h, weight = counted_out(W, a, b)
    pictures = by_hand.every_picture(3)
    p = weight.sum(axis=1) / weight.sum()
    h_given_v = weight / weight.sum(axis=1, keepdims=True)
    on = 1 / (1 + np.exp(-(h @ W.T + a)))  # (2ᴴ, V)
    v_given_h = np.where(pictures[None] == 1, on[:, None], 1 - on[:, None]).prod(axis=2)
    assert error(p @ h_given_v @ v_given_h, p) < 1e-14


def test_an_estimate_from_the_data_is_biased_and_less_so_after_many_rounds() -> None:
    assert script.bias(1) > 0.3
    assert script.bias(script.ROUNDS[-1]) < 0.6 * script.bias(1)


# ---- whole runs ----------------------------------------------------------------------------------


@cache
def declared() -> Trained:
    """The run as the twin says."""
    found = trained(TWIN)
    assert found.agree
    return found


def test_a_short_run_agrees() -> None:
    run = trained(replace(TWIN, trainer={"max_epochs": 2}))
    assert run.agree
    assert run.losses[-1] < 4
    assert error(script.probabilities(run.manual), script.probabilities(run.torch)) < 1e-9


@pytest.mark.long
@SIDES
def test_the_declared_run_comes_near_the_least_loss_there_is(side: str) -> None:
    p = script.probabilities(getattr(declared(), side))
    pictures = script.bars_and_stripes()
    numbers = (pictures @ 2 ** np.arange(9)[::-1]).astype(int)
    assert p.sum() == pytest.approx(1, rel=1e-12)
    assert -np.log(p[numbers]).mean() == pytest.approx(declared().metrics["loss/val"], rel=1e-9)
    assert 0 < -np.log(p[numbers]).mean() - np.log(14) < 0.04
    assert p[numbers].sum() > 0.96
    assert set(np.argsort(-p)[:14]) == set(numbers), "what was shown is what is most probable"
    assert "97.0 %" in script.learned(declared())


def test_with_an_estimate_the_loss_ends_higher_on_both_sides() -> None:
    least = np.log(14)
    for side in (0, 1):
        exact, one, ten = (script.walked(way)[1][:, side] for way in script.WAYS)
        assert least < exact[-1] < least + 0.06
        assert min(one[-1], ten[-1]) > exact[-1] + 0.3
    for way in script.WAYS:
        assert error(*script.walked(way)[1].T) < 1e-8


# ---- data, figures, arguments --------------------------------------------------------------------


def test_there_are_fourteen_bars_and_stripes() -> None:
    pictures = script.bars_and_stripes().reshape(-1, 3, 3)
    assert len(pictures) == 14
    assert len({tuple(picture.ravel()) for picture in pictures}) == 14
    for picture in pictures:
        assert (picture == picture[0]).all() or (picture.T[0] == picture.T).all()


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    numbers = [BarsAndStripes(seed=seed).batches(epoch)[3][1] for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert np.array_equal(numbers[0], numbers[1])
    assert not np.array_equal(numbers[0], numbers[2])
    assert not np.array_equal(numbers[0], numbers[3])
    assert BarsAndStripes(hidden=4, rounds=3).batches(0)[0][1].shape == (14, 3, 13)


def test_figures_show_both_sides() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    assert list(drawn) == ["what is probable", "three ways", "the estimate"]
    theirs_bars, our_bars = ([bar.get_height() for bar in of] for of in drawn["what is probable"].axes[0].containers)  # type: ignore[attr-defined]
    assert error(np.array(our_bars), np.array(theirs_bars)) < 1e-12
    exact, one = script.estimates(1)
    many = script.estimates(100)[1]
    assert np.linalg.norm(one - exact) > np.linalg.norm(many - exact)


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"rounds": 0}])
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"--data.{name}.*{value}"):
        BarsAndStripes(**wrong)


@MODULES
@pytest.mark.parametrize("wrong", [{"visible": 0}, {"visible": 17}, {"hidden": 0}])
def test_bad_arguments_are_named(module: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Boltzmann: .*{name}.*, got .*{value}"):
        module.Boltzmann(**wrong)
