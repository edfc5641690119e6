"""Cases of sequences.lstm: one step, and any number of them against torch's recurrent layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from experiments.judge.case import Built, case
from experiments.judge.function_case import function_case
from manual.sequences import lstm as by_hand

PATH = "sequences.lstm"


@function_case(PATH, "cell", empty=True)
def one_cell(rng: np.random.Generator, N: int, H: int) -> Built:
    return Built({}, [rng.normal(size=(N, 4 * H)), rng.normal(size=(N, H))])


class States(nn.LSTM):
    """torch's layer, of whose outputs the states of all steps are kept."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x)[0]


@case("lstm.Recurrence", empty=True, hand=by_hand.Recurrence, reference=States, spread=0.5)
def any_number_of_steps(rng: np.random.Generator, N: int, T: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(N, T, I))])


@case("lstm.Recurrence", hand=by_hand.Recurrence, reference=States, spread=0.5)
def one_step(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H}, [rng.normal(size=(N, 1, I))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "zeros of the same shape": (
        "lstm.Recurrence.backward:saved:np.zeros_like(h[:, 0]) => np.zeros_like(c[:, 0]):0",
        "lstm.Recurrence.backward:constant:np.zeros_like(h[:, 0]) => np.zeros_like(h[:, 1]):0",
        "lstm.Recurrence.backward:saved:np.zeros_like(c[:, 0]) => np.zeros_like(h[:, 0]):0",
        "lstm.Recurrence.backward:constant:np.zeros_like(c[:, 0]) => np.zeros_like(c[:, 1]):0",
    ),
    "z has as many steps as x": ("lstm.Recurrence.backward:saved:range(x.shape[1]) => range(z.shape[1]):0",),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
