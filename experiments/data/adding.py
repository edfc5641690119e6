"""The adding problem: two numbers of a long sequence are marked, and their sum is asked for at its end."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.data.arrays import ArrayData, InputError, Split
from manual.concept import Batch

ALWAYS_THE_MEAN = 1 / 6
"""The mean squared error of who always says 1: the variance of a sum of two numbers, each uniform between 0 and 1 (1/12 each)."""


class Adding(ArrayData):
    """At each step a number between 0 and 1, and a mark: 1 at one step in each half, else 0. The target is the sum of the two marked.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), section 5.4; in this form: Le, Jaitly and Hinton (2015),
    section 4.1.

    Args:
        batch_size: sequences in a batch; 0 puts all of them into one.
        seed: of the sequences and of the order of the batches.
        steps: T, of a sequence; at least 2.
        sequences: to train on; 1,000 more are held out.

    Shapes: x (N, T, 2), y (N, 1).
    """

    def __init__(self, batch_size: int = 32, seed: int = 0, steps: int = 30, sequences: int = 6400) -> None:
        super().__init__(batch_size, seed)
        if steps < 2 or sequences < 1:
            raise InputError(f"--data.steps must be at least 2 and --data.sequences at least 1, got {steps} and {sequences}")
        self.steps, self.sequences = steps, sequences

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        return Split(self.draw(rng, self.sequences), self.draw(rng, 1000))

    def two_batches(self, module: Any) -> list[Batch]:
        """The first steps of two batches: over all of them the gradient at random weights explodes, and with it every rounding."""
        return [(x[:, :8], y) for x, y in super().two_batches(module)]

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Sequences (n, T, 2), and the sums (n, 1)."""
        T, half = self.steps, self.steps // 2
        x = np.stack([rng.uniform(size=(n, T)), np.zeros((n, T))], axis=2)
        rows = np.arange(n)
        for first, end in ((0, half), (half, T)):
            x[rows, rng.integers(first, end, n), 1] = 1
        return x, x.prod(axis=2).sum(axis=1, keepdims=True)  # a number counts if its mark is 1
