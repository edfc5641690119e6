"""Expectation: averages, how far they scatter, and how to learn through a throw of dice

The mean of a bell curve is moved until its draws cost least on average, with gradients that are themselves averages over a few draws; it
ends at the closed form, within a distance that is known beforehand. The figures show averages settling and becoming bell-shaped, and how
much less the gradient of reparameterised draws scatters than that of the score function.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, figure
from experiments.drawing.walk import walk_by_hand
from experiments.drawing.written import write
from experiments.judge.convert import to_numpy
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.probability.expectation import Expectation as Manual
from manual.probability.expectation import (
    batch_variance,
    conditional_probability,
    correlation,
    expectation,
    probability,
    reparameterisation_variance,
    score_variance,
    share_within,
)
from torch_impl.probability.expectation import Expectation as Torch


class Targets(ArrayData):
    """The target, 3, once for each draw of an epoch: a batch is (target,), and both sides make one draw for each entry.

    Args:
        target: where a draw costs nothing.
        draws: in an epoch.
        batch_size: draws for one gradient.
        seed: of their order, which makes no difference.
    """

    def __init__(self, target: float = 3.0, draws: int = 320, batch_size: int = 16, seed: int = 0) -> None:
        super().__init__(batch_size, seed)
        if draws < 1:
            raise InputError(f"--data.draws must be at least 1, got {draws}")
        self.target, self.draws = target, draws

    def load(self) -> Split:
        return Split((np.full(self.draws, self.target),), (np.full(1, self.target),))


def distances(d: float, std: float, n: int, steps: int, estimator: str) -> np.ndarray:
    """√E[(mean − target)²] after each step, from a distance d: how far off the mean is, typically. The last is the bound for the run.

    With lr = 1/2 step t makes d ← d − g/(2 (t + 1)), where g is 2 d on average and scatters with `batch_variance`, which is A d² + B. So

        E[d²] ← (t/(t + 1))² E[d²] + (A E[d²] + B)/(2 (t + 1))²
    """
    squares = [d * d]
    for t in range(steps):
        scatter = batch_variance(np.sqrt(squares[-1]), std, n, estimator)
        squares.append((t / (t + 1)) ** 2 * squares[-1] + scatter / (2 * (t + 1)) ** 2)
    return np.sqrt(squares)


# ---- figures -------------------------------------------------------------------------------------------


def before(manual: Manual, torch_module: Torch, data: Targets) -> Mapping[str, Figure]:
    """What is drawn before training: it is the same for every pair."""
    return {  # all but the averages that settle are further reading
        "two dice": two_dice(),
        "averages settle": averages_settle(),
        "averages become a bell": averages_become_a_bell(),
        "correlation": correlations(),
        "two gradients": two_gradients(),
    }


def figures(manual: Manual, torch_module: Torch, data: Targets) -> Mapping[str, Figure]:
    """What is drawn of the trained pair."""
    return {"the mean finds the target": finds_the_target(manual, torch_module, data)}


FIRST, SECOND = np.meshgrid(np.arange(1, 7), np.arange(1, 7), indexing="ij")
DICE = np.full((6, 6), 1 / 36)


THROWS = 10_000


def running_averages(players: int) -> np.ndarray:
    """The average of each player's first n throws of a die, for every n. Shapes: (players, THROWS)."""
    eyes = np.random.default_rng(0).integers(1, 7, size=(players, THROWS))
    return np.cumsum(eyes, axis=1) / np.arange(1, THROWS + 1)


def averages_settle() -> Figure:
    """The law of large numbers, with its band."""
    averages, n = running_averages(200), np.arange(1, THROWS + 1)
    std = np.sqrt(expectation(DICE, (FIRST - 3.5) ** 2))  # of the first die; the second makes no difference
    width = 2 * std / np.sqrt(n)
    inside = np.mean(abs(averages - 3.5) <= width, axis=0)
    fig, axes = figure(
        "Two hundred players throw a die and write down the average of their throws so far; five of them are drawn. All averages settle at "
        "the expectation 3.5 (law of large numbers). The grey band is 3.5 ± 2 · std/√n: one more digit takes a hundred times as many "
        f"throws. Of all averages of 10, 100, 1,000 and 10,000 throws {inside[9]:.0%}, {inside[99]:.0%}, {inside[999]:.0%} and "
        f"{inside[9999]:.0%} lie inside of it.",
        size=(5.6, 3.2),
    )
    ax = axes[0, 0]
    ax.fill_between(n, 3.5 - width, 3.5 + width, color="#dddddd", linewidth=0)
    for each, colour in zip(averages[:5], CATEGORIES, strict=False):
        ax.plot(n, each, color=colour, linewidth=0.9)
    ax.axhline(3.5, color="black", linewidth=0.6)
    ax.set(title="averages of five players", xscale="log", xlabel="throws, n", ylabel="average so far", xlim=(1, THROWS), ylim=(1, 6))
    return fig


