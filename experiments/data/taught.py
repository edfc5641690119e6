"""Digits, and what a teacher says of them: a network that was trained before, whose scores are data for another."""

from __future__ import annotations

from functools import cache

import numpy as np

from experiments.data.arrays import InputError, Split
from experiments.data.digits import Digits
from manual import nn, optim
from manual.module import no_grad


@cache
def teacher(seed: int, epochs: int = 20) -> nn.Sequential:
    """64 → 128 → ReLU → 10, trained by hand on all digits of the training part of this split, labels and all. Not to be changed."""
    rng = np.random.default_rng(seed)
    network = nn.Sequential(nn.Linear(64, 128, rng=rng), nn.ReLU(), nn.Linear(128, 10, rng=rng))
    (x, y), loss, adam = Digits(seed=seed).split.train, nn.CrossEntropyLoss(), optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for rows in np.array_split(rng.permutation(len(x)), -(-len(x) // 64)):
            adam.zero_grad()
            loss(network(x[rows]), y[rows])
            network.backward(loss.backward())
            adam.step()
    return network


class TaughtDigits(Digits):
    """Digits, the teacher's scores for them, and which they are; of one kind of digit none is learned from. A batch is (x, v, y).

    The teacher is trained when the data are loaded, once: for whoever learns from it, its scores are numbers like the pixels.

    Args:
        batch_size: digits in a batch; 0 puts all of them into one.
        seed: of the split, the order, and the teacher.
        missing: the kind that is not learned from, 0 to 9; −1 for none. It is among those held out, and the teacher has seen it.
    """

    def __init__(self, batch_size: int = 64, seed: int = 0, missing: int = 3) -> None:
        super().__init__(batch_size, seed)
        if not -1 <= missing <= 9:
            raise InputError(f"--data.missing must be a digit, or -1 for none, got {missing}")
        self.missing = missing

    def load(self) -> Split:
        split, network = super().load(), teacher(self.seed)
        with no_grad():
            (x, v, y), val = ((x, network(x), y) for x, y in (split.train, split.val))
        kept = y != self.missing
        return Split((x[kept], v[kept], y[kept]), val)
