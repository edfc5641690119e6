"""Rounding: a computer's numbers have few digits, and a step that is too small does nothing, by hand.

A computer has no room for all the digits of 1/3. It keeps the first few, and a power of two that says where the point stands, as
6.02 · 10²³ does with tens. This is a *floating point* number: a sign, an *exponent* (how large) and a *fraction* (which digits). Everything
in between is *rounded* to the nearest number that there is. The numbers stand close together near 0 and far apart far out, so that the
error is always about the same part of the number itself.

A step of the training that is less than half of the way to the next number is rounded away. As the weights come near the lowest point of
the loss, steps become shorter, and one day they are too short. The weights stop, not where the gradient is 0, but where it is small.

What to look at in the figures: a weight that stops short of its goal; and that a smaller step size, which is the usual cure, makes it stop
even earlier.

    spacing              from |x| to the next number further out
    round_to             to the nearest number; of two as near, to the one whose last bit is 0 ("ties to even")
    RoundedSGD           gradient descent whose weights are rounded after each step

**On paper.** A number with three digits, binary ones: 4, 5, 6 and 7 are 100, 101, 110, 111. The next that three digits can write are 1000,
1010, 1100, 1110, which are 8, 10, 12, 14: with a 0 at the end, so 2 apart. 8.9 is rounded to 8 and 9.1 to 10; 9 is as near to either, and
goes to 8, whose third digit is 0. (torch calls this format float8_e5m2.) Now a weight b = 8 with the loss (b − 12)² and the slope
2 (b − 12):

    lr = ⅛    slope −8    8 + 1 =  9, rounded:  8        nothing has happened, and nothing ever will: b stops 4 short
    lr = ¼    slope −8    8 + 2 = 10                     the longer step arrives somewhere,
              slope −4   10 + 1 = 11, rounded: 12        and from there at the goal

    >>> round_to(np.array([8.9, 9.1, 9.0, 11.0]), "float8_e5m2").tolist()
    [8.0, 10.0, 8.0, 12.0]
    >>> spacing(np.array([4.0, 8.0, 16.0]), "float8_e5m2").tolist()
    [1.0, 2.0, 4.0]
    >>> b = Parameter(np.array([8.0]))
    >>> b.grad = np.array([-8.0])
    >>> RoundedSGD([b], lr=1 / 8, format="float8_e5m2").step()
    >>> b.data.tolist()
    [8.0]

**Where a weight stops.** The step is lr · ∂L/∂b, and it is lost if it is less than half the spacing. For the mean square as loss,
ŷ = x W + b and features of mean 0, the gradient is ∂L/∂b = 2 (b − b*), where b* is the mean of y. So b stops moving where

    lr · 2 |b − b*| ≤ spacing(b) / 2,        that is |b − b*| ≤ spacing(b) / (4 lr)

(above: 2 / (4 · ⅛) = 4). Half the step size, and b stops twice as far from its goal. The cure is to keep the weights in more digits than
what is computed from them: see the concept mixed_precision.

**Backward.** y = round(x) is a staircase: its slope is 0 on every step and does not exist at the edges, of no use to anybody. So the
gradient passes as if y were x, and is rounded too, being stored in the same format: dL_dx = round(dL_dy). Autograd does the same for
`x.to(torch.float16).to(x.dtype)`, which is all that the torch side says.

Source: Goldberg 1991, "What every computer scientist should know about floating-point arithmetic".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.validate import expect_array, expect_choice

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


def spacing(x: Array, format: str) -> Array:
    """How far it is from |x| to the next number further out, for x rounded to the format ("a unit in the last place"). Shapes: any.

    It is NaN where x is not finite.

    Raises:
        ValueError: if there is no such format.
    """
    f = format_of("spacing", format)
    x = round_to(x, format)
    return np.where(np.isfinite(x), np.ldexp(np.ones_like(x), last_place(x, f)), np.nan).astype(x.dtype)


# ---- rounding ------------------------------------------------------------------------------------


def nearest(x: Array, f: Format) -> Array:
    """The number of the format nearest to x, of two as near the one whose last bit is 0; as float64. Shapes: any.

    Measured in units of x's last place the numbers of the format are the integers, so that it is enough to round to an integer. Below the
    smallest normal number the unit shrinks no further. From max + half a unit on it is ∞.
    """
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


def low(x: Array, format: str) -> Array:
    """x rounded to the format, in float64 for what is computed of it."""
    return round_to(x, format).astype(np.float64)


def format_of(function: str, format: str) -> Format:
    """The format of this name."""
    expect_choice(function, "format", format, tuple(FORMATS))
    return FORMATS[format]


# ---- what is trained -----------------------------------------------------------------------------


class RoundedSGD(optim.SGD):
    """Gradient descent whose weights are stored in few digits: p ← round(p − lr · ∂L/∂p).

    Args:
        params: see Optimizer.
        lr: the step size.
        format: what the weights are rounded to.
    """

    def __init__(self, params: Iterable[Any], lr: float, format: str) -> None:
        super().__init__(params, lr=lr)
        self.format = format

    def take_step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().take_step(closure)
        for p in self.parameters():
            p.data[...] = round_to(p.data, self.format)
        return loss


class Rounding(Concept):
    """A straight line, ŷ = x W + b, fitted by gradient descent, with weights that are stored in few digits.

    All else is computed in float64, so that the rounding of the weights is the only one that counts.

    Args:
        format: of the weights: "float64" rounds nothing, "float32", "float16", "bfloat16" or "float8_e5m2".
        lr: the step size. A power of two makes lr · gradient exact, so that both sides round the same number.
        rng: not used: the weights begin at 0, which every format has.
        dtype: in which the rounded weights are held.

    Shapes: x (N, 10), y (N, 1), W (10, 1), b (1,).

    Raises:
        ValueError: if there is no such format.
    """

    def __init__(
        self, format: str = "bfloat16", lr: float = 2.0**-4, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        expect_choice("Rounding", "format", format, tuple(FORMATS))
        self.format, self.lr = format, lr
        self.W = Parameter(np.zeros((10, 1), dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def forward(self, x: Array) -> Array:
        """The prediction, in float64."""
        return x.astype(np.float64) @ self.W.data + self.b.data  # (N, 10) @ (10, 1) + (1,)

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        x, y = batch
        residual = self(x) - y
        loss = (residual**2).mean().astype(self.W.dtype)
        self.save(x, residual)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, residual = self.restore()
        dL_dy_hat = dL_dloss * 2 * residual / residual.size  # (N, 1)
        self.W.grad += x.T @ dL_dy_hat  # (10, N) @ (N, 1)
        self.b.grad += dL_dy_hat.sum(axis=0)  # (N, 1) summed over rows: (1,)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        self.log("loss/val", ((self(x) - y) ** 2).mean(), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return RoundedSGD(self.parameters(), lr=self.lr, format=self.format)


# ---- further reading: how far off a rounded number is, rounding twice, and the bits of a number ---------
#
#     value                (−1)^sign · 1.fraction · 2^(exponent − bias)         the normal numbers
#                          (−1)^sign · 0.fraction · 2^(1 − bias)                where the exponent's bits are all 0: the subnormal ones
#                          ±∞, or NaN ("not a number": 0/0, ∞ − ∞)              where they are all 1
#     epsilon              spacing(1) = 2^(−f), with f bits of fraction: the *machine epsilon*
#     round_once           to the nearest number, in one step; round_to goes by way of float32, as torch does
#     parts, from_parts    a number's three parts, and back
#
# Numbers of p = f + 1 digits are 2^(e − p + 1) apart between 2^e and 2^(e + 1), and the nearest is at most half of that away. So, with the
# unit roundoff u = epsilon / 2 = 2^(−p),
#
#     round(x) = x (1 + δ),   |δ| ≤ u          (between the smallest normal and the largest number)
#
# IEEE 754 asks that a sum, product or quotient of two numbers is rounded just so: as if it was computed exactly and then rounded once.
#
# Rounding twice is not rounding once. 1 + 2⁻¹¹ + 2⁻⁴⁰ is a little more than half way from 1 to float16's next number 1 + 2⁻¹⁰. float32
# cannot tell it from half way, and half way goes to the even 1. It needs a number within 2⁻²⁵ or so of half way.
#
# Sources: IEEE 754-2019; Higham 2002, Accuracy and Stability of Numerical Algorithms, chapters 1 and 2; Figueroa 1995, "When is double
# rounding innocuous?".


def epsilon(format: str) -> float:
    """spacing(1) = 2^(−f): from 1 to the next number.

    Raises:
        ValueError: if there is no such format.
    """
    return math.ldexp(1.0, -format_of("epsilon", format).fraction_bits)


def round_once(x: Array, format: str) -> Array:
    """The number of the format nearest to x, of two as near the one whose last bit is 0; in x's dtype. Shapes: any.

    NaN, ∞ and the sign of 0 are kept; what rounds to 0 keeps its sign too.

    Raises:
        ValueError: if there is no such format.
        TypeError: if x is not a floating point array.
    """
    f = format_of("round_once", format)
    expect_array("round_once", "x", x)
    return nearest(x, f).astype(x.dtype)


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
