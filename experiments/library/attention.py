"""Cases for attention and the transformer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.library.case import Built, case


class TorchAttention(nn.Module):
    """torch's function as a module."""

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(query, key, value, **options)


def three(rng: np.random.Generator, lead: tuple[int, ...], L: int, S: int, E: int, V: int) -> list[np.ndarray]:
    """A query, a key and a value."""
    return [rng.normal(size=(*lead, L, E)), rng.normal(size=(*lead, S, E)), rng.normal(size=(*lead, S, V))]


@case("ScaledDotProductAttention", empty=True, reference=TorchAttention)
def heads(rng: np.random.Generator, N: int, H: int, L: int, S: int, E: int, V: int) -> Built:
    return Built({}, three(rng, (N, H), L, S, E, V))


@case("ScaledDotProductAttention", reference=TorchAttention)
def scaled(rng: np.random.Generator, N: int, L: int, S: int, E: int, V: int) -> Built:
    return Built({}, three(rng, (N,), L, S, E, V), {"scale": 0.3})


@case("ScaledDotProductAttention", empty=True, reference=TorchAttention)
def causal(rng: np.random.Generator, N: int, L: int, S: int, E: int, V: int) -> Built:
    return Built({}, three(rng, (N,), L, S, E, V), {"is_causal": True})


@case("ScaledDotProductAttention", reference=TorchAttention, least={"L": 3, "S": 3})
def boolean_mask_hides_a_row(rng: np.random.Generator, N: int, H: int, L: int, S: int, E: int, V: int) -> Built:
    sees = rng.random((H, L, S)) < 0.6
    sees[0, 1] = False
    return Built({}, three(rng, (N, H), L, S, E, V), {"attn_mask": sees})


@case("ScaledDotProductAttention", reference=TorchAttention, least={"L": 3, "S": 3})
def additive_mask_hides_a_row(rng: np.random.Generator, N: int, L: int, S: int, E: int, V: int) -> Built:
    added = rng.normal(size=(L, S))
    added[1] = -np.inf
    added[0, 0] = -np.inf
    return Built({}, three(rng, (N,), L, S, E, V), {"attn_mask": added})
