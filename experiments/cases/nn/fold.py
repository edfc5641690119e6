"""Cases for Unfold and Fold."""

from __future__ import annotations

import numpy as np

from experiments.judge.case import Built, case


@case("Unfold", empty=True)
def unfold(rng: np.random.Generator, N: int, C: int, K: int, L: int, H: int, W: int) -> Built:
    arguments = {"kernel_size": (K, L), "dilation": (2, 1), "padding": (1, 2), "stride": (3, 2)}
    return Built(arguments, [rng.normal(size=(N, C, 2 * K + H, L + W))])


@case("Unfold")
def unfold_unbatched(rng: np.random.Generator, C: int, H: int, W: int) -> Built:
    return Built({"kernel_size": 2}, [rng.normal(size=(C, H, W))])


@case("Fold", empty=True)
def fold(rng: np.random.Generator, N: int, C: int, I: int, J: int) -> Built:
    """I · J windows, and a row and two columns that none covers."""
    arguments = {"kernel_size": (2, 3), "dilation": (3, 2), "padding": (1, 2), "stride": (2, 3)}
    arguments["output_size"] = (2 * (I - 1) + 4 - 2 + 1, 3 * (J - 1) + 5 - 4 + 2)
    return Built(arguments, [rng.normal(size=(N, C * 6, I * J))])


@case("Fold")
def fold_unbatched(rng: np.random.Generator, C: int, I: int, J: int) -> Built:
    return Built({"output_size": (I + 1, J + 1), "kernel_size": 2}, [rng.normal(size=(C * 4, I * J))])
