"""The chain rule: how blame travels backwards through a network, by hand.

If mathematics makes you nervous: all of this is one sentence, *rates multiply along a path and add up where paths meet*. Turn a
gear by one tooth, and the next turns by three; if that one turns a third by two, the first turns the third by six. A network is such a
train of gears. Every number turns the ones after it, and the last is the loss L. The rate at which a number z turns L is ∂L/∂z, in
code dL_dz. Its sign says which way to turn z, its size how much it matters.

The network here has two layers and decides between two species of iris by the length and the width of a petal:

    z1 = x W1 + b1        each hidden unit weighs the measurements
    a1 = σ(z1)            and squeezes the sum between 0 and 1:  σ(z) = 1 / (1 + e⁻ᶻ)
    z2 = a1 W2 + b2       the output weighs the hidden units
    a2 = σ(z2)            and is the prediction
    L  = ½ (a2 − y)²      for one flower; for several the mean

Each line has a rate of its own; i counts the units of one layer, j those of the next:

    ∂L/∂a2 = a2 − y
    ∂a/∂z  = σ′(z) = a (1 − a)          the slope of a = σ(z); at most ¼
    ∂z[j]/∂a[i] = W[i, j]               z[j] = Σᵢ a[i] W[i, j] + b[j]
    ∂z[j]/∂W[i, j] = a[i]
    ∂z[j]/∂b[j] = 1

Multiply along each path from L back to a number, add up over all paths: the **four equations of backpropagation**. ∂L/∂z, the rate of
what a unit receives, is called its error.

    BP1   the error at the output       ∂L/∂z2[j]   = ∂L/∂a2[j] σ′(z2[j])                  one path
    BP2   the error one layer back      ∂L/∂z1[i]   = (Σⱼ W2[i, j] ∂L/∂z2[j]) σ′(z1[i])    a path through each unit j
    BP3   the gradient of a bias        ∂L/∂b[j]    = ∂L/∂z[j]
    BP4   the gradient of a weight      ∂L/∂W[i, j] = a[i] ∂L/∂z[j]                        what went in (for W1: x), times the error

With more layers BP2 is repeated. Its σ′ leaves at most a quarter: along one path an error fades if the weight is below 4 in size; a
larger one, as the 8 below, can make it grow. Networks are often said to be optimised by backpropagation; that only computes the
gradient; the optimizer uses it.

**On paper.** One flower, x = (1, 2), y = 1, and two hidden units, with weights for which every sum z is 0 and every σ(z) is ½, so that
every σ′(z) is ½ · ½ = ¼:

    W1 = [ 2  −2]   b1 = (0, 0)    z1 = (1·2 + 2·(−1), 1·(−2) + 2·1) = (0, 0)    a1 = (½, ½)
         [−1   1]
    W2 = (8, −4)    b2 = −2        z2 = ½·8 + ½·(−4) − 2 = 0                     a2 = ½       L = ½ (½ − 1)² = ⅛

    ∂L/∂a2 = ½ − 1 = −½            ∂L/∂z2 = −½ · ¼ = −⅛                          BP1
    ∂L/∂W2 = (½ · −⅛, ½ · −⅛) = (−1/16, −1/16)                                   BP4
    ∂L/∂a1 = (8 · −⅛, −4 · −⅛) = (−1, ½)     ∂L/∂z1 = (−1 · ¼, ½ · ¼) = (−¼, ⅛)  BP2
    ∂L/∂W1 = [1 · −¼   1 · ⅛]  =  [−¼   ⅛]                                       BP4
             [2 · −¼   2 · ⅛]     [−½   ¼]

    >>> x, y = np.array([1.0, 2.0]), np.array([1.0])
    >>> p = {"W1": np.array([[2.0, -2.0], [-1.0, 1.0]]), "b1": np.zeros(2), "W2": np.array([[8.0], [-4.0]]), "b2": np.array([-2.0])}
    >>> gradients = one_sample(x, y, **forward(x, **p), **p)
    >>> gradients["z2"].tolist(), gradients["z1"].tolist()
    ([-0.125], [-0.25, 0.125])
    >>> gradients["W1"].tolist()
    [[-0.25, 0.125], [-0.5, 0.25]]

`one_sample` writes this out. `backward` does it for N samples at once, one in each row: all of them use the same parameters, so the rows
add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import StraightLine
from manual.module import Parameter
from manual.nn.functional import sigmoid
from manual.nn.init import normal

Array = np.ndarray


def forward(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> dict[str, Array]:
    """Every value on the way, for N samples as rows, or for one."""
    z1 = x @ W1 + b1  # (N, in) @ (in, hidden) + (hidden,) = (N, hidden)
    a1 = sigmoid(z1)  # (N, hidden)
    z2 = a1 @ W2 + b2  # (N, hidden) @ (hidden, out) + (out,) = (N, out)
    a2 = sigmoid(z2)  # (N, out)
    return {"z1": z1, "a1": a1, "z2": z2, "a2": a2}


def loss(a2: Array, y: Array) -> Any:
    """Half the square of what is off, the mean over samples."""
    return ((a2 - y) ** 2).sum(axis=-1).mean() / 2


# ---- one sample: vectors, and every gradient named -----------------------------------------------


def one_sample(
    x: Array, y: Array, z1: Array, a1: Array, z2: Array, a2: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> dict[str, Array]:
    """The gradient of every number, from the loss of one sample back to x."""
    dL_da2 = a2 - y  # (out,)
    da2_dz2 = a2 * (1 - a2)  # (out,): σ′(z2)
    dL_dz2 = dL_da2 * da2_dz2  # (out,): BP1
    dL_db2 = dL_dz2  # (out,): BP3
    dL_dW2 = np.outer(a1, dL_dz2)  # (hidden,) with (out,) = (hidden, out): BP4

    dL_da1 = W2 @ dL_dz2  # (hidden, out) @ (out,) = (hidden,): the sum over j
    da1_dz1 = a1 * (1 - a1)  # (hidden,): σ′(z1)
    dL_dz1 = dL_da1 * da1_dz1  # (hidden,): BP2
    dL_db1 = dL_dz1  # (hidden,): BP3
    dL_dW1 = np.outer(x, dL_dz1)  # (in,) with (hidden,) = (in, hidden): BP4

    dL_dx = W1 @ dL_dz1  # (in,): what a layer below would be told
    return {
        "a2": dL_da2,
        "z2": dL_dz2,
        "b2": dL_db2,
        "W2": dL_dW2,
        "a1": dL_da1,
        "z1": dL_dz1,
        "b1": dL_db1,
        "W1": dL_dW1,
        "x": dL_dx,
    }


# ---- N samples at once: the four equations -------------------------------------------------------


def error_at_output(dL_da: Array, a: Array) -> Array:
    """BP1: ∂L/∂z of the last layer, from ∂L/∂a and a = σ(z). Shapes: all (N, out)."""
    return dL_da * (a * (1 - a))  # entry by entry


def error_one_layer_back(dL_dz_next: Array, W_next: Array, a: Array) -> Array:
    """BP2: ∂L/∂z of a layer, from the next layer's. Shapes: W_next (here, next), a and the result (N, here)."""
    dL_da = dL_dz_next @ W_next.T  # (N, next) @ (next, here) = (N, here)
    return dL_da * (a * (1 - a))  # entry by entry


