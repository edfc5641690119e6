"""Dropout: numbers that are left out by chance, which for a straight line is ridge, by hand.

Who cannot know which colleagues will be there tomorrow learns to lean on none of them. Dropout does that to the numbers in a network: at
each training step each is set to 0 with probability p. When training is over all are there again. It is a guard against overfitting, on
inputs, behind hidden layers, in every block of a GPT.

    keep = 1 with probability 1 − p, else 0        the *mask*: for each number of each example, and drawn anew at each step
    x̃ = x · keep / (1 − p)                         what is let through ("x tilde")
    x̃ = x                                          in *eval mode*, when training is over

**Why divide?** With p = ½ half of the numbers are missing, and a sum of them is about half as large. Divided by 1 − p they are, on
average over the masks, what they were, and nothing need be changed in eval mode: this is *inverted dropout*.

**On a straight line** the mean over all masks can be written down. Leave out inputs of ŷ = x̃ W. One product x̃ⱼ Wⱼ is 0, or
xⱼ Wⱼ / (1 − p). Its mean is xⱼ Wⱼ, the mean of its square (xⱼ Wⱼ)² / (1 − p): that is p/(1 − p) · (xⱼ Wⱼ)² more than the square of
its mean. So far it scatters, and as each is left out on its own, the scatter of a sum is the sum of theirs:

    mean over the masks of (ŷ − y)² = (x W − y)² + p/(1 − p) · Σⱼ xⱼ² Wⱼ²

That is the squared error without dropout, and a price for each squared weight: ridge. Where features are standardised the mean of xⱼ²
is 1, and alpha is p/(1 − p): 1 for p = ½. The best weights are known without walking (`solution`):

    (xᵀx/N + p/(1 − p) · D) W = xᵀy/N              D: on its diagonal the mean of each xⱼ², elsewhere 0

A walk never comes to rest there, for each step sees other masks; W jitters about it. So the *mean* of W over the steps is kept too.

**The way back goes through the same mask.** What was left out had no part in the loss and gets no gradient; what was let through was
divided by 1 − p, and so is its gradient:

    ∂L/∂W = x̃ᵀ ∂L/∂ŷ                               (D, N) @ (N, 1): x̃, not x
    ∂L/∂x = ∂L/∂x̃ · keep / (1 − p)                 for what stands before it: a hidden layer

To forget that is a common fault, for the loss still falls. With x in place of x̃ the scatter has no part in ∂L/∂W, on average, and with
it the price is gone: one trains least squares, noisily, and believes that it is ridge.

**On paper.** One example, x = (2, 1), W = (1, 2), y = 3, p = ½. There are four masks, and all are equally probable:

    keep    (1, 1)  (1, 0)  (0, 1)  (0, 0)
    x̃       (4, 2)  (4, 0)  (0, 2)  (0, 0)
    ŷ        8       4       4       0             mean 4 = x W
    (ŷ − 3)² 25      1       1       9             mean 9 = (4 − 3)² + 1 · (2² · 1² + 1² · 2²) = 1 + 8

With the mask (1, 0): ∂L/∂ŷ = 2 (4 − 3) = 2, so ∂L/∂W = (4 · 2, 0 · 2) = (8, 0). ∂L/∂x̃ = 2 W = (2, 4), and ∂L/∂x = (2 · 2, 0).

    >>> x, W, y = np.array([[2.0, 1.0]]), np.array([[1.0], [2.0]]), np.array([[3.0]])
    >>> expected_loss(x, y, W, p=0.5)
    9.0
    >>> line = Line(2, 0.5, rng=np.random.default_rng(10))
    >>> line.W[...], line.dropout.rng = W, np.random.default_rng(10)      # draws 0.96, which is kept, and 0.21, which is not
    >>> y_hat = line(x)
    >>> dL_dx = line.backward(2 * (y_hat - y))
    >>> y_hat.tolist(), line.W.grad.tolist(), dL_dx.tolist()
    ([[4.0]], [[8.0], [0.0]], [[4.0, 0.0]])

Sources: Srivastava et al. 2014, "Dropout", JMLR 15, sections 4 and 9.1 (ridge); Wager, Wang and Liang 2013, "Dropout training as adaptive
regularization"; Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging" (the mean over the steps).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Module, Parameter
from manual.nn.init import uniform


class Dropout(Module):
    """Each number is 0 with probability p, or divided by 1 − p; in eval mode all are as they were. As `manual.nn.Dropout` is.

    Args:
        p: the probability of 0.
        rng: draws the masks.

    Shapes: x, keep and the result are equal.

    Raises:
        ValueError: unless 0 ≤ p < 1: with p = 1 nothing would be left to learn from.
    """

    def __init__(self, p: float = 0.5, *, rng: Any = None) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p must be at least 0 and below 1, got {p}")
        self.p, self.rng = p, rng or np.random.default_rng()

    def forward(self, x: np.ndarray) -> np.ndarray:
        if not self.training:
            self.save(None)
            return x
        keep = self.rng.random(x.shape) >= self.p
        self.save(keep)
        return x * keep / (1 - self.p)

    def backward(self, dL_dx_tilde: np.ndarray) -> np.ndarray:
        keep = self.restore()
        return dL_dx_tilde if keep is None else dL_dx_tilde * keep / (1 - self.p)  # the same mask, and the same factor


class Line(Module):
    """ŷ = x̃ W: a straight line whose inputs are left out by chance. x and y have mean 0, so that no b is needed.

    W begins as torch's Linear does, uniformly between −1/√D and 1/√D.

    Shapes: x (N, D), ŷ (N, 1), W (D, 1).
    """

    def __init__(self, features: int, p: float, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        rng, bound = rng or np.random.default_rng(), 1 / math.sqrt(features)
        self.dropout = Dropout(p, rng=rng)
        self.W = Parameter(uniform((features, 1), -bound, bound, rng=rng, dtype=dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        x_tilde = self.dropout(x)
        self.save(x_tilde)
        return x_tilde @ self.W  # (N, D) @ (D, 1)

    def backward(self, dL_dy_hat: np.ndarray) -> np.ndarray:
        x_tilde = self.restore()
        self.W.grad += x_tilde.T @ dL_dy_hat  # (D, N) @ (N, 1): what was let through, not what there was
        dL_dx_tilde = dL_dy_hat @ self.W.T  # (N, 1) @ (1, D)
        return self.dropout.backward(dL_dx_tilde)


class DroppedInputs(Concept):
    """A line whose inputs are left out by chance, trained by gradient descent; and the mean of its W over the steps.

    Args:
        features: D, the numbers that are known of each example.
        p: the probability with which each of them is left out.
        lr: the step size; below 1 over (p/(1 − p) + the largest eigenvalue of xᵀx/N), which is 4 for the diabetes data.
        settle: steps before the mean begins.
        rng: draws W and the masks.
        dtype: of the parameters.

    Shapes: x (N, D), y (N, 1), line.W and mean_W (D, 1).

    Raises:
        ValueError: if features is below 1, or settle below 0, or p out of its range.
    """

    mean_W: np.ndarray
    steps: np.ndarray

    def __init__(
        self, features: int = 10, p: float = 0.5, lr: float = 0.1, settle: int = 100, *, rng: Any = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        if features < 1 or settle < 0:
            raise ValueError(f"DroppedInputs: features must be at least 1 and settle at least 0, got {features} and {settle}")
        self.lr, self.settle = lr, settle
        self.line = Line(features, p, rng=rng, dtype=dtype)
        self.register_buffer("mean_W", self.line.W.data.copy())
        self.register_buffer("steps", np.array(0))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The prediction."""
        return self.line(x)

    def average(self) -> None:
        """W into the mean of those after `settle` steps; until then the mean is the latest W."""
        self.steps += 1
        self.mean_W += (self.line.W - self.mean_W) / self.mean_W.dtype.type(max(self.steps - self.settle, 1))

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        self.average()
        x, y = batch
        residual = self(x) - y  # (N, 1)
        self.save(residual)
        loss = (residual**2).mean()
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        residual = self.restore()
        dL_dy_hat = dL_dloss * 2 * residual / len(residual)  # (N, 1): L is a mean of N squares
        self.line.backward(dL_dy_hat)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", ((self(x) - y) ** 2).mean(), batch_size=len(x))
        self.log("loss_of_mean/val", ((x @ self.mean_W - y) ** 2).mean(), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def price(x: np.ndarray, p: float) -> np.ndarray:
    """What each Wⱼ² costs: p/(1 − p) · the mean of xⱼ². Shapes: x (N, D), the result (D,)."""
    return p / (1 - p) * (x**2).mean(axis=0)


def expected_loss(x: np.ndarray, y: np.ndarray, W: Array, p: float) -> float:
    """The mean of L over all masks. Shapes: x (N, D), y (N, 1), W (D, 1)."""
    return float(((x @ W - y) ** 2).mean() + price(x, p) @ W[:, 0] ** 2)  # (D,) @ (D,)


def solution(x: np.ndarray, y: np.ndarray, p: float) -> np.ndarray:
    """The W of the lowest mean of L over all masks, (D, 1); with p = 0 least squares. Shapes: x (N, D), y (N, 1)."""
    return np.linalg.solve(x.T @ x / len(x) + np.diag(price(x, p)), x.T @ y / len(x))  # (D, D) and (D, N) @ (N, 1)
