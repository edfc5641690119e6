"""Bandits: which of ten arms pays best, if pulling is the only way to know

Two thousand machines of ten arms each are played a thousand times, as in Sutton and Barto's book: by who always takes what looks best, by
who tries something else now and then, by optimists, and by who has preferences and no opinion.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.drawing.colours import CATEGORIES
from experiments.drawing.figure import BY_HAND, TORCH, OnDemand, draw_both, figure
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.concept import Batch
from manual.reinforcement.bandit import Bandit as Manual
from manual.trainer import Trainer
from torch_impl.reinforcement.bandit import Bandit as Torch


class TenArms(ArrayData):
    """Machines with some arms each: q of every arm from Normal(mean, 1), and every reward q and noise from Normal(0, 1).

    A batch is one pull of every machine. What each arm would have brought is drawn for all of them, so that both sides play the same
    machines, whatever they pull; the agent gets to see what it pulled.

    Args:
        problems: how many machines there are.
        arms: of each.
        steps: pulls in an epoch.
        mean: of all q.
        seed: of everything.
    """

    def __init__(self, problems: int = 2000, arms: int = 10, steps: int = 100, mean: float = 0.0, seed: int = 0) -> None:
        super().__init__(0, seed)
        if min(problems, arms, steps) < 1:
            raise InputError(f"--data.problems, arms and steps must be at least 1, got {problems}, {arms} and {steps}")
        self.problems, self.arms, self.steps, self.mean = problems, arms, steps, mean

    @cached_property
    def q(self) -> np.ndarray:
        """What each arm brings on average, (problems, arms)."""
        return self.mean + np.random.default_rng([self.seed, 0]).normal(size=(self.problems, self.arms))

    def load(self) -> Split:
        """A pull of every machine; and to look at them between pulls one without noise."""
        machine, _, u, best = self.one(0, 0)
        return Split(self.one(0, 0), (machine, self.q, u, best))

    def batches(self, epoch: int) -> list[Batch]:
        """The pulls of this epoch."""
        return [self.one(epoch, step) for step in range(self.steps)]

    def one(self, epoch: int, step: int) -> Batch:
        """One pull of every machine: its number, what each arm would bring, the number that chooses, and the best arm."""
        rng, q = np.random.default_rng([self.seed, 1, epoch, step]), self.q
        return np.arange(self.problems), q + rng.normal(size=q.shape), rng.random(self.problems), q.argmax(axis=1)

    def n_batches(self) -> int:
        """Known without drawing them."""
        return self.steps

    def two_batches(self, module: Any) -> list[Batch]:
        """Two pulls, the second of some of the machines."""
        return [self.one(0, 0), tuple(a[: self.problems // 2 + 1] for a in self.one(0, 1))]

    def example(self, module: Any, n: int = 32) -> Batch:
        """A pull of the first machines."""
        return tuple(a[:n] for a in self.one(0, 0))


# ---- what is measured, on both sides -------------------------------------------------------------------

FEW = 400
"""Machines in the figures of all agents: enough for a picture. The tests hold the numbers of 2,000."""


@cache
def played(mean: float = 0.0, pulls: int = 1000, problems: int = FEW, **agent: Any) -> np.ndarray:
    """The mean reward and the part that pulled its best arm, pull by pull, of an agent: (by hand and torch, pulls, 2)."""
    data = TenArms(problems, mean=mean)
    twin = TWIN.having(agent, {"problems": problems, "mean": mean})
    ours, theirs = twin.build(data=data)
    trainer = Trainer()
    optimizer: Any = theirs.configure_optimizers()
    trainer.attach(ours)
    told: dict[str, float] = {}
    theirs.log = lambda name, value, **_: told.update({name: float(value.detach())})  # type: ignore[method-assign]
    found = []
    for batch in chain.from_iterable(map(data.batches, range(-(-pulls // data.steps)))):
        trainer.train_batch(batch, 0)
        with torch.enable_grad():
            optimizer.zero_grad()
            theirs.training_step(to_torch(batch), 0).backward()  # type: ignore[union-attr]
        theirs.on_before_optimizer_step(optimizer)
        optimizer.step()
        found.append([[ours.logged[name][0], told[name]] for name in ("reward/train", "best_arm/train")])
    return np.array(found[:pulls]).transpose(2, 0, 1)


def late(of: np.ndarray) -> np.ndarray:
    """The means of the last tenth of the pulls: (..., 2)."""
    return np.asarray(of[..., -len(of[0]) // 10 :, :].mean(axis=-2))


# ---- figures -------------------------------------------------------------------------------------------

AGENTS: dict[str, dict[str, Any]] = {
    "ε = 0": {"pulls": 600, "epsilon": 0.0},
    "ε = 0.01": {"pulls": 600, "epsilon": 0.01},
    "ε = 0.1": {"pulls": 600, "epsilon": 0.1},
    "optimist": {"pulls": 400, "epsilon": 0.0, "alpha": 0.1, "initial": 5.0},
    "realist": {"pulls": 400, "epsilon": 0.1, "alpha": 0.1},
    "UCB": {"pulls": 150, "method": "ucb"},
    "α = 0.1": {"pulls": 300, "mean": 4.0, "method": "gradient", "alpha": 0.1},
    "α = 0.4": {"pulls": 300, "mean": 4.0, "method": "gradient", "alpha": 0.4},
    "α = 0.1, no baseline": {"pulls": 300, "mean": 4.0, "method": "gradient", "alpha": 0.1, "baseline": False},
    "α = 0.4, no baseline": {"pulls": 300, "mean": 4.0, "method": "gradient", "alpha": 0.4, "baseline": False},
}
"""Those of Sutton and Barto's figures 2.2 (the first three), 2.3, 2.4 (UCB beside ε = 0.1) and 2.5 (the last four)."""


