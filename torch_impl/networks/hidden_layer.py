"""A hidden layer folds the plane until one straight cut will do, in torch.

Line for line the file by hand, without its backward: autograd writes that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid as log_sigmoid

from torch_impl.module import StraightLine, mean_of


def forward(x: Tensor, W1: Tensor, b1: Tensor, W2: Tensor, b2: Tensor) -> dict[str, Tensor]:
    """Every value on the way from the points to z2, the prediction."""
    z1 = x @ W1 + b1  # (N, 2) @ (2, hidden) + (hidden,) = (N, hidden)
    h = torch.relu(z1)  # (N, hidden)
    z2 = h @ W2 + b2  # (N, hidden) @ (hidden, 1) + (1,) = (N, 1)
    return {"z1": z1, "h": h, "z2": z2}


def loss(z2: Tensor, y: Tensor) -> Tensor:
    """The mean of −log p where y is 1 and −log(1 − p) where y is 0: torch's binary_cross_entropy_with_logits, written out."""
    return -torch.mean(y * log_sigmoid(z2) + (1 - y) * log_sigmoid(-z2))


class HiddenLayer(StraightLine):
    """2 → hidden → 1 with ReLU, binary cross-entropy and plain gradient descent.

    Args:
        hidden: units of the hidden layer. Two could do, but most random starts then get stuck.
        lr: the length of a step, per gradient.

    Shapes: x (N, 2), the prediction z2 (N, 1), the target y (N, 1) zeros and ones, as floats.
    """

    def __init__(self, hidden: int = 16, lr: float = 0.5) -> None:
        super().__init__(forward, loss)
        self.save_hyperparameters()
        if hidden < 1:
            raise ValueError(f"HiddenLayer: hidden must be at least 1, got {hidden}")
        self.lr = lr
        k1, k2 = 1 / math.sqrt(2), 1 / math.sqrt(hidden)
        self.W1 = nn.Parameter(torch.empty(2, hidden).uniform_(-k1, k1))
        self.b1 = nn.Parameter(torch.empty(hidden).uniform_(-k1, k1))
        self.W2 = nn.Parameter(torch.empty(hidden, 1).uniform_(-k2, k2))
        self.b2 = nn.Parameter(torch.empty(1).uniform_(-k2, k2))

    def metrics(self, z2: Tensor, y: Tensor) -> dict[str, Tensor]:
        """The fraction of points on the right side."""
        return {"accuracy": mean_of((z2 > 0) == (y > 0.5))}

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
