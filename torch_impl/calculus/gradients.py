"""Gradients: derivatives of functions of many numbers, by autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from torch_impl.module import Concept

# ---- a surface --------------------------------------------------------------------------------------------


def bowl(point: Tensor) -> Tensor:
    """f = x² + 4 y². Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + 4 * y**2


class Surface(NamedTuple):
    """A surface, where a point starts (numbers that float32 holds exactly) and where it could come to rest."""

    height: Callable[[Tensor], Tensor]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]


# ---- slopes ----------------------------------------------------------------------------------------------


def partial_derivative(f: Callable[[Tensor], Tensor], p: Tensor, i: int) -> Tensor:
    """∂f/∂pᵢ: one entry of the gradient, which autograd has at once."""
    return torch.func.grad(f)(p)[i]


def directional_derivative(gradient: Tensor, direction: Tensor) -> Tensor:
    """The slope along a direction: g · d/‖d‖."""
    return gradient @ (direction / direction.norm())


# ---- what is trained -------------------------------------------------------------------------------------


LR = {
    "gradient_descent": {"bowl": 0.1, "valley": 0.002, "saddle": 0.1},
    "newton": {"bowl": 1.0, "valley": 1.0, "saddle": 1.0},
}
"""The default lr of each method on each surface."""


class Descent(Concept):
    """A point on a surface, which walks down.

    Args:
        surface: "bowl", "valley" or "saddle".
        method: "gradient_descent"; or "newton" (further reading).
        lr: the step size; None is that of the table LR.
        start: where the point is at first, (x, y); None is the surface's own place.

    Raises:
        ValueError: if there is no such surface or method, or start is not two numbers.
    """

    def __init__(
        self,
        surface: str = "bowl",
        method: str = "gradient_descent",
        lr: float | None = None,
        start: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        for name, value, choices in (("surface", surface, SURFACES), ("method", method, LR)):
            if value not in choices:
                raise ValueError(f"Descent: {name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
        if start is not None and len(start) != 2:
            raise ValueError(f"Descent: start must be two numbers (x, y), got {start!r}")
        self.save_hyperparameters()
        self.surface, self.hessian, self.method = SURFACES[surface], HESSIANS[surface], method
        self.lr = LR[method][surface] if lr is None else lr
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
        self.log("distance/val", (self.point - self.point.new_tensor(self.surface.minima)).norm(dim=1).min())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.method == "newton":
            return Newton(self.parameters(), self.hessian, lr=self.lr)
        return torch.optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: two more surfaces ---------------------------------------------------------------------


def valley(point: Tensor) -> Tensor:
    """f = (1 − x)² + 100 (y − x²)². Shapes: point (2, ...), f (...). Source: Rosenbrock 1960."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def saddle(point: Tensor) -> Tensor:
    """f = x² + (y² − 1)²/4, which is x² − y²/2 + 1/4 near (0, 0) and not below 0 anywhere. Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + (y**2 - 1) ** 2 / 4


SURFACES = {
    "bowl": Surface(bowl, (-2.0, 1.0), ((0.0, 0.0),)),
    "valley": Surface(valley, (-1.25, 1.0), ((1.0, 1.0),)),
    "saddle": Surface(saddle, (-1.5, 1 / 64), ((0.0, 1.0), (0.0, -1.0))),
}


# ---- further reading: second derivatives -------------------------------------------------------------------
#
# Every product and matrix is had from the functions themselves: a vector-Jacobian product is what autograd computes, and everything else
# is made of it.


def hessian(f: Callable[[Tensor], Tensor], p: Tensor) -> Tensor:
    """∂²f/∂p²: the Jacobian of the gradient, backwards through backwards. Shapes: p (n,), H (n, n)."""
    return torch.func.jacrev(torch.func.grad(f))(p)


def bowl_hessian(point: Tensor) -> Tensor:
    """∂²/∂point² of the bowl."""
    return hessian(bowl, point)


def valley_hessian(point: Tensor) -> Tensor:
    """∂²/∂point² of the valley."""
    return hessian(valley, point)


def saddle_hessian(point: Tensor) -> Tensor:
    """∂²/∂point² of the saddle."""
    return hessian(saddle, point)


def hessian_vector_product(f: Callable[[Tensor], Tensor], p: Tensor, v: Tensor) -> Tensor:
    """H v, without H: the gradient of g · v, since v does not depend on p."""
    return torch.func.grad(lambda p: torch.func.grad(f)(p) @ v)(p)


HESSIANS = {"bowl": bowl_hessian, "valley": valley_hessian, "saddle": saddle_hessian}


# ---- further reading: Newton's method ------------------------------------------------------------------------


def newton_step(gradient: Tensor, H: Tensor) -> Tensor:
    """−H⁻¹ g."""
    return -torch.linalg.solve(H, gradient)


class Newton(torch.optim.Optimizer):
    """Newton's method: p ← p − lr · H⁻¹ g, for one parameter that has no more than one axis.

    Args:
        params: the parameter, in a list.
        hessian: from p to H.
        lr: 1 is Newton's own; less is "damped".
    """

    def __init__(self, params: Iterable[Any], hessian: Callable[[Tensor], Tensor], lr: float = 1.0) -> None:
        self.hessian = hessian
        super().__init__(params, {"lr": lr})

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; closure computes the gradients anew."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    H = self.hessian(p.detach())
                    with torch.no_grad():
                        p += group["lr"] * newton_step(p.grad, H)
        return loss


# ---- further reading: functions of several outputs ---------------------------------------------------------


def sphere(p: Tensor) -> Tensor:
    """The point of the globe at longitude u and latitude v (radians). Shapes: (2, ...) to (3, ...)."""
    u, v = p
    return torch.stack([torch.cos(v) * torch.cos(u), torch.cos(v) * torch.sin(u), torch.sin(v)])


def sphere_jvp(p: Tensor, dp: Tensor) -> Tensor:
    """J dp: the Jacobian-vector product."""
    return torch.autograd.functional.jvp(sphere, p, dp)[1]


def sphere_jacobian(p: Tensor) -> Tensor:
    """J[o, i] = ∂yₒ/∂pᵢ, one vector-Jacobian product for each row. Shapes: p (2,), J (3, 2)."""
    return torch.func.jacrev(sphere)(p)


def dense(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """y = tanh(x W + b), for one example. Shapes: x (I,), W (I, O), b (O,), y (O,)."""
    return torch.tanh(x @ W + b)


def dense_jvp(x: Tensor, W: Tensor, b: Tensor, dx: Tensor, dW: Tensor, db: Tensor) -> Tensor:
    """How y moves when x, W and b move along dx, dW and db: the Jacobian-vector product. Shape: dy (O,)."""
    return torch.autograd.functional.jvp(dense, (x, W, b), (dx, dW, db))[1]


def dense_jacobian(x: Tensor, W: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """∂y/∂x (O, I), ∂y/∂W (O, I, O) and ∂y/∂b (O, O), in full."""
    return torch.func.jacrev(dense, argnums=(0, 1, 2))(x, W, b)


def dense_hvp(dL_dy: Tensor, x: Tensor, W: Tensor, b: Tensor, dx: Tensor, dW: Tensor, db: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How ∂L/∂x, ∂L/∂W and ∂L/∂b change when x, W and b move along dx, dW and db: the gradient of (gradient · direction)."""
    every = (0, 1, 2)

    def along(*inputs: Tensor) -> Tensor:
        gradients = torch.func.grad(lambda *inputs: dL_dy @ dense(*inputs), argnums=every)(*inputs)
        return sum((g * d).sum() for g, d in zip(gradients, (dx, dW, db), strict=True))

    return torch.func.grad(along, argnums=every)(x, W, b)
