"""One weight, one slope, one step: the gentlest complete training loop, in Lightning.

The two functions `forward` and `loss` are those of the hand-written file; `backward` is missing, because autograd writes it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import StraightLine


def forward(x: Tensor, w: Tensor) -> dict[str, Tensor]:
    """The guess for every purchase. Shapes: x (N,), w one number, y_hat (N,)."""
    y_hat = w * x
    return {"y_hat": y_hat}


def loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """How bad the guesses are: the mean square of what they are off by."""
    return ((y_hat - y) ** 2).mean()


@torch.enable_grad()
def train(x: Tensor, y: Tensor, w: Tensor, lr: float, steps: int) -> Tensor:
    """The whole of training: guess, slope, step, again and again. Returns w before the first step and after each: (steps+1,)."""
    w = w.clone().requires_grad_()
    path = [w.detach().clone()]
    for _ in range(steps):
        L = loss(forward(x, w)["y_hat"], y)
        (slope,) = torch.autograd.grad(L, w)  # the backward that the hand-written file has
        with torch.no_grad():
            w -= lr * slope
        path.append(w.detach().clone())
    return torch.stack(path)


def curvature(x: Tensor) -> Tensor:
    """How fast the slope grows with w, by differentiating the loss twice. Shape: x (N,)."""
    at = x.new_zeros(())  # any w, and below any y: neither has a part in it
    slope = torch.func.grad(lambda w: loss(forward(x, w)["y_hat"], torch.zeros_like(x)))
    return torch.func.grad(slope)(at)


def best_weight(x: Tensor, y: Tensor) -> Tensor:
    """The lowest point, without training: least squares with one column."""
    return torch.linalg.lstsq(x[:, None], y[:, None]).solution[0, 0]


class OneWeight(StraightLine):
    """ŷ = w x, fitted by plain gradient descent.

    Args:
        lr: the learning rate; it must stay below 2/c, which is 0.649 for the apples.

    Shapes: x (N,), y (N,), w one number.
    """

    def __init__(self, lr: float = 0.2) -> None:
        super().__init__(forward, loss)
        self.save_hyperparameters()
        self.lr = lr
        self.w = nn.Parameter(torch.randn(()))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)
