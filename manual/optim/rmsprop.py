"""RMSprop: the twin of torch.optim.RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class RMSprop(Optimizer):
    """Gradient descent with each coordinate divided by the size of its recent gradients (torch.optim.RMSprop).

        g          = ∂L/∂p + weight_decay · p                 (−∂L/∂p where maximize)
        square_avg = α · square_avg + (1 − α) · g²            a running mean of g²
        avg        = √square_avg + eps                        the gradient's usual size
        p ← p − lr · g / avg

    centered:  grad_avg = α · grad_avg + (1 − α) · g, and avg = √(square_avg − grad_avg²) + eps, a standard deviation.
    momentum:  momentum_buffer = momentum · momentum_buffer + g / avg, and p ← p − lr · momentum_buffer.

    Args:
        params: see Optimizer.
        lr: about how far a coordinate moves in a step.
        alpha: α, how much of the running means is kept.
        eps: keeps the division finite.
        weight_decay: pulls p to 0: the gradient of weight_decay · ‖p‖² / 2.
        momentum: how much of the last step is kept.
        centered: divide by the standard deviation.
        maximize: climb.

    State: step, square_avg, momentum_buffer if momentum > 0, grad_avg if centered.

    Raises:
        ValueError: if lr, alpha, eps, weight_decay or momentum is negative.

    Source: Tieleman and Hinton 2012, "Neural Networks for Machine Learning", lecture 6.5;
        Graves 2013, "Generating Sequences With Recurrent Neural Networks" (centered).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, alpha: float, eps: float, weight_decay: float, momentum: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)

    def new_state(self, p: np.ndarray, momentum: float, centered: bool, **_: Any) -> State:
        state = {"step": new_counter(), "square_avg": np.zeros_like(p)}
        state |= {"momentum_buffer": np.zeros_like(p)} if momentum > 0 else {}
        return state | ({"grad_avg": np.zeros_like(p)} if centered else {})

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
        centered: bool,
        **_: Any,
    ) -> None:
        if weight_decay != 0:
            g = g + weight_decay * p

        square_avg = state["square_avg"]
        square_avg *= alpha
        square_avg += (1 - alpha) * g * g
        if centered:
            grad_avg = state["grad_avg"]
            grad_avg += (1 - alpha) * (g - grad_avg)  # the same as α · grad_avg + (1 − α) · g
            avg = np.sqrt(square_avg - grad_avg * grad_avg) + eps
        else:
            avg = np.sqrt(square_avg) + eps

        if momentum > 0:
            buf = state["momentum_buffer"]
            buf *= momentum
            buf += g / avg
            p -= lr * buf
        else:
            p -= lr * g / avg
