"""A straight line through data by gradient descent: ordinary least squares, by hand.

Ten measurements of a person, x, are to tell a number, y: how far the diabetes of that person has gone a year later. The
simplest guess gives each measurement a weight, adds up, and adds a constant: ŷ = x W + b. How bad the guess is, is one number,
the loss L: the mean of (ŷ − y)² over all people. To make L smaller we need to know, for each weight, which way L goes when that
weight is made a little larger, and how fast: that is the gradient. Nothing here needs more than two rules of school calculus:

    the derivative of r² is 2 r                            (how a square changes with its side)
    the derivative of w · x with respect to w is x         (how a product changes with one factor)

For one person n the residual is r = ŷ[n] − y[n], and by the two rules, one after the other (the chain rule),

    r² changes by 2 r for each unit of ŷ[n], and ŷ[n] changes by x[n, i] for each unit of W[i],
    so r² changes by 2 r · x[n, i] for each unit of W[i].

L is the mean over N people, so its gradient is the mean of theirs. With N rows and D columns,

    ŷ = x W + b                    (N, D) @ (D, 1) + (1,)
    L = mean of (ŷ − y)²
    ∂L/∂ŷ[n] = 2 (ŷ[n] − y[n]) / N
    ∂L/∂W[i] = Σₙ x[n, i] ∂L/∂ŷ[n]            xᵀ dL_dŷ: (D, N) @ (N, 1)
    ∂L/∂b    = Σₙ ∂L/∂ŷ[n]                    b is added for everybody, so everybody's gradient counts

Gradient descent walks against the gradient: W ← W − lr · ∂L/∂W, again and again. With momentum it keeps a part of its last step,
like a ball that rolls: v ← momentum · v + ∂L/∂W, and W ← W − lr · v.

**How long may a step be?** L is a bowl, and its curvature is the same everywhere: H, the second derivatives (`hessian` below).
Write the distance to the lowest point along the directions in which the bowl curves by λ, H's eigenvalues. There the gradient is
λ · distance, so a step makes

    distance ← (1 − lr · λ) · distance

which shrinks only while |1 − lr · λ| < 1, that is lr < 2/λ. The steepest direction allows the least: **lr < 2/λmax**. (With
momentum: lr < 2 (1 + momentum)/λmax.) The flattest direction then needs about λmax/λmin steps, with momentum about √(λmax/λmin).

**Why the features are standardised** (shifted to mean 0, divided by their standard deviation): the curvature along W[i] is twice the
mean of x[:, i]². In their own units cholesterol has values near 189 and its step must be tiny, while the logarithm of the triglycerides
varies by 0.5 and needs a large one; one lr serves both, so λmax/λmin is 52 million. Standardised, the same data have 470.

**Without walking**: at the lowest point all gradients are 0, and those are D + 1 linear equations (`normal_equation` below). Deep networks
have no such formula; this concept has both, so that one can be checked against the other. (Solving these equations squares the condition
number of the data, and so loses twice the digits that it must: see `qr_solution` and `svd_solution` at the end of this file. They, and how
sure one can be of a weight, are further reading.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import StraightLine
from manual.module import Parameter
from manual.nn.functional import binary_scale, length
from manual.nn.validate import expect_same_shape


def forward(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """The prediction. Shapes: x (N, D), W (D, 1), b (1,), y_hat (N, 1)."""
    y_hat = x @ W + b  # (N, D) @ (D, 1) + (1,)
    return {"y_hat": y_hat}


def loss(y_hat: np.ndarray, y: np.ndarray) -> Any:
    """The mean squared residual."""
    return ((y_hat - y) ** 2).mean()


def backward(x: np.ndarray, y: np.ndarray, y_hat: np.ndarray, W: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """How the loss changes with each guess, with each weight and with the constant."""
    dL_dy_hat = 2 * (y_hat - y) / len(y)  # (N, 1)
    dL_dW = x.T @ dL_dy_hat  # (D, N) @ (N, 1): each person's measurements, weighted by that person's error
    dL_db = dL_dy_hat.sum(axis=0)  # (N, 1) summed over people: (1,)
    return {"y_hat": dL_dy_hat, "W": dL_dW, "b": dL_db}


class LinearRegression(StraightLine):
    """ŷ = x W + b, fitted by gradient descent with momentum.

    Args:
        lr: the step size; it must stay below `step_size_limit`, which is 0.25 (1 + momentum) on the diabetes data.
        momentum: how much of the last step is kept; 0 is plain gradient descent.
        rng: draws the initial weights from the standard normal distribution. Any others do: a bowl has one lowest point.
        dtype: of the parameters.

    Shapes: x (N, 10), y (N, 1), W (10, 1), b (1,).
    """

    def __init__(
        self,
        lr: float = 0.2,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__(forward, loss, backward)
        rng = rng or np.random.default_rng()
        self.lr, self.momentum = lr, momentum
        self.W = Parameter(rng.standard_normal((10, 1)).astype(dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def metrics(self, prediction: np.ndarray, y: np.ndarray) -> dict[str, float]:
        """R², the part of y's variance that is explained: 1 is all, 0 is no better than always guessing the mean."""
        return {"r2": r_squared(prediction, y)}

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


