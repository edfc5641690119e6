"""Short weights: ridge regression, by hand.

A straight line through data, ŷ = x W + b, can be too eager. Where two measurements nearly say the same, least squares gives one a large
positive weight and the other a large negative one: on the data at hand the two cancel, on new data they do not. Ridge regression lets
every weight pay for its size: to the mean squared error it adds alpha times the sum of the squared weights. Weights that earn little
then stay near 0. In neural networks the same thing is called weight decay, and nearly every network is trained with it.

    ŷ = x W + b                                    (N, D) @ (D, 1) + (1,)
    L = mean of (ŷ − y)² + alpha · ΣW²
    ∂L/∂W = xᵀ ∂L/∂ŷ + 2 alpha W                  (D, N) @ (N, 1): as in least squares, and a pull to 0 in proportion to W
    ∂L/∂b = sum of ∂L/∂ŷ over rows                 b is free: nothing is wrong with a large mean

A step against this gradient first makes W smaller by the factor 1 − 2 lr alpha (it decays), then does what least squares would.

**Without walking.** Take the means off, X = x − x̄ and Y = y − ȳ: then b has no part, for the best line goes through the mean point. With
one feature the gradient is 0 where

    −2 ΣX (Y − X W)/N + 2 alpha W = 0,    so    W = ΣXY / (ΣX² + N alpha)    and    b = ȳ − x̄ W

The price stands in the denominator: the larger alpha, the smaller W. For many features `solution` (further reading) does the same.

**On paper.** x = (1, 2, 3) and y = (12, 14, 16). The means are 2 and 14, so X = (−1, 0, 1), Y = (−2, 0, 2), ΣX² = 2 and ΣXY = 4:

    alpha     N alpha   W = 4/(2 + N alpha)   b = 14 − 2 W   ŷ = x W + b
    0         0         4/2 = 2               10             12    14    16       least squares: exact
    2/3       2         4/4 = 1               12             13    14    15       flatter, and right on average

**b must not pay.** Let b pay as W does, and the same alpha = 2/3. Now no means may be taken off; both gradients are 0 where

    (Σx² + 2) W + Σx b = Σxy        16 W + 6 b = 88
    Σx W + (N + 2) b = Σy            6 W + 5 b = 42        so W = 188/44 = 4.27, b = 144/44 = 3.27

W has grown, from 2 to 4.27, to make up for the b that must not be large; the guesses are 7.5, 11.8 and 16.1, on average 2.2 too low. Worse:
were all y counted from another zero (100 more each), the slope would be another. Without any intercept, b = 0, it is 88/16 = 5.5.

    >>> x, y = np.array([[1.0], [2.0], [3.0]]), np.array([[12.0], [14.0], [16.0]])
    >>> [[round(v.item(), 2) for v in solution(x, y, alpha)] for alpha in (0.0, 2 / 3)]
    [[2.0, 10.0], [1.0, 12.0]]
    >>> W, b = np.array([[1.0]]), np.array([12.0])
    >>> round(float(loss(x, y, W, b, alpha=2 / 3)), 2)      # (1 + 0 + 1)/3 + 2/3 · 1²
    1.33
    >>> dL_dW, dL_db = loss_backward(1.0, x, y, W, b, alpha=2 / 3)
    >>> round(abs(dL_dW.item()), 9), round(abs(dL_db.item()), 9)
    (0.0, 0.0)
    >>> x_and_1 = np.hstack([x, np.ones((3, 1))])           # b is the weight of a column of ones, if it pays too
    >>> np.linalg.solve(x_and_1.T @ x_and_1 + 2 * np.eye(2), x_and_1.T @ y)[:, 0].round(2).tolist()
    [4.27, 3.27]

Source: Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal Problems"; Hastie, Tibshirani and Friedman, The
Elements of Statistical Learning, section 3.4.1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.functional import binary_scale, centred
from manual.nn.validate import expect_same_shape
from manual.regression import linear_regression


def loss(x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> Any:
    """L = mean of (ŷ − y)² + alpha · ΣW². Shapes: x (N, D), y (N, 1), W (D, 1), b (1,).

    scikit-learn's Ridge minimises N · L: its alpha is N times this one.

    Raises:
        ValueError: if y has another shape than ŷ: (N, 1) and (N,) would make N × N residuals.
    """
    y_hat = x @ W + b  # (N, D) @ (D, 1) + (1,)
    expect_same_shape("loss", "x W + b", y_hat, "y", y)
    return ((y_hat - y) ** 2).mean() + alpha * (W**2).sum()


def loss_backward(dL_dloss: Any, x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂W and ∂L/∂b; the data x and y are given and get none."""
    dL_dy_hat = dL_dloss * 2 * (x @ W + b - y) / len(x)  # (N, 1)
    dL_dW = x.T @ dL_dy_hat + dL_dloss * 2 * alpha * W  # (D, N) @ (N, 1): as in least squares; and the pull to 0
    dL_db = dL_dy_hat.sum(axis=0)  # (N, 1) summed over rows: (1,)
    return dL_dW, dL_db


