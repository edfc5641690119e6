"""RAdam: the twin of torch.optim.RAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class RAdam(Optimizer):
    """Adam that does not trust its denominator before it has seen enough gradients (torch.optim.RAdam).

        g          = ∂L/∂p + weight_decay · p                            (−∂L/∂p where maximize)
        exp_avg    = β₁ · exp_avg    + (1 − β₁) · g
        exp_avg_sq = β₂ · exp_avg_sq + (1 − β₂) · g²
        m          = exp_avg / (1 − β₁ᵗ)
        ρ∞         = 2 / (1 − β₂) − 1                                    over how many g² exp_avg_sq averages, in the end
        ρₜ         = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ)                            and after t of them
        r          = √( (ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ) )    from 0 to 1 as ρₜ grows from 4 to ρ∞
        p ← p − lr · m · r · √(1 − β₂ᵗ) / (√exp_avg_sq + eps)            where ρₜ > 5,
        p ← p − lr · m                                                   before that

    The variance of Adam's 1 / √exp_avg_sq is infinite for ρₜ ≤ 4; r undoes its excess after that. It is a warm-up.

    Args:
        params: see Optimizer.
        lr: about how far a coordinate moves in a step, in the end.
        betas: β₁ and β₂.
        eps: keeps the division finite.
        weight_decay: pulls p to 0, through the gradient.
        decoupled_weight_decay: decay as AdamW does: p ← p · (1 − lr · weight_decay) first.
        maximize: climb.

    State: step (t), exp_avg, exp_avg_sq.

    Raises:
        ValueError: if lr, eps or weight_decay is negative, or a beta is not in [0, 1).

    Source: Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond", algorithm 2 (with > 4 for > 5).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, betas: tuple[float, float], eps: float, weight_decay: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, eps=eps, weight_decay=weight_decay)
        self.expect_betas(betas)

    def new_state(self, p: np.ndarray, **_: Any) -> State:
        return {"step": new_counter(), "exp_avg": np.zeros_like(p), "exp_avg_sq": np.zeros_like(p)}

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
        decoupled_weight_decay: bool,
        **_: Any,
    ) -> None:
        beta1, beta2 = betas
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
        if decoupled_weight_decay:
            p *= 1 - lr * weight_decay
        elif weight_decay != 0:
            g = g + weight_decay * p

        exp_avg += (1 - beta1) * (g - exp_avg)  # the same as β₁ · exp_avg + (1 − β₁) · g
        exp_avg_sq *= beta2
        exp_avg_sq += (1 - beta2) * g * g
        m = exp_avg / (1 - beta1**t)
        if rho > 5:
            r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            m *= r * math.sqrt(1 - beta2**t) / (np.sqrt(exp_avg_sq) + eps)
        p -= lr * m
