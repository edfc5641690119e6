"""Cases for the transformer, its layers and its stacks.

Behind the layer norms nothing saturates, but for d_model = 2 they make the sign of each vector: so head sizes start at 3.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import manual.nn
from experiments.cases.nn.attention import SharedMultiheadAttention, share
from experiments.judge.case import Built, case
from experiments.judge.noise import SharedDropout, SharedNoise, Stream, share_torch

DEEP = 0.1  # where several layers follow one another


def composed(cls: type[nn.Module]) -> Callable[..., nn.Module]:
    """A factory of torch's class, with every attention and every dropout in it replaced by the ones that draw shared noise."""

    def build(**arguments: Any) -> nn.Module:
        module = cls(**arguments)
        for m in list(module.modules()):
            if type(m) is nn.MultiheadAttention:
                m.__class__ = SharedMultiheadAttention  # its parameters and their names stay
                m.weight_dropout = SharedDropout(m.dropout, Stream(0, 0, ""))
        share_torch(module, SharedNoise(5))
        return module

    return build


def pair_of_sequences(rng: np.random.Generator, N: int, S: int, T: int, E: int) -> list[np.ndarray]:
    """Two sequences of length S and T, examples first."""
    return [rng.normal(size=(N, S, E)), rng.normal(size=(N, T, E))]


