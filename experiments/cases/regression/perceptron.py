"""Cases of manual/regression/perceptron.py."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "regression.perceptron"


@function_case(PATH, "perceptron_loss", least={"N": 5})
def right_and_wrong(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, D)), rng.choice([-1.0, 1.0], (N, D))], differentiated=(0,))


@function_case(PATH, "perceptron_loss", smooth=False)
def no_line_at_all(rng: np.random.Generator, N: int) -> Built:
    z = rng.normal(0, 2, (N, 1))
    z[0] = 0
    return Built({}, [z, rng.choice([-1.0, 1.0], (N, 1))], differentiated=(0,))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "only the sign of z is used": (
        "perceptron.Perceptron.backward:scale:perceptron_loss_backward(dL_dloss, z, y) => perceptron_loss_backward(dL_dloss, 2 * z, y):0",
        "perceptron.Perceptron.backward:scale:perceptron_loss_backward(dL_dloss, z, y) => perceptron_loss_backward(dL_dloss, 0.5 * z, y):0",
    ),
    "there is one column, and the sum over all is added to the one entry of b": (
        "perceptron.Perceptron.backward:axis:dL_dz.sum(axis=0) => dL_dz.sum(axis=None):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
