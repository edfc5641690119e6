"""Matrices: tables of numbers that move space, by hand.

If you gave up on mathematics before this: a *matrix* is a table of numbers. Its *shape* says how many rows and columns it has:
(4, 2) is 4 rows of 2 numbers. A[i, j] is the number in row i and column j, counted from 0. Data are such a table, a row for each example
and a column for each thing that was measured; and the weights of a layer are one.

**The product.** Each entry of Y = A B, in Python `A @ B`, is the dot product of a row of A and a column of B:

    Y[i, j] = Σₖ A[i, k] B[k, j]          (m, k) @ (k, n) = (m, n)

Σₖ sums over all k. The two sizes in the middle must be equal, and they go; the outer two stay.

**On paper.** Row times column, four times:

    A       B
    [1 2]   [2 0]     [1·2 + 2·1   1·0 + 2·3]     [ 4   6]
    [3 4] @ [1 3]  =  [3·2 + 4·1   3·0 + 4·3]  =  [10  12]

and B @ A is [2 4] above [10 14]: A B is not B A. Now a small layer, Y = X W + b; the rows of X are the four corners of a square:

    X       W               X W            Y, with b = (1, 0, −1)
    [0 0]                   [0  0   0]     [1  0  −1]
    [0 2]   [1  0  −1]      [0  2   2]     [1  2   1]
    [2 2] @ [0  1   1]   =  [2  2   0]     [3  2  −1]
    [2 0]                   [2  0  −2]     [3  0  −3]

(4, 2) @ (2, 3) = (4, 3): each corner had 2 numbers and now has 3. The network of `hidden_layer` does just this, with 16 in place of 3.
W is (in, out) wherever these lessons write `x @ W`: a row for each input, a column for each output. torch's nn.Linear keeps it with
rows and columns exchanged, (out, in), and computes `x @ W.T`.

**Broadcasting.** b, the bias, is one row and was added to all four: what is too small is used again and again.

**The transpose** Aᵀ, in Python `A.T`, is A with rows and columns exchanged.

**Backward.** ∂L/∂Y is a table too: how fast the loss L grows with each entry of Y. W[k, j] was multiplied by X[i, k] in each row i, and
b[j] added in each row; what they do in all the rows adds up:

    ∂L/∂W[k, j] = Σᵢ X[i, k] ∂L/∂Y[i, j]      ∂L/∂W = Xᵀ ∂L/∂Y      (2, 4) @ (4, 3) = (2, 3)
    ∂L/∂X[i, k] = Σⱼ ∂L/∂Y[i, j] W[k, j]      ∂L/∂X = ∂L/∂Y Wᵀ      (4, 3) @ (3, 2) = (4, 2)
    ∂L/∂b[j]    = Σᵢ ∂L/∂Y[i, j]              a sum of rows: `sum_to`

Who forgets where the transpose goes writes down the three shapes: only one way fits. With numbers:

    Xᵀ          ∂L/∂Y      ∂L/∂W
                [1 0 0]
    [0 0 2 2]   [0 1 0]    [2·0 + 2·1   2·0 + 2·1   2·1 + 2·1]    [2 2 4]
    [0 2 2 0] @ [0 0 1] =  [2·0 + 2·0   2·1 + 2·0   2·0 + 2·1] =  [0 2 2]       ∂L/∂b = (2, 2, 2)
                [1 1 1]

    >>> X, W, b = np.array([[0.0, 0], [0, 2], [2, 2], [2, 0]]), np.array([[1.0, 0, -1], [0, 1, 1]]), np.array([1.0, 0, -1])
    >>> broadcast_add(product(X, W), b).tolist()
    [[1.0, 0.0, -1.0], [1.0, 2.0, 1.0], [3.0, 2.0, -1.0], [3.0, 0.0, -3.0]]
    >>> dL_dY = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    >>> product_backward(dL_dY, X, W)[1].tolist(), sum_to(dL_dY, b.shape).tolist()
    ([[2.0, 2.0, 4.0], [0.0, 2.0, 2.0]], [2.0, 2.0, 2.0])

**What it does to the plane.** Stand a vector x behind A, as a column: A x is another vector. So A moves every point of the plane, and
makes a slanted grid of the square one; the columns of A are where the arrows (1, 0) and (0, 1) land. `A B` means: first B, then A. The
*determinant* says how many times larger areas become; if it is 0 the plane is squashed flat, and nothing can undo that. Else the *inverse*
A⁻¹ does: A⁻¹ A = I. The *identity* I, 1 on the diagonal and 0 elsewhere, changes nothing. Trained here is an inverse: an X with A X near I.
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
    """∂L/∂A and ∂L/∂B: A[i, k] was used in all of row i of Y, B[k, j] in all of column j."""
    dL_dA = dL_dY @ B.T  # (m, n) @ (n, k)
    dL_dB = A.T @ dL_dY  # (k, m) @ (m, n)
    return dL_dA, dL_dB


def transpose(A: Array) -> Array:
    """Y[j, i] = A[i, j]. Shapes: (m, n) to (n, m)."""
    expect_matrix("transpose", "A", A)
    return A.T


def transpose_backward(dL_dY: Array, A: Array) -> Array:
    """What went to another place, its gradient comes back from there. Shapes: (n, m) to (m, n)."""
    return dL_dY.T


# ---- broadcasting --------------------------------------------------------------------------------


def broadcast_add(a: Array, b: Array) -> Array:
    """y = a + b: an axis of size 1, or missing in front, is used again and again.

    Shapes: (N, D) with (D,), (N, 1) or () is (N, D).

    Raises:
        ValueError: if the shapes do not fit.
    """
    expect_broadcast("broadcast_add", a, b)
    return a + b


def broadcast_add_backward(dL_dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """∂y/∂a = 1 and ∂y/∂b = 1, for each entry of y; what was used for several of them gets the sum."""
    dL_da = sum_to(dL_dy, a.shape)  # shape of y to shape of a
    dL_db = sum_to(dL_dy, b.shape)  # shape of y to shape of b
    return dL_da, dL_db


# ---- what is trained -----------------------------------------------------------------------------


class Matrices(Concept):
    """The inverse X of a matrix A, found by going down L = ‖A X − I‖², the sum of the squares of all entries.

    It is what a layer does: the rows of A are the examples, X is the weight, the rows of I are the targets.

        P = A X                     (n, n) @ (n, n)
        L = Σᵢⱼ (P − I)[i, j]²
        ∂L/∂P = 2 (P − I)
        ∂L/∂X = Aᵀ ∂L/∂P            the product's gradient

    Args:
        lr: the step size; it must stay below 1/2² = 0.25, for A stretches some arrow to twice its length.
        rng: draws the initial X: small numbers, Normal(0, 1/5).
        dtype: of X.

    Shapes: A and I (N, 5), all or some of their rows; X (5, 5).
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


