"""Likelihood: which numbers would have made these data least surprising, by hand.

If you gave up on mathematics somewhere before this: a coin fell heads 7 times in 10. Is it a fair coin? Try every coin there could be. One
that falls heads with probability p = 0.1 would hardly ever do that; one with p = 0.7 does it most readily. How probable a coin makes
what was seen is its *likelihood*, and the coin that makes it largest is the *maximum likelihood* answer: here 0.7, the fraction of
heads. Nothing is said about which coins are common; that is another question (see `bayes`).

A network is taught in exactly this way. It says how probable it finds each answer, and its weights move so that the right answers become
more probable. The losses that everybody uses are nothing else: cross-entropy is minus the log of the likelihood of classes, and the mean
squared error is that of numbers that scatter around the prediction in a *bell curve*: many near its middle, few far off. Such numbers are
called *Normal*. Two numbers describe the curve: its mean is where the middle is, its standard deviation, std, how wide it is.

    likelihood         p^k (1 − p)^(n − k)                        k heads in n throws: one factor for each throw
    log-likelihood     k log p + (n − k) log(1 − p)               a sum; its top is at the same p
    Bernoulli          p = k/n                                    where the slope k/p − (n − k)/(1 − p), the *score*, is 0
    Normal             mean = Σx/n,  std² = Σ(x − mean)²/n        likewise

**On paper.** Three throws: heads, heads, tails; so k = 2, n = 3, and the likelihood is p · p · (1 − p).

    p = ½     ½ · ½ · ½ = 1/8 = 0.125       the score is 2/½ − 1/½ = 4 − 2 = 2: above 0, so a larger p is better
    p = ⅔     ⅔ · ⅔ · ⅓ = 4/27 = 0.148      the score is 2/⅔ − 1/⅓ = 3 − 3 = 0: the top, at k/n
    p = 1     1 · 1 · 0 = 0                 this coin cannot fall tails, and did

And of two numbers, 2 and 4: mean = (2 + 4)/2 = 3, std² = (1² + 1²)/2 = 1. In Python:

    >>> throws = np.array([1.0, 1.0, 0.0])
    >>> bernoulli_likelihood(np.array([1 / 2, 2 / 3, 1]), throws).round(3).tolist()
    [0.125, 0.148, 0.0]
    >>> bernoulli_log_likelihood_backward(np.ones(2), np.array([1 / 2, 2 / 3]), throws).round(12).tolist()
    [2.0, 0.0]
    >>> [float(found) for found in normal_closed_form(np.array([2.0, 4.0]))]
    [3.0, 1.0]

**Why the log.** A product of 2,000 numbers below 1 is 0 in any computer, and has slope 0; the sum of their logs is an ordinary number. The
log only ever grows, so it moves no top.

What to look at in the figures: the curve of 7 heads in 10 with its top at 0.7, and both sides climbing to the top.

Source: Fisher 1922, "On the mathematical foundations of theoretical statistics".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import binary_scale, sigmoid
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_indices, expect_ndim, expect_same_shape, expect_size

Array = np.ndarray


# ---- yes or no -----------------------------------------------------------------------------------


def bernoulli_likelihood(p: Array, x: Array) -> Array:
    """y = p^k (1 − p)^(n − k), how probable each p makes these throws: k ones among the n numbers of x.

    Shapes: p and y (...), x (n,). With no throws it is 1 for every p. It underflows to 0 for large n.

    Raises:
        ValueError: if a p lies outside 0 to 1, or x holds anything but 0 and 1.
    """
    k, rest = count("bernoulli_likelihood", p, x)
    return p**k * (1 - p) ** rest


def bernoulli_likelihood_backward(dL_dy: Array, p: Array, x: Array) -> Array:
    """The product rule: ∂y/∂p = k p^(k − 1) (1 − p)^(n − k) − (n − k) p^k (1 − p)^(n − k − 1). x is data, and gets no gradient."""
    k, rest = count("bernoulli_likelihood", p, x)
    first = k * p ** max(k - 1, 0)  # (...): where k is 0 the factor p^k is 1, and its slope 0
    second = rest * (1 - p) ** max(rest - 1, 0)  # (...): likewise
    return dL_dy * (first * (1 - p) ** rest - p**k * second)  # (...) throughout


def bernoulli_log_likelihood(p: Array, x: Array) -> Array:
    """y = k log p + (n − k) log(1 − p), for k ones among the n numbers of x. Shapes: p and y (...), x (n,).

    What is impossible and was not seen costs nothing (0 log 0 is 0); what is impossible and was seen gives −∞.

    Raises:
        ValueError: if a p lies outside 0 to 1, or x holds anything but 0 and 1.
    """
    k, rest = count("bernoulli_log_likelihood", p, x)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is meant
        seen = k * np.log(p) if k else 0 * p  # (...)
        return seen + rest * np.log1p(-p) if rest else seen


def bernoulli_log_likelihood_backward(dL_dy: Array, p: Array, x: Array) -> Array:
    """∂y/∂p = k/p − (n − k)/(1 − p), the *score*: 0 at p = k/n. x is data, and gets no gradient.

    At p = 0 and p = 1 it is ±∞ if that p is impossible, else 0/0 = NaN, as in torch (xlogy): y ends there, and has no slope.
    """
    k, rest = count("bernoulli_log_likelihood", p, x)
    with np.errstate(divide="ignore", invalid="ignore"):  # ∞ and NaN are meant
        return dL_dy * (k / p - rest / (1 - p))  # (...) throughout


def bernoulli_closed_form(x: Array) -> Any:
    """The p of the largest likelihood, k/n: the fraction of ones. Shapes: x (n,), p ().

    Raises:
        ValueError: if x is empty, or holds anything but 0 and 1.
    """
    expect_data("bernoulli_closed_form", x, least=1)
    expect_zeros_and_ones("bernoulli_closed_form", x)
    return x.mean()


# ---- numbers -------------------------------------------------------------------------------------


def normal_log_likelihood(mean: Array, std: Array, x: Array) -> Array:
    """y = Σₙ −z[n]²/2 − log std − log √(2π), with z[n] = (x[n] − mean)/std. Shapes: mean, std and y (...), x (n,).

    Raises:
        ValueError: if a std is not above 0.
    """
    z = standardised("normal_log_likelihood", mean, std, x)  # (..., n)
    return -(z * z).sum(axis=-1) / 2 - len(x) * (np.log(std) + math.log(2 * math.pi) / 2)


def normal_log_likelihood_backward(dL_dy: Array, mean: Array, std: Array, x: Array) -> tuple[Array, Array, Array]:
    """From ∂z[n]/∂mean = −1/std, ∂z[n]/∂std = −z[n]/std and ∂z[n]/∂x[n] = 1/std:

    ∂y/∂mean = Σₙ z[n]/std        ∂y/∂std = Σₙ (z[n]² − 1)/std        ∂y/∂x[n] = −z[n]/std

    The first is 0 where mean is that of the data; the second where the mean of z² is 1, so that std² is the mean of (x − mean)².
    """
    z = standardised("normal_log_likelihood", mean, std, x)  # (..., n)
    dL_dmean = dL_dy * z.sum(axis=-1) / std  # (..., n) summed over n: mean is in every term
    dL_dstd = dL_dy * (z * z - 1).sum(axis=-1) / std  # (..., n) summed over n: so is std
    each = -z * (dL_dy / std)[..., None]  # (..., n) times (..., 1)
    dL_dx = each.reshape(-1, len(x)).sum(axis=0) if len(x) else np.zeros_like(x)  # summed over all (mean, std): (n,)
    return dL_dmean, dL_dstd, dL_dx


def normal_closed_form(x: Array) -> tuple[Any, Any]:
    """(mean, std) of the largest likelihood; std is the biased one, Σ(x − mean)² over n. Shapes: x (n,), both ().

    If all numbers are equal std is 0, as scipy.stats.norm.fit says: the likelihood then grows without end as std shrinks.

    Raises:
        ValueError: if x is empty.
    """
    expect_data("normal_closed_form", x, least=1)
    s = binary_scale(x)  # no square of numbers near 1 under- or overflows
    return x.mean(), s * (x / s).std()


# ---- what is trained -----------------------------------------------------------------------------


class Likelihood(Concept):
    """A coin's p, and the mean and std of how far it rolls, all climbing to the top of the likelihood of some throws.

    L = −(log-likelihood of the heads + log-likelihood of the distances) / N, which is downhill where the likelihood is uphill. The top can
    be written down (`bernoulli_closed_form`, `normal_closed_form`), so nobody needs to climb; a network's cannot.

    A step may lead anywhere, but p must stay in 0 to 1 and std above 0. So what is trained is any number, from which they are made:

        p = sigmoid(logit)        ∂p/∂logit = p (1 − p)
        std = exp(log_std)        ∂std/∂log_std = std

    Of throws that all fell alike the top is at p = 0 or 1, which no finite logit reaches: it climbs for ever.

    Args:
        lr: the step size.
        rng: draws the initial logit and mean from Normal(0, 1); std begins at 1.
        dtype: of the parameters.

    Shapes: heads (N,), each 0 or 1; rolled (N,); logit, mean and log_std (1,).
    """

    def __init__(self, lr: float = 0.3, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr = lr
        self.logit = Parameter(normal((1,), rng=rng, dtype=dtype))
        self.mean = Parameter(normal((1,), rng=rng, dtype=dtype))
        self.log_std = Parameter(np.zeros(1, dtype))

    def forward(self, heads: Array, rolled: Array) -> Array:
        """The log-likelihood of all throws together, (1,)."""
        p, mean, std = sigmoid(self.logit.data), self.mean.data.copy(), np.exp(self.log_std.data)
        self.save(heads, rolled, p, mean, std)
        return bernoulli_log_likelihood(p, heads) + normal_log_likelihood(mean, std, rolled)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        heads, rolled = batch
        loss = -self(heads, rolled).sum() / len(heads)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        heads, rolled, p, mean, std = self.restore()
        dL_dy = np.full_like(p, -dL_dloss / len(heads))  # (1,): loss is −y/N
        dL_dp = bernoulli_log_likelihood_backward(dL_dy, p, heads)  # (1,)
        dL_dmean, dL_dstd, _ = normal_log_likelihood_backward(dL_dy, mean, std, rolled)  # (1,) each
        self.logit.grad += dL_dp * p * (1 - p)
        self.mean.grad += dL_dmean
        self.log_std.grad += dL_dstd * std

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        heads, rolled = batch
        self.log("loss/val", -self(heads, rolled).sum() / len(heads), batch_size=len(heads))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: the losses of networks, which are likelihoods ------------------------------


def cross_entropy(log_p: Array, y: Array) -> Any:
    """L = −1/N · Σₙ log_p[n, y[n]]: minus the log-likelihood of the classes y, for each row. Shapes: log_p (N, C), y (N,), L ().

    With two classes and one p for all rows it is minus `bernoulli_log_likelihood`, over N.

    Raises:
        IndexError: if a class is not in 0 to C − 1.
        ValueError: if the shapes do not fit, or there are no rows.
    """
    expect_array("cross_entropy", "log_p", log_p)
    expect_ndim("cross_entropy", "log_p", log_p, 2)
    if len(log_p) == 0:
        raise ValueError(f"cross_entropy: log_p must have at least one row, got shape {log_p.shape}")
    expect_indices("cross_entropy", "y", y, log_p.shape[1], "classes")
    expect_ndim("cross_entropy", "y", y, 1)
    expect_size("cross_entropy", "y", y, 0, len(log_p), "rows of log_p")
    return -log_p[np.arange(len(y)), y].mean()


def cross_entropy_backward(dL_dy: Any, log_p: Array, y: Array) -> Array:
    """∂L/∂log_p[n, c] = −1/N where c is the class y[n] that was seen, 0 elsewhere. Classes have no gradient."""
    dL_dlog_p = np.zeros_like(log_p)
    dL_dlog_p[np.arange(len(y)), y] = -dL_dy / len(y)  # () to one entry in each row of (N, C)
    return dL_dlog_p


def normal_nll(y_hat: Array, std: Array, y: Array) -> Any:
    """L = 1/N · Σₙ (y[n] − y_hat[n])²/(2 std²) + log std + log √(2π): minus the log-likelihood of y around the prediction, for each row.

    This is the mean squared error, times 1/(2 std²), plus what no prediction changes: who minimises the one minimises the other.

    Shapes: y_hat and y (...), std () and L ().

    Raises:
        ValueError: if std is not one number above 0, the shapes differ, or there are no numbers.
    """
    expect_array("normal_nll", "y_hat", y_hat)
    expect_array("normal_nll", "y", y, y_hat.dtype)
    expect_same_shape("normal_nll", "y_hat", y_hat, "y", y)
    if y.size == 0:
        raise ValueError(f"normal_nll: y must have at least one entry, got shape {y.shape}")
    if np.ndim(std) != 0 or std <= 0:
        raise ValueError(f"normal_nll: std must be one number above 0, got {std}")
    z = (y - y_hat) / std  # (...)
    return (z * z).mean() / 2 + np.log(std) + math.log(2 * math.pi) / 2


def normal_nll_backward(dL_dy: Any, y_hat: Array, std: Array, y: Array) -> tuple[Array, Any, Array]:
    """With z = (y − y_hat)/std, and N the number of entries:

    ∂L/∂y_hat[n] = −z[n]/(N std)        ∂L/∂std = (1 − mean of z²)/std        ∂L/∂y[n] = z[n]/(N std)
    """
    z = (y - y_hat) / std  # (...)
    dL_dy_true = dL_dy * z / (y.size * std)  # () times (...)
    dL_dstd = dL_dy * (1 - (z * z).mean()) / std  # (...) averaged to (): std is in every term
    return -dL_dy_true, dL_dstd, dL_dy_true


# ---- further reading: why the variance is too small ----------------------------------------------
#
# The mean is taken from the same data, and lies nearer to them than the true mean does. On average, Σ(x − mean)²/n is (n − 1)/n times the
# true variance. It is called the *biased* variance; dividing by n − 1 (Bessel) removes the bias, and is no longer the top of the
# likelihood. Batch norm meets both: it normalises by the one and remembers the other.


# ---- further reading: what is counted, and what is refused ---------------------------------------


def count(function: str, p: Array, x: Array) -> tuple[int, int]:
    """How many of x are 1, and how many 0."""
    expect_data(function, x)
    expect_zeros_and_ones(function, x)
    expect_array(function, "p", p, x.dtype)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"{function}: p must lie in 0 to 1, got {p.min()} to {p.max()}")
    k = int(x.sum(dtype=np.float64))
    return k, len(x) - k


def standardised(function: str, mean: Array, std: Array, x: Array) -> Array:
    """z[..., n] = (x[n] − mean[...])/std[...]. Shapes: mean and std (...), x (n,), z (..., n)."""
    expect_data(function, x)
    expect_array(function, "mean", mean, x.dtype)
    expect_array(function, "std", std, x.dtype)
    expect_same_shape(function, "mean", mean, "std", std)
    if (std <= 0).any():
        raise ValueError(f"{function}: std must be above 0, got {std.min()}")
    return (x - mean[..., None]) / std[..., None]


def expect_data(function: str, x: Array, least: int = 0) -> None:
    """Raise TypeError or ValueError unless x is a list of at least so many floating point numbers."""
    expect_array(function, "x", x)
    expect_ndim(function, "x", x, 1)
    if len(x) < least:
        raise ValueError(f"{function}: x must have at least {least} entry, got shape {x.shape}")


def expect_zeros_and_ones(function: str, x: Array) -> None:
    """Raise ValueError unless each number is 0 or 1."""
    wrong = x[(x != 0) & (x != 1)]
    if wrong.size:
        raise ValueError(f"{function}: x must hold 0 and 1 only, got {wrong[0]}")
