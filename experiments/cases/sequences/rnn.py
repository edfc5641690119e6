"""Cases of sequences.rnn: three steps, and any number of them against torch's recurrent layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from experiments.judge.case import Built, case
from experiments.judge.function_case import function_case
from manual.sequences import rnn as by_hand

PATH = "sequences.rnn"


@function_case(PATH, "three_steps", empty=True)
def from_nothing(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    """Half of the units are cut off at random."""
    inputs = [rng.normal(size=shape) for shape in ((3, N, I), (H, I), (H, H), (H,))]
    return Built({}, inputs)


class States(nn.RNN):
    """torch's layer, of whose outputs the states of all steps are kept."""

    def __init__(self, input_size: int, hidden_size: int, start: float) -> None:
        super().__init__(input_size, hidden_size, nonlinearity="relu", batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(x)[0]


@case("rnn.Recurrence", empty=True, hand=by_hand.Recurrence, reference=States, spread=0.5)
def any_number_of_steps(rng: np.random.Generator, N: int, T: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "start": 0.9}, [rng.normal(size=(N, T, I))])


@case("rnn.Recurrence", hand=by_hand.Recurrence, reference=States, spread=0.5)
def one_step(rng: np.random.Generator, N: int, I: int, H: int) -> Built:
    return Built({"input_size": I, "hidden_size": H, "start": 0.9}, [rng.normal(size=(N, 1, I))])


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "zeros of the same shape": ("rnn.Recurrence.backward:constant:np.zeros_like(h[:, 0]) => np.zeros_like(h[:, 1]):0",),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
