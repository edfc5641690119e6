"""Double descent: random features and a last layer that learns, in Lightning."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def features(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """tanh(x W + b) / √P. Shapes: x (N, D), W (D, P), b (P,), the result (N, P)."""
    return torch.tanh(x @ W + b) / math.sqrt(W.shape[1])


class DoubleDescent(Concept):
    """Random features and a last layer that learns, by gradient descent with momentum.

    Args:
        inputs: D, numbers of an input.
        features: P, random ones.
        start: the standard deviation of theta at the start.
        lr: the step size.
        momentum: each step is the gradient's, plus this part of the last step.

    Shapes: x (N, D), the prediction and the target y (N, 1).

    Raises:
        ValueError: if inputs or features is below 1, or start below 0.
    """

    W: Tensor
    b: Tensor

    def __init__(self, inputs: int = 10, features: int = 1000, start: float = 0.0, lr: float = 1.8, momentum: float = 0.9) -> None:
        super().__init__()
        if min(inputs, features) < 1 or start < 0:
            raise ValueError(
                f"DoubleDescent: inputs and features must be at least 1 and start not below 0, got {inputs}, {features} and {start}"
            )
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.register_buffer("W", torch.randn(inputs, features))
        self.register_buffer("b", torch.randn(features))
        self.theta = nn.Parameter(start * torch.randn(features, 1))

    def forward(self, x: Tensor) -> Tensor:
        return features(x, self.W, self.b) @ self.theta

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The mean squared error, and the length of theta."""
        x, y = batch
        self.log("loss/val", nn.functional.mse_loss(self(x), y), batch_size=len(x))
        self.log("length/val", self.theta.norm(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
