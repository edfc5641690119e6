"""Gradients: derivatives of functions of many numbers, by hand.

If you failed pre-calculus: stand on a hillside in fog. You can feel how steep the ground is if you step east, and how steep if you step
north. These are two slopes, each with the other direction held still: *partial derivatives*. Written side by side they are the *gradient*,
an arrow on the map. It points to where the ground rises the most, and its length says how steep it is there. A loss is such a landscape,
with one direction for each weight of a network; training walks against the arrow.

    ∂f/∂x         partial derivative: how fast f grows when x alone moves
    g             gradient: (∂f/∂x, ∂f/∂y), as many numbers as f depends on; in books ∇f
    g · d         slope along an arrow d of length 1: ‖g‖ · cos(angle between d and g)
    p ← p − lr g  the step: gradient descent

**On paper.** The bowl f = x² + 4 y² at p = (1, 2), where its height is 1 + 16 = 17:

    x alone moves, to 1.01:   f = 1.0201 + 16 = 17.0201      0.0201/0.01 =  2.01      exactly 2 x =  2
    y alone moves, to 2.01:   f = 1 + 16.1604 = 17.1604      0.1604/0.01 = 16.04      exactly 8 y = 16

So g = (2, 16): nearly north, the way in which the bowl is steeper. A step with lr = 0.1 goes the other way,

    (1, 2) − 0.1 · (2, 16) = (0.8, 0.4)         where f = 0.64 + 0.64 = 1.28, in place of 17

and along d = (0.6, 0.8), an arrow of length 1, the slope is 2 · 0.6 + 16 · 0.8 = 14:

    >>> p = np.array([1.0, 2.0])
    >>> g = bowl_backward(1.0, p)
    >>> g.tolist()
    [2.0, 16.0]
    >>> (p - 0.1 * g).round(9).tolist(), float(bowl(p - 0.1 * g).round(9))
    ([0.8, 0.4], 1.28)
    >>> float(directional_derivative(g, np.array([0.6, 0.8])))
    14.0

**Which way is steepest?** Of all d, g · d = ‖g‖ cos(angle) is largest where the angle is 0: along g. It is 0 at right angles to g, so that
is where the lines of equal height, the *contours*, go; and least along −g. This holds for short steps: farther on the gradient is another.

**Where the gradient is 0** the ground is level: at a *minimum*, the lowest place around; but on a hilltop too; and on a *saddle*, which
rises to its front and back and falls to its sides.

**More outputs than one.** A layer has many outputs, and each has a gradient of its own. Written one below the other they are a matrix, the
*Jacobian*: a row for each output, a column for each input. That of (x y, x + 3 y) at (1, 2) is [2 1] above [1 3]. Training never needs it
whole: the loss is one number, and has one gradient.

What is trained here is a point that walks down: the bowl, a bent valley, or a saddle between two minima.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from manual import optim
from manual.concept import Batch, Concept
from manual.module import Parameter
from manual.nn.validate import expect_choice, expect_ndim, expect_size

# ---- a surface --------------------------------------------------------------------------------------------


def bowl(point: np.ndarray) -> Any:
    """f = x² + 4 y². Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + 4 * y**2


def bowl_backward(dL_df: Any, point: np.ndarray) -> np.ndarray:
    """∂L/∂point of the bowl."""
    x, y = point
    df_dx = 2 * x
    df_dy = 8 * y
    return dL_df * np.stack([df_dx, df_dy])  # one number times (2,)


class Surface(NamedTuple):
    """A surface, its gradient, where a point starts (numbers that float32 holds exactly) and where it could come to rest."""

    height: Callable[[Any], Any]
    backward: Callable[[Any, np.ndarray], np.ndarray]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]


# ---- slopes ----------------------------------------------------------------------------------------------


def partial_derivative(f: Callable[[np.ndarray], Any], p: np.ndarray, i: int, h: float = 1e-6) -> Any:
    """∂f/∂pᵢ by a central difference: pᵢ moves by ±h, the others hold still.

    Args:
        f: from (n,) to one number.
        p: where, (n,).
        i: which, 0 … n − 1.
        h: the step.
    """
    nudge = np.zeros_like(p)
    nudge[i] = h
    return (f(p + nudge) - f(p - nudge)) / (2 * h)


