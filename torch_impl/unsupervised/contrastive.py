"""Contrastive learning: which two pictures belong together? Codes learned from that question alone, with torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from torch_impl.module import Concept


def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """InfoNCE is the cross-entropy of N classes, of which i is the right one for row i. Shapes: a and b (N, D)."""
    return cross_entropy(a @ b.T / temperature, torch.arange(len(a), device=a.device))


class Encoder(nn.Module):
    """pixels → hidden → ReLU → dimensions, and that to length 1. Shapes: x (N, 64), a (N, D)."""

    def __init__(self, dimensions: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, dimensions)

    def forward(self, x: Tensor) -> Tensor:
        return normalize(self.fc2(self.relu(self.fc1(x))), dim=1)


class Contrastive(Concept):
    """Two views of each picture through one encoder; InfoNCE and Adam.

    Args:
        dimensions: D, numbers of a code.
        hidden: units of the encoder.
        temperature: τ, above 0: how much better the right answer must fit before it counts as sure.
        lr: Adam's step size.

    Shapes: a batch is the first and the second views, (N, 64) each; row i of both is one digit.

    Raises:
        ValueError: if dimensions or hidden is below 1, or temperature not above 0.
    """

    def __init__(self, dimensions: int = 16, hidden: int = 128, temperature: float = 0.2, lr: float = 3e-3) -> None:
        super().__init__()
        if min(dimensions, hidden) < 1 or not temperature > 0:
            raise ValueError(
                "Contrastive: dimensions and hidden must be at least 1 and temperature above 0, "
                f"got {dimensions}, {hidden} and {temperature}"
            )
        self.save_hyperparameters()
        self.temperature, self.lr = temperature, lr
        self.encoder = Encoder(dimensions, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """The codes, (N, D)."""
        codes: Tensor = self.encoder(x)
        return codes

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        first, second = batch
        loss = info_nce(self(first), self(second), self.temperature)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The loss, and how sure the right answers are: the mean of p[i, i]."""
        a, b = (self(views) for views in batch)
        self.log("loss/val", info_nce(a, b, self.temperature), batch_size=len(a))
        self.log("sure/val", (a @ b.T / self.temperature).softmax(dim=1).diagonal().mean(), batch_size=len(a))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
