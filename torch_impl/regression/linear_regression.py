"""A straight line through data by gradient descent: ordinary least squares, in Lightning.

The two functions `forward` and `loss` are those of the hand-written file; `backward` is missing, because autograd writes it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import StraightLine


def forward(x: Tensor, W: Tensor, b: Tensor) -> dict[str, Tensor]:
    """The prediction. Shapes: x (N, D), W (D, 1), b (1,), y_hat (N, 1)."""
    y_hat = x @ W + b  # (N, D) @ (D, 1) + (1,)
    return {"y_hat": y_hat}


def loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """The mean squared residual."""
    return ((y_hat - y) ** 2).mean()


class LinearRegression(StraightLine):
    """ŷ = x W + b, fitted by gradient descent with momentum.

    Args:
        lr: the step size; it must stay below `step_size_limit`, which is 0.25 (1 + momentum) on the diabetes data.
        momentum: how much of the last step is kept; 0 is plain gradient descent.

    Shapes: x (N, 10), y (N, 1), W (10, 1), b (1,).
    """

    def __init__(self, lr: float = 0.2, momentum: float = 0.9) -> None:
        super().__init__(forward, loss)
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.W = nn.Parameter(torch.randn(10, 1))
        self.b = nn.Parameter(torch.zeros(1))

    def metrics(self, prediction: Tensor, y: Tensor) -> dict[str, Tensor]:
        """R², the part of y's variance that is explained: 1 is all, 0 is no better than always guessing the mean."""
        return {"r2": r_squared(prediction, y)}

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


def normal_equation(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The W and b of least squares, as it is done in practice: from the QR decomposition of A = [x 1].

    AᵀA has the squared condition number of A; a decomposition of A itself loses half as many digits.
    """
    p = torch.linalg.lstsq(with_ones(x), y).solution
    return p[:-1], p[-1]


def hessian(x: Tensor) -> Tensor:
    """The second derivatives of the loss with respect to p = [W; b], by differentiating it twice. Shapes: x (N, D), result (D+1, D+1)."""
    y = x.new_zeros(len(x), 1)  # any y: it has no part in the second derivatives
    p = x.new_zeros(x.shape[1] + 1, 1)
    H = torch.autograd.functional.hessian(lambda p: loss(forward(x, p[:-1], p[-1])["y_hat"], y), p)
    return H.reshape(len(p), len(p))  # (D+1, 1, D+1, 1) without the ones


def step_size_limit(x: Tensor, momentum: float = 0.0) -> float:
    """The lr from which gradient descent on this x no longer arrives: 2 (1 + momentum)/λmax."""
    return 2 * (1 + momentum) / float(torch.linalg.eigvalsh(hessian(x))[-1])  # eigvalsh sorts: the last is the largest


def with_ones(x: Tensor) -> Tensor:
    """[x 1]: b becomes the weight of a feature that is always 1. Shapes: (N, D) to (N, D+1)."""
    return torch.hstack([x, x.new_ones(len(x), 1)])


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
    A = with_ones(x)
    s = torch.linalg.vector_norm(forward(x, *qr_solution(x, y))["y_hat"] - y) / (A.shape[0] - A.shape[1]) ** 0.5
    inverse_of_R = torch.linalg.inv(torch.linalg.qr(A).R)
    errors = s * torch.linalg.vector_norm(inverse_of_R, dim=1, keepdim=True)
    return errors[:-1], errors[-1]


def r_squared(y_hat: Tensor, y: Tensor) -> Tensor:
    """The part of y's variance that is explained."""
    return 1 - ((y_hat - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()
