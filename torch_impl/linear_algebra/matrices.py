"""Matrices: tables of numbers that move space, in torch. Every function is one expression; autograd differentiates it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def product(A: Tensor, B: Tensor) -> Tensor:
    """A B."""
    return A @ B


def transpose(A: Tensor) -> Tensor:
    """Aᵀ."""
    return A.T


def broadcast_add(a: Tensor, b: Tensor) -> Tensor:
    """a + b, broadcast."""
    return a + b


class Matrices(Concept):
    """The inverse X of a matrix A, found by going down L = ‖A X − I‖², the sum of the squares of all entries.

    Args:
        lr: the step size; it must stay below 1/2² = 0.25, for A stretches some arrow to twice its length.

    Shapes: A and I (N, 5), all or some of their rows; X (5, 5).
    """

    def __init__(self, lr: float = 0.2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.X = nn.Parameter(torch.randn(5, 5) / math.sqrt(5))

    def forward(self, A: Tensor) -> Tensor:
        """A X, which is to become I."""
        return product(A, self.X)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        A, I = batch
        P = self(A)
        loss = ((P - I) ** 2).sum()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        A, I = batch
        self.log("loss/val", ((self(A) - I) ** 2).sum(), batch_size=len(A))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: broadcasting in a product, inverse, solve, determinant, trace, rank ---------------


def broadcast_multiply(a: Tensor, b: Tensor) -> Tensor:
    """a b, entry by entry, broadcast."""
    return a * b


def inverse(A: Tensor) -> Tensor:
    """A⁻¹, from an LU decomposition."""
    return torch.linalg.inv(A)


def solve(A: Tensor, b: Tensor) -> Tensor:
    """The x with A x = b."""
    return torch.linalg.solve(A, b)


def determinant(A: Tensor) -> Tensor:
    """det A."""
    return torch.linalg.det(A)


def log_determinant(A: Tensor) -> Tensor:
    """log|det A|."""
    return torch.linalg.slogdet(A).logabsdet


def trace(A: Tensor) -> Tensor:
    """The sum of the diagonal. (torch.trace has a wrong gradient for some tall matrices in torch 2.11: a 1 off the diagonal.)"""
    return A.diagonal().sum()


def rank(A: Tensor) -> int:
    """The number of singular values that are not 0 up to rounding."""
    return int(torch.linalg.matrix_rank(A))
