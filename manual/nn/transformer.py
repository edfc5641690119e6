"""Transformers: the twins of torch.nn.TransformerEncoderLayer, TransformerDecoderLayer, their stacks, and Transformer.

Everything here is composed: each `backward` is its `forward` read from the bottom up. Where x goes two ways, around a block and
through it (x + block(x)), two gradients come back and are added.

Masks are those of MultiheadAttention: True where a key is left out, or numbers added to the scores. Source: Vaswani et al.,
"Attention is all you need" (2017), section 3.1.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from manual.module import Module
from manual.nn.activation import GELU, ReLU
from manual.nn.attention import MultiheadAttention
from manual.nn.container import ModuleList
from manual.nn.dropout import Dropout
from manual.nn.init import uniform
from manual.nn.linear import Linear
from manual.nn.normalization import LayerNorm
from manual.nn.validate import expect_array, expect_ndim, expect_size


class TransformerEncoderLayer(Module):
    """Every position looks at every other, then thinks for itself (torch.nn.TransformerEncoderLayer).

        attend(x) = dropout1(self_attn(x, x, x))
        feed_forward(x) = dropout2(linear2(dropout(activation(linear1(x)))))

        norm_first False: x = norm1(src + attend(src)),  y = norm2(x + feed_forward(x))          (the paper's)
        norm_first True:  x = src + attend(norm1(src)),  y = x + feed_forward(norm2(x))          (trains more easily when deep)

    Args:
        d_model: the size of each position's vector.
        nhead: heads of the attention.
        dim_feedforward: width of linear1.
        dropout: of the attention weights, in feed_forward, and after both blocks.
        activation: "relu", "gelu" or a Module; a Module is copied.
        layer_norm_eps: eps of norm1 and norm2.
        batch_first: whether src is (N, S, d_model) in place of (S, N, d_model).
        norm_first: see above.
        bias: whether all linear maps and norms have one.
        rng: draws the initial weights and the dropouts.
        dtype: of the parameters.

    Arguments of forward:
        src: (S, N, d_model), (N, S, d_model) if batch_first, or (S, d_model). y has its shape.
        src_mask, src_key_padding_mask, is_causal: MultiheadAttention's attn_mask, key_padding_mask and is_causal.

    Raises:
        ValueError, TypeError: as MultiheadAttention; ValueError for an activation of another name.
        NotImplementedError: if activation is neither a name nor a Module.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Module = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, rng=rng, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1, self.dropout2 = Dropout(dropout, rng=rng), Dropout(dropout, rng=rng)
        self.activation = as_activation("TransformerEncoderLayer", activation)
        self._not_shown = ("activation",) if isinstance(activation, str) else ()

    def forward(
        self,
        src: np.ndarray,
        src_mask: np.ndarray | None = None,
        src_key_padding_mask: np.ndarray | None = None,
        is_causal: bool = False,
    ) -> np.ndarray:
        masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
        if self.norm_first:
            x = src + self.attend(self.norm1(src), masks)
            return x + self.feed_forward(self.norm2(x))
        x = self.norm1(src + self.attend(src, masks))
        return self.norm2(x + self.feed_forward(x))

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        if self.norm_first:
            dL_dx = dL_dy + self.norm2.backward(self.feed_forward_backward(dL_dy))
            return dL_dx + self.norm1.backward(self.attend_backward(dL_dx))
        dL_dsum2 = self.norm2.backward(dL_dy)
        dL_dx = dL_dsum2 + self.feed_forward_backward(dL_dsum2)
        dL_dsum1 = self.norm1.backward(dL_dx)
        return dL_dsum1 + self.attend_backward(dL_dsum1)

    def attend(self, x: np.ndarray, masks: dict[str, Any]) -> np.ndarray:
        """Self-attention and its dropout."""
        return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

    def attend_backward(self, dL_dy: np.ndarray) -> np.ndarray:
        """∂L/∂x of `attend`: x was query, key and value."""
        return sum_of(self.self_attn.backward(self.dropout1.backward(dL_dy)))

    def feed_forward(self, x: np.ndarray) -> np.ndarray:
        """Two linear maps with an activation between them, for each position alone."""
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def feed_forward_backward(self, dL_dy: np.ndarray) -> np.ndarray:
        """∂L/∂x of `feed_forward`."""
        dL_dhidden = self.dropout.backward(self.linear2.backward(self.dropout2.backward(dL_dy)))
        return self.linear1.backward(self.activation.backward(dL_dhidden))


class TransformerDecoderLayer(Module):
    """An encoder layer that also looks at `memory`, what an encoder has made of another sequence (torch.nn.TransformerDecoderLayer).

        attend(x) = dropout1(self_attn(x, x, x))
        look_up(x, memory) = dropout2(multihead_attn(x, memory, memory))
        feed_forward(x) = dropout3(linear2(dropout(activation(linear1(x)))))

        norm_first False: x1 = norm1(tgt + attend(tgt)),  x2 = norm2(x1 + look_up(x1, memory)),  y = norm3(x2 + feed_forward(x2))
        norm_first True:  x1 = tgt + attend(norm1(tgt)),  x2 = x1 + look_up(norm2(x1), memory),  y = x2 + feed_forward(norm3(x2))

    Args: as TransformerEncoderLayer.

    Arguments of forward:
        tgt: (T, N, d_model), (N, T, d_model) if batch_first, or (T, d_model). y has its shape.
        memory: (S, N, d_model), in the axes of tgt.
        tgt_mask, tgt_key_padding_mask, tgt_is_causal: attn_mask, key_padding_mask and is_causal of self_attn.
        memory_mask, memory_key_padding_mask, memory_is_causal: those of multihead_attn.

    `backward` returns (dL_dtgt, dL_dmemory).

    Raises: as TransformerEncoderLayer.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Module = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, rng=rng, dtype=dtype)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, rng=rng, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout, rng=rng) for _ in range(3))
        self.activation = as_activation("TransformerDecoderLayer", activation)
        self._not_shown = ("activation",) if isinstance(activation, str) else ()

    def forward(
        self,
        tgt: np.ndarray,
        memory: np.ndarray,
        tgt_mask: np.ndarray | None = None,
        memory_mask: np.ndarray | None = None,
        tgt_key_padding_mask: np.ndarray | None = None,
        memory_key_padding_mask: np.ndarray | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> np.ndarray:
        of_tgt = {"attn_mask": tgt_mask, "key_padding_mask": tgt_key_padding_mask, "is_causal": tgt_is_causal}
        of_memory = {"attn_mask": memory_mask, "key_padding_mask": memory_key_padding_mask, "is_causal": memory_is_causal}
        if self.norm_first:
            x1 = tgt + self.attend(self.norm1(tgt), of_tgt)
            x2 = x1 + self.look_up(self.norm2(x1), memory, of_memory)
            return x2 + self.feed_forward(self.norm3(x2))
        x1 = self.norm1(tgt + self.attend(tgt, of_tgt))
        x2 = self.norm2(x1 + self.look_up(x1, memory, of_memory))
        return self.norm3(x2 + self.feed_forward(x2))

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.norm_first:
            dL_dx2 = dL_dy + self.norm3.backward(self.feed_forward_backward(dL_dy))
            dL_dnorm2, dL_dmemory = self.look_up_backward(dL_dx2)
            dL_dx1 = dL_dx2 + self.norm2.backward(dL_dnorm2)
            return dL_dx1 + self.norm1.backward(self.attend_backward(dL_dx1)), dL_dmemory
        dL_dsum3 = self.norm3.backward(dL_dy)
        dL_dx2 = dL_dsum3 + self.feed_forward_backward(dL_dsum3)
        dL_dsum2 = self.norm2.backward(dL_dx2)
        dL_dlooking, dL_dmemory = self.look_up_backward(dL_dsum2)
        dL_dx1 = dL_dsum2 + dL_dlooking
        dL_dsum1 = self.norm1.backward(dL_dx1)
        return dL_dsum1 + self.attend_backward(dL_dsum1), dL_dmemory

    def attend(self, x: np.ndarray, masks: dict[str, Any]) -> np.ndarray:
        """Self-attention and its dropout."""
        return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

    def attend_backward(self, dL_dy: np.ndarray) -> np.ndarray:
        """∂L/∂x of `attend`: x was query, key and value."""
        return sum_of(self.self_attn.backward(self.dropout1.backward(dL_dy)))

    def look_up(self, x: np.ndarray, memory: np.ndarray, masks: dict[str, Any]) -> np.ndarray:
        """Attention of x to memory, and its dropout."""
        return self.dropout2(self.multihead_attn(x, memory, memory, need_weights=False, **masks)[0])

    def look_up_backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """∂L/∂x and ∂L/∂memory of `look_up`: memory was key and value."""
        dL_dx, dL_dkey, dL_dvalue = self.multihead_attn.backward(self.dropout2.backward(dL_dy))
        return dL_dx, dL_dkey + dL_dvalue

    def feed_forward(self, x: np.ndarray) -> np.ndarray:
        """Two linear maps with an activation between them, for each position alone."""
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))

    def feed_forward_backward(self, dL_dy: np.ndarray) -> np.ndarray:
        """∂L/∂x of `feed_forward`."""
        dL_dhidden = self.dropout.backward(self.linear2.backward(self.dropout3.backward(dL_dy)))
        return self.linear1.backward(self.activation.backward(dL_dhidden))


class TransformerEncoder(Module):
    """Copies of one encoder layer, one after the other, and a norm at the end if one is given (torch.nn.TransformerEncoder).

    Args:
        encoder_layer: copied num_layers times, so that all copies start from equal weights (as in torch).
        num_layers: how many.
        norm: a Module, used as it is.
        enable_nested_tensor, mask_check: whether padded places may be left out in evaluation, see below; and only where they come
            last, which is always looked at here.

    Arguments of forward: those of TransformerEncoderLayer.

    Without gradients torch leaves out padded places altogether, and puts 0 there before the norm; with gradients it computes
    numbers there that mean nothing. Here, in evaluation, they are 0 with and without gradients, where torch can leave them out
    (`leaves_out`), and take no gradient. In training, and elsewhere, they are torch's numbers. Places that are not padded are the
    same in either way.

    Raises:
        ValueError: if num_layers is negative.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: np.ndarray,
        mask: np.ndarray | None = None,
        src_key_padding_mask: np.ndarray | None = None,
        is_causal: bool | None = None,
    ) -> np.ndarray:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        kept = None
        if mask is None and src_key_padding_mask is not None and self.leaves_out(src, src_key_padding_mask):
            kept = (src_key_padding_mask == 0)[..., np.newaxis]  # (N, S, 1)
        self.save(kept)
        x = x if kept is None else np.where(kept, x, np.zeros_like(x))
        return x if self.norm is None else self.norm(x)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        kept = self.restore()
        dL_dx = dL_dy if self.norm is None else self.norm.backward(dL_dy)
        dL_dx = dL_dx if kept is None else dL_dx * kept
        for layer in reversed(list(self.layers)):
            dL_dx = layer.backward(dL_dx)
        return dL_dx

    def leaves_out(self, src: np.ndarray, src_key_padding_mask: np.ndarray) -> bool:
        """Whether torch would leave out padded places: its conditions for layers and masks."""
        first = next(iter(self.layers), None)
        if not self.enable_nested_tensor or self.training or src.ndim != 3 or not isinstance(first, TransformerEncoderLayer):
            return False
        attention, activation = first.self_attn, first.activation
        usual = isinstance(activation, ReLU) or (isinstance(activation, GELU) and activation.approximate == "none")
        fast = usual and attention.batch_first and not first.norm_first and attention.in_proj_bias is not None
        alike = first.norm1.eps == first.norm2.eps and attention.num_heads % 2 == 0
        padded = src_key_padding_mask != 0
        return bool(fast and alike and (padded[:, 1:] >= padded[:, :-1]).all())  # once padded, padded to the end


