"""Message passing: everybody tells the neighbours, and hears what they tell, by hand.

A rumour starts with one or two people. Each day whoever knows it tells all friends. How many know it after two days? That depends on who
is friends with whom, and every group has other friendships. So the answer is to be a number for a whole graph, and the network must work
on graphs that it has never seen. Molecules (atoms and bonds) are such graphs, and what is asked is whether one is poisonous.

Most people are not friends: of 10⁶ · 10⁶ entries of a matrix A nearly all would be 0. It is shorter to list the ties. Node edges[0, e]
sends to node edges[1, e], and a friendship is two lines, one each way. A round has three steps:

    message[e] = h[source[e]]                      each edge picks what its source has
    m[i] = sum of all message[e] with target[e] = i          each node adds up what arrives: m = A h, without the zeros
    h[i] ← tanh(Wₒ h[i] + b + Wₙ m[i])             own numbers and what was heard, through two layers, and squeezed between −1 and 1

The weights are the same at every node, so they fit a graph of any size. After as many rounds as there are layers, one number is made of
each node, p[i] = w · h[i] + c, and the answer is their sum over the graph, ŷ = Σᵢ p[i]. Small graphs are put side by side as one
large one: no edge leads from one to another, and graph[i] says which of them node i is part of.

**Picking and adding up are each other's way back.** Both are done with a list of indices:

    there    message = h[source]                  m = add_up(message, target)
    back     ∂L/∂h = add_up(∂L/∂message, source)  ∂L/∂message = (∂L/∂m)[target]

What was picked three times gets three gradients, which add up. What was added into m[i] gets what m[i] gets. So a gradient goes along
every edge too, against its direction. (`x[index] += v` would not do: with an index that comes twice NumPy adds but once. `np.add.at` adds
each time.)

**On paper.** Three friends in a row, a–b–c, and a knows: h = (1, 0, 0). Take all weights as 1 and leave tanh and b away.

    source   a  b  b  c          message      1  0  0  0        m = (0, 1, 0)      h + m = (1, 1, 0)      now b knows
    target   b  a  c  b          once more    1  1  1  0        m = (1, 1, 1)      h + m = (2, 2, 1)      now c does

tanh(K z) for a large K makes 1 of whatever is above 0, so two layers with one number each could do all of it; it is to be learned. Back, if
the loss grows with c's number of the second round alone, ∂L/∂z = (0, 0, 1):

    ∂L/∂m = (0, 0, 1)     ∂L/∂message = ∂L/∂m[target] = 0 0 1 0     added up at the sources: b gets 1
    c's own number went to z too: 1                                 ∂L/∂h = (0, 1, 1)

    >>> edges = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> layer = NeighbourSum(1, 1)
    >>> for p in layer.parameters():
    ...     p[...] = p.ndim > 1                    # weights 1, bias 0
    >>> once = layer(np.array([[1.0], [0.0], [0.0]]), edges)
    >>> twice = layer(once, edges)
    >>> once.ravel().tolist(), twice.ravel().tolist()
    ([1.0, 1.0, 0.0], [2.0, 2.0, 1.0])
    >>> layer.backward(np.array([[0.0], [0.0], [1.0]])).ravel().tolist()
    [0.0, 1.0, 1.0]

**Sum or mean?** The mean of the neighbours is the same for one friend who knows as for three, and the mean over a graph the same for a
group of six as for two such groups. A mean cannot count.

**What it cannot see.** Nodes have no names here: with other numbers for the same people the sums are the same. But a node in a ring of
six and one in a triangle both have two neighbours, who have two neighbours. If all begin alike, all hear the same in every round, and no
weights can tell a ring of six from two triangles.

Sources: Gilmer et al. 2017, "Neural message passing for quantum chemistry", section 2; Morris et al. 2019, "Weisfeiler and Leman go
neural" (this layer, and in theorem 1 what it cannot see); Xu et al. 2019, "How powerful are graph neural networks?", section 5 (sum
or mean).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module


def add_up(values: np.ndarray, index: np.ndarray, n: int) -> np.ndarray:
    """Row i of the result is the sum of all values[e] with index[e] = i. Shapes: values (E, D), index (E,) below n, the result (n, D)."""
    total = np.zeros((n, *values.shape[1:]), dtype=values.dtype)
    np.add.at(total, index, values)
    return total


class AddUp(Module):
    """`add_up`, and the way back. The arguments of forward and all shapes are its."""

    def forward(self, values: np.ndarray, index: np.ndarray, n: int) -> np.ndarray:
        self.save(index)
        return add_up(values, index, n)

    def backward(self, dL_dtotal: np.ndarray) -> np.ndarray:
        index = self.restore()
        return dL_dtotal[index]  # (E, D): each gets the gradient of the sum that it went into


class Pick(Module):
    """Row e of the result is h[index[e]]. Shapes: h (N, D), index (E,) below N, the result (E, D)."""

    def forward(self, h: np.ndarray, index: np.ndarray) -> np.ndarray:
        self.save(index, len(h))
        return h[index]

    def backward(self, dL_dpicked: np.ndarray) -> np.ndarray:
        index, n = self.restore()
        return add_up(dL_dpicked, index, n)  # (N, D): what was picked several times gets the sum of the gradients


class NeighbourSum(Module):
    """z = h Wₒᵀ + b + m Wₙᵀ, where m[i] is the sum of h over the neighbours of i.

    Args:
        in_features: numbers of a node that come in.
        out_features: that come out.
        rng: draws the initial weights, as torch's Linear does.
        dtype: of the weights.

    Shapes: h (N, in_features), edges (2, E) integers: source and target; the result (N, out_features).
    """

    def __init__(self, in_features: int, out_features: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.own = nn.Linear(in_features, out_features, rng=rng, dtype=dtype)
        self.neighbours = nn.Linear(in_features, out_features, bias=False, rng=rng, dtype=dtype)
        self.pick, self.add_up = Pick(), AddUp()

    def forward(self, h: np.ndarray, edges: np.ndarray) -> np.ndarray:
        source, target = edges
        message = self.pick(h, source)  # (E, in)
        m = self.add_up(message, target, len(h))  # (N, in)
        return self.own(h) + self.neighbours(m)

    def backward(self, dL_dz: np.ndarray) -> np.ndarray:
        dL_dm = self.neighbours.backward(dL_dz)
        dL_dmessage = self.add_up.backward(dL_dm)
        dL_dh = self.pick.backward(dL_dmessage)
        return dL_dh + self.own.backward(dL_dz)  # h went two ways


class MessagePassing(Concept):
    """Rounds of messages with tanh, a number for each node, and their sum for each graph; squared error and Adam.

    Args:
        hidden: numbers of a node between rounds.
        layers: rounds; a node hears of those that are so many edges away.
        lr: Adam's step size at the start.
        epochs: the length of the schedule, along which lr falls as half a cosine does, to 0.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: a batch is several graphs side by side: x (N, 1), edges (2, E) integers, graph (N,) integers: which graph a node is
    part of; y (G, 1), a number for each graph.

    Raises:
        ValueError: if hidden, layers or epochs is below 1.
    """

    def __init__(
        self,
        hidden: int = 8,
        layers: int = 2,
        lr: float = 0.03,
        epochs: int = 20,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(hidden, layers, epochs) < 1:
            raise ValueError(f"MessagePassing: hidden, layers and epochs must be at least 1, got {hidden}, {layers} and {epochs}")
        self.lr, self.epochs = lr, epochs
        rng = rng or np.random.default_rng()
        sizes = [1, *[hidden] * layers]
        self.rounds = nn.ModuleList(NeighbourSum(a, b, rng=rng, dtype=dtype) for a, b in pairwise(sizes))
        self.tanh = nn.Tanh()
        self.last = nn.Linear(hidden, 1, rng=rng, dtype=dtype)
        self.add_up = AddUp()
        self.loss = nn.MSELoss()

    def forward(self, x: np.ndarray, edges: np.ndarray) -> np.ndarray:
        """p: a number for each node, (N, 1)."""
        h = x
        for layer in self.rounds:
            z = layer(h, edges)
            h = self.tanh(z)
        return self.last(h)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, edges, graph, y = batch
        p = self(x, edges)
        y_hat = self.add_up(p, graph, len(y))
        loss = self.loss(y_hat, y)
        self.log("loss/train", loss, batch_size=len(y))
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dy_hat = self.loss.backward(dL_dloss)
        dL_dp = self.add_up.backward(dL_dy_hat)  # (N, 1): what a total gets, each of its nodes gets
        dL_dh = self.last.backward(dL_dp)
        for layer in reversed(list(self.rounds)):
            dL_dz = self.tanh.backward(dL_dh)
            dL_dh = layer.backward(dL_dz)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and of what part of the graphs the answer, rounded to a whole number, is right."""
        x, edges, graph, y = batch
        y_hat = self.add_up(self(x, edges), graph, len(y))
        self.log("loss/val", self.loss(y_hat, y), batch_size=len(y))
        self.log("accuracy/val", np.mean(np.abs(y_hat - y) < 0.5), batch_size=len(y))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
