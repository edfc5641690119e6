"""A mixture of bell curves: groups with a width, a weight, and doubt, in Lightning.

Responsibilities are nowhere in the loss, and yet autograd computes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from torch_impl.module import Concept


def log_joint(x: Tensor, a: Tensor, mu: Tensor, s: Tensor) -> Tensor:
    """The log of weight times height, (N, K). Shapes: x (N, D), a (K,), mu and s (K, D)."""
    bells = Independent(Normal(mu, (s / 2).exp(), validate_args=False), 1, validate_args=False)
    return a.log_softmax(dim=0) + bells.log_prob(x[:, None])


def surprise(x: Tensor, a: Tensor, mu: Tensor, s: Tensor) -> Tensor:
    """The mean of −log p(x). Shapes as above."""
    return -log_joint(x, a, mu, s).logsumexp(dim=1).mean()


class EM(torch.optim.Optimizer):
    """Expectation and maximisation, from the gradients alone.

    Args:
        params: a, mu and s, in this order.
        least: as of Mixture.
    """

    def __init__(self, params: Sequence[Tensor], least: float = 1e-6) -> None:
        super().__init__(params, {"least": least})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """E and M."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        (group,) = self.param_groups
        a, mu, s = group["params"]
        share = (a.softmax(0) - a.grad).clamp(min=torch.finfo(a.dtype).eps)[:, None]
        v = s.exp()
        step = -v / share * mu.grad
        a.copy_(share[:, 0].log())
        mu += step
        s.copy_((v - 2 * v / share * s.grad - step**2 + group["least"]).log())
        return loss


class Mixture(Concept):
    """K bells, whose weights, middles and widths learn from points without names.

    Args:
        start: the first middles: K rows of D numbers.
        optimizer: "em" or "adam".
        lr: Adam's step size.
        least: is added to every variance by EM.

    Shapes: a batch is x (N, D) alone; a (K,), mu and s (K, D).

    Raises:
        ValueError: if start has no row, or rows of several lengths, optimizer is neither, lr is not above 0, or least is below 0.
    """

    def __init__(
        self,
        start: Sequence[Sequence[float]] = ((0.0, 0.0), (1.0, 1.0)),
        optimizer: Literal["em", "adam"] = "em",
        lr: float = 0.05,
        least: float = 1e-6,
    ) -> None:
        super().__init__()
        if optimizer not in ("em", "adam"):
            raise ValueError(f"Mixture: optimizer must be one of 'em', 'adam', got {optimizer!r}")
        if len({len(row) for row in start}) != 1 or not lr > 0 or not least >= 0:
            lengths = [len(row) for row in start]
            raise ValueError(
                f"Mixture: start must have rows of one length, lr be above 0 and least not below, got lengths {lengths}, {lr} and {least}"
            )
        self.save_hyperparameters()
        self.optimizer, self.lr, self.least = optimizer, lr, least
        self.a = nn.Parameter(torch.zeros(len(start)))
        self.mu = nn.Parameter(torch.tensor(start))
        self.s = nn.Parameter(torch.zeros_like(self.mu))

    def forward(self, x: Tensor) -> Tensor:
        """The responsibilities, (N, K)."""
        return log_joint(x, self.a, self.mu, self.s).softmax(dim=1)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        loss = surprise(x, self.a, self.mu, self.s)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        """The loss, and the mean of each point's largest responsibility."""
        (x,) = batch
        self.log("loss/val", surprise(x, self.a, self.mu, self.s), batch_size=len(x))
        self.log("sure/val", self(x).amax(dim=1).mean(), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.optimizer == "adam":
            return torch.optim.Adam(self.parameters(), lr=self.lr)
        return EM([self.a, self.mu, self.s], self.least)
