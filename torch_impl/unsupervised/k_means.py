"""K-means: groups that nobody named, found by going to the middle, in Lightning.

Autograd goes back through the nearest centre only: an index has no gradient, and c[a] sends each row's to its own centre.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


def nearest(x: Tensor, c: Tensor) -> Tensor:
    """The number of each point's nearest centre, (N,). Shapes: x (N, D), c (K, D)."""
    return torch.cdist(x, c, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)


def quantisation(x: Tensor, c: Tensor) -> Tensor:
    """Half the sum of the squared distances from the nearest centre. Shapes: x (N, D), c (K, D)."""
    return (x - c[nearest(x.detach(), c.detach())]).square().sum() / 2


class Lloyd(torch.optim.Optimizer):
    """c[k] ← c[k] − lr/n[k] · ∂L/∂c[k].

    Args:
        params: the centres, (K, D), in a list.
        counts: says how many points of the latest batch are in each cluster, (K,).
        lr, running: as of KMeans.
    """

    def __init__(self, params: Iterable[Any], counts: Callable[[], Tensor], lr: float = 1.0, running: bool = False) -> None:
        self.counts = counts
        super().__init__(params, {"lr": lr, "running": running})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every centre."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    n = self.counts().to(p)
                    if group["running"]:
                        n = self.state[p]["n"] = self.state[p].get("n", 0) + n
                    p -= group["lr"] * p.grad / n.clamp(min=1)[:, None]
        return loss


class KMeans(Concept):
    """K centres that go to the middle of their clusters.

    Args:
        start: where the centres begin: K rows of D numbers.
        lr: the step size as a multiple of Lloyd's.
        running: each centre is the mean of all points that it has ever had.

    Shapes: a batch is x (N, D) alone; c (K, D), n (K,).

    Raises:
        ValueError: if start has no row, or rows of several lengths, or lr is not above 0.
    """

    n: Tensor

    def __init__(self, start: Sequence[Sequence[float]] = ((0.0, 0.0), (1.0, 1.0)), lr: float = 1.0, running: bool = False) -> None:
        super().__init__()
        if len({len(row) for row in start}) != 1 or not lr > 0:
            lengths = [len(row) for row in start]
            raise ValueError(f"KMeans: start must have rows of one length, and lr be above 0, got lengths {lengths} and {lr}")
        self.save_hyperparameters()
        self.lr, self.running = lr, running
        self.c = nn.Parameter(torch.tensor(start))
        self.register_buffer("n", torch.zeros(len(start), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """The number of each point's cluster, (N,)."""
        return nearest(x, self.c)

    def counts(self, x: Tensor) -> Tensor:
        """How many of these points are in each cluster, (K,)."""
        return nn.functional.one_hot(self(x), len(self.c)).sum(dim=0)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        self.n.copy_(self.counts(x))
        loss = quantisation(x, self.c)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        """The loss, and how many centres no point is nearest to."""
        (x,) = batch
        self.log("loss/val", quantisation(x, self.c), batch_size=len(x))
        self.log("empty/val", (self.counts(x) == 0).sum().to(self.c), batch_size=len(x))

    def configure_optimizers(self) -> Lloyd:
        return Lloyd(self.parameters(), lambda: self.n, lr=self.lr, running=self.running)
