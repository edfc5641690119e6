"""The quality of a red wine from eleven measurements, and an article's backward that is wrong.

A network learns how tasters judged 1,599 wines, and the backward that an article printed for it is taken apart, fault by fault.

winequality-red.csv is given with --data.csv PATH, or downloaded once and then kept in the cache. Where it cannot be had scikit-learn's
bundled wines stand in, with their alcohol in place of the score, and every figure says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from experiments import run
from experiments.data.arrays import ArrayData, Split, put_together, standardise
from experiments.data.loaders import ShuffledOrder
from experiments.data.wine import WineQuality
from experiments.drawing.colours import CATEGORIES, MARKERS
from experiments.drawing.figure import OnDemand, figure
from experiments.drawing.words import held_out, percent
from experiments.judge.compare import errors
from experiments.judge.convert import load_in_torch, to_numpy
from experiments.lesson import Exercise, Mistake, Shorter, Trained, by_size
from experiments.pair import Twin
from manual.networks.wine_quality import ArticleWineQuality as ManualArticle
from manual.networks.wine_quality import WineQuality as Manual
from manual.networks.wine_quality import article_backward, article_start, loss
from manual.trainer import Trainer
from torch_impl.networks.wine_quality import ArticleWineQuality as TorchArticle
from torch_impl.networks.wine_quality import WineQuality as Torch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORTED = {"multiple regression": (0.50, 0.591), "neural network": (0.51, 0.591), "support vector machine": (0.46, 0.624)}
"""Cortez et al. (2009), red wine: mean absolute deviation, and accuracy within 0.5; means over cross-validations."""


# ---- which wines ---------------------------------------------------------------------------------


def told(data: ArrayData) -> str:
    """What is told of a wine."""
    return "alcohol (% by volume)" if is_bundled(data) else "score"


def is_bundled(data: ArrayData) -> bool:
    """Whether scikit-learn's wines stand in for UCI's; the arrays must have been loaded."""
    return bool(getattr(data, "bundled", False))


def which(data: ArrayData) -> str:
    """A sentence for captions: nothing if the wines are the article's."""
    if not is_bundled(data):
        return ""
    n = sum(len(part[0]) for part in (data.split.train, data.split.val))
    return f" Here scikit-learn's {n} bundled wines stand in for UCI's: it is their alcohol that is told."


# ---- how good it is ------------------------------------------------------------------------------


def least_squares(split: Split) -> np.ndarray:
    """The scores that the best linear formula predicts for the held-out wines: min over w, b of ‖x w + b − y‖²."""
    with_ones = [np.column_stack([part[0], np.ones(len(part[0]))]) for part in (split.train, split.val)]
    w = np.linalg.lstsq(with_ones[0], split.train[1], rcond=None)[0]  # (12, 1); its last entry is b
    return with_ones[1] @ w


def predicted_against_true(manual: Manual, data: ArrayData) -> Figure:
    """Every held-out wine: what it was given, and what was predicted."""
    x, y = data.split.val
    predictions = {"least squares": least_squares(data.split), "the network": manual(x)}
    shifted = "" if is_bundled(data) else "; scores are whole numbers, so the dots are shifted a little along the line, to be seen"
    fig, axes = figure(
        f"Each dot is one of {len(y)} wines that were not trained on{shifted}. A dot on the line is a perfect prediction, one in the "
        "band is off by at most half a point."
        + (
            ""
            if is_bundled(data)
            else " Both formulas keep to the middle, where most wines are: there are too few bad and good ones to learn from."
        )
        + which(data),
        columns=2,
        size=(4.6, 4.2),
        sharex=True,
        sharey=True,
    )
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, y.shape) * (not is_bundled(data))
    ends = np.array([y.min(), y.max()]) if is_bundled(data) else np.array([min(y.min(), 3), max(y.max(), 8)])
    ends += (-0.8, 0.8)
    for panel, (name, y_hat) in zip(axes[0], predictions.items(), strict=True):
        found = manual.metrics(y_hat, y)
        panel.fill_between(ends, ends - 0.5, ends + 0.5, color="#dddddd", linewidth=0, label="within 0.5")
        panel.plot(ends, ends, color="black", linewidth=0.8)
        panel.scatter(y + jitter, y_hat + jitter, s=9, color=CATEGORIES[0], alpha=0.6, linewidths=0)
        deviation, accuracy = found["mean absolute deviation"], found["accuracy within 0.5"]
        panel.set(
            title=f"{name}: off by {deviation:.2f} on average,\n{accuracy:.1%} within 0.5",
            xlabel=f"true {told(data)}",
            xlim=ends,
            ylim=ends,
        )
    axes[0, 0].set_ylabel(f"predicted {told(data)}")
    axes[0, 0].legend(loc="upper left")
    return fig


