"""Derivatives: how fast one number changes when another one does, by hand.

If you failed pre-calculus: you know derivatives from driving. The clock x goes on, the road y grows, and the speedometer says how fast y
grows for each unit of x. That is all a derivative is: a speed, written ∂y/∂x, of anything with respect to anything. A neural network
learns by knowing one such speed for each of its weights, the numbers that it is made of: how fast does the loss, one number that says how
wrong it is, grow when this weight grows? Weights whose speed is above 0 are made smaller, the others larger. To get at a speed without a
speedometer, take two looks: how far has y come, divided by how long it took. In the figure "the secant becomes the tangent", look at the
lines through two points of a curve: the nearer the second point is to the first, the less they still turn. What they turn to is the
derivative. Very near is not better, because a computer has 16 digits only: that is the figure "how small a step".

    ∂y/∂x = (f(x + h) − f(x)) / h,  for h as near to 0 as you please

**Nobody computes it so.** A few rules say what comes out, and each is found by writing x + h for x, once:

    power       xⁿ                 n xⁿ⁻¹                     (x + h)² = x² + 2 x h + h²: 2 x for each h, and h² vanishes
    sum         a + b              ∂a + ∂b                    two speeds at once add up
    product     a b                ∂a · b + a · ∂b            a rectangle a by b grows by a strip along each of two sides
    quotient    a / b              (∂a · b − a · ∂b) / b²     the product rule for y b = a, solved for ∂y
    chain       f(g(x))            ∂f/∂g · ∂g/∂x              f twice as fast as g, g three times as fast as x: f is six times as fast

**In code** every rule is a pair. `multiply(a, b)` computes y. Under it stands `multiply_backward(dL_dy, a, b)`: it is told how
fast a loss L, far behind y, grows with y, and by the chain rule it says how fast L grows with a and with b, ∂L/∂a = ∂L/∂y · ∂y/∂a.
With dL_dy = 1 that is the derivative itself. Everything is done entry by entry; arrays have any shape, two inputs have the same.

Where a rule divides by 0 or leaves the numbers, the result is ±∞ or NaN, as in torch; NumPy adds a RuntimeWarning.

What is trained, `Cubic` at the end, is the curve ŷ = a + b x + c x² + d x³ through noisy points. ŷ (say y hat) is what the curve says
where y is what was measured; the loss is made of sums, products and powers, so the five rules are enough to train it.
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

# ---- the limit, as near as a computer comes to it --------------------------------------------------------


def forward_difference(f: Function, x: Any, h: float) -> Any:
    """(f(x + h) − f(x)) / h: the slope of the straight line through two points of the curve, the secant.

    Its error is about h · f″/2, what the curve bends between the points (truncation), plus about eps · f/h, because both values are
    rounded to a multiple of eps and their difference is then divided by h. The sum is least near h = √eps, 1e-8 in float64.

    Args:
        f: takes an array entry by entry.
        x: where.
        h: how far the second point is; below 0 it is on the other side.

    Raises:
        ValueError: if h is 0.
    """
    expect_step("forward_difference", h)
    return (f(x + h) - f(x)) / h


def central_difference(f: Function, x: Any, h: float) -> Any:
    """(f(x + h) − f(x − h)) / 2h: the secant through two points to both sides of x.

    What the curve bends cancels, so the truncation is h² · f‴/6 only, and the rounding eps · f/h as before. Least near h = ∛eps,
    6e-6 in float64, where eleven digits are right.

    Args:
        f: takes an array entry by entry.
        x: where.
        h: half the distance of the points.

    Raises:
        ValueError: if h is 0.
    """
    expect_step("central_difference", h)
    return (f(x + h) - f(x - h)) / (2 * h)


def complex_step(f: Function, x: Any, h: float = 1e-20) -> Any:
    """Im f(x + i h) / h: a step that is rounded by nothing, along the imaginary numbers.

    f(x + i h) = f(x) + i h f′(x) − h² f″(x)/2 − …, and i keeps the second term apart from the first: no difference is taken, so nothing
    cancels, and h can be so small that h² is 0. All digits are right.

    Args:
        f: takes a complex array entry by entry, by +, ·, /, powers, exp, log, sin, tanh and their kind; not by max, |x| or comparisons.
        x: where, real.
        h: the step.

    Raises:
        ValueError: if h is 0, or if f returns real numbers: it has thrown the imaginary part away.

    Source: Squire and Trapp 1998, "Using complex variables to estimate derivatives of real functions".
    """
    expect_step("complex_step", h)
    y = f(x + 1j * h)
    if not np.iscomplexobj(y):
        raise ValueError(f"complex_step: f must return complex numbers for complex numbers, got {np.asarray(y).dtype}")
    return y.imag / h


def expect_step(function: str, h: float) -> None:
    """Raise ValueError unless h is other than 0."""
    if h == 0:
        raise ValueError(f"{function}: h must not be 0: no line goes through one point, got {h}")


# ---- the rules -------------------------------------------------------------------------------------------


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


def divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """y = a / b."""
    expect_same_shape("divide", "a", a, "b", b)
    return a / b


def divide_backward(dL_dy: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The quotient rule. From y b = a and the product rule, ∂y/∂a · b = 1 and ∂y/∂b · b + y = 0: ∂y/∂a = 1/b, ∂y/∂b = −y/b."""
    dL_da = dL_dy / b
    dL_db = -dL_dy * (a / b) / b
    return dL_da, dL_db


