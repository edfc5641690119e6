"""Cases of networks.dropout: the layer against torch's own with the same masks, a line behind it, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.cases.concept import judge_concept
from experiments.cases.nn.dropout import share
from experiments.judge.case import Built, case
from experiments.judge.noise import SharedDropout, Stream
from experiments.judge.registry import judged_by
from manual.networks import dropout as by_hand


def layer(**arguments: Any) -> by_hand.Dropout:
    """By hand; looked up at each use, so that a mutant in its place is found."""
    return by_hand.Dropout(**arguments)


def shared(p: float) -> nn.Module:
    """torch's, with the stream that `share` sets."""
    return SharedDropout(p, Stream(0, 0, ""))


@case("dropout.Dropout", empty=True, prepare=share, hand=layer, reference=shared)
def left_out(rng: np.random.Generator, N: int, C: int, L: int) -> Built:
    return Built({"p": 0.3}, [rng.normal(size=(N, C, L))])


@case("dropout.Dropout", prepare=share, hand=layer, reference=shared)
def nothing_left_out(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"p": 0.0}, [rng.normal(size=(N, C))])


@case("dropout.Dropout", training=False, prepare=share, hand=layer, reference=shared)
def in_eval_mode(rng: np.random.Generator, N: int, C: int) -> Built:
    return Built({"p": 0.3}, [rng.normal(size=(N, C))])


class LineInTorch(nn.Module):
    """torch's line, with such a dropout."""

    def __init__(self, features: int, p: float) -> None:
        super().__init__()
        self.dropout, self.W = shared(p), nn.Parameter(torch.empty(features, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x) @ self.W


def line(features: int, p: float, *, rng: Any, dtype: Any) -> by_hand.Line:
    """By hand."""
    return by_hand.Line(features, p, rng=rng, dtype=dtype)


def share_inside(ours: by_hand.Line, theirs: LineInTorch) -> None:
    """Let both sides draw from equal streams."""
    share(ours.dropout, theirs.dropout)


@case("dropout.Line", empty=True, prepare=share_inside, hand=line, reference=LineInTorch)
def a_line(rng: np.random.Generator, N: int, D: int) -> Built:
    return Built({"features": D, "p": 0.3}, [rng.normal(size=(N, D))])


judged_by("dropout.DroppedInputs", partial(judge_concept, "dropout"))
