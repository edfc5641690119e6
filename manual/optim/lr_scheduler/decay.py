"""Schedules that multiply the learning rate by something: a constant, a number at every step or at some, or a function of your own."""

from __future__ import annotations

import types
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from manual.nn.arguments import expect_integer
from manual.optim.lr_scheduler.scheduler import LRScheduler
from manual.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """lr(t) = η₀ · λ(t), for a function λ of your own (torch.optim.lr_scheduler.LambdaLR).

    Args:
        optimizer, last_epoch: see LRScheduler.
        lr_lambda: λ, or a list of one per group. A plain function is not in the state_dict; an object that can be
            called is, by its attributes.

    Raises:
        ValueError: if there are not as many functions as groups.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | list[Callable[[int], float]], last_epoch: int = -1
    ) -> None:
        self.optimizer = self.expect_optimizer(optimizer)
        self.lr_lambdas = self.per_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base_lr * f(self.last_epoch) for base_lr, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        attributes = [None if isinstance(f, types.FunctionType) else dict(vars(f)) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": attributes}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
        for f, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                vars(f).update(attributes)


class MultiplicativeLR(LambdaLR):
    """At every step, lr ← lr · λ(t), for a function λ of your own (torch.optim.lr_scheduler.MultiplicativeLR).

        lr(t) = η₀ · λ(1) · λ(2) ⋯ λ(t)

    Args:
        optimizer, last_epoch: see LRScheduler.
        lr_lambda: λ, or a list of one per group; see LambdaLR.

    Raises:
        ValueError: if there are not as many functions as groups.
        TypeError: if one cannot be called.
    """

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._lrs()
        return [lr * f(self.last_epoch) for lr, f in zip(self._lrs(), self.lr_lambdas, strict=True)]


class ConstantLR(LRScheduler):
    """factor · η₀ for the first total_iters steps, η₀ from then on (torch.optim.lr_scheduler.ConstantLR).

        lr(t) = η₀ · (factor + [t ≥ total_iters] · (1 − factor))

    Computed from the lr before: multiplied by factor at t = 0, by 1 / factor at t = total_iters.

    Args:
        optimizer, last_epoch: see LRScheduler.
        factor: in [0, 1]; a lr of 0 cannot be undone, which the step to total_iters says.
        total_iters: how many steps are made with the lower lr.

    Raises:
        ValueError: if factor is out of its range.
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be in [0, 1], got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.factor for lr in self._lrs()]
        if self.last_epoch != self.total_iters:
            return self._lrs()
        if self.factor == 0:
            raise ZeroDivisionError("ConstantLR: factor = 0 made every lr 0, from which 1 / factor leads nowhere")
        return [lr * (1 / self.factor) for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        over = self.last_epoch >= self.total_iters
        return [base_lr * (self.factor + over * (1 - self.factor)) for base_lr in self.base_lrs]


class StepLR(LRScheduler):
    """Every step_size steps, lr ← gamma · lr (torch.optim.lr_scheduler.StepLR).

        lr(t) = η₀ · gamma^⌊t / step_size⌋

    Args:
        optimizer, last_epoch: see LRScheduler.
        step_size: how many steps are made with one lr.
        gamma: the factor.

    Raises:
        ValueError: if step_size is no positive integer.
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.expect_positive_integer(step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._lrs()
        return [lr * self.gamma for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        return [base_lr * self.gamma ** (self.last_epoch // self.step_size) for base_lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """At each milestone, lr ← gamma · lr (torch.optim.lr_scheduler.MultiStepLR).

        lr(t) = η₀ · gamma^(number of milestones ≤ t)

    Args:
        optimizer, last_epoch: see LRScheduler.
        milestones: the steps; one that comes twice counts twice.
        gamma: the factor.
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        milestones = list(milestones)
        for i, milestone in enumerate(milestones):
            expect_integer("MultiStepLR", f"milestones[{i}]", milestone)
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [lr * self.gamma ** self.milestones[self.last_epoch] for lr in self._lrs()]  # a Counter: 0 where there is none

    def closed_form_lr(self) -> list[float]:
        passed = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base_lr * self.gamma**passed for base_lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """At every step, lr ← gamma · lr (torch.optim.lr_scheduler.ExponentialLR).

        lr(t) = η₀ · gammaᵗ

    Args:
        optimizer, last_epoch: see LRScheduler.
        gamma: the factor.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._lrs()
        return [lr * self.gamma for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        return [base_lr * self.gamma**self.last_epoch for base_lr in self.base_lrs]


class LinearLR(LRScheduler):
    """On a straight line from η₀ · start_factor to η₀ · end_factor: a warm-up (torch.optim.lr_scheduler.LinearLR).

        lr(t) = η₀ · (start_factor + (end_factor − start_factor) · min(t, total_iters) / total_iters)

    Computed from the lr before: lr(t) / lr(t−1) = 1 + rise / (total_iters · start_factor + (t − 1) · rise), with
    rise = end_factor − start_factor.

    Args:
        optimizer, last_epoch: see LRScheduler.
        start_factor: in (0, 1].
        end_factor: in [0, 1].
        total_iters: the length of the way.

    Raises:
        ValueError: if a factor is out of its range.
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be in (0, 1], got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be in [0, 1], got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t, rise = self.last_epoch, self.end_factor - self.start_factor
        if t == 0:
            return [lr * self.start_factor for lr in self._lrs()]
        if self._is_initial or t > self.total_iters:
            return self._lrs()
        return [lr * (1 + rise / (self.total_iters * self.start_factor + (t - 1) * rise)) for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        rise = self.end_factor - self.start_factor
        return [
            base_lr * (self.start_factor + rise * min(self.total_iters, self.last_epoch) / self.total_iters) for base_lr in self.base_lrs
        ]


class PolynomialLR(LRScheduler):
    """Down to 0 along a power of the time that is left (torch.optim.lr_scheduler.PolynomialLR).

        lr(t) = η₀ · (1 − min(t, total_iters) / total_iters)^power

    Computed from the lr before: lr(t) / lr(t−1) = ((1 − t / total_iters) / (1 − (t − 1) / total_iters))^power.

    Args:
        optimizer, last_epoch: see LRScheduler.
        total_iters: when 0 is reached.
        power: 1 is a straight line.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        t, T = self.last_epoch, self.total_iters
        if self._is_initial or t > T:
            return self._lrs()
        return [lr * ((1 - t / T) / (1 - (t - 1) / T)) ** self.power for lr in self._lrs()]

    def closed_form_lr(self) -> list[float]:
        left = 1 - min(self.total_iters, self.last_epoch) / self.total_iters
        return [base_lr * left**self.power for base_lr in self.base_lrs]
