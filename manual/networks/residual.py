"""Thirty layers: a way around each of them lets the image through to the end and the gradient back to the beginning, by hand.

Thirty layers can do all that three can: the other 27 need only leave things as they are. But they do not learn to. What goes in is gone
after a few layers, and so is the gradient on its way back. The cure is one addition: a layer finds what is to be *added* to what is
there. This is a *residual block*; the way around, on which h comes through as it is, is its *skip connection*. Every large network of
today is made of such blocks.

    h  = x W₀ᵀ + b₀                          64 pixels → 32 numbers
    y  = relu(h) Wᵀ                          a plain block, thirty times: the y of each is the h of the next
    y  = h + relu(h) Wᵀ / √depth             a residual block in its place; depth is how many blocks there are
    z  = h W₁ᵀ + b₁                          32 numbers → 10 scores, one for each digit
    L  = mean of −log softmax(z)[the right digit]

**The way back.** In y = h + f the number h moves y by itself, and by way of f besides. Two ways, so two gradients, added:

    plain       ∂L/∂h = (∂L/∂y W) where h > 0, else 0
    residual    ∂L/∂h = ∂L/∂y + (∂L/∂y W / √depth) where h > 0, else 0

The first term comes back whole, through any number of blocks.

**On paper.** One residual block with two units, depth = 4, so √depth = 2. The second number is below 0:

    W = [ 0  2]    h = (3, −1)    a = relu(h) = (3, 0)    f = a Wᵀ / 2 = (0·3 + 2·0, −2·3 + 4·0) / 2 = (0, −3)    y = h + f = (3, −4)
        [−2  4]

Let ∂L/∂y be (1, 2):

    ∂L/∂W = [½ · 3   ½ · 0]  =  [1.5  0]      (½, 1) is (1, 2)/2
            [1 · 3   1 · 0]     [3    0]
    ∂L/∂a = (½ · 0 + 1 · (−2), ½ · 2 + 1 · 4) = (−2, 5)      where h > 0: (−2, 0)
    ∂L/∂h = (1, 2) + (−2, 0) = (−1, 2)

In a plain block the second number would get 0. Here its 2 arrives.

    >>> block = ResidualBlock(width=2, depth=4)
    >>> block.fc.weight[...] = [[0, 2], [-2, 4]]
    >>> block(np.array([[3.0, -1.0]])).tolist()
    [[3.0, -4.0]]
    >>> block.backward(np.array([[1.0, 2.0]])).tolist(), block.fc.weight.grad.tolist()
    ([[-1.0, 2.0]], [[1.5, 0.0], [3.0, 0.0]])

**What thirty blocks do.** For n inputs torch draws first weights between −1/√n and 1/√n; the mean of their squares is 1/(3n). In ∂L/∂y W n
such products are added up: its squared length is about n · 1/(3n) = ⅓ of what it was. ReLU lets about half of it through:

    plain       a block leaves 1/6 of the squared length; thirty leave (1/6)³⁰ = 5 · 10⁻²⁴: a length of 2 · 10⁻¹²
    residual    a block makes 1 into 1 + 1/(6 depth); thirty make (1 + 1/180)³⁰ = 1.18 of it: a length of 1.09

That is what √depth is for: 1 + 1/(6 depth) to the power of depth stays below e^(1/6) < 1.19, however deep the network is. First weights
√6 times as large, `gain`, make of a plain block's sixth a whole; on average, and at the beginning. It still does not learn to read.

Sources: He et al. 2016, "Deep residual learning for image recognition", section 3; by the same, "Identity mappings in deep residual
networks", equations 4 and 5 (the way back), figure 4e (this block); Hayou et al. 2021, "Stable ResNet" (√depth).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module


class PlainBlock(Module):
    """ReLU and a layer without bias: y = relu(h) Wᵀ.

    Args:
        width: units.
        gain: how many times as large as torch's the first weights are.
        rng: draws them.
        dtype: of the weights.

    Shapes: h and y (N, width), fc.weight (width, width).
    """

    def __init__(self, width: int, gain: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.fc = nn.Linear(width, width, bias=False, rng=rng, dtype=dtype)
        self.fc.weight[...] = gain * self.fc.weight

    def forward(self, h: np.ndarray) -> np.ndarray:
        a = self.relu(h)
        y = self.fc(a)
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        dL_da = self.fc.backward(dL_dy)
        dL_dh = self.relu.backward(dL_da)
        return dL_dh


class ResidualBlock(PlainBlock):
    """The same, and a way around: y = h + relu(h) Wᵀ / √depth.

    The arguments are those of `PlainBlock`, and depth: how many such blocks the network has.
    """

    def __init__(
        self, width: int, gain: float = 1.0, depth: int = 1, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__(width, gain, rng=rng, dtype=dtype)
        self.depth = depth

    def forward(self, h: np.ndarray) -> np.ndarray:
        a = self.relu(h)
        f = self.fc(a) / math.sqrt(self.depth)
        y = h + f
        return y

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        dL_da = self.fc.backward(dL_dy / math.sqrt(self.depth))  # y = h + f: f gets all of dL_dy
        dL_dh = dL_dy + self.relu.backward(dL_da)  # and so does h, which went by way of f too
        return dL_dh


class Residual(Concept):
    """64 → width, blocks of that width, → 10; softmax cross-entropy and plain gradient descent.

    Args:
        depth: how many blocks.
        width: units of each.
        skip: whether there is a way around each block; False makes them plain.
        gain: how many times as large as torch's the first weights of the blocks are; √6 are those of He et al. (2015).
        lr: the length of a step, per gradient.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if depth or width is below 1, or gain is not above 0.
    """

    def __init__(
        self,
        depth: int = 30,
        width: int = 32,
        skip: bool = True,
        gain: float = 1.0,
        lr: float = 0.1,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(depth, width) < 1 or not gain > 0:
            raise ValueError(f"Residual: depth and width must be at least 1 and gain above 0, got {depth}, {width} and {gain}")
        self.lr = lr
        rng = rng or np.random.default_rng()
        self.first = nn.Linear(64, width, rng=rng, dtype=dtype)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, gain, depth, rng=rng, dtype=dtype) if skip else PlainBlock(width, gain, rng=rng, dtype=dtype)
            for _ in range(depth)
        )
        self.last = nn.Linear(width, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        h = self.first(x)
        for block in self.blocks:
            h = block(h)
        z = self.last(h)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z = self(x)
        loss = self.loss(z, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss)
        dL_dh = self.last.backward(dL_dz)
        for block in reversed(list(self.blocks)):
            dL_dh = block.backward(dL_dh)
        self.first.backward(dL_dh)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
