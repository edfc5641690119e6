"""Softmax without overflow: one subtraction between a training and NaN

Three kinds of points in a plane, one of them far out, and the same classifier trained twice: with softmax as it stands on paper the loss
becomes NaN at step 68, with the largest score subtracted first it does not, and ends at the lowest loss there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.data.changes import first_columns
from experiments.drawing.colours import AMOUNT, CATEGORIES, MARKERS
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.interactive import Axis, Bars, Dots, Interactive, Line, Panel, Slider, Texts, after, minus
from experiments.drawing.walk import Path, walk
from experiments.drawing.words import classes_right, percent
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size, in_figures
from experiments.pair import Second, Twin
from manual.concept import Batch
from manual.nn.functional import log_softmax, softmax, softplus
from manual.numerics.softmax import Classifier as Manual
from manual.numerics.softmax import (
    cross_entropy,
    naive_cross_entropy,
    naive_log_softmax,
    naive_softmax,
    softmax_backward,
    tempered_softmax,
)
from torch_impl.numerics.softmax import Classifier as Torch

LIMITS = {dtype: np.log(float(np.finfo(dtype).max)) for dtype in ("float16", "float32", "float64")}
"""The largest z whose power e^z is a number: 11.09, 88.72 and 709.78."""


STABLE, NAIVE = CATEGORIES[:2]
"""Colours of the two forms."""


class FarPoint(ArrayData):
    """Points of three kinds around the corners of a triangle, a batch is (x, c). One point of the first kind lies far to the right.

    Such a point is nothing unusual: an outlier, a unit that was mistaken, or an activation of a large network.

    Args:
        points: to learn from; half as many others, none of them far out, are held out.
        far: where the far point lies, (far, 0). The others lie within about 6 of the middle.
        batch_size: points in a batch; 0 puts all of them into one.
        seed: of the points and of their order.
    """

    corners = 2 * np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])

    def __init__(self, points: int = 600, far: float = 500.0, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if points < 3:
            raise InputError(f"--data.points must be at least 3, got {points}")
        self.points, self.far = points, far

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        n = self.points + self.points // 2
        c = np.arange(n) % 3
        x = self.corners[c] + rng.normal(0, 1.15, (n, 2))
        x[0] = self.far, 0
        return Split((x[: self.points], c[: self.points]), (x[self.points :], c[self.points :]))


def died(x: np.ndarray, c: np.ndarray, path: Path) -> int | None:
    """The first step at which the naive loss of these parameters is not finite; None if it always is."""
    losses = [naive_cross_entropy(x @ W + b, c) for W, b in zip(path["W"], path["b"], strict=True)]
    odd = ~np.isfinite(losses)
    return int(odd.argmax()) if odd.any() else None


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: FarPoint) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    x, c = data.split.train
    return OnDemand(
        {
            "how far the powers reach": lambda: reach(),
            "one training in two forms": lambda: two_trainings(x, c, manual.lr),
            "what was learnt": lambda: regions(manual, torch_module, x, c),
            "digits": lambda: lost_digits(),
            "temperature": lambda: temperature(),
        }
    )


def reach() -> Figure:
    """Where e^z leaves the numbers, and what that makes of softmax."""
    fig, axes = figure(
        "Left: e^z, counted in powers of ten: a straight line that ends where the computer's numbers end (dots), with 64 bits at "
        f"{unbroken('z = ')}{LIMITS['float64']:.2f}, with 32 bits at {LIMITS['float32']:.2f}, with 16 bits at {LIMITS['float16']:.2f}. "
        "Right: the probability of the first of two classes with the scores z and 0, in 32 bits. As it stands on paper it is ∞/∞, NaN, "
        f"right of the dotted line, {unbroken('z = ')}{LIMITS['float32']:.2f}; with the maximum subtracted first it is 1, as it ought to "
        "be.",
        columns=2,
        size=(4.4, 3.4),
    )
    ax = axes[0, 0]
    with np.errstate(over="ignore", divide="ignore"):
        for dtype, width, colour in (("float64", 2, CATEGORIES[0]), ("float32", 4, CATEGORIES[1]), ("float16", 7, CATEGORIES[2])):
            z = np.linspace(-800, 800, 160_001)  # in hundredths
            power = np.log10(np.exp(z.astype(dtype)).astype(np.float64))
            power[np.isinf(power)] = np.nan
            ax.plot(z, power, color=colour, linewidth=width, label=f"{dtype[5:]} bits", solid_capstyle="butt")
            ax.plot(LIMITS[dtype], LIMITS[dtype] / np.log(10), "o", color=colour, markeredgecolor="black", zorder=3)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(title="How far the powers reach", xlabel="z", ylabel="e^z is 10 to the power of", xlim=(-800, 800))
    ax.legend(loc="upper left", fontsize=8)
    ax = axes[0, 1]
    z = np.stack([np.linspace(-130, 130, 2601), np.zeros(2601)], axis=1).astype(np.float32)
    ax.plot(z[:, 0], softmax(z)[:, 0], color=STABLE, linewidth=1.2, label="less the maximum")
    ax.plot(z[:, 0], naive_softmax(z)[:, 0], color=NAIVE, linewidth=4, alpha=0.8, label="as on paper")
    ax.axvline(LIMITS["float32"], color="black", linestyle=":", linewidth=1)
    ax.set(title="What that makes of softmax", xlabel="z", ylabel="p of the first class", xlim=(-130, 130))
    ax.legend(loc="center left", fontsize=8)
    return fig


def two_trainings(x: np.ndarray, c: np.ndarray, lr: float, steps: int = 200) -> Figure:
    """The largest score and the loss, in either form, until the naive one ends."""
    stable = walk(Manual(lr=lr), Torch(lr=lr), (x, c), steps)
    naive = walk(Manual(form="naive", lr=lr), Torch(form="naive", lr=lr), (x, c), steps)
    end = died(x, c, naive[0])
    last = steps if end is None else end
    same = "to the last digit" if np.array_equal(naive[0]["W"][: last + 1], stable[0]["W"][: last + 1]) else "to all but the last digits"
    story = (
        f"At step {end} the far point's score has passed {LIMITS['float64']:.2f}, its power "
        "is ∞, and the naive loss is NaN: that training is over (cross)."
        if end is not None
        else f"The largest score stays below {LIMITS['float64']:.2f}: the naive form lives."
    )
    fig, axes = figure(
        f"The same classifier on the same points, in the naive and in the stable form (bands: torch, dashes: by hand). {story} "
        f"Until then the weights of the two were equal {same}. Right: the steps get shorter, in proportion to the gradient; only "
        "the stable form goes on towards the lowest loss.",
        columns=2,
        size=(4.4, 3.4),
    )

    def score(path: Path) -> np.ndarray:
        return (np.einsum("nd,tdk->tnk", x, path["W"]) + path["b"][:, None]).max(axis=(1, 2))

    def stride(path: Path) -> np.ndarray:
        return np.linalg.norm(np.diff(path["W"], axis=0), axis=(1, 2))

    for ax, of in zip(axes[0], (score, stride), strict=True):
        ours, theirs = (numbered(of(path)) for path in stable)
        draw_both(ax, ours, theirs, "stable", STABLE)
        ours, theirs = (numbered(of(path))[:, : last + (of is score)] for path in naive)  # the step from `last` is NaN
        draw_both(ax, ours, theirs, "naive", NAIVE)
        if end is not None:
            ax.plot(*ours[:, -1], "x", color=NAIVE, markersize=11, markeredgewidth=2.5, zorder=4)
    axes[0, 0].axhline(LIMITS["float64"], color="black", linestyle=":", linewidth=1)
    axes[0, 0].set(title="The largest score", xlabel="step", ylabel="largest score", ylim=(0, None))
    axes[0, 1].set(title="How long the steps are", xlabel="step", ylabel="length of the step of W", yscale="log")
    axes[0, 1].legend(fontsize=8)
    return fig


def numbered(values: np.ndarray) -> np.ndarray:
    """(0, 1, 2, ...) above the values: what `plot` takes."""
    return np.stack([np.arange(len(values)), values])


def learned(run: Trained) -> str:
    """Where the loss ended, and how large the largest score is."""
    x, _ = run.data.split.train
    largest = (x @ run.manual.W.data + run.manual.b.data).max()
    return (
        f"The {run.manual.form} form ended at a loss of {run.losses[-1]:.3f} and names {classes_right(run)} held-out points rightly. The "
        f"far point's score is {largest:.1f}; e to the power of that is {'not ' if largest > LIMITS['float64'] else ''}a number in 64 bits."
    )


# ---- further reading: the points, both forms side by side, digits of log-softmax, and temperature -----------


def regions(manual: Manual, torch_module: Torch, x: np.ndarray, c: np.ndarray) -> Figure:
    """The points, the borders between the classes, and the scores of all points."""
    parameters = [to_numpy(dict(side.state_dict())) for side in (manual, torch_module)]
    z = x @ parameters[0]["W"] + parameters[0]["b"]
    fig, axes = figure(
        "Left: the points in the middle, three kinds, and the borders at which two of them are equally probable (bands: torch, dashes: by "
        f"hand). The far point is not in the picture: it lies at ({x[:, 0].max():g}, 0). Right: all points but one have scores of at most "
        f"{np.sort(z.max(axis=1))[-2]:.1f}; the far point has {z.max():.0f}. It is as sure as can be and pulls at no weight any more, "
        "but the power of its score is what the naive form cannot write down.",
        columns=2,
        size=(4.4, 3.8),
    )
    ax = axes[0, 0]
    for k, (colour, marker) in enumerate(zip(CATEGORIES[:3], MARKERS, strict=False)):
        ax.plot(*x[c == k].T, marker, color=colour, markersize=3, alpha=0.7, label=f"kind {k}")
    grid = np.stack(np.meshgrid(np.linspace(-6, 6, 401), np.linspace(-6, 6, 401)), axis=-1)
    for p, look in zip(parameters, (BY_HAND, TORCH), strict=True):
        scores = grid @ p["W"] + p["b"]
        for j, k, other in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
            lead = np.where(scores.argmin(axis=-1) == other, scores[..., j] - scores[..., k], np.nan)
            style = {"linestyles": "solid", "zorder": 1} if look is TORCH else {"linestyles": "dashed", "zorder": 2}
            ax.contour(grid[..., 0], grid[..., 1], lead, levels=[0], colors=look["color"], linewidths=look["linewidth"], **style)
    ax.set(title="Three kinds and their borders", xlim=(-6, 6), ylim=(-6, 6), aspect="equal", xlabel="x[0]", ylabel="x[1]")
    ax.legend(fontsize=8, loc="upper left", markerscale=1.6)
    ax = axes[0, 1]
    ax.hist(z.max(axis=1), bins=np.geomspace(0.01, 2000, 60), color="#888888")
    for dtype in ("float32", "float64"):
        ax.axvline(LIMITS[dtype], color="black", linestyle=":", linewidth=1)
        ax.text(
            LIMITS[dtype] * 0.9,
            0.97,
            f"most for {dtype[5:]} bits",
            transform=ax.get_xaxis_transform(),
            rotation=90,
            ha="right",
            va="top",
            fontsize=8,
        )
    ax.set(title="The scores of all points", xscale="log", yscale="log", xlabel="largest score of a point", ylabel="points")
    return fig


TEXT = """
| | the naive form | the stable form |
| --- | --- | --- |
| softmax | e^z / Σ e^z | e^(z − m) / Σ e^(z − m), with m = max z |
| log-sum-exp | log Σ e^z | m + log Σ e^(z − m) |
| log-softmax | log of softmax | z − m − log Σ e^(z − m) |
| breaks at a z above (32, 64 bits) | 88.72, 709.78 | never |

