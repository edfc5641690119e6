"""Bayes: what to believe after having seen, in torch. Autograd differentiates each expression."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from torch_impl.module import Concept


def evidence(prior: Tensor, likelihood: Tensor) -> Tensor:
    """Σ p(h) p(x | h)."""
    return likelihood @ prior


def posterior(prior: Tensor, likelihood: Tensor) -> Tensor:
    """p(h) p(x | h) / p(x)."""
    return prior * likelihood / (likelihood @ prior)[..., None]


def negative_log_posterior(x: Tensor, y: Tensor, W: Tensor, b: Tensor, scale: Any, prior_scale: Any, rows: int) -> Tensor:
    """Minus the mean log-likelihood, minus the log-prior of W over all rows."""
    likelihood = Normal(x @ W + b, scale, validate_args=False).log_prob(y)
    prior = Normal(torch.zeros_like(W), prior_scale, validate_args=False).log_prob(W)
    return -likelihood.mean() - prior.sum() / rows


def ridge_alpha(scale: Any, prior_scale: Any, rows: int) -> Any:
    """The price of ridge regression that this prior is."""
    return scale**2 / (rows * prior_scale**2)


class Bayes(Concept):
    """The MAP of a line: W and b that have the largest posterior, found by gradient descent on L = −log posterior / N.

    Args:
        features: D, the numbers that are known of each example.
        rows: N, how many rows there are in all batches together.
        scale: how far y scatters around the line.
        prior_scale: how large weights are expected to be.
        lr: the step size.
        momentum: how much of the last step is kept.

    Shapes: x (N, D), y (N, 1), W (D, 1), b (1,).

    Raises:
        ValueError: if a scale is not above 0, or rows is below 1.
    """

    def __init__(
        self,
        features: int = 10,
        rows: int = 354,
        scale: float = 0.7,
        prior_scale: float = 0.2,
        lr: float = 0.2,
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        if not (scale > 0 and prior_scale > 0 and rows >= 1):
            raise ValueError(f"Bayes: scale and prior_scale must be above 0 and rows at least 1, got {scale}, {prior_scale} and {rows}")
        self.save_hyperparameters()
        self.rows, self.lr, self.momentum = rows, lr, momentum
        self.scale, self.prior_scale = scale, prior_scale
        self.W = nn.Parameter(prior_scale * torch.randn(features, 1))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """The prediction."""
        return x @ self.W + self.b  # (N, D) @ (D, 1) + (1,)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = negative_log_posterior(x, y, self.W, self.b, self.scale, self.prior_scale, self.rows)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """The likelihood alone: how probable the held-out numbers are around the line."""
        x, y = batch
        self.log("loss/val", -Normal(self(x), self.scale, validate_args=False).log_prob(y).mean(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: how sure the weights are ---------------------------------------------------


def weight_posterior(x: Tensor, y: Tensor, scale: Any, prior_scale: Any) -> tuple[Tensor, Tensor]:
    """Mean and covariance of [W; b]; the curvature is found by differentiating twice."""
    from torch_impl.regression import ridge

    W, b = ridge.solution(x, y, ridge_alpha(scale, prior_scale, len(x)))
    mean = torch.cat([W[:, 0], b])

    def bowl(p: Tensor) -> Tensor:
        return len(x) * negative_log_posterior(x, y, p[:-1, None], p[-1:], scale, prior_scale, len(x))

    return mean, torch.linalg.inv(torch.func.jacrev(torch.func.grad(bowl))(mean))


# ---- further reading: conjugate priors -----------------------------------------------------------


def beta_bernoulli_posterior(x: Tensor, concentration1: Tensor, concentration0: Tensor) -> tuple[Tensor, Tensor]:
    """Concentrations and counts, added up."""
    return concentration1 + x.sum(), concentration0 + (1 - x).sum()


def beta_bernoulli_map(x: Tensor, concentration1: Tensor, concentration0: Tensor) -> Tensor:
    """The mode of the posterior."""
    a, b = beta_bernoulli_posterior(x, concentration1, concentration0)
    return torch.distributions.Beta(a, b).mode


def beta_bernoulli_log_evidence(x: Tensor, concentration1: Tensor, concentration0: Tensor) -> Tensor:
    """log B of the posterior less log B of the prior."""
    return log_beta(*beta_bernoulli_posterior(x, concentration1, concentration0)) - log_beta(concentration1, concentration0)


def log_beta(a: Tensor, b: Tensor) -> Tensor:
    """log Γ(a) + log Γ(b) − log Γ(a + b)."""
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def normal_normal_posterior(x: Tensor, scale: Tensor, prior_loc: Tensor, prior_scale: Tensor) -> tuple[Tensor, Tensor]:
    """Precisions, added up."""
    precision = 1 / prior_scale**2 + len(x) / scale**2
    return (prior_loc / prior_scale**2 + x.sum() / scale**2) / precision, precision**-0.5


def normal_normal_log_evidence(x: Tensor, scale: Tensor, prior_loc: Tensor, prior_scale: Tensor) -> Tensor:
    """The density of x as one draw of a Normal in n dimensions."""
    from torch.distributions import MultivariateNormal

    eye = torch.eye(len(x), dtype=x.dtype, device=x.device)
    covariance = scale[..., None, None] ** 2 * eye + prior_scale[..., None, None] ** 2  # (..., n, n)
    return MultivariateNormal(prior_loc[..., None].expand(*prior_loc.shape, len(x)), covariance).log_prob(x)


# ---- further reading: naive Bayes, a classifier that counts pixels -------------------------------


def naive_bayes_fit(x: Tensor, y: Tensor, classes: int, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """log p(c) and p(pixel is lit | c), by counting."""
    member = nn.functional.one_hot(y, classes).to(x.dtype)  # (N, C)
    rows = member.sum(dim=0)
    return torch.log(rows / len(x)), (member.T @ x + alpha) / (rows[:, None] + 2 * alpha)


def naive_bayes_log_joint(x: Tensor, log_prior: Tensor, probs: Tensor) -> Tensor:
    """log p(c) + the log-probability of every pixel."""
    pixels = x[:, None, :]
    return log_prior + (torch.special.xlogy(pixels, probs) + torch.special.xlog1py(1 - pixels, -probs)).sum(dim=2)


def naive_bayes_log_posterior(x: Tensor, log_prior: Tensor, probs: Tensor) -> Tensor:
    """log p(c | x)."""
    return nn.functional.log_softmax(naive_bayes_log_joint(x, log_prior, probs), dim=1)
