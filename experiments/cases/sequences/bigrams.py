"""Cases of sequences.bigrams: the mean surprise at what was counted, and its slope."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "sequences.bigrams"


@function_case(PATH, "surprise")
def counts(rng: np.random.Generator, N: int, V: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, V)), rng.integers(0, 5, (N, V)) + 1.0], differentiated=(0,))


@function_case(PATH, "surprise", repeat=False)  # the first row alone, repeated, has nothing to be divided by
def a_row_of_which_nothing_was_seen(rng: np.random.Generator, N: int, V: int) -> Built:
    c = rng.integers(0, 5, (N, V)).astype(float)
    c[:-1][:1], c[-1, 0] = 0, 3
    return Built({}, [rng.normal(0, 2, (N, V)), c], differentiated=(0,))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "all counts times one number, even −1: (n p − c) / N is the same": (
        "bigrams.Bigrams.backward:sign:surprise_backward(dL_dloss, z, c) => surprise_backward(dL_dloss, z, -c):0",
        "bigrams.Bigrams.backward:scale:surprise_backward(dL_dloss, z, c) => surprise_backward(dL_dloss, z, 2 * c):0",
        "bigrams.Bigrams.backward:scale:surprise_backward(dL_dloss, z, c) => surprise_backward(dL_dloss, z, 0.5 * c):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
