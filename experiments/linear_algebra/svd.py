"""Singular values: turn, stretch, turn; and the best short description of an image

U Vᵀ of rank 4 is fitted to a photograph by gradient descent on both sides, and reaches the error of the truncated singular value
decomposition, below which no matrix of rank 4 can get (Eckart and Young). The decomposition by hand turns pairs of columns to right angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.data.changes import first_columns
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.walk import walk
from experiments.drawing.words import in_words
from experiments.drawing.written import label_lines, write
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.linear_algebra.svd import LowRank as Manual
from manual.linear_algebra.svd import rank_k, svd, svdvals, svdvals_by_gram
from torch_impl.linear_algebra.svd import LowRank as Torch


def photograph() -> np.ndarray:
    """A temple (china.jpg in scikit-learn), in grey, 0 to 1, each pixel the mean of 8 x 8 of the original: (53, 80)."""
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("china.jpg").mean(axis=2) / 255  # (427, 640, 3) to (427, 640)
    return grey[:424].reshape(53, 8, 80, 8).mean(axis=(1, 3))


class Photograph(ArrayData):
    """The rows of one photograph; a batch is (i, row): which rows, and their 80 pixels.

    Nothing is held out: U has numbers of its own for each row. `val` is the whole image once more.

    Args:
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the order of the rows.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        image = photograph()
        whole = np.arange(len(image)), image
        return Split(whole, whole)


# ---- figures -------------------------------------------------------------------------------------------

MATRIX = np.array([[1.6, 1.1], [-0.3, 1.2]])
COLOURS = CATEGORIES
"""Of the first singular value or vector, the second, ..."""


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    i, row = data.split.val
    image = row[i.argsort()]
    return OnDemand(
        {
            "turn, stretch, turn": lambda: three_steps(),
            "a photograph in few numbers": lambda: pieces(image),
            "the best of rank k": lambda: trained(manual, torch_module, image),
            "one piece after the other": lambda: learned(manual, image),
            "half of the digits": lambda: digits(),  # further reading
        }
    )


def three_steps() -> Figure:
    """The circle, turned, stretched, turned again."""
    _, S, Vh = svd(MATRIX)
    fig, axes = figure(
        "What a matrix does to the circle of all arrows of length 1, in three steps. Vᵀ turns the circle (and here mirrors it) so that "
        f"v₁ and v₂ lie on the axes. S stretches along the axes, by {unbroken(f'σ₁ = {S[0]:.2f}')} and {unbroken(f'σ₂ = {S[1]:.2f}')}: "
        "an ellipse. U turns again, and v₁ has become σ₁ u₁, the longest half-axis. The right panel is what the matrix alone makes. "
        "Dotted: the circle of before.",
        columns=4,
        size=(2.6, 2.6),
        sharex=True,
        sharey=True,
    )
    angle = np.linspace(0, 2 * np.pi, 201)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    steps = (np.eye(2), Vh, S[:, None] * Vh, MATRIX)
    titles = ("v₁ and v₂", "Vᵀ: turned", "S Vᵀ: stretched", "U S Vᵀ = A: turned")
    for ax, step, title in zip(axes[0], steps, titles, strict=True):
        ax.plot(*circle, ":", color="black", linewidth=1)
        ax.plot(*(step @ circle), color="#888888")
        for j, v in enumerate(Vh):
            end = step @ v
            ax.plot(*np.stack([np.zeros(2), end]).T, color=COLOURS[j], linewidth=2)
            ax.plot(*end, "o", color=COLOURS[j], markersize=6)
            write(ax, f"v{'₁₂'[j]}", end, (6 if end[0] > -1e-9 else -6, 4 if end[1] > -1e-9 else -4), COLOURS[j], fontsize=10)
        ax.set(title=title, aspect="equal", xlim=(-2.7, 2.7), ylim=(-2.7, 2.7))
    return fig


