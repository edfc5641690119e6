"""Tensor parallel: one layer that is spread over several workers, its columns first and then its rows, with a single sum, by hand.

When even one copy of the weights is too large for a GPU, workers with a copy each are no help. Then the matrices themselves are cut, and
each worker keeps a piece of every one. But no worker can then finish a product alone, and if all had to talk after each product they
would do little else. There is a cut for which two products need one talk.

It is made for the pair of layers that every transformer block has, here without a norm, with a way around it (a residual block):

    z = h W1ᵀ + b1        width → hidden, often four times as many
    a = relu(z)
    y = a W2ᵀ + b2        hidden → width

**Cut between the hidden units.** Worker k gets some of them: their rows of W1, their entries of b1, and their columns of W2. (Written x W,
these are columns of W1 and rows of W2: hence "columns, then rows".) Each hidden unit needs all of h, and nothing of the other units:

    zₖ = h W1ₖᵀ + b1ₖ     each worker alone: all have the same h
    aₖ = relu(zₖ)         alone, for relu looks at one number at a time
    yₖ = aₖ W2ₖᵀ          alone: what these units add to y
    y  = Σₖ yₖ + b2       all together: an all-reduce. b2 is added once, and not by each

The other way round it would not work: rows of W1 first leave each worker with a part of every z, and relu of a sum is not the sum of relus.

**The way back** is the mirror image. y is a sum, so every worker gets all of ∂L/∂y, with no talk. h was used by every worker, so its
gradient is a sum over them, and needs one:

    ∂L/∂W2ₖ = ∂L/∂yᵀ aₖ        ∂L/∂aₖ = ∂L/∂y W2ₖ         alone
    ∂L/∂W1ₖ = ∂L/∂zₖᵀ h        ∂L/∂hₖ = ∂L/∂zₖ W1ₖ        alone
    ∂L/∂h   = Σₖ ∂L/∂hₖ                                   all together: the second all-reduce

Each sends N · width numbers at each block, there and back, at every step, however large W1 and W2 are. So GPUs that share a layer must
be close together, in one box; between boxes one uses data parallel, which talks once a step.

**On paper.** h = (1, 2), four hidden units, two workers, no b:

    worker 0    W1 = [1 0]   z = (1, 2)    a = (1, 2)    W2 = [1 1]   y = (3, 2)
                     [0 1]                                    [0 1]
    worker 1    W1 = [1  1]  z = (3, −1)   a = (3, 0)    W2 = [1 5]   y = (3, 3)
                     [1 −1]                                   [1 5]
    together                                                          y = (6, 5)

Let ∂L/∂y be (1, 1). Worker 0: ∂L/∂a = (1, 2), and ∂L/∂h = 1 · (1, 0) + 2 · (0, 1) = (1, 2). Worker 1: ∂L/∂a = (2, 10), of which
relu lets (2, 0) through, and ∂L/∂h = 2 · (1, 1) = (2, 2). Together (3, 4).

    >>> mlp = ParallelMLP(width=2, hidden=4, workers=2)
    >>> mlp.shards[0].up.weight[...], mlp.shards[1].up.weight[...] = [[1, 0], [0, 1]], [[1, 1], [1, -1]]
    >>> mlp.shards[0].down.weight[...], mlp.shards[1].down.weight[...] = [[1, 1], [0, 1]], [[1, 5], [1, 5]]
    >>> mlp.shards[0].up.bias[...], mlp.shards[1].up.bias[...], mlp.bias[...] = 0, 0, 0
    >>> mlp(np.array([[1.0, 2.0]])).tolist(), mlp.backward(np.array([[1.0, 1.0]])).tolist()
    ([[6.0, 5.0]], [[3.0, 4.0]])

In this file all workers are played by one, one after the other.

Source: Shoeybi et al. 2019, "Megatron-LM: training multi-billion parameter language models using model parallelism", section 3, figure 3a
(its f and g are the two all-reduces).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module, Parameter


def all_reduce(parts: list[np.ndarray]) -> np.ndarray:
    """The sum of what all workers have; among real ones each gets it (see data_parallel for how). Shapes: all alike."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


