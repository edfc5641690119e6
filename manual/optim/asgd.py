"""ASGD: the twin of torch.optim.ASGD."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class ASGD(Optimizer):
    """Gradient descent that keeps the average of the points it has been to (torch.optim.ASGD).

        g  = ∂L/∂p + weight_decay · p                         (−∂L/∂p where maximize)
        p  ← p · (1 − lambd · eta) − eta · g
        ax ← ax + mu · (p − ax)                               p itself while mu is 1
        eta = lr / (1 + lambd · lr · t)^alpha                 for the next step, as is
        mu  = 1 / max(1, t − t0)                              so that ax is the mean of p since step t0

    ax is the better estimate at the end of a noisy descent. It is only remembered: p goes its own way.

    Args:
        params: see Optimizer.
        lr: the first eta.
        lambd: a weight decay that shrinks with eta.
        alpha: how fast eta falls; 3/4 is the theory's.
        t0: the step after which averaging starts.
        weight_decay: pulls p to 0: the gradient of weight_decay · ‖p‖² / 2.
        maximize: climb.

    State: step (t), eta and mu (numbers in float32, as in torch), ax.

    Raises:
        ValueError: if lr or weight_decay is negative.

    Source: Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging".
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, weight_decay: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, weight_decay=weight_decay)

    def new_state(self, p: np.ndarray, lr: float, **_: Any) -> State:
        eta, mu = np.array(lr, dtype=np.float32), np.array(1, dtype=np.float32)
        return {"step": new_counter(), "eta": eta, "mu": mu, "ax": np.zeros_like(p)}

    def advance(self, p: np.ndarray, state: State, lr: float, lambd: float, alpha: float, t0: float, **_: Any) -> dict[str, Any]:
        t = super().advance(p, state)["t"]
        numbers = {"eta": float(state["eta"]), "mu": float(state["mu"])}
        state["eta"][...] = np.float32(lr / (1 + lambd * lr * t) ** alpha)  # rounded even where the entry has become float64
        state["mu"][...] = np.float32(1 / max(1, t - t0))
        return numbers

    def update(
        self, p: np.ndarray, g: np.ndarray, state: State, eta: float, mu: float, lambd: float, weight_decay: float, **_: Any
    ) -> None:
        ax = state["ax"]
        if weight_decay != 0:
            g = g + weight_decay * p
        p *= 1 - lambd * eta
        p -= eta * g
        if mu == 1:
            ax[...] = p
        else:
            ax += mu * (p - ax)
