"""Loss scaling, which keeps the gradients of a training in 16 bits from rounding to 0: the twin of torch.amp.

Why it is needed, and what it does, is in manual/numerics/mixed_precision.py.

Source: Micikevicius et al. 2018, "Mixed precision training", section 3.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.module import Module

Array = np.ndarray


class GradScaler(Module):
    """A loss scale that finds itself (torch.amp.GradScaler): halved where a gradient overflows, doubled after a while without.

        scaler.scale(loss)             the loss, times the scale: all gradients will be too
        scaler.unscale_(optimizer)     the gradients, over the scale; and whether one of them is not finite
        scaler.step(optimizer)         unscales, unless that was done, and steps unless one was not
        scaler.update()                the scale of the next step

    A scale that had to be halved until it is 0 cannot recover, as in torch: 0 times 1/0 is NaN, and nothing has overflowed.

    Args:
        init_scale: the scale to begin with, high enough to overflow soon and be halved.
        growth_factor: by what it grows; above 1.
        backoff_factor: by what it shrinks; below 1.
        growth_interval: after how many steps in a row without overflow it grows.
        enabled: False scales nothing and skips no step.
        dtype: of the scale; float32 in torch.

    Buffers: _scale, _growth_tracker (steps since it last grew or shrank), found_inf; all ().

    Raises:
        ValueError: if growth_factor is not above 1, or backoff_factor not below.
    """

    _scale: Array
    _growth_tracker: Array
    found_inf: Array

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        if growth_factor <= 1 or backoff_factor >= 1:
            raise ValueError(
                f"GradScaler: growth_factor must be above 1 and backoff_factor below 1, got {growth_factor} and {backoff_factor}"
            )
        self.growth_factor, self.backoff_factor = growth_factor, backoff_factor
        self.growth_interval, self.enabled = growth_interval, enabled
        self.register_buffer("_scale", np.array(init_scale if enabled else 1.0, dtype))
        self.register_buffer("_growth_tracker", np.array(0))
        self.register_buffer("found_inf", np.array(False))
        self.stage = "ready"

    def get_scale(self) -> float:
        """The scale."""
        return float(self._scale)

    def scale(self, outputs: Any) -> Any:
        """A loss, or the gradient that comes back to it, times the scale, which is 1 where nothing is to be scaled."""
        return outputs * self._scale

    def unscale(self, dL_dp: Array) -> Array:
        """A gradient over the scale; whether it was finite is remembered until `update`."""
        if not self.enabled:
            return dL_dp
        self.found_inf |= not np.isfinite(dL_dp).all()
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # 1/0 and 0 · ∞ are meant
            return dL_dp * (1 / self._scale).astype(dL_dp.dtype)

    def unscale_(self, optimizer: optim.Optimizer) -> None:
        """The gradients of all parameters of the optimizer over the scale.

        Raises:
            RuntimeError: if that was done since the last `update`.
        """
        if self.stage != "ready":
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        for p in optimizer.parameters():
            if p.has_grad:
                p.grad = self.unscale(p.grad)
        self.stage = "unscaled"

    def step(self, optimizer: optim.Optimizer) -> None:
        """A step of the optimizer, unless a gradient is not finite.

        Raises:
            RuntimeError: if that was done since the last `update`.
        """
        if self.stage == "stepped":
            raise RuntimeError("step() has already been called since the last update().")
        if self.stage == "ready":
            self.unscale_(optimizer)
        if not self.found_inf:
            optimizer.step()
        self.stage = "stepped"

    def update(self) -> None:
        """Shrink the scale if a gradient was not finite, grow it if it is time to, but never to ∞."""
        if self.enabled and self.found_inf:
            self._scale *= self.backoff_factor
            self._growth_tracker *= 0
        elif self.enabled:
            self._growth_tracker += 1
            if self._growth_tracker == self.growth_interval:
                with np.errstate(over="ignore"):
                    grown = self._scale * self.growth_factor
                self._scale[...] = grown if np.isfinite(grown) else self._scale
                self._growth_tracker *= 0
        self.found_inf &= False
        self.stage = "ready"