class Ridge(Concept):
    """ŷ = x W + b with a price on the size of W, fitted by gradient descent with momentum.

    Args:
        features: D, the numbers that are known of each example.
        alpha: the price of size; scikit-learn's alpha is N times this one.
        lr: the step size; below 2 (1 + momentum) / λmax of the Hessian, which is 0.25 (1 + momentum) on the diabetes data.
        momentum: how much of the last step is kept.
        rng: draws the initial weights from the standard normal distribution.
        dtype: of the parameters.

    Shapes: x (N, D), y (N, 1), W (D, 1), b (1,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(
        self,
        features: int = 10,
        alpha: float = 0.05,
        lr: float = 0.2,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"Ridge: alpha must be at least 0, got {alpha}")
        rng = rng or np.random.default_rng()
        self.alpha, self.lr, self.momentum = alpha, lr, momentum
        self.W = Parameter(rng.standard_normal((features, 1)).astype(dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The prediction."""
        return x @ self.W + self.b  # (N, D) @ (D, 1) + (1,)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, y = batch
        L = loss(x, y, self.W, self.b, self.alpha)
        self.save(x, y)
        self.log("loss/train", L)
        return L

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, y = self.restore()
        dL_dW, dL_db = loss_backward(dL_dloss, x, y, self.W, self.b, self.alpha)
        self.W.grad += dL_dW
        self.b.grad += dL_db

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        residual = self(x) - y
        self.log("loss/val", (residual**2).mean(), batch_size=len(x))
        self.log("r2/val", 1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum(), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: the closed form and its gradient, the curvature, and what shrinks how much ------


def solution(x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """The W and b of the lowest L: (XᵀX + c I) W = XᵀY with c = N alpha, and b = ȳ − x̄ W.

    XᵀX alone may be singular (two columns alike, or more columns than rows); with c > 0 on its diagonal it never is. That was the reason
    for which ridge regression was invented, and it is where the name comes from: a ridge along the diagonal.

    Args:
        x: (N, D).
        y: (N, 1).
        alpha: the price of size; 0 is least squares.

    Returns:
        W (D, 1) and b (1,).

    Raises:
        ValueError: if alpha is negative; or if it is 0 and the columns of X depend on each other: many W are then equally good.
    """
    expect_single("solution", x, alpha)
    (X, alpha, s), Y = scaled(x, alpha), centred(y)
    W = np.linalg.solve(gram(X, alpha), X.T @ Y) / s  # (D, D) and (D, N) @ (N, 1)
    b = y.mean(axis=0) - x.mean(axis=0) @ W  # (1,) − (D,) @ (D, 1)
    return W, b


def solution_backward(
    dL_dW: np.ndarray, dL_db: np.ndarray, x: np.ndarray, y: np.ndarray, alpha: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How the solution answers to its data and its alpha, without following the steps of any solver.

    Whatever way W was found, M W = XᵀY holds, with M = XᵀX + c I. Let the data change a little: dM W + M dW = d(XᵀY), so

        dW = M⁻¹ (d(XᵀY) − dM W)

    and with u = M⁻¹ ∂L/∂W (M is symmetric) the gradient is u for XᵀY and −u Wᵀ for M. XᵀX holds X twice, hence two terms for M.
    """
    N, W = len(x), solution(x, y, alpha)[0]
    (X, alpha, s), Y = scaled(x, alpha), centred(y)
    dL_dW = (dL_dW - x.mean(axis=0)[:, None] * dL_db) / s  # (D, 1): W stands in b too; and it is that of the scaled X, divided by s
    u = np.linalg.solve(gram(X, alpha), dL_dW)  # (D, D), (D, 1): ∂L/∂(XᵀY)
    dL_dM = -u @ (W * s).T  # (D, 1) @ (1, D)
    dL_dX = (Y @ u.T + X @ (dL_dM + dL_dM.T)) / s  # (N, 1) @ (1, D) + (N, D) @ (D, D); its columns add up to 0, as those of X and Y do
    dL_dY = X @ u  # (N, D) @ (D, 1)
    dL_dc = dL_dM.trace() / s / s
    dL_dx = dL_dX - dL_db * W.T / N  # (1, D): each row's part in x̄
    dL_dy = dL_dY + dL_db / N  # each row's part in ȳ
    return dL_dx, dL_dy, N * dL_dc


def shrinkage(s: np.ndarray, c: Any) -> np.ndarray:
    """f(s) = s² / (s² + c): what ridge keeps of the weight of least squares where the data spread as far as s.

    Let X = U diag(s) Vᵀ be the singular value decomposition: along the direction vᵢ (a mixture of the features) the rows spread as far as
    sᵢ. Least squares has the weight uᵢᵀY / sᵢ along vᵢ. Ridge has

        sᵢ / (sᵢ² + c) · uᵢᵀY = f(sᵢ) · (uᵢᵀY / sᵢ)

    which keeps nearly all where the data spread far (s² ≫ c) and nearly nothing where they hardly spread (s² ≪ c), which is where least
    squares guesses most. The sum of all f is the number of weights that are in effect free: D for alpha = 0, and 0 for alpha → ∞.

    Shapes: s any, c a number.
    """
    return (s / np.hypot(s, np.sqrt(c))) ** 2  # hypot(a, b) is √(a² + b²), also where a² or b² would over- or underflow


def shrinkage_backward(dL_df: np.ndarray, s: np.ndarray, c: Any) -> tuple[np.ndarray, Any]:
    """∂f/∂s = 2 s c / (s² + c)² and ∂f/∂c = −s² / (s² + c)²; c stands in every f, so its gradient is the sum."""
    h = np.hypot(s, np.sqrt(c))  # h² = s² + c
    dL_ds = dL_df * 2 * (s / h) * (c / h / h) / h
    dL_dc = (-dL_df * (s / h / h) ** 2).sum()
    return dL_ds, dL_dc


def solution_by_svd(x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """The same W and b, direction by direction: along vᵢ the weight of least squares, uᵢᵀY / sᵢ, times f(sᵢ).

    One decomposition serves every alpha; and XᵀX, whose condition number is the square of X's, is never formed.

    Raises:
        ValueError: as `solution`.
    """
    expect_single("solution_by_svd", x, alpha)
    X, Y = centred(x), centred(y)
    U, s, Vt = np.linalg.svd(X, full_matrices=False)  # (N, R), (R,), (R, D)
    h = np.hypot(s, np.sqrt(len(x) * alpha))  # h² = s² + c
    along = U.T @ Y * (s / h / h)[:, None]  # (R, N) @ (N, 1)
    W = Vt.T @ along  # (D, R) @ (R, 1)
    return W, y.mean(axis=0) - x.mean(axis=0) @ W


def effective_degrees_of_freedom(x: np.ndarray, alpha: Any) -> Any:
    """How many weights are in effect free: Σᵢ f(sᵢ) = trace of X (XᵀX + c I)⁻¹ Xᵀ, with c = N alpha. b is one more.

    Raises:
        ValueError: as `solution`.
    """
    expect_single("effective_degrees_of_freedom", x, alpha)
    s = np.linalg.svd(centred(x), compute_uv=False)
    return shrinkage(s, len(x) * alpha).sum()


def effective_degrees_of_freedom_backward(dL_df: Any, x: np.ndarray, alpha: Any) -> tuple[np.ndarray, Any]:
    """Since XᵀX = M − c I, the trace is D − c · trace of M⁻¹; and d(M⁻¹) = −M⁻¹ dM M⁻¹, with dM = dXᵀ X + Xᵀ dX + dc I, so

    ∂f/∂X = 2 c X M⁻²             (N, D) @ (D, D); its columns add up to 0, so the mean x̄ takes nothing
    ∂f/∂c = −trace of M⁻¹ + c · trace of M⁻² = −trace of XᵀX M⁻²
    """
    N = len(x)
    X, alpha, s = scaled(x, alpha)
    M_2 = np.linalg.matrix_power(np.linalg.inv(gram(X, alpha)), 2)  # M⁻²
    dL_dx = dL_df * 2 * N * alpha * X @ M_2 / s
    dL_dc = -dL_df * (X.T @ X @ M_2).trace() / s / s  # (D, N) @ (N, D) @ (D, D)
    return dL_dx, N * dL_dc


def scaled(x: np.ndarray, alpha: Any) -> tuple[np.ndarray, Any, Any]:
    """X / s, alpha / s² and s, a power of two near the larger of X and √c: squares of numbers near 1 neither over- nor underflow."""
    X = centred(x)
    s = binary_scale(np.array([np.abs(X).max(initial=0), math.sqrt(len(x) * alpha)], x.dtype))
    return X / s, alpha / s / s, s


def gram(X: np.ndarray, alpha: Any) -> np.ndarray:
    """M = XᵀX + N alpha I: the products of all pairs of columns, and the ridge. Shapes: X (N, D), the result (D, D)."""
    return X.T @ X + len(X) * alpha * np.eye(X.shape[1], dtype=X.dtype)


def expect_single(function: str, x: np.ndarray, alpha: Any) -> None:
    """Raise ValueError unless one W is the best: alpha > 0, or alpha = 0 and independent columns."""
    if not alpha >= 0:
        raise ValueError(f"{function}: alpha must be at least 0, got {alpha}")
    if alpha == 0:
        rank = np.linalg.matrix_rank(centred(x))
        if rank < x.shape[1]:
            raise ValueError(f"{function}: where alpha = 0, x less its mean must have {x.shape[1]} independent columns, got {rank}")


def hessian(x: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """∂²L/∂q² with q = [W; b]: that of least squares, and 2 alpha on the diagonal of W. Shapes: x (N, D), the result (D+1, D+1).

    Every direction but b's curves by at least 2 alpha: no valley is flat any more, and gradient descent arrives sooner.
    """
    H = linear_regression.hessian(x)
    D = x.shape[1]
    H[np.arange(D), np.arange(D)] += 2 * alpha
    return H
