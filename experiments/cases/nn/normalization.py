"""Cases for the normalisations: over each example, over groups of channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from experiments.judge.case import Built, case


def less_bias(cls: type[nn.Module]) -> Callable[..., nn.Module]:
    """A factory of torch's class without its bias: the argument `bias` is younger than torch 2.11."""

    def make(bias: bool, **arguments: Any) -> nn.Module:
        assert not bias
        norm = cls(**arguments)
        norm.register_parameter("bias", None)
        return norm

    return make


# ---- over each example ---------------------------------------------------------------------------


@case("LayerNorm", empty=True, least={"D": 4})
def last_axis(rng: np.random.Generator, N: int, T: int, D: int) -> Built:
    return Built({"normalized_shape": D}, [rng.normal(2, 3, size=(N, T, D))])


@case("LayerNorm")
def last_axes(rng: np.random.Generator, N: int, T: int, D: int, E: int) -> Built:
    return Built({"normalized_shape": (D, E), "eps": 0.02}, [rng.normal(2, 3, size=(N, T, D, E))])


@case("LayerNorm", least={"D": 4})
def without_bias(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({"normalized_shape": [D], "bias": False}, [rng.normal(2, 3, size=(N, D))])


@case("LayerNorm", least={"D": 4})
def without_parameters(rng: np.random.Generator, N: int, T: int, D: int) -> Built:
    return Built({"normalized_shape": D, "elementwise_affine": False}, [rng.normal(2, 3, size=(N, T, D))])


@case("LayerNorm")
def more_rows_than_are_worked_on_at_a_time(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({"normalized_shape": 50 * D}, [rng.normal(2, 3, size=(70 * N, 50 * D))])


@case("RMSNorm", empty=True)
def rms_last_axis(rng: np.random.Generator, N: int, T: int, D: int) -> Built:
    return Built({"normalized_shape": D}, [rng.normal(2, 3, size=(N, T, D))])


@case("RMSNorm")
def rms_last_axes(rng: np.random.Generator, N: int, D: int, E: int) -> Built:
    return Built({"normalized_shape": (D, E), "eps": 0.1}, [rng.normal(2, 3, size=(N, D, E))])


@case("RMSNorm")
def rms_without_parameters(rng: np.random.Generator, N: int, T: int, D: int) -> Built:
    return Built({"normalized_shape": D, "elementwise_affine": False}, [rng.normal(2, 3, size=(N, T, D))])


# ---- over groups of channels of each example -----------------------------------------------------


@case("GroupNorm", empty=True)
def group_images(rng: np.random.Generator, N: int, G: int, K: int, H: int, W: int) -> Built:
    return Built({"num_groups": G, "num_channels": G * K}, [rng.normal(2, 3, size=(N, G * K, H, W))])


@case("GroupNorm", least={"K": 4})
def group_rows(rng: np.random.Generator, N: int, G: int, K: int) -> Built:
    return Built({"num_groups": G, "num_channels": G * K, "eps": 0.02}, [rng.normal(2, 3, size=(N, G * K))])


@case("GroupNorm", least={"L": 4}, reference=less_bias(nn.GroupNorm))
def group_without_bias(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"num_groups": C, "num_channels": C, "bias": False}, [rng.normal(2, 3, size=(N, C, L))])


@case("GroupNorm")
def group_without_parameters(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"num_groups": 1, "num_channels": C, "affine": False}, [rng.normal(2, 3, size=(N, C, L))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "x_hat comes twice: (−x_hat) · mean(dL_dx_hat · (−x_hat)) = x_hat · mean(dL_dx_hat · x_hat)": (
        "GroupNorm.backward:sign:fastest(standardize_backward)(dL_dx_hat.reshape(x_hat.shape), x_hat, std)"
        " => fastest(standardize_backward)(dL_dx_hat.reshape(x_hat.shape), -x_hat, std):0",
        "normalization.normalize_rows_backward:sign:standardize_backward(dL_dx_hat, x_hat, std)"
        " => standardize_backward(dL_dx_hat, -x_hat, std):0",
        "RMSNorm.backward:sign:fastest(divide_by_rms_backward)(dL_dx_hat, x_hat, rms)"
        " => fastest(divide_by_rms_backward)(dL_dx_hat, -x_hat, rms):0",
        "normalization.standardize_backward:sign:x_centred = x_hat * std => x_centred = -(x_hat * std):0",
        "normalization.divide_by_rms_backward:sign:(x_hat * rms, x_hat.shape[1]) => (-(x_hat * rms), x_hat.shape[1]):0",
    ),
    "(1, D) becomes the parameter's shape as (D,) does": (
        "normalization.normalize_rows_backward:axis:dL_dy.sum(axis=0) => dL_dy.sum(axis=0, keepdims=True):0",
        "normalization.normalize_rows_backward:axis:(dL_dy * x_hat).sum(axis=0) => (dL_dy * x_hat).sum(axis=0, keepdims=True):0",
    ),
    "the two have one shape": (
        "GroupNorm.backward:stale:fastest(standardize_backward)(dL_dx_hat.reshape(x_hat.shape), x_hat, std).reshape(dL_dy.shape)"
        " => fastest(standardize_backward)(dL_dx_hat.reshape(x_hat.shape), x_hat, std).reshape(dL_dx_hat.shape):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
