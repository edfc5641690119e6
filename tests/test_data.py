"""Splits, and batches in an order that can be entered anywhere."""

from __future__ import annotations

import functools
import operator

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from experiments.data import ArrayData, DigitImages, Digits, InputError, ResumableLoader, Split, split_at_random, standardise


def loader(n: int = 13, batch_size: int = 4, seed: int = 0) -> ResumableLoader:
    return ResumableLoader(TensorDataset(torch.arange(n)), batch_size, seed)


def epoch(batches: ResumableLoader) -> list[list[int]]:
    return [batch.tolist() for (batch,) in batches]


def test_every_epoch_has_every_example_once_in_an_order_of_its_own() -> None:
    batches = loader()
    first, second = epoch(batches), epoch(batches)
    assert [len(b) for b in first] == [4, 4, 4, 1]
    assert sorted(functools.reduce(operator.iadd, first, [])) == sorted(functools.reduce(operator.iadd, second, [])) == list(range(13))
    assert first != second
    again = loader()
    assert [epoch(again), epoch(again)] == [first, second]
    assert epoch(loader(seed=1)) != first


@pytest.mark.parametrize("taken", range(9))
def test_a_loader_goes_on_at_the_next_batch(taken: int) -> None:
    """From within an epoch, from its end, and in later epochs; and again if interrupted twice."""
    whole = loader()
    expected = functools.reduce(operator.iadd, (epoch(whole) for _ in range(4)), [])

    def some(batches: ResumableLoader, n: int) -> list[list[int]]:
        found: list[list[int]] = []
        while len(found) < n:
            for (batch,) in batches:
                found.append(batch.tolist())
                if len(found) == n:
                    break
        return found

    one, two, three = loader(), loader(), loader()
    found = some(one, taken)
    two.load_state_dict(one.state_dict())
    found += some(two, 3)
    three.load_state_dict(two.state_dict())
    found += some(three, 4)
    assert found == expected[: taken + 7]


def test_features_are_standardised_with_what_training_shows() -> None:
    rng = np.random.default_rng(0)
    train, val = rng.normal(3, 2, (50, 3)), rng.normal(9, 1, (7, 3))
    train[:, 1] = val[:, 1] = 5.0
    split = standardise(Split((train, train[:, :1]), (val, val[:, :1])))
    assert split.train[0].mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-14)
    assert split.train[0].std(axis=0) == pytest.approx([1, 0, 1])
    assert split.val[0] == pytest.approx((val - train.mean(axis=0)) / np.where(train.std(axis=0) == 0, 1, train.std(axis=0)))
    assert np.array_equal(split.train[1], train[:, :1])  # targets stay as they are


def test_what_is_held_out_is_not_trained_on() -> None:
    arrays = np.arange(40.0)[:, None], np.arange(40)
    split = split_at_random(arrays, 0.3, seed=2)
    assert (len(split.train[0]), len(split.val[0])) == (28, 12)
    assert sorted([*split.train[1], *split.val[1]]) == list(range(40))
    assert np.array_equal(split.train[0][:, 0], split.train[1])
    assert not np.array_equal(split_at_random(arrays, 0.3, seed=3).val[1], split.val[1])


def test_the_digits() -> None:
    rows, images = Digits().split, DigitImages().split
    assert [a.shape for a in (*rows.train, *rows.val)] == [(1438, 64), (1438,), (359, 64), (359,)]
    assert images.train[0].shape == (1438, 1, 8, 8)
    assert np.array_equal(images.val[0].reshape(359, 64), rows.val[0])
    assert (rows.train[0].min(), rows.train[0].max(), rows.train[0].dtype) == (0, 1, np.float64)
    assert (set(rows.train[1]), rows.train[1].dtype) == (set(range(10)), np.int64)
    assert Digits().split.train[0] is not rows.train[0]


@pytest.mark.parametrize("arguments", [{"batch_size": -1}, {"seed": -2}])
def test_negative_sizes_and_seeds_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"--data\.batch_size and --data\.seed must not be negative, got"):
        ArrayData(**arguments)


def test_a_batch_size_of_zero_is_one_batch_of_all() -> None:
    data = Digits(batch_size=0)
    assert [len(x) for x, _ in data.train_dataloader()] == [1438]
