"""Matrices: what they do to space, and how to undo it

Both sides find the inverse of a 5 x 5 matrix by gradient descent, where Gauss-Jordan elimination and torch.linalg.inv say it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES, SIGNED, of_sign
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure, unbroken
from experiments.drawing.walk import walk
from experiments.drawing.words import in_words
from experiments.drawing.written import write
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size, what_will_the_loss_do
from experiments.pair import Twin
from manual.linear_algebra.matrices import Matrices as Manual
from manual.linear_algebra.matrices import determinant, inverse, product
from torch_impl.linear_algebra.matrices import Matrices as Torch


class RowsOfAMatrix(ArrayData):
    """A 5 x 5 matrix A, row by row, each with the same row of the identity; held out is the same again, for there is no other.

    Args:
        condition: how many times more A stretches in one direction (2) than in another (2/condition).
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the matrix and of the order of the rows.
    """

    def __init__(self, condition: float = 4.0, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if not condition >= 1:
            raise InputError(f"--data.condition must be at least 1, got {condition}")
        self.condition = condition

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        U, V = (np.linalg.qr(rng.normal(size=(5, 5)))[0] for _ in range(2))  # two rotations, possibly with a reflection
        A = U * np.linspace(2, 2 / self.condition, 5) @ V
        return Split((A, np.eye(5)), (A, np.eye(5)))


# ---- figures -------------------------------------------------------------------------------------------

SQUARE = np.array([[0, 1, 1, 0], [0, 0, 1, 1]], dtype=float)
"""The corners of the unit square, one in each column."""

TURN = np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])
"""Turns by 30 degrees to the left."""

STRETCH = np.array([[2.0, 0.0], [0.0, 1.0]])
"""Makes everything twice as wide."""


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    A = data.split.val[0]
    return OnDemand(
        {
            "area is the determinant": lambda: areas(),
            "A B is not B A": lambda: order(),
            "the inverse that was found": lambda: found(manual, torch_module, A),
            "reaching the inverse": lambda: convergence(A, np.eye(5)),
        }
    )


def draw_square(ax: Any, A: np.ndarray, title: str, reach: tuple[float, float, float, float]) -> None:
    """The unit grid and the unit square after A, and where the two axes' arrows land."""
    for t in np.arange(-3, 4):
        for line in (np.array([[t, t], [-3, 3]]), np.array([[-3, 3], [t, t]])):
            ax.plot(*product(A, line.astype(float)), color="#dddddd", linewidth=0.8, zorder=0)
    ax.add_patch(Polygon(SQUARE.T, facecolor="none", edgecolor="#888888", linestyle=":", linewidth=1.5))
    colour = of_sign(round(determinant(A), 9))
    ax.add_patch(Polygon(product(A, SQUARE).T, facecolor=colour, edgecolor=colour, alpha=0.3, linewidth=2))
    for column, name, offset, colour in zip(A.T, ("(1, 0)", "(0, 1)"), ((5, -3), (-3, 5)), CATEGORIES[:3:2], strict=True):
        ax.quiver(0, 0, *column, color=colour, angles="xy", scale_units="xy", scale=1, width=0.016, zorder=3)
        write(ax, name, column, offset, colour, fontsize=9)
    ax.set(aspect="equal", xlim=reach[:2], ylim=reach[2:])
    ax.set_title(title.replace("-", "−"), fontsize=10)


def areas() -> Figure:
    """The unit square becoming a parallelogram, its area the determinant."""
    fig, axes = figure(
        "What four matrices make of the unit square (dotted): a parallelogram, whose area is the determinant (det). The arrows are "
        "where (1, 0) and (0, 1) land. Upper right: turned over, and the determinant is negative (violet). Lower right: all lands "
        "on one line, so there is no inverse.",
        rows=2,
        columns=2,
        size=(3.3, 3.0),
    )
    for ax, A in zip(
        axes.flat,
        (
            np.array([[1.5, 0.5], [0.25, 1.0]]),
            np.array([[0.5, 1.5], [1.0, 0.25]]),
            np.array([[1.0, 1.0], [0.0, 1.0]]),
            np.array([[1.5, 0.75], [1.0, 0.5]]),
        ),
        strict=True,
    ):
        rows = ", ".join("[" + " ".join(f"{a:g}" for a in row) + "]" for row in A)
        draw_square(ax, A, f"rows {rows}\ndet {determinant(A):.3g}", (-0.5, 2.6, -0.4, 1.9))
    return fig


