"""Derivatives: how fast one number changes when another one does, by hand.

If you failed pre-calculus: you know derivatives from driving. The clock x goes on, the road y grows, and the speedometer says how fast y
grows for each unit of x. That is all a derivative is: a speed, written ∂y/∂x, of anything with respect to anything. `one_weight` had
one: how fast the loss grows with the weight. A network has one for each of its weights, and learns by them: a weight whose speed is
above 0 is made smaller, one whose speed is below 0 larger.

What makes y of x is called a function, and its result is written f(x), "f of x". To get at its speed without a speedometer take two
looks: how far has y come, divided by how far x has come, which is ε. The smaller ε is, the nearer:

    ∂y/∂x ≈ (f(x + ε) − f(x)) / ε        ≈ says "nearly"

**On paper.** How fast does y = x² grow at x = 3, where it is 9?

    ε         (3 + ε)²     (3 + ε)² − 9     divided by ε
    1         16           7                7
    0.1       9.61         0.61             6.1
    0.01      9.0601       0.0601           6.01

It goes to 6. Written out, (x + ε)² − x² = 2 x ε + ε², and divided by ε that is 2 x + ε. When ε vanishes 2 x is left, which is 6 at 3:

    >>> [round(forward_difference(lambda x: x**2, 3.0, eps), 6) for eps in (1.0, 0.1, 0.01)]
    [7.0, 6.1, 6.01]
    >>> power_backward(1.0, 3.0, 2)
    6.0

The figure "the secant becomes the tangent" shows such looks as lines through two points of the curve, secants. What they turn to as ε
shrinks is the tangent.

**The rules.** Nobody computes a derivative from two looks. A few rules say what comes out, each found as above, once. ∂a is how fast
a grows with x:

    power       xⁿ             n xⁿ⁻¹                     xⁿ is n factors x. For n = 2 this is 2 x, for n = 3 it is 3 x²
    sum         a + b          ∂a + ∂b                    two speeds at once add up
    product     a b            ∂a · b + a · ∂b            a rectangle a by b grows by a strip along each of two sides
    chain       f(g(x))        ∂f/∂g · ∂g/∂x              f twice as fast as g, g three times as fast as x: f is six times as fast
    exp         eˣ             eˣ                         the power of e = 2.718…: it grows as fast as it is large
    log         log x          1/x                        the power of e that is x: log 1 = 0, because e⁰ = 1

**In code** every rule is a pair. `multiply(a, b)` computes y. Under it stands `multiply_backward(dL_dy, a, b)`: it is told how
fast a loss L, far behind y, grows with y, and by the chain rule it says how fast L grows with a and with b: ∂L/∂a = ∂L/∂y · ∂y/∂a.
With dL_dy = 1 that is the derivative itself. (`divide`, `exp`, `log` and more are further reading, at the end of the file.)

What is trained, `Cubic`, is the curve ŷ = w0 + w1 x + w2 x² + w3 x³ through noisy points. Its loss is made of sums, products and powers,
so the rules are enough to train its four weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf, expit

from manual import optim
from manual.concept import StraightLine
from manual.module import Parameter
from manual.nn.validate import expect_same_shape

Function = Callable[[Any], Any]


# ---- two looks ------------------------------------------------------------------------------------------


def forward_difference(f: Function, x: Any, eps: float) -> Any:
    """(f(x + ε) − f(x)) / ε: the slope of the secant, the straight line through two points of the curve.

    Args:
        f: takes an array entry by entry.
        x: where, an array or a number.
        eps: how far the second point is.

    Raises:
        ValueError: if eps is 0.
    """
    expect_step("forward_difference", eps)
    return (f(x + eps) - f(x)) / eps


# ---- the rules ------------------------------------------------------------------------------------------


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """y = a + b."""
    expect_same_shape("add", "a", a, "b", b)
    return a + b


def add_backward(dL_dy: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sum rule: y grows as fast as a does, and as b does. ∂y/∂a = 1, ∂y/∂b = 1."""
    return dL_dy, dL_dy


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """y = a b."""
    expect_same_shape("multiply", "a", a, "b", b)
    return a * b


