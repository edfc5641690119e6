"""Derivatives: the same functions as plain torch expressions, and a cubic that is fitted in Lightning.

No function has a `_backward` here, because autograd writes it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from torch_impl.module import StraightLine

Function = Callable[[Tensor], Tensor]

# ---- the limit, as near as a computer comes to it --------------------------------------------------------


def forward_difference(f: Function, x: Tensor, h: float) -> Tensor:
    """(f(x + h) − f(x)) / h: the slope of the straight line through two points of the curve, the secant."""
    expect_step("forward_difference", h)
    return (f(x + h) - f(x)) / h


def central_difference(f: Function, x: Tensor, h: float) -> Tensor:
    """(f(x + h) − f(x − h)) / 2h: the secant through two points to both sides of x."""
    expect_step("central_difference", h)
    return (f(x + h) - f(x - h)) / (2 * h)


def complex_step(f: Function, x: Tensor, h: float = 1e-20) -> Tensor:
    """Im f(x + i h) / h: a step that is rounded by nothing, along the imaginary numbers."""
    expect_step("complex_step", h)
    y = f(torch.complex(x, torch.full_like(x, h)))
    if not y.is_complex():
        raise ValueError(f"complex_step: f must return complex numbers for complex numbers, got {y.dtype}")
    return y.imag / h


def expect_step(function: str, h: float) -> None:
    """Raise ValueError unless h is other than 0."""
    if h == 0:
        raise ValueError(f"{function}: h must not be 0: no line goes through one point, got {h}")


def derivative(f: Function, x: Tensor) -> Tensor:
    """f′ at every entry of x, by autograd: with an upstream of ones, backward gives the derivatives themselves."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(f(x).sum(), x)[0]


# ---- the rules -------------------------------------------------------------------------------------------


def add(a: Tensor, b: Tensor) -> Tensor:
    """y = a + b."""
    return a + b


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """y = a b."""
    return a * b


def divide(a: Tensor, b: Tensor) -> Tensor:
    """y = a / b."""
    return a / b


def power(x: Tensor, n: float) -> Tensor:
    """y = xⁿ, n a constant."""
    return x**n


def bell(x: Tensor) -> Tensor:
    """y = exp(−x²)."""
    return torch.exp(-(x**2))


# ---- functions that turn up everywhere ---------------------------------------------------------------------


def exp(x: Tensor) -> Tensor:
    """y = eˣ."""
    return torch.exp(x)


def log(x: Tensor) -> Tensor:
    """y = log x."""
    return torch.log(x)


def sin(x: Tensor) -> Tensor:
    """y = sin x."""
    return torch.sin(x)


def sigmoid(x: Tensor) -> Tensor:
    """y = 1 / (1 + e⁻ˣ)."""
    return torch.sigmoid(x)


def tanh(x: Tensor) -> Tensor:
    """y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)."""
    return torch.tanh(x)


def relu(x: Tensor) -> Tensor:
    """y = max(x, 0)."""
    return torch.relu(x)


def softplus(x: Tensor) -> Tensor:
    """y = log(1 + eˣ). (torch.nn.functional.softplus returns x itself above 20, and is off by 2e-9 there.)"""
    return torch.logaddexp(x, torch.zeros_like(x))


def gelu(x: Tensor) -> Tensor:
    """y = x Φ(x)."""
    return nn.functional.gelu(x)


# ---- what is trained -------------------------------------------------------------------------------------


def forward(x: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> dict[str, Tensor]:
    """The height of the curve at every x. Shapes: x (N,), a, b, c and d one number each, y_hat (N,)."""
    y_hat = a + b * x + c * x**2 + d * x**3
    return {"y_hat": y_hat}


def loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """The mean square of what the curve is off by."""
    return ((y_hat - y) ** 2).mean()


def slope(x: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The derivative of the curve itself, by autograd. Shape: (N,)."""
    return derivative(lambda x: forward(x, torch.zeros_like(b), b, c, d)["y_hat"], x)


def best_cubic(x: Tensor, y: Tensor) -> dict[str, float]:
    """The a, b, c and d of the lowest loss, as it is done in practice: from the QR decomposition of the powers of x."""
    solved = torch.linalg.lstsq(torch.stack([torch.ones_like(x), x, x**2, x**3], dim=1), y[:, None]).solution
    return dict(zip("abcd", solved[:, 0].tolist(), strict=True))


class Cubic(StraightLine):
    """ŷ = a + b x + c x² + d x³, fitted by gradient descent with momentum.

    Args:
        lr: the step size.
        momentum: how much of the last step is kept; c and d, whose x² and x³ are small, would take long without.

    Shapes: x (N,), y (N,), a, b, c and d one number each.
    """

    def __init__(self, lr: float = 0.3, momentum: float = 0.9) -> None:
        super().__init__(forward, loss)
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.a = nn.Parameter(torch.randn(()))
        self.b = nn.Parameter(torch.randn(()))
        self.c = nn.Parameter(torch.randn(()))
        self.d = nn.Parameter(torch.randn(()))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