def order() -> Figure:
    """Turning and stretching in both orders."""
    fig, axes = figure(
        "A B is not B A. A makes everything twice as wide, B turns it by 30 degrees. Left: stretched, then turned, it is still a "
        "rectangle; right: turned, then stretched, it is slanted.",
        columns=2,
        size=(3.3, 2.9),
    )
    for ax, product_, name in zip(
        axes[0],
        (product(TURN, STRETCH), product(STRETCH, TURN)),
        ("B A: stretched, then turned", "A B: turned, then stretched"),
        strict=True,
    ):
        draw_square(ax, product_, f"{name}\ndet {determinant(product_):.3g}", (-1.6, 2.6, -0.6, 2.1))
    return fig


def found(manual: Manual, torch_module: Torch, A: np.ndarray) -> Figure:
    """A, the X of both sides, and A X."""
    X, theirs = manual.X.data.astype(np.float64), to_numpy(torch_module.X).astype(np.float64)
    best, library = inverse(A), np.linalg.inv(A)
    fig, axes = figure(
        "A matrix and the inverse that gradient descent found. Orange is positive, violet negative, white 0. A X is the identity. "
        f"The exact inverse and X by hand are {in_words(abs(X - best).max())}, X in torch {in_words(abs(theirs - best).max())}, NumPy's "
        f"inverse {in_words(abs(library - best).max())}.",
        rows=2,
        columns=2,
        size=(3.0, 2.6),
    )
    largest = max(abs(A).max(), abs(best).max())
    for ax, (table, title) in zip(axes.flat, ((A, "A"), (A @ X, "A X, by hand"), (X, "X, by hand"), (theirs, "X, torch")), strict=True):
        ax.imshow(table, cmap=SIGNED, vmin=-largest, vmax=largest)
        ax.set(title=title, xticks=[], yticks=[])
        for (i, j), value in np.ndenumerate(np.round(table, 2) + 0.0):  # + 0.0 makes 0 of −0
            ax.text(
                j,
                i,
                f"{value:.2f}".replace("-", "−"),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if abs(value) > 0.6 * largest else "black",
            )
    return fig


def learned(run: Trained) -> str:
    """How near X is to the inverse."""
    A = run.data.split.val[0]
    off = np.abs(run.manual.X.data - inverse(A)).max()
    return (
        f"In {len(run.losses)} steps the loss went from {run.losses[0]:.3g} to {run.losses[-1]:.1e}, and X became the inverse of A: "
        f"what elimination gives and X are {in_words(off)}."
    )


TEXT = """
Which of these fit, and what shape comes out?

    a   (5, 2) @ (2, 7)          d   (1, 4) @ (4, 1)
    b   (2, 5) @ (2, 7)          e   (4, 1) @ (1, 4)
    c   (2, 5)ᵀ @ (2, 7)         f   (6, 3) + (3,)

Answers: a (5, 7); b does not; c (5, 7); d (1, 1), a dot product; e (4, 4), every number times every other; f (6, 3).
"""

# ---- further reading: how fast the inverse is reached, and more rules ----------------------------------


def convergence(A: np.ndarray, I: np.ndarray, steps: int = 300) -> Figure:
    """The distance to the inverse against the step, for this A and for one that is closer to singular."""
    curves = [(matrix, float(np.linalg.svd(matrix, compute_uv=False)[-1])) for matrix in (A, RowsOfAMatrix(condition=12).split.train[0])]
    fig, axes = figure(
        f"How far X is from the inverse, {unbroken('‖X − A⁻¹‖ / ‖A⁻¹‖')}, at every step. A step shrinks the error along A's weakest "
        f"direction by {unbroken('1 − 2 lr σ²')} (dotted: that slope), where σ is what A leaves of a length of 1 there. The matrix of "
        f"this run has {unbroken(f'σ = {curves[0][1]:.2g}')}; the other is nearer to a singular matrix, and takes "
        f"{(curves[0][1] / curves[1][1]) ** 2:.2g} times as many steps.",
        size=(6.0, 3.8),
    )
    ax = axes[0, 0]
    for matrix, weakest in curves:
        best, model = inverse(matrix), Manual(rng=np.random.default_rng(0))
        ours, theirs = walk(model, Torch(), (matrix, I), steps)
        away = [np.linalg.norm(path["X"] - best, axis=(1, 2)) / np.linalg.norm(best) for path in (ours, theirs)]
        ax.plot(away[1], **TORCH, label="torch" if matrix is A else None)
        ax.plot(away[0], **BY_HAND, label="by hand" if matrix is A else None)
        k = np.arange(60, 240)
        ax.plot(k, 3 * away[0][60] * (1 - 2 * model.lr * weakest**2) ** (k - 60), ":", color="black", linewidth=1)
        write(ax, f"σ = {weakest:.2g}", (steps, away[0][-1]), (5, 0), "black", fontsize=9)
    ax.set(title="two matrices", xlabel="step", ylabel="distance to the inverse", yscale="log", xlim=(0, steps))
    ax.legend(fontsize=9, loc="lower left")
    return fig


