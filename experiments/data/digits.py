"""Handwritten digits: scikit-learn's 1,797 images of 8 x 8 pixels (Alpaydin and Kaynak, 1998)."""

from __future__ import annotations

from functools import cache

import numpy as np

from experiments.data.arrays import ArrayData, Split, split_at_random


@cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """(1797, 64) pixels, 0 to 16, and (1797,) digits; a text file, which takes longer to read than some trainings. Not to be changed."""
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


class Digits(ArrayData):
    """scikit-learn's 1,797 handwritten digits: 64 pixels, 0 to 16, scaled to 0 to 1; a fifth is held out."""

    shape: tuple[int, ...] = (64,)

    def load(self) -> Split:
        pixels, digit = images()
        return split_at_random(((pixels / 16).reshape(-1, *self.shape), digit.astype(np.int64)), 0.2, self.seed)


class DigitImages(Digits):
    """The same digits as images of one channel, (N, 1, 8, 8)."""

    shape = (1, 8, 8)


class DigitsAlone(Digits):
    """The same digits, and nobody says which they are: a batch is (x,)."""

    def load(self) -> Split:
        split = super().load()
        return Split(split.train[:1], split.val[:1])

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        """What training never sees: which digit each is that is learned from, (N,), and each that is held out, (M,)."""
        (_, y), (_, y_val) = Digits(seed=self.seed).split.train, Digits(seed=self.seed).split.val
        return y[: len(self.split.train[0])], y_val[: len(self.split.val[0])]


def told_by_nearest(known: np.ndarray, digits: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Which digit each row of `asked` is taken for, if it is called what the nearest row of `known` is. (M,).

    Args:
        known: (N, D), numbers of digits whose names are known.
        digits: (N,), these names.
        asked: (M, D).
    """
    squares = (asked**2).sum(axis=1)[:, None] - 2 * asked @ known.T + (known**2).sum(axis=1)  # (M, 1), (M, D) @ (D, N) and (N,)
    return digits[squares.argmin(axis=1)]
