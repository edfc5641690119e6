"""Derivatives: the same functions as plain torch expressions, and a cubic that is fitted in Lightning.

No function has a `_backward` here, because autograd writes it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from torch_impl.module import StraightLine

Function = Callable[[Tensor], Tensor]


# ---- two looks, and autograd ----------------------------------------------------------------------------


def forward_difference(f: Function, x: Tensor, eps: float) -> Tensor:
    """(f(x + ε) − f(x)) / ε."""
    expect_step("forward_difference", eps)
    return (f(x + eps) - f(x)) / eps


def derivative(f: Function, x: Tensor) -> Tensor:
    """∂y/∂x at every entry of x, by autograd: with dL_dy = 1 it gives the derivatives themselves."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(f(x).sum(), x)[0]


# ---- the rules ------------------------------------------------------------------------------------------


def add(a: Tensor, b: Tensor) -> Tensor:
    """y = a + b."""
    return a + b


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """y = a b."""
    return a * b


def power(x: Tensor, n: float) -> Tensor:
    """y = xⁿ, n a constant."""
    return x**n


# ---- what is trained ------------------------------------------------------------------------------------


def forward(x: Tensor, w0: Tensor, w1: Tensor, w2: Tensor, w3: Tensor) -> dict[str, Tensor]:
    """The height of the curve at every x. Shapes: x (N,), the weights one number each, y_hat (N,)."""
    y_hat = w0 + w1 * x + w2 * x**2 + w3 * x**3
    return {"y_hat": y_hat}


def loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """The mean square of what the curve is off by."""
    return ((y_hat - y) ** 2).mean()


def slope(x: Tensor, w1: Tensor, w2: Tensor, w3: Tensor) -> Tensor:
    """The derivative of the curve itself, by autograd. Shape: (N,)."""
    return derivative(lambda x: forward(x, torch.zeros_like(w1), w1, w2, w3)["y_hat"], x)


class Cubic(StraightLine):
    """ŷ = w0 + w1 x + w2 x² + w3 x³, fitted by gradient descent with momentum.

    Args:
        lr: the learning rate.
        momentum: this part of the last step is added to each step.

    Shapes: x (N,), y (N,), the weights one number each.
    """

    def __init__(self, lr: float = 0.3, momentum: float = 0.9) -> None:
        super().__init__(forward, loss)
        self.save_hyperparameters()
        self.lr, self.momentum = lr, momentum
        self.w0 = nn.Parameter(torch.randn(()))
        self.w1 = nn.Parameter(torch.randn(()))
        self.w2 = nn.Parameter(torch.randn(()))
        self.w3 = nn.Parameter(torch.randn(()))

    def configure_optimizers(self) -> torch.optim.SGD:
        return torch.optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: differences with more digits ------------------------------------------------------


def central_difference(f: Function, x: Tensor, eps: float) -> Tensor:
    """(f(x + ε) − f(x − ε)) / 2ε: the secant through two points to both sides of x."""
    expect_step("central_difference", eps)
    return (f(x + eps) - f(x - eps)) / (2 * eps)


def complex_step(f: Function, x: Tensor, eps: float = 1e-20) -> Tensor:
    """Im f(x + i ε) / ε: a step that is rounded by nothing, along the imaginary numbers."""
    expect_step("complex_step", eps)
    y = f(torch.complex(x, torch.full_like(x, eps)))
    if not y.is_complex():
        raise ValueError(f"complex_step: f must return complex numbers for complex numbers, got {y.dtype}")
    return y.imag / eps


def expect_step(function: str, eps: float) -> None:
    """Raise ValueError unless eps is other than 0."""
    if eps == 0:
        raise ValueError(f"{function}: eps must not be 0: no line goes through one point, got {eps}")


# ---- further reading: more functions --------------------------------------------------------------------


def divide(a: Tensor, b: Tensor) -> Tensor:
    """y = a / b."""
    return a / b


def exp(x: Tensor) -> Tensor:
    """y = eˣ."""
    return torch.exp(x)


def log(x: Tensor) -> Tensor:
    """y = log x."""
    return torch.log(x)


def bell(x: Tensor) -> Tensor:
    """y = exp(−x²)."""
    return torch.exp(-(x**2))


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


# ---- further reading: the four weights without training -------------------------------------------------


def best_cubic(x: Tensor, y: Tensor) -> dict[str, float]:
    """The weights of the lowest loss, as it is done in practice: from the QR decomposition of the powers of x."""
    solved = torch.linalg.lstsq(torch.stack([torch.ones_like(x), x, x**2, x**3], dim=1), y[:, None]).solution
    return {f"w{n}": w for n, w in enumerate(solved[:, 0].tolist())}
