"""Matrices: tables of numbers that move space, by hand.

If you gave up on mathematics somewhere before this: a matrix is a table of numbers, and it is a machine. Put a vector in, and out comes
another vector: each entry of it is the dot product of one row of the table with what was put in. That is all that a layer of a
network does before its kink. What such a machine does to *all* vectors at once can be seen: it takes the square grid of the plane to
a slanted grid. Straight lines stay straight and the origin stays where it is; the columns of the table are where the
arrows (1, 0) and (0, 1) land. The *determinant* is how much larger areas become; if it is 0 the plane was squashed flat, and no
machine can undo that. If it is not 0, the machine that undoes it is the *inverse*. `A B` means: first B, then A. Turning and then
stretching is not the same as stretching and then turning, so A B is not B A.

What to look at in the figures: the unit square becoming a parallelogram, whose area is the determinant.

    product        (A B)[i, j] = Σₖ A[i, k] B[k, j]      columns of A = rows of B; (A B)ᵀ = Bᵀ Aᵀ; A B ≠ B A
    broadcasting   what is too small is used again and again; so its gradient is a sum
    transpose      Aᵀ[i, j] = A[j, i]                    rows become columns
    inverse        A⁻¹ A = A A⁻¹ = I                     by Gauss-Jordan elimination
    solve          the x with A x = b                    the same elimination, on b alone
    determinant    the product of the pivots             log|det| where that would overflow
    trace          the sum of the diagonal
    rank           how many dimensions are left          an integer: it has no gradient

All gradients of this file follow from that of the product, `product_backward`; its shapes alone nearly tell it. Whoever forgets where the
transpose goes writes the three shapes down and finds that only one way fits.

Sources: Golub & Van Loan, Matrix Computations, chapter 3 (elimination with pivots); Giles, Collected matrix derivative results for
forward and reverse mode algorithmic differentiation (2008).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.functional import sum_to
from manual.nn.init import normal
from manual.nn.validate import expect_array, expect_matrix, expect_ndim

Array = np.ndarray


# ---- product and transpose -----------------------------------------------------------------------


def product(A: Array, B: Array) -> Array:
    """Y[i, j] = Σₖ A[i, k] B[k, j]: row i of A times column j of B. Shapes: A (m, k), B (k, n), Y (m, n).

    Raises:
        ValueError: if A has not as many columns as B has rows.
    """
    expect_matrix("product", "A", A)
    expect_matrix("product", "B", B)
    if A.shape[1] != len(B):
        raise ValueError(f"product: A must have as many columns as B has rows, got {A.shape} and {B.shape}")
    return A @ B


def product_backward(dL_dY: Array, A: Array, B: Array) -> tuple[Array, Array]:
    """A[i, k] meets B[k, j] in each Y[i, j] of row i, and their paths to the loss add up:

    ∂L/∂A[i, k] = Σⱼ ∂L/∂Y[i, j] B[k, j]        ∂L/∂B[k, j] = Σᵢ A[i, k] ∂L/∂Y[i, j]
    """
    dL_dA = dL_dY @ B.T  # (m, n) @ (n, k)
    dL_dB = A.T @ dL_dY  # (k, m) @ (m, n)
    return dL_dA, dL_dB


def transpose(A: Array) -> Array:
    """Y[j, i] = A[i, j]. Shapes: (m, n) to (n, m)."""
    expect_matrix("transpose", "A", A)
    return A.T


def transpose_backward(dL_dY: Array, A: Array) -> Array:
    """Every entry has gone to another place; its gradient comes back from there. Shapes: (n, m) to (m, n)."""
    return dL_dY.T


# ---- broadcasting --------------------------------------------------------------------------------


def broadcast_add(a: Array, b: Array) -> Array:
    """y = a + b, where an axis of size 1, or one that is missing in front, is used for all of the other's entries.

    Shapes: (N, D) and (D,) make (N, D), as do (N, D) and (N, 1), (N, 1) and (D,), (N, D) and ().

    Raises:
        ValueError: if the shapes do not fit.
    """
    expect_broadcast("broadcast_add", a, b)
    return a + b


def broadcast_add_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """∂y/∂a = 1 and ∂y/∂b = 1, for each entry of y; what was used for several entries of y gets the sum of their gradients."""
    dL_da = sum_to(dL_dy, a.shape)  # shape of y to shape of a
    dL_db = sum_to(dL_dy, b.shape)  # shape of y to shape of b
    return dL_da, dL_db


def broadcast_multiply(a: Array, b: Array) -> Array:
    """y = a b, entry by entry, with shapes as in `broadcast_add`.

    Raises:
        ValueError: if the shapes do not fit.
    """
    expect_broadcast("broadcast_multiply", a, b)
    return a * b


def broadcast_multiply_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """∂y/∂a = b and ∂y/∂b = a, for each entry of y; then the sum over the entries that share one."""
    dL_da = sum_to(dL_dy * b, a.shape)  # shape of y to shape of a
    dL_db = sum_to(dL_dy * a, b.shape)  # shape of y to shape of b
    return dL_da, dL_db


# ---- inverse and solve: Gauss-Jordan elimination -------------------------------------------------


def gauss_jordan(A: Array, B: Array) -> Array:
    """The X with A X = B, by turning A into I step by step and doing to B whatever is done to A.

    Adding a multiple of one equation to another, or swapping two, does not change what solves them. Column by column: swap up the row with
    the largest entry (the pivot; a small one would magnify rounding), divide it by the pivot, and subtract it from all
    others as often as makes their entry 0. When A has become I the equations read I X = (what B has become).

    A pivot that is no larger than the rounding error of its column (n · eps times the largest entry of that column of A) could as well
    be 0. It is refused: torch refuses an exact 0 and returns numbers without meaning for the rest.

    Shapes: A (n, n), B (n, k), X (n, k).

    Raises:
        ValueError: if A is singular, or nearly: a column is, up to rounding, a mix of those before it.
    """
    n = len(A)
    M = np.hstack([A, B])  # (n, n) beside (n, k)
    rounding = n * np.finfo(A.dtype).eps * np.abs(A).max(axis=0, initial=0)  # (n,)
    for k in range(n):
        pivot = k + int(np.argmax(np.abs(M[k:, k])))
        if abs(M[pivot, k]) <= rounding[k]:
            raise ValueError(f"A must be invertible, but up to rounding its column {k} is a mix of the columns before it")
        M[[k, pivot]] = M[[pivot, k]]
        M[k] /= M[k, k]
        times = M[:, k].copy()  # (n,): how often row k is subtracted from each row
        times[k] = 0
        M -= times[:, None] * M[k]  # (n, 1) times (n + k,)
    return M[:, n:]


def inverse(A: Array) -> Array:
    """Y = A⁻¹, the matrix that undoes A. Shapes: both (n, n).

    Raises:
        ValueError: if A is not square, or singular or nearly (see `gauss_jordan`).
    """
    expect_square("inverse", A)
    return gauss_jordan(A, np.eye(len(A), dtype=A.dtype))


def inverse_backward(dL_dY: Array, A: Array) -> Array:
    """Y A = I does not change when A changes, so dY A + Y dA = 0 and dY = −Y dA Y. With the product's gradient, twice,

    ∂L/∂A = −Yᵀ ∂L/∂Y Yᵀ        for n = 1: the derivative of 1/a is −1/a²
    """
    Y = inverse(A)
    return -Y.T @ dL_dY @ Y.T  # (n, n) @ (n, n) @ (n, n)


def solve(A: Array, b: Array) -> Array:
    """The x with A x = b: what must be put into A for b to come out. Shapes: A (n, n), b and x (n,) or (n, k), k questions at once.

    Raises:
        ValueError: if A is not square, b does not fit, or A is singular or nearly (see `gauss_jordan`).
    """
    expect_square("solve", A)
    expect_array("solve", "b", b, A.dtype)
    expect_ndim("solve", "b", b, 1, 2)
    if len(b) != len(A):
        raise ValueError(f"solve: b must have as many rows as A, got {b.shape} and {A.shape}")
    columns = b if b.ndim == 2 else b[:, None]  # (n, k)
    return gauss_jordan(A, columns).reshape(b.shape)


def solve_backward(dL_dx: Array, A: Array, b: Array) -> tuple[Array, Array]:
    """x = A⁻¹ b. As in a product, ∂L/∂b = A⁻ᵀ ∂L/∂x, which is again a solution: that of Aᵀ dL_db = dL_dx.

    From A x = b follows dA x + A dx = db. What dA does, a db = −dA x would do as well, so ∂L/∂A[i, j] = −Σₖ ∂L/∂b[i, k] x[j, k].
    """
    x = solve(A, b)  # (n,) or (n, k)
    dL_db = solve(A.T, dL_dx)  # (n, n) and (n,) or (n, k)
    dL_dA = -np.outer(dL_db, x) if b.ndim == 1 else -dL_db @ x.T  # (n,) with (n,), or (n, k) @ (k, n)
    return dL_dA, dL_db


def substitute(L: Array, B: Array, upper: bool = False) -> Array:
    """X with L X = B for a triangular L, 0 above its diagonal (torch.linalg.solve_triangular): no elimination is needed.

    The first row has one unknown, the second one more, and so on. If L is `upper`, 0 below its diagonal, it goes from the bottom up.
    Shapes: L (n, n), B and X (n, k).
    """
    if upper:
        return substitute(L[::-1, ::-1], B[::-1])[::-1]  # upside down and back to front it is 0 above its diagonal
    X = np.empty_like(B)
    for i in range(len(L)):
        X[i] = (B[i] - L[i, :i] @ X[:i]) / L[i, i]  # (k,) less (i,) @ (i, k)
    return X


# ---- determinant, trace, rank --------------------------------------------------------------------


def pivots(A: Array) -> tuple[int, Array]:
    """The diagonal of A after elimination below it, with rows swapped; and −1 if the number of swaps was odd, else 1.

    Subtracting one row from another shears the parallelogram, which keeps its area; a swap turns it over. What is left is a table with
    zeros below the diagonal, whose area is the product of the diagonal. Shapes: A (n, n), the pivots (n,).
    """
    U, sign = A.copy(), 1
    for k in range(len(U)):
        pivot = k + int(np.argmax(np.abs(U[k:, k])))
        if U[pivot, k] == 0:
            continue  # nothing to eliminate; this pivot is 0
        if pivot != k:
            U[[k, pivot]], sign = U[[pivot, k]], -sign
        times = U[k + 1 :, k] / U[k, k]  # how often row k is subtracted from each row below
        U[k + 1 :] -= times[:, None] * U[k]  # (n − k − 1, 1) times (n,)
    return sign, U.diagonal()


def determinant(A: Array) -> Any:
    """y = det A: how many times larger A makes areas (n = 2), volumes (n = 3); negative if it turns them over. Shapes: (n, n) to ().

    Raises:
        ValueError: if A is not square.
    """
    expect_square("determinant", A)
    sign, diagonal = pivots(A)
    return sign * diagonal.prod()


def determinant_backward(dL_dy: Any, A: Array) -> Array:
    """∂y/∂A[i, j] = C[i, j], the cofactor: by Laplace's expansion y = Σⱼ A[i, j] C[i, j] for any row i, and no C[i, j] contains row i.

    Where A is invertible C = det(A) A⁻ᵀ, which is faster (`test_cofactors_are_the_fast_form`). But the determinant is a polynomial, whose
    gradient exists for singular matrices too: for [[1, 2], [2, 4]] it is [[4, −2], [−2, 1]]. Torch 2.13 says 0 there.
    """
    return dL_dy * cofactors(A)  # () times (n, n)


def cofactors(A: Array) -> Array:
    """C[i, j] = (−1)ⁱ⁺ʲ times the determinant of A without row i and column j. Shapes: both (n, n)."""
    C = np.empty_like(A)
    for i in range(len(A)):
        for j in range(len(A)):
            minor = np.delete(np.delete(A, i, axis=0), j, axis=1)  # (n − 1, n − 1)
            C[i, j] = (-1) ** (i + j) * determinant(minor)
    return C


def log_determinant(A: Array) -> Any:
    """y = log|det A| as Σ log|pivot|: a product of many pivots would overflow, or round to 0. −∞ if A is singular. Shapes: (n, n) to ().

    Raises:
        ValueError: if A is not square.
    """
    expect_square("log_determinant", A)
    _, diagonal = pivots(A)
    with np.errstate(divide="ignore"):  # log 0 = −∞ is what is meant
        return np.log(np.abs(diagonal)).sum()


def log_determinant_backward(dL_dy: Any, A: Array) -> Array:
    """∂y/∂A = A⁻ᵀ: the derivative of log|d| is 1/d, and ∂d/∂A = d A⁻ᵀ. d is gone.

    Raises:
        ValueError: if A is singular or nearly: the slope is infinite.
    """
    return dL_dy * inverse(A).T  # () times (n, n)


def trace(A: Array) -> Any:
    """y = Σᵢ A[i, i], the sum of the diagonal. Shapes: (m, n) to ()."""
    expect_matrix("trace", "A", A)
    return A.diagonal().sum()


def trace_backward(dL_dy: Any, A: Array) -> Array:
    """∂y/∂A[i, j] = 1 on the diagonal, 0 elsewhere."""
    return dL_dy * np.eye(*A.shape, dtype=A.dtype)  # () times (m, n)


def rank(A: Array) -> int:
    """How many dimensions are left after A: the number of pivots that are not 0 up to rounding. Shapes: A (m, n).

    The largest entry of all that is left becomes the pivot, so that rounding is told from a small pivot as well as elimination can:
    at max(m, n) · eps times the largest entry of A. (torch counts singular values above max(m, n) · eps times the largest of them.)
    It jumps from one integer to another, so it has no gradient that would be of use.

    Raises:
        ValueError: if an entry is not finite.
    """
    expect_matrix("rank", "A", A)
    if not np.isfinite(A).all():
        raise ValueError("rank: A must be finite")
    U = A.copy()
    rounding = rounding_of(A)
    for k in range(min(A.shape)):
        rest = np.abs(U[k:, k:])
        i, j = (k + int(at) for at in np.unravel_index(rest.argmax(), rest.shape))
        if abs(U[i, j]) <= rounding:
            return k
        U[[k, i]] = U[[i, k]]
        U[:, [k, j]] = U[:, [j, k]]
        U[k + 1 :] -= (U[k + 1 :, k] / U[k, k])[:, None] * U[k]  # (m − k − 1, 1) times (n,)
    return min(A.shape)


def rounding_of(A: Array) -> Any:
    """What rounding may make of a 0 in a computation with these numbers: size · eps · the largest of them. Less means nothing."""
    return max(A.shape) * np.finfo(A.dtype).eps * np.abs(A).max(initial=0)


# ---- what fits -----------------------------------------------------------------------------------


def expect_square(function: str, A: Array) -> None:
    """Raise ValueError unless A is a square matrix."""
    expect_matrix(function, "A", A)
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"{function}: A must be square, got shape {A.shape}")


def expect_broadcast(function: str, a: Array, b: Array) -> None:
    """Raise TypeError or ValueError unless the shapes of a and b can be broadcast."""
    expect_array(function, "a", a)
    expect_array(function, "b", b, a.dtype)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"{function}: a and b must have sizes that are equal or 1, from the last axis on, got {a.shape} and {b.shape}"
        ) from None


# ---- what is trained -----------------------------------------------------------------------------


class Matrices(Concept):
    """The inverse X of a matrix A, found by going down L = ‖A X − I‖², the sum of the squares of all entries.

    Nobody would train this in practice: elimination needs n steps and is exact up to rounding. It is trained so that both sides can be
    compared, and because it is what a layer does: the rows of A are the examples, X is the weight, the rows of I are the targets.

        P = A X                     (n, n) @ (n, n)
        L = Σᵢⱼ (P − I)[i, j]²
        ∂L/∂P = 2 (P − I)
        ∂L/∂X = Aᵀ ∂L/∂P            the product's gradient

    A step shrinks the error along A's weakest direction by 1 − 2 lr σ² only (σ: how long A leaves a vector of length 1 at least; see
    `eigen` and `svd`), while its strongest allows no lr above 1/σ². A matrix that is nearly singular is hard to invert, also in this way.

    Args:
        lr: the step size; it must stay below 1/σ² = 0.25, for the A of this concept stretches by at most σ = 2.
        rng: draws the initial X from Normal(0, 1/5).
        dtype: of X.

    Shapes: A (N, 5), all or some of its rows; I (N, 5), the same rows of the identity; X (5, 5).
    """

    def __init__(self, lr: float = 0.2, *, rng: np.random.Generator | None = None, dtype: Any = np.float64) -> None:
        super().__init__()
        self.lr = lr
        self.X = Parameter(normal((5, 5), 0.0, 1 / math.sqrt(5), rng=rng, dtype=dtype))

    def forward(self, A: Array) -> Array:
        """A X, which is to become I."""
        return product(A, self.X.data)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        A, I = batch
        P = self(A)
        loss = ((P - I) ** 2).sum()
        self.save(A, P, I)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        A, P, I = self.restore()
        dL_dP = dL_dloss * 2 * (P - I)  # (N, 5)
        _, dL_dX = product_backward(dL_dP, A, self.X.data)  # (5, N) @ (N, 5)
        self.X.grad += dL_dX

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        A, I = batch
        self.log("loss/val", ((self(A) - I) ** 2).sum(), batch_size=len(A))

    def configure_optimizers(self) -> optim.SGD:
        return optim.SGD(self.parameters(), lr=self.lr)
