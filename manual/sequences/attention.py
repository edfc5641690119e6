"""Attention that looks something up: which value followed this key? By hand.

A sequence is pairs of a key and a value, such as  c 4  a 0  f 4  c ?  — and the answer to "?" is 4, because 4 is what
followed c before. To find it, the place that holds c must find the earlier place whose token came after a c.

    e, f  = embeddings of the token at each place, and of the token before it
    q = e Wqᵀ      what this place asks for
    k = f Wkᵀ      what this place answers to: the token before it
    v = e Wvᵀ      what this place has to tell: its own token
    s = q kᵀ / √d_k, and −∞ where a place would look ahead (the causal mask)
    a = softmax(s), each row a distribution over the places to look at
    y = a v        what was found there
    z = y Woᵀ      a score for each possible next token

Why √d_k: a product of two random vectors of d_k entries is a sum of d_k random terms, and its size grows like √d_k.
Without the scale the softmax of such numbers is nearly 1 at one place and 0 elsewhere, and there its gradient
a (1 − a) is nearly 0: nothing is learned (Vaswani et al., "Attention is all you need", 2017, section 3.2.1).

Without the mask the task is solved by looking one place ahead, where the answer stands: no loss, and nothing learned
that could ever be used to predict.

Keys and queries have no bias: adding one number to a whole row of scores changes no softmax, so the gradient of a
bias of the keys would be exactly zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept


class Attention(Concept):
    """One layer of scaled dot-product attention over embedded tokens; softmax cross-entropy and Adam.

    Args:
        tokens: how many different ones there are.
        d_model: size of an embedding.
        d_k: size of a query and of a key.
        causal: whether a place sees only itself and the places before it.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x (N, T, 2) integers: the token at each place and the one before it; the prediction (N, T, tokens); the target
    (N, T) integers, −100 where nothing is asked (torch's ignore_index).
    """

    def __init__(
        self,
        tokens: int = 17,
        d_model: int = 24,
        d_k: int = 16,
        causal: bool = True,
        lr: float = 5e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.causal, self.lr = causal, lr
        self.embedding = nn.Embedding(tokens, d_model, rng=rng, dtype=dtype)
        self.query = nn.Linear(d_model, d_k, bias=False, rng=rng, dtype=dtype)
        self.key = nn.Linear(d_model, d_k, bias=False, rng=rng, dtype=dtype)
        self.value = nn.Linear(d_model, d_model, bias=False, rng=rng, dtype=dtype)
        self.attend = nn.ScaledDotProductAttention()
        self.out = nn.Linear(d_model, tokens, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the next token, at every place."""
        both = self.embedding(x)
        e, f = both[:, :, 0], both[:, :, 1]
        q = self.query(e)
        k = self.key(f)
        v = self.value(e)
        y = self.attend(q, k, v, is_causal=self.causal)
        z = self.out(y)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, target = batch
        z = self(x)
        self.save(z.shape)
        loss = self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1))  # every place of every sequence is one example
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss).reshape(self.restore())  # (N·T, tokens) → (N, T, tokens)
        dL_dy = self.out.backward(dL_dz)
        dL_dq, dL_dk, dL_dv = self.attend.backward(dL_dy)
        dL_de = self.value.backward(dL_dv)
        dL_df = self.key.backward(dL_dk)
        dL_de = dL_de + self.query.backward(dL_dq)  # e was used twice, for q and for v: its gradients add up
        self.embedding.backward(np.stack([dL_de, dL_df], axis=2))  # (N, T, 2, d_model)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, target = batch
        z = self(x)
        asked = target != -100
        self.log("loss/val", self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1)), batch_size=len(x))
        self.log("recall/val", np.mean(z.argmax(axis=-1)[asked] == target[asked]), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
