"""Floating point: numbers with few digits, what they do to sums and differences, and how to train in 16 bits, by hand.

If you gave up on mathematics somewhere before this: a computer has no room for all the digits of 1/3. It keeps the first few and a power
of two that says where the point stands, as 6.02 · 10²³ does with tens. This is a *floating point* number: a sign, an *exponent* (how large)
and a *fraction* (which digits). Everything in between is *rounded* to the nearest number that there is. The numbers stand close together
near 0 and far apart far out, so that the error is always about the same part of the number itself.

Half as many bits take half the memory, and there is hardware that computes much faster with them, so large networks are trained in 16 bits.
There are two ways to spend these: float16 has many digits and a short range, bfloat16 has few digits and nearly float32's range. In float16
the gradients of a large network can be too small: they round to 0, and nothing is learnt any more. The cure is to multiply the loss by a
large number before the backward pass and to divide the gradients by it afterwards: *loss scaling*.

What to look at in the figures: the steps between one number and the next; sums that stop growing; gradients that lie where float16 has no
numbers, and after the loss is scaled lie where it has; and the run that does not move at all.

    value                (−1)^sign · 1.fraction · 2^(exponent − bias)         the normal numbers
                         (−1)^sign · 0.fraction · 2^(1 − bias)                where the exponent's bits are all 0: the subnormal ones
                         ±∞, or NaN ("not a number": 0/0, ∞ − ∞)              where they are all 1
    parts, from_parts    a number's three parts, and back
    spacing              from |x| to the next number further out
    epsilon              spacing(1) = 2^(−f), with f bits of fraction: the *machine epsilon*
    round_once           to the nearest number; of two as near to the one whose last bit is 0 ("ties to even")
    round_to             the same as torch does it: by way of float32
    sum_naive, sum_pairwise, sum_kahan                                        one sum in three orders
    variance_cancelling, variance;  smaller_root_cancelling, smaller_root     differences of nearly equal numbers, and how to avoid them
    GradScaler           loss scaling that finds its scale by itself (manual/amp.py)
    rounded_linear, rounded_tanh                                              layers whose tensors are stored in 16 bits

**How far off a rounded number is.** Numbers of p = f + 1 digits are 2^(e − p + 1) apart between 2^e and 2^(e + 1), and the nearest is at
most half of that away. So, with the *unit roundoff* u = epsilon / 2 = 2^(−p),

    round(x) = x (1 + δ),   |δ| ≤ u          (between the smallest normal and the largest number)

IEEE 754 asks that a sum, product or quotient of two numbers is rounded just so: as if it was computed exactly and then rounded once.

**The order of a sum.** Each of the N − 1 additions of a sum multiplies what it has so far by some 1 + δ. Term by term the first x[0]
is in all of them; added in pairs, and the pairs in pairs, no term is in more than ⌈log₂ N⌉. Kahan's sum keeps what the last addition
lost and puts it into the next. To first order in u (Higham 2002, chapter 4),

    naive       |error| ≤ (N − 1) u Σ|x|
    pairwise    |error| ≤ ⌈log₂ N⌉ u Σ|x|
    Kahan       |error| ≤ 2 u Σ|x|               however many there are; then N u² comes in

**Cancellation.** A subtraction of nearly equal numbers is exact (Sterbenz: if y/2 ≤ x ≤ 2y), but it removes the digits that were right and
leaves those that were not. Nothing was lost in it; it lays open what was lost before. The remedy is another formula, not another order.

**A backward pass through a rounding.** y = round(x) is a staircase: its slope is 0 on every step and does not exist at the edges, of no use
to anybody. What is done instead is to let the gradient pass as if y were x, and to round it too, because it is stored in the same
format: dL_dx = round(dL_dy). Autograd does the same for `x.to(torch.float16).to(x.dtype)`, which is all that the torch side says.

**Why gradients vanish, and the cure.** L is a mean over all N examples of a step, so the gradient of each one's scores is (p − y)/N.
float16's smallest number is 2⁻²⁴, and what is not above 2⁻²⁵ rounds to 0. With N = 2²⁵ examples none is above, since |p − y| ≤ 1: all
are 0, and with them all that is computed from them. But every line of the backward pass is linear in the gradient. With s · L in place
of L all gradients are s times as large; at the end, in full precision, they are divided by s. Too large an s overflows to ∞, which is
easily seen: then this one step is left out and s halved. When that has not happened for a while, s is doubled. (bfloat16 reaches down to
2⁻¹³³ and needs none of this.)

Sources: IEEE 754-2019; Goldberg 1991, "What every computer scientist should know about floating-point arithmetic"; Higham 2002, Accuracy
and Stability of Numerical Algorithms, chapters 1, 2 and 4; Kahan 1965, "Further remarks on reducing truncation errors"; Figueroa 1995,
"When is double rounding innocuous?"; Micikevicius et al. 2018, "Mixed precision training".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from manual import nn, optim
from manual.amp import GradScaler
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.init import uniform
from manual.nn.validate import expect_array, expect_choice, expect_ndim, expect_same_shape, expect_size

Array = np.ndarray


# ---- formats -------------------------------------------------------------------------------------


class Format(NamedTuple):
    """How many bits the exponent and the fraction have; the sign has one."""

    exponent_bits: int
    fraction_bits: int

    @property
    def precision(self) -> int:
        """p, the digits of a normal number: those of the fraction, and a 1 before the point that needs no bit."""
        return self.fraction_bits + 1

    @property
    def bias(self) -> int:
        """What is subtracted from the exponent's bits: half of them are for numbers below 2."""
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def tiny(self) -> float:
        """The smallest normal number, 2^(1 − bias)."""
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def smallest_subnormal(self) -> float:
        """The smallest number above 0: the last bit of a subnormal one."""
        return math.ldexp(1.0, 1 - self.bias - self.fraction_bits)

    @property
    def max(self) -> float:
        """The largest number that is not ∞: 1.11…1 · 2^bias."""
        return math.ldexp(2.0 - 2.0**-self.fraction_bits, self.bias)


