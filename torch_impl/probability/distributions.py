"""Distributions: five ways in which chance makes numbers, in torch. Autograd differentiates the densities of torch.distributions.

These look at every number that they are given, unless told not to (`validate_args=False`): a GPU would be waited for at every step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Binomial, Normal, Poisson, Uniform

from torch_impl.module import Concept

Shape = tuple[int, ...]


def bernoulli_log_prob(value: Tensor, probs: Tensor) -> Tensor:
    """log p or log(1 − p)."""
    return or_impossible(Bernoulli(probs, validate_args=False).log_prob(possible(value, 1)), value, 1)


def bernoulli_entropy(probs: Tensor) -> Tensor:
    """−p log p − (1 − p) log(1 − p)."""
    return Bernoulli(probs).entropy()


def bernoulli_sample(probs: Tensor, sample_shape: Shape = ()) -> Tensor:
    """0 and 1."""
    return Bernoulli(probs).sample(sample_shape)


def normal_log_prob(value: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """−z²/2 − log scale − log √(2π)."""
    return Normal(loc, scale, validate_args=False).log_prob(value)


def normal_sample(loc: Tensor, scale: Tensor, sample_shape: Shape = ()) -> Tensor:
    """Numbers around loc."""
    return Normal(loc, scale).sample(sample_shape)


class Distributions(Concept):
    """All five at once, each climbing to the largest likelihood of a column of numbers of its own.

    Args:
        total_count: n of the Binomial.
        lr: the step size.

    Shapes: a batch is five columns (N,); uniform_log_gap is (2,), the other parameters (1,).
    """

    def __init__(self, total_count: int = 10, lr: float = 0.3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.total_count, self.lr = total_count, lr
        self.bernoulli_logit = nn.Parameter(torch.randn(1))
        self.binomial_logit = nn.Parameter(torch.randn(1))
        self.poisson_log_rate = nn.Parameter(torch.zeros(1))
        self.uniform_log_gap = nn.Parameter(torch.zeros(2))
        self.normal_loc = nn.Parameter(torch.randn(1))
        self.normal_log_scale = nn.Parameter(torch.zeros(1))

    def found(self, uniform: Tensor) -> tuple[Tensor, ...]:
        """p of the Bernoulli, p of the Binomial, rate, low, high, loc and scale, (1,) each; low and high lie around these numbers."""
        gap = self.uniform_log_gap.exp()
        low, high = uniform.min() - gap[:1], uniform.max() + gap[1:]
        p, q = torch.sigmoid(self.bernoulli_logit), torch.sigmoid(self.binomial_logit)
        return p, q, self.poisson_log_rate.exp(), low, high, self.normal_loc, self.normal_log_scale.exp()

    def forward(self, bernoulli: Tensor, binomial: Tensor, poisson: Tensor, uniform: Tensor, normal: Tensor) -> tuple[Tensor, ...]:
        """The log-density of every number of each column, (N,)."""
        p, q, rate, low, high, loc, scale = self.found(uniform)
        return (
            bernoulli_log_prob(bernoulli, p),
            binomial_log_prob(binomial, torch.full_like(q, self.total_count), q),
            poisson_log_prob(poisson, rate),
            uniform_log_prob(uniform, low, high),
            normal_log_prob(normal, loc, scale),
        )

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        loss = -sum(y.mean() for y in self(*batch))
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """All but the Uniform, of which one number outside the bounds would cost ∞."""
        bernoulli, binomial, poisson, uniform, normal = self(*batch)
        self.log("loss/val", -sum(y.mean() for y in (bernoulli, binomial, poisson, normal)), batch_size=len(uniform))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: Binomial, how many of n ----------------------------------------------------


def binomial_log_prob(value: Tensor, total_count: Tensor, probs: Tensor) -> Tensor:
    """log (n over k) + k log p + (n − k) log(1 − p)."""
    return or_impossible(Binomial(total_count, probs, validate_args=False).log_prob(possible(value, total_count)), value, total_count)


def binomial_entropy(total_count: Tensor, probs: Tensor) -> Tensor:
    """−Σ p log p over all values."""
    return Binomial(total_count, probs).entropy()


def binomial_moments(total_count: Tensor, probs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance."""
    return Binomial(total_count, probs).mean, Binomial(total_count, probs).variance


def binomial_sample(total_count: Tensor, probs: Tensor, sample_shape: Shape = ()) -> Tensor:
    """Counts."""
    return Binomial(total_count, probs).sample(sample_shape)


# ---- further reading: Poisson, how many in an hour -----------------------------------------------


def poisson_log_prob(value: Tensor, rate: Tensor) -> Tensor:
    """k log λ − λ − log k!."""
    return or_impossible(Poisson(rate, validate_args=False).log_prob(possible(value)), value)


def poisson_entropy(rate: Tensor) -> Tensor:
    """−Σ p log p over all values that matter; torch.distributions has none."""
    most = rate.detach().max() if rate.numel() else rate.new_zeros(())
    k = torch.arange(int(torch.ceil(most + 12 * most.sqrt() + 40)) + 1, dtype=rate.dtype, device=rate.device)
    return mean_surprise(Poisson(rate).log_prob(k.reshape(-1, *[1] * rate.ndim)))


def poisson_moments(rate: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance."""
    return Poisson(rate).mean, Poisson(rate).variance


def poisson_sample(rate: Tensor, sample_shape: Shape = ()) -> Tensor:
    """Counts."""
    return Poisson(rate).sample(sample_shape)


# ---- further reading: Uniform, anywhere between --------------------------------------------------


def uniform_log_prob(value: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """−log(high − low) between the bounds."""
    return Uniform(low, high, validate_args=False).log_prob(value)


def uniform_entropy(low: Tensor, high: Tensor) -> Tensor:
    """log(high − low)."""
    return Uniform(low, high).entropy()


def uniform_moments(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance."""
    return Uniform(low, high).mean, Uniform(low, high).variance


def uniform_sample(low: Tensor, high: Tensor, sample_shape: Shape = ()) -> Tensor:
    """Numbers between the bounds."""
    return Uniform(low, high).sample(sample_shape)


# ---- further reading: more of Bernoulli and Normal -----------------------------------------------


def bernoulli_moments(probs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance."""
    return Bernoulli(probs).mean, Bernoulli(probs).variance


def normal_entropy(scale: Tensor) -> Tensor:
    """½ + log scale + log √(2π)."""
    return Normal(torch.zeros_like(scale), scale).entropy()


def normal_moments(loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance."""
    return Normal(loc, scale).mean, Normal(loc, scale).variance


# ---- further reading: what torch refuses ---------------------------------------------------------


def mean_surprise(log_p: Tensor) -> Tensor:
    """−Σₖ p[k] log p[k]."""
    return -(log_p.exp() * log_p.masked_fill(log_p == -torch.inf, 0)).sum(dim=0)


def impossible(value: Tensor, most: Any = torch.inf) -> Tensor:
    """Whether this is no count."""
    return (value < 0) | (value > most) | (value % 1 > 0)


def possible(value: Tensor, most: Any = torch.inf) -> Tensor:
    """A count that torch accepts in place of one that is none."""
    return value.masked_fill(impossible(value, most), 0)


def or_impossible(log_prob: Tensor, value: Tensor, most: Any = torch.inf) -> Tensor:
    """−∞ where value is no count."""
    return log_prob.masked_fill(impossible(value, most), -torch.inf)
