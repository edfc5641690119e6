"""Likelihood: what would make these data least surprising

A coin is thrown ten times, falls heads seven times and rolls to the right, and both sides climb to the p, the mean and the standard
deviation that make these throws most probable, which is where the closed form says they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES, of_sign
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure, unbroken
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.nn.functional import sigmoid
from manual.probability.likelihood import Likelihood as Manual
from manual.probability.likelihood import (
    bernoulli_closed_form,
    bernoulli_likelihood,
    bernoulli_log_likelihood,
    bernoulli_log_likelihood_backward,
    normal_closed_form,
)
from torch_impl.probability.likelihood import Likelihood as Torch


class Throws(ArrayData):
    """Throws of a coin, a batch is (heads, rolled): whether heads (1 or 0), and how far to the right it rolled, in
    decimetres (below 0: to the left).

    Seven of ten are heads, and the distances are Normal(3, 1.5). 400 other throws of the same coin, p = 0.7, are held out.

    Args:
        throws: how many to learn from.
        batch_size: throws in a batch; 0 puts all of them into one.
        seed: of the throws and of their order.
    """

    true_p, true_mean, true_std = 0.7, 3.0, 1.5

    def __init__(self, throws: int = 10, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if throws < 1:
            raise InputError(f"--data.throws must be at least 1, got {throws}")
        self.throws = throws

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        heads = (np.arange(self.throws) < round(self.true_p * self.throws)).astype(float)
        rolled = rng.normal(self.true_mean, self.true_std, self.throws)
        others = (rng.random(400) < self.true_p).astype(float), rng.normal(self.true_mean, self.true_std, 400)
        return Split((rng.permutation(heads), rolled), others)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Throws) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "7 heads in 10": lambda: seven_heads(),
            "the coin that was found": lambda: found_coin(manual, torch_module, data),
            "the bell that was found": lambda: found_bell(manual, torch_module, data),
            "the biased variance": lambda: biased_variance(),  # further reading
        }
    )


def seven_heads() -> Figure:
    """The likelihood of 7 heads in 10 and of 70 in 100, and the logarithm of the first with its slopes."""
    ten = np.repeat([1.0, 0.0], [7, 3])
    hundred = np.repeat(ten, 10)
    p = np.linspace(0.001, 0.999, 999)
    fig, axes = figure(
        f"A coin fell heads 7 times in 10. Left: how probable each coin makes exactly these throws; the best is {unbroken('p = 0.7')}, "
        "but a fair one is far from excluded. Of 70 heads in 100 the top is narrow: more throws say more surely where p is. Right: the "
        "logarithm has its top at the same p. The broad pieces are its slopes: uphill (orange), flat at 0.7, downhill (violet).",
        columns=2,
        size=(3.8, 3.0),
    )
    ax = axes[0, 0]
    for x, label, colour in ((ten, "7 in 10", CATEGORIES[1]), (hundred, "70 in 100", CATEGORIES[0])):
        y = bernoulli_likelihood(p, x)
        ax.plot(p, y / y.max(), color=colour, label=label)
    ax.axvline(0.7, color="black", linewidth=0.6)
    ax.set(
        title="likelihood",
        xlabel="p, the coin's probability of heads",
        ylabel="as a fraction of the best coin's",
        xlim=(0, 1),
        ylim=(0, 1.05),
    )
    ax.legend(loc="upper left", fontsize=8)
    ax = axes[0, 1]
    ax.plot(p, bernoulli_log_likelihood(p, ten), color="black", linewidth=1.2)
    at = np.array([0.3, 0.5, 0.7, 0.9])
    slope = bernoulli_log_likelihood_backward(np.ones(4), at, ten)
    for where, height, rise in zip(at, bernoulli_log_likelihood(at, ten), slope, strict=True):
        ends = np.array([-0.08, 0.08])
        ax.plot(where + ends, height + rise * ends, color=of_sign(round(float(rise), 6)), linewidth=4, solid_capstyle="round")
    ax.axvline(0.7, color="black", linewidth=0.6)
    ax.set(title="log-likelihood of 7 in 10", xlabel="p", xlim=(0, 1), ylim=(-16, -4))
    return fig


def found_coin(manual: Manual, torch_module: Torch, data: Throws) -> Figure:
    """Where both sides stand on the log-likelihood of the throws."""
    heads, _ = data.split.train
    best = bernoulli_closed_form(heads)
    ours, theirs = (sigmoid(np.array(logit, float)).item() for logit in (manual.logit.data, to_numpy(torch_module.logit)))
    fig, axes = figure(
        f"How well each p explains {heads.sum():.0f} heads in {len(heads)} throws, and where both sides came to rest after their climb: "
        f"by hand (cross) {ours:.6f}, torch (disc) {theirs:.6f}. The closed form, heads over throws, is {best:.6f} (thin line).",
        size=(4.6, 3.0),
    )
    ax = axes[0, 0]
    p = np.linspace(0.02, 0.98, 481)
    ax.plot(p, bernoulli_log_likelihood(p, heads), color="#888888")
    ax.axvline(best, color="black", linewidth=0.6)
    for value, look in (
        (theirs, {"marker": "o", "markersize": 14, "color": TORCH["color"]}),
        (ours, {"marker": "x", "color": BY_HAND["color"]}),
    ):
        ax.plot(
            value,
            bernoulli_log_likelihood(np.array(value), heads),
            linestyle="",
            label="torch" if "markersize" in look else "by hand",
            **look,
        )
    ax.set(title="the coin that was found", xlabel="p, the probability of heads", ylabel="log-likelihood", xlim=(0, 1))
    ax.legend(loc="lower center", fontsize=8)
    return fig


def found_bell(manual: Manual, torch_module: Torch, data: Throws) -> Figure:
    """The Normal densities of both sides over the distances, and the one that the distances came from."""
    _, rolled = data.split.train
    mean, std = normal_closed_form(rolled)
    fig, axes = figure(
        f"How far to the right the coin rolled in {len(rolled)} throws (ticks), and the bell curve that makes them most probable, in "
        f"torch and by hand. The closed form says mean {mean:.3f} and standard deviation {std:.3f}; the distances came from the thin "
        f"curve, with {data.true_mean:g} and {data.true_std:g}. So few throws do not tell exactly.",
        size=(4.6, 3.0),
    )
    ax = axes[0, 0]
    x = np.linspace(data.true_mean - 4 * data.true_std, data.true_mean + 4 * data.true_std, 401)

    def bell(mean: float, std: float) -> np.ndarray:
        return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))

    theirs = to_numpy(torch_module.mean).item(), np.exp(to_numpy(torch_module.log_std)).item()
    ax.plot(x, bell(*theirs), **TORCH, label="torch")
    ax.plot(x, bell(manual.mean.data.item(), np.exp(manual.log_std.data).item()), **BY_HAND, label="by hand")
    ax.plot(x, bell(data.true_mean, data.true_std), color="black", linewidth=0.8, label="where they came from")
    ax.plot(rolled, np.zeros_like(rolled), "|", color="black", markersize=14)
    ax.set(title="the bell that was found", xlabel="rolled to the right, in decimetres", ylabel="density", ylim=(-0.02, None))
    ax.legend(loc="upper left", fontsize=8)
    return fig


def learned(run: Trained) -> str:
    """What makes the throws most probable."""
    heads, _ = run.data.split.train
    p, (mean, std) = sigmoid(np.array(run.manual.logit.data, float)).item(), (run.manual.mean.data.item(), run.manual.log_std.data.item())
    return (
        f"{heads.sum():.0f} heads in {len(heads)} throws are most probable if the coin falls heads with p = {p:.4f}, and the distances "
        f"if it rolls {mean:.2f} ± {np.exp(std):.2f} decimetres: that is where {len(run.losses)} steps led. It was thrown with p = "
        f"{run.data.true_p:g} and {run.data.true_mean:g} ± {run.data.true_std:g}."
    )


# ---- further reading: the losses of networks, and why the variance is too small ----------------------


TEXT = """
| the network says | the likelihood is | minus its log, for each row | torch |
| --- | --- | --- | --- |
| a probability p of yes | p^y (1 − p)^(1 − y) | −y log p − (1 − y) log(1 − p) | BCELoss |
| a probability for each class | the one of the class that was seen | −log p[y] | CrossEntropyLoss |
| a number ŷ, off by a bell curve of width std | Normal(y; ŷ, std) | (y − ŷ)²/(2 std²) + log std + log √(2π) | MSELoss, GaussianNLLLoss |

