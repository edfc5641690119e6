"""The transformer block, all of it walked back: it reverses a sequence, by hand.

Nearly all language models are one block, stacked some dozen times. In a block each place first looks at all others, and then
computes something of what it found. Here one block learns to say sixteen digits backwards.

    x = token's row + place's row                   embeddings, both learned: attention alone does not know which place is where
    x1 = x + attend(norm(x))                        several heads, as in `multihead_attention`; query, key and value are all norm(x)
    x2 = x1 + feed_forward(norm(x1))                for each place alone: ReLU(u W1ᵀ) W2ᵀ
    z = x2 W_zᵀ + b                                 a score for each of the ten digits, at each place

**The shortcut.** `x + ...` is a *residual connection*: a part of the block does not replace x, it adds to it. On the way back the gradient
takes both ways and adds up:

    x1 = x + f(x)        ∂L/∂x = ∂L/∂x1 + (what f's backward makes of ∂L/∂x1)

If f has the slope 0.1, x + f(x) has 1.1. Twelve of them have 1.1¹² = 3.1, but twelve f without a shortcut 0.1¹² = 0.000000000001: nothing
arrives at the first.

**The norm.** *Layer norm* takes the numbers of one place, less their mean, over their standard deviation; each is then
multiplied by a learned g:

    x̂ = (x − mean) / std        y = g x̂        std = √(variance + 0.00001), lest it be 0

So what attend and feed_forward get is always of one size. Its way back: a change of x that moves all numbers alike, or stretches them all
alike, does not change x̂. These two parts are taken out of the gradient; means are over the numbers of one place:

    ∂L/∂x = (∂L/∂x̂ − mean(∂L/∂x̂) − x̂ · mean(∂L/∂x̂ · x̂)) / std

**Pre-norm, post-norm.** The paper of 2017 put the norm behind the sum, norm(x + attend(x)): *post-norm*. Then nothing
runs through from the top to the bottom: each norm rescales the sum, and deep stacks are harder to train. Since GPT-2 the norm stands within
the shortcut: *pre-norm*, as above. Both are here.

**On paper.** The norm of four numbers: mean 1.5, std 1.5; and its way back, if L grows with the first y alone (and all g are 1):

    x = (0, 0, 3, 3)              x̂ = (−1, −1, 1, 1)
    ∂L/∂x̂ = (1, 0, 0, 0)          mean(∂L/∂x̂) = ¼          mean(∂L/∂x̂ · x̂) = −¼
    ∂L/∂x = (1 − ¼ − ¼,  0 − ¼ − ¼,  0 − ¼ + ¼,  0 − ¼ + ¼) / 1.5 = (⅓, −⅓, 0, 0)

To make the first number larger, the two that are alike must part; moving all four would have done nothing.

    >>> block = Block(d_model=4, heads=2, width=3)
    >>> block.norm(np.array([[[0.0, 0.0, 3.0, 3.0]]]), block.g1).round(4).tolist()
    [[[-1.0, -1.0, 1.0, 1.0]]]
    >>> block.norm_backward(np.array([[[1.0, 0.0, 0.0, 0.0]]]), block.g1)[0, 0, :2].round(4).tolist()
    [0.3333, -0.3333]
    >>> block.g1.grad.round(4).tolist()        # ∂L/∂g = ∂L/∂y · x̂, summed over all places
    [-1.0, 0.0, 0.0, 0.0]

No map has a bias, as in many models of today.

Sources: Vaswani et al., "Attention is all you need" (2017), section 3; Ba et al., "Layer normalization" (2016), section 3; Xiong et al.,
"On layer normalization in the transformer architecture" (2020), section 3 (pre-norm and post-norm).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module, Parameter
from manual.nn.functional import softmax
from manual.nn.init import uniform, xavier_uniform
from manual.sequences.multihead_attention import join, split

EPS = 1e-5
"""torch's, within the root of layer norm."""


