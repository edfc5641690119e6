"""A factor that is one number made of a value, as the sum of the weights of the rows: no size of an array, and named all the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.doctor import doctor


def weighted(s: np.ndarray, n: np.ndarray) -> Any:
    return (n * s**2).sum() / n.sum()


def not_divided(dL_dy: Any, s: np.ndarray, n: np.ndarray) -> np.ndarray:
    return dL_dy * 2 * n * s


def divided_by_the_count(dL_dy: Any, s: np.ndarray, n: np.ndarray) -> np.ndarray:
    return dL_dy * 2 * n * s / n.size


def divided_by_another_sum(dL_dy: Any, s: np.ndarray, n: np.ndarray) -> np.ndarray:
    return dL_dy * 2 * n * s / (n + s**2).sum()


@pytest.mark.parametrize(
    ("backward", "sentence"),
    [
        (not_divided, "(the sum of n) times the right one"),
        (divided_by_the_count, "(the mean of n) times the right one"),
        (divided_by_another_sum, "the same multiple of the right one in every entry"),
    ],
)
def test_the_number_is_named(backward: Any, sentence: str) -> None:
    found = doctor(weighted, backward, inputs={"s": (7, 5), "n": (7, 5)})
    (fault,) = found.faults
    assert sentence in fault.what
