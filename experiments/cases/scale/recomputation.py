"""Cases of scale.recomputation: a segment of layers that keeps its input alone, and the concept."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from experiments.cases.concept import judge_concept
from experiments.judge.case import Built, case
from experiments.judge.registry import judged_by
from manual import nn
from manual.networks.residual import PlainBlock
from manual.scale import recomputation as by_hand
from torch_impl.networks import residual as residual_in_torch
from torch_impl.scale import recomputation as in_torch


def segment(width: int, blocks: int, *, dtype: Any) -> Any:
    """Blocks and, in their midst, a sigmoid, which keeps what comes out of it."""
    first, *rest = (PlainBlock(width, dtype=dtype) for _ in range(blocks))
    return by_hand.Recomputed(first, nn.Sigmoid(), *rest)


def segment_in_torch(width: int, blocks: int) -> Any:
    """The same in torch."""
    first, *rest = (residual_in_torch.PlainBlock(width) for _ in range(blocks))
    return in_torch.Recomputed(first, torch.nn.Sigmoid(), *rest)


@case("recomputation.Recomputed", empty=True, hand=segment, reference=segment_in_torch)
def three_blocks(rng: np.random.Generator, N: int, W: int) -> Built:
    return Built({"width": W, "blocks": 3}, [rng.normal(size=(N, W))])


@case("recomputation.Recomputed", hand=segment, reference=segment_in_torch)
def one_block(rng: np.random.Generator, N: int, W: int) -> Built:
    return Built({"width": W, "blocks": 1}, [rng.normal(size=(N, W))])


judged_by("recomputation.Recomputation", partial(judge_concept, "recomputation"))
