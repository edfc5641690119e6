"""Which of many: softmax regression, the last layer of almost every classifier, by hand.

Logistic regression answers yes or no. Here there are K answers, say the ten digits, and each gets a line of its own: K columns of
weights, K constants, and so K scores z for each example. A score can be any number; what we want are K probabilities, which are positive
and add up to 1. Softmax makes them: take e to the power of each score (now all are positive), and divide by their sum (now they add up
to 1). The largest score gets the largest probability. The last layer of a network that names what is in a picture, and of a language
model that picks the next word, is exactly this.

How bad is an answer? We look at the probability of the right class c alone, and pay −log p[c]: nothing if it is 1.

    z = x W + b                                (N, D) @ (D, K) + (K,)
    p[n, k] = exp(z[n, k]) / Σⱼ exp(z[n, j])
    l = mean over n of −log p[n, c[n]]          cross-entropy
      = mean over n of (log Σⱼ exp(z[n, j]) − z[n, c[n]])
    L = l + alpha/2 · ΣW²

In the last form of l the score of the right class stands once, with a minus. The other term, the logarithm of a sum, has the derivative
exp(z[k]) / Σⱼ exp(z[j]): p[k] itself. So, writing y for 1 at the right class and 0 elsewhere,

    ∂l/∂z = (p − y) / N                        what was predicted, minus what is
    ∂L/∂W = xᵀ ∂l/∂z + alpha W                 (D, N) @ (N, K)
    ∂L/∂b = sum of ∂l/∂z over rows             (K,)

Each row of p − y adds up to 0: what one class gains, the others lose.

**On paper.** One example, x = (1, 2), three classes, and the right one is the second. The weights from the first number are (0.693, 0, 0),
those from the second (0, 0, 0), and b = 0; 0.693 is log 2, so that e to it is 2:

    z = (0.693, 0, 0)      eᶻ = (2, 1, 1), their sum is 4      p = (0.5, 0.25, 0.25)      y = (0, 1, 0)
    l = −log 0.25 = 1.386                                      p − y = (0.5, −0.75, 0.25), which adds up to 0
    ∂l/∂W = xᵀ (p − y): from the first number  1 · (p − y) = (0.5, −0.75, 0.25)
                        from the second        2 · (p − y) = (1, −1.5, 0.5)

    >>> x, c = np.array([[1.0, 2.0]]), np.array([1])
    >>> W, b = np.array([[np.log(2), 0.0, 0.0], [0.0, 0.0, 0.0]]), np.zeros(3)
    >>> softmax(x @ W + b).round(6).tolist(), round(float(loss(x, c, W, b)), 3)
    ([[0.5, 0.25, 0.25]], 1.386)
    >>> loss_backward(1.0, x, c, W, b)[0].round(6).tolist()
    [[0.5, -0.75, 0.25], [1.0, -1.5, 0.5]]

**One line too many.** Add the same number to all scores of a row, and no p changes: only differences of scores count. For two classes
p[1] = σ(z[1] − z[0]), and this is logistic regression. So L is level along some directions: b may be moved as a whole at no cost. W
may not be while alpha > 0, which makes each row of W add up to 0. Gradient descent never moves b along the level direction, since
the gradient adds up to 0: it stays where it began.

**A class that no row has** has y = 0 everywhere, so its b falls for ever and its p goes to 0, without arriving: leave such a class out,
as scikit-learn does. **Classes that can be separated** make W grow for ever unless alpha > 0, as in logistic regression.

Source: Luce 1959 (the rule); Bridle 1990 (the name, and its use in networks).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.functional import log_softmax, softmax
from manual.nn.validate import expect_indices, expect_ndim


def cross_entropy(z: np.ndarray, c: np.ndarray) -> Any:
    """Mean of −log p at the right class. From z, not from p: the logarithm of a p that rounds to 0 would be −∞.

    Args:
        z: scores, (N, K).
        c: the right classes, N integers from 0 to K − 1.

    Raises:
        ValueError: if z and c are not of those shapes.
        TypeError: if c are no integers.
        IndexError: if there is no such class.
    """
    expect_ndim("cross_entropy", "z", z, 2)
    expect_indices("cross_entropy", "c", c, z.shape[1], "classes")
    if c.shape != z.shape[:1]:
        raise ValueError(f"cross_entropy: c must have one class for each row of z, {z.shape[:1]}, got {c.shape}")
    return -log_softmax(z)[np.arange(len(z)), c].mean()


def cross_entropy_backward(dL_dl: Any, z: np.ndarray, c: np.ndarray) -> np.ndarray:
    """∂l/∂z = (p − y) / N; the classes c are given and have no gradient."""
    p, y = softmax(z), one_hot(c, z.shape[1], z.dtype)  # (N, K) both
    return dL_dl * (p - y) / len(z)


def one_hot(c: np.ndarray, classes: int, dtype: Any = np.float64) -> np.ndarray:
    """1 at each row's class, 0 elsewhere. Shapes: c (N,), the result (N, K)."""
    return np.eye(classes, dtype=dtype)[c]