def beside_others(manual: Manual, data: ArrayData) -> Figure:
    """Deviation and accuracy of this network, of least squares on the same wines, and of what was published."""
    x, y = data.split.val
    always_mean = np.full_like(y, data.split.train[1].mean())
    here = {"always the mean": always_mean, "least squares": least_squares(data.split), "this network": manual(x)}
    measured = {name: tuple(manual.metrics(y_hat, y).values()) for name, y_hat in here.items()}
    others = {} if is_bundled(data) else {f"Cortez et al.: {name}": found for name, found in REPORTED.items()}
    rows, spread = {**measured, **others}, (0.6 * 0.4 / len(y)) ** 0.5
    fig, axes = figure(
        f"{'' if is_bundled(data) else 'Dark: '}here, on {len(y)} held-out wines. ".capitalize()
        + ("" if is_bundled(data) else "Light: what Cortez et al. (2009) report for red wine, as a mean over many splits. ")
        + f"With {len(y)} wines an accuracy near 60 % is known to about ±{100 * spread:.1f} points only, and all models on one split "
        "share its "
        + ("luck." if is_bundled(data) else "luck: compare the dark bars with each other, and with the light ones only roughly.")
        + which(data),
        columns=2,
        size=(5.4, 3.2),
        sharey=True,
    )
    colours = [CATEGORIES[0]] * len(measured) + ["#bbbbbb"] * len(others)
    for panel, values, title, form in (
        (axes[0, 0], [row[0] for row in rows.values()], "Off by, on average (short is good)", "{:.2f}"),
        (axes[0, 1], [100 * row[1] for row in rows.values()], "Within 0.5 of the truth, % (long is good)", "{:.1f}"),
    ):
        bars = panel.barh(list(rows), values, color=colours)
        panel.bar_label(bars, [form.format(v) for v in values], padding=3)
        panel.set(title=title, xlim=(0, 1.15 * max(values)))
    axes[0, 0].invert_yaxis()
    return fig


NAMES = {
    "W1": "network.0.weight.T", "b1": "network.0.bias", "W2": "network.2.weight.T", "b2": "network.2.bias",
    "z1": "network.0", "h": "network.1", "y_hat": "network.2",
}  # fmt: skip
"""What each parameter, and each value on the way, is called in torch."""

# ---- to do ---------------------------------------------------------------------------------------------


def beside_the_formula(run: Trained) -> float:
    """The mean absolute deviation on the held-out wines, over that of least squares."""
    _, y = held_out(run)
    straight = run.manual.metrics(least_squares(run.data.split), y)
    return run.metrics["mean absolute deviation/val"] / straight["mean absolute deviation"]


def spread(run: Trained) -> float:
    """The std of what is foretold for the held-out wines, over that of their scores."""
    y_hat, y = held_out(run)
    return float(y_hat.std() / y.std())


SHORT = {"max_epochs": 10}

