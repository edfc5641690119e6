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
