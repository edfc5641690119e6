"""TD learning: each guess is mended by the next one

Walkers who have no map learn from single steps: what the places of a row are worth, and how to pass a cliff. SARSA keeps away from the
edge, Q-learning goes along it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from itertools import chain
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, InputError, Split
from experiments.data.worlds.corridor import LEFT, RIGHT
from experiments.data.worlds.grid import ARROWS, MAPS, GridWorld, Outcome, table, the_map
from experiments.drawing.colours import AMOUNT, CATEGORIES
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.written import label_lines
from experiments.judge.convert import to_numpy, to_torch
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Twin
from manual.concept import Batch
from manual.reinforcement.bandit import greedy
from manual.reinforcement.td_learning import TDLearning as Manual
from manual.reinforcement.value_iteration import action_values, solve
from manual.trainer import Trainer
from torch_impl.reinforcement.td_learning import TDLearning as Torch

World = dict[int, dict[int, list[Outcome]]]
"""What can happen: see experiments/data/worlds/grid.py."""


def row(places: int = 5) -> tuple[World, int]:
    """Places in a row, in the middle of which walks begin; beyond the first and the last they end, and the right end brings 1."""
    ends = (0, places + 1)
    P: World = {s: {a: [(1.0, s, 0.0, True)] for a in (LEFT, RIGHT)} for s in ends}
    for s in range(1, places + 1):
        P[s] = {a: [(1.0, after, float(after == ends[1]), after in ends)] for a, after in ((LEFT, s - 1), (RIGHT, s + 1))}
    return P, (places + 1) // 2


def cliff() -> tuple[World, int]:
    """Gymnasium's: four rows of twelve cells, and a cliff between the start and the goal."""
    world: Any = gymnasium.make("CliffWalking-v1").unwrapped
    return world.P, int(world.start_state_index)


WORLDS: dict[str, Callable[[], tuple[World, int]]] = {"row": row, "cliff": cliff}


