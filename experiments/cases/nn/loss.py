"""Cases for the losses of numbers. Backward answers for the predictions, the first input unless said otherwise, and not for targets.

A sum of terms of both signs may cancel, and then agrees in fewer digits: in all cases of losses, where the loss is one number its terms are
positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built, case


def loss(arguments: dict[str, Any], *inputs: Any, predictions: tuple[int, ...] = (0,)) -> Built:
    """A case in which these inputs are predictions, and the others targets."""
    return Built(arguments, list(inputs), differentiated=predictions)


def pair_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    """Numbers against numbers."""
    return loss({}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


def pair_sum(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    """Numbers against numbers."""
    return loss({"reduction": "sum"}, rng.normal(0, 2, size=(N, D, E)), rng.normal(size=(N, D, E)))


def pair_none(rng: np.random.Generator, N: int, D: int) -> Built:
    """Numbers against numbers."""
    return loss({"reduction": "none"}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss"):
    case(name)(pair_mean)
    case(name, empty=True)(pair_sum)
    case(name, empty=True)(pair_none)


@case("HuberLoss", empty=True)
def delta(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"reduction": "sum", "delta": 1.7}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


@case("SmoothL1Loss")
def beta(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"beta": 1.7}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


@case("SmoothL1Loss", empty=True)
def beta_0(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"beta": 0.0, "reduction": "none"}, rng.normal(0, 2, size=(N, D)), rng.normal(size=(N, D)))


@case("PoissonNLLLoss")
def log_rate_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({}, rng.uniform(-2, -0.2, size=(N, D)), rng.integers(0, 6, (N, D)))


@case("PoissonNLLLoss", empty=True)
def log_rate_full_sum(rng: np.random.Generator, N: int, D: int) -> Built:
    t = rng.integers(0, 6, (N, D)).astype(float)  # of integers torch takes the logarithm in float32
    return loss({"full": True, "reduction": "sum"}, rng.uniform(-2, -0.2, size=(N, D)), t)


@case("PoissonNLLLoss", empty=True)
def rate_full_none(rng: np.random.Generator, N: int, D: int) -> Built:
    arguments = {"log_input": False, "full": True, "eps": 0.3, "reduction": "none"}
    return loss(arguments, rng.uniform(0.2, 3, size=(N, D)), rng.uniform(0, 5, size=(N, D)))


@case("PoissonNLLLoss")
def rate_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return loss({"log_input": False}, rng.uniform(0.1, 0.9, size=(N, D)), rng.integers(1, 6, (N, D)).astype(float))


def gaussian(rng: np.random.Generator, arguments: dict[str, Any], shape: tuple[int, ...], var_shape: tuple[int, ...]) -> Built:
    """Mean, target and a variance above 1."""
    return loss(arguments, rng.normal(size=shape), rng.normal(size=shape), rng.uniform(1.1, 3, size=var_shape), predictions=(0, 2))


@case("GaussianNLLLoss")
def variance_each_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return gaussian(rng, {}, (N, D), (N, D))


@case("GaussianNLLLoss")
def variance_shared_mean(rng: np.random.Generator, N: int, D: int) -> Built:
    return gaussian(rng, {}, (N, D), (N, 1))


@case("GaussianNLLLoss", empty=True)
def variance_without_last_axis_full_sum(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return gaussian(rng, {"full": True, "reduction": "sum"}, (N, D, E), (N, D))


@case("GaussianNLLLoss", empty=True)
def variance_shared_inner_none(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return gaussian(rng, {"full": True, "reduction": "none"}, (N, D, E), (N, 1, E))


@case("GaussianNLLLoss", empty=True, smooth=False)  # the bound of the variance is not differentiated
def variance_bounded_none(rng: np.random.Generator, N: int, D: int) -> Built:
    var = rng.uniform(0.2, 1, size=(N, D))
    return loss({"eps": 0.5, "reduction": "none"}, rng.normal(size=(N, D)), rng.normal(size=(N, D)), var, predictions=(0, 2))