def figures(manual: Manual, torch_module: Torch, data: TenArms) -> Mapping[str, Figure]:
    """One machine as the trained pair sees it; and, whatever was trained, all agents."""
    return OnDemand(
        {
            "one machine": lambda: one_machine(manual, torch_module, data),
            "explore or use": lambda: explore_or_use(),
            "preferences": lambda: preferences(),
            "other ways out": lambda: other_ways_out(),
        }
    )


def one_machine(manual: Manual, torch_module: Torch, data: TenArms) -> Figure:
    """The first machine: its arms, what is thought of them, and how often each was pulled."""
    q = data.q[0]
    what = "preference H" if manual.method == "gradient" else "estimate Q"
    fig, axes = figure(
        f"The first of {data.problems:,} machines after {int(manual.n[0].sum()):,} pulls. Left: what its arms bring on average (crosses; "
        f"nobody tells the agent), and its {what} of each (broad bars: torch, narrow: by hand). Right: how often each was pulled. What "
        "was soon given up may be guessed wrong, and that does little harm.",
        columns=2,
        size=(4.6, 3.4),
    )
    left, right = axes[0]
    at = np.arange(data.arms)
    for ax, ours, theirs in ((left, manual.table, torch_module.table), (right, manual.n, torch_module.n)):
        ax.bar(at, theirs[0].detach().cpu().numpy(), width=0.8, color=TORCH["color"], label="torch")
        ax.bar(at, ours[0], width=0.35, color=BY_HAND["color"], label="by hand")
        ax.set(xticks=at, xlabel="arm")
    left.plot(at, q, "x", color="black", label="q")
    left.axhline(0, color="black", linewidth=0.8)
    left.set_title(f"q, and the {what}")
    left.legend(fontsize=8)
    right.set(title="pulls", yscale="symlog", ylim=(0, 2 * max(manual.n[0].max(), 1)))
    return fig


