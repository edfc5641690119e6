"""Rprop: the twin of torch.optim.Rprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from manual.optim.optimizer import Optimizer, State, new_counter


class Rprop(Optimizer):
    """Only the sign of the gradient counts; each coordinate has a step size of its own (torch.optim.Rprop).

        g = ∂L/∂p                                                     (−∂L/∂p where maximize)
        step_size ← step_size · η⁺   where g has the sign it had before (prev · g > 0): faster
                    step_size · η⁻   where it changed (prev · g < 0): a minimum was jumped over
                    step_size        where one of them is 0
        step_size is kept within step_sizes; where the sign changed, g is then taken to be 0 for this once
        p ← p − sign(g) · step_size,   prev ← g

    For full batches: with mini-batches signs flip by chance. The sign of NaN is 0, as in torch: p stays.

    Args:
        params: see Optimizer.
        lr: the first step_size.
        etas: η⁻ and η⁺.
        step_sizes: the smallest and the largest step_size.
        maximize: climb.

    State: step, prev, step_size.

    Raises:
        ValueError: if lr is negative, or not 0 < η⁻ < 1 < η⁺.

    Source: Riedmiller and Braun 1993, "A Direct Adaptive Method for Faster Backpropagation Learning: The RPROP Algorithm"
        (as Rprop⁻ with the zeroed gradient: Igel and Hüsken 2000, "Improving the Rprop Learning Algorithm", iRprop⁻).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def check(self, lr: float, etas: tuple[float, float], **_: Any) -> None:
        self.expect_at_least_zero(lr=lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Rprop: etas must be 0 < η⁻ < 1 < η⁺, got {etas}")

    def new_state(self, p: np.ndarray, lr: float, **_: Any) -> State:
        return {"step": new_counter(), "prev": np.zeros_like(p), "step_size": np.full_like(p, lr)}

    def update(
        self, p: np.ndarray, g: np.ndarray, state: State, etas: tuple[float, float], step_sizes: tuple[float, float], **_: Any
    ) -> None:
        eta_minus, eta_plus = etas
        prev, step_size = state["prev"], state["step_size"]
        agreement = prev * g
        step_size[agreement > 0] *= eta_plus
        step_size[agreement < 0] *= eta_minus
        np.clip(step_size, *step_sizes, out=step_size)
        g = np.where(agreement < 0, 0, g)
        p -= np.where(np.isnan(g), 0, np.sign(g)) * step_size
        prev[...] = g
