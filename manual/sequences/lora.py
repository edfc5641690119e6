"""LoRA: a layer that was learned long ago is adapted by two thin matrices. By hand.

Somebody has trained a large model; you want it for a text, or a task, a little different. To train on all its weights takes several
times their memory, and afterwards there is a second model as large as the first. *LoRA* (low-rank adaptation) leaves every weight W0 as it
is and trains what is added to it, and of that it allows only little:

    W = W0 + s B A        W0 (out, in) is frozen; A (r, in) and B (out, r) learn; s = α/r is a number that stays

B A is a matrix of *rank* at most r: r pieces, each a column times a row (see `svd`). For W0 of 1000 x 1000 and r = 4 these are 8000 numbers
in place of a million. A is called an *adapter*, and so are the two together. There can be many of them, one a task, to one W0.

**Why that is enough, at times.** A new task is often the old one with something new in a few directions. In the run here a layer has
learned to smooth a sound: of 20 readings it makes 12, each a mean of 9 neighbours (the outer two count half). Now it stands in another
room. There is a drift (all 20 readings too high or too low) and a hum (a wave, which begins anywhere), and both are to be taken out too.
A drift is one direction and a wave two: a cosine and a sine. So three pieces are enough, 96 numbers for 240.

**The start.** A begins by chance and B at 0. So B A = 0, and the new model begins as the old one, whatever A is. Not both at 0! The way
back says why.

**The way back.** Let G = ∂L/∂W, as for any linear layer (`hidden_layer`). W is s times a product, whose derivative goes to each factor
through the other:

    ∂L/∂A = s Bᵀ G        (r, out) (out, in)          0 as long as B is 0: at the first step only B moves
    ∂L/∂B = s G Aᵀ        (out, in) (in, r)           0 as long as A is 0
    ∂L/∂W0                is not asked for
    ∂L/∂x = ∂L/∂y W       through both, as if W were one matrix

**Merging.** After training s B A is added to W0 once and for all: one matrix, as large and as fast as before, with the same answers.
Subtract it, and the old model is back.

**On paper.** W0 = (1, 0), one output from two inputs; r = 1, s = 1, A = (1, 2), B = (0). The example x = (1, 1) should give y = 4, and
L = ½ (W xᵀ − y)². So W = W0, the answer is 1, and ∂L/∂y = 1 − 4 = −3:

    G = −3 (1, 1) = (−3, −3)        ∂L/∂A = B G = (0, 0)        ∂L/∂B = G Aᵀ = −3 · 1 − 3 · 2 = −9

A step of lr = 0.1 makes B = 0.9 and leaves A. W = (1, 0) + 0.9 (1, 2) = (1.9, 1.8) and the answer is 3.7.

    >>> A, B = np.array([[1.0, 2.0]]), np.array([[0.0]])
    >>> G = np.array([[-3.0, -3.0]])
    >>> dL_dA, dL_dB = change_backward(G, A, B, 1.0)
    >>> (dL_dA + 0.0).tolist(), dL_dB.tolist()
    ([[0.0, 0.0]], [[-9.0]])
    >>> W = np.array([[1.0, 0.0]]) + change(A, B - 0.1 * dL_dB, 1.0)
    >>> W.round(12).tolist(), float(W.sum().round(12))
    ([[1.9, 1.8]], 3.7)

**How good can it be?** For a linear layer and the mean squared error that is known. Solve least squares for the whole change D. What it
predicts, X Dᵀ, has singular values, large and small; keep the first r of its pieces. No change of rank r has a smaller loss. That is
*reduced-rank regression*, and the run arrives there, to the last digits.

What engineers do: r = 4 to 64, in every block of a GPT. The figure "another text" does it with a small one and r = 1. While they train
they make neither G nor B A, but s (x Aᵀ) Bᵀ, which is less work: so does the twin in torch.

Sources: Hu et al. 2021, "LoRA: low-rank adaptation of large language models", section 4; Izenman 1975, "Reduced-rank regression for the
multivariate linear model".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Array, Module, Parameter
from manual.nn.init import normal
from manual.sequences.gpt import GPT

IN, OUT = 20, 12
"""Readings that the layer is shown, and those that it makes of them."""


def change(A: Array, B: Array, scale: float) -> np.ndarray:
    """What is added to W0: s B A. Shapes: A (r, in), B (out, r), the result (out, in)."""
    return scale * (B @ A)  # (out, r) @ (r, in)


def change_backward(dL_dW: np.ndarray, A: Array, B: Array, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂A and ∂L/∂B: each factor hears of G = ∂L/∂W through the other."""
    dL_dA = scale * (B.T @ dL_dW)  # (r, out) @ (out, in)
    dL_dB = scale * (dL_dW @ A.T)  # (out, in) @ (in, r)
    return dL_dA, dL_dB


