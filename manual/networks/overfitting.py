"""Overfitting: what is learned by heart serves for nothing else, by hand.

A few examples hold two things: what is so, and what is so by chance. A model that is free enough learns both. On its own examples it is
then faultless, and on others it gets worse. Two models that can be watched doing so: a curve through points, and a network that reads
digits.

**A curve.** A *polynomial* of *degree* d is a sum of powers of x, each with a weight of its own:

    ŷ = c₀ + c₁ x + c₂ x² + … + c_d x^d

Degree 1 is a straight line. Every further degree is one more bend, and with as many weights as there are points it goes through all of
them, whatever they are. The weights of least squares are known without walking (`fit`). What there is to be learned is a sine, ten
points of which were measured, each off by chance.

**A network** with 4,800 weights and a hundred digits: there are 48 weights for each. It is trained on all hundred at each step, so that
nothing is noisy. The loss on them falls for ever. That on other digits falls for a while, and then *grows*: the network has begun to
be sure of things that are so in its hundred only. It may still read as many right; of those that it reads wrong it is ever more sure.

**What helps.** All three make it less free, or chance less strong:

    early stopping    keep the weights that had the lowest loss on digits that were not trained on
    weight decay      at each step make every weight a little smaller: the gradient gets weight_decay · W added, as in ridge
    more data         what is so by chance in a thousand digits is little

**Why three parts?** The loss on the examples that one *learns* from says nothing of others. So some are held out. But by these one
chooses: when to stop, how strong the decay is, how many units. The best of many choices is partly the best by luck, and the luck was on
just these examples. A third part, that no choice was made by, is looked at once, at the end.

    training set        the weights are learned from it
    *validation set*    what is chosen is chosen by it: the loss of the best is a little too good
    *test set*          says what to expect: nothing was learned from it, and nothing chosen

**On paper.** The truth is ŷ = x. Three points, the middle one off by 0.6: x = (−1, 0, 1), y = (−1, 0.6, 1).

    degree    least squares           loss on the three                    at x = 2, where y is 2
    1         0.2 + x                 (0.2² + 0.4² + 0.2²) / 3 = 0.08      2.2     off by 0.2
    2         0.6 + x − 0.6 x²        0: it goes through all               0.2     off by 1.8

    >>> x, y = np.array([-1.0, 0.0, 1.0]), np.array([-1.0, 0.6, 1.0])
    >>> for degree in (1, 2):
    ...     c = fit(x, y, degree)
    ...     print(c.round(6) + 0.0, ((polynomial(x, c) - y) ** 2).mean().round(6), polynomial(np.array([2.0]), c).round(6))
    [0.2 1. ] 0.08 [2.2]
    [ 0.6  1.  -0.6] 0.0 [0.2]
    >>> polynomial_backward(np.array([1.0, 0.0, 2.0]), x, np.zeros(3)).tolist()      # 1 · (1, −1, 1) + 2 · (1, 1, 1)
    [3.0, 1.0, 3.0]

Sources: Bishop, Pattern Recognition and Machine Learning (2006), section 1.1 (the curve); Hastie, Tibshirani and Friedman, The Elements of
Statistical Learning, section 7.2 (three parts); Prechelt, Early stopping: but when?, in Neural Networks: Tricks of the Trade (1998).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module

# ---- a curve ----------------------------------------------------------------------------------------


def powers(x: np.ndarray, degree: int) -> np.ndarray:
    """1, x, x², … of each x: (N,) to (N, degree + 1)."""
    return x[:, None] ** np.arange(degree + 1, dtype=x.dtype)


def polynomial(x: np.ndarray, c: np.ndarray) -> np.ndarray:
    """ŷ = c₀ + c₁ x + …. Shapes: x (N,), c (degree + 1,), ŷ (N,)."""
    return powers(x, len(c) - 1) @ c


def polynomial_backward(dL_dy_hat: np.ndarray, x: np.ndarray, c: np.ndarray) -> np.ndarray:
    """∂L/∂c: each weight's slope is the power that it stands before. x is given and gets none."""
    return powers(x, len(c) - 1).T @ dL_dy_hat  # (degree + 1, N) @ (N,)


def fit(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """The c of least squares, (degree + 1,).

    The gradient is 0 where PᵀP c = Pᵀy, with P = powers(x). P = Q R, with QᵀQ = I and R a triangle, makes R c = Qᵀy of it, and
    loses fewer digits: those of PᵀP are squares.

    Raises:
        ValueError: if there are fewer different x than weights.
    """
    if len(np.unique(x)) <= degree:
        raise ValueError(f"fit: degree must be below the number of different x, {len(np.unique(x))}, got {degree}")
    Q, R = np.linalg.qr(powers(x, degree))
    return np.linalg.solve(R, Q.T @ y)  # (degree + 1, N) @ (N,)


# ---- a network --------------------------------------------------------------------------------------


class Watch(Module):
    """Early stopping: the lowest validation loss so far, and the test loss that belonged to it. Nothing of it is learned.

    Attributes:
        checks: how many validations there were.
        at: at which of them the loss was lowest, from 1.
        lowest: that loss.
        test_loss: on the test set, with the same weights.
    """

    checks: np.ndarray
    at: np.ndarray
    lowest: np.ndarray
    test_loss: np.ndarray

    def __init__(self, *, dtype: Any = np.float64) -> None:
        super().__init__()
        self.register_buffer("checks", np.array(0))
        self.register_buffer("at", np.array(0))
        self.register_buffer("lowest", np.array(0, dtype))
        self.register_buffer("test_loss", np.array(0, dtype))

    def validated(self, loss: float) -> None:
        """Take down a loss on the validation set."""
        self.checks += 1
        if self.checks == 1 or loss < self.lowest:
            self.at[...], self.lowest[...] = self.checks, loss

    def tested(self, loss: float) -> None:
        """Take down a loss on the test set, if the validation loss has just been the lowest."""
        if self.at == self.checks:
            self.test_loss[...] = loss


class Overfitting(Concept):
    """64 → hidden → 10 with ReLU, softmax cross-entropy, gradient descent with momentum; and a watch on when to have stopped.

    A validation has two batches: the validation set, by which it is chosen when to stop, and the test set, by which nothing is.

    Args:
        hidden: units of the hidden layer.
        weight_decay: how strongly weights are pulled to 0, biases too, as torch does it.
        lr: the step size.
        momentum: how much of the last step is kept.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.
    """

    def __init__(
        self,
        hidden: int = 64,
        weight_decay: float = 0.0,
        lr: float = 0.1,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.weight_decay, self.lr, self.momentum = weight_decay, lr, momentum
        self.fc1 = nn.Linear(64, hidden, rng=rng, dtype=dtype)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()
        self.watch = Watch(dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        z1 = self.fc1(x)
        h = self.relu(z1)
        z2 = self.fc2(h)
        return z2

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z2 = self(x)
        loss = self.loss(z2, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz2 = self.loss.backward(dL_dloss)
        dL_dh = self.fc2.backward(dL_dz2)
        dL_dz1 = self.relu.backward(dL_dh)
        self.fc1.backward(dL_dz1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        loss, part = self.loss(z2, y), "val" if batch_idx == 0 else "test"
        self.log(f"loss/{part}", loss, batch_size=len(x))
        self.log(f"accuracy/{part}", np.mean(z2.argmax(axis=1) == y), batch_size=len(x))
        if batch_idx == 0:
            self.watch.validated(loss)
        else:
            self.watch.tested(loss)
            self.log("stopped/test", self.watch.test_loss, batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