RUNS, STEPS = 20, 300


def ways(target: float, std: float, n: int, estimator: str) -> np.ndarray:
    """How far the hand-written mean is from the target, before the first and after every step, in twenty runs. Shapes: (RUNS, STEPS + "
    "1)."""
    models = [Manual(std, estimator, rng=np.random.default_rng(run)) for run in range(RUNS)]
    return np.array([walk_by_hand(model, (np.full(n, target),), STEPS)["mean"][:, 0] - target for model in models])


def root_mean_square(d: np.ndarray) -> np.ndarray:
    """Over the runs."""
    return np.sqrt((d * d).mean(axis=0))


def finds_the_target(manual: Manual, torch_module: Torch, data: Targets) -> Figure:
    """Both estimators on their way, and where both sides came to rest."""
    n, std = max(data.batch_size or data.draws, 2), float(manual.std[0])
    ours, theirs = (float(mean) for mean in (manual.mean.data[0], to_numpy(torch_module.mean)[0]))
    steps = int(torch_module.global_step)  # 0 where it was not trained by Lightning: then nobody knows
    fig, axes = figure(
        f"How far the mean of the bell curve is from the target, with {n} draws for each gradient: the root mean square of {RUNS} runs "
        "by hand (broken), and what the theory says beforehand (thin). Both estimators come near as 1/√steps; in the long run the "
        f"score function is {ratio(std, n):.2f} times as far off. This run{' (the dot)' if steps else ''} by {manual.estimator} ended "
        f"{abs(ours - data.target):.1g} off by hand, {abs(theirs - data.target):.1g} in torch: one run may be lucky.",
        size=(6.2, 3.8),
    )
    ax, at = axes[0, 0], np.arange(1, max(STEPS, steps) + 1)
    for name, colour in zip(("reparameterisation", "score"), CATEGORIES, strict=False):
        measured = root_mean_square(ways(data.target, std, n, name))
        theory = distances(measured[0], std, n, len(at), name)
        ax.plot(at[:STEPS], measured[1:], color=colour, linestyle=(0, (1, 0.6)), linewidth=2.5)
        ax.plot(at, theory[1:], color=colour, linewidth=1, label=name)
    ax.set(xscale="log", yscale="log", xlabel="steps", ylabel="distance from the target", xlim=(1, 1.15 * len(at)))
    ax.set_title("how near the mean comes")
    ends = (theirs, "torch, this run", TORCH["color"], 13), (ours, "by hand, this run", BY_HAND["color"], 6)
    for mean, label, colour, size in ends if steps else ():
        ax.plot(steps, abs(mean - data.target), "o", markersize=size, color=colour, label=label, zorder=5)
    ax.legend(fontsize=9, loc="lower left")
    return fig


def ratio(std: float, n: int) -> float:
    """How much farther off the score function is than reparameterisation, after many steps: the scatter of their gradients at d = 0."""
    return float(np.sqrt(batch_variance(0.0, std, n, "score") / batch_variance(0.0, std, n, "reparameterisation")))


def learned(run: Trained) -> str:
    """Where the mean came to rest, and how far off it may be."""
    mean, target, steps = run.manual.mean.data[0], run.data.target, len(run.losses)
    n, std = run.data.batch_size or run.data.draws, float(run.manual.std[0])
    return (
        f"After {steps} steps of {n} draws each the mean is {mean:.4f}, and the target {target:g}. An average of {steps * n:,} draws is "
        f"typically {std / np.sqrt(steps * n):.4f} off: so near can chance come, and no nearer."
    )


# ---- further reading: events, bells, correlations, and the gradient by the score function ------------