class LoRALinear(Module):
    """A linear layer that is frozen, and an adapter: y = x (W0 + s B A)ᵀ + b.

    Args:
        base: the layer, with W0 and perhaps b; it is frozen from now on.
        rank: r, of the adapter.
        alpha: α; s = α/r.
        rng: draws A from N(0, 1/in), so that A x is about as large as a number of x; B begins at 0.
        dtype: of A and B.

    Shapes: x (..., in), y (..., out).

    Raises:
        ValueError: if rank is below 1.
    """

    def __init__(
        self, base: nn.Linear, rank: int, alpha: float, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"LoRALinear: rank must be at least 1, got {rank}")
        n_out, n_in = base.weight.shape
        self.base = base
        self.base.requires_grad_(False)
        self.scale = alpha / rank
        self.A = Parameter(normal((rank, n_in), 0.0, 1 / math.sqrt(n_in), rng=rng, dtype=dtype))
        self.B = Parameter(np.zeros((n_out, rank), dtype))

    @property
    def weight(self) -> np.ndarray:
        """W = W0 + s B A."""
        return self.base.weight + change(self.A, self.B, self.scale)

    def forward(self, x: np.ndarray) -> np.ndarray:
        W = self.weight
        self.save(x, W)
        y = x @ W.T  # (..., in) @ (in, out)
        return y if self.base.bias is None else y + self.base.bias

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x, W = self.restore()
        rows, d_rows = x.reshape(-1, x.shape[-1]), dL_dy.reshape(-1, dL_dy.shape[-1])  # every place is an example
        dL_dW = d_rows.T @ rows  # (out, N) @ (N, in)
        dL_dA, dL_dB = change_backward(dL_dW, self.A, self.B, self.scale)
        self.A.grad += dL_dA
        self.B.grad += dL_dB
        return dL_dy @ W  # (..., out) @ (out, in)

    def merged(self) -> nn.Linear:
        """One linear layer that gives the same answers."""
        n_out, n_in = self.base.weight.shape
        layer = nn.Linear(n_in, n_out, bias=self.base.bias is not None, dtype=self.base.weight.dtype)
        layer.weight[...] = self.weight
        if layer.bias is not None:
            layer.bias[...] = self.base.bias
        return layer


class LoRA(Concept):
    """A layer that smooths, and an adapter that learns; mean squared error, gradient descent with momentum.

    Args:
        rank: r, of the adapter.
        alpha: α; what is added is α/r times B A.
        lr: the length of a step, per gradient.
        momentum: how much of the last step is kept.
        rng: draws A.
        dtype: of the parameters.

    Shapes: x (N, 20), the prediction and the target (N, 12).

    Raises:
        ValueError: if rank is below 1.
    """

    def __init__(
        self,
        rank: int = 3,
        alpha: float = 3.0,
        lr: float = 0.5,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        self.lr, self.momentum = lr, momentum
        base = nn.Linear(IN, OUT, bias=False, rng=rng, dtype=dtype)
        base.weight[...] = smoothing()
        self.layer = LoRALinear(base, rank, alpha, rng=rng, dtype=dtype)
        self.loss = nn.MSELoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.layer(x)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        loss = self.loss(self(x), y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        self.layer.backward(self.loss.backward(dL_dloss))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", self.loss(self(x), y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        """Of all parameters: one that is frozen gets no gradient, and a step passes it over."""
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


def smoothing() -> np.ndarray:
    """W0, what was learned long ago. Row i has 1/8 at the places i + 1 to i + 7, and 1/16 at i and at i + 8. (12, 20)."""
    ones = np.ones((OUT, IN))
    return (np.tril(np.triu(ones), 8) + np.tril(np.triu(ones, 1), 7)) / 16


# ---- further reading: a GPT, adapted --------------------------------------------------------------------


def adapt(model: GPT, rank: int, alpha: float, *, rng: np.random.Generator | None = None) -> GPT:
    """The same GPT, frozen, with an adapter at c_attn and at the mlp's c_proj in each block. It is changed in place."""
    model.requires_grad_(False)
    for part, name in places(model):
        base = getattr(part, name)
        setattr(part, name, LoRALinear(base, rank, alpha, rng=rng, dtype=base.weight.dtype))
    return model


def merge(model: GPT) -> GPT:
    """An adapted GPT with one matrix again wherever an adapter was. It is changed in place."""
    for part, name in places(model):
        setattr(part, name, getattr(part, name).merged())
    return model


def places(model: GPT) -> list[tuple[Any, str]]:
    """Where a GPT is adapted: the parts of its blocks, and the name of a layer in each."""
    blocks: list[Any] = list(model.h)
    return [place for block in blocks for place in ((block.attn, "c_attn"), (block.mlp, "c_proj"))]
