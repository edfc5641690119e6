"""Value iteration: what a place is worth, by what the next one is worth

A walker crosses a slippery country whose map is known. Sweeps over Bellman's equation find what each cell is worth and so the best way;
a linear solve and walks that are walked say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from experiments import run
from experiments.data.arrays import ArrayData, Split
from experiments.data.worlds.grid import ARROWS, GridWorld, table, the_map
from experiments.drawing.colours import AMOUNT, CATEGORIES, SIGNED
from experiments.drawing.figure import OnDemand, draw_both, figure
from experiments.drawing.walk import losses, walk
from experiments.drawing.written import label_lines
from experiments.lesson import Exercise, Mistake, Trained, by_size
from experiments.pair import Second, Twin
from manual.reinforcement.value_iteration import ValueIteration as Manual
from manual.reinforcement.value_iteration import action_values, policy_iteration, solve
from torch_impl.reinforcement.value_iteration import ValueIteration as Torch


class Country(ArrayData):
    """The two tables of a world on a map: a row for each state. Nothing is held out: the tables are all that there is.

    Args:
        batch_size: states in a batch; 0 puts all of them into one, which is a sweep. With 1 they are taken one after the other.
        seed: of the order of the states.
        map: its name, or its rows with / between them: see experiments/data/worlds/grid.py.
        slip: the probability that a step goes astray.

    Attributes:
        world: that can be walked in.
        states: how many there are.
    """

    def __init__(self, batch_size: int = 0, seed: int = 0, map: str = "land", slip: float = 0.2) -> None:
        super().__init__(batch_size, seed)
        self.world = GridWorld(the_map(map), slip)
        self.states = len(self.world.cells)

    def load(self) -> Split:
        rows = np.arange(self.states), *table(self.world.P)
        return Split(rows, rows)


# ---- what is measured ----------------------------------------------------------------------------------


def truth(data: ArrayData, gamma: float, policy: str = "best") -> np.ndarray:
    """The values by linear solves, without a sweep, (S,)."""
    _, R, P = data.split.train
    if policy == "random":
        return solve(R.mean(axis=1, keepdims=True), P.mean(axis=1, keepdims=True), gamma, np.zeros(len(R), int))
    return policy_iteration(R, P, gamma)[-1]


def best_actions(V: np.ndarray, data: ArrayData, gamma: float) -> np.ndarray:
    """What to do in each state, if this is what they are worth, (S,)."""
    _, R, P = data.split.train
    return action_values(V, R, P, gamma).argmax(axis=1)


def values(side: Any) -> np.ndarray:
    """V of a side, in float64."""
    V = side.V.data
    return np.asarray(V.detach().cpu() if isinstance(V, torch.Tensor) else V, np.float64)


def arrives(V: np.ndarray, data: Country, gamma: float, steps: int = 500) -> float:
    """The probability that who begins at the start and acts by these values has come to an end after so many steps."""
    _, _, P = data.split.train
    on = np.zeros(data.states)
    on[data.world.starts] = 1 / len(data.world.starts)
    by_policy = P[np.arange(data.states), best_actions(V, data, gamma)]
    for _ in range(steps):
        on = on @ by_policy
    return max(float(1 - on.sum()), 0.0)


def walked(V: np.ndarray, data: Country, gamma: float, walks: int = 300, longest: int = 200) -> np.ndarray:
    """The returns of walks by the best actions, step by step in the world, (walks,)."""
    action, world, found = best_actions(V, data, gamma), data.world, []
    for seed in range(walks):
        state, _ = world.reset(seed=seed)
        total = 0.0
        for t in range(longest):
            state, reward, over, _, _ = world.step(action[state])
            total += gamma**t * reward
            if over:
                break
        found.append(total)
    return np.array(found)


def sweeps(data: Country, model: Manual, steps: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """V after 0, 1, ... sweeps from 0, by hand and in torch, (steps + 1, S)."""
    twin = TWIN.having({"gamma": model.gamma, "policy": model.policy, "lr": model.lr})
    ours, theirs = walk(*twin.build(data=data), data.split.train, steps)
    return ours["V"], theirs["V"]


# ---- figures -------------------------------------------------------------------------------------------


def figures(manual: Manual, torch_module: Torch, data: Country) -> Mapping[str, Figure]:
    """What the trained pair thinks of the map; and how values come to be, in what weather, and how fast."""
    return OnDemand(
        {
            "word of the goal": lambda: word_of_the_goal(manual, torch_module, data),
            "how fast": lambda: how_fast(manual, data),
            "other ways": lambda: other_ways(data),
            "policy iteration": lambda: by_policy_iteration(data),
        }
    )


def draw_map(ax: Any, data: Country, V: np.ndarray, gamma: float, most: float) -> None:
    """The values as colours and numbers, and in each cell the best action."""
    world = data.world
    picture = np.full((len(world.rows), len(world.rows[0])), np.nan)
    action = best_actions(V, data, gamma)
    for s, (i, j) in enumerate(world.cells):
        picture[i, j] = V[s]
        text = world.letter(s) if s in world.ends else f"{ARROWS[action[s]]}\n{V[s]:.1f}"
        ax.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if abs(V[s]) > 0.75 * most else "black")
    ax.imshow(picture, cmap=SIGNED, vmin=-most, vmax=most)
    ax.set(xticks=[], yticks=[])


def word_of_the_goal(manual: Manual, torch_module: Torch, data: Country) -> Figure:
    """The map, and the values and best actions after some sweeps."""
    ours, theirs = sweeps(data, manual)
    apart = max(np.abs(ours - theirs).max(), np.abs(values(manual) - values(torch_module)).max())
    fig, axes = figure(
        "First the map: what a step onto each cell costs; S is the start, G the goal. Then V in numbers and colours (orange above 0, "
        "violet below), and in each cell the action that is best by it. Word of the goal travels one cell a sweep; who has not heard of it "
        f"yet sees costs alone. Last: the trained values. By hand and in torch no V differs by more than {apart:.0e}.",
        rows=2,
        columns=3,
        size=(2.7, 2.8),
    )
    world, most = data.world, float(np.abs(ours).max()) or 1.0
    costs = np.full((len(world.rows), len(world.rows[0])), np.nan)
    for s, (i, j) in enumerate(world.cells):
        letter = world.letter(s)
        costs[i, j] = int(letter) if letter.isdigit() else 1
        axes[0, 0].text(j, i, letter, ha="center", va="center", color="white" if costs[i, j] < 6 else "black")
    axes[0, 0].imshow(costs, cmap=AMOUNT, vmin=0, vmax=9)
    axes[0, 0].set(title="the map", xticks=[], yticks=[])
    for ax, k in zip(axes.flat[1:5], (1, 3, 6, 12), strict=True):
        draw_map(ax, data, ours[k], manual.gamma, most)
        ax.set_title(f"after {k} sweep{'s' * (k > 1)}")
    draw_map(axes[1, 2], data, values(manual), manual.gamma, most)
    axes[1, 2].set_title("the trained values")
    return fig


def how_fast(manual: Manual, data: Country) -> Figure:
    """The largest error after each sweep, beside what is promised; and one state after the other."""
    fig, axes = figure(
        "How far the V that is farthest off is from its value by linear solves. Left: after each sweep, for three γ; dotted, γᵏ times what "
        "it was at first: no curve is ever above its promise, and most are far below, for walks end. Right: the same for γ = 0.9, and for "
        "states that are taken one after the other in a random order, where each already sees what those before it have become.",
        columns=2,
        size=(4.6, 3.6),
    )
    left, right = axes[0]
    for gamma, colour in ((0.5, CATEGORIES[0]), (0.9, CATEGORIES[3]), (0.99, CATEGORIES[2])):
        ours, theirs = (np.abs(V - truth(data, gamma)).max(axis=1) for V in sweeps(data, Manual(data.states, gamma)))
        k = np.arange(len(ours))
        draw_both(left, np.stack([k, ours]), np.stack([k, theirs]), f"γ = {gamma}", colour)
        left.plot(k, gamma**k * ours[0], ":", color=colour, linewidth=1)
    left.set(title="sweeps", xlabel="sweep k", ylabel="largest error", yscale="log", ylim=(1e-12, 100))
    left.legend(fontsize=8, loc="lower left")
    whole = [np.abs(V - truth(data, 0.9)).max(axis=1) for V in sweeps(data, Manual(data.states, 0.9), 30)]
    orders: dict[str, Any] = {"all at once": (whole, CATEGORIES[3]), "one after the other": (one_by_one(data), CATEGORIES[4])}
    for name, ((ours, theirs), colour) in orders.items():
        draw_both(right, np.stack([np.arange(31), ours]), np.stack([np.arange(31), theirs]), name, colour)
    right.set(title="in which order", xlabel="times that all states were taken", ylabel="largest error", yscale="log")
    label_lines(right)
    return fig


def one_by_one(data: Country, rounds: int = 30) -> list[list[float]]:
    """The largest error after 0, 1, ... rounds in which the states are taken one by one, by hand and in torch."""
    ours, theirs = TWIN.build(data=data)
    target, rng = truth(data, TWIN.hyperparameters(data=data)["gamma"]), np.random.default_rng(0)
    found: list[list[float]] = [[], []]
    for k in range(rounds + 1):
        for side, errors in zip((ours, theirs), found, strict=True):
            errors.append(float(np.abs(values(side) - target).max()))
        if k < rounds:
            losses(ours, theirs, [tuple(a[s : s + 1] for a in data.split.train) for s in rng.permutation(data.states)])
    return found


@cache
def in_other_weather(map: str, slip: float, gamma: float) -> tuple[Country, np.ndarray]:
    """A country and its values."""
    data = Country(map=map, slip=slip)
    return data, truth(data, gamma)


def other_ways(data: Country) -> Figure:
    """The best actions on dry ground, on slippery ground, and for who thinks of little but the next steps."""
    ways = {"dry: slip 0": (0.0, 0.9), "wet: slip 0.2": (0.2, 0.9), "wet, and γ = 0.5": (0.2, 0.5)}
    found = {name: in_other_weather("/".join(data.world.rows), *of) for name, of in ways.items()}
    part = {name: arrives(V, of, ways[name][1]) for name, (of, V) in found.items()}
    worth = {name: float(V[of.world.starts].mean()) for name, (of, V) in found.items()}
    dry, wet, short = ways
    fig, axes = figure(
        f"The same map in other circumstances. On dry ground the start is worth {worth[dry]:.1f}; in the rain {worth[wet]:.1f}, and here "
        f"and there another action is best: one that keeps away from what is dear. Right, with γ = 0.5 the goal counts for little so far "
        f"away, and costs count now: from the start it is reached with the probability {part[short]:.0%} ({part[wet]:.0%} in the middle).",
        columns=3,
        size=(2.9, 3.0),
    )
    for ax, (name, (of, V)) in zip(axes[0], found.items(), strict=True):
        draw_map(ax, of, V, ways[name][1], max(float(np.abs(V).max()) for _, V in found.values()))
        ax.set_title(name)
    return fig


# ---- further reading: policy iteration -----------------------------------------------------------------


def by_policy_iteration(data: Country) -> Figure:
    """Sweeps, and rounds of solving for a policy and mending it."""
    _, R, P = data.split.train
    rounds, target = np.array(policy_iteration(R, P, 0.99)), truth(data, 0.99)
    after = np.abs(rounds - target).max(axis=1)
    ours, theirs = (np.abs(V - target).max(axis=1) for V in sweeps(data, Manual(data.states, 0.99)))
    fig, axes = figure(
        f"γ = 0.99. Policy iteration solves for what the policy at hand is worth, takes the best action by that, and solves again: after "
        f"{len(rounds) - 1} rounds nothing changes any more, and the last error is rounding. Sweeps need one round for each step of a way, "
        "and then come nearer by a factor. But a sweep costs S² A, a solve S³.",
        size=(5.6, 3.6),
    )
    ax = axes[0, 0]
    k = np.arange(len(ours))
    draw_both(ax, np.stack([k, ours]), np.stack([k, theirs]), "sweeps", CATEGORIES[3])
    ax.plot(np.arange(1, len(after)), np.maximum(after[:-1], 1e-12), "o-", color=CATEGORIES[0], label="policy iteration")
    ax.set(title="sweeps and solves", xlabel="round", ylabel="largest error", yscale="log", ylim=(3e-13, 1e3))
    ax.legend(fontsize=8)
    return fig


# ---- to do ---------------------------------------------------------------------------------------------


def right_already(run: Trained) -> float:
    """In how many states V is what it will be."""
    going_on = [s for s in range(run.data.states) if s not in run.data.world.ends]
    return float((np.abs(values(run.manual) - truth(run.data, run.manual.gamma))[going_on] < 1e-9).sum())


def as_large(run: Trained) -> float:
    """How long V is, beside what it should be."""
    return float(np.linalg.norm(values(run.manual)) / np.linalg.norm(truth(run.data, run.manual.gamma)))


def farthest(side: Any, data: Country) -> float:
    """How far the value that is farthest off is from that by linear solves."""
    return float(np.abs(values(side) - truth(data, side.gamma, side.policy)).max())


QUESTIONS = (
    by_size(
        "Dry ground: no step goes astray. In how many of the 24 cells is V after three sweeps from 0 what it will be in the end?",
        right_already,
        *("in none: it comes nearer everywhere", 1, "in a few: those near the goal", 12, "in most"),
        seen="in {:.0f}",
        why="The first sweep is right beside the goal, each further one a cell farther out; what lies beyond has not heard of the goal.",
        data={"slip": 0.0},
        trainer={"max_epochs": 3},
        look_at=("word of the goal", "how far from G the orange has come after each sweep."),
    ),
    by_size(
        "γ = 0.5: what comes a step later counts half. How probable is it that who starts at S ever reaches the goal?",
        lambda run: arrives(values(run.manual), run.data, run.manual.gamma),
        *("he does not set out", 0.25, "about one half", 0.75, "he arrives"),
        seen="with the probability {:.2f}",
        why="Eight steps away 10 is worth 10 · 0.5⁷ = 0.08, and what the way costs counts now. To walk against the wall is cheaper.",
        model={"gamma": 0.5},
        look_at=("other ways", "the arrows of the last row on the right."),
    ),
    by_size(
        "lr = ½: V goes half of the way to its target in each sweep. What are the values after 60 sweeps?",
        as_large,
        *("half of what they should be", 0.75, "what they should be", 1.5, "they grow without end"),
        seen="they are {:.3f} times as long as those by linear solves",
        why="Half of what is missing is made up for each time, and the targets go on to move until nothing is missing: only later.",
        model={"lr": 0.5},
        look_at=("how fast", "what a sweep with lr = 1 promises."),
    ),
)


class ThroughTheTarget(Manual):
    """A walker whose gradient goes through the target as well."""

    def training_step(self, batch: Any, batch_idx: int) -> float:
        _, R, P = batch
        Q = action_values(self.V, R, P, self.gamma)
        self.following = P[np.arange(len(Q)), Q.argmax(axis=1)]  # (N, S): what follows the best action
        return super().training_step(batch, batch_idx)

    def backward(self, dL_dloss: float = 1.0) -> None:
        saved = self.restore()
        self.save(*saved)
        super().backward(dL_dloss)
        self.V.grad -= dL_dloss * self.gamma * self.following.T @ saved[1]  # (S, N) @ (N,): what follows is pulled, too


class ThroughTheTargetInTorch(Torch):
    """The same in torch: no_grad is forgotten."""

    target = Torch.target.__wrapped__  # type: ignore[attr-defined]


MISTAKE = Mistake(
    "The target is made of V too, so its gradient belongs to the gradient. Autograd would see to it if one let it.",
    lambda run: (
        f"With lr = 0.5 the loss falls from {run.losses[0]:.0f} to {run.losses[-1]:.2g} in {len(run.losses)} sweeps. Yet the worst value "
        f"is off by {farthest(run.manual, run.data):.1f}."
    ),
    lambda run: run.agree and farthest(run.manual, run.data) > 1,
    "The loss is made small from both ends: the value of a state is pulled to what follows, and what follows is pulled to it. Word of the "
    "goal should travel outwards, and is held back by all who have not heard of it.",
    model={"lr": 0.5},
    manual=ThroughTheTarget,
    torch=ThroughTheTargetInTorch,
)


def learned(run: Trained) -> str:
    """How nearly Bellman's equation is true, what the start is worth, and what walks brought."""
    gamma, V = run.manual.gamma, values(run.manual)
    first = (
        f"After {len(run.losses)} steps Bellman's equation is off by no more than {run.metrics['residual/val']:.1g} in any state. "
        f"A walk is worth {V[run.data.world.starts].mean():.2f} at its start"
    )
    if run.manual.policy == "random":
        return f"{first}, for who takes any action, all equally often."
    returns = walked(V, run.data, gamma)
    off = returns.std(ddof=1) / np.sqrt(len(returns))
    return f"{first}; {len(returns)} walks by the best actions brought {returns.mean():.2f} on average (standard error {off:.2f})."


TWIN = Twin(
    name="value_iteration",
    manual=Manual,
    torch=Torch,
    data=Country,
    learned=learned,
    look_at=("word of the goal", "how far word of the goal has come, and which arrows it turns."),
    needs=("bandit",),
    links={"data.states": "model.states"},
    options={"gamma": Second(0.5), "data.map": "rooms"},
    trainer={"max_epochs": 60, "check_val_every_n_epoch": 5},
    variants={"random policy": {"policy": "random"}, "half a step": {"lr": 0.5}},
    constant_draw="target",
    sgd_lr=0.5,
    figures=figures,
    further=("policy iteration",),
    questions=QUESTIONS,
    mistake=MISTAKE,
    exercises=(
        Exercise("ValueIteration.target", ("Q of every action; of them the largest, or the mean if any action may be taken.",)),
        Exercise("ValueIteration.backward", ("The target is a number that was given: only V(s) has a slope. Each goes to its own state.",)),
    ),
)

if __name__ == "__main__":
    run("value_iteration")
