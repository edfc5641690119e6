"""Singular values: every matrix turns, stretches and turns again, by hand.

If you gave up on mathematics somewhere before this: this is not on the beginner's path, and may wait. A matrix takes a circle to an
ellipse. So there are arrows at right angles to each other, v₁ and v₂, which it takes to arrows that are at right angles again, the axes of
the ellipse: A v = σ u, with u and v of length 1. How much is stretched, σ (sigma), is a *singular value*. The matrix is thus three simple
things in a row: turn (so that v₁, v₂ lie on the axes), stretch by σ along each axis, turn again. Every matrix has such a *singular value
decomposition*, whatever its shape, which makes it the tool that never fails where an inverse or an eigenvector is missing.

(In this file σ is a singular value. Elsewhere the letter is the sigmoid's, or a standard deviation's.)

A weight matrix of a network is one like any other: its largest σ is how much a layer can magnify, its small ones are what it hardly
passes on. Leave the small ones out and the matrix is stored in fewer numbers, and noise is left out with them; train only a few new ones
and a large model is adapted cheaply (LoRA). With readers for rows and books for columns the large pieces tell what to recommend; with texts
and words they are topics (latent semantic analysis).

    svd                A = U S Vᵀ = Σⱼ σ[j] u[j] v[j]ᵀ         for every A; σ from large to small, none below 0
    rank_k             the first k of these pieces            of all matrices of rank k the nearest to A (Eckart and Young)
    frobenius_error    √(σ[k]² + σ[k + 1]² + ...)             how far that is from A: the root of the sum of squares
    spectral_error     σ[k]                                   how far that is from A: the most that any arrow of length 1 shows

A piece, u vᵀ, is a column times a row: each entry of the one times each of the other. The *rank* is how many pieces it takes. The index
begins at 0 where it stands in brackets, as in code: σ[0] is σ₁.

**On paper.** A = [[0, 2], [3, 0]] takes the arrow (1, 0) to (0, 3), and (0, 1) to (2, 0): these are at right angles before and after. So
the longest axis is σ₁ = 3, with v₁ = (1, 0) and u₁ = (0, 1); the other is σ₂ = 2, with v₂ = (0, 1) and u₂ = (1, 0). The pieces are

    3 u₁ v₁ᵀ = [0  0]      2 u₂ v₂ᵀ = [0  2]      and together they are A. The first alone is the nearest matrix of rank 1:
               [3  0]                 [0  0]      only the 2 is missing, and both errors are √(2²) = 2.

    >>> A = np.array([[0.0, 2.0], [3.0, 0.0]])
    >>> svdvals(A).tolist()
    [3.0, 2.0]
    >>> rank_k(A, 1).tolist()
    [[0.0, 0.0], [3.0, 0.0]]
    >>> float(frobenius_error(A, 1)), float(spectral_error(A, 1))
    (2.0, 2.0)

**How σ changes with A.** A small change dA, seen along u and v: dσ[j] = u[j]ᵀ dA v[j]. So ∂σ[j]/∂A = u[j] v[j]ᵀ, the piece itself: in the
example ∂σ₁/∂A is 1 where the 3 stands, and 0 elsewhere.

What to look at in the figures: the circle that becomes an ellipse, and a photograph made of one, two, four pieces.

Sources: Eckart & Young, The approximation of one matrix by another of lower rank (1936); Hestenes, Inversion of matrices by
biorthogonalization (1958; the turning of columns); Golub & Pereyra, The differentiation of pseudo-inverses (1973); Townsend,
Differentiating the singular value decomposition (2016).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.linear_algebra.matrices import rounding_of
from manual.linear_algebra.vectors import l2_norm, l2_norm_backward
from manual.module import Parameter
from manual.nn.functional import binary_scale
from manual.nn.init import normal
from manual.nn.validate import expect_matrix

Array = np.ndarray


# ---- the decomposition ---------------------------------------------------------------------------


def svdvals(A: Array) -> Array:
    """σ alone, from large to small (torch.linalg.svdvals). Shapes: A (m, n), σ (min(m, n),).

    Raises:
        ValueError: if A is not a matrix, or not finite.
    """
    return svd(A)[1]


def svdvals_backward(dL_dS: Array, A: Array) -> Array:
    """dσ[j] = u[j]ᵀ dA v[j], so that ∂L/∂A = Σⱼ ∂L/∂σ[j] u[j] v[j]ᵀ.

    Where σ come twice, or are 0, they have a kink; this is the subgradient of the u and v that `svd` happens to find, as in torch. What
    does not care for their order, as the sum of all σ², has a gradient all the same, and this is it.
    """
    U, _, Vh = svd(A)
    return U * dL_dS @ Vh  # (m, k) @ (k, n)


# ---- the nearest matrix of rank k ----------------------------------------------------------------


def frobenius_error(A: Array, k: int) -> Any:
    """e = ‖A − rank_k(A, k)‖, the root of the sum of the squares of all entries: √(σ[k]² + σ[k + 1]² + ...). Shapes: A (m, n), e ().

    No matrix of rank k is nearer (Eckart and Young 1936).

    Raises:
        ValueError: if k is negative.
    """
    expect_k("frobenius_error", k)
    return l2_norm(svdvals(A)[k:])


def frobenius_error_backward(dL_de: Any, A: Array, k: int) -> Array:
    """∂e/∂σ[j] = σ[j]/e for j ≥ k, so that ∂e/∂A = (A − rank_k(A, k))/e: A moves straight away from what it is nearest to.

    Where e is 0 it has a kink, and the subgradient 0 is taken, as torch does.
    """
    S = svdvals(A)
    dL_dS = np.zeros_like(S)
    dL_dS[k:] = l2_norm_backward(dL_de, S[k:])  # (K − k,)
    return svdvals_backward(dL_dS, A)


def spectral_error(A: Array, k: int) -> Any:
    """e = the most that A − rank_k(A, k) makes of an arrow of length 1: σ[k], or 0 if there are no more. Shapes: A (m, n), e ().

    No matrix of rank k does better (Mirsky 1960); `rank_k` is not the only one that does as well.

    Raises:
        ValueError: if k is negative.
    """
    expect_k("spectral_error", k)
    return svdvals(A)[k : k + 1].sum()


def spectral_error_backward(dL_de: Any, A: Array, k: int) -> Array:
    """∂e/∂σ[k] = 1."""
    dL_dS = np.zeros_like(svdvals(A))
    dL_dS[k : k + 1] = dL_de
    return svdvals_backward(dL_dS, A)


# ---- what is trained -----------------------------------------------------------------------------


class LowRank(Concept):
    """An image A as U Vᵀ of rank k, fitted by gradient descent: L is the mean of (A − U Vᵀ)², over all pixels.

    Nobody would train this where an SVD can be had: `rank_k` has the lowest L at once. But where most of A is unknown, as the marks that a
    million readers gave to a thousand books, it is what is done; and W + U Vᵀ, with U Vᵀ alone to learn, is how large networks are adapted.

        P = U Vᵀ                       (rows, k) @ (k, columns)
        ∂L/∂P = 2 (P − A) / (rows · columns)
        ∂L/∂U = ∂L/∂P V                (rows, columns) @ (columns, k)
        ∂L/∂V = ∂L/∂Pᵀ U               (columns, rows) @ (rows, k)

    L is no bowl: at U = V = 0 all slopes are 0. But it has no lowest point other than the best one, only saddles (Baldi and Hornik 1989),
    and training passes them one after the other: the piece with the largest σ is learned first. U and V themselves are not
    determined, for U R and V R⁻ᵀ have the same product; only U Vᵀ is.

    Args:
        rows, columns: of the image.
        rank: k, how many pieces U[:, j] V[:, j]ᵀ are kept.
        lr: the step size. It is large because the mean over all pixels makes every slope small.
        momentum: how much of the last step is kept.
        rng: draws the initial U and V from Normal(0, 0.1²).
        dtype: of U and V.

    Shapes: i (N,), which rows of the image these are; row (N, columns); U (rows, k), V (columns, k).
    """

    def __init__(
        self,
        rows: int = 53,
        columns: int = 80,
        rank: int = 4,
        lr: float = 20.0,
        momentum: float = 0.9,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        rng = rng or np.random.default_rng()
        self.lr, self.momentum = lr, momentum
        self.U = Parameter(normal((rows, rank), 0.0, 0.1, rng=rng, dtype=dtype))
        self.V = Parameter(normal((columns, rank), 0.0, 0.1, rng=rng, dtype=dtype))

    def forward(self, i: Array) -> Array:
        """Rows i of U Vᵀ."""
        return self.U[i] @ self.V.T  # (N, k) @ (k, columns)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        i, row = batch
        P = self(i)
        loss = ((P - row) ** 2).mean()
        self.save(i, P, row)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        i, P, row = self.restore()
        dL_dP = dL_dloss * 2 * (P - row) / row.size  # (N, columns)
        dL_dU = np.zeros_like(self.U.data)
        np.add.at(dL_dU, i, dL_dP @ self.V)  # (N, columns) @ (columns, k), each added to its row of U
        self.U.grad += dL_dU
        self.V.grad += dL_dP.T @ self.U[i]  # (columns, N) @ (N, k)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        i, row = batch
        self.log("loss/val", ((self(i) - row) ** 2).mean(), batch_size=len(row))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr, momentum=self.momentum)


# ---- further reading: how it is found, turning pairs of columns until all are at right angles ----
#
# If the columns of A V are at right angles to each other, their lengths are σ and their directions u. Two columns p and q, with lengths
# √α and √β and dot product γ, are turned by the angle whose tangent t solves t² + 2 ζ t − 1 = 0 with ζ = (β − α)/2γ. This disturbs pairs
# that were right before, but each time by less.
#
# How σ, u and v change with A. Seen along the singular vectors a change of A is P = Uᵀ dA V. Then
#
#     dσ[j] = P[j, j] = u[j]ᵀ dA v[j]
#     du[j] = Σᵢ (σ[j] P[i, j] + σ[i] P[j, i]) / (σ[j]² − σ[i]²) u[i]     (i ≠ j)
#     dv[j] = Σᵢ (σ[i] P[i, j] + σ[j] P[j, i]) / (σ[j]² − σ[i]²) v[i]     (i ≠ j)
#
# from dA = dU S Vᵀ + U dS Vᵀ + U S dVᵀ, where Uᵀ dU and Vᵀ dV turn, and so are antisymmetric. If A is not square, U or V does not fill
# its space, and what dA does outside of it is added, over σ[j]: (I − U Uᵀ) dA v[j]/σ[j] to du[j], (I − V Vᵀ) dAᵀ u[j]/σ[j] to dv[j].
#
# Where two σ are equal this divides by 0, and rightly: the circle has no longest axis, and the least change of A picks one. *The
# gradients of such u and v do not exist*, nor those of a σ = 0, where u may point either way. What is made of all pieces alike, as
# `rank_k` and `pinv` are, has a gradient all the same, and it is written without them.


def svd(A: Array) -> tuple[Array, Array, Array]:
    """A = U S Vh: U S are the columns of A V, which `jacobi` has turned to right angles (torch.linalg.svd, full_matrices=False).

    Shapes: A (m, n), U (m, k), S (k,), Vh = Vᵀ (k, n), with k = min(m, n). S falls; the columns of U and the rows of Vh have length 1 and
    are at right angles to each other. (−u, −v) would do as well as (u, v): v gets its sign as an eigenvector does (`eigen.with_sign`).

    Raises:
        ValueError: if A is not a matrix, or not finite.
    """
    from manual.linear_algebra.eigen import expect_finite, signs

    expect_matrix("svd", "A", A)
    expect_finite("svd", A)
    U, S, V = jacobi(A) if A.shape[0] >= A.shape[1] else jacobi(A.T)[::-1]  # Aᵀ = V S Uᵀ
    sign = signs(V)  # (k,)
    return U * sign, S, (V * sign).T


def svd_backward(dL_dU: Array, dL_dS: Array, dL_dVh: Array, A: Array) -> Array:
    """With P = Uᵀ dA V, F[i, j] = 1/(σ[j]² − σ[i]²) and 0 on its diagonal, and the gradients seen along the singular vectors,

        G = Uᵀ ∂L/∂U        H = Vᵀ ∂L/∂V
        ∂L/∂P[i, j] = F[i, j] ((G[i, j] − G[j, i]) σ[j] + σ[i] (H[i, j] − H[j, i]))        ∂L/∂P[j, j] = ∂L/∂σ[j]
        ∂L/∂A = U ∂L/∂P Vᵀ + (I − U Uᵀ) ∂L/∂U S⁻¹ Vᵀ + U S⁻¹ ∂L/∂Vᵀ (I − V Vᵀ)

    P[i, j] stands in du[j] and, with i and j changing places, in du[i]: hence the differences. The last two are what leaves the space
    of U and of V; of a square A they are 0.

    Raises:
        ValueError: if u[j] or v[j] has an upstream gradient, and σ[j] comes more than once, or is 0. (torch returns NaN; if A is square and
            one σ is 0, the slope for one of the two signs that u[j] may have.)
    """
    U, S, Vh = svd(A)
    V, dL_dV = Vh.T, dL_dVh.T  # (n, k)
    apart = np.abs(S - S[:, None]) > rounding_of(A)  # (k, k): nowhere on the diagonal
    above_0 = rounding_of(A) < S  # (k,)
    expect_gradients(dL_dU.any(axis=0) | dL_dV.any(axis=0), S, apart, above_0)
    s = binary_scale(S)
    near_1 = S / s  # S itself may have no squares
    F = np.divide(1, (near_1 - near_1[:, None]) * (near_1 + near_1[:, None]), out=np.zeros_like(apart, A.dtype), where=apart)
    over_S = np.divide(1, S, out=np.zeros_like(S), where=above_0)
    G = U.T @ dL_dU  # (k, m) @ (m, k)
    H = V.T @ dL_dV  # (k, n) @ (n, k)
    tilt = F * ((G - G.T) * near_1 + near_1[:, None] * (H - H.T)) / s
    dL_dP = tilt + np.diag(dL_dS)  # (k, k) throughout
    dL_dA = U @ dL_dP @ Vh  # (m, k) @ (k, k) @ (k, n)
    dL_dA += (dL_dU - U @ G) * over_S @ Vh  # (m, k) @ (k, n)
    return dL_dA + U * over_S @ (dL_dV - V @ H).T  # (m, k) @ (k, n)


def jacobi(A: Array) -> tuple[Array, Array, Array]:
    """U, S, V with A = U S Vᵀ, by turning pairs of columns of W = A V until all are at right angles. Shapes: A, U (m, n), m ≥ n; V (n, n).

    Numbers near 1 have squares that neither overflow nor vanish, so A is divided by its largest entry first. A column of W so short that
    its square vanishes is 0; what takes its place in U is at right angles to all others (`completed`).

    Source: Hestenes 1958. Each σ is found to nearly all its digits if the columns of A differ in length alone (Demmel & Veselić 1992).
    """
    largest = np.abs(A).max(initial=0) or 1
    W, V = A / largest, np.eye(A.shape[1], dtype=A.dtype)
    for _ in range(60):  # some 10 are enough: near the end each sweep doubles the digits
        if not sweep(W, V):
            break
    S = l2_norm(W.T)  # (n,): the length of each column
    order = np.argsort(-S, kind="stable")
    W, S, V = W[:, order], S[order], V[:, order]
    least = math.sqrt(np.finfo(A.dtype).tiny) / np.finfo(A.dtype).eps
    r = int((least < S).sum())
    S[r:] = 0
    return completed(W[:, :r] / S[:r], A.shape[1]), largest * S, V


def sweep(W: Array, V: Array) -> bool:
    """Turn each pair of columns of W once, in place, and V with it; whether there was one to turn. Shapes: W (m, n), V (n, n).

    Of the two solutions of t² + 2 ζ t − 1 = 0 the smaller one is the smaller turn, by 45° at most: t = sign(ζ) / (|ζ| + √(1 + ζ²)).
    """
    turned = False
    m, n = W.shape
    for p in range(n - 1):
        for q in range(p + 1, n):
            α, β, γ = W[:, p] @ W[:, p], W[:, q] @ W[:, q], W[:, p] @ W[:, q]
            if abs(γ) > max(m * np.finfo(W.dtype).eps * math.sqrt(α * β), np.finfo(W.dtype).tiny):
                ζ = float(β - α) / (2 * float(γ))
                t = math.copysign(1, ζ) / (abs(ζ) + math.hypot(1, ζ))
                c = 1 / math.hypot(1, t)  # cosine and sine of the angle whose tangent is t
                turn = np.array([[c, c * t], [-c * t, c]], W.dtype)
                W[:, [p, q]] = W[:, [p, q]] @ turn  # (m, 2) @ (2, 2)
                V[:, [p, q]] = V[:, [p, q]] @ turn  # (n, 2) @ (2, 2)
                turned = True
    return turned


def completed(U: Array, n: int) -> Array:
    """r columns of length 1 at right angles, and n − r more, at right angles to them and to each other. Shapes: (m, r) to (m, n).

    Householder's reflections make Q of [U I], whose first r columns span what U spans.
    """
    from manual.linear_algebra.eigen import qr, with_sign

    m, r = U.shape
    if r == n:
        return U
    Q, _ = qr(np.hstack([U, np.eye(m, dtype=U.dtype)]))  # (m, r + m) to (m, m)
    return np.hstack([U, with_sign(Q[:, r:n])])


# ---- further reading: why not the eigenvectors of AᵀA --------------------------------------------
#
# They are V, with eigenvalues σ²; but squaring loses half of the digits. Of a matrix with σ from 1 to 10⁻¹⁰ the square 10⁻²⁰ is below the
# rounding error of 1, 10⁻¹⁶, and all that comes out is noise of about √10⁻¹⁶ = 10⁻⁸.


def svdvals_by_gram(A: Array) -> Array:
    """σ as the roots of the eigenvalues of AᵀA, which nobody should use: those below √eps σ₁ are noise. Shapes: (m, n) to (n,).

    AᵀA has σ² beside σ₁², and an eigenvalue is found to about eps σ₁². A negative one is rounding, and taken for 0.
    """
    from manual.linear_algebra.eigen import eigh

    expect_matrix("svdvals_by_gram", "A", A)
    scale = binary_scale(A)
    λ, _ = eigh((A / scale).T @ (A / scale))  # (n, m) @ (m, n)
    return scale * np.sqrt(np.maximum(λ[::-1], 0))


# ---- further reading: the gradient of the nearest matrix of rank k -------------------------------


def rank_k(A: Array, k: int) -> Array:
    """Y = σ[0] u[0] v[0]ᵀ + ... + σ[k − 1] u[k − 1] v[k − 1]ᵀ: of all matrices of rank k the one nearest to A. Shapes: both (m, n).

    If σ[k − 1] = σ[k], others are as near; this is one of them.

    Raises:
        ValueError: if k is negative.
    """
    expect_k("rank_k", k)
    U, S, Vh = svd(A)
    return U[:, :k] * S[:k] @ Vh[:k]  # (m, k) @ (k, n)


def rank_k_backward(dL_dY: Array, A: Array, k: int) -> Array:
    """Seen along the singular vectors, with P = Uᵀ dA V and E = Uᵀ dY V, and i one of the first k, j one of the others,

        E[i, i'] = P[i, i']        E[j, j'] = 0
        E[i, j] = (σ[i]² P[i, j] + σ[i] σ[j] P[j, i]) / (σ[i]² − σ[j]²)        likewise E[j, i]

    What dA does among the first k is kept, what it does among the others is cut, and in between the first k are tilted. E depends on P by a
    table that is its own transpose, so that ∂L/∂P depends on ∂L/∂E by the same one. Outside of U and V σ is 0: there E[i, j] = P[i, j].

    Nothing is divided by the gap of two σ among the first k. Where these are equal autograd, through U and V, has 0/0 = NaN.

    Raises:
        ValueError: if σ[k − 1] = σ[k]: which of the two pieces is kept is then chance, and there is no gradient.
    """
    U, S, Vh = svd(A)
    if 0 < k < len(S) and S[k - 1] - S[k] <= rounding_of(A):
        raise ValueError(f"rank_k_backward: the gradient does not exist: singular values {k - 1} and {k} are both {S[k]:.6g}")
    first = np.arange(len(S)) < k  # (K,) with K = min(m, n)
    between = first[:, None] != first  # (K, K): one of the two is kept, the other is not
    S = S / binary_scale(S)  # the table is made of ratios
    larger, smaller = np.maximum(S, S[:, None]), np.minimum(S, S[:, None])
    gap = np.where(between, (larger - smaller) * (larger + smaller), 1)
    dL_dE = U.T @ dL_dY @ Vh.T  # (K, m) @ (m, n) @ (n, K)
    dL_dP = (first[:, None] & first) * dL_dE + between * (larger**2 * dL_dE + larger * smaller * dL_dE.T) / gap
    dL_dA = U @ dL_dP @ Vh  # (m, K) @ (K, K) @ (K, n)
    dL_dA += (dL_dY - U @ (U.T @ dL_dY)) @ Vh[:k].T @ Vh[:k]  # (m, n) @ (n, k) @ (k, n): what leaves the space of U
    return dL_dA + U[:, :k] @ U[:, :k].T @ (dL_dY - dL_dY @ Vh.T @ Vh)  # (m, k) @ (k, m) @ (m, n): what leaves the space of V


# ---- further reading: rank, pseudo-inverse, condition number -------------------------------------
#
#     matrix_rank        how many σ are above rounding          how many dimensions A keeps
#     pinv               A⁺ = V S⁻¹ Uᵀ                          undoes what A has not squashed, and makes 0 of the rest
#     cond               σ₁/σₙ                                  by how much A can magnify a relative error


def matrix_rank(A: Array, rtol: float | None = None) -> int:
    """How many σ are above rtol σ₁ (torch.linalg.matrix_rank). Shapes: A (m, n).

    Args:
        A: (m, n).
        rtol: what counts as 0, as a fraction of the largest σ; max(m, n) · eps unless told.
    """
    return int(kept(svdvals(A), A, rtol).sum())


def pinv(A: Array, rtol: float | None = None) -> Array:
    """Y = A⁺ = V S⁻¹ Uᵀ, the pseudo-inverse (torch.linalg.pinv), without the σ that are not above rtol σ₁. Shapes: (m, n) to (n, m).

    x = A⁺ b makes ‖A x − b‖ as small as can be, and of all x that do so it is the shortest. If A is invertible A⁺ = A⁻¹; of the zero matrix
    it is the zero matrix, transposed.

    Args:
        A: (m, n).
        rtol: max(m, n) · eps unless told, as torch's. numpy.linalg.pinv takes 1e-15 (rcond) whatever the shape, and so leaves out less
            of a matrix with more than 4 rows or columns.
    """
    U, S, Vh = svd(A)
    over_S = np.divide(1, S, out=np.zeros_like(S), where=kept(S, A, rtol))
    return Vh.T * over_S @ U.T  # (n, K) @ (K, m)


def pinv_backward(dL_dY: Array, A: Array, rtol: float | None = None) -> Array:
    """Golub and Pereyra's dY = −Y dA Y + Y Yᵀ dAᵀ (I − A Y) + (I − Y A) dAᵀ Yᵀ Y, for any change of A that keeps its rank. So

        ∂L/∂A = −Yᵀ ∂L/∂Y Yᵀ + (I − A Y) ∂L/∂Yᵀ Y Yᵀ + Yᵀ Y ∂L/∂Yᵀ (I − Y A)

    The first is the inverse's; the others are 0 where A has an inverse: A Y keeps what A can reach, Y A what A does not squash. A change
    that raises the rank makes a σ of 0 a small one, and A⁺ jumps to 1/σ: no gradient can tell that.

    If rtol leaves out a σ that is not 0, Y is the pseudo-inverse of another matrix, `rank_k(A, k)`, and this is not the slope of Y with A.
    torch returns this all the same. The slope is had by the chain rule: this at rank_k(A, k), then `rank_k_backward`.
    """
    Y = pinv(A, rtol)
    D = dL_dY.T  # (m, n)
    dL_dA = -Y.T @ dL_dY @ Y.T  # (m, n) @ (n, m) @ (m, n)
    dL_dA += (D - A @ Y @ D) @ Y @ Y.T  # (m, n) @ (n, m) @ (m, n)
    return dL_dA + Y.T @ Y @ (D - D @ Y @ A)  # (m, n) @ (n, m) @ (m, n)


def cond(A: Array) -> Any:
    """κ = σ₁/σₙ, the condition number (torch.linalg.cond): from 1, where A only turns, to ∞, where it squashes. Shapes: (m, n) to ().

    If b is off by a fraction δ, the x with A x = b may be off by κ δ: log₁₀ κ digits are lost. The zero matrix has 0/0 = NaN, as in torch
    (numpy says ∞).

    Raises:
        ValueError: if A has no entries.
    """
    S = svdvals(A)
    if S.size == 0:
        raise ValueError(f"cond: A must have at least one entry, got shape {A.shape}")
    with np.errstate(divide="ignore", invalid="ignore"):  # ∞ and NaN are meant
        return S[0] / S[-1]


def cond_backward(dL_dκ: Any, A: Array) -> Array:
    """∂κ/∂σ₁ = 1/σₙ and ∂κ/∂σₙ = −σ₁/σₙ² = −κ/σₙ, so that dκ = (u₁ᵀ dA v₁ − κ uₙᵀ dA vₙ)/σₙ.

    Raises:
        ValueError: if A has not full rank, up to rounding: κ has no slope at ∞. (torch returns NaN, or numbers made of rounding.)
    """
    S = svdvals(A)
    if S[-1] <= rounding_of(A):
        raise ValueError(f"cond_backward: A must have full rank, but its smallest singular value is {S[-1]:.6g}, 0 up to rounding")
    dL_dS = np.zeros_like(S)
    dL_dS[0] = dL_dκ / S[-1]
    dL_dS[-1] -= dL_dκ * (S[0] / S[-1]) / S[-1]  # −=: a single row or column has one σ, which is both, and the sum is 0
    return svdvals_backward(dL_dS, A)


def kept(S: Array, A: Array, rtol: float | None) -> Array:
    """Whether each σ is above rtol σ₁. Shapes: S and the result (K,), A (m, n).

    Raises:
        ValueError: if rtol is negative.
    """
    if rtol is None:
        rtol = max(A.shape) * float(np.finfo(A.dtype).eps)
    if not rtol >= 0:
        raise ValueError(f"rtol must be at least 0, got {rtol}")
    return rtol * S.max(initial=0) < S


# ---- further reading: what is refused ------------------------------------------------------------


def expect_k(function: str, k: int) -> None:
    """Raise ValueError if k is negative."""
    if k < 0:
        raise ValueError(f"{function}: k must be at least 0, got {k}")


def expect_gradients(asked: Any, S: Array, apart: Array, above_0: Array) -> None:
    """Raise ValueError if singular vectors whose gradient does not exist have an upstream one. Shapes: all (k,), but apart (k, k)."""
    for j in np.flatnonzero(asked):
        if apart[j].sum() < len(S) - 1:
            raise ValueError(
                f"svd_backward: the gradient of singular vectors {j} does not exist: their singular value {S[j]:.6g} comes more than once, "
                "and the least change of A picks others"
            )
        if not above_0[j]:
            raise ValueError(f"svd_backward: the gradient of singular vectors {j} does not exist: their singular value is 0 up to rounding")
