"""Rumours in small groups of friends: who tells whom, and how many know after some days."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from experiments.data.arrays import ArrayData, InputError, Split
from manual.concept import Batch

TIES = 1.6
"""How many friends each has on average, nearly: few enough that a rumour does not reach everybody at once."""


class Group(NamedTuple):
    """One graph."""

    x: np.ndarray  # (n, 1): 1 for who knows from the beginning
    edges: np.ndarray  # (2, E): every friendship twice, once each way
    days: np.ndarray  # (n,): on which day each hears of it; -1 for never


def draw(rng: np.random.Generator, n: int) -> Group:
    """A group of n people: each two are friends with probability TIES / n, and one or two people know."""
    tied = np.triu(rng.random((n, n)) < TIES / n, 1)
    tied = tied | tied.T
    x = np.zeros((n, 1))
    x[rng.permutation(n)[: rng.integers(1, 3)]] = 1
    return Group(x, np.array(np.nonzero(tied)), heard(x[:, 0] == 1, tied))


def heard(knows: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """On which day each hears of it; -1 for never. Shapes: knows (n,), tied (n, n), the result (n,)."""
    days, today = np.where(knows, 0, -1), 0
    while len(new := np.flatnonzero((days < 0) & tied[days == today].any(axis=0))):
        today += 1
        days[new] = today
    return days


def side_by_side(groups: Sequence[Group], days: int) -> Batch:
    """Groups as one graph: x (N, 1), edges (2, E), the group of each person (N,), and how many know after so many days (G, 1)."""
    sizes = [len(group.x) for group in groups]
    first = np.cumsum([0, *sizes[:-1]])
    return (
        np.concatenate([group.x for group in groups]),
        np.concatenate([group.edges + start for group, start in zip(groups, first, strict=True)], axis=1),
        np.repeat(np.arange(len(groups)), sizes),
        np.array([[float(((group.days >= 0) & (group.days <= days)).sum())] for group in groups]),
    )


class Rumours(ArrayData):
    """Groups of four people and more, 300 of them held out.

    Args:
        batch_size: groups in a batch; 0 puts all of them into one.
        seed: of the groups and of their order.
        groups: to train on.
        people: the most in a group.
        days: after which the question is asked.

    Shapes: see `side_by_side`.
    """

    def __init__(self, batch_size: int = 32, seed: int = 0, groups: int = 500, people: int = 10, days: int = 2) -> None:
        super().__init__(batch_size, seed)
        if groups < 1 or people < 4 or days < 0:
            raise InputError(
                "--data.groups must be at least 1, --data.people at least 4 and --data.days not negative, "
                f"got {groups}, {people} and {days}"
            )
        self.groups, self.people, self.days = groups, people, days

    @cached_property
    def drawn(self) -> list[Group]:
        """All groups: those that are trained on, and then those that are held out."""
        rng = np.random.default_rng(self.seed)
        return [draw(rng, int(rng.integers(4, self.people + 1))) for _ in range(self.groups + 300)]

    @property
    def trained_on(self) -> list[Group]:
        """So many as `groups` says."""
        return self.drawn[: self.groups]

    @property
    def held_out(self) -> list[Group]:
        """300 others."""
        return self.drawn[self.groups :]

    def load(self) -> Split:
        return Split(side_by_side(self.trained_on, self.days), side_by_side(self.held_out, self.days))

    def batches(self, epoch: int) -> list[Batch]:
        """All groups, in another order in each epoch."""
        order = np.random.default_rng((self.seed, epoch)).permutation(self.groups)
        size = self.batch_size or self.groups
        parts = (order[start : start + size] for start in range(0, self.groups, size))
        return [side_by_side([self.drawn[i] for i in part], self.days) for part in parts]

    def val_batches(self) -> list[Batch]:
        """All held-out groups at once."""
        return [self.split.val]
