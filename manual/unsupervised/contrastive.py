"""Contrastive learning: which two pictures belong together? Codes learned from that question alone, by hand.

Move a digit by one pixel and it is the same digit; but pixel by pixel it is another picture, and what is nearest to it is often a digit of
another kind. We want a *code*, a few numbers for each picture, that is near for what is alike to us. Nobody says what the pictures are. All
that is known is what may be done to a picture and leave it what it is: here, moving it.

So there is a game. From each of N digits two pictures are made, each moved by chance: its two *views*. Mix up the second views. Which of
these N belongs to this first one? Who can tell has found what in a picture says which digit it is, and forgotten where that stood. Models
that search pictures by words learned it so, from pictures and what was written below them.

    h = encoder(x)                    64 pixels → 128 numbers → ReLU → 16 numbers
    a = h / ‖h‖                       the code: an arrow of length 1; its direction is all that counts
    s[i, j] = a[i] · b[j] / τ         the score of first view i with second view j: the cosine of their angle, over the temperature τ
    p[i] = softmax(s[i])              the probability, for each j, that it is the one; the lower τ, the surer
    L = mean of −log p[i, i]          row i is a question with N answers, and the right one is i. It is called *InfoNCE*

b comes of the second views as a does of the first, through the same encoder. The N − 1 wrong answers are *negatives*: the code is pushed
away from them. Some are of the same kind of digit by chance, and nobody knows. Without them one code for all pictures would do: *collapse*.

**From where to where.** If all codes are alike, p is 1/N everywhere, and L = log N: 4.85 for 128 pictures. There it begins. It cannot
fall to 0, for not all can be opposite to all. At best any two of N arrows are equally far apart, with a cosine of −1/(N − 1), as to the
corners of a triangle for N = 3 (it takes N − 1 numbers):

    least L = log(1 + (N − 1) e^(−N/((N − 1) τ)))

**The way back** is one of classes: p − y, what was predicted minus what is. Both codes made each score, and both learn:

    ∂L/∂s = (p − I) / N               I: 1 where row and column are equal, else 0
    ∂L/∂a = ∂L/∂s b / τ               (N, N) @ (N, D): to the own second view, away from the others
    ∂L/∂b = (∂L/∂s)ᵀ a / τ            (N, N) @ (N, D): the other factor
    ∂L/∂h = (∂L/∂a − (a · ∂L/∂a) a) / ‖h‖     a longer h has the same code, so what points along a is taken off (see `vectors`)

The encoder was asked twice, so it is walked back twice, the last call first, and its gradient is the sum of both.

**On paper.** Two digits, N = 2, and h = (2, 0) and (0, 3) for the first views, so a = (1, 0) and (0, 1). The second views have the same
codes. To get easy fractions, let 1/τ = log 3:

    s = [log 3   0   ]      p = [¾  ¼]        L = −log ¾ = 0.288            all alike: log 2 = 0.693
        [0       log 3]         [¼  ¾]                                      opposite: log(1 + e^(−2 log 3)) = log 10/9 = 0.105

    ∂L/∂s = ½ (p − I) = [−⅛   ⅛]
                        [ ⅛  −⅛]
    ∂L/∂a[0] = (−⅛ (1, 0) + ⅛ (0, 1)) · log 3 = (−0.137, 0.137)
    ∂L/∂h[0] = (0, 0.137) / 2 = (0, 0.069)        what points along a is gone: a must turn away from the other's b, and that is all

    >>> h, τ = np.array([[2.0, 0.0], [0.0, 3.0]]), 1 / np.log(3)
    >>> a = b = normalize(h)
    >>> info_nce(a, b, τ).round(3), least_loss(2, τ).round(3)
    (np.float64(0.288), np.float64(0.105))
    >>> dL_da, dL_db = info_nce_backward(1.0, a, b, τ)
    >>> dL_da[0].round(3).tolist(), normalize_backward(dL_da, h)[0].round(3).tolist()
    ([-0.137, 0.137], [0.0, 0.069])

Sources: van den Oord, Li and Vinyals 2018, "Representation learning with contrastive predictive coding", equation 4 (InfoNCE); Chen et al.
2020, "A simple framework for contrastive learning of visual representations" (two views of each picture); Wang and Isola 2020,
"Understanding contrastive representation learning through alignment and uniformity on the hypersphere".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.linear_algebra.vectors import length
from manual.module import Module
from manual.nn.functional import log_softmax, softmax

EPS = 1e-12
"""What a length is at least taken for, as in torch."""


def normalize(h: np.ndarray) -> np.ndarray:
    """a = h / ‖h‖: each row as an arrow of length 1. Shapes: both (N, D)."""
    return h / length(h, EPS)


def normalize_backward(dL_da: np.ndarray, h: np.ndarray) -> np.ndarray:
    """∂L/∂h = (∂L/∂a − (a · ∂L/∂a) a) / ‖h‖: only turning h changes a. Shapes: all (N, D)."""
    a = normalize(h)
    along_a = (a * dL_da).sum(axis=1, keepdims=True) * a  # (N, 1) times (N, D)
    return (dL_da - along_a) / length(h, EPS)


def info_nce(a: np.ndarray, b: np.ndarray, temperature: float) -> Any:
    """The mean over i of −log softmax(a[i] · b[j] / τ)[i], over all j. Shapes: a and b (N, D)."""
    s = a @ b.T / temperature  # (N, D) @ (D, N): row i is the question of a[i]
    return -log_softmax(s, axis=1).diagonal().mean()


def info_nce_backward(dL_dy: Any, a: np.ndarray, b: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂a and ∂L/∂b: what was predicted, minus what is, times the other factor. Shapes: all (N, D)."""
    N = len(a)
    p = softmax(a @ b.T / temperature, axis=1)  # (N, N)
    dL_ds = dL_dy * (p - np.eye(N, dtype=a.dtype)) / N  # (N, N)
    dL_da = dL_ds @ b / temperature  # (N, N) @ (N, D)
    dL_db = dL_ds.T @ a / temperature  # (N, N) @ (N, D): column j of the scores came from b[j]
    return dL_da, dL_db


