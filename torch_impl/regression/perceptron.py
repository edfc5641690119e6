"""The first neuron that learned: Rosenblatt's perceptron, in Lightning. With batches of one row, SGD with lr = 1 is his rule."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept, mean_of


def perceptron_loss(z: Tensor, y: Tensor) -> Tensor:
    """Mean of max(−y z, 0); `where` and not `relu`, so that the slope at z = 0 is −y: no line at all is a mistake too."""
    return torch.where(y * z > 0, 0.0, -y * z).mean()


def margin(x: Tensor, y: Tensor, q: Tensor) -> float:
    """min y aᵀq / ‖q‖, a = [x 1]: how far the nearest row is on its right side. Shapes: x (N, D), y (N, 1), q (D+1,)."""
    return float((y[:, 0] * (x @ q[:-1] + q[-1])).min() / q.norm())


def mistake_bound(x: Tensor, y: Tensor, q: Tensor) -> float:
    """(R/γ)²: no order of the rows makes more mistakes than this, for any q that has all rows right."""
    R = torch.hstack([x, x.new_ones(len(x), 1)]).norm(dim=1).max()
    return (float(R) / margin(x, y, q)) ** 2


def rosenblatt(x: Tensor, y: Tensor, max_passes: int = 100) -> tuple[Tensor, list[int]]:
    """The rule as it was published: q = [W; b] at first and after each mistake, and the number of mistakes in each pass."""
    A = torch.hstack([x, x.new_ones(len(x), 1)])
    path, mistakes = [x.new_zeros(x.shape[1] + 1)], []
    for _ in range(max_passes):
        before = len(path)
        for a, sign in zip(A, y[:, 0], strict=True):
            if sign * (a @ path[-1]) <= 0:
                path.append(path[-1] + sign * a)
        mistakes.append(len(path) - before)
        if mistakes[-1] == 0:
            break
    return torch.stack(path), mistakes


class Perceptron(Concept):
    """The sign of x W + b, learned from mistakes: with batches of one row this is Rosenblatt's rule.

    Args:
        features: D, the numbers that are known of each example.
        lr: the step size; from W = 0 it changes nothing but the length of W.

    Shapes: x (N, D), the prediction z (N, 1), y (N, 1) of +1 and −1, linear.weight (1, D), linear.bias (1,).
    """

    def __init__(self, features: int = 2, lr: float = 1.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.linear = nn.Linear(features, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The scores; their signs are the answers."""
        return self.linear(x)  # (N, D) to (N, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = perceptron_loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", perceptron_loss(z, y), batch_size=len(x))
        self.log("accuracy/val", mean_of(y * z > 0), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
