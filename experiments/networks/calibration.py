"""How sure is it, and how right? Confidence measured, and mended by one temperature

A network learns to read noisy digits and becomes surer than it is right; one number, learned on digits that it was not trained on, mends
that, and both are held against scikit-learn's calibration_curve and the best temperature that a search finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.data.digits import images
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.words import percent
from experiments.judge.convert import in_dtype_of, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.module import no_grad
from manual.networks.calibration import Calibration as Manual
from manual.networks.calibration import calibration_error, reliability
from manual.nn.functional import log_softmax, softmax
from torch_impl.networks.calibration import Calibration as Torch

PART = 500
"""How many digits the network learns from, and how many its temperature; the rest, 797, judge both."""


class NoisyDigits(ArrayData):
    """Digits in bad light: to each pixel, 0 to 1, a number is added at random. A row is a digit for the network, and one for T.

    Args:
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the parts, of the noise and of the order of the rows.
        noise: the standard deviation of what is added.
        separate: whether T learns from digits of its own; otherwise from those of the network.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0, noise: float = 0.3, separate: bool = True) -> None:
        super().__init__(batch_size, seed)
        if noise < 0:
            raise InputError(f"--data.noise must not be negative, got {noise}")
        self.noise, self.separate = noise, separate

    def load(self) -> Split:
        pixels, digit = images()
        rng = np.random.default_rng(self.seed)
        rows = rng.permutation(len(digit))
        x = (pixels / 16 + rng.normal(0, self.noise, pixels.shape))[rows]
        y = digit.astype(np.int64)[rows]
        network, other, rest = (slice(0, PART), slice(PART, 2 * PART), slice(2 * PART, None))
        calibration = other if self.separate else network
        return Split((x[network], y[network], x[calibration], y[calibration]), (x[rest], y[rest]))


# ---- what is measured, on both sides -------------------------------------------------------------------


def scores(side: Any, x: np.ndarray, scaled: bool) -> np.ndarray:
    """The ten scores that a side gives each image, over its T or not, (N, 10)."""
    if isinstance(side, Manual):
        with no_grad():
            return np.asarray((side if scaled else side.net)(in_dtype_of(side, x)))
    with torch.no_grad():
        found: np.ndarray = (side if scaled else side.net)(to_torch(x).to(side.device, side.temperature.T.dtype)).cpu().double().numpy()
        return found


