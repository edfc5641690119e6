"""Cases for the linear maps."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("Linear", empty=True)
def plain(rng: np.random.Generator, N: int, I: int, O: int) -> Built:
    return Built({"in_features": I, "out_features": O}, [rng.normal(size=(N, I))])


@case("Linear", empty=True)
def leading_axes_no_bias(rng: np.random.Generator, N: int, T: int, I: int, O: int) -> Built:
    return Built({"in_features": I, "out_features": O, "bias": False}, [rng.normal(size=(N, T, I))])


@case("Bilinear", empty=True)
def bilinear(rng: np.random.Generator, N: int, I: int, J: int, O: int) -> Built:
    arguments = {"in1_features": I, "in2_features": J, "out_features": O}
    return Built(arguments, [rng.normal(size=(N, I)), rng.normal(size=(N, J))])


@case("Bilinear")
def bilinear_leading_axes_no_bias(rng: np.random.Generator, N: int, T: int, I: int, J: int, O: int) -> Built:
    arguments = {"in1_features": I, "in2_features": J, "out_features": O, "bias": False}
    return Built(arguments, [rng.normal(size=(N, T, I)), rng.normal(size=(N, T, J))])


@case("Bilinear")
def bilinear_of_vectors(rng: np.random.Generator, I: int, J: int, O: int) -> Built:
    arguments = {"in1_features": I, "in2_features": J, "out_features": O}
    return Built(arguments, [rng.normal(size=I), rng.normal(size=J)])


@case("Identity", empty=True)
def identity(rng: np.random.Generator, N: int, I: int) -> Built:
    return Built({}, [rng.normal(size=(N, I))])
