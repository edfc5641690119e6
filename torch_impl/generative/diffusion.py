"""Diffusion: points are made of noise by taking the noise away bit by bit, in Lightning."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.noise import Noise, Uniform


def schedule(T: int) -> Tensor:
    """ā[0] = 1, ..., ā[T], (T + 1,)."""
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) / 1.008 * math.pi / 2) ** 2
    return torch.cat([f.new_ones(1), (f[1:] / f[:-1]).clamp(min=0.001).cumprod(0)])


class Denoiser(nn.Module):
    """ε̂: a line, and what a network adds. Shapes: x (N, D), t (N,), ε̂ (N, D)."""

    kept: Tensor

    def __init__(self, T: int, spread: float, hidden: int, numbers: int = 2) -> None:
        super().__init__()
        self.T, self.spread = T, spread
        self.register_buffer("kept", schedule(T).to(torch.get_default_dtype()))
        first, second, last = nn.Linear(numbers + 1, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, numbers)
        self.f = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        a_bar = self.kept[t][:, None]
        of_points = a_bar * self.spread**2
        v = of_points + 1 - a_bar
        clock = 2 * t[:, None].to(x.dtype) / self.T - 1
        return (1 - a_bar).sqrt() / v * x + (of_points / v).sqrt() * self.f(torch.hstack([x / v.sqrt(), clock]))


class Diffusion(Concept):
    """A denoiser that learns from points at all times; Adam, whose step size falls as half a cosine.

    The arguments are those of the twin by hand.

    Shapes: x₀ and ε (N, D), t (N,).

    Raises:
        ValueError: if T, hidden, epochs or numbers is below 1, or spread is not above 0.
    """

    def __init__(self, T: int = 50, spread: float = 1.5, hidden: int = 64, lr: float = 0.01, epochs: int = 30, numbers: int = 2) -> None:
        super().__init__()
        if min(T, hidden, epochs, numbers) < 1 or not spread > 0:
            raise ValueError(
                "Diffusion: T, hidden, epochs and numbers must be at least 1 and spread above 0, "
                f"got {T}, {hidden}, {epochs}, {numbers} and {spread}"
            )
        self.save_hyperparameters()
        self.T, self.lr, self.epochs, self.numbers = T, lr, epochs, numbers
        self.u, self.epsilon = Uniform(), Noise()
        self.denoiser = Denoiser(T, spread, hidden, numbers)
        self.mse = nn.MSELoss()

    def loss(self, x0: Tensor) -> Tensor:
        """Of a batch, at random times."""
        n = len(x0)
        t = 1 + ((torch.arange(n, dtype=x0.dtype, device=x0.device) + self.u((n,))) / n * self.T).long().clamp(max=self.T - 1)
        a_bar, epsilon = self.denoiser.kept[t][:, None], self.epsilon(x0.shape)
        return self.mse(self.denoiser(a_bar.sqrt() * x0 + (1 - a_bar).sqrt() * epsilon, t), epsilon)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        loss = self.loss(batch[0])
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        self.log("loss/val", self.loss(batch[0]), batch_size=len(batch[0]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


@torch.no_grad()
def backwards(denoiser: Denoiser, x: Tensor, z: Tensor) -> Tensor:
    """From noise x[T] (N, D), with the fresh noise z (T, N, D), to points: x[T], ..., x[0], (T + 1, N, D)."""
    path, kept = [x], denoiser.kept
    for t in range(len(z), 0, -1):
        now, before, epsilon_hat = kept[t], kept[t - 1], denoiser(x, torch.full((len(x),), t, device=x.device))
        alpha = now / before
        x = (x - (1 - alpha) / (1 - now).sqrt() * epsilon_hat) / alpha.sqrt()
        x = x + ((1 - before) / (1 - now) * (1 - alpha)).sqrt() * z[t - 1]
        path.append(x)
    return torch.stack(path)
