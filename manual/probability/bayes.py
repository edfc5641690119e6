"""Bayes: what to believe after having seen, by hand.

If you gave up on mathematics somewhere before this: one person in a hundred has a disease. A test finds 90 of 100 who have it, and wrongly
accuses 9 of 100 who do not. Your test says yes. How probable is it that you have it? Count 1,000 people: 10 have it, and 9 of them
are found; 990 do not, and 89 of them are accused. So 98 are told yes, and 9 of these have it: not 90 %, but 9 %. That is all of *Bayes'
theorem*: what was believed before (the *prior*) times how well it explains what was seen (the *likelihood*), and then divided by the
sum over all that could be true (the *evidence*), so that it adds up to 1 again (the *posterior*).

In a network the hypotheses are its weights. The prior says that large weights are improbable; the weights with the largest posterior
(MAP, *maximum a posteriori*) are those of weight decay: ridge regression is Bayes with a bell curve as its prior.

    posterior            p(h | x) = p(h) p(x | h) / p(x)             of each hypothesis h, after x was seen
    evidence             p(x) = Σ p(h) p(x | h)                      how well the whole model foretold x
    MAP                  the h of the largest posterior              the most likely one, if the prior is flat

**On paper.** The test, with ill and well for h, and a yes for x:

    h       prior p(h)    likelihood p(yes | h)    prior · likelihood    posterior
    ill        0.01               0.9                    0.009           0.009/0.0981 = 0.092
    well       0.99               0.09                   0.0891          0.0891/0.0981 = 0.908
                                            evidence p(yes) = 0.0981

    >>> prior, yes = np.array([0.01, 0.99]), np.array([0.9, 0.09])
    >>> float(evidence(prior, yes).round(4)), posterior(prior, yes).round(3).tolist()
    (0.0981, [0.092, 0.908])

And a weight: one row, x = 1 and y = 2, a line W x without b. The data alone say W = 2. Let y scatter around the line with scale = 1,
and W around 0 with prior_scale = 1. Up to constants −log posterior is (2 − W)²/2 + W²/2, and its slope −(2 − W) + W = 2 W − 2 is 0 at
W = 1: half way between what the data want and what the prior wants.

    >>> one = np.ones(())
    >>> dL_dW, _ = negative_log_posterior_backward(1.0, np.ones((1, 1)), 2 * np.ones((1, 1)), np.ones((1, 1)), np.zeros(1), one, one, 1)
    >>> dL_dW.tolist()
    [[0.0]]

**MAP of a line is ridge.** With y[n] from Normal(ŷ[n], scale) and W[i] from Normal(0, prior_scale), and N rows, −log posterior is, over N,

    L = mean of (ŷ − y)²/(2 scale²) + ΣW²/(2 N prior_scale²) + constants = 1/(2 scale²) · (mean of (ŷ − y)² + alpha ΣW²) + constants

which is ridge's loss with **alpha = scale²/(N prior_scale²)**; scikit-learn's alpha, a price for the sum over rows, is N times that. The
more rows, the less the prior weighs.

What to look at in the figures: the surprise of the test; ridge's weights, and how sure they are.

Sources: Bayes 1763; Bishop, Pattern Recognition and Machine Learning, sections 1.2, 2.1, 2.3, 3.3; MacKay 1992, "Bayesian interpolation".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_ndim, expect_same_shape, expect_size
from manual.probability.distributions import expect, normal_log_prob, normal_log_prob_backward
from manual.probability.likelihood import expect_data, expect_zeros_and_ones, normal_nll, normal_nll_backward

Array = np.ndarray


# ---- a table of hypotheses -----------------------------------------------------------------------


def evidence(prior: Array, likelihood: Array) -> Array:
    """p(x) = Σₕ p(h) p(x | h): how probable the data were, before it was known which h is true.

    Shapes: prior (H,); likelihood (..., H), one row for each thing that could be seen; the result (...).

    Raises:
        ValueError: if a number is negative, or there is not one prior for each hypothesis.
    """
    expect_table("evidence", prior, likelihood)
    return likelihood @ prior  # (..., H) @ (H,)


def evidence_backward(dL_dy: Array, prior: Array, likelihood: Array) -> tuple[Array, Array]:
    """Each term is a product: ∂p(x)/∂p(h) = p(x | h), ∂p(x)/∂p(x | h) = p(h)."""
    dL_dy = np.asarray(dL_dy)[..., None]  # (..., 1)
    dL_dprior = (dL_dy * likelihood).reshape(-1, len(prior)).sum(axis=0)  # summed over all rows: (H,)
    return dL_dprior, dL_dy * prior  # (..., 1) times (H,)


def posterior(prior: Array, likelihood: Array) -> Array:
    """p(h | x) = p(h) p(x | h) / p(x), which adds up to 1 over h. Shapes: prior (H,), likelihood and the result (..., H).

    Raises:
        ValueError: as `evidence`; or if the data are impossible under every hypothesis that is not: 0/0 says nothing.
    """
    expect_table("posterior", prior, likelihood)
    p = evidence(prior, likelihood)[..., None]  # (..., 1)
    if (p == 0).any():
        raise ValueError("posterior: likelihood must be above 0 for some h with a prior above 0, or nothing can explain what was seen")
    return prior * likelihood / p


def posterior_backward(dL_dy: Array, prior: Array, likelihood: Array) -> tuple[Array, Array]:
    """y[h] = j[h]/Σj with j = prior · likelihood, so ∂L/∂j[h] = (∂L/∂y[h] − Σ ∂L/∂y · y)/Σj: what all would gain alike is divided away."""
    y, p = posterior(prior, likelihood), evidence(prior, likelihood)[..., None]  # (..., H) and (..., 1)
    dL_dj = (dL_dy - (dL_dy * y).sum(axis=-1, keepdims=True)) / p  # (..., H)
    return (dL_dj * likelihood).reshape(-1, len(prior)).sum(axis=0), dL_dj * prior


# ---- a line: MAP and ridge -----------------------------------------------------------------------


def negative_log_posterior(x: Array, y: Array, W: Array, b: Array, scale: Any, prior_scale: Any, rows: int) -> Any:
    """L = −(mean over rows of log Normal(y; x W + b, scale)) − Σ log Normal(W; 0, prior_scale)/rows. b has a flat prior.

    Args:
        x: (N, D).
        y: (N, 1).
        W: (D, 1).
        b: (1,).
        scale: how far y scatters around the line, ().
        prior_scale: how large weights are expected to be, ().
        rows: how many there are in all batches together: each brings its part of the prior with it.
    """
    prior = normal_log_prob(W, np.zeros_like(prior_scale), prior_scale)  # (D, 1)
    return normal_nll(x @ W + b, scale, y) - prior.sum() / rows  # (N, D) @ (D, 1) + (1,)


def negative_log_posterior_backward(
    dL_dloss: Any, x: Array, y: Array, W: Array, b: Array, scale: Any, prior_scale: Any, rows: int
) -> tuple[Array, Array]:
    """∂L/∂W and ∂L/∂b: what the data want, and for W what the prior wants, W/(prior_scale² rows). The rest is given."""
    dL_dy_hat, _, _ = normal_nll_backward(dL_dloss, x @ W + b, scale, y)  # (N, 1)
    dL_dprior = np.full_like(W, -dL_dloss / rows)  # (D, 1)
    dL_dW, _, _ = normal_log_prob_backward(dL_dprior, W, np.zeros_like(prior_scale), prior_scale)  # (D, 1)
    return x.T @ dL_dy_hat + dL_dW, dL_dy_hat.sum(axis=0)  # (D, N) @ (N, 1), and summed over rows: (1,)


def ridge_alpha(scale: Any, prior_scale: Any, rows: int) -> Any:
    """alpha = scale²/(N prior_scale²): the price of ridge regression that this prior is."""
    return scale**2 / (rows * prior_scale**2)


# ---- what is trained -----------------------------------------------------------------------------


class Bayes(Concept):
    """The MAP of a line: W and b that have the largest posterior, found by gradient descent on L = −log posterior / N.

    Nobody needs to walk there, `weight_posterior` has the place at once. A network's MAP is found in no other way.

    Args:
        features: D, the numbers that are known of each example.
        rows: N, how many rows there are in all batches together.
        scale: how far y scatters around the line.
        prior_scale: how large weights are expected to be.
        lr: the step size.
        momentum: how much of the last step is kept.
        rng: draws the initial weights from the prior.
        dtype: of the parameters.

    Shapes: x (N, D), y (N, 1), W (D, 1), b (1,).

    Raises:
        ValueError: if a scale is not above 0, or rows is below 1.
    """

    def __init__(
        self,
        features: int = 10,
        rows: int = 354,
        scale: float = 0.7,
        prior_scale: float = 0.2,
        lr: float = 0.2,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if not (scale > 0 and prior_scale > 0 and rows >= 1):
            raise ValueError(f"Bayes: scale and prior_scale must be above 0 and rows at least 1, got {scale}, {prior_scale} and {rows}")
        self.rows, self.lr, self.momentum = rows, lr, momentum
        self.scale, self.prior_scale = np.array(scale, dtype), np.array(prior_scale, dtype)
        self.W = Parameter(normal((features, 1), 0.0, prior_scale, rng=rng, dtype=dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def forward(self, x: Array) -> Array:
        """The prediction."""
        return x @ self.W + self.b  # (N, D) @ (D, 1) + (1,)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        loss = negative_log_posterior(x, y, self.W.data, self.b.data, self.scale, self.prior_scale, self.rows)
        self.save(x, y)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, y = self.restore()
        W, b = self.W.data, self.b.data
        dL_dW, dL_db = negative_log_posterior_backward(dL_dloss, x, y, W, b, self.scale, self.prior_scale, self.rows)
        self.W.grad += dL_dW
        self.b.grad += dL_db

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The likelihood alone: how probable the held-out numbers are around the line."""
        x, y = batch
        self.log("loss/val", normal_nll(self(x), self.scale, y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: how sure the weights are ---------------------------------------------------
#
# What is left of doubt is a bell around the MAP whose covariance is the inverse of N times the second derivatives of L.


def weight_posterior(x: Array, y: Array, scale: Any, prior_scale: Any) -> tuple[Array, Array]:
    """Mean and covariance of the posterior of [W; b], a bell in D + 1 dimensions. Its mean is its top, the MAP.

    −log posterior is a bowl, N L, so the posterior is a Normal whose inverse covariance is the curvature of that bowl.
    Shapes: x (N, D), y (N, 1), the mean (D + 1,), the covariance (D + 1, D + 1).
    """
    from manual.regression import ridge

    alpha = ridge_alpha(scale, prior_scale, len(x))
    W, b = ridge.solution(x, y, alpha)
    precision = len(x) * ridge.hessian(x, alpha) / (2 * scale**2)
    return np.append(W, b), np.linalg.inv(precision)


# ---- further reading: conjugate priors: a coin ---------------------------------------------------
#
#     Beta and Bernoulli   Beta(a, b) becomes Beta(a + k, b + n − k)   k ones in n: the prior counts like throws seen before
#
# *Conjugate* means that the posterior has the prior's form, here and for the length below: all that Bayes does is to change two numbers.
# The evidence has a closed form too, and its slope in the prior's parameters tells which prior would have foretold the data better.


def beta_bernoulli_posterior(x: Array, concentration1: Array, concentration0: Array) -> tuple[Array, Array]:
    """The concentrations of the Beta after having seen the throws x: every one adds 1 to the first, every zero 1 to the second.

    Shapes: x (n,); the concentrations any, both alike. With no throws the posterior is the prior.

    Raises:
        ValueError: if a concentration is not above 0, or x holds anything but 0 and 1.
    """
    k, rest = seen("beta_bernoulli_posterior", x, concentration1, concentration0)
    return concentration1 + k, concentration0 + rest


def beta_bernoulli_map(x: Array, concentration1: Array, concentration0: Array) -> Array:
    """The p of the largest posterior: (a − 1)/(a + b − 2) of Beta(a, b). Of the flat prior Beta(1, 1) it is k/n, the most likely p.

    Raises:
        ValueError: as above; or if a or b is at most 1 after the throws: the density then has no top inside.
    """
    a, b = beta_bernoulli_posterior(x, concentration1, concentration0)
    if not ((a > 1) & (b > 1)).all():
        raise ValueError(f"beta_bernoulli_map: the posterior must have a top inside 0 to 1, got Beta({a}, {b})")
    return (a - 1) / (a + b - 2)


def beta_bernoulli_log_evidence(x: Array, concentration1: Array, concentration0: Array) -> Array:
    """y = log B(a + k, b + n − k) − log B(a, b): the likelihood of exactly these throws, averaged over all p that the prior expects.

    It is an integral of p^(a + k − 1) (1 − p)^(b + n − k − 1), which is what the beta function B is.
    """
    from scipy.special import betaln

    k, rest = seen("beta_bernoulli_log_evidence", x, concentration1, concentration0)
    return betaln(concentration1 + k, concentration0 + rest) - betaln(concentration1, concentration0)


def beta_bernoulli_log_evidence_backward(dL_dy: Array, x: Array, concentration1: Array, concentration0: Array) -> tuple[Array, Array]:
    """log B(a, b) = log Γ(a) + log Γ(b) − log Γ(a + b), and ψ is the slope of log Γ:

    ∂y/∂a = ψ(a + k) − ψ(a) − (ψ(a + b + n) − ψ(a + b)), and likewise for b. x is data, and gets no gradient.
    """
    from scipy.special import psi

    k, rest = seen("beta_bernoulli_log_evidence", x, concentration1, concentration0)
    total = concentration1 + concentration0
    both = psi(total + k + rest) - psi(total)
    dL_d1 = dL_dy * (psi(concentration1 + k) - psi(concentration1) - both)
    dL_d0 = dL_dy * (psi(concentration0 + rest) - psi(concentration0) - both)
    return dL_d1, dL_d0


# ---- further reading: conjugate priors: a length, measured again and again -----------------------
#
#     Normal and Normal    1/s² = 1/τ² + n/σ²,  loc = s² (μ/τ² + Σx/σ²)     precisions (one over the variance) add up
#
# σ and τ are standard deviations here: σ is `scale`, of each measurement, and τ is `prior_scale`; μ is `prior_loc`.


def normal_normal_posterior(x: Array, scale: Array, prior_loc: Array, prior_scale: Array) -> tuple[Any, Any]:
    """loc and scale of what is believed of a mean, after having seen x from Normal(mean, scale).

    The precision of the prior, 1/τ², and those of the n measurements, 1/σ² each, add up; loc is the mean of μ and all of x, weighted by
    them. It is also the MAP: the top of a bell curve is its middle. Shapes: x (n,), all others (...).

    Raises:
        ValueError: if a scale is not above 0, or the shapes differ.
    """
    expect_scales("normal_normal_posterior", x, scale, prior_loc, prior_scale)
    precision = 1 / prior_scale**2 + len(x) / scale**2
    return (prior_loc / prior_scale**2 + x.sum() / scale**2) / precision, 1 / np.sqrt(precision)


def normal_normal_posterior_backward(
    dL_dloc: Any, dL_ds: Any, x: Array, scale: Array, prior_loc: Array, prior_scale: Array
) -> tuple[Any, Any, Any]:
    """s = (1/τ² + n/σ²)^(−1/2), and a mean moves towards what weighs more. With t = 1/τ² and q = 1/σ²,

    ∂loc/∂t = s² (μ − loc)        ∂loc/∂q = s² Σ(x − loc)        ∂loc/∂μ = s² t        ∂s/∂t = −s³/2        ∂s/∂q = −n s³/2

    and ∂t/∂τ = −2/τ³, ∂q/∂σ = −2/σ³. x is data, and gets no gradient.
    """
    loc, s = normal_normal_posterior(x, scale, prior_loc, prior_scale)
    dL_dt = dL_dloc * s**2 * (prior_loc - loc) - dL_ds * s**3 / 2
    dL_dq = dL_dloc * s**2 * (x.sum() - len(x) * loc) - dL_ds * len(x) * s**3 / 2
    return -2 * dL_dq / scale**3, dL_dloc * s**2 / prior_scale**2, -2 * dL_dt / prior_scale**3


def normal_normal_log_evidence(x: Array, scale: Array, prior_loc: Array, prior_scale: Array) -> Any:
    """y = log p(x), averaged over all means that the prior expects: x is then Normal in n dimensions, all shifted by one unknown mean.

    With S = Σ(x − μ) and v = σ² + n τ², which is n times the variance that S/n, the mean's distance from μ, was expected to have,

    y = −Σ(x − x̄)²/(2σ²) − S²/(2 n v) − (n − 1) log σ − ½ log v − n log √(2π)

    The first term asks whether the x lie as far from one another as σ says, the second whether their mean lies where it was expected.
    Shapes and errors as above; y (...).
    """
    from manual.probability.distributions import HALF_LOG_2PI

    expect_scales("normal_normal_log_evidence", x, scale, prior_loc, prior_scale)
    n, spread, _, off, v = sums(x, scale, prior_loc, prior_scale)
    return -spread / (2 * scale**2) - off / (2 * v) - (n - 1) * np.log(scale) - np.log(v) / 2 - n * HALF_LOG_2PI


def normal_normal_log_evidence_backward(dL_dy: Any, x: Array, scale: Array, prior_loc: Array, prior_scale: Array) -> tuple[Any, Any, Any]:
    """From ∂S/∂μ = −n, ∂v/∂σ = 2σ and ∂v/∂τ = 2 n τ:

    ∂y/∂σ = Σ(x − x̄)²/σ³ + σ S²/(n v²) − (n − 1)/σ − σ/v        ∂y/∂μ = S/v        ∂y/∂τ = n τ (S²/(n v) − 1)/v

    The last is 0 where the prior is as wide as the mean of x was off: S²/n² = v/n = τ² + σ²/n. x is data, and gets no gradient.
    """
    n, spread, S, off, v = sums(x, scale, prior_loc, prior_scale)
    dy_dscale = spread / scale**3 + scale * off / v**2 - (n - 1) / scale - scale / v
    return dL_dy * dy_dscale, dL_dy * S / v, dL_dy * prior_scale * n * (off / v - 1) / v


def sums(x: Array, scale: Array, prior_loc: Array, prior_scale: Array) -> tuple[int, Any, Any, Any, Any]:
    """n, Σ(x − x̄)², S, S²/n and v; the last three have the shape of prior_loc. With no x all but v are 0."""
    n, at_least_1 = len(x), max(len(x), 1)
    spread = ((x - x.sum() / at_least_1) ** 2).sum()
    S = (x - prior_loc[..., None]).sum(axis=-1)  # (..., n) summed over n
    return n, spread, S, S**2 / at_least_1, scale**2 + n * prior_scale**2


# ---- further reading: naive Bayes, a classifier that counts pixels -------------------------------
#
#     naive Bayes          log p(c) + Σ over pixels of log p(x | c)    as if every pixel were thrown on its own
#
# Smoothing. A pixel that was never lit in any 3 has p = 0, and one stray dot makes 3 impossible: −∞. Adding alpha to the counts of lit
# and unlit (Laplace) is to hold Beta(alpha, alpha) as a prior for each pixel, and take the posterior's mean.


def naive_bayes_fit(x: Array, y: Array, classes: int, alpha: float = 1.0) -> tuple[Array, Array]:
    """log p(c) and p(pixel is lit | c), by counting. alpha lit and alpha unlit ones are added to each class (Laplace's smoothing).

    Args:
        x: (N, D), 0 and 1.
        y: (N,), the classes.
        classes: C, the answers that there are to choose from.
        alpha: 0 for none.

    Returns:
        log_prior (C,), −∞ for a class without rows; probs (C, D).

    Raises:
        ValueError: if there are no rows, x holds anything but 0 and 1, alpha is negative, or alpha is 0 and a class has no rows.
        IndexError: if a class is not in 0 to C − 1.
    """
    from manual.nn.validate import expect_indices

    expect_array("naive_bayes_fit", "x", x)
    expect_ndim("naive_bayes_fit", "x", x, 2)
    if len(x) == 0:
        raise ValueError(f"naive_bayes_fit: x must have at least one row, got shape {x.shape}")
    expect_zeros_and_ones("naive_bayes_fit", x)
    expect_indices("naive_bayes_fit", "y", y, classes, "classes")
    expect_size("naive_bayes_fit", "y", y, 0, len(x), "rows of x")
    rows = np.bincount(y, minlength=classes).astype(x.dtype)  # (C,)
    if not (alpha > 0 or (alpha == 0 and (rows > 0).all())):
        raise ValueError(f"naive_bayes_fit: alpha must be above 0, or 0 if every class has rows, got {alpha} and {rows.tolist()}")
    lit = np.stack([x[y == c].sum(axis=0) for c in range(classes)])  # (C, D)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is meant
        return np.log(rows / len(x)), (lit + alpha) / (rows[:, None] + 2 * alpha)


def naive_bayes_log_joint(x: Array, log_prior: Array, probs: Array) -> Array:
    """y[n, c] = log p(c) + Σ over pixels of x log p + (1 − x) log(1 − p): how probable the class and the picture are together.

    What cannot be is −∞: a class that was never seen, a lit pixel that never was.
    Shapes: x (N, D), log_prior (C,), probs (C, D), y (N, C).
    """
    from scipy.special import xlog1py, xlogy

    pixels = x[:, None, :]  # (N, 1, D)
    return log_prior + (xlogy(pixels, probs) + xlog1py(1 - pixels, -probs)).sum(axis=2)  # (C,) + (N, C, D) summed over pixels


def naive_bayes_log_joint_backward(dL_dy: Array, x: Array, log_prior: Array, probs: Array) -> tuple[Array, Array]:
    """∂y[n, c]/∂log p(c) = 1, ∂y[n, c]/∂p[c, d] = x/p − (1 − x)/(1 − p), the score of a coin. x is data, and gets no gradient."""
    pixels = x[:, None, :]  # (N, 1, D)
    with np.errstate(divide="ignore", invalid="ignore"):  # p = 0 or 1: ∞ or NaN, as in torch (xlogy)
        score = pixels / probs - (1 - pixels) / (1 - probs)  # (N, C, D)
        dL_dprobs = (dL_dy[:, :, None] * score).sum(axis=0)  # (N, C, 1) times (N, C, D), summed over rows: (C, D)
    return dL_dy.sum(axis=0), dL_dprobs


def naive_bayes_log_posterior(x: Array, log_prior: Array, probs: Array) -> Array:
    """log p(c | x): the joint, less the logarithm of its sum over classes. NaN if no class can explain x. Shapes: (N, C)."""
    from manual.nn.functional import log_softmax

    return log_softmax(naive_bayes_log_joint(x, log_prior, probs), axis=1)


# ---- further reading: what is refused ------------------------------------------------------------


def expect_table(function: str, prior: Array, likelihood: Array) -> None:
    """Raise unless there is one prior and one likelihood for each hypothesis, none of them negative."""
    expect(function, "prior", prior, prior >= 0, "be at least 0")
    expect(function, "likelihood", likelihood, likelihood >= 0, "be at least 0")
    expect_ndim(function, "prior", prior, 1)
    expect_size(function, "likelihood", likelihood, -1, len(prior), "hypotheses")


def seen(function: str, x: Array, concentration1: Array, concentration0: Array) -> tuple[int, int]:
    """How many of the throws are 1, and how many 0."""
    expect_data(function, x)
    expect_zeros_and_ones(function, x)
    expect(function, "concentration1", concentration1, concentration1 > 0, "be above 0")
    expect(function, "concentration0", concentration0, concentration0 > 0, "be above 0")
    k = int(x.sum(dtype=np.float64))
    return k, len(x) - k


def expect_scales(function: str, x: Array, scale: Array, prior_loc: Array, prior_scale: Array) -> None:
    """Raise unless x is a list of numbers, both scales are above 0, and all but x have one shape."""
    expect_data(function, x)
    expect_array(function, "prior_loc", prior_loc, x.dtype)
    expect(function, "scale", scale, scale > 0, "be above 0")
    expect(function, "prior_scale", prior_scale, prior_scale > 0, "be above 0")
    expect_same_shape(function, "scale", scale, "prior_loc", prior_loc)
    expect_same_shape(function, "prior_scale", prior_scale, "prior_loc", prior_loc)