class TransformerDecoder(Module):
    """Copies of one decoder layer, one after the other, and a norm at the end if one is given (torch.nn.TransformerDecoder).

    Every layer looks at the same memory, so its gradient is the sum over the layers.

    Args:
        decoder_layer: copied num_layers times, so that all copies start from equal weights (as in torch).
        num_layers: how many.
        norm: a Module, used as it is.

    Arguments of forward: those of TransformerDecoderLayer. `backward` returns (dL_dtgt, dL_dmemory).

    Raises:
        ValueError: if num_layers is negative.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: np.ndarray,
        memory: np.ndarray,
        tgt_mask: np.ndarray | None = None,
        memory_mask: np.ndarray | None = None,
        tgt_key_padding_mask: np.ndarray | None = None,
        memory_key_padding_mask: np.ndarray | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> np.ndarray:
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, bool(tgt_is_causal), memory_is_causal
        self.save(memory.shape, memory.dtype)
        x = tgt
        for layer in self.layers:
            x = layer(x, memory, *masks)
        return x if self.norm is None else self.norm(x)

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dL_dmemory = np.zeros(*self.restore())
        dL_dx = dL_dy if self.norm is None else self.norm.backward(dL_dy)
        for layer in reversed(list(self.layers)):
            dL_dx, dL_dmemory_here = layer.backward(dL_dx)
            dL_dmemory += dL_dmemory_here
        return dL_dx, dL_dmemory


class Transformer(Module):
    """An encoder reads src, a decoder reads tgt and what the encoder made of src (torch.nn.Transformer).

        memory = encoder(src)
        y = decoder(tgt, memory)

    The last gradient to come out of the decoder, dL_dmemory, is the first to go into the encoder.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, rng, dtype: of all layers.
        num_encoder_layers, num_decoder_layers: how many.
        custom_encoder, custom_decoder: Modules in place of TransformerEncoder and TransformerDecoder.

    All matrices start Xavier-uniform, each with weights of its own.

    Arguments of forward:
        src: (S, N, d_model), (N, S, d_model) if batch_first, or (S, d_model).
        tgt: (T, N, d_model), in the axes of src. y has its shape.
        src_mask, tgt_mask, memory_mask, ...: as in TransformerEncoderLayer and TransformerDecoderLayer.

    `backward` returns (dL_dsrc, dL_dtgt).

    Raises: as the layers; ValueError if src and tgt are of different size d_model or numbers of examples.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Module = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        rng = rng or np.random.default_rng()
        layer = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias
        made = {"rng": rng, "dtype": dtype}
        self.encoder: Any = custom_encoder
        self.decoder: Any = custom_decoder
        if custom_encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*layer, **made), num_encoder_layers, norm)
        if custom_decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*layer, **made), num_decoder_layers, norm)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for p in self.parameters():
            if p.ndim > 1:
                bound = math.sqrt(6 / sum(p.shape))
                p[...] = uniform(p.shape, -bound, bound, rng=rng, dtype=p.dtype)

    def forward(
        self,
        src: np.ndarray,
        tgt: np.ndarray,
        src_mask: np.ndarray | None = None,
        tgt_mask: np.ndarray | None = None,
        memory_mask: np.ndarray | None = None,
        src_key_padding_mask: np.ndarray | None = None,
        tgt_key_padding_mask: np.ndarray | None = None,
        memory_key_padding_mask: np.ndarray | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> np.ndarray:
        self.check(src, tgt)
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        of_tgt = {"tgt_mask": tgt_mask, "tgt_key_padding_mask": tgt_key_padding_mask, "tgt_is_causal": tgt_is_causal}
        of_memory = {"memory_mask": memory_mask, "memory_key_padding_mask": memory_key_padding_mask, "memory_is_causal": memory_is_causal}
        return self.decoder(tgt, memory, **of_tgt, **of_memory)

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dL_dtgt, dL_dmemory = self.decoder.backward(dL_dy)
        dL_dsrc = self.encoder.backward(dL_dmemory)
        return dL_dsrc, dL_dtgt

    @staticmethod
    def generate_square_subsequent_mask(sz: int, *, dtype: Any = np.float64) -> np.ndarray:
        """A causal mask (sz, sz) to add to the scores: 0 where key s ≤ query t, −∞ where it is later."""
        return np.where(np.tri(sz, dtype=bool), 0, -np.inf).astype(dtype)

    def check(self, src: np.ndarray, tgt: np.ndarray) -> None:
        """Raise unless src and tgt fit together; the layers check the rest."""
        for name, x in (("src", src), ("tgt", tgt)):
            expect_array("Transformer", name, x)
            expect_ndim("Transformer", name, x, 2, 3)
            expect_size("Transformer", name, x, -1, self.d_model, "d_model")
        axis = 0 if self.batch_first else 1
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[axis] != tgt.shape[axis]):
            raise ValueError(f"Transformer: tgt must have the axes and the examples of src {src.shape}, got {tgt.shape}")


def sum_of(gradients: tuple[np.ndarray, ...]) -> np.ndarray:
    """Their sum: the gradient of an array that was used in each of these places."""
    return sum(gradients[1:], start=gradients[0])


def as_activation(layer: str, activation: str | Module) -> Module:
    """The Module of this name, or a copy of the one given."""
    if isinstance(activation, Module):
        return copy.deepcopy(activation)
    if not isinstance(activation, str):
        raise NotImplementedError(f"{layer}: activation must be 'relu', 'gelu' or a Module, got {activation!r}")
    if activation not in ("relu", "gelu"):
        raise ValueError(f"{layer}: activation must be 'relu', 'gelu' or a Module, got {activation!r}")
    return ReLU() if activation == "relu" else GELU()


def copies(layer: Module, n: int) -> ModuleList:
    """n copies of a layer that draw their noise from its one generator: copied generators would all draw the same."""
    generators = [m.rng for _, m in layer.named_modules() if hasattr(m, "rng")]
    return ModuleList(copy.deepcopy(layer, {id(rng): rng for rng in generators}) for _ in range(n))
