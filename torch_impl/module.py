"""The LightningModule that all concepts build on: the twin of manual/concept.py, without `backward`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor


class Concept(pl.LightningModule):
    """A LightningModule that can also be stepped without a Trainer: `log` is then silent.

    The methods are Lightning's own: `training_step`, `validation_step`, `configure_optimizers`.
    """

    def log(self, *args: Any, **kwargs: Any) -> None:
        """LightningModule.log, silent where no Trainer is attached."""
        if self._trainer is not None:
            super().log(*args, **kwargs)

    def log_text(self, name: str, text: str) -> None:
        """Show a text in TensorBoard, its lines as they are; silent where no Trainer or no logger is attached."""
        if self._trainer is not None and self.logger is not None:
            experiment: Any = self.logger.experiment  # type: ignore[attr-defined]
            experiment.add_text(name, f"```\n{text.strip(chr(10))}\n```", max(self.global_step - 1, 0))


class StraightLine(Concept):
    """A concept written as two plain functions of plain tensors; autograd writes the third.

    | function | returns |
    | --- | --- |
    | `forward(x, **parameters)` | every value on the way, by name; the last is the prediction |
    | `loss(prediction, y)` | a number |

    A subclass passes the functions and sets its parameters as attributes.
    """

    def __init__(self, forward: Callable[..., dict[str, Tensor]], loss: Callable[..., Tensor]) -> None:
        super().__init__()
        self.functions = forward, loss

    def values(self, x: Tensor) -> dict[str, Tensor]:
        """Every value on the way from x to the prediction, by name."""
        return self.functions[0](x, **dict(self.named_parameters()))

    def forward(self, x: Tensor) -> Tensor:
        """The prediction."""
        return list(self.values(x).values())[-1]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.functions[1](self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        prediction = self(x)
        self.log("loss/val", self.functions[1](prediction, y), batch_size=len(x))
        for name, value in self.metrics(prediction, y).items():
            self.log(f"{name}/val", value, batch_size=len(x))

    def metrics(self, prediction: Tensor, y: Tensor) -> Mapping[str, Any]:
        """What else is to be known of a held-out batch, by name; nothing unless overridden."""
        return {}


def mean_of(correct: Tensor) -> Tensor:
    """The fraction of True entries, in the default floating dtype."""
    return correct.to(torch.get_default_dtype()).mean()
