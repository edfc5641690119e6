"""Cases: the functions of calculus.derivatives and their derivatives, and the gradient of its cubic."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from experiments.judge.case import Built
from experiments.judge.compare import error
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by
from manual.calculus import derivatives as by_hand
from torch_impl.calculus import derivatives as in_torch

PATH = "calculus.derivatives"
WEIGHTS = ("w0", "w1", "w2", "w3")


def away_from_zero(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random numbers of both signs, between 0.3 and 2 in size."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 2, shape)


@function_case(PATH, "add", empty=True)
def sums(rng: np.random.Generator, N: int, D: int) -> Any:
    return [rng.normal(size=(N, D)), rng.normal(size=(N, D))]


@function_case(PATH, "multiply", empty=True)
def products(rng: np.random.Generator, N: int, D: int) -> Any:
    return [rng.normal(size=(N, D)), rng.normal(size=(N, D))]


@function_case(PATH, "divide", empty=True)
def quotients(rng: np.random.Generator, N: int, D: int) -> Any:
    return [rng.normal(size=(N, D)), away_from_zero(rng, N, D)]


@function_case(PATH, "power", empty=True)
def cubes(rng: np.random.Generator, N: int, D: int) -> Any:
    return Built({}, [away_from_zero(rng, N, D)], {"n": 3})


@function_case(PATH, "power", empty=True)
def one_over_square(rng: np.random.Generator, N: int, D: int) -> Any:
    return Built({}, [away_from_zero(rng, N, D)], {"n": -2})


@function_case(PATH, "power", empty=True)
def roots(rng: np.random.Generator, N: int) -> Any:
    return Built({}, [rng.uniform(0.3, 2, N)], {"n": 0.5})


@function_case(PATH, "power", empty=True)
def constant(rng: np.random.Generator, N: int, D: int) -> Any:
    x = rng.normal(size=(N, D))
    x[:1, :1] = 0  # also here x⁰ does not grow
    return Built({}, [x], {"n": 0})


@function_case(PATH, "log", empty=True)
def logarithms(rng: np.random.Generator, N: int, D: int) -> Any:
    return [rng.uniform(0.2, 3, (N, D))]


@function_case(PATH, "relu", empty=True)
def both_sides_of_the_kink(rng: np.random.Generator, N: int, D: int) -> Any:
    return [away_from_zero(rng, N, D)]


@function_case(PATH, "relu", smooth=False)
def on_the_kink(rng: np.random.Generator, N: int, D: int) -> Any:
    return [np.where(rng.random((N, D)) < 0.4, 0.0, rng.normal(size=(N, D)))]


def any_number(rng: np.random.Generator, N: int, D: int) -> Any:
    return [rng.normal(0, 1.5, (N, D))]


for name in ("bell", "exp", "sin", "sigmoid", "tanh", "softplus", "gelu"):
    function_case(PATH, name, empty=True)(any_number)


def judge_cubic(seed: int) -> dict[str, float]:
    """The error of the loss and of its four derivatives, at random coefficients and points."""
    rng = np.random.default_rng(seed)
    x, y, p = rng.normal(size=7), rng.normal(size=7), dict(zip(WEIGHTS, rng.normal(size=4), strict=True))
    values = by_hand.forward(x, **p)
    at = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in p.items()}
    y_hat = in_torch.forward(torch.from_numpy(x), **at)["y_hat"]
    loss = in_torch.loss(y_hat, torch.from_numpy(y))
    wanted = dict(zip(("y_hat", *WEIGHTS), torch.autograd.grad(loss, (y_hat, *(at[name] for name in WEIGHTS))), strict=True))
    gradient = by_hand.backward(x, y, **values, **p)
    return {"loss": error(by_hand.loss(values["y_hat"], y), loss)} | {name: error(gradient[name], g) for name, g in wanted.items()}


judged_by("derivatives.backward", judge_cubic)
