"""Distributions: five ways in which chance makes numbers, by hand.

If you gave up on mathematics somewhere before this: nobody knows what the next throw of a die will be, but everybody knows what a
thousand throws look like. A *distribution* says how probable each outcome is. If the outcomes can be counted it is a list of
probabilities that add up to 1; if they are points on a line it is a curve over them, the *density*, under which the area is 1.

A network that has to guess says a distribution, not a number: a language model says how probable each next word is. To learn from what
then happened it needs three things of it: to *sample*, which is to draw a number from it, the *log-density* of what was drawn, and the
slope of that in each parameter, which is called the *score*.

    name        parameters          values       probability or density            mean            variance
    Bernoulli   probs = p           0, 1         p for 1, 1 − p for 0              p               p (1 − p)
    Binomial    total_count = n, p  0 … n        (n over k) p^k (1 − p)^(n − k)    n p             n p (1 − p)
    Poisson     rate = λ            0, 1, 2, …   λ^k e^−λ / k!                     λ               λ
    Uniform     low, high           between      1/(high − low)                    (low + high)/2  (high − low)²/12
    Normal      loc, scale          all          e^(−z²/2)/(scale √(2π))           loc             scale²

with k the value, z = (value − loc)/scale, k! = 1 · 2 · … · k, and (n over k) the number of ways in which k of n can be chosen. The
*variance* is the mean of (value − mean)². Bernoulli and Normal come first below, the others are further reading.

**On paper.** A coin with p = ¼. The score of a 1 is the slope of log p, 1/p = 4; that of a 0 is the slope of log(1 − p), which is
−1/(1 − p) = −4/3. The 1 comes in a quarter of the throws, so that on average the score is

    ¼ · 4 + ¾ · (−4/3) = 1 − 1 = 0

And a Normal with loc = 3 and scale = 2, of which 7 was drawn: z = (7 − 3)/2 = 2. The score in loc is z/scale = 1: it would move towards
the 7. That in scale is (z² − 1)/scale = 3/2: the bell would become wider.

    >>> score = bernoulli_log_prob_backward(np.ones(2), np.array([1.0, 0.0]), np.full(2, 0.25))
    >>> score.round(3).tolist()
    [4.0, -1.333]
    >>> float((np.array([0.25, 0.75]) * score).sum().round(12))
    0.0
    >>> _, in_loc, in_scale = normal_log_prob_backward(np.ones(()), np.array(7.0), np.array(3.0), np.array(2.0))
    >>> float(in_loc), float(in_scale)
    (1.0, 1.5)

**The score is 0 on average**, whatever the distribution. Probabilities add up to 1 for every parameter θ, so Σ ∂p/∂θ = 0; and
∂p/∂θ = p · ∂log p/∂θ. So Σ p · score = 0. It also leaves one term of the slope of the *entropy*, the average *surprise* −log p:

    H = −Σ p log p        ∂H/∂θ = −Σ p · score · (log p + 1) = −Σ p · score · log p

What to look at in the figures: samples piling up to the shape that the formula says; scores that are 0 where the data are explained
best; and the Uniform, whose score is never 0.

Sources: Bishop, Pattern Recognition and Machine Learning, chapter 2; Box and Muller 1958, "A note on the generation of random normal
deviates"; Knuth, The Art of Computer Programming, section 3.4.1 (Poisson).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import entr, gammaln, xlogy

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import sigmoid, sum_to
from manual.nn.init import normal as draw_normal
from manual.nn.validate import expect_array
from manual.probability.likelihood import bernoulli_closed_form, normal_closed_form

Array = np.ndarray
Shape = tuple[int, ...]

HALF_LOG_2PI = math.log(2 * math.pi) / 2


# ---- Bernoulli: yes or no ------------------------------------------------------------------------


def bernoulli_log_prob(value: Array, probs: Array) -> Array:
    """y = log p where value is 1, log(1 − p) where it is 0: one throw of a Binomial. Shapes of all: any that broadcast."""
    expect_probs("bernoulli_log_prob", probs)
    return binomial_log_prob(value, np.ones_like(probs), probs)


def bernoulli_log_prob_backward(dL_dy: Array, value: Array, probs: Array) -> Array:
    """∂y/∂p = 1/p for a 1, −1/(1 − p) for a 0."""
    return binomial_log_prob_backward(dL_dy, value, np.ones_like(probs), probs)


def bernoulli_entropy(probs: Array) -> Array:
    """H = −p log p − (1 − p) log(1 − p): log 2 for a fair coin, 0 for one that always falls alike."""
    expect_probs("bernoulli_entropy", probs)
    p = held(probs)
    return -(probs * np.log(p) + (1 - probs) * np.log1p(-p))


def bernoulli_entropy_backward(dL_dy: Array, probs: Array) -> Array:
    """∂H/∂p = log(1 − p) − log p: 0 for a fair coin. At 0 and 1 it is ±36.04 in float64, for p is held inside."""
    p = held(probs)
    return dL_dy * (np.log1p(-p) - np.log(p))


def bernoulli_sample(probs: Array, sample_shape: Shape = (), *, rng: np.random.Generator) -> Array:
    """1 where a number drawn uniformly from 0 to 1 falls below p, which it does with probability p."""
    expect_probs("bernoulli_sample", probs)
    return (rng.random((*sample_shape, *probs.shape)) < probs).astype(probs.dtype)


# ---- Normal: the bell curve ----------------------------------------------------------------------


def normal_log_prob(value: Array, loc: Array, scale: Array) -> Array:
    """y = −z²/2 − log scale − log √(2π), with z = (value − loc)/scale.

    Raises:
        ValueError: if a scale is not above 0.
    """
    expect("normal_log_prob", "scale", scale, scale > 0, "be above 0")
    expect_array("normal_log_prob", "value", value, scale.dtype)
    z = (value - loc) / scale
    return -z * z / 2 - np.log(scale) - HALF_LOG_2PI


def normal_log_prob_backward(dL_dy: Array, value: Array, loc: Array, scale: Array) -> tuple[Array, Array, Array]:
    """∂y/∂value = −z/scale, ∂y/∂loc = z/scale, ∂y/∂scale = (z² − 1)/scale: a value beyond one scale wants a wider bell."""
    z, each = (value - loc) / scale, dL_dy / scale
    return sum_to(-each * z, value.shape), sum_to(each * z, loc.shape), sum_to(each * (z * z - 1), scale.shape)


def normal_sample(loc: Array, scale: Array, sample_shape: Shape = (), *, rng: np.random.Generator) -> Array:
    """A standard number, stretched and moved: loc + scale z."""
    expect("normal_sample", "scale", scale, scale > 0, "be above 0")
    z = standard_normal((*sample_shape, *np.broadcast_shapes(loc.shape, scale.shape)), rng)
    return loc + scale * z.astype(scale.dtype)


# ---- what is trained -----------------------------------------------------------------------------


class Distributions(Concept):
    """All five at once, each climbing to the largest likelihood of a column of numbers of its own.

    L = −Σ over the five of the mean log-density. A step may lead anywhere, so what is trained is any number, from which they are made:

        p = sigmoid(logit)      λ = exp(log_rate)      scale = exp(log_scale)      low = min − exp(log_gap[0]), high = max + exp(log_gap[1])

    **The Uniform never arrives.** Its likelihood grows until the bounds touch the least and the greatest number seen, and falls off a cliff
    to 0 one step further. So the gaps can only shrink: the slope in log_gap is about gap/width, and it dies away with the gap, which
    after t steps is about width/(lr t).

    Args:
        total_count: n of the Binomial.
        lr: the step size.
        rng: draws the initial logits and loc from Normal(0, 1); rate, gaps and scale begin at 1.
        dtype: of the parameters.

    Shapes: a batch is five columns (N,); uniform_log_gap is (2,), the other parameters (1,).
    """

    def __init__(self, total_count: int = 10, lr: float = 0.3, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.total_count, self.lr = total_count, lr
        self.bernoulli_logit = Parameter(draw_normal((1,), rng=rng, dtype=dtype))
        self.binomial_logit = Parameter(draw_normal((1,), rng=rng, dtype=dtype))
        self.poisson_log_rate = Parameter(np.zeros(1, dtype))
        self.uniform_log_gap = Parameter(np.zeros(2, dtype))
        self.normal_loc = Parameter(draw_normal((1,), rng=rng, dtype=dtype))
        self.normal_log_scale = Parameter(np.zeros(1, dtype))

    def found(self, uniform: Array) -> tuple[Array, ...]:
        """p of the Bernoulli, p of the Binomial, rate, low, high, loc and scale, (1,) each; low and high lie around these numbers."""
        gap = np.exp(self.uniform_log_gap.data)  # (2,)
        low, high = uniform.min() - gap[:1], uniform.max() + gap[1:]
        p, q = sigmoid(self.bernoulli_logit.data), sigmoid(self.binomial_logit.data)
        rate, scale = np.exp(self.poisson_log_rate.data), np.exp(self.normal_log_scale.data)
        return p, q, rate, low, high, self.normal_loc.data.copy(), scale

    def forward(self, bernoulli: Array, binomial: Array, poisson: Array, uniform: Array, normal: Array) -> tuple[Array, ...]:
        """The log-density of every number of each column, (N,)."""
        p, q, rate, low, high, loc, scale = found = self.found(uniform)
        n = np.full_like(q, self.total_count)
        self.save((bernoulli, binomial, poisson, normal), len(normal), n, found)
        return (
            bernoulli_log_prob(bernoulli, p),
            binomial_log_prob(binomial, n, q),
            poisson_log_prob(poisson, rate),
            uniform_log_prob(uniform, low, high),
            normal_log_prob(normal, loc, scale),
        )

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        loss = -sum(y.mean() for y in self(*batch))
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        (bernoulli, binomial, poisson, normal), N, n, (p, q, rate, low, high, loc, scale) = self.restore()
        dL_dy = -dL_dloss / N  # of every log-density
        _, dL_dloc, dL_dscale = normal_log_prob_backward(dL_dy, normal, loc, scale)  # (1,) each, as all below
        self.normal_loc.grad += dL_dloc
        self.normal_log_scale.grad += dL_dscale * scale  # ∂exp(a)/∂a = exp(a)
        _, dL_dhigh = uniform_entropy_backward(dL_dloss, low, high)  # inside, −y is log(high − low) for every number
        self.uniform_log_gap.grad += dL_dhigh * np.exp(self.uniform_log_gap)  # (1,) times (2,): either gap makes it as much wider
        self.poisson_log_rate.grad += poisson_log_prob_backward(dL_dy, poisson, rate) * rate
        self.binomial_logit.grad += binomial_log_prob_backward(dL_dy, binomial, n, q) * q * (1 - q)  # the slope of a sigmoid
        self.bernoulli_logit.grad += bernoulli_log_prob_backward(dL_dy, bernoulli, p) * p * (1 - p)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """All but the Uniform, of which one number outside the bounds would cost ∞."""
        bernoulli, binomial, poisson, uniform, normal = self(*batch)
        self.log("loss/val", -sum(y.mean() for y in (bernoulli, binomial, poisson, normal)), batch_size=len(uniform))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: Binomial, how many of n ----------------------------------------------------


def binomial_log_prob(value: Array, total_count: Array, probs: Array) -> Array:
    """y = log (n over k) + k log p + (n − k) log(1 − p), with k = value and n = total_count; k! is Γ(k + 1).

    Raises:
        ValueError: if a p lies outside 0 to 1, or an n is not 0, 1, 2, ...
    """
    expect_probs("binomial_log_prob", probs)
    expect_counts("binomial_log_prob", total_count, probs.dtype)
    expect_array("binomial_log_prob", "value", value, probs.dtype)
    p, rest = held(probs), total_count - value
    ways = gammaln(total_count + 1) - gammaln(value + 1) - gammaln(rest + 1)
    y = ways + value * np.log(p) + rest * np.log1p(-p)
    return np.where(impossible(value, total_count), -np.inf, y)


def binomial_log_prob_backward(dL_dy: Array, value: Array, total_count: Array, probs: Array) -> Array:
    """∂y/∂p = k/p − (n − k)/(1 − p): 0 where p = k/n. Whole numbers, k and n, get no gradient, and a p that is held none either."""
    p = held(probs)
    score = value / p - (total_count - value) / (1 - p)
    moves = (p == probs) & ~impossible(value, total_count)
    return sum_to(dL_dy * np.where(moves, score, 0), probs.shape)


def binomial_entropy(total_count: Array, probs: Array) -> Array:
    """H = −Σ p log p over all values 0 … n.

    Raises:
        ValueError: as `binomial_log_prob`; or if not all n are equal, as in torch.
    """
    expect_counts("binomial_entropy", total_count, probs.dtype)
    if total_count.min() != total_count.max():
        raise ValueError(f"binomial_entropy: total_count must be the same throughout, got {total_count.min()} to {total_count.max()}")
    k = binomial_values(total_count, probs)
    return mean_surprise(binomial_log_prob(k, total_count, probs))


def binomial_entropy_backward(dL_dy: Array, total_count: Array, probs: Array) -> Array:
    """The surprise moves with log p of every value, and that with p by its score; summed over all values, because p stands in each."""
    k = binomial_values(total_count, probs)
    dL_dlog_p = mean_surprise_backward(dL_dy, binomial_log_prob(k, total_count, probs))
    return binomial_log_prob_backward(dL_dlog_p, k, total_count, probs)  # (n + 1, ...) summed over k


def binomial_values(total_count: Array, probs: Array) -> Array:
    """0, 1, ..., n: (n + 1, 1, ...)."""
    return counts(total_count.flat[0], np.broadcast_arrays(probs, total_count)[0])


def binomial_moments(total_count: Array, probs: Array) -> tuple[Array, Array]:
    """Mean n p and variance n p (1 − p): n times those of one throw."""
    expect_counts("binomial_moments", total_count, probs.dtype)
    mean, variance = bernoulli_moments(probs)
    return total_count * mean, total_count * variance


def binomial_sample(total_count: Array, probs: Array, sample_shape: Shape = (), *, rng: np.random.Generator) -> Array:
    """Throw, and count: n times, or more often where another n is larger, and these do not count."""
    expect_counts("binomial_sample", total_count, probs.dtype)
    most, p = total_count.max(), np.broadcast_arrays(probs, total_count)[0]
    throws = bernoulli_sample(p, (int(most), *sample_shape), rng=rng)  # (most, ...)
    return (throws * (counts(most, throws[0])[:-1] < total_count)).sum(axis=0)


# ---- further reading: Poisson, how many in an hour -----------------------------------------------


def poisson_log_prob(value: Array, rate: Array) -> Array:
    """y = k log λ − λ − log k!, with k = value and λ = rate, the mean: what happens in an hour if every moment is as likely as any other.

    Raises:
        ValueError: if a rate is negative. Of rate 0, nothing ever happens: y = 0 for k = 0, −∞ for others.
    """
    expect("poisson_log_prob", "rate", rate, rate >= 0, "be at least 0")
    expect_array("poisson_log_prob", "value", value, rate.dtype)
    y = xlogy(value, rate) - rate - gammaln(value + 1)
    return np.where(impossible(value), -np.inf, y)


def poisson_log_prob_backward(dL_dy: Array, value: Array, rate: Array) -> Array:
    """∂y/∂λ = k/λ − 1: 0 where λ = k. At λ = 0 it is ∞ for k > 0 and NaN for k = 0, as in torch."""
    with np.errstate(divide="ignore", invalid="ignore"):  # ∞ and NaN are meant
        score = np.where(impossible(value), 0, value / rate - 1)
        return sum_to(dL_dy * score, rate.shape)


def poisson_entropy(rate: Array) -> Array:
    """H = −Σ p log p over all values that matter: beyond λ + 12 √λ + 40 all p together are below e⁻⁷⁰. torch has none."""
    expect("poisson_entropy", "rate", rate, rate >= 0, "be at least 0")
    return mean_surprise(poisson_log_prob(poisson_values(rate), rate))


def poisson_entropy_backward(dL_dy: Array, rate: Array) -> Array:
    """As for the Binomial: the score of every value, weighted by what its log p does to the surprise."""
    k = poisson_values(rate)
    return poisson_log_prob_backward(mean_surprise_backward(dL_dy, poisson_log_prob(k, rate)), k, rate)


def poisson_values(rate: Array) -> Array:
    """0, 1, 2, ... as far as they matter: (K, 1, ...)."""
    most = rate.max(initial=0)
    return counts(np.ceil(most + 12 * np.sqrt(most) + 40), rate)


def poisson_moments(rate: Array) -> tuple[Array, Array]:
    """Mean λ and variance λ."""
    expect("poisson_moments", "rate", rate, rate >= 0, "be at least 0")
    return rate, rate


def poisson_sample(rate: Array, sample_shape: Shape = (), *, rng: np.random.Generator) -> Array:
    """How many waits fit into an hour, if one takes −log u of 1/λ hours. Knuth multiplies the u until they fall below e^−λ: the same."""
    expect("poisson_sample", "rate", rate, rate >= 0, "be at least 0")
    left = np.broadcast_to(rate, (*sample_shape, *rate.shape)).astype(np.float64)
    value = np.zeros(left.shape, rate.dtype)
    while (left > 0).any():
        left = left + np.log1p(-rng.random(left.shape))  # one wait less
        value += left > 0
    return value


# ---- further reading: Uniform, anywhere between --------------------------------------------------


def uniform_log_prob(value: Array, low: Array, high: Array) -> Array:
    """y = −log(high − low) where low ≤ value < high, −∞ elsewhere.

    Raises:
        ValueError: if a low is not below its high.
    """
    expect_bounds("uniform_log_prob", low, high)
    expect_array("uniform_log_prob", "value", value, low.dtype)
    return np.where((low <= value) & (value < high), -np.log(high - low), -np.inf)


def uniform_log_prob_backward(dL_dy: Array, value: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """∂y/∂low = 1/(high − low), ∂y/∂high = −1/(high − low): closer is better, always, and no slope tells of the cliff. ∂y/∂value = 0.

    Outside, too: y is −∞ there, and the slopes still say closer, as torch's do.
    """
    each = dL_dy / (high - low)
    return np.zeros_like(value), sum_to(each, low.shape), sum_to(-each, high.shape)


def uniform_entropy(low: Array, high: Array) -> Array:
    """H = log(high − low)."""
    expect_bounds("uniform_entropy", low, high)
    return np.log(high - low)


def uniform_entropy_backward(dL_dy: Any, low: Array, high: Array) -> tuple[Array, Array]:
    """∂H/∂high = 1/(high − low), ∂H/∂low is minus that."""
    each = dL_dy / (high - low)
    return sum_to(-each, low.shape), sum_to(each, high.shape)


def uniform_moments(low: Array, high: Array) -> tuple[Array, Array]:
    """Mean (low + high)/2 and variance (high − low)²/12."""
    expect_bounds("uniform_moments", low, high)
    return (low + high) / 2, (high - low) ** 2 / 12


def uniform_sample(low: Array, high: Array, sample_shape: Shape = (), *, rng: np.random.Generator) -> Array:
    """A number from 0 to 1, stretched and moved."""
    expect_bounds("uniform_sample", low, high)
    u = rng.random((*sample_shape, *np.broadcast_shapes(low.shape, high.shape))).astype(low.dtype)
    return low + (high - low) * u


# ---- further reading: more of Bernoulli and Normal, and how bell-shaped numbers are made ---------


def bernoulli_moments(probs: Array) -> tuple[Array, Array]:
    """Mean p and variance p (1 − p)."""
    expect_probs("bernoulli_moments", probs)
    return probs, probs * (1 - probs)


def normal_entropy(scale: Array) -> Array:
    """H = ½ + log scale + log √(2π); where the bell stands makes no difference."""
    expect("normal_entropy", "scale", scale, scale > 0, "be above 0")
    return 0.5 + np.log(scale) + HALF_LOG_2PI


def normal_entropy_backward(dL_dy: Array, scale: Array) -> Array:
    """∂H/∂scale = 1/scale."""
    return dL_dy / scale


def normal_moments(loc: Array, scale: Array) -> tuple[Array, Array]:
    """Mean loc and variance scale²."""
    expect("normal_moments", "scale", scale, scale > 0, "be above 0")
    return loc, scale**2


def box_muller(u1: Array, u2: Array) -> tuple[Array, Array]:
    """Two standard Normal numbers from two uniform ones: a point at angle 2π u2, as far from the middle as √(−2 log u1).

    Of a round cloud z1² + z2² exceeds r² with probability e^(−r²/2); so set that probability to u1, and solve for r.
    """
    r, angle = np.sqrt(-2 * np.log(u1)), 2 * math.pi * u2
    return r * np.cos(angle), r * np.sin(angle)


def standard_normal(shape: Shape, rng: np.random.Generator) -> Array:
    """Numbers from Normal(0, 1), by Box and Muller's pairs."""
    half = (math.prod(shape) + 1) // 2
    pairs = box_muller(1 - rng.random(half), rng.random(half))  # 1 − u is in (0, 1], and has a logarithm
    return np.concatenate(pairs)[: math.prod(shape)].reshape(shape)


