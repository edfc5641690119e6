"""Cases: the functions of several variables of calculus.gradients, and its dense layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.library.function_case import function_case

PATH = "calculus.gradients"


@function_case(PATH, "sphere", empty=True)
def places_on_the_globe(rng: np.random.Generator, N: int) -> Any:
    return [rng.normal(size=(2, N))]


@function_case(PATH, "dense")
def one_example(rng: np.random.Generator, I: int, O: int) -> Any:
    return [rng.normal(size=I), rng.normal(0, 0.5, (I, O)), rng.normal(0, 0.5, O)]
