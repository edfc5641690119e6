"""Distillation: a small network learns what a large one knows, also about what it never saw, by hand.

A label says "this is an 8". A good reader says more: "an 8, but it could pass for a 3, and never for a 1". What is wrong, and how wrong,
tells much of what digits look like. *Distillation* hands that on: a *student* learns from the answers of a *teacher*, another network that
was trained before. So large models are made small enough for a phone; and no labels are needed, for the teacher answers any picture.

    v = teacher(x)                   the teacher's ten scores; it was trained before, and for the student they are data, as x is
    z = x W1ᵀ + b1, ReLU, W2, b2     the student's ten scores
    q = softmax(v / T)               the *soft targets*: what the teacher says, at temperature T (see `calibration`)
    p = softmax(z / T)               what the student says, at the same
    L = T² · mean of KL(q‖p)         how far p is from q (see `information`): 0 where they are equal

**Why a temperature?** A good teacher is sure: 0.9999 for the 8, and 0.0001 for the rest. Nearly all of the loss is about the 8, and what
it knows of 3s stands far behind the point, where it is learned slowly. At T = 4 its scores lie nearer together: of 10,000 to 1 remains 10
to 1.

**The way back.** KL(q‖p) is the cross-entropy of p less a number that the student cannot change, so its gradient with respect to z / T is
what was predicted minus what was wanted, and z was divided by T:

    ∂L/∂z = T² · (p − q) / (T N) = T (p − q) / N

Hot scores make even probabilities: p − q shrinks about as 1/T. T² in the loss makes up for both 1/T, so that the step stays as long.

**The limit.** For T far above all scores, e^(z/T) is nearly 1 + z/T. With z̄ and v̄, the means over the C = 10 scores,

    p ≈ (1 + (z − z̄)/T) / C,         so  ∂L/∂z → ((z − z̄) − (v − v̄)) / (C N)

That is half squares: at a high temperature the student simply learns the teacher's scores, up to a number added to all (`limit`).

**A digit that it never saw.** In the run no student sees a 3. From labels it learns never to say 3, for nothing that it saw was one. From
soft targets it learns that this 8 has something of a 3, and that 1 has not. That is enough to know a 3 when one comes. (The teacher has
seen 3s.)

**On paper.** Three classes, one picture, T = 2. The teacher's scores are v = (2 log 6, 2 log 2, 0), the student's are all 0.

    q = softmax(log 6, log 2, 0) = (6, 2, 1) / 9 = (⅔, 2/9, 1/9)         at T = 1: (36, 4, 1) / 41 = (0.88, 0.10, 0.02)
    p = (⅓, ⅓, ⅓)
    KL(q‖p) = ⅔ log 2 + 2/9 log ⅔ + 1/9 log ⅓ = 0.462 − 0.090 − 0.122 = 0.250      L = 2² · 0.250 = 1.000
    ∂L/∂z = 2 (⅓ − ⅔, ⅓ − 2/9, ⅓ − 1/9) = (−⅔, 2/9, 4/9)

    >>> v, z = np.array([[2 * np.log(6), 2 * np.log(2), 0.0]]), np.zeros((1, 3))
    >>> float(distill(z, v, 2.0).round(3))
    1.0
    >>> (9 * distill_backward(1.0, z, v, 2.0)).round(12).tolist()
    [[-6.0, 2.0, 4.0]]

Sources: Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network", sections 2 (T²), 2.1 (the limit, equation 4) and 3
(the missing 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.nn.functional import log_softmax, softmax


def distill(z: np.ndarray, v: np.ndarray, T: float) -> Any:
    """T² times the mean of KL(q‖p). Shapes: the student's scores z and the teacher's v (N, C)."""
    log_q, log_p = log_softmax(v / T, axis=1), log_softmax(z / T, axis=1)
    return T**2 * (np.exp(log_q) * (log_q - log_p)).sum(axis=1).mean()


def distill_backward(dL_dy: Any, z: np.ndarray, v: np.ndarray, T: float) -> np.ndarray:
    """∂L/∂z = T (p − q) / N. The teacher's scores are data, and get none. Shapes: all (N, C)."""
    p, q = softmax(z / T, axis=1), softmax(v / T, axis=1)
    return dL_dy * T * (p - q) / len(z)


def limit(z: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What ∂L/∂z comes near as T grows: the difference of the scores, each less its mean, over C N. Shapes: all (N, C)."""
    d = z - v
    return (d - d.mean(axis=1, keepdims=True)) / d.size


class Distillation(Concept):
    """A student, 64 → hidden → 10 with ReLU, that learns from soft targets, from labels, or from both; Adam.

    Args:
        hidden: units of the student.
        T: the temperature, above 0.
        share: of the teacher in the loss, 0 to 1; the rest is the cross-entropy with the labels. 1: labels are not looked at.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: a batch is x (N, 64), the teacher's scores v (N, 10), and y (N,) integers 0 to 9.

    Raises:
        ValueError: if hidden is below 1, T not above 0, or share not in 0 to 1.
    """

    def __init__(
        self,
        hidden: int = 32,
        T: float = 4.0,
        share: float = 1.0,
        lr: float = 3e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if hidden < 1 or not T > 0 or not 0 <= share <= 1:
            raise ValueError(f"Distillation: hidden must be at least 1, T above 0 and share in 0 to 1, got {hidden}, {T} and {share}")
        self.T, self.share, self.lr = T, share, lr
        rng = rng or np.random.default_rng()
        self.fc1 = nn.Linear(64, hidden, rng=rng, dtype=dtype)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The student's scores."""
        z1 = self.fc1(x)
        h = self.relu(z1)
        z = self.fc2(h)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, v, y = batch
        z = self(x)
        self.save(z, v)
        loss = self.share * distill(z, v, self.T) + (1 - self.share) * self.loss(z, y)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, v = self.restore()
        dL_dz = distill_backward(self.share * dL_dloss, z, v, self.T)
        dL_dz += self.loss.backward((1 - self.share) * dL_dloss)  # z was used by both losses
        dL_dh = self.fc2.backward(dL_dz)
        dL_dz1 = self.relu.backward(dL_dh)
        self.fc1.backward(dL_dz1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, v, y = batch
        z = self(x)
        self.log("loss/val", self.share * distill(z, v, self.T) + (1 - self.share) * self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