def two_dice() -> Figure:
    """An event in the table of two dice, and the same event where the first die is known."""
    event, given = FIRST + SECOND >= 9, FIRST == 5
    known = conditional_probability(DICE, event, given)
    fig, axes = figure(
        "Two dice have 36 outcomes, each of probability 1/36. Left: in the dark ones the sum is at least 9. There are "
        f"{event.sum()}: the probability is {probability(DICE, event):.3f}. Right: what is left when somebody has seen a 5 on the first "
        f"die. Of these {given.sum()} outcomes {(event & given).sum()} are dark: given the 5, the probability is {known:.3f}. The "
        f"expectation of the sum, the mean of all numbers in the table, is {expectation(DICE, (FIRST + SECOND).astype(float)):g}.",
        columns=2,
        size=(3.4, 3.2),
    )
    for ax, possible, title in zip(axes[0], (np.ones_like(given), given), ("nothing is known", "the first die shows 5"), strict=True):
        shade = np.where(possible, np.where(event, 0.75, 0.25), 0.0)
        ax.imshow(shade, cmap="Greys", vmin=0, vmax=1, origin="lower", extent=(0.5, 6.5, 0.5, 6.5))
        for i, j in zip(*np.nonzero(possible), strict=True):
            colour = "white" if event[i, j] else "black"
            ax.text(j + 1, i + 1, str(FIRST[i, j] + SECOND[i, j]), ha="center", va="center", fontsize=9, color=colour)
        ax.set(title=title, xlabel="second die", ylabel="first die", xticks=range(1, 7), yticks=range(1, 7))
    return fig


def standardised_averages(n: int, repeats: int = 40_000) -> np.ndarray:
    """Averages of n waiting times (exponential, mean 1, std 1), less their expectation, over their standard error."""
    averages = np.random.default_rng(n).standard_gamma(n, repeats) / n  # a gamma variable of shape n is a sum of n waiting times
    return (averages - 1) * np.sqrt(n)


def shares(z: np.ndarray) -> tuple[float, ...]:
    """The parts within 1, 2 and 3."""
    return tuple(float(np.mean(abs(z) <= k)) for k in (1, 2, 3))


def averages_become_a_bell() -> Figure:
    """The central limit theorem."""
    ns = (1, 3, 10, 100)
    measured = {n: shares(standardised_averages(n)) for n in ns}
    fig, axes = figure(
        "How long does one wait for a bus that comes without a timetable? Most often briefly, sometimes for ever: one waiting time is not "
        "bell-shaped at all. But the average of n of them is, the more the larger n (central limit theorem). Grey: 40,000 averages, in "
        "standard errors from the expectation; the curve is the bell. Above each: the share within 1 standard error and within 2; of the "
        "bell it is {:.1%} and {:.1%}.".format(*share_within(np.arange(1, 3))),
        columns=4,
        size=(2.4, 2.6),
        sharey=True,
    )
    z = np.linspace(-4, 4, 321)
    for ax, n in zip(axes[0], ns, strict=True):
        ax.hist(standardised_averages(n), bins=80, range=(-4, 4), density=True, color="#cccccc")
        ax.plot(z, np.exp(-z * z / 2) / np.sqrt(2 * np.pi), color="black", linewidth=1.2)
        ax.set(
            title="n = {}\n{:.1%}, {:.1%}".format(n, *measured[n]), xlabel="standard errors", xlim=(-4, 4), xticks=[-3, -2, -1, 0, 1, 2, 3]
        )
        ax.tick_params(labelsize=8)
    axes[0, 0].set_ylabel("density")
    return fig


def clouds() -> dict[str, np.ndarray]:
    """Pairs of numbers that hang together in four ways."""
    x, noise = np.random.default_rng(0).normal(size=(2, 400))
    return {
        "rises": np.stack([x, 0.9 * x + 0.44 * noise], axis=1),
        "unrelated": np.stack([x, noise], axis=1),
        "falls": np.stack([x, -0.6 * x + 0.8 * noise], axis=1),
        "bent": np.stack([np.concatenate([x, -x]), np.tile(x * x - 1, 2)], axis=1),
    }


def correlations() -> Figure:
    """Clouds of points with their correlations."""
    fig, axes = figure(
        "Four clouds of pairs (x, y) and their correlation, which says how well a straight line would do: near 1 where y rises with x, "
        "near 0 where they have nothing to do with one another, below 0 where y falls. On the right y follows from x exactly, and the "
        "correlation is 0 nevertheless: what is lost on the one side is won on the other. Uncorrelated is not independent.",
        columns=4,
        size=(2.3, 2.5),
    )
    for ax, (name, xy) in zip(axes[0], clouds().items(), strict=True):
        ax.plot(*xy.T, ".", color="black", markersize=2)
        ax.set(title=f"{name}: {round(correlation(xy)[0, 1], 2) + 0.0:.2f}".replace("-", "−"), xlabel="x", xticks=[], yticks=[])
    axes[0, 0].set_ylabel("y")
    return fig


