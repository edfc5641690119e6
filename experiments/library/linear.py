"""Cases for the linear maps."""

from __future__ import annotations

import numpy as np

from experiments.library.case import Built, case


@case("Linear", empty=True)
def plain(rng: np.random.Generator, N: int, I: int, O: int) -> Built:
    return Built({"in_features": I, "out_features": O}, [rng.normal(size=(N, I))])


@case("Linear", empty=True)
def leading_axes_no_bias(rng: np.random.Generator, N: int, T: int, I: int, O: int) -> Built:
    return Built({"in_features": I, "out_features": O, "bias": False}, [rng.normal(size=(N, T, I))])
