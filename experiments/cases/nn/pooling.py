"""Cases for the poolings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import manual.nn
from experiments.judge.case import Built, case
from manual.module import Module


def far_apart(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers no two of which are close, so that no step of a finite difference changes which is largest."""
    size = int(np.prod(shape))
    return (rng.permutation(size).reshape(shape) + rng.uniform(-0.3, 0.3, shape)) * (4 / max(size, 1))


@case("MaxPool2d", empty=True)
def plain(rng: np.random.Generator, N: int, C: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({"kernel_size": (K, L)}, [far_apart(rng, (N, C, K * H + 1, L * W + 1))])


@case("MaxPool2d")
def overlapping(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """Padding, dilation and overlap; the last windows hang over the end."""
    arguments = {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 1), "dilation": (2, 3), "ceil_mode": True}
    return Built(arguments, [far_apart(rng, (N, C, 6 + H, 6 + W))])


@case("MaxPool2d")
def unbatched(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({"kernel_size": 3, "stride": (1, 2), "padding": 1}, [far_apart(rng, (C, 4 + H, 4 + W))])


@case("MaxPool2d", smooth=False)
def ties(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """Only three values, so nearly every window has several largest entries: the first wins."""
    return Built({"kernel_size": (2, 3), "stride": 1}, [rng.integers(0, 3, (N, C, 2 + H, 3 + W)).astype(float)])


@case("MaxPool1d", empty=True)
def plain_1d(rng: np.random.Generator, N: int, C: int, K: int, T: int) -> Built:
    return Built({"kernel_size": K}, [far_apart(rng, (N, C, K * T + 1))])


@case("MaxPool1d")
def overlapping_1d(rng: np.random.Generator, C: int, T: int) -> Built:
    arguments = {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}
    return Built(arguments, [far_apart(rng, (C, 5 + T))])


@case("AvgPool2d", empty=True)
def mean_of_windows(rng: np.random.Generator, N: int, C: int, K: int, L: int, H: int, W: int) -> Built:
    return Built({"kernel_size": (K, L)}, [rng.normal(size=(N, C, K * H + 1, L * W + 1))])


@case("AvgPool2d")
def mean_with_padding(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """Windows overlap, reach into the padding, and hang over its end."""
    arguments = {"kernel_size": (5, 4), "stride": (3, 3), "padding": (2, 1), "ceil_mode": True}
    return Built(arguments, [rng.normal(size=(N, C, 5 + H, 4 + W))])


@case("AvgPool2d")
def mean_without_padding(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    arguments = {"kernel_size": (5, 4), "stride": (3, 3), "padding": (2, 1), "ceil_mode": True, "count_include_pad": False}
    return Built(arguments, [rng.normal(size=(N, C, 5 + H, 4 + W))])


@case("AvgPool2d")
def sum_over_divisor(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    arguments = {"kernel_size": (2, 3), "stride": 2, "padding": 1, "divisor_override": -7}
    return Built(arguments, [rng.normal(size=(C, 2 + H, 3 + W))])


@case("AvgPool1d", empty=True)
def mean_of_windows_1d(rng: np.random.Generator, N: int, C: int, K: int, T: int) -> Built:
    return Built({"kernel_size": K}, [rng.normal(size=(N, C, K * T + 1))])


@case("AvgPool1d")
def mean_without_padding_1d(rng: np.random.Generator, C: int, T: int) -> Built:
    arguments = {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True, "count_include_pad": False}
    return Built(arguments, [rng.normal(size=(C, 4 + T))])


# ---- and where it stood ----------------------------------------------------------------------------


class WeightedByPlace(Module):
    """A pool that returns indices, by hand: its numbers times one more than their places, which have no gradient."""

    def __init__(self, pool: Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: np.ndarray) -> np.ndarray:
        y, places = self.pool(x)
        self.save(places)
        return y * (1 + places).astype(y.dtype)

    def backward(self, dL_dy: np.ndarray) -> Any:
        return self.pool.backward((dL_dy * (1 + self.restore()).astype(dL_dy.dtype), None))


class TorchWeightedByPlace(torch.nn.Module):
    """The same of torch's."""

    def __init__(self, pool: torch.nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, places = self.pool(x)
        return y * (1 + places)


def with_places(name: str) -> dict[str, Any]:
    """The two factories of a case whose outputs tell the places, too."""
    return {
        "hand": lambda **arguments: WeightedByPlace(getattr(manual.nn, name)(return_indices=True, **arguments)),
        "reference": lambda **arguments: TorchWeightedByPlace(getattr(torch.nn, name)(return_indices=True, **arguments)),
    }


@case("MaxPool2d", **with_places("MaxPool2d"), empty=True)
def places(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    arguments = {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 1), "dilation": (2, 3), "ceil_mode": True}
    return Built(arguments, [far_apart(rng, (N, C, 6 + H, 6 + W))])


@case("MaxPool1d", **with_places("MaxPool1d"))
def places_1d(rng: np.random.Generator, C: int, T: int) -> Built:
    return Built({"kernel_size": 3, "stride": 2, "padding": 1}, [far_apart(rng, (C, 5 + T))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "the images are then taken in other groups, and each is pooled alone": (
        "pooling.largest_backward_fast:stale:few_at_a_time(dL_dx, IMAGES) => few_at_a_time(dL_dy, IMAGES):0",
    ),
    "windows that just touch do not overlap, and nothing is added to 0": (
        "pooling.largest_backward_fast:edge:span > stride => span >= stride:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
