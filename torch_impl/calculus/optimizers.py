"""A point that rolls down a surface: six optimizers of torch.optim, in Lightning. The loss is the height under the point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn, optim

from torch_impl.module import Concept


def bowl(point: Tensor) -> Tensor:
    """f = x² + 4 y². Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + 4 * y**2


def valley(point: Tensor) -> Tensor:
    """f = (1 − x)² + 100 (y − x²)². Shapes: point (2, ...), f (...). Source: Rosenbrock 1960."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def saddle(point: Tensor) -> Tensor:
    """f = x² + (y² − 1)²/4, which is x² − y²/2 + 1/4 near (0, 0) and not below 0 anywhere. Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + (y**2 - 1) ** 2 / 4


class Surface(NamedTuple):
    """A surface, where a point starts (numbers that float32 holds exactly) and where it could come to rest."""

    height: Callable[[Tensor], Tensor]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]


SURFACES = {
    "bowl": Surface(bowl, (-2.0, 1.0), ((0.0, 0.0),)),
    "valley": Surface(valley, (-1.25, 1.0), ((1.0, 1.0),)),
    "saddle": Surface(saddle, (-1.5, 1 / 64), ((0.0, 1.0), (0.0, -1.0))),
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

    Raises:
        ValueError: if there is no such surface or optimizer, or start is not two numbers.
    """

    def __init__(
        self,
        surface: str = "bowl",
        optimizer: str = "gradient_descent",
        lr: float | None = None,
        start: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        for name, value, choices in (("surface", surface, SURFACES), ("optimizer", optimizer, OPTIMIZERS)):
            if value not in choices:
                raise ValueError(f"Optimizers: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        if start is not None and len(start) != 2:
            raise ValueError(f"Optimizers: start must be two numbers (x, y), got {start!r}")
        self.save_hyperparameters()
        self.surface, self.optimizer = SURFACES[surface], optimizer
        self.lr = LR[surface][optimizer] if lr is None else lr
        self.point = nn.Parameter(torch.tensor(self.surface.start if start is None else start))

    def forward(self) -> Tensor:
        """The height of the surface under the point."""
        return self.surface.height(self.point)

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        loss = self()
        self.log("loss/train", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        self.log("loss/val", self())
        self.log("distance/val", self.distance())

    def distance(self) -> Tensor:
        """How far the point is from the nearest minimum."""
        return min((self.point - self.point.new_tensor(minimum)).norm() for minimum in self.surface.minima)

    def configure_optimizers(self) -> optim.Optimizer:
        kind, settings = OPTIMIZERS[self.optimizer]
        return kind(self.parameters(), lr=self.lr, **settings)
