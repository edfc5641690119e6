"""On a GPU: the same network, other last digits, how much faster, and how many GPUs a model needs, by hand.

A CPU has a few cores that do anything. A *GPU* has thousands that all do the same: multiply and add. Matrix products are made of that, so
they are computed there, often a hundred times as fast. In torch the network stays as it is, and `--trainer.accelerator gpu` moves it.
Three things are worth knowing.

**1. The last digits are others.** An entry of a product is a sum, and a rounded sum depends on the order. A GPU cuts the long sum into
*tiles*, which its cores add up side by side; then it adds the tiles. In this file products are made in that way too:

    C = Σ over tiles t of   A[:, t] B[t, :]             so many columns of A, and as many rows of B, at a time

Nothing is wrong on either side: both are off from the exact sum, each by its own rounding. Some GPUs also round what goes into a
float32 product to *TF32*: 11 binary digits in place of 24, for speed. Then the fourth decimal digit is another. torch's default is not to
do so (in convolutions it is); here it is off wherever both sides are compared.

**2. It is not always faster.** To start a piece of work on a GPU takes about five millionths of a second, whatever its size, and what is on
the CPU must first be carried over. A small network spends its time so, and waits too whenever Python asks for a number (`.item()`). So:
large batches, data that stay there, no `.item()` in the loop.

**3. How many does a model need?** That is arithmetic. A model has N *parameters*, learned numbers. In mixed precision with Adam each takes

    2 bytes the weight in 16 bits + 2 its gradient + 4 the weight in 32 bits + 4 + 4 Adam's two means = 16 bytes

And each takes part in one product and one sum for each *token* (or example) on the way there, 2 operations, and in twice as many on the way
back: 6. With recomputation there is one more way there: 8. So for T tokens

    operations = 6 N T  or  8 N T                        seconds = operations / (GPUs · operations that each does in a second)

**On paper.** N = 7.5 billion (10⁹) take 7.5 · 16 = 120 billion bytes, 120 GB. A GPU of 80 GB holds less than that: two are needed,
before any activations. In 16 bits the weights alone are 15 GB; who only wants answers needs one.

GPT-3 has N = 175 billion. 300 billion tokens on 1,024 GPUs, each of which does 140 · 10¹² operations a second, with recomputation:
8 · 175 · 10⁹ · 300 · 10⁹ / (1,024 · 140 · 10¹²) = 2.93 million seconds, 34 days, as was published.

    >>> training_bytes(7.5e9) / 1e9, gpus_needed(training_bytes(7.5e9), 80e9), gpus_needed(2 * 7.5e9, 80e9)
    (120.0, 2, 1)
    >>> round(training_days(175e9, 300e9, gpus=1024, each=140e12, recompute=True), 1)
    33.9
    >>> A, B = np.array([[1e8, 1.0, -1e8, 1.0]], dtype=np.float32), np.ones((4, 1), dtype=np.float32)
    >>> [tiled_product(A, B, tile).item() for tile in (1, 2)]             # float32 has 8 digits: 1e8 + 1 is 1e8. Exact: 2
    [1.0, 0.0]
    >>> tf32(np.array([1.001])).item()
    1.0009765625

Sources: Rajbhandari et al. 2020, "ZeRO", section 3.1 (16 bytes), figure 1 (120 GB); Kaplan et al. 2020, "Scaling laws for neural language
models", section 2.1 (6 N); Narayanan et al. 2021, "Efficient large-scale language model training on GPU clusters using Megatron-LM",
section 5.1 (8 N, 34 days).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module, Parameter
from manual.nn.init import uniform
from manual.numerics.rounding import Format, nearest


def tiled_product(A: np.ndarray, B: np.ndarray, tile: int) -> np.ndarray:
    """A B, added up tile by tile. Shapes: A (N, K), B (K, M), the result (N, M)."""
    C = np.zeros((A.shape[0], B.shape[1]), A.dtype)
    for start in range(0, A.shape[1], tile):
        C = C + A[:, start : start + tile] @ B[start : start + tile]  # (N, tile) @ (tile, M)
    return C


def tiled_product_backward(dL_dC: np.ndarray, A: np.ndarray, B: np.ndarray, tile: int) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂A = ∂L/∂C Bᵀ and ∂L/∂B = Aᵀ ∂L/∂C, which are products too, in tiles."""
    dL_dA = tiled_product(dL_dC, B.T, tile)  # (N, M) @ (M, K)
    dL_dB = tiled_product(A.T, dL_dC, tile)  # (K, N) @ (N, M)
    return dL_dA, dL_dB


