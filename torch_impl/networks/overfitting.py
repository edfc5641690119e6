"""Overfitting: what is learned by heart serves for nothing else, with torch.nn in Lightning.

Practice stops early by Lightning's EarlyStopping and keeps the best weights by its ModelCheckpoint, both of the metric "loss/val".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


def powers(x: Tensor, degree: int) -> Tensor:
    """1, x, x², … of each x: (N,) to (N, degree + 1)."""
    return x[:, None] ** torch.arange(degree + 1, device=x.device)


def polynomial(x: Tensor, c: Tensor) -> Tensor:
    """c₀ + c₁ x + …. Shapes: x (N,), c (degree + 1,), the result (N,)."""
    return powers(x, len(c) - 1) @ c


def fit(x: Tensor, y: Tensor, degree: int) -> Tensor:
    """The c of least squares, (degree + 1,)."""
    return torch.linalg.lstsq(powers(x, degree), y[:, None]).solution[:, 0]


class Watch(nn.Module):
    """Early stopping: the lowest validation loss so far, and the test loss that belonged to it."""

    checks: Tensor
    at: Tensor
    lowest: Tensor
    test_loss: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, zero in (("checks", 0), ("at", 0), ("lowest", 0.0), ("test_loss", 0.0)):
            self.register_buffer(name, torch.tensor(zero))

    def validated(self, loss: Tensor) -> None:
        """Take down a loss on the validation set."""
        self.checks += 1
        is_lowest = (self.checks == 1) | (loss < self.lowest)
        self.at.copy_(torch.where(is_lowest, self.checks, self.at))
        self.lowest.copy_(torch.where(is_lowest, loss, self.lowest))

    def tested(self, loss: Tensor) -> None:
        """Take down a loss on the test set."""
        self.test_loss.copy_(torch.where(self.at == self.checks, loss, self.test_loss))


class Overfitting(Concept):
    """64 → hidden → 10 with ReLU, softmax cross-entropy, gradient descent with momentum; and a watch on when to have stopped.

    The arguments are those of the hand-written side. Shapes: x (N, 64), the prediction (N, 10), the target (N,).
    """

    def __init__(self, hidden: int = 64, weight_decay: float = 0.0, lr: float = 0.1, momentum: float = 0.9) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.weight_decay, self.lr, self.momentum = weight_decay, lr, momentum
        self.fc1 = nn.Linear(64, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10)
        self.loss = nn.CrossEntropyLoss()
        self.watch = Watch()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        return self.fc2(self.relu(self.fc1(x)))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        loss, part = self.loss(z2, y), "val" if batch_idx == 0 else "test"
        self.log(f"loss/{part}", loss, batch_size=len(x))
        self.log(f"accuracy/{part}", mean_of(z2.argmax(dim=1) == y), batch_size=len(x))
        if batch_idx == 0:
            self.watch.validated(loss)
        else:
            self.watch.tested(loss)
            self.log("stopped/test", self.watch.test_loss, batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
