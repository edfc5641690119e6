"""Cases of sequences.gru: one step, and any number of them against torch's recurrent layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from experiments.judge.case import Built, case
from experiments.judge.function_case import function_case
from manual.sequences import gru as by_hand

PATH = "sequences.gru"


@function_case(PATH, "cell", empty=True)
def one_cell(rng: np.random.Generator, N: int, H: int) -> Built:
    return Built({}, [rng.normal(size=(N, 3 * H)), rng.normal(size=(N, 3 * H)), rng.normal(size=(N, H))])


class States(nn.GRU):
    """torch's layer, of whose outputs the states of all steps are kept."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x)[0]


@case("gru.Recurrence", empty=True, hand=by_hand.Recurrence, reference=States, spread=0.5)
def any_number_of_steps(rng: np.random.Generator, N: int, T: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(N, T, I))])


@case("gru.Recurrence", hand=by_hand.Recurrence, reference=States, spread=0.5)
def one_step(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(N, 1, I))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "zeros of the same shape": ("gru.Recurrence.backward:constant:np.zeros_like(h[:, 0]) => np.zeros_like(h[:, 1]):0",),
    "z_x and z_h have as many steps as x": (
        "gru.Recurrence.backward:saved:range(x.shape[1]) => range(z_x.shape[1]):0",
        "gru.Recurrence.backward:saved:range(x.shape[1]) => range(z_h.shape[1]):0",
    ),
    "what cell_backward returns is a new array that nobody else holds": (
        "gru.Recurrence.backward:inplace:dL_dh = dL_dh + dL_dz_h @ self.weight_hh_l0 => dL_dh += dL_dz_h @ self.weight_hh_l0:0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
