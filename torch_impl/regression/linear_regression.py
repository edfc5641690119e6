"""A straight line through data by gradient descent: ordinary least squares, in Lightning.

A linear layer and a loss, as torch has them; `backward` is missing, because autograd writes it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


class LinearRegression(Concept):
    """ŷ = x W + b, fitted by gradient descent with momentum.

    Args:
        lr: the learning rate; on the diabetes data it must stay below 0.25 (1 + momentum), the `step_size_limit`.
        momentum: how much of the last step is kept; 0 is plain gradient descent.

    Shapes: x (N, 10), y (N, 1), linear.weight (1, 10), which is Wᵀ, linear.bias (1,).
    """

    def __init__(self, lr: float = 0.2, momentum: float = 0.9) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.linear = nn.Linear(10, 1)
        nn.init.normal_(self.linear.weight)
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
        y_hat = self(x)
        self.log("loss/val", self.loss(y_hat, y), batch_size=len(x))
        self.log("r2/val", r_squared(y_hat, y), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


def normal_equation(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The W and b of least squares, as it is done in practice: `lstsq` does not form AᵀA, and so keeps more digits."""
    p = torch.linalg.lstsq(with_ones(x), y).solution
    return p[:-1], p[-1]


def with_ones(x: Tensor) -> Tensor:
    """[x 1]: b becomes the weight of a feature that is always 1. Shapes: (N, D) to (N, D+1)."""
    return torch.hstack([x, x.new_ones(len(x), 1)])


# ---- further reading: how long a step may be ----------------------------------------------------------


def hessian(x: Tensor) -> Tensor:
    """The second derivatives of the loss with respect to p = [W; b], by differentiating it twice. Shapes: x (N, D), result (D+1, D+1)."""
    y = x.new_zeros(len(x), 1)  # any y: it has no part in the second derivatives
    p = x.new_zeros(x.shape[1] + 1, 1)
    H = torch.autograd.functional.hessian(lambda p: nn.functional.mse_loss(with_ones(x) @ p, y), p)
    return H.reshape(len(p), len(p))  # (D+1, 1, D+1, 1) without the ones


def step_size_limit(x: Tensor, momentum: float = 0.0) -> float:
    """The lr from which gradient descent on this x no longer arrives: 2 (1 + momentum)/λmax."""
    return 2 * (1 + momentum) / float(torch.linalg.eigvalsh(hessian(x))[-1])  # eigvalsh sorts: the last is the largest


# ---- further reading: the same weights with more digits, and how sure they are -----------------------


def qr_solution(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The W and b of least squares from A = Q R."""
    Q, R = torch.linalg.qr(with_ones(x))
    p = torch.linalg.solve_triangular(R, Q.T @ y, upper=True)
    return p[:-1], p[-1]


def svd_solution(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The W and b of least squares from the pseudo-inverse; if there are many, the shortest."""
    p = torch.linalg.pinv(with_ones(x)) @ y
    return p[:-1], p[-1]


def standard_errors(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The roots of the diagonal of s² (AᵀA)⁻¹, from A = Q R."""
    A, (W, b) = with_ones(x), qr_solution(x, y)
    s = torch.linalg.vector_norm(x @ W + b - y) / (A.shape[0] - A.shape[1]) ** 0.5
    inverse_of_R = torch.linalg.inv(torch.linalg.qr(A).R)
    errors = s * torch.linalg.vector_norm(inverse_of_R, dim=1, keepdim=True)
    return errors[:-1], errors[-1]


def r_squared(y_hat: Tensor, y: Tensor) -> Tensor:
    """The part of y's variance that is explained: 1 is all, 0 is no better than always guessing the mean."""
    return 1 - ((y_hat - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()
