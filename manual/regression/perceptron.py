"""The first neuron that learned: Rosenblatt's perceptron, by hand.

Points of two kinds lie in a plane, and a straight line is to part them: all of one kind on one side, all of the other on the other.
Start with no line at all, and look at one point after the other. If it is on its right side, do nothing. If it is on the wrong side,
turn the line a little towards having it right: add the point to the weights, or subtract it. That is all. If some line parts the points,
this finds one after a number of mistakes that can be told in advance; if none does, it goes on for ever. It was the beginning of neural
networks (1958), and the proof that it cannot learn XOR nearly their end (1969): for that it takes a hidden layer. It was meant as a nerve
cell, which adds up what reaches it, each input by its strength, and fires above a threshold. Here the strengths are W; that is
all that is left of the brain.

With y = +1 for one kind and −1 for the other, and the score z = x W + b (the answer is its sign), a mistake is y z ≤ 0.

    l = mean of max(−y z, 0)              how far on the wrong side; nothing if right
    ∂l/∂z = −y / N at a mistake, 0 elsewhere
    ∂l/∂W = xᵀ ∂l/∂z,   ∂l/∂b = Σ ∂l/∂z

One row at a time with lr = 1, a step of gradient descent is Rosenblatt's rule: W ← W + y x, b ← b + y at a mistake. At z = 0 the loss has a
kink; the rule counts it as a mistake (the slope −y is taken), for else nothing would ever move away from W = 0. lr has no
influence when W and b begin at 0: all scores are multiplied by it, and their signs stay.

**On paper.** Two points: (2, 1) is of the kind +1, (1, 2) of the kind −1. From W = (0, 0), b = 0:

    point    y    z = x W + b             y z
    (2, 1)   +1    0                       0    a mistake: W = (0, 0) + (2, 1) = (2, 1),     b = 0 + 1 = 1
    (1, 2)   −1    1·2 + 2·1 + 1 = 5      −5    a mistake: W = (2, 1) − (1, 2) = (1, −1),    b = 1 − 1 = 0
    (2, 1)   +1    2 − 1 + 0 = 1           1    right
    (1, 2)   −1    1 − 2 + 0 = −1          1    right

A pass without a mistake: done, and the line is x₁ − x₂ = 0. In Python, with b as the third number:

    >>> x, y = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[1.0], [-1.0]])
    >>> path, mistakes = rosenblatt(x, y)
    >>> path.tolist(), mistakes
    ([[0.0, 0.0, 0.0], [2.0, 1.0, 1.0], [1.0, -1.0, 0.0]], [2, 0])
    >>> round(mistake_bound(x, y, path[-1]), 6)
    12.0

**How many mistakes?** Let a = [x 1] and q = [W; b]. Say some q* of length 1 has every row right with the margin γ: y aᵀq* ≥ γ, and no
row is longer than R. Each mistake adds y a to q. So qᵀq* grows by at least γ each time, and ‖q‖² by at most R², since

    ‖q + y a‖² = ‖q‖² + 2 y aᵀq + ‖a‖² ≤ ‖q‖² + 0 + R²           it was a mistake: y aᵀq ≤ 0

After k mistakes k γ ≤ qᵀq* ≤ ‖q‖ ≤ √k R, and therefore

    k ≤ (R/γ)²

whatever the number of rows and their order. Without a q* there is no bound: it never settles. On paper R² = 2² + 1² + 1² = 6, and the line
found, (1, −1, 0)/√2, has the margin 1/√2: not more than 6/½ = 12 mistakes; there were two.

Source: Rosenblatt 1958, "The perceptron"; Novikoff 1962 (the bound); Minsky and Papert 1969 (XOR).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import length
from manual.nn.validate import expect_same_shape
from manual.regression.linear_regression import with_ones


def perceptron_loss(z: np.ndarray, y: np.ndarray) -> Any:
    """Mean of max(−y z, 0).

    Args:
        z: scores, of any shape.
        y: +1 or −1, of z's shape.

    Raises:
        ValueError: if the shapes differ, or y holds other numbers (0 for no: its rows would never be mistakes that teach).
    """
    expect_same_shape("perceptron_loss", "z", z, "y", y)
    expect_signs("perceptron_loss", y)
    return np.where(y * z > 0, 0, -y * z).mean()  # asked this way round NaN stays NaN


def perceptron_loss_backward(dL_dl: Any, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """∂l/∂z = −y / N at a mistake, y z ≤ 0, and 0 elsewhere; y is given and gets no gradient."""
    mistake = ~(y * z > 0)
    return dL_dl * -y * mistake / z.size


def margin(x: np.ndarray, y: np.ndarray, q: np.ndarray) -> float:
    """min y aᵀq / ‖q‖, a = [x 1]: how far the nearest row is on its right side (below 0: on the wrong one).

    Shapes: x (N, D), y (N, 1), q = [W; b] (D+1,).

    Raises:
        ValueError: if q is 0: there is no line.
    """
    if not q.any():
        raise ValueError("margin: q must not be 0")
    unit = q / length(q)
    return float((y * (with_ones(x) @ unit[:, None])).min())  # (N, D+1) @ (D+1, 1)


def mistake_bound(x: np.ndarray, y: np.ndarray, q: np.ndarray) -> float:
    """(R/γ)²: no order of the rows makes more mistakes than this, for any q that has all rows right. The best q gives the lowest bound.

    Raises:
        ValueError: if q has a row wrong: it proves nothing then.
    """
    gamma = margin(x, y, q)
    if gamma <= 0:
        raise ValueError(f"mistake_bound: q must have every row right, but its margin is {gamma:.3g}")
    R = length(with_ones(x), axis=1).max()
    return float(R / gamma) ** 2


def rosenblatt(x: np.ndarray, y: np.ndarray, max_passes: int = 100) -> tuple[np.ndarray, list[int]]:
    """The rule as it was published: row by row, from q = 0, until a pass without a mistake.

    Args:
        x: (N, D).
        y: (N, 1), +1 or −1.
        max_passes: when to stop if there is always a mistake.

    Returns:
        q = [W; b] at first and after each mistake, (mistakes+1, D+1); and the number of mistakes in each pass: it has settled if the
        last is 0.

    Raises:
        ValueError: if y holds other numbers than +1 and −1.
    """
    expect_signs("rosenblatt", y)
    A, path, mistakes = with_ones(x), [np.zeros(x.shape[1] + 1, x.dtype)], []
    for _ in range(max_passes):
        before = len(path)
        for a, sign in zip(A, y[:, 0], strict=True):
            if sign * (a @ path[-1]) <= 0:
                path.append(path[-1] + sign * a)
        mistakes.append(len(path) - before)
        if mistakes[-1] == 0:
            break
    return np.stack(path), mistakes


def expect_signs(function: str, y: np.ndarray) -> None:
    """Raise ValueError unless y holds +1 and −1 only."""
    if not np.all(np.abs(y) == 1):
        raise ValueError(f"{function}: y must be +1 or -1, got {np.unique(y[np.abs(y) != 1])[0]:g}")


class Perceptron(Concept):
    """The sign of x W + b, learned from mistakes: with batches of one row this is Rosenblatt's rule.

    Args:
        features: D, the numbers that are known of each example.
        lr: the step size; from W = 0 it changes nothing but the length of W.
        rng: what every concept takes; nothing is drawn here, W and b begin at 0 as Rosenblatt's.
        dtype: of the parameters.

    Shapes: x (N, D), the prediction z (N, 1), y (N, 1) of +1 and −1, W (D, 1), b (1,).
    """

    def __init__(self, features: int = 2, lr: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr = lr
        self.W = Parameter(np.zeros((features, 1), dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The scores; their signs are the answers."""
        return x @ self.W + self.b  # (N, D) @ (D, 1) + (1,)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z = self(x)
        loss = perceptron_loss(z, y)
        self.save(x, y, z)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, y, z = self.restore()
        dL_dz = perceptron_loss_backward(dL_dloss, z, y)  # (N, 1)
        self.W.grad += x.T @ dL_dz  # (D, N) @ (N, 1): the rows that were mistaken
        self.b.grad += dL_dz.sum(axis=0)  # (N, 1) summed over rows: (1,)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", perceptron_loss(z, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(y * z > 0), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