def directional_derivative(gradient: np.ndarray, direction: np.ndarray) -> Any:
    """The slope along a direction: g · d/‖d‖, so that only where d points counts, not how long it is.

    Shapes: both (n,).

    Raises:
        ValueError: if the direction is 0, which points nowhere, or has another shape than the gradient.
    """
    if gradient.shape != direction.shape:
        raise ValueError(f"directional_derivative: gradient and direction must have one shape, got {gradient.shape} and {direction.shape}")
    if not direction.any():
        raise ValueError("directional_derivative: direction must not be 0: it points nowhere")
    direction = direction / np.abs(direction).max()  # a very short one's squares would be 0
    return gradient @ (direction / np.linalg.norm(direction))  # (n,) @ (n,)


# ---- what is trained -------------------------------------------------------------------------------------


LR = {
    "gradient_descent": {"bowl": 0.1, "valley": 0.002, "saddle": 0.1},
    "newton": {"bowl": 1.0, "valley": 1.0, "saddle": 1.0},
}
"""The default lr of each method on each surface."""


class Descent(Concept):
    """A point on a surface, which walks down.

    Args:
        surface: "bowl", "valley" or "saddle".
        method: "gradient_descent"; or "newton" (further reading).
        lr: the step size; None is that of the table LR.
        start: where the point is at first, (x, y); None is the surface's own place.
        rng: nothing is drawn.
        dtype: of the point.

    Raises:
        ValueError: if there is no such surface or method, or start is not two numbers.
    """

    def __init__(
        self,
        surface: str = "bowl",
        method: str = "gradient_descent",
        lr: float | None = None,
        start: tuple[float, float] | None = None,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        expect_choice("Descent", "surface", surface, tuple(SURFACES))
        expect_choice("Descent", "method", method, tuple(LR))
        if start is not None and len(start) != 2:
            raise ValueError(f"Descent: start must be two numbers (x, y), got {start!r}")
        self.surface, self.hessian, self.method = SURFACES[surface], HESSIANS[surface], method
        self.lr = LR[method][surface] if lr is None else lr
        self.point = Parameter(np.array(self.surface.start if start is None else start, dtype))

    def forward(self) -> Any:
        """The height of the surface under the point."""
        self.save(self.point.data.copy())
        return self.surface.height(self.point)

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        loss = self()
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        point = self.restore()
        self.point.grad += self.surface.backward(dL_dloss, point)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("loss/val", self())
        self.log("distance/val", min(np.linalg.norm(self.point - np.array(minimum)) for minimum in self.surface.minima))

    def configure_optimizers(self) -> optim.Optimizer:
        if self.method == "newton":
            return Newton(self.parameters(), self.hessian, lr=self.lr)
        return optim.SGD(self.parameters(), lr=self.lr)


# ---- further reading: two more surfaces ---------------------------------------------------------------------


def valley(point: np.ndarray) -> Any:
    """f = (1 − x)² + 100 (y − x²)². Shapes: point (2, ...), f (...). Source: Rosenbrock 1960."""
    x, y = point
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def valley_backward(dL_df: Any, point: np.ndarray) -> np.ndarray:
    """∂L/∂point of the valley: x stands in both squares, once as −x and once as −x², whose derivative is −2 x."""
    x, y = point
    df_dx = -2 * (1 - x) + 200 * (y - x**2) * (-2 * x)
    df_dy = 200 * (y - x**2)
    return dL_df * np.stack([df_dx, df_dy])  # one number times (2,)


def saddle(point: np.ndarray) -> Any:
    """f = x² + (y² − 1)²/4, which is x² − y²/2 + 1/4 near (0, 0) and not below 0 anywhere. Shapes: point (2, ...), f (...)."""
    x, y = point
    return x**2 + (y**2 - 1) ** 2 / 4


def saddle_backward(dL_df: Any, point: np.ndarray) -> np.ndarray:
    """∂L/∂point of the saddle."""
    x, y = point
    df_dx = 2 * x
    df_dy = (y**2 - 1) * y  # 2/4 · (y² − 1) · 2 y
    return dL_df * np.stack([df_dx, df_dy])  # one number times (2,)


SURFACES = {
    "bowl": Surface(bowl, bowl_backward, (-2.0, 1.0), ((0.0, 0.0),)),
    "valley": Surface(valley, valley_backward, (-1.25, 1.0), ((1.0, 1.0),)),
    "saddle": Surface(saddle, saddle_backward, (-1.5, 1 / 64), ((0.0, 1.0), (0.0, -1.0))),
}


# ---- further reading: second derivatives, and kinds of level ground -----------------------------------------
#
#     Hessian                   H[i, j] = ∂²f/∂pᵢ∂pⱼ    how the gradient changes: n × n numbers, H = Hᵀ
#     Hessian-vector product    H v     (n, n) @ (n,)   how the gradient changes along v
#
# Where the gradient is 0 (a critical point), H's eigenvalues tell which kind it is, the curvatures along the directions in which the
# ground bends the most and the least: all above 0, it bends up everywhere, a minimum; all below 0, a maximum; of both signs, a saddle. If
# some are 0 and the others agree, H cannot tell.


def bowl_hessian(point: np.ndarray) -> np.ndarray:
    """∂²/∂point² of x² + 4 y², from ∂f/∂x = 2 x and ∂f/∂y = 8 y: the same everywhere. Shapes: point (2,), H (2, 2)."""
    return np.array([[2, 0], [0, 8]], point.dtype)


def valley_hessian(point: np.ndarray) -> np.ndarray:
    """∂²/∂point² of (1 − x)² + 100 (y − x²)². Shapes: point (2,), H (2, 2).

    From ∂f/∂x = −2 (1 − x) − 400 x (y − x²), the product rule on its second term gives −400 (y − x²) + 800 x².
    """
    x, y = point
    d2f_dx2 = 2 - 400 * (y - x**2) + 800 * x**2
    d2f_dxdy = -400 * x  # also from ∂f/∂y = 200 (y − x²): H is symmetric, whichever came first
    d2f_dy2 = 200
    return np.array([[d2f_dx2, d2f_dxdy], [d2f_dxdy, d2f_dy2]], point.dtype)


def saddle_hessian(point: np.ndarray) -> np.ndarray:
    """∂²/∂point² of x² + (y² − 1)²/4, from ∂f/∂x = 2 x and ∂f/∂y = y³ − y. Shapes: point (2,), H (2, 2)."""
    _, y = point
    return np.array([[2, 0], [0, 3 * y**2 - 1]], point.dtype)


HESSIANS = {"bowl": bowl_hessian, "valley": valley_hessian, "saddle": saddle_hessian}


def hessian_vector_product(gradient: Callable[[np.ndarray], np.ndarray], p: np.ndarray, v: np.ndarray) -> np.ndarray:
    """H v, without H: how the gradient changes along v, as the complex step of `derivatives`, Im g(p + i h v) / h.

    Args:
        gradient: from (n,) to (n,), complex for complex numbers.
        p: where, (n,).
        v: (n,).
    """
    h = 1e-20
    return gradient(p + 1j * h * v).imag / h


def kind_of_critical_point(H: np.ndarray) -> str:
    """What a point is where the gradient is 0, by the signs of H's eigenvalues.

    An eigenvalue that is 0 but for rounding, at most n eps times the largest, counts as 0.

    Args:
        H: (n, n), symmetric.

    Returns:
        "minimum", "maximum", "saddle"; or "undecided", if some eigenvalues are 0 and the others have one sign (x⁴ and −x⁴ have the same H).

    Raises:
        ValueError: if H is not a symmetric matrix of finite numbers.
    """
    if H.ndim != 2 or H.shape[0] != H.shape[1] or not np.isfinite(H).all() or not np.allclose(H, H.T):
        raise ValueError(f"kind_of_critical_point: H must be a symmetric matrix of finite numbers, got {H.tolist()}")
    curvatures = np.linalg.eigvalsh(H)
    tiny = len(H) * np.finfo(H.dtype).eps * abs(curvatures).max()
    bends_up, bends_down = (curvatures > tiny).any(), (curvatures < -tiny).any()
    if bends_up and bends_down:
        return "saddle"
    if (abs(curvatures) <= tiny).any():
        return "undecided"
    return "minimum" if bends_up else "maximum"


# ---- further reading: Newton's method ------------------------------------------------------------------------
#
# It takes the landscape for a bowl with this gradient and this H, and steps right to the bowl's lowest point:
#
#     g + H · step = 0            p ← p − H⁻¹ g
#
# On a bowl one step is all. In a bent valley, where gradient descent creeps, it takes a handful, and near the end every step doubles the
# number of right digits. But where the landscape bends down that "lowest" point is a highest one: Newton's method walks into saddles and
# up to maxima as gladly as into minima. And H of a million weights has 10¹² entries. So networks are not trained with it; it stands here
# to show what second derivatives know.


def newton_step(gradient: np.ndarray, H: np.ndarray) -> np.ndarray:
    """−H⁻¹ g: from here to the critical point of the bowl (or saddle, or dome) with this gradient and this Hessian. Shapes: (n,), (n, n).

    Raises:
        ValueError: if H is singular: along some direction the ground does not bend, and no point is level.
    """
    try:
        return -np.linalg.solve(H, gradient)
    except np.linalg.LinAlgError:
        raise ValueError(f"newton_step: H must not be singular, got {H.tolist()}") from None


class Newton(optim.Optimizer):
    """Newton's method: p ← p − lr · H⁻¹ g, for one parameter that has no more than one axis.

    Args:
        params: the parameter, in a list.
        hessian: from p to H.
        lr: 1 is Newton's own; less is "damped".

    Raises:
        ValueError: if lr is negative; by `step`, if H is singular.
    """

    elementwise = False

    def __init__(self, params: Iterable[Any], hessian: Callable[[np.ndarray], np.ndarray], lr: float = 1.0) -> None:
        self.hessian = hessian
        super().__init__(params, {"lr": lr})

    def check(self, lr: float, **_: Any) -> None:
        self.expect_at_least_zero(lr=lr)

    def update(self, p: np.ndarray, g: np.ndarray, state: optim.optimizer.State, lr: float, **_: Any) -> None:
        p += lr * newton_step(g, self.hessian(p))


# ---- further reading: functions of several outputs, and why backward builds no Jacobian ----------------------
#
# J[o, i] = ∂yₒ/∂xᵢ, m × n numbers for m outputs and n inputs. Nobody needs J itself, only what it does to an arrow:
#
#     Jacobian-vector product   J v     (m, n) @ (n,)     how the outputs move when the inputs move along v: forwards
#     vector-Jacobian product   uᵀ J    (m,) @ (m, n)     if u = ∂L/∂y says how L moves with the outputs, how with the inputs: backwards
#
# `backward` is the vector-Jacobian product. A network's L is one number: so one pass backwards gives its derivative with respect to every
# weight, while forwards it would take one pass for each weight. And the matrix is not even built on the way: of a dense layer with I
# inputs and O outputs, ∂y/∂W has O · I · O entries, all but I · O of them 0 (`dense_jacobian`), and `dense_backward` gets by with I · O.
# The figure "why backward never builds the Jacobian" shows what that saves.


def sphere(p: np.ndarray) -> np.ndarray:
    """y = (cos v cos u, cos v sin u, sin v): the point of the globe at longitude u, latitude v. Shapes: p (2, ...), y (3, ...)."""
    u, v = p
    return np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)])


