"""Data parallel: many workers, each with the same weights and a part of the batch, who add their gradients around a ring, by hand.

Two people count a pile of ballots faster than one: each takes half, and in the end they add. So can computers train. Each *worker* (a
GPU, or a process) has a copy of the network, a *replica*. Each gets a *shard* of the batch, other rows than anybody else. Then:

    each worker, for itself      forward and backward on its shard: gradient g_w
    all together                 g = (g_0 + g_1 + ... + g_{W−1}) / W            this is called an *all-reduce*: all get the result
    each worker, for itself      the same step with the same g

All began with the same weights and all take the same step, so all stay the same. Nobody sends weights or images, only gradients.

**It is the gradient of the whole batch,** where all shards are of one size: a mean of means is then the mean. It is accumulation, side by
side in place of one after the other, and with the same two exceptions:

- *Uneven shards.* 10 rows for 4 workers are 3 + 3 + 2 + 2, and each worker counts a quarter: a row of a small shard counts more.
- *Batch norm.* Each worker normalises its shard by that shard's own mean and variance. Of the running means those of worker 0 are kept. (To
  send the means around in the midst of forward, and of backward, is what torch's SyncBatchNorm does.)

**Around a ring.** How do all get the sum? If all send to one who sends it back, that one gets W gradients, and all others wait. In a
*ring* each worker only ever sends to the next, and all do so at once. The gradient, one long row of numbers, is cut into W pieces.

    reduce-scatter   W − 1 times: each sends a piece on; who gets it adds his own. Each piece collects all W parts on its way around,
                     and comes to rest complete, at another worker each
    all-gather       W − 1 times: each sends the complete piece that he got last on, and it is written over the incomplete one

Each sends 2 (W − 1) pieces of 1/W: less than two gradients, however many workers there are.

**On paper.** Three workers with the gradients (1, 2, 3), (10, 20, 30) and (100, 200, 300); the sum is (111, 222, 333). A piece is a number:

    reduce-scatter, first     worker 0 sends his 1 on, worker 1 his 20, worker 2 his 300; each is added where it comes:
                              (1, 2, 303)      (11, 20, 30)      (100, 220, 300)
    second                    0 sends 303, 1 sends 11, 2 sends 220:
                              (1, 222, 303)    (11, 20, 333)     (111, 220, 300)         each has one complete piece
    all-gather, twice         222, 333 and 111 go around:
                              (111, 222, 333)  (111, 222, 333)   (111, 222, 333)

Each has sent 4 numbers, 4/3 of its gradient. Divided by 3: (37, 74, 111), the mean.

    >>> gradients = [np.array(g) for g in ([1.0, 2.0, 3.0], [10.0, 20.0, 30.0], [100.0, 200.0, 300.0])]
    >>> sums, sent = ring_all_reduce(gradients)
    >>> [s.tolist() for s in sums], sent
    ([[111.0, 222.0, 333.0], [111.0, 222.0, 333.0], [111.0, 222.0, 333.0]], [4, 4, 4])
    >>> [len(shard) for shard in shards(np.zeros((10, 2)), workers=4)]
    [3, 3, 2, 2]

In this file all workers are played by one, one after the other. With `Trainer(devices=2, strategy="ddp")` they are processes.

Sources: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of workstations" (the ring); Li et al.
2020, "PyTorch distributed: experiences on accelerating data parallel training", sections 2 and 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.networks.normalization import NORMS
from manual.nn.validate import expect_choice


def shards(a: np.ndarray, workers: int) -> list[np.ndarray]:
    """The rows of a, in order, as even as can be: the first shards have a row more.

    Of few rows some workers get none, so that no shard is a single row: batch norm finds no variance in one.
    """
    return np.array_split(a, min(workers, max(len(a) // 2, 1)))


def ring_step(pieces: list[list[np.ndarray]], step: int) -> list[int]:
    """Everybody sends one piece to the next, all at once.

    Args:
        pieces: pieces[w][i] is what worker w has of piece i; changed in place.
        step: from 0 on; in the first W − 1 steps what comes is added, in the others it is written over what is there.

    Returns: how many numbers each has sent.
    """
    W = len(pieces)
    which = [(w - step) % W for w in range(W)]  # the piece that worker w sends: the one that it got last
    travelling = [pieces[w][i] for w, i in enumerate(which)]
    for w, i in enumerate(which):
        there = pieces[(w + 1) % W][i]
        pieces[(w + 1) % W][i] = there + travelling[w] if step < W - 1 else travelling[w]
    return [len(piece) for piece in travelling]


def ring_all_reduce(vectors: list[np.ndarray]) -> tuple[list[np.ndarray], list[int]]:
    """The sum of all workers' vectors, at each of them.

    Args:
        vectors: of each worker, all of one length; they are left as they were.

    Returns: the sum as each worker has it, and how many numbers each has sent.
    """
    W = len(vectors)
    pieces = [np.array_split(v, W) for v in vectors]
    sent = np.zeros(W, int)
    for step in range(2 * (W - 1)):  # reduce-scatter, then all-gather
        sent += ring_step(pieces, step)
    return [np.concatenate(of_worker) for of_worker in pieces], sent.tolist()


class DataParallel(Concept):
    """64 → hidden → norm → ReLU → 10, trained by workers with a shard each; softmax cross-entropy and gradient descent.

    Args:
        workers: W, how many.
        norm: one of "none", "batch", "layer", "rms".
        hidden: units of the hidden layer.
        lr: the step size.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if workers or hidden is below 1, or there is no such norm.
    """

    def __init__(
        self,
        workers: int = 4,
        norm: str = "none",
        hidden: int = 64,
        lr: float = 0.2,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("DataParallel", "norm", norm, tuple(NORMS))
        if min(workers, hidden) < 1:
            raise ValueError(f"DataParallel: workers and hidden must be at least 1, got {workers} and {hidden}")
        rng = rng or np.random.default_rng()
        self.workers, self.lr = workers, lr
        self.fc1 = nn.Linear(64, hidden, bias=False, rng=rng, dtype=dtype)
        self.norm = nn.Identity() if norm == "none" else NORMS[norm](hidden, dtype=dtype)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(hidden, 10, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        z1 = self.fc1(x)
        z1_hat = self.norm(z1)
        h = self.relu(z1_hat)
        z2 = self.fc2(h)
        return z2

    def replica_loss(self, x: np.ndarray, y: np.ndarray, rank: int) -> float:
        """The loss of one worker's shard; rank is which worker it is."""
        if isinstance(self.norm, nn.BatchNorm1d):
            self.norm.momentum = 0.1 if rank == 0 else 0.0  # only worker 0's running means are kept
        z2 = self(x)
        return self.loss(z2, y)

    def replica_loss_backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz2 = self.loss.backward(dL_dloss)
        dL_dh = self.fc2.backward(dL_dz2)
        dL_dz1_hat = self.relu.backward(dL_dh)
        dL_dz1 = self.norm.backward(dL_dz1_hat)
        self.fc1.backward(dL_dz1)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        pairs = list(zip(shards(x, self.workers), shards(y, self.workers), strict=True))
        losses = [self.replica_loss(x_shard, y_shard, rank) for rank, (x_shard, y_shard) in enumerate(pairs)]
        self.save(len(pairs))
        loss = sum(losses) / len(losses)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        W = self.restore()
        already = self.bucket()  # of other batches, if gradients accumulate
        vectors: list[np.ndarray] = []
        for _ in range(W):  # the worker that went forward last goes back first
            self.forget_gradients()
            self.replica_loss_backward(dL_dloss / W)  # so that the sum is the mean
            vectors.insert(0, self.bucket())
        sums, _ = ring_all_reduce(vectors)
        self.unpack(already + sums[0])  # what worker 0 has, all have

    def learned(self) -> list[Parameter]:
        """The parameters that are not frozen."""
        return [p for p in self.parameters() if p.requires_grad]

    def forget_gradients(self) -> None:
        """Before a worker's own come."""
        for p in self.learned():
            p.grad = None

    def bucket(self) -> np.ndarray:
        """All gradients as one long vector, for that is sent sooner than many short ones."""
        return np.concatenate([np.ravel(p.grad) for p in self.learned()])

    def unpack(self, bucket: np.ndarray) -> None:
        """Give each parameter its gradient out of such a vector."""
        start = 0
        for p in self.learned():
            p.grad = bucket[start : start + p.size].reshape(p.shape)
            start += p.size

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z2.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