# ---- further reading: where the fits should arrive -----------------------------------------------


def closed_forms(bernoulli: Array, binomial: Array, poisson: Array, uniform: Array, normal: Array, *, total_count: int) -> dict[str, Any]:
    """The parameters of the largest likelihood: means, the fraction of n, the ends, and mean and biased standard deviation.

    Raises:
        ValueError: if there are no data.
    """
    return {
        "bernoulli": bernoulli_closed_form(bernoulli),
        "binomial": binomial.mean() / total_count,
        "poisson": poisson.mean(),
        "uniform": (uniform.min(), uniform.max()),
        "normal": normal_closed_form(normal),
    }


# ---- further reading: the edges of probability, and what is refused ------------------------------
#
# log 0 is −∞, and torch never goes there: it holds p between eps and 1 − eps, so that in float64 an impossible 1 costs 36.04, and p has
# slope 0 there. SciPy says −∞. These functions do as torch does. Of a value that no parameter makes possible (7 heads in 5 throws, half a
# head) the log-density is −∞, as in SciPy, and the slope 0; torch refuses it. The Uniform contains low but not high, as in torch; in SciPy
# it contains both.


def mean_surprise(log_p: Array) -> Array:
    """H = −Σₖ p[k] log p[k], where 0 log 0 is 0; entr(p) is −p log p. Shapes: log_p (K, ...), one row for each value; H (...)."""
    return entr(np.exp(log_p)).sum(axis=0)


