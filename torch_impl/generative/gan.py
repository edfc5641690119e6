"""GAN: two networks that learn by playing against each other, in Lightning with manual optimization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from torch_impl.module import Concept
from torch_impl.noise import Noise


def discriminator_loss(real: Tensor, made: Tensor) -> Tensor:
    """Real points are called 1, made ones 0."""
    return bce(real, torch.ones_like(real)) + bce(made, torch.zeros_like(made))


def generator_loss(made: Tensor) -> Tensor:
    """Made points are to be called 1."""
    return bce(made, torch.ones_like(made))


def network(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    first, second, last = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)
    return nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), last)


class GAN(Concept):
    """A generator and a discriminator of points in the plane, and the game between them.

    Args:
        hidden: units in each hidden layer of both.
        noise: how many random numbers a point is made of.
        d_steps: steps of d in each batch.
        g_steps: steps of g after them.
        lr: the step size of both Adams.

    Shapes: x and y (N, 2), z (N, noise), a score (N, 1).

    Raises:
        ValueError: if hidden, noise, d_steps or g_steps is below 1.
    """

    def __init__(self, hidden: int = 64, noise: int = 2, d_steps: int = 1, g_steps: int = 1, lr: float = 2e-3) -> None:
        super().__init__()
        if min(hidden, noise, d_steps, g_steps) < 1:
            raise ValueError(f"GAN: hidden, noise, d_steps and g_steps must be at least 1, got {hidden}, {noise}, {d_steps} and {g_steps}")
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.noise, self.d_steps, self.g_steps, self.lr = noise, d_steps, g_steps, lr
        self.z = Noise()
        self.g = network(noise, hidden, 2)
        self.d = network(2, hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The scores of these points."""
        return self.d(x)

    def made(self, n: int) -> Tensor:
        """So many points of fresh noise, (n, 2)."""
        return self.g(self.z((n, self.noise)))

    def d_loss(self, batch: tuple[Tensor]) -> Tensor:
        """What d pays for these real points and as many made ones."""
        (x,) = batch
        return discriminator_loss(self.d(x), self.d(self.made(len(x)).detach()))

    def g_loss(self, batch: tuple[Tensor]) -> Tensor:
        """What g pays for as many points as there are real ones."""
        (x,) = batch
        return generator_loss(self.d(self.made(len(x))))

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        optimizers: Any = self.optimizers()
        d_loss = self.steps(optimizers[0], self.d_loss, batch, self.d_steps)
        g_loss = self.steps(optimizers[1], self.g_loss, batch, self.g_steps)
        self.log("loss/train", d_loss)
        self.log("loss_g/train", g_loss)

    def steps(self, optimizer: Any, objective: Any, batch: tuple[Tensor], n: int) -> Tensor:
        """So many steps of one player; its last loss."""
        for _ in range(n):
            loss: Tensor = objective(batch)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return loss.detach()

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        """Both losses, and how probable d thinks it that held-out points are real, and that made ones are."""
        (x,) = batch
        real, made = self.d(x), self.d(self.made(len(x)))
        self.log("loss/val", discriminator_loss(real, made), batch_size=len(x))
        self.log("loss_g/val", generator_loss(made), batch_size=len(x))
        self.log("real_is_real/val", real.sigmoid().mean(), batch_size=len(x))
        self.log("made_is_real/val", made.sigmoid().mean(), batch_size=len(x))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(network.parameters(), lr=self.lr, betas=(0.5, 0.999)) for network in (self.d, self.g)]


# ---- further reading: the smallest GAN ---------------------------------------------------------------


def smallest(theta: float, psi: float, lr: float, steps: int, in_turn: bool = True, price: float = 0.0) -> Tensor:
    """The walk of the smallest GAN: real points are 0, the made one is θ, the score is s = ψ x. (steps + 1, 2)."""
    players = torch.tensor([theta, psi], dtype=torch.float64)
    path = [players]
    for _ in range(steps):
        t, p = players.clone().requires_grad_()
        (dL_dpsi,) = torch.autograd.grad(discriminator_loss(p * 0, p * t) + price / 2 * p**2, p)
        new_p = p - lr * dL_dpsi
        seen = (new_p if in_turn else p).detach()
        (dL_dtheta,) = torch.autograd.grad(generator_loss(seen * t), t)
        players = torch.stack([t - lr * dL_dtheta, new_p]).detach()
        path.append(players)
    return torch.stack(path)
