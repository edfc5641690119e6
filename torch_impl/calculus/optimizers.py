"""A point that rolls down a surface: the optimizers and schedules of torch.optim, in Lightning. The loss is the height under the point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim import lr_scheduler as schedules
from torch.optim.lr_scheduler import LRScheduler

from torch_impl.calculus.gradients import SURFACES
from torch_impl.module import Concept


class Optimizers(Concept):
    """A point on a surface; one step goes down from where it is.

    Args:
        surface: "bowl", "valley" or "saddle".
        optimizer: a name of the table OPTIMIZERS: "gradient_descent", "momentum", "adam", ...
        lr: the step size; None is that of the table LR.
        start: where the point is at first, (x, y); None is the surface's own place.
        schedule: a name of the table SCHEDULES: "constant", "cosine", "one_cycle", ...
        horizon: the steps that the schedule is made for.

    Raises:
        ValueError: if there is no such surface, optimizer or schedule, start is not two numbers, or horizon is below 1.
    """

    def __init__(
        self,
        surface: str = "bowl",
        optimizer: str = "gradient_descent",
        lr: float | None = None,
        start: tuple[float, float] | None = None,
        schedule: str = "constant",
        horizon: int = 300,
    ) -> None:
        super().__init__()
        chosen = (("surface", surface, SURFACES), ("optimizer", optimizer, OPTIMIZERS), ("schedule", schedule, SCHEDULES))
        for name, value, choices in chosen:
            if value not in choices:
                raise ValueError(f"Optimizers: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        if start is not None and len(start) != 2:
            raise ValueError(f"Optimizers: start must be two numbers (x, y), got {start!r}")
        if horizon < 1:
            raise ValueError(f"Optimizers: horizon must be at least 1, got {horizon}")
        self.save_hyperparameters()
        self.schedule, self.horizon = schedule, horizon
        self.surface, self.optimizer = SURFACES[surface], optimizer
        self.lr = LR[optimizer][surface] if lr is None else lr
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
        return (self.point - self.point.new_tensor(self.surface.minima)).norm(dim=1).min()

    def configure_optimizers(self) -> Any:
        kind, settings = OPTIMIZERS[self.optimizer]
        optimizer = kind(self.parameters(), lr=self.lr, **settings)
        schedule = SCHEDULES[self.schedule](optimizer, self.horizon)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


# ---- further reading: all optimizers, schedules, momentum as a heavy ball, and convexity --------------

OPTIMIZERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "gradient_descent": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "asgd": (optim.ASGD, {}),
    "rprop": (optim.Rprop, {}),
    "adagrad": (optim.Adagrad, {}),
    "rmsprop": (optim.RMSprop, {}),
    "adadelta": (optim.Adadelta, {}),
    "adam": (optim.Adam, {}),
    "adamw": (optim.AdamW, {"weight_decay": 0.1}),  # ten times torch's default, so that its pull can be seen
    "adamax": (optim.Adamax, {}),
    "nadam": (optim.NAdam, {}),
    "radam": (optim.RAdam, {}),
}

LR = {
    "gradient_descent": {"bowl": 0.05, "valley": 0.002, "saddle": 0.1},
    "momentum": {"bowl": 0.02, "valley": 0.001, "saddle": 0.02},
    "nesterov": {"bowl": 0.02, "valley": 0.001, "saddle": 0.02},
    "asgd": {"bowl": 0.05, "valley": 0.002, "saddle": 0.1},
    "rprop": {"bowl": 0.05, "valley": 0.1, "saddle": 0.02},
    "adagrad": {"bowl": 0.5, "valley": 0.9, "saddle": 0.2},
    "rmsprop": {"bowl": 0.02, "valley": 0.05, "saddle": 0.02},
    "adadelta": {"bowl": 5.0, "valley": 8.0, "saddle": 2.0},
    "adam": {"bowl": 0.1, "valley": 0.2, "saddle": 0.05},
    "adamw": {"bowl": 0.1, "valley": 0.2, "saddle": 0.05},
    "adamax": {"bowl": 0.1, "valley": 0.5, "saddle": 0.05},
    "nadam": {"bowl": 0.1, "valley": 0.08, "saddle": 0.05},
    "radam": {"bowl": 0.1, "valley": 0.003, "saddle": 0.05},
}
"""The default lr of each optimizer and surface, picked by eye: it gets somewhere in 300 steps and stays on the page. No race."""

SCHEDULES: dict[str, Callable[[optim.Optimizer, int], LRScheduler]] = {
    "constant": lambda optimizer, T: schedules.LambdaLR(optimizer, lambda t: 1.0),
    "inverse_root": lambda optimizer, T: schedules.LambdaLR(optimizer, lambda t: (1 + t) ** -0.5),
    "step": lambda optimizer, T: schedules.StepLR(optimizer, max(T // 3, 1)),
    "multi_step": lambda optimizer, T: schedules.MultiStepLR(optimizer, [T // 2, T * 3 // 4]),
    "exponential": lambda optimizer, T: schedules.ExponentialLR(optimizer, 0.01 ** (1 / T)),
    "polynomial": lambda optimizer, T: schedules.PolynomialLR(optimizer, T, power=2.0),
    "cosine": lambda optimizer, T: schedules.CosineAnnealingLR(optimizer, T),
    "warm_restarts": lambda optimizer, T: schedules.CosineAnnealingWarmRestarts(optimizer, max(T // 7, 1), T_mult=2),
    "one_cycle": lambda optimizer, T: schedules.SequentialLR(
        optimizer,
        [
            schedules.OneCycleLR(optimizer, optimizer.param_groups[0]["lr"], total_steps=T + 1, cycle_momentum=False),
            schedules.LambdaLR(optimizer, lambda t: 1.0),  # after its end it would raise: go on with the lr that it began with
        ],
        [T + 1],
    ),
    "warm_up": lambda optimizer, T: schedules.LinearLR(optimizer, 0.1, total_iters=max(T // 10, 1)),
    "warm_up_and_cosine": lambda optimizer, T: schedules.SequentialLR(
        optimizer,
        [
            schedules.LinearLR(optimizer, 0.1, total_iters=max(T // 10, 1)),
            schedules.CosineAnnealingLR(optimizer, max(T - T // 10, 1)),
        ],
        [max(T // 10, 1)],
    ),
}
"""Every schedule that looks at the step alone, made for a training of T steps. (ReduceLROnPlateau looks at the loss.)"""


def heavy_ball_rate(lr: float, momentum: float, curvature: float) -> float:
    """The size of the largest eigenvalue of the matrix that takes (pₖ, pₖ₋₁) to (pₖ₊₁, pₖ)."""
    step = torch.tensor([[1 + momentum - lr * curvature, -momentum], [1.0, 0.0]], dtype=torch.float64)
    return torch.linalg.eigvals(step).abs().max().item()


def jensen_gap(f: Callable[[Tensor], Tensor], points: Tensor, weights: Tensor) -> Tensor:
    """Σ w f(p) − f(Σ w p)."""
    return weights @ torch.stack([f(p) for p in points]) - f(weights @ points)
