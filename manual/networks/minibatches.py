"""Minibatches: how noisy a step on a few examples is, and what more examples buy, by hand.

The gradient that is wanted is the mean over all examples. A step looks only at a few, a batch, and takes the mean over these: right on
average, and off by chance. How far off, and what comes of it, can be seen on the simplest loss there is. θ ("theta", one number) guesses
numbers z. Each example has a parabola of its own, with its bottom at z and the curvature h:

    loss of one example = h/2 · (θ − z)²           gradient h (θ − z): a pull towards z
    loss of a batch     = their mean               gradient h (θ − z̄), where z̄ is the mean of the B numbers in the batch

The best θ is the mean of all z. Let that be 0, and let s² be the variance of z, the mean of their squared distances from their mean.

**The noise of a batch.** z̄ would be 0 if all examples were in it. With B, drawn at random, it scatters about 0 with the variance s²/B: in
a mean much cancels. So the gradient of an example scatters with σ² = h² s² ("sigma squared"), and that of a batch with σ²/B. Four
times as many examples make it half as far off, typically, for the root of 4 is 2.

**θ never comes to rest.** A step is

    θ ← θ − lr h (θ − z̄) = (1 − lr h) θ + lr h z̄

The first part brings θ nearer to 0. The second throws it off again, anew at each step. Let V be the *spread*, the mean squared distance
from the best, over many walks that see different batches. What remains of it is (1 − lr h)² V, and lr² h² s²/B is added. In the
end as much is added as is lost. Then V is *stationary*: each θ still moves, and V does not.

    V = (1 − lr h)² V + lr² σ²/B     so     V = lr σ² / (B h (2 − lr h))

**What a larger batch buys.** V falls as 1/B; and nearly as lr, for 2 − lr h hardly changes while lr is small. Four times the batch, or a
quarter of lr: the same V for four times as many examples, since with a quarter of lr the way takes four times as many steps. A larger
batch buys nothing that more steps would not buy. But its examples can be computed side by side, and then it is faster. And who takes B
four times as large may take lr four times as large: V stays. This *linear scaling* ends where lr h comes near 2; there a step
throws θ across the parabola, and no batch helps.

**On paper.** Of all z half are −1 and half are 1, so s² = 1. Let h = 1, lr = ½: θ ← θ/2 + z̄/2.

    B = 1    z̄ is −1 or 1                     variance 1
    B = 2    z̄ is −1, 0, 0 or 1               variance (1 + 0 + 0 + 1)/4 = ½

    V after 0, 1, 2, 3 steps from θ = 0, with B = 1: V ← V/4 + 1/4:     0   0.25   0.3125   0.328   ... 1/3
    and with B = 2:                                                     0   0.125  0.15625  0.164   ... 1/6

    >>> [round(spread(t, lr=0.5, curvature=1.0, variance=1.0, batch_size=1), 4) for t in (0, 1, 2, 3)]
    [0.0, 0.25, 0.3125, 0.3281]
    >>> round(stationary(lr=0.5, curvature=1.0, variance=1.0, batch_size=2), 4)
    0.1667
    >>> theta, z = np.array([2.0]), np.array([[1.0, -1.0, 1.0]])          # one walk, and a batch of three: their mean is 1/3
    >>> loss(theta, z, 1.0).round(4).tolist(), loss_backward(np.ones(1), theta, z, 1.0).round(4).tolist()
    ([1.8333], [1.6667])

Sources: Robbins and Monro 1951, "A stochastic approximation method"; Mandt, Hoffman and Blei 2017, "Stochastic gradient descent as
approximate Bayesian inference", section 3.2 (V, for small lr); Goyal et al. 2017, "Accurate, large minibatch SGD" (linear scaling).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.noise import Uniform


def loss(theta: Array, z: np.ndarray, curvature: float) -> np.ndarray:
    """The loss of each walk on its batch: the mean of h/2 · (θ − z)². Shapes: theta (W,), z (W, B), the result (W,)."""
    return curvature / 2 * ((theta[:, None] - z) ** 2).mean(axis=1)


def loss_backward(dL_dy: np.ndarray, theta: Array, z: np.ndarray, curvature: float) -> np.ndarray:
    """∂loss/∂θ = h (θ − z̄). Shapes: dL_dy and the result (W,)."""
    return dL_dy * curvature * (theta[:, None] - z).mean(axis=1)  # (W, B) to (W,): the mean of the pulls


class Minibatches(Concept):
    """Many walks on one parabola, each on batches of its own; and their spread.

    The loss is the sum over the walks, so that the gradient of each θ is that of its own loss.

    Args:
        batch_size: B, drawn with replacement: the same example may come twice.
        lr: the step size; below 2/curvature.
        curvature: h, of the parabola.
        walks: W, how many.
        start: where all of them begin.
        settle: steps before the spread is measured.
        rng: draws the batches.
        dtype: of θ.

    Shapes: a batch from the data module is all numbers, (N,); theta (W,).

    Raises:
        ValueError: if an argument is out of its range.
    """

    measured: np.ndarray
    steps: np.ndarray

    def __init__(
        self,
        batch_size: int = 8,
        lr: float = 0.2,
        curvature: float = 1.0,
        walks: int = 2000,
        start: float = 3.0,
        settle: int = 50,
        *,
        rng: Any = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(batch_size, walks) < 1 or settle < 0:
            raise ValueError(
                f"Minibatches: batch_size and walks must be at least 1 and settle at least 0, got {batch_size}, {walks} and {settle}"
            )
        if not (curvature > 0 and 0 < lr * curvature < 2):
            raise ValueError(f"Minibatches: curvature must be above 0, and lr between 0 and 2/curvature, got {curvature} and {lr}")
        self.batch_size, self.lr, self.curvature, self.settle = batch_size, lr, curvature, settle
        self.theta = Parameter(np.full(walks, start, dtype))
        self.uniform = Uniform(rng=rng, dtype=dtype)
        self.register_buffer("measured", np.array(0, dtype))
        self.register_buffer("steps", np.array(0))

    def draw(self, z: np.ndarray) -> np.ndarray:
        """A batch for each walk, (W, B)."""
        u = self.uniform((len(self.theta), self.batch_size))
        return z[(u * len(z)).astype(np.int64)]

    def measure(self, z: np.ndarray) -> None:
        """The squared distances from the best θ, into their mean over the steps after `settle`."""
        self.steps += 1
        now = ((self.theta - z.mean()) ** 2).mean()
        self.measured += (now - self.measured) / self.measured.dtype.type(max(self.steps - self.settle, 1))

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (z,) = batch
        self.measure(z)
        drawn = self.draw(z)
        self.save(self.theta.data.copy(), drawn)
        total = loss(self.theta, drawn, self.curvature).sum()
        self.log("loss/train", total / len(self.theta))
        return float(total)

    def backward(self, dL_dloss: float = 1.0) -> None:
        theta, drawn = self.restore()
        dL_dy = np.full(len(theta), dL_dloss, theta.dtype)  # (W,): a sum hands its gradient to each
        self.theta.grad += loss_backward(dL_dy, theta, drawn, self.curvature)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss on all held-out numbers, the spread, and where the walks are on average."""
        (z,) = batch
        self.log("loss/val", self.curvature / 2 * ((self.theta - z.mean()) ** 2 + z.var()).mean(), batch_size=len(z))
        self.log("spread/val", self.measured)
        self.log("theta/val", self.theta.mean())

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


def stationary(lr: Any, curvature: Any, variance: float, batch_size: Any) -> Any:
    """V = lr σ² / (B h (2 − lr h)), where σ² = h² · the variance of z."""
    return lr * curvature * variance / (batch_size * (2 - lr * curvature))


def spread(steps: Any, lr: Any, curvature: Any, variance: float, batch_size: Any, start: float = 0.0) -> Any:
    """V after so many steps from θ = start: what is left of start², and the part of `stationary` that has gathered."""
    left = (1 - lr * curvature) ** (2 * steps)
    return left * start**2 + (1 - left) * stationary(lr, curvature, variance, batch_size)
