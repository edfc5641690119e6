"""Distillation: a small network learns what a large one knows, also about what it never saw, with torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div

from torch_impl.module import Concept, mean_of


def distill(z: Tensor, v: Tensor, T: float) -> Tensor:
    """T² times the mean of KL(q‖p); kl_div takes log p and q, in this order. Shapes: z and v (N, C)."""
    return T**2 * kl_div((z / T).log_softmax(dim=1), (v / T).softmax(dim=1), reduction="batchmean")


class Distillation(Concept):
    """A student, 64 → hidden → 10 with ReLU, that learns from soft targets, from labels, or from both; Adam.

    Args:
        hidden: units of the student.
        T: the temperature, above 0.
        share: of the teacher in the loss, 0 to 1; the rest is the cross-entropy with the labels.
        lr: Adam's step size.

    Shapes: a batch is x (N, 64), the teacher's scores v (N, 10), and y (N,) integers 0 to 9.

    Raises:
        ValueError: if hidden is below 1, T not above 0, or share not in 0 to 1.
    """

    def __init__(self, hidden: int = 32, T: float = 4.0, share: float = 1.0, lr: float = 3e-3) -> None:
        super().__init__()
        if hidden < 1 or not T > 0 or not 0 <= share <= 1:
            raise ValueError(f"Distillation: hidden must be at least 1, T above 0 and share in 0 to 1, got {hidden}, {T} and {share}")
        self.save_hyperparameters()
        self.T, self.share, self.lr = T, share, lr
        self.fc1 = nn.Linear(64, hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The student's scores."""
        z: Tensor = self.fc2(self.relu(self.fc1(x)))
        return z

    def both(self, z: Tensor, v: Tensor, y: Tensor) -> Tensor:
        """The loss: the teacher's share and the labels'."""
        return self.share * distill(z, v, self.T) + (1 - self.share) * cross_entropy(z, y)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        x, v, y = batch
        loss = self.both(self(x), v, y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        x, v, y = batch
        z = self(x)
        self.log("loss/val", self.both(z, v, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
