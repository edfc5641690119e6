"""Yes or no: logistic regression, which is one neuron, in Lightning. The gradients are torch's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from torch_impl.module import Concept, mean_of


def sigmoid(z: Tensor) -> Tensor:
    """p = 1 / (1 + e⁻ᶻ), entry by entry."""
    return torch.sigmoid(z)


def binary_cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    """Mean of −y log p − (1 − y) log(1 − p), with p = σ(z). Shapes: z and y alike, any."""
    return binary_cross_entropy_with_logits(z, y)


def loss(x: Tensor, y: Tensor, W: Tensor, b: Tensor, alpha: float = 0.0) -> Tensor:
    """L = binary cross-entropy + alpha/2 · ΣW². Shapes: x (N, D), y (N, 1), W (D, 1), b (1,)."""
    z = x @ W + b  # (N, D) @ (D, 1) + (1,)
    return binary_cross_entropy(z, y) + alpha / 2 * (W**2).sum()


class LogisticRegression(Concept):
    """p = σ(x W + b), fitted by gradient descent with momentum.

    Args:
        features: how many measurements there are, D.
        alpha: the price of long weights.
        lr: the learning rate.
        momentum: how much of the last step is kept.

    Shapes: x (N, D), the prediction z (N, 1), y (N, 1) of 0 and 1, linear.weight (1, D), which is Wᵀ, linear.bias (1,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(self, features: int = 30, alpha: float = 0.01, lr: float = 1.0, momentum: float = 0.9) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"LogisticRegression: alpha must be at least 0, got {alpha}")
        self.save_hyperparameters()
        self.alpha, self.lr, self.momentum = alpha, lr, momentum
        self.linear = nn.Linear(features, 1)
        nn.init.normal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.bce = nn.BCEWithLogitsLoss()

    def forward(self, x: Tensor) -> Tensor:
        """The scores z."""
        return self.linear(x)  # (N, D) to (N, 1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        L = self.bce(self(x), y) + self.alpha / 2 * (self.linear.weight**2).sum()
        self.log("loss/train", L)
        return L

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.bce(z, y), batch_size=len(x))
        self.log("accuracy/val", mean_of((z > 0) == (y > 0.5)), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: Newton's method ------------------------------------------------------------------


def hessian(x: Tensor, W: Tensor, b: Tensor, alpha: float = 0.0) -> Tensor:
    """∂²L/∂q² with q = [W; b], by differentiating twice. Shapes: x (N, D), the result (D+1, D+1)."""
    y = x.new_zeros(len(x), 1)  # any y: it has no part in the second derivatives
    gradient = torch.func.grad(lambda q: loss(x, y, q[:-1, None], q[-1:], alpha))
    return torch.func.jacrev(gradient)(torch.cat([W[:, 0], b]))


def newton(x: Tensor, y: Tensor, alpha: float = 0.0, max_steps: int = 50) -> Tensor:
    """The lowest point of L by Newton's method, from q = 0: every place on the way, (steps+1, D+1)."""

    def of_q(q: Tensor) -> Tensor:
        return loss(x, y, q[:-1, None], q[-1:], alpha)

    gradient = torch.func.grad(of_q)
    path = [x.new_zeros(x.shape[1] + 1)]
    for _ in range(max_steps):
        q = path[-1]
        jump = torch.linalg.solve(torch.func.jacrev(gradient)(q), gradient(q))
        eps = torch.finfo(x.dtype).eps
        while of_q(q - jump) - of_q(q) > 8 * eps * of_q(q):  # uphill, and not by rounding
            jump = jump / 2
        path.append(q - jump)
        if jump.norm() <= eps**0.5 * path[-1].norm():
            return torch.stack(path)
    raise ValueError(f"newton: not at rest after {max_steps} steps; do the classes overlap at all?")
