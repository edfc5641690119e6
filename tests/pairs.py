"""Two small pairs that take their steps themselves: two networks that play against each other, and several steps on one batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import manual.optim
from experiments.data.arrays import ArrayData, Split
from experiments.pair import Twin
from manual import nn
from manual.concept import Batch
from manual.concept import Concept as ManualConcept
from manual.noise import Noise
from torch_impl.module import Concept as TorchConcept
from torch_impl.noise import Noise as TorchNoise


class Points(ArrayData):
    """70 points on a noisy ring, 14 of them held out."""

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        angle = rng.uniform(0, 2 * np.pi, 70)
        x = np.stack([np.cos(angle), np.sin(angle)], axis=1) + rng.normal(0, 0.1, (70, 2))
        return Split((x[14:],), (x[:14],))


# ---- two networks, two optimizers ------------------------------------------------------------------


class ManualPlayers(ManualConcept):
    """A generator g makes points of noise, a discriminator d tells them from real ones; each has an optimizer of its own.

    x (N, 2), z (N, 3), d's score (N, 1).
    """

    automatic_optimization = False

    def __init__(
        self, hidden: int = 7, lr: float = 0.01, d_steps: int = 1, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        self.lr, self.d_steps = lr, d_steps
        make: dict[str, Any] = {"rng": rng or np.random.default_rng(), "dtype": dtype}
        self.noise = Noise(**make)
        self.g = nn.Sequential(nn.Linear(3, hidden, **make), nn.Tanh(), nn.Linear(hidden, 2, **make))
        self.d = nn.Sequential(nn.Linear(2, hidden, **make), nn.Tanh(), nn.Linear(hidden, 1, **make))
        self.bce = nn.BCEWithLogitsLoss()

    def d_loss(self, batch: Batch) -> float:
        """How badly d tells the real from the made; what g has made is given."""
        (x,) = batch
        with manual.module.no_grad():
            fake = self.g(self.noise((len(x), 3)))
        real, made = self.d(x), self.d(fake)
        return self.bce(real, np.ones_like(real)) + self.bce(made, np.zeros_like(made))

    def d_loss_backward(self, dL_dloss: float = 1.0) -> None:
        self.d.backward(self.bce.backward(dL_dloss))
        self.d.backward(self.bce.backward(dL_dloss))

    def g_loss(self, batch: Batch) -> float:
        """How well d tells that what g makes is made."""
        (x,) = batch
        score = self.d(self.g(self.noise((len(x), 3))))
        return self.bce(score, np.ones_like(score))

    def g_loss_backward(self, dL_dloss: float = 1.0) -> None:
        dL_dscore = self.bce.backward(dL_dloss)
        dL_dfake = self.d.backward(dL_dscore)
        self.g.backward(dL_dfake)

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        g_optimizer, d_optimizer = self.optimizers()
        for _ in range(self.d_steps):
            d_loss = self.d_loss(batch)
            d_optimizer.zero_grad()
            self.manual_backward(d_loss, self.d_loss_backward)
            d_optimizer.step()
        g_loss = self.g_loss(batch)
        g_optimizer.zero_grad()
        self.manual_backward(g_loss, self.g_loss_backward)
        g_optimizer.step()
        if batch_idx % 2 == 1:
            for schedule in self.lr_schedulers():
                schedule.step()
        self.log("loss/d", d_loss)
        self.log("loss/g", g_loss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (x,) = batch
        self.log("score/val", self.d(x).mean(), batch_size=len(x))

    def configure_optimizers(self) -> Any:
        g = manual.optim.Adam(self.g.parameters(), lr=self.lr)
        d = manual.optim.SGD(self.d.parameters(), lr=10 * self.lr, momentum=0.5)
        schedules = [manual.optim.lr_scheduler.ExponentialLR(g, 0.9), manual.optim.lr_scheduler.StepLR(d, 2)]
        return [g, d], schedules


class TorchPlayers(TorchConcept):
    """The same in torch."""

    def __init__(self, hidden: int = 7, lr: float = 0.01, d_steps: int = 1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.lr, self.d_steps = lr, d_steps
        self.noise = TorchNoise()
        self.g = torch.nn.Sequential(torch.nn.Linear(3, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 2))
        self.d = torch.nn.Sequential(torch.nn.Linear(2, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 1))
        self.bce = torch.nn.BCEWithLogitsLoss()

    def d_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """See the twin by hand."""
        (x,) = batch
        fake = self.g(self.noise((len(x), 3))).detach()
        real, made = self.d(x), self.d(fake)
        return self.bce(real, torch.ones_like(real)) + self.bce(made, torch.zeros_like(made))

    def g_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """See the twin by hand."""
        (x,) = batch
        score = self.d(self.g(self.noise((len(x), 3))))
        return self.bce(score, torch.ones_like(score))

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        g_optimizer, d_optimizer = self.optimizers()
        for _ in range(self.d_steps):
            d_loss = self.d_loss(batch)
            d_optimizer.zero_grad()
            self.manual_backward(d_loss)
            d_optimizer.step()
        g_loss = self.g_loss(batch)
        g_optimizer.zero_grad()
        self.manual_backward(g_loss)
        g_optimizer.step()
        if batch_idx % 2 == 1:
            for schedule in self.lr_schedulers():
                schedule.step()
        self.log("loss/d", d_loss)
        self.log("loss/g", g_loss)

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        (x,) = batch
        self.log("score/val", self.d(x).mean(), batch_size=len(x))

    def configure_optimizers(self) -> Any:
        g = torch.optim.Adam(self.g.parameters(), lr=self.lr)
        d = torch.optim.SGD(self.d.parameters(), lr=10 * self.lr, momentum=0.5)
        return [g, d], [torch.optim.lr_scheduler.ExponentialLR(g, 0.9), torch.optim.lr_scheduler.StepLR(d, 2)]


PLAYERS = Twin(name="digits_mlp", manual=ManualPlayers, torch=TorchPlayers, data=Points, objectives=("d_loss", "g_loss"))
"""Under a name that the curriculum has, for what looks titles up."""


# ---- several steps on one batch --------------------------------------------------------------------


class ManualReplay(ManualConcept):
    """ŷ = x W + b, fitted to the next point by `steps` steps on each batch, the last one on its first half only."""

    automatic_optimization = False

    def __init__(self, steps: int = 3, lr: float = 0.05, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.steps, self.lr = steps, lr
        self.linear = nn.Linear(2, 1, rng=rng, dtype=dtype)
        self.mse = nn.MSELoss()

    def fit_loss(self, batch: Batch) -> float:
        """The mean squared error of x's length."""
        (x,) = batch
        return self.mse(self.linear(x), np.linalg.norm(x, axis=1, keepdims=True))

    def fit_loss_backward(self, dL_dloss: float = 1.0) -> None:
        self.linear.backward(self.mse.backward(dL_dloss))

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        optimizer = self.optimizers()
        for i in range(self.steps if len(batch[0]) > 20 else 0):  # a smaller batch brings no step at all
            half = tuple(a[: len(a) // 2] for a in batch) if i == self.steps - 1 else batch
            loss = self.fit_loss(half)
            optimizer.zero_grad()
            self.manual_backward(loss, self.fit_loss_backward)
            optimizer.step()
            self.log("loss/train", loss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("loss/val", self.fit_loss(batch))

    def configure_optimizers(self) -> Any:
        return manual.optim.RMSprop(self.parameters(), lr=self.lr)


class TorchReplay(TorchConcept):
    """The same in torch."""

    def __init__(self, steps: int = 3, lr: float = 0.05) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.steps, self.lr = steps, lr
        self.linear = torch.nn.Linear(2, 1)
        self.mse = torch.nn.MSELoss()

    def fit_loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """See the twin by hand."""
        (x,) = batch
        return self.mse(self.linear(x), torch.linalg.norm(x, dim=1, keepdim=True))

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        optimizer = self.optimizers()
        for i in range(self.steps if len(batch[0]) > 20 else 0):
            half = tuple(a[: len(a) // 2] for a in batch) if i == self.steps - 1 else batch
            loss = self.fit_loss(half)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
            self.log("loss/train", loss)

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self.log("loss/val", self.fit_loss(batch))

    def configure_optimizers(self) -> Any:
        return torch.optim.RMSprop(self.parameters(), lr=self.lr)


REPLAY = Twin(name="digits_mlp", manual=ManualReplay, torch=TorchReplay, data=Points, objectives=("fit_loss",))
