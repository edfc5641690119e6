"""A hidden layer folds the plane until one straight cut will do, by hand.

The four corners (0,0), (0,2), (2,2), (2,0) of a square are the rows of x. Those on one diagonal are class 0, those on the other
class 1. No straight line has one diagonal on each of its sides: both have the same middle, (1,1). So no single neuron can tell
them apart. After a layer of several it can; "folding the plane" shows how.

    z1 = x W1 + b1            each hidden unit has a line, its crease, and says how far off it a point lies
    h  = max(z1, 0)           ReLU: kept on one side of the crease, 0 on the other
    z2 = h W2 + b2            one number per point, the logit: above 0 means class 1
    p  = σ(z2)                the probability of class 1
    L  = mean of −log p       where y = 1, and of −log(1 − p) where y = 0: the cross-entropy

The layer is called hidden, and its numbers *latent*, which means the same: the data say x and y, but nobody says what h should be.
Training finds it. Sixteen units make 16 numbers of a corner's two: see "the hidden numbers".

Without ReLU there is nothing to fold: z2 = (x W1 + b1) W2 + b2 = x (W1 W2) + (b1 W2 + b2) is one layer, a straight line.

Backward is the same list from the bottom up. It begins with p − y, as for one neuron:

    ∂L/∂z2[n]    = (p[n] − y[n]) / N                    L is a mean of N terms
    ∂L/∂W2[j]    = Σₙ h[n, j] ∂L/∂z2[n]                 W2[j] multiplied h[n, j] in each row
    ∂L/∂b2       = Σₙ ∂L/∂z2[n]                         b2 was added to each row
    ∂L/∂h[n, j]  = ∂L/∂z2[n] W2[j]                      h[n, j] was multiplied by W2[j]
    ∂L/∂z1[n, j] = ∂L/∂h[n, j] if z1[n, j] > 0, else 0  what ReLU put to 0 cannot move the loss
    ∂L/∂W1[i, j] = Σₙ x[n, i] ∂L/∂z1[n, j]
    ∂L/∂b1[j]    = Σₙ ∂L/∂z1[n, j]

**On paper.** Two hidden units, and one corner, x = (0, 2), of class 1, y = 1:

    W1 = [ 1  −1]   b1 = (0, 0)    z1 = (0·1 + 2·(−1), 0·(−1) + 2·1) = (−2, 2)    h = (0, 2): the first unit is cut off
         [−1   1]
    W2 = (1, 1)     b2 = −2        z2 = 0·1 + 2·1 − 2 = 0                         p = σ(0) = ½: undecided

    ∂L/∂z2 = p − y = −½
    ∂L/∂W2 = (0 · −½, 2 · −½) = (0, −1)      ∂L/∂b2 = −½
    ∂L/∂h  = (−½ · 1, −½ · 1) = (−½, −½)     ∂L/∂z1 = (0, −½)      the first unit cannot move the loss
    ∂L/∂W1 = [0 · 0   0 · −½]  =  [0   0]    ∂L/∂b1 = (0, −½)
             [2 · 0   2 · −½]     [0  −1]

A step with lr = ½ makes the second unit's weights (−1, 1.5) and its bias 0.25, W2 = (1, 1.5) and b2 = −1.75. Now h = (0, 3.25) and
z2 = 3.25 · 1.5 − 1.75 = 3.125. (Before it both corners of class 0 fall on h = (0, 0): push them through.)

    >>> p = {"W1": np.array([[1.0, -1.0], [-1.0, 1.0]]), "b1": np.zeros(2), "W2": np.ones((2, 1)), "b2": np.array([-2.0])}
    >>> x, y = np.array([[0.0, 2.0]]), np.array([[1.0]])
    >>> dL = backward(x, y, **forward(x, **p), **p)
    >>> dL["z2"].tolist(), dL["W1"].tolist()
    ([[-0.5]], [[0.0, 0.0], [0.0, -1.0]])
    >>> forward(x, **{name: p[name] - 0.5 * dL[name] for name in p})["z2"].tolist()
    [[3.125]]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import log_expit as log_sigmoid  # log σ(z), exact also where σ(z) rounds to 0 or 1

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
    """The gradient of the loss with respect to each parameter and each value on the way: forward, from the bottom up."""
    N = len(x)
    p, q = sigmoid(z2), sigmoid(-z2)  # (N, 1) each: q is 1 - p with all its digits, also where p rounds to 1
    dL_dz2 = ((1 - y) * p - y * q) / N  # (N, 1): p - y; the mean gave each point the weight 1/N
    dL_dW2 = h.T @ dL_dz2  # (hidden, N) @ (N, 1) = (hidden, 1): @ adds over the N points
    dL_db2 = dL_dz2.sum(axis=0)  # (N, 1) summed over the points = (1,)
    dL_dh = dL_dz2 @ W2.T  # (N, 1) @ (1, hidden) = (N, hidden): back through the weights that led from h to z2
    dL_dz1 = dL_dh * (z1 > 0)  # (N, hidden): 0 where ReLU cut off
    dL_dW1 = x.T @ dL_dz1  # (2, N) @ (N, hidden) = (2, hidden)
    dL_db1 = dL_dz1.sum(axis=0)  # (N, hidden) summed over the points = (hidden,)
    return {"z2": dL_dz2, "W2": dL_dW2, "b2": dL_db2, "h": dL_dh, "z1": dL_dz1, "W1": dL_dW1, "b1": dL_db1}


class HiddenLayer(StraightLine):
    """2 → hidden → 1 with ReLU, binary cross-entropy and plain gradient descent.

    Args:
        hidden: units of the hidden layer.
        lr: the length of a step, per gradient.
        rng: draws weights and biases, uniform in ±1/√(inputs of the layer), torch's default.
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
