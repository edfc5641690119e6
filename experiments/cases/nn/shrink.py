"""Cases for the activations that make small numbers 0. Inputs in the middle and far away, and in cases of their own at the jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.cases.nn.activation import spread
from experiments.judge.case import Built, case


def shrunk(*edges: float, **arguments: Any) -> Callable[..., Built]:
    """Numbers spread over all pieces, but none close to an edge."""

    def on_all_pieces(rng: np.random.Generator, N: int, A: int, B: int) -> Built:
        x = spread(rng, N, A, B)
        for edge in edges:
            x[np.abs(x - edge) < 1e-3] += 0.01
        return Built(arguments, [x])

    on_all_pieces.__name__ += "_with_arguments" * bool(arguments)
    return on_all_pieces


def at_the_edges(*edges: float, **arguments: Any) -> Callable[..., Built]:
    """Numbers that are edges, or far away."""

    def edges_and_far(rng: np.random.Generator, N: int, A: int, B: int) -> Built:
        return Built(arguments, [rng.choice([*edges, -800.0, 800.0], size=(N, A, B))])

    return edges_and_far


for name in ("Hardshrink", "Softshrink"):
    case(name, empty=True)(shrunk(-0.5, 0.5))
    case(name, empty=True)(shrunk(-1.7, 1.7, lambd=1.7))
    case(name, empty=True, smooth=False)(at_the_edges(-1.5, 1.5, lambd=1.5))
case("Threshold", empty=True)(shrunk(0.7, threshold=0.7, value=-3.2))
case("Threshold", empty=True, smooth=False)(at_the_edges(1.5, threshold=1.5, value=4.0))
