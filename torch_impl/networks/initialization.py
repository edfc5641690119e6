"""Where weights begin: ten layers that learn, and ten that never do, in Lightning."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of

Start = Literal["zeros", "small", "default", "xavier", "he", "orthogonal", "large"]


def begin_(weight: Tensor, start: Start) -> Tensor:
    """Fill a weight as it begins."""
    if start == "zeros":
        return nn.init.zeros_(weight)
    if start == "default":
        return nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
    if start == "xavier":
        return nn.init.xavier_normal_(weight)
    if start == "he":
        return nn.init.kaiming_normal_(weight, nonlinearity="relu")
    if start == "orthogonal":
        return nn.init.orthogonal_(weight, gain=math.sqrt(2))
    return nn.init.normal_(weight, std={"small": 0.005, "large": 0.25}[start])


class DeepMLP(Concept):
    """64 → width → ... → width → 10 with ReLU, softmax cross-entropy and plain gradient descent.

    Args:
        start: how the weights begin. Biases begin at 0.
        depth: how many hidden layers.
        width: units of each.
        lr: the step size.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such start, or no layer.
    """

    def __init__(self, start: Start = "he", depth: int = 10, width: int = 64, lr: float = 0.05) -> None:
        super().__init__()
        if start not in get_args(Start):
            raise ValueError(f"DeepMLP: start must be one of {', '.join(map(repr, get_args(Start)))}, got {start!r}")
        if min(depth, width) < 1:
            raise ValueError(f"DeepMLP: depth and width must be at least 1, got {depth} and {width}")
        self.save_hyperparameters()
        self.lr = lr
        self.layers = nn.ModuleList(nn.Linear(width if k else 64, width) for k in range(depth))
        self.relu = nn.ReLU()
        self.last = nn.Linear(width, 10)
        self.loss = nn.CrossEntropyLoss()
        for layer in (*self.layers, self.last):
            begin_(layer.weight, start)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scores for the ten digits."""
        h = x
        for layer in self.layers:
            h = self.relu(layer(h))
        return self.last(h)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        scores = self(x)
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(scores.argmax(dim=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


@torch.enable_grad()
def mean_squares(model: DeepMLP, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Layer by layer: the mean of h², and that of (∂L/∂h)², (depth + 1,) each."""
    h = [x.clone().requires_grad_()]
    for layer in model.layers:
        h.append(model.relu(layer(h[-1])))
    gradients = torch.autograd.grad(model.loss(model.last(h[-1]), y), h)
    return torch.stack([(a.detach() ** 2).mean() for a in h]), torch.stack([(g**2).mean() for g in gradients])


# ---- further reading: two layers without ReLU ------------------------------------------------------


def two_layers(x: Tensor, W1: Tensor, W2: Tensor) -> Tensor:
    """ŷ = x W1ᵀ W2ᵀ."""
    return x @ W1.T @ W2.T


class DeepLinear(Concept):
    """ŷ = W2 W1 x, from a start along the axes of the matrix `target` that is to be learned; L = ½ Σ (ŷ − y)²."""

    def __init__(self, target: Tensor, u: float = 0.1, lr: float = 0.01) -> None:
        super().__init__()
        self.lr = lr
        U, _, Vh = torch.linalg.svd(target, full_matrices=False)
        self.W1, self.W2 = nn.Parameter(u * Vh), nn.Parameter(u * U)

    def forward(self, x: Tensor) -> Tensor:
        return two_layers(x, self.W1, self.W2)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        return ((self(x) - y) ** 2).sum() / 2

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
