"""Max pooling undone: there and back again, numbers at one place, and what bad input gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from experiments.judge.compare import error
from manual import nn


def test_there_and_back_again_keeps_the_largest_of_each_window() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 9))
    y, places = nn.MaxPool2d((2, 3), return_indices=True)(x)
    back = nn.MaxUnpool2d((2, 3))(y, places, output_size=(7, 9))
    assert np.array_equal(back, np.where(back != 0, x, 0))
    assert np.count_nonzero(back) == y.size
    again, same_places = nn.MaxPool2d((2, 3), return_indices=True)(np.where(back != 0, back, -np.inf))
    assert np.array_equal(again, y)
    assert np.array_equal(same_places, places)


def test_the_backward_of_a_pool_is_an_unpool_at_its_places() -> None:
    rng = np.random.default_rng(1)
    x, pool = rng.normal(size=(2, 3, 6, 8)), nn.MaxPool2d(2, return_indices=True)
    y, places = pool(x)
    dL_dy = rng.normal(size=y.shape)
    assert np.array_equal(pool.backward((dL_dy, None)), nn.MaxUnpool2d(2)(dL_dy, places))


def test_of_two_numbers_for_one_place_the_last_stays_and_both_get_its_gradient() -> None:
    x, places = np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[[0, 0], [5, 0]]])
    layer, twin = nn.MaxUnpool2d(2), torch.nn.MaxUnpool2d(2)
    leaf, upstream = torch.from_numpy(x.copy()).requires_grad_(), np.random.default_rng(2).normal(size=(1, 4, 4))
    y = twin(leaf, torch.from_numpy(places))
    y.backward(torch.from_numpy(upstream))
    assert error(layer(x, places), y) == 0
    assert error(layer.backward(upstream)[0], leaf.grad) == 0


@pytest.mark.parametrize("size", [(3, 5), (2, 3, 5, 5), (5, 4)])
def test_a_size_that_is_less_than_a_stride_away_may_be_asked_for(size: tuple[int, ...]) -> None:
    x, places = np.ones((2, 3, 2, 2)), np.arange(4).reshape(2, 2) * np.ones((2, 3, 1, 1), int)
    y, expected = nn.MaxUnpool2d(2)(x, places, size), torch.nn.MaxUnpool2d(2)(torch.from_numpy(x), torch.from_numpy(places), list(size))
    assert error(y, expected) == 0


X, PLACES = np.ones((1, 2, 2, 2)), np.zeros((1, 2, 2, 2), int)


@pytest.mark.parametrize(
    ("arguments", "inputs", "kind", "words"),
    [
        ((2,), (X, PLACES, (2, 5)), ValueError, r"output_size must be less than stride \(2, 2\) away from \(4, 4\), got \(2, 5\)"),
        ((2,), (X, PLACES, (5,)), ValueError, "output_size must be less than stride"),
        ((2,), (X, PLACES, (2, 5, 5)), ValueError, "output_size must be less than stride"),
        ((2,), (X, PLACES + 16), IndexError, r"MaxUnpool2d: indices must lie in 0 … 15 \(entries of y = 16\), got 16"),
        ((2,), (X, PLACES - 1), IndexError, "got -1"),
        ((2,), (X, PLACES[0]), ValueError, r"indices and x must have one shape, got \(2, 2, 2\) and \(1, 2, 2, 2\)"),
        ((2,), (X, X), TypeError, "MaxUnpool2d: indices must be an array of integers, got float64"),
        ((2,), (X[0, 0], PLACES[0, 0]), ValueError, "MaxUnpool2d: x must have 3 or 4 axes"),
        ((2,), (X[:, :0], PLACES[:, :0]), ValueError, "no axis of x but the batch may be empty"),
        ((1, 1, 4), (X, PLACES), ValueError, "y would have size"),
    ],
)
def test_bad_input_is_named(arguments: tuple[Any, ...], inputs: tuple[Any, ...], kind: type[Exception], words: str) -> None:
    layer = nn.MaxUnpool2d(*arguments)
    with pytest.raises(kind, match=words):
        layer(*inputs)
    layer.check_nothing_saved()


def test_bad_arguments_are_named() -> None:
    for arguments in ((0,), (2, 0), (2, None, -1), ((2, 3, 4),)):
        with pytest.raises(ValueError, match=r"MaxUnpool2d: (kernel_size|stride|padding) must be"):
            nn.MaxUnpool2d(*arguments)
