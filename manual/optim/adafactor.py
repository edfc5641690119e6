"""Adafactor: the twin of torch.optim.Adafactor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class Adafactor(Optimizer):
    """RMSprop that remembers of a matrix of squared gradients only its row means and column means (torch.optim.Adafactor).

        w = t^beta2_decay                                     the weight of the newest g²: 1 at first, then less and less
        row_var = (1 − w) row_var + w · mean of g² over each row              (..., A, 1)
        col_var = (1 − w) col_var + w · mean of g² over each column           (..., 1, B)
        v = row_var col_var / mean(row_var)                                   (..., A, B)
        u = g / √v,   u ← u / max(1, rms(u) / d)              no step is larger than d times its usual size
        p ← p · (1 − lr · weight_decay) − min(lr, 1 / √t) · max(eps₂, rms(p)) · u

    with g = ∂L/∂p (−∂L/∂p where maximize) and rms(x) = √(mean of x²). Where g² is the product of a column and a row, v is exactly its
    running mean, for A + B numbers instead of A · B. Steps are relative to the size of p, so that lr has no unit.
    A parameter of fewer than two axes has v = variance = (1 − w) variance + w g² itself. v is taken to be at least eps₁², and
    mean(row_var) at least eps₁.

    Args:
        params: see Optimizer.
        lr: the longest relative step.
        beta2_decay: see w; 0 or below.
        eps: eps₁, None for the rounding of p's dtype, and eps₂, the size that a parameter near 0 is taken to have.
        d: see u; 1 or more.
        weight_decay: pulls p to 0, as in AdamW.
        maximize: climb.

    State: step (t), and row_var and col_var, or variance.

    Raises:
        ValueError: if lr, weight_decay or one of eps is negative, eps is no pair, beta2_decay is above 0, or d below 1.

    Source: Shazeer and Stern 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", algorithms 4 and 5; lr and the place
        of eps₁ are torch's.
    """

    elementwise = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, beta2_decay: float, eps: tuple[float | None, float], d: float, weight_decay: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, weight_decay=weight_decay)
        if not isinstance(eps, tuple | list) or len(eps) != 2:
            raise ValueError(f"Adafactor: eps must be a pair, None or a number, and a number, got {eps!r}")
        for i, value in enumerate(eps):
            if value is not None or i:
                self.expect_at_least_zero(**{f"eps[{i}]": value})
        if not beta2_decay <= 0:
            raise ValueError(f"Adafactor: beta2_decay must be at most 0, got {beta2_decay}")
        if not d >= 1:
            raise ValueError(f"Adafactor: d must be at least 1, got {d}")

    def new_state(self, p: np.ndarray, **_: Any) -> State:
        if p.ndim < 2:
            return {"step": new_counter(), "variance": np.zeros_like(p)}
        *lead, A, B = p.shape
        return {"step": new_counter(), "row_var": np.zeros((*lead, A, 1), p.dtype), "col_var": np.zeros((*lead, 1, B), p.dtype)}

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        t: float,
        lr: float,
        beta2_decay: float,
        eps: tuple[float | None, float],
        d: float,
        weight_decay: float,
        **_: Any,
    ) -> None:
        eps1, eps2 = float(np.finfo(p.dtype).eps) if eps[0] is None else eps[0], eps[1]
        w = t**beta2_decay
        length = min(lr, 1 / math.sqrt(t)) * max(eps2, rms(p))  # of a usual step
        p *= 1 - lr * weight_decay
        if p.ndim < 2:
            v = state["variance"][...] = mixed(state["variance"], g * g, w)
        else:
            row_var = state["row_var"][...] = mixed(state["row_var"], (g * g).mean(axis=-1, keepdims=True), w)
            col_var = state["col_var"][...] = mixed(state["col_var"], (g * g).mean(axis=-2, keepdims=True), w)
            v = row_var @ col_var / np.maximum(row_var.mean(axis=-2, keepdims=True), eps1)  # (..., A, 1) @ (..., 1, B)
        u = g / np.sqrt(np.maximum(v, eps1 * eps1))
        p -= length / max(1.0, rms(u) / d) * u


def mixed(old: np.ndarray, new: np.ndarray, w: float) -> np.ndarray:
    """(1 − w) old + w new, as torch.lerp computes it: from whichever is nearer."""
    return old + w * (new - old) if w < 0.5 else new - (1 - w) * (new - old)


def rms(x: np.ndarray) -> float:
    """√(mean of x²)."""
    return float(np.sqrt((x * x).mean()))
