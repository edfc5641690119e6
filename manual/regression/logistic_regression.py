"""Yes or no: logistic regression by gradient descent and by Newton's method, by hand.

A line, ŷ = x W + b, can give any number, but some questions are answered by yes or no: is this lump malignant? Logistic regression keeps
the line and bends its answer into a probability. The number z = x W + b is a score (a "logit"): 0 is undecided, +3 rather sure of yes,
−3 rather sure of no. The sigmoid turns it into the probability of yes, p = 1 / (1 + e⁻ᶻ), which is 0.5 at z = 0 and approaches 1 and 0
at the ends without reaching them. This is one neuron: the last layer of every network that decides between two things is exactly this.
In the figures look at the curve that climbs from 0 to 1 through the data, and at the straight line where p = 0.5: here the answer turns.

How bad is an answer? If the truth is yes (y = 1), we pay −log p: nothing for p = 1, more and more as p approaches 0. If it is no
(y = 0), we pay −log(1 − p). Both in one line, for one row, and for L the mean over the N rows:

    l = −y log p − (1 − y) log(1 − p)                          binary cross-entropy

Two derivatives, one after the other (the chain rule), and nearly everything cancels:

    ∂p/∂z = p (1 − p)                                          the sigmoid's slope
    ∂l/∂p = −y/p + (1 − y)/(1 − p) = (p − y) / (p (1 − p))
    ∂l/∂z = p − y                                              what was predicted, minus what is

From there on it is the straight line again: with one row of x per example,

    z = x W + b                        (N, D) @ (D, 1) + (1,)
    L = mean of l + alpha/2 · Σᵢ W[i]²
    ∂L/∂z[n] = (p[n] − y[n]) / N
    ∂L/∂W[i] = Σₙ x[n, i] ∂L/∂z[n] + alpha W[i]
    ∂L/∂b    = Σₙ ∂L/∂z[n]

**Why the second term.** If some line separates the two classes without a mistake, then twice as steep a line is surer of each right
answer and has a smaller L, and so on for ever: L has no lowest point. These data are such a case. With alpha > 0, length has its price, and
exactly one lowest point is left. b is free: it costs nothing to say that yes is rare.

**Newton's method** also asks how fast the gradient changes: the Hessian H. Since ∂p/∂z = p (1 − p), with A = [x 1] and q = [W; b]

    H = ∂²L/∂q² = 1/N · Aᵀ diag(p (1 − p)) A + alpha · diag(1, ..., 1, 0)
    q ← q − H⁻¹ ∂L/∂q

It jumps to the lowest point of the parabola that fits L here; near the end every jump doubles the number of right digits. Each jump is a
least squares problem whose rows have the weights p (1 − p): hence its other name, iteratively reweighted least squares (IRLS). A network
of a million weights would have a Hessian of a million times a million numbers, which is why networks go down by the gradient.

Source: Berkson 1944 (the logit); Nelder and Wedderburn 1972, "Generalized linear models" (IRLS).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.functional import softplus
from manual.nn.validate import expect_same_shape
from manual.regression.linear_regression import with_ones


def sigmoid(z: np.ndarray) -> np.ndarray:
    """p = 1 / (1 + e⁻ᶻ), entry by entry. Where e⁻ᶻ overflows to ∞, 1 / (1 + ∞) = 0 is what p rounds to."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def sigmoid_backward(dL_dp: np.ndarray, z: np.ndarray) -> np.ndarray:
    """∂p/∂z = e⁻ᶻ / (1 + e⁻ᶻ)² = p (1 − p): a quarter in the middle, 0 at both ends.

    1 − p is taken as σ(−z): where p is nearly 1, the difference would have lost its digits.
    """
    return dL_dp * sigmoid(z) * sigmoid(-z)


def binary_cross_entropy(z: np.ndarray, y: np.ndarray) -> Any:
    """Mean of −y log p − (1 − y) log(1 − p), with p = σ(z).

    Computed from p it would be log 0 as soon as p rounds to 0 or 1. Computed from z it never is: −log p = log(1 + e⁻ᶻ) = softplus(−z), and
    −log(1 − p) = log(1 + eᶻ) = softplus(−z) + z, so that the two terms together are softplus(−z) + (1 − y) z, which is torch's form.

    Args:
        z: scores, of any shape.
        y: 1 for yes, 0 for no, or a probability between them; of z's shape.

    Raises:
        ValueError: if the shapes differ: (N, 1) and (N,) would make N × N losses.
    """
    expect_same_shape("binary_cross_entropy", "z", z, "y", y)
    return (softplus(-z) + (1 - y) * z).mean()


