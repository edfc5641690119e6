"""Information: surprise, entropy, and how far one distribution is from another

A bell curve is fitted to a density with two humps, by the Kullback-Leibler divergence in one direction and in the other: the first covers
both humps, with exactly their mean and variance, the second picks one. The figures show why, and what entropy, divergence and mutual
information measure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import AMOUNT, CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, figure
from experiments.drawing.walk import walk
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.nn.functional import logsumexp
from manual.probability.distributions import normal_log_prob
from manual.probability.expectation import expectation
from manual.probability.information import Information as Manual
from manual.probability.information import bits, entropy, js_divergence, kl_divergence, kl_integral, mutual_information
from torch_impl.probability.information import Information as Torch


class Humps(ArrayData):
    """A density p with two humps, on a grid from −10 to 10: a batch is (x, weight, log_p), the points, the width of the cell around each,
    and log p there. The right hump holds 60 % and has std 0.5, the left one 40 % and std 0.8.

    Args:
        apart: the distance between the tops of the humps, which stand around 0.
        points: of the grid.
        batch_size: points in a batch; 0 puts all of them into one.
        seed: of their order.
    """

    shares, stds, end = np.array([0.6, 0.4]), np.array([0.5, 0.8]), 10.0

    def __init__(self, apart: float = 6.0, points: int = 401, batch_size: int = 0, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if points < 2 or not 0 <= apart <= self.end:
            raise InputError(f"--data.points must be at least 2 and --data.apart in 0 … {self.end:g}, got {points} and {apart}")
        self.apart, self.points = apart, points
        self.means = np.array([apart / 2, -apart / 2])

    def log_p(self, x: np.ndarray) -> np.ndarray:
        """log Σ share · Normal(x; mean, std)."""
        humps = normal_log_prob(np.stack([x, x], axis=1), self.means, self.stds) + np.log(self.shares)  # (N, 2)
        return logsumexp(humps, axis=1)

    def moments(self) -> tuple[float, float]:
        """The mean and std of p, in closed form: Var[x] = E[x²] − E[x]², and E[x²] of a hump is mean² + std²."""
        mean = expectation(self.shares, self.means)
        return mean, math.sqrt(expectation(self.shares, self.means**2 + self.stds**2) - mean**2)

    def load(self) -> Split:
        x = np.linspace(-self.end, self.end, self.points)
        x, width = np.random.default_rng(self.seed).permutation(x), x[1] - x[0]
        grid = x, np.full_like(x, width), self.log_p(x)
        return Split(grid, grid)


# ---- figures -------------------------------------------------------------------------------------------


def before(manual: Manual, torch_module: Torch, data: Humps) -> Mapping[str, Figure]:
    """What is drawn before training."""
    return {
        "surprise and entropy": surprise_and_entropy(),
        "three divergences": three_divergences(),  # further reading, as the next
        "mutual information": mutual_informations(),
        "two landscapes": two_landscapes(data),
    }


def figures(manual: Manual, torch_module: Torch, data: Humps) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return {"one covers, one picks": covers_and_picks(manual, torch_module, data)}


def coins(p: np.ndarray) -> np.ndarray:
    """The distributions (p, 1 − p). Shapes: (N,) to (N, 2)."""
    return np.stack([p, 1 - p], axis=-1)


def surprise_and_entropy() -> Figure:
    """−log₂ p, and the entropy of a coin."""
    p = np.linspace(0.001, 0.999, 999)
    known = {"fair": 0.5, "9 in 10": 0.9, "always heads": 1.0}
    h = {name: float(bits(entropy(coins(np.array(each))))) for name, each in known.items()}
    fig, axes = figure(
        "Left: how much a message tells, by how probable it was: what was sure tells nothing, one of two equal cases one bit, one of "
        "four two bits, one of eight three (dots). Right: what a throw of a coin tells on average, its entropy. A fair coin tells "
        f"most, {h['fair']:.0f} bit. One that falls heads 9 times in 10 tells {h['9 in 10']:.2f} bits: heads are no news, and tails are "
        f"rare. One that always falls heads tells {abs(h['always heads']):.0f}.",
        columns=2,
        size=(3.8, 2.9),
    )
    ax = axes[0, 0]
    ax.plot(p, bits(-np.log(p)), color="black")
    at = np.array([1.0, 0.5, 0.25, 0.125])
    ax.plot(at, bits(-np.log(at)), "o", color=CATEGORIES[1], clip_on=False)
    ax.set(title="surprise, in bits", xlabel="probability", xlim=(0, 1), ylim=(0, 6))
    ax = axes[0, 1]
    ax.plot(p, bits(entropy(coins(p))), color="black")
    ax.plot(list(known.values()), list(h.values()), "o", color=CATEGORIES[1], clip_on=False)
    ax.set(title="a coin's entropy, in bits", xlabel="probability of heads", xlim=(0, 1), ylim=(0, 1.05))
    return fig


def divergences(data: Humps, mean: np.ndarray, std: float) -> np.ndarray:
    """KL(p‖q) and KL(q‖p) of bell curves with these means. Shapes: (M,) to (2, M)."""
    x, weight, log_p = data.split.train
    log_q = [normal_log_prob(x, np.array([each]), np.array([std])) for each in mean]
    return np.array([[kl_integral(log_p, each, weight), kl_integral(each, log_p, weight)] for each in log_q]).T


def two_landscapes(data: Humps) -> Figure:
    """Both divergences by the mean of q."""
    mean, std = np.linspace(-5, 5, 201), 0.7
    forward, reverse = divergences(data, mean, std)
    best, _ = data.moments()
    fig, axes = figure(
        f"A bell curve q with std {std:g} is moved along under the two humps p (grey), and both divergences are taken down. Forward has "
        f"one valley, at the mean of p, {best:g}: from there it is not too far to either hump. Reverse has a valley under each hump, "
        "for only what q covers counts. Which one is found depends on where one begins.",
        size=(5.6, 3.2),
    )
    ax = axes[0, 0]
    ax.plot(mean, forward, color=CATEGORIES[1], label="forward, KL(p‖q)")
    ax.plot(mean, reverse, color=CATEGORIES[0], label="reverse, KL(q‖p)")
    ax.set(title="one bell, moved along", xlabel="mean of q", ylabel="divergence, in nats", xlim=(-5, 5), ylim=(0, 45))
    ax.legend(fontsize=9, loc="upper center")
    shade = ax.twinx()
    shade.fill_between(mean, np.exp(data.log_p(mean)), color="#bbbbbb", alpha=0.5, linewidth=0)
    shade.set(ylim=(0, 1.5), yticks=[])
    return fig


def fitted(manual: Manual, torch_module: Torch, data: Humps) -> dict[str, list[tuple[float, float]]]:
    """(mean, std) by hand and in torch of either direction: of this run, and of the other direction, trained here."""
    found = {}
    for direction in ("forward", "reverse"):
        if direction == manual.direction:
            ends = [manual.state_dict(), to_numpy(dict(torch_module.state_dict()))]
        else:
            pair = Manual(direction, rng=np.random.default_rng(0)), Torch(direction)
            ends = [{name: path[-1] for name, path in side.items()} for side in walk(*pair, data.split.train, 400)]
        found[direction] = [(float(end["mean"][0]), float(np.exp(end["log_std"][0]))) for end in ends]
    return found


def covers_and_picks(manual: Manual, torch_module: Torch, data: Humps) -> Figure:
    """Both fits over the humps."""
    found, (mean, std) = fitted(manual, torch_module, data), data.moments()
    x = np.linspace(-8, 8, 641)
    covers, picks = (found[direction][0] for direction in ("forward", "reverse"))
    fig, axes = figure(
        "The density with two humps (grey) and the bell curve that was fitted to it, in torch and by hand. Forward covers both humps, "
        f"and the valley too: its mean is {covers[0]:.6f} and its std {covers[1]:.6f}; the closed form, those of the humps together, "
        f"says {mean:.6f} and {std:.6f}. Reverse picks one hump: its mean is {picks[0]:.3g} and its std {picks[1]:.3g}.",
        columns=2,
        size=(3.9, 3.0),
        sharey=True,
    )
    for ax, (direction, (ours, theirs)) in zip(axes[0], found.items(), strict=True):
        ax.fill_between(x, np.exp(data.log_p(x)), color="#dddddd", linewidth=0)
        for (m, s), look, label in ((theirs, TORCH, "torch"), (ours, BY_HAND, "by hand")):
            ax.plot(x, np.exp(normal_log_prob(x, np.array([m]), np.array([s]))), **look, label=label)
        ax.set(title={"forward": "forward, KL(p‖q)", "reverse": "reverse, KL(q‖p)"}[direction], xlabel="x", xlim=(-8, 8))
    axes[0, 0].legend(fontsize=9, loc="upper left")
    axes[0, 0].set_ylabel("density")
    return fig


def learned(run: Trained) -> str:
    """The bell that was fitted, and the moments of the humps."""
    q, (mean, std), direction = run.manual.state_dict(), run.data.moments(), run.torch.hparams["direction"]
    what = "covers both humps" if direction == "forward" else "picks one hump"
    return (
        f"By the {direction} divergence the bell curve {what}: after {len(run.losses)} steps its mean is {float(q['mean'][0]):.4f} and its "
        f"std {float(np.exp(q['log_std'][0])):.4f}. Those of the two humps together are {mean:.4f} and {std:.4f}."
    )


# ---- further reading: three divergences, what rows tell of columns, and zeros ------------------------


def three_divergences() -> Figure:
    """KL both ways and JS of a fair coin from every coin."""
    q = np.linspace(0.0005, 0.9995, 999)
    fair, other = coins(np.full_like(q, 0.5)), coins(q)
    curves = {"KL(fair‖coin)": kl_divergence(fair, other), "KL(coin‖fair)": kl_divergence(other, fair), "JS": js_divergence(fair, other)}
    sure = coins(np.array([1.0]))
    ends = [float(bits(f(a, b))[0]) for f, a, b in ((kl_divergence, sure, fair[:1]), (js_divergence, sure, fair[:1]))]
    fig, axes = figure(
        "Three measures, each 0 only for the fair coin itself. Whoever believes in a coin that always falls heads is infinitely "
        "surprised by the first tails: KL(fair‖coin) grows without end at both margins. Whoever believes in a fair coin is at most "
        f"surprised by {ends[0]:.0f} bit too much: KL(coin‖fair). The Jensen-Shannon divergence looks from both sides, at their "
        f"average, and is {ends[1]:.2f} bits at most here.",
        size=(5.4, 3.2),
    )
    ax = axes[0, 0]
    for (name, nats), colour in zip(curves.items(), CATEGORIES, strict=False):
        ax.plot(q, bits(nats), color=colour, label=name)
    ax.set(
        title="how far from a fair coin", xlabel="the coin's probability of heads", ylabel="divergence, in bits", xlim=(0, 1), ylim=(0, 3)
    )
    ax.legend(fontsize=9, loc="upper center")
    return fig


TABLES: dict[str, tuple[np.ndarray, tuple[str, str], list[str], list[str]]] = {
    "two dice with three faces": (np.full((3, 3), 1 / 9), ("first", "second"), ["1", "2", "3"], ["1", "2", "3"]),
    "weather and umbrella": (np.array([[0.55, 0.05], [0.1, 0.3]]), ("weather", "umbrella"), ["dry", "rain"], ["no", "yes"]),
    "x and x²": (np.array([[0, 1 / 3], [1 / 3, 0], [0, 1 / 3]]), ("x", "x²"), ["−1", "0", "1"], ["0", "1"]),
}
"""Joint probabilities, and what rows and columns are."""


def mutual_informations() -> Figure:
    """Tables with their mutual information."""
    shared = {name: round(float(bits(mutual_information(table))), 2) + 0.0 for name, (table, *_) in TABLES.items()}
    fig, axes = figure(
        "Tables of joint probabilities, bright where something is probable. How many bits does one learn about the column when told "
        f"the row? Of the dice nothing: each row looks like the others. The weather tells {shared['weather and umbrella']:.2f} bits of "
        f"the umbrella, and the umbrella as many of the weather. And x tells all there is to know of x², {shared['x and x²']:.2f} bits, "
        "although the correlation of the two is 0.",
        columns=3,
        size=(3.0, 2.9),
    )
    for ax, (name, (table, names, rows, columns)) in zip(axes[0], TABLES.items(), strict=True):
        ax.imshow(table, cmap=AMOUNT, vmin=0, vmax=0.6)
        for (i, j), t in np.ndenumerate(table):
            ax.text(j, i, f"{t:.2f}", ha="center", va="center", fontsize=10, color="black" if t > 0.3 else "white")
        ax.set(title=f"{name}\n{shared[name]:.2f} bits", xlabel=names[1], ylabel=names[0])
        ax.set(xticks=range(len(columns)), xticklabels=columns, yticks=range(len(rows)), yticklabels=rows)
    return fig


TEXT = """
What the libraries make of zeros, for one term of KL(p‖q):

