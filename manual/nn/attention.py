"""Attention: the twins of torch.nn.functional.scaled_dot_product_attention and torch.nn.MultiheadAttention."""

from __future__ import annotations

import math

import numpy as np

from manual.module import Module
from manual.nn.validate import expect_array


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
        z = query * scale @ key.swapaxes(-1, -2)  # (..., L, E) @ (..., E, S)
        mask_(z, np.tri(*z.shape[-2:], dtype=bool) if is_causal else attn_mask)
        a = safe_softmax(z)
        self.save(query, key, value, a, scale)
        self.weights = a
        return a @ value  # (..., L, S) @ (..., S, Ev)

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        query, key, value, a, scale = self.restore()
        dL_dvalue = a.swapaxes(-1, -2) @ dL_dy  # (..., S, L) @ (..., L, Ev)
        dL_da = dL_dy @ value.swapaxes(-1, -2)  # (..., L, Ev) @ (..., Ev, S)
        dL_dz = softmax_backward(dL_da, a)
        dL_dquery = dL_dz @ key * scale  # (..., L, S) @ (..., S, E)
        dL_dkey = dL_dz.swapaxes(-1, -2) @ query * scale  # (..., S, L) @ (..., L, E)
        return dL_dquery, dL_dkey, dL_dvalue


def mask_(z: np.ndarray, mask: np.ndarray | None) -> None:
    """Change z in place: −∞ where a boolean mask is False, or plus the numbers of the mask."""
    if mask is not None and mask.dtype == bool:
        np.copyto(z, -np.inf, where=~mask)
    elif mask is not None:
        z += mask


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
    dL_dz = dL_da - np.vecdot(dL_da, a)[..., None]  # (..., L, S) − (..., L, 1)
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
    if not isinstance(attn_mask, np.ndarray) or attn_mask.dtype not in (np.bool_, query.dtype):
        kind = getattr(attn_mask, "dtype", type(attn_mask).__name__)
        raise TypeError(f"{name}: attn_mask must be a boolean array or one of dtype {query.dtype}, got {kind}")
    z_shape = (*query.shape[:-1], key.shape[-2])
    try:
        fits = np.broadcast_shapes(attn_mask.shape, z_shape) == z_shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: attn_mask must broadcast to (..., L, S) = {z_shape}, got shape {attn_mask.shape}")
