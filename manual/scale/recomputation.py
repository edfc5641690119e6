"""Recomputation: keep every eighth activation, compute the others again when they are needed, and get the same gradient, by hand.

A deep network keeps an activation of every layer until the way back has used it: of 64 layers, 64. They are used in the opposite order, so
the first is kept longest. It need not be: what can be computed can be computed again. *Recomputation* (torch calls it *checkpointing*) cuts
the network into *segments* of some layers each:

    forward     each segment keeps its input, and nothing else
    backward    the last segment first: forward once more from its input, and now its layers keep what they need; then back
                through it, and all that it kept is forgotten; then the segment before it

So of 64 layers in segments of 8 there are kept the inputs of 8 segments, and for a while the activations of 8 layers: 16, and not 64.
In general, of `depth` layers in segments of `every`:

    held = depth/every + every                       inputs of all segments, and one segment's inside

Large segments have few inputs and much inside; small ones the other way round. The sum is lowest where both are equal, every = √depth, and
is then 2 √depth. So a thousand layers need room for 64. (A run trains 16 in segments of 4; the figures show 64 in segments of 8.)

**What it costs.** Every layer goes forward twice. A way back is two products for each that the way there has (for ∂L/∂W and for ∂L/∂h), so
a step is four parts of work in place of three: a third more. That is often well paid: with the memory that is free now the batch, or
the network, can be larger.

**The gradient is the same to the last bit.** The second forward does the same operations on the same numbers, in the same order, and so
makes the same rounding errors. That holds as long as the layers do nothing else. Dropout draws a mask: the second time it must be
the same one (torch puts its generator of random numbers back for that). Batch norm moves its running means: it would do so twice.

**On paper.** Four plain blocks y = relu(h) w of one number, w = 2, 3, 1, 2, in segments of two, and ∂L/∂y = 1 at the end:

    forward                1 → 2 → 6 → 6 → 12        kept: 1 and 6, what goes into the segments
    again from 6           6 → 6 → 12                ∂L/∂w4 = 6 · 1 = 6      ∂L/∂w3 = 6 · 2 = 12     ∂L/∂h2 = 1 · 2 = 2
    again from 1           1 → 2 → 6                 ∂L/∂w2 = 2 · 2 = 4      ∂L/∂w1 = 1 · 3 · 2 = 6  ∂L/∂h0 = 2 · 3 · 2 = 12

    >>> first, second = (Recomputed(PlainBlock(1), PlainBlock(1)) for _ in range(2))
    >>> first[0].fc.weight[...], first[1].fc.weight[...], second[0].fc.weight[...], second[1].fc.weight[...] = 2, 3, 1, 2
    >>> second(first(np.array([[1.0]]))).item()
    12.0
    >>> first.backward(second.backward(np.array([[1.0]]))).item()
    12.0
    >>> [block.fc.weight.grad.item() for segment in (first, second) for block in segment]
    [6.0, 4.0, 12.0, 6.0]
    >>> held(64, 8), held(64, 1), held(64, 64), best_segment(64)
    (16, 65, 65, 8)

Sources: Griewank and Walther 2000, "Algorithm 799: revolve" (the idea, for any program); Chen, Xu, Zhang and Guestrin 2016, "Training deep
nets with sublinear memory cost", section 4 (√depth).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import no_grad
from manual.networks.residual import PlainBlock, ResidualBlock

__all__ = ["PlainBlock", "Recomputation", "Recomputed", "best_segment", "held"]


class Recomputed(nn.Sequential):
    """Layers one after the other, of which only the input is kept (torch.utils.checkpoint.checkpoint).

    They must compute the same when they are called again: no dropout, and no running means.

    Shapes: those of the layers.
    """

    def through(self, h: np.ndarray) -> np.ndarray:
        """All layers, as `nn.Sequential` does it."""
        for layer in self:
            h = layer(h)
        return h

    def forward(self, h: np.ndarray) -> np.ndarray:
        self.save(h)
        with no_grad():  # inside, nothing is kept
            return self.through(h)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        h = self.restore()
        self.through(h)  # once more: now the layers keep what their backwards need
        for layer in reversed(list(self)):
            dL_dy = layer.backward(dL_dy)
        return dL_dy


class Recomputation(Concept):
    """64 → width, residual blocks of that width in segments, → 10; softmax cross-entropy and plain gradient descent.

    Args:
        depth: how many blocks.
        every: how many of them are a segment; the last may have fewer.
        recompute: whether segments keep only their inputs; False keeps everything.
        width: units of each block.
        lr: the step size.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if depth, every or width is below 1.
    """

    def __init__(
        self,
        depth: int = 16,
        every: int = 4,
        recompute: bool = True,
        width: int = 32,
        lr: float = 0.1,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(depth, every, width) < 1:
            raise ValueError(f"Recomputation: depth, every and width must be at least 1, got {depth}, {every} and {width}")
        rng = rng or np.random.default_rng()
        self.lr = lr
        self.first = nn.Linear(64, width, rng=rng, dtype=dtype)
        blocks = [ResidualBlock(width, depth=depth, rng=rng, dtype=dtype) for _ in range(depth)]
        Segment = Recomputed if recompute else nn.Sequential
        self.segments = nn.ModuleList(Segment(*blocks[start : start + every]) for start in range(0, depth, every))
        self.last = nn.Linear(width, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        h = self.first(x)
        for segment in self.segments:
            h = segment(h)
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
        for segment in reversed(list(self.segments)):
            dL_dh = segment.backward(dL_dh)
        self.first.backward(dL_dh)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def held(depth: int, every: int) -> int:
    """How many activations are held at most: the input of each segment, and those inside of one."""
    return math.ceil(depth / every) + min(every, depth)


def best_segment(depth: int) -> int:
    """How many layers a segment should have, so that the least is held: about √depth."""
    return min(range(1, depth + 1), key=lambda every: held(depth, every))