| | p = 0, q = 0 | p = 0, q > 0 | p > 0, q = 0 |
| --- | --- | --- | --- |
| `kl_divergence` here | 0 | 0 | ∞ |
| `scipy.special.rel_entr(p, q)` | 0 | 0 | ∞ |
| `torch.xlogy(p, p) - torch.xlogy(p, q)` | 0 | 0 | ∞ |
| `torch.nn.functional.kl_div(q.log(), p)` | NaN | 0 | ∞ |
| `scipy.special.kl_div(p, q)`, which adds q − p | 0 | q | ∞ |

And of numbers that do not add up to 1, such as counts: `scipy.stats.entropy` and `torch.distributions.Categorical` divide by the sum,
`torch.special.entr` takes them as they are, and the functions here refuse them.

`forward/val` and `reverse/val` are both divergences, whichever is trained. The forward one ends at 0.9333 nats, where the reverse one is
3.66: the valley between the humps is covered. With `--model.direction reverse` the reverse one ends at 0.5108, which is −log 0.6, since on
the hump that is picked p = 0.6 q; and the forward one is 28.25, for the other hump.

Things to try:

- `--model.direction reverse --seed_everything 4`: with this seed the bell begins on the left, and ends there.
- `--data.apart 1`: two humps that have grown into one. Either direction finds nearly the same bell curve: std 0.80 and 0.75.
- `--data.points 11`: the grid is too coarse, and its sum is no integral: the forward fit has the mean of the grid's p, −0.51, not 0.6.
- `--data.batch_size 50`: an integral by a part of its points at a time; the fit does not come to rest.
"""


# ---- to do ---------------------------------------------------------------------------------------------


def width(run: Trained) -> float:
    """The std of the bell that was found."""
    return float(np.exp(run.manual.log_std.data[0]))


SHORT = {"max_epochs": 100}
BOTH = ("one covers, one picks", "where each bell lies, and where the humps do.")
COVERS = ("it picks one hump", 1.0, "it covers both")

QUESTIONS = (
    by_size(
        "The humps stand at 3 and −3, and the forward divergence is made small. Where does the top of the bell come to stand?",
        lambda run: float(run.manual.mean.data[0]),
        *("on the left hump, at −3", -1.5, "in the valley between them", 1.5, "on the right hump, at 3"),
        seen="at {:.2f}",
        why="Wherever p is above 0 the bell must be too, or the divergence is huge. So it covers both, its mean is p's, and p's is in "
        "between.",
        trainer=SHORT,
        look_at=BOTH,
    ),
    by_size(
        "Each hump alone has a std below 1, both together one of 3. What does the bell do with direction = reverse?",
        width,
        *COVERS,
        seen="its std is {:.2f}",
        why="Now it pays wherever the bell is and p is not, as in the valley; where the bell is not, nothing is paid, whatever p has "
        "there.",
        model={"direction": "reverse"},
        trainer=SHORT,
        look_at=BOTH,
    ),
    by_size(
        "direction = reverse, and apart = 2.5: the humps are closer together. And now?",
        width,
        *COVERS,
        seen="its std is {:.2f}",
        why="The valley between them is shallow now. To lie over it costs less than to leave out a hump.",
        model={"direction": "reverse"},
        data={"apart": 2.5},
        trainer=SHORT,
        look_at=BOTH,
    ),
)

MISTAKE = Mistake(
    "A divergence is a distance, so it makes no difference which of the two comes first. (direction = reverse)",
    lambda run: (
        f"Trained by the reverse divergence the bell is {run.metrics['reverse/val']:.2f} nats from the humps, seen from its own side; seen "
        f"from theirs it is {run.metrics['forward/val']:.1f} away, and its std is {width(run):.2f} in place of {run.data.moments()[1]:.2f}."
    ),
    lambda run: run.agree and run.metrics["forward/val"] > 10 * run.metrics["reverse/val"],
    "KL(p‖q) and KL(q‖p) are two measures: one asks where p is and q is not, the other where q is and p is not. Each has a best bell "
    "of its own.",
    {"direction": "reverse"},
    trainer=SHORT,
)

TWIN = Twin(
    name="information",
    manual=Manual,
    torch=Torch,
    data=Humps,
    learned=learned,
    look_at=("one covers, one picks", "left the bell lies over both humps and the valley between them, right over one hump only."),
    needs=("expectation",),
    trainer={"max_epochs": 400, "check_val_every_n_epoch": 10},
    variants={"reverse": {"direction": "reverse"}},
    options={"direction": "reverse"},
    sgd_lr=0.1,
    before=before,
    figures=figures,
    text={"zeros and directions": TEXT},
    further=("three divergences", "mutual information", "zeros and directions"),
    questions=QUESTIONS,
    exercises=(
        Exercise("entropy_backward", ("By the product rule p log p has the slope log p + 1.",)),
        Exercise("kl_divergence_backward"),
        Exercise("cross_entropy_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("information")
