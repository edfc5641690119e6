"""Transfer: what was learned on some digits serves for others. Layers frozen, or fine-tuned, by hand.

Who has learned to read 0, 1, 2, 3 and 4 need not begin anew with 5 to 9: strokes and bends are known already. A network's first layers
learn such things, and can be taken over. That is how most networks in use were made: somebody has trained a large one on very many
examples, and others train it on for their own task, of which they have few.

    body    two convolutions, ReLU, max pool     8x8 pixels → h, 128 numbers: what is seen (*features*: nobody has chosen them)
    head    z = h Wᵀ + b                         128 → 10 scores, one for each digit

A run has two parts. In the first the network sees digits 0 to 4, all that there are. In the second it sees 5 to 9, ten of each. What is
done with the body then is the question:

    *frozen*        it stays as it is, and only the head learns: that is softmax regression on h
    *fine-tuned*    all of it goes on learning, from where it is
    from scratch    there was no first part

An image is told from the five of its own kind, so that its loss looks at five of the ten scores: z[:5] for 0 to 4, z[5:] for 5 to 9.

**The way back** is that of `digits_cnn`, with two lines more. The scores that were not looked at cannot move the loss: their gradient is
0. And where an image must not move the body, the gradient is stopped at h:

    ∂L/∂z[n] = (0, …, 0, p − y) for a new digit, (p − y, 0, …, 0) for an old one
    ∂L/∂h[n] ← 0 for a new digit, if the body is frozen

With plain gradient descent a weight whose gradient is 0 stays where it is. With momentum or weight decay it does not! In practice one says
p.requires_grad = False, and the optimizer passes it over.

**On paper.** Two digits are old (0, 1) and two new (2, 3), two scores each. An image of a new one, the second of them, y = 3, with
z = (5, 7, 0, 0). Only the last two count, and both are 0, so softmax makes p = (½, ½) of them:

    L = −log ½ = 0.693        ∂L/∂z = (0, 0, ½, ½ − 1) = (0, 0, ½, −½)

The scores 5 and 7 play no part, so the old digits' rows of W learn nothing from it: they cannot be forgotten, as long as h does not change.

    >>> z, group = np.array([[5.0, 7.0, 0.0, 0.0]]), np.array([1])
    >>> own_scores(z, group).tolist()
    [[0.0, 0.0]]
    >>> loss = nn.CrossEntropyLoss()
    >>> float(loss(own_scores(z, group), np.array([1])).round(3))
    0.693
    >>> own_scores_backward(loss.backward(), z, group).tolist()
    [[0.0, 0.0, 0.5, -0.5]]

**What the body sees** is looked at in the figure "features": 128 numbers of each image, drawn on paper by their two principal components
(see `pca`), for digits that the body was never shown.

Sources: Yosinski, Clune, Bengio and Lipson 2014, "How transferable are features in deep neural networks?"; Kumar et al. 2022,
"Fine-tuning can distort pretrained features and underperform out-of-distribution".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module

Array = np.ndarray


def own_scores(z: Array, group: Array) -> Array:
    """The scores of each image's own group: the first half of its row of z, or the second.

    Shapes: z (N, 2K), group (N,) zeros and ones, the result (N, K).
    """
    N = len(z)
    return z.reshape(N, 2, -1)[np.arange(N), group]


def own_scores_backward(dL_dy: Array, z: Array, group: Array) -> Array:
    """What was taken gets its gradient, what was not gets 0."""
    N = len(z)
    dL_dz = np.zeros((N, 2, z.shape[1] // 2), z.dtype)
    dL_dz[np.arange(N), group] = dL_dy
    return dL_dz.reshape(z.shape)


class Body(Module):
    """Two convolutions: images to features.

    Args:
        channels: of each.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, 1, 8, 8), the features (N, 16 · channels).
    """

    def __init__(self, channels: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, kernel_size=3, padding=1, rng=rng, dtype=dtype)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, rng=rng, dtype=dtype)
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.flatten = nn.Flatten()

    def forward(self, x: Array) -> Array:
        h1 = self.relu1(self.conv1(x))
        h2 = self.relu2(self.conv2(h1))
        h = self.flatten(self.pool(h2))
        return h

    def backward(self, dL_dh: Array) -> Array:
        dL_dh2 = self.pool.backward(self.flatten.backward(dL_dh))
        dL_dh1 = self.conv2.backward(self.relu2.backward(dL_dh2))
        dL_dx = self.conv1.backward(self.relu1.backward(dL_dh1))
        return dL_dx


class Transfer(Concept):
    """A body of two convolutions and a linear head; softmax cross-entropy among an image's own five digits, plain gradient descent.

    Args:
        channels: of each convolution.
        frozen: whether new digits, 5 to 9, leave the body as it is.
        lr: the length of a step, per gradient.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, 1, 8, 8), the prediction (N, 10), the target (N,) integers 0 to 9.
    """

    def __init__(
        self, channels: int = 8, frozen: bool = True, lr: float = 0.1, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        self.frozen, self.lr = frozen, lr
        rng = rng or np.random.default_rng()
        self.body = Body(channels, rng=rng, dtype=dtype)
        self.head = nn.Linear(16 * channels, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: Array) -> Array:
        """Scores for the ten digits."""
        h = self.body(x)
        z = self.head(h)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        group = y // 5  # 0 for an old digit, 1 for a new one
        z = self(x)
        loss = self.loss(own_scores(z, group), y - 5 * group)
        self.save(z, group)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        z, group = self.restore()
        dL_down = self.loss.backward(dL_dloss)
        dL_dz = own_scores_backward(dL_down, z, group)
        dL_dh = self.head.backward(dL_dz)
        if self.frozen:
            dL_dh = dL_dh * (group == 0)[:, None]  # a new digit's row does not reach the body
        self.body.backward(dL_dh)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and what part of the old and of the new digits is told from the others of its group."""
        x, y = batch
        group = y // 5
        own = own_scores(self(x), group)
        right = own.argmax(axis=1) == y - 5 * group
        self.log("loss/val", self.loss(own, y - 5 * group), batch_size=len(x))
        self.log("old/val", part(right, group == 0), batch_size=len(x))
        self.log("new/val", part(right, group == 1), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def part(right: Array, of: Array) -> float:
    """What part of these is right; 0 if there are none. Shapes: (N,) booleans."""
    return float((right & of).sum() / max(of.sum(), 1))