def power(x: np.ndarray, n: float) -> np.ndarray:
    """y = xⁿ, n a constant. NaN where x < 0 and n is not a whole number; ∞ where x = 0 and n < 0."""
    return x**n


def power_backward(dL_dy: np.ndarray, x: np.ndarray, n: float) -> np.ndarray:
    """The power rule: n factors x, each grows while the n − 1 others stand by. ∂y/∂x = n xⁿ⁻¹.

    x⁰ is 1 everywhere and does not grow, also not at 0, where the formula would say 0 · ∞. At x = 0 it is ±∞ for all other n < 1.
    """
    if n == 0:
        return np.zeros_like(x)
    return dL_dy * (n * x ** (n - 1))


def bell(x: np.ndarray) -> np.ndarray:
    """y = exp(−x²), a function of a function of a function: u = x², v = −u, y = eᵛ."""
    return np.exp(-(x**2))


def bell_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The chain rule: last function first, and each is told what the one behind it answered. ∂y/∂x = eᵛ · (−1) · 2 x."""
    v = -(x**2)
    dL_dv = exp_backward(dL_dy, v)
    dL_du = -dL_dv
    dL_dx = power_backward(dL_du, x, 2)
    return dL_dx


# ---- functions that turn up everywhere ---------------------------------------------------------------------


def exp(x: np.ndarray) -> np.ndarray:
    """y = eˣ."""
    return np.exp(x)


def exp_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = eˣ. e is the number for which this is so: eˣ⁺ʰ − eˣ = eˣ (eʰ − 1), and eʰ − 1 is h for small h."""
    return dL_dy * np.exp(x)


def log(x: np.ndarray) -> np.ndarray:
    """y = log x, the number whose power of e is x: −∞ at 0, NaN below."""
    return np.log(x)


def log_backward(dL_dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """∂y/∂x = 1/x. From eʸ = x and the chain rule, eʸ · ∂y/∂x = 1. Where log is NaN this is a number all the same, as in torch."""
    return dL_dy / x


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


# ---- what is trained -------------------------------------------------------------------------------------


def forward(x: np.ndarray, a: Any, b: Any, c: Any, d: Any) -> dict[str, np.ndarray]:
    """The height of the curve at every x. Shapes: x (N,), a, b, c and d one number each, y_hat (N,)."""
    y_hat = a + b * x + c * x**2 + d * x**3
    return {"y_hat": y_hat}


def loss(y_hat: np.ndarray, y: np.ndarray) -> Any:
    """The mean square of what the curve is off by."""
    return ((y_hat - y) ** 2).mean()


def backward(x: np.ndarray, y: np.ndarray, y_hat: np.ndarray, a: Any, b: Any, c: Any, d: Any) -> dict[str, Any]:
    """How fast the loss grows with each height of the curve, and with each of the four numbers."""
    dL_dy_hat = 2 * (y_hat - y) / len(y)  # (N,): the power rule and the chain rule; the mean gave each point the weight 1/N
    dL_da = dL_dy_hat.sum()  # (N,) summed over the points: the sum rule; ŷ grows with a as fast as a does, everywhere
    dL_db = (dL_dy_hat * x).sum()  # (N,) times (N,), summed: the product rule; ŷ grows with b x times as fast
    dL_dc = (dL_dy_hat * x**2).sum()  # (N,) times (N,), summed
    dL_dd = (dL_dy_hat * x**3).sum()  # (N,) times (N,), summed
    return {"y_hat": dL_dy_hat, "a": dL_da, "b": dL_db, "c": dL_dc, "d": dL_dd}


def slope(x: np.ndarray, b: Any, c: Any, d: Any) -> np.ndarray:
    """The derivative of the curve itself, ∂ŷ/∂x = b + 2 c x + 3 d x², by the power rule: 0 on hilltops and in hollows. Shape: (N,)."""
    return b + 2 * c * x + 3 * d * x**2


def best_cubic(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The a, b, c and d of the lowest loss, without training: where all four derivatives are 0, which is four linear equations.

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
    return dict(zip("abcd", solved.tolist(), strict=True))


class Cubic(StraightLine):
    """ŷ = a + b x + c x² + d x³, fitted by gradient descent with momentum.

    Args:
        lr: the step size.
        momentum: how much of the last step is kept; c and d, whose x² and x³ are small, would take long without.
        rng: draws a, b, c and d from the standard normal distribution.
        dtype: of the parameters.

    Shapes: x (N,), y (N,), a, b, c and d one number each.
    """

    def __init__(self, lr: float = 0.3, momentum: float = 0.9, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        rng = rng or np.random.default_rng()
        self.lr, self.momentum = lr, momentum
        self.a = Parameter(np.array(rng.standard_normal(), dtype))
        self.b = Parameter(np.array(rng.standard_normal(), dtype))
        self.c = Parameter(np.array(rng.standard_normal(), dtype))
        self.d = Parameter(np.array(rng.standard_normal(), dtype))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
