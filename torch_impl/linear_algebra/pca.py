"""Principal components: the few directions in which data vary most, in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.linear_algebra.eigen import covariance, with_sign
from torch_impl.linear_algebra.svd import frobenius_error, rank_k
from torch_impl.module import Concept


def centred(x: Tensor) -> Tensor:
    """Every column less its mean."""
    return x - x.mean(dim=0)


def pca_by_covariance(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The first k eigenvectors of the covariance, as rows, and their eigenvalues."""
    values, vectors = torch.linalg.eigh(covariance(centred(x)))
    return with_sign(vectors.flip(1)[:, :k]).T, values.flip(0)[:k]


def reconstruction(x: Tensor, k: int) -> Tensor:
    """What the first k components keep of the data."""
    return x.mean(dim=0) + rank_k(centred(x), k)


def lowest_loss(x: Tensor, k: int) -> Tensor:
    """The variances that are left out, summed."""
    return frobenius_error(centred(x), k) ** 2 / len(x)


class LinearAutoencoder(Concept):
    """x_hat = x W_e W_d: D numbers are squeezed into k and rebuilt, and the loss is the mean squared distance of x_hat from x.

    Args:
        features: D, the numbers that are known of each example.
        components: k, the numbers that are kept of each example.
        lr: the step size.
        momentum: how much of the last step is kept.

    Shapes: x (N, D) with mean 0, W_e (D, k), W_d (k, D).
    """

    def __init__(self, features: int = 4, components: int = 2, lr: float = 0.015, momentum: float = 0.95) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.W_e = nn.Parameter(0.3 * torch.randn(features, components))
        self.W_d = nn.Parameter(0.3 * torch.randn(components, features))

    def forward(self, x: Tensor) -> Tensor:
        """The data, squeezed and rebuilt."""
        return x @ self.W_e @ self.W_d

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        loss = ((self(x) - x) ** 2).sum() / len(x)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", ((self(x) - x) ** 2).sum() / len(x), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: in one step, what is explained, and the angle between two planes -----------


def pca_by_svd(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The first k right singular vectors of the centred data, as rows, and the variances."""
    _, S, Vh = torch.linalg.svd(centred(x), full_matrices=False)
    return with_sign(Vh[:k].T).T, S[:k] ** 2 / len(x)


def explained_variance_ratio(x: Tensor) -> Tensor:
    """The share of the variance along each component."""
    squares = torch.linalg.svdvals(centred(x)) ** 2
    return squares / squares.sum()


def principal_angles(A: Tensor, B: Tensor) -> Tensor:
    """The angles between what the columns of two matrices of full rank span, from large to small."""
    Q, P = sorted((torch.linalg.qr(A).Q, torch.linalg.qr(B).Q), key=lambda M: M.shape[1])
    cosine = torch.linalg.svdvals(P.T @ Q).flip(0)
    sine = torch.linalg.svdvals(Q - P @ (P.T @ Q))
    return torch.where(cosine**2 > 1 / 2, sine.clamp(max=1).arcsin(), cosine.clamp(max=1).arccos())
