"""The GAN: the smallest one's walk in closed form, what a discriminator can know at best, and eight heaps of eight on both sides."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from experiments.data.arrays import InputError
from experiments.data.ring import Ring
from experiments.generative import gan as script
from experiments.generative.gan import LR, TWIN
from experiments.judge.compare import error
from experiments.judge.convert import to_torch
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise, share_hand
from experiments.lesson import Trained
from experiments.lockstep.trained import trained, twin_of
from manual.generative import gan as by_hand
from manual.trainer import Trainer
from tests.helpers import fit
from torch_impl.generative import gan as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])
GUESSING = 2 * np.log(2)


def walk(side: Any, *start: float, **of: Any) -> np.ndarray:
    """The smallest GAN of a side."""
    return np.asarray(side.smallest(*start, **of))


# ---- the losses ------------------------------------------------------------------------------------


def test_both_losses_have_the_slopes_of_autograd_and_of_central_differences() -> None:
    real, made, other, more = (np.random.default_rng(i).normal(0, 2, (n, 1)) for i, n in enumerate((5, 3, 4, 2)))
    check_grads(
        by_hand.discriminator_loss,
        [real, made],
        again=[other, more],
        backward=by_hand.discriminator_loss_backward,
        torch=in_torch.discriminator_loss,
    )
    check_grads(by_hand.generator_loss, [made], again=[more], backward=by_hand.generator_loss_backward, torch=in_torch.generator_loss)


def test_no_loss_overflows_where_d_is_sure() -> None:
    scores = np.array([[-800.0], [800.0]])
    assert by_hand.discriminator_loss(scores, scores) == 800
    assert by_hand.generator_loss(scores) == 400
    assert by_hand.generator_loss_backward(1.0, scores).tolist() == [[-0.5], [0.0]]


def test_d_learns_of_made_points_and_g_does_not_learn_of_ds_loss() -> None:
    ours, theirs = TWIN.build()
    (x,) = TWIN.make_data().split.train
    share_hand(ours, SharedNoise(0))
    ours.d_loss((x[:9],))
    ours.d_loss_backward()
    theirs.d_loss(to_torch((x[:9],))).backward()
    assert all(p.has_grad for p in ours.d.parameters())
    assert not any(p.has_grad for p in ours.g.parameters())
    assert all(p.grad is None for p in theirs.g.parameters())
    ours.zero_grad()
    ours.g_loss((x[:9],))
    ours.g_loss_backward()
    assert all(p.has_grad for p in (*ours.d.parameters(), *ours.g.parameters())), "g's way back goes through d"


def test_what_gs_step_leaves_in_d_is_forgotten_before_d_steps() -> None:
    (x,) = TWIN.make_data().split.train
    walked = []
    for spoil in (0.0, 100.0):
        model, _ = TWIN.build()
        noise, trainer = SharedNoise(0), Trainer()
        share_hand(model, noise)
        trainer.attach(model)
        for number in range(2):
            noise.begin(number)
            trainer.train_batch((x[:9],), 0)
            for p in model.d.parameters():
                p.grad += spoil
        walked.append(model.state_dict())
    assert all(np.array_equal(walked[0][name], walked[1][name]) for name in walked[0])


# ---- the best discriminator --------------------------------------------------------------------------


def test_at_p_over_p_plus_q_the_slope_is_zero_and_nothing_is_lower() -> None:
    p, q = np.random.default_rng(0).uniform(0.1, 2, (2, 50))

    def pays(d: np.ndarray) -> np.ndarray:
        return -p * np.log(d) - q * np.log(1 - d)

    best = by_hand.best_probability(p, q)
    assert np.abs(-p / best + q / (1 - best)).max() < 1e-13
    assert all((pays(best + step * best * (1 - best)) > pays(best)).all() for step in (-0.1, 0.1))


def test_a_discriminator_that_learns_alone_finds_it_on_both_sides() -> None:
    places, *sides = script.learned_alone(250)
    p, q = script.P.pdf(places), script.Q.pdf(places)
    likely = p + q > 0.05
    for found in sides:
        assert np.abs(found - by_hand.best_probability(p, q))[likely].max() < 0.04
    assert error(*sides) < 1e-9


# ---- the smallest GAN --------------------------------------------------------------------------------


@SIDES
@pytest.mark.parametrize("lr", [0.02, 0.2, 1.0])
def test_at_once_it_spirals_out_by_the_root_of_1_plus_lr2_over_4(side: Any, lr: float) -> None:
    far = np.linalg.norm(walk(side, 3e-9, 4e-9, lr=lr, steps=40, in_turn=False), axis=1)
    np.testing.assert_allclose(far[1:] / far[:-1], np.sqrt(1 + lr**2 / 4), rtol=1e-12)


@SIDES
def test_in_turn_it_circles_and_at_a_price_it_arrives(side: Any) -> None:
    theta, psi = walk(side, 3e-9, 4e-9, lr=0.3, steps=200).T
    invariant = theta**2 + psi**2 - 0.15 * theta * psi
    np.testing.assert_allclose(invariant, invariant[0], rtol=1e-12)
    path = walk(side, 3e-9, 4e-9, lr=0.3, steps=60, price=0.5)
    # two steps further in the plane of (θ, ψ): the determinant of two points and of their successors is in the ratio of the matrix's
    area = path[:-1, 0] * path[1:, 1] - path[:-1, 1] * path[1:, 0]
    np.testing.assert_allclose(area[1:] / area[:-1], 1 - 0.3 * 0.5, rtol=1e-10)
    assert np.linalg.norm(path[-1]) < 0.02 * np.linalg.norm(path[0])


def test_far_from_the_equilibrium_both_sides_walk_alike() -> None:
    for of in script.WALKS.values():
        a, b = (walk(side, 1.0, 0.5, lr=LR, steps=100, **of) for side in (by_hand, in_torch))
        assert error(a, b) < 1e-13


# ---- the ring ----------------------------------------------------------------------------------------


@cache
def declared() -> Trained:
    """The run as the twin says."""
    return trained(TWIN)


@pytest.mark.long
@pytest.mark.parametrize("side", ["manual", "torch"])
def test_the_declared_run_reaches_all_heaps_and_d_can_only_guess(side: str) -> None:
    model = getattr(declared(), side)
    assert declared().agree
    assert script.reached(model, declared().data) == 8
    assert script.in_heaps(model, declared().data).sum() > 0.75 * 2000
    assert GUESSING - 0.08 < declared().metrics["loss/val"] < GUESSING + 0.02
    assert abs(declared().metrics["real_is_real/val"] - 0.5) < 0.04


@pytest.mark.long
def test_with_ten_steps_of_g_for_one_of_d_all_points_are_in_one_heap() -> None:
    run = trained(twin_of(TWIN, TWIN.mistake))
    assert run.agree
    for side in (run.manual, run.torch):
        assert script.reached(side, run.data) <= 2
        assert np.linalg.norm(script.made(side).std(axis=0)) < 0.5


def test_a_short_run_agrees() -> None:
    lockstep, _ = fit(TWIN, 60, data=TWIN.make_data())
    assert lockstep.judge.failure is None
    assert lockstep.judge.steps == 60
    assert [r.optimizer for r in lockstep.records] == [0, 1] * 30


def test_heaps_are_counted_as_one_would_by_hand() -> None:
    data = Ring(heaps=4)
    np.testing.assert_allclose(data.centres, [[2, 0], [0, 2], [-2, 0], [0, -2]], atol=1e-15)
    assert data.heap_of(np.array([[2.5, 0.0], [0.1, -2.0], [2.7, 0.0], [0.0, 0.0]])).tolist() == [0, 3, -1, -1]
    (x,) = Ring(points=20_000).split.train
    part = np.bincount(Ring().heap_of(x) + 1, minlength=9) / 20_000
    assert abs(part[0] - np.exp(-4.5)) < 4 * np.sqrt(np.exp(-4.5) / 20_000)
    assert np.abs(part[1:] - (1 - np.exp(-4.5)) / 8).max() < 4 * np.sqrt(0.125 / 20_000)


def test_heaps_that_get_less_than_a_quarter_of_their_due_are_not_reached() -> None:
    data = Ring()

    side = by_hand.GAN()
    side.g = lambda z: np.repeat(data.centres, (1400, 300, 100, 63, 62, 50, 25, 0), axis=0)  # type: ignore[assignment]
    assert script.in_heaps(side, data).tolist() == [1400, 300, 100, 63, 62, 50, 25, 0]
    assert script.reached(side, data) == 4
    assert script.largest_share(side, data) == 0.7


@pytest.mark.parametrize("wrong", [{"points": 0}, {"heaps": 0}, {"std": 0.0}, {"std": float("nan")}])
def test_bad_arguments_of_the_data_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"--data.{name}.*{value}"):
        Ring(**wrong)


@SIDES
@pytest.mark.parametrize("option", ["hidden", "noise", "d_steps", "g_steps"])
def test_bad_arguments_are_named(side: Any, option: str) -> None:
    with pytest.raises(ValueError, match=rf"GAN: .*{option}.*, got .*0"):
        side.GAN(**{option: 0})


# ---- what figures and texts say ------------------------------------------------------------------------


def test_the_ring_shows_points_of_both_sides_and_what_d_says() -> None:
    ours, theirs = TWIN.build()
    fig = script.the_ring(ours, theirs, TWIN.make_data())
    _, by_us, in_theirs = fig.axes
    assert error(np.array(by_us.lines[0].get_data()), np.array(in_theirs.lines[0].get_data())) < 1e-14
    assert np.abs(by_us.images[0].get_array() - in_theirs.images[0].get_array()).max() < 1e-14


def test_the_walks_are_drawn_beside_their_closed_forms() -> None:
    _, right = script.round_and_round().axes
    for at in (0, 3):  # torch's, by hand's and the closed form of the first and of the last
        in_theirs, by_us, closed = (np.array(line.get_ydata()) for line in (right.lines[0:3] if at == 0 else right.lines[5:8]))
        assert error(by_us, in_theirs) < 1e-12
        assert np.abs(np.log(by_us / closed)).max() < (1e-10 if at == 0 else 0.1)
    around = np.array(right.lines[4].get_ydata())
    assert 0.9 < around.min() < 1 < around.max() < 1.1


@pytest.mark.long
def test_on_its_way_one_to_one_finds_all_heaps_and_ten_to_one_is_one_point_that_moves() -> None:
    data = TWIN.make_data()
    last = script.snapshots(1, script.IN_TURN)[-1]
    assert (np.bincount(data.heap_of(last) + 1, minlength=9)[1:] > 15).all()
    clouds = script.snapshots(10, script.AHEAD)
    assert all(cloud.std(axis=0).max() < 0.2 for cloud in clouds)
    places = [cloud.mean(axis=0) for cloud in clouds]
    assert all(np.linalg.norm(b - a) > 0.5 for a, b in pairwise(places))
