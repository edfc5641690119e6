"""A straight line through data: least squares by gradient descent

From ten measurements of a person both sides learn to tell how far the diabetes will have gone in a year, and walk down to the weights
that the normal equation gives at once, and scikit-learn's LinearRegression with it. (442 people: Efron et al. 2004, in scikit-learn.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments import run
from experiments.data.arrays import ArrayData
from experiments.data.diabetes import FEATURES, Diabetes, diabetes
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure, unbroken
from experiments.drawing.walk import walk_of_rows
from experiments.drawing.weights import as_row, draw_weights, weights_of_both
from experiments.drawing.words import held_out, in_words
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Trained, by_size, what_will_the_loss_do
from experiments.pair import Twin
from manual.regression.linear_regression import LinearRegression as Manual
from manual.regression.linear_regression import (
    forward,
    hessian,
    normal_equation,
    qr_solution,
    r_squared,
    standard_errors,
    step_size_limit,
    svd_solution,
    with_ones,
)
from torch_impl.regression.linear_regression import LinearRegression as Torch

NAMES = {"W": "linear.weight.T", "b": "linear.bias", "y_hat": "linear"}
"""What the parameters, and the prediction, are called in torch."""


def descend(x: np.ndarray, y: np.ndarray, start: np.ndarray, steps: int, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where p = [W; b] is after 0, 1, ..., `steps` steps on this one batch, with this lr and momentum: see `walk_of_rows`."""
    return walk_of_rows(Manual(**settings), Torch(**settings), (x, y), start, steps, NAMES)