def sphere_backward(dL_dy: np.ndarray, p: np.ndarray) -> np.ndarray:
    """∂L/∂p, the vector-Jacobian product: u is in the first two outputs, v in all three. Shapes: (3, ...) to (2, ...)."""
    u, v = p
    dL_dy0, dL_dy1, dL_dy2 = dL_dy
    dL_du = -dL_dy0 * np.cos(v) * np.sin(u) + dL_dy1 * np.cos(v) * np.cos(u)
    dL_dv = -dL_dy0 * np.sin(v) * np.cos(u) - dL_dy1 * np.sin(v) * np.sin(u) + dL_dy2 * np.cos(v)
    return np.stack([dL_du, dL_dv])


def sphere_jvp(p: np.ndarray, dp: np.ndarray) -> np.ndarray:
    """J dp, the Jacobian-vector product: how the point on the globe moves when p moves along dp. Shapes: (2,), (2,) to (3,)."""
    (u, v), (du, dv) = p, dp
    dy0 = -np.cos(v) * np.sin(u) * du - np.sin(v) * np.cos(u) * dv
    dy1 = np.cos(v) * np.cos(u) * du - np.sin(v) * np.sin(u) * dv
    dy2 = np.cos(v) * dv
    return np.stack([dy0, dy1, dy2])


