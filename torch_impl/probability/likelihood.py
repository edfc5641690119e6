"""Likelihood: which numbers would have made these data least surprising, in torch. Autograd differentiates each expression."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import nll_loss

from torch_impl.module import Concept


def bernoulli_likelihood(p: Tensor, x: Tensor) -> Tensor:
    """p^k (1 − p)^(n − k)."""
    k = x.sum()
    return p**k * (1 - p) ** (len(x) - k)


def bernoulli_log_likelihood(p: Tensor, x: Tensor) -> Tensor:
    """k log p + (n − k) log(1 − p)."""
    k = x.sum()
    return torch.xlogy(k, p) + torch.special.xlog1py(len(x) - k, -p)


def bernoulli_closed_form(x: Tensor) -> Tensor:
    """The fraction of ones."""
    return x.mean()


def normal_log_likelihood(mean: Tensor, std: Tensor, x: Tensor) -> Tensor:
    """The log-density of each number, added up."""
    return Normal(mean[..., None], std[..., None], validate_args=False).log_prob(x).sum(dim=-1)


def normal_closed_form(x: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, biased std)."""
    return x.mean(), x.std(correction=0)


class Likelihood(Concept):
    """A coin's p, and the mean and std of how far it rolls, all climbing to the top of the likelihood of some throws.

    Args:
        lr: the step size.

    Shapes: heads (N,), each 0 or 1; rolled (N,); logit, mean and log_std (1,).
    """

    def __init__(self, lr: float = 0.3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr
        self.logit = nn.Parameter(torch.randn(1))
        self.mean = nn.Parameter(torch.randn(1))
        self.log_std = nn.Parameter(torch.zeros(1))

    def forward(self, heads: Tensor, rolled: Tensor) -> Tensor:
        """The log-likelihood of all throws together, (1,)."""
        p, std = torch.sigmoid(self.logit), torch.exp(self.log_std)
        return bernoulli_log_likelihood(p, heads) + normal_log_likelihood(self.mean, std, rolled)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        heads, rolled = batch
        loss = -self(heads, rolled).sum() / len(heads)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        heads, rolled = batch
        self.log("loss/val", -self(heads, rolled).sum() / len(heads), batch_size=len(heads))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: the losses of networks, which are likelihoods ------------------------------


def cross_entropy(log_p: Tensor, y: Tensor) -> Tensor:
    """Minus the mean log-probability of the classes that were seen."""
    return nll_loss(log_p, y)


def normal_nll(y_hat: Tensor, std: Tensor, y: Tensor) -> Tensor:
    """Minus the mean log-density of y around the prediction."""
    return -Normal(y_hat, std, validate_args=False).log_prob(y).mean()