def normal_equation(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The W and b of least squares, by solving for a gradient of 0.

    With a column of ones, A = [x 1] and p = [W; b], ŷ = A p and

        ∂L/∂p = 2/N · Aᵀ (A p − y) = 0        so        AᵀA p = Aᵀy

    Args:
        x: (N, D).
        y: (N, 1).

    Returns:
        W (D, 1) and b (1,).

    Raises:
        ValueError: if a column of A is a mixture of the others (or there are too few rows): many p are then equally good.

    Source: Legendre 1805; Gauss 1809.
    """
    A = with_ones(x)
    rank = np.linalg.matrix_rank(A)
    if rank < A.shape[1]:
        raise ValueError(f"normal_equation: x and a column of ones must be {A.shape[1]} independent columns, got {rank}")
    p = np.linalg.solve(A.T @ A, A.T @ y)  # (D+1, N) @ (N, D+1), (D+1, N) @ (N, 1)
    return p[:-1], p[-1]


def hessian(x: np.ndarray) -> np.ndarray:
    """The second derivatives of the loss with respect to p = [W; b]: ∂²L/∂p² = 2/N · AᵀA, with A = [x 1].

    It depends neither on p nor on y: the loss is a bowl of the same shape everywhere. Shapes: x (N, D), result (D+1, D+1).
    """
    A = with_ones(x)
    return 2 / len(x) * (A.T @ A)  # (D+1, N) @ (N, D+1)


def step_size_limit(x: np.ndarray, momentum: float = 0.0) -> float:
    """The lr from which gradient descent on this x no longer arrives: 2 (1 + momentum)/λmax.

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods" (with momentum).
    """
    return 2 * (1 + momentum) / float(np.linalg.eigvalsh(hessian(x))[-1])  # eigvalsh sorts: the last is the largest


def with_ones(x: np.ndarray) -> np.ndarray:
    """[x 1]: b becomes the weight of a feature that is always 1. Shapes: (N, D) to (N, D+1)."""
    return np.hstack([x, np.ones((len(x), 1), x.dtype)])


# ---- further reading: the same weights with more digits, and how sure they are -----------------------
#
# Nothing above needs this part. It leans on `eigen` (QR) and `svd`.
#
# If the columns of A = [x 1] are nearly mixtures of each other, its condition number κ is large, and any solver must lose about log₁₀ κ
# of 16 digits. AᵀA has the condition number κ²: who solves AᵀA p = Aᵀy loses twice as many. The two solutions below never form AᵀA.


def qr_solution(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The W and b of least squares from A = Q R, where Q has columns of length 1 at right angles, and R is 0 below its diagonal.

    AᵀA p = Aᵀy becomes RᵀQᵀQ R p = RᵀQᵀy. QᵀQ is I, and Rᵀ on both sides can be left out: R p = Qᵀy, which is solved from the last
    row up (`substitute`).

    Args:
        x: (N, D).
        y: (N, 1).

    Returns:
        W (D, 1) and b (1,).

    Raises:
        ValueError: as `normal_equation`.
    """
    from manual.linear_algebra.eigen import qr
    from manual.linear_algebra.matrices import substitute

    Q, R = qr(independent("qr_solution", x, y))
    p = substitute(R, Q.T @ y, upper=True)  # (D+1, D+1), (D+1, N) @ (N, 1)
    return p[:-1], p[-1]


def svd_solution(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The W and b of least squares from the pseudo-inverse, p = A⁺y: there always is one.

    If a column of A is a mixture of the others, or there are too few rows, many p have the same lowest loss. This is the shortest of them,
    as numpy.linalg.lstsq gives: of two equal features each gets half of the weight. (scikit-learn takes the shortest W, whatever b.)

    Args:
        x: (N, D).
        y: (N, 1).

    Returns:
        W (D, 1) and b (1,).

    Raises:
        ValueError: if y is not one number for each row of x, in a column, or x is not finite.
    """
    from manual.linear_algebra.svd import pinv

    expect_column("svd_solution", x, y)
    p = pinv(with_ones(x)) @ y  # (D+1, N) @ (N, 1)
    return p[:-1], p[-1]


def standard_errors(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By how much W and b would typically have come out different if chance, which is a part of every y, had fallen otherwise.

    Let y = A p* + noise, each person's noise drawn from the same distribution, of variance s². Then A⁺y is p* + A⁺ noise, and its
    covariance is s² A⁺A⁺ᵀ = s² (AᵀA)⁻¹ = s² R⁻¹R⁻ᵀ. The standard error of p[i] is the root of entry i of its diagonal, s times the
    length of row i of R⁻¹. For s² the residuals stand in, Σ r² / (N − D − 1): D + 1 parameters have already bent to N numbers.

    A weight less than two standard errors from 0 may well be 0. Features that nearly say the same have large standard errors: the data
    do not tell which of them it is.

    Args:
        x: (N, D).
        y: (N, 1).

    Returns:
        Those of W (D, 1) and of b (1,).

    Raises:
        ValueError: as `normal_equation`; or if N is not above D + 1: the line goes through all points, and nothing is left to tell s from.
    """
    from manual.linear_algebra.eigen import qr
    from manual.linear_algebra.matrices import substitute

    A = independent("standard_errors", x, y)
    N, parameters = A.shape
    if parameters == N:
        raise ValueError(f"standard_errors: x must have more than {parameters} rows, one for each parameter, got {N}")
    Q, R = qr(A)
    r = A @ substitute(R, Q.T @ y, upper=True) - y  # (N, D+1) @ (D+1, 1): what qr_solution leaves
    s = length(r) / np.sqrt(N - parameters)
    inverse_of_R = substitute(R, np.eye(parameters, dtype=x.dtype), upper=True)  # (D+1, D+1)
    errors = s * length(inverse_of_R, axis=1)  # of each row: (D+1, 1)
    return errors[:-1], errors[-1]


def r_squared(y_hat: np.ndarray, y: np.ndarray) -> Any:
    """R² = 1 − Σ (ŷ − y)² / Σ (y − ȳ)²: the part of y's variance that is explained. 1 is all, 0 no better than always guessing the mean.

    Below 0 it is worse than that. On the rows that W and b were fitted to it is never below 0, and each further feature can only raise it.
    If y does not vary there is nothing to explain: NaN, or −∞ where ŷ misses it (as scikit-learn's r2_score with force_finite=False).

    Shapes: both (N, 1), the result ().

    Raises:
        ValueError: if y_hat and y differ in shape: (N, 1) and (N,) would make N × N residuals.
    """
    expect_same_shape("r_squared", "y_hat", y_hat, "y", y)
    missed, varied = y_hat - y, y - y.mean()
    s = binary_scale(varied)  # no square of numbers near 1 under- or overflows
    with np.errstate(divide="ignore", invalid="ignore"):  # NaN and −∞ are meant
        return 1 - ((missed / s) ** 2).sum() / ((varied / s) ** 2).sum()


def expect_column(function: str, x: np.ndarray, y: np.ndarray) -> None:
    """Raise ValueError unless x is (N, D) and y is (N, 1)."""
    if x.ndim != 2 or y.shape != (len(x), 1):
        raise ValueError(f"{function}: x must be (N, D) and y (N, 1), got {x.shape} and {y.shape}")


def independent(function: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A = [x 1], (N, D+1); ValueError if a column of it is a mixture of the others, there are too few rows, or y does not fit."""
    from manual.linear_algebra.svd import matrix_rank

    expect_column(function, x, y)
    A = with_ones(x)
    rank = matrix_rank(A)
    if rank < A.shape[1]:
        raise ValueError(f"{function}: x and a column of ones must be {A.shape[1]} independent columns, got {rank}")
    return A
