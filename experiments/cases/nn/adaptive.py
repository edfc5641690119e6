"""Cases for the adaptive poolings."""

from __future__ import annotations

import numpy as np

from experiments.cases.nn.pooling import far_apart, with_places
from experiments.judge.case import Built, case


@case("AdaptiveAvgPool2d", empty=True)
def mean_adaptive(rng: np.random.Generator, N: int, C: int, I: int, J: int, H: int, W: int) -> Built:
    """More or fewer entries in y than in x, and windows that overlap where one size does not divide the other."""
    return Built({"output_size": (I, J)}, [rng.normal(size=(N, C, H, W))])


@case("AdaptiveAvgPool2d")
def mean_adaptive_one_axis(rng: np.random.Generator, C: int, I: int, H: int, W: int) -> Built:
    return Built({"output_size": (None, I)}, [rng.normal(size=(C, H, W))])


@case("AdaptiveAvgPool2d")
def mean_of_everything(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"output_size": 1}, [rng.normal(size=(N, C, H, W))])


@case("AdaptiveMaxPool2d", empty=True)
def largest_adaptive(rng: np.random.Generator, N: int, C: int, I: int, J: int, H: int, W: int) -> Built:
    return Built({"output_size": (I, J)}, [far_apart(rng, (N, C, H, W))])


@case("AdaptiveMaxPool2d")
def largest_adaptive_one_axis(rng: np.random.Generator, C: int, I: int, H: int, W: int) -> Built:
    return Built({"output_size": (I, None)}, [far_apart(rng, (C, H, W))])


@case("AdaptiveMaxPool2d", smooth=False)
def largest_adaptive_ties(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"output_size": 2}, [rng.integers(0, 3, (N, C, 3 + H, 3 + W)).astype(float)])


@case("AdaptiveMaxPool2d", **with_places("AdaptiveMaxPool2d"), empty=True)
def places_adaptive(rng: np.random.Generator, N: int, C: int, I: int, J: int, H: int, W: int) -> Built:
    return Built({"output_size": (I, J)}, [far_apart(rng, (N, C, H, W))])


@case("AdaptiveAvgPool1d", empty=True)
def mean_adaptive_1d(rng: np.random.Generator, N: int, C: int, I: int, T: int) -> Built:
    return Built({"output_size": I}, [rng.normal(size=(N, C, T))])


@case("AdaptiveAvgPool1d")
def mean_adaptive_1d_unbatched(rng: np.random.Generator, C: int, T: int) -> Built:
    return Built({"output_size": (3,)}, [rng.normal(size=(C, T))])


@case("AdaptiveMaxPool1d", empty=True)
def largest_adaptive_1d(rng: np.random.Generator, N: int, C: int, I: int, T: int) -> Built:
    return Built({"output_size": I}, [far_apart(rng, (N, C, T))])


@case("AdaptiveMaxPool1d", **with_places("AdaptiveMaxPool1d"))
def places_adaptive_1d(rng: np.random.Generator, C: int, I: int, T: int) -> Built:
    return Built({"output_size": I}, [far_apart(rng, (C, T))])
