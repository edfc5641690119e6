"""Expectation: what comes out on average, and how to make that better, by hand.

If you gave up on mathematics somewhere before this: throw a die many times, add up the eyes and divide by the number of throws. You get
near 3.5, and the nearer the longer you throw. No throw is a 3.5; it is where the average settles, and it is called the *expectation*. It
can be had without throwing: each number of eyes times how probable it is, all added up. How far single throws scatter around it is the
*variance*, the expectation of the square of what they are off by.

A network is trained on an average too: the mean loss of a batch stands for that of all examples there could be. And some networks throw
dice themselves: a diffusion model draws noise, an agent its actions. How can one learn through a throw of dice? This lesson trains the mean
of a bell curve that way.

    expectation     E[f] = Σᵢ p[i] f[i]                                E[a f + b] = a E[f] + b
    variance        Var[f] = E[(f − E[f])²]                            Var[a f + b] = a² Var[f]
    samples         mean = Σx/N,  variance = Σ(x − mean)²/(N − 1)      where no p is known, only N numbers x
    standard error  std/√N, where std = √variance                      how far off a mean of N samples is, typically

**On paper.** A lottery pays 4 in a quarter of the cases, else 0. E = ¾ · 0 + ¼ · 4 = 1, Var = ¾ · (0 − 1)² + ¼ · (4 − 1)² = ¾ + 9/4 = 3.
Three samples 1, 2, 6 have the mean 9/3 = 3, and the variance (2² + 1² + 3²)/2 = 7.

    >>> float(expectation(np.array([0.75, 0.25]), np.array([0.0, 4.0])))
    1.0
    >>> x = np.array([1.0, 2.0, 6.0])
    >>> float(mean(x)), float(variance(x))
    (3.0, 7.0)

**The law of large numbers, and how fast.** The average of N independent draws (a *Monte Carlo* estimate) has the expectation of one draw.
Its variance is Var[(x₁ + … + x_N)/N] = N Var[x]/N² = Var[x]/N, so that it scatters by std/√N: for one more digit take a hundred times as
many.

**The gradient of an expectation.** Draws x from Normal(mean, std) cost (x − target)² each. How does the cost change, on average, with mean?
A draw can be made of noise that depends on no weight: x = mean + std ε, with ε from Normal(0, 1). So a draw moves as the mean does,
∂x/∂mean = 1, and ∂E[cost]/∂mean = E[∂cost/∂x]. This is called *reparameterisation*. With mean = 1, std = ½, target = 3 and the noise
ε = (2, −2):

    x = (1 + ½ · 2, 1 − ½ · 2) = (2, 0)      cost = (1, 9)      ∂cost/∂x = 2 (x − 3) = (−2, −6)      on average −4

and that is 2 (mean − target), as it should be: uphill is to the left, the mean must grow.

    >>> values = np.array([1.0]), np.array([0.5]), np.array([2.0, -2.0])
    >>> x = reparameterise(*values)
    >>> dL_dmean, *_ = reparameterise_backward(2 * (x - 3) / 2, *values)
    >>> dL_dmean.tolist()
    [-4.0]

A second way, the *score function*, needs no slope of the cost: it makes what turned out well more probable (further reading).

What to look at in the figures: averages settling, and the mean finding its target, the nearer the more was drawn.

Sources: Kolmogorov 1933; Kingma & Welling 2014, section 2.4 (reparameterisation).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import sum_to
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_choice, expect_same_shape
from manual.noise import Noise
from manual.probability.distributions import normal_log_prob, normal_log_prob_backward

Array = np.ndarray


# ---- tables of probabilities ---------------------------------------------------------------------


def expectation(p: Array, f: Array) -> Any:
    """E[f] = Σᵢ p[i] f[i]. Shapes: p and f alike, one entry for each outcome; the result ().

    Raises:
        ValueError: if p is no table of probabilities, or the shapes differ.
    """
    expect_table("expectation", p)
    expect_array("expectation", "f", f, p.dtype)
    expect_same_shape("expectation", "p", p, "f", f)
    return (p * f).sum()


def expectation_backward(dL_dy: Any, p: Array, f: Array) -> tuple[Array, Array]:
    """∂E/∂p[i] = f[i] and ∂E/∂f[i] = p[i]."""
    return dL_dy * f, dL_dy * p


# ---- samples -------------------------------------------------------------------------------------


def mean(x: Array) -> Any:
    """The average of N samples, a Monte Carlo estimate of their expectation. Shapes: x (N, ...) to (...).

    Of no samples it is 0/0 = NaN, as in torch and NumPy.
    """
    expect_samples("mean", x)
    with np.errstate(invalid="ignore"):  # NaN is meant
        return x.sum(axis=0) / len(x)


def mean_backward(dL_dy: Any, x: Array) -> Array:
    """∂mean/∂x[n] = 1/N, for each sample."""
    with np.errstate(divide="ignore", invalid="ignore"):  # of no samples there is nothing to return
        return np.broadcast_to(dL_dy / len(x), x.shape)  # (...) to (N, ...)


def variance(x: Array, correction: int = 1) -> Any:
    """Σₙ (x[n] − mean)²/(N − correction). Shapes: x (N, ...) to (...).

    Of one sample it is 0 if biased, else 0/0 = NaN, as in torch.

    Args:
        x: the samples.
        correction: 1 makes it right on average (unbiased; torch's default), 0 does not (biased; NumPy's default).
    """
    expect_samples("variance", x)
    expect_choice("variance", "correction", correction, (0, 1))
    x_centred = x - mean(x)
    with np.errstate(invalid="ignore"):  # NaN is meant
        return (x_centred**2).sum(axis=0) / max(len(x) - correction, 0)


def variance_backward(dL_dy: Any, x: Array, correction: int = 1) -> Array:
    """∂y/∂x[n] = 2 (x[n] − mean)/(N − correction).

    That the mean moves with x[n] changes nothing, because Σₘ (x[m] − mean) = 0.
    """
    x_centred = x - mean(x)  # (N, ...)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN is meant
        return dL_dy * 2 / (len(x) - correction) * x_centred  # (...) times (N, ...)


def standard_error(x: Array) -> Any:
    """std/√N, how far the mean of N samples lies from the expectation, typically. Shapes: x (N, ...) to (...)."""
    return np.sqrt(variance(x) / len(x))


# ---- the gradient of an expectation -------------------------------------------------------------


def reparameterise(mean: Array, std: Array, epsilon: Array) -> Array:
    """x = mean + std ε: Normal(mean, std) from Normal(0, 1). Shapes: epsilon and x (...), mean and std any that broadcast to it."""
    expect_normal("reparameterise", mean, std, "epsilon", epsilon)
    return mean + std * epsilon


def reparameterise_backward(dL_dx: Array, mean: Array, std: Array, epsilon: Array) -> tuple[Array, Array, Array]:
    """∂x/∂mean = 1, ∂x/∂std = ε and ∂x/∂ε = std; then the sum over the entries that share one mean or std."""
    dL_dmean = sum_to(dL_dx, mean.shape)  # the shape of x to that of mean
    dL_dstd = sum_to(dL_dx * epsilon, std.shape)  # the shape of x to that of std
    return dL_dmean, dL_dstd, dL_dx * std


# ---- what is trained -----------------------------------------------------------------------------


class Expectation(Concept):
    """The mean of a Normal, moved so that its draws cost least on average, where a draw x costs (x − target)².

    The answer is known: mean = target, and no mean is cheaper than std² (`expected_cost`). So the gradients can be compared with the
    truth. The step size is lr/(t + 1) at step t = 0, 1, 2, ….

    Args:
        std: of the Normal; it stays.
        estimator: of the gradient, "reparameterisation" or "score".
        baseline: whether "score" takes the mean cost of the other draws from each cost.
        lr: the first step size.
        rng: draws the initial mean from Normal(0, 1), and the noise.
        dtype: of the mean and of the noise.

    Shapes: target (N,), for N draws; mean (1,).

    Raises:
        ValueError: if std is not above 0, or the estimator is another.
    """

    def __init__(
        self,
        std: float = 0.5,
        estimator: str = "reparameterisation",
        baseline: bool = True,
        lr: float = 0.5,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Expectation", "estimator", estimator, ("reparameterisation", "score"))
        if not std > 0:
            raise ValueError(f"Expectation: std must be above 0, got {std}")
        self.std, self.estimator, self.baseline, self.lr = np.full(1, std, dtype), estimator, baseline, lr
        self.mean = Parameter(normal((1,), rng=rng, dtype=dtype))
        self.noise = Noise(rng=rng, dtype=dtype)

    def draw(self, n: int) -> tuple[Array, Array]:
        """n draws from the Normal as it is now, and the log-density that each was drawn with, both (n,): constants to the gradient."""
        x = reparameterise(self.mean.data, self.std, self.noise((n,)))
        return x, normal_log_prob(x, self.mean.data, self.std)

    def by_reparameterisation(self, target: Array) -> Any:
        """The mean cost of draws that move with the mean."""
        off = reparameterise(self.mean.data, self.std, self.noise(target.shape)) - target
        self.save(off)
        return (off**2).mean()

    def by_reparameterisation_backward(self, dL_dloss: float) -> None:
        off = self.restore()
        dL_dx = dL_dloss * 2 * off / len(off)  # (N,)
        self.mean.grad += sum_to(dL_dx, (1,))  # (N,) to (1,): ∂x/∂mean = 1 for each draw

    def by_score(self, target: Array) -> Any:
        """The mean cost of draws that stay where they are, while their probabilities move with the mean."""
        x, log_q = self.draw(len(target))
        log_p = normal_log_prob(x, self.mean.data, self.std)
        cost = (x - target) ** 2
        baseline = mean_of_others(cost) if self.baseline else np.zeros_like(cost)
        self.save(x, log_p, log_q, cost, baseline)
        return surrogate(log_p, log_q, cost, baseline)

    def by_score_backward(self, dL_dloss: float) -> None:
        x, *saved = self.restore()
        dL_dlog_p, *_ = surrogate_backward(dL_dloss, *saved)  # (N,)
        _, dL_dmean, _ = normal_log_prob_backward(dL_dlog_p, x, self.mean.data, self.std)  # (N,) to (1,)
        self.mean.grad += dL_dmean

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (target,) = batch
        loss = self.by_reparameterisation(target) if self.estimator == "reparameterisation" else self.by_score(target)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        if self.estimator == "reparameterisation":
            self.by_reparameterisation_backward(dL_dloss)
        else:
            self.by_score_backward(dL_dloss)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (target,) = batch
        self.log("loss/val", expected_cost(self.mean.data, self.std, target).mean(), batch_size=len(target))

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = optim.SGD(self.parameters(), lr=self.lr)
        scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (t + 1))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


# ---- further reading: events, and what Kolmogorov asks of probabilities --------------------------
#
#     probability     P(A) = Σ p[i] over the outcomes i in A             A or B: P(A) + P(B) − P(A and B)
#     conditional     P(A | B) = P(A and B)/P(B)                         A among the cases in which B happens
#
# Numbers are probabilities if (1) none is below 0, (2) those of everything that can happen add up to 1, and (3) that of "A or B", for A
# and B that exclude each other, is P(A) + P(B). All of probability follows. Here (1) and (2) are what `expect_probabilities` demands of a
# table, and (3) holds because an event's probability is a sum over its outcomes. A probability is an expectation as well: that of f = 1
# where A happens, 0 elsewhere.


def probability(p: Array, event: Array) -> Any:
    """P(event) = Σ p over the outcomes at which event is True. Shapes: p and event alike (two dice: (6, 6)); the result ().

    Raises:
        ValueError: if p is no table of probabilities (an entry below 0, or a sum that is not 1), or the shapes differ.
    """
    expect_table("probability", p)
    expect_event("probability", "event", event, p)
    return p[event].sum()


def probability_backward(dL_dy: Any, p: Array, event: Array) -> Array:
    """∂P/∂p[i] = 1 where the event happens, 0 elsewhere. An event has no gradient."""
    return dL_dy * event.astype(p.dtype)  # () times the shape of p


def conditional_probability(p: Array, event: Array, given: Array) -> Any:
    """P(event | given) = P(event and given)/P(given): of the cases in which `given` happens, the part in which event does too.

    Two events are *independent* if it makes no difference: P(A | B) = P(A), which is P(A and B) = P(A) P(B).

    Shapes: p, event and given alike; the result ().

    Raises:
        ValueError: if `given` is impossible (that would be 0/0), p is no table of probabilities, or the shapes differ.
    """
    expect_table("conditional_probability", p)
    expect_event("conditional_probability", "event", event, p)
    expect_event("conditional_probability", "given", given, p)
    if p[given].sum() == 0:
        raise ValueError("conditional_probability: given must be possible, but its probability is 0")
    return p[event & given].sum() / p[given].sum()


def conditional_probability_backward(dL_dy: Any, p: Array, event: Array, given: Array) -> Array:
    """The quotient rule: ∂/∂p[i] = (event[i] − P(event | given))/P(given) where `given` happens, 0 elsewhere. Events have no gradient."""
    conditional = p[event & given].sum() / p[given].sum()
    return dL_dy * given * (event - conditional) / p[given].sum()  # the shape of p throughout


# ---- further reading: what two numbers have in common --------------------------------------------
#
#     covariance      Cov[f, g] = E[(f − E[f]) (g − E[g])]               Var[f + g] = Var[f] + Var[g] + 2 Cov[f, g]
#     correlation     Cov[f, g]/(std f · std g)                          −1 to 1; of a constant it is 0/0
#
# How much two numbers that come together, say height and weight, go up and down together is their covariance; on a scale from −1 to 1 it
# is their correlation.


def covariance(x: Array, correction: int = 1) -> Array:
    """C[i, j] = Σₙ (x[n, i] − mean[i]) (x[n, j] − mean[j])/(N − correction). On the diagonal are the variances.

    Of an affine map y = A x + b it is A C Aᵀ, whence the rules for sums in the table above. Shapes: x (N, D) to (D, D).

    Args:
        x: the samples, one in each row. torch.cov and numpy.cov want them in columns.
        correction: as for the variance.
    """
    from manual.nn.validate import expect_matrix

    expect_matrix("covariance", "x", x)
    expect_choice("covariance", "correction", correction, (0, 1))
    x_centred = x - mean(x)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN is meant
        return x_centred.T @ x_centred / max(len(x) - correction, 0)  # (D, N) @ (N, D)


def covariance_backward(dL_dC: Array, x: Array, correction: int = 1) -> Array:
    """∂L/∂x = x_centred (∂L/∂C + ∂L/∂Cᵀ)/(N − correction): x[n, i] is in row i of C and in column i. The mean drops out as above."""
    x_centred = x - mean(x)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN is meant
        return x_centred @ (dL_dC + dL_dC.T) / (len(x) - correction)  # (N, D) @ (D, D)


def correlation(x: Array) -> Array:
    """R[i, j] = C[i, j]/(std[i] std[j]), the covariance of the standardised columns: x_hatᵀ x_hat/N. Shapes: x (N, D) to (D, D).

    It tells how well a straight line fits, no more: y = x² has correlation 0 with an x that is symmetric around 0. A column that does not
    vary has none: 0/0 = NaN in its row and column, the diagonal too, as in numpy.corrcoef and torch.corrcoef.
    """
    from manual.nn.validate import expect_matrix

    expect_matrix("correlation", "x", x)
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN is meant
        x_hat, _ = standardised_rows(x)
        return np.clip(x_hat @ x_hat.T / len(x), -1, 1)  # (D, N) @ (N, D); rounding may lead beyond 1


def correlation_backward(dL_dR: Array, x: Array) -> Array:
    """Through the product, ∂L/∂x_hat = (∂L/∂R + ∂L/∂Rᵀ) x_hat/N, then through the standardisation, as in layer norm."""
    from manual.nn.normalization import standardize_backward

    with np.errstate(divide="ignore", invalid="ignore"):  # NaN is meant
        x_hat, std = standardised_rows(x)
        dL_dx_hat = (dL_dR + dL_dR.T) @ x_hat / len(x)  # (D, D) @ (D, N)
        return standardize_backward(dL_dx_hat, x_hat, std).T  # (D, N) to (N, D)


def standardised_rows(x: Array) -> tuple[Array, Array]:
    """x_hat (D, N), one row for each column of x, and its std (D, 1).

    Less its first entry a constant is 0 exactly; less its mean it need not be, for the mean is rounded.
    """
    from manual.nn.normalization import standardize

    return standardize((x - x[:1]).T, eps=0.0)  # (N, D) to (D, N)


# ---- further reading: averages become a bell -----------------------------------------------------
#
# The *central limit theorem* adds the shape: whatever the draws look like (their variance must be finite), their average comes from a
# bell curve in the end, with 68.3 % within one standard error, 95.4 % within two, 99.7 % within three.


def share_within(k: Any) -> Any:
    """The part of a bell curve within k standard deviations of its mean: erf(k/√2), 68.3, 95.4 and 99.7 % for 1, 2 and 3."""
    from scipy.special import erf

    return erf(k / math.sqrt(2))


# ---- further reading: the gradient by the score function -----------------------------------------
#
# From ∂p/∂mean = p · ∂log p/∂mean and E[cost] = ∫ p(x) cost(x) dx follows
#
#     ∂E[cost]/∂mean = ∫ cost ∂p/∂mean dx = E[cost · ∂log p/∂mean],   ∂log p/∂mean = (x − mean)/std²
#
# Reparameterisation asks in which direction the cost rises at x; this never asks for a slope of the cost. So it also serves for a cost
# with steps, and for draws that are no numbers, such as an agent's actions (REINFORCE). As a rule it pays with variance. Since E[∂log
# p/∂mean] = ∂/∂mean ∫ p dx = ∂1/∂mean = 0, a *baseline* that does not depend on x may be taken from the cost: no expectation changes, but
# the variance does.
#
# Sources: Williams 1992 (REINFORCE); Mohamed et al. 2020, "Monte Carlo gradient estimation in machine learning", sections 4 and 5; Kool
# et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!".
#
# A loss for it. E[cost] over p is E[cost · p/q] over any other q: draw with q, and give what p finds more probable more weight. Draw now
# with q = p, as the mean stands, and keep the x and their log q as constants. Then the loss is the plain mean cost, because each weight w
# = exp(log p − log q) is 1, and yet it has a slope, because p can still move: ∂w/∂mean = w · ∂log p/∂mean. That is `surrogate`.


def surrogate(log_p: Array, log_q: Array, cost: Array, baseline: Array) -> Any:
    """L = 1/N · Σₙ (cost[n] − baseline[n]) w[n] + baseline[n], with the weight w = p/q of what was drawn with q but is judged by p.

    Where q = p every w is 1 and L is the mean cost. Shapes: all (N,), for N draws; L ().

    Raises:
        ValueError: if the shapes differ, or there are no draws.
    """
    for name, value in (("log_p", log_p), ("log_q", log_q), ("cost", cost), ("baseline", baseline)):
        expect_array("surrogate", name, value, log_p.dtype)
        expect_same_shape("surrogate", "log_p", log_p, name, value)
    if log_p.size == 0:
        raise ValueError(f"surrogate: log_p must have at least one entry, got shape {log_p.shape}")
    w = np.exp(log_p - log_q)
    return ((cost - baseline) * w + baseline).mean()


def surrogate_backward(dL_dy: Any, log_p: Array, log_q: Array, cost: Array, baseline: Array) -> tuple[Array, Array, Array, Array]:
    """With ∂w/∂log_p = w and ∂w/∂log_q = −w, each over N:

    ∂L/∂log_p = (cost − baseline) w     ∂L/∂log_q = −∂L/∂log_p     ∂L/∂cost = w     ∂L/∂baseline = 1 − w

    Where q = p the first is cost − baseline: times ∂log p/∂mean it is the gradient by the score function.
    """
    w = np.exp(log_p - log_q)
    share = dL_dy / log_p.size
    dL_dlog_p = share * (cost - baseline) * w  # (N,) throughout
    return dL_dlog_p, -dL_dlog_p, share * w, share * (1 - w)


def mean_of_others(cost: Array) -> Array:
    """A baseline for each draw that does not depend on it: the mean cost of the N − 1 others; of a single draw 0. Shapes: (N,) to (N,)."""
    return (cost.sum() - cost) / max(len(cost) - 1, 1)


# ---- further reading: what the two gradients cost and how they scatter ---------------------------
#
# With lr = 1/2 and by reparameterisation, step t of `Expectation` is
#
#     mean ← mean − 1/(2 (t + 1)) · 2 (mean + std ε̄[t] − target) = t/(t + 1) · mean + 1/(t + 1) · (target − std ε̄[t])
#
# where ε̄[t] is the average noise of the batch: the running average. After T steps mean = target − std · (average of all ε there were),
# whatever it began with: a mean that is trained this way obeys the law of large numbers, to the letter.


def expected_cost(mean: Any, std: Any, target: Any) -> Any:
    """E[(x − target)²] = (mean − target)² + std²: with d = mean − target it is E[(d + std ε)²], and E[ε] = 0, E[ε²] = 1.

    The mean can make it no smaller than std², at mean = target. Its slope in the mean is 2 d.
    """
    return (mean - target) ** 2 + std**2


def reparameterisation_variance(std: Any) -> Any:
    """Of one draw's gradient 2 (x − target) = 2 (mean − target) + 2 std ε: 4 std², wherever the mean is."""
    return 4 * std**2


