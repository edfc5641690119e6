"""Adamax: the twin of torch.optim.Adamax."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class Adamax(Optimizer):
    """Adam with a running maximum of |g| in place of the root of a running mean of g² (torch.optim.Adamax).

        g       = ∂L/∂p + weight_decay · p                    (−∂L/∂p where maximize)
        exp_avg = β₁ · exp_avg + (1 − β₁) · g
        exp_inf = max(β₂ · exp_inf, |g| + eps)                the limit of Adam's root for ever higher powers
        p ← p − lr / (1 − β₁ᵗ) · exp_avg / exp_inf

    exp_inf needs no correction: its first value is |g| itself. NaN in g makes it NaN for good.

    Args:
        params: see Optimizer.
        lr: the most that a coordinate moves in a step, or little more.
        betas: β₁ and β₂; the paper's defaults.
        eps: keeps the division finite.
        weight_decay: pulls p to 0, through the gradient.
        maximize: climb.

    State: step (t), exp_avg, exp_inf.

    Raises:
        ValueError: if lr, eps or weight_decay is negative, or a beta is not in [0, 1).

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, betas: tuple[float, float], eps: float, weight_decay: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, eps=eps, weight_decay=weight_decay)
        self.expect_betas(betas)

    def new_state(self, p: np.ndarray, **_: Any) -> State:
        return {"step": new_counter(), "exp_avg": np.zeros_like(p), "exp_inf": np.zeros_like(p)}

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        t: float,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        **_: Any,
    ) -> None:
        beta1, beta2 = betas
        exp_avg, exp_inf = state["exp_avg"], state["exp_inf"]
        if weight_decay != 0:
            g = g + weight_decay * p
        exp_avg += (1 - beta1) * (g - exp_avg)  # the same as β₁ · exp_avg + (1 − β₁) · g
        np.maximum(beta2 * exp_inf, np.abs(g) + eps, out=exp_inf)
        p -= lr / (1 - beta1**t) * exp_avg / exp_inf
