"""K-means: groups that nobody named, found by going to the middle, by hand.

Here are 1,797 pictures of digits, and nobody says which is which. Still, one 3 looks more like another 3 than like a 7: they lie in heaps.
*k-means* finds heaps. Put K *centres* among the points. Every point belongs to the centre that is nearest; these points are the centre's
*cluster*. Every centre moves to the middle of its cluster. Now some points are nearer to another centre, so do both again, until nothing
changes. It is used wherever there is much data and no answers: kinds of customers, the few colours of an icon.

No layer, no answer; and yet it is gradient descent. Call the points x[n] and the centres c[k], all of them lists of D numbers:

    d²[n, k] = Σⱼ (x[n, j] − c[k, j])²             the squared distance of point n from centre k
    a[n] = the k for which d²[n, k] is smallest    whose cluster it is in
    L = ½ Σₙ d²[n, a[n]]                           what is lost if every point is replaced by its centre

Move a centre a little, and no point changes its cluster, if none lies exactly on a border. So a[n] is a constant in the derivative, and
each point acts on its own centre alone. With n[k] points in cluster k, and S[k] their sum:

    ∂L/∂c[k] = Σ over cluster k of (c[k] − x[n]) = n[k] c[k] − S[k]

Now a step of gradient descent, whose length is 1/n[k] for centre k:

    c[k] ← c[k] − (n[k] c[k] − S[k]) / n[k] = S[k] / n[k]

That is the middle of the cluster: *Lloyd's step*. Why this length? With the clusters as they are, L is a parabola in c[k] of curvature
n[k], and 1/curvature leads to its lowest place (see `one_weight`). A step twice as long, lr = 2, leads just as far up the other side.

**The loss never rises.** A step is the best one for the clusters as they are; and when each point then chooses anew, it chooses what is
nearer. There are only so many ways to sort N points into K clusters, and none comes twice; so in the end nothing moves.

**But it may end badly.** It need not be the lowest place of all, and a centre to which no point is nearest never moves: n[k] = 0, and
nothing pulls. So much depends on the start. *k-means++* takes points as centres: the first at random, each further one with a probability
in proportion to its squared distance from those that are there. What is far from all is likely chosen next.

**On paper.** Four points, 0, 1, 5 and 6, and a bad start: c = (0, 1).

    cluster of 0: {0}              of 1: {1, 5, 6}                 L = ½ (0² + 0² + 4² + 5²) = 20.5
    ∂L/∂c = (0,  (1 − 1) + (1 − 5) + (1 − 6)) = (0, −9)            n = (1, 3)
    c ← (0 − 0/1,  1 + 9/3) = (0, 4)                               4 = (1 + 5 + 6)/3, the middle
    clusters {0, 1} and {5, 6}     c ← (0.5, 5.5)                  L = ½ · 4 · 0.5² = 0.5, and nothing moves any more

    >>> x, c = np.array([[0.0], [1.0], [5.0], [6.0]]), np.array([[0.0], [1.0]])
    >>> nearest(x, c).tolist(), float(quantisation(x, c)), quantisation_backward(1.0, x, c).tolist()
    ([0, 1, 1, 1], 20.5, [[0.0], [-9.0]])
    >>> model = KMeans(start=[[0.0], [1.0]])
    >>> optimizer = model.configure_optimizers()
    >>> for step in range(3):
    ...     loss = model.training_step((x,), 0)
    ...     model.backward()
    ...     optimizer.step()
    ...     model.zero_grad()
    ...     print(loss, model.c.data.tolist())
    20.5 [[0.0], [4.0]]
    3.0 [[0.5], [5.5]]
    0.5 [[0.5], [5.5]]

Sources: Lloyd 1957, printed 1982, "Least squares quantization in PCM"; MacQueen 1967 (the name, and one point at a time); Bottou and Bengio
1995, "Convergence properties of the k-means algorithms", sections 2 and 3 (gradient descent, and Newton's method); Arthur and
Vassilvitskii 2007, "k-means++: the advantages of careful seeding".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter


def squared_distances(x: np.ndarray, c: Array) -> np.ndarray:
    """d²[n, k]: of every point from every centre. Shapes: x (N, D), c (K, D), the result (N, K)."""
    return ((x[:, np.newaxis] - c) ** 2).sum(axis=2)  # (N, 1, D) − (K, D): every pair, and the sum over its D numbers


def nearest(x: np.ndarray, c: Array) -> np.ndarray:
    """a[n]: the number of the nearest centre, of equally near ones the first. Shapes: x (N, D), c (K, D), the result (N,)."""
    return squared_distances(x, c).argmin(axis=1)


def quantisation(x: np.ndarray, c: Array) -> Any:
    """L = ½ Σₙ d²[n, a[n]]: what is lost if every point is replaced by its centre. Shapes: x (N, D), c (K, D)."""
    return ((x - c[nearest(x, c)]) ** 2).sum() / 2


def quantisation_backward(dL_dy: Any, x: np.ndarray, c: Array) -> np.ndarray:
    """∂L/∂c[k]: the sum of c[k] − x[n] over its cluster. Shapes: x (N, D), c and the result (K, D)."""
    a = nearest(x, c)
    dL_dc = np.zeros_like(x, shape=c.shape)
    np.add.at(dL_dc, a, dL_dy * (c[a] - x))  # (N, D): row n is added to row a[n], however often that comes
    return dL_dc


def kmeans_plus_plus(x: np.ndarray, K: int, u: np.ndarray) -> np.ndarray:
    """K of the points to start from, (K, D): the first at random, each other with a probability ∝ its d² from the nearest so far.

    Args:
        x: the points, (N, D).
        K: how many.
        u: uniform between 0 and 1, (K,). What is drawn is the first point at which the sum of the probabilities exceeds u.
    """
    weights, c = np.ones(len(x)), x[:0]
    for k in range(K):
        up_to = np.cumsum(weights)
        chosen = np.searchsorted(up_to, u[k] * up_to[-1], side="right")
        c = np.concatenate([c, x[chosen : chosen + 1]])
        weights = squared_distances(x, c).min(axis=1)  # a point that is a centre has 0 and is not drawn again
    return c


class Lloyd(optim.Optimizer):
    """Gradient descent with a step size for each centre: c[k] ← c[k] − lr/n[k] · ∂L/∂c[k].

    Args:
        params: the centres, (K, D), in a list.
        counts: says how many points of the latest batch are in each cluster, (K,).
        lr: 1 leads to the middle of the cluster.
        running: divide by all points that this centre has ever had: in small batches it is then their mean, as MacQueen's was.

    State: n, (K,), all points so far; only if running.

    Raises:
        ValueError: if lr is negative.
    """

    elementwise = False

    def __init__(self, params: Iterable[Any], counts: Callable[[], np.ndarray], lr: float = 1.0, running: bool = False) -> None:
        self.counts = counts
        super().__init__(params, {"lr": lr, "running": running})

    def check(self, lr: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr)

    def new_state(self, p: np.ndarray, running: bool, **_: Any) -> optim.optimizer.State:
        return {"n": np.zeros(len(p), p.dtype)} if running else {}

    def update(self, p: np.ndarray, g: np.ndarray, state: optim.optimizer.State, lr: float, running: bool, **_: Any) -> None:
        n = self.counts().astype(p.dtype)
        if running:
            state["n"] += n
            n = state["n"]
        p -= lr * g / np.maximum(n, 1)[:, np.newaxis]  # (K, D) over (K, 1); an empty cluster has g = 0, and stays


class KMeans(Concept):
    """K centres that go to the middle of their clusters.

    Args:
        start: where the centres begin: K rows of D numbers.
        lr: the step size as a multiple of Lloyd's; below 2.
        running: see `Lloyd`.
        rng: not used.
        dtype: of the centres.

    Shapes: a batch is x (N, D) alone; c (K, D), n (K,): the points of the latest batch in each cluster.

    Raises:
        ValueError: if start has no row, or rows of several lengths, or lr is not above 0.
    """

    n: np.ndarray

    def __init__(
        self,
        start: Sequence[Sequence[float]] = ((0.0, 0.0), (1.0, 1.0)),
        lr: float = 1.0,
        running: bool = False,
        *,
        rng: Any = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if len({len(row) for row in start}) != 1 or not lr > 0:
            lengths = [len(row) for row in start]
            raise ValueError(f"KMeans: start must have rows of one length, and lr be above 0, got lengths {lengths} and {lr}")
        self.lr, self.running = lr, running
        self.c = Parameter(np.array(start, dtype))
        self.register_buffer("n", np.zeros(len(start), np.int64))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The number of each point's cluster, (N,)."""
        return nearest(x, self.c)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        self.save(x)
        self.n[...] = np.bincount(self(x), minlength=len(self.c))
        loss = quantisation(x, self.c)
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        x = self.restore()
        self.c.grad += quantisation_backward(dL_dloss, x, self.c)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and how many centres no point is nearest to."""
        (x,) = batch
        self.log("loss/val", quantisation(x, self.c), batch_size=len(x))
        self.log("empty/val", (np.bincount(self(x), minlength=len(self.c)) == 0).sum(), batch_size=len(x))

    def configure_optimizers(self) -> Lloyd:
        return Lloyd(self.parameters(), lambda: self.n, lr=self.lr, running=self.running)