def draw_agents(ax: Any, names: dict[str, str], which: int, window: int = 10, pulls: int = 1000) -> None:
    """Curves of these agents, each the mean of so many pulls around: their rewards (0), or the part that pulls the best arm (1)."""
    for name, colour in names.items():
        smooth = [np.convolve(curve[:, which], np.full(window, 1 / window), "valid") for curve in played(**AGENTS[name])[:, :pulls]]
        ours, theirs = (np.stack([np.arange(len(c)) + (window + 1) / 2, c]) for c in smooth)
        draw_both(ax, ours, theirs, name, colour)
    ax.set(xlabel="pull", title=("mean reward", "the best arm is pulled by")[which])
    if which == 1:
        ax.set_ylim(0, 1)
    label_lines(ax)


def explore_or_use() -> Figure:
    """Figure 2.2 of Sutton and Barto."""
    ends = {name: late(played(**AGENTS[name])[0]) for name in ("ε = 0", "ε = 0.01", "ε = 0.1")}
    fig, axes = figure(
        f"{FEW} machines, and three agents who pull anything with the probability ε. Left: the mean reward; the best arms bring "
        f"{TenArms(FEW).q.max(axis=1).mean():.2f}. Who never explores (ε = 0) leads for a moment and stays at "
        f"{ends['ε = 0'][0]:.2f}: on {ends['ε = 0'][1]:.0%} of the machines (right) he has the best arm. ε = 0.1 finds it on "
        f"{ends['ε = 0.1'][1]:.0%}; ε = 0.01 is slower, and would overtake in the end.",
        columns=2,
        size=(4.6, 3.6),
    )
    for which, ax in enumerate(axes[0]):
        draw_agents(ax, dict(zip(ends, (CATEGORIES[2], CATEGORIES[3], CATEGORIES[0]), strict=True)), which)
    return fig


def preferences() -> Figure:
    """Figure 2.5 of Sutton and Barto."""
    names = [name for name in AGENTS if "α" in name]
    ends = {name: late(played(**AGENTS[name])[0])[1] for name in names}
    fig, axes = figure(
        "Gradient bandits on machines whose arms bring 4 more. With a baseline that changes nothing. Without one every reward is above 0: "
        "whatever was pulled becomes more probable, better arms only a little more than worse ones. After 300 pulls "
        f"{ends[names[2]]:.0%} in place of {ends[names[0]]:.0%} pull the best arm with α = 0.1, and {ends[names[3]]:.0%} in place of "
        f"{ends[names[1]]:.0%} with α = 0.4.",
        size=(6.0, 3.8),
    )
    draw_agents(axes[0, 0], dict(zip(names, (CATEGORIES[0], CATEGORIES[4], CATEGORIES[3], CATEGORIES[1]), strict=True)), 1)
    return fig


# ---- further reading: optimists, and the benefit of the doubt ------------------------------------------


def other_ways_out() -> Figure:
    """Figures 2.3 and 2.4 of Sutton and Barto."""
    optimist, realist = (played(**AGENTS[name])[0] for name in ("optimist", "realist"))
    fig, axes = figure(
        f"Left: an optimist, whose Q begin with 5 and who never explores, beside a realist with ε = 0.1; both with w = 0.1. He is worse "
        f"at first, for everything disappoints him and he tries it all; after 400 pulls {late(optimist)[1]:.0%} "
        f"and {late(realist)[1]:.0%} have the best arm. Right: UCB, which asks how little is known of an arm, beside ε = 0.1. After each "
        "arm was pulled once the best-looking is pulled by all: a peak at pull 11.",
        columns=2,
        size=(4.6, 3.6),
    )
    draw_agents(axes[0, 0], {"optimist": CATEGORIES[4], "realist": CATEGORIES[1]}, 1)
    draw_agents(axes[0, 1], {"UCB": CATEGORIES[3], "ε = 0.1": CATEGORIES[0]}, 0, window=1, pulls=150)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def best_pulled(run: Trained) -> float:
    """How probable it is that the next pull is that of the best arm."""
    return run.metrics["best_arm/val"]


