"""Expectation: what comes out on average, in torch. Autograd differentiates each expression."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from torch_impl.module import Concept
from torch_impl.noise import Noise


def expectation(p: Tensor, f: Tensor) -> Tensor:
    """Σ p f."""
    return (p * f).sum()


def mean(x: Tensor) -> Tensor:
    """The average along the first axis."""
    return x.mean(dim=0)


def variance(x: Tensor, correction: int = 1) -> Tensor:
    """Along the first axis."""
    return x.var(dim=0, correction=correction)


def standard_error(x: Tensor) -> Tensor:
    """std/√N along the first axis."""
    return x.std(dim=0) / math.sqrt(len(x))


def reparameterise(mean: Tensor, std: Tensor, epsilon: Tensor) -> Tensor:
    """Normal(mean, std) from Normal(0, 1)."""
    return mean + std * epsilon


class Expectation(Concept):
    """The mean of a Normal, moved so that its draws cost least on average, where a draw x costs (x − target)².

    Args:
        std: of the Normal; it stays.
        estimator: of the gradient, "reparameterisation" or "score".
        baseline: whether "score" takes the mean cost of the other draws from each cost.
        lr: the first step size.

    Shapes: target (N,), for N draws; mean (1,).
    """

    def __init__(self, std: float = 0.5, estimator: str = "reparameterisation", baseline: bool = True, lr: float = 0.5) -> None:
        super().__init__()
        self.save_hyperparameters()
        if estimator not in ("reparameterisation", "score"):
            raise ValueError(f"Expectation: estimator must be one of 'reparameterisation', 'score', got {estimator!r}")
        if not std > 0:
            raise ValueError(f"Expectation: std must be above 0, got {std}")
        self.std, self.estimator, self.baseline, self.lr = std, estimator, baseline, lr
        self.mean = nn.Parameter(torch.randn(1))
        self.noise = Noise()

    def normal(self) -> Normal:
        """The Normal as it is now."""
        return Normal(self.mean, self.std, validate_args=False)

    @torch.no_grad()
    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """n draws, and the log-density that each was drawn with, (n,) both. To the gradient they are constants."""
        x = self.mean + self.std * self.noise((n,))
        return x, self.normal().log_prob(x)

    def by_reparameterisation(self, target: Tensor) -> Tensor:
        """The mean cost of draws that move with the mean."""
        x = self.mean + self.std * self.noise(target.shape)
        return ((x - target) ** 2).mean()

    def by_score(self, target: Tensor) -> Tensor:
        """The mean cost of draws that stay where they are, while their probabilities move with the mean."""
        x, log_q = self.draw(len(target))
        cost = (x - target) ** 2
        baseline = mean_of_others(cost) if self.baseline else torch.zeros_like(cost)
        return surrogate(self.normal().log_prob(x), log_q, cost, baseline)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (target,) = batch
        loss = self.by_reparameterisation(target) if self.estimator == "reparameterisation" else self.by_score(target)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        (target,) = batch
        self.log("loss/val", expected_cost(self.mean, self.std, target).mean(), batch_size=len(target))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (t + 1))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


# ---- further reading: events, and what two numbers have in common --------------------------------


def probability(p: Tensor, event: Tensor) -> Tensor:
    """The sum over the outcomes at which event is True."""
    return p[event].sum()


def conditional_probability(p: Tensor, event: Tensor, given: Tensor) -> Tensor:
    """P(event and given)/P(given); NaN if `given` is impossible."""
    return p[event & given].sum() / p[given].sum()


def covariance(x: Tensor, correction: int = 1) -> Tensor:
    """Of the columns; torch.cov wants samples in columns, and squeezes a 1 × 1 matrix."""
    return torch.cov(x.T, correction=correction).reshape(x.shape[1], x.shape[1])


def correlation(x: Tensor) -> Tensor:
    """Of the columns."""
    return torch.corrcoef(x.T).reshape(x.shape[1], x.shape[1])


# ---- further reading: averages become a bell -----------------------------------------------------


def share_within(k: Tensor) -> Tensor:
    """The part of a bell curve within k standard deviations of its mean."""
    return torch.erf(k / math.sqrt(2))


# ---- further reading: the gradient by the score function, and what a draw costs ------------------


def surrogate(log_p: Tensor, log_q: Tensor, cost: Tensor, baseline: Tensor) -> Tensor:
    """The mean cost, each (less its baseline) weighted with p/q."""
    return ((cost - baseline) * torch.exp(log_p - log_q) + baseline).mean()


def mean_of_others(cost: Tensor) -> Tensor:
    """For each draw the mean cost of the others; of a single draw 0."""
    return (cost.sum() - cost) / max(len(cost) - 1, 1)


def expected_cost(mean: Tensor, std: Any, target: Tensor) -> Tensor:
    """E[(x − target)²]."""
    return (mean - target) ** 2 + std**2