RULES = """
| rule | in words |
| --- | --- |
| (A B)ᵀ = Bᵀ Aᵀ | rows and columns change places, and so does the order |
| (A B)⁻¹ = B⁻¹ A⁻¹ | who puts on socks, then shoes, takes off shoes, then socks |
| det(A B) = det A · det B | areas are multiplied one after the other |
| det A⁻¹ = 1/det A | and undone |
| tr(A B) = tr(B A) | the order does not matter to the trace |
| rank(A B) ≤ rank A, rank B | what has been squashed flat stays flat |

Things to try:

- `--data.condition 1`: a matrix that stretches all directions alike. After 30 steps X is right to six digits.
- `--data.condition 100`: and one that squashes fifty times.
"""

# ---- to do ---------------------------------------------------------------------------------------------


def from_inverse(run: Trained) -> float:
    """How far X is from the inverse, relative to it, as lengths of their entries in a row."""
    true = inverse(run.data.split.val[0])
    return float(np.linalg.norm(run.manual.X.data - true) / np.linalg.norm(true))


OFF = "X and the inverse differ by {:.2g}, relative to its length"

QUESTIONS = (
    what_will_the_loss_do(
        "A stretches some arrow to twice its length, so lr must stay below 1/2² = 0.25. What will the loss do in 100 steps with 0.26?",
        "Along that arrow each step leaves 1 − 2 · 0.26 · 2² = −1.08 of the error: X lands on the other side, and farther away.",
        model={"lr": 0.26},
        trainer={"max_epochs": 100},
    ),
    by_size(
        "condition = 12: A squashes some arrow to 1/6 of its length. How far is X from the inverse after the same 300 steps?",
        from_inverse,
        *("the first ten digits are right", 1e-10, "a few percent off", 0.2, "more than half off"),
        seen=OFF,
        why="Along that arrow each step leaves 1 − 2 · 0.2/6² = 0.989 of the error, and 0.989³⁰⁰ is 0.035.",
        data={"condition": 12.0},
        look_at=("the inverse that was found", "upper right: how far A X is from the identity."),
    ),
)


class WithoutTheTranspose(Manual):
    """A backward that forgets where the transpose goes."""

    def backward(self, dL_dloss: float = 1.0) -> None:
        A, P, I = self.restore()
        self.X.grad += A @ (dL_dloss * 2 * (P - I))  # and not A.T: (5, 5) @ (5, 5) fits as well


MISTAKE = Mistake(
    "Where the shapes fit, the product is right.",
    lambda run: (
        f"With A in the place of Aᵀ, both 5 x 5, the gradient has the right shape. But in {len(run.losses)} steps the loss goes from "
        f"{run.losses[0]:.3g} to {run.losses[-1]:.3g}."
    ),
    lambda run: not run.agree and run.losses[-1] > run.losses[0],
    "A square matrix and its transpose have one shape. So try a backward with sizes that all differ.",
    trainer={"max_epochs": 20},
    manual=WithoutTheTranspose,
)

TWIN = Twin(
    name="matrices",
    manual=Manual,
    torch=Torch,
    data=RowsOfAMatrix,
    learned=learned,
    look_at=("the inverse that was found", "upper right: A times what was found is the identity."),
    needs=("vectors",),
    trainer={"max_epochs": 300, "check_val_every_n_epoch": 20},
    sgd_lr=0.15,
    figures=figures,
    text={"which shapes fit": TEXT, "more rules": RULES},
    further=("reaching the inverse", "more rules"),
    questions=QUESTIONS,
    exercises=(
        Exercise("product_backward", ("The shapes of dL_dY, A and B fit in one way only.",)),
        Exercise("broadcast_add_backward", ("What was used again gets a sum: `sum_to`.",)),
        Exercise("Matrices.backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("matrices")