def pieces(image: np.ndarray, ranks: tuple[int, ...] = (1, 2, 4, 8, 16, 30)) -> Figure:
    """The image made of its first pieces, and how fast its singular values fall."""
    m, n = image.shape
    U, S, Vh = svd(image)
    fig, axes = figure(
        f"A photograph of {unbroken(f'{m} x {n} = {image.size:,}')} pixels, and the nearest matrices of rank k: sums of k pieces, each "
        f"a column times a row. Above each: k, how many numbers it takes, {unbroken(f'k ({m} + {n} + 1)')}, and how far it is from the "
        "photograph, as a fraction of the photograph's own length. Lower right: the singular values, of which the first few are by far "
        f"the largest. From {unbroken(f'k = {image.size // (m + n + 1) + 1}')} on the pieces need more numbers than the pixels.",
        rows=2,
        columns=4,
        size=(2.9, 2.3),
    )
    shown = [(image, f"all {image.size:,} pixels")]
    for k in ranks:
        off = np.linalg.norm(S[k:]) / np.linalg.norm(S)
        shown.append((U[:, :k] * S[:k] @ Vh[:k], f"k = {k}: {k * (m + n + 1):,} numbers, {off:.1%}"))
    for ax, (picture, title) in zip(axes.flat, shown, strict=False):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set_title(title, fontsize=9)
        ax.set(xticks=[], yticks=[])
    ax = axes[1, 3]
    ax.plot(range(1, len(S) + 1), S, ".-", color="black", markersize=4, linewidth=0.8)
    ax.set(yscale="log", box_aspect=m / n)
    ax.yaxis.tick_right()
    ax.tick_params(labelsize=8)
    ax.set_title("singular value σⱼ over j", fontsize=9)
    return fig


def trained(manual: Manual, torch_module: Torch, image: np.ndarray) -> Figure:
    """U Vᵀ of both sides, the truncated SVD, and what is left."""
    k = manual.U.shape[1]
    sides = ((manual.U.data, manual.V.data), (to_numpy(torch_module.U), to_numpy(torch_module.V)))
    ours, theirs = (U.astype(np.float64) @ V.T for U, V in sides)
    best = rank_k(image, k)
    ours_left, best_left = (((image - P) ** 2).mean() for P in (ours, best))
    off = max(np.abs(P - best).max() for P in (ours, theirs))
    fig, axes = figure(
        f"The image U Vᵀ of rank {k} that gradient descent ends at, and the truncated singular value decomposition; no pixels of the "
        f"three are more than {in_words(float(off))}. Right: what the photograph has beside it, and no matrix of rank {k} can have "
        f"(orange: the photograph is brighter, violet: darker). Its mean square is the loss: {ours_left:.9f} in the end, "
        f"{best_left:.9f} by Eckart and Young.",
        columns=4,
        size=(2.7, 2.1),
    )
    for ax, picture, title in zip(axes[0], (ours, theirs, best), ("by hand", "torch", "truncated SVD"), strict=False):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set_title(title, fontsize=9)
    largest = np.abs(image - best).max()
    axes[0, 3].imshow(image - best, cmap=SIGNED, vmin=-largest, vmax=largest)
    axes[0, 3].set_title("photograph − truncated SVD", fontsize=9)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    return fig


def learned(manual: Manual, image: np.ndarray, steps: int = 500, every: int = 5) -> Figure:
    """The singular values of U Vᵀ, and the loss, against the step, from small U and V."""
    settings: dict[str, Any] = {"rank": manual.U.shape[1], "lr": manual.lr, "momentum": 0.0}
    model = Manual(*image.shape, **settings, rng=np.random.default_rng(0))
    for p in model.parameters():
        p *= 0.01
    paths = walk(model, Torch(*image.shape, **settings), (np.arange(len(image)), image), steps)
    ours, theirs = (path["U"][::every] @ path["V"][::every].transpose(0, 2, 1) for path in paths)  # (T, rows, columns)
    k, S, step = manual.U.shape[1], svdvals(image), np.arange(0, steps + 1, every)
    fig, axes = figure(
        f"U Vᵀ of rank {manual.U.shape[1]} from small U and V, with plain gradient descent ({unbroken(f'lr = {manual.lr:g}')}). Left: "
        "the largest singular value is learned first, then the next: each grows by a factor at every step, the larger it will be the "
        "faster (dotted: the photograph's own). Right: in between the loss hardly moves, it passes a saddle, and nobody can tell from "
        "it alone that more is to come. Bands: torch, dashes: by hand.",
        columns=2,
        size=(4.4, 3.4),
    )
    found = [np.linalg.svd(P, compute_uv=False) for P in (ours, theirs)]
    for j, colour in enumerate(COLOURS[:k]):
        axes[0, 0].axhline(S[j], color=colour, linestyle=":", linewidth=1)
        draw_both(axes[0, 0], [step, found[0][:, j]], [step, found[1][:, j]], f"σ{'₁₂₃₄'[j]}", colour)
    axes[0, 0].set(title="singular values of U Vᵀ", xlabel="step", yscale="log", ylim=(1e-5, 100))
    label_lines(axes[0, 0])
    losses = [((P - image) ** 2).mean(axis=(1, 2)) for P in (ours, theirs)]
    axes[0, 1].plot(step, losses[1], label="torch", **TORCH)
    axes[0, 1].plot(step, losses[0], label="by hand", **BY_HAND)
    axes[0, 1].axhline((S[k:] ** 2).sum() / image.size, color="black", linestyle=":", linewidth=1, label="Eckart and Young")
    axes[0, 1].set(title="the loss", xlabel="step", ylabel="mean squared error", yscale="log")
    axes[0, 1].legend(fontsize=9)
    return fig


