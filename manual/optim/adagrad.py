"""Adagrad: the twin of torch.optim.Adagrad."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class Adagrad(Optimizer):
    """Gradient descent whose steps shrink with the gradients seen so far, coordinate by coordinate (torch.optim.Adagrad).

        g   = ∂L/∂p + weight_decay · p                        (−∂L/∂p where maximize)
        sum = sum + g²
        p ← p − lr / (1 + (t − 1) · lr_decay) · g / (√sum + eps)

    Rare features keep large steps, frequent ones lose them; no step ever grows again.

    Args:
        params: see Optimizer.
        lr: how far each coordinate moves in the very first step.
        lr_decay: lets all steps shrink with t besides.
        weight_decay: pulls p to 0: the gradient of weight_decay · ‖p‖² / 2.
        initial_accumulator_value: where sum begins.
        eps: keeps the division finite.
        maximize: climb.

    State: step (t) and sum, there from the start.

    Raises:
        ValueError: if lr, lr_decay, weight_decay, initial_accumulator_value or eps is negative.

    Source: Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        self.state = {index: self.new_state(p.data) for index, p in enumerate(self.parameters())}

    def check(self, lr: float, lr_decay: float, eps: float, weight_decay: float, initial_accumulator_value: float, **_: Any) -> None:
        self.expect_at_least_zero(
            lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps
        )

    def new_state(self, p: np.ndarray, **_: Any) -> State:
        start = self.defaults["initial_accumulator_value"]  # the constructor's, as in torch, even if the group has another
        return {"step": new_counter(), "sum": np.full_like(p, start)}

    def update(
        self, p: np.ndarray, g: np.ndarray, state: State, t: float, lr: float, lr_decay: float, eps: float, weight_decay: float, **_: Any
    ) -> None:
        if weight_decay != 0:
            g = g + weight_decay * p
        state["sum"] += g * g
        p -= lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(state["sum"]) + eps)
