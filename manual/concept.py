"""A concept that can be trained, by hand: a Module with the methods that a LightningModule has, and `backward`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from manual.module import Module, Parameter

Batch = tuple[np.ndarray, ...]


class Concept(Module):
    """What a training loop needs to know of a model.

    | method | what it does |
    | --- | --- |
    | `training_step(batch, batch_idx)` | returns the loss of a batch, a float |
    | `backward(dL_dloss=1.0)` | walks that training_step back and fills every Parameter.grad |
    | `validation_step(batch, batch_idx)` | logs the loss and the metrics of a held-out batch |
    | `configure_optimizers()` | an optimizer, or Lightning's dict of an optimizer and its schedule |
    """

    def __init__(self) -> None:
        super().__init__()
        self.logged: dict[str, tuple[float, int]] = {}

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        """The loss of this batch."""
        raise NotImplementedError(f"{type(self).__name__} has no training_step")

    def backward(self, dL_dloss: float = 1.0) -> None:
        """Fill every Parameter.grad with dL_dloss · ∂loss/∂p, from the bottom of training_step up.

        Args:
            dL_dloss: 1, or 1/k when the gradients of k batches are accumulated, or a loss scale.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log what is to be known of a held-out batch; nothing unless overridden."""

    def configure_optimizers(self) -> Any:
        """An optimizer, or {"optimizer": ..., "lr_scheduler": {"scheduler": ..., "interval": "step" or "epoch"}}."""
        raise NotImplementedError(f"{type(self).__name__} has no configure_optimizers")

    def log(self, name: str, value: Any, batch_size: int = 1) -> None:
        """Remember a number under a name, as LightningModule.log does; the loop writes it and averages it.

        Args:
            name: the tag, "loss/train" or "accuracy/val".
            value: the number.
            batch_size: its weight in the mean over an epoch.
        """
        self.logged[name] = float(value), batch_size


class StraightLine(Concept):
    """A concept written as three plain functions of plain arrays, for those who have never seen a backward pass.

    | function | returns |
    | --- | --- |
    | `forward(x, **parameters)` | every value on the way, by name; the last is the prediction |
    | `loss(prediction, y)` | a number |
    | `backward(x, y, **values, **parameters)` | the gradient of the loss with respect to each parameter, by name |

    This class makes them trainable: a subclass passes the functions and sets its parameters as attributes.
    """

    def __init__(
        self,
        forward: Callable[..., dict[str, np.ndarray]],
        loss: Callable[..., Any],
        backward: Callable[..., dict[str, np.ndarray]],
    ) -> None:
        super().__init__()
        self.functions = forward, loss, backward

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters as plain arrays, by name."""
        return {name: value.data for name, value in vars(self).items() if isinstance(value, Parameter)}

    def values(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Every value on the way from x to the prediction, by name."""
        return self.functions[0](x, **self.arrays())

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The prediction."""
        return list(self.values(x).values())[-1]

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        values = self.values(x)
        loss = self.functions[1](list(values.values())[-1], y)
        self.save(x, y, values)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, y, values = self.restore()
        for name, dL_dp in self.functions[2](x, y, **values, **self.arrays()).items():
            p = getattr(self, name)
            if np.shape(dL_dp) != p.shape:
                raise ValueError(f"backward: the gradient of {name} must have its shape {p.shape}, got {np.shape(dL_dp)}")
            p.grad += dL_dloss * dL_dp

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        prediction = self(x)
        self.log("loss/val", self.functions[1](prediction, y), batch_size=len(x))
        for name, value in self.metrics(prediction, y).items():
            self.log(f"{name}/val", value, batch_size=len(x))

    def metrics(self, prediction: np.ndarray, y: np.ndarray) -> Mapping[str, float]:
        """What else is to be known of a held-out batch, by name; nothing unless overridden."""
        return {}