def what_was_learned(run: Trained) -> str:
    """The loss in the end, and the lowest that there can be."""
    i, row = run.data.split.val
    image, k = row[i.argsort()], run.manual.U.shape[1]
    m, n = image.shape
    lowest = ((image - rank_k(image, k)) ** 2).mean()
    return (
        f"A photograph of {image.size:,} pixels was described by {k * (m + n):,} numbers: after {len(run.losses)} steps the mean squared "
        f"error is {run.losses[-1]:.6f}, and no matrix of rank {k} can have less than {lowest:.6f}."
    )


# ---- further reading: how many digits are right, and where there is no answer ------------------------


def exactly_known() -> tuple[np.ndarray, np.ndarray]:
    """A matrix (16, 16) whose singular values are exactly 1, 1/8, 1/64, ... 2⁻⁴⁵, and these.

    Hadamard's matrix of entries ±1 has columns at right angles. A quarter of it is U and V, and all products fit into 53 bits.
    """
    H: np.ndarray = np.ones((1, 1))
    for _ in range(4):
        H = np.kron([[1, 1], [1, -1]], H)
    S = 0.125 ** np.arange(16)
    return (H / 4 * S) @ (H / 4), S


def correct_digits(found: np.ndarray, S: np.ndarray) -> np.ndarray:
    """How many decimal digits of the numbers found are right, 0 to 16."""
    return -np.log10(np.clip(np.abs(found - S) / S, 1e-16, 1))


def digits() -> Figure:
    """How many digits of each singular value are right, by turning columns, by numpy, and by AᵀA."""
    A, S = exactly_known()
    fig, axes = figure(
        "How many digits of a singular value come out right; the matrix is made so that they are known exactly. Turning columns and "
        "numpy.linalg.svd lose a digit for every factor of 10 that σ is below σ₁, which is what rounding the entries of a matrix costs "
        "anyway (dotted). The eigenvalues of AᵀA are the σ², so that two digits are lost for every factor of 10 (dashed): below 10⁻⁸ "
        "nothing is right.",
        size=(6.0, 3.4),
    )
    ax = axes[0, 0]
    ax.plot(S, np.clip(16 + np.log10(S), 0, 16), ":", color="black", linewidth=1)
    ax.plot(S, np.clip(16 + 2 * np.log10(S), 0, 16), "--", color="black", linewidth=1)
    numpys = np.linalg.svd(A, compute_uv=False)
    ax.plot(S, correct_digits(numpys, S), "o", color="black", markerfacecolor="none", markersize=9, label="numpy.linalg.svd")
    ax.plot(S, correct_digits(svdvals(A), S), "o", color=CATEGORIES[0], markersize=4, label="turning columns (svdvals)")
    ax.plot(S, correct_digits(svdvals_by_gram(A), S), "s", color=CATEGORIES[1], markersize=5, label="by AᵀA (svdvals_by_gram)")
    ax.set(title="digits that are right", xscale="log", xlabel="singular value σ (σ₁ = 1)", ylabel="digits", ylim=(-0.5, 17))
    ax.invert_xaxis()
    ax.legend(fontsize=9)
    return fig


TEXT = """
| rule | in words |
| --- | --- |
| Σ σ² = the sum of the squares of all entries | turning changes no length |
| σ₁ = the largest ‖A v‖ of all v of length 1 | how much a layer can magnify |
| Π σ = abs(det A), if A is square | areas grow by all stretches |
| σ² = the eigenvalues of AᵀA | right, but half of the digits are lost on the way |
| dσ = uᵀ dA v | the gradient of a singular value is u vᵀ |
| ‖A − rank_k(A, k)‖² = σ[k]² + σ[k + 1]² + ... | no matrix of rank k is nearer |

Where there is no answer, or no single one:

| input | by hand | torch |
| --- | --- | --- |
| equal σ, gradient of u or v | a ValueError that says so | NaN |
| equal σ among the first k, gradient of `rank_k` | the gradient, which exists | NaN |
| σ[k − 1] = σ[k], gradient of `rank_k` | a ValueError that says so | NaN |
| singular matrix, `pinv` | σ of 0 stay 0 | the same |
| singular matrix, `cond` | ∞, or a number above 10¹⁵ that is made of rounding | the same |
| zero matrix, `cond` | NaN | NaN (numpy: ∞) |
| NaN in the matrix | a ValueError that says so | a LinAlgError |

Things to try:

- `--model.momentum 0`: the way is longer, and after 500 steps the loss is still 0.04 % above the lowest.
- `--model.lr 40`: too long a step. The loss overflows at step 36, and the run says where.
- `--data.batch_size 16 --model.lr 5`: 16 rows at a time. Each batch pulls V its own way, and the loss of the whole image
  stays 5 % above the lowest.
"""


