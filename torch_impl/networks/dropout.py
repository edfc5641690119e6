"""Dropout: numbers that are left out by chance, which for a straight line is ridge, in Lightning.

nn.Dropout draws the masks, and autograd goes back through the same ones. Lightning calls train() and eval().
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


class Line(nn.Module):
    """ŷ = x̃ W. Shapes: x (N, D), ŷ (N, 1)."""

    def __init__(self, features: int, p: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p)
        self.linear = nn.Linear(features, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.dropout(x))


class DroppedInputs(Concept):
    """A line whose inputs are left out by chance, and the mean of its W over the steps.

    Args:
        features: D, the numbers that are known of each example.
        p: the probability with which each of them is left out.
        lr: the step size.
        settle: steps before the mean begins.

    Shapes: x (N, D), y (N, 1), line.linear.weight (1, D), mean_W (D, 1).

    Raises:
        ValueError: if features is below 1, or settle below 0, or p out of its range.
    """

    mean_W: Tensor
    steps: Tensor

    def __init__(self, features: int = 10, p: float = 0.5, lr: float = 0.1, settle: int = 100) -> None:
        super().__init__()
        if features < 1 or settle < 0:
            raise ValueError(f"DroppedInputs: features must be at least 1 and settle at least 0, got {features} and {settle}")
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p must be at least 0 and below 1, got {p}")
        self.save_hyperparameters()
        self.lr, self.settle = lr, settle
        self.line = Line(features, p)
        self.mse = nn.MSELoss()
        self.register_buffer("mean_W", self.line.linear.weight.detach().T.clone())
        self.register_buffer("steps", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """The prediction."""
        return self.line(x)

    @torch.no_grad()
    def average(self) -> None:
        """W into the mean."""
        self.steps += 1
        self.mean_W += (self.line.linear.weight.T - self.mean_W) / (self.steps - self.settle).clamp(min=1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        self.average()
        x, y = batch
        loss = self.mse(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", self.mse(self(x), y), batch_size=len(x))
        self.log("loss_of_mean/val", self.mse(x @ self.mean_W, y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
