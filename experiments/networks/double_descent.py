"""Double descent: at its worst with as many features as examples, and good again with many more

A layer learns on random features of forty patients' measurements. With few features and with a thousand it foretells others; with forty
it goes astray. Gradient descent finds, on both sides, what the pseudo-inverse says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split, standardise
from experiments.data.changes import first_columns
from experiments.data.diabetes import diabetes
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure
from experiments.drawing.walk import walk
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.networks.double_descent import DoubleDescent as Manual
from manual.networks.double_descent import features, shortest
from torch_impl.networks.double_descent import DoubleDescent as Torch
from torch_impl.networks.double_descent import features as features_in_torch


class FewPatients(ArrayData):
    """Some of the 442 patients of the diabetes data, to learn from; all others are held out.

    What is foretold is shifted and scaled so that those who are learned from have the mean 0 and the standard deviation 1: who always
    guesses their mean has a squared error of about 1.

    Args:
        batch_size: patients in a batch; 0 puts all of them into one.
        seed: of the choice and of the order of the rows.
        examples: N, how many are learned from.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0, examples: int = 40) -> None:
        super().__init__(batch_size, seed)
        if not 2 <= examples <= 400:
            raise InputError(f"--data.examples must be from 2 to 400, got {examples}")
        self.examples = examples

    def load(self) -> Split:
        x, y = diabetes()
        rows = np.random.default_rng(self.seed).permutation(len(x))
        x, y, n = x[rows], y[rows], self.examples
        y = (y - y[:n].mean()) / y[:n].std()
        return standardise(Split((x[:n], y[:n]), (x[n:], y[n:])))


# ---- what is measured, on both sides -------------------------------------------------------------------


def of(side: Any, x: np.ndarray) -> np.ndarray:
    """The features of a side, (N, P)."""
    if isinstance(side, Manual):
        return features(x, side.W, side.b)
    found: np.ndarray = features_in_torch(to_torch(x), side.W.cpu().double(), side.b.cpu().double()).numpy()
    return found


def theta_of(side: Any) -> np.ndarray:
    """θ of a side, (P, 1)."""
    return np.asarray(side.theta.data if isinstance(side, Manual) else side.theta.detach().cpu().double())


def exact(side: Any, data: FewPatients) -> tuple[float, float, float]:
    """What the shortest of the best θ costs on the examples and on others, and its length: the pseudo-inverse, not the training."""
    (x, y), (x_val, y_val) = data.split.train, data.split.val
    theta = shortest(of(side, x), y)
    errors = (float(np.mean((of(side, at) @ theta - target) ** 2)) for at, target in ((x, y), (x_val, y_val)))
    return (*errors, float(np.linalg.norm(theta)))  # type: ignore[return-value]


def off(run: Trained) -> float:
    """How far θ is from the pseudo-inverse's, as a part of the length of that."""
    x, y = run.data.split.train
    wanted = shortest(of(run.manual, x), y)
    return float(np.linalg.norm(run.manual.theta.data - wanted) / np.linalg.norm(wanted))


STEPS = 300

WIDTHS = (2, 3, 5, 8, 12, 18, 25, 30, 34, 37, 39, 40, 41, 43, 47, 54, 65, 80, 120, 200, 400, 1000)

TRAINED = (3, 18, 30, 40, 54, 80, 1000)
"""Numbers of features: of the exact solution, and of those that are trained too."""


def network(P: int) -> Manual:
    """By hand, with P features: always the first P of the same list."""
    most = Manual(features=max(WIDTHS), rng=np.random.default_rng(1))
    model = Manual(features=P)
    model.load_state_dict({"W": most.W[:, :P].copy(), "b": most.b[:P].copy(), "theta": np.zeros((P, 1))})
    return model


@cache
def curves(data: FewPatients) -> np.ndarray:
    """The exact solution's error on the examples and on others, and its length, by the number of features: (len(WIDTHS), 3)."""
    return np.array([exact(network(P), data) for P in WIDTHS])


