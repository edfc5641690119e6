"""A straight line through data by gradient descent: ordinary least squares, by hand.

Ten measurements of a person, x, are to tell a number, y: how far that person's diabetes has gone a year later. The simplest guess gives
each measurement a weight, adds up, and adds a constant: `one_weight` with ten weights in place of one. The data are a table. A person
is a row, an *example*; a measurement is a column, a *feature*. One row times the weights is one guess, and the matrix product x W makes
all of them at once. The *bias* b is added for everybody:

    ŷ = x W + b                    (N, D) @ (D, 1) + (1,): N people, D features
    L = mean of (ŷ − y)²           ŷ − y, what a guess is off by, is its *residual* (see the figure "squared residuals")

The way back: rates multiply, for ŷ[n] grows by x[n, i] for each unit of W[i], and by 1 for each unit of b; and they add up, for every
person has a say:

    ∂L/∂ŷ[n] = 2 (ŷ[n] − y[n]) / N
    ∂L/∂W[i] = Σₙ x[n, i] ∂L/∂ŷ[n]            xᵀ dL_dŷ: (D, N) @ (N, 1)
    ∂L/∂b    = Σₙ ∂L/∂ŷ[n]

All these slopes together are the **gradient**. Gradient descent goes against it: W ← W − lr · ∂L/∂W, and b likewise.
With *momentum* it keeps a part of its last step, like a ball that rolls: v ← momentum · v + ∂L/∂W, and W ← W − lr · v.

**On paper.** Two people, two features, W = (1, 1), b = 0, and y = (4, 2) is what is right:

    x = [1  2]     ŷ = (1·1 + 2·1 + 0,  3·1 + 1·1 + 0) = (3, 4)        each row times the weights
        [3  1]     ŷ − y = (−1, 2)                                     L = (1 + 4)/2 = 2.5

    ∂L/∂ŷ = 2 · (−1, 2) / 2 = (−1, 2)
    ∂L/∂W = (1·(−1) + 3·2,  2·(−1) + 1·2) = (5, 0)                     each column times ∂L/∂ŷ
    ∂L/∂b = −1 + 2 = 1

The second weight stays: one person wants it larger, the other, by as much, smaller. With lr = 0.1 the step leads to
W = (1 − 0.5, 1 − 0) = (0.5, 1) and b = −0.1. There ŷ = (2.4, 2.4), and L = (1.6² + 0.4²)/2 = 1.36: lower than 2.5.

    >>> x, y = np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([[4.0], [2.0]])
    >>> W, b = np.array([[1.0], [1.0]]), np.array([0.0])
    >>> values = forward(x, W, b)
    >>> values["y_hat"].tolist(), float(loss(**values, y=y))
    ([[3.0], [4.0]], 2.5)
    >>> slopes = backward(x, y, **values, W=W, b=b)
    >>> slopes["W"].tolist(), slopes["b"].tolist()
    ([[5.0], [0.0]], [1.0])
    >>> after = forward(x, W - 0.1 * slopes["W"], b - 0.1 * slopes["b"])
    >>> round(float(loss(**after, y=y)), 2)
    1.36

**Why the features are standardised.** Cholesterol has values near 189, another feature varies by 0.5. A slope is made of its feature's
values: the first is huge and needs a tiny lr, with which the other weight would hardly move. So every column is put in units of its own.
Its mean is subtracted, and what is left is divided by its *standard deviation*, which says how far from the mean values typically lie:
square the distances, take the mean, take the root. (Of 1 and 3 the mean is 2, the distances are −1 and 1, the standard deviation is
√((1 + 1)/2) = 1, so they become −1 and 1.) Then 0 is average, and 1 a typical distance above it, in every column.

**Held out.** A fifth of the people is *held out*: training never sees them. What the line is worth is what it guesses for those; the
answers of the others it was told. R² says it in one number: 1 is no residual at all, 0 no better than to guess the mean for everybody.

**Without walking.** At the lowest point the gradient is 0. These are D + 1 equations for the D + 1 numbers in W and b, and can be solved
at once (`normal_equation`). Deep networks have no such formula; here the one can check the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import StraightLine
from manual.module import Parameter


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
        lr: the learning rate; on the diabetes data it must stay below 0.25 (1 + momentum), the `step_size_limit`.
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
        """R² of these rows."""
        return {"r2": r_squared(prediction, y)}

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


def normal_equation(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The W and b of least squares, by solving for a gradient of 0.

    b is the weight of a column of ones: with A = [x 1] and p = [W; b], ŷ = A p and

        ∂L/∂p = 2/N · Aᵀ (A p − y) = 0        so        AᵀA p = Aᵀy

    Args:
        x: (N, D).
        y: (N, 1).

    Returns:
        W (D, 1) and b (1,).

    Raises:
        ValueError: if a column of A is a mixture of the others, or there are too few rows: many p are then equally good.

    Source: Legendre 1805; Gauss 1809.
    """
    A = with_ones(x)
    rank = np.linalg.matrix_rank(A)
    if rank < A.shape[1]:
        raise ValueError(f"normal_equation: x and a column of ones must be {A.shape[1]} independent columns, got {rank}")
    p = np.linalg.solve(A.T @ A, A.T @ y)  # (D+1, N) @ (N, D+1), (D+1, N) @ (N, 1)
    return p[:-1], p[-1]


def with_ones(x: np.ndarray) -> np.ndarray:
    """[x 1]: b becomes the weight of a feature that is always 1. Shapes: (N, D) to (N, D+1)."""
    return np.hstack([x, np.ones((len(x), 1), x.dtype)])


# ---- further reading: how long a step may be ----------------------------------------------------------
#
# The loss is a bowl, and its curvature is the same everywhere: H, its second derivatives, in the place of the one c of `one_weight`.
# Write the distance to the lowest point along the directions in which the bowl curves by λ, H's eigenvalues (see `eigen`). There the
# gradient is λ · distance, so a step makes
#
#     distance ← (1 − lr · λ) · distance
#
# which shrinks only while |1 − lr · λ| < 1, that is lr < 2/λ. The steepest direction allows the least: lr < 2/λmax, and with momentum
# lr < 2 (1 + momentum)/λmax. The flattest direction then needs about λmax/λmin steps, with momentum about √(λmax/λmin).
#
# The curvature along W[i] is twice the mean of x[:, i]². So in the features' own units λmax/λmin is 52 million; standardised, the same data
# have 470.


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


# ---- further reading: the same weights with more digits, and how sure they are -----------------------
#
# It leans on `eigen` (QR) and `svd`.
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
    from manual.nn.functional import length

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
    from manual.nn.functional import binary_scale
    from manual.nn.validate import expect_same_shape

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
