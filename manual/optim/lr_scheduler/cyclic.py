"""A schedule that goes up and down between two learning rates, again and again: CyclicLR."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

from manual.optim.lr_scheduler.momentum import MomentumScheduler
from manual.optim.optimizer import Optimizer

MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(MomentumScheduler):
    """From base_lr straight up to max_lr and straight down again, momentum the other way round (torch.optim.lr_scheduler.CyclicLR).

    With step_size_up steps up and step_size_down down, in the cycle ⌊t / both⌋ + 1, and done the part of it that is over,

        height = done / part_up on the way up, (1 − done) / (1 − part_up) on the way down,   part_up = step_size_up / both
        lr(t)       = base_lr + (max_lr − base_lr) · height · scale
        momentum(t) = max_momentum − (max_momentum − base_momentum) · height · scale

    | mode | scale |
    | --- | --- |
    | triangular | 1 |
    | triangular2 | 1 / 2^(cycle − 1): every cycle is half as high as the one before |
    | exp_range | gammaᵗ |

    Args:
        optimizer, last_epoch: see LRScheduler.
        base_lr, max_lr: the lowest and the highest lr, or lists of one per group.
        step_size_up: how many steps up.
        step_size_down: how many down; as many as up unless given; 0 falls at once.
        mode: see the table.
        gamma: of exp_range.
        scale_fn: your own scale, a function of the cycle or of t, in place of mode's. A plain function is not in the state_dict; an
            object that can be called is, by its attributes.
        scale_mode: "cycle" or "iterations": what scale_fn is given.
        cycle_momentum: whether `momentum`, or the first of `betas`, moves too.
        base_momentum, max_momentum: its lowest and highest value, or lists of one per group.

    Raises:
        ValueError: if mode is unknown and there is no scale_fn, a list has not one entry per group, or the optimizer has no momentum to
            cycle.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = self.expect_optimizer(optimizer)
        base_lrs = self.per_group("base_lr", base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = lr
        self.max_lrs = self.per_group("max_lr", max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        if not (up > 0 and self.total_size >= up):
            raise ValueError(
                f"CyclicLR: step_size_up must be positive and step_size_down at least 0, got {step_size_up} and {step_size_down}"
            )
        self.step_ratio = up / self.total_size
        if mode not in MODES and scale_fn is None:
            raise ValueError(f"CyclicLR: mode must be one of {', '.join(map(repr, MODES))}, or scale_fn be given, got {mode!r}")
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The scale of a cycle, or of a step; see the table."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return self.gamma**x
        return 1 / 2.0 ** (x - 1) if self.mode == "triangular2" else 1.0

    def get_lr(self) -> list[float]:
        t, part_up = self.last_epoch, self.step_ratio
        cycle = math.floor(1 + t / self.total_size)
        done = 1 + t / self.total_size - cycle
        height = done / part_up if done <= part_up else (done - 1) / (part_up - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else t)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, lowest, highest in bounds:
                self._set_momentum(group, highest - (highest - lowest) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        own = self._scale_fn_custom
        attributes = None if own is None or isinstance(own, types.FunctionType) else dict(vars(own))
        return {**super().state_dict(), "_scale_fn_custom": attributes}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None:
            vars(self._scale_fn_custom).update(state_dict["_scale_fn_custom"])
