"""Gradient descent, with momentum: the twin of torch.optim.SGD."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State


class SGD(Optimizer):
    """Gradient descent (torch.optim.SGD).

        g   = ∂L/∂p + weight_decay · p          (−∂L/∂p where maximize)
        buf = momentum · buf + (1 − dampening) · g
        p   ← p − lr · buf                      or, with Nesterov's look ahead, p − lr · (g + momentum · buf)

    The first buf is g itself, whatever the dampening. Without momentum, buf is g.
    buf is a running sum of gradients (not a mean): where they all agree it grows to g / (1 − momentum).

    Args:
        params: see Optimizer.
        lr: the length of a step, per gradient.
        momentum: how much of the last step is kept; 0.9 is usual, 0 is torch's default.
        dampening: by how much a new gradient is weakened in buf.
        weight_decay: pulls p to 0: the gradient of weight_decay · ‖p‖² / 2.
        nesterov: take the gradient's step from where the momentum leads.
        maximize: climb.

    State: momentum_buffer (buf), if momentum is not 0.

    Raises:
        ValueError: if lr, momentum or weight_decay is negative, or nesterov comes without momentum or with dampening.

    Source: Polyak 1964 (momentum); Sutskever et al. 2013, "On the importance of initialization and momentum in deep
        learning" (Nesterov's form, there with lr inside buf).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, momentum: float, dampening: float, weight_decay: float, nesterov: bool, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(f"SGD: nesterov needs momentum > 0 and dampening = 0, got momentum={momentum}, dampening={dampening}")

    def advance(self, p: np.ndarray, state: State, momentum: float, **_: Any) -> dict[str, Any]:
        is_first = momentum != 0 and state.get("momentum_buffer") is None
        if is_first:
            state["momentum_buffer"] = np.zeros_like(p)
        return {"is_first": is_first}

    def update(
        self,
        p: np.ndarray,
        g: np.ndarray,
        state: State,
        is_first: bool,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        **_: Any,
    ) -> None:
        if weight_decay != 0:
            g = g + weight_decay * p
        if momentum != 0:
            buf = state["momentum_buffer"]
            buf *= momentum
            buf += g if is_first else (1 - dampening) * g
            g = g + momentum * buf if nesterov else buf
        p -= lr * g