def multiply_backward(dL_dy: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The product rule: the strip that a rectangle gains when one side grows is as long as the other side. ∂y/∂a = b, ∂y/∂b = a."""
    dL_da = dL_dy * b
    dL_db = dL_dy * a
    return dL_da, dL_db


def power(x: np.ndarray, n: float) -> np.ndarray:
    """y = xⁿ, n a constant."""
    return x**n


def power_backward(dL_dy: np.ndarray, x: np.ndarray, n: float) -> np.ndarray:
    """The power rule: n factors x, each grows while the n − 1 others stand by. ∂y/∂x = n xⁿ⁻¹.

    x⁰ is 1 everywhere and does not grow.
    """
    if n == 0:
        return np.zeros_like(x)
    return dL_dy * (n * x ** (n - 1))


# ---- what is trained ------------------------------------------------------------------------------------


def forward(x: np.ndarray, w0: Any, w1: Any, w2: Any, w3: Any) -> dict[str, np.ndarray]:
    """The height of the curve at every x. Shapes: x (N,), the weights one number each, y_hat (N,)."""
    y_hat = w0 + w1 * x + w2 * x**2 + w3 * x**3
    return {"y_hat": y_hat}


def loss(y_hat: np.ndarray, y: np.ndarray) -> Any:
    """The mean square of what the curve is off by."""
    return ((y_hat - y) ** 2).mean()


def backward(x: np.ndarray, y: np.ndarray, y_hat: np.ndarray, w0: Any, w1: Any, w2: Any, w3: Any) -> dict[str, Any]:
    """How fast the loss grows with each height of the curve, and with each of the four weights."""
    dL_dy_hat = 2 * (y_hat - y) / len(y)  # (N,): the power rule and the chain rule; the mean divides by N
    dL_dw0 = dL_dy_hat.sum()  # (N,) summed over the points: ŷ grows as fast as w0, everywhere
    dL_dw1 = (dL_dy_hat * x).sum()  # (N,) times (N,), summed: the product rule; ŷ grows x times as fast as w1
    dL_dw2 = (dL_dy_hat * x**2).sum()  # (N,) times (N,), summed
    dL_dw3 = (dL_dy_hat * x**3).sum()  # (N,) times (N,), summed
    return {"y_hat": dL_dy_hat, "w0": dL_dw0, "w1": dL_dw1, "w2": dL_dw2, "w3": dL_dw3}


def slope(x: np.ndarray, w1: Any, w2: Any, w3: Any) -> np.ndarray:
    """The derivative of the curve itself, ∂ŷ/∂x = w1 + 2 w2 x + 3 w3 x²: 0 on hilltops and in hollows. Shape: (N,)."""
    return w1 + 2 * w2 * x + 3 * w3 * x**2


class Cubic(StraightLine):
    """ŷ = w0 + w1 x + w2 x² + w3 x³, fitted by gradient descent with momentum.

    Args:
        lr: the learning rate.
        momentum: this part of the last step is added to each; w2 and w3, whose x² and x³ are small, would take long without.
        rng: draws the weights, somewhere near 0 (standard normal).
        dtype: of the weights.

    Shapes: x (N,), y (N,), the weights one number each.
    """

    def __init__(self, lr: float = 0.3, momentum: float = 0.9, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        rng = rng or np.random.default_rng()
        self.lr, self.momentum = lr, momentum
        self.w0 = Parameter(np.array(rng.standard_normal(), dtype))
        self.w1 = Parameter(np.array(rng.standard_normal(), dtype))
        self.w2 = Parameter(np.array(rng.standard_normal(), dtype))
        self.w3 = Parameter(np.array(rng.standard_normal(), dtype))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: differences with more digits ------------------------------------------------------

# A difference is wrong in two ways. The curve bends between the two points (truncation); and both values are rounded, by about
# δ = 2e-16 of themselves, and the rounding is divided by ε. With f″ for the derivative of the derivative, and f‴ for that of f″:
#
#     f(x + ε) = f(x) + ε f′ + ε² f″/2 + ε³ f‴/6 + …
#     forward    ε f″/2  + δ f/ε      least near ε = √δ, 1e-8 in float64, where eight digits are right
#     central    ε² f‴/6 + δ f/ε      least near ε = ∛δ, 6e-6 in float64, where eleven digits are right


def central_difference(f: Function, x: Any, eps: float) -> Any:
    """(f(x + ε) − f(x − ε)) / 2ε: the secant through two points to both sides of x. What the curve bends, ε² f″/2, cancels.

    Args:
        f: takes an array entry by entry.
        x: where.
        eps: half the distance of the points.

    Raises:
        ValueError: if eps is 0.
    """
    expect_step("central_difference", eps)
    return (f(x + eps) - f(x - eps)) / (2 * eps)


def complex_step(f: Function, x: Any, eps: float = 1e-20) -> Any:
    """Im f(x + i ε) / ε: a step that is rounded by nothing, along the imaginary numbers.

    f(x + i ε) = f(x) + i ε f′ − ε² f″/2 − …, and i, whose square is −1, keeps the second term apart from the first: no difference is
    taken, so nothing cancels, and ε can be so small that ε² is 0. All digits are right.

    Args:
        f: takes a complex array entry by entry, by +, ·, /, powers, exp, log, sin, tanh and their kind; not by max, |x| or comparisons.
        x: where, real.
        eps: the step.

    Raises:
        ValueError: if eps is 0, or if f returns real numbers: it has thrown the imaginary part away.

    Source: Squire and Trapp 1998, "Using complex variables to estimate derivatives of real functions".
    """
    expect_step("complex_step", eps)
    y = f(x + 1j * eps)
    if not np.iscomplexobj(y):
        raise ValueError(f"complex_step: f must return complex numbers for complex numbers, got {np.asarray(y).dtype}")
    return y.imag / eps


def expect_step(function: str, eps: float) -> None:
    """Raise ValueError unless eps is other than 0."""
    if eps == 0:
        raise ValueError(f"{function}: eps must not be 0: no line goes through one point, got {eps}")


# ---- further reading: more functions, and their derivatives ---------------------------------------------

# Where a rule divides by 0 or leaves the numbers the result is ±∞ or NaN, as in torch, and NumPy adds a RuntimeWarning. So xⁿ is NaN where
# x < 0 and n is not a whole number, and ∞ where x = 0 and n < 0; its derivative at 0 is ±∞ for all n < 1 but 0, for which n xⁿ⁻¹ would say
# 0 · ∞. log x is −∞ at 0 and NaN below, where its derivative 1/x is a number all the same.


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """y = a / b."""
    expect_same_shape("divide", "a", a, "b", b)
    return a / b


def divide_backward(dL_dy: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The quotient rule. From y b = a and the product rule, ∂y/∂a · b = 1 and ∂y/∂b · b + y = 0: ∂y/∂a = 1/b, ∂y/∂b = −y/b."""
    dL_da = dL_dy / b
    dL_db = -dL_dy * (a / b) / b
    return dL_da, dL_db


def exp(x: np.ndarray) -> np.ndarray:
    """y = eˣ."""
    return np.exp(x)


def exp_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = eˣ. e is the number for which this is so: e to x + ε is eˣ e^ε, which is eˣ (e^ε − 1) more, and e^ε − 1 ≈ ε."""
    return dL_dy * np.exp(x)


def log(x: np.ndarray) -> np.ndarray:
    """y = log x, the power of e that is x."""
    return np.log(x)


def log_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = 1/x. From eʸ = x and the chain rule, eʸ · ∂y/∂x = 1."""
    return dL_dy / x


def bell(x: np.ndarray) -> np.ndarray:
    """y = exp(−x²), the chain rule twice: u = x², v = −u, y = eᵛ."""
    return np.exp(-(x**2))


def bell_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Last function first, and each is told what the one behind it answered. ∂y/∂x = eᵛ · (−1) · 2 x."""
    v = -(x**2)
    dL_dv = exp_backward(dL_dy, v)
    dL_du = -dL_dv
    dL_dx = power_backward(dL_du, x, 2)
    return dL_dx


def sin(x: np.ndarray) -> np.ndarray:
    """y = sin x, x in radians: the height of a point that has walked x along a circle of radius 1."""
    return np.sin(x)


def sin_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = cos x: the walker goes at right angles to the radius, so the height grows as fast as the radius points sideways."""
    return dL_dy * np.cos(x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """y = 1 / (1 + e⁻ˣ): any number becomes one between 0 and 1. (SciPy's expit is this, without overflow.)"""
    return expit(x)


def sigmoid_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = y (1 − y). By the quotient and chain rules e⁻ˣ / (1 + e⁻ˣ)², and e⁻ˣ / (1 + e⁻ˣ) is 1 − y. It is 1/4 at most, at x = 0."""
    y = expit(x)
    return dL_dy * (y * (1 - y))


def tanh(x: np.ndarray) -> np.ndarray:
    """y = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ): any number becomes one between −1 and 1."""
    return np.tanh(x)


def tanh_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = 1 − y². With p = eˣ + e⁻ˣ and m = eˣ − e⁻ˣ, ∂p = m and ∂m = p, so the quotient rule gives (p² − m²)/p²."""
    return dL_dy * (1 - np.tanh(x) ** 2)


def relu(x: np.ndarray) -> np.ndarray:
    """y = max(x, 0)."""
    return np.maximum(x, 0)


def relu_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = 1 where x > 0, 0 where x < 0. At the kink secants from left and right disagree: no derivative; 0, as torch."""
    return np.where(x <= 0, 0, dL_dy)  # NaN is not ≤ 0: there the gradient passes, as in torch


def softplus(x: np.ndarray) -> np.ndarray:
    """y = log(1 + eˣ), a ReLU with a round corner. logaddexp(0, x) is log(e⁰ + eˣ) without overflow."""
    return np.logaddexp(0, x)


def softplus_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = eˣ / (1 + eˣ) = σ(x), the sigmoid, by the chain rule."""
    return dL_dy * expit(x)


def gelu(x: np.ndarray) -> np.ndarray:
    """y = x Φ(x), Φ(x) = ½ (1 + erf(x/√2)) the fraction of a standard Normal below x: a ReLU that is not sure near 0."""
    return x * (0.5 * (1 + erf(x / math.sqrt(2))))


def gelu_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = Φ(x) + x φ(x), the product rule; φ(x) = ∂Φ/∂x = e^(−x²/2)/√(2π) is the bell curve.

    Source: Hendrycks and Gimpel 2016, "Gaussian error linear units".
    """
    Phi = 0.5 * (1 + erf(x / math.sqrt(2)))
    phi = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return dL_dy * (Phi + x * phi)


# ---- further reading: the four weights without training -------------------------------------------------


def best_cubic(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The weights of the lowest loss, without training: where all four derivatives are 0, which is four linear equations.

    Args:
        x, y: (N,) each.

    Raises:
        ValueError: if there are fewer than four different x: many cubics are then equally good.
    """
    different = len(np.unique(x))
    if different < 4:
        raise ValueError(f"best_cubic: x must have at least 4 different values, got {different}")
    powers = np.stack([np.ones_like(x), x, x**2, x**3])  # (4, N)
    solved = np.linalg.solve(powers @ powers.T, powers @ y)  # (4, N) @ (N, 4), (4, N) @ (N,)
    return {f"w{n}": w for n, w in enumerate(solved.tolist())}
