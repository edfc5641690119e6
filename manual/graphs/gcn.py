"""A graph network: each node asks its neighbours, by hand.

In 1972 a karate club of 34 members split. Whom did each of them follow, the teacher or the president? Nothing is known of the members but
who met whom outside the club: 78 ties, which Zachary had written down. And two answers are known, the teacher's and the president's own. A
network that looks at each member alone can do nothing with that. One that passes numbers along the ties can.

Things (*nodes*) and the ties between them (*edges*) are a graph: people and friendships, atoms and bonds, papers and what they cite. As
numbers it is a table:

    A[i, j] = 1 where i and j are tied, else 0         (N, N), the *adjacency matrix*; A[i, j] = A[j, i]

Each node has a row of numbers h[i]. A layer of a *graph convolutional network* (GCN) has two steps:

    m = h Wᵀ                          each row alone goes through the same layer, without bias
    z[i] = Σⱼ Â[i, j] m[j]            and then each node adds up its neighbours' rows and its own:  z = Â m

    d[i] = 1 + Σⱼ A[i, j]             how many are added up: the neighbours, and i itself, which is a tie to oneself, a *self-loop*
    Â[i, j] = (A + I)[i, j] / √(d[i] d[j])          "A hat": I is 1 on the diagonal, else 0

**Why divide?** A member with 16 friends would get numbers sixteen times as large as one with a single friend. Dividing by d[i] makes of the
sum a mean. Dividing by √d[i] √d[j] does much the same and treats both ends of a tie alike: Â stays symmetric, Â[i, j] = Â[j, i]. Its
largest eigenvalue is 1: however often one multiplies by it, no numbers grow.

**Two layers**, ReLU between them, scores of two classes at the end:

    h = relu(Â x W1ᵀ)      z = Â h W2ᵀ      p = softmax(z), a row for each node      L = mean of −log p[i, y[i]] over the labelled i

Here nothing is known of a node but which one it is: row i of x has a 1 at i. So W1 has a column for each member, and it is learned what
each of them tells its neighbours. Only two of 34 rows have a loss, but each of these scores was made of the neighbours' neighbours. All of
them learn from one label; this is *semi-supervised* learning, where a few examples have labels and the others are there too.

**The way back** goes along the same ties. m[j] was part of z[i] for each i, with the weight Â[i, j]:

    ∂L/∂m[j] = Σᵢ Â[i, j] ∂L/∂z[i]     ∂L/∂m = Âᵀ ∂L/∂z = Â ∂L/∂z, for Â is symmetric
    ∂L/∂W = (∂L/∂m)ᵀ h                 ∂L/∂h = ∂L/∂m W                   as in every linear layer

What a node is told by its neighbours on the way there, it tells them on the way back.

**On paper.** Four in a ring, a–b–c–d–a. Each has two neighbours, so d = 3, and Â is 1/3 for each neighbour and for oneself, else 0. One
number each, and a has 9:

    m = (9, 0, 0, 0)      z = Â m = (9 + 0 + 0, 9 + 0 + 0, 0, 9 + 0 + 0) / 3 = (3, 3, 0, 3)
    once more             (3 + 3 + 3, 3 + 3 + 0, 0 + 3 + 3, 3 + 3 + 0) / 3 = (3, 2, 2, 2)        now c has heard of it
    back, from c alone    ∂L/∂z = (0, 0, 9, 0)      ∂L/∂m = (0, 3, 3, 3)

    >>> ring = np.array([[0.0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]])
    >>> layer = GraphConvolution(1, 1)
    >>> layer.linear.weight[...] = 1
    >>> z = layer(np.array([[9.0], [0], [0], [0]]), normalized(ring))
    >>> layer(z, normalized(ring)).round(12).ravel().tolist()
    [3.0, 2.0, 2.0, 2.0]
    >>> layer.backward(np.array([[0.0], [0], [9], [0]])).round(12).ravel().tolist()
    [0.0, 3.0, 3.0, 3.0]

**Oversmoothing.** Go on, and all four get the mean, 9/4: nobody can tell any more who had the 9. In every connected graph Â Â … Â m nears
√d[i] times one number, the same for all (eigenvalue 1, of which √d is the eigenvector). What tells nodes apart shrinks with each layer, at
the slowest by λ, the second largest |eigenvalue|. So graph networks are shallow: two to four layers.

Sources: Kipf and Welling 2017, "Semi-supervised classification with graph convolutional networks", equations 2 and 9, and appendix A (the
club); Zachary 1977, "An information flow model for conflict and fission in small groups"; Li, Han and Wu 2018, "Deeper insights into graph
convolutional networks", theorem 1 (oversmoothing).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module
from manual.nn.init import xavier_uniform


def normalized(A: np.ndarray) -> np.ndarray:
    """Â: the ties, and each node's to itself, over the roots of both ends' numbers of ties.

    Shapes: A, symmetric and 0 on its diagonal, and the result (N, N).
    """
    A_loops = A + np.eye(len(A), dtype=A.dtype)
    d = A_loops.sum(axis=1)
    return A_loops / np.sqrt(d[:, None] * d)


class GraphConvolution(Module):
    """z = Â h Wᵀ: a linear layer for each node alone, and then a sum over its neighbours and itself.

    W begins as in Glorot and Bengio (2010), uniform with variance 2/(in + out), as Kipf and Welling begin.

    Args:
        in_features: numbers of a node that come in.
        out_features: that come out.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: h (N, in_features), Â (N, N), the result (N, out_features), linear.weight (out_features, in_features).
    """

    def __init__(self, in_features: int, out_features: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False, rng=rng, dtype=dtype)
        self.linear.weight[...] = xavier_uniform(self.linear.weight.shape, rng=rng, dtype=dtype)

    def forward(self, h: np.ndarray, A_hat: np.ndarray) -> np.ndarray:
        m = self.linear(h)
        self.save(A_hat)
        return A_hat @ m  # (N, N) @ (N, out)

    def backward(self, dL_dz: np.ndarray) -> np.ndarray:
        A_hat = self.restore()
        dL_dm = A_hat.T @ dL_dz  # (N, N) @ (N, out): along the same ties, from where they led to where they came from
        return self.linear.backward(dL_dm)


class GCN(Concept):
    """Graph convolutions with ReLU between them; softmax cross-entropy over the labelled nodes; Adam with weight decay.

    Args:
        features: numbers that are known of each node.
        hidden: numbers of a node between layers (16: Kipf and Welling, section 5.2).
        layers: how many, the last one included; a node hears of those that are so many ties away.
        lr: Adam's step size (0.01: the same section).
        weight_decay: how strongly each step pulls weights to 0: the gradient gets weight_decay · W added (5e-4: the same section).
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: x (N, features), A (N, N), the prediction (N, 2), the target (N,) integers 0 and 1, −100 for a node without a label.

    Raises:
        ValueError: if features, hidden or layers is below 1.
    """

    def __init__(
        self,
        features: int = 34,
        hidden: int = 16,
        layers: int = 2,
        lr: float = 0.01,
        weight_decay: float = 5e-4,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(features, hidden, layers) < 1:
            raise ValueError(f"GCN: features, hidden and layers must be at least 1, got {features}, {hidden} and {layers}")
        self.lr, self.weight_decay = lr, weight_decay
        rng = rng or np.random.default_rng()
        sizes = [features, *[hidden] * (layers - 1)]
        self.inner = nn.ModuleList(GraphConvolution(a, b, rng=rng, dtype=dtype) for a, b in pairwise(sizes))
        self.relu = nn.ReLU()
        self.last = GraphConvolution(sizes[-1], 2, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray, A: np.ndarray) -> np.ndarray:
        """Two scores for each node."""
        A_hat = normalized(A)
        h = x
        for layer in self.inner:
            z = layer(h, A_hat)
            h = self.relu(z)
        return self.last(h, A_hat)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, A, y = batch
        z = self(x, A)
        loss = self.loss(z, y)  # a mean over the labelled nodes: the others have y = −100
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss)
        dL_dh = self.last.backward(dL_dz)
        for layer in reversed(list(self.inner)):
            dL_dz = self.relu.backward(dL_dh)
            dL_dh = layer.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and what part of the nodes that are asked for are told right."""
        x, A, y = batch
        z = self(x, A)
        self.log("loss/val", self.loss(z, y), batch_size=len(x))
        self.log("accuracy/val", np.sum(z.argmax(axis=1) == y) / np.sum(y >= 0), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
