"""A mixture of bell curves: groups with a width, a weight, and doubt, by hand.

k-means knows only the nearest centre: a point half-way between two belongs to one of them, wholly. A *mixture* doubts. It says: nature
first drew one of K kinds, then a point from that kind's bell curve. The kinds are not told, only the points. Which bells would have made
these points least surprising (see `likelihood`)? It is used to find groups, and to tell what is strange.

Each bell, a *component*, has in each of D coordinates a middle μ and a *variance* v, the square of its width, and it has a weight π:

    π[k] = softmax(a)[k]                           the part of all points that component k makes; they add up to 1
    v[k] = exp(s[k])                               above 0, whatever s is
    ℓ[n, k] = log π[k] − ½ Σⱼ ((x[n, j] − μ[k, j])² / v[k, j] + s[k, j] + log 2π)      log(weight · height of bell k at point n)
    log p(x[n]) = log Σₖ exp(ℓ[n, k])              point n may come from any of them: log-sum-exp (see `softmax`)
    L = −mean of log p(x[n])

(The last π in ℓ is 3.14159…, the others are weights.) Backward, log-sum-exp has the gradient softmax. Here that is

    r[n, k] = exp(ℓ[n, k]) / Σⱼ exp(ℓ[n, j])       the probability that point n came from component k: its *responsibility*

With N points, and share[k] the mean of r[n, k] over them:

    ∂L/∂a[k] = π[k] − share[k]
    ∂L/∂μ[k] = −1/N Σₙ r[n, k] (x[n] − μ[k]) / v[k]
    ∂L/∂s[k] = −1/N Σₙ r[n, k] ((x[n] − μ[k])² / v[k] − 1) / 2

**EM.** One may go down this slope with Adam. An older way is *expectation and maximisation*: compute r (E), take it for given, and give
each component the weight, mean and variance of the points, each counted r times (M). That too is a step along the gradient, of a
length for each number:

    π ← π − ∂L/∂a = share
    μ ← μ − v / share · ∂L/∂μ                      = Σₙ r x / Σₙ r: Lloyd's step, with r in place of yes and no
    v ← v − 2 v / share · ∂L/∂s − (step of μ)²     = Σₙ r x² / Σₙ r − μ²: the last term as squares are now taken from the new μ

No step size has to be chosen, and L never rises. Let all v be one and the same and go to 0: then every r goes to 0 or 1, and EM is k-means.

**On paper.** Two points, 0 and d, where d² = 2 log 3; a bell on each, with v = 1 and π = ½. At a distance of d a bell is exp(−d²/2) = ⅓
as high as in its middle, so the point 0 has the responsibilities 1 : ⅓, that is (¾, ¼), and the point d (¼, ¾). Both shares are ½.

    ∂L/∂μ₁ = −½ (¾ (0 − 0) + ¼ (d − 0)) = −d/8      μ₁ ← 0 + 1/½ · d/8 = d/4 = (¾ · 0 + ¼ · d) / (¾ + ¼)
    v₁ ← ¾ (d/4)² + ¼ (3d/4)² = 3 d²/16 = 0.412

    >>> d = float(np.sqrt(2 * np.log(3)))
    >>> x, a, mu, s = np.array([[0.0], [d]]), np.zeros(2), np.array([[0.0], [d]]), np.zeros((2, 1))
    >>> responsibilities(x, a, mu, s).round(12).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    >>> model = Mixture(start=mu.tolist(), least=0.0)
    >>> loss = model.training_step((x,), 0)
    >>> model.backward()
    >>> (model.mu.grad / d).round(12).tolist()
    [[-0.125], [0.125]]
    >>> model.configure_optimizers().step()
    >>> (model.mu / d).round(12).tolist(), np.exp(model.s).round(3).tolist()
    ([[0.25], [0.75]], [[0.412], [0.412]])

Sources: Dempster, Laird and Rubin 1977, "Maximum likelihood from incomplete data via the EM algorithm"; Xu and Jordan 1996, "On convergence
properties of the EM algorithm for Gaussian mixtures", theorem 1 (the steps above); Bishop, Pattern Recognition and Machine Learning,
sections 9.2 and 9.3.2 (k-means).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import log_softmax, logsumexp, softmax
from manual.nn.validate import expect_choice

LOG_2PI = math.log(2 * math.pi)

# x is (N, D), a (K,), mu and s are (K, D), everywhere below.


def log_joint(x: np.ndarray, a: np.ndarray, mu: np.ndarray, s: np.ndarray) -> np.ndarray:
    """ℓ[n, k] = log π[k] plus the log of bell k's height at point n, (N, K)."""
    squares = (x[:, np.newaxis] - mu) ** 2 / np.exp(s)  # (N, 1, D) − (K, D): every point and every component
    return log_softmax(a) - (squares + s + LOG_2PI).sum(axis=2) / 2


