"""Cases for the layer that interpolates between numbers."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("Upsample", empty=True)
def nearest_by_factor(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"scale_factor": (2, 3)}, [rng.normal(size=(N, C, H, W))])


@case("Upsample")
def nearest_to_size(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """One axis shrinks, so that some entries of x go nowhere."""
    return Built({"size": (7, 3)}, [rng.normal(size=(N, C, H, 3 + W))])


@case("Upsample")
def nearest_1d(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    return Built({"scale_factor": 2.6}, [rng.normal(size=(N, C, T))])


@case("Upsample")
def nearest_3d_recomputed(rng: np.random.Generator, N: int, C: int, D: int, H: int, W: int) -> Built:
    return Built({"scale_factor": (2.6, 0.7, 1.9), "recompute_scale_factor": True}, [rng.normal(size=(N, C, D, H, W))])


@case("Upsample", empty=True)
def bilinear_by_factor(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"scale_factor": (2.6, 0.7), "mode": "bilinear"}, [rng.normal(size=(N, C, H, W))])


@case("Upsample")
def bilinear_recomputed(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    arguments = {"scale_factor": (1.7, 2.6), "mode": "bilinear", "recompute_scale_factor": True}
    return Built(arguments, [rng.normal(size=(N, C, H, W))])


@case("Upsample")
def bilinear_same_size(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    """A factor too small to change the size changes nothing."""
    return Built({"scale_factor": (1.05, 2), "mode": "bilinear"}, [rng.normal(size=(N, C, H, W))])


@case("Upsample")
def bilinear_corners(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"size": (7, 1), "mode": "bilinear", "align_corners": True}, [rng.normal(size=(N, C, H, W))])


@case("Upsample")
def bilinear_corners_by_factor(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"scale_factor": 2, "mode": "bilinear", "align_corners": True}, [rng.normal(size=(N, C, H, W))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "each step works on an axis of its own, so that their order makes no difference": (
        "Upsample.backward:stale:reversed(self._axes(shape)) => list(self._axes(shape)):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
