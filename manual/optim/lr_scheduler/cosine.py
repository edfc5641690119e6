"""Schedules that follow cosines: CosineAnnealingLR, CosineAnnealingWarmRestarts, OneCycleLR."""

from __future__ import annotations

import math
from typing import Any

from manual.optim.lr_scheduler.momentum import MomentumScheduler
from manual.optim.lr_scheduler.scheduler import LRScheduler
from manual.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """From η₀ down to eta_min along half a cosine, and up again (torch.optim.lr_scheduler.CosineAnnealingLR).

        lr(t) = eta_min + (η₀ − eta_min) · (1 + cos(π t / T_max)) / 2

    Computed from the lr before: (lr(t) − eta_min) / (lr(t−1) − eta_min) = (1 + cos(π t / T_max)) / (1 + cos(π (t − 1) / T_max)).
    Where lr(t−1) is eta_min itself, that is 0/0, and lr rises by (η₀ − eta_min) · (1 − cos(π / T_max)) / 2.

    Args:
        optimizer, last_epoch: see LRScheduler.
        T_max: how many steps down.
        eta_min: the lowest lr.

    Raises:
        ValueError: if T_max is not positive.

    Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts" (without the restarts).
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if not T_max > 0:
            raise ValueError(f"CosineAnnealingLR: T_max must be positive, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t, T_max, eta_min = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._lrs()
        if (t - 1 - T_max) % (2 * T_max) == 0:
            rise = 1 - math.cos(math.pi / T_max)
            return [lr + (base_lr - eta_min) * rise / 2 for lr, base_lr in zip(self._lrs(), self.base_lrs, strict=True)]
        factor = (1 + math.cos(math.pi * t / T_max)) / (1 + math.cos(math.pi * (t - 1) / T_max))
        return [eta_min + factor * (lr - eta_min) for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        return [half_cosine(base_lr, self.eta_min, math.pi * self.last_epoch / self.T_max) for base_lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """From η₀ down to eta_min along half a cosine, and back to η₀ at once, again and again (torch.optim.lr_scheduler).

        lr = eta_min + (η₀ − eta_min) · (1 + cos(π T_cur / T_i)) / 2

    with T_cur the steps since the last restart and T_i the length of this descent: T_0, then T_mult times the one before.

    Args:
        optimizer, last_epoch: see LRScheduler.
        T_0: the length of the first descent.
        T_mult: by which factor they grow.
        eta_min: the lowest lr.

    Raises:
        ValueError: if T_0 or T_mult is no positive integer.

    Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts".
    """

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.expect_positive_integer(T_0=T_0, T_mult=T_mult)
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min = T_mult, eta_min
        self.T_cur: float = last_epoch  # whole, unless `step` is given a fraction of an epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [half_cosine(base_lr, self.eta_min, math.pi * self.T_cur / self.T_i) for base_lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Set the next lr.

        Args:
            epoch: where to go, fractions allowed (epoch + batch / batches sets lr within an epoch); else one step on.

        Raises:
            ValueError: if epoch is negative.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        else:
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch)
        self._set_lr(self.get_lr())

    def _go_to(self, epoch: float) -> None:
        """Find T_cur and T_i: the first n descents take T_0 (1 + T_mult + … + T_mult^(n−1)) = T_0 (T_mult^n − 1) / (T_mult − 1)."""
        T_0, T_mult = self.T_0, self.T_mult
        if epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must be at least 0, got {epoch}")
        if epoch < T_0:
            self.T_cur, self.T_i = epoch, T_0
        elif T_mult == 1:
            self.T_cur = epoch % T_0
        else:
            n = int(math.log(epoch / T_0 * (T_mult - 1) + 1, T_mult))
            self.T_cur = epoch - T_0 * (T_mult**n - 1) / (T_mult - 1)
            self.T_i = T_0 * T_mult**n


class OneCycleLR(MomentumScheduler):
    """Up from a small lr to max_lr and down to almost nothing, momentum the other way round (torch.optim.lr_scheduler.OneCycleLR).

    | phase | ends at step | lr | momentum |
    | --- | --- | --- | --- |
    | 1 | pct_start · total_steps − 1 | max_lr / div_factor → max_lr | max_momentum → base_momentum |
    | 2 | total_steps − 1 | max_lr → max_lr / div_factor / final_div_factor | base_momentum → max_momentum |

    With three_phase the second goes back to max_lr / div_factor in as many steps as the first took, and a third goes on
    from there to the end, at max_momentum. Each phase follows half a cosine, or a straight line.

    Args:
        optimizer, last_epoch: see LRScheduler.
        max_lr: the highest lr, or a list of one per group.
        total_steps: how many steps in all; or else
        epochs, steps_per_epoch: whose product it is.
        pct_start: the part of the steps that go up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether `momentum`, or the first of `betas`, moves too.
        base_momentum, max_momentum: its lowest and highest value, or lists of one per group.
        div_factor, final_div_factor: see the table.
        three_phase: see above; the paper's form.

    Raises:
        ValueError: if the number of steps is not given or not positive, an argument is out of its range, the
            optimizer has no momentum to cycle, or more steps are made than total_steps.

    Source: Smith and Topin 2018, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = self.expect_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: total_steps, or epochs and steps_per_epoch, must be given")
            self.expect_positive_integer(epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        self.expect_positive_integer(total_steps=total_steps)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be a float between 0 and 1, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.total_steps = total_steps
        self._schedule_phases = three_phases(total_steps, pct_start) if three_phase else two_phases(total_steps, pct_start)
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        max_lrs = self.per_group("max_lr", max_lr)
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, max_lrs, strict=True):
                lowest = highest / div_factor
                group |= {"initial_lr": lowest, "max_lr": highest, "min_lr": lowest / final_div_factor}
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: at most total_steps = {self.total_steps} steps can be made, got to {t}")
        begin = 0.0
        for phase in self._schedule_phases:
            if t <= phase["end_step"] or phase is self._schedule_phases[-1]:
                break
            begin = phase["end_step"]
        done = (t - begin) / (phase["end_step"] - begin)
        if self.cycle_momentum:
            for group in self.optimizer.param_groups:
                self._set_momentum(group, self._anneal(group[phase["start_momentum"]], group[phase["end_momentum"]], done))
        return [self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], done) for group in self.optimizer.param_groups]

    def _anneal(self, start: float, end: float, done: float) -> float:
        if self._anneal_func_type == "cos":
            return half_cosine(start, end, math.pi * done)
        return start + (end - start) * done


def two_phases(steps: int, pct_start: float) -> list[dict[str, Any]]:
    """Where each phase ends, and the names, in a parameter group, of the values that it goes between; torch's keys."""
    return [
        phase(pct_start * steps - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
        phase(steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum"),
    ]


def three_phases(steps: int, pct_start: float) -> list[dict[str, Any]]:
    """The same with the way down in two parts."""
    return [
        phase(pct_start * steps - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
        phase(2 * pct_start * steps - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        phase(steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]


def phase(end_step: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str) -> dict[str, Any]:
    """One phase, as torch's state_dict has it."""
    return {
        "end_step": end_step,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }


def half_cosine(start: float, end: float, angle: float) -> float:
    """From `start` at angle 0 to `end` at angle π."""
    return end + (start - end) / 2 * (1 + math.cos(angle))
