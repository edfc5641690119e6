"""Summation: the order of a sum decides what it is worth, by hand.

On paper it makes no difference in which order numbers are added. In a computer each addition is rounded, and a small number that is added
to a large one is rounded away. A long sum therefore stops growing: not because its terms end, but because each of them is less than half a
step from one number to the next. Neural networks are made of long sums: every product of matrices, every mean over a batch, every gradient
of a weight that many examples used. Other orders lose less.

What to look at in the figures: sums that stop growing, and the prices that are learned from sums of which half is lost.

    sum_naive       term by term
    sum_pairwise    in pairs, and the pairs in pairs
    sum_kahan       term by term, with a note of what was lost

**On paper.** Three binary digits, as in `rounding`: from 8 on the numbers are 8, 10, 12, 14. Add 8, ¾, ¾ and ¾, which are 10¼.

    term by term    8 + ¾ = 8¾ is rounded to 8. So it is the second time, and the third: 8
    in pairs        8 + ¾ → 8 and ¾ + ¾ = 1½; then 8 + 1½ = 9½ is rounded to 10

*Kahan's sum* keeps the order, but takes down in c what each addition has put in too much, and takes it off the next term:

    s =  8, c =  0      the term ¾ − 0 = ¾      8 + ¾ = 8¾ → 8         c = (8 − 8) − ¾ = −¾: so much too little
    s =  8, c = −¾      ¾ + ¾ = 1½              8 + 1½ = 9½ → 10       c = (10 − 8) − 1½ = ½: so much too much
    s = 10, c =  ½      ¾ − ½ = ¼               10 + ¼ = 10¼ → 10      and 10 is as near to 10¼ as three digits come

    >>> x = np.array([8.0, 0.75, 0.75, 0.75])
    >>> [float(sum_of(x, "float8_e5m2")) for sum_of in (sum_naive, sum_pairwise, sum_kahan)]
    [8.0, 10.0, 10.0]
    >>> sum_naive_backward(np.array(2.0), x, "float8_e5m2").tolist()
    [2.0, 2.0, 2.0, 2.0]

**Backwards.** y = Σ x[n], so ∂y/∂x[n] = 1 for every n, in whatever order the terms are taken: what was lost on the way forward is not seen
on the way back, and the gradient is that of the true sum. A model that is trained on wrong sums is therefore led astray: it is told which
way a true sum would go.

Sources: Higham 2002, Accuracy and Stability of Numerical Algorithms, chapter 4; Kahan 1965, "Further remarks on reducing truncation
errors"; Figueroa 1995, "When is double rounding innocuous?".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.validate import expect_array, expect_choice
from manual.numerics.rounding import FORMATS, Format, format_of, low, nearest, round_to

Array = np.ndarray


# ---- sums ----------------------------------------------------------------------------------------


def sum_naive(x: Array, format: str) -> Array:
    """The sum over the first axis, term by term, each partial sum rounded: s ← round(s + x[n]). Shapes: x (N, ...), y (...).

    The sum of two numbers of the format is rounded once. That torch does it by way of float32 makes no difference here, because float32 has
    more than twice as many digits (Figueroa 1995).

    Raises:
        ValueError: if there is no such format, or x has no axis.
        TypeError: if x is not a floating point array.
    """
    terms, f = terms_of("sum_naive", x, format)
    s = np.zeros(terms.shape[1:])
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN
        for term in terms:
            s = nearest(s + term, f)
    return s.astype(x.dtype)


def sum_naive_backward(dL_dy: Array, x: Array, format: str) -> Array:
    """∂y/∂x[n] = 1 for each n, with the gradient rounded: sums have no other, in whatever order they are taken."""
    return np.ones(x.shape, x.dtype) * round_to(np.asarray(dL_dy), format)  # (N, ...) times (...): to every row


def sum_pairwise(x: Array, format: str) -> Array:
    """The sum over the first axis in pairs, and the pairs in pairs, each sum rounded. Shapes: x (N, ...), y (...).

    Raises:
        ValueError: if there is no such format, or x has no axis.
        TypeError: if x is not a floating point array.
    """
    terms, f = terms_of("sum_pairwise", x, format)
    while len(terms) > 1:
        terms = np.concatenate([terms, np.zeros_like(terms[: len(terms) % 2])])  # a 0 to pair with the last
        with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN
            terms = nearest(terms[0::2] + terms[1::2], f)  # half as many
    return terms.sum(axis=0).astype(x.dtype)  # of one term, or none


def sum_pairwise_backward(dL_dy: Array, x: Array, format: str) -> Array:
    """∂y/∂x[n] = 1 for each n, with the gradient rounded."""
    return np.ones(x.shape, x.dtype) * round_to(np.asarray(dL_dy), format)  # (N, ...) times (...)


def sum_kahan(x: Array, format: str) -> Array:
    """The sum over the first axis with Kahan's correction c: what the last addition put in too much. Shapes: x (N, ...), y (...).

    In exact arithmetic c is always 0.

    Raises:
        ValueError: if there is no such format, or x has no axis.
        TypeError: if x is not a floating point array.
    """
    terms, f = terms_of("sum_kahan", x, format)
    s = c = np.zeros(terms.shape[1:])
    with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN
        for term in terms:
            y = nearest(term - c, f)
            t = nearest(s + y, f)  # the low digits of y are lost here,
            c = nearest(nearest(t - s, f) - y, f)  # and found here: what was added, less what was to be added
            s = t
    return s.astype(x.dtype)


def sum_kahan_backward(dL_dy: Array, x: Array, format: str) -> Array:
    """∂y/∂x[n] = 1 for each n, with the gradient rounded: ∂c/∂x = ∂t/∂x − ∂s/∂x − ∂y/∂x = 0."""
    return np.ones(x.shape, x.dtype) * round_to(np.asarray(dL_dy), format)  # (N, ...) times (...)


def terms_of(function: str, x: Array, format: str) -> tuple[Array, Format]:
    """What is to be added up: x rounded to the format, as float64; and the format."""
    f = format_of(function, format)
    expect_array(function, "x", x)
    if x.ndim == 0:
        raise ValueError(f"{function}: x must have at least 1 axis, got shape ()")
    return low(x, format), f


METHODS = {
    "naive": (sum_naive, sum_naive_backward),
    "pairwise": (sum_pairwise, sum_pairwise_backward),
    "kahan": (sum_kahan, sum_kahan_backward),
}
"""Each sum and its backward."""


# ---- what is trained -----------------------------------------------------------------------------


class Summation(Concept):
    """The prices of a shop, learned from receipts of which only the total is known.

    A receipt lists T things one after the other, x[n, t] saying which kind of thing; y[n] is what they cost together. With a price for each
    kind,

        term[n, t] = price[x[n, t]]
        total[n]   = the sum of term[n] over t, by one of the three methods, each partial sum rounded to the format
        L          = mean over n of ((total[n] − y[n]) / T)²          how far off the mean price of a thing is, squared

        ∂L/∂total[n]   = 2 (total[n] − y[n]) / (T² N)
        ∂L/∂term[n, t] = ∂L/∂total[n]                              by the method's backward, rounded
        ∂L/∂price[k]   = the sum of ∂L/∂term[n, t] over all n and t with x[n, t] = k

    All but the sums is computed in float64.

    Args:
        kinds: how many kinds of things there are.
        method: "naive", "pairwise" or "kahan".
        format: what the partial sums are rounded to: "bfloat16", "float16", "float32", "float8_e5m2", or "float64", which rounds nothing.
        lr: the step size. A power of two makes lr · gradient exact, so that both sides' prices are equal to the last bit.
        momentum: how much of the last step is kept.
        rng: not used: all prices begin at 1.
        dtype: of the prices.

    Shapes: x (N, T) integers 0 to kinds − 1, y (N,), price (kinds,).

    Raises:
        ValueError: if there is no such method or format, or kinds is below 1.
    """

    def __init__(
        self,
        kinds: int = 6,
        method: str = "pairwise",
        format: str = "bfloat16",
        lr: float = 2.0,
        momentum: float = 0.5,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Summation", "method", method, tuple(METHODS))
        expect_choice("Summation", "format", format, tuple(FORMATS))
        if kinds < 1:
            raise ValueError(f"Summation: kinds must be at least 1, got {kinds}")
        self.method, self.format, self.lr, self.momentum = method, format, lr, momentum
        self.price = Parameter(np.ones(kinds, dtype))

    def forward(self, x: Array) -> Array:
        """The total of each receipt, (N,), in float64."""
        terms = self.price.data.astype(np.float64)[x].T  # (T, N): sums run over the first axis
        self.save(x, terms)
        return METHODS[self.method][0](terms, self.format)

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        x, y = batch
        off = (self(x) - y) / x.shape[1]  # (N,)
        loss = (off**2).mean().astype(self.price.dtype)
        self.save(off)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        off = self.restore()
        x, terms = self.restore()
        dL_doff = dL_dloss * 2 * off / len(off)  # (N,)
        dL_dtotal = dL_doff / x.shape[1]  # off is the total's error for each of the T things
        dL_dterms = METHODS[self.method][1](dL_dtotal, terms, self.format)  # (T, N)
        self.price.grad += np.bincount(x.T.ravel(), weights=dL_dterms.ravel(), minlength=len(self.price))  # (T·N,) to (kinds,)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        off = (self(x) - y) / x.shape[1]
        self.log("loss/val", (off**2).mean(), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: how far off a sum is, and differences of nearly equal numbers --------------------
#
# Each of the N − 1 additions of a sum multiplies what it has so far by some 1 + δ with |δ| ≤ u, the unit roundoff. Term by term the first
# x[0] is in all of them; added in pairs, and the pairs in pairs, no term is in more than ⌈log₂ N⌉. To first order in u (Higham 2002,
# chapter 4),
#
#     naive       |error| ≤ (N − 1) u Σ|x|
#     pairwise    |error| ≤ ⌈log₂ N⌉ u Σ|x|
#     Kahan       |error| ≤ 2 u Σ|x|               however many there are; then N u² comes in
#
# Cancellation. A subtraction of nearly equal numbers is exact (Sterbenz: if y/2 ≤ x ≤ 2y), but it removes the digits that were right and
# leaves those that were not. Nothing was lost in it; it lays open what was lost before. With three decimal digits: the variance of 101 and
# 103 is 1. The mean of their squares is (10201 + 10609)/2 = 10405, the square of their mean is 102² = 10404; both are rounded to 10400,
# and the difference is 0. The remedy is another formula, not another order.
#
#     variance_cancelling, variance            a difference of nearly equal numbers, and how to avoid it
#     smaller_root_cancelling, smaller_root    another: the root of an equation
#
# Sources: Higham 2002, chapter 1; Goldberg 1991, "What every computer scientist should know about floating-point arithmetic".


def variance_cancelling(x: Array) -> Any:
    """mean of x² − (mean of x)²: the formula that needs one pass over the data, and cancels where the mean is large. Shapes: x (N,), y ().

    With a mean m and a standard deviation s the two terms are about m², known to m² · epsilon: if s < m √epsilon nothing is left of
    s², and the variance may be negative.

    Raises:
        ValueError: if x is empty, or no list.
        TypeError: if x is not a floating point array.
    """
    expect_list("variance_cancelling", x)
    return (x * x).mean() - x.mean() ** 2


def variance_cancelling_backward(dL_dy: Any, x: Array) -> Array:
    """∂y/∂x[n] = 2 x[n]/N − 2 mean/N. Written so, it cancels as its forward does."""
    return dL_dy * (2 * x / len(x) - 2 * x.mean() / len(x))  # () times (N,)


def variance(x: Array) -> Any:
    """mean of (x − mean)²: first the mean, then the squares of small numbers. Shapes: x (N,), y ().

    Raises:
        ValueError: if x is empty, or no list.
        TypeError: if x is not a floating point array.
    """
    expect_list("variance", x)
    return ((x - x.mean()) ** 2).mean()


def variance_backward(dL_dy: Any, x: Array) -> Array:
    """∂y/∂x[n] = 2 (x[n] − mean)/N. The mean depends on x[n] too, but the sum of all x − mean is 0, and takes that term with it."""
    return dL_dy * 2 * (x - x.mean()) / len(x)  # () times (N,)


def expect_list(function: str, x: Array) -> None:
    """Raise TypeError or ValueError unless x is a list of floating point numbers that is not empty."""
    from manual.nn.validate import expect_ndim

    expect_array(function, "x", x)
    expect_ndim(function, "x", x, 1)
    if len(x) == 0:
        raise ValueError(f"{function}: x must have at least 1 entry, got shape (0,)")


def smaller_root_cancelling(b: Array, c: Array) -> Array:
    """r = (b − √(b² − 4c))/2, the smaller root of r² − b r + c = 0. Where c ≪ b² the root is nearly b, and cancels. Shapes: all alike.

    Raises:
        ValueError: if the shapes differ, a b is not above 0, or there are no two roots.
    """
    return (b - root_of_discriminant("smaller_root_cancelling", b, c)) / 2


def smaller_root_cancelling_backward(dL_dr: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """With d = √(b² − 4c): ∂r/∂b = (1 − b/d)/2 and ∂r/∂c = 1/d. The first cancels as its forward does."""
    d = root_of_discriminant("smaller_root_cancelling", b, c)
    return dL_dr * (1 - b / d) / 2, dL_dr / d


def smaller_root(b: Array, c: Array) -> Array:
    """r = 2c / (b + √(b² − 4c)): the same root. The two roots' product is c, and the larger one does not cancel. Shapes: all alike.

    Raises:
        ValueError: if the shapes differ, a b is not above 0, or there are no two roots.
    """
    return 2 * c / (b + root_of_discriminant("smaller_root", b, c))


def smaller_root_backward(dL_dr: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """r² − b r + c = 0 holds for every b and c. Differentiated: (2r − b) dr − r db + dc = 0, and 2r − b = −d, d = √(b² − 4c). So

    ∂r/∂b = −r/d        ∂r/∂c = 1/d
    """
    r, d = smaller_root(b, c), root_of_discriminant("smaller_root", b, c)
    return -dL_dr * r / d, dL_dr / d


def root_of_discriminant(function: str, b: Array, c: Array) -> Array:
    """d = √(b² − 4c), if it is real and not 0."""
    from manual.nn.validate import expect_same_shape

    expect_array(function, "b", b)
    expect_array(function, "c", c, b.dtype)
    expect_same_shape(function, "b", b, "c", c)
    if not ((b > 0) & (b * b > 4 * c)).all():
        raise ValueError(f"{function}: b must be above 0 and b² above 4c, got b from {b.min()} and b² − 4c from {(b * b - 4 * c).min()}")
    return np.sqrt(b * b - 4 * c)
