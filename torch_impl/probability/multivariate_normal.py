"""The Normal distribution in D dimensions, in torch. Autograd differentiates the Cholesky factor and the density."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import LowerCholeskyTransform
from torch.distributions import MultivariateNormal as Distribution

from torch_impl.module import Concept

Shape = tuple[int, ...]


def lower_cholesky(raw: Tensor) -> Tensor:
    """What is below the diagonal, and e to the power of what is on it."""
    return LowerCholeskyTransform()(raw)


def log_prob(value: Tensor, loc: Tensor, scale_tril: Tensor) -> Tensor:
    """The log-density of each row."""
    return Distribution(loc, scale_tril=scale_tril, validate_args=False).log_prob(value)


def entropy(scale_tril: Tensor) -> Tensor:
    """How large the ellipse is."""
    return Distribution(scale_tril.new_zeros(len(scale_tril)), scale_tril=scale_tril).entropy()


def sample(loc: Tensor, scale_tril: Tensor, sample_shape: Shape = ()) -> Tensor:
    """Rows around loc."""
    return Distribution(loc, scale_tril=scale_tril).sample(sample_shape)


class MultivariateNormal(Concept):
    """loc and scale_tril, climbing to the largest likelihood of the rows of x: loss = −mean log-density.

    Args:
        features: D, the numbers that are known of each example.
        lr: the step size.

    Shapes: x (N, D), loc (D,), raw (D, D).
    """

    def __init__(self, features: int = 2, lr: float = 0.2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.loc = nn.Parameter(torch.randn(features))
        self.raw = nn.Parameter(torch.zeros(features, features))

    def forward(self, x: Tensor) -> Tensor:
        """The log-density of each row, (N,)."""
        return log_prob(x, self.loc, lower_cholesky(self.raw))

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        loss = -self(x).mean()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", -self(x).mean(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: how the root is found, and moments -----------------------------------------


def cholesky(A: Tensor) -> Tensor:
    """Y with (A + Aᵀ)/2 = Y Yᵀ, 0 above its diagonal."""
    return torch.linalg.cholesky((A + A.T) / 2)


def closed_form(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and the root of the biased covariance."""
    return x.mean(dim=0), torch.linalg.cholesky(torch.cov(x.T, correction=0))


def moments(loc: Tensor, scale_tril: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance."""
    known = Distribution(loc, scale_tril=scale_tril)
    return known.mean, known.covariance_matrix
