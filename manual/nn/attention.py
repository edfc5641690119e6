"""Attention: the twins of torch.nn.functional.scaled_dot_product_attention and torch.nn.MultiheadAttention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual.module import Module, Parameter
from manual.nn.dropout import Dropout
from manual.nn.functional import softmax
from manual.nn.init import uniform
from manual.nn.linear import Linear
from manual.nn.validate import expect_array, expect_ndim, expect_size, fits


class ScaledDotProductAttention(Module):
    """Every query asks every key, and receives the values in proportion (torch.nn.functional.scaled_dot_product_attention).

    In each of the leading axes, with t a query and s a key,

        z[t, s] = scale Σₑ query[t, e] key[s, e] (+ mask)       z = scale · query keyᵀ
        a[t, s] = exp(z[t, s]) / Σᵣ exp(z[t, r])                each row a distribution over the keys
        y[t, e] = Σₛ a[t, s] value[s, e]                        y = a value

        ∂L/∂value[s, e] = Σₜ a[t, s] ∂L/∂y[t, e]                dL_dvalue = aᵀ dL_dy
        ∂L/∂a[t, s] = Σₑ ∂L/∂y[t, e] value[s, e]                dL_da = dL_dy valueᵀ
        ∂L/∂z[t, s] = a[t, s] (∂L/∂a[t, s] − Σᵣ a[t, r] ∂L/∂a[t, r])   the softmax of each row
        ∂L/∂query[t, e] = scale Σₛ ∂L/∂z[t, s] key[s, e]        dL_dquery = scale · dL_dz key
        ∂L/∂key[s, e] = scale Σₜ ∂L/∂z[t, s] query[t, e]        dL_dkey = scale · dL_dzᵀ query

    Source: Vaswani et al., "Attention is all you need" (2017), section 3.2.1.

    Arguments of forward:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, Ev).
        attn_mask: boolean, True where a key takes part (MultiheadAttention means the opposite); or numbers added to z.
            Any shape that broadcasts to (..., L, S). A constant: backward returns no gradient for it.
            A query that may see no key receives 0.
        dropout_p: 0 only.
        is_causal: query t sees the keys 0 ... t only; then no attn_mask.
        scale: 1/√E unless given: it keeps the variance of z near 1 for random queries and keys.
        enable_gqa: False only.

    Attributes:
        weights: a of the latest forward, (..., L, S), for figures.

    Raises:
        ValueError: if shapes do not fit, or both a mask and is_causal are given.
        TypeError: if query, key and value are not floating arrays of one dtype, or the mask is neither boolean nor of that dtype.
        NotImplementedError: for dropout_p > 0 and enable_gqa.
    """

    weights: np.ndarray | None = None

    def forward(
        self,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        attn_mask: np.ndarray | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> np.ndarray:
        check_attention(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
        scale = 1 / math.sqrt(query.shape[-1]) if scale is None else float(scale)
        z = (scale * query) @ key.swapaxes(-1, -2)  # (..., L, E) @ (..., E, S)
        z = masked(z, np.tri(*z.shape[-2:], dtype=bool) if is_causal else attn_mask)
        a = safe_softmax(z)
        self.save(query, key, value, a, scale)
        self.weights = a
        return a @ value  # (..., L, S) @ (..., S, Ev)

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        query, key, value, a, scale = self.restore()
        dL_dvalue = a.swapaxes(-1, -2) @ dL_dy  # (..., S, L) @ (..., L, Ev)
        dL_da = dL_dy @ value.swapaxes(-1, -2)  # (..., L, Ev) @ (..., Ev, S)
        dL_dz = softmax_backward(dL_da, a)
        dL_dquery = scale * (dL_dz @ key)  # (..., L, S) @ (..., S, E)
        dL_dkey = scale * (dL_dz.swapaxes(-1, -2) @ query)  # (..., S, L) @ (..., L, E)
        return dL_dquery, dL_dkey, dL_dvalue


class MultiheadAttention(Module):
    """Attention in several subspaces at once, learned (torch.nn.MultiheadAttention).

    Queries, keys and values are first mapped, q = query W_qᵀ + b_q and so on, to E numbers each, and these are cut into `num_heads`
    heads of D = E / num_heads. In each head, with a = softmax(q kᵀ / √D + mask) as in ScaledDotProductAttention, which has that
    derivation,

        a' = dropout(a)
        y = a' v                           the heads side by side again, (N, L, E)
        output = y W_outᵀ + b_out

    backward is this from the bottom up; a' has a second gradient if the weights are an output too:

        dL_dy = out_proj.backward(dL_doutput)
        dL_dv = a'ᵀ dL_dy,  dL_da' = dL_dy vᵀ + dL_dweights (/ num_heads if they are averaged)
        dL_da = dropout.backward(dL_da'),  dL_dz = softmax_backward(dL_da, a)
        dL_dq = dL_dz k / √D,  dL_dk = dL_dzᵀ q / √D
        dL_dquery = dL_dq W_q,  dL_dW_q = dL_dqᵀ query,  dL_db_q = Σ dL_dq,  and so on

    b_k moves all z of a row alike, which the softmax does not see: its gradient is 0 but for rounding.

    Args:
        embed_dim: E, the size of queries and of the output.
        num_heads: how many heads; divides E.
        dropout: probability of 0 of each attention weight, in training.
        bias: whether in_proj_bias and out_proj.bias (initially 0) are there.
        add_bias_kv, add_zero_attn: False only.
        kdim, vdim: the sizes of keys and values, E unless given.
        batch_first: whether query, key, value and output are (N, length, size) in place of (length, N, size).
        rng: draws the initial weights, Xavier-uniform, and the dropout.
        dtype: of the parameters.

    Arguments of forward:
        query: (L, N, E), or (N, L, E) if batch_first, or (L, E).
        key, value: (S, N, kdim) and (S, N, vdim), in the axes of query.
        key_padding_mask: (N, S), or (S,) without N: True where a key is left out for all queries, or numbers added to z.
        need_weights: whether the attention weights are an output.
        attn_mask: (L, S), or (N·num_heads, L, S): True where a key is left out (ScaledDotProductAttention means the opposite), or numbers
            added to z.
        average_attn_weights: whether the weights are averaged over the heads.
        is_causal: says that attn_mask is causal; the mask has to be given, and is what counts.

    Returns:
        (output, weights): the output in the axes of query, and a' (N, L, S), or (N, num_heads, L, S) if not averaged, without N if query
        has none; None unless need_weights.

    `backward` takes the gradients of both, (dL_doutput, dL_dweights), or dL_doutput alone where no weights reach the loss, and returns
    (dL_dquery, dL_dkey, dL_dvalue): in self-attention, where all three are one array, its gradient is their sum. Masks are constants.

    A query that may see no key: its weights are NaN, as in torch; with need_weights=False they are 0 and the output b_out, as in torch.

    state_dict: in_proj_weight (3·E, E), the three maps one above the other, or q_proj_weight, k_proj_weight, v_proj_weight if kdim or vdim
    is not E; in_proj_bias (3·E,), out_proj.weight, out_proj.bias.

    Raises:
        ValueError: if num_heads does not divide embed_dim, or shapes do not fit.
        TypeError: for arrays of another dtype, or masks that are neither boolean nor of that dtype.
        NotImplementedError: for add_bias_kv and add_zero_attn.

    Source: Vaswani et al., "Attention is all you need" (2017), section 3.2.2.
    """

    _not_shown = ("weight_dropout",)

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: num_heads must divide embed_dim, got num_heads = {num_heads}, embed_dim = {embed_dim}")
        for name, value in (("add_bias_kv", add_bias_kv), ("add_zero_attn", add_zero_attn)):
            if value:
                raise NotImplementedError(f"MultiheadAttention: {name}=True is not supported")
        self.embed_dim, self.num_heads, self.head_dim, self.batch_first = embed_dim, num_heads, embed_dim // num_heads, batch_first
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        packed = self.kdim == self.vdim == embed_dim  # then the three maps are one parameter
        self.in_proj_weight: Any = xavier((3 * embed_dim, embed_dim), rng, dtype) if packed else None
        self.q_proj_weight: Any = None if packed else xavier((embed_dim, embed_dim), rng, dtype)
        self.k_proj_weight: Any = None if packed else xavier((embed_dim, self.kdim), rng, dtype)
        self.v_proj_weight: Any = None if packed else xavier((embed_dim, self.vdim), rng, dtype)
        self.in_proj_bias: Any = Parameter(np.zeros(3 * embed_dim, dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=rng, dtype=dtype)
        if self.out_proj.bias is not None:
            self.out_proj.bias[...] = 0
        self.weight_dropout = Dropout(dropout, rng=rng)

    def forward(
        self,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        key_padding_mask: np.ndarray | None = None,
        need_weights: bool = True,
        attn_mask: np.ndarray | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        self.check(query, key, value, key_padding_mask, attn_mask, is_causal)
        ndim = query.ndim
        inputs = [self.examples_first(x) for x in (query, key, value)]
        q, k, v = (
            self.heads(x @ W.T + b) for x, (W, b) in zip(inputs, self.in_projections(), strict=True)
        )  # (N, length, size) @ (size, E)
        z = q @ k.swapaxes(2, 3) / math.sqrt(self.head_dim)  # (N, H, L, D) @ (N, H, D, S)
        z = self.both_masks(z, attn_mask, key_padding_mask)
        if need_weights:
            with np.errstate(invalid="ignore"):  # a row of −∞ alone is meant to become NaN
                a = softmax(z)
        else:
            a = safe_softmax(z)
        dropped = self.weight_dropout(a)
        y = self.side_by_side(dropped @ v)  # (N, H, L, S) @ (N, H, S, D)
        self.save(inputs, q, k, v, a, dropped, ndim, need_weights and average_attn_weights)
        output = self.axes_of_input(self.out_proj(y), ndim)
        if not need_weights:
            return output, None
        weights = dropped.mean(axis=1) if average_attn_weights else dropped
        return output, weights[0] if ndim == 2 else weights

    def backward(self, dL_dy: Any) -> tuple[np.ndarray, ...]:
        inputs, q, k, v, a, dropped, ndim, averaged = self.restore()
        dL_doutput, dL_dweights = dL_dy if isinstance(dL_dy, tuple) else (dL_dy, None)
        dL_dheads = self.heads(self.out_proj.backward(self.examples_first(dL_doutput)))
        dL_dv = self.side_by_side(dropped.swapaxes(2, 3) @ dL_dheads)  # (N, H, S, L) @ (N, H, L, D)
        dL_ddropped = dL_dheads @ v.swapaxes(2, 3)  # (N, H, L, D) @ (N, H, D, S)
        if dL_dweights is not None:
            d = dL_dweights[None] if ndim == 2 else dL_dweights
            dL_ddropped += d[:, None] / self.num_heads if averaged else d  # every head had its share of the average
        dL_dz = softmax_backward(self.weight_dropout.backward(dL_ddropped), a)
        dL_dq = self.side_by_side(dL_dz @ k / math.sqrt(self.head_dim))  # (N, H, L, S) @ (N, H, S, D)
        dL_dk = self.side_by_side(dL_dz.swapaxes(2, 3) @ q / math.sqrt(self.head_dim))  # (N, H, S, L) @ (N, H, L, D)
        return self.in_projections_backward([dL_dq, dL_dk, dL_dv], inputs, ndim)

    def in_projections(self) -> list[tuple[np.ndarray, Any]]:
        """W (E, size) and b (E,), or 0 where there is no bias, of queries, keys and values."""
        E = self.embed_dim
        parts = [slice(0, E), slice(E, 2 * E), slice(2 * E, 3 * E)]
        if self.in_proj_weight is not None:
            Ws = [self.in_proj_weight[p] for p in parts]
        else:
            Ws = [self.q_proj_weight[:], self.k_proj_weight[:], self.v_proj_weight[:]]
        return [(W, 0 if self.in_proj_bias is None else self.in_proj_bias[p]) for W, p in zip(Ws, parts, strict=True)]

    def in_projections_backward(self, dL_dmapped: list[np.ndarray], inputs: list[np.ndarray], ndim: int) -> tuple[np.ndarray, ...]:
        """Add the gradients of the three maps, given dL_dq, dL_dk, dL_dv (N, length, E); return those of their inputs."""
        d_rows = [d.reshape(-1, self.embed_dim) for d in dL_dmapped]  # (N·length, E)
        dL_dWs = [d.T @ x.reshape(-1, x.shape[-1]) for d, x in zip(d_rows, inputs, strict=True)]  # (E, N·length) @ (N·length, size)
        if self.in_proj_weight is not None:
            self.in_proj_weight.grad += np.concatenate(dL_dWs)
        else:
            for W, dL_dW in zip((self.q_proj_weight, self.k_proj_weight, self.v_proj_weight), dL_dWs, strict=True):
                W.grad += dL_dW
        if self.in_proj_bias is not None:
            self.in_proj_bias.grad += np.concatenate([d.sum(axis=0) for d in d_rows])  # sum over examples and their lengths
        d_inputs = [d @ W for d, (W, _) in zip(d_rows, self.in_projections(), strict=True)]  # (N·length, E) @ (E, size)
        return tuple(self.axes_of_input(d.reshape(x.shape), ndim) for d, x in zip(d_inputs, inputs, strict=True))

    def heads(self, x: np.ndarray) -> np.ndarray:
        """(N, length, E) as (N, num_heads, length, D)."""
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).swapaxes(1, 2)

    def side_by_side(self, x: np.ndarray) -> np.ndarray:
        """(N, num_heads, length, D) as (N, length, E)."""
        return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], self.embed_dim)

    def examples_first(self, x: np.ndarray) -> np.ndarray:
        """(N, length, size) from the axes of the input."""
        return x[None] if x.ndim == 2 else x if self.batch_first else x.swapaxes(0, 1)

    def axes_of_input(self, x: np.ndarray, ndim: int) -> np.ndarray:
        """The axes of the input, which had so many, from (N, length, size)."""
        return x[0] if ndim == 2 else x if self.batch_first else x.swapaxes(0, 1)

    def both_masks(self, z: np.ndarray, attn_mask: np.ndarray | None, key_padding_mask: np.ndarray | None) -> np.ndarray:
        """z (N, H, L, S) as both masks leave it."""
        N, H, L, S = z.shape
        if attn_mask is not None:
            z = masked(z, keeps(attn_mask if attn_mask.ndim == 2 else attn_mask.reshape(N, H, L, S)))
        if key_padding_mask is not None:
            z = masked(z, keeps(key_padding_mask.reshape(N, 1, 1, S)))
        return z

    def check(
        self,
        query: np.ndarray,
        key: np.ndarray,
        value: np.ndarray,
        key_padding_mask: np.ndarray | None,
        attn_mask: np.ndarray | None,
        is_causal: bool,
    ) -> None:
        """Raise unless these fit together."""
        name, dtype = "MultiheadAttention", self.out_proj.weight.dtype
        expect_array(name, "query", query, dtype)
        expect_ndim(name, "query", query, 2, 3)
        for what, x, size in (("query", query, "embed_dim"), ("key", key, "kdim"), ("value", value, "vdim")):
            expect_array(name, what, x, dtype)
            expect_ndim(name, what, x, query.ndim)
            expect_size(name, what, x, -1, getattr(self, size), size)
        N, L, _ = self.examples_first(query).shape
        S = self.examples_first(key).shape[1]
        if self.examples_first(key).shape[0] != N:
            raise ValueError(f"{name}: key must have the {N} examples of query, got shape {key.shape}")
        if value.shape[:-1] != key.shape[:-1]:
            raise ValueError(f"{name}: value must have the examples and the length of key {key.shape[:-1]}, got shape {value.shape}")
        if is_causal and attn_mask is None:
            raise ValueError(f"{name}: is_causal=True only says that attn_mask is causal: attn_mask must be given, got None")
        expect_mask(name, "attn_mask", attn_mask, ((L, S), (N * self.num_heads, L, S)), dtype)
        expect_mask(name, "key_padding_mask", key_padding_mask, ((S,) if query.ndim == 2 else (N, S),), dtype)


# ---- softmax and masks ---------------------------------------------------------------------------


def xavier(shape: tuple[int, int], rng: np.random.Generator | None, dtype: Any) -> Parameter:
    """Initial weights uniform in ±√(6 / (rows + columns)) (torch.nn.init.xavier_uniform_)."""
    bound = math.sqrt(6 / sum(shape))
    return Parameter(uniform(shape, -bound, bound, rng=rng, dtype=dtype))


def keeps(mask: np.ndarray) -> np.ndarray:
    """A mask of MultiheadAttention as one of ScaledDotProductAttention: a boolean one means the opposite."""
    return ~mask if mask.dtype == bool else mask


def masked(z: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """z with −∞ where a boolean mask is False, or plus the numbers of the mask."""
    if mask is None:
        return z
    return z + (np.where(mask, z.dtype.type(0), -np.inf) if mask.dtype == bool else mask)


def safe_softmax(z: np.ndarray) -> np.ndarray:
    """exp(z) / Σ exp(z) along the last axis, 0 in a row where every z is −∞ (torch's _safe_softmax)."""
    peak = z.max(axis=-1, keepdims=True, initial=-np.inf)
    e = z - np.where(peak == -np.inf, 0, peak)  # at most 0, so that exp does not overflow
    np.exp(e, out=e)
    total = e.sum(axis=-1, keepdims=True)
    e /= np.where(total == 0, 1, total)
    return e


def softmax_backward(dL_da: np.ndarray, a: np.ndarray) -> np.ndarray:
    """∂L/∂z[t, s] = a[t, s] (∂L/∂a[t, s] − Σᵣ a[t, r] ∂L/∂a[t, r]), for a = softmax(z) along the last axis.

    Because ∂a[t, s]/∂z[t, r] = a[t, s] ([s = r] − a[t, r]).
    """
    dL_dz = dL_da - np.vecdot(a, dL_da)[..., None]  # (..., L, S) − (..., L, 1)
    dL_dz *= a
    return dL_dz


def check_attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, attn_mask: np.ndarray | None, dropout_p: float, is_causal: bool, enable_gqa: bool
) -> None:
    """Raise unless these fit together."""
    name = "ScaledDotProductAttention"
    if dropout_p != 0:
        raise NotImplementedError(f"{name}: dropout_p must be 0, got {dropout_p}; MultiheadAttention holds a Dropout of its own")
    if enable_gqa:
        raise NotImplementedError(f"{name}: enable_gqa=True is not supported")
    expect_array(name, "query", query)
    for what, array in (("query", query), ("key", key), ("value", value)):
        expect_array(name, what, array, query.dtype)
        if array.ndim < 2 or array.shape[:-2] != query.shape[:-2]:
            raise ValueError(f"{name}: {what} must be (..., length, size) with query's leading axes {query.shape[:-2]}, got {array.shape}")
    if key.shape[-1] != query.shape[-1]:
        raise ValueError(f"{name}: key must have query's last axis E = {query.shape[-1]}, got shape {key.shape}")
    if value.shape[-2] != key.shape[-2]:
        raise ValueError(f"{name}: value must have one row for each of the {key.shape[-2]} keys, got shape {value.shape}")
    if attn_mask is None:
        return
    if is_causal:
        raise ValueError(f"{name}: attn_mask must be None where is_causal=True, got one of shape {np.shape(attn_mask)}")
    z_shape = (*query.shape[:-1], key.shape[-2])
    expect_mask(name, "attn_mask", attn_mask, (np.shape(attn_mask),), query.dtype)
    if attn_mask.ndim > len(z_shape) or any(m not in (1, n) for m, n in zip(attn_mask.shape[::-1], z_shape[::-1], strict=False)):
        raise ValueError(f"{name}: attn_mask must broadcast to (..., L, S) = {z_shape}, got shape {attn_mask.shape}")


def expect_mask(layer: str, name: str, mask: Any, shapes: tuple[tuple[int, ...], ...], dtype: Any) -> None:
    """Raise unless the mask is None, or boolean or of this dtype and of one of these shapes."""
    if mask is None:
        return
    if not isinstance(mask, np.ndarray) or not (mask.dtype == bool or fits(mask.dtype, dtype)):
        kind = getattr(mask, "dtype", type(mask).__name__)
        raise TypeError(f"{layer}: {name} must be a boolean array or one of dtype {dtype}, got {kind}")
    if mask.shape not in shapes:
        raise ValueError(f"{layer}: {name} must have shape {' or '.join(map(str, shapes))}, got {mask.shape}")
