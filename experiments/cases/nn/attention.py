"""Cases for attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import manual.module
import manual.nn
from experiments.judge.case import Built, case
from experiments.judge.noise import SharedDropout, SharedNoise, Stream, share_hand

SPREAD = 0.2  # of the random weights: with larger ones the softmax saturates, and its gradients are then mostly rounding, on both sides


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


# ---- MultiheadAttention --------------------------------------------------------------------------


class OutputByHand(manual.nn.MultiheadAttention):
    """Without need_weights the second output is None, which has no gradient: this gives the first alone."""

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return super().forward(*inputs, **options | {"need_weights": False})[0]


class TorchOutput(nn.MultiheadAttention):
    """The same of torch's."""

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return super().forward(*inputs, **options | {"need_weights": False})[0]


class SharedMultiheadAttention(nn.MultiheadAttention):
    """torch's layer composed of its steps, so that the dropout of its weights can draw from a shared stream."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.weight_dropout = SharedDropout(self.dropout, Stream(0, 0, ""))

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        if key_padding_mask is not None or not average_attn_weights:
            raise NotImplementedError("not composed here")
        parts = zip((query, key, value), self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3), strict=True)
        mapped = [nn.functional.linear(x if self.batch_first else x.transpose(0, 1), W, b) for x, W, b in parts]
        q, k, v = (x.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2) for x in mapped)
        z = q @ k.transpose(2, 3) / self.head_dim**0.5
        if attn_mask is not None:
            z = z.masked_fill(attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else z + attn_mask
        weights = self.weight_dropout(z.softmax(dim=3))
        y = self.out_proj((weights @ v).transpose(1, 2).flatten(2))
        return y if self.batch_first else y.transpose(0, 1), weights.mean(dim=1) if need_weights else None


def share(hand: manual.module.Module, torch_module: nn.Module) -> None:
    """Let both sides draw from equal streams, by name."""
    share_hand(hand, SharedNoise(5))
    for name, m in torch_module.named_modules():
        if isinstance(m, SharedDropout):
            m.stream = Stream(5, 0, name)


@case("MultiheadAttention", spread=SPREAD, empty=True, repeat=False)
def one_array_size(rng: np.random.Generator, N: int, L: int, S: int, H: int, D: int) -> Built:
    arguments = {"embed_dim": H * D, "num_heads": H}
    return Built(arguments, [rng.normal(size=(L, N, H * D)), rng.normal(size=(S, N, H * D)), rng.normal(size=(S, N, H * D))])


@case("MultiheadAttention", spread=SPREAD, least={"S": 3})
def other_sizes_and_masks(rng: np.random.Generator, N: int, L: int, S: int, H: int, D: int, K: int, V: int) -> Built:
    arguments = {"embed_dim": H * D, "num_heads": H, "kdim": K, "vdim": V, "batch_first": True}
    hidden, padding = rng.random((L, S)) < 0.4, rng.random((N, S)) < 0.4
    hidden[:, 0], padding[:, 0] = False, False  # every query sees the first key: a row of nothing is a case of its own
    inputs = [rng.normal(size=(N, L, H * D)), rng.normal(size=(N, S, K)), rng.normal(size=(N, S, V))]
    return Built(arguments, inputs, {"attn_mask": hidden, "key_padding_mask": padding, "average_attn_weights": False})


@case("MultiheadAttention", spread=SPREAD, repeat=False)
def additive_masks_for_each_head(rng: np.random.Generator, N: int, L: int, S: int, H: int, D: int) -> Built:
    arguments = {"embed_dim": H * D, "num_heads": H, "bias": False}
    inputs = [rng.normal(size=(L, N, H * D)), rng.normal(size=(S, N, H * D)), rng.normal(size=(S, N, H * D))]
    return Built(arguments, inputs, {"attn_mask": rng.normal(size=(N * H, L, S)), "key_padding_mask": rng.normal(size=(N, S))})


@case("MultiheadAttention", spread=SPREAD, least={"S": 3}, repeat=False)
def without_examples_axis(rng: np.random.Generator, L: int, S: int, H: int, D: int, V: int) -> Built:
    arguments = {"embed_dim": H * D, "num_heads": H, "vdim": V, "bias": False}
    inputs = [rng.normal(size=(L, H * D)), rng.normal(size=(S, H * D)), rng.normal(size=(S, V))]
    return Built(arguments, inputs, {"key_padding_mask": np.arange(S) == 1})


@case("MultiheadAttention", spread=SPREAD, hand=OutputByHand, reference=TorchOutput, least={"L": 3, "S": 3})
def without_weights(rng: np.random.Generator, N: int, L: int, S: int, H: int, D: int) -> Built:
    hidden = rng.random((N * H, L, S)) < 0.4
    hidden[:, 0] = False
    hidden[1, 1] = True  # this head's query sees nothing, and receives 0
    arguments = {"embed_dim": H * D, "num_heads": H, "batch_first": True}
    inputs = [rng.normal(size=(N, L, H * D)), rng.normal(size=(N, S, H * D)), rng.normal(size=(N, S, H * D))]
    return Built(arguments, inputs, {"attn_mask": hidden})


@case("MultiheadAttention", spread=SPREAD, hand=OutputByHand, reference=TorchOutput, repeat=False)
def causal_without_weights(rng: np.random.Generator, N: int, L: int, H: int, D: int) -> Built:
    arguments = {"embed_dim": H * D, "num_heads": H}
    inputs = [rng.normal(size=(L, N, H * D)) for _ in range(3)]
    return Built(arguments, inputs, {"attn_mask": ~np.tri(L, dtype=bool), "is_causal": True})


@case("MultiheadAttention", spread=SPREAD, reference=SharedMultiheadAttention, prepare=share, repeat=False)
def dropout_of_weights(rng: np.random.Generator, N: int, L: int, S: int, H: int, D: int) -> Built:
    arguments = {"embed_dim": H * D, "num_heads": H, "dropout": 0.4}
    return Built(arguments, [rng.normal(size=(L, N, H * D)), rng.normal(size=(S, N, H * D)), rng.normal(size=(S, N, H * D))])


@case("MultiheadAttention", spread=SPREAD, training=False, repeat=False)
def attention_dropout_in_eval(rng: np.random.Generator, N: int, L: int, S: int, H: int, D: int) -> Built:
    arguments = {"embed_dim": H * D, "num_heads": H, "dropout": 0.4}
    return Built(arguments, [rng.normal(size=(L, N, H * D)), rng.normal(size=(S, N, H * D)), rng.normal(size=(S, N, H * D))])