def by_sklearn(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """scikit-learn's p = [W; b], (D+1,)."""
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(x, y)
    return as_row(fitted.coef_, fitted.intercept_)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    x, y = data.split.train
    return OnDemand(
        {
            "squared residuals": lambda: squares(x, y),
            "paths over the loss": lambda: paths(x, y),
            "why standardise": lambda: units(),
            "reaching the closed form": lambda: convergence(x, y),
            "weights against the closed form": lambda: weights(manual, torch_module, x, y),
            "how sure the weights are": lambda: how_sure(x, y),
            "digits that the normal equation loses": lambda: digits(),
        }
    )


def squares(x: np.ndarray, y: np.ndarray, rows: int = 25) -> Figure:
    """The squared residuals of three lines through one feature, drawn as squares."""
    bmi, y = x[:rows, [2]], (y - y.mean()) / y.std()
    y = y[:rows]
    ours, theirs = descend(bmi, y, np.zeros(2), 100, lr=0.1, momentum=0.0)
    best = as_row(*normal_equation(bmi, y))
    fig, axes = figure(
        f"Least squares, meant literally. Each dot is one of {rows} persons, each residual the side of a square, and the loss is their "
        "mean area. Look at the third: where 100 steps of gradient descent end, in torch (band) and by hand (dashes), is the line of the "
        "normal equation (black), and no line has smaller squares. Both axes are standardised.",
        columns=3,
        size=(4.4, 3.8),
        sharex=True,
        sharey=True,
    )
    ends = np.array([-2.4, 4.8])
    for ax, (w, b), name in zip(axes[0], ([0.0, 0.0], [1.0, 0.0], ours[-1]), ("flat", "too steep", "least squares"), strict=True):
        residual = (w * bmi + b - y).ravel()
        for x_n, y_n, r in zip(bmi.ravel(), y.ravel(), residual, strict=True):
            # From the dot to the line, and as far to the side on which a rising line does not cross the square
            ax.add_patch(Rectangle((x_n, y_n), r, r, facecolor="#cccccc", edgecolor="#888888", alpha=0.5))
        if name == "least squares":
            ax.plot(ends, theirs[-1, 0] * ends + theirs[-1, 1], label="torch", **TORCH)
            ax.plot(ends, best[0] * ends + best[1], color="black", linewidth=0.8, label="normal equation")
            ax.plot(ends, w * ends + b, label="by hand", **BY_HAND)
        else:
            ax.plot(ends, w * ends + b, color="black", linewidth=1.2)
        ax.plot(bmi, y, "o", color="black", markersize=4)
        ax.set(title=f"{name}: mean area {np.mean(residual**2):.3f}", xlabel="body mass index", xlim=ends, ylim=(-2.2, 3.2), aspect="equal")
    axes[0, 0].set_ylabel("progression of the disease")
    axes[0, 2].legend(loc="upper left", fontsize=8)
    return fig


def units(steps: int = 60) -> Figure:
    """The same walk in the features' own units and standardised."""
    x, y = diabetes()
    x = x[:, [3, 8]]
    centred = x - x.mean(axis=0)
    fig, axes = figure(
        "Why features are standardised. The loss over the weights of blood pressure (standard deviation "
        f"{x[:, 0].std():.0f}) and s5 ({x[:, 1].std():.2f}), seen from above: a grey line joins places of equal loss. Left, in their own "
        f"units, it is steep along one weight, which allows only tiny steps, and after {steps} of these the other weight has hardly moved "
        "(mind the axes). Right, standardised, it is nearly round, and the walk reaches the star.",
        columns=2,
        size=(5.0, 4.0),
    )
    for ax, features, name in ((axes[0, 0], centred, "own units"), (axes[0, 1], standardised(x), "standardised")):
        lr = 0.5 * step_size_limit(features)
        ours, theirs = descend(features, y, np.array([0.0, 0.0, y.mean()]), steps, lr=lr, momentum=0.0)
        best = as_row(*normal_equation(features, y))
        reach = np.maximum(best[:2], ours[:, :2].max(axis=0))
        draw_contours(ax, features, y, *((-0.5 * r, 1.6 * r) for r in reach))
        draw_path(ax, ours, theirs)
        ax.set(title=f"{name}: lr {lr:.2g}", xlabel="weight of bp", ylabel="weight of s5")
    axes[0, 1].legend(loc="lower right", fontsize=8)
    return fig


def standardised(x: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and standard deviation 1."""
    return (x - x.mean(axis=0)) / x.std(axis=0)


def draw_contours(ax: Any, x: np.ndarray, y: np.ndarray, w1: tuple[float, float], w2: tuple[float, float]) -> None:
    """The loss over two weights, for features of mean 0, with b at its best: the loss of any W does not depend on how b came there."""
    best = as_row(*normal_equation(x, y))
    grid = np.stack(np.meshgrid(np.linspace(*w1, 120), np.linspace(*w2, 120)), axis=-1)
    away = grid - best[:2]
    # A bowl is its lowest point plus half the curvature times distance squared, exactly
    above = np.einsum("ijk,kl,ijl->ij", away, hessian(x)[:2, :2], away) / 2
    ax.contour(grid[..., 0], grid[..., 1], above, levels=above.max() * np.linspace(0.03, 1, 14) ** 3, colors="#bbbbbb", linewidths=0.7)
    ax.plot(*best[:2], "*", color="black", markersize=12, zorder=5, label="normal equation")


def draw_path(ax: Any, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Both sides' paths: torch's broad, the hand-written one dashed on top of it."""
    ax.plot(theirs[:, 0], theirs[:, 1], label="torch", **TORCH)
    ax.plot(ours[:, 0], ours[:, 1], label="by hand", marker="o", markersize=2.5, **BY_HAND)


def weights(manual: Manual, torch_module: Torch, x: np.ndarray, y: np.ndarray) -> Figure:
    """The weights of both sides beside the normal equation's and scikit-learn's."""
    both = weights_of_both(manual, torch_module, NAMES)
    best, sklearn = as_row(*normal_equation(x, y)), by_sklearn(x, y)
    found = {"by hand": as_row(**both[0]), "torch": as_row(**both[1]), "scikit-learn": sklearn}
    apart = {name: np.linalg.norm(p - best) / np.linalg.norm(best) for name, p in found.items()}
    fig, axes = figure(
        "The weights, four times the same: torch (broad bars), by hand (narrow bars), normal equation (circles), scikit-learn "
        "(crosses). To the normal equation's, relative to their length: "
        + ", ".join(f"{name} {in_words(float(d))}" for name, d in apart.items())
        + ". s1 and s2 nearly say the same: what the large weight of the one adds, that of the other takes away.",
        size=(8.0, 3.8),
    )
    ax = axes[0, 0]
    ax.plot(
        np.arange(len(FEATURES)), best[:-1], "o", markerfacecolor="none", markeredgecolor="black", markersize=11, label="normal equation"
    )
    draw_weights(ax, manual, torch_module, sklearn, FEATURES, NAMES)
    ax.set(title="The ten weights", ylabel="weight (progression per standard deviation)")
    return fig


# ---- text ----------------------------------------------------------------------------------------------

TEXT = """
On the people that are held out R² is 0.52: the line explains about half of what there is to explain.

Things to try:

- `--model.momentum 0`: plain gradient descent. After 600 steps the weights are still 4 % off.
- `--data.batch_size 32`: a different bowl at every step; the weights wander around the lowest point and do not come to rest.
"""


def explains(run: Trained) -> str:
    """What the weights say about people who were held out."""
    y_hat, y = held_out(run)
    r2 = r_squared(y_hat, y)
    if not r2 > 0:
        return f"says less about the disease of {len(y)} people that it has not seen than their mean does"
    return f"explains {100 * r2:.0f} % of how the disease varies among {len(y)} people that it has not seen"


def learned(run: Trained) -> str:
    """What the line explains, and how near it is to the closed form."""
    best, found = as_row(*normal_equation(*run.data.split.train)), as_row(run.manual.W.data, run.manual.b.data)
    return (
        f"The line {explains(run)}. Its weights and those that the normal equation gives at once are "
        f"{in_words(float(np.linalg.norm(found - best) / np.linalg.norm(best)))}, relative to their length."
    )


# ---- to do ---------------------------------------------------------------------------------------------


def from_the_formula(run: Trained) -> float:
    """How far the weights are from those of the normal equation, relative to the length of these."""
    best = as_row(*normal_equation(*run.data.split.train))
    return float(np.linalg.norm(as_row(run.manual.W.data, run.manual.b.data) - best) / np.linalg.norm(best))


def above_the_lowest(run: Trained) -> float:
    """How far the last loss is above the lowest, as a part of it."""
    x, y = run.data.split.train
    return float(run.losses[-1] / ((with_ones(x) @ np.vstack(normal_equation(x, y)) - y) ** 2).mean() - 1)


def heaviest(run: Trained) -> dict[str, float]:
    """The absolute values of four of the weights."""
    weights = dict(zip(FEATURES, np.abs(run.manual.W.data[:, 0]), strict=True))
    return {name: float(weights[name]) for name in ("age", "bmi", "s1", "s5")}


SHORT = {"max_epochs": 200}

QUESTIONS = (
    by_size(
        "How much of what varies in the progression does the line explain, for people it has not seen?",
        lambda run: run.metrics["r2/val"],
        *("about a tenth", 0.3, "about half", 0.8, "nearly all"),
        seen="R² is {:.2f}",
        why="Ten numbers say something about a year of an illness, not all; and what bends is not seen by a straight line.",
        trainer=SHORT,
    ),
    Question(
        "All features are standardised. Which of these has the largest weight, above or below 0?",
        ("age", "bmi", "s1", "s5"),
        ByLargest(heaviest, "{:.1f}"),
        "s1 and s2 nearly say the same, so a large weight of the one is made good by a large one of the other. A large weight need not "
        "mean a large influence.",
        trainer=SHORT,
        look_at=("weights against the closed form", "the bars of s1 and s2, one above 0 and one below."),
    ),
    what_will_the_loss_do(
        "momentum = 0 and lr = 0.26, a little more than the longest that arrives, 0.25. What will the loss do in 100 steps?",
        "At first it falls, in all directions but the steepest. In that one each step overshoots by more than it found, and that wins.",
        model={"momentum": 0.0, "lr": 0.26},
        trainer={"max_epochs": 100},
    ),
)

MISTAKE = Mistake(
    "The loss has stopped falling, so the weights have arrived.",
    lambda run: (
        f"By plain gradient descent the loss is within {above_the_lowest(run):.1%} of the lowest after {len(run.losses)} steps, and the "
        f"weights are still {from_the_formula(run):.0%} off."
    ),
    lambda run: above_the_lowest(run) < 5e-3 and from_the_formula(run) > 0.05,
    "The loss is a valley that is nearly flat along its floor: far to go, and hardly any lower. Look at the steps, too.",
    {"momentum": 0.0},
    trainer={"max_epochs": 150},
)

# ---- further reading: how long a step may be, and how sure the weights are ------------------------------


def paths(x: np.ndarray, y: np.ndarray) -> Figure:
    """Three walks over the loss of two collinear features."""
    x = standardised(x[:, [4, 5]])
    limit = step_size_limit(x)
    start = np.array([-60.0, 20.0, y.mean()])
    walks = {
        f"lr {0.05:.2f}: smooth and slow": {"lr": 0.05, "momentum": 0.0},
        f"lr {0.9 * limit:.2f}: nearly too long": {"lr": 0.9 * limit, "momentum": 0.0},
        "lr 0.10, momentum 0.9": {"lr": 0.1, "momentum": 0.9},
    }
    steps = 60
    fig, axes = figure(
        "The loss over the weights of two features that nearly say the same (cholesterol s1 and LDL s2, correlation "
        f"{np.corrcoef(x.T)[0, 1]:.2f}) is a long valley. {steps} steps from the same start (band: torch, dashes: by hand); the star is "
        "the normal equation. Left: short steps creep along the floor. Middle: nine tenths of the limit "
        f"{unbroken(f'2/λmax = {limit:.3f}')} jump from wall to wall and still come to rest. Right: momentum rolls along the floor, "
        "overshoots, and settles.",
        columns=3,
        size=(4.2, 4.2),
        sharex=True,
        sharey=True,
    )
    for ax, (name, settings) in zip(axes[0], walks.items(), strict=True):
        ours, theirs = descend(x, y, start, steps, **settings)
        draw_contours(ax, x, y, (-80, 60), (-60, 80))
        draw_path(ax, ours, theirs)
        ax.set(title=name, xlabel="weight of s1", aspect="equal")
    axes[0, 0].set_ylabel("weight of s2")
    axes[0, 0].legend(loc="lower left", fontsize=8)
    return fig


FLOOR = 1e-17
"""What is nearer than that is drawn here: 0 has no place on a log axis, and one side may be there before the other."""


def convergence(x: np.ndarray, y: np.ndarray) -> Figure:
    """The distance to the closed form against the step, with and without momentum."""
    best = as_row(*normal_equation(x, y))
    curvature = np.linalg.eigvalsh(hessian(x))
    limit = step_size_limit(x)
    fig, axes = figure(
        f"How near the eleven parameters are to the normal equation's, {unbroken('‖p − p*‖ / ‖p*‖')} (bands: torch, dashes: by hand). "
        "Plain gradient descent shrinks the error along the flattest direction of the bowl by "
        f"{unbroken(f'1 − lr · λmin = 1 − {0.2 * curvature[0]:.4f}')} a step, with momentum 0.9 each direction is a swing that shrinks "
        f"by √0.9 (dotted), until only rounding is left. Steps over {unbroken(f'2/λmax = {limit:.3f}')} lead away for ever.",
        size=(7.5, 4.2),
    )
    ax, steps = axes[0, 0], 800
    start = np.zeros(x.shape[1] + 1)
    for name, settings, length, rate in (
        ("momentum 0.9, lr 0.2", {"lr": 0.2, "momentum": 0.9}, steps, np.sqrt(0.9)),
        ("plain, lr 0.2", {"lr": 0.2, "momentum": 0.0}, steps, 1 - 0.2 * curvature[0]),
        (f"plain, lr {1.04 * limit:.3f}: too long", {"lr": 1.04 * limit, "momentum": 0.0}, 200, None),
    ):
        away = [np.linalg.norm(path - best, axis=1) / np.linalg.norm(best) for path in descend(x, y, start, length, **settings)]
        for far, look, side in ((away[1], TORCH, "torch"), (away[0], BY_HAND, "by hand")):
            ax.plot(np.maximum(far, FLOOR), **look, label=side if rate is None else None)
        at = length * 2 // 3
        ax.annotate(name, (at, away[0][at]), xytext=(14, -2 if rate is None else 6), textcoords="offset points", fontsize=9)
        if rate is not None:
            k = np.arange(100, 450)
            ax.plot(k, 3 * away[0][100] * rate ** (k - 100), ":", color="black", linewidth=1)
    ax.set(title="Three walks to the closed form", xlabel="step", ylabel="distance to the closed form", yscale="log", ylim=(FLOOR / 5, 1e7))
    ax.legend(fontsize=8)
    return fig


def chance(x: np.ndarray, y: np.ndarray, times: int) -> np.ndarray:
    """The weights that come out, (times, D), if each y is put on the line again, and how far it lies off is drawn from a bell curve."""
    W, b = qr_solution(x, y)
    y_hat = forward(x, W, b)["y_hat"]
    s = np.sqrt(((y - y_hat) ** 2).sum() / (len(x) - x.shape[1] - 1))
    drawn = y_hat + s * np.random.default_rng(0).normal(size=(len(x), times))  # a column for each time
    return (np.linalg.pinv(with_ones(x)) @ drawn)[:-1].T  # (D+1, N) @ (N, times), without b


def how_sure(x: np.ndarray, y: np.ndarray) -> Figure:
    """The weights with their standard errors, and what a standard error means."""
    (W, b), (errors, _) = qr_solution(x, y), standard_errors(x, y)
    W, errors, at = W[:, 0], errors[:, 0], np.arange(len(FEATURES))
    sure = abs(W) > 2 * errors
    R2, found, i = r_squared(forward(x, W[:, None], b)["y_hat"], y), chance(x, y, 2000), 2
    fig, axes = figure(
        "Left: where two standard errors to either side reach across 0 (hollow) the data do not tell whether the weight is above or "
        "below 0: s1, the largest of all, and s2 are the least sure, since they nearly say the same. Right: 2,000 times chance was drawn "
        f"anew and the line fitted anew. The weight of {FEATURES[i]} scatters around {W[i]:.1f} with a standard deviation of "
        f"{found[:, i].std():.2f}; its standard error, from the one fit, is {errors[i]:.2f} (curve). R² is {R2:.3f} on these rows.",
        columns=2,
        size=(4.6, 3.6),
    )
    ax = axes[0, 0]
    for these, colour, fill in ((sure, "black", "full"), (~sure, "#888888", "none")):
        ax.errorbar(at[these], W[these], 2 * errors[these], fmt="o", color=colour, fillstyle=fill, capsize=4, markersize=6)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_xticks(at, FEATURES)
    ax.set(title="How sure each weight is", ylabel="weight ± 2 standard errors")
    ax = axes[0, 1]
    ax.hist(found[:, i], bins=40, density=True, color="#bbbbbb")
    w = np.linspace(W[i] - 4 * errors[i], W[i] + 4 * errors[i], 201)
    ax.plot(w, np.exp(-(((w - W[i]) / errors[i]) ** 2) / 2) / (errors[i] * np.sqrt(2 * np.pi)), color=CATEGORIES[0])
    ax.axvline(W[i], color="black", linewidth=0.8)
    ax.set(title="What a standard error is", xlabel=f"weight of {FEATURES[i]}", ylabel="how often (density)")
    return fig


def lost(solver: Any, apart: float) -> tuple[float, float]:
    """κ of [x 1] for two features that differ by `apart`, and how far a solver's weights are from the true ones, relative to these."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    x[:, 1] = x[:, 0] + apart * x[:, 1]
    p = np.array([1.0, -2.0, 3.0, 0.5])
    y = forward(x, p[:-1, None], p[-1:])["y_hat"]  # no noise: these weights are the answer
    found = as_row(*solver(x, y))
    return float(np.linalg.cond(np.hstack([x, np.ones((40, 1))]))), float(np.linalg.norm(found - p) / np.linalg.norm(p))


def digits() -> Figure:
    """The error of three solvers against the condition number."""
    fig, axes = figure(
        "Two features that are more and more alike, from left to right: κ, the condition number of [x 1], grows. How far three solvers are "
        "from the true weights, which are known here. The normal equation loses two digits for every factor of 10 in κ (dashed: κ² times "
        "the rounding error), and has hardly one left at 10⁸. QR and the pseudo-inverse lose one (dotted: κ times it), which is what "
        "rounding the data costs anyway.",
        size=(6.8, 3.8),
    )
    ax, eps = axes[0, 0], np.finfo(float).eps
    for solver, look in (
        (normal_equation, {"marker": "s", "color": "#888888", "label": "normal equation", "markersize": 5}),
        (qr_solution, {"marker": "o", "color": CATEGORIES[0], "label": "QR", "markersize": 7, "markerfacecolor": "none"}),
        (svd_solution, {"marker": "x", "color": CATEGORIES[1], "label": "pseudo-inverse", "markersize": 5}),
    ):
        ax.plot(*np.transpose([lost(solver, apart) for apart in 10.0 ** -np.arange(0, 7.6, 0.5)]), linestyle="", **look)
    κ = np.array([3, 1e8])
    ax.plot(κ, eps * κ, ":", color="black", linewidth=1)
    ax.plot(κ, eps * κ**2, "--", color="black", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="condition number κ of [x 1]", ylabel="error of the weights", ylim=(1e-17, 10))
    ax.set_title("Digits that three solvers lose")
    ax.legend(fontsize=8)
    return fig


FURTHER = """
All 442 rows. λ are the eigenvalues of the second derivatives of the loss (`hessian` in the hand-written file):

| features | λmax | λmin | λmax/λmin | largest lr, 2/λmax |
| --- | --- | --- | --- | --- |
| in their own units | 147,000 | 0.0028 | 52,000,000 | 0.000014 |
| shifted to mean 0 | 4,100 | 0.054 | 76,000 | 0.00049 |
| standardised | 8.05 | 0.0171 | 470 | 0.248 |

For each further factor of e² ≈ 7.4 in exactness, plain gradient descent needs about λmax/λmin steps, at its best; with momentum it is
the square root of that. What is left after standardising comes from features that nearly say the same (s1 and s2): no change of units
mends that.

Three ways to the same weights (at the end of the hand-written file):

| solution | how | digits lost | columns that are mixtures of others |
| --- | --- | --- | --- |
| `normal_equation` | AᵀA p = Aᵀy | 2 log₁₀ κ | refused |
| `qr_solution` | A = Q R, R p = Qᵀy | log₁₀ κ | refused |
| `svd_solution` | p = A⁺y | log₁₀ κ | the shortest of all p that are equally good |
"""

# ---- the pair ------------------------------------------------------------------------------------------

TWIN = Twin(
    name="linear_regression",
    manual=Manual,
    torch=Torch,
    data=Diabetes,
    names=NAMES,
    needs=("one_weight", "matrices"),
    trainer={"max_epochs": 600, "check_val_every_n_epoch": 50},
    variants={"plain gradient descent": {"momentum": 0.0}},
    sgd_lr=0.2,
    figures=figures,
    learned=learned,
    look_at=("squared residuals", "how much smaller the squares of the third line are, and that both sides found it."),
    text={"held out, and to try": TEXT, "how long a step may be": FURTHER},
    further=(
        "paths over the loss",
        "reaching the closed form",
        "how sure the weights are",
        "digits that the normal equation loses",
        "how long a step may be",
    ),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("backward", ("It is that of one weight, with a column of x for each weight.",)),),
)

if __name__ == "__main__":
    run("linear_regression")
