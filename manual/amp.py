"""Loss scaling, which keeps the gradients of a training in 16 bits from rounding to 0: the twin of torch.amp.

Why it is needed, and what it does, is in manual/numerics/mixed_precision.py.

Source: Micikevicius et al. 2018, "Mixed precision training", section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual import optim
from manual.module import Module
from manual.nn.arguments import checks_arguments, expect_integer, expect_number

Array = np.ndarray


class GradScaler(Module):
    """A loss scale that finds itself (torch.amp.GradScaler): halved where a gradient overflows, doubled after a while without.

        scaler.scale(loss)             the loss, times the scale: all gradients will be too
        scaler.unscale_(optimizer)     the gradients, over the scale; and whether one of them is not finite
        scaler.step(optimizer)         unscales, unless that was done, and steps unless one was not
        scaler.update()                the scale of the next step

    A scale that had to be halved until it is 0 cannot recover, as in torch: 0 times 1/0 is NaN, and nothing has overflowed. One scaler
    serves several optimizers: each is unscaled and stepped by itself, one that overflowed is skipped alone, and `update` comes after all.

    Args:
        device: torch's, and not used: there is one kind of memory here.
        init_scale: the scale to begin with, high enough to overflow soon and be halved.
        growth_factor: by what it grows; above 1.
        backoff_factor: by what it shrinks; below 1.
        growth_interval: after how many steps in a row without overflow it grows.
        enabled: False scales nothing and skips no step.
        dtype: of the scale; float32 in torch.

    Buffers: _scale, _growth_tracker (steps since it last grew or shrank), found_inf (whether any gradient since the last `update` was not
    finite); all ().

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if growth_factor is not above 1, or backoff_factor not below.
    """

    _scale: Array
    _growth_tracker: Array
    found_inf: Array

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        expect_factors(growth_factor, backoff_factor)
        self.growth_factor, self.backoff_factor = growth_factor, backoff_factor
        self.growth_interval, self.enabled = growth_interval, enabled
        self.register_buffer("_scale", np.array(init_scale if enabled else 1.0, dtype))
        self.register_buffer("_growth_tracker", np.array(0))
        self.register_buffer("found_inf", np.array(False))
        self.checked = False  # whether a gradient has been looked at since the last update
        self.stages: dict[int, _Stage] = {}  # of each optimizer, by its id

    # ---- what a training loop calls --------------------------------------------------------------

    def scale(self, outputs: Any) -> Any:
        """A loss, or the gradient that comes back to it, times the scale, which is 1 where nothing is to be scaled; or a list of them.

        Raises:
            TypeError: if something in it is no number.
        """
        if not self.enabled:
            return outputs
        if isinstance(outputs, list | tuple):
            return type(outputs)(self.scale(y) for y in outputs)
        if not isinstance(outputs, np.ndarray | np.number | float | int):
            raise TypeError(f"GradScaler: outputs must be a number or an array, or a list or tuple of such, got {type(outputs).__name__}")
        y = outputs * self._scale
        return y.astype(outputs.dtype) if isinstance(outputs, np.ndarray) and outputs.ndim else y  # an array keeps its dtype, as in torch

    def unscale(self, dL_dp: Array) -> Array:
        """A gradient over the scale; whether it was finite is remembered until `update`."""
        if not self.enabled:
            return dL_dp
        self.checked = True
        self.found_inf |= not np.isfinite(dL_dp).all()
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # 1/0 and 0 · ∞ are meant
            return dL_dp * (1 / self._scale).astype(dL_dp.dtype)

    def unscale_(self, optimizer: optim.Optimizer) -> None:
        """The gradients of all parameters of the optimizer over the scale.

        Raises:
            RuntimeError: if that was done since the last `update`.
            ValueError: for gradients in float16, where what the scale has saved would be lost: the master weights are in float32.
        """
        if not self.enabled:
            return
        stage = self.stages.setdefault(id(optimizer), _Stage())
        if stage.name == "unscaled":
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if stage.name == "stepped":
            raise RuntimeError("unscale_() is being called after step().")
        learning = [p for p in optimizer.parameters() if p.has_grad]
        if any(p.grad.dtype == np.float16 for p in learning):
            raise ValueError("GradScaler: gradients must not be float16 to be unscaled: keep the parameters in float32")
        for p in learning:
            stage.found_inf |= not np.isfinite(p.grad).all()
            stage.checked = True
            p.grad = self.unscale(p.grad)
        stage.name = "unscaled"

    def step(self, optimizer: optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
        """A step of the optimizer, unless a gradient of it is not finite.

        Args:
            optimizer: that is to step.
            args, kwargs: for its `step`. A closure has to unscale what it computes by itself, and is not called where the step is skipped.

        Returns:
            What its `step` returned; None if it was skipped.

        Raises:
            RuntimeError: if that was done since the last `update`, no parameter has a gradient, or closure is named (as in torch).
        """
        if not self.enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        stage = self.stages.setdefault(id(optimizer), _Stage())
        if stage.name == "stepped":
            raise RuntimeError("step() has already been called since the last update().")
        if stage.name == "ready":
            self.unscale_(optimizer)
        if not stage.checked:
            raise RuntimeError("GradScaler: no parameter of this optimizer has a gradient: no inf checks were recorded")
        stage.name = "stepped"
        return None if stage.found_inf else optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Shrink the scale if a gradient was not finite, grow it if it is time to, but never to ∞; or set it to another one.

        Raises:
            RuntimeError: if no gradient was looked at since the last `update`, and there is no new scale.
            TypeError: if new_scale is not one number (in torch: no integer).
        """
        if not self.enabled:
            return
        if new_scale is not None:
            one = isinstance(new_scale, float) or (isinstance(new_scale, np.ndarray | np.floating) and new_scale.size == 1)
            if not one:
                raise TypeError(f"GradScaler: new_scale must be a float or an array of one, got {new_scale!r}")
            self._scale[...] = np.reshape(new_scale, ())
        elif not self.checked:
            raise RuntimeError("GradScaler: no inf checks were recorded prior to update: call unscale_ or step first")
        elif self.found_inf:
            self._scale *= self.backoff_factor
            self._growth_tracker *= 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self.growth_interval:
                with np.errstate(over="ignore"):
                    grown = self._scale * self.growth_factor
                self._scale[...] = grown if np.isfinite(grown) else self._scale
                self._growth_tracker *= 0
        self.found_inf &= False
        self.checked = False
        self.stages.clear()

    # ---- what it holds ---------------------------------------------------------------------------

    def get_scale(self) -> float:
        """The scale; 1 where nothing is scaled."""
        return float(self._scale)

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self.enabled

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self.growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Let it grow by another factor; ValueError unless above 1."""
        expect_factors(new_factor, self.backoff_factor)
        self.growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By what the scale shrinks."""
        return self.backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Let it shrink by another factor; ValueError unless below 1."""
        expect_factors(self.growth_factor, new_factor)
        self.backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps without overflow the scale grows."""
        return self.growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Let it grow after another number of steps; TypeError unless it is an integer."""
        expect_integer("GradScaler", "growth_interval", new_interval)
        self.growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """Numbers under torch's keys; nothing if it is not enabled. As part of a module its buffers are saved, under their own names."""
        if not self.enabled:
            return {}
        tracker = int(self._growth_tracker)
        return {"scale": self.get_scale(), **{key: getattr(self, key) for key in SETTINGS}, "_growth_tracker": tracker}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:  # type: ignore[override]  # numbers, and no answer, as in torch
        """Go on where the scaler was that gave this state, here or in torch; nothing is done if this one is not enabled.

        Raises:
            RuntimeError: if the state is empty: that of a scaler that was not enabled.
            ValueError, TypeError: if it lacks an entry, or one makes no sense; nothing is loaded then.
        """
        if not self.enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler: the state is empty, as that of a scaler that is not enabled")
        missing = [key for key in self.state_dict() if key not in state_dict]
        if missing:
            raise ValueError(f"GradScaler: the state lacks {', '.join(missing)}")
        expect_number("GradScaler", "scale", state_dict["scale"])
        expect_factors(state_dict["growth_factor"], state_dict["backoff_factor"])
        for key in ("growth_interval", "_growth_tracker"):
            expect_integer("GradScaler", key, state_dict[key])
        self._scale[...] = state_dict["scale"]
        self._growth_tracker[...] = state_dict["_growth_tracker"]
        for key in SETTINGS:
            setattr(self, key, state_dict[key])


SETTINGS = ("growth_factor", "backoff_factor", "growth_interval")


@dataclass
class _Stage:
    """How far the step of one optimizer has come since the last `update`: ready, unscaled, stepped."""

    name: str = "ready"
    found_inf: bool = False
    checked: bool = False


def expect_factors(growth_factor: float, backoff_factor: float) -> None:
    """Raise TypeError unless both are numbers, ValueError unless the first is above 1 and the second below."""
    expect_number("GradScaler", "growth_factor", growth_factor)
    expect_number("GradScaler", "backoff_factor", backoff_factor)
    if growth_factor <= 1 or backoff_factor >= 1:
        raise ValueError(f"GradScaler: growth_factor must be above 1 and backoff_factor below 1, got {growth_factor} and {backoff_factor}")


checks_arguments(GradScaler)
