"""Several heads: two things looked up at once, by hand.

A list has six letters, each with a digit, such as  c 4   a 0   f 7   b 4   h 1   e 2.  The question "f, then b?" asks for two digits in
their order: 7, 4. So one place has to look at two others, and has to know which is which.

Attention as in `attention` is one distribution over the places: what is found is one mixture of all values. *Multi-head attention* cuts
queries, keys and values into H pieces of D/H numbers, the *heads*. Each head looks for itself, with a softmax of its own, and what they
found is put side by side again. It costs no more than one head of the whole width D: as many weights, as many products.

    q = query W_qᵀ,  k = key W_kᵀ,  v = value W_vᵀ     D numbers each, as before
    q, k, v = split(...)                               head h has the numbers from h D/H on, D/H of them
    s = q kᵀ / √(D/H)                                  in each head: how well each query fits each key
    a = softmax(s)                                     in each head a distribution over the places
    y = join(a v)                                      what the heads found, side by side: D numbers
    output = y W_outᵀ                                  mixed, so that all that follows sees what each head found

Query, key and value come from three places here: from the question, from the list's letters, and from its digits.

**Why one head cannot.** Let it give the part a of its weight to the place of the first letter asked, and b to that of the second. What
comes out is a times the one digit plus b times the other. If the two digits change places, so do they in this sum. To say the
first digit rightly either way, a must be larger than b; to say the second, b must be larger than a. So of two such questions, the one with
4 and 7, the other with 7 and 4, a head that can read digits at all (it is right where both are 4, and where both are 7) has both
digits right for one at most. With eight digits both are equal in an eighth of the questions, and of the others it gets at most half:

    1/8 + 7/8 · 1/2 = 9/16 = 56 %        the most that one head can reach, however wide it is

**On paper.** D = 2, all matrices 1 on the diagonal and 0 elsewhere; one query and two places:

    q = (1, 1)      k[0] = (log 3, 0)     v[0] = (4, 8)
                    k[1] = (0, log 3)     v[1] = (0, 16)

    two heads of one number, √(D/H) = 1:
    head 0   s = (log 3, 0)    a = (¾, ¼)    y[0] = ¾ · 4 + ¼ · 0  = 3
    head 1   s = (0, log 3)    a = (¼, ¾)    y[1] = ¼ · 8 + ¾ · 16 = 14       joined: y = (3, 14)

    one head of two numbers:
             s = (log 3, log 3) / √2         a = (½, ½)                       y = ½ (4, 8) + ½ (0, 16) = (2, 12)

Backward, if the loss grows with y[0] alone, ∂L/∂y = (1, 0). Split it as the forward did: head 0 gets 1, head 1 gets 0. In head 0, as in
`attention`:

    ∂L/∂v[0] = ¾     ∂L/∂a[0] = 4     mean: ¾ 4 + ¼ 0 = 3     ∂L/∂s[0] = ¾ (4 − 3) =  ¾     ∂L/∂q = ¾ log 3 − ¾ 0 = 0.82
    ∂L/∂v[1] = ¼     ∂L/∂a[1] = 0                             ∂L/∂s[1] = ¼ (0 − 3) = −¾

and joined again: ∂L/∂q = (0.82, 0). What was asked of one head changes nothing in another.

    >>> query, key = np.ones((1, 1, 2)), np.log(3) * np.eye(2)[None]
    >>> value = np.array([[[4.0, 8.0], [0.0, 16.0]]])
    >>> heads = {H: MultiheadAttention(2, H) for H in (1, 2)}
    >>> for attention in heads.values():
    ...     attention.in_proj_weight[...], attention.out_proj.weight[...] = np.vstack([np.eye(2)] * 3), np.eye(2)
    >>> heads[1](query, key, value).round(15).tolist(), heads[2](query, key, value).round(15).tolist()
    ([[[2.0, 12.0]]], [[[3.0, 14.0]]])
    >>> dL_dquery, dL_dkey, dL_dvalue = heads[2].backward(np.array([[[1.0, 0.0]]]))
    >>> dL_dquery.round(2).tolist(), dL_dvalue.round(15).tolist()
    ([[[0.82, 0.0]]], [[[0.75, 0.0], [0.25, 0.0]]])

**The way back of split is join.** Neither computes anything: they only say which number stands where. A gradient goes back to where its
number came from, so the backward of one is the other.

Source: Vaswani et al., "Attention is all you need" (2017), section 3.2.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module, Parameter
from manual.nn.init import xavier_uniform


def split(x: np.ndarray, heads: int) -> np.ndarray:
    """(N, T, D) as (N, heads, T, D/heads): each head gets its piece of every place's numbers."""
    N, T, D = x.shape
    return x.reshape(N, T, heads, D // heads).swapaxes(1, 2)


def join(y: np.ndarray) -> np.ndarray:
    """(N, heads, T, D/heads) as (N, T, D): the pieces side by side again."""
    N, heads, T, size = y.shape
    return y.swapaxes(1, 2).reshape(N, T, heads * size)


class MultiheadAttention(Module):
    """Attention in several heads (torch.nn.MultiheadAttention with bias=False, batch_first=True and without a mask).

    Args:
        d_model: D, how many numbers a query, a key and a value have.
        heads: H, which divides D.
        rng: draws the initial weights, Xavier-uniform.
        dtype: of the parameters.

    Shapes: query (N, L, D), key and value (N, T, D), the output (N, L, D). in_proj_weight (3 D, D) is W_q, W_k and W_v, one above the
    other, as in torch. attend.weights, the maps of the latest forward, is (N, H, L, T).

    Raises:
        ValueError: if heads does not divide d_model.
    """

    def __init__(self, d_model: int, heads: int, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        if min(d_model, heads) < 1 or d_model % heads:
            raise ValueError(f"MultiheadAttention: heads must divide d_model, got {heads} and {d_model}")
        self.heads = heads
        self.in_proj_weight = Parameter(xavier_uniform((3 * d_model, d_model), rng=rng, dtype=dtype))
        self.attend = nn.ScaledDotProductAttention()
        self.out_proj = nn.Linear(d_model, d_model, bias=False, rng=rng, dtype=dtype)

    def forward(self, query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
        W_q, W_k, W_v = np.split(self.in_proj_weight.data, 3)  # (D, D) each
        q = split(query @ W_q.T, self.heads)  # (N, L, D) @ (D, D) → (N, H, L, D/H)
        k = split(key @ W_k.T, self.heads)  # (N, T, D) @ (D, D) → (N, H, T, D/H)
        v = split(value @ W_v.T, self.heads)  # (N, T, D) @ (D, D) → (N, H, T, D/H)
        y = join(self.attend(q, k, v))  # (N, H, L, D/H) → (N, L, D)
        self.save(query, key, value)
        return self.out_proj(y)

    def backward(self, dL_doutput: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        query, key, value = self.restore()
        W_q, W_k, W_v = np.split(self.in_proj_weight.data, 3)
        dL_dy = self.out_proj.backward(dL_doutput)
        dL_dq, dL_dk, dL_dv = self.attend.backward(split(dL_dy, self.heads))
        dL_dq, dL_dk, dL_dv = join(dL_dq), join(dL_dk), join(dL_dv)  # back to (N, L, D), (N, T, D), (N, T, D)
        dL_dW_q = np.einsum("nld,nle->de", dL_dq, query)  # (D, D): the sum over examples and places of one row times the other
        dL_dW_k = np.einsum("ntd,nte->de", dL_dk, key)
        dL_dW_v = np.einsum("ntd,nte->de", dL_dv, value)
        self.in_proj_weight.grad += np.concatenate([dL_dW_q, dL_dW_k, dL_dW_v])
        return dL_dq @ W_q, dL_dk @ W_k, dL_dv @ W_v  # (N, L, D) @ (D, D), (N, T, D) @ (D, D) twice


class TwoLookUps(Concept):
    """Two letters are asked for in one question; multi-head attention, softmax cross-entropy and Adam.

    Args:
        n_letters: how many different letters there are.
        n_digits: how many different digits.
        d_model: D, the size of every embedding; heads must divide it.
        heads: H, which divides D.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: letters and digits of the list (N, T) integers; asked (N, L, 2) integers, L questions of two letters; the prediction
    (N, L, 2, n_digits), the target (N, L, 2) integers.
    """

    def __init__(
        self,
        n_letters: int = 8,
        n_digits: int = 8,
        d_model: int = 16,
        heads: int = 2,
        lr: float = 0.01,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.lr = lr
        self.letter = nn.Embedding(n_letters, d_model, rng=rng, dtype=dtype)
        self.digit = nn.Embedding(n_digits, d_model, rng=rng, dtype=dtype)
        self.first = nn.Embedding(n_letters, d_model, rng=rng, dtype=dtype)  # a letter that is asked for first
        self.second = nn.Embedding(n_letters, d_model, rng=rng, dtype=dtype)  # one that is asked for second
        self.attention = MultiheadAttention(d_model, heads, rng=rng, dtype=dtype)
        self.out = nn.Linear(d_model, 2 * n_digits, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, letters: np.ndarray, digits: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Scores for the first digit and for the second."""
        key = self.letter(letters)
        value = self.digit(digits)
        query = self.first(asked[..., 0]) + self.second(asked[..., 1])
        y = self.attention(query, key, value)
        z = self.out(y)
        return z.reshape(*asked.shape, -1)  # (N, L, 2 · n_digits) → (N, L, 2, n_digits)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        letters, digits, asked, target = batch
        z = self(letters, digits, asked)
        self.save(z.shape)
        loss = self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1))  # each digit of each answer is one example
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        N, L, two, n_digits = self.restore()
        dL_dz = self.loss.backward(dL_dloss).reshape(N, L, two * n_digits)  # (N · L · 2, n_digits) → (N, L, 2 · n_digits)
        dL_dy = self.out.backward(dL_dz)
        dL_dquery, dL_dkey, dL_dvalue = self.attention.backward(dL_dy)
        self.second.backward(dL_dquery)  # a sum hands its gradient to both of its terms
        self.first.backward(dL_dquery)
        self.digit.backward(dL_dvalue)
        self.letter.backward(dL_dkey)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, the part of the digits that is right, and the part of the questions of which both are."""
        letters, digits, asked, target = batch
        z = self(letters, digits, asked)
        right = z.argmax(axis=-1) == target
        self.log("loss/val", self.loss(z.reshape(-1, z.shape[-1]), target.reshape(-1)), batch_size=len(target))
        self.log("digits/val", right.mean(), batch_size=len(target))
        self.log("both/val", right.all(axis=-1).mean(), batch_size=len(target))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
