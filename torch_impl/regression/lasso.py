"""Few weights: the lasso by proximal gradient descent, in Lightning."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl.module import Concept


def soft_threshold(z: Tensor, t: Any) -> Tensor:
    """s = sign(z) · max(|z| − t, 0): towards 0 by t, and no further than 0. Shapes: z any, t a number."""
    return z.sign() * torch.relu(z.abs() - t)


def loss(x: Tensor, y: Tensor, W: Tensor, b: Tensor, alpha: float = 0.0) -> Tensor:
    """L = 1/2 · mean of (ŷ − y)² + alpha · Σ|W|. Shapes: x (N, D), y (N, 1), W (D, 1), b (1,)."""
    y_hat = x @ W + b  # (N, D) @ (D, 1) + (1,)
    return F.mse_loss(y_hat, y) / 2 + alpha * W.abs().sum()


class ProximalSGD(torch.optim.SGD):
    """Gradient descent whose every step ends with a soft threshold: p ← soft_threshold(p − lr · g, lr · alpha).

    Args:
        params: groups, each with its own alpha: {"params": [...], "alpha": 2.0}.
        lr: the step size.
    """

    def __init__(self, params: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(params, lr=lr)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """SGD's step, then the threshold."""
        loss = super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(soft_threshold(p, group["lr"] * group["alpha"]))
        return loss


class Lasso(Concept):
    """ŷ = x W + b with a price on Σ|W|, fitted by proximal gradient descent.

    Args:
        features: D, the numbers that are known of each example.
        alpha: the price, scikit-learn's alpha.
        lr: the step size; below 2/λmax of XᵀX/N, which is 0.5 on the diabetes data.

    Shapes: x (N, D), y (N, 1), linear.weight (1, D), which is Wᵀ, linear.bias (1,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(self, features: int = 10, alpha: float = 2.0, lr: float = 0.4) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"Lasso: alpha must be at least 0, got {alpha}")
        self.save_hyperparameters()
        self.alpha, self.lr = alpha, lr
        self.linear = nn.Linear(features, 1)
        nn.init.normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.mse = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """The prediction."""
        return self.linear(x)  # (N, D) to (N, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        price = self.alpha * self.linear.weight.detach().abs().sum()  # detached: the optimizer, not autograd, deals with the kink
        L = self.mse(self(x), y) / 2 + price
        self.log("loss/train", L)
        return L

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        residual = self(x) - y
        self.log("r2/val", 1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum(), batch_size=len(x))
        self.log("zeros/val", (self.linear.weight == 0).sum().to(x.dtype), batch_size=len(x))

    def configure_optimizers(self) -> ProximalSGD:
        weight, bias = self.linear.parameters()
        return ProximalSGD([{"params": [weight], "alpha": self.alpha}, {"params": [bias], "alpha": 0.0}], lr=self.lr)


# ---- further reading: where the lowest point is, and three ways to it --------------------------------


def violation(x: Tensor, y: Tensor, W: Tensor, b: Tensor, alpha: float) -> Tensor:
    """How far 0 is from the nearest subgradient of L, for each weight, (D, 1)."""
    g = -torch.func.grad(loss, argnums=2)(x, y, W, b)
    return torch.where(W != 0, (g - alpha * W.sign()).abs(), torch.relu(g.abs() - alpha))


def alpha_max(x: Tensor, y: Tensor) -> float:
    """The lowest alpha at which all weights are 0."""
    W, b = x.new_zeros(x.shape[1], 1), y.mean(dim=0)
    return float(torch.func.grad(loss, argnums=2)(x, y, W, b).abs().max())


def ista(x: Tensor, y: Tensor, alpha: float, steps: int) -> Tensor:
    """Proximal gradient descent with lr = 1/λmax, from W = 0: p = [W; b] after 0, 1, ..., `steps` steps, (steps+1, D+1)."""
    X, Y, lr = prepared(x, y)
    path = [x.new_zeros(x.shape[1], 1)]
    for _ in range(steps):
        W = path[-1]
        path.append(soft_threshold(W - lr * X.T @ (X @ W - Y) / len(X), lr * alpha))
    return with_b(path, x, y)


def fista(x: Tensor, y: Tensor, alpha: float, steps: int) -> Tensor:
    """The same step, taken from a point ahead."""
    X, Y, lr = prepared(x, y)
    path = [x.new_zeros(x.shape[1], 1)]
    V, t = path[0], 1.0
    for _ in range(steps):
        path.append(soft_threshold(V - lr * X.T @ (X @ V - Y) / len(X), lr * alpha))
        t_next = (1 + math.sqrt(1 + 4 * t**2)) / 2
        V = path[-1] + (t - 1) / t_next * (path[-1] - path[-2])
        t = t_next
    return with_b(path, x, y)


def coordinate_descent(x: Tensor, y: Tensor, alpha: float, rounds: int) -> Tensor:
    """One weight after the other, each to its best while the others stay; p after each round, (rounds+1, D+1)."""
    X, Y, _ = prepared(x, y)
    W = x.new_zeros(x.shape[1], 1)
    path = [W.clone()]
    curvature = (X**2).mean(dim=0)
    for _ in range(rounds):
        for j in curvature.nonzero()[:, 0]:
            r = Y[:, 0] - X @ W[:, 0] + X[:, j] * W[j]
            W[j] = soft_threshold((X[:, j] * r).mean(), alpha) / curvature[j]
        path.append(W.clone())
    return with_b(path, x, y)


def prepared(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float]:
    """x and y less their means, and lr = 1/λmax of XᵀX/N (0 where x says nothing)."""
    X = x - x.mean(dim=0)
    steepest = float(torch.linalg.matrix_norm(X, 2)) ** 2 / len(X)
    return X, y - y.mean(dim=0), 1 / steepest if steepest > 0 else 0.0


def with_b(path: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """[W; b] for every W of a path, (steps+1, D+1)."""
    Ws = torch.stack(path)[:, :, 0]
    return torch.hstack([Ws, y.mean(dim=0) - Ws @ x.mean(dim=0)[:, None]])
