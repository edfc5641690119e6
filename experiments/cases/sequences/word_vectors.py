"""Cases of sequences.word_vectors: the game of real and false pairs, and its slope."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built
from experiments.judge.function_case import function_case

PATH = "sequences.word_vectors"


@function_case(PATH, "game")
def pairs(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(0, 2, (N, K)), rng.integers(0, 5, (N, K)) + 0.5, rng.uniform(0, 9, (N, K))], differentiated=(0,))


@function_case(PATH, "game")
def sure_of_all(rng: np.random.Generator, N: int, K: int) -> Built:
    return Built({}, [rng.normal(0, 40, (N, K)), rng.integers(0, 5, (N, K)) + 0.5, rng.uniform(0, 9, (N, K))], differentiated=(0,))
