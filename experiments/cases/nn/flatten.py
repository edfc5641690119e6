"""Cases for the layers that only arrange numbers anew."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("Flatten", empty=True)
def plain(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({}, [rng.normal(size=(N, C, H, W))])


@case("Flatten")
def inner_axes(rng: np.random.Generator, N: int, C: int, H: int, W: int, D: int) -> Built:
    return Built({"start_dim": -4, "end_dim": 2}, [rng.normal(size=(N, C, H, W, D))])


@case("Unflatten", empty=True)
def several(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"dim": 1, "unflattened_size": (C, H, W)}, [rng.normal(size=(N, C * H * W))])


@case("Unflatten")
def with_a_rest(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"dim": -2, "unflattened_size": (H, -1)}, [rng.normal(size=(N, C * H, W))])
