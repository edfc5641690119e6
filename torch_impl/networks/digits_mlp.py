"""A network with one hidden layer that reads handwritten digits, with torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class DigitsMLP(Concept):
    """64 → hidden → 10 with ReLU and dropout, softmax cross-entropy and Adam.

    Args:
        hidden: units of the hidden layer.
        dropout: the fraction of hidden units set to 0 at each training step.
        lr: Adam's step size (1e-3: Kingma & Ba, 2015, algorithm 1).

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.
    """

    def __init__(self, hidden: int = 128, dropout: float = 0.2, lr: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.fc1 = nn.Linear(64, hidden)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        z1 = self.fc1(x)
        h = self.relu(z1)
        d = self.dropout(h)
        z2 = self.fc2(d)
        return z2

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        z2 = self(x)
        loss = self.loss(z2, y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z2.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
