"""Activations: the twins of torch.nn.ReLU, Tanh, GELU and their kin.

Where not said otherwise, x and y have the same shape, any; the derivative of entry i of y is with respect to entry i of x
alone, so that ∂L/∂xᵢ = ∂L/∂yᵢ ∂yᵢ/∂xᵢ; and x that is not a floating point array raises TypeError.

A derivative in pieces is written as a sum of products with masks, [x > 0] being 1 where x > 0 and 0 elsewhere. That is how
it reads on paper, and on random signs it is several times as fast as np.where, which has to guess a branch for each entry.
At a kink the subgradient is torch's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import erf

from manual.module import Module, Parameter
from manual.nn.functional import sigmoid, softplus
from manual.nn.softmax import expect_axis
from manual.nn.validate import expect_array, expect_choice

# ---- straight in pieces --------------------------------------------------------------------------


class ReLU(Module):
    """y = max(x, 0) (torch.nn.ReLU).

        ∂y/∂x = [x > 0]

    At the kink, x = 0, it is 0.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("ReLU", "x", x)
        y = np.maximum(x, 0)
        self.save(y)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        y = self.restore()
        return dL_dy * ~(y <= 0)  # not y > 0: where x is NaN the gradient passes, as in torch


class LeakyReLU(Module):
    """y = max(x, 0) + a min(x, 0) (torch.nn.LeakyReLU).

        ∂y/∂x = [x > 0] + a [x ≤ 0]

    At the kink, x = 0, it is a.

    Args:
        negative_slope: a.
    """

    _shows = "negative_slope={negative_slope}"

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("LeakyReLU", "x", x)
        positive = x > 0
        self.save(positive)
        return np.maximum(x, 0) + self.negative_slope * np.minimum(x, 0)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        positive = self.restore()
        return dL_dy * positive + self.negative_slope * dL_dy * ~positive


