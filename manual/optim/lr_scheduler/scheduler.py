"""What every schedule is made of: when it moves, and where it puts the learning rate."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from manual.nn.arguments import expect_number
from manual.optim.optimizer import Optimizer


class LRScheduler:
    """What all schedules share (torch.optim.lr_scheduler.LRScheduler). A subclass writes `get_lr`.

    Args:
        optimizer: whose groups' lr it sets.
        last_epoch: −1 begins; another number goes on after that many steps, where the groups hold "initial_lr".

    Raises:
        TypeError: if optimizer is not an Optimizer.
        KeyError: if last_epoch is not −1 and a group has no "initial_lr".
    """

    optimizer: Optimizer
    last_epoch: int
    _last_lr: list[float]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = self.expect_optimizer(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                name = type(self).__name__
                raise KeyError(f"{name}: last_epoch={last_epoch} needs 'initial_lr' in param_groups[{i}]: load the optimizer's state first")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Move from −1 to 0: sets the lr of the very first optimizer step."""
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    # ---- what a subclass writes ------------------------------------------------------------------

    def get_lr(self) -> list[float]:
        """Each group's lr at `last_epoch`, from the lr before it."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr")

    def closed_form_lr(self) -> list[float]:
        """Each group's lr at `last_epoch`, from that number alone; get_lr where that is what it does anyway."""
        return self.get_lr()

    # ---- what a loop calls -----------------------------------------------------------------------

    def step(self, epoch: int | None = None) -> None:
        """Set the next lr; call it after `optimizer.step()`.

        Args:
            epoch: jump there, by the closed form (deprecated in torch).
        """
        if self._step_count == 1 and not self.optimizer.has_stepped:
            words = "lr_scheduler.step() came before optimizer.step(): the first learning rate is never used"
            warnings.warn(words, UserWarning, stacklevel=2)
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set_lr(self.get_lr() if epoch is None else self.closed_form_lr())

    def _set_lr(self, lrs: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = float(lr)  # not a NumPy number, which would turn float32 state into float64
        self._last_lr = self._lrs()

    def get_last_lr(self) -> list[float]:
        """Each group's lr, as the last step set it."""
        return self._last_lr

    def _lrs(self) -> list[float]:
        """Each group's lr now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    # ---- state in and out ------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, under torch's keys: numbers, strings, lists and dicts."""
        return {key: copy.deepcopy(value) for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the schedule was that gave this state, here or in torch; the lr itself is in the optimizer's state."""
        known = {key: value for key, value in state_dict.items() if key != "_get_lr_called_within_step"}  # torch's, for a warning
        vars(self).update(copy.deepcopy(known))

    # ---- words for bad arguments -----------------------------------------------------------------

    def expect_optimizer(self, optimizer: Any) -> Optimizer:
        """The optimizer; TypeError if it is none."""
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: optimizer must be an Optimizer, got {type(optimizer).__name__}")
        return optimizer

    def expect_positive_integer(self, **arguments: Any) -> None:
        """Raise ValueError, naming the argument, unless all are integers of at least 1."""
        for name, value in arguments.items():
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{type(self).__name__}: {name} must be an integer of at least 1, got {value!r}")

    def per_group(self, name: str, value: Any) -> list[Any]:
        """A list of one value per group, from such a list or from one value; ValueError if the list has another length."""
        groups = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * groups
        if len(values) != groups:
            raise ValueError(f"{type(self).__name__}: {name} must have one entry per group, {groups}, got {len(values)}")
        for one in values:
            if name == "lr_lambda" and not callable(one):
                raise TypeError(f"{type(self).__name__}: lr_lambda must be a function, got {one!r}")
            if name != "lr_lambda":
                expect_number(type(self).__name__, name, one)
        return values