class Steps(ArrayData):
    """A batch is one step of every walker: a number of chance for each, and the world, of which he sees no more than his step.

    Args:
        walkers: how many there are.
        world: the "row" of five places, the "cliff", or a map on which no step goes astray: a named one ("land"), or rows, "S11/1#9/11G".
        gamma: γ, the discount.
        steps: of each walker in an epoch.
        seed: of chance.

    Attributes:
        P: what can happen.
        states, actions: how many there are.
        start: the state in which walks begin.
    """

    def __init__(self, walkers: int = 100, world: str = "row", gamma: float = 1.0, steps: int = 100, seed: int = 0) -> None:
        super().__init__(0, seed)
        if min(walkers, steps) < 1 or not 0 <= gamma <= 1:
            raise InputError(f"--data.walkers and steps must be at least 1, gamma between 0 and 1, got {walkers}, {steps} and {gamma}")
        self.walkers, self.world, self.gamma, self.steps = walkers, world, gamma, steps
        self.P, self.start = self.find(world)
        self.states, self.actions = len(self.P), len(self.P[0])

    @staticmethod
    def find(world: str) -> tuple[World, int]:
        """What can happen, and where walks begin."""
        if world in WORLDS:
            return WORLDS[world]()
        if world in MAPS or "/" in world:
            grid = GridWorld(the_map(world))
            return grid.P, grid.starts[0]
        raise InputError(f"there is no world {world!r}: it must be one of {', '.join(map(repr, (*WORLDS, *MAPS)))}, or rows of a map")

    @cached_property
    def tables(self) -> Batch:
        """leads_to, reward, and goes_on: (S, K) each. After an end one stands at the start."""
        outcomes = [[self.P[s][a][0] for a in range(self.actions)] for s in range(self.states)]
        leads_to = [[self.start if over else after for _, after, _, over in of] for of in outcomes]
        reward, over = (np.array([[outcome[i] for outcome in of] for of in outcomes], float) for i in (2, 3))
        return np.array(leads_to, np.int64), reward, 1 - over

    @cached_property
    def visited(self) -> np.ndarray:
        """All states that a walk can come to."""
        found, new = set(), {self.start}
        while new:
            found |= new
            new = {int(s) for s in self.tables[0][sorted(new)].ravel()} - found
        return np.array(sorted(found))

    @cached_property
    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """V of who takes all actions equally often, by a linear solve, and of who acts as well as can be, by sweeps, (S,) each."""
        R, P = table(self.P)
        by_chance = solve(R.mean(axis=1, keepdims=True), P.mean(axis=1, keepdims=True), self.gamma, np.zeros(len(R), int))
        best = np.zeros(len(R))
        for _ in range(1000):
            best = action_values(best, R, P, self.gamma).max(axis=1)
        return by_chance, best

    def load(self) -> Split:
        """A step of every walker."""
        return Split(self.one(0, 0), self.one(0, 1))

    def batches(self, epoch: int) -> list[Batch]:
        """The steps of this epoch."""
        return [self.one(epoch, step) for step in range(self.steps)]

    def one(self, epoch: int, step: int) -> Batch:
        """One step of every walker."""
        u = np.random.default_rng([self.seed, epoch, step]).random(self.walkers)
        return np.arange(self.walkers), u, *(np.repeat(of[None], self.walkers, axis=0) for of in self.tables)

    def val_batches(self) -> list[Batch]:
        """What the states are worth."""
        return [(self.visited, *(V[self.visited] for V in self.truth))]

    def n_batches(self) -> int:
        """Known without drawing them."""
        return self.steps

    def two_batches(self, module: Any) -> list[Batch]:
        """Two steps, the second of some of the walkers."""
        return [self.one(0, 0), tuple(a[: self.walkers // 2 + 1] for a in self.one(0, 1))]

    def example(self, module: Any, n: int = 32) -> Batch:
        """A step of the first walkers."""
        return tuple(a[:n] for a in self.one(0, 0))


# ---- what is measured, on both sides -------------------------------------------------------------------


class Walked(NamedTuple):
    """What walkers of one side did, and how far their values were off, step by step, (T, P) each; and their last tables, (P, S, K)."""

    state: np.ndarray
    reward: np.ndarray
    over: np.ndarray
    error: np.ndarray
    table: np.ndarray

    def by_episode(self, of: np.ndarray, episodes: int) -> np.ndarray:
        """The sum of a number over each of the first episodes of each walker, (P, episodes); NaN where one had not so many."""
        number = np.cumsum(self.over, axis=0) - self.over  # which episode a step belongs to
        found = np.full((self.over.shape[1], episodes), np.nan)
        for p in range(len(found)):
            whole = number[:, p] < min(episodes, self.over[:, p].sum())
            sums = np.bincount(number[whole, p], of[whole, p])
            found[p, : len(sums)] = sums
        return found

    def after_episode(self, of: np.ndarray, episodes: int) -> np.ndarray:
        """A number of each walker at the end of each of the first episodes, (P, episodes); NaN where one had not so many."""
        last = of * self.over
        return self.by_episode(last, episodes)


@cache
def walked(
    world: str = "row", steps: int = 1000, walkers: int = 100, gamma: float = 1.0, seed: int = 0, **agent: Any
) -> tuple[Walked, Walked]:
    """Walks of a pair, by hand and in torch, without Lightning."""
    data = Steps(walkers, world, seed=seed)
    ours, theirs = both = TWIN.having(agent).build(seed=seed, data=data)
    trainer, sides = Trainer(), list[Any](both)
    optimizer: Any = theirs.configure_optimizers()
    trainer.attach(ours)
    theirs.log = lambda *_, **__: None  # type: ignore[method-assign]
    known = truth_for(ours, data)[data.visited]
    found: tuple[list[Any], list[Any]] = ([], [])
    for batch in chain.from_iterable(map(data.batches, range(-(-steps // data.steps)))):
        stood = [(to_numpy(side.state).copy(), to_numpy(side.action).copy()) for side in sides]
        trainer.train_batch(batch, 0)
        with torch.enable_grad():
            optimizer.zero_grad()
            theirs.training_step(to_torch(batch), 0).backward()  # type: ignore[union-attr]
        theirs.on_before_optimizer_step(optimizer)
        optimizer.step()
        for seen, side, (s, a) in zip(found, sides, stood, strict=True):
            off = values(side)[:, data.visited] - known
            seen.append((s, data.tables[1][s, a], data.tables[2][s, a] == 0, np.sqrt((off**2).mean(axis=1))))
    of = [[np.stack(column)[:steps] for column in zip(*seen, strict=True)] for seen in found]
    by_hand, in_torch = (Walked._make([*columns, tables_of(side)]) for columns, side in zip(of, sides, strict=True))
    return by_hand, in_torch


def tables_of(side: Any) -> np.ndarray:
    """The tables of all walkers, (P, S, K)."""
    of = side.table
    return of.detach().cpu().double().numpy() if isinstance(of, torch.Tensor) else np.array(of.data, np.float64)


def values(side: Any) -> np.ndarray:
    """What each walker thinks that the states are worth, (P, S)."""
    return np.asarray(tables_of(side).max(axis=2))


def truth_for(side: Any, data: Steps) -> np.ndarray:
    """What they are worth: to who throws coins, or at best."""
    return data.truth[0 if side.method == "td" else 1]


def ways(tables: np.ndarray, data: Steps, longest: int = 100) -> list[list[int]]:
    """The states on the way of each walker who takes no step by chance, the start among them."""
    leads_to, _, goes_on = data.tables
    found = []
    for Q in tables:
        way = [data.start]
        while len(way) <= longest:
            a = int(Q[way[-1]].argmax())
            if not goes_on[way[-1], a]:
                break
            way.append(int(leads_to[way[-1], a]))
        found.append(way)
    return found


def brings(tables: np.ndarray, data: Steps, epsilon: float) -> np.ndarray:
    """The return to be expected of each ε-greedy walker from the start, by a linear solve, (P,)."""
    (R, P), found = table(data.P), []
    for Q in tables:
        p = greedy(Q, epsilon)  # (S, K)
        V = np.linalg.solve(np.eye(len(R)) - data.gamma * np.einsum("sk,skt->st", p, P), (p * R).sum(axis=1))
        found.append(V[data.start])
    return np.array(found)


CLIFF: dict[str, Any] = {"world": "cliff", "steps": 4500, "walkers": 30, "alpha": 0.5, "initial": 0.0}
"""Long enough that ways do not change any more."""

LATE = 1500
"""Steps at the end of these, by which walkers are judged."""


def on_the_cliff(method: str) -> tuple[Walked, Walked]:
    """Walks of a method along the cliff, by hand and in torch."""
    return walked(**CLIFF, method=method)


def late_return(of: Walked) -> float:
    """What an episode brought on average, towards the end."""
    return float(of.reward[-LATE:].sum() / of.over[-LATE:].sum())


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Steps) -> Mapping[str, Figure]:
    """What the trained walkers think; and, whatever was trained, how fast values come right, and both ways along the cliff."""
    return OnDemand(
        {
            "values": lambda: what_they_think(manual, torch_module, data),
            "how fast": lambda: how_fast(),
            "along the cliff": lambda: along_the_cliff(),
        }
    )


def what_they_think(manual: Manual, torch_module: Torch, data: Steps) -> Figure:
    """The values of the trained walkers, beside those of a linear solve or of sweeps."""
    states, truth = data.visited, truth_for(manual, data)[data.visited]
    ours, theirs = (values(side)[:, states] for side in (manual, torch_module))
    right = "a linear solve" if manual.method == "td" else "sweeps over Bellman's equation"
    fig, axes = figure(
        f"What each state is worth: by {right} (crosses), and what {data.walkers:,} walkers think of it on average (broad: torch, "
        "dashed: by hand). Thin: three of them; they waver around what is right, and are off by "
        f"{np.sqrt(((ours - truth) ** 2).mean(axis=1)).mean():.3f} on average.",
        size=(6.0, 3.6),
    )
    ax = axes[0, 0]
    for one in ours[:3]:
        ax.plot(states, one, color=CATEGORIES[1], linewidth=0.8)
    draw_both(ax, np.stack([states, ours.mean(axis=0)]), np.stack([states, theirs.mean(axis=0)]), "mean of the walkers", CATEGORIES[0])
    ax.plot(states, truth, "x", color="black", label=right)
    ax.set(title="what the states are worth", xlabel="state", ylabel="V" if manual.method == "td" else "the largest Q")
    ax.legend(fontsize=8)
    return fig


ALPHAS = {0.05: CATEGORIES[0], 0.1: CATEGORIES[3], 0.15: CATEGORIES[2]}


def how_fast() -> Figure:
    """Sutton and Barto's example 6.2: the error against the episodes, for three α."""
    found = {alpha: [of.after_episode(of.error, 80).mean(axis=0) for of in walked(steps=1000, alpha=alpha)] for alpha in ALPHAS}
    fig, axes = figure(
        "The row, 100 walkers. How far the five values are off (root mean square), after each episode. "
        f"A large α is faster at first, and wavers more in the end: after 25 episodes α = 0.05 is at {found[0.05][0][24]:.3f} and "
        f"α = 0.1 at {found[0.1][0][24]:.3f}, after 80 they are at {found[0.05][0][79]:.3f} and {found[0.1][0][79]:.3f}.",
        size=(6.0, 3.6),
    )
    ax = axes[0, 0]
    for alpha, colour in ALPHAS.items():
        ours, theirs = (np.stack([np.arange(1, len(error) + 1), error]) for error in found[alpha])
        draw_both(ax, ours, theirs, f"α = {alpha}", colour)
    ax.set(title="how fast", xlabel="episode", ylabel="error", ylim=(0, None))
    label_lines(ax)
    return fig


CONTROL = {"SARSA": "sarsa", "Q-learning": "q_learning"}


def along_the_cliff() -> Figure:
    """Sutton and Barto's example 6.6: where walkers of both methods walk towards the end, and what episodes bring on the way there."""
    data, found = Steps(walkers=1, world="cliff"), {name: on_the_cliff(method) for name, method in CONTROL.items()}
    steps = {name: len(ways(of.table.mean(axis=0)[None], data)[0]) for name, (of, _) in found.items()}
    exactly = {"SARSA": brings(exact(0.1), data, 0.1)[0], "Q-learning": brings(exact(0.0), data, 0.1)[0]}
    fig, axes = figure(
        f"Bright: where {CLIFF['walkers']} walkers often come by in the last {LATE:,} steps. Arrows: the best way by the mean of their "
        f"tables. Q-learning's takes {steps['Q-learning']} steps along the edge, SARSA's "
        f"{steps['SARSA']}, far from it. Right: what episodes bring, falls included. Towards "
        f"the end SARSA's bring {late_return(found['SARSA'][0]):.0f}, Q-learning's {late_return(found['Q-learning'][0]):.0f}, though it "
        f"knows the better way. Dotted: what each would bring who knew his Q exactly, {exactly['SARSA']:.1f} and "
        f"{exactly['Q-learning']:.1f} by a linear solve.",
        columns=3,
        size=(4.6, 3.0),
    )
    *maps, right = axes[0]
    for ax, (name, both), colour in zip(maps, found.items(), (CATEGORIES[0], CATEGORIES[3]), strict=True):
        draw_cliff(ax, both[0], data)
        ax.set(title=name, xticks=[], yticks=[])
        episodes = int(both[0].over.sum(axis=0).min())  # so many everybody has had
        means = [np.convolve(of.by_episode(of.reward, episodes).mean(axis=0), np.full(10, 0.1), "valid") for of in both]
        ours, theirs = (np.stack([np.arange(10, episodes + 1), mean]) for mean in means)
        draw_both(right, ours, theirs, name, colour)
        right.axhline(exactly[name], color=colour, linestyle=":", linewidth=1)
    right.set(title="on the way", xlabel="episode", ylabel="return", ylim=(-150, 0))
    label_lines(right)
    return fig


def draw_cliff(ax: Any, of: Walked, data: Steps) -> None:
    """Where walkers have walked, in colours, and the best way by the mean of their tables, in arrows."""
    often = np.bincount(of.state[-LATE:].ravel(), minlength=48) / of.over[-LATE:].sum()
    ax.imshow(often.reshape(4, 12), cmap=AMOUNT, vmin=0, vmax=1.5)
    Q = of.table.mean(axis=0)
    letters = {s: ARROWS[Q[s].argmax()] for s in ways(Q[None], data)[0]}
    letters |= {36: f"S{letters[36]}", 47: "G", **dict.fromkeys(range(37, 47), "C")}
    for s, letter in letters.items():
        ax.text(s % 12, s // 12, letter, ha="center", va="center", fontsize=9, color="black" if often[s] > 0.6 else "white")


@cache
def exact(epsilon: float) -> np.ndarray:
    """Q along the cliff of who will take a step in ε by chance and else the best, by sweeps, (1, S, K)."""
    R, P = table(cliff()[0])
    V = np.zeros(len(R))
    for _ in range(2000):
        Q = action_values(V, R, P, 1.0).round(9)  # what is equal shares, and rounding does not decide
        V = (greedy(Q, epsilon) * Q).sum(axis=1)
    return Q[None]


# ---- to do ---------------------------------------------------------------------------------------------


def most_changed(run: Trained) -> float:
    """How many values the walker has changed who has changed most."""
    return float((tables_of(run.manual) != 0.5).sum(axis=(1, 2)).max())


def brought(run: Trained) -> float:
    """What the trained walkers bring on average from now on, steps by chance included."""
    return float(brings(tables_of(run.manual), run.data, run.manual.epsilon).mean())


QUESTIONS = (
    by_size(
        "Each of 100 walkers takes three steps along the row; one in four gets out. How many of a walker's values have changed?",
        most_changed,
        *("none", 0.5, "one at most: that beside the end", 1.5, "up to three: one a step"),
        seen="{:.0f} at most",
        why="All values are ½: from place to place δ = 0. Only who steps out sees something new.",
        data={"steps": 3},
        trainer={"max_epochs": 1},
        look_at=("values", "which values are no longer ½."),
    ),
    by_size(
        "With α = 0.05 values are off by 0.24 at first and by 0.04 after 1,000 steps. And with α = 0.15, three times as much?",
        lambda run: run.metrics["error/val"],
        *("by 0.01: it learns three times as fast", 0.025, "by 0.04 too", 0.055, "by 0.07", 0.12, "by 0.24: it does not learn"),
        seen="by {:.3f}",
        why="It is faster at first. But the larger α, the more of the chance of each draw stays in V.",
        model={"alpha": 0.15},
        look_at=("how fast", "which curve is lowest after 10 episodes, and which after 80."),
    ),
    by_size(
        "Q-learning knows the best way along the cliff: 13 steps, −13. One step in ten is left to chance. What does a walk bring?",
        brought,
        *("about −100", -75, "about −50", -30, "about −20", -14.5, "−13"),
        seen="{:.0f} on average",
        why="Along the edge one step in forty leads over it, costs 100, and he begins again.",
        model={"method": "q_learning", "alpha": 0.5, "initial": 0.0},
        data={"world": "cliff", "walkers": 20},
        trainer={"max_epochs": 35, "check_val_every_n_epoch": 35},
        look_at=("along the cliff", "who brings more on the way, and who knows the better one."),
    ),
)


class ThroughTheTarget(Manual):
    """A walker whose gradient goes through the target as well."""

    def step(self, *batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        s, a = self.state[batch[0]], self.action[batch[0]]
        self.ahead = self.gamma * batch[-1][np.arange(len(s)), s, a]  # ∂y/∂V(s′)
        return super().step(*batch)

    def backward(self, dL_dloss: float = 1.0) -> None:
        saved = self.restore()
        self.save(*saved)
        super().backward(dL_dloss)
        walker, s_next, a_next, _ = self.taken
        self.table.grad[walker, s_next, self.column(a_next)] -= dL_dloss * self.alpha * self.ahead * saved[-1]


class ThroughTheTargetInTorch(Torch):
    """The same in torch: no_grad is forgotten."""

    step = Torch.step.__wrapped__  # type: ignore[attr-defined]


def late_loss(run: Trained) -> float:
    """The mean loss of the last tenth of the steps."""
    return float(np.mean(run.losses[-len(run.losses) // 10 :]))


MISTAKE = Mistake(
    "y is made of V too, so the gradient must go through it as well, to make the loss as small as can be.",
    lambda run: (
        f"After {len(run.losses):,} steps the values are off by {run.metrics['error/val']:.2f}, three times as much as in the lesson. "
        f"The loss is small: {late_loss(run):.3f} a step; with the right values it is {run.manual.alpha / 2 * run.data.walkers / 36:.3f}, "
        "for then every δ is ⅙ or −⅙."
    ),
    lambda run: run.agree and run.metrics["error/val"] > 0.1 and late_loss(run) < run.manual.alpha / 2 * run.data.walkers / 36,
    "The mean of δ² is least where values differ little from place to place, whatever is right: each step pulls both of its ends together.",
    manual=ThroughTheTarget,
    torch=ThroughTheTargetInTorch,
)


def learned(run: Trained) -> str:
    """How far values are off, and for who chooses which way he goes."""
    side, data = run.manual, run.data
    begins = float(np.sqrt(((side.initial - truth_for(side, data)[data.visited]) ** 2).mean()))
    first = (
        f"After {len(run.losses):,} steps of each of {data.walkers:,} walkers their values are off by {run.metrics['error/val']:.3f} "
        f"(at first by {begins:.3f})"
    )
    if side.method == "td":
        return f"{first}."
    steps = len(ways(tables_of(side).mean(axis=0)[None], data)[0])
    return f"{first}. By the mean of their tables the way has {steps if steps <= 100 else 'no end yet; it has more than 100'} steps."


TWIN = Twin(
    name="td_learning",
    manual=Manual,
    torch=Torch,
    data=Steps,
    learned=learned,
    look_at=("values", "how near the dashes lie to the crosses, and how the thin lines waver."),
    needs=("value_iteration",),
    links={f"data.{name}": f"model.{name}" for name in ("walkers", "states", "actions", "start", "gamma")},
    options={"method": "q_learning", "data.world": "cliff"},
    idle={
        "epsilon": "for those who choose; the cases have it",
        "data.gamma": "steps are the same, whatever they are worth",
    },
    falls=False,  # at first all values are ½, and δ is 0
    trainer={"max_epochs": 10},
    variants={"SARSA": {"method": "sarsa"}, "Q-learning": {"method": "q_learning"}},
    constant_draw="step",
    sgd_lr=1.0,
    figures=figures,
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("TDLearning.to_come", ("The largest Q, or that of what will be done.",)),
        Exercise("TDLearning.backward", ("The target was given; one value of each walker is mended.",)),
    ),
)

if __name__ == "__main__":
    run("td_learning")
