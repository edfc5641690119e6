"""Softmax without overflow: scores become probabilities, and the computer's numbers suffice, by hand.

A network that has to choose among classes gives each of them a score z, any number. Softmax makes probabilities of them: take e to the
power of each score (now all are above 0), and divide by their sum (now they add up to 1). It is the last step of every classifier and of
every language model, and stands inside of every attention. On paper that is all. A computer has one more thing to say: e¹⁰⁰⁰ has 435
digits, and the largest number that fits has 309. It calls everything above ∞, and ∞/∞ is not a number (NaN). One NaN makes every weight
NaN at the next step, and the training is lost. The remedy is one subtraction.

With sums over the classes of one row,

    softmax         p[k] = exp(z[k]) / s          s = Σⱼ exp(z[j])
    log-sum-exp     y = log s                     near the largest score: max z ≤ y ≤ max z + log K, with K classes
    log-softmax     log p[k] = z[k] − y
    cross-entropy   L = −log p[c]                 c the right class; the mean over rows

**On paper.** The scores log 1 and log 3 have the powers 1 and 3, and p = (¼, ¾). Now add 1000 to both: the powers are numbers no more.
But e^(z − m) is e^z over e^m. Subtract the larger score, and each power is a third of what it was, and their sum too:

    z = (log 1, log 3)                1, 3        s = 4            p = (¼, ¾)
    z less the larger = (−log 3, 0)   ⅓, 1        s = 1⅓           p = (⅓ / 1⅓, 1 / 1⅓) = (¼, ¾)          the same
    the first class is right          L = −log ¼ = log 4           ∂L/∂z = p − y = (¼ − 1, ¾ − 0) = (−¾, ¾)

    >>> z = np.log([[1.0, 3.0]])
    >>> softmax(z + 1000).round(9).tolist(), naive_softmax(z + 1000).tolist()
    ([[0.25, 0.75]], [[nan, nan]])
    >>> float(np.exp(cross_entropy(z, np.array([0]))).round(9))
    4.0
    >>> cross_entropy_backward(1.0, z, np.array([0])).round(9).tolist()
    [[-0.75, 0.75]]

**Subtracting the maximum changes nothing, and saves everything.** For any number m,

    exp(z[k] − m) / Σⱼ exp(z[j] − m) = exp(−m) exp(z[k]) / (exp(−m) s) = p[k]
    m + log Σⱼ exp(z[j] − m) = m + log(exp(−m) s) = log s

With m = max z the largest power is e⁰ = 1. So nothing overflows, s lies between 1 and K, and what underflows to 0 is less than the last
digit of s. The naive forms leave the numbers at

    exp(z) = ∞ for z above 88.72 in float32, 709.78 in float64: p = ∞/∞ = NaN
    exp(z) = 0 for z below −103.97 in float32, −745.13 in float64: log 0 = −∞, and 0/0 = NaN if it is so in the whole row

**The gradients** are the same in either form. Differentiate log p[k] = z[k] − log Σⱼ exp(z[j]), and p from it (∂p = p ∂log p):

    ∂y/∂z[j] = exp(z[j]) / s = p[j]                the gradient of log-sum-exp is softmax
    ∂p[k]/∂z[j] = p[k] (δₖⱼ − p[j])                 δₖⱼ is 1 where k = j, else 0

A backward pass needs the upstream gradient g times that:

    log-sum-exp     g p
    softmax         p (g − Σ g p)                  g, less its mean under p
    cross-entropy   p − y                          y is 1 at the right class, 0 elsewhere

Sources: Bridle 1990 (softmax); Blanchard, Higham & Higham 2021, "Accurately computing the log-sum-exp and softmax functions".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import log_softmax, logsumexp, softmax
from manual.nn.validate import expect_choice
from manual.probability import likelihood
from manual.regression import softmax_regression
from manual.regression.softmax_regression import softmax_jacobian

Array = np.ndarray


# ---- as it stands on paper -----------------------------------------------------------------------


def naive_softmax(z: Array, axis: int = -1) -> Array:
    """p = exp(z) / s, with s = Σ exp(z). Where exp(z) overflows, p is ∞/∞ = NaN; where a whole row underflows, 0/0 = NaN."""
    with np.errstate(over="ignore", invalid="ignore"):  # ∞ and NaN are what is to be seen
        e = np.exp(z)
        return e / e.sum(axis=axis, keepdims=True)  # (..., K) over (..., 1)


def naive_softmax_backward(dL_dp: Array, z: Array, axis: int = -1) -> Array:
    """The formula is that of `softmax_backward`, with a p that may be NaN."""
    return through_softmax(dL_dp, naive_softmax(z, axis), axis)


def naive_logsumexp(z: Array, axis: int = -1) -> Array:
    """y = log s, with s = Σ exp(z). Where one exp(z) overflows it is ∞; where all underflow, −∞. Shapes: z (..., K), y (...)."""
    with np.errstate(over="ignore", divide="ignore"):  # ∞ and log 0 = −∞ are what is to be seen
        return np.log(np.exp(z).sum(axis=axis))


def naive_logsumexp_backward(dL_dy: Array, z: Array, axis: int = -1) -> Array:
    """∂y/∂z = exp(z)/s, which is `naive_softmax`."""
    return np.expand_dims(dL_dy, axis) * naive_softmax(z, axis)  # (..., 1) times (..., K)


def naive_cross_entropy(z: Array, c: Array) -> Any:
    """L = mean over n of −log p[n, c[n]], with p = exp(z)/s. Shapes: z (N, K), c (N,), L ().

    Raises: as `expect_scores`.
    """
    expect_scores("naive_cross_entropy", z, c)
    p = naive_softmax(z)[np.arange(len(z)), c]  # (N,)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is what is to be seen
        return -np.log(p).mean()


def naive_cross_entropy_backward(dL_dl: Any, z: Array, c: Array) -> Array:
    """∂L/∂p[n, k] = −1/(N p[n, k]) at the right class, 0 elsewhere; and back through p. Classes have no gradient."""
    right = np.arange(len(z)), c
    dL_dp = np.zeros_like(z)  # (N, K)
    with np.errstate(divide="ignore", invalid="ignore"):  # ∞ and NaN are what is to be seen
        dL_dp[right] = -dL_dl / (len(z) * naive_softmax(z)[right])  # (N,)
        return naive_softmax_backward(dL_dp, z)


# ---- less the maximum: softmax, log_softmax and logsumexp are those of manual/nn/functional.py -----


def softmax_backward(dL_dp: Array, z: Array, axis: int = -1) -> Array:
    """∂L/∂z = p (g − Σ g p), with g = ∂L/∂p. It adds up to 0 along the row: a number added to all scores changes no p.

    The Jacobian diag(p) − p pᵀ is its own transpose, so this is also how p moves when z moves along g.
    """
    return through_softmax(dL_dp, softmax(z, axis), axis)


def through_softmax(dL_dp: Array, p: Array, axis: int) -> Array:
    """g times the Jacobian diag(p) − p pᵀ: p (g − Σ g p)."""
    mean = (dL_dp * p).sum(axis=axis, keepdims=True)  # (..., 1): g's mean under p, one for each row
    return p * (dL_dp - mean)  # (..., K)


def cross_entropy(z: Array, c: Array) -> Any:
    """L = mean over n of −log p[n, c[n]], by `log_softmax`. Shapes: z (N, K), c (N,), L ().

    Raises: as `expect_scores`.
    """
    expect_scores("cross_entropy", z, c)
    return likelihood.cross_entropy(log_softmax(z), c)


def cross_entropy_backward(dL_dl: Any, z: Array, c: Array) -> Array:
    """∂L/∂log p is −y/N, with y 1 at the right class and 0 elsewhere; through log-softmax that becomes (p − y)/N."""
    return softmax_regression.cross_entropy_backward(dL_dl, z, c)


# ---- what is trained -----------------------------------------------------------------------------

FORMS = {
    "stable": (cross_entropy, cross_entropy_backward),
    "naive": (naive_cross_entropy, naive_cross_entropy_backward),
}
"""The two forms of the loss: one function on paper."""


class Classifier(Concept):
    """p = softmax(x W + b), trained on the cross-entropy in either form. On paper the forms are one, and so are the two trainings.

    The loss is convex in W and b, so wherever one begins there is one end. Both begin at 0, where all classes are as probable.

    Args:
        features: D, the numbers that are known of each example.
        classes: K, the answers that there are to choose from.
        form: "stable" or "naive".
        lr: the step size.
        rng: not needed: nothing is drawn.
        dtype: of the parameters.

    Shapes: x (N, D), the scores z (N, K), c (N,) integers, W (D, K), b (K,).

    Raises:
        ValueError: if there is no such form.
    """

    def __init__(
        self,
        features: int = 2,
        classes: int = 3,
        form: str = "stable",
        lr: float = 0.4,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Classifier", "form", form, tuple(FORMS))
        self.form, self.lr = form, lr
        self.W = Parameter(np.zeros((features, classes), dtype))
        self.b = Parameter(np.zeros(classes, dtype))

    def forward(self, x: Array) -> Array:
        """The scores z."""
        return x @ self.W + self.b  # (N, D) @ (D, K) + (K,)

    def values(self, x: Array) -> dict[str, Array]:
        """What the loss is made of, by name. When it is NaN, the first of them that is not finite is named."""
        z = self(x)
        if self.form == "stable":
            return {"z": z, "log p": log_softmax(z)}
        with np.errstate(over="ignore"):
            e = np.exp(z)
        return {"z": z, "exp(z)": e, "s": e.sum(axis=1), "p": naive_softmax(z)}

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, c = batch
        z = self(x)
        loss = FORMS[self.form][0](z, c)
        self.save(x, z, c)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, z, c = self.restore()
        dL_dz = FORMS[self.form][1](dL_dloss, z, c)  # (N, K)
        self.W.grad += x.T @ dL_dz  # (D, N) @ (N, K)
        self.b.grad += dL_dz.sum(axis=0)  # (N, K) summed over rows: (K,)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, c = batch
        z = self(x)
        self.log("loss/val", FORMS[self.form][0](z, c), batch_size=len(x))
        self.log("accuracy/val", np.mean(z.argmax(axis=1) == c), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: log-softmax, its digits, second derivatives, and a temperature --------------------
#
# The Jacobians of a row, as matrices (nobody builds them), and the upstream gradient g times each:
#
#     ∂log p[k]/∂z[j] = δₖⱼ − p[j]                    I − 1 pᵀ            g − p Σ g           with g = −y: the p − y of the cross-entropy
#     ∂p[k]/∂z[j] = p[k] (δₖⱼ − p[j])                 diag(p) − p pᵀ      p (g − Σ g p)       it is also the Hessian of log-sum-exp
#
# A masked class has z = −∞: probability 0, and gradient 0. A row of −∞ alone, or one with a +∞, is NaN, as in torch (but its log-sum-exp is
# −∞ or +∞). Ties get equal shares.
#
# Digits. log-softmax is exact for the losers: −800 is found as −800, where log p says log 0 = −∞. For the winner it is exact to eps, but
# not in its relative digits: log p[k] = −e⁻⁴⁰ is found as 0, in torch too, because s = 1 + e⁻⁴⁰ rounds to 1. For two classes −log1p(e⁻⁴⁰)
# keeps them all (`softplus`).
#
# Temperature: p = softmax(z / T). T small: nearly all on the largest; T large: nearly even (Hinton, Vinyals & Dean 2015, "Distilling the
# knowledge in a neural network").


def naive_log_softmax(z: Array, axis: int = -1) -> Array:
    """log p, with p = exp(z)/s. Where p underflows it is −∞."""
    with np.errstate(divide="ignore"):  # log 0 = −∞ is what is to be seen
        return np.log(naive_softmax(z, axis))


def naive_log_softmax_backward(dL_dy: Array, z: Array, axis: int = -1) -> Array:
    """∂L/∂p = ∂L/∂y / p, and back through p. Where one p is 0, that is x/0 · 0 = NaN for the whole row, though only one y was −∞."""
    p = naive_softmax(z, axis)
    with np.errstate(divide="ignore", invalid="ignore"):  # ∞ and NaN are what is to be seen
        return through_softmax(dL_dy / p, p, axis)


def log_softmax_backward(dL_dy: Array, z: Array, axis: int = -1) -> Array:
    """∂L/∂z = g − p Σ g, with g = ∂L/∂y: what the row gains, all its classes pay, each by its probability."""
    total = dL_dy.sum(axis=axis, keepdims=True)  # (..., 1): one for each row
    return dL_dy - softmax(z, axis) * total  # (..., K)


def log_softmax_jvp(z: Array, dz: Array, axis: int = -1) -> Array:
    """How log p moves when z moves along dz: (I − 1 pᵀ) dz = dz − Σ p dz. Shapes: all (..., K)."""
    return dz - (softmax(z, axis) * dz).sum(axis=axis, keepdims=True)


def log_softmax_jacobian(z: Array) -> Array:
    """∂log p[n, k]/∂z[n, j] = δₖⱼ − p[n, j]: for each row the matrix I − 1 pᵀ. Shapes: z (N, K), the result (N, K, K)."""
    return np.eye(z.shape[1], dtype=z.dtype) - softmax(z)[:, None, :]  # (K, K) less (N, 1, K): the same p in each line


def logsumexp_backward(dL_dy: Array, z: Array, axis: int) -> Array:
    """∂y/∂z = exp(z − y) = p, without a division. Shapes: dL_dy (...), z and the result (..., K)."""
    y = logsumexp(z, axis, keepdims=True)  # (..., 1)
    with np.errstate(invalid="ignore"):  # ∞ − ∞ = NaN is what is meant
        return np.expand_dims(dL_dy, axis) * np.exp(z - y)


def logsumexp_hessian(z: Array) -> Array:
    """∂²y/∂z[n, k] ∂z[n, j]: the gradient of y is p, so this is the Jacobian of p, diag(p) − p pᵀ.

    vᵀ H v is the variance of v under p, which is never below 0: log-sum-exp is convex, and so is the cross-entropy of scores that are
    linear in the weights. Shapes: z (N, K), the result (N, K, K).
    """
    return softmax_jacobian(z)


def tempered_softmax(z: Array, T: Array, axis: int = -1) -> Array:
    """p = softmax(z / T). Shapes: z and p (..., K), T ().

    T → 0 puts all on the largest score (equal shares for ties), T → ∞ makes all equal, and a T below 0 prefers the smallest score.
    At T = 0 itself every row is NaN, as in torch: z/0 is ±∞ or NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # z/0 is meant
        return softmax(z / T, axis)


def tempered_softmax_backward(dL_dp: Array, z: Array, T: Array, axis: int = -1) -> tuple[Array, Any]:
    """With u = z/T: ∂u/∂z = 1/T, and ∂u/∂T = −z/T² = −u/T, where T is in every term, so that they add up."""
    with np.errstate(divide="ignore", invalid="ignore"):  # z/0 is meant
        u = z / T  # (..., K)
        dL_du = softmax_backward(dL_dp, u, axis)  # (..., K)
        return dL_du / T, -(dL_du * u).sum() / T  # (..., K), and summed over everything: ()


def expect_scores(function: str, z: Array, c: Array) -> None:
    """Raise unless z are scores, (N, K) with N above 0, and c has one of K classes for each row.

    Raises:
        ValueError: if z and c are not of those shapes, or there are no rows.
        TypeError: if z are no floating point numbers, or c no integers.
        IndexError: if a class is not in 0 to K − 1.
    """
    from manual.nn.validate import expect_array, expect_indices, expect_ndim, expect_size

    expect_array(function, "z", z)
    expect_ndim(function, "z", z, 2)
    if len(z) == 0:
        raise ValueError(f"{function}: z must have at least one row, got shape {z.shape}")
    expect_indices(function, "c", c, z.shape[1], "classes")
    expect_ndim(function, "c", c, 1)
    expect_size(function, "c", c, 0, len(z), "rows of z")
