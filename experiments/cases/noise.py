"""Cases for numbers that depend on nothing: what is multiplied by them. Both sides draw the same, from equal streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

import manual.module
import manual.noise
import torch_impl.noise
from experiments.judge.case import Built, case
from experiments.judge.noise import SharedNoise, share_hand, share_torch


class ByHand(manual.module.Module):
    """x times fresh numbers of its shape."""

    def __init__(self, kind: str, dtype: Any) -> None:
        super().__init__()
        self.noise = getattr(manual.noise, kind)(dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        drawn = self.noise(x.shape)
        self.save(drawn)
        return x * drawn

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        return dL_dy * self.restore()


class InTorch(nn.Module):
    """The same."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.noise = getattr(torch_impl.noise, kind)()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.noise(tuple(x.shape))


def hand(kind: str) -> Callable[..., ByHand]:
    """A factory of x times numbers of this kind."""
    return lambda dtype: ByHand(kind, dtype)


def share_both(hand: manual.module.Module, torch_module: nn.Module) -> None:
    """Let both sides draw from equal streams."""
    share_hand(hand, SharedNoise(5))
    share_torch(torch_module, SharedNoise(5))


@case("Noise", empty=True, prepare=share_both, hand=hand("Noise"), reference=lambda: InTorch("Noise"))
def normal_numbers(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({}, [rng.normal(size=(N, C))])


@case("Uniform", empty=True, prepare=share_both, hand=hand("Uniform"), reference=lambda: InTorch("Uniform"))
def uniform_numbers(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({}, [rng.normal(size=(N, C))])
