"""How sure is it, and how right? A network's confidence, measured and mended, with torch.nn in Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class Temperature(nn.Module):
    """Scores divided by one learned number. Shapes: z and s (N, C), T ()."""

    def __init__(self) -> None:
        super().__init__()
        self.T = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        return z / self.T


class Calibration(Concept):
    """64 → hidden → 10 with ReLU, trained by gradient descent with momentum; then its temperature, by plain gradient descent.

    Args:
        hidden: units of the hidden layer.
        lr: the network's step size.
        momentum: of the network's steps.
        lr_temperature: the step size of T.
        epochs: how long the network is trained; afterwards T is. All rows are one batch, so an epoch is a step.

    Shapes: a batch is x (N, 64), y (N,) and as many of the calibration part; the prediction s (N, 10).

    Raises:
        ValueError: if hidden or epochs is out of its range.
    """

    def __init__(self, hidden: int = 64, lr: float = 0.1, momentum: float = 0.9, lr_temperature: float = 0.5, epochs: int = 150) -> None:
        super().__init__()
        if hidden < 1 or epochs < 0:
            raise ValueError(f"Calibration: hidden must be at least 1 and epochs not negative, got {hidden} and {epochs}")
        self.save_hyperparameters()
        self.lr, self.momentum, self.lr_temperature, self.epochs = lr, momentum, lr_temperature, epochs
        self.net = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
        self.temperature = Temperature()
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """The ten scores, over T."""
        return self.temperature(self.net(x))

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        x, y, x_cal, y_cal = batch
        loss = self.loss(self.net(x), y)
        with torch.no_grad():
            z_cal = self.net(x_cal)
        loss_cal = self.loss(self.temperature(z_cal), y_cal)
        self.log("loss/train", loss)
        self.log("loss_cal/train", loss_cal)
        return loss + loss_cal

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """How many are right; and the loss and the mean confidence, without T and with it."""
        x, y = batch[:2]
        z = self.net(x)
        self.log("accuracy/val", mean_of(z.argmax(dim=1) == y), batch_size=len(x))
        for name, scores in (("", z), ("_scaled", self.temperature(z))):
            self.log(f"loss{name}/val", self.loss(scores, y), batch_size=len(x))
            self.log(f"confidence{name}/val", scores.softmax(dim=1).amax(dim=1).mean(), batch_size=len(x))

    def configure_optimizers(self) -> Any:
        network = {"params": self.net.parameters(), "lr": self.lr, "momentum": self.momentum}
        temperature = {"params": [self.temperature.T], "lr": self.lr_temperature}
        optimizer = torch.optim.SGD([network, temperature])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, [lambda n: float(n < self.epochs), lambda n: float(n >= self.epochs)])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
