"""Out of the valley: simulated annealing beside gradient descent on a bumpy function, in Lightning.

What balls follow is autograd's. Walkers need no gradient: they step within torch.no_grad(), and where they are is a buffer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from torch_impl.module import Concept
from torch_impl.noise import Uniform

REACH = 4.0
"""Starts lie between −REACH and REACH in every number."""


def height(x: Tensor, bumps: float) -> Tensor:
    """f(x) = Σᵢ xᵢ² + bumps · (1 − cos 2π xᵢ). Shapes: x (N, D), the result (N,)."""
    return (x**2 + bumps * (1 - torch.cos(2 * math.pi * x))).sum(dim=1)


def acceptance(climb: Tensor, temperature: Tensor | float) -> Tensor:
    """The probability of going where it is higher by so much. Shapes: climb and the result (N,)."""
    return torch.exp(-climb.clamp(min=0) / temperature)


class Walkers(nn.Module):
    """N walkers that anneal; they begin at `place`, (N, D)."""

    place: Tensor
    temperature: Tensor

    def __init__(self, place: Tensor, bumps: float, temperature: float, cooling: float, jump: float) -> None:
        super().__init__()
        self.bumps, self.cooling, self.jump = bumps, cooling, jump
        self.register_buffer("place", place.clone())
        self.register_buffer("temperature", torch.tensor(temperature, dtype=place.dtype))
        self.uniform = Uniform()

    @torch.no_grad()
    def step(self) -> None:
        """Each walker looks at one place near it, and goes there or stays; then it is a little colder."""
        there = self.place + self.jump * (2 * self.uniform(self.place.shape) - 1)
        climb = height(there, self.bumps) - height(self.place, self.bumps)
        goes = self.uniform(climb.shape) < acceptance(climb, self.temperature)
        self.place.copy_(torch.where(goes[:, None], there, self.place))
        self.temperature.mul_(self.cooling)


class Annealing(Concept):
    """Balls that roll down by gradient descent, and walkers that anneal, from the same starts.

    Args:
        dimensions: of a place.
        bumps: how high the bumps are.
        starts: N, how many balls, and how many walkers.
        lr: of the balls.
        temperature: of the walkers at first.
        cooling: what is left of it after a step.
        jump: how far they jump at most.

    Shapes: ball and walkers.place (N, D).

    Raises:
        ValueError: if an argument is out of its range.
    """

    def __init__(
        self,
        dimensions: int = 1,
        bumps: float = 1.0,
        starts: int = 100,
        lr: float = 0.01,
        temperature: float = 2.0,
        cooling: float = 0.99,
        jump: float = 0.6,
    ) -> None:
        super().__init__()
        if min(dimensions, starts) < 1:
            raise ValueError(f"Annealing: dimensions and starts must be at least 1, got {dimensions} and {starts}")
        if not (bumps >= 0 and min(temperature, jump) > 0 and 0 < cooling <= 1):
            raise ValueError(
                "Annealing: bumps must not be below 0, temperature and jump must be above 0, and cooling above 0 and at most 1, got "
                f"{bumps}, {temperature}, {jump} and {cooling}"
            )
        self.save_hyperparameters()
        self.bumps, self.lr = bumps, lr
        self.ball = nn.Parameter(torch.empty(starts, dimensions).uniform_(-REACH, REACH))
        self.walkers = Walkers(self.ball.detach(), bumps, temperature, cooling, jump)

    def forward(self) -> Tensor:
        """The heights of the balls, (N,)."""
        return height(self.ball, self.bumps)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        self.walkers.step()
        loss = self().sum()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        """The mean height of both, and the share of them that is in the lowest valley."""
        self.log("loss/val", self().mean())
        self.log("annealed/val", height(self.walkers.place, self.bumps).mean())
        self.log("balls/val", in_lowest_valley(self.ball).mean())
        self.log("walkers/val", in_lowest_valley(self.walkers.place).mean())

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def in_lowest_valley(x: Tensor) -> Tensor:
    """1 where every number is within ½ of 0, else 0. Shapes: (N, D) to (N,)."""
    return (x.abs() < 0.5).all(dim=1).to(x.dtype)