BATCH = 16


def gradients(d: float, std: float, batches: int = 20_000) -> dict[str, tuple[np.ndarray, float]]:
    """∂E[(x − target)²]/∂mean by batches of 16 draws, at mean = target + d, and the variance by the closed form."""
    epsilon = np.random.default_rng(1).normal(size=(batches, BATCH))
    cost, score = (d + std * epsilon) ** 2, epsilon / std
    average, best = d * d + std * std, d * d + 3 * std * std
    found = {
        "reparameterisation": (2 * (d + std * epsilon), reparameterisation_variance(std)),
        "score": (cost * score, score_variance(d, std)),
        "score, less mean cost": ((cost - average) * score, score_variance(d, std, average)),
        "score, less best baseline": ((cost - best) * score, score_variance(d, std, best)),
    }
    return {name: (g.mean(axis=1), exact / BATCH) for name, (g, exact) in found.items()}


def two_gradients() -> Figure:
    """Histograms of the estimators, and their variance by the baseline."""
    d, std = 1.5, 1.0
    found = gradients(d, std)
    fig, axes = figure(
        f"The mean of the bell curve stands {d:g} above the target, where the true gradient is {2 * d:g} (black line). Left: what 20,000 "
        f"batches of {BATCH} draws say that it is. All are right on average, but not equally sure: their variances are "
        + ", ".join(f"{g.var():.2f}" for g, _ in list(found.values())[:3])
        + ". Right: the score function's variance by its baseline. It is least at d² + 3 std², "
        f"{found['score, less best baseline'][1]:.2f}, and not much larger with the mean cost, which is measured anyway.",
        columns=2,
        size=(4.4, 3.2),
    )
    ax = axes[0, 0]
    for (name, (g, _)), colour in zip(found.items(), CATEGORIES[:3], strict=False):
        ax.hist(g, bins=100, range=(-2, 12), density=True, histtype="step", color=colour, linewidth=1.3, label=name)
    ax.axvline(2 * d, color="black", linewidth=0.8)
    ax.set(title="what batches say", xlabel=f"gradient by {BATCH} draws", ylabel="density", xlim=(-2, 12))
    ax.legend(fontsize=9, loc="upper right")
    ax = axes[0, 1]
    baseline = np.linspace(0, 10, 201)
    ax.plot(baseline, score_variance(d, std, baseline) / BATCH, color=CATEGORIES[1], label="score")
    ax.axhline(reparameterisation_variance(std) / BATCH, color=CATEGORIES[0], label="reparameterisation")
    for at, text in ((d * d + std * std, "mean cost"), (d * d + 3 * std * std, "best")):
        height = score_variance(d, std, at) / BATCH
        ax.plot(at, height, "o", color=CATEGORIES[1])
        write(ax, text, (at, height), (0, -6), "black", fontsize=9)
    ax.set(title="how much they scatter, by baseline", xlabel="baseline", ylabel="variance of the gradient", ylim=(0, 3.6))
    ax.legend(fontsize=9, loc="upper center")
    return fig


TEXT = """
| | reparameterisation | score function |
| --- | --- | --- |
| draws | x = mean + std ε | x, a constant |
| gradient by one draw | ∂cost/∂x | (cost − baseline) · (x − mean)/std² |
| asks of the cost | a slope at x | its value at x, no more |
| asks of the draws | numbers, made from noise | a probability each: they may be words, or an agent's actions |
| variance by n draws, d = mean − target | 4 std²/n | (8 d² + 10 std² + (8 d² + 2 std²)/(n − 1))/n |
| in torch | rsample() | sample(), log_prob() |
| serves in | variational autoencoders, diffusion | reinforcement learning |

The loss of a batch never comes to rest: it is the mean cost of 16 draws, and scatters around std². `loss/val` is the expectation, by its
closed form. It ends at std² = 0.25, which no mean can undercut.

How near must the mean come? By reparameterisation it ends at target − std · (average of all ε): after T steps of n draws typically
std/√(T n) off, 0.0040 here. The score function is typically 0.0063 off: its gradient scatters more, by √(10.13/4) = 1.59 in the long run.

Things to try:

- `--model.estimator score --model.baseline false`: 2.5 times the variance at the start, 1.5 times at the target.
- `--model.std 2`: draws that scatter four times as far: the mean ends four times as far off, typically.
- `--data.batch_size 1`: 16,000 steps of one draw each do not bring the mean nearer than 1,000 of 16: what counts is T n.
"""


