"""Sequences of random symbols, to be written backwards."""

from __future__ import annotations

import numpy as np

from experiments.data.arrays import ArrayData, InputError, Split


class Reversed(ArrayData):
    """Sequences of random symbols, and each backwards.

    Args:
        batch_size: sequences in a batch; 0 puts all of them into one.
        seed: of the sequences and of the order of the batches.
        length: of each.
        symbols: how many different ones there are.
        sequences: to train on; a quarter as many are held out.

    Raises:
        InputError: if one of the last three is below 1.
    """

    def __init__(self, batch_size: int = 64, seed: int = 0, length: int = 16, symbols: int = 10, sequences: int = 2048) -> None:
        super().__init__(batch_size, seed)
        if min(length, symbols, sequences) < 1:
            raise InputError(
                f"--data.length, --data.symbols and --data.sequences must be at least 1, got {length}, {symbols} and {sequences}"
            )
        self.length, self.symbols, self.sequences = length, symbols, sequences

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        parts = [rng.integers(0, self.symbols, (n, self.length)) for n in (self.sequences, max(self.sequences // 4, 1))]
        return Split(*((x, np.ascontiguousarray(x[:, ::-1])) for x in parts))