FORMATS = {
    "float64": Format(11, 52),
    "float32": Format(8, 23),
    "float16": Format(5, 10),
    "bfloat16": Format(8, 7),
    "float8_e5m2": Format(5, 2),
}
"""By torch's names."""


def epsilon(format: str) -> float:
    """spacing(1) = 2^(−f): from 1 to the next number.

    Raises:
        ValueError: if there is no such format.
    """
    return math.ldexp(1.0, -format_of("epsilon", format).fraction_bits)


def spacing(x: Array, format: str) -> Array:
    """How far it is from |x| to the next number further out, for x rounded to the format ("a unit in the last place"). Shapes: any.

    It is NaN where x is not finite.

    Raises:
        ValueError: if there is no such format.
    """
    f = format_of("spacing", format)
    x = round_to(x, format)
    return np.where(np.isfinite(x), np.ldexp(np.ones_like(x), last_place(x, f)), np.nan).astype(x.dtype)


def parts(x: Array, format: str) -> tuple[Array, Array, Array]:
    """(sign, exponent, fraction) of x rounded to the format: the three groups of its bits, each read as an integer. Shapes: all alike.

    NaN has many bit patterns; here it is the one with the fraction 10…0.

    Raises:
        ValueError: if there is no such format.
    """
    f = format_of("parts", format)
    y = round_to(x, format).astype(np.float64)
    significand, e = np.frexp(np.abs(y))  # |y| = significand · 2^e, with significand in [1/2, 1)
    normal = np.abs(y) >= f.tiny
    exponent = np.where(normal, e - 1 + f.bias, 0)
    fraction = np.where(normal, 2 * significand - 1, np.minimum(np.abs(y), f.tiny) / f.tiny)  # 1.F − 1, and 0.F
    exponent = np.where(np.isfinite(y), exponent, 2**f.exponent_bits - 1)
    fraction = np.where(np.isfinite(y), fraction, np.where(np.isnan(y), 0.5, 0.0))
    return np.signbit(x).astype(np.int64), exponent.astype(np.int64), np.ldexp(fraction, f.fraction_bits).astype(np.int64)


def from_parts(sign: Array, exponent: Array, fraction: Array, format: str) -> Array:
    """The number that these three parts make, as float64. Shapes: all alike.

    Raises:
        ValueError: if there is no such format, or a part does not fit into its bits.
    """
    f = format_of("from_parts", format)
    for name, part, bits in (("sign", sign, 1), ("exponent", exponent, f.exponent_bits), ("fraction", fraction, f.fraction_bits)):
        if ((part < 0) | (part >= 2**bits)).any():
            raise ValueError(f"from_parts: {name} must lie in 0 to {2**bits - 1} for {format}, got {part.min()} to {part.max()}")
    F = np.ldexp(fraction.astype(np.float64), -f.fraction_bits)  # in [0, 1)
    magnitude = np.where(exponent > 0, np.ldexp(1 + F, np.minimum(exponent - f.bias, f.bias)), F * f.tiny)
    magnitude = np.where(exponent == 2**f.exponent_bits - 1, np.where(fraction == 0, np.inf, np.nan), magnitude)
    return np.where(sign == 1, -magnitude, magnitude)


