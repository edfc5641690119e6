"""Cases of networks.overfitting: a polynomial's weights, and the concept."""

from __future__ import annotations

from functools import partial

import numpy as np

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built
from experiments.judge.function_case import function_case
from experiments.judge.registry import judged_by

PATH = "networks.overfitting"


@function_case(PATH, "polynomial", empty=True)
def weights(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(size=N), rng.normal(size=D)], differentiated=(1,))


judged_by("overfitting.Overfitting", partial(judge_concept, "overfitting"))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "a vector is its own transpose": (
        "overfitting.polynomial_backward:transpose:powers(x, len(c) - 1).T @ dL_dy_hat => powers(x, len(c) - 1).T @ dL_dy_hat.T:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