In torch `softmax`, `logsumexp`, `log_softmax` and `cross_entropy` are the stable ones. Give `cross_entropy` scores, never probabilities.

Things to try:

- `--model.form naive`: the same training until step 68, where the largest score passes 709.78, its power is ∞, and the loss NaN. The run
  stops with exit status 1 and names the step and the first number that is not finite, exp(z), on both sides.
- `--model.form naive --trainer.precision 32-true`: with 32 bits it is over at step 1.
"""


def right_digits(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """How many decimal digits of `found` are right: 0 to 7.2, what 24 bits hold."""
    with np.errstate(divide="ignore"):
        return np.clip(-np.log10(np.abs(found.astype(np.float64) - true) / np.abs(true)), 0, 24 * np.log10(2))


def lost_digits() -> Figure:
    """Digits of the log-probabilities of winner and loser in 32 bits, against the gap between their scores."""
    gap = np.linspace(0.05, 130, 2600).astype(np.float32)
    z = np.stack([np.zeros_like(gap), -gap], axis=1)
    exact = -np.stack([np.log1p(np.exp(-gap.astype(np.float64))), softplus(gap.astype(np.float64))], axis=1)
    naive, stable = naive_log_softmax(z), log_softmax(z)
    fig, axes = figure(
        "How many digits of log p are right, in 32 bits, for two classes whose scores are 0 and −gap. Left: the logarithm of the loser's "
        "probability loses digits from a gap of about 90 on, and at 104 p is rounded to 0; log-softmax keeps them all. Right: the "
        f"winner's log p is nearly 0, and both forms lose its digits, because {unbroken('1 + e^(−gap)')} is rounded. "
        f"{unbroken('−log1p(e^(−gap))')} keeps them, as long as e^(−gap) does.",
        columns=2,
        size=(4.4, 3.4),
        sharey=True,
    )
    window = np.ones(25) / 25
    for ax, k, who in zip(axes[0], (1, 0), ("loser", "winner"), strict=True):
        curves = [("log-softmax", stable[:, k], STABLE, 4), ("log of softmax", naive[:, k], NAIVE, 1.5)]
        if who == "winner":
            curves.append(("−log1p(e^(−gap))", -np.log1p(np.exp(-gap)), CATEGORIES[3], 1.5))
        for label, found, colour, width in curves:
            digits = np.convolve(right_digits(found, exact[:, k]), window, mode="valid")
            ax.plot(gap[12:-12], digits, color=colour, linewidth=width, label=label)
        ax.set(title=f"Digits of log p, the {who}'s", xlabel="gap between the scores")
        ax.legend(loc="lower left" if who == "loser" else "center", fontsize=8)
    axes[0, 0].set(ylabel="right digits (mean over neighbours)", ylim=(-0.3, 8))
    return fig


def temperature() -> Figure:
    """Four scores at several temperatures."""
    z = np.array([2.0, 1.0, 0.5, -1.0])
    T = np.geomspace(0.05, 50, 200)
    fig, axes = figure(
        "The probabilities of four classes with the scores 2, 1, 0.5 and −1, as softmax(z/T) makes them. At a low temperature T nearly "
        f"all lies on the largest score; {unbroken('T = 1')} is softmax itself; at a high temperature the four become alike (dotted: "
        "1/4). This is the temperature with which language models are asked for their next word.",
        columns=2,
        size=(4.4, 3.3),
        sharey=True,
    )
    p = np.stack([tempered_softmax(z, t) for t in T])
    for k, colour in enumerate(CATEGORIES[:4]):
        axes[0, 0].plot(T, p[:, k], color=colour, label=f"score {z[k]:g}")
    axes[0, 0].axhline(0.25, color="black", linestyle=":", linewidth=1)
    axes[0, 0].set(title="Four classes, all temperatures", xscale="log", xlabel="temperature T", ylabel="p", ylim=(0, 1.02))
    axes[0, 0].legend(fontsize=8)
    shown = (0.2, 1.0, 5.0)
    for i, t in enumerate(shown):
        axes[0, 1].bar(
            np.arange(4) + 0.27 * (i - 1),
            tempered_softmax(z, np.array(t)),
            width=0.25,
            label=f"T = {t:g}",
            color=colormaps[AMOUNT]((0.05, 0.5, 0.95)[i]),
        )
    axes[0, 1].set_xticks(range(4), [f"{score:g}" for score in z])
    axes[0, 1].set(title="Three temperatures, all classes", xlabel="score")
    axes[0, 1].legend(fontsize=8)
    return fig


# ---- to move -------------------------------------------------------------------------------------------

SCORES = np.array([2.0, 1.0, 0.5, -1.0])
"""Of four classes."""

TEMPERATURES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 50.0)

ADDED = (-800, -770, *range(-760, -720), -720, *range(-700, 700, 50), *range(700, 716), 720, 760, 800)
"""What is added to all four: densely where something happens."""


def interactive(run: Trained) -> tuple[Interactive, ...]:
    """What a common number does to four scores, and what a temperature does."""
    return common_number(), hot_and_cold()


def common_number() -> Interactive:
    """Both forms of softmax, of scores to all of which a number is added."""

    def naive(a: float) -> np.ndarray:
        return naive_softmax(SCORES + a)

    def stable(a: float) -> np.ndarray:
        return softmax(SCORES + a)

    return Interactive(
        "Add one number to all scores",
        "The scores 2, 1, 0.5 and −1, and a number a that is added to all four. On paper it changes no probability: e^(z + a) is e^z times "
        f"e^a, which stands above the line of the fraction and below it. Move a up until a score passes {LIMITS['float64']:.2f}: its "
        "power is no number of 64 bits any more, and the naive form breaks. Move a to the other end: there it loses digits, until all four "
        "powers are 0. With the largest score subtracted first, a goes away before any power is taken.",
        (Slider("a", ADDED, 0, "a, added to all scores"),),
        (powers,),
        (of_classes("as on paper: the naive form", naive), of_classes("less the largest score first", stable)),
    )


def hot_and_cold() -> Interactive:
    """Softmax at a temperature."""

    def tempered(T: float) -> np.ndarray:
        return tempered_softmax(SCORES, np.array(T))

    at_all = np.stack([tempered(T) for T in TEMPERATURES])
    lines = [Line(np.log10(TEMPERATURES), at_all[:, k], f"kind-{k}") for k in range(4)]
    dots = [Dots(lambda T: np.log10(T), entry(tempered, k), f"kind-{k}") for k in range(4)]
    return Interactive(
        "Hot and cold",
        "The same scores, divided by a temperature T before softmax. T = 1 is softmax itself. Move T down: the gaps between the scores "
        "grow, and the largest takes all. Move T up: the gaps shrink, and in the end each of the four has ¼. Their order never changes. "
        "This is the temperature at which a language model is asked for its next word.",
        (Slider("T", TEMPERATURES, 1.0, "temperature T"),),
        (after(tempered, shares),),
        (of_classes("four classes", tempered), Panel("the same at every temperature", LOG_T, PROBABILITY, (*lines, *dots))),
    )


def entry(p: Callable[..., np.ndarray], k: int) -> Callable[..., np.ndarray]:
    """One of several probabilities, still a list."""
    return after(p, lambda p: p[[k]])


PROBABILITY = Axis("probability", 0.0, 1.1, {0.0: "0", 0.25: "¼", 0.5: "½", 1.0: "1"})

LOG_T = Axis("temperature T", -1.4, 1.8, {float(np.log10(T)): f"{T:g}" for T in (0.05, 0.2, 1.0, 5.0, 20.0)})


def of_classes(title: str, p: Callable[..., np.ndarray]) -> Panel:
    """A bar for each of four probabilities, with its height in words above it."""
    k = np.arange(4)
    each = [Bars([i], entry(p, i), f"kind-{i}") for i in range(4)]
    words = Texts(k, after(p, np.nan_to_num), after(p, lambda p: [percent(part) if part == part else "NaN" for part in p]))
    scores = Axis("score", -0.6, 3.6, {float(i): minus(f"{z:g}") for i, z in enumerate(SCORES)})
    return Panel(title, scores, PROBABILITY, (Line([-0.6, 3.6], 0.25, "guide"), *each, words))


def powers(a: float) -> str:
    """What becomes of the powers, and of the naive form."""
    with np.errstate(over="ignore"):  # ∞ is what is to be seen
        largest = np.exp(SCORES.max() + a)
    naive, stable = naive_softmax(SCORES + a), softmax(SCORES + a)
    seen = "∞" if np.isinf(largest) else f"{largest:.2g}"
    off = np.abs(naive - stable).max()
    naively = "NaN, which is no number" if np.isnan(off) else "the same to 12 digits" if off < 1e-12 else f"off by up to {off:.1g}"
    return minus(
        f"With a = {a} the largest power is {seen}. The stable form gives {percent(stable[0])} to the first class; the naive: {naively}."
    )


def shares(p: np.ndarray) -> str:
    """The probability of the largest score, and of the smallest."""
    return (
        f"The largest score has {percent(p[0])} and the smallest {percent(p[-1])}, which is less by a factor of {in_figures(p[0] / p[-1])}."
    )


# ---- to do ---------------------------------------------------------------------------------------------


def largest_score(run: Trained) -> float:
    """Of all training points and kinds, after the run."""
    return float((run.data.split.train[0] @ run.manual.W.data + run.manual.b.data).max())


QUESTIONS = (
    by_size(
        "All scores are 0 at first. One point lies 500 to the right, all others within 6. How large is the largest score after a single "
        "step?",
        largest_score,
        *("about 1", 5.0, "about 20", 80.0, "over 200"),
        seen="it is {:.0f}",
        why="The point's x enters twice: it makes the gradient of W large, and W times x larger still. And e to the power of 710 is no "
        "number.",
        trainer={"max_epochs": 1},
    ),
    by_size(
        "form = naive, e^z / Σ e^z as on paper, with far = 50 in place of 500. How does it end after 150 steps?",
        lambda run: run.losses[-1],
        *("at the lowest loss there is, 0.311", 0.33, "at a higher loss", 10.0, "in NaN"),
        seen="the loss is {:.4f}",
        why="The largest score is below 709 here, so that no power overflows; and then the two forms are the same number.",
        model={"form": "naive"},
        data={"far": 50.0},
        trainer={"max_epochs": 150},
    ),
    by_size(
        "form = stable, with far = 50000: the first step makes a score of over a million. Where is the loss after 150 steps?",
        lambda run: run.losses[-1],
        *("at 0.311 too", 0.33, "higher than at the start, and falling", 10.0, "it is NaN"),
        seen="the loss is {:.2f}",
        why="The stable form computes with any score. But it cannot help that one far point throws the weights far off: each step brings "
        "some back.",
        data={"far": 50000.0},
        trainer={"max_epochs": 150},
    ),
)

EPSILON = 1e-12
"""What is added to a probability before its log is taken, lest it be log 0."""


class WithEpsilon(Manual):
    """Its loss is −log(p + ε)."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        x, c = batch
        z = self(x)
        loss = -np.log(softmax(z)[np.arange(len(z)), c] + EPSILON).mean()
        self.save(x, z, c)
        self.log("loss/train", loss)
        return loss

    def backward(self, dL_dloss: float = 1.0) -> None:
        x, z, c = self.restore()
        right = np.arange(len(z)), c
        dL_dp = np.zeros_like(z)  # (N, K)
        dL_dp[right] = -dL_dloss / (len(z) * (softmax(z)[right] + EPSILON))  # (N,)
        dL_dz = softmax_backward(dL_dp, z)  # (N, K)
        self.W.grad += x.T @ dL_dz  # (D, N) @ (N, K)
        self.b.grad += dL_dz.sum(axis=0)  # (N, K) summed over rows: (K,)


class WithEpsilonInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        x, c = batch
        loss = -(self(x).softmax(dim=1).gather(1, c[:, None]) + EPSILON).log().mean()
        self.log("loss/train", loss)
        return loss


def true_loss(run: Trained) -> float:
    """The cross-entropy of the training points, by log-softmax."""
    x, c = run.data.split.train
    return float(cross_entropy(run.manual(x), c))


def given_up(run: Trained) -> int:
    """How many training points have a probability for their class that is far below ε."""
    x, c = run.data.split.train
    return int((log_softmax(run.manual(x))[np.arange(len(c)), c] < np.log(EPSILON)).sum())


MISTAKE = Mistake(
    "log 0 is dangerous, so a small number is added: −log(p + 1e-12).",
    lambda run: (
        f"After {len(run.losses)} steps the loss says {run.losses[-1]:.1f}, and is {true_loss(run):.1f} in truth. {given_up(run)} points "
        "are given up: the probability of their class is below 1e-12, and their gradient nearly 0."
    ),
    lambda run: true_loss(run) > 2 * run.losses[-1],
    "The gradient p − y becomes p/(p + ε) times as long: where p is far below ε, at the worst points, nothing is left of it. log-softmax "
    "of the scores needs no ε.",
    data={"far": 500000.0},
    trainer={"max_epochs": 100},
    manual=WithEpsilon,
    torch=WithEpsilonInTorch,
)

TWIN = Twin(
    name="softmax",
    manual=Manual,
    torch=Torch,
    data=FarPoint,
    needs=("likelihood", "softmax_regression"),
    trainer={"max_epochs": 1200, "check_val_every_n_epoch": 50},
    options={"features": Second(1, data=first_columns(1)), "form": Second("naive", data_args={"far": 5.0})},
    idle={"form": "on paper the two forms are one thing; they part only where a power of e overflows"},
    sgd_lr=0.4,
    figures=figures,
    interactive=interactive,
    learned=learned,
    look_at=("one training in two forms", "the cross at which one of two equal trainings ends."),
    text={"two forms of one thing": TEXT},
    further=("what was learnt", "digits", "temperature", "two forms of one thing"),
    questions=QUESTIONS,
    exercises=(
        Exercise("naive_logsumexp_backward", ("What is the slope of log s at each score? It has a name.",)),
        Exercise("naive_cross_entropy_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("softmax")
