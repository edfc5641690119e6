"""A network with a memory: a recurrent network, with torch.nn in Lightning, where autograd goes back through time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def three_steps(x: Tensor, W_ih: Tensor, W_hh: Tensor, b: Tensor) -> Tensor:
    """The state after three steps. Shapes: x (3, N, I), W_ih (H, I), W_hh (H, H), b (H,), the result (N, H)."""
    h1 = torch.relu(x[0] @ W_ih.T + b)
    h2 = torch.relu(x[1] @ W_ih.T + h1 @ W_hh.T + b)
    h3 = torch.relu(x[2] @ W_ih.T + h2 @ W_hh.T + b)
    return h3


class AddingRNN(Concept):
    """A recurrent layer and a linear one on its last state; mean squared error and Adam, whose step falls along half a cosine to 0.

    Args:
        hidden: H, how many numbers are remembered.
        start: W_hh begins as start · I (1: Le, Jaitly and Hinton, 2015).
        lr: Adam's step size at the start.
        steps: the length of the schedule.

    Shapes: x (N, T, 2), the prediction and the target (N, 1).
    """

    def __init__(self, hidden: int = 32, start: float = 1.0, lr: float = 3e-3, steps: int = 800) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.steps = lr, steps
        self.rnn = nn.RNN(2, hidden, nonlinearity="relu", batch_first=True)
        self.rnn.get_parameter("weight_hh_l0").data = start * torch.eye(hidden)
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
