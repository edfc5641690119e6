"""Dropout: the mean over all masks by counting them, ridge by its closed form and scikit-learn, and what a forgotten mask does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from experiments.judge.compare import error
from experiments.judge.convert import to_numpy
from experiments.judge.differences import check_grads
from experiments.judge.noise import SharedNoise, share_hand, share_torch
from experiments.networks import dropout as script
from experiments.networks.dropout import NAMES, TWIN
from manual import nn
from manual.networks import dropout as by_hand
from manual.regression import ridge
from tests.helpers import whole_run
from torch_impl.networks import dropout as in_torch

SIDES = pytest.mark.parametrize("side", [by_hand, in_torch], ids=["by hand", "torch"])


class Given:
    """A stream that hands out one mask: 1 where a number is kept."""

    def __init__(self, keep: np.ndarray) -> None:
        self.keep = keep

    def random(self, size: tuple[int, ...]) -> np.ndarray:
        """Just below 1 where it is kept, 0 elsewhere."""
        assert self.keep.shape == size
        return 0.999 * self.keep


def all_masks(shape: tuple[int, int], p: float) -> Iterator[tuple[np.ndarray, float]]:
    """Every mask of this shape, and how probable it is."""
    for bits in product((0, 1), repeat=shape[0] * shape[1]):
        yield np.reshape(bits, shape), float(np.prod([1 - p if kept else p for kept in bits]))


def problem(seed: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random x, y and W."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.4, 1, (rows, columns)), rng.normal(size=(rows, 1)), rng.normal(size=(columns, 1))


def over_all_masks(line: by_hand.Line, x: np.ndarray, y: np.ndarray, W: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """The mean over all masks of the prediction, of the squared error, and of ∂L/∂W."""
    line.W[...] = W
    y_hat, loss, dL_dW = np.zeros(y.shape), 0.0, np.zeros(W.shape)
    for keep, probability in all_masks(x.shape, line.dropout.p):
        line.dropout.rng = Given(keep)
        line.zero_grad()
        found = line(x)
        line.backward(2 * (found - y) / len(y))
        y_hat += probability * found
        loss += probability * ((found - y) ** 2).mean()
        dL_dW += probability * line.W.grad
    return y_hat, loss, dL_dW


# ---- the layer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_the_layer_is_the_librarys_to_the_last_bit(training: bool) -> None:
    x, dL_dy = np.random.default_rng(0).normal(size=(2, 50, 7))
    ours, library = (cls(0.3, rng=np.random.default_rng(5)).train(training) for cls in (by_hand.Dropout, nn.Dropout))
    assert np.array_equal(ours(x), library(x))
    assert np.array_equal(ours.backward(dL_dy), library.backward(dL_dy))


def test_what_is_left_out_is_zero_both_ways_and_the_rest_is_divided() -> None:
    x = np.random.default_rng(0).normal(size=(4000, 5))
    layer = by_hand.Dropout(0.2, rng=np.random.default_rng(1))
    x_tilde = layer(x)
    keep = x_tilde != 0
    assert abs(keep.mean() - 0.8) < 4 * np.sqrt(0.2 * 0.8 / x.size)
    assert np.array_equal(x_tilde[keep], x[keep] / 0.8)
    assert np.array_equal(layer.backward(x), x_tilde)  # the same mask
    assert not np.array_equal(layer(x), x_tilde)  # another one


# ---- the mean over all masks ---------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5])
def test_counted_out_over_all_masks_the_loss_is_least_squares_and_a_price(p: float) -> None:
    x, y, W = problem(0, 3, 3)
    y_hat, loss, dL_dW = over_all_masks(by_hand.Line(3, p, dtype=np.float64), x, y, W)
    assert error(y_hat, x @ W) < 1e-14
    assert loss == pytest.approx(by_hand.expected_loss(x, y, W, p), rel=1e-14)
    assert loss == pytest.approx(((x @ W - y) ** 2).mean() + p / (1 - p) * ((x**2) @ (W**2)).mean(), rel=1e-14)
    assert error(dL_dW, 2 * x.T @ (x @ W - y) / 3 + 2 * by_hand.price(x, p)[:, None] * W) < 1e-14


def test_at_the_solution_the_mean_gradient_is_zero() -> None:
    x, y, _ = problem(1, 4, 3)
    best = by_hand.solution(x, y, 0.4)
    assert np.abs(over_all_masks(by_hand.Line(3, 0.4), x, y, best)[2]).max() < 1e-14
    lowest = by_hand.expected_loss(x, y, best, 0.4)
    assert all(by_hand.expected_loss(x, y, best + 0.01 * e[:, None], 0.4) > lowest for e in (*np.eye(3), *-np.eye(3)))


def test_without_the_mask_on_the_way_back_the_mean_gradient_is_that_of_least_squares() -> None:
    x, y, W = problem(2, 3, 3)
    line = by_hand.Line(3, 0.4)
    line.__class__ = script.LineWithoutMask
    _, loss, dL_dW = over_all_masks(line, x, y, W)
    assert loss == pytest.approx(by_hand.expected_loss(x, y, W, 0.4), rel=1e-14)  # forward is right
    assert error(dL_dW, 2 * x.T @ (x @ W - y) / 3) < 1e-14


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_the_solution_is_scikit_learns_ridge_on_columns_of_size_1(p: float) -> None:
    x, y = TWIN.make_data().split.train
    size = np.sqrt((x**2).mean(axis=0))
    fitted = Ridge(alpha=len(x) * p / (1 - p), fit_intercept=False).fit(x / size, y[:, 0]).coef_ / size
    assert error(by_hand.solution(x, y, p)[:, 0], fitted) < 1e-12
    W, b = ridge.solution(x, y, p / (1 - p))  # these columns have size 1 already
    assert error(by_hand.solution(x, y, p), W) < 1e-12
    assert abs(b[0]) < 1e-14


# ---- the pair ------------------------------------------------------------------------------------


def test_gradient_of_the_concept_scales_accumulates_and_is_that_of_autograd_and_of_central_differences() -> None:
    ours, theirs = TWIN.build(seed=3)
    x, y, _ = problem(0, 7, 10)
    ours.eval(), theirs.eval()  # else each forward draws another mask: for these see the cases
    check_grads(ours, (x, y), again=(x[:4], y[:4]), torch=theirs, names=NAMES)


def test_the_mean_is_that_of_all_weights_after_those_that_settle() -> None:
    ours, theirs = TWIN.having({"settle": 3}).build()
    share_hand(ours, SharedNoise(0)), share_torch(theirs, SharedNoise(0))
    paths = script.walk(ours, theirs, script.ManyMasks(1).batches(0)[0], 8, NAMES)
    for path in paths:
        for step in range(1, 9):
            wanted = path["line.W"][3:step].mean(axis=0) if step > 3 else path["line.W"][step - 1]
            assert error(path["mean_W"][step], wanted) < 1e-14
            assert path["steps"][step] == step


def test_a_short_run_agrees_and_is_nearer_to_ridge_than_to_least_squares() -> None:
    lockstep, theirs = whole_run(replace(TWIN.having({}, {"copies": 4}), trainer={"max_epochs": 4}))
    assert lockstep.judge.passed, lockstep.judge.failure
    data = TWIN.make_data()
    for mean_W in (lockstep.hand.model.mean_W, to_numpy(theirs.mean_W)):
        assert script.farthest(mean_W, 0.5, data) < 0.006
        assert script.farthest(mean_W, 0.0, data) > 0.4


@pytest.mark.long
def test_the_mean_of_a_run_is_ridge_to_5e_4_on_both_sides() -> None:
    lockstep, theirs = whole_run(TWIN)
    assert lockstep.judge.passed, lockstep.judge.failure
    assert len(lockstep.records) == 2000
    x, y = TWIN.make_data().split.train
    by_sklearn = Ridge(alpha=len(x), fit_intercept=False).fit(x, y[:, 0]).coef_
    for mean_W in (lockstep.hand.model.mean_W, to_numpy(theirs.mean_W)):
        assert np.linalg.norm(mean_W - by_hand.solution(x, y, 0.5)) < 5e-4
        assert np.linalg.norm(mean_W[:, 0] - by_sklearn) < 5e-4
    last = np.linalg.norm(lockstep.hand.model.line.W - by_hand.solution(x, y, 0.5))
    assert last > 3e-3, "a single W jitters"


@SIDES
@pytest.mark.parametrize("wrong", [{"p": 1.0}, {"p": -0.1}, {"features": 0}, {"settle": -1}])
def test_bad_arguments_are_named(side: Any, wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"(DroppedInputs|Dropout): .*{name}.*, got .*{value}"):
        side.DroppedInputs(**wrong)


# ---- what figures and texts say ------------------------------------------------------------------


def test_dropout_lowers_the_held_out_loss_of_the_network_on_both_sides_and_eval_mode_is_needed() -> None:
    without, dropped = (script.read(which) for which in script.PARTS)
    for *_, losses in (without, dropped):
        assert error(losses[:, 0], losses[:, 1]) < 1e-8
    for side in (0, 1):
        of_hundred, held_out = without[2][-1, side]
        with_dropout = dropped[2][-1, side]
        assert of_hundred < 0.002
        assert with_dropout[0] > 5 * of_hundred
        assert with_dropout[1] < 0.9 * held_out
        assert script.read_right("with dropout", True)[side] > script.read_right("with dropout", False)[side] + 0.05
    assert abs(script.read_right("with dropout", True)[0] - script.read_right("without dropout", True)[0]) < 0.02
    assert script.read_right("without dropout", True) == script.read_right("without dropout", False)


def test_figures_show_both_sides_the_mask_and_the_price() -> None:
    ours, theirs = TWIN.build()
    drawn = script.figures(ours, theirs, TWIN.make_data())
    assert list(drawn) == ["it is ridge", "the same mask", "digits", "the price"]
    of_ridge = drawn["it is ridge"].axes[1].lines
    curves = [line.get_ydata() for line in of_ridge]
    assert all(error(b, a) < 1e-10 for a, b in zip(curves[::2], curves[1::2], strict=True))
    assert curves[0][-1] < 0.005 < 0.3 < curves[2][-1]
    x, keep, x_tilde, dL_dx_tilde, _, dL_dx = (ax.images[0].get_array() for ax in drawn["the same mask"].axes)
    assert np.allclose(x_tilde, 2 * x * keep, rtol=1e-12)
    assert np.allclose(dL_dx, 2 * dL_dx_tilde * keep, rtol=1e-12)
    assert 0.3 < keep.mean() < 0.7
    x, y = TWIN.make_data().split.train
    for p in script.PS:
        for side in (0, 1):
            assert script.farthest(script.means(p)[side][-1][:, None], p, TWIN.make_data()) < 0.015
    lengths = [np.linalg.norm(by_hand.solution(x, y, p)) for p in (0.0, *script.PS)]
    assert (np.diff(lengths) < 0).all()


def test_networks_of_both_sides_begin_alike() -> None:
    first = script.network_by_hand(0.2, 0.5).state_dict()
    assert list(first) == list(script.network_in_torch(0.2, 0.5).state_dict())
    assert all(isinstance(script.network_in_torch(0.2, 0.5)[i], torch.nn.Dropout) for i in (0, 3))