def answers(side: Any, data: ArrayData, scaled: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of the third part: how sure each answer is, and whether it is right, (N,) each."""
    x, y = data.split.val
    z = scores(side, x, scaled)
    return softmax(z, axis=1).max(axis=1), z.argmax(axis=1) == y


def loss_at(z: np.ndarray, y: np.ndarray, T: float) -> float:
    """The mean of −log p of the right digit, with the scores z over T."""
    return float(-log_softmax(z / T, axis=1)[np.arange(len(y)), y].mean())


def best_temperature(z: np.ndarray, y: np.ndarray) -> float:
    """Where that is lowest, by a search that knows no slope."""
    from scipy.optimize import minimize_scalar

    return float(
        np.exp(minimize_scalar(lambda log_T: loss_at(z, y, np.exp(log_T)), bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}).x)
    )


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: NoisyDigits) -> Mapping[str, Figure]:
    """How sure and how right, the temperature, and who was sure of what is wrong."""
    return OnDemand(
        {
            "how sure and how right": lambda: how_sure(manual, torch_module, data),
            "the best temperature": lambda: the_best(manual, torch_module, data),
            "sure and wrong": lambda: sure_and_wrong(manual, data),
        }
    )


def how_sure(manual: Manual, theirs: Torch, data: NoisyDigits) -> Figure:
    """The reliability diagram, without T and with it, and where the confidences lie."""
    found = [[answers(side, data, scaled) for side in (manual, theirs)] for scaled in (False, True)]
    before, after = (calibration_error(*both[0]) for both in found)
    fig, axes = figure(
        f"{len(data.split.val[1])} digits that nothing was learned from. Left and middle: of the answers that were about so sure, what "
        f"part is right. Below the diagonal the network is too sure. Without T it is {percent(before)} off on average, with T "
        f"{percent(after)}: ECE. Right: how many answers are how sure. Broad: torch; dashed: by hand.",
        columns=3,
        size=(4.0, 3.7),
    )
    edges = np.linspace(0, 1, 11)
    for ax, both, name, error in zip(
        axes[0], found, ("without T", f"T = {float(manual.temperature.T):.2f}"), (before, after), strict=False
    ):
        ax.plot([0, 1], [0, 1], color="#999999", linewidth=1)
        for (confidence, right), look, size, whose in ((both[1], TORCH, 11, "torch"), (both[0], BY_HAND, 4, "by hand")):
            share, sure, correct = reliability(confidence, right)
            seen = share > 0
            ax.plot(sure[seen], correct[seen], marker="o", markersize=size, **look, label=whose)
        ax.set(
            title=f"{name}: ECE {percent(error)}", xlabel="how sure: confidence", ylabel="part that is right", xlim=(0, 1), ylim=(0, 1.02)
        )
        ax.legend(fontsize=8, loc="upper left")
    right_panel = axes[0, 2]
    for both, name, colour in zip(found, ("without T", "with T"), (CATEGORIES[1], CATEGORIES[0]), strict=True):
        ours, in_torch = (np.repeat(reliability(*side)[0], 2) for side in both)
        x = np.repeat(edges, 2)[1:-1]
        draw_both(right_panel, np.stack([x, ours]), np.stack([x, in_torch]), name, colour)
    right_panel.set(title="how many are how sure", xlabel="confidence", ylabel="share of the answers", xlim=(0, 1), ylim=(0, None))
    right_panel.legend(fontsize=8, loc="upper left")
    return fig


def the_best(manual: Manual, theirs: Torch, data: NoisyDigits) -> Figure:
    """The loss by temperature: on the digits that the network learned from, and on those of the temperature."""
    T = float(manual.temperature.T)
    x, y, x_cal, y_cal = data.split.train
    parts = [(scores(manual, of, scaled=False), digits) for of, digits in ((x, y), (x_cal, y_cal))]
    best = best_temperature(*parts[1])
    z, _ = parts[0]
    learned = (
        "nothing is wrong, so the surer the better: it falls all the way to the left"
        if (z.argmax(axis=1) == y).all()
        else f"it is lowest at {best_temperature(z, y):.3f}"
    )
    fig, axes = figure(
        f"The loss by temperature, the network left as it is. On the calibration part it is lowest at T = {best:.3f}, by a "
        f"search that knows no slope; training found {T:.3f} (dot: by hand, ring: torch). On those that it has learned {learned}.",
        size=(5.6, 3.8),
    )
    (ax,) = axes[0]
    over = np.geomspace(0.1, 10, 80)
    for part, name, colour in zip(parts, ("learned by the network", "calibration part"), CATEGORIES, strict=False):
        ax.plot(over, [loss_at(*part, t) for t in over], color=colour, label=name)
    ax.plot(float(theirs.temperature.T.detach()), loss_at(*parts[1], T), "o", color=TORCH["color"], markersize=13, zorder=3)
    ax.plot(T, loss_at(*parts[1], T), "o", color=BY_HAND["color"], zorder=3, label=f"T = {T:.2f}, as trained")
    ax.set(title="which temperature?", xlabel="T", ylabel="mean of −log p", xscale="log", ylim=(-0.05, 2.3))
    ax.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    ax.legend(fontsize=8, loc="upper center")
    return fig


def sure_and_wrong(manual: Manual, data: NoisyDigits) -> Figure:
    """The misread digits of which the network was surest, without T and with it."""
    x, y = data.split.val
    z = scores(manual, x, scaled=False)
    sure, calm = (softmax(of, axis=1).max(axis=1) for of in (z, scores(manual, x, scaled=True)))
    read = z.argmax(axis=1)
    wrong = np.flatnonzero(read != y)
    shown = wrong[np.argsort(-sure[wrong])][:8]
    fig, axes = figure(
        f"Of {len(y)} digits {len(wrong)} are misread; the {len(shown)} of which the network was surest. Above each: what it is → what it "
        "was taken for, and how sure, without T → with it. They are misread with T too, but one would no longer bet as much on them.",
        rows=2,
        columns=4,
        size=(1.5, 1.85),
    )
    for ax in axes.flat:
        ax.axis("off")
    for ax, i in zip(axes.flat, shown, strict=False):
        ax.imshow(x[i].reshape(8, 8), cmap="Greys", vmin=-0.3, vmax=1.3)
        ax.set_title(f"{y[i]} → {read[i]}\n{100 * sure[i]:.0f} % → {100 * calm[i]:.0f} %", fontsize=9)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def too_sure(run: Trained) -> float:
    """How much surer than right the network is, without its temperature."""
    return run.metrics["confidence/val"] - run.metrics["accuracy/val"]


def too_sure_scaled(run: Trained) -> float:
    """The same with it."""
    return run.metrics["confidence_scaled/val"] - run.metrics["accuracy/val"]


def temperature(run: Trained) -> float:
    """T."""
    return float(run.manual.temperature.T)


WHICH = ("below 0.9: it should be surer", 0.9, "about 1", 1.25, "above 1.25: it should be less sure")

QUESTIONS = (
    by_size(
        "The network reads all of its 500 digits right, and is then asked for 797 others. Is it as sure of these as it is right?",
        too_sure,
        *("it is less sure than right", -0.03, "as sure as right, within 3 %", 0.03, "it is surer than right"),
        seen="mean confidence minus part that is right: {:+.1%}",
        why="With all of its own digits right the loss still falls by being surer of each. What it is unsure of, it never saw.",
        look_at=("how sure and how right", "on which side of the diagonal the points without T lie."),
    ),
    by_size(
        "The network is stopped after 30 steps in place of 150. Which T will then be learned?",
        temperature,
        *WHICH,
        seen="T = {:.2f}",
        why="A network at its beginning is unsure also of what it reads right: its scores are still small. A T below 1 makes them larger.",
        model={"epochs": 30},
        trainer={"max_epochs": 80},
        look_at=("how sure and how right", "on which side of the diagonal the points without T lie now."),
    ),
    by_size(
        "No noise: of the digits that it has not seen, too, it reads nearly all right. Which T is learned after 150 steps?",
        temperature,
        *WHICH,
        seen="T = {:.2f}",
        why="It is very sure, and nearly always right. T mends the difference between the two, and there is little of it.",
        data={"noise": 0.0},
        look_at=("how sure and how right", "how little the two panels on the left differ."),
    ),
)

MISTAKE = Mistake(
    "The temperature can learn from the digits that the network learned from. They are there already.",
    lambda run: (
        f"T fell to {temperature(run):.2f}. The network is now {run.metrics['confidence_scaled/val']:.0%} sure on average, and right in "
        f"{run.metrics['accuracy/val']:.0%}: it was {run.metrics['confidence/val']:.0%} sure before T."
    ),
    lambda run: temperature(run) < 0.8 and too_sure_scaled(run) > too_sure(run) > 0.05,
    "On the digits that it knows by heart the network is never wrong, so the surer the better. How often it errs only others can say.",
    data={"separate": False},
)


def learned(run: Trained) -> str:
    """How sure and how right, before and after."""
    before, after = (calibration_error(*answers(run.manual, run.data, scaled)) for scaled in (False, True))
    return (
        f"It reads {percent(run.metrics['accuracy/val'])} of the noisy digits, and is {percent(run.metrics['confidence/val'])} sure. Over "
        f"T = {temperature(run):.3f} it reads the same and is {percent(run.metrics['confidence_scaled/val'])} sure: the calibration error "
        f"goes from {percent(before)} to {percent(after)}."
    )


TWIN = Twin(
    name="calibration",
    manual=Manual,
    torch=Torch,
    data=NoisyDigits,
    learned=learned,
    look_at=("how sure and how right", "how the points come onto the diagonal."),
    needs=("digits_mlp",),
    trainer={"max_epochs": 210, "check_val_every_n_epoch": 10},
    options={"epochs": 0, "lr_temperature": Second(0.25, given={"epochs": 0})},
    constant_draw="constant_scores",
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("Temperature.backward", ("T is one number, used by every score of every image.",)),
        Exercise("Calibration.backward", ("The last loss that was taken is the first to go back.",)),
    ),
)

if __name__ == "__main__":
    run("calibration")
