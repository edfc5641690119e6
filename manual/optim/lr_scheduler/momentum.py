"""What schedules share that move momentum as well: down where lr goes up."""

from __future__ import annotations

from typing import Any

from manual.optim.lr_scheduler.scheduler import LRScheduler


class MomentumScheduler(LRScheduler):
    """A schedule that sets `momentum`, or the first of `betas`, beside lr. A subclass says how it moves."""

    use_beta1: bool

    def _begin_momentum(self, base_momentum: Any, max_momentum: Any, last_epoch: int) -> tuple[list[float], list[float]]:
        """Begin at the highest; return each group's lowest and highest.

        Raises:
            ValueError: if the optimizer has no momentum, or a list has not one entry per group.
        """
        if not {"momentum", "betas"} & self.optimizer.defaults.keys():
            raise ValueError(f"{type(self).__name__}: cycle_momentum needs an optimizer with momentum or betas")
        self.use_beta1 = "betas" in self.optimizer.defaults
        lowest, highest = self.per_group("base_momentum", base_momentum), self.per_group("max_momentum", max_momentum)
        if last_epoch == -1:
            for group, low, high in zip(self.optimizer.param_groups, lowest, highest, strict=True):
                self._set_momentum(group, high)
                group |= {"max_momentum": high, "base_momentum": low}
        return lowest, highest

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum
