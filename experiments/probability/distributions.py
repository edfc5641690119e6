"""Distributions: five ways in which chance makes numbers

Both sides fit a Bernoulli, a Binomial, a Poisson, a Uniform and a Normal distribution to 200 numbers of each kind, by climbing to the
largest likelihood. Four of them arrive at the closed form; the Uniform comes closer for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import AMOUNT, CATEGORIES, of_sign
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure, unbroken
from experiments.drawing.walk import Path, walk
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import ByLargest, Exercise, Mistake, Question, Trained, by_size
from experiments.pair import Twin
from manual.nn.functional import sigmoid
from manual.probability import distributions as by_hand
from manual.probability.distributions import Distributions as Manual
from torch_impl.probability import distributions as in_torch
from torch_impl.probability.distributions import Distributions as Torch

TRUE = {
    "bernoulli": (0.7,),
    "binomial": (10.0, 0.4),
    "poisson": (3.5,),
    "uniform": (-0.5, 0.5),
    "normal": (3.0, 1.5),
}
"""The arguments that the data are drawn with."""

MEANING = {
    "bernoulli": "a coin fell heads (1) or tails (0)",
    "binomial": "hits in 10 shots",
    "poisson": "calls in an hour",
    "uniform": "rounding error",
    "normal": "how far the coin rolled",
}


def arguments(name: str) -> tuple[np.ndarray, ...]:
    """The true arguments of a distribution, as arrays of shape ()."""
    return tuple(np.array(float(v)) for v in TRUE[name])


class Columns(ArrayData):
    """Five columns of numbers, one for each distribution: whether a coin fell heads (p = 0.7), hits in 10 shots (p = 0.4), calls in an
    hour (3.5 on average), rounding errors (−½ to ½), and how far the coin rolled (Normal, 3 and 1.5).

    All are drawn by hand: the samplers of the concept make them. 400 more rows are held out.

    Args:
        rows: how many to learn from.
        batch_size: rows in a batch; 0 puts all of them into one.
        seed: of the numbers and of their order.
    """

    def __init__(self, rows: int = 200, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if rows < 1:
            raise InputError(f"--data.rows must be at least 1, got {rows}")
        self.rows = rows

    def load(self) -> Split:
        rng = np.random.default_rng(self.seed)
        train, val = (tuple(sample(name, n, rng) for name in TRUE) for n in (self.rows, 400))
        return Split(train, val)


def sample(name: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """n numbers of one kind, drawn by hand."""
    return getattr(by_hand, f"{name}_sample")(*arguments(name), (n,), rng=rng)


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Columns) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return OnDemand(
        {
            "samples pile up": lambda: samples_pile_up(),
            "what was found": lambda: what_was_found(manual, torch_module, data),
            "the score": lambda: the_score(data),
            "who arrives": lambda: who_arrives(data),
            "box and muller": lambda: box_and_muller(),  # further reading
        }
    )


def places(name: str) -> np.ndarray:
    """Where a density is drawn: all counts that matter, or a fine line."""
    counted = {"bernoulli": np.arange(2.0), "binomial": np.arange(11.0), "poisson": np.arange(13.0)}
    return counted.get(name, np.linspace(*((-0.8, 0.8) if name == "uniform" else (-2.5, 8.5)), 641))


def density(functions: Any, name: str, args: Any) -> np.ndarray:
    """The probabilities, or the density, at `places`."""
    inputs = places(name), *(np.asarray(a, np.float64) for a in args)
    y = getattr(functions, f"{name}_log_prob")(*(inputs if functions is by_hand else to_torch(inputs)))
    return np.exp(y if functions is by_hand else to_numpy(y))


def heights(x: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Where the bars of these numbers stand, how high, and how wide they are: their area is 1."""
    at = places(name)
    edges = np.append(at, at[-1] + 1) - 0.5 if len(at) < 20 else np.linspace(at[0], at[-1], 33)
    number, edges = np.histogram(x, edges)
    return (edges[1:] + edges[:-1]) / 2, number / len(x) / np.diff(edges), float(edges[1] - edges[0])


