"""Initial weights: the distributions of torch.nn.init, as functions that return a new array.

Weights start at random, or all units of a layer would compute, and learn, the same for ever. How large they start decides
whether signals and gradients keep their size from layer to layer: a sum of fan_in terms has fan_in times their variance.

All draw in float64 from `rng` and round to `dtype`, so that one generator gives the same weights in either dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from manual.nn.validate import expect_choice

Shape = tuple[int, ...]


def uniform(shape: Shape, a: float = 0.0, b: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> np.ndarray:
    """Numbers drawn uniformly from [a, b) (torch.nn.init.uniform_)."""
    return (rng or np.random.default_rng()).uniform(a, b, shape).astype(dtype)


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
) -> np.ndarray:
    """Numbers drawn from the Normal distribution of this mean and standard deviation (torch.nn.init.normal_)."""
    return (rng or np.random.default_rng()).normal(mean, std, shape).astype(dtype)


def trunc_normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    rng: np.random.Generator | None = None,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Numbers drawn from a Normal distribution, given that they are in [a, b] (torch.nn.init.trunc_normal_).

    With Φ the Normal's distribution function, Φ(x) is uniform between Φ(a) and Φ(b): draw it, and take Φ⁻¹.

    Raises:
        ValueError: if not a < b, or std is not positive.
    """
    if not a < b or not std > 0:
        raise ValueError(f"trunc_normal: a must be below b and std positive, got a={a}, b={b}, std={std}")
    side = 1 if (a + b) / 2 <= mean else -1  # mirrored where need be: Φ is precise in its lower tail, 1 − Φ is not
    low, high = sorted((side * (a - mean) / std, side * (b - mean) / std))
    x = ndtri(uniform(shape, ndtr(low), ndtr(high), rng=rng))
    return np.clip(mean + side * std * x, a, b).astype(dtype)


def constant(shape: Shape, val: float, *, dtype: Any = np.float64) -> np.ndarray:
    """`val` everywhere (torch.nn.init.constant_)."""
    return np.full(shape, val, dtype=dtype)


def zeros(shape: Shape, *, dtype: Any = np.float64) -> np.ndarray:
    """0 everywhere (torch.nn.init.zeros_)."""
    return np.zeros(shape, dtype=dtype)


