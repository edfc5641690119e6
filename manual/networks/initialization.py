"""Where weights begin: ten layers that learn, and ten that never do, by hand.

Training changes weights; somewhere they must begin. If all begin at 0, a deep network stays there. If they begin a little too small, each
layer makes what passes through it smaller, until nothing arrives; a little too large, and it grows until it overflows. A run trains ten
layers to read digits, from the start that you choose: `--model.start he`.

**What a layer does to the size of numbers.** A unit adds up z = Σᵢ w[i] h[i] over its inputs; how many they are is called *fan_in*.
Each w[i] is drawn at random, with the mean 0. The mean of its square is called its *variance*, v. Squared, z is a sum of products of two
terms each. Where these are two different ones, both signs are as likely, and the mean is 0. The squares are left:

    mean of z²           = fan_in · v · (mean of h²)
    mean of max(z, 0)²   = half of that                z is below 0 as often as above, and what is below becomes 0

So each layer with a ReLU multiplies the mean square of what passes by one and the same *factor*, and ten layers do so ten times:

    factor = fan_in · v / 2

    start        v                       factor, 64 units     ten layers
    zeros        0                       0                    0
    small        0.005²                  0.0008               10⁻³¹        the start of the article behind `wine_quality`
    default      1/(3 fan_in)            1/6                  10⁻⁸         what `nn.Linear` draws where nobody says otherwise
    xavier       2/(fan_in + fan_out)    1/2                  0.001        Glorot and Bengio, 2010
    he           2/fan_in                1                    1            He and others, 2015
    orthogonal   2/fan_in                1                    1            with rows at right angles: no arrow is favoured
    large        0.25²                   2                    1024

**And back.** ∂L/∂h is a sum too, over the *fan_out* units that h went to. So on its way back the gradient is multiplied by fan_out · v / 2
at each layer. Xavier is the compromise of 1/fan_in and 1/fan_out; it was made for tanh and leaves out ReLU's half. He puts it back.
With zeros all h are 0 and all weights too: ∂L/∂W = 0 in each layer, and only the last bias moves.

**On paper.** Four inputs, the mean of h² is 3, and v = 1/6. Then the mean of z² is 4 · 1/6 · 3 = 2, and after ReLU it is 1: a third of the
3 that came in. factor = 4 · 1/6 / 2 = 1/3, and three such layers leave 1/27. With v = 2/4 the factor is 1: that is He.

    >>> factor(1 / 6, 4) * 3
    1.0
    >>> [round(factor(variance(start, 64, 64), 64), 4) for start in STARTS]
    [0.0, 0.0008, 0.1667, 0.5, 1.0, 1.0, 2.0]

**Why learning waits.** One or two small layers do learn, but late: the loss stays on a *plateau*, and then falls all at once. A weight's
gradient is what is missing times the weights of the other layers, and near 0 these are nearly 0: it is a saddle. How long it takes is
further reading, at the end of this file.

Sources: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", section 4.2; He et al. 2015,
"Delving deep into rectifiers", section 2.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn import init
from manual.nn.validate import expect_choice

STARTS = ("zeros", "small", "default", "xavier", "he", "orthogonal", "large")

SMALL, LARGE = 0.005, 0.25
"""Standard deviations of two starts that do not ask how many inputs there are."""


def variance(start: str, fan_in: int, fan_out: int) -> float:
    """v: the mean square of the weights that a start draws."""
    return {
        "zeros": 0.0,
        "small": SMALL**2,
        "default": 1 / (3 * fan_in),
        "xavier": 2 / (fan_in + fan_out),
        "he": 2 / fan_in,
        "orthogonal": 2 / max(fan_in, fan_out),
        "large": LARGE**2,
    }[start]


def factor(v: float, fan_in: int) -> float:
    """By what a layer with a ReLU multiplies the mean square of what passes through it (He et al. 2015, equation 9)."""
    return fan_in * v / 2


def first_weights(start: str, shape: tuple[int, int], *, rng: np.random.Generator, dtype: Any) -> np.ndarray:
    """A weight (out, in) as it begins."""
    of: dict[str, Any] = {"rng": rng, "dtype": dtype}
    if start == "zeros":
        return init.zeros(shape, dtype=dtype)
    if start == "default":
        return init.kaiming_uniform(shape, a=math.sqrt(5), **of)
    if start == "xavier":
        return init.xavier_normal(shape, **of)
    if start == "he":
        return init.kaiming_normal(shape, nonlinearity="relu", **of)
    if start == "orthogonal":
        return init.orthogonal(shape, gain=math.sqrt(2), **of)
    return init.normal(shape, 0.0, {"small": SMALL, "large": LARGE}[start], **of)


class DeepMLP(Concept):
    """64 → width → ... → width → 10 with ReLU, softmax cross-entropy and plain gradient descent.

    Args:
        start: one of STARTS: how the weights begin. Biases begin at 0.
        depth: how many hidden layers.
        width: units of each.
        lr: the step size.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such start, or no layer.
    """

    def __init__(
        self,
        start: str = "he",
        depth: int = 10,
        width: int = 64,
        lr: float = 0.05,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("DeepMLP", "start", start, STARTS)
        if min(depth, width) < 1:
            raise ValueError(f"DeepMLP: depth and width must be at least 1, got {depth} and {width}")
        rng = rng or np.random.default_rng()
        self.lr = lr
        self.layers = nn.ModuleList(nn.Linear(width if k else 64, width, rng=rng, dtype=dtype) for k in range(depth))
        self.relu = nn.ReLU()
        self.last = nn.Linear(width, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()
        for layer in (*self.layers, self.last):
            layer.weight[...] = first_weights(start, layer.weight.shape, rng=rng, dtype=dtype)
            layer.bias[...] = 0

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        h = x
        for layer in self.layers:
            z = layer(h)
            h = self.relu(z)
        return self.last(h)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        scores = self(x)
        loss = self.loss(scores, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dscores = self.loss.backward(dL_dloss)
        dL_dh = self.last.backward(dL_dscores)
        for layer in reversed(list(self.layers)):
            dL_dz = self.relu.backward(dL_dh)
            dL_dh = layer.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        scores = self(x)
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(scores.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def mean_squares(model: DeepMLP, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Layer by layer: the mean of h², and that of (∂L/∂h)². Both are (depth + 1,), from the pixels to the last hidden layer."""
    h = [x]
    for layer in model.layers:
        h.append(model.relu(layer(h[-1])))
    model.loss(model.last(h[-1]), y)
    dL_dh = [model.last.backward(model.loss.backward())]
    for layer in reversed(list(model.layers)):
        dL_dh.append(layer.backward(model.relu.backward(dL_dh[-1])))
    model.zero_grad()
    return np.array([(a**2).mean() for a in h]), np.array([(a**2).mean() for a in reversed(dL_dh)])


