"""Cases of manual/sequences/transformer.py: the block in both orders of its norms, against torch's encoder layer."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from torch import Tensor, nn

from experiments.judge.case import Built, case


class InTorch(nn.Module):
    """torch's layer, its parameters called as they are by hand."""

    def __init__(self, d_model: int, heads: int, width: int, norm_first: bool) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(d_model, heads, width, dropout=0.0, batch_first=True, norm_first=norm_first, bias=False)
        self._layer = [layer]  # in a list, so that its parameters are not found a second time
        self.W_qkv, self.W_out = layer.self_attn.in_proj_weight, layer.self_attn.out_proj.weight
        self.W1, self.W2, self.g1, self.g2 = layer.linear1.weight, layer.linear2.weight, layer.norm1.weight, layer.norm2.weight

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output; in evaluation torch would take another way."""
        return self._layer[0].train()(x)


def by_hand(rng: Any = None, dtype: Any = np.float64, **arguments: Any) -> Any:
    """The block by hand; looked up at each use, so that a mutant in its place is found."""
    return import_module("manual.sequences.transformer").Block(**arguments, rng=rng, dtype=dtype)


def built(rng: np.random.Generator, norm_first: bool, sizes: tuple[int, ...]) -> Built:
    """H heads of E numbers, F hidden units."""
    N, H, T, E, F = sizes
    return Built({"d_model": H * E, "heads": H, "width": F, "norm_first": norm_first}, [rng.normal(size=(N, T, H * E))])


@case("transformer.Block", hand=by_hand, reference=InTorch, spread=0.4, least={"E": 3}, empty=True)
def pre_norm(rng: np.random.Generator, N: int, H: int, T: int, E: int, F: int) -> Built:
    return built(rng, True, (N, H, T, E, F))


@case("transformer.Block", hand=by_hand, reference=InTorch, spread=0.4, least={"E": 3}, empty=True)
def post_norm(rng: np.random.Generator, N: int, H: int, T: int, E: int, F: int) -> Built:
    return built(rng, False, (N, H, T, E, F))


# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT: dict[str, tuple[str, ...]] = {}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
