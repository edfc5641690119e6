"""The chain rule: how blame travels backwards through a network, in torch.

The forward of the file by hand. Its backward, one sample at a time or all at once, is autograd's work: `loss.backward()`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import StraightLine, mean_of


def forward(x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> dict[str, Tensor]:
    """Every value on the way, for N samples as rows, or for one."""
    z1 = x @ W1 + b1  # (N, hidden)
    a1 = torch.sigmoid(z1)
    z2 = a1 @ W2 + b2  # (N, out)
    a2 = torch.sigmoid(z2)
    return {"z1": z1, "a1": a1, "z2": z2, "a2": a2}


def loss(a2: Tensor, y: Tensor) -> Tensor:
    """Half the square of what is off, the mean over samples."""
    return ((a2 - y) ** 2).sum(dim=-1).mean() / 2


class ChainRule(StraightLine):
    """2 → hidden → 1 with σ after both layers, half the squared error and plain gradient descent.

    Args:
        hidden: how many units; three can be drawn.
        lr: the learning rate (3.0: Nielsen, chapter 1).
    """

    def __init__(self, hidden: int = 3, lr: float = 3.0) -> None:
        super().__init__(forward, loss)
        self.save_hyperparameters()
        if hidden < 1:
            raise ValueError(f"ChainRule: hidden must be at least 1, got {hidden}")
        self.lr = lr
        self.W1 = nn.Parameter(torch.randn(2, hidden))
        self.b1 = nn.Parameter(torch.randn(hidden))
        self.W2 = nn.Parameter(torch.randn(hidden, 1))
        self.b2 = nn.Parameter(torch.randn(1))

    def metrics(self, prediction: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The part that is on the right side of one half."""
        return {"accuracy": mean_of((prediction > 0.5) == (y > 0.5))}

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
