"""Cases for the paddings."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("ZeroPad2d", empty=True)
def pad(rng: np.random.Generator, N: int, C: int, H: int, W: int) -> Built:
    return Built({"padding": (1, 3, 2, 4)}, [rng.normal(size=(N, C, H, W))])


@case("ZeroPad2d")
def pad_and_cut(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({"padding": (-1, 2, 3, -2)}, [rng.normal(size=(C, 2 + H, 1 + W))])
