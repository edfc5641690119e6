"""Cases for the normalisations over each channel of each example."""

from __future__ import annotations

import numpy as np
from torch import nn

from experiments.cases.nn.normalization import less_bias
from experiments.judge.case import Built, case


@case("InstanceNorm1d", empty=True, least={"L": 4})
def instances(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"num_features": C}, [rng.normal(2, 3, size=(N, C, L))])


@case("InstanceNorm1d", least={"L": 4})
def one_instance(rng: np.random.Generator, C: int, L: int) -> Built:
    return Built({"num_features": C, "affine": True, "track_running_stats": True}, [rng.normal(2, 3, size=(C, L))])


@case("InstanceNorm1d", least={"L": 4})
def running_statistics_stand_still(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"num_features": C, "momentum": None, "track_running_stats": True, "eps": 0.02}, [rng.normal(2, 3, size=(N, C, L))])


@case("InstanceNorm1d", training=False)
def one_instance_in_eval(rng: np.random.Generator, C: int, L: int) -> Built:
    return Built({"num_features": C, "affine": True, "track_running_stats": True}, [rng.normal(2, 3, size=(C, L))])


@case("InstanceNorm2d")
def affine_tracked(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    arguments = {"num_features": C, "affine": True, "track_running_stats": True, "momentum": 0.3}
    return Built(arguments, [rng.normal(2, 3, size=(N, C, H, W))])


@case("InstanceNorm2d", reference=less_bias(nn.InstanceNorm2d))
def affine_without_bias(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "affine": True, "bias": False}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("InstanceNorm2d")
def one_image(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "affine": True}, [rng.normal(2, 3, size=(C, H, W))])


@case("InstanceNorm2d", training=False)
def images_in_eval(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "affine": True, "track_running_stats": True}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("InstanceNorm2d", training=False)
def images_in_eval_untracked(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C}, [rng.normal(2, 3, size=(N, C, H, W))])


@case("InstanceNorm2d", training=False)
def images_in_eval_not_affine(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"num_features": C, "track_running_stats": True, "eps": 0.1}, [rng.normal(2, 3, size=(N, C, H, W))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "x_hat comes twice: (−x_hat) · mean(dL_dx_hat · (−x_hat)) = x_hat · mean(dL_dx_hat · x_hat)": (
        "_InstanceNorm.backward:sign:x_hat.reshape(rows) => -x_hat.reshape(rows):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
