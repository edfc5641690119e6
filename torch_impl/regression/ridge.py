"""Short weights: ridge regression, in Lightning. All gradients are autograd's, through the solver too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl.module import Concept


def loss(x: Tensor, y: Tensor, W: Tensor, b: Tensor, alpha: float = 0.0) -> Tensor:
    """L = mean of (ŷ − y)² + alpha · ΣW². Shapes: x (N, D), y (N, 1), W (D, 1), b (1,)."""
    y_hat = x @ W + b  # (N, D) @ (D, 1) + (1,)
    return F.mse_loss(y_hat, y) + alpha * (W**2).sum()


class Ridge(Concept):
    """ŷ = x W + b with a price on the size of W, fitted by gradient descent with momentum.

    Args:
        features: D, the numbers that are known of each example.
        alpha: the price of size; scikit-learn's alpha is N times this one.
        lr: the step size; below 2 (1 + momentum) / λmax of the Hessian, which is 0.25 (1 + momentum) on the diabetes data.
        momentum: how much of the last step is kept.

    Shapes: x (N, D), y (N, 1), linear.weight (1, D), which is Wᵀ, linear.bias (1,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(self, features: int = 10, alpha: float = 0.05, lr: float = 0.2, momentum: float = 0.9) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"Ridge: alpha must be at least 0, got {alpha}")
        self.save_hyperparameters()
        self.alpha, self.lr, self.momentum = alpha, lr, momentum
        self.linear = nn.Linear(features, 1)
        nn.init.normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.mse = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """The prediction."""
        return self.linear(x)  # (N, D) to (N, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        L = self.mse(self(x), y) + self.alpha * (self.linear.weight**2).sum()
        self.log("loss/train", L)
        return L

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        y_hat = self(x)
        self.log("loss/val", self.mse(y_hat, y), batch_size=len(x))
        self.log("r2/val", 1 - ((y_hat - y) ** 2).sum() / ((y - y.mean()) ** 2).sum(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: the closed form and its gradient, the curvature, and what shrinks how much ------


def hessian(x: Tensor, alpha: float = 0.0) -> Tensor:
    """∂²L/∂q² with q = [W; b], by differentiating twice. Shapes: x (N, D), the result (D+1, D+1)."""
    y = x.new_zeros(len(x), 1)  # any y: it has no part in the second derivatives
    gradient = torch.func.grad(lambda q: loss(x, y, q[:-1, None], q[-1:], alpha))
    return torch.func.jacrev(gradient)(x.new_zeros(x.shape[1] + 1))


def solution(x: Tensor, y: Tensor, alpha: Any) -> tuple[Tensor, Tensor]:
    """The W and b of the lowest L, (D, 1) and (1,)."""
    X, Y = x - x.mean(dim=0), y - y.mean(dim=0)
    W = torch.linalg.solve(gram(X, alpha), X.T @ Y)
    return W, y.mean(dim=0) - x.mean(dim=0) @ W


def shrinkage(s: Tensor, c: Any) -> Tensor:
    """f(s) = s² / (s² + c): what ridge keeps of the weight of least squares where the data spread as far as s."""
    return s**2 / (s**2 + c)


def solution_by_svd(x: Tensor, y: Tensor, alpha: Any) -> tuple[Tensor, Tensor]:
    """The same W and b, direction by direction."""
    U, s, Vh = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
    W = Vh.T @ (U.T @ (y - y.mean(dim=0)) * (s / (s**2 + len(x) * alpha))[:, None])
    return W, y.mean(dim=0) - x.mean(dim=0) @ W


def effective_degrees_of_freedom(x: Tensor, alpha: Any) -> Tensor:
    """How many weights are in effect free: trace of X (XᵀX + c I)⁻¹ Xᵀ, with c = N alpha."""
    X = x - x.mean(dim=0)
    return torch.linalg.solve(gram(X, alpha), X.T @ X).trace()


def gram(X: Tensor, alpha: Any) -> Tensor:
    """M = XᵀX + N alpha I. Shapes: X (N, D), the result (D, D)."""
    return X.T @ X + len(X) * alpha * torch.eye(X.shape[1], dtype=X.dtype)