def loss(x: np.ndarray, c: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> Any:
    """L = cross-entropy + alpha/2 · ΣW². Shapes: x (N, D), c (N,), W (D, K), b (K,).

    scikit-learn's LogisticRegression minimises N · L, with C = 1 / (alpha N).
    """
    z = x @ W + b  # (N, D) @ (D, K) + (K,)
    return cross_entropy(z, c) + alpha / 2 * (W**2).sum()


def loss_backward(dL_dloss: Any, x: np.ndarray, c: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂W and ∂L/∂b; the data x and c are given and get none."""
    dL_dz = cross_entropy_backward(dL_dloss, x @ W + b, c)  # (N, K)
    dL_dW = x.T @ dL_dz + dL_dloss * alpha * W  # (D, N) @ (N, K): each row of x, added to each class by its error there
    dL_db = dL_dz.sum(axis=0)  # (N, K) summed over rows: (K,)
    return dL_dW, dL_db


class SoftmaxRegression(Concept):
    """p = softmax(x W + b), fitted by gradient descent with momentum.

    Args:
        features: D, the numbers that are known of each example.
        classes: K, the answers that there are to choose from.
        alpha: the price of long weights; scikit-learn's C is 1 / (alpha N).
        lr: the step size. The digits' pixels vary little (0 to 1, less their mean), which makes L flat: it can be large.
        momentum: how much of the last step is kept.
        rng: draws the initial weights from the standard normal distribution.
        dtype: of the parameters.

    Shapes: x (N, D), the prediction z (N, K), c (N,) integers, W (D, K), b (K,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(
        self,
        features: int = 64,
        classes: int = 10,
        alpha: float = 0.003,
        lr: float = 5.0,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"SoftmaxRegression: alpha must be at least 0, got {alpha}")
        rng = rng or np.random.default_rng()
        self.alpha, self.lr, self.momentum = alpha, lr, momentum
        self.W = Parameter(rng.standard_normal((features, classes)).astype(dtype))
        self.b = Parameter(np.zeros(classes, dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The scores z; the answer is the class of the largest."""
        return x @ self.W + self.b  # (N, D) @ (D, K) + (K,)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, c = batch
        L = loss(x, c, self.W, self.b, self.alpha)
        self.save(x, c)
        self.log("loss/train", L)
        return L

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, c = self.restore()
        dL_dW, dL_db = loss_backward(dL_dloss, x, c, self.W, self.b, self.alpha)
        self.W.grad += dL_dW
        self.b.grad += dL_db

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        x, c = batch
        z = self(x)
        self.log("loss/val", cross_entropy(z, c), batch_size=len(x))
        self.log("accuracy/val", np.mean(z.argmax(axis=1) == c), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: how the probabilities answer to the scores, and how the loss curves -------------


def softmax_jacobian(z: np.ndarray) -> np.ndarray:
    """∂p[n, k]/∂z[n, j] = p[n, k] (δₖⱼ − p[n, j]): for each row the matrix diag(p) − p pᵀ. Shapes: z (N, K), the result (N, K, K).

    A score raises its own p by p (1 − p), as in the sigmoid, and lowers every other. It is also the second derivative of the
    cross-entropy of one row, whose first is p − y. It is symmetric, and its rows add up to 0.
    """
    p = softmax(z)
    return p[:, :, None] * np.eye(z.shape[1], dtype=z.dtype) - p[:, :, None] * p[:, None, :]  # (N, K, 1) · (K, K), (N, K, 1) · (N, 1, K)


def hessian(x: np.ndarray, W: np.ndarray, b: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """∂²L/∂q² with q = [W; b], (D+1, K), as one long row: (i, k) stands at i K + k. With A = [x 1] and J = `softmax_jacobian`,

        ∂²L/∂q[i, k] ∂q[j, l] = 1/N · Σₙ A[n, i] A[n, j] J[n, k, l], and alpha on the diagonal of W

    The direction that moves all of b alike is level: H times it is 0. Shapes: x (N, D), the result ((D+1) K, (D+1) K).
    """
    from manual.regression.linear_regression import with_ones

    A, J = with_ones(x), softmax_jacobian(x @ W + b)
    n = A.shape[1] * J.shape[1]
    H = np.einsum("ni,nj,nkl->ikjl", A, A, J, optimize=True).reshape(n, n) / len(x)
    H[np.arange(W.size), np.arange(W.size)] += alpha  # b, the last K, is free
    return H
