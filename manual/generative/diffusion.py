"""Diffusion: points are made of noise by taking the noise away bit by bit, by hand.

A drop of ink spreads in water until nothing tells where it fell. A *diffusion model* learns the way back. Noise is added to real things
until nothing is left of them; a network learns to say which; then, from pure noise, it is taken away in small steps. Most pictures that
machines make today are made so. Here it is points of eight heaps.

**Forwards** there is nothing to learn. At time t, from 1 to T = 50, of a real point x₀ is left

    x[t] = √ā x₀ + √(1 − ā) ε          ε: from Normal(0, 1), a number for each coordinate; it is drawn anew each time

where ā ("a bar", in code `kept[t]`) falls from 1 to nearly 0. The two variances, ā and 1 − ā, have the sum 1.

**The task** is regression: given x[t] and t, say ε. What is said is ε̂ ("epsilon hat").

    L = mean of (ε̂ − ε)²             ∂L/∂ε̂ = 2 (ε̂ − ε) / (2 N): N points, two coordinates each

L cannot become 0: nobody can tell in x[t] all that was noise from what was point. How low can it get?

**One heap, on paper.** x₀ comes from Normal(0, s²). Let ε̂ = c x[t], a straight line. The variance of x[t] is v = ā s² + 1 − ā, the mean of
x[t] ε is √(1 − ā), so the mean of (c x[t] − ε)² is c² v − 2 c √(1 − ā) + 1. It is lowest where its slope is 0:

    c = √(1 − ā) / v                 L = 1 − (1 − ā) / v = ā s² / v

For bell curves nothing is better than a line. **Several heaps** have a line each, from their centre m: √(1 − ā) (x[t] − √ā m) / v, where
s is the heap's own. From which of them x[t] came is not known, but how probable each is: a softmax of −|x[t] − √ā m|² / (2v). The mean
of the lines, so weighted, is the best that can be said (`best_noise`). So here the lowest loss is known.

**The network** f adds to the line of one heap as large as all data:

    ε̂ = √(1 − ā)/v · x[t] + gain · f(x[t]/√v, t)          gain = √(ā s²/v), the root of the loss that the line leaves
    ∂L/∂f = ∂L/∂ε̂ · gain


**Backwards**, from x[T], pure noise. With α = ā[t] / ā[t−1], some of the noise is taken away, and a little fresh noise z is added:

    x[t−1] = (x[t] − (1 − α)/√(1 − ā[t]) · ε̂) / √α + σ z          σ² = (1 − ā[t−1]) / (1 − ā[t]) · (1 − α)

That is how x[t−1] scatters where x[t] and x₀ are known; ε̂ stands in for x₀. At the last step ā[0] = 1, and σ = 0.

**On paper.** s = 2, ā = ½: v = ½ · 4 + ½ = 2.5, c = √½ / 2.5 = 0.283, L = 2 / 2.5 = 0.8. For x₀ = 1 and ε = 1: x[t] = √½ + √½ = 1.414, and
ε̂ = 0.283 · 1.414 = 0.4. Of two heaps at −3 and 3 with s = 1 (so v = 1), x[t] = 0 may be of either: the lines say √½ · √½ · 3 = 1.5
and −1.5, the mean is 0.

    >>> best_noise(np.array([[2**0.5]]), np.array([0.5]), np.zeros((1, 1)), 2.0).round(3).tolist()
    [[0.4]]
    >>> centres = np.array([[-3.0], [3.0]])
    >>> best_noise(np.array([[0.0]]), np.array([0.5]), centres, 1.0).tolist()
    [[0.0]]

Sources: Ho, Jain and Abbeel 2020, "Denoising diffusion probabilistic models", equations 4 (forwards), 7 and 11 (backwards), 14 (L);
Nichol and Dhariwal 2021, arXiv:2102.09672, equation 17 (ā); Karras et al. 2022, arXiv:2206.00364, section 5 (f beside a line).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from manual import nn, optim
from manual.concept import Batch, Concept
from manual.module import Module
from manual.nn.functional import softmax
from manual.noise import Noise, Uniform


def schedule(T: int) -> np.ndarray:
    """ā[0] = 1, ..., ā[T], nearly 0, (T + 1,): a cosine, squared; no step keeps less than a thousandth."""
    f = np.cos((np.arange(T + 1) / T + 0.008) / 1.008 * np.pi / 2) ** 2
    alpha = np.maximum(f[1:] / f[:-1], 0.001)
    return np.concatenate([np.ones(1), np.cumprod(alpha)])


def best_noise(x: np.ndarray, a_bar: np.ndarray, centres: np.ndarray, std: float) -> np.ndarray:
    """The mean of ε for x[t], if all heaps are as likely. Shapes: x (N, D), a_bar (N,), centres (K, D), the result (N, D)."""
    a_bar = a_bar[:, None, None]
    v = a_bar * std**2 + 1 - a_bar
    away = x[:, None] - np.sqrt(a_bar) * centres  # (N, 1, D) − (N, 1, 1) (K, D): from each centre, (N, K, D)
    weight = softmax(-(away**2).sum(axis=2, keepdims=True) / (2 * v), axis=1)  # (N, K, 1)
    return (weight * np.sqrt(1 - a_bar) * away / v).sum(axis=1)


class Denoiser(Module):
    """ε̂: the line for one heap as large as all data, and what a network adds to it.

    Shapes: x (N, D), t (N,) whole numbers from 1 to T, ε̂ (N, D), with D = `numbers`.
    """

    kept: np.ndarray

    def __init__(self, T: int, spread: float, hidden: int, numbers: int = 2, *, rng: Any = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.T, self.spread = T, spread
        self.register_buffer("kept", schedule(T).astype(dtype))
        made: dict[str, Any] = {"rng": rng or np.random.default_rng(), "dtype": dtype}
        sizes = (numbers + 1, hidden, hidden, numbers)
        first, second, last = (nn.Linear(sizes[i], sizes[i + 1], **made) for i in range(3))
        self.f = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)

    def forward(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        a_bar = self.kept[t][:, None]  # (N, 1)
        of_points = a_bar * self.spread**2
        v = of_points + 1 - a_bar
        line, gain = np.sqrt(1 - a_bar) / v, np.sqrt(of_points / v)
        clock = 2 * t[:, None].astype(x.dtype) / self.T - 1  # from −1 to 1
        self.save(line, gain, v)
        return line * x + gain * self.f(np.hstack([x / np.sqrt(v), clock]))

    def backward(self, dL_deps_hat: np.ndarray) -> tuple[np.ndarray, None]:
        line, gain, v = self.restore()
        dL_dinput = self.f.backward(dL_deps_hat * gain)  # (N, D) (N, 1), and from (N, D) to (N, D + 1)
        return dL_deps_hat * line + dL_dinput[:, :-1] / np.sqrt(v), None  # x was used twice; t is a whole number


class Diffusion(Concept):
    """A denoiser that learns from points at all times; Adam, whose step size falls as half a cosine.

    Args:
        T: how many times there are.
        spread: s, the root mean square of a coordinate of the data.
        hidden: units in each of two hidden layers.
        lr: Adam's step size at the start.
        epochs: the length of the schedule.
        numbers: D, of which a point is made.
        rng: draws weights, times and noise.
        dtype: of the weights.

    Shapes: x₀ and ε (N, D), t (N,).

    Raises:
        ValueError: if T, hidden, epochs or numbers is below 1, or spread is not above 0.
    """

    def __init__(
        self,
        T: int = 50,
        spread: float = 1.5,
        hidden: int = 64,
        lr: float = 0.01,
        epochs: int = 30,
        numbers: int = 2,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if min(T, hidden, epochs, numbers) < 1 or not spread > 0:
            raise ValueError(
                "Diffusion: T, hidden, epochs and numbers must be at least 1 and spread above 0, "
                f"got {T}, {hidden}, {epochs}, {numbers} and {spread}"
            )
        rng = rng or np.random.default_rng()
        self.T, self.lr, self.epochs, self.numbers = T, lr, epochs, numbers
        self.u, self.epsilon = Uniform(rng=rng, dtype=dtype), Noise(rng=rng, dtype=dtype)
        self.denoiser = Denoiser(T, spread, hidden, numbers, rng=rng, dtype=dtype)

    def forwards(self, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x[t], t and ε of a batch, at random times that are spread evenly over the rows: so L jitters less."""
        n = len(x0)
        t = 1 + ((np.arange(n, dtype=x0.dtype) + self.u((n,))) / n * self.T).astype(int).clip(max=self.T - 1)
        a_bar, epsilon = self.denoiser.kept[t][:, None], self.epsilon(x0.shape)
        return np.sqrt(a_bar) * x0 + np.sqrt(1 - a_bar) * epsilon, t, epsilon

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, t, epsilon = self.forwards(batch[0])
        error = self.denoiser(x, t) - epsilon
        self.save(error)
        loss = (error**2).mean()
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        error = self.restore()
        dL_deps_hat = dL_dloss * 2 * error / error.size  # (N, D): L is a mean of D N squares
        self.denoiser.backward(dL_deps_hat)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, t, epsilon = self.forwards(batch[0])
        self.log("loss/val", ((self.denoiser(x, t) - epsilon) ** 2).mean(), batch_size=len(x))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.Adam(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}


def backwards(says: Callable[[np.ndarray, np.ndarray], np.ndarray], kept: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """From noise x[T] (N, D), with fresh noise z (T, N, D), to points: x[T], ..., x[0], (T + 1, N, D). `says` gives ε̂ of x[t] and t."""
    path = [x]
    for t in range(len(z), 0, -1):
        epsilon_hat = says(x, np.full(len(x), t))
        now, before = kept[t], kept[t - 1]
        alpha = now / before
        sigma = np.sqrt((1 - before) / (1 - now) * (1 - alpha))
        x = (x - (1 - alpha) / np.sqrt(1 - now) * epsilon_hat) / np.sqrt(alpha) + sigma * z[t - 1]
        path.append(x)
    return np.array(path)
