"""Cases for CTCLoss.

torch's gradient with respect to log_probs is that with respect to the logits under them, hence no central differences;
`ctc_through_log_softmax` has them. In float32 both sides lose digits with every frame and label: few of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import manual.nn
from experiments.cases.nn.cross_entropy import distribution
from experiments.cases.nn.loss import loss
from experiments.judge.case import Built, case
from manual.module import Module

S = 3  # labels at most; 2 S − 1 frames are enough for S equal ones


def frames(rng: np.random.Generator, T: int, N: int, C: int) -> np.ndarray:
    """Random log-probabilities (T, N, C)."""
    return np.log(distribution(rng, T, N, C, axis=2))


def lengths(rng: np.random.Generator, least: int, most: int, N: int) -> tuple[int, ...]:
    """Random lengths, the first of them `most`. A tuple, which stays as it is in every memory layout."""
    return most, *(int(n) for n in rng.integers(least, most + 1, max(N - 1, 0)))


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_padded_mean(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    return loss({}, frames(rng, T, N, C), rng.integers(1, C, (N, S)), lengths(rng, 2 * S - 1, T, N), lengths(rng, 0, S, N))


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_joined_blank_sum(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    of_targets = lengths(rng, 1, S, N)
    targets = rng.integers(0, C - 1, sum(of_targets))
    return loss({"blank": C - 1, "reduction": "sum"}, frames(rng, T, N, C), targets, lengths(rng, 2 * S - 1, T, N), of_targets)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_too_short_none(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    of_inputs = (*lengths(rng, 2 * S - 1, T, N - 1), S - 1)
    return loss({"zero_infinity": True, "reduction": "none"}, frames(rng, T, N, C), rng.integers(1, C, (N, S)), of_inputs[-N:], (S,) * N)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False, nonfinite="match")
def ctc_too_short_infinite_mean(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    of_inputs = (*lengths(rng, 2 * S - 1, T, N - 1), S - 1)
    return loss({}, frames(rng, T, N, C), rng.integers(1, C, (N, S)), of_inputs[-N:], (S,) * N)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_unbatched_mean(rng: np.random.Generator, C: int, T: int) -> Built:
    return loss({}, frames(rng, T, 1, C)[:, 0], rng.integers(1, C, S), (T - 1,), (S,))


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, smooth=False)
def ctc_unbatched_none(rng: np.random.Generator, C: int, T: int) -> Built:
    return loss({"reduction": "none"}, frames(rng, T, 1, C)[:, 0], rng.integers(1, C, S), (T,), (S,))


class LogSoftmaxCTC(Module):
    """CTCLoss of logits, by hand."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.log_softmax, self.ctc = manual.nn.LogSoftmax(-1), manual.nn.CTCLoss(**arguments)

    def forward(self, z: np.ndarray, *targets: Any) -> Any:
        return self.ctc(self.log_softmax(z), *targets)

    def backward(self, dL_dy: Any = 1.0) -> np.ndarray:
        return self.log_softmax.backward(self.ctc.backward(dL_dy))


class TorchLogSoftmaxCTC(torch.nn.CTCLoss):
    """CTCLoss of logits, in torch."""

    def forward(self, z: torch.Tensor, *targets: Any) -> torch.Tensor:
        return super().forward(z.log_softmax(-1), *targets)


@case("CTCLoss", least={"N": 4, "C": 4, "T": 2 * S}, hand=LogSoftmaxCTC, reference=TorchLogSoftmaxCTC)
def ctc_through_log_softmax(rng: np.random.Generator, N: int, C: int, T: int) -> Built:
    arguments = {"reduction": "none"}
    return loss(arguments, rng.normal(size=(T, N, C)), rng.integers(1, C, (N, S)), lengths(rng, 2 * S - 1, T, N), lengths(rng, 0, S, N))


# ---- mistakes that compute the same ----------------------------------------------------------------


EQUIVALENT = {
    "NaN times anything is NaN": (
        "CTCLoss.backward:sign:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = -np.nan:0",
        "CTCLoss.backward:scale:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = 2 * np.nan:0",
        "CTCLoss.backward:scale:gamma[:, np.isneginf(log_P)] = np.nan => gamma[:, np.isneginf(log_P)] = 0.5 * np.nan:0",
    ),
    "−∞ times a positive number is −∞": (
        "CTCLoss.log_beta:scale:np.full((T + 1, N, E), -np.inf, log_p_e.dtype) => 2 * np.full((T + 1, N, E), -np.inf, log_p_e.dtype):0",
        "CTCLoss.log_beta:scale:np.full((T + 1, N, E), -np.inf, log_p_e.dtype) => 0.5 * np.full((T + 1, N, E), -np.inf, log_p_e.dtype):0",
    ),
}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
