"""The most that a call holds at once: of arrays, and of tensors with what autograd keeps."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from experiments.drawing.memory import most_held_by_hand, most_held_in_torch

N = 50_000
SIZE = 8 * N


def test_by_hand_it_is_the_most_at_once_and_not_the_sum() -> None:
    there = np.zeros(N)

    def call() -> None:
        held = [np.zeros(N) for _ in range(5)]
        del held[2:]
        held.append(there)
        held.append(np.zeros(N))

    assert most_held_by_hand(call) == pytest.approx(5 * SIZE, rel=0.01)
    assert most_held_by_hand(lambda: None) < SIZE / 100
    assert not tracemalloc.is_tracing()


def test_in_torch_what_is_forgotten_counts_no_more_and_views_and_changes_in_place_never() -> None:
    def call() -> None:
        x = torch.zeros(N, dtype=torch.float64)
        for _ in range(10):
            x = x + 1
        x.view(2, -1).mul_(2)

    assert most_held_in_torch(call) == 2 * SIZE


@pytest.mark.parametrize("layers", [3, 10])
def test_what_autograd_keeps_counts_until_the_way_back(layers: int) -> None:
    x = torch.zeros(N, dtype=torch.float64, requires_grad=True)

    def call() -> None:
        h = x
        for _ in range(layers):
            h = torch.relu(h * 1.5)
        h.sum().backward()

    assert layers * SIZE <= most_held_in_torch(call) <= (layers + 3) * SIZE
    with torch.no_grad():
        assert most_held_in_torch(lambda: torch.relu(x * 1.5)) == 2 * SIZE