class Block(Module):
    """Attention and feed-forward, each with its norm and its shortcut (torch.nn.TransformerEncoderLayer, without biases and dropout).

    Args:
        d_model: D, how many numbers each place has.
        heads: H, which divides D.
        width: F, the hidden units of feed_forward.
        norm_first: pre-norm; False is post-norm.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x and the output (N, T, D); W_qkv (3 D, D) is W_q, W_k and W_v one above the other. `weights`, the maps of the latest forward,
    is (N, H, T, T).

    Raises:
        ValueError: if heads does not divide d_model.
    """

    weights: np.ndarray | None = None

    def __init__(
        self,
        d_model: int,
        heads: int,
        width: int,
        norm_first: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if heads < 1 or d_model % heads:
            raise ValueError(f"Block: heads must divide d_model, got {heads} and {d_model}")
        self.heads, self.norm_first = heads, norm_first
        self.scale = 1 / math.sqrt(d_model / heads)
        D, F = d_model, width
        self.W_qkv = Parameter(xavier_uniform((3 * D, D), rng=rng, dtype=dtype))
        self.W_out = Parameter(uniform((D, D), -1 / math.sqrt(D), 1 / math.sqrt(D), rng=rng, dtype=dtype))
        self.W1 = Parameter(uniform((F, D), -1 / math.sqrt(D), 1 / math.sqrt(D), rng=rng, dtype=dtype))
        self.W2 = Parameter(uniform((D, F), -1 / math.sqrt(F), 1 / math.sqrt(F), rng=rng, dtype=dtype))
        self.g1, self.g2 = Parameter(np.ones(D, dtype)), Parameter(np.ones(D, dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        if self.norm_first:
            x1 = x + self.attend(self.norm(x, self.g1))
            return x1 + self.feed_forward(self.norm(x1, self.g2))
        x1 = self.norm(x + self.attend(x), self.g1)
        return self.norm(x1 + self.feed_forward(x1), self.g2)

    def backward(self, dL_dx2: np.ndarray) -> np.ndarray:
        if self.norm_first:
            dL_dx1 = dL_dx2 + self.norm_backward(self.feed_forward_backward(dL_dx2), self.g2)
            return dL_dx1 + self.norm_backward(self.attend_backward(dL_dx1), self.g1)
        dL_dsum2 = self.norm_backward(dL_dx2, self.g2)
        dL_dx1 = dL_dsum2 + self.feed_forward_backward(dL_dsum2)
        dL_dsum1 = self.norm_backward(dL_dx1, self.g1)
        return dL_dsum1 + self.attend_backward(dL_dsum1)

    def norm(self, x: np.ndarray, g: Parameter) -> np.ndarray:
        """Layer norm: each place for itself."""
        std = np.sqrt(x.var(axis=-1, keepdims=True) + EPS)  # (N, T, 1)
        x_hat = (x - x.mean(axis=-1, keepdims=True)) / std
        self.save(x_hat, std)
        return g * x_hat  # (D,) times (N, T, D)

    def norm_backward(self, dL_dy: np.ndarray, g: Parameter) -> np.ndarray:
        x_hat, std = self.restore()
        g.grad += (dL_dy * x_hat).sum(axis=(0, 1))  # (N, T, D) → (D,): every place used the same g
        dL_dx_hat = dL_dy * g
        moved = dL_dx_hat.mean(axis=-1, keepdims=True)  # (N, T, 1): of what moves all alike,
        stretched = (dL_dx_hat * x_hat).mean(axis=-1, keepdims=True)  # and of what stretches all alike, x̂ sees nothing
        return (dL_dx_hat - moved - x_hat * stretched) / std

    def attend(self, x: np.ndarray) -> np.ndarray:
        """Each place looks at all, in H heads."""
        q, k, v = (split(part, self.heads) for part in np.split(x @ self.W_qkv.T, 3, axis=-1))  # (N, H, T, D/H) each
        s = self.scale * (q @ k.swapaxes(2, 3))  # (N, H, T, D/H) @ (N, H, D/H, T)
        a = softmax(s, axis=-1)
        y = join(a @ v)  # (N, H, T, T) @ (N, H, T, D/H) → (N, T, D)
        self.save(x, q, k, v, a, y)
        self.weights = a
        return y @ self.W_out.T  # (N, T, D) @ (D, D)

    def attend_backward(self, dL_dout: np.ndarray) -> np.ndarray:
        x, q, k, v, a, y = self.restore()
        self.W_out.grad += rows(dL_dout).T @ rows(y)  # (D, N·T) @ (N·T, D)
        dL_dy = split(dL_dout @ self.W_out, self.heads)  # (N, T, D) @ (D, D) → (N, H, T, D/H)
        dL_dv = a.swapaxes(2, 3) @ dL_dy  # (N, H, T, T) @ (N, H, T, D/H)
        dL_da = dL_dy @ v.swapaxes(2, 3)  # (N, H, T, D/H) @ (N, H, D/H, T)
        dL_ds = a * (dL_da - (a * dL_da).sum(axis=-1, keepdims=True))  # the softmax of each row
        dL_dq = self.scale * (dL_ds @ k)  # (N, H, T, T) @ (N, H, T, D/H)
        dL_dk = self.scale * (dL_ds.swapaxes(2, 3) @ q)  # (N, H, T, T) @ (N, H, T, D/H)
        dL_dqkv = np.concatenate([join(dL_dq), join(dL_dk), join(dL_dv)], axis=-1)  # (N, T, 3 D)
        self.W_qkv.grad += rows(dL_dqkv).T @ rows(x)  # (3 D, N·T) @ (N·T, D)
        return dL_dqkv @ self.W_qkv  # (N, T, 3 D) @ (3 D, D): x was query, key and value, and the product adds up

    def feed_forward(self, x: np.ndarray) -> np.ndarray:
        """ReLU(x W1ᵀ) W2ᵀ, for each place alone."""
        h = np.maximum(x @ self.W1.T, 0)  # (N, T, D) @ (D, F)
        self.save(x, h)
        return h @ self.W2.T  # (N, T, F) @ (F, D)

    def feed_forward_backward(self, dL_dout: np.ndarray) -> np.ndarray:
        x, h = self.restore()
        self.W2.grad += rows(dL_dout).T @ rows(h)  # (D, N·T) @ (N·T, F)
        dL_dz = dL_dout @ self.W2 * (h > 0)  # (N, T, D) @ (D, F)
        self.W1.grad += rows(dL_dz).T @ rows(x)  # (F, N·T) @ (N·T, D)
        return dL_dz @ self.W1  # (N, T, F) @ (F, D)


def rows(x: np.ndarray) -> np.ndarray:
    """(N, T, size) as (N·T, size): to a map every place of every sequence is one example."""
    return x.reshape(-1, x.shape[-1])


class Transformer(Concept):
    """Embeddings, one block, a linear layer; softmax cross-entropy and Adam.

    Args:
        symbols: how many different ones there are.
        length: T, of every sequence.
        d_model: D, the size of an embedding; heads must divide it.
        heads: H, which divides D.
        width: F, the hidden units of feed_forward.
        norm_first: pre-norm; False is post-norm.
        lr: Adam's step size.
        rng: draws the initial weights.
        dtype: of the parameters.

    Shapes: x and the target (N, T) integers, the prediction (N, T, symbols).
    """

    def __init__(
        self,
        symbols: int = 10,
        length: int = 16,
        d_model: int = 32,
        heads: int = 4,
        width: int = 64,
        norm_first: bool = True,
        lr: float = 3e-3,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.lr = lr
        self.token = nn.Embedding(symbols, d_model, rng=rng, dtype=dtype)
        self.position = nn.Embedding(length, d_model, rng=rng, dtype=dtype)
        self.block = Block(d_model, heads, width, norm_first, rng=rng, dtype=dtype)
        self.out = nn.Linear(d_model, symbols, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the symbol at each place."""
        e = self.token(x) + self.position(np.arange(x.shape[1]))  # (N, T, D) + (T, D)
        x2 = self.block(e)
        z = self.out(x2)
        return z

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, target = batch
        z = self(x)
        self.save(z.shape)
        loss = self.loss(rows(z), target.reshape(-1))
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz = self.loss.backward(dL_dloss).reshape(self.restore())  # (N·T, symbols) → (N, T, symbols)
        dL_dx2 = self.out.backward(dL_dz)
        dL_de = self.block.backward(dL_dx2)
        self.position.backward(dL_de.sum(axis=0))  # (N, T, D) → (T, D): each sequence used the same rows
        self.token.backward(dL_de)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, the part of the symbols that is right, and the part of the sequences that are right from end to end."""
        x, target = batch
        z = self(x)
        right = z.argmax(axis=-1) == target
        self.log("loss/val", self.loss(rows(z), target.reshape(-1)), batch_size=len(x))
        self.log("symbols/val", right.mean(), batch_size=len(x))
        self.log("sequences/val", right.all(axis=1).mean(), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)
