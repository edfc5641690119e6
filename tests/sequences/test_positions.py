"""Positions: scores that depend on the distance alone, turning back, shuffled sequences, and longer ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.cases.sequences.positions import judge_tables
from experiments.data.arrays import InputError
from experiments.judge.compare import error
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.lockstep.trained import trained
from experiments.sequences import positions as script
from experiments.sequences.positions import IGNORED, KINDS, TWIN, Copies
from manual.module import no_grad
from manual.sequences import positions as by_hand
from torch_impl.sequences import positions as in_torch

TURNED = pytest.mark.parametrize(
    "turned",
    [by_hand.rotate, lambda x, angle: in_torch.rotate(torch.from_numpy(x), torch.from_numpy(angle)).numpy()],
    ids=["by hand", "torch"],
)


@pytest.fixture(scope="module")
def run() -> Trained:
    """Five of the eight epochs."""
    return trained(TWIN.having({}, {"sequences": 640}))


# ---- turning -------------------------------------------------------------------------------------


@TURNED
def test_a_rotary_score_depends_on_the_distance_alone(turned: Any) -> None:
    """q at t and k at u: as q turned by t − u, and k left as it is."""
    rng = np.random.default_rng(0)
    q, k, T, d = *rng.normal(size=(2, 1, 12)), 40, 12
    angle = by_hand.angles(T, d)
    scores = turned(np.repeat(q, T, axis=0), angle) @ turned(np.repeat(k, T, axis=0), angle).T
    size = np.linalg.norm(q) * np.linalg.norm(k)
    for distance in range(T):
        (closed,) = (turned(q, angle[distance : distance + 1]) @ k.T).ravel()
        np.testing.assert_allclose(np.diagonal(scores, -distance), closed, rtol=0, atol=30 * np.finfo(float).eps * size)
        (closed,) = (turned(q, -angle[distance : distance + 1]) @ k.T).ravel()
        np.testing.assert_allclose(np.diagonal(scores, distance), closed, rtol=0, atol=30 * np.finfo(float).eps * size)
    assert np.ptp(scores[:, 0]) > 0.1 * size  # and distances differ


@TURNED
def test_turning_keeps_lengths_adds_up_and_turns_back(turned: Any) -> None:
    rng = np.random.default_rng(1)
    x, one, other = rng.normal(size=(3, 5, 8)), *rng.normal(0, 3, (2, 5, 4))
    assert np.array_equal(turned(x, 0 * one), x)
    y = turned(x, one)
    np.testing.assert_allclose(y[..., 0::2] ** 2 + y[..., 1::2] ** 2, x[..., 0::2] ** 2 + x[..., 1::2] ** 2, rtol=1e-13)
    assert error(turned(y, other), turned(x, one + other)) < 1e-15
    assert error(turned(y, -one), x) < 1e-15


def test_turning_is_a_matrix_and_its_way_back_the_transposed_one() -> None:
    angle = np.random.default_rng(2).normal(0, 3, (1, 3))
    R = np.concatenate([by_hand.rotate(column[None], angle) for column in np.eye(6)]).T  # R x = rotate(x)
    dL_dy = np.random.default_rng(3).normal(size=(1, 6))
    assert error(by_hand.rotate_backward(dL_dy, angle)[0], R.T @ dL_dy[0]) < 1e-15
    assert error(R @ R.T, np.eye(6)) < 1e-15


def test_sines_of_two_places_have_a_dot_product_that_depends_on_the_distance_alone() -> None:
    table = by_hand.sinusoidal(30, 16)
    for distance in (0, 1, 7):
        wanted = np.cos(by_hand.angles(30, 16)[distance]).sum()
        np.testing.assert_allclose(np.diagonal(table @ table.T, distance), wanted, rtol=0, atol=1e-13)
    quick, slow = by_hand.angles(2, 16)[1, [0, -1]]
    assert (quick, slow) == (1.0, pytest.approx(10_000.0 ** (-14 / 16)))
    assert max(judge_tables(1).values()) < 1e-15


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_autograd_and_of_central_differences(kind: str) -> None:
    small = TWIN.having({"d_model": 6, "positions": kind}, {"length": 7, "sequences": 40, "batch_size": 8})
    data = small.make_data()
    ours, theirs = small.build(data=data)
    batches = data.two_batches(theirs)
    check_grads(ours, batches[0], again=batches[1], torch=theirs)


# ---- shuffled, and longer ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_without_positions_what_is_shuffled_comes_out_shuffled_and_with_them_it_does_not(kind: str) -> None:
    ours, theirs = TWIN.having({"positions": kind}).build()
    x, order = TWIN.make_data().split.val[0][:9], np.random.default_rng(0).permutation(16)
    with no_grad(), torch.no_grad():
        apart = [
            error(ours(x[:, order]), ours(x)[:, order]),
            error(theirs(torch.from_numpy(x[:, order])).numpy(), theirs(torch.from_numpy(x)).numpy()[:, order]),
        ]
    assert max(apart) < 1e-14 if kind == "none" else min(apart) > 1e-3


def test_the_whole_attention_map_is_the_same_further_on_and_for_learned_positions_it_is_not() -> None:
    """Eight equal tokens at a time: where they look, at places 0 to 7 and at places 8 to 15."""
    for kind, same in (("rotary", True), ("learned", False)):
        ours, _ = TWIN.having({"positions": kind}).build()
        e = ours.token(np.tile(np.arange(8), 2)[None])
        e = e + ours.position(np.arange(16)) if kind == "learned" else e
        q, k = ours.query(e), ours.key(e)
        if kind == "rotary":
            q, k = (by_hand.rotate(a, by_hand.angles(16, 32)) for a in (q, k))
        scores = (q @ k.swapaxes(1, 2))[0]
        assert (error(scores[8:, 8:], scores[:8, :8]) < 1e-14) is same


def test_rotary_positions_copy_in_longer_sequences_too_on_both_sides(run: Trained) -> None:
    assert run.agree
    assert run.metrics["copied/val"] > 0.99
    assert script.beyond(run) > 0.99
    x, target = run.data.longer()
    with torch.no_grad():
        z = run.torch(torch.from_numpy(x)).numpy()
    right = (z.argmax(axis=-1) == target)[:, run.data.back :].mean(axis=0)
    assert np.array_equal(right, script.by_place(run.manual, run.data))


def test_learned_positions_copy_as_far_as_they_were_trained_sines_a_little_further_and_without_any_nothing_is_copied() -> None:
    none, sines, rows, turned = (script.after_training(kind) for kind in KINDS)
    assert none.max() < 0.35
    assert min(of[:13].mean() for of in (sines, rows, turned)) > 0.9
    assert turned[13:].min() > 0.95
    assert rows[13:].mean() < 0.2
    assert rows[13:].mean() < sines[13:].mean() < 0.6


# ---- the data, the pair --------------------------------------------------------------------------


def test_what_is_right_stands_so_many_places_before() -> None:
    data = Copies(seed=3, length=6, back=2, sequences=20)
    assert data.longest == 12
    assert TWIN.having({}, {"length": 6}).hyperparameters()["length"] == 12
    for x, target in (data.split.train, data.split.val, data.longer()):
        assert (target[:, :2] == IGNORED).all()
        assert np.array_equal(target[:, 2:], x[:, :-2])
    assert data.longer()[0].shape == (200, 12)
    for wrong in ({"back": 0}, {"back": 16}, {"sequences": 0}):
        with pytest.raises(InputError, match=r"--data\.back must be from 1"):
            Copies(**wrong)


@pytest.mark.parametrize("side", [TWIN.manual, TWIN.torch], ids=["by hand", "torch"])
@pytest.mark.parametrize("wrong", [{"d_model": 5}, {"positions": "rotating"}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"Copying: .*{name}.*got.*{value}"):
        side(**wrong)


def test_figure_has_one_score_for_each_distance_on_the_left_and_many_on_the_right() -> None:
    left, right = script.distance().axes
    theirs, ours = left.lines
    assert error(ours.get_ydata(), theirs.get_ydata()) < 1e-14
    of_rotary, of_rows = ([np.ptp(line.get_ydata()[line.get_xdata() == n]) for n in range(-20, 21)] for line in (ours, right.lines[0]))
    assert max(of_rotary) < 1e-13
    assert min(of_rows) > 0.5