# ---- to do ---------------------------------------------------------------------------------------------


SHORT = {"max_epochs": 10}

QUESTIONS = (
    by_size(
        "Draws scatter about the mean with std 0.5, and cost (x − target)². When the mean has found the target, what does a draw cost on "
        "average?",
        lambda run: run.metrics["loss/val"],
        *("0", 0.1, "0.25", 0.4, "0.5"),
        seen="it ends at {:.4f}",
        why="The mean is right, and the draws scatter all the same: the mean of their squared distances is the variance, std².",
        trainer=SHORT,
    ),
    by_size(
        "lr = 0.1 in place of 0.5, and step t has the size lr/(t + 1). How far is the mean from the target, 3, after 200 steps?",
        lambda run: abs(run.data.target - float(run.manual.mean.data[0])),
        *("0.01 or less", 0.03, "a third of the way is left", 0.9, "it has hardly moved"),
        seen="{:.2f}",
        why="Steps that shrink like 1/t add up like a logarithm: what is left of the way shrinks as t^(−2 lr) = t^(−0.2), very slowly.",
        model={"lr": 0.1},
        trainer=SHORT,
    ),
    by_size(
        "estimator = score: a gradient that knows what each draw costs, and no slope. Does the mean get within 0.05 of the target in 200 "
        "steps?",
        lambda run: abs(run.data.target - float(run.manual.mean.data[0])),
        *("yes", 0.05, "not quite", 0.5, "no: without a slope it cannot know where to go"),
        seen="it is {:.3f} away",
        why="Draws that cost less than usual are made more probable: on average that is the gradient too. It only scatters more.",
        model={"estimator": "score"},
        trainer=SHORT,
        look_at=("the mean finds the target", "how much higher the curve of the score function lies, and that it falls as fast."),
    ),
)


class DrawnAndDone(Manual):
    """Draws are numbers like any others: what they were made of is forgotten, and the mean with it."""

    def by_reparameterisation_backward(self, dL_dloss: float) -> None:
        self.restore()
        self.mean.grad += np.zeros_like(self.mean.data)  # a constant has no slope


class DrawnAndDoneInTorch(Torch):
    """The same in torch: sample() in place of rsample()."""

    def by_reparameterisation(self, target: torch.Tensor) -> torch.Tensor:
        x, _ = self.draw(len(target))
        return ((x - target) ** 2).mean() + 0 * self.mean.sum()  # without the 0 torch would refuse: nothing in the loss can be learned


MISTAKE = Mistake(
    "The cost was computed from the draws, so autograd goes back through them: sample() will do.",
    lambda run: (
        f"After {len(run.losses)} steps the mean is {float(run.manual.mean.data[0]):.2f}, where it began; the target is "
        f"{run.data.target:g}, and a draw costs {run.metrics['loss/val']:.2f} on average."
    ),
    lambda run: run.agree and abs(run.data.target - float(run.manual.mean.data[0])) > 1,
    "A number that was drawn does not know what it was drawn with. rsample(), which is mean + std ε, keeps that way open.",
    trainer={"max_epochs": 10},
    manual=DrawnAndDone,
    torch=DrawnAndDoneInTorch,
)

TWIN = Twin(
    name="expectation",
    manual=Manual,
    torch=Torch,
    data=Targets,
    learned=learned,
    look_at=(
        "the mean finds the target",
        "the two straight lines: ten times the steps bring the mean about three times as near, whichever estimator.",
    ),
    needs=("distributions",),
    trainer={"max_epochs": 50, "check_val_every_n_epoch": 10},
    variants={"score function": {"estimator": "score"}, "score function, no baseline": {"estimator": "score", "baseline": False}},
    options={"estimator": "score", "baseline": Second(False, given={"estimator": "score"})},
    idle={"data.seed": "all examples are the same number; what is drawn for them is drawn with the run's own seed"},
    constant_draw="draw",
    sgd_lr=0.1,
    before=before,
    figures=figures,
    text={"two gradients": TEXT},
    further=("two dice", "averages become a bell", "correlation", "two gradients"),
    questions=QUESTIONS,
    exercises=(
        Exercise("mean_backward", ("Each of N samples counts for one Nth.",)),
        Exercise("variance_backward"),
        Exercise("reparameterise_backward"),
    ),
    mistake=MISTAKE,
)

if __name__ == "__main__":
    run("expectation")
