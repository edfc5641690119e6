"""A point that rolls down a surface: gradient descent, momentum, Adam and the other optimizers of torch.optim, by hand.

Training a network is going down a surface in thousands of dimensions, blindfolded: all that is known is how steep it is underfoot, the
gradient. How to make a step of it is the optimizer's business. Here there are two dimensions, so that the way can be drawn. The loss
is the height f under the point p = (x, y), and there are no data: a batch only says that another step is due.

    bowl      f = x² + 4 y²                   ∂f/∂x = 2 x                              ∂f/∂y = 8 y
    valley    f = (1 − x)² + 100 (y − x²)²    ∂f/∂x = −2 (1 − x) − 400 x (y − x²)      ∂f/∂y = 200 (y − x²)
    saddle    f = x² + (y² − 1)²/4            ∂f/∂x = 2 x                              ∂f/∂y = y (y² − 1)

The valley is Rosenbrock's: its floor, y = x², is bent and nearly level, its walls are steep. The saddle, at (0, 0), is the lowest point
along x and the highest along y: the gradient is 0 there. To both sides of it lies a minimum, (0, 1) and (0, −1).

With g = ∂f/∂p, the gradient at the point, all operations for x and y apart, and β, β₁, β₂ numbers a little below 1:

    gradient descent    p ← p − lr · g                                  as long as it is steep
    momentum            v ← β v + g             p ← p − lr · v          a ball that rolls on
    RMSprop             s ← β s + (1 − β) g²    p ← p − lr · g/√s       √s is how large g usually is: steep and flat alike
    Adam                m ← β₁ m + (1 − β₁) g   p ← p − lr · m/√s       both at once: the usual g, over its usual size
    AdamW               p ← p − lr · decay · p, then Adam               and a pull to (0, 0), wherever the minimum is

m and s begin at 0, which is too small; Adam divides them by 1 − β₁ᵗ and 1 − β₂ᵗ at step t = 1, 2, …, which puts that right. To √s a tiny
eps is added, so that nothing is divided by 0. The eight other optimizers are further reading, as schedules are.

**How long may a step of gradient descent be?** On the bowl each coordinate goes its own way, x ← (1 − 2 lr) x and y ←
(1 − 8 lr) y. y shrinks only while |1 − 8 lr| < 1: the limit is lr = 2/8 = 0.25, 2 over the largest curvature. At 0.24 y turns
its sign at every step and shrinks to 0.92 of itself, at 0.25 it jumps to and fro for ever, at 0.26 it grows by 1.08. And too short
a step wastes time: at 0.01 x shrinks to 0.98 of itself. Every lr that works is bounded by the steepest direction, and the flattest has to
live with it; the other optimizers are ways out of that.

**On paper: how far can Adam go?** From p = (3, 3) on the bowl, with lr = 0.01, β₁ = 0.9 and β₂ = 0.999. The first step:

    g = (2 · 3, 8 · 3) = (6, 24)
    m = 0.1 · g  = (0.6, 2.4)          divided by 1 − 0.9 it is (6, 24), g itself
    s = 0.001 · g² = (0.036, 0.576)    divided by 1 − 0.999 it is (36, 576), g² itself
    p ← p − 0.01 · (6/√36, 24/√576) = p − 0.01 · (1, 1) = (2.99, 2.99)

y is four times as steep as x, and goes no farther. The usual g over its usual size is at most about 1, and so it stays: **each step of Adam
is at most about lr long** in x and in y, however steep it is. In 100 steps of 0.01 it can go about 1; the minimum is 3 away. A guide to
the mathematics of deep learning runs just these 100 steps and prints "Adam converged to" and 2.06 twice. It was only stopped:

    >>> model = Optimizers("bowl", "adam", lr=0.01, start=(3.0, 3.0))
    >>> optimizer = model.configure_optimizers()["optimizer"]
    >>> def go(steps):
    ...     for _ in range(steps):
    ...         optimizer.zero_grad()
    ...         height = model.training_step((), 0)
    ...         model.backward()
    ...         optimizer.step()
    ...     return model.point.data.round(2).tolist()
    >>> go(1)
    [2.99, 2.99]
    >>> go(99)
    [2.06, 2.06]
    >>> go(900)
    [0.0, 0.0]

What has converged has a gradient near 0. Look at that, and not at how short the steps are.

Nobody would train this in practice: it is trained so that the steps of both sides can be compared and seen.

Sources: Polyak 1964 (momentum); Kingma & Ba 2015, Adam, section 2.1 (how long its steps are); each optimizer's own in manual/optim.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manual import optim
from manual.calculus.gradients import SURFACES
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.validate import expect_choice
from manual.optim import lr_scheduler as schedules


class Optimizers(Concept):
    """A point on a surface; one step goes down from where it is.

    Args:
        surface: "bowl", "valley" or "saddle".
        optimizer: a name of the table OPTIMIZERS: "gradient_descent", "momentum", "adam", ...
        lr: the step size; None is that of the table LR.
        start: where the point is at first, (x, y); None is the surface's own place.
        schedule: a name of the table SCHEDULES: "constant", "cosine", "one_cycle", ...
        horizon: the steps that the schedule is made for.
        rng: what every concept takes; nothing is drawn here.
        dtype: of the point.

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
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Optimizers", "surface", surface, tuple(SURFACES))
        expect_choice("Optimizers", "optimizer", optimizer, tuple(OPTIMIZERS))
        expect_choice("Optimizers", "schedule", schedule, tuple(SCHEDULES))
        if start is not None and len(start) != 2:
            raise ValueError(f"Optimizers: start must be two numbers (x, y), got {start!r}")
        if horizon < 1:
            raise ValueError(f"Optimizers: horizon must be at least 1, got {horizon}")
        self.schedule, self.horizon = schedule, horizon
        self.surface, self.optimizer = SURFACES[surface], optimizer
        self.lr = LR[optimizer][surface] if lr is None else lr
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

    def configure_optimizers(self) -> dict[str, Any]:
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
"""Each with its options. Those that the lesson does not have, in its letters:

    Nesterov    v ← β v + g                             p ← p − lr · (g + β v)    looks where the ball will be
    ASGD        gradient descent, lr shrinking          and beside it, in the end, the mean of where p was
    Rprop       p ← p − step · sign(g)                  step · 1.2 while g keeps its sign, · 0.5 when it turns
    Adagrad     s ← s + g²                              p ← p − lr · g/√s         steps only ever get shorter
    Adadelta    s as RMSprop, u of the steps' squares   p ← p − lr · √u · g/√s    as long as steps have been so far
    Adamax      s ← max(β₂ s, |g|)                      p ← p − lr · m/s          the largest g of late in place of a mean
    NAdam       Adam with Nesterov's look ahead
    RAdam       momentum at first, Adam from the sixth step on, when √s begins to mean something

Two more are drawn and not trained: L-BFGS, which asks for several gradients a step, and Muon, which is for matrices.
"""

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