def mean_surprise_backward(dL_dH: Array, log_p: Array) -> Array:
    """∂H/∂log p[k] = −p[k] (log p[k] + 1), by the product rule; 0 where p[k] is 0."""
    p = np.exp(log_p)  # (K, ...)
    return dL_dH * (entr(p) - p)


def counts(most: Any, like: Array) -> Array:
    """0, 1, ..., most, one in each row, to be broadcast with an array like this one: (most + 1, 1, ...)."""
    return np.arange(int(most) + 1, dtype=like.dtype).reshape(-1, *[1] * like.ndim)


def held(probs: Array) -> Array:
    """p, held between eps and 1 − eps, as torch holds it; so that its logarithm, and that of 1 − p, are finite."""
    eps = np.finfo(probs.dtype).eps
    return np.clip(probs, eps, 1 - eps)


def impossible(value: Array, most: Any = np.inf) -> Array:
    """Whether this is no count: not whole, below 0, or more than there can be."""
    return (value < 0) | (value > most) | (value % 1 > 0)


def expect(function: str, name: str, x: Array, ok: Any, what: str) -> None:
    """Raise TypeError unless x is an array of floats, ValueError unless all of it is ok (a NaN never is)."""
    expect_array(function, name, x)
    if not np.all(ok):
        raise ValueError(f"{function}: {name} must {what}, got {x[~ok].flat[0]}")


def expect_probs(function: str, probs: Array) -> None:
    """Raise unless these are probabilities."""
    expect(function, "probs", probs, (probs >= 0) & (probs <= 1), "lie in 0 to 1")


def expect_counts(function: str, total_count: Array, dtype: Any) -> None:
    """Raise unless these are whole numbers from 0 on, of this dtype."""
    expect_array(function, "total_count", total_count, dtype)
    expect(function, "total_count", total_count, (total_count >= 0) & (total_count % 1 == 0), "be 0, 1, 2, ...")


def expect_bounds(function: str, low: Array, high: Array) -> None:
    """Raise unless each low is below its high."""
    expect_array(function, "high", high, low.dtype)
    ok = low < high
    expect(function, "low", np.broadcast_to(low, ok.shape), ok, "be below high")