QUESTIONS = (
    by_size(
        "After ten epochs: how far off is the network on wines that it has not seen, beside the best straight formula?",
        beside_the_formula,
        *("half as far", 0.7, "about as far", 1.6, "twice as far"),
        seen="{:.2f} times as far",
        why="What can be told of the score can mostly be told by adding up: the bends that a hidden layer may make are worth little here.",
        trainer=SHORT,
        look_at=(lambda run: beside_others(run.manual, run.data), "how near the bars are to each other."),
    ),
    by_size(
        "Do the foretold scores scatter as widely as the true ones?",
        spread,
        *("less widely", 0.97, "as widely", 1.03, "more widely"),
        seen="their standard deviation is {:.2f} times that of the true scores",
        why="What eleven measurements do not tell, nobody can foretell. There the best guess is the middle, and so the extremes are "
        "missed.",
        trainer=SHORT,
        look_at=(lambda run: predicted_against_true(run.manual, run.data), "how few of the lowest and the highest wines lie in the band."),
    ),
)


class FlatTarget(Manual):
    """The scores as (N,) beside predictions of (N, 1): their difference is a table of N times N, each prediction against each score."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        forward, loss, backward = self.functions
        # ∂L/∂ŷ[n] = Σₘ 2 (ŷ[n] − y[m]) / N² = 2 (ŷ[n] − mean of y) / N
        self.functions = (
            forward,
            lambda y_hat, y: loss(y_hat, y[:, 0]),
            lambda x, y, **values: backward(x, np.full_like(y, y.mean()), **values),
        )


class FlatMSELoss(torch.nn.MSELoss):
    """The same in torch, without the warning that MSELoss gives."""

    def forward(self, y_hat: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (y_hat - y[:, 0]).square().mean()


class FlatTargetInTorch(Torch):
    """The network with that loss."""

    def __init__(self, hidden: int = 64, lr: float = 0.005) -> None:
        super().__init__(hidden, lr)
        self.loss = FlatMSELoss()


MISTAKE = Mistake(
    "Scores are a list of N numbers, so y has the shape (N,). (And predictions have (N, 1).)",
    lambda run: (
        f"The loss falls from {run.losses[0]:.1f} to {run.losses[-1]:.2f}, and nothing complains. But the predictions scatter only "
        f"{spread(run):.2f} times as widely as the scores: nearly all wines get the mean."
    ),
    lambda run: run.agree and spread(run) < 0.3,
    "Broadcasting makes an (N, N) table of (N, 1) − (N,): each prediction is compared with every wine's score, and the best answer to "
    "all of them is their mean. torch's MSELoss warns; NumPy says nothing.",
    {"lr": 0.05},
    trainer={"max_epochs": 6},
    manual=FlatTarget,
    torch=FlatTargetInTorch,
)


def learned(run: Trained) -> str:
    """How far off it is, beside a straight formula, and on which wines."""
    y_hat, y = held_out(run)
    found, straight = (run.manual.metrics(guess, y) for guess in (y_hat, least_squares(run.data.split)))
    return (
        f"It is off by {found['mean absolute deviation']:.2f} on average for {len(y)} wines that it has not seen, and by at most half a "
        f"point for {percent(found['accuracy within 0.5'])} of them. The best straight formula is off by "
        f"{straight['mean absolute deviation']:.2f}.{which(run.data)}"
    )


# ---- further reading: how good it is, and the article ------------------------------------------------------

BACKWARDS: dict[str, Callable[..., dict[str, np.ndarray]]] = {
    "as published": article_backward,
    "with the 2 of the square": partial(article_backward, square=True),
    "with the ReLU on the output": partial(article_backward, output_relu=True),
    "with both": partial(article_backward, square=True, output_relu=True),
}
"""The article's backward, and what each correction makes of it."""

STEPS = 8000
"""Of the article's network: 200 epochs of 40 batches."""

EPOCHS, STARTS = 200, 100
"""Of the article as it ran; and of how many starts the first step is looked at."""

