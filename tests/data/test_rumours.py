"""Rumours: who hears of it on which day, and groups side by side as one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.data.arrays import InputError
from experiments.data.rumours import Group, Rumours, draw, heard, side_by_side


def test_each_hears_of_it_a_day_after_the_first_friend() -> None:
    tied = np.zeros((7, 7), dtype=bool)
    for i, j in ((0, 1), (1, 2), (2, 3), (3, 4), (5, 6)):
        tied[i, j] = tied[j, i] = True
    assert heard(np.array([1, 0, 0, 0, 0, 0, 0]) == 1, tied).tolist() == [0, 1, 2, 3, 4, -1, -1]
    assert heard(np.array([1, 0, 0, 0, 1, 0, 0]) == 1, tied).tolist() == [0, 1, 2, 1, 0, -1, -1]


def test_a_group_has_each_friendship_twice_and_one_or_two_who_know() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        group = draw(rng, 9)
        pairs = set(map(tuple, group.edges.T.tolist()))
        assert len(pairs) == group.edges.shape[1]
        assert {(j, i) for i, j in pairs} == pairs
        assert all(i != j for i, j in pairs)
        assert group.x.sum() in (1, 2)
        assert ((group.days == 0) == (group.x[:, 0] == 1)).all()


def test_groups_stand_side_by_side_and_no_edge_leads_from_one_to_another() -> None:
    one = Group(np.array([[1.0], [0.0]]), np.array([[0, 1], [1, 0]]), np.array([0, 1]))
    other = Group(np.array([[0.0], [1.0], [0.0]]), np.array([[1, 2], [2, 1]]), np.array([-1, 0, 1]))
    x, edges, graph, y = side_by_side([one, other], 1)
    assert x.ravel().tolist() == [1, 0, 0, 1, 0]
    assert edges.tolist() == [[0, 1, 3, 4], [1, 0, 4, 3]]
    assert graph.tolist() == [0, 0, 1, 1, 1]
    assert y.tolist() == [[2.0], [2.0]]
    assert side_by_side([one, other], 0)[3].tolist() == [[1.0], [1.0]]


def test_an_epoch_has_every_group_once_and_each_another_order() -> None:
    data = Rumours(groups=50, batch_size=16)
    first, second = data.batches(0), data.batches(1)
    assert [len(batch[3]) for batch in first] == [16, 16, 16, 2]
    assert sum(len(batch[0]) for batch in first) == len(data.split.train[0])
    assert not np.array_equal(first[0][0], second[0][0])
    assert all(np.array_equal(a, b) for a, b in zip(first[0], data.batches(0)[0], strict=True))
    assert len(data.split.val[3]) == 300
    assert len(Rumours(groups=50, batch_size=0).batches(0)) == 1


@pytest.mark.parametrize("wrong", [{"groups": 0}, {"people": 3}, {"days": -1}])
def test_bad_arguments_are_named(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(InputError, match=f"--data.{name}.*{value}"):
        Rumours(**wrong)
