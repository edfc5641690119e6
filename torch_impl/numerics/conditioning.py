"""Conditioning: the shape of the valley, a deep chain and a cliff, in torch. Autograd differentiates each expression."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.regression.linear_regression import with_ones


def bowl_condition(x: Tensor) -> Tensor:
    """κ of the Hessian of least squares: the square of that of A = [x 1]."""
    return torch.linalg.cond(with_ones(x)) ** 2


def standardise(x: Tensor) -> Tensor:
    """(x − mean)/std of each column; a constant column becomes 0."""
    std, mean = torch.std_mean(x, dim=0, correction=0)
    constant = std <= len(x) * torch.finfo(x.dtype).eps * mean.abs()
    return (x - mean) / torch.where(constant, 1, std)


class LeastSquares(Concept):
    """ŷ = x W + b by plain gradient descent from 0: layer and loss are those of `linear_regression`, only x differs.

    Args:
        lr: the step size. For each x it must be below 2/λmax; half of that is 0.127 for the standardised diabetes data, and 0.00000678
            for the same in their own units.

    Shapes: x (N, 10), y (N, 1), linear.weight (1, 10), which is Wᵀ, linear.bias (1,).
    """

    def __init__(self, lr: float = 0.127) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.linear = nn.Linear(10, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.loss = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """The prediction."""
        return self.linear(x)  # (N, 10) to (N, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", self.loss(self(x), y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: a deep chain and a cliff ---------------------------------------------------------


def states(h: Tensor, W: Tensor, activation: str) -> list[Tensor]:
    """h at every depth."""
    hidden = [h]
    for weight in W:
        u = hidden[-1] @ weight.T
        hidden.append(u.tanh() if activation == "tanh" else u)
    return hidden


def deep_chain(h: Tensor, W: Tensor, activation: str = "tanh") -> Tensor:
    """tanh(h Wᵀ), or h Wᵀ, layer after layer."""
    return states(h, W, activation)[-1]


def chain_gradients(dL_dh: Tensor, h: Tensor, W: Tensor, activation: str = "tanh") -> Tensor:
    """∂L/∂h[l] at every depth."""
    hidden = states(h.detach().requires_grad_(), W, activation)
    return torch.stack(torch.autograd.grad(hidden[-1], hidden, dL_dh))


def chain_jacobians(h: Tensor, W: Tensor, activation: str = "tanh") -> Tensor:
    """∂h[l]/∂h[0] at every depth."""
    return torch.func.jacrev(lambda h: torch.stack(states(h, W, activation)))(h)


def cliff(w: Tensor, depth: int = 50) -> Tensor:
    """(w^depth − 1)²."""
    return (w**depth - 1) ** 2
