"""Splits, and batches in an order that can be entered anywhere."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from experiments.data.arrays import ArrayData, InputError, Split, put_together, split_at_random, standardise
from experiments.data.digits import DigitImages, Digits
from experiments.data.loaders import ResumableLoader, Rows, ShuffledOrder
from tests.helpers import SILENT


def loader(n: int = 13, batch_size: int = 4, seed: int = 0) -> ResumableLoader:
    return ResumableLoader(Rows(torch.arange(n)), batch_size, seed)


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


@pytest.mark.parametrize("held_out", [0.0, 0.3, 0.7])
def test_what_was_split_is_put_together_in_its_old_order(held_out: float) -> None:
    arrays = np.arange(40.0)[:, None], np.arange(40)
    for seed in range(3):
        whole = put_together(split_at_random(arrays, held_out, seed), seed)
        assert all(np.array_equal(a, b) for a, b in zip(whole, arrays, strict=True))
    assert not np.array_equal(put_together(split_at_random(arrays, 0.3, 0), 1)[1], arrays[1])


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


def test_an_order_is_philoxs_permutation_for_its_seed_and_epoch_from_its_start_on() -> None:
    """What a checkpoint of an earlier version goes on with."""
    order = ShuffledOrder(13, seed=5)
    assert (len(order), order.epoch, order.start) == (13, 0, 0)
    for epoch, start in ((0, 0), (2, 0), (2, 8)):
        order.epoch, order.start = epoch, start
        expected = np.random.Generator(np.random.Philox(key=5, counter=[0, 0, 0, epoch])).permutation(13)
        assert list(order) == expected[start:].tolist()


def test_a_loader_says_how_far_it_is() -> None:
    batches = loader()
    assert batches.state_dict() == {"epoch": 0, "batch": 0}
    for i, _ in enumerate(batches, 1):
        assert batches.state_dict() == {"epoch": 0, "batch": i}
    next(iter(batches))
    assert batches.state_dict() == {"epoch": 1, "batch": 1}


def test_a_loader_that_was_left_at_the_end_of_an_epoch_goes_on_with_the_whole_next_one() -> None:
    whole, again = loader(), loader()
    epoch(whole)
    again.load_state_dict(whole.state_dict())
    assert epoch(again) == epoch(whole)
    assert again.state_dict() == {"epoch": 1, "batch": 4}


class Few(ArrayData):
    """Eleven rows to train on, seven held out."""

    loaded = 0

    def load(self) -> Split:
        self.loaded += 1
        x = np.arange(18.0)[:, None]
        return Split((x[:11], np.arange(11)), (x[11:], np.arange(11, 18)))


def rows(loader: Iterable[Any]) -> list[list[int]]:
    """Which rows each batch has; both arrays must say the same."""
    found = []
    for x, c in loader:
        assert x[:, 0].tolist() == c.tolist()
        found.append(c.tolist())
    return found


def test_both_parts_come_in_batches_in_their_dtypes_and_the_held_out_one_in_order() -> None:
    data = Few(batch_size=4, seed=3)
    assert (data.batch_size, data.seed, Few().batch_size, Few().seed) == (4, 3, 32, 0)
    data.setup()
    train, val = rows(data.train_dataloader()), rows(data.val_dataloader())
    assert [len(batch) for batch in train] == [4, 4, 3]
    assert train == [batch.tolist() for _, batch in ResumableLoader(Rows(*[torch.arange(11)] * 2), 4, 3)]
    assert [row for batch in val for row in batch] == list(range(11, 18))
    assert data.loaded == 1
    x, c = next(iter(data.train_dataloader()))
    assert (x.dtype, c.dtype) == (torch.float32, torch.int64)
    assert x.shape == (4, 1)


@pytest.mark.parametrize(("precision", "dtype"), [("64-true", torch.float64), ("32-true", torch.float32)])
def test_floats_have_the_precision_of_the_trainer(precision: Any, dtype: torch.dtype) -> None:
    data = Few()
    data.trainer = pl.Trainer(precision=precision, **SILENT)
    for found in (data.train_dataloader(), data.val_dataloader()):
        x, c = next(iter(found))
        assert (x.dtype, c.dtype) == (dtype, torch.int64)


def test_a_data_module_goes_on_where_it_was() -> None:
    data, again = Few(batch_size=4), Few(batch_size=4)
    assert data.state_dict() == {}
    batches = iter(data.train_dataloader())
    first = [next(batches)[1].tolist() for _ in range(2)]
    assert data.state_dict() == {"epoch": 0, "batch": 2, "digest": data.digest()}
    again.load_state_dict(data.state_dict())
    assert [*first, *rows(again.train_dataloader())] == rows(Few(batch_size=4).train_dataloader())


def test_other_data_have_another_digest() -> None:
    """Whatever differs: a number, a shape, a dtype, the order, what is held out."""
    split = Few().split
    (x, c), (x_val, c_val) = split.train, split.val
    others = [
        Split((x + 1e-15 * (x == x.max()), c), split.val),
        Split((x, c[::-1]), split.val),
        Split((x.astype(np.float32), c), split.val),
        Split((x.reshape(len(x), -1, 1), c), split.val),
        Split((x[:-1], c[:-1]), split.val),
        Split(split.train, (x_val, c_val + 1)),
        Split(split.train, (x_val[1:], c_val[1:])),
    ]
    digests = [digest_of(s) for s in (split, *others)]
    assert len(set(digests)) == len(digests)
    assert digest_of(Split((x.copy(order="F"), c.copy()), split.val)) == digests[0] == Few(batch_size=3).digest()


def digest_of(split: Split) -> str:
    data = Few()
    data.use(split)
    return data.digest()


def test_batches_that_are_no_rows_have_a_digest_of_their_own() -> None:
    class Pairs(Few):
        factor, held_out = 1.0, 2.0

        def batches(self, epoch: int) -> list[tuple[np.ndarray, ...]]:
            return [(np.arange(3.0) * self.factor,), (np.arange(2.0),)]

        def val_batches(self) -> list[tuple[np.ndarray, ...]]:
            return [(np.full(2, self.held_out),)]

    one, other, third = Pairs(), Pairs(), Pairs()
    other.factor, third.held_out = 2.0, 3.0
    assert len({one.digest(), other.digest(), third.digest()}) == 3
    assert one.digest() == Pairs().digest()
    assert one.loaded == 0, "rows are not asked for"


def test_other_arrays_can_stand_in_and_none_is_loaded_then() -> None:
    data = Few()
    other = Split((np.zeros((2, 1)), np.zeros(2, int)), (np.zeros((0, 1)), np.zeros(0, int)))
    data.use(other)
    assert data.split is other
    assert data.loaded == 0
    assert rows(data.val_dataloader()) == []
    assert data.at_hand()


def test_what_a_subclass_must_bring_is_said() -> None:
    for method in (ArrayData().load, ArrayData().stand_in, ArrayData().setup):
        with pytest.raises(NotImplementedError):
            method()


def test_held_out_rows_are_the_first_of_the_seeds_permutation() -> None:
    order = np.random.default_rng(6).permutation(17)
    split = split_at_random((np.arange(17), np.arange(17) * 2.0), 0.25, seed=6)
    assert split.val[0].tolist() == order[:4].tolist()
    assert split.train[1].tolist() == (order[4:] * 2.0).tolist()


def test_digits_are_sixteenths_and_split_by_the_seed() -> None:
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    split = Digits(seed=4).split
    expected = split_at_random((pixels / 16, digit), 0.2, 4)
    assert all(np.array_equal(a, b) for a, b in zip((*split.train, *split.val), (*expected.train, *expected.val), strict=True))
    assert not np.array_equal(Digits().split.val[1], split.val[1])


def test_a_pass_that_is_broken_off_is_followed_by_the_next_epoch() -> None:
    whole, broken_off = loader(), loader()
    _, second = epoch(whole), epoch(whole)
    next(iter(broken_off))
    assert epoch(broken_off) == second
