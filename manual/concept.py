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
    | `configure_optimizers()` | an optimizer, or Lightning's dict of an optimizer and its schedule; or several |

    A concept that takes its steps itself sets `automatic_optimization = False`: its `training_step` then says what the loop
    otherwise does, with `optimizers()`, `zero_grad()`, `manual_backward(loss, walk)` and `step()`, as a LightningModule's would.
    Each loss `x_loss` that it goes back from has its way back beside it, `x_loss_backward(dL_dloss=1.0)`.

    Attributes:
        automatic_optimization: whether the loop goes back and steps; False leaves that to `training_step`.
        trainer: the loop that it is attached to.
        logged: what was logged since the loop last emptied it: name → (value, batch_size).
        texts: the latest text that was logged under each name.
    """

    automatic_optimization: bool = True

    def __init__(self) -> None:
        super().__init__()
        self.trainer: Any = None
        self.logged: dict[str, tuple[float, int | None]] = {}
        self.texts: dict[str, str] = {}

    def extra_repr(self) -> str:
        """Its own parameters, by name and shape, for no layer's repr tells them."""
        return ", ".join(f"{name}: {value.shape}" for name, value in vars(self).items() if isinstance(value, Parameter))

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

    def log(self, name: str, value: Any, batch_size: int | None = None) -> None:
        """Remember a number under a name, as LightningModule.log does; the loop writes it and averages it.

        Args:
            name: the tag, "loss/train" or "accuracy/val".
            value: the number.
            batch_size: its weight in the mean over the batches of a validation; the length of the batch's first array unless given.
        """
        self.logged[name] = float(value), batch_size

    def log_text(self, name: str, text: str) -> None:
        """Remember a text under a name. It is shown, and not compared: log a number that tells it from others, too."""
        self.texts[name] = text

    # ---- taking steps oneself ----------------------------------------------------------------------

    def optimizers(self) -> Any:
        """The optimizers that `configure_optimizers` returned: the one, or a list of several."""
        found = self.trainer.optimizers
        return found[0] if len(found) == 1 else found

    def lr_schedulers(self) -> Any:
        """The schedules that `configure_optimizers` returned: the one, a list of several, or None. Moving them is left to you."""
        found = [schedule.scheduler for schedule in self.trainer.schedules]
        return found[0] if len(found) == 1 else found or None

    def manual_backward(self, loss: float, walk: Callable[[], Any]) -> None:
        """Go back from a loss (in torch: `self.manual_backward(loss)`, where autograd knows the way).

        Args:
            loss: what is gone back from.
            walk: the way back: adds into every Parameter.grad on it, as `x_loss_backward` does.
        """
        self.on_before_backward(loss)
        walk()
        self.on_after_backward()

    # ---- what others may listen to: LightningModule's names -----------------------------------------

    def on_before_backward(self, loss: float) -> None:
        """Called with every loss that is gone back from, before that is done."""

    def on_after_backward(self) -> None:
        """Called when every gradient of a backward is there."""

    def on_validation_model_zero_grad(self) -> None:
        """Called before a validation within a training: gradients are forgotten, which a model that takes its steps itself may notice."""
        self.zero_grad()

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Called before a step that the loop takes: the gradients are whole, and not yet clipped."""


class StraightLine(Concept):
    """A concept written as three plain functions of plain arrays, for those who have never seen a backward pass.

    | function | returns |
    | --- | --- |
    | `forward(x, **parameters)` | every value on the way, by name; the last is the prediction |
    | `loss(prediction, y)` | a number |
    | `backward(x, y, **values, **parameters)` | the gradient of the loss with respect to each parameter, and whatever else it names |

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
        parameters = self.arrays()
        for name, dL_dp in self.functions[2](x, y, **values, **parameters).items():
            if name not in {**parameters, **values}:
                raise ValueError(f"backward: it returns the gradient of {name}, which is neither a parameter nor a value of forward")
            if name in parameters:
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
