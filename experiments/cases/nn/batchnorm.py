"""Cases for the normalisations over the batch.

A batch whose rows are all equal (the layout "repeated") has variance 0 where only the batch is averaged over; eps is then all that
is left of the divisor, and torch's own float32 rounds at eps^-1/2 times its input: those cases say eps = 0.1.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from experiments.cases.nn.normalization import less_bias
from experiments.judge.case import Built, case


@case("BatchNorm1d", least={"B": 4})
def rows(rng: np.random.Generator, B: int, C: int) -> Built:
    return Built({"num_features": C, "eps": 0.1, "momentum": 0.3}, [rng.normal(2, 3, size=(B, C))])


@case("BatchNorm1d", empty=True, least={"L": 4})
def sequence(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"num_features": C}, [rng.normal(2, 3, size=(N, C, L))])


@case("BatchNorm1d", least={"L": 4})
def cumulative_average(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"num_features": C, "momentum": None}, [rng.normal(2, 3, size=(N, C, L))])


@case("BatchNorm1d", training=False)
def eval_rows(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"num_features": C}, [rng.normal(size=(N, C))])


@case("BatchNorm2d", empty=True)
def images(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "momentum": 0.3}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("BatchNorm2d")
def not_affine(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "affine": False, "eps": 0.02}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("BatchNorm2d", reference=less_bias(nn.BatchNorm2d))
def no_bias(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "bias": False}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("BatchNorm2d")
def untracked(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "track_running_stats": False}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("BatchNorm2d", training=False)
def eval_untracked(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "track_running_stats": False}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("BatchNorm2d", training=False)
def eval_tracked(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "affine": False}, [rng.normal(2, 3, size=(N, C, H, W))])
