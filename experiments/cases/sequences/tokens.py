"""Cases of sequences.tokens: the surprise per character, and its slope."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "sequences.tokens"


@function_case(PATH, "per_character")
def counts(rng: np.random.Generator, N: int, V: int) -> Built:
    c = rng.integers(0, 5, (N, V)) + 1.0
    return Built({}, [rng.normal(0, 2, (N, V)), c, c.sum(axis=1) * rng.uniform(1, 4, N)], differentiated=(0,))


@function_case(PATH, "per_character", repeat=False)  # the first row alone, repeated, has nothing to be divided by
def a_row_of_which_nothing_was_seen(rng: np.random.Generator, N: int, V: int) -> Built:
    c = rng.integers(0, 5, (N, V)).astype(float)
    c[:-1][:1], c[-1, 0] = 0, 3
    return Built({}, [rng.normal(0, 2, (N, V)), c, c.sum(axis=1) * rng.uniform(1, 4, N)], differentiated=(0,))


# ---- mistakes that compute the same ----------------------------------------------------------------

TAKEN = "surprise_backward(dL_dy * (c.sum() / characters.sum()), z, "

EQUIVALENT = {
    "all counts times one number, even −1: (n p − c) / N is the same": (
        f"tokens.per_character_backward:sign:{TAKEN}c) => {TAKEN}-c):0",
        f"tokens.per_character_backward:scale:{TAKEN}c) => {TAKEN}2 * c):0",
        f"tokens.per_character_backward:scale:{TAKEN}c) => {TAKEN}0.5 * c):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
