"""Cases for the division by neighbouring channels."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("LocalResponseNorm", empty=True)
def images(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"size": 3, "alpha": 0.7}, [rng.normal(0, 2, size=(N, C, H, W))])


@case("LocalResponseNorm", least={"C": 5})
def an_even_window(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    """One neighbour more before than behind."""
    return Built({"size": 4, "alpha": 1.3, "beta": 1.6, "k": 2.2}, [rng.normal(0, 2, size=(N, C, T))])


@case("LocalResponseNorm")
def a_window_of_all_channels(rng: np.random.Generator, N: int, C: int, D: int, H: int, W: int) -> Built:
    return Built({"size": 19, "alpha": 2.0, "beta": 0.5}, [rng.normal(0, 2, size=(N, C, D, H, W))])


@case("LocalResponseNorm")
def by_default(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    return Built({"size": 1}, [rng.normal(0, 30, size=(N, C, T))])