def log_joint_backward(
    dL_dy: np.ndarray, x: np.ndarray, a: np.ndarray, mu: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """∂L/∂a, ∂L/∂μ and ∂L/∂s. x is data, and gets no gradient. Shapes: dL_dy (N, K)."""
    away = x[:, np.newaxis] - mu  # (N, K, D)
    v, g = np.exp(s), dL_dy[:, :, np.newaxis]  # (K, D) and (N, K, 1)
    dL_ds = (g * (away**2 / v - 1)).sum(axis=0) / 2  # a wider bell is higher far off, and lower in its middle
    dL_dmu = (g * away / v).sum(axis=0)  # (N, K, D) to (K, D): each component stood beside every point
    dL_da = dL_dy.sum(axis=0) - softmax(a) * dL_dy.sum()  # log π = a − logsumexp(a), whose slope is π
    return dL_da, dL_dmu, dL_ds


def responsibilities(x: np.ndarray, a: np.ndarray, mu: np.ndarray, s: np.ndarray) -> np.ndarray:
    """r[n, k], the probability that point n came from component k, (N, K); each row adds up to 1."""
    return softmax(log_joint(x, a, mu, s), axis=1)


def surprise(x: np.ndarray, a: np.ndarray, mu: np.ndarray, s: np.ndarray) -> Any:
    """L, the mean of −log p(x[n])."""
    return -logsumexp(log_joint(x, a, mu, s), axis=1).mean()


def surprise_backward(dL_dy: Any, x: np.ndarray, a: np.ndarray, mu: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """∂L/∂a, ∂L/∂μ and ∂L/∂s: the slope of log-sum-exp is softmax, which is r."""
    dL_dl = -dL_dy * responsibilities(x, a, mu, s) / len(x)  # (N, K): L is a mean over N points
    return log_joint_backward(dL_dl, x, a, mu, s)


class EM(optim.Optimizer):
    """Expectation and maximisation, from the gradients alone; all points must be in one batch.

    Args:
        params: a, mu and s, in this order.
        least: is added to every variance: a bell with but one point would else get narrower for ever.

    Raises:
        ValueError: if least is negative.
    """

    def __init__(self, params: Sequence[Parameter], least: float = 1e-6) -> None:
        super().__init__(params, {"least": least})

    def check(self, least: float, **_: Any) -> None:
        self.expect_at_least_zero(least=least)

    def take_step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        self.has_stepped = True
        (group,) = self.param_groups
        a, mu, s = group["params"]
        share = np.maximum(softmax(a.data) - a.grad, np.finfo(a.dtype).eps)[:, np.newaxis]  # (K, 1); above 0, should nobody be left
        v = np.exp(s)
        step = -v / share * mu.grad  # (K, D)
        a[...] = np.log(share[:, 0])  # softmax makes π = share of it
        mu += step
        s[...] = np.log(v - 2 * v / share * s.grad - step**2 + group["least"])
        return loss


class Mixture(Concept):
    """K bells, whose weights, middles and widths learn from points without names.

    Args:
        start: the first middles: K rows of D numbers. All weights are equal at first, and all variances 1.
        optimizer: "em", or "adam" for gradient descent on the same loss.
        lr: Adam's step size.
        least: is added to every variance by EM.
        rng: not used.
        dtype: of the parameters.

    Shapes: a batch is x (N, D) alone; a (K,), mu and s (K, D).

    Raises:
        ValueError: if start has no row, or rows of several lengths, optimizer is neither, lr is not above 0, or least is below 0.
    """

    def __init__(
        self,
        start: Sequence[Sequence[float]] = ((0.0, 0.0), (1.0, 1.0)),
        optimizer: Literal["em", "adam"] = "em",
        lr: float = 0.05,
        least: float = 1e-6,
        *,
        rng: Any = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Mixture", "optimizer", optimizer, ("em", "adam"))
        if len({len(row) for row in start}) != 1 or not lr > 0 or not least >= 0:
            lengths = [len(row) for row in start]
            raise ValueError(
                f"Mixture: start must have rows of one length, lr be above 0 and least not below, got lengths {lengths}, {lr} and {least}"
            )
        self.optimizer, self.lr, self.least = optimizer, lr, least
        self.a = Parameter(np.zeros(len(start), dtype))
        self.mu = Parameter(np.array(start, dtype))
        self.s = Parameter(np.zeros(self.mu.shape, dtype))

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """a, mu and s as plain arrays."""
        return self.a.data, self.mu.data, self.s.data

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The responsibilities, (N, K)."""
        return responsibilities(x, *self.parts())

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        self.save(x)
        loss = surprise(x, *self.parts())
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        x = self.restore()
        dL_da, dL_dmu, dL_ds = surprise_backward(dL_dloss, x, *self.parts())
        self.a.grad += dL_da
        self.mu.grad += dL_dmu
        self.s.grad += dL_ds

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The loss, and how sure the mixture is: the mean of each point's largest responsibility."""
        (x,) = batch
        self.log("loss/val", surprise(x, *self.parts()), batch_size=len(x))
        self.log("sure/val", self(x).max(axis=1).mean(), batch_size=len(x))

    def configure_optimizers(self) -> optim.Optimizer:
        if self.optimizer == "adam":
            return optim.Adam(self.parameters(), lr=self.lr)
        return EM([self.a, self.mu, self.s], self.least)
