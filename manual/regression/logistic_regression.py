"""Yes or no: logistic regression, which is one neuron, by hand.

A line, ŷ = x W + b, can give any number, but some questions are answered by yes or no: is this lump malignant? Logistic regression bends
the line's answer into a probability, a number between 0 and 1:

    z = x W + b                  (N, D) @ (D, 1) + (1,): a weighted sum
    p = 1 / (1 + e⁻ᶻ)            and a squash, the sigmoid: how probable a yes is (see the figure "the curve")

z is a score ("logit"); e⁻ᶻ is 1/eᶻ. At z = 0 it is 1 and p is 1/2: undecided. At z = 3 it is 0.05 and p is 0.95, at z = −3 it is
20 and p is 0.05.

A weighted sum and a squash is called a **neuron**, after the cells of the brain, which add up what reaches them and fire if it is enough;
the likeness ends there. Every network that decides between two things ends in this neuron.

**What an answer costs.** If the truth is yes (y = 1), we pay −log p. As log 1 = 0 and log 0.05 = −3, who is sure and right pays nearly
nothing, and who is sure and wrong a lot. If it is no (y = 0), we pay −log(1 − p). Both in one line, l for one row, L for all N:

    l = −y log p − (1 − y) log(1 − p)                          binary *cross-entropy*: y or 1 − y is 0
    L = mean of l + alpha/2 · Σᵢ W[i]²

**The way back.** Rates multiply, and nearly everything cancels (the slope of log p is 1/p):

    ∂p/∂z = p (1 − p)                                          the sigmoid's slope
    ∂l/∂p = −y/p + (1 − y)/(1 − p) = (p − y) / (p (1 − p))
    ∂l/∂z = p − y                                              what was predicted, minus what is

The rest is the straight line's:

    ∂L/∂z[n] = (p[n] − y[n]) / N
    ∂L/∂W[i] = Σₙ x[n, i] ∂L/∂z[n] + alpha W[i]
    ∂L/∂b    = Σₙ ∂L/∂z[n]

**On paper.** One person, x = (2, 1), who is ill, y = 1; W = (1, −1), b = −1, alpha = 0:

    z = 2·1 + 1·(−1) − 1 = 0        p = 1 / (1 + 1) = 0.5        L = −log 0.5 = 0.693
    ∂L/∂z = p − y = −0.5            ∂L/∂W = −0.5 · (2, 1) = (−1, −0.5)            ∂L/∂b = −0.5

A step with lr = 1 leads to W = (2, −0.5) and b = −0.5: z = 4 − 0.5 − 0.5 = 3, p = 0.95, L = 0.049.

    >>> x, y = np.array([[2.0, 1.0]]), np.array([[1.0]])
    >>> W, b = np.array([[1.0], [-1.0]]), np.array([-1.0])
    >>> round(float(loss(x, y, W, b)), 3)
    0.693
    >>> dL_dW, dL_db = loss_backward(1.0, x, y, W, b)
    >>> dL_dW.tolist(), dL_db.tolist()
    ([[-1.0], [-0.5]], [-0.5])
    >>> round(float(loss(x, y, W - dL_dW, b - dL_db)), 3)
    0.049

**Why alpha.** If some line parts yes from no without a mistake, as one does here, then twice as long weights are surer of each right
answer, and so on for ever: L has no lowest point. With alpha above 0 length has its price, and one lowest point is left.

Source: Berkson 1944, for the logit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Array, Parameter
from manual.nn.functional import softplus
from manual.nn.validate import expect_same_shape


def sigmoid(z: np.ndarray) -> np.ndarray:
    """p = 1 / (1 + e⁻ᶻ), entry by entry. Where e⁻ᶻ is too large for a float, it is ∞, and p is 0."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-z))


def sigmoid_backward(dL_dp: np.ndarray, z: np.ndarray) -> np.ndarray:
    """∂p/∂z = p (1 − p): a quarter in the middle. 1 − p is taken as σ(−z), which keeps its digits where p is near 1."""
    return dL_dp * sigmoid(z) * sigmoid(-z)


def binary_cross_entropy(z: np.ndarray, y: np.ndarray) -> Any:
    """Mean of −y log p − (1 − y) log(1 − p), with p = σ(z).

    From p it would be log 0 where p rounds to 0 or 1. From z, as torch does it: −log p = log(1 + e⁻ᶻ) = softplus(−z), and −log(1 − p) is z
    more.

    Args:
        z: scores, of any shape.
        y: 1, 0, or a probability between them; of z's shape.

    Raises:
        ValueError: if the shapes differ: (N, 1) and (N,) would make N × N losses.
    """
    expect_same_shape("binary_cross_entropy", "z", z, "y", y)
    return (softplus(-z) + (1 - y) * z).mean()


def binary_cross_entropy_backward(dL_dl: Any, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """∂L/∂z = (p − y) / N, N the number of entries."""
    return dL_dl * (sigmoid(z) - y) / z.size


def loss(x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> Any:
    """L = binary cross-entropy + alpha/2 · ΣW². Shapes: x (N, D), y (N, 1), W (D, 1), b (1,)."""
    z = x @ W + b  # (N, D) @ (D, 1) + (1,)
    return binary_cross_entropy(z, y) + alpha / 2 * (W**2).sum()


def loss_backward(dL_dloss: Any, x: np.ndarray, y: np.ndarray, W: Array, b: Array, alpha: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """∂L/∂W and ∂L/∂b."""
    dL_dz = binary_cross_entropy_backward(dL_dloss, x @ W + b, y)  # (N, 1)
    dL_dW = x.T @ dL_dz + dL_dloss * alpha * W  # (D, N) @ (N, 1): each row of x, weighted by its error; and the pull to 0
    dL_db = dL_dz.sum(axis=0)  # (N, 1) summed over rows: (1,)
    return dL_dW, dL_db


class LogisticRegression(Concept):
    """p = σ(x W + b), fitted by gradient descent with momentum.

    Args:
        features: how many measurements there are, D.
        alpha: the price of long weights; scikit-learn, which minimises N · L, calls 1 / (alpha N) C.
        lr: the learning rate.
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
        """The scores z; the answer is yes where they are above 0, and p above 0.5."""
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


# ---- further reading: Newton's method ------------------------------------------------------------------
#
# It also asks how fast the gradient changes: the Hessian H. Since ∂p/∂z = p (1 − p), with A = [x 1] and q = [W; b]
#
#     H = ∂²L/∂q² = 1/N · Aᵀ diag(p (1 − p)) A + alpha · diag(1, ..., 1, 0)
#     q ← q − H⁻¹ ∂L/∂q
#
# It jumps to the lowest point of the parabola that fits L here; near the end every jump doubles the number of right digits. Each jump is a
# least squares problem whose rows have the weights p (1 − p): hence its other name, iteratively reweighted least squares (IRLS; Nelder and
# Wedderburn 1972, "Generalized linear models"). A network of a million weights would have a Hessian of a million times a million numbers,
# which is why networks go down by the gradient.


def hessian(x: np.ndarray, W: np.ndarray, b: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """∂²L/∂q² with q = [W; b]: 1/N · Aᵀ diag(p (1 − p)) A + alpha on the diagonal of W. y has no part in it.

    No direction v curves downwards, vᵀ H v = 1/N · Σₙ p (1 − p) (A v)ₙ² + alpha ‖v_W‖² ≥ 0: L is a bowl, if not a parabola.
    Near the lowest point lr must stay below 2 (1 + momentum) / λmax of it; it is largest where all p are 0.5.
    Shapes: x (N, D), the result (D+1, D+1).
    """
    from manual.regression.linear_regression import with_ones

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