# ---- further reading: inverse and solve, by Gauss-Jordan elimination --------------------------------
#
#     inverse        A⁻¹ A = A A⁻¹ = I             by Gauss-Jordan elimination
#     solve          the x with A x = b            the same elimination, on b alone
#     determinant    the product of the pivots     log|det| where that would overflow
#     trace          the sum of the diagonal
#     rank           how many dimensions are left  an integer: it has no gradient
#
# All gradients follow from that of the product.
#
# Nobody would train an inverse in practice: `inverse` needs n steps and is exact up to rounding. How fast the descent of `Matrices` is:
# with σ for how long A leaves a vector of length 1 (see `eigen` and `svd`), a step shrinks the error along A's weakest direction by
# 1 − 2 lr σ² only, while its strongest allows no lr above 1/σ². A matrix that is nearly singular is hard to invert, also in this way.
#
# Sources: Golub & Van Loan, Matrix Computations, chapter 3 (elimination with pivots); Giles, Collected matrix derivative results for
# forward and reverse mode algorithmic differentiation (2008).


def expect_square(function: str, A: Array) -> None:
    """Raise ValueError unless A is a square matrix."""
    expect_matrix(function, "A", A)
    if A.shape[0] != A.shape[1]:
        raise ValueError(f"{function}: A must be square, got shape {A.shape}")


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


# ---- further reading: determinant, trace, rank -------------------------------------------------------


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


# ---- further reading: what can be broadcast, and products of it ----------------------------------------


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