class TiledLinear(Module):
    """y = x Wᵀ + b, whose products are added up tile by tile.

    Args:
        in_features: numbers of each row of x.
        out_features: numbers of each row of y.
        tile: how many terms are added up at a time.
        rng: draws the weights, as `nn.Linear` does.
        dtype: of the parameters.

    Shapes: x (N, in_features), y (N, out_features), weight (out_features, in_features), bias (out_features,).
    """

    def __init__(self, in_features: int, out_features: int, tile: int, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.tile, bound = tile, 1 / math.sqrt(in_features)
        self.weight = Parameter(uniform((out_features, in_features), -bound, bound, rng=rng, dtype=dtype))
        self.bias = Parameter(uniform((out_features,), -bound, bound, rng=rng, dtype=dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.save(x)
        return tiled_product(x, self.weight.T, self.tile) + self.bias  # (N, in) @ (in, out) + (out,)

    def backward(self, dL_dy: np.ndarray) -> np.ndarray:
        x = self.restore()
        dL_dx, dL_dWt = tiled_product_backward(dL_dy, x, self.weight.T, self.tile)
        self.weight.grad += dL_dWt.T  # (in, out) turned to (out, in)
        self.bias.grad += dL_dy.sum(axis=0)  # (N, out) to (out,)
        return dL_dx


class OnAGPU(Concept):
    """64 → hidden → 10 with ReLU, softmax cross-entropy and Adam; by hand on the CPU with products in tiles, in torch on any device.

    Args:
        hidden: units of the hidden layer.
        tile: how many terms of a sum are added up at a time, by hand; torch's device has tiles of its own.
        lr: Adam's step size.
        rng: draws the weights.
        dtype: of the parameters.

    Shapes: x (N, 64), the prediction (N, 10), the target (N,) integers 0 to 9.

    Raises:
        ValueError: if hidden or tile is below 1.
    """

    def __init__(self, hidden: int = 64, tile: int = 16, lr: float = 1e-3, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        if min(hidden, tile) < 1:
            raise ValueError(f"OnAGPU: hidden and tile must be at least 1, got {hidden} and {tile}")
        rng = rng or np.random.default_rng()
        self.lr = lr
        self.fc1 = TiledLinear(64, hidden, tile, rng=rng, dtype=dtype)
        self.relu = nn.ReLU()
        self.fc2 = TiledLinear(hidden, 10, tile, rng=rng, dtype=dtype)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Scores for the ten digits."""
        z1 = self.fc1(x)
        h = self.relu(z1)
        z2 = self.fc2(h)
        return z2

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        z2 = self(x)
        loss = self.loss(z2, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        dL_dz2 = self.loss.backward(dL_dloss)
        dL_dh = self.fc2.backward(dL_dz2)
        dL_dz1 = self.relu.backward(dL_dh)
        self.fc1.backward(dL_dz1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2, y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z2.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.Adam:
        return optim.Adam(self.parameters(), lr=self.lr)


# ---- reckoned --------------------------------------------------------------------------------------


def tf32(x: np.ndarray) -> np.ndarray:
    """What a GPU makes of x before a product in TF32: float32's range, with 10 binary digits behind the point. Shapes: alike."""
    return nearest(x, Format(exponent_bits=8, fraction_bits=10)).astype(x.dtype)


def training_bytes(parameters: float) -> float:
    """What weights, gradients and Adam's state take in mixed precision; activations come on top."""
    return (2 + 2 + 4 + 4 + 4) * parameters


def gpus_needed(size: float, of_one: float) -> int:
    """How many GPUs of so many bytes hold so many, if they are cut evenly."""
    return math.ceil(size / of_one)


def training_days(parameters: float, tokens: float, gpus: int, each: float, recompute: bool = False) -> float:
    """How long a training takes.

    Args:
        parameters: N.
        tokens: T, seen in all.
        gpus: how many work on it.
        each: operations that each of them really does in a second, often a third to a half of what its maker says.
        recompute: whether activations are computed twice.
    """
    operations = (8 if recompute else 6) * parameters * tokens
    return operations / (gpus * each) / (24 * 60 * 60)