HOW_GOOD = """
All numbers on this page are about UCI's 1,599 red wines. A run that could not get them trains on others, and its figures say so.

Scores are whole numbers from 0 to 10, given by tasters, so being within 0.5 is as good as naming the right one.

| red wine | mean absolute deviation | within 0.5 |
| --- | --- | --- |
| Cortez et al. (2009), multiple regression | 0.50 | 59.1 % |
| Cortez et al. (2009), neural network | 0.51 | 59.1 % |
| Cortez et al. (2009), support vector machine | 0.46 | 62.4 % |
| here, least squares, five-fold cross-validation | 0.51 | 59.3 % |
| here, this network, five-fold cross-validation | 0.49 | 60.9 % |

A run holds out one fifth of the wines, 320, and the table at its end is about these alone. With seed 0 they are harder than
most: least squares is off by 0.53 there. So a run's numbers are to be compared with least squares on the same wines, which the
figure `beside others` does, and only the cross-validation above, in which every wine is held out once, with those of Cortez et al.

What the network adds to a straight formula is real and small: the measurements do not say much more about the taste.

A caution. Of the 1,599 wines 240 repeat an earlier line exactly, and 81 of the 320 held-out wines (seed 0) are also among the
training wines. All numbers on this page look a little better for it.

Source: P. Cortez, A. Cerdeira, F. Almeida, T. Matos, J. Reis, Decision Support Systems 47(4):547-553, 2009.
"""

ARTICLE = """
The numbers on this page are about UCI's red wines, the article's own. The network, its loss and its backward are the article's too. The
wines, the start and the steps are ours: 1,279 wines in random order, weights and biases uniform in ±1/√(inputs), lr = 0.005. So the
wrong backward and the right one can be followed over several steps; *the article as it ran* takes the article's own.

The article's network has a ReLU on its output as well, and its loss is L = mean of (ŷ − y)²:

    z1 = x W1 + b1      h = max(z1, 0)      z2 = h W2 + b2      ŷ = max(z2, 0)

Its backward begins with dL_dz2 = (ŷ − y)/N and goes on as ours does. That is not the gradient of its loss. The right beginning is

    ∂L/∂z2 = 2 (ŷ − y)/N  where z2 > 0,  else 0

so it has two faults: a 2 is missing, and the ReLU of the output is passed as if it were not there. How far the gradient of each
parameter is off, ‖wrong − right‖ / ‖right‖, in the first batch (seed 0), in which 72 % of the predictions were cut off to 0:

| backward | W1 | b1 | W2 | b2 |
| --- | --- | --- | --- | --- |
| as published | 0.78 | 0.71 | 0.68 | 0.65 |
| with the 2 of the square | 1.20 | 2.21 | 1.92 | 2.29 |
| with the ReLU on the output | 0.50 | 0.50 | 0.50 | 0.50 |
| with both | 0.00 | 0.00 | 0.00 | 0.00 |

From step 4 on no prediction is cut off. Then the 2 alone mends everything, and the ReLU alone nothing.

Three things to take home.

**One mended fault can look worse than two.** With the 2 put in, the error of the first step grows: what the forgotten ReLU
pushes too much had been halved. Whoever mends by trial would take that correction out again.

**Two faults can hide each other.** With the initial weights of seed 5, b2 is off by 0.4 % in the first batch, and W1 by 69 %. So all
parameters are compared, not one.

**The loss hardly betrays it.** After 200 epochs the wrong backward has a loss of 0.440 on the held-out wines, the right one 0.448:
the wrong one is even ahead, since half the gradient is half the step, and it has overfitted less. With twice the step size it
reaches 0.448 too.

The ReLU on the output is a fault of the network, not of its backward: where every prediction is cut off at the start, the
right gradient is exactly 0 and the network can never learn, while the wrong one trains it. A score needs no ReLU; our
network has none.
"""

