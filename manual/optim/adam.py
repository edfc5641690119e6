"""Adam and AdamW: the twins of torch.optim.Adam and torch.optim.AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class Adam(Optimizer):
    """Steps of about lr in each coordinate, whatever the gradient's scale (torch.optim.Adam).

        g          = ∂L/∂p + weight_decay · p                            (−∂L/∂p where maximize)
        exp_avg    = β₁ · exp_avg    + (1 − β₁) · g                      a running mean of g,
        exp_avg_sq = β₂ · exp_avg_sq + (1 − β₂) · g²                     and of g²
        p ← p − lr · (exp_avg / (1 − β₁ᵗ)) / (√(exp_avg_sq / (1 − β₂ᵗ)) + eps)

    Both means start at 0, and after t updates their weights add up to 1 − βᵗ: dividing by that corrects them.
    With amsgrad the largest exp_avg_sq so far, max_exp_avg_sq, stands in the last line.

    Args:
        params: see Optimizer.
        lr: about how far a coordinate moves in a step.
        betas: β₁ and β₂; the paper's defaults.
        eps: keeps the division finite; the paper's default.
        weight_decay: pulls p to 0 through the gradient, divided like it; see AdamW.
        amsgrad: let the denominator never shrink.
        maximize: climb.
        decoupled_weight_decay: decay as AdamW does.

    State: step (t), exp_avg, exp_avg_sq, and max_exp_avg_sq if amsgrad.

    Raises:
        ValueError: if lr, eps or weight_decay is negative, or a beta is not in [0, 1).

    Source: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1;
        Reddi et al. 2018, "On the Convergence of Adam and Beyond" (amsgrad).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, betas: tuple[float, float], eps: float, weight_decay: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, eps=eps, weight_decay=weight_decay)
        self.expect_betas(betas)

    def new_state(self, p: np.ndarray, amsgrad: bool, **_: Any) -> State:
        state = {"step": new_counter(), "exp_avg": np.zeros_like(p), "exp_avg_sq": np.zeros_like(p)}
        return state | ({"max_exp_avg_sq": np.zeros_like(p)} if amsgrad else {})

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
        amsgrad: bool,
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
        if amsgrad:
            exp_avg_sq = np.maximum(state["max_exp_avg_sq"], exp_avg_sq, out=state["max_exp_avg_sq"])

        # The corrections are numbers, so they are taken out of the arrays: √(v / c) = √v / √c
        denominator = np.sqrt(exp_avg_sq)
        denominator /= math.sqrt(1 - beta2**t)
        denominator += eps
        step = lr / (1 - beta1**t) * exp_avg
        step /= denominator
        p -= step


class AdamW(Adam):
    """Adam with weight decay taken out of the gradient (torch.optim.AdamW).

        p ← p · (1 − lr · weight_decay), and then Adam's update with g = ∂L/∂p

    In Adam the decay is divided by √exp_avg_sq like the gradient that it is part of: weights with large gradients
    hardly decay. Here all decay alike.

    Args:
        params: see Optimizer.
        lr, betas, eps, amsgrad, maximize: see Adam.
        weight_decay: the fraction of p, per lr, that is lost in a step.

    State: as Adam's.

    Source: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As Optimizer.load_state_dict; the decay stays decoupled even if Adam saved the state, as in torch."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
