"""Attention that looks something up: which value followed this key? By hand.

A sequence is pairs of a key and a value, such as  c 4  a 0  f 4  c ?  The answer to "?" is 4, because 4 is what
followed c before. To find it, the place that holds c must find the earlier place whose token came after a c. (A *token* is one of
the signs that a sequence is made of; in a language model a word, or a part of one.)

Attention is a dictionary whose answers are mixtures. Each place asks for something, its *query* q; it answers to something, its *key*
k; and it has something to tell, its *value* v. How well a query fits a key is their dot product. Softmax makes parts of these scores that
add up to 1, and what comes out is the mixture of all values in these parts.

    e, f  = embeddings of the token at each place, and of the token before it: for each token a row of numbers, which is learned
    q = e Wqᵀ      what this place asks for
    k = f Wkᵀ      what this place answers to: the token before it
    v = e Wvᵀ      what this place has to tell: its own token
    s = q kᵀ / √d_k, and −∞ where a place would look ahead (the *causal mask*); d_k numbers in each q and k
    a = softmax(s), each row a distribution over the places to look at
    y = a v        what was found there
    z = y Woᵀ      a score for each possible next token

**On paper.** Two places, d_k = 4, so that √d_k = 2. The first place can look at itself only: a = (1, 0), y = v[0]. The second asks with q:

    q = (2, 0, 0, 0)     k[0] = (log 3, 0, 0, 0)     v[0] = (4, 0)          s[0] = 2 log 3 / 2 = log 3     e to it: 3     a[0] = ¾
                         k[1] = (0, 0, 0, 0)         v[1] = (0, 8)          s[1] = 0                       e to it: 1     a[1] = ¼
    y = ¾ (4, 0) + ¼ (0, 8) = (3, 2)

Backward, if the loss grows with the first number of this y alone, ∂L/∂y = (1, 0). A value gets its part of it; a part, what its value is
worth; a score, what its part is worth more than the mean of all, times that part; a key, the query times its score's gradient, over 2:

    ∂L/∂v[0] = ¾ (1, 0)      ∂L/∂a[0] = (4, 0)·(1, 0) = 4      mean: ¾ 4 + ¼ 0 = 3      ∂L/∂s[0] = ¾ (4 − 3) =  ¾      ∂L/∂k[0] =  ¾ q / 2
    ∂L/∂v[1] = ¼ (1, 0)      ∂L/∂a[1] = (0, 8)·(1, 0) = 0                               ∂L/∂s[1] = ¼ (0 − 3) = −¾      ∂L/∂k[1] = −¾ q / 2

    >>> attend, log3 = nn.ScaledDotProductAttention(), np.log(3)
    >>> q, k, v = np.zeros((1, 2, 4)), np.zeros((1, 2, 4)), np.array([[[4.0, 0.0], [0.0, 8.0]]])
    >>> q[0, 1, 0], k[0, 0, 0] = 2, log3
    >>> attend(q, k, v, is_causal=True).round(15).tolist()
    [[[4.0, 0.0], [3.0, 2.0]]]
    >>> attend.weights.round(15).tolist()
    [[[1.0, 0.0], [0.75, 0.25]]]
    >>> dL_dq, dL_dk, dL_dv = attend.backward(np.array([[[0.0, 0.0], [1.0, 0.0]]]))
    >>> dL_dk[0, :, 0].round(15).tolist(), dL_dv.round(15).tolist()
    ([0.75, -0.75], [[[0.75, 0.0], [0.25, 0.0]]])

**Why √d_k.** A product of two random vectors of d_k entries is a sum of d_k random terms, and its size grows like √d_k.
Without the scale the softmax of such numbers is nearly 1 at one place and 0 elsewhere, and there its gradient
a (1 − a) is nearly 0: nothing is learned (Vaswani et al., "Attention is all you need", 2017, section 3.2.1).

**Why the mask.** Without it the task is solved by looking one place ahead, where the answer stands: no loss, and nothing learned
that could ever be used to predict.

**No bias.** One number added to a whole row of scores changes no softmax, and a bias of the keys would do just that: its gradient would be
exactly zero. Keys and queries have none.
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