QUESTIONS = (
    by_size(
        "An optimist: all Q begin with 5, more than any arm brings; w = 0.1, ε = 0. On how many machines does he end with the best arm?",
        best_pulled,
        *("on hardly any", 0.2, "on a third, as with Q = 0 at first", 0.6, "on most"),
        seen="on {:.0%} of them",
        why="Whatever he pulls brings less than he thought, and the next arm looks better: he tries them all.",
        model={"epsilon": 0.0, "alpha": 0.1, "initial": 5.0},
        data={"problems": 300},
        look_at=("other ways out", "on the left, how the optimist begins and where he ends."),
    ),
    by_size(
        "A gradient bandit without a baseline; all arms bring about 4. How probable is the best in the end, if it is 0.85 with one?",
        best_pulled,
        *("hardly ever", 0.25, "about half", 0.7, "0.85 too: a baseline is the same for all arms"),
        seen="{:.2f}",
        why="A reward of 4 makes whatever was pulled more probable, good or bad.",
        model={"method": "gradient", "alpha": 0.1, "baseline": False},
        data={"problems": 300, "mean": 4.0},
        look_at=("preferences", "the two curves with the same α."),
    ),
)

MISTAKE = Mistake(
    "Whoever has found an arm that pays well should stay with it: to try others costs something every time.",
    lambda run: (
        f"With ε = 0, after {len(run.losses)} pulls, the best arm is pulled on {best_pulled(run):.0%} of the machines, and the mean reward "
        f"is {run.metrics['reward/val']:.2f}; the best arms bring {run.data.q.max(axis=1).mean():.2f}."
    ),
    lambda run: run.agree and best_pulled(run) < 0.5,
    "What looks best after a few pulls was often only lucky, and what is better was unlucky once and is never asked again.",
    model={"epsilon": 0.0},
    data={"problems": 300},
    trainer={"max_epochs": 5},
)


def learned(run: Trained) -> str:
    """How often the best arm is pulled, and what that brings."""
    pulls, best = len(run.losses), run.data.q.max(axis=1).mean()
    return (
        f"After {pulls:,} pulls of each of {run.data.problems:,} machines the best arm is pulled with the probability "
        f"{best_pulled(run):.2f} (at first {1 / run.data.arms:.2f}). A pull brings {run.metrics['reward/val']:.2f}; the best arms bring "
        f"{best:.2f}."
    )


TWIN = Twin(
    name="bandit",
    manual=Manual,
    torch=Torch,
    data=TenArms,
    learned=learned,
    look_at=("explore or use", "who is ahead after 50 pulls, and who after 1,000."),
    needs=("softmax_regression", "expectation"),
    links={"data.problems": "model.problems", "data.arms": "model.arms"},
    options={
        "alpha": 0.1,
        "initial": 5.0,
        "c": Second(0.1, {"method": "ucb"}, {"arms": 2}),
        "baseline": Second(False, {"method": "gradient", "alpha": 0.1}),
        "method": "ucb",
        "data.mean": 4.0,
    },
    trainer={"max_epochs": 10},
    variants={
        "optimist": {"epsilon": 0.0, "alpha": 0.1, "initial": 5.0},
        "UCB": {"method": "ucb"},
        "gradient bandit": {"method": "gradient", "alpha": 0.1},
        "gradient bandit without baseline": {"method": "gradient", "alpha": 0.1, "baseline": False},
    },
    constant_draw="pull",
    sgd_lr=1.0,
    figures=figures,
    further=("other ways out",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("value_loss_backward", ("Of one arm something was heard. By how much is Q(a) off, and how much does it count?",)),
        Exercise("preference_loss_backward", ("softmax minus 1 at the arm that was pulled, as in softmax regression; times w.",)),
        Exercise("Bandit.backward", ("Which of the two losses was it? Its way back is above.",)),
    ),
)

if __name__ == "__main__":
    run("bandit")
