"""Singular values: every matrix turns, stretches and turns again, in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def svdvals(A: Tensor) -> Tensor:
    """The singular values, from large to small."""
    return torch.linalg.svdvals(A)


def frobenius_error(A: Tensor, k: int) -> Tensor:
    """The length of what rank_k leaves out."""
    return torch.linalg.vector_norm(torch.linalg.svdvals(A)[k:])


def spectral_error(A: Tensor, k: int) -> Tensor:
    """The largest singular value that rank_k leaves out."""
    return torch.linalg.svdvals(A)[k : k + 1].sum()


class LowRank(Concept):
    """An image A as U Vᵀ of rank k, fitted by gradient descent: L is the mean of (A − U Vᵀ)², over all pixels.

    Args:
        rows, columns: of the image.
        rank: k, how many pieces U[:, j] V[:, j]ᵀ are kept.
        lr: the step size. It is large because the mean over all pixels makes every slope small.
        momentum: how much of the last step is kept.

    Shapes: i (N,), which rows of the image these are; row (N, columns); U (rows, k), V (columns, k).
    """

    def __init__(self, rows: int = 53, columns: int = 80, rank: int = 4, lr: float = 20.0, momentum: float = 0.9) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.U = nn.Parameter(0.1 * torch.randn(rows, rank))
        self.V = nn.Parameter(0.1 * torch.randn(columns, rank))

    def forward(self, i: Tensor) -> Tensor:
        """Rows i of U Vᵀ."""
        return self.U[i] @ self.V.T

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        i, row = batch
        loss = ((self(i) - row) ** 2).mean()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        i, row = batch
        self.log("loss/val", ((self(i) - row) ** 2).mean(), batch_size=len(row))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: the decomposition itself, and what else it serves for ----------------------


def svd(A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and Vh, as many singular values as A has rows or columns, and a sign that depends on V alone."""
    from torch_impl.linear_algebra.eigen import signs

    U, S, Vh = torch.linalg.svd(A, full_matrices=False)
    sign = signs(Vh.T)
    return U * sign, S, Vh * sign[:, None]


def svdvals_by_gram(A: Tensor) -> Tensor:
    """The roots of the eigenvalues of AᵀA, of which the small ones are noise."""
    return torch.linalg.eigvalsh(A.T @ A).flip(0).clamp(min=0).sqrt()


def rank_k(A: Tensor, k: int) -> Tensor:
    """The first k pieces of A."""
    U, S, Vh = torch.linalg.svd(A, full_matrices=False)
    return U[:, :k] * S[:k] @ Vh[:k]


def matrix_rank(A: Tensor, rtol: float | None = None) -> Tensor:
    """How many singular values are above rtol times the largest."""
    return torch.linalg.matrix_rank(A, rtol=rtol)


def pinv(A: Tensor, rtol: float | None = None) -> Tensor:
    """The pseudo-inverse."""
    return torch.linalg.pinv(A, rtol=rtol)


def cond(A: Tensor) -> Tensor:
    """The largest singular value over the smallest."""
    return torch.linalg.cond(A)