def ones(shape: Shape, *, dtype: Any = np.float64) -> np.ndarray:
    """1 everywhere (torch.nn.init.ones_)."""
    return np.ones(shape, dtype=dtype)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what the weights before a nonlinearity are to be larger, so that its output keeps its size (torch.nn.init.calculate_gain).

    | nonlinearity | gain |
    | --- | --- |
    | linear, conv1d, ..., sigmoid | 1 |
    | tanh | 5/3 |
    | relu | √2: half of the signal's energy is cut off |
    | leaky_relu | √(2 / (1 + param²)), param the slope, 0.01 unless given |
    | selu | 3/4, found by trial |

    Raises:
        ValueError: if the nonlinearity is unknown, or the slope no number.
    """
    layers = "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"
    expect_choice("calculate_gain", "nonlinearity", nonlinearity, (*layers, "sigmoid", "tanh", "relu", "leaky_relu", "selu"))
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"calculate_gain: param must be the slope, a number, got {param!r}")
        return math.sqrt(2 / (1 + slope**2))
    return {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}.get(nonlinearity, 1)


def fan_in_and_fan_out(shape: Shape) -> tuple[int, int]:
    """How many inputs each output sums over, and how many outputs each input goes to, for a weight (out, in, *kernel).

    Raises:
        ValueError: if there are fewer than two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"a weight needs at least 2 axes to have a fan-in and a fan-out, got shape {tuple(shape)}")
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def xavier_uniform(shape: Shape, gain: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> np.ndarray:
    """Uniform in ±√3 · std with std = gain · √(2 / (fan_in + fan_out)) (torch.nn.init.xavier_uniform_).

    A compromise: 1/fan_in would keep the variance of the signal, 1/fan_out that of the gradient. √3 · std, because the
    variance of the uniform distribution on ±c is c²/3.

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    bound = math.sqrt(3) * xavier_std(shape, gain)
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def xavier_normal(shape: Shape, gain: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> np.ndarray:
    """Normal with std = gain · √(2 / (fan_in + fan_out)) (torch.nn.init.xavier_normal_); see xavier_uniform."""
    return normal(shape, 0.0, xavier_std(shape, gain), rng=rng, dtype=dtype)


def xavier_std(shape: Shape, gain: float) -> float:
    """gain · √(2 / (fan_in + fan_out)); 0 where there is nothing to draw."""
    fans = sum(fan_in_and_fan_out(shape))
    return gain * math.sqrt(2 / fans) if fans else 0.0


def kaiming_uniform(
    shape: Shape,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator | None = None,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Uniform in ±√3 · std with std = gain / √fan (torch.nn.init.kaiming_uniform_).

    Args:
        shape: (out, in, *kernel).
        a: the slope of a leaky_relu.
        mode: "fan_in" keeps the size of the signal, "fan_out" that of the gradient.
        nonlinearity: what follows; see calculate_gain.
        rng: draws.
        dtype: of the result.

    Raises:
        ValueError: if there are fewer than two axes, or mode or nonlinearity is unknown.

    Source: He et al. 2015, "Delving Deep into Rectifiers".
    """
    bound = math.sqrt(3) * kaiming_std(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, rng=rng, dtype=dtype)


def kaiming_normal(
    shape: Shape,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator | None = None,
    dtype: Any = np.float64,
) -> np.ndarray:
    """Normal with std = gain / √fan (torch.nn.init.kaiming_normal_); see kaiming_uniform."""
    return normal(shape, 0.0, kaiming_std(shape, a, mode, nonlinearity), rng=rng, dtype=dtype)


def kaiming_std(shape: Shape, a: float, mode: str, nonlinearity: str) -> float:
    """gain / √fan; 0 where there is nothing to draw."""
    expect_choice("kaiming", "mode", mode, ("fan_in", "fan_out"))
    fan_in, fan_out = fan_in_and_fan_out(shape)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def orthogonal(shape: Shape, gain: float = 1, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> np.ndarray:
    """gain times a matrix with orthonormal rows, or columns where they are fewer (torch.nn.init.orthogonal_).

    No vector changes its length but by gain. More than two axes are taken as (shape[0], all others).
    Q of the decomposition Q R of a Normal matrix is uniformly distributed among all such matrices, once the diagonal
    of R is made positive.

    Raises:
        ValueError: if there are fewer than two axes.

    Source: Saxe et al. 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks";
        Mezzadri 2006, "How to generate random matrices from the classical compact groups" (the signs).
    """
    if len(shape) < 2:
        raise ValueError(f"orthogonal: shape must have at least 2 axes, got {tuple(shape)}")
    rows, cols = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(normal((max(rows, cols), min(rows, cols)), rng=rng))
    q *= np.sign(np.diag(r))
    return (gain * (q if rows >= cols else q.T)).reshape(shape).astype(dtype)


def sparse(
    shape: Shape, sparsity: float, std: float = 0.01, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
) -> np.ndarray:
    """Normal, but in every column a part of the entries, ⌈sparsity · rows⌉ at random, is 0 (torch.nn.init.sparse_).

    With weights (out, in) that cuts each input off from these outputs.

    Raises:
        ValueError: if there are not two axes, or sparsity is not in [0, 1].

    Source: Martens 2010, "Deep learning via Hessian-free optimization".
    """
    if len(shape) != 2:
        raise ValueError(f"sparse: shape must have 2 axes, got {tuple(shape)}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse: sparsity must be in [0, 1], got {sparsity}")
    rng = rng or np.random.default_rng()
    weight = normal(shape, 0.0, std, rng=rng, dtype=dtype)
    order = rng.permuted(np.tile(np.arange(shape[0])[:, None], (1, shape[1])), axis=0)  # every column in an order of its own
    weight[order < math.ceil(sparsity * shape[0])] = 0
    return weight