def some_hidden(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """A boolean mask that hides about a third, but never the first key."""
    mask = rng.random(shape) < 0.35
    mask[..., 0] = False
    return mask


@case("TransformerEncoderLayer", spread=DEEP, empty=True, least={"D": 3}, smooth=False)
def norm_last(rng: np.random.Generator, N: int, S: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "batch_first": True}
    return Built(arguments, [rng.normal(size=(N, S, H * D))])


@case("TransformerEncoderLayer", spread=DEEP, least={"D": 3})
def norm_first(rng: np.random.Generator, N: int, S: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "activation": "gelu", "norm_first": True}
    call = {"src_mask": some_hidden(rng, S, S), "src_key_padding_mask": some_hidden(rng, N, S)}
    return Built(arguments | {"batch_first": True, "layer_norm_eps": 0.01}, [rng.normal(size=(N, S, H * D))], call)


@case("TransformerEncoderLayer", spread=DEEP, least={"D": 3}, repeat=False)
def length_first_no_bias(rng: np.random.Generator, N: int, S: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "activation": "gelu", "bias": False}
    return Built(arguments, [rng.normal(size=(S, N, H * D))], {"src_mask": ~np.tri(S, dtype=bool), "is_causal": True})


@case("TransformerEncoderLayer", spread=DEEP, least={"D": 3}, repeat=False)
def one_sequence(rng: np.random.Generator, S: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "activation": "gelu"}
    return Built(arguments, [rng.normal(size=(S, H * D))], {"src_mask": rng.normal(size=(S, S))})


@case("TransformerEncoderLayer", spread=DEEP, least={"D": 3}, reference=composed(nn.TransformerEncoderLayer), prepare=share)
def encoder_dropouts(rng: np.random.Generator, N: int, S: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.3, "activation": "gelu", "batch_first": True}
    return Built(arguments, [rng.normal(size=(N, S, H * D))])


@case("TransformerEncoderLayer", spread=DEEP, least={"D": 3}, training=False, smooth=False)
def encoder_in_eval(rng: np.random.Generator, N: int, S: int, H: int, D: int, F: int) -> Built:
    return Built({"d_model": H * D, "nhead": H, "dim_feedforward": F, "batch_first": True}, [rng.normal(size=(N, S, H * D))])


@case("TransformerDecoderLayer", spread=DEEP, least={"D": 3}, smooth=False)
def decoder_norm_last(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "batch_first": True, "layer_norm_eps": 0.01}
    call = {"tgt_mask": ~np.tri(S, dtype=bool), "tgt_is_causal": True, "memory_key_padding_mask": some_hidden(rng, N, T)}
    return Built(arguments, pair_of_sequences(rng, N, S, T, H * D), call)


@case("TransformerDecoderLayer", spread=DEEP, least={"D": 3})
def decoder_norm_first(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "activation": "gelu", "norm_first": True}
    call = {"memory_mask": rng.normal(size=(S, T)), "tgt_key_padding_mask": some_hidden(rng, N, S)}
    return Built(arguments | {"batch_first": True, "bias": False}, pair_of_sequences(rng, N, S, T, H * D), call)


@case("TransformerDecoderLayer", spread=DEEP, least={"D": 3}, repeat=False)
def decoder_length_first(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "activation": "gelu"}
    call = {"memory_mask": some_hidden(rng, S, T), "memory_is_causal": False}
    return Built(arguments, [rng.normal(size=(S, N, H * D)), rng.normal(size=(T, N, H * D))], call)


@case("TransformerDecoderLayer", spread=DEEP, least={"D": 3}, reference=composed(nn.TransformerDecoderLayer), prepare=share)
def decoder_dropouts(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.3, "activation": "gelu", "batch_first": True}
    return Built(arguments, pair_of_sequences(rng, N, S, T, H * D))


def stack_of(library: Any, kind: str, with_norm: bool) -> Callable[..., Any]:
    """A factory of a stack, by hand or of torch, from the arguments of its layers and their number."""

    def build(num_layers: int, **arguments: Any) -> Any:
        layer = getattr(library, f"Transformer{kind}Layer")(**arguments)
        made = {"dtype": arguments["dtype"]} if "dtype" in arguments else {}
        norm = library.LayerNorm(arguments["d_model"], **made) if with_norm else None
        no_nested_tensors = {"enable_nested_tensor": False} if kind == "Encoder" else {}  # or torch warns where it cannot have them
        return getattr(library, f"Transformer{kind}")(layer, num_layers, norm, **no_nested_tensors)

    def build_by_hand(num_layers: int, rng: np.random.Generator, dtype: str, **arguments: Any) -> Any:
        return build(num_layers, rng=rng, dtype=dtype, **arguments)

    return build_by_hand if library is manual.nn else build


def both(kind: str, with_norm: bool) -> dict[str, Any]:
    """The two factories of a case."""
    return {"hand": stack_of(manual.nn, kind, with_norm), "reference": stack_of(nn, kind, with_norm)}


@case("TransformerEncoder", spread=DEEP, least={"D": 3}, **both("Encoder", True))
def encoder_with_norm(rng: np.random.Generator, N: int, S: int, H: int, D: int, F: int) -> Built:
    arguments = {"num_layers": 3, "d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "batch_first": True}
    call = {"mask": ~np.tri(S, dtype=bool), "src_key_padding_mask": some_hidden(rng, N, S)}
    return Built(arguments | {"norm_first": True, "activation": "gelu"}, [rng.normal(size=(N, S, H * D))], call)


class LeavingOut(nn.TransformerEncoder):
    """torch's, which puts 0 at padded places without gradients, doing so with gradients."""

    def forward(self, src: torch.Tensor, src_key_padding_mask: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """All layers, then the zeros, then the norm."""
        for layer in self.layers:
            src = layer(src, src_key_padding_mask=src_key_padding_mask)
        assert self.norm is not None
        y: torch.Tensor = self.norm(src.masked_fill(src_key_padding_mask[..., None], 0.0))
        return y


def padded_by_hand(rng: np.random.Generator, dtype: str, d_model: int, **arguments: Any) -> Any:
    """A stack by hand that leaves out padded places."""
    layer = manual.nn.TransformerEncoderLayer(d_model, 2, batch_first=True, rng=rng, dtype=dtype, **arguments)
    return manual.nn.TransformerEncoder(layer, 2, manual.nn.LayerNorm(d_model, dtype=dtype))


def padded_in_torch(d_model: int, **arguments: Any) -> Any:
    """The same of torch."""
    layer = nn.TransformerEncoderLayer(d_model, 2, batch_first=True, **arguments)
    return LeavingOut(layer, 2, nn.LayerNorm(d_model), enable_nested_tensor=False)


@case("TransformerEncoder", spread=DEEP, least={"D": 3, "S": 3}, training=False, hand=padded_by_hand, reference=padded_in_torch)
def encoder_padded_in_eval(rng: np.random.Generator, N: int, S: int, D: int, F: int) -> Built:
    arguments = {"d_model": 2 * D, "dim_feedforward": F, "dropout": 0.0, "activation": "gelu"}
    padding = np.arange(S) >= rng.integers(1, S, N)[:, None]
    return Built(arguments, [rng.normal(size=(N, S, 2 * D))], {"src_key_padding_mask": padding})


@case("TransformerEncoder", spread=DEEP, least={"D": 3}, empty=True, **both("Encoder", False))
def encoder_without_norm(rng: np.random.Generator, N: int, S: int, H: int, D: int, F: int) -> Built:
    arguments = {"num_layers": 2, "d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "batch_first": True}
    return Built(arguments | {"activation": "gelu"}, [rng.normal(size=(N, S, H * D))], {"mask": ~np.tri(S, dtype=bool), "is_causal": True})


@case("TransformerDecoder", spread=DEEP, least={"D": 3}, **both("Decoder", True))
def decoder_with_norm(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"num_layers": 3, "d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "batch_first": True}
    call = {"tgt_mask": ~np.tri(S, dtype=bool), "tgt_key_padding_mask": some_hidden(rng, N, S), "memory_mask": some_hidden(rng, S, T)}
    return Built(arguments | {"norm_first": True, "activation": "gelu"}, pair_of_sequences(rng, N, S, T, H * D), call)


@case("TransformerDecoder", spread=DEEP, least={"D": 3}, **both("Decoder", False))
def decoder_without_norm(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"num_layers": 2, "d_model": H * D, "nhead": H, "dim_feedforward": F, "dropout": 0.0, "batch_first": True}
    call = {"tgt_mask": ~np.tri(S, dtype=bool), "tgt_is_causal": True, "memory_key_padding_mask": some_hidden(rng, N, T)}
    return Built(arguments | {"activation": "gelu"}, pair_of_sequences(rng, N, S, T, H * D), call)


def torch_transformer(**arguments: Any) -> nn.Transformer:
    """torch's, without its warning that nested tensors cannot be used."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="enable_nested_tensor is True")
        return nn.Transformer(**arguments)


@case("Transformer", spread=DEEP, least={"D": 3}, reference=torch_transformer)
def encoder_and_decoder(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "num_encoder_layers": 2, "num_decoder_layers": 3, "dim_feedforward": F, "dropout": 0.0}
    call = {
        "src_mask": some_hidden(rng, S, S),
        "tgt_mask": ~np.tri(T, dtype=bool),
        "memory_mask": some_hidden(rng, T, S),
        "src_key_padding_mask": some_hidden(rng, N, S),
        "tgt_key_padding_mask": some_hidden(rng, N, T),
        "memory_key_padding_mask": some_hidden(rng, N, S),
    }
    return Built(arguments | {"activation": "gelu", "batch_first": True}, pair_of_sequences(rng, N, S, T, H * D), call)


@case("Transformer", spread=DEEP, least={"D": 3}, reference=torch_transformer, repeat=False)
def encoder_and_decoder_norm_first(rng: np.random.Generator, N: int, S: int, T: int, H: int, D: int, F: int) -> Built:
    arguments = {"d_model": H * D, "nhead": H, "num_encoder_layers": 2, "num_decoder_layers": 1, "dim_feedforward": F, "dropout": 0.0}
    call = {"tgt_mask": ~np.tri(T, dtype=bool), "tgt_is_causal": True, "src_is_causal": False, "memory_is_causal": False}
    inputs = [rng.normal(size=(S, N, H * D)), rng.normal(size=(T, N, H * D))]
    return Built(arguments | {"activation": "gelu", "norm_first": True, "bias": False, "layer_norm_eps": 0.01}, inputs, call)
