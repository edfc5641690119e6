"""Data that are changed for a comparison: what is held out is changed as what is learned from."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.data.arrays import ArrayData, Split
from experiments.data.changes import changed, first_columns


@pytest.mark.parametrize("k", [1, 2])
def test_the_first_columns_of_what_is_learned_from_and_of_what_is_held_out(k: int) -> None:
    x, y, x_val, y_val = np.arange(12.0).reshape(4, 3), np.arange(4), 100 + np.arange(6.0).reshape(2, 3), np.arange(2)
    found = first_columns(k)(Split((x, y), (x_val, y_val)))
    assert [a.tolist() for a in (*found.train, *found.val)] == [x[:, :k].tolist(), y.tolist(), x_val[:, :k].tolist(), y_val.tolist()]
    turned = first_columns(1, array=1)(Split((x, x), (x_val, x_val)))
    assert [a.shape for a in (*turned.train, *turned.val)] == [(4, 3), (4, 1), (2, 3), (2, 1)]


def test_a_changed_data_module_changes_what_it_loads_and_what_stands_in_for_it() -> None:
    class Two(ArrayData):
        def load(self) -> Split:
            return Split((np.ones(3),), (np.ones(2),))

        def stand_in(self) -> Split:
            return Split((np.zeros(3),), (np.zeros(2),))

    data = changed(Two, lambda split: Split(split.train, (split.val[0] + 5,)))(batch_size=2, seed=3)
    assert isinstance(data, Two)
    assert (data.batch_size, data.seed) == (2, 3)
    assert [split.val[0].tolist() for split in (data.load(), data.stand_in())] == [[6, 6], [5, 5]]
    assert data.load().train[0].tolist() == [1, 1, 1]
