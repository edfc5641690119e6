"""The training loop: what a Trainer does, in the open, in torch.

With `automatic_optimization = False` Lightning leaves the loop to `training_step`, where it can be read.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


class TrainingLoop(Concept):
    """A straight line in several features, and the loop that fits it, written out.

    Args:
        features: D, how many numbers are known of each example.
        zero_grad: whether gradients are forgotten before each batch; False is the mistake that everybody makes once.
        lr: the length of a step, per gradient.

    Shapes: x (N, D), the prediction and the target y (N, 1).

    Raises:
        ValueError: if features is below 1.
    """

    def __init__(self, features: int = 11, zero_grad: bool = True, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        if features < 1:
            raise ValueError(f"TrainingLoop: features must be at least 1, got {features}")
        self.zero_grad_first, self.lr = zero_grad, lr
        self.linear = nn.Linear(features, 1)
        self.mse = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """The prediction ŷ."""
        return self.linear(x)

    def mse_loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The mean of (ŷ − y)² over these examples."""
        x, y = batch
        return self.mse(self(x), y)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """One round of the loop."""
        optimizer: Any = self.optimizers()
        if self.zero_grad_first:
            optimizer.zero_grad()
        loss = self.mse_loss(batch)
        self.manual_backward(loss)
        optimizer.step()
        self.log("loss/train", loss.detach())

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """How wrong it is on examples that it is never shown."""
        x, y = batch
        self.log("loss/val", self.mse(self(x), y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
