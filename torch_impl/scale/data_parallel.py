"""Data parallel: many workers, each with the same weights and a part of the batch, who add their gradients, in Lightning.

With workers = 1 it is a plain module, and that is all that there is to write: Trainer(devices=2, strategy="ddp") starts two processes,
hands each its rows, and averages the gradients while backward still runs (torch's DistributedDataParallel). More workers are played here
by one process: the mean of their losses has the mean of their gradients.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of
from torch_impl.networks.normalization import NORMS, Norm


class DataParallel(Concept):
    """64 → hidden → norm → ReLU → 10, trained by workers with a shard each; softmax cross-entropy and gradient descent.

    Args:
        workers: how many are played by this process.
        norm: one of "none", "batch", "layer", "rms".
        hidden: units of the hidden layer.
        lr: the step size.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises ValueError for workers or hidden below 1, and for a norm that there is not.
    """

    def __init__(self, workers: int = 4, norm: Norm = "none", hidden: int = 64, lr: float = 0.2) -> None:
        super().__init__()
        if norm not in get_args(Norm):
            raise ValueError(f"DataParallel: norm must be one of {', '.join(map(repr, get_args(Norm)))}, got {norm!r}")
        if min(workers, hidden) < 1:
            raise ValueError(f"DataParallel: workers and hidden must be at least 1, got {workers} and {hidden}")
        self.save_hyperparameters()
        self.workers, self.lr = workers, lr
        self.fc1 = nn.Linear(64, hidden, bias=False)
        self.norm = NORMS[norm](hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        return self.fc2(self.relu(self.norm(self.fc1(x))))

    def replica_loss(self, x: Tensor, y: Tensor, rank: int) -> Tensor:
        """The loss of one worker's shard."""
        if isinstance(self.norm, nn.BatchNorm1d):
            self.norm.momentum = 0.1 if rank == 0 else 0.0
        return self.loss(self(x), y)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = (a.tensor_split(min(self.workers, max(len(a) // 2, 1))) for a in batch)
        losses = [self.replica_loss(*shard, rank) for rank, shard in enumerate(zip(x, y, strict=True))]
        loss = torch.stack(losses).mean()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z2.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