SCHEDULES: dict[str, Callable[[optim.Optimizer, int], schedules.LRScheduler]] = {
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
"""Every schedule that looks at the step alone, made for a training of T steps. (ReduceLROnPlateau looks at the loss.)

Where every gradient is noisy, as those of batches are, a constant lr ends in jitter, the wider the larger lr is; a small lr from the start
gets nowhere. So lr begins large and shrinks (and is warmed up first, where the first steps could do harm).
"""


def heavy_ball_rate(lr: float, momentum: float, curvature: float) -> float:
    """By how much momentum brings the distance to the bottom down in a step, in the long run: |r|, the larger root's size.

    Written without v, momentum is pₖ₊₁ = pₖ − lr · g + β (pₖ − pₖ₋₁): the point keeps β of its last move, as a ball keeps its speed but for
    friction. Along a direction of curvature λ the gradient is λ p, so that

        pₖ₊₁ = (1 + β − lr λ) pₖ − β pₖ₋₁        which rᵏ solves if        r² − (1 + β − lr λ) r + β = 0

    Two roots, whose product is β. If they are complex the ball swings, and every swing is √β shorter a step; if they are real it creeps,
    as slowly as the larger root says. In between, at β = (1 − √(lr λ))², it comes to rest soonest. Above 1 the distance grows.

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods", section 3.
    """
    half = (1 + momentum - lr * curvature) / 2
    square = half**2 - momentum
    return abs(half) + square**0.5 if square > 0 else momentum**0.5


def jensen_gap(f: Callable[[np.ndarray], Any], points: np.ndarray, weights: np.ndarray) -> Any:
    """Σ w f(p) − f(Σ w p): how far the mean of the heights lies above the height at the mean. Never below 0 if f is convex.

    Convex is a surface that every chord lies above (or on): f(t a + (1 − t) b) ≤ t f(a) + (1 − t) f(b). The same for many points with
    weights w ≥ 0, Σ w = 1, is Jensen's inequality. A convex surface has no second valley to be caught in: where it is level, it is
    lowest. It is convex just if it bends down nowhere, in no direction: if no eigenvalue of its Hessian is below 0
    (manual/calculus/gradients.py has the Hessians). The bowl is convex. The saddle is not, because of the places where 3 y² < 1, nor the
    valley, because of those where y > x² + 1/200. Nor, as a rule, is the loss of a network with a hidden layer: swap two of its
    units, and the loss is the same; half-way between, it is not.

    Args:
        f: from (n,) to one number.
        points: (N, n).
        weights: (N,), none below 0, their sum 1.

    Raises:
        ValueError: if there are not as many weights as points, one is below 0, or they do not sum to 1.

    Source: Jensen 1906, "Sur les fonctions convexes et les inégalités entre les valeurs moyennes".
    """
    if weights.shape != points.shape[:1]:
        raise ValueError(f"jensen_gap: weights must be one for each of {len(points)} points, got shape {weights.shape}")
    if (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
        raise ValueError(f"jensen_gap: weights must not be below 0 and must sum to 1, got {weights.tolist()}")
    heights = np.array([f(p) for p in points])
    return weights @ heights - f(weights @ points)  # (N,) @ (N,), (N,) @ (N, n)
