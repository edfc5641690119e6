"""Principal components: the few directions in which data vary most, by hand.

If you gave up on mathematics somewhere before this: four lengths of a flower are four numbers, and 150 flowers are 150 points in a
space of four dimensions, which nobody can see. But long petals are also wide: the points lie near a plane. Principal component analysis
finds it. The first *component* is the direction along which the points are spread most; the second is that direction among those at right
angles to the first; and so on. Keep the first two and the flowers can be drawn on paper; what is lost is how far the points lie from
that sheet.

A network that must squeeze its input through a few numbers and rebuild it, an *autoencoder*, finds the same plane if it has no kinks: that
is what is trained here. The few numbers in its middle are called the *code*, or *latent*: hidden. With kinks it finds bent surfaces.

    X = x − x̄                      every column less its mean: directions are looked at from the middle of the points
    C = XᵀX / N                    (D, N) @ (N, D): the *covariance*; on its diagonal the variances, the means of the squares
    C = V Λ Vᵀ                     its eigenvectors v[j] are the components, its eigenvalues λ[j] the variances along them (see `eigen`)
    λ[j] / Σ λ                     the share of the variance that component j explains
    x̄ + rank_k(X, k)               what the first k components keep of the data (see `svd`)

**On paper.** Four points around the middle: (2, 1), (1, 2), (−1, −2), (−2, −1), so that X = x. The squares of the first numbers are
4 + 1 + 1 + 4 = 10, those of the second too, and the products are 2 + 2 + 2 + 2 = 8, all over N = 4:

    C = [2.5   2 ]      C (1, 1) = (4.5, 4.5) = 4.5 (1, 1)          along (1, 1), the variance is 4.5
        [ 2   2.5]      C (1, −1) = (0.5, −0.5) = 0.5 (1, −1)       along (1, −1), it is 0.5

The first component is (1, 1), divided by its length √2; it explains 4.5/(4.5 + 0.5) = 90 % of the variance. The point on its line that is
nearest to (2, 1) is (1.5, 1.5).

    >>> x = np.array([[2.0, 1.0], [1.0, 2.0], [-1.0, -2.0], [-2.0, -1.0]])
    >>> components, variances = pca_by_covariance(x, 2)
    >>> variances.round(12).tolist(), components[0].round(3).tolist()
    ([4.5, 0.5], [0.707, 0.707])
    >>> reconstruction(x, 1)[0].round(12).tolist()
    [1.5, 1.5]

**Why the components are the best plane.** The nearest matrix of rank k to X is its first k pieces (Eckart and Young): no plane through the
middle has the points nearer to it. Most spread within, least distance to: by Pythagoras both are one.

**What it depends on: the units.** Measure petals in millimetres and they have a hundred times the variance, and the first component points
along the petals. Features that have nothing to do with each other in size are standardised first.

What to look at in the figures: the flowers on paper, and the share of the variance that each component explains.

Sources: Pearson 1901, "On lines and planes of closest fit"; Hotelling 1933; Baldi and Hornik 1989 (linear autoencoders have no other lowest
point); Knyazev and Argentati 2002 (angles between subspaces).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.linear_algebra.eigen import covariance, eigh, eigh_backward
from manual.linear_algebra.matrices import rounding_of
from manual.linear_algebra.svd import frobenius_error, rank_k, rank_k_backward, svd, svd_backward, svdvals, svdvals_backward
from manual.module import Parameter
from manual.nn.functional import binary_scale, centred
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_matrix

Array = np.ndarray


# ---- the components ------------------------------------------------------------------------------


def pca_by_covariance(x: Array, k: int) -> tuple[Array, Array]:
    """The first k components and the variances along them, as eigenvectors and eigenvalues of the covariance.

    Args:
        x: (N, D).
        k: how many, at most the smaller of N and D.

    Returns:
        The components (k, D), each a row of length 1, with the sign of `eigen.with_sign`; and the variances (k,), from large to small: the
        mean of squares, Σ/N. (scikit-learn divides by N − 1. The shares are the same.)

    Raises:
        ValueError: if x has less than 2 rows, is not finite, or k is not in 1 to min(N, D).
    """
    expect_data("pca_by_covariance", x, k)
    X = centred(x)
    s = binary_scale(X)
    λ, V = eigh(covariance(X / s))  # from small to large; squares of numbers near 1
    return V[:, ::-1][:, :k].T, s * (s * λ[::-1][:k])


def pca_by_covariance_backward(dL_dcomponents: Array, dL_dvariances: Array, x: Array, k: int) -> Array:
    """Back through the eigenvectors, then C = XᵀX/N, in which X stands twice: ∂L/∂X = X (∂L/∂C + ∂L/∂Cᵀ)/N. eigh's ∂L/∂C is symmetric.

    Raises:
        ValueError: if a component has an upstream gradient, and its variance comes more than once.
    """
    X = centred(x)
    s = binary_scale(X)
    X = X / s  # the same components, and variances s² times as small; all gradients below are s times as small, as X / s acts on them
    C = covariance(X)
    dL_dλ, dL_dV = np.zeros(len(C), x.dtype), np.zeros_like(C)
    dL_dλ[::-1][:k] = dL_dvariances * s
    dL_dV[:, ::-1][:, :k] = dL_dcomponents.T / s  # (k, D) to (D, k)
    dL_dC = eigh_backward(dL_dλ, dL_dV, C)  # (D, D)
    return centred(X @ dL_dC * 2 / len(x))  # (N, D) @ (D, D)


# ---- what they explain ---------------------------------------------------------------------------


def reconstruction(x: Array, k: int) -> Array:
    """y = x̄ + rank_k(X, k): each row's nearest point on the plane of the first k components. Shapes: both (N, D).

    Raises:
        ValueError: as `pca_by_covariance`; if variances k − 1 and k are equal, this is one of the nearest.
    """
    expect_data("reconstruction", x, k)
    return x.mean(axis=0) + rank_k(centred(x), k)


def reconstruction_backward(dL_dy: Array, x: Array, k: int) -> Array:
    """x acts through X, and through x̄, which is in every row of y and has 1/N of every row of x.

    Raises:
        ValueError: if variances k − 1 and k are equal: which component is kept is chance, and there is no gradient.
    """
    dL_dX = rank_k_backward(dL_dy, centred(x), k)  # (N, D)
    return centred(dL_dX) + dL_dy.mean(axis=0)  # (N, D), and (D,) in each row


def lowest_loss(x: Array, k: int) -> Any:
    """The mean squared distance of the rows from the plane of k components: the variances that are left out, λ[k] + λ[k + 1] + ...

    No plane through x̄, nor any linear autoencoder with k numbers in the middle, has less. Shapes: x (N, D), the result ().
    """
    expect_data("lowest_loss", x, k)
    return frobenius_error(centred(x), k) ** 2 / len(x)


# ---- what is trained -----------------------------------------------------------------------------


class LinearAutoencoder(Concept):
    """x_hat = x W_e W_d: D numbers are squeezed into k and rebuilt, and the loss is the mean squared distance of x_hat from x.

    Nobody would train this in practice, where the components are had at once; it is the smallest of all autoencoders, and the one of which
    everything is known. At the lowest point x W_e W_d is the projection onto the plane of the first k components, and L is the variance
    that is left out (`lowest_loss`). W_e and W_d themselves are not determined, for W_e R and R⁻¹ W_d have the same product: the code is
    the plane of the components in axes of its own.

        z = x W_e                          (N, D) @ (D, k)
        x_hat = z W_d                      (N, k) @ (k, D)
        L = 1/N · Σₙ ‖x_hat[n] − x[n]‖²
        ∂L/∂x_hat = 2 (x_hat − x)/N
        ∂L/∂W_d = zᵀ ∂L/∂x_hat             (k, N) @ (N, D)
        ∂L/∂z = ∂L/∂x_hat W_dᵀ             (N, D) @ (D, k)
        ∂L/∂W_e = xᵀ ∂L/∂z                 (D, N) @ (N, k)

    Args:
        features: D, the numbers that are known of each example.
        components: k, the numbers that are kept of each example.
        lr: the step size.
        momentum: how much of the last step is kept.
        rng: draws the initial weights from Normal(0, 0.3²).
        dtype: of the weights.

    Shapes: x (N, D) with mean 0, W_e (D, k), W_d (k, D).
    """

    def __init__(
        self,
        features: int = 4,
        components: int = 2,
        lr: float = 0.015,
        momentum: float = 0.95,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        rng = rng or np.random.default_rng()
        self.lr, self.momentum = lr, momentum
        self.W_e = Parameter(normal((features, components), 0.0, 0.3, rng=rng, dtype=dtype))
        self.W_d = Parameter(normal((components, features), 0.0, 0.3, rng=rng, dtype=dtype))

    def forward(self, x: Array) -> Array:
        """The data, squeezed and rebuilt."""
        z = x @ self.W_e  # (N, D) @ (D, k)
        x_hat = z @ self.W_d  # (N, k) @ (k, D)
        self.save(x, z, x_hat)
        return x_hat

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        loss = ((self(x) - x) ** 2).sum() / len(x)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, z, x_hat = self.restore()
        dL_dx_hat = dL_dloss * 2 * (x_hat - x) / len(x)  # (N, D)
        self.W_d.grad += z.T @ dL_dx_hat  # (k, N) @ (N, D)
        dL_dz = dL_dx_hat @ self.W_d.T  # (N, D) @ (D, k)
        self.W_e.grad += x.T @ dL_dz  # (D, N) @ (N, k)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (x,) = batch
        self.log("loss/val", ((self(x) - x) ** 2).sum() / len(x), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: in one step, by the singular values ----------------------------------------
#
#     X = U S Vᵀ                     the same V, and λ[j] = σ[j]² / N, with the singular values σ
#
# From X = U S Vᵀ follows XᵀX = V S² Vᵀ: two ways, one answer. The covariance is small if there are few features, and quickly made; the
# singular values of X lose half as many digits of the small variances (see `svd`), and need no D x D matrix where features are many.


def pca_by_svd(x: Array, k: int) -> tuple[Array, Array]:
    """The same by the singular values of X: the components are the first k rows of Vh, the variances σ²/N. Shapes: as `pca_by_covariance`.

    Raises:
        ValueError: as `pca_by_covariance`.
    """
    expect_data("pca_by_svd", x, k)
    _, S, Vh = svd(centred(x))
    return Vh[:k], S[:k] ** 2 / len(x)


def pca_by_svd_backward(dL_dcomponents: Array, dL_dvariances: Array, x: Array, k: int) -> Array:
    """Back through the singular vectors, with ∂λ[j]/∂σ[j] = 2 σ[j]/N; U has no part in what is asked.

    Raises:
        ValueError: if a component has an upstream gradient, and its variance comes more than once, or is 0.
    """
    X = centred(x)
    U, S, Vh = svd(X)
    dL_dS, dL_dVh = np.zeros_like(S), np.zeros_like(Vh)
    dL_dS[:k] = dL_dvariances * 2 * S[:k] / len(x)  # (k,)
    dL_dVh[:k] = dL_dcomponents
    return centred(svd_backward(np.zeros_like(U), dL_dS, dL_dVh, X))


# ---- further reading: the share that each component explains -------------------------------------


def explained_variance_ratio(x: Array) -> Array:
    """r[j] = σ[j]² / Σ σ²: the share of the variance along each component, from large to small. Shapes: x (N, D), r (min(N, D),).

    With N rows at most N − 1 are above 0: N points lie in a space of N − 1 dimensions.

    Raises:
        ValueError: if x has less than 2 rows, is not finite, or does not vary: 0/0. (scikit-learn returns NaN and warns.)
    """
    expect_data("explained_variance_ratio", x, 1)
    X = centred(x)
    if np.abs(X).max() <= rounding_of(x):
        raise ValueError("explained_variance_ratio: x must vary, but all rows are equal up to rounding")
    squares = svdvals(X / binary_scale(X)) ** 2
    return squares / squares.sum()


def explained_variance_ratio_backward(dL_dr: Array, x: Array) -> Array:
    """A share grows with its own σ² and falls with all: with T = Σ σ² and m = Σⱼ ∂L/∂r[j] r[j], the mean of the upstream by shares,

    ∂L/∂σ[j]² = (∂L/∂r[j] − m) / T        ∂L/∂σ[j] = 2 σ[j] ∂L/∂σ[j]²
    """
    X = centred(x)
    s = binary_scale(X)
    S = svdvals(X / s)
    T, r = (S * S).sum(), explained_variance_ratio(x)
    dL_dsquares = (dL_dr - (dL_dr * r).sum()) / T  # (K,) less the sum over K: every share has T below
    return centred(svdvals_backward(2 * S * dL_dsquares, X / s)) / s


# ---- further reading: the angle between two planes -----------------------------------------------


def principal_angles(A: Array, B: Array) -> Array:
    """The angles between what the columns of A span and what those of B span, from large to small (scipy.linalg.subspace_angles).

    In radians. All are 0 where the one contains the other. With columns of length 1 at right angles, P and Q, the cosines are the singular
    values of PᵀQ. But a cosine hardly knows a small angle: that of 10⁻⁸ is 1 to all 16 digits. The sines are the singular values of
    Q − P PᵀQ, which is what of the one plane leaves the other; below 45° these are used.

    Args:
        A: (n, p).
        B: (n, q).

    Returns:
        As many as the smaller of the two planes has dimensions.

    Raises:
        ValueError: if A and B have not the same number of rows, or are not finite.
    """
    expect_matrix("principal_angles", "A", A)
    expect_array("principal_angles", "B", B, A.dtype)
    if B.ndim != 2 or len(A) != len(B):
        raise ValueError(f"principal_angles: A and B must be matrices with the same number of rows, got {A.shape} and {B.shape}")
    Q, P = sorted((basis(A), basis(B)), key=lambda M: M.shape[1])  # P spans the larger one
    PtQ = P.T @ Q  # (p, n) @ (n, q)
    cosine = svdvals(PtQ)[::-1]  # (q,): from the largest angle to the smallest
    sine = svdvals(Q - P @ PtQ)  # (n, p) @ (p, q)
    return np.where(cosine**2 > 1 / 2, np.arcsin(np.minimum(sine, 1)), np.arccos(np.minimum(cosine, 1)))


def basis(A: Array) -> Array:
    """Columns of length 1 at right angles that span what the columns of A span. Shapes: (n, p) to (n, the rank of A)."""
    U, S, _ = svd(A)
    return U[:, rounding_of(A) < S]


# ---- further reading: what is refused ------------------------------------------------------------


def expect_data(function: str, x: Array, k: int) -> None:
    """Raise TypeError or ValueError unless x is a table of at least two rows, all finite, that can have k components."""
    expect_matrix(function, "x", x)
    if len(x) < 2:
        raise ValueError(f"{function}: x must have at least 2 rows, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{function}: x must be finite")
    if not 1 <= k <= min(x.shape):
        raise ValueError(f"{function}: k must be in 1 to {min(x.shape)}, the smaller of rows and columns, got {k}")