def least_loss(N: int, temperature: float) -> Any:
    """What InfoNCE cannot fall below: N codes as far apart as N can be, each equal to its own second view."""
    return np.log1p((N - 1) * np.exp(-N / ((N - 1) * temperature)))


class Encoder(Module):
    """pixels → hidden → ReLU → dimensions, and that to length 1.

    Args:
        dimensions: D, numbers of a code.
        hidden: units between.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, 64), a (N, D).
    """

    def __init__(self, dimensions: int, hidden: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, hidden, rng=rng, dtype=dtype)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, dimensions, rng=rng, dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        z = self.fc1(x)
        r = self.relu(z)
        h = self.fc2(r)
        self.save(h)
        a = normalize(h)
        return a

    def backward(self, dL_da: np.ndarray) -> np.ndarray:
        h = self.restore()
        dL_dh = normalize_backward(dL_da, h)
        dL_dr = self.fc2.backward(dL_dh)
        dL_dz = self.relu.backward(dL_dr)
        dL_dx = self.fc1.backward(dL_dz)
        return dL_dx


class Contrastive(Concept):
    """Two views of each picture through one encoder; InfoNCE and Adam.

    Args:
        dimensions: D, numbers of a code.
        hidden: units of the encoder.
        temperature: τ, above 0: how much better the right answer must fit before it counts as sure.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: a batch is the first and the second views, (N, 64) each; row i of both is one digit.

    Raises:
        ValueError: if dimensions or hidden is below 1, or temperature not above 0.
    """

    def __init__(
        self,
        dimensions: int = 16,
        hidden: int = 128,
        temperature: float = 0.2,
        lr: float = 3e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(dimensions, hidden) < 1 or not temperature > 0:
            raise ValueError(
                "Contrastive: dimensions and hidden must be at least 1 and temperature above 0, "
                f"got {dimensions}, {hidden} and {temperature}"
            )
        self.temperature, self.lr = temperature, lr
        self.encoder = Encoder(dimensions, hidden, rng=rng or np.random.default_rng(), dtype=dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The codes, (N, D)."""
        return self.encoder(x)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        first, second = batch
        a = self(first)
        b = self(second)
        self.save(a, b)
        loss = info_nce(a, b, self.temperature)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        a, b = self.restore()
        dL_da, dL_db = info_nce_backward(dL_dloss, a, b, self.temperature)
        self.encoder.backward(dL_db)  # the last call first
        self.encoder.backward(dL_da)  # and added to it

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and how sure the right answers are: the mean of p[i, i]."""
        a, b = (self(views) for views in batch)
        self.log("loss/val", info_nce(a, b, self.temperature), batch_size=len(a))
        self.log("sure/val", softmax(a @ b.T / self.temperature, axis=1).diagonal().mean(), batch_size=len(a))  # (N, D) @ (D, N)

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
