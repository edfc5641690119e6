"""A gated recurrent unit (GRU), which does with two gates, with torch.nn in Lightning."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def cell(z_x: Tensor, z_h: Tensor, h: Tensor) -> Tensor:
    """One step: the state after it. Shapes: z_x and z_h (N, 3 H), h and the result (N, H)."""
    (x_r, x_u, x_n), (h_r, h_u, q) = z_x.chunk(3, dim=1), z_h.chunk(3, dim=1)
    u = torch.sigmoid(x_u + h_u)
    n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * q)
    return (1 - u) * n + u * h


class AddingGRU(Concept):
    """A GRU and a linear layer on its last state; mean squared error and Adam, whose step falls along half a cosine to 0.

    Args:
        hidden: H, how many numbers the state has.
        lr: Adam's step size at the start.
        steps: the length of the schedule.

    Shapes: x (N, T, 2), the prediction and the target (N, 1).
    """

    def __init__(self, hidden: int = 16, lr: float = 0.02, steps: int = 1000) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.steps = lr, steps
        self.rnn = nn.GRU(2, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 1)
        self.loss = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """What the sum is taken to be."""
        h, _ = self.rnn(x)  # the states of all steps
        y_hat = self.fc(h[:, -1])
        return y_hat

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        y_hat = self(x)
        loss = self.loss(y_hat, y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        y_hat = self(x)
        self.log("loss/val", self.loss(y_hat, y), batch_size=len(x))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