# ---- to do ---------------------------------------------------------------------------------------------


def best(run: Trained, rank: int) -> float:
    """The lowest loss of any matrix of this rank: the squares of the singular values that are left out, over the number of pixels."""
    i, row = run.data.split.val
    return float((svdvals(row[i.argsort()])[rank:] ** 2).sum() / row.size)


SHORT = {"max_epochs": 100}

QUESTIONS = (
    by_size(
        "rank = 1: a brightness for each row times one for each column. What part of the picture, as a sum of squares, does it get?",
        lambda run: 1 - run.losses[-1] / best(run, 0),
        *("about 6 %", 0.2, "about a half", 0.75, "over 90 %"),
        seen="it gets {:.1%}",
        why="No pixel is below 0, and most are about as bright as the picture is on average. That much takes one piece; the rest is "
        "detail.",
        model={"rank": 1},
        trainer=SHORT,
        look_at=("a photograph in few numbers", "the first picture, and how fast the singular values fall."),
    ),
    by_size(
        "rank = 4: its loss comes down to that of the truncated singular value decomposition. Trained longer, could it get below?",
        lambda run: run.losses[-1] / best(run, 4),
        *("yes, somewhat", 0.97, "no: it comes down to it, and no further", 1.03, "it does not even come near"),
        seen="after 125 steps its loss is {:.6f} times that of the truncated decomposition",
        why="No matrix of rank 4 is nearer to the picture than the sum of its four largest pieces (Eckart and Young).",
        trainer={"max_epochs": 125},
        look_at=("the best of rank k", "that what training leaves and what the decomposition leaves look alike."),
    ),
    by_size(
        "rank = 8, twice as many pieces. To what part of the loss of rank 4 does the loss fall?",
        lambda run: run.losses[-1] / best(run, 4),
        *("to next to nothing", 0.1, "to about a half", 0.75, "it stays nearly the same"),
        seen="to {:.2f} of it",
        why="The singular values fall steeply at first and then slowly: each further piece says less than the one before it.",
        model={"rank": 8},
        trainer={"max_epochs": 125},
    ),
)


class FromZeros(Torch):
    """U and V begin at 0; the hand-written side takes its weights from here."""

    def __init__(self, rows: int = 53, columns: int = 80, rank: int = 4, lr: float = 20.0, momentum: float = 0.9) -> None:
        super().__init__(rows, columns, rank, lr, momentum)
        for p in self.parameters():
            torch.nn.init.zeros_(p)


MISTAKE = Mistake(
    "Training finds the lowest loss from anywhere, so U and V may as well begin at 0.",
    lambda run: f"The loss is {run.losses[0]:.4f} at the first step and {run.losses[-1]:.4f} at the last of {len(run.losses)}.",
    lambda run: run.agree and run.losses[-1] == run.losses[0],
    "The slope of U is ∂L/∂P V, and that of V is ∂L/∂Pᵀ U: where both are 0 so are both slopes. One of the two may begin at 0, as in "
    "LoRA, where U Vᵀ is to be 0 at first.",
    trainer={"max_epochs": 20},
    manual=Manual,
    torch=FromZeros,
)

TWIN = Twin(
    name="svd",
    manual=Manual,
    torch=Torch,
    data=Photograph,
    learned=what_was_learned,
    look_at=("a photograph in few numbers", "above each picture, how few numbers it takes: from which one on do you know the place?"),
    needs=("eigen",),
    trainer={"max_epochs": 500, "check_val_every_n_epoch": 25},
    options={"columns": Second(79, data=first_columns(79, array=1))},
    sgd_lr=10.0,
    figures=figures,
    text={"rules": TEXT},
    further=("half of the digits", "rules"),
    questions=QUESTIONS,
    exercises=(
        Exercise("spectral_error_backward", ("Which of all σ is the error? Its slope in that one is 1.",)),
        Exercise("frobenius_error_backward"),
        Exercise("LowRank.backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("svd")