def score_variance(d: Any, std: Any, baseline: Any = 0.0) -> Any:
    """Of one draw's gradient (cost − baseline) ε/std, with cost = (d + std ε)² and d = mean − target.

    With E[ε²] = 1, E[ε⁴] = 3, E[ε⁶] = 15 (odd powers: 0), the mean of its square is

        E[(d² + 2 d std ε + std² ε² − b)² ε²]/std² = (d² − b)²/std² + 12 d² + 6 (d² − b) + 15 std²

    from which the square of its mean, (2 d)², is taken. Without a baseline that is d⁴/std² + 14 d² + 15 std². With the expected cost
    d² + std² for a baseline it is 8 d² + 10 std², and least, 8 d² + 6 std², with b = d² + 3 std².
    """
    return (d**2 - baseline) ** 2 / std**2 + 8 * d**2 + 6 * (d**2 - baseline) + 15 * std**2


def batch_variance(d: Any, std: Any, n: int, estimator: str) -> Any:
    """Of the gradient of a batch of n draws, which is what `Expectation` takes a step along.

    By reparameterisation the draws do not know of each other: 4 std²/n. By the score function, with the mean cost of the others for a
    baseline, two things are added to (8 d² + 10 std²)/n: the baseline scatters, by Var[cost]/(n − 1) = (4 d² std² + 2 std⁴)/(n − 1), times
    E[(ε/std)²] = 1/std²; and any two draws n ≠ m share cost[n] cost[m] ε[n] ε[m]/std², whose mean is (2 d)², in both of their
    baselines, over (n − 1)². Together they make (8 d² + 2 std²)/(n − 1)/n.
    """
    if estimator == "reparameterisation":
        return reparameterisation_variance(std) / n
    return (score_variance(d, std, d**2 + std**2) + (8 * d**2 + 2 * std**2) / (n - 1)) / n


