"""Pairs of pictures that belong together: two views of each digit, moved by chance."""

from __future__ import annotations

import numpy as np

from experiments.data.arrays import InputError
from experiments.data.digits import DigitsAlone
from manual.concept import Batch


def moved(x: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pictures of 8 x 8 pixels, each moved by so many; what leaves the picture is lost, and what comes in is 0.

    Shapes: x and the result (N, 64), down and right (N,) whole numbers; below 0 is up, and left.
    """
    edge = int(max(np.abs(down).max(initial=0), np.abs(right).max(initial=0)))
    framed = np.pad(x.reshape(-1, 8, 8), [(0, 0), (edge, edge), (edge, edge)])
    rows, columns = edge - down[:, None, None] + np.arange(8)[:, None], edge - right[:, None, None] + np.arange(8)  # (N, 8, 1), (N, 1, 8)
    picture = np.arange(len(x))[:, None, None]
    return framed[picture, rows, columns].reshape(-1, 64)


def moved_by_chance(x: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Each picture moved by −most to most pixels, down and to the right. Shapes: both (N, 64)."""
    down, right = rng.integers(-most, most + 1, (2, len(x)))
    return moved(x, down, right)


class DigitPairs(DigitsAlone):
    """Two views of each digit, drawn anew in every epoch; a batch is (first, second), (N, 64) each.

    A batch is also the number of answers to each question, so all are equally large: those few digits that are left over at the end of an
    epoch are passed over.

    Args:
        batch_size: N, digits in a batch; 0 puts all of them into one.
        seed: of the split, the order and the views.
        shift: pixels by which a view is moved at most, either way.
    """

    def __init__(self, batch_size: int = 128, seed: int = 0, shift: int = 1) -> None:
        super().__init__(batch_size, seed)
        if shift < 0:
            raise InputError(f"--data.shift must not be negative, got {shift}")
        self.shift = shift

    def batches(self, epoch: int) -> list[Batch]:
        (x,) = self.split.train
        return self.pairs(x, np.random.default_rng([self.seed, epoch]))

    def val_batches(self) -> list[Batch]:
        (x,) = self.split.val
        return self.pairs(x, np.random.default_rng([self.seed, 0, 1]))

    def two_batches(self, module: object) -> list[Batch]:
        """A batch, and some rows of another."""
        batches = self.batches(0)
        return [batches[0], tuple(a[: len(a) // 2 + 3] for a in batches[-1])]

    def pairs(self, x: np.ndarray, rng: np.random.Generator) -> list[Batch]:
        """These digits in any order, in batches of equal size."""
        N = min(self.batch_size or len(x), len(x))
        order = rng.permutation(len(x))[: len(x) // N * N]
        return [(moved_by_chance(x[rows], self.shift, rng), moved_by_chance(x[rows], self.shift, rng)) for rows in order.reshape(-1, N)]
