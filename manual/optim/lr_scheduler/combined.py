"""Schedules that follow one another, or work together, and one that follows a metric: SequentialLR, ChainedScheduler, ReduceLROnPlateau."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from manual.nn.arguments import expect_integer
from manual.optim.lr_scheduler.scheduler import LRScheduler
from manual.optim.optimizer import Optimizer


class _Schedules(LRScheduler):
    """What SequentialLR and ChainedScheduler share: the schedules in them."""

    _schedulers: Sequence[LRScheduler]

    def expect_schedules(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> Optimizer:
        """The optimizer, that of the first unless given; raise unless all are schedules of it that step without a metric."""
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: schedulers must hold at least one schedule, got none")
        for i, schedule in enumerate(schedulers):
            if not isinstance(schedule, LRScheduler):
                raise TypeError(f"{name}: schedulers[{i}] must be an LRScheduler, got {type(schedule).__name__}")
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(f"{name}: schedulers[{i}] is a ReduceLROnPlateau, whose step needs a metric")
            if schedule.optimizer is not (optimizer or schedulers[0].optimizer):
                raise ValueError(f"{name}: schedulers[{i}] must belong to the same optimizer, got another's")
        return optimizer or schedulers[0].optimizer

    def _undo(self) -> None:
        """Take the initial step of every schedule back."""
        for schedule in self._schedulers:
            if isinstance(schedule, _Schedules):
                schedule._undo()
            else:
                schedule.last_epoch -= 1

    def state_dict(self) -> dict[str, Any]:
        own = {key: value for key, value in vars(self).items() if key not in ("optimizer", "_schedulers")}
        return {**own, "_schedulers": [schedule.state_dict() for schedule in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for schedule, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            schedule.load_state_dict(state)


class SequentialLR(_Schedules):
    """One schedule after the other, each beginning at its own 0 (torch.optim.lr_scheduler.SequentialLR).

    A warm-up and then a cosine: SequentialLR(optimizer, [LinearLR(...), CosineAnnealingLR(...)], milestones=[5]).

    Args:
        optimizer: of all of them.
        schedulers: in order.
        milestones: the steps at which the second, third, ... begins.
        last_epoch: see LRScheduler.

    Raises:
        ValueError: if there is no schedule, one is of another optimizer or a ReduceLROnPlateau, or the number of
            milestones is not one less than that of schedules, or they are out of order (torch then leaves schedules out).
    """

    def __init__(self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1) -> None:
        self.optimizer = self.expect_optimizer(optimizer)
        self.expect_schedules(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: milestones must be one fewer than the {len(schedulers)} schedulers, got {len(milestones)}")
        for i, milestone in enumerate(milestones):
            expect_integer("SequentialLR", f"milestones[{i}]", milestone)
        if sorted(milestones) != list(milestones):
            raise ValueError(f"SequentialLR: milestones must not fall, got {milestones}")
        self._schedulers, self._milestones = schedulers, milestones
        self.last_epoch = last_epoch + 1
        # Every schedule has made its initial step already, one on top of the other: undo them, and begin with the first alone
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._undo()
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        """Set the next lr."""
        if epoch is not None:
            raise NotImplementedError(f"SequentialLR: step goes one step on; epoch must be None, got {epoch}")
        self.last_epoch += 1
        current = self._schedulers[bisect_right(self._milestones, self.last_epoch)]
        if self.last_epoch in self._milestones:
            current._update_lr(0)
        else:
            current.step()
        self._last_lr = current.get_last_lr()


class ChainedScheduler(_Schedules):
    """All schedules at once, each changing what the one before it left (torch.optim.lr_scheduler.ChainedScheduler).

    Where each multiplies lr by something, the factors multiply: a ConstantLR chained with an ExponentialLR gives
    lr(t) = η₀ · factor · gammaᵗ, and η₀ · gammaᵗ from total_iters on. A schedule that sets lr from t alone (LambdaLR, OneCycleLR)
    overwrites what came before it.

    Args:
        schedulers: in order.
        optimizer: of all of them; the first one's unless given.

    Raises:
        ValueError: if there is no schedule, or one is of another optimizer or a ReduceLROnPlateau.
        TypeError: if one is no schedule.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self.optimizer = self.expect_schedules(schedulers, optimizer)
        self._schedulers = schedulers
        self._last_lr = self._lrs()

    def step(self) -> None:  # type: ignore[override]  # as torch's
        """Let every schedule make a step."""
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = self._lrs()


class ReduceLROnPlateau(LRScheduler):
    """lr ← factor · lr when a metric has not improved for more than `patience` steps (torch.optim.lr_scheduler.ReduceLROnPlateau).

    | mode | threshold_mode | a metric is better than the best if it is |
    | --- | --- | --- |
    | min | rel | < best · (1 − threshold) |
    | min | abs | < best − threshold |
    | max | rel | > best · (1 + threshold) |
    | max | abs | > best + threshold |

    NaN is never better.

    Args:
        optimizer: whose groups' lr it sets.
        mode: "min" for a loss, "max" for an accuracy.
        factor: below 1.
        patience: how many steps without improvement are borne.
        threshold, threshold_mode: what counts as an improvement.
        cooldown: how many steps after a reduction are not counted.
        min_lr: the lowest lr, or a list of one per group.
        eps: a reduction by less than that is not made.

    Raises:
        ValueError: if factor is not below 1, a mode is unknown, or min_lr has not one entry per group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = self.expect_optimizer(optimizer)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.min_lrs = self.per_group("min_lr", min_lr)
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.best = self.mode_worse
        self.cooldown_counter = self.num_bad_epochs = self.last_epoch = 0
        self._last_lr = self._lrs()

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]  # as torch's
        """Look at the metric, and lower lr if it is time.

        Args:
            metrics: the number that should improve.
            epoch: the step's number; the next one unless given (deprecated in torch).
        """
        metric = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._lrs()

    def _is_better(self, metric: float) -> bool:
        if self.threshold_mode == "rel":
            limit = self.best * (1 - self.threshold if self.mode == "min" else 1 + self.threshold)
        else:
            limit = self.best - self.threshold if self.mode == "min" else self.best + self.threshold
        return metric < limit if self.mode == "min" else metric > limit

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(f"ReduceLROnPlateau: min_lrs must have one entry per group, {len(groups)}, got {len(self.min_lrs)}")
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, min_lr in zip(groups, self.min_lrs, strict=True):
            new_lr = max(group["lr"] * self.factor, min_lr)
            if group["lr"] - new_lr > self.eps:
                group["lr"] = float(new_lr)
