"""Eigenvectors: the directions that a matrix only stretches, by hand.

A matrix takes every arrow to another, which in general points elsewhere. But a few arrows keep their direction and only get longer or
shorter: A v = λ v. Such a v is an *eigenvector* of A ("its own vector"), and the number λ (lambda), how much it is stretched, its
*eigenvalue*. Seen along these directions a matrix is as simple as a list of numbers. They say which step size explodes, and how many steps
a training needs (the eigenvalues of the second derivatives: `linear_regression`); whether a place where the gradient is 0 is a bottom, a
top or a saddle (`gradients`); whether a network that applies the same weights again and again explodes (a λ above 1) or forgets (below
1); and in which direction data vary most (`pca`).

What to look at in the figures: the two directions in which the square is only stretched.

    rayleigh            R(v) = vᵀA v / vᵀv       how much A stretches v along v; at an eigenvector it is the eigenvalue
    power_iteration     v ← A v / ‖A v‖          what is stretched most wins in the end
    eigh, eig           all of them, of a symmetric matrix and of a general one (how they do it is further reading)

A matrix is *symmetric* if it is its own transpose. Then all its λ are real numbers, and its eigenvectors are at right angles to each other.

**On paper.** A has the rows (2, 1) and (1, 2). Most arrows are turned: A (1, 0) = (2, 1). Which are not? If A v = λ v, then A − λ I takes v
to 0; a matrix that squashes an arrow flat has the determinant 0:

    (2 − λ) (2 − λ) − 1·1 = 0        so 2 − λ = ±1, and λ = 1 or λ = 3
    A (1,  1) = (2 + 1, 1 + 2) = (3,  3) = 3 · (1,  1)
    A (1, −1) = (2 − 1, 1 − 2) = (1, −1) = 1 · (1, −1)

Power iteration, without the division: (1, 0) → (2, 1) → (5, 4) → (14, 13) → ..., ever nearer to (1, 1). In 64 dimensions no
determinant is written down; but R can be climbed. At (1, 0) it is (1, 0)·(2, 1) / 1 = 2, with the gradient (below) 2 (A v − R v) / vᵀv =
2 ((2, 1) − (2, 0)) = (0, 2): it turns v towards (1, 1).

    >>> A, v = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([1.0, 0.0])
    >>> (A @ A @ A @ v).tolist()
    [14.0, 13.0]
    >>> float(rayleigh(A, v)), rayleigh_backward(1.0, A, v)[1].tolist()
    (2.0, [0.0, 2.0])
    >>> λ, v = power_iteration(A, v, steps=30)
    >>> round(float(λ), 9), (v / v[0]).round(9).tolist()
    (3.0, [1.0, 1.0])
    >>> eigh(A)[0].round(9).tolist()
    [1.0, 3.0]

Sources: Golub & Van Loan, Matrix Computations, chapters 5, 7 and 8; Magnus, On differentiating eigenvalues and eigenvectors (1985); Giles,
Collected matrix derivative results for forward and reverse mode algorithmic differentiation (2008).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.linear_algebra.matrices import expect_square
from manual.linear_algebra.vectors import direction
from manual.module import Parameter
from manual.nn.functional import binary_scale
from manual.nn.init import normal
from manual.nn.validate import expect_array

Array = np.ndarray


# ---- one direction -------------------------------------------------------------------------------


def rayleigh(A: Array, v: Array) -> Any:
    """R = vᵀA v / vᵀv, Rayleigh's quotient: how much A stretches v along v. Shapes: A (n, n), v (n,), R ().

    For a symmetric A it lies between the smallest and the largest eigenvalue, and is one of them where v is an eigenvector.

    Raises:
        ValueError: if A is not square, v does not fit, or v is the zero vector.
    """
    expect_square("rayleigh", A)
    expect_array("rayleigh", "v", v, A.dtype)
    if v.shape != A.shape[:1]:
        raise ValueError(f"rayleigh: v must be as long as A has rows, got {v.shape} and {A.shape}")
    if not v.any():
        raise ValueError("rayleigh: v must not be the zero vector, which has no direction")
    v = v / binary_scale(v)  # how long v is does not matter, but the square of a very short or long one is no number
    return v @ A @ v / (v @ v)


def rayleigh_backward(dL_dR: Any, A: Array, v: Array) -> tuple[Array, Array]:
    """The top vᵀA v changes with A[i, j] by v[i] v[j] and with v by A v + Aᵀv, the bottom vᵀv with v by 2 v. By the quotient rule

        ∂R/∂A[i, j] = v[i] v[j] / vᵀv        ∂R/∂v = (A v + Aᵀv − 2 R v) / vᵀv

    For a symmetric A the second is 2 (A v − R v) / vᵀv: it is 0 just where A v = R v, at the eigenvectors.
    """
    s = binary_scale(v)
    v = v / s  # the same R; and s times as large a ∂R/∂v
    R, vv = rayleigh(A, v), (v * v).sum()
    dL_dA = dL_dR * np.outer(v, v) / vv  # (n,) with (n,) = (n, n)
    dL_dv = dL_dR * (A @ v + v @ A - 2 * R * v) / vv  # (n, n) @ (n,) and (n,) @ (n, n), which is Aᵀv
    return dL_dA, dL_dv / s


def power_iteration(A: Array, v: Array, steps: int) -> tuple[Any, Array]:
    """v ← A v / ‖A v‖, `steps` times: the eigenvector whose |λ| is largest, and its λ.

    Along each eigenvector v is multiplied by its λ at every step, so all others die out as |λ₂/λ₁|ᵏ. It fails where the largest |λ| is
    shared by λ and −λ, or if v has no part along the eigenvector.

    Args:
        A: (n, n).
        v: where to begin, (n,).
        steps: how many.

    Returns:
        λ (), as Rayleigh's quotient, and v (n,), of length 1.

    Raises:
        ValueError: if v is the zero vector, or becomes it: A has squashed it.
    """
    v = direction(v)
    for _ in range(steps):
        v = direction(A @ v)  # (n, n) @ (n,); the zero vector stays 0, and is refused below
    return rayleigh(A, v), v


# ---- what is trained -----------------------------------------------------------------------------


def covariance(x: Array) -> Array:
    """C[i, j] = mean over n of x[n, i] x[n, j], for data whose mean is 0: how much i and j vary together. Shapes: (N, D) to (D, D)."""
    return x.T @ x / len(x)  # (D, N) @ (N, D)


class Eigen(Concept):
    """The direction v in which the data vary most: it maximises R(v) = vᵀC v / vᵀv, so that the loss is L = −R.

    For a v of length 1, R is the variance of the dot products x[n] · v. At the top v is the eigenvector of C with the largest eigenvalue,
    the first principal component. Nobody would train this in practice, where `eigh` or an SVD gives all of them at once. But note that each
    step, v ← v + lr · 2 (C v − R v)/vᵀv, is a power iteration that keeps a part of the old v.

    Args:
        lr: the step size; with v of length 1 it must stay below 1/λmax.
        rng: draws the initial v from Normal(0, 1/64): in all directions alike, of a length of about 1.
        dtype: of v.

    Shapes: x (N, 64) with mean 0, v (64,).
    """

    def __init__(self, lr: float = 1.0, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr = lr
        self.v = Parameter(normal((64,), 0.0, 1 / math.sqrt(64), rng=rng, dtype=dtype))

    def forward(self, x: Array) -> Any:
        """R, the variance along v."""
        C = covariance(x)  # (64, 64)
        self.save(C)
        return rayleigh(C, self.v.data)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        loss = -self(x)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        C = self.restore()
        dL_dR = -dL_dloss
        _, dL_dv = rayleigh_backward(dL_dR, C, self.v.data)  # (64, 64) @ (64,)
        self.v.grad += dL_dv

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        (x,) = batch
        R = self(x)
        self.log("loss/val", -R, batch_size=len(x))
        self.log("share of the variance/val", R / covariance(x).trace(), batch_size=len(x))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: all eigenvalues by QR iteration, and how they change with the matrix -----------
#
#     qr                  A = Q R                  Q turns or mirrors, R (not Rayleigh's) is 0 below the diagonal
#     qr_iteration        A = Q R, A ← R Q         again and again: A becomes triangular, with the eigenvalues on its diagonal
#     eigh                of a symmetric matrix
#     eig                 of a general one         if its λ are real: [[4, 2], [1, 3]] has 5 along (2, 1) and 2 along (1, −1)
#
# How eigenvalues and eigenvectors change with A. Differentiate A V = V Λ (the eigenvectors are the columns of V, and Λ has the eigenvalues
# on its diagonal) and multiply by V⁻¹. With M = V⁻¹ dA V, which is dA seen along the eigenvectors,
#
#     dλ[j] = M[j, j]                                          how much dA stretches along v[j]
#     dv[j] = Σᵢ M[i, j] / (λ[j] − λ[i]) v[i]     (i ≠ j)      how much it tilts v[j] towards the others, more easily the closer their λ
#
# (and so much less of v[j] that its length stays 1). Where two eigenvalues are equal the second formula divides by 0, and rightly: all
# arrows of a whole plane are then eigenvectors, and the least change of A picks two of them. Their gradient does not exist.


def qr(A: Array) -> tuple[Array, Array]:
    """A = Q R by Householder's reflections. Shapes: A (m, n), Q (m, k), R (k, n) with k = min(m, n).

    Q has columns of length 1 at right angles to each other, R is 0 below its diagonal. Each reflection is a mirror I − 2 u uᵀ, put where it
    throws what is left of a column onto one axis: the mirror stands half-way between the column and the axis. Of the two ends of the
    axis the farther one is taken, so that no digits are lost in a difference. A is brought near 1 first: R is as many times as large.

    Source: Householder 1958.
    """
    from manual.linear_algebra.vectors import l2_norm

    m, n = A.shape
    scale = binary_scale(A)
    Q, R = np.eye(m, dtype=A.dtype), A / scale
    for k in range(min(m - 1, n)):
        u = R[k:, k].copy()  # (m − k,)
        u[0] += math.copysign(l2_norm(u), u[0])
        if not u.any():
            continue  # nothing to reflect
        u /= l2_norm(u)
        R[k:] -= 2 * np.outer(u, u @ R[k:])  # (m − k,) with (m − k,) @ (m − k, n)
        Q[:, k:] -= 2 * np.outer(Q[:, k:] @ u, u)  # (m, m − k) @ (m − k,) with (m − k,)
    k = min(m, n)
    return Q[:, :k], scale * np.triu(R[:k])


def qr_iteration(A: Array) -> tuple[Array, Array]:
    """A = V T Vᵀ with V's columns at right angles and T triangular, its diagonal the eigenvalues (Schur's form). Shapes: all (n, n).

    If T − μ I = Q R, then R Q + μ I = Qᵀ T Q: the same matrix, seen from a turned system of axes. Repeated, that is power iteration with
    the inverse (T − μ I)⁻¹ on the last axis, which turns into the eigenvector whose λ is nearest to μ. With μ chosen anew at each step,
    two or three steps bring the last row to 0 but for λ on the diagonal. What remains is the same task, one size smaller.

    A is brought near 1 first, for `shift` squares; eigenvalues grow as A does.

    Raises:
        ValueError: if an eigenvalue is found not to be real (none settles within 100 steps).

    Source: Francis 1961; the choice of μ: Wilkinson 1968.
    """
    from manual.linear_algebra.vectors import l2_norm

    scale = binary_scale(A)
    T, V = A / scale, np.eye(len(A), dtype=A.dtype)
    rounding = np.finfo(A.dtype).eps * l2_norm(T.reshape(-1))
    for size in range(len(A), 1, -1):
        for step in range(1, 101):
            rest = l2_norm(T[size - 1, : size - 1])  # what is left beside the diagonal of the last row
            if rest <= rounding:
                break
            μ = shift(T[size - 2 : size, size - 2 : size])
            if step % 10 == 0:
                μ = T[size - 1, size - 1] + rest  # going in circles, as [[0, 1], [1, 0]] would: any other μ breaks out
            μI = μ * np.eye(size, dtype=A.dtype)
            Q, R = qr(T[:size, :size] - μI)
            T[:size, :size] = R @ Q + μI  # (size, size) @ (size, size)
            T[:size, size:] = Q.T @ T[:size, size:]  # (size, size) @ (size, n − size): the columns that are done turn with it
            V[:, :size] = V[:, :size] @ Q  # (n, size) @ (size, size)
        else:
            raise ValueError(
                "the eigenvalues of A must be real, but some are complex (A turns a plane) or coincide without two eigenvectors"
            )
    return scale * np.triu(T), V


def shift(corner: Array) -> Any:
    """The eigenvalue of a 2 x 2 matrix that is nearest to its last entry; if they are complex, their real part.

    λ² − (a + d) λ + (a d − b c) = 0 has λ = d + p ± √(p² + b c) with p = (a − d)/2. The nearer one, p ∓ √..., would be a difference of two
    like numbers, and is computed as −b c / (p ± √...).
    """
    (a, b), (c, d) = corner
    p = (a - d) / 2
    square = p * p + b * c
    if square < 0:
        return d + p
    far = p + math.copysign(math.sqrt(square), p)
    return d - b * c / far if far else d


def eigh(A: Array) -> tuple[Array, Array]:
    """All eigenvalues and eigenvectors of a symmetric matrix (torch.linalg.eigh). Of any other, those of its symmetric part (A + Aᵀ)/2.

    Shapes: A (n, n); the eigenvalues (n,), from small to large; the eigenvectors (n, n), one in each column, of length 1, at right
    angles to each other, and turned so that the first entry that is not small is positive (`with_sign`).

    Raises:
        ValueError: if A is not square, or not finite.
    """
    expect_square("eigh", A)
    expect_finite("eigh", A)
    scale = binary_scale(A)
    S = A / scale  # near 1: a sum of two of the largest numbers would overflow
    T, V = qr_iteration((S + S.T) / 2)
    order = T.diagonal().argsort()
    return scale * T.diagonal()[order], with_sign(V[:, order])


def eigh_backward(dL_dλ: Array, dL_dV: Array, A: Array) -> Array:
    """V⁻¹ = Vᵀ, so that with `along_eigenvectors` ∂L/∂M for M = Vᵀ dA V it is ∂L/∂A = V ∂L/∂M Vᵀ, and of that the symmetric part.

    Equal eigenvalues: the gradient of their eigenvectors does not exist, and is refused. That of the eigenvalues has a kink; the
    subgradient belongs to the eigenvectors that `eigh` happens to find, as in torch. Functions that do not care for the order, as
    the sum of all, have a gradient all the same, and this is it.

    Raises:
        ValueError: if an eigenvector has an upstream gradient, and its eigenvalue comes twice.
    """
    λ, V = eigh(A)
    dL_dM = along_eigenvectors(dL_dλ, dL_dV, λ, V)
    dL_dS = V @ dL_dM @ V.T  # (n, n) @ (n, n) @ (n, n)
    return (dL_dS + dL_dS.T) / 2  # S = (A + Aᵀ)/2 used each entry twice, by half


def eig(A: Array) -> tuple[Array, Array]:
    """All eigenvalues and eigenvectors of a general matrix, if they are real (torch.linalg.eig returns complex ones too).

    In T, which is 0 below the diagonal, the eigenvector of T[k, k] = λ has zeros below entry k, there a 1, and the entries above follow one
    from the other, from the bottom up: (T − λ I) y = 0. Seen in A's own axes it is V y.

    Shapes: A (n, n); the eigenvalues (n,), from small to large; the eigenvectors (n, n), one in each column, of length 1 (`with_sign`).

    Raises:
        ValueError: if A is not square or not finite, if an eigenvalue is complex, or if there are less than n eigenvectors.
    """
    from manual.linear_algebra.vectors import l2_norm

    expect_square("eig", A)
    expect_finite("eig", A)
    T, V = qr_iteration(A)
    n, λ = len(A), T.diagonal()
    rounding = n * np.finfo(A.dtype).eps * l2_norm(A.reshape(-1))
    Y = np.eye(n, dtype=A.dtype)
    for k in range(n):
        for i in reversed(range(k)):
            rest = T[i, i + 1 : k + 1] @ Y[i + 1 : k + 1, k]  # () from (k − i,) @ (k − i,)
            gap = λ[k] - λ[i]
            if abs(gap) > rounding:
                Y[i, k] = rest / gap
            elif abs(rest) > rounding:
                raise ValueError(f"eig: A must have {n} eigenvectors, but its eigenvalue {λ[k]:.6g} comes twice, with one eigenvector")
    vectors, order = V @ Y, λ.argsort()  # (n, n) @ (n, n)
    return λ[order], with_sign((vectors / l2_norm(vectors.T))[:, order])


def eig_backward(dL_dλ: Array, dL_dV: Array, A: Array) -> Array:
    """With `along_eigenvectors` ∂L/∂M for M = V⁻¹ dA V, a product of three, ∂L/∂A = V⁻ᵀ ∂L/∂M Vᵀ.

    Raises:
        ValueError: as `eig`; if an eigenvector has an upstream gradient, and its eigenvalue comes twice.
    """
    from manual.linear_algebra.matrices import inverse

    λ, V = eig(A)
    dL_dM = along_eigenvectors(dL_dλ, dL_dV, λ, V)
    return inverse(V).T @ dL_dM @ V.T  # (n, n) @ (n, n) @ (n, n)


def along_eigenvectors(dL_dλ: Array, dL_dV: Array, λ: Array, V: Array) -> Array:
    """∂L/∂M for M = V⁻¹ dA V: how much the loss changes when A changes by 1 along the eigenvectors i and j.

    On the diagonal dλ[j] = M[j, j]. Beside it M[i, j] tilts v[j] by 1/(λ[j] − λ[i]) towards what v[i] has at right angles to v[j], which
    is v[i] − (v[i] · v[j]) v[j]:

        ∂L/∂M[j, j] = ∂L/∂λ[j]
        ∂L/∂M[i, j] = (v[i] − (v[i] · v[j]) v[j]) · ∂L/∂v[j] / (λ[j] − λ[i])

    Shapes: dL_dλ and λ (n,), dL_dV and V (n, n), the result (n, n).

    Raises:
        ValueError: if an eigenvector has an upstream gradient, and its eigenvalue comes twice.
    """
    from manual.linear_algebra.matrices import rounding_of

    G = V.T @ dL_dV  # (n, n) @ (n, n): G[i, j] = v[i] · ∂L/∂v[j]
    tilt = G - (V.T @ V) * G.diagonal()  # (n, n): column j less (v[i] · v[j]) G[j, j]
    gap = λ - λ[:, None]  # (n,) less (n, 1): gap[i, j] = λ[j] − λ[i]
    apart = np.abs(gap) > rounding_of(λ)  # nowhere on the diagonal
    for j in range(len(λ)):
        if dL_dV[:, j].any() and apart[:, j].sum() < len(λ) - 1:
            raise ValueError(
                f"the gradient of eigenvector {j} does not exist: its eigenvalue {λ[j]:.6g} comes more than once, "
                "and the least change of A picks others"
            )
    return np.divide(tilt, gap, out=np.diag(dL_dλ), where=apart)  # where i = j, what np.diag has put there stays


def with_sign(V: Array) -> Array:
    """Each column with the sign that makes its first entry positive that is at least half as large as its largest.

    v and −v are eigenvectors alike. A rule makes them comparable; it is no part of the gradient. Shapes: both (n, k).
    """
    return V * signs(V)


def signs(V: Array) -> Array:
    """1 for each column that `with_sign` keeps, −1 for each that it turns round. Shapes: (n, k) to (k,)."""
    large = np.abs(V) >= np.abs(V).max(axis=0, initial=0) / 2
    return np.sign(V[large.argmax(axis=0), np.arange(V.shape[1])]) if V.size else np.ones(V.shape[1], V.dtype)


def expect_finite(function: str, A: Array) -> None:
    """Raise ValueError if A has NaN or infinite entries."""
    if not np.isfinite(A).all():
        raise ValueError(f"{function}: A must be finite")