def binary_cross_entropy_backward(dL_dl: Any, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """∂l/∂z = (p − y) / N, N the number of entries; y is given and gets no gradient."""
    return dL_dl * (sigmoid(z) - y) / z.size


def loss(x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> Any:
    """L = binary cross-entropy + alpha/2 · ΣW². Shapes: x (N, D), y (N, 1), W (D, 1), b (1,).

    scikit-learn's LogisticRegression minimises N · L, with C = 1 / (alpha N).
    """
    z = x @ W + b  # (N, D) @ (D, 1) + (1,)
    return binary_cross_entropy(z, y) + alpha / 2 * (W**2).sum()


def loss_backward(dL_dloss: Any, x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂W and ∂L/∂b; the data x and y are given and get none."""
    dL_dz = binary_cross_entropy_backward(dL_dloss, x @ W + b, y)  # (N, 1)
    dL_dW = x.T @ dL_dz + dL_dloss * alpha * W  # (D, N) @ (N, 1): each row of x, weighted by its error; and the pull to 0
    dL_db = dL_dz.sum(axis=0)  # (N, 1) summed over rows: (1,)
    return dL_dW, dL_db


def hessian(x: np.ndarray, W: np.ndarray, b: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """∂²L/∂q² with q = [W; b]: 1/N · Aᵀ diag(p (1 − p)) A + alpha on the diagonal of W. y has no part in it.

    No direction v curves downwards, vᵀ H v = 1/N · Σₙ p (1 − p) (A v)ₙ² + alpha ‖v_W‖² ≥ 0: L is a bowl, if not a parabola.
    Shapes: x (N, D), the result (D+1, D+1).
    """
    A = with_ones(x)
    z = x @ W + b  # (N, 1)
    curvature = sigmoid(z) * sigmoid(-z)  # p (1 − p), (N, 1)
    H = A.T @ (curvature * A) / len(x)  # (D+1, N) @ (N, D+1)
    H[np.arange(len(W)), np.arange(len(W))] += alpha  # b, the last, is free
    return H


def newton(x: np.ndarray, y: np.ndarray, alpha: float = 0.0, max_steps: int = 50) -> np.ndarray:
    """The lowest point of L by Newton's method, from q = 0: every place on the way, the last is the answer.

    A jump that leads uphill is halved until it does not.

    Args:
        x: (N, D).
        y: (N, 1), 0 or 1.
        alpha: the price of length.
        max_steps: when to give up.

    Returns:
        q = [W; b] after 0, 1, 2, ... steps, (steps+1, D+1).

    Raises:
        ValueError: if there is no single lowest point: only one class is there; or alpha is 0, and the classes can be separated or the
            columns of [x 1] depend on each other; or if max_steps are not enough.
    """
    if len(np.unique(y)) < 2:
        raise ValueError("newton: y must hold both classes: with one alone, b runs off to ±∞")

    def at(q: np.ndarray) -> float:
        return float(loss(x, y, q[:-1, None], q[-1:], alpha))

    eps = float(np.finfo(x.dtype).eps)
    path = [np.zeros(x.shape[1] + 1, x.dtype)]
    for _ in range(max_steps):
        W, b = path[-1][:-1, None], path[-1][-1:]
        if alpha == 0 and np.all((2 * y - 1) * (x @ W + b) > 0):
            raise ValueError(
                "newton: where alpha = 0 the classes must overlap; a plane separates these, and longer weights are always better"
            )
        gradient = np.concatenate([g.ravel() for g in loss_backward(1.0, x, y, W, b, alpha)])
        H = hessian(x, W, b, alpha)
        rank = np.linalg.matrix_rank(H)
        if rank < len(H):
            raise ValueError(f"newton: x and a column of ones must be {len(H)} independent columns where alpha = 0, got {rank}")
        jump = np.linalg.solve(H, gradient)
        while at(path[-1] - jump) - at(path[-1]) > 8 * eps * at(path[-1]):  # uphill, and not by rounding
            jump = jump / 2
        path.append(path[-1] - jump)
        if np.linalg.norm(jump) <= eps**0.5 * np.linalg.norm(path[-1]):  # the next error is about the square of this one
            return np.stack(path)
    raise ValueError(f"newton: not at rest after {max_steps} steps; do the classes overlap at all?")


class LogisticRegression(Concept):
    """p = σ(x W + b), fitted by gradient descent with momentum.

    Args:
        features: D, the numbers that are known of each example.
        alpha: the price of long weights; scikit-learn's C is 1 / (alpha N).
        lr: the step size; it must stay below 2 (1 + momentum) / λmax of the Hessian, which is largest where all p are 0.5.
        momentum: how much of the last step is kept.
        rng: draws the initial weights from the standard normal distribution.
        dtype: of the parameters.

    Shapes: x (N, D), the prediction z (N, 1), y (N, 1) of 0 and 1, W (D, 1), b (1,).

    Raises:
        ValueError: if alpha is negative.
    """

    def __init__(
        self,
        features: int = 30,
        alpha: float = 0.01,
        lr: float = 1.0,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"LogisticRegression: alpha must be at least 0, got {alpha}")
        rng = rng or np.random.default_rng()
        self.alpha, self.lr, self.momentum = alpha, lr, momentum
        self.W = Parameter(rng.standard_normal((features, 1)).astype(dtype))
        self.b = Parameter(np.zeros(1, dtype))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The scores z; the answer is yes where they are positive, that is where p is above 0.5."""
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
        z = self(x)
        self.log("loss/val", binary_cross_entropy(z, y), batch_size=len(x))
        self.log("accuracy/val", np.mean((z > 0) == (y > 0.5)), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)
