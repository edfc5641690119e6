"""Principal components: the plane near which the data lie

A linear autoencoder squeezes the four measurements of 150 iris flowers into two numbers and rebuilds them, on both sides, and ends in the
plane of the first two principal components (all angles between the planes are 0 to six digits). The components by hand come by two ways,
the covariance and the singular values.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.data.changes import first_columns
from experiments.drawing.colours import CATEGORIES, MARKERS
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.walk import walk
from experiments.drawing.words import in_words
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.concept import Batch
from manual.linear_algebra.pca import LinearAutoencoder as Manual
from manual.linear_algebra.pca import explained_variance_ratio, lowest_loss, pca_by_covariance, pca_by_svd, principal_angles
from torch_impl.linear_algebra.pca import LinearAutoencoder as Torch

FEATURES = ("sepal length", "sepal width", "petal length", "petal width")
SPECIES = ("setosa", "versicolor", "virginica")
KINDS = tuple(zip(MARKERS, CATEGORIES, strict=True))[: len(SPECIES)]
"""The marker and the colour of each species."""


def iris() -> tuple[np.ndarray, np.ndarray]:
    """Four lengths in cm, (150, 4), and the species, 0 to 2, (150,)."""
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


class Iris(ArrayData):
    """150 iris flowers less the mean flower; a batch is (x,).

    Nothing is held out: the components describe these flowers, and predict nothing. `val` is all of them once more.

    Args:
        standardised: whether each feature is divided by its standard deviation.
        batch_size: flowers in a batch; 0 puts all of them into one.
        seed: of the order of the flowers.
    """

    def __init__(self, standardised: bool = False, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        self.standardised = standardised

    def load(self) -> Split:
        x, _ = iris()
        x = x - x.mean(axis=0)
        if self.standardised:
            x /= x.std(axis=0)
        return Split((x,), (x,))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Iris) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    (x,) = data.split.val
    return OnDemand(
        {
            "two lengths, two directions": lambda: directions(),
            "what each component explains": lambda: explained(x),
            "four lengths on paper": lambda: on_paper(manual, torch_module, x),
            "reaching the plane": lambda: convergence(manual, x),  # further reading
        }
    )


def directions() -> Figure:
    """Two of the features, with their principal components, and the same points seen along these."""
    x, species = iris()
    x = x[:, [0, 2]]
    components, variances = pca_by_svd(x, 2)
    fig, axes = figure(
        "Two of the four lengths of 150 iris flowers. Left: the cross stands at the mean flower, its arms are the principal "
        "components, each two standard deviations long and at right angles; the first lies where the points are spread most. Right: "
        f"the same points seen along the components, turned but not stretched. {variances[0] / variances.sum():.1%} of the variance "
        "lies along the first, and the two numbers no longer rise together: their correlation is 0.",
        columns=2,
        size=(4.2, 3.6),
    )
    seen = (x - x.mean(axis=0)) @ components.T
    for ax, points in zip(axes[0], (x, seen), strict=True):
        for s, (marker, colour) in enumerate(KINDS):
            ax.plot(*points[species == s].T, marker, color=colour, markersize=3.5, alpha=0.7, label=SPECIES[s])
        ax.set_aspect("equal", adjustable="datalim")
    for component, variance in zip(components, variances, strict=True):
        ends = x.mean(axis=0) + np.outer([-2, 2], np.sqrt(variance) * component)
        axes[0, 0].plot(*ends.T, color="black", linewidth=2)
    axes[0, 0].set(title="as measured", xlabel="sepal length (cm)", ylabel="petal length (cm)")
    axes[0, 1].set(title="along the components", xlabel="along the first (cm)", ylabel="along the second (cm)")
    axes[0, 0].legend(fontsize=9)
    return fig


def explained(x: np.ndarray) -> Figure:
    """The components as bars over the features, and the share of the variance of each."""
    components, _ = pca_by_covariance(x, 4)
    ratio = explained_variance_ratio(x)
    fig, axes = figure(
        "Left: the share of the variance that each component of the four lengths explains, and (line) all up to it together. The "
        "flowers lie nearly in a plane. Right: the first two components, directions in the space of the features. Along the first, "
        "petals and sepals get longer and the petals wider, all at once: it is the size. Along the second, the sepals get longer and "
        "wider, and the petals hardly change.",
        columns=2,
        size=(4.2, 3.0),
    )
    at = np.arange(4)
    axes[0, 0].bar(at + 1, ratio, color="#bbbbbb")
    axes[0, 0].plot(at + 1, ratio.cumsum(), "o-", color="black", markersize=4)
    for j, r in enumerate(ratio):
        axes[0, 0].annotate(f"{r:.4f}", (j + 1, r), xytext=(0, 3 if r < 0.5 else -14), textcoords="offset points", ha="center", fontsize=8)
    axes[0, 0].set(title="share of the variance", xlabel="component", xticks=at + 1, ylim=(0, 1.1))
    for j in range(2):
        axes[0, 1].barh(at - 0.2 + 0.4 * j, components[j], height=0.36, color=CATEGORIES[j], label=f"component {j + 1}")
    axes[0, 1].axvline(0, color="black", linewidth=0.8)
    axes[0, 1].set_yticks(at, FEATURES)
    axes[0, 1].invert_yaxis()
    axes[0, 1].set_title("the first two components")
    axes[0, 1].legend(fontsize=9)
    return fig


def on_paper(manual: Manual, torch_module: Torch, x: np.ndarray) -> Figure:
    """The flowers in the plane of the first two components, and the code of the autoencoder, as it is and turned."""
    _, species = iris()
    k = manual.W_e.shape[1]
    components, _ = pca_by_svd(x, 2)
    ours, theirs = (W.astype(np.float64) for W in (manual.W_e.data, to_numpy(torch_module.W_e)))
    rebuilt = x @ ours @ manual.W_d.data @ components.T
    fig, axes = figure(
        f"The flowers as two numbers. Left: along the first two principal components. Middle: the code {unbroken('z = x W_e')} of an "
        f"autoencoder with {k} numbers in the middle, by hand (filled) and in torch (open): the same flowers, in axes that are askew, "
        "for nothing in the loss asks for right angles. Right: the rebuilt flowers x_hat (crosses) over where the principal components "
        f"put them: at most {in_words(float(np.abs(rebuilt - x @ components.T).max()))}.",
        columns=3,
        size=(3.6, 3.2),
    )
    z, z_torch = x @ ours, x @ theirs
    for s, (marker, colour) in enumerate(KINDS):
        rows = species == s
        for ax, size in ((axes[0, 0], 3.5), (axes[0, 2], 6)):
            ax.plot(*(x @ components.T)[rows].T, marker, color=colour, markersize=size, alpha=0.6, label=SPECIES[s])
        code, code_torch = (np.stack([c[rows, 0], c[rows, -1]]) for c in (z, z_torch))
        axes[0, 1].plot(*code_torch, marker, color=colour, markersize=7, markerfacecolor="none", markeredgewidth=0.5)
        axes[0, 1].plot(*code, marker, color=colour, markersize=3)
    axes[0, 2].plot(*rebuilt.T, "x", color="black", markersize=2.5, markeredgewidth=0.6)
    for ax, name in zip(axes[0], ("principal components", "code of the autoencoder", "rebuilt"), strict=True):
        ax.set_title(name, fontsize=10)
        ax.set_aspect("equal", adjustable="datalim")
    axes[0, 0].set(xlabel="first", ylabel="second")
    axes[0, 1].set(xlabel="z[0]", ylabel=f"z[{k - 1}]")
    axes[0, 2].set(xlabel="first")
    axes[0, 0].legend(fontsize=8)
    return fig


def learned(run: Trained) -> str:
    """What is lost with so few numbers, and the least that can be."""
    (x,) = run.data.split.val
    D, k = run.manual.W_e.shape
    lost = run.losses[-1] / (x**2).sum(axis=1).mean()
    return (
        f"The {D} measurements of {len(x)} flowers were squeezed into {k}: after {len(run.losses)} steps {lost:.2%} of the variance is "
        f"lost, a loss of {run.losses[-1]:.6f}, and no {k} numbers can do with less than {lowest_loss(x, k):.6f}."
    )


# ---- further reading: reaching the plane, and the two ways to the components -------------------------


def convergence(manual: Manual, x: np.ndarray, steps: int = 1100, every: int = 10) -> Figure:
    """The angles between the plane of the autoencoder and that of the components, and the loss above the lowest, against the step."""
    D, k = manual.W_e.shape
    settings = {"features": D, "components": k, "lr": 0.03}
    paths = walk(Manual(**settings, rng=np.random.default_rng(0)), Torch(**settings), (x,), steps)
    components, _ = pca_by_svd(x, k)
    step, lowest = np.arange(0, steps + 1, every), lowest_loss(x, k)
    fig, axes = figure(
        "Training, from other weights than the run's. Left: the angles between the plane of the decoder, which the rows of W_d span, "
        f"and that of the first {k} components. Right: how far the loss is above the lowest that there is, the variance that is left "
        f"out, {lowest:.6f}. When one digit of the plane is right, two of the loss are: near its lowest point a loss is flat. Bands: "
        "torch, dashes: by hand.",
        columns=2,
        size=(4.4, 3.3),
    )
    angles = [np.array([principal_angles(W_d.T, components.T) for W_d in path["W_d"][::every]]) for path in paths]
    for j in range(max(min(k, D - k), 1)):
        draw_both(axes[0, 0], [step, angles[0][:, j]], [step, angles[1][:, j]], f"angle {j + 1}", CATEGORIES[j])
    axes[0, 0].set(title="angles between the planes", xlabel="step", ylabel="radians", yscale="log", ylim=(1e-16, 10))
    label_lines(axes[0, 0])
    above = [
        [((x @ W_e @ W_d - x) ** 2).sum() / len(x) - lowest for W_e, W_d in zip(path["W_e"][::every], path["W_d"][::every], strict=True)]
        for path in paths
    ]
    axes[0, 1].plot(step, above[1], label="torch", **TORCH)
    axes[0, 1].plot(step, above[0], label="by hand", **BY_HAND)
    axes[0, 1].set(title="loss above the lowest", xlabel="step", yscale="log", ylim=(1e-17, 100))
    axes[0, 1].legend(fontsize=9)
    return fig


TEXT = """
| what | by the covariance | by the singular values |
| --- | --- | --- |
| components | eigenvectors of XᵀX/N | right singular vectors of X |
| variance along component j | eigenvalue λ[j] | σ[j]²/N |
| good where | there are few features | variances differ widely, or features are many |
| digits of a small variance that are lost | log₁₀ λ₁/λ[j] | half as many |

