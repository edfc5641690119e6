"""Thirty layers: a way around each of them lets the image through to the end and the gradient back to the beginning, in Lightning."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


class PlainBlock(nn.Module):
    """ReLU and a layer without bias. Shapes: h and the result (N, width)."""

    def __init__(self, width: int, gain: float = 1.0) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.fc = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.fc.weight *= gain

    def forward(self, h: Tensor) -> Tensor:
        return self.fc(self.relu(h))


class ResidualBlock(PlainBlock):
    """The same, and a way around. Shapes: h and the result (N, width)."""

    def __init__(self, width: int, gain: float = 1.0, depth: int = 1) -> None:
        super().__init__(width, gain)
        self.depth = depth

    def forward(self, h: Tensor) -> Tensor:
        return h + self.fc(self.relu(h)) / math.sqrt(self.depth)


class Residual(Concept):
    """64 → width, blocks of that width, → 10; softmax cross-entropy and plain gradient descent.

    Args:
        depth: how many blocks.
        width: units of each.
        skip: whether there is a way around each block; False makes them plain.
        gain: how many times as large as torch's the first weights of the blocks are.
        lr: the length of a step, per gradient.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises ValueError for a depth or width below 1, or a gain not above 0.
    """

    def __init__(self, depth: int = 30, width: int = 32, skip: bool = True, gain: float = 1.0, lr: float = 0.1) -> None:
        super().__init__()
        if min(depth, width) < 1 or not gain > 0:
            raise ValueError(f"Residual: depth and width must be at least 1 and gain above 0, got {depth}, {width} and {gain}")
        self.save_hyperparameters()
        self.lr = lr
        self.first = nn.Linear(64, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, gain, depth) if skip else PlainBlock(width, gain) for _ in range(depth))
        self.last = nn.Linear(width, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        return self.last(h)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
