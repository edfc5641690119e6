"""A hidden layer folds the plane until one straight cut will do, by hand.

If you have never seen a backward pass: it answers one question about every number in a network. If this number were a little
larger, how fast would the loss change? That rate is called the gradient of the number, written ∂L/∂z1 and, in code, dL_dz1.
`forward` computes the prediction step by step. `backward` takes the same steps from the last to the first, and at each it needs
one rule only: rates multiply. If h moves three times as fast as z1, and the loss twice as fast as h, then the loss moves six times
as fast as z1. Once the rate of every weight is known, each weight is moved a little way against its rate, and the loss falls.
That is all of training.

The four corners (0,0), (0,2), (2,2), (2,0) of a square are the rows of x. Those on one diagonal are class 0, those on the other
class 1. No straight line has one diagonal on its one side and the other on its other: both have the same middle, (1,1).

    z1 = x W1 + b1            each unit has a line of its own, its crease, and says how far off it a point lies
    h  = max(z1, 0)           ReLU: kept on one side of the crease, 0 on the other
    z2 = h W2 + b2            one number per point: above 0 means class 1
    p  = σ(z2)                as a probability: σ(z) = 1 / (1 + e⁻ᶻ)
    L  = mean of −log p       where y = 1, and of −log(1 − p) where y = 0: how surprising the right answer is

Without ReLU there is nothing to fold: z2 = (x W1 + b1) W2 + b2 = x (W1 W2) + (b1 W2 + b2) is one layer, a straight line, again.

Backward is the same list from the bottom up. From σ′ = σ (1 − σ) follow ∂(−log p)/∂z2 = p − 1 and ∂(−log(1 − p))/∂z2 = p, which
are one formula, p − y: what was predicted minus what is. Then, row by row of x, with N rows,

    ∂L/∂z2[n]    = (p[n] − y[n]) / N                    L is a mean of N terms
    ∂L/∂W2[j]    = Σₙ h[n, j] ∂L/∂z2[n]                 W2[j] multiplied h[n, j] in each row
    ∂L/∂b2       = Σₙ ∂L/∂z2[n]                         b2 was added to each row
    ∂L/∂h[n, j]  = ∂L/∂z2[n] W2[j]                      h[n, j] was multiplied by W2[j]
    ∂L/∂z1[n, j] = ∂L/∂h[n, j] if z1[n, j] > 0, else 0  what ReLU put to 0 cannot move the loss; on the crease itself: 0, as torch
    ∂L/∂W1[i, j] = Σₙ x[n, i] ∂L/∂z1[n, j]              as for W2, one layer further back
    ∂L/∂b1[j]    = Σₙ ∂L/∂z1[n, j]                      as for b2
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import log_expit as log_sigmoid  # log σ(z), exact also where σ(z) itself would round to 0 or 1

from manual import optim
from manual.concept import StraightLine
from manual.module import Parameter
from manual.nn.functional import sigmoid
from manual.nn.init import uniform

Array = np.ndarray


def forward(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> dict[str, Array]:
    """Every value on the way from the points to z2, the prediction."""
    z1 = x @ W1 + b1  # (N, 2) @ (2, hidden) + (hidden,) = (N, hidden)
    h = np.maximum(z1, 0)  # (N, hidden)
    z2 = h @ W2 + b2  # (N, hidden) @ (hidden, 1) + (1,) = (N, 1)
    return {"z1": z1, "h": h, "z2": z2}


def loss(z2: Array, y: Array) -> Any:
    """The mean of −log p where y is 1 and −log(1 − p) where y is 0, with p = σ(z2) and 1 − p = σ(−z2)."""
    return -np.mean(y * log_sigmoid(z2) + (1 - y) * log_sigmoid(-z2))


def backward(x: Array, y: Array, z1: Array, h: Array, z2: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> dict[str, Array]:
    """The gradient of the loss with respect to each parameter, and to each value on the way: forward and loss, from the bottom up."""
    N = len(x)
    p, q = sigmoid(z2), sigmoid(-z2)  # (N, 1) each: q is 1 - p with all its digits, also where p rounds to 1
    dL_dz2 = ((1 - y) * p - y * q) / N  # (N, 1): p - y, predicted minus true; the mean gave each point the weight 1/N
    dL_dW2 = h.T @ dL_dz2  # (hidden, N) @ (N, 1) = (hidden, 1): .T puts the N points side by side, @ adds over them
    dL_db2 = dL_dz2.sum(axis=0)  # (N, 1) summed over the points = (1,)
    dL_dh = dL_dz2 @ W2.T  # (N, 1) @ (1, hidden) = (N, hidden): back through the weights that led from h to z2
    dL_dz1 = dL_dh * (z1 > 0)  # (N, hidden): 1 where ReLU let the value through, 0 where it did not
    dL_dW1 = x.T @ dL_dz1  # (2, N) @ (N, hidden) = (2, hidden)
    dL_db1 = dL_dz1.sum(axis=0)  # (N, hidden) summed over the points = (hidden,)
    return {"z2": dL_dz2, "W2": dL_dW2, "b2": dL_db2, "h": dL_dh, "z1": dL_dz1, "W1": dL_dW1, "b1": dL_db1}


class HiddenLayer(StraightLine):
    """2 → hidden → 1 with ReLU, binary cross-entropy and plain gradient descent.

    Args:
        hidden: units of the hidden layer. Two could do, but most random starts then get stuck.
        lr: the length of a step, per gradient.
        rng: draws the initial weights and biases, uniform in ±1/√(inputs of the layer), torch's default.
        dtype: of the parameters.

    Shapes: x (N, 2), the prediction z2 (N, 1), the target y (N, 1) zeros and ones, as floats.
    """

    def __init__(self, hidden: int = 16, lr: float = 0.5, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        if hidden < 1:
            raise ValueError(f"HiddenLayer: hidden must be at least 1, got {hidden}")
        self.lr = lr
        rng = rng or np.random.default_rng()
        k1, k2 = 1 / math.sqrt(2), 1 / math.sqrt(hidden)
        self.W1 = Parameter(uniform((2, hidden), -k1, k1, rng=rng, dtype=dtype))
        self.b1 = Parameter(uniform((hidden,), -k1, k1, rng=rng, dtype=dtype))
        self.W2 = Parameter(uniform((hidden, 1), -k2, k2, rng=rng, dtype=dtype))
        self.b2 = Parameter(uniform((1,), -k2, k2, rng=rng, dtype=dtype))

    def metrics(self, z2: Array, y: Array) -> dict[str, float]:
        """The fraction of points on the right side."""
        return {"accuracy": np.mean((z2 > 0) == (y > 0.5))}

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
