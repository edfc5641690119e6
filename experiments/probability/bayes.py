"""Bayes: what to believe after having seen, and ridge regression as a belief

Both sides find the weights of a line that are most probable after the diabetes data, if large weights were improbable before: they are
those of ridge regression. Beside it the surprise of a medical test, beliefs that narrow, and digits told apart by counting pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import beta as beta_distribution

from experiments import run
from experiments.data.arrays import Split
from experiments.data.changes import first_columns
from experiments.data.diabetes import FEATURES, Diabetes
from experiments.data.digits import Digits
from experiments.drawing.colours import AMOUNT, CATEGORIES, of_sign, shades
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, figure, unbroken
from experiments.drawing.words import in_words
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Trained, by_size
from experiments.pair import Second, Twin
from manual.probability import bayes as by_hand
from manual.probability.bayes import Bayes as Manual
from manual.probability.distributions import bernoulli_sample, normal_log_prob, normal_sample
from manual.regression.linear_regression import normal_equation
from torch_impl.probability import bayes as in_torch
from torch_impl.probability.bayes import Bayes as Torch

ILL = np.array([0.01, 0.99])
"""How common it is to have the disease, and not to have it."""

TEST = np.array([[0.9, 0.09], [0.1, 0.91]])
"""How probable yes (first row) and no are for those who have it, and for those who do not."""


class Progression(Diabetes):
    """The diabetes data; the progression is standardised too, so that scales mean the same for all.

    Args:
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the split and of the order of the rows.
    """

    def load(self) -> Split:
        split = super().load()
        (x, y), (x_val, y_val) = split.train, split.val
        mean, std = y.mean(), y.std()
        return Split((x, (y - mean) / std), (x_val, (y_val - mean) / std))


class LitPixels(Digits):
    """The digits, with pixels that are lit (above half) or not: 1 or 0."""

    def load(self) -> Split:
        split = super().load()
        return Split(*(((x > 0.5).astype(float), y) for x, y in (split.train, split.val)))


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Progression) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "the surprise of a test": lambda: surprise(),
            "beliefs narrow": lambda: beliefs_narrow(),  # further reading, as the last two
            "weights and doubt": lambda: weights(manual, torch_module, data),
            "digits by counting": lambda: counted_digits(),
            "which prior foretold it": lambda: which_prior(),
        }
    )


def surprise() -> Figure:
    """1,000 people as squares; and what a yes means for every base rate."""
    yes = by_hand.posterior(ILL, TEST)[0, 0]
    rate = np.linspace(0, 1, 201)
    fig, axes = figure(
        "A disease that 1 in 100 has, and a test that finds 90 of 100 who have it and accuses 9 of 100 who do not. Left: 1,000 people; "
        "10 have it (orange), and 9 of them are told yes (dark); of the others 89 are told yes too. So of all who are told "
        f"yes only {yes:.0%} have it. Right: a yes always raises what was known before (dotted), but does not replace it.",
        columns=2,
        size=(5.2, 3.9),
        width_ratios=(3, 2),
    )
    ax = axes[0, 0]
    for person in range(1000):
        has = person < 10
        told = person < 9 or 10 <= person < 99
        colour = to_rgba(CATEGORIES[1 if has else 0], 1.0 if told else 0.4 if has else 0.15)
        ax.add_patch(Rectangle((person // 25, person % 25), 0.85, 0.85, facecolor=colour))
    ax.plot([3.93, 3.93], [0, 23.93], color="black", linewidth=1.2)
    ax.plot([2.93, 3.93, 3.93], [23.93, 23.93, 23.93], color="black", linewidth=1.2)
    ax.plot([2.93, 2.93], [23.93, 24.9], color="black", linewidth=1.2)
    ax.set(
        xlim=(-0.2, 40.1), ylim=(25.1, -0.2), xticks=[], yticks=[], aspect="equal", title="told yes: the 98 on the left; 9 of them have it"
    )
    ax = axes[0, 1]
    priors = np.stack([rate, 1 - rate], axis=-1)
    ours = np.array([by_hand.posterior(p, TEST)[0, 0] for p in priors])
    theirs = np.array([in_torch.posterior(*to_torch((p, TEST)))[0, 0] for p in priors])
    ax.plot(rate, theirs, **TORCH, label="after a yes, torch")
    ax.plot(rate, ours, **BY_HAND, label="after a yes, by hand")
    ax.plot(rate, rate, color="black", linestyle=":", label="before the test")
    ax.plot(ILL[0], yes, "o", color="black", label=f"1 in 100: {yes:.3f}", zorder=5)
    ax.set(title="what a yes means", xlabel="how common the disease is", ylabel="probability of having it", xlim=(0, 1), ylim=(0, 1.02))
    ax.legend(loc="lower right", fontsize=9)
    return fig


def weights(manual: Manual, torch_module: Torch, data: Progression) -> Figure:
    """The trained weights of both sides with the posterior's doubt, scikit-learn's Ridge, and least squares."""
    from sklearn.linear_model import Ridge

    x, y = data.split.train
    price = manual.scale**2 / manual.prior_scale**2
    fitted = Ridge(alpha=float(price)).fit(x, y[:, 0])
    mean, covariance = by_hand.weight_posterior(x, y, manual.scale, manual.prior_scale)
    std = np.sqrt(covariance.diagonal())[:-1]
    fig, axes = figure(
        "The weights that are most probable after the data: torch, by hand, and scikit-learn's Ridge with "
        f"{unbroken(f'alpha = scale²/prior_scale² = {price:.4g}')}, which are the same. The bars are ± 2 standard "
        "deviations of the posterior: where "
        "a weight may well be. The diamonds are least squares, a flat prior. s1 and s2 (two measures of cholesterol) nearly say the "
        "same, so the data leave them in doubt, and there the prior decides.",
        size=(7.2, 3.8),
    )
    ax, at = axes[0, 0], np.arange(len(std))
    ax.errorbar(at, mean[:-1], 2 * std, fmt="none", ecolor="#999999", capsize=4, label="± 2 std of the posterior")
    ax.plot(at, normal_equation(x, y)[0][:, 0], "D", color="black", markerfacecolor="none", label="least squares")
    ax.plot(at, to_numpy(torch_module.W)[:, 0], "o", color=TORCH["color"], markersize=11, label="torch")
    ax.plot(at, manual.W.data[:, 0], "o", color=BY_HAND["color"], markersize=5, label="by hand")
    ax.plot(at, fitted.coef_, "x", color="black", markersize=8, label="scikit-learn's Ridge")
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(title="most probable after the data", ylabel="weight", xticks=at, xticklabels=FEATURES[: len(at)])
    ax.legend(fontsize=8, ncols=2)
    return fig


def learned(run: Trained) -> str:
    """How near the weights are to those of ridge regression, and the most doubtful of them."""
    x, y = run.data.split.train
    mean, covariance = by_hand.weight_posterior(x, y, run.manual.scale, run.manual.prior_scale)
    W, std = run.manual.W.data[:, 0], np.sqrt(covariance.diagonal())[:-1]
    least = int(std.argmax())
    return (
        f"After {len(run.losses)} steps the {len(W)} weights and the most probable ones that a formula gives are "
        f"{in_words(float(np.abs(W - mean[:-1]).max()))}. Least sure is that of {FEATURES[least]}: {round(float(W[least]), 2):g}, give "
        f"or take {2 * std[least]:.2f}."
    )


# ---- further reading: beliefs that narrow, digits by counting, and which prior foretold it -----------


def beliefs_narrow() -> Figure:
    """Posteriors of a coin and of a length after more and more data."""
    rng = np.random.default_rng(4)
    throws = bernoulli_sample(np.array(0.7), (200,), rng=rng)
    lengths = normal_sample(np.array(3.0), np.array(1.5), (200,), rng=rng)
    fig, axes = figure(
        "Left: what is believed of a coin's p after 0, 1, 10, 50 and 200 throws; before the first everything was equally probable. "
        "Right: the same of a length that is measured with errors of 1.5, if it was first thought to be near 0, give or take 2. Look "
        "how beliefs move to the truth (dotted) and narrow: four times the data make them about half as wide, and what was believed "
        "first matters less and less.",
        columns=2,
        size=(4.0, 3.3),
    )
    p, at = np.linspace(0, 1, 501), np.linspace(-4, 6, 501)
    flat, scales = np.array(1.0), (np.array(1.5), np.array(0.0), np.array(2.0))
    for n, colour in zip((0, 1, 10, 50, 200), shades(5), strict=True):
        a, b = by_hand.beta_bernoulli_posterior(throws[:n], flat, flat)
        axes[0, 0].plot(p, beta_distribution(a, b).pdf(p), color=colour, linewidth=2, label=f"{n}")
        loc, scale = by_hand.normal_normal_posterior(lengths[:n], *scales)
        axes[0, 1].plot(at, np.exp(normal_log_prob(at, np.array(loc), np.array(scale))), color=colour, linewidth=2, label=f"{n}")
    for ax, truth, title, label in (
        (axes[0, 0], 0.7, "a coin", "p, its probability of heads"),
        (axes[0, 1], 3.0, "a length", "length"),
    ):
        ax.axvline(truth, color="black", linestyle=":")
        ax.set(title=title, xlabel=label, ylim=(0, None))
        ax.legend(title="data", fontsize=9)
    axes[0, 0].set_ylabel("how much it is believed (density)")
    return fig


def counted_digits(alpha: float = 1.0) -> Figure:
    """What naive Bayes counts, and which digits it mistakes for which."""
    split = LitPixels().split
    (x, y), (x_val, y_val) = split.train, split.val
    log_prior, probs = by_hand.naive_bayes_fit(x, y, 10, alpha)
    guess = by_hand.naive_bayes_log_joint(x_val, log_prior, probs).argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (y_val, guess), 1)
    fig, axes = figure(
        f"Naive Bayes has seen {len(x)} digits and has only counted: how often each pixel is lit in each class, 0 to 4 and 5 to 9 "
        "(left, dark: often). It multiplies these probabilities as if pixels did not know of each other, and tells "
        f"{np.mean(guess == y_val):.1%} of {len(x_val)} held-out digits right. Right: what they are (rows) and are taken for (columns).",
        columns=2,
        size=(4.2, 3.6),
    )
    mosaic = np.vstack([np.hstack([np.pad(probs[5 * r + c].reshape(8, 8), 1) for c in range(5)]) for r in range(2)])
    axes[0, 0].imshow(mosaic, cmap="Greys", vmin=0, vmax=1)
    axes[0, 0].set(xticks=[], yticks=[], title="how often each pixel is lit")
    ax = axes[0, 1]
    ax.imshow(np.sqrt(confusion), cmap=AMOUNT)
    for i, j in zip(*np.nonzero(confusion), strict=True):
        ax.text(j, i, confusion[i, j], ha="center", va="center", fontsize=8, color="black" if i == j else "white")
    ax.set(title="what each is taken for", xticks=range(10), yticks=range(10), xlabel="taken for", ylabel="is")
    return fig


def which_prior(heads: int = 7, throws: int = 10) -> Figure:
    """The log-evidence of some throws for priors of every strength, with slopes."""
    x = np.repeat([1.0, 0.0], [heads, throws - heads])
    many = np.tile(x, 20)
    strength = np.logspace(-1, 3.5, 200)
    fig, axes = figure(
        "How well priors Beta(a, a) foretold throws with 70 % heads: the logarithm of the evidence, relative to that of the flat "
        "prior, a = 1. A large a expects fair coins. Of 7 heads in 10 it is nearly as good as any; but of 140 in 200 a coin this "
        "unfair is no accident, and a prior that is sure of fairness is refuted. The broad pieces are slopes in log a from the "
        "backward pass: orange up, violet down.",
        columns=2,
        size=(3.8, 3.1),
    )
    for ax, data in zip(axes[0], (x, many), strict=True):
        flat = by_hand.beta_bernoulli_log_evidence(data, np.array(1.0), np.array(1.0))
        ax.plot(strength, by_hand.beta_bernoulli_log_evidence(data, strength, strength) - flat, color="black", linewidth=1.2)
        at = np.array([0.4, 4.0, 100.0])
        slope = np.add(*by_hand.beta_bernoulli_log_evidence_backward(np.ones(3), data, at, at)) * at
        height = by_hand.beta_bernoulli_log_evidence(data, at, at) - flat
        for a, h, s in zip(at, height, slope, strict=True):
            ends = np.array([-0.5, 0.5])
            ax.plot(a * np.exp(ends), h + s * ends, color=of_sign(round(float(s), 2)), linewidth=4, solid_capstyle="round")
        ax.set(xscale="log", xlabel="a", title=f"{data.sum():.0f} heads in {len(data)}")
    axes[0, 0].set_ylabel("log-evidence, relative")
    return fig


TEXT = """
| believed before | seen | believed after | in practice |
| --- | --- | --- | --- |
| p(h), a table | x | p(h) p(x given h), divided by its sum | a test, a spam filter |
| p from Beta(a, b) | k ones in n | Beta(a + k, b + n − k) | click rates, Thompson's bandit |
| a mean from Normal(loc, prior_scale) | n numbers with error scale | Normal; precisions add up | one step of a Kalman filter |
| W from Normal(0, prior_scale) | y around x W + b with error scale | Normal; its top is ridge | weight decay |

