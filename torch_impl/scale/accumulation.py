"""Accumulation: a large batch that does not fit goes in piece by piece, and the step is the same, in Lightning.

`manual_backward` adds into every .grad, here from the part's share on in place of 1, and autograd then forgets what it kept. Where all
parts are of one size a loader of small batches and Trainer(accumulate_grad_batches=K) do the same with no line of one's own.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of
from torch_impl.networks.normalization import NORMS, Norm

Weigh = Literal["rows", "alike"]


def joined(losses: Tensor, share: Tensor) -> Tensor:
    """The loss of the batch, from those of its parts. Shapes: both (K,), the result ()."""
    return (losses * share).sum()


class Accumulation(Concept):
    """64 → hidden → norm → ReLU → 10, trained on large batches that go in by parts; softmax cross-entropy and gradient descent.

    Args:
        micro_batch: rows of a part, at most.
        weigh: what share each part has: "rows", its part of the rows; or "alike".
        norm: one of "none", "batch", "layer", "rms".
        hidden: units of the hidden layer.
        lr: the step size.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises ValueError for a micro_batch or hidden below 1, and for a norm or a way to weigh that there is not.
    """

    def __init__(self, micro_batch: int = 32, weigh: Weigh = "rows", norm: Norm = "none", hidden: int = 64, lr: float = 0.2) -> None:
        super().__init__()
        for name, value, choices in (("weigh", weigh, get_args(Weigh)), ("norm", norm, get_args(Norm))):
            if value not in choices:
                raise ValueError(f"Accumulation: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        if min(micro_batch, hidden) < 1:
            raise ValueError(f"Accumulation: micro_batch and hidden must be at least 1, got {micro_batch} and {hidden}")
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.micro_batch, self.weigh, self.lr = micro_batch, weigh, lr
        self.fc1 = nn.Linear(64, hidden, bias=False)
        self.norm = NORMS[norm](hidden)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        return self.fc2(self.relu(self.norm(self.fc1(x))))

    def part_loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The mean loss of these rows."""
        x, y = batch
        return self.loss(self(x), y)

    def accumulate(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The gradient of all parts, added to what is there; returns the loss of the batch."""
        x_parts, y_parts = (a.split(self.micro_batch) for a in batch)
        sizes = batch[0].new_tensor([len(x) if self.weigh == "rows" else 1 for x in x_parts])
        share, losses = sizes / sizes.sum(), []
        for x, y, dL_dloss in zip(x_parts, y_parts, share, strict=True):
            losses.append(self.part_loss((x, y)))
            self.manual_backward(losses[-1], gradient=dL_dloss)
        return joined(torch.stack(losses).detach(), share)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        loss = self.accumulate(batch)
        optimizer.step()
        self.log("loss/train", loss)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(z2.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