def draw_numbers(ax: Any, x: np.ndarray, name: str) -> None:
    """The bars of these numbers."""
    at, height, width = heights(x, name)
    if width == 1:
        ax.set_xticks(places(name)[:: len(places(name)) // 6 + 1])
    ax.bar(at, height, width * (0.8 if width == 1 else 1), color="#dddddd", edgecolor="#bbbbbb", linewidth=0.5)


def samples_pile_up(n: int = 5_000) -> Figure:
    """Histograms of samples that were drawn by hand, and the densities; and the entropy of a coin."""
    fig, axes = figure(
        f"Grey: {n:,} samples of each distribution. Black: what the formula says, a probability for each count or a density along a "
        "line. Lower right: the entropy of a coin, how surprising its next throw is on average, largest for a fair coin. The broad "
        "pieces are its slopes: orange up, violet down.",
        rows=2,
        columns=3,
        size=(3.0, 2.3),
    )
    rng = np.random.default_rng(0)
    for ax, name in zip(axes.flat, TRUE, strict=False):
        draw_numbers(ax, sample(name, n, rng), name)
        look = {"marker": "o", "markersize": 4, "linestyle": ""} if len(places(name)) < 20 else {}
        ax.plot(places(name), density(by_hand, name, arguments(name)), color="black", linewidth=1.2, **look)
        ax.set(title=f"{name.capitalize()} ({', '.join(f'{v:g}' for v in TRUE[name])})".replace("-", "−"), xlabel=MEANING[name])
    ax = axes[1, 2]
    p = np.linspace(0, 1, 201)
    ax.plot(p, by_hand.bernoulli_entropy(p), color="black", linewidth=1.2)
    at, ends = np.array([0.1, 0.3, 0.5, 0.8]), np.array([-0.07, 0.07])
    for where, height, slope in zip(at, by_hand.bernoulli_entropy(at), by_hand.bernoulli_entropy_backward(np.ones(4), at), strict=True):
        draw_slope(ax, where, height, slope, ends)
    ax.set(title="entropy of a coin", xlabel="p, its probability of heads", ylim=(0, 0.8))
    return fig


def what_was_found(manual: Manual, torch_module: Torch, data: Columns) -> Figure:
    """The data, and the densities of both sides over them."""
    columns = data.split.train
    fig, axes = figure(
        f"The {len(columns[0])} numbers of each kind that were learnt from (grey), and the distribution that makes them most probable, "
        "by hand and in torch. Thin: what the numbers came from. So few numbers do not tell exactly. The Uniform's fit has not arrived.",
        rows=2,
        columns=3,
        size=(3.0, 2.3),
    )
    ours = by_name(manual.found(columns[3]), manual.total_count)
    theirs = by_name(map(to_numpy, torch_module.found(to_torch(columns[3]))), torch_module.total_count)
    for ax, name, x in zip(axes.flat, TRUE, columns, strict=False):
        draw_numbers(ax, x, name)
        at, ours_y, theirs_y = places(name), density(by_hand, name, ours[name]), density(in_torch, name, theirs[name])
        if len(at) < 20:
            ax.plot(at, theirs_y, "o", color=TORCH["color"], markersize=9, label="torch")
            ax.plot(at, ours_y, "x", color=BY_HAND["color"], label="by hand")
            ax.plot(at, density(by_hand, name, arguments(name)), "_", color="black", markersize=12, label="the truth")
        else:
            ax.plot(at, theirs_y, **TORCH, label="torch")
            ax.plot(at, ours_y, **BY_HAND, label="by hand")
            ax.plot(at, density(by_hand, name, arguments(name)), color="black", linewidth=0.8, label="the truth")
        ax.set(title=f"{name.capitalize()} ({', '.join(f'{v.item():.4g}' for v in ours[name])})".replace("-", "−"), xlabel=MEANING[name])
    axes[1, 2].axis("off")
    axes[1, 2].legend(*axes[1, 1].get_legend_handles_labels(), loc="center", fontsize=10)
    axes[1, 2].text(0.5, 0.15, "grey: the numbers", ha="center", transform=axes[1, 2].transAxes)
    return fig


def by_name(found: Any, total_count: int) -> dict[str, tuple[np.ndarray, ...]]:
    """What a module has found, by the name of the distribution."""
    p, q, rate, low, high, loc, scale = found
    n = np.full_like(q, total_count)
    return {"bernoulli": (p,), "binomial": (n, q), "poisson": (rate,), "uniform": (low, high), "normal": (loc, scale)}


def draw_slope(ax: Any, at: Any, height: Any, slope: Any, ends: np.ndarray) -> None:
    """A broad piece of the tangent, in the colour of its sign; black where it is flat."""
    ax.plot(at + ends, height + slope * ends, color=of_sign(round(float(slope), 6)), linewidth=4, solid_capstyle="round")


def the_score(data: Columns) -> Figure:
    """The mean log-density of the counts for every rate, with slopes; and of the rounding errors for every upper bound, with its cliff."""
    poisson, uniform = data.split.train[2], data.split.train[3]
    fig, axes = figure(
        "The log-density of all numbers, on average, while one parameter is turned. The broad pieces are the scores, its slopes. Left: "
        f"uphill (orange), flat at the mean of the counts ({poisson.mean():.3f}), downhill (violet). Right: every score says that a "
        "lower bound is better, up to the cliff at the largest number that was seen: below it that number would be impossible.",
        columns=2,
        size=(3.9, 3.0),
    )
    rate, high = np.linspace(1, 8, 281), uniform.max() + np.linspace(1e-9, 0.6, 200)
    low = np.array(uniform.min())
    ends = np.array([-0.5, 0.5])
    ax = axes[0, 0]
    ax.plot(rate, by_hand.poisson_log_prob(poisson[:, None], rate).mean(axis=0), color="black", linewidth=1.2)
    for at in (np.array(v) for v in (1.8, 2.6, poisson.mean(), 5.5)):
        height = by_hand.poisson_log_prob(poisson, at).mean()
        slope = by_hand.poisson_log_prob_backward(np.full_like(poisson, 1 / len(poisson)), poisson, at)
        draw_slope(ax, at, height, slope.sum(), ends)
    ax.set(title="a Poisson's rate", xlabel="rate", ylabel="log-density, on average")
    ax = axes[0, 1]
    ax.plot(high, by_hand.uniform_log_prob(uniform[:, None], low, high).mean(axis=0), color="black", linewidth=1.2)
    for at in (np.array(uniform.max() + gap) for gap in (0.06, 0.25, 0.45)):
        height = by_hand.uniform_log_prob(uniform, low, at).mean()
        slope = by_hand.uniform_log_prob_backward(np.full_like(uniform, 1 / len(uniform)), uniform, low, at)[2]
        draw_slope(ax, at, height, slope.sum(), ends / 7)
    ax.axvline(uniform.max(), color="black", linestyle=":")
    ax.text(uniform.max() - 0.02, -0.25, "−∞: the largest number\nwould be impossible", ha="right", fontsize=8)
    ax.set(title="a Uniform's upper bound", xlabel="high", xlim=(uniform.max() - 0.5, None), ylim=(-0.55, 0.1))
    return fig


def distances(path: Path, columns: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """How far each parameter is from its closed form after every step."""
    best = by_hand.closed_forms(*columns, total_count=10)
    return {
        "p of the Bernoulli": sigmoid(path["bernoulli_logit"][:, 0]) - best["bernoulli"],
        "p of the Binomial": sigmoid(path["binomial_logit"][:, 0]) - best["binomial"],
        "rate of the Poisson": np.exp(path["poisson_log_rate"][:, 0]) - best["poisson"],
        "scale of the Normal": np.exp(path["normal_log_scale"][:, 0]) - best["normal"][1],
        "high of the Uniform": np.exp(path["uniform_log_gap"][:, 1]),
    }


def who_arrives(data: Columns, steps: int = 500) -> Figure:
    """The distance of five parameters from their closed forms, over the steps of both sides, and the law of the Uniform."""
    columns = data.split.train
    ours, theirs = (distances(path, columns) for path in walk(Manual(rng=np.random.default_rng(0)), Torch(), columns, steps))
    width = columns[3].max() - columns[3].min()
    fig, axes = figure(
        "How far five parameters are from where a formula says, on scales of powers of ten (bands: torch, dashes: by hand). Four lose a "
        "part of what is left with every step, until only rounding is left. The Uniform's upper bound keeps a distance of about "
        f"{unbroken('width / (lr · steps)')}, the thin line: ten times the steps, one digit more.",
        size=(6.6, 3.6),
    )
    ax, t = axes[0, 0], np.arange(1, steps + 1)
    for name, colour in zip(ours, CATEGORIES, strict=False):
        draw_both(ax, [t, np.abs(ours[name][1:]) + 1e-17], [t, np.abs(theirs[name][1:]) + 1e-17], name, colour)
    ax.plot(t, width / (Manual().lr * t), color="black", linewidth=0.8, label="width / (lr · steps)")
    ax.set(title="who arrives", xscale="log", yscale="log", xlabel="step", ylabel="distance from the closed form", ylim=(3e-17, 30))
    ax.legend(fontsize=8, loc="lower left")
    return fig


def learned(run: Trained) -> str:
    """What was found of each distribution, and what the numbers were drawn with."""
    p, q, rate, low, high, loc, scale = (float(np.ravel(v)[0]) for v in run.manual.found(run.data.split.train[3]))
    return (
        f"From {len(run.data.split.train[0])} numbers of each kind, in {len(run.losses)} steps: the coin falls heads with {p:.2f} "
        f"(true: 0.7), a shot hits with {q:.2f} (0.4), there are {rate:.2f} calls in an hour (3.5), the error is between {low:.2f} and "
        f"{high:.2f} (±0.5), and the coin rolls {loc:.2f} ± {scale:.2f} (3 ± 1.5)."
    ).replace("-", "−")


# ---- further reading: how bell-shaped numbers are made, and what torch and SciPy say at the edges ----


def box_and_muller(n: int = 1_500) -> Figure:
    """Points of a square, and where Box and Muller put them."""
    fig, axes = figure(
        f"How {n:,} points of a square become a bell curve. Left: u1 and u2 are uniform between 0 and 1; the colour tells u1. Middle: "
        f"u2 becomes the angle and {unbroken('√(−2 log u1)')} the distance from the middle, so that small u1 (dark) go far out. The "
        "cloud is round: seen from any side it is the same. Right: its shadow on one axis, and the standard bell curve.",
        columns=3,
        size=(2.9, 2.7),
    )
    rng = np.random.default_rng(1)
    u1, u2 = 1 - rng.random(n), rng.random(n)
    z1, z2 = by_hand.box_muller(u1, u2)
    for ax, x, y in ((axes[0, 0], u1, u2), (axes[0, 1], z1, z2)):
        ax.scatter(x, y, c=u1, cmap=AMOUNT, s=5)
        ax.set_aspect("equal")
    axes[0, 0].set(title="a square", xlabel="u1", ylabel="u2")
    axes[0, 1].set(title="a round cloud", xlabel="z1", ylabel="z2")
    ax, line = axes[0, 2], np.linspace(-4, 4, 201)
    ax.hist(z1, bins=32, density=True, color="#dddddd", edgecolor="#bbbbbb", linewidth=0.5)
    ax.plot(line, np.exp(by_hand.normal_log_prob(line, np.array(0.0), np.array(1.0))), color="black")
    ax.set(title="its shadow", xlabel="z1", ylabel="density")
    return fig


TEXT = """
| distribution | largest likelihood at | how both sides get there |
| --- | --- | --- |
| Bernoulli | p = mean | logit, any number; p = sigmoid(logit) |
| Binomial | p = mean / n | likewise |
| Poisson | rate = mean | log_rate; rate = exp(log_rate) |
| Uniform | low = min, high = max | log_gap; low = min − exp(log_gap), and so on: for ever |
| Normal | loc = mean, scale² = biased variance | loc; scale = exp(log_scale) |

Things to try:

- `--trainer.max_epochs 5000`: the Uniform's gap is a tenth of what it was; nothing else changes.
- `--data.batch_size 20`: each batch has a top of its own, and edges of its own.
"""


EDGES = """
Where torch.distributions and scipy.stats differ:

| what | torch | SciPy | here |
| --- | --- | --- | --- |
| p = 0, and a 1 was seen | −36.04 in float64: p is held at eps | −∞ | −36.04 |
| 7 heads in 5 throws | ValueError; with `validate_args=False` −∞ | −∞ | −∞ |
| half a head in 5 throws | ValueError; with `validate_args=False` a number | −∞ | −∞ |
| Uniform at high itself | −∞ | log of 1/(high − low) | −∞ |
| scale ≤ 0, low ≥ high, negative rate | ValueError | NaN | ValueError |
| entropy of a Poisson | not implemented | a sum | a sum |
"""


# ---- to do ---------------------------------------------------------------------------------------------


def far_from_the_top(run: Trained) -> dict[str, float]:
    """How far each fit is from the parameters that a formula says are the most likely."""
    heads, hits, calls, errors, rolled = run.data.split.train
    p, q, rate, low, _, loc, _ = (float(np.ravel(v)[0]) for v in run.manual.found(errors))
    top = {"Bernoulli": (p, heads.mean()), "Binomial": (q, hits.mean() / 10), "Poisson": (rate, calls.mean())}
    top |= {"Uniform": (low, errors.min()), "Normal": (loc, rolled.mean())}
    return {name: float(abs(found - best)) for name, (found, best) in top.items()}


QUESTIONS = (
    Question(
        "Each of the five climbs for 100 steps to where a formula says that its likelihood is largest. Which is farthest from there in "
        "the end?",
        ("Bernoulli", "Binomial", "Poisson", "Uniform", "Normal"),
        ByLargest(far_from_the_top, "{:.2g}"),
        "The narrower the Uniform, the likelier the numbers, up to where a number falls out and the likelihood drops to 0. So its top is "
        "an edge, "
        "not a place of slope 0, and it may only creep up to it.",
        trainer={"max_epochs": 100},
        look_at=("who arrives", "four curves fall until only rounding is left; the Uniform's bound keeps a distance for ever."),
    ),
    by_size(
        "The coin was thrown 200 times with p = 0.7. How far is the most likely p from that?",
        lambda run: abs(float(np.ravel(run.manual.found(run.data.split.train[3])[0])[0]) - 0.7),
        *("less than 0.01", 0.01, "some hundredths", 0.15, "more than 0.15"),
        seen="{:.3f}",
        why="The part of heads in n throws scatters about p by √(p (1 − p)/n), which is 0.03 here: twice that is nothing unusual.",
        trainer={"max_epochs": 100},
        look_at=("what was found", "how near each fit lies to what the numbers were drawn with."),
    ),
)


def rates(run: Trained) -> tuple[float, float, float]:
    """Calls in an hour: as they were found, as the formula says, and as the numbers were drawn."""
    return float(run.manual.found(run.data.split.train[3])[2][0]), float(run.data.split.train[2].mean()), TRUE["poisson"][0]


def far_off(run: Trained) -> bool:
    """Whether the rate is where the formula says, to a thousandth, and a tenth or more off the truth."""
    found, top, true = rates(run)
    return abs(found - top) < 1e-3 and abs(found - true) > 0.1 * true


MISTAKE = Mistake(
    "Trained long enough, a fit finds what the numbers were drawn with.",
    lambda run: (
        "From ten hours, after {steps} steps, the rate of calls is {:.4f}. The most likely one is {:.4f}, so more steps change nothing; "
        "the calls were drawn with {:g}.".format(*rates(run), steps=len(run.losses))
    ),
    far_off,
    "Training leads to the top of the likelihood of these numbers: here to the mean of ten counts. Only more numbers bring that nearer to "
    "the truth.",
    data={"rows": 10},
    trainer={"max_epochs": 200},
)

TWIN = Twin(
    name="distributions",
    manual=Manual,
    torch=Torch,
    data=Columns,
    learned=learned,
    look_at=("who arrives", "four curves fall until only rounding is left; the Uniform's bound keeps a distance for ever."),
    needs=("likelihood",),
    trainer={"max_epochs": 500, "check_val_every_n_epoch": 10},
    sgd_lr=0.1,
    figures=figures,
    text={"distributions": TEXT, "at the edges": EDGES},
    further=("box and muller", "distributions", "at the edges"),
    questions=QUESTIONS,
    exercises=(
        Exercise("bernoulli_entropy_backward", ("By the product rule p log p has the slope log p + 1.",)),
        Exercise("normal_log_prob_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("distributions")
