"""Zachary's karate club: who met whom, and whom each of the 34 members followed when the club split (networkx's copy)."""

from __future__ import annotations

from functools import cache
from typing import Any

import networkx as nx
import numpy as np

from experiments.data.arrays import ArrayData, Split
from manual.concept import Batch

TEACHER, PRESIDENT = 0, 33
"""The members whose answers are known: Mr. Hi, who taught, and the president, called John A. Networkx counts members from 0."""

UNLABELLED = -100
"""In place of a class, where nobody says it: torch's ignore_index."""


@cache
def club() -> nx.Graph:
    """The graph. Not to be changed."""
    return nx.karate_club_graph()


@cache
def sides() -> np.ndarray:
    """Whom each member followed: 0 the teacher, 1 the president's new club; (34,). Not to be changed."""
    return np.array([int(club().nodes[i]["club"] == "Officer") for i in club()])


class KarateClub(ArrayData):
    """The one graph: of 34 members two have a label, and the other 32 are asked for when it is validated.

    Args:
        seed: is not used: nothing is drawn.
        ties: False takes all of them away.
        weighted: whether a tie counts as often as there were places where the two met outside the club, 1 to 7; else it counts as 1.

    Shapes: x (34, 34), a 1 for each member in a column of its own; A (34, 34); y (34,), -100 where there is no label.
    """

    def __init__(self, seed: int = 0, ties: bool = True, weighted: bool = False) -> None:
        super().__init__(0, seed)
        self.ties, self.weighted = ties, weighted

    def load(self) -> Split:
        A = self.ties * nx.to_numpy_array(club(), weight="weight" if self.weighted else None)
        known = np.isin(np.arange(len(A)), (TEACHER, PRESIDENT))
        y, asked = np.where(known, sides(), UNLABELLED), np.where(known, UNLABELLED, sides())
        return Split((np.eye(len(A)), A, y), (np.eye(len(A)), A, asked))

    def batches(self, epoch: int) -> list[Batch]:
        """The graph."""
        return [self.split.train]

    def val_batches(self) -> list[Batch]:
        """The graph, and other questions."""
        return [self.split.val]

    def two_batches(self, module: Any) -> list[Batch]:
        """The graph; and its first 20 members with the ties among them, of whom three have labels."""
        x, A, y = self.split.train
        some = y[:20].copy()
        some[[4, 9]] = sides()[[4, 9]]
        return [self.split.train, (x[:20], A[:20, :20], some)]
