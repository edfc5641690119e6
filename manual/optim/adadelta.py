"""Adadelta: the twin of torch.optim.Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class Adadelta(Optimizer):
    """Steps as large as the last steps were, relative to gradients as large as the last gradients (torch.optim.Adadelta).

        g          = ∂L/∂p + weight_decay · p                                  (−∂L/∂p where maximize)
        square_avg = ρ · square_avg + (1 − ρ) · g²                             a running mean of g²
        delta      = √(acc_delta + eps) / √(square_avg + eps) · g              has the unit of p, so that lr has none
        acc_delta  = ρ · acc_delta + (1 − ρ) · delta²                          a running mean of delta²
        p ← p − lr · delta

    Args:
        params: see Optimizer.
        lr: 1 is the paper's method.
        rho: ρ, how much of the running means is kept.
        eps: sets the size of the first steps, since acc_delta starts at 0.
        weight_decay: pulls p to 0: the gradient of weight_decay · ‖p‖² / 2.
        maximize: climb.

    State: step, square_avg, acc_delta.

    Raises:
        ValueError: if lr, eps or weight_decay is negative, or rho not in [0, 1].

    Source: Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, rho: float, eps: float, weight_decay: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0 <= rho <= 1:
            raise ValueError(f"Adadelta: rho must be in [0, 1], got {rho}")

    def new_state(self, p: np.ndarray, **_: Any) -> State:
        return {"step": new_counter(), "square_avg": np.zeros_like(p), "acc_delta": np.zeros_like(p)}

    def update(self, p: np.ndarray, g: np.ndarray, state: State, lr: float, rho: float, eps: float, weight_decay: float, **_: Any) -> None:
        square_avg, acc_delta = state["square_avg"], state["acc_delta"]
        if weight_decay != 0:
            g = g + weight_decay * p
        square_avg *= rho
        square_avg += (1 - rho) * g * g
        delta = np.sqrt(acc_delta + eps) / np.sqrt(square_avg + eps) * g
        acc_delta *= rho
        acc_delta += (1 - rho) * delta * delta
        p -= lr * delta
