"""A normalising flow: a cloud of noise, bent until it has the shape of the data, with torch.nn in Lightning."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


class Coupling(nn.Module):
    """One number is kept, the other stretched and shifted by what a network makes of the first. Shapes: x and y (N, 2), log_det (N,)."""

    def __init__(self, keep: int, hidden: int) -> None:
        super().__init__()
        self.keep = keep
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))

    def apart(self, x: Tensor) -> tuple[Tensor, ...]:
        """What is kept, what is moved, s and t, (N, 1) each."""
        a, b = x[:, [self.keep]], x[:, [1 - self.keep]]
        s, t = self.net(a).chunk(2, dim=1)
        return a, b, s, t

    def together(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, 2), each number in its place."""
        return torch.cat([b, a] if self.keep else [a, b], dim=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b, s, t = self.apart(x)
        return self.together(a, b * s.exp() + t), s[:, 0]

    def inverse(self, y: Tensor) -> Tensor:
        """The x that has become y."""
        a, b, s, t = self.apart(y)
        return self.together(a, (b - t) * (-s).exp())


class Flow(Concept):
    """Couplings, one after the other, that keep the first number and the second in turn. Adam, whose step size falls as half a cosine.

    Args:
        couplings: how many.
        hidden: units in either hidden layer of each network.
        lr: Adam's step size at the start.
        epochs: the length of the schedule.

    Shapes: x (N, 2).

    Raises:
        ValueError: if couplings, hidden or epochs is below 1.
    """

    def __init__(self, couplings: int = 8, hidden: int = 32, lr: float = 0.005, epochs: int = 150) -> None:
        super().__init__()
        if min(couplings, hidden, epochs) < 1:
            raise ValueError(f"Flow: couplings, hidden and epochs must be at least 1, got {couplings}, {hidden} and {epochs}")
        self.save_hyperparameters()
        self.lr, self.epochs = lr, epochs
        self.couplings = nn.ModuleList([Coupling(k % 2, hidden) for k in range(couplings)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z, (N, 2), and log det, (N,)."""
        log_dets = []
        for coupling in self.couplings:
            x, s = coupling(x)
            log_dets.append(s)
        return x, torch.stack(log_dets).sum(dim=0)

    def inverse(self, z: Tensor) -> Tensor:
        """Data from noise."""
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)  # type: ignore[operator]
        return z

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x), (N,)."""
        z, log_det = self(x)
        return -z.square().sum(dim=1) / 2 - math.log(2 * math.pi) + log_det

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        loss = -self.log_prob(batch[0]).mean()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        self.log("loss/val", -self.log_prob(batch[0]).mean(), batch_size=len(batch[0]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
