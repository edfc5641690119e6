"""Vectors: lists of numbers with a length and a direction, in torch. Every function is one expression; autograd differentiates it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity as torch_cosine_similarity
from torch.nn.functional import normalize

from torch_impl.module import Concept


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The dot product along the last axis."""
    return torch.linalg.vecdot(a, b)


def l2_norm(a: Tensor) -> Tensor:
    """√Σᵢ a[i]²."""
    return torch.linalg.vector_norm(a, 2, dim=-1)


def cosine_similarity(a: Tensor, b: Tensor, eps: float = 1e-8) -> Tensor:
    """a · b / (‖a‖ ‖b‖)."""
    return torch_cosine_similarity(a, b, dim=-1, eps=eps)


class Vectors(Concept):
    """The direction w that is most similar to many vectors: it makes the mean of 1 − cos(x[n], w) small.

    Args:
        lr: the learning rate.

    Shapes: x (N, 64), w (64,), the similarities (N,).
    """

    def __init__(self, lr: float = 0.5) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.w = nn.Parameter(torch.randn(64) / math.sqrt(64))

    def forward(self, x: Tensor) -> Tensor:
        """The cosine of each row of x with w."""
        return cosine_similarity(x, self.w.expand_as(x))

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        loss = (1 - self(x)).mean()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", (1 - self(x)).mean(), batch_size=len(x))
        self.log("length of w/val", l2_norm(self.w), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: sums and products of entries -----------------------------------------------


def add(a: Tensor, b: Tensor) -> Tensor:
    """y = a + b."""
    return a + b


def scale(c: Tensor, a: Tensor) -> Tensor:
    """y = c a."""
    return c * a


def hadamard(a: Tensor, b: Tensor) -> Tensor:
    """The product, entry by entry."""
    return a * b


# ---- further reading: two other lengths ----------------------------------------------------------


def l1_norm(a: Tensor) -> Tensor:
    """Σᵢ |a[i]|."""
    return torch.linalg.vector_norm(a, 1, dim=-1)


def linf_norm(a: Tensor) -> Tensor:
    """maxᵢ |a[i]|."""
    return torch.linalg.vector_norm(a, math.inf, dim=-1)


# ---- further reading: the shadow of one vector on another ----------------------------------------


def projection(a: Tensor, b: Tensor) -> Tensor:
    """The point on the line along b that is nearest to a."""
    return (dot(a, b) / dot(b, b))[..., None] * b


# ---- further reading: the direction without training ---------------------------------------------


def closed_form(x: Tensor) -> Tensor:
    """The direction, of length 1, whose mean cosine with the rows of x is largest: that of the mean of x[n]/‖x[n]‖."""
    return normalize(normalize(x, dim=-1).mean(dim=0), dim=0)
