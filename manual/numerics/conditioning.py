"""Conditioning: why a network is slow to train, and what a change of units does about it, by hand.

Think of a walk downhill to the lowest point of a valley. In a round bowl straight down is straight to the goal. In a long narrow gorge it
is not: straight down leads to the opposite wall, while along the gorge it is nearly level. How much more a valley curves across than
along is its *condition number* κ (kappa): the steepest curvature over the flattest. The steep direction decides how long a step may be,
the flat one how many are needed, so their number grows as κ. Features in units of their own (years, mmHg, a logarithm) make a gorge;
divided by their standard deviation they make a bowl. In the figures look at the steps that are needed for the same loss: 56,828 or 8.

    cond                A's largest stretch over its smallest (manual/linear_algebra/svd.py)
    bowl_condition      κ of the least-squares bowl over x: its second derivatives are H = 2/N · AᵀA, A = [x 1], and κ is cond(A)²
    standardise         (x − mean)/std of each feature: the walk's valley made round
    excess_loss         how far above the lowest point gradient descent is after k steps, exactly
    steps_needed        how many steps it needs at most, from κ alone

**On paper.** Two features, the second in a unit half as long as the first: four examples (1, 2), (1, −2), (−1, 2), (−1, −2). With the
column of ones each product of two different columns of A is 0, and AᵀA has the squares of the columns, 4, 16 and 4, on its diagonal:

    H = 2/4 · AᵀA: curvature 2 along the first weight, 8 along the second, 2 along b          κ = 8/2 = 4
    standardised, all are ±1: curvature 2 along each                                          κ = 1

A step leaves 1 − lr · curvature of the distance in each direction. With lr = 0.2, from 1 away in both weights:

    1 − 0.2 · 2 = 0.6    1 − 0.2 · 8 = −0.6        L − L* = ½ (2 · 1² + 8 · 1²) = 5, then 0.6² of it: 1.8, then 0.648, ...
    standardised, lr = ½:    1 − ½ · 2 = 0         there after one step

    >>> x = np.array([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]])
    >>> round(float(bowl_condition(x)), 9), round(float(bowl_condition(standardise(x))), 9)
    (4.0, 1.0)
    >>> excess_loss(np.arange(3.0), lr=0.2, H=np.diag([2.0, 8.0]), away=np.ones(2)).round(9).tolist()
    [5.0, 1.8, 0.648]
    >>> steps_needed(4.0, 5 / 0.648), steps_needed(1.0, 1000.0)
    (2.0, 1.0)

**Steps and κ.** A bowl is L = L* + ½ aᵀH a, with a the distance to its lowest point. A step of gradient descent is a ← a − lr H a. Along
H's eigenvector i, where H is the number λ[i], that is a[i] ← (1 − lr λ[i]) a[i]. So after k steps

    L − L* = ½ Σᵢ λ[i] a[i]² (1 − lr λ[i])^(2k)

No more, no less. It shrinks if lr < 2/λmax. For lr = 2/(λmax + λmin) the worst factors are those of both ends, ±(κ − 1)/(κ + 1), so

    L − L* ≤ ((κ − 1)/(κ + 1))^(2k) (L[0] − L*)          k = log(shrink) / (2 log((κ + 1)/(κ − 1))) ≈ κ/4 · log(shrink)

**standardise, backwards.** With x_hat = (x − mean)/std each entry of a column moves three things: itself, the mean and the standard
deviation. ∂mean/∂x[n] = 1/N and ∂std/∂x[n] = x_hat[n]/N, so that with g = ∂L/∂x_hat

    ∂L/∂x = (g − mean(g) − x_hat · mean(g x_hat)) / std

What a shift or a stretch of the column would do has been taken out of g: they change no x_hat. (Batch norm is this, within the network.) A
constant feature has std 0, and carries nothing: it is divided by 1, and becomes 0.

Sources: Goodfellow, Bengio & Courville, Deep Learning, 4.3 and 8.2; Ioffe & Szegedy 2015, "Batch normalization".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import StraightLine
from manual.linear_algebra.eigen import eigh
from manual.linear_algebra.svd import cond, cond_backward
from manual.module import Parameter
from manual.nn.functional import binary_scale
from manual.nn.normalization import standardize_backward
from manual.nn.validate import expect_array, expect_ndim
from manual.regression.linear_regression import backward, forward, loss, with_ones

Array = np.ndarray


# ---- the shape of the valley ---------------------------------------------------------------------


def bowl_condition(x: Array) -> Any:
    """κ = λmax/λmin of the Hessian of least squares, 2/N · AᵀA with A = [x 1], which is cond(A)². Shapes: x (N, D), κ ().

    ∞ if a feature is a mixture of the others, or constant: the valley's floor is then level.

    Raises:
        ValueError: if x is no matrix, or has fewer than D + 1 rows.
    """
    expect_features("bowl_condition", x)
    expect_at_least("bowl_condition", x, x.shape[1] + 1)
    return cond(with_ones(x)) ** 2


def bowl_condition_backward(dL_dκ: Any, x: Array) -> Array:
    """∂κ/∂cond = 2 cond, and on to A; its column of ones does not move."""
    A = with_ones(x)
    return cond_backward(dL_dκ * 2 * cond(A), A)[:, :-1]  # (N, D+1) without the last column


def excess_loss(k: Array, lr: float, H: Array, away: Array) -> Array:
    """L − L* = ½ Σᵢ λ[i] a[i]² (1 − lr λ[i])^(2k): how far above the lowest point gradient descent is after k steps.

    Args:
        k: numbers of steps, (...); any floating point numbers from 0 up.
        lr: the step size.
        H: the second derivatives, symmetric, (n, n).
        away: where it begins, less where the lowest point is, (n,).

    Returns:
        The excess, (...).
    """
    λ, V = eigh(H)
    a = V.T @ away  # (n, n) @ (n,): along each eigenvector
    with np.errstate(under="ignore"):
        return (λ * a**2 * np.abs(1 - lr * λ) ** (2 * k[..., None])).sum(axis=-1) / 2  # (..., n) summed over n


def steps_needed(κ: float, shrink: float) -> float:
    """How many steps make L − L* smaller by the factor `shrink`, at most, at the best step size 2/(λmax + λmin).

    log(shrink) / (2 log((κ + 1)/(κ − 1))), for a large κ about κ/4 · log(shrink). For κ = 1 no more than one step, whatever the factor; for
    κ = ∞ no number of steps is enough.

    Raises:
        ValueError: if κ or shrink is below 1.
    """
    if not κ >= 1 or not shrink >= 1:
        raise ValueError(f"steps_needed: κ and shrink must be at least 1, got {κ} and {shrink}")
    if κ == 1 or shrink == 1:
        return float(shrink > 1)
    return math.log(shrink) / (2 * math.log1p(2 / (κ - 1))) if math.isfinite(κ) else math.inf  # (κ + 1)/(κ − 1) = 1 + 2/(κ − 1)


def standardise(x: Array) -> Array:
    """x_hat = (x − mean)/std of each column; std divides by N. A constant column becomes 0. Shapes: both (N, D).

    The rounding of the mean leaves of 442 times 0.1 a standard deviation of 8e-16 in place of 0, and to divide by it would be a disaster.
    So what is not above N · eps · |mean| counts as 0, much as in scikit-learn.

    Raises:
        ValueError: if x is no matrix, or has no rows.
    """
    expect_features("standardise", x)
    expect_at_least("standardise", x, 1)
    return (x - x.mean(axis=0)) / spread(x)  # (N, D) less (D,), over (D,)


def standardise_backward(dL_dx_hat: Array, x: Array) -> Array:
    """∂L/∂x = (g − mean(g) − x_hat · mean(g x_hat)) / std, with g = ∂L/∂x_hat. Of a constant column x_hat is 0, and std 1."""
    x_hat, std = standardise(x).T, spread(x)[:, None]  # (D, N), (D, 1): of a layer norm's rows, these are the columns
    return standardize_backward(dL_dx_hat.T, x_hat, std).T


def spread(x: Array) -> Array:
    """The standard deviation of each column, 1 where it is constant. Shapes: (N, D) to (D,)."""
    s = binary_scale(x, axis=0)  # (1, D): no square of numbers near 1 under- or overflows
    std = s[0] * (x / s).std(axis=0)
    constant = std <= len(x) * np.finfo(x.dtype).eps * np.abs(x.mean(axis=0))
    return np.where(constant, np.ones_like(std), std)


# ---- helpers -------------------------------------------------------------------------------------


def expect_features(function: str, x: Array) -> None:
    """Raise unless x is a matrix of floating point numbers."""
    expect_array(function, "x", x)
    expect_ndim(function, "x", x, 2)


def expect_at_least(function: str, x: Array, rows: int) -> None:
    """Raise ValueError unless x has so many rows."""
    if len(x) < rows:
        raise ValueError(f"{function}: x must have at least {rows} rows, got shape {x.shape}")


# ---- what is trained -----------------------------------------------------------------------------


class LeastSquares(StraightLine):
    """ŷ = x W + b by plain gradient descent from 0: forward, loss and backward are those of `linear_regression`, only x differs.

    Args:
        lr: the step size. For each x it must be below 2/λmax; half of that is 0.127 for the standardised diabetes data, and 0.00000678
            for the same in their own units.
        rng: not needed: nothing is drawn.
        dtype: of the parameters.

    Shapes: x (N, 10), y (N, 1), W (10, 1), b (1,).
    """

    def __init__(self, lr: float = 0.127, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__(forward, loss, backward)
        self.lr = lr
        self.W = Parameter(np.zeros((10, 1), dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: a deep chain, a cliff and clipping ------------------------------------------------
#
# A deep network multiplies by one matrix for each layer, forwards and backwards. What is multiplied fifty times by something a little below
# 1 vanishes, a little above 1 it explodes. Look at the figure of the chain; and at the cliff, where a single step is enough to be lost, and
# clipping helps.
#
#     deep_chain          h ← tanh(W h), layer by layer; chain_jacobians, chain_gradients: ∂h[l]/∂h[0], ∂L/∂h[l] at every depth
#     cliff               (w^depth − 1)², a chain of single units: flat to the left of 1, a wall to the right
#
# The chain, backwards. With u = W h and h' = tanh(u), ∂h'/∂h = diag(1 − h'²) W. A chain's Jacobian is the product of these, and a gradient
# is multiplied by their transposes, last layer first. If the entries of W are Normal(0, scale²/n), each linear layer multiplies the length
# of a vector by scale, in the mean of squares: scale^50 after fifty. If W only turns (orthogonal), it multiplies by 1, and all directions
# alike: the condition number stays 1, where that of random matrices grows until a computer cannot hold it.
#
# Clipping shortens a gradient that is too long, and keeps its direction: g · min(1, max_norm/(‖g‖ + 1e-6)) (`clip_grad_norm_` in
# manual/nn/utils.py). A gradient 0 stays 0; one NaN makes all of it NaN. `clip_grad_value_` cuts each entry on its own, which turns the
# direction; a NaN stays alone there.
#
# Sources: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks" (cliffs, clipping); Saxe, McClelland &
# Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks" (orthogonal chains).


def deep_chain(h: Array, W: Array, activation: str = "tanh") -> Array:
    """h[l + 1] = tanh(h[l] W[l]ᵀ), through all layers; "linear" leaves tanh out. Shapes: h (N, n), W (depth, n, n), the result (N, n).

    Raises:
        ValueError: if the shapes do not fit, or there is no such activation.
    """
    return states(h, W, activation)[-1]


def deep_chain_backward(dL_dh: Array, h: Array, W: Array, activation: str = "tanh") -> tuple[Array, Array]:
    """∂L/∂u[l] = ∂L/∂h[l + 1] · slope; from it ∂L/∂W[l] = ∂L/∂u[l]ᵀ h[l]. ∂L/∂h is the last that `chain_gradients` comes to."""
    hidden = states(h, W, activation)  # (depth + 1, N, n)
    dL_dhidden = chain_gradients(dL_dh, h, W, activation)  # (depth + 1, N, n)
    dL_du = dL_dhidden[1:] * slope(hidden[1:], activation)  # (depth, N, n)
    return dL_dhidden[0], dL_du.swapaxes(1, 2) @ hidden[:-1]  # (depth, n, N) @ (depth, N, n)


def chain_gradients(dL_dh: Array, h: Array, W: Array, activation: str = "tanh") -> Array:
    """∂L/∂h[l] at every depth l, from the last to the first: each is the one after it, times the slope, times W[l].

    Shapes: dL_dh and h (N, n), W (depth, n, n), the result (depth + 1, N, n).
    """
    hidden = states(h, W, activation)  # (depth + 1, N, n)
    dL_dhidden = np.empty_like(hidden)
    dL_dhidden[-1] = dL_dh
    for layer in reversed(range(len(W))):
        dL_du = dL_dhidden[layer + 1] * slope(hidden[layer + 1], activation)  # (N, n)
        dL_dhidden[layer] = dL_du @ W[layer]  # (N, n) @ (n, n)
    return dL_dhidden


def chain_jacobians(h: Array, W: Array, activation: str = "tanh") -> Array:
    """∂h[l]/∂h[0] at every depth: the product of diag(slope) W of the layers before.

    Shapes: h (n,), W (depth, n, n), the result (depth + 1, n, n).
    """
    hidden = states(h[None], W, activation)[:, 0]  # (depth + 1, n)
    J = [np.eye(len(h), dtype=h.dtype)]
    for layer, weight in enumerate(W):
        J.append(slope(hidden[layer + 1], activation)[:, None] * (weight @ J[-1]))  # (n, 1) times (n, n) @ (n, n)
    return np.stack(J)


def states(h: Array, W: Array, activation: str) -> Array:
    """h at every depth, (depth + 1, N, n)."""
    from manual.nn.validate import expect_choice, expect_size

    expect_array("deep_chain", "h", h)
    expect_array("deep_chain", "W", W, h.dtype)
    expect_ndim("deep_chain", "h", h, 2)
    expect_ndim("deep_chain", "W", W, 3)
    for axis in (1, 2):
        expect_size("deep_chain", "W", W, axis, h.shape[1], "columns of h")
    expect_choice("deep_chain", "activation", activation, ("tanh", "linear"))
    hidden = [h]
    for weight in W:
        u = hidden[-1] @ weight.T  # (N, n) @ (n, n)
        hidden.append(np.tanh(u) if activation == "tanh" else u)
    return np.stack(hidden)


def slope(h: Array, activation: str) -> Array:
    """∂h/∂u, from h itself: 1 − tanh², or 1."""
    return 1 - h**2 if activation == "tanh" else np.ones_like(h)


def cliff(w: Array, depth: int = 50) -> Array:
    """L = (w^depth − 1)²: `depth` linear layers of one unit, all with the weight w, are to leave 1 as it is. Shapes: w and L (...)."""
    with np.errstate(over="ignore"):  # ∞ is what is to be seen
        return (w**depth - 1) ** 2


def cliff_backward(dL_dy: Array, w: Array, depth: int = 50) -> Array:
    """∂L/∂w = 2 (w^depth − 1) · depth · w^(depth − 1): nearly 0 where w is below 1, and a wall above it."""
    with np.errstate(over="ignore", invalid="ignore"):  # ∞ is what is to be seen
        return dL_dy * 2 * (w**depth - 1) * depth * w ** (depth - 1)
