"""Information: how surprising a distribution is, and how far one is from another, in torch. Autograd differentiates each expression."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import kl_div
from torch.special import entr

from torch_impl.module import Concept


def bits(nats: Any) -> Any:
    """In yes-or-no questions."""
    return nats / math.log(2)


def entropy(p: Tensor) -> Tensor:
    """−Σ p log p along the last axis."""
    return entr(p).sum(dim=-1)


def cross_entropy(p: Tensor, q: Tensor) -> Tensor:
    """−Σ p log q along the last axis."""
    return -torch.xlogy(p, q).sum(dim=-1)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Σ p log(p/q) along the last axis; kl_div(q.log(), p) would make NaN of 0 log(0/0)."""
    return (-torch.xlogy(p, q) - entr(p)).sum(dim=-1)


def kl_integral(log_p: Tensor, log_q: Tensor, weight: Tensor) -> Tensor:
    """∫ p log(p/q) dx as a weighted sum over points."""
    return (weight * kl_div(log_q, log_p, reduction="none", log_target=True)).sum()


class Information(Concept):
    """A bell curve q that is to stand for a density p with two humps, by the forward or by the reverse divergence.

    Args:
        direction: "forward", KL(p‖q), or "reverse", KL(q‖p).
        lr: the step size.
        momentum: how much of the last step is taken again.

    Shapes: x, weight and log_p (N,); mean and log_std (1,).
    """

    def __init__(self, direction: str = "forward", lr: float = 0.1, momentum: float = 0.8) -> None:
        super().__init__()
        self.save_hyperparameters()
        if direction not in ("forward", "reverse"):
            raise ValueError(f"Information: direction must be one of 'forward', 'reverse', got {direction!r}")
        self.direction, self.lr, self.momentum = direction, lr, momentum
        self.mean = nn.Parameter(torch.randn(1))
        self.log_std = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """log q at these points, (N,)."""
        return Normal(self.mean, self.log_std.exp(), validate_args=False).log_prob(x)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        x, weight, log_p = batch
        log_q = self(x)
        loss = kl_integral(log_p, log_q, weight) if self.direction == "forward" else kl_integral(log_q, log_p, weight)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        x, weight, log_p = batch
        log_q = self(x)
        forward, reverse = kl_integral(log_p, log_q, weight), kl_integral(log_q, log_p, weight)
        self.log("loss/val", forward if self.direction == "forward" else reverse, batch_size=len(x))
        self.log("forward/val", forward, batch_size=len(x))
        self.log("reverse/val", reverse, batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: a divergence that is the same both ways, and what rows tell of columns -----


def js_divergence(p: Tensor, q: Tensor) -> Tensor:
    """H((p + q)/2) − ½ H(p) − ½ H(q) along the last axis."""
    return (entr((p + q) / 2) - entr(p) / 2 - entr(q) / 2).sum(dim=-1)


def mutual_information(table: Tensor) -> Tensor:
    """H(rows) + H(columns) − H(table) over the last two axes."""
    return entr(table.sum(dim=-1)).sum(dim=-1) + entr(table.sum(dim=-2)).sum(dim=-1) - entr(table).sum(dim=(-2, -1))
