"""Graph attention: each node decides whom it listens to, by hand.

A graph convolution takes all neighbours alike. Often they are not: of all those whom I know one has the answer. A *graph attention
network* gives each edge a weight that depends on both of its ends, and learns how.

The task is a dictionary. Ten nodes ask, ten nodes tell, and an edge leads from each teller to each asker. A teller has a key and a value,
an asker has a key; it must find the teller who has the same key, and say that value:

    tellers  (key, value)   (c, 4)  (a, 0)  (b, 7)  ...         askers  a → 0    b → 7    c → 4

A node's numbers are learned vectors: hᵢ for an asker is one for its key, hⱼ for a teller the sum of one for its key and one for its value.

    lᵢ = hᵢ Wₗᵀ        rⱼ = hⱼ Wᵣᵀ        two linear layers
    uᵢⱼ = lᵢ + rⱼ      H numbers for each edge
    sᵢⱼ                one number made of uᵢⱼ: how much i wants to hear j
    αᵢ = softmax(sᵢ)   over the tellers j, "alpha"
    yᵢ = Σⱼ αᵢⱼ rⱼ     and from it a score for each value

**Two forms**, which differ in the order of two operations. *LeakyReLU* lets numbers above 0 pass and multiplies those below by 0.2.

    static     s = leaky(a · u)      first one number, then the bend: GAT, as it was first written
    dynamic    s = a · leaky(u)      first the bend, in each of the H numbers, then one number: GATv2

**Theorem** (Brody, Alon and Yahav). The static form cannot look anything up. For a · u = a · lᵢ + a · rⱼ, and leaky grows: whoever has the
largest a · rⱼ has the largest s for *every* asker. All want to hear the same teller most, whatever they ask for. Between the bends of the
dynamic form lie products: what j is worth depends on i.

**On paper.** H = 2, a = (1, 1). Two tellers with r₁ = (1, −2) and r₂ = (−2, 0.5); two askers with l₁ = (0, 0) and l₂ = (0, 2).

    u₁₁ = (1, −2)     u₁₂ = (−2, 0.5)         u₂₁ = (1, 0)      u₂₂ = (−2, 2.5)
    static:   a · u = −1, −1.5 and 1, 0.5     leaky: −0.2, −0.3 and 1, 0.5     both prefer the first
    dynamic:  leaky(u) = (1, −0.4), (−0.4, 0.5) and (1, 0), (−0.4, 2.5)        s = 0.6, 0.1 and 1, 2.1: the second asker prefers the second

    >>> l_i, r_j = np.array([[[0.0, 0.0], [0.0, 2.0]]]), np.array([[[1.0, -2.0], [-2.0, 0.5]]])
    >>> for dynamic in (False, True):
    ...     layer = GraphAttention(2, 2, dynamic)
    ...     for p in layer.parameters():
    ...         p[...] = np.eye(2) if p.ndim == 2 else 1
    ...     _ = layer(l_i, r_j)
    ...     print(layer.s.round(12).tolist())
    [[[-0.2, -0.3], [1.0, 0.5]]]
    [[[0.6, 0.1], [1.0, 2.1]]]

**The way back** is forward from the bottom up. rⱼ was used twice, as what is told and as what is weighed, and lᵢ for every j:

    ∂L/∂rⱼ = Σᵢ αᵢⱼ ∂L/∂yᵢ + Σᵢ ∂L/∂uᵢⱼ        ∂L/∂αᵢⱼ = ∂L/∂yᵢ · rⱼ        ∂L/∂lᵢ = Σⱼ ∂L/∂uᵢⱼ
    dynamic:   ∂L/∂uᵢⱼ = ∂L/∂sᵢⱼ · a · leaky′(uᵢⱼ)         ∂L/∂a = Σᵢⱼ ∂L/∂sᵢⱼ · leaky(uᵢⱼ)
    static:    ∂L/∂uᵢⱼ = ∂L/∂sᵢⱼ · leaky′(a · uᵢⱼ) · a     ∂L/∂a = Σᵢⱼ ∂L/∂sᵢⱼ · leaky′(a · uᵢⱼ) · uᵢⱼ

In a graph where not every edge is there, sᵢⱼ is −∞ where there is none, as under a causal mask.

Sources: Veličković et al. 2018, "Graph attention networks", equations 1 to 4; Brody, Alon and Yahav 2022, "How attentive are graph
attention networks?", equations 6 and 7, theorems 1 and 2, and section 4.1 (the dictionary).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module, Parameter
from manual.nn.init import normal


class GraphAttention(Module):
    """yᵢ = Σⱼ αᵢⱼ rⱼ over all tellers j, in either form. Both bend with LeakyReLU of slope 0.2 (Veličković et al., equation 3).

    Args:
        in_features: numbers of a node that come in.
        hidden: H, of what is told.
        dynamic: whether the bend comes before the sum (GATv2) or after it (GAT).
        rng: draws the initial weights; a is normal with variance 1/H.
        dtype: of the weights.

    Shapes: h_i (N, T, in_features), askers; h_j (N, S, in_features), tellers; the result (N, T, H).

    Attributes:
        s: the scores of the latest forward, (N, T, S).
        alpha: their softmax.
    """

    def __init__(
        self, in_features: int, hidden: int, dynamic: bool, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        self.dynamic = dynamic
        self.left = nn.Linear(in_features, hidden, bias=False, rng=rng, dtype=dtype)
        self.right = nn.Linear(in_features, hidden, bias=False, rng=rng, dtype=dtype)
        self.a = Parameter(normal((hidden,), 0, hidden**-0.5, rng=rng, dtype=dtype))
        self.leaky, self.softmax = nn.LeakyReLU(0.2), nn.Softmax(dim=-1)
        self.s = self.alpha = np.zeros(0)

    def forward(self, h_i: np.ndarray, h_j: np.ndarray) -> np.ndarray:
        l_i, r_j = self.left(h_i), self.right(h_j)  # (N, T, H) and (N, S, H)
        u = l_i[:, :, None] + r_j[:, None]  # (N, T, S, H): each asker with each teller
        if self.dynamic:
            bent = self.leaky(u)
            self.s = bent @ self.a  # (N, T, S, H) @ (H,)
        else:
            bent = u
            self.s = self.leaky(u @ self.a)
        self.alpha = self.softmax(self.s)
        self.save(r_j, bent, self.alpha)
        return self.alpha @ r_j  # (N, T, S) @ (N, S, H)

    def backward(self, dL_dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r_j, bent, alpha = self.restore()
        dL_dalpha = dL_dy @ r_j.swapaxes(1, 2)  # (N, T, H) @ (N, H, S)
        dL_ds = self.softmax.backward(dL_dalpha)
        if not self.dynamic:
            dL_ds = self.leaky.backward(dL_ds)  # now of a · u
        self.a.grad += (dL_ds[..., None] * bent).sum(axis=(0, 1, 2))  # (N, T, S, 1) · (N, T, S, H): a was used on every edge
        dL_du = dL_ds[..., None] * self.a  # (N, T, S, 1) · (H,)
        if self.dynamic:
            dL_du = self.leaky.backward(dL_du)
        dL_dr_j = alpha.swapaxes(1, 2) @ dL_dy + dL_du.sum(axis=1)  # (N, S, T) @ (N, T, H): as what was told, and as what was weighed
        dL_dl_i = dL_du.sum(axis=2)  # (N, T, H)
        return self.left.backward(dL_dl_i), self.right.backward(dL_dr_j)


class GAT(Concept):
    """A dictionary of keys and values, asked for each key: one layer of graph attention, softmax cross-entropy and Adam.

    Args:
        keys: K, how many keys and values there are; as many ask and as many tell.
        features: numbers of a node.
        hidden: H, of what is told.
        dynamic: the form of attention: True for GATv2, False for GAT.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the weights.

    Shapes: x (N, K, 2) integers: the key and the value of each teller; the prediction (N, K, K), scores of the values for each asker, the
    first of whom asks for key 0; y (N, K) integers.

    Raises:
        ValueError: if keys, features or hidden is below 1.
    """

    def __init__(
        self,
        keys: int = 10,
        features: int = 24,
        hidden: int = 24,
        dynamic: bool = True,
        lr: float = 0.03,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(keys, features, hidden) < 1:
            raise ValueError(f"GAT: keys, features and hidden must be at least 1, got {keys}, {features} and {hidden}")
        self.keys, self.lr = keys, lr
        rng = rng or np.random.default_rng()
        self.asked = nn.Embedding(keys, features, rng=rng, dtype=dtype)
        self.key = nn.Embedding(keys, features, rng=rng, dtype=dtype)
        self.value = nn.Embedding(keys, features, rng=rng, dtype=dtype)
        self.attention = GraphAttention(features, hidden, dynamic, rng=rng, dtype=dtype)
        self.out = nn.Linear(hidden, keys, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """A score for each value, of each asker."""
        h_i = self.asked(np.broadcast_to(np.arange(self.keys), (len(x), self.keys)))
        h_j = self.key(x[:, :, 0]) + self.value(x[:, :, 1])
        y = self.attention(h_i, h_j)
        z = self.out(y)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z = self(x)
        self.save(z.shape)
        loss = self.loss(z.reshape(-1, self.keys), y.reshape(-1))  # each asker of each dictionary is one example
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        shape = self.restore()
        dL_dz = self.loss.backward(dL_dloss).reshape(shape)
        dL_dy = self.out.backward(dL_dz)
        dL_dh_i, dL_dh_j = self.attention.backward(dL_dy)
        self.value.backward(dL_dh_j)  # a sum: both get the whole gradient
        self.key.backward(dL_dh_j)
        self.asked.backward(dL_dh_i)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z = self(x)
        self.log("loss/val", self.loss(z.reshape(-1, self.keys), y.reshape(-1)), batch_size=len(x))
        self.log("accuracy/val", np.mean(z.argmax(axis=2) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
