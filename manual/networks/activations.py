"""Ten layers of sigmoid, tanh, ReLU, GELU and SiLU: which let the gradient through, and units that die, by hand.

Between two layers stands an *activation*, a bent curve that each number goes through. On the way back the gradient is multiplied by the
slope of that curve, once in each layer. If slopes are below 1, little is left after ten. A run trains ten layers to read digits with the
activation that you choose: `--model.activation sigmoid`.

                                    at −2      0      2     steepest slope
    sigmoid  σ(z) = 1/(1 + e⁻ᶻ)     0.12    0.5    0.88    ¼         at 0
    tanh     2 σ(2z) − 1           −0.96    0      0.96    1         at 0
    relu     max(z, 0)              0       0      2       1         wherever z is above 0
    gelu     z Φ(z)                −0.05    0      1.95    1.13      at √2
    silu     z σ(z)                −0.24    0      1.76    1.10      at 2.4

tanh is the sigmoid, stretched to lie between −1 and 1, and four times as steep. Φ(z) is the probability that a number drawn from the bell
curve of mean 0 and standard deviation 1 is below z. So gelu and silu let a part of z through, from none of it far below 0 to all of it
far above: a ReLU with a round corner.

**The bound.** The sigmoid's slope is a (1 − a), with a = σ(z). That is largest at a = ½, and never above ¼. A matrix makes an arrow longer,
too: call ‖W‖ the most by which it can, its largest stretch (in NumPy `np.linalg.norm(W, 2)`). So for each example

    z = h W + b,  next h = σ(z)         so       ∂L/∂h = (∂L/∂(next h) · σ′(z)) Wᵀ

    ‖∂L/∂h‖ ≤ ¼ ‖W‖ ‖∂L/∂(next h)‖,   and after L layers     ‖∂L/∂h0‖ ≤ 4⁻ᴸ ‖W1‖ ‖W2‖ ... ‖WL‖ ‖∂L/∂hL‖

where h0 are the pixels and hL is the last hidden layer. However the network is trained, no gradient is longer. With ten sigmoids and
‖W‖ = 2 it is below a thousandth, and as most slopes are not the steepest, it is far below. This is the *vanishing gradient*. For the
others put their steepest slope in place of ¼: the bound is then no reason to stall.

**On paper.** Three layers of one unit each, w = 2 and b = −1, and the input ½. z = 2 · ½ − 1 = 0 and σ(0) = ½, in every layer. Each slope
is ¼, the steepest. So ∂L/∂h is halved, ¼ · 2, at every layer: after three 1/8, and just that is the bound.

    >>> layer, sigmoid = nn.Linear(1, 1), nn.Sigmoid()
    >>> layer.weight[...], layer.bias[...] = 2, -1
    >>> h, dL_dh = np.array([[0.5]]), np.array([[1.0]])
    >>> for _ in range(3):
    ...     h = sigmoid(layer(h))
    >>> for _ in range(3):
    ...     dL_dh = layer.backward(sigmoid.backward(dL_dh))
    >>> h.tolist(), dL_dh.tolist(), bound("sigmoid", [np.array([[2.0]])] * 3)
    ([[0.5]], [[0.125]], 0.125)
    >>> [round(float(slope(name, np.array([2.0]))[0]), 2) for name in ACTIVATIONS]
    [0.1, 0.07, 1.0, 1.09, 1.09]

**Dead units.** A ReLU whose z is below 0 for every example passes nothing on, and its slope is 0 for all of them. It gets no gradient, and
does not change: it is *dead*. In the first layer, whose inputs stay as they are, that is for ever; further on, until what comes in has
changed. Steps that are too long throw units there. Some are born so: with biases of 0, a unit is below 0 for an example with probability ½,
all w units of a layer with (½)ʷ, and nothing more comes out of any layer after that. Through L layers:

    probability that an example does not get through = 1 − (1 − 2⁻ʷ)ᴸ

    >>> blocked(width=1, depth=2), round(blocked(width=4, depth=10), 2)
    (0.75, 0.48)

gelu and silu do not die: their slope below 0 is small, and not 0.

Sources: Hochreiter 1991 (the vanishing gradient); Glorot, Bordes and Bengio 2011, "Deep sparse rectifier neural networks"; Hendrycks and
Gimpel 2016, "Gaussian error linear units"; Lu, Shin, Su and Karniadakis 2020, "Dying ReLU and initialization" (born dead).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Array
from manual.nn.init import normal
from manual.nn.validate import expect_choice

ACTIVATIONS: dict[str, Any] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}

STEEPEST_AT = {"sigmoid": 0.0, "tanh": 0.0, "relu": 1.0, "gelu": math.sqrt(2), "silu": 2.3993572805154}
"""Where each is steepest. gelu: its second derivative is (2 − z²) times the bell curve; silu: the solution of z tanh(z/2) = 2."""

GAINS = {"sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "gelu": math.sqrt(2), "silu": math.sqrt(2)}
"""How large weights begin: their standard deviation is gain/√fan_in (torch.nn.init.calculate_gain; gelu and silu take relu's)."""


def slope(activation: str, z: np.ndarray) -> np.ndarray:
    """The slope of an activation at each z; the same shape."""
    layer = ACTIVATIONS[activation]()
    layer(z)
    return layer.backward(np.ones_like(z))


def bound(activation: str, weights: Iterable[Array]) -> float:
    """By what these layers can multiply the length of a gradient at most: for each its steepest slope times its largest stretch.

    Args:
        activation: behind each layer.
        weights: of the layers, as (in, out) or (out, in).
    """
    steepest = slope(activation, np.array([STEEPEST_AT[activation]]))[0]
    return float(np.prod([steepest * np.linalg.norm(np.asarray(W), 2) for W in weights]))


def blocked(width: int, depth: int) -> float:
    """The probability that of an example nothing gets through a new network of ReLUs whose biases are 0 (Lu et al. 2020, section 3)."""
    return 1 - (1 - 2.0**-width) ** depth


class DeepMLP(Concept):
    """64 → width → ... → width → 10 with an activation after each hidden layer, softmax cross-entropy and plain gradient descent.

    Args:
        activation: one of ACTIVATIONS.
        depth: how many hidden layers.
        width: units of each.
        lr: the step size.
        rng: draws the weights, normal with the standard deviation gain/√fan_in, biases 0; the last layer's gain is 1.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such activation, or no layer.
    """

    def __init__(
        self,
        activation: str = "relu",
        depth: int = 10,
        width: int = 64,
        lr: float = 0.05,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("DeepMLP", "activation", activation, tuple(ACTIVATIONS))
        if min(depth, width) < 1:
            raise ValueError(f"DeepMLP: depth and width must be at least 1, got {depth} and {width}")
        rng = rng or np.random.default_rng()
        self.lr, self.name = lr, activation
        self.layers = nn.ModuleList(nn.Linear(width if k else 64, width, rng=rng, dtype=dtype) for k in range(depth))
        self.activation = ACTIVATIONS[activation]()
        self.last = nn.Linear(width, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()
        for layer in (*self.layers, self.last):
            gain = 1.0 if layer is self.last else GAINS[activation]
            layer.weight[...] = normal(layer.weight.shape, 0.0, gain / math.sqrt(layer.weight.shape[1]), rng=rng, dtype=dtype)
            layer.bias[...] = 0

    def hidden(self, x: np.ndarray) -> list[np.ndarray]:
        """The pixels, and what each hidden layer makes of them: (N, 64) and `depth` arrays (N, width)."""
        h = [x]
        for layer in self.layers:
            z = layer(h[-1])
            h.append(self.activation(z))
        return h

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        return self.last(self.hidden(x)[-1])

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
            dL_dz = self.activation.backward(dL_dh)
            dL_dh = layer.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Beside loss and accuracy: the share of hidden units that are 0 for every one of these digits."""
        x, y = batch
        h = self.hidden(x)
        scores = self.last(h[-1])
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(scores.argmax(axis=1) == y), batch_size=len(x))
        self.log("dead/val", dead(h[1:]), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def dead(h: list[np.ndarray]) -> float:
    """The share of units, over all layers, that are 0 for every example. Shapes: each (N, width)."""
    return float(np.mean([(a == 0).all(axis=0) for a in h]))


def lengths(model: DeepMLP, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖∂L/∂h‖ of each example at each layer: (depth + 1, N), the pixels first."""
    model.loss(model(x), y)
    dL_dh = [model.last.backward(model.loss.backward())]
    for layer in reversed(list(model.layers)):
        dL_dh.append(layer.backward(model.activation.backward(dL_dh[-1])))
    model.zero_grad()
    return np.array([np.linalg.norm(a, axis=1) for a in reversed(dL_dh)])
