"""Cases for the functions of manual/numerics/conditioning.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.judge.case import Built
from experiments.judge.central import jacobian
from experiments.judge.derivative_case import derivative_case
from experiments.judge.function_case import function_case
from manual.numerics.conditioning import states

PATH = "numerics.conditioning"


@function_case(PATH, "bowl_condition", repeat=False)
def features(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [0.4 + rng.normal(size=(N + D + 3, D)) * rng.uniform(0.5, 2.0, D)]


@function_case(PATH, "standardise", repeat=False)
def columns(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    return [rng.uniform(-2, 2, D) + rng.normal(size=(N + 2, D)) * rng.uniform(0.5, 2.0, D)]


@function_case(PATH, "standardise", smooth=False, repeat=False)
def a_constant_column(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    """0.1 in every row of the first column."""
    x = rng.normal(0.4, 1.0, (N + 2, D))
    x[:, 0] = 0.1
    return [x]


@function_case(PATH, "standardise", smooth=False, repeat=False)
def zeros_in_a_column(rng: np.random.Generator, N: int, D: int) -> list[Any]:
    x = rng.normal(0.4, 1.0, (N + 2, D))
    x[:, 0] = 0
    return [x]


def through_layers(activation: str) -> None:
    """Cases of a chain with this activation."""

    def layers(rng: np.random.Generator, N: int, D: int, L: int) -> Built:
        return Built({}, [rng.normal(size=(N, D)), rng.normal(size=(L, D, D)) / np.sqrt(D)], call={"activation": activation})

    def no_layers(rng: np.random.Generator, N: int, D: int) -> Built:
        return Built({}, [rng.normal(size=(N, D)), np.zeros((0, D, D))], call={"activation": activation})

    for build in (layers, no_layers):
        build.__name__ = f"{activation}_{build.__name__}"
    function_case(PATH, "deep_chain", empty=True)(layers)
    function_case(PATH, "deep_chain", repeat=False)(no_layers)


for _activation in ("tanh", "linear"):
    through_layers(_activation)


@function_case(PATH, "cliff", empty=True)
def around_1(rng: np.random.Generator, N: int) -> Built:
    return Built({}, [rng.uniform(0.7, 1.2, N)], call={"depth": 7})


@function_case(PATH, "cliff", smooth=False, repeat=False, nonfinite="match")
def far_off(rng: np.random.Generator) -> Built:
    """Beyond the numbers, at 0 and below it."""
    return Built({}, [np.array([1e30, -1e30, 0.0, -1.0, 1.0])], call={"depth": 50})


def at_every_depth(h: np.ndarray, W: np.ndarray, activation: str) -> np.ndarray:
    """∂h[l]/∂h[0], by central differences."""
    return jacobian(lambda h: states(h[None], W, activation)[:, 0], h)


@derivative_case(PATH, "chain_jacobians", by_differences=at_every_depth)
def four_tanh_layers(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=3), rng.normal(size=(4, 3, 3)) / np.sqrt(3), "tanh"]


@derivative_case(PATH, "chain_jacobians", by_differences=at_every_depth)
def four_linear_layers(rng: np.random.Generator) -> list[Any]:
    return [rng.normal(size=3), rng.normal(size=(4, 3, 3)), "linear"]


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "x_hat comes twice: (−x_hat) · mean(dL_dx_hat · (−x_hat)) = x_hat · mean(dL_dx_hat · x_hat)": (
        "conditioning.standardise_backward:sign:standardise(x).T => -standardise(x).T:0",
        "conditioning.standardise_backward:sign:standardize_backward(dL_dx_hat.T, x_hat, std)"
        " => standardize_backward(dL_dx_hat.T, -x_hat, std):0",
    ),
    "the slope of tanh, 1 − h², is the same at −h, and that of no tanh is 1": (
        "conditioning.chain_gradients:sign:states(h, W, activation) => -states(h, W, activation):0",
        "conditioning.chain_jacobians:sign:states(h[None], W, activation)[:, 0] => -states(h[None], W, activation)[:, 0]:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
