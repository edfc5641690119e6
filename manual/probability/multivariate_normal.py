"""The Normal distribution in D dimensions: numbers that go together, by hand.

If you gave up on mathematics somewhere before this: tall people are heavier, on the whole. Whoever draws a person's height from one bell
curve and the weight from another draws people who do not exist. Here one bell stands over the whole plane, and its contours are
ellipses: long in the direction in which both grow together. An ellipse is a circle that was stretched and slanted, and what does that
is a matrix L. So every such bell is the round one, z, seen through L:

    x = loc + L z                 z: D independent numbers from Normal(0, 1)
    Σ = L Lᵀ                      the *covariance* of x: variances on its diagonal, beside it how much two of them go together

L is 0 above its diagonal. That is its usual letter, for *lower triangle*; the loss has no letter in this lesson, and is L only in names of
gradients such as dL_dloc. Σ is here a matrix, the covariance; with an index below, as in Σₖ, it is a sum as always.

In networks it is the shape of what a variational autoencoder draws, of a policy that moves several joints, and of what is known of weights
(see `bayes`).

    cholesky     Σ = L Lᵀ          the square root with 0 above its diagonal: there is one, if every direction varies
    substitute   L z = x − loc     row by row from the top: each row has one unknown that the rows above have not (see `matrices`)
    log_prob     −zᵀz/2 − log det L − D log √(2π)
    entropy      D (½ + log √(2π)) + log det L           how large the ellipse is; det L = the product of L's diagonal

**On paper.** A root is found entry by entry. Of Σ = [[4, 2], [2, 5]]:

    L = [a  0]     L Lᵀ = [a²      a b    ]     a = √4 = 2     b = 2/a = 1     c = √(5 − b²) = √4 = 2
        [b  c]            [a b   b² + c²  ]

With z = (1, −1) and loc = (0, 0) the bell draws x = L z = (2 · 1, 1 · 1 + 2 · (−1)) = (2, −1). And how probable is (2, 3)? The first row
says 2 z₁ = 2, so z₁ = 1; the second z₁ + 2 z₂ = 3, so z₂ = 1. Then zᵀz = 1 + 1 = 2, and

    log_prob = −2/2 − log (2 · 2) − 2 · 0.919 = −1 − 1.386 − 1.838 = −4.224

    >>> L = cholesky(np.array([[4.0, 2.0], [2.0, 5.0]]))
    >>> L.tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    >>> (L @ np.array([1.0, -1.0])).tolist()
    [2.0, -1.0]
    >>> log_prob(np.array([[2.0, 3.0]]), np.zeros(2), L).round(3).tolist()
    [-4.224]

L rather than Σ is what is trained, drawn with and stored: Σ⁻¹ is never formed, and a Σ that could not be has no L (`cholesky` says so).
What to look at in the figures: the circle that becomes an ellipse, and the ellipse that both sides lay around flowers.

Sources: Bishop, Pattern Recognition and Machine Learning, section 2.3; Golub and Van Loan, Matrix Computations, section 4.2; Murray 2016,
"Differentiation of the Cholesky decomposition".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.linear_algebra.matrices import substitute
from manual.module import Parameter
from manual.nn.functional import binary_scale
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_ndim, expect_size
from manual.probability.distributions import HALF_LOG_2PI, Shape, standard_normal

Array = np.ndarray


# ---- the square root of a covariance -------------------------------------------------------------


def lower_cholesky(raw: Array) -> Array:
    """A scale_tril from any square matrix: what is below its diagonal, and e to the power of what is on it, which is above 0.

    The rest of raw has no part (torch.distributions.transforms.LowerCholeskyTransform). Shapes: both (n, n).
    """
    expect_array("lower_cholesky", "raw", raw)
    if raw.shape != raw.shape[:1] * 2:
        raise ValueError(f"lower_cholesky: raw must be square, got shape {raw.shape}")
    return np.tril(raw, -1) + np.diag(np.exp(raw.diagonal()))


def lower_cholesky_backward(dL_dy: Array, raw: Array) -> Array:
    """1 below the diagonal, e to the power of raw on it, 0 above."""
    return np.tril(dL_dy, -1) + np.diag(dL_dy.diagonal() * np.exp(raw.diagonal()))


# ---- the distribution ----------------------------------------------------------------------------


def log_prob(value: Array, loc: Array, scale_tril: Array) -> Array:
    """y = −zᵀz/2 − log det L − D log √(2π), with L z = value − loc, for L = scale_tril.

    Shapes: value (N, D), loc (D,), scale_tril (D, D), y (N,).

    Raises:
        ValueError: if the shapes do not fit, or scale_tril is not positive on its diagonal and 0 above it.
    """
    expect_tril("log_prob", loc, scale_tril)
    expect_array("log_prob", "value", value, loc.dtype)
    expect_ndim("log_prob", "value", value, 2)
    expect_size("log_prob", "value", value, 1, len(loc), "entries of loc")
    z = substitute(scale_tril, (value - loc).T)  # (D, D) and (D, N)
    return -(z * z).sum(axis=0) / 2 - np.log(scale_tril.diagonal()).sum() - len(loc) * HALF_LOG_2PI


def log_prob_backward(dL_dy: Array, value: Array, loc: Array, scale_tril: Array) -> tuple[Array, Array, Array]:
    """∂y/∂z = −z. With u = L⁻ᵀ z, which is Σ⁻¹ (value − loc), and since dz = L⁻¹ (dvalue − dloc − dL z),

    ∂y/∂value = −u        ∂y/∂loc = u        ∂y/∂L = u zᵀ − diag(1/L[i, i]), on and below the diagonal
    """
    z = substitute(scale_tril, (value - loc).T)  # (D, N)
    u = substitute(scale_tril.T, z, upper=True) * dL_dy  # (D, N) times (N,)
    dL_ddiagonal = dL_dy.sum() / scale_tril.diagonal()  # (D,): log det is in every y
    dL_dscale_tril = np.tril(u @ z.T) - np.diag(dL_ddiagonal)  # (D, N) @ (N, D)
    return -u.T, u.sum(axis=1), dL_dscale_tril


def entropy(scale_tril: Array) -> Any:
    """H = D (½ + log √(2π)) + log det L. Shapes: (D, D) to ()."""
    expect_tril("entropy", scale_tril.diagonal(), scale_tril)
    return len(scale_tril) * (0.5 + HALF_LOG_2PI) + np.log(scale_tril.diagonal()).sum()


def entropy_backward(dL_dy: Any, scale_tril: Array) -> Array:
    """∂H/∂L[i, i] = 1/L[i, i], and 0 off the diagonal."""
    return np.diag(dL_dy / scale_tril.diagonal())


def sample(loc: Array, scale_tril: Array, sample_shape: Shape = (), *, rng: np.random.Generator) -> Array:
    """loc + L z: a round cloud, stretched and slanted. Shapes: (*sample_shape, D)."""
    expect_tril("sample", loc, scale_tril)
    z = standard_normal((*sample_shape, len(loc)), rng).astype(loc.dtype)
    return loc + z @ scale_tril.T  # (..., D) @ (D, D): each row is L z


# ---- what is trained -----------------------------------------------------------------------------


class MultivariateNormal(Concept):
    """loc and scale_tril, climbing to the largest likelihood of the rows of x: loss = −mean log-density.

    `closed_form` has the top at once. It is climbed because a network that says a distribution has to be taught in this way. A step may
    lead anywhere; what is trained is `raw`, of which `lower_cholesky` makes a scale_tril.

    Args:
        features: D, the numbers that are known of each example.
        lr: the step size.
        rng: draws the initial loc from Normal(0, 1); scale_tril begins as I.
        dtype: of the parameters.

    Shapes: x (N, D), loc (D,), raw (D, D).
    """

    def __init__(self, features: int = 2, lr: float = 0.2, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr = lr
        self.loc = Parameter(normal((features,), rng=rng, dtype=dtype))
        self.raw = Parameter(np.zeros((features, features), dtype))

    def forward(self, x: Array) -> Array:
        """The log-density of each row, (N,)."""
        loc, scale_tril = self.loc.data.copy(), lower_cholesky(self.raw.data)
        self.save(x, loc, scale_tril)
        return log_prob(x, loc, scale_tril)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        loss = -self(x).mean()
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, loc, scale_tril = self.restore()
        dL_dy = np.full(len(x), -dL_dloss / len(x), x.dtype)  # (N,): the mean over rows
        _, dL_dloc, dL_dscale_tril = log_prob_backward(dL_dy, x, loc, scale_tril)  # (D,) and (D, D)
        self.loc.grad += dL_dloc
        self.raw.grad += lower_cholesky_backward(dL_dscale_tril, self.raw.data)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", -self(x).mean(), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: how the root is found, and its gradient ------------------------------------
#
# Column by column. A[j, j] = Σₖ Y[j, k]² and A[i, j] = Σₖ Y[i, k] Y[j, k], with k up to j only. So when the columns before j are known,
# what they leave of A[j, j] is Y[j, j]², and what they leave of A[i, j] is Y[i, j] Y[j, j]. What is left must be above 0.
#
# The gradient. From A = Y Yᵀ follows dA = dY Yᵀ + Y dYᵀ. With S = Y⁻¹ dY, which like Y is 0 above its diagonal,
#
#     Y⁻¹ dA Y⁻ᵀ = S + Sᵀ        so S = Φ(Y⁻¹ dA Y⁻ᵀ), where Φ keeps what is below the diagonal and half of what is on it
#
# and read backwards, ∂L/∂A = Y⁻ᵀ Φ(Yᵀ ∂L/∂Y) Y⁻¹, of which the symmetric part counts. (L is the loss here.)


def cholesky(A: Array) -> Array:
    """Y with A = Y Yᵀ, 0 above its diagonal and positive on it (torch.linalg.cholesky). Shapes: both (n, n).

    Only the symmetric part of A counts, (A + Aᵀ)/2; torch reads what is on and below the diagonal.

    Raises:
        ValueError: if A is not square, or not positive definite: some direction has a variance of 0 or below, or is NaN.
    """
    from manual.linear_algebra.matrices import expect_square

    expect_square("cholesky", A)
    A, Y = (A + A.T) / 2, np.zeros_like(A)
    for j in range(len(A)):
        left = A[j:, j] - Y[j:, :j] @ Y[j, :j]  # (n − j,) less (n − j, j) @ (j,)
        if not left[0] > 0:
            raise ValueError(f"cholesky: A must be positive definite, but {left[0]:.3g} is left of its diagonal at column {j}")
        Y[j:, j] = left / np.sqrt(left[0])
    return Y


def cholesky_backward(dL_dY: Array, A: Array) -> Array:
    """∂L/∂A = Y⁻ᵀ Φ(Yᵀ ∂L/∂Y) Y⁻¹, and of that the symmetric part, for A[i, j] and A[j, i] are used by half each.

    Taking the symmetric part of Φ(...) first leads to the same: Y⁻ᵀ and Y⁻¹ stand around it alike.
    """
    Y = cholesky(A)
    P = np.tril(Y.T @ dL_dY)  # (n, n) @ (n, n)
    P[np.diag_indices(len(P))] /= 2  # Φ
    left = substitute(Y.T, (P + P.T) / 2, upper=True)  # Y⁻ᵀ times the symmetric part, (n, n)
    return substitute(Y.T, left.T, upper=True)  # Y⁻ᵀ leftᵀ: what is left times Y⁻¹, as the whole is symmetric


def closed_form(x: Array) -> tuple[Array, Array]:
    """loc and scale_tril of the largest likelihood of the rows of x: their mean, and the root of their biased covariance, Σ over n.

    Shapes: x (N, D), loc (D,), scale_tril (D, D).

    Raises:
        ValueError: if there are no rows; or too few (D or less), or columns that depend on each other: the covariance then has no root.
    """
    from manual.linear_algebra.eigen import covariance

    expect_array("closed_form", "x", x)
    expect_ndim("closed_form", "x", x, 2)
    if len(x) == 0:
        raise ValueError(f"closed_form: x must have at least one row, got shape {x.shape}")
    loc = x.mean(axis=0)
    s = binary_scale(x - loc)  # no square of numbers near 1 under- or overflows
    return loc, s * cholesky(covariance((x - loc) / s))


# ---- further reading: moments, and what is refused -----------------------------------------------


def moments(loc: Array, scale_tril: Array) -> tuple[Array, Array]:
    """Mean loc (D,) and covariance Σ = L Lᵀ (D, D), whose diagonal are the variances."""
    expect_tril("moments", loc, scale_tril)
    return loc, scale_tril @ scale_tril.T  # (D, D) @ (D, D)


def expect_tril(function: str, loc: Array, scale_tril: Array) -> None:
    """Raise unless scale_tril is 0 above its diagonal, positive on it, and as large as loc is long."""
    expect_array(function, "loc", loc)
    expect_array(function, "scale_tril", scale_tril, loc.dtype)
    if loc.ndim != 1 or scale_tril.shape != (len(loc), len(loc)):
        raise ValueError(f"{function}: loc must have shape (D,) and scale_tril (D, D), got {loc.shape} and {scale_tril.shape}")
    if np.triu(scale_tril, 1).any() or not (scale_tril.diagonal() > 0).all():
        raise ValueError(f"{function}: scale_tril must be 0 above its diagonal and above 0 on it, got {scale_tril.tolist()}")
