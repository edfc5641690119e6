"""Few weights: the lasso, and how to go down where there is a kink, by hand.

Ridge regression makes weights small. The lasso makes weights zero: of ten measurements it may keep seven and say that the other three
are not needed. All that changes is the price: alpha times the sum of the absolute values |W|, in place of the squares. A square is flat
at 0, so the last bit of a weight costs next to nothing and stays. An absolute value is as steep at 0 as anywhere else: a weight that earns
less than alpha is driven all the way to 0, and stays there. In neural networks the same price prunes weights and keeps activations few
(sparse autoencoders).

    ŷ = x W + b                                   (N, D) @ (D, 1) + (1,)
    L = 1/2 · mean of (ŷ − y)² + alpha · Σ|W|

The 1/2 is scikit-learn's; it cancels the 2 of the square's slope.

**The kink.** |w| has the slope +1 for w > 0 and −1 for w < 0. At 0 it has no one slope: any line with a slope from −1 to 1 touches the
curve there from below, and its slope is called a subgradient. torch takes 0.

**Going down.** The two terms are taken in turn: a step of gradient descent on the smooth one, then, exactly, the best compromise between
staying at z and the price:

    z = W − lr · ∂(1/2 mean (ŷ − y)²)/∂W
    W = the w with the lowest 1/2 (w − z)² + lr · alpha · |w|, which is sign(z) · max(|z| − lr · alpha, 0)

That is `soft_threshold`: everything moves towards 0 by lr · alpha, and what would pass 0 stops there. It is called proximal gradient
descent, or ISTA for the lasso. lr must stay below 2/λmax, where λmax is the largest curvature of the smooth term. The trained concept does
this: its `backward` is that of the smooth term, and its optimizer, `ProximalSGD`, does the rest.

**On paper.** Four people, two features that have nothing to do with one another, all means 0 (so b = 0):

    x₁   x₂    y                        the smooth term's slope at W = (0, 0) is −Σ x y/4 for each weight:
    −1   −1   −3.5
    −1    1   −2.5                      −(3.5 + 2.5 + 2.5 + 3.5)/4 = −3
     1   −1    2.5                      −(3.5 − 2.5 − 2.5 + 3.5)/4 = −0.5
     1    1    3.5

Σ x²/4 = 1 for both, so least squares has W = (3, 0.5), and one step with lr = 1 arrives: z = (0, 0) + 1 · (3, 0.5). At the price
alpha = 1 the threshold makes (3 − 1, 0) = (2, 0) of it: the second earns 0.5 and costs 1 a unit, so it is not bought. Plain gradient
descent on all of L, with lr = 0.1, is never done with the second weight: at 0.02 the slope is 0.02 − 0.5 + 1 = 0.52, and leads to
−0.032; there it is −0.032 − 0.5 − 1 = −1.532, and leads to 0.1212; and so on, to and fro over 0.

    >>> x = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    >>> y = np.array([[-3.5], [-2.5], [2.5], [3.5]])
    >>> z = -loss_backward(1.0, x, y, np.zeros((2, 1)), np.zeros(1))[0]
    >>> z[:, 0].tolist(), soft_threshold(z, 1.0)[:, 0].tolist()
    ([3.0, 0.5], [2.0, 0.0])
    >>> W = np.array([[2.0], [0.02]])
    >>> for _ in range(2):
    ...     W = W - 0.1 * loss_backward(1.0, x, y, W, np.zeros(1), alpha=1.0)[0]
    ...     print(W[:, 0].round(4).tolist())
    [2.0, -0.032]
    [2.0, 0.1212]

Sources: Tibshirani 1996 (the lasso); Daubechies, Defrise and De Mol 2004 (ISTA).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.validate import expect_same_shape
from manual.optim.optimizer import State


def soft_threshold(z: np.ndarray, t: Any) -> np.ndarray:
    """s = sign(z) · max(|z| − t, 0): towards 0 by t, and no further than 0. Shapes: z any, t a number."""
    return np.sign(z) * np.maximum(np.abs(z) - t, 0)


def soft_threshold_backward(dL_ds: np.ndarray, z: np.ndarray, t: Any) -> tuple[np.ndarray, Any]:
    """∂s/∂z = 1 and ∂s/∂t = −sign(z) where |z| > t; both 0 elsewhere, and at the kinks |z| = t too (torch's choice). t stands in all."""
    moved = np.abs(z) > t
    dL_dz = dL_ds * moved
    dL_dt = -(dL_dz * np.sign(z)).sum()  # t moves s as z does, but towards 0
    return dL_dz, dL_dt


def loss(x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> Any:
    """L = 1/2 · mean of (ŷ − y)² + alpha · Σ|W|, as scikit-learn's Lasso. Shapes: x (N, D), y (N, 1), W (D, 1), b (1,).

    Raises:
        ValueError: if y has another shape than ŷ: (N, 1) and (N,) would make N × N residuals.
    """
    y_hat = x @ W + b  # (N, D) @ (D, 1) + (1,)
    expect_same_shape("loss", "x W + b", y_hat, "y", y)
    return ((y_hat - y) ** 2).mean() / 2 + alpha * np.abs(W).sum()


def loss_backward(dL_dloss: Any, x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂W and ∂L/∂b; where a weight is 0 the slope of its |W| is taken as 0, which is sign(0) and torch's subgradient."""
    dL_dy_hat = dL_dloss * (x @ W + b - y) / len(x)  # (N, 1): the 1/2 has cancelled the 2
    dL_dW = x.T @ dL_dy_hat + dL_dloss * alpha * np.sign(W)  # (D, N) @ (N, 1)
    dL_db = dL_dy_hat.sum(axis=0)  # (N, 1) summed over rows: (1,)
    return dL_dW, dL_db


class ProximalSGD(optim.SGD):
    """Gradient descent whose every step ends with a soft threshold: p ← soft_threshold(p − lr · g, lr · alpha).

    Args:
        params: groups, each with its own alpha: {"params": [...], "alpha": 2.0}.
        lr: the step size.
    """

    def __init__(self, params: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(params, lr=lr)

    def update(  # type: ignore[override]  # it has an option more than SGD
        self, p: np.ndarray, g: np.ndarray, state: State, lr: float, alpha: float, **options: Any
    ) -> None:
        super().update(p, g, state, lr=lr, **options)
        p[...] = soft_threshold(p, lr * alpha)


class Lasso(Concept):
    """ŷ = x W + b with a price on Σ|W|, fitted by proximal gradient descent.

    Args:
        features: D, the numbers that are known of each example.
        alpha: the price, scikit-learn's alpha.
        lr: the step size; below 2/λmax of XᵀX/N, which is 0.5 on the diabetes data.
        rng: draws the initial weights from the standard normal distribution.
        dtype: of the parameters.

    Shapes: x (N, D), y (N, 1), W (D, 1), b (1,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(
        self, features: int = 10, alpha: float = 2.0, lr: float = 0.4, *, rng: np.random.Generator | None = None, dtype: Any = np.float64
    ) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"Lasso: alpha must be at least 0, got {alpha}")
        rng = rng or np.random.default_rng()
        self.alpha, self.lr = alpha, lr
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
        dL_dW, dL_db = loss_backward(dL_dloss, x, y, self.W, self.b)  # of the smooth term; alpha is the optimizer's
        self.W.grad += dL_dW
        self.b.grad += dL_db

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, y = batch
        residual = self(x) - y
        self.log("r2/val", 1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum(), batch_size=len(x))
        self.log("zeros/val", (self.W == 0).sum(), batch_size=len(x))

    def configure_optimizers(self) -> ProximalSGD:
        return ProximalSGD([{"params": [self.W], "alpha": self.alpha}, {"params": [self.b], "alpha": 0.0}], lr=self.lr)


# ---- further reading: where the lowest point is, and three ways to it --------------------------------


def violation(x: np.ndarray, y: np.ndarray, W: np.ndarray, b: np.ndarray, alpha: float) -> np.ndarray:
    """How far 0 is from the nearest subgradient of L, for each weight: 0 for all (and ∂L/∂b = 0) exactly at the lowest point. (D, 1).

    With g = −∂(1/2 mean (ŷ − y)²)/∂W, what each weight earns, W is the lowest point exactly if

        g[i] = alpha · sign(W[i]) where W[i] ≠ 0,       |g[i]| ≤ alpha where W[i] = 0
    """
    g = -loss_backward(1.0, x, y, W, b)[0]  # what each weight earns
    return np.where(W != 0, np.abs(g - alpha * np.sign(W)), np.maximum(np.abs(g) - alpha, 0))


def alpha_max(x: np.ndarray, y: np.ndarray) -> float:
    """The lowest alpha at which all weights are 0: the most that any weight earns there, max |XᵀY| / N with X = x − x̄, Y = y − ȳ."""
    X, Y = x - x.mean(axis=0), y - y.mean(axis=0)
    return float(np.abs(X.T @ Y).max() / len(x))  # (D, N) @ (N, 1)


def ista(x: np.ndarray, y: np.ndarray, alpha: float, steps: int) -> np.ndarray:
    """Proximal gradient descent with lr = 1/λmax, from W = 0: p = [W; b] after 0, 1, ..., `steps` steps, (steps+1, D+1).

    L never rises, and after k steps it is too large by about 1/k. Means are taken off first, so that b need not be walked to: it is
    ȳ − x̄ W.

    Raises:
        ValueError: if alpha is negative.
    """
    X, Y, lr = prepared("ista", x, y, alpha)
    path = [np.zeros((x.shape[1], 1), x.dtype)]
    for _ in range(steps):
        W = path[-1]
        path.append(soft_threshold(W - lr * X.T @ (X @ W - Y) / len(X), lr * alpha))  # (D, N) @ (N, 1)
    return with_b(path, x, y)


def fista(x: np.ndarray, y: np.ndarray, alpha: float, steps: int) -> np.ndarray:
    """The same step, taken from a point V ahead of W: V = W + (t − 1)/t′ · (W − the last W), t′ = (1 + √(1 + 4 t²))/2, from t = 1.

    This momentum grows, and gets from an error of about 1/k after k steps to about 1/k².

    Source: Beck and Teboulle 2009, "A fast iterative shrinkage-thresholding algorithm for linear inverse problems".

    Raises:
        ValueError: if alpha is negative.
    """
    X, Y, lr = prepared("fista", x, y, alpha)
    path = [np.zeros((x.shape[1], 1), x.dtype)]
    V, t = path[0], 1.0
    for _ in range(steps):
        path.append(soft_threshold(V - lr * X.T @ (X @ V - Y) / len(X), lr * alpha))  # (D, N) @ (N, 1)
        t_next = (1 + math.sqrt(1 + 4 * t**2)) / 2
        V = path[-1] + (t - 1) / t_next * (path[-1] - path[-2])
        t = t_next
    return with_b(path, x, y)


def coordinate_descent(x: np.ndarray, y: np.ndarray, alpha: float, rounds: int) -> np.ndarray:
    """One weight after the other, each to its best while the others stay, in so many rounds; p after each round, (rounds+1, D+1).

    With r the residual without weight j, L is 1/2 · (Xⱼᵀ Xⱼ/N) w² − (Xⱼᵀ r/N) w + alpha |w| + what does not depend on w, and so

        w = soft_threshold(Xⱼᵀ r/N, alpha) / (Xⱼᵀ Xⱼ/N)

    It is what scikit-learn does. A column of one value (Xⱼ = 0) says nothing, and its weight stays 0.

    Source: Friedman, Hastie and Tibshirani 2010, "Regularization paths for generalized linear models via coordinate descent".

    Raises:
        ValueError: if alpha is negative.
    """
    X, Y, _ = prepared("coordinate_descent", x, y, alpha)
    N, W, path = len(x), np.zeros((x.shape[1], 1), x.dtype), [np.zeros((x.shape[1], 1), x.dtype)]
    curvature = (X**2).sum(axis=0) / N  # (D,)
    for _ in range(rounds):
        for j in np.flatnonzero(curvature):
            r = Y - X @ W + X[:, [j]] * W[j]  # (N, 1)
            W[j] = soft_threshold(X[:, j] @ r / N, alpha) / curvature[j]  # (N,) @ (N, 1)
        path.append(W.copy())
    return with_b(path, x, y)


def prepared(function: str, x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray, float]:
    """x and y less their means, and lr = 1/λmax of XᵀX/N (0 where x says nothing: no step leads anywhere then)."""
    if not alpha >= 0:
        raise ValueError(f"{function}: alpha must be at least 0, got {alpha}")
    X, Y = x - x.mean(axis=0), y - y.mean(axis=0)
    steepest = float(np.linalg.norm(X, 2)) ** 2 / len(X)  # the largest singular value, squared
    return X, Y, 1 / steepest if steepest > 0 else 0.0


def with_b(path: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[W; b] for every W of a path, b = ȳ − x̄ W. Shapes: each W (D, 1), the result (steps+1, D+1)."""
    Ws = np.stack(path)[:, :, 0]
    return np.hstack([Ws, y.mean(axis=0) - Ws @ x.mean(axis=0)[:, None]])  # (steps+1, D) @ (D, 1)
