"""Eigenvectors: the directions that a matrix only stretches, in torch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def rayleigh(A: Tensor, v: Tensor) -> Tensor:
    """vᵀA v / vᵀv."""
    return v @ A @ v / (v @ v)


def covariance(x: Tensor) -> Tensor:
    """The mean of x[n, i] x[n, j], for data whose mean is 0."""
    return x.T @ x / len(x)


class Eigen(Concept):
    """The direction v in which the data vary most: it maximises R(v) = vᵀC v / vᵀv, so that the loss is L = −R.

    Args:
        lr: the step size; with v of length 1 it must stay below 1/λmax.

    Shapes: x (N, 64) with mean 0, v (64,).
    """

    def __init__(self, lr: float = 1.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.v = nn.Parameter(torch.randn(64) / math.sqrt(64))

    def forward(self, x: Tensor) -> Tensor:
        """R, the variance along v."""
        return rayleigh(covariance(x), self.v)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        loss = -self(x)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        (x,) = batch
        R = self(x)
        self.log("loss/val", -R, batch_size=len(x))
        self.log("share of the variance/val", R / covariance(x).trace(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: all eigenvalues ------------------------------------------------------------------


def eigh(A: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvalues, from small to large, and the eigenvectors of (A + Aᵀ)/2. (torch reads the lower triangle alone.)"""
    values, vectors = torch.linalg.eigh((A + A.T) / 2)
    return values, with_sign(vectors)


def eig(A: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvalues, from small to large, and the eigenvectors of a general matrix, taken to be real."""
    values, vectors = torch.linalg.eig(A)
    order = values.real.argsort()
    return values.real[order], with_sign(vectors.real[:, order])


def with_sign(V: Tensor) -> Tensor:
    """Each column with the sign that makes its first entry positive that is at least half as large as its largest."""
    return V * signs(V)


def signs(V: Tensor) -> Tensor:
    """1 for each column that `with_sign` keeps, −1 for each that it turns round; no part of the gradient."""
    large = (V.abs() >= V.abs().amax(dim=0) / 2).int().argmax(dim=0, keepdim=True)
    return V.detach().gather(0, large).sign()[0]
