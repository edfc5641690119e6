"""Contrastive: gradients by three judges, where InfoNCE begins and the least it can be, and who is told by the codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import shift as shift_of_scipy
from scipy.special import softmax

from experiments.data.arrays import InputError, Split
from experiments.data.digits import Digits
from experiments.data.pairs import DigitPairs, moved, moved_by_chance
from experiments.drawing.walk import losses
from experiments.judge.compare import error
from experiments.judge.convert import made_of, to_numpy
from experiments.judge.differences import check_grads
from experiments.lesson import Trained
from experiments.unsupervised import contrastive as script
from experiments.unsupervised.contrastive import TWIN, told
from manual.unsupervised import contrastive as by_hand
from tests.helpers import whole_run
from torch_impl.unsupervised import contrastive as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


@pytest.fixture(scope="module")
def data() -> DigitPairs:
    """The twin's."""
    made: Any = TWIN.make_data()
    return made


def test_gradients_are_those_of_autograd_and_of_central_differences() -> None:
    a, b, h, other = np.random.default_rng(0).normal(size=(4, 5, 3))
    check_grads(
        lambda h: by_hand.normalize(h), [h], again=[2 * other], backward=lambda dL_da, h: by_hand.normalize_backward(dL_da, h),
        torch=lambda h: in_torch.normalize(h),
    )  # fmt: skip
    check_grads(
        lambda a, b: by_hand.info_nce(a, b, 0.3), [a, b], again=[b, other],
        backward=lambda dL_dy, a, b: by_hand.info_nce_backward(dL_dy, a, b, 0.3), torch=lambda a, b: in_torch.info_nce(a, b, 0.3),
    )  # fmt: skip


@pytest.mark.parametrize("variant", [None, *TWIN.variants])
def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences(
    variant: str | None, data: DigitPairs
) -> None:
    ours, theirs = TWIN.having({"hidden": 7, "dimensions": 4}).build(2, variant=variant)
    first, second = data.batches(0)[0]
    check_grads(ours, (first[:6], second[:6]), again=(first[6:10], second[6:10]), torch=theirs)


# ---- the data --------------------------------------------------------------------------------------


def test_pictures_are_moved_as_scipy_moves_them() -> None:
    x = np.random.default_rng(0).uniform(size=(7, 64))
    down, right = np.array([0, 1, -2, 0, 3, -1, 8]), np.array([0, -1, 2, 1, 0, -3, 0])
    for picture, d, r, found in zip(x, down, right, moved(x, down, right), strict=True):
        assert np.array_equal(found.reshape(8, 8), shift_of_scipy(picture.reshape(8, 8), (d, r), order=0))
    assert np.array_equal(moved(x, 0 * down, 0 * right), x)
    assert np.array_equal(moved_by_chance(x, 0, np.random.default_rng(0)), x)


def test_pairs_are_two_views_of_one_digit_drawn_anew_and_all_ways_alike_often() -> None:
    data, x = DigitPairs(seed=1), np.zeros((1438, 64))
    x[:, 8 * 3 + 4] = np.arange(1, 1439)  # a dot each, of another darkness
    data.use(Split((x,), (x[:300],)))
    batches = data.batches(0)
    assert [len(a) for batch in batches for a in batch] == [128] * 22
    first, second = (np.concatenate(views) for views in zip(*batches, strict=True))
    assert np.array_equal(first.max(axis=1), second.max(axis=1))
    assert len(set(first.max(axis=1))) == 1408
    places = np.bincount(np.concatenate([first.argmax(axis=1), second.argmax(axis=1)]), minlength=64).reshape(8, 8)[2:5, 3:6]
    assert places.sum() == 2816  # none is moved by more than one
    assert np.abs(places / 2816 - 1 / 9).max() < 4 * np.sqrt(1 / 9 * 8 / 9 / 2816)
    equal = (first.argmax(axis=1) == second.argmax(axis=1)).mean()
    assert abs(equal - 1 / 9) < 4 * np.sqrt(1 / 9 * 8 / 9 / 1408)
    assert np.array_equal(batches[3][1], data.batches(0)[3][1])
    assert not np.array_equal(batches[0][0], data.batches(1)[0][0])
    assert [len(a) for batch in data.val_batches() for a in batch] == [128] * 4
    assert len(DigitPairs(batch_size=0).batches(0)) == 1


def test_bad_arguments_of_the_data_are_named() -> None:
    with pytest.raises(InputError, match=r"--data.shift must not be negative, got -1"):
        DigitPairs(shift=-1)


# ---- where it begins, and where it cannot get ------------------------------------------------------


def simplex(N: int) -> np.ndarray:
    """N arrows of length 1 in N dimensions, any two with a cosine of −1/(N − 1)."""
    corners = np.eye(N) - 1 / N
    return corners / np.linalg.norm(corners, axis=1, keepdims=True)


