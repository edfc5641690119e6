"""Cases for the activations. Inputs spread over all pieces of each, and in cases of their own lie at the kinks and far away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from experiments.judge.case import Built, case


def spread(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers of both signs, some of them several units from 0."""
    return rng.normal(0, 2.5, shape)


def defaults(rng: np.random.Generator, N: int, A: int, B: int) -> Built:
    """No argument at all."""
    return Built({}, [spread(rng, N, A, B)])


for name in ("ReLU", "ReLU6", "LeakyReLU", "Hardtanh", "Hardswish", "ELU", "SELU", "CELU", "Softplus"):
    case(name, empty=True)(defaults)
for name in ("Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "Softsign", "SiLU", "Mish", "GELU"):
    case(name, empty=True)(defaults)


class ExactHardsigmoid(torch.nn.Module):
    """torch.nn.Hardsigmoid from its definition: the gradient of torch's own has a 1/6 rounded to float32, also in float64."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.relu6(x + 3) / 6


case("Hardsigmoid", empty=True, reference=ExactHardsigmoid)(defaults)


def at_kinks(*kinks: float, **arguments: Any) -> Callable[..., Built]:
    """A case whose inputs are kinks, or are so far from 0 that an exponential of them would overflow."""

    def kinks_and_far(rng: np.random.Generator, N: int, A: int, B: int) -> Built:
        return Built(arguments, [rng.choice([*kinks, -800.0, 800.0], size=(N, A, B))])

    return kinks_and_far


for name in ("ReLU", "LeakyReLU", "SELU", "CELU", "Softsign"):
    case(name, empty=True, smooth=False)(at_kinks(0.0))
for name in ("Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "SiLU", "Mish", "GELU"):  # smooth
    case(name, empty=True)(at_kinks(1.0))
case("ReLU6", empty=True, smooth=False)(at_kinks(0.0, 6.0))
case("Hardtanh", empty=True, smooth=False)(at_kinks(-0.5, 1.5, min_val=-0.5, max_val=1.5))
case("Hardsigmoid", empty=True, smooth=False, reference=ExactHardsigmoid)(at_kinks(-3.0, 3.0))
case("Hardswish", empty=True, smooth=False)(at_kinks(-3.0, 3.0))
case("ELU", empty=True, smooth=False)(at_kinks(0.0, alpha=0.3))
case("Softplus", empty=True, smooth=False)(at_kinks(1.5, beta=2.0, threshold=3.0))


@case("LeakyReLU", empty=True)
def slope(rng: np.random.Generator, N: int, A: int) -> Built:
    return Built({"negative_slope": -0.3}, [spread(rng, N, A)])


@case("Hardtanh", empty=True)
def bounds(rng: np.random.Generator, N: int, A: int) -> Built:
    return Built({"min_val": -2.5, "max_val": 0.7}, [spread(rng, N, A)])


@case("ELU", empty=True)
def elu_alpha(rng: np.random.Generator, N: int, A: int) -> Built:
    return Built({"alpha": 0.3}, [spread(rng, N, A)])


@case("CELU", empty=True)
def celu_alpha(rng: np.random.Generator, N: int, A: int) -> Built:
    return Built({"alpha": 0.25}, [spread(rng, N, A)])  # torch's gradient rounds 1 / alpha to float32, so it must be exact there


@case("Softplus", empty=True)
def beta_threshold(rng: np.random.Generator, N: int, A: int) -> Built:
    x = spread(rng, N, A)
    x[np.abs(x - 1.25) < 1e-3] = 1.5  # the jump at beta x = threshold
    return Built({"beta": 2.4, "threshold": 3.0}, [x])


@case("GELU", empty=True)
def approximate(rng: np.random.Generator, N: int, A: int, B: int) -> Built:
    return Built({"approximate": "tanh"}, [spread(rng, N, A, B)])


@case("PReLU", empty=True)
def one_slope(rng: np.random.Generator, N: int, C: int, D: int) -> Built:
    x = np.abs(spread(rng, N, C, D))
    x[-1:, :1, :2] *= -1  # The gradient is one number, in which terms may cancel: two terms are summed alike in any order.
    return Built({}, [x])


@case("PReLU", empty=True, smooth=False)
def kink(rng: np.random.Generator, N: int, A: int) -> Built:
    return Built({}, [rng.choice([0.0, 800.0], size=(N, A))])


@case("PReLU", empty=True)
def channel_slopes(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"num_parameters": C, "init": 0.1}, [spread(rng, N, C)])


@case("PReLU", empty=True)
def channel_slopes_axes(rng: np.random.Generator, N: int, C: int, D: int, E: int) -> Built:
    return Built({"num_parameters": C}, [spread(rng, N, C, D, E)])


@case("PReLU", empty=True)
def one_slope_one_axis(rng: np.random.Generator, N: int) -> Built:
    x = np.abs(spread(rng, N))
    x[-2:] *= -1  # two, as above
    return Built({}, [x])


@case("GLU", empty=True)
def last_axis_halved(rng: np.random.Generator, N: int, A: int) -> Built:
    return Built({}, [spread(rng, N, 2 * A)])


@case("GLU", empty=True)
def inner_axis_halved(rng: np.random.Generator, N: int, A: int, B: int) -> Built:
    return Built({"dim": 1}, [spread(rng, N, 2 * A, B)])
