"""Vectors: lists of numbers with a length and a direction, by hand.

If you gave up on mathematics before this: a vector is a list of numbers, no more. The two numbers (3, 4) can be read as
an arrow that goes 3 to the right and 4 up. The 64 brightnesses of an 8 x 8 image are a vector as well, an arrow in a space that nobody
can picture, and everything said of arrows holds: it has a length (how much ink), and a direction (which picture, however faint). A
network is full of vectors, and what it does most is a *dot product*: it multiplies each number of its input by a weight and adds up.
That is large where input and weights point the same way. Language models compare words by the *cosine* of the angle between their vectors.

The numbers of a vector a are its entries a[0], a[1], …, counted from 0 as in Python.

    a + b        (a[0] + b[0], a[1] + b[1], …)     one arrow after the other
    2 a          (2 a[0], 2 a[1], …)               the same direction, twice as long
    a · b        a[0] b[0] + a[1] b[1] + …         dot product: one number; 0 at right angles
    ‖a‖          √(a[0]² + a[1]² + …)              length, by Pythagoras. √25 is 5, because 5 · 5 is 25
    cos(a, b)    a · b / (‖a‖ ‖b‖)                 cosine: 1 same direction, 0 at right angles, −1 opposite

**On paper.** Let a = (3, 4), b = (4, 3) and u = (−4, 3). All three are 5 long:

    ‖a‖ = √(3² + 4²) = √25 = 5
    a · b = 3 · 4 + 4 · 3 = 24               cos(a, b) = 24 / (5 · 5) = 0.96       nearly the same direction
    a · u = 3 · (−4) + 4 · 3 = 0             cos(a, u) = 0 / (5 · 5) = 0           a right angle

And a · b grows by b[0] = 4 for each unit of a[0], and by b[1] = 3 for each unit of a[1]: its derivatives with respect to a are b.

    >>> a, b, u = np.array([3.0, 4.0]), np.array([4.0, 3.0]), np.array([-4.0, 3.0])
    >>> float(l2_norm(a)), float(dot(a, b)), float(cosine_similarity(a, b))
    (5.0, 24.0, 0.96)
    >>> float(cosine_similarity(a, u))
    0.0
    >>> dot_backward(1.0, a, b)[0].tolist()
    [4.0, 3.0]

**Many at once.** Data are kept as a table: a row for each image, a column for each pixel. Such a table of N rows of D numbers has the
shape (N, D), and is N vectors: each function here takes every row for itself, so that `dot` of two tables gives N numbers, (N,). What
stands before D may be left out or be more; that is what (..., D) says.

What is trained here is one vector w of 64 numbers: the direction that is nearest, by angle, to all images of a digit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import binary_scale
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_same_shape

Array = np.ndarray


# ---- dot product, length and angle ---------------------------------------------------------------


def dot(a: Array, b: Array) -> Any:
    """y = Σᵢ a[i] b[i], the dot product. Shapes: a and b (..., D), y (...)."""
    expect_vectors("dot", a=a, b=b)
    return (a * b).sum(axis=-1)


def dot_backward(dL_dy: Any, a: Array, b: Array) -> tuple[Array, Array]:
    """∂y/∂a[i] = b[i] and ∂y/∂b[i] = a[i]: the derivative by the one is the other."""
    dL_dy = along(dL_dy)  # (...) to (..., 1): one number for all D entries
    dL_da = dL_dy * b  # (..., 1) times (..., D)
    dL_db = dL_dy * a  # (..., 1) times (..., D)
    return dL_da, dL_db


def l2_norm(a: Array) -> Any:
    """y = √Σᵢ a[i]²: the length of the arrow. Shapes: a (..., D), y (...).

    a is brought near 1 first (s is a power of two): the square of 1e-200 is too small for a computer.
    """
    expect_vectors("l2_norm", a=a)
    s = binary_scale(a, axis=-1)  # (..., 1)
    near_1 = a / s
    return s[..., 0] * np.sqrt((near_1 * near_1).sum(axis=-1))


def l2_norm_backward(dL_dy: Any, a: Array) -> Array:
    """∂y/∂a[i] = a[i] / y, from ∂√s/∂s = 1 / (2 √s) and ∂s/∂a[i] = 2 a[i].

    It is the direction of a, an arrow of length 1. The zero vector has none, and 0 is taken, as torch does.
    """
    return along(dL_dy) * direction(a)  # (..., 1) times (..., D)


def cosine_similarity(a: Array, b: Array, eps: float = 1e-8) -> Any:
    """y = a · b / (‖a‖ ‖b‖), the cosine of the angle between a and b. Shapes: a and b (..., D), y (...).

    Args:
        a, b: the vectors.
        eps: what a length is at least taken for, as in torch, so that the zero vector has cosine 0 with everything.
    """
    expect_vectors("cosine_similarity", a=a, b=b)
    return (a / length(a, eps) * (b / length(b, eps))).sum(axis=-1)


def cosine_similarity_backward(dL_dy: Any, a: Array, b: Array, eps: float = 1e-8) -> tuple[Array, Array]:
    """Let â = a/‖a‖ and b̂ = b/‖b‖, arrows of length 1. Then y = â · b̂, and

        ∂y/∂a = (b̂ − y â) / ‖a‖        ∂y/∂b = (â − y b̂) / ‖b‖

    a acts through the dot product, which gives b̂ / ‖a‖, and through its length, which gives −y/‖a‖ times the length's own derivative â.
    What is left has no part along a: making a longer does not change an angle, only turning it does.
    """
    y, dL_dy = along(cosine_similarity(a, b, eps)), along(dL_dy)  # (...) to (..., 1)
    dL_da = dL_dy * (b / length(b, eps) - y * direction(a)) / length(a, eps)  # (..., 1) times (..., D), over (..., 1)
    dL_db = dL_dy * (a / length(a, eps) - y * direction(b)) / length(b, eps)  # (..., 1) times (..., D), over (..., 1)
    return dL_da, dL_db


# ---- helpers -------------------------------------------------------------------------------------


def along(y: Any) -> Array:
    """One number for each vector, ready to multiply its every entry: (...) to (..., 1)."""
    return np.expand_dims(y, -1)


def length(a: Array, eps: float) -> Array:
    """‖a‖, or eps where it is less. Shapes: (..., D) to (..., 1)."""
    return np.maximum(along(l2_norm(a)), eps)


def direction(a: Array) -> Array:
    """a/‖a‖, an arrow of length 1; 0 for the zero vector. Shapes: both (..., D)."""
    y = along(l2_norm(a))  # (..., 1)
    return a / np.where(y == 0, 1, y)


# ---- what is trained -----------------------------------------------------------------------------


class Vectors(Concept):
    """The direction w that is most similar to many vectors: it makes L = mean over n of 1 − cos(x[n], w) small.

    Args:
        lr: the learning rate.
        rng: draws the first w, about 1 long, in any direction.
        dtype: of w.

    Shapes: x (N, 64), w (64,), the similarities (N,).
    """

    def __init__(self, lr: float = 0.5, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr = lr
        self.w = Parameter(normal((64,), 0.0, 1 / math.sqrt(64), rng=rng, dtype=dtype))

    def forward(self, x: Array) -> Array:
        """The cosine of each row of x with w."""
        w = np.broadcast_to(self.w.data, x.shape)  # (64,) to (N, 64): w is compared with every row
        self.save(x, w)
        return cosine_similarity(x, w)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        loss = (1 - self(x)).mean()
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, w = self.restore()
        dL_dy = np.full(len(x), -dL_dloss / len(x), x.dtype)  # (N,): loss is the mean of 1 − y
        _, dL_dw = cosine_similarity_backward(dL_dy, x, w)  # (N, 64)
        self.w.grad += dL_dw.sum(axis=0)  # every row used w: (N, 64) summed over rows to (64,)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", (1 - self(x)).mean(), batch_size=len(x))
        self.log("length of w/val", l2_norm(self.w.data), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: sums and products of entries -----------------------------------------------

# a + b, c a and the Hadamard product a ∘ b, entry by entry: (a[0] b[0], a[1] b[1], …).


def add(a: Array, b: Array) -> Array:
    """y = a + b. Shapes: all (..., D)."""
    expect_vectors("add", a=a, b=b)
    return a + b


def add_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """∂y[i]/∂a[i] = 1 and ∂y[i]/∂b[i] = 1: a sum hands its gradient to both, unchanged."""
    return dL_dy, dL_dy  # dL_da and dL_db, both (..., D)


def scale(c: Any, a: Array) -> Array:
    """y = c a, every entry times the one number c. Shapes: c (), a and y (..., D).

    Raises:
        ValueError: if c is not one number.
    """
    expect_vectors("scale", a=a)
    if np.ndim(c) != 0:
        raise ValueError(f"scale: c must be one number, got shape {np.shape(c)}")
    return c * a


def scale_backward(dL_dy: Array, c: Any, a: Array) -> tuple[Any, Array]:
    """y[i] = c a[i], so ∂y[i]/∂a[i] = c; and c acts through every entry of y, so its gradient adds up over all of them."""
    dL_dc = (dL_dy * a).sum()  # (..., D) times (..., D), summed to one number
    dL_da = c * dL_dy  # () times (..., D)
    return dL_dc, dL_da


def hadamard(a: Array, b: Array) -> Array:
    """y[i] = a[i] b[i], entry by entry. Shapes: all (..., D)."""
    expect_vectors("hadamard", a=a, b=b)
    return a * b


def hadamard_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """∂y[i]/∂a[i] = b[i]: as the dot product, but every entry has an upstream of its own."""
    dL_da = dL_dy * b  # (..., D) times (..., D)
    dL_db = dL_dy * a  # (..., D) times (..., D)
    return dL_da, dL_db


# ---- further reading: two other lengths ----------------------------------------------------------

# ‖a‖ above is the Euclidean norm, ‖a‖₂. Others are ‖a‖₁ = Σᵢ |a[i]| and ‖a‖∞ = maxᵢ |a[i]|: see the figure "three unit balls". Where such a
# length has a kink its slope jumps. Every slope between the two is called a subgradient, and one of them is taken, in the middle.


def l1_norm(a: Array) -> Any:
    """y = Σᵢ |a[i]|: the way along the streets of a chessboard town. Shapes: a (..., D), y (...)."""
    expect_vectors("l1_norm", a=a)
    return np.abs(a).sum(axis=-1)


def l1_norm_backward(dL_dy: Any, a: Array) -> Array:
    """∂y/∂a[i] = sign(a[i]). At a[i] = 0 it jumps, and 0 is taken, as torch does."""
    return along(dL_dy) * np.sign(a)  # (..., 1) times (..., D)


def linf_norm(a: Array) -> Any:
    """y = maxᵢ |a[i]|: the largest entry. Shapes: a (..., D), y (...).

    Raises:
        ValueError: if D is 0: the largest of nothing.
    """
    expect_vectors("linf_norm", a=a)
    if a.shape[-1] == 0:
        raise ValueError(f"linf_norm: a must have at least one entry, got shape {a.shape}")
    return np.abs(a).max(axis=-1)


def linf_norm_backward(dL_dy: Any, a: Array) -> Array:
    """∂y/∂a[i] = sign(a[i]) where |a[i]| is the largest, 0 elsewhere. Where k entries tie each gets 1/k, as in torch."""
    largest = np.abs(a) == along(linf_norm(a))  # (..., D)
    ties = largest.sum(axis=-1, keepdims=True).astype(a.dtype)  # (..., 1)
    ties = np.maximum(ties, 1)  # it is 0 for a NaN only, which equals nothing
    return along(dL_dy) / ties * largest * np.sign(a)  # (..., 1) times (..., D)


# ---- further reading: the shadow of one vector on another ----------------------------------------


def projection(a: Array, b: Array) -> Array:
    """y = t b with t = a · b / b · b: the point on the line along b that is nearest to a. What remains, a − y, is at right angles to b.

    Shapes: all (..., D).

    Raises:
        ValueError: if b is a zero vector: it has no line.
    """
    expect_vectors("projection", a=a, b=b)
    if not b.any(axis=-1).all():
        raise ValueError("projection: b must not be a zero vector, which has no direction")
    b = b / binary_scale(b, axis=-1)  # any b on the line will do
    t = along(dot(a, b) / dot(b, b))  # (..., 1)
    return t * b


def projection_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """y = t b, so b acts as it stands and through t, and a through t alone. From t = a · b / b · b

    ∂t/∂a = b / (b · b)        ∂t/∂b = (a − 2 t b) / (b · b)
    """
    s = binary_scale(b, axis=-1)  # (..., 1)
    b = b / s  # ∂L/∂b is s times as large then
    t, bb = along(dot(a, b) / dot(b, b)), along(dot(b, b))  # (..., 1) each
    dL_dt = along(dot(dL_dy, b))  # (..., D) times (..., D), summed over D: t acts through every entry of y
    dL_da = dL_dt * b / bb  # (..., 1) times (..., D), over (..., 1)
    dL_db = t * dL_dy + dL_dt * (a - 2 * t * b) / bb  # (..., 1) times (..., D), twice
    return dL_da, dL_db / s


# ---- further reading: why w grows, its closed form, and vectors shorter than eps -----------------

# The derivative of a cosine by w is at right angles to w, so a step of gradient descent cannot but make w longer: by Pythagoras
# ‖w‖² ← ‖w‖² + ‖step‖². How far a step turns w is lr/‖w‖².
#
# A length below eps is taken for eps in the value of the cosine, while its derivative stays â (0 for the zero vector), as in torch.


def closed_form(x: Array) -> Array:
    """The direction, of length 1, whose mean cosine with the rows of x is largest. Shapes: (N, D) to (D,).

    Nobody would train it in practice, for the answer can be written down: a dot product of a mean is the mean of the dot products, so

        mean of cos(x[n], w) = m · w/‖w‖        with m = mean of x[n]/‖x[n]‖

    is the largest where w points along m.
    """
    m = direction(x).mean(axis=0)  # (N, D), the mean over rows: (D,)
    return direction(m)


def expect_vectors(function: str, **vectors: Array) -> None:
    """Raise TypeError or ValueError unless all are arrays of one floating dtype and one shape, of at least one axis."""
    (first, a), *_ = vectors.items()
    for name, v in vectors.items():
        expect_array(function, name, v)
        expect_array(function, name, v, a.dtype)
        expect_same_shape(function, first, a, name, v)
    if a.ndim == 0:
        raise ValueError(f"{function}: {first} must have at least 1 axis, got shape ()")
