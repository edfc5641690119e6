"""The training loop: what a Trainer does, in the open

Four lines learn a curve from twelve noisy points, a batch at a time; and each of them is left out once, to see what it was for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.calculus.gradients import seconds
from experiments.data.arrays import ArrayData, Split
from experiments.data.changes import first_columns
from experiments.data.loaders import ShuffledOrder
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.written import label_lines
from experiments.judge.convert import load_in_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.networks.training_loop import TrainingLoop as Manual
from torch_impl.networks.training_loop import TrainingLoop as Torch

Array = np.ndarray
FEATURES = 11


def curve(x: Array) -> Array:
    """What there is to be learned."""
    return np.sin(3 * x)


def features(x: Array) -> Array:
    """cos(k arccos x) for k = 1 … 11: of x between −1 and 1, ever finer waves (Chebyshev's polynomials). Shapes: (N, 1) to (N, 11)."""
    return np.cos(np.arange(1, FEATURES + 1) * np.arccos(x))


class Points(ArrayData):
    """Points of a sine, off by Normal(0, 0.3): twelve to learn from, and forty that are held out.

    Args:
        batch_size: points in a batch; 0 puts all of them into one.
        seed: of the points and of the order of the batches.
    """

    def __init__(self, batch_size: int = 4, seed: int = 2) -> None:
        super().__init__(batch_size, seed)

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        x, x_val = np.sort(rng.uniform(-1, 1, (12, 1)), axis=0), rng.uniform(-1, 1, (40, 1))
        y, y_val = (curve(at) + 0.3 * rng.normal(size=at.shape) for at in (x, x_val))
        return Split((features(x), y), (features(x_val), y_val))


# ---- the loop, with a line left out ----------------------------------------------------------------

LOOPS = {
    "all four lines": ("zero_grad", "loss", "backward", "step"),
    "without zero_grad": ("loss", "backward", "step"),
    "without backward": ("zero_grad", "loss", "step"),
    "without step": ("zero_grad", "loss", "backward"),
    "zero_grad between backward and step": ("loss", "backward", "zero_grad", "step"),
}
"""What is done with every batch, in order."""


def batches(data: ArrayData, epochs: int) -> Iterator[tuple[Array, ...]]:
    """Of so many epochs, in an order that is drawn anew for each."""
    order = ShuffledOrder(len(data.split.train[0]), data.seed)
    for order.epoch in range(epochs):
        rows = list(order)
        for i in range(0, len(rows), data.batch_size or len(rows)):
            yield tuple(a[rows[i : i + (data.batch_size or len(rows))]] for a in data.split.train)


def loop_by_hand(model: Manual, data: ArrayData, lines: tuple[str, ...], epochs: int) -> Array:
    """The loss over all training points, before the first step and after every one."""
    optimizer, losses = model.configure_optimizers(), [model.mse_loss(data.split.train)]
    model.forget()
    for batch in batches(data, epochs):
        loss_is_known = False
        for line in lines:
            if line == "zero_grad":
                optimizer.zero_grad()
            elif line == "loss":
                model.mse_loss(batch)
                loss_is_known = True
            elif line == "backward":
                model.mse_loss_backward()
                loss_is_known = False
            else:
                optimizer.step()
        if loss_is_known:
            model.forget()
        losses.append(model.mse_loss(data.split.train))
        model.forget()
    return np.array(losses)


@torch.enable_grad()
def loop_in_torch(model: Torch, data: ArrayData, lines: tuple[str, ...], epochs: int) -> Array:
    """The same, of a bare torch loop."""
    everything = tuple(map(torch.from_numpy, data.split.train))
    optimizer, losses = model.configure_optimizers(), [model.mse_loss(everything).item()]  # type: ignore[arg-type]
    for batch in batches(data, epochs):
        for line in lines:
            if line == "zero_grad":
                optimizer.zero_grad()
            elif line == "loss":
                loss = model.mse_loss(tuple(map(torch.from_numpy, batch)))  # type: ignore[arg-type]
            elif line == "backward":
                loss.backward()
            else:
                optimizer.step()
        losses.append(model.mse_loss(everything).item())  # type: ignore[arg-type]
    return np.array(losses)


def begin() -> tuple[Any, Any]:
    """The same pair for every loop."""
    ours, theirs = TWIN.build()
    load_in_torch(TWIN.naming, theirs, ours.state_dict())
    return ours, theirs


@cache
def looped(name: str, epochs: int = 12) -> tuple[Array, Array]:
    """The losses of one of LOOPS, by hand and in torch."""
    (ours, theirs), data = begin(), TWIN.make_data()
    return loop_by_hand(ours, data, LOOPS[name], epochs), loop_in_torch(theirs, data, LOOPS[name], epochs)


def a_line_left_out() -> Figure:
    """What each line of the loop is for."""
    fig, axes = figure(
        "The same points and first weights, twelve epochs of three steps; each curve is a loop in which something is done otherwise. "
        "Without backward, without step, or with zero_grad in between, nothing moves: three curves lie on one level line. Without "
        "zero_grad every step follows all gradients so far, and the loss swings. Bands: torch, dashes: by hand.",
        size=(7.6, 3.9),
    )
    ax = axes[0, 0]
    for (name, _), colour in zip(LOOPS.items(), CATEGORIES, strict=False):
        draw_both(ax, *looped(name), name, colour)
    ax.set(title="the loss over all twelve points", xlabel="step", ylabel="loss", yscale="log")
    ax.set_ylim(top=9)
    ax.legend(fontsize=8, loc="upper center", ncols=2)
    return fig


# ---- held out --------------------------------------------------------------------------------------


@cache
def long_training(epochs: int = 400) -> tuple[Array, Array, dict[str, tuple[Array, Array]]]:
    """Both losses after every epoch, and the weights (W, b) at the lowest held-out loss and at the end."""
    model, data = begin()[0], TWIN.make_data()
    optimizer, losses, places = model.configure_optimizers(), [], []
    for i, batch in enumerate(batches(data, epochs), 1):
        optimizer.zero_grad()
        model.mse_loss(batch)
        model.mse_loss_backward()
        optimizer.step()
        if i % 3 == 0:
            losses.append([np.mean((model(x) - y) ** 2) for x, y in (data.split.train, data.split.val)])
            places.append((model.W.data.copy(), model.b.data.copy()))
    train, held_out = np.array(losses).T
    return train, held_out, {"at the lowest held-out loss": places[int(held_out.argmin())], "at the end": places[-1]}


def learned_by_heart() -> Figure:
    """Both losses over the epochs, and the curves that belong to two of them."""
    train, held_out, places = long_training()
    best = int(held_out.argmin()) + 1
    fig, axes = figure(
        f"Left: the loss on the twelve points that it learns from, and on forty that it never sees. The one falls for ever; the other "
        f"falls until epoch {best}, and then grows: the model overfits. Right: the curve it had then, and the curve after {len(train)} "
        "epochs, which bends to the noise of single points. Who stops at the lowest held-out loss stops early, and nearer to the truth.",
        columns=2,
        size=(5.0, 3.8),
    )
    left, right = axes[0]
    epochs = np.arange(1, len(train) + 1)
    left.plot(epochs, train, color=CATEGORIES[0], label="learned from")
    left.plot(epochs, held_out, color=CATEGORIES[3], label="held out")
    left.axvline(best, color="black", linewidth=0.8, linestyle=":")
    left.set(title="two losses", xlabel="epoch", ylabel="loss", xscale="log", yscale="log")
    label_lines(left)
    data = TWIN.make_data()
    x = np.cos(np.arccos(data.split.train[0][:, :1]))
    grid = np.linspace(-1, 1, 300)[:, None]
    right.plot(grid, curve(grid), color="0.6", linewidth=1, label="what there is to learn")
    for (name, (W, b)), colour in zip(places.items(), (CATEGORIES[0], CATEGORIES[3]), strict=True):
        right.plot(grid, features(grid) @ W + b, color=colour, label=name)
    right.plot(x, data.split.train[1], "o", color="black", markersize=5, label="the twelve points")
    right.set(title="two curves", xlabel="x", ylabel="y", ylim=(-2, 2), xticks=(-1, -0.5, 0, 0.5, 1))
    right.legend(fontsize=8)
    return fig


# ---- one by one, or all at once --------------------------------------------------------------------


def times_as_long(rows: int) -> tuple[float, float]:
    """How many times as long so many guesses take one by one, as all at once: by hand and in torch, measured now."""
    (ours, theirs), x = begin(), np.random.default_rng(0).normal(size=(rows, FEATURES))

    def measured(guess: Any, x: Any) -> float:
        return seconds(lambda: [guess(x[n : n + 1]) for n in range(rows)], 3) / seconds(lambda: guess(x), 20)

    with torch.no_grad():
        return measured(ours, x), measured(theirs, torch.from_numpy(x))


def one_by_one(sizes: tuple[int, ...] = (10, 100, 1000)) -> Figure:
    """What it costs not to be vectorised."""
    measured = {rows: times_as_long(rows) for rows in sizes}
    ours, theirs = measured[sizes[-1]]
    fig, axes = figure(
        f"How many times as long the guesses of a batch take one by one, in a loop, as all at once, in one product. Measured on this "
        f"machine when this was drawn: for {sizes[-1]:,} rows about {rounded(ours)} times by hand and {rounded(theirs)} times in torch. A "
        "call costs nearly the same for one row as for a hundred, so that the more rows there are, the more it pays to call once.",
        size=(6.4, 3.2),
    )
    ax, at = axes[0, 0], np.arange(len(sizes))
    for side, (name, look) in enumerate((("torch", TORCH), ("by hand", BY_HAND))):
        ratios = [measured[rows][1 - side] for rows in sizes]
        bars = ax.barh(at + 0.2 - 0.4 * side, ratios, height=0.38, color=look["color"], label=name)
        ax.bar_label(bars, [f" {rounded(ratio)} times" for ratio in ratios], fontsize=9)
    ax.set_yticks(at, [f"{rows:,} rows" for rows in sizes])
    ax.set(title="one by one against all at once", xlabel="times as long (measured on this machine)")
    ax.set_xlim(right=1.25 * max(map(max, measured.values())))
    ax.legend(fontsize=8, loc="lower right")
    return fig


def rounded(ratio: float) -> str:
    """Two digits of a measured number; more would be another time others."""
    return f"{float(f'{ratio:.2g}'):,.0f}"


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """What each line is for; what is learned by heart; and why there are batches."""
    return OnDemand(
        {"a line left out": lambda: a_line_left_out(), "learned by heart": lambda: learned_by_heart(), "one by one": lambda: one_by_one()}
    )


# ---- text ------------------------------------------------------------------------------------------


def slope_of_b(batch: tuple[Array, ...]) -> float:
    """∂L/∂b on these examples, at weights that are the same for all."""
    model = Manual(rng=np.random.default_rng(0))
    model.mse_loss(batch)
    model.mse_loss_backward()
    return float(model.b.grad[0])


def noise_of_batches() -> str:
    """The slopes of the batches of an epoch, and that of all examples, in a sentence."""
    data = Points()
    *others, last = (f"{slope_of_b(batch):+.2f}".replace("-", "−") for batch in batches(data, 1))
    everything = f"{slope_of_b(data.split.train):+.2f}".replace("-", "−")
    return f"at the same weights ∂L/∂b is {', '.join(others)} and {last} for the three batches of an epoch, and {everything} for all points"


TEXT = f"""
| word | here | what it is for |
| --- | --- | --- |
| batch | 4 of the 12 points | one round of the loop: the weights move once |
| epoch | 3 rounds | every point was seen once |
| held out | 40 points | to see what was learned, and not known by heart |
| shuffling | a new order in every epoch | no batch is met twice, so that its own noise is not followed |
| hyperparameters | lr 0.1, batches of 4, 60 epochs | chosen by you: `--model.lr`, `--data.batch_size`, `--trainer.max_epochs` |

The noise of SGD: {noise_of_batches()}, which is the mean of the three.

What Lightning's Trainer does beside these four lines: it moves the model and the batches to the device, asks for a validation at the end
of an epoch, writes what is logged, and saves checkpoints. In every other concept it runs the four lines too.
"""

# ---- to do -----------------------------------------------------------------------------------------


def swing(run: Trained) -> float:
    """The largest loss of the second half of the run, beside the first loss."""
    return max(run.losses[len(run.losses) // 2 :]) / run.losses[0]


def end_of_long_training(run: Trained) -> float:
    """The held-out loss after 400 epochs, beside the lowest that it was."""
    _, held_out, _ = long_training()
    return float(held_out[-1] / held_out.min())


QUESTIONS = (
    by_size(
        "Twelve points, batches of 4. How many steps does an epoch have?",
        lambda run: len(list(batches(run.data, 1))),
        *("1", 2, "3", 4, "4", 8, "12"),
        seen="counted, {}",
        why="Each batch is one round of the loop, and so one step; after three of them every point was seen once.",
        trainer={"max_epochs": 10},
    ),
    by_size(
        "zero_grad = False: nobody forgets the gradients of the batches before. What will the loss do?",
        swing,
        *("it falls, as with it", 0.8, "it swings up and down"),
        seen="in the second half of the run it goes up to {:.1f} times the first loss",
        why="Gradients are added up: each step goes in the direction of all of them together, far past the lowest point and back again.",
        model={"zero_grad": False},
        look_at=("a line left out", "the curve without zero_grad, beside the one with all four lines."),
    ),
    by_size(
        "The training goes on for 400 epochs. What will the loss on the held-out points have done at the end?",
        end_of_long_training,
        *("it stays at its lowest", 1.2, "it grows again"),
        seen="it is {:.1f} times its lowest",
        why="With 11 features for 12 points what is left to learn is their noise, and that is another in the held-out ones.",
        trainer={"max_epochs": 10},
        look_at=("learned by heart", "at which epoch the upper curve turns."),
    ),
)

MISTAKE = Mistake(
    "zero_grad is tidying up: a step follows the gradient with it or without.",
    lambda run: (
        f"Without zero_grad the loss is {run.losses[0]:.3f} at the first batch, and in the last {len(run.losses) // 2} steps it goes up to "
        f"{max(run.losses[len(run.losses) // 2 :]):.3f} again."
    ),
    lambda run: run.agree and swing(run) > 0.8,
    "A backward adds to what is there. What nobody clears is followed again, and again, long after it was true.",
    {"zero_grad": False},
)


def learned(run: Trained) -> str:
    """Both losses, and what they say."""
    return (
        f"{len(run.losses)} rounds of four lines took the loss from {run.losses[0]:.2f} to {np.mean(run.losses[-3:]):.3f} on the points "
        f"that were learned from; on those that were held out it is {run.metrics['loss/val']:.3f}."
    )


TWIN = Twin(
    name="training_loop",
    manual=Manual,
    torch=Torch,
    data=Points,
    names={"W": "linear.weight.T", "b": "linear.bias"},
    needs=("linear_regression", "autograd"),
    trainer={"max_epochs": 60, "check_val_every_n_epoch": 5},
    variants={"zero_grad forgotten": {"zero_grad": False}},
    objectives=("mse_loss",),
    options={"features": Second(7, data=first_columns(7))},
    sgd_lr=0.1,
    figures=figures,
    learned=learned,
    look_at=("a line left out", "which of the four lines may not be missing, and the one curve that swings."),
    text={"words": TEXT},
    questions=QUESTIONS,
    exercises=(Exercise("TrainingLoop.mse_loss_backward", ("Add to what is there, as every backward does.",)),),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("training_loop")