Things to try:

- `--data.throws 1`: one number has the variance 0, and the likelihood has no top. As std shrinks the slopes grow, until a step throws it
  far off, and it begins anew.
- `--data.batch_size 3`: each batch has a top of its own, and the climb does not come to rest.
"""


def mean_variances(n: int, repeats: int, std: float) -> tuple[float, float]:
    """The variance of n numbers from Normal(0, std), divided by n and by n − 1: each the mean over many such samples."""
    samples = np.random.default_rng(n).normal(0, std, size=(repeats, n))
    return samples.var(axis=1).mean(), samples.var(axis=1, ddof=1).mean()


def biased_variance() -> Figure:
    """The mean of the variance of maximum likelihood over many samples, by their size."""
    fig, axes = figure(
        "Ten thousand times, n numbers were drawn from a bell curve whose variance is 1, and their variance was measured. Dots: by "
        f"maximum likelihood, {unbroken('Σ(x − mean)²/n')}, on average. It is too small, because the mean is taken from the same "
        f"numbers and lies in their midst: {unbroken('(n − 1)/n')} of the truth (line). Squares: dividing by {unbroken('n − 1')} makes "
        "it right.",
        size=(4.6, 3.0),
    )
    ax = axes[0, 0]
    n = np.arange(2, 21)
    biased, unbiased = np.transpose([mean_variances(int(size), 10_000, 1.0) for size in n])
    ax.axhline(1, color="black", linewidth=0.6)
    ax.plot(n, (n - 1) / n, color="black", linewidth=1, label="(n − 1)/n")
    ax.plot(n, biased, "o", color=CATEGORIES[1], markersize=5, label="divided by n (biased)")
    ax.plot(n, unbiased, "s", color=CATEGORIES[0], markersize=4, label="divided by n − 1")
    ax.set(
        title="the variance of few numbers",
        xlabel="n, the numbers in a sample",
        ylabel="variance, on average",
        ylim=(0.4, 1.15),
        xticks=[2, 5, 10, 15, 20],
    )
    ax.legend(loc="lower right", fontsize=8)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def heads(run: Trained) -> float:
    """The p that was found."""
    return float(sigmoid(np.array(run.manual.logit.data, float)).item())


def training_over_held_out(run: Trained) -> float:
    """The last training loss over that of the 400 other throws."""
    return run.losses[-1] / run.metrics["loss/val"]


LOWER = ("the training loss", 0.95, "they are much the same", 1.05, "the held-out loss")
RATIO = "the loss of the throws it was fitted to is {:.2f} times that of the others"

QUESTIONS = (
    by_size(
        "throws = 1, and it fell heads. To which p does the likelihood climb?",
        heads,
        *("to 0.5, for one throw tells nothing", 0.6, "to 0.7, the coin's own", 0.8, "towards 1"),
        seen="after 20 steps p is {:.2f}, and rising",
        why="One head is most probable with a coin that always falls heads. The likelihood knows these data and nothing else about coins.",
        data={"throws": 1},
        trainer={"max_epochs": 20},
    ),
    by_size(
        "Ten throws are fitted, and 400 others of the same coin are held out. Which loss is lower in the end?",
        training_over_held_out,
        *LOWER,
        seen=RATIO,
        why="p, the mean and the std were chosen to explain these ten, with what is accidental in them: overfitting, with three "
        "parameters.",
        trainer={"max_epochs": 100},
        look_at=("the bell that was found", "how its width suits the ten throws, and what the coin's own width is."),
    ),
    by_size(
        "throws = 1000: and now?",
        training_over_held_out,
        *LOWER,
        seen=RATIO,
        why="In so many throws accidents cancel, and three numbers cannot suit them all one by one: what is fitted is what all throws "
        "share.",
        data={"throws": 1000},
        trainer={"max_epochs": 100},
    ),
)


class Product(Manual):
    """Climbs the likelihood itself, the product: loss = −e^y, where y is the log-likelihood."""

    def training_step(self, batch: Batch, batch_idx: int) -> float:
        loss = -np.exp(self(*batch).sum())
        self.steeper = -loss * len(batch[0])  # ∂(−e^y)/∂y = −e^y, where the concept's own loss, −y/N, has −1/N
        self.log("loss/train", loss)
        return float(loss)

    def backward(self, dL_dloss: float = 1.0) -> None:
        super().backward(dL_dloss * self.steeper)


class ProductInTorch(Torch):
    """The same in torch."""

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = -torch.exp(self(*batch).sum())
        self.log("loss/train", loss)
        return loss


MISTAKE = Mistake(
    "The log moves no top, so one may as well climb the likelihood itself.",
    lambda run: (
        f"Of 2,000 throws the likelihood is {abs(run.losses[0]):g} at the first step, and {abs(run.losses[-1]):g} at the last of "
        f"{len(run.losses)}: nothing has moved."
    ),
    lambda run: run.agree and not any(run.losses),
    "The top is where it was, but no computer can see it: a product of so many numbers below 1 is rounded to 0 everywhere, and so is its "
    "slope. A sum of logs is not.",
    data={"throws": 2000},
    trainer={"max_epochs": 20},
    manual=Product,
    torch=ProductInTorch,
)

TWIN = Twin(
    name="likelihood",
    manual=Manual,
    torch=Torch,
    data=Throws,
    learned=learned,
    look_at=("the coin that was found", "both sides came to rest on the top of the curve, at heads over throws."),
    needs=("derivatives",),
    trainer={"max_epochs": 600, "check_val_every_n_epoch": 10},
    sgd_lr=0.1,
    figures=figures,
    text={"every loss is a likelihood": TEXT},
    further=("the biased variance", "every loss is a likelihood"),
    questions=QUESTIONS,
    exercises=(
        Exercise("bernoulli_log_likelihood_backward", ("Heads and tails have a term each; mind the sign that 1 − p brings.",)),
        Exercise("normal_log_likelihood_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("likelihood")
