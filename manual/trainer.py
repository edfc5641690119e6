"""The loop that Lightning runs for you."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from manual.concept import Batch, Concept
from manual.module import no_grad
from manual.nn.utils import clip_grad_norm_, clip_grad_value_
from manual.optim import Optimizer
from manual.optim.lr_scheduler import ReduceLROnPlateau


class Trainer:
    """Train a Concept. The arguments are those of pytorch_lightning.Trainer, and mean the same.

    Args:
        max_epochs: passes over the batches.
        accumulate_grad_batches: how many batches' gradients are added up (each divided by this number) before a step.
        gradient_clip_val: the largest norm (or value) of the gradient; None does not clip.
        gradient_clip_algorithm: "norm" or "value".

    Attributes:
        optimizers: what the model's `configure_optimizers` returned.
        schedules: likewise.
        global_step: how many steps of any optimizer were taken.
        callback_metrics: the latest value of everything that was logged; of a validation the mean.
        metrics: those of the latest validation.
        history: the loss of every batch.
    """

    def __init__(
        self,
        max_epochs: int = 1,
        accumulate_grad_batches: int = 1,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str = "norm",
    ) -> None:
        self.max_epochs = max_epochs
        self.accumulate_grad_batches = accumulate_grad_batches
        self.gradient_clip_val = gradient_clip_val
        self.gradient_clip_algorithm = gradient_clip_algorithm
        self.global_step = 0
        self.metrics: dict[str, float] = {}
        self.callback_metrics: dict[str, float] = {}
        self.history: list[float] = []

    def fit(self, model: Concept, batches: Iterable[Batch], val_batches: Iterable[Batch] = ()) -> None:
        """Train, and validate after every epoch."""
        self.attach(model)
        for epoch in range(self.max_epochs):
            for batch_idx, (batch, is_last) in enumerate(with_last(batches)):
                self.history.append(self.train_batch(batch, batch_idx, is_last))
                if self.ends_step(batch_idx, is_last):
                    self.move_schedules("step", batch_idx)
            self.move_schedules("epoch", epoch)
            if val_batches:
                self.forget_before_validation()
            self.validate(val_batches)
            self.move_schedules("epoch", epoch, on_plateau=True)

    def attach(self, model: Concept) -> None:
        """Take a model, its optimizers and their schedules."""
        self.model = model
        self.optimizers, self.schedules = configured(model.configure_optimizers())
        if model.automatic_optimization and len(self.optimizers) > 1:
            raise ValueError(f"{type(model).__name__}: several optimizers need automatic_optimization = False")
        for optimizer in self.optimizers:
            optimizer.register_step_post_hook(self._count)
        model.trainer = self
        model.zero_grad()

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer, where there is one."""
        (optimizer,) = self.optimizers
        return optimizer

    def _count(self, *_: Any) -> None:
        self.global_step += 1

    # ---- one batch ---------------------------------------------------------------------------------

    def train_batch(self, batch: Batch, batch_idx: int, is_last: bool = False) -> float:
        """Forward and backward of one batch and, unless gradients are still being added up, a step; the batch's loss.

        A model with automatic_optimization = False does all that in its training_step.

        Args:
            batch: of arrays.
            batch_idx: the how-manieth of the epoch.
            is_last: whether it is the epoch's last, after which a step is taken in any case.
        """
        self.model.train()
        self.model.logged.clear()
        if not self.model.automatic_optimization:
            loss = self.model.training_step(batch, batch_idx)
        elif self.ends_step(batch_idx, is_last):
            loss = self.optimizer.step(lambda: self.gradients_for_step(batch, batch_idx))
        else:
            loss = self.forward_and_backward(batch, batch_idx)
        self.model.check_nothing_saved()
        self.callback_metrics |= {name: value for name, (value, _) in self.model.logged.items()}
        return float("nan") if loss is None else float(loss)

    def ends_step(self, batch_idx: int, is_last: bool) -> bool:
        """Whether no more gradients are to be added up after this batch."""
        return is_last or (batch_idx + 1) % self.accumulate_grad_batches == 0

    def gradients_for_step(self, batch: Batch, batch_idx: int) -> float:
        """The closure that the optimizer is given: the loss, and all gradients as they are to be used."""
        loss = self.forward_and_backward(batch, batch_idx)
        self.model.on_before_optimizer_step(self.optimizer)
        self.clip()
        return loss

    def forward_and_backward(self, batch: Batch, batch_idx: int) -> float:
        """The loss of one batch; its gradients are added to those that are there, which the first batch of a step forgets."""
        loss = self.model.training_step(batch, batch_idx)
        if batch_idx % self.accumulate_grad_batches == 0:
            self.optimizer.zero_grad()
        self.model.on_before_backward(loss)
        self.model.backward(1 / self.accumulate_grad_batches)
        self.model.on_after_backward()
        return loss

    def clip(self) -> None:
        """Shorten the gradient where it is longer than allowed."""
        if self.gradient_clip_val:
            clip = clip_grad_norm_ if self.gradient_clip_algorithm == "norm" else clip_grad_value_
            clip(self.optimizer.parameters(), self.gradient_clip_val)

    # ---- what comes between ------------------------------------------------------------------------

    def move_schedules(self, interval: str, index: int, on_plateau: bool = False) -> None:
        """Move those schedules on that count this interval. A model that takes its steps itself moves them itself.

        Args:
            interval: "step" or "epoch".
            index: of the batch in its epoch, or of the epoch: a schedule of frequency k moves every k-th time.
            on_plateau: those that follow a metric, whose turn comes after the validation; else all others.
        """
        for schedule in self.schedules if self.model.automatic_optimization else ():
            due = schedule.interval == interval and (index + 1) % schedule.frequency == 0
            if due and on_plateau == (schedule.monitor is not None):
                schedule.scheduler.step(*([self.callback_metrics[schedule.monitor]] if schedule.monitor else []))

    def forget_before_validation(self) -> None:
        """Forget all gradients, as Lightning does before it validates within a training.

        Only a model that takes its steps itself can notice: of the others none is left, or is still being added to, and stays.
        """
        if not self.model.automatic_optimization:
            self.model.on_validation_model_zero_grad()

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The mean of everything that validation_step logs, each batch weighted by its size."""
        sums: dict[str, tuple[float, int]] = {}
        self.model.eval()
        with no_grad():
            for batch_idx, batch in enumerate(batches):
                self.model.logged.clear()
                self.model.validation_step(batch, batch_idx)
                for name, (value, given) in self.model.logged.items():
                    size = len(batch[0]) if given is None else given
                    total, count = sums.get(name, (0.0, 0))
                    sums[name] = total + value * size, count + size
        self.model.train()
        self.metrics = {name: total / count for name, (total, count) in sums.items()}
        self.callback_metrics |= self.metrics
        return self.metrics


@dataclass(frozen=True)
class Schedule:
    """A schedule, and when it moves: Lightning's dict under "lr_scheduler", with its defaults.

    Args:
        scheduler: of manual.optim.lr_scheduler.
        interval: what it counts, "step" or "epoch".
        frequency: every how-manieth of them it moves.
        monitor: the name of the metric that it follows; for ReduceLROnPlateau.
    """

    scheduler: Any
    interval: str = "epoch"
    frequency: int = 1
    monitor: str | None = None

    @classmethod
    def of(cls, given: Any) -> Schedule:
        """From a scheduler, or from Lightning's dict.

        Raises:
            ValueError: if a ReduceLROnPlateau says nothing of the metric that it follows, or an interval or a frequency makes no sense.
        """
        options = dict(given) if isinstance(given, Mapping) else {"scheduler": given}
        on_plateau = isinstance(options["scheduler"], ReduceLROnPlateau)
        if on_plateau and not options.get("monitor"):
            raise ValueError('a ReduceLROnPlateau needs the name of the metric that it follows: {"scheduler": ..., "monitor": "loss/val"}')
        known = {key: options[key] for key in ("scheduler", "interval", "frequency", "monitor") if key in options}
        schedule = cls(**{**known, "monitor": known.get("monitor") if on_plateau else None})
        if schedule.interval not in ("step", "epoch") or schedule.frequency < 1:
            raise ValueError(f'a schedule moves every so many steps or epochs, got interval "{schedule.interval}", {schedule.frequency}')
        return schedule


def configured(given: Any) -> tuple[list[Optimizer], list[Schedule]]:
    """Optimizers and schedules from whatever `configure_optimizers` may return: one, a dict, a list of either, or two lists."""
    if isinstance(given, Optimizer | Mapping):
        given = [given]
    if len(given) == 2 and isinstance(given[0], list | tuple):
        return list(given[0]), [Schedule.of(s) for s in given[1]]
    parts = [part if isinstance(part, Mapping) else {"optimizer": part} for part in given]
    return [part["optimizer"] for part in parts], [Schedule.of(part["lr_scheduler"]) for part in parts if "lr_scheduler" in part]


def with_last(batches: Iterable[Batch]) -> Iterator[tuple[Batch, bool]]:
    """Each batch, and whether it is the last."""
    waiting: list[Batch] = []
    for batch in batches:
        if waiting:
            yield waiting.pop(), False
        waiting.append(batch)
    if waiting:
        yield waiting.pop(), True
