"""Iris: four lengths of 150 flowers of three kinds."""

from __future__ import annotations

import numpy as np


def iris() -> tuple[np.ndarray, np.ndarray]:
    """x (150, 4): length and width of sepal and petal, in cm; c (150,): 0 setosa, 1 versicolor, 2 virginica (Anderson 1936, Fisher
    1936).
    """
    from sklearn.datasets import load_iris

    x, c = load_iris(return_X_y=True)
    return x, c.astype(np.int64)
