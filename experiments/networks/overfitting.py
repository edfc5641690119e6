"""Overfitting: what is learned by heart serves for nothing else

Polynomials go through ten noisy points, and a network learns a hundred digits by heart: the losses on what they learn from and on what is
held out part. Then what helps against it, and why data come in three parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.data.digits import Digits
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.written import label_lines
from experiments.judge.convert import in_dtype_of, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.module import no_grad
from manual.networks.overfitting import Overfitting as Manual
from manual.networks.overfitting import fit, polynomial
from torch_impl.networks.overfitting import Overfitting as Torch
from torch_impl.networks.overfitting import fit as fit_in_torch
from torch_impl.networks.overfitting import polynomial as polynomial_in_torch

Array = np.ndarray
VALIDATION = 200


class FewDigits(Digits):
    """A few digits to learn from, 200 to choose by (the validation set), and 359 that are looked at last (the test set).

    Args:
        examples: to learn from. All of them are in each batch.
        leaked: so many of the test set are among them too, which is a fault.
        steps: in an epoch.
        seed: of the split.
    """

    def __init__(self, examples: int = 100, leaked: int = 0, steps: int = 10, seed: int = 0) -> None:
        super().__init__(seed=seed)
        most = 1438 - VALIDATION
        if not (2 <= examples <= most and 0 <= leaked <= 359 and steps >= 1):
            raise InputError(
                f"--data.examples must lie in 2 … {most}, --data.leaked in 0 … 359 and --data.steps must be at least 1, got {examples}, "
                f"{leaked} and {steps}"
            )
        self.examples, self.leaked, self.steps = examples, leaked, steps

    def load(self) -> Split:
        whole = super().load()
        self.test = whole.val
        train = (np.concatenate([a[: self.examples], b[: self.leaked]]) for a, b in zip(whole.train, self.test, strict=True))
        return Split(tuple(train), tuple(a[-VALIDATION:] for a in whole.train))

    def batches(self, epoch: int) -> list[Batch]:
        """All examples, so many times."""
        return [self.split.train] * self.steps

    def val_batches(self) -> list[Batch]:
        """The validation set, and the test set."""
        held_out = self.split.val
        return [held_out, self.test]


# ---- a curve through points --------------------------------------------------------------------------


def truth(x: Array) -> Array:
    """What there is to be learned."""
    return np.sin(np.pi * x)


def points(n: int, seed: int = 2) -> tuple[Array, Array]:
    """n points from −1 to 1, each off by Normal(0, 0.3)."""
    x = np.linspace(-1, 1, n)
    return x, truth(x) + 0.3 * np.random.default_rng(seed).normal(size=n)


def held_out_points() -> tuple[Array, Array]:
    """Two hundred others."""
    rng = np.random.default_rng(100)
    x = rng.uniform(-1, 1, 200)
    return x, truth(x) + 0.3 * rng.normal(size=200)


DEGREES = range(10)


def rms(c: Array, x: Array, y: Array) -> float:
    """How far off the curve is, typically: the root of the mean squared error."""
    return float(np.sqrt(np.mean((polynomial(x, c) - y) ** 2)))


def errors(n: int) -> Array:
    """Of each degree, fitted to n points: (of those points and held out, by hand and in torch, degree)."""
    x, y = points(n)
    parts, tx, ty = ((x, y), held_out_points()), torch.from_numpy(x), torch.from_numpy(y)
    fits = [[fit(x, y, d), fit_in_torch(tx, ty, d).numpy()] for d in DEGREES]
    return np.array([[[rms(both[side], *part) for both in fits] for side in (0, 1)] for part in parts])


# ---- a hundred digits --------------------------------------------------------------------------------

EVERY = 10
"""Steps from one look at the losses to the next."""


@cache
def losses(examples: int = 100, weight_decay: float = 0.0, steps: int = 400) -> Array:
    """On what is learned from, the validation set and the test set, by hand and in torch: (3, 2, looks)."""
    data = FewDigits(examples)
    parts = [data.split.train, *data.val_batches()]
    pair: tuple[Any, Any] = TWIN.having({"weight_decay": weight_decay}).build()
    ours, theirs = pair
    sgd, sgd_in_torch, batch = ours.configure_optimizers(), theirs.configure_optimizers(), to_torch(data.split.train)
    found = []
    for step in range(steps + 1):
        if step % EVERY == 0:
            found.append([[loss_on(ours, *part), loss_in_torch(theirs, *part)] for part in parts])
        sgd.zero_grad()
        ours.training_step(data.split.train, 0)
        ours.backward()
        sgd.step()
        with torch.enable_grad():
            sgd_in_torch.zero_grad()
            theirs.training_step(batch, 0).backward()
            sgd_in_torch.step()
    return np.array(found).transpose(1, 2, 0)


def loss_on(model: Manual, x: Array, y: Array) -> float:
    """The cross-entropy of these digits."""
    with no_grad():
        return float(model.loss(model(in_dtype_of(model, x)), y))


def loss_in_torch(model: Torch, x: Array, y: Array) -> float:
    """The same in torch."""
    with torch.no_grad():
        return model.loss(model(torch.from_numpy(x)), torch.from_numpy(y)).item()


@cache
def many_choices(models: int = 60, steps: int = 60) -> Array:
    """What part of thirty validation digits and of the test set each of many networks reads, by hand; they differ by their start."""
    data, found = FewDigits(), []
    (x, y), (x_test, y_test) = (a[:30] for a in data.split.val), data.test
    for seed in range(models):
        model = Manual(hidden=10, rng=np.random.default_rng(seed))
        sgd = model.configure_optimizers()
        for _ in range(steps):
            sgd.zero_grad()
            model.training_step(data.split.train, 0)
            model.backward()
            sgd.step()
        with no_grad():
            found.append([np.mean(model(x).argmax(axis=1) == y), np.mean(model(x_test).argmax(axis=1) == y_test)])
    return np.array(found)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """Of polynomials, and of networks that are trained as the twin says: all are the same whatever was trained."""
    return OnDemand(
        {
            "the losses part": lambda: the_losses_part(),
            "through ten points": lambda: through_ten_points(),
            "by degree": lambda: by_degree(),
            "why three": lambda: why_three(),
        }
    )


REMEDIES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("a hundred digits", {}, CATEGORIES[3]),
    ("with weight decay", {"weight_decay": 0.003}, CATEGORIES[1]),
    ("four hundred digits", {"examples": 400}, CATEGORIES[2]),
)


def the_losses_part() -> Figure:
    """The three losses of the hundred digits; and the test loss with each of the remedies."""
    plain, decayed, more = (losses(**settings) for _, settings, _ in REMEDIES)
    best = EVERY * int(plain[1, 0].argmin())
    fig, axes = figure(
        f"Left: a network on a hundred digits. The loss on these falls for ever; on the validation set it is lowest after {best} steps "
        "(dot) and grows from there, and so does that on the test set. Right: the test loss. Stopping early (dot) keeps "
        f"{plain[2, 0, best // EVERY]:.2f}; the end has {plain[2, 0, -1]:.2f}. Weight decay of 0.003 ends at {decayed[2, 0, -1]:.2f}, "
        f"four hundred digits at {more[2, 0, -1]:.2f}. Bands: torch, dashes: by hand.",
        columns=2,
        size=(5.2, 3.8),
    )
    left, right = axes[0]
    steps = EVERY * np.arange(plain.shape[2])
    for part, (name, colour) in enumerate((("training", CATEGORIES[0]), ("validation", CATEGORIES[1]), ("test", CATEGORIES[3]))):
        draw_both(left, np.stack([steps, plain[part, 0]]), np.stack([steps, plain[part, 1]]), name, colour)
    left.plot(best, plain[1, 0].min(), "o", color=CATEGORIES[1], markersize=8, zorder=5)
    left.set(title="three losses", xlabel="step", yscale="log", ylim=(2e-3, 4))
    label_lines(left)
    for name, settings, colour in REMEDIES:
        ours, theirs = losses(**settings)[2]
        draw_both(right, np.stack([steps, ours]), np.stack([steps, theirs]), name, colour)
    right.plot(best, plain[2, 0, best // EVERY], "o", color=CATEGORIES[3], markersize=8, zorder=5)
    right.set(title="test loss", xlabel="step", ylim=(0, 1.2))
    right.legend(fontsize=8)
    return fig


def through_ten_points() -> Figure:
    """Three degrees."""
    x, y = points(10)
    at, others = np.linspace(-1, 1, 200), held_out_points()
    fig, axes = figure(
        "Ten points of a sine (thin), each off by chance, and polynomials of three degrees (bands: torch, dashes: by hand). Degree 1 is "
        "too stiff. Degree 3 is near the sine, though it meets hardly a point. Degree 9 has ten weights, goes through all points, and is "
        "nowhere: it swings between them. Above each: how far off it is on its points, and on 200 others.",
        columns=3,
        size=(3.7, 3.5),
        sharey=True,
    )
    for ax, degree in zip(axes[0], (1, 3, 9), strict=True):
        c, c_in_torch = fit(x, y, degree), fit_in_torch(torch.from_numpy(x), torch.from_numpy(y), degree)
        ax.plot(at, truth(at), color="#999999", linewidth=1)
        theirs = polynomial_in_torch(torch.from_numpy(at), c_in_torch).numpy()
        draw_both(ax, np.stack([at, polynomial(at, c)]), np.stack([at, theirs]), "_", CATEGORIES[0])
        ax.plot(x, y, "o", color="black", markersize=5)
        ax.set(title=f"degree {degree}: {rms(c, x, y):.2f} and {rms(c, *others):.2f}", xlabel="x", ylim=(-2.6, 2.6))
    return fig


def by_degree() -> Figure:
    """The errors by degree, of ten points and of a hundred."""
    fig, axes = figure(
        "How far off polynomials are, by their degree (bands: torch, dashes: by hand, crosses: numpy.polyfit). Left: fitted to ten points. "
        "On these every degree is nearer; on 200 others the best is degree 3, and degree 9 is worse than a straight line. Right: fitted to "
        "a hundred points. The two errors hardly part. Dotted: 0.3, the noise, below which nobody gets on others but by chance.",
        columns=2,
        size=(5.0, 3.7),
        sharey=True,
    )
    for ax, n in zip(axes[0], (10, 100), strict=True):
        x, y = points(n)
        for part, (both, name, colour) in enumerate(zip(errors(n), ("its points", "others"), (CATEGORIES[0], CATEGORIES[3]), strict=True)):
            draw_both(ax, np.stack([DEGREES, both[0]]), np.stack([DEGREES, both[1]]), name, colour)
            at = ((x, y), held_out_points())[part]
            ax.plot(DEGREES, [rms(np.polyfit(x, y, d)[::-1], *at) for d in DEGREES], "x", color="black", markersize=5)
        ax.axhline(0.3, color="#999999", linewidth=0.8, linestyle=":")
        ax.set(title=f"{n} points", xlabel="degree", ylabel="root mean squared error", ylim=(-0.03, 1.05), xticks=DEGREES)
        ax.legend(fontsize=8, loc="upper center")
    return fig


def why_three() -> Figure:
    """Many networks on a small validation set, and the one that is chosen."""
    found = many_choices()
    best = int(found[:, 0].argmax())
    fig, axes = figure(
        f"{len(found)} networks that differ only by their first weights: what part each reads of 30 validation digits, and of 359 test "
        f"digits. Who chooses by the validation set takes the best (ring): {found[best, 0]:.1%} there, {found[best, 1]:.1%} on the test "
        f"set. The means of all (lines) are {found[:, 0].mean():.1%} and {found[:, 1].mean():.1%}. It stands out on the set that it was "
        "chosen by; what of that is luck, the test set does not repeat.",
        size=(5.6, 4.0),
    )
    ax = axes[0, 0]
    ax.plot(*found.T, "o", color=CATEGORIES[0], alpha=0.5)
    ax.plot(*found[best], "o", markersize=14, markerfacecolor="none", markeredgecolor=CATEGORIES[3], markeredgewidth=2)
    ax.axvline(found[:, 0].mean(), color="#999999", linewidth=0.8)
    ax.axhline(found[:, 1].mean(), color="#999999", linewidth=0.8)
    ax.set(title="chosen by the validation set", xlabel="read right of 30 validation digits", ylabel="read right of 359 test digits")
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def end_beside_the_best(run: Trained) -> float:
    """The test loss in the end, over that where the validation loss was lowest."""
    return run.metrics["loss/test"] / run.metrics["stopped/test"]


def apart(run: Trained) -> float:
    """The test loss in the end over the training loss."""
    return run.metrics["loss/test"] / run.losses[-1]


TIMES = "it is {:.2f} times that of the best moment"

QUESTIONS = (
    by_size(
        "A hundred digits, 600 steps: the training loss falls to 0.002. And the test loss, beside its value at the best moment?",
        end_beside_the_best,
        *("far lower too", 0.8, "about the same", 1.05, "higher"),
        seen=TIMES,
        why="After some 50 steps all that is left to learn is what is so in these hundred only, and the network becomes sure of it.",
        look_at=("the losses part", "the dot on the left, and where each curve goes from there."),
    ),
    by_size(
        "With weight_decay = 0.003: how much would still be gained by stopping early?",
        end_beside_the_best,
        *("nothing to speak of", 1.05, "about a tenth", 1.3, "more than a third"),
        seen=TIMES,
        why="What is so by chance needs large weights to be learned by heart; they cost too much, so that nothing is lost by going on.",
        model={"weight_decay": 0.003},
        look_at=("the losses part", "the curve of weight decay on the right: it does not turn up."),
    ),
    by_size(
        "A thousand digits in place of a hundred, where the test loss was over 200 times the training loss. And now?",
        apart,
        *("they are about equal", 2, "it is a few times as large", 50, "it is still more than a hundred times as large"),
        seen="it is {:.1f} times as large",
        why="The same weights have ten times as much to hold: less is so by chance in a thousand, and learning it by heart takes longer.",
        data={"examples": 1000},
        trainer={"max_epochs": 40},
        look_at=("by degree", "the same with curves: ten points on the left, a hundred on the right."),
    ),
)

MISTAKE = Mistake(
    "The more examples the better, wherever they are from; whether some are in the test set too makes no difference.",
    lambda run: (
        f"The test loss is {run.metrics['loss/test']:.3f}, the validation loss {run.metrics['loss/val']:.2f}: all 359 test digits were "
        f"among the {len(run.data.split.train[0])} that it learned from. Who saw the test loss alone would be proud."
    ),
    lambda run: run.agree and run.metrics["loss/test"] < 0.2 * run.metrics["loss/val"],
    "What was learned from says nothing of what is new. It happens easily: the same patient twice, or the same picture in two sizes.",
    data={"leaked": 359},
    trainer={"max_epochs": 30},
)


def learned(run: Trained) -> str:
    """How far the losses have parted."""
    train, val, test = (loss_on(run.manual, *part) for part in (run.data.split.train, *run.data.val_batches()))
    stopped, n = float(run.manual.watch.test_loss), len(run.data.split.train[0])
    return (
        f"On the {n} digits that it learned from the loss ends at {train:.2g}, on the validation set at "
        f"{val:.2f} and on the test set at {test:.2f}. Stopped when the validation loss was lowest it would be {stopped:.2f} there."
    )


TWIN = Twin(
    name="overfitting",
    manual=Manual,
    torch=Torch,
    data=FewDigits,
    needs=("digits_mlp", "ridge"),
    trainer={"max_epochs": 60},
    variants={"weight decay": {"weight_decay": 0.003}},
    options={"weight_decay": 0.01},
    sgd_lr=0.1,
    figures=figures,
    learned=learned,
    look_at=("the losses part", "where the validation loss is lowest, and what the training loss does meanwhile."),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("polynomial_backward", ("ŷ is linear in c: how fast does it grow with c₂, at one x?",)),
        Exercise("Overfitting.backward", ("Every line of forward has one line here, in the opposite order.",)),
    ),
)

if __name__ == "__main__":
    run("overfitting")
