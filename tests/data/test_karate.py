"""The karate club: 34 members, 78 ties, 17 on each side, two of whom have a label."""

from __future__ import annotations

import numpy as np

from experiments.data.karate import PRESIDENT, TEACHER, UNLABELLED, KarateClub, club, sides


def test_the_club_is_that_of_zachary() -> None:
    assert (club().number_of_nodes(), club().number_of_edges()) == (34, 78)
    assert np.bincount(sides()).tolist() == [17, 17]
    assert (sides()[TEACHER], sides()[PRESIDENT]) == (0, 1)


def test_two_have_a_label_and_the_others_are_asked_for() -> None:
    data = KarateClub()
    (x, A, y), (_, _, asked) = data.split.train, data.split.val
    assert np.array_equal(x, np.eye(34))
    assert np.array_equal(A, A.T)
    assert set(np.unique(A)) == {0, 1}
    assert A.sum() == 2 * 78
    assert np.flatnonzero(y != UNLABELLED).tolist() == [TEACHER, PRESIDENT]
    assert np.array_equal(np.where(y == UNLABELLED, asked, y), sides())
    assert (asked != UNLABELLED).sum() == 32
    assert data.batches(0)[0] is data.split.train
    assert data.val_batches()[0] is data.split.val


def test_ties_can_be_weighed_and_taken_away() -> None:
    A = KarateClub(weighted=True).split.train[1]
    assert A.sum() == 2 * sum(weight for *_, weight in club().edges(data="weight"))
    assert A[8].sum() == 17
    assert not KarateClub(ties=False).split.train[1].any()


def test_the_second_batch_of_a_check_is_a_smaller_graph_with_labels_of_its_own() -> None:
    whole, part = KarateClub().two_batches(None)
    assert [len(a) for a in whole] == [34] * 3
    assert [a.shape for a in part] == [(20, 34), (20, 20), (20,)]
    assert (part[2] >= 0).sum() == 3