# ---- rounding ------------------------------------------------------------------------------------


def round_once(x: Array, format: str) -> Array:
    """The number of the format nearest to x, of two as near the one whose last bit is 0; in x's dtype. Shapes: any.

    Measured in units of x's last place the numbers of the format are the integers, so that it is enough to round to an integer. Below the
    smallest normal number the unit shrinks no further: there are the subnormal ones. From max + half a unit on it is ∞.
    NaN, ∞ and the sign of 0 are kept; what rounds to 0 keeps its sign too.

    Raises:
        ValueError: if there is no such format.
        TypeError: if x is not a floating point array.
    """
    f = format_of("round_once", format)
    expect_array("round_once", "x", x)
    return nearest(x, f).astype(x.dtype)


def nearest(x: Array, f: Format) -> Array:
    """The number of the format nearest to x, as float64. Shapes: any."""
    if f.precision >= np.finfo(x.dtype).nmant + 1:
        return x.astype(np.float64)  # every number of x's dtype is one of the format
    unit = last_place(x, f)
    with np.errstate(over="ignore", invalid="ignore"):  # ∞ and NaN stay what they are
        y = np.ldexp(to_integer(np.ldexp(np.abs(x, dtype=np.float64), -unit)), unit)
    return np.copysign(np.where(y > f.max, np.inf, y), x)


def to_integer(t: Array) -> Array:
    """The integer nearest to t ≥ 0, of two as near the even one. Shapes: any."""
    below = np.floor(t)
    rest = t - below  # in [0, 1), exact
    up = (rest > 0.5) | ((rest == 0.5) & (below % 2 == 1))
    return below + up


def last_place(x: Array, f: Format) -> Array:
    """The exponent of a unit in the last place of each x. Shapes: any."""
    _, e = np.frexp(x)  # |x| is in [2^(e − 1), 2^e)
    least = 2 - f.bias  # the e of the smallest normal number
    return np.where(x == 0, least, np.maximum(e, least)) - f.precision


def round_to(x: Array, format: str) -> Array:
    """x rounded as `x.to(torch.float16).to(x.dtype)` rounds it: to float32 first, then to the format. Shapes: any.

    Rounding twice is not rounding once. 1 + 2⁻¹¹ + 2⁻⁴⁰ is a little more than half way from 1 to float16's next number 1 + 2⁻¹⁰. float32
    cannot tell it from half way, and half way goes to the even 1. It needs a number within 2⁻²⁵ or so of half way.

    Raises:
        ValueError: if there is no such format.
        TypeError: if x is not a floating point array.
    """
    f = format_of("round_to", format)
    expect_array("round_to", "x", x)
    y = x if format == "float64" else nearest(x, FORMATS["float32"])
    return nearest(y, f).astype(x.dtype)


def round_to_backward(dL_dy: Array, x: Array, format: str) -> Array:
    """As if y were x, and rounded, because the gradient is stored in the same format."""
    return round_to(dL_dy, format)


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


# ---- cancellation --------------------------------------------------------------------------------


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


# ---- layers in few bits --------------------------------------------------------------------------


def rounded_linear(x: Array, W: Array, b: Array, format: str) -> Array:
    """y = round(x Wᵀ + b), of x, W and b rounded to the format; in x's dtype. Shapes: x (N, in), W (out, in), b (out,), y (N, out).

    As in the hardware that was made for it, products are exact and added up with more digits than the format has (here in float64);
    only what is stored is rounded.

    Raises:
        ValueError: if there is no such format, or the shapes do not fit.
        TypeError: if an input is not a floating point array of x's dtype.
    """
    expect_layer(x, W, b, format)
    y = low(x, format) @ low(W, format).T + low(b, format)  # (N, in) @ (in, out) + (out,)
    return round_to(y, format).astype(x.dtype)


