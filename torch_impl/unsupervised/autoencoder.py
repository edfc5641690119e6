"""An autoencoder: digits through two numbers and back, with torch.nn in Lightning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from torch_impl.module import Concept


class Layers(nn.Module):
    """Two linear layers with a ReLU between them. Shapes: x (N, inputs), y (N, outputs)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, linear: bool = False) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.act = nn.Identity() if linear else nn.ReLU()
        self.fc2 = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Autoencoder(Concept):
    """64 → hidden → latent → hidden → 64, squared error and Adam.

    Args:
        latent: numbers of a code.
        hidden: units between pixels and code, on either way.
        linear: whether the ReLUs are left out.
        lr: Adam's step size.

    Shapes: a batch is (x,), x and the prediction (N, 64).

    Raises:
        ValueError: if latent or hidden is below 1.
    """

    def __init__(self, latent: int = 2, hidden: int = 256, linear: bool = False, lr: float = 3e-3) -> None:
        super().__init__()
        if min(latent, hidden) < 1:
            raise ValueError(f"Autoencoder: latent and hidden must be at least 1, got {latent} and {hidden}")
        self.save_hyperparameters()
        self.lr = lr
        self.encoder = Layers(64, hidden, latent, linear)
        self.decoder = Layers(latent, hidden, 64, linear)
        self.loss = nn.MSELoss()

    def forward(self, x: Tensor) -> Tensor:
        """The pictures, squeezed and rebuilt."""
        return self.decoder(self.encoder(x))

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        (x,) = batch
        loss = self.loss(self(x), x)
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", self.loss(self(x), x), batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.parameters(), lr=self.lr)
