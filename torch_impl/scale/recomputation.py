"""Recomputation: keep every eighth activation, compute the others again when they are needed, and get the same gradient, in Lightning.

`checkpoint` runs its function without keeping anything, and runs it again when the way back arrives there. It puts torch's generator of
random numbers back for that, so that dropout draws the same mask. `use_reentrant=False` is the newer of its two forms, which torch advises.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from torch_impl.module import Concept, mean_of
from torch_impl.networks.residual import ResidualBlock


class Recomputed(nn.Sequential):
    """Layers one after the other, of which only the input is kept. Shapes: those of the layers."""

    def forward(self, h: Tensor) -> Tensor:
        return checkpoint(super().forward, h, use_reentrant=False)


class Recomputation(Concept):
    """64 → width, residual blocks of that width in segments, → 10; softmax cross-entropy and plain gradient descent.

    Args:
        depth: how many blocks.
        every: how many of them are a segment; the last may have fewer.
        recompute: whether segments keep only their inputs; False keeps everything.
        width: units of each block.
        lr: the step size.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises ValueError for a depth, an every or a width below 1.
    """

    def __init__(self, depth: int = 16, every: int = 4, recompute: bool = True, width: int = 32, lr: float = 0.1) -> None:
        super().__init__()
        if min(depth, every, width) < 1:
            raise ValueError(f"Recomputation: depth, every and width must be at least 1, got {depth}, {every} and {width}")
        self.save_hyperparameters()
        self.lr = lr
        self.first = nn.Linear(64, width)
        blocks = [ResidualBlock(width, depth=depth) for _ in range(depth)]
        Segment = Recomputed if recompute else nn.Sequential
        self.segments = nn.ModuleList(Segment(*blocks[start : start + every]) for start in range(0, depth, every))
        self.last = nn.Linear(width, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        h = self.first(x)
        for segment in self.segments:
            h = segment(h)
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
