"""Double descent: with as many features as examples a network is at its worst, and with many more it is good again, by hand.

The rule of the textbook: a model with as many numbers to choose as there are examples learns the noise by heart. So one stays well below.
Large networks have far more numbers than examples, hit every one of them, and are good all the same. Both are right. As a network grows,
its error on others first falls, then rises to a *peak*, just where it can hit all examples for the first time, and falls again behind it.

The smallest network that shows it has a hidden layer that is not trained. Its weights are drawn once; each of its P units is a *random
feature* of the input. Only the last layer learns, θ:

    φ = tanh(x W + b) / √P          P features of each input; W and b are drawn, and stay
    ŷ = φ θ                         the prediction
    L = mean of (ŷ − y)²

Backward, with N examples:

    ∂L/∂ŷ = 2 (ŷ − y) / N
    ∂L/∂θ = φᵀ ∂L/∂ŷ                each feature, weighted by the errors that it led to

**The answer is known.** This is linear regression on φ. With P below N there is one best θ. With P above N many θ hit all examples. Which
one does gradient descent find? Every step is made of rows of φ, since ∂L/∂θ = φᵀ (...). From θ = 0 it can never leave them; and among all
θ that hit every example the one made of rows of φ is the shortest: whatever could be added to it, at a right angle to every row, changes
no ŷ and only makes θ longer. This shortest one is the *pseudo-inverse* times y, `np.linalg.pinv(φ) @ y`.

**Why the peak?** With P = N there is just one θ that hits all examples, noise and all. It must exist, but nobody said that it is small:
to tell two similar examples apart, features that hardly differ are multiplied by huge numbers of opposite signs. On a new input these no
longer cancel. With more features there is choice, and the shortest θ takes it.

**On paper.** Two examples, y = (0, 1), and two features that nearly agree:

    φ = [1    1 ]      θ₁ + θ₂ = 0 and θ₁ + 1.1 θ₂ = 1:  θ = (−10, 10), of length 14.1
        [1   1.1]      a new input φ = (1, 1.5) gets ŷ = 5, though every y was 0 or 1

A third feature that tells the two apart, (0, 1), lets others do the work: now θ = (0, 0, 1) hits both, and is of length 1. The shortest
is a little shorter still. And of one example, φ = (1, 2), y = 5: all θ with θ₁ + 2 θ₂ = 5 hit it, (5, 0) too; gradient descent from (0,
0) walks along (1, 2) and ends at (1, 2), of length 2.24.

    >>> y = np.array([[0.0], [1.0]])
    >>> theta = shortest(np.array([[1.0, 1.0], [1.0, 1.1]]), y)
    >>> theta.round(6).ravel().tolist(), float((np.array([1, 1.5]) @ theta)[0].round(6))
    ([-10.0, 10.0], 5.0)
    >>> theta = shortest(np.array([[1.0, 1.0, 0.0], [1.0, 1.1, 1.0]]), y)
    >>> float(np.linalg.norm(theta).round(2))
    1.0
    >>> shortest(np.array([[1.0, 2.0]]), np.array([[5.0]])).round(6).ravel().tolist()
    [1.0, 2.0]

**Does that make large networks safe?** It makes them possible. What falls behind the peak may end above what a small network had, or
below: it depends on the features. And training that is stopped early never gets to the peak: the huge numbers are what it learns last.

Sources: Belkin, Hsu, Ma and Mandal 2019, "Reconciling modern machine-learning practice and the classical bias-variance trade-off",
figures 1 and 2 (random features); Hastie, Montanari, Rosset and Tibshirani 2022, "Surprises in high-dimensional ridgeless least squares
interpolation", section 2 (gradient descent from 0 finds the shortest).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.init import normal


def features(x: np.ndarray, W: Array, b: Array) -> np.ndarray:
    """φ = tanh(x W + b) / √P: divided so that the size of a row does not depend on P. Shapes: x (N, D), W (D, P), b (P,), φ (N, P)."""
    return np.tanh(x @ W + b) / math.sqrt(W.shape[1])


def shortest(phi: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of all θ with the least loss the shortest: the pseudo-inverse of φ, times y. Shapes: φ (N, P), y (N, 1), θ (P, 1).

    Below one millionth of a millionth of the largest a singular value counts as 0.
    """
    return np.linalg.pinv(phi, rcond=1e-12) @ y


class DoubleDescent(Concept):
    """Random features and a last layer that learns, by gradient descent with momentum.

    Args:
        inputs: D, numbers of an input.
        features: P, random ones.
        start: the standard deviation of θ at the start; 0 is what finds the shortest.
        lr: the step size. No entry of tanh is beyond ±1, so no curvature is above 2; below lr = 1 + momentum no step grows.
        momentum: each step is the gradient's, plus this part of the last step.
        rng: draws W and b, standard normal, and θ.
        dtype: of all of them.

    Shapes: x (N, D), the prediction and the target y (N, 1).

    Raises:
        ValueError: if inputs or features is below 1, or start below 0.
    """

    W: np.ndarray
    b: np.ndarray

    def __init__(
        self,
        inputs: int = 10,
        features: int = 1000,
        start: float = 0.0,
        lr: float = 1.8,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(inputs, features) < 1 or start < 0:
            raise ValueError(
                f"DoubleDescent: inputs and features must be at least 1 and start not below 0, got {inputs}, {features} and {start}"
            )
        rng = rng or np.random.default_rng()
        self.lr, self.momentum = lr, momentum
        self.register_buffer("W", normal((inputs, features), rng=rng, dtype=dtype))
        self.register_buffer("b", normal((features,), rng=rng, dtype=dtype))
        self.theta = Parameter(normal((features, 1), 0, start, rng=rng, dtype=dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        phi = features(x, self.W, self.b)
        self.save(phi)
        return phi @ self.theta  # (N, P) @ (P, 1)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        r = self(x) - y
        self.save(r)
        loss = np.mean(r**2)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        r = self.restore()
        dL_dy_hat = dL_dloss * 2 * r / len(r)  # (N, 1)
        phi = self.restore()
        self.theta.grad += phi.T @ dL_dy_hat  # (P, N) @ (N, 1): rows of φ, each times its error; the step never leaves them

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The mean squared error, and the length of θ."""
        x, y = batch
        self.log("loss/val", np.mean((self(x) - y) ** 2), batch_size=len(x))
        self.log("length/val", np.sqrt((self.theta.data**2).sum()), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
