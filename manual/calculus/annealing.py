"""Out of the valley: simulated annealing beside gradient descent on a bumpy function, by hand.

Gradient descent only ever goes down. On ground with many valleys it ends at the bottom of the one that it began in, which is seldom the
lowest. Simulated annealing asks for no slope. It jumps somewhere near by chance, looks how high it is, and sometimes stays there
though it is higher: often at first, hardly ever later on. The name comes from metal that is heated and cooled slowly: while it is hot its
atoms jump about; as it cools they settle, and the slower it cools the better their order.

A run does both from the same starts: balls roll down by gradient descent, walkers anneal. The ground is a bowl with bumps on it, for D
numbers x = (x₁, …, x_D) at once:

    f(x) = Σᵢ xᵢ² + bumps · (1 − cos 2π xᵢ)         the height. cos 2πx is 1 at whole numbers and −1 half-way between them
    ∂f/∂xᵢ = 2 xᵢ + bumps · 2π sin 2π xᵢ            the slope, which balls follow and walkers never ask for

It is lowest at x = 0, where f = 0. With bumps = 1 there is a valley near every whole number from −3 to 3; with bumps = 0 only the smooth
bowl is left.

**A step of a walker** that stands at x, at the temperature T (no heat: a number in the units of f):

    x′ = x + jump · (a number between −1 and 1, by chance, for each of the D)
    Δ  = f(x′) − f(x)                               how much higher it is there
    p  = 1 if Δ ≤ 0, else exp(−Δ/T)                 the acceptance: the probability of going there
    go if u < p, else stay                          u between 0 and 1, by chance
    T ← cooling · T                                 a little colder

exp(−Δ/T) is e to the power of −Δ/T. A climb of T is accepted with probability e⁻¹ = 0.37,
of 2 T with 0.14, of 10 T with 0.00005. A hot walker (T large) goes nearly anywhere, a cold one (T near 0) only down.

**On paper.** One number, bumps = 1. A walker stands at 1, near the bottom of another valley. On the way to 0, with
cos 2π = 1, cos π = −1 and cos 0 = 1:

    f(1) = 1 + 1 − 1 = 1        f(½) = 0.25 + 1 + 1 = 2.25        f(0) = 0 + 1 − 1 = 0

    from  to   Δ       T        exp(−Δ/T)              with u = 0.3
    1     ½     1.25   1.25     exp(−1) = 0.37         goes: 0.3 is below 0.37
    ½     0    −2.25   1.25     (downhill) 1           goes
    1     ½     1.25   0.125    exp(−10) = 0.00005     stays: too cold to get over the bump

A ball at 1 has the slope 2 + 2π sin 2π = 2 and rolls left; at ¾ the slope is 1.5 − 2π = −4.78, and turns it back: it stays
between them. In Python:

    >>> height(np.array([[1.0], [0.5], [0.0]]), 1.0).tolist()
    [1.0, 2.25, 0.0]
    >>> acceptance(np.array([1.25, -2.25]), 1.25).round(2).tolist()
    [0.37, 1.0]
    >>> acceptance(np.array([1.25]), 0.125).round(5).tolist()
    [5e-05]
    >>> height_backward(np.ones(2), np.array([[1.0], [0.75]]), 1.0).round(2).tolist()
    [[2.0], [-4.78]]

**When is which better?** Few numbers and many bumps: annealing. Many numbers and a smooth loss: the gradient. One backward has all D slopes
for the price of about two more heights; a jump by chance in D numbers at once is hardly ever a good one. The figure "more numbers"
measures both. Networks have many numbers; circuits, timetables and tours, which are annealed, have no slope.

Sources: Metropolis et al. 1953, "Equation of state calculations by fast computing machines", section II (the acceptance); Kirkpatrick,
Gelatt and Vecchi 1983, "Optimization by simulated annealing", Science 220 (the cooling); Rastrigin 1974 (the ground, with higher bumps).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Module, Parameter
from manual.nn.init import uniform
from manual.noise import Uniform

REACH = 4.0
"""Starts lie between −REACH and REACH in every number: a little farther out than the last valley."""


def height(x: Array, bumps: float) -> np.ndarray:
    """f(x) = Σᵢ xᵢ² + bumps · (1 − cos 2π xᵢ). Shapes: x (N, D), the result (N,)."""
    return (x**2 + bumps * (1 - np.cos(2 * np.pi * x))).sum(axis=1)


def height_backward(dL_dy: np.ndarray, x: Array, bumps: float) -> np.ndarray:
    """∂f/∂xᵢ = 2 xᵢ + bumps · 2π sin 2π xᵢ: each number has a slope of its own. Shapes: dL_dy (N,), the result (N, D)."""
    return dL_dy[:, None] * (2 * x + bumps * 2 * np.pi * np.sin(2 * np.pi * x))  # (N, 1) times (N, D)


def acceptance(climb: np.ndarray, temperature: Any) -> np.ndarray:
    """The probability of going where it is higher by Δ, the climb: exp(−Δ/T), and 1 downhill. Shapes: climb and the result (N,).

    Source: Metropolis et al. 1953, section II.
    """
    return np.exp(-np.maximum(climb, 0) / temperature)


class Walkers(Module):
    """N walkers that anneal; they begin at `place`, (N, D). No gradient moves them: where they are is a buffer, as the temperature is.

    The other arguments are those of `Annealing`.
    """

    place: np.ndarray
    temperature: np.ndarray

    def __init__(self, place: np.ndarray, bumps: float, temperature: float, cooling: float, jump: float, *, rng: Any = None) -> None:
        super().__init__()
        self.bumps, self.cooling, self.jump = bumps, cooling, jump
        self.register_buffer("place", place.copy())
        self.register_buffer("temperature", np.array(temperature, place.dtype))
        self.uniform = Uniform(rng=rng, dtype=place.dtype)

    def step(self) -> None:
        """Each walker looks at one place near it, and goes there or stays; then it is a little colder."""
        there = self.place + self.jump * (2 * self.uniform(self.place.shape) - 1)  # (N, D)
        climb = height(there, self.bumps) - height(self.place, self.bumps)  # (N,)
        goes = self.uniform(climb.shape) < acceptance(climb, self.temperature)
        self.place[goes] = there[goes]
        self.temperature *= self.cooling


class Annealing(Concept):
    """Balls that roll down by gradient descent, and walkers that anneal, from the same starts.

    The loss is the sum of the balls' heights, so that the gradient of each ball is its own slope.

    Args:
        dimensions: of a place.
        bumps: how high the bumps are; 0 is a smooth bowl.
        starts: N, how many balls, and how many walkers.
        lr: of the balls; below 2 over the largest curvature, which is 2 + 4π² bumps.
        temperature: of the walkers at first: 2 is about as high as the bumps.
        cooling: what is left of it after a step; of 300 steps 0.99 leaves a twentieth.
        jump: how far they jump at most, in each number; the next valley is about 1 away.
        rng: draws the starts, and all that walkers draw.
        dtype: of all of them.

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
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(dimensions, starts) < 1:
            raise ValueError(f"Annealing: dimensions and starts must be at least 1, got {dimensions} and {starts}")
        if not (bumps >= 0 and min(temperature, jump) > 0 and 0 < cooling <= 1):
            raise ValueError(
                "Annealing: bumps must not be below 0, temperature and jump must be above 0, and cooling above 0 and at most 1, got "
                f"{bumps}, {temperature}, {jump} and {cooling}"
            )
        rng = rng or np.random.default_rng()
        self.bumps, self.lr = bumps, lr
        self.ball = Parameter(uniform((starts, dimensions), -REACH, REACH, rng=rng, dtype=dtype))
        self.walkers = Walkers(self.ball.data, bumps, temperature, cooling, jump, rng=rng)

    def forward(self) -> np.ndarray:
        """The heights of the balls, (N,)."""
        self.save(self.ball.data.copy())
        return height(self.ball, self.bumps)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        self.walkers.step()
        loss = self().sum()
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        ball = self.restore()
        dL_dy = np.full(len(ball), dL_dloss, ball.dtype)  # (N,): a sum hands its gradient to each height
        self.ball.grad += height_backward(dL_dy, ball, self.bumps)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The mean height of both, and the share of them that is in the lowest valley."""
        self.log("loss/val", self().mean())
        self.log("annealed/val", height(self.walkers.place, self.bumps).mean())
        self.log("balls/val", in_lowest_valley(self.ball.data).mean())
        self.log("walkers/val", in_lowest_valley(self.walkers.place).mean())

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def in_lowest_valley(x: np.ndarray) -> np.ndarray:
    """Whether every number is within ½ of 0, where the bump begins. Shapes: (N, D) to (N,)."""
    return (np.abs(x) < 0.5).all(axis=1)