# ---- further reading: what is refused ------------------------------------------------------------


def expect_probabilities(function: str, name: str, p: Array, axis: int | tuple[int, ...] | None = None) -> None:
    """Kolmogorov's first two axioms: raise ValueError if an entry is below 0, or the sum (along the axis) is not 1.

    A sum may be off by 1e-3: rounding is forgiven, counts that nobody has divided by their number are not.
    """
    expect_array(function, name, p)
    if (p < 0).any():
        raise ValueError(f"{function}: {name} must not be below 0, got {p.min()}")
    total = p.sum(axis=axis)
    wrong = np.extract(~(abs(total - 1) <= 1e-3), total)
    if wrong.size:
        raise ValueError(f"{function}: the probabilities in {name} must add up to 1, got {wrong[0]}; divide counts by their sum first")


def expect_table(function: str, p: Array) -> None:
    """Raise TypeError or ValueError unless all entries of p together are probabilities."""
    expect_probabilities(function, "p", p)


def expect_event(function: str, name: str, event: Array, p: Array) -> None:
    """Raise TypeError or ValueError unless the event says True or False of each outcome."""
    if not isinstance(event, np.ndarray) or not np.issubdtype(event.dtype, np.bool_):
        raise TypeError(f"{function}: {name} must be an array of True and False, got {getattr(event, 'dtype', type(event).__name__)}")
    expect_same_shape(function, name, event, "p", p)


def expect_samples(function: str, x: Array) -> None:
    """Raise TypeError or ValueError unless x is an array of floating point samples along its first axis."""
    expect_array(function, "x", x)
    if x.ndim == 0:
        raise ValueError(f"{function}: x must have an axis of samples, got a single number")


def expect_normal(function: str, mean: Array, std: Array, name: str, x: Array) -> None:
    """Raise TypeError or ValueError unless std is above 0 and mean and std broadcast to the shape of x."""
    expect_array(function, name, x)
    for other, value in (("mean", mean), ("std", std)):
        expect_array(function, other, value, x.dtype)
        if value.ndim > x.ndim or any(size not in (1, n) for size, n in zip(value.shape[::-1], x.shape[::-1], strict=False)):
            raise ValueError(f"{function}: {other} must broadcast to the shape {x.shape} of {name}, got {value.shape}")
    if (std <= 0).any():
        raise ValueError(f"{function}: std must be above 0, got {std.min()}")
