"""Eigenvectors: the directions that a matrix only stretches

Both sides climb Rayleigh's quotient of the digits' covariance to the direction in which the images differ most, which the QR iteration by
hand and torch.linalg.eigh find as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from experiments import run
from experiments.data.arrays import Split
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES, SIGNED
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure, unbroken
from experiments.drawing.walk import walk
from experiments.drawing.words import in_words
from experiments.drawing.written import write
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.linear_algebra.eigen import Eigen as Manual
from manual.linear_algebra.eigen import covariance, eig, eigh, power_iteration, rayleigh
from manual.linear_algebra.vectors import direction
from torch_impl.linear_algebra.eigen import Eigen as Torch


class CentredDigits(Digits):
    """The images of all digits, less the mean training image; a batch is (x,).

    Args:
        batch_size: images in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the images.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        split = super().load()
        mean = split.train[0].mean(axis=0)
        return Split((split.train[0] - mean,), (split.val[0] - mean,))


# ---- figures -------------------------------------------------------------------------------------------

SYMMETRIC = np.array([[2.5, 1.5], [1.5, 2.5]])
GENERAL = np.array([[4.0, 2.0], [1.0, 3.0]])
COLOURS = CATEGORIES[:2]
"""Of the first and the second eigenvector."""


def figures(manual: Manual, torch_module: Torch, data: Digits) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    (x,) = data.split.train
    return OnDemand(
        {
            "directions that only stretch": lambda: stretched(),
            "stretch in every direction": lambda: around(),
            "where digits differ most": lambda: leading(manual, torch_module, x, Digits(seed=data.seed).split.train[0]),
            "reaching the eigenvector": lambda: convergence(manual.lr, x),
        }
    )


def stretched() -> Figure:
    """The unit square and the arrows of length 1 after a matrix, with the two directions that only stretch."""
    fig, axes = figure(
        "Two matrices, and what they make of the unit square (dotted): the parallelogram. Each grey line leads from the end of an "
        "arrow of length 1 to where the matrix takes it; nearly all of them turn. In colour: the eigenvectors, which do not turn. The "
        "thick arrow v becomes the thin one, on the same line and λ times as long. Those of the symmetric matrix (equal to its "
        "transpose) are at right angles.",
        columns=2,
        size=(3.7, 3.4),
        sharex=True,
        sharey=True,
    )
    square = np.array([[0, 1, 1, 0], [0, 0, 1, 1]], dtype=float)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    cases = ((SYMMETRIC, eigh(SYMMETRIC), "symmetric"), (GENERAL, eig(GENERAL), "not symmetric"))
    for ax, (A, (λ, V), kind) in zip(axes[0], cases, strict=True):
        ax.add_patch(Polygon((A @ square).T, facecolor="#dddddd", edgecolor="#888888", alpha=0.6, linewidth=1.5))
        ax.add_patch(Polygon(square.T, facecolor="none", edgecolor="black", linestyle=":", linewidth=1.5))
        for start, end in zip(circle.T, (A @ circle).T, strict=True):
            ax.plot(*np.stack([start, end]).T, color="#aaaaaa", linewidth=0.6, zorder=1)
        for stretch, v, colour in zip(λ, V.T, COLOURS, strict=True):
            for end, width in ((stretch * v, 1.5), (v, 4)):
                arrow = {
                    "arrowstyle": "-|>,head_width=0.25,head_length=0.4",
                    "color": colour,
                    "linewidth": width,
                    "shrinkA": 0,
                    "shrinkB": 0,
                }
                ax.annotate("", end, (0, 0), arrowprops=arrow)
            write(ax, f"λ = {stretch:.3g}", stretch * v, (6, -4), colour, fontsize=10)
        rows = ", ".join("[" + " ".join(f"{a:g}" for a in row) + "]" for row in A)
        ax.set_title(f"{kind}\nrows {rows}", fontsize=10)
        ax.set(aspect="equal", xlim=(-3.0, 6.6), ylim=(-2.9, 4.4))
    return fig


def around() -> Figure:
    """Rayleigh's quotient in every direction."""
    degrees = np.linspace(0, 360, 721)
    arrows = np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=-1)
    λ, V = eigh(SYMMETRIC)
    fig, axes = figure(
        "How much the symmetric matrix with the rows [2.5 1.5], [1.5 2.5] stretches along v, for arrows v in all directions. It is "
        "largest and smallest at the eigenvectors (dots), where it is the eigenvalue (dotted lines). Whoever climbs this curve ends at the "
        "eigenvector with the largest eigenvalue, or at its opposite, which is as good: that is what is trained here, in 64 dimensions.",
        size=(5.6, 3.2),
    )
    ax = axes[0, 0]
    ax.plot(degrees, [rayleigh(SYMMETRIC, v) for v in arrows], color="black")
    for stretch, v, colour in zip(λ, V.T, COLOURS, strict=True):
        ax.axhline(stretch, color=colour, linestyle=":", linewidth=1)
        at = np.rad2deg(np.arctan2(v[1], v[0])) % 180
        ax.plot([at, at + 180], [stretch, stretch], "o", color=colour, label=f"eigenvector, λ = {stretch:.3g}")
    ax.set(
        title="Rayleigh's quotient", xlabel="direction of v, in degrees", ylabel="vᵀA v / vᵀv", xticks=range(0, 361, 45), ylim=(0.7, 4.8)
    )
    ax.legend(loc="upper center", ncols=2, fontsize=8)
    return fig


