"""A network with one hidden layer that reads handwritten digits, by hand.

    z1 = x W1ᵀ + b1        64 pixels → 128 numbers
    h  = max(z1, 0)        ReLU: what is negative becomes 0
    d  = dropout(h)        in training about a fifth of them, drawn anew each time, is set to 0 and the rest divided by 0.8, so
                           that no single one is relied upon and the sum stays about the same; afterwards d = h
    z2 = d W2ᵀ + b2        128 numbers → 10 scores, one for each digit
    p  = softmax(z2)       10 probabilities
    L  = mean of −log p[the right digit]

**W is turned here.** So far W1 was (in, out), a column for each unit, and z1 = x W1 + b1. The layers of this concept are torch's, and
`nn.Linear` keeps its weight as (out, in), here (128, 64), a row for each unit, and computes x W1ᵀ + b1. It is the same product of the
same numbers, stored the other way round, and ∂L/∂W1 has the shape of W1, as always. So do all concepts that are made of `nn.Linear`.

Backward is the same list read from the bottom up. Its first line is the most pleasant formula of the field: the gradient of
L with respect to the scores is (p − y)/N, where y is 1 at the right digit and 0 elsewhere. What was predicted, minus what is.
The step is Adam's: gradient descent in which each weight's gradient, averaged over the last steps, is divided by the size that it
had in them, so that the weight moves by about lr.

**On paper.** Three digits in place of ten, one image, N = 1, the right one is the first. Softmax raises e to each score and divides by
the sum: scores of log 1, log 2 and log 1 become 1, 2 and 1, and p = (¼, ½, ¼).

    L = −log ¼ = 1.386...          ∂L/∂z2 = p − y = (¼ − 1, ½ − 0, ¼ − 0) = (−¾, ½, ¼)

Of two hidden units let the first have passed z1 = 2 on, and the second, with z1 = −1, nothing: h = (2, 0). A weight of W2 learns what
came in times the error that came out, and the second unit's, into which 0 came, learn nothing:

    ∂L/∂W2 = [−¾ · 2   −¾ · 0]     [−1.5   0]
             [ ½ · 2    ½ · 0]  =  [ 1     0]
             [ ¼ · 2    ¼ · 0]     [ 0.5   0]

    >>> loss, fc2 = nn.CrossEntropyLoss(), nn.Linear(2, 3)
    >>> fc2.weight[...], fc2.bias[...] = 0, np.log([1, 2, 1])
    >>> z2 = fc2(np.array([[2.0, 0.0]]))
    >>> float(loss(z2, np.array([0])).round(3))
    1.386
    >>> dL_dh = fc2.backward(loss.backward())
    >>> fc2.weight.grad.round(15).tolist()
    [[-1.5, 0.0], [1.0, 0.0], [0.5, 0.0]]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept


class DigitsMLP(Concept):
    """64 → hidden → 10 with ReLU and dropout, softmax cross-entropy and Adam.

    Args:
        hidden: units of the hidden layer.
        dropout: the fraction of hidden units set to 0 at each training step.
        lr: Adam's step size (1e-3: Kingma & Ba, 2015, algorithm 1).
        rng: draws the initial weights and the dropout masks.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.
    """

    def __init__(
        self, hidden: int = 128, dropout: float = 0.2, lr: float = 1e-3, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        self.lr = lr
        self.fc1 = nn.Linear(64, hidden, rng=rng, dtype=dtype)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.fc2 = nn.Linear(hidden, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        z1 = self.fc1(x)
        h = self.relu(z1)
        d = self.dropout(h)
        z2 = self.fc2(d)
        return z2

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z2 = self(x)
        loss = self.loss(z2, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz2 = self.loss.backward(dL_dloss)
        dL_dd = self.fc2.backward(dL_dz2)
        dL_dh = self.dropout.backward(dL_dd)
        dL_dz1 = self.relu.backward(dL_dh)
        self.fc1.backward(dL_dz1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z2.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
