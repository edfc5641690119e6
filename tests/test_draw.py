"""From probabilities and uniform numbers to actions: what both sides draw is NumPy's searchsorted, at ties and at the ends too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import manual.sampling
import torch_impl.sampling
from experiments.judge.convert import to_numpy
from tests.helpers import where_there_is_cuda

DEVICES = ["cpu", *where_there_is_cuda(["cuda"])]
BELOW_ONE = np.nextafter(1.0, 0.0)


def on_both_sides(p: Any, u: Any, device: str = "cpu") -> np.ndarray:
    """What is drawn, after seeing that both sides draw it, as integers of one kind and shape."""
    p, u = np.asarray(p), np.asarray(u)
    by_hand = manual.sampling.draw(p, u)
    in_torch = to_numpy(torch_impl.sampling.draw(torch.tensor(p, device=device), torch.tensor(u, device=device)))
    assert by_hand.dtype == in_torch.dtype == np.int64
    assert by_hand.shape == in_torch.shape == u.shape
    assert np.array_equal(by_hand, in_torch)
    return by_hand


@pytest.mark.parametrize(
    ("p", "u", "action"),
    [
        ([1.0], 0.0, 0),
        ([1.0], BELOW_ONE, 0),
        ([0.0, 1.0], 0.0, 1),  # u on the end of a stretch without length
        ([1.0, 0.0], BELOW_ONE, 0),
        ([0.0, 0.5, 0.0, 0.5, 0.0], 0.0, 1),
        ([0.0, 0.5, 0.0, 0.5, 0.0], np.nextafter(0.5, 0.0), 1),
        ([0.0, 0.5, 0.0, 0.5, 0.0], 0.5, 3),  # a tie: the stretch that begins there, and has a length
        ([0.0, 0.5, 0.0, 0.5, 0.0], BELOW_ONE, 3),
        ([0.25, 0.25, 0.5], 0.25, 1),
        ([0.25, 0.25, 0.5], 0.5, 2),
        ([0.1] * 10, BELOW_ONE, 9),  # the sum is .9999999999999999, which is this u
        ([0.1] * 10 + [0.0], BELOW_ONE, 9),
        ([0.3, 0.3, 0.0], 0.9, 1),  # far from summing to 1, and yet never the impossible
    ],
)
def test_ends_and_ties(p: list[float], u: float, action: int) -> None:
    assert on_both_sides(p, u) == action


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (0,)])
def test_it_is_what_searchsorted_says(shape: tuple[int, ...], dtype: str, device: str) -> None:
    rng = np.random.default_rng(0)
    for actions in (1, 2, 9):
        p = rng.dirichlet(np.full(actions, 0.5), shape).astype(dtype)
        cdf = np.cumsum(p.reshape(-1, actions), axis=1, dtype=np.float64)
        chance = rng.random(shape)
        on_a_step = cdf[np.arange(len(cdf)), rng.integers(actions, size=len(cdf))].reshape(shape).clip(max=BELOW_ONE)
        for u in (chance, on_a_step) if device == "cpu" else (chance,):  # a sum in another order ends beside the step
            wanted = [min(np.searchsorted(row, v, side="right"), actions - 1) for row, v in zip(cdf, u.ravel(), strict=True)]
            assert on_both_sides(p, u, device).ravel().tolist() == wanted


def test_one_distribution_serves_many_numbers() -> None:
    u = np.random.default_rng(1).random((4, 6))
    p = [0.2, 0.5, 0.3]
    assert on_both_sides(p, u).tolist() == [[int(on_both_sides(p, v)) for v in row] for row in u]


def test_actions_come_as_often_as_their_probability_says() -> None:
    """Of 200,000 draws each count lies within five standard deviations; the impossible never comes."""
    p, n = np.array([0.05, 0.0, 0.6, 0.35]), 200_000
    counts = np.bincount(on_both_sides(p, np.random.default_rng(2).random(n)), minlength=4)
    assert np.all(np.abs(counts - n * p) <= 5 * np.sqrt(n * p * (1 - p)))