| iris | component 1 | 2 | 3 | 4 |
| --- | --- | --- | --- | --- |
| share of the variance, lengths in cm | 0.9246 | 0.0531 | 0.0171 | 0.0052 |
| share of the variance, standardised | 0.7296 | 0.2285 | 0.0367 | 0.0052 |

What does not vary cannot be explained: `explained_variance_ratio` refuses rows that are all equal (scikit-learn returns NaN and warns). A
feature that is constant, or one that repeats another, has a component of variance 0, and does no harm. Of N rows at most N − 1 components
have a variance above 0. Where two variances are equal the components are any two directions of a plane, and their gradient does not exist.

Things to try:

- `--model.components 3`: only the smallest variance is left out, 0.0237.
- `--model.lr 0.04 --seed_everything 10`: the run stops, for the loss is not finite. The slope of this loss grows with the weights, and the
  swings of the momentum throw them out to where it is too steep for the step. With seed 0 it goes well, and fast: one seed tells little.
- `--data.batch_size 50`: every batch has a plane of its own, and training does not come to rest.
"""


# ---- to do ---------------------------------------------------------------------------------------------


def lost(run: Trained) -> float:
    """The part of the variance that the rebuilt flowers lack."""
    (x,) = run.data.split.val
    return float(run.losses[-1] / (x**2).sum(axis=1).mean())


LOST, SHORT = "{:.1%} of the variance is lost", {"max_epochs": 150}

QUESTIONS = (
    by_size(
        "components = 1: one number in place of four. What part of the variance is lost?",
        lost,
        *("less than 10 %", 0.1, "about a quarter", 0.5, "three quarters"),
        seen=LOST,
        why="The four lengths go together: a flower with long petals has wide ones, and long sepals. One number tells how large it is.",
        model={"components": 1},
        trainer=SHORT,
        look_at=("what each component explains", "how tall the first bar is beside the three others."),
    ),
    by_size(
        "Of the lengths in cm two numbers lose 2.2 % of the variance. And of standardised ones?",
        lost,
        *("less than that", 0.02, "just as much", 0.025, "more"),
        seen=LOST,
        why="In cm the length of the petals varies most, and counts most. Standardised, the width of the sepals counts as much, and goes "
        "its own way.",
        data={"standardised": True},
        trainer=SHORT,
    ),
    by_size(
        "With momentum 0.95 the loss is 0.1 % above the lowest after 300 steps. Where is it by then with momentum = 0?",
        lambda run: run.losses[-1] / lowest_loss(run.data.split.val[0], 2),
        *("at the lowest, to a hundredth", 1.01, "about half as much again above it", 3.0, "about where it was"),
        seen="it is {:.2f} times the lowest",
        why="The last bit leads along a flat direction, where slopes are small but agree from step to step: momentum adds them up.",
        model={"momentum": 0.0},
        trainer={"max_epochs": 300},
        look_at=("reaching the plane", "how the loss is low long before the angle between the planes is."),
    ),
)


@cache
def mean_flower() -> np.ndarray:
    """What the data have had taken off: (4,)."""
    return iris()[0].mean(axis=0)


class NotCentred(Manual):
    """The lengths as they were measured, without the mean flower taken off."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        (x,) = batch
        return super().training_step((x + mean_flower(),), batch_idx)


class NotCentredInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: tuple[torch.Tensor], batch_idx: int) -> torch.Tensor:
        (x,) = batch
        return super().training_step((x + to_torch(mean_flower()),), batch_idx)


def above_the_lowest(run: Trained) -> float:
    """The loss, as a multiple of the lowest that so many components of these data can have."""
    return run.losses[-1] / float(lowest_loss(run.data.split.val[0], run.manual.W_e.shape[1]))


MISTAKE = Mistake(
    "Taking the mean off is housekeeping: directions are the same with and without.",
    lambda run: (
        f"With one number in the middle, of lengths as they were measured, the loss ends at {run.losses[-1]:.2f}: "
        f"{above_the_lowest(run):.1f} times what the first component of the same flowers leaves out."
    ),
    lambda run: run.agree and above_the_lowest(run) > 3,
    "The longest direction, seen from 0, is the one to the middle of the points: it says that they are flowers, and not how they differ.",
    {"components": 1, "lr": 0.0005},
    trainer={"max_epochs": 200},
    manual=NotCentred,
    torch=NotCentredInTorch,
)

TWIN = Twin(
    name="pca",
    manual=Manual,
    torch=Torch,
    data=Iris,
    learned=learned,
    look_at=(
        "four lengths on paper",
        "the crosses on the right: rebuilt from two numbers, each flower stands where the components put it.",
    ),
    needs=("svd",),
    trainer={"max_epochs": 2500, "check_val_every_n_epoch": 50},
    options={"features": Second(3, data=first_columns(3))},
    sgd_lr=0.03,
    figures=figures,
    text={"rules": TEXT},
    further=("reaching the plane", "rules"),
    questions=QUESTIONS,
    exercises=(
        Exercise("LinearAutoencoder.backward", ("Two products, each with two factors: a factor's slope has the other one in it.",)),
        Exercise("reconstruction_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("pca")
