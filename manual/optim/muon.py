"""Muon: the twin of torch.optim.Muon."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State


class Muon(Optimizer):
    """Momentum whose every step is made an (almost) orthogonal matrix (torch.optim.Muon).

        momentum_buffer = momentum · momentum_buffer + (1 − momentum) · g          a running mean of g = ∂L/∂p
        u = momentum_buffer,  or with Nesterov's look ahead  (1 − momentum) · g + momentum · momentum_buffer
        p ← p · (1 − lr · weight_decay) − lr · scale · orthogonalize(u)

    With u = U Σ Vᵀ, orthogonalize gives about U Vᵀ: all directions are learned equally fast, not the few with large
    singular values first. For the (A, B) matrices of hidden layers only: biases, embeddings and the last layer go to AdamW.

    scale: √max(1, A / B) for adjust_lr_fn None or "original"; 0.2 · √max(A, B), which gives the entries of a step the
    size of AdamW's, for "match_rms_adamw".

    Args:
        params: see Optimizer; all with two axes.
        lr: how far p moves in every direction.
        weight_decay: as in AdamW.
        momentum: how much of the running mean is kept.
        nesterov: look ahead.
        ns_coefficients: a, b, c of the Newton-Schulz iteration.
        eps: keeps the division by the norm of u finite.
        ns_steps: how many iterations.
        adjust_lr_fn: see scale.

    State: momentum_buffer.

    Raises:
        ValueError: if a parameter has not two axes; if lr, weight_decay or momentum is negative; if adjust_lr_fn is
            unknown, ns_coefficients are not three, or ns_steps is not below 100.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al. 2025, "Muon is
        Scalable for LLM Training" (match_rms_adamw).
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)

    def check(
        self,
        lr: float,
        weight_decay: float,
        momentum: float,
        ns_steps: int,
        adjust_lr_fn: str | None,
        **_: Any,
    ) -> None:
        self.expect_at_least_zero(lr=lr, weight_decay=weight_decay, momentum=momentum)
        if ns_steps >= 100:
            raise ValueError(f"Muon: ns_steps must be below 100, got {ns_steps}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw', got {adjust_lr_fn!r}")

    def check_parameter(self, p: np.ndarray) -> None:
        if p.ndim != 2:
            raise ValueError(f"Muon: every parameter must have 2 axes, got shape {p.shape}")

    def new_state(self, p: np.ndarray, **_: Any) -> State:
        return {"momentum_buffer": np.zeros_like(p)}

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        lr: float,
        weight_decay: float,
        momentum: float,
        nesterov: bool,
        ns_coefficients: tuple[float, float, float],
        eps: float,
        ns_steps: int,
        adjust_lr_fn: str | None,
        **_: Any,
    ) -> None:
        buf = state["momentum_buffer"]
        buf += (1 - momentum) * (g - buf)  # the same as momentum · buf + (1 − momentum) · g
        u = (1 - momentum) * g + momentum * buf if nesterov else buf
        A, B = p.shape
        scale = 0.2 * math.sqrt(max(A, B)) if adjust_lr_fn == "match_rms_adamw" else math.sqrt(max(1, A / B))
        p *= 1 - lr * weight_decay
        p -= lr * scale * orthogonalize(u, ns_coefficients, ns_steps, eps).astype(p.dtype)


def orthogonalize(u: np.ndarray, coefficients: tuple[float, float, float], steps: int, eps: float) -> np.ndarray:
    """About U Vᵀ for u = U Σ Vᵀ, without a singular value decomposition: Newton-Schulz iteration.

        X ← u / ‖u‖                                           all singular values are now at most 1
        X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X                    several times

    Each line turns every singular value s into a s + b s³ + c s⁵ and leaves U and V alone. With the usual a, b and c small s
    grow as fast as they can (a = 3.4 times), and end between 0.7 and 1.2 rather than at 1.

    As in torch every result is rounded to bfloat16, which is fast on GPUs: it has 8 significant bits, so that torch and this
    agree to two or three digits where a sum of products comes out on the other side of a rounding edge, and else to the bit.

    Shapes: u (A, B); X has its shorter axis first, so that X Xᵀ is as small as can be.
    """
    a, b, c = coefficients
    tall = u.shape[0] > u.shape[1]
    X = bfloat16(u.T if tall else u)
    norm = bfloat16(np.sqrt((X * X).sum()))
    X = bfloat16(X / np.maximum(norm, bfloat16(np.asarray(eps, X.dtype))))
    for _ in range(steps):
        XXt = bfloat16(X @ X.T)  # (A, B) @ (B, A)
        polynomial = bfloat16(b * XXt + c * (XXt @ XXt))  # (A, A)
        X = bfloat16(a * X + polynomial @ X)  # (A, B) + (A, A) @ (A, B)
    return X.T if tall else X


def bfloat16(x: np.ndarray) -> np.ndarray:
    """x rounded to the nearest number with 8 significant bits (ties to even), as float32: its last 16 bits are 0."""
    bits = np.asarray(x, dtype=np.float32).view(np.uint32)
    even = (bits >> 16) & 1
    rounded = ((bits + (0x7FFF + even)) & 0xFFFF0000).view(np.float32)
    return np.where(np.isnan(x), np.float32(np.nan), rounded)  # adding to the bits of NaN may make a number of them