def gradient_of_bias(dL_dz: Array) -> Array:
    """BP3: ∂L/∂b, from the layer's error. Shapes: (N, out) to (out,)."""
    return dL_dz.sum(axis=0)  # b was added in every row, so the rows add up


def gradient_of_weight(a: Array, dL_dz: Array) -> Array:
    """BP4: ∂L/∂W, from what went into the layer and the layer's error."""
    return a.T @ dL_dz  # (in, N) @ (N, out): for each pair of units the sum over rows


def backward(
    x: Array, y: Array, z1: Array, a1: Array, z2: Array, a2: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> dict[str, Array]:
    """The gradients of parameters and values on the way, for N samples: forward, from the bottom up."""
    dL_da2 = (a2 - y) / len(x)  # (N, out): 1/N for the mean

    dL_dz2 = error_at_output(dL_da2, a2)  # (N, out)
    dL_db2 = gradient_of_bias(dL_dz2)  # (out,)
    dL_dW2 = gradient_of_weight(a1, dL_dz2)  # (hidden, out)

    dL_dz1 = error_one_layer_back(dL_dz2, W2, a1)  # (N, hidden)
    dL_db1 = gradient_of_bias(dL_dz1)  # (hidden,)
    dL_dW1 = gradient_of_weight(x, dL_dz1)  # (in, hidden)
    return {"a2": dL_da2, "z2": dL_dz2, "b2": dL_db2, "W2": dL_dW2, "z1": dL_dz1, "b1": dL_db1, "W1": dL_dW1}


class ChainRule(StraightLine):
    """2 → hidden → 1 with σ after both layers, half the squared error and plain gradient descent.

    Args:
        hidden: how many units; three can be drawn.
        lr: the learning rate (3.0: Nielsen, chapter 1).
        rng: draws the parameters: numbers about 0, standard normal (Nielsen, chapter 1).
        dtype: of the parameters.

    Shapes: x (N, 2), prediction a2 and target y (N, 1), W1 (2, hidden), b1 (hidden,), W2 (hidden, 1), b2 (1,).
    """

    def __init__(self, hidden: int = 3, lr: float = 3.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        if hidden < 1:
            raise ValueError(f"ChainRule: hidden must be at least 1, got {hidden}")
        self.lr = lr
        rng = rng or np.random.default_rng()
        self.W1 = Parameter(normal((2, hidden), rng=rng, dtype=dtype))
        self.b1 = Parameter(normal((hidden,), rng=rng, dtype=dtype))
        self.W2 = Parameter(normal((hidden, 1), rng=rng, dtype=dtype))
        self.b2 = Parameter(normal((1,), rng=rng, dtype=dtype))

    def metrics(self, prediction: Array, y: Array) -> dict[str, float]:
        """The fraction of samples on the right side of one half."""
        return {"accuracy": np.mean((prediction > 0.5) == (y > 0.5))}

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: one sample after the other, and a chain that was written down wrong ------------------------
#
# Sources: Nielsen, Neural Networks and Deep Learning (2015), chapter 2, with W as (in, out) in place of its transpose, and δ for the error;
# Rumelhart, Hinton & Williams, Learning representations by back-propagating errors, Nature 323 (1986), 533.


def backward_one_by_one(x: Array, y: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> dict[str, Array]:
    """The gradients of the parameters for N samples, the slow and plain way: the mean of what `one_sample` gives for each."""
    p = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
    each = [one_sample(x[n], y[n], **forward(x[n], **p), **p) for n in range(len(x))]
    return {name: np.sum([gradients[name] for gradients in each], axis=0) / len(x) for name in p}


def product_with_a_square(x: float, y: float) -> dict[str, float]:
    """The rates of f = g y with g = x², as the article that `wine_quality` takes apart should have written them down.

    It names its two rates ∂f/∂g = 2 x and ∂f/∂f = y, and multiplies them to 2 x y. The end is right, and both names are wrong: 2 x is the
    rate of g with x, y the rate of f with g, and ∂f/∂f is 1, whatever f is. At (3, 5):

        ∂g/∂x = 2 x = 6         ∂f/∂g = y = 5         ∂f/∂x = ∂f/∂g · ∂g/∂x = 30

    >>> product_with_a_square(3.0, 5.0)
    {'dg_dx': 6.0, 'df_dg': 5.0, 'df_dx': 30.0}
    >>> h = 0.001
    >>> round((((3 + h) ** 2 * 5) - 45) / h, 3)
    30.005
    """
    dg_dx = 2 * x  # the article: ∂f/∂g
    df_dg = y  # the article: ∂f/∂f
    df_dx = df_dg * dg_dx  # the outer rate times the inner one
    return {"dg_dx": dg_dx, "df_dg": df_dg, "df_dx": df_dx}