class PReLU(Module):
    """LeakyReLU whose slope is learned, one for all or one for each channel: y = max(x, 0) + w min(x, 0) (torch.nn.PReLU).

        ∂y/∂x = [x > 0] + w [x ≤ 0]
        ∂y/∂w = min(x, 0)           dL_dw[c] = Σ dL_dy min(x, 0) over all entries that w[c] was used for

    At the kink, x = 0, ∂y/∂x is w.

    Args:
        num_parameters: 1, or the size of axis 1 of x.
        init: the initial w (0.25: He et al. 2015, "Delving deep into rectifiers", section 2.1).
        dtype: of w.

    Shapes: x and y (N, C, ...), or any if num_parameters is 1; weight (num_parameters,).

    Raises:
        ValueError: if num_parameters is below 1, or neither 1 nor the size of axis 1 of x.
        TypeError: if x is not an array of the weight's dtype.
    """

    _shows = "num_parameters={weight.shape[0]}"

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = np.float64) -> None:
        super().__init__()
        if num_parameters < 1:
            raise ValueError(f"PReLU: num_parameters must be at least 1, got {num_parameters}")
        self.weight = Parameter(np.full(num_parameters, init, dtype=dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("PReLU", "x", x, self.weight.dtype)
        C = self.weight.size
        if C > 1 and (x.ndim < 2 or x.shape[1] != C):
            raise ValueError(f"PReLU: axis 1 of x must be num_parameters = {C}, got shape {x.shape}")
        self.save(x)
        return np.maximum(x, 0) + self.along_channels(x) * np.minimum(x, 0)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        dL_dw = dL_dy * np.minimum(x, 0)  # (N, C, ...): what each use of w adds
        uses = tuple(axis for axis in range(x.ndim) if axis != 1 or self.weight.size == 1)
        self.weight.grad += dL_dw.sum(axis=uses).reshape(self.weight.shape)  # (C,), or () -> (1,)
        positive = x > 0
        return dL_dy * positive + self.along_channels(x) * dL_dy * ~positive

    def along_channels(self, x: np.ndarray) -> np.ndarray:
        """The slopes, shaped so that they broadcast along axis 1 of x: (C, 1, ...)."""
        return self.weight.reshape(-1, *[1] * (x.ndim - 2)) if x.ndim else self.weight[0]  # the one slope of one number


class Hardtanh(Module):
    """y = x, but no less than a and no more than b (torch.nn.Hardtanh).

        ∂y/∂x = [a < x < b]

    At both kinks, x = a and x = b, it is 0 (that of torch.clamp is 1).

    Args:
        min_val, max_val: a and b.

    Raises:
        ValueError: unless min_val < max_val.
    """

    _shows = "min_val={min_val}, max_val={max_val}"

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        if not min_val < max_val:
            raise ValueError(f"{type(self).__name__}: min_val must be below max_val, got {min_val} and {max_val}")
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array(type(self).__name__, "x", x)
        self.save((self.min_val < x) & (x < self.max_val))
        return np.clip(x, self.min_val, self.max_val)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        inside = self.restore()
        return dL_dy * inside


class ReLU6(Hardtanh):
    """y = x, but no less than 0 and no more than 6 (torch.nn.ReLU6): Hardtanh between 0 and 6, its gradient 0 at both."""

    _shows = ""

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)


class Hardsigmoid(Module):
    """y = x / 6 + 1/2, but no less than 0 and no more than 1: a sigmoid of three straight pieces (torch.nn.Hardsigmoid).

        ∂y/∂x = 1/6 [−3 < x < 3]

    At both kinks, x = ±3, it is 0.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Hardsigmoid", "x", x)
        self.save((x > -3) & (x < 3))
        return np.clip(x + 3, 0, 6) / 6

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        inside = self.restore()
        return dL_dy * inside / 6


class Hardswish(Module):
    """y = x h, with h = Hardsigmoid(x) = x / 6 + 1/2 between 0 and 1 (torch.nn.Hardswish).

        ∂y/∂x = h + x ∂h/∂x = h + x / 6 [−3 < x < 3]

    At the kinks it is 0 for x = −3 and 1 for x = 3. x held between −3 and 3, c, does for both terms: h = (c + 3) / 6.
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Hardswish", "x", x)
        c = np.clip(x, -3, 3)
        self.save(c)
        return x * ((c + 3) / 6)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        c = self.restore()
        inside = np.abs(c) < 3
        return dL_dy * ((c + 3) / 6 + c / 6 * inside)


# ---- exponential ---------------------------------------------------------------------------------


class ELU(Module):
    """y = x where x > 0, α (eˣ − 1) elsewhere (torch.nn.ELU).

        ∂y/∂x = [x > 0] + α eˣ [x ≤ 0]

    At x = 0, a kink unless α is 1, it is α. Where x > 0 the power is taken of 0, so that it cannot overflow.

    Args:
        alpha: α.
    """

    _shows = "alpha={alpha}"

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("ELU", "x", x)
        positive, below = x > 0, np.minimum(x, 0)
        self.save(positive, below)
        return np.maximum(x, 0) + self.alpha * np.expm1(below)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        positive, below = self.restore()
        return dL_dy * positive + dL_dy * self.alpha * np.exp(below) * ~positive


class SELU(Module):
    """y = λ x where x > 0, λ α (eˣ − 1) elsewhere: a scaled ELU (torch.nn.SELU).

        ∂y/∂x = λ [x > 0] + λ α eˣ [x ≤ 0]

    At the kink, x = 0, it is λ α. With these λ and α a standard Normal x gives a y of mean 0 and variance 1
    (Klambauer et al. 2017, "Self-normalizing neural networks", equation 14).
    """

    alpha = 1.6732632423543772848170429916717
    scale = 1.0507009873554804934193349852946  # λ

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("SELU", "x", x)
        positive, below = x > 0, np.minimum(x, 0)
        self.save(positive, below)
        return self.scale * (np.maximum(x, 0) + self.alpha * np.expm1(below))

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        positive, below = self.restore()
        return self.scale * (dL_dy * positive + dL_dy * self.alpha * np.exp(below) * ~positive)


class CELU(Module):
    """y = max(x, 0) + min(α (exp(x / α) − 1), 0): an ELU without a kink (torch.nn.CELU).

        ∂y/∂x = 1 where x > 0, exp(x / α) elsewhere; both are 1 at x = 0

    Args:
        alpha: α.

    Raises:
        ValueError: if alpha is 0.
    """

    _shows = "alpha={alpha}"

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        if alpha == 0:
            raise ValueError("CELU: alpha must not be 0, got 0")
        self.alpha = alpha

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("CELU", "x", x)
        below = np.minimum(x, 0)
        self.save(below)
        return np.maximum(x, 0) + self.alpha * np.expm1(below / self.alpha)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        below = self.restore()
        return dL_dy * np.exp(below / self.alpha)  # e⁰ = 1 where x > 0


class Softplus(Module):
    """y = log(1 + exp(β x)) / β, a smooth max(x, 0); y = x where β x > threshold (torch.nn.Softplus).

        ∂y/∂x = exp(β x) / (1 + exp(β x)) = σ(β x), and 1 above the threshold

    Args:
        beta: β, how sharp the bend is.
        threshold: above it y is linear, as torch has it; in float64 that is a jump of log(1 + e⁻²⁰) = 2e-9.
    """

    _shows = "beta={beta}, threshold={threshold}"

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Softplus", "x", x)
        self.save(x)
        linear = self.beta * x > self.threshold
        return np.where(linear, x, softplus(self.beta * x) / self.beta)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        linear = self.beta * x > self.threshold
        return np.where(linear, dL_dy, dL_dy * sigmoid(self.beta * x))


# ---- sigmoids ------------------------------------------------------------------------------------


class Sigmoid(Module):
    """y = σ(x) = 1 / (1 + e⁻ˣ) (torch.nn.Sigmoid).

    ∂y/∂x = e⁻ˣ / (1 + e⁻ˣ)² = y (1 − y)
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Sigmoid", "x", x)
        y = sigmoid(x)
        self.save(y)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        y = self.restore()
        return dL_dy * y * (1 - y)


class LogSigmoid(Module):
    """y = log σ(x) = −log(1 + e⁻ˣ) (torch.nn.LogSigmoid).

    ∂y/∂x = e⁻ˣ / (1 + e⁻ˣ) = σ(−x)
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("LogSigmoid", "x", x)
        self.save(x)
        return -softplus(-x)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        return dL_dy * sigmoid(-x)


class Tanh(Module):
    """y = tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ) (torch.nn.Tanh).

    ∂y/∂x = 1 − tanh² x = 1 − y²
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Tanh", "x", x)
        y = np.tanh(x)
        self.save(y)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        y = self.restore()
        return dL_dy * (1 - y * y)


class Tanhshrink(Module):
    """y = x − tanh x (torch.nn.Tanhshrink).

    ∂y/∂x = 1 − (1 − tanh² x) = tanh² x
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Tanhshrink", "x", x)
        tanh_x = np.tanh(x)
        self.save(tanh_x)
        return x - tanh_x

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        tanh_x = self.restore()
        return dL_dy * tanh_x * tanh_x


class Softsign(Module):
    """y = x / (1 + |x|) (torch.nn.Softsign).

    ∂y/∂x = [(1 + |x|) − x sign x] / (1 + |x|)² = 1 / (1 + |x|)², smooth at 0
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Softsign", "x", x)
        d = 1 + np.abs(x)
        self.save(d)
        return x / d

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        d = self.restore()
        return dL_dy / d / d  # d² could overflow


# ---- x times a gate ------------------------------------------------------------------------------


class SiLU(Module):
    """y = x σ(x), also known as swish (torch.nn.SiLU).

    ∂y/∂x = σ + x σ (1 − σ) = σ (1 + x (1 − σ)),   σ = σ(x)
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("SiLU", "x", x)
        s = sigmoid(x)
        self.save(x, s)
        return x * s

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x, s = self.restore()
        return dL_dy * s * (1 + x * (1 - s))


class Mish(Module):
    """y = x tanh(softplus(x)), softplus(x) = log(1 + eˣ) (torch.nn.Mish).

    With t = tanh(softplus(x)) and ∂softplus/∂x = σ(x),

        ∂y/∂x = t + x (1 − t²) σ(x)
    """

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("Mish", "x", x)
        t = np.tanh(softplus(x))
        self.save(x, t)
        return x * t

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x, t = self.restore()
        return dL_dy * (t + x * (1 - t * t) * sigmoid(x))


class GELU(Module):
    """y = x Φ(x), Φ the distribution function of the standard Normal (torch.nn.GELU).

    Exactly, with the density φ(x) = ∂Φ/∂x = exp(−x²/2) / √(2π),

        Φ(x) = ½ (1 + erf(x / √2)),   ∂y/∂x = Φ(x) + x φ(x)

    Approximately ("tanh"; Hendrycks and Gimpel 2016, "Gaussian error linear units", section 2),

        y = ½ x (1 + t),   t = tanh u,   u = √(2/π) (x + 0.044715 x³)
        ∂y/∂x = ½ (1 + t) + ½ x (1 − t²) ∂u/∂x,   ∂u/∂x = √(2/π) (1 + 3 · 0.044715 x²)

    Args:
        approximate: "none" for the first, "tanh" for the second.

    Raises:
        ValueError: if approximate is neither.
    """

    _shows = "approximate={approximate!r}"

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        expect_choice("GELU", "approximate", approximate, ("none", "tanh"))
        self.approximate = approximate

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("GELU", "x", x)
        if self.approximate == "tanh":
            gate = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
        else:
            gate = 0.5 * (1 + erf(x / math.sqrt(2)))
        self.save(x, gate)
        return x * gate

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x, gate = self.restore()
        if self.approximate == "tanh":
            du_dx = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
            dgate_dx = 2 * gate * (1 - gate) * du_dx  # ½ (1 − t²) = 2 gate (1 − gate), as t = 2 gate − 1
        else:
            dgate_dx = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        return dL_dy * (gate + x * dgate_dx)


class GLU(Module):
    """y = a σ(b), where a and b are the two halves of x along the axis `dim` (torch.nn.GLU).

        ∂y/∂a = σ(b),   ∂y/∂b = a σ(b) (1 − σ(b))

    Args:
        dim: the axis that is halved.

    Shapes: x any, with an even size along dim; y half that size along dim.

    Raises:
        IndexError: if x has no axis dim.
        ValueError: if its size is odd.
    """

    _shows = "dim={dim}"

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: np.ndarray) -> np.ndarray:
        expect_array("GLU", "x", x)
        expect_axis("GLU", x, self.dim)
        if x.ndim == 0 or x.shape[self.dim] % 2:
            raise ValueError(f"GLU: axis {self.dim} of x must have an even size to be halved, got shape {x.shape}")
        a, b = np.split(x, 2, axis=self.dim)
        gate = sigmoid(b)
        self.save(a, gate)
        return a * gate

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        a, gate = self.restore()
        dL_da = dL_dy * gate
        dL_db = dL_dy * a * gate * (1 - gate)
        return np.concatenate([dL_da, dL_db], axis=self.dim)