@cache
def trained_errors(data: FewPatients, steps: int = STEPS) -> np.ndarray:
    """The error on others after so many steps, by hand and in torch, by the number of features: (len(TRAINED), 2)."""
    x, y = data.split.val
    found = []
    for P in TRAINED:
        model = network(P)
        paths = walk(model, Torch(features=P), data.split.train, steps)
        found.append([float(np.mean((of(model, x) @ path["theta"][-1] - y) ** 2)) for path in paths])
    return np.array(found)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: FewPatients) -> Mapping[str, Figure]:
    """The two descents, whatever was trained; a curve through points; and the pair that was trained."""
    return OnDemand(
        {
            "two descents": lambda: two_descents(data),
            "through every point": lambda: through_every_point(),
            "the trained pair": lambda: the_pair(manual, torch_module, data),
        }
    )


def two_descents(data: FewPatients) -> Figure:
    """Errors and length by the number of features."""
    own, other, length = curves(data).T
    trained = trained_errors(data)
    N = data.examples
    peak, last = int(other.argmax()), other[-1]
    first = other[: WIDTHS.index(25)].min()
    fig, axes = figure(
        f"{N} examples, and more and more random features. Lines: the exact solution (pseudo-inverse). On others its error is as low as "
        f"{first:.2f} with few features, rises to {other[peak]:.3g} at {WIDTHS[peak]}, and falls to {last:.2f} at {WIDTHS[-1]}; always "
        f"guessing the mean costs 1. Dots: trained for {STEPS} steps; at the peak training has not arrived yet. Right: how long θ is.",
        columns=2,
        size=(5.2, 3.9),
    )
    left, right = axes[0]
    left.plot(WIDTHS, other, color=CATEGORIES[0], label="others, exact")
    left.plot(WIDTHS, np.maximum(own, 1e-3), color=CATEGORIES[1], label="the examples, exact")
    for side, look, size, name in ((1, TORCH, 9, "torch"), (0, BY_HAND, 4, "by hand")):
        left.plot(TRAINED, trained[:, side], "o", color=look["color"], markersize=size, label=f"others, {name}")
    right.plot(WIDTHS, length, color=CATEGORIES[0])
    for ax in (left, right):
        ax.axvline(N, color="#999999", linewidth=0.8)
        ax.set(xscale="log", yscale="log", xlabel="features, P (grey: as many as examples)")
    left.set(title="mean squared error", ylim=(8e-3, None))
    left.legend(fontsize=8, loc="lower left")
    right.set(title="length of θ")
    return fig


def through_every_point() -> Figure:
    """A curve through ten noisy points, by few, as many, and many features of one number."""
    rng = np.random.default_rng(3)
    x = np.linspace(-0.95, 0.95, 10)[:, None] + rng.uniform(-0.06, 0.06, (10, 1))
    y = np.sin(3 * x) + rng.normal(0, 0.25, x.shape)
    grid = np.linspace(-1, 1, 400)[:, None]
    W = 4 * rng.normal(size=(1, 500))
    b = -W[0] * rng.uniform(-1.2, 1.2, 500)  # so that each tanh is 0 somewhere among the points
    fig, axes = figure(
        "Ten points, a sine (grey) with noise, and the exact solution for 4, 10 and 500 random features of one number. Four cannot reach "
        "every point. Ten can in one way only, with a long θ, and beside a point the curve leaves the picture. Five hundred can in many "
        "ways, and the shortest θ is a calm curve through all of them.",
        columns=3,
        size=(3.6, 3.2),
    )
    for ax, P in zip(axes[0], (4, 10, 500), strict=True):
        theta = shortest(features(x, W[:, :P], b[:P]), y)
        ax.plot(grid, np.sin(3 * grid), color="#999999", linewidth=1)
        ax.plot(grid, features(grid, W[:, :P], b[:P]) @ theta, color=CATEGORIES[0])
        ax.plot(x, y, "o", color="black", markersize=4)
        ax.set(title=f"{P} features: ‖θ‖ = {np.linalg.norm(theta):.3g}", xlabel="x", ylim=(-2.4, 2.4))
    return fig


