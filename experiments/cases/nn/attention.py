"""Cases for attention and the transformer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import manual.module
import manual.nn
from experiments.judge.case import Built, case
from experiments.judge.noise import SharedDropout, SharedNoise, Stream, share_hand, share_torch

SPREAD = 0.2  # of the random weights: with larger ones the softmax saturates, and its gradients are then mostly rounding, on both sides
DEEP = 0.1  # where several layers follow one another


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


# ---- the transformer -----------------------------------------------------------------------------
# Behind the layer norms nothing saturates, but for d_model = 2 they make the sign of each vector: so head sizes start at 3.


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