def rounded_linear_backward(dL_dy: Array, x: Array, W: Array, b: Array, format: str) -> tuple[Array, Array, Array]:
    """Those of y = x Wᵀ + b, of rounded numbers and rounded: every gradient is stored in the format as well."""
    dL_dy = low(dL_dy, format)  # the backward of y's rounding
    with np.errstate(invalid="ignore"):  # where dL_dy has overflowed ∞ − ∞ and 0 · ∞ are NaN
        dL_dx = dL_dy @ low(W, format)  # (N, out) @ (out, in)
        dL_dW = dL_dy.T @ low(x, format)  # (out, N) @ (N, in)
        dL_db = dL_dy.sum(axis=0)  # (N, out) summed over rows: (out,)
    return tuple(round_to(g, format).astype(x.dtype) for g in (dL_dx, dL_dW, dL_db))  # type: ignore[return-value]


def rounded_tanh(x: Array, format: str) -> Array:
    """y = round(tanh x), of x rounded to the format; in x's dtype. Shapes: any.

    Raises:
        ValueError: if there is no such format.
        TypeError: if x is not a floating point array.
    """
    return round_to(np.tanh(low(x, format)), format).astype(x.dtype)


def rounded_tanh_backward(dL_dy: Array, x: Array, format: str) -> Array:
    """∂y/∂x = 1 − tanh² x, between two roundings of the gradient."""
    y = np.tanh(low(x, format))
    with np.errstate(invalid="ignore"):  # ∞ · 0
        return round_to(low(dL_dy, format) * (1 - y * y), format).astype(x.dtype)


def low(x: Array, format: str) -> Array:
    """x rounded to the format, in float64 for what is computed of it."""
    return round_to(x, format).astype(np.float64)


# ---- loss scaling --------------------------------------------------------------------------------


class ScaledSGD(optim.SGD):
    """Gradient descent that skips the step when its scaler has found a gradient that is not finite, and then updates the scale.

    Args:
        params: see Optimizer.
        scaler: it has unscaled the gradients.
        lr: the step size.
        momentum: how much of the last step is kept.
    """

    def __init__(self, params: Iterable[Any], scaler: GradScaler, lr: float, momentum: float) -> None:
        super().__init__(params, lr=lr, momentum=momentum)
        self.scaler = scaler

    def take_step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else closure()
        if not self.scaler.found_inf:
            super().take_step()
        self.scaler.update()
        return loss


# ---- helpers -------------------------------------------------------------------------------------


def format_of(function: str, format: str) -> Format:
    """The format of this name."""
    expect_choice(function, "format", format, tuple(FORMATS))
    return FORMATS[format]


def expect_list(function: str, x: Array) -> None:
    """Raise TypeError or ValueError unless x is a list of floating point numbers that is not empty."""
    expect_array(function, "x", x)
    expect_ndim(function, "x", x, 1)
    if len(x) == 0:
        raise ValueError(f"{function}: x must have at least 1 entry, got shape (0,)")


def expect_layer(x: Array, W: Array, b: Array, format: str) -> None:
    """Raise ValueError or TypeError unless x, W and b fit together."""
    expect_choice("rounded_linear", "format", format, tuple(FORMATS))
    expect_array("rounded_linear", "x", x)
    for name, array, ndim in (("x", x, 2), ("W", W, 2), ("b", b, 1)):
        expect_array("rounded_linear", name, array, x.dtype)
        expect_ndim("rounded_linear", name, array, ndim)
    expect_size("rounded_linear", "W", W, 1, x.shape[1], "the columns of x")
    expect_size("rounded_linear", "b", b, 0, len(W), "the rows of W")


def root_of_discriminant(function: str, b: Array, c: Array) -> Array:
    """d = √(b² − 4c), if it is real and not 0."""
    expect_array(function, "b", b)
    expect_array(function, "c", c, b.dtype)
    expect_same_shape(function, "b", b, "c", c)
    if not ((b > 0) & (b * b > 4 * c)).all():
        raise ValueError(f"{function}: b must be above 0 and b² above 4c, got b from {b.min()} and b² − 4c from {(b * b - 4 * c).min()}")
    return np.sqrt(b * b - 4 * c)


# ---- what is trained -----------------------------------------------------------------------------


