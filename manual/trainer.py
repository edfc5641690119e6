"""The loop that Lightning runs for you."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from manual.concept import Batch, Concept
from manual.module import no_grad
from manual.nn.utils import clip_grad_norm_, clip_grad_value_


class Trainer:
    """Train a Concept. The arguments are those of pytorch_lightning.Trainer, and mean the same.

    Args:
        max_epochs: passes over the batches.
        accumulate_grad_batches: how many batches' gradients are added up (each divided by this number) before a step.
        gradient_clip_val: the largest norm (or value) of the gradient; None does not clip.
        gradient_clip_algorithm: "norm" or "value".
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
        self.history: list[float] = []

    def fit(self, model: Concept, batches: Iterable[Batch], val_batches: Iterable[Batch] = ()) -> None:
        """Train, and validate after every epoch; `history` then holds the loss of every batch."""
        self.attach(model)
        for _ in range(self.max_epochs):
            waiting = False  # are there gradients that no step has used?
            for batch_idx, batch in enumerate(batches):
                self.history.append(float(self.accumulate(batch, batch_idx)))
                waiting = (batch_idx + 1) % self.accumulate_grad_batches != 0
                if not waiting:
                    self.step()
            if waiting:
                self.step()
            self.move_schedule("epoch")
            self.metrics = self.validate(val_batches)

    def attach(self, model: Concept) -> None:
        """Take a model, its optimizer and its schedule."""
        configured = model.configure_optimizers()
        if not isinstance(configured, dict):
            configured = {"optimizer": configured}
        schedule = configured.get("lr_scheduler", {})
        if not isinstance(schedule, dict):
            schedule = {"scheduler": schedule}
        self.model, self.optimizer = model, configured["optimizer"]
        self.scheduler, self.interval = schedule.get("scheduler"), schedule.get("interval", "epoch")
        model.zero_grad()

    def accumulate(self, batch: Batch, batch_idx: int) -> float:
        """Forward and backward of one batch; the gradients are added to those that are there."""
        self.model.train()
        self.model.logged.clear()
        loss = self.model.training_step(batch, batch_idx)
        self.model.backward(1 / self.accumulate_grad_batches)
        return loss

    def step(self) -> None:
        """Clip, update the parameters, forget the gradients, move the schedule."""
        self.update()
        self.move_schedule("step")

    def update(self) -> None:
        """Clip, update the parameters, forget the gradients."""
        self.clip()
        self.optimizer.step()
        self.model.zero_grad()
        self.global_step += 1

    def clip(self) -> None:
        """Shorten the gradient where it is longer than allowed."""
        if self.gradient_clip_val:
            clip = clip_grad_norm_ if self.gradient_clip_algorithm == "norm" else clip_grad_value_
            clip(list(self.model.parameters()), self.gradient_clip_val)

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """The mean of everything that validation_step logs, each batch weighted by its size."""
        sums: dict[str, Any] = {}
        self.model.eval()
        with no_grad():
            for batch_idx, batch in enumerate(batches):
                self.model.logged.clear()
                self.model.validation_step(batch, batch_idx)
                for name, (value, size) in self.model.logged.items():
                    total, count = sums.get(name, (0.0, 0))
                    sums[name] = total + value * size, count + size
        self.model.train()
        return {name: total / count for name, (total, count) in sums.items()}

    def move_schedule(self, interval: str) -> None:
        """Move the schedule on, if this is the interval that it counts."""
        if self.scheduler is not None and self.interval == interval:
            self.scheduler.step()