def leading(manual: Manual, torch_module: Torch, x: np.ndarray, images: np.ndarray) -> Figure:
    """The direction found by both sides and by QR iteration, and images from one of its ends to the other."""
    λ, V = eigh(covariance(x))
    best = V[:, -1]
    v, theirs = (direction(p.astype(np.float64)) for p in (manual.v.data, to_numpy(torch_module.v)))
    v, theirs = v * np.sign(v @ best), theirs * np.sign(theirs @ best)
    apart = max(np.abs(p - best).max() for p in (v, theirs))
    along = x @ v
    order = along.argsort()[np.linspace(0, len(x) - 1, 5).astype(int)]
    fig, axes = figure(
        f"The direction in which {len(x)} images of digits differ most, found in three ways, at most {in_words(float(apart))}. "
        f"{100 * λ[-1] / λ.sum():.1f} % of all variance lies along this one of 64 directions. Lower row: images from its one end to the "
        "other, above each how far out it lies; look how ink moves from the violet pixels to the orange ones.",
        rows=2,
        columns=5,
        size=(1.35, 1.55),
    )
    for ax, (image, title) in zip(axes[0], ((v, "by hand"), (theirs, "torch"), (best, "QR iteration")), strict=False):
        largest = abs(image).max()
        ax.imshow(image.reshape(8, 8), cmap=SIGNED, vmin=-largest, vmax=largest)
        ax.set_title(title, fontsize=10)
    axes[0, 3].imshow(images.mean(axis=0).reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
    axes[0, 3].set_title("mean image", fontsize=10)
    axes[0, 4].axis("off")
    axes[0, 4].text(0.5, 0.5, "orange:\nmore ink\nalong it\n\nviolet:\nless", ha="center", va="center", fontsize=9)
    for ax, i in zip(axes[1], order, strict=True):
        ax.imshow(images[i].reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
        ax.set_title(f"{along[i]:.1f}".replace("-", "−"), fontsize=10)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    return fig


def off(v: Any, best: np.ndarray) -> Any:
    """The sine of the angle between the rows of v and the direction `best`, whichever way they point."""
    v = direction(v)
    return np.linalg.norm(v - (v @ best)[:, None] * best, axis=1)


def convergence(lr: float, x: np.ndarray, steps: int = 400) -> Figure:
    """The angle to the eigenvector against the step, of gradient ascent and of power iteration."""
    C = covariance(x)
    λ, V = eigh(C)
    model = Manual(lr, rng=np.random.default_rng(0))
    start = model.v.data.copy()
    ours, theirs = (path["v"] for path in walk(model, Torch(lr), (x,), steps))
    power = np.array([power_iteration(C, start, k)[1] for k in range(0, steps + 1, 10)])
    fig, axes = figure(
        "The sine of the angle between v and the eigenvector. Power iteration multiplies v by C at each step, which shrinks the error by "
        f"{unbroken(f'λ₂/λ₁ = {λ[-2] / λ[-1]:.3f}')}, the ratio of the two largest eigenvalues (dotted: that slope). Gradient ascent "
        f"({unbroken(f'lr = {lr:g}')}) adds a multiple of C v to the old v. The closer the two largest eigenvalues, the slower both.",
        size=(6.0, 3.8),
    )
    ax = axes[0, 0]
    ax.plot(off(theirs, V[:, -1]), **TORCH, label="gradient ascent, torch")
    ax.plot(off(ours, V[:, -1]), **BY_HAND, label="gradient ascent, by hand")
    ax.plot(range(0, steps + 1, 10), off(power, V[:, -1]), "s", color="black", markersize=3.5, label="power iteration")
    k = np.arange(50, 300)
    ax.plot(k, 4 * off(power, V[:, -1])[5] * (λ[-2] / λ[-1]) ** (k - 50), ":", color="black", linewidth=1)
    ax.set(title="turning into the eigenvector", xlabel="step", ylabel="sine of the angle", yscale="log")
    ax.legend(fontsize=9)
    return fig


def learned(run: Trained) -> str:
    """The variance along the direction that was found, and the eigenvalue."""
    C, v = covariance(run.data.split.train[0]), run.manual.v.data.astype(np.float64)
    λ, _ = eigh(C)
    return (
        f"After {len(run.losses)} steps the variance along v is {rayleigh(C, v):.6f}, and the largest eigenvalue {λ[-1]:.6f}: of all 64 "
        f"directions this one holds {λ[-1] / λ.sum():.1%} of the variance of the digits."
    )


# ---- further reading: rules of eigenvalues -------------------------------------------------------------

TEXT = """
| rule | in words |
| --- | --- |
| tr A = Σ λ | all stretches together are the sum of the diagonal |
| det A = Π λ | areas grow by all stretches, one after the other |
| Aᵏ v = λᵏ v | what is repeated explodes if abs(λ) is above 1, and fades if it is below |
| A symmetric: A = V Λ Vᵀ | turn, stretch along the axes, turn back |
| dλ = vᵀ dA v | the gradient of an eigenvalue is v vᵀ (A symmetric, v of length 1) |

A symmetric matrix has a full set of eigenvectors at right angles. Others need not: a rotation turns every arrow (its eigenvalues are
complex, and `eig` says so), and the shear [1 1] [0 1] leaves one direction alone and has no second. Where an eigenvalue comes twice, as in
2 I, every arrow of a plane is an eigenvector; ask for the gradient of one, and `eigh_backward` answers that there is none.

Things to try:

- `--data.batch_size 32`: every batch has a covariance of its own, and v does not come to rest.
"""

# ---- to do ---------------------------------------------------------------------------------------------


def degrees_off(run: Trained) -> float:
    """The angle between v and the eigenvector of the largest eigenvalue, in degrees."""
    _, V = eigh(covariance(run.data.split.train[0]))
    return float(np.degrees(np.arcsin(off(direction(run.manual.v.data)[None], V[:, -1])[0])))


def share(run: Trained) -> float:
    """The part of the variance that lies along v."""
    C = covariance(run.data.split.train[0])
    return float(rayleigh(C, run.manual.v.data) / np.trace(C))


QUESTIONS = (
    by_size(
        "Digits have 64 pixels, so there are 64 directions at right angles. What part of their variance lies along the best one?",
        share,
        *("about 2 %, a sixty-fourth", 0.05, "about 15 %", 0.4, "more than half"),
        seen="the direction that was found holds {:.1%}",
        why="Neighbouring pixels are lit together, so a few directions hold much; but no single one tells most of what makes digits "
        "differ.",
        model={"lr": 3.0},
        trainer={"max_epochs": 150},
        look_at=("where digits differ most", "the lower row: how the images change from one end of the direction to the other."),
    ),
    by_size(
        "lr = 3: the first steps throw v about. Where does it point after 150 steps?",
        degrees_off,
        *("along the eigenvector", 0.01, "near it", 20.0, "anywhere"),
        seen="it is {:.2g}° off",
        why="A step is at right angles to v and so makes it longer, and the longer v is, the less a step turns it: lr/‖v‖² becomes small "
        "by itself.",
        model={"lr": 3.0},
        trainer={"max_epochs": 150},
    ),
    by_size(
        "lr = 0.1: after 100 steps the variance along v is 98 % of the largest there is. By what angle is v off?",
        degrees_off,
        *("under 1°", 1.0, "1° to 10°", 10.0, "over 20°"),
        seen="it is {:.0f}° off",
        why="The second eigenvalue is nearly as large as the first, so along any mixture of the two the variance is nearly as large too.",
        model={"lr": 0.1},
        trainer={"max_epochs": 100},
        look_at=("reaching the eigenvector", "how long the angle stays large, although the variance is nearly reached."),
    ),
)


class FromABlankPixel(Torch):
    """It begins at the pixel in the upper left corner, which is blank in every image."""

    def __init__(self, lr: float = 1.0) -> None:
        super().__init__(lr)
        self.v.data.copy_(torch.eye(64)[0])


MISTAKE = Mistake(
    "Where the gradient is 0, the training has arrived.",
    lambda run: (
        f"v began at the pixel in the upper left corner, which is blank in every image. After {len(run.losses)} steps {share(run):.0%} of "
        "the variance lies along v, as at first: in no direction is there less."
    ),
    lambda run: run.agree and share(run) == 0,
    "The gradient of R is 0 at every eigenvector, at that of the smallest eigenvalue too. A blank pixel is one, with λ = 0. From nearly "
    "anywhere else the way leads up; so one begins at random.",
    trainer={"max_epochs": 20},
    manual=Manual,  # which has torch's first v
    torch=FromABlankPixel,
)

TWIN = Twin(
    name="eigen",
    manual=Manual,
    torch=Torch,
    data=CentredDigits,
    learned=learned,
    look_at=("where digits differ most", "the lower row: how the images change from one end of the direction to the other."),
    needs=("matrices",),
    trainer={"max_epochs": 400, "check_val_every_n_epoch": 25},
    sgd_lr=0.8,
    figures=figures,
    text={"rules": TEXT},
    further=("rules",),
    questions=QUESTIONS,
    exercises=(Exercise("rayleigh_backward", ("R is a fraction: first what the top and what the bottom change by.",)),),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("eigen")