class FloatingPoint(Concept):
    """A network that reads digits, 64 → hidden → 10 with tanh, with everything that it stores rounded to a format.

        z1 = rounded_linear(x, W1, b1)        h = rounded_tanh(z1)        z2 = rounded_linear(h, W2, b2)
        L  = mean of −log softmax(z2)[the right digit]

    The weights themselves, the *master weights*, are kept in full precision: a step of less than half a unit in the last place would be
    lost for ever. So are the softmax and the loss (as torch.autocast has it).

    Our network is small, so the gradients of a large one are made for it: its batch stands for `micro_batches` batches like it, of which
    the loss is the mean. Each has its loss divided by their number before it goes back, and the gradients of all are added up at the master
    weights, in full precision. All being taken to be alike, the sum is one of them times their number.

    Args:
        hidden: units of the hidden layer.
        format: of what is stored: "float16", "bfloat16", "float32", "float8_e5m2", or "float64", which rounds nothing.
        scaling: whether the loss is scaled.
        init_scale: the scale to begin with.
        growth_interval: after how many steps without overflow the scale doubles.
        micro_batches: how many batches the mean of the loss is over; by the default, with 128 examples in each, 2²⁵ examples.
        lr: the step size. A power of two makes lr · g exact, so that both sides' master weights are equal to the last bit.
        momentum: how much of the last step is kept.
        rng: draws the initial weights, uniform in ±1/√in_features.
        dtype: of the master weights.

    Shapes: x (N, 64), W1 (hidden, 64), b1 (hidden,), z1 and h (N, hidden), W2 (10, hidden), b2 (10,), z2 (N, 10), y (N,) integers 0 to 9.

    Raises:
        ValueError: if there is no such format, hidden or micro_batches is below 1, or init_scale is not above 0.
    """

    def __init__(
        self,
        hidden: int = 32,
        format: str = "float16",
        scaling: bool = True,
        init_scale: float = 2.0**16,
        growth_interval: int = 2000,
        micro_batches: int = 2**18,
        lr: float = 0.25,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("FloatingPoint", "format", format, tuple(FORMATS))
        for name, size in (("hidden", hidden), ("micro_batches", micro_batches)):
            if size < 1:
                raise ValueError(f"FloatingPoint: {name} must be at least 1, got {size}")
        if not init_scale > 0:
            raise ValueError(f"FloatingPoint: init_scale must be above 0, got {init_scale}")
        rng = rng or np.random.default_rng()
        self.format, self.micro_batches, self.lr, self.momentum = format, micro_batches, lr, momentum
        self.W1 = Parameter(uniform((hidden, 64), -1 / 8, 1 / 8, rng=rng, dtype=dtype))
        self.b1 = Parameter(np.zeros(hidden, dtype))
        self.W2 = Parameter(uniform((10, hidden), -1 / math.sqrt(hidden), 1 / math.sqrt(hidden), rng=rng, dtype=dtype))
        self.b2 = Parameter(np.zeros(10, dtype))
        self.loss = nn.CrossEntropyLoss()
        self.scaler = GradScaler(init_scale, growth_interval=growth_interval, enabled=scaling, dtype=dtype)

    def forward(self, x: Array) -> Array:
        """Scores for the ten digits."""
        first = x, self.W1.data, self.b1.data, self.format
        z1 = rounded_linear(*first)
        second = rounded_tanh(z1, self.format), self.W2.data, self.b2.data, self.format
        z2 = rounded_linear(*second)
        self.save(first, z1, second)
        return z2

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        x, y = batch
        z2 = self(x)
        loss = self.loss(z2.astype(np.float64), y).astype(z2.dtype)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        first, z1, second = self.restore()
        dL_dscaled = self.scaler.scale(dL_dloss) / self.micro_batches
        dL_dz2 = self.loss.backward(dL_dscaled).astype(z1.dtype)  # (N, 10)
        dL_dh, dL_dW2, dL_db2 = rounded_linear_backward(dL_dz2, *second)
        dL_dz1 = rounded_tanh_backward(dL_dh, z1, self.format)  # (N, hidden)
        _, dL_dW1, dL_db1 = rounded_linear_backward(dL_dz1, *first)
        self.deliver(self.W1, dL_dW1)
        self.deliver(self.b1, dL_db1)
        self.deliver(self.W2, dL_dW2)
        self.deliver(self.b2, dL_db2)

    def deliver(self, p: Parameter, dL_dp: Array) -> None:
        """Add a gradient to that of its master weight, unscaled and micro_batches times; nothing if it overflowed: no step will be made."""
        dL_dp = self.scaler.unscale(dL_dp) * self.micro_batches
        overflowed = self.scaler.enabled and not np.isfinite(dL_dp).all()
        p.grad += np.zeros_like(dL_dp) if overflowed else dL_dp

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        z2 = self(x)
        self.log("loss/val", self.loss(z2.astype(np.float64), y), batch_size=len(x))
        self.log("accuracy/val", np.mean(z2.argmax(axis=1) == y), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return ScaledSGD(self.parameters(), self.scaler, lr=self.lr, momentum=self.momentum)