# ---- further reading: two layers without ReLU, solved exactly ---------------------------------------

# Leave ReLU out, and two layers only multiply: ŷ = W2 W1 x. Let them learn a matrix A = U S Vᵀ, in pieces as in `svd`, and begin along its
# axes: W1 = u Vᵀ, W2 = u U with a small number u. With the identity for x and Aᵀ for y the loss is ½ Σ (W2 W1 − A)², and
#
#     ∂L/∂W2 = (W2 W1 − A) W1ᵀ = U (u² − S) u        ∂L/∂W1 = W2ᵀ (W2 W1 − A) = (u² − S) u Vᵀ
#
# So a step stays along the axes, and every piece, here called a *mode*, learns by itself. It has the size a = u², is to reach its s, and
#
#     u ← u + lr · u · (s − u²)            what is there already, times what is missing
#     a(t) = s e²ˢᵗ / (e²ˢᵗ − 1 + s/a₀)    Saxe's sigmoid: where steps are short, with t = lr · step and a₀ the first a
#
# At u = 0 nothing ever happens. From a small u it takes about log(s/a₀) / 2s until a mode comes, the largest s first.
#
# Source: Saxe, McClelland and Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
# section 1.


def mode(u: float, s: float, lr: float, steps: int) -> np.ndarray:
    """u before and after each step of u ← u + lr · u · (s − u²): (steps + 1,).

    s = 2, u = ½, lr = 0.1: the step is 0.1 · ½ · (2 − ¼) = 0.0875.

    >>> mode(0.5, 2.0, 0.1, 1).round(4).tolist()
    [0.5, 0.5875]
    """
    path = [u]
    for _ in range(steps):
        path.append(path[-1] + lr * path[-1] * (s - path[-1] ** 2))
    return np.array(path)


def saxe(t: np.ndarray, s: float, a: float) -> np.ndarray:
    """Saxe's sigmoid: the size of a mode at the times t, from the size `a` at t = 0. Shapes: t and the result the same."""
    grown = np.exp(2 * s * t)
    return s * grown / (grown - 1 + s / a)


def two_layers(x: np.ndarray, W1: Array, W2: Array) -> np.ndarray:
    """ŷ = x W1ᵀ W2ᵀ. Shapes: x (N, in), W1 (k, in), W2 (out, k), ŷ (N, out)."""
    return x @ W1.T @ W2.T


def two_layers_backward(dL_dy_hat: np.ndarray, x: np.ndarray, W1: Array, W2: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """∂L/∂x, ∂L/∂W1 and ∂L/∂W2."""
    h = x @ W1.T  # (N, in) @ (in, k)
    dL_dW2 = dL_dy_hat.T @ h  # (out, N) @ (N, k)
    dL_dh = dL_dy_hat @ W2  # (N, out) @ (out, k)
    dL_dW1 = dL_dh.T @ x  # (k, N) @ (N, in)
    dL_dx = dL_dh @ W1  # (N, k) @ (k, in)
    return dL_dx, dL_dW1, dL_dW2


class DeepLinear(Concept):
    """ŷ = W2 W1 x, from a start along the axes of the matrix that is to be learned; L = ½ Σ (ŷ − y)², plain gradient descent.

    Args:
        target: A, (out, in).
        u: the size of both weights at first.
        lr: the step size.

    Shapes: W1 (k, in) and W2 (out, k), with k the smaller of in and out; x (N, in), y (N, out). With the identity for x, and Aᵀ for y, L is
    half the squared distance of W2 W1 from A.

    >>> linear = DeepLinear(np.array([[2.0]]), u=0.5)
    >>> linear.training_step((np.array([[1.0]]), np.array([[2.0]])), 0)
    1.53125
    >>> linear.backward()
    >>> linear.W1.grad.tolist(), linear.W2.grad.tolist()
    ([[-0.875]], [[-0.875]])
    """

    def __init__(self, target: np.ndarray, u: float = 0.1, lr: float = 0.01) -> None:
        super().__init__()
        self.lr = lr
        U, _, Vh = np.linalg.svd(target, full_matrices=False)
        self.W1, self.W2 = Parameter(u * Vh), Parameter(u * U)

    def forward(self, x: np.ndarray) -> np.ndarray:
        return two_layers(x, self.W1, self.W2)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        r = self(x) - y
        self.save(x, r)
        return float((r**2).sum() / 2)

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, r = self.restore()
        dL_dy_hat = dL_dloss * r  # (N, out): the 2 of the square and the ½ are gone
        _, dL_dW1, dL_dW2 = two_layers_backward(dL_dy_hat, x, self.W1, self.W2)
        self.W1.grad += dL_dW1
        self.W2.grad += dL_dW2

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