AS_IT_RAN = """
The numbers on this page are about UCI's red wines, the article's own.

The article's script begins with weights of 0.005 times standard normal numbers and with biases of 0, has lr = 0.001, and goes 200 times
through all 1,599 wines as they stand in the file, 32 at a time: 49 batches of 32 and one of 31. Nothing is shuffled and nothing held out.
From three starts (the article draws its own without a seed):

| cut off at first | last loss that is printed | loss over all wines | with the right backward |
| --- | --- | --- | --- |
| 28 % | 0.142 | 0.415 | 0.410 |
| 53 % | 0.144 | 0.414 | 0.410 |
| 69 % | 0.140 | 0.413 | 0.409 |

**The first gradient.** With such small weights every z2 is nearly 0, a little above it or below, and the output's ReLU cuts some of them
off: 30 to 76 % of the first batch in the middle half of 100 starts, and all of it in 2 of them. The right gradient is that of the
others; the published one takes all, and is up to 16 times as far off as the right one is long. Then b2 grows: from the second step on no
prediction is cut off, and the published gradient is half the right one. Where all were cut off, the right gradient is 0, and the right
backward has to wait for a batch in which one is not.

**The loss that is printed.** The script computes the loss batch by batch, and prints, every ten epochs, that of the last batch: of the
last 31 wines of the file. These are easy: a straight line has a loss of 0.143 there, and of 0.417 for all wines. So the network is hardly
better than a straight line, and a number that is 2.9 times too good says otherwise. It is the second thing that misleads, and for
somebody who looks only at what is printed the first. Print the mean over an epoch, or better the loss on wines that were held out.

**The missing 2.** (ŷ − y)/N is the exact gradient of ½ · mean of (ŷ − y)². Many people write the loss with the ½, so that no 2 is left
in its gradient: then it is a choice, and only halves each step. Here it is a fault, because what is printed has no ½. The forgotten
ReLU is a fault in either case.

Our own training stands in *how good is it*: another start, longer steps, a random order, no ReLU on the output, and wines held out.
"""

LISTINGS = """
The article ends with a whole script, which runs. What it shows before, piece by piece, does not:

| what it writes | what comes of it | what is meant |
| --- | --- | --- |
| `np.zeros(h, h)` | TypeError: the second argument is the dtype | `np.zeros((1, h))` |
| `np.zeroes((1, h))` | AttributeError: no such function | `np.zeros((1, h))` |
| `a1, b1, b2, y_hat = dict(z1=0, a1=0, z2=0, y_hat=0)` | four strings, the keys; and no `z1`, which is needed | values by their names |
| `m = X.shape[1]` | 11, the number of measurements | `X.shape[0]`, the number of wines |
| `np.array((64, 10), float)` | the two numbers 64 and 10, which sum to 74 | `np.zeros((64, 10))`, which sums to ten zeros |

And in words and formulas:

- It speaks of two hidden layers with a ReLU on each. The code has one; the second ReLU is on the output, where it does harm.
- Its W2 is first (hidden, hidden), which would make 64 scores for a wine. In the script it is (hidden, 1).
- A derivative says how a function changes with its argument. The article says over time; there is no time here.
- Its example of the chain rule is f(g) = g y with g = x². The right rates are ∂f/∂g = y and ∂g/∂x = 2 x, and their product is 2 x y.
  The article has the product right, and both rates under wrong names.
"""


def batches(data: ArrayData) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of 32 in random order, epoch after epoch without end."""
    x, y = data.split.train
    order = ShuffledOrder(len(x), data.seed)
    while True:
        rows = list(order)
        for start in range(0, len(rows), 32):
            yield x[rows[start : start + 32]], y[rows[start : start + 32]]
        order.epoch += 1


def autograd(article: ManualArticle, batch: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    """The gradient of the article's loss at these weights, from torch."""
    theirs = TorchArticle(hidden=len(article.b1)).double()
    load_in_torch(TWIN.naming, theirs, article.state_dict())
    value = theirs.training_step((torch.from_numpy(batch[0]), torch.from_numpy(batch[1])), 0)
    parameters = dict(theirs.named_parameters())
    gradients = torch.autograd.grad(value, list(parameters.values()))
    found: dict[str, np.ndarray] = to_numpy(TWIN.naming.by_hand(dict(zip(parameters, gradients, strict=True))))
    return found


