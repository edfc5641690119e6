"""Cases of manual/sequences/multihead_attention.py: the layer against torch's own, which holds the same weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from torch import Tensor, nn

from experiments.judge.case import Built, case


class InTorch(nn.MultiheadAttention):
    """torch's layer, of which the output alone is compared."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__(d_model, heads, bias=False, batch_first=True)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(query, key, value)[0]


def by_hand(rng: Any = None, dtype: Any = np.float64, **arguments: Any) -> Any:
    """The layer by hand; looked up at each use, so that a mutant in its place is found."""
    return import_module("manual.sequences.multihead_attention").MultiheadAttention(**arguments, rng=rng, dtype=dtype)


@case("multihead_attention.MultiheadAttention", hand=by_hand, reference=InTorch, spread=0.3, empty=True)
def several_heads(rng: np.random.Generator, N: int, H: int, L: int, T: int, E: int) -> Built:
    """H heads of E numbers, L questions and T places."""
    shapes = (N, L, H * E), (N, T, H * E), (N, T, H * E)
    return Built({"d_model": H * E, "heads": H}, [rng.normal(size=shape) for shape in shapes])


# ---- mistakes that compute the same ----------------------------------------------------------------

EQUIVALENT: dict[str, tuple[str, ...]] = {}
"""Mutants that no case can notice, by the reason: found by thinking, not by trying."""
