"""Tensor parallel: one layer that is spread over several workers, its columns first and then its rows, with a single sum, in Lightning.

Here one process plays all workers. With real ones torch cuts the layers of a plain module itself: `parallelize_module(mlp, mesh, {"up":
ColwiseParallel(), "down": RowwiseParallel()})`, of torch.distributed.tensor.parallel; Lightning's ModelParallelStrategy calls it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class Shard(nn.Module):
    """What one worker has of a block. Shapes: h and the result (N, width)."""

    def __init__(self, width: int, hidden: int, workers: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden // workers)
        self.relu = nn.ReLU()
        self.down = nn.Linear(hidden // workers, width, bias=False)
        with torch.no_grad():
            self.down.weight /= math.sqrt(workers)

    def forward(self, h: Tensor) -> Tensor:
        return self.down(self.relu(self.up(h)))


class ParallelMLP(nn.Module):
    """Two layers whose hidden units are spread over workers. Shapes: h and the result (N, width)."""

    def __init__(self, width: int, hidden: int, workers: int) -> None:
        super().__init__()
        self.shards = nn.ModuleList(Shard(width, hidden, workers) for _ in range(workers))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, h: Tensor) -> Tensor:
        return torch.stack([shard(h) for shard in self.shards]).sum(dim=0) + self.bias


class TensorParallel(Concept):
    """64 → width, residual blocks h + MLP(h) of which each worker has a part, → 10; softmax cross-entropy and gradient descent.

    Args:
        workers: over how many each block is spread.
        width: numbers between the blocks, which all workers have.
        hidden: units within a block, of all workers together.
        depth: how many blocks.
        lr: the step size.

    Raises ValueError for a number below 1, or a hidden that cannot be divided by workers.
    """

    def __init__(self, workers: int = 4, width: int = 24, hidden: int = 64, depth: int = 2, lr: float = 0.1) -> None:
        super().__init__()
        if min(workers, width, hidden, depth) < 1:
            got = f"got {workers}, {width}, {hidden} and {depth}"
            raise ValueError(f"TensorParallel: workers, width, hidden and depth must be at least 1, {got}")
        if hidden % workers:
            raise ValueError(f"TensorParallel: hidden must be a multiple of workers, got {hidden} and {workers}")
        self.save_hyperparameters()
        self.lr = lr
        self.first = nn.Linear(64, width)
        self.blocks = nn.ModuleList(ParallelMLP(width, hidden, workers) for _ in range(depth))
        self.last = nn.Linear(width, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        return self.last(h)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = self.loss(self(batch[0]), batch[1])
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        scores = self(x)
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(scores.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
