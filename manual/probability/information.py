"""Information: how surprising a distribution is, and how far one is from another, by hand.

If you gave up on mathematics somewhere before this: if it rains every day, the news that it rains today tells nothing. The less probable a
message is, the more it tells. Its *surprise* is −log p: 0 for what was sure, 1 for a fair coin (with the logarithm of base 2: one *bit*,
one yes-or-no question), 2 for one of four equal cases. *Entropy* is the surprise that is to be expected. It is also how many yes-or-no
questions a message takes on average, at the least: few for frequent messages, more for rare ones.

Who believes in the wrong probabilities q asks the wrong questions, and needs more of them: *cross-entropy*. The excess over the entropy is
the *Kullback-Leibler divergence*, how far q is from the truth p. It is the loss of nearly every classifier and language model, and the
reason is a simple one: the entropy of the truth cannot be changed, so lowering the cross-entropy lowers the divergence alone.

    surprise            −log p                                            of two independent things: the sum
    entropy             H(p) = −Σ p log p                                 0 (one is sure) … log K (all K cases alike)
    cross-entropy       H(p, q) = −Σ p log q                              = H(p) + KL(p‖q)
    KL divergence       KL(p‖q) = Σ p log(p/q)                            0 only if p = q; KL(p‖q) ≠ KL(q‖p)

All of them are in *nats*, with the natural logarithm; `bits` divides by log 2.

**On paper.** In bits: log₂ ½ = −1, log₂ ¼ = −2, log₂ ⅛ = −3. Three kinds of weather, p = (½, ¼, ¼); somebody believes q = (¼, ¼, ½).

    entropy          ½ · 1 + ¼ · 2 + ¼ · 2 = 1.5        one question, "is it the first?", and in half of the cases one more
    cross-entropy    ½ · 2 + ¼ · 2 + ¼ · 1 = 1.75       the surprises of q, as often as p has them come
    KL divergence    1.75 − 1.5 = 0.25                  a quarter of a question too many, on average

    >>> p, q = np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.25, 0.5])
    >>> float(bits(entropy(p)).round(12)), float(bits(cross_entropy(p, q)).round(12))
    (1.5, 1.75)
    >>> float(bits(kl_divergence(p, q)).round(12))
    0.25

**No divergence is below 0.** The logarithm lies under its tangent at 1: log t ≤ t − 1. So −KL(p‖q) = Σ p log(q/p) ≤ Σ p (q/p − 1) =
Σ q − Σ p = 0, and only q = p gives 0 for each term.

**Forward and reverse.** A bell curve q is to stand for a p with two humps. KL(p‖q), *forward*, charges for each place where p is and q is
not: q must *cover* all of p, the valley between the humps included; it gets the mean and the variance of p. KL(q‖p), *reverse*, charges for
each place where q is and p is not: q avoids the valley and *picks* one hump; which one depends on where it began.

What to look at in the figures: a coin is most surprising when it is fair; one bell covers both humps, the other picks one.

Sources: Shannon 1948; Kullback & Leibler 1951; Lin 1991 (Jensen-Shannon); Bishop, "Pattern recognition and machine learning" (2006),
sections 1.6 and 10.1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import entr, xlogy

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_choice, expect_same_shape
from manual.probability.distributions import normal_log_prob, normal_log_prob_backward
from manual.probability.expectation import expect_probabilities

Array = np.ndarray


# ---- one distribution ----------------------------------------------------------------------------


def bits(nats: Any) -> Any:
    """What is measured with the natural logarithm, in yes-or-no questions: log₂ t = log t/log 2."""
    return nats / math.log(2)


def entropy(p: Array) -> Any:
    """H(p) = −Σ p log p. Shapes: p (..., K), probabilities along the last axis; H (...).

    Raises:
        ValueError: if an entry is below 0, or those along the last axis do not add up to 1.
    """
    expect_distribution("entropy", "p", p)
    return entr(p).sum(axis=-1)  # entr(p) is −p log p, and 0 at p = 0


def entropy_backward(dL_dH: Any, p: Array) -> Array:
    """∂H/∂p = −log p − 1, by the product rule; ∞ at p = 0."""
    return np.expand_dims(dL_dH, -1) * (-log(p) - 1)  # (..., 1) times (..., K)


# ---- two distributions ---------------------------------------------------------------------------


def cross_entropy(p: Array, q: Array) -> Any:
    """H(p, q) = −Σ p log q, the surprise to be expected by somebody who believes q where p is true. Shapes: p and q (..., K); H (...).

    It is ∞ where q is 0 and p is not. Where both are 0, 0 log 0 = 0.

    Raises:
        ValueError: if p or q are no probabilities along the last axis, or their shapes differ.
    """
    expect_two("cross_entropy", p, q)
    return -xlogy(p, q).sum(axis=-1)  # xlogy(p, q) is p log q, and 0 at p = 0


def cross_entropy_backward(dL_dH: Any, p: Array, q: Array) -> tuple[Array, Array]:
    """∂H/∂p = −log q and ∂H/∂q = −p/q. Where both are 0 they are 0 and NaN, as in torch (xlogy)."""
    upstream = np.expand_dims(dL_dH, -1)  # (..., 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # ∞ and NaN are meant
        return -upstream * log_beside(p, q), -upstream * p / q


def kl_divergence(p: Array, q: Array) -> Any:
    """KL(p‖q) = Σ p log(p/q) = H(p, q) − H(p). Shapes: p and q (..., K); KL (...).

    It is ∞ where q is 0 and p is not. Where p is 0 nothing is added, whatever q is.

    Raises:
        ValueError: if p or q are no probabilities along the last axis, or their shapes differ.
    """
    expect_two("kl_divergence", p, q)
    return (-xlogy(p, q) - entr(p)).sum(axis=-1)


def kl_divergence_backward(dL_dKL: Any, p: Array, q: Array) -> tuple[Array, Array]:
    """∂KL/∂p = log p + 1 − log q and ∂KL/∂q = −p/q. At p = 0 they are −∞ and 0; where q is 0 too, −∞ and NaN, as in torch."""
    upstream = np.expand_dims(dL_dKL, -1)  # (..., 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # ∞ and NaN are meant
        return upstream * (log(p) + 1 - log_beside(p, q)), -upstream * p / q


# ---- two densities -------------------------------------------------------------------------------


def kl_integral(log_p: Array, log_q: Array, weight: Array) -> Any:
    """KL(p‖q) = ∫ p log(p/q) dx of two densities, as a sum over points: Σₙ weight[n] p[n] (log p[n] − log q[n]).

    The weight of a point is the width of the cell around it. The reverse, KL(q‖p), is `kl_integral(log_q, log_p, weight)`.

    Shapes: all (N,); KL ().

    Raises:
        ValueError: if the shapes differ.
    """
    for name, value in (("log_p", log_p), ("log_q", log_q), ("weight", weight)):
        expect_array("kl_integral", name, value, log_p.dtype)
        expect_same_shape("kl_integral", "log_p", log_p, name, value)
    return (weight * np.exp(log_p) * (log_p - log_q)).sum()


def kl_integral_backward(dL_dKL: Any, log_p: Array, log_q: Array, weight: Array) -> tuple[Array, Array, Array]:
    """With ∂p/∂log_p = p: ∂KL/∂log_p = weight p (log p − log q + 1), ∂KL/∂log_q = −weight p, ∂KL/∂weight = p (log p − log q)."""
    p = np.exp(log_p)
    ratio = log_p - log_q
    return dL_dKL * weight * p * (ratio + 1), -dL_dKL * weight * p, dL_dKL * p * ratio  # () times (N,)


# ---- what is trained -----------------------------------------------------------------------------


class Information(Concept):
    """A bell curve q that is to stand for a density p with two humps, by the forward or by the reverse divergence.

    p is given by its logarithm at the points of a grid, and the integral is their sum (`kl_integral`). What is trained is the mean and the
    logarithm of std, so that std = exp(log_std) stays above 0.

    Args:
        direction: "forward", KL(p‖q), or "reverse", KL(q‖p).
        lr: the step size.
        momentum: how much of the last step is taken again.
        rng: draws the initial mean from Normal(0, 1); std begins at 1.
        dtype: of the parameters.

    Shapes: x, weight and log_p (N,); mean and log_std (1,).

    Raises:
        ValueError: if the direction is another.
    """

    def __init__(
        self,
        direction: str = "forward",
        lr: float = 0.1,
        momentum: float = 0.8,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Information", "direction", direction, ("forward", "reverse"))
        self.direction, self.lr, self.momentum = direction, lr, momentum
        self.mean = Parameter(normal((1,), rng=rng, dtype=dtype))
        self.log_std = Parameter(np.zeros(1, dtype))

    def forward(self, x: Array) -> Array:
        """log q at these points, (N,)."""
        return normal_log_prob(x, self.mean.data, np.exp(self.log_std.data))

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, weight, log_p = batch
        log_q = self(x)
        self.save(x, weight, log_p, log_q)
        loss = kl_integral(log_p, log_q, weight) if self.direction == "forward" else kl_integral(log_q, log_p, weight)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, weight, log_p, log_q = self.restore()
        if self.direction == "forward":  # as in kl_integral_backward, (N,): whatever q is, more of it is wanted where p is
            dL_dlog_q = -dL_dloss * weight * np.exp(log_p)
        else:  # likewise, with p and q in each other's places: where there is no q, nothing is wanted
            dL_dlog_q = dL_dloss * weight * np.exp(log_q) * (log_q - log_p + 1)
        std = np.exp(self.log_std.data)  # (1,)
        _, dL_dmean, dL_dstd = normal_log_prob_backward(dL_dlog_q, x, self.mean.data, std)  # (N,) to (1,) each
        self.mean.grad += dL_dmean
        self.log_std.grad += dL_dstd * std  # ∂std/∂log_std = std

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, weight, log_p = batch
        log_q = self(x)
        forward, reverse = kl_integral(log_p, log_q, weight), kl_integral(log_q, log_p, weight)
        self.log("loss/val", forward if self.direction == "forward" else reverse, batch_size=len(x))
        self.log("forward/val", forward, batch_size=len(x))
        self.log("reverse/val", reverse, batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: why forward matches moments, and where each direction serves ---------------
#
# With log q = −(x − mean)²/(2 std²) − log std + …, the forward divergence is least where
#
#     0 = ∂KL/∂mean = −∫ p (x − mean)/std² dx                   mean = E_p[x]
#     0 = ∂KL/∂std = −∫ p ((x − mean)²/std³ − 1/std) dx         std² = E_p[(x − mean)²]
#
# the mean and the variance of p: *moment matching*. Maximum likelihood is forward: p is the data. Variational inference is reverse: p is
# known, up to a factor, but cannot be drawn from.


# ---- further reading: a divergence that is the same both ways ------------------------------------
#
#     Jensen-Shannon      JS = ½ KL(p‖m) + ½ KL(q‖m),  m = (p + q)/2        the same both ways; at most log 2


def js_divergence(p: Array, q: Array) -> Any:
    """JS = ½ KL(p‖m) + ½ KL(q‖m) with m = (p + q)/2, which is H(m) − ½ H(p) − ½ H(q). Shapes: p and q (..., K); JS (...).

    It is always finite: m is 0 only where both are. Its square root is a distance (scipy.spatial.distance.jensenshannon).

    Raises:
        ValueError: if p or q are no probabilities along the last axis, or their shapes differ.
    """
    expect_two("js_divergence", p, q)
    return (entr((p + q) / 2) - entr(p) / 2 - entr(q) / 2).sum(axis=-1)


def js_divergence_backward(dL_dJS: Any, p: Array, q: Array) -> tuple[Array, Array]:
    """From H(m) half of −log m − 1, from −½ H(p) half of log p + 1: ∂JS/∂p = ½ log(p/m), and ∂JS/∂q = ½ log(q/m)."""
    upstream = np.expand_dims(dL_dJS, -1) / 2  # (..., 1)
    with np.errstate(invalid="ignore"):  # where both are 0 it is NaN
        log_m = log((p + q) / 2)
        return upstream * (log(p) - log_m), upstream * (log(q) - log_m)


# ---- further reading: what rows tell of columns --------------------------------------------------
#
#     mutual information  I = KL(table ‖ rows · columns)                    0 only if rows and columns are independent


def mutual_information(table: Array) -> Any:
    """I = Σ t log(t/(r c)) = H(rows) + H(columns) − H(table): how much is known of the column, in nats, by whoever learns the row.

    Here r[i] = Σⱼ t[i, j] and c[j] = Σᵢ t[i, j] are the probabilities of rows and columns. Shapes: table (..., I, J); I (...).

    Raises:
        ValueError: if an entry is below 0, or those of a table do not add up to 1.
    """
    expect_array("mutual_information", "table", table)
    if table.ndim < 2:
        raise ValueError(f"mutual_information: table must have rows and columns, got shape {table.shape}")
    expect_probabilities("mutual_information", "table", table, axis=(-2, -1))
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    return entr(rows).sum(axis=-1) + entr(columns).sum(axis=-1) - entr(table).sum(axis=(-2, -1))


def mutual_information_backward(dL_dI: Any, table: Array) -> Array:
    """t[i, j] is in itself, in r[i] and in c[j], with −(−log t − 1), −log r − 1 and −log c − 1: ∂I/∂t = log t − log r − log c − 1."""
    upstream = np.expand_dims(dL_dI, (-2, -1))  # (..., 1, 1)
    log_rows, log_columns = log(table.sum(axis=-1, keepdims=True)), log(table.sum(axis=-2, keepdims=True))  # (..., I, 1), (..., 1, J)
    with np.errstate(invalid="ignore"):  # in a row or column of zeros it is NaN
        return upstream * (log(table) - log_rows - log_columns - 1)  # (..., I, J)


# ---- further reading: zeros, and what is refused -------------------------------------------------
#
# p log p has the limit 0 as p → 0, so what never happens has no part in an entropy: 0 log 0 = 0. But KL(p‖q) is ∞ where q is 0 and p is
# not: no number of questions finds out what the questioner excludes. The gradient of the entropy at p = 0 is ∞: −log p − 1.


def log(p: Array) -> Array:
    """log p, with log 0 = −∞ and no warning."""
    with np.errstate(divide="ignore"):
        return np.log(p)


def log_beside(p: Array, q: Array) -> Array:
    """log q, but 0 where p and q are both 0: the slope of p log q in p, by torch's convention (xlogy)."""
    return np.where((p == 0) & (q == 0), 0, log(q))


def expect_distribution(function: str, name: str, p: Array) -> None:
    """Raise TypeError or ValueError unless p holds probabilities that add up to 1 along its last axis."""
    expect_array(function, name, p)
    if p.ndim == 0:
        raise ValueError(f"{function}: {name} must have an axis of probabilities, got a single number")
    expect_probabilities(function, name, p, axis=-1)


def expect_two(function: str, p: Array, q: Array) -> None:
    """Raise TypeError or ValueError unless p and q are distributions of one shape and dtype."""
    expect_distribution(function, "p", p)
    expect_distribution(function, "q", q)
    expect_array(function, "q", q, p.dtype)
    expect_same_shape(function, "p", p, "q", q)
