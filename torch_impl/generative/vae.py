"""A variational autoencoder: digits from two numbers, and a bound on how probable they are, with torch.nn in Lightning."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.noise import Noise


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """K: the divergence of Normal(mean, var) from Normal(0, 1), summed over D, averaged over N. Shapes: (N, D) both."""
    return (mean**2 + log_var.exp() - 1 - log_var).sum() / (2 * len(mean))


def drawn(mean: Tensor, log_var: Tensor, epsilon: Tensor) -> Tensor:
    """z = μ + sd ε. Shapes: (N, D) all."""
    return mean + (log_var / 2).exp() * epsilon


class VAE(Concept):
    """64 pixels → hidden → μ and log var of q; z → hidden → 64 logits. Adam, whose step size falls as half a cosine.

    Args:
        hidden: units of the hidden layer of either way.
        latent: D, the numbers of z.
        beta: the weight of K.
        lr: Adam's step size at the start.
        epochs: the length of the schedule.

    Shapes: x (N, 64), 0 or 1; a batch has the digits (N,) too, which are not looked at.

    Raises:
        ValueError: if hidden, latent or epochs is below 1, or beta below 0.
    """

    def __init__(self, hidden: int = 64, latent: int = 2, beta: float = 1.0, lr: float = 0.01, epochs: int = 60) -> None:
        super().__init__()
        if min(hidden, latent, epochs) < 1 or not beta >= 0:
            raise ValueError(
                f"VAE: hidden, latent and epochs must be at least 1 and beta not below 0, got {hidden}, {latent}, {epochs} and {beta}"
            )
        self.save_hyperparameters()
        self.beta, self.lr, self.epochs = beta, lr, epochs
        self.encoder = nn.Sequential(nn.Linear(64, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, 64))
        self.noise = Noise()
        self.bce = nn.BCEWithLogitsLoss(reduction="sum")

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log var of q(z|x), (N, D) both."""
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        return mean, log_var

    def forward(self, x: Tensor) -> Tensor:
        """The logits of x as it is decoded from μ, (N, 64)."""
        logits: Tensor = self.decoder(self.encode(x)[0])
        return logits

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """R, from one draw for each image, and K."""
        mean, log_var = self.encode(x)
        z = drawn(mean, log_var, self.noise(mean.shape))
        return self.bce(self.decoder(z), x) / len(x), kl(mean, log_var)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        R, K = self.terms(batch[0])
        loss = R + self.beta * K
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Minus the ELBO, whatever beta is, and its two terms."""
        x = batch[0]
        R, K = self.terms(x)
        self.log("loss/val", R + K, batch_size=len(x))
        self.log("reconstruction/val", R, batch_size=len(x))
        self.log("kl/val", K, batch_size=len(x))

    def configure_optimizers(self) -> Any:
        return falling(self, self.lr, self.epochs)


def falling(model: nn.Module, lr: float, epochs: int) -> dict[str, Any]:
    """Adam, whose step size falls as half a cosine."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


# ---- further reading: where all is linear ---------------------------------------------------------------


class LinearVAE(Concept):
    """μ = U x and x̂ = V z without bends, and variances that all x share. Shapes: x (N, M), log_var (D,), log_noise ()."""

    def __init__(self, features: int = 4, latent: int = 2, lr: float = 0.1, epochs: int = 400) -> None:
        super().__init__()
        self.lr, self.epochs = lr, epochs
        self.encoder, self.decoder = nn.Linear(features, latent, bias=False), nn.Linear(latent, features, bias=False)
        self.log_var, self.log_noise = nn.Parameter(torch.zeros(latent)), nn.Parameter(torch.zeros(()))

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        mean = self.encoder(x)
        squared = (self.decoder(mean) - x).square().sum() / len(x) + (self.log_var.exp() * self.decoder.weight.square()).sum()
        R = (x.shape[1] * (math.log(2 * math.pi) + self.log_noise) + squared / self.log_noise.exp()) / 2
        loss = R + kl(mean, self.log_var.expand_as(mean))
        self.log("loss/train", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return falling(self, self.lr, self.epochs)