@pytest.mark.parametrize(("N", "temperature"), [(2, 0.5), (5, 0.2), (9, 1.0)])
def test_codes_that_are_all_alike_give_log_N_and_the_corners_of_a_simplex_the_least(N: int, temperature: float) -> None:
    alike, best, rng = np.tile([[0.6, 0.8]], (N, 1)), simplex(N), np.random.default_rng(0)
    least = by_hand.least_loss(N, temperature)
    for side, a, loss in ((by_hand, alike, np.log(N)), (by_hand, best, least)):
        assert side.info_nce(a, a, temperature) == pytest.approx(loss, rel=1e-13)
        assert in_torch.info_nce(torch.from_numpy(a), torch.from_numpy(a), temperature).item() == pytest.approx(loss, rel=1e-13)
    for dL_da in by_hand.info_nce_backward(1.0, best, best, temperature):
        assert np.abs(by_hand.normalize_backward(dL_da, 3 * best)).max() < 1e-15  # no turn makes it less
    h = torch.from_numpy(3 * best).requires_grad_()
    in_torch.info_nce(in_torch.normalize(h), in_torch.normalize(h), temperature).backward()
    assert np.abs(to_numpy(h.grad)).max() < 1e-15
    for _ in range(20):
        a, b = by_hand.normalize(best + 0.1 * rng.normal(size=(2 * N, N)).reshape(2, N, N)[0]), by_hand.normalize(best)
        assert by_hand.info_nce(a, b, temperature) > least
    assert by_hand.info_nce(by_hand.normalize(rng.normal(size=(N, N))), best, temperature) > least


def test_a_longer_h_has_the_same_code_and_gets_no_gradient_along_itself() -> None:
    h, dL_da = np.random.default_rng(0).normal(size=(2, 6, 4))
    assert error(by_hand.normalize(7 * h), by_hand.normalize(h)) < 1e-15
    dL_dh = by_hand.normalize_backward(dL_da, h)
    assert np.abs((dL_dh * h).sum(axis=1)).max() < 1e-15
    assert error(by_hand.normalize_backward(dL_da, 7 * h), dL_dh / 7) < 1e-15


# ---- what is learned -------------------------------------------------------------------------------


def test_alone_each_side_begins_at_log_128_and_learns_to_tell(data: DigitPairs) -> None:
    ours, theirs = TWIN.having({"lr": 0.006}).build()
    batches = [batch for epoch in range(10) for batch in data.batches(epoch)]
    for side, of in zip((ours, theirs), losses(ours, theirs, batches), strict=True):
        assert of[0] == pytest.approx(np.log(128), rel=0.03)
        assert of[-1] < 2.5
        assert told(data, lambda x, side=side: made_of(side, x)) > 0.75
    assert 0.5 < told(data, script.pixels) < 0.6


def test_a_short_run_agrees() -> None:
    lockstep, theirs = whole_run(replace(TWIN, trainer={"max_epochs": 4}))
    assert lockstep.judge.passed, lockstep.judge.failure
    x = TWIN.make_data().split.val[0]
    assert error(made_of(lockstep.hand.model, x), made_of(theirs, x)) < 1e-10


@pytest.mark.long
def test_the_declared_run_tells_nine_of_ten_moved_digits_on_both_sides(data: DigitPairs) -> None:
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert told(data, script.pixels) == pytest.approx(0.565, abs=0.001)
    (x,), steps = data.split.val, (-2, -1, 1, 2)
    for side in (lockstep.hand.model, theirs):
        assert told(data, lambda x, side=side: made_of(side, x)) > 0.9
        for right in steps:  # as "how far" says
            pictures = moved(x, np.zeros(len(x), int), np.full(len(x), right))
            assert told(data, lambda x, side=side: made_of(side, x), pictures) > told(data, script.pixels, pictures) + 0.15
        assert told(data, lambda x, side=side: made_of(side, x), x) < told(data, script.pixels, x)
    ours = Trained(lockstep.hand.model, theirs, TWIN.make_data(), (), {}, True)
    assert script.matched(ours) > 0.9


def test_what_is_logged_is_the_probability_of_the_right_answers() -> None:
    ours, theirs = TWIN.build()
    a, b = Digits().split.val[0][:20], Digits().split.val[0][3:23]
    ours.validation_step((a, b), 0)
    p = softmax(script.cosines(made_of(theirs, a), made_of(theirs, b)) / 0.2, axis=1)
    assert ours.logged["sure/val"] == (pytest.approx(np.trace(p) / 20), 20)
    assert ours.logged["loss/val"] == (pytest.approx(-np.log(p.diagonal()).mean()), 20)


@SIDES
@pytest.mark.parametrize("wrong", [{"dimensions": 0}, {"hidden": 0}, {"temperature": 0.0}, {"temperature": float("nan")}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Contrastive: dimensions and hidden must be at least 1 and temperature above 0, got .*(0|nan)"):
        side.Contrastive(**wrong)


# ---- what the figures say --------------------------------------------------------------------------


def test_figures_show_both_sides(data: DigitPairs) -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, data)
    assert list(drawn) == ["the question", "who is nearest", "how far"]
    by_pixels, by_us, of_torch = (ax.images[0].get_array() for ax in drawn["the question"].axes[:3])
    assert error(by_us, of_torch) < 1e-13
    assert 0 < by_pixels.min() < by_pixels.max() < 1 + 1e-15
    of_torch, by_us, *_ = (np.asarray(line.get_ydata()) for line in drawn["how far"].axes[0].lines)
    assert np.array_equal(by_us, of_torch)