def article_errors(article: ManualArticle, batch: tuple[np.ndarray, np.ndarray]) -> dict[str, dict[str, float]]:
    """How far each parameter's gradient is from autograd's, ‖wrong − right‖ / ‖right‖, for each of BACKWARDS."""
    values, right = article.values(batch[0]), autograd(article, batch)
    return {name: errors(backward(*batch, **values, **article.arrays()), right) for name, backward in BACKWARDS.items()}


def first_steps(data: ArrayData, steps: int) -> tuple[list[dict[str, dict[str, float]]], list[float]]:
    """Train as published, and at each step take down the errors, and the part of the predictions that the output's ReLU cut off."""
    article = ManualArticle(rng=np.random.default_rng(0))
    trainer = Trainer()
    trainer.attach(article)
    found, cut_off = [], []
    for x, y in islice(batches(data), steps):
        found.append(article_errors(article, (x, y)))
        cut_off.append(float((article.values(x)["z2"] <= 0).mean()))
        trainer.train_batch((x, y), 0)
    return found, cut_off


def article_gradients(data: ArrayData) -> Figure:
    """The error of the article's gradients over the first steps, and what each correction makes of it."""
    found, cut_off = first_steps(data, 10)
    cut = f"{cut_off[0]:.0%} of them in the first batch, {cut_off[-1]:.0%} in the last one shown"
    fig, axes = figure(
        "How far each gradient of the article's backward is from autograd's. Two faults lie on top of each other. The forgotten ReLU "
        f"matters where it had cut a prediction off to 0 ({cut}); putting it in leaves the other fault, one half. The forgotten 2 "
        "matters at every step; putting it in leaves the first fault, while predictions are cut off. With both, what is left is rounding."
        f"{which(data)}",
        rows=2,
        columns=2,
        size=(4.8, 2.9),
        sharex=True,
        sharey=True,
    )
    for panel, name in zip(axes.flat, BACKWARDS, strict=True):
        panel.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
        for offset, parameter in enumerate(("W1", "b1", "W2", "b2")):
            line = [step[name][parameter] for step in found]
            places = np.arange(len(line)) + 0.12 * (offset - 1.5)  # side by side, where all four are equal
            label = f"{parameter}: {line[0]:.2g} at first, {line[-1]:.2g} at last"
            panel.plot(places, line, marker=MARKERS[offset], color=CATEGORIES[offset], markersize=4, linewidth=0.8, label=label)
        panel.set(title=name, xticks=range(len(found)))
        panel.legend(fontsize=8, loc="upper right")
    for panel in axes[-1]:
        panel.set_xlabel("step")
    for panel in axes[:, 0]:
        panel.set_ylabel("error of the gradient")
    return fig


def train_article(data: ArrayData, lr: float, corrected: bool, steps: int = STEPS) -> tuple[ManualArticle, np.ndarray]:
    """The article's network after so many steps, from the same initial weights each time, and the loss at each step."""
    article = ManualArticle(lr=lr, square=corrected, output_relu=corrected, rng=np.random.default_rng(0))
    trainer = Trainer()
    trainer.fit(article, islice(batches(data), steps))
    return article, np.array(trainer.history)


