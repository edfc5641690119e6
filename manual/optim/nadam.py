"""NAdam: the twin of torch.optim.NAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead (torch.optim.NAdam).

        g          = ∂L/∂p + weight_decay · p                       (−∂L/∂p where maximize)
        exp_avg    = β₁ · exp_avg    + (1 − β₁) · g
        exp_avg_sq = β₂ · exp_avg_sq + (1 − β₂) · g²
        μₜ         = β₁ · (1 − 0.96^(t · momentum_decay) / 2)       a momentum that grows from β₁ / 2 to β₁
        mu_product = μ₁ · μ₂ · … · μₜ                               takes the place of Adam's β₁ᵗ
        ahead      = (1 − μₜ) / (1 − mu_product) · g  +  μₜ₊₁ / (1 − mu_product · μₜ₊₁) · exp_avg
        p ← p − lr · ahead / (√(exp_avg_sq / (1 − β₂ᵗ)) + eps)

    Adam would step along exp_avg; this steps along g and then along the momentum of the step to come.

    Args:
        params: see Optimizer.
        lr: about how far a coordinate moves in a step.
        betas: β₁ and β₂.
        eps: keeps the division finite.
        weight_decay: pulls p to 0, through the gradient.
        momentum_decay: how fast μ grows.
        decoupled_weight_decay: decay as AdamW does: p ← p · (1 − lr · weight_decay) first.
        maximize: climb.

    State: step (t), mu_product (a float32 number, as in torch), exp_avg, exp_avg_sq.

    Raises:
        ValueError: if lr, eps, weight_decay or momentum_decay is negative, or a beta is not in [0, 1).

    Source: Dozat 2016, "Incorporating Nesterov Momentum into Adam".
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, betas: tuple[float, float], eps: float, weight_decay: float, momentum_decay: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        self.expect_betas(betas)

    def new_state(self, p: np.ndarray, **_: Any) -> State:
        one = np.ones((), dtype=np.float32)
        return {"step": new_counter(), "mu_product": one, "exp_avg": np.zeros_like(p), "exp_avg_sq": np.zeros_like(p)}

    def advance(self, p: np.ndarray, state: State, betas: tuple[float, float], momentum_decay: float, **_: Any) -> dict[str, float]:
        t = super().advance(p, state)["t"]
        mu, mu_next = (betas[0] * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in (t, t + 1))
        state["mu_product"] *= mu
        return {"t": t, "mu": mu, "mu_next": mu_next, "mu_product": float(state["mu_product"])}

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        t: float,
        mu: float,
        mu_next: float,
        mu_product: float,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled_weight_decay: bool,
        **_: Any,
    ) -> None:
        beta1, beta2 = betas
        exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
        if decoupled_weight_decay:
            p *= 1 - lr * weight_decay
        elif weight_decay != 0:
            g = g + weight_decay * p

        exp_avg += (1 - beta1) * (g - exp_avg)  # the same as β₁ · exp_avg + (1 − β₁) · g
        exp_avg_sq *= beta2
        exp_avg_sq += (1 - beta2) * g * g
        ahead = (1 - mu) / (1 - mu_product) * g + mu_next / (1 - mu_product * mu_next) * exp_avg
        p -= lr * ahead / (np.sqrt(exp_avg_sq / (1 - beta2**t)) + eps)