`loss/train` is −log posterior over N up to the evidence, `loss/val` the likelihood of the held-out rows alone.

What is not possible is −∞: without smoothing a lit pixel that was never lit in any 3 rules out the 3, and a class that was never
seen is never guessed. If no class can explain a picture, the posterior is 0/0: NaN here as in scikit-learn and torch.

Things to try:

- `--model.scale 7`: ten times the error that is expected of each y, so that a row tells a hundredth of what it told.
- `--data.batch_size 32 --model.lr 0.02 --trainer.max_epochs 60`: every batch brings its part of the prior (`--model.rows` says how many
  rows there are), and the weights wander around the MAP. With the lr of the whole data, 0.2, they fly away: a bowl of 32 rows is steeper.
"""


# ---- to do ---------------------------------------------------------------------------------------------


def least_squares(run: Trained) -> np.ndarray:
    """The weights that the data alone would choose."""
    return normal_equation(*run.data.split.train)[0]


def doubts(run: Trained) -> dict[str, float]:
    """How unsure some of the weights are after the data: the standard deviations of the posterior."""
    x, y = run.data.split.train
    _, covariance = by_hand.weight_posterior(x, y, run.manual.scale, run.manual.prior_scale)
    std = dict(zip(FEATURES, np.sqrt(covariance.diagonal()), strict=False))
    return {name: float(std[name]) for name in ("bmi", "bp", "s1", "s6")}


QUESTIONS = (
    by_size(
        "prior_scale = 0.02: sure before that no weight matters. How long are the weights after 354 people, beside those of least squares?",
        lambda run: float(np.linalg.norm(run.manual.W.data) / np.linalg.norm(least_squares(run))),
        *("a hundredth as long", 0.05, "about a fifth", 0.5, "nearly as long"),
        seen="{:.2f} times as long",
        why="What was believed counts as much as so many rows would. 354 rows shake that belief, and do not overthrow it.",
        model={"prior_scale": 0.02},
        trainer={"max_epochs": 100},
    ),
    by_size(
        "prior_scale = 100: any weight was as probable as any other. What becomes of the weights?",
        lambda run: float(np.linalg.norm(run.manual.W.data - least_squares(run)) / np.linalg.norm(least_squares(run))),
        *("those of least squares, to three digits or more", 1e-3, "somewhat longer ones", 2.0, "a hundred times longer ones"),
        seen="they differ from those of least squares by {:.1g} of their length",
        why="A belief that favours nothing adds nothing. Then what is most probable is what makes the data most probable.",
        model={"prior_scale": 100.0},
        trainer={"max_epochs": 200},
    ),
    Question(
        "prior_scale = 0.2, the concept's own. Of which of these weights is one least sure after the data?",
        ("bmi", "bp", "s1", "s6"),
        ByLargest(doubts, "± {:.2f}"),
        "s1 and s2 say nearly the same about a person: the data tell what both together are worth, and not what each of them is.",
        trainer={"max_epochs": 100},
        look_at=("weights and doubt", "how long the bars of s1 and s2 are."),
    ),
)


def beside_the_map(run: Trained) -> float:
    """How long the weights are, as a multiple of the length of the most probable ones."""
    x, y = run.data.split.train
    mean, _ = by_hand.weight_posterior(x, y, run.manual.scale, run.manual.prior_scale)
    return float(np.linalg.norm(run.manual.W.data) / np.linalg.norm(mean[:-1]))


MISTAKE = Mistake(
    "The loss of every batch has the prior in it, whole. (rows = 118, the size of a batch.)",
    lambda run: (
        f"With batches of 118 of the {len(run.data.split.train[0])} rows the weights end {beside_the_map(run):.2f} times as long as the "
        "most probable ones."
    ),
    lambda run: run.agree and beside_the_map(run) < 0.85,
    "Then the prior counts once for each batch, three times in all, as if it were that much surer. Each batch may bring the part of it "
    "that the batch is of all rows.",
    {"rows": 118, "lr": 0.05, "prior_scale": 0.05},
    {"batch_size": 118},
    {"max_epochs": 40},
)

TWIN = Twin(
    name="bayes",
    manual=Manual,
    torch=Torch,
    data=Progression,
    learned=learned,
    look_at=("weights and doubt", "s1 and s2: the bars are long, for the data leave these two in doubt, and the prior decides."),
    needs=("distributions", "ridge"),
    trainer={"max_epochs": 600, "check_val_every_n_epoch": 50},
    variants={"a nearly flat prior": {"prior_scale": 100.0}},
    options={"features": Second(9, data=first_columns(9))},
    sgd_lr=0.2,
    figures=figures,
    text={"before and after": TEXT},
    further=("beliefs narrow", "digits by counting", "which prior foretold it", "before and after"),
    questions=QUESTIONS,
    exercises=(
        Exercise("evidence_backward", ("A sum of products: each factor's slope is the other factor.",)),
        Exercise("posterior_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("bayes")
