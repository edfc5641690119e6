"""Cases of networks.residual: one block of either kind, and three residual ones in a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from experiments.judge.case import Built, case
from manual import nn
from manual.networks import residual as by_hand
from torch_impl.networks import residual as in_torch

DEPTH = 3


def plain_by_hand(width: int, *, dtype: Any) -> Any:
    """One block."""
    return by_hand.PlainBlock(width, dtype=dtype)


def residual_by_hand(width: int, blocks: int, *, dtype: Any) -> Any:
    """So many in a row, of a network of three."""
    return nn.Sequential(*(by_hand.ResidualBlock(width, depth=DEPTH, dtype=dtype) for _ in range(blocks)))


def residual_in_torch(width: int, blocks: int) -> Any:
    """The same in torch."""
    return torch.nn.Sequential(*(in_torch.ResidualBlock(width, depth=DEPTH) for _ in range(blocks)))


@case("residual.PlainBlock", empty=True, hand=plain_by_hand, reference=in_torch.PlainBlock)
def plain(rng: np.random.Generator, N: int, W: int) -> Built:
    return Built({"width": W}, [rng.normal(size=(N, W))])


@case("residual.ResidualBlock", empty=True, hand=residual_by_hand, reference=residual_in_torch)
def one(rng: np.random.Generator, N: int, W: int) -> Built:
    return Built({"width": W, "blocks": 1}, [rng.normal(size=(N, W))])


@case("residual.ResidualBlock", hand=residual_by_hand, reference=residual_in_torch)
def three_in_a_row(rng: np.random.Generator, N: int, W: int) -> Built:
    return Built({"width": W, "blocks": DEPTH}, [rng.normal(size=(N, W))])