def sphere_jacobian(p: np.ndarray) -> np.ndarray:
    """J[o, i] = ∂yₒ/∂pᵢ: a row for each output, a column for each input. Shapes: p (2,), J (3, 2)."""
    u, v = p
    return np.array(
        [
            [-np.cos(v) * np.sin(u), -np.sin(v) * np.cos(u)],
            [np.cos(v) * np.cos(u), -np.sin(v) * np.sin(u)],
            [0, np.cos(v)],
        ],
        p.dtype,
    )


def dense(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
    """y = tanh(z), z = x W + b, for one example. Shapes: x (I,), W (I, O), b (O,), y (O,).

    Raises:
        ValueError: if the shapes do not fit.
    """
    expect_ndim("dense", "x", x, 1)
    expect_ndim("dense", "W", W, 2)
    expect_size("dense", "W", W, 0, len(x), "the size of x")
    expect_ndim("dense", "b", b, 1)
    expect_size("dense", "b", b, 0, W.shape[1], "the columns of W")
    return np.tanh(x @ W + b)  # (I,) @ (I, O) + (O,)


def dense_backward(dL_dy: np.ndarray, x: np.ndarray, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """∂L/∂x, ∂L/∂W and ∂L/∂b: three vector-Jacobian products in one pass, and no Jacobian.

    y[o] = tanh z[o] and z[o] = Σᵢ x[i] W[i, o] + b[o], so with tanh′ = 1 − y²

        ∂L/∂z[o]    = ∂L/∂y[o] (1 − y[o]²)
        ∂L/∂x[i]    = Σₒ W[i, o] ∂L/∂z[o]
        ∂L/∂W[i, o] = x[i] ∂L/∂z[o]
        ∂L/∂b[o]    = ∂L/∂z[o]
    """
    dL_dz = dL_dy * (1 - dense(x, W, b) ** 2)  # (O,)
    dL_dx = dL_dz @ W.T  # (O,) @ (O, I)
    dL_dW = np.outer(x, dL_dz)  # (I,) by (O,): (I, O)
    return dL_dx, dL_dW, dL_dz


def dense_jvp(x: np.ndarray, W: np.ndarray, b: np.ndarray, dx: np.ndarray, dW: np.ndarray, db: np.ndarray) -> np.ndarray:
    """How y moves when x, W and b move along dx, dW and db: the Jacobian-vector product, forwards. Shape: dy (O,)."""
    y = dense(x, W, b)
    dz = dx @ W + x @ dW + db  # (I,) @ (I, O), twice, + (O,): the product rule
    return (1 - y**2) * dz


def dense_jacobian(x: np.ndarray, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """∂y/∂x (O, I), ∂y/∂W (O, I, O) and ∂y/∂b (O, O), in full: what backward avoids.

    ∂y[o]/∂x[i]    = (1 − y[o]²) W[i, o]
    ∂y[o]/∂W[i, k] = (1 − y[o]²) x[i] if k = o, else 0        output o has only column o of W
    ∂y[o]/∂b[k]    = (1 − y[o]²) if k = o, else 0
    """
    dy_dz = 1 - dense(x, W, b) ** 2  # (O,)
    dy_db = np.diag(dy_dz)  # (O, O)
    dy_dx = dy_dz[:, None] * W.T  # (O, 1) times (O, I)
    dy_dW = dy_db[:, None, :] * x[:, None]  # (O, 1, O) times (I, 1): (O, I, O)
    return dy_dx, dy_dW, dy_db


def dense_hvp(
    dL_dy: np.ndarray, x: np.ndarray, W: np.ndarray, b: np.ndarray, dx: np.ndarray, dW: np.ndarray, db: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How ∂L/∂x, ∂L/∂W and ∂L/∂b change when x, W and b move along dx, dW and db: the Hessian-vector product.

    L = Σₒ dL_dy[o] y[o], dL_dy held still. Every line of dense_backward is differentiated along the direction, by the product rule; the
    name of a change begins with d_:

        dL_dz = dL_dy (1 − y²)      d_dL_dz = dL_dy (−2 y dy)
        dL_dx = dL_dz Wᵀ            d_dL_dx = dL_dz dWᵀ + d_dL_dz Wᵀ
        dL_dW = x dL_dzᵀ            d_dL_dW = dx dL_dzᵀ + x d_dL_dzᵀ

    It costs about as much as two backward passes, whatever the size of H.

    Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian".
    """
    y = dense(x, W, b)
    dy = dense_jvp(x, W, b, dx, dW, db)
    dL_dz = dL_dy * (1 - y**2)  # (O,)
    d_dL_dz = dL_dy * (-2 * y * dy)  # (O,)
    d_dL_dx = dL_dz @ dW.T + d_dL_dz @ W.T  # (O,) @ (O, I), twice
    d_dL_dW = np.outer(dx, dL_dz) + np.outer(x, d_dL_dz)  # (I,) by (O,), twice
    return d_dL_dx, d_dL_dW, d_dL_dz