class Shard(Module):
    """What one worker has of a block: some hidden units, y_k = relu(h W1_kᵀ + b1_k) W2_kᵀ.

    W2_k begins as a part of the whole W2 would: between ±1/√hidden, and not by its own number of inputs.

    Shapes: h and y (N, width), up.weight (hidden/workers, width), down.weight (width, hidden/workers).
    """

    def __init__(self, width: int, hidden: int, workers: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden // workers, rng=rng, dtype=dtype)
        self.relu = nn.ReLU()
        self.down = nn.Linear(hidden // workers, width, bias=False, rng=rng, dtype=dtype)
        self.down.weight /= math.sqrt(workers)

    def forward(self, h: np.ndarray) -> np.ndarray:
        z = self.up(h)
        a = self.relu(z)
        return self.down(a)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        dL_da = self.down.backward(dL_dy)
        dL_dz = self.relu.backward(dL_da)
        return self.up.backward(dL_dz)


class ParallelMLP(Module):
    """Two layers whose hidden units are spread over workers: y = relu(h W1ᵀ + b1) W2ᵀ + b2.

    Args:
        width: numbers that go in and come out.
        hidden: units between, of all workers together.
        workers: how many; a divisor of hidden.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: h and y (N, width), bias (width,).
    """

    def __init__(self, width: int, hidden: int, workers: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.shards = nn.ModuleList(Shard(width, hidden, workers, rng=rng, dtype=dtype) for _ in range(workers))
        self.bias = Parameter(np.zeros(width, dtype))

    def forward(self, h: np.ndarray) -> np.ndarray:
        parts = [shard(h) for shard in self.shards]  # all have the same h
        return all_reduce(parts) + self.bias  # (N, width) + (width,): once, and not by each worker

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        self.bias.grad += dL_dy.sum(axis=0)  # (N, width) to (width,)
        parts = [shard.backward(dL_dy) for shard in self.shards]  # y is a sum: each gets all of ∂L/∂y
        return all_reduce(parts)  # h went into every shard


class TensorParallel(Concept):
    """64 → width, residual blocks h + MLP(h) of which each worker has a part, → 10; softmax cross-entropy and gradient descent.

    Args:
        workers: over how many each block is spread.
        width: numbers between the blocks, which all workers have.
        hidden: units within a block, of all workers together.
        depth: how many blocks.
        lr: the step size.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if workers, width, hidden or depth is below 1, or hidden cannot be divided by workers.
    """

    def __init__(
        self,
        workers: int = 4,
        width: int = 24,
        hidden: int = 64,
        depth: int = 2,
        lr: float = 0.1,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(workers, width, hidden, depth) < 1:
            raise ValueError(
                f"TensorParallel: workers, width, hidden and depth must be at least 1, got {workers}, {width}, {hidden} and {depth}"
            )
        if hidden % workers:
            raise ValueError(f"TensorParallel: hidden must be a multiple of workers, got {hidden} and {workers}")
        rng = rng or np.random.default_rng()
        self.lr = lr
        self.first = nn.Linear(64, width, rng=rng, dtype=dtype)
        self.blocks = nn.ModuleList(ParallelMLP(width, hidden, workers, rng=rng, dtype=dtype) for _ in range(depth))
        self.last = nn.Linear(width, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h)
        return self.last(h)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        scores = self(x)
        loss = self.loss(scores, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dscores = self.loss.backward(dL_dloss)
        dL_dh = self.last.backward(dL_dscores)
        for block in reversed(list(self.blocks)):
            dL_dh = dL_dh + block.backward(dL_dh)  # the way around, and the way through
        self.first.backward(dL_dh)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        scores = self(x)
        self.log("loss/val", self.loss(scores, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(scores.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
