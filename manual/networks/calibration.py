"""How sure is it, and how right? A network's confidence, measured and mended, by hand.

A network that reads digits says: "a 7, with probability 0.98". That is its *confidence*, the largest of its ten probabilities. If of all
answers that it gives with about 0.98 about 98 % are right, it is *calibrated*: one can bet on what it says, and ask a person where it is
unsure. If only 80 % are right, it is too sure of itself.

Networks that are trained for long are. Once every training digit is read right, the loss can still fall by being surer of each. Digits
that it never saw are misread as often as before, with more conviction.

**Measured.** The confidences from 0 to 1 are cut into `bins` equal parts. Of the answers in each part (function `reliability`):

    confidence    how sure it was, on average
    right         what part of them was right

Calibrated means that the two are equal in every part. Their difference, averaged over all answers, is the *expected calibration error*:

    ECE = Σ over parts of (share of all answers that lie there) · |right − confidence|

**Mended.** Divide the ten scores z by one number, the temperature T, before softmax takes them (*temperature scaling*):

    s = z / T                            every score is nearer 0 if T is above 1
    p = softmax(s)                       the hotter, the more even: less sure
    L = mean of −log p[the right digit]

The order of the ten stays what it was, so the same digits are read: T says how sure, and never what. It is learned like any weight:

    ∂s/∂T = −z/T² = −s/T                 the derivative of z · 1/T
    ∂L/∂T = −Σ ∂L/∂s · s / T             T was used by all scores of all images: a sum

**On other digits.** On those that the network was trained on it makes no mistakes: there, the surer the better, and T falls towards 0. So
there are three parts: the network learns from the first, T from the second, the *calibration* part, and both are judged by the third. For
`epochs` epochs the network learns; then it stays as it is, and T learns. Their losses are added; the scores of the calibration part count
as constants, so that T cannot bend the network.

**On paper.** Two classes, four images, each with the scores z = (2 log 3, 0) = (2.197, 0). Softmax raises e to each: 9 and 1, so
p = (0.9, 0.1). Three of the four are of the first class, one is of the second:

    confidence = 0.9     right = 3/4 = 0.75     ECE = 1 · |0.75 − 0.9| = 0.15

For T = 1, s = z. The mean of p − y over the four images is (0.9 − 0.75, 0.1 − 0.25) = (0.15, −0.15):

    ∂L/∂T = −(0.15 · 2.197 + (−0.15) · 0) / 1 = −0.33       below 0: T must grow

With T = 2 the scores are (log 3, 0), and p = (0.75, 0.25): as sure as right. The mean of p − y is 0, so ∂L/∂T is 0: the best T.

    >>> z, y = np.tile([2 * np.log(3), 0.0], (4, 1)), np.array([0, 0, 0, 1])
    >>> reliability(np.full(4, 0.9), y == 0, bins=10)[:, 8].round(2).tolist()
    [1.0, 0.9, 0.75]
    >>> round(float(calibration_error(np.full(4, 0.9), y == 0, bins=10)), 2)
    0.15
    >>> def slope(T):
    ...     temperature, loss = Temperature(), nn.CrossEntropyLoss()
    ...     temperature.T[...] = T
    ...     loss(temperature(z), y)
    ...     temperature.backward(loss.backward())
    ...     return float(temperature.T.grad.round(2)) + 0.0
    >>> slope(1), slope(2)
    (-0.33, 0.0)

Sources: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", section 2 (reliability, equation 3: ECE) and 4.2
(temperature scaling).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Array, Module, Parameter, no_grad
from manual.nn.functional import softmax


class Temperature(Module):
    """Scores divided by one learned number, T, which begins at 1 and changes nothing there.

    Source: Guo et al. 2017, equation 9.

    Args:
        dtype: of T.

    Shapes: z and s (N, C), T ().
    """

    def __init__(self, *, dtype: Any = np.float64) -> None:
        super().__init__()
        self.T = Parameter(np.ones((), dtype))

    def forward(self, z: Array) -> np.ndarray:
        s = z / self.T
        self.save(s)
        return s

    def backward(self, dL_ds: np.ndarray) -> np.ndarray:
        s = self.restore()
        self.T.grad += -(dL_ds * s).sum() / self.T  # ∂s/∂T = −s/T; one T for all scores of all images: the sum over (N, C)
        return dL_ds / self.T  # (N, C): each score was divided by T


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> np.ndarray:
    """How sure and how right, in each part b/bins < confidence ≤ (b + 1)/bins.

    Returns: three rows: the share of all answers that lie in the part; their mean confidence; what part of them is right. Both are 0 where
        there is none.

    Shapes: confidence and right (N,), the result (3, bins).
    """
    part = np.ceil(confidence * bins) - 1  # (N,): 0.3 lies in the third of ten, number 2
    inside = (part[:, None] == np.arange(bins)).astype(confidence.dtype)  # (N, bins): 1 in its part, else 0
    count = np.maximum(inside.sum(axis=0), 1)
    return np.stack([inside.mean(axis=0), confidence @ inside / count, right @ inside / count])  # (N,) @ (N, bins): sums over each part


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> Any:
    """ECE, the expected calibration error: how far sure is from right, averaged over all answers (Guo et al. 2017, equation 3)."""
    share, sure, correct = reliability(confidence, right, bins)
    return (share * np.abs(correct - sure)).sum()


class Calibration(Concept):
    """64 → hidden → 10 with ReLU, trained by gradient descent with momentum; then its temperature, by plain gradient descent.

    Args:
        hidden: units of the hidden layer.
        lr: the network's step size.
        momentum: of the network's steps.
        lr_temperature: the step size of T.
        epochs: how long the network is trained; afterwards T is. All rows are one batch, so an epoch is a step.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: a batch is x (N, 64), y (N,) and as many of the calibration part; the prediction s (N, 10).

    Raises:
        ValueError: if hidden or epochs is out of its range.
    """

    def __init__(
        self,
        hidden: int = 64,
        lr: float = 0.1,
        momentum: float = 0.9,
        lr_temperature: float = 0.5,
        epochs: int = 150,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if hidden < 1 or epochs < 0:
            raise ValueError(f"Calibration: hidden must be at least 1 and epochs not negative, got {hidden} and {epochs}")
        self.lr, self.momentum, self.lr_temperature, self.epochs = lr, momentum, lr_temperature, epochs
        self.net = nn.Sequential(
            nn.Linear(64, hidden, rng=rng, dtype=dtype),
            nn.ReLU(),
            nn.Linear(hidden, 10, rng=rng, dtype=dtype),
        )
        self.temperature = Temperature(dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The ten scores, over T."""
        return self.temperature(self.net(x))

    def constant_scores(self, x_cal: np.ndarray) -> np.ndarray:
        """What T learns from: to its loss they are constants, so nothing goes back from it into the network."""
        with no_grad():
            return self.net(x_cal)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y, x_cal, y_cal = batch
        z = self.net(x)
        loss = self.loss(z, y)
        z_cal = self.constant_scores(x_cal)
        s = self.temperature(z_cal)
        loss_cal = self.loss(s, y_cal)
        self.log("loss/train", loss)
        self.log("loss_cal/train", loss_cal)
        return loss + loss_cal

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_ds = self.loss.backward(dL_dloss)  # the last call first: of loss_cal
        self.temperature.backward(dL_ds)
        dL_dz = self.loss.backward(dL_dloss)  # of loss
        self.net.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """How many are right; and the loss and the mean confidence, without T and with it."""
        x, y = batch[:2]
        z = self.net(x)
        s = self.temperature(z)
        self.log("accuracy/val", np.mean(z.argmax(axis=1) == y), batch_size=len(x))
        for name, scores in (("", z), ("_scaled", s)):
            self.log(f"loss{name}/val", self.loss(scores, y), batch_size=len(x))
            self.log(f"confidence{name}/val", softmax(scores, axis=1).max(axis=1).mean(), batch_size=len(x))

    def configure_optimizers(self) -> dict[str, Any]:
        network = {"params": list(self.net.parameters()), "lr": self.lr, "momentum": self.momentum}
        temperature = {"params": [self.temperature.T], "lr": self.lr_temperature}
        optimizer = optim.SGD([network, temperature])
        schedule = optim.lr_scheduler.LambdaLR(optimizer, [lambda n: float(n < self.epochs), lambda n: float(n >= self.epochs)])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}