def the_pair(manual: Manual, theirs: Torch, data: FewPatients) -> Figure:
    """θ of both sides against the exact one, and what is foretold of others."""
    x, y = data.split.train
    wanted = shortest(of(manual, x), y)
    x_val, y_val = data.split.val
    distance = np.linalg.norm(theta_of(manual) - wanted) / np.linalg.norm(wanted)
    fig, axes = figure(
        f"The pair that was trained, of {len(wanted)} features. Left: each entry of θ, as the pseudo-inverse has it and as it was "
        f"learned; together they are {distance:.1e} apart. Right: what is foretold of the {len(y_val)} others, against what was "
        "measured. On the line it would be right; a cloud that leans along it is better than a guess.",
        columns=2,
        size=(4.6, 3.9),
    )
    left, right = axes[0]
    for side, look, size, name in ((theirs, TORCH, 6, "torch"), (manual, BY_HAND, 2.5, "by hand")):
        theta = theta_of(side)
        left.plot(wanted, theta, "o", color=look["color"], markersize=size, markeredgewidth=0, label=name)
        right.plot(y_val, of(side, x_val) @ theta, "o", color=look["color"], markersize=size, markeredgewidth=0, label=name)
    left.set(title="θ: exact and learned", xlabel="pseudo-inverse", ylabel="learned")
    ends = np.array([y_val.min(), y_val.max()])
    right.plot(ends, ends, color="#999999", linewidth=0.8)
    right.set(title="of others", xlabel="measured", ylabel="foretold")
    left.legend(fontsize=9)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------

SIZES = ("below 1: better than the mean", 1, "1 to 6", 6, "above 6")

QUESTIONS = (
    by_size(
        "40 features for 40 examples, where always guessing the mean costs 1. What does the exact solution cost on other patients?",
        lambda run: exact(run.manual, run.data)[1],
        *SIZES,
        seen="{:.1f}",
        why="There is one θ that hits all 40, noise and all; it tells patients who are alike apart with huge numbers.",
        model={"features": 40},
        look_at=("two descents", "how high the line stands at the grey line."),
    ),
    by_size(
        "The same 40 features, trained for 300 steps by gradient descent. What is the error on other patients now?",
        lambda run: run.metrics["loss/val"],
        *SIZES,
        seen="{:.1f}",
        why="The huge numbers are what is learned last: along them the loss hardly falls. Training stopped before it was there.",
        model={"features": 40},
        look_at=("two descents", "where the dots are at the peak, and where elsewhere."),
    ),
    by_size(
        "A thousand features for 40 examples: it will hit every one of them. What is the error on other patients?",
        lambda run: run.metrics["loss/val"],
        *SIZES,
        seen="{:.2f}",
        why="Of all θ that hit the examples gradient descent from 0 finds the shortest, and that one is calm between them.",
        look_at=("two descents", "where the line ends on the right."),
    ),
)

MISTAKE = Mistake(
    "With more features than examples any θ that hits all of them will do: the loss is 0.",
    lambda run: (
        f"It began at random, with a length of about {4 * run.manual.theta.size**0.5:.0f}, and hits the examples: the loss is "
        f"{run.losses[-1]:.1g}. On others it is {run.metrics['loss/val']:.2f}; from 0 it would be {exact(run.manual, run.data)[1]:.2f}."
    ),
    lambda run: run.losses[-1] < 1e-8 and run.metrics["loss/val"] > 1.5 * exact(run.manual, run.data)[1],
    "What of the start lies at a right angle to every example's features is never trained away: no example speaks of it. New inputs do.",
    model={"start": 4.0},
)


def learned(run: Trained) -> str:
    """What it costs on others, and what the exact solution does."""
    own, other, _ = exact(run.manual, run.data)
    return (
        f"{run.manual.theta.size} features, {len(run.data.split.train[0])} examples: the error on others is "
        f"{run.metrics['loss/val']:.3f}, that of the exact solution {other:.3f} (on its own examples {own:.2g}). θ is {off(run):.1e} "
        "from the pseudo-inverse's."
    )


TWIN = Twin(
    name="double_descent",
    manual=Manual,
    torch=Torch,
    data=FewPatients,
    learned=learned,
    look_at=("two descents", "where the error on others is highest, and where it is lowest."),
    needs=("linear_regression", "hidden_layer"),
    options={"start": 0.5, "inputs": Second(7, data=first_columns(7))},
    trainer={"max_epochs": STEPS, "check_val_every_n_epoch": 10},
    variants={"few features": {"features": 7, "start": 0.5}},
    sgd_lr=0.5,
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(Exercise("DoubleDescent.backward", ("Only θ is trained: nothing goes back through tanh.",)),),
)

if __name__ == "__main__":
    run("double_descent")
