"""Predicting the score of a wine from 11 measurements, by hand, every step in the open.

Tasters gave each wine a score from 0 to 10, and a network learns to tell it from what a laboratory measures: acids, sugar, alcohol.
It has one hidden layer, as the two before it, but it predicts a number. So its last layer is one unit without a σ, and its loss is the
mean square again, as for one weight. Each W is (in, out) again, with a column for each unit.

    z1 = x W1 + b1        11 measurements → 64 numbers, for each of N wines
    h  = max(z1, 0)       ReLU
    ŷ  = h W2 + b2        64 numbers → 1 score
    L  = mean of (ŷ − y)²

and from the bottom up:

    L = 1/N Σₙ (ŷ[n] − y[n])²  so   ∂L/∂ŷ[n] = 2 (ŷ[n] − y[n]) / N    the square's 2, the mean's 1/N

    ŷ = h W2 + b2             so    ∂L/∂W2 = hᵀ ∂L/∂ŷ                 each hidden number times the error that it led to
                                    ∂L/∂b2 = Σₙ ∂L/∂ŷ[n]              b2 was added for every wine
                                    ∂L/∂h  = ∂L/∂ŷ W2ᵀ                back through the weights it went out by

    h = max(z1, 0)            so    ∂L/∂z1 = ∂L/∂h where z1 > 0, else 0      a number that was cut off has no influence

    z1 = x W1 + b1            so    ∂L/∂W1 = xᵀ ∂L/∂z1
                                    ∂L/∂b1 = Σₙ ∂L/∂z1[n]

**On paper.** Two wines, two measurements (standardised, so that some lie below 0), two hidden units:

    x = [ 1  2]   W1 = [1  −1]   b1 = (0, 0)   W2 = [1]   b2 = 1   y = [5]
        [−1  0]        [1   1]                      [2]                [6]

    z1 = [1·1 + 2·1   1·(−1) + 2·1] = [ 3  1]    h = [3  1]    ŷ = [3·1 + 1·2 + 1] = [6]    L = (1² + (−3)²) / 2 = 5
         [−1·1 + 0·1  −1·(−1) + 0·1]  [−1  1]        [0  1]        [0·1 + 1·2 + 1]   [3]

    ∂L/∂ŷ  = 2/2 · [6 − 5] = [ 1]    ∂L/∂W2 = [3·1 + 0·(−3)] = [ 3]    ∂L/∂b2 = 1 − 3 = −2
                   [3 − 6]   [−3]             [1·1 + 1·(−3)]   [−2]
    ∂L/∂h  = [ 1·1   1·2] = [ 1   2]    ∂L/∂z1 = [1   2]    the second wine's first unit was cut off
             [−3·1  −3·2]   [−3  −6]             [0  −6]
    ∂L/∂W1 = [1·1 + (−1)·0  1·2 + (−1)·(−6)] = [1  8]    ∂L/∂b1 = (1 + 0, 2 − 6) = (1, −4)
             [2·1 +    0·0  2·2 +    0·(−6)]   [2  4]

    >>> x, y = np.array([[1.0, 2.0], [-1.0, 0.0]]), np.array([[5.0], [6.0]])
    >>> p = {"W1": np.array([[1.0, -1.0], [1.0, 1.0]]), "b1": np.zeros(2), "W2": np.array([[1.0], [2.0]]), "b2": np.array([1.0])}
    >>> values = forward(x, **p)
    >>> values["y_hat"].tolist(), float(loss(values["y_hat"], y))
    ([[6.0], [3.0]], 5.0)
    >>> dL = backward(x, y, **values, **p)
    >>> dL["W1"].tolist(), dL["b1"].tolist(), dL["W2"].tolist()
    ([[1.0, 8.0], [2.0, 4.0]], [1.0, -4.0], [[3.0], [-2.0]])

The article that this network follows published another backward. What is wrong with it is further reading, at the end of this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from manual import optim
from manual.concept import StraightLine
from manual.module import Parameter
from manual.nn.init import uniform

Arrays = dict[str, np.ndarray]


def forward(x: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray) -> Arrays:
    """Every value from the measurements x (N, 11) to the predicted score y_hat (N, 1)."""
    z1 = x @ W1 + b1  # (N, 11) @ (11, 64) + (64,)
    h = np.maximum(z1, 0)  # (N, 64)
    y_hat = h @ W2 + b2  # (N, 64) @ (64, 1) + (1,)
    return {"z1": z1, "h": h, "y_hat": y_hat}


def loss(y_hat: np.ndarray, y: np.ndarray) -> Any:
    """The mean squared error. y is (N, 1) as y_hat is: a y of shape (N,) would silently make an (N, N) table of differences."""
    return ((y_hat - y) ** 2).mean()


def backward(
    x: np.ndarray,
    y: np.ndarray,
    z1: np.ndarray,
    h: np.ndarray,
    y_hat: np.ndarray,
    W1: np.ndarray,
    b1: np.ndarray,
    W2: np.ndarray,
    b2: np.ndarray,
) -> Arrays:
    """The gradient of the loss with respect to each parameter, and to each value on the way: forward, read from the bottom up."""
    dL_dy_hat = 2 * (y_hat - y) / len(y)  # (N, 1)

    dL_dW2 = h.T @ dL_dy_hat  # (64, N) @ (N, 1)
    dL_db2 = dL_dy_hat.sum(axis=0)  # (N, 1) to (1,)
    dL_dh = dL_dy_hat @ W2.T  # (N, 1) @ (1, 64)

    dL_dz1 = dL_dh * (z1 > 0)  # (N, 64) times (N, 64)

    dL_dW1 = x.T @ dL_dz1  # (11, N) @ (N, 64)
    dL_db1 = dL_dz1.sum(axis=0)  # (N, 64) to (64,)
    return {"y_hat": dL_dy_hat, "W2": dL_dW2, "b2": dL_db2, "h": dL_dh, "z1": dL_dz1, "W1": dL_dW1, "b1": dL_db1}


class WineQuality(StraightLine):
    """11 → hidden → 1 with ReLU, mean squared error, gradient descent.

    Args:
        hidden: units of the hidden layer (the article's 64).
        lr: the learning rate (0.005 by cross-validation: 0.001 and 0.02 do worse, what lies between 0.003 and 0.01 as well).
        rng: draws the initial weights, uniform in ±1/√(inputs of the layer), as torch.nn.Linear does.
        dtype: of the parameters.

    Shapes: x (N, 11), the prediction and the target (N, 1), W1 (11, hidden), b1 (hidden,), W2 (hidden, 1), b2 (1,).
    """

    def __init__(self, hidden: int = 64, lr: float = 0.005, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        self.lr = lr
        k1, k2 = 11**-0.5, hidden**-0.5
        self.W1 = Parameter(uniform((11, hidden), -k1, k1, rng=rng, dtype=dtype))
        self.b1 = Parameter(uniform((hidden,), -k1, k1, rng=rng, dtype=dtype))
        self.W2 = Parameter(uniform((hidden, 1), -k2, k2, rng=rng, dtype=dtype))
        self.b2 = Parameter(uniform((1,), -k2, k2, rng=rng, dtype=dtype))

    def metrics(self, prediction: np.ndarray, y: np.ndarray) -> Mapping[str, float]:
        """How far off a prediction is, on average; and the part of the wines where it is off by at most half a point."""
        deviation = np.abs(prediction - y)
        return {"mean absolute deviation": deviation.mean(), "accuracy within 0.5": (deviation <= 0.5).mean()}

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: the article's network, and its backward, which is not the gradient of its loss ------

# The article has a ReLU on the output too, and L = mean of (ŷ − y)²:
#
#     z1 = x W1 + b1      h = max(z1, 0)      z2 = h W2 + b2      ŷ = max(z2, 0)
#
#     ∂L/∂z2 = 2 (ŷ − y)/N where z2 > 0, else 0             the right beginning
#     dL_dz2 = (ŷ − y)/N                                    the article's
#
# A 2 is missing, and the output's ReLU is passed as if it were not there. (ŷ − y)/N is the exact gradient of another loss, ½ · mean of
# (ŷ − y)²: many write it with the ½, so that no 2 is left (the chain rule's lesson does). The article does not.


def article_forward(x: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray) -> Arrays:
    """As `forward`, with a ReLU on the output as well."""
    z1 = x @ W1 + b1  # (N, 11) @ (11, 64) + (64,)
    h = np.maximum(z1, 0)  # (N, 64)
    z2 = h @ W2 + b2  # (N, 64) @ (64, 1) + (1,)
    y_hat = np.maximum(z2, 0)  # (N, 1)
    return {"z1": z1, "h": h, "z2": z2, "y_hat": y_hat}


def article_backward(
    x: np.ndarray,
    y: np.ndarray,
    z1: np.ndarray,
    h: np.ndarray,
    z2: np.ndarray,
    y_hat: np.ndarray,
    W1: np.ndarray,
    b1: np.ndarray,
    W2: np.ndarray,
    b2: np.ndarray,
    *,
    square: bool = False,
    output_relu: bool = False,
) -> Arrays:
    """The article's backward for `article_forward` and `loss`; with both corrections it is their gradient.

    Args:
        square: put in the 2 that comes down from the square. Without it every gradient is half as long as it should be.
        output_relu: stop at the output's ReLU where it had cut z2 off. Without it a wine whose prediction was
            cut off to 0 moves the weights, although no small change of any weight would change that prediction.
    """
    dL_dy_hat = (y_hat - y) / len(y)  # (N, 1), as published
    if square:
        dL_dy_hat = 2 * dL_dy_hat
    dL_dz2 = dL_dy_hat  # (N, 1), as published
    if output_relu:
        dL_dz2 = dL_dy_hat * (z2 > 0)

    dL_dW2 = h.T @ dL_dz2  # (64, N) @ (N, 1); from here on the article is right
    dL_db2 = dL_dz2.sum(axis=0)  # (N, 1) to (1,)
    dL_dh = dL_dz2 @ W2.T  # (N, 1) @ (1, 64)
    dL_dz1 = dL_dh * (z1 > 0)  # (N, 64) times (N, 64)
    dL_dW1 = x.T @ dL_dz1  # (11, N) @ (N, 64)
    dL_db1 = dL_dz1.sum(axis=0)  # (N, 64) to (64,)
    return {"W1": dL_dW1, "b1": dL_db1, "W2": dL_dW2, "b2": dL_db2}


def article_start(hidden: int = 64, *, rng: np.random.Generator) -> Arrays:
    """The weights that the article begins with: 0.005 times standard normal numbers, and biases of 0. Shapes as WineQuality's."""
    W1, W2 = 0.005 * rng.standard_normal((11, hidden)), 0.005 * rng.standard_normal((hidden, 1))
    return {"W1": W1, "b1": np.zeros(hidden), "W2": W2, "b2": np.zeros(1)}


class ArticleWineQuality(WineQuality):
    """The article's network, trained with its published backward, or with one that is mended in part or as a whole.

    Args:
        hidden, lr, rng, dtype: see WineQuality.
        square, output_relu: see article_backward.
    """

    def __init__(
        self,
        hidden: int = 64,
        lr: float = 0.005,
        square: bool = False,
        output_relu: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        from functools import partial

        super().__init__(hidden, lr, rng=rng, dtype=dtype)
        self.functions = article_forward, loss, partial(article_backward, square=square, output_relu=output_relu)