def article_losses(data: ArrayData) -> Figure:
    """The loss of the article's network, trained wrong and right."""
    lr = Manual().lr
    runs: dict[str, tuple[float, bool, dict[str, Any]]] = {
        "as published": (lr, False, {"color": CATEGORIES[3]}),
        "as published, steps twice as long": (2 * lr, False, {"color": CATEGORIES[1], "linewidth": 5, "alpha": 0.6}),
        "with both corrections": (lr, True, {"color": CATEGORIES[0]}),
    }
    fig, axes = figure(
        "The article's network trained with its wrong backward and with the right one, each point a mean over 40 steps. All curves fall, "
        "and from the held-out losses nobody could tell which is wrong. Half the gradient is half the step: with twice the step size the "
        f"wrong curve lies on the right one. A loss that falls proves little: gradients must be compared with gradients.{which(data)}",
        size=(7.8, 3.9),
    )
    for name, (size, corrected, style) in runs.items():
        article, history = train_article(data, size, corrected)
        x, y = data.split.val
        found = article.metrics(article(x), y)["mean absolute deviation"]
        label = f"{name}: training {history[-40:].mean():.3f}, held out {loss(article(x), y):.3f}, off by {found:.3f}"
        axes[0, 0].plot(40 * np.arange(1, STEPS // 40 + 1), history.reshape(-1, 40).mean(axis=1), label=label, **style)
    axes[0, 0].set(title="A loss that falls, wrong or right", xlabel="step", ylabel="training loss", xscale="log", yscale="log")
    axes[0, 0].legend()
    return fig


# ---- further reading: the article as it ran, from its own start, with its own lr, over all wines in order ---


class Ran(NamedTuple):
    """What the article's script does from one start.

    Args:
        cut_off: the part of the predictions that the output's ReLU cut off, for each step of the first epoch.
        printed: the loss of the last batch of each epoch.
        over_all: the loss over all wines after each epoch.
    """

    cut_off: tuple[float, ...]
    printed: tuple[float, ...]
    over_all: tuple[float, ...]


def all_wines(data: ArrayData) -> tuple[np.ndarray, np.ndarray]:
    """Every wine in the order of the file, standardised by all of them, and what is told of it."""
    everything = put_together(data.split, data.seed)
    x, y = standardise(Split(everything, everything)).train
    return x, y


def beginning(seed: int, corrected: bool = False) -> ManualArticle:
    """The article's network as its script begins, with its backward or with the right one."""
    article = ManualArticle(lr=0.001, square=corrected, output_relu=corrected)
    article.load_state_dict(article_start(rng=np.random.default_rng(seed)))
    return article


def as_it_ran(data: ArrayData, seed: int, corrected: bool = False, epochs: int = EPOCHS) -> Ran:
    """Train as the article's script does, with its backward or with the right one."""
    x, y = all_wines(data)
    article = beginning(seed, corrected)
    p, (forward, loss, backward) = article.arrays(), article.functions  # bare, for speed
    cut_off, printed, over_all = [], [], []
    for epoch in range(epochs):
        for begin in range(0, len(x), 32):
            batch = x[begin : begin + 32], y[begin : begin + 32]
            values = forward(batch[0], **p)
            of_batch = float(loss(values["y_hat"], batch[1]))
            if epoch == 0:
                cut_off.append(float((values["z2"] <= 0).mean()))
            dL = backward(*batch, **values, **p)
            p = {name: p[name] - article.lr * dL[name] for name in p}
        printed.append(of_batch)
        over_all.append(float(loss(forward(x, **p)["y_hat"], y)))
    return Ran(tuple(cut_off), tuple(printed), tuple(over_all))


def first_gradients(data: ArrayData, starts: int) -> tuple[np.ndarray, np.ndarray]:
    """Of so many starts: the part of the first batch that is cut off, and the error of each parameter's published gradient, (starts, 4).

    Where all of them are cut off the right gradient is 0, and the error infinite.
    """
    x, y = (a[:32] for a in all_wines(data))
    begun = [beginning(seed) for seed in range(starts)]
    cut_off = [(article.values(x)["z2"] <= 0).mean() for article in begun]
    found = [list(article_errors(article, (x, y))["as published"].values()) for article in begun]
    return np.array(cut_off), np.array(found)


def straight_line(data: ArrayData) -> tuple[float, float]:
    """The loss of the best straight formula for all wines: on the last batch, and over all."""
    x, y = all_wines(data)
    square = (least_squares(Split((x, y), (x, y))) - y) ** 2
    return float(square[-last_batch(data) :].mean()), float(square.mean())


def last_batch(data: ArrayData) -> int:
    """How many of all wines are in the last batch of 32 at most."""
    n = len(all_wines(data)[0])
    return n - 32 * ((n - 1) // 32)


def article_as_it_ran(data: ArrayData) -> Figure:
    """What the article's script prints, and what is so; and how wrong its first gradient is, from many starts."""
    ran, right = (as_it_ran(data, 0, corrected, EPOCHS) for corrected in (False, True))
    (line_there, line), n, there = straight_line(data), len(all_wines(data)[0]), last_batch(data)
    cut_off, found = first_gradients(data, STARTS)
    none_left = np.isinf(found).any(axis=1)
    worst = found[~none_left].max(axis=1, initial=0)
    fig, axes = figure(
        f"Left: the article's script prints the loss of an epoch's last batch, {there} wines: {ran.printed[-1]:.3f} at the end. Over all "
        f"{n} wines it is {ran.over_all[-1]:.3f}, with the right backward {right.over_all[-1]:.3f}; a straight line has {line:.3f} (on "
        f"those {there}: {line_there:.3f}). Right: the first step from {STARTS} starts. The more predictions are cut off to 0 (over "
        f"{np.median(cut_off):.0%} in half of them), the more wrong the published gradient of the worst parameter: by up to "
        f"{worst.max(initial=0):.1f} times the right one. Starts with all cut off: {none_left.sum()}.{which(data)}",
        columns=2,
        size=(5.0, 3.8),
    )
    left, panel = axes[0]
    epochs = np.arange(1, len(ran.printed) + 1)
    for losses, height, colour, name in (
        (ran.over_all, line, CATEGORIES[0], "over all wines"),
        (ran.printed, line_there, CATEGORIES[3], "the last batch, printed"),
    ):
        left.plot(epochs, losses, color=colour, label=name)
        left.axhline(height, color=colour, linewidth=1, linestyle=":", label=f"{name.removesuffix(', printed')}: a straight line")
    left.set(title="What is printed, and what is so", xlabel="epoch", ylabel="loss", yscale="log")
    left.legend(fontsize=8)
    panel.scatter(100 * cut_off[~none_left], worst, s=14, color=CATEGORIES[0])
    panel.axhline(0.5, color="grey", linewidth=0.8, linestyle=":", label="½: only the 2 is missing")
    panel.set(title="How wrong the first gradient is", xlabel="predictions cut off, %", ylabel="error of the gradient", yscale="log")
    panel.legend(fontsize=8)
    return fig


# ---- the pair ----------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: ArrayData) -> Mapping[str, Figure]:
    """All figures of the trained pair."""
    return OnDemand(
        {
            "predicted against true score": lambda: predicted_against_true(manual, data),
            "beside others": lambda: beside_others(manual, data),
            "the article/error of its gradients": lambda: article_gradients(data),
            "the article/its loss": lambda: article_losses(data),
            "the article/as it ran": lambda: article_as_it_ran(data),
        }
    )


TWIN = Twin(
    name="wine_quality",
    manual=Manual,
    torch=Torch,
    data=WineQuality,
    names=NAMES,
    needs=("chain_rule", "hidden_layer", "linear_regression"),
    trainer={"max_epochs": 200},
    shorter=Shorter(trainer={"max_epochs": 50}),
    idle={"data.csv": "a path to a file that is not here; tests/data/test_wine.py gives it one"},
    sgd_lr=0.005,
    figures=figures,
    learned=learned,
    look_at=("predicted against true score", "how few of the lowest and the highest wines lie in the band."),
    text={
        "how good is it": HOW_GOOD.strip(),
        "the article's backward": ARTICLE.strip(),
        "the article as it ran": AS_IT_RAN.strip(),
        "the article's listings": LISTINGS.strip(),
    },
    further=(
        *("the article/error of its gradients", "the article/its loss", "the article/as it ran"),
        *("how good is it", "the article's backward", "the article as it ran", "the article's listings"),
    ),
    questions=QUESTIONS,
    exercises=(Exercise("backward", ("Begin with the 2 of the square and the 1/N of the mean.",)),),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("wine_quality")
