"""Energy: a score for every picture, and the sum over all pictures that one cannot have, in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from torch_impl.module import Concept


def free_energy(v: Tensor, W: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """F(v), (N,). Shapes: v (N, V), W (V, H), a (V,), b (H,)."""
    return -v @ a + logsigmoid(-(v @ W + b)).sum(dim=1)  # log(1 + eᶻ) = −log σ(−z)


def log_partition(W: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """log Z, by adding up all pictures."""
    pictures = torch.cartesian_prod(*[torch.arange(2, device=a.device)] * len(a)).reshape(-1, len(a))
    return (-free_energy(pictures.to(W), W, a, b)).logsumexp(dim=0)


@torch.no_grad()
def gibbs(v: Tensor, u: Tensor, W: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Pictures after k rounds of h given v, then v given h. Shapes: u (N, k, H + V)."""
    for on in u.unbind(dim=1):
        h = (on[:, : len(b)] < (v @ W + b).sigmoid()).to(W)
        v = (on[:, len(b) :] < (h @ W.T + a).sigmoid()).to(W)
    return v


class Boltzmann(Concept):
    """A restricted Boltzmann machine, whose gradient is exact or estimated; trained by gradient descent with momentum 0.9.

    Args:
        visible: V, the number of pixels.
        hidden: H, the number of hidden units.
        exact: with the exact gradient of log Z; else by contrastive divergence.
        lr: the step size.

    Shapes: a batch is v (N, V) and u (N, k, H + V); W (V, H), a (V,), b (H,).

    Raises:
        ValueError: if visible is not in 1 to 16, or hidden is below 1.
    """

    def __init__(self, visible: int = 9, hidden: int = 8, exact: bool = True, lr: float = 0.3) -> None:
        super().__init__()
        if not 1 <= visible <= 16 or hidden < 1:
            raise ValueError(f"Boltzmann: visible must be in 1 to 16 and hidden at least 1, got {visible} and {hidden}")
        self.save_hyperparameters()
        self.exact, self.lr = exact, lr
        self.W = nn.Parameter(0.1 * torch.randn(visible, hidden))
        self.a = nn.Parameter(torch.zeros(visible))
        self.b = nn.Parameter(torch.zeros(hidden))

    def forward(self, v: Tensor) -> Tensor:
        """log p(v), (N,)."""
        return -free_energy(v, self.W, self.a, self.b) - log_partition(self.W, self.a, self.b)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        v, u = batch
        parts = self.W, self.a, self.b
        of_all = log_partition(*parts) if self.exact else -free_energy(gibbs(v, u, *parts), *parts).mean()
        loss = free_energy(v, *parts).mean() + of_all
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """The exact L, and how probable one of these pictures is."""
        log_p = self(batch[0])
        self.log("loss/val", -log_p.mean(), batch_size=len(log_p))
        self.log("seen/val", log_p.exp().sum(), batch_size=len(log_p))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9)
