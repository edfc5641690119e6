"""A point that rolls down a surface: six optimizers, by hand.

Training a network is going down a surface in thousands of dimensions. Here there are two, so that the way can be drawn. The loss
is the height f under the point p = (x, y), and there are no data: a batch only says that another step is due.

    bowl      f = x² + 4 y²                   ∂f/∂x = 2 x                              ∂f/∂y = 8 y
    valley    f = (1 − x)² + 100 (y − x²)²    ∂f/∂x = −2 (1 − x) − 400 x (y − x²)      ∂f/∂y = 200 (y − x²)
    saddle    f = x² + (y² − 1)²/4            ∂f/∂x = 2 x                              ∂f/∂y = y (y² − 1)

The valley is Rosenbrock's: its floor, y = x², is bent and nearly level, its walls are steep. The saddle, at (0, 0), is the lowest point
along x and the highest along y. The gradient is 0 there, and small all around: the question is who gets away, and how soon.
To both sides of it lies a minimum, (0, 1) and (0, −1).

With g = ∂f/∂p, the gradient at the point, all operations for x and y apart, and β, β₁, β₂ just below 1:

    gradient descent    p ← p − lr · g
    momentum            v ← β v + g                         p ← p − lr · v                    a ball that rolls on
    Nesterov            v ← β v + g                         p ← p − lr · (g + β v)            looks where the ball will be
    RMSprop             s ← β s + (1 − β) g²                p ← p − lr · g/√s                 steep and flat alike: steps of about lr
    Adam                m ← β₁ m + (1 − β₁) g, s likewise   p ← p − lr · m/√s                 both ideas at once
    AdamW               p ← p − lr · decay · p, then Adam                                     and a pull to (0, 0), wherever the minimum is

To √s a tiny eps is added, so that nothing is divided by 0, and Adam corrects m and s for their start at 0: manual/optim has it all.

**How long may a step of gradient descent be?** On the bowl each coordinate goes its own way, x ← (1 − 2 lr) x and y ←
(1 − 8 lr) y. y shrinks only while |1 − 8 lr| < 1: the limit is lr = 2/8 = 0.25, 2 over the largest curvature. At 0.24 y turns
its sign at every step and shrinks to 0.92 of itself, at 0.25 it jumps to and fro for ever, at 0.26 it grows by 1.08. Every lr
that works is bounded by the steepest direction, and the flattest has to live with it; the other five are ways out of that.

Nobody would train this in practice: it is trained so that the steps of both sides can be compared and seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.validate import expect_choice


def bowl(point: np.ndarray) -> Any:
    """f = x² + 4 y². Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + 4 * y**2


def bowl_backward(dL_df: Any, point: np.ndarray) -> np.ndarray:
    """∂L/∂point of the bowl."""
    x, y = point
    df_dx = 2 * x
    df_dy = 8 * y
    return dL_df * np.stack([df_dx, df_dy])  # one number times (2,)


def valley(point: np.ndarray) -> Any:
    """f = (1 − x)² + 100 (y − x²)². Shapes: point (2, ...), f (...). Source: Rosenbrock 1960."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def valley_backward(dL_df: Any, point: np.ndarray) -> np.ndarray:
    """∂L/∂point of the valley: x stands in both squares, once as −x and once as −x², whose derivative is −2 x."""
    x, y = point
    df_dx = -2 * (1 - x) + 200 * (y - x**2) * (-2 * x)
    df_dy = 200 * (y - x**2)
    return dL_df * np.stack([df_dx, df_dy])  # one number times (2,)


def saddle(point: np.ndarray) -> Any:
    """f = x² + (y² − 1)²/4, which is x² − y²/2 + 1/4 near (0, 0) and not below 0 anywhere. Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + (y**2 - 1) ** 2 / 4


def saddle_backward(dL_df: Any, point: np.ndarray) -> np.ndarray:
    """∂L/∂point of the saddle."""
    x, y = point
    df_dx = 2 * x
    df_dy = (y**2 - 1) * y  # 2/4 · (y² − 1) · 2 y
    return dL_df * np.stack([df_dx, df_dy])  # one number times (2,)


class Surface(NamedTuple):
    """A surface, its gradient, where a point starts (numbers that float32 holds exactly) and where it could come to rest."""

    height: Callable[[np.ndarray], Any]
    backward: Callable[[Any, np.ndarray], np.ndarray]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]


SURFACES = {
    "bowl": Surface(bowl, bowl_backward, (-2.0, 1.0), ((0.0, 0.0),)),
    "valley": Surface(valley, valley_backward, (-1.25, 1.0), ((1.0, 1.0),)),
    "saddle": Surface(saddle, saddle_backward, (-1.5, 1 / 64), ((0.0, 1.0), (0.0, -1.0))),
}

OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "gradient_descent": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": (optim.RMSprop, {}),
    "adam": (optim.Adam, {}),
    "adamw": (optim.AdamW, {"weight_decay": 0.1}),  # ten times torch's default, so that its pull can be seen
}

LR = {
    "bowl": {"gradient_descent": 0.05, "momentum": 0.02, "nesterov": 0.02, "rmsprop": 0.02, "adam": 0.1, "adamw": 0.1},
    "valley": {"gradient_descent": 0.002, "momentum": 0.001, "nesterov": 0.001, "rmsprop": 0.05, "adam": 0.2, "adamw": 0.2},
    "saddle": {"gradient_descent": 0.1, "momentum": 0.02, "nesterov": 0.02, "rmsprop": 0.02, "adam": 0.05, "adamw": 0.05},
}
"""The default lr of each surface and optimizer, picked by eye: it gets somewhere in 300 steps and stays on the page. No race."""


class Optimizers(Concept):
    """A point on a surface; one step goes down from where it is.

    Args:
        surface: "bowl", "valley" or "saddle".
        optimizer: "gradient_descent", "momentum", "nesterov", "rmsprop", "adam" or "adamw".
        lr: the step size; None is that of the table LR.
        start: where the point is at first, (x, y); None is the surface's own place.
        rng: what every concept takes; nothing is drawn here.
        dtype: of the point.

    Raises:
        ValueError: if there is no such surface or optimizer, or start is not two numbers.
    """

    def __init__(
        self,
        surface: str = "bowl",
        optimizer: str = "gradient_descent",
        lr: float | None = None,
        start: tuple[float, float] | None = None,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Optimizers", "surface", surface, tuple(SURFACES))
        expect_choice("Optimizers", "optimizer", optimizer, tuple(OPTIMIZERS))
        if start is not None and len(start) != 2:
            raise ValueError(f"Optimizers: start must be two numbers (x, y), got {start!r}")
        self.surface, self.optimizer = SURFACES[surface], optimizer
        self.lr = LR[surface][optimizer] if lr is None else lr
        self.point = Parameter(np.array(self.surface.start if start is None else start, dtype))

    def forward(self) -> Any:
        """The height of the surface under the point."""
        self.save(self.point.data.copy())
        return self.surface.height(self.point.data)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        loss = self()
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        point = self.restore()
        self.point.grad += self.surface.backward(dL_dloss, point)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("loss/val", self())
        self.log("distance/val", self.distance())

    def distance(self) -> float:
        """How far the point is from the nearest minimum."""
        return min(float(np.linalg.norm(self.point - np.array(minimum))) for minimum in self.surface.minima)

    def configure_optimizers(self) -> optim.Optimizer:
        kind, settings = OPTIMIZERS[self.optimizer]
        return kind(self.parameters(), lr=self.lr, **settings)
